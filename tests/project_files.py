"""The project's own files, as several test files read them."""

import ast
import json
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def by_name(requirements):
    """The requirements of each package: one pin may hold for an older Python, one for a newer."""
    found = {}
    for requirement in map(Requirement, requirements):
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def requirement_lines():
    lines = (line.partition("#")[0].strip() for line in read("requirements.txt").splitlines())
    return [line for line in lines if line]


def lower_bound(specifiers):
    (bound,) = (s.version for s in specifiers if s.operator == ">=")
    return bound


def code_cells(path):
    """The code of a notebook's cells; %magics and !commands become the Python that runs them."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            try:
                yield ast.parse(source)
            except SyntaxError:
                from IPython.core.inputtransformer2 import TransformerManager

                yield ast.parse(TransformerManager().transform_cell(source))


def trees(path):
    if path.suffix == ".ipynb":
        return list(code_cells(path))
    return [ast.parse(path.read_text(encoding="utf-8"))]


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])
DEPENDENCIES = by_name(PROJECT["dependencies"])
RANGES = DEPENDENCIES | by_name(PROJECT["optional-dependencies"]["dev"])
PINS = by_name(line for line in requirement_lines() if "==" in line)

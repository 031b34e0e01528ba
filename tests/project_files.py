"""The project's own files, as several test files read them."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def by_name(requirements):
    return {canonicalize_name(r.name): r for r in map(Requirement, requirements)}


def requirement_lines():
    lines = (line.partition("#")[0].strip() for line in read("requirements.txt").splitlines())
    return [line for line in lines if line]


def lower_bound(specifiers):
    (bound,) = (s.version for s in specifiers if s.operator == ">=")
    return bound


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])
RANGES = by_name(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
PINS = by_name(line for line in requirement_lines() if line != "-e .")

"""What gets installed: requirements.txt against pyproject.toml and against this environment."""

import ast
import functools
import importlib.metadata
import itertools
import platform
import sys
import tomllib

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_files import (
    DEPENDENCIES,
    PINS,
    PYTHONS,
    RANGES,
    ROOT,
    by_name,
    lower_bound,
    read,
    requirement_lines,
    trees,
)

# Each direct dependency within its range ---------------------------------------------------------


def test_every_line_pins_one_version_and_the_last_installs_the_helpers():
    pins, project = requirement_lines()[1:-1], requirement_lines()[-1]
    assert project == "-e ."
    for line in pins:
        (pin,) = Requirement(line).specifier  # so neither an option, nor a path or URL
        assert pin.operator == "==" and "*" not in pin.version, line


def test_the_first_line_stops_an_older_python_with_the_reason():
    oldest = lower_bound(PYTHONS)
    first = Requirement(requirement_lines()[0])
    assert str(first.specifier) == f">={oldest}" and first.name == "Python"
    assert first.marker.evaluate({"python_version": "3.10"})
    assert not first.marker.evaluate({"python_version": oldest})


@pytest.mark.parametrize("name", sorted(RANGES))
def test_pins_are_within_the_range(name):
    (wanted,) = RANGES[name]
    assert name in PINS
    for pin in PINS[name]:
        assert version_of(pin) in wanted.specifier


def test_running_python_is_within_the_range():
    assert PYTHONS.contains(platform.python_version(), prereleases=True)


def test_the_package_is_built_with_what_is_pinned():
    """For a build pip fetches by itself what [build-system] names, past requirements.txt."""
    wanted = by_name(tomllib.loads(read("pyproject.toml"))["build-system"]["requires"])
    assert {name: list(map(str, pins)) for name, pins in wanted.items()} == {
        name: list(map(str, PINS[name])) for name in wanted
    }


def test_conda_environment_is_python_and_pip_and_the_requirements():
    environment = yaml.safe_load(read("environment.yml"))
    assert sorted(environment) == ["channels", "dependencies", "name"]
    python, pip, from_pip = environment["dependencies"]
    assert Requirement(python).name == "python"
    assert Requirement(python).specifier == PYTHONS
    assert pip == "pip"
    assert from_pip == {"pip": ["-r requirements.txt"]}


# And all that comes along ------------------------------------------------------------------------

HERE = default_environment()
MACHINES = [
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "machine": "arm64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "machine": "AMD64"},
]


def environment_of(machine, python):
    """The values of the markers on this machine with this Python."""
    return HERE | {
        "sys_platform": machine["sys_platform"],
        "platform_system": machine["platform_system"],
        "os_name": machine["os_name"],
        "platform_machine": machine["machine"],
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_version": f"{python}.9",
    }


EVERYWHERE = {
    f"{machine['sys_platform']}-{machine['machine']}-{python}": environment_of(machine, python)
    for machine, python in itertools.product(MACHINES, ("3.11", "3.12", "3.13", "3.14"))
}


def version_of(pin):
    (specifier,) = pin.specifier
    return specifier.version


def applies(requirement, environment, extras=()):
    return requirement.marker is None or any(
        requirement.marker.evaluate(environment | {"extra": extra}) for extra in (*extras, "")
    )


@functools.cache
def requirements_of(name, pinned):
    """What a package requires, which is known of the version that is installed here."""
    try:
        if importlib.metadata.version(name).partition("+")[0] != pinned:
            return []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Requirement(line) for line in importlib.metadata.requires(name) or []]


def brought_along(environment):
    """Every requirement, direct or not, that holds in an environment."""
    waiting = [requirement for entries in RANGES.values() for requirement in entries]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        yield requirement
        if key not in seen:
            seen.add(key)
            for pin in pins_for(requirement.name, environment):
                found = requirements_of(requirement.name, version_of(pin))
                waiting += [r for r in found if applies(r, environment, requirement.extras)]


def pins_for(name, environment):
    return [pin for pin in PINS.get(canonicalize_name(name), []) if applies(pin, environment)]


@pytest.mark.parametrize("environment", EVERYWHERE.values(), ids=list(EVERYWHERE))
def test_each_system_and_python_finds_one_pin_of_everything(environment):
    """Without a pin, the next release of a package nobody named may break an install."""
    unmet = set()
    for requirement in brought_along(environment):
        pins = pins_for(requirement.name, environment)
        if len(pins) != 1 or version_of(pins[0]) not in requirement.specifier:
            unmet.add(f"{requirement}: {[str(pin) for pin in pins]}")
    assert unmet == set()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine["sys_platform"])
def test_nothing_is_pinned_where_nothing_brings_it(machine):
    """Such a pin may have no wheel there: triton on Windows."""
    environment = environment_of(machine, HERE["python_version"])
    wanted = {canonicalize_name(requirement.name) for requirement in brought_along(environment)}
    assert {name for name in PINS if pins_for(name, environment)} == wanted


def test_what_is_installed_is_what_is_pinned():
    different = {}
    for requirement in brought_along(HERE):
        installed = importlib.metadata.version(requirement.name).partition("+")[0]
        (pin,) = pins_for(requirement.name, HERE)
        if installed != version_of(pin):
            different[requirement.name] = f"pinned {version_of(pin)}, installed {installed}"
    assert different == {}


# A direct import is a direct dependency ----------------------------------------------------------

CODE = (".py", ".ipynb")
OWN = {path.stem for folder in ("tests", "docs", ".ci") for path in (ROOT / folder).glob("*.py")}
OURS = {"helpers", "exercises", *OWN}


def imported(*folders):
    """The distributions that the code in these folders imports by name."""
    modules = set()
    files = [path for f in folders for path in (ROOT / f).rglob("*") if path.suffix in CODE]
    for node in (node for path in files for tree in trees(path) for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module.partition(".")[0])
    modules -= sys.stdlib_module_names | OURS
    owners = importlib.metadata.packages_distributions()
    return {canonicalize_name(owners[module][0]) for module in modules}


def test_the_package_and_the_notebooks_import_what_the_package_requires():
    assert imported("helpers", "exercises", "notebooks") == set(DEPENDENCIES)


def test_the_tests_and_tools_import_what_is_required_for_development():
    assert imported("tests", "benchmarks", "docs", ".ci") <= set(RANGES)

"""What gets installed: requirements.txt against pyproject.toml and against this environment."""

import importlib.metadata
import platform

import pytest
import yaml
from packaging.requirements import Requirement
from project_files import PINS, PYTHONS, RANGES, read, requirement_lines


def test_requirements_install_the_helpers_and_repeat_nothing():
    lines = requirement_lines()
    assert lines.count("-e .") == 1
    assert len(lines) == len(PINS) + 1


def test_the_same_packages_are_pinned_and_ranged():
    assert sorted(PINS) == sorted(RANGES)


@pytest.mark.parametrize("name", sorted(PINS))
def test_pin_is_exact_and_within_the_range(name):
    (pin,) = PINS[name].specifier
    assert pin.operator == "==" and "*" not in pin.version
    assert pin.version in RANGES[name].specifier


@pytest.mark.parametrize("name", sorted(RANGES))
def test_running_version_is_within_the_range(name):
    assert RANGES[name].specifier.contains(importlib.metadata.version(name), prereleases=True)


def test_running_python_is_within_the_range():
    assert PYTHONS.contains(platform.python_version(), prereleases=True)


def test_conda_environment_is_python_and_pip_and_the_requirements():
    environment = yaml.safe_load(read("environment.yml"))
    assert sorted(environment) == ["channels", "dependencies", "name"]
    python, pip, from_pip = environment["dependencies"]
    assert Requirement(python).name == "python"
    assert Requirement(python).specifier == PYTHONS
    assert pip == "pip"
    assert from_pip == {"pip": ["-r requirements.txt"]}

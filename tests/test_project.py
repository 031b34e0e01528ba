"""The project's own files against each other: requirements, workflow, layout, helpers."""

import ast
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest
import yaml  # jupytext brings it
from packaging.requirements import Requirement  # pytest brings it
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from test_makefile import phony_targets

ROOT = Path(__file__).resolve().parent.parent
HELPERS = sorted((ROOT / "helpers").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCRIPTS = [
    path for folder in ("tests", "benchmarks", ".ci") for path in (ROOT / folder).glob("*.py")
]
HOUSE = """
    README.md CONTRIBUTING.md LICENSE Makefile environment.yml requirements.txt pyproject.toml
    .gitignore .gitattributes .ci .github notebooks helpers data tests benchmarks docs
"""
MAX_LINES = 20


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


# The requirements --------------------------------------------------------------------------------

PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])


def by_name(requirements):
    return {canonicalize_name(r.name): r for r in map(Requirement, requirements)}


RANGES = by_name(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])


def requirement_lines():
    lines = (line.partition("#")[0].strip() for line in read("requirements.txt").splitlines())
    return [line for line in lines if line]


PINS = by_name(line for line in requirement_lines() if line != "-e .")


def lower_bound(specifiers):
    (bound,) = (s.version for s in specifiers if s.operator == ">=")
    return bound


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


# The workflow ------------------------------------------------------------------------------------

WORKFLOW = yaml.safe_load(read(".github/workflows/ci.yml"))
JOB = WORKFLOW["jobs"]["test"]
VERSIONS = {entry["versions"]: entry for entry in JOB["strategy"]["matrix"]["include"]}


def step(name):
    (found,) = (step for step in JOB["steps"] if step.get("name") == name)
    return found


def run_step(name, folder, **variables):
    """Run a step's script in a folder, as the workflow does."""
    subprocess.run(
        ["bash", "-e", "-c", step(name)["run"]], cwd=folder, env=os.environ | variables, check=True
    )


needs_bash = pytest.mark.skipif(
    os.name == "nt" or shutil.which("bash") is None, reason="bash is not installed"
)


def test_the_oldest_job_runs_the_lower_bounds():
    oldest = VERSIONS["oldest"]
    assert oldest["python"] == lower_bound(PYTHONS)
    for name in ("torch", "torchvision"):
        assert oldest[name] == lower_bound(RANGES[name].specifier) + ".0"


def test_the_newest_job_runs_the_pins():
    assert set(VERSIONS["newest"]) == {"versions", "python"}


def test_workflow_runs_everywhere_and_weekly():
    systems = {name.split("-")[0] for name in JOB["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    triggers = WORKFLOW[True]  # YAML reads the key `on` as true
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_workflow_calls_make_targets():
    calls = [re.findall(r"^make (\w+)$", step.get("run", ""), re.M) for step in JOB["steps"]]
    called = {target for targets in calls for target in targets}
    assert {"lint", "test"} <= called <= phony_targets()


@needs_bash
def test_the_pinning_step_leaves_consistent_requirements(tmp_path):
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    oldest = VERSIONS["oldest"]
    variables = {name.upper(): oldest[name] for name in ("torch", "torchvision")}
    run_step("Pin this job's torch", tmp_path, **variables)
    before = read("requirements.txt").splitlines()
    after = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    changed = sorted(new for old, new in zip(before, after, strict=True) if old != new)
    assert set(changed) <= {f"{name}=={oldest[name]}" for name in ("torch", "torchvision")}
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.txt"]


WARN = "import warnings; exec(compile({code!r}, 'x.py', 'exec'), {{'__name__': {module!r}}})"


@needs_bash
@pytest.mark.parametrize(
    ("module", "category", "message", "fails"),
    [
        ("__main__", "DeprecationWarning", "old() is deprecated", True),
        ("helpers.data", "DeprecationWarning", "old() is deprecated", True),
        ("torch.nn", "DeprecationWarning", "`torch.old` is deprecated", True),
        ("torch.nn", "FutureWarning", "old() is deprecated", True),
        ("some.library", "DeprecationWarning", "old() is deprecated", False),
        ("__main__", "UserWarning", "old() is odd", False),
    ],
)
def test_the_weekly_filters_make_our_deprecations_errors(
    tmp_path, module, category, message, fails
):
    run_step("Turn deprecation warnings into errors", ROOT, GITHUB_ENV=str(tmp_path / "env"))
    filters = (tmp_path / "env").read_text(encoding="utf-8").strip().partition("=")[2]
    code = f"import warnings; warnings.warn({message!r}, {category})"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", WARN.format(code=code, module=module)],
        env=os.environ | {"PYTHONWARNINGS": filters},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode == 1) == fails, ran.stderr
    assert message in ran.stderr or not fails
    assert "Invalid -W option" not in ran.stderr


# The layout --------------------------------------------------------------------------------------


def test_the_top_level_holds_nothing_else():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("this folder is not a git checkout")
    tracked = {line.partition("/")[0] for line in listing.stdout.splitlines()}
    assert tracked <= set(HOUSE.split())


# The code ----------------------------------------------------------------------------------------


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


def nodes(path):
    return [node for tree in trees(path) for node in ast.walk(tree)]


def star_imports(path):
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield ast.unparse(node)


def unsafe_loads(path):
    """Every spelling of loading a pickle that may run code."""
    for node in nodes(path):
        if isinstance(node, ast.keyword) and node.arg == "weights_only":
            if not (isinstance(node.value, ast.Constant) and node.value.value is True):
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute):
            if ast.unparse(node) in ("pickle.load", "pickle.loads"):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "pickle":
            yield ast.unparse(node)


@pytest.mark.parametrize("path", HELPERS + SCRIPTS + NOTEBOOKS, ids=name_of)
def test_no_star_imports(path):
    assert not list(star_imports(path))


@pytest.mark.parametrize("path", HELPERS + NOTEBOOKS, ids=name_of)
def test_loading_is_safe(path):
    assert not list(unsafe_loads(path))


@pytest.mark.parametrize(
    ("code", "problems"),
    [
        ("torch.load(path, weights_only=True)", 0),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=safe)", 1),
        ("pickle.load(file)", 1),
        ("from pickle import loads", 1),
        ("json.load(file)", 0),
    ],
)
def test_unsafe_loads_are_found(tmp_path, code, problems):
    (tmp_path / "code.py").write_text(code)
    assert len(list(unsafe_loads(tmp_path / "code.py"))) == problems


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def without_docstring(path):
    """The public functions, classes and methods of a module that have no docstring."""

    def look(body, prefix=""):
        for node in body:
            if isinstance(node, (*FUNCTION, ast.ClassDef)) and not node.name.startswith("_"):
                if ast.get_docstring(node) is None:
                    yield prefix + node.name
                if isinstance(node, ast.ClassDef):
                    yield from look(node.body, f"{node.name}.")

    (tree,) = trees(path)
    return list(look(tree.body))


def lines_of_code(path):
    """Each function's name and the lines of code in its body.

    The signature, the docstring, blank lines and comments do not count.
    """
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    code_lines = set()
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type not in ignored:
                code_lines.update(range(token.start[0], token.end[0] + 1))
    for node in nodes(path):
        if isinstance(node, FUNCTION):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = {n for part in body for n in range(first_line(part), part.end_lineno + 1)}
            yield node.name, len(lines & code_lines)


def first_line(statement):
    """The line on which a statement begins, with its decorators."""
    return min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])


@pytest.mark.parametrize("path", HELPERS, ids=name_of)
def test_public_helpers_have_docstrings(path):
    assert without_docstring(path) == []


@pytest.mark.parametrize("path", HELPERS, ids=name_of)
def test_helper_functions_are_short(path):
    assert {name: n for name, n in lines_of_code(path) if n > MAX_LINES} == {}


EXAMPLE = '''
def count(
    x,
):
    """Say
    why."""

    # because
    y = [
        x,
    ]
    return y
'''


def test_lines_of_code_are_counted_by_hand(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(EXAMPLE)
    assert dict(lines_of_code(module)) == {"count": 4}

"""What a tidy project promises: the layout of its folders, and the rules that its code keeps."""

import ast
import re
import subprocess
import tokenize
from graphlib import TopologicalSorter

import pytest
from project_files import ROOT, read, trees

PACKAGES = sorted([*(ROOT / "helpers").glob("*.py"), *(ROOT / "exercises").glob("*.py")])
HELPERS = sorted({path.stem for path in (ROOT / "helpers").glob("*.py")} - {"__init__"})
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HOUSE = """
    README.md CONTRIBUTING.md LICENSE Makefile environment.yml requirements.txt pyproject.toml
    conftest.py .gitignore .gitattributes .ci .github notebooks helpers exercises data tests
    benchmarks docs
"""
MAX_LINES = 20
MAX_HELPERS = 1_950


def name_of(path):
    return path.relative_to(ROOT).as_posix()


# The layout --------------------------------------------------------------------------------------


def test_the_top_level_holds_nothing_else():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode != 0:
        pytest.skip("this folder is not a git checkout")
    tracked = {line.partition("/")[0] for line in listing.stdout.splitlines()}
    assert tracked <= set(HOUSE.split())


def test_every_module_of_the_helpers_has_its_room():
    """The table in CONTRIBUTING.md is where a maintainer looks before he writes one more."""
    rows = re.findall(r"^\| (`.+`) \| .+ \|$", read("CONTRIBUTING.md"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(HELPERS)


@pytest.mark.parametrize("name", HELPERS)
def test_a_module_has_a_test_file_of_its_own(name):
    assert (ROOT / "tests" / f"test_{name}.py").is_file()


# The code ----------------------------------------------------------------------------------------


def nodes(path):
    return [node for tree in trees(path) for node in ast.walk(tree)]


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


# It unpickles no file, only what the process that it started itself sends back.
SPEAKS_WITH_ITS_CHILD = ROOT / "exercises" / "limits.py"


@pytest.mark.parametrize(
    "path", sorted({*PACKAGES, *NOTEBOOKS} - {SPEAKS_WITH_ITS_CHILD}), ids=name_of
)
def test_loading_is_safe(path):
    found = list(unsafe_loads(path))
    # Notebook 13 springs the harmless trap that it has set itself, once.
    assert found == (["weights_only=False"] if path.name == "13_save_load.ipynb" else [])


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


def imported_by(path):
    """The modules of helpers and exercises that a module imports, in functions too."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in IMPORTS}


IMPORTS = {name_of(path).removesuffix(".py").replace("/", "."): path for path in PACKAGES}


def test_no_arrow_between_modules_runs_back_up():
    """So that each can be read, and understood, after those that it stands on."""
    graph = {name: imported_by(path) for name, path in IMPORTS.items()}
    for name, below in graph.items():
        if name.startswith("helpers."):
            assert not {other for other in below if other.startswith("exercises")}, name
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines_of_code(path):
    """Each function's name and the lines of code in its body.

    The signature, the docstring, blank lines and comments do not count.
    """
    code = lines_with_code(path)
    for node in nodes(path):
        if isinstance(node, FUNCTION):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = {n for part in body for n in range(first_line(part), part.end_lineno + 1)}
            yield node.name, len(lines & code)


def lines_with_code(path):
    """The numbers of the lines that hold more than a comment or a docstring."""
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    ignored += (tokenize.ENCODING, tokenize.ENDMARKER)
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in ignored]
    code = {n for token in tokens for n in range(token.start[0], token.end[0] + 1)}
    for node in nodes(path):
        documented = isinstance(node, (ast.Module, ast.ClassDef, *FUNCTION))
        if documented and ast.get_docstring(node) is not None:
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return code


def first_line(statement):
    """The line on which a statement begins, with its decorators."""
    return min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
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
    assert len(lines_with_code(module)) == 7


# What the pages show grows with these.
PICTURES = {
    "charts",
    "diagrams",
    "graphs",
    "sliders",
    "animations",
    "errors",
    "scaling",
}


def test_the_helpers_stay_a_small_package(say):
    """So that a reader who has built them by hand finds what he built."""
    modules = [ROOT / "helpers" / f"{name}.py" for name in sorted({*HELPERS} - PICTURES)]
    lines = sum(len(lines_with_code(module)) for module in modules)
    say(f"helpers without pictures: {lines} lines of code")
    assert lines <= MAX_HELPERS

"""Answers as readers write them, for the tests of the chapters' exercises: code in a notebook.

An answer is a text: a prediction's value (`"4, 2"`), the body of the function that the stub begins
(`"return x.mean()"`), or whole code that binds the name that the exercise asks for.
"""

import ast
import contextlib
import io
import json
import linecache
import secrets
import textwrap
from functools import cache
from pathlib import Path

import torch

from conftest import STARTING
from exercises import check, solution, tutor

ROOT = Path(__file__).resolve().parent.parent
MOST_CELLS = 5

_cells = []  # the newest, by their files


# What check says ---------------------------------------------------------------------------------


def reply(number, answer):
    """Return what `check` prints about an answer: a text as described above, or any value."""
    if isinstance(answer, str):
        answer = run(number, whole_code(number, answer))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        check(number, answer)
    lines = out.getvalue().splitlines()
    return "\n".join(line for line in lines if line != STARTING.rstrip())


def assert_wrong(number, answer, words):
    """`check` must say that the answer is not right, and `words` in its sentence."""
    said = reply(number, answer)
    assert f"{number} is not right yet: " in said, said
    assert words in said, said


def assert_right(number, answer, words=""):
    """`check` must say that the answer is right, and `words` in what it adds."""
    said = reply(number, answer)
    assert f"{number} is right: " in said, said
    assert words in said, said


def prepared(number, said):
    """Return the prepared sentence in what `check` said, or None."""
    return next((w.says for w in tutor.find(number).wrong if w.says in said), None)


# From code to an answer --------------------------------------------------------------------------


def whole_code(number, text):
    """Return the code of a cell: a value or a body is completed by the stub's beginning."""
    exercise = tutor.find(number)
    text = textwrap.dedent(text).strip()
    if text.startswith(("def ", "class ", "import ", "from ", "@", f"{exercise.name} = ")):
        return text
    if exercise.inputs is None:
        return f"{exercise.name} = {text}"
    head = next(line for line in exercise.stub.splitlines() if line.startswith("def "))
    return f"{head}\n{textwrap.indent(text, '    ')}"


def run(number, code):
    """Run code as a cell of the exercise's notebook; return what the stub's name is then."""
    space = notebook_space(number)
    _run_cell(code, space)
    return space[tutor.find(number).name]


def pasted(number):
    """Return the answer that a reader gets who pastes what `solution` prints into the notebook."""
    out, exercise = io.StringIO(), tutor.find(number)
    with contextlib.redirect_stdout(out):
        solution(number)
    printed = out.getvalue()
    if exercise.inputs is not None:
        return run(number, printed)
    space = notebook_space(number)
    _run_cell(printed, space)
    value = space[exercise.solution.__name__]()
    return repr(value) if isinstance(value, str) else value


def notebook_space(number):
    """Return the names that a reader has above an exercise, as far as they cost no computing.

    These are the notebook's imports, functions and classes, its plain constants, and the device.
    """
    space = {"__name__": "__main__", "device": torch.device("cpu")}
    for code in _statements_above(number):
        with contextlib.suppress(NameError, AttributeError):  # it needs what a cell has computed
            exec(code, space)
    return space


@cache
def _statements_above(number):
    exercise = tutor.find(number)
    (path,) = (ROOT / "notebooks").glob(f"{number.partition('.')[0]:0>2}_*.ipynb")
    kept = []
    for n, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if exercise.prompt in source:
            return kept
        if cell["cell_type"] == "code":
            plain = "\n".join("" if _is_magic(line) else line for line in source.split("\n"))
            file = _known(plain, f"{path.name}-{n}")
            statements = [ast.Module([s], []) for s in _kept_statements(plain)]
            kept += [compile(statement, file, "exec") for statement in statements]
    raise AssertionError(f"{path.name} has no exercise {number}")


def _is_magic(line):
    return line.lstrip().startswith(("%", "!"))


def _kept_statements(source):
    """The statements that define names at no cost; a cell of a magic's alone has none."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic was all that a block held
        return []
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return [s for s in statements if isinstance(s, kinds) or _is_constant(s)]


def _is_constant(statement):
    """Whether it gives a name to numbers and texts, or to something that has a name."""
    if not isinstance(statement, ast.Assign):
        return False
    plain = (ast.Constant, ast.Tuple, ast.List, ast.Attribute, ast.Name, ast.UnaryOp)
    parts = (ast.expr_context, ast.unaryop)
    return all(isinstance(node, (*plain, *parts)) for node in ast.walk(statement.value))


def _run_cell(code, space):
    if len(_cells) == MOST_CELLS:
        linecache.cache.pop(_cells.pop(0), None)  # each check sends all that there are
    _cells.append(_known(code, secrets.token_hex(4)))
    exec(compile(code, _cells[-1], "exec"), space)


def _known(code, name):
    """Return the name of a file that holds a cell's code, as a kernel calls it."""
    file = f"/tmp/ipykernel_1/{name}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    return file


# Answers that many mistakes share ----------------------------------------------------------------

CHANGES = {
    "zeros": torch.zeros_like,
    "ones": torch.ones_like,
    "NaN": lambda tensor: torch.full_like(tensor, float("nan"), dtype=torch.float64),
    "negative": lambda tensor: ~tensor if tensor.dtype == torch.bool else -tensor,
    "transpose": lambda tensor: tensor.mT if tensor.ndim == 2 else tensor + 1,
}


def degenerate(number, but=()):
    """Return answers by name that are wrong in a way that tells nothing about the reader.

    Of a function: None, 0, 0.0, an input itself, and the solution's results turned into zeros,
    ones, NaN, their negative and their transpose (plus one where there is nothing to transpose).
    Of a class: each of its public methods does that, while the others are as they should.

    Args:
        number: the exercise's.
        but: names that are left out, such as "zeros" where the zeros happen to be right.
    """
    solved = tutor.find(number).solution
    if isinstance(solved, type):
        answers = _degenerate_classes(solved)
    else:
        answers = {name: _changed(solved, change) for name, change in _changes().items()}
    return {name: answer for name, answer in answers.items() if name not in but}


def assert_true_of_degenerate(number, allowed=None, but=()):
    """None of them is right, and a prepared sentence is said only where it is `allowed`.

    Args:
        number: the exercise's.
        allowed: from the name of an answer to words in the prepared sentence that is true of it.
        but: names that are left out.
    """
    allowed, faults = allowed or {}, []
    for name, answer in degenerate(number, but).items():
        said = reply(number, answer)
        sentence, words = prepared(number, said), allowed.get(name)
        is_true = sentence is None or (words is not None and words in sentence)
        if f"{number} is not " not in said or not is_true:
            faults.append(f"{name}: {said}")
    assert not faults, "\n".join(faults)


def _changes():
    """What becomes of a call, by name: functions of the solution and the inputs."""
    changes = {
        "None": lambda solved, inputs: None,
        "0": lambda solved, inputs: 0,
        "0.0": lambda solved, inputs: 0.0,
        "first input": lambda solved, inputs: inputs[0],
        "last input": lambda solved, inputs: inputs[-1],
    }
    for name, change in CHANGES.items():
        changes[name] = lambda solved, inputs, change=change: mapped(change, solved(*inputs))
    return changes


def _changed(solved, change):
    return lambda *inputs: change(solved, inputs)


def _degenerate_classes(solved):
    classes = {}
    for method, part in vars(solved).items():
        if not callable(getattr(solved, method)) or method.startswith("_"):
            continue
        for name, change in _changes().items():
            function = _changed(getattr(solved, method), change)
            wrapped = staticmethod(function) if isinstance(part, staticmethod) else function
            kind = type(solved.__name__, (solved,), {method: wrapped})
            classes[f"{method}: {name}"] = kind
    return classes


def mapped(change, value):
    """Return a result whose tensors are changed, and whose numbers are, as tensors of one."""
    if isinstance(value, dict):
        return {key: mapped(change, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([mapped(change, part) for part in value])
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, int | float):
        return change(torch.tensor(value)).item()
    return value

"""The exercises that answer back: the engine with real processes, and every exercise there is."""

import functools
import json
import linecache
import marshal
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
import types
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from cloudpickle import CloudPickler
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from torch import nn

from exercises import check, hint, limits, solution, tutor, verdicts
from exercises.answers import is_unsolved
from exercises.differences import difference
from exercises.exercise import Exercise, Wrong

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = [e for name in tutor.chapters() for e in tutor.exercises(name).values()]
WRONGS = [
    pytest.param(exercise, wrong, id=f"{exercise.number}-{n}")
    for exercise in EXERCISES
    for n, wrong in enumerate(exercise.wrong)
]

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.number)


# Exercises for the tests -------------------------------------------------------------------------


def project(x, w):
    """Return x @ w."""
    return x @ w


def clamped(x, w):
    return (x @ w).clamp(min=0)


def normal(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def matrices(generator):
    return normal(generator, 5, 3), normal(generator, 3, 4)


PROJECT = Exercise(
    number="99.1",
    prompt="**99.1 Build.** Multiply.",
    stub="def project(x, w):\n    ...  # your line",
    name="project",
    solution=project,
    wrong=(Wrong(clamped, "you clamp what may be negative."), Wrong(None, "never like this")),
    hints=("a nudge.", "nearly all."),
    because="rows times columns.",
    inputs=matrices,
)


class Halve(nn.Module):
    """Halve the input."""

    def forward(self, x):
        return x / 2


HALVE = replace(
    PROJECT,
    number="99.2",
    stub="class Halve(nn.Module):\n    def forward(self, x):\n        ...  # your line",
    name="Halve",
    solution=Halve,
    wrong=(),
    inputs=lambda generator: (normal(generator, 4),),
    probe=lambda answer, x: answer()(x),
)


def ratio():
    """Return a number that is 2 within a few thousandths."""
    return 2 + 0.001 * torch.rand(()).item()


RATIO = replace(
    PROJECT,
    number="99.3",
    stub="answer = None",
    name="answer",
    solution=ratio,
    wrong=(Wrong(4.0, "you squared it."),),
    inputs=None,
    rtol=0.01,
)


def predicting(value):
    return replace(RATIO, solution=lambda: value, wrong=(), rtol=1e-6)


@pytest.fixture(autouse=True)
def known_exercises(monkeypatch):
    known = {e.number: e for e in (PROJECT, HALVE, RATIO)}
    find = tutor.find
    monkeypatch.setattr(tutor, "find", lambda n: known[n] if n in known else find(n))


@pytest.fixture
def said(capfd):
    """Return what a call of check prints; nothing may reach stderr."""

    def run(number, answer, exercise=None):
        with pytest.MonkeyPatch.context() as patch:
            if exercise is not None:
                patch.setattr(tutor, "find", lambda _: exercise)
            capfd.readouterr()
            check(number, answer)
        out, err = capfd.readouterr()
        assert err == ""
        return out

    return run


@pytest.fixture
def sentence(said):
    """Return the sentence of a check that says: not right yet."""

    def run(number, answer, exercise=None):
        (line,) = said(number, answer, exercise).splitlines()
        begin = f"{number} is not right yet: "
        assert line.startswith(begin), line
        return line.removeprefix(begin)

    return run


def cell(code, **names):
    """Run code as a notebook cell: in __main__, with its source known to linecache."""
    file = f"/tmp/ipykernel_1/{secrets.randbits(32)}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    space = {"torch": torch, "nn": nn, **names, "__name__": "__main__"}
    exec(compile(code, file, "exec"), space)
    return space


def workers():
    """The processes that run answers, and their children; not those of other test files."""
    ours = [child for child in psutil.Process().children() if limits.BOOT in child.cmdline()]
    return [process for worker in ours for process in (worker, *worker.children(recursive=True))]


# The fixed lines ---------------------------------------------------------------------------------


def test_right_answer(said):
    assert said("99.1", lambda x, w: x @ w) == "99.1 is right: rows times columns.\n"


def test_an_answer_may_display_as_in_a_notebook(said):
    shows = cell("def project(x, w): display('shown'); return x @ w")
    assert said("99.1", shows["project"]) == "shown\n99.1 is right: rows times columns.\n"


def test_an_error_that_cannot_say_itself(said):
    raises = cell(
        "class Bad(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError('no')\n"
        "def project(x, w):\n"
        "    raise Bad()"
    )
    assert "your code raised Bad in line 5" in said("99.1", raises["project"])


def test_known_mistake(said):
    answer = cell("def project(a, b): return torch.relu(a @ b)")
    assert (
        said("99.1", answer["project"])
        == "99.1 is not right yet: you clamp what may be negative.\n"
    )


BLANK = [
    "def project(x, w):\n    ...",
    "def project(x, w):\n    pass",
    "def project(x, w):\n    return None",
    'def project(x, w):\n    """Multiply."""',
    "project = lambda x, w: None",
    "project = None",
    "project = ...",
]


@pytest.mark.parametrize("code", BLANK)
def test_unsolved(said, code):
    line = '99.1 is not solved yet; hint("99.1") gives a nudge.\n'
    assert said("99.1", cell(code)["project"]) == line


BLANK_CLASSES = [
    "class Halve(nn.Module):\n    def forward(self, x): ...",
    "class Halve(nn.Module):\n    pass",
    "class Halve:\n  @staticmethod\n  def forward(x): ...\n  @classmethod\n  def g(x): pass",
]


@pytest.mark.parametrize("code", BLANK_CLASSES)
def test_unsolved_class(said, code):
    assert "not solved yet" in said("99.2", cell(code)["Halve"])


def test_a_stub_with_code_in_it_is_unsolved_until_it_changes(said):
    stub = "def project(x, w):\n    y = x + w  # mend this\n    return y"
    modify = replace(PROJECT, stub=stub)
    assert "not solved yet" in said("99.1", cell(f"\n\n{stub}")["project"], modify)
    assert "is right: " in said("99.1", cell(stub.replace("+", "@"))["project"], modify)
    stub = (
        "class Halve(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "    def forward(self, x): ..."
    )
    modify = replace(HALVE, stub=stub)
    assert "not solved yet" in said("99.2", cell(stub)["Halve"], modify)
    assert "is right: " in said("99.2", cell(stub.replace("...", "return x / 2"))["Halve"], modify)


def test_hints_come_one_by_one_and_the_last_one_again(capsys, monkeypatch):
    monkeypatch.setattr(tutor, "_hints_given", {})
    for _ in range(3):
        hint("99.1")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "99.1, hint 1 of 2: a nudge."
    assert second == "99.1, hint 2 of 2: nearly all."
    assert third.startswith(second) and 'solution("99.1")' in third
    hint("99.3")
    assert capsys.readouterr().out.startswith("99.3, hint 1")


def test_solution_shows_the_source(capsys):
    solution("99.1")
    assert (
        capsys.readouterr().out == 'def project(x, w):\n    """Return x @ w."""\n    return x @ w\n'
    )


@pytest.mark.parametrize("call", [lambda n: check(n, 1), hint, solution])
def test_unknown_numbers_list_those_that_exist(call):
    for number in ("9999.1", "", "two", "1", "²"):
        with pytest.raises(ValueError, match="number must be one of") as caught:
            call(number)
        for name in tutor.chapters():
            first, *_, last = tutor.exercises(name)
            assert f"{first} to {last}" in str(caught.value)
        assert repr(number) in str(caught.value)


@pytest.mark.parametrize("call", [lambda n: check(n, 1), hint, solution])
def test_a_number_that_is_no_text(call):
    with pytest.raises(TypeError, match=r'number must be a text: write "2\.1", got 2\.1'):
        call(2.1)
    with pytest.raises(TypeError, match="number must be a text"):
        call(None)


# Predictions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, 2.0, torch.tensor(2.0), np.float64(2), np.array(2), 1.99])
def test_right_predictions(said, value):
    assert said("99.3", value) == "99.3 is right: rows times columns.\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (4, "you squared it."),
        (3, "3 is too large"),
        (1.5, "1.5 is too small"),
        (-2, "the size is right, the sign is not"),
        (-7, "-7 has the wrong sign"),
        (float("nan"), "that is NaN"),
        ("2", "expected a number, got a text"),
        (True, "expected a number, got True or False"),
        ([2.0], "expected a number, got a list with 1 entry"),
        (torch.tensor([2.0]), "expected a number, got a tensor of shape (1,)"),
        (ratio, "expected a number, got a function; did you mean to call it?"),
        (Halve, "expected a number, got the class Halve"),
    ],
)
def test_wrong_predictions(sentence, value, words):
    answer = sentence("99.3", value)
    assert answer.startswith(words)
    assert "2.00" not in answer  # the answer is not given away


@pytest.mark.parametrize(
    ("expected", "right", "wrong", "words"),
    [
        (True, np.True_, 1, "expected True or False, got a number"),
        (True, torch.tensor(True), False, "it is not False"),
        ("Rows", " rows ", "columns", '"columns" is not it'),
        ("abd", "A, B, d", "a b c", '"a b c" is not it'),
        (torch.Size([5, 3]), [5, 3], (5, 4), "at position 1: 4 is too large"),
        ((5, 3), torch.Size([5, 3]), (5, 3, 1), "expected 2 entries, got 3"),
        ((5, 3), [5, 3], 15, "expected a tuple with 2 entries, got a number"),
        (torch.float64, torch.float64, torch.float32, "torch.float32 is not it"),
        (7, 7, 8, "8 is too large"),
        (7, 7.0, None, "not solved yet"),
        (torch.arange(3), torch.arange(3), torch.zeros(3), "expected int64, got float32"),
        (torch.arange(3), torch.arange(3), torch.tensor([0, 1, 3]), "1 of 3 entries differs"),
        (np.ones(2), np.ones(2), torch.ones(2), "expected a NumPy array of shape (2,), got a te"),
        (0.0, 1e-14, 1e-3, "0.001 is too large"),
        (1 + 2j, 1 + 2j, 1 - 2j, "1-2j is not it"),
    ],
)
def test_kinds_of_predictions(said, expected, right, wrong, words):
    assert "is right: " in said("99.3", right, predicting(expected))
    assert words in said("99.3", wrong, predicting(expected))


def test_predictions_leave_the_generators_and_the_default_dtype_alone(said):
    def meddling():
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return 1

    def draws():
        return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()  # noqa: NPY002

    exercises = [("99.3", 1, replace(RATIO, solution=meddling)), ("99.3", 2, RATIO)]
    for number, answer, exercise in [*exercises, ("99.1", project, PROJECT)]:
        states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        expected = draws()
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])
        assert "right" in said(number, answer, exercise)
        assert draws() == expected
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()


def test_predictions_are_held_against_fresh_data(said):
    seen = []
    fresh = replace(RATIO, solution=lambda: seen.append(torch.rand(()).item()) or 1)
    for _ in range(3):
        torch.manual_seed(0)
        said("99.3", 1, fresh)
    assert len(set(seen)) == 3


# What is said about a wrong outcome --------------------------------------------------------------

x, y = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 7.0]]).double(), torch.arange(9.0).reshape(3, 3)
EYES = torch.eye(3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (x.T, x, "expected shape (2, 3), got (3, 2): it is the transpose"),
        (x.T + 1, x, "expected shape (2, 3), got (3, 2)"),
        (y.T, y, "it is the transpose of what it should be"),
        (x.reshape(6), x, "got (6,): the numbers are right, their arrangement is not"),
        (x.sum(0), x.sum(1), "expected shape (2,), got (3,): as after a reduction along another"),
        (x.sum(0, keepdim=True), x.sum(1, keepdim=True), "got (1, 3): as after a reduction"),
        (x, x.sum(), "expected shape (), got (2, 3): is a sum or a mean missing?"),
        (-x, x, "every entry has the wrong sign"),
        (x / 2, x, "every entry is 0.5 times what it should be"),
        (x * 6, x, "every entry is 6 times what it should be; 6 is a length in the inputs: a sum"),
        (x / 6, x, "6 is a length in the inputs: a mean in place of a sum?"),
        (x * 0, x, "every entry is 0"),
        (x + 1.5, x, "every entry is 1.5 too large"),
        (x - 1.5, x, "every entry is 1.5 too small"),
        (x.flip(0), x, "the numbers are right, their order is not"),
        (x.clamp(min=0), x, "1 of 6 entries differs, at [0, 1]: expected -2, got 0"),
        (x.clamp(max=3), x, "3 of 6 entries differ, the first at [1, 0]: expected 4, got 3"),
        (x / x.clamp(min=0), x, "1 of 6 entries is infinite, at [0, 1]"),
        (x.log(), x, "1 of 6 entries is NaN, at [0, 1]"),
        (x.float(), x, "expected float64, got float32: compute in float64 throughout"),
        (x > 0, x, "expected float64, got bool"),
        (~EYES, EYES, "every entry is the opposite of what it should be"),
        (~EYES & EYES, EYES, "3 of 9 entries differ, the first at [0, 0]: expected True, got F"),
        (x.numpy(), x, "expected a tensor of shape (2, 3), got a NumPy array of shape (2, 3)"),
        (x.tolist(), x, "expected a tensor of shape (2, 3), got a list with 2 entries"),
        (None, x, "expected a tensor of shape (2, 3), got None; is a return missing?"),
        (1.0, x.sum(), "expected a tensor of shape (), got a number"),
        (-x.sum(), x.sum(), "expected 18, got -18: the sign is flipped"),
        (x.mean(), x.sum(), "0.166667 times as much; 6 is a length in the inputs: a mean in place"),
        (x.sum() + 1, x.sum(), "expected 18, got 19"),
        ((x, -x), (x, x), "at position 1: every entry has the wrong sign"),
        ({"the loss": 1, "the slope": 2}, {"the loss": 1, "the slope": 3}, "in the slope: expec"),
        ({"the loss": 1}, {"the loss": 1, "the slope": 3}, "'the slope' is missing"),
        ({"the loss": 1}, {}, "'the loss' is one too many"),
        (3, {"the loss": 1, "the slope": 2}, "expected the loss, the slope; got a number"),
        (float("inf"), 1.0, "expected 1, got inf"),
        (1.0, float("inf"), "expected inf, got 1"),
        (1e300, 1e-300, "expected 1e-300, got 1e+300"),
        (nn.Linear(1, 1), x, "got a Linear; did you mean to call it?"),
        (np.array(["a", "b"]), np.ones(2), "expected float64, got <U1"),
        (x.to_sparse(), -x, "every entry has the wrong sign"),
        (x.to("meta"), x[:1], "expected shape (1, 3), got (2, 3)"),
    ],
)
def test_differences(actual, expected, words):
    assert words in difference(actual, expected, lengths=frozenset({5, 6}))


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (x + 1e-9, x),
        (nn.Parameter(x), x),
        (torch.tensor([1.0, float("nan"), float("inf")]), torch.tensor([1, np.nan, np.inf])),
        (torch.tensor([1e-15, 1.0]).double(), torch.tensor([0.0, 1.0]).double()),
        (torch.tensor([1e-17]).double(), torch.zeros(1).double()),
        (x.float() * (1 + 1e-6), x.float()),
        (x.bfloat16(), x.bfloat16()),
        ([x, (x, 1)], (x, [x, 1.0])),
        (torch.empty(0), torch.empty(0)),
        (x.to_sparse(), x),
        (x * 1j, x * 1j),
        ((x * 1j).conj(), -x * 1j),
        (None, None),
    ],
)
def test_no_difference(actual, expected):
    assert difference(actual, expected) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x, "project must take 2 arguments (x, w), got (x)"),
        (lambda x, w, b: x, "project must take 2 arguments (x, w), got (x, w, b)"),
        (lambda: 0, "project must take 2 arguments (x, w), got ()"),
        (torch.ones(2, 3), "expected a function, got a tensor of shape (2, 3): pass the function"),
        (3, "expected a function, got a number: pass the function itself, without calling it"),
        (nn.Linear, "expected a function, got the class Linear"),
        (
            lambda x, w: [].clear(),
            "expected a tensor of shape (5, 4), got None; is a return missing?",
        ),
        (lambda x, w: (x @ w).T, "expected shape (5, 4), got (4, 5): it is the transpose"),
        (lambda x, w: x @ w / 5, "every entry is 0.2 times what it should be; 5 is a length"),
        (lambda x, w: (x @ w, x.mul_(2))[0], "your code changes its argument x in place"),
        (lambda x, w: x.mul_(2) @ w, "your code changes its argument x in place"),
        (lambda x, w: (x @ w).to("meta"), "what your code returns cannot be compared: "),
        (lambda *both: torch.zeros(5, 4).double(), "every entry is 0"),
    ],
)
def test_wrong_functions(sentence, answer, words):
    assert sentence("99.1", answer).startswith(words)


def test_stars_in_a_signature_are_named(sentence):
    words = "gradients must take (f, *inputs), got (f, inputs)"
    assert sentence("3.4", lambda f, inputs: 0) == words
    assert sentence("3.4", lambda f, x, w: 0) == "gradients must take (f, *inputs), got (f, x, w)"


class Callable2(nn.Module):
    def forward(self, x, w):
        return x @ w

    def method(self, x, w):
        return x @ w


@pytest.mark.parametrize(
    "answer",
    [
        torch.matmul,
        functools.partial(lambda k, x, w: k * x @ w, 1),
        Callable2(),
        Callable2().method,
        lambda x, w, b=0: x @ w + b,
        lambda *both: both[0] @ both[1],
        lambda x, w: (x @ w).clone().requires_grad_(),
    ],
)
def test_other_callables_are_functions(said, answer):
    assert "is right: " in said("99.1", answer)


def test_classes(said, sentence):
    assert "is right: " in said("99.2", Halve)
    assert sentence("99.2", Halve()) == "expected a class, got a Halve: leave out the parentheses"
    assert sentence("99.2", project) == "expected a class, got a function"
    assert sentence("99.2", Fraction) == "Fraction must derive from Module"
    noise = cell("class Halve(nn.Module):\n    def forward(self, x): return x * 2")["Halve"]
    assert sentence(
        "99.2", noise
    ) == "every entry is 4 times what it should be; 4 is a length in" + (
        " the inputs: a sum in place of a mean?"
    )


def test_a_class_of_the_notebook_with_a_backward_of_its_own(said, sentence):
    exercise = replace(
        HALVE,
        probe=lambda answer, x: torch.autograd.grad(answer.apply(x.requires_grad_()).sum(), x)[0],
    )
    code = (
        "factor = 2\n"
        "class Halve(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        return x / factor\n"
        "    @staticmethod\n"
        "    def backward(ctx, grad):\n"
        "        return grad / factor"
    )
    right = cell(code)["Halve"]
    exercise = replace(exercise, solution=right)
    assert "is right: " in said("99.2", cell(code)["Halve"], exercise)
    wrong = cell(code.replace("grad / factor", "-grad / factor"))["Halve"]
    assert sentence("99.2", wrong, exercise) == "every entry has the wrong sign"
    broken = cell(code.replace("grad / factor", "grad / facto"))["Halve"]
    assert sentence("99.2", broken, exercise) == (
        "your code raised NameError: name 'facto' is not defined in line 8: return grad / facto"
    )


def test_the_notebooks_globals_travel_with_a_function(said):
    code = (
        "def one(): return 1\ntwo = torch.tensor(2)\ndef project(x, w): return one() * two * x @ w"
    )
    code = code.replace("x @ w", "x @ w / two")
    assert "is right: " in said("99.1", cell(code)["project"])


def test_the_default_dtype_of_the_notebook_holds_for_its_functions(said):
    code = "def project(x, w): return x @ w if torch.ones(1).dtype == x.dtype else 0"
    torch.set_default_dtype(torch.float64)
    try:
        assert "is right: " in said("99.1", cell(code)["project"])
    finally:
        torch.set_default_dtype(torch.float32)
    assert "not right yet" in said("99.1", cell(code)["project"])


def test_the_inputs_are_fresh(said, tmp_path):
    path = str(tmp_path / "first.pt")

    def remembering(x, w):
        if not os.path.exists(path):
            torch.save(x @ w, path)
        return torch.load(path, weights_only=True)

    assert "not right yet" in said("99.1", remembering)  # round 2 differs from round 1
    assert "20 of 20 entries differ" in said("99.1", remembering)  # and so does the next check


def test_what_a_function_prints_comes_first(said):
    def chatty(x, w):
        import warnings

        print("shape", tuple(x.shape), end="")
        print(" again", file=sys.stderr)
        warnings.warn("mind this", stacklevel=2)
        return x @ w

    expected = "shape (5, 3) again\nUserWarning: mind this\n99.1 is right: rows times columns.\n"
    assert said("99.1", chatty) == expected


# Errors, endless and huge answers ----------------------------------------------------------------

RAISING = """
def helper(x):
    return x.nonsense


def project(x, w):
    y = x @ w
    {line}
    return y
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("y = w @ x", r"RuntimeError: .* in line 8: y = w @ x"),
        ("1 / 0", r"ZeroDivisionError: division by zero in line 8: 1 / 0"),
        ("helper(x)", r"AttributeError: .*nonsense.* in line 3: return x.nonsense"),
        ("torch.nn.functional.linear(x, x, x, x)", r"TypeError: .* in line 8: torch.nn.*"),
        ("raise ValueError('a' * 300)", r"ValueError: a{200} … in line 8: .*"),
        ("raise ValueError('a\\nb')", r"ValueError: a … in line 8: .*"),
        ("raise ValueError", r"ValueError in line 8: raise ValueError"),
        ("project(x, w)", r"RecursionError: .* in line \d: .*"),
        ("raise SystemExit(3)", r"SystemExit: 3 in line 8: raise SystemExit\(3\)"),
        ("raise KeyboardInterrupt", r"KeyboardInterrupt in line 8: raise KeyboardInterrupt"),
        ("torch.empty(10**15)", r"\w+Error: .* in line 8: torch.empty\(10\*\*15\)"),
        ("torch.ones(2).backward()", r"RuntimeError: .* in line 8: torch.*"),
    ],
)
def test_an_error_is_reported_with_its_line(sentence, line, words):
    answer = sentence("99.1", cell(RAISING.format(line=line))["project"])
    assert re.fullmatch(f"your code raised {words}", answer)
    assert "ipykernel" not in answer and len(answer) < 400


def test_an_error_outside_the_readers_lines_is_said_as_such(sentence):
    code = "lambda answer, x, w: answer(x, w).nonsense"
    probe = eval(compile(code, verdicts.__file__, "eval"))
    fine = types.SimpleNamespace(nonsense=1)
    exercise = replace(PROJECT, probe=probe, solution=lambda x, w: fine)
    answer = sentence("99.1", cell("def project(x, w): return 3")["project"], exercise)
    error = "AttributeError: 'int' object has no attribute 'nonsense'"
    assert answer == f"calling your code raised {error}"


def test_an_error_without_source_has_the_number_of_the_line(sentence):
    space = {}
    exec(compile("def f(x, w):\n    return 1 / 0", "/tmp/ipykernel_1/none.py", "exec"), space)
    assert sentence("99.1", space["f"]).endswith("division by zero in line 2")


BROKEN = {
    "a helper in another cell": [
        "def helper(x):\n    return x.nonsense",
        "def project(x, w):\n    return helper(x) @ w",
    ],
    "a helper of the same name in another cell": [
        "def project(x, w):\n    return x.nonsense",
        "first = project\ndef project(x, w):\n    return first(x, w)",
    ],
    "a lambda in another cell": [
        "helper = (\n    lambda x: x.nonsense)",
        "def project(x, w): return helper(x) @ w",
    ],
    "a method of an object": [
        "class Helper: \n    def run(self, x): return x.nonsense",
        "helper = Helper()",
        "def project(x, w): return helper.run(x) @ w",
    ],
    "a nested function": [
        "def outer():\n    def project(x, w): return x.nonsense\n    return project",
        "project = outer()",
    ],
    "a comprehension": ["def project(x, w):\n    return [row.nonsense for row in x]"],
    "a decorated function": [
        "import functools\ndef loud(f): return functools.wraps(f)(lambda *a: f(*a))",
        "@loud\ndef project(x, w): return x.nonsense",
    ],
    "a partial": [
        "import functools",
        "def helper(k, x, w):\n    return x.nonsense",
        "project = functools.partial(helper, 1)",
    ],
}


def nameless(code):
    """Send code as cloudpickle 3.1.3 does: without the name of its file."""
    return marshal.loads, (marshal.dumps(code.replace(co_filename="<dynamic-code>")),)


@pytest.mark.parametrize("cells", BROKEN.values(), ids=BROKEN)
def test_the_line_of_an_error_is_found_wherever_it_stands(sentence, monkeypatch, cells):
    """And with every cloudpickle; without it a reader would not know which of his cells failed."""
    monkeypatch.setitem(CloudPickler.dispatch_table, types.CodeType, nameless)
    space = {}
    for code in cells:
        space = cell(code, **space)
    (line,) = (line for code in cells for line in code.splitlines() if "nonsense" in line)
    answer = sentence("99.1", space["project"])
    assert re.match(r"your code raised AttributeError: 'Tensor' object has no attribute", answer)
    assert answer.endswith(f"'nonsense' in line 2: {line.strip()}")


def test_the_line_of_an_error_is_found_in_a_module_of_the_readers(sentence, tmp_path, monkeypatch):
    """Although the other process was there before the module, and before its folder was known."""
    name = f"mine_{secrets.randbits(32)}"
    (tmp_path / f"{name}.py").write_text("def helper(x):\n    return x.nonsense\n")
    monkeypatch.syspath_prepend(tmp_path)
    code = f"import {name}\ndef project(x, w): return {name}.helper(x)"
    words = f"'nonsense' in line 2 of {name}.py: return x.nonsense"
    assert sentence("99.1", cell(code)["project"]).endswith(words)


def endless(x, w):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    while True:
        print("still here " * 100)


def asleep(x, w):
    time.sleep(60)


@pytest.mark.parametrize(("answer", "seconds"), [(endless, 0.5), (asleep, 0.1)])
def test_an_endless_answer_is_stopped(said, monkeypatch, answer, seconds):
    said("99.1", project)
    assert len(workers()) == 1
    monkeypatch.setattr(tutor, "SECONDS", seconds)
    begin = time.monotonic()
    out = said("99.1", answer)
    assert seconds <= time.monotonic() - begin < 30
    assert out.endswith(
        f"your code ran for more than {seconds} s; is there a loop that never ends?\n"
    )
    assert len(out) < 2200
    assert workers() == []


def test_a_right_answer_may_be_kept_waiting_by_other_programs(said, monkeypatch):
    """Or a busy computer would call it an endless loop: time counts that is spent computing."""

    def kept_waiting(x, w):
        time.sleep(0.2)
        return x @ w

    monkeypatch.setattr(tutor, "SECONDS", 0.5)  # it is called three times
    monkeypatch.setattr(limits, "PATIENCE", 100)
    assert "is right: " in said("99.1", kept_waiting)


def test_a_huge_answer_is_stopped(said, monkeypatch):
    def huge(x, w):
        kept = []
        while True:
            kept.append(torch.ones(10**6))

    monkeypatch.setattr(tutor, "MEMORY", 2**28)
    assert "your code needed more than 0.25 GiB of memory" in said("99.1", huge)
    assert workers() == []


def test_a_process_that_dies_is_reported(said):
    assert "your code ended the process that ran it" in said("99.1", lambda x, w: os._exit(0))
    assert workers() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_an_answer_that_forks_is_judged_once(said, monkeypatch):
    """Or its copy would answer as well, and the next check would hear that."""

    def forking(x, w):
        os.fork()
        return x @ w

    monkeypatch.setattr(tutor, "MEMORY", 2**40)  # what the copies share counts for each
    assert "is right: " in said("99.1", forking)
    assert workers() == []


# A system that gives no process ------------------------------------------------------------------


@pytest.fixture
def no_process_yet(monkeypatch):
    """Leave the process that is there for the tests that come after."""
    monkeypatch.setattr(limits, "_kept", [])


def test_a_process_that_has_ended_gives_way_to_a_new_one(said, monkeypatch, no_process_yet):
    """It ends after ten idle minutes, or by the hand of a user who looks for memory."""
    dead = limits._Worker()
    dead.process.kill()
    limits._kept.append(dead)
    monkeypatch.setattr(sys, "path", [])  # the new one will not come far
    assert " does not start (ModuleNotFoundError: No module named " in said("99.1", project)
    assert limits._kept == [] and dead.process.returncode is not None


def test_a_python_that_cannot_be_started_is_reported(said, monkeypatch, tmp_path, no_process_yet):
    """The reader's answer is not called wrong, and he is told what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    words = (
        r"99\.1 could not be checked: a second Python, .*, does not start \(.*\); .* try again\.\n"
    )
    assert re.fullmatch(words, said("99.1", project))


@pytest.mark.skipif(os.name == "nt", reason="needs limits on open files")
def test_too_many_open_files_are_reported(said, no_process_yet):
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        assert "does not start ([Errno 24] " in said("99.1", project)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_answer_that_cannot_be_sent_is_reported(said, sentence):
    lock = threading.Lock()
    answer = sentence("99.1", lambda x, w: x @ w if lock else 0)
    assert answer.startswith("your code uses lock, a lock, which cannot be sent to the process")
    assert answer.endswith("TypeError: cannot pickle '_thread.lock' object")
    assert "is right: " in said("99.1", project)


def test_threads_that_an_answer_leaves_do_not_stay(said):
    def leaving(x, w):
        threading.Thread(target=time.sleep, args=(60,)).start()
        return x @ w

    assert "is right: " in said("99.1", leaving)
    assert workers() == []


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_an_interrupt_stops_the_answer_and_is_passed_on(capfd, ctrl_c_arrives):
    import signal

    check("99.1", project)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        check("99.1", endless)
    assert workers() == []
    check("99.1", project)
    assert capfd.readouterr().out.endswith(" is right: rows times columns.\n")


# Every exercise ----------------------------------------------------------------------------------


@each_exercise
def test_exercise_is_complete(exercise):
    module = next(name for name in tutor.chapters() if exercise.number in tutor.exercises(name))
    assert int(module.removeprefix("notebook_")) == int(exercise.number.partition(".")[0])
    assert re.match(
        rf"\*\*{re.escape(exercise.number)} (Predict|Modify|Build)\.\*\* ", exercise.prompt
    )
    assert 2 <= len(exercise.hints) <= 3
    assert len(exercise.wrong) >= 2
    assert len({wrong.says for wrong in exercise.wrong}) >= 2
    assert (exercise.inputs is None) == ("Predict." in exercise.prompt)


@pytest.mark.parametrize("name", tutor.chapters())
def test_numbers_of_a_notebook_are_consecutive(name):
    numbers = list(tutor.exercises(name))
    notebook = int(name.removeprefix("notebook_"))
    assert numbers == [f"{notebook}.{n}" for n in range(1, len(numbers) + 1)]


@each_exercise
def test_stub_is_unsolved(said, exercise):
    module = sys.modules[exercise.solution.__module__]
    space = cell(exercise.stub, **vars(module))
    assert is_unsolved(exercise, space[exercise.name])
    line = f'{exercise.number} is not solved yet; hint("{exercise.number}") gives a nudge.\n'
    assert said(exercise.number, space[exercise.name]) == line


@each_exercise
def test_solution_is_accepted(said, exercise):
    answer = exercise.solution if exercise.inputs is not None else exercise.solution()
    assert said(exercise.number, answer) == f"{exercise.number} is right: {exercise.because}\n"


@each_exercise
def test_solution_has_a_source(capsys, exercise):
    solution(exercise.number)
    assert exercise.solution.__name__ in capsys.readouterr().out
    if exercise.inputs is not None:
        assert exercise.solution.__name__ == exercise.name


@pytest.mark.parametrize(("exercise", "wrong"), WRONGS)
def test_wrong_answer_gets_its_sentence(said, exercise, wrong):
    assert (
        said(exercise.number, wrong.answer) == f"{exercise.number} is not right yet: {wrong.says}\n"
    )


def notebook_of(exercise):
    number = int(exercise.number.partition(".")[0])
    paths = list((ROOT / "notebooks").glob(f"{number:02}_*.ipynb"))
    if not paths:
        pytest.skip(f"notebook {number:02} does not exist yet")
    cells = json.loads(paths[0].read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


@each_exercise
def test_notebook_holds_the_exercise(exercise):
    cells = notebook_of(exercise)
    (place,) = (n for n, c in enumerate(cells) if c[0] == "markdown" and exercise.prompt in c[1])
    call = f'check("{exercise.number}", {exercise.name})'
    kind, code = cells[place + 1]
    assert kind == "code"
    assert "".join(code.split()) == "".join(f"{exercise.stub}{call}".split())


def test_notebooks_check_only_exercises_that_exist():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        asked = re.findall(r'^(?:check|hint|solution)\("([^"]*)"', code, re.MULTILINE)
        assert set(asked) <= {e.number for e in EXERCISES}, path.name


# Other systems -----------------------------------------------------------------------------------


@pytest.fixture
def project_folder(tmp_path):
    """A copy of the project in a folder whose name has spaces and umlauts."""
    folder = tmp_path / "Übungen für zwei"
    shutil.copytree(ROOT / "helpers", folder / "helpers")
    return folder


SITE = """
import _multiprocessing
del _multiprocessing.SemLock  # a system without semaphores
print("what a user's own sitecustomize prints")
"""

SCRIPT = """
import sys, time, traceback, torch
sys.excepthook = lambda *error: traceback.print_exception(*error, file=open("error.txt", "w"))
assert sys.stdout is sys.stderr is None
state, begin = torch.get_rng_state(), time.process_time()
from exercises import check, hint, solution
assert time.process_time() - begin < 2
assert torch.equal(state, torch.get_rng_state())
assert not any("notebook_" in name for name in sys.modules)

def leaky_relu_backward(grad, h, slope):
    print("≈ ł \\ud800")
    raise ValueError("2 × 3 … ≈")

check("2.2", leaky_relu_backward), hint("2.2"), solution("2.2")
for encoding in "cp1252", "ascii", "utf-8":
    with open(encoding, "w", encoding=encoding) as sys.stdout:
        check("2.2", leaky_relu_backward)
sys.stdout = None
"""

SAID = (
    "≈ ł \ud800\n"
    "2.2 is not right yet: your code raised ValueError: 2 × 3 … ≈ in line 13: "
    'raise ValueError("2 × 3 … ≈")\n'
)

WITHOUT_STREAMS = """
import os, sys
os.closerange(0, 3)
os.execv(sys.executable, [sys.executable, "script.py"])
"""


@pytest.mark.skipif(os.name == "nt", reason="closes the streams as a shell does")
def test_a_system_without_streams_semaphores_and_unicode(project_folder):
    """Nothing is raised, and what the code page lacks is escaped.

    On the way: the import is quick, and draws no random number.
    """
    (project_folder / "sitecustomize.py").write_text(SITE)
    (project_folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": "."}
    command = [sys.executable, "-c", WITHOUT_STREAMS]
    ran = subprocess.run(
        command, cwd=project_folder, env={**os.environ, **settings}, timeout=300, check=False
    )
    error = project_folder / "error.txt"
    assert ran.returncode == 0, error.read_text() if error.exists() else ""
    for encoding in ("cp1252", "ascii", "utf-8"):
        text = SAID.encode(encoding, "backslashreplace").decode(encoding)
        assert (project_folder / encoding).read_text(encoding) == text


CELLS = [
    "import mine\nfrom exercises import check, tutor",
    "def helper(grad):\n    return grad.nonsense",
    "def leaky_relu_backward(grad, h, slope):\n    return helper(grad)",
    'check("2.2", leaky_relu_backward)',
    'check("2.2", lambda grad, h, slope: mine.helper(grad))',
    'import os\nos.mkdir("gone")\nos.chdir("gone")\nos.name == "nt" or os.rmdir("../gone")',
    'check("2.2", tutor.find("2.2").solution)',
]


@pytest.fixture
def kernel(project_folder, tmp_path):
    """A real kernel, started in the project's folder, with nothing installed and no settings."""
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    (tmp_path / "specs" / "plain").mkdir(parents=True)
    text = json.dumps({**spec, "display_name": "plain", "language": "python"})
    (tmp_path / "specs" / "plain" / "kernel.json").write_text(text)
    specs = KernelSpecManager(kernel_dirs=[str(tmp_path / "specs")], ensure_native_kernel=False)
    manager = KernelManager(
        kernel_name="plain", kernel_spec_manager=specs, connection_file=str(tmp_path / "ports.json")
    )
    manager.start_kernel(cwd=project_folder, env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_in_a_kernel(project_folder, kernel):
    """As a reader has it: helpers in cells and modules, and a folder that he deletes meanwhile."""
    manager, client = kernel
    (project_folder / "mine.py").write_text("def helper(grad):\n    return grad.nonsense\n")
    said = []
    for code in CELLS:
        client.execute_interactive(code, timeout=300, output_hook=said.append)
    texts = "".join(m["content"].get("text", "") for m in said).splitlines()
    assert not [m["content"] for m in said if m["msg_type"] == "error"]
    first, second, third = texts
    assert first.endswith("in line 2: return grad.nonsense")
    assert second.endswith("in line 2 of mine.py: return grad.nonsense")
    assert third.startswith("2.2 is right: ")
    children = psutil.Process(manager.provisioner.pid).children(recursive=True)
    its_workers = [child for child in children if "-c" in child.cmdline()]
    assert its_workers
    manager.shutdown_kernel(now=True)
    assert psutil.wait_procs(its_workers, timeout=30)[1] == []  # they end even with a killed one

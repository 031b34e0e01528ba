"""Does an answer hold? Judged in the other process, as a reader's is."""

import functools
import importlib
import marshal
import os
import re
import secrets
import sys
import types
import warnings
from dataclasses import replace

import pytest
import torch
from cloudpickle import CloudPickler
from small_exercises import HALVE, PROJECT, Halve, cell
from torch import nn

from exercises import verdicts

# Right and wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda x, w: [x].clear(),
            "expected a tensor of shape (5, 4), got None; is a return missing?",
        ),
        (lambda x, w: (x @ w).T, "expected shape (5, 4), got (4, 5): it is the transpose"),
        (lambda x, w: x @ w / 5, "every entry is 0.2 times what it should be; 5 is a length"),
        (lambda x, w: (x @ w, x.mul_(2))[0], "your code changes its argument x in place"),
        (lambda x, w: x.mul_(2) @ w, "your code changes its argument x in place"),
        (lambda x, w: (x @ w).to("meta"), "what your code returns cannot be compared: "),
        (lambda *both: 0 * both[0] @ both[1], "every entry is 0"),
        (lambda x, w: torch.zeros(5, 4).double(), "your code uses none of its arguments"),
    ],
)
def test_wrong_functions(sentence, answer, words):
    assert sentence("99.1", answer).startswith(words)


def test_what_uses_no_argument_gets_no_sentence_about_another_mistake(sentence):
    """Comparing labels with logits gives 0 as well, but who returns 0 does not do that."""
    assert sentence("11.4", lambda logits, labels, k: 0.0) == "your code uses none of its arguments"


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
    heir = cell("class Halve(Half):\n    pass", Half=Halve)["Halve"]
    assert "is right: " in said("99.2", heir)
    double = cell("class Halve(nn.Module):\n    def forward(self, x): return x * 2")["Halve"]
    words = "every entry is 4 times what it should be; 4 is a length in the inputs: a sum"
    assert sentence("99.2", double).startswith(words)


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
        print("shape", tuple(x.shape), end="")
        print(" again", file=sys.stderr)
        warnings.warn("mind this", stacklevel=2)
        return x @ w

    expected = "shape (5, 3) again\nUserWarning: mind this\n99.1 is right: rows times columns.\n"
    assert said("99.1", chatty) == expected


def test_an_answer_may_read_the_source_of_a_cell(said):
    """In a notebook inspect.getsource does that, and so does what is built on it."""
    code = "import inspect\ndef twice(x): return 2 * x\n"
    code += "def project(x, w):\n    print(inspect.getsource(twice), end='')\n    return x @ w"
    expected = "def twice(x): return 2 * x\n99.1 is right: rows times columns.\n"
    assert said("99.1", cell(code)["project"]) == expected


# Errors ------------------------------------------------------------------------------------------


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
        ("raise ValueError('a' * 300 + 'b' * 300)", r"ValueError: a{200} … b{200} in line 8: .*"),
        ("raise ValueError('a:\\n\\tb')", r"ValueError: a: b in line 8: .*"),
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
    assert "ipykernel" not in answer and len(answer) < 600


def test_an_error_that_cannot_say_itself(said):
    raises = cell(
        "class Bad(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError('no')\n"
        "def project(x, w):\n"
        "    raise Bad()"
    )
    assert "your code raised Bad in line 5" in said("99.1", raises["project"])


def test_an_error_outside_the_readers_lines_is_said_as_such(sentence):
    code = "lambda answer, x, w: answer(x, w).nonsense"
    probe = eval(compile(code, verdicts.__file__, "eval"))
    fine = types.SimpleNamespace(nonsense=1)
    exercise = replace(PROJECT, probe=probe, solution=lambda x, w: fine)
    answer = sentence("99.1", cell("def project(x, w): return 3")["project"], exercise)
    error = "AttributeError: 'int' object has no attribute 'nonsense'"
    assert answer == f"what your code gives cannot be used as it should: {error}"


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


def test_a_module_that_was_mended_and_reloaded_is_judged_as_it_is_now(said, tmp_path, monkeypatch):
    """Or the reader hears of the mistake that he has corrected until he restarts the kernel."""
    name = f"mine_{secrets.randbits(32)}"
    (tmp_path / f"{name}.py").write_text("def project(x, w):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    caller = cell(f"import {name}\ndef project(x, w): return {name}.project(x, w)")["project"]
    assert "not right yet" in said("99.1", module.project)
    assert "not right yet" in said("99.1", caller)
    (tmp_path / f"{name}.py").write_text("def project(x, w):\n    return x @ w\n")
    importlib.reload(module)
    assert "is right: " in said("99.1", module.project)
    assert "is right: " in said("99.1", caller)

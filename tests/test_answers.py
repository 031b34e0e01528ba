"""What the reader has written: is there any answer yet, and whose is the code?"""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_exercises import HALVE, PROJECT, cell
from torch import nn

from exercises import answers

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


class Half(nn.Module):
    def forward(self, x):
        return x / 2


@pytest.mark.parametrize(
    "code",
    [
        "class Halve(Half):\n    pass",
        "class Halve(nn.Identity):\n    pass",
        "class Halve(nn.Module):\n    forward = torch.neg",
    ],
)
def test_a_class_that_leaves_its_work_to_others_is_an_answer(code):
    assert not answers.is_unsolved(HALVE, cell(code, Half=Half)["Halve"])


def test_a_class_derived_from_blank_ones_is_unsolved():
    code = "class Halve(Blank):\n    pass"
    blank = cell("class Blank(nn.Module):\n    def forward(self, x): ...")["Blank"]
    assert answers.is_unsolved(HALVE, cell(code, Blank=blank)["Halve"])


ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("file", "readers"),
    [
        ("/tmp/ipykernel_1/2.py", True),
        ("<ipython-input-1>", True),
        ("<timed exec>", True),
        (ROOT / "mine.py", True),
        (ROOT / "helpers_of_mine.py", True),
        (ROOT / "helpers" / "data.py", False),
        (answers.__file__, False),
        (torch.__file__, False),
        (torch.nn.functional.__file__, False),
        (inspect.__file__, False),
        ("<frozen importlib>", False),
        ("/home/ada/.local/lib/python3.11/site-packages/mine.py", False),
    ],
)
def test_whose_a_file_is(file, readers):
    """An error is shown in the last line of the reader's own, not in one of a library."""
    assert answers.is_readers(str(file)) == readers


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        ("def f(x, w): return 0.0", False),
        ("def f(*x): return ('x', 'w')", False),
        ("def f(x, w):\n    x = 3\n    return w.x", True),
        ("def f(*, x): return x", True),
        ("def f(**all): return all", True),
        ("def f(x): return lambda: x", True),
        ("def f(x, w): return [x for _ in range(3)]", True),
        ("def f(x, w): return w + x", True),
        ("def f(): return 0", True),
    ],
)
def test_whether_a_function_uses_its_arguments(code, uses):
    assert answers.uses_its_arguments(cell(code)["f"]) == uses

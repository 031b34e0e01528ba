"""What is said about a wrong outcome, and what counts as the same."""

import numpy as np
import pytest
import torch
from torch import nn

from exercises.differences import difference, remark

x, y = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 7.0]]).double(), torch.arange(9.0).reshape(3, 3)


EYES = torch.eye(3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (x.T, x, "expected shape (2, 3), got (3, 2): it is the transpose"),
        (x.T + 1, x, "expected shape (2, 3), got (3, 2)"),
        (y.T, y, "it is the transpose of what it should be"),
        (x.reshape(6), x, "got (6,): the numbers are right, their arrangement is not"),
        (x.sum(0), x.sum(1), "expected shape (2,), got (3,)"),
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
        (x.log(), x, "1 of 6 entries is NaN, at [0, 1]; 0 / 0 makes one, and so does a root or"),
        (x + 0.001 * x**2, x, "got 1.001; all are near, within 0.7 % of the largest: a step, a ro"),
        (x > 0, x, "5 of 6 entries differ, the first at [0, 1]: expected -2, got False"),
        (x.half(), x, "expected float64, got float16, which keeps three digits at most"),
        (y > 4, (y <= 4).double(), "9 of 9 entries differ"),
        (~EYES, EYES, "every entry is the opposite of what it should be"),
        (~EYES & EYES, EYES, "3 of 9 entries differ, the first at [0, 0]: expected True, got F"),
        (x.tolist(), x, "expected a tensor of shape (2, 3), got a list with 2 entries"),
        (None, x, "expected a tensor of shape (2, 3), got None; is a return missing?"),
        (1.0, x.sum(), "expected 18, got 1"),
        (-x.sum(), x.sum(), "expected 18, got -18: the sign is flipped"),
        (x.mean(), x.sum(), "0.166667 times as much; 6 is a length in the inputs: a mean in place"),
        (x.sum() + 1, x.sum(), "expected 18, got 19"),
        ((x, -x), (x, x), "at position 1: every entry has the wrong sign"),
        ({"the loss": 1, "the slope": 2}, {"the loss": 1, "the slope": 3}, "in the slope: expec"),
        ({"the loss": 1}, {"the loss": 1, "the slope": 3}, "the slope is missing"),
        ({"the loss": 2}, {"the loss": 1, "the slope": 3}, "in the loss: expected 1, got 2"),
        ({"the loss": 1}, {}, "the loss is one too many"),
        (3, {"the loss": 1, "the slope": 2}, "expected the loss, the slope; got a number"),
        (float("inf"), 1.0, "expected 1, got inf"),
        (1.0, float("inf"), "expected inf, got 1"),
        (1e300, 1e-300, "expected 1e-300, got 1e+300"),
        (8_000_004, 8_000_000, "expected 8000000, got 8000004"),
        (8_000_004.0, 8_000_000, "expected 8000000, got 8000004"),
        (2**60 + 1, 2**60, "expected 1152921504606846976, got 1152921504606846977"),
        (
            torch.tensor([8_000_004, 1]),
            torch.tensor([8_000_000, 1]),
            "expected 8000000, got 8000004",
        ),
        (x.sum, x, "got a function; did you mean to call it?"),
        (((x, -x),), ((x, x),), "at position 0, 1: every entry has the wrong sign"),
        ([[[1, 2]]], [[[1, 3]]], "at position 0, 0, 1: expected 3, got 2"),
        (
            {"the gradient of w": None},
            {"the gradient of w": x, "the loss": 1},
            "got None: no gradient arrives there; `.data`, `.detach()`, `.item()` and copies cut",
        ),
        ({"the kind": None}, {"the kind": "a pair"}, 'expected "a pair", got None; is a return m'),
        (np.array(["a", "b"]), np.ones(2), "expected float64, got <U1"),
        (x.to_sparse(), -x, "every entry has the wrong sign"),
        (x.to("meta"), x[:1], "expected shape (1, 3), got (2, 3)"),
    ],
)
def test_differences(actual, expected, words):
    assert words in difference(actual, expected, lengths=frozenset({5, 6}))


@pytest.mark.filterwarnings("error")
def test_infinity_is_compared_without_a_warning():
    words = "2 of 2 entries differ, the first at [0]: expected inf, got 1"
    assert difference(torch.tensor([1.0, 2.0]), torch.tensor([float("inf"), 1.0])) == words


@pytest.mark.parametrize(
    ("actual", "expected", "sentence"),
    [
        (1, 8, "expected 8, got 1"),
        (2.0, 1, "expected 1, got 2"),
        (-3, 3, "expected 3, got -3: the sign is flipped"),
        (0.5, 2, "expected 2, got 0.5, 0.25 times as much"),
        (float("inf"), 2, "expected 2, got inf"),
        (nn.Linear(1, 1), x, "expected a tensor of shape (2, 3), got a Linear"),
    ],
)
def test_whole_sentences(actual, expected, sentence):
    said = difference(actual, expected, lengths=frozenset({8}))
    assert said == sentence


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
        (8e6, 8_000_000),
        (0.1 * 350, 35),
        (8_000_004, 8e6),
        (x.float(), x),
        (x.numpy(), x),
        (x.numpy(), x.numpy()),
        (18.0, x.sum()),
        (torch.arange(3.0), torch.arange(3)),
    ],
)
def test_no_difference(actual, expected):
    assert difference(actual, expected) is None


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (x.float(), x, "expected float64, got float32"),
        (x.numpy(), x, "expected a tensor of shape (2, 3), got a NumPy array of shape (2, 3)"),
        (18.0, x.sum(), "expected a tensor of shape (), got a number"),
        ([x, x], (x, x), "expected a tuple with 2 entries, got a list with 2 entries"),
        ({"a": [x.float()]}, {"a": [x]}, "expected float64, got float32"),
        (x, x, None),
        (nn.Parameter(x), x, None),
        (torch.Size([2]), (2,), None),
    ],
)
def test_what_is_only_unusual_is_a_remark_unless_the_prompt_is_strict(actual, expected, words):
    assert difference(actual, expected) is None
    assert remark(actual, expected) == words
    assert difference(actual, expected, strict=True) == words


def test_texts_in_a_list_are_named():
    names = ["conv.weight", "conv.bias", "fc.weight"]
    assert difference(names[:2], names) == "fc.weight is missing"
    assert difference([*names, "x"], names[1:]) == "conv.weight, x do not belong there"
    assert difference(["y"], names[:1]) == "conv.weight is missing, and y does not belong there"
    many = difference([], [str(n) for n in range(9)])
    assert many == "0, 1, 2, 3, 5 more are missing"
    assert difference(names[:2], names, reveal=False) == "expected 3 entries, got 2"
    assert difference([*names], names) is None

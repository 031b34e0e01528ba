"""exercises.notations: what a reader means. Else right answers are refused for their form."""

import numpy as np
import pytest
import torch

from exercises.notations import understood


@pytest.mark.parametrize(
    "answer",
    [
        1654,
        "1654",
        "1,654",
        "1_654",
        " 1654 numbers",
        "about 1654",
        "1654: two layers of it",
        "630 + 900 + 124",
        "2 * 827",
        (1654,),
        [1654],
        ((1654,),),
        (1, 654),
        torch.tensor(1654),
        torch.tensor([[1654]]),
        np.array([1654]),
        np.int64(1654),
        "tensor(1654)",
    ],
)
def test_numbers(answer):
    assert understood(answer, 1654) == 1654


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("27.1 %", 0.271),
        ("27.1%", 0.271),
        ("1/128", 1 / 128),
        ("-3", -3),
        ("−3", -3),  # a true minus sign
        ("1e-3", 0.001),
        ("twice", 2),
        ("it doubles", 2),
        ("about twice as much", 2),
        ("2**0.5", 2**0.5),
        ("4, because of the two views", 4),
        ("35: only line 2 writes", 35),
        ("10 * lr", 10),
        ("10x", 10),
        ("16 MB", 16),
        ("3 · 4", 12),
        (".5", 0.5),
    ],
)
def test_numbers_in_words_and_other_signs(answer, meant):
    assert understood(answer, 1.0) == pytest.approx(meant)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "nan",
        "error",
        "7 or 8",
        "about two thousand",
        "five times 81",
        "seventeen and a half",
        (12, 5),
        "2**100000",
        "__import__('os')",
        (1, 2, 3.5),
        [],
        None,
    ],
)
def test_no_number_is_guessed(answer):
    assert understood(answer, 1.0) is answer


def test_true_is_no_number_and_a_number_is_not_true():
    assert understood(True, 1) is True
    assert understood("yes, it does", False) is True
    assert understood("False", True) is False
    assert understood(1, True) == 1 and type(understood(1, True)) is int


@pytest.mark.parametrize(
    "answer",
    [
        (4, 2, 3),
        [4, 2, 3],
        "4, 2, 3",
        "(4, 2, 3)",
        "torch.Size([4, 2, 3])",
        torch.Size([4, 2, 3]),
        torch.tensor([4, 2, 3]),
        np.array([4, 2, 3]),
    ],
)
def test_shapes(answer):
    assert tuple(understood(answer, (4, 2, 3))) == (4, 2, 3)


@pytest.mark.parametrize("answer", [("a", "b", "d"), ["a", "b", "d"], {"b", "d", "a"}])
def test_letters_in_a_container(answer):
    assert understood(answer, "abd").replace(" ", "") == "abd"

"""check, hint and solution, as the reader calls them: the fixed lines, predictions, arguments."""

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from small_exercises import PROJECT, RATIO, Halve, cell, project, ratio
from torch import nn

from conftest import STARTING
from exercises import check, hint, solution, tutor

# The fixed lines ---------------------------------------------------------------------------------


def test_an_answer_may_display_as_in_a_notebook(said):
    shows = cell("def project(x, w): display('shown'); return x @ w")
    assert said("99.1", shows["project"]) == "shown\n99.1 is right: rows times columns.\n"


def test_known_mistake(said):
    answer = cell("def project(a, b): return torch.relu(a @ b)")
    assert (
        said("99.1", answer["project"])
        == "99.1 is not right yet: you clamp what may be negative.\n"
    )


def test_hints_come_one_by_one_and_the_last_one_again(known_exercises, capsys, monkeypatch):
    monkeypatch.setattr(tutor, "_hints_given", {})
    for _ in range(3):
        hint("99.1")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "99.1, hint 1 of 2: a nudge."
    assert second == "99.1, hint 2 of 2: nearly all."
    assert third.startswith(second) and 'solution("99.1")' in third
    hint("99.3")
    assert capsys.readouterr().out.startswith("99.3, hint 1")


def test_solution_shows_the_source(known_exercises, capsys):
    solution("99.1")
    code, why = capsys.readouterr().out.split("\n\n")
    assert code == 'def project(x, w):\n    """Return x @ w."""\n    return x @ w'
    assert why == "# Why: rows times columns.\n"


def test_the_solution_of_a_prediction_is_the_number_the_way_and_the_experiment(
    known_exercises, capsys
):
    solution("99.3")
    shown = capsys.readouterr().out
    assert shown.startswith(
        "# The answer is 2. a nudge. nearly all.\n\n# Why: rows times columns.\n"
    )
    namespace = {"torch": torch}
    exec(shown, namespace)  # all of it can be pasted into a cell
    assert abs(namespace["ratio"]() - 2) < 0.01
    assert shown.endswith("\nratio()\n")


def test_the_first_check_says_that_it_starts_up(capfd, known_exercises, no_process_yet):
    check("99.1", project)
    check("99.1", project)
    assert capfd.readouterr().out.count(STARTING) == 1


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


def predicting(value):
    return replace(RATIO, solution=lambda: value, wrong=(), rtol=1e-6)


@pytest.mark.parametrize("value", [2, torch.tensor([2.0]), np.float64(2), "2", (2,), 1.99])
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
        ("about 3", "3 is too large. a nudge."),
        ("much", "expected a number, got a text. a nudge."),
        (True, "expected a number, got True or False"),
        ([2.0, 1.0], "expected a number, got a list with 2 entries"),
        (torch.tensor([2.0, 1.0]), "expected a number, got a tensor of shape (2,)"),
        (ratio, "expected a number, got a function; did you mean to call it? a nudge."),
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
        (torch.arange(3), torch.arange(3.0), torch.zeros(3), "every entry is 0"),
        (torch.arange(3), torch.arange(3), torch.tensor([0, 1, 3]), "1 of 3 entries differs"),
        (np.ones(2), torch.ones(2), "two", "expected a NumPy array of shape (2,), got a text"),
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


# What is no function, or no class ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x, "project must take 2 arguments (x, w), got (x)"),
        (lambda x, w, b: x, "project must take 2 arguments (x, w), got (x, w, b)"),
        (lambda: 0, "project must take 2 arguments (x, w), got ()"),
        (torch.ones(2, 3), "expected a function, got a tensor of shape (2, 3): pass the function"),
        (3, "expected a function, got a number: pass the function itself, without calling it"),
        (nn.Linear, "expected a function, got the class Linear"),
    ],
)
def test_what_is_no_function_of_these_arguments(sentence, answer, words):
    assert sentence("99.1", answer).startswith(words)


def test_stars_in_a_signature_are_named(sentence):
    words = "gradients must take (f, *inputs), got (f, inputs)"
    assert sentence("3.4", lambda f, inputs: 0) == words
    assert sentence("3.4", lambda f, x, w: 0) == "gradients must take (f, *inputs), got (f, x, w)"


def test_what_is_no_class_of_this_kind(sentence):
    assert sentence("99.2", Halve()) == "expected a class, got a Halve: leave out the parentheses"
    assert sentence("99.2", project) == "expected a class, got a function"
    assert sentence("99.2", Fraction) == "Fraction must derive from Module"

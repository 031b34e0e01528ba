"""exercises.examples: the smallest input on which an answer fails, ready to be pasted."""

from dataclasses import replace

import pytest
import torch

from exercises.differences import difference
from exercises.examples import smallest, written
from exercises.exercise import Exercise


def fails(came, right):
    return difference(came, right) is not None


def exercise(solution):
    return Exercise("99.1", "", "", "answer", solution, (), ("a nudge",), "")


class Doubled:
    """Double what comes, as often as told."""

    def __init__(self, times):
        self.times = times

    def __call__(self, x):
        return x * 2**self.times


class Once(Doubled):
    """Double what comes once."""

    def __call__(self, x):
        return x * 2


EXAMPLES = ("Doubled(1)(3)", "doubled = Doubled(2)\nDoubled(2)(torch.ones(2))")
DOUBLED = replace(exercise(Doubled), name="Doubled", examples=EXAMPLES)


def test_a_class_is_shown_on_the_first_written_example_that_fails():
    assert written(DOUBLED, Once, fails).split("\n    ") == [
        "",
        "doubled = Doubled(2)",
        "Doubled(2)(torch.ones(2))",
        "should give [4, 4]",
        "and gives   [2, 2]",
    ]
    assert written(DOUBLED, Doubled, fails) == ""


def test_an_error_on_an_example_is_shown_as_what_it_gives():
    assert "and gives   TypeError: " in written(DOUBLED, object, fails)


def matrices():
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((5, 3), (3, 4))
    )


def example(solution, answer, inputs):
    """Run what is shown as the reader would, and return the call and its two results."""
    text = smallest(exercise(solution), answer, inputs, fails)
    _, call, right, came = text.split("\n")
    given = eval(call, {"torch": torch, "answer": answer})
    wanted = eval(call, {"torch": torch, "answer": solution})
    return call.strip(), right, came, given, wanted


def test_the_line_can_be_pasted_and_fails_as_said():
    call, right, came, given, wanted = example(
        lambda x, w: x @ w, lambda x, w: x @ w + 1, matrices()
    )
    assert fails(given, wanted)
    assert given.numel() == 1  # one entry is enough for this mistake
    assert call.startswith("answer(torch.tensor([[") and "float64" in call
    assert right.strip() == f"should give [[{wanted.item():.4g}]]"
    assert came.strip() == f"and gives   [[{given.item():.4g}]]"


def test_rounding_makes_no_zero():
    x = torch.tensor([0.04, -0.03, 0.0], dtype=torch.float64)
    call, *_ = example(lambda x: x.relu() + 1, lambda x: (x >= 0) * x + (x >= 0), (x,))
    assert call == "answer(torch.tensor([0.1, -0.1], dtype=torch.float64))"


def test_a_mistake_that_needs_two_entries_gets_two():
    *_, given, wanted = example(lambda x: x.sum(0), lambda x: x[0], (matrices()[0],))
    assert fails(given, wanted) and len(given) == 1
    call, *_ = example(lambda x: x.cumsum(0), lambda x: x, (matrices()[0],))
    assert call.count("[") == 3  # two rows of one number


def test_lengths_that_belong_together_stay_together():
    labels = torch.tensor([2, 0, 1, 1, 2])
    logits = matrices()[0]

    def right(logits, labels):
        return logits.gather(1, labels[:, None])

    call, _, _, given, wanted = example(right, lambda x, y: right(x, y) * 2, (logits, labels))
    assert fails(given, wanted) and "torch.tensor([" in call


def test_labels_stay_below_the_number_of_classes_that_is_left():
    logits, labels = matrices()[1].repeat(3, 3), torch.tensor([11, 8, 3, 0, 1, 2, 4, 5, 6])
    text = smallest(
        exercise(lambda x, y: (x.argmax(1) == y).sum().item()),
        lambda x, y: 99,
        (logits, labels),
        fails,
    )
    call = text.split("\n")[1]
    cut_logits, cut_labels = eval(call.strip().removeprefix("answer"), {"torch": torch})
    assert cut_labels.max() < cut_logits.shape[1] < 12


def test_lists_of_tensors_and_numbers_are_written_as_well():
    tensors = list(matrices()[0])
    call, *_ = example(
        lambda tensors, counts: sum(tensors) / sum(counts),
        lambda tensors, counts: sum(tensors),
        (tensors, [1, 2, 3, 4, 5]),
    )
    assert "[1, 2, 3, 4, 5]" in call


@pytest.mark.parametrize("inputs", [(torch.nn.Linear(2, 2),), (lambda x: x,)])
def test_what_cannot_be_written_down_is_left_out(inputs):
    assert smallest(exercise(lambda x: 1), lambda x: 2, inputs, fails) == ""


def test_inputs_that_are_too_long_are_left_out():
    long = "x" * 1000
    assert smallest(exercise(lambda text: 1), lambda text: 2, (long,), fails) == ""


def test_an_answer_that_only_fails_on_the_large_input_gets_no_false_example():
    x = torch.arange(40.0)
    text = smallest(exercise(lambda x: x.sum()), lambda x: x[:30].sum(), (x,), fails)
    assert text == ""  # forty numbers are too many for a line, and fewer do not fail


def test_the_inputs_are_left_alone():
    inputs = matrices()
    kept = [tensor.clone() for tensor in inputs]
    smallest(exercise(lambda x, w: x @ w), lambda x, w: x.zero_() @ w, inputs, fails)
    assert all(torch.equal(*pair) for pair in zip(inputs, kept, strict=True))

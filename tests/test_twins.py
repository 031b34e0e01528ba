"""exercises.twins: mistakes that any function can have, recognised without having been foreseen."""

from dataclasses import replace

import pytest
import torch

from exercises import tutor
from exercises.exercise import Exercise


def decayed(w, grad, rate, steps):
    """Return w after some equal steps."""
    for _ in range(steps):
        w = w - rate * (grad + 0.5 * w)
    return w


def inputs(generator):
    w, grad = (torch.randn(3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    rate = 0.2 + 0.1 * torch.rand((), generator=generator).item()
    return w, grad, rate, int(torch.randint(4, 8, (), generator=generator))


EXERCISE = Exercise(
    number="99.4",
    prompt="",
    stub="def decayed(w, grad, rate, steps):\n    ...",
    name="decayed",
    solution=decayed,
    wrong=(),
    hints=("a nudge.",),
    because="so it is.",
    inputs=inputs,
    typical={"rate": (0.25,)},
)


@pytest.fixture
def said(capsys, monkeypatch):
    def run(answer, exercise=EXERCISE):
        monkeypatch.setattr(tutor, "find", lambda number: exercise)
        capsys.readouterr()
        tutor.check(exercise.number, answer)
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, grad, rate, steps: w, "what comes back is w as it went in"),
        (lambda w, grad, rate, steps: decayed(grad, w, rate, steps), "w and grad were exchanged"),
        (lambda w, grad, rate, steps: decayed(w, grad, 0.1, steps), "rate were always 0.1"),
        (lambda w, grad, rate, steps: decayed(w, grad, 0.25, steps), "rate were always 0.25"),
        (lambda w, grad, rate, steps: decayed(w, grad, rate, 1), "steps were always 1"),
        (
            lambda w, grad, rate, steps: decayed(w, grad, rate, steps + 1),
            "steps were one too large",
        ),
        (
            lambda w, grad, rate, steps: decayed(w, grad, rate, steps - 1),
            "steps were one too small",
        ),
        (lambda w, grad, rate, steps: decayed(w.T, grad, rate, steps), "w were transposed"),
    ],
)
def test_general_mistakes_are_named(said, answer, words):
    assert words in said(answer)


def test_a_right_answer_is_no_twin(said):
    assert said(decayed).startswith("99.4 is right")


def test_the_prepared_sentence_comes_first(said):
    from exercises.exercise import Wrong

    wrong = Wrong(lambda w, grad, rate, steps: decayed(w, grad, rate, 1), "you take one step.")
    assert "you take one step." in said(wrong.answer, replace(EXERCISE, wrong=(wrong,)))


def test_another_mistake_is_not_called_a_twin(said):
    text = said(lambda w, grad, rate, steps: decayed(w, grad, rate, steps) + 0.3 * w)
    assert "as if" not in text and "entries differ" in text

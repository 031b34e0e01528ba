"""What an exercise is: each stands once, as code, in the module of its notebook."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Generator


def call(answer: Callable[..., Any], *inputs: Any) -> Any:
    """Return what the answer gives for the inputs: the probe of most exercises."""
    return answer(*inputs)


@dataclass(frozen=True)
class Wrong:
    """A plausible wrong answer, and the sentence about that mistake.

    Attributes:
        answer: a value where the exercise asks for a prediction, else a function or a class.
        says: what a reader is told whose answer comes out the same.
    """

    answer: Any
    says: str


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook: the question, and all that `check`, `hint` and `solution` need.

    Attributes:
        number: such as "2.3", the third exercise of notebook 02.
        prompt: the question in markdown, as it stands in the notebook.
        stub: the code that the reader fills in, without the call of `check`.
        name: the name that the stub binds and `check` receives.
        solution: what the reader could have written; for a prediction, a function without
            arguments that runs the experiment on fresh random data and returns the value.
        wrong: plausible wrong answers, each with its sentence.
        hints: two or three, from a nudge to nearly all.
        because: said after a right answer: why it is so, or what follows.
        inputs: draws fresh arguments from a generator; None for a prediction.
        probe: turns an answer and the inputs into what is compared: a value, or a dict from a
            name to a value.
        rtol: the relative tolerance for numbers.
    """

    number: str
    prompt: str
    stub: str
    name: str
    solution: Callable[..., Any]
    wrong: tuple[Wrong, ...]
    hints: tuple[str, ...]
    because: str
    inputs: Callable[[Generator], tuple[Any, ...]] | None = None
    probe: Callable[..., Any] = call
    rtol: float = 1e-6

"""What an exercise is: each stands once, as code, in the module of its notebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Generator


def in_turn(generator: Generator, low: int, high: int) -> int:
    """Return a whole number from `low` to `high - 1`, another one on each of a check's draws.

    Drawn by chance it could come out the same every time, and what differs then would not show.

    Args:
        generator: as an exercise's `inputs` gets it; its seeds follow one another.
        low: the smallest number.
        high: one above the largest; three above `low` at least, for three draws.
    """
    return low + generator.initial_seed() % (high - low)


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


def wrongs(says: str, *answers: Any) -> tuple[Wrong, ...]:
    """Return several wrong answers of which the same is said."""
    return tuple(Wrong(answer, says) for answer in answers)


ERRORS = (  # how readers predict one
    *("error", "an error", "it raises an error", "raises an error", "it raises", "raises"),
    *("it fails", "exception", "RuntimeError", "ValueError", "error message", "it crashes"),
)


@dataclass(frozen=True)
class Also:
    """Another way to write the right prediction, such as percent or kilobytes.

    Attributes:
        answer: the value in that notation.
        says: what is told to a reader who wrote it so, such as "27.1 percent are 0.271".
    """

    answer: Any
    says: str


@dataclass(frozen=True, eq=False)
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
        also: other notations of a prediction that are right as well.
        any_order: whether the letters of a predicted text may come in any order.
        strict: whether the prompt fixes dtype and container; else another one is mentioned only.
        direct: whether the probe hands the inputs to the answer as they are, so that a call with
            them shows what is wrong; without a probe it does.
        typical: the values that the prompt or the notebook gives to an argument, by its name.
        examples: lines of code that use the answer by its name and end in an expression, for its
            notebook; a wrong answer is shown on the first of them that comes out differently.
        aside: looks at a right answer and one draw's inputs, and returns what is to be said of
            the answer besides, or None.
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
    also: tuple[Also, ...] = ()
    any_order: bool = False
    strict: bool = False
    direct: bool = False
    typical: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    aside: Callable[..., str | None] | None = None

"""Mistakes that any function can have: twins of its solution, made without knowing the exercise."""

import inspect
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from torch import Tensor

from exercises.exercise import Exercise

CONSTANTS = (0, 1, 2, 0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 1e-5, 1e-6)  # what people write for a rate

Twin = tuple[str, Callable[..., Any]]


class _NotThisOne(Exception):
    """The change that a twin makes cannot be made to these inputs."""


def twins(exercise: Exercise) -> Iterator[Twin]:
    """Yield sentences about mistakes, each with the function that makes this mistake.

    Two arguments are exchanged, one is always the same number, or one too large or too small, is
    transposed, or comes back as it is. A twin raises where its mistake makes no sense.

    Args:
        exercise: one whose solution is a function.
    """
    if isinstance(exercise.solution, type):
        return
    names = _names(exercise.solution)
    for position, name in enumerate(names):
        yield f"what comes back is {name} as it went in.", _returning(position)
    for one, other in combinations(range(len(names)), 2):
        said = f"it comes out as if {names[one]} and {names[other]} were exchanged."
        yield said, _changed(exercise, _exchanged(one, other))
    for position, name in enumerate(names):
        for constant in dict.fromkeys((*exercise.typical.get(name, ()), *CONSTANTS)):
            said = f"it comes out as if {name} were always {constant:g}; use what you are given."
            yield said, _changed(exercise, _at(position, _always(constant)))
        for step, words in ((1, "one too large"), (-1, "one too small")):
            said = f"it comes out as if {name} were {words}."
            yield said, _changed(exercise, _at(position, _moved(step)))
        said = f"it comes out as if {name} were transposed."
        yield said, _changed(exercise, _at(position, _transposed))


def _names(function: Callable[..., Any]) -> list[str]:
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind <= plain]


def _changed(exercise: Exercise, change: Callable[[list[Any]], list[Any]]) -> Callable[..., Any]:
    return lambda *inputs: exercise.solution(*change(list(inputs)))


def _returning(position: int) -> Callable[..., Any]:
    return lambda *inputs: inputs[position]


def _exchanged(one: int, other: int) -> Callable[[list[Any]], list[Any]]:
    def change(inputs: list[Any]) -> list[Any]:
        inputs[one], inputs[other] = inputs[other], inputs[one]
        return inputs

    return change


def _at(position: int, change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda inputs: [
        change(value) if n == position else value for n, value in enumerate(inputs)
    ]


def _always(constant: float) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or value == constant:
            raise _NotThisOne
        if isinstance(value, int) and constant != int(constant):
            raise _NotThisOne
        return type(value)(constant)

    return change


def _moved(step: int) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if type(value) is not int:
            raise _NotThisOne
        return value + step

    return change


def _transposed(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.ndim != 2:
        raise _NotThisOne
    return value.T

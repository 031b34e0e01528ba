"""Probes that look further only when an answer is right so far.

A mistake that shows on the first inputs is then named by the answer on these alone, in the same way
for every reader; and what shows on special inputs alone is still seen.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from exercises.answers import is_readers
from exercises.differences import difference

NO_LOOP = "whether it does without a loop"


def staged(
    answer: Callable[..., Any],
    solution: Callable[..., Any],
    stages: Mapping[str, tuple[Any, ...]],
    *,
    rtol: float = 1e-6,
    larger: tuple[Any, ...] | None = None,
) -> dict[str, Any]:
    """Return an answer's results by name, up to the first that is not right.

    Args:
        answer: the reader's.
        solution: ours.
        stages: from a name that fits behind "in", such as "a wide x", to inputs.
        rtol: the exercise's.
        larger: inputs on which a right answer may not take more steps than on the first.
    """
    results: dict[str, Any] = {}
    for name, inputs in stages.items():
        right = solution(*inputs)
        results[name] = answer(*inputs)
        if difference(results[name], right, rtol) is not None:
            return results
    if larger is not None:
        first = next(iter(stages.values()))
        results[NO_LOOP] = not _has_loop(answer, first, larger)
    return results


@dataclass(frozen=True)
class Looping:
    """A solution that `staged` takes for one with a loop: the steps of our own are not seen."""

    solution: Callable[..., Any]

    def __call__(self, *inputs: Any) -> Any:
        """Return the solution's result."""
        return self.solution(*inputs)


def _has_loop(answer: Callable[..., Any], inputs: tuple[Any, ...], larger: tuple[Any, ...]) -> bool:
    if isinstance(answer, Looping):
        return True
    return _count_steps(answer, inputs) != _count_steps(answer, larger)


def _count_steps(answer: Callable[..., Any], inputs: tuple[Any, ...]) -> int:
    """Count calls and lines of the reader's code, a line in a loop as often as it comes round."""
    count = 0

    def trace(frame: FrameType, *_: Any) -> Any:
        nonlocal count
        if not is_readers(frame.f_code.co_filename):
            return None
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer(*inputs)
    finally:
        sys.settrace(before)
    return count

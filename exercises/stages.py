"""Probes that look further only when an answer is right so far.

A mistake that shows on the first inputs is then named by the answer on these alone, in the same way
for every reader; and what shows on special inputs alone is still seen.
"""

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from exercises.answers import is_readers
from exercises.differences import difference

LOOP = "a loop"  # what comes of a right answer that computes entry by entry


def staged(
    answer: Callable[..., Any],
    solution: Callable[..., Any],
    stages: Mapping[str, tuple[Any, ...]],
    rtol: float = 1e-6,
) -> dict[str, Any]:
    """Return an answer's results by name, up to the first that is not right.

    Args:
        answer: the reader's.
        solution: ours.
        stages: from a name that fits behind "in", such as "a wide x", to inputs.
        rtol: the exercise's.
    """
    results = {}
    for name, inputs in stages.items():
        right = solution(*inputs)
        results[name] = answer(*inputs)
        if difference(results[name], right, rtol) is not None:
            break
    return results


def has_loop(answer: Callable[..., Any], inputs: tuple[Any, ...], larger: tuple[Any, ...]) -> bool:
    """Whether an answer runs more lines for larger inputs than for others."""
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

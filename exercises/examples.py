"""The smallest input on which an answer fails, as a line that the reader can paste and run."""

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from exercises.exercise import Exercise

LONGEST = 240  # characters of the call that is shown
SIZES = (1, 2, 3)

Fails = Callable[[Any, Any], bool]


def smallest(
    exercise: Exercise, answer: Callable[..., Any], inputs: tuple[Any, ...], fails: Fails
) -> str:
    """Return three lines: the call, what should come, and what came; or nothing.

    All dimensions of one length are cut together, and the numbers rounded, as long as the solution
    takes it and the answer still fails.

    Args:
        exercise: one whose inputs are handed to the answer as they are.
        answer: the reader's function.
        inputs: some on which it fails.
        fails: whether an outcome (first) differs from the right one (second).
    """
    for candidate in [*_smaller(inputs), inputs]:
        try:
            call = f"{exercise.name}({', '.join(map(_written, candidate))})"
            right = exercise.solution(*_copied(candidate))
            came = answer(*_copied(candidate))
            shown = [_shown(right), _shown(came)]
        except Exception:  # cannot be cut so, or not be written down
            continue
        if "nan" in shown[0] or "inf" in shown[0]:  # cut too small, as one number for a spread
            continue
        fits = len(call) <= LONGEST and max(map(len, shown)) <= LONGEST
        if fits and shown[0] != shown[1] and fails(came, right):
            return f"\n    {call}\n    should give {shown[0]}\n    and gives   {shown[1]}"
    return ""


def written(exercise: Exercise, answer: Any, fails: Fails) -> str:
    """Return the first of an exercise's examples on which the answer fails, as `smallest` does.

    Args:
        exercise: one with or without examples.
        answer: the reader's function or class; it may raise.
        fails: whether an outcome (first) differs from the right one (second).
    """
    for code in exercise.examples:
        right = _run(exercise, code, exercise.solution)
        try:
            came = _run(exercise, code, answer)
            if not fails(came, right):
                continue
            shown = _shown(came)
        except Exception as error:
            shown = f"{type(error).__name__}: {error}"
        if len(shown) <= LONGEST and shown != _shown(right):
            lines = [*code.splitlines(), f"should give {_shown(right)}", f"and gives   {shown}"]
            return "".join(f"\n    {line}" for line in lines)
    return ""


def _run(exercise: Exercise, code: str, answer: Any) -> Any:
    """Return the value of an example's last line, with an answer under the exercise's name."""
    module = inspect.getmodule(exercise.solution)
    space = {**vars(module), exercise.name: answer}
    *statements, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(statements, []), "<example>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<example>", "eval"), space)


def _smaller(inputs: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    lengths = sorted({n for tensor in _tensors(inputs) for n in tensor.shape})
    for size in SIZES:
        for spread in (0, 1):  # equal lengths first, then such as differ
            shorter = {n: min(n, size + spread * rank) for rank, n in enumerate(lengths)}
            yield tuple(_cut(value, shorter) for value in inputs)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, Tensor):
        yield value


def _cut(value: Any, shorter: dict[int, int]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_cut(part, shorter) for part in value)
    if isinstance(value, Tensor):
        part = value[tuple(slice(shorter[n]) for n in value.shape)]
        if part.is_floating_point():
            return _with_one_digit(part)
        return _within(part, shorter) if part.dtype == torch.int64 else part
    return float(f"{value:.1g}") if type(value) is float else value


def _with_one_digit(part: Tensor) -> Tensor:
    """Return numbers with one digit behind the point; none becomes 0 that is not, 0 is special."""
    tenths = (part * 10).round()
    return torch.where((tenths == 0) & (part != 0), part.sign(), tenths) / 10 + 0.0


def _within(numbers: Tensor, shorter: dict[int, int]) -> Tensor:
    """Return whole numbers that may count along a dimension, within what is left of it."""
    most = int(numbers.max()) if numbers.numel() else 0
    along = min((length for length in shorter if length > most), default=None)
    return numbers if along is None else numbers % shorter[along]


def _copied(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_copied, value))
    return value.clone() if isinstance(value, Tensor) else value


def _written(value: Any) -> str:
    """Return Python code for a value.

    Raises:
        TypeError: it is of a kind that cannot be written in a line.
    """
    if isinstance(value, Tensor):
        default = value.dtype in (torch.get_default_dtype(), torch.int64, torch.bool)
        dtype = "" if default else f", dtype={value.dtype}"
        return f"torch.tensor({_listed(value.tolist())}{dtype})"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, list | tuple):
        parts = ", ".join(map(_written, value))
        return f"[{parts}]" if isinstance(value, list) else f"({parts},)"
    raise TypeError(f"cannot write {type(value).__name__}")


def _listed(values: Any) -> str:
    if isinstance(values, list):
        return f"[{', '.join(map(_listed, values))}]"
    return f"{values:g}" if isinstance(values, float) and values % 1 else repr(values)


def _shown(value: Any) -> str:
    """Return a result in one line, tensors as lists of rounded numbers."""
    if isinstance(value, Tensor):
        return _rounded(value.detach().tolist())
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_shown(part)}' for key, part in value.items())}}}"
    return _rounded(value)


def _rounded(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_rounded, value))}]"
    return f"{value + 0.0:.4g}" if isinstance(value, float) else repr(value)  # no -0

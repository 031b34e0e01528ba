"""Does an answer hold on fresh inputs, and if not, which mistake is it?"""

import contextlib
import inspect
import io
import random
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from exercises.answers import files_of, is_readers, uses_its_arguments
from exercises.differences import difference
from exercises.exercise import Exercise, call

Tell = Callable[[str | None], None]

ROUNDS = 3
MOST_PRINTED = 2000  # characters of what the reader's code prints
LONGEST_MESSAGE = 200  # characters of an error's message


@contextlib.contextmanager
def known_state(seed: int) -> Iterator[None]:
    """Seed the generators of torch, NumPy and Python, and leave everything as it was."""
    dtype = torch.get_default_dtype()
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus), torch.enable_grad():
        try:
            torch.default_generator.manual_seed(seed)  # the CPU's; a GPU's waits untouched
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)
            torch.set_default_dtype(dtype)


def judge(tell: Tell, exercise: Exercise, answer: Any, seed: int, dtype: torch.dtype) -> "Verdict":
    """Hold an answer against the solution on fresh inputs, several times.

    Args:
        tell: receives what the answer prints, and None when it is called again.
        exercise: one that asks for a function or a class.
        answer: the reader's.
        seed: where the inputs come from.
        dtype: the default dtype in the reader's notebook.
    """
    torch.set_default_dtype(dtype)
    for round_ in range(ROUNDS):
        verdict = _judge_once(tell, exercise, answer, seed + round_)
        if not verdict.right:
            return verdict
    return Verdict(right=True)


def _judge_once(tell: Tell, exercise: Exercise, answer: Any, seed: int) -> "Verdict":
    expected = _outcome(exercise, exercise.solution, seed)
    try:
        with _captured(tell):
            actual = _outcome(exercise, answer, seed)
    except BaseException as error:  # SystemExit and KeyboardInterrupt as well
        return _blame(error, answer)
    try:
        sentence = _mistake(exercise, answer, actual, expected, seed)
    except Exception as error:
        return Verdict(sentence=f"what your code returns cannot be compared: {_say(error)}")
    return Verdict(right=True) if sentence is None else Verdict(sentence=sentence)


def _outcome(exercise: Exercise, answer: Any, seed: int) -> "Outcome":
    """Return what an answer gives for a seed's inputs, and which of them it changes."""
    inputs = _draw(exercise, seed)
    with known_state(seed):
        value = exercise.probe(answer, *inputs)
    fresh = _draw(exercise, seed)
    names = _names_of_inputs(exercise, answer)
    changed = [n for n, pair in enumerate(zip(inputs, fresh, strict=True)) if _differ(*pair)]
    return Outcome(value, tuple(changed), names)


def _draw(exercise: Exercise, seed: int) -> tuple[Any, ...]:
    """Return the inputs that belong to a seed, new and unshared."""
    assert exercise.inputs is not None
    with known_state(seed):
        return tuple(exercise.inputs(Generator().manual_seed(seed)))


def _differ(left: Any, right: Any) -> bool:
    """Whether tensors or arrays inside two inputs differ; other objects are not looked into."""
    if isinstance(left, list | tuple):
        return len(left) != len(right) or any(map(_differ, left, right))
    if isinstance(left, dict):
        return left.keys() != right.keys() or any(_differ(left[key], right[key]) for key in left)
    return isinstance(left, Tensor | np.ndarray) and difference(left, right, 0.0) is not None


def _names_of_inputs(exercise: Exercise, answer: Any) -> tuple[str, ...]:
    """Return what the inputs are called: in the answer's signature, or else in the probe's."""
    direct = exercise.probe is call
    try:
        names = tuple(inspect.signature(answer if direct else exercise.probe).parameters)
    except (TypeError, ValueError):  # a function without a signature
        return ()
    return names if direct else names[1:]


def _mistake(
    exercise: Exercise, answer: Any, actual: "Outcome", expected: "Outcome", seed: int
) -> str | None:
    """Return the sentence about an answer's mistake, or None if it holds."""
    lengths = _lengths(_draw(exercise, seed))
    sentence = difference(actual.value, expected.value, exercise.rtol, lengths=lengths)
    meddled = set(actual.changed) - set(expected.changed)
    if sentence is None and not meddled:
        return None
    heeds = uses_its_arguments(answer)
    for wrong in exercise.wrong:
        alike = uses_its_arguments(wrong.answer) == heeds
        if alike and _is_like(actual, exercise, wrong.answer, seed):
            return wrong.says
    if not heeds:
        return "your code uses none of its arguments"
    if meddled:
        return _in_place(actual, min(meddled))
    return sentence


def _is_like(actual: "Outcome", exercise: Exercise, wrong: Callable[..., Any], seed: int) -> bool:
    """Whether a wrong answer comes to the same outcome."""
    try:
        known = _outcome(exercise, wrong, seed)
    except Exception:
        return False
    if actual.changed != known.changed:
        return False
    return difference(actual.value, known.value, exercise.rtol) is None


def _in_place(actual: "Outcome", position: int) -> str:
    known = position < len(actual.names)
    name = f"its argument {actual.names[position]}" if known else f"its argument {position + 1}"
    return f"your code changes {name} in place; compute a new tensor, or work on a clone()"


def _lengths(inputs: Any) -> frozenset[int]:
    """Return the lengths of all dimensions in the inputs, and the sizes of the tensors."""
    if isinstance(inputs, list | tuple):
        return frozenset().union(*map(_lengths, inputs))
    if isinstance(inputs, dict):
        return _lengths(list(inputs.values()))
    if isinstance(inputs, Tensor | np.ndarray):
        return frozenset((*inputs.shape, int(np.prod(inputs.shape))))
    return frozenset()


# Errors in the reader's code ---------------------------------------------------------------------


def _blame(error: BaseException, answer: Any) -> "Verdict":
    """Return the verdict on an answer that raised, with the last place in the reader's code."""
    frames = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    own = files_of(answer)
    for file, line in reversed(frames):
        if file in own or is_readers(file):
            return Verdict(sentence=f"your code raised {_say(error)}", file=file, line=line)
    return Verdict(sentence=f"calling your code raised {_say(error)}")


def _say(error: BaseException) -> str:
    """Return an error's type and the first line of its message."""
    try:
        text = str(error).strip()
    except Exception:  # the reader's own kind of error may not be able to say itself
        text = ""
    first, *more = text.splitlines() or [""]
    if len(first) > LONGEST_MESSAGE:
        first, more = first[:LONGEST_MESSAGE], [""]
    return ": ".join([type(error).__name__, *filter(None, [first])]) + (" …" if more else "")


# What the reader's code prints -------------------------------------------------------------------


@contextlib.contextmanager
def _captured(tell: Tell) -> Iterator[None]:
    """Tell what is printed at once, so that it outlives the process; each round anew."""
    tell(None)
    writer = _Writer(tell)
    with (
        contextlib.redirect_stdout(writer),
        contextlib.redirect_stderr(writer),
        warnings.catch_warnings(),
    ):
        warnings.showwarning = _print_warning
        yield


def _print_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning without the name of a file, which would be a temporary one."""
    print(f"{category.__name__}: {message}")


class _Writer(io.TextIOBase):
    """A text stream that passes on the beginning of what is written to it."""

    def __init__(self, tell: Tell) -> None:
        self.pass_on = tell
        self.room = MOST_PRINTED

    def write(self, text: str) -> int:
        """Pass on as much of the text as there is room for."""
        if self.room > 0:
            self.pass_on(text[: self.room])
            self.room -= len(text)
            if self.room < 0:
                self.pass_on(" …\n")
        return len(text)


@dataclass(frozen=True)
class Outcome:
    """What an answer gives, which inputs it has changed, and what these are called."""

    value: Any
    changed: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a check has found: plain texts and numbers, for the way back to the notebook."""

    right: bool = False
    sentence: str = ""
    file: str = ""
    line: int = 0

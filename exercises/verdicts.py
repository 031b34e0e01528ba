"""Does an answer hold on fresh inputs, and if not, which mistake is it?"""

import contextlib
import inspect
import io
import random
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from exercises.answers import files_of, is_readers, uses_its_arguments
from exercises.differences import difference, remark
from exercises.examples import smallest, written
from exercises.exercise import Exercise, call
from exercises.twins import twins

Tell = Callable[[str | None], None]
Key = tuple[int | str, ...]

ROUNDS = 3
NUMBER = re.compile(r"\(?\[?-?\d[\d.,e+\- ]*\]?\)?")  # in a sentence; without them draws compare
MOST_PRINTED = 2000  # characters of what the reader's code prints
LONGEST_MESSAGE = 400  # characters of an error's message
MOST_KEPT = 2000  # outcomes
SOLUTION = ("solution",)

_kept: "dict[Key, Outcome | Exception]" = {}  # a seed belongs to one exercise of one session


@contextlib.contextmanager
def known_state(seed: int) -> Iterator[None]:
    """Seed the generators of torch, NumPy and Python, and leave everything as it was."""
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
    gpus = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus), _seeded(seed):
        try:
            yield
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators; gradients are on, and the default dtype comes back."""
    dtype = torch.get_default_dtype()
    with torch.enable_grad():
        try:
            torch.default_generator.manual_seed(seed)  # the CPU's; a GPU's waits untouched
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
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
    trials = []
    for round_ in range(ROUNDS):
        try:
            trials.append(_tried(tell, exercise, answer, seed + round_))
        except _Raised as raised:
            exchanged = _order_of_parameters(exercise, answer)
            return Verdict(sentence=exchanged) if exchanged else _blame(raised.error, answer)
        except _CannotBeCompared as reason:
            return Verdict(sentence=f"what your code returns cannot be compared: {reason}")
    failed = [trial for trial in trials if not trial.holds]
    if failed:
        return Verdict(sentence=_explained(exercise, answer, trials, failed))
    return Verdict(right=True, sentence=_asides(tell, exercise, answer, trials))


def _tried(tell: Tell, exercise: Exercise, answer: Any, seed: int) -> "Trial":
    """Hold an answer against the solution on one seed's inputs."""
    expected = _known_outcome(exercise, exercise.solution, seed, SOLUTION)
    try:
        with _captured(tell):
            actual = _outcome(exercise, answer, seed)
    except BaseException as error:  # SystemExit and KeyboardInterrupt as well
        raise _Raised(error) from error
    lengths = _lengths(_draw(exercise, seed))
    try:
        sentence = difference(
            actual.value, expected.value, exercise.rtol, lengths=lengths, strict=exercise.strict
        )
    except Exception as error:
        raise _CannotBeCompared(_say(error)) from error
    meddled = sorted(set(actual.changed) - set(expected.changed))
    return Trial(seed, actual, expected, sentence, tuple(meddled))


def _asides(tell: Tell, exercise: Exercise, answer: Any, trials: "list[Trial]") -> str:
    """Return what is unusual about a right answer, or nothing."""
    first = trials[0]
    asides = [remark(first.actual.value, first.expected.value)]
    rounded = {position: trial.actual for trial in trials for position in trial.actual.rounded}
    for position, actual in rounded.items():
        name = _name_of_input(actual, position)
        asides.append(f"{name} comes back but for rounding; keep the number and put it back")
    if exercise.aside is not None:
        with _captured(tell), contextlib.suppress(Exception), _seeded(first.seed):
            asides.append(exercise.aside(answer, *_draw(exercise, first.seed)))
    return "; ".join(filter(None, asides))


# What is wrong -----------------------------------------------------------------------------------


def _explained(
    exercise: Exercise, answer: Any, trials: "list[Trial]", failed: "list[Trial]"
) -> str:
    """Return the sentence about an answer's mistake: the first that holds on every draw."""
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        exchanged = _order_of_parameters(exercise, answer)
        known = None if _says_nothing(trials) else _known_mistake(exercise, answer, trials)
        if known is not None and exchanged is None:
            return known
        if not uses_its_arguments(answer):
            return "your code uses none of its arguments"
        meddling = next((trial for trial in failed if trial.meddled), None)
        if meddling is not None:
            return _in_place(meddling.actual, meddling.meddled[0])
        first = failed[0]
        sentence = exchanged or _steady_sentence(exercise, failed)
        return sentence + _example(exercise, answer, first)


def _known_mistake(exercise: Exercise, answer: Any, trials: "list[Trial]") -> str | None:
    """Return what is said of the mistake, prepared or general, that always gives the same."""
    heeds = uses_its_arguments(answer)
    for n, wrong in enumerate(exercise.wrong):
        alike = uses_its_arguments(wrong.answer) == heeds
        if alike and all(_is_like(trial, exercise, wrong.answer, (n,)) for trial in trials):
            return wrong.says
    for n, (says, twin) in enumerate(twins(exercise) if heeds else ()):
        if all(_is_like(trial, exercise, twin, ("twin", n)) for trial in trials):
            return says
    return None


def _is_like(trial: "Trial", exercise: Exercise, wrong: Callable[..., Any], key: Key) -> bool:
    """Whether a wrong answer comes to the same outcome."""
    try:
        known = _known_outcome(exercise, wrong, trial.seed, key)
    except Exception:
        return False
    actual, expected = trial.actual.value, trial.expected.value
    only_the_kind = exercise.strict and difference(actual, expected, exercise.rtol) is None
    if difference(actual, known.value, exercise.rtol, strict=only_the_kind) is not None:
        return False
    return trial.actual.changed == known.changed


def _says_nothing(trials: "list[Trial]") -> bool:
    """Whether an answer always gives what many mistakes give: None, NaN, 0, or 1."""
    values = [trial.actual.value for trial in trials]
    if all(map(_is_empty, values)):
        return True
    return all(_number(value) in (1.0, -1.0) for value in values) and _varies(trials)


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        parts = value.values() if isinstance(value, dict) else value
        return bool(parts) and all(map(_is_empty, parts))
    if isinstance(value, Tensor):
        values = value.detach()
        return not bool(((values != 0) & (values == values)).any())
    number = _number(value)
    return value is None or (number is not None and (number != number or not number))


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor | np.ndarray):
        return float(value) if value.ndim == 0 and "complex" not in str(value.dtype) else None
    return float(value) if isinstance(value, int | float) else None


def _varies(trials: "list[Trial]") -> bool:
    """Whether what should come differs from draw to draw."""
    first, *others = (trial.expected.value for trial in trials)
    return all(difference(other, first) is not None for other in others)


def _order_of_parameters(exercise: Exercise, answer: Any) -> str | None:
    """Return the sentence for the right parameters in another order."""
    if isinstance(answer, type):
        return None
    try:
        own, asked = (list(inspect.signature(f).parameters) for f in (answer, exercise.solution))
    except (TypeError, ValueError):
        return None
    if own == asked or sorted(own) != sorted(asked):
        return None
    return f"its parameters must come as ({', '.join(asked)}), yours are ({', '.join(own)})"


def _steady_sentence(exercise: Exercise, failed: "list[Trial]") -> str:
    """Return the difference on the first failing draw; a pattern only if all of them show it."""
    sentences = [trial.sentence or "" for trial in failed]
    if len({NUMBER.sub("", sentence) for sentence in sentences}) == 1:
        return sentences[0]
    trial = failed[0]
    plain = difference(trial.actual.value, trial.expected.value, exercise.rtol, patterns=False)
    return plain or sentences[0]


def _example(exercise: Exercise, answer: Any, trial: "Trial") -> str:
    """Return the smallest input on which the answer fails, if it can be written down."""

    def fails(came: Any, right: Any) -> bool:
        return difference(came, right, exercise.rtol, strict=exercise.strict) is not None

    with _seeded(trial.seed):
        shown = written(exercise, answer, fails)
        is_called = exercise.direct or exercise.probe is call
        if shown or not is_called or isinstance(answer, type):
            return shown
        return smallest(exercise, answer, _draw(exercise, trial.seed), fails)


def _outcome(exercise: Exercise, answer: Any, seed: int) -> "Outcome":
    """Return what an answer gives for a seed's inputs, and which of them it changes."""
    inputs = _draw(exercise, seed)
    with _seeded(seed):
        value = exercise.probe(answer, *inputs)
    changed, rounded = _changed(exercise, inputs, seed)
    return Outcome(value, changed, _names_of_inputs(exercise, answer), rounded)


def _known_outcome(
    exercise: Exercise, answer: Callable[..., Any], seed: int, key: Key
) -> "Outcome":
    """Return what the solution or a foreseen answer gives; a session's second check has it ready.

    Raises:
        Exception: whatever the answer raises, each time anew.
    """
    full_key = (exercise.number, seed, str(torch.get_default_dtype()), *key)
    if full_key not in _kept:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        try:
            _kept[full_key] = _outcome(exercise, answer, seed)
        except Exception as error:
            _kept[full_key] = error.with_traceback(None)
    kept = _kept[full_key]
    if isinstance(kept, Exception):
        raise kept
    return kept


def _changed(
    exercise: Exercise, inputs: tuple[Any, ...], seed: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which inputs are not any more what they were, and which are but for rounding."""
    pairs = [*zip(inputs, _draw(exercise, seed), strict=True)]
    changed = tuple(n for n, pair in enumerate(pairs) if _differ(*pair))
    rounded = (n for n, pair in enumerate(pairs) if n not in changed and _is_rounded(*pair))
    return changed, tuple(rounded)


def _is_rounded(left: Any, right: Any) -> bool:
    """Whether two tensors that pass for the same differ in a last digit."""
    return isinstance(left, Tensor) and bool(((left != right) & (left == left)).any())


def _draw(exercise: Exercise, seed: int) -> tuple[Any, ...]:
    """Return the inputs that belong to a seed, new and unshared."""
    assert exercise.inputs is not None
    with _seeded(seed):
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


def _in_place(actual: "Outcome", position: int) -> str:
    name = _name_of_input(actual, position)
    return f"your code changes {name} in place; compute a new tensor, or work on a clone()"


def _name_of_input(actual: "Outcome", position: int) -> str:
    known = position < len(actual.names)
    return f"its argument {actual.names[position] if known else position + 1}"


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
    return Verdict(sentence=f"what your code gives cannot be used as it should: {_say(error)}")


def _say(error: BaseException) -> str:
    """Return an error's type and its message in one line; of a long one, beginning and end."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # the reader's own kind of error may not be able to say itself
        text = ""
    if len(text) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        text = f"{text[:half]} … {text[-half:]}"
    return ": ".join([type(error).__name__, *filter(None, [text])])


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
    """What an answer gives, which inputs it has changed, and what these are called.

    Those that are `rounded` it has changed and brought back, but for their last digits.
    """

    value: Any
    changed: tuple[int, ...]
    names: tuple[str, ...]
    rounded: tuple[int, ...] = ()


@dataclass(frozen=True)
class Trial:
    """An answer and the solution on the inputs of one seed, and what is different."""

    seed: int
    actual: Outcome
    expected: Outcome
    sentence: str | None
    meddled: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is different."""
        return self.sentence is None and not self.meddled


class _CannotBeCompared(Exception):
    """What an answer returns is of a strange kind."""


class _Raised(Exception):
    """The answer raised `error`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True)
class Verdict:
    """What a check has found: plain texts and numbers, for the way back to the notebook.

    The sentence says what is wrong or, of a right answer, what is unusual about it.
    """

    right: bool = False
    sentence: str = ""
    file: str = ""
    line: int = 0

"""The three things that a reader can ask: check, hint and solution."""

import importlib
import inspect
import linecache
import math
import pkgutil
import secrets
import sys
import textwrap
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from exercises.answers import TIMED, files_of, functions_of, is_readers, is_unsolved
from exercises.differences import describe, difference, plain
from exercises.exercise import Exercise
from exercises.limits import NotStarted, Stopped, Unsendable, is_running, packed, run_limited
from exercises.listings import without_annotations
from exercises.notations import understood
from exercises.verdicts import Tell, Verdict, judge, known_state
from helpers.streams import say

SECONDS = 10.0
MEMORY = 2 * 2**30  # bytes

WHICH = "which cannot be sent to the process that checks it"

_hints_given: dict[str, int] = {}


def check(number: str, answer: Any) -> None:
    """Say whether an answer holds, and if not, which mistake it looks like.

    A value is compared with a fresh run of the experiment. A function or a class runs in another
    process, on random inputs, the same as long as the notebook runs, and with limits of time and
    memory.

    Args:
        number: the exercise's number, such as "2.1".
        answer: a value, a function or a class, whatever the exercise asks for.

    Raises:
        TypeError: `number` is not a text.
        ValueError: there is no exercise of this number.
    """
    exercise = find(number)
    if is_unsolved(exercise, answer):
        say(f'{number} is not solved yet; hint("{number}") gives a nudge.')
        return
    try:
        verdict = _verdict_on(exercise, answer)
    except (NotStarted, _NotSendable) as error:
        say(f"{number} could not be checked: {error}.")
        return
    if verdict.right:
        aside = f" (A remark: {verdict.sentence}.)" if verdict.sentence else ""
        say(f"{number} is right: {exercise.because}{aside}")
    else:
        say(f"{number} is not right yet: {verdict.sentence}")


def hint(number: str) -> None:
    """Print the next hint of an exercise; after the last one, the last one again.

    Args:
        number: the exercise's number, such as "2.1".

    Raises:
        TypeError: `number` is not a text.
        ValueError: there is no exercise of this number.
    """
    hints = find(number).hints
    given = _hints_given.get(number, 0)
    position = min(given + 1, len(hints))
    _hints_given[number] = position
    text = f"{number}, hint {position} of {len(hints)}: {hints[position - 1]}"
    if given == len(hints):
        text += f' (That was the last one; solution("{number}") shows the whole way.)'
    say(text)


def solution(number: str) -> None:
    """Print the reference solution of an exercise as code for its notebook, and why it is so.

    Of a prediction: the number, how to get there, and the experiment that shows it.

    Args:
        number: the exercise's number, such as "2.1".

    Raises:
        TypeError: `number` is not a text.
        ValueError: there is no exercise of this number.
    """
    exercise = find(number)
    code = without_annotations(textwrap.dedent(inspect.getsource(exercise.solution)).strip())
    if exercise.inputs is not None:
        say(f"{code}\n\n{_comment(f'Why: {exercise.because}')}")
        return
    with known_state(0):
        value = exercise.solution()
    digits = max(1, round(-math.log10(exercise.rtol)))  # as many as count
    shown = f"{value:.{digits}g}" if isinstance(value, float) else repr(value)
    way = _comment(f"The answer is {shown}. {' '.join(exercise.hints)}")
    why = _comment(f"Why: {exercise.because}")
    say(f"{way}\n\n{why}\n\n{code}\n\n{exercise.solution.__name__}()")


def _comment(text: str) -> str:
    """Return a text as comment lines, so that all that is printed can be pasted into a cell."""
    return textwrap.fill(text, 96, initial_indent="# ", subsequent_indent="# ")


# Finding an exercise -----------------------------------------------------------------------------


def find(number: str) -> Exercise:
    """Return the exercise of this number; complain with the list of those that exist."""
    if not isinstance(number, str):
        text = f'"{number}"' if isinstance(number, int | float) else '"2.1"'
        raise TypeError(f"number must be a text: write {text}, got {number!r}")
    module = f"chapter_{number.partition('.')[0]:0>2}"
    found = exercises(module) if module in chapters() else {}
    if number not in found:
        raise ValueError(f"number must be one of {numbers()}, got {number!r}")
    return found[number]


@cache
def chapters() -> list[str]:
    """Return the names of the modules that hold exercises."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if name.startswith("chapter_"))


@cache
def exercises(name: str) -> dict[str, Exercise]:
    """Return a module's exercises by number."""
    module = importlib.import_module(f"exercises.{name}")
    return {exercise.number: exercise for exercise in module.EXERCISES}


def numbers() -> str:
    """Return the numbers that exist, grouped by chapter."""
    groups = [list(exercises(name)) for name in chapters()]
    return ", ".join(f"{group[0]} to {group[-1]}" for group in groups if group)


# Finding a mistake -------------------------------------------------------------------------------


def _verdict_on(exercise: Exercise, answer: Any) -> Verdict:
    if exercise.inputs is None:
        return _on_prediction(exercise, answer)
    mistake = _wrong_kind(exercise, answer)
    if mistake:
        return Verdict(sentence=mistake)
    mistake = _wrong_signature(exercise, answer)
    verdict = Verdict(sentence=mistake) if mistake else _on_behaviour(exercise, answer)
    is_class_for_function = isinstance(answer, type) and not isinstance(exercise.solution, type)
    return _of_class(exercise, answer, verdict) if is_class_for_function else verdict


def _of_class(exercise: Exercise, answer: type, verdict: Verdict) -> Verdict:
    """Return the verdict on a class in the place of a function: calling it may do the same."""
    if verdict.right:
        said = f"{exercise.name} is a class here, which does for a function"
        return replace(verdict, sentence="; ".join(filter(None, [verdict.sentence, said])))
    said = f"expected a function, got the class {answer.__name__}; it may stand for one, but"
    return replace(verdict, sentence=f"{said} {verdict.sentence}")


def _on_prediction(exercise: Exercise, answer: Any) -> Verdict:
    """Hold a prediction against the experiment, in whatever notation it came.

    A wrong value that nobody foresaw gets the thought of the first hint.
    """
    with known_state(secrets.randbits(32)):
        expected = exercise.solution()
    sentence = _unlike(exercise, answer, expected)
    if sentence is None:
        return Verdict(right=True)
    for also in exercise.also:
        if _unlike(exercise, answer, also.answer) is None:
            return Verdict(right=True, sentence=also.says.removesuffix("."))
    for wrong in exercise.wrong:
        if _unlike(exercise, answer, wrong.answer) is None:
            return Verdict(sentence=wrong.says)
    stop = "" if sentence.endswith(("?", ".")) else "."
    return Verdict(sentence=f"{sentence}{stop} {exercise.hints[0]}")


def _unlike(exercise: Exercise, answer: Any, expected: Any) -> str | None:
    meant = understood(answer, expected)
    are_texts = isinstance(meant, str) and isinstance(expected, str)
    if exercise.any_order and are_texts and _are_same_letters(plain(meant), plain(expected)):
        return None
    return difference(meant, expected, exercise.rtol, reveal=False)


def _are_same_letters(one: str, other: str) -> bool:
    """Whether two texts hold the same letters, each once, as names of things do."""
    return len({*one}) == len(one) and sorted(one) == sorted(other)


def _wrong_kind(exercise: Exercise, answer: Any) -> str | None:
    """Return the sentence for an answer that is not a function, or class, at all.

    A class may stand for a function, if calling it gives what is asked for.
    """
    if isinstance(exercise.solution, type):
        if isinstance(answer, type):
            base = exercise.solution.__base__ or object
            is_derived = issubclass(answer, base)
            return None if is_derived else f"{answer.__name__} must derive from {base.__name__}"
        cure = ": leave out the parentheses" if type(answer).__name__ == exercise.name else ""
        return f"expected a class, got {describe(answer)}{cure}"
    if callable(answer):
        return None
    cure = ": pass the function itself, without calling it"
    return f"expected a function, got {describe(answer)}{cure}"


def _wrong_signature(exercise: Exercise, answer: Any) -> str | None:
    """Return the sentence for a function that takes another number of arguments."""
    if isinstance(exercise.solution, type):
        return None
    wanted = list(inspect.signature(exercise.solution).parameters.values())
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # a function of C code that does not tell
        return None
    needed = [p for p in wanted if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    starred = [p for p in wanted if p.kind is p.VAR_POSITIONAL]
    try:
        signature.bind(*needed, *starred * 3)
    except TypeError:
        count = f"{len(needed)} argument{'' if len(needed) == 1 else 's'} "
        names = ", ".join(p.name for p in needed)
        if starred:
            count, names = "", f"{names}, *{starred[0].name}"
        return f"{exercise.name} must take {count}({names}), got {_listed(signature)}"
    return None


def _listed(signature: inspect.Signature) -> str:
    """Return the names of a signature's parameters, without types and defaults."""
    stars: dict[Any, str] = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    names = (stars.get(p.kind, "") + p.name for p in signature.parameters.values())
    return f"({', '.join(names)})"


def _named(exercise: Exercise) -> Exercise | str:
    """Return the number of an exercise of a chapter: the other process has it in its module."""
    module = sys.modules.get(exercise.solution.__module__)
    known = getattr(module, "EXERCISES", ())
    return exercise.number if any(one is exercise for one in known) else exercise


def _judged(tell: Tell, exercise: Exercise | str, *rest: Any) -> Verdict:
    """Hold an answer against an exercise or the one of this number; in the other process."""
    return judge(tell, find(exercise) if isinstance(exercise, str) else exercise, *rest)


def _on_behaviour(exercise: Exercise, answer: Any) -> Verdict:
    """Run an answer in another process; print what it prints."""
    seed, dtype, heard = _seed(exercise), torch.get_default_dtype(), list[str]()
    task = (_judged, _named(exercise), answer, seed, dtype)
    if not is_running():
        say("(The process that tries answers is starting: a few seconds, once.)")
    try:
        verdict = run_limited(*task, seconds=SECONDS, memory=MEMORY, heard=heard)
    except Unsendable as error:
        raise _NotSendable(_unsendable(answer, error)) from error
    except Stopped as error:
        return Verdict(sentence=str(error))
    finally:
        if heard:
            say("".join(heard).removesuffix("\n"))
    return replace(verdict, sentence=verdict.sentence + _place(verdict, answer))


@cache
def _seed(_: Exercise) -> int:
    """Return where an exercise's inputs come from: a session's tries all see the same ones."""
    return secrets.randbits(32)


def _place(verdict: Verdict, answer: Any) -> str:
    """Return the line where an error arose, and its file if that is another one than the answer's.

    A notebook's cell is no file: it has a name, but lies nowhere.
    """
    if not verdict.line:
        return ""
    linecache.checkcache(verdict.file)
    source = linecache.getline(verdict.file, verdict.line).strip()
    path = Path(verdict.file)
    is_elsewhere = verdict.file not in files_of(answer) and path.is_file()
    line = verdict.line + (verdict.file == TIMED)  # IPython takes away the line with %%time
    place = f" in line {line}" + (f" of {path.name}" if is_elsewhere else "")
    return place + (f": {source}" if source else "")


def _unsendable(answer: Any, error: Exception) -> str:
    """Return the sentence for an answer that cannot travel to the other process."""
    if not any(map(is_readers, files_of(answer))):
        return f"your code is a {type(answer).__name__}, {WHICH}: pass a plain function ({error})"
    for function in functions_of(answer).values():
        used = inspect.getclosurevars(function)
        for name, value in [*used.globals.items(), *used.nonlocals.items()]:
            try:
                packed(value)
            except Unsendable as reason:
                return f"your code uses {name}, {describe(value)}, {WHICH}: {reason}"
    return f"your code uses something {WHICH}: {error}"


class _NotSendable(Exception):
    """The answer may be right, but it cannot travel to the process that would try it."""

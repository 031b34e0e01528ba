"""What is different about an answer, in a sentence: type, shape, sign, factor, or which entry."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SMALLEST = 1e-12  # a difference below this never counts
NEAR = 1e-2  # of the largest entry: all differ, but a formula that is wrong would be further off
MOST_NAMED = 4  # texts in a list of texts
INTEGERS = {*"biuO"}  # NumPy's kinds; O for those that are too long for the others
HALVES = ("float16", "bfloat16")
OF_A_GRADIENT = re.compile(r"\b(?:gradient|slope) of ")  # in the name of a probe's finding
PLACES = re.compile(r"^(at position \d+): at position ")
COARSE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 1e-1, "complex64": 1e-4}


def difference(
    actual: Any,
    expected: Any,
    rtol: float = 1e-6,
    *,
    reveal: bool = True,
    lengths: frozenset[int] = frozenset(),
    strict: bool = False,
    patterns: bool = True,
) -> str | None:
    """Return a sentence on the first thing that is wrong with a value, or None if it is right.

    Values are compared, and shapes. Devices and `requires_grad` are left out, and unless `strict`
    dtypes and the kinds of containers: `remark` tells of those.

    Args:
        actual: the value to judge.
        expected: the right value: a number, bool, text, tensor, array, or a tuple, list or dict
            of such; anything else is compared with ==.
        rtol: the tolerance, relative to the largest magnitude in `expected`; an integer, however
            large, must be that very one.
        reveal: whether the sentence may give away the right numbers.
        lengths: lengths of the inputs' dimensions; a factor among them hints at a missing mean.
        strict: whether another dtype or container is wrong.
        patterns: whether to look for one mistake that explains every entry.
    """
    sentence = _difference(actual, expected, _Manner(rtol, reveal, lengths, patterns))
    if _is_nothing(actual) and expected is not None:
        return f"{sentence}; is a return missing?" if reveal else sentence
    return remark(actual, expected) if sentence is None and strict else sentence


def _is_nothing(actual: Any) -> bool:
    """Whether it is None, or None is the one thing that a probe has found."""
    return actual is None or (
        isinstance(actual, dict) and len(actual) == 1 and None in actual.values()
    )


def remark(actual: Any, expected: Any) -> str | None:
    """Return what is unusual about a right value: its dtype, or the kind of its container.

    Args:
        actual: a value that `difference` finds right.
        expected: what it was held against.
    """
    if isinstance(expected, dict):
        return next(filter(None, (remark(actual[key], expected[key]) for key in expected)), None)
    if isinstance(expected, list | tuple):
        if isinstance(actual, list) != isinstance(expected, list):
            return f"expected {describe(expected)}, got {describe(actual)}"
        return next(filter(None, map(remark, actual, expected)), None)
    if not isinstance(expected, Tensor | np.ndarray):
        return None
    if type(actual) is not type(expected) and not isinstance(actual, type(expected)):
        return f"expected {describe(expected)}, got {describe(actual)}"
    names = _dtype(expected), _dtype(actual)
    return None if names[0] == names[1] else f"expected {names[0]}, got {names[1]}"


def describe(value: Any) -> str:
    """Return what a value is, in words: "a tensor of shape (3, 5)", "a number", "None"."""
    if isinstance(value, Tensor | np.ndarray):
        noun = "a tensor" if isinstance(value, Tensor) else "a NumPy array"
        return f"{noun} of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple | dict):
        entries = "1 entry" if len(value) == 1 else f"{len(value)} entries"
        return f"a {_kind_of_container(value)} with {entries}"
    if value is None or value is Ellipsis:
        return "None" if value is None else "..."
    if isinstance(value, type):
        return f"the class {value.__name__}"
    for kind, noun in _NOUNS:
        if isinstance(value, kind):
            return noun
    if callable(value) and hasattr(value, "__name__"):
        return "a function"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


_NOUNS: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), "True or False"),
    ((Number, np.number), "a number"),
    (str, "a text"),
)


def _kind_of_container(value: Any) -> str:
    kinds = {torch.Size: "torch.Size", tuple: "tuple", list: "list", dict: "dict"}
    return next(name for kind, name in kinds.items() if isinstance(value, kind))


def _difference(actual: Any, expected: Any, manner: "_Manner") -> str | None:
    for kinds, compare in _COMPARERS:
        if isinstance(expected, kinds):
            return compare(actual, expected, manner)
    return _of_objects(actual, expected, manner)


def _wrong_type(actual: Any, expected: Any) -> str:
    """Return the sentence for an answer of another type than the expected one."""
    sentence = f"expected {describe(expected)}, got {describe(actual)}"
    if callable(actual) and not isinstance(actual, type | nn.Module) and not callable(expected):
        return f"{sentence}; did you mean to call it?"
    return sentence


# Containers --------------------------------------------------------------------------------------


def _of_dicts(actual: Any, expected: dict[Any, Any], manner: "_Manner") -> str | None:
    if not isinstance(actual, dict):
        names = "" if actual is None else f"expected {', '.join(map(str, expected))}; "
        return f"{names}got {describe(actual)}"
    there = [name for name in expected if name in actual]
    sentence = _first(((f"in {name}", actual[name], expected[name]) for name in there), manner)
    if sentence is not None:
        return sentence
    for name in expected:
        if name not in actual:
            return f"{name} is missing"
    more = [name for name in actual if name not in expected]
    return f"{more[0]} is one too many" if more else None


def _of_sequences(actual: Any, expected: Sequence[Any], manner: "_Manner") -> str | None:
    if not isinstance(actual, list | tuple):
        return _wrong_type(actual, expected)
    if manner.reveal and (named := _names_that_differ(actual, expected)):
        return named
    if len(actual) != len(expected):
        return f"expected {len(expected)} entries, got {len(actual)}"
    parts = zip(actual, expected, strict=True)
    return _first(((f"at position {n}", a, e) for n, (a, e) in enumerate(parts)), manner)


def _names_that_differ(actual: Sequence[Any], expected: Sequence[Any]) -> str:
    """Return which texts are missing in a list of texts, and which are too many."""
    if not all(isinstance(text, str) for text in (*actual, *expected)):
        return ""
    missing = [text for text in expected if text not in actual]
    more = [text for text in actual if text not in expected]
    parts = [_some(missing, "is", "are"), _some(more, "does", "do")]
    endings = "missing", "not belong there"
    return ", and ".join(f"{p} {end}" for p, end in zip(parts, endings, strict=True) if p)


def _some(texts: list[str], one: str, several: str) -> str:
    """Return some of the texts and the verb that fits their number, or nothing."""
    if not texts:
        return ""
    named = [*texts[:MOST_NAMED], *[f"{len(texts) - MOST_NAMED} more"] * (len(texts) > MOST_NAMED)]
    return f"{', '.join(named)} {several if len(texts) > 1 else one}"


def _first(parts: Iterable[tuple[str, Any, Any]], manner: "_Manner") -> str | None:
    """Return which part is the first to differ, and how; places in each other are joined."""
    for where, actual, expected in parts:
        sentence = _difference(actual, expected, manner)
        if sentence is not None:
            cut = _cut_off(where, actual, expected)
            return PLACES.sub(r"\1, ", f"{where}: {sentence}{cut}")
    return None


def _cut_off(where: str, actual: Any, expected: Any) -> str:
    """Return why there may be no gradient, if that is what is missing."""
    if actual is not None or not isinstance(expected, Tensor) or not OF_A_GRADIENT.search(where):
        return ""
    return (
        ": no gradient arrives there; `.data`, `.detach()`, `.item()` and copies cut a tensor off "
        "the graph"
    )


# Single values -----------------------------------------------------------------------------------


def _of_objects(actual: Any, expected: Any, manner: "_Manner") -> str | None:
    if type(actual) is not type(expected):
        return _wrong_type(actual, expected)
    if actual == expected:
        return None
    return f"expected {expected}, got {actual}" if manner.reveal else f"{actual} is not it"


def _of_texts(actual: Any, expected: str, manner: "_Manner") -> str | None:
    if not isinstance(actual, str):
        told = actual is None and manner.reveal
        return f'expected "{expected}", got None' if told else _wrong_type(actual, expected)
    if plain(actual) == plain(expected):
        return None
    if manner.reveal:
        return f'expected "{expected}", got "{actual.strip()[:80]}"'
    return f'"{actual.strip()[:80]}" is not it'


def plain(text: str) -> str:
    """Return a text without case, spaces, commas and "and": "a, b and c" and "ABC" say the same."""
    words = re.sub(r"[,;]|\band\b", " ", text.casefold()).split()
    return "".join(words)


def _of_truths(actual: Any, expected: Any, manner: "_Manner") -> str | None:
    value = _scalar(actual)
    if not isinstance(value, bool):
        return _wrong_type(actual, expected)
    if value is bool(expected):
        return None
    return f"expected {bool(expected)}, got {value}" if manner.reveal else f"it is not {value}"


def _of_numbers(actual: Any, expected: Any, manner: "_Manner") -> str | None:
    value = _scalar(actual)
    if value is None or isinstance(value, bool | str):
        return _wrong_type(actual, expected)
    right = _scalar(expected)
    if _are_close(value, right, manner.tolerance(right)).all():
        return None
    if manner.reveal:
        remarkable = _remark(value, right, manner) if manner.patterns else ""
        return f"expected {_show(right)}, got {_show(value)}{remarkable}"
    return _which_way(value, right, manner)


def _scalar(value: Any) -> Any:
    """Return a Python number, bool or text for one, for a 0-dim tensor or a NumPy scalar."""
    if isinstance(value, Tensor | np.ndarray):
        return value.item() if value.ndim == 0 else None
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, Number) else None


def _which_way(value: Any, right: Any, manner: "_Manner") -> str:
    """Return what is wrong with a predicted number without telling the right one."""
    if isinstance(value, complex) or isinstance(right, complex):
        return f"{_show(value)} is not it"
    if value != value:
        return "that is NaN, not a number"
    if right and _are_close(-value, right, manner.tolerance(right)).all():
        return "the size is right, the sign is not"
    if value * right < 0:
        return f"{_show(value)} has the wrong sign"
    return f"{_show(value)} is too {'large' if value > right else 'small'}"


def _remark(value: Any, right: Any, manner: "_Manner") -> str:
    """Return what is remarkable about a wrong number: its sign, or a round factor.

    Between whole numbers a factor tells nothing: they count something.
    """
    if isinstance(value, complex) or isinstance(right, complex) or not value or not right:
        return ""
    if _are_close(-value, right, manner.tolerance(right)).all():
        return ": the sign is flipped"
    if isinstance(right, int) and value % 1 == 0:
        return ""
    factor = value / right
    if not 1e-6 <= abs(factor) <= 1e6:  # false for NaN and infinity as well
        return ""
    near = round(factor) if abs(factor) > 1 else 1 / round(1 / factor)
    if abs(factor - near) > manner.rtol * abs(factor):
        return ""
    return f", {_show(near)} times as much{manner.mean_or_sum(factor)}"


def _show(number: Any) -> str:
    """Return a number as a reader would write it: whole ones whole, others with six digits."""
    if isinstance(number, bool | int | np.integer | np.bool_):
        return str(number)
    is_whole = not isinstance(number, complex) and abs(number) < 1e9 and number == round(number)
    return str(round(number)) if is_whole else f"{number:.6g}"


# Tensors and arrays ------------------------------------------------------------------------------


def _of_arrays(actual: Any, expected: Any, manner: "_Manner") -> str | None:
    if expected.ndim == 0 and isinstance(actual, Number | np.number):
        actual = np.asarray(actual)
    if not isinstance(actual, Tensor | np.ndarray):
        return _wrong_type(actual, expected)
    if _are_same(actual, expected):
        return None
    if _dtype(actual) in HALVES and _dtype(expected) not in HALVES:
        return (
            f"expected {_dtype(expected)}, got {_dtype(actual)}, which keeps three digits at most"
        )
    coarse = max(COARSE.get(_dtype(value), 0.0) for value in (actual, expected))
    manner = manner.at_least(coarse)
    if tuple(actual.shape) != tuple(expected.shape):
        return _wrong_shape(actual, expected, manner)
    got = _numpy(actual)
    if got.dtype.kind not in "biufc":
        return f"expected {_dtype(expected)}, got {_dtype(actual)}"
    return _of_entries(got, _numpy(expected), manner)


def _are_same(actual: Any, expected: Any) -> bool:
    """Whether two tensors hold the very same numbers: most of those that are compared do."""
    both = actual, expected
    if not all(isinstance(value, Tensor) for value in both) or actual.shape != expected.shape:
        return False
    if any(value.device.type != "cpu" or value.layout != torch.strided for value in both):
        return False
    return actual.dtype == expected.dtype and torch.equal(actual, expected)


def _numpy(value: Any) -> np.ndarray:
    """Return the entries on the CPU, with floating-point numbers in double precision."""
    if isinstance(value, Tensor):
        value = value.detach().resolve_conj().resolve_neg().cpu()
        value = value.to_dense() if value.layout != torch.strided else value
        value = value.double().numpy() if value.is_floating_point() else value.numpy()
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _wrong_shape(actual: Any, expected: Any, manner: "_Manner") -> str:
    """Return both shapes, and what the values tell about the mistake."""
    want, have = tuple(expected.shape), tuple(actual.shape)
    sentence = f"expected shape {want}, got {have}"
    if len(want) == 2 and have == want[::-1] and _same_values(actual.T, expected, manner):
        return f"{sentence}: it is the transpose"
    if int(np.prod(have)) == int(np.prod(want)):
        if _same_values(actual.reshape(want), expected, manner):
            return f"{sentence}: the numbers are right, their arrangement is not"
    elif want == ():
        return f"{sentence}: is a sum or a mean missing?"
    return sentence


def _same_values(actual: Any, expected: Any, manner: "_Manner") -> bool:
    got, right = _numpy(actual), _numpy(expected)
    return bool(_are_close(got, right, manner.tolerance(right)).all())


def _are_close(actual: Any, expected: Any, tolerance: float) -> np.ndarray:
    """Return which entries agree; NaN agrees with NaN and infinity with infinity.

    Integers agree only if they are equal: they count something.
    """
    got, right = np.asarray(actual), np.asarray(expected)
    if {got.dtype.kind, right.dtype.kind} <= INTEGERS:
        return np.asarray(got == right)
    with np.errstate(all="ignore"):
        near = np.abs(_wide(got) - _wide(right)) <= tolerance
        return np.asarray(near | (got == right) | ((got != got) & (right != right)))


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _of_entries(got: np.ndarray, right: np.ndarray, manner: "_Manner") -> str | None:
    """Compare two arrays of one shape and dtype."""
    wrong = ~_are_close(got, right, manner.tolerance(right))
    if not wrong.any():
        return None
    unfit = _not_finite(got, right)
    if unfit is not None:
        return unfit
    if got.size == 1 and got.dtype.kind != "b":
        return _of_numbers(got.item(), right.item(), manner)
    pattern = _pattern(got, right, manner) if manner.patterns else None
    if pattern is not None:
        return pattern
    sentence = f"{_count(wrong)} {'differs' if wrong.sum() == 1 else 'differ'}{_at(wrong)}"
    if not manner.reveal:
        return sentence
    first = tuple(np.argwhere(wrong)[0])
    near = _how_near(got, right) if wrong.all() else ""
    return f"{sentence}: expected {_show(right[first])}, got {_show(got[first])}{near}"


def _how_near(got: np.ndarray, right: np.ndarray) -> str:
    """Return what tells an approximation from a mistake: that all are off, and hardly."""
    are_floats = {got.dtype.kind, right.dtype.kind} == {"f"}
    if not are_floats or not (np.isfinite(got).all() and np.isfinite(right).all()):
        return ""
    off = float(np.abs(got - right).max() / max(np.abs(right).max(), SMALLEST))
    percent = f"{100 * off:.1g} %"
    nearly = f"; all are near, within {percent} of the largest: a step, a rounding, a small term?"
    return nearly if off <= NEAR else ""


def _not_finite(got: np.ndarray, right: np.ndarray) -> str | None:
    """Return the sentence for NaN or infinity where there should be none."""
    if got.dtype.kind not in "fc":
        return None
    for name, test in (("NaN", np.isnan), ("infinite", np.isinf)):
        bad = test(got) & ~test(right)
        if bad.any():
            sentence = f"{_count(bad)} {'is' if bad.sum() == 1 else 'are'} {name}{_at(bad)}"
            why = "; 0 / 0 makes one, and so does a root or logarithm below 0"
            return sentence + why if name == "NaN" else sentence
    return None


def _count(bad: np.ndarray) -> str:
    return f"{int(bad.sum())} of {bad.size} entries" if bad.size > 1 else "it"


def _at(bad: np.ndarray) -> str:
    """Return where the first bad entry is."""
    if bad.ndim == 0:
        return ""
    index = ", ".join(str(n) for n in np.argwhere(bad)[0])
    return f", at [{index}]" if bad.sum() == 1 else f", the first at [{index}]"


def _pattern(got: np.ndarray, right: np.ndarray, manner: "_Manner") -> str | None:
    """Return the sentence for one mistake that explains every entry, if there is such a one."""
    if got.dtype.kind == "b" != right.dtype.kind:
        return None
    if got.dtype.kind == "b":
        opposite = got.size > 1 and (got != right).all()
        return "every entry is the opposite of what it should be" if opposite else None
    got, right, tolerance = _wide(got), _wide(right), manner.tolerance(right)
    if not (np.isfinite(got).all() and np.isfinite(right).all()):
        return None
    if got.ndim == 2 and got.shape == got.T.shape and _are_close(got.T, right, tolerance).all():
        return "it is the transpose of what it should be"
    if not got.any():
        return "every entry is 0"
    return (
        _factor(got, right, tolerance, manner)
        or _offset(got, right, tolerance)
        or _other_order(got, right, tolerance)
    )


def _factor(got: np.ndarray, right: np.ndarray, tolerance: float, manner: "_Manner") -> str | None:
    """Return the sentence for a constant factor."""
    if np.iscomplexobj(got) or (np.abs(right) > tolerance).sum() < 2:
        return None
    factor = float((got * right).sum() / (right * right).sum())
    is_one = _are_close(got, factor * right, tolerance * max(abs(factor), 1e-3)).all()
    if not is_one or _show(factor) == "1":
        return None
    if _are_close(-got, right, tolerance).all():
        return "every entry has the wrong sign"
    times = f"every entry is {_show(factor)} times what it should be"
    return times + manner.mean_or_sum(factor)


def _offset(got: np.ndarray, right: np.ndarray, tolerance: float) -> str | None:
    """Return the sentence for a constant that was added or left out."""
    offset = (got - right).mean()
    if np.iscomplexobj(got) or not _are_close(got - offset, right, tolerance).all():
        return None
    return f"every entry is {_show(abs(offset))} too {'large' if offset > 0 else 'small'}"


def _other_order(got: np.ndarray, right: np.ndarray, tolerance: float) -> str | None:
    """Return the sentence for the right numbers in the wrong places."""
    if _are_close(np.sort(got, axis=None), np.sort(right, axis=None), tolerance).all():
        return "the numbers are right, their order is not"
    return None


@dataclass(frozen=True)
class _Manner:
    """How to compare: the tolerance, and what may be said."""

    rtol: float
    reveal: bool
    lengths: frozenset[int]
    patterns: bool = True

    def tolerance(self, expected: Any) -> float:
        """Return the absolute tolerance: relative to the largest finite magnitude."""
        entries = np.asarray(expected)
        sizes = np.abs(_wide(entries))
        sizes = sizes[np.isfinite(sizes)]
        tolerance = max(self.rtol * float(sizes.max(initial=0.0)), SMALLEST)
        return min(tolerance, 0.5) if entries.dtype.kind in INTEGERS else tolerance

    def at_least(self, rtol: float) -> "_Manner":
        """Return the same manner with a tolerance that fits a coarser dtype."""
        return replace(self, rtol=max(self.rtol, rtol))

    def mean_or_sum(self, factor: float) -> str:
        """Return a question if a wrong factor is a length in the inputs."""
        kinds = ("a sum in place of a mean", "a mean in place of a sum")
        for ratio, words in zip((factor, 1 / factor if factor else 0.0), kinds, strict=True):
            length = round(ratio)
            if length > 2 and length in self.lengths and abs(ratio - length) <= 1e-3 * length:
                return f"; {length} is a length in the inputs: {words}?"
        return ""


_COMPARERS: tuple[tuple[Any, Callable[[Any, Any, _Manner], str | None]], ...] = (
    (dict, _of_dicts),
    ((tuple, list), _of_sequences),
    (str, _of_texts),
    ((bool, np.bool_), _of_truths),
    ((Tensor, np.ndarray), _of_arrays),
    ((Number, np.number), _of_numbers),
)

"""What a reader means by a predicted value: 2 is also written "about 2", (2,) or tensor([2.])."""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any

import numpy as np
from torch import Tensor

NUMBER = re.compile(r"[-+−]?(?:\d+(?:[,_]\d{3})*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*%?")
LEADING = re.compile(NUMBER.pattern + r"(?:[:;,(]|\.(?!\d)| because| since)")
ROOT = re.compile(r"(?:(?:math|np|torch)\.)?(?:sqrt|√) *\(? *(\d+(?:\.\d+)?) *\)?")
FORMULA = re.compile(r"\b[a-z]\b\s*[*/^+−-]|[*/^+−-]\s*\(?\s*\b[a-z]\b", re.IGNORECASE)
WORDS = {
    **{"zero": 0, "nothing": 0, "one": 1, "once": 1, "two": 2, "twice": 2, "double": 2},
    **{"doubles": 2, "doubled": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7},
    **{"eight": 8, "nine": 9, "ten": 10, "half": 0.5, "halves": 0.5, "halved": 0.5},
}
FILLING = {"it", "is", "a", "about", "by", "times", "as", "much", "roughly", "factor", "of"}
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def _power(base: float, power: float) -> Any:
    if abs(power) > 64:
        raise ValueError("no number that fits on a page")
    return base**power


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def understood(answer: Any, expected: Any) -> Any:
    """Return an answer as the kind of value that is expected, where it can be read as such.

    Args:
        answer: what the reader wrote.
        expected: the right value: a number, bool, text, tuple or list; of others nothing is read.

    Returns:
        The value that was meant, or else the answer as it is.
    """
    for kinds, read in _READERS:
        if isinstance(expected, kinds):
            meant = read(answer)
            return answer if meant is None else meant
    return answer


def _truth(answer: Any) -> bool | None:
    if isinstance(answer, str):
        first = re.match(r"[a-z]*", answer.strip().casefold())
        return TRUTHS.get(first[0]) if first else None
    only = _only_entry(answer)
    return bool(only) if isinstance(only, bool | np.bool_) else None


def _number(answer: Any) -> Any:
    """The number in an answer: itself, the only entry of a container, or the one in a text."""
    if isinstance(answer, str):
        return _number_in(answer.strip())
    if isinstance(answer, tuple) and _are_groups_of_thousands(answer):
        return int("".join([str(answer[0]), *(f"{group:03}" for group in answer[1:])]))
    only = _only_entry(answer)
    return only if isinstance(only, Number | np.number) else None


def _only_entry(answer: Any) -> Any:
    while isinstance(answer, list | tuple) and len(answer) == 1:
        (answer,) = answer
    if isinstance(answer, Tensor | np.ndarray):
        return answer.item() if np.prod(answer.shape) == 1 else None
    return answer


def _are_groups_of_thousands(answer: tuple[Any, ...]) -> bool:
    """Whether 44,800 was typed, which Python takes for a tuple."""
    whole = all(type(part) is int for part in answer)
    return whole and len(answer) > 1 and all(100 <= part < 1000 for part in answer[1:])


def _number_in(text: str) -> Any:
    """The number at the beginning of a text, or the only one in it; sums are computed."""
    text = ROOT.sub(lambda root: f"{math.sqrt(float(root[1])):.17g}", text)
    value = _computed(text)
    if value is not None:
        return value
    numbers = NUMBER.findall(text)
    words = re.findall(r"[a-z]+", text.casefold())
    alone = len(numbers) == 1 and not any(word in WORDS for word in words)
    if LEADING.match(text) or (alone and not FORMULA.search(text)):
        return _computed(numbers[0])
    said = [word for word in words if word not in FILLING]  # "about two thousand" is not two
    return WORDS.get(said[0]) if not numbers and len(said) == 1 else None


def _computed(text: str) -> Any:
    """The value of a text that is a number or a calculation, such as "1,654" or "630 + 24"."""
    plain = re.sub(r"(?<=\d)[,_](?=\d{3}\b)", "", text.replace("−", "-").replace("·", "*"))
    percent = plain.rstrip().endswith("%")
    try:
        value = _evaluated(ast.parse(plain.rstrip(" %"), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, KeyError):
        return None
    return value / 100 if percent else value


def _evaluated(node: ast.AST) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    if isinstance(node, ast.UnaryOp):
        return OPERATORS[type(node.op)](_evaluated(node.operand))
    raise ValueError("no calculation")


def _entries(answer: Any) -> Any:
    """The entries of a shape or a row, given as an array, a torch.Size or a text."""
    if isinstance(answer, Tensor | np.ndarray):
        return tuple(answer.tolist()) if answer.ndim == 1 else None
    if isinstance(answer, str):
        return tuple(map(_computed, NUMBER.findall(answer.replace(", ", " ")))) or None
    return answer if isinstance(answer, list | tuple) else None


def _text(answer: Any) -> str | None:
    """A text, or the texts in a container one after the other; a tensor's numbers are no text."""
    if isinstance(answer, list | tuple | set | frozenset):
        parts: Iterable[Any] = sorted(answer, key=str) if isinstance(answer, set) else answer
        return " ".join("tensor" if isinstance(p, Tensor) else str(p) for p in parts)
    return answer if isinstance(answer, str) else None


_READERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((bool, np.bool_), _truth),
    ((Number, np.number), _number),
    (str, _text),
    ((tuple, list), _entries),
)

"""Our code as a reader can paste it."""

import ast
from collections.abc import Iterator
from itertools import accumulate
from typing import Any


def without_annotations(code: str) -> str:
    """Return Python code without the annotations of its functions and variables.

    A notebook does not import the names in them, so there they would be errors.
    """
    data = code.encode()
    starts = [0, *accumulate(len(line) for line in data.splitlines(keepends=True))]

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    for begin, end in sorted(_spans(ast.parse(code), data, place), reverse=True):
        data = data[:begin] + data[end:]
    return data.decode()


def _spans(tree: ast.AST, data: bytes, place: Any) -> Iterator[tuple[int, int]]:
    """Yield where in the code the annotations begin, with their colon or arrow, and end."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            begin = place(node.lineno, node.col_offset + len(node.arg.encode()))
            yield begin, _end(node.annotation, place)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _end(node.target, place), _end(node.annotation, place)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            arrow = data.rindex(b"->", 0, place(node.returns.lineno, node.returns.col_offset))
            yield len(data[:arrow].rstrip()), _end(node.returns, place)


def _end(node: Any, place: Any) -> int:
    return place(node.end_lineno, node.end_col_offset)

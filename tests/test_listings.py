"""exercises.listings: code to paste. Annotations would be NameErrors in the notebook."""

import ast

import pytest

from exercises.listings import without_annotations

CODE = '''\
def f(a: Tensor, *inputs: "Tensor", k: int = 3, **more: dict[str, Any]) -> tuple[Tensor, ...]:
    """Keep a -> b, and é: this."""
    rows: list[Tensor] = []  # kept: comments
    best: float
    def inner(
        x: Callable[[Tensor], Tensor],
        y=2,
    ) -> None:
        return x
    return lambda a: rows
'''

PLAIN = '''\
def f(a, *inputs, k = 3, **more):
    """Keep a -> b, and é: this."""
    rows = []  # kept: comments
    best: float
    def inner(
        x,
        y=2,
    ):
        return x
    return lambda a: rows
'''


def test_annotations_go_and_all_else_stays():
    assert without_annotations(CODE) == PLAIN


@pytest.mark.parametrize("code", [CODE, "class A(B):\n    def f(self) -> 'A': ...\n", "x = 1\n"])
def test_the_code_does_the_same(code):
    plain = without_annotations(code)
    assert without_annotations(plain) == plain
    names = [node.name for node in ast.walk(ast.parse(code)) if hasattr(node, "name")]
    assert [node.name for node in ast.walk(ast.parse(plain)) if hasattr(node, "name")] == names

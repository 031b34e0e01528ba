"""Pictures that move by themselves, as SVG: no kernel, no network, no script."""

from collections.abc import Sequence
from html import escape
from itertools import product
from urllib.parse import quote

from torch import Tensor

from helpers.charts import COLORS

CELL, MARGIN = 44, 22  # pixels
SECONDS, HELD = 1.6, 2  # seconds a place; how many places' time it rests at the end
TINTS = {1: "#FBE0D6", 0: "#FFFFFF", -1: "#D9E7F2"}  # red is positive, blue negative, as in grids

Point = tuple[int, int]  # x and y in pixels; y grows downwards


class Animation:
    """A picture that moves, for the end of a cell."""

    def __init__(self, svg: str, words: str) -> None:
        self.svg, self.words = svg, words

    def _repr_html_(self) -> str:
        image = quote(self.svg, safe=" =:/'(),;")
        return f'<img alt="{escape(self.words)}" src="data:image/svg+xml,{image}">'

    def __repr__(self) -> str:
        return self.words


def slide_window(x: Tensor, kernel: Tensor) -> Animation:
    """Slide a kernel over a small picture, and write out at each place what it adds up.

    Built in notebook 09. Where nothing can move, as on paper, the last place is shown.

    Args:
        x: the picture, (H, W), at most 8×8.
        kernel: (k, l), no larger than the picture.

    Raises:
        ValueError: one is no matrix, the picture is larger, or the kernel does not fit on it.
    """
    _check(x, kernel)
    windows = x.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    y = (windows * kernel).sum(dim=(2, 3))
    corners, page = _laid_out(x, kernel, y)
    places = list(product(*map(range, y.shape)))
    parts = [_grid(x, corners[0]), _grid(kernel, corners[1]), *_signs(corners, len(x))]
    for turn, (i, j) in enumerate(places):
        later = [int(t >= turn) for t in range(len(places))]
        now = [int(t == turn) for t in range(len(places))]
        answer = _cell(y[i, j].item(), _at(corners[2], i, j))
        parts += [_square(_at(corners[2], i, j)), _seen(answer, later)]
        parts.append(_seen(_sum(windows[i, j], kernel, page), now))
    parts.append(_frame(tuple(kernel.shape), [_at(corners[0], *place) for place in places]))
    parts.append(_frame((1, 1), [_at(corners[2], *place) for place in places]))
    return Animation(_svg(parts, page), _in_words(x, kernel, y))


def _check(x: Tensor, kernel: Tensor) -> None:
    fits = x.ndim == kernel.ndim == 2 and max(x.shape) <= 8 and min(kernel.shape) > 0
    if not fits or any(n < k for n, k in zip(x.shape, kernel.shape, strict=True)):
        shapes = f"{tuple(x.shape)} and {tuple(kernel.shape)}"
        raise ValueError(f"x must be a matrix of at most 8×8, kernel one that fits, got {shapes}")


def _laid_out(*grids: Tensor) -> tuple[list[Point], Point]:
    """Return the upper left corner of each grid, side by side, and the size of the page."""
    tallest = max(len(grid) for grid in grids)
    corners, left = [], MARGIN
    for grid in grids:
        corners.append((left, MARGIN + (tallest - len(grid)) * CELL // 2))
        left += (grid.shape[1] + 1) * CELL
    return corners, (left - CELL + MARGIN, (tallest + 1) * CELL + 2 * MARGIN)


def _at(corner: Point, i: int, j: int) -> Point:
    return corner[0] + j * CELL, corner[1] + i * CELL


# Pieces of SVG -----------------------------------------------------------------------------------


def _svg(parts: Sequence[str], page: Point) -> str:
    size = f'width="{page[0]}" height="{page[1]}" viewBox="0 0 {page[0]} {page[1]}"'
    font = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="17" text-anchor="middle"'
    sheet = f'<rect width="{page[0]}" height="{page[1]}" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>{sheet}{"".join(parts)}</svg>'


def _text(words: str, middle: Point, size: int = 17) -> str:
    return f'<text x="{middle[0]}" y="{middle[1] + 6}" font-size="{size}">{words}</text>'


def _square(corner: Point, fill: str = "white") -> str:
    place = f'x="{corner[0]}" y="{corner[1]}" width="{CELL}" height="{CELL}"'
    return f'<rect {place} fill="{fill}" stroke="#999999"/>'


def _cell(value: float, corner: Point) -> str:
    middle = corner[0] + CELL // 2, corner[1] + CELL // 2
    return _square(corner, TINTS[(value > 0) - (value < 0)]) + _text(_number(value), middle)


def _grid(grid: Tensor, corner: Point) -> str:
    places = product(*map(range, grid.shape))
    return "".join(_cell(grid[i, j].item(), _at(corner, i, j)) for i, j in places)


def _signs(corners: Sequence[Point], rows: int) -> list[str]:
    middle = MARGIN + rows * CELL // 2
    signs = zip("⋆=", corners[1:], strict=True)
    return [_text(sign, (left - CELL // 2, middle), 24) for sign, (left, _) in signs]


def _sum(window: Tensor, kernel: Tensor, page: Point) -> str:
    """Write out a sum of products below the grids."""
    pairs = zip(window.flatten().tolist(), kernel.flatten().tolist(), strict=True)
    products = [f"{_factor(a)}·{_factor(b)}" for a, b in pairs]
    words = f"{' + '.join(products)} = {_number((window * kernel).sum().item())}"
    return _text(words, (page[0] // 2, page[1] - MARGIN - CELL // 4), 16)


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _factor(value: float) -> str:
    return f"({_number(value)})" if value < 0 else _number(value)


def _seen(part: str, turns: Sequence[int]) -> str:
    """Let a part be seen at the turns that say 1; where nothing moves, the last one counts."""
    return f'<g opacity="{turns[-1]}">{part}{_moving("opacity", turns)}</g>'


def _frame(cells: tuple[int, ...], corners: Sequence[Point]) -> str:
    """Frame rows and columns of cells, at one corner after the other."""
    xs, ys = zip(*corners, strict=True)
    size = f'width="{cells[1] * CELL}" height="{cells[0] * CELL}"'
    look = f'fill="none" stroke="{COLORS[4]}" stroke-width="5" x="{xs[-1]}" y="{ys[-1]}"'
    return f"<rect {size} {look}>{_moving('x', xs)}{_moving('y', ys)}</rect>"


def _moving(attribute: str, turns: Sequence[int]) -> str:
    values = [*turns, *[turns[-1]] * HELD]
    time = f'dur="{SECONDS * len(values):g}s" calcMode="discrete" repeatCount="indefinite"'
    return f'<animate attributeName="{attribute}" values="{";".join(map(str, values))}" {time}/>'


def _in_words(x: Tensor, kernel: Tensor, y: Tensor) -> str:
    sizes = [f"{len(grid)}×{grid.shape[1]}" for grid in (x, kernel, y)]
    return (
        f"A window of {sizes[1]} slides over a picture of {sizes[0]}, row by row from the left. "
        f"At each of {y.numel()} places the numbers under it are multiplied by the kernel's and "
        f"added up; the sum is written into a grid of {sizes[2]}."
    )

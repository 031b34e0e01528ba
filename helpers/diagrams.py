"""Diagrams of ideas: how tensors broadcast, what a convolution's window sees, matrices as grids."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.charts import COLORS, DASHES

Size = tuple[int, int]  # rows and columns, or the row and the column of one cell
Point = tuple[float, float]  # x and y, in cells; y grows downwards


def draw_broadcast(a: Tensor, b: Tensor, *, title: str) -> Axes:
    """Draw a + b as grids of cells: numbers that are stored in colour, their copies pale.

    Built in notebook 01. Broadcasting acts as if each tensor were copied along the axes where it
    has size 1 or which it lacks; the pale cells are these copies, which no memory holds.

    Args:
        a: a tensor of at most two axes.
        b: another, whose shape fits a's.
        title: the picture's title.

    Returns:
        The Axes with the three grids, each with its name and its own shape below.

    Raises:
        ValueError: a tensor has more than two axes, the shapes do not broadcast, or the sum has
            more than 6×6 cells or none.
    """
    size = _broadcast_size(a, b)
    tensors = {f"{name}\n{tuple(t.shape)}": t for name, t in (("a", a), ("b", b), ("a + b", a + b))}
    ax, corners, cell = _side_by_side(dict.fromkeys(tensors, size), "+=", 3, title)
    for tensor, color, corner in zip(tensors.values(), COLORS, corners, strict=False):
        _draw_copies(ax, tensor.detach().cpu(), size, corner, cell, color)
    return ax


def show_grids(
    grids: Mapping[str, Tensor], *, title: str, signs: str = "", columns: int = 8
) -> Axes:
    """Show matrices beside each other, coloured by value, the small ones with their numbers.

    Built in notebook 09. Positive numbers are orange and negative ones purple, the deeper the
    larger; each grid has a scale of its own. Up to 8×8, the numbers stand in the cells.

    Args:
        grids: from a name, written below, to a matrix.
        title: the picture's title.
        signs: one character for each gap between neighbours, such as "+=".
        columns: how many grids stand side by side.

    Raises:
        ValueError: there is no grid, or one is not a matrix or is empty, or the signs are not
            one fewer than the grids.
    """
    sizes = {name: tuple(grid.shape) for name, grid in grids.items()}
    if not grids or any(len(size) != 2 or 0 in size for size in sizes.values()):
        raise ValueError(f"grids must hold at least one matrix with entries, got shapes {sizes}")
    if signs and len(signs) != len(grids) - 1:
        raise ValueError(f"signs must be one fewer than the {len(grids)} grids, got {signs!r}")
    ax, corners, cell = _side_by_side(sizes, signs, columns, title)
    for grid, corner in zip(grids.values(), corners, strict=True):
        _draw_grid(ax, grid.detach().cpu().double().numpy(), corner, cell)
    return ax


def draw_windows(
    size: int,
    kernel: int,
    *,
    title: str,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    cells: Sequence[Size] | None = None,
) -> Axes:
    """Draw which input cells feed an output cell of a convolution, for a few output cells.

    Built in notebook 09. Each window is a frame and a dot in each cell that it reads, in the
    colour of its output cell. Padding is dotted.

    Args:
        size: rows and columns of the input.
        kernel: rows and columns of the kernel.
        title: the picture's title.
        stride: the step from one window to the next.
        padding: the cells added on each side.
        dilation: the step from one cell of a window to the next.
        cells: up to three output cells, (row, column); the first, its neighbour and the last
            if None.

    Returns:
        The Axes with the input and the output side by side.

    Raises:
        ValueError: the kernel does not fit on the input, or a cell lies outside the output.
    """
    span = dilation * (kernel - 1) + 1
    if size + 2 * padding < span:
        raise ValueError(f"a kernel that spans {span} must fit on {size} + 2 * {padding} cells")
    out = (size + 2 * padding - span) // stride + 1
    chosen = _cells_to_show(out, cells)
    gap = size + padding + 1.5  # where the output begins
    first, right = -padding - 0.2, gap + max(out, 2.5) + 0.2
    ax, _ = _canvas((first, right), (first, size + padding + 1.1), title)
    _draw_input(ax, size, padding)
    for number, (row, column) in enumerate(chosen):
        corner = column * stride - padding, row * stride - padding
        _draw_window(ax, corner, span, dilation, number)
    inks = dict(zip(chosen, COLORS, strict=False))
    for row, column in np.ndindex(out, out):
        place = gap + column, (size - out) / 2 + row
        _draw_cell(ax, *place, inks.get((row, column), "white"))
    words = f"input {size}×{size}" + (f", padding {padding}" if padding else "")
    for middle, text in (size / 2, words), (gap + out / 2, f"output {out}×{out}"):
        ax.text(middle, size + padding + 0.3, text, ha="center", va="top", fontsize=9)
    return ax


def draw_channels(
    in_channels: int, out_channels: int, groups: Sequence[int], *, title: str
) -> Axes:
    """Draw which input channels an output channel listens to, once for each number of groups.

    Built in notebook 09. A line is one kernel; the colours are the groups.

    Args:
        in_channels: how many channels come in.
        out_channels: how many go out.
        groups: the numbers of groups, one panel each.
        title: the picture's title.

    Raises:
        ValueError: there is no number of groups, or one does not divide both channels.
    """
    if not groups or any(n < 1 or in_channels % n or out_channels % n for n in groups):
        raise ValueError(f"groups must divide {in_channels} and {out_channels}, got {groups}")
    tallest = max(in_channels, out_channels)
    ax, _ = _canvas((-0.2, 4.2 * len(groups) - 1), (-0.2, tallest + 1.1), title)
    for panel, count in enumerate(groups):
        left = 4.2 * panel
        _draw_kernels(ax, left, (in_channels, out_channels), count)
        kernels = in_channels * out_channels // count
        words = f"{count} group{'s' * (count > 1)}\n{kernels} kernels"
        ax.text(left + 1.5, tallest + 0.1, words, ha="center", va="top", fontsize=9)
    return ax


# What they share ---------------------------------------------------------------------------------


def _canvas(across: Point, down: Point, title: str) -> tuple[Axes, float]:
    """Make bare Axes with these limits; return them and the size of a cell in inches."""
    (left, right), (top, bottom) = across, down
    cell = min(0.45, 7.0 / (right - left))
    size = (right - left) * cell, (bottom - top) * cell + 0.4
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=across, ylim=(bottom, top), title=title, aspect="equal")
    ax.axis("off")
    return ax, cell


def _side_by_side(
    sizes: Mapping[str, tuple[int, ...]], signs: str, columns: int, title: str
) -> tuple[Axes, list[Point], float]:
    """Make room for grids, with names below and signs between them.

    Returns:
        The Axes, the upper left corner of each grid, and the size of a cell in inches.
    """
    unit = max(1.0, max(map(max, sizes.values())) / 6)  # the gaps grow with the grids
    wide = [max(cols, 0.18 * max(map(len, name.split("\n")))) for name, (_, cols) in sizes.items()]
    tall = [rows for rows, _ in sizes.values()]
    columns = min(columns, len(sizes))
    widths = 1.5 * unit + np.array([max(wide[k::columns]) for k in range(columns)])
    heights = 1.6 * unit + np.array([max(tall[k:][:columns]) for k in range(0, len(tall), columns)])
    xs, ys = np.cumsum(widths) - widths / 2, np.cumsum(heights) - heights / 2
    across = 0.65 * unit, widths.sum() - 0.65 * unit
    ax, cell = _canvas(across, (0.7 * unit, heights.sum() + 0.3 * unit), title)
    corners = []
    for k, (name, (rows, cols)) in enumerate(sizes.items()):
        x, y, gap = xs[k % columns], ys[k // columns], widths[k % columns] / 2
        corners.append((x - cols / 2, y - rows / 2))
        ax.text(x, y + rows / 2 + 0.15 * unit, name, ha="center", va="top", fontsize=9)
        if sign := signs[k : k + 1]:
            size = 20 if sign == "⋆" else 13
            ax.text(x + gap, y, sign, ha="center", va="center", fontsize=size)
    return ax, corners, cell


def _draw_cell(ax: Axes, x: float, y: float, color: str, dash: str = "-") -> None:
    patch = Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, linestyle=dash, linewidth=0.8)
    ax.add_patch(patch).set(facecolor=color, edgecolor="#888888")


def _write(ax: Axes, x: float, y: float, text: str, cell: float, color: str = "black") -> None:
    """Write a number into the cell whose corner this is, smaller if it is long."""
    size = 22 * cell * min(1, 3.6 / len(text))
    ax.text(x + 0.5, y + 0.53, text, ha="center", va="center", fontsize=size, color=color)


# What each of them draws -------------------------------------------------------------------------


def _broadcast_size(a: Tensor, b: Tensor) -> Size:
    """Return the rows and columns of a + b; complain where it cannot be made or drawn."""
    try:
        shape = torch.broadcast_shapes((1, 1), a.shape, b.shape)
    except RuntimeError:
        shape = torch.Size()
    if len(shape) != 2 or not 1 <= min(shape) <= max(shape) <= 6:
        raise ValueError(
            "a and b must have at most two axes, of sizes that are equal or 1 seen from the right, "
            f"and at most 6 rows and columns, got shapes {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return shape[0], shape[1]


def _draw_copies(
    ax: Axes, tensor: Tensor, size: Size, corner: Point, cell: float, color: str
) -> None:
    """Draw a tensor stretched to this size, its copied cells pale."""
    rows, columns = (1, 1, *tensor.shape)[-2:]
    values = tensor.expand(size)
    for row, column in np.ndindex(size):
        x, y, stored = corner[0] + column, corner[1] + row, row < rows and column < columns
        _draw_cell(ax, x, y, *((color, "-") if stored else ("white", ":")))
        text, ink = f"{values[row, column].item():.4g}", "white" if stored else "#666666"
        _write(ax, x, y, text, cell, ink)


def _draw_grid(ax: Axes, values: np.ndarray, corner: Point, cell: float) -> None:
    """Draw one matrix; its numbers as well if it is small."""
    (left, top), (rows, columns) = corner, values.shape
    small = max(rows, columns) <= 8
    bound = (2.0 if small else 1.2) * float(np.abs(values).max()) or 1.0  # pale under letters
    edges = np.arange(columns + 1) + left, np.arange(rows + 1) + top
    mesh = ax.pcolormesh(*edges, values, cmap="PuOr_r", vmin=-bound, vmax=bound)
    mesh.set(edgecolor="#b0b0b0" if small else "face", linewidth=0.6 if small else 0)
    frame = Rectangle(corner, columns, rows, fill=False, edgecolor="#888888", linewidth=0.8)
    ax.add_patch(frame)
    for row, column in np.ndindex(values.shape) if small else ():
        text = f"{values[row, column] + 0.0:.3g}".replace("-", "−")
        _write(ax, left + column, top + row, text, cell)


def _cells_to_show(out: int, cells: Sequence[Size] | None) -> list[Size]:
    """Return the output cells whose windows are drawn; complain if there are too many or none."""
    usual = dict.fromkeys([(0, 0), (0, min(1, out - 1)), (out - 1, out - 1)])
    chosen = list(usual if cells is None else cells)
    inside = all(0 <= row < out and 0 <= col < out for row, col in chosen)
    if not inside or not 1 <= len(chosen) <= 3:
        raise ValueError(f"cells must be one to three of the {out}×{out} output, got {chosen}")
    return chosen


def _draw_input(ax: Axes, size: int, padding: int) -> None:
    """Draw the input, and around it the padding, which holds zeros."""
    for row, column in np.ndindex(size + 2 * padding, size + 2 * padding):
        x, y = column - padding, row - padding
        inside = 0 <= x < size and 0 <= y < size
        _draw_cell(ax, x, y, *(("#e9edf2", "-") if inside else ("white", ":")))
        if not inside:
            ax.text(x + 0.82, y + 0.22, "0", ha="center", va="center", fontsize=6, color="#666666")


def _draw_window(ax: Axes, corner: Point, span: int, dilation: int, number: int) -> None:
    """Frame one window and put a dot into each cell that it reads."""
    left, top = corner
    inset, shift = 0.05 + 0.05 * number, 0.2 * (number - 1)
    side = span - 2 * inset
    frame = Rectangle((left + inset, top + inset), side, side, fill=False, linewidth=2)
    frame.set(edgecolor=COLORS[number], linestyle=DASHES[number])
    ax.add_patch(frame)
    steps = np.arange(0, span, dilation) + 0.5 + shift
    columns, rows = np.meshgrid(left + steps, top + steps)
    ax.plot(columns.ravel(), rows.ravel(), "o", color=COLORS[number], markersize=4)


def _draw_kernels(ax: Axes, left: float, channels: Size, groups: int) -> None:
    """Draw the channels that come in and those that go out, and a line for each kernel."""
    for x, count in zip((left, left + 2.2), channels, strict=True):
        for k in range(count):
            color = COLORS[k * groups // count % len(COLORS)]
            ax.add_patch(Rectangle((x, k), 0.8, 0.8, color=color))
    for k, row in np.ndindex(channels):
        group = k * groups // channels[0]
        if group == row * groups // channels[1]:
            line = [left + 0.8, left + 2.2], [k + 0.4, row + 0.4]
            ax.plot(*line, color=COLORS[group % len(COLORS)], lw=1.5)

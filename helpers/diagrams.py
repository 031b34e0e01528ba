"""Diagrams of ideas: what a tensor is and does, what a window sees, what bits are for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from torch import Tensor, nn

from helpers.charts import COLORS, DASHES

# In diagrams of tensors: blue meets sky blue, and what they make is purple. Vermilion is left to
# gradients and green to what is learned, as in the charts.
FIRST, SECOND, MADE = COLORS[0], COLORS[5], COLORS[3]
GRADIENT, PALE_GRADIENT = COLORS[1], "#F7D9C4"
SIGNS = {"+": torch.add, "−": torch.sub}
WINDOWS = COLORS[0], COLORS[4], COLORS[3]  # blue, amber, purple: which window is which
GROUPS = *WINDOWS, COLORS[5]  # and sky blue, for the channels of a group
FIELDS = {"sign": COLORS[6], "exponent": COLORS[4], "fraction": COLORS[5]}
LIFE = {  # what a part of a model does in a training step, or what is kept of it
    "forward": COLORS[0],
    "forward again": COLORS[5],
    "backward": COLORS[1],
    "all of it, kept": "0.75",
    "its input alone, kept": "0.55",
}

LAYERS = {  # what stands above a stack in a picture of a network; {} is the side of the window
    nn.Conv2d: "{0}×{0}\nconvolution",
    nn.AvgPool2d: "{0}×{0}\nmean",
    nn.MaxPool2d: "{0}×{0}\nmaximum",
    nn.AdaptiveMaxPool2d: "largest\nof each",
    nn.Flatten: "flat",
    nn.Linear: "linear",
}
ON_TOP: dict[type[nn.Module], str] = {nn.BatchNorm2d: "batch norm"}  # others: the class's name

LEARNING: dict[str, Any] = {  # a box in a picture of what trains
    "learns": {"facecolor": "#DDF1EA", "edgecolor": COLORS[2]},
    "frozen": {"facecolor": "#D4D4D4", "edgecolor": "0.5", "hatch": "///"},
}

TILES: dict[str, Any] = {  # a box in a picture of modules, by what it stands for
    "module": {"facecolor": (0.0, 0.45, 0.7, 0.07), "edgecolor": COLORS[0]},
    "short": {"facecolor": "#FCEFD3", "edgecolor": COLORS[4]},
    "parameter": {"facecolor": "#DDF1EA", "edgecolor": COLORS[2]},
    "buffer": {"facecolor": "#E4E4E4", "edgecolor": "0.5"},
    "not registered": {"facecolor": "white", "edgecolor": "0.4", "linestyle": ":"},
}
RIGHT: Any = {"ha": "right", "va": "center", "fontsize": 8}
TILE_FONT = FontProperties(family="DejaVu Sans", size=8)
WORDS, SPACE, PAGE = 0.22, 0.09, 7.0  # inches: a line of words, a gap, the whole picture

Size = tuple[int, int]  # rows and columns, or the row and the column of one cell
Point = tuple[float, float]  # x and y, in cells; y grows downwards
Span = tuple[str, float, float]  # what happens, when it begins and when it ends
LANES = [COLORS[5], "0.85", COLORS[0], "0.65"]  # for what happens in time, in this order


def draw_zoom(photo: Tensor, corner: Size, size: Size, *, title: str) -> np.ndarray:
    """Show a photograph, and beside it a few of its dots with the numbers that they are.

    Built in notebook 01. The three numbers in a dot are its red, its green and its blue.

    Args:
        photo: (height, width, 3), uint8.
        corner: row and column of the first dot that is shown enlarged.
        size: how many rows and columns of dots are enlarged.
        title: the picture's title.

    Returns:
        The two Axes, (2,).

    Raises:
        ValueError: the photo has another shape, or the part is empty or not within it.
    """
    (top, left), (rows, columns) = corner, size
    part = _rgb({"photo": photo})["photo"][top : top + rows, left : left + columns]
    if min(corner) < 0 or part.shape != (rows, columns, 3) or part.size == 0:
        inside = f"must lie in a photo of {tuple(photo.shape[:2])}"
        raise ValueError(f"corner and size {inside}, got {corner} and {size}")
    figure, axes = plt.subplots(1, 2, figsize=(6.8, 3.6), layout="constrained")
    figure.suptitle(title)
    axes[0].imshow(photo.cpu().numpy())
    frame = Rectangle((left - 0.5, top - 0.5), columns, rows, fill=False, edgecolor="white", lw=2)
    axes[0].add_patch(frame)
    axes[1].imshow(part, extent=(left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5))
    for row, column in np.ndindex(rows, columns):
        ink = "black" if part[row, column].mean() > 110 else "white"
        text = "\n".join(map(str, part[row, column]))
        look: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": ink}
        axes[1].text(left + column, top + row, text, **look)
    for ax in axes:
        ax.set(xlabel="column", ylabel="row")
    return axes


def show_photos(photos: Mapping[str, Tensor], *, title: str) -> np.ndarray:
    """Show photographs beside each other, each with its name above.

    Built in notebook 01.

    Args:
        photos: from a name to (height, width, 3), uint8.
        title: the picture's title.

    Returns:
        The Axes, one a photograph, (N,).

    Raises:
        ValueError: there is no photograph, or one has another shape or kind of number.
    """
    pixels = _rgb(photos)
    figsize = 2.3 * len(pixels), 2.9
    figure, axes = plt.subplots(
        1, len(pixels), figsize=figsize, layout="constrained", squeeze=False
    )
    figure.suptitle(title)
    for ax, (name, picture) in zip(axes[0], pixels.items(), strict=True):
        ax.imshow(picture)
        ax.set_title(name, fontsize=9)
        ax.axis("off")
    return axes[0]


def draw_product(
    a: Tensor, b: Tensor, entry: Size, *, title: str, names: tuple[str, str] = ("a", "b")
) -> Axes:
    """Draw which row of a and which column of b make one entry of a @ b, and how.

    Built in notebook 01. The row is blue, the column sky blue, the entry purple; the sum below
    spells out how it is made.

    Args:
        a: (n, m).
        b: (m, p).
        entry: the row and the column of a @ b that is shown.
        title: the picture's title.
        names: what a and b are called.

    Raises:
        ValueError: a and b are no matrices that fit, or the entry lies outside.
    """
    _check_product(a, b, entry)
    (rows, inner), columns, (row, column) = a.shape, b.shape[1], entry
    ax, cell = _canvas((-0.2, inner + columns + 1.2), (-0.8, inner + rows + 2.3), title)
    right, below = inner + 1.0, inner + 1.0
    _draw_some(ax, a, (0, below), cell, {(row, k): FIRST for k in range(inner)})
    _draw_some(ax, b, (right, 0), cell, {(k, column): SECOND for k in range(inner)})
    product = torch.full((rows, columns), torch.nan)
    product[entry] = (a[row] * b[:, column]).sum()
    _draw_some(ax, product, (right, below), cell, {entry: MADE})
    both = f"{names[0]} @ {names[1]}"
    _name(ax, inner / 2, below - 0.4, names[0], a.shape)
    _name(ax, right + columns / 2, -0.4, names[1], b.shape)
    _name(ax, right + columns / 2, below - 0.4, both, (rows, columns))
    terms = [
        f"{p:.4g}·{q:.4g}" for p, q in zip(a[row].tolist(), b[:, column].tolist(), strict=True)
    ]
    words = f"{' + '.join(terms)} = {product[entry].item():.4g}"
    ax.text((right + columns) / 2, below + rows + 0.75, words, ha="center", va="center")
    return ax


def draw_samples(samples: Mapping[str, Tensor], *, title: str) -> np.ndarray:
    """Draw how often random numbers fell where, one panel for each way to draw them.

    Built in notebook 01.

    Args:
        samples: from a name to numbers.
        title: the picture's title.

    Returns:
        The Axes, one a panel, (N,).
    """
    figure, axes = plt.subplots(
        1,
        len(samples),
        figsize=(6.8, 2.3),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    figure.suptitle(title)
    largest = max(float(numbers.abs().max()) for numbers in samples.values())
    edges = np.arange(-np.ceil(largest), np.ceil(largest) + 0.25, 0.25)
    for ax, (name, numbers) in zip(axes[0], samples.items(), strict=True):
        ax.hist(numbers.flatten().numpy(), bins=edges, color=COLORS[0])
        ax.set(xlabel=f"a number from {name}", ylabel=f"how many of {numbers.numel():,}")
        ax.spines[["top", "right"]].set_visible(False)
    return axes[0]


def draw_picks(table: Tensor, picks: Mapping[str, Tensor], *, title: str) -> Axes:
    """Draw a table once for each piece of it, with the piece in purple and its shape below.

    Built in notebook 01.

    Args:
        table: a tensor of two axes.
        picks: from the way in which a piece is written to the piece, a view of the table.
        title: the picture's title.

    Raises:
        ValueError: the table has other than two axes, or a piece is no view of it.
    """
    if table.ndim != 2:
        raise ValueError(f"table must have two axes, got shape {tuple(table.shape)}")
    _check_views(table, picks)
    names = {f"{name}\n{tuple(pick.shape)}": pick for name, pick in picks.items()}
    sizes = dict.fromkeys(names, tuple(table.shape))
    ax, corners, cell = _side_by_side(sizes, "", len(picks), title)
    for pick, corner in zip(names.values(), corners, strict=True):
        reached = set(_addresses(pick).flatten().tolist())
        places = _addresses(table)
        chosen = {e: MADE for e in np.ndindex(*table.shape) if int(places[e]) in reached}
        _draw_some(ax, table, corner, cell, chosen)
    return ax


def draw_means(table: Tensor, *, title: str) -> Axes:
    """Draw a table between its means along axis 0, below, and those along axis 1, at the right.

    Built in notebook 01. The table is blue, its means are purple.

    Args:
        table: a floating-point tensor of two axes.
        title: the picture's title.

    Raises:
        ValueError: the table has other than two axes.
    """
    if table.ndim != 2:
        raise ValueError(f"table must have two axes, got shape {tuple(table.shape)}")
    rows, columns = table.shape
    ax, cell = _canvas((-0.2, columns + 6.4), (-0.3, rows + 2.4), title)
    _draw_copies(ax, table, (rows, columns), (0, 0), cell, FIRST)
    _draw_copies(ax, table.mean(dim=0), (1, columns), (0, rows + 1.2), cell, MADE)
    _draw_copies(ax, table.mean(dim=1)[:, None], (rows, 1), (columns + 1.2, 0), cell, MADE)
    for column in range(columns):
        _arrow(ax, (column + 0.5, rows + 0.1), (column + 0.5, rows + 1.1))
    for row in range(rows):
        _arrow(ax, (columns + 0.1, row + 0.5), (columns + 1.1, row + 0.5))
    for x, y, dim, size in (
        (columns + 0.3, rows + 1.7, 0, columns),
        (columns + 2.5, rows / 2, 1, rows),
    ):
        ax.text(x, y, f"mean(dim={dim}), shape ({size},)", ha="left", va="center", fontsize=9)
    return ax


def draw_memory(tensors: Mapping[str, Tensor], *, title: str) -> Axes:
    """Draw the one line of memory behind several tensors, and how each of them reads it.

    Built in notebook 01. The small number in a cell is its address, counted from the line's
    beginning. The rows of the first tensor are blue and sky blue by turns.

    Args:
        tensors: from a name to a tensor of two axes; all are views of the first.
        title: the picture's title.

    Raises:
        ValueError: there is no tensor, one has other than two axes, or they share no memory.
    """
    if not tensors or any(tensor.ndim != 2 for tensor in tensors.values()):
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise ValueError(f"tensors must hold at least one, each of two axes, got {shapes}")
    first = next(iter(tensors.values()))
    _check_views(first, tensors)
    row_of = {int(a): row for row, line in enumerate(_addresses(first)) for a in line}
    line = first.as_strided((1, len(row_of)), (1, 1), first.storage_offset())
    rooms = [max(tensor.shape[1], 3.4) + 1.4 for tensor in tensors.values()]
    wide, tall = sum(rooms), max(len(tensor) for tensor in tensors.values())
    ax, cell = _canvas((0, wide), (-0.7, tall + 3.7), title)
    ax.text(wide / 2, -0.15, "in memory", ha="center", va="bottom", fontsize=9)
    _draw_addressed(ax, line, ((wide - len(row_of)) / 2, 0), cell, row_of)
    middles = np.cumsum(rooms) - np.array(rooms) / 2
    for (name, tensor), middle in zip(tensors.items(), middles, strict=True):
        _draw_addressed(ax, tensor, (middle - tensor.shape[1] / 2, 1.9), cell, row_of)
        words = _strides_in_words(name, tensor)
        ax.text(middle, tall + 2.05, words, ha="center", va="top", fontsize=9)
    return ax


def draw_broadcast(
    a: Tensor,
    b: Tensor,
    *,
    title: str,
    sign: str = "+",
    names: tuple[str, str] = ("a", "b"),
) -> Axes:
    """Draw a + b as grids of cells: numbers that are stored in colour, their copies pale.

    Built in notebook 01. Broadcasting acts as if each tensor were copied along the axes where it
    has size 1 or which it lacks; the pale cells are these copies, which no memory holds.

    Args:
        a: a tensor of at most two axes.
        b: another, whose shape fits a's.
        title: the picture's title.
        sign: "+", or "−" for a − b.
        names: what a and b are called.

    Returns:
        The Axes with the three grids, each with its name and its own shape below.

    Raises:
        ValueError: a tensor has more than two axes, the shapes do not broadcast, the sum has
            more than 6×6 cells or none, or the sign is another.
    """
    size = _broadcast_size(a, b)
    if sign not in SIGNS:
        raise ValueError(f"sign must be one of {list(SIGNS)}, got {sign!r}")
    result = SIGNS[sign](a, b)
    all_names = *names, f"{names[0]} {sign} {names[1]}"
    tensors = {f"{n}\n{tuple(t.shape)}": t for n, t in zip(all_names, (a, b, result), strict=True)}
    ax, corners, cell = _side_by_side(dict.fromkeys(tensors, size), f"{sign}=", 3, title)
    for tensor, color, corner in zip(tensors.values(), (FIRST, SECOND, MADE), corners, strict=True):
        _draw_copies(ax, tensor.detach().cpu(), size, corner, cell, color)
    return ax


def show_grids(
    grids: Mapping[str, Tensor],
    *,
    title: str,
    signs: str = "",
    columns: int = 8,
    zeros: bool = True,
    lines: bool = False,
    numbers: int = 8,
) -> Axes:
    """Show matrices beside each other, coloured by value, the small ones with their numbers.

    Built in notebook 09. Positive numbers are red and negative ones blue, the deeper the larger;
    each grid has a scale of its own.

    Args:
        grids: from a name, written below, to a matrix.
        title: the picture's title.
        signs: one character for each gap between neighbours, such as "+=".
        columns: how many grids stand side by side.
        zeros: whether a zero is written too.
        lines: whether the cells of large grids are set apart, and those that are not zero are
            framed together, so that they can be counted.
        numbers: up to how many rows and columns the numbers stand in the cells.

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
        values = grid.detach().cpu().double().numpy()
        small = max(values.shape) <= numbers
        _draw_grid(ax, values, corner, lines=small or lines, pale=small)
        for row, column in np.argwhere((values != 0) | zeros) if small else ():
            number = f"{values[row, column] + 0.0:.3g}"
            _write(ax, corner[0] + column, corner[1] + row, number, cell)
        if lines:
            _frame_what_counts(ax, values, corner)
    return ax


def show_maps(
    maps: Mapping[str, Tensor], *, title: str, window: tuple[Size, Size] | None = None
) -> np.ndarray:
    """Show a photograph and what windows made of it, each with its name above.

    Built in notebook 09. What has a negative number is shown in red (positive) and blue
    (negative), on one scale for all; what has none, in grey from 0 to 1, or in its colours.

    Args:
        maps: from a name to a matrix, or to a photograph in colour, (H, W, 3).
        title: the picture's title.
        window: a corner (row and column) and a size (rows and columns) to frame in the first map,
            with a ring around it; in the others a ring marks where its sum stands.

    Returns:
        The Axes, one a map, (N,).

    Raises:
        ValueError: there is no map, or one is not a matrix or is empty.
    """
    if not maps or not all(_is_a_map(m) for m in maps.values()):
        shapes = {name: tuple(m.shape) for name, m in maps.items()}
        raise ValueError(f"maps must hold at least one matrix with entries, got shapes {shapes}")
    values = [m.detach().cpu().double().numpy() for m in maps.values()]
    bound = 0.7 * max((np.abs(v).max() for v in values if v.min() < 0), default=1.0)
    size = min(2.4 * len(values), 7.0)
    tall = max(v.shape[0] / v.shape[1] for v in values) * size / len(values)
    figure, grid = plt.subplots(
        1, len(values), figsize=(size, tall + 0.7), layout="constrained", squeeze=False
    )
    figure.suptitle(title)
    for ax, name, v in zip(grid[0], maps, values, strict=True):
        signed: Any = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
        ax.imshow(v, **(signed if v.min() < 0 else {"cmap": "gray", "vmin": 0, "vmax": 1}))
        ax.set_title(name, fontsize=9)
        ax.set(xticks=[], yticks=[])
    if window is not None:
        _frame_window(grid[0], *window)
    return grid[0]


def draw_places(size: int, kernel: int, *, title: str) -> Axes:
    """Draw a column of cells, each place where a window can stand on it, and the column of sums.

    Built in notebook 10, in the colours of `draw_windows`.

    Args:
        size: how many rows the column has.
        kernel: how many the window has.
        title: the picture's title.

    Raises:
        ValueError: the window has no place, or more than the three that can be told apart.
    """
    out = size - kernel + 1
    if not 1 <= out <= len(WINDOWS) or kernel < 1:
        raise ValueError(f"a window of {kernel} must have one to three places on {size} rows")
    last = 3.5 + 1.2 * out  # where the sums stand
    ax, _ = _canvas((-0.5, last + 1.5), (-0.2, size + 0.7), title)
    for row in range(size):
        _draw_cell(ax, 0, row, "#e9edf2")
    for place, ink in enumerate(WINDOWS[:out]):
        left = 2.5 + 1.2 * place
        ax.add_patch(Rectangle((left, place + 0.1), 0.6, kernel - 0.2, color=ink))
        _draw_cell(ax, last, place + (size - out) / 2, ink)
    places = f"{out} place{'s' * (out > 1)}"
    words = {0.5: f"{size} rows", 2.2 + 0.6 * out: places, last + 0.5: f"{out} sums"}
    for middle, text in words.items():
        ax.text(middle, size + 0.3, text, ha="center", va="top", fontsize=9)
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

    Built in notebook 10. Each window is a frame and a dot in each cell that it reads, in the
    colour of its output cell; a cell that several windows read has a dot within a dot. Padding is
    dotted, and what no window of the whole output reads is hatched.

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
    ax, _ = _canvas((first, right), (first, size + padding + 0.7), title)
    read = {i * stride + j * dilation - padding for i in range(out) for j in range(kernel)}
    _draw_input(ax, size, padding, read)
    for number, (row, column) in enumerate(chosen):
        corner = column * stride - padding, row * stride - padding
        _draw_window(ax, corner, (span, span), dilation, number)
    inks = dict(zip(chosen, WINDOWS, strict=False))
    for row, column in np.ndindex(out, out):
        _draw_cell(ax, gap + column, (size - out) / 2 + row, inks.get((row, column), "white"))
    words = f"input {size}×{size}" + (f", padding {padding}" if padding else "")
    for middle, text in (size / 2, words), (gap + out / 2, f"output {out}×{out}"):
        ax.text(middle, size + padding + 0.3, text, ha="center", va="top", fontsize=9)
    return ax


def draw_channels(
    in_channels: int, out_channels: int, groups: Sequence[int], *, title: str
) -> Axes:
    """Draw which input channels an output channel listens to, once for each number of groups.

    Built in notebook 10. A line is one slice of a kernel; the colours are the groups.

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
    ax, _ = _canvas((-0.2, 4.2 * len(groups) - 1), (-0.2, tallest + 0.85), title)
    for panel, count in enumerate(groups):
        left = 4.2 * panel
        _draw_slices(ax, left, (in_channels, out_channels), count)
        slices = in_channels * out_channels // count
        words = f"{count} group{'s' * (count > 1)}\n{slices} slices"
        ax.text(left + 1.5, tallest + 0.1, words, ha="center", va="top", fontsize=9)
    return ax


def draw_kernels(channels: Sequence[str], maps: Sequence[str], *, title: str) -> Axes:
    """Draw a line for each slice of a layer's kernels, those of the first kernel in colour.

    Built in notebook 09.

    Args:
        channels: the names of what comes in.
        maps: the names of what goes out, one for each kernel.
        title: the picture's title.

    Raises:
        ValueError: nothing comes in, or nothing goes out.
    """
    if not channels or not maps:
        raise ValueError(f"channels and maps must have names, got {channels} and {maps}")
    tallest = max(len(channels), len(maps))
    ax, _ = _canvas((-1.6, 5.6), (-0.2, tallest + 0.9), title, 0.75)
    starts = _draw_named(ax, channels, (0.0, (tallest - len(channels)) / 2), "right", 0)
    ends = _draw_named(ax, maps, (3.2, (tallest - len(maps)) / 2), "left", 1)
    for start, (row, end) in product(starts, enumerate(ends)):
        look: Any = {"lw": 1.2, "color": "0.7"} if row else {"lw": 2.5, "color": WINDOWS[0]}
        ax.plot([0.8, 3.2], [start, end], zorder=1 if row else 2, **look)
    words = f"these {len(channels)} slices\nare one kernel"
    ax.text(0.9, -0.1, words, ha="left", va="top", fontsize=9, color=WINDOWS[0])
    words = f"{len(channels) * len(maps)} slices"
    ax.text(2.0, tallest + 0.2, words, ha="center", va="top", fontsize=10)
    return ax


def _draw_named(
    ax: Axes, names: Sequence[str], corner: Point, align: str, blue: int
) -> list[float]:
    """Draw boxes below each other, so many of them blue, and their names; return their middles."""
    x, middles = corner[0] + (1.0 if align == "left" else -0.2), []
    for row, name in enumerate(names):
        color = WINDOWS[0] if row < blue else "0.8"
        ax.add_patch(Rectangle((corner[0], corner[1] + row), 0.8, 0.8, color=color))
        middles.append(corner[1] + row + 0.4)
        ax.text(x, middles[-1], name, ha=align, va="center", fontsize=10)
    return middles


def draw_reach(stacks: Mapping[str, Sequence[tuple[int, int, int]]], *, title: str) -> Axes:
    """Draw, along one line of pixels, all that a single number sees, layer below layer.

    Built in notebook 10. The number is on top and the picture at the bottom; a line leads from each
    cell to the cells that its window reads.

    Args:
        stacks: from a name to layers, (kernel, stride, dilation), that next to the picture first.
        title: the picture's title.

    Raises:
        ValueError: there is no stack, or one that has no layers or a number below 1.
    """
    if not stacks or any(not layers or min(map(min, layers)) < 1 for layers in stacks.values()):
        raise ValueError(f"stacks must hold layers of whole numbers from 1 on, got {dict(stacks)}")
    seen = [_seen_by_one(layers) for layers in stacks.values()]
    rooms = [max(max(rows[-1]) + 5.0, 9) for rows in seen]  # to the left, what each layer is
    tallest = 2.4 * max(map(len, seen))
    ax, _ = _canvas((-0.2, sum(rooms)), (-0.3, tallest + 0.3), title)
    for panel, (name, rows) in enumerate(zip(stacks, seen, strict=True)):
        left, wide = sum(rooms[:panel]) + 2.6, max(rows[-1]) + 1.0
        _draw_tree(ax, rows, stacks[name], (left, tallest - 2.4 * len(rows)))
        words = f"{name}\nsees {len(rows[-1])} pixels of the row"
        look: Any = {"ha": "center", "va": "top", "fontsize": 9}
        ax.text(left + wide / 2, tallest - 1.1, words, **look)
    return ax


def draw_outer_products(
    x: Tensor, grad: Tensor, *, title: str, names: tuple[str, str] = ("x", "grad")
) -> Axes:
    """Draw x.T @ grad as what it is: a table of products for each sample, and their sum.

    Built in notebook 02. Each sample's row of x stands upright in blue, its gradient lies on top in
    vermilion, and below them is every product of the two.

    Args:
        x: (N, m), what went into a layer.
        grad: (N, p), the gradient of what came out.
        title: the picture's title.
        names: what x and grad are called.

    Raises:
        ValueError: x and grad are no matrices with equally many rows.
    """
    if x.ndim != 2 or grad.ndim != 2 or len(x) != len(grad):
        shapes = f"{tuple(x.shape)} and {tuple(grad.shape)}"
        raise ValueError(f"x and grad must have shapes (N, m) and (N, p), got {shapes}")
    (count, rows), columns = x.shape, grad.shape[1]
    step = columns + 2.7
    ax, cell = _canvas((-0.3, (count + 1) * step - 1.6), (-0.9, rows + 1.9), title)
    products = [torch.outer(*pair) + 0.0 for pair in zip(x, grad, strict=True)]  # no -0
    for n, table in enumerate(products):
        left, words = n * step, (f"{names[0]}[{n}]", f"{names[1]}[{n}]")
        _draw_outer_product(ax, (x[n], grad[n], table), left, cell, words)
        sign = "=" if n == count - 1 else "+"
        ax.text(left + step - 0.7, 1.25 + rows / 2, sign, ha="center", va="center", fontsize=13)
    left, total = count * step + 0.3, sum(products[1:], products[0])
    _draw_copies(ax, total, (rows, columns), (left, 1.25), cell, GRADIENT)
    whole = f"{names[0]}.T @ {names[1]}"
    ax.text(left + columns / 2, rows + 1.4, whole, ha="center", va="top", fontsize=9)
    return ax


def draw_formats(dtypes: Sequence[torch.dtype], *, title: str) -> Axes:
    """Draw the bits of floating-point formats, one format below the other.

    Built in notebook 15. All numbers come from `torch.finfo`: the bits of the fraction from the
    gap after 1, the bits of the exponent from what is left.

    Args:
        dtypes: floating-point dtypes.
        title: the picture's title.

    Raises:
        ValueError: there is none.
    """
    if not dtypes:
        raise ValueError("dtypes must hold at least one, got none")
    infos = [torch.finfo(dtype) for dtype in dtypes]
    wide = max(info.bits for info in infos)
    _, ax = plt.subplots(figsize=(7.0, 0.62 * len(infos) + 0.9), layout="constrained")
    for row, info in enumerate(infos):
        for bit, field in enumerate(_fields(info)):
            box = Rectangle((bit, row + 0.4), 1, 0.42, edgecolor="white", linewidth=0.8)
            ax.add_patch(box).set_facecolor(FIELDS[field])
        ax.text(0, row + 0.34, _in_words(info), fontsize=9)
    keys = [Rectangle((0, 0), 1, 1, color=color, label=field) for field, color in FIELDS.items()]
    look: Any = {"ncol": 3, "frameon": False, "fontsize": "small", "bbox_to_anchor": (0.5, 0)}
    ax.legend(handles=keys, loc="upper center", **look)
    ax.set(xlim=(-0.2, wide + 0.2), ylim=(len(infos), 0), title=title)
    ax.axis("off")
    return ax


def draw_updates(weight: Tensor, updates: Sequence[float], *, title: str) -> Axes:
    """Draw where a weight is stored after an update, among the numbers that its format has.

    Built in notebook 15. A line stands for each number of the weight's dtype near it. In each row
    an arrow goes from the weight to the exact result, and a dot stands where that is stored.

    Args:
        weight: one floating-point number, ().
        updates: what is subtracted from it, each larger than 0 and no more than 12 numbers wide.
        title: the picture's title.

    Raises:
        ValueError: the weight is not one floating-point number, or an update does not fit.
    """
    gaps = _gaps_below(weight)
    if not updates or not all(0 < update <= gaps[11] for update in updates):
        raise ValueError(f"updates must lie above 0 and up to {gaps[11]:.2g}, got {[*updates]}")
    shown = [gap for gap in gaps if gap < max(updates) + gaps[1]]
    _, ax = plt.subplots(figsize=(7.0, 0.5 * len(updates) + 1.2), layout="constrained")
    ax.vlines([-gap for gap in shown], -0.5, len(updates) - 0.5, color="0.75")
    arrow: Any = {"color": GRADIENT, "arrowstyle": "->"}
    for row, update in enumerate(updates):
        ax.annotate("", (-update, row), (0, row), arrowprops=arrow)
    landed = [(weight - update).item() - weight.item() for update in updates]
    ax.plot(landed, range(len(updates)), "o", color=COLORS[0], label="what is stored")
    ax.plot([], [], color=GRADIENT, marker=r"$\leftarrow$", ls="", ms=11, label="the exact update")
    ax.legend(loc="upper center", ncol=2, frameon=False, fontsize=9, bbox_to_anchor=(0.5, -0.2))
    ax.set_xticks([-gap for gap in shown], [_less(weight.item(), gap) for gap in shown])
    ax.set_yticks(range(len(updates)), [_less(weight.item(), update) for update in updates])
    ax.set(title=title, ylim=(len(updates) - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def draw_precisions(stations: Mapping[str, int], *, ways: Sequence[str], title: str) -> Axes:
    """Draw what a step with two precisions holds, in a circle; a box is as high as its bits.

    Built in notebook 15.

    Args:
        stations: from what is held to how many bits each of its numbers has, in order.
        ways: for each station, how it is left; the last one leads back to the first.
        title: the picture's title.

    Raises:
        ValueError: there are no stations, or other than one way for each.
    """
    if not stations or len(ways) != len(stations):
        raise ValueError(f"ways must be one for each of {list(stations)}, got {list(ways)}")
    count = len(stations)
    _, ax = plt.subplots(figsize=(PAGE, 1.9), layout="constrained")
    ax.set(xlim=(0, count), ylim=(1.0, -0.6), title=title)
    ax.axis("off")
    for n, ((name, bits), way) in enumerate(zip(stations.items(), ways, strict=True)):
        high = bits / max(stations.values())
        look = TILES["module" if high == 1 else "short"]
        ax.add_patch(Rectangle((n + 0.21, -high / 2), 0.58, high, **look))
        words = name.replace(" ", "\n")
        ax.text(n + 0.5, 0, f"{words}\n{bits} bits", ha="center", va="center", fontsize=8)
        if n < count - 1:
            _arrow(ax, (n + 0.81, 0), (n + 1.19, 0))
            ax.text(n + 1, -0.06, way, ha="center", va="bottom", fontsize=7.5, color="0.3")
    _draw_way_back(ax, count - 0.5, 0.5, ways[-1])
    return ax


def draw_trips(operations: Sequence[str], *, title: str) -> Axes:
    """Draw which operations read from memory and write to it: as written, and fused into one.

    Built in notebook 15.

    Args:
        operations: their names, in order.
        title: the picture's title.

    Raises:
        ValueError: there are none.
    """
    if not operations:
        raise ValueError("operations must hold at least one, got none")
    count = len(operations)
    _, ax = plt.subplots(figsize=(PAGE, 2.6), layout="constrained")
    ax.set(xlim=(-1.1, count), ylim=(3.7, 0), title=title)
    ax.axis("off")
    _draw_trips(ax, 0.1, "as written", [[name] for name in operations])
    _draw_trips(ax, 2.1, "fused", [operations])
    return ax


def draw_lifetimes(parts: Sequence[str], checkpointed: Sequence[str], *, title: str) -> np.ndarray:
    """Draw how long a training step keeps what each part of a model computed.

    Built in notebook 15. Two panels, time running to the right: every part kept until its backward,
    and some of them forgotten, with their input kept alone, and computed again.

    Args:
        parts: names of the model's parts, in the order of the forward pass.
        checkpointed: which of them are computed again.
        title: the picture's title.

    Returns:
        The two Axes, (2,).

    Raises:
        ValueError: there are no parts, or a checkpointed one is none of them.
    """
    if not parts or set(checkpointed) - set(parts):
        raise ValueError(f"checkpointed must name some of {list(parts)}, got {list(checkpointed)}")
    size = 7.0, 0.35 * len(parts) + 1.5
    figure, axes = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    figure.suptitle(title)
    panels = {"everything kept": (), "checkpointed": tuple(checkpointed)}
    for ax, (name, again) in zip(axes, panels.items(), strict=True):
        for kind, row, start, end in _lifetimes(parts, again):
            thin = kind == "its input alone, kept"
            ax.barh(row, end - start, 0.12 if thin else 0.6, start, color=LIFE[kind])
        ax.set(title=name, xlabel="time", xticks=[], xlim=(0, 2 * len(parts) + len(checkpointed)))
        ax.title.set_fontsize(9)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
    axes[0].set_yticks(range(len(parts)), parts)
    axes[0].invert_yaxis()
    handles = [Rectangle((0, 0), 1, 1, color=color, label=kind) for kind, color in LIFE.items()]
    look: Any = {"ncol": 3, "frameon": False, "fontsize": "small"}
    figure.legend(handles=handles, loc="outside lower center", **look)
    return axes


def _draw_outer_product(
    ax: Axes, parts: Sequence[Tensor], left: float, cell: float, names: tuple[str, str]
) -> None:
    """Draw a column, the row on top of it, and between them the table of their products."""
    column, row, table = parts
    rows, columns = table.shape
    _draw_copies(ax, column[:, None], (rows, 1), (left, 1.25), cell, FIRST)
    _draw_copies(ax, row, (1, columns), (left + 1.25, 0), cell, GRADIENT)
    _draw_copies(ax, table, (rows, columns), (left + 1.25, 1.25), cell, PALE_GRADIENT)
    for words, at, y in (names[0], 0.5, rows + 1.4), (names[1], 1.25 + columns / 2, -0.2):
        ax.text(left + at, y, words, ha="center", va="bottom" if y < 0 else "top", fontsize=9)


def draw_sum(
    vectors: Mapping[str, Tensor], *, total: str, axes: tuple[str, str], title: str
) -> Axes:
    """Draw gradients in the plane, head to tail, and the arrow of their sum from end to end.

    Built in notebook 08, for what a shared weight is paid in each of its places.

    Args:
        vectors: from a name to a gradient of two numbers, (2,).
        total: what the sum is called.
        axes: what the two numbers are, the one to the right first.
        title: the picture's title.

    Raises:
        ValueError: there is no vector, or one that has other than two numbers.
    """
    shapes = {name: tuple(vector.shape) for name, vector in vectors.items()}
    if not vectors or set(shapes.values()) != {(2,)}:
        raise ValueError(f"vectors must hold tensors of shape (2,), got {shapes}")
    steps = torch.stack([vector.detach().cpu().double() for vector in vectors.values()])
    points = torch.cat([torch.zeros(1, 2, dtype=torch.float64), steps.cumsum(0)]).numpy()
    _, ax = plt.subplots(figsize=(4.6, 3.6), layout="constrained")
    ax.set(title=title, xlabel=axes[0], ylabel=axes[1], aspect="equal", adjustable="datalim")
    ax.scatter(points[:, 0], points[:, 1], s=0)  # the arrows alone would set no limits
    ax.margins(0.2)
    for name, start, end in zip(vectors, points[:-1], points[1:], strict=True):
        _draw_vector(ax, start, end, name, points.mean(axis=0), 1.2)
    _draw_vector(ax, points[0], points[-1], total, points.mean(axis=0), 3.0)
    ax.grid(alpha=0.3)
    return ax


def _draw_vector(
    ax: Axes, start: np.ndarray, end: np.ndarray, name: str, centre: np.ndarray, width: float
) -> None:
    """Draw an arrow, with its name beside its middle, away from the centre of the picture."""
    style = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14}
    ax.annotate("", (*end,), (*start,), arrowprops={**style, "color": GRADIENT, "lw": width})
    middle = (start + end) / 2
    away = (middle - centre) / (np.hypot(*(middle - centre)) or 1.0)
    beside: Any = {"xytext": 20 * away, "textcoords": "offset points"}
    ax.annotate(name, (*middle,), ha="center", va="center", fontsize=9, **beside)


def draw_modules(*models: nn.Module, title: str) -> Axes:
    """Draw modules as boxes in boxes, each with the tensors that it owns and their shapes.

    Built in notebook 07. Parameters are green and buffers grey. What an object holds but has not
    registered is dotted: a plain tensor, and modules in a plain list, with all that is inside.

    Args:
        models: the modules, drawn side by side.
        title: the picture's title.

    Raises:
        ValueError: there is no module.
    """
    if not models:
        raise ValueError("models must hold at least one module, got none")
    page = _Tile("", "page", _in_rows([_module_tile(model) for model in models], PAGE))
    (wide, tall), kinds = page.size(), page.kinds()
    margin = max(0.0, 4.6 - wide) / 2
    size = wide + 2 * margin, tall + 0.55
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=(-margin, wide + margin), ylim=(tall, 0), title=title, aspect="equal", anchor="S")
    ax.axis("off")
    _draw_tile(ax, page, (0.0, 0.0))
    looks = {kind: look for kind, look in TILES.items() if kind in kinds}
    keys = [Rectangle((0, 0), 1, 1, **look) for look in looks.values()]
    place: Any = {"loc": "outside lower center", "ncol": len(looks), "fontsize": 8}
    figure.legend(keys, list(looks), frameon=False, handlelength=1.2, **place)
    return ax


def draw_frozen(models: Mapping[str, nn.Sequential], *, title: str) -> Axes:
    """Draw what learns in each model: a box for each part, green if it learns, grey if frozen.

    Built in notebook 16. What is drawn is what the parameters' `requires_grad` says.

    Args:
        models: from a name to a model whose children have names, such as body and head.
        title: the picture's title.

    Raises:
        ValueError: there is no model.
    """
    if not models:
        raise ValueError("models must hold at least one model, got none")
    _, ax = plt.subplots(figsize=(7.0, 0.95 * len(models) + 0.7), layout="constrained")
    ax.set(xlim=(-5.6, 25.5), ylim=(2.4 * len(models) - 0.1, -0.3), title=title)
    ax.axis("off")
    for row, (name, model) in enumerate(models.items()):
        ax.text(-0.5, 2.4 * row + 0.5, name, ha="right", va="center", fontsize=9)
        left = 0.0
        for word, part in model.named_children():
            left = _draw_learning(ax, (left, 2.4 * row), word, part) + 0.5
    keys = [Rectangle((0, 0), 1, 1, **look) for look in LEARNING.values()]
    place: Any = {"loc": "outside lower center", "ncol": len(keys), "fontsize": 8}
    ax.figure.legend(keys, list(LEARNING), frameon=False, **place)
    return ax


def _draw_learning(ax: Axes, corner: Point, name: str, part: nn.Module) -> float:
    """Draw the boxes of one named part, with how many numbers learn; return where they end."""
    pieces = list(part) if isinstance(part, nn.Sequential) else [part]
    left, top = corner
    width = 1.0 if len(pieces) > 1 else 5.0
    for piece in pieces:
        learns = any(parameter.requires_grad for parameter in piece.parameters())
        look = LEARNING["learns" if learns else "frozen"]
        ax.add_patch(Rectangle((left, top), 0.88 * width, 1.0, **look))
        left += width
    counts = [p.numel() * np.array([p.requires_grad, True]) for p in part.parameters()]
    learning, total = np.sum(counts, axis=0)
    words = f"{name}: {learning:,} of {total:,}\nnumbers learn"
    ax.text((corner[0] + left) / 2, top + 1.1, words, ha="center", va="top", fontsize=9)
    return left


def draw_lanes(
    lanes: Mapping[str, Sequence[Span]],
    *,
    title: str,
    xlabel: str = "time",
    strike: float | None = None,
) -> Axes:
    """Draw what happens side by side in time: one lane for each name, from top to bottom.

    Built in notebook 13, for two ways to write a file; notebook 14 draws Python and a GPU so.
    The same words have the same colour; they stand in their bar, or below if none has room.
    Time is counted from the first start, so any clock will do.

    Args:
        lanes: from a name to what happens there: words, start and end.
        title: the picture's title.
        xlabel: what runs to the right.
        strike: when lightning strikes, if it does; what was to come after it is pale.

    Raises:
        ValueError: nothing happens, or something ends before it starts.
    """
    spans = [span for lane in lanes.values() for span in lane]
    if not spans or any(end < start for _, start, end in spans):
        raise ValueError(f"lanes must hold spans that end after they start, got {dict(lanes)}")
    inks = dict(zip(dict.fromkeys(words for words, _, _ in spans), cycle(LANES), strict=False))
    first, last = min(start for _, start, _ in spans), max(end for _, _, end in spans)
    lanes = {k: [(w, a - first, b - first) for w, a, b in lane] for k, lane in lanes.items()}
    last -= first
    _, ax = plt.subplots(figsize=(7.0, 0.5 * len(lanes) + 1.1), layout="constrained")
    ax.set(title=title, xlabel=xlabel, xlim=(0, last), ylim=(len(lanes) - 0.5, -0.5))
    for row, (words, start, end) in ((r, s) for r, lane in enumerate(lanes.values()) for s in lane):
        ax.barh(row, end - start, 0.7, start, color=inks[words], edgecolor="white", linewidth=0.5)
    written = _write_spans(ax, lanes, inks, 5.0 / (last or 1.0))
    _name_lanes(ax, lanes, {words: ink for words, ink in inks.items() if words not in written})
    if strike is not None:
        _strike(ax, strike - first, last)
    return ax


def _write_spans(
    ax: Axes, lanes: Mapping[str, Sequence[Span]], inks: Mapping[str, str], inches: float
) -> set[str]:
    """Write words into the bars that have room, at so many inches a unit; return which were."""
    written = set()
    for row, lane in enumerate(lanes.values()):
        for words, start, end in lane:
            wide = text_to_path.get_text_width_height_descent(words, TILE_FONT, False)[0] / 72
            if wide < (end - start) * inches:
                look: Any = {"ha": "center", "va": "center", "fontsize": 8}
                ax.text((start + end) / 2, row, words, color=_ink(inks[words]), **look)
                written.add(words)
    return written


def _name_lanes(ax: Axes, lanes: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Write the names of the lanes beside them, and below what no bar had room to say."""
    ax.set_yticks(range(len(lanes)), list(lanes), fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    if keys:
        handles = [Rectangle((0, 0), 1, 1, color=ink, label=words) for words, ink in keys.items()]
        look: Any = {"loc": "outside lower center", "ncol": len(keys), "fontsize": 8}
        ax.figure.legend(handles=handles, frameon=False, **look)
    else:
        ax.set_xticks([])


def _strike(ax: Axes, when: float, last: float) -> None:
    """Let lightning strike: a bolt on top, a line down, and pale what would have come after."""
    bottom, top = ax.get_ylim()
    ax.axvspan(when, last, color="white", alpha=0.7, linewidth=0, zorder=3)
    ax.axvline(when, color="black", lw=1, ls="--", zorder=4)
    for words in (text for text in ax.texts if text.get_position()[0] > when):
        words.set(color="0.3", zorder=4)
    bolt = [(0.1, 1), (-0.35, -0.1), (-0.02, 0.0), (-0.2, -1), (0.35, 0.25), (0.05, 0.15)]
    look: Any = {"marker": bolt, "markersize": 22, "color": COLORS[4], "clip_on": False}
    ax.plot([when], [top], markeredgecolor="black", zorder=5, **look)
    ax.set_ylim(bottom, top)
    ax.set_title(ax.get_title(), pad=14)


def draw_owners(
    owners: Mapping[str, Sequence[str]], *, ways: Sequence[str], file: str, title: str
) -> Axes:
    """Draw who owns what a training needs, and how each of them gets into one file.

    Built in notebook 13. An owner is a box with its name and what it remembers; what is learned is
    green.

    Args:
        owners: from an owner's name to lines of what it remembers; the first is the model.
        ways: for each owner, the call that gives its state.
        file: the name of the file.
        title: the picture's title.

    Raises:
        ValueError: there are no owners, or other than one way for each.
    """
    if not owners or len(ways) != len(owners):
        raise ValueError(f"ways must be one for each of {list(owners)}, got {list(ways)}")
    tall, count = 0.3 + 0.17 * max(map(len, owners.values())), len(owners)
    _, ax = plt.subplots(figsize=(PAGE, tall + 1.4), layout="constrained")
    ax.set(xlim=(0, count), ylim=(tall + 0.95, 0), title=title)
    ax.axis("off")
    for n, ((name, lines), way) in enumerate(zip(owners.items(), ways, strict=True)):
        look = TILES["parameter" if n == 0 else "buffer"]
        ax.add_patch(Rectangle((n + 0.04, 0.02), 0.92, tall, **look))
        ax.text(n + 0.5, 0.14, name, ha="center", va="center", fontsize=9, weight="bold")
        below: Any = {"ha": "center", "va": "top", "fontsize": 7.5, "linespacing": 1.4}
        ax.text(n + 0.5, 0.28, "\n".join(lines), **below)
        _arrow(ax, (n + 0.5, tall + 0.04), (n + 0.5, tall + 0.55))
        pale: Any = {"fontsize": 7, "color": "0.3", "backgroundcolor": "white"}
        ax.text(n + 0.5, tall + 0.26, way, ha="center", va="center", **pale)
    ax.add_patch(Rectangle((0.04, tall + 0.57), count - 0.08, 0.33, **TILES["module"]))
    ax.text(count / 2, tall + 0.735, file, ha="center", va="center", fontsize=9, weight="bold")
    return ax


def draw_memories(
    memories: Mapping[str, Sequence[str]], *, there: str, back: str, title: str
) -> Axes:
    """Draw two memories as boxes, what lies in each, and the thin road between them.

    Built in notebook 14. The arrow of the way back is dashed.

    Args:
        memories: from a memory's name to lines of what lies in it; there are two.
        there: the call that sends something to the second.
        back: the call that fetches something from there.
        title: the picture's title.

    Raises:
        ValueError: there are other than two.
    """
    if len(memories) != 2:
        raise ValueError(f"memories must be two, got {list(memories)}")
    _, ax = plt.subplots(figsize=(6.4, 1.7), layout="constrained")
    ax.set(xlim=(0, 7), ylim=(1.1, -0.05), title=title)
    ax.axis("off")
    for left, (name, lines) in zip((0.02, 4.8), memories.items(), strict=True):
        ax.add_patch(Rectangle((left, 0.02), 2.18, 1.06, **TILES["module"]))
        ax.text(left + 1.09, 0.18, name, ha="center", va="center", fontsize=10, weight="bold")
        below: Any = {"ha": "center", "va": "top", "fontsize": 9, "linespacing": 1.5}
        ax.text(left + 1.09, 0.36, "\n".join(lines), **below)
    ways = (there, 0.5, (4.7, 2.3), "-"), (back, 0.9, (2.3, 4.7), "--")
    for words, y, (end, start), dash in ways:
        look = {"arrowstyle": "->", "color": "#666666", "linestyle": dash, "linewidth": 0.9}
        ax.annotate("", (end, y), (start, y), arrowprops=look)
        ax.text(3.5, y - 0.06, words, ha="center", va="bottom", fontsize=9, family="monospace")
    return ax


def draw_layers(
    model: nn.Sequential, image: Tensor, *, title: str, names: Sequence[str] = ()
) -> Axes:
    """Draw what leaves each layer for one picture: stacks of maps, and rows of numbers.

    Built in notebook 11. Maps are to scale; a row is as tall as the root of how many numbers it
    has. The front map of a stack shows its numbers, and so does a row: the darker, the larger.

    Args:
        model: its layers in order; an activation, or batch norm, is drawn with the layer before
            it, and a block of layers as one.
        image: (1, H, W).
        title: the picture's title.
        names: what the last numbers stand for, or none.

    Returns:
        The Axes; above each stack stands what made it, below it its shape.

    Raises:
        ValueError: the image has another shape, or there is not one name for each last number.
    """
    if image.ndim != 3 or len(image) != 1:
        raise ValueError(f"image must be of shape (1, H, W), got {tuple(image.shape)}")
    stages = _stages(model, image)
    if names and len(names) != len(stages[-1][1]):
        raise ValueError(f"names must be {len(stages[-1][1])}, got {len(names)}")
    sizes = [_stack_size(values, 0.8 / image.shape[-1]) for _, values in stages]
    sizes[-1] = sizes[-1][0], 0.18 * len(names) or sizes[-1][1]
    lefts = _left_edges([words for words, _ in stages], sizes)
    right = lefts[-1] + (0.98 if names else 0.3)
    top = 0.94 + 0.15 * max(words.count("\n") + 1 for words, _ in stages)
    _, ax = plt.subplots(figsize=(right + 0.25, top + 1.47), layout="constrained")
    ax.set(xlim=(-0.15, right), ylim=(1.12, -top), aspect="equal", title=title)
    ax.axis("off")
    for left, (words, values), size in zip(lefts, stages, sizes, strict=True):
        _draw_stack(ax, left, values, size)
        middle = left + size[0] / 2
        ax.text(middle, -0.93, words, ha="center", va="bottom", fontsize=9, linespacing=1.1)
    for place, name in zip(0.18 * (np.arange(len(names)) + 0.5), names, strict=True):
        ax.text(lefts[-1] + 0.17, place - 0.09 * len(names), name, va="center", fontsize=9)
    return ax


def _left_edges(words: Sequence[str], sizes: Sequence[Point]) -> np.ndarray:
    """Return where each stack begins, in inches: they, and the words above them, keep apart."""
    wide = np.array([size[0] for size in sizes])
    said = np.array([0.065 * max(map(len, lines.split("\n"))) for lines in words])
    apart = (wide[:-1] - wide[1:] + said[:-1] + said[1:]) / 2 + 0.1
    return np.cumsum([0.0, *np.maximum(wide[:-1] + 0.31, apart)])


def _stages(model: nn.Sequential, image: Tensor) -> list[tuple[str, Tensor]]:
    """Return words and numbers, (C, H, W) or (N,), of all that is drawn, the picture first."""
    stages = [("picture", image.detach().cpu())]
    values = image[None].to(next(model.parameters()).device)
    for layer in model:
        with torch.no_grad():
            values = layer(values)
        words = _said_above(layer)
        if isinstance(layer, (nn.Sequential, *LAYERS)):
            stages.append((words, values[0].cpu()))
        elif words:
            stages.append((f"{stages.pop()[0]}\n{words}", values[0].cpu()))
    return stages


def _said_above(layer: nn.Module) -> str:
    """Return what stands above what leaves a layer or a block: nothing above an Identity."""
    if isinstance(layer, nn.Sequential):
        return "\n".join(filter(None, map(_said_above, layer)))
    side = np.ravel(getattr(layer, "kernel_size", 0))[0]
    name = "" if isinstance(layer, nn.Identity) else type(layer).__name__.lower()
    return LAYERS.get(type(layer), ON_TOP.get(type(layer), name)).format(side)


def _stack_size(values: Tensor, scale: float) -> Point:
    """Return the width and the height of a stack, or of a row, in inches."""
    if values.ndim == 1:
        return 0.12, 0.08 * len(values) ** 0.5 + 0.1
    count, height, width = values.shape
    depth = min(0.3, 0.05 * (count - 1))
    return width * scale + depth, height * scale + depth


def _draw_stack(ax: Axes, left: float, values: Tensor, size: Point) -> None:
    """Draw maps from the hindmost to the front one, which shows its numbers; or a row of them."""
    (wide, tall), count = size, len(values)
    rows = values.ndim == 1
    depth = 0.0 if rows else min(0.3, 0.05 * (count - 1))
    front = (values[:, None] if rows else values[0]).numpy()
    for place in np.linspace(depth, 0, 1 if rows else count):
        corner = left + depth - place, depth / 2 - tall / 2 + place - depth / 2
        thin = 0.3 if count > 8 and not rows else 0.6
        edges: Any = {"facecolor": "#DDEBF5", "edgecolor": FIRST, "linewidth": thin}
        ax.add_patch(Rectangle(corner, wide - depth, tall - depth, **edges))
    extent = left + depth, left + wide, tall / 2 - depth, -tall / 2
    ax.imshow(front, cmap="gray" if count == 1 else "Blues", extent=extent, zorder=2)
    shape = f"{count}" if rows else f"{count} × {front.shape[0]}×{front.shape[1]}"
    ax.text(left + wide / 2, tall / 2 + 0.08, shape, ha="center", va="top", fontsize=9)


# What they share ---------------------------------------------------------------------------------


def _canvas(across: Point, down: Point, title: str, largest: float = 0.45) -> tuple[Axes, float]:
    """Make bare Axes with these limits; return them and the size of a cell in inches."""
    (left, right), (top, bottom) = across, down
    cell = min(largest, 7.0 / (right - left))
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
    inches = min(0.45, 7.0 / (widths.sum() - 1.3 * unit))  # a cell
    between = min(1.6 * unit, max(1.6, 0.5 / inches))
    heights = between + np.array([max(tall[k:][:columns]) for k in range(0, len(tall), columns)])
    xs, ys = np.cumsum(widths) - widths / 2, np.cumsum(heights) - heights / 2
    across = 0.65 * unit, widths.sum() - 0.65 * unit
    ax, cell = _canvas(across, (between / 2 - 0.1 * unit, heights.sum() + 0.3 * unit), title)
    corners = []
    for k, (name, (rows, cols)) in enumerate(sizes.items()):
        x, y, gap = xs[k % columns], ys[k // columns], widths[k % columns] / 2
        corners.append((x - cols / 2, y - rows / 2))
        ax.text(x, y + rows / 2 + 0.15 * unit, name, ha="center", va="top", fontsize=9)
        if sign := signs[k : k + 1]:
            size = 20 if sign in "⋆·" else 13
            ax.text(x + gap, y, sign, ha="center", va="center", fontsize=size)
    return ax, corners, cell


def _draw_cell(ax: Axes, x: float, y: float, color: str, dash: str = "-") -> None:
    patch = Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, linestyle=dash, linewidth=0.8)
    ax.add_patch(patch).set(facecolor=color, edgecolor="#888888")


def _write(ax: Axes, x: float, y: float, text: str, cell: float, color: str = "black") -> None:
    """Write a number into the cell whose corner this is, smaller if it is long."""
    text, size = text.replace("-", "−"), 22 * cell * min(1, 3.6 / len(text))
    ax.text(x + 0.5, y + 0.53, text, ha="center", va="center", fontsize=size, color=color)


def _ink(color: str) -> str:
    """Return the colour of letters that can be read on this one."""
    return "white" if color == FIRST else "black"


def _arrow(ax: Axes, start: Point, end: Point) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#666666"})


def _name(ax: Axes, x: float, y: float, name: str, shape: Sequence[int]) -> None:
    """Write a name and a shape on one line."""
    ax.text(x, y, f"{name} {tuple(shape)}", ha="center", va="center", fontsize=9)


def _addresses(tensor: Tensor) -> Tensor:
    """Return, for each entry, its place in the memory that the tensor looks at."""
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.arange(count).as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())


def _check_views(owner: Tensor, tensors: Mapping[str, Tensor]) -> None:
    """Complain about the first tensor that does not look at the owner's memory."""
    for name, tensor in tensors.items():
        if tensor.untyped_storage().data_ptr() != owner.untyped_storage().data_ptr():
            raise ValueError(f"{name} must be a view of the first tensor's memory, and is none")


# What each of them draws -------------------------------------------------------------------------


def _rgb(photos: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return the photographs as arrays; complain if there is none or one is no photograph."""
    for name, photo in photos.items():
        if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != torch.uint8:
            kind = f"{tuple(photo.shape)} of {photo.dtype}"
            raise ValueError(f"{name} must be (height, width, 3) of uint8, got {kind}")
    if not photos:
        raise ValueError("photos must hold at least one, got none")
    return {name: photo.cpu().numpy() for name, photo in photos.items()}


def _check_product(a: Tensor, b: Tensor, entry: Size) -> None:
    """Complain if a and b cannot be multiplied, or their product has no such entry."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"a and b must have shapes (n, m) and (m, p), got {shapes}")
    rows, columns = len(a), b.shape[1]
    if not (0 <= entry[0] < rows and 0 <= entry[1] < columns):
        raise ValueError(f"entry must lie in a product of {rows}×{columns}, got {entry}")


def _draw_some(
    ax: Axes, table: Tensor, corner: Point, cell: float, chosen: Mapping[Size, str]
) -> None:
    """Draw a table with the chosen cells in their colours; a cell that holds NaN stays empty."""
    for row, column in np.ndindex(*table.shape):
        color, x, y = chosen.get((row, column)), corner[0] + column, corner[1] + row
        _draw_cell(ax, x, y, color or "white")
        value = table[row, column].item()
        if value == value:
            _write(ax, x, y, f"{value:.4g}", cell, _ink(color) if color else "#666666")


def _strides_in_words(name: str, tensor: Tensor) -> str:
    down, right = tensor.stride()
    words = f"strides ({down}, {right}):\ndown {down}, right {right}"
    return f"{name}\nshape {tuple(tensor.shape)}\n{words}"


def _draw_addressed(
    ax: Axes, tensor: Tensor, corner: Point, cell: float, row_of: Mapping[int, int]
) -> None:
    """Draw a tensor with its addresses, each cell in the colour of the row that owns it."""
    places = _addresses(tensor)
    for row, column in np.ndindex(*tensor.shape):
        x, y, place = corner[0] + column, corner[1] + row, int(places[row, column])
        color = (FIRST, SECOND)[row_of[place] % 2]
        _draw_cell(ax, x, y, color)
        _write(ax, x, y, f"{tensor[row, column].item():.4g}", cell, _ink(color))
        look: Any = {"ha": "right", "va": "bottom", "fontsize": 6, "color": _ink(color)}
        ax.text(x + 0.9, y + 0.92, str(place), **look)


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
        ink = _ink(color) if stored else "#666666"
        _write(ax, x, y, f"{values[row, column].item():.4g}", cell, ink)


def _is_a_map(values: Tensor) -> bool:
    """Tell whether this is a matrix, or a photograph in colour, with entries."""
    return values.numel() > 0 and (values.ndim == 2 or values.shape[2:] == (3,))


def _frame_window(axes: Sequence[Axes], corner: Size, size: Size) -> None:
    """Frame a window in the first Axes and ring it, and ring the place of its sum in the others."""
    (top, left), (rows, columns) = corner, size
    look: Any = {"fill": False, "edgecolor": COLORS[4], "linewidth": 1}
    axes[0].add_patch(Rectangle((left - 0.5, top - 0.5), columns, rows, **look))
    middle = left + (columns - 1) / 2, top + (rows - 1) / 2
    for ax, (x, y) in zip(axes, [middle, *[(left, top)] * (len(axes) - 1)], strict=True):
        ax.plot(x, y, "o", ms=11, mfc="none", mec=COLORS[4], mew=1.5)


def _draw_grid(ax: Axes, values: np.ndarray, corner: Point, *, lines: bool, pale: bool) -> None:
    """Draw one matrix, its cells set apart by lines or not, and pale where letters follow."""
    (left, top), (rows, columns) = corner, values.shape
    bound = (2.0 if pale else 1.2) * float(np.abs(values).max()) or 1.0
    edges = np.arange(columns + 1) + left, np.arange(rows + 1) + top
    mesh = ax.pcolormesh(*edges, values, cmap="RdBu_r", vmin=-bound, vmax=bound)
    mesh.set(edgecolor="#b0b0b0" if lines else "face", linewidth=0.6 if lines else 0)
    frame = Rectangle(corner, columns, rows, fill=False, edgecolor="#888888", linewidth=0.8)
    ax.add_patch(frame)


def _frame_what_counts(ax: Axes, values: np.ndarray, corner: Point) -> None:
    """Frame the cells from the first to the last row and column that are not all zero."""
    places = np.argwhere(values)
    if len(places):
        (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
        start = corner[0] + left, corner[1] + top
        look: Any = {"fill": False, "edgecolor": "black", "linewidth": 1.2}
        ax.add_patch(Rectangle(start, right - left, bottom - top, **look))


def _cells_to_show(out: int, cells: Sequence[Size] | None) -> list[Size]:
    """Return the output cells whose windows are drawn; complain if there are too many or none."""
    usual = dict.fromkeys([(0, 0), (0, min(1, out - 1)), (out - 1, out - 1)])
    chosen = list(usual if cells is None else cells)
    inside = all(0 <= row < out and 0 <= col < out for row, col in chosen)
    if not inside or not 1 <= len(chosen) <= 3:
        raise ValueError(f"cells must be one to three of the {out}×{out} output, got {chosen}")
    return chosen


def _draw_input(ax: Axes, size: int, padding: int, read: Collection[int]) -> None:
    """Draw the input, hatched where nobody reads it, and around it the padding, of zeros."""
    for row, column in np.ndindex(size + 2 * padding, size + 2 * padding):
        x, y = column - padding, row - padding
        inside = 0 <= x < size and 0 <= y < size
        _draw_cell(ax, x, y, *(("#e9edf2", "-") if inside else ("white", ":")))
        if inside and not {x, y} <= set(read):
            hatch = Rectangle((x + 0.1, y + 0.1), 0.8, 0.8, fill=False, hatch="////", linewidth=0)
            ax.add_patch(hatch).set(edgecolor="#888888")
        if not inside:
            ax.text(x + 0.82, y + 0.22, "0", ha="center", va="center", fontsize=6, color="#666666")


def _draw_window(ax: Axes, corner: Point, size: Size, dilation: int, number: int) -> None:
    """Frame a window, so wide and so tall, and dot what it reads, within the other windows'."""
    left, top = corner
    inset = 0.05 + 0.05 * number
    sides = [span - 2 * inset for span in size]
    frame = Rectangle((left + inset, top + inset), *sides, fill=False, linewidth=2)
    frame.set(edgecolor=WINDOWS[number], linestyle=DASHES[number])
    ax.add_patch(frame)
    across, down = (np.arange(0, span, dilation) + 0.5 for span in size)
    columns, rows = np.meshgrid(left + across, top + down)
    look: Any = {
        "color": WINDOWS[number],
        "markersize": 14 - 3 * number,
        "markeredgecolor": "white",
        "markeredgewidth": 0.8,
    }
    ax.plot(columns.ravel(), rows.ravel(), "o", zorder=3, **look)


def _draw_slices(ax: Axes, left: float, channels: Size, groups: int) -> None:
    """Draw the channels that come in and those that go out, and a line for each slice."""
    tops = [(max(channels) - count) / 2 for count in channels]
    for x, count, top in zip((left, left + 2.2), channels, tops, strict=True):
        for k in range(count):
            color = GROUPS[k * groups // count % len(GROUPS)]
            ax.add_patch(Rectangle((x, top + k), 0.8, 0.8, color=color))
    for k, row in np.ndindex(channels):
        group = k * groups // channels[0]
        if group == row * groups // channels[1]:
            line = [left + 0.8, left + 2.2], [tops[0] + k + 0.4, tops[1] + row + 0.4]
            ax.plot(*line, color=GROUPS[group % len(GROUPS)], lw=1.5)


def _seen_by_one(layers: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    """Return which cells one number sees: of its own map, of the one below, ..., of the picture."""
    rows = [[0]]
    for kernel, stride, dilation in reversed(layers):
        above = rows[-1]
        rows.append(sorted({i * stride + j * dilation for i in above for j in range(kernel)}))
    return rows


def _layer_in_words(kernel: int, stride: int, dilation: int) -> str:
    """Return the numbers of a layer that are not 1."""
    words = {"k": kernel, "s": stride, "d": dilation}
    return "\n".join(f"{name} = {number}" for name, number in words.items() if number > 1)


def _draw_tree(
    ax: Axes, rows: list[list[int]], layers: Sequence[tuple[int, int, int]], corner: Point
) -> None:
    """Draw the cells of each map, as far apart as they lie in the picture, and what they read."""
    jumps, shifts = [1], [0.0]
    for kernel, stride, dilation in layers:
        shifts.append(shifts[-1] + (kernel - 1) * dilation * jumps[-1] / 2)
        jumps.append(jumps[-1] * stride)
    for depth, cells in enumerate(rows):
        level, y = len(layers) - depth, corner[1] + 2.4 * depth
        x = {i: corner[0] + shifts[level] + i * jumps[level] for i in range(max(cells) + 1)}
        for i, place in x.items():
            _draw_cell(ax, place, y, FIRST if i in cells else "white")
        if level:
            kernel, stride, dilation = layers[level - 1]
            ax.text(corner[0] - 0.4, y + 1.7, _layer_in_words(*layers[level - 1]), **RIGHT)
            below = corner[0] + shifts[level - 1]
            for i, j in np.ndindex(max(cells) + 1, kernel):
                end = below + (i * stride + j * dilation) * jumps[level - 1]
                line = [x[i] + 0.5, end + 0.5], [y + 1, y + 2.4]
                ax.plot(*line, color="0.6", lw=0.8 * (i in cells), zorder=0)


def _fields(info: torch.finfo) -> list[str]:
    """Return what each bit of a format belongs to, from the left."""
    fraction = round(-np.log2(info.eps))
    return ["sign"] + ["exponent"] * (info.bits - 1 - fraction) + ["fraction"] * fraction


def _in_words(info: torch.finfo) -> str:
    """Return a format's name, its bits, its smallest and largest number and its gap after 1."""
    fields = _fields(info)
    exponent, fraction = fields.count("exponent"), fields.count("fraction")
    bits = f"{info.dtype}: 1 + {exponent} + {fraction} bits"
    largest = f"{info.max:,.0f}" if info.max < 1e6 else f"{info.max:.2g}"
    smallest = f"{info.smallest_normal * info.eps:.0e}"
    return f"{bits}, from {smallest} to {largest}, after 1 comes 1 + {info.eps:.2g}"


def _draw_trips(ax: Axes, top: float, row: str, groups: Sequence[Sequence[str]]) -> None:
    """Draw a bar for the memory, and below it a box for each group with arrows there and back."""
    count = sum(map(len, groups))
    wide = count / len(groups)
    ax.text(-0.1, top + 1.15, row, ha="right", va="center", fontsize=9)
    ax.add_patch(Rectangle((0, top), count - 0.06, 0.36, **TILES["buffer"]))
    ax.text(count / 2, top + 0.18, "memory", ha="center", va="center", fontsize=8)
    for n, names in enumerate(groups):
        ax.add_patch(Rectangle((n * wide, top + 0.9), wide - 0.06, 0.5, **TILES["module"]))
        middle = (n + 0.5) * wide - 0.03
        ax.text(middle, top + 1.15, ", ".join(names), ha="center", va="center", fontsize=8)
        _arrow(ax, (middle - 0.15, top + 0.38), (middle - 0.15, top + 0.88))
        _arrow(ax, (middle + 0.15, top + 0.88), (middle + 0.15, top + 0.38))


def _draw_way_back(ax: Axes, start: float, end: float, way: str) -> None:
    """Draw an arrow below everything, from the last box to the first, with a word on it."""
    ax.plot([start, start, end], [0.56, 0.78, 0.78], color="0.3", lw=1)
    _arrow(ax, (end, 0.78), (end, 0.54))
    pale: Any = {"fontsize": 8, "color": "0.3", "backgroundcolor": "white"}
    ax.text((start + end) / 2, 0.78, way, ha="center", va="center", **pale)


def _gaps_below(weight: Tensor) -> list[float]:
    """Return how far a number and the twelve below it in its format are from it."""
    if weight.dim() or not weight.is_floating_point():
        raise ValueError(f"weight must be one floating-point number, got {weight}")
    below = [weight.cpu()]
    for _ in range(12):
        below.append(torch.nextafter(below[-1], torch.full_like(below[-1], -torch.inf)))
    return [weight.item() - number.item() for number in below]


def _less(number: float, gap: float) -> str:
    """Return "1 − 6e-08", or the number alone."""
    return f"{number:g} − {gap:.2g}" if gap else f"{number:g}"


def _lifetimes(parts: Sequence[str], again: Sequence[str]) -> list[tuple[str, int, int, int]]:
    """Return what is drawn: (kind, row, when it begins, when it ends)."""
    count, found = len(parts), []
    found += [("forward", row, row, row + 1) for row in range(count)]
    time = count
    for row in reversed(range(count)):
        if parts[row] in again:
            found += [("its input alone, kept", row, row + 1, time)]
            found += [("forward again", row, time, time + 1)]
            time += 1
        else:
            found += [("all of it, kept", row, row + 1, time)]
        found += [("backward", row, time, time + 1)]
        time += 1
    return found


@dataclass
class _Tile:
    """A box with words on top and rows of boxes below them; lengths are in inches."""

    words: str
    kind: str  # a key of TILES, or "page"
    rows: Sequence[Sequence["_Tile"]] = ()

    def size(self) -> Point:
        """Return the width and the height."""
        head = WORDS if self.words else 0.0
        wide = text_to_path.get_text_width_height_descent(self.words, TILE_FONT, False)[0] / 72
        sizes = [[tile.size() for tile in row] for row in self.rows]
        widths = [SPACE + sum(w + SPACE for w, _ in row) for row in sizes]
        below = sum(max(h for _, h in row) + SPACE for row in sizes)
        return max([wide + 2 * SPACE, *widths]), head + below

    def kinds(self) -> set[str]:
        """Return the kinds of all boxes inside."""
        inside = [tile for row in self.rows for tile in row]
        return {tile.kind for tile in inside}.union(*(tile.kinds() for tile in inside))


def _module_tile(module: nn.Module, name: str = "", lost: bool = False, room: float = 7.0) -> _Tile:
    """Return the box of a module, with all that it owns, at most about as wide as there is room."""
    room -= 2 * SPACE
    owned: list[tuple[str, tuple[str, Tensor]]]
    owned = [("parameter", pair) for pair in module.named_parameters(recurse=False)]
    owned += [("buffer", pair) for pair in module.named_buffers(recurse=False)]
    held = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    owned += [("not registered", pair) for pair in held.items() if isinstance(pair[1], Tensor)]
    tensors = [
        _Tile(f"{key} {tuple(tensor.shape)}", "not registered" if lost else kind)
        for kind, (key, tensor) in owned
    ]
    children = [(key, child) for key, child in module._modules.items() if child is not None]
    inside = [_list_tile(key, each, room) for key, each in held.items() if _holds_modules(each)]
    inside += [_module_tile(child, key, lost, room) for key, child in children]
    words = f"{name}: {type(module).__name__}" if name else type(module).__name__
    rows = [[tensor] for tensor in tensors] + _in_rows(inside, room)
    return _Tile(words, "not registered" if lost else "module", rows)


def _holds_modules(value: Any) -> bool:
    """Tell whether a value is a plain list that hides modules."""
    return isinstance(value, list | tuple) and any(isinstance(v, nn.Module) for v in value)


def _list_tile(name: str, values: Sequence[Any], room: float) -> _Tile:
    """Return the box of a plain list, whose modules nobody finds."""
    modules = [(str(n), value) for n, value in enumerate(values) if isinstance(value, nn.Module)]
    tiles = [_module_tile(module, number, True, room - 2 * SPACE) for number, module in modules]
    words = f"{name}: {type(values).__name__}"
    return _Tile(words, "not registered", _in_rows(tiles, room - 2 * SPACE))


def _in_rows(tiles: Sequence[_Tile], room: float) -> list[list[_Tile]]:
    """Set boxes side by side, and the next row where there is no more room."""
    rows: list[list[_Tile]] = []
    for tile in tiles:
        wide = tile.size()[0] + SPACE
        if rows and sum(other.size()[0] + SPACE for other in rows[-1]) + wide <= room:
            rows[-1].append(tile)
        else:
            rows.append([tile])
    return rows


def _draw_tile(ax: Axes, tile: _Tile, corner: Point) -> None:
    """Draw a box at its upper left corner, with all the boxes inside."""
    (x, y), (wide, tall) = corner, tile.size()
    if tile.words:
        ax.add_patch(Rectangle(corner, wide, tall, **TILES[tile.kind]))
        look: Any = {"ha": "left", "va": "center", "fontproperties": TILE_FONT}
        ax.text(x + SPACE, y + WORDS / 2, tile.words, **look)
        y += WORDS
    for row in tile.rows:
        left = x + SPACE
        for inner in row:
            _draw_tile(ax, inner, (left, y))
            left += inner.size()[0] + SPACE
        y += max(inner.size()[1] for inner in row) + SPACE

"""Pictures of what was measured: each function takes data, returns Axes, never touches a model."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from helpers.metrics import History

# Okabe and Ito's colours, which colour-blind readers can tell apart (their yellow is too pale for
# a line); each with a dash of its own, so that a grey print still works.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", ":"]

# Titles and names such as "100 %" and "w_1" are plain text: a reader whose own settings send all
# text through TeX would get errors, or no picture at all where TeX is missing.
plt.rcParams["text.usetex"] = False


def _new_axes(ax: Axes | None, size: tuple[float, float] = (4.6, 3.2)) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _check_curves(curves: Mapping[str, Sequence[float]], name: str) -> None:
    lengths = {label: len(values) for label, values in curves.items()}
    if not lengths or 0 in lengths.values():
        raise ValueError(f"{name} must hold at least one value for each curve, got {lengths}")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name} must be equally long, got {lengths}")


def plot_losses(
    losses: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str = "step",
    ylabel: str = "loss",
    log: bool = True,
    start: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Plot one curve, or several by name, over the steps or epochs at which they were taken.

    Used from notebook 02 on.

    Args:
        losses: numbers, or a dict from name to numbers, all equally long.
        title: the picture's title.
        xlabel: what a step is.
        ylabel: what the numbers are.
        log: draw the vertical axis on a log scale.
        start: the number of the first step (1 for epochs).
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to plot, or the curves are not equally long.
    """
    curves = losses if isinstance(losses, Mapping) else {ylabel: losses}
    _check_curves(curves, "losses")
    ax = _new_axes(ax)
    for (label, values), color, dash in zip(
        curves.items(), cycle(COLORS), cycle(DASHES), strict=False
    ):
        marker = "." if len(values) <= 30 else None
        steps = range(start, start + len(values))
        ax.plot(steps, values, color=color, linestyle=dash, marker=marker, label=label)
    if log:
        ax.set_yscale("log")
    if len(curves) > 1:
        ax.legend(frameon=False, fontsize="small")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    return ax


def plot_history(history: History, *, title: str, ax: Axes | None = None) -> Axes:
    """Plot training loss, training accuracy and test accuracy (where there is one) by epoch.

    Built in notebook 11. Loss and accuracies share one axis, as both start near their worst.

    Raises:
        ValueError: the history is empty, or its lists are not equally long.
    """
    curves = {"train loss": history.train_loss, "train accuracy": history.train_accuracy}
    if history.test_accuracy:
        curves["test accuracy"] = history.test_accuracy
    _check_curves(curves, "history")
    ax = plot_losses(curves, title=title, xlabel="epoch", ylabel="", log=False, start=1, ax=ax)
    ax.set_ylabel("loss (nats), accuracy (0 to 1)")
    ax.set_ylim(bottom=0)
    return ax


def show_images(
    images: Tensor,
    titles: Sequence[str] | None = None,
    *,
    title: str,
    columns: int = 10,
) -> np.ndarray:
    """Show images in a grid, brightest pixel of the type (255 or 1) in white.

    Built in notebook 11.

    Args:
        images: (N, H, W) or (N, 1, H, W), uint8 or float in [0, 1].
        titles: one line above each image.
        title: the picture's title.
        columns: how many images stand side by side.

    Returns:
        The Axes, one an image, (N,).

    Raises:
        ValueError: no images, another shape, or not one title for each.
    """
    pixels = _grey(images)
    if titles is not None and len(titles) != len(pixels):
        raise ValueError(f"titles must be one for each of {len(pixels)} images, got {len(titles)}")
    lines = max(caption.count("\n") + 1 for caption in titles) if titles else 0
    figure, axes = _grid(len(pixels), columns, 0.95 + 0.12 * lines)
    white = 255 if pixels.dtype == np.uint8 else 1.0
    for index, ax in enumerate(axes):
        ax.imshow(pixels[index], cmap="gray", vmin=0, vmax=white)
        ax.set_title(titles[index] if titles is not None else "", fontsize=7)
    figure.suptitle(title)
    return axes


def _grid(count: int, columns: int, row_height: float) -> tuple[Figure, np.ndarray]:
    """Make a figure with `count` bare Axes, row by row; those left over in the last row go."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (0.85 * columns, row_height * rows + 0.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, axes.flat[:count]


def _grey(images: Tensor) -> np.ndarray:
    pixels = images.detach().cpu()
    if pixels.ndim == 4 and pixels.shape[1] == 1:
        pixels = pixels[:, 0]
    if pixels.ndim != 3 or len(pixels) == 0:
        raise ValueError(
            f"images must have shape (N, H, W) or (N, 1, H, W), got {tuple(images.shape)}"
        )
    return pixels.numpy()


def plot_confusion_matrix(
    matrix: Tensor, class_names: Sequence[str], *, title: str, ax: Axes | None = None
) -> Axes:
    """Draw a confusion matrix: rows are the true classes, shades the share of each row.

    Built in notebook 11.

    Args:
        matrix: (C, C) counts, from `helpers.metrics.confusion_matrix`.
        class_names: C names.
        title: the picture's title.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: the matrix is not square, or the names are not C.
    """
    counts = matrix.detach().cpu().numpy()
    if counts.ndim != 2 or counts.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"matrix must have shape (C, C) for {len(class_names)} class names, got {counts.shape}"
        )
    ax = _new_axes(ax, (5.6, 5.0))
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        text = str(counts[row, column]) if counts[row, column] else ""
        ax.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    ticks = range(len(class_names))
    ax.set_xticks(ticks, class_names, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(ticks, class_names, fontsize=8)
    ax.set(title=title, xlabel="predicted", ylabel="true")
    return ax


def plot_filters(weights: Tensor, *, title: str, columns: int = 8) -> np.ndarray:
    """Draw convolution kernels, blue for negative weights, white for 0, red for positive.

    Built in notebook 11. One scale serves all kernels, so that their strengths compare.

    Args:
        weights: (C_out, 1, kH, kW) or (N, kH, kW).
        title: the picture's title.
        columns: how many kernels stand side by side.

    Returns:
        The Axes, one a kernel, (N,).

    Raises:
        ValueError: no kernels, or another shape.
    """
    kernels = _grey(weights)
    figure, axes = _grid(len(kernels), columns, 0.95)
    bound = float(np.abs(kernels).max()) or 1.0
    for index, ax in enumerate(axes):
        picture = ax.imshow(kernels[index], cmap="RdBu_r", vmin=-bound, vmax=bound)
    figure.colorbar(picture, ax=list(axes), shrink=0.8, label="weight")
    figure.suptitle(title)
    return axes


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
    rows, columns = _broadcast_size(a, b)
    grids = {"a": (a, COLORS[0]), "b": (b, COLORS[1]), "a + b": (a + b, COLORS[2])}
    step = max(columns, 2) + 1.4  # from one grid to the next, in cells
    width = 2 * step + max(columns, 2) + 0.4
    cell = min(0.45, 6.6 / width)  # inches
    _, ax = plt.subplots(figsize=(width * cell, (rows + 1.45) * cell + 0.4), layout="constrained")
    for index, (name, (tensor, color)) in enumerate(grids.items()):
        left = index * step + (max(columns, 2) - columns) / 2
        _draw_cells(ax, tensor.detach().cpu(), (rows, columns), left, color, 20 * cell)
        label = f"{name}\n{tuple(tensor.shape)}"
        ax.text(left + columns / 2, rows + 0.25, label, ha="center", va="top", fontsize=9)
    for index, sign in enumerate("+="):
        middle = (index + 1) * step - 0.7
        ax.text(middle, rows / 2, sign, ha="center", va="center", fontsize=13)
    ax.set(xlim=(-0.2, width - 0.2), ylim=(rows + 1.35, -0.1), title=title)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _broadcast_size(a: Tensor, b: Tensor) -> tuple[int, int]:
    """Return the rows and columns of a + b; complain where it cannot be made or drawn."""
    shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
    if max(a.ndim, b.ndim) > 2:
        raise ValueError(f"a and b must have at most two axes each, got shapes {shapes}")
    try:
        shape = torch.broadcast_shapes(a.shape, b.shape)
    except RuntimeError:
        raise ValueError(
            f"a and b must broadcast: sizes equal or 1, seen from the right; got {shapes}"
        ) from None
    rows, columns = (1, 1, *shape)[-2:]
    if not (1 <= rows <= 6 and 1 <= columns <= 6):
        raise ValueError(f"a + b must have 1 to 6 rows and columns, got shape {tuple(shape)}")
    return rows, columns


def _draw_cells(
    ax: Axes, tensor: Tensor, size: tuple[int, int], left: float, color: str, fontsize: float
) -> None:
    """Draw one tensor stretched to size (rows, columns), its copied cells pale."""
    stored = (1, 1, *tensor.shape)[-2:]
    values = tensor.expand(size)
    for row, column in np.ndindex(size):
        real = row < stored[0] and column < stored[1]
        patch = Rectangle((left + column + 0.03, row + 0.03), 0.94, 0.94)
        patch.set(facecolor=color if real else "white", edgecolor="white" if real else "#aaaaaa")
        patch.set_linestyle("-" if real else ":")
        ax.add_patch(patch)
        text = f"{values[row, column].item():.4g}"
        place = (left + column + 0.5, row + 0.52)
        ink, small = "white" if real else "#666666", min(1, 4.5 / len(text))
        ax.text(*place, text, ha="center", va="center", fontsize=small * fontsize, color=ink)


def plot_paths(
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paths: Mapping[str, Sequence[Sequence[float]]],
    *,
    title: str,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    ax: Axes | None = None,
) -> Axes:
    """Draw paths over the contour lines of a landscape; a ring marks a beginning, a square an end.

    Used in notebook 06, for the ways of several optimizers through a valley.

    Args:
        height: the landscape, from arrays of x and y to their heights.
        paths: from a name to the points (x, y) visited, in order.
        title: the picture's title.
        xlim: the left and the right border.
        ylim: the lower and the upper border.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is no path, or a path is not a row of pairs of numbers.
    """
    rows = {name: np.asarray(points, dtype=float) for name, points in paths.items()}
    shapes = {name: row.shape for name, row in rows.items()}
    if not rows or any(len(s) != 2 or s[0] == 0 or s[1] != 2 for s in shapes.values()):
        raise ValueError(f"paths must hold points (x, y) for each name, got shapes {shapes}")
    ax = _new_axes(ax, (5.4, 3.6))
    _draw_contours(ax, height, xlim, ylim)
    for k, (name, row) in enumerate(rows.items()):
        line = ax.plot(*row.T, marker=".", markersize=4, lw=1.3, label=name)
        line[0].set(color=COLORS[k % len(COLORS)], linestyle=DASHES[k % len(DASHES)])
        ax.plot(*row[0], "o", color="black", fillstyle="none", markersize=8, label="_start")
        ax.plot(*row[-1], "s", color=COLORS[k % len(COLORS)], markersize=5, label="_end")
    below, columns = (0.5, -0.2), min(3, len(rows))
    ax.legend(
        loc="upper center", bbox_to_anchor=below, ncol=columns, frameon=False, fontsize="small"
    )
    ax.set(title=title, xlabel="w[0]", ylabel="w[1]", xlim=xlim, ylim=ylim)
    return ax


def _draw_contours(
    ax: Axes,
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
) -> None:
    """Draw lines of equal height, closer together where it is low."""
    x, y = np.meshgrid(np.linspace(*xlim, 200), np.linspace(*ylim, 200))
    z = height(x, y)
    levels = z.min() + (z.max() - z.min()) * (np.arange(1, 12) / 12) ** 2
    ax.contour(x, y, z, levels=levels, colors="#bbbbbb", linewidths=0.7)


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
    shapes = _sizes_of(grids)
    if signs and len(signs) != len(grids) - 1:
        raise ValueError(f"signs must be one fewer than the {len(grids)} grids, got {signs!r}")
    unit = max(1.0, max(map(max, shapes)) / 6)  # the gaps grow with the grids
    places, width, height = _flow(shapes, columns, unit)
    cell = min(0.42, 7.0 / width)  # inches
    ax = _new_axes(None, (width * cell + 0.1, height * cell + 0.4))
    for k, (name, grid) in enumerate(grids.items()):
        left, top = places[k]
        rows, cols = grid.shape
        _draw_grid(ax, grid.detach().cpu(), left, top, 22 * cell)
        ax.text(left + cols / 2, top + rows + 0.15 * unit, name, ha="center", va="top", fontsize=9)
        between = left + cols + 0.75 * unit, top + rows / 2
        sign = signs[k : k + 1]
        ax.text(*between, sign, ha="center", va="center", fontsize=20 if sign == "⋆" else 13)
    ax.set(xlim=(-0.1, width), ylim=(height, -0.1), title=title, aspect="equal")
    ax.axis("off")
    return ax


def _sizes_of(grids: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    """Return the shapes; complain unless all of them are matrices with entries."""
    shapes = {name: tuple(grid.shape) for name, grid in grids.items()}
    if not grids or any(len(shape) != 2 or 0 in shape for shape in shapes.values()):
        raise ValueError(f"grids must hold at least one matrix with entries, got shapes {shapes}")
    return list(shapes.values())


def _flow(
    shapes: list[tuple[int, ...]], columns: int, unit: float
) -> tuple[list[tuple[float, float]], float, float]:
    """Return the upper left corner of each grid, and the width and the height of them all."""
    places, width, top = [], 0.0, 0.0
    for first in range(0, len(shapes), columns):
        line = shapes[first : first + columns]
        left, tallest = 0.0, max(rows for rows, _ in line)
        for rows, cols in line:
            places.append((left, top + (tallest - rows) / 2))
            left += cols + 1.5 * unit
        width, top = max(width, left - 1.4 * unit), top + tallest + 1.6 * unit
    return places, width, top - 0.5 * unit


def _draw_grid(ax: Axes, grid: Tensor, left: float, top: float, fontsize: float) -> None:
    """Draw one matrix; its numbers as well if it is small."""
    rows, columns = grid.shape
    values = grid.double().numpy()
    small = max(rows, columns) <= 8
    bound = (2.0 if small else 1.2) * float(np.abs(values).max()) or 1.0  # pale under letters
    edges = np.arange(columns + 1) + left, np.arange(rows + 1) + top
    mesh = ax.pcolormesh(*edges, values, cmap="PuOr_r", vmin=-bound, vmax=bound)
    mesh.set(edgecolor="#b0b0b0" if small else "face", linewidth=0.6 if small else 0)
    frame = Rectangle((left, top), columns, rows, fill=False, edgecolor="#888888", linewidth=0.8)
    ax.add_patch(frame)
    for row, column in np.ndindex(values.shape) if small else ():
        text = f"{values[row, column] + 0.0:.3g}".replace("-", "−")
        place, scale = (left + column + 0.5, top + row + 0.53), min(1, 3.2 / len(text))
        ax.text(*place, text, ha="center", va="center", fontsize=scale * fontsize)


def draw_windows(
    size: int,
    kernel: int,
    *,
    title: str,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    cells: Sequence[tuple[int, int]] | None = None,
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
    ax = _new_axes(None)
    for row, col in np.ndindex(size + 2 * padding, size + 2 * padding):
        _draw_place(ax, row - padding, col - padding, size)
    for k, (row, col) in enumerate(chosen):
        _draw_window(ax, row * stride - padding, col * stride - padding, span, dilation, k)
    gap, below = size + padding + 1.5, size + padding + 0.3
    _draw_output(ax, out, chosen, gap, (size - out) / 2)
    words = f"input {size}×{size}" + (f", padding {padding}" if padding else "")
    for middle, text in (size / 2, words), (gap + out / 2, f"output {out}×{out}"):
        ax.text(middle, below, text, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-padding - 0.2, gap + max(out, 2.5) + 0.2), ylim=(below + 0.8, -padding - 0.2))
    ax.set(title=title, aspect="equal")
    ax.axis("off")
    return ax


def _cells_to_show(out: int, cells: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
    """Return the output cells whose windows are drawn; complain if there are too many or none."""
    usual = dict.fromkeys([(0, 0), (0, min(1, out - 1)), (out - 1, out - 1)])
    chosen = list(usual if cells is None else cells)
    inside = all(0 <= row < out and 0 <= col < out for row, col in chosen)
    if not inside or not 1 <= len(chosen) <= 3:
        raise ValueError(f"cells must be one to three of the {out}×{out} output, got {chosen}")
    return chosen


def _draw_output(
    ax: Axes, out: int, chosen: list[tuple[int, int]], left: float, top: float
) -> None:
    """Draw the output, the chosen cells in the colours of their windows."""
    inks = dict(zip(chosen, COLORS, strict=False))
    for row, col in np.ndindex(out, out):
        patch = Rectangle((left + col, top + row), 1, 1, edgecolor="#888888")
        patch.set_facecolor(inks.get((row, col), "white"))
        ax.add_patch(patch)


def _draw_place(ax: Axes, row: int, col: int, size: int) -> None:
    """Draw one cell of the input, or of the padding around it, which holds a zero."""
    inside = 0 <= row < size and 0 <= col < size
    patch = Rectangle((col + 0.03, row + 0.03), 0.94, 0.94, linestyle="-" if inside else ":")
    patch.set(facecolor="#e9edf2" if inside else "white", edgecolor="#888888", linewidth=0.7)
    ax.add_patch(patch)
    if not inside:
        ax.text(col + 0.82, row + 0.22, "0", ha="center", va="center", fontsize=6, color="#666666")


def _draw_window(ax: Axes, top: int, left: int, span: int, dilation: int, number: int) -> None:
    """Frame one window and put a dot into each cell that it reads."""
    inset, shift = 0.05 + 0.05 * number, 0.2 * (number - 1)
    side = span - 2 * inset
    frame = Rectangle((left + inset, top + inset), side, side, fill=False, linewidth=2)
    frame.set(edgecolor=COLORS[number], linestyle=DASHES[number])
    ax.add_patch(frame)
    steps = np.arange(0, span, dilation) + 0.5 + shift
    columns, rows = np.meshgrid(left + steps, top + steps)
    ax.plot(columns.ravel(), rows.ravel(), "o", color=COLORS[number], markersize=4)


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
    _, ax = plt.subplots(figsize=(1.9 * len(groups) + 0.4, 2.9), layout="constrained")
    tallest = max(in_channels, out_channels)
    for panel, count in enumerate(groups):
        left = 4.2 * panel
        for row, column in np.ndindex(out_channels, in_channels):
            group = row * count // out_channels
            if group == column * count // in_channels:
                line = [left + 0.8, left + 2.2], [column + 0.4, row + 0.4]
                ax.plot(*line, color=COLORS[group % len(COLORS)], lw=1.5)
        _draw_channel_squares(ax, left, in_channels, count)
        _draw_channel_squares(ax, left + 2.2, out_channels, count)
        kernels = in_channels * out_channels // count
        words = f"{count} group{'s' * (count > 1)}\n{kernels} kernels"
        ax.text(left + 1.5, tallest + 0.1, words, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.2, 4.2 * len(groups) - 1), ylim=(tallest + 1.1, -0.2), title=title)
    ax.axis("off")
    return ax


def _draw_channel_squares(ax: Axes, left: float, channels: int, groups: int) -> None:
    """Draw one square a channel, in the colour of its group."""
    for k in range(channels):
        color = COLORS[k * groups // channels % len(COLORS)]
        ax.add_patch(Rectangle((left, k), 0.8, 0.8, color=color))


def plot_bars(
    values: Mapping[str, float], *, title: str, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Draw one horizontal bar for each name, the first on top, with its number at the end.

    Built in notebook 14, for where the time of a training step goes.

    Args:
        values: from a name to a number, 0 or more.
        title: the picture's title.
        xlabel: what the numbers are.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to draw, or a number is negative or not finite.
    """
    numbers = np.array(list(values.values()), dtype=float)
    if not len(numbers) or not np.isfinite(numbers).all() or (numbers < 0).any():
        raise ValueError(f"values must hold finite numbers, 0 or more, got {dict(values)}")
    ax = _new_axes(ax, (5.4, 0.28 * len(numbers) + 0.9))
    bars = ax.barh(list(values), numbers, color=COLORS[0])
    ax.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.set(title=title, xlabel=xlabel, xlim=(0, 1.15 * (numbers.max() or 1)))
    ax.tick_params(axis="y", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax

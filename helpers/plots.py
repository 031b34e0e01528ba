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

from helpers.training import History

# Okabe and Ito's colours, which colour-blind readers can tell apart (their yellow is too pale for
# a line); each with a dash of its own, so that a grey print still works.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", ":"]


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

    Built in notebook 10. Loss and accuracies share one axis, as both start near their worst.

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

    Built in notebook 10.

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

    Built in notebook 10.

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

    Built in notebook 10. One scale serves all kernels, so that their strengths compare.

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

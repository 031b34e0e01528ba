"""Charts of what was measured: each function takes data, returns Axes, never touches a model."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

if TYPE_CHECKING:
    from helpers.metrics import History

# Okabe and Ito's colours, which colour-blind readers can tell apart (their yellow is too pale for
# a line); each with a dash of its own, so that a grey print still works. Where a colour says more
# than which curve it is, it says in all notebooks: blue, what goes forward; vermilion, what comes
# back (gradients, slopes); green, what is learned. Grey is what others are compared with.
# In grids, maps and kernels of signed numbers, red is positive, blue negative, and white is 0.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", ":"]
LOOKS: list[Any] = [{"color": c, "linestyle": DASHES[k % 4]} for k, c in enumerate(COLORS * 4)]

# How a number stands beside what it belongs to.
BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8}

# Titles and names such as "100 %" and "w_1" are plain text: a reader whose own settings send all
# text through TeX would get errors, or no picture at all where TeX is missing.
plt.rcParams["text.usetex"] = False


def plot_losses(
    losses: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str = "step",
    ylabel: str = "loss",
    log: bool = True,
    start: int = 0,
    at: Sequence[float] = (),
    beside: bool = False,
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
        at: where the numbers stand instead, on a log scale.
        beside: let the names stand beside the picture, where they cover no curve.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to plot, or the curves are not equally long.
    """
    curves = losses if isinstance(losses, Mapping) else {ylabel: losses}
    lengths = {label: len(values) for label, values in curves.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"losses must be equally long, at least one value each, got {lengths}")
    ax = _axes(ax, (6.4, 3.2) if beside else (4.6, 3.2))
    for (label, values), look in zip(curves.items(), cycle(LOOKS), strict=False):
        steps = at or range(start, start + len(values))
        ax.plot(steps, values, marker="." if len(values) <= 30 else None, label=label, **look)
    if len(curves) > 1:
        where: Any = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if beside else {}
        ax.legend(frameon=False, fontsize="small", **where)
    scale = "log" if log else "linear"
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=scale)
    if at:
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(alpha=0.3)
    return ax


def plot_rates(
    losses: Mapping[str, Sequence[float]], *, title: str, limits: tuple[float, float]
) -> Axes:
    """Plot the losses of several learning rates, each named at its end, or where it leaves.

    Used in notebooks 02 and 05.

    Args:
        losses: from a rate to its losses, all equally long.
        title: the picture's title.
        limits: the lowest and the highest loss in the picture.
    """
    ax, top = plot_losses(losses, title=title), limits[1]
    if legend := ax.get_legend():
        legend.remove()
    ax.set(xlim=(-15, len(next(iter(losses.values())))), ylim=limits)
    for line, (rate, values) in zip(ax.get_lines(), losses.items(), strict=True):
        left = next((step for step, loss in enumerate(values) if not loss < top), None)
        look: Any = {"color": line.get_color(), "textcoords": "offset points", "fontsize": "small"}
        if left is None:
            ax.annotate(rate, (len(values), values[-1]), (4, -3), annotation_clip=False, **look)
        else:
            look["arrowprops"] = {"arrowstyle": "->", "color": line.get_color()}
            ax.annotate(f"{rate}: off the page in {left} steps", (left, top), (40, -25), **look)
    return ax


def plot_history(history: "History", *, title: str) -> np.ndarray:
    """Plot the losses by epoch, and beside them the accuracies, of the test where there is one.

    Built in notebook 11.

    Returns:
        The Axes, (2,).

    Raises:
        ValueError: the history is empty, or its lists are not equally long.
    """
    losses, accuracies = {"train": history.train_loss}, {"train": history.train_accuracy}
    if (n := len(history.train_loss)) != (k := len(history.train_accuracy)):
        raise ValueError(f"losses and accuracies must be equally long, got {n} and {k}")
    if history.test_accuracy:
        losses["test"], accuracies["test"] = history.test_loss, history.test_accuracy
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.0), layout="constrained")
    words: dict[str, Any] = {"title": "", "xlabel": "epoch", "log": False, "start": 1}
    plot_losses(losses, ylabel="loss", ax=axes[0], **words).set_ylim(bottom=0)
    plot_losses(accuracies, ylabel="accuracy", ax=axes[1], **words).set_ylim(0, 1)
    figure.suptitle(title)
    return axes


def plot_bars(
    values: Mapping[str, float],
    *,
    title: str,
    xlabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal bar for each name, the first on top, with its number at the end.

    Built in notebook 14, for how long batches take to arrive.

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
    ax = _axes(ax, (5.4, 0.28 * len(numbers) + 0.9))
    bars = ax.barh(list(values), numbers, color=COLORS[0])
    labels = [f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in numbers]
    ax.bar_label(bars, labels, padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.set(title=title, xlabel=xlabel, xlim=(0, 1.15 * (numbers.max() or 1)))
    ax.tick_params(axis="y", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_staircase(
    measured: Mapping[str, Sequence[float]],
    *,
    title: str,
    ylabel: str,
    now: Mapping[str, float] | None = None,
    ylim: tuple[float, float] = (0, 1),
    ax: Axes | None = None,
) -> Axes:
    """Draw a step as high as the mean for each name, in order, a whisker over what was measured.

    Built in notebook 12, for what each change to a network is worth over several seeds.

    Args:
        measured: from a name to its numbers, one for each seed.
        title: the picture's title.
        ylabel: what the numbers are.
        now: from some of the names to a number of this moment, drawn as a point.
        ylim: the part of the vertical axis that is shown; a step below it gets an arrow down.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to draw, or `now` has a name that `measured` has not.
    """
    if not measured or not all(map(len, measured.values())) or not {*(now or {})} <= {*measured}:
        raise ValueError(f"measured must hold numbers for each name, got {dict(measured)}")
    ax = _axes(ax, (6.6, 3.6))
    means = [float(np.mean(numbers)) for numbers in measured.values()]
    edges = np.arange(len(means) + 1) - 0.5
    ax.stairs(means, edges, baseline=None, color=COLORS[0], linewidth=1.6)
    for place, (mean, numbers) in enumerate(zip(means, measured.values(), strict=True)):
        ax.vlines(place, min(numbers), max(numbers), color=COLORS[0], linewidth=4, alpha=0.5)
        _tell_height(ax, place, mean, max(numbers), ylim[0])
    names = list(measured)
    if now:
        places = [names.index(name) + 0.25 for name in now]  # beside the whisker
        ax.plot(places, list(now.values()), "o", color=COLORS[6], markersize=4, label="this run")
        ax.legend(frameon=False, fontsize="small", loc="lower right")
    ax.set(title=title, ylabel=ylabel, ylim=ylim)
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
    ax.grid(axis="y", alpha=0.3)
    return ax


def plot_slopes(
    function: Callable[[Tensor], Tensor],
    *,
    title: str,
    behind: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a function from -3 to 3 and, on it, strokes with the slopes that its backward claims.

    Built in notebook 04. Where a stroke lies on the curve, the claim is true there.

    Args:
        function: from a tensor (N,) to one of the same shape, entry by entry.
        title: the picture's title.
        behind: from a name to another such function, drawn in grey for comparison.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: the function returns another shape than it is given.
    """
    curve = _curve(function)
    height = np.nanmax(curve[1]) - np.nanmin(curve[1])
    ax = _axes(ax, (4.6, max(2.8, 0.9 + 0.65 * height)))  # as wide for a high curve as for a low
    for name, other in (behind or {}).items():
        ax.plot(*_curve(other), color="0.6", lw=1.2, ls="--", label=name)
    ax.plot(*curve, color=COLORS[0], lw=4, alpha=0.5, label="forward")
    x = torch.arange(-2.75, 3, 0.5, dtype=torch.float64, requires_grad=True)
    y = function(x)
    (slopes,) = torch.autograd.grad(y.sum(), x)
    along = 0.16 * torch.stack([torch.ones_like(slopes), slopes]) / (1 + slopes**2).sqrt()
    middles = torch.stack([x, y]).detach()
    strokes = torch.stack([middles - along, middles + along])  # (end, x or y, stroke)
    lines = ax.plot(strokes[:, 0], strokes[:, 1], color=COLORS[1], lw=2)
    lines[0].set_label("slope that backward claims")
    ax.set(title=title, xlabel="x", ylabel="y", aspect="equal", xticks=range(-3, 4))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    ax.grid(alpha=0.3)
    return ax


def plot_step(
    loss_at: Callable[[float], float],
    start: float,
    slope: float,
    end: float,
    *,
    xlabel: str,
    title: str,
) -> Axes:
    """Draw a loss over one weight, its tangent at `start`, and one step from there to `end`.

    Used in notebook 02.

    Args:
        loss_at: from the weight to the loss.
        start: the weight before the step.
        slope: the slope of the loss there.
        end: the weight after the step.
        xlabel: what the weight is called.
        title: the picture's title.
    """
    ax, reach = _axes(None), 2 * abs(end - start)
    weights = np.linspace(start - 1.5 * reach, start + reach / 2, 200)
    ax.plot(weights, [loss_at(float(w)) for w in weights], color=COLORS[0], label="loss")
    touching, loss = np.array([start - reach / 4, start + reach / 4]), loss_at(start)
    name = f"tangent, slope {slope:g}"
    ax.plot(touching, loss + slope * (touching - start), "--", color=COLORS[1], label=name)
    ax.plot([start, end], [loss, loss_at(end)], "o", color=COLORS[2])
    arrow = {"arrowstyle": "->", "color": COLORS[2], "shrinkA": 5, "shrinkB": 5}
    ax.annotate("", (end, loss_at(end)), (start, loss), arrowprops=arrow)
    ax.annotate(f"{loss:g}", (start, loss), (8, -6), textcoords="offset points")
    ax.annotate(f"{loss_at(end):.2g}", (end, loss_at(end)), (-26, 8), textcoords="offset points")
    ax.set(title=title, xlabel=xlabel, ylabel="loss")
    ax.legend(frameon=False, fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def plot_surprise(marks: Mapping[str, float], *, title: str) -> Axes:
    """Draw what a probability costs, minus its logarithm, and mark some by name.

    Built in notebook 05, for the loss of a class.

    Args:
        marks: from a name to a probability above 0.
        title: the picture's title.
    """
    ax = _axes(None, (4.6, 3.2))
    p = np.linspace(0.004, 1, 500)
    ax.plot(p, -np.log(p), color=COLORS[0], lw=2)
    for name, share in marks.items():
        ax.plot(share, -np.log(share), "o", color=COLORS[0])
        beside: dict[str, Any] = {**BESIDE, "xytext": (8, 6)}
        ax.annotate(f"{name} costs {np.log(1 / share):.2f}", (share, -np.log(share)), **beside)
    ax.set(title=title, xlabel="probability of the right class, p", ylabel="−log p")
    ax.grid(alpha=0.3)
    return ax


def plot_softmax(
    probabilities: Tensor, labels: Tensor, class_names: Sequence[str], *, title: str
) -> np.ndarray:
    """Draw probabilities beside what cross-entropy sends back: p minus one-hot, in vermilion.

    Built in notebook 05. A dashed outline is the one-hot label.

    Args:
        probabilities: (N, C).
        labels: (N,), whole numbers below C.
        class_names: C names.
        title: the picture's title.

    Returns:
        The Axes, (N, 2): a row for each sample.

    Raises:
        ValueError: there is no sample, or the shapes do not fit.
    """
    shape = (len(labels), len(class_names))
    if tuple(probabilities.shape) != shape or 0 in shape:
        got = tuple(probabilities.shape)
        raise ValueError(f"probabilities must have shape {shape}, as the others say, got {got}")
    size = 5.4, 1.35 * len(labels) + 0.6
    panels: Any = {"sharex": True, "sharey": "col", "squeeze": False}
    figure, grid = plt.subplots(len(labels), 2, figsize=size, layout="constrained", **panels)
    figure.suptitle(title)
    wanted = np.eye(len(class_names))[labels.cpu().numpy()]
    shares = probabilities.detach().cpu().double().numpy()
    rows = zip(grid, shares, wanted, strict=True)
    for number, ((left, right), share, one_hot) in enumerate(rows, start=1):
        left.set_title(f"sample {number}: {class_names[one_hot.argmax()]}", fontsize="medium")
        left.bar(class_names, one_hot, fill=False, edgecolor="0.5", linestyle="--")
        _put_bars(left, class_names, share, COLORS[0])
        _put_bars(right, class_names, share - one_hot, COLORS[1])
        left.set(ylim=(0, 1.2), ylabel="p")
        right.set(ylim=(-0.95, 0.95), ylabel="p − one-hot")
    return grid


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
    ax = _axes(ax, (5.4, 3.6))
    _contours(ax, height, xlim, ylim)
    for (name, row), look in zip(rows.items(), cycle(LOOKS), strict=False):
        ax.plot(*row.T, marker=".", markersize=4, lw=1.3, label=name, **look)
        ax.plot(*row[0], "o", color="black", fillstyle="none", markersize=8, label="_start")
        ax.plot(*row[-1], "s", color=look["color"], markersize=5, label="_end")
    below: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
    ax.legend(frameon=False, fontsize="small", ncol=3, **below)
    ax.set(title=title, xlabel="w[0]", ylabel="w[1]", xlim=xlim, ylim=ylim)
    return ax


def plot_each_path(
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    paths: Mapping[str, Sequence[Sequence[float]]],
    *,
    behind: Sequence[Sequence[float]],
    title: str,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
) -> np.ndarray:
    """Draw each path in a landscape of its own, three in a row, and behind each the same other one.

    Used in notebook 06, for each optimizer against plain gradient descent.

    Args:
        height: the landscape, from arrays of x and y to their heights.
        paths: from a name to the points (x, y) visited, in order; the name stands above.
        behind: the points of the path to compare with, drawn in pale blue.
        title: the picture's title.
        xlim: the left and the right border.
        ylim: the lower and the upper border.

    Returns:
        The Axes, one a path, (N,).

    Raises:
        ValueError: there is no path.
    """
    if not paths:
        raise ValueError("paths must hold points (x, y) for each name, got none")
    rows = -(-len(paths) // 3)
    sharing: Any = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, grid = plt.subplots(rows, 3, figsize=(7.2, 1.9 * rows + 0.5), **sharing)
    figure.suptitle(title)
    for ax, name in zip(grid.flat, paths, strict=False):
        _contours(ax, height, xlim, ylim, count=7)
        ax.plot(*np.asarray(behind).T, color=COLORS[0], alpha=0.35, lw=1, label="_behind")
        points = np.asarray(paths[name], dtype=float)
        ax.plot(*points.T, ".-", color=COLORS[2], markersize=4, lw=1.3, label=name)
        ax.plot(*points[-1], "s", color=COLORS[2], markersize=5, label="_end")
        ax.set_title(name, fontsize="medium")
        ax.set(xlim=xlim, ylim=ylim)
    for ax in grid.flat[len(paths) :]:
        ax.axis("off")
    figure.supxlabel("w[0]", fontsize="medium")
    figure.supylabel("w[1]", fontsize="medium")
    return grid.flat[: len(paths)]


def plot_confusion_matrix(
    matrix: Tensor, class_names: Sequence[str], *, title: str, ax: Axes | None = None
) -> Axes:
    """Draw a confusion matrix: rows are the true classes; the more mistakes, the deeper the orange.

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
    ticks = range(len(class_names))
    if counts.shape != (len(ticks), len(ticks)):
        wanted = f"(C, C) for {len(ticks)} class names"
        raise ValueError(f"matrix must have shape {wanted}, got {counts.shape}")
    ax = _axes(ax, (5.6, 5.0))
    wrong = counts * (1.0 - np.eye(len(ticks)))  # on a scale of their own, or one sees the right
    wrong /= counts.sum(axis=1, keepdims=True).clip(min=1)
    np.fill_diagonal(wrong, np.nan)
    ax.imshow(wrong, cmap="Oranges", vmin=0, vmax=1.5 * max(np.nan_to_num(wrong).max(), 0.01))
    ax.set_facecolor("0.88")  # of the diagonal
    for row, column in np.argwhere(counts):
        text = str(counts[row, column])
        ax.text(column, row, text, ha="center", va="center", fontsize=7)
    ax.set_xticks(ticks, class_names, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(ticks, class_names, fontsize=8)
    ax.set(title=title, xlabel="predicted", ylabel="true")
    return ax


def show_images(
    images: Tensor,
    titles: Sequence[str] | None = None,
    *,
    title: str,
    columns: int = 10,
    size: float = 1.0,
    marked: str | None = None,
) -> np.ndarray:
    """Show images in a grid, brightest pixel of the type (255 or 1) in white.

    Used from notebook 05 on.

    Args:
        images: (N, H, W) or (N, 1, H, W), uint8 or float in [0, 1].
        titles: one line above each image, or more.
        title: the picture's title.
        columns: how many images stand side by side.
        size: how high each image is; 1 suits a row of ten square ones.
        marked: what stands in the titles that are drawn in orange, such as "no:".

    Returns:
        The Axes, one an image, (N,).

    Raises:
        ValueError: no images, another shape, or not one title for each.
    """
    pixels = _grey(images, "images")
    lines = [""] * len(pixels) if titles is None else titles
    if len(lines) != len(pixels):
        raise ValueError(f"titles must be one for each of {len(pixels)} images, got {len(lines)}")
    tallest = max(len(line.splitlines()) for line in lines)
    white = 255 if pixels.dtype == np.uint8 else 1.0
    height = 0.95 * size + (0.08 + 0.04 * size) * tallest
    wide = size * pixels.shape[2] / pixels.shape[1]
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": white}
    axes = _show_each(pixels, columns, height, title, width=0.85 * wide, **grey)
    for ax, line in zip(axes, lines, strict=True):
        color = "black" if marked is None or marked not in line else COLORS[1]
        ax.set_title(line, fontsize=4 + wide + 2 * size, color=color)
    return axes


def plot_answers(kernels: Tensor, image: Tensor, maps: Tensor, *, title: str) -> np.ndarray:
    """Draw convolution kernels, and below each of them the map that it makes of one picture.

    Built in notebook 11. Kernels are red where positive and blue where negative, on one scale;
    each map is as dark as its numbers are large, and white at 0.

    Args:
        kernels: (C, 1, kH, kW).
        image: (1, H, W).
        maps: (C, H, W), 0 or more.
        title: the picture's title.

    Returns:
        The Axes, (2, C + 1): the picture stands in the first column, below.

    Raises:
        ValueError: kernels and maps are not equally many.
    """
    weights, shown = _grey(kernels, "kernels"), _grey(maps, "maps")
    if len(weights) != len(shown):
        raise ValueError(f"maps must be one for each of {len(weights)} kernels, got {len(shown)}")
    size = 0.95 * (len(weights) + 1), 2.5
    figure, grid = plt.subplots(2, len(weights) + 1, figsize=size, layout="constrained")
    figure.suptitle(title)
    bound = float(np.abs(weights).max()) or 1.0
    grid[1, 0].imshow(_grey(image, "image")[0], cmap="gray")
    for column, (kernel, answer) in enumerate(zip(weights, shown, strict=True), start=1):
        grid[0, column].imshow(kernel, cmap="RdBu_r", vmin=-bound, vmax=bound)
        grid[1, column].imshow(answer, cmap="Greys", vmin=0)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    grid[0, 0].axis("off")
    return grid


def plot_stacks(
    stacks: Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str,
    apart: Collection[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal bar for each name, cut where its pieces meet, with its sum at the end.

    Built in notebook 15, for the tensors that a training step keeps.

    Args:
        stacks: from a name to numbers, 0 or more.
        title: the picture's title.
        xlabel: what the numbers are.
        apart: names whose bars have another colour, because they say something else.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to draw, or a number is negative or not finite.
    """
    pieces = {name: np.array(numbers, dtype=float) for name, numbers in stacks.items()}
    if not all(np.isfinite(p).all() and (p >= 0).all() for p in pieces.values()) or not pieces:
        raise ValueError(f"stacks must hold finite numbers, 0 or more, got {dict(stacks)}")
    ax = _axes(ax, (5.4, 0.32 * len(pieces) + 0.9))
    for row, (name, numbers) in enumerate(pieces.items()):
        lefts = np.cumsum(numbers) - numbers
        color = COLORS[5 if name in apart else 0]
        look: Any = {"color": color, "edgecolor": "white", "linewidth": 0.8}
        ax.barh([row] * len(numbers), numbers, left=lefts, **look)
        ax.text(numbers.sum(), row, f" {numbers.sum():.3g}", va="center", fontsize=8)
    ax.set_yticks(range(len(pieces)), list(pieces))
    ax.invert_yaxis()
    longest = max(numbers.sum() for numbers in pieces.values())
    ax.set(title=title, xlabel=xlabel, xlim=(0, 1.12 * (longest or 1)))
    ax.tick_params(axis="y", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_sizes(
    groups: Mapping[str, Tensor], smallest: float, largest: float, *, title: str, xlabel: str
) -> np.ndarray:
    """Draw how large numbers are, a panel for each group, and shade what a format cannot hold.

    Built in notebook 15, for gradients in float16. Signs are dropped; zeros are left out.

    Args:
        groups: from a name to numbers.
        smallest: the format's smallest number above 0.
        largest: its largest.
        title: the picture's title.
        xlabel: what the numbers are.

    Returns:
        The Axes, one a group, (N,).

    Raises:
        ValueError: there is no group, or one has nothing but zeros.
    """
    sizes = {name: numbers.detach().abs().flatten().cpu() for name, numbers in groups.items()}
    if not sizes or any(not numbers.any() for numbers in sizes.values()):
        raise ValueError(f"groups must each hold a number other than 0, got {list(sizes)}")
    shape: Any = {"nrows": len(sizes), "sharex": True, "sharey": True, "squeeze": False}
    figure, grid = plt.subplots(
        figsize=(5.4, 1.3 * len(sizes) + 0.9), layout="constrained", **shape
    )
    figure.suptitle(title)
    for ax, (name, numbers) in zip(grid[:, 0], sizes.items(), strict=True):
        ax.hist(numbers[numbers > 0].numpy(), bins=np.logspace(-14, 8, 89), color=COLORS[1])
        ax.axvspan(1e-14, smallest, color="0.85", zorder=0)
        ax.axvspan(largest, 1e8, color="0.85", zorder=0)
        ax.set(xscale="log", xlim=(1e-14, 1e8), ylabel="how many")
        ax.set_title(name, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    for end, word, side in (smallest, "too small ", "right"), (largest, " too large", "left"):
        place: Any = {"va": "top", "ha": side, "transform": grid[0, 0].get_xaxis_transform()}
        grid[0, 0].text(end, 0.97, word, fontsize=8, color="0.3", **place)
    grid[-1, 0].set_xlabel(xlabel)
    return grid[:, 0]


def plot_shares(
    totals: Mapping[str, Mapping[str, float]], *, accent: Collection[str], title: str
) -> Axes:
    """Draw what share of each total its parts have: a bar of full length for each, cut up.

    Built in notebook 10, for LeNet's parameters and its work. The parts that have room carry
    their names.

    Args:
        totals: from the name of a total to its parts, by name; the same parts in each.
        accent: the parts that the picture is about, in blue, with their sum above the bar; the
            others are grey.
        title: the picture's title.

    Raises:
        ValueError: there is no total, its parts have other names than the first one's, are
            negative or add up to nothing.
    """
    names = list(next(iter(totals.values()), {}))
    if any(list(parts) != names or not _can_be_shared(parts) for parts in totals.values()):
        raise ValueError(f"totals must have the same parts, 0 or more and not all 0, got {totals}")
    if not names:
        raise ValueError("totals must hold at least one total with parts, got none")
    ax = _axes(None, (6.4, 0.9 * len(totals) + 0.8))
    lefts = np.zeros(len(totals))
    for name, color in _in_blue_and_grey(names, accent).items():
        shares = np.array([100 * parts[name] / sum(parts.values()) for parts in totals.values()])
        bars = ax.barh(list(totals), shares, 0.6, lefts, color=color, edgecolor="white")
        words = [f"{name}\n{share:.0f} %" if share >= 8 else "" for share in shares]
        ax.bar_label(bars, words, label_type="center", fontsize=8)
        lefts += shares
    for row, parts in enumerate(totals.values()):
        share = 100 * sum(parts[name] for name in accent) / sum(parts.values())
        ax.text(0, row - 0.33, f"blue: {share:.0f} %", color=COLORS[0], va="bottom", fontsize=9)
    ax.set(title=title, xlabel="share in per cent", xlim=(0, 100), ylim=(len(totals) - 0.6, -0.7))
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def plot_spread(
    values: Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str,
    chance: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a bar up to the mean of each name's numbers, a dot for each, a whisker over all of them.

    Built in notebook 16, where one draw of fifty pictures could mislead.

    Args:
        values: from a name to the numbers of its runs, 0 or more; the first on top.
        title: the picture's title.
        xlabel: what the numbers are.
        chance: what a guess would get, a dashed line; None for no such line.
        ax: where to draw; a new picture if None.

    Raises:
        ValueError: there is nothing to draw, a name has no number, or one is negative or no number.
    """
    rows = [np.array(numbers, dtype=float) for numbers in values.values()]
    if not rows or not all(len(row) and np.isfinite(row).all() and row.min() >= 0 for row in rows):
        raise ValueError(f"values must hold finite numbers, 0 or more, got {dict(values)}")
    ax = _axes(ax, (6.0, 0.45 * len(rows) + 1.0))
    ax.barh(list(values), [row.mean() for row in rows], color=COLORS[5], alpha=0.55, height=0.6)
    for place, row in enumerate(rows):
        ax.plot([row.min(), row.max()], [place, place], "|-", color="0.25", ms=9, lw=1.2)
        ax.plot(row, np.full(len(row), place), "o", color=COLORS[0], ms=4)
        ax.annotate(f"{row.mean():.2f}", (row.max(), place), (7, 0), **BESIDE)
    if chance is not None:
        ax.axvline(chance, color="0.4", linestyle="--", linewidth=1, label="a guess")
        ax.legend(frameon=False, fontsize=8)
    ax.set(title=title, xlabel=xlabel, xlim=(0, 1.15 * max(row.max() for row in rows)))
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def show_guesses(
    pictures: Tensor,
    guesses: Sequence[str],
    truths: Sequence[str] | None = None,
    *,
    title: str,
    columns: int = 10,
) -> np.ndarray:
    """Show colour pictures, each with a word above it; wrong words are vermilion, with the truth.

    Built in notebook 16.

    Args:
        pictures: (N, 3, H, W) float in [0, 1].
        guesses: a word for each picture.
        truths: what each picture is, or None if all words are right.
        title: the picture's title.
        columns: how many pictures stand side by side.

    Returns:
        The Axes, one a picture, (N,).

    Raises:
        ValueError: no pictures, another shape, or not one word for each.
    """
    shape, truths = tuple(pictures.shape), list(guesses if truths is None else truths)
    if len(shape) != 4 or shape[1] != 3 or not 0 < shape[0] == len(guesses) == len(truths):
        counts = f"{len(guesses)} and {len(truths)} words"
        raise ValueError(f"pictures must be (N, 3, H, W) with N words, got {shape}, {counts}")
    pixels = pictures.detach().cpu().clamp(0, 1).permute(0, 2, 3, 1).numpy()
    axes = _show_each(pixels, columns, 1.2, title)
    for ax, guess, truth in zip(axes, guesses, truths, strict=True):
        words, color = (guess, "black") if guess == truth else (f"{guess}?\n{truth}", COLORS[1])
        ax.set_title(words, fontsize=8.5, color=color)
    return axes


def plot_clouds(
    features: Mapping[str, Tensor], kinds: Sequence[str], shown: Sequence[str], *, title: str
) -> np.ndarray:
    """Draw each picture's features as a dot, along the two directions in which they differ most.

    Built in notebook 16, for a borrowed body and a random one.

    Args:
        features: from a body's name to its features of the same pictures, (N, D).
        kinds: what each picture is, (N,).
        shown: the kinds that are drawn, each in a colour and a shape of its own.
        title: the picture's title.

    Returns:
        The Axes, one a body.

    Raises:
        ValueError: there is nothing to draw, or not one kind for each picture.
    """
    lengths = [len(rows) for rows in features.values()]
    if not lengths or {len(kinds)} != set(lengths) or not set(shown) & set(kinds):
        raise ValueError(f"features must hold a row for each of the kinds, got {lengths}")
    size: Any = {"figsize": (7.0, 3.4), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(features), **size)
    figure.suptitle(title)
    rows = [place for place, kind in enumerate(kinds) if kind in shown]
    for ax, (name, values) in zip(axes[0], features.items(), strict=True):
        dots = _flattened(values[rows])
        for kind, marker, number in zip(shown, cycle("o^sD"), cycle((0, 4, 3, 6)), strict=False):
            some = dots[[kinds[row] == kind for row in rows]]
            ax.plot(*some.T, marker, color=COLORS[number], alpha=0.8, ms=5, label=kind)
        ax.set(xlabel="direction 1", xticks=[], yticks=[])
        ax.set_title(name, fontsize=10)
    axes[0, 0].set_ylabel("direction 2")
    place: Any = {"loc": "outside lower center", "ncols": len(shown), "frameon": False}
    figure.legend(*axes[0, 0].get_legend_handles_labels(), **place)
    return axes[0]


def show_seen(photo: Tensor, names: Mapping[str, float], *, title: str) -> np.ndarray:
    """Show a photograph, and beside it what a network takes it for: a bar for each name.

    Built in notebook 16.

    Args:
        photo: (3, H, W) float in [0, 1].
        names: from a name to its probability, the first on top.
        title: the picture's title.

    Returns:
        The two Axes, (2,).

    Raises:
        ValueError: the photo has another shape, or there is no name.
    """
    if photo.ndim != 3 or len(photo) != 3:
        raise ValueError(f"photo must be (3, H, W), got {tuple(photo.shape)}")
    size: Any = {"figsize": (6.4, 2.3), "width_ratios": (1, 1.8), "layout": "constrained"}
    figure, axes = plt.subplots(1, 2, **size)
    figure.suptitle(title)
    axes[0].imshow(photo.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy())
    axes[0].axis("off")
    plot_bars(names, title="", xlabel="probability", ax=axes[1])
    return axes


def _axes(ax: Axes | None, size: tuple[float, float] = (4.6, 3.2)) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _flattened(values: Tensor) -> np.ndarray:
    """Return the two principal components of rows (N, D), (N, 2)."""
    centred = values.detach().double().cpu() - values.detach().double().cpu().mean(0)
    return (centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T).numpy()


def _can_be_shared(parts: Mapping[str, float]) -> bool:
    """Tell whether numbers are 0 or more and have a sum to be shared."""
    return all(part >= 0 for part in parts.values()) and 0 < sum(parts.values()) < np.inf


def _in_blue_and_grey(names: Sequence[str], accent: Collection[str]) -> dict[str, str]:
    """Return a colour for each name: blue for those that a picture is about, greys for others."""
    greys = cycle(["0.7", "0.8", "0.9"])
    return {name: COLORS[5] if name in accent else next(greys) for name in names}


def _tell_height(ax: Axes, place: float, mean: float, top: float, bottom: float) -> None:
    """Write a step's mean above its whisker, or over an arrow down if it is below the picture."""
    look: dict[str, Any] = BESIDE | {"ha": "center", "va": "bottom"}
    if mean < bottom:
        look["arrowprops"] = {"arrowstyle": "->", "color": COLORS[0]}
        ax.annotate(f"{mean:.3f}", (place, bottom), (0, 30), **look)
    else:
        ax.annotate(f"{mean:.3f}", (place, top), (0, 4), **look)


def _contours(
    ax: Axes,
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    count: int = 11,
) -> None:
    """Draw contour lines, closer together where it is low, and a plus at the lowest point."""
    x, y = np.meshgrid(np.linspace(*xlim, 200), np.linspace(*ylim, 200))
    z = height(x, y)
    levels = z.min() + np.ptp(z) * (np.arange(1, count + 1) / (count + 1)) ** 2
    ax.contour(x, y, z, levels=levels, colors="#bbbbbb", linewidths=0.7)
    lowest = z.argmin()
    ax.scatter(x.flat[lowest], y.flat[lowest], marker="+", color="black", zorder=3)


def _put_bars(ax: Axes, names: Sequence[str], numbers: np.ndarray, color: str) -> None:
    """Draw one bar for each name, with its number at the end, and a line at 0."""
    bars = ax.bar(names, numbers, color=color, width=0.6)
    ax.bar_label(bars, fmt="{:.3g}", padding=2, fontsize=8)
    ax.axhline(0, color="black", lw=0.8)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)


def _curve(function: Callable[[Tensor], Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Return x from -3 to 3 and the function's values, with a gap where they jump."""
    x = torch.linspace(-3, 3, 1201, dtype=torch.float64)
    y = function(x)
    if y.shape != x.shape:
        raise ValueError(f"function must keep the shape {tuple(x.shape)}, got {tuple(y.shape)}")
    values = y.detach().numpy().copy()
    values[1:][np.abs(np.diff(values)) > 0.5] = np.nan
    return x.numpy(), values


def _grey(images: Tensor, name: str) -> np.ndarray:
    """Return (N, H, W); complain about other shapes than this and (N, 1, H, W)."""
    pixels = images.detach().cpu()
    if pixels.ndim == 4 and pixels.shape[1] == 1:
        pixels = pixels[:, 0]
    if pixels.ndim != 3 or len(pixels) == 0:
        shapes = "(N, H, W) or (N, 1, H, W)"
        raise ValueError(f"{name} must have shape {shapes}, got {tuple(images.shape)}")
    return pixels.numpy()


def _show_each(
    pictures: np.ndarray,
    columns: int,
    row_height: float,
    title: str,
    *,
    width: float = 0.85,
    **colours: Any,
) -> np.ndarray:
    """Show pictures on bare Axes, row by row, and return these."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (width * columns, row_height * rows + 0.4)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    figure.suptitle(title)
    for ax in grid.flat:
        ax.axis("off")
    axes = grid.flat[: len(pictures)]
    for ax, picture in zip(axes, pictures, strict=True):
        ax.imshow(picture, **colours)
    return axes

"""Pictures of several processes at once: what each does, holds, sends and gains."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from helpers.charts import COLORS, DASHES

# Blue goes forward, vermilion comes back, green is learned, as in the charts; purple is what the
# processes make together.
TOGETHER, PALE = COLORS[3], "#F3DCE9"
FILLS = "white", PALE, TOGETHER  # of a number's box: as before, changed, the sum
STEP = {"forward": COLORS[0], "backward": COLORS[1], "update": COLORS[2]}
SHARDING = (  # what becomes of a layer in a step with FSDP, and how wide it is drawn
    ("piece", 1.5),
    ("all-\ngather", 1.5),
    ("forward", 2.0),
    ("piece", 2.5),
    ("all-\ngather", 1.5),
    ("backward", 3.0),
    ("reduce-\nscatter", 1.8),
    ("piece", 2.7),
)
SPENT = {"computing": "0.65", "sending": TOGETHER, "latencies": PALE}
KEPT = {"weights": COLORS[2], "gradients": COLORS[1], "averages of Adam": COLORS[4]}


def draw_update(parts: Sequence[str], *, title: str) -> Axes:
    """Draw one training step of several processes, time running to the right.

    Built in notebook 17. Each computes for itself; in the purple box they compute together.

    Args:
        parts: for each process, the part of the batch that it works on.
        title: the picture's title.

    Raises:
        ValueError: there is no process.
    """
    if not parts:
        raise ValueError("parts must name the part of at least one process, got none")
    _, ax = plt.subplots(figsize=(7.0, 0.62 * len(parts) + 0.9), layout="constrained")
    ax.set(xlim=(0, 10.6), ylim=(len(parts) - 0.4, -0.6), title=title, xlabel="time", xticks=[])
    for row, part in enumerate(parts):
        _box(ax, 0.0, row, 2.2, "white", part, "black")
        _box(ax, 2.3, row, 1.7, STEP["forward"], "forward")
        _box(ax, 4.1, row, 2.1, STEP["backward"], "backward")
        _box(ax, 8.7, row, 1.8, STEP["update"], "update")
    tall: Any = {"facecolor": TOGETHER, "edgecolor": "white"}
    ax.add_patch(Rectangle((6.4, -0.35), 2.1, len(parts) - 0.3, **tall))
    centre: Any = {"ha": "center", "va": "center", "fontsize": 9}
    ax.text(7.45, (len(parts) - 1) / 2, "average\nthe gradients", **centre)
    ax.set_yticks(range(len(parts)), [f"process {rank}" for rank in range(len(parts))])
    ax.tick_params(length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def draw_processes(states: Mapping[str, Tensor], *, title: str, ring: bool = False) -> Axes:
    """Draw what each process holds at several moments: a row for each, with its numbers.

    Built in notebook 17. A number that is the sum over all processes is purple; any other that has
    changed since the moment before is pale. Three moments stand side by side.

    Args:
        states: from a moment's name to what is held then, (processes, numbers); in the first,
            every process holds its own.
        title: the picture's title.
        ring: name the numbers as pieces, and draw that each process sends to the next, and the last
            to the first.

    Raises:
        ValueError: there is no moment, or they differ in shape.
    """
    shapes = {tuple(state.shape) for state in states.values()}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2:
        raise ValueError(f"states must hold matrices of one shape, got {sorted(shapes)}")
    rows, columns = shape
    width, height = max(columns, 3) + 1.1, rows + 1.3
    tops = [height * row for row in range(-(-len(states) // 3))]
    wide, tall = width * min(len(states), 3), height * len(tops)
    size = min(7.4, 0.5 * wide + 0.9), 0.38 * tall + 0.4
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=(-0.2, wide), ylim=(tall - 0.2, -0.3), title=title, xticks=[])
    sums, before = next(iter(states.values())).sum(dim=0), next(iter(states.values()))
    for number, (name, state) in enumerate(states.items()):
        left, top = number % 3 * width, number // 3 * height
        _draw_state(ax, state, torch.where(state == sums, 2, (state != before).int()), left, top)
        ax.text(left + columns / 2, top + rows + 0.1, name, ha="center", va="top", fontsize=10)
        if ring:
            _draw_ring(ax, left, top, rows, columns)
        before = state
    _name_rows(ax, [top + row for top in tops for row in range(rows)], rows)
    return ax


def draw_collectives(before: Tensor, after: Mapping[str, Tensor], *, title: str) -> Axes:
    """Draw what each process holds before and after a collective, and whose numbers it got.

    Built in notebook 17. A number that is the sum over all processes is purple, and has an arrow
    from each of them; any other has arrows from those that held it before.

    Args:
        before: one number for each process, (processes,).
        after: from a collective's name to what each process holds after it, (processes,).
        title: the picture's title.

    Raises:
        ValueError: there is no collective, or they differ in shape.
    """
    shapes = {tuple(numbers.shape) for numbers in (before, *after.values())}
    if len(after) == 0 or shapes != {(len(before),)}:
        raise ValueError(f"after must hold vectors as long as before, got {sorted(shapes)}")
    rows = len(before)
    size = 2.3 * len(after) + 0.8, 0.36 * rows + 0.8
    _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=(-0.2, 5.5 * len(after) - 1.3), ylim=(rows + 0.1, -0.75), title=title, xticks=[])
    for number, (name, numbers) in enumerate(after.items()):
        left, is_sum = 5.5 * number, numbers == before.sum()
        _draw_state(ax, before[:, None], torch.zeros(rows, 1, dtype=torch.int), left)
        _draw_state(ax, numbers[:, None], 2 * is_sum[:, None].int(), left + 3)
        ax.text(left + 2, -0.12, name, ha="center", va="bottom", fontsize=8.5)
        _draw_messages(ax, is_sum[:, None] | (numbers[:, None] == before), left)
    _name_rows(ax, range(rows), rows)
    return ax


def draw_restart(epochs: int, killed: int, *, title: str) -> Axes:
    """Draw a training in two processes, one of which is killed: what is lost, and what comes after.

    Built in notebook 17. Time runs to the right, not to scale; each epoch ends with a checkpoint.

    Args:
        epochs: how many there are.
        killed: the epoch, from 2 on, in the middle of which rank 1 is killed.
        title: the picture's title.

    Raises:
        ValueError: there is no such epoch.
    """
    if not 2 <= killed <= epochs:
        raise ValueError(f"killed must lie between 2 and {epochs}, got {killed}")
    _, ax = plt.subplots(figsize=(7.0, 2.0), layout="constrained")
    ax.set(xlim=(0, 2 * epochs + 3.3), ylim=(1.6, -0.6), title=title, xlabel="time", xticks=[])
    for row in range(2):
        names = [*range(1, killed), None, *range(killed, epochs + 1)]
        left = 0.0
        for name in names:
            if name is None:
                _box(ax, left, row, 1.5 - 0.4 * row, "0.85", f"{killed}, lost", "black")
                _box(ax, left + 1.5, row, 1.7, TOGETHER, "restart", "black")
            else:
                _box(ax, left, row, 2.0, STEP["forward"], f"epoch {name}")
            left += 3.2 if name is None else 2.0
    ax.text(2 * killed - 0.9, 1, "×", ha="center", va="center", fontsize=16, weight="bold")
    ax.set_yticks([0, 1], ["rank 0", "rank 1, killed"])
    ax.tick_params(length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def draw_sharding(processes: int, *, title: str) -> Axes:
    """Draw what each process holds of one layer in the course of a step with FSDP.

    Built in notebook 17. Time runs to the right; a bar is as high as the share of the layer that
    the process holds, and purple is what they do together.

    Args:
        processes: how many there are.
        title: the picture's title.

    Raises:
        ValueError: there are fewer than two.
    """
    if processes < 2:
        raise ValueError(f"processes must be 2 or more, got {processes}")
    _, ax = plt.subplots(figsize=(7.0, 0.62 * processes + 0.8), layout="constrained")
    ax.set(xlim=(0, 16.5), ylim=(processes - 0.4, -0.6), title=title, xlabel="time", xticks=[])
    for row in range(processes):
        left = 0.0
        for name, wide in SHARDING:
            piece = name == "piece"
            high = 0.76 / processes if piece else 0.76
            look: Any = {"facecolor": _of_layer(name), "edgecolor": "white"}
            ax.add_patch(Rectangle((left, row - high / 2), wide, high, **look))
            words, centre = f"piece {row}" if piece else name, (left + wide / 2, row)
            ax.text(*centre, words, ha="center", va="center", fontsize=8, color=_ink_on(name))
            left += wide
    ax.set_yticks(range(processes), [f"process {rank}" for rank in range(processes)])
    ax.tick_params(length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def plot_costs(steps: Mapping[int, Mapping[str, float]], *, minutes: float, title: str) -> Axes:
    """Draw what one step of several machines spends its time on, and how long the training takes.

    Built in notebook 17. The bar of one machine alone, which would dwarf the others, is cut off.

    Args:
        steps: from a number of machines to seconds by what they are for, names of `SPENT`.
        minutes: how long the first of them trains.
        title: the picture's title.

    Raises:
        ValueError: there is no step with several machines, or time is spent on something else.
    """
    if not set(steps) - {1} or any(set(parts) != set(SPENT) for parts in steps.values()):
        raise ValueError(f"steps must hold {list(SPENT)} for several machines, got {dict(steps)}")
    totals = {count: 1e3 * sum(parts.values()) for count, parts in steps.items()}
    pace = minutes / next(iter(totals.values()))
    limit = 1.1 * max(total for count, total in totals.items() if count > 1)
    _, ax = plt.subplots(figsize=(6.4, 0.36 * len(steps) + 1.2), layout="constrained")
    for row, (count, parts) in enumerate(steps.items()):
        _stack(ax, row, [1e3 * parts[name] for name in SPENT])
        end = f"  {totals[count]:,.0f} ms a step: {pace * totals[count]:,.0f} minutes"
        ax.text(min(totals[count], limit), row, end, va="center", fontsize=8, clip_on=False)
        if totals[count] > limit:  # a wide gap: it goes on and on
            _leave_out(ax, row, 0.84 * limit, 0.06 * limit)
    ax.set(title=title, xlabel="milliseconds of a step", xlim=(0, limit))
    ax.set_yticks(range(len(steps)), [_machines(count) for count in steps])
    ax.set_ylim(len(steps) - 0.5, -0.5)
    ax.spines[["top", "right"]].set_visible(False)
    keys = [Rectangle((0, 0), 1, 1, **_spent(name), label=name) for name in SPENT]
    where: Any = {"loc": "outside lower center", "ncols": 3, "frameon": False, "fontsize": 8}
    ax.figure.legend(handles=keys, **where)
    return ax


def plot_speedups(
    machines: Mapping[str, Mapping[str, Sequence[float]]], counts: Sequence[int], *, title: str
) -> np.ndarray:
    """Plot how many times as fast several processes are as one, beside the ideal.

    Built in notebook 17. A panel for each machine, with equal scales.

    Args:
        machines: from the name of a machine to its curves: from a name to speed-ups.
        counts: how many processes each of them is for.
        title: the picture's title.

    Returns:
        The Axes, one a machine, (N,).

    Raises:
        ValueError: there is no machine, or a curve is not as long as the counts.
    """
    curves = [values for machine in machines.values() for values in machine.values()]
    if not machines or any(len(values) != len(counts) for values in curves):
        raise ValueError(
            f"each curve must have {len(counts)} numbers, got {list(map(len, curves))}"
        )
    shape: Any = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(machines), figsize=(7.0, 3.3), **shape)
    figure.suptitle(title)
    for ax, (name, machine) in zip(axes[0], machines.items(), strict=True):
        ax.plot(counts, counts, color="0.6", lw=1, label="ideal")
        for number, (label, values) in enumerate(machine.items()):
            look: Any = {"color": COLORS[number], "linestyle": DASHES[number], "marker": "."}
            ax.plot(counts, values, label=label, **look)
        ax.set(xscale="log", yscale="log", xlabel="processes")
        ax.set_title(name, fontsize=9)
        _label_counts(ax)
    axes[0, 0].set_ylabel("times as fast as one")
    axes[0, 0].legend(frameon=False, fontsize="small")
    return axes[0]


def plot_memory(
    plans: Mapping[str, Mapping[str, float]], *, limit: float, device: str, title: str
) -> Axes:
    """Draw what one process keeps for a training, and what its device can hold.

    Built in notebook 17, for DistributedDataParallel and FSDP.

    Args:
        plans: from a plan's name to gigabytes by what they are for, names of `KEPT`.
        limit: how many gigabytes the device has.
        device: what the device is called.
        title: the picture's title.

    Raises:
        ValueError: there is no plan, or it keeps something else.
    """
    if not plans or any(set(plan) - set(KEPT) for plan in plans.values()):
        raise ValueError(f"plans must be of {list(KEPT)}, got {dict(plans)}")
    _, ax = plt.subplots(figsize=(6.4, 0.42 * len(plans) + 1.3), layout="constrained")
    lefts = np.zeros(len(plans))
    for part, color in KEPT.items():
        numbers = np.array([plan.get(part, 0.0) for plan in plans.values()])
        look: Any = {"color": color, "edgecolor": "white", "label": part}
        ax.barh(range(len(plans)), numbers, 0.65, lefts, **look)
        lefts += numbers
    for row, total in enumerate(lefts):
        ax.text(total, row, f" {total:.3g}", va="center", fontsize=8)
    ax.axvline(limit, color="black", lw=1, ls="--")
    ax.text(limit, -0.62, f"{device} ", ha="right", va="center", fontsize=8)
    ax.set(title=title, xlabel="gigabytes in each process", xlim=(0, 1.08 * max(limit, *lefts)))
    ax.set_yticks(range(len(plans)), list(plans))
    ax.set_ylim(len(plans) - 0.5, -0.9)
    ax.spines[["top", "right"]].set_visible(False)
    where: Any = {"loc": "outside lower center", "ncols": 3, "frameon": False, "fontsize": 8}
    ax.figure.legend(**where)
    return ax


# What each of them draws -------------------------------------------------------------------------


def _of_layer(name: str) -> str:
    """Return the colour of a stage of `SHARDING`: a step's own, or that of common work."""
    return "0.85" if name == "piece" else STEP.get(name, TOGETHER)


def _ink_on(name: str) -> str:
    """Return a colour that can be read on that of a stage of `SHARDING`."""
    return "white" if name in STEP else "black"


def _box(
    ax: Axes, left: float, row: int, width: float, color: str, text: str, ink: str = "white"
) -> None:
    look: Any = {"facecolor": color, "edgecolor": "0.5" if color == "white" else "white"}
    ax.add_patch(Rectangle((left, row - 0.35), width, 0.7, **look))
    centre: Any = {"ha": "center", "va": "center", "fontsize": 9, "color": ink}
    ax.text(left + width / 2, row, text, **centre)


def _draw_state(ax: Axes, state: Tensor, fills: Tensor, left: float, top: float = 0.0) -> None:
    """Draw the numbers of one moment, each in a box; `fills` are places in `FILLS`."""
    rows, columns = state.shape
    for row in range(rows):
        for column in range(columns):
            look: Any = {"facecolor": FILLS[int(fills[row, column])], "edgecolor": "0.5"}
            corner = (left + column + 0.03, top + row + 0.03)
            ax.add_patch(Rectangle(corner, 0.94, 0.94, linewidth=0.8, **look))
            text, centre = f"{state[row, column].item():g}", (left + column + 0.5, top + row + 0.5)
            ax.text(*centre, text, ha="center", va="center", fontsize=10 if len(text) < 4 else 9)


def _name_rows(ax: Axes, tops: Sequence[float], rows: int) -> None:
    """Name each row after its process, without any lines."""
    names = [f"process {place % rows}" for place in range(len(tops))]
    ax.set_yticks(np.array(tops) + 0.5, names, fontsize=9)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_messages(ax: Axes, comes_from: Tensor, left: float) -> None:
    """Draw an arrow from each process whose number is in another's, (receivers, senders)."""
    look: Any = {"arrowstyle": "-|>", "mutation_scale": 8, "color": "0.4", "lw": 0.8}
    for receiver, sender in comes_from.nonzero().tolist():
        ends = (left + 1.05, sender + 0.5), (left + 2.95, receiver + 0.5)
        ax.add_patch(FancyArrowPatch(*ends, shrinkA=0, shrinkB=0, **look))


def _stack(ax: Axes, row: int, lengths: Sequence[float]) -> None:
    """Draw one bar of the parts of `SPENT`."""
    left = 0.0
    for name, length in zip(SPENT, lengths, strict=True):
        ax.barh(row, length, 0.65, left, **_spent(name))
        left += length


def _leave_out(ax: Axes, row: int, left: float, wide: float) -> None:
    ax.barh(row, wide, 0.7, left, color="white")
    ax.text(left + wide / 2, row, "…", ha="center", va="center", weight="bold")


def _spent(name: str) -> dict[str, Any]:
    pale = SPENT[name] == PALE
    return {"facecolor": SPENT[name], "edgecolor": TOGETHER if pale else "white", "linewidth": 0.8}


def _machines(count: int) -> str:
    return f"{count:,} machine{'' if count == 1 else 's'}"


def _draw_ring(ax: Axes, left: float, top: float, rows: int, columns: int) -> None:
    """Name the pieces, and draw arrows from each row to the next and from the last to the first."""
    for column in range(columns):
        place = left + column + 0.5, top - 0.04
        ax.text(*place, f"piece {column}", ha="center", va="bottom", fontsize=7, color="0.4")
    right = left + columns
    look: Any = {"arrowstyle": "-|>", "mutation_scale": 7, "color": "0.4", "lw": 0.8}
    for row in range(rows - 1):
        ends = (right + 0.12, top + row + 0.55), (right + 0.12, top + row + 1.45)
        ax.add_patch(FancyArrowPatch(*ends, connectionstyle="arc3,rad=-0.5", **look))
    ends = (right + 0.35, top + rows - 0.5), (right + 0.35, top + 0.5)
    ax.add_patch(FancyArrowPatch(*ends, connectionstyle="arc3,rad=0.18", **look))


def _label_counts(ax: Axes) -> None:
    """Write 1, 8, 64 and 1024 at both axes, with lines there; mark the other powers of 2."""
    for axis in ax.xaxis, ax.yaxis:
        axis.set_ticks([1, 8, 64, 1024], ["1", "8", "64", "1024"])
        axis.set_ticks([2, 4, 16, 32, 128, 256, 512], [""] * 7, minor=True)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)

"""Pictures of graphs: the real one that autograd recorded, and one written down by hand.

Both are drawn in rows with the result on top. `draw_steps` is used from notebook 02 on, before
autograd is known; `draw_graph` from notebook 03 on, where its walk is first done by hand.
"""

from bisect import bisect_right, insort
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import torch
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from helpers.plots import COLORS

MAX_NODES = 200  # more cannot be read
MAX_WIDTH = 9.0  # inches; wider rows are wrapped, and what is still wider is scaled down

# Lengths in inches, the font size in points.
FONT_SIZE, LINE_HEIGHT = 8.0, 0.145
PADDING, GAP, ROW_GAP, MARGIN = 0.08, 0.16, 0.27, 0.1
TITLE_HEIGHT, LEGEND_HEIGHT = 0.4, 0.35
BEND_GAP, PORT_GAP = 0.1, 0.16
BUNDLE = 4  # more arrows than that into one box run together

STYLES: dict[str, dict[str, Any]] = {
    "tensor": {"facecolor": "#FBE3D3", "edgecolor": COLORS[1]},
    "function": {"facecolor": "#E3EEF6", "edgecolor": COLORS[0]},
    "leaf": {"facecolor": "#DDF1EA", "edgecolor": COLORS[2]},
    "unreached": {"facecolor": "white", "edgecolor": "0.4", "linestyle": "--"},
}
ROUNDED = {"leaf", "unreached"}

Row = list[Hashable]


# The graph that autograd recorded ----------------------------------------------------------------


def graph_of(
    tensor: torch.Tensor, names: Mapping[str, torch.Tensor] | None = None
) -> nx.MultiDiGraph:
    """Return the graph that `tensor.backward()` would walk, as a graph of networkx.

    The walk along `next_functions` is the one of notebook 03. Nothing of the tensor's own graph is
    changed or kept, and it may have been used by `backward` already.

    Args:
        tensor: what was computed.
        names: name to tensor, such as `{"w1": w1}` or `dict(model.named_parameters())`.

    Returns:
        Nodes 0 (the tensor), 1 (its `grad_fn`), 2, ...; an edge for each step of the way back,
        two where a node is used twice. Node attributes: `kind` ("tensor", "function", "leaf", or
        "unreached" for a named tensor that is not in the graph), `name` (the given one; else the
        function's name, "leaf" or "result") and `label` (all that a picture says of it).

    Raises:
        TypeError: `tensor` or a named value is not a tensor, or `names` is no mapping.
        ValueError: the tensor has no graph.
    """
    _check_tensor(tensor)
    given = _checked_names(names)
    numbers = _walk(tensor.grad_fn)
    graph = nx.MultiDiGraph()
    graph.add_node(0, **_described("tensor", _names_of(tensor, given) or "result", tensor))
    for node, number in numbers.items():
        graph.add_node(number, **_described_node(node, tensor, given))
    graph.add_edge(0, 1)
    for node, number in numbers.items():
        graph.add_edges_from((number, numbers[user]) for user in _inputs_of(node))
    for name, value in given.items():
        if value is not tensor and _node_of(value) not in numbers:
            graph.add_node(len(graph), **_described("unreached", name, value))
    return graph


def _check_tensor(tensor: Any) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor must be a torch.Tensor, got {type(tensor).__name__}")
    if not tensor.requires_grad:
        raise ValueError("the tensor has no graph: its requires_grad is False")
    if tensor.grad_fn is None:
        raise ValueError("the tensor has no graph: it is a leaf; compute something with it first")


def _checked_names(names: Any) -> dict[str, torch.Tensor]:
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        raise TypeError(f"names must map names to tensors, got {type(names).__name__}")
    for name, value in names.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"names[{name!r}] must be a torch.Tensor, got {type(value).__name__}")
    return dict(names)


def _inputs_of(node: Any) -> list[Any]:
    return [parent for parent, _ in node.next_functions if parent is not None]


def _walk(root: Any) -> dict[Any, int]:
    """Number the nodes from 1 in the order of a walk that goes deep first, left to right."""
    numbers: dict[Any, int] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if node not in numbers:
            numbers[node] = len(numbers) + 1
            todo += reversed(_inputs_of(node))
    return numbers


def _leaf_of(node: Any) -> torch.Tensor | None:
    return node.variable if node.name().endswith("AccumulateGrad") else None


def _node_of(tensor: torch.Tensor) -> Any:
    """Return the node that stands for a tensor in a graph, or None."""
    if not tensor.requires_grad:
        return None
    return torch.autograd.graph.get_gradient_edge(tensor).node


def _names_of(tensor: torch.Tensor, given: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(name for name, value in given.items() if value is tensor)


def _described(kind: str, name: str, tensor: torch.Tensor) -> dict[str, str]:
    return {"kind": kind, "name": name, "label": f"{name}\n{tuple(tensor.shape)}"}


def _described_node(
    node: Any, result: torch.Tensor, given: Mapping[str, torch.Tensor]
) -> dict[str, str]:
    leaf = _leaf_of(node)
    if leaf is not None:
        return _described("leaf", _names_of(leaf, given) or "leaf", leaf)
    name = node.name().rpartition("::")[2]
    made = [key for key, value in given.items() if value.grad_fn is node and value is not result]
    label = "\n".join([name, *made])
    return {"kind": "function", "name": name, "label": label}


# Drawing -----------------------------------------------------------------------------------------


def draw_graph(
    tensor: torch.Tensor,
    names: Mapping[str, torch.Tensor] | None = None,
    *,
    title: str = "What backward walks through",
    ax: Axes | None = None,
) -> Axes:
    """Draw the graph that `tensor.backward()` would walk, from the tensor on top to its leaves.

    The arrows point along `next_functions`, the way backward walks, against the computation.
    Leaves are rounded boxes with name and shape, functions are square ones. A leaf appears once,
    with as many arrows as it has uses (more than four run together). Named tensors that are not
    in the graph stand below it, dashed. Used from notebook 03 on.

    Args:
        tensor: what was computed.
        names: name to tensor, such as `{"w1": w1}` or `dict(model.named_parameters())`. A result
            on the way can be named too: its function shows the name as a second line.
        title: the picture's title.
        ax: where to draw; a new picture, as large as the graph asks for, if None.

    Raises:
        TypeError: `tensor` or a named value is not a tensor, or `names` is no mapping.
        ValueError: the tensor has no graph, or one with more than 200 functions and leaves.
    """
    graph = graph_of(tensor, names)
    unreached = [node for node, kind in graph.nodes(data="kind") if kind == "unreached"]
    size = len(graph) - len(unreached) - 1
    if size > MAX_NODES:
        raise ValueError(
            f"the graph has {size:,} nodes, more than the {MAX_NODES} that can be drawn"
        )
    legend = "arrows: the way backward walks"
    if unreached:
        legend += "; dashed: no gradient reaches it"
    return _draw(graph, title=title, legend=legend, arrow="-|>", ax=ax)


def draw_steps(
    steps: Mapping[str, Sequence[str]],
    *,
    title: str,
    highlight: Collection[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a computation: each result with arrows from what it is computed from, the last on top.

    Labels that are no result are inputs, and are drawn as `draw_graph` draws leaves. The rows are
    those of `draw_graph`, only the arrows point the other way. Used from notebook 02 on.

    Args:
        steps: a result's label to the labels that it is computed from; a label may have several
            lines, such as "h = x @ w1" and its shape.
        title: the picture's title.
        highlight: labels to draw in the accent colour.
        ax: where to draw; a new picture, as large as the graph asks for, if None.

    Raises:
        TypeError: the inputs of a result are one string in place of a sequence of them.
        ValueError: no steps, a result that depends on itself, or a highlight that is no label.
    """
    graph = _graph_of_steps(steps)
    if not steps or not nx.is_directed_acyclic_graph(graph):
        raise ValueError("steps must hold at least one result, and none that depends on itself")
    if unknown := sorted(set(highlight) - set(graph)):
        raise ValueError(f"highlight must name labels of steps, got {unknown}")
    nx.set_node_attributes(graph, dict.fromkeys(highlight, "tensor"), "kind")
    return _draw(graph, title=title, legend="arrows: what goes into what", arrow="<|-", ax=ax)


def _graph_of_steps(steps: Mapping[str, Sequence[str]]) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for result, inputs in steps.items():
        if isinstance(inputs, str):
            raise TypeError(f"steps[{result!r}] must be a sequence of labels, got {inputs!r}")
        graph.add_node(result)
        graph.add_edges_from((result, each) for each in inputs)
    for label, attributes in graph.nodes.items():
        attributes.update(
            label=label,
            kind="function" if label in steps else "leaf",
            rounded=label not in steps,
        )
    return graph


def _draw(graph: nx.MultiDiGraph, *, title: str, legend: str, arrow: str, ax: Axes | None) -> Axes:
    _measure(graph)
    _give_rows(graph)
    drawing = _with_bends(graph)
    rows = _ordered_rows(drawing)
    width, height = _give_places(drawing, rows)
    if ax is None:
        ax = _new_axes(width, height)
    ax.set(title=title, xlabel=legend, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    scale = _fit(ax, width, height)
    for edge in drawing.edges(keys=True):
        _draw_edge(drawing, edge, arrow, scale, ax)
    for node, box in drawing.nodes.items():
        if node in graph:
            _draw_box(box, scale, ax)
    return ax


def _new_axes(width: float, height: float) -> Axes:
    scale = min(1.0, MAX_WIDTH / width)
    width, height = width * scale, height * scale
    total = height + TITLE_HEIGHT + LEGEND_HEIGHT
    figure = plt.figure(figsize=(width, total))
    return figure.add_axes((0, LEGEND_HEIGHT / total, 1, height / total))


def _fit(ax: Axes, width: float, height: float) -> float:
    """Set the limits so that one unit is one inch, or less where the Axes are too small for that.

    Returns:
        By how much fonts and arrows must shrink.
    """
    ax.figure.canvas.figure.draw_without_rendering()  # a layout engine may move the Axes
    extent = ax.get_window_extent()
    inches = (extent.width / ax.figure.dpi, extent.height / ax.figure.dpi)
    scale = min(1.0, inches[0] / width, inches[1] / height)
    spare = inches[0] / scale - width
    ax.set(xlim=(-spare / 2, width + spare / 2), ylim=(inches[1] / scale, 0))
    return scale


def _draw_box(box: dict[str, Any], scale: float, ax: Axes) -> None:
    width, height = box["width"], box["height"]
    corner = (box["x"] - width / 2, box["y"] - height / 2)
    rounded = box.get("rounded", box["kind"] in ROUNDED)
    shape = "round,pad=0,rounding_size=0.12" if rounded else "square,pad=0"
    style = STYLES[box["kind"]]
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, linewidth=scale, **style))
    ax.text(
        box["x"],
        box["y"],
        box["label"],
        ha="center",
        va="center",
        fontsize=FONT_SIZE * scale,
        linespacing=1.15,
        parse_math=False,
    )


def _draw_edge(
    drawing: nx.MultiDiGraph, edge: tuple[Any, Any, int], arrow: str, scale: float, ax: Axes
) -> None:
    """Draw one arrow from row to row, and on through the row if it goes further."""
    source, target, _ = edge
    start, end = drawing.nodes[source], drawing.nodes[target]
    x0, x1 = _port(drawing, edge, out=True), _port(drawing, edge, out=False)
    y0, y1 = start["y"] + start["height"] / 2, end["y"] - end["height"] / 2
    middle = (y0 + y1) / 2
    points = [(x0, y0), (x0, middle), (x1, middle), (x1, y1)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    if "label" not in end:
        points.append((x1, end["y"] + end["height"] / 2))
        codes.append(Path.LINETO)
    head = end if arrow == "-|>" else start
    patch = FancyArrowPatch(
        path=Path(points, codes),
        arrowstyle=arrow if "label" in head else "-",
        color="0.35",
        linewidth=scale,
        mutation_scale=8 * scale,
    )
    ax.add_patch(patch)


def _port(drawing: nx.MultiDiGraph, edge: tuple[Any, Any, int], *, out: bool) -> float:
    """Return where along its box an arrow starts or ends: side by side, in the order of x."""
    node = edge[0] if out else edge[1]
    box = drawing.nodes[node]
    edges = drawing.out_edges(node, keys=True) if out else drawing.in_edges(node, keys=True)
    ordered = sorted(edges, key=lambda each: drawing.nodes[each[1 if out else 0]]["x"])
    gap = min(PORT_GAP, 0.8 * box["width"] / len(ordered))
    return box["x"] + gap * (ordered.index(edge) - (len(ordered) - 1) / 2)


# Where each box goes -----------------------------------------------------------------------------


def _measure(graph: nx.MultiDiGraph) -> None:
    font = FontProperties(size=FONT_SIZE)
    for box in graph.nodes.values():
        lines = box["label"].split("\n")
        widths = [text_to_path.get_text_width_height_descent(s, font, False)[0] for s in lines]
        box["width"] = max(0.4, max(widths) / 72 + 2 * PADDING)
        box["height"] = LINE_HEIGHT * len(lines) + PADDING


def _give_rows(graph: nx.MultiDiGraph) -> None:
    """Give each box the longest way from the top as its row; wrap rows that are too wide."""
    apart = [node for node, box in graph.nodes.items() if box["kind"] == "unreached"]
    connected = graph.subgraph(set(graph) - set(apart))
    rows = [_sorted_as(graph, row) for row in nx.topological_generations(connected)]
    for node in nx.dag_longest_path(nx.DiGraph(connected))[:-1]:
        graph.nodes[node]["spine"] = True
    number = 0
    for row in [*rows, apart]:
        right = 0.0
        for node in row:
            width = graph.nodes[node]["width"] + GAP
            if right > 0 and right + width > MAX_WIDTH:
                number, right = number + 1, 0.0
            right += width
            graph.nodes[node]["row"] = number
        number += 1


def _sorted_as(graph: nx.MultiDiGraph, nodes: Iterable[Hashable]) -> Row:
    """Return the nodes in the order in which the graph holds them."""
    chosen = set(nodes)
    return [node for node in graph if node in chosen]


def _with_bends(graph: nx.MultiDiGraph) -> nx.MultiDiGraph:
    """Copy the graph, with an invisible box in each row that a long arrow passes through."""
    drawing = nx.MultiDiGraph()
    drawing.add_nodes_from(graph.nodes(data=True))
    for source, target, key in graph.edges(keys=True):
        together = graph.in_degree(target) > BUNDLE
        previous: Hashable = source
        for row in range(graph.nodes[source]["row"] + 1, graph.nodes[target]["row"]):
            bend = (None if together else (source, key), target, row)
            drawing.add_node(bend, row=row, width=0.0, height=0.0)
            _add_once(drawing, previous, bend)
            previous = bend
        _add_once(drawing, previous, target)
    return drawing


def _add_once(drawing: nx.MultiDiGraph, source: Hashable, target: Hashable) -> None:
    """Add an edge; where arrows run together, only the first of them."""
    if "label" in drawing.nodes[source] or not drawing.has_edge(source, target):
        drawing.add_edge(source, target)


def _ordered_rows(drawing: nx.MultiDiGraph) -> list[Row]:
    """Return the rows, each from left to right, in an order with few crossings."""
    rows: list[Row] = [[] for _ in range(1 + max(row for _, row in drawing.nodes(data="row")))]
    for node in nx.dfs_preorder_nodes(drawing):
        rows[drawing.nodes[node]["row"]].append(node)
    best, fewest = rows, _crossings(drawing, rows)
    for _ in range(8):
        rows = _swept(rows, drawing.pred)
        rows = _swept(rows[::-1], drawing.succ)[::-1]
        crossings = _crossings(drawing, rows)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _swept(rows: list[Row], neighbours: Mapping[Hashable, Collection[Hashable]]) -> list[Row]:
    """Order each row by where its neighbours in the rows before it stand on average."""
    place: dict[Hashable, float] = {}
    done = []
    for row in rows:
        here = {node: index / len(row) for index, node in enumerate(row)}
        for node in row:
            before = [place[each] for each in neighbours[node] if each in place]
            here[node] = fmean(before) if before else here[node]
        row = sorted(row, key=here.__getitem__)
        place |= {node: (index + 0.5) / len(row) for index, node in enumerate(row)}
        done.append(row)
    return done


def _crossings(drawing: nx.MultiDiGraph, rows: list[Row]) -> int:
    place = {node: index for row in rows for index, node in enumerate(row)}
    count = 0
    for row in rows:
        ends: list[int] = []
        for node in row:
            targets = [place[target] for target in drawing.succ[node]]
            count += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return count


def _give_places(drawing: nx.MultiDiGraph, rows: list[Row]) -> tuple[float, float]:
    """Give each box its x and y, in inches from the top left; return the picture's size."""
    bottom = MARGIN
    for row in rows:
        height = max(drawing.nodes[node]["height"] for node in row)
        for node in row:
            box = drawing.nodes[node]
            box["y"] = bottom + height / 2
            box["height"] = box["height"] or height  # a bend passes through the whole row
        bottom += height + ROW_GAP
    _give_columns(drawing, rows)
    boxes = drawing.nodes.values()
    left = min(box["x"] - box["width"] / 2 for box in boxes) - MARGIN
    right = max(box["x"] + box["width"] / 2 for box in boxes) + MARGIN
    spare = max(0.0, 4.6 - (right - left))  # leave room for title and legend
    for box in boxes:
        box["x"] += spare / 2 - left
    return right - left + spare, bottom - ROW_GAP + MARGIN


def _give_columns(drawing: nx.MultiDiGraph, rows: list[Row]) -> None:
    """Pull each box towards its neighbours, without overlap and without changing the order."""
    steps = [(row, _offsets(drawing, row)) for row in rows]
    for row, offsets in steps:
        for node, x in zip(row, offsets, strict=True):
            drawing.nodes[node]["x"] = x - offsets[-1] / 2
    for _ in range(20):
        for row, offsets in [*steps, *reversed(steps)]:
            pulls = [_pull(drawing, node) for node in row]
            for node, x in zip(row, _spread(pulls, offsets), strict=True):
                drawing.nodes[node]["x"] = x


def _offsets(drawing: nx.MultiDiGraph, row: Row) -> list[float]:
    """Return where the boxes of a row stand when they stand as close as they may."""
    boxes = [drawing.nodes[node] for node in row]
    gaps = [
        (left["width"] + right["width"]) / 2
        + (GAP if left["width"] and right["width"] else BEND_GAP)
        for left, right in pairwise(boxes)
    ]
    return list(accumulate(gaps, initial=0.0))


def _pull(drawing: nx.MultiDiGraph, node: Hashable) -> tuple[float, float]:
    """Return where a box is pulled to, and how strongly.

    The longest way down is pulled to 0, so that it runs straight; other boxes to the mean place of
    what they are connected with.
    """
    connected = [*drawing.pred[node], *drawing.succ[node]]
    if drawing.nodes[node].get("spine") or not connected:
        return 0.0, 1e6
    boxes = [drawing.nodes[each] for each in connected]
    long = "label" not in drawing.nodes[node]  # a piece of a long arrow, which is to run straight
    weights = [4.0 if long and "label" not in box else 1.0 for box in boxes]
    return fmean([box["x"] for box in boxes], weights), sum(weights)


def _spread(pulls: list[tuple[float, float]], offsets: list[float]) -> list[float]:
    """Return the places that keep all distances and yield most to the pulls (least squares).

    Without its offset each place may equal its left neighbour's, but not lie left of it. So those
    that would are merged into one block at their weighted mean, until all blocks are in order.
    """
    blocks: list[tuple[float, float, int]] = []  # place, weight, size
    for (place, weight), offset in zip(pulls, offsets, strict=True):
        place, size = place - offset, 1
        while blocks and blocks[-1][0] > place:
            left, weight_left, size_left = blocks.pop()
            place = (left * weight_left + place * weight) / (weight_left + weight)
            weight, size = weight + weight_left, size + size_left
        blocks.append((place, weight, size))
    flat = [place for place, _, size in blocks for _ in range(size)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]

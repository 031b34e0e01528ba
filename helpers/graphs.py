"""Pictures of graphs: the real one that autograd recorded, and one written down by hand.

Both are drawn in rows with the result on top. `draw_steps` is used from notebook 02 on, before
autograd is known; `draw_graph` from notebook 03 on, where a node is first asked for its parents,
and `draw_values` there, for the engine that the reader builds; `draw_two_layers` and
`draw_two_paths` draw the network of notebook 02. All can show numbers: values in black, and in
orange the gradients that travel back from the result. `draw_pair`, from notebook 04, opens a
single node; `draw_graphs`, from notebook 08, sets several graphs side by side, and
`functions_in` and `uses` count there; `draw_recurrence` shows that notebook's sequence.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import torch
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from torch import Tensor

from helpers.charts import COLORS

Names = Mapping[str, Tensor]
Numbers = Mapping[str, float | Tensor]
Slopes = Mapping[str | tuple[str, str], float]
Say = Callable[[str, Tensor], str]  # from a tensor and its name to a label
Row = list["_Box"]

MAX_NODES = 200  # more cannot be read
MAX_WIDTH = 9.0  # inches; wider rows are wrapped, and what is still wider is scaled down
COLUMN, LARGER = 6.0, 1.35  # small graphs are drawn larger, as far as a page's column is wide

# Lengths in inches, the font size in points.
FONT_SIZE, LINE_HEIGHT = 8.0, 0.145
PADDING, GAP, ROW_GAP, PORT_GAP = 0.08, 0.16, 0.27, 0.16
HEADING = 0.3  # above each of several graphs
ROW_GAP_WITH_NUMBERS = 0.44  # room for what an arrow carries

MAX_NUMBERS = 8  # of a tensor with more, the shape is shown
GRADIENT, ARROW = COLORS[1], "0.35"

STYLES: dict[str, dict[str, Any]] = {
    "tensor": {"facecolor": "#FBE3D3", "edgecolor": COLORS[1]},
    "function": {"facecolor": "#E3EEF6", "edgecolor": COLORS[0]},
    "leaf": {"facecolor": "#DDF1EA", "edgecolor": COLORS[2]},
    "given": {"facecolor": "#EEEEEE", "edgecolor": "0.5"},
    "unreached": {"facecolor": "white", "edgecolor": "0.4", "linestyle": "--"},
}


def graph_of(
    tensor: Tensor, names: Names | None = None, *, values: bool = False
) -> nx.MultiDiGraph:
    """Return the graph that `tensor.backward()` would walk, as a graph of networkx.

    The walk goes along `next_functions`, as notebook 03 names them. Nothing of the tensor's own
    graph is changed or kept, and without `values` it may have been used by `backward` already.

    Args:
        tensor: what was computed.
        names: name to tensor, such as `{"w1": w1}` or `dict(model.named_parameters())`.
        values: walk it, too. The labels then hold numbers in place of shapes where they are few,
            nodes have an attribute `grad`, the gradient that arrives there, and edges one called
            `carries`, what is handed on along them. No `.grad` of a named tensor changes.

    Returns:
        Nodes 0 (the tensor), 1 (its `grad_fn`), 2, ...; an edge for each step of the way back,
        two where a node is used twice. Node attributes: `kind` ("tensor", "function", "leaf", or
        "unreached" for a named tensor that is not in the graph), `name` (the given one; else the
        function's name, "leaf" or "result") and `label` (all that a picture says of it).

    Raises:
        TypeError: `tensor` or a named value is not a tensor, or `names` is no mapping.
        ValueError: the tensor has no graph; with `values`, it is more than one number, or
            `backward` has used its graph up.
    """
    given = {} if names is None else names
    _check(tensor, given)
    numbers = _walk([tensor.grad_fn], _inputs_of)
    say = _said if values else _shaped
    graph = nx.MultiDiGraph()
    graph.add_node(0, **_described("tensor", tensor, given, say, "result"))
    for node, number in numbers.items():
        graph.add_node(number, **_described_node(node, tensor, given, say))
    graph.add_edge(0, 1)
    for node, number in numbers.items():
        graph.add_edges_from((number, numbers[each]) for each in _inputs_of(node))
    for name, value in given.items():
        if value is not tensor and _node_of(value) not in numbers:
            graph.add_node(len(graph), **_described("unreached", value, {name: value}, say))
    if values:
        _add_gradients(graph, numbers, tensor, given)
    return graph


def functions_in(result: Tensor) -> int:
    """Count the functions of a graph: what notebook 08 counts in its pictures by eye."""
    return [kind for _, kind in graph_of(result).nodes(data="kind")].count("function")


def uses(result: Tensor, parameter: Tensor) -> int:
    """Count the arrows that lead into a parameter, as notebook 08 does in its pictures."""
    graph = graph_of(result, {"it": parameter})
    return sum(graph.in_degree(node) for node, name in graph.nodes(data="name") if name == "it")


def draw_graph(
    tensor: Tensor,
    names: Names | None = None,
    *,
    values: bool = False,
    slopes: bool = False,
    title: str = "What backward walks through",
    ax: Axes | None = None,
) -> Axes:
    """Draw the graph that `tensor.backward()` would walk, from its function down to its leaves.

    The arrows point along `next_functions`, the way backward walks, against the computation.
    Leaves are rounded boxes with name and shape, functions are square ones. A leaf appears once,
    with as many arrows as it has uses. Named tensors that are not in the graph stand below it,
    dashed. Used from notebook 03 on.

    Args:
        tensor: what was computed.
        names: name to tensor, such as `{"w1": w1}` or `dict(model.named_parameters())`. A result
            can be named too: its function shows the name as a second line.
        values: show numbers in place of shapes: what each named tensor holds, and in orange the
            gradient that arrives at each box and what each arrow hands on. To find them, the graph
            is walked once and kept, so draw it before `backward` uses it up. (Hooks run, too.)
        slopes: with values, an arrow that enters a box alone shows the slope of its step, as "× 3".
        title: the picture's title.
        ax: where to draw; a new picture, as large as the graph asks for, if None.

    Raises:
        TypeError: `tensor` or a named value is not a tensor, or `names` is no mapping.
        ValueError: the tensor has no graph, or one with more than 200 functions and leaves; with
            `values`, it is more than one number, or `backward` has used its graph up.
    """
    graph = _readable(tensor, names, values)
    for _, end, arrow in graph.edges(data=True):
        if slopes and arrow.get("slope") and graph.in_degree(end) == 1:
            arrow["carries"] = ""
    parts = _legend_of([graph], values)
    legend = "; ".join(parts[:2]) + "".join(f"\n{part}" for part in parts[2:])
    return _draw(graph, title, legend, "-|>", ax)


def draw_graphs(
    results: Mapping[str, tuple[Tensor, Names]], *, values: bool = False, title: str
) -> Axes:
    """Draw the graphs of several results side by side, in one scale, each below its heading.

    Used in notebook 08, where the same lines make another graph each time.

    Args:
        results: from a heading to what was computed and the names for its graph, as `draw_graph`
            takes them.
        values: show numbers in place of shapes, as `draw_graph` does.
        title: the picture's title.

    Raises:
        TypeError: a result or a named value is not a tensor, or names are no mapping.
        ValueError: there is no result, or one that `draw_graph` would refuse.
    """
    if not results:
        raise ValueError("results must hold at least one, got none")
    graphs = {heading: _readable(*pair, values) for heading, pair in results.items()}
    legend = "; ".join(_legend_of(graphs.values(), values))
    return _draw_all(graphs, title, legend, "-|>", None)


def _readable(tensor: Tensor, names: Names | None, values: bool) -> nx.MultiDiGraph:
    """Return the graph; complain about one that is too large, before its values are found."""
    kinds = [kind for _, kind in graph_of(tensor, names).nodes(data="kind")]
    size = len(kinds) - kinds.count("unreached") - 1
    if size > MAX_NODES:
        raise ValueError(f"the graph has {size:,} nodes, more than the {MAX_NODES} one can read")
    graph = graph_of(tensor, names, values=values)
    result, made_by = graph.nodes[0], graph.nodes[1]
    shown = "label" if values or result["name"] == "result" else "name"
    made_by["label"] += f"\n{result[shown]}"  # one box, as for any named result on the way
    graph.remove_node(0)
    return graph


def _legend_of(graphs: Iterable[nx.MultiDiGraph], values: bool) -> list[str]:
    kinds = {kind for graph in graphs for _, kind in graph.nodes(data="kind")}
    parts = ["arrows: the way backward walks"]
    parts += ["orange: the gradient"] if values else []
    return parts + (["dashed: not in this graph"] if "unreached" in kinds else [])


def draw_values(
    result: Any,
    backwards: Mapping[str, Callable[[Any], object]],
    names: Mapping[str, Any],
    *,
    title: str,
) -> Axes:
    """Draw what backwards of our own engine pay, right or wrong: those of notebook 03.

    Each runs once, from gradients of zero. A box shows when it was called, the operation, what its
    value holds and in orange the gradient; each arrow what was paid along it, if anything was.

    Args:
        result: a `Value` of notebook 03, with `data`, `grad`, `parents` and a `rule` named after
            its operation.
        backwards: from a heading to what fills the `grad` of each value below the result.
        names: name to value, such as `{"a": a, "b": b}`.
        title: the picture's title.
    """
    graphs = {heading: _paid(result, backward, names) for heading, backward in backwards.items()}
    legend = "arrows: the gradient handed down; orange: what has arrived"
    return _draw_all(graphs, title, legend, "-|>", None)


def draw_steps(
    steps: Mapping[str, Sequence[str]],
    *,
    title: str,
    values: Numbers | None = None,
    grads: Mapping[str, float | Tensor | str] | None = None,
    slopes: Slopes | None = None,
    highlight: Collection[str] = (),
    given: Collection[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a computation: each result with arrows from what it is computed from, the last on top.

    Labels that are no result are inputs, and are drawn as `draw_graph` draws leaves. The rows are
    those of `draw_graph`, only the arrows point the other way: values go up. With `grads` or
    `slopes` they point down, the way of the gradients. Used from notebook 02 on.

    Args:
        steps: a result's label to the labels that it is computed from; a label may have several
            lines, such as "h = x @ w1" and its shape.
        title: the picture's title.
        values: label to what it holds, a number or a tensor; of a large tensor the shape is shown.
        grads: label to its gradient, a number or how it adds up, shown in orange below the value.
        slopes: label to the slope of what is computed from it, on the arrow there as "× 3"; where
            something is used twice, (result, label) says which arrow is meant.
        highlight: labels to draw in the accent colour.
        given: inputs that nobody learns, such as the data, to draw in grey.
        ax: where to draw; a new picture, as large as the graph asks for, if None.

    Raises:
        TypeError: the inputs of a result are one string in place of a sequence of them.
        ValueError: no steps, a result that depends on itself, or a highlight, a value, a gradient
            or a slope of what is no label or no step; a given label that is no input.
    """
    graph = _graph_of_steps(steps)
    values, grads, slopes = values or {}, grads or {}, slopes or {}
    for name, labels in {"highlight": highlight, "values": values, "grads": grads}.items():
        if unknown := sorted(set(labels) - set(graph)):
            raise ValueError(f"{name} must name labels of steps, got {unknown}")
    for label, box in graph.nodes.items():
        box.update(label=_said(label, values[label]) if label in values else label)
        box.update(kind="leaf" if label not in steps else "function", accent=label in highlight)
        box["grad"] = _said("grad", grads[label]) if label in grads else ""
    for label in given:
        if label in steps or label not in graph:
            raise ValueError(f"given must name inputs, got {label!r}")
        graph.nodes[label]["kind"] = "given"
    _put_slopes(graph, slopes)
    if grads or slopes:
        return _draw(graph, title, "arrows: the way back; orange: the gradient", "-|>", ax)
    return _draw(graph, title, "arrows: what goes into what", "<|-", ax)


TWO_LAYERS = {
    "h": ["x", "w1"],
    "h_relu": ["h"],
    "y_pred": ["h_relu", "w2"],
    "loss": ["y_pred", "y"],
}


def draw_two_layers(
    names: Mapping[str, Any], *, title: str, back: bool = False, slopes: Slopes | None = None
) -> Axes:
    """Draw the network of notebook 02 from what the page calls `x`, `w1`, `h`, ..., `loss`.

    Args:
        names: name to what it holds, such as `globals()`; other names do not matter.
        title: the picture's title.
        back: draw the way back, with `grad_h` and the others below what they belong to.
        slopes: as `draw_steps` takes them.

    Raises:
        KeyError: a name of the network is missing.
    """
    given, weights = ["x", "y"], ["w1", "w2"]
    values = {name: names[name] for name in [*given, *weights, *TWO_LAYERS]}
    owners = [*TWO_LAYERS, *weights] if back else []
    grads = {name: 1.0 if name == "loss" else names[f"grad_{name}"] for name in owners}
    return draw_steps(
        TWO_LAYERS, title=title, values=values, grads=grads, slopes=slopes, given=given
    )


def draw_two_paths(grads: Tensor, weights: Tensor, *, title: str) -> Axes:
    """Draw how one hidden number reaches the loss through two outputs, as notebook 02 says it.

    Args:
        grads: the gradients of the two outputs.
        weights: from the hidden number to each of them.
        title: the picture's title.
    """
    outputs, hidden = ("y_pred[0]", "y_pred[1]"), "h_relu[0]"
    steps = {"loss": outputs, **{one: [hidden] for one in outputs}, hidden: []}
    there: dict[Any, Any] = dict(zip(outputs, grads.tolist(), strict=True))
    back = {(one, hidden): w for one, w in zip(outputs, weights.tolist(), strict=True)}
    first, second = (grads * weights).tolist()
    sign = "−" if second < 0 else "+"
    adds_up = f"{_short(first)} {sign} {_short(abs(second))} = {_short(first + second)}"
    all_grads = {"loss": 1, **there, hidden: adds_up}
    return draw_steps(steps, title=title, grads=all_grads, slopes=there | back)


def _put_slopes(graph: nx.MultiDiGraph, slopes: Slopes) -> None:
    for label, slope in slopes.items():
        pairs = [label] if isinstance(label, tuple) else list(graph.in_edges([label]))
        if len(pairs) != 1 or graph.number_of_edges(*pairs[0]) != 1:
            raise ValueError(f"slopes must name what is used once, got {label!r}")
        graph.edges[*pairs[0], 0]["slope"] = f"× {_short(slope)}"


def draw_pair(forward: Names, backward: Names, *, saved: str, title: str) -> Axes:
    """Draw a node of the graph from inside: forward, backward, and the bag between them.

    Built in notebook 04. Forward runs to the right in blue, backward to the left in vermilion.

    Args:
        forward: what goes in and what comes out, by name, in this order.
        backward: the gradient that arrives and the one that leaves, in this order.
        saved: what forward puts into the bag.
        title: the picture's title.

    Raises:
        ValueError: forward or backward holds other than two tensors.
    """
    if len(forward) != 2 or len(backward) != 2:
        raise ValueError(f"a half has two ends, got {list(forward)} and {list(backward)}")
    _, ax = plt.subplots(figsize=(7.6, 3.1), layout="constrained")
    ax.set(title=title, xlim=(0, 7.6), ylim=(2.8, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    _draw_half(ax, 0.4, _Box("forward", "function"), forward, COLORS[0])
    _draw_half(ax, 2.4, _Box("backward", "tensor"), dict(list(backward.items())[::-1]), GRADIENT)
    _draw_box(_Box(f"saved: {saved}", "given", width=1.4, height=0.5, x=3.8, y=1.4), 1.8, ax)
    for y in 0.7, 1.65:
        ax.annotate("", (3.8, y + 0.45), (3.8, y), arrowprops={"arrowstyle": "-|>", "color": ARROW})
    return ax


def draw_recurrence(length: int, *, title: str) -> Axes:
    """Draw a recurrent network from left to right: each state from the one before and a vector.

    Built in notebook 08. Each arrow is one use of the weight that it goes through.

    Args:
        length: how many vectors are read, from 2 to 5.
        title: the picture's title.

    Raises:
        ValueError: so many vectors do not make a sequence that fits on the page.
    """
    if not 2 <= length <= 5:
        raise ValueError(f"length must be from 2 to 5, got {length}")
    wide = 1.3 * length + 0.7
    _, ax = plt.subplots(figsize=(wide, 2.2), layout="constrained")
    ax.set(title=title, xlabel="on each arrow: the weight it goes through", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    scale = _fit(ax, wide, 1.55)
    boxes = _recurrent_boxes(length)
    for n in range(1, length + 1):
        state, before, vector = (boxes[name] for name in (f"h{n}", f"h{n - 1}", f"v{n - 1}"))
        _draw_straight(ax, before, state)
        _draw_straight(ax, vector, state)
        _write(ax, (before.x + state.x) / 2, state.y - 0.13, "w_rec", scale, COLORS[2])
        _write(ax, state.x - 0.25, (state.y + vector.y) / 2, "w_in", scale, COLORS[2])
    for box in boxes.values():
        _draw_box(box, scale, ax)
    return ax


def _recurrent_boxes(length: int) -> dict[str, "_Box"]:
    """Return the boxes: the states in a row, and the vectors below."""
    places = {f"h{n}": ("function" if n else "given", n, 0.4) for n in range(length + 1)}
    places |= {f"v{n}": ("given", n + 1, 1.3) for n in range(length)}
    boxes = {}
    for name, (kind, column, y) in places.items():
        boxes[name] = _box_for(name, kind)
        boxes[name].x, boxes[name].y = 0.35 + 1.3 * column, y
    return boxes


def _draw_straight(ax: Axes, start: "_Box", end: "_Box") -> None:
    """Draw an arrow from box to box: along the row, or up."""
    if start.y == end.y:
        tail, tip = (start.x + start.width / 2, start.y), (end.x - end.width / 2, end.y)
    else:
        tail, tip = (start.x, start.y - start.height / 2), (end.x, end.y + end.height / 2)
    look: Any = {"arrowstyle": "-|>", "color": ARROW, "shrinkA": 0, "shrinkB": 0, "lw": 1}
    ax.annotate("", tip, tail, arrowprops=look)


def _graph_of_steps(steps: Mapping[str, Sequence[str]]) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    for result, inputs in steps.items():
        if isinstance(inputs, str):
            raise TypeError(f"steps[{result!r}] must be a sequence of labels, got {inputs!r}")
        graph.add_node(result)
        graph.add_edges_from((result, each) for each in inputs)
    if not steps or not nx.is_directed_acyclic_graph(graph):
        raise ValueError("steps must hold at least one result, and none that depends on itself")
    return graph


# What autograd recorded --------------------------------------------------------------------------


def _check(tensor: Any, names: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a torch.Tensor, got {type(tensor).__name__}")
    if tensor.grad_fn is None:
        leaf = "it is a leaf; compute something with it first"
        reason = leaf if tensor.requires_grad else "its requires_grad is False"
        raise ValueError(f"the tensor has no graph: {reason}")
    if not isinstance(names, Mapping):
        raise TypeError(f"names must map names to tensors, got {type(names).__name__}")
    for name, value in names.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"names[{name!r}] must be a torch.Tensor, got {type(value).__name__}")


def _inputs_of(node: Any) -> list[Any]:
    return [parent for parent, _ in node.next_functions if parent is not None]


def _walk(roots: Iterable[Any], following: Callable[[Any], Sequence[Any]]) -> dict[Any, int]:
    """Number all that can be reached from 1, in the order of a walk deep first, left to right."""
    numbers: dict[Any, int] = {}
    todo = [*roots][::-1]
    while todo:
        node = todo.pop()
        if node not in numbers:
            numbers[node] = len(numbers) + 1
            todo += reversed(following(node))
    return numbers


def _node_of(tensor: Tensor) -> Any:
    """Return the node that stands for a tensor in a graph, or None."""
    return torch.autograd.graph.get_gradient_edge(tensor).node if tensor.requires_grad else None


def _described_node(node: Any, result: Tensor, given: Names, say: Say) -> dict[str, str]:
    if node.name().endswith("AccumulateGrad"):
        return _described("leaf", node.variable, given, say, "leaf")
    name = node.name().rpartition("::")[2]
    made = {key: value for key, value in given.items() if value.grad_fn is node}
    made = {key: value for key, value in made.items() if value is not result}
    lines = [say(key, value) for key, value in made.items()] if say is _said else made
    return {"kind": "function", "name": name, "label": "\n".join([name, *lines])}


def _described(
    kind: str, tensor: Tensor, given: Names, say: Say, usual: str = ""
) -> dict[str, str]:
    name = ", ".join(key for key, value in given.items() if value is tensor) or usual
    return {"kind": kind, "name": name, "label": say(name, tensor)}


def _add_gradients(
    graph: nx.MultiDiGraph, numbers: Mapping[Any, int], result: Tensor, given: Names
) -> None:
    """Walk the graph as `backward` does, and write down what arrives where, and along which arrow.

    A hook on each function sees what arrives there and what it hands on to each of its inputs.
    """
    if result.numel() != 1:
        raise ValueError(f"values need a single number to go back from, got {_shape(result)}")
    totals: dict[int, Any] = {0: torch.ones_like(result)}
    graph.edges[0, 1, 0]["carries"] = "1"
    leaves = [node for node in numbers if node.name().endswith("AccumulateGrad")]

    def watch(node: Any) -> Any:
        def noted(handed_on: Sequence[Any], arrived: Sequence[Any]) -> None:
            totals[numbers[node]] = arrived[0] if len(arrived) == 1 else None
            _note_edges(graph, numbers, node, handed_on, totals[numbers[node]])

        return node.register_hook(noted)

    hooks = [watch(node) for node in numbers if node not in leaves]
    try:
        found = _walked_back(result, [leaf.variable for leaf in leaves], given)
    finally:
        for hook in hooks:
            hook.remove()
    totals |= {numbers[leaf]: grad for leaf, grad in zip(leaves, found, strict=True)}
    for number, total in totals.items():
        graph.nodes[number]["grad"] = "" if total is None else _said("grad", total)


def _note_edges(
    graph: nx.MultiDiGraph,
    numbers: Mapping[Any, int],
    node: Any,
    handed_on: Sequence[Any],
    arrived: Tensor | None,
) -> None:
    used: Counter[int] = Counter()
    for (parent, _), gradient in zip(node.next_functions, handed_on, strict=True):
        if parent is not None:
            end = numbers[parent]
            if gradient is not None:
                edge = graph.edges[numbers[node], end, used[end]]
                edge["carries"] = _numbers(gradient) if gradient.dim() < 2 else _shape(gradient)
                if arrived is not None and arrived.dim() == gradient.dim() == 0 and arrived:
                    edge["slope"] = f"× {_short((gradient / arrived).item())}"
            used[end] += 1


def _walked_back(result: Tensor, leaves: Sequence[Tensor], given: Names) -> Sequence[Any]:
    """Return the gradients of the leaves; those that `retain_grad` keeps stay as they are."""
    kept = [(t, t.grad) for t in given.values() if not t.is_leaf and t.retains_grad]
    try:
        return torch.autograd.grad(result, leaves, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        raise ValueError("backward has used this graph up; draw it before, or anew") from error
    finally:
        for tensor, grad in kept:
            tensor.grad = grad


# What our own engine did --------------------------------------------------------------------------


def _paid(
    result: Any, backward: Callable[[Any], object], names: Mapping[str, Any]
) -> nx.MultiDiGraph:
    """Run backward once, and return the graph with what each value held, and what it paid."""
    numbers = _walk([result], lambda value: value.parents)
    calls = _calls(numbers, backward, result)
    graph = nx.MultiDiGraph()
    for value, number in numbers.items():
        graph.add_node(number, **_described_value(value, names))
    for value, number in numbers.items():
        held, paid = calls.get(number, (value.grad, [""] * len(value.parents)))
        if not torch.equal(held, value.grad):
            late = f"held {_numbers(held)} when called,\n{_numbers(value.grad)} in the end"
            graph.nodes[number]["grad"] = late
        for parent, amount in zip(value.parents, paid, strict=True):
            graph.add_edge(number, numbers[parent], carries=amount)
    for place, number in enumerate(calls):
        box = graph.nodes[number]
        box["label"] = f"{('1st', '2nd', '3rd', f'{place + 1}th')[min(place, 3)]}: {box['label']}"
    return graph


def _calls(
    numbers: Mapping[Any, int], backward: Callable[[Any], object], result: Any
) -> dict[int, tuple[Tensor, list[str]]]:
    """Run backward once; return what each value held when called, and what it paid, in order."""
    calls: dict[int, tuple[Tensor, list[str]]] = {}

    def watched(value: Any, rule: Callable[[Tensor], Sequence[Tensor]]) -> Callable[..., Any]:
        def noted(arrived: Tensor) -> Sequence[Tensor]:
            handed_on = rule(arrived)
            calls[numbers[value]] = arrived, [_numbers(each) for each in handed_on]
            return handed_on

        return noted

    rules = {value: value.rule for value in numbers}
    try:
        for value, rule in rules.items():
            value.grad, value.rule = torch.zeros_like(value.data), watched(value, rule)
        backward(result)
    finally:
        for value, rule in rules.items():
            value.rule = rule
    return calls


def _described_value(value: Any, names: Mapping[str, Any]) -> dict[str, str]:
    name = ", ".join(key for key, each in names.items() if each is value)
    operation = value.rule.__qualname__.partition(".")[0] if value.parents else ""
    said = _said(name, value.data) if name else _numbers(value.data)
    label = "\n".join(filter(None, [operation, said]))
    kind = "function" if value.parents else "leaf"
    return {"kind": kind, "label": label, "grad": _said("grad", value.grad)}


# Numbers -----------------------------------------------------------------------------------------


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _shaped(name: str, tensor: Tensor) -> str:
    return f"{name}\n{_shape(tensor)}"


def _said(name: str, value: float | Tensor | str) -> str:
    """Return "w = 3", a name over the rows of a small matrix, or over the shape of a large one."""
    if isinstance(value, str):
        return f"{name} {value}"
    tensor = torch.as_tensor(value)
    if tensor.numel() > MAX_NUMBERS:
        return _shaped(name, tensor)
    equals = " " if name == "grad" else " = "
    return f"{name}{equals if tensor.dim() < 2 else chr(10)}{_numbers(tensor)}"


def _numbers(tensor: Tensor) -> str:
    """Return the numbers of a small tensor, a matrix in rows; the shape of a large one."""
    if tensor.numel() > MAX_NUMBERS or tensor.dim() > 2:
        return _shape(tensor)
    if tensor.dim() == 0:
        return _short(tensor.item())
    rows = tensor.detach().reshape(-1, tensor.shape[-1]).tolist()
    return "\n".join(f"[{', '.join(map(_short, row))}]" for row in rows)


def _short(number: float) -> str:
    return f"{number + 0:.4g}".replace("-", "−")


# Drawing -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Box:
    """What stands in a row: a node of the graph or, without a label, a place for a long arrow."""

    label: str = ""
    kind: str = ""
    grad: str = ""
    accent: bool = False
    on_longest_way: bool = False
    width: float = 0.0
    height: float = 0.0
    port_gap: float = PORT_GAP
    room: float = 0.1  # the width with half a gap on each side
    x: float = 0.0
    y: float = 0.0
    above: Row = field(default_factory=list)
    below: Row = field(default_factory=list)


@dataclass(eq=False)
class _Way:
    """An arrow: the boxes that it connects and passes, and what is written on it."""

    boxes: Row
    number: int  # among the arrows between the same two boxes
    carries: str = ""
    slope: str = ""


@dataclass
class _Layout:
    """A graph in its place: boxes, the result first, and arrows, in a picture of this size."""

    boxes: Row
    ways: list[_Way]
    width: float
    height: float


def _draw(graph: nx.MultiDiGraph, title: str, legend: str, arrow: str, ax: Axes | None) -> Axes:
    return _draw_all({"": graph}, title, legend, arrow, ax)


def _draw_all(
    graphs: Mapping[str, nx.MultiDiGraph], title: str, legend: str, arrow: str, ax: Axes | None
) -> Axes:
    """Draw graphs side by side, each below its heading; a single one may go without."""
    layouts = [_lay_out(graph) for graph in graphs.values()]
    _set_side_by_side(layouts, HEADING if any(graphs) else 0.0)
    width, height = layouts[-1].width, max(layout.height for layout in layouts)
    if ax is None:
        scale = max(min(1.0, (MAX_WIDTH - 0.1) / width), min(LARGER, (COLUMN - 0.1) / width))
        below = 0.6 + 0.15 * legend.count("\n")  # title and legend
        size = max(COLUMN, scale * width + 0.1), scale * height + below
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(title=title, xlabel=legend, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    scale = _fit(ax, width, height)
    for heading, layout in zip(graphs, layouts, strict=True):
        for way in layout.ways:
            _draw_arrow(way, arrow, scale, ax)
        for box in layout.boxes:
            _draw_box(box, scale, ax)
        if heading:
            _write(ax, layout.boxes[0].x, HEADING / 2, heading, 1.2 * scale)
    return ax


def _lay_out(graph: nx.MultiDiGraph) -> _Layout:
    graph = nx.relabel_nodes(graph, {node: _box_for(**data) for node, data in graph.nodes.items()})
    rows = _rows_of(graph)
    ways = _ways_through(graph, rows)
    numbered = any(way.carries or way.slope for way in ways)
    size = _give_places(rows, ROW_GAP_WITH_NUMBERS if numbered else ROW_GAP)
    return _Layout(list(graph), ways, *size)


def _set_side_by_side(layouts: Iterable[_Layout], down: float) -> None:
    """Move each layout down, and to the right of the one before; its width then counts from 0."""
    left = 0.0
    for layout in layouts:
        for box in {*layout.boxes, *(box for way in layout.ways for box in way.boxes)}:
            box.x, box.y = box.x + left, box.y + down
        layout.width, layout.height = left + layout.width, layout.height + down
        left = layout.width + GAP


def _box_for(label: str, kind: str, grad: str = "", accent: bool = False, **_: Any) -> _Box:
    lines = [*label.split("\n"), *grad.split("\n")] if grad else label.split("\n")
    width = max(0.4, max(map(_width_of, lines)) + 2 * PADDING)
    height = LINE_HEIGHT * len(lines) + PADDING
    return _Box(label, kind, grad, accent, width=width, height=height, room=width + GAP)


def _width_of(line: str) -> float:
    font = FontProperties(size=FONT_SIZE)
    width = float(text_to_path.get_text_width_height_descent(line, font, False)[0]) / 72
    return 1.08 * width  # on a screen letters are fitted to pixels, small ones grow


def _fit(ax: Axes, width: float, height: float) -> float:
    """Set the limits so that one unit is an inch: more in large Axes, less in Axes too small.

    Returns:
        By how much fonts and arrows must grow or shrink.
    """
    ax.figure.canvas.figure.draw_without_rendering()  # a layout engine may move the Axes
    extent, dpi = ax.get_window_extent(), ax.figure.dpi
    scale = min(LARGER, extent.width / dpi / width, extent.height / dpi / height)
    across, down = extent.width / dpi / scale, extent.height / dpi / scale
    ax.set(xlim=((width - across) / 2, (width + across) / 2), ylim=(down, 0))
    return scale


def _draw_box(box: _Box, scale: float, ax: Axes) -> None:
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    rounded = box.kind in ("leaf", "given", "unreached")
    shape = "round,pad=0,rounding_size=0.12" if rounded else "square,pad=0"
    style = STYLES["tensor" if box.accent else box.kind]
    patch = FancyBboxPatch(corner, box.width, box.height, boxstyle=shape, linewidth=scale, **style)
    ax.add_patch(patch)
    below = LINE_HEIGHT * (box.grad.count("\n") + 1) if box.grad else 0.0
    above = box.height - PADDING - below
    _write(ax, box.x, box.y - below / 2, box.label, scale)
    if box.grad:
        _write(ax, box.x, box.y + above / 2, box.grad, scale, GRADIENT)


def _write(ax: Axes, x: float, y: float, text: str, scale: float, color: str = "black") -> Text:
    written = ax.text(x, y, text, ha="center", va="center", parse_math=False, color=color)
    written.set(fontsize=FONT_SIZE * scale, linespacing=1.15)
    return written


def _draw_arrow(way: _Way, style: str, scale: float, ax: Axes) -> None:
    """Draw an arrow that is bent between two rows and straight where it passes one."""
    points = []
    for one, two in pairwise(way.boxes):
        x0, x1 = _port(one, one.below, two, way), _port(two, two.above, one, way)
        y0, y1 = one.y + one.height / 2, two.y - two.height / 2
        points += [(x0, y0), (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
    bend = [Path.CURVE4] * 3
    path = Path(points, [Path.MOVETO, *bend, *[Path.LINETO, *bend] * (len(way.boxes) - 2)])
    patch = FancyArrowPatch(path=path, arrowstyle=style, mutation_scale=8 * scale)
    ax.add_patch(patch).set(color=ARROW, linewidth=scale)
    if text := way.carries or way.slope:
        (x0, y0), (x1, y1) = (points[0], points[3]) if len(points) == 4 else (points[3], points[4])
        color = GRADIENT if way.carries else "black"
        written = _write(ax, (x0 + x1) / 2, (y0 + y1) / 2, text, scale, color)
        written.set_bbox({"boxstyle": "square,pad=0.1", "facecolor": "white", "linewidth": 0})


def _draw_half(ax: Axes, y: float, box: _Box, ends: Names, color: str) -> None:
    """Draw a half of a pair: its box, what stands left and right of it, and two arrows through."""
    box.x, box.y, box.width, box.height = 3.8, y, 1.4, 0.6
    _draw_box(box, 1.8, ax)
    for (name, tensor), x, side in zip(ends.items(), (2.4, 5.2), ("right", "left"), strict=True):
        words = f"{name}\n{_numbers(tensor)}"
        ax.text(x, y, words, ha=side, va="center", fontsize=14, color=color)
    style = "-|>" if box.label == "forward" else "<|-"
    for left in 2.45, 4.5:
        arrow = {"arrowstyle": style, "color": color, "lw": 2}
        ax.annotate("", (left + 0.65, y), (left, y), arrowprops=arrow)


def _port(box: _Box, others: Row, other: _Box, way: _Way) -> float:
    """Return where along its box an arrow starts or ends: side by side, in the order of x.

    Several arrows between the same two boxes are numbered from 0.
    """
    ordered = sorted(others, key=lambda each: each.x)
    place = ordered.index(other) + min(way.number, others.count(other) - 1)
    gap = min(box.port_gap, 0.8 * box.width / len(ordered))
    return box.x + gap * (place - (len(ordered) - 1) / 2)


# Where each box goes -----------------------------------------------------------------------------


def _rows_of(graph: nx.MultiDiGraph) -> list[Row]:
    """Return the rows, by the longest way from the top; those that are too wide are wrapped."""
    for box in nx.dag_longest_path(nx.DiGraph(graph))[:-1]:
        box.on_longest_way = True
    generations = [list(generation) for generation in nx.topological_generations(graph)]
    apart = [box for box in generations[0] if box.kind == "unreached"]
    generations[0] = [box for box in generations[0] if box.kind != "unreached"]
    rows: list[Row] = []
    for generation in [*generations, apart]:
        rights = accumulate(box.room for box in generation)
        lines = {box: right // MAX_WIDTH for box, right in zip(generation, rights, strict=True)}
        rows += [list(row) for _, row in groupby(generation, lines.get)]
    return rows


def _ways_through(graph: nx.MultiDiGraph, rows: list[Row]) -> list[_Way]:
    """Return the arrows. Where one passes a row, the row gets a box without a label."""
    place = {box: number for number, row in enumerate(rows) for box in row}
    ways = []
    for start, end, key, data in graph.edges(keys=True, data=True):
        passed = rows[place[start] + 1 : place[end]]
        way = _Way([start, *(_Box() for _ in passed), end], key, **data)
        for row, box in zip(passed, way.boxes[1:], strict=False):
            row.append(box)
        for one, two in pairwise(way.boxes):
            one.below.append(two)
            two.above.append(one)
        ways.append(way)
    _make_room_for_numbers(ways)
    return ways


def _make_room_for_numbers(ways: list[_Way]) -> None:
    """Move arrows apart, and widen what they touch, so that the numbers on them stay apart."""
    for way in ways:
        text = way.carries or way.slope
        for box in way.boxes if text else []:
            box.port_gap = max(box.port_gap, _width_of(text) + 0.1)
            arrows = max(len(box.above), len(box.below))
            if arrows > 1 or not box.label:
                box.width = max(box.width, arrows * box.port_gap / 0.8)
            box.room = max(box.room, box.width + (GAP if box.label else 0.0))


def _give_places(rows: list[Row], row_gap: float) -> tuple[float, float]:
    """Give each box its x and y, in inches from the top left; return the picture's size."""
    top = 0.1
    for row in rows:
        height = max(box.height for box in row)
        for box in row:
            box.y = top + height / 2
            box.height = box.height or height  # an arrow passes through the whole row
        top += height + row_gap
    _give_columns(rows)
    boxes = [box for row in rows for box in row]
    left = min(box.x - box.width / 2 for box in boxes) - 0.1
    for box in boxes:
        box.x -= left
    width = max(box.x + box.width / 2 for box in boxes) + 0.1
    return width, top - row_gap + 0.1


def _give_columns(rows: list[Row]) -> None:
    """Pull each box towards its neighbours, without overlap; at first they may swap places."""
    tops = (box for row in rows for box in row if not box.above)
    order = _walk(tops, lambda box: box.below)
    for row in rows:
        row.sort(key=order.__getitem__)
        _place(row, [(0.0, 1e6 if box.on_longest_way else 1.0) for box in row])
    for turn in range(20):
        for row in [*rows, *reversed(rows)]:
            if turn < 10:
                row.sort(key=lambda box: round(_pull(box)[0], 3))
            _place(row, [_pull(box) for box in row])


def _pull(box: _Box) -> tuple[float, float]:
    """Return where a box is pulled to, and how strongly.

    The longest way down is pulled to 0, so that it runs straight; other boxes to the mean place of
    what they are connected with.
    """
    others = [*box.above, *box.below]
    if box.on_longest_way or not others:
        return 0.0, 1e6
    weights = [1.0 if box.label or each.label else 4.0 for each in others]  # long ones run straight
    return fmean([each.x for each in others], weights), sum(weights)


def _place(row: Row, pulls: list[tuple[float, float]]) -> None:
    """Put boxes where they keep their distances and yield most to the pulls (least squares).

    Less its offset, each place may equal its left neighbour's, but not lie left of it. So those
    that would are merged into one block at their weighted mean, until all blocks are in order.
    """
    steps = [(one.room + two.room) / 2 for one, two in pairwise(row)]
    offsets = list(accumulate(steps, initial=0.0))
    blocks: list[tuple[float, float, int]] = []  # place, weight, size
    for (place, weight), offset in zip(pulls, offsets, strict=True):
        place, size = place - offset, 1
        while blocks and blocks[-1][0] > place:
            left, weight_left, size_left = blocks.pop()
            place = (left * weight_left + place * weight) / (weight_left + weight)
            weight, size = weight + weight_left, size + size_left
        blocks.append((place, weight, size))
    places = [place for place, _, size in blocks for _ in range(size)]
    for box, place, offset in zip(row, places, offsets, strict=True):
        box.x = place + offset

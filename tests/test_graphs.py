"""helpers.graphs: the picture shows the graph that torch holds, all of it, and readably."""

import gc
import sys
import time
import weakref
from collections import Counter
from itertools import combinations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from torch import nn

from helpers.graphs import (
    COLUMN,
    FONT_SIZE,
    MAX_WIDTH,
    draw_graph,
    draw_graphs,
    draw_pair,
    draw_recurrence,
    draw_steps,
    draw_two_layers,
    draw_two_paths,
    draw_values,
    functions_in,
    graph_of,
    uses,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def two_layers():
    x, y = torch.randn(4, 6), torch.randn(4, 2)
    w1, w2 = torch.randn(6, 5, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    h = x @ w1
    loss = (h.clamp(min=0) @ w2 - y).pow(2).sum()
    return loss, {"x": x, "w1": w1, "w2": w2, "h": h, "loss": loss}


def reuses(times=3):
    torch.manual_seed(0)  # how many digits a number has decides how wide its box is
    layers = nn.ModuleDict(
        {"first": nn.Linear(6, 5), "middle": nn.Linear(5, 5), "last": nn.Linear(5, 2)}
    )
    h = layers["first"](torch.randn(4, 6)).clamp(min=0)
    for _ in range(times):
        h = layers["middle"](h).clamp(min=0)
    return layers["last"](h).pow(2).sum(), dict(layers.named_parameters())


def recurrent(terms=30):
    w = torch.randn(3, requires_grad=True)
    total = torch.zeros(3)
    for term in range(terms):
        total = total + w * term
    return total.sum(), {"w": w}


def stacked(count=24):
    leaves = {f"leaf {index}": torch.randn(3, requires_grad=True) for index in range(count)}
    return torch.stack(list(leaves.values())).sum(), leaves


def tangled(size=60):
    values = {f"w{k}": torch.randn(2, requires_grad=True) for k in range(5)}
    results = list(values.values())
    generator = torch.Generator().manual_seed(0)
    for _ in range(size):
        one, two = torch.randint(len(results), (2,), generator=generator).tolist()
        results.append(results[one] * results[two])
    return torch.stack(results).sum(), values


def chain(length):
    w = torch.ones(2, requires_grad=True)
    h = w
    for _ in range(length):
        h = h * 2
    return h, w


def named(graph, name):
    (node,) = [node for node, each in graph.nodes(data="name") if each == name]
    return node


def kinds(graph):
    return [kind for _, kind in graph.nodes(data="kind")]


# The graph ---------------------------------------------------------------------------------------


def test_the_graph_is_the_one_that_torch_holds():
    loss, names = two_layers()
    graph = graph_of(loss, names)
    found = [(data["kind"], data["label"]) for _, data in graph.nodes(data=True)]
    clamp = loss.grad_fn.next_functions[0][0].next_functions[0][0].next_functions[0][0]
    clamp = clamp.next_functions[0][0].name()  # its number differs from version to version
    assert found == [
        ("tensor", "loss\n()"),
        ("function", "SumBackward0"),
        ("function", "PowBackward0"),
        ("function", "SubBackward0"),
        ("function", "MmBackward0"),
        ("function", clamp),
        ("function", "MmBackward0\nh"),
        ("leaf", "w1\n(6, 5)"),
        ("leaf", "w2\n(5, 2)"),
        ("unreached", "x\n(4, 6)"),
    ]
    steps = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (4, 8)]
    assert sorted(graph.edges()) == sorted(steps)


def test_every_step_of_a_walk_by_hand_is_an_edge():
    loss, names = reuses()
    counted, todo, seen = 0, [loss.grad_fn], {loss.grad_fn}
    while todo:
        for parent, _ in todo.pop().next_functions:
            counted += parent is not None
            if parent is not None and parent not in seen:
                seen.add(parent)
                todo.append(parent)
    graph = graph_of(loss, names)
    assert graph.number_of_edges() == counted + 1  # and the one from the tensor to its grad_fn
    assert graph.number_of_nodes() == len(seen) + 1
    assert kinds(graph).count("leaf") == 6 and "unreached" not in kinds(graph)


def test_a_shared_leaf_stands_once_with_an_arrow_for_each_use():
    loss, names = reuses(times=3)
    graph = graph_of(loss, names)
    assert graph.in_degree(named(graph, "middle.bias")) == 3
    assert graph.in_degree(named(graph, "middle.weight")) == 3
    assert graph.in_degree(named(graph, "first.bias")) == 1


def test_used_twice_by_one_function_gives_two_edges():
    a = torch.tensor(3.0, requires_grad=True)
    graph = graph_of(a * a, {"a": a})
    assert graph.number_of_edges(1, named(graph, "a")) == 2
    ax = draw_graph(a * a, {"a": a})
    assert len([p for p in ax.patches if isinstance(p, FancyArrowPatch)]) == 2


def test_what_has_no_name_is_called_leaf_and_result():
    w = torch.ones(3, 2, requires_grad=True)
    graph = graph_of(w.exp())
    assert [data["label"] for _, data in graph.nodes(data=True)] == [
        "result\n(3, 2)",
        "ExpBackward0",
        "leaf\n(3, 2)",
    ]


def test_several_names_of_one_tensor_are_all_shown():
    w = torch.ones(2, requires_grad=True)
    graph = graph_of(w.exp(), {"encoder": w, "decoder": w})
    assert "encoder, decoder\n(2,)" in dict(graph.nodes(data="label")).values()


def test_both_results_of_one_function_are_named():
    w = torch.ones(2, 3, requires_grad=True)
    top, bottom = w.unbind()
    graph = graph_of(top * bottom, {"top": top, "bottom": bottom})
    assert "UnbindBackward0\ntop\nbottom" in dict(graph.nodes(data="label")).values()
    assert "unreached" not in kinds(graph)


def test_what_is_detached_stands_apart():
    w, v = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    cut = (w * 2).detach()
    graph = graph_of((cut * v).sum(), {"w": w, "v": v, "cut": cut})
    assert {name: graph.nodes[named(graph, name)]["kind"] for name in ("w", "v", "cut")} == {
        "w": "unreached",
        "v": "leaf",
        "cut": "unreached",
    }
    assert graph.degree(named(graph, "w")) == 0


def test_a_function_of_ones_own_shows_its_name():
    class MyReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, grad):
            return grad

    w = torch.ones(2, requires_grad=True)
    graph = graph_of(MyReLU.apply(w))
    assert graph.nodes[1]["label"] == "MyReLUBackward"


def test_the_graph_can_be_read_after_backward():
    loss, names = two_layers()
    before = graph_of(loss, names)
    loss.backward()
    assert nx.utils.graphs_equal(graph_of(loss, names), before)


def test_the_tensor_and_its_graph_stay_as_they_were():
    loss, names = two_layers()
    draw_graph(loss, names)
    assert names["w1"].grad is None and names["w1"].requires_grad
    loss.backward()
    assert names["w1"].grad is not None


def test_a_parameter_on_which_no_gradient_was_taken_is_not_touched():
    w, v = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    draw_graph(w.exp(), {"w": w, "v": v})
    assert v.grad is None and v.grad_fn is None and v.is_leaf


def test_nothing_is_kept_alive():
    loss, names = two_layers()
    kept = [graph_of(loss, names), draw_graph(loss, names)]
    watched = [weakref.ref(each) for each in [loss, *names.values()]]
    del loss, names
    gc.collect()
    assert kept and [each() for each in watched] == [None] * len(watched)


def test_a_deep_graph_is_walked_without_recursion():
    h, w = chain(5_000)
    assert sys.getrecursionlimit() < 5_000
    assert len(graph_of(h, {"w": w})) == 5_002
    with pytest.raises(ValueError, match=r"has 5,001 nodes, more than the 200 one can read"):
        draw_graph(h)
    short, _ = chain(1_000)
    assert seconds_for(graph_of, h) < 5**1.5 * seconds_for(graph_of, short)  # linear: 5 times


def seconds_for(function, *arguments):
    """The processor's time, which other programs do not stretch; the least of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        function(*arguments)
        seconds.append(time.process_time() - start)
    return min(seconds)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [graph_of, draw_graph])
@pytest.mark.parametrize(
    ("tensor", "names", "error", "message"),
    [
        ([1.0], None, TypeError, "tensor must be a torch.Tensor, got list"),
        (torch.ones(2), None, ValueError, "its requires_grad is False"),
        (torch.ones(2, requires_grad=True), None, ValueError, "it is a leaf; compute something"),
        (torch.ones(2, requires_grad=True) * 2, ["w"], TypeError, "names must map .*, got list"),
        (
            torch.ones(2, requires_grad=True) * 2,
            {"w": 3.0},
            TypeError,
            r"names\['w'\] must be a torch.Tensor, got float",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(function, tensor, names, error, message):
    with pytest.raises(error, match=message):
        function(tensor, names)
    assert not plt.get_fignums()


def test_two_hundred_nodes_are_drawn_and_no_more():
    assert draw_graph(chain(199)[0]).texts
    with pytest.raises(ValueError, match="201 nodes"):
        draw_graph(chain(200)[0])


# The picture -------------------------------------------------------------------------------------

GRAPHS = [two_layers, reuses, recurrent, stacked, tangled]


def assert_readable(ax):
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    texts = [text.get_window_extent(renderer) for text in ax.texts]
    boxes = [p.get_window_extent(renderer) for p in ax.patches if isinstance(p, FancyBboxPatch)]
    assert len(texts) == len(boxes) > 0
    for text, box in zip(texts, boxes, strict=True):
        assert inside(text, box) and inside(box, ax.get_window_extent(renderer))
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def inside(small, large, slack=0.6):
    return (
        large.x0 - slack <= small.x0
        and small.x1 <= large.x1 + slack
        and large.y0 - slack <= small.y0
        and small.y1 <= large.y1 + slack
    )


def arrows_of(ax):
    """The lines of the arrows, without their heads."""
    for path in [p.get_path() for p in ax.patches if isinstance(p, FancyArrowPatch)]:
        head = np.flatnonzero(path.codes == Path.MOVETO)[1]
        yield Path(path.vertices[:head], path.codes[:head])


def crossed(ax):
    """Count the points of arrows that lie within boxes, a pixel or more from the edge."""
    lines = [ax.transData.transform_path(arrow) for arrow in arrows_of(ax)]
    parts = [part for line in lines for part in line.to_polygons(closed_only=False)]
    x, y = np.concatenate(parts).T
    boxes = [p.get_window_extent().padded(-2) for p in ax.patches if isinstance(p, FancyBboxPatch)]
    inner = [(b.x0 < x) & (x < b.x1) & (b.y0 < y) & (y < b.y1) for b in boxes]
    return np.sum(inner)


@pytest.mark.parametrize("make", GRAPHS)
def test_the_picture_can_be_read(make):
    ax = draw_graph(*make(), title="A title")
    assert_readable(ax)
    assert ax.get_title() == "A title" and ax.get_xlabel().startswith("arrows: the way backward")
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    assert ax.figure.get_figwidth() <= MAX_WIDTH + 1e-6


@pytest.mark.parametrize("make", [two_layers, reuses, recurrent, stacked])
def test_no_arrow_runs_through_a_box(make):
    ax = draw_graph(*make())
    ax.figure.canvas.draw()
    assert crossed(ax) == 0


@pytest.mark.parametrize("make", [two_layers, reuses, recurrent])
def test_the_picture_says_what_the_graph_says(make):
    result, names = make()
    ax, graph = draw_graph(result, names), graph_of(result, names)
    shown = sorted(text.get_text() for text in ax.texts)
    labels = dict(graph.nodes(data="label"))
    top = labels.pop(0)  # stands in the box of its function, as a name alone if it has one
    labels[1] += f"\n{top if top.startswith('result') else top.partition(chr(10))[0]}"
    assert shown == sorted(labels.values())


@pytest.mark.parametrize("make", GRAPHS)
def test_no_arrow_runs_back_up(make):
    for arrow in arrows_of(draw_graph(*make())):
        assert (np.diff(arrow.vertices[:, 1]) >= 0).all()  # the y axis points down


@pytest.mark.parametrize("make", [two_layers, reuses])
def test_no_two_arrows_cross(make):
    for one, two in combinations(arrows_of(draw_graph(*make())), 2):
        assert not one.intersects_path(two, filled=False)


def test_one_graph_is_always_drawn_alike():
    made = tangled(20)
    one, two = ([text.get_position() for text in draw_graph(*made).texts] for _ in range(2))
    assert one == two


def test_the_picture_grows_with_the_graph():
    small = draw_graph(*two_layers()).figure.get_size_inches()
    large = draw_graph(*recurrent()).figure.get_size_inches()
    assert small[0] == COLUMN and large[1] > 2 * small[1]


def test_a_small_graph_is_drawn_larger_but_not_wider_than_a_column():
    small, wide = draw_graph(*two_layers()), draw_graph(*stacked(10))
    assert small.texts[0].get_fontsize() > 1.3 * FONT_SIZE
    assert wide.figure.get_figwidth() > COLUMN
    assert wide.texts[0].get_fontsize() == pytest.approx(FONT_SIZE, rel=0.05)


def test_unreached_tensors_are_dashed_and_explained():
    loss, names = two_layers()
    ax = draw_graph(loss, names)
    dashed = [p for p in ax.patches if p.get_linestyle() in ("--", "dashed")]
    assert len(dashed) == 1 and "not in this graph" in ax.get_xlabel()
    assert "dashed" not in draw_graph(loss).get_xlabel()


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_drawn_into_axes_that_are_too_small_it_shrinks(layout):
    figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout=layout)
    assert draw_graph(*two_layers(), ax=axes[0]) is axes[0]
    draw_graph(*reuses(), ax=axes[1])
    assert plt.get_fignums() == [figure.number]
    for ax in axes:
        assert_readable(ax)


def test_names_may_look_like_formulas():
    w = torch.ones(2, requires_grad=True)
    ax = draw_graph(w.exp(), {"$w_1$ and a rather long name": w})
    assert_readable(ax)
    assert "$w_1$ and a rather long name\n(2,)" in [text.get_text() for text in ax.texts]


def test_the_time_for_a_graph_grows_slower_than_the_cube_of_its_size():
    large, small = (seconds_for(draw_graph, *tangled(size)) for size in (40, 10))
    assert large < 4**3 * small


# Several side by side ----------------------------------------------------------------------------


def boxes_of(ax):
    return [patch.get_window_extent() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def test_graphs_side_by_side_can_be_read_each_below_its_heading():
    depths = {f"depth {times}": reuses(times) for times in range(4)}
    ax = draw_graphs(depths, title="Four depths")
    ax.figure.canvas.draw()
    boxes, page = boxes_of(ax), ax.figure.bbox
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 for b in boxes)
    assert crossed(ax) == 0 and ax.figure.get_figwidth() <= MAX_WIDTH + 1e-6
    results = [graph_of(*pair).nodes[0]["label"] for pair in depths.values()]
    shown = [text.get_text() for text in ax.texts]
    assert [shown.index(heading) for heading in depths] == sorted(map(shown.index, depths))
    for heading in depths:
        text = ax.texts[shown.index(heading)].get_window_extent()
        below = [box for box in boxes_of(ax) if box.x0 < text.x1 and text.x0 < box.x1]
        assert below and all(box.y1 < text.y0 for box in below)
    assert [shown.count(f"SumBackward0\n{label}") for label in set(results)] == [4]
    assert "dashed" in ax.get_xlabel() and ax.get_title() == "Four depths"


def test_graphs_side_by_side_share_one_scale_and_one_top():
    ax = draw_graphs({"short": reuses(0), "long": reuses(3)}, title="Two")
    ax.figure.canvas.draw()
    results = [t.get_window_extent() for t in ax.texts if "result" in t.get_text()]
    assert len(results) == 2
    assert results[0].y1 == pytest.approx(results[1].y1)
    assert results[0].height == pytest.approx(results[1].height)
    assert results[0].x1 < results[1].x0


def test_graphs_side_by_side_can_show_numbers():
    w = torch.tensor(2.0, requires_grad=True)
    ax = draw_graphs({"a": (w * 3, {"w": w}), "b": (w * 5, {"w": w})}, values=True, title="Two")
    assert numbers_on_arrows(ax) == ["3", "5"]
    assert "orange" in ax.get_xlabel() and w.grad is None


def test_graphs_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_graphs({}, title="none")
    with pytest.raises(ValueError, match="no graph"):
        draw_graphs({"a": (torch.ones(2), {})}, title="none")


# Steps -------------------------------------------------------------------------------------------

STEPS = {
    "h = x @ w1\n(64, 100)": ["x\n(64, 1000)", "w1\n(1000, 100)"],
    "y_pred = h @ w2\n(64, 10)": ["h = x @ w1\n(64, 100)", "w2\n(100, 10)"],
    "square": ["y_pred = h @ w2\n(64, 10)", "y_pred = h @ w2\n(64, 10)"],
}


def test_steps_are_drawn_with_inputs_as_leaves():
    ax = draw_steps(STEPS, title="Forward", highlight={"w1\n(1000, 100)"})
    assert_readable(ax)
    assert crossed(ax) == 0
    assert len(ax.texts) == 6 and ax.get_title() == "Forward"
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    rounded = [type(p.get_boxstyle()).__name__ == "Round" for p in boxes]
    labels = [text.get_text() for text in ax.texts]
    assert {label for label, yes in zip(labels, rounded, strict=True) if yes} == {
        "x\n(64, 1000)",
        "w1\n(1000, 100)",
        "w2\n(100, 10)",
    }
    colors = {label: p.get_edgecolor() for label, p in zip(labels, boxes, strict=True)}
    assert colors["w1\n(1000, 100)"] not in (colors["w2\n(100, 10)"], colors["square"])
    assert len([p for p in ax.patches if isinstance(p, FancyArrowPatch)]) == 6


def test_steps_stand_where_the_graph_of_backward_stands():
    ax = draw_steps(STEPS, title="Forward")
    height = {text.get_text().split("\n")[0]: text.get_position()[1] for text in ax.texts}
    assert height["square"] < height["y_pred = h @ w2"] < height["h = x @ w1"] < height["x"]


@pytest.mark.parametrize(
    ("steps", "highlight", "error", "message"),
    [
        ({}, (), ValueError, "at least one result"),
        ({"a": ["b"], "b": ["a"]}, (), ValueError, "depends on itself"),
        ({"a": ["a"]}, (), ValueError, "depends on itself"),
        ({"a": "xy"}, (), TypeError, "must be a sequence of labels, got 'xy'"),
        ({"a": ["b"]}, ["c"], ValueError, r"must name labels of steps, got \['c'\]"),
    ],
)
def test_steps_that_cannot_be_drawn_are_refused(steps, highlight, error, message):
    with pytest.raises(error, match=message):
        draw_steps(steps, title="", highlight=highlight)
    assert not plt.get_fignums()


def test_a_result_may_need_no_inputs():
    assert_readable(draw_steps({"a constant": []}, title="One box"))


# Numbers -----------------------------------------------------------------------------------------


def four_numbers():
    w1, w2 = torch.tensor(0.5, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    h = 2.0 * w1
    h_relu = h.clamp(min=0)
    y_pred = h_relu * w2
    loss = (y_pred - 1.0) ** 2
    return loss, {"w1": w1, "w2": w2, "h": h, "h_relu": h_relu, "y_pred": y_pred, "loss": loss}


def paid_three_times():
    a = torch.tensor(3.0, requires_grad=True)
    b = a * a
    return b + b * b, {"a": a, "b": b}


def small_matrices():
    w, m = torch.tensor([1.0, 2.0], requires_grad=True), torch.ones(3, 2, requires_grad=True)
    return (m @ w).sum() + w.sum(), {"w": w, "m": m, "large": torch.ones(3, 50)}


def numbers_on_arrows(ax):
    return sorted(text.get_text() for text in ax.texts if text.get_bbox_patch())


def assert_numbers_readable(ax):
    """Each text in its box or on an arrow, no two texts over each other, all in the picture."""
    ax.figure.set_dpi(200)  # as a page shows it; at 100 hinting makes small letters too wide
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    shown = [(text, text.get_window_extent(renderer)) for text in ax.texts]
    boxes = [p.get_window_extent(renderer) for p in ax.patches if isinstance(p, FancyBboxPatch)]
    for text, place in shown:
        if not text.get_bbox_patch():
            assert any(inside(place, box) for box in boxes), text
        assert inside(place, ax.get_window_extent(renderer)), text
    for (one, first), (two, second) in combinations(shown, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), (one, two)
    legend = ax.xaxis.label.get_window_extent(renderer)
    assert inside(legend, ax.figure.bbox), ax.get_xlabel()


@pytest.mark.parametrize("make", [four_numbers, paid_three_times, small_matrices, reuses])
def test_numbers_can_be_read(make):
    ax = draw_graph(*make(), values=True)
    assert_numbers_readable(ax)
    assert "orange: the gradient" in ax.get_xlabel()


def test_boxes_show_data_and_the_gradient_that_backward_finds():
    loss, names = four_numbers()
    graph = graph_of(loss, names, values=True)
    found = {data["name"]: (data["label"], data["grad"]) for _, data in graph.nodes(data=True)}
    assert found["w1"] == ("w1 = 0.5", "grad 24") and found["w2"] == ("w2 = 3", "grad 4")
    assert found["loss"] == ("loss = 4", "grad 1")
    assert found["PowBackward0"] == ("PowBackward0", "grad 1")
    assert ("MulBackward0\ny_pred = 3", "grad 4") in [
        (data["label"], data["grad"]) for _, data in graph.nodes(data=True)
    ]
    loss.backward()
    assert (names["w1"].grad, names["w2"].grad) == (24.0, 4.0)


def test_each_arrow_shows_what_it_hands_on_and_a_box_the_sum():
    result, names = paid_three_times()
    graph = graph_of(result, names, values=True)
    a, b = named(graph, "a"), next(n for n, d in graph.nodes(data=True) if "b = 9" in d["label"])
    assert sorted(data["carries"] for *_, data in graph.in_edges(b, data=True)) == ["1", "9", "9"]
    assert graph.nodes[b]["grad"] == "grad 19"
    assert [data["carries"] for *_, data in graph.in_edges(a, data=True)] == ["57", "57"]
    assert graph.nodes[a]["grad"] == "grad 114"
    ax = draw_graph(result, names, values=True)
    assert numbers_on_arrows(ax) == sorted(["1", "1", "9", "9", "57", "57"])


def test_an_arrow_that_enters_a_box_alone_may_show_the_slope_of_its_step():
    loss, names = four_numbers()
    ax = draw_graph(loss, names, values=True, slopes=True)
    assert_numbers_readable(ax)
    assert numbers_on_arrows(ax) == sorted(["× 4", "× 1", "× 3", "× 1", "× 1", "× 2"])
    result, names = paid_three_times()
    ax = draw_graph(result, names, values=True, slopes=True)
    assert numbers_on_arrows(ax) == sorted(["1", "× 1", "9", "9", "57", "57"])


def test_small_tensors_are_written_out_and_large_ones_are_shapes():
    graph = graph_of(*small_matrices(), values=True)
    found = {data["name"]: (data["label"], data.get("grad")) for _, data in graph.nodes(data=True)}
    assert found["w"] == ("w = [1, 2]", "grad [4, 4]")
    assert found["m"] == ("m\n[1, 1]\n[1, 1]\n[1, 1]", "grad\n[1, 2]\n[1, 2]\n[1, 2]")
    assert found["large"] == ("large\n(3, 50)", None)
    carried = {data.get("carries") for *_, data in graph.edges(data=True)}
    assert carried == {"1", "[1, 1, 1]", "[1, 1]", "[3, 3]", "(3, 2)"}


def test_drawing_the_numbers_changes_no_gradient():
    loss, names = four_numbers()
    names["h"].retain_grad()
    draw_graph(loss, names, values=True)
    assert names["w1"].grad is None and names["h"].grad is None
    names["w1"].grad = torch.tensor(7.0)
    loss.backward()
    assert names["w1"].grad == 31 and names["h"].grad == 12


def test_numbers_keep_nothing_alive_and_leave_no_hooks():
    loss, names = four_numbers()
    kept = [graph_of(loss, names, values=True), draw_graph(loss, names, values=True)]
    before = {text.get_text() for text in kept[1].texts}
    loss.backward()
    assert {text.get_text() for text in kept[1].texts} == before
    watched = [weakref.ref(each) for each in [loss, *names.values()]]
    del loss, names
    gc.collect()
    assert kept and [each() for each in watched] == [None] * len(watched)


def test_numbers_of_a_function_of_ones_own():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 5 * grad  # wrong, and that is what backward will hand on

    w = torch.tensor(3.0, requires_grad=True)
    assert numbers_on_arrows(draw_graph(Doubled.apply(w), {"w": w}, values=True)) == ["5"]


def test_numbers_need_one_number_to_start_from_and_a_graph_that_is_still_there():
    loss, names = four_numbers()
    loss.backward()
    with pytest.raises(ValueError, match="backward has used this graph up"):
        draw_graph(loss, names, values=True)
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"a single number to go back from, got \(3,\)"):
        draw_graph(w * 2, values=True)
    assert not plt.get_fignums()


SCALARS = {"h": ["x", "w1"], "y_pred": ["h", "w2"], "loss": ["y_pred", "y"]}
VALUES = {"x": 2.0, "w1": -0.5, "h": -1.0, "w2": 3.0, "y_pred": -3.0, "y": 1.0, "loss": 16.0}


def test_steps_with_values_and_gradients():
    grads = {"loss": 1.0, "y_pred": -8.0, "w2": torch.tensor(8.0), "h": -24, "w1": -48}
    slopes = {"y_pred": -8, "h": 3, "w2": -1, "w1": True}
    ax = draw_steps(SCALARS, title="Back", values=VALUES, grads=grads, slopes=slopes)
    assert_numbers_readable(ax)
    shown = [text.get_text() for text in ax.texts]
    assert {"w1 = −0.5", "grad −48", "loss = 16", "grad 1"} <= set(shown)
    assert numbers_on_arrows(ax) == sorted(["× −8", "× 3", "× −1", "× 1"])
    styles = [type(p.get_arrowstyle()).__name__ for p in ax.patches if hasattr(p, "get_arrowstyle")]
    assert set(styles) == {"CurveFilledB"}  # down, the way of the gradients


def test_where_ways_meet_each_has_its_slope_and_the_gradient_adds_up():
    steps = {"loss": ["p", "q"], "p": ["h"], "q": ["h"]}
    slopes = {"p": 2, "q": 4, ("p", "h"): 1, ("q", "h"): -2}
    ax = draw_steps(steps, title="Two ways", grads={"h": "2 − 8 = −6"}, slopes=slopes)
    assert_numbers_readable(ax)
    assert numbers_on_arrows(ax) == sorted(["× 2", "× 4", "× 1", "× −2"])
    assert "grad 2 − 8 = −6" in [text.get_text() for text in ax.texts]
    with pytest.raises(ValueError, match=r"used once, got 'h'"):
        draw_steps(steps, title="", slopes={"h": 1})
    with pytest.raises(ValueError, match=r"used once, got \('loss', 'h'\)"):
        draw_steps(steps, title="", slopes={("loss", "h"): 1})


def test_two_paths_meet_where_their_payments_add_up():
    ax = draw_two_paths(torch.tensor([2.0, 4.0]), torch.tensor([1.0, -2.0]), title="Two paths")
    assert_numbers_readable(ax)
    assert numbers_on_arrows(ax) == sorted(["× 2", "× 4", "× 1", "× −2"])
    assert "grad 2 − 8 = −6" in [text.get_text() for text in ax.texts]


def test_two_layers_are_drawn_from_the_names_of_a_page():
    page = {**VALUES, "h_relu": 0.0, "loss": 1.0, "other": "name"}
    ax = draw_two_layers(page, title="Up")
    assert_numbers_readable(ax)
    shown = {text.get_text() for text in ax.texts}
    assert {"x = 2", "h_relu = 0", "loss = 1"} <= shown and "grad 1" not in shown
    page |= {f"grad_{name}": 7.0 for name in ("y_pred", "w2", "h_relu", "h", "w1")}
    ax = draw_two_layers(page, title="Back", back=True, slopes={"h": 0.0})
    shown = [text.get_text() for text in ax.texts]
    assert shown.count("grad 7") == 5 and shown.count("grad 1") == 1 and "× 0" in shown
    with pytest.raises(KeyError, match="grad_h"):
        draw_two_layers(VALUES | {"h_relu": 0.0}, title="", back=True)


def test_steps_with_values_alone_point_up():
    values = {**VALUES, "w1": torch.ones(1000, 100)}
    ax = draw_steps(SCALARS, title="Forward", values=values, given=["x", "y"])
    assert_numbers_readable(ax)
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    colors = {t.get_text()[0]: p.get_facecolor() for t, p in zip(ax.texts, boxes, strict=True)}
    assert colors["x"] != colors["w"]  # what is given is not learned
    assert "w1\n(1000, 100)" in [text.get_text() for text in ax.texts]
    styles = [type(p.get_arrowstyle()).__name__ for p in ax.patches if hasattr(p, "get_arrowstyle")]
    assert set(styles) == {"CurveFilledA"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"values": {"z": 1.0}}, r"values must name labels of steps, got \['z'\]"),
        ({"grads": {"z": 1.0}}, r"grads must name labels of steps, got \['z'\]"),
        ({"given": ["h"]}, "given must name inputs, got 'h'"),
        ({"given": ["z"]}, "given must name inputs, got 'z'"),
        ({"slopes": {"loss": 1.0}}, "slopes must name what is used once, got 'loss'"),
        ({"slopes": {"z": 1.0}}, "slopes must name what is used once, got 'z'"),
    ],
)
def test_numbers_of_what_is_no_step_are_refused(more, message):
    with pytest.raises(ValueError, match=message):
        draw_steps(SCALARS, title="", **more)
    assert not plt.get_fignums()


@pytest.mark.parametrize("times", [0, 1, 3])
def test_functions_and_uses_are_counted_as_in_the_picture(times):
    loss, names = reuses(times)
    assert uses(loss, names["middle.weight"]) == uses(loss, names["middle.bias"]) == times
    assert uses(loss, names["last.weight"]) == 1
    boxes = draw_graph(loss, names).texts
    assert functions_in(loss) == sum("Backward" in box.get_text() for box in boxes)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_recurrence_has_two_arrows_into_each_state_and_on_each_its_weight(length):
    ax = draw_recurrence(length, title="Read")
    ax.figure.canvas.draw()
    said = [text.get_text() for text in ax.texts if text.get_text()]
    expected = [f"h{n}" for n in range(length + 1)] + [f"v{n}" for n in range(length)]
    assert sorted(said) == sorted([*expected, *["w_in", "w_rec"] * length])
    assert len(ax.texts) - len(said) == 2 * length  # an arrow is a text without words
    boxes = [p.get_window_extent() for p in ax.patches if isinstance(p, FancyBboxPatch)]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    page = ax.get_window_extent()
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)


@pytest.mark.parametrize("length", [1, 6])
def test_a_recurrence_that_does_not_fit_is_refused(length):
    with pytest.raises(ValueError, match=f"from 2 to 5, got {length}"):
        draw_recurrence(length, title="no")


# Our own engine ----------------------------------------------------------------------------------


class Value:
    """As notebook 03 builds it."""

    def __init__(self, data, parents=(), rule=lambda grad: ()):
        self.data, self.grad = torch.tensor(float(data)), torch.tensor(0.0)
        self.parents, self.rule = parents, rule


def add(a, b):
    return Value(a.data + b.data, (a, b), lambda grad: (grad, grad))


def mul(a, b):
    return Value(a.data * b.data, (a, b), lambda grad: (grad * b.data, grad * a.data))


def in_the_order(*values):
    """A backward that lets these values pass on, one after the other."""

    def backward(result):
        result.grad = torch.tensor(1.0)
        for value in values:
            for parent, grad in zip(value.parents, value.rule(value.grad), strict=True):
                parent.grad = parent.grad + grad

    return backward


def two_ways():
    a = Value(2)
    b = mul(a, a)
    return a, b, mul(b, b)


def test_a_picture_of_our_engine_shows_what_was_paid_right_or_wrong():
    a, b, bb = two_ways()
    c, names = add(b, bb), {"a": a, "b": b}
    names["c"] = c
    ranks, late = ("1st", "2nd", "3rd"), "held 1 when called,\n9 in the end"
    for order, held, grad, last in [
        ((c, bb, b), "grad 9", "grad 36", "18"),
        ((c, b, bb), late, "grad 4", "2"),
    ]:
        ax = draw_values(c, {"": in_the_order(*order)}, names, title="Paid")
        assert_numbers_readable(ax)
        labels = {c: "add\nc = 20", b: "mul\nb = 4", bb: "mul\n16"}
        called = [f"{when}: {labels[it]}" for when, it in zip(ranks, order, strict=True)]
        boxes = [*called, "a = 2", "grad 1", "grad 1", held, grad]
        paid = ["1", "1", "4", "4", last, last]
        assert Counter(text.get_text() for text in ax.texts) == Counter(boxes + paid)


def test_two_engines_stand_side_by_side():
    a, b, bb = two_ways()
    c = add(b, bb)
    engines = {"early": in_the_order(c, b, bb, a), "late": in_the_order(c, bb, b, a)}
    ax = draw_values(c, engines, {"a": a}, title="Two")
    shown = {text.get_text(): text.get_position() for text in ax.texts}
    assert {"early", "late", "4th: a = 2"} <= set(shown)
    ends = [shown["grad 4"], shown["grad 36"]]
    assert ends[0][0] < ends[1][0]


def test_drawing_our_engine_leaves_the_rules_as_they_were():
    a, b, bb = two_ways()
    rules = [value.rule for value in (a, b, bb)]
    draw_values(bb, {"": in_the_order(bb)}, {}, title="b has not paid")
    assert [value.rule for value in (a, b, bb)] == rules
    assert (b.grad, a.grad) == (8, 0)


def test_a_pair_shows_what_goes_in_on_the_left_and_comes_back_from_the_right():
    x, grad_y = torch.tensor([-2.0, 3.0]), torch.tensor([10.0, -50.0])
    halves = {"x": x, "y": x.clamp(min=0)}, {"grad_y": grad_y, "grad_x": grad_y * (x > 0)}
    ax = draw_pair(*halves, saved="x", title="A pair")
    assert ax.get_title() == "A pair"
    ax.figure.canvas.draw()
    at = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    assert list(at) == [
        *("forward", "x\n[−2, 3]", "y\n[0, 3]"),
        *("backward", "grad_x\n[0, −50]", "grad_y\n[10, −50]", "saved: x"),
    ]
    assert at["x\n[−2, 3]"][0] == at["grad_x\n[0, −50]"][0] < at["forward"][0]
    assert at["y\n[0, 3]"][0] == at["grad_y\n[10, −50]"][0] > at["forward"][0]
    assert at["forward"][1] < at["saved: x"][1] < at["backward"][1]


def test_a_pair_has_two_ends_on_each_side():
    x = torch.ones(2)
    with pytest.raises(ValueError, match="two ends"):
        draw_pair({"x": x}, {"grad_y": x, "grad_x": x}, saved="x", title="no")

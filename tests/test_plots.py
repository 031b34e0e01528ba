"""helpers.plots: what is drawn is what was given, and nothing is drawn from nothing."""

import os
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers.metrics import History
from helpers.plots import (
    draw_broadcast,
    draw_channels,
    draw_windows,
    plot_bars,
    plot_confusion_matrix,
    plot_filters,
    plot_history,
    plot_losses,
    plot_paths,
    show_grids,
    show_images,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def drawn(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}


def make_history(epochs=3):
    falling = [1 / (k + 1) for k in range(epochs)]
    rising = [k / 10 for k in range(epochs)]
    return History(falling, rising, falling, rising, [1.0] * epochs)


def test_plot_losses_draws_the_curves_it_is_given():
    ax = plot_losses({"a": [3.0, 2.0], "b": [2.0, 1.0]}, title="Two runs")
    assert drawn(ax) == {"a": [3.0, 2.0], "b": [2.0, 1.0]}
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("Two runs", "step", "loss")
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_plot_losses_takes_one_curve_and_an_axes():
    _, mine = plt.subplots()
    ax = plot_losses([3.0, 2.0], title="One", log=False, start=1, ax=mine)
    assert ax is mine and ax.get_legend() is None
    assert list(ax.get_lines()[0].get_xdata()) == [1, 2]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([], "at least one value"),
        ({}, "at least one value"),
        ({"a": [1.0], "b": []}, "at least one value"),
        ({"a": [1.0], "b": [1.0, 2.0]}, r"equally long, got \{'a': 1, 'b': 2\}"),
    ],
)
def test_plot_losses_refuses_nothing_and_unequal_lengths(losses, message):
    with pytest.raises(ValueError, match=message):
        plot_losses(losses, title="no")


def test_plot_history_draws_loss_and_both_accuracies():
    history = make_history()
    ax = plot_history(history, title="A run")
    assert drawn(ax) == {
        "train loss": history.train_loss,
        "train accuracy": history.train_accuracy,
        "test accuracy": history.test_accuracy,
    }
    history.test_loss, history.test_accuracy = [], []
    assert set(drawn(plot_history(history, title="No test"))) == {"train loss", "train accuracy"}


def test_plot_history_refuses_empty_and_unequal():
    with pytest.raises(ValueError, match="at least one value"):
        plot_history(History(), title="no")
    history = make_history()
    history.test_accuracy.pop()
    with pytest.raises(ValueError, match="equally long"):
        plot_history(history, title="no")


@pytest.mark.parametrize("shape", [(7, 28, 28), (7, 1, 28, 28)])
def test_show_images_shows_each_image_once(shape):
    images = torch.randint(256, shape, dtype=torch.uint8)
    axes = show_images(images, [str(k) for k in range(7)], title="Seven", columns=4)
    assert len(axes) == 7
    for ax, image in zip(axes, images.reshape(7, 28, 28), strict=True):
        np.testing.assert_array_equal(ax.get_images()[0].get_array(), image.numpy())
        assert ax.get_images()[0].get_clim() == (0, 255)
    assert axes[0].figure.get_suptitle() == "Seven"


@pytest.mark.parametrize("shape", [(0, 28, 28), (28, 28), (3, 3, 28, 28)])
def test_show_images_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="images must have shape"):
        show_images(torch.zeros(shape), title="no")


def test_show_images_wants_one_title_each():
    with pytest.raises(ValueError, match="one for each of 3 images, got 2"):
        show_images(torch.zeros(3, 4, 4), ["a", "b"], title="no")


def test_plot_confusion_matrix_writes_the_counts():
    matrix = torch.tensor([[5, 1], [0, 9]])
    ax = plot_confusion_matrix(matrix, ["cat", "dog"], title="Pets")
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    assert texts == {(0, 0): "5", (1, 0): "1", (0, 1): "", (1, 1): "9"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    with pytest.raises(ValueError, match="for 3 class names"):
        plot_confusion_matrix(matrix, ["a", "b", "c"], title="no")


def test_plot_filters_centres_its_colours_on_zero():
    weights = torch.randn(6, 1, 5, 5, requires_grad=True)
    axes = plot_filters(weights, title="Six")
    assert len(axes) == 6
    low, high = axes[0].get_images()[0].get_clim()
    assert low == -high and high == pytest.approx(weights.abs().max().item())
    assert weights.grad is None
    with pytest.raises(ValueError, match="shape"):
        plot_filters(torch.randn(16, 6, 5, 5), title="no")


COLUMN, ROW = torch.tensor([[0], [10], [20]]), torch.tensor([1, 2, 3, 4])


def written(ax):
    """The words on a picture that are not a number."""
    texts = [text.get_text() for text in ax.texts]
    return [text for text in texts if not text.lstrip("-").replace(".", "").isdigit()]


def test_draw_broadcast_writes_the_copies_and_the_sum():
    ax = draw_broadcast(COLUMN, ROW, title="A table")
    numbers = [int(text.get_text()) for text in ax.texts if text.get_text().isdigit()]
    expected = [*COLUMN.expand(3, 4).flatten(), *ROW.expand(3, 4).flatten()]
    assert numbers == [int(value) for value in [*expected, *(COLUMN + ROW).flatten()]]
    assert written(ax) == ["a\n(3, 1)", "b\n(4,)", "a + b\n(3, 4)", "+", "="]
    assert ax.get_title() == "A table"


def test_draw_broadcast_leaves_copies_pale():
    ax = draw_broadcast(COLUMN, ROW, title="A table")
    pale = [patch.get_facecolor() == (1, 1, 1, 1) for patch in ax.patches]
    assert [sum(pale[k : k + 12]) for k in (0, 12, 24)] == [3 * 3, 2 * 4, 0]
    assert [pale[0], pale[1], pale[12], pale[16]] == [False, True, False, True]


@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [((), ()), ((3,), ()), ((2, 1), ()), ((6, 6), (6, 6)), ((1, 5), (2, 1)), ((1,), (6, 1))],
)
@pytest.mark.parametrize("value", [1.5, -1234.5678])
def test_draw_broadcast_keeps_every_number_inside_its_cell(shape_a, shape_b, value):
    ax = draw_broadcast(torch.full(shape_a, value), torch.full(shape_b, value), title="Fits")
    ax.figure.canvas.draw()
    page = ax.figure.bbox
    for text in ax.texts:
        box = text.get_window_extent()
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
    for text, patch in zip([t for t in ax.texts if "." in t.get_text()], ax.patches, strict=False):
        assert text.get_window_extent().width < patch.get_window_extent().width


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.ones(2, 2, 2), ROW, r"at most two axes each, got shapes \(2, 2, 2\) and \(4,\)"),
        (torch.ones(3), ROW, r"must broadcast.*got \(3,\) and \(4,\)"),
        (torch.ones(7, 1), ROW, r"1 to 6 rows and columns, got shape \(7, 4\)"),
        (torch.ones(0), ROW[:1], r"1 to 6 rows and columns, got shape \(0,\)"),
    ],
)
def test_draw_broadcast_refuses_what_it_cannot_draw(a, b, message):
    with pytest.raises(ValueError, match=message):
        draw_broadcast(a, b, title="no")


def bowl(x, y):
    return x**2 + y**2


def test_plot_paths_draws_each_path_and_its_start():
    paths = {"a": [(0.0, 1.0), (2.0, 3.0)], "b": [[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]}
    ax = plot_paths(bowl, paths, title="Two ways", xlim=(-1, 3), ylim=(-2, 4))
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert lines.pop("_start") == [[1.0, 1.0]]  # the last one; each path has its own
    assert lines.pop("_end") == [[0.0, 0.0]]
    assert lines == {name: [list(point) for point in path] for name, path in paths.items()}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_title()) == ((-1, 3), (-2, 4), "Two ways")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w[0]", "w[1]")
    assert len(ax.collections) > 0


def test_plot_paths_takes_an_axes_and_six_paths_look_different():
    _, mine = plt.subplots()
    paths = {str(k): [(k, 0.0), (k, 1.0)] for k in range(6)}
    assert plot_paths(bowl, paths, title="Six", xlim=(0, 5), ylim=(0, 1), ax=mine) is mine
    named = [line for line in mine.get_lines() if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_linestyle()) for line in named}) == 6


@pytest.mark.parametrize("paths", [{}, {"a": []}, {"a": [1.0, 2.0]}, {"a": [(1.0, 2.0, 3.0)]}])
def test_plot_paths_refuses_what_is_no_path(paths):
    with pytest.raises(ValueError, match=r"points \(x, y\) for each name"):
        plot_paths(bowl, paths, title="no", xlim=(0, 1), ylim=(0, 1))


def test_show_grids_writes_small_numbers_names_and_signs():
    grids = {"x": torch.tensor([[1.0, -2.0]]), "k": torch.tensor([[0.25]]), "y": torch.zeros(2, 2)}
    ax = show_grids(grids, title="Three", signs="⋆=")
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    assert texts == ["1", "−2", "x", "⋆", "0.25", "k", "=", "0", "0", "0", "0", "y"]
    assert ax.get_title() == "Three"
    for mesh, grid in zip(ax.collections, grids.values(), strict=True):
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).ravel(), grid.flatten())
        low, high = mesh.get_clim()
        assert low == -high and high >= grid.abs().max()


def test_show_grids_leaves_the_numbers_out_of_large_grids():
    weights = torch.randn(9, 9, requires_grad=True)
    ax = show_grids({"w": weights}, title="Large")
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["w"]
    assert weights.grad is None


@pytest.mark.parametrize("shapes", [[(6, 6), (3, 3)], [(28, 28)] * 4, [(1, 1)], [(16, 36)] * 2])
@pytest.mark.parametrize("columns", [8, 1])
def test_show_grids_keeps_everything_on_the_page_and_apart(shapes, columns):
    grids = {f"a grid {k}": torch.full(shape, -1234.5678) for k, shape in enumerate(shapes)}
    ax = show_grids(grids, title="Fits", columns=columns)
    ax.figure.canvas.draw()
    page = ax.figure.bbox
    boxes = [mesh.get_window_extent() for mesh in ax.collections]
    names = [text.get_window_extent() for text in ax.texts if text.get_text() in grids]
    for box in boxes + names:
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
    assert not any(name.overlaps(box) for name in names for box in boxes)
    assert len(names) == len(shapes)


@pytest.mark.parametrize(
    ("grids", "signs", "message"),
    [
        ({}, "", "at least one matrix"),
        ({"a": torch.ones(3)}, "", r"got shapes \{'a': \(3,\)\}"),
        ({"a": torch.ones(0, 2)}, "", "with entries"),
        ({"a": torch.ones(1, 1)}, "+", "one fewer than the 1 grids"),
    ],
)
def test_show_grids_refuses_what_is_no_matrix(grids, signs, message):
    with pytest.raises(ValueError, match=message):
        show_grids(grids, title="no", signs=signs)


def dots_of(ax):
    """The input cells, (row, column), that each window reads."""
    return [
        sorted((int(np.floor(y)), int(np.floor(x))) for x, y in line.get_xydata())
        for line in ax.get_lines()
    ]


@pytest.mark.parametrize(
    ("size", "geometry"),
    [(5, {"padding": 1}), (6, {"stride": 2}), (6, {"dilation": 2}), (7, {"stride": 2})],
)
def test_draw_windows_dots_are_the_cells_that_get_a_gradient(size, geometry):
    layer = torch.nn.Conv2d(1, 1, 3, bias=False, **geometry)
    torch.nn.init.ones_(layer.weight)
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    y = layer(x)[0, 0]
    last = len(y) - 1
    ax = draw_windows(size, 3, title="Windows", **geometry)
    cells = [(0, 0), (0, 1), (last, last)]
    for cell, dots in zip(cells, dots_of(ax), strict=True):
        (grad,) = torch.autograd.grad(y[cell], x, retain_graph=True)
        inside = [list(dot) for dot in dots if min(dot) >= 0 and max(dot) < size]
        assert inside == grad[0, 0].nonzero().tolist() and len(dots) == 9
    words = [text.get_text() for text in ax.texts]
    assert words[-1] == f"output {len(y)}×{len(y)}" and f"input {size}×{size}" in words[-2]


def test_draw_windows_takes_its_cells_and_draws_each_once():
    assert len(dots_of(draw_windows(3, 3, title="One place"))) == 1
    assert dots_of(draw_windows(4, 1, cells=[(2, 3)], title="One cell")) == [[(2, 3)]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2, "kernel": 3}, r"spans 3 must fit on 2"),
        ({"size": 5, "kernel": 3, "padding": 1, "dilation": 4}, r"spans 9 must fit on 5 \+ 2"),
        ({"size": 5, "kernel": 3, "cells": [(3, 0)]}, r"3×3 output, got \[\(3, 0\)\]"),
        ({"size": 5, "kernel": 3, "cells": []}, "one to three"),
        ({"size": 5, "kernel": 2, "cells": [(0, k) for k in range(4)]}, "one to three"),
    ],
)
def test_draw_windows_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_windows(**arguments, title="no")


def test_draw_channels_draws_one_line_a_kernel():
    ax = draw_channels(4, 2, [1, 2], title="Groups")
    assert len(ax.get_lines()) == 8 + 4 and len(ax.patches) == 2 * (4 + 2)
    assert [text.get_text() for text in ax.texts] == ["1 group\n8 kernels", "2 groups\n4 kernels"]
    for count in 1, 2:
        kernels = torch.nn.Conv2d(4, 2, 3, groups=count).weight[:, :, 0, 0].numel()
        assert f"{kernels} kernels" in ax.texts[count - 1].get_text()


@pytest.mark.parametrize("groups", [[], [3], [0], [4]])
def test_draw_channels_refuses_groups_that_do_not_divide(groups):
    with pytest.raises(ValueError, match="groups must divide 4 and 2"):
        draw_channels(4, 2, groups, title="no")


def test_plot_bars_draws_one_bar_a_name_with_its_number():
    ax = plot_bars({"forward": 12.5, "backward": 25.0, "update": 0.0}, title="A step", xlabel="ms")
    assert [bar.get_width() for bar in ax.patches] == [12.5, 25.0, 0.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["forward", "backward", "update"]
    assert [text.get_text() for text in ax.texts] == ["12.5", "25", "0"]
    assert ax.yaxis_inverted() and ax.get_xlim()[1] > 25
    assert (ax.get_title(), ax.get_xlabel()) == ("A step", "ms")


@pytest.mark.parametrize("values", [{}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_plot_bars_refuses_what_is_no_length(values):
    with pytest.raises(ValueError, match="finite numbers, 0 or more"):
        plot_bars(values, title="no", xlabel="ms")


IN_TEX = """
import matplotlib
assert matplotlib.rcParams["text.usetex"]
import torch
from helpers.graphs import draw_graph
from helpers.plots import plot_losses

plot_losses({"w_1 & w_2": [3.0, 2.0], "100 %": [1.0, 2.0]}, title="#1").figure.savefig("curves.png")
w_1 = torch.ones(1, requires_grad=True)
draw_graph(w_1 + 1, {"w_1": w_1}, title="100 %").figure.savefig("graph.png")
"""


def test_pictures_do_not_go_through_the_readers_tex(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: Agg\n")
    drawing = subprocess.run(
        [sys.executable, "-c", IN_TEX],
        cwd=tmp_path,  # Matplotlib reads the settings that lie in the working directory first
        env=os.environ | {"MPLBACKEND": "Agg", "PATH": ""},  # nor is there a TeX
        capture_output=True,
        text=True,
    )
    assert drawing.returncode == 0, drawing.stderr
    assert (tmp_path / "curves.png").exists() and (tmp_path / "graph.png").exists()

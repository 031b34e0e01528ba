"""helpers.charts: what is drawn is what was given, and nothing is drawn from nothing."""

import os
import re
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers.charts import (
    COLORS,
    plot_answers,
    plot_bars,
    plot_clouds,
    plot_confusion_matrix,
    plot_each_path,
    plot_history,
    plot_losses,
    plot_paths,
    plot_rates,
    plot_shares,
    plot_sizes,
    plot_slopes,
    plot_softmax,
    plot_spread,
    plot_stacks,
    plot_staircase,
    plot_step,
    plot_surprise,
    show_guesses,
    show_images,
    show_seen,
)
from helpers.metrics import History


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_step_is_drawn_with_its_tangent():
    ax = plot_step(lambda w: w * w, 3.0, 6.0, 2.0, xlabel="w", title="down")
    loss, tangent, ends = ax.get_lines()
    weights, losses = loss.get_data()
    np.testing.assert_allclose(losses, weights**2)
    (left, right), (low, high) = tangent.get_data()
    assert (left + right) / 2 == 3 and (low + high) / 2 == 9
    assert (high - low) / (right - left) == pytest.approx(6)
    assert ends.get_xydata().tolist() == [[3, 9], [2, 4]]


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


def test_plot_losses_may_stand_at_numbers_on_a_log_scale():
    ax = plot_losses({"a": [3.0, 2.0], "b": [2.0, 1.0]}, title="Errors", at=[1e-2, 1e-9])
    assert [list(line.get_xdata()) for line in ax.get_lines()] == [[1e-2, 1e-9]] * 2
    assert ax.get_xscale() == "log"


def test_rates_are_named_at_their_ends_and_where_they_leave():
    losses = {"slow": [9.0, 8.0, 7.0], "wild": [9.0, 2e3, float("nan")]}
    ax = plot_rates(losses, title="Two rates", limits=(1, 1000))
    assert drawn(ax)["slow"] == losses["slow"] and ax.get_legend() is None
    assert ax.get_ylim() == (1, 1000) and ax.get_xlim()[0] == -15
    slow, wild = ax.texts
    assert (slow.get_text(), slow.xy) == ("slow", (3, 7.0))
    assert (wild.get_text(), wild.xy) == ("wild: off the page in 1 steps", (1, 1000))
    colors = [line.get_color() for line in ax.get_lines()]
    assert [text.get_color() for text in ax.texts] == colors


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([], "at least one value each, got {'loss': 0}"),
        ({}, "at least one value each, got {}"),
        ({"a": [], "b": []}, "at least one value each, got {'a': 0, 'b': 0}"),
        (
            {"a": [1.0], "b": [1.0, 2.0]},
            "equally long, at least one value each, got {'a': 1, 'b': 2}",
        ),
    ],
)
def test_plot_losses_refuses_nothing_and_unequal_lengths(losses, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        plot_losses(losses, title="no")


def test_plot_history_draws_losses_and_accuracies_apart():
    history = make_history()
    losses, accuracies = plot_history(history, title="A run")
    assert losses.figure.get_suptitle() == "A run"
    words = losses.get_ylabel(), accuracies.get_ylabel(), accuracies.get_ylim()
    assert words == ("loss", "accuracy", (0, 1))
    assert drawn(losses) == {"train": history.train_loss, "test": history.test_loss}
    assert drawn(accuracies) == {"train": history.train_accuracy, "test": history.test_accuracy}
    history.test_loss, history.test_accuracy = [], []
    for ax in plot_history(history, title="No test"):
        assert len(ax.get_lines()) == 1


def test_plot_history_refuses_empty_and_unequal():
    with pytest.raises(ValueError, match=r"at least one value each, got \{'train': 0"):
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


def test_show_images_shows_them_as_large_as_it_is_told():
    images = torch.zeros(5, 28, 28, dtype=torch.uint8)
    small, large = (show_images(images, title="Five", size=size)[0].figure for size in (1, 1.5))
    assert large.get_figwidth() == pytest.approx(1.5 * small.get_figwidth())
    strip = show_images(torch.zeros(5, 7, 42), title="Of six each")[0].figure
    assert strip.get_figwidth() == pytest.approx(6 * small.get_figwidth())
    assert strip.get_figheight() == small.get_figheight()


def test_show_images_marks_the_titles_that_say_no():
    axes = show_images(torch.zeros(2, 4, 4), ["right", "no: a coat"], title="Two", marked="no:")
    assert [ax.title.get_color() for ax in axes] == ["black", COLORS[1]]
    plain = show_images(torch.zeros(1, 4, 4), ["no: a coat"], title="One", size=1.5)
    assert plain[0].title.get_color() == "black"
    assert plain[0].title.get_fontsize() > axes[0].title.get_fontsize()


def test_plot_surprise_marks_what_each_probability_costs():
    ax = plot_surprise({"half": 0.5, "sure": 1.0}, title="The price")
    curve, *marks = ax.get_lines()
    np.testing.assert_allclose(curve.get_ydata(), -np.log(curve.get_xdata()))
    assert [mark.get_ydata()[0] for mark in marks] == pytest.approx([np.log(2), 0])
    assert [text.get_text() for text in ax.texts] == ["half costs 0.69", "sure costs 0.00"]


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
    assert texts == {(0, 0): "5", (1, 0): "1", (1, 1): "9"}
    wrong = ax.images[0].get_array()
    assert wrong.mask.tolist() == [[True, False], [False, True]]  # what is right has no shade
    assert wrong[0, 1] == pytest.approx(1 / 6) and wrong[1, 0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    with pytest.raises(ValueError, match="for 3 class names"):
        plot_confusion_matrix(matrix, ["a", "b", "c"], title="no")


def test_plot_answers_sets_each_map_below_its_kernel():
    kernels, image = torch.randn(3, 1, 5, 5), torch.rand(1, 8, 8)
    maps = torch.relu(torch.conv2d(image[None], kernels, padding=2))[0]
    grid = plot_answers(kernels, image, maps, title="Three")
    assert grid.shape == (2, 4)
    for column in range(3):
        above, below = (grid[row, column + 1].get_images()[0] for row in (0, 1))
        assert above.get_clim() == (-kernels.abs().max().item(), kernels.abs().max().item())
        assert np.array_equal(above.get_array(), kernels[column, 0].numpy())
        assert np.array_equal(below.get_array(), maps[column].numpy())
        assert below.get_clim()[0] == 0
    with pytest.raises(ValueError, match="one for each of 3 kernels, got 2"):
        plot_answers(kernels, image, maps[:2], title="no")


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


def test_plot_bars_draws_one_bar_a_name_with_its_number():
    ax = plot_bars({"forward": 12.5, "backward": 25.0, "update": 0.0}, title="A step", xlabel="ms")
    assert [bar.get_width() for bar in ax.patches] == [12.5, 25.0, 0.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["forward", "backward", "update"]
    assert [text.get_text() for text in ax.texts] == ["12.5", "25", "0"]
    assert ax.yaxis_inverted() and ax.get_xlim()[1] > 25
    assert (ax.get_title(), ax.get_xlabel()) == ("A step", "ms")


def test_plot_bars_says_the_smallest_of_very_different_numbers_on_an_honest_axis():
    ax = plot_bars({"fast": 1.544, "slow": 1234.4}, title="Times", xlabel="ms")
    assert ax.get_xscale() == "linear" and ax.get_xlim()[0] == 0
    assert [text.get_text() for text in ax.texts] == ["1.54", "1,234"]


def test_plot_staircase_draws_steps_as_high_as_the_means_and_whiskers_over_the_seeds():
    seeds = {"old": [0.6, 0.7, 0.8], "new": [0.9, 0.9, 0.84]}
    ax = plot_staircase(seeds, now={"new": 0.85}, title="Up", ylabel="accuracy")
    (steps,) = [patch for patch in ax.patches if hasattr(patch, "get_data")]
    assert steps.get_data().values == pytest.approx([0.7, 0.88])
    whiskers = [lines.get_segments()[0][:, 1].tolist() for lines in ax.collections]
    assert whiskers == [[0.6, 0.8], [0.84, 0.9]]
    assert [text.get_text() for text in ax.texts] == ["0.700", "0.880"]
    assert ax.get_lines()[0].get_xydata().tolist() == [[1.25, 0.85]]
    assert (ax.get_title(), ax.get_ylabel(), ax.get_ylim()) == ("Up", "accuracy", (0, 1))


def test_plot_staircase_points_down_at_a_step_below_the_picture():
    ax = plot_staircase({"a": [0.7], "ruin": [0.1, 0.3]}, title="Up", ylabel="", ylim=(0.6, 0.8))
    arrows = [text for text in ax.texts if text.arrow_patch is not None]
    assert [(text.get_text(), text.xy) for text in arrows] == [("0.200", (1, 0.6))]
    assert ax.get_ylim() == (0.6, 0.8)


@pytest.mark.parametrize(("seeds", "now"), [({}, None), ({"a": []}, None), ({"a": [1]}, {"b": 1})])
def test_plot_staircase_refuses_what_has_no_step(seeds, now):
    with pytest.raises(ValueError, match="numbers for each name"):
        plot_staircase(seeds, now=now, title="no", ylabel="no")


def strokes_of(ax):
    """Return (x, y, slope) of the strokes, the lines of two points."""
    ends = [line.get_xydata() for line in ax.get_lines() if len(line.get_xydata()) == 2]
    return [(*(a + b) / 2, (b - a)[1] / (b - a)[0]) for a, b in ends]


def test_plot_slopes_draws_the_slopes_that_backward_claims_each_on_its_point():
    ax = plot_slopes(torch.relu, title="A kink", behind={"abs": torch.abs})
    strokes = strokes_of(ax)
    assert [x for x, _, _ in strokes] == pytest.approx(np.arange(-2.75, 3, 0.5))
    for x, y, slope in strokes:
        assert (y, slope) == pytest.approx((max(x, 0), float(x > 0)))
    curves = drawn(ax)
    assert curves["forward"][0] == 0 and curves["abs"][0] == 3
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("A kink", "x", "y")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "abs",
        "forward",
        "slope that backward claims",
    ]


def test_plot_slopes_does_not_join_the_steps_of_a_staircase():
    _, mine = plt.subplots()
    assert plot_slopes(torch.round, title="Stairs", ax=mine) is mine
    assert np.isnan(drawn(mine)["forward"]).sum() == 6
    assert {slope for _, _, slope in strokes_of(mine)} == {0.0}


def test_plot_slopes_refuses_what_does_not_keep_the_shape():
    with pytest.raises(ValueError, match=r"must keep the shape \(1201,\), got \(\)"):
        plot_slopes(torch.sum, title="no")


@pytest.mark.parametrize("values", [{}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_plot_bars_refuses_what_is_no_length(values):
    with pytest.raises(ValueError, match="finite numbers, 0 or more"):
        plot_bars(values, title="no", xlabel="ms")


IMPORT = """
import sys
import matplotlib.pyplot, numpy, torch

for room in "charts", "diagrams", "graphs":
    before = set(sys.modules)
    __import__(f"helpers.{room}")
    print(*sorted(set(sys.modules) - before))
"""
FREE = {*sys.stdlib_module_names, "matplotlib", "mpl_toolkits", "numpy", "torch"}


def test_importing_the_rooms_of_pictures_loads_nothing_that_they_do_not_need():
    lines = subprocess.check_output([sys.executable, "-c", IMPORT], text=True).splitlines()
    charts, diagrams, graphs = (
        {name for name in line.split() if name.partition(".")[0] not in FREE} for line in lines
    )
    assert charts == {"helpers", "helpers.charts"}
    assert diagrams == {"helpers.diagrams"}
    assert {name for name in graphs if not name.startswith("networkx")} == {"helpers.graphs"}


IN_TEX = """
import matplotlib
assert matplotlib.rcParams["text.usetex"]
import torch
from helpers.graphs import draw_graph
from helpers.charts import plot_losses

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


def test_plot_softmax_puts_what_comes_back_beside_what_went_forward():
    p = torch.tensor([[0.125, 0.25, 0.625], [0.5, 0.25, 0.25]], requires_grad=True)
    grid = plot_softmax(p, torch.tensor([2, 0]), ["coat", "shirt", "bag"], title="Two garments")
    heights = [[bar.get_height() for bar in ax.containers[-1]] for ax in grid.flat]
    np.testing.assert_allclose(heights[0], [0.125, 0.25, 0.625])
    np.testing.assert_allclose(heights[1], [0.125, 0.25, -0.375])
    np.testing.assert_allclose(heights[3], [-0.5, 0.25, 0.25])
    assert [bar.get_height() for bar in grid[1, 0].containers[0]] == [1, 0, 0]  # the label
    assert grid[0, 0].figure.get_suptitle() == "Two garments"
    assert [ax.get_title() for ax in grid[:, 0]] == ["sample 1: bag", "sample 2: coat"]


@pytest.mark.parametrize("names", [["coat"], []])
def test_plot_softmax_wants_a_name_for_each_class(names):
    with pytest.raises(ValueError, match=r"probabilities must have shape .* got \(1, 3\)"):
        plot_softmax(torch.ones(1, 3) / 3, torch.tensor([0]), names, title="no")


def test_plot_stacks_draws_the_pieces_end_to_end_and_says_their_sum():
    ax = plot_stacks({"all": [3.0, 1.0, 2.0], "half": [1.5]}, title="Kept", xlabel="MB")
    pieces = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert pieces == [(0, 3), (3, 1), (4, 2), (0, 1.5)]
    assert [text.get_text().strip() for text in ax.texts] == ["6", "1.5"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all", "half"]
    assert ax.yaxis_inverted() and ax.get_xlim()[1] > 6


def test_plot_stacks_sets_a_bar_apart():
    ax = plot_stacks({"kept": [3.0], "peak": [4.0]}, apart=["peak"], title="", xlabel="")
    kept, peak = (matplotlib.colors.to_hex(bar.get_facecolor()) for bar in ax.patches)
    assert kept != peak


@pytest.mark.parametrize("stacks", [{}, {"a": [-1.0]}, {"a": [float("nan")]}])
def test_plot_stacks_refuses_what_is_no_stack(stacks):
    with pytest.raises(ValueError, match="finite numbers, 0 or more"):
        plot_stacks(stacks, title="", xlabel="")
    assert not plt.get_fignums()


def test_plot_shares_cuts_each_bar_by_its_own_total():
    totals = {"numbers": {"a": 1, "b": 3}, "work": {"a": 90, "b": 10}}
    ax = plot_shares(totals, accent=["a"], title="Few, used often")
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [
        (0, 25),
        (0, 90),
        (25, 75),
        (90, 10),
    ]
    labels = ["a\n25 %", "a\n90 %", "b\n75 %", "b\n10 %", "blue: 25 %", "blue: 90 %"]
    assert [text.get_text() for text in ax.texts] == labels
    accented, other = ax.patches[0].get_facecolor(), ax.patches[2].get_facecolor()
    assert accented[2] > accented[0] and other[0] == other[2]  # blue, and grey


@pytest.mark.parametrize(
    "totals", [{}, {"n": {}}, {"n": {"a": -1}}, {"n": {"a": 0}}, {"n": {"a": 1}, "w": {"b": 1}}]
)
def test_plot_shares_refuses_what_cannot_be_shared(totals):
    with pytest.raises(ValueError, match="totals must"):
        plot_shares(totals, accent=[], title="")
    assert not plt.get_fignums()


def test_plot_sizes_counts_every_number_but_zeros_and_shades_both_ends():
    numbers = torch.tensor([0.0, -1e-9, 1e-3, 1e-3, 2.0])
    axes = plot_sizes({"a": numbers, "b": 10 * numbers}, 1e-7, 1e4, title="Sizes", xlabel="size")
    for ax in axes:
        *bars, low, high = ax.patches
        assert sum(bar.get_height() for bar in bars) == 4
        assert low.get_bbox().x1 == 1e-7 and high.get_bbox().x0 == 1e4
        assert ax.get_xscale() == "log"
    assert [ax.get_title() for ax in axes] == ["a", "b"] and axes[1].get_xlabel() == "size"
    assert [text.get_text().strip() for text in axes[0].texts] == ["too small", "too large"]


@pytest.mark.parametrize("groups", [{}, {"a": torch.zeros(3)}])
def test_plot_sizes_needs_numbers(groups):
    with pytest.raises(ValueError, match="a number other than 0"):
        plot_sizes(groups, 1e-7, 1e4, title="", xlabel="")
    assert not plt.get_fignums()


def test_plot_each_path_draws_every_path_beside_the_same_pale_one():
    paths = {"a": [(0.0, 1.0), (2.0, 3.0)], "b": [(1.0, 1.0), (0.0, 0.0)], "c": [(2.0, 2.0)]}
    paths["d"] = paths["a"]
    pale = [(0.0, 0.0), (1.0, 2.0)]
    axes = plot_each_path(bowl, paths, behind=pale, title="Four", xlim=(-1, 3), ylim=(-2, 4))
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", "d"]
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        lines = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
        assert lines["_behind"] == [list(point) for point in pale]
        assert lines[name] == [list(point) for point in path]
        assert (ax.get_xlim(), ax.get_ylim(), len(ax.collections)) == ((-1, 3), (-2, 4), 2)
    assert not axes[0].figure.axes[-1].axison


def test_plot_each_path_refuses_nothing():
    with pytest.raises(ValueError, match=r"points \(x, y\) for each name"):
        plot_each_path(bowl, {}, behind=[(0, 0)], title="no", xlim=(0, 1), ylim=(0, 1))


# Whiskers ----------------------------------------------------------------------------------------


def test_a_bar_ends_at_the_mean_and_every_run_has_its_dot():
    """So that nobody takes one lucky run for the result."""
    ax = plot_spread({"ours": [0.4, 0.6, 0.5], "theirs": [0.2]}, title="t", xlabel="x", chance=0.1)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.5, 0.2])
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[0.4, 0.6, 0.5], [0.2]]
    whiskers = [list(line.get_xdata()) for line in ax.get_lines() if line.get_marker() == "|"]
    assert whiskers == [[0.4, 0.6], [0.2, 0.2]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a guess"]


@pytest.mark.parametrize("values", [{}, {"a": []}, {"a": [float("nan")]}, {"a": [-0.1]}])
def test_a_spread_of_nothing_is_refused(values):
    with pytest.raises(ValueError, match="values must hold"):
        plot_spread(values, title="t", xlabel="x")


# Guesses -----------------------------------------------------------------------------------------


def test_a_wrong_guess_is_marked_and_the_truth_stands_below_it():
    pictures = torch.rand(2, 3, 8, 8)
    right, wrong = show_guesses(pictures, ["coat", "coat"], ["coat", "shirt"], title="t")
    assert right.get_title() == "coat" and right.title.get_color() == "black"
    assert wrong.get_title() == "coat?\nshirt" and wrong.title.get_color() != "black"
    np.testing.assert_allclose(right.images[0].get_array(), pictures[0].permute(1, 2, 0))


def test_without_truths_every_word_is_taken_as_it_is():
    (ax,) = show_guesses(torch.rand(1, 3, 8, 8), ["?"], title="t")
    assert ax.get_title() == "?"


@pytest.mark.parametrize("shape, words", [((2, 1, 8, 8), 2), ((2, 3, 8, 8), 1), ((0, 3, 8, 8), 0)])
def test_pictures_without_colours_or_without_words_are_refused(shape, words):
    with pytest.raises(ValueError, match="pictures must be"):
        show_guesses(torch.rand(shape), ["?"] * words, title="t")


def test_features_are_seen_along_the_directions_in_which_they_differ_most():
    far = torch.tensor([[9.0, 0, 0], [9.5, 0, 1], [-9, 0, 1], [-9.5, 0, 0], [50, 50, 50]])
    kinds = ["shoe", "shoe", "bag", "bag", "hat"]
    left, right = plot_clouds({"a": far, "b": far[:, [2, 1, 0]]}, kinds, ["shoe", "bag"], title="t")
    shoes, bags = (line.get_xdata() for line in left.lines)
    assert len(shoes) == len(bags) == 2 and np.sign(shoes).tolist() == [-np.sign(bags[0])] * 2
    np.testing.assert_allclose(np.abs(right.lines[0].get_xdata()), np.abs(shoes))
    assert [text.get_text() for text in left.figure.legends[0].get_texts()] == ["shoe", "bag"]
    for wrong in {}, {"a": far[:3]}:
        with pytest.raises(ValueError, match="a row for each"):
            plot_clouds(wrong, kinds, ["shoe"], title="t")


def test_what_a_network_sees_stands_beside_the_photograph():
    photo = torch.rand(3, 8, 6)
    left, right = show_seen(photo, {"suit": 0.6, "tie": 0.2}, title="t")
    np.testing.assert_allclose(left.images[0].get_array(), photo.permute(1, 2, 0))
    assert [label.get_text() for label in right.get_yticklabels()] == ["suit", "tie"]
    with pytest.raises(ValueError, match=r"\(3, H, W\), got \(1, 3, 8, 6\)"):
        show_seen(photo[None], {"suit": 0.6}, title="t")

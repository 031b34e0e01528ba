"""helpers.diagrams: a picture says what torch computes, all of it, and readably."""

from collections import OrderedDict
from itertools import combinations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch import nn

from helpers.charts import COLORS
from helpers.diagrams import (
    LEARNING,
    TILES,
    draw_broadcast,
    draw_channels,
    draw_formats,
    draw_frozen,
    draw_kernels,
    draw_lanes,
    draw_layers,
    draw_lifetimes,
    draw_means,
    draw_memories,
    draw_memory,
    draw_modules,
    draw_outer_products,
    draw_owners,
    draw_picks,
    draw_places,
    draw_precisions,
    draw_product,
    draw_reach,
    draw_samples,
    draw_sum,
    draw_trips,
    draw_updates,
    draw_windows,
    draw_zoom,
    show_grids,
    show_maps,
    show_photos,
)
from helpers.models import PocketNet


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


COLUMN, ROW = torch.tensor([[0], [10], [20]]), torch.tensor([1, 2, 3, 4])


def numbers(ax):
    """The numbers on a picture, in the order of their cells."""
    texts = [text.get_text().replace("−", "-") for text in ax.texts]
    return [float(text) for text in texts if text.lstrip("-")[:1].isdigit()]


def words(ax):
    return [text.get_text() for text in ax.texts if not text.get_text().lstrip("−-")[:1].isdigit()]


def test_draw_broadcast_writes_the_copies_and_the_sum():
    ax = draw_broadcast(COLUMN, ROW, title="A table")
    grids = COLUMN.expand(3, 4), ROW.expand(3, 4), COLUMN + ROW
    assert numbers(ax) == torch.cat([grid.flatten() for grid in grids]).tolist()
    assert words(ax) == ["a\n(3, 1)", "+", "b\n(4,)", "=", "a + b\n(3, 4)"]
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
    written = [text for text in ax.texts if text.get_text()[-1:].isdigit()]
    for text, patch in zip(written, ax.patches, strict=True):
        cell, box = patch.get_window_extent(), text.get_window_extent()
        assert cell.x0 < box.x0 and box.x1 < cell.x1 and cell.y0 < box.y0 and box.y1 < cell.y1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.ones(2, 2, 2), ROW, r"at most two axes.* got shapes \(2, 2, 2\) and \(4,\)"),
        (torch.ones(3), ROW, r"equal or 1 seen from the right.* got shapes \(3,\) and \(4,\)"),
        (torch.ones(7, 1), ROW, r"at most 6 rows and columns, got shapes \(7, 1\) and \(4,\)"),
        (torch.ones(0), ROW[:1], r"got shapes \(0,\) and \(1,\)"),
    ],
)
def test_draw_broadcast_refuses_what_it_cannot_draw(a, b, message):
    with pytest.raises(ValueError, match=message):
        draw_broadcast(a, b, title="no")


MARKS = torch.tensor([[7.0, 9, 5], [6, 8, 1]])
WEIGHTS = torch.tensor([[0.5, 0.25, 1, 0], [0.25, 0.25, 0, 0], [0.25, 0.5, 0, 1]])
PHOTO = torch.arange(4 * 5 * 3, dtype=torch.uint8).reshape(4, 5, 3)
BLUE, SKY_BLUE, PURPLE = COLORS[0], COLORS[5], COLORS[3]


def cells_in(ax, color):
    """The numbers that stand in the cells of this colour, in the order of the cells."""
    fill = matplotlib.colors.to_rgba(color)
    inside = []
    for patch in ax.patches:
        left, top = patch.get_xy()
        for text in ax.texts if patch.get_facecolor() == fill else ():
            x, y = text.get_position()
            if 0.3 < x - left < 0.7 and 0.3 < y - top < 0.7:
                inside.append(float(text.get_text().replace("−", "-")))
    return inside


def assert_on_the_page(ax):
    ax.figure.canvas.draw()
    page = ax.figure.bbox
    for text in [*ax.texts, ax.title]:
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1, text


def test_draw_broadcast_subtracts_under_the_names_it_is_given():
    ax = draw_broadcast(COLUMN, ROW, sign="−", names=("tens", "units"), title="Less")
    assert numbers(ax)[24:] == (COLUMN - ROW).flatten().tolist()
    assert words(ax) == ["tens\n(3, 1)", "−", "units\n(4,)", "=", "tens − units\n(3, 4)"]
    with pytest.raises(ValueError, match="sign must be one of"):
        draw_broadcast(COLUMN, ROW, sign="*", title="no")


@pytest.mark.parametrize("entry", [(0, 1), (1, 3)])
def test_draw_product_colours_the_row_the_column_and_what_they_make(entry):
    ax = draw_product(MARKS, WEIGHTS, entry, names=("marks", "weights"), title="One")
    row, column = entry
    assert cells_in(ax, BLUE) == MARKS[row].tolist()
    assert cells_in(ax, SKY_BLUE) == WEIGHTS[:, column].tolist()
    assert cells_in(ax, PURPLE) == [(MARKS @ WEIGHTS)[entry].item()]
    assert_on_the_page(ax)


def test_draw_product_spells_the_entry_out():
    ax = draw_product(MARKS, WEIGHTS, (0, 1), names=("marks", "weights"), title="One")
    texts = [text.get_text() for text in ax.texts]
    assert "7·0.25 + 9·0.25 + 5·0.5 = 6.5" in texts
    assert {"marks (2, 3)", "weights (3, 4)", "marks @ weights (2, 4)"} <= set(texts)


@pytest.mark.parametrize(
    ("a", "b", "entry", "message"),
    [
        (MARKS, MARKS, (0, 0), r"got \(2, 3\) and \(2, 3\)"),
        (MARKS[0], WEIGHTS, (0, 0), r"got \(3,\) and \(3, 4\)"),
        (MARKS, WEIGHTS, (2, 0), r"product of 2×4, got \(2, 0\)"),
        (MARKS, WEIGHTS, (0, -1), r"got \(0, -1\)"),
    ],
)
def test_draw_product_refuses_what_has_no_such_entry(a, b, entry, message):
    with pytest.raises(ValueError, match=message):
        draw_product(a, b, entry, title="no")


def test_draw_picks_colours_what_is_picked():
    picks = {"[1]": MARKS[1], "[1, 2]": MARKS[1, 2], "[:, 1:]": MARKS[:, 1:], "T": MARKS.T[2]}
    ax = draw_picks(MARKS, picks, title="Four")
    assert cells_in(ax, PURPLE) == [6, 8, 1, 1, 9, 5, 8, 1, 5, 1]
    assert words(ax) == ["[1]\n(3,)", "[1, 2]\n()", "[:, 1:]\n(2, 2)", "T\n(2,)"]
    assert_on_the_page(ax)


def test_draw_picks_refuses_copies():
    with pytest.raises(ValueError, match=r"a copy must be a view"):
        draw_picks(MARKS, {"a view": MARKS[1], "a copy": MARKS[[1]]}, title="no")
    with pytest.raises(ValueError, match=r"two axes, got shape \(3,\)"):
        draw_picks(MARKS[0], {"one": MARKS[0, 0]}, title="no")


def test_draw_means_stands_between_both():
    ax = draw_means(MARKS, title="Vanishing")
    assert cells_in(ax, BLUE) == MARKS.flatten().tolist()
    assert cells_in(ax, PURPLE) == [*MARKS.mean(dim=0).tolist(), *MARKS.mean(dim=1).tolist()]
    texts = [text.get_text() for text in ax.texts]
    assert {"mean(dim=0), shape (3,)", "mean(dim=1), shape (2,)"} <= set(texts)
    assert_on_the_page(ax)
    with pytest.raises(ValueError, match="two axes"):
        draw_means(MARKS[0], title="no")


def test_draw_memory_follows_the_strides():
    tables = {"t": MARKS, "t.T": MARKS.T, "t.reshape(3, 2)": MARKS.reshape(3, 2)}
    ax = draw_memory(tables, title="One line")
    line = MARKS.flatten().tolist()
    assert cells_in(ax, BLUE) == [7, 9, 5] * 4 and cells_in(ax, SKY_BLUE) == [6, 8, 1] * 4
    small = [int(text.get_text()) for text in ax.texts if text.get_fontsize() == 6]
    orders = [MARKS, MARKS.T, MARKS.reshape(3, 2)]
    read = [line.index(number) for table in orders for number in table.flatten().tolist()]
    assert small == [0, 1, 2, 3, 4, 5, *read]
    assert "t.T\nshape (3, 2)\nstrides (1, 3):\ndown 1, right 3" in words(ax)
    assert_on_the_page(ax)


@pytest.mark.parametrize("tensors", [{}, {"t": MARKS[0]}, {"t": MARKS, "copy": MARKS.clone()}])
def test_draw_memory_refuses_what_shares_no_memory(tensors):
    with pytest.raises(ValueError, match="must"):
        draw_memory(tensors, title="no")


def test_draw_samples_counts_every_number():
    samples = {"rand": torch.rand(500), "randn": 3 * torch.randn(500)}
    for ax, (name, drawn) in zip(draw_samples(samples, title="Two"), samples.items(), strict=True):
        assert sum(patch.get_height() for patch in ax.patches) == len(drawn)
        assert name in ax.get_xlabel() and "500" in ax.get_ylabel()


def test_draw_zoom_writes_three_numbers_in_each_dot():
    left, right = draw_zoom(PHOTO, corner=(1, 2), size=(2, 3), title="Numbers")
    texts = [text.get_text() for text in right.texts]
    assert texts == ["\n".join(map(str, dot)) for dot in PHOTO[1:3, 2:5].reshape(-1, 3).tolist()]
    assert left.patches[0].get_xy() == (1.5, 0.5)
    np.testing.assert_array_equal(np.asarray(left.images[0].get_array()), PHOTO)


@pytest.mark.parametrize(
    ("corner", "size"), [((3, 0), (2, 2)), ((-1, 0), (1, 1)), ((0, 0), (0, 1))]
)
def test_draw_zoom_stays_in_the_photo(corner, size):
    with pytest.raises(ValueError, match=r"must lie in a photo of \(4, 5\)"):
        draw_zoom(PHOTO, corner, size, title="no")


def test_show_photos_shows_each_under_its_name():
    axes = show_photos({"one": PHOTO, "two": PHOTO + 100}, title="Two")
    assert [ax.get_title() for ax in axes] == ["one", "two"]
    np.testing.assert_array_equal(np.asarray(axes[1].images[0].get_array()), PHOTO + 100)


@pytest.mark.parametrize("photos", [{}, {"grey": PHOTO[..., 0]}, {"floats": PHOTO.float()}])
def test_show_photos_refuses_what_is_no_photo(photos):
    with pytest.raises(ValueError, match="must"):
        show_photos(photos, title="no")


def test_show_grids_writes_small_numbers_names_and_signs():
    grids = {"x": torch.tensor([[1.0, -2.0]]), "k": torch.tensor([[0.25]]), "y": torch.zeros(2, 2)}
    ax = show_grids(grids, title="Three", signs="⋆=")
    assert [text.get_text() for text in ax.texts][5:] == ["1", "−2", "0.25", "0", "0", "0", "0"]
    assert words(ax) == ["x", "⋆", "k", "=", "y"]
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
    grids = {"x": torch.eye(4), "y": torch.eye(3)}
    assert numbers(show_grids(grids, title="Some", numbers=3)) == torch.eye(3).flatten().tolist()


def test_show_grids_can_leave_out_zeros_and_rule_large_grids():
    ax = show_grids({"x": torch.tensor([[1.0, 0.0]])}, title="Small", zeros=False)
    assert numbers(ax) == [1]
    for lines in True, False:
        ax = show_grids({"x": torch.eye(9)}, title="Large", lines=lines)
        assert numbers(ax) == [] and (ax.collections[0].get_linewidth()[0] > 0) == lines


def test_show_grids_frames_what_is_not_zero_where_it_can_be_counted():
    field = torch.zeros(12, 12)
    field[3:8, 4:10] = 1e-9  # almost white
    ax = show_grids({"x": field, "nothing": torch.zeros(12, 12)}, title="Seen", lines=True)
    frame = ax.patches[1]  # after that of the grid
    assert (frame.get_width(), frame.get_height()) == (6, 5) and len(ax.patches) == 3


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


def test_show_maps_keeps_grey_and_signed_apart_and_shows_where_the_window_stands():
    """One scale for all signed maps: their strengths compare. White is 0."""
    maps = {"photo": torch.rand(9, 7), "weak": torch.eye(7) - 0.5, "strong": 4 * torch.eye(7) - 3}
    axes = show_maps(maps, title="Three", window=((2, 3), (3, 4)))
    assert [ax.get_title() for ax in axes] == list(maps)
    photo, weak, strong = (ax.images[0] for ax in axes)
    assert photo.get_clim() == (0, 1) and photo.get_cmap().name == "gray"
    assert weak.get_clim() == strong.get_clim() == (-strong.get_clim()[1], strong.get_clim()[1])
    frame = axes[0].patches[0]
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (2.5, 1.5, 4, 3)
    rings = [ax.lines[0].get_xydata().tolist() for ax in axes]
    assert rings == [[[4.5, 3]], [[3, 2]], [[3, 2]]]


def test_show_maps_shows_a_colour_photograph_as_it_is():
    photo = torch.rand(4, 5, 3)
    (ax, _) = show_maps({"photo": photo, "map": torch.eye(4) - 0.5}, title="Two")
    np.testing.assert_allclose(ax.images[0].get_array(), photo)


@pytest.mark.parametrize(
    "maps", [{}, {"a": torch.ones(3)}, {"a": torch.ones(0, 2)}, {"a": torch.ones(2, 2, 4)}]
)
def test_show_maps_refuses_what_is_no_matrix(maps):
    with pytest.raises(ValueError, match="at least one matrix"):
        show_maps(maps, title="no")


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
    below = [text.get_text() for text in ax.texts][-2:]
    assert f"input {size}×{size}" in below[0] and below[1] == f"output {len(y)}×{len(y)}"


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


@pytest.mark.parametrize(
    ("size", "geometry", "unread"),
    [
        (6, {"stride": 2}, 11),
        (6, {"dilation": 2}, 0),
        (7, {"stride": 2}, 0),
        (6, {"padding": 1}, 0),
    ],
)
def test_draw_windows_hatches_what_nobody_reads(size, geometry, unread):
    ax = draw_windows(size, 3, title="Unread", **geometry)
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(hatched) == unread
    assert all(max(patch.get_xy()) > size - 1 for patch in hatched)


def test_draw_places_moves_the_window_by_one_and_sums_in_its_colour():
    ax = draw_places(5, 3, title="One column")
    patches = {}
    for patch in ax.patches:
        patches.setdefault(patch.get_facecolor(), []).append(patch)
    cells, *windows = patches.values()
    assert len(cells) == 5 and len(windows) == 3
    for place, (window, cell) in enumerate(windows):
        assert window.get_y() == pytest.approx(place + 0.1)
        assert window.get_height() == pytest.approx(3 - 0.2) and cell.get_height() < 1
    assert [text.get_text() for text in ax.texts] == ["5 rows", "3 places", "3 sums"]


@pytest.mark.parametrize(("size", "kernel"), [(2, 3), (6, 3), (3, 0)])
def test_draw_places_refuses_what_cannot_be_told_apart(size, kernel):
    with pytest.raises(ValueError, match="one to three places"):
        draw_places(size, kernel, title="no")


@pytest.mark.parametrize(
    "layers", [[(3, 1, 1)] * 3, [(3, 1, 1), (3, 1, 2)], [(5, 1, 1), (2, 2, 1)]]
)
def test_draw_reach_colours_the_pixels_that_get_a_gradient(layers):
    net = torch.nn.Sequential(
        *(torch.nn.Conv1d(1, 1, k, stride=s, dilation=d, bias=False) for k, s, d in layers)
    )
    for weight in net.parameters():
        torch.nn.init.ones_(weight)
    x = torch.zeros(1, 1, 20, requires_grad=True)
    net(x)[0, 0, 0].backward()
    read = x.grad[0, 0].nonzero().flatten().tolist()
    ax = draw_reach({"stack": layers}, title="Reach")
    lowest = max(patch.get_y() for patch in ax.patches)
    cells = [p for p in ax.patches if p.get_y() == lowest]
    blue = [n for n, p in enumerate(cells) if p.get_facecolor()[:3] != (1, 1, 1)]
    said = [text.get_text() for text in ax.texts]
    assert blue == read and f"stack\nsees {len(read)} pixels of the row" in said
    assert len(said) == len(layers) + 1 and any("d = 2" in text for text in said) == (
        (3, 1, 2) in layers
    )


@pytest.mark.parametrize("stacks", [{}, {"a": []}, {"a": [(3, 0, 1)]}])
def test_draw_reach_refuses_what_is_no_stack(stacks):
    with pytest.raises(ValueError, match="layers of whole numbers from 1 on"):
        draw_reach(stacks, title="no")


def test_draw_channels_draws_one_line_a_slice():
    ax = draw_channels(4, 2, [1, 2], title="Groups")
    assert len(ax.get_lines()) == 8 + 4 and len(ax.patches) == 2 * (4 + 2)
    assert [text.get_text() for text in ax.texts] == ["1 group\n8 slices", "2 groups\n4 slices"]
    for count in 1, 2:
        slices = torch.nn.Conv2d(4, 2, 3, groups=count).weight[:, :, 0, 0].numel()
        assert f"{slices} slices" in ax.texts[count - 1].get_text()


@pytest.mark.parametrize("groups", [[], [3], [0], [4]])
def test_draw_channels_refuses_groups_that_do_not_divide(groups):
    with pytest.raises(ValueError, match="groups must divide 4 and 2"):
        draw_channels(4, 2, groups, title="no")


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: draw_places(5, 3, title="Places"),
        lambda: draw_windows(5, 3, padding=1, title="Windows"),
        lambda: draw_windows(6, 3, stride=2, title="Windows"),
        lambda: draw_channels(4, 4, [1, 2, 4], title="Channels"),
    ],
)
def test_pictures_of_windows_end_right_below_their_words(drawn):
    ax = drawn()
    assert_on_the_page(ax)
    lowest = min(text.get_window_extent().y0 for text in ax.texts)
    cell = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
    assert 0 <= lowest - ax.bbox.y0 < cell / 5


def test_draw_kernels_draws_one_line_a_slice_and_the_first_kernel_in_colour():
    names = ["red", "green", "blue"], ["map 0", "map 1"]
    ax = draw_kernels(*names, title="Slices")
    inks = [line.get_color() for line in ax.get_lines()]
    weight = torch.nn.Conv2d(3, 2, 1).weight
    assert len(inks) == weight[:, :, 0, 0].numel() and len(ax.patches) == 5
    assert inks[::2] == [inks[0]] * 3 and inks[1::2] == [inks[1]] * 3 and inks[0] != inks[1]
    said = [text.get_text() for text in ax.texts]
    assert said == [*names[0], *names[1], "these 3 slices\nare one kernel", "6 slices"]


@pytest.mark.parametrize("names", [([], ["map"]), (["red"], [])])
def test_draw_kernels_refuses_what_has_no_slice(names):
    with pytest.raises(ValueError, match="channels and maps must have names"):
        draw_kernels(*names, title="no")


ROWS = torch.tensor([[1.0, 2.0, 1.0], [0.0, 3.0, 1.0]])
GRADS = torch.tensor([[-6.0, 0.0], [2.0, -1.0]])


def test_draw_outer_products_writes_each_table_and_the_matrix_product():
    ax = draw_outer_products(ROWS, GRADS, title="One table each", names=("x", "grad_h"))
    parts = [[x, g, torch.outer(x, g)] for x, g in zip(ROWS, GRADS, strict=True)]
    grids = [*parts[0], *parts[1], ROWS.T @ GRADS]
    assert numbers(ax) == torch.cat([grid.flatten() for grid in grids]).tolist()
    assert "−0" not in [text.get_text() for text in ax.texts]
    assert words(ax) == ["x[0]", "grad_h[0]", "+", "x[1]", "grad_h[1]", "=", "x.T @ grad_h"]
    ax.figure.canvas.draw()
    page = ax.figure.bbox
    for text in ax.texts:
        box = text.get_window_extent()
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


@pytest.mark.parametrize("x", [ROWS[0], ROWS[:1], ROWS[None]])
def test_draw_outer_products_refuses_what_is_no_batch(x):
    with pytest.raises(ValueError, match=r"must have shapes \(N, m\) and \(N, p\), got \("):
        draw_outer_products(x, GRADS, title="")
    assert not plt.get_fignums()


def test_draw_sum_lays_arrows_head_to_tail_and_ends_at_their_sum():
    vectors = {"one": torch.tensor([1.0, 2.0]), "two": torch.tensor([3.0, -1.0])}
    ax = draw_sum(vectors, total="both", axes=("a", "b"), title="A sum")
    arrows = [(tuple(text.xyann), text.xy) for text in ax.texts if text.arrow_patch]
    ways = [tuple(map(tuple, arrow)) for arrow in arrows]
    assert ways == [((0, 0), (1, 2)), ((1, 2), (4, 1)), ((0, 0), (4, 1))]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["one", "two", "both"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    ax.figure.canvas.draw()
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    assert x0 < 0 and x1 > 4 and y0 < 0 and y1 > 2


@pytest.mark.parametrize("vectors", [{}, {"a": torch.ones(3)}, {"a": torch.ones(1, 2)}])
def test_draw_sum_refuses_what_is_no_arrow(vectors):
    with pytest.raises(ValueError, match=r"of shape \(2,\), got \{"):
        draw_sum(vectors, total="sum", axes=("a", "b"), title="")
    assert not plt.get_fignums()


FORMATS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
BITS = {"float64": (1, 11, 52), "float32": (1, 8, 23), "bfloat16": (1, 8, 7), "float16": (1, 5, 10)}


def test_draw_formats_draws_one_box_a_bit_in_the_order_of_the_bits():
    ax = draw_formats(FORMATS, title="Bits")
    colors = [matplotlib.colors.to_hex(patch.get_facecolor()) for patch in ax.patches]
    keys = [matplotlib.colors.to_hex(key.get_facecolor()) for key in ax.get_legend().get_patches()]
    pairs = [pair for bits in BITS.values() for pair in zip(keys, bits, strict=True)]
    expected = [key for key, count in pairs for _ in range(count)]
    assert colors == expected and len(set(keys)) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "sign",
        "exponent",
        "fraction",
    ]


def test_draw_formats_says_how_far_and_how_fine():
    texts = [text.get_text() for text in draw_formats(FORMATS, title="Bits").texts]
    for text, (name, bits) in zip(texts, BITS.items(), strict=True):
        assert text.startswith(f"{name}: {' + '.join(map(str, bits))} bits, from ")
    assert texts[3].endswith("from 6e-08 to 65,504, after 1 comes 1 + 0.00098")
    assert torch.tensor(6e-8).half() > 0 and torch.tensor(2.9e-8).half() == 0


def test_draw_formats_needs_a_format():
    with pytest.raises(ValueError, match="at least one"):
        draw_formats([], title="")
    assert not plt.get_fignums()


@pytest.mark.parametrize("dtype", FORMATS)
def test_draw_updates_puts_the_dots_where_the_format_stores_the_result(dtype):
    """A learner would see a weight move that stands still, or the other way round."""
    weight = torch.tensor(3.0, dtype=dtype)
    gap = torch.finfo(dtype).eps * 2  # between 2 and 4
    ax = draw_updates(weight, [0.3 * gap, 0.7 * gap, 1.8 * gap], title="Stuck")
    assert list(ax.lines[0].get_xdata()) == [0, -gap, -2 * gap]
    assert list(ax.lines[0].get_ydata()) == [0, 1, 2]
    arrows = [text.xy for text in ax.texts]
    assert [row for _, row in arrows] == [0, 1, 2]
    assert [x for x, _ in arrows] == pytest.approx([-0.3 * gap, -0.7 * gap, -1.8 * gap])
    assert list(ax.get_xticks()) == [0, -gap, -2 * gap]
    assert ax.get_xticklabels()[0].get_text() == "3" and ax.get_title() == "Stuck"


def test_draw_updates_halves_the_gap_below_a_power_of_two():
    ax = draw_updates(torch.tensor(1.0), [1e-7, 1e-8], title="")
    assert list(ax.get_xticks()) == [0, -(2**-24), -2 * 2**-24]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1 − 1e-07", "1 − 1e-08"]


@pytest.mark.parametrize(
    ("weight", "updates", "word"),
    [
        (torch.tensor([1.0]), [1e-7], "weight must be one floating-point number"),
        (torch.tensor(1), [1e-7], "weight must be one floating-point number"),
        (torch.tensor(1.0), [], "updates must lie above 0"),
        (torch.tensor(1.0), [0.0], "updates must lie above 0"),
        (torch.tensor(1.0), [0.1], "updates must lie above 0 and up to 6.6e-07, got"),
        (torch.tensor(1.0), [float("nan")], "updates must lie above 0"),
    ],
)
def test_draw_updates_says_what_it_cannot_draw(weight, updates, word):
    with pytest.raises(ValueError, match=word):
        draw_updates(weight, updates, title="")
    assert not plt.get_fignums()


def test_draw_precisions_makes_the_boxes_as_high_as_their_bits():
    stations = {"master weights": 32, "copies": 16, "gradients": 8}
    ax = draw_precisions(stations, ways=["autocast", "forward", "update"], title="Mixed")
    assert [patch.get_height() for patch in ax.patches] == [1, 0.5, 0.25]
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    assert texts == [
        "master\nweights\n32 bits",
        "autocast",
        "copies\n16 bits",
        "forward",
        "gradients\n8 bits",
        "update",
    ]
    assert ax.get_title() == "Mixed"


@pytest.mark.parametrize(("stations", "ways"), [({}, []), ({"weights": 32}, ["there", "back"])])
def test_draw_precisions_needs_a_way_from_each_station(stations, ways):
    with pytest.raises(ValueError, match="ways must be one for each of"):
        draw_precisions(stations, ways=ways, title="")
    assert not plt.get_fignums()


def test_draw_trips_goes_to_memory_for_each_operation_or_once():
    ax = draw_trips(["mul", "tanh", "add"], title="Three trips, or one")
    texts = [text.get_text() for text in ax.texts]
    assert [text for text in texts if text] == [
        "as written",
        "memory",
        "mul",
        "tanh",
        "add",
        "fused",
        "memory",
        "mul, tanh, add",
    ]
    assert texts.count("") == 2 * 3 + 2  # arrows: there and back for each


def test_draw_trips_needs_an_operation():
    with pytest.raises(ValueError, match="at least one"):
        draw_trips([], title="")
    assert not plt.get_fignums()


def spans(ax):
    """Every bar as (row, start, end, colour), by its start."""
    bars = [
        (round(b.get_y() + b.get_height() / 2), b.get_x(), b.get_x() + b.get_width(),
            matplotlib.colors.to_hex(b.get_facecolor()))
        for b in ax.patches
    ]  # fmt: skip
    return sorted(bars, key=lambda bar: bar[1:3])


def test_draw_lifetimes_keeps_each_part_until_its_backward():
    axes = draw_lifetimes(["a", "b"], ["a"], title="Kept")
    rows = [[bar[:3] for bar in spans(ax)] for ax in axes]
    assert sorted(rows[0]) == [(0, 0, 1), (0, 1, 3), (0, 3, 4), (1, 1, 2), (1, 2, 2), (1, 2, 3)]
    assert (0, 3, 4) in rows[1] and (0, 4, 5) in rows[1]  # again, then backward
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["a", "b"]


def test_draw_lifetimes_refuses_a_part_that_is_none():
    with pytest.raises(ValueError, match=r"some of \['a'\], got \['b'\]"):
        draw_lifetimes(["a"], ["b"], title="")
    assert not plt.get_fignums()


def test_draw_lanes_says_once_what_happens_when_and_what_lightning_spares():
    lanes = {"file": [("whole", 0, 4), ("half", 4, 9)], "aside": [("whole", 0, 9)]}
    ax = draw_lanes(lanes, title="Two ways", strike=5)
    spared = [(0, 4), (0, 9), (4, 9), (5, 9)]  # the last one makes pale what is behind it
    assert [bar[1:3] for bar in spans(ax)] == spared
    assert [text.get_text() for text in ax.texts] == ["whole", "half", "whole"]
    assert ax.texts[1].get_color() == "0.3"  # it comes after: white could not be read there
    first, second, third, _ = ax.patches
    assert first.get_facecolor() == third.get_facecolor() != second.get_facecolor()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["file", "aside"]


def test_draw_lanes_explains_below_what_no_bar_has_room_for():
    ax = draw_lanes({"GPU": [("a long story", 0, 0.01), ("busy", 1, 9)]}, title="")
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a long story"]


def test_draw_lanes_counts_time_from_the_first_start():
    ax = draw_lanes({"a": [("run", 105, 107)], "b": [("run", 102, 104)]}, title="", strike=106)
    assert [bar[:3] for bar in spans(ax)[:2]] == [(1, 0, 2), (0, 3, 5)]
    assert ax.get_xlim() == (0, 5)


@pytest.mark.parametrize("lanes", [{}, {"a": []}, {"a": [("back", 2, 1)]}])
def test_draw_lanes_refuses_what_no_clock_shows(lanes):
    with pytest.raises(ValueError, match="lanes must hold"):
        draw_lanes(lanes, title="")
    assert not plt.get_fignums()


def test_draw_memories_has_two_boxes_and_a_dashed_way_back():
    memories = {"here": ["a", "b"], "over there": ["c"]}
    ax = draw_memories(memories, there="go", back="come", title="Two")
    texts = [text.get_text() for text in ax.texts]
    assert [text for text in texts if text] == ["here", "a\nb", "over there", "c", "go", "come"]
    there, back = (text.arrow_patch for text in ax.texts if not text.get_text())
    assert (there.get_linestyle(), back.get_linestyle()) == ("-", "--")
    assert len(ax.patches) == 2


def test_draw_memories_refuses_other_than_two():
    with pytest.raises(ValueError, match=r"must be two, got \['here'\]"):
        draw_memories({"here": []}, there="", back="", title="no")
    assert not plt.get_fignums()


def test_draw_owners_has_a_box_each_and_a_way_into_the_file():
    owners = {"model": ["weights"], "loader": ["seed 0", "epoch 3"]}
    ax = draw_owners(owners, ways=["state_dict()"] * 2, file="run.pt", title="Two owners")
    for each in "model", "loader", "weights", "seed 0\nepoch 3", "run.pt":
        assert [text.get_text() for text in ax.texts].count(each) == 1
    boxes = [to_hex(box.get_edgecolor()) for box in ax.patches]
    kinds = "parameter", "buffer", "module"
    assert boxes == [to_hex(TILES[kind]["edgecolor"]) for kind in kinds]


@pytest.mark.parametrize("owners", [{}, {"model": ["weights"]}])
def test_draw_owners_refuses_an_owner_without_a_way(owners):
    with pytest.raises(ValueError, match="one for each of"):
        draw_owners(owners, ways=["a", "b"], file="", title="")
    assert not plt.get_fignums()


class Owner(nn.Module):
    """Owns one of each kind, a module deep inside, and what nobody finds."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("shift", torch.zeros(2))
        self.plain = torch.zeros(4)
        self.lost = ["a motto", nn.Linear(2, 1), nn.ReLU()]
        self.inner = nn.Sequential(nn.Linear(5, 6, bias=False))


def kinds_drawn(ax):
    """What each text of a picture of modules stands in, by the colour of its box."""
    kinds = {to_hex(look["edgecolor"]): kind for kind, look in TILES.items()}
    assert len(kinds) == len(TILES)
    boxes = [kinds[to_hex(box.get_edgecolor())] for box in ax.patches]
    return dict(zip([text.get_text() for text in ax.texts], boxes, strict=True))


def test_draw_modules_shows_who_owns_what_and_what_no_walk_finds():
    assert kinds_drawn(draw_modules(Owner(), title="Found and lost")) == {
        "Owner": "module",
        "scale (3,)": "parameter",
        "shift (2,)": "buffer",
        "plain (4,)": "not registered",
        "inner: Sequential": "module",
        "0: Linear": "module",
        "weight (6, 5)": "parameter",
        "lost: list": "not registered",
        "1: Linear": "not registered",
        "weight (1, 2)": "not registered",
        "bias (1,)": "not registered",
        "2: ReLU": "not registered",
    }


def test_draw_modules_keeps_every_box_within_its_own():
    shared = nn.Linear(30, 30)
    deep = nn.Sequential(*[nn.Sequential(shared, nn.ReLU(), shared) for _ in range(9)])
    ax = draw_modules(deep, Owner(), title="Many")
    ax.figure.canvas.draw()
    page, renderer = ax.figure.bbox, ax.figure.canvas.get_renderer()
    extents = [patch.get_window_extent(renderer) for patch in ax.patches]
    for text, box in zip(ax.texts, extents, strict=True):
        words = text.get_window_extent(renderer)
        assert page.x0 <= box.x0 <= words.x0 and words.x1 <= box.x1 <= page.x1
        assert page.y0 <= box.y0 <= words.y0 and words.y1 <= box.y1 <= page.y1
    for one, other in combinations(extents, 2):
        apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
        within = one.x0 < other.x0 < other.x1 < one.x1 and one.y0 < other.y0 < other.y1 < one.y1
        assert apart or within
    assert len(extents) == 1 + 9 * 8 + 12


def test_draw_modules_refuses_to_draw_nothing():
    with pytest.raises(ValueError, match="at least one module, got none"):
        draw_modules(title="no")
    assert not plt.get_fignums()


def small_network():
    torch.manual_seed(0)
    convolution = nn.Conv2d(1, 3, 3, padding=1), nn.Sigmoid(), nn.MaxPool2d(2)
    return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(48, 5), nn.Identity())


def test_draw_layers_shows_every_shape_and_the_numbers_in_front():
    model, image = small_network(), torch.rand(1, 8, 8)
    ax = draw_layers(model, image, title="A small one", names="abcde")
    above = ["picture", "3×3\nconvolution\nsigmoid", "2×2\nmaximum", "flat", "linear"]
    below = ["1 × 8×8", "3 × 8×8", "3 × 4×4", "48", "5"]
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == sorted([*above, *below, *"abcde"])
    fronts = [shown.get_array().data for shown in ax.images]
    with torch.no_grad():
        wanted = [model[:k](image[None])[0] for k in (0, 2, 3, 4, 5)]
    for front, values in zip(fronts, wanted, strict=True):
        first = values[:, None] if values.ndim == 1 else values[0]
        assert np.allclose(front, first.numpy())


def test_draw_layers_draws_a_block_as_one_and_names_its_layers():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.ReLU())
    model = nn.Sequential(block, nn.AdaptiveMaxPool2d(1), nn.Flatten())
    ax = draw_layers(model, torch.rand(1, 8, 8), title="A block")
    words = "3×3\nconvolution\n2×2\nmaximum\nbatch norm\nrelu"
    above = ["picture", words, "largest\nof each", "flat"]
    below = ["1 × 8×8", "3 × 3×3", "3 × 1×1", "3"]
    assert sorted(text.get_text() for text in ax.texts) == sorted([*above, *below])
    ax.figure.canvas.draw()
    tops = [text.get_window_extent().y1 for text in ax.texts]
    assert max(tops) <= ax.title.get_window_extent().y0


@pytest.mark.parametrize("blocks", [False, True])
def test_draw_layers_keeps_its_words_apart(blocks):
    model, side = (PocketNet().eval().network, 28) if blocks else (small_network(), 8)
    ax = draw_layers(model, torch.rand(1, 28, 28)[:, :side, :side], title="Small")
    ax.figure.canvas.draw()
    page, renderer = ax.figure.bbox, ax.figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in ax.texts]
    assert all(page.x0 <= e.x0 and e.x1 <= page.x1 and page.y0 <= e.y0 for e in extents)
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))


def test_draw_layers_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"of shape \(1, H, W\), got \(8, 8\)"):
        draw_layers(small_network(), torch.rand(8, 8), title="no")
    with pytest.raises(ValueError, match="names must be 5, got 2"):
        draw_layers(small_network(), torch.rand(1, 8, 8), title="no", names="ab")


# What learns -------------------------------------------------------------------------------------


def test_each_part_is_coloured_by_whether_it_learns_and_its_numbers_are_counted():
    body = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)).requires_grad_(False)
    model = nn.Sequential(OrderedDict(body=body, head=nn.Linear(3, 1)))
    ax = draw_frozen({"a probe": model}, title="t")
    hatches = [box.get_hatch() for box in ax.patches]
    assert hatches == [LEARNING["frozen"]["hatch"]] * 2 + [None]
    texts = [text.get_text() for text in ax.texts]
    assert texts == [
        "a probe",
        "body: 0 of 21\nnumbers learn",
        "head: 4 of 4\nnumbers learn",
    ]


def test_a_picture_of_no_model_is_refused():
    with pytest.raises(ValueError, match="models must hold"):
        draw_frozen({}, title="t")

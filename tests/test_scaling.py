"""helpers.scaling: what each process does, holds and gains is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from helpers.scaling import (
    KEPT,
    PALE,
    SPENT,
    TOGETHER,
    draw_collectives,
    draw_processes,
    draw_restart,
    draw_sharding,
    draw_update,
    plot_costs,
    plot_memory,
    plot_speedups,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_an_update_is_made_alone_but_for_one_mean():
    ax = draw_update(["the first half", "the second half"], title="Two")
    for once in (
        "the first half",
        "the second half",
        "average\nthe gradients",
    ):
        assert words(ax).count(once) == 1
    assert all(words(ax).count(each) == 2 for each in ("forward", "backward", "update"))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["process 0", "process 1"]
    with pytest.raises(ValueError, match="at least one process"):
        draw_update([], title="Nobody")


def test_sums_over_all_processes_are_purple():
    own = torch.tensor([[1.0, 2.0], [10.0, 20.0]])
    states = {"before": own, "after": torch.tensor([[11.0, 2.0], [10.0, 22.0]])}
    ax = draw_processes(states, title="One sum each")
    colors = [to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    assert [color == TOGETHER.upper() for color in colors] == 4 * [False] + [
        True,
        False,
        False,
        True,
    ]
    assert words(ax) == ["1", "2", "10", "20", "before", "11", "2", "10", "22", "after"]


def test_what_has_changed_is_pale_and_the_fourth_moment_begins_a_second_row():
    moments = [torch.tensor([[1.0, 2.0], [number, 9.0]]) for number in (5.0, 7.0, 7.0, 7.0)]
    ax = draw_processes(dict(zip("abcd", moments, strict=True)), title="Four")
    pale = [to_hex(patch.get_facecolor()).upper() == PALE for patch in ax.patches]
    assert [place for place, is_pale in enumerate(pale) if is_pale] == [6]
    assert ax.patches[12].get_y() > 2 and ax.patches[12].get_x() == ax.patches[0].get_x()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["process 0", "process 1"] * 2


def test_a_ring_has_an_arrow_from_each_process():
    state = torch.ones(3, 3)
    plain, ring = (draw_processes({"now": state}, title="3", ring=ring) for ring in (False, True))
    assert len(ring.patches) - len(plain.patches) == 3
    assert [name for name in words(ring) if name not in words(plain)] == [
        "piece 0",
        "piece 1",
        "piece 2",
    ]
    with pytest.raises(ValueError, match=r"one shape, got \[\(1, 2\), \(3, 3\)\]"):
        draw_processes({"now": state, "then": torch.ones(1, 2)}, title="No")
    with pytest.raises(ValueError, match="one shape"):
        draw_processes({}, title="No")


def test_a_layer_is_whole_only_while_it_computes():
    ax = draw_sharding(2, title="FSDP")
    names, heights = words(ax), [round(box.get_height(), 2) for box in ax.patches]
    assert len(names) == len(heights) == 16
    assert {name for name, high in zip(names, heights, strict=True) if high < 0.5} == {
        "piece 0",
        "piece 1",
    }
    assert [names.count(name) for name in ("forward", "backward", "reduce-\nscatter")] == [2, 2, 2]
    assert names.count("all-\ngather") == 4
    assert ax.patches[-1].get_x() + ax.patches[-1].get_width() == ax.get_xlim()[1]
    with pytest.raises(ValueError, match="processes must be 2 or more, got 1"):
        draw_sharding(1, title="No")


def test_a_restart_does_the_killed_epoch_again():
    ax = draw_restart(3, killed=2, title="Killed")
    lane = ["epoch 1", "2, lost", "restart", "epoch 2", "epoch 3"]
    assert words(ax) == [*lane, *lane, "×"]
    for killed in 1, 4:
        with pytest.raises(ValueError, match=f"killed must lie between 2 and 3, got {killed}"):
            draw_restart(3, killed=killed, title="No")


def test_arrows_come_from_those_whose_numbers_are_in_the_result():
    before, total = torch.tensor([1.0, 10.0]), torch.tensor([11.0, 11.0])
    ax = draw_collectives(before, {"all_reduce": total}, title="The sum")
    assert words(ax) == ["1", "10", "11", "11", "all_reduce"]
    boxes, arrows = ax.patches[:4], ax.patches[4:]
    purple = [to_hex(box.get_facecolor()).upper() == TOGETHER.upper() for box in boxes]
    assert purple == [False, False, True, True] and len(arrows) == 4
    first = {"broadcast": before[:1].expand(2)}
    assert len(draw_collectives(before, first, title="One").patches) == 4 + 2
    for after in {}, {"all_reduce": total[:1]}:
        with pytest.raises(ValueError, match="as long as before"):
            draw_collectives(before, after, title="No")


def test_a_step_is_cut_into_what_it_spends_its_time_on():
    parts = {name: (1 + place) / 1e3 for place, name in enumerate(SPENT)}
    steps = {1: parts | {"computing": 2.0}, 64: parts}
    ax = plot_costs(steps, minutes=1440, title="A step")
    widths = [bar.get_width() for bar in ax.patches]
    gap = widths.pop(3)
    assert widths == pytest.approx([2000, 2, 3, 1, 2, 3]) and 0 < gap < 1
    ends = ["  2,005 ms a step: 1,440 minutes", "…", "  6 ms a step: 4 minutes"]
    assert words(ax) == ends and ax.get_xlim()[1] < 7  # the first is cut off
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["1 machine", "64 machines"]
    for wrong in {}, {1: parts}, {64: {"computing": 1.0}}:
        with pytest.raises(ValueError, match="for several machines"):
            plot_costs(wrong, minutes=1, title="No")


def test_speedups_stand_beside_the_ideal_on_equal_scales():
    curves = {"weak": [1.0, 7.0, 50.0], "strong": [1.0, 6.0, 5.0]}
    axes = plot_speedups({"here": curves, "there": curves}, [1, 8, 64], title="Two machines")
    for ax in axes:
        ideal, weak, strong = (line.get_ydata().tolist() for line in ax.lines)
        assert (ideal, weak, strong) == ([1, 8, 64], curves["weak"], curves["strong"])
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "8", "64", "1024"]
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert axes[0].get_ylim() == axes[1].get_ylim()
    with pytest.raises(ValueError, match=r"must have 2 numbers, got \[3, 3\]"):
        plot_speedups({"here": curves}, [1, 8], title="No")
    with pytest.raises(ValueError, match="must have 2 numbers"):
        plot_speedups({}, [1, 8], title="No")


def test_memory_is_drawn_part_by_part_beside_what_the_device_holds():
    whole = dict.fromkeys(KEPT, 28.0)
    plans = {"all": whole, "an eighth": dict.fromkeys(KEPT, 28.0 / 8)}
    ax = plot_memory(plans, limit=80, device="a GPU", title="Too much")
    widths = [[bar.get_width() for bar in container] for container in ax.containers]
    assert widths == [[28.0, 3.5]] * 3
    assert words(ax) == [" 84", " 10.5", "a GPU "]
    assert ax.lines[0].get_xdata()[0] == 80
    with pytest.raises(ValueError, match="plans must be of"):
        plot_memory({"more": {"activations": 1.0}}, limit=80, device="a GPU", title="No")
    with pytest.raises(ValueError, match="plans must be of"):
        plot_memory({}, limit=80, device="a GPU", title="No")

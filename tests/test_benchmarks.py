"""benchmarks/: what notebook 12 says was measured there can be measured again."""

import json
import runpy

import pytest
from project_files import ROOT, read

from helpers import data, sketches

TINY = ["--source", "sketches", "--epochs", "1"]


@pytest.fixture(autouse=True)
def few(tmp_path, monkeypatch):
    """A home with a few sketches."""
    monkeypatch.setattr(sketches, "PER_CLASS", {True: 60, False: 20})
    monkeypatch.setattr(data, "_default_home", lambda: tmp_path)


def main_of(name):
    return runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))["main"]


def test_the_ladder_has_the_steps_of_the_notebook(capsys):
    main_of("ladder")([*TINY, "--seeds", "2", "--samples", "64"])
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [len(row[16:].split()) for row in rows] == [3] * 8  # the mean and two seeds
    cells = json.loads(read("notebooks/12_modern_lenet.ipynb"))["cells"]
    (stored,) = [c["source"] for c in cells if c["source"] and c["source"][0] == "stored = {\n"]
    assert [row[:16].strip() for row in rows] == [line.split('"')[1] for line in stored[1:-1]]


def test_every_seed_of_the_challenge_is_reported_and_one_goes_on(tmp_path, capsys):
    call = [*TINY, "--seeds", "3", "4", "--checkpoints", str(tmp_path)]
    for _ in range(2):
        main_of("challenge")(call)
        _, *rows, mean = capsys.readouterr().out.splitlines()
        assert [row.split()[:2] for row in rows] == [["nothing", "3"], ["nothing", "4"]]
        assert mean.startswith("mean test accuracy 0.")
    assert sorted(file.name for file in tmp_path.glob("*.pt")) == ["nothing-3.pt", "nothing-4.pt"]


ENTRY = """
from torch import nn
class MyNet(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, {}), nn.ReLU(), nn.Linear({}, 10))
"""


def test_a_readers_own_network_enters_if_it_is_small_enough(tmp_path, capsys):
    file = tmp_path / "mine.py"
    call = [*TINY, "--seeds", "0", "--entry", str(file)]
    file.write_text(ENTRY.format(20, 20))
    main_of("challenge")(call)
    assert "mean test accuracy" in capsys.readouterr().out
    file.write_text(ENTRY.format(100, 100))
    with pytest.raises(SystemExit, match="79,510 parameters are too many"):
        main_of("challenge")(call)


def test_a_mean_below_what_the_challenge_asks_for_is_no_success(capsys, monkeypatch):
    challenge = runpy.run_path(str(ROOT / "benchmarks" / "challenge.py"))
    names = challenge["main"].__globals__
    monkeypatch.setitem(names, "RECIPE", challenge["RECIPE"]._replace(epochs=1))
    monkeypatch.setitem(names, "GOAL", 1.0)
    with pytest.raises(SystemExit, match=r"the challenge asks for 1\.0"):
        challenge["main"]([*TINY, "--seeds", "0"])
    assert "mean test accuracy" in capsys.readouterr().out


def test_each_ingredient_can_be_left_out(capsys, monkeypatch):
    challenge = runpy.run_path(str(ROOT / "benchmarks" / "challenge.py"))
    monkeypatch.setitem(challenge["loaders"].__globals__, "ASIDE", 100)
    challenge["main"]([*TINY, "--choose", "--seeds", "0", "--samples", "64"])
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows[::2]] == [
        *("nothing", "augmentation", "shifts", "mirrors", "ten", "smoothed", "weight")
    ]
    assert all(row.startswith("mean validation accuracy") for row in rows[1::2])

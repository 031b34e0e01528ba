"""Snapshots of clothes: the same for everybody, in colours that can be told apart."""

import pytest
import torch

from helpers.snapshots import snapshots


@pytest.fixture
def garments():
    """A filled rectangle, taller than wide, in twelve grey pictures."""
    images = torch.zeros(12, 1, 28, 28)
    images[:, :, 2:26, 8:20] = 1
    return images


def test_snapshots_are_colour_pictures_of_the_size_asked_for(garments):
    taken = snapshots(garments, seed=0, size=64)
    assert taken.shape == (12, 3, 64, 64) and taken.dtype == torch.float32
    assert taken.min() >= 0 and taken.max() <= 1 + 1e-5


def test_the_same_seed_takes_the_same_pictures_and_another_takes_others(garments):
    assert torch.equal(snapshots(garments, seed=3), snapshots(garments, seed=3))
    assert not torch.equal(snapshots(garments, seed=3), snapshots(garments, seed=4))


def test_bytes_and_fractions_give_the_same(garments):
    as_bytes = (garments * 255).to(torch.uint8)
    torch.testing.assert_close(snapshots(as_bytes, seed=0), snapshots(garments, seed=0))


def test_garments_lie_within_the_picture_most_of_the_time_and_not_all_in_one_place(garments):
    """What is no wall has moved, and is between a tenth and half of the picture."""
    taken = snapshots(garments, seed=0)
    wall = taken[:, :, :1, :1]
    cover = (taken - wall).abs().sum(1) > 0.1
    shares = cover.float().mean((1, 2))
    assert ((shares > 0.05) & (shares < 0.5)).float().mean() > 0.8
    rows = torch.arange(96.0)
    heights = (cover.float().sum(2) * rows).sum(1) / cover.float().sum((1, 2))
    assert heights.std() > 5


def test_garment_and_wall_differ_in_lightness(garments):
    """Else a reader could not see what there is to learn."""
    taken = snapshots(garments, seed=1)
    spread = taken.mean(1).flatten(1)
    assert (spread.max(1).values - spread.min(1).values).min() > 0.05

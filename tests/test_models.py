"""helpers.models: shapes, parameter counts, and that the choices reach the layers."""

import pytest
import torch
from torch import nn

from helpers.models import Augment, LeNet, PocketNet, Standardize, lenet


def test_lenet_has_the_parameters_of_the_paper_and_ten_logits():
    model = lenet()
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert sum(p.numel() for p in model.parameters()) == 61_706


def test_the_classic_choices_reach_every_layer():
    kinds = [type(layer) for layer in lenet(nn.Sigmoid, nn.AvgPool2d)]
    assert kinds.count(nn.Sigmoid) == 4 and kinds.count(nn.AvgPool2d) == 2
    assert nn.ReLU not in kinds and nn.MaxPool2d not in kinds
    kinds = [type(layer) for layer in lenet(nn.Sigmoid, nn.AvgPool2d, nn.Identity)]
    assert kinds.count(nn.Sigmoid) == 2 and kinds.count(nn.Identity) == 2


def test_the_final_lenet_is_no_larger_and_learns_its_own_shapes():
    model = LeNet()
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    assert model.stage1(torch.rand(3, 1, 28, 28)).shape == (3, 10, 14, 14)
    assert sum(p.numel() for p in model.parameters()) == 61_352
    assert {"standardize.mean", "standardize.std"} <= set(model.state_dict())


def test_standardize_shifts_scales_and_is_saved():
    images = torch.rand(100, 1, 8, 8) * 3 + 2
    layer = Standardize(images.mean().item(), images.std().item())
    assert layer(images).mean().abs() < 1e-5 and (layer(images).std() - 1).abs() < 1e-5
    assert list(layer.parameters()) == [] and set(layer.state_dict()) == {"mean", "std"}
    for std in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="std must be above 0"):
            Standardize(0.0, std)


def test_augment_shifts_every_picture_by_itself_and_leaves_them_alone_in_eval_mode():
    torch.manual_seed(0)
    images = torch.rand(500, 2, 6, 5) + 1  # nowhere 0, so that what a shift leaves empty shows
    layer = Augment(shift=2)
    assert torch.equal(layer.eval()(images), images)
    kept = images.clone()
    changed = layer.train()(images)
    assert torch.equal(images, kept) and changed.shape == images.shape
    found = set()
    for picture, result in zip(images, changed, strict=True):
        found.add(next(way for way in ways() if torch.equal(moved(picture, *way), result)))
    assert found == set(ways())  # 25 shifts, mirrored or not


def ways():
    return [(m, d, r) for m in (False, True) for d in range(-2, 3) for r in range(-2, 3)]


def moved(picture, mirrored, down, right):
    """By slices: what a picture looks like further down and to the right."""
    picture = picture.flip(-1) if mirrored else picture
    height, width = picture.shape[-2:]
    result = torch.zeros_like(picture)
    result[:, max(down, 0) : height + down, max(right, 0) : width + right] = picture[
        :, max(-down, 0) : height - down, max(-right, 0) : width - right
    ]
    return result


def test_augment_without_shifts_or_without_mirrors():
    images = torch.rand(50, 1, 4, 4)
    assert torch.equal(Augment(shift=0, mirror=False)(images), images)
    mirrored = (Augment(shift=0)(images) == images.flip(-1)).flatten(1).all(dim=1)
    assert 5 < mirrored.sum() < 45
    with pytest.raises(ValueError, match="shift must be"):
        Augment(shift=-1)


def test_the_views_of_a_picture_are_those_that_training_may_show():
    picture = torch.rand(2, 6, 5) + 1
    steps = [(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)]  # down, right
    sides = {True: (False, True), False: (False,)}
    for mirror, mirrored in sides.items():
        views = Augment(shift=2, mirror=mirror).views(picture[None])
        assert len(views) == 5 * len(mirrored)
        for side in mirrored:
            for down, right in steps:
                wanted = moved(picture, side, down, right)
                assert any(torch.equal(view[0], wanted) for view in views)
    (view,) = Augment(shift=0, mirror=False).views(picture[None])
    assert torch.equal(view[0], picture)


def test_the_pocket_net_keeps_the_challenges_limit_and_answers_for_all_views_of_a_picture():
    model = PocketNet()
    assert sum(p.numel() for p in model.parameters()) == 61_050
    images = torch.rand(4, 1, 28, 28)
    assert model(images).shape == (4, 10)
    logits = model.eval()(images)
    torch.testing.assert_close(model(images.flip(-1)), logits)
    answers = [model.network(view) for view in model.augment.views(images)]
    assert len(answers) == 10 and not torch.allclose(answers[0], answers[-1])
    torch.testing.assert_close(logits, sum(answers) / 10)

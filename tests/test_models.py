"""helpers.models: shapes, parameter counts, and that the choices reach the layers."""

import pytest
import torch
from torch import nn

from helpers.models import LeNet, Standardize, lenet


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

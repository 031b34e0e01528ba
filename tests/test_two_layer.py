"""The two-layer net: the same numbers everywhere, and losses that autograd agrees with."""

import pytest
import torch

from helpers.devices import available_devices
from helpers.two_layer import (
    D_IN,
    D_OUT,
    LEARNING_RATE,
    STEPS,
    H,
    N,
    make_problem,
    reference_losses,
)

DEVICES = [name for name in available_devices() if not name.startswith("mps")]  # no float64 there


def train_with_autograd(steps, device="cpu"):
    x, y, w1, w2 = make_problem(device=device)
    weights = [w1.requires_grad_(), w2.requires_grad_()]
    losses = []
    for _ in range(steps):
        loss = ((x @ w1).relu() @ w2 - y).pow(2).sum()
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, grad in zip(weights, grads, strict=True):
                weight -= LEARNING_RATE * grad
    return losses


def test_problem_has_the_shapes_of_the_sources():
    x, y, w1, w2 = make_problem()
    assert [tuple(t.shape) for t in (x, y, w1, w2)] == [
        (N, D_IN),
        (N, D_OUT),
        (D_IN, H),
        (H, D_OUT),
    ]
    assert (N, D_IN, H, D_OUT, LEARNING_RATE, STEPS) == (64, 1000, 100, 10, 1e-6, 500)
    assert {t.dtype for t in (x, y, w1, w2)} == {torch.float64}
    assert not any(t.requires_grad for t in (x, y, w1, w2))


def test_problem_is_the_same_numbers_in_every_dtype_and_on_every_device():
    exact = make_problem()
    for device in DEVICES:
        for dtype in torch.float64, torch.float32, torch.bfloat16:
            for tensor, expected in zip(make_problem(dtype, device), exact, strict=True):
                assert tensor.dtype == dtype
                assert tensor.device.type == torch.device(device).type
                torch.testing.assert_close(tensor.cpu(), expected.to(dtype), rtol=0, atol=0)


def test_problem_leaves_the_global_generator_alone_and_ignores_it():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = make_problem()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    for one, other in zip(first, make_problem(), strict=True):
        assert torch.equal(one, other)


def test_problem_is_standard_normal():
    for tensor in make_problem(num_samples=100):
        assert abs(tensor.mean()) < 0.1
        assert abs(tensor.std() - 1) < 0.1


def test_problem_is_new_at_every_call():
    make_problem()[2].zero_()
    assert make_problem()[2].abs().sum() > 0


def test_number_of_samples():
    x, y, w1, _ = make_problem(num_samples=100)
    assert (len(x), len(y), tuple(w1.shape)) == (100, 100, (D_IN, H))


@pytest.mark.parametrize("device", DEVICES)
def test_losses_agree_with_autograd_over_all_steps(device):
    losses = torch.tensor(reference_losses(), dtype=torch.float64)
    by_autograd = torch.tensor(train_with_autograd(STEPS, device), dtype=torch.float64)
    torch.testing.assert_close(losses, by_autograd, rtol=1e-6, atol=0)


def test_losses_fall_to_almost_nothing():
    losses = reference_losses()
    assert len(losses) == STEPS
    assert losses[0] > 1e7
    assert losses[-1] < 1e-6


def test_fewer_losses_are_the_first_ones():
    assert reference_losses(7) == reference_losses()[:7]
    assert reference_losses(0) == []


def test_the_default_device_of_the_reader_is_not_ours():
    torch.set_default_device("meta")  # any other device would do
    try:
        losses = reference_losses(11)  # a number that no other test has left in the cache
        assert make_problem()[0].device == torch.device("cpu")
    finally:
        torch.set_default_device(None)
    assert losses == reference_losses()[:11]


def test_losses_are_a_new_list_at_every_call():
    reference_losses(3).clear()
    assert len(reference_losses(3)) == 3


@pytest.mark.parametrize("dtype", [torch.int64, "float64", None])
def test_wrong_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match=r"dtype must be a floating-point dtype .* got"):
        make_problem(dtype)


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_wrong_number_of_samples_is_refused(value, error):
    with pytest.raises(error, match=f"num_samples must be .* got {value}"):
        make_problem(num_samples=value)


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_wrong_number_of_steps_is_refused(value, error):
    with pytest.raises(error, match=f"steps must be .* got {value}"):
        reference_losses(value)

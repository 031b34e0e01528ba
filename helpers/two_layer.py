"""The two-layer ReLU net of notebooks 02 to 07: data, starting weights, and the losses to match."""

from functools import cache, partial

import torch
from torch import Tensor

from helpers.checks import check_integer

N, D_IN, H, D_OUT = 64, 1000, 100, 10
LEARNING_RATE = 1e-6
STEPS = 500
SEED = 0


def make_problem(
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    *,
    num_samples: int = N,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the inputs, targets and starting weights that notebook 02 draws.

    The numbers are the same on every machine: they are drawn on the CPU in float64 from a
    generator of their own, then rounded to `dtype` and moved to `device`.

    Args:
        dtype: a floating-point dtype.
        device: where the tensors shall be.
        num_samples: N, the number of rows of x and y. Another N means other weights too.

    Returns:
        x (N, 1000), y (N, 10), w1 (1000, 100) and w2 (100, 10), all from a standard normal
        distribution. They are new at every call, so changing them in place harms nobody.

    Raises:
        TypeError: `dtype` is not a floating-point dtype, or `num_samples` not a whole number.
        ValueError: `num_samples` is below 1.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point dtype such as torch.float64, got {dtype}")
    check_integer("num_samples", num_samples, minimum=1)
    generator = torch.Generator().manual_seed(SEED)
    shapes = (num_samples, D_IN), (num_samples, D_OUT), (D_IN, H), (H, D_OUT)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64, device="cpu")
    x, y, w1, w2 = (draw(shape).to(device, dtype) for shape in shapes)
    return x, y, w1, w2


def reference_losses(steps: int = STEPS) -> list[float]:
    """Return the loss before each step of gradient descent, with the gradients written by hand.

    This is the training loop of notebook 02: sum of squared errors, learning rate 1e-6, float64
    on the CPU. Later notebooks assert that their losses agree to a relative 1e-6.

    Args:
        steps: how many losses; the first belongs to the starting weights.

    Raises:
        TypeError: `steps` is not a whole number.
        ValueError: `steps` is negative.
    """
    check_integer("steps", steps, minimum=0)
    return list(_train_by_hand(steps))


@cache
def _train_by_hand(steps: int) -> tuple[float, ...]:
    x, y, w1, w2 = make_problem()
    losses = []
    for _ in range(steps):
        # Forward pass
        h = x @ w1  # (N, H)
        h_relu = h.clamp(min=0)  # (N, H)
        y_pred = h_relu @ w2  # (N, D_out)

        # Compute loss
        losses.append((y_pred - y).square().sum().item())

        # Backward pass
        grad_y_pred = 2 * (y_pred - y)  # (N, D_out)
        grad_w2 = h_relu.T @ grad_y_pred  # (H, D_out)
        grad_h = (grad_y_pred @ w2.T) * (h > 0)  # (N, H)
        grad_w1 = x.T @ grad_h  # (D_in, H)

        # Update weights
        w1 -= LEARNING_RATE * grad_w1
        w2 -= LEARNING_RATE * grad_w2
    return tuple(losses)

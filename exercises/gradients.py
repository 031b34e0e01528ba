"""What a probe asks autograd about an answer's result."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def gradients(result: Any, inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradient of a result along each input, or None where no graph leads to it.

    Of a result with more than one entry, a sum is taken in which each entry has a weight of its
    own, so that entries cannot cancel or be exchanged unnoticed.

    Args:
        result: what an answer returned; anything but a tensor has no gradient.
        inputs: tensors that require a gradient; others have none.
    """
    asked = [tensor for tensor in inputs if tensor.requires_grad]
    if not asked or not isinstance(result, Tensor) or not result.requires_grad:
        return [None] * len(inputs)
    if result.ndim > 0:
        weights = torch.arange(1, result.numel() + 1, dtype=result.dtype).cos()
        result = (result * weights.reshape(result.shape)).sum()
    found = iter(torch.autograd.grad(result, asked, allow_unused=True))
    return [next(found) if tensor.requires_grad else None for tensor in inputs]

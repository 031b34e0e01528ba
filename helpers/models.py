"""The networks that notebook 11 arrives at."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def lenet(
    activation: Callable[[], nn.Module] = nn.ReLU,
    pool: Callable[[int], nn.Module] = nn.MaxPool2d,
    hidden_activation: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:
    """Return LeNet for 28×28 grey images and ten classes, 61,706 parameters.

    `lenet(nn.Sigmoid, nn.AvgPool2d)` is the net of the 1990s; the defaults are the first two
    changes that notebook 11 makes to it.

    Args:
        activation: makes the layer after each convolution.
        pool: makes the pooling layer from its window, 2.
        hidden_activation: makes the layer after each hidden linear layer; None for `activation`.

    Returns:
        A model from images (B, 1, 28, 28) to logits (B, 10).
    """
    hidden_activation = hidden_activation or activation
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),  # (B, 6, 28, 28)
        activation(),
        pool(2),  # (B, 6, 14, 14)
        nn.Conv2d(6, 16, kernel_size=5),  # (B, 16, 10, 10)
        activation(),
        pool(2),  # (B, 16, 5, 5)
        nn.Flatten(),  # (B, 400)
        nn.Linear(400, 120),
        hidden_activation(),
        nn.Linear(120, 84),
        hidden_activation(),
        nn.Linear(84, 10),  # (B, 10)
    )


class Standardize(nn.Module):
    """Shift and scale pixels to mean 0 and standard deviation 1 over the training set.

    Built in notebook 11. Mean and deviation are buffers: they move and are saved with the model.

    Args:
        mean: of the training images, in the units of the pixels.
        std: their standard deviation, above 0.

    Raises:
        ValueError: `std` is not above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        if not std > 0:
            raise ValueError(f"std must be above 0, got {std!r}")
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, images: Tensor) -> Tensor:
        """Return images of the same shape, (B, C, H, W)."""
        return (images - self.mean) / self.std


def _stage(in_channels: int, out_channels: int, padding: int) -> nn.Sequential:
    # Pooling first: max pooling and ReLU may change places, and then a quarter of the pixels are
    # left for the other two.
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=padding),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class LeNet(nn.Module):
    """LeNet as notebook 11 leaves it: ReLU, max pooling, standardised input, batch normalisation,
    and more of the parameters in the convolutions; 61,352 of them in all.

    Args:
        mean: of the training pixels in [0, 1]; the default is Fashion-MNIST's.
        std: their standard deviation, above 0.
    """

    def __init__(self, mean: float = 0.2860, std: float = 0.3530) -> None:
        super().__init__()
        self.standardize = Standardize(mean, std)
        self.stage1 = _stage(1, 10, padding=2)
        self.stage2 = _stage(10, 24, padding=0)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(600, 90),
            nn.ReLU(),
            nn.Linear(90, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 1, 28, 28) in [0, 1] to logits (B, 10)."""
        features = self.stage2(self.stage1(self.standardize(images)))  # (B, 24, 5, 5)
        return self.classifier(features)

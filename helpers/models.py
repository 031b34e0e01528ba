"""The networks that notebooks 11 and 12 arrive at."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.checks import check_integer


def lenet(
    activation: Callable[[], nn.Module] = nn.ReLU,
    pool: Callable[[int], nn.Module] = nn.MaxPool2d,
    hidden_activation: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:
    """Return LeNet for 28×28 grey images and ten classes, 61,706 parameters.

    `lenet(nn.Sigmoid, nn.AvgPool2d)` is the net of the 1990s; the defaults are the first
    changes that notebook 12 makes to it.

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

    Built in notebook 12. Mean and deviation are buffers: they move and are saved with the model.

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
    """LeNet as notebook 12 leaves it: ReLU, max pooling, standardised input, batch normalisation,
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


class Augment(nn.Module):
    """In training mode, mirror each picture or not, and shift it by up to `shift` pixels.

    Notebook 12 builds the shift, and an exercise there the mirror. The chances are drawn on the
    CPU, from torch's own generator; what a shift leaves empty is 0.

    Args:
        shift: the furthest, up or down and left or right; 0 or more.
        mirror: whether pictures are mirrored, one in two.
    """

    def __init__(self, shift: int = 2, *, mirror: bool = True) -> None:
        super().__init__()
        check_integer("shift", shift, minimum=0)
        self.shift, self.chance = shift, 0.5 if mirror else 0.0

    def forward(self, images: Tensor) -> Tensor:
        """Return images of the same shape, (B, C, H, W); in eval mode the same ones."""
        if not self.training:
            return images
        device, (count, _, height, width) = images.device, images.shape
        mirrored = (torch.rand(count, 1, 1, 1, device="cpu") < self.chance).to(device)
        down, right = torch.randint(2 * self.shift + 1, (2, count, 1), device="cpu").to(device)
        rows = (down + torch.arange(height, device=device))[:, :, None]  # (B, H, 1)
        columns = (right + torch.arange(width, device=device))[:, None]  # (B, 1, W)
        padded = F.pad(torch.where(mirrored, images.flip(-1), images), [self.shift] * 4)
        picture = torch.arange(count, device=device)[:, None, None]  # (B, 1, 1)
        return padded.permute(0, 2, 3, 1)[picture, rows, columns].permute(0, 3, 1, 2)

    def views(self, images: Tensor) -> list[Tensor]:
        """Return the images as they are and `shift` further up, left, right and down.

        Where pictures are mirrored, the mirror images of all these, too. Each is (B, C, H, W).
        """
        (height, width), far = images.shape[2:], 2 * self.shift
        padded = F.pad(images, [self.shift] * 4)
        middle = self.shift
        starts = {(middle, middle), (far, middle), (middle, far), (middle, 0), (0, middle)}
        views = [padded[..., y : y + height, x : x + width] for y, x in sorted(starts)]
        return views + [view.flip(-1) for view in views if self.chance]


def _small_stage(in_channels: int, out_channels: int, *, pool: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.MaxPool2d(2) if pool else nn.Identity(),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class PocketNet(nn.Module):
    """The network of notebook 12's challenge: four small convolutions, 61,050 parameters.

    It changes its pictures while it trains (`Augment`). In eval mode it looks at each in ten ways,
    moved by a pixel and mirrored, and answers with the mean (*test-time augmentation*).

    Args:
        mean: of the training pixels in [0, 1]; the default is Fashion-MNIST's.
        std: their standard deviation, above 0.
    """

    def __init__(self, mean: float = 0.2860, std: float = 0.3530) -> None:
        super().__init__()
        self.augment = Augment(shift=1)
        self.network = nn.Sequential(
            Standardize(mean, std),
            _small_stage(1, 16),  # (B, 16, 14, 14)
            _small_stage(16, 32),  # (B, 32, 7, 7)
            _small_stage(32, 64),  # (B, 64, 3, 3)
            _small_stage(64, 64, pool=False),
            nn.AdaptiveMaxPool2d(1),  # of each map the largest number
            nn.Flatten(),
            nn.Linear(64, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 1, 28, 28) in [0, 1] to logits (B, 10)."""
        if self.training:
            return self.network(self.augment(images))
        return torch.stack([self.network(view) for view in self.augment.views(images)]).mean(0)

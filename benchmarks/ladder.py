"""What each step from the classic LeNet to ours is worth, over several seeds.

    python benchmarks/ladder.py [--seeds 3] [--samples 6000] [--epochs 4] [--batch-size 64]

The steps are those of notebook 12, each on top of the one before. Every one is trained on the first
pictures of the training set and judged by its last 5,000, the validation pictures; the test set has
no part in it. Printed are the validation accuracy of each seed and their mean: the notebook shows
what this printed as a stored measurement, and runs seed 0 of it itself.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from helpers.batches import BatchLoader
from helpers.data import fashion_mnist
from helpers.devices import pick_device, set_seed
from helpers.models import LeNet, Standardize, lenet
from helpers.training import evaluate, fit

VALIDATION = 5_000


def standardized(*layers: nn.Module) -> nn.Sequential:
    """Put the standardisation of Fashion-MNIST's pixels in front of some layers."""
    return nn.Sequential(Standardize(0.2860, 0.3530), *layers)


def stage(in_channels: int, out_channels: int, padding: int) -> nn.Sequential:
    """Convolution, pooling, batch normalisation, ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=padding)
    return nn.Sequential(convolution, nn.MaxPool2d(2), nn.BatchNorm2d(out_channels), nn.ReLU())


# The name of each step, its model, and whether momentum and one cycle come with it.
STEPS: list[tuple[str, Callable[[], nn.Module], bool]] = [
    ("classic", lambda: lenet(nn.Sigmoid, nn.AvgPool2d, nn.Identity), False),
    ("all sigmoid", lambda: lenet(nn.Sigmoid, nn.AvgPool2d), False),
    ("ReLU", lambda: lenet(nn.ReLU, nn.AvgPool2d), False),
    ("+ max pooling", lambda: lenet(), False),
    ("+ standardised", lambda: standardized(*lenet()), False),
    ("+ one cycle", lambda: standardized(*lenet()), True),
    ("+ batch norm", lambda: standardized(stage(1, 6, 2), stage(6, 16, 0), *lenet()[6:]), True),
    ("+ wider", lambda: LeNet(), True),
]


def xavier(module: nn.Module) -> None:
    """Start a layer as notebook 11 does."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)


def measure(make_model: Callable[[], nn.Module], modern: bool, seed: int, options: Any) -> float:
    """Train one step once; return its validation accuracy."""
    device = pick_device()
    train, _ = fashion_mnist(device=device, source=options.source)
    first = slice(options.samples)
    batches, held_out = options.batch_size, slice(-VALIDATION, None)
    loader = BatchLoader(train.images[first], train.labels[first], batches, shuffle=True, seed=seed)
    validation = BatchLoader(train.images[held_out], train.labels[held_out], 500)
    set_seed(seed)
    model: Any = make_model().apply(xavier)
    model.to(device, memory_format=torch.channels_last)
    optimizer = SGD(model.parameters(), lr=0.1 if modern else 0.2, momentum=0.9 if modern else 0.0)
    total = options.epochs * len(loader)
    cycle = OneCycleLR(optimizer, 0.1, total_steps=total) if modern else None
    parts: dict[str, Any] = {"optimizer": optimizer, "scheduler": cycle, "progress": False}
    fit(model, loader, epochs=options.epochs, **parts)
    return evaluate(model, validation).accuracy


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all steps, and print a row for each as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in ("seeds", 3), ("samples", 6_000), ("epochs", 4), ("batch-size", 64):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--source", default="auto")
    parser.add_argument("--steps", nargs="+", default=[name for name, _, _ in STEPS])
    options = parser.parse_args(argv)
    print(f"{'':16}mean    validation accuracy of seeds 0, 1, …")
    for name, make_model, modern in STEPS:
        if name not in options.steps:
            continue
        found = [measure(make_model, modern, seed, options) for seed in range(options.seeds)]
        seeds = "  ".join(f"{accuracy:.4f}" for accuracy in found)
        print(f"{name:16}{statistics.mean(found):.3f}   {seeds}", flush=True)


if __name__ == "__main__":
    main()

"""What an epoch of `fit` costs, beside the bare computation and beside the usual loop.

    python benchmarks/training_speed.py [--rounds 5] [--device cpu] [--samples 60000]

Three ways to train the same LeNet for one epoch of 60,000 images in batches of 256, with plain SGD,
measured in turn in one run so that all meet the same machine:

floor   bytes to floats, forward, loss, backward, step over batches of bytes that lie on the device
        in the order in which they are used; nothing else
fit     helpers.training.fit over helpers.data's BatchLoader, which holds the same bytes: a new
        order, picking each batch out of all images, checks, loss and accuracy included
usual   torchvision's dataset with ToTensor for each image, a DataLoader, and a second forward pass
        for the training accuracy

Floor and fit turn the same bytes into floats, each batch when its turn comes, so both compute on
numbers that have just been written. All that fit does beyond that counts as its cost, also that its
images lie scattered over the data, while each batch of the floor lies in one piece. Reading the
files counts for nobody.

Printed are the median times, and the median over the rounds of the two ratios that the project
promises: fit / floor at most 1.05, and fit / usual at most 0.40. Nothing else may be running.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader, Subset
from torchvision import datasets
from torchvision.transforms import ToTensor

from helpers.batches import BatchLoader
from helpers.data import fashion_mnist, locate
from helpers.devices import pick_device, set_seed
from helpers.models import lenet
from helpers.training import fit

BATCH_SIZE = 256
PROMISES = {"floor": 1.05, "usual": 0.40}


def floor_epoch(model: nn.Module, batches: list[tuple[Tensor, Tensor]], optimizer: SGD) -> None:
    """Train on batches of bytes that are already there, and measure nothing."""
    for pixels, labels in batches:
        images = pixels.to(torch.float32).div_(255)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def usual_epoch(
    model: nn.Module, loader: DataLoader, optimizer: SGD, device: torch.device
) -> tuple[float, float]:
    """Train as most notes do, and return the mean of batch losses and the accuracy."""
    total, correct, seen = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        with torch.no_grad():
            correct += (model(images).argmax(dim=1) == labels).sum().item()
        seen += len(labels)
    return total / len(loader), correct / seen


def in_batches(loader: BatchLoader) -> list[tuple[Tensor, Tensor]]:
    """Cut the bytes and labels that the loader holds into its batches, in a random order."""
    order = torch.randperm(loader.num_samples, device=loader.images.device)
    return [(loader.images[rows], loader.labels[rows]) for rows in order.split(loader.batch_size)]


def first(loader: BatchLoader, samples: int) -> BatchLoader:
    """Return a loader of the first images only."""
    images, labels = loader.images[:samples], loader.labels[:samples]
    return BatchLoader(images, labels, loader.batch_size, shuffle=True)


def contestants(
    device: torch.device, samples: int
) -> dict[str, Callable[[nn.Module, SGD], object]]:
    """Prepare the data once; return one epoch of each kind as a function of model and optimizer."""
    train_loader = first(fashion_mnist(BATCH_SIZE, device=device)[0], samples)
    batches = in_batches(train_loader)
    folder, _ = locate()
    dataset = datasets.FashionMNIST(folder, train=True, transform=ToTensor())
    part = dataset if samples == len(dataset) else Subset(dataset, range(samples))
    loader = DataLoader(part, BATCH_SIZE, shuffle=True)
    return {
        "floor": lambda model, optimizer: floor_epoch(model, batches, optimizer),
        "fit": lambda model, optimizer: fit(
            model, train_loader, optimizer=optimizer, epochs=1, progress=False
        ),
        "usual": lambda model, optimizer: usual_epoch(model, loader, optimizer, device),
    }


def seconds(epoch: Callable[[nn.Module, SGD], object], device: torch.device) -> float:
    """Time one epoch from fresh weights."""
    set_seed(0)
    model = lenet().to(device)
    optimizer = SGD(model.parameters(), lr=0.1)
    start = time.perf_counter()
    epoch(model, optimizer)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(rounds: int, device: torch.device, samples: int) -> dict[str, list[float]]:
    """Run all kinds in turn, `rounds` times after one round to warm up; return their seconds."""
    epochs = contestants(device, samples)
    times: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            elapsed = seconds(epoch, device)
            if number:
                times[name].append(elapsed)
                print(f"round {number}  {name:6} {elapsed:6.2f} s", flush=True)
    return times


def report(times: dict[str, list[float]]) -> bool:
    """Print medians and ratios; return whether both promises are kept."""
    print("\nmedian: " + ", ".join(f"{k} {statistics.median(v):.2f} s" for k, v in times.items()))
    kept = True
    for other, bound in PROMISES.items():
        pairs = zip(times["fit"], times[other], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        kept &= ratio <= bound
        verdict = "kept" if ratio <= bound else "NOT KEPT"
        print(f"fit / {other:6} {ratio:.3f}   promised at most {bound:.2f}: {verdict}")
    return kept


def main() -> int:
    """Parse the command line, measure, report; the exit code tells whether the promises hold."""
    parser = argparse.ArgumentParser(description="Compare an epoch of fit with two other loops.")
    parser.add_argument("--rounds", type=int, default=5, help="how often to measure each (5)")
    parser.add_argument("--device", default=None, help="cpu, cuda, ... (as pick_device chooses)")
    parser.add_argument("--samples", type=int, default=60_000, help="how many images (60000)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if not 1 <= options.samples <= 60_000:
        parser.error(f"--samples must be from 1 to 60000, got {options.samples}")
    device = pick_device(options.device)
    print(f"device {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    return 0 if report(measure(options.rounds, device, options.samples)) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a GPU makes of notebooks 14 and 15: one labelled table, ready to be pasted.

    python benchmarks/gpu_results.py [--device cuda] [--size 4000] [--repeats 7]

The notebooks are rendered on a CPU. On a machine with a GPU this prints the card, the versions and
the medians of what the two chapters time, as a table in Markdown. Its rows stand in notebook 14,
under "What a GPU makes of it", and in 15 where each is spoken of. Nothing else may be running.

launch  until Python goes on after ten products of matrices, and until the device has finished
types   one product in each number format; tf32 is float32 with rounded inputs (notebook 14)
step    one training step of LeNet with a small batch, and with a large one
way     the pictures of a batch of 4,096 on their way to the device, from ordinary and pinned memory
mixed   one step of a wider network in float32, and under autocast (notebook 15)
memory  the most that such a step holds, with and without activation checkpointing (notebook 15)
compile that step once more, through torch.compile (notebook 15)
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint_sequential

from helpers.devices import pick_device, set_seed
from helpers.models import lenet

Row = tuple[str, str]


def milliseconds(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median of what a run takes until the device has finished, after one to warm up."""
    run()
    seconds = []
    for _ in range(repeats):
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds)


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished; a CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def launches(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """When Python goes on, and when the device has finished."""
    matrix = torch.rand(size, size).to(device)

    def ten_products() -> None:
        for _ in range(10):
            matrix @ matrix

    done = milliseconds(ten_products, device, repeats)
    start = time.perf_counter()
    ten_products()
    launched = 1e3 * (time.perf_counter() - start)
    synchronize(device)
    products = f"ten products of {size:,}×{size:,}"
    yield f"{products}: until Python goes on", f"{launched:.3f} ms"
    yield f"{products}: until they are done", f"{done:.3f} ms"


def types(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """One product in each number format."""
    formats = {"float64": torch.float64, "float32": torch.float32}
    if device.type == "cuda":
        formats |= {"tf32": torch.float32}
    formats |= {"bfloat16": torch.bfloat16, "float16": torch.float16}
    for name, dtype in formats.items():
        matrix = torch.rand(size, size).to(device, dtype)
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        took = milliseconds(lambda m=matrix: m @ m, device, repeats)
        torch.set_float32_matmul_precision("highest")
        yield f"one product of {size:,}×{size:,} in {name}", f"{took:.3f} ms"


def steps(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """One training step of LeNet, for batches of two sizes."""
    for count in size // 16, 2 * size:
        model = lenet().to(device)
        step = step_of(model, torch.rand(count, 1, 28, 28).to(device))
        took = milliseconds(step, device, repeats)
        yield f"a step of LeNet with {count:,} pictures", f"{took:.3f} ms"


def step_of(model: nn.Module, images: Tensor, dtype: torch.dtype | None = None) -> Callable:
    """Return a training step on these pictures, under autocast if a dtype is given."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    labels = torch.randint(10, (len(images),)).to(images.device)

    def step() -> None:
        with torch.autocast(images.device.type, dtype, enabled=dtype is not None):
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ways(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """The way of 4,096 pictures from the memory of the CPU to the device."""
    batch = torch.rand(4096, 1, 28, 28)
    sources = {"ordinary": batch}
    if device.type == "cuda":
        sources["pinned"] = batch.pin_memory()
    for name, source in sources.items():
        took = milliseconds(lambda s=source: s.to(device, non_blocking=True), device, repeats)
        yield f"4,096 pictures to the device, from {name} memory", f"{took:.3f} ms"


def mixed(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """One step of a wider network in two number formats, and what it holds at most."""
    images = torch.rand(max(size // 8, 1), 1, 28, 28).to(device)
    for name, dtype in {"float32": None, "autocast to bfloat16": torch.bfloat16}.items():
        took = milliseconds(step_of(wide().to(device), images, dtype), device, repeats)
        yield f"a step of a wide network with {len(images)} pictures in {name}", f"{took:.3f} ms"
    if device.type == "cuda":
        for name, model in {"as it is": wide(), "checkpointed": Checkpointed()}.items():
            step = step_of(model.to(device), images)
            torch.cuda.reset_peak_memory_stats(device)
            step()
            most = torch.cuda.max_memory_allocated(device) / 2**20
            yield f"the most that its step holds, {name}", f"{most:,.0f} MiB"


def compiled(device: torch.device, size: int, repeats: int) -> Iterator[Row]:
    """The same step, and that of LeNet with a small batch, after torch.compile."""
    for name, model, count in ("a wide network", wide(), size // 8), ("LeNet", lenet(), size // 16):
        step = step_of(torch.compile(model.to(device)), torch.rand(count, 1, 28, 28).to(device))
        took = milliseconds(step, device, repeats)
        yield f"a step of {name} with {count:,} pictures in float32, compiled", f"{took:.3f} ms"


def wide() -> nn.Sequential:
    """Return a network in which a GPU has something to do."""
    layers: list[nn.Module] = [nn.Conv2d(1, 128, 3, padding=1), nn.ReLU()]
    for _ in range(6):
        layers += [nn.Conv2d(128, 128, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


class Checkpointed(nn.Module):
    """The same network in four parts, whose insides are computed again on the way back."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = wide()

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (B, 10)."""
        return checkpoint_sequential(self.layers, 4, images, use_reentrant=False)


def main() -> None:
    """Measure everything, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=None)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    device = pick_device(options.device)
    set_seed(0)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    if device.type == "cuda":
        versions += f", cuDNN {torch.backends.cudnn.version()}"
    print(f"Measured on {device.type}: {card}; {versions}; threads: {torch.get_num_threads()}.\n")
    print("| what | median |\n|---|---|")
    for measure in launches, types, steps, ways, mixed, compiled:
        for what, figure in measure(device, options.size, options.repeats):
            print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()

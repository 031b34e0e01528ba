"""Train LeNet from the command line, on one process or on several at once.

    python -m helpers.train --epochs 3 --checkpoint lenet.pt
    python -m helpers.train --recipe challenge
    torchrun --standalone --nproc-per-node 2 -m helpers.train --epochs 3 --checkpoint lenet.pt

The second line trains the network of notebook 12's challenge. The third is the first on two
processes: each works on its part of every batch, and DistributedDataParallel averages their
gradients, so that the update is that of one process with the whole batch. Notebook 17_scaling_out
builds it. A checkpoint that is there already is gone on from.
A machine that cannot look up its own name needs `--local-addr 127.0.0.1` after `torchrun`, or it
waits for itself.
"""

import os
import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from helpers.batches import BatchLoader
from helpers.checkpoints import load_checkpoint
from helpers.data import SOURCES, fashion_mnist
from helpers.devices import pick_device, set_seed
from helpers.metrics import History
from helpers.models import LeNet, PocketNet
from helpers.parallel import Shard, joined, parallel, place
from helpers.streams import forgiving_streams, say
from helpers.training import fit

FAILED, INTERRUPTED = 1, 130  # exit codes; argparse uses 2 for arguments that are wrong
DATA = {"seed": "--seed", "batch_size": "--batch-size", "num_samples": "--samples"}


class Recipe(NamedTuple):
    """How a network is trained: with SGD, and one cycle of the learning rate."""

    model: Callable[[], nn.Module]
    epochs: int
    learning_rate: float  # the highest of the cycle
    optimizer: dict[str, Any]  # options of SGD
    cycle: dict[str, Any]  # options of OneCycleLR
    smoothing: float = 0.0  # of the labels

    def schedule(self, model: nn.Module, rate: float, steps: int) -> dict[str, Any]:
        """Return what `fit` needs beside the model, for so many steps in all."""
        optimizer = SGD(model.parameters(), lr=rate, **self.optimizer)
        return {
            "optimizer": optimizer,
            "scheduler": OneCycleLR(optimizer, rate, total_steps=steps, **self.cycle),
            "loss_fn": nn.CrossEntropyLoss(label_smoothing=self.smoothing),
        }


NESTEROV = {"momentum": 0.9, "nesterov": True, "weight_decay": 2e-4}
RECIPES = {  # that with which notebook 12's ladder ends, and that of its challenge
    "lenet": Recipe(LeNet, 3, 0.1, {"momentum": 0.9}, {}),
    "challenge": Recipe(
        PocketNet, 30, 0.3, NESTEROV, {"pct_start": 0.2, "cycle_momentum": False}, 0.1
    ),
}


def _train(arguments: Namespace, device: torch.device, rank: int, world_size: int) -> History:
    """Train as the recipe says."""
    recipe = RECIPES[arguments.recipe]
    epochs = arguments.epochs or recipe.epochs
    set_seed(arguments.seed)
    loaders: Any = _loaders(arguments, device)
    _check_data(arguments.checkpoint, loaders[0])
    # Channels last: the CPU's convolutions are faster so (notebook 11).
    model: nn.Module = recipe.model().to(memory_format=torch.channels_last).to(device)
    if world_size > 1:
        loaders = [Shard(loader, rank, world_size) for loader in loaders]
        model = parallel(model, loaders[0])
    rate = arguments.learning_rate or recipe.learning_rate
    return fit(
        model,
        *loaders,
        **recipe.schedule(model, rate, epochs * len(loaders[0])),
        epochs=epochs,
        checkpoint=arguments.checkpoint,
        new_settings=arguments.new_settings,
        progress=rank == 0,
    )


def _loaders(arguments: Namespace, device: torch.device) -> list[BatchLoader]:
    """The training set, or its first pictures, and the test set."""
    train, test = fashion_mnist(
        arguments.batch_size, device=device, source=arguments.source, seed=arguments.seed
    )
    first = slice(arguments.samples)
    options: dict[str, Any] = {"shuffle": True, "seed": train.seed, "source": train.source}
    part = BatchLoader(train.images[first], train.labels[first], train.batch_size, **options)
    return [part, test]


def _check_data(checkpoint: str | None, loader: BatchLoader) -> None:
    """Refuse, by the option's name, other data than the checkpoint was made with."""
    if checkpoint is None or not os.path.exists(os.path.expanduser(checkpoint)):
        return
    saved = (load_checkpoint(checkpoint).loader or {}).get("state", {})
    for name, own in loader.state_dict().items():
        if name in DATA and own != (there := saved.get(name, own)):
            afresh = "take another --checkpoint to begin afresh"
            raise ValueError(f"{DATA[name]} is {there} in {checkpoint}, got {own}: {afresh}")


# The command line ---------------------------------------------------------------------------------


def _at_least(lowest: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argument type for numbers; argparse turns the error into one sentence."""

    def parse(text: str) -> Any:
        with suppress(ValueError):
            if lowest <= (value := kind(text)) < float("inf"):
                return value
        what = "a whole number" if kind is int else "a number"
        raise ArgumentTypeError(f"expected {what} of at least {lowest}, got {text!r}")

    return parse


def _device(name: str) -> str:
    try:
        return str(pick_device(name))
    except ValueError as error:
        raise ArgumentTypeError(str(error).removeprefix("name ")) from error


def _parser() -> ArgumentParser:
    what = "Train LeNet on Fashion-MNIST. Under torchrun, on several processes at once."
    parser = ArgumentParser(prog="python -m helpers.train", description=what)
    option, count, rate = parser.add_argument, _at_least(1, int), _at_least(1e-9, float)
    more = "go on with other --epochs or another --learning-rate than the checkpoint's"
    which = "what to train, and how: notebook 12's ladder, or its challenge (lenet)"
    option("--recipe", choices=RECIPES, default="lenet", help=which)
    option("--epochs", type=count, help="in all, those in the checkpoint counted (3 or 30)")
    option("--batch-size", type=count, default=256, help="over all processes together (256)")
    option("--samples", type=count, help="train on the first so many pictures (all)")
    option("--learning-rate", type=rate, help="the highest of the one cycle (0.1 or 0.3)")
    option("--seed", type=_at_least(0, int), default=0, help="of the weights and of the order (0)")
    where = "cpu, cuda or mps ($DEVICE, else CUDA where there is one, else cpu)"
    option("--device", type=_device, help=where)
    option("--checkpoint", help="file to save to after each epoch, and to go on from if there")
    option("--new-settings", action="store_true", help=more)
    option("--source", choices=SOURCES, default="auto", help="real or drawn pictures (auto)")
    return parser


def _sentence(error: BaseException) -> str:
    """The error in one line."""
    if re.search("Connection (closed|reset) by peer", str(error)):  # gloo's words, amid its paths
        return "another process has ended; its message, if any, says why"
    words = " ".join(str(error).split()) or type(error).__name__
    return words.replace("new_settings=True", "--new-settings")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 1 failed, 130 stopped by Ctrl-C.

    Arguments that cannot be are argparse's affair: one sentence, and exit code 2. What stdout and
    stderr do not take, or where there are none, changes nothing about it.
    """
    with forgiving_streams():
        return _run_and_tell(_parser().parse_args(argv))


def _run_and_tell(arguments: Namespace) -> int:
    start, where, rank = time.perf_counter(), "", 0
    try:
        rank, world_size = place()
        where = f" (process {rank})" if world_size > 1 else ""
        with joined(arguments.device) as processes:
            history = _train(arguments, *processes)
    except (FloatingPointError, OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"helpers.train failed{where}: {_sentence(error)}\n")  # whole lines
        return FAILED
    except KeyboardInterrupt:  # before the training, which keeps its history at Ctrl-C
        return INTERRUPTED
    if history.interrupted:
        return INTERRUPTED
    if rank == 0:
        reached = f"test accuracy {history.test_accuracy[-1]:.4f} after {history.epochs} epochs"
        say(f"{reached}; this call took {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Train LeNet from the command line, on one process or on several at once.

    python -m helpers.train --epochs 3 --checkpoint lenet.pt
    torchrun --standalone --nproc-per-node 2 -m helpers.train --epochs 3 --checkpoint lenet.pt

The second line is the first on two processes: each works on its part of every batch, and
DistributedDataParallel averages their gradients, so that the update is that of one process with the
whole batch. Notebook 17_scaling_out builds it. A checkpoint that is there already is gone on from.
A machine that cannot look up its own name needs `--local-addr 127.0.0.1` after `torchrun`, or it
waits for itself.
"""

import argparse
import math
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from helpers.checkpoints import CheckpointError
from helpers.data import SOURCES, BatchLoader, fashion_mnist
from helpers.devices import pick_device, set_seed
from helpers.metrics import History
from helpers.models import LeNet
from helpers.streams import forgiving_streams, say
from helpers.training import fit

PATIENCE = timedelta(minutes=10)  # for a process that does not answer any more
FAILED, INTERRUPTED = 1, 130  # exit codes; argparse uses 2 for arguments that are wrong


class Shard:
    """One process's part of every batch of a loader that is the same in all processes.

    Of a batch of B samples process `rank` of `world_size` gets every `world_size`-th, beginning
    with number `rank`: together they see each sample once an epoch. `share` is the part of the
    present batch that it got, from 0 to 1. Built in notebook 17.

    Raises:
        ValueError: a batch has fewer samples than there are processes.
    """

    def __init__(self, loader: BatchLoader, rank: int, world_size: int) -> None:
        smallest = loader.num_samples % loader.batch_size or loader.batch_size
        if min(smallest, loader.num_samples) < world_size:
            raise ValueError(
                f"batch_size must leave at least one sample for each of {world_size} processes, "
                f"got {loader.batch_size}, where the smallest batch has {smallest}"
            )
        self.loader, self.rank, self.world_size = loader, rank, world_size
        self.share = 1 / world_size

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        mine = slice(self.rank, None, self.world_size)
        for images, labels in self.loader:
            self.share = len(labels[mine]) / len(labels)
            yield images[mine], labels[mine]

    def state_dict(self) -> dict[str, int]:
        """The state of the whole loader."""
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the orders of the loader that `state` came from."""
        self.loader.load_state_dict(state)


def weigh_by_share(
    shard: Shard, model: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor
) -> None:
    """Multiply the gradient that enters the model by this process's share of the batch.

    DistributedDataParallel's average takes all parts for equally large, which the last batch of
    an epoch may contradict. It divides the sum by the number of processes, hence the second factor.
    A forward hook; notebook 17 weighs the loss, which does the same.
    """
    if logits.requires_grad:
        logits.register_hook(lambda gradient: gradient * shard.share * shard.world_size)


def parallel(model: nn.Module, shard: Shard) -> DistributedDataParallel:
    """Wrap the model so that `backward` leaves the gradient of the joint batch in every process."""
    wrapped = DistributedDataParallel(model)
    wrapped.register_forward_hook(partial(weigh_by_share, shard))
    return wrapped


def _recipe(model: nn.Module, rate: float, steps: int) -> tuple[Optimizer, LRScheduler]:
    """The optimizer and schedule with which notebook 11 ends."""
    optimizer = SGD(model.parameters(), lr=rate, momentum=0.9)
    return optimizer, OneCycleLR(optimizer, rate, total_steps=steps)


def _loaders(arguments: argparse.Namespace, device: torch.device) -> list[BatchLoader]:
    """The training set, or its first pictures, and the test set."""
    train, test = fashion_mnist(
        arguments.batch_size, device=device, source=arguments.source, seed=arguments.seed
    )
    if arguments.samples is not None:
        images, labels = train.images[: arguments.samples], train.labels[: arguments.samples]
        train = BatchLoader(
            images, labels, train.batch_size, shuffle=True, seed=train.seed, source=train.source
        )
    return [train, test]


def run(arguments: argparse.Namespace) -> History:
    """Train as the command line says, in this process or as one of several."""
    with _processes(arguments.device) as (device, rank, world_size):
        return _train(arguments, device, rank, world_size)


def _train(
    arguments: argparse.Namespace, device: torch.device, rank: int, world_size: int
) -> History:
    set_seed(arguments.seed)
    loaders: Any = _loaders(arguments, device)
    if world_size > 1:
        loaders = [Shard(loader, rank, world_size) for loader in loaders]
    # Channels last: the CPU's convolutions are faster so (notebook 10).
    model: nn.Module = LeNet().to(device, memory_format=torch.channels_last)
    if world_size > 1:
        model = parallel(model, loaders[0])
    steps = arguments.epochs * len(loaders[0])
    optimizer, scheduler = _recipe(model, arguments.learning_rate, steps)
    return fit(
        model,
        *loaders,
        optimizer=optimizer,
        scheduler=scheduler,
        epochs=arguments.epochs,
        checkpoint=arguments.checkpoint,
        progress=rank == 0,
    )


def _setting(name: str, lowest: int, highest: float) -> int:
    """A number that torchrun has put into the environment."""
    text = os.environ.get(name, "")
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if lowest <= value <= highest:
        return value
    most = "" if highest == math.inf else f" and at most {highest}"
    raise ValueError(
        f"{name} must be a whole number of at least {lowest}{most}, as torchrun sets it, "
        f"got {repr(text) if text else 'nothing'}"
    )


def _place() -> tuple[int, int]:
    """The number of this process and how many there are; one without WORLD_SIZE, whatever else.

    An empty variable counts as not set.
    """
    world_size = _setting("WORLD_SIZE", 1, math.inf) if os.environ.get("WORLD_SIZE") else 1
    if world_size == 1:
        return 0, 1
    rank = _setting("RANK", 0, world_size - 1)
    _setting("MASTER_PORT", 1, 65535)
    if not os.environ.get("MASTER_ADDR"):
        raise ValueError(
            "MASTER_ADDR must be the address of process 0, as torchrun sets it, got nothing"
        )
    return rank, world_size


def _own_gpu(local_rank: int) -> torch.device:
    """The GPU of this process alone; two on one would wait for each other forever."""
    if local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"--device cuda needs one GPU for each process of this machine, got "
            f"{torch.cuda.device_count()} for process {local_rank + 1}; --device cpu needs none"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def _join(backend: str) -> None:
    """Meet the other processes at the address that torchrun put into the environment.

    After a restart the meeting place still holds the addresses of the processes that died
    (pytorch issue 135712), so each attempt gets names of its own.
    """
    try:
        store, rank, world_size = next(rendezvous("env://", timeout=PATIENCE))
    except dist.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise ValueError(
            f"MASTER_PORT must be a free port, got {os.environ['MASTER_PORT']}, where another "
            "program listens; torchrun --standalone finds a free one"
        ) from error
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt {attempt}", store)
    dist.init_process_group(
        backend, store=store, rank=rank, world_size=world_size, timeout=PATIENCE
    )


@contextmanager
def _processes(name: str | None) -> Iterator[tuple[torch.device, int, int]]:
    """Join the other processes that torchrun started, if any: device, rank, number of processes."""
    _, world_size = _place()
    device = pick_device(name)
    if world_size == 1:
        yield device, 0, 1
        return
    if device.type == "cuda":
        device = _own_gpu(_setting("LOCAL_RANK", 0, world_size - 1))
    _join("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device, dist.get_rank(), world_size
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # By now the model must be gone. As the last owner of the group it would wait, with Python's
        # lock in its hand, for a thread of gloo's that may need the lock for its last tensor.
        dist.destroy_process_group()


def _at_least(lowest: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argument type for numbers; argparse turns the error into one sentence."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value < float("inf"):
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {what} of at least {lowest}, got {text!r}")
        return value

    return parse


def _device(text: str) -> str:
    """An argument type for the name of a device that is there."""
    try:
        return str(pick_device(text))
    except ValueError as error:
        what = str(error).replace("name must be", "expected")
        raise argparse.ArgumentTypeError(what) from error


OPTIONS: dict[str, dict[str, Any]] = {
    "--epochs": {
        "type": _at_least(1, int),
        "default": 3,
        "help": "in all, those in the checkpoint too (%(default)s)",
    },
    "--batch-size": {
        "type": _at_least(1, int),
        "default": 256,
        "help": "over all processes together (%(default)s)",
    },
    "--samples": {
        "type": _at_least(1, int),
        "help": "train on the first so many pictures (all)",
    },
    "--learning-rate": {
        "type": _at_least(1e-9, float),
        "default": 0.1,
        "help": "the highest of the one cycle (%(default)s)",
    },
    "--seed": {
        "type": _at_least(0, int),
        "default": 0,
        "help": "of the weights and of the order (%(default)s)",
    },
    "--device": {
        "type": _device,
        "help": "cpu, cuda or mps ($DEVICE, else CUDA where there is one, else cpu)",
    },
    "--checkpoint": {
        "help": "file to save to after each epoch, and to go on from if it is there",
    },
    "--source": {
        "choices": SOURCES,
        "default": "auto",
        "help": "real or drawn pictures (%(default)s)",
    },
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.train",
        description="Train LeNet on Fashion-MNIST. Under torchrun, on several processes at once.",
    )
    for name, option in OPTIONS.items():
        parser.add_argument(name, **option)
    return parser


def _sentence(error: BaseException) -> str:
    """The error in one line."""
    if re.search("Connection (closed|reset) by peer", str(error)):  # gloo's words, amid its paths
        return "another process has ended; its message, if any, says why"
    return " ".join(str(error).split()) or type(error).__name__


def _summary(history: History, seconds: float) -> str:
    return (
        f"test accuracy {history.test_accuracy[-1]:.4f} after {history.epochs} epochs; "
        f"this call took {seconds:.1f} s"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 1 failed, 130 stopped by Ctrl-C.

    Arguments that cannot be are argparse's affair: one sentence, and exit code 2. What stdout and
    stderr do not take, or where there are none, changes nothing about it.
    """
    with forgiving_streams():
        return _run_and_tell(_parser().parse_args(argv))


def _run_and_tell(arguments: argparse.Namespace) -> int:
    start, where, rank = time.perf_counter(), "", 0
    try:
        rank, world_size = _place()
        where = f" (process {rank})" if world_size > 1 else ""
        history = run(arguments)
    except (CheckpointError, FloatingPointError, OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"helpers.train failed{where}: {_sentence(error)}\n")  # whole lines
        return FAILED
    except KeyboardInterrupt:  # before the training, which keeps its history at Ctrl-C
        return INTERRUPTED
    if history.interrupted:
        return INTERRUPTED
    if rank == 0:
        say(_summary(history, time.perf_counter() - start))
    return 0


if __name__ == "__main__":
    sys.exit(main())

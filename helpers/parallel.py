"""Training on several processes at once: what notebook 17 builds, for `fit` and the command line.

Every process runs the same program. Each works on its part of every batch, a `Shard`, and
DistributedDataParallel averages their gradients, so that the update is that of one process with the
whole batch. Where no process group was joined, the functions here do what one process needs.
"""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from helpers.batches import BatchLoader
from helpers.devices import pick_device

PATIENCE = timedelta(minutes=10)  # for a process that does not answer any more


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
        if smallest < world_size:
            what = f"a sample for each of {world_size} processes in every batch"
            raise ValueError(f"batch_size must leave {what}, got {smallest} in the smallest")
        self.loader, self.rank, self.world_size = loader, rank, world_size
        self.share = 1 / world_size
        # Classes, and the state that a checkpoint keeps, are those of the whole loader.
        self.num_classes = loader.num_classes
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        mine = slice(self.rank, None, self.world_size)
        for images, labels in self.loader:
            self.share = len(labels[mine]) / len(labels)
            yield images[mine], labels[mine]


def weigh_by_share(
    shard: Shard, model: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor
) -> None:
    """Multiply the gradient that enters the model by this process's share of the batch.

    DistributedDataParallel's average takes all parts for equally large, which the last batch of
    an epoch may contradict. It divides the sum by the number of processes, hence the second factor.
    A forward hook; notebook 17 weighs the loss, which does the same.
    """
    if isinstance(logits, Tensor) and logits.requires_grad:
        logits.register_hook(lambda gradient: gradient * shard.share * shard.world_size)


def parallel(model: nn.Module, shard: Shard) -> DistributedDataParallel:
    """Wrap the model so that `backward` leaves the gradient of the joint batch in every process."""
    wrapped = DistributedDataParallel(model)
    wrapped.register_forward_hook(partial(weigh_by_share, shard))
    return wrapped


# What the processes tell one another ------------------------------------------------------------


def several_processes() -> bool:
    """Whether this process has joined others."""
    return dist.is_available() and dist.is_initialized()


def first_process() -> bool:
    """Whether this process is the one that reports and writes: number 0, or the only one."""
    return not several_processes() or dist.get_rank() == 0


def from_all(value: Any) -> list[Any]:
    """Return the values of all processes in their order, in every one; called by all alike."""
    if not several_processes():
        return [value]
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def sum_over_processes(sums: Tensor, device: torch.device) -> Tensor:
    """Return the sums of what each process has in `sums`, on the CPU; `device` is the model's."""
    if several_processes():
        sums = sums.to(device)  # NCCL adds on the GPU only
        dist.all_reduce(sums)
    return sums.cpu()


def share_buffers(model: nn.Module) -> None:
    """Give all processes the running statistics of the first, whose model is the one in the file.

    The gradients are averaged, so the parameters are the same everywhere; buffers are not.
    """
    if isinstance(model, DistributedDataParallel):
        for buffer in model.module.buffers():
            dist.broadcast(buffer, src=0)


def local(model: nn.Module) -> nn.Module:
    """Return the model inside DistributedDataParallel, for what each process does by itself."""
    return model.module if isinstance(model, DistributedDataParallel) else model


# Joining the processes that torchrun started -----------------------------------------------------


def _setting(name: str, least: int, most: int) -> int:
    """A number that torchrun has put into the environment."""
    text = os.environ.get(name, "")
    if text.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise ValueError(f"{name} must be a whole number from {least} to {most}, got {text!r}")


def place() -> tuple[int, int]:
    """The number of this process and how many there are; one without WORLD_SIZE, whatever else.

    An empty variable counts as not set.
    """
    world_size = _setting("WORLD_SIZE", 1, 10**6) if os.environ.get("WORLD_SIZE") else 1
    return (_setting("RANK", 0, world_size - 1) if world_size > 1 else 0), world_size


def _join(backend: str) -> None:
    """Meet the other processes at the address that torchrun put into the environment.

    After a restart the meeting place still holds the addresses of the processes that died
    (pytorch issue 135712), so each attempt gets names of its own.
    """
    store, rank, world_size = next(rendezvous("env://", timeout=PATIENCE))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt {attempt}", store)
    options = {"rank": rank, "world_size": world_size, "timeout": PATIENCE}
    dist.init_process_group(backend, store=store, **options)


@contextmanager
def joined(name: str | None) -> Iterator[tuple[torch.device, int, int]]:
    """Join the other processes that torchrun started, if any: device, rank, number of processes."""
    _, world_size = place()
    device = pick_device(name)
    if world_size == 1:
        yield device, 0, 1
        return
    if device.type == "cuda":  # two on one would wait for each other forever
        device = torch.device("cuda", _setting("LOCAL_RANK", 0, world_size - 1))
        torch.cuda.set_device(device)  # which asks whether there are enough
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

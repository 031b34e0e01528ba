"""A training loop worth keeping: what notebook 11 writes out by hand, with its checks added."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from helpers.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from helpers.data import BatchLoader
from helpers.metrics import History, Metrics, check_label_range, check_labels
from helpers.streams import Forgiving, say

LossFunction = Callable[[Tensor, Tensor], Tensor]
Loader = Iterable[tuple[Tensor, Tensor]]


class _Bar(tqdm):
    """A progress bar that Ctrl-C may interrupt while it is being made, without a word from it."""

    def __del__(self) -> None:
        if hasattr(self, "start_t"):  # what its maker sets last
            super().__del__()


class _Tally:
    """Sums loss and correct answers on the device, so that reading them waits only once."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.correct: list[Tensor] = []
        self.sizes: list[int] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        self.losses.append(loss.detach())
        self.correct.append((logits.detach().argmax(dim=1) == labels).sum())
        self.sizes.append(len(labels))

    def metrics(self) -> Metrics:
        losses = torch.stack(self.losses).cpu().double()  # on the CPU: MPS has no float64
        sizes = torch.tensor(self.sizes, dtype=torch.float64, device="cpu")
        correct = torch.stack(self.correct).sum()
        sums = torch.stack([losses @ sizes, correct.cpu().double(), sizes.sum()])
        loss, right, count = _over_all_processes(sums, correct.device).tolist()
        return Metrics(loss / count, right / count)

    def first_bad_batch(self) -> int | None:
        bad = ~torch.isfinite(torch.stack(self.losses)).cpu()
        return int(bad.nonzero()[0]) + 1 if bad.any() else None


def _several_processes() -> bool:
    return dist.is_available() and dist.is_initialized()


def _over_all_processes(sums: Tensor, device: torch.device) -> Tensor:
    """Add up what each process of a parallel training has summed; alone, nothing changes."""
    if _several_processes():
        sums = sums.to(device)  # NCCL adds on the GPU only
        dist.all_reduce(sums)
    return sums.cpu()


def _first_process() -> bool:
    return not _several_processes() or dist.get_rank() == 0


def _device_of(model: nn.Module) -> torch.device:
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"model must lie on one device, got parts on {names}")
    if torch.device("meta") in devices:
        raise ValueError("model must have real weights, got a model on the meta device")
    return devices.pop() if devices else torch.device("cpu")


@contextmanager
def _mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Switch to train or eval mode and back to each module's own mode, whatever happens."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, was_training in before.items():
            module.training = was_training


def _check_images(images: Tensor) -> None:
    if not images.is_floating_point():
        raise TypeError(
            f"images must be floating point, got {images.dtype}; for bytes use images.float() / 255"
        )


def _forward(model: nn.Module, images: Tensor) -> Tensor:
    """What the model returns; if it fails because its numbers are of another kind, say so."""
    try:
        return model(images)
    except RuntimeError as error:
        kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
        if images.dtype in kinds or not kinds or "type" not in str(error):
            raise
        names = ", ".join(sorted(map(str, kinds)))
        raise TypeError(
            f"images are {images.dtype} but the model's parameters are {names}: "
            f"model.to({images.dtype}) makes them alike"
        ) from error


def _check_answer(logits: Tensor, labels: Tensor, trusted_classes: int | None) -> None:
    """Raise unless the labels fit the logits; before a GPU sees a label that would crash it."""
    if logits.ndim != 2:
        raise ValueError(f"model must return logits of shape (B, C), got {tuple(logits.shape)}")
    check_labels(labels, len(logits))
    if trusted_classes is None:
        check_label_range(labels, logits.shape[1])
    elif trusted_classes > logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0..{logits.shape[1] - 1} for {logits.shape[1]} classes, "
            f"got values up to {trusted_classes - 1}"
        )


def _passes(
    model: nn.Module, loader: Loader, loss_fn: LossFunction, title: str | None = None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (loss, logits (B, C), labels (B,)) for each batch, checked, on the model's device."""
    device = _device_of(model)
    # A BatchLoader has looked at its labels once; those of any other loader are read batch by
    # batch, while they are still where the loader put them.
    trusted_classes = loader.num_classes if isinstance(loader, BatchLoader) else None
    # On stdout like the report, and gone without a trace when the epoch ends.
    file, silent = Forgiving(sys.stdout), title is None
    bar = _Bar(loader, desc=title, disable=silent, leave=False, file=file, dynamic_ncols=True)
    for images, labels in bar:
        _check_images(images)
        logits = _forward(model, images.to(device, non_blocking=True))
        _check_answer(logits, labels, trusted_classes)
        labels = labels.to(device, non_blocking=True)
        loss = loss_fn(logits, labels)
        if loss.ndim != 0:
            raise ValueError(f"loss_fn must return one number, got shape {tuple(loss.shape)}")
        yield loss, logits, labels


def _bad_loss(loss: float, batch: int, epoch: int, learning_rate: float) -> FloatingPointError:
    return FloatingPointError(
        f"the loss became {loss} in epoch {epoch}, batch {batch}, at learning rate "
        f"{learning_rate:g}: try a smaller one"
    )


def _check_trainable(model: nn.Module, optimizer: Optimizer) -> None:
    trainable = {id(p) for p in model.parameters() if p.requires_grad}
    if not trainable:
        raise ValueError(
            "model has no parameter to train: it holds none or all are frozen (requires_grad=False)"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not trainable & held:
        raise ValueError(
            "optimizer holds none of the model's trainable parameters: make it from "
            "model.parameters() of this very model"
        )


def _check_loader(loader: Any, name: str) -> None:
    if hasattr(loader, "__len__") and len(loader) == 0:
        raise ValueError(f"{name} must yield at least one batch, got an empty loader")


def _check_schedule(schedule: dict[str, Any], loader: Any, epochs: int) -> None:
    """Find out before training, not in its last epoch, that a schedule is too short.

    `schedule` is a scheduler's state_dict, or empty.
    """
    total = schedule.get("total_steps")
    if total is None or not hasattr(loader, "__len__"):
        return
    left, needed = total - schedule["last_epoch"], epochs * len(loader)
    if left < needed:
        raise ValueError(
            f"scheduler must cover every batch: epochs x batches is {needed}, "
            f"but it has {left} of its {total} steps left"
        )


def _check_plan(train_loader: Loader, test_loader: Loader | None, epochs: int) -> None:
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"epochs must be a whole number of at least 1, got {epochs!r}")
    _check_loader(train_loader, "train_loader")
    _check_loader(test_loader, "test_loader")


def _is_there(checkpoint: str | os.PathLike[str] | None) -> bool:
    """Whether there is a file to go on from; in a parallel training the first process decides."""
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be a str or a path, got {checkpoint!r}")
    found = [checkpoint is not None and os.path.exists(Path(checkpoint).expanduser())]
    if _several_processes():
        dist.broadcast_object_list(found)
    return found[0]


def _start(
    checkpoint: str | os.PathLike[str] | None, epochs: int, parts: dict[str, Any]
) -> tuple[History, int]:
    """The history so far and the number of epochs that it took; fills the parts from the file.

    A fresh start is saved as well: that a file cannot be written shows now, not after an epoch.
    """
    scheduler, loader = parts["scheduler"], parts["loader"]
    if not _is_there(checkpoint) or checkpoint is None:
        _check_schedule({} if scheduler is None else scheduler.state_dict(), loader, epochs)
        if checkpoint is not None and _first_process():
            save_checkpoint(checkpoint, **parts, history=History())
        return History(), 0
    saved = load_checkpoint(checkpoint)  # only looks: nothing is filled before all of it fits
    if saved.epoch > epochs:
        raise ValueError(
            f"epochs must be at least {saved.epoch}, as many as {checkpoint} has, got {epochs}"
        )
    if scheduler is None and saved.scheduler is not None:
        raise CheckpointError(f"{checkpoint} was saved with a scheduler, but none is passed")
    steps = (saved.scheduler or {}).get("total_steps")
    if scheduler is None or scheduler.state_dict().get("total_steps") == steps:
        _check_schedule(saved.scheduler or {}, loader, epochs - saved.epoch)
    load_checkpoint(checkpoint, **parts)  # which refuses a schedule of another length
    return saved.history or History(), saved.epoch


def train_epoch(
    model: nn.Module,
    loader: Loader,
    *,
    optimizer: Optimizer,
    loss_fn: LossFunction = F.cross_entropy,
    scheduler: LRScheduler | None = None,
    epoch: int = 1,
    progress: bool = False,
) -> Metrics:
    """Train on every batch once; return the mean loss and accuracy of those same forward passes.

    Built in notebook 11. On the CPU a NaN or infinite loss stops training before it reaches the
    weights; on a GPU, where looking would make each batch wait, at the end of the epoch.

    Args:
        model: maps images (B, …) float to logits (B, C).
        loader: yields (images, labels (B,) int64); they are moved to the model's device.
        optimizer: made from this model's parameters.
        loss_fn: maps (logits, labels) to the mean loss over the batch.
        scheduler: stepped after every batch (not after every epoch).
        epoch: the number to name in an error and in the progress bar.
        progress: show a bar meanwhile.

    Raises:
        TypeError: images are not floating point or of another dtype than the model, or labels are
            not int64.
        ValueError: the loader is empty, shapes do not fit, a label is not in 0..C-1, the optimizer
            holds none of the model's parameters, or all are frozen.
        FloatingPointError: the loss became NaN or infinite.
    """
    _check_trainable(model, optimizer)
    _check_loader(loader, "loader")
    tally, rates = _Tally(), []
    title = f"epoch {epoch}" if progress else None
    with _mode(model, training=True):
        for loss, logits, labels in _passes(model, loader, loss_fn, title):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            tally.add(loss, logits, labels)
            if loss.device.type == "cpu" and not math.isfinite(loss.item()):
                raise _bad_loss(loss.item(), len(rates), epoch, rates[-1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
    return _read(tally, rates, epoch)


def _read(tally: _Tally, rates: list[float], epoch: int) -> Metrics:
    if not rates:
        raise ValueError("loader must yield at least one batch, got an empty loader")
    if (batch := tally.first_bad_batch()) is not None:
        raise _bad_loss(tally.losses[batch - 1].item(), batch, epoch, rates[batch - 1])
    return tally.metrics()


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction = F.cross_entropy) -> Metrics:
    """Return the mean loss and the accuracy of `model`, in eval mode, without touching it.

    Built in notebook 11. Each sample counts once, whatever the sizes of the batches.

    Args:
        model: maps images (B, …) float to logits (B, C).
        loader: yields (images, labels (B,) int64); they are moved to the model's device.
        loss_fn: maps (logits, labels) to the mean loss over the batch.

    Raises:
        TypeError: images are not floating point or of another dtype than the model, or labels are
            not int64.
        ValueError: the loader is empty, shapes do not fit, or a label is not in 0..C-1.
    """
    _check_loader(loader, "loader")
    tally = _Tally()
    with _mode(model, training=False), torch.no_grad():
        for loss, logits, labels in _passes(model, loader, loss_fn):
            tally.add(loss, logits, labels)
    if not tally.sizes:
        raise ValueError("loader must yield at least one batch, got an empty loader")
    return tally.metrics()


def _plain(model: nn.Module) -> nn.Module:
    """The model inside the wrapper of a parallel training, whose file anybody can load."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def _same_buffers(model: nn.Module) -> None:
    """Give all processes the running statistics of the first, whose model is the one in the file.

    The gradients are averaged, so the parameters are the same everywhere; buffers are not.
    """
    if isinstance(model, DistributedDataParallel):
        for buffer in model.module.buffers():
            dist.broadcast(buffer, src=0)


def _report(epoch: int, epochs: int, train: Metrics, test: Metrics | None, seconds: float) -> str:
    tested = f"   test loss {test.loss:.4f} accuracy {test.accuracy:.4f}" if test else ""
    return (
        f"epoch {epoch:{len(str(epochs))}}/{epochs}   train loss {train.loss:.4f} "
        f"accuracy {train.accuracy:.4f}{tested}   {seconds:.1f} s"
    )


def _what_is_left(done: int, epochs: int) -> str:
    return "going on from there" if done < epochs else "nothing is left to train"


def _epoch(
    parts: dict[str, Any],
    test_loader: Loader | None,
    loss_fn: LossFunction,
    epoch: int,
    progress: bool,
) -> tuple[Metrics, Metrics | None, float]:
    """Train and test once; the seconds are those of training."""
    start = time.perf_counter()
    train = train_epoch(**parts, loss_fn=loss_fn, epoch=epoch, progress=progress)
    seconds = time.perf_counter() - start
    _same_buffers(parts["model"])
    test = None if test_loader is None else evaluate(_plain(parts["model"]), test_loader, loss_fn)
    return train, test, seconds


def fit(
    model: nn.Module,
    train_loader: Loader,
    test_loader: Loader | None = None,
    *,
    optimizer: Optimizer,
    epochs: int,
    loss_fn: LossFunction = F.cross_entropy,
    scheduler: LRScheduler | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> History:
    """Train `model` for `epochs` epochs, evaluating it after each, and return what was measured.

    Built in notebook 11. Ctrl-C ends training and returns the history of the whole epochs so far,
    marked as `interrupted`. The model goes back to the mode (train or eval) that it came in.

    With a `checkpoint`, built in notebook 13, everything is saved at the start and after each
    epoch, and a file that is there already is gone on from: the same call made again after a stop
    trains the epochs that are left and returns the history of all. On the CPU the result is then
    bit for bit that of a run that never stopped. (The data and the batch size are not in the file:
    keep them alike.)

    In a parallel training (notebook 17) every process calls it alike, with the model wrapped in
    DistributedDataParallel and its own part of each batch: the figures are those of all
    processes together, and only the first one writes.

    Args:
        model: maps images (B, …) float to logits (B, C); training happens where it lies.
        train_loader: yields (images, labels (B,) int64), a BatchLoader or any DataLoader.
        test_loader: the same for evaluation, or None to leave it out.
        optimizer: made from this model's parameters.
        epochs: how often to go through `train_loader` in all, at least 1.
        loss_fn: maps (logits, labels) to the mean loss over the batch.
        scheduler: stepped after every batch (not after every epoch).
        checkpoint: the file to save to and to go on from.
        progress: show a bar while an epoch runs and a line as it ends.

    Raises:
        TypeError: images are not floating point or of another dtype than the model, or labels are
            not int64.
        ValueError: `epochs`, a loader, the labels, the optimizer or the schedule do not fit.
        FloatingPointError: the loss became NaN or infinite; epoch, batch and rate are named.
        CheckpointError: the checkpoint cannot be written or read, or is of another training.
    """
    _check_plan(train_loader, test_loader, epochs)
    _check_trainable(model, optimizer)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer}
    parts |= {"scheduler": scheduler, "loader": train_loader}
    saved = {**parts, "model": _plain(model)}
    history, done = _start(checkpoint, epochs, saved)
    if progress and done:
        say(f"{checkpoint} holds epoch {done} of {epochs}: {_what_is_left(done, epochs)}")
    try:
        for epoch in range(done + 1, epochs + 1):
            train, test, seconds = _epoch(parts, test_loader, loss_fn, epoch, progress)
            history.add(train, test, seconds)
            if checkpoint is not None and _first_process():
                save_checkpoint(checkpoint, **saved, history=history, epoch=epoch)
            if progress:
                say(_report(epoch, epochs, train, test, seconds))
    except KeyboardInterrupt:
        history.interrupted = True
        say(f"stopped by Ctrl-C: {history.epochs} of {epochs} epochs are whole and kept")
    return history

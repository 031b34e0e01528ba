"""A training loop worth keeping: what notebook 11 writes out by hand, with its checks added."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from helpers.checkpoints import go_on, save_together
from helpers.checks import (
    check_batch,
    check_loader,
    check_logits,
    check_plan,
    check_schedule,
    check_training,
    clear_errors,
    device_of,
)
from helpers.metrics import History, Metrics
from helpers.parallel import local, share_buffers, sum_over_processes
from helpers.streams import Forgiving, say

LossFunction = Callable[[Tensor, Tensor], Tensor]
Loader = Iterable[tuple[Tensor, Tensor]]


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
        loader: yields (images, labels (B,) int64); they are moved to the model's device. If it has
            a sampler with `set_epoch`, that is told the epoch.
        optimizer: made from this model's parameters.
        loss_fn: maps (logits, labels) to the mean loss over the batch.
        scheduler: stepped after every batch (not after every epoch).
        epoch: the number to name in an error and in the progress bar.
        progress: show a bar meanwhile.

    Raises:
        TypeError: the loader yields no pairs of tensors, images are not floating point or of
            another dtype than the model, labels are not int64, or `step` needs an argument.
        ValueError: the loader is empty, shapes do not fit, a label is not in 0..C-1, the optimizer
            holds none of the model's parameters, or all are frozen.
        FloatingPointError: the loss became NaN or infinite.
    """
    check_training(model, optimizer, scheduler)
    _tell_epoch(loader, epoch)
    batches = _Batches(loader, model, title=f"epoch {epoch}" if progress else None)
    tally = _Tally(epoch, optimizer)
    with _mode(model, training=True), clear_errors(model, batches):
        for images, labels in batches:
            logits = model(images)  # forward pass: (B, C)
            batches.check(logits)
            loss = loss_fn(logits, labels)  # compute loss
            tally.add(loss, logits, labels)  # which stops at a loss that is no number
            optimizer.zero_grad()
            loss.backward()  # backward pass
            optimizer.step()  # update weights
            if scheduler is not None:
                scheduler.step()
    return tally.metrics()


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction = F.cross_entropy) -> Metrics:
    """Return the mean loss and the accuracy of `model`, in eval mode, without touching it.

    Built in notebook 11. Each sample counts once, whatever the sizes of the batches.

    Args:
        model: maps images (B, …) float to logits (B, C).
        loader: yields (images, labels (B,) int64); they are moved to the model's device.
        loss_fn: maps (logits, labels) to the mean loss over the batch.

    Raises:
        TypeError: the loader yields no pairs of tensors, images are not floating point or of
            another dtype than the model, or labels are not int64.
        ValueError: the loader is empty, shapes do not fit, or a label is not in 0..C-1.
    """
    batches, tally = _Batches(loader, model), _Tally()
    with _mode(model, training=False), torch.no_grad(), clear_errors(model, batches):
        for images, labels in batches:
            logits = model(images)  # (B, C)
            batches.check(logits)
            tally.add(loss_fn(logits, labels), logits, labels)
    return tally.metrics()


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
    new_settings: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` for `epochs` epochs, evaluating it after each, and return what was measured.

    Built in notebook 11. Ctrl-C ends training and returns the history of the whole epochs so far,
    marked as `interrupted`. The model goes back to the mode (train or eval) that it came in.

    With a `checkpoint`, built in notebook 13, everything is saved at the start and after each
    epoch, and a file that is there already is gone on from: the same call made again after a stop
    trains the epochs that are left and returns the history of all. On the CPU the result is then
    bit for bit that of a run that never stopped. (The data are not in the file: keep them alike.)
    To go on with another learning rate, or for more epochs than a schedule was made for, make
    optimizer and scheduler so, and say `new_settings=True`.

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
        new_settings: whether optimizer and scheduler may be made otherwise than those in the
            file; the schedule is then followed from where the file stands in it.
        progress: show a bar while an epoch runs and a line as it ends.

    Raises:
        TypeError: as `train_epoch`.
        ValueError: `epochs`, a loader, the labels, the optimizer or the schedule do not fit.
        FloatingPointError: the loss became NaN or infinite; epoch, batch and rate are named.
        CheckpointError: the checkpoint cannot be written or read, or is of another training.
    """
    check_plan(train_loader, test_loader, epochs)
    check_training(model, optimizer, scheduler)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": train_loader}
    history = _begin(checkpoint, epochs, parts, new_settings, progress)
    options: dict[str, Any] = {"loss_fn": loss_fn, "scheduler": scheduler, "progress": progress}
    try:
        for epoch in range(history.epochs + 1, epochs + 1):
            start = time.perf_counter()
            train = train_epoch(model, train_loader, optimizer=optimizer, epoch=epoch, **options)
            seconds = time.perf_counter() - start
            share_buffers(model)
            test = None if test_loader is None else evaluate(local(model), test_loader, loss_fn)
            _keep(history, train, test, seconds, checkpoint, parts)
            if progress:
                say(_report(epoch, epochs, train, test, seconds))
    except KeyboardInterrupt:
        history.interrupted = True
        say(f"stopped by Ctrl-C: {history.epochs} of {epochs} epochs are whole and kept")
    return history


# What the loop leans on ---------------------------------------------------------------------------


class _Bar(tqdm):
    """A progress bar that Ctrl-C may interrupt while it is being made, without a word from it."""

    def __del__(self) -> None:
        if hasattr(self, "start_t"):  # what its maker sets last
            super().__del__()


class _Batches:
    """A loader's batches, checked and moved to the model's device."""

    def __init__(self, loader: Loader, model: nn.Module, title: str | None = None) -> None:
        check_loader(loader)
        self.loader, self.title, self.device = loader, title, device_of(model)
        # A BatchLoader has looked at its labels once; those of any other loader are read batch by
        # batch, while they are still where the loader put them.
        self.num_classes: int | None = getattr(loader, "num_classes", None)
        self.images, self.labels = torch.empty(0), torch.empty(0)  # as the loader yielded them

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # On stdout like the report, and gone without a trace when the epoch ends.
        file, silent = Forgiving(sys.stdout), self.title is None
        bar = {"desc": self.title, "disable": silent, "leave": False, "dynamic_ncols": True}
        for batch in _Bar(self.loader, file=file, **bar):
            self.images, self.labels = images, labels = check_batch(batch)
            yield (
                images.to(self.device, non_blocking=True),
                labels.to(self.device, non_blocking=True),
            )

    def check(self, logits: Tensor) -> None:
        """Raise unless the present labels fit the logits, before a GPU meets one that does not."""
        check_logits(logits, self.labels, self.num_classes)


class _Tally:
    """Sums loss and correct answers on the device, so that reading them waits only once.

    With an optimizer it stops at a loss that is no number: on the CPU at once, before `backward`,
    elsewhere at the end of the epoch.
    """

    def __init__(self, epoch: int = 0, optimizer: Optimizer | None = None) -> None:
        self.epoch, self.optimizer = epoch, optimizer
        self.losses: list[Tensor] = []
        self.correct: list[Tensor] = []
        self.sizes: list[int] = []
        self.rates: list[float] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        if loss.ndim != 0:
            raise ValueError(f"loss_fn must return one number, got shape {tuple(loss.shape)}")
        self.losses.append(loss.detach())
        self.correct.append((logits.detach().argmax(dim=1) == labels).sum())
        self.sizes.append(len(labels))
        if self.optimizer is not None:
            self.rates.append(float(self.optimizer.param_groups[0]["lr"]))
            if loss.device.type == "cpu" and not math.isfinite(loss.item()):
                raise self._bad_loss(len(self.losses) - 1)

    def metrics(self) -> Metrics:
        if not self.losses:
            raise ValueError("loader must yield at least one batch, got an empty loader")
        losses = torch.stack(self.losses).cpu().double()  # on the CPU: MPS has no float64
        if self.optimizer is not None and not losses.isfinite().all():
            raise self._bad_loss(int((~losses.isfinite()).nonzero()[0]))
        sizes = torch.tensor(self.sizes, dtype=torch.float64, device="cpu")
        correct = torch.stack(self.correct).sum()
        sums = torch.stack([losses @ sizes, correct.cpu().double(), sizes.sum()])
        loss, right, count = sum_over_processes(sums, correct.device).tolist()
        return Metrics(loss / count, right / count)

    def _bad_loss(self, batch: int) -> FloatingPointError:
        return FloatingPointError(
            f"the loss became {self.losses[batch].item()} in epoch {self.epoch}, batch "
            f"{batch + 1}, at learning rate {self.rates[batch]:g}: try a smaller one"
        )


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


def _tell_epoch(loader: Any, epoch: int) -> None:
    """Tell it to samplers that ask: a DistributedSampler would repeat one order otherwise."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    sampler = getattr(loader, "sampler", None) or getattr(batch_sampler, "sampler", None)
    for part in (loader, batch_sampler, sampler):
        getattr(part, "set_epoch", lambda epoch: None)(epoch - 1)


def _begin(
    checkpoint: str | os.PathLike[str] | None,
    epochs: int,
    parts: dict[str, Any],
    new_settings: bool,
    progress: bool,
) -> History:
    """The history so far, all parts filled from the file if there is one."""
    if checkpoint is None:
        check_schedule(parts["scheduler"], parts["loader"], epochs)
        return History()
    history = go_on(checkpoint, epochs=epochs, **parts, new_settings=new_settings)
    if progress and (done := history.epochs):
        rest = "going on from there" if done < epochs else "nothing is left to train"
        say(f"{checkpoint} holds epoch {done} of {epochs}: {rest}")
    return history


def _keep(
    history: History,
    train: Metrics,
    test: Metrics | None,
    seconds: float,
    checkpoint: str | os.PathLike[str] | None,
    parts: dict[str, Any],
) -> None:
    """Enter an epoch in the history and in the file: in both or, at Ctrl-C, in neither."""
    with _whole():
        history.add(train, test, seconds)
        if checkpoint is not None:
            save_together(checkpoint, **parts, history=history, epoch=history.epochs)


@contextmanager
def _whole() -> Iterator[None]:
    """Let Ctrl-C wait until history and file are in step; a second one does not wait."""
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[Any] = []

    def wait(*details: Any) -> None:
        pressed.append(details)
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if pressed:
        usual(*pressed[0])


def _report(epoch: int, epochs: int, train: Metrics, test: Metrics | None, seconds: float) -> str:
    tested = f"   test loss {test.loss:.4f} accuracy {test.accuracy:.4f}" if test else ""
    return (
        f"epoch {epoch:{len(str(epochs))}}/{epochs}   train loss {train.loss:.4f} "
        f"accuracy {train.accuracy:.4f}{tested}   {seconds:.1f} s"
    )

"""A training loop worth keeping: what notebook 11 writes out by hand, with its checks added."""

import math
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

from helpers import checks
from helpers.batches import with_samplers
from helpers.checkpoints import File, go_on, save_together
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
        loader: yields (images, labels (B,) int64); they are moved to the model's device.
        optimizer: made from this model's parameters.
        loss_fn: maps (logits, labels) to the mean loss over the batch.
        scheduler: stepped after every batch (not after every epoch).
        epoch: the number to name in an error and in the progress bar.
        progress: show a bar meanwhile.

    Raises:
        TypeError: an argument is of the wrong type, the loader yields no pairs of tensors, images
            are not floating point or of another dtype than the model, labels are not int64, or
            `step` needs an argument.
        ValueError: the loader is empty, shapes do not fit, a label is not in 0..C-1, the optimizer
            holds none of the model's parameters, the scheduler is another optimizer's, all
            parameters are frozen, or the loss does not depend on them.
        FloatingPointError: the loss became NaN or infinite.
    """
    checks.check_training(model, optimizer, loss_fn, scheduler)
    batches = _Batches(loader, model, title=f"epoch {epoch}" if progress else None)
    tally = _Tally(epoch, optimizer)
    with _mode(model, training=True), checks.clear_errors(model, batches):
        for images, labels in batches:
            logits = model(images)  # forward pass: (B, C)
            batches.check(logits)
            loss = loss_fn(logits, labels)  # compute loss
            tally.add(loss, logits, labels)
            optimizer.zero_grad()
            loss.backward()  # backward pass
            optimizer.step()  # update weights
            if scheduler is not None:
                scheduler.step()
    share_buffers(model)  # running statistics, where several processes train
    return tally.metrics()


def evaluate(model: nn.Module, loader: Loader, loss_fn: LossFunction = F.cross_entropy) -> Metrics:
    """Return the mean loss and the accuracy of `model`, in eval mode, without touching it.

    Built in notebook 11. Each sample counts once, whatever the sizes of the batches.

    Args:
        model: maps images (B, …) float to logits (B, C).
        loader: yields (images, labels (B,) int64); they are moved to the model's device.
        loss_fn: maps (logits, labels) to the mean loss over the batch.

    Raises:
        TypeError: an argument is of the wrong type, the loader yields no pairs of tensors, images
            are not floating point or of another dtype than the model, or labels are not int64.
        ValueError: the loader is empty, shapes do not fit, or a label is not in 0..C-1.
    """
    checks.check_loss_function(loss_fn)
    batches, tally = _Batches(loader, model), _Tally()
    with _mode(model, training=False), torch.no_grad(), checks.clear_errors(model, batches):
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
    checkpoint: File | None = None,
    new_settings: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` for `epochs` epochs, evaluating it after each, and return what was measured.

    Built in notebook 11. Ctrl-C ends training and returns the history of the whole epochs so far,
    marked as `interrupted`; it waits while an epoch is being saved. The model goes back to the mode
    (train or eval) that it came in.

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
        train_loader: yields (images, labels (B,) int64), a BatchLoader or any DataLoader. If it
            or its sampler has `set_epoch`, that is called before each epoch, with 0 at first.
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
    checks.check_training(model, optimizer, loss_fn, scheduler)
    checks.check_plan(train_loader, test_loader, epochs)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": train_loader}
    history = go_on(checkpoint, parts, epochs, new_settings, progress)
    options: dict[str, Any] = {"loss_fn": loss_fn, "scheduler": scheduler, "progress": progress}
    try:
        for epoch in range(history.epochs + 1, epochs + 1):
            _tell_epoch(train_loader, epoch)
            start = time.perf_counter()
            train = train_epoch(model, train_loader, optimizer=optimizer, epoch=epoch, **options)
            seconds = time.perf_counter() - start
            test = None if test_loader is None else evaluate(local(model), test_loader, loss_fn)
            _keep(checkpoint, parts, history, train, test, seconds)
            if progress:
                say(_report(epoch, epochs, train, test, seconds))
    except KeyboardInterrupt:
        history.interrupted = True
        say(f"stopped by Ctrl-C: {history.epochs} of {epochs} epochs are whole and kept")
    return history


# What the loop leans on ---------------------------------------------------------------------------


class _Batches:
    """A loader's batches, checked and moved to the model's device."""

    def __init__(self, loader: Loader, model: nn.Module, title: str | None = None) -> None:
        checks.check_loader(loader)
        self.loader, self.title, self.device = loader, title, checks.device_of(model)
        # A BatchLoader has looked at its labels once; those of any other loader are read batch by
        # batch, while they are still where the loader put them.
        self.num_classes: int | None = getattr(loader, "num_classes", None)
        self.images: Tensor | None = None  # what the model is at work on
        self.labels: Tensor = torch.empty(0)  # theirs

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in _bar(self.loader, self.title):
            self.images, self.labels = images, labels = checks.check_batch(batch)
            # An autocast around the whole training would keep its copies of the first weights.
            torch.clear_autocast_cache()
            images, labels = (part.to(self.device, non_blocking=True) for part in (images, labels))
            yield images, labels

    def check(self, logits: Tensor) -> None:
        """Raise unless the present labels fit the logits, before a GPU meets one that does not."""
        self.images = None
        checks.check_logits(logits, self.labels, self.num_classes)


def _bar(loader: Loader, title: str | None) -> Iterable[Any]:
    """A progress bar on stdout like the report, gone without a trace when the epoch ends."""
    options: dict[str, Any] = {"leave": False, "dynamic_ncols": True, "disable": title is None}
    with _ctrl_c_waits():  # half built, it would print a traceback of its own
        return tqdm(loader, title, file=Forgiving(sys.stdout), **options)


class _Tally:
    """Sums loss and correct answers on the device, so that reading them waits only once.

    With an optimizer it stops at a loss that is no number: on the CPU at once, before `backward`,
    elsewhere at the end of the epoch.
    """

    def __init__(self, epoch: int = 0, optimizer: Optimizer | None = None) -> None:
        self.epoch, self.optimizer = epoch, optimizer
        self.batches: list[tuple[Tensor, Tensor, int, float]] = []  # loss, correct, size, rate

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: loss (), logits (B, C), labels (B,)."""
        checks.check_loss(loss, training=self.optimizer is not None)
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        rate = math.nan if self.optimizer is None else self.optimizer.param_groups[0]["lr"]
        self.batches.append((loss.detach(), correct, len(labels), float(rate)))
        if loss.device.type == "cpu":
            self._check_number(loss.item(), len(self.batches))

    def metrics(self) -> Metrics:
        """The means over all samples, those of all processes."""
        if not self.batches:
            raise ValueError("loader must yield at least one batch, got an empty loader")
        losses, rights, sizes, _ = zip(*self.batches, strict=True)
        loss = torch.stack(losses).cpu().double()  # on the CPU: MPS has no float64
        for number, value in enumerate(loss.tolist(), start=1):
            self._check_number(value, number)
        right, size = torch.stack(rights).sum(), torch.tensor(sizes, device="cpu").double()
        sums = torch.stack([loss @ size, right.cpu().double(), size.sum()])
        total, correct, count = sum_over_processes(sums, right.device).tolist()
        return Metrics(total / count, correct / count)

    def _check_number(self, loss: float, batch: int) -> None:
        if self.optimizer is not None and not math.isfinite(loss):
            when, rate = f"epoch {self.epoch}, batch {batch}", self.batches[batch - 1][-1]
            wrong = f"the loss became {loss} in {when}, at learning rate {rate:g}"
            raise FloatingPointError(f"{wrong}: try a smaller one")


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
    """Tell it to whatever asks: a DistributedSampler would repeat one order otherwise."""
    for part in (*with_samplers(loader), getattr(loader, "dataset", None)):
        if (set_epoch := getattr(part, "set_epoch", None)) is not None:
            set_epoch(epoch - 1)


def _keep(path: File | None, parts: dict[str, Any], history: History, *figures: Any) -> None:
    """Enter an epoch in the history and in the file: both have it when Ctrl-C comes."""
    with _ctrl_c_waits():
        history.add(*figures)
        save_together(path, parts, history)


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C come after the block."""
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or threading.current_thread() is not threading.main_thread():
        yield  # Python would not raise it here anyway
        return
    pressed: list[Any] = []
    signal.signal(signal.SIGINT, lambda *details: pressed.append(details))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if pressed:
        usual(*pressed[0])


def _report(epoch: int, epochs: int, train: Metrics, test: Metrics | None, seconds: float) -> str:
    tested = f"   test loss {test.loss:.4f} accuracy {test.accuracy:.4f}" if test else ""
    trained = f"train loss {train.loss:.4f} accuracy {train.accuracy:.4f}"
    return f"epoch {epoch:{len(str(epochs))}}/{epochs}   {trained}{tested}   {seconds:.1f} s"

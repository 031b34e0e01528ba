"""What a learner gets wrong, said before it costs an evening: one clear error each.

`helpers.training` calls these beside the lines of its loop, `helpers.metrics` and
`helpers.batches` at their doors.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from operator import length_hint
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def check_integer(name: str, value: object, *, minimum: int) -> None:
    """Raise TypeError unless `value` is an int, and ValueError if it is below `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be {minimum} or more, got {value}")


def check_path(name: str, value: object) -> None:
    """Raise TypeError unless `value` is a str or a path."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a str or a path, got {value!r}")


def check_labels(labels: Tensor, num_samples: int, name: str = "labels") -> None:
    """Raise unless `labels` are class indices, one whole number for each of `num_samples` samples.

    Raises:
        TypeError: the labels are not int64.
        ValueError: the labels are one-hot, or not as many as the samples.
    """
    if labels.ndim != 1:
        hint = f"; for one-hot {name} pass {name}.argmax(dim=1)" if labels.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (B,), got {tuple(labels.shape)}{hint}")
    if labels.dtype != torch.int64:
        raise TypeError(f"{name} must be class indices of dtype int64, got {labels.dtype}")
    if len(labels) != num_samples:
        raise ValueError(f"labels must be as many as logits, {num_samples}, got {len(labels)}")


def check_label_range(labels: Tensor, num_classes: int, name: str = "labels") -> None:
    """Raise ValueError unless every label lies in 0 to num_classes - 1."""
    if len(labels) == 0:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"{name} must lie in 0..{num_classes - 1}, got {low} to {high}")


# Model, optimizer, loss ---------------------------------------------------------------------------


def check_training(
    model: nn.Module, optimizer: Optimizer, loss_fn: object, scheduler: Any = None
) -> None:
    """Raise unless the optimizer trains this model and can be stepped as `train_epoch` does it.

    Raises:
        TypeError: an argument is of the wrong type, or the optimizer's or the scheduler's `step`
            needs an argument.
        ValueError: all parameters are frozen, the optimizer holds none of the model's, or the
            scheduler is that of another optimizer.
    """
    check_type("model", model, nn.Module)
    check_type("optimizer", optimizer, Optimizer)
    check_loss_function(loss_fn)
    _check_parameters(model, optimizer)
    _check_step("optimizer", optimizer)
    if scheduler is not None:
        check_scheduler(scheduler, optimizer)
        _check_step("scheduler", scheduler)


def check_type(name: str, value: object, kind: type, *, optional: bool = False) -> None:
    """Raise TypeError unless `value` is of this kind, or None where it is optional."""
    if not isinstance(value, kind) and not (optional and value is None):
        raise TypeError(f"{name} must be of type {kind.__name__}, got {_described(value)}")


def check_scheduler(scheduler: Any, optimizer: Optimizer | None) -> None:
    """Raise TypeError unless it is one, and ValueError if it is that of another optimizer."""
    check_type("scheduler", scheduler, LRScheduler)
    if optimizer is not None and getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ValueError("scheduler must be made from this very optimizer, not from another one")


def check_loss_function(loss_fn: object) -> None:
    """Raise TypeError unless it can be called, or if it is a class still to be called."""
    if isinstance(loss_fn, type) or not callable(loss_fn):
        raise TypeError(f"loss_fn must be a function or a module, got {_described(loss_fn)}")


def _check_parameters(model: nn.Module, optimizer: Optimizer) -> None:
    trainable = {id(p) for p in model.parameters() if p.requires_grad}
    if not trainable:
        raise ValueError("model has no parameter, or all are frozen (requires_grad=False)")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not trainable & held:
        wrong = "optimizer holds none of the model's trainable parameters"
        raise ValueError(f"{wrong}: make it from this model's")


def _check_step(name: str, stepped: Any) -> None:
    """Refuse what needs more than `step()`, as LBFGS and ReduceLROnPlateau do."""
    _, *others = inspect.signature(type(stepped).step).parameters.values()  # the first is self
    required = [p for p in others if p.default is p.empty]
    if needed := [p.name for p in required if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]:
        got = f"got {type(stepped).__name__}, whose step needs {', '.join(needed)}"
        raise TypeError(f"{name}.step() must need no argument, {got}: take another one")


def device_of(model: nn.Module) -> torch.device:
    """Return the one device of a model's parameters and buffers; raise ValueError for several."""
    check_type("model", model, nn.Module)
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    if len(devices) > 1:
        raise ValueError(f"model must lie on one device, got {sorted(map(str, devices))}")
    return devices.pop() if devices else torch.device("cpu")


# Loaders and schedule -----------------------------------------------------------------------------

UNKNOWN = -1  # the length of a loader that knows none, as a DataLoader of an IterableDataset


def check_plan(train_loader: Any, test_loader: Any, epochs: int) -> None:
    """Raise unless there is at least one epoch, and the loaders last for all of them."""
    check_integer("epochs", epochs, minimum=1)
    check_loader(train_loader, "train_loader", epochs)
    if test_loader is not None:
        check_loader(test_loader, "test_loader", epochs)


def check_loader(loader: Any, name: str = "loader", epochs: int = 1) -> None:
    """Raise unless the loader can be gone through that often, so far as it can be known.

    Raises:
        TypeError: it is no iterable.
        ValueError: it says that it is empty, or it is a generator, which ends after one epoch.
    """
    if not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__"):
        raise TypeError(f"{name} must yield batches, as DataLoaders do, got {_described(loader)}")
    if epochs > 1 and isinstance(loader, Iterator):
        kind = type(loader).__name__
        raise ValueError(f"{name} must serve {epochs} epochs, got a {kind}, which ends after one")
    if length_hint(loader, UNKNOWN) == 0:
        raise ValueError(f"{name} must yield at least one batch, got an empty loader")


def check_schedule(scheduler: Any, loader: Any, epochs: int, taken: int | None = None) -> None:
    """Find out before training, not in its last epoch, that a schedule is too short.

    Args:
        scheduler: one of PyTorch's, or None.
        loader: what an epoch goes through.
        epochs: how many are still to come.
        taken: how many steps of the schedule lie behind; those it has taken itself if None.

    Raises:
        ValueError: fewer steps are left than batches to come.
    """
    schedule = {} if scheduler is None else scheduler.state_dict()
    total, batches = schedule.get("total_steps"), length_hint(loader, UNKNOWN)
    if total is None or batches == UNKNOWN:
        return
    left = total - (schedule["last_epoch"] if taken is None else taken)
    if left < (needed := epochs * batches):
        raise ValueError(f"scheduler has {left} of {total} steps left for {needed} batches")


# One batch ----------------------------------------------------------------------------------------


def check_batch(batch: Any) -> tuple[Tensor, Tensor]:
    """Return the pair (images, labels) that a loader has yielded.

    Raises:
        TypeError: it is no pair of tensors, or the images are not floating point.
        ValueError: it holds no sample.
    """
    pair = batch if isinstance(batch, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise TypeError(f"loader must yield pairs of tensors, got {_described(batch)}")
    images, labels = pair
    if not images.is_floating_point():
        cure = "of bytes: images.float() / 255"
        raise TypeError(f"images must be float ({cure}), got {images.dtype}")
    if images.numel() == 0:
        raise ValueError(f"loader must yield samples, got images of shape {tuple(images.shape)}")
    return images, labels


def _described(thing: Any) -> str:
    """What it is, in a few words: its own might be a thousand numbers."""
    kind = type(thing).__name__
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if isinstance(thing, dict):
        return f"a {kind} with the keys {', '.join(map(repr, thing))}"
    if isinstance(thing, (tuple, list)):
        return f"a {kind} of {', '.join(type(part).__name__ for part in thing) or 'nothing'}"
    return f"a {kind}"


def check_logits(logits: Tensor, labels: Tensor, num_classes: int | None = None) -> None:
    """Raise unless the labels fit the logits; before a GPU sees a label that would crash it.

    Args:
        logits: (B, C) float.
        labels: (B,) int64.
        num_classes: how many classes these labels need, where somebody has counted; else it is
            read from them, which on a GPU waits.

    Raises:
        TypeError: the model returned no tensor, or the labels are not int64.
        ValueError: the shapes do not fit, or a label is not in 0..C-1.
    """
    if not isinstance(logits, Tensor):
        raise TypeError(f"model must return logits, one tensor, got {_described(logits)}")
    if logits.ndim != 2:
        raise ValueError(f"model must return logits of shape (B, C), got {tuple(logits.shape)}")
    check_labels(labels, len(logits))
    classes = logits.shape[1]
    if num_classes is None:
        check_label_range(labels, classes)
    elif num_classes > classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got up to {num_classes - 1}")


def check_loss(loss: Tensor, *, training: bool) -> None:
    """Raise unless the loss is one number and, in training, one that depends on the weights.

    Raises:
        TypeError: it is no tensor.
        ValueError: it is several numbers, or `backward` could not begin at it.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"loss_fn must return a tensor with one number, got {_described(loss)}")
    if loss.ndim != 0:
        raise ValueError(f"loss_fn must return one number, got shape {tuple(loss.shape)}")
    if training and not loss.requires_grad:
        raise ValueError("loss must depend on the model: detach nothing, train without no_grad()")


@contextmanager
def clear_errors(model: nn.Module, batches: Any) -> Iterator[None]:
    """Say in words what PyTorch means when two number formats meet.

    Args:
        model: the one that computes in the block.
        batches: its attribute `images` is what the model is at work on; None elsewhere.

    Raises:
        TypeError: the model failed on images of another dtype than its parameters.
    """
    try:
        yield
    except RuntimeError as error:
        own = {p.dtype for p in model.parameters()}
        if batches.images is None or batches.images.dtype in own or "type" not in str(error):
            raise
        theirs, ours = batches.images.dtype, ", ".join(sorted(map(str, own)))
        wrong = f"images are {theirs} but the model's parameters are {ours}"
        raise TypeError(f"{wrong}: model.to({theirs}) makes them alike") from error

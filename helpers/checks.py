"""What a learner gets wrong, said before it costs an evening: one clear error each.

`helpers.training` calls these beside the lines of its loop, `helpers.metrics` and
`helpers.batches` at their doors.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

INSTEAD = {
    "optimizer": "write the loop yourself, or take SGD or Adam",
    "scheduler": "write the loop yourself, or take one that follows a plan, as OneCycleLR",
}


def check_integer(name: str, value: object, *, minimum: int) -> None:
    """Raise TypeError unless `value` is an int, and ValueError if it is below `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be {minimum} or more, got {value}")


def check_labels(labels: Tensor, num_samples: int) -> None:
    """Raise unless `labels` are class indices, one whole number for each of `num_samples` samples.

    Raises:
        TypeError: the labels are not int64.
        ValueError: the labels are one-hot, or not as many as the samples.
    """
    if labels.ndim != 1:
        hint = "; for one-hot labels pass labels.argmax(dim=1)" if labels.ndim == 2 else ""
        raise ValueError(f"labels must have shape (B,), got {tuple(labels.shape)}{hint}")
    if labels.dtype != torch.int64:
        raise TypeError(f"labels must be class indices of dtype int64, got {labels.dtype}")
    if len(labels) != num_samples:
        raise ValueError(
            f"logits and labels must be equally long, got {num_samples} logits and "
            f"{len(labels)} labels"
        )


def check_label_range(labels: Tensor, num_classes: int, name: str = "labels") -> None:
    """Raise ValueError unless every label lies in 0 to num_classes - 1."""
    if len(labels) == 0:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"{name} must lie in 0..{num_classes - 1} for {num_classes} classes, "
            f"got values from {low} to {high}"
        )


# The model and the optimizer ----------------------------------------------------------------------


def check_training(model: nn.Module, optimizer: Optimizer, scheduler: Any = None) -> None:
    """Raise unless the optimizer trains this model and can be stepped as `train_epoch` does it.

    Raises:
        TypeError: the optimizer's or the scheduler's `step` needs an argument.
        ValueError: all parameters are frozen, or the optimizer holds none of the model's.
    """
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
    for name, stepped in (("optimizer", optimizer), ("scheduler", scheduler)):
        if stepped is not None and (needed := _needed_by_step(stepped)):
            raise TypeError(
                f"{name} must be one whose step() needs no argument, got "
                f"{type(stepped).__name__}, whose step needs {needed}: {INSTEAD[name]}"
            )


def _needed_by_step(stepped: Any) -> str:
    """The arguments without which `step` cannot be called, as LBFGS and ReduceLROnPlateau ask."""
    step = inspect.signature(type(stepped).step)
    _, *others = step.parameters.values()  # the first is self
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return ", ".join(p.name for p in others if p.default is p.empty and p.kind <= plain)


def device_of(model: nn.Module) -> torch.device:
    """Return the one device of a model's parameters and buffers; raise ValueError for several."""
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"model must lie on one device, got parts on {names}")
    if torch.device("meta") in devices:
        raise ValueError("model must have real weights, got a model on the meta device")
    return devices.pop() if devices else torch.device("cpu")


# Loader and schedule ------------------------------------------------------------------------------


def check_plan(train_loader: Any, test_loader: Any, epochs: int) -> None:
    """Raise ValueError unless there is at least one epoch, and no loader is known to be empty."""
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"epochs must be a whole number of at least 1, got {epochs!r}")
    check_loader(train_loader, "train_loader")
    check_loader(test_loader, "test_loader")


def check_loader(loader: Any, name: str = "loader") -> None:
    """Raise ValueError if the loader says that it has no batch."""
    if hasattr(loader, "__len__") and len(loader) == 0:
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
    total = schedule.get("total_steps")
    if total is None or not hasattr(loader, "__len__"):
        return
    left = total - (schedule["last_epoch"] if taken is None else taken)
    if left < (needed := epochs * len(loader)):
        raise ValueError(
            f"scheduler must cover every batch: epochs x batches is {needed}, "
            f"but it has {left} of its {total} steps left"
        )


# One batch ----------------------------------------------------------------------------------------


def check_batch(batch: Any) -> tuple[Tensor, Tensor]:
    """Return the pair (images, labels) that a loader has yielded.

    Raises:
        TypeError: it is no pair of tensors, or the images are not floating point.
    """
    pair = batch if isinstance(batch, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise TypeError(
            f"loader must yield pairs of tensors, (images, labels), got {_described(batch)}"
        )
    images, labels = pair
    if not images.is_floating_point():
        raise TypeError(
            f"images must be floating point, got {images.dtype}; for bytes use images.float() / 255"
        )
    return images, labels


def _described(batch: Any) -> str:
    kind = type(batch).__name__
    if isinstance(batch, dict):
        return f"a {kind} with the keys {', '.join(map(repr, batch))}"
    if isinstance(batch, (tuple, list)):
        return f"a {kind} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    return f"a {kind}"


def check_logits(logits: Tensor, labels: Tensor, num_classes: int | None = None) -> None:
    """Raise unless the labels fit the logits; before a GPU sees a label that would crash it.

    Args:
        logits: (B, C) float.
        labels: (B,) int64.
        num_classes: how many classes these labels need, where somebody has counted; else it is
            read from them, which on a GPU waits.

    Raises:
        TypeError: the labels are not int64.
        ValueError: the shapes do not fit, or a label is not in 0..C-1.
    """
    if logits.ndim != 2:
        raise ValueError(f"model must return logits of shape (B, C), got {tuple(logits.shape)}")
    check_labels(labels, len(logits))
    if num_classes is None:
        check_label_range(labels, logits.shape[1])
    elif num_classes > logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0..{logits.shape[1] - 1} for {logits.shape[1]} classes, "
            f"got values up to {num_classes - 1}"
        )


@contextmanager
def clear_errors(model: nn.Module, batches: Any) -> Iterator[None]:
    """Say in words what PyTorch means when two number formats meet.

    Args:
        model: the one that computes in the block.
        batches: its attribute `images` is what the model got last.

    Raises:
        TypeError: the model failed on images of another dtype than its parameters.
    """
    try:
        yield
    except RuntimeError as error:
        own, dtype = {p.dtype for p in model.parameters()}, batches.images.dtype
        if dtype in own or not own or "type" not in str(error):
            raise
        raise TypeError(
            f"images are {dtype} but the model's parameters are "
            f"{', '.join(sorted(map(str, own)))}: model.to({dtype}) makes them alike"
        ) from error

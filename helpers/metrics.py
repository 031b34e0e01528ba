"""Counting what a classifier gets right, as notebook 11 writes it out by hand."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from helpers.checks import check_integer, check_label_range, check_labels


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of samples whose largest logit is the one of their label, from 0 to 1.

    Built in notebook 11, where averaging it over batches of unequal size goes wrong.

    Args:
        logits: (B, C) float, one row of class scores a sample.
        labels: (B,) int64 class indices in 0..C-1, on the same device.

    Raises:
        TypeError: `labels` are not int64.
        ValueError: the shapes do not fit, there are no samples, a label is out of range, or a
            logit is NaN (whose argmax would be counted as a prediction).
    """
    if logits.ndim != 2:
        raise ValueError(f"logits must have shape (B, C), got {tuple(logits.shape)}")
    check_labels(labels, len(logits))
    if len(labels) == 0:
        raise ValueError("logits and labels must hold at least one sample, got none")
    check_label_range(labels, logits.shape[1])
    if torch.isnan(logits).any():
        raise ValueError("logits must be numbers, got NaN")
    return (logits.argmax(dim=1) == labels).sum().item() / len(labels)


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Count how often each class was predicted for each true class.

    Built in notebook 11.

    Args:
        predictions: (N,) int64 predicted class indices.
        labels: (N,) int64 true class indices.
        num_classes: C, a whole number of at least 1.

    Returns:
        (C, C) int64: row i, column j counts the samples of class i taken for class j.

    Raises:
        TypeError: predictions or labels are not int64, or `num_classes` is no int.
        ValueError: they differ in length, are not one-dimensional, or hold a class outside 0..C-1.
    """
    check_integer("num_classes", num_classes, minimum=1)
    check_labels(predictions, len(predictions), "predictions")
    check_labels(labels, len(predictions))
    check_label_range(predictions, num_classes, "predictions")
    check_label_range(labels, num_classes)
    cells = torch.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


class Metrics(NamedTuple):
    """The mean loss and the accuracy (0 to 1) over the samples of one pass, each counted once."""

    loss: float
    accuracy: float


@dataclass
class History:
    """What `fit` measured, one entry an epoch; `test_…` stay empty without a test loader.

    `train_…` are taken during the epoch from the very forward passes that trained, so they lag
    behind the weights by half an epoch or so. `seconds` is the training time alone.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    @property
    def epochs(self) -> int:
        """The number of whole epochs."""
        return len(self.train_loss)

    def add(self, train: Metrics, test: Metrics | None, seconds: float) -> None:
        """Append the figures of one whole epoch."""
        self.train_loss.append(train.loss)
        self.train_accuracy.append(train.accuracy)
        self.seconds.append(seconds)
        if test is not None:
            self.test_loss.append(test.loss)
            self.test_accuracy.append(test.accuracy)

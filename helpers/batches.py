"""Images and labels in batches, cut from tensors that lie on the device already.

Notebook 11_lenet reads how; a `DataLoader` hands out the same, picture by picture.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers.checks import check_integer


class BatchLoader:
    """Images and labels that lie on one device, handed out in batches by indexing.

    Iterating is one epoch of `(images, labels)`: (B, 1, H, W) float32 in [0, 1] and (B,) int64, on
    the device of the tensors; the last batch may be short. With `shuffle`, each epoch has an order
    of its own, drawn on the CPU from seed and epoch alone, so that every device sees the same one
    and `state_dict` can bring it back. Notebook 11_lenet reads how.

    Args:
        images: (N, H, W) or (N, 1, H, W) uint8, kept as they are and not copied.
        labels: (N,) int64, 0 or more, on the same device.
        batch_size: B, 1 or more.
        shuffle: whether each epoch has an order of its own.
        seed: chooses the orders; 0 or more.
        source: where the images come from, to be read off the loader.

    Raises:
        TypeError: an argument is of another type or dtype; the message names it.
        ValueError: a number is too small, a shape does not fit, or the devices differ.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        source: str = "tensors",
    ) -> None:
        check_integer("batch_size", batch_size, minimum=1)
        check_integer("seed", seed, minimum=0)
        _check_tensors(images, labels)
        self.images = images.unsqueeze(1) if images.ndim == 3 else images  # (N, 1, H, W)
        self.labels = labels  # (N,)
        self.batch_size, self.shuffle, self.seed, self.source = batch_size, shuffle, seed, source
        self.epoch = 0  # epochs begun so far
        self.num_samples = len(labels)
        self.num_classes = int(labels.max()) + 1

    def __len__(self) -> int:
        return -(-self.num_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order()
        self.epoch += 1
        return self._batches(order)

    def __repr__(self) -> str:
        height, width = self.images.shape[2:]
        what = f"{self.num_samples} images of {height}x{width}, {self.num_classes} classes"
        how = f"batch_size={self.batch_size}, shuffle={self.shuffle}, seed={self.seed}"
        where = f"source={self.source!r}, device={str(self.images.device)!r}"
        return f"BatchLoader({what}, {how}, {where})"

    def state_dict(self) -> dict[str, int]:
        """Return the seed, the number of epochs begun, and the sizes that the batches depend on."""
        sizes = {"batch_size": self.batch_size, "num_samples": self.num_samples}
        return {"seed": self.seed, "epoch": self.epoch, **sizes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the orders of the loader that `state` came from.

        Args:
            state: what `state_dict` returned; seed and epoch alone suffice.

        Raises:
            TypeError: a value is not a whole number.
            ValueError: keys are missing or unknown, a value is negative, or that loader had another
                batch size or number of samples than this one.
        """
        own = self.state_dict()
        if not isinstance(state, dict) or not {"seed", "epoch"} <= set(state) <= set(own):
            raise ValueError(f"state must be a dict with the keys seed and epoch, got {state!r}")
        for key, value in state.items():
            check_integer(f"state[{key!r}]", value, minimum=0)
            if key not in ("seed", "epoch") and value != own[key]:
                raise ValueError(f"{key} must be {value}, as in the state, got {own[key]}")
        self.seed, self.epoch = state["seed"], state["epoch"]

    def _order(self) -> Tensor:
        """This epoch's permutation, (N,) int64, on the loader's device."""
        if not self.shuffle:
            return torch.arange(self.num_samples, device=self.images.device)
        mixed = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)
        generator = torch.Generator("cpu").manual_seed(int(mixed[0]))
        order = torch.randperm(self.num_samples, generator=generator, device="cpu")
        return order.to(self.images.device)

    def _batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in order.split(self.batch_size):
            # index_select: the same as self.images[rows], several times as fast
            images = self.images.index_select(0, rows)
            yield images.to(torch.float32).div_(255), self.labels.index_select(0, rows)


def with_samplers(loader: Any) -> list[Any]:
    """Return a loader of any kind and the samplers that a DataLoader takes its order from."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    inner = getattr(loader, "sampler", None), getattr(batch_sampler, "sampler", None)
    return [part for part in (loader, batch_sampler, *inner) if part is not None]


def _check_tensors(images: Tensor, labels: Tensor) -> None:
    for name, tensor, dtype in (("images", images, torch.uint8), ("labels", labels, torch.int64)):
        got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        if got != dtype:
            raise TypeError(f"{name} must be a tensor of dtype {dtype}, got {got}")
    shape = tuple(images.shape)
    if len(shape) not in (3, 4) or 0 in shape or shape[1:-2] not in ((), (1,)):
        raise ValueError(f"images must be of shape (N, H, W) or (N, 1, H, W), got {shape}")
    if labels.shape != shape[:1]:
        raise ValueError(f"labels must be of shape ({len(images)},), got {tuple(labels.shape)}")
    if labels.device != images.device:
        raise ValueError(f"labels must be on {images.device} as images are, got {labels.device}")
    if (lowest := int(labels.min())) < 0:
        raise ValueError(f"labels must be 0 or more, got {lowest}")

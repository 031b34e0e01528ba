"""Images and labels in batches, cut from tensors that lie on the device already.

Notebook 11_lenet reads how; a `DataLoader` hands out the same, picture by picture.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from helpers.checks import check_integer


class BatchLoader:
    """Images and labels that lie on one device, handed out in batches by indexing.

    Iterating is one epoch of `(images, labels)`: (B, 1, H, W) float32 in [0, 1] and (B,) int64, on
    the device of the tensors; the last batch may be short. With `shuffle`, each epoch has an order
    of its own, drawn on the CPU from (seed, epoch) alone, so that every device sees the same one
    and `state_dict` can bring it back.

    Args: images (N, H, W) or (N, 1, H, W) uint8; labels (N,) int64, 0 or more, on the same device.
    Raises TypeError or ValueError, naming the argument. Notebook 11_lenet builds on it.
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
        order = self._order() if self.shuffle else None
        self.epoch += 1
        return self._batches(order)

    def __repr__(self) -> str:
        height, width = self.images.shape[2:]
        return (
            f"BatchLoader({self.num_samples} images of {height}x{width}, "
            f"{self.num_classes} classes, batch_size={self.batch_size}, shuffle={self.shuffle}, "
            f"seed={self.seed}, source={self.source!r}, device={str(self.images.device)!r})"
        )

    def state_dict(self) -> dict[str, int]:
        """The seed, the number of epochs begun, and the sizes that the batches depend on."""
        return {"seed": self.seed, "epoch": self.epoch} | self._sizes()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the orders of the loader that `state` came from; seed and epoch suffice.

        Raises ValueError if that loader has other sizes than this one.
        """
        sizes = self._sizes()
        if not isinstance(state, dict) or set(state) - set(sizes) != {"seed", "epoch"}:
            raise ValueError(f"state must be a dict with the keys seed and epoch, got {state!r}")
        for key, value in state.items():
            check_integer(f"state[{key!r}]", value, minimum=0)
            if value != sizes.get(key, value):
                raise ValueError(f"{key} must be {value}, as in the state, got {sizes[key]}")
        self.seed, self.epoch = state["seed"], state["epoch"]

    def _sizes(self) -> dict[str, int]:
        return {"batch_size": self.batch_size, "num_samples": self.num_samples}

    def _order(self) -> Tensor:
        """This epoch's permutation, (N,) int64, on the loader's device."""
        mixed = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)
        generator = torch.Generator("cpu").manual_seed(int(mixed[0]))
        order = torch.randperm(self.num_samples, generator=generator, device="cpu")
        return order.to(self.images.device)

    def _batches(self, order: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.num_samples, self.batch_size):
            rows = slice(start, start + self.batch_size)
            if order is None:
                images, labels = self.images[rows], self.labels[rows].clone()
            else:  # index_select: the same as self.images[order[rows]], several times as fast
                images = self.images.index_select(0, order[rows])
                labels = self.labels.index_select(0, order[rows])
            yield images.to(torch.float32).div_(255), labels


def _check_tensors(images: Tensor, labels: Tensor) -> None:
    for name, tensor, dtype in (("images", images, torch.uint8), ("labels", labels, torch.int64)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype != dtype:
            raise TypeError(f"{name} must be of dtype {dtype}, got {tensor.dtype}")
    shape = tuple(images.shape)
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 1)):
        raise ValueError(f"images must be of shape (N, H, W) or (N, 1, H, W), got {shape}")
    if labels.ndim != 1 or len(labels) != len(images):
        expected, got = f"({len(images)},), one per image", tuple(labels.shape)
        raise ValueError(f"labels must be of shape {expected}, got {got}")
    if len(labels) == 0:
        raise ValueError(f"images must hold at least one image, got shape {shape}")
    if labels.device != images.device:
        raise ValueError(f"labels must be on {images.device} as images are, got {labels.device}")
    if (lowest := int(labels.min())) < 0:
        raise ValueError(f"labels must be 0 or more, got {lowest}")

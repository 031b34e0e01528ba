"""Choosing a device and fixing the seed, as every notebook does in its setup cell."""

import os
import random

import numpy as np
import torch

from helpers.checks import check_integer


def available_devices() -> list[str]:
    """Return the names that `pick_device` accepts on this machine, such as ['cpu', 'cuda:0']."""
    names = ["cpu"]
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """Return the device to train on: `name`, else $DEVICE, else CUDA where there is one, else CPU.

    MPS (the GPU of an Apple computer) is taken only when asked for: it has no float64, which
    notebooks 01 to 08 need. Built up in notebook 14; notebook 11 is the first to use it.

    Raises:
        ValueError: the device is unknown or not there; the message lists those that are.
    """
    asked = str(name) if name is not None else os.environ.get("DEVICE", "")
    if not asked:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    origin = "name" if name is not None else "$DEVICE"
    here = available_devices()
    known = {*here, *(device.split(":")[0] for device in here), "cpu:0", "mps:0"}
    if asked not in known or asked.split(":")[0] not in {device.split(":")[0] for device in here}:
        raise ValueError(
            f"{origin} must be one of {', '.join(here)} on this machine, got {asked!r}"
        )
    return torch.device(asked)


def set_seed(seed: int) -> None:
    """Seed the global generators of PyTorch (every device), NumPy and Python.

    Call it before the weights are made: a seed set afterwards leaves them as they are
    (notebook 11 shows it).

    Args:
        seed: a whole number from 0 to 2**32 - 1.

    Raises:
        TypeError: `seed` is no int.
        ValueError: `seed` is below 0 or above 2**32 - 1, as NumPy says.
    """
    check_integer("seed", seed, minimum=0)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what readers' code draws from
    random.seed(seed)
    torch.manual_seed(seed)

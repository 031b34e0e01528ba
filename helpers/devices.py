"""Choosing a device and fixing the seed, as every notebook does in its setup cell.

And where the generators of random numbers are, for a checkpoint (notebook 13).
"""

import os
import random
from typing import Any

import numpy as np
import torch

from helpers.checks import check_integer


def available_devices() -> list[str]:
    """Return the names that `pick_device` accepts on this machine, such as ['cpu', 'cuda:0']."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


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
        names = ", ".join(here)
        raise ValueError(f"{origin} must be one of {names} on this machine, got {asked!r}")
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


def random_state() -> dict[str, Any]:
    """Return where the generators that everybody shares are, as tensors, numbers and tuples."""
    name, words, *rest = np.random.get_state()  # noqa: NPY002, the shared one
    return {
        "python": random.getstate(),
        "numpy": [name, np.asarray(words).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_random_state(saved: dict[str, Any]) -> None:
    """Put them back to where `random_state` found them; a GPU that is not here is passed over."""
    random.setstate(saved["python"])
    np.random.set_state(tuple(saved["numpy"]))  # noqa: NPY002
    torch.set_rng_state(saved["torch"])
    torch.cuda.set_rng_state_all(saved["cuda"][: torch.cuda.device_count()])
    if saved["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(saved["mps"])

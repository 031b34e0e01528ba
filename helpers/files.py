"""Files as torchvision's `FashionMNIST` reads them: their places, their format, writing them.

`helpers.official` keeps Fashion-MNIST's four files with it, `helpers.sketches` its drawings.
"""

import errno
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

PARTS = {  # images and labels of the training set (True) and of the test set
    True: ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    False: ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
RAW = ("FashionMNIST", "raw")  # the folders below torchvision's `root` that hold them


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Lock a folder and give the block a new one in it, for unfinished files, gone at the end.

    One process at a time is in the block, and what killed ones left behind goes first. Some network
    file systems know no locks: there it goes on without. Since each file is renamed to its place
    when it is whole (`write_whole`), two processes then at worst do the same work twice.

    Args:
        folder: made if missing; `.lock` in it is the lock file, and stays.

    Raises:
        OSError: (the subclass that fits) the folder cannot be written to, or its disk is full; here
            or in the block.
    """
    lock = FileLock(folder / ".lock", fallback_to_soft=False)  # a soft one would warn the reader
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(lock)
            prefix = ".unfinished-" if lock.is_locked else ".unlocked-"
            for left in folder.glob(".unfinished-*") if lock.is_locked else ():
                shutil.rmtree(left, ignore_errors=True)  # whoever makes one holds the lock
            ours = TemporaryDirectory(prefix=prefix, dir=folder, ignore_cleanup_errors=True)
            yield Path(stack.enter_context(ours))
    except OSError as error:
        if error.errno is None:  # not the system's: somebody has said already what is wrong
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "make room there or pass another folder" if full else "pass a writable folder"
        message = f"cannot write to {folder}: {cure} as root ({error.strerror})"
        raise OSError(error.errno, message) from error


def write_whole(path: Path, content: bytes, unfinished: Path) -> None:
    """Write a file or, whatever happens meanwhile, leave what was there.

    Args:
        path: replaced if it exists.
        content: all that the file shall hold.
        unfinished: a folder of our own on the same disk, as `staging` gives.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """
    beside = unfinished / path.name
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal; raise OSError if it is unreadable."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_idx(values: Tensor) -> bytes:
    """Return whole numbers from 0 to 255 in the IDX format, that of MNIST and Fashion-MNIST.

    Two zeros, 8 for uint8, the number of dimensions, the sizes, then the values row by row.
    """
    header = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + values.to(torch.uint8).numpy().tobytes()


def from_idx(content: bytes) -> Tensor:
    """Return the uint8 tensor of which `to_idx` makes this content."""
    shape = struct.unpack_from(f">{content[3]}I", content, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
    return torch.from_numpy(values.reshape(shape).copy())  # a copy: the bytes are read-only

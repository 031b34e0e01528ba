"""Files as torchvision's `FashionMNIST` reads them: their places, their format, writing them.

`helpers.official` keeps Fashion-MNIST's four files with it, `helpers.sketches` its drawings, and
`helpers.checkpoints` writes as carefully.
"""

import errno
import glob
import hashlib
import os
import secrets
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

PARTS = {  # images and labels of the training set (True) and of the test set
    True: ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    False: ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
ABANDONED = 3600.0  # seconds without a write, after which an unfinished file is a killed process's
RETRIES = 500  # on Windows, 0.01 s apart, for whoever is reading the file to be replaced
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


def replace_whole(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file without a folder of our own: it is the old one or the new one, at any moment.

    Two processes that write to one path never write into one file, and renaming is atomic: no lock
    is needed, which some network file systems do not have.

    Args:
        target: replaced if it exists; folders that are missing are made. `.NAME.….unfinished` lies
            beside it meanwhile; one that a killed process left goes when it is an hour old.
        write: is given the file, open for writing and reading.

    Raises:
        OSError: the disk is full, or cannot be written to; and whatever `write` raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}.unfinished")
    try:
        with unfinished.open("x+b") as file:
            _sweep(target, now=os.fstat(file.fileno()).st_mtime)
            write(file)
            file.flush()  # out of Python
            os.fsync(file.fileno())  # onto the disk
        _rename(unfinished, target)
    finally:  # at Ctrl-C as well; nothing is there after the renaming
        unfinished.unlink(missing_ok=True)
    with suppress(OSError), ExitStack() as opened:  # the rename, where the system can flush it
        folder = os.open(target.parent, os.O_RDONLY)
        opened.callback(os.close, folder)
        os.fsync(folder)


def _sweep(target: Path, now: float) -> None:
    """Remove the unfinished files that killed processes left.

    `now` is by the clock of the file system, which need not be that of this machine.
    """
    ours = f".{glob.escape(target.name)}.{'[0-9a-f]' * 16}.unfinished"
    for path in target.parent.glob(ours):  # none in a folder that cannot be listed
        with suppress(OSError):  # another process was faster
            if path.stat().st_mtime < now - ABANDONED:
                path.unlink()


def _rename(unfinished: Path, target: Path) -> None:
    """Put the file in its place; Windows refuses while another process is at the old one."""
    for _ in range(RETRIES if os.name == "nt" else 0):
        with suppress(PermissionError):
            os.replace(unfinished, target)
            return
        time.sleep(0.01)
    os.replace(unfinished, target)


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

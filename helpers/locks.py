"""One process at a time, where the file system can see to it.

`helpers.data` writes each file under a temporary name and renames it, so without a lock two
processes at worst do the same work twice. Some network file systems know no locks: there it is
better to go on than to stop.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
WITHOUT_LOCKS_ON_WINDOWS = {1, 50}  # "incorrect function" and "not supported"
ABANDONED = 24 * 3600.0  # seconds without a change after which nobody is at an unfinished file


@contextmanager
def locked(path: str | os.PathLike[str], timeout: float = -1) -> Iterator[bool]:
    """Hold the lock file `path` inside the block; go on without it where there are no locks.

    The value is whether the lock is held. If it is not, other processes may be in the block too:
    give unfinished files names of their own. `fashion_mnist` uses it.

    Args:
        path: the lock file, made if missing and left behind.
        timeout: seconds to wait for whoever holds the lock; negative waits as long as it takes.

    Raises:
        TimeoutError: somebody else held the lock all the time.
        OSError: the lock file cannot be made or opened.
    """
    lock = _acquired(path, timeout)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Lock a folder and give the block a new one in it, for unfinished files, gone at the end.

    On the same file system, so that a finished file can be renamed to its place. What killed
    processes left behind goes first, as far as no other process can be at it. `fashion_mnist`
    downloads, unpacks and draws into one.

    Args:
        folder: an existing folder; `.lock` in it is the lock file.

    Raises:
        OSError: the folder cannot be written to.
    """
    with locked(folder / ".lock") as held:
        _sweep(folder, held)
        prefix = ".unfinished-" if held else ".unlocked-"
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _sweep(folder: Path, held: bool) -> None:
    left = [*folder.glob(".unfinished*")] if held else []  # whoever makes one holds the lock
    left += [path for path in folder.glob(".unlocked-*") if _abandoned(path)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    try:
        last = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:  # its owner is just removing it
        return False
    return time.time() - last > ABANDONED


def _acquired(path: str | os.PathLike[str], timeout: float) -> BaseFileLock | None:
    # A soft lock, filelock's own way out, would warn in the reader's notebook.
    lock = FileLock(path, timeout=timeout, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if _says_no_locks(error):
            return None
        raise
    return lock


def _says_no_locks(error: OSError) -> bool:
    windows = getattr(error, "winerror", None)
    return error.errno in WITHOUT_LOCKS or windows in WITHOUT_LOCKS_ON_WINDOWS

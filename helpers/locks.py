"""One process at a time, where the file system can see to it.

`helpers.data` and `helpers.checkpoints` write each file under a temporary name and rename it, so
without a lock two processes at worst do the same work twice. Some network file systems know no
locks: there it is better to go on than to stop.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import BaseFileLock, FileLock

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
WITHOUT_LOCKS_ON_WINDOWS = {1, 50}  # "incorrect function" and "not supported"


@contextmanager
def locked(path: str | os.PathLike[str], timeout: float = -1) -> Iterator[bool]:
    """Hold the lock file `path` inside the block; go on without it where there are no locks.

    The value is whether the lock is held. If it is not, other processes may be in the block too:
    give unfinished files names of their own. `fashion_mnist` and `save_checkpoint` use it.

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

"""helpers.locks: real processes; a file system without locks is an errno at the system call."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.locks import locked

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="the system call is fcntl.flock")

HOLD = """
import sys
from helpers.locks import locked
with locked(sys.argv[1]) as held:
    print(held, flush=True)
    input()
"""

WITHOUT = """
import errno, fcntl, sys
from helpers.locks import locked

def flock(descriptor, operation):
    error = OSError(getattr(errno, name), "no locks here")
    error.winerror = int(windows)
    raise error

fcntl.flock = flock
for case in sys.argv[2:]:
    name, windows = case.split()
    with locked(sys.argv[1]) as held, locked(sys.argv[1]) as again:
        print(case, held, again)
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it gets a line."""
    command = [sys.executable, "-c", HOLD, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def without_locks(path: Path, *cases: str) -> subprocess.CompletedProcess[str]:
    """A process in which flock fails: each case is an errno's name and a Windows error's number."""
    command = [sys.executable, "-W", "always", "-c", WITHOUT, str(path), *cases]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with (
        holder(path),
        pytest.raises(TimeoutError, match="lock"),
        locked(path, timeout=0),
    ):
        pytest.fail("two processes are in the block")


def test_a_lock_comes_free_when_its_holder_is_done_or_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path) as process:
        assert process.communicate("done\n", timeout=60) == ("", None)
        with locked(path, timeout=0) as held:
            assert held
    with holder(path) as process:
        process.kill()
        with locked(path, timeout=60) as held:
            assert held


@pytest.mark.parametrize("timeout", [-1, 60])
def test_who_comes_late_waits(tmp_path: Path, timeout: float) -> None:
    path = tmp_path / ".lock"
    with holder(path) as process:
        process.stdin.write("done\n")
        process.stdin.flush()
        with locked(path, timeout=timeout) as held:
            assert held


@posix
def test_without_locks_it_goes_on_and_says_nothing(tmp_path: Path) -> None:
    """On NFS a reader could neither load the data nor save a checkpoint."""
    names = "ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"
    cases = [*(f"{name} 0" for name in names), "EINVAL 1", "EINVAL 50"]
    done = without_locks(tmp_path / ".lock", *cases)
    assert done.stdout.splitlines() == [f"{case} False False" for case in cases]
    assert done.stderr == ""


@posix
@pytest.mark.parametrize("name", ["EIO", "EINVAL"])
def test_other_errors_of_the_system_pass_through(tmp_path: Path, name: str) -> None:
    done = without_locks(tmp_path / ".lock", f"{name} 0")
    assert done.returncode == 1 and done.stdout == ""
    assert f"OSError: [Errno {getattr(errno, name)}] no locks here" in done.stderr


def test_a_lock_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError), locked(tmp_path / "file" / ".lock"):
        pytest.fail("there is no folder for the lock file")


def test_errors_of_the_block_pass_through_and_free_the_lock(tmp_path: Path) -> None:
    """An ENOLCK of the block's own must not look like a lock that cannot be had."""
    path = tmp_path / ".lock"
    with pytest.raises(OSError, match="my own"), locked(path):
        raise OSError(errno.ENOLCK, "my own")
    with locked(path, timeout=0) as held:
        assert held

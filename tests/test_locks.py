"""helpers.locks: real processes; a file system without locks is an errno at the system call."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import locks
from helpers.locks import locked, staging

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
    names = "ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"
    cases = [*(f"{name} 0" for name in names), "EINVAL 1", "EINVAL 50"]
    done = without_locks(tmp_path / ".lock", *cases)
    assert done.stdout.splitlines() == [f"{case} False False" for case in cases]
    assert done.stderr == ""


@posix
@pytest.mark.parametrize("name", ["EIO", "EBADF"])
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


# Folders for unfinished files


@pytest.fixture(params=[True, False], ids=["with locks", "without"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        fcntl = pytest.importorskip("fcntl")

        def flock(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, "no locks here")

        monkeypatch.setattr(fcntl, "flock", flock)
    return request.param


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_staging_folder_is_empty_and_gone_at_the_end(tmp_path: Path, held: bool) -> None:
    with staging(tmp_path) as unfinished:
        assert unfinished.parent == tmp_path and visible(unfinished) == []
        (unfinished / "file").write_text("finished")
        (unfinished / "file").replace(tmp_path / "file")
        (unfinished / "other").write_text("given up")
    assert visible(tmp_path) == ["file"]
    with pytest.raises(KeyboardInterrupt), staging(tmp_path) as unfinished:
        (unfinished / "other").write_text("half")
        raise KeyboardInterrupt
    assert visible(tmp_path) == ["file"]


def left_behind(folder: Path, name: str, age: float) -> Path:
    left = folder / name
    left.mkdir()
    (left / "file").write_text("half")
    for path in (left / "file", left):
        os.utime(path, (time.time() - age, time.time() - age))
    return left


def test_what_killed_processes_left_goes_but_nobody_elses(tmp_path: Path, held: bool) -> None:
    """Else 30 MB stay for each kill, or a process loses what it is writing."""
    old, new = 2 * locks.ABANDONED, 0.5 * locks.ABANDONED
    locked_once = left_behind(tmp_path, ".unfinished-a", new)
    abandoned = left_behind(tmp_path, ".unlocked-b", old)
    at_it = left_behind(tmp_path, ".unlocked-c", new)
    still_writing = left_behind(tmp_path, ".unlocked-d", old)
    (still_writing / "next").write_text("just now")
    with staging(tmp_path):
        assert locked_once.exists() is not held  # its owner would hold the lock
        assert not abandoned.exists()
        assert at_it.exists() and still_writing.exists()


@pytest.mark.parametrize("held", [False], indirect=True, ids=["without"])
def test_two_without_locks_have_a_folder_each(tmp_path: Path, held: bool) -> None:
    with staging(tmp_path) as first:
        (first / "file").write_text("first")
        with staging(tmp_path) as second:
            (second / "file").write_text("second")
        assert (first / "file").read_text() == "first" and not second.exists()

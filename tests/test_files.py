"""helpers.files: real processes; a file system without locks is an errno at the system call."""

import errno
import os
import time

import pytest
import torch
from processes import started

from helpers.files import from_idx, staging, to_idx, write_whole


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.fixture(params=[None, errno.ENOLCK, errno.EINVAL])
def refused(request, monkeypatch):
    """With locks and without them, as NFS and others say it: whether there are none."""
    if request.param:
        fcntl = pytest.importorskip("fcntl")

        def flock(descriptor, operation):
            raise OSError(request.param, "no locks here")

        monkeypatch.setattr(fcntl, "flock", flock)
    return request.param is not None


def test_a_staging_folder_is_empty_and_gone_at_the_end(tmp_path, refused, recwarn):
    folder = tmp_path / "made" / "for it"
    with staging(folder) as unfinished:
        assert unfinished.parent == folder and list(unfinished.iterdir()) == []
        (unfinished / "given up").write_text("half")
        write_whole(folder / "file", b"whole", unfinished)
    assert visible(folder) == ["file"]
    with pytest.raises(KeyboardInterrupt), staging(folder) as unfinished:
        (unfinished / "given up").write_text("half")
        raise KeyboardInterrupt
    assert visible(folder) == ["file"]
    assert (folder / "file").read_bytes() == b"whole"
    assert not recwarn.list  # a reader could do nothing about it


def test_what_killed_processes_left_goes_but_nobody_elses(tmp_path, refused):
    """Else 30 MB stay for each kill, or a process without the lock loses what it is writing."""
    for name in ".unfinished-a", ".unlocked-b":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("half")
    with staging(tmp_path):
        assert (tmp_path / ".unfinished-a").exists() is refused
        assert (tmp_path / ".unlocked-b" / "file").exists()


def hold(folder, inside, leave):
    with staging(folder):
        inside.touch()
        wait_for(leave)


def wait_for(path):
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("ended", ["done", "killed"])
def test_one_process_at_a_time(tmp_path, ended):
    leave = tmp_path / "leave"
    first, late = tmp_path / "first", tmp_path / "late"
    holder = started(hold, tmp_path / "x", first, leave, output=first)
    wait_for(first)
    waiting = started(hold, tmp_path / "x", late, leave, output=late)
    time.sleep(0.2)
    assert not late.exists()
    holder.kill() if ended == "killed" else leave.touch()
    wait_for(late)
    leave.touch()
    for process in holder, waiting:
        process.join(300)
    assert waiting.exitcode == 0
    assert visible(tmp_path / "x") == []


def test_two_without_locks_have_a_folder_each(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    with staging(tmp_path) as first:
        (first / "file").write_text("first")
        with staging(tmp_path) as second:
            (second / "file").write_text("second")
        assert (first / "file").read_text() == "first" and not second.exists()


def test_errors_of_the_block_free_the_lock_and_keep_their_own_words(tmp_path):
    """Advice on disks does not help against a dead mirror."""
    with pytest.raises(OSError, match=r"^my own$"), staging(tmp_path):
        raise OSError("my own")
    with staging(tmp_path):
        pass


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "make room there or pass another folder"),
        (errno.EDQUOT, "make room there or pass another folder"),
        (errno.EROFS, "pass a writable folder"),
        (errno.EIO, "pass a writable folder"),
    ],
)
def test_a_disk_that_takes_no_more_is_named_and_leaves_the_old_file(
    tmp_path, monkeypatch, number, cure
):
    def fails(descriptor):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError) as caught, staging(tmp_path) as unfinished:
        write_whole(path, b"new", unfinished)
    said = f"cannot write to {tmp_path}: {cure} as root ({os.strerror(number)})"
    assert str(caught.value) == f"[Errno {number}] {said}"
    assert path.read_text() == "old" and visible(tmp_path) == ["file"]


def test_a_file_is_never_half_new(tmp_path):
    """Another name of the old file still holds the old content: the new one took its place."""
    path = tmp_path / "file"
    path.write_text("old")
    os.link(path, tmp_path / "same file")
    with staging(tmp_path) as unfinished:
        write_whole(path, b"new", unfinished)
    assert path.read_text() == "new" and (tmp_path / "same file").read_text() == "old"


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    for folder in path, path / "below":
        with pytest.raises(OSError, match=r"cannot write to .*file"), staging(folder):
            pytest.fail("there is no folder")
    assert path.read_text() == "mine"


def test_idx_is_the_format_that_the_mnists_use():
    values = torch.arange(12).view(2, 3, 2)
    content = to_idx(values)
    assert content.hex() == "00000803" + "000000020000000300000002" + bytes(range(12)).hex()
    assert torch.equal(from_idx(content), values.to(torch.uint8))
    assert torch.equal(
        from_idx(to_idx(values[0, :, 0])), torch.tensor([0, 2, 4], dtype=torch.uint8)
    )
    from_idx(content)[0] = 9  # the reader's own: no warning, and the bytes stay
    assert torch.equal(from_idx(content), values.to(torch.uint8))

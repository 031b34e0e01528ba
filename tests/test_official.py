"""helpers.official: what people have on their disks, a real server on loopback, real processes."""

import ctypes
import errno
import gzip
import io
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from fifty_images import (
    ARCHIVES,
    IMAGES,
    MNIST,
    UNPACKED,
    assert_nothing_broken,
    put,
    raw,
    serving,
    small_world,
    snapshot,
)
from processes import PROCESSES, started

from helpers import official, sketches
from helpers.official import DatasetUnavailable, DownloadFailed, complete, ready_made, search


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    small_world(tmp_path / "home", monkeypatch)
    return tmp_path / "home"


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def mirrors(server, monkeypatch):
    """Take mirrors of this server that behave as their names say."""

    def take(*behaviours):
        monkeypatch.setattr(official, "MIRRORS", tuple(map(server.mirror, behaviours)))

    return take


# Layouts: what people have, judged by content wherever it lies


def level_one(content):
    """The same content packed by somebody else: other bytes, and a name and a time inside."""
    packed = io.BytesIO()
    with gzip.GzipFile("images.bin", "wb", compresslevel=1, fileobj=packed, mtime=1) as file:
        file.write(content)
    return packed.getvalue()


def dotted(name):
    return name.replace("-idx", ".idx")


PACKED_ANEW = {f"{name}.gz": level_one(content) for name, content in UNPACKED.items()}
LAYOUTS = {
    "unpacked": UNPACKED,
    "packed": ARCHIVES,
    "packed anew": PACKED_ANEW,
    "mixed": dict([*UNPACKED.items()][:2] + [*ARCHIVES.items()][2:]),
    "dots in the names": {dotted(name): content for name, content in UNPACKED.items()},
    "dots, packed": {dotted(name): content for name, content in ARCHIVES.items()},
    "other names": {f"{n}.bin": content for n, content in enumerate(UNPACKED.values())},
    "other names, packed": {f"{n}.bin": content for n, content in enumerate(ARCHIVES.values())},
    "unpacked by the browser": {f"{name}.gz": content for name, content in UNPACKED.items()},
    "packed, without the ending": dict(zip(UNPACKED, ARCHIVES.values(), strict=True)),
}


@pytest.mark.parametrize("below", ["", "Übungen [neu]*/fashion mnist/a/b", "FashionMNIST/raw"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_and_unpacked(tmp_path, home, layout, below):
    """Offline, with the right files on the disk, a reader would be told that they are missing."""
    place = tmp_path / "given"
    put(place / below, LAYOUTS[layout])
    before = snapshot(place)
    sources, others = search(place)
    assert sources.keys() == UNPACKED.keys() and others == []
    assert complete(home, sources) == home
    assert snapshot(raw(home)) == UNPACKED
    assert snapshot(place) == before
    in_place = below == "FashionMNIST/raw" and layout == "unpacked"
    assert ready_made(sources) == (place if in_place else None)


@pytest.mark.parametrize("given", ["X/FashionMNIST/raw", "X/FashionMNIST", "X", "."])
@pytest.mark.parametrize("link", [False, True])
def test_torchvisions_layout_is_used_where_it_lies(tmp_path, given, link):
    """The folder raw/ itself, and one level too deep: nothing is copied."""
    place = tmp_path / "place"
    put(raw(place / "X"), UNPACKED | ARCHIVES)
    folder = place / given
    if link:
        link_or_skip(tmp_path / "link", folder)
        folder = tmp_path / "link"
    sources, others = search(folder)
    assert others == []
    assert ready_made(sources).resolve() == (place / "X").resolve()


def link_or_skip(link, target):
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no links")


def test_linked_files_and_folders_that_lead_in_circles(tmp_path):
    store = put(tmp_path / "store", ARCHIVES)
    place = put(tmp_path / "given" / "a" / "b", {}).parent.parent
    link_or_skip(place / "a" / "up", place)
    link_or_skip(place / "a" / "a", place / "a")
    link_or_skip(place / "a" / "nowhere", place / "gone")
    link_or_skip(place / "a" / "itself", place / "a" / "itself")
    for name in ARCHIVES:
        link_or_skip(place / "a" / "b" / name, store / name)
    assert search(place)[0].keys() == UNPACKED.keys()
    (place / "a" / "b" / f"{IMAGES}.gz").unlink()
    put(place, {IMAGES: MNIST[IMAGES]})
    sources, others = search(place)
    assert IMAGES not in sources and others == [place / IMAGES]  # once, not on each way round


@pytest.mark.parametrize("place", ["a/b/c/d/e", ".hidden", "X/sketches/FashionMNIST/raw"])
def test_too_deep_hidden_or_drawn_is_not_found(tmp_path, place):
    """Somebody may name his home folder: the search ends. And the sketches are no damaged files."""
    drawn = {sketches.MANIFEST: b"{}"} if "sketches" in place else {}
    put(tmp_path / "given" / place, UNPACKED | drawn)
    assert search(tmp_path / "given") == ({}, [])


def test_the_search_looks_at_so_many_things_only(tmp_path, monkeypatch):
    given = put(tmp_path / "given", {f"{n}.bin": file for n, file in enumerate(UNPACKED.values())})
    for entries in 2, 4:
        monkeypatch.setattr(official, "ENTRIES", entries)
        assert len(search(given)[0]) == entries


def test_a_crowd_of_pictures_does_not_hide_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(official, "ENTRIES", 20)
    for folder in "a", "b":
        put(tmp_path / folder, {f"{n}.png": b"" for n in range(100)})
    put(tmp_path / "b", ARCHIVES)
    assert search(tmp_path)[0].keys() == UNPACKED.keys()


def test_other_peoples_files_are_not_read(tmp_path, monkeypatch):
    """Whole films, to find out that they are none of the four files."""
    others = {"film.mkv": bytes(10**6), "notes.gz": gzip.compress(b"notes"), "a.txt": b"text"}
    put(tmp_path / "given" / "a", others)
    put(tmp_path / "given" / "b", ARCHIVES)
    read, real = [], official._content
    monkeypatch.setattr(official, "_content", lambda path: read.append(path) or real(path))
    assert search(tmp_path / "given")[0].keys() == UNPACKED.keys()
    assert {path.parent.name for path in read} == {"b"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_of_that_name_is_not_waited_for(tmp_path):
    given = put(tmp_path / "given" / "a", ARCHIVES).parent
    os.mkfifo(given / IMAGES)
    assert search(given)[0].keys() == UNPACKED.keys()


@pytest.mark.parametrize("place", ["nowhere", "file", "file/below"])
def test_a_place_that_is_no_folder_holds_nothing(tmp_path, place):
    put(tmp_path, {"file": UNPACKED[IMAGES]})
    assert search(tmp_path / place) == ({}, [])


# Damage, and MNIST, whose files have the same names and sizes


def truncated(content):
    return content[:-1]


def one_bit_flipped(content):
    return content[:20] + bytes([content[20] ^ 4]) + content[21:]


def other_content(content):
    return b"MNIST, perhaps"


DAMAGES = [truncated, one_bit_flipped, other_content]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [IMAGES, "t10k-labels-idx1-ubyte.gz"])
def test_damage_is_found_and_a_sound_copy_is_taken_instead(tmp_path, damage, name):
    files = ARCHIVES if name.endswith(".gz") else UNPACKED
    place = put(tmp_path / "place", files | {name: damage(files[name])})
    sources, others = search(place)
    assert sources.keys() == UNPACKED.keys() - {name.removesuffix(".gz")}
    assert others == [place / name]
    verdict = official.verdicts(others)
    assert f"{place / name} is damaged or not Fashion-MNIST's" in verdict
    assert official.sha256(place / name) in verdict
    put(place / "copies", PACKED_ANEW)
    sources, others = search(place)
    assert sources.keys() == UNPACKED.keys() and others == []


def test_mnist_is_not_taken_for_it(tmp_path):
    """torchvision puts both below one root."""
    place = tmp_path / "datasets"
    put(place / "MNIST" / "raw", MNIST | {f"{n}.gz": gzip.compress(c) for n, c in MNIST.items()})
    sources, others = search(place)
    assert sources == {} and len(others) == 8
    put(place / "later" / "found", PACKED_ANEW)
    sources, others = search(place)
    assert sources.keys() == UNPACKED.keys() and others == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_home_heals_from_its_archive(home, damage):
    put(raw(home), UNPACKED | ARCHIVES)
    put(raw(home), {IMAGES: damage(UNPACKED[IMAGES])})
    assert complete(home, {}) == home
    assert_nothing_broken(home)


def test_the_home_heals_by_download(home, server, mirrors):
    mirrors("good")
    put(raw(home), UNPACKED | ARCHIVES)
    put(raw(home), {IMAGES: b"", f"{IMAGES}.gz": one_bit_flipped(ARCHIVES[f"{IMAGES}.gz"])})
    complete(home, {})
    assert_nothing_broken(home)
    assert server.requests == [f"good/{IMAGES}.gz"]


@pytest.mark.parametrize("broken", ["FashionMNIST", "FashionMNIST/raw"])
def test_a_file_in_place_of_a_folder_is_named_and_left_alone(home, mirrors, broken):
    mirrors("good")
    put((home / broken).parent, {Path(broken).name: b"mine"})
    with pytest.raises(OSError, match=r"cannot write to .*raw: pass a writable folder as root"):
        complete(home, {})
    assert (home / broken).read_bytes() == b"mine"


# Downloading


def test_download(home, server, mirrors, capfd):
    mirrors("good")
    assert complete(home, {}) == complete(home, {}) == home
    assert snapshot(raw(home)) == UNPACKED | ARCHIVES
    assert len(server.requests) == 4
    assert capfd.readouterr() == ("", "")


FAULTS = {
    "unavailable": "HTTP 503",
    "cut": "",
    "short": "other content",
    "empty": "other content",
    "html": "other content",
    "flipped": "other content",
    "hang": "Timeout",
    "stall": "",
    "trickle": "not complete after",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_leaves_nothing_broken_and_the_next_call_heals(
    home, server, mirrors, fault, monkeypatch
):
    mirrors(fault)
    said = rf"did not download \(127\.0\.0\.1:\d+: .*{FAULTS[fault]}"
    with monkeypatch.context() as impatient:
        if fault in ("hang", "stall"):
            impatient.setattr(official, "TIMEOUT", 0.3)
        if fault == "trickle":
            impatient.setattr(official, "PATIENCE", 0.1)
        with pytest.raises(DownloadFailed, match=said):
            complete(home, {})
    assert len(server.requests) == 1, "the other files were asked for as well"
    assert_nothing_broken(home)
    mirrors("good")
    complete(home, {})
    assert snapshot(raw(home)) == UNPACKED | ARCHIVES


def test_a_bad_mirror_is_left_for_good(home, server, mirrors):
    mirrors("unavailable", "labels_only", "good")
    complete(home, {})
    behaviours = [request.split("/")[0] for request in server.requests]
    assert behaviours == ["unavailable", "labels_only", "good", "good", "good", "good"]
    assert_nothing_broken(home)


def test_what_one_mirror_has_delivered_is_not_asked_of_the_next(home, server, mirrors):
    put(raw(home), {"t10k-images-idx3-ubyte": UNPACKED["t10k-images-idx3-ubyte"]})
    mirrors("labels_only", "good")
    complete(home, {})
    assert server.requests == [
        "labels_only/t10k-labels-idx1-ubyte.gz",
        f"labels_only/{IMAGES}.gz",
        f"good/{IMAGES}.gz",
        "good/train-labels-idx1-ubyte.gz",
    ]
    assert_nothing_broken(home)


def test_all_reasons_are_given(home, server, monkeypatch):
    with socket.socket() as probe:  # a port of this machine where nobody listens
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    mirrors = dead, server.mirror("unavailable"), server.mirror("html")
    monkeypatch.setattr(official, "MIRRORS", mirrors)
    put(home, {IMAGES: MNIST[IMAGES]})
    said = r"ConnectionError; .*HTTP 503; .*other content.*; .*is damaged"
    with pytest.raises(DownloadFailed, match=said):
        complete(home, {})


# Several processes


def fetch(home, mirror, begin=None, without_locks=False):
    """In a process of its own: download, at the same time as another if asked to."""
    with pytest.MonkeyPatch.context() as patch:
        small_world(home, patch, mirrors=(mirror,), timeout=300)
        if without_locks:
            import fcntl

            patch.setattr(fcntl, "flock", no_locks)
        if begin is not None:
            begin.wait(300)
        complete(home, {})


def no_locks(descriptor, operation):
    raise OSError(errno.ENOLCK, "No locks available")


def fetch_twice_at_once(home, mirror, without_locks=False):
    begin = PROCESSES.Barrier(2)
    outputs = [home.parent / name for name in ("first", "second")]
    both = [started(fetch, home, mirror, begin, without_locks, output=path) for path in outputs]
    for process, path in zip(both, outputs, strict=True):
        process.join(300)
        assert process.exitcode == 0, Path(f"{path}.err").read_text()
    assert snapshot(raw(home)) == UNPACKED | ARCHIVES


def test_two_processes_fetch_each_archive_once(home, server):
    fetch_twice_at_once(home, server.mirror("slow"))
    assert sorted(server.requests) == sorted(f"slow/{name}" for name in ARCHIVES)


@pytest.mark.skipif(os.name != "posix", reason="the system call is fcntl.flock")
def test_two_processes_without_locks_do_not_disturb_each_other(home, server):
    """On a network file system that knows no locks, each fetches all of it."""
    fetch_twice_at_once(home, server.mirror("for_two"), without_locks=True)
    assert sorted(server.requests) == sorted(f"for_two/{name}" for name in 2 * [*ARCHIVES])


def test_a_process_killed_in_mid_download_does_no_harm(home, server, mirrors):
    process = started(fetch, home, server.mirror("stall"), output=home.parent / "killed")
    assert server.stalled.wait(300)
    process.kill()
    process.join(60)
    assert [file for left in raw(home).glob(".unfinished*") for file in left.iterdir()]
    mirrors("good")
    complete(home, {})
    assert snapshot(raw(home)) == UNPACKED | ARCHIVES


# A disk that takes no more

NOT_HERE = 77  # the exit code of a process that may not mount anything


def mount_small_disk(folder):
    """In a name space of this process's own: a file system of 64 KiB."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    new_mounts, new_users = 0x00020000, 0x10000000
    try:
        if libc.unshare(new_mounts | new_users) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=64k") != 0:
            raise OSError(ctypes.get_errno(), "mount")
    except OSError:
        sys.exit(NOT_HERE)


def fetch_to_a_full_disk(home, mirror):
    mount_small_disk(home)
    for free in (12, 36):  # KiB: too few for the first archive, and for all that is unpacked
        (home / "filler").write_bytes(bytes((64 - free) * 1024))
        said = re.escape(f"[Errno 28] cannot write to {raw(home)}: make room there")
        with pytest.raises(OSError, match=said) as caught:
            fetch(home, mirror)
        assert not isinstance(caught.value, DatasetUnavailable)
        assert bool([*raw(home).glob("*.gz")]) == (free == 36)
        assert_nothing_broken(home)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs and name spaces are Linux's")
def test_a_full_disk_is_told_as_one(home, server):
    """As a dead mirror, a reader would train on the sketches for hours and not know why."""
    home.mkdir()
    output = home.parent / "full"
    process = started(fetch_to_a_full_disk, home, server.mirror("good"), output=output)
    process.join(300)
    if process.exitcode == NOT_HERE:
        pytest.skip("this system lets nobody mount a small file system")
    assert process.exitcode == 0, Path(f"{output}.err").read_text()
    assert list(home.iterdir()) == [], "nothing was mounted"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_disk_is_no_dead_mirror(home, server, mirrors, monkeypatch, number):
    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(number, os.strerror(number))

    def opened(path, mode="r", *arguments, **settings):
        return Full() if mode == "w+b" else real(path, mode, *arguments, **settings)

    real = open
    mirrors("good", "good")
    monkeypatch.setattr("builtins.open", opened)  # pooch's way to write
    with pytest.raises(OSError, match=r"cannot write to .*raw: ") as caught:
        complete(home, {})
    assert caught.value.errno == number and os.strerror(number) in str(caught.value)
    assert len(server.requests) == 1

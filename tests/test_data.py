"""helpers.data: real files, a real server on loopback, real processes."""

import contextlib
import ctypes
import errno
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any

import pooch
import pytest
import torch

from helpers import data, sketches
from helpers.batches import BatchLoader
from helpers.data import DatasetUnavailable, fashion_mnist

TRAIN, TEST = 30, 20
REAL_FILES, DEFAULT_HOME = data.FILES, data._default_home
OFFICIAL = os.environ.get("FASHION_MNIST_DIR")  # before the fixture below hides it


# A data set of our own: Fashion-MNIST's file names and format, fifty images


def idx(values: torch.Tensor) -> bytes:
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    return header + values.numpy().tobytes()


def make_files() -> dict[str, bytes]:
    generator = torch.Generator().manual_seed(0)
    files = {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images = torch.randint(256, (count, 28, 28), dtype=torch.uint8, generator=generator)
        files[f"{part}-images-idx3-ubyte"] = idx(images)
        files[f"{part}-labels-idx1-ubyte"] = idx((torch.arange(count) % 10).to(torch.uint8))
    return files


UNPACKED = make_files()
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in UNPACKED.items()}
TABLE = {
    name: (
        hashlib.sha256(ARCHIVES[f"{name}.gz"]).hexdigest(),
        hashlib.sha256(content).hexdigest(),
        len(content),
    )
    for name, content in UNPACKED.items()
}
IMAGES = "train-images-idx3-ubyte"


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def raw(place: Path) -> Path:
    return place / "FashionMNIST" / "raw"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def assert_nothing_broken(home: Path) -> None:
    """Only whole files, and no other file or folder but the lock."""
    for path in raw(home).iterdir():
        if path.name != ".lock":
            assert path.read_bytes() == (UNPACKED | ARCHIVES)[path.name]


def assert_loaded(loaders: tuple[BatchLoader, BatchLoader], source: str = "fashion-mnist") -> None:
    train, test = loaders
    assert (train.source, test.source) == (source, source)
    assert (train.num_samples, test.num_samples) == (TRAIN, TEST)
    assert idx(test.images.squeeze(1)) == UNPACKED["t10k-images-idx3-ubyte"]


# A server: the first part of the path says how it behaves


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        _, behaviour, name = self.path.split("/")
        self.server.requests.append(f"{behaviour}/{name}")
        with contextlib.suppress(ConnectionError):
            getattr(self, behaviour)(ARCHIVES[name])

    def answer(self, body: bytes, length: int | None = None, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def good(self, body: bytes) -> None:
        self.answer(body)

    def slow(self, body: bytes) -> None:
        """Late enough for two processes to be at it at once."""
        self.server.released.wait(0.2)
        self.answer(body)

    def for_two(self, body: bytes) -> None:
        """Not before another process asks for the same file."""
        self.server.both_ask.wait(300)
        self.answer(body)

    def unavailable(self, body: bytes) -> None:
        self.answer(b"come back later", status=503)

    def cut(self, body: bytes) -> None:
        self.answer(body[: len(body) // 2], length=len(body))

    def short(self, body: bytes) -> None:
        self.answer(body[: len(body) // 2])

    def empty(self, body: bytes) -> None:
        self.answer(b"")

    def html(self, body: bytes) -> None:
        self.answer(b"<html>Please log in to the hotel's network</html>")

    def flipped(self, body: bytes) -> None:
        self.answer(body[:-1] + bytes([body[-1] ^ 1]))

    def hang(self, body: bytes) -> None:
        self.server.released.wait(60)

    def stall(self, body: bytes) -> None:
        """Half of the body, then silence."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.server.stalled.set()
        self.server.released.wait(60)

    def trickle(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**9))
        self.end_headers()
        while not self.server.released.wait(0.01):
            self.wfile.write(bytes(1024))

    def log_message(self, format: str, *args: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.stalled, self.released = threading.Event(), threading.Event()
        self.both_ask = threading.Barrier(2)

    def mirror(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def dead_mirror() -> str:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default home of these tests: nothing here touches the repository's data/."""
    home = tmp_path / "home"
    monkeypatch.setattr(data, "_default_home", lambda: home)
    return home


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch, home: Path, dead_mirror: str) -> None:
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "FILES", TABLE)
    monkeypatch.setattr(data, "MIRRORS", (dead_mirror,))
    monkeypatch.setattr(data, "TIMEOUT", (0.5, 60))
    monkeypatch.setattr(sketches, "PER_CLASS", {True: 6, False: 2})  # drawn in no time


# BatchLoader


def tensors(count: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that carry their own number, and labels equal to it."""
    numbers = torch.arange(count)
    return numbers.to(torch.uint8).view(-1, 1, 1).repeat(1, 28, 28), numbers


def order_of(loader: BatchLoader) -> list[int]:
    return torch.cat([labels for _, labels in loader]).tolist()


def test_batches_are_the_images_divided_by_255() -> None:
    images = torch.arange(4 * 784).remainder(256).to(torch.uint8).view(4, 28, 28)
    loader = BatchLoader(images, torch.tensor([3, 1, 2, 0]), 3)
    batches = list(loader)
    assert [tuple(batch.shape) for batch, _ in batches] == [(3, 1, 28, 28), (1, 1, 28, 28)]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), images.unsqueeze(1) / 255)
    assert torch.cat([labels for _, labels in batches]).tolist() == [3, 1, 2, 0]
    assert batches[0][0].dtype == torch.float32
    assert batches[0][1].dtype == torch.int64
    assert len(loader) == len(batches) == 2


@pytest.mark.parametrize(("count", "batch_size", "length"), [(10, 5, 2), (10, 4, 3), (3, 256, 1)])
def test_length_counts_the_short_last_batch(count: int, batch_size: int, length: int) -> None:
    loader = BatchLoader(*tensors(count), batch_size)
    assert len(loader) == len(list(loader)) == length


def test_attributes_and_repr() -> None:
    loader = BatchLoader(*tensors(), 4)
    assert (loader.num_samples, loader.num_classes, loader.batch_size) == (10, 10, 4)
    assert loader.source == "tensors"
    assert loader.images.shape == (10, 1, 28, 28)
    assert loader.images.dtype == torch.uint8
    assert repr(loader) == (
        "BatchLoader(10 images of 28x28, 10 classes, batch_size=4, shuffle=False, seed=0, "
        "source='tensors', device='cpu')"
    )


def test_four_dimensions_and_other_sizes() -> None:
    images = torch.zeros(2, 1, 32, 20, dtype=torch.uint8)
    batch, _ = next(iter(BatchLoader(images, torch.zeros(2, dtype=torch.int64), 2)))
    assert batch.shape == (2, 1, 32, 20)


def test_an_epoch_visits_every_sample_once_and_keeps_the_labels() -> None:
    loader = BatchLoader(*tensors(100), 7, shuffle=True)
    for _ in range(3):
        seen = []
        for images, labels in loader:
            assert torch.equal((images[:, 0, 5, 5] * 255).round().long(), labels)
            seen += labels.tolist()
        assert sorted(seen) == list(range(100))


def test_orders_differ_between_epochs_and_seeds() -> None:
    loaders = [BatchLoader(*tensors(100), 10, shuffle=True, seed=seed) for seed in range(3)]
    orders = [tuple(order_of(loader)) for loader in loaders for _ in range(3)]
    assert len(set(orders)) == 9
    assert tuple(range(100)) not in orders


def test_the_same_seed_gives_the_same_orders() -> None:
    first, second = (BatchLoader(*tensors(100), 10, shuffle=True, seed=5) for _ in range(2))
    assert [order_of(first) for _ in range(3)] == [order_of(second) for _ in range(3)]


def test_without_shuffle_the_order_stays() -> None:
    loader = BatchLoader(*tensors(), 3)
    assert order_of(loader) == order_of(loader) == list(range(10))


def test_state_dict_brings_the_order_back() -> None:
    loader = BatchLoader(*tensors(100), 10, shuffle=True, seed=4)
    order_of(loader)
    state = json.loads(json.dumps(loader.state_dict()))
    assert state == {"seed": 4, "epoch": 1}
    expected = [order_of(loader) for _ in range(2)]
    resumed = BatchLoader(*tensors(100), 10, shuffle=True)
    resumed.load_state_dict(state)
    assert [order_of(resumed) for _ in range(2)] == expected


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"seed": 1},
        {"seed": 1, "epoch": 2, "more": 3},
        {"seed": 1, "epoch": -1},
        {"seed": 1.5, "epoch": 0},
        {"seed": True, "epoch": 0},
    ],
)
def test_a_bad_state_changes_nothing(state: object) -> None:
    loader = BatchLoader(*tensors(), 3, seed=8)
    with pytest.raises((TypeError, ValueError), match="state"):
        loader.load_state_dict(state)
    assert loader.state_dict() == {"seed": 8, "epoch": 0}


def test_two_iterators_do_not_disturb_each_other() -> None:
    loader = BatchLoader(*tensors(100), 10, shuffle=True, seed=1)
    alone = BatchLoader(*tensors(100), 10, shuffle=True, seed=1)
    pairs = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    first, second = (
        [i for batch in batches for i in batch] for batches in zip(*pairs, strict=True)
    )
    assert (first, second) == (order_of(alone), order_of(alone))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(BatchLoader(*tensors(), 3, shuffle=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_changing_a_batch_does_not_change_the_data() -> None:
    for shuffle in (False, True):
        loader = BatchLoader(*tensors(), 10, shuffle=shuffle)
        images, labels = next(iter(loader))
        images.zero_()
        labels.zero_()
        assert torch.equal(loader.labels, tensors()[1])
        assert torch.equal(loader.images.squeeze(1), tensors()[0])


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "8", None])
def test_bad_batch_size(batch_size: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^batch_size must be .*got"):
        BatchLoader(*tensors(), batch_size)
    with pytest.raises((TypeError, ValueError), match=r"^batch_size must be .*got"):
        fashion_mnist(batch_size)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_bad_seed(seed: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^seed must be .*got"):
        BatchLoader(*tensors(), 2, seed=seed)


GOOD_IMAGES, GOOD_LABELS = tensors(4)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (GOOD_IMAGES.tolist(), GOOD_LABELS, TypeError, "images must be a tensor, got list"),
        (GOOD_IMAGES.float(), GOOD_LABELS, TypeError, "images must be of dtype torch.uint8"),
        (GOOD_IMAGES[0], GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES.view(2, 2, 28, 28), GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES[:0], GOOD_LABELS[:0], ValueError, "images must hold at least one"),
        (GOOD_IMAGES, GOOD_LABELS.tolist(), TypeError, "labels must be a tensor, got list"),
        (GOOD_IMAGES, GOOD_LABELS.float(), TypeError, "labels must be of dtype torch.int64"),
        (GOOD_IMAGES, GOOD_LABELS[:3], ValueError, "labels must be of shape"),
        (GOOD_IMAGES, torch.eye(4).long(), ValueError, "labels must be of shape"),
        (GOOD_IMAGES, GOOD_LABELS - 1, ValueError, "labels must be 0 or more, got -1"),
        (GOOD_IMAGES, GOOD_LABELS.to("meta"), ValueError, "labels must be on cpu"),
    ],
)
def test_bad_tensors(images: object, labels: object, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        BatchLoader(images, labels, 2)


# Files that are there already


def test_archives_in_the_home_are_unpacked(home: Path) -> None:
    put(home, ARCHIVES)
    assert_loaded(fashion_mnist(8, source="fashion-mnist"))
    assert_loaded(fashion_mnist(8))
    assert_nothing_broken(home)


def test_only_the_training_loader_shuffles(home: Path) -> None:
    put(home, ARCHIVES)
    train, test = fashion_mnist(8, seed=3)
    assert (train.shuffle, test.shuffle) == (True, False)
    assert train.state_dict() == {"seed": 3, "epoch": 0}
    assert order_of(test) == [i % 10 for i in range(TEST)]


def test_root_with_archives_is_unpacked_there(tmp_path: Path, home: Path) -> None:
    root = put(tmp_path / "mine", ARCHIVES)
    assert_loaded(fashion_mnist(8, root=str(root)))
    assert_nothing_broken(root)
    assert not home.exists()


def test_variable_with_archives_is_only_read(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(tmp_path / "given", ARCHIVES)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    assert_loaded(fashion_mnist(8))
    assert_loaded(fashion_mnist(8))
    assert snapshot(place) == ARCHIVES
    assert_nothing_broken(home)


@pytest.mark.parametrize("beside", [{}, ARCHIVES])
def test_variable_with_torchvisions_layout_is_used_in_place(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, beside: dict[str, bytes]
) -> None:
    place = tmp_path / "given"
    put(raw(place), UNPACKED | beside)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    before = snapshot(place)
    assert_loaded(fashion_mnist(8))
    assert snapshot(place) == before
    assert not home.exists()


def test_root_goes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "nowhere"))
    assert_loaded(fashion_mnist(8, root=put(tmp_path / "mine", ARCHIVES)))


@pytest.mark.parametrize("source", ["auto", "fashion-mnist"])
def test_variable_that_points_to_nothing_is_loud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "typo"))
    with pytest.raises(DatasetUnavailable, match=r"FASHION_MNIST_DIR.*typo.*t10k-labels") as caught:
        fashion_mnist(8, source=source)
    assert all(name in str(caught.value) for name in ARCHIVES)


def test_variable_that_lacks_one_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(tmp_path / "given", ARCHIVES)
    (place / f"{IMAGES}.gz").unlink()
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    with pytest.raises(DatasetUnavailable, match=rf"lacks {IMAGES}\.gz:"):
        fashion_mnist(8)


def test_an_empty_variable_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", "")
    put(home, ARCHIVES)
    assert_loaded(fashion_mnist(8))


def test_what_an_old_torchvision_left_is_not_read(home: Path) -> None:
    put(home, ARCHIVES)
    put(home / "FashionMNIST" / "processed", {"training.pt": b"", "test.pt": b""})
    with pytest.raises(DatasetUnavailable, match="processed"):
        fashion_mnist(8)


@pytest.mark.parametrize("source", ["sketch", "", None, "Fashion-MNIST"])
def test_unknown_source(source: object) -> None:
    with pytest.raises(ValueError, match="'auto', 'fashion-mnist', 'sketches'"):
        fashion_mnist(8, source=source)


# Layouts: what people have, judged by content wherever it lies


def level_one(content: bytes) -> bytes:
    """The same content packed by somebody else: other bytes, and a name and a time inside."""
    packed = io.BytesIO()
    with gzip.GzipFile("images.bin", "wb", compresslevel=1, fileobj=packed, mtime=1) as file:
        file.write(content)
    return packed.getvalue()


def dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


PACKED_ANEW = {f"{name}.gz": level_one(content) for name, content in UNPACKED.items()}
MNIST = {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in UNPACKED.items()}
FLAT = {
    "unpacked": UNPACKED,
    "packed anew": PACKED_ANEW,
    "mixed": dict([*UNPACKED.items()][:2] + [*ARCHIVES.items()][2:]),
    "dots in the names": {dotted(name): content for name, content in (UNPACKED).items()},
    "dots, packed": {dotted(name): content for name, content in ARCHIVES.items()},
    "other names": {f"{n}.bin": content for n, content in enumerate(UNPACKED.values())},
    "other names, packed": {f"{n}.bin": content for n, content in enumerate(ARCHIVES.values())},
    "unpacked by the browser": {f"{name}.gz": content for name, content in UNPACKED.items()},
    "packed, without the ending": dict(zip(UNPACKED, ARCHIVES.values(), strict=True)),
}


def load_from(
    place: Path, named_by: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[BatchLoader, BatchLoader]:
    if named_by == "variable":
        monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    return fashion_mnist(8, root=place if named_by == "root" else None, source="fashion-mnist")


NAMED_BY = pytest.mark.parametrize("named_by", ["root", "variable"])


@NAMED_BY
@pytest.mark.parametrize("layout", FLAT)
@pytest.mark.parametrize("below", ["", "Übungen (neu)/fashion mnist/a/b"])
def test_every_layout_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    layout: str,
    below: str,
    named_by: str,
) -> None:
    """Offline, with the right files on the disk, a reader would be told that they are missing."""
    place = tmp_path / "given"
    put(place / below, FLAT[layout])
    before = snapshot(place)
    assert_loaded(load_from(place, named_by, monkeypatch))
    if named_by == "variable":
        assert snapshot(place) == before
        assert_nothing_broken(home)
    else:
        assert snapshot(place).items() >= before.items()
        assert_nothing_broken(place)
        assert not home.exists()


@NAMED_BY
@pytest.mark.parametrize("given", ["X/FashionMNIST/raw", "X/FashionMNIST", "X", "."])
@pytest.mark.parametrize("link", [False, True])
def test_torchvisions_layout_is_used_where_it_lies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    given: str,
    link: bool,
    named_by: str,
) -> None:
    """The folder raw/ itself, and one level too deep: nothing is copied."""
    place = tmp_path / "place"
    put(raw(place / "X"), UNPACKED | ARCHIVES)
    folder = place / given
    if link:
        folder = tmp_path / "link"
        link_or_skip(folder, place / given)
    before = snapshot(place)
    assert_loaded(load_from(folder, named_by, monkeypatch))
    assert snapshot(place) == before
    assert not home.exists()


def link_or_skip(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no links")


@NAMED_BY
def test_linked_files_and_folders_that_lead_in_circles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, named_by: str
) -> None:
    store = put(tmp_path / "store", ARCHIVES)
    place = put(tmp_path / "given" / "a" / "b", {}).parent.parent
    for name in ARCHIVES:
        link_or_skip(place / "a" / "b" / name, store / name)
    link_or_skip(place / "a" / "up", place)
    link_or_skip(place / "a" / "a", place / "a")
    link_or_skip(place / "a" / "nowhere", place / "gone")
    link_or_skip(place / "a" / "itself", place / "a" / "itself")
    assert_loaded(load_from(place, named_by, monkeypatch))
    assert snapshot(store) == ARCHIVES


def test_mnist_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """MNIST's files have the same names and sizes; torchvision puts both below one root."""
    place = tmp_path / "datasets"
    put(place / "MNIST" / "raw", MNIST | {f"{n}.gz": gzip.compress(c) for n, c in MNIST.items()})
    put(place / "later" / "found", PACKED_ANEW)
    assert_loaded(load_from(place, "variable", monkeypatch))
    shutil.rmtree(place / "later")
    with pytest.raises(DatasetUnavailable) as caught:
        load_from(place, "variable", monkeypatch)
    for name in UNPACKED:
        assert f"{place / 'MNIST' / 'raw' / name} is damaged or not Fashion-MNIST's" in str(
            caught.value
        )


def test_mnist_below_root_does_not_keep_it_from_downloading(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "datasets"
    put(root / "MNIST" / "raw", MNIST)
    found = rf"did not download .*{IMAGES} is damaged or not Fashion-MNIST's"
    with pytest.raises(DatasetUnavailable, match=found):
        fashion_mnist(8, root=root, source="fashion-mnist")
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist(8, root=root))
    assert snapshot(root / "MNIST" / "raw") == MNIST


@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
@pytest.mark.parametrize("files", [MNIST, {dotted(name): c for name, c in MNIST.items()}])
def test_mnist_in_the_place_of_it_is_loud(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, place: str, files: dict
) -> None:
    """It was meant, and would be written over."""
    put(tmp_path / "given" / place, files)
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    with pytest.raises(DatasetUnavailable, match=r"not Fashion-MNIST's.*; delete or replace"):
        fashion_mnist(8, root=tmp_path / "given")
    assert server.requests == []
    assert snapshot(tmp_path / "given" / place) == files


def test_mnist_in_the_place_of_it_is_not_written_over(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "given"
    put(raw(root), MNIST | FLAT["other names"])
    before = snapshot(root)
    assert_loaded(fashion_mnist(8, root=root))
    assert snapshot(root) == before
    assert_nothing_broken(home)


@pytest.mark.parametrize("place", ["a/b/c/d/e", ".hidden", "X/sketches/FashionMNIST/raw"])
def test_too_deep_hidden_or_drawn_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Somebody may name his home folder: the search ends."""
    drawn = {sketches.MANIFEST: b"{}"} if "sketches" in place else {}
    put(tmp_path / "given" / place, UNPACKED | drawn)
    with pytest.raises(DatasetUnavailable, match="lacks"):
        load_from(tmp_path / "given", "variable", monkeypatch)


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_a_convolution_makes_of_a_batch_can_be_viewed(shuffle: bool) -> None:
    """As in a first LeNet: `x.view(len(x), -1)`, which a layout with channels last refuses."""
    pictures, labels = torch.zeros(6, 28, 28, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64)
    for images, _ in data.BatchLoader(pictures, labels, 4, shuffle=shuffle):
        maps = torch.nn.functional.conv2d(images, torch.zeros(3, 1, 5, 5))
        assert maps.view(len(maps), -1).shape == (len(images), 3 * 24 * 24)


def test_the_search_looks_at_so_many_things_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in "abc":
        put(tmp_path / "given" / folder, {str(n): b"" for n in range(10)})
    put(tmp_path / "given" / "d", ARCHIVES)
    monkeypatch.setattr(data, "ENTRIES", 20)
    with pytest.raises(DatasetUnavailable, match="lacks"):
        load_from(tmp_path / "given", "variable", monkeypatch)
    monkeypatch.setattr(data, "ENTRIES", 50)
    assert_loaded(load_from(tmp_path / "given", "variable", monkeypatch))


@pytest.mark.parametrize("folder", ["beside", "pictures"])
def test_a_crowd_of_pictures_does_not_hide_the_files(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "ENTRIES", 60)
    monkeypatch.setattr(data, "CROWD", 20)
    put(tmp_path / "given" / "pictures", {f"{n}.png": b"" for n in range(100)})
    put(tmp_path / "given" / folder, ARCHIVES)
    assert_loaded(load_from(tmp_path / "given", "variable", monkeypatch))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the working directory")
def test_a_relative_path_in_a_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(NotADirectoryError, match=r"root must be an absolute path, got data"):
        data.locate("data")
    monkeypatch.setattr(data, "_checkout", lambda: None)
    monkeypatch.setenv("FASHION_MNIST_DIR", "data")
    with pytest.raises(DatasetUnavailable, match="set it to an absolute path"):
        data.locate()


def test_other_peoples_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole films, to find out that they are none of the four files."""
    given, read, real = tmp_path / "given", [], data._sha256
    others = {"film.mkv": bytes(10**6), "notes.gz": gzip.compress(b"notes"), "a.txt": b"text"}
    other_size = gzip.compress(UNPACKED[IMAGES][:-1])  # packed, and as large as a file of the set
    put(given / "a", others | {"photos.tar.gz": other_size})
    put(given / "b", ARCHIVES)
    monkeypatch.setattr(data, "_sha256", lambda path: read.append(path) or real(path))
    assert_loaded(load_from(given, "variable", monkeypatch))
    assert {path for path in read if path.parent == given / "a"} == set()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_of_that_name_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put(tmp_path / "given" / "a", ARCHIVES).parent
    os.mkfifo(given / IMAGES)
    assert_loaded(load_from(given, "variable", monkeypatch))


def test_what_is_there_and_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(tmp_path / "given", {"t10k.bin": UNPACKED["t10k-images-idx3-ubyte"]})
    put(place, {"program.exe": MNIST[IMAGES]})  # of the same size by chance
    said = rf"has {re.escape(str(place / 't10k.bin'))} but lacks {IMAGES}\.gz, train-labels"
    with pytest.raises(DatasetUnavailable, match=said) as caught:
        load_from(place, "variable", monkeypatch)
    assert "program.exe" not in str(caught.value)


# What the variable means


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder notebooks/, which is where Jupyter starts the kernel."""
    project = put(tmp_path / "project", {"pyproject.toml": b""})
    monkeypatch.setattr(data, "__file__", str(project / "helpers" / "data.py"))
    monkeypatch.chdir(put(project / "notebooks", {}))
    return project


@pytest.mark.parametrize("where", ["fashion", "notebooks/fashion"])
def test_a_relative_variable_is_found_from_the_notebooks_or_from_the_root(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    put(checkout / where, ARCHIVES)
    monkeypatch.setenv("FASHION_MNIST_DIR", "fashion")
    assert_loaded(fashion_mnist(8))


def test_a_relative_variable_goes_by_the_working_directory_first(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(checkout / "fashion", ARCHIVES)
    put(checkout / "notebooks" / "fashion", MNIST)
    monkeypatch.setenv("FASHION_MNIST_DIR", "fashion")
    with pytest.raises(DatasetUnavailable, match=r"notebooks.fashion, as seen from .*notebooks\)"):
        fashion_mnist(8)


def test_a_relative_variable_that_leads_nowhere_says_where_that_is(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", os.path.join("..", "typo"))
    here, there = checkout / "notebooks", checkout / "typo"
    said = rf"set to \.\..typo \({re.escape(f'{there}, as seen from {here}')}\), which is not"
    with pytest.raises(DatasetUnavailable, match=said):
        fashion_mnist(8)


def test_a_tilde_in_the_variable_is_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "USERPROFILE"):  # of Linux and macOS, and of Windows
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("FASHION_MNIST_DIR", "~/fashion")
    expected = re.escape(str(tmp_path / "fashion").replace(os.sep, "/"))
    with pytest.raises(DatasetUnavailable) as caught:
        fashion_mnist(8)
    assert re.search(
        rf"set to ~/fashion \({expected}\), which", str(caught.value).replace(os.sep, "/")
    )
    put(tmp_path / "fashion", ARCHIVES)
    assert_loaded(fashion_mnist(8))


# Damage


def truncated(content: bytes) -> bytes:
    return content[:-1]


def one_bit_flipped(content: bytes) -> bytes:
    return content[:20] + bytes([content[20] ^ 4]) + content[21:]


def other_content(content: bytes) -> bytes:
    return b"MNIST, perhaps"


DAMAGES = [truncated, one_bit_flipped, other_content]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [IMAGES, "t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("source", ["auto", "fashion-mnist"])
@pytest.mark.parametrize("named_by", ["root", "variable"])
def test_damage_in_the_users_folder_is_loud_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage, name: str, source: str, named_by: str
) -> None:
    place = tmp_path / "mine"
    put(raw(place), ARCHIVES if name.endswith(".gz") else UNPACKED)
    path = raw(place) / name
    path.write_bytes(damage(path.read_bytes()))
    before = snapshot(place)
    root = place if named_by == "root" else None
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    with pytest.raises(DatasetUnavailable, match=rf"{name} is damaged.*expected") as caught:
        fashion_mnist(8, root=root, source=source)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(caught.value)
    assert snapshot(place) == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [IMAGES, "t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("named_by", ["root", "variable"])
def test_a_sound_copy_beside_the_damaged_one_is_taken(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, damage, name: str, named_by: str
) -> None:
    """And the damaged one, which may be somebody's MNIST, is not written over."""
    place = tmp_path / "mine"
    put(raw(place), UNPACKED | ARCHIVES)
    path = raw(place) / name
    path.write_bytes(damage(path.read_bytes()))
    before = snapshot(place)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    assert_loaded(fashion_mnist(8, root=place if named_by == "root" else None))
    assert snapshot(place) == before
    if home.exists():
        assert_nothing_broken(home)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_archive_in_the_users_folder(tmp_path: Path, damage) -> None:
    root = put(tmp_path / "mine", ARCHIVES)
    (root / f"{IMAGES}.gz").write_bytes(damage(ARCHIVES[f"{IMAGES}.gz"]))
    before = snapshot(root)
    with pytest.raises(DatasetUnavailable, match=rf"{IMAGES}\.gz is damaged"):
        fashion_mnist(8, root=root)
    assert snapshot(root) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_home_heals_from_its_archive(home: Path, damage) -> None:
    put(raw(home), ARCHIVES)
    fashion_mnist(8)
    path = raw(home) / IMAGES
    path.write_bytes(damage(path.read_bytes()))
    assert_loaded(fashion_mnist(8))
    assert_nothing_broken(home)


def test_the_home_heals_by_download(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    put(raw(home), UNPACKED | ARCHIVES)
    put(raw(home), {IMAGES: b"", f"{IMAGES}.gz": one_bit_flipped(ARCHIVES[f"{IMAGES}.gz"])})
    assert_loaded(fashion_mnist(8))
    assert_nothing_broken(home)
    assert server.requests == [f"good/{IMAGES}.gz"]


# Downloading


def test_download(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist(8))
    assert_loaded(fashion_mnist(8))
    assert snapshot(raw(home)) == UNPACKED | ARCHIVES
    assert len(server.requests) == 4
    assert capfd.readouterr() == ("", "")


def test_download_into_root(
    tmp_path: Path, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist(8, root=tmp_path / "new" / "folder"))
    assert snapshot(raw(tmp_path / "new" / "folder")) == UNPACKED | ARCHIVES
    assert not home.exists()


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


@contextlib.contextmanager
def impatience(fault: str) -> Iterator[None]:
    """Short limits, but only for a mirror that would use up long ones."""
    with pytest.MonkeyPatch.context() as patch:
        if fault in ("hang", "stall"):
            patch.setattr(data, "TIMEOUT", 0.5)
        if fault == "trickle":
            patch.setattr(data, "PATIENCE", 0.3)
        yield


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_leaves_nothing_broken_and_the_next_call_heals(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(data, "MIRRORS", (server.mirror(fault),))
    with (
        impatience(fault),
        pytest.raises(DatasetUnavailable, match=rf"127\.0\.0\.1:\d+: .*{FAULTS[fault]}"),
    ):
        fashion_mnist(8, source="fashion-mnist")
    assert len(server.requests) == 1, "the other files were asked for as well"
    assert_nothing_broken(home)
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist(8, source="fashion-mnist"))
    assert_nothing_broken(home)


def test_a_bad_mirror_is_passed_over_and_then_asked_last(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = server.mirror("unavailable"), server.mirror("html"), server.mirror("good")
    monkeypatch.setattr(data, "MIRRORS", mirrors)
    assert_loaded(fashion_mnist(8, source="fashion-mnist"))
    behaviours = [request.split("/")[0] for request in server.requests]
    assert behaviours == ["unavailable", "html", "good", "good", "good", "good"]
    assert_nothing_broken(home)


def test_all_reasons_are_given(
    home: Path, server: Server, dead_mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = dead_mirror, server.mirror("unavailable"), server.mirror("html")
    monkeypatch.setattr(data, "MIRRORS", mirrors)
    with pytest.raises(DatasetUnavailable, match=r"ConnectionError; .*HTTP 503; .*other content"):
        fashion_mnist(8, source="fashion-mnist")


# Several processes


def load(
    home: Path,
    mirror: str,
    begin: Any = None,
    without_locks: bool = False,
    source: str = "fashion-mnist",
) -> None:
    """In a process of its own: load from a mirror, at the same time as others if asked to."""
    os.environ["no_proxy"] = "127.0.0.1"
    os.environ.pop("FASHION_MNIST_DIR", None)
    data.FILES, data.MIRRORS, data._default_home = TABLE, (mirror,), lambda: home
    data.TIMEOUT = 300
    if without_locks:
        import fcntl

        fcntl.flock = no_locks
    if begin is not None:
        begin.wait(300)
    assert_loaded(fashion_mnist(8, source=source))


def no_locks(descriptor: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


# A server that has imported everything forks them, where forking is safe: it saves seconds.
PROCESSES = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
PROCESSES.set_forkserver_preload(["helpers.data", "pytest"])


def started(target: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    process = PROCESSES.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def load_twice_at_once(home: Path, mirror: str, without_locks: bool = False) -> None:
    begin = PROCESSES.Barrier(2)
    both = [started(load, home, mirror, begin, without_locks) for _ in range(2)]
    for process in both:
        process.join(300)
    assert [process.exitcode for process in both] == [0, 0]


def test_two_processes_fetch_each_archive_once(home: Path, server: Server) -> None:
    load_twice_at_once(home, server.mirror("slow"))
    assert sorted(server.requests) == sorted(f"slow/{name}" for name in ARCHIVES)
    assert_nothing_broken(home)


@pytest.mark.skipif(os.name != "posix", reason="the system call is fcntl.flock")
def test_two_processes_without_locks_do_not_disturb_each_other(home: Path, server: Server) -> None:
    """On a network file system that knows no locks, each fetches all of it."""
    load_twice_at_once(home, server.mirror("for_two"), without_locks=True)
    assert sorted(server.requests) == sorted(f"for_two/{name}" for name in 2 * [*ARCHIVES])
    assert_nothing_broken(home)


def test_a_process_killed_in_mid_download_does_no_harm(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = started(load, home, server.mirror("stall"))
    assert server.stalled.wait(300)
    process.kill()
    process.join(60)
    assert [file for left in raw(home).glob(".unfinished*") for file in left.iterdir()]
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist(8, source="fashion-mnist"))
    assert_nothing_broken(home)


# The user's surroundings

SURROUNDED = """
import sys, warnings
from pathlib import Path
from helpers import data, sketches

assert sys.stderr is None and sys.flags.utf8_mode == 0
data.MIRRORS, sketches.PER_CLASS = (), {True: 6, False: 2}
root = Path.cwd()
warnings.simplefilter("always")
for source in "auto", "sketches":
    train, test = data.fashion_mnist(8, root=root, source=source)
    print(train.source, train.num_samples, test.num_samples)
try:
    data.fashion_mnist(8, root=root, source="fashion-mnist")
except data.DatasetUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_no_stderr_the_c_locale_and_an_odd_folder(tmp_path: Path) -> None:
    """A service has no stderr: the warning must not become an AttributeError."""
    odd = put(tmp_path / "Übungen für später (1)", {})
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-c", SURROUNDED],
        env=os.environ | settings | {"PYTHONPATH": str(Path(data.__file__).parent.parent)},
        cwd=odd,
        stdout=subprocess.PIPE,
        text=True,
    )
    *loaded, said = done.stdout.splitlines()
    assert loaded == ["sketches 60 20", "sketches 60 20"]
    assert said == "Fashion-MNIST's t10k-images-idx3-ubyte.gz did not download ()"
    assert done.returncode == 0


@contextlib.contextmanager
def defaults(device: str, dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_device(device)
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)


def test_default_device_and_dtype_do_not_matter(home: Path) -> None:
    """A notebook that begins with torch.set_default_device("cuda") could not load the data."""
    put(home, ARCHIVES)
    expected = [list(loader) for loader in fashion_mnist(8, seed=3)]
    with defaults("meta", torch.float64):
        loaders = fashion_mnist(8, seed=3)
        assert_sketches(fashion_mnist(8, source="sketches"))
        batches = [list(loader) for loader in loaders]
    for got, wanted in zip(chain(*batches), chain(*expected), strict=True):
        assert torch.equal(got[0], wanted[0]) and torch.equal(got[1], wanted[1])
        assert got[0].dtype == torch.float32


# A disk that takes no more

NOT_HERE = 77  # the exit code of a process that may not mount anything


def mount_small_disk(folder: Path) -> None:
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


def load_to_a_full_disk(home: Path, mirror: str) -> None:
    mount_small_disk(home)
    sketches.PER_CLASS = {True: 6, False: 2}
    for free in (12, 36):  # KiB: too few for the first archive, and for all that is unpacked
        (home / "filler").write_bytes(bytes((64 - free) * 1024))
        for source in data.SOURCES:
            said = re.escape(f"[Errno 28] cannot write to {home}: make room there")
            with pytest.raises(OSError, match=said):
                load(home, mirror, source=source)
        archives = [path.name for path in raw(home).glob("*.gz")]
        assert bool(archives) == (free == 36)
        for path in raw(home).glob("t*"):
            assert path.read_bytes() == (UNPACKED | ARCHIVES)[path.name]


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs and name spaces are Linux's")
def test_a_full_disk_is_told_as_one(home: Path, server: Server) -> None:
    """As a dead mirror, a reader would train on the sketches for hours and not know why."""
    home.mkdir()
    process = started(load_to_a_full_disk, home, server.mirror("good"))
    process.join(300)
    if process.exitcode == NOT_HERE:
        pytest.skip("this system lets nobody mount a small file system")
    assert process.exitcode == 0
    assert list(home.iterdir()) == [], "nothing was mounted"


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG"])
@pytest.mark.parametrize("source", ["auto", "fashion-mnist"])
@pytest.mark.parametrize("doing", ["downloading", "unpacking"])
def test_errors_of_the_disk_name_the_folder_and_are_no_dead_mirror(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, name: str, source: str, doing: str
) -> None:
    number = getattr(errno, name)

    def fails(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(data, "MIRRORS", 2 * (server.mirror("good"),))
    if doing == "unpacking":
        monkeypatch.setattr(os, "fsync", fails)
    else:
        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fails)
    with pytest.raises(OSError, match=re.escape(f"cannot write to {home}: ")) as caught:
        fashion_mnist(8, source=source)
    assert caught.value.errno == number
    assert os.strerror(number) in str(caught.value)
    assert not (home / "sketches").exists()
    assert_nothing_broken(home)


# Folders that cannot be used


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in /tmp, its `home` the default home; run by somebody who is not root."""
    if os.name == "nt":
        pytest.skip("Windows has no permission bits to take away")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    monkeypatch.setattr(data, "_default_home", lambda: folder / "home")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if user == 0:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o777)
        shutil.rmtree(folder)


def test_read_only_archives_are_unpacked_into_the_home(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(shared / "given", ARCHIVES)
    place.chmod(0o555)
    assert_loaded(fashion_mnist(8, root=place))
    shutil.rmtree(shared / "home")
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    assert_loaded(fashion_mnist(8))
    assert_nothing_broken(shared / "home")


def test_read_only_layout_is_used_in_place(shared: Path) -> None:
    put(raw(shared / "given"), UNPACKED)
    for path in (raw(shared / "given"), shared / "given" / "FashionMNIST", shared / "given"):
        path.chmod(0o555)
    assert_loaded(fashion_mnist(8, root=shared / "given"))
    assert not (shared / "home").exists()


def test_a_variable_that_may_not_be_read_says_so(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(shared / "given", ARCHIVES)
    place.chmod(0o000)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(place))
    with pytest.raises(DatasetUnavailable, match=r"given, which may not be read and so lacks"):
        fashion_mnist(8)


@pytest.mark.parametrize("source", ["auto", "fashion-mnist", "sketches"])
def test_root_that_cannot_be_written_is_named(shared: Path, source: str) -> None:
    place = put(shared / "given", {})
    place.chmod(0o555)
    with pytest.raises(PermissionError, match=r"given: pass a writable folder as root"):
        fashion_mnist(8, root=place, source=source)


def test_default_home_is_data_in_a_checkout_that_can_be_written(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "__file__", str(shared / "checkout" / "helpers" / "data.py"))
    cache = Path(pooch.os_cache("from-backprop-to-lenet"))
    assert DEFAULT_HOME() == cache
    checkout = put(shared / "checkout", {"pyproject.toml": b""})
    assert DEFAULT_HOME() == checkout / "data"
    (checkout / "data").chmod(0o555)
    assert DEFAULT_HOME() == cache


@pytest.mark.parametrize("source", ["auto", "fashion-mnist", "sketches"])
def test_root_that_is_a_file(tmp_path: Path, source: str) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(NotADirectoryError, match=r"root must be a folder, but .*file is a file"):
        fashion_mnist(8, root=file, source=source)
    assert file.read_text() == "not a folder"


# The sketches


def assert_sketches(loaders: tuple[BatchLoader, BatchLoader]) -> None:
    train, test = loaders
    assert (train.source, test.source) == ("sketches", "sketches")
    assert (train.num_samples, test.num_samples) == (60, 20)
    assert (train.num_classes, test.num_classes) == (len(data.CLASS_NAMES), len(data.CLASS_NAMES))
    assert train.images.shape[1:] == (1, 28, 28)


def test_sketches_ask_nobody(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    monkeypatch.setenv("FASHION_MNIST_DIR", "/nowhere/at/all")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_sketches(fashion_mnist(source="sketches"))
    assert server.requests == []
    assert not raw(home).exists()
    assert capfd.readouterr() == ("", "")


def test_auto_falls_back_with_one_warning(home: Path, server: Server, monkeypatch) -> None:
    mirrors = (*data.MIRRORS, server.mirror("unavailable"))
    monkeypatch.setattr(data, "MIRRORS", mirrors)
    with pytest.warns(UserWarning, match="sketches") as caught:
        assert_sketches(fashion_mnist())
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for words in ("ConnectionError", "HTTP 503", "FASHION_MNIST_DIR"):
        assert words in str(caught[0].message)
    assert_nothing_broken(home)


def test_the_real_files_take_over_once_they_can_be_had(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(UserWarning, match="sketches"):
        fashion_mnist()
    monkeypatch.setattr(data, "MIRRORS", (server.mirror("good"),))
    assert_loaded(fashion_mnist())


def test_sketches_in_root_even_if_it_is_read_only(shared: Path) -> None:
    assert_sketches(fashion_mnist(source="sketches", root=shared / "mine"))
    folders = [path for path in (shared / "mine").rglob("*") if path.is_dir()]
    for path in [*folders, shared / "mine"]:
        path.chmod(0o555)
    assert_sketches(fashion_mnist(source="sketches", root=shared / "mine"))


# The real thing


def test_the_official_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not OFFICIAL:
        pytest.skip("FASHION_MNIST_DIR does not name the official files")
    monkeypatch.setattr(data, "FILES", REAL_FILES)
    monkeypatch.setenv("FASHION_MNIST_DIR", OFFICIAL)
    train, test = fashion_mnist(source="fashion-mnist")
    assert (train.num_samples, test.num_samples) == (60_000, 10_000)
    for loader in (train, test):
        assert loader.labels.bincount().tolist() == [loader.num_samples // 10] * 10
    mean = train.images.to(torch.float64).mean().item() / 255
    assert mean == pytest.approx(0.2860, abs=5e-5)  # the number that everybody normalises by

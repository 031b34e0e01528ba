"""Fashion-MNIST for tests: its file names and format, fifty images, and a server that has them."""

import contextlib
import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from helpers import data, official, sketches
from helpers.files import RAW, to_idx

TRAIN, TEST = 30, 20
IMAGES = "train-images-idx3-ubyte"


def make_files():
    generator = torch.Generator().manual_seed(0)
    files = {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images = torch.randint(256, (count, 28, 28), dtype=torch.uint8, generator=generator)
        files[f"{part}-images-idx3-ubyte"] = to_idx(images)
        files[f"{part}-labels-idx1-ubyte"] = to_idx(torch.arange(count) % 10)
    return files


UNPACKED = make_files()
ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in UNPACKED.items()}
MNIST = {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in UNPACKED.items()}


def sha(content):
    return hashlib.sha256(content).hexdigest()


def small_world(home, patch, mirrors=(), timeout=60):
    """Let `helpers` look for the fifty images, and take `home` where nobody names a folder."""
    patch.delenv("FASHION_MNIST_DIR", raising=False)
    patch.setenv("no_proxy", "127.0.0.1")
    patch.setattr(official, "CONTENTS", {name: sha(file) for name, file in UNPACKED.items()})
    sizes = {len(file) for file in (UNPACKED | ARCHIVES).values()}
    patch.setattr(official, "SIZES", sizes)
    patch.setattr(official, "MIRRORS", mirrors)
    patch.setattr(official, "TIMEOUT", timeout)
    patch.setattr(data, "_default_home", lambda: home)
    patch.setattr(sketches, "PER_CLASS", {True: 6, False: 2})  # drawn in no time


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def raw(place):
    return place.joinpath(*RAW)


def snapshot(folder):
    """The content of every file below the folder, but of locks."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_nothing_broken(home):
    """Only whole files, and no other file or folder but the lock."""
    for path in raw(home).iterdir():
        if path.name != ".lock":
            assert path.read_bytes() == (UNPACKED | ARCHIVES)[path.name]


def assert_loaded(loaders):
    train, test = loaders
    assert (train.source, test.source) == ("fashion-mnist", "fashion-mnist")
    assert (train.num_samples, test.num_samples) == (TRAIN, TEST)
    assert to_idx(test.images.squeeze(1)) == UNPACKED["t10k-images-idx3-ubyte"]
    assert to_idx(train.labels) == UNPACKED["train-labels-idx1-ubyte"]


# A server: the first part of the path says how it behaves


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        self.server.requests.append(f"{behaviour}/{name}")
        with contextlib.suppress(ConnectionError):
            getattr(self, behaviour)(ARCHIVES[name])

    def answer(self, body, length=None, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def good(self, body):
        self.answer(body)

    def slow(self, body):
        """Late enough for two processes to be at it at once."""
        self.server.released.wait(0.2)
        self.answer(body)

    def for_two(self, body):
        """Not before another process asks for the same file."""
        self.server.both_ask.wait(300)
        self.answer(body)

    def labels_only(self, body):
        self.answer(body, status=404 if "images" in self.path else 200)

    def unavailable(self, body):
        self.answer(b"come back later", status=503)

    def cut(self, body):
        self.answer(body[: len(body) // 2], length=len(body))

    def short(self, body):
        self.answer(body[: len(body) // 2])

    def empty(self, body):
        self.answer(b"")

    def html(self, body):
        self.answer(b"<html>Please log in to the hotel's network</html>")

    def flipped(self, body):
        self.answer(body[:-1] + bytes([body[-1] ^ 1]))

    def hang(self, body):
        self.server.released.wait(60)

    def stall(self, body):
        """Half of the body, then silence."""
        self.answer(body[: len(body) // 2], length=len(body))
        self.server.stalled.set()
        self.server.released.wait(60)

    def trickle(self, body):
        self.answer(b"", length=10**9)
        while not self.server.released.wait(0.01):
            self.wfile.write(bytes(1024))

    def log_message(self, format, *args): ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.stalled, self.released = threading.Event(), threading.Event()
        self.both_ask = threading.Barrier(2)

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


@contextlib.contextmanager
def serving():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()

"""Fashion-MNIST as tensors: found or downloaded, verified, and handed out in batches.

Notebook 10_lenet loads the data set with `fashion_mnist` and reads how `BatchLoader` cuts it into
batches; 11 to 14 use both. The first call brings the four official files to torchvision's layout,

    <folder>/FashionMNIST/raw/train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...

and every call compares them with their SHA-256, because MNIST's files have the same names.
"""

import gzip
import hashlib
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pooch
import torch
from filelock import FileLock
from torch import Tensor
from torchvision import datasets

from helpers.sketches import ensure_sketches

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SOURCES = ("auto", "fashion-mnist", "sketches")
VARIABLE = "FASHION_MNIST_DIR"
MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
TIMEOUT = (5.0, 20.0)  # seconds to connect, and to wait for the next bytes
PATIENCE = 900.0  # seconds that one file may take in all
FILES = {  # name: SHA-256 of the .gz archive, and of the file unpacked
    "train-images-idx3-ubyte": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


class DatasetUnavailable(OSError):
    """Fashion-MNIST's files are missing, damaged or out of reach; the message says which."""


class _DownloadFailed(DatasetUnavailable):
    """No mirror delivered a file: the one case in which `source="auto"` takes the sketches."""


class BatchLoader:
    """Images and labels that lie on one device, handed out in batches by indexing.

    Iterating is one epoch of `(images, labels)`: (B, 1, H, W) float32 in [0, 1] and (B,) int64, on
    the device of the tensors; the last batch may be short. With `shuffle`, each epoch has an order
    of its own, drawn on the CPU from (seed, epoch) alone, so that every device sees the same one
    and `state_dict` can bring it back.

    Args: images (N, H, W) or (N, 1, H, W) uint8; labels (N,) int64, 0 or more, on the same device.
    Raises TypeError or ValueError, naming the argument. Notebook 10_lenet builds on it.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        source: str = "tensors",
    ) -> None:
        _check_integer("batch_size", batch_size, minimum=1)
        _check_integer("seed", seed, minimum=0)
        _check_tensors(images, labels)
        self.images = images.unsqueeze(1) if images.ndim == 3 else images  # (N, 1, H, W)
        self.labels = labels  # (N,)
        self.batch_size, self.shuffle, self.seed, self.source = batch_size, shuffle, seed, source
        self.epoch = 0  # epochs begun so far
        self.num_samples = len(labels)
        self.num_classes = int(labels.max()) + 1

    def __len__(self) -> int:
        return -(-self.num_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order() if self.shuffle else None
        self.epoch += 1
        return self._batches(order)

    def __repr__(self) -> str:
        height, width = self.images.shape[2:]
        return (
            f"BatchLoader({self.num_samples} images of {height}x{width}, "
            f"{self.num_classes} classes, batch_size={self.batch_size}, shuffle={self.shuffle}, "
            f"seed={self.seed}, source={self.source!r}, device={str(self.images.device)!r})"
        )

    def state_dict(self) -> dict[str, int]:
        """The seed and the number of epochs begun: all that the coming orders depend on."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on with the orders of the loader that `state` came from. Raises ValueError."""
        if not isinstance(state, dict) or set(state) != {"seed", "epoch"}:
            raise ValueError(f"state must be a dict with the keys seed and epoch, got {state!r}")
        for key, value in state.items():
            _check_integer(f"state[{key!r}]", value, minimum=0)
        self.seed, self.epoch = state["seed"], state["epoch"]

    def _order(self) -> Tensor:
        """This epoch's permutation, (N,) int64, on the loader's device."""
        mixed = np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)
        generator = torch.Generator().manual_seed(int(mixed[0]))
        return torch.randperm(self.num_samples, generator=generator).to(self.images.device)

    def _batches(self, order: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.num_samples, self.batch_size):
            rows = slice(start, start + self.batch_size)
            if order is None:
                images, labels = self.images[rows], self.labels[rows].clone()
            else:  # index_select: the same as self.images[order[rows]], several times as fast
                images = self.images.index_select(0, order[rows])
                labels = self.labels.index_select(0, order[rows])
            yield images.to(torch.float32).div_(255), labels


def fashion_mnist(
    batch_size: int = 256,
    *,
    device: str | torch.device = "cpu",
    root: str | os.PathLike[str] | None = None,
    source: str = "auto",
    seed: int = 0,
) -> tuple[BatchLoader, BatchLoader]:
    """The training set, shuffled by `seed`, and the test set, in order. Notebook 10_lenet uses it.

    Looks for the real files in `root`, else in $FASHION_MNIST_DIR, else in data/ (outside a
    checkout: in the user's cache), and downloads those that are missing. `source`: "fashion-mnist"
    insists on the real data, "sketches" asks for the drawn stand-in, and "auto" takes the sketches
    with a warning if no mirror can be reached; the loaders' `source` tells which came.

    Raises ValueError or TypeError for a bad argument, DatasetUnavailable if files are missing from
    $FASHION_MNIST_DIR, damaged in a folder that you named, or cannot be downloaded,
    NotADirectoryError or PermissionError if the folder cannot be used.
    """
    _check_integer("batch_size", batch_size, minimum=1)  # now, and not after a download
    _check_integer("seed", seed, minimum=0)
    device = torch.device(device)
    folder, source = locate(root, source)
    train, test = (
        BatchLoader(
            *_read(folder, part, device), batch_size, shuffle=part, seed=seed, source=source
        )
        for part in (True, False)
    )
    return train, test


def locate(root: str | os.PathLike[str] | None = None, source: str = "auto") -> tuple[Path, str]:
    """The folder to give to torchvision's `FashionMNIST`, verified, and which data lies there.

    Arguments and errors are those of `fashion_mnist`, which reads its files from here; the second
    value is "fashion-mnist" or "sketches". Notebook 10_lenet compares torchvision's way with ours.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(map(repr, SOURCES))}, got {source!r}")
    if source != "sketches":
        try:
            return _real_files(root), "fashion-mnist"
        except _DownloadFailed as reason:
            if source == "fashion-mnist":
                raise
            message = (
                f"{reason}: taking the sketches, a drawn stand-in, in its place; for the real "
                f"images go online and call again, or set {VARIABLE} to a folder with the four "
                "official .gz files."
            )
            warnings.warn(message, UserWarning, stacklevel=3)
    return _sketches(_default_home() if root is None else _root_folder(root)), "sketches"


def _sketches(home: Path) -> Path:
    folder = home / "sketches"
    if _writable(folder):
        with FileLock(folder / ".lock"):
            return ensure_sketches(folder)
    try:  # they may lie there already
        return ensure_sketches(folder)
    except OSError as error:
        raise _not_writable(home) from error


def _read(folder: Path, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28) uint8 and labels (N,) int64 of one part, on the device."""
    old = folder / "FashionMNIST" / "processed"
    if old.exists():
        raise DatasetUnavailable(
            f"{old} was written by an old torchvision and would be read in place of the verified "
            "files: delete that folder"
        )
    dataset = datasets.FashionMNIST(folder, train=train, download=False)
    return dataset.data.to(device), dataset.targets.to(device)


# Finding and verifying the files


def _real_files(root: str | os.PathLike[str] | None) -> Path:
    """The folder that holds the real files in torchvision's layout, all of them verified."""
    if root is not None:
        return _from_root(_root_folder(root))
    if os.environ.get(VARIABLE):
        return _from_variable(Path(os.environ[VARIABLE]).expanduser())
    return _prepare(_default_home(), set())


def _from_root(root: Path) -> Path:
    sound = _sound_files(root, strict=True)
    if sound >= _layout(root):
        return root
    only_unpack = not _missing_archives(sound)
    return _prepare(_default_home() if only_unpack and not _writable(root) else root, sound)


def _from_variable(place: Path) -> Path:
    """The same for $FASHION_MNIST_DIR, which is only ever read."""
    sound = _sound_files(place, strict=True)
    if sound >= _layout(place):
        return place
    if missing := _missing_archives(sound):
        state = "lacks" if place.is_dir() else "is not a folder and so lacks"
        raise DatasetUnavailable(
            f"{VARIABLE} is set to {place}, which {state} {', '.join(missing)}: "
            "correct or unset the variable"
        )
    return _prepare(_default_home(), sound)


def _default_home() -> Path:
    """Where files go when nobody names a folder: data/ of a checkout, else the user's cache."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and _writable(checkout / "data"):
        return checkout / "data"
    return Path(pooch.os_cache("from-backprop-to-lenet"))


def _root_folder(root: str | os.PathLike[str]) -> Path:
    folder = Path(root).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"root must be a folder, but {folder} is a file")
    return folder


def _raw(place: Path) -> Path:
    return place / "FashionMNIST" / "raw"


def _layout(place: Path) -> set[Path]:
    return {_raw(place) / name for name in FILES}


def _missing_archives(sound: Set[Path]) -> list[str]:
    return [f"{name}.gz" for name in FILES if f"{name}.gz" not in {path.name for path in sound}]


def _sound_files(place: Path, *, strict: bool, known: Set[Path] = frozenset()) -> set[Path]:
    """The official files at a place, archives and unpacked, whose SHA-256 is right.

    `strict`, for folders that the user named: raises DatasetUnavailable at a damaged file, which
    may be somebody's MNIST. Without it damaged files are left out, and archives are passed over
    once unpacked. Files in `known` were verified before and are not read again.
    """
    sound = set(known)
    for name, (archive_sha256, unpacked_sha256) in FILES.items():
        unpacked = _raw(place) / name
        archives = place / f"{name}.gz", _raw(place) / f"{name}.gz"
        for path in (unpacked, *archives):
            expected = unpacked_sha256 if path == unpacked else archive_sha256
            if path in sound or not path.is_file() or (unpacked in sound and not strict):
                continue
            if (actual := _sha256(path)) == expected:
                sound.add(path)
            elif strict:
                raise _damaged(path, actual, expected)
    return sound


def _damaged(path: Path, actual: str, expected: str) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"{path} is damaged or not Fashion-MNIST's: its {path.stat().st_size} bytes have SHA-256 "
        f"{actual}, expected {expected}; delete or replace that file"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Downloading and unpacking


def _prepare(home: Path, sound: Set[Path]) -> Path:
    """Complete torchvision's layout below `home` from the verified archives, or by download."""
    sound = _sound_files(home, strict=False, known=sound)
    if sound >= _layout(home):
        return home
    if not _writable(_raw(home)):
        raise _not_writable(home)
    with FileLock(_raw(home) / ".lock"), _staging(_raw(home)) as staging:
        sound = _sound_files(home, strict=False, known=sound)  # of whoever held the lock before us
        mirrors = list(MIRRORS)
        for path in sorted(_layout(home) - sound):
            archive = next((file for file in sound if file.name == f"{path.name}.gz"), None)
            _unpack(archive or _download(path.name, staging, mirrors), staging, path)
    return home


@contextmanager
def _staging(raw: Path) -> Iterator[Path]:
    """A folder for unfinished files; what a killed process left there goes first."""
    staging = raw / ".unfinished"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _download(name: str, staging: Path, mirrors: list[str]) -> Path:
    """The verified archive, beside `staging`. A mirror that worked moves to the front."""
    unfinished, reasons = staging / f"{name}.gz", []
    for mirror in tuple(mirrors):
        download = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=_Patience())
        try:
            download(f"{mirror}{name}.gz", str(unfinished), None)
            if _sha256(unfinished) != FILES[name][0]:
                raise ValueError("other content than the official file's")
        except (OSError, ValueError) as error:  # OSError: also all that requests raises
            reasons.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
            continue
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        return unfinished.replace(staging.parent / unfinished.name)
    raise _DownloadFailed(f"Fashion-MNIST's {name}.gz did not download ({'; '.join(reasons)})")


def _reason(error: Exception) -> str:
    """A few words where requests says several lines."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    return str(error) if type(error) in (ValueError, TimeoutError) else type(error).__name__


class _Patience:
    """In the place of pooch's progress bar: ends a download that only trickles."""

    def __init__(self) -> None:
        self.total = 0
        self.deadline = time.monotonic() + PATIENCE

    def update(self, count: int) -> None:
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not complete after {PATIENCE:.0f} s")

    def reset(self) -> None: ...

    def close(self) -> None: ...


def _unpack(archive: Path, staging: Path, target: Path) -> None:
    content, unfinished = gzip.decompress(archive.read_bytes()), staging / target.name
    actual, expected = hashlib.sha256(content).hexdigest(), FILES[target.name][1]
    if actual != expected:
        raise DatasetUnavailable(f"{archive} unpacks to SHA-256 {actual}, expected {expected}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)


def _writable(folder: Path) -> bool:
    """Tried out, since permission bits do not tell on every system."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _not_writable(folder: Path) -> PermissionError:
    return PermissionError(f"cannot write to {folder}: pass a writable folder as root")


# Checking arguments


def _check_integer(name: str, value: object, *, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be {minimum} or more, got {value}")


def _check_tensors(images: Tensor, labels: Tensor) -> None:
    for name, tensor, dtype in (("images", images, torch.uint8), ("labels", labels, torch.int64)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype != dtype:
            raise TypeError(f"{name} must be of dtype {dtype}, got {tensor.dtype}")
    shape = tuple(images.shape)
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 1)):
        raise ValueError(f"images must be of shape (N, H, W) or (N, 1, H, W), got {shape}")
    if labels.ndim != 1 or len(labels) != len(images):
        expected, got = f"({len(images)},), one per image", tuple(labels.shape)
        raise ValueError(f"labels must be of shape {expected}, got {got}")
    if len(labels) == 0:
        raise ValueError(f"images must hold at least one image, got shape {shape}")
    if labels.device != images.device:
        raise ValueError(f"labels must be on {images.device} as images are, got {labels.device}")
    if (lowest := int(labels.min())) < 0:
        raise ValueError(f"labels must be 0 or more, got {lowest}")

"""Fashion-MNIST in batches, wherever its files lie; offline, drawn pictures in their place.

Notebook 11_lenet loads the data set with `fashion_mnist`; 11 to 17 use it. The files come to
torchvision's layout, `<folder>/FashionMNIST/raw/train-images-idx3-ubyte` and so on, and every call
verifies their content (`helpers.official`).
"""

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from helpers import official
from helpers.batches import BatchLoader
from helpers.checks import check_integer, check_path
from helpers.files import PARTS, RAW, from_idx
from helpers.official import DatasetUnavailable, DownloadFailed
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


def fashion_mnist(
    batch_size: int = 256,
    *,
    device: str | torch.device = "cpu",
    root: str | os.PathLike[str] | None = None,
    source: str = "auto",
    seed: int = 0,
) -> tuple[BatchLoader, BatchLoader]:
    """Return the training set, shuffled, and the test set, in order. Notebook 11_lenet uses it.

    Looks for the real files in `root`, else in $FASHION_MNIST_DIR, else in data/ (outside a
    checkout: in the user's cache), by content and wherever they lie there, and downloads those
    that are missing.

    Args:
        batch_size: images in a batch; the last one may be short.
        device: where the images and labels shall lie.
        root: a folder; nothing in there is written over. Missing files are downloaded into it.
        source: "fashion-mnist" insists on the real data, "sketches" asks for the drawn stand-in,
            and "auto" takes the sketches with a warning if no mirror can be reached; the loaders'
            `source` tells which came.
        seed: chooses the orders of the training set.

    Raises:
        TypeError or ValueError: an argument is of no use; the message names it.
        DatasetUnavailable: files are missing from $FASHION_MNIST_DIR, damaged in a folder that you
            named, or cannot be downloaded.
        OSError: (the subclass that fits) the folder cannot be used: it is a file, read-only, or
            its disk is full.
    """
    check_integer("batch_size", batch_size, minimum=1)  # now, and not after a download
    check_integer("seed", seed, minimum=0)
    try:
        device = torch.empty(0, device=device).device
    except (AssertionError, RuntimeError, TypeError) as error:
        found = f"device must be one that PyTorch finds on this machine, got {device!r}"
        raise ValueError(found) from error
    folder, source = locate(root, source)
    options: dict[str, Any] = {"seed": seed, "source": source}
    train = BatchLoader(*_read(folder, True, device), batch_size, shuffle=True, **options)
    test = BatchLoader(*_read(folder, False, device), batch_size, **options)
    return train, test


def locate(root: str | os.PathLike[str] | None = None, source: str = "auto") -> tuple[Path, str]:
    """Return the folder to give to torchvision's `FashionMNIST`, verified, and what lies there.

    Arguments and errors are those of `fashion_mnist`, which reads its files from here; the second
    value is "fashion-mnist" or "sketches". Notebook 11_lenet compares torchvision's way with ours.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(map(repr, SOURCES))}, got {source!r}")
    if root is not None:
        check_path("root", root)
    folder = None if root is None else Path(os.path.expanduser(root)).absolute()
    if source != "sketches":
        try:
            return _real_files(folder), "fashion-mnist"
        except DownloadFailed as reason:
            if source == "fashion-mnist":
                raise
            cure = f"go online, or set {VARIABLE} to a folder with the four official files"
            warnings.warn(f"{reason}: taking the sketches, a drawn stand-in; {cure}", stacklevel=3)
    return ensure_sketches((folder or _default_home()) / "sketches"), "sketches"


def _read(folder: Path, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28) uint8 and labels (N,) int64 of one part, on the device."""
    paths = [folder.joinpath(*RAW, name) for name in PARTS[train]]
    images, labels = (from_idx(path.read_bytes()) for path in paths)
    return images.to(device), labels.long().to(device)


# Where the files come from, and where they go


def _real_files(root: Path | None) -> Path:
    """The folder that holds the real files in torchvision's layout, all of them verified."""
    value = os.environ.get(VARIABLE)
    if root is not None:
        return _from_root(root)
    return _from_variable(value) if value else official.complete(_default_home(), {})


def _from_root(root: Path) -> Path:
    """Of a folder that somebody named, nothing is written over."""
    sources, others = official.search(root)
    if folder := official.ready_made(sources):
        return folder
    raw, names = root.joinpath(*RAW), official.CONTENTS
    if wrong := [path for path in others if path.parent in (root, raw)]:  # MNIST, perhaps
        raise DatasetUnavailable(f"{official.verdicts(wrong)}; delete or replace that file")
    taken = any(os.path.lexists(raw / name) and sources.get(name) != raw / name for name in names)
    usable = not taken and (len(sources) < len(names) or _writable(root))
    return official.complete(root if usable else _default_home(), sources)


def _from_variable(value: str) -> Path:
    """The same for $FASHION_MNIST_DIR, which is only ever read."""
    place = _meant(value)
    sources, others = official.search(place)
    if missing := [f"{name}.gz" for name in official.CONTENTS if name not in sources]:
        meaning = value if value == str(place) else f"{value} ({place})"
        wrong = f" ({official.verdicts(others)})" if others else ""
        lacks = f"{meaning}, which {_state(place, sources)} lacks {', '.join(missing)}"
        raise DatasetUnavailable(f"{VARIABLE} is set to {lacks}: correct or unset it{wrong}")
    return official.ready_made(sources) or official.complete(_default_home(), sources)


def _default_home() -> Path:
    """Where files go when nobody names a folder: data/ of a checkout, else the user's cache."""
    checkout = _checkout()
    if checkout is not None and _writable(checkout / "data"):
        return checkout / "data"
    import pooch  # here, since hardly any call needs it

    return Path(pooch.os_cache("from-backprop-to-lenet"))


def _checkout() -> Path | None:
    folder = Path(__file__).resolve().parent.parent
    return folder if (folder / "pyproject.toml").is_file() else None


def _meant(value: str) -> Path:
    """The folder that the variable names.

    Jupyter starts a kernel in the notebook's folder, so a relative path is looked for from there
    and then from the project's root.
    """
    place = Path(os.path.expanduser(value)).absolute()
    elsewhere = (_checkout() or place) / value
    return elsewhere if os.path.exists(elsewhere) and not os.path.exists(place) else place


def _state(place: Path, sources: dict[str, Path]) -> str:
    try:
        os.listdir(place)
    except OSError as error:
        return f"cannot be read ({error.strerror}) and so"
    found = ", ".join(map(str, sources.values()))
    return f"has {found} but" if found else "is a folder that"


def _writable(folder: Path) -> bool:
    """Tried out, since permission bits do not tell on every system."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False

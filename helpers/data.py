"""Fashion-MNIST as tensors: found or downloaded, verified, and handed out in batches.

Notebook 11_lenet loads the data set with `fashion_mnist` and reads how `BatchLoader` cuts it into
batches; 11 to 14 use both. The first call brings the four official files to torchvision's layout,

    <folder>/FashionMNIST/raw/train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...

and every call compares their content with its SHA-256: MNIST's files have the same names, and
people keep theirs packed or unpacked, renamed, and in folders of all kinds.
"""

import errno
import gzip
import hashlib
import os
import tempfile
import time
import warnings
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pooch
import torch
from torch import Tensor

from helpers.batches import BatchLoader
from helpers.checks import check_integer
from helpers.locks import staging
from helpers.sketches import FILES as PARTS
from helpers.sketches import MANIFEST, ensure_sketches

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
FILES = {  # name: SHA-256 of the .gz archive; of the file unpacked, and its size in bytes
    "train-images-idx3-ubyte": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        47_040_016,
    ),
    "train-labels-idx1-ubyte": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        60_008,
    ),
    "t10k-images-idx3-ubyte": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        7_840_016,
    ),
    "t10k-labels-idx1-ubyte": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        10_008,
    ),
}
DEPTH = 4  # folders below the given one that are searched
ENTRIES = 10_000  # how many files and folders are looked at: somebody may name his home folder
CROWD = 1_000  # of them, how many in one folder, so that a folder of pictures does not use them up
GZIP = b"\x1f\x8b"  # the first bytes of an archive
DISK = {  # what only a disk says, never a network
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EROFS, errno.EACCES, errno.EPERM),
}


class DatasetUnavailable(OSError):
    """Fashion-MNIST's files are missing, damaged or out of reach; the message says which."""


class _DownloadFailed(DatasetUnavailable):
    """No mirror delivered a file: the one case in which `source="auto"` takes the sketches."""


def fashion_mnist(
    batch_size: int = 256,
    *,
    device: str | torch.device = "cpu",
    root: str | os.PathLike[str] | None = None,
    source: str = "auto",
    seed: int = 0,
) -> tuple[BatchLoader, BatchLoader]:
    """The training set, shuffled by `seed`, and the test set, in order. Notebook 11_lenet uses it.

    Looks for the real files in `root`, else in $FASHION_MNIST_DIR, else in data/ (outside a
    checkout: in the user's cache), by content and wherever they lie there, and downloads those
    that are missing. `source`: "fashion-mnist" insists on the real data, "sketches" asks for the
    drawn stand-in, and "auto" takes the sketches with a warning if no mirror can be reached; the
    loaders' `source` tells which came.

    Raises ValueError or TypeError for a bad argument, DatasetUnavailable if files are missing from
    $FASHION_MNIST_DIR, damaged in a folder that you named, or cannot be downloaded,
    NotADirectoryError, PermissionError or another OSError if the folder cannot be used: it is a
    file, read-only, or its disk is full.
    """
    check_integer("batch_size", batch_size, minimum=1)  # now, and not after a download
    check_integer("seed", seed, minimum=0)
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
    value is "fashion-mnist" or "sketches". Notebook 11_lenet compares torchvision's way with ours.
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
                "official files."
            )
            warnings.warn(message, UserWarning, stacklevel=3)
    return _sketches(_default_home() if root is None else _root_folder(root)), "sketches"


def _sketches(home: Path) -> Path:
    with _writing_to(home):
        return ensure_sketches(home / "sketches")


def _read(folder: Path, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28) uint8 and labels (N,) int64 of one part, on the device."""
    old = folder / "FashionMNIST" / "processed"
    if old.exists():
        raise DatasetUnavailable(
            f"{old} was written by an old torchvision and would be read in place of the verified "
            "files: delete that folder"
        )
    raw, names = folder / "FashionMNIST" / "raw", PARTS[train]
    images, labels = (_tensor_of((raw / name).read_bytes()) for name in names)
    return images.to(device), labels.long().to(device)


def _tensor_of(content: bytes) -> Tensor:
    """A verified file in the IDX format: 3 bytes of type, the number of dimensions, the sizes."""
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4).tolist()
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())  # a copy: the bytes are read-only


# Where the files come from


def _real_files(root: str | os.PathLike[str] | None) -> Path:
    """The folder that holds the real files in torchvision's layout, all of them verified."""
    if root is not None:
        return _from_root(_root_folder(root))
    if os.environ.get(VARIABLE):
        return _from_variable(os.environ[VARIABLE])
    return _prepare(_default_home(), {})


def _from_root(root: Path) -> Path:
    sources, others = _search(root)
    if folder := _ready_made(sources):
        return folder
    missing = FILES.keys() - sources
    official = root, _raw(root)
    wrong = [path for path in others if path.parent in official and _named(path) in missing]
    if wrong:  # somebody's MNIST, perhaps: not ours to replace
        raise DatasetUnavailable(f"{_verdicts(wrong)}; delete or replace that file")
    places = {name: _raw(root) / name for name in FILES}
    free = not any(path.exists() for name, path in places.items() if sources.get(name) != path)
    usable = free and (missing or _writable(root))
    return _prepare(root if usable else _default_home(), sources)


def _from_variable(value: str) -> Path:
    """The same for $FASHION_MNIST_DIR, which is only ever read."""
    place, meaning = _variable_folder(value)
    sources, others = _search(place)
    if missing := [f"{name}.gz" for name in FILES if name not in sources]:
        wrong = f" ({_verdicts(others)})" if others else ""
        raise DatasetUnavailable(
            f"{VARIABLE} is set to {meaning}, which {_state(place, sources)} lacks "
            f"{', '.join(missing)}: correct or unset the variable{wrong}"
        )
    return _ready_made(sources) or _prepare(_default_home(), sources)


def _state(place: Path, sources: Mapping[str, Path]) -> str:
    try:
        os.scandir(place).close()
    except PermissionError:
        return "may not be read and so"
    except OSError:
        return "is not a folder and so"
    found = ", ".join(str(path) for path in sources.values())
    return f"has {found} but" if found else "is a folder that"


def _variable_folder(value: str) -> tuple[Path, str]:
    """The folder that the variable names, and its value with what that means, for an error.

    Jupyter starts a kernel in the notebook's folder, so a relative path is looked for from there
    and then from the project's root.
    """
    given = os.path.expanduser(value)
    if os.path.isabs(given):
        return Path(given), value if given == value else f"{value} ({given})"
    bases = [base for base in (_here(), _checkout()) if base is not None]
    if not bases:
        raise DatasetUnavailable(
            f"{VARIABLE} is set to {value}, but the working directory is gone: set it to an "
            "absolute path"
        )
    base = next((base for base in bases if (base / given).exists()), bases[0])
    place = Path(os.path.abspath(base / given))
    return place, f"{value} ({place}, as seen from {base})"


def _here() -> Path | None:
    """The working directory, or None if somebody has deleted it."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _default_home() -> Path:
    """Where files go when nobody names a folder: data/ of a checkout, else the user's cache."""
    checkout = _checkout()
    if checkout is not None and _writable(checkout / "data"):
        return checkout / "data"
    return Path(pooch.os_cache("from-backprop-to-lenet"))


def _checkout() -> Path | None:
    folder = Path(__file__).resolve().parent.parent
    return folder if (folder / "pyproject.toml").is_file() else None


def _root_folder(root: str | os.PathLike[str]) -> Path:
    folder = Path(os.path.expanduser(root))
    if not folder.is_absolute() and _here() is None:
        raise NotADirectoryError(
            f"root must be an absolute path, got {folder}, since the working directory is gone"
        )
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"root must be a folder, but {folder} is a file")
    return folder


def _raw(place: Path) -> Path:
    return place / "FashionMNIST" / "raw"


# Finding and verifying them


def _search(place: Path) -> tuple[dict[str, Path], list[Path]]:
    """Below `place`: a verified source of each official file, unpacked or packed; what is none.

    The second value holds the files that go by an official name and are something else: damaged,
    or another data set's.
    """
    sources: dict[str, Path] = {}
    others = []
    for path in _candidates(place):
        if name := _official(path):
            sources.setdefault(name, path)
        elif _named(path):
            others.append(path)
        if len(sources) == len(FILES):
            break
    return sources, others


def _candidates(place: Path) -> Iterator[Path]:
    """Files with an official name, or the size of one: torchvision's layout first, then nearest."""
    folders, seen, left = deque([(_raw(place), 2), (place, 0)]), set(), ENTRIES
    while folders and left > 0:
        folder, depth = folders.popleft()
        if (real := os.path.realpath(folder)) in seen:  # links may lead in circles
            continue
        seen.add(real)
        paths = _listed(folder, left)
        left -= len(paths)
        for path in paths:
            if os.path.isdir(path):
                folders.extend([(path, depth + 1)] if depth < DEPTH else [])
            elif os.path.isfile(path) and _plausible(path):
                yield path


def _listed(folder: Path, limit: int) -> list[Path]:
    """What lies in a folder but hidden things, archives last; nothing if it holds the sketches."""
    known = [name for file in FILES for name in (file, f"{file}.gz")]
    known = [name for name in known if os.path.exists(folder / name)]  # also in a large crowd
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in islice(entries, min(limit, CROWD))]
    except OSError:  # it does not exist, or is not ours to read
        return []
    names = {name for name in (*known, *found) if not name.startswith(".")}
    in_order = sorted(names, key=lambda name: (name.endswith(".gz"), name))
    return [] if os.path.exists(folder / MANIFEST) else [folder / name for name in in_order]


def _plausible(path: Path) -> bool:
    """Whether a file is worth reading as a whole. An archive's last 4 bytes tell what it holds."""
    if _named(path):
        return True
    sizes = [size for _, _, size in FILES.values()]
    with suppress(OSError):
        length = path.stat().st_size
        if length in sizes:
            return True
        if any(0.4 * size < length < 1.01 * size + 100 for size in sizes):
            with path.open("rb") as file:
                packed = file.read(len(GZIP)) == GZIP
                file.seek(-4, os.SEEK_END)
                return packed and int.from_bytes(file.read(), "little") in sizes
    return False


def _named(path: Path) -> str:
    """The official name that a file goes by, also spelled train-images.idx3-ubyte; or nothing."""
    name = path.name.removesuffix(".gz").replace(".", "-")
    return name if name in FILES else ""


def _official(path: Path) -> str | None:
    """The name of the official file whose content this is, unpacked or packed by whomever."""
    archives = {archive: name for name, (archive, _, _) in FILES.items()}
    contents = {content: name for name, (_, content, _) in FILES.items()}
    try:
        actual = _sha256(path)
        known = archives.get(actual) or contents.get(actual)
        return known or contents.get(hashlib.sha256(_content(path)).hexdigest())
    except (OSError, EOFError, zlib.error):  # unreadable, or a damaged archive
        return None


def _content(path: Path) -> bytes:
    """What a file holds, unpacked, as far as the largest official one could reach."""
    limit = max(size for _, _, size in FILES.values()) + 1
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        return gzip.GzipFile(fileobj=file).read(limit) if packed else file.read(limit)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ready_made(sources: Mapping[str, Path]) -> Path | None:
    """The folder above `FashionMNIST/raw` if all four lie in there, unpacked."""
    raw = next(iter(sources.values()), Path()).parent
    for name, (_, _, size) in FILES.items():
        if sources.get(name) != raw / name or sources[name].stat().st_size != size:
            return None
    folders = raw, raw.resolve()
    return next((f.parent.parent for f in folders if f.parts[-2:] == ("FashionMNIST", "raw")), None)


def _missing(home: Path) -> list[str]:
    """The official files that do not lie unpacked and sound in torchvision's layout."""
    return [name for name in FILES if not _sound(_raw(home) / name)]


def _sound(path: Path) -> bool:
    _, content, size = FILES[path.name]
    return path.is_file() and path.stat().st_size == size and _sha256(path) == content


def _verdicts(paths: Sequence[Path]) -> str:
    """What is wrong with files that look like official ones; of many, the first few."""
    return "; ".join(_verdict(path) for path in paths[:4])


def _verdict(path: Path) -> str:
    try:
        actual, size = _sha256(path), path.stat().st_size
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    archive, content, _ = FILES[_named(path)]
    expected = archive if path.suffix == ".gz" else content
    return (
        f"{path} is damaged or not Fashion-MNIST's: its {size} bytes have SHA-256 {actual}, "
        f"expected {expected}"
    )


# Downloading and unpacking


def _prepare(home: Path, sources: Mapping[str, Path]) -> Path:
    """Complete torchvision's layout below `home` from verified sources, or by download."""
    if _missing(home):
        with _writing_to(home):
            _raw(home).mkdir(parents=True, exist_ok=True)
            with staging(_raw(home)) as unfinished:
                _complete(home, sources, unfinished)
    return home


def _complete(home: Path, sources: Mapping[str, Path], unfinished: Path) -> None:
    missing = _missing(home)  # again: somebody may have been at it while we waited for the lock
    here, others = _search(home) if set(missing) - set(sources) else ({}, [])
    mirrors = list(MIRRORS)
    for name in sorted(missing):  # a small file first, to find out about the mirrors
        source = sources.get(name) or here.get(name)
        source = source or _download(name, unfinished, mirrors, others)
        _unpack(source, unfinished, _raw(home) / name)


def _download(name: str, unfinished: Path, mirrors: list[str], others: Sequence[Path]) -> Path:
    """The verified archive, in torchvision's layout. A mirror that worked moves to the front."""
    archive, reasons = unfinished / f"{name}.gz", []
    for mirror in tuple(mirrors):
        download = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=_Patience())
        try:
            download(f"{mirror}{name}.gz", str(archive), None)
            if _sha256(archive) != FILES[name][0]:
                raise ValueError("other content than the official file's")
        except (OSError, ValueError) as error:  # OSError: also all that requests raises
            if getattr(error, "errno", None) in DISK:
                raise
            reasons.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
            continue
        mirrors.remove(mirror)
        mirrors.insert(0, mirror)
        return archive.replace(unfinished.parent / archive.name)
    wrong = f"; {_verdicts(others)}" if others else ""
    failed = f"Fashion-MNIST's {name}.gz did not download ({'; '.join(reasons)}){wrong}"
    raise _DownloadFailed(failed)


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


def _unpack(source: Path, unfinished: Path, target: Path) -> None:
    content, beside = _content(source), unfinished / target.name
    actual, expected = hashlib.sha256(content).hexdigest(), FILES[target.name][1]
    if actual != expected:
        raise DatasetUnavailable(f"{source} unpacks to SHA-256 {actual}, expected {expected}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)


def _writable(folder: Path) -> bool:
    """Tried out, since permission bits do not tell on every system."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """The disk's errors name the folder and the cure, and keep their errno."""
    try:
        yield
    except DatasetUnavailable:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "make room there or pass another folder" if full else "pass a writable folder"
        message = f"cannot write to {folder}: {cure} as root ({error.strerror})"
        raise OSError(error.errno, message) from error

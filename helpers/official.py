"""Fashion-MNIST's four official files: found by their content, unpacked, or downloaded.

MNIST's files have the same names and sizes, and people keep theirs packed or unpacked, renamed,
and in folders of all kinds: only the SHA-256 of what is in them tells. `helpers.data` says where
to look for them and where to put them.
"""

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from glob import iglob
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from helpers.files import RAW, sha256, staging, write_whole
from helpers.sketches import MANIFEST

CONTENTS = {  # SHA-256 of the four files
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
SIZES = {47_040_016, 60_008, 7_840_016, 10_008, 26_421_880, 29_515, 4_422_102, 5_148}  # and .gz
LARGEST = 50_000_000  # bytes: an archive of anything may hold any number of them
MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
TIMEOUT = (5.0, 20.0)  # seconds to connect, and to wait for the next bytes
PATIENCE = 900.0  # seconds that one file may take in all
DEPTH = 4  # folders below the given one that are searched
ENTRIES = 10_000  # files that are looked at on each level: somebody may name his home folder


class DatasetUnavailable(OSError):
    """Fashion-MNIST's files are missing, damaged or out of reach; the message says which."""


class DownloadFailed(DatasetUnavailable):
    """No mirror delivered a file that is missing."""


def search(place: Path) -> tuple[dict[str, Path], list[Path]]:
    """Look for the official files in a folder, and up to four folders below it.

    Returns:
        By official name, where that file's content lies, unpacked or packed by whomever. And the
        files that go by a name which is still missing: damaged, or another data set's.
    """
    sources: dict[str, Path] = {}
    others = []
    for path in _candidates(place):
        if name := _official(path):
            sources.setdefault(name, path)
        else:
            others.append(path)
        if len(sources) == len(CONTENTS):
            break
    return sources, [path for path in others if _named(path) in CONTENTS.keys() - sources.keys()]


def ready_made(sources: Mapping[str, Path]) -> Path | None:
    """Return the folder above `FashionMNIST/raw` if all four files lie in there, unpacked."""
    raw = next(iter(sources.values()), Path()).parent
    if any(sources.get(name) != raw / name or _packed(raw / name) for name in CONTENTS):
        return None
    homes = (folder.parent.parent for folder in (raw, raw.resolve()) if folder.parts[-2:] == RAW)
    return next(homes, None)


def complete(home: Path, sources: Mapping[str, Path]) -> Path:
    """Return a folder with the four files in torchvision's layout: `home`, or one in there.

    Args:
        home: a folder, made if missing; files of these names in there are replaced if they are not
            the official ones.
        sources: what `search` has found elsewhere; the rest is downloaded.

    Raises:
        DownloadFailed: no mirror delivered what is missing.
        OSError: the folder cannot be written to, or its disk is full.
    """
    if ready := ready_made(search(home)[0]):
        return ready
    raw = home.joinpath(*RAW)
    with staging(raw) as unfinished:
        here, others = search(home)  # again: somebody may have been at it while we waited
        sources = {**sources, **here}
        if missing := sorted(CONTENTS.keys() - sources.keys()):
            sources |= _download(missing, unfinished, others)
        for name, source in sources.items():
            if source != raw / name or _packed(source):
                write_whole(raw / name, _content(source), unfinished)
    return home


def verdicts(paths: Sequence[Path]) -> str:
    """Say what is wrong with files that look like official ones; of many, with the first few."""
    return "; ".join(map(_verdict, paths[:4]))


# Finding and verifying them


def _candidates(place: Path) -> Iterator[Path]:
    """Files worth reading, the nearest first; on each level official names first, archives last."""
    levels = ("/".join([*RAW, ""]), *("*/" * depth for depth in range(DEPTH + 1)))
    seen = set()
    for pattern in (level + names for level in levels for names in ("t*[-.]idx?-ubyte*", "*")):
        found = islice(iglob(pattern, root_dir=place), ENTRIES)
        for name in sorted(found, key=lambda name: (name.endswith(".gz"), name)):
            path = place / name
            if _plausible(path) and (real := path.resolve()) not in seen:
                seen.add(real)  # links may lead in circles
                yield path


def _named(path: Path) -> str:
    """The official name that a file goes by, also spelled train-images.idx3-ubyte; or ""."""
    name = path.name.removesuffix(".gz").replace(".", "-")
    return name if name in CONTENTS else ""


def _plausible(path: Path) -> bool:
    """Whether a file has an official name or size. The sketches have both, and their manifest."""
    known = os.path.isfile(path) and (_named(path) != "" or path.stat().st_size in SIZES)
    return known and not os.path.exists(path.parent / MANIFEST)


def _official(path: Path) -> str | None:
    """The name of the official file whose content this is, unpacked or packed by whomever."""
    names = {digest: name for name, digest in CONTENTS.items()}
    try:
        return names.get(hashlib.sha256(_content(path)).hexdigest())
    except (OSError, EOFError, zlib.error):  # unreadable, or a damaged archive
        return None


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _content(path: Path) -> bytes:
    """What a file holds, unpacked; the beginning of what is larger than any official file."""
    with gzip.open(path) if _packed(path) else path.open("rb") as file:
        return file.read(LARGEST)


def _verdict(path: Path) -> str:
    try:
        return f"{path} is damaged or not Fashion-MNIST's: it has SHA-256 {sha256(path)}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


# Downloading


def _download(missing: list[str], unfinished: Path, others: Sequence[Path]) -> dict[str, Path]:
    """The verified archives by name, in torchvision's layout. A mirror that fails is left."""
    archives: dict[str, Path] = {}
    reasons = []
    for mirror in MIRRORS:
        try:
            for name in missing[len(archives) :]:
                archive = _fetch(mirror, name, unfinished)
                archives[name] = archive.replace(unfinished.parent / archive.name)
            return archives
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None):  # the disk's: requests' own errors carry none
                raise
            reasons.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
    wrong = f"; {verdicts(others)}" if others else ""
    file = f"{missing[len(archives)]}.gz"
    raise DownloadFailed(f"Fashion-MNIST's {file} did not download ({'; '.join(reasons)}){wrong}")


def _fetch(mirror: str, name: str, unfinished: Path) -> Path:
    import pooch  # here, since hardly any call downloads something

    archive = unfinished / f"{name}.gz"
    download = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=_Patience())
    download(f"{mirror}{archive.name}", str(archive), None)
    if _official(archive) != name:
        raise ValueError("other content than the official file's")
    return archive


def _reason(error: Exception) -> str:
    """A few words where requests says several lines."""
    if (response := getattr(error, "response", None)) is not None:
        return f"HTTP {response.status_code}"
    return str(error) if type(error) in (ValueError, TimeoutError) else type(error).__name__


class _Patience:
    """In the place of pooch's progress bar: ends a download that only trickles."""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + PATIENCE

    def update(self, count: int) -> None:
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not complete after {PATIENCE:.0f} s")

    def reset(self) -> None: ...

    def close(self) -> None: ...

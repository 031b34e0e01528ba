"""Checkpoints: everything that training needs to go on exactly where it stopped, in one file.

Notebook 13_save_load builds the pieces by hand. The file is what `torch.save` writes, a zip
archive, and ends with a seal of ours: the archive's comment holds the SHA-256 of all bytes before
it, because `torch.load` alone reads past a flipped bit. It is written beside its place and renamed
when it is complete, so a kill, a full disk or a power cut leaves the old file or the new one.
"""

import copy
import hashlib
import os
import pickle
import random
import re
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.checks import check_schedule
from helpers.metrics import History
from helpers.parallel import first_process, from_first, local

FORMAT = 1
SEAL = b"sha256 "  # the archive's comment begins with it, 64 hexadecimal digits follow
DIGITS = 64
ABANDONED = 3600.0  # seconds without a write, after which an unfinished file is a killed process's
PATIENCE = 5.0  # seconds to wait, on Windows, for whoever is reading the file to be replaced
ENTRIES = {
    "format",
    "torch_version",
    "epoch",
    "model",
    "optimizer",
    "scheduler",
    "loader",
    "history",
    "random_state",
}
SETTINGS = (  # what a scheduler was made with: its state_dict would put it back without a word
    *("total_steps", "base_lrs", "T_max", "T_0", "T_mult", "eta_min", "step_size", "milestones"),
    *("gamma", "power", "total_iters", "start_factor", "end_factor"),
)
SHOWN = 5  # how many keys an error lists


ALIKE = "make it alike, or delete the file or take another path to begin afresh"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read or used; the message names its path and the reason."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds, on the CPU; nothing here is shared with a live object.

    `epoch` counts the whole epochs that were trained, `model` is a state_dict from names to
    tensors. `optimizer`, `scheduler` and `loader` are state_dicts too, or None if they were not
    saved, as is `history`. `torch_version` says which PyTorch wrote the file.
    """

    epoch: int
    history: History | None
    model: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    scheduler: dict[str, Any] | None
    loader: dict[str, Any] | None
    torch_version: str


def save_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: nn.Module,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    loader: Any = None,
    history: History | None = None,
    epoch: int = 0,
) -> None:
    """Write one file that `load_checkpoint` can go on from; replace an older one in one step.

    Built in notebook 13. The states of the random generators of Python, NumPy and PyTorch (CPU,
    CUDA, MPS) are saved as well. Folders that are missing are made.

    Args:
        path: the file; while saving, `.NAME.….unfinished` lies beside it. One that a killed process
            left is removed by a later call, when nobody has written to it for an hour.
        model: its state_dict is saved: parameters and buffers, from any device.
        optimizer, scheduler: their state_dicts, if given.
        loader: a loader with a state_dict (as BatchLoader) or a DataLoader with a generator.
        history: what `fit` measured so far, if given.
        epoch: how many whole epochs were trained, 0 or more.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `epoch` is negative, or `path` names no file.
        CheckpointError: the file cannot be written; what was there before is unchanged.
    """
    target = _target(path)
    _check_arguments(model, optimizer, scheduler, history, epoch)
    state: dict[str, Any] = {
        "format": FORMAT,
        "torch_version": str(torch.__version__),
        "epoch": epoch,
    }
    state["model"] = model.state_dict()
    state["optimizer"] = None if optimizer is None else _optimizer_state(optimizer)
    state["scheduler"] = None if scheduler is None else _scheduler_state(scheduler)
    state["loader"] = None if loader is None else _loader_state(loader)
    state["history"] = None if history is None else asdict(history)
    state["random_state"] = _random_state()
    try:
        _replace(target, state)
    except Exception as error:
        raise CheckpointError(
            f"cannot save {path}: {_reason(error)}; {_what_is_there(target)}"
        ) from error


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    loader: Any = None,
    random_state: bool | None = None,
) -> Checkpoint:
    """Read a checkpoint, fill whatever is passed, and return all that it holds.

    Built in notebook 13. Tensors go to the device of the model or optimizer that takes them,
    wherever they were saved. If anything does not fit, nothing is changed.

    Args:
        path: a file that `save_checkpoint` wrote.
        model, optimizer, scheduler, loader: to be filled; made as those that were saved.
        random_state: put the random generators back as they were. None does so exactly if an
            optimizer is passed, which is when training goes on.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `path` names no file.
        CheckpointError: the file is missing, damaged, not a checkpoint, of a newer format or
            unsafe, or it does not fit what was passed.
    """
    _check_types(model, optimizer, scheduler)
    if random_state not in (None, True, False):
        raise TypeError(f"random_state must be True, False or None, got {random_state!r}")
    state = _read(path)
    _check_model(path, model, state["model"])
    _check_optimizer(path, optimizer, state["optimizer"])
    _check_scheduler(path, scheduler, state["scheduler"])
    _check_loader(path, loader, state["loader"])
    if random_state is None:
        random_state = optimizer is not None
    try:
        with _all_or_nothing(loader, model, optimizer, scheduler):
            _fill(model, optimizer, scheduler, loader, state)
            if random_state:
                _set_random_state(state["random_state"])
    except Exception as error:
        raise CheckpointError(f"{path} does not fit: {error}") from error
    return _as_checkpoint(state)


def go_on(
    path: str | os.PathLike[str],
    *,
    epochs: int,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    loader: Any,
    new_settings: bool = False,
) -> History:
    """Fill everything from the file, if there is one, and return the history so far.

    A fresh start is saved as well: that a file cannot be written shows now, not after an epoch.
    """
    parts: dict[str, Any] = {"model": local(model), "optimizer": optimizer}
    parts |= {"scheduler": scheduler, "loader": loader}
    if not _is_there(path):
        check_schedule(scheduler, loader, epochs)
        if first_process():
            save_checkpoint(path, **parts, history=History())
        return History()
    saved = load_checkpoint(path)  # only looks: nothing is filled before all of it fits
    if saved.epoch > epochs:
        raise ValueError(
            f"epochs must be at least {saved.epoch}, as many as {path} has, got {epochs}"
        )
    if scheduler is None and saved.scheduler is not None:
        raise CheckpointError(f"{path} was saved with a scheduler, but none is passed")
    load_checkpoint(path, **parts)
    return saved.history or History()


def _is_there(path: Any) -> bool:
    """Whether there is a file to go on from; in a parallel training the first process decides."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"checkpoint must be a str or a path, got {path!r}")
    return from_first(os.path.exists(Path(path).expanduser()))


def save_together(path: str | os.PathLike[str], *, model: nn.Module, **others: Any) -> None:
    """`save_checkpoint` for a training on one process or several, all of which call it."""
    if first_process():
        save_checkpoint(path, model=local(model), **others)


# Writing


def _target(path: str | os.PathLike[str]) -> Path:
    """The file itself, so that a symbolic link to it stays a link."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a path, got {path!r}")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"path must name a file, got {path!r}")
    return Path(os.path.realpath(Path(path).expanduser()))


def _replace(target: Path, state: dict[str, Any]) -> None:
    if kind := _no_regular_file(target):
        raise OSError(f"it is {kind}, expected the path of a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two processes that save to one path never write into one file, and renaming is atomic: no
    # lock is needed, which some network file systems do not have.
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}.unfinished")
    try:
        with unfinished.open("x+b") as file:
            _sweep(target, now=os.fstat(file.fileno()).st_mtime)
            _write(file, state)
        _rename(unfinished, target)
    except BaseException:  # Ctrl-C as well
        unfinished.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _no_regular_file(path: Path) -> str | None:
    """What lies there if no file does: a device would be replaced, a pipe waited for."""
    if os.path.isdir(path):
        return "a folder"
    there = os.path.exists(path) and not os.path.isfile(path)
    return "a device, a pipe or a socket" if there else None


def _sweep(target: Path, now: float) -> None:
    """Remove the unfinished files that killed processes left.

    `now` is by the clock of the file system, which need not be that of this machine.
    """
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.unfinished")
    with suppress(OSError):  # as in a folder that may be written to but not listed
        for path in filter(lambda path: ours.fullmatch(path.name), target.parent.iterdir()):
            with suppress(OSError):  # another process was faster
                if path.stat().st_mtime < now - ABANDONED:
                    path.unlink()


def _rename(unfinished: Path, target: Path) -> None:
    """Put the file in its place; Windows refuses while another process is at the old one."""
    start = time.monotonic()
    while True:
        try:
            unfinished.replace(target)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() - start > PATIENCE:
                raise
            time.sleep(0.01)


def _write(file: BinaryIO, state: dict[str, Any]) -> None:
    """Save, seal, try out that it loads again, and wait until the bytes are on the disk."""
    torch.save(state, file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = SEAL + b"0" * DIGITS
    size = file.seek(0, os.SEEK_END)
    seal = _sha256(file, size - DIGITS).encode()
    file.seek(size - DIGITS)
    file.write(seal)
    file.seek(0)
    torch.load(file, map_location="meta", weights_only=True)  # meta: without the tensors' numbers
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Put the rename on the disk, where the system can; Windows and some network drives cannot."""
    with suppress(OSError):  # the new file is in its place already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: BaseException) -> str:
    """The system's own words if it caused the error, even where torch wraps them."""
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors and plain values and could not be loaded again safely"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _what_is_there(target: Path) -> str:
    there = os.path.isfile(target)  # unlike target.is_file(), never raises
    return "the file that was there is unchanged" if there else "nothing was written"


def _sha256(file: BinaryIO, size: int) -> str:
    """The SHA-256 of the first `size` bytes, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, 2**20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


# Reading


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The dict that `save_checkpoint` wrote, whole and of a known format."""
    target = _target(path)
    if kind := _no_regular_file(target):
        raise CheckpointError(f"{path} is {kind}, expected a checkpoint file")
    try:
        with target.open("rb") as file:
            problem = _damage(file)
            state = None if problem else _unpickled(file)
    except Exception as error:
        raise CheckpointError(f"{path} {_why_unread(error)}") from error
    if problem is not None:
        raise CheckpointError(f"{path} {problem}")
    return _checked(path, state)


def _unpickled(file: BinaryIO) -> Any:
    # Whoever wrote the file could have it run code on loading if it were not for weights_only.
    return torch.load(file, map_location="cpu", weights_only=True)


def _why_unread(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist, expected a checkpoint file"
    if isinstance(error, pickle.UnpicklingError):
        return "holds more than tensors and plain values; reading that could run code: not loaded"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return f"is not a checkpoint: {_reason(error)}"


def _damage(file: BinaryIO) -> str | None:
    """What is wrong with the bytes, or None. The seal covers every one of them."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return "is empty, expected a checkpoint"
    start = max(0, size - DIGITS - len(SEAL))
    file.seek(start)
    seal = file.read()
    if not seal.startswith(SEAL):
        return "is damaged (its end is missing), or save_checkpoint did not write it"
    if _sha256(file, size - DIGITS).encode() != seal[len(SEAL) :]:
        return "is damaged: its bytes do not have the SHA-256 that they had when it was saved"
    file.seek(0)
    return None


def _checked(path: str | os.PathLike[str], state: Any) -> dict[str, Any]:
    form = state.get("format") if isinstance(state, dict) else None
    if isinstance(form, int) and form > FORMAT:
        raise CheckpointError(
            f"{path} is of format {form}, newer than the {FORMAT} that this version of helpers "
            "reads: update helpers"
        )
    if form != FORMAT or set(state) != ENTRIES:
        raise CheckpointError(f"{path} is not a checkpoint that save_checkpoint wrote")
    return state


def _as_checkpoint(state: dict[str, Any]) -> Checkpoint:
    history = state["history"]
    return Checkpoint(
        epoch=state["epoch"],
        history=None if history is None else History(**history),
        model=dict(state["model"]),
        optimizer=_state_of(state["optimizer"]),
        scheduler=_state_of(state["scheduler"]),
        loader=state["loader"],
        torch_version=state["torch_version"],
    )


def _state_of(named: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if named is None else named["state"]


# Filling


def _fill(
    model: nn.Module | None,
    optimizer: Optimizer | None,
    scheduler: LRScheduler | None,
    loader: Any,
    state: dict[str, Any],
) -> None:
    if model is not None:
        model.load_state_dict(state["model"])
    if optimizer is not None:  # which keeps the tensors that it is given, so give it a copy
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]["state"]))
    if scheduler is not None:
        scheduler.load_state_dict(copy.deepcopy(state["scheduler"]["state"]))
    if loader is not None and state["loader"] is not None:
        _set_loader_state(loader, state["loader"])


@contextmanager
def _all_or_nothing(loader: Any, *others: Any) -> Iterator[None]:
    """Put everything back as it was if filling fails half-way."""
    stateful = [thing for thing in others if thing is not None]
    before = [(thing, copy.deepcopy(thing.state_dict())) for thing in stateful]
    order = None if loader is None else copy.deepcopy(_loader_state(loader))
    chance = _random_state()
    try:
        yield
    except BaseException:
        for thing, state in before:
            thing.load_state_dict(state)
        if order is not None:
            _set_loader_state(loader, order)
        _set_random_state(chance)
        raise


def _scheduler_state(scheduler: LRScheduler) -> dict[str, Any]:
    return {"class": type(scheduler).__name__, "state": scheduler.state_dict()}


def _optimizer_state(optimizer: Optimizer) -> dict[str, Any]:
    plain = (bool, int, float, str, tuple, type(None))
    made_with = {key: value for key, value in optimizer.defaults.items() if type(value) in plain}
    return {
        "class": type(optimizer).__name__,
        "state": optimizer.state_dict(),
        "made_with": made_with,
    }


def _generators(loader: Any) -> list[torch.Generator]:
    """The generators of its own from which a DataLoader and its sampler draw."""
    owners = (loader, getattr(loader, "sampler", None))
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


def _loader_state(loader: Any) -> dict[str, Any]:
    if hasattr(loader, "state_dict"):
        return {"state": loader.state_dict()}
    return {"generators": [generator.get_state() for generator in _generators(loader)]}


def _set_loader_state(loader: Any, saved: dict[str, Any]) -> None:
    if "state" in saved:
        loader.load_state_dict(copy.deepcopy(saved["state"]))
        return
    for generator, state in zip(_generators(loader), saved["generators"], strict=True):
        generator.set_state(state)


# Random numbers


def _random_state() -> dict[str, Any]:
    """The generators that everybody shares, as tensors, numbers and lists."""
    version, words, gauss = random.getstate()
    name, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002, the shared one
    return {
        "python": [version, list(words), gauss],
        "numpy": [str(name), np.asarray(key).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def _set_random_state(saved: Mapping[str, Any]) -> None:
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = saved["numpy"]
    np.random.set_state((name, np.array(key, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(saved["torch"])
    for device, state in enumerate(saved["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, device)
    if saved["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(saved["mps"])


# Checking that things fit


def _check_types(model: Any, optimizer: Any, scheduler: Any) -> None:
    kinds = {
        "model": (model, nn.Module),
        "optimizer": (optimizer, Optimizer),
        "scheduler": (scheduler, LRScheduler),
    }
    for name, (value, kind) in kinds.items():
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")


def _check_arguments(model: Any, optimizer: Any, scheduler: Any, history: Any, epoch: Any) -> None:
    if model is None:
        raise TypeError("model must be a Module, got None")
    _check_types(model, optimizer, scheduler)
    if history is not None and not isinstance(history, History):
        raise TypeError(f"history must be a History, got {type(history).__name__}")
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        raise TypeError(f"epoch must be a whole number, got {epoch!r}")
    if epoch < 0:
        raise ValueError(f"epoch must be 0 or more, got {epoch}")


def _check_model(
    path: str | os.PathLike[str], model: nn.Module | None, saved: Mapping[str, Any]
) -> None:
    if model is None:
        return
    own = model.state_dict()
    problems = {
        "missing from the file": [key for key in own if key not in saved],
        "not in this model": [key for key in saved if key not in own],
        "of another shape": [
            f"{key} {tuple(saved[key].shape)} for {tuple(own[key].shape)}"
            for key in own
            if key in saved and _shapes_differ(own[key], saved[key])
        ],
    }
    if found := [f"{kind}: {_shortened(keys)}" for kind, keys in problems.items() if keys]:
        raise CheckpointError(f"{path} is of another model; {'; '.join(found)}")


def _shapes_differ(own: Any, saved: Any) -> bool:
    if not (isinstance(own, Tensor) and isinstance(saved, Tensor)) or is_lazy(own):
        return False
    return own.shape != saved.shape


def _shortened(keys: list[str]) -> str:
    more = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _check_class(
    path: str | os.PathLike[str], argument: str, thing: Any, saved: dict[str, Any] | None
) -> None:
    if thing is None:
        return
    if saved is None:
        article = "an" if argument == "optimizer" else "a"
        raise CheckpointError(
            f"{path} was saved without {article} {argument}, but one is to be filled"
        )
    if saved["class"] != (own := type(thing).__name__):
        raise CheckpointError(
            f"{path} holds the {argument} {saved['class']}, but the one to be filled is {own}"
        )


def _check_optimizer(
    path: str | os.PathLike[str], optimizer: Optimizer | None, saved: dict[str, Any] | None
) -> None:
    """The state_dict would put back the old learning rate without a word: then better stop."""
    _check_class(path, "optimizer", optimizer, saved)
    if optimizer is None or saved is None:
        return
    own = _optimizer_state(optimizer)
    sizes, other = (
        [len(group["params"]) for group in entry["state"]["param_groups"]] for entry in (own, saved)
    )
    if sizes != other:
        raise CheckpointError(
            f"{path} holds an optimizer whose groups have {other} parameters, but the one to be "
            f"filled has {sizes}"
        )
    for key, value in saved["made_with"].items():
        _check_setting(path, "an optimizer", key, own["made_with"].get(key, value), value)


def _check_scheduler(
    path: str | os.PathLike[str], scheduler: LRScheduler | None, saved: dict[str, Any] | None
) -> None:
    _check_class(path, "scheduler", scheduler, saved)
    if scheduler is None or saved is None:
        return
    own = scheduler.state_dict()
    for key in SETTINGS:
        _check_setting(path, "a scheduler", key, own.get(key), saved["state"].get(key))


def _check_setting(
    path: str | os.PathLike[str], thing: str, key: str, own: Any, saved: Any
) -> None:
    if own != saved:
        raise CheckpointError(
            f"{path} holds {thing} made with {key}={saved}, but the one to be filled has "
            f"{key}={own}: {ALIKE}"
        )


def _check_loader(path: str | os.PathLike[str], loader: Any, saved: dict[str, Any] | None) -> None:
    if loader is None:
        return
    if saved is None:
        raise CheckpointError(f"{path} was saved without a loader, but one is to be filled")
    own = _loader_state(loader)
    if own.keys() != saved.keys() or len(own.get("generators", ())) != len(
        saved.get("generators", ())
    ):
        raise CheckpointError(
            f"{path} holds the state of another kind of loader than {type(loader).__name__}"
        )

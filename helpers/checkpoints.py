"""Checkpoints: everything that training needs to go on exactly where it stopped, in one file.

Notebook 13_save_load builds the pieces by hand. The file is what `torch.save` writes, a zip archive
of tensors and plain values. It is written beside its place and renamed when it is complete, so a
kill, a full disk or a power cut leaves the old file or the new one. Reading it compares the
archive's checksums first, because `torch.load` alone reads past a flipped bit.
"""

import copy
import math
import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from helpers.batches import with_samplers
from helpers.checks import check_integer, check_path, check_schedule, check_scheduler, check_type
from helpers.devices import random_state, set_random_state
from helpers.files import replace_whole
from helpers.metrics import History
from helpers.parallel import first_process, from_all, several_processes
from helpers.streams import say

FORMAT = 2
SHOWN = 12  # how many differences an error lists

File = str | os.PathLike[str]
State = dict[str, Any]


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read or used; the message names its path and the reason."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds, on the CPU; nothing here is shared with a live object.

    `epoch` counts the whole epochs that were trained, `model` is a state_dict from names to
    tensors. `optimizer` and `scheduler` are state_dicts too, or None if they were not saved, as is
    `history`. `loader` is None or a dict: of a loader with a state_dict it holds that, as `state`;
    of a DataLoader the states of its `generators`. `torch_version` says which PyTorch wrote the
    file.
    """

    epoch: int
    history: History | None
    model: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    scheduler: dict[str, Any] | None
    loader: dict[str, Any] | None
    torch_version: str


def save_checkpoint(
    path: File,
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
        model: its parameters and buffers are saved, from any device. What `torch.compile`,
            DataParallel or DistributedDataParallel have wrapped is saved as the plain model is.
        optimizer: its state_dict, and the names and shapes of its parameters, if given.
        scheduler: its state_dict, if given.
        loader: a loader with a state_dict (as BatchLoader), or a DataLoader, of which the
            generators are saved that it and its samplers own.
        history: what `fit` measured so far, if given; as of a run that was not interrupted.
        epoch: how many whole epochs were trained, 0 or more.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `epoch` is negative, or `path` names no file.
        CheckpointError: the file cannot be written; what was there before is unchanged.
    """
    _save(path, _parts(model, optimizer, scheduler, loader), [_of_process(loader)], history, epoch)


def load_checkpoint(
    path: File,
    *,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    loader: Any = None,
    random_state: bool | None = None,
    new_settings: bool = False,
) -> Checkpoint:
    """Read a checkpoint, fill whatever is passed, and return all that it holds.

    Built in notebook 13. Tensors go to the device of the model or optimizer that takes them,
    wherever they were saved. If anything does not fit, nothing is changed.

    What optimizer and scheduler were made with must be as in the file: all settings of all groups
    and of the schedule are compared, once the scheduler that is behind has taken as many steps as
    the other. A ReduceLROnPlateau cannot be replayed so; it takes from the file what it has
    measured, and the rates that it has come to.

    Each process of a parallel training (notebook 17) takes the loader's and the random generators'
    state that it had itself. If there are more or fewer processes now, all of them take the first
    one's loader, random numbers are new, and a line on stdout says so.

    Args:
        path: a file that `save_checkpoint` wrote.
        model: to be filled, wrapped or not; it must have the names and shapes in the file.
        optimizer: to be filled; of the same class, and made from the same parameters in the same
            order and groups, by name if `model` is passed too, else by shape.
        scheduler: to be filled; of the same class. The rates of its optimizer follow.
        loader: to be filled, of the same kind and sizes.
        random_state: put the random generators back as they were. None does so exactly if an
            optimizer is passed, which is when training goes on.
        new_settings: go on with the settings of the optimizer and the scheduler that are passed,
            even of a scheduler where there was none or another, from where the file stands in the
            schedule. Momentum, averages and counts of steps are the file's all the same.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `path` names no file, or the scheduler is another optimizer's.
        CheckpointError: the file is missing, damaged, not a checkpoint, of another format or
            unsafe, or it does not fit what was passed; each difference is named.
    """
    parts = _parts(model, optimizer, scheduler, loader)
    if random_state not in (None, True, False):
        raise TypeError(f"random_state must be True, False or None, got {random_state!r}")
    going_on = optimizer is not None if random_state is None else random_state
    state = _read(path)
    try:
        state |= _entry_of_this_process(state["processes"])
        state["history"] = state["history"] and History(**state["history"])
        checkpoint = Checkpoint(**{field.name: state[field.name] for field in fields(Checkpoint)})
        _check_fit(parts, state)
        settings = _agreed(parts, state, new_settings) if _stepped(parts) else None
        chance = state["random_state"] if going_on else None
        _fill_or_leave(parts, state | {"settings": settings, "random_state": chance})
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    except Exception as error:
        raise CheckpointError(f"{path} does not fit: {_reason(error)}") from error
    if going_on and state["random_state"] is None and first_process():
        say(f"{path} is of another number of processes: random numbers are new")
    return checkpoint


def go_on(path: File | None, parts: State, epochs: int, new_settings: bool, tell: bool) -> History:
    """Fill everything from the file, if there is one, and return the history so far.

    A fresh start is saved as well: that a file cannot be written shows now, not after an epoch.
    All processes of a parallel training call it, with the model wrapped or not.

    Args:
        path: as in `save_checkpoint`; None for a training of which nothing is saved.
        parts: model, optimizer, scheduler and loader.
        epochs: how many there shall be in all.
        new_settings: as in `load_checkpoint`.
        tell: print a line if there is a file.

    Raises:
        TypeError, CheckpointError: as `save_checkpoint` and `load_checkpoint`.
        ValueError: `epochs` are fewer than the file has, or the schedule is too short for those
            that are left.
    """
    if path is not None:
        check_path("checkpoint", path)
    if path is None or not from_all(os.path.exists(_target(path)))[0]:
        check_schedule(parts["scheduler"], parts["loader"], epochs)
        save_together(path, parts, History())
        return History()
    saved = load_checkpoint(path)  # only looks: nothing is filled before all of it fits
    history = saved.history or History()
    if history.epochs > epochs:
        raise ValueError(f"epochs must be at least {history.epochs}, as {path} has, got {epochs}")
    left, taken = epochs - history.epochs, _steps_taken(saved.scheduler)
    check_schedule(parts["scheduler"], parts["loader"], left, taken)
    load_checkpoint(path, **parts, new_settings=new_settings)
    if tell and history.epochs:
        rest = "going on from there" if history.epochs < epochs else "nothing is left to train"
        say(f"{path} holds epoch {history.epochs} of {epochs}: {rest}")
    return history


def save_together(path: File | None, parts: State, history: History) -> None:
    """`save_checkpoint` for a training on one process or several, all of which call it.

    Each brings its own random state and that of its loader; the first one writes.
    """
    if path is not None:
        processes = from_all(_of_process(parts["loader"]))
        if first_process():
            _save(path, _parts(**parts), processes, history, history.epochs)


class Parts(NamedTuple):
    """What takes part in a training, as far as it was passed; the model without wrappers."""

    model: nn.Module | None
    optimizer: Optimizer | None
    scheduler: LRScheduler | None
    loader: Any


def _parts(model: Any, optimizer: Any, scheduler: Any, loader: Any) -> Parts:
    check_type("model", model, nn.Module, optional=True)
    check_type("optimizer", optimizer, Optimizer, optional=True)
    if scheduler is not None:
        check_scheduler(scheduler, optimizer)
    return Parts(_plain(model), optimizer, scheduler, loader)


def _plain(model: Any) -> Any:
    """The model itself, out of what `torch.compile` and parallel training wrap around it."""
    if isinstance(model, (DataParallel, DistributedDataParallel)):
        return _plain(model.module)
    return _plain(model._orig_mod) if hasattr(model, "_orig_mod") else model


# Writing ------------------------------------------------------------------------------------------


def _save(path: File, parts: Parts, processes: list[State], history: Any, epoch: int) -> None:
    target = _target(path)
    check_type("model", parts.model, nn.Module)
    check_integer("epoch", epoch, minimum=0)
    check_type("history", history, History, optional=True)
    state = _state(parts) | {"format": FORMAT, "torch_version": str(torch.__version__)}
    state |= {"history": history and asdict(history) | {"interrupted": False}}
    state |= {"epoch": epoch, "processes": processes}
    try:
        replace_whole(target, partial(_write, state))
    except Exception as error:
        kept = "the file that was there is unchanged" if target.exists() else "nothing was written"
        raise CheckpointError(f"cannot save {path}: {_reason(error)}; {kept}") from error


def _target(path: File) -> Path:
    """The file itself, so that a symbolic link to it stays a link."""
    check_path("path", path)
    target = Path(os.path.realpath(Path(path).expanduser()))
    if os.path.exists(target) and not os.path.isfile(target):  # root would replace a device
        raise CheckpointError(f"{target} must be a file, but a folder, device or pipe is there")
    return target


def _write(state: State, file: IO[bytes]) -> None:
    torch.save(state, file)
    file.seek(0)  # does it load again? On meta that needs no room for the numbers
    torch.load(file, map_location="meta", weights_only=True)


def _reason(error: BaseException) -> str:
    """The system's own words if it caused the error, even where torch wraps them."""
    if isinstance(error, pickle.UnpicklingError):
        return "more than tensors and plain values are in it, and loading that could run code"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())


# Reading ------------------------------------------------------------------------------------------


def _read(path: File) -> State:
    """What `save_checkpoint` wrote, whole and of the format that we know."""
    target = _target(path)
    try:
        with target.open("rb") as file, zipfile.ZipFile(file) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"{damaged} is not as it was written")
            file.seek(0)
            # Whoever wrote the file could have it run code if it were not for weights_only.
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"cannot load {path}: {_reason(error)}") from error
    except Exception as error:
        wrong = f"{path} is damaged, or save_checkpoint did not write it; {_reason(error)}"
        raise CheckpointError(wrong) from error
    form = state.get("format") if isinstance(state, dict) else None
    if form != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint, or of format {form}, expected {FORMAT}")
    return state


def _entry_of_this_process(entries: list[State]) -> State:
    rank, count = (dist.get_rank(), dist.get_world_size()) if several_processes() else (0, 1)
    return entries[rank] if len(entries) == count else entries[0] | {"random_state": None}


# What there is to save, and to fill ---------------------------------------------------------------


def _state(parts: Parts) -> State:
    """The part that all processes have in common."""
    model, optimizer, scheduler, _ = parts
    return {
        "model": None if model is None else model.state_dict(),
        "optimizer": optimizer and optimizer.state_dict(),
        "scheduler": scheduler and scheduler.state_dict(),
        "made": _made(parts),
        "settings": _settings(parts),
    }


def _of_process(loader: Any) -> State:
    """The part that each has for itself."""
    return {"loader": _order(loader), "random_state": random_state()}


def _fill_or_leave(parts: Parts, state: State) -> None:
    """Put all of it in; if somebody's own code refuses, put back what was there."""
    before = _state(parts) | _of_process(parts.loader)
    before["model"] = copy.deepcopy(before["model"])
    try:
        _fill(parts, state)
    except BaseException:
        _fill(parts, before | {"random_state": state["random_state"] and before["random_state"]})
        raise


def _fill(parts: Parts, state: State) -> None:
    model, optimizer, _, loader = parts
    if loader is not None:
        _put_order(loader, state["loader"])
    if model is not None:
        model.load_state_dict(state["model"])
    if optimizer is not None:  # with a copy: it keeps what it gets
        gathered = copy.deepcopy(state["optimizer"]["state"])
        optimizer.load_state_dict(optimizer.state_dict() | {"state": gathered})
    _put_settings(parts, state["settings"])
    if state["random_state"] is not None:
        set_random_state(state["random_state"])


def _order(loader: Any) -> State | None:
    """On what the order of the next batches depends."""
    if loader is None:
        return None
    if hasattr(loader, "state_dict"):
        return {"state": copy.deepcopy(loader.state_dict())}
    return {"generators": [generator.get_state() for generator in _generators(loader)]}


def _put_order(loader: Any, order: State) -> None:
    if "state" in order:
        loader.load_state_dict(copy.deepcopy(order["state"]))
    else:
        for generator, state in zip(_generators(loader), order["generators"], strict=True):
            generator.set_state(state)


def _generators(loader: Any) -> list[torch.Generator]:
    """The generators of its own from which a DataLoader and its samplers draw."""
    found = dict.fromkeys(getattr(part, "generator", None) for part in with_samplers(loader))
    return [generator for generator in found if isinstance(generator, torch.Generator)]


# Settings -----------------------------------------------------------------------------------------

MEASURED = {"best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr"}


def _agreed(parts: Parts, state: State, new_settings: bool) -> State:
    """Refuse other settings than the file's, unless they are wanted; return those to go on with.

    None are put back or dropped without a word, and no list says which there are: whichever
    schedule is behind, ours or the file's, is replayed, and then all must be alike.
    """
    own, saved = _settings(parts), state["settings"]
    if isinstance(parts.scheduler, ReduceLROnPlateau):
        _take_what_was_measured(own, saved, new_settings)
    here, there = _steps_taken(own["scheduler"]), _steps_taken(saved["scheduler"])
    ours, theirs = _after(there - here, own, parts), _after(here - there, saved, parts)
    # Another version of PyTorch may know other settings: then those count that both know.
    found = _differences("", ours, theirs, state["torch_version"] == str(torch.__version__))
    if found and not new_settings:
        cure = "Make them alike, or say new_settings=True to go on with the new ones"
        raise CheckpointError(f"has other settings; {_listed(found)}. {cure}")
    if found and here > there:
        raise CheckpointError(f"is {here - there} steps behind: make optimizer and scheduler anew")
    return saved if here > there else ours


def _settings(parts: Parts) -> State:
    """What optimizer and scheduler were made with, and the rates that they have come to: a copy."""
    optimizer, scheduler = _stepped(parts), parts.scheduler
    groups = [] if optimizer is None else optimizer.param_groups
    settings = {
        "scheduler class": scheduler and type(scheduler).__name__,
        "scheduler": scheduler and scheduler.state_dict(),
        "group": [{k: v for k, v in group.items() if k != "params"} for group in groups],
    }
    return copy.deepcopy(settings)


def _stepped(parts: Parts) -> Optimizer | None:
    """The optimizer, even if only its scheduler was passed."""
    return parts.optimizer if parts.scheduler is None else parts.scheduler.optimizer


def _put_settings(parts: Parts, settings: State) -> None:
    if (optimizer := _stepped(parts)) is not None:
        own = optimizer.state_dict()
        pairs = zip(own["param_groups"], settings["group"], strict=True)
        optimizer.load_state_dict(own | {"param_groups": [was | new for was, new in pairs]})
    if parts.scheduler is not None:
        parts.scheduler.load_state_dict(copy.deepcopy(settings["scheduler"]))


def _after(steps: int, settings: State, parts: Parts) -> State:
    """What these settings become after so many steps, which copies of the two take."""
    kind = type(parts.scheduler).__name__
    if steps <= 0 or parts.scheduler is None or settings["scheduler class"] != kind:
        return settings
    optimizer = parts.scheduler.optimizer
    shared = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    scheduler = copy.deepcopy(parts.scheduler, {**shared, id(optimizer.state): {}})
    copies = Parts(None, None, scheduler, None)
    _put_settings(copies, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimizer takes no steps meanwhile
        for _ in range(steps):
            scheduler.step()
    return _settings(copies)


def _steps_taken(schedule: State | None) -> int:
    """A ChainedScheduler does not count its steps, but its parts do."""
    if schedule is None:
        return 0
    if "last_epoch" in schedule:
        return schedule["last_epoch"]
    return _steps_taken(schedule["_schedulers"][0])


def _take_what_was_measured(own: State, saved: State, new_settings: bool) -> None:
    """A ReduceLROnPlateau cannot be replayed: what it measured, and the rates, are the file's."""
    known = saved["scheduler"] or {}
    own["scheduler"] |= {key: value for key, value in known.items() if key in MEASURED}
    for group, was in zip(own["group"], saved["group"], strict=False):
        group["lr"] = group["lr"] if new_settings else was["lr"]


# Checking -----------------------------------------------------------------------------------------

LAZY = "whatever the first batch brings"


def _check_fit(parts: Parts, state: State) -> None:
    """Raise unless everything that was passed can take what is in the file."""
    own, saved = _made(parts), state["made"]
    if parts.loader is not None:
        own["loader"], saved["loader"] = _kind(_order(parts.loader)), _kind(state["loader"])
    if found := _differences("", own, {part: saved.get(part) for part in own}):
        raise CheckpointError(f"does not fit; {_listed(found)}")


def _kind(order: State | None) -> str | None:
    """What a loader has of its own, in words."""
    if order is None:
        return None
    return "a state_dict" if "state" in order else f"{len(order['generators'])} generators"


def _made(parts: Parts) -> State:
    """What states must have in common to fit: classes, names and shapes of what is passed."""
    made: State = {}
    model, optimizer = parts.model, parts.optimizer
    if model is not None:
        made["model"] = {name: _shape(value) for name, value in model.state_dict().items()}
    if optimizer is not None:
        groups = [group["params"] for group in optimizer.param_groups]
        made["optimizer"] = type(optimizer).__name__
        made["shapes in group"] = [[_shape(p) for p in group] for group in groups]
    if model is not None and optimizer is not None:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        made["parameters in group"] = [[names.get(id(p)) for p in group] for group in groups]
    return made


def _shape(value: Any) -> str:
    return LAZY if is_lazy(value) else str(tuple(getattr(value, "shape", ())))


def _differences(where: str, own: Any, saved: Any, strict: bool = True) -> list[str]:
    """Each place at which the two are not alike, with both values.

    Unless `strict`, a name that only one of them has is passed over.
    """
    own, saved = _unpacked(own), _unpacked(saved)
    if not (isinstance(own, Mapping) and isinstance(saved, Mapping)):
        text = f"{where}: {_shown(saved)} in the file, {_shown(own)} here"
        return [] if _alike(own, saved) else [text]
    found = []
    for key in {**saved, **own}:
        if strict or not isinstance(key, str) or (key in own and key in saved):
            pair = own.get(key), saved.get(key)
            found += _differences(f"{where} {key}".lstrip(), *pair, strict)
    return found


def _unpacked(value: Any) -> Any:
    """Numbers out of tensors, and lists as dicts from position to entry."""
    if isinstance(value, Tensor):
        value = value.tolist()
    return dict(enumerate(value)) if isinstance(value, (list, tuple)) else value


def _alike(own: Any, saved: Any) -> bool:
    """Equal, but for what processors round differently on the way to the same step."""
    if isinstance(own, (int, float)) and isinstance(saved, (int, float)):
        return math.isclose(own, saved, rel_tol=1e-6, abs_tol=1e-18)
    return own == LAZY or bool(own == saved)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    return "{…}" if isinstance(value, Mapping) else "nothing" if value is None else str(value)


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more

"""The exercises of notebook 13: what has to be in a file, and getting it back out."""

import copy
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from exercises.differences import describe, difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs

State = dict[str, Tensor]


# 13.1 --------------------------------------------------------------------------------------------


def entries() -> int:
    """Return the number of entries in the state_dict of the net in 13.1."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3456, 10),
    )
    return len(net.state_dict())


# 13.2 --------------------------------------------------------------------------------------------


def numbers_in_adams_state() -> int:
    """Return how many numbers lie in the tensors of Adam's state in 13.2."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()["state"]
    return sum(tensor.numel() for entry in state.values() for tensor in entry.values())


# 13.3 --------------------------------------------------------------------------------------------


def train_and_keep_best(
    model: nn.Module,
    train_epoch: Callable[[nn.Module], None],
    validate: Callable[[nn.Module], float],
    epochs: int,
) -> State:
    """Train for some epochs and return the state of the best of them."""
    best_accuracy, best = -1.0, {}
    for _ in range(epochs):
        train_epoch(model)
        accuracy = validate(model)
        if accuracy > best_accuracy:
            best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
    return best


def _same_tensors(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best_accuracy, best = -1.0, {}
    for _ in range(epochs):
        train_epoch(model)
        accuracy = validate(model)
        if accuracy > best_accuracy:
            best_accuracy, best = accuracy, dict(model.state_dict())
    return best


def _too_late(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    return copy.deepcopy(_same_tensors(model, train_epoch, validate, epochs))


def _parameters_alone(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best_accuracy, best = -1.0, {}
    for _ in range(epochs):
        train_epoch(model)
        accuracy = validate(model)
        if accuracy > best_accuracy:
            best_accuracy = accuracy
            best = {name: p.detach().clone() for name, p in model.named_parameters()}
    return best


def _before_the_epoch(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best_accuracy, best = -1.0, {}
    for _ in range(epochs):
        state = copy.deepcopy(model.state_dict())
        train_epoch(model)
        accuracy = validate(model)
        if accuracy > best_accuracy:
            best_accuracy, best = accuracy, state
    return best


def _better_than_the_last(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    last_accuracy, best = -1.0, {}
    for _ in range(epochs):
        train_epoch(model)
        accuracy = validate(model)
        if accuracy > last_accuracy:
            best = copy.deepcopy(model.state_dict())
        last_accuracy = accuracy
    return best


def _live_state(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    model.load_state_dict(train_and_keep_best(model, train_epoch, validate, epochs))
    return model.state_dict()


def _returned_at_once(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    return train_and_keep_best(model, train_epoch, validate, 1)


def _one_epoch_late(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best_accuracy, best = -1.0, {}
    train_epoch(model)
    for _ in range(epochs - 1):
        accuracy = validate(model)
        train_epoch(model)
        if accuracy > best_accuracy:
            best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
    return best


def _one_epoch_more(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    return train_and_keep_best(model, train_epoch, validate, epochs + 1)


def _the_worst(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    return train_and_keep_best(model, train_epoch, lambda m: 1 - validate(m), epochs)


def _the_first(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    states = []
    for _ in range(epochs):
        train_epoch(model)
        validate(model)
        states.append(copy.deepcopy(model.state_dict()))
    return states[0]


def _until_the_first_fall(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best_accuracy, best = -1.0, {}
    for _ in range(epochs):
        train_epoch(model)
        accuracy = validate(model)
        if accuracy <= best_accuracy:
            break
        best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
    return best


def _as_lists(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> Any:
    best = train_and_keep_best(model, train_epoch, validate, epochs)
    return {name: tensor.tolist() for name, tensor in best.items()}


def _only_above(first: float) -> Callable[..., State]:
    def keep(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
        best_accuracy, best = first, {}
        for _ in range(epochs):
            train_epoch(model)
            accuracy = validate(model)
            if accuracy > best_accuracy:
                best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
        return best

    return keep


def _rounded(or_equal: bool) -> Callable[..., State]:
    def keep(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
        best_accuracy, best = -1.0, {}
        for _ in range(epochs):
            train_epoch(model)
            accuracy = round(validate(model), 2)
            if accuracy > best_accuracy or (or_equal and accuracy == best_accuracy):
                best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
        return best

    return keep


def _left_in_eval(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
    best = train_and_keep_best(model, train_epoch, validate, epochs)
    model.eval()
    return best


def _none_at_zero(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> Any:
    return _only_above(0.0)(model, train_epoch, validate, epochs) or None


def _other_numbers(dtype: torch.dtype) -> Callable[..., State]:
    def keep(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> State:
        best = train_and_keep_best(model, train_epoch, validate, epochs)
        return {name: tensor.to(dtype) for name, tensor in best.items()}

    return keep


def _the_model(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> nn.Module:
    return model


def _with_its_accuracy(model: nn.Module, train_epoch: Any, validate: Any, epochs: int) -> Any:
    return 0.9, model.state_dict()


def _one_epoch(model: nn.Module) -> None:
    """Move every parameter, and the running statistics with them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5)
        model(torch.linspace(-1, 1, 12).reshape(4, 3))


def _kept_state(answer: Any, start: float, accuracies: list[float]) -> Any:
    """Train one more epoch after the answer is back, and return what it holds then."""
    model = _small_model(start)
    course = _Course(accuracies)
    best = answer(model, course.train_epoch, course.validate, len(accuracies))
    at_once = _epoch_of(best, start) if isinstance(best, dict) else ""
    if not model.training:
        return {"the model's mode afterwards": "eval"}
    _one_epoch(model)
    if not isinstance(best, dict):
        return None if best is None else {"what comes back": _kind(best)}
    found = {
        "what comes back": "a dictionary",
        "whose state it is": at_once,
        "whose state it is, looked at after one more epoch": _epoch_of(best, start),
        "the names of its entries": list(best),
        "the bias, looked at after one more epoch": best.get("0.bias"),
        "the running mean, looked at after one more epoch": best.get("1.running_mean"),
        "how often it trained": course.trained,
        "the dtypes of its entries": {n: _dtype(tensor) for n, tensor in best.items()},
    }
    return found | (_special(answer) if at_once == _best_epoch(accuracies) else {})


def _small_model(start: float) -> nn.Module:
    torch.manual_seed(0)
    linear = nn.Linear(3, 5)
    nn.init.constant_(linear.bias, start)
    return nn.Sequential(linear, nn.BatchNorm1d(5))


def _best_epoch(accuracies: list[float]) -> str:
    return f"that of epoch {accuracies.index(max(accuracies)) + 1}"


def _special(answer: Any) -> dict[str, Any]:
    """Return what is kept where every accuracy is 0, and the dtypes of a model in float64."""
    entries = {}
    for accuracies in ([0.0], [0.0, 0.0, 0.0]):
        course, model = _Course(accuracies), nn.Linear(2, 1).double()
        entries[len(accuracies)] = answer(
            model, lambda _, course=course: course.count(), course.validate, len(accuracies)
        )
    names = {n: list(best) if isinstance(best, dict) else best for n, best in entries.items()}
    kept = entries[3] if isinstance(entries[3], dict) else {}
    return {
        "the names of its entries if every accuracy is 0": names[3],
        "the names of its entries if the only accuracy is 0": names[1],
        "the dtypes of its entries if the model is in float64": {
            name: _dtype(tensor) for name, tensor in kept.items()
        },
    }


def _dtype(tensor: Any) -> str:
    return str(getattr(tensor, "dtype", "none")).removeprefix("torch.")


def _kind(best: Any) -> str:
    """Say what comes back in the place of a state; what is in it does not matter."""
    kinds = {nn.Sequential: "the model", tuple: "several things", list: "several things"}
    return kinds.get(type(best), describe(best))


def _epoch_of(state: Any, start: float) -> str:
    """Say which epoch a state belongs to; each adds a half to the bias."""
    bias = state.get("0.bias")
    bias = torch.as_tensor(bias) if isinstance(bias, np.ndarray) else bias
    if not isinstance(bias, Tensor) or not bias.numel():
        return "none at all"
    epochs = (bias.detach().flatten()[0].item() - start) * 2
    is_one = bool((bias == bias.flatten()[0]).all()) and abs(epochs - round(epochs)) < 1e-3
    return f"that of epoch {round(epochs)}" if is_one else "that of no epoch"


class _Course:
    """A training that counts its epochs, with accuracies that are known beforehand."""

    def __init__(self, accuracies: list[float]) -> None:
        self.accuracies = accuracies
        self.trained = 0
        self.validated = 0

    def count(self) -> None:
        self.trained += 1

    def train_epoch(self, model: nn.Module) -> None:
        self.count()
        _one_epoch(model)

    def validate(self, _: nn.Module) -> float:
        """Return the accuracy after the last epoch, however often it is asked for."""
        self.validated += 1
        return self.accuracies[min(max(self.trained, 1), len(self.accuracies)) - 1]


def _validates_again(answer: Any, start: float, accuracies: list[float]) -> str | None:
    """Remark on more validations than epochs; they cost time, and a loader may draw anew."""
    course = _Course(accuracies)
    answer(_small_model(start), course.train_epoch, course.validate, len(accuracies))
    if course.validated <= len(accuracies):
        return None
    return (
        f"you call `validate` {course.validated} times in {len(accuracies)} epochs; once an epoch "
        "is enough, if you keep what it returns"
    )


def _accuracies(generator: Generator) -> tuple[Any, ...]:
    """Return accuracies whose best, worst, last rise and neighbours are epochs of their own.

    They first fall after one, two or three epochs, and rise again. Two digits do not tell the
    best from one before it and one after it.
    """
    first = round(0.3 + 0.05 * in_turn(generator, 0, 5), 2)
    rising = [first, first + 0.01, first + 0.02][: 1 + generator.initial_seed() % 3]
    accuracies = [*rising, 0.2, 0.897, 0.4, 0.9, 0.5, 0.896, 0.1, 0.6, 0.55]
    return float(torch.rand((), generator=generator)), accuracies


# 13.4 --------------------------------------------------------------------------------------------


def load_matching(model: nn.Module, state: State) -> list[str]:
    """Load the entries that fit; return the names of those that do not."""
    own = model.state_dict()
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    model.load_state_dict(fitting, strict=False)
    return [name for name in state if name not in fitting]


def _not_strict(model: nn.Module, state: State) -> list[str]:
    return list(model.load_state_dict(state, strict=False).unexpected_keys)


def _names_alone(model: nn.Module, state: State) -> list[str]:
    own = model.state_dict()
    for name, tensor in state.items():
        if name in own and own[name].numel() == tensor.numel():
            own[name].copy_(tensor.reshape(own[name].shape))
    return [n for n, t in state.items() if n not in own or own[n].numel() != t.numel()]


def _missing_too(model: nn.Module, state: State) -> list[str]:
    left_out = load_matching(model, state)
    return left_out + [name for name in model.state_dict() if name not in state]


def _missing_instead(model: nn.Module, state: State) -> list[str]:
    left_out = load_matching(model, state)
    loaded = set(state) - set(left_out)
    return [name for name in model.state_dict() if name not in loaded]


def _those_loaded(model: nn.Module, state: State) -> list[str]:
    left_out = load_matching(model, state)
    return [name for name in state if name not in left_out]


def _nothing_loaded(model: nn.Module, state: State) -> list[str]:
    return load_matching(copy.deepcopy(model), state)


def _no_buffers(model: nn.Module, state: State) -> list[str]:
    own = dict(model.named_parameters())
    fitting = {n: t for n, t in state.items() if n in own and own[n].shape == t.shape}
    model.load_state_dict(fitting, strict=False)
    return [name for name in state if name not in fitting]


def _assigned(model: nn.Module, state: State) -> list[str]:
    left_out = load_matching(model, state)
    fitting = {name: tensor for name, tensor in state.items() if name not in left_out}
    model.load_state_dict(fitting, strict=False, assign=True)
    return left_out


def _taken_out(model: nn.Module, state: State) -> list[str]:
    left_out = load_matching(model, state)
    for name in left_out:
        state.pop(name)
    return left_out


def _strange_names_alone(model: nn.Module, state: State) -> list[str]:
    own = model.state_dict()
    return [name for name in load_matching(model, state) if name not in own]


def _other_shapes_alone(model: nn.Module, state: State) -> list[str]:
    own = model.state_dict()
    return [name for name in load_matching(model, state) if name in own]


def _in_the_models_order(model: nn.Module, state: State) -> list[str]:
    left_out, own = load_matching(model, state), model.state_dict()
    return [n for n in own if n in left_out] + [n for n in left_out if n not in own]


def _by_the_alphabet_too(model: nn.Module, state: State) -> list[str]:
    return sorted(load_matching(model, state))


def _with_broadcasting(model: nn.Module, state: State) -> list[str]:
    left_out, own = [], model.state_dict()
    for name, tensor in state.items():
        try:
            own[name].copy_(tensor)
        except (KeyError, RuntimeError):
            left_out.append(name)
    return left_out


def _what_load_says(model: nn.Module, state: State) -> Any:
    left_out = load_matching(model, state)
    fitting = {name: tensor for name, tensor in state.items() if name not in left_out}
    return model.load_state_dict(fitting, strict=False)


def _model_too(model: nn.Module, state: State) -> Any:
    return model, load_matching(model, state)


def _how_many(model: nn.Module, state: State) -> int:
    return len(load_matching(model, state))


def _after_matching(answer: Any, model: nn.Module, state: State) -> dict[str, Any]:
    before = {name: tensor.clone() for name, tensor in state.items()}
    names = _left_out(answer, model, state)
    is_several = type(names) is tuple and not all(isinstance(name, str) for name in names)
    after = {_now(name): t.clone() for name, t in model.state_dict().items()}
    kept = list(before) == list(state) and all(torch.equal(before[n], state[n]) for n in before)
    for tensor in state.values():
        tensor.mul_(2)
    later = model.state_dict()
    shared = [name for name, tensor in later.items() if not torch.equal(tensor, after[_now(name)])]
    return {
        "what comes back": "several things" if is_several else "the names left out",
        "the names left out": None if is_several else names,
        **after,
        "what shares its memory with `state`": shared,
        "whether `state` is as it was": kept,
        "the modes (True for training)": [module.training for module in model.modules()],
        "what trains": [name for name, p in model.named_parameters() if p.requires_grad],
    }


def _left_out(answer: Any, model: nn.Module, state: State) -> Any:
    try:
        return answer(model, state)
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise
        return "an error of load_state_dict: size mismatch"


def _now(name: str) -> str:
    return f"the model's {name} afterwards"


def _changed_model(generator: Generator) -> tuple[Any, ...]:
    """Return a model and a state that fits in part: other shapes, a strange name, a missing one."""
    width = in_turn(generator, 4, 8)
    model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2)).double()
    other = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width)).double()
    state = {"3.weight": torch.zeros(1), "2.weight": torch.zeros(width, 2)}
    state |= other.state_dict()
    state["2.bias"] = torch.zeros(1)  # copy_ would broadcast it
    state["1.num_batches_tracked"] = torch.tensor(7)
    del state["1.weight"]
    for name, tensor in state.items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            state[name] = values
    return model, state


# 13.5 --------------------------------------------------------------------------------------------


def load_newest(folder: Path) -> dict[str, Any]:
    """Load the newest checkpoint that can be loaded."""
    paths = folder.glob("epoch_*.pt")
    for path in sorted(paths, key=lambda p: int(p.stem.split("_")[1]), reverse=True):
        try:
            return torch.load(path, weights_only=True)
        except Exception:
            continue
    raise FileNotFoundError(f"no whole checkpoint in {folder}")


def _first_that_loads(paths: Iterable[Path]) -> Any:
    for path in paths:
        try:
            return torch.load(path, weights_only=True)
        except Exception:
            continue
    return None


def _by_epoch(path: Path) -> int:
    return int(path.stem.split("_")[1])


def _by_the_alphabet(folder: Path) -> Any:
    return _first_that_loads(sorted(folder.glob("epoch_*.pt"), reverse=True))


def _latest_written(folder: Path) -> Any:
    paths = folder.glob("epoch_*.pt")
    return _first_that_loads(sorted(paths, key=lambda p: p.stat().st_mtime, reverse=True))


def _largest(folder: Path) -> Any:
    paths = folder.glob("epoch_*.pt")
    return _first_that_loads(sorted(paths, key=lambda p: p.stat().st_size, reverse=True))


def _oldest(folder: Path) -> Any:
    return _first_that_loads(sorted(folder.glob("epoch_*.pt"), key=_by_epoch))


def _without_try(folder: Path) -> Any:
    newest = max(folder.glob("epoch_*.pt"), key=_by_epoch)
    return torch.load(newest, weights_only=True)


def _one_error_alone(folder: Path) -> Any:
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
        try:
            return torch.load(path, weights_only=True)
        except RuntimeError:
            continue
    return None


def _first_alone(folder: Path) -> Any:
    newest = max(folder.glob("epoch_*.pt"), key=_by_epoch)
    try:
        return torch.load(newest, weights_only=True)
    except Exception:
        return None


def _eof_alone(folder: Path) -> Any:
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
        try:
            return torch.load(path, weights_only=True)
        except EOFError:
            continue
    return None


def _second_without_try(folder: Path) -> Any:
    *_, second, newest = sorted(folder.glob("epoch_*.pt"), key=_by_epoch)
    try:
        return torch.load(newest, weights_only=True)
    except Exception:
        return torch.load(second, weights_only=True)


def _by_last_digit(folder: Path) -> Any:
    paths = folder.glob("epoch_*.pt")
    return _first_that_loads(sorted(paths, key=lambda p: int(p.stem[-1]), reverse=True))


def _as_listed(folder: Path) -> Any:
    return _first_that_loads(folder.glob("epoch_*.pt"))


def _as_listed_backwards(folder: Path) -> Any:
    return _first_that_loads(list(folder.glob("epoch_*.pt"))[::-1])


def _counting_up(folder: Path) -> Any:
    epoch, newest = 8, None
    while (folder / f"epoch_{epoch}.pt").exists():
        newest = _first_that_loads([folder / f"epoch_{epoch}.pt"]) or newest
        epoch += 1
    return newest


def _several(folder: Path) -> Any:
    return _by_epoch(folder / "epoch_1.pt"), load_newest(folder)


def _its_bytes(folder: Path) -> bytes:
    return max(folder.glob("epoch_*.pt"), key=_by_epoch).read_bytes()


def _its_epoch(folder: Path) -> Any:
    return load_newest(folder)["epoch"]


def _its_path(folder: Path) -> Any:
    return folder / f"epoch_{_its_epoch(folder)}.pt"


def _cleaned_up(folder: Path) -> Any:
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
        try:
            return torch.load(path, weights_only=True)
        except Exception:
            path.unlink()
    return None


def _up_to_the_damage(folder: Path) -> Any:
    state = None
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch):
        try:
            state = torch.load(path, weights_only=True)
        except Exception:
            break
    return state


def _by_content(folder: Path) -> Any:
    loaded = [_first_that_loads([path]) for path in folder.glob("epoch_*.pt")]
    whole = [state for state in loaded if isinstance(state, dict) and "epoch" in state]
    return max(whole, key=lambda state: state["epoch"])


def _with_an_epoch_inside(folder: Path) -> Any:
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
        state = _first_that_loads([path])
        if isinstance(state, dict) and "epoch" in state:
            return state
    return None


def _if_true(of_a_tensor: bool) -> Callable[[Path], Any]:
    def load(folder: Path) -> Any:
        for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
            state = _first_that_loads([path])
            if (isinstance(state, Tensor) and of_a_tensor) or (
                not isinstance(state, Tensor) and state
            ):
                return state
        return None

    return load


def _raises_on_a_tensor(folder: Path) -> Any:
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch, reverse=True):
        state = _first_that_loads([path])
        if state:
            return state
    return None


def _from_within(folder: Path) -> Any:
    os.chdir(folder)
    return load_newest(folder)


@cache
def _file_of(epoch: int) -> bytes:
    """Return a checkpoint's file; that of an epoch from 60 to 62 is the largest."""
    buffer = io.BytesIO()
    weight = torch.full((300 if 60 <= epoch <= 62 else 3,), float(epoch))
    torch.save({"epoch": epoch, "weight": weight}, buffer)
    return buffer.getvalue()


def _from_folder(answer: Any, epochs: list[int], damaged: list[int], empty: int) -> Any:
    """Write a file for each epoch, some of them damaged; load the newest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, epochs, damaged, empty)
        state, raised, place = _called_here(answer, folder)
        left = sorted(path.name for path in folder.iterdir())
    if isinstance(state, Path):  # of a folder that has another name each time
        state = Path(state.name)
    kinds: dict[Any, Any] = {tuple: "several things", list: "several things", bytes: "bytes"}
    found = {
        "the error that your code lets through": raised,
        "what was loaded": kinds.get(type(state), state),
        "the files in the folder afterwards": left,
        "the working directory afterwards": place,
    }
    newest = torch.load(io.BytesIO(_file_of(max(set(epochs) - set(damaged)))))
    return found if difference(state, newest) is not None else found | _other_contents(answer)


def _called_here(answer: Any, folder: Path) -> tuple[Any, str, str]:
    """Return what an answer loads, its error, and whether it leaves the working directory."""
    here, state, raised = os.getcwd(), None, "none"
    try:
        state = answer(folder)
    except (RuntimeError, EOFError) as error:  # that of torch.load, the answer let it through
        raised = type(error).__name__
    finally:
        place = "as before" if os.getcwd() == here else "another"
        os.chdir(here)
    return state, raised, place


def _other_contents(answer: Any) -> dict[str, Any]:
    """Return what comes of files that hold other things, up to the first that comes out wrong."""
    found: dict[str, Any] = {}
    contents = {
        'if its entry "epoch" is lower than an older file\'s': {"epoch": 3},
        'if it has no entry "epoch"': {"step": 3},
        "if it is an empty dictionary": {},
        "if it is a tensor": torch.tensor([1.0, 2.0]),
    }
    for name, content in contents.items():
        with tempfile.TemporaryDirectory() as folder:
            torch.save({"epoch": 7}, Path(folder) / "epoch_9.pt")
            torch.save(content, Path(folder) / "epoch_10.pt")
            state, raised, _ = _called_here(answer, Path(folder))
        found[f"what was loaded, {name}"] = state if raised == "none" else raised
        if difference(state, content) is not None:
            break
    return found


def _write(folder: Path, epochs: list[int], damaged: list[int], empty: int) -> None:
    """Write the files, in this order; that of an epoch from 250 to 252 has the latest time."""
    for minute, epoch in enumerate(epochs):
        path = folder / f"epoch_{epoch}.pt"
        content = _file_of(epoch)
        if epoch in damaged:
            content = b"" if epoch == empty else content[: len(content) // 2]
        path.write_bytes(content)
        late = 100 * (250 <= epoch <= 252)
        os.utime(path, (60 * (minute + late), 60 * (minute + late)))


def _epochs(generator: Generator) -> tuple[Any, ...]:
    """Return epochs of one to four digits, which of them are damaged, and which file is empty.

    In each order in which one could try them, another one is the first that loads, and it differs
    from draw to draw: by texts 7 or 70, by the last digit 38, 48 or 58, by time 250 to 252, by size
    60 to 62, counted up from 8 it is 10 or 11, from below 2, 1 or 3.
    """
    kind, newest = generator.initial_seed() % 3, in_turn(generator, 1001, 1006)
    low = [(2, 3, 4), (1, 2, 3), (3, 4, 5)][kind]
    first, more = (newest + 2, 12, *low), (70, 11) if kind == 1 else ()
    second, third = (7, newest, 9, 10, 1000), (8, 250 + kind, 38 + 10 * kind, 60 + kind)
    damaged = [low[2], 8, 9, newest + 1, newest + 2]
    empty = newest + 1 + generator.initial_seed() % 2
    return [*first, *second, *more, *third, newest + 1, 6], damaged, empty


_BEST_EXAMPLE = """\
model, accuracies = nn.Linear(1, 1), [0.3, 0.9, 0.5]
nn.init.zeros_(model.weight)
def train_epoch(model):
    model.weight.data += 1
def validate(model):
    return accuracies[int(model.weight) - 1]
best = train_and_keep_best(model, train_epoch, validate, 3)
train_epoch(model)
best["weight"].item()"""

_MATCHING_EXAMPLE = """\
model = nn.Linear(2, 1)
_ = nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
state = {"weight": torch.ones(2, 1), "bias": torch.tensor([7.0]), "head": torch.ones(1)}
load_matching(model, state), model.weight, model.bias"""

_NEWEST_EXAMPLE = """\
import tempfile
place = tempfile.TemporaryDirectory()
folder = Path(place.name)
for epoch in (8, 9, 10, 11):
    torch.save({"epoch": epoch}, folder / f"epoch_{epoch}.pt")
(folder / "epoch_12.pt").write_bytes(b"")
content = (folder / "epoch_11.pt").read_bytes()
(folder / "epoch_11.pt").write_bytes(content[:100])
load_newest(folder)"""

EXERCISES = (
    Exercise(
        number="13.1",
        prompt=(
            "**13.1 Predict.** How many entries has the `state_dict` of "
            "`nn.Sequential(nn.Conv2d(1, 6, kernel_size=5, bias=False), nn.BatchNorm2d(6), "
            "nn.ReLU(), nn.Flatten(), nn.Linear(3456, 10))`?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=entries,
        wrong=(
            Wrong(
                5,
                "you counted the parameters; the three buffers of the batch normalisation have "
                "entries too.",
            ),
            Wrong(
                7,
                "one buffer is missing: besides the running mean and variance, "
                "`num_batches_tracked` counts the batches.",
            ),
            Wrong(9, "you gave the convolution a bias; it was made with `bias=False`."),
            Wrong(3, "that is the number of layers with entries; some have more than one."),
            Wrong(
                4,
                "the three buffers of the batch normalisation are missing, and so is one of its "
                "two parameters, or one of the linear layer.",
            ),
            Wrong(
                6,
                "batch normalisation has five entries: weight, bias, `running_mean`, `running_var` "
                "and `num_batches_tracked`.",
            ),
            Wrong(10, "ReLU and Flatten own nothing, and the convolution has no bias."),
            Wrong(
                34_745,
                "that is how many numbers lie in the entries; the question is how many entries.",
            ),
            Wrong(
                34_732,
                "that is how many numbers the parameters hold; the question is how many entries "
                "there are, with the buffers.",
            ),
        ),
        hints=(
            "Go from layer to layer: which own tensors, and how many, parameters and buffers "
            "together?",
            "Batch normalisation has two parameters and three buffers.",
            "1 for the convolution without a bias, 5 for the batch normalisation, 2 for the "
            "linear layer.",
        ),
        because=(
            "one weight, then two parameters and three buffers, then a weight and a bias; ReLU "
            "and Flatten own nothing."
        ),
    ),
    Exercise(
        number="13.2",
        prompt=(
            "**13.2 Predict.** Adam has taken one step with the parameters of "
            "`nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))`. How many numbers do "
            'the tensors in `optimizer.state_dict()["state"]` hold, all together?'
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=numbers_in_adams_state,
        wrong=(
            Wrong(
                46,
                "the two averages are right; the count of steps, one for each parameter tensor, "
                "is missing.",
            ),
            Wrong(23, "that is what SGD with momentum keeps; Adam keeps two averages and a count."),
            Wrong(27, "Adam keeps *two* running averages for each number, not one."),
            Wrong(47, "the steps are counted for each parameter tensor, not once for all."),
            Wrong(
                69,
                "that would be three numbers for each number of the net, but there are two: the "
                "parameters themselves are not in the state, and the steps are counted once for "
                "each parameter *tensor*.",
            ),
            Wrong(73, "the parameters themselves are not in Adam's state: take their 23 away."),
            Wrong(38, "you left out the biases; they are parameters, with averages, like others."),
            Wrong(36, "you left out the biases, and the count of steps of each tensor."),
            Wrong(40, "you left out the biases; they are parameters, with averages, like others."),
            Wrong(92, "Adam keeps two averages for each number, and a count for each *tensor*."),
            Wrong(12, "that is the number of tensors; the question is how many numbers they hold."),
        ),
        hints=(
            "The net has 4 × 3 + 3 + 3 × 2 + 2 = 23 numbers in four parameter tensors.",
            "Of each parameter Adam keeps `exp_avg`, `exp_avg_sq` and `step`.",
            "`exp_avg` and `exp_avg_sq` are shaped like the parameter; `step` is one number.",
        ),
        because=(
            "two averages of 23 numbers each and four counts of steps; a checkpoint with Adam is "
            "about three times as large as one of the weights alone."
        ),
    ),
    Exercise(
        number="13.3",
        prompt=(
            "**13.3 Modify.** This function trains, and means to return the state of the model "
            "after its best epoch. It returns the weights of the last one. Change it so that "
            "nothing that happens later, in the loop or after it, can touch what it returns."
        ),
        stub=(
            "def train_and_keep_best(model, train_epoch, validate, epochs):\n"
            "    best_accuracy, best = -1.0, {}\n"
            "    for _ in range(epochs):\n"
            "        train_epoch(model)\n"
            "        accuracy = validate(model)\n"
            "        if accuracy > best_accuracy:\n"
            "            best_accuracy, best = accuracy, model.state_dict()\n"
            "    return best"
        ),
        name="train_and_keep_best",
        solution=train_and_keep_best,
        inputs=_accuracies,
        probe=_kept_state,
        aside=_validates_again,
        examples=(_BEST_EXAMPLE,),
        wrong=(
            Wrong(
                _same_tensors,
                "the dictionary may be a new one, but its tensors are still the model's own; "
                "`dict(...)` and `.copy()` copy the names and share the memory.",
            ),
            Wrong(
                _too_late,
                "that is the state of the last epoch. Is `best_accuracy` set whenever an epoch is "
                "better? And do you copy at that moment? When training is over, the tensors hold "
                "the last epoch.",
            ),
            Wrong(
                _live_state,
                "the weights are those of the best epoch, but what you return is the model's own "
                "state, and the next epoch changes it; return the copy itself.",
            ),
            Wrong(
                _returned_at_once,
                "it comes back after the first epoch: does `return` stand inside the loop?",
            ),
            Wrong(
                _one_epoch_late,
                "you train once more between `validate` and the copy, so that it is the state of "
                "one epoch later.",
            ),
            Wrong(_one_epoch_more, "you train one epoch too many: `range(epochs)` has them all."),
            Wrong(_the_worst, "you keep the worst epoch: a higher accuracy is better."),
            Wrong(_the_first, "that is the state of the first epoch, whatever came later."),
            Wrong(
                _only_above(1.0),
                "no epoch is ever kept: keep one whose accuracy is above (`>`) the best so far, "
                "and let `best_accuracy` begin below every accuracy.",
            ),
            Wrong(
                _parameters_alone,
                "the parameters are right, but the buffers are missing: copy the whole "
                "`state_dict`.",
            ),
            Wrong(
                _before_the_epoch,
                "you copy before the epoch whose accuracy you then measure; this is the state of "
                "one epoch earlier.",
            ),
            Wrong(
                _better_than_the_last,
                "you compare with the epoch before; compare with the best so far.",
            ),
            Wrong(
                _until_the_first_fall,
                "you stop at the first epoch that is no better than those before; a better one may "
                "come later: train all `epochs`.",
            ),
            Wrong(
                _as_lists,
                "the numbers are those of the best epoch, but they are lists; "
                "`load_state_dict` takes tensors: `clone()` makes copies of them.",
            ),
            *wrongs(
                "an epoch that is better by 0.003 passes unnoticed, or counts as no better: "
                "compare the accuracies as they come, not rounded.",
                *map(_rounded, (False, True)),
            ),
            Wrong(
                _left_in_eval,
                "you leave the model in eval mode, so what trains on after that does so without "
                "dropout, and its running statistics stand still: leave its mode as it was.",
            ),
            *wrongs(
                "where every accuracy is 0, no epoch is kept: let `best_accuracy` begin below "
                "every accuracy, with -1.0, or keep an epoch that equals the best (`>=`).",
                *(_only_above(0.0), _none_at_zero),
            ),
            *wrongs(
                "the entries do not keep their dtypes: a state holds whole numbers as well "
                "(`num_batches_tracked`), and a model's may be float64. Copy each as it is: "
                "`clone()`, without a dtype.",
                *map(_other_numbers, (torch.float32, torch.float64, torch.float16)),
            ),
            Wrong(_the_model, "you return a model; the state alone was asked for, a dictionary."),
            Wrong(
                _with_its_accuracy,
                "you return several things; the state alone was asked for, a dictionary.",
            ),
        ),
        hints=(
            "Whose memory do the tensors in a `state_dict` use?",
            "A new dictionary is not enough, the tensors in it must be new as well.",
            "`copy.deepcopy(model.state_dict())`, at the place where `model.state_dict()` stands.",
        ),
        because=(
            "the deep copy owns its memory, so training can go on without touching what you kept."
        ),
    ),
    Exercise(
        number="13.4",
        prompt=(
            "**13.4 Build.** Write `load_matching(model, state)`. It loads those entries of "
            "`state` whose name and shape are found in the model, as copies, leaves the rest of "
            "the model and `state` itself as they are, and returns the list of the names in "
            "`state` that it left out, in the order of `state`."
        ),
        stub=("def load_matching(model, state):\n    return None  # your lines"),
        name="load_matching",
        solution=load_matching,
        inputs=_changed_model,
        probe=_after_matching,
        examples=(_MATCHING_EXAMPLE,),
        wrong=(
            Wrong(
                _not_strict,
                "`strict=False` forgives missing and unexpected names, not another shape; sort "
                "those entries out yourself, before you load.",
            ),
            Wrong(
                _names_alone,
                "you pour an entry into another shape because it has as many numbers; compare "
                "the shapes, not the sizes.",
            ),
            Wrong(
                _missing_too,
                "your list also names what the model has and `state` lacks; only names from "
                "`state` were asked for.",
            ),
            Wrong(
                _missing_instead,
                "you list what remained unfilled in the model; the question is which entries of "
                "`state` found no place.",
            ),
            Wrong(_those_loaded, "you return the names that were loaded, not those left out."),
            Wrong(
                _nothing_loaded,
                "the list is right, but the model that was passed is as before: load into it.",
            ),
            Wrong(
                _no_buffers,
                "you pass over the buffers; compare with `model.state_dict()`, not with the "
                "parameters.",
            ),
            Wrong(
                _assigned,
                "the model now shares its memory with `state`: what changes the one changes the "
                "other. `load_state_dict` copies, unless you say `assign=True`.",
            ),
            Wrong(
                _taken_out,
                "you take entries out of `state`, which belongs to the caller; collect those that "
                "fit in a dictionary of your own.",
            ),
            Wrong(
                _strange_names_alone,
                "the model is right, but your list lacks the entries whose name is known and whose "
                "shape is another.",
            ),
            Wrong(
                _other_shapes_alone,
                "the model is right, but your list lacks the entries whose name the model does not "
                "know.",
            ),
            Wrong(_in_the_models_order, "the names are right, but not in the order of `state`."),
            Wrong(_by_the_alphabet_too, "the names are right, but not in the order of `state`."),
            Wrong(
                _with_broadcasting,
                "`copy_` stretches a tensor of one entry over a larger one; compare the shapes "
                "before you copy.",
            ),
            Wrong(
                _what_load_says,
                "you return what `load_state_dict` says: names that are missing in what you gave "
                "it. Return the names in `state` that you did not give it.",
            ),
            Wrong(_model_too, "you return several things; return the list of the names alone."),
            Wrong(_how_many, "you return how many were left out; return the list of their names."),
        ),
        hints=(
            "First decide which entries fit, then load only those.",
            "Compare `tensor.shape` with the shape that `model.state_dict()` has under this name.",
            "Collect the fitting entries in a dictionary and pass it to "
            "`model.load_state_dict(fitting, strict=False)`.",
        ),
        because=(
            "nothing is loaded by accident, and the list says what was left out; this is how "
            "weights move into a net with a new head."
        ),
    ),
    Exercise(
        number="13.5",
        prompt=(
            "**13.5 Build.** A folder (a `Path`) holds checkpoints `epoch_8.pt`, `epoch_9.pt`, "
            "`epoch_10.pt`, and so on. Some are damaged: half a file, or an empty one. Write "
            "`load_newest(folder)`: it returns what the checkpoint of the highest epoch holds "
            "that `torch.load` can still read."
        ),
        stub=("def load_newest(folder):\n    return None  # your lines"),
        name="load_newest",
        solution=load_newest,
        inputs=_epochs,
        probe=_from_folder,
        examples=(_NEWEST_EXAMPLE,),
        wrong=(
            Wrong(
                _by_the_alphabet,
                "you sort the names as texts, and there `epoch_9` comes after `epoch_10`; make "
                "the epoch a number first.",
            ),
            Wrong(
                _latest_written,
                "you go by the time of writing, and copying changes that; the epoch stands in "
                "the name.",
            ),
            Wrong(
                _largest,
                "you go by the size of the file; a whole one may be the smallest: the epoch "
                "stands in the name.",
            ),
            Wrong(
                _up_to_the_damage,
                "you stop at the first damaged file; there may be whole ones of higher epochs.",
            ),
            Wrong(_oldest, "you begin with the lowest epoch; begin with the highest."),
            Wrong(
                _without_try,
                "you let an error through: an empty file raises EOFError, half a file "
                "RuntimeError. Catch both, and try the next older file.",
            ),
            Wrong(
                _one_error_alone,
                "you let an error through: an empty file raises EOFError, half a file "
                "RuntimeError. Catch both, and try the next older file.",
            ),
            Wrong(
                _eof_alone,
                "you let an error through: an empty file raises EOFError, half a file "
                "RuntimeError. Catch both, and try the next older file.",
            ),
            Wrong(
                _first_alone,
                "nothing comes back, though the folder holds whole files. Do you try each of them, "
                "from the highest epoch down, and go on after a damaged one? If you do: an "
                "`except` hides what fails, so print the error there. (`load_checkpoint` refuses "
                "them all, since these files are no whole checkpoints: use `torch.load`.)",
            ),
            Wrong(
                _second_without_try,
                "you let an error through: the file that you load after the newest one may be "
                "damaged as well. Try each of them, in a loop.",
            ),
            Wrong(
                _by_last_digit,
                "you sort by the last digit of the name; the epoch is the whole number behind `_`.",
            ),
            Wrong(
                _counting_up,
                "you count up and stop where a number has no file, and the folder has higher ones. "
                'Take the names from the folder: `folder.glob("epoch_*.pt")`.',
            ),
            Wrong(
                _several,
                "you return several things; return what the one file holds, the dictionary that "
                "`torch.load` gives.",
            ),
            Wrong(_its_bytes, "you return the bytes of a file; `torch.load` reads what it holds."),
            *(
                Wrong(
                    answer,
                    "you take the files as the folder lists them, in no order; sort them by their "
                    "epoch. (`sorted` leaves a list as it is, and returns a new one.)",
                )
                for answer in (_as_listed, _as_listed_backwards)
            ),
            *wrongs(
                "the highest epoch goes by the name of the file, whatever lies in it: its content "
                'may be without an entry "epoch", or count anew.',
                *(_by_content, _with_an_epoch_inside),
            ),
            *wrongs(
                "a checkpoint may hold what counts as false, such as an empty dictionary, or a "
                "tensor, of which `if` cannot ask whether it is true: return what loads, without "
                "`if` on its content.",
                *(_if_true(True), _if_true(False), _raises_on_a_tensor),
            ),
            Wrong(
                _from_within,
                "what you load is right, but `os.chdir` leaves the reader's program in another "
                "working directory; the paths from `folder.glob` need none.",
            ),
            Wrong(_its_epoch, "that is the right epoch; return what its file holds."),
            Wrong(_its_path, "that is the path of the right file; return what the file holds."),
            Wrong(
                _cleaned_up,
                "what you load is right, but you delete the damaged files; leave the folder as it "
                "is.",
            ),
        ),
        hints=(
            "Try them from the highest epoch down, and return the first that loads.",
            'The epoch is `int(path.stem.split("_")[1])`; give `sorted` a `key` and '
            "`reverse=True`.",
            "Half a file raises a RuntimeError, an empty one an EOFError: catch `Exception` "
            "around `torch.load` and go on.",
        ),
        because=(
            "one damaged file costs an epoch, not the run; and whoever writes aside and renames, "
            "as `save_checkpoint` does, leaves no half file behind."
        ),
    ),
)

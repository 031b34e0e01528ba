"""The exercises of notebook 13: what has to be in a file, and getting it back out."""

import copy
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong

State = dict[str, Tensor]


def _integer(generator: Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (), generator=generator))


# 11.1 --------------------------------------------------------------------------------------------


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


# 11.2 --------------------------------------------------------------------------------------------


def numbers_in_adams_state() -> int:
    """Return how many numbers lie in the tensors of Adam's state in 13.2."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()["state"]
    return sum(tensor.numel() for entry in state.values() for tensor in entry.values())


# 11.3 --------------------------------------------------------------------------------------------


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
    torch.manual_seed(0)
    linear = nn.Linear(3, 5)
    nn.init.constant_(linear.bias, start)
    model = nn.Sequential(linear, nn.BatchNorm1d(5))
    scores = iter(accuracies)
    best = answer(model, _one_epoch, lambda _: next(scores, accuracies[-1]), len(accuracies))
    _one_epoch(model)
    if not isinstance(best, dict):  # by name: what is in it does not matter
        return {nn.Sequential: "the model", tuple: "a tuple"}.get(type(best), best)
    return {
        "the names of its entries": list(best),
        "the bias, looked at after one more epoch": best.get("0.bias"),
        "the running mean, looked at after one more epoch": best.get("1.running_mean"),
    }


def _accuracies(generator: Generator) -> tuple[Any, ...]:
    """Return accuracies whose best is neither the first nor the last rise."""
    low = [round(0.1 + 0.05 * _integer(generator, 0, 5), 2) for _ in range(2)]
    return float(torch.rand((), generator=generator)), [low[0], 0.9, low[1], 0.6, 0.5]


# 11.4 --------------------------------------------------------------------------------------------


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


def _after_matching(answer: Any, model: nn.Module, state: State) -> dict[str, Any]:
    try:
        names = answer(model, state)
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise
        names = "an error of load_state_dict: size mismatch"
    for tensor in state.values():  # whoever shares its memory with the state shows it now
        tensor.mul_(2)
    after = {f"the model's {name} afterwards": t.clone() for name, t in model.state_dict().items()}
    return {"the names left out": names, **after}


def _changed_model(generator: Generator) -> tuple[Any, ...]:
    """Return a model and a state that fits in part: other shapes, a strange name, a missing one."""
    width = _integer(generator, 4, 8)
    model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2)).double()
    other = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width)).double()
    state = dict(other.state_dict())
    state["2.weight"] = torch.zeros(width, 2)
    state["2.bias"] = torch.zeros(3)
    state["3.weight"] = torch.zeros(1)
    del state["1.weight"]
    for name, tensor in state.items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            state[name] = values
    return model, state


# 11.5 --------------------------------------------------------------------------------------------


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


def _up_to_the_damage(folder: Path) -> Any:
    state = None
    for path in sorted(folder.glob("epoch_*.pt"), key=_by_epoch):
        try:
            state = torch.load(path, weights_only=True)
        except Exception:
            break
    return state


def _from_folder(answer: Any, epochs: list[int], newest_whole: int, empty: int) -> Any:
    """Write a file for each epoch, 4 and those after `newest_whole` damaged; load the newest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for minute, epoch in enumerate(epochs):
            path = folder / f"epoch_{epoch}.pt"
            size = 300 if epoch == 5 else 3
            torch.save({"epoch": epoch, "weight": torch.full((size,), float(epoch))}, path)
            if epoch > newest_whole or epoch == 4:
                content = path.read_bytes()
                path.write_bytes(b"" if epoch == empty else content[: len(content) // 2])
            os.utime(path, (60 * minute, 60 * minute))
        try:
            state = answer(folder)
        except (RuntimeError, EOFError) as error:  # that of torch.load, the answer let it through
            state = type(error).__name__
        left = sorted(path.name for path in folder.iterdir())
    return {"what was loaded": state, "the files in the folder afterwards": left}


def _epochs(generator: Generator) -> tuple[Any, ...]:
    """Return epochs of one and two digits, in the order of saving; 5 is the largest file."""
    first = _integer(generator, 10, 14)
    epochs = [first + 2, 2, 3, first, 5, 9, 4, first + 1, 7]
    return epochs, first, first + 1 + _integer(generator, 0, 2)


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
            Wrong(3, "that is the number of layers with entries; each has more than one or two."),
        ),
        hints=(
            "Which of the five layers own tensors at all?",
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
                "the count of steps is one number for each parameter tensor, not one for "
                "each number in it.",
            ),
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
        wrong=(
            Wrong(
                _same_tensors,
                "the dictionary may be a new one, but its tensors are still the model's own; "
                "`dict(...)` and `.copy()` copy the names and share the memory.",
            ),
            Wrong(
                _too_late,
                "you copy when training is over, and by then the tensors hold the last epoch; "
                "copy at the moment when an epoch turns out best.",
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
            "`state` whose name and shape are found in the model, leaves the rest of the model as "
            "it is, and returns the list of the names in `state` that it left out, in the order "
            "of `state`."
        ),
        stub=("def load_matching(model, state):\n    return None  # your lines"),
        name="load_matching",
        solution=load_matching,
        inputs=_changed_model,
        probe=_after_matching,
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
                _first_alone,
                "you give up when the newest file is damaged; try the next older one, and the "
                "one before that. (`load_checkpoint` refuses them all, since these files have "
                "no seal: use `torch.load`.)",
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
            "one damaged file costs an epoch, not the run; with the seal of this notebook you "
            "would notice a turned bit as well."
        ),
    ),
)

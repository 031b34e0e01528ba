"""The exercises of notebook 16: what trains, what only seems frozen, and changing a layer."""

import copy
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong

Group = dict[str, Any]


def _integer(generator: Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (), generator=generator))


# 13.1 --------------------------------------------------------------------------------------------


def trainable_numbers() -> int:
    """Return how many numbers train in the net of 16.1."""
    from torchvision.models import resnet18  # takes a while to import

    model = resnet18().requires_grad_(False)
    model.fc = nn.Linear(512, 3)
    model.bn1.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# 13.2 --------------------------------------------------------------------------------------------


def frozen_mean() -> float:
    """Return the running mean of 16.2 after its three batches."""
    norm = nn.BatchNorm2d(1).double().requires_grad_(False)
    for _ in range(3):
        pictures = torch.randn(8, 1, 5, 5, dtype=torch.float64)
        norm(pictures - pictures.mean() + 1)
    return norm.state_dict()["running_mean"].item()


# 13.3 --------------------------------------------------------------------------------------------


def parameter_groups(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    """Freeze all but the last stage and the head, and give each of the two its rate."""
    model.requires_grad_(False)
    model.layer4.requires_grad_(True)
    model.fc.requires_grad_(True)
    return [
        {"params": list(model.layer4.parameters()), "lr": body_rate},
        {"params": list(model.fc.parameters()), "lr": head_rate},
    ]


def _as_given(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    return [{"params": list(model.parameters()), "lr": head_rate}]


def _frozen_at_last(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.requires_grad_(False)
    return groups


def _not_frozen(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.requires_grad_(True)
    return groups


def _rates_swapped(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    return parameter_groups(model, head_rate, body_rate)


def _head_alone(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.layer4.requires_grad_(False)
    return groups[1:]


def _all_of_the_body(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    model.requires_grad_(True)
    body = [p for name, p in model.named_parameters() if not name.startswith("fc.")]
    head = list(model.fc.parameters())
    return [{"params": body, "lr": body_rate}, {"params": head, "lr": head_rate}]


class _Miniature(nn.Module):
    """A net with the names of resnet18's parts, in their order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Linear(3, width), nn.BatchNorm1d(width)
        self.relu, self.maxpool = nn.ReLU(), nn.Identity()
        for name in "layer1", "layer2", "layer3", "layer4":
            stage = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.Tanh())
            self.add_module(name, stage)
        self.avgpool = nn.Identity()
        self.fc = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x


def _head_without_a_rate(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    del groups[1]["lr"]
    return groups


def _one_rate(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    return parameter_groups(model, head_rate, head_rate)


def _after_a_step(answer: Any, width: int, body_rate: float, head_rate: float) -> dict[str, Any]:
    """Take one step of SGD with the groups, and return what trains and how far each part moved."""
    torch.manual_seed(0)
    model = _Miniature(width).double()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    groups = answer(model, body_rate, head_rate)
    optimizer = torch.optim.SGD(groups, lr=0.0)
    trains = sorted({name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad})
    if trains:
        model(torch.randn(7, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
    moved = {
        f"the step of {name}": p.detach() - before[name] for name, p in model.named_parameters()
    }
    return {"the parts with requires_grad": trains, **moved}


def _rates(generator: Generator) -> tuple[Any, ...]:
    body = 0.001 * _integer(generator, 1, 9)
    return _integer(generator, 4, 8), body, 10 * body + 0.01


# 13.4 --------------------------------------------------------------------------------------------


class StillNorms(nn.Module):
    """A model whose batch normalisations stay in eval mode, and only they."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def train(self, mode: bool = True) -> Self:
        """Set the mode of everything but the batch normalisations."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return what the model returns."""
        out: Tensor = self.model(x)
        return out


class _AllStill(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        self.model.eval()
        return self


class _NothingStill(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        return self


class _ChildrenAlone(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        for module in self.model.children():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self


class _NoReturn(StillNorms):
    def train(self, mode: bool = True) -> Any:
        super().train(mode)


class _GradientsFrozen(_NothingStill):
    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.requires_grad_(False)


class _AlwaysTraining(StillNorms):
    def train(self, mode: bool = True) -> Self:
        return super().train(True)


class _OneDimensionAlone(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return self


class _TwoDimensionsAlone(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class _ModelAlone(StillNorms):
    def train(self, mode: bool = True) -> Self:
        self.model.train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self


def _nested(width: int, norm: nn.Module, dropout: nn.Module, plane: nn.Module) -> nn.Module:
    """Return a model with normalisations at two depths."""
    inner = nn.Sequential(nn.Linear(width, width), norm, dropout)
    outer = nn.Sequential(nn.Unflatten(1, (1, 1, width)), plane, nn.Flatten())
    parts = inner, nn.BatchNorm1d(width), outer, nn.Linear(width, 2)
    return nn.Sequential(*parts).double()


def _modes(answer: Any, width: int) -> dict[str, Any]:
    """Return modes, statistics and outputs after train() and after eval()."""
    torch.manual_seed(0)
    norm, dropout, plane = nn.BatchNorm1d(width), nn.Dropout(0.5), nn.BatchNorm2d(1)
    model = answer(_nested(width, norm, dropout, plane))
    back, x = model.train(), torch.randn(9, width, dtype=torch.float64) + 1
    outputs = model(x).detach()
    means = [part.state_dict()["running_mean"].clone() for part in (norm, plane)]
    found = {
        "the outputs after train()": outputs,
        "what train() returns": "the module itself" if back is model else "something else",
        "dropout's mode after train()": dropout.training,
        "the running means after a batch in training mode": means,
        "the gradients of batch normalisation": norm.weight.requires_grad,
    }
    model.eval()
    return found | {
        "dropout's mode after eval()": dropout.training,
        "its own mode after eval()": model.training,
        "the outputs in eval mode": model(x).detach(),
    }


# 13.5 --------------------------------------------------------------------------------------------


def replace_head(model: Any, classes: int) -> str:
    """Put a new linear layer in the place of the last one, and return its name."""
    name = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    old = model.get_submodule(name)
    new = nn.Linear(old.in_features, classes, device=old.weight.device)
    setattr(model.get_submodule(parent), child, new)
    return name


def _dotted(model: Any, classes: int) -> str:
    name = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    setattr(model, name, nn.Linear(model.get_submodule(name).in_features, classes))
    return name


def _first_linear(model: Any, classes: int) -> str:
    name = next(name for name, part in model.named_modules() if isinstance(part, nn.Linear))
    parent, _, child = name.rpartition(".")
    old = model.get_submodule(name)
    setattr(model.get_submodule(parent), child, nn.Linear(old.in_features, classes))
    return name


def _in_a_copy(model: Any, classes: int) -> str:
    return replace_head(copy.deepcopy(model), classes)


def _old_width(model: Any, classes: int) -> str:
    name = replace_head(model, classes)
    old = model.get_submodule(name)
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Linear(classes, classes))
    assert old.out_features == classes
    return name


def _beside(model: Any, classes: int) -> str:
    name = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    old = model.get_submodule(name)
    model.add_module(name.replace(".", "_"), nn.Linear(old.in_features, classes))
    return name


def _last_part_of_name(model: Any, classes: int) -> str:
    return replace_head(model, classes).rpartition(".")[2]


def _out_features_edited(model: Any, classes: int) -> str:
    name = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    model.get_submodule(name).out_features = classes
    return name


def _with_head(answer: Any, kind: str, width: int, classes: int) -> dict[str, Any]:
    """Return the name, the shapes in the model afterwards, and whether the rest is as before."""
    torch.manual_seed(0)
    if kind == "flat":
        model: nn.Module = _Miniature(width)
    else:
        body = nn.Sequential(nn.Linear(3, width), nn.ReLU())
        top = nn.Sequential(nn.Linear(width, width + 1), nn.ReLU(), nn.Linear(width + 1, 9))
        model = nn.ModuleDict({"body": body, "classifier": nn.Sequential(top, nn.Identity())})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    name = answer(model, classes)
    after = model.state_dict()
    return {
        "the name that is returned": name,
        "the names and shapes of the state_dict": {n: list(t.shape) for n, t in after.items()},
        "the sizes that its linear layers name": [
            part.out_features for part in model.modules() if isinstance(part, nn.Linear)
        ],
        "the entries that are as before": sorted(
            n for n, t in after.items() if n in before and torch.equal(t, before[n])
        ),
    }


def _both_kinds(answer: Any, width: int, classes: int) -> dict[str, Any]:
    found = {}
    for kind in "flat", "nested":
        for name, value in _with_head(answer, kind, width, classes).items():
            found[f"{name} ({kind} model)"] = value
    return found


def _sizes(generator: Generator) -> tuple[Any, ...]:
    return _integer(generator, 4, 8), _integer(generator, 10, 15)


_FREEZE_STUB = """\
def parameter_groups(model, body_rate, head_rate):
    return [{"params": list(model.parameters()), "lr": head_rate}]"""

_STILL_STUB = """\
class StillNorms(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def train(self, mode=True):
        return None  # your lines

    def forward(self, x):
        return self.model(x)"""

EXERCISES = (
    Exercise(
        number="16.1",
        prompt=(
            "**16.1 Predict.** `model = resnet18().requires_grad_(False)`, then "
            "`model.fc = nn.Linear(512, 3)`, then `model.bn1.requires_grad_(True)`; `bn1` "
            "normalises 64 channels. How many numbers will an optimizer train?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=trainable_numbers,
        wrong=(
            Wrong(1539, "that is the head alone; `bn1` was thawed and has parameters too."),
            Wrong(1664, "the three biases of the new head are missing."),
            Wrong(1603, "`bn1` has a bias as well as a weight for each channel."),
            Wrong(
                1795,
                "you counted the running mean and variance; they are buffers and get no gradient.",
            ),
            Wrong(128, "the new head was made after the freezing, so it trains as well."),
        ),
        hints=(
            "A layer that is made after the freezing is not frozen.",
            "Batch normalisation has a weight and a bias for each channel; the rest are buffers.",
            "512 × 3 + 3 for the head, and two times 64.",
        ),
        because="1,539 in the head and 128 in `bn1`; its running statistics are no parameters.",
    ),
    Exercise(
        number="16.2",
        prompt=(
            "**16.2 Predict.** `norm = nn.BatchNorm2d(1).requires_grad_(False)` is frozen and in "
            "training mode. Three batches go through it, and the mean of each is exactly 1. The "
            "running mean began at 0. Where is it now, to three digits?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=frozen_mean,
        wrong=(
            Wrong(
                0.0,
                "`requires_grad_(False)` stops gradients, and a running mean has none: it moves.",
            ),
            Wrong(
                0.3,
                "each batch moves it a tenth of the way that is *left*, not a tenth of the whole.",
            ),
            Wrong(0.729, "that is the way still to go; the question is how far it has come."),
            Wrong(
                1.0,
                "it does not take over the mean of a batch; it goes a tenth of the way there.",
            ),
            Wrong(0.1, "that is where it is after one batch; there were three."),
            Wrong(0.19, "that is where it is after two batches; there were three."),
            Wrong(0.27, "right to two digits; give three."),
        ),
        hints=(
            "Does a running mean need a gradient to move?",
            "Each batch in training mode moves it by `momentum = 0.1` of the distance to the "
            "batch's mean.",
            "After each batch 0.9 of the distance to 1 is left. (The `momentum` of batch "
            "normalisation is the share of the *new* value, the reverse of SGD's.)",
        ),
        because=(
            "after three batches 0.9³ = 0.729 of the way is left; after thirty, hardly anything "
            "remains of what the borrowed body had."
        ),
        rtol=2e-3,
    ),
    Exercise(
        number="16.3",
        prompt=(
            "**16.3 Modify.** This function hands an optimizer all parameters at one rate. Change "
            "it: freeze the whole model but its last stage, `model.layer4`, and its head, "
            "`model.fc`; and return two groups, the stage at `body_rate` and the head at "
            "`head_rate`."
        ),
        stub=_FREEZE_STUB,
        name="parameter_groups",
        solution=parameter_groups,
        inputs=_rates,
        probe=_after_a_step,
        wrong=(
            Wrong(_as_given, "all parameters still train, and at one rate."),
            Wrong(
                _frozen_at_last,
                "nothing trains: in the end all is frozen. Thaw the stage and the head, after the "
                "freezing.",
            ),
            Wrong(
                _not_frozen,
                "the groups are right, but the rest of the model still computes gradients: call "
                "`model.requires_grad_(False)`. Assigning `model.requires_grad = False` makes "
                "an attribute that nobody reads.",
            ),
            Wrong(_rates_swapped, "the two rates are swapped: the head gets `head_rate`."),
            Wrong(_head_without_a_rate, "each of the two groups must name its own `lr`."),
            Wrong(_one_rate, "the right parts train, but the stage moves at the head's rate."),
            Wrong(_head_alone, "the head alone trains; `layer4` shall train as well."),
            Wrong(
                _all_of_the_body,
                "two rates are there, but the whole body trains; only `layer4` of it should.",
            ),
        ),
        hints=(
            "Freeze everything first, and thaw two parts afterwards.",
            "`model.requires_grad_(False)`, then `model.layer4.requires_grad_(True)`, and the "
            "same for the head.",
            'A group is `{"params": list(model.layer4.parameters()), "lr": body_rate}`.',
        ),
        because=(
            "this is the usual bet: the stages near the picture serve many tasks, the last one and "
            "the head only one."
        ),
    ),
    Exercise(
        number="16.4",
        prompt=(
            "**16.4 Build.** When a body is fine-tuned with a few pictures a batch, it is common "
            "to let all weights train and to hold only the running statistics still. Write the "
            "method `train` of `StillNorms`: each `nn.BatchNorm1d` and `nn.BatchNorm2d`, however "
            "deep in the model, stays in eval mode; everything else follows `mode`."
        ),
        stub=_STILL_STUB,
        name="StillNorms",
        solution=StillNorms,
        inputs=lambda generator: (_integer(generator, 4, 8),),
        probe=_modes,
        wrong=(
            Wrong(
                _AllStill,
                "you hold the whole model in eval mode, its dropout as well; only the batch "
                "normalisations shall stay.",
            ),
            Wrong(
                _NothingStill,
                "a batch normalisation still follows `mode`; call its eval() *after* "
                "`super().train(mode)`, which sets every mode.",
            ),
            Wrong(
                _ChildrenAlone,
                "you look at the children alone; a batch normalisation deeper in the model is "
                "found by `modules()`.",
            ),
            Wrong(
                _NoReturn,
                "the modes are right, but `train` must return `self`, as `model.train()` does.",
            ),
            Wrong(
                _GradientsFrozen,
                "you froze their weights, and their running statistics still move: what holds "
                "them is eval mode.",
            ),
            Wrong(
                _AlwaysTraining,
                "the rest does not follow `eval()`, which is `train(False)`: call "
                "`super().train(mode)`, with `mode` as it came.",
            ),
            Wrong(
                _OneDimensionAlone,
                "`nn.BatchNorm1d` and `nn.BatchNorm2d` are two classes, and one of them still "
                "follows `mode`.",
            ),
            Wrong(
                _TwoDimensionsAlone,
                "`nn.BatchNorm1d` and `nn.BatchNorm2d` are two classes, and one of them still "
                "follows `mode`.",
            ),
            Wrong(
                _ModelAlone,
                "`self.model.train(mode)` leaves out the flag of the module itself; "
                "`super().train(mode)` sets all.",
            ),
        ),
        hints=(
            "`super().train(mode)` sets all modes; afterwards set some of them back.",
            "`self.modules()` goes through all layers, however deep.",
            "`if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d): module.eval()`, and "
            "`return self` in the end.",
        ),
        because=(
            "`fit` and every other loop may call `train()` as often as it likes, and the running "
            "statistics stay those of the body's own training."
        ),
    ),
    Exercise(
        number="16.5",
        prompt=(
            "**16.5 Build.** The head has another name in each family of models: `fc`, "
            "`classifier.3`, `heads.head`. Write `replace_head(model, classes)`: it finds the "
            "last `nn.Linear` in `model.named_modules()`, puts a new one with as many inputs and "
            "with `classes` outputs in its place, and returns its name."
        ),
        stub="def replace_head(model, classes):\n    return None  # your lines",
        name="replace_head",
        solution=replace_head,
        inputs=_sizes,
        probe=_both_kinds,
        wrong=(
            Wrong(_first_linear, "you replaced the first linear layer; the head is the last one."),
            Wrong(
                _in_a_copy,
                "the model itself is as before: neither a copy of it nor a name of your own for "
                "a new layer reaches it.",
            ),
            Wrong(
                _old_width,
                "the new head must take as many inputs as the old one, its `in_features`.",
            ),
            Wrong(
                _beside,
                "the old head is still there, and the new one stands beside it; set the attribute "
                "of the module that *holds* the head.",
            ),
            Wrong(
                _dotted,
                "`setattr` takes a dotted name as *one* name: the new layer hangs beside the old "
                "one, and `forward` still calls the old; set it on the module that holds the head.",
            ),
            Wrong(
                _last_part_of_name,
                "the model is right, but return the whole name, with its dots.",
            ),
            Wrong(
                _out_features_edited,
                "`out_features` is only a note of the size; the weight keeps its shape, so make "
                "a new layer.",
            ),
        ),
        hints=(
            "A layer with a dotted name is an attribute of the module that the name without its "
            "last part names.",
            '`name.rpartition(".")` splits that off, and `model.get_submodule(parent)` finds it, '
            "also for an empty name.",
            "`setattr(model.get_submodule(parent), child, nn.Linear(old.in_features, classes))`.",
        ),
        because=(
            "with this, a classifier that ends in a linear layer becomes yours in one line; look "
            "at the name that it returns, in case the last linear layer is not the head."
        ),
    ),
)

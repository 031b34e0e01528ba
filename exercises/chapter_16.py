"""The exercises of notebook 16: what trains, what only seems frozen, and changing a layer."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from exercises.differences import describe
from exercises.exercise import Also, Exercise, Wrong, in_turn

Group = dict[str, Any]


# 16.1 --------------------------------------------------------------------------------------------


def trainable_numbers() -> int:
    """Return how many numbers train in the net of 16.1."""
    from torchvision.models import resnet18  # takes a while to import

    model = resnet18().requires_grad_(False)
    model.fc = nn.Linear(512, 3)
    model.bn1.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# 16.2 --------------------------------------------------------------------------------------------


def frozen_mean() -> float:
    """Return the running mean of 16.2 after its three batches."""
    norm = nn.BatchNorm2d(1).double().requires_grad_(False)
    for _ in range(3):
        pictures = torch.randn(8, 1, 5, 5, dtype=torch.float64)
        norm(pictures - pictures.mean() + 1)
    return norm.state_dict()["running_mean"].item()


# 16.3 --------------------------------------------------------------------------------------------


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


class _Block(nn.Module):
    """A residual block with the names of resnet18's, and narrow."""

    def __init__(self, width: int, downsample: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(width, width), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2, self.bn2 = _conv(width, width), nn.BatchNorm2d(width)
        if downsample:
            self.downsample = nn.Sequential(_conv(width, width), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def _conv(channels: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 1, bias=False)


class _Miniature(nn.Module):
    """A net with the names of resnet18's parts, in their order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(3, width), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(), nn.Identity()
        for name in "layer1", "layer2", "layer3":
            self.add_module(name, nn.Sequential(_conv(width, width), nn.BatchNorm2d(width)))
        self.layer4 = nn.Sequential(_Block(width, True), _Block(width, False))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        *body, head = self.children()
        for part in body:
            x = part(x)
        return head(x.flatten(1))


def _head_without_a_rate(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    del groups[1]["lr"]
    return groups


def _one_rate(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    return parameter_groups(model, head_rate, head_rate)


def _new_head(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    model.fc = nn.Linear(model.fc.in_features, model.fc.out_features)
    return parameter_groups(model, body_rate, head_rate)


def _an_optimizer(model: Any, body_rate: float, head_rate: float) -> Any:
    return torch.optim.SGD(parameter_groups(model, body_rate, head_rate), lr=head_rate)


def _with_the_frozen(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    rest = [p for name, p in model.named_parameters() if not name.startswith("fc.")]
    return [{"params": rest, "lr": body_rate}, groups[1]]


def _one_group(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    return [{"params": groups[0]["params"] + groups[1]["params"], "lr": body_rate}]


def _stage_without_a_rate(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    del groups[0]["lr"]
    return groups


def _stage_alone(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.fc.requires_grad_(False)
    return groups[:1]


def _head_in_vain(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.fc.requires_grad_(False)
    return groups


def _stage_in_vain(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.layer4.requires_grad_(False)
    return groups


def _half_a_stage(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    model.layer4[:-1].requires_grad_(False)
    return groups


def _frozen_without_groups(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    parameter_groups(model, body_rate, head_rate)
    return _as_given(model, body_rate, head_rate)


def _without_norms(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    for part in model.layer4.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.requires_grad_(False)
    return groups


def _convolutions_in_the_group(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = _without_norms(model, body_rate, head_rate)
    groups[0]["params"] = [p for p in groups[0]["params"] if p.requires_grad]
    return groups


def _of_a_copy(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    return parameter_groups(copy.deepcopy(model), body_rate, head_rate)


def _of_a_copy_and_frozen(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = _of_a_copy(model, body_rate, head_rate)
    parameter_groups(model, body_rate, head_rate)
    return groups


def _a_group_for_each(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    groups = parameter_groups(model, body_rate, head_rate)
    return [{"params": [p], "lr": group["lr"]} for group in groups for p in group["params"]]


def _in_eval(model: Any, body_rate: float, head_rate: float) -> list[Group]:
    model.eval()
    return parameter_groups(model, body_rate, head_rate)


def _after_a_step(answer: Any, width: int, body_rate: float, head_rate: float) -> Any:
    """Let the answer make groups; return what trains, and how far each part moves in a step."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # so that a head of the reader's fits
    model = _Miniature(width)
    old = dict(model.named_parameters())
    groups = answer(model, body_rate, head_rate)
    groups = list(groups) if isinstance(groups, Iterator) else groups
    if (kind := _kind(groups)) != _GROUPS:
        return None if groups is None else {"what comes back": kind}
    now = dict(model.named_parameters())
    found = {
        "what comes back": _GROUPS,
        "new layers": [name for name, p in now.items() if p is not old.get(name)],
        "the parts with requires_grad": _parts(n for n, p in now.items() if p.requires_grad),
        "the model's mode": "training" if all(m.training for m in model.modules()) else "other",
    }
    return found | _steps(model, old, groups)


def _steps(model: nn.Module, old: dict[str, nn.Parameter], groups: Any) -> dict[str, Any]:
    """Return how far each old parameter moves in a step, and what the groups hold."""
    before = {name: p.detach().clone() for name, p in old.items()}
    held = _step(model, groups)
    moved = {f"the step of {name}": p.detach() - before[name] for name, p in old.items()}
    names: dict[Tensor, str] = {p: name for name, p in old.items()}
    held_parts = _parts(names.get(p, "new.") for group in held for p in group)
    return moved | {"the parts in the groups": held_parts, "the groups": len(held)}


_GROUPS = "a list of groups, which are dicts"


def _kind(groups: Any) -> str:
    """Say what an answer returns where an optimizer wants groups."""
    if isinstance(groups, torch.optim.Optimizer):
        return "an optimizer"
    if not isinstance(groups, list | tuple):
        return describe(groups)
    others = [group for group in groups if not isinstance(group, dict)]
    return f"a list with {describe(others[0])} in it" if others else _GROUPS


def _optimizer(groups: Any) -> torch.optim.Optimizer:
    """Return an optimizer of the groups; what is no tensor in them gets a word on `params`."""
    try:
        return torch.optim.SGD(groups, lr=0.0)
    except TypeError as error:
        error.args = (f'{error}; a group\'s "params" are what `.parameters()` of a layer gives',)
        raise


def _step(model: nn.Module, groups: Any) -> list[list[Tensor]]:
    """Take a step of SGD with the groups, if anything trains; return each group's parameters."""
    optimizer = _optimizer(groups)
    if any(p.requires_grad for p in model.parameters()):
        model(torch.randn(7, 3, 2, 2)).square().sum().backward()
        optimizer.step()
    return [group["params"] for group in optimizer.param_groups]


def _parts(names: Iterable[str]) -> list[str]:
    """Return the layers to which parameters belong, in the order of their names."""
    return sorted({name.rpartition(".")[0] for name in names})


def _rates(generator: Generator) -> tuple[Any, ...]:
    body = 0.001 * in_turn(generator, 1, 9)
    return in_turn(generator, 4, 8), body, 10 * body + 0.01


# 16.4 --------------------------------------------------------------------------------------------


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


def _by_name(*words: str) -> type[StillNorms]:
    class ByName(StillNorms):
        def train(self, mode: bool = True) -> Self:
            nn.Module.train(self, mode)
            for name, module in self.named_modules():
                if any(word in name for word in words):
                    module.eval()
            return self

    return ByName


class _GradientsToo(StillNorms):
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.requires_grad_(False)
        return self


class _EveryNorm(StillNorms):
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.model.modules():
            if "Norm" in type(module).__name__:
                module.eval()
        return self


class _StatisticsReset(StillNorms):
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_running_stats()
        return self


class _Reset(StillNorms):
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_parameters()
        return self


class _OwnNorm(nn.BatchNorm1d):
    """A class of its own that is a batch normalisation all the same."""


class _BelowTheModel(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        for module in list(self.model.modules())[1:]:
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
        return self


class _InTheFirstLevelToo(StillNorms):
    def train(self, mode: bool = True) -> Self:
        nn.Module.train(self, mode)
        for child in self.model.children():
            for module in [child, *child.children()]:
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.eval()
        return self


def _nested(width: int, norm: nn.Module, dropout: nn.Module, plane: nn.Module) -> nn.Module:
    """Return a model with normalisations at three depths, two of which have telling names.

    Their weights and running statistics are those of a training; two others have none of these.
    """
    inner = nn.Sequential(nn.Linear(width, width), nn.Sequential(norm), dropout)
    inner.add_module("bn1", nn.BatchNorm1d(width))
    inner.add_module("norm1", nn.BatchNorm1d(width))
    outer = nn.Sequential(nn.Unflatten(1, (1, 1, width)), plane, nn.Flatten())
    others = nn.Sequential(nn.LayerNorm(width), nn.GroupNorm(1, width))
    parts = inner, nn.BatchNorm1d(width), outer, others, nn.Linear(width, 2)
    model = nn.Sequential(*parts).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.load_state_dict({n: t + 2 for n, t in module.state_dict().items()})
    return model


def _modes(answer: Any, width: int) -> dict[str, Any]:
    """Return modes, statistics and outputs after train(), after eval() and after train() again."""
    torch.manual_seed(0)
    norm, dropout, plane = nn.BatchNorm1d(width), nn.Dropout(0.5), nn.BatchNorm2d(1)
    nested = _nested(width, norm, dropout, plane)
    before = copy.deepcopy(nested.state_dict())
    model = answer(nested)
    back = model.train()
    reset = _changed(nested, before)
    if reset:
        return {"what train() changes in the batch normalisations": reset}
    found = _after_train(model, back, dropout, [norm, plane])
    x = torch.randn(9, width, dtype=torch.float64) + 1
    model.eval()
    found |= {f"{name} after eval()": mode for name, mode in _three_modes(model, dropout).items()}
    found["the outputs in eval mode"] = model(x).detach()
    model.train(True)
    again = _three_modes(model, dropout).items()
    found |= {f"{name} after train() again": mode for name, mode in again}
    return found | (_as_the_model(answer, width) if _all_still(model) else {})


def _after_train(model: Any, back: Any, dropout: Any, norms: Any) -> dict[str, Any]:
    x = torch.randn(9, norms[0].weight.numel(), dtype=torch.float64) + 1
    return {
        "the modes of the batch normalisations after train()": _training_norms(model),
        "dropout's mode after train()": dropout.training,
        "the modes of the other normalisations after train()": _training_others(model),
        "the outputs after train()": model(x).detach(),
        "what train() returns": "the module itself" if back is model else "something else",
        "what the batch normalisations hold after train()": [t for n in norms for t in _held(n)],
        "what is frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
    }


def _all_still(model: nn.Module) -> bool:
    return set(_training_norms(model).values()) == {"eval"}


def _as_the_model(answer: Any, width: int) -> dict[str, Any]:
    """Return the mode of a batch normalisation that is itself the model."""
    bare = answer(nn.BatchNorm1d(width))
    bare.train()
    return {"the modes if the model is itself a batch normalisation": _training_norms(bare)}


def _misses_derived_classes(answer: Any, width: int) -> str | None:
    """Remark on a normalisation of a class of its own that still follows `mode`."""
    own = _OwnNorm(width)
    answer(nn.Sequential(own)).train()
    if not own.training:
        return None
    return (
        "a class that derives from `nn.BatchNorm1d` is one too, and still follows `mode`; "
        "`isinstance` finds it, `type(module) in …` or `==` does not"
    )


def _changed(model: nn.Module, before: dict[str, Tensor]) -> str:
    """Name the parts of a state that are no longer as they were."""
    weights = {name for name, _ in model.named_parameters()}
    now = model.state_dict()
    changed = {name for name, old in before.items() if not torch.equal(now[name], old)}
    parts = {"the weights" if name in weights else "the statistics" for name in changed}
    return " and ".join(sorted(parts))


def _three_modes(model: nn.Module, dropout: nn.Module) -> dict[str, Any]:
    norms = _training_norms(model)
    modes = {"its own mode": model.training, "dropout's mode": dropout.training}
    return {**modes, "the modes of the batch normalisations": norms}


def _held(norm: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in norm.state_dict().values()]


def _training_norms(model: nn.Module) -> dict[str, str]:
    return _modes_of(model, nn.BatchNorm1d, nn.BatchNorm2d)


def _training_others(model: nn.Module) -> dict[str, str]:
    return _modes_of(model, nn.LayerNorm, nn.GroupNorm)


def _modes_of(model: nn.Module, *kinds: type[nn.Module]) -> dict[str, str]:
    parts = [(name, part) for name, part in model.named_modules() if isinstance(part, kinds)]
    return {name: "training" if part.training else "eval" for name, part in parts}


# 16.5 --------------------------------------------------------------------------------------------


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


def _all_linears(model: Any, classes: int) -> str:
    name = ""
    for name in [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]:
        parent, _, child = name.rpartition(".")
        old = model.get_submodule(name)
        setattr(model.get_submodule(parent), child, nn.Linear(old.in_features, classes))
    return name


def _turned(model: Any, classes: int) -> str:
    name = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    old = model.get_submodule(name)
    setattr(model.get_submodule(parent), child, nn.Linear(classes, old.in_features))
    return name


def _the_layer(model: Any, classes: int) -> nn.Module:
    layer: nn.Module = model.get_submodule(replace_head(model, classes))
    return layer


def _the_model(model: Any, classes: int) -> Any:
    replace_head(model, classes)
    return model


def _nothing_back(model: Any, classes: int) -> None:
    replace_head(model, classes)


def _no_bias(model: Any, classes: int) -> str:
    name = replace_head(model, classes)
    parent, _, child = name.rpartition(".")
    old = model.get_submodule(name)
    setattr(model.get_submodule(parent), child, nn.Linear(old.in_features, classes, bias=False))
    return name


def _body_frozen(model: Any, classes: int) -> str:
    model.requires_grad_(False)
    return replace_head(model, classes)


def _with_head(answer: Any, model: nn.Module, classes: int) -> dict[str, Any]:
    """Return the name, the shapes in the model afterwards, and whether the rest is as before."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    name = _with_a_word_on_depth(answer, model, classes)
    if isinstance(name, nn.Module):  # by its kind: what is in it does not matter
        name = "the model" if name is model else "a layer"
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
        "what trains": sorted(n for n, p in model.named_parameters() if p.requires_grad),
        "the mode of the model": "training" if model.training else "eval",
    }


def _with_a_word_on_depth(answer: Any, model: nn.Module, classes: int) -> Any:
    """Return what an answer gives; one that finds no layer is told where there are more."""
    try:
        return answer(model, classes)
    except (UnboundLocalError, IndexError, StopIteration, AttributeError, TypeError) as error:
        if not any(isinstance(child, nn.Linear) for child in model.children()):
            error.args = (f"{error}. {_DEEPER}",)
        raise


_DEEPER = (
    "In this model no linear layer is a child of the model itself; the last one lies deeper: "
    "`named_modules()` goes through all, `named_children()` and `children()` do not"
)


def _nested_classifier(width: int) -> nn.Module:
    body = nn.Sequential(nn.Linear(3, width), nn.ReLU())
    top = nn.Sequential(nn.Linear(width, width + 1), nn.ReLU(), nn.Linear(width + 1, 9))
    return nn.ModuleDict({"body": body, "classifier": nn.Sequential(top, nn.Identity())})


def _both_kinds(answer: Any, width: int, classes: int) -> dict[str, Any]:
    torch.manual_seed(0)
    found = {}
    for kind, model in {"flat": _Miniature(width), "nested": _nested_classifier(width)}.items():
        for name, value in _with_head(answer, model, classes).items():
            found[f"{name} ({kind} model)"] = value
    return found


def _sizes(generator: Generator) -> tuple[Any, ...]:
    return in_turn(generator, 4, 8), in_turn(generator, 10, 15)


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

_STILL_EXAMPLES = tuple(
    f"""\
inner = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout())
still = StillNorms(nn.Sequential(inner, nn.BatchNorm1d(2)))
still.{call}
{{name: module.training for name, module in still.named_modules()}}"""
    for call in ("train()", "eval()", "train(True)")
)

_HEAD_EXAMPLES = (
    """\
model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.Identity()))
replace_head(model, 7), str(model[0]), str(model[2][0])""",
)

_GROUP_EXAMPLES = (
    """\
model = nn.Sequential()
for name in ("conv1", "layer1", "layer2", "layer3", "layer4", "fc"):
    model.add_module(name, nn.Linear(2, 2))
model.layer4 = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
groups = parameter_groups(model, 0.1, 0.5)
groups = [(len(list(group["params"])), group["lr"]) for group in groups]
sorted(groups), [name for name, p in model.named_parameters() if p.requires_grad]""",
)

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
            Wrong(
                0,
                "`requires_grad_(False)` froze what was there at that moment: the head was made "
                "later, and `bn1` was thawed.",
            ),
            Wrong(1600, "both have biases: three in the head, one for each channel in `bn1`."),
            Wrong(1536, "the biases of the head are missing, and all of `bn1`, which was thawed."),
            Wrong(1731, "`bn1` has two parameters for each channel, a weight and a bias."),
            Wrong(
                11_178_051,
                "that is the whole net; all of it but the head and `bn1` is frozen.",
            ),
            Wrong(
                513_128,
                "the head has three outputs now, not the thousand of the old one.",
            ),
            Wrong(4, "that is how many tensors train; the question is how many numbers they hold."),
            Wrong(128, "the new head was made after the freezing, so it trains as well."),
        ),
        hints=(
            "Two layers train: a layer that is made after the freezing is not frozen. Count the "
            "parameters of each, weights and biases.",
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
                "it does not take over the mean of a batch, it goes a tenth of the way there: "
                "`momentum` is the share of the *new* value, the reverse of SGD's.",
            ),
            Wrong(0.1, "that is where it is after one batch; there were three."),
            Wrong(0.19, "that is where it is after two batches; there were three."),
            Wrong(0.27, "right to two digits; give three."),
            Wrong(0.272, "nearly: keep all digits on the way, and round in the end."),
            Wrong(
                0.81,
                "that is the way still to go after two batches; there were three, and the question "
                "is how far it has come.",
            ),
            Wrong(
                0.875,
                "that is where a share of one half leads, 1 − 0.5³; `momentum` is another share "
                "unless you say so.",
            ),
            Wrong(
                1 - 0.99**3,
                "that is where a share of 0.01 leads, 1 − 0.99³; `momentum` is ten times as much "
                "unless you say so.",
            ),
            Wrong(
                0.001,
                "that is 0.1³, a tenth of a tenth of a tenth; each batch *adds* to the way, a "
                "tenth of what is left.",
            ),
            Wrong(0.3439, "that is where it is after four batches; there were three."),
            Wrong(
                0.9,
                "you let a batch weigh 0.9. The `momentum` of batch normalisation is the share of "
                "the *new* value, the reverse of SGD's.",
            ),
            Wrong(3.0, "the running mean is a mean: it goes towards 1, and not beyond."),
        ),
        also=(Also(27.1, "27.1 percent are 0.271"),),
        hints=(
            "A running mean moves without a gradient: each batch in training mode takes it by a "
            "fixed share of the way that is left to the batch's mean.",
            "The share is `momentum = 0.1`: after one batch it is at 0.1, and 0.9 of the way is "
            "left.",
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
        examples=_GROUP_EXAMPLES,
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
            Wrong(
                _new_head,
                "you put in a new head; freeze and thaw the layers that are there.",
            ),
            Wrong(
                _an_optimizer,
                "you return an optimizer; return the list of the two groups, which it would be "
                "made of.",
            ),
            Wrong(
                _with_the_frozen,
                "the right parts train, but your groups hold frozen parameters as well; one has "
                "those of `layer4`, the other those of `fc`.",
            ),
            Wrong(_one_group, "stage and head share one rate; make a group for each."),
            Wrong(_stage_without_a_rate, "each of the two groups must name its own `lr`."),
            Wrong(_stage_alone, "the last stage alone trains; the head shall train as well."),
            Wrong(_head_in_vain, "the last stage alone trains; the head shall train as well."),
            Wrong(
                _half_a_stage,
                "only the last block of `layer4` trains; the whole stage shall train.",
            ),
            *(
                Wrong(
                    answer,
                    "the batch normalisations inside `layer4` stay frozen; they belong to the "
                    "stage, and the whole stage shall train.",
                )
                for answer in (_without_norms, _convolutions_in_the_group)
            ),
            Wrong(
                _a_group_for_each,
                "each parameter has a group of its own; return two groups, each with the list of "
                "all its parameters.",
            ),
            Wrong(_stage_in_vain, "the head alone trains; `layer4` shall train as well."),
            Wrong(
                _frozen_without_groups,
                "the right parts train, but there is one group of all parameters, at one rate; "
                "return two, the stage and the head.",
            ),
            Wrong(
                _in_eval,
                "the groups are right, but you changed the model's mode; freezing needs no "
                "`eval()`.",
            ),
            Wrong(
                _of_a_copy,
                "you freeze a copy, and your groups hold its parameters: an optimizer would train "
                "the copy, and the model stays as it is. Leave out `deepcopy`.",
            ),
            Wrong(
                _of_a_copy_and_frozen,
                "your groups hold the parameters of a copy, which an optimizer would train in the "
                "model's place. Leave out `deepcopy`.",
            ),
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
        inputs=lambda generator: (in_turn(generator, 4, 8),),
        probe=_modes,
        aside=_misses_derived_classes,
        examples=_STILL_EXAMPLES,
        wrong=(
            Wrong(
                _AllStill,
                "you hold more than the batch normalisations in eval mode, dropout for one; only "
                "they shall stay.",
            ),
            Wrong(
                _NothingStill,
                "the batch normalisations still follow `mode`. Is their eval() called *after* "
                "`super().train(mode)`, which sets every mode, and before you `return`? Does it "
                "have its parentheses? And is the `if` around it true whatever `mode` is? (No "
                "module is a BatchNorm1d *and* a BatchNorm2d.)",
            ),
            Wrong(
                _EveryNorm,
                "you hold other normalisations still as well, such as `nn.LayerNorm`, which has no "
                "running statistics; only `nn.BatchNorm1d` and `nn.BatchNorm2d` shall stay.",
            ),
            *(
                Wrong(
                    kind,
                    "your `train` resets the batch normalisations; set their mode alone: the "
                    "statistics of the body's own training, which were to be kept, are lost.",
                )
                for kind in (_StatisticsReset, _Reset)
            ),
            *(
                Wrong(
                    _by_name(*words),
                    "a batch normalisation with another name still follows `mode`; go by its "
                    "class, with `isinstance`.",
                )
                for words in (("bn",), ("norm",), ("bn", "norm"))
            ),
            Wrong(
                _BelowTheModel,
                "where the model is itself a batch normalisation, it still follows `mode`: "
                "`modules()` begins with the module itself, so leave none out.",
            ),
            Wrong(
                _GradientsToo,
                "you freeze the weights of the batch normalisations too; all weights shall train, "
                "and only the running statistics hold still.",
            ),
            Wrong(
                _InTheFirstLevelToo,
                "you look into the children, and not further; a batch normalisation deeper in the "
                "model is found by `modules()`.",
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
                "the rest does not follow `mode`: call `super().train(mode)` first, with `mode` as "
                "it came. (`eval()` calls `train(False)`.)",
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
        examples=_HEAD_EXAMPLES,
        wrong=(
            Wrong(
                _all_linears,
                "you replaced every linear layer; the head is the last one, and the others keep "
                "what they have learnt.",
            ),
            Wrong(_turned, "the new head has its inputs and outputs exchanged."),
            Wrong(_the_layer, "the model is right; return the *name* of the new layer."),
            Wrong(_the_model, "the model is right; return the *name* of the new layer."),
            Wrong(
                _nothing_back, "the model is right, but nothing comes back; return the head's name."
            ),
            Wrong(_no_bias, "the new head has no bias; leave `bias` as `nn.Linear` has it."),
            Wrong(
                _body_frozen,
                "the head is right, but you froze the rest; this function replaces the head alone.",
            ),
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

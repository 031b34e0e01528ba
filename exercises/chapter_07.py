"""The exercises of notebook 07: what a module owns, and layers of one's own."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs
from exercises.gradients import gradients


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# 7.1 ---------------------------------------------------------------------------------------------


def numbers_to_learn() -> int:
    """Return how many numbers the optimizer of the net in 7.1 would change."""
    shared = nn.Linear(8, 8)
    net = nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.Linear(8, 2, bias=False)
    )
    return sum(parameter.numel() for parameter in net.parameters())


# 7.2 ---------------------------------------------------------------------------------------------


class Deep(nn.Module):
    """A stack of equal layers, each followed by a ReLU."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        """Send x through all the layers."""
        for layer in self.layers:
            x = layer(x).relu()
        return x


class _InATuple(Deep):
    def __init__(self, width: int, depth: int) -> None:
        nn.Module.__init__(self)
        self.layers = tuple(nn.Linear(width, width) for _ in range(depth))  # type: ignore[assignment]


class _OneLayerManyTimes(Deep):
    def __init__(self, width: int, depth: int) -> None:
        nn.Module.__init__(self)
        self.layers = nn.ModuleList([nn.Linear(width, width)] * depth)


class _LastLayerOnly(Deep):
    def __init__(self, width: int, depth: int) -> None:
        nn.Module.__init__(self)
        layers = [nn.Linear(width, width) for _ in range(depth)]
        self.layers = layers  # type: ignore[assignment]
        self.layer = layers[-1]


class _WithoutReLU(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _NoReLUAtTheEnd(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x) if number + 1 == len(self.layers) else layer(x).relu()
        return x


class _ReturnsInTheLoop(Deep):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x).relu()


class _ReLUBefore(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x.relu())
        return x


class _OneReLUAtTheEnd(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.relu()


class _EachOnTheInput(Deep):
    def forward(self, x: Tensor) -> Tensor:
        return self.layers[-1](x).relu()


class _Backwards(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            x = layer(x).relu()
        return x


class _FirstOverAndOver(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for _ in self.layers:
            x = self.layers[0](x).relu()
        return x


class _LastOverAndOver(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for _ in self.layers:
            x = self.layers[-1](x).relu()
        return x


class _Residual(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x).relu()
        return x


class _ResidualInside(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = (x + layer(x)).relu()
        return x


class _InputAdded(Deep):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _OutputsAdded(Deep):
    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for layer in self.layers:
            outputs.append(x := layer(x).relu())
        return torch.stack(outputs).sum(dim=0)


class _FirstSkipped(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in [*self.layers][1:]:
            x = layer(x).relu()
        return x


class _LastSkipped(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in [*self.layers][:-1]:
            x = layer(x).relu()
        return x


class _OneMoreLayer(Deep):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__(width, depth + 1)


class _OneLayerLess(Deep):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__(width, depth - 1)


class _CopiesOfOne(Deep):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__(width, depth)
        for layer in self.layers[1:]:
            layer.load_state_dict(self.layers[0].state_dict())


class _OffTheRecord(Deep):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


class _DetachedBetween(Deep):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x.detach()).relu()
        return x


class _OthersRegistered(_InATuple):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__(width, depth)
        self.others = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])


class _Frozen(Deep):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__(width, depth)
        self.requires_grad_(False)


class _OwnParameters(_InATuple):
    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        return (parameter for layer in self.layers for parameter in layer.parameters())


def _three_depths(answer: Callable[..., Any], width: int, depth: int, x: Tensor) -> dict[str, Any]:
    found = _of_depth(answer, width, depth, x)
    if difference(found, _of_depth(Deep, width, depth, x)) is None:
        for other in 1, depth + 2:
            more = _of_depth(answer, width, other, x)
            found |= {f"{name}, at depth {other}": value for name, value in more.items()}
    return found


def _of_depth(answer: Callable[..., Any], width: int, depth: int, x: Tensor) -> dict[str, Any]:
    """Return what a net of some depth learns and, if that is as asked, what it computes."""
    net = answer(width, depth)
    if not all(isinstance(name, str) for name in getattr(net, "_modules", ())):
        raise TypeError("the names of layers are texts, as in add_module('layer0', layer)")
    parameters = list(net.parameters())
    learned = sum(p.numel() for p in parameters if p.requires_grad)
    found: dict[str, Any] = {
        "what parameters() finds": f"{learned} learnable numbers in {len(parameters)} tensors",
        "what state_dict() finds": f"{len(net.state_dict())} tensors",
    }
    if [tuple(p.shape) for p in parameters] != [(width, width), (width,)] * depth:
        return found
    starts = {tuple(p.flatten().tolist()) for p in parameters[::2]}
    found["the number of layers that begin with weights of their own"] = len(starts)
    return found | _computed(net, parameters, x.to(parameters[0].dtype).requires_grad_())


def _computed(net: nn.Module, parameters: list[nn.Parameter], x: Tensor) -> dict[str, Any]:
    """Return the output of a net with other parameters, and the gradients."""
    before, generator = net(x), torch.Generator().manual_seed(len(x))
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(_normal(generator, *parameter.shape) / x.shape[1] ** 0.5)
    output = net(x)
    if isinstance(output, Tensor) and difference(output, before) is None:
        return {"whether the output depends on what parameters() finds": False}
    names = [f"layer {n // 2}'s {'bias' if n % 2 else 'weight'}" for n in range(len(parameters))]
    slopes = zip([*names, "the input"], gradients(output, [*parameters, x]), strict=True)
    return {
        "whether the output depends on what parameters() finds": True,
        "the output": output,
        **{f"the gradient of {name}": slope for name, slope in slopes},
    }


def _width_depth_and_batch(generator: Generator) -> tuple[Any, ...]:
    width, depth = in_turn(generator, 9, 14), in_turn(generator, 3, 6)
    return width, depth, _normal(generator, 11, width)


# 7.3 ---------------------------------------------------------------------------------------------


class Standardised(nn.Module):
    """Standardise each row, then scale and shift each column."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return (x - mean) / sqrt(variance + 1e-5), scaled and shifted."""
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _PlainTensors(Standardised):
    def __init__(self, num_features: int) -> None:
        nn.Module.__init__(self)
        self.weight = torch.ones(num_features)  # type: ignore[assignment]
        self.bias = torch.zeros(num_features)  # type: ignore[assignment]


class _Detached(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


class _EpsilonOutside(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = centred.square().mean(dim=-1, keepdim=True).sqrt()
        return centred / (deviation + 1e-5) * self.weight + self.bias


class _WithoutBias(Standardised):
    def __init__(self, num_features: int) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = 0  # type: ignore[assignment]


class _DownTheColumns(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=0)
        variance = centred.square().mean(dim=0)
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _OverTheWholeBatch(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean()
        return centred / (centred.square().mean() + 1e-5).sqrt() * self.weight + self.bias


class _DividedByOneLess(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = x.var(dim=-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _ByTheVariance(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred / (variance + 1e-5) * self.weight + self.bias


class _WithoutEpsilon(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred / variance.sqrt() * self.weight + self.bias


def _with_epsilon(epsilon: float) -> type[Standardised]:
    class Other(Standardised):
        def forward(self, x: Tensor) -> Tensor:
            centred = x - x.mean(dim=-1, keepdim=True)
            variance = centred.square().mean(dim=-1, keepdim=True)
            return centred / (variance + epsilon).sqrt() * self.weight + self.bias

    return Other


class _SquaresOfX(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = x.square().mean(dim=-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _SumOfSquares(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().sum(dim=-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _NotCentred(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        variance = x.var(dim=-1, keepdim=True, correction=0)
        return x / (variance + 1e-5).sqrt() * self.weight + self.bias


class _OnlyCentred(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(dim=-1, keepdim=True)) * self.weight + self.bias


class _StdAndEpsilon(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        return centred / (x.std(dim=-1, keepdim=True) + 1e-5) * self.weight + self.bias


class _Multiplied(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred * (variance + 1e-5).sqrt() * self.weight + self.bias


def _normed(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()


class _ShiftedFirst(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return (_normed(x) + self.bias) * self.weight


class _NeitherUsed(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return _normed(x)


class _WeightUnused(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return _normed(x) + self.bias


class _BiasUnused(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return _normed(x) * self.weight


class _PyTorchsOwn(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], self.weight, self.bias)


class _InputDetached(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class _StatisticsDetached(Standardised):
    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True).detach()
        variance = centred.square().mean(dim=-1, keepdim=True).detach()
        return centred / (variance + 1e-5).sqrt() * self.weight + self.bias


class _LayerNormInside(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.inside = nn.LayerNorm(num_features)

    def forward(self, x: Tensor) -> Any:
        return self.inside(x)


class _BatchNormInside(_LayerNormInside):
    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.inside = nn.BatchNorm1d(num_features)  # type: ignore[assignment]


def _parameters_and_output(
    answer: Callable[..., Any], x: Tensor, factors: Tensor, shifts: Tensor
) -> dict[str, Any]:
    """Return what a new layer owns and gives; if that is right, what it gives and learns later."""
    found = _new(layer := answer(x.shape[1]).double(), x)
    if difference(found, _new(Standardised(x.shape[1]).double(), x)) is not None:
        return found
    own = {name.split(".")[-1]: parameter for name, parameter in layer.named_parameters()}
    with torch.no_grad():
        own["weight"].copy_(factors)
        own["bias"].copy_(shifts)
    x = x.clone().requires_grad_()
    found["the output with another weight and bias"] = output = layer(x)
    found |= _slopes(output, x, factors, shifts, own)
    with _Watching() as watching:
        found["the output for a single row"] = layer(x[:1].detach())
    found["whether another function standardises"] = watching.seen
    found["the output for a row of equal numbers"] = layer(x[:2].detach() * 0 + 3)
    return found


def _slopes(
    output: Any, x: Tensor, factors: Tensor, shifts: Tensor, own: dict[str, nn.Parameter]
) -> dict[str, Any]:
    """Return the gradients; of the input's, if it alone is not right, only that."""
    names = "the gradient of weight", "the gradient of bias", "the gradient of the input"
    slopes = dict(zip(names, gradients(output, [own["weight"], own["bias"], x]), strict=True))
    copies = [tensor.detach().clone().requires_grad_() for tensor in (factors, shifts, x)]
    right = _normed(copies[2]) * copies[0] + copies[1]
    wanted = dict(zip(names, gradients(right, copies), strict=True))
    off = [name for name in names if difference(slopes[name], wanted[name]) is not None]
    is_there = slopes[names[2]] is not None and difference(output, right) is None
    return slopes | ({names[2]: "not all of it"} if is_there and off == [names[2]] else {})


class _Watching(TorchFunctionMode):
    """Notices whether a function of PyTorch standardises."""

    seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen |= getattr(func, "__name__", "").endswith("_norm")
        return func(*args, **(kwargs or {}))


def _new(layer: nn.Module, x: Tensor) -> dict[str, Any]:
    own = {name.split(".")[-1]: parameter for name, parameter in layer.named_parameters()}
    wanted = {name: own[name] for name in ("weight", "bias") if name in own}
    inside = any("." in name for name, _ in layer.named_parameters())
    return {
        "the names of its parameters": " and ".join(sorted(own)) or "nothing",
        **{f"the {name} of a new layer": p.detach().clone() for name, p in wanted.items()},
        "the output of a new layer": layer(x),
        "where weight and bias lie": "in a layer inside" if inside else "in the layer itself",
    }


def _far_from_0(answer: Callable[..., Any], x: Tensor, *_: Tensor) -> str | None:
    """Return what is said of a variance that loses its digits where the mean is large."""
    rows = (100 + 0.01 * torch.arange(60.0).reshape(12, 5).sin()).float()
    came, right = (layer(5).float()(rows) for layer in (answer, Standardised))
    if difference(came, right, 0.05) is None:
        return None
    return (
        "in float32, rows around 100 with a spread of 0.01 come out wrong, or NaN: the mean of x² "
        "less the square of the mean is a small difference of large numbers, and may fall below "
        "0. The mean of the squared deviations keeps its digits"
    )


def _small_numbers(generator: Generator) -> tuple[Any, ...]:
    # So small that 1e-5 matters beside the variance.
    x = 0.01 * _normal(generator, 7, 5) + 0.02 * _normal(generator, 5)
    return x, _normal(generator, 5), _normal(generator, 5)


# 7.4 ---------------------------------------------------------------------------------------------


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers of the model will be learned."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _with_the_frozen(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _shared_twice(model: nn.Module) -> int:
    named = model.named_parameters(remove_duplicate=False)
    return sum(p.numel() for _, p in named if p.requires_grad)


def _of_the_state_dict(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.state_dict().values())


def _tensors(model: nn.Module) -> int:
    return sum(p.requires_grad for p in model.parameters())


def _all_tensors(model: nn.Module) -> int:
    return len(list(model.parameters()))


def _rows(model: nn.Module) -> int:
    return sum(len(p) for p in model.parameters() if p.requires_grad)


def _of_the_children_alone(model: nn.Module) -> int:
    own = [p for child in model.children() for p in child.parameters(recurse=False)]
    return sum(p.numel() for p in own if p.requires_grad)


def _of_every_module(model: nn.Module) -> int:
    return sum(p.numel() for m in model.modules() for p in m.parameters() if p.requires_grad)


def _once_for_each_owner(model: nn.Module) -> int:
    own = [p for m in model.modules() for p in m.parameters(recurse=False)]
    return sum(p.numel() for p in own if p.requires_grad)


def _only_the_frozen(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if not p.requires_grad)


def _buffers_too(model: nn.Module) -> int:
    return count_parameters(model) + sum(buffer.numel() for buffer in model.buffers())


def _everything(model: nn.Module) -> int:
    return _with_the_frozen(model) + sum(buffer.numel() for buffer in model.buffers())


def _one_of_each_shape(model: nn.Module) -> int:
    return sum({p.shape: p.numel() for p in model.parameters() if p.requires_grad}.values())


def _one_of_each_size(model: nn.Module) -> int:
    return sum({p.numel() for p in model.parameters() if p.requires_grad})


def _one_of_each_value(model: nn.Module) -> int:
    values = {tuple(p.flatten().tolist()) for p in model.parameters() if p.requires_grad}
    return sum(map(len, values))


def _of_the_children(model: nn.Module) -> int:
    own = [p for child in model.children() for p in child.parameters()]
    return sum(p.numel() for p in own if p.requires_grad)


def _own_alone(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters(recurse=False) if p.requires_grad)


def _linear_layers_alone(model: nn.Module) -> int:
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    unique = {id(p): p for layer in layers for p in layer.parameters() if p.requires_grad}
    return sum(p.numel() for p in unique.values())


def _leaves_alone(model: nn.Module) -> int:
    leaves = [m for m in model.modules() if not list(m.children())]
    unique = {id(p): p for leaf in leaves for p in leaf.parameters() if p.requires_grad}
    return sum(p.numel() for p in unique.values())


def _weights_alone(model: nn.Module) -> int:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return sum(p.numel() for name, p in named if name.endswith("weight"))


def _first_alone(model: nn.Module) -> int:
    first = next(model.parameters())
    return first.numel() if first.requires_grad else 0


def _first_learned_alone(model: nn.Module) -> int:
    return next(p.numel() for p in model.parameters() if p.requires_grad)


def _until_a_frozen_one(model: nn.Module) -> int:
    return sum(p.numel() for p in takewhile(lambda p: p.requires_grad, model.parameters()))


def _lengths_added(model: nn.Module) -> int:
    return sum(sum(p.shape) for p in model.parameters() if p.requires_grad)


def _not_zero(model: nn.Module) -> int:
    return sum(int(p.count_nonzero()) for p in model.parameters() if p.requires_grad)


def _bytes(model: nn.Module) -> int:
    return sum(p.nbytes for p in model.parameters() if p.requires_grad)


def _linear_layers_at_each_place(model: nn.Module) -> int:
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    return sum(p.numel() for m in layers for p in m.parameters() if p.requires_grad)


CHANGED = "what the counting changes in the model"


def _of_each_model(answer: Callable[..., Any], models: dict[str, nn.Module]) -> dict[str, Any]:
    """Count every model, and one without anything to count if the others are counted right."""
    found: dict[str, Any] = {}
    for name, model in models.items():
        before = _state(model)
        found[name] = answer(model)
        if _state(model) != before:
            return {CHANGED: f"requires_grad or the mode of {name}", **found}
    if all(difference(found[name], count_parameters(models[name])) is None for name in models):
        found["a frozen nn.Linear(3, 5)"] = answer(nn.Linear(3, 5).requires_grad_(False))
    return {CHANGED: "nothing", **found}


def _state(model: nn.Module) -> list[bool]:
    """Return what is frozen, and which modules are in training mode."""
    flags = [parameter.requires_grad for parameter in model.parameters()]
    return flags + [module.training for module in model.modules()]


def _tied(width: int) -> nn.Module:
    """Return two layers that share their weight."""
    first, second = nn.Linear(width, 3), nn.Linear(width, 3)
    second.weight = first.weight
    return nn.Sequential(first, second)


def _models_to_count(generator: Generator) -> tuple[Any, ...]:
    """Return models by name, from a single layer to one in which everything comes together."""
    width = in_turn(generator, 4, 12)
    tied, frozen, owner = _tied(width), nn.Linear(width, 3), nn.Sequential(nn.Linear(2, width))
    shared, norm = nn.Linear(width, width), nn.BatchNorm1d(5).eval()
    frozen.weight.requires_grad_(False)
    owner.register_parameter("scale", nn.Parameter(torch.ones(17)))
    twice = nn.Sequential(shared, nn.ReLU(), shared)
    inner = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(2, width), nn.LayerNorm(width)))
    models: dict[str, nn.Module] = {
        f"nn.Linear(2, {width})": nn.Linear(2, width),
        f"nn.Linear({width}, 3) with a frozen weight": frozen,
        f"nn.ReLU() and a net of nn.Linear(2, {width}) and nn.LayerNorm({width})": inner,
        f"a net with one nn.Linear({width}, {width}) at two places": twice,
        f"two layers nn.Linear({width}, 3) with one weight": tied,
        f"two layers nn.LayerNorm({width})": nn.Sequential(*map(nn.LayerNorm, (width, width))),
        f"nn.Linear({width}, 5) and nn.BatchNorm1d(5)": nn.Sequential(nn.Linear(width, 5), norm),
        f"nn.Linear(2, {width}) in a net with 17 numbers of its own": owner,
        f"nn.Conv2d(2, {width}, 3)": nn.Conv2d(2, width, 3),
    }
    return ({**models, "all of these together": nn.Sequential(*models.values())},)


EXERCISES = (
    Exercise(
        number="7.1",
        prompt=(
            "**7.1 Predict.** Let `shared = nn.Linear(8, 8)`. How many numbers does the optimizer "
            "change that is given the parameters of `nn.Sequential(nn.Linear(5, 8), nn.ReLU(), "
            "shared, nn.ReLU(), shared, nn.Linear(8, 2, bias=False))`? Work it out before you "
            "let PyTorch count."
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=numbers_to_learn,
        wrong=(
            Wrong(
                208,
                "you counted the shared layer once for each use; it is one object, with one "
                "weight and one bias.",
            ),
            Wrong(
                120,
                "you left out the biases: a `Linear` has one for each output, unless it is told "
                "otherwise.",
            ),
            Wrong(138, "you gave the last layer a bias; it was made with `bias=False`."),
            Wrong(
                5,
                "that is the number of parameter *tensors*; the question is how many numbers "
                "they hold.",
            ),
            Wrong(
                210,
                "two things at once: the shared layer is one object and counts once, and the "
                "last layer was made with `bias=False`.",
            ),
            Wrong(
                184,
                "two things at once: the shared layer is one object and counts once, and a "
                "`Linear` has a bias for each output, unless it is told otherwise.",
            ),
            Wrong(
                200,
                "the shared layer is one object: its weight counts once, like its bias.",
            ),
            Wrong(128, "the shared layer has a bias too, one for each of its 8 outputs."),
            Wrong(
                64,
                "the shared layer is missing: used twice, it is still learned, and counts once.",
            ),
            Wrong(
                72,
                "that is the shared layer alone; the first and the last layer learn as well.",
            ),
            Wrong(
                133,
                "a bias is added to the outputs, so there is one for each output, not for each "
                "input.",
            ),
            *wrongs(
                "you counted what comes out of the layers; what they learn is a number for each "
                "pair of an input and an output, and the biases.",
                *(26, 18, 16 + 2 + 8),
            ),
            *wrongs("that is the number of layers; how many numbers do they hold?", 3, 4, 6),
        ),
        hints=(
            "Write down two numbers for each layer: its weights, inputs × outputs, and its biases, "
            "one for each output if it has any. Then: how many *different* layers are there?",
            "`parameters()` hands out each object once, under however many names it goes.",
            "5 × 8 + 8 for the first layer, 8 × 8 + 8 for the shared one, 8 × 2 for the last.",
        ),
        because=(
            "48 for the first layer, 72 for the shared one however often it is used, and 16 for "
            "the last, which has no bias."
        ),
    ),
    Exercise(
        number="7.2",
        prompt=(
            "**7.2 Modify.** This net computes what it should, and an optimizer will find nothing "
            "in it. Change it so that PyTorch finds all the layers, for `parameters()` and for "
            "`state_dict()`, and leave its output as it is."
        ),
        stub=(
            "class Deep(nn.Module):\n"
            "    def __init__(self, width, depth):\n"
            "        super().__init__()\n"
            "        self.layers = [nn.Linear(width, width) for _ in range(depth)]\n"
            "\n"
            "    def forward(self, x):\n"
            "        for layer in self.layers:\n"
            "            x = layer(x).relu()\n"
            "        return x"
        ),
        name="Deep",
        solution=Deep,
        inputs=_width_depth_and_batch,
        probe=_three_depths,
        examples=(
            "[tuple(p.shape) for p in Deep(2, 3).parameters()]",
            "sorted(tuple(t.shape) for t in Deep(2, 3).state_dict().values())",
            "net = Deep(1, 2)\n"
            "for n, parameter in enumerate(net.parameters()):\n"
            "    parameter.data.fill_(n + 1)\n"
            "net(torch.tensor([[1.0], [-9.0]]))",
        ),
        wrong=(
            Wrong(
                _InATuple,
                "`parameters()` finds none after `__init__`. That is where the layers are made, "
                "and in a container that is a module itself: a list, a tuple or a dict is none.",
            ),
            Wrong(
                _OneLayerManyTimes,
                "`[layer] * depth` is one layer, listed `depth` times: it is shared. Make a new "
                "one for each place.",
            ),
            Wrong(
                _LastLayerOnly,
                "only the last layer is found: the attribute is overwritten in each round of the "
                "loop, or only the last one is assigned.",
            ),
            Wrong(
                _WithoutReLU,
                "the ReLUs are gone. `nn.Sequential` calls the layers one after the other; what "
                "`forward` did between them must go in as well.",
            ),
            Wrong(
                _NoReLUAtTheEnd, "the ReLU after the last layer is gone; the output has changed."
            ),
            Wrong(
                _ReturnsInTheLoop,
                "the output is that of the first layer alone: does the `return` stand inside the "
                "loop?",
            ),
            Wrong(
                _EachOnTheInput,
                "the output is that of the last layer alone: each layer must go on with what the "
                "one before it gave.",
            ),
            Wrong(
                _FirstOverAndOver,
                "the first layer is used over and over, and the others never: call the layer of "
                "each round, `layer(x)`.",
            ),
            Wrong(
                _LastOverAndOver,
                "the last layer is used over and over, and the others never: call the layer of "
                "each round, `layer(x)`.",
            ),
            *wrongs(
                "in each round x is added to what the layer gives; the layer's output alone goes "
                "on to the next.",
                _Residual,
                _ResidualInside,
            ),
            Wrong(_InputAdded, "the net's input is added to its output; the output alone is it."),
            Wrong(
                _OutputsAdded,
                "the outputs of all layers are added up; the last one's alone is the net's.",
            ),
            Wrong(_FirstSkipped, "`forward` does not use the first layer."),
            Wrong(_LastSkipped, "`forward` does not use the last layer."),
            Wrong(_Backwards, "the layers are used from the last to the first."),
            Wrong(_ReLUBefore, "the ReLU comes before each layer; it should come after it."),
            Wrong(
                _OneReLUAtTheEnd,
                "there is one ReLU at the end; it should come after each of the layers.",
            ),
            Wrong(_OneMoreLayer, "there is one layer too many."),
            Wrong(_OneLayerLess, "there is one layer too few."),
            Wrong(
                _CopiesOfOne,
                "all layers begin with the same numbers, as copies of one do. Make a new "
                "`nn.Linear` for each place, as the list did, and leave it as it begins.",
            ),
            Wrong(
                _OffTheRecord,
                "`parameters()` finds the layers, but no gradient reaches them: the output was "
                "computed off the record, by `detach` or `no_grad`.",
            ),
            Wrong(
                _DetachedBetween,
                "the output is right, but `detach` stands between the layers, so the gradient "
                "reaches the last one alone.",
            ),
            Wrong(
                _OthersRegistered,
                "the output does not depend on what `parameters()` finds: `forward` must use "
                "just these layers.",
            ),
            Wrong(
                _Frozen,
                "the layers are found, but their `requires_grad` is off, so an optimizer will not "
                "change them.",
            ),
            Wrong(
                _OwnParameters,
                "`parameters()` finds them, since you wrote it anew, but `state_dict()` and `to()` "
                "still do not. Put the layers into a container that is a module itself.",
            ),
        ),
        hints=(
            "`forward` is right. What is wrong with the container?",
            "PyTorch has a list that is a module, and this notebook has used it.",
            "`self.layers = nn.ModuleList([...])`, with the same list inside.",
        ),
        because=(
            "a container that is a module is written down like any other module, and what is "
            "written down is learned, moved and saved."
        ),
    ),
    Exercise(
        number="7.3",
        prompt=(
            "**7.3 Build.** Write the layer `Standardised(num_features)`. From each row of its "
            "input (N, num_features) it subtracts the row's mean, then divides by "
            "`(variance + 1e-5).sqrt()`, where the variance is the mean of the squared deviations "
            "in this row. Finally it multiplies each column by its entry of `weight` and adds its "
            "entry of `bias`: two vectors to be learned, which begin as ones and zeros. Write it "
            "yourself, without PyTorch's layer norm, and with exactly these two parameters, "
            "`self.weight` and `self.bias`, of shape (num_features,). `check` also asks for the "
            "gradients of both and of the input."
        ),
        stub=(
            "class Standardised(nn.Module):\n"
            "    def __init__(self, num_features):\n"
            "        super().__init__()  # your lines follow\n"
            "\n"
            "    def forward(self, x):\n"
            "        return None  # your lines"
        ),
        name="Standardised",
        solution=Standardised,
        inputs=_small_numbers,
        probe=_parameters_and_output,
        aside=_far_from_0,
        examples=tuple(
            f"layer = Standardised(2)\n{line}"
            for line in (
                "{name: parameter for name, parameter in layer.named_parameters()}",
                "layer(torch.tensor([[1.0, 5.0], [3.0, 3.0]]))",
                "layer(torch.tensor([[0.0, 0.01]]))",
                "layer.weight.data += torch.tensor([9.0, 99.0])\n"
                "layer.bias.data += torch.tensor([1.0, 2.0])\n"
                "layer(torch.tensor([[1.0, 5.0]]))",
            )
        ),
        wrong=(
            Wrong(
                _PlainTensors,
                "a new layer has no parameters, so no optimizer will change anything: make "
                "`weight` and `bias` in `__init__`, each an `nn.Parameter`.",
            ),
            Wrong(
                _Detached,
                "no gradient reaches `weight` and `bias`: leave out `detach`, `.data` and "
                "`no_grad`.",
            ),
            Wrong(_EpsilonOutside, "the 1e-5 belongs under the root, beside the variance."),
            Wrong(_WithoutBias, "the bias is missing: a second `nn.Parameter`, of zeros."),
            Wrong(
                _BatchNormInside,
                "a `BatchNorm` standardises down the columns, over the samples; here each *row* "
                "has a mean and a variance of its own.",
            ),
            Wrong(
                _DownTheColumns,
                "you standardise down the columns, dim=0; each *row* has a mean and a variance of "
                "its own, dim=-1.",
            ),
            Wrong(
                _OverTheWholeBatch,
                "you take one mean and one variance for the whole batch; each row has its own: "
                "dim=-1, keepdim=True.",
            ),
            Wrong(
                _DividedByOneLess,
                "`var` and `std` divide by one less than the number of entries; here the variance "
                "is the plain mean: `unbiased=False`, or write it out.",
            ),
            Wrong(_ByTheVariance, "you divide by the variance; its square root is missing."),
            Wrong(
                _WithoutEpsilon,
                "the 1e-5 is missing under the root; without it a row of equal numbers would be "
                "divided by zero.",
            ),
            *wrongs(
                "what you add to the variance is not 1e-5.",
                *map(_with_epsilon, (1e-3, 1e-4, 1e-6, 1e-7, 1e-8)),
            ),
            Wrong(
                _SquaresOfX,
                "your variance is the mean of x²; it is the mean of the squared *deviations* from "
                "the row's mean.",
            ),
            Wrong(
                _SumOfSquares,
                "your variance is the sum of the squared deviations; take their mean.",
            ),
            Wrong(_NotCentred, "you divide x itself; take the row's mean from it first."),
            Wrong(_OnlyCentred, "the division by the root of the variance is missing."),
            Wrong(
                _StdAndEpsilon,
                "two things: `std` divides by one less than the number of entries, and the 1e-5 "
                "belongs under the root.",
            ),
            Wrong(_Multiplied, "you multiply by the root; divide by it."),
            Wrong(
                _ShiftedFirst,
                "you add the bias first and multiply then; multiply first, so that the bias "
                "is added as it is.",
            ),
            Wrong(_NeitherUsed, "`weight` and `bias` are there, but `forward` does not use them."),
            Wrong(_WeightUnused, "`forward` does not use `weight`: multiply by it."),
            Wrong(_BiasUnused, "`forward` does not use `bias`: add it at the end."),
            Wrong(
                _InputDetached,
                "the output is right, but no gradient reaches the input, so no layer before this "
                "one would learn: leave out `detach` and `.data`.",
            ),
            Wrong(
                _StatisticsDetached,
                "the output is right, but the gradient of the input is not: mean and variance "
                "depend on x as well, so leave them on the record, without `detach`, `.data` or "
                "`no_grad`, like x itself.",
            ),
            Wrong(
                _PyTorchsOwn,
                "the output is right, but PyTorch's own function takes mean and variance. Write "
                "them yourself, with `x.mean(dim=-1, keepdim=True)`.",
            ),
            Wrong(
                _LayerNormInside,
                "the output is right, but a layer inside does the work. The exercise asks for "
                "two parameters of your own, `self.weight` and `self.bias`.",
            ),
        ),
        hints=(
            "`Centred` in this notebook is the first half of `forward`, and `MyLinear` shows how "
            "a layer owns what it learns.",
            "`x.mean(dim=-1, keepdim=True)` has shape (N, 1), so it fits beside x; treat the "
            "variance in the same way.",
            "In `__init__`: `self.weight = nn.Parameter(torch.ones(num_features))`, and `bias` "
            "with zeros. In `forward`: `centred / (variance + 1e-5).sqrt() * self.weight + "
            "self.bias`.",
        ),
        because=(
            "this is `nn.LayerNorm`, rebuilt. As long as a row's variance is far above 1e-5, the "
            "row leaves a newly made layer with mean 0 and a spread of 1."
        ),
    ),
    Exercise(
        number="7.4",
        prompt=(
            "**7.4 Build.** Write `count_parameters(model)`: how many numbers will be learned? "
            "Count a shared parameter once. Leave out buffers, and leave out *frozen* "
            "parameters, those whose `requires_grad` is `False`."
        ),
        stub="def count_parameters(model):\n    return None  # your line",
        name="count_parameters",
        solution=count_parameters,
        inputs=_models_to_count,
        probe=_of_each_model,
        wrong=(
            Wrong(
                _with_the_frozen, "you counted the frozen parameters too; look at `requires_grad`."
            ),
            Wrong(
                _shared_twice,
                "you counted a shared parameter once for each of its names; `parameters()` hands "
                "it out once.",
            ),
            Wrong(
                _of_the_state_dict,
                "the `state_dict` lists everything worth saving: buffers, frozen parameters, and "
                "shared ones under each of their names.",
            ),
            Wrong(_tensors, "you counted tensors; ask each of them for its `numel()`."),
            Wrong(
                _all_tensors,
                "you counted tensors, the frozen ones too; ask each for its `numel()` and its "
                "`requires_grad`.",
            ),
            Wrong(_rows, "`len` of a matrix is the number of its rows; `numel()` counts entries."),
            Wrong(
                _of_the_children_alone,
                "you looked one level deep; modules within modules hold parameters as well.",
            ),
            Wrong(
                _of_every_module,
                "`modules()` visits every level, and `parameters()` of each goes all the way down: "
                "what lies deep is counted again and again. One of the two is enough.",
            ),
            Wrong(
                _once_for_each_owner,
                "where two modules hold the same weight, you counted it once for each; "
                "`model.parameters()` hands it out once.",
            ),
            Wrong(
                _only_the_frozen,
                "you counted the frozen ones; those will be learned whose `requires_grad` is True.",
            ),
            *wrongs(
                "you counted buffers as well; `parameters()` leaves them out.",
                *(_buffers_too, _everything),
            ),
            *wrongs(
                "you counted only one of several parameters that look alike; two are the same "
                "only if they are one object.",
                *(_one_of_each_shape, _one_of_each_size, _one_of_each_value),
            ),
            *wrongs(
                "you looked into modules of some kinds alone; others can hold parameters too, and "
                "`model.parameters()` finds them all.",
                *(_linear_layers_alone, _linear_layers_at_each_place, _leaves_alone),
            ),
            *wrongs(
                "you counted the first parameter alone: does the `return` stand inside the loop?",
                *(_first_alone, _first_learned_alone),
            ),
            Wrong(
                _until_a_frozen_one,
                "your count stops at the first frozen parameter; leave it out, and go on.",
            ),
            Wrong(
                _lengths_added,
                "you added the lengths of a parameter's dimensions; the number of its entries is "
                "their product, `numel()`.",
            ),
            Wrong(
                _not_zero,
                "you left out entries that are 0 at present; they will be learned as well.",
            ),
            Wrong(_bytes, "you counted bytes, several for each number; `numel()` counts numbers."),
            Wrong(
                _of_the_children,
                "you looked at the model's children alone; what it holds itself is missing, and "
                "one layer is a model too. `model.parameters()` has both.",
            ),
            Wrong(
                _own_alone,
                "you counted what the model itself holds; the modules inside hold parameters as "
                "well.",
            ),
            Wrong(
                _weights_alone,
                "you counted only what is called weight; biases are learned, and others too.",
            ),
        ),
        hints=(
            "One walk of the tree does it: which method hands out each parameter once?",
            "`parameter.numel()` is the number of its entries.",
            "A sum over `model.parameters()`, with an `if` at its end.",
        ),
        because=(
            "`parameters()` walks the whole tree and knows by identity what it has met, so a "
            "sum with one condition is enough."
        ),
    ),
)

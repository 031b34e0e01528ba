"""The exercises of notebook 07: what a module owns, and layers of one's own."""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong


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


def _count_and_output(answer: Any, width: int, depth: int, x: Tensor) -> dict[str, Any]:
    torch.manual_seed(width)
    net = answer(width, depth)
    with torch.no_grad():
        output = net(x.to(next(net.parameters(), torch.zeros(())).dtype))
    count = sum(parameter.numel() for parameter in net.parameters())
    return {"the number of learnable numbers": count, "the output": output}


def _width_depth_and_batch(generator: Generator) -> tuple[Any, ...]:
    width, depth = (
        int(torch.randint(low, high, (), generator=generator)) for low, high in ((9, 14), (2, 4))
    )
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


def _parameters_and_output(answer: Any, x: Tensor, factors: Tensor, shifts: Tensor) -> Any:
    """Return what a new layer gives, and what it gives with other parameters."""
    layer = answer(x.shape[1]).double()
    parameters = dict(layer.named_parameters())
    with torch.no_grad():
        outcome = {
            "the names of its parameters": sorted(parameters),
            "the output of a new layer": layer(x),
        }
        for name, values in ("weight", factors), ("bias", shifts):
            if name in parameters:
                parameters[name].copy_(values)
        outcome["the output with another weight and bias"] = layer(x)
    learnt = []
    if parameters and isinstance(output := layer(x), Tensor) and output.requires_grad:
        output.square().sum().backward()
        learnt = sorted(name for name, p in parameters.items() if p.grad is not None)
    return {**outcome, "the parameters that a gradient reaches": learnt}


def _small_numbers(generator: Generator) -> tuple[Any, ...]:
    # So small that 1e-5 matters beside the variance.
    x = 0.01 * _normal(generator, 7, 5) + 0.02 * _normal(generator, 5)
    return x, _normal(generator, 5), _normal(generator, 5)


# 7.4 ---------------------------------------------------------------------------------------------


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers of the model will be learnt."""
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


def _model_to_count(generator: Generator) -> tuple[Any, ...]:
    """Return a model with a shared layer, a half-frozen one, a parameter of its own, a buffer."""
    width = int(torch.randint(4, 12, (), generator=generator))
    shared, frozen = nn.Linear(width, width), nn.Linear(width, 3)
    frozen.weight.requires_grad_(False)
    inner = nn.Sequential(shared, nn.ReLU(), nn.Linear(width, width, bias=False))
    model = nn.Sequential(nn.Linear(2, width), inner, shared, frozen)
    model.register_parameter("scale", nn.Parameter(torch.ones(17)))
    model.register_buffer("constant", torch.zeros(13))
    return (model,)


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
        ),
        hints=(
            "Count for each layer the numbers in its weight and in its bias, if it has one.",
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
            "in it. Change it so that `parameters()` finds all the layers, and leave its output "
            "as it is."
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
        probe=_count_and_output,
        wrong=(
            Wrong(
                _InATuple,
                "it still finds none: layers hide in a tuple, a dict or a deque as they do in a "
                "list. The container must be a module itself.",
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
        ),
        hints=(
            "`forward` is right. What is wrong with the container?",
            "PyTorch has a list that is a module, and this notebook has used it.",
            "`self.layers = nn.ModuleList([...])`, with the same list inside.",
        ),
        because=(
            "a container that is a module is written down like any other module, and what is "
            "written down is learnt, moved and saved."
        ),
    ),
    Exercise(
        number="7.3",
        prompt=(
            "**7.3 Build.** Write the layer `Standardised(num_features)`. From each row of its "
            "input (N, num_features) it takes the row's mean, then divides by "
            "`(variance + 1e-5).sqrt()`, where the variance is the mean of the squared deviations "
            "in this row. Last it multiplies each column by its entry of `weight` and adds its "
            "entry of `bias`: two vectors to be learnt, which begin as ones and zeros."
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
        wrong=(
            Wrong(
                _PlainTensors,
                "`weight` and `bias` are not among the parameters, so no optimizer will change "
                "them; wrap both in `nn.Parameter`.",
            ),
            Wrong(
                _Detached,
                "no gradient reaches `weight` and `bias`: leave out `detach`, `.data` and "
                "`no_grad`.",
            ),
            Wrong(_EpsilonOutside, "the 1e-5 belongs under the root, beside the variance."),
            Wrong(_WithoutBias, "the bias is missing: a second `nn.Parameter`, of zeros."),
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
            "**7.4 Build.** Write `count_parameters(model)`: how many numbers will be learnt? "
            "Count a shared parameter once. Leave out buffers, and leave out *frozen* "
            "parameters, those whose `requires_grad` is `False`."
        ),
        stub="def count_parameters(model):\n    return None  # your line",
        name="count_parameters",
        solution=count_parameters,
        inputs=_model_to_count,
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

"""The exercises of notebook 05: layers that keep their weights, and losses for classes."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from exercises.differences import describe, difference
from exercises.exercise import Exercise, Wrong, wrongs
from exercises.gradients import gradients


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# 5.1 ---------------------------------------------------------------------------------------------


def number_of_parameters() -> int:
    """Return how many numbers the network of the exercise learns."""
    model = nn.Sequential(
        nn.Linear(20, 30),
        nn.ReLU(),
        nn.Linear(30, 30, bias=False),
        nn.ReLU(),
        nn.Linear(30, 4),
    )
    return sum(parameter.numel() for parameter in model.parameters())


# 5.2 ---------------------------------------------------------------------------------------------


def linear_from(w: Tensor, b: Tensor) -> nn.Linear:
    """Return a layer that computes x @ w + b."""
    num_inputs, num_outputs = w.shape
    layer = nn.Linear(num_inputs, num_outputs, dtype=w.dtype)
    with torch.no_grad():
        layer.weight.copy_(w.T)
        layer.bias.copy_(b)
    return layer


def _with(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    num_outputs, num_inputs = weight.shape
    layer = nn.Linear(num_inputs, num_outputs, bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _not_transposed(w: Tensor, b: Tensor) -> nn.Linear:
    return _with(w, b)


def _without_bias(w: Tensor, b: Tensor) -> nn.Linear:
    return _with(w.T, None)


def _neither(w: Tensor, b: Tensor) -> nn.Linear:
    return _with(w, None)


def _bias_as_drawn(w: Tensor, b: Tensor) -> nn.Linear:
    layer = nn.Linear(w.shape[0], w.shape[1], dtype=w.dtype)
    with torch.no_grad():
        layer.weight.copy_(w.T)
    return layer


def _weight_as_drawn(w: Tensor, b: Tensor) -> nn.Linear:
    layer = nn.Linear(w.shape[0], w.shape[1], dtype=w.dtype)
    with torch.no_grad():
        layer.bias.copy_(b)
    return layer


def _both_as_drawn(w: Tensor, b: Tensor) -> nn.Linear:
    return nn.Linear(w.shape[0], w.shape[1], dtype=w.dtype)


def _in_the_default_dtype(w: Tensor, b: Tensor) -> nn.Linear:
    layer = nn.Linear(w.shape[0], w.shape[1])
    with torch.no_grad():
        layer.weight.copy_(w.T)
        layer.bias.copy_(b)
    return layer


def _learning_nothing(w: Tensor, b: Tensor) -> nn.Linear:
    return linear_from(w, b).requires_grad_(False)


def _sizes_exchanged(w: Tensor, b: Tensor) -> nn.Linear:
    layer = nn.Linear(w.shape[1], w.shape[0], dtype=w.dtype)
    layer.weight, layer.bias = nn.Parameter(w.T.clone()), nn.Parameter(b.clone())
    return layer


def _added_to_what_was_drawn(weight: bool, bias: bool) -> Callable[[Tensor, Tensor], nn.Linear]:
    def added(w: Tensor, b: Tensor) -> nn.Linear:
        layer = nn.Linear(w.shape[0], w.shape[1], dtype=w.dtype)
        with torch.no_grad():
            layer.weight.copy_(layer.weight + w.T if weight else w.T)
            layer.bias.copy_(layer.bias + b if bias else b)
        return layer

    return added


def _plain_tensors(w: Tensor, b: Tensor) -> nn.Linear:
    layer = linear_from(w, b)
    del layer.weight, layer.bias
    layer.weight, layer.bias = w.T.clone(), b.clone()  # type: ignore[assignment]
    return layer


def _scaled_by_the_inputs(w: Tensor, b: Tensor) -> nn.Linear:
    return linear_from(w / w.shape[0] ** 0.5, b)


def _not_returned(w: Tensor, b: Tensor) -> None:
    linear_from(w, b)


def _sharing(weight: bool, bias: bool) -> Callable[[Tensor, Tensor], nn.Linear]:
    def shared(w: Tensor, b: Tensor) -> nn.Linear:
        layer = linear_from(w, b)
        if weight:
            layer.weight = nn.Parameter(w.T)
        if bias:
            layer.bias = nn.Parameter(b)
        return layer

    return shared


def _outputs(
    answer: Callable[..., Any], w: Tensor, b: Tensor, x: Tensor, w_wide: Tensor, b_wide: Tensor
) -> dict[str, Any]:
    """Ask a square layer first, where a missing transpose raises no error, then others.

    What a layer learns is asked only if it computes what it should.
    """
    layer = answer(w, b)
    if not isinstance(layer, nn.Linear):
        return {"what linear_from returns": describe(layer), "its entries": layer}
    square = _output(layer, x)
    found = {"the layer's bias": layer.bias, "the output of a square layer": square}
    if difference(square, x @ w + b) is None:
        wider = answer(w_wide, b_wide)
        found["the output of a wider layer"] = _output(wider, x)
        found["in_features, out_features of a wider layer"] = wider.in_features, wider.out_features
        found["the output of a layer with one output"] = _output(answer(w[:, :1], b[:1]), x)
        found["the output of the square layer, once more"] = _output(layer, x)
        found |= _learning(answer, layer, w, b, x)
    return {"what linear_from returns": "an nn.Linear", **found}


def _output(layer: nn.Linear, x: Tensor) -> Any:
    return layer(x.to(layer.weight.dtype))


def _learning(
    answer: Callable[..., Any], layer: nn.Linear, w: Tensor, b: Tensor, x: Tensor
) -> dict[str, Any]:
    names = sorted(name for name, _ in layer.named_parameters())
    if names != ["bias", "weight"]:
        return {"the layer's parameters": " and ".join(names) or "none"}
    parameters = [layer.bias, layer.weight]
    learnt = [name for name, p in layer.named_parameters() if p.requires_grad]
    single = answer(w.float(), b.float())
    x = x.to(layer.weight.dtype).requires_grad_()
    slopes = gradients(layer(x), [*parameters, x])
    return {
        "the layer's parameters": " and ".join(names),
        "what the layer will learn": " and ".join(learnt) or "nothing",
        **{f"the gradient of its {n}": g for n, g in zip([*names, "input"], slopes, strict=True)},
        "the dtype of the weight for a float64 w": str(layer.weight.dtype),
        "the dtype of the weight for a float32 w": str(single.weight.dtype),
        "the dtype of the bias for a float32 w": str(single.bias.dtype),
        "what changes when the layer learns": _changed_by_learning(answer, w, b),
    }


def _changed_by_learning(answer: Callable[..., Any], w: Tensor, b: Tensor) -> str:
    own = {"w": (w, w.clone()), "b": (b, b.clone())}
    layer = answer(*(copy for _, copy in own.values()))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1)
    changed = [name for name, pair in own.items() if not torch.equal(*pair)]
    return " and ".join(["the layer", *changed])


def _linear_inputs(generator: Generator) -> tuple[Any, ...]:
    shapes: tuple[tuple[int, ...], ...] = (4, 4), (4,), (6, 4), (4, 5), (5,)
    return tuple(_normal(generator, *shape) for shape in shapes)


# 5.3 ---------------------------------------------------------------------------------------------


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of two classes, from one logit a sample."""
    against = torch.where(labels == 1, -logits, logits)
    return torch.logaddexp(torch.zeros_like(against), against).mean()


def _against(logits: Tensor, labels: Tensor) -> Tensor:
    return torch.where(labels == 1, -logits, logits)


def _log_of_exp(logits: Tensor, labels: Tensor) -> Tensor:
    return (1 + _against(logits, labels).exp()).log().mean()


def _weighted_logs(logits: Tensor, labels: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()


def _labels_exchanged(logits: Tensor, labels: Tensor) -> Tensor:
    return binary_cross_entropy(logits, 1 - labels)


def _binary_sum(logits: Tensor, labels: Tensor) -> Tensor:
    return len(logits) * binary_cross_entropy(logits, labels)


def _label_one_only(logits: Tensor, labels: Tensor) -> Tensor:
    return (labels * F.softplus(-logits)).mean()


def _probability_for_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return -torch.sigmoid(-_against(logits, labels)).mean()


def _all_as_class_0(logits: Tensor, labels: Tensor) -> Tensor:
    return F.softplus(logits).mean()


def _label_zero_only(logits: Tensor, labels: Tensor) -> Tensor:
    return ((1 - labels) * F.softplus(logits)).mean()


def _in_bits(logits: Tensor, labels: Tensor) -> Tensor:
    return binary_cross_entropy(logits, labels) / math.log(2)


def _sigmoid_first(logits: Tensor, labels: Tensor) -> Tensor:
    return binary_cross_entropy(torch.sigmoid(logits), labels)


def _squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    return (torch.sigmoid(logits) - labels).square().mean()


def _classes_averaged(logits: Tensor, labels: Tensor) -> Tensor:
    of_class = [F.softplus(-logits[labels == 1]).mean(), F.softplus(logits[labels == 0]).mean()]
    return torch.stack(of_class).mean()


def _classes_added(logits: Tensor, labels: Tensor) -> Tensor:
    return 2 * _classes_averaged(logits, labels)


def _samples_as_classes(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels.to(logits.dtype))


def _without_a_graph(logits: Tensor, labels: Tensor) -> Tensor:
    return binary_cross_entropy(logits.detach(), labels)


def _losses(answer: Callable[..., Any], logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Ask for more as long as what came is right."""
    found = {"the loss of moderate logits": (loss := answer(logits, labels))}
    if difference(loss, binary_cross_entropy(logits, labels)) is not None:
        return found
    found["the gradient along moderate logits"] = _slope(answer, logits, labels)
    found["the loss of a single sample of class 1"] = answer(logits[:1].abs(), labels[:1] ** 0)
    found["the loss where every logit is 0"] = answer(0 * logits, labels)
    large = answer(2000 * logits, labels)
    found["the loss of logits in the thousands (no clamp or added number can save it)"] = large
    if math.isfinite(float(large)):
        slope = _slope(answer, 2000 * logits, labels)
        is_nan = slope is not None and bool(slope.isnan().any())
        found["the gradient along logits in the thousands"] = "NaN" if is_nan else slope
    return found


def _at_the_kink(answer: Callable[..., Any], logits: Tensor, labels: Tensor) -> str | None:
    """Return what is said of a loss whose gradient is off where a logit is exactly 0."""
    came = _slope(answer, 0 * logits, labels)
    if difference(came, (0.5 - labels) / len(labels)) is None:
        return None
    return (
        "the loss is right everywhere, its gradient nearly: where a logit is exactly 0 it should "
        "be 0.5 - label (over N), and is not. `clamp`, `relu`, `maximum` and `abs` have a kink "
        "there; `softplus` and `logaddexp` have none"
    )


def _branch_not_taken(logits: Tensor, labels: Tensor) -> Tensor:
    against = _against(logits, labels)
    return torch.where(against > 30, against, against.exp().log1p()).mean()


def _slope(answer: Callable[..., Any], logits: Tensor, *others: Any) -> Tensor | None:
    leaf = logits.clone().requires_grad_()
    return gradients(answer(leaf, *others), [leaf])[0]


def _binary_inputs(generator: Generator) -> tuple[Any, ...]:
    sizes = 1 + torch.rand(9, generator=generator, dtype=torch.float64)
    signs = torch.tensor([1, -1, 1, -1, 1, -1, 1, 1, -1])
    labels = torch.tensor([1, 1, 0, 0, 1, 0, 1, 0, 0])  # some wrong in either direction
    order = torch.randperm(9, generator=generator)
    return (sizes * signs)[order], labels[order]


# 5.4 ---------------------------------------------------------------------------------------------


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Return the mean cross-entropy with smoothed labels."""
    log_p = torch.log_softmax(logits, dim=1)
    of_label = log_p[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * of_label + smoothing * log_p.mean(dim=1)).mean()


def _terms(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return the loss of the label, the sum of the losses of all classes, and C."""
    log_p = torch.log_softmax(logits, dim=1)
    of_label = -log_p[torch.arange(len(labels)), labels].mean()
    return of_label, -log_p.sum(dim=1).mean(), logits.shape[1]


def _others_share_all(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, num_classes = _terms(logits, labels)
    return (1 - smoothing) * of_label + smoothing * (of_all - of_label) / (num_classes - 1)


def _label_keeps_one(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, num_classes = _terms(logits, labels)
    return of_label + smoothing * of_all / num_classes


def _label_without_share(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, num_classes = _terms(logits, labels)
    return (1 - smoothing) * of_label + smoothing * (of_all - of_label) / num_classes


def _not_divided(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, _ = _terms(logits, labels)
    return (1 - smoothing) * of_label + smoothing * of_all


def _not_smoothed(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(logits, labels)


def _roles_exchanged(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return smoothed_cross_entropy(logits, labels, 1 - smoothing)


def _along_the_samples(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    log_p = torch.log_softmax(logits, dim=0)
    of_label = log_p[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * of_label + smoothing * log_p.mean(dim=1)).mean()


def _summed(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return len(labels) * smoothed_cross_entropy(logits, labels, smoothing)


def _raw_logits(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label = logits[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * of_label + smoothing * logits.mean(dim=1)).mean()


def _without_logarithm(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    p = torch.softmax(logits, dim=1)
    of_label = p[torch.arange(len(labels)), labels]
    return -((1 - smoothing) * of_label + smoothing * p.mean(dim=1)).mean()


def _target_entropy_taken_off(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    num_classes = logits.shape[1]
    target = (1 - smoothing) * F.one_hot(labels, num_classes) + smoothing / num_classes
    return F.kl_div(F.log_softmax(logits, dim=1), target.to(logits), reduction="batchmean")


def _share_added_and_scaled(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, num_classes = _terms(logits, labels)
    return (of_label + smoothing * of_all) / (1 + smoothing * num_classes)


def _labels_as_columns(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    log_p = torch.log_softmax(logits, dim=1)
    return -((1 - smoothing) * log_p[:, labels].mean() + smoothing * log_p.mean())


def _share_lost(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return (1 - smoothing) * F.cross_entropy(logits, labels)


def _probabilities_smoothed(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    p = (1 - smoothing) * torch.softmax(logits, dim=1) + smoothing / logits.shape[1]
    return -p[torch.arange(len(labels)), labels].log().mean()


def _divided_by_samples(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, _ = _terms(logits, labels)
    return (1 - smoothing) * of_label + smoothing * of_all / len(labels)


def _roles_of_p_exchanged(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    num_classes = logits.shape[1]
    target = (1 - smoothing) * F.one_hot(labels, num_classes) + smoothing / num_classes
    return -(torch.softmax(logits, dim=1) * target.log()).sum(dim=1).mean()


def _softmax_twice(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return smoothed_cross_entropy(torch.softmax(logits, dim=1), labels, smoothing)


def _squared_distance(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    num_classes = logits.shape[1]
    target = (1 - smoothing) * F.one_hot(labels, num_classes) + smoothing / num_classes
    return (torch.softmax(logits, dim=1) - target).square().sum(dim=1).mean()


def _logits_scaled(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy((1 - smoothing) * logits, labels)


def _one_class_less(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    of_label, of_all, num_classes = _terms(logits, labels)
    return (1 - smoothing) * of_label + smoothing * of_all / (num_classes - 1)


def _off_the_record(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return smoothed_cross_entropy(logits.detach(), labels, smoothing)


def _columns_of_the_labels(spread_over_all: bool) -> Callable[[Tensor, Tensor, float], Tensor]:
    """Return a loss with as many columns as the largest label asks for."""

    def loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        one_hot = F.one_hot(labels)
        columns = logits.shape[1] if spread_over_all else one_hot.shape[1]
        target = (1 - smoothing) * one_hot + smoothing / columns
        return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()

    return loss


def _smoothed_losses(
    answer: Callable[..., Any], logits: Tensor, labels: Tensor, smoothing: float
) -> dict[str, Any]:
    """Ask for more as long as what came is right."""
    found = {"the loss": (loss := answer(logits, labels, smoothing))}
    if difference(loss, smoothed_cross_entropy(logits, labels, smoothing)) is None:
        found["the gradient along the logits"] = _slope(answer, logits, labels, smoothing)
        found["the loss of a single sample"] = answer(logits[:1], labels[:1], smoothing)
        found["the loss of two classes"] = answer(logits[:, :2], labels % 2, smoothing)
        found["the loss without smoothing, 0.0"] = answer(logits, labels, 0.0)
    return found


def _large_logits(
    answer: Callable[..., Any], logits: Tensor, labels: Tensor, smoothing: float
) -> str | None:
    """Return what is said of a loss that takes a softmax, and then its logarithm."""
    large, label = torch.tensor([[1000.0, 0.0]], dtype=logits.dtype), torch.tensor([1])
    came = answer(large, label, smoothing)
    if difference(came, smoothed_cross_entropy(large, label, smoothing)) is None:
        return None
    return (
        f"for logits as large as [1000, 0] it gives {float(came):.4g}, which the exercise does not "
        "ask for: a probability is rounded to 0 before its logarithm is taken. `log_softmax` does "
        "both in one"
    )


def _smoothing_inputs(generator: Generator) -> tuple[Any, ...]:
    smoothing = 0.11 + 0.3 * torch.rand((), generator=generator, dtype=torch.float64).item()
    labels = torch.randint(5, (7,), generator=generator)
    labels[:2] = torch.arange(2)  # also of the first few samples and classes something can be said
    labels[-1] = 4  # a table as wide as the largest label asks for is wide enough for all of them
    return 2 * _normal(generator, 7, 5), labels, smoothing


# 5.5 ---------------------------------------------------------------------------------------------


def steps_with_thousands() -> int:
    """Return how many steps four epochs are with mini-batches of 1,000."""
    return sum(len(torch.randperm(60_000).split(1000)) for _ in range(4))


EXERCISES = (
    Exercise(
        number="5.1",
        prompt=(
            "**5.1 Predict.** How many numbers does this network learn?\n"
            "\n"
            "```python\n"
            "nn.Sequential(\n"
            "    nn.Linear(20, 30),\n"
            "    nn.ReLU(),\n"
            "    nn.Linear(30, 30, bias=False),\n"
            "    nn.ReLU(),\n"
            "    nn.Linear(30, 4),\n"
            ")\n"
            "```"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=number_of_parameters,
        wrong=(
            Wrong(
                20 * 30 + 30 * 30 + 30 * 4,
                "you counted the weights and left out the biases: one for each output of a layer "
                "that has them.",
            ),
            Wrong(
                20 * 30 + 30 + 30 * 30 + 30 + 30 * 4 + 4,
                "you gave every layer a bias; the one in the middle says `bias=False`.",
            ),
            Wrong(
                20 * 30 + 20 + 30 * 30 + 30 * 4 + 30,
                "you counted a bias for each input; a bias is added to an output, so there is "
                "one for each output.",
            ),
            Wrong(
                5,
                "you counted the tensors; the question is how many numbers they hold.",
            ),
            Wrong(3, "you counted the layers; the question is how many numbers they hold."),
            Wrong(
                20 * 30 + 30 * 30 + 30 * 4 + 4,
                "the biases of the first layer are missing: it does not say `bias=False`.",
            ),
            Wrong(
                20 * 30 + 30 + 30 * 30 + 30 * 4,
                "the biases of the last layer are missing: one for each of its 4 outputs.",
            ),
            Wrong(
                20 * 30 + 30 + 30 * 4 + 4,
                "the layer in the middle has no bias, but it has weights, 30 × 30.",
            ),
            Wrong(
                20 * 30 + 1 + 30 * 30 + 30 * 4 + 1,
                "a layer has not one bias, but one for each of its outputs.",
            ),
            Wrong(
                20 * 30 + 1 + 30 * 30 + 1 + 30 * 4 + 1,
                "a layer has not one bias, but one for each of its outputs; and the one in the "
                "middle has none.",
            ),
            Wrong(
                20 * 30 + 30 + 30 + 30 * 30 + 30 + 30 * 4 + 4,
                "you gave each ReLU 30 numbers; it has none, it only cuts off.",
            ),
            *(
                Wrong(
                    count,
                    "you counted what goes through the layers; what they learn is a number for "
                    "each pair of an input and an output, and the biases.",
                )
                for count in (30 + 30 + 4, 20 + 30 + 4, 20 + 30 + 30 + 4, 20 + 30 + 30 + 30 + 4)
            ),
        ),
        hints=(
            "Write down two numbers for each linear layer: its weights, inputs × outputs, and its "
            "biases, one for each output unless it is told to have none. The ReLUs keep nothing.",
            "A layer from 20 to 30 has 20 × 30 weights and, unless told otherwise, a bias for "
            "each of its 30 outputs.",
        ),
        because=(
            "three layers hold 630, 900 and 124 numbers. Nearly all of them are weights, which "
            "is why a layer's size is told by the product of its inputs and outputs."
        ),
    ),
    Exercise(
        number="5.2",
        prompt=(
            "**5.2 Modify.** Write `linear_from(w, b)`: it returns an `nn.Linear` with the dtype "
            "of `w` that computes `x @ w + b`, where `w` has the shape (inputs, outputs). Its "
            "weight and bias can be learned, but they are copies: training the layer must not "
            "change `w` and `b`."
        ),
        stub="def linear_from(w, b):\n    return None  # your lines",
        name="linear_from",
        solution=linear_from,
        inputs=_linear_inputs,
        probe=_outputs,
        examples=(
            "w = torch.tensor([[1.0, 2.0], [3.0, 4.0]])\n"
            "layer = linear_from(w, torch.tensor([5.0, 6.0]))\n"
            "layer(torch.tensor([[10.0, 0.0]]))",
            "layer = linear_from(torch.ones(1, 2), torch.zeros(2))\n"
            "{name: parameter.requires_grad for name, parameter in layer.named_parameters()}",
            "w = torch.ones(1, 2)\n"
            "layer = linear_from(w, torch.zeros(2))\n"
            "layer.weight.data += 1\n"
            "w",
        ),
        wrong=(
            Wrong(
                _not_transposed,
                "the weight is not transposed: the layer computes `x @ w.T + b`. In a layer with "
                "as many outputs as inputs nothing complains, which is why `check` uses one.",
            ),
            Wrong(
                _without_bias,
                "the products are right, but nothing is added to them: the layer has no bias.",
            ),
            Wrong(
                _neither,
                "two things at once: the weight is not transposed, and the layer adds no bias.",
            ),
            Wrong(
                _bias_as_drawn,
                "the weight is right, but the bias is still the one that PyTorch drew; copy `b` "
                "into it.",
            ),
            Wrong(
                _weight_as_drawn,
                "the bias is right, but the weight is still the one that PyTorch drew; copy `w.T` "
                "into it.",
            ),
            Wrong(
                _both_as_drawn,
                "weight and bias are still those that PyTorch drew: write into them, by `copy_`. "
                "A new value for a name of yours does not reach the layer.",
            ),
            Wrong(
                _in_the_default_dtype,
                "the numbers are right, but the layer has the default dtype, whatever `w` has: "
                "make it with `dtype=w.dtype`.",
            ),
            Wrong(
                _learning_nothing,
                "the layer computes what it should, but `requires_grad` is off, so it will learn "
                "nothing.",
            ),
            Wrong(_not_returned, "linear_from returns nothing: is a `return` missing?"),
            Wrong(
                _sizes_exchanged,
                "weight and bias are right, but the layer was made with its two sizes exchanged:"
                " `in_features` and `out_features` say so. `nn.Linear` takes the inputs first,"
                " `nn.Linear(*w.shape)`.",
            ),
            Wrong(
                _plain_tensors,
                "the layer computes what it should, but weight and bias are plain tensors now:"
                " `layer.parameters()` is empty, so they will not be learned. Make each an"
                " `nn.Parameter`, or write into the layer's own by `copy_`.",
            ),
            Wrong(
                _scaled_by_the_inputs,
                "you divide the weight by the root of its number of inputs; the layer shall"
                " compute `x @ w + b` with `w` as it is.",
            ),
            *wrongs(
                "you add to the numbers that PyTorch drew for the layer; replace them, by `copy_`.",
                _added_to_what_was_drawn(weight=True, bias=True),
                _added_to_what_was_drawn(weight=True, bias=False),
                _added_to_what_was_drawn(weight=False, bias=True),
            ),
            *(
                Wrong(
                    _sharing(weight, bias),
                    "the layer computes what it should, but its memory is yours: whatever it "
                    "learns is also written into what you were given. Copy the numbers, by "
                    "`copy_` or `clone()`.",
                )
                for weight, bias in ((True, True), (True, False), (False, True))
            ),
        ),
        hints=(
            "Which shape does `nn.Linear(3, 2).weight` have, and which shape has `w` for that "
            "layer?",
            "Make the layer with `nn.Linear(*w.shape, dtype=w.dtype)`; then write into its two "
            "parameters, off the record.",
            "Under `torch.no_grad()`: `layer.weight.copy_(w.T)`, and the same for the bias. A "
            "bias needs no transpose.",
        ),
        because=(
            "row k of the weight is column k of `w`. `copy_` writes the numbers into the layer's "
            "own memory; `nn.Parameter(w.T)` would share `w`'s, and training would change `w` as "
            "well."
        ),
    ),
    Exercise(
        number="5.3",
        prompt=(
            "**5.3 Build.** For two classes one logit is enough: let class 0 always have the "
            "logit 0, and class 1 the logit `z`. Write down the softmax of these two and derive "
            "the cross-entropy for label 1 and for label 0. Then build "
            "`binary_cross_entropy(logits, labels)`, the mean over the samples; both have the "
            "shape (N,), labels are whole numbers 0 and 1. It must hold for logits in the "
            "thousands too, and `check` asks autograd for its gradient."
        ),
        stub="def binary_cross_entropy(logits, labels):\n    return None  # your lines",
        name="binary_cross_entropy",
        solution=binary_cross_entropy,
        inputs=_binary_inputs,
        probe=_losses,
        direct=True,
        aside=_at_the_kink,
        wrong=(
            Wrong(
                _log_of_exp,
                "for moderate logits it holds; for logits in the thousands it is infinite, since "
                "an exponential overflows or a probability is rounded to 0 before the logarithm "
                "is taken. `torch.logaddexp` does both in one.",
            ),
            Wrong(
                _branch_not_taken,
                "the loss holds for logits in the thousands, but its gradient has NaN in it. If "
                "you choose by `torch.where`: the branch not taken goes backward too, its infinite "
                "slope is multiplied by 0, and that is NaN. Keep its exponent small as well, or "
                "take `torch.logaddexp` or `F.softplus`.",
            ),
            Wrong(
                _weighted_logs,
                "for moderate logits it holds; for logits in the thousands it is NaN, since a "
                "probability is rounded to 0, its logarithm is infinite, and 0 times that is no "
                "number. Go from the logit to the logarithm without stopping at a probability.",
            ),
            Wrong(
                lambda z, labels: F.binary_cross_entropy(torch.sigmoid(z), labels.to(z.dtype)),
                "for moderate logits it holds; for logits in the thousands PyTorch's "
                "`binary_cross_entropy` cuts the logarithm off at −100, and large losses come out "
                "too small. Go from the logit to the logarithm without stopping at a probability.",
            ),
            Wrong(
                lambda logits, labels: F.softplus(-logits).mean(),
                "the labels do not enter: every sample is treated as if it were of class 1.",
            ),
            Wrong(
                _labels_exchanged,
                "the two classes are exchanged: a large logit speaks for class 1, so with label "
                "1 it must make the loss small.",
            ),
            Wrong(
                _binary_sum,
                "you return the sum over the samples; the exercise asks for their mean.",
            ),
            Wrong(
                _label_one_only,
                "the samples of class 0 cost nothing in your version; their loss is log(1 + eᶻ).",
            ),
            Wrong(
                _probability_for_loss,
                "you average the probabilities of the right class; the loss is the mean of their "
                "*logarithms*, with a minus sign.",
            ),
            Wrong(
                _without_a_graph,
                "the loss is right, but no gradient leads back to the logits: leave out `detach`, "
                "`no_grad`, `item` and NumPy.",
            ),
            Wrong(
                _all_as_class_0,
                "the labels do not enter: every sample is treated as if it were of class 0.",
            ),
            Wrong(
                _label_zero_only,
                "the samples of class 1 cost nothing in your version; their loss is log(1 + e⁻ᶻ).",
            ),
            Wrong(_in_bits, "that is the loss in bits; take the natural logarithm, `log`."),
            Wrong(
                _sigmoid_first,
                "the sigmoid is taken twice: the formula has it inside, so give it the logits.",
            ),
            Wrong(
                _squared_error,
                "that is the squared error of the probabilities; the cross-entropy takes the "
                "logarithm of the probability of the right class.",
            ),
            Wrong(
                _classes_averaged,
                "you take a mean for each class and then the mean of the two; each sample should "
                "count the same, whichever class has more.",
            ),
            Wrong(
                _classes_added,
                "you add a mean for each class; take one mean over all the samples.",
            ),
            Wrong(
                _samples_as_classes,
                "the softmax runs over the samples here; each sample has a softmax of its own, "
                "over the two logits 0 and z.",
            ),
        ),
        hints=(
            "Class 1 has the probability eᶻ / (e⁰ + eᶻ). What is minus its logarithm?",
            "For label 1 the loss is log(1 + e⁻ᶻ), for label 0 it is log(1 + eᶻ). You met "
            "log(eᵃ + eᵇ) in 04.",
            "`torch.where(labels == 1, -logits, logits)` is the exponent of each sample; "
            "`torch.logaddexp` of 0 and that, and the mean.",
        ),
        because=(
            "two classes have one difference of scores between them, and the softmax of 0 and z "
            "is the sigmoid of z. PyTorch calls this loss `F.binary_cross_entropy_with_logits`."
        ),
    ),
    Exercise(
        number="5.4",
        prompt=(
            "**5.4 Build.** Labels can be wrong, and a network that must give them the "
            "probability 1 is pushed to ever larger logits. *Label smoothing* asks for less. The "
            "target takes a share `smoothing` from the label and spreads it evenly over *all* C "
            "classes, the label's own included; 1 − `smoothing` stays with the label. Build "
            "`smoothed_cross_entropy(logits, labels, smoothing)`, the mean over the samples: for "
            "each class, the target's probability times the logarithm of the network's, added up "
            "with a minus sign. `check` asks autograd for its gradient, too."
        ),
        stub=(
            "def smoothed_cross_entropy(logits, labels, smoothing):\n    return None  # your lines"
        ),
        name="smoothed_cross_entropy",
        solution=smoothed_cross_entropy,
        inputs=_smoothing_inputs,
        probe=_smoothed_losses,
        direct=True,
        aside=_large_logits,
        wrong=(
            Wrong(
                _others_share_all,
                "you spread the share over the C − 1 *other* classes; the label itself gets its "
                "C-th part back as well.",
            ),
            Wrong(
                _label_keeps_one,
                "the label keeps the whole 1 in your version and the share comes on top, so the "
                "target sums to more than 1; take `smoothing` from it.",
            ),
            Wrong(
                _label_without_share,
                "the target does not sum to 1: you divide by C but leave out the label's own "
                "part of the share.",
            ),
            Wrong(
                _not_divided,
                "every class gets the whole share; each should get its C-th part.",
            ),
            Wrong(
                _not_smoothed,
                "that is the plain cross-entropy; `smoothing` does not enter.",
            ),
            Wrong(
                _roles_exchanged,
                "the two shares are exchanged: 1 − `smoothing` stays with the label.",
            ),
            Wrong(
                _along_the_samples,
                "the softmax runs along the samples, dim=0; the probabilities of the *classes* "
                "must sum to 1, dim=1.",
            ),
            Wrong(
                _summed,
                "you return the sum over the samples; the exercise asks for their mean.",
            ),
            Wrong(
                _raw_logits,
                "the target is multiplied with the logits; take their log-softmax first.",
            ),
            Wrong(
                _without_logarithm,
                "the target is multiplied with the network's probabilities; it should be their "
                "logarithms.",
            ),
            Wrong(
                _target_entropy_taken_off,
                "you subtract the target's own entropy, as `kl_div` does; only the logarithm of "
                "the network's probabilities is asked for.",
            ),
            Wrong(
                _share_added_and_scaled,
                "you add the share to every class and scale the target to 1 afterwards; the "
                "label's entry must be 1 − `smoothing` + `smoothing` / C.",
            ),
            Wrong(
                _labels_as_columns,
                "`[:, labels]` takes all these columns from every row; each sample has one label: "
                "`[torch.arange(len(labels)), labels]`.",
            ),
            Wrong(
                _share_lost,
                "the share is taken from the label but nobody gets it: spread it over all classes.",
            ),
            Wrong(
                _probabilities_smoothed,
                "you smooth the network's probabilities; the *target* should be smoothed.",
            ),
            Wrong(
                _divided_by_samples,
                "you divide the share by the number of samples; it is spread over the classes.",
            ),
            Wrong(
                _roles_of_p_exchanged,
                "the two are exchanged: the *network's* probabilities go into the logarithm, the "
                "target's stand before it.",
            ),
            Wrong(
                _softmax_twice,
                "the softmax is taken twice; give the logits themselves to the log-softmax.",
            ),
            Wrong(
                _squared_distance,
                "that is the squared distance of the probabilities from the target; the "
                "cross-entropy takes a logarithm.",
            ),
            *wrongs(
                "`F.one_hot(labels)` makes as many columns as the largest label asks for, too few"
                " where the last classes do not occur: tell it, `F.one_hot(labels, num_classes)`.",
                _columns_of_the_labels(spread_over_all=True),
                _columns_of_the_labels(spread_over_all=False),
            ),
            Wrong(
                _logits_scaled,
                "you scale the logits; leave them alone and smooth the target.",
            ),
            Wrong(
                _one_class_less,
                "every class gets a share, the label's own too, so divide it by C, not by C − 1.",
            ),
            Wrong(
                _off_the_record,
                "the loss is right, but no gradient leads back to the logits: leave out `detach`, "
                "`no_grad`, `item` and NumPy.",
            ),
        ),
        hints=(
            "Begin with `log_p = torch.log_softmax(logits, dim=1)`, or with the notebook's own. "
            "Without smoothing, which entry of each row do you need?",
            "The target is `(1 - smoothing)` times the one-hot label, plus `smoothing / C` in "
            "every place.",
            "`F.one_hot(labels, C)` makes the one-hot rows. Multiply the target by `log_p`, sum "
            "along dim=1, and take minus the mean.",
        ),
        because=(
            "with smoothing the loss is smallest when the label's logit is a certain distance "
            "above the others; without it, farther is always better. PyTorch has it built in, as "
            "`label_smoothing` of `nn.CrossEntropyLoss`."
        ),
    ),
    Exercise(
        number="5.5",
        prompt=(
            "**5.5 Predict.** Give `learn_pictures` mini-batches of 1,000 and the rate "
            "0.1. How many steps are four epochs? And will the accuracy end above or below that "
            "of the hundreds? Give `check` the number of steps. Then run it, and once more at the "
            "rate 0.5."
        ),
        stub="answer = None  # the number of steps",
        name="answer",
        solution=steps_with_thousands,
        wrong=(
            Wrong(60, "that is one epoch; the pictures are seen four times."),
            Wrong(2400, "so many steps did the hundreds take; these are ten times as large."),
            Wrong(4, "that is a step an epoch, with all 60,000 at once."),
            Wrong(
                4 * 60_000,
                "so many pictures are looked at; a step looks at 1,000 of them.",
            ),
            Wrong(
                4 * 1000,
                "1,000 is how many pictures a step looks at; how many such steps are an epoch?",
            ),
            Wrong(600, "that is one epoch of the hundreds."),
            Wrong(60_000, "that is how many pictures there are; a step looks at 1,000 of them."),
            Wrong(24, "a 0 is lost: 60,000 pictures are 60 thousands."),
            Wrong(40, "that is for 10,000 pictures, as many as the test has."),
            Wrong(280, "that counts the 10,000 test pictures, too; no step looks at them."),
        ),
        hints=(
            "How many mini-batches of 1,000 does `split` deal out of 60,000 rows?",
            "Each mini-batch is one step, and each epoch deals them all out once.",
        ),
        because=(
            "60 an epoch, a tenth of what the hundreds take. At the same rate the network gets "
            "less far, so the accuracy ends below. A rate of 0.5 wins some of it back, because a "
            "thousand pictures are a better guess at the gradient, and bear longer steps."
        ),
    ),
)

"""The exercises of notebook 05: layers that keep their weights, and losses for classes."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong


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


def _output(layer: nn.Linear, x: Tensor) -> Tensor:
    return layer(x.to(layer.weight.dtype))


def _outputs(
    answer: Callable[..., Any], w: Tensor, b: Tensor, x: Tensor, w_wide: Tensor, b_wide: Tensor
) -> Any:
    """Ask a square layer first, where a missing transpose raises no error, then a wider one."""
    layer = answer(w, b)
    found = {
        "what linear_from returns": type(layer).__name__,
        "the layer's bias": b,
        "the output of a square layer": x @ w + b,
        "the output of a wider layer": x @ w_wide + b_wide,
        "what the layer will learn": "weight and bias",
        "the dtype of a layer made from float32": "torch.float32",
    }
    if isinstance(layer, nn.Linear):
        found["the layer's bias"] = layer.bias
        single = answer(w.float(), b.float()).weight.dtype
        found["the dtype of a layer made from float32"] = str(single)
        found["the output of a square layer"] = square = _output(layer, x)
        if square.shape == x.shape and torch.allclose(square.double(), x @ w + b):
            found["the output of a wider layer"] = _output(answer(w_wide, b_wide), x)
        if [parameter.requires_grad for parameter in layer.parameters()] != [True, True]:
            found["what the layer will learn"] = "not both"
    return found


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


def _two_sizes(answer: Callable[..., Any], logits: Tensor, labels: Tensor) -> dict[str, Any]:
    return {
        "the loss of moderate logits": answer(logits, labels),
        "the loss of logits in the thousands (no clamp or added number can save it)": answer(
            2000 * logits, labels
        ),
    }


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


def _smoothing_inputs(generator: Generator) -> tuple[Any, ...]:
    smoothing = 0.1 + 0.3 * torch.rand((), generator=generator, dtype=torch.float64).item()
    labels = torch.randint(5, (7,), generator=generator)
    return 2 * _normal(generator, 7, 5), labels, smoothing


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
        ),
        hints=(
            "The ReLUs keep nothing. Take the three linear layers one by one.",
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
            "**5.2 Modify.** Make the setting of the weights a function, with biases: "
            "`linear_from(w, b)` returns an `nn.Linear` that computes `x @ w + b`, where `w` has "
            "the shape (inputs, outputs) as in 02. Weight and bias shall be learned afterwards, "
            "and have the dtype of `w`."
        ),
        stub="def linear_from(w, b):\n    return None  # your lines",
        name="linear_from",
        solution=linear_from,
        inputs=_linear_inputs,
        probe=_outputs,
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
            "thousands too."
        ),
        stub="def binary_cross_entropy(logits, labels):\n    return None  # your lines",
        name="binary_cross_entropy",
        solution=binary_cross_entropy,
        inputs=_binary_inputs,
        probe=_two_sizes,
        wrong=(
            Wrong(
                _log_of_exp,
                "for moderate logits it holds; for logits in the thousands it is infinite, since "
                "an exponential overflows or a probability is rounded to 0 before the logarithm "
                "is taken. `torch.logaddexp` does both in one.",
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
            "with a minus sign."
        ),
        stub=(
            "def smoothed_cross_entropy(logits, labels, smoothing):\n    return None  # your lines"
        ),
        name="smoothed_cross_entropy",
        solution=smoothed_cross_entropy,
        inputs=_smoothing_inputs,
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
)

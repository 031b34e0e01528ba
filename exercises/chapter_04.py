# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 04: two kinks that meet, and four functions of your own."""

from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import Function

from exercises.exercise import Exercise, Wrong

# Solutions ----------------------------------------------------------------------------------------


def slope_at_zero() -> float:
    """Let autograd differentiate both halves at 0 and add up."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    y = torch.relu(x) - torch.relu(-x)
    y.backward()
    return x.grad.item()  # type: ignore[union-attr]


class LeakyReLU(Function):
    """ReLU that lets a share of what is negative through: x where x > 0, else slope * x."""

    @staticmethod
    def forward(ctx, x, slope):
        """Save the tensor for backward; a plain number may be an attribute."""
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, grad_y):
        """Return the gradient of x, and None for the slope, which is no tensor."""
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_y, ctx.slope * grad_y), None


class Sigmoid(Function):
    """1 / (1 + e^-x), whose derivative is y (1 - y)."""

    @staticmethod
    def forward(ctx, x):
        """Save the output: backward needs nothing else."""
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        """Multiply what arrives by the derivative."""
        (y,) = ctx.saved_tensors
        return grad_y * y * (1 - y)


class Divide(Function):
    """a / b, entry by entry."""

    @staticmethod
    def forward(ctx, a, b):
        """Save both: each gradient needs b, one needs a."""
        ctx.save_for_backward(a, b)
        return a / b

    @staticmethod
    def backward(ctx, grad_y):
        """Return the gradient of a, then that of b."""
        a, b = ctx.saved_tensors
        return grad_y / b, -grad_y * a / b**2


class ClipGradient(Function):
    """x on the way forward; on the way back, each entry of the gradient kept within the bound."""

    @staticmethod
    def forward(ctx, x, bound):
        """Pass x on, unchanged."""
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_y):
        """Return the clipped gradient, and None for the bound, which is no tensor."""
        return grad_y.clamp(-ctx.bound, ctx.bound), None


# Mistakes -----------------------------------------------------------------------------------------


class _SlopeForgotten(LeakyReLU):
    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return grad_y * (x > 0), None


class _SlopeOnThePositiveSide(LeakyReLU):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x < 0, x, slope * x)

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, grad_y, ctx.slope * grad_y), None


class _LeaksTheGradient(LeakyReLU):
    @staticmethod
    def backward(ctx, grad_y):
        return torch.where(grad_y > 0, grad_y, ctx.slope * grad_y), None


class _LeakyWithoutArrivals(LeakyReLU):
    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, torch.ones_like(x), ctx.slope), None


class _OneAtZero(LeakyReLU):
    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, ctx.slope * grad_y, grad_y), None


class _SavesTheInput(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + torch.exp(-x))

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        y = 1 / (1 + torch.exp(-x))
        return grad_y * y * (1 - y)


class _SigmoidTwice(Sigmoid):
    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        y = torch.sigmoid(y)
        return grad_y * y * (1 - y)


class _FormulaWithTheInput(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + torch.exp(-x))


class _HalfAFormula(Sigmoid):
    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        return grad_y * y


class _SigmoidWithoutArrivals(Sigmoid):
    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        return y * (1 - y)


class _MinusForgotten(Divide):
    @staticmethod
    def backward(ctx, grad_y):
        a, b = ctx.saved_tensors
        return grad_y / b, grad_y * a / b**2


class _SquareForgotten(Divide):
    @staticmethod
    def backward(ctx, grad_y):
        a, b = ctx.saved_tensors
        return grad_y / b, -grad_y * a / b


class _WrongOrder(Divide):
    @staticmethod
    def backward(ctx, grad_y):
        a, b = ctx.saved_tensors
        return -grad_y * a / b**2, grad_y / b


class _DivideWithoutArrivals(Divide):
    @staticmethod
    def backward(ctx, grad_y):
        a, b = ctx.saved_tensors
        return 1 / b, -a / b**2


class _NumeratorForgotten(Divide):
    @staticmethod
    def backward(ctx, grad_y):
        _, b = ctx.saved_tensors
        return grad_y / b, -grad_y / b**2


class _DropsWhatIsLarge(ClipGradient):
    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (grad_y.abs() <= ctx.bound), None


class _ClipsTheValues(ClipGradient):
    @staticmethod
    def forward(ctx, x, bound):
        ctx.bound = bound
        return x.clamp(-bound, bound)


class _ClipsOneSide(ClipGradient):
    @staticmethod
    def backward(ctx, grad_y):
        return grad_y.clamp(max=ctx.bound), None


class _ShrinksTheNorm(ClipGradient):
    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (ctx.bound / grad_y.norm()).clamp(max=1), None


class _ClipsWhereTheInputWas(Function):
    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return grad_y * (x.abs() <= ctx.bound), None


# What is compared ---------------------------------------------------------------------------------


def _with_a_number(answer: Any, x: Tensor, number: float, grad_y: Tensor) -> dict[str, Any]:
    return _called(answer, {"x": x}, (number,), grad_y)


def _two_tensors(answer: Any, a: Tensor, b: Tensor, grad_y: Tensor) -> dict[str, Any]:
    return _called(answer, {"a": a, "b": b}, (), grad_y)


def _saving_the_output(answer: Any, x: Tensor, grad_y: Tensor) -> dict[str, Any]:
    outcome = _called(answer, {"x": x}, (), grad_y)
    y = answer.apply(x.detach().requires_grad_())
    saved: tuple[Tensor, ...] = getattr(getattr(y, "grad_fn", None), "saved_tensors", ())
    outcome["y saved, alone"] = len(saved) == 1 and torch.equal(saved[0], y)
    return outcome


def _called(
    answer: Any, tensors: dict[str, Tensor], rest: tuple[Any, ...], grad_y: Tensor
) -> dict[str, Any]:
    """Apply the answer to leaves that share the inputs' memory: changes in place show."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    y = answer.apply(*leaves.values(), *rest)
    if isinstance(y, Tensor):
        y.backward(grad_y)
    return {"the output": y, **{f"the gradient of {n}": leaf.grad for n, leaf in leaves.items()}}


# Fresh inputs -------------------------------------------------------------------------------------


def _matrices(generator: Generator, count: int) -> list[Tensor]:
    """Draw matrices of one shape whose entries lie from 1.2 to 3, or from -3 to -1.2.

    The signs of any two of up to three matrices combine in all four ways.
    """
    rows = 4 + int(torch.randint(3, (), generator=generator).item())
    steps = torch.arange(rows * 3)
    matrices = []
    for number in range(count):
        sizes = 1.2 + 1.8 * torch.rand(rows * 3, generator=generator, dtype=torch.float64)
        signs = 1 - 2 * (steps // 2**number % 2)
        matrices.append((sizes * signs).reshape(rows, 3))
    return matrices


def _with_a_slope(generator: Generator) -> tuple[Tensor, float, Tensor]:
    x, grad_y = _matrices(generator, 2)
    x[0, 0] = 0.0
    return x, 0.1 + 0.3 * torch.rand((), generator=generator).item(), grad_y


def _with_a_bound(generator: Generator) -> tuple[Tensor, float, Tensor]:
    """Draw a bound that some entries of the gradient keep, and that every entry of x breaks."""
    x, grad_y = _matrices(generator, 2)
    grad_y.flatten()[:4] /= 4
    return x, 0.8 + 0.3 * torch.rand((), generator=generator).item(), grad_y


def _pair(generator: Generator) -> tuple[Tensor, ...]:
    return tuple(_matrices(generator, 2))


def _triple(generator: Generator) -> tuple[Tensor, ...]:
    return tuple(_matrices(generator, 3))


# Exercises ----------------------------------------------------------------------------------------

_STUB = """\
class {name}(Function):
    @staticmethod
    def forward(ctx, {inputs}):
        return None  # your lines

    @staticmethod
    def backward(ctx, grad_y):
        return None  # your lines"""

_WITHOUT_ARRIVALS = (
    "backward returns the derivative of this function alone; multiply it by grad_y,"
    " the gradient that arrives from above."
)

EXERCISES = (
    Exercise(
        number="4.1",
        prompt="""\
**4.1 Predict.** For every number, `relu(x) - relu(-x)` is `x` again: a line of slope 1, without a
kink. Which slope does autograd report at exactly `x = 0`? (Our `relu` and torch's agree.)""",
        stub="answer = None  # the slope",
        name="answer",
        solution=slope_at_zero,
        wrong=(
            Wrong(
                1.0,
                "1 is the slope of the line that you would draw. Autograd never sees that line,"
                " only two ReLUs, each of which answers for itself at 0.",
            ),
            Wrong(
                2.0,
                "that is what a ReLU that zeroes the gradient only where `x < 0` would give: 1"
                " from each half. Ours lets nothing through at 0.",
            ),
            Wrong(
                0.5,
                "½ is what a nudge to both sides measures for one ReLU at 0. Backward does not"
                " measure; it reads a mask.",
            ),
        ),
        hints=(
            "Autograd looks at one function at a time. What does each of the two ReLUs return?",
            "Both masks are `0 > 0`. What arrives is multiplied by that, twice.",
        ),
        because=(
            "each ReLU says 0 at its kink, and 0 + 0 is 0: local answers, each allowed, can add"
            " up to a slope that the whole does not have."
        ),
    ),
    Exercise(
        number="4.2",
        prompt="""\
**4.2 Modify.** The dead units of 02 stay dead because no gradient comes through. The *leaky* ReLU
of exercise 2.2 lets a share pass: `x` where `x > 0`, else `slope * x`, where `slope` is a plain
number such as 0.1. Change our `ReLU` into `LeakyReLU`, called as `LeakyReLU.apply(x, 0.1)`.""",
        stub=_STUB.format(name="LeakyReLU", inputs="x, slope"),
        name="LeakyReLU",
        solution=LeakyReLU,
        wrong=(
            Wrong(
                _SlopeForgotten,
                "forward leaks, backward does not: where x was negative, the gradient must be"
                " multiplied by the slope, not by 0.",
            ),
            Wrong(
                _SlopeOnThePositiveSide,
                "the slope belongs to the negative side; positive numbers pass as they are.",
            ),
            Wrong(
                _LeaksTheGradient,
                "backward looks at the sign of the gradient. The sign that decides is that of x,"
                " which forward saw.",
            ),
            Wrong(
                _OneAtZero,
                "at exactly 0 the whole gradient passes. It is `x` where `x > 0`, else `slope * x`:"
                " 0 belongs to the else.",
            ),
            Wrong(_LeakyWithoutArrivals, _WITHOUT_ARRIVALS),
        ),
        hints=(
            "forward got two inputs, so backward returns two things. What is the second?",
            "A tensor goes through `ctx.save_for_backward`; a number may be kept as `ctx.slope`.",
            "`return torch.where(x > 0, grad_y, ctx.slope * grad_y), None`: slope is no tensor.",
        ),
        because=(
            "the derivative is 1 or the slope, chosen by the sign of x, and a number gets None."
            " (x went through `save_for_backward`, we hope: `check` does not look.)"
        ),
        inputs=_with_a_slope,
        probe=_with_a_number,
    ),
    Exercise(
        number="4.3",
        prompt="""\
**4.3 Build.** The sigmoid, y = 1 / (1 + e⁻ˣ), has a derivative that needs no x once y is known.
Derive it, then write `Sigmoid` so that forward saves the *output*.""",
        stub=_STUB.format(name="Sigmoid", inputs="x"),
        name="Sigmoid",
        solution=Sigmoid,
        wrong=(
            Wrong(
                _FormulaWithTheInput,
                "the formula is right for the output, and you put the input into it. Save y.",
            ),
            Wrong(
                _HalfAFormula,
                "a factor is missing: y alone is the derivative of e^x. Here the chain rule through"
                " the fraction brings a second one.",
            ),
            Wrong(
                _SigmoidTwice,
                "what you saved is y already; backward takes the sigmoid of it once more.",
            ),
            Wrong(
                _SavesTheInput,
                "the numbers are right, but what went through `ctx.save_for_backward` is not y"
                " alone. y is all that backward needs.",
            ),
            Wrong(_SigmoidWithoutArrivals, _WITHOUT_ARRIVALS),
        ),
        hints=(
            "Differentiate 1 / (1 + e⁻ˣ) by the chain rule, then look for y in what you get.",
            "The derivative is e⁻ˣ / (1 + e⁻ˣ)². One factor is y; the other is what y lacks to 1.",
            "Forward: `ctx.save_for_backward(y)`. Backward: `grad_y * y * (1 - y)`.",
        ),
        because=(
            "backward may use what forward computed, and an output that the next function keeps"
            " anyway takes no memory of its own."
        ),
        inputs=_pair,
        probe=_saving_the_output,
    ),
    Exercise(
        number="4.4",
        prompt="""\
**4.4 Build.** `Divide` takes two tensors of one shape and returns `a / b`, entry by entry. Derive
both gradients, with the sign of each.""",
        stub=_STUB.format(name="Divide", inputs="a, b"),
        name="Divide",
        solution=Divide,
        wrong=(
            Wrong(
                _MinusForgotten,
                "the gradient of b has the wrong sign: a larger b makes 1 / b smaller.",
            ),
            Wrong(
                _SquareForgotten,
                "the gradient of b needs b squared below the line: the derivative of 1 / b is"
                " -1 / b².",
            ),
            Wrong(_DivideWithoutArrivals, _WITHOUT_ARRIVALS),
            Wrong(
                _NumeratorForgotten,
                "the gradient of b lacks the factor a: a / b is a times 1 / b.",
            ),
            Wrong(
                _WrongOrder,
                "both gradients are there, in the wrong order: they must come in the order of"
                " forward's inputs, a first.",
            ),
        ),
        hints=(
            "Hold b still and differentiate by a; then hold a still and differentiate by b.",
            "a / b is a · b⁻¹. By a that gives 1 / b, by b it gives -a · b⁻².",
            "`return grad_y / b, -grad_y * a / b**2`, in the order of forward's inputs.",
        ),
        because="one gradient for each input, in the order of the inputs, each of its shape.",
        inputs=_triple,
        probe=_two_tensors,
    ),
    Exercise(
        number="4.5",
        prompt="""\
**4.5 Build.** A backward that is no derivative, on purpose: `ClipGradient.apply(x, bound)` hands
`x` on unchanged, and on the way back keeps each entry of the gradient between `-bound` and `bound`,
a guard against gradients that explode. Will `gradcheck` accept it for a bound of 2? And for ½?""",
        stub=_STUB.format(name="ClipGradient", inputs="x, bound"),
        name="ClipGradient",
        solution=ClipGradient,
        wrong=(
            Wrong(
                _ClipsTheValues,
                "forward clips x. It should hand x on as it is; the bound is for the gradient.",
            ),
            Wrong(
                _ClipsOneSide,
                "large negative entries get through: a gradient can be too steep downhill as well.",
            ),
            Wrong(
                _DropsWhatIsLarge,
                "you drop what is too large: those entries become 0. Clipping sets them to the"
                " bound, with their sign.",
            ),
            Wrong(
                _ShrinksTheNorm,
                "you shrink the gradient as a whole, by its norm. That is a guard too, but here"
                " each entry is clipped by itself.",
            ),
            Wrong(
                _ClipsWhereTheInputWas,
                "you look at the size of x. Here, for once, it is the gradient's own size that"
                " decides.",
            ),
        ),
        hints=(
            "forward does almost nothing: it returns a copy of x and remembers the bound.",
            "`Tensor.clamp` takes a lower and an upper end.",
            "`return grad_y.clamp(-ctx.bound, ctx.bound), None`",
        ),
        because=(
            "gradcheck sends ones: a bound of 2 never touches them and passes, a bound of ½ halves"
            " them and is refused."
        ),
        inputs=_with_a_bound,
        probe=_with_a_number,
    ),
)

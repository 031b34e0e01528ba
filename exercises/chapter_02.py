"""The exercises of notebook 02: gradients by hand, and how to check them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.exercise import Exercise, Wrong


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# 2.1 ---------------------------------------------------------------------------------------------


def factor_for_twice_the_batch() -> float:
    """Return how much longer grad_w2 is with 1280 samples than with 640."""
    x, y = torch.randn(1280, 1000).double(), torch.randn(1280, 10).double()
    w1, w2 = torch.randn(1000, 100).double(), torch.randn(100, 10).double()

    def norm_of_grad_w2(num_samples: int) -> Tensor:
        h_relu = (x[:num_samples] @ w1).clamp(min=0)
        grad_y_pred = 2 * (h_relu @ w2 - y[:num_samples])
        return (h_relu.T @ grad_y_pred).norm()

    return (norm_of_grad_w2(1280) / norm_of_grad_w2(640)).item()


# 2.2 ---------------------------------------------------------------------------------------------


def leaky_relu_backward(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    """Return the gradient before the leaky ReLU."""
    return torch.where(h > 0, grad, slope * grad)


def _slope_by_sign_of_gradient(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return torch.where(grad > 0, grad, slope * grad)


def _no_leak(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return grad * (h > 0)


def _slope_everywhere(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return slope * grad


def _slope_on_positive_side(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return torch.where(h > 0, slope * grad, grad)


def _forward_again(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return torch.where(h > 0, h, slope * h)


def _leaky_inputs(generator: Generator) -> tuple[Any, ...]:
    slope = 0.05 + 0.4 * torch.rand((), generator=generator, dtype=torch.float64).item()
    return _normal(generator, 7, 5), _normal(generator, 7, 5), slope


# 2.3 ---------------------------------------------------------------------------------------------


def mse_gradient(y_pred: Tensor, y: Tensor) -> Tensor:
    """Return the gradient of the mean squared error."""
    return 2 * (y_pred - y) / y.numel()


def _of_the_sum(y_pred: Tensor, y: Tensor) -> Tensor:
    return 2 * (y_pred - y)


def _mean_over_samples(y_pred: Tensor, y: Tensor) -> Tensor:
    return 2 * (y_pred - y) / len(y)


def _wrong_way_round(y_pred: Tensor, y: Tensor) -> Tensor:
    return 2 * (y - y_pred) / y.numel()


def _without_the_two(y_pred: Tensor, y: Tensor) -> Tensor:
    return (y_pred - y) / y.numel()


def _two_outputs(generator: Generator) -> tuple[Any, ...]:
    return _normal(generator, 6, 4), _normal(generator, 6, 4)


# 2.4 ---------------------------------------------------------------------------------------------


def linear_backward(grad_out: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of x, w and b for out = x @ w + b."""
    return grad_out @ w.T, x.T @ grad_out, grad_out.sum(dim=0)


def _w_not_transposed(grad_out: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return grad_out @ w, x.T @ grad_out, grad_out.sum(dim=0)


def _mean_for_the_bias(grad_out: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return grad_out @ w.T, x.T @ grad_out, grad_out.mean(dim=0)


def _summed_over_outputs(grad_out: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return grad_out @ w.T, x.T @ grad_out, grad_out.sum(dim=1)


def _grad_w_transposed(grad_out: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return grad_out @ w.T, grad_out.T @ x, grad_out.sum(dim=0)


def _three_gradients(
    answer: Callable[..., Any], grad_out: Tensor, x: Tensor, w: Tensor
) -> dict[str, Any] | Any:
    gradients = answer(grad_out, x, w)
    if not isinstance(gradients, tuple | list) or len(gradients) != 3:
        return gradients
    return {f"the gradient of {name}": g for name, g in zip("xwb", gradients, strict=True)}


def _linear_inputs(generator: Generator) -> tuple[Any, ...]:
    # As many outputs as inputs: a missing transpose then raises no error.
    return _normal(generator, 6, 4), _normal(generator, 6, 4), _normal(generator, 4, 4)


# 2.5 ---------------------------------------------------------------------------------------------


def numerical_gradient(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    """Return the gradient of f at w by central differences."""
    gradient = torch.zeros_like(w)
    for i in range(len(w)):
        nudge = torch.zeros_like(w)
        nudge[i] = eps
        gradient[i] = (f(w + nudge) - f(w - nudge)) / (2 * eps)
    return gradient


def _one_sided(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    nudges = eps * torch.eye(len(w), dtype=w.dtype)
    return torch.stack([(f(w + nudge) - f(w)) / eps for nudge in nudges])


def _divided_by_eps(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return 2 * numerical_gradient(f, w, eps)


def _not_divided(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return 2 * eps * numerical_gradient(f, w, eps)


def _nudges_left_in_place(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    w, gradient = w.clone(), torch.zeros_like(w)
    for i in range(len(w)):
        w[i] += eps
        up = f(w)
        w[i] -= 2 * eps
        gradient[i] = (up - f(w)) / (2 * eps)
    return gradient


def _all_at_once(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return ((f(w + eps) - f(w - eps)) / (2 * eps)).expand_as(w)


def _function_and_point(generator: Generator) -> tuple[Any, ...]:
    a = 1 + torch.rand(5, generator=generator, dtype=torch.float64)

    def f(w: Tensor) -> Tensor:
        return (a * w).exp().sum() * w.sum()

    return f, _normal(generator, 5) / 2, 0.01


EXERCISES = (
    Exercise(
        number="2.1",
        prompt=(
            "**2.1 Predict.** Double the batch, from 640 to 1280 samples, with the same weights "
            "and more of the same kind of data. By what factor does the norm of `grad_w2` grow? "
            "Answer to one significant digit, before you compute anything."
        ),
        stub="answer = None  # your factor",
        name="answer",
        solution=factor_for_twice_the_batch,
        rtol=0.15,
        wrong=(
            Wrong(0.5, "more samples make a longer sum: the gradient grows."),
            Wrong(
                1.0,
                "it would stay if the loss were the mean over the samples; ours is the sum, so "
                "every sample adds a gradient of its own.",
            ),
            Wrong(
                2**0.5,
                "that is how *random* directions add up. But samples of one kind pull the "
                "weights in much the same direction, and then lengths add up.",
            ),
            Wrong(
                4.0,
                "you counted the samples twice. The loss is a sum over samples of squares; the "
                "slope of each square does not know how many others there are.",
            ),
        ),
        hints=(
            "The loss is a sum over the samples. What does that make of its gradient?",
            "The new samples pull in much the same direction as the old ones, because the same "
            "weights are to blame for their errors. What happens to the length of a sum of two "
            "such arrows?",
        ),
        because=(
            "the loss is a sum over samples, so the gradient is one as well, and both halves of "
            "the batch pull the same way. That is why a learning rate belongs to a batch size, "
            "unless the loss is a mean."
        ),
    ),
    Exercise(
        number="2.2",
        prompt=(
            "**2.2 Modify.** A *leaky* ReLU lets a part of the negative numbers through: it "
            "returns `h` where `h > 0`, and `slope * h` elsewhere, with a number such as 0.1 for "
            "`slope`. Write its backward: `grad` is the gradient of the loss with respect to its "
            "output, `h` its input; return the gradient with respect to `h`."
        ),
        stub="def leaky_relu_backward(grad, h, slope):\n    return None  # your line",
        name="leaky_relu_backward",
        solution=leaky_relu_backward,
        inputs=_leaky_inputs,
        wrong=(
            Wrong(
                _slope_by_sign_of_gradient,
                "you ask for the sign of the gradient; what counts is the sign of the input `h`. "
                "It is the clamped gradient of this notebook once more.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, slope),
                "where `h` is negative, multiply `grad` by `slope`; you put `slope` in its place.",
            ),
            Wrong(
                lambda grad, h, slope: grad * torch.where(h > 0, h, slope * h),
                "you multiply by the leaky ReLU's *value*; multiply by its slope, 1 or `slope`.",
            ),
            Wrong(
                lambda grad, h, slope: grad * ((h > 0) + slope),
                "the positive side gets 1 + slope; its slope is 1.",
            ),
            Wrong(
                _no_leak,
                "where `h` is negative nothing comes through; the leaky ReLU has the slope "
                "`slope` there, not 0.",
            ),
            Wrong(
                _slope_everywhere,
                "you multiply every entry by `slope`; where `h` is positive the slope is 1.",
            ),
            Wrong(
                _slope_on_positive_side,
                "the two sides are exchanged: slope 1 belongs where `h` is positive, `slope` "
                "where it is negative.",
            ),
            Wrong(
                _forward_again,
                "that is the forward pass applied to `h`; the backward multiplies the gradient "
                "that arrives by the local slope.",
            ),
        ),
        hints=(
            "What is the slope of the leaky ReLU at 3, and what at -3?",
            "`torch.where(condition, a, b)` takes `a` where the condition holds and `b` elsewhere.",
            "The condition is `h > 0`. There the gradient passes as it is; elsewhere it is "
            "multiplied by `slope`.",
        ),
        because=(
            "every backward is the gradient that arrives times the local slope at the input. "
            "With `slope` above 0 no unit is ever quite dead."
        ),
    ),
    Exercise(
        number="2.3",
        prompt=(
            "**2.3 Modify.** Let the loss be the *mean* of the squared differences over all N × "
            "D_out entries, in place of their sum. Write the first line of the backward pass for "
            "it: the gradient with respect to `y_pred`."
        ),
        stub="def mse_gradient(y_pred, y):\n    return None  # your line",
        name="mse_gradient",
        solution=mse_gradient,
        inputs=_two_outputs,
        wrong=(
            Wrong(
                _of_the_sum,
                "that is the gradient of the sum; the mean is missing: divide by the number of "
                "entries.",
            ),
            Wrong(
                _mean_over_samples,
                "you divide by the number of samples; the mean runs over all N × D_out entries.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) / 640,
                "you divide by 640, the number of entries in this notebook; take it from `y`, "
                "which has another shape here.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) / y.shape[1],
                "you divide by the number of outputs; the mean runs over all N × D_out entries.",
            ),
            Wrong(
                lambda y_pred, y: ((y_pred - y) ** 2).mean(),
                "that is the loss itself; asked for is its slope along each entry of `y_pred`.",
            ),
            Wrong(
                _wrong_way_round,
                "the sign is the wrong way round: where `y_pred` is too large, turning it up "
                "makes the loss *grow*.",
            ),
            Wrong(
                _without_the_two,
                "the factor 2 is missing, which comes down from the exponent when a square is "
                "differentiated.",
            ),
        ),
        hints=(
            "Dividing the loss by a number divides each of its slopes by the same number.",
            "How many squared differences does the mean run over? `y.numel()` knows.",
        ),
        because=(
            "with a mean the gradient no longer grows with the batch, and the learning rate must "
            "be 640 times as large for the same steps as in this notebook."
        ),
    ),
    Exercise(
        number="2.4",
        prompt=(
            "**2.4 Build.** Most linear layers also add a *bias* `b` of shape (D_out,), the same "
            "for every sample: `out = x @ w + b`. Write their backward pass: from `grad_out` (N, "
            "D_out), `x` (N, D_in) and `w` (D_in, D_out) return the gradients of `x`, of `w` and "
            "of `b`, in this order, each shaped like its owner."
        ),
        stub="def linear_backward(grad_out, x, w):\n    return None  # grad_x, grad_w, grad_b",
        name="linear_backward",
        solution=linear_backward,
        inputs=_linear_inputs,
        probe=_three_gradients,
        wrong=(
            Wrong(
                _w_not_transposed,
                "the gradient of x needs `w.T`: input i collects from every output k by the "
                "weight w[i, k]. With as many inputs as outputs a missing transpose raises no "
                "error, which is why `check` uses such a layer.",
            ),
            Wrong(
                lambda grad_out, x, w: (x.T @ grad_out, grad_out @ w.T, grad_out.sum(dim=0)),
                "the gradients of x and w are exchanged: return those of x, of w and of b, in "
                "this order.",
            ),
            Wrong(
                _mean_for_the_bias,
                "the gradient of b is averaged over the samples; the loss is a sum, so their "
                "gradients add up.",
            ),
            Wrong(
                _summed_over_outputs,
                "the gradient of b is summed along the wrong axis: there is one bias for each "
                "output, so add up the samples, dim=0.",
            ),
            Wrong(
                _grad_w_transposed,
                "the gradient of w is transposed: its rows must belong to the inputs and its "
                "columns to the outputs, as in w.",
            ),
        ),
        hints=(
            "For `x` and `w` look into the table of this notebook: `y_pred = h_relu @ w2` is "
            "such a layer without the bias.",
            "Bias k is added to output k of every sample. So what does turning it up do to each "
            "of the N rows?",
            "`grad_b` is `grad_out` summed over the samples, dim=0.",
        ),
        because=(
            "a bias that is broadcast on the way forward is summed on the way back. Every "
            "broadcast has this rule."
        ),
    ),
    Exercise(
        number="2.5",
        prompt=(
            "**2.5 Build.** Turn the instrument into a function for any loss: "
            "`numerical_gradient(f, w, eps)` returns the whole gradient of `f` at the vector `w` "
            "by central differences. `f` takes a vector and returns a number. Leave `w` as it "
            "was."
        ),
        stub="def numerical_gradient(f, w, eps):\n    return None  # your loop",
        name="numerical_gradient",
        solution=numerical_gradient,
        inputs=_function_and_point,
        rtol=1e-7,
        wrong=(
            Wrong(
                _one_sided,
                "that is the one-sided difference, and the curvature gets into it: nudge up "
                "*and* down.",
            ),
            Wrong(
                _divided_by_eps,
                "every entry is twice as large as it should be: between the two nudges lies 2 × "
                "eps, not eps.",
            ),
            Wrong(
                lambda f, w, eps: _one_sided(f, w, eps) / 2,
                "your second call of `f` saw the old `w`, not one nudged down. Either `kept = "
                "w[i]` is a view that changes with `w` (take `.item()`), or you went down by eps "
                "where 2 × eps is needed.",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, 1e-5),
                "these are slopes for a much smaller nudge than asked for: use the `eps` that "
                "your function is given.",
            ),
            Wrong(
                lambda f, w, eps: torch.zeros_like(w),
                "every entry is 0: a line such as `up = w` makes a second name for `w`, not a "
                "copy, so both nudges hit the same vector; take `w.clone()`.",
            ),
            Wrong(
                _not_divided,
                "you return the difference of the two losses; divide it by the distance between "
                "the nudges, 2 × eps.",
            ),
            Wrong(
                _nudges_left_in_place,
                "the entries of w that were nudged stay nudged: put each one back before you go "
                "on to the next.",
            ),
            Wrong(
                _all_at_once,
                "you nudge all the entries of w at once, which gives the sum of the slopes; "
                "nudge one at a time.",
            ),
        ),
        hints=(
            "One entry of the result for each entry of `w`: a loop, and in it two calls of `f`.",
            "Make a vector of zeros with `eps` at position i, and look at `f(w + nudge)` and "
            "`f(w - nudge)`.",
        ),
        because=(
            "this is what gradient checkers do, torch.autograd.gradcheck of notebook 04 among them."
        ),
    ),
)

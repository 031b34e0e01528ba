"""The exercises of notebook 02: gradients by hand, and how to check them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.differences import describe, difference
from exercises.exercise import Also, Exercise, Wrong, in_turn, wrongs
from exercises.stages import staged


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# 2.1 ---------------------------------------------------------------------------------------------


def factor_for_twice_the_batch() -> float:
    """Return how much longer grad_w2 is with 2000 samples than with 1000."""
    x, y = torch.randn(2000, 1000).double(), torch.randn(2000, 10).double()
    w1, w2 = torch.randn(1000, 100).double(), torch.randn(100, 10).double()

    def norm_of_grad_w2(num_samples: int) -> Tensor:
        h_relu = (x[:num_samples] @ w1).clamp(min=0)
        grad_y_pred = 2 * (h_relu @ w2 - y[:num_samples])
        return (h_relu.T @ grad_y_pred).norm()

    return (norm_of_grad_w2(2000) / norm_of_grad_w2(1000)).item()


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


def _at_zero(side: float) -> Callable[..., Tensor]:
    """Return the backward that is right but where h is exactly 0."""

    def backward(grad: Tensor, h: Tensor, slope: float) -> Tensor:
        return torch.where(h == 0, side * grad, leaky_relu_backward(grad, h, slope))

    return backward


def _leaky_inputs(generator: Generator) -> tuple[Any, ...]:
    slope = 0.05 + 0.4 * torch.rand((), generator=generator, dtype=torch.float64).item()
    h = _normal(generator, 7, 5)
    h[2, 1] = h[4, 3] = 0.0
    return _normal(generator, 7, 5), h, slope


def _with_several_slopes(
    answer: Callable[..., Any], grad: Tensor, h: Tensor, slope: float
) -> dict[str, Any]:
    stages = {
        "the gradient": (grad, h, slope),
        "the gradient of a vector": (grad[2], h[2], slope),
        "the gradient for slope 0": (grad, h, 0.0),
    }
    found = staged(answer, leaky_relu_backward, stages)
    first = found["the gradient"]
    if _is(first, grad) or _is(first, slope * grad):
        if _decides_as_a_whole(answer, grad, h, slope):
            return {DECIDES: "all entries at once"}
        found["the gradient for slope 0"] = answer(grad, h, 0.0)
    if _is(first, _no_leak(grad, h, slope)):
        found["the gradient for slope 2"] = answer(grad, h, 2)
    return found


DECIDES = "what is decided by the sign of h"


def _is(value: Any, other: Tensor) -> bool:
    return difference(value, other) is None


def _decides_as_a_whole(answer: Callable[..., Any], grad: Tensor, h: Tensor, slope: float) -> bool:
    """Whether an answer to which entries of both signs are one is right where all have the same."""
    above = answer(grad, h.abs() + 1, slope)
    return _is(above, grad) and _is(answer(grad, -h.abs() - 1, slope), slope * grad)


def _by_any(grad: Tensor, h: Tensor, slope: float) -> Tensor:
    return grad if (h > 0).any() else slope * grad


def _mask_of(dtype: torch.dtype) -> Callable[..., Tensor]:
    """Return the backward that writes the slope into a mask whose dtype has no place for it."""

    def backward(grad: Tensor, h: Tensor, slope: float) -> Tensor:
        mask = (h > 0).to(dtype)
        mask[h <= 0] = slope
        return grad * mask

    return backward


def _above_one(answer: Callable[..., Any], grad: Tensor, h: Tensor, slope: float) -> str | None:
    """Return what is said of an answer that is right for the usual slopes alone."""
    if _is(answer(grad, h, slope + 1), leaky_relu_backward(grad, h, slope + 1)):
        return None
    return "it holds for slopes up to 1; for one above 1 it gives something else"


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
    columns = 2 * in_turn(generator, 1, 4) + 1  # odd, so that none is like a factor of 2
    return _normal(generator, columns + 4, columns), _normal(generator, columns + 4, columns)


def _of_any_shape(answer: Callable[..., Any], y_pred: Tensor, y: Tensor) -> dict[str, Any]:
    stages = {
        "the gradient": (y_pred, y),
        "the gradient for one sample": (y_pred[:1], y[:1]),
        "the gradient for one output": (y_pred[:, :1], y[:, :1]),
    }
    return staged(answer, mse_gradient, stages)


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


_GRADIENTS = tuple(f"the gradient of {name}" for name in "xwb")
_RETURNED = "what linear_backward returns"


def _three_gradients(
    answer: Callable[..., Any], grad_out: Tensor, x: Tensor, w: Tensor
) -> dict[str, Any]:
    """Ask for a layer of as many outputs as inputs, where a missing transpose raises no error.

    Only if that is right, for one with fewer outputs and for a single sample.
    """
    gradients = answer(grad_out, x, w)
    if gradients is None:
        return {_RETURNED: None}
    if not isinstance(gradients, tuple | list):
        return {_RETURNED: describe(gradients), "its value": gradients}
    if any(gradient is None for gradient in gradients):
        return {_RETURNED: "a tuple with None in it"}
    named: dict[str, Any] = {_RETURNED: "a tuple of three gradients"}
    named["the number of results"] = len(gradients)
    named.update(zip(_GRADIENTS, gradients, strict=False))
    if difference(gradients, linear_backward(grad_out, x, w)) is None:
        narrow = grad_out[:, :3], x, w[:, :3]
        named["a layer with fewer outputs"] = answer(*narrow)
        named["a batch of one sample"] = answer(grad_out[:1], x[:1], w)
    return named


def _linear_inputs(generator: Generator) -> tuple[Any, ...]:
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


def _downwards(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return _one_sided(f, w, -eps)


def _same_vector_twice(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    """Call f twice with one vector, as with `up = w` and `down = w`."""
    return torch.stack([f(w) - f(w) for _ in w])


def _wider(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return 2 * numerical_gradient(f, w, 2 * eps)


def _entry_alone(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    """Nudge a vector that holds nothing but the nudge."""
    return numerical_gradient(f, torch.zeros_like(w), eps)


def _sums(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    nudges = eps * torch.eye(len(w), dtype=w.dtype)
    return torch.stack([(f(w + nudge) + f(w - nudge)) / (2 * eps) for nudge in nudges])


def _curvature(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    nudges = eps * torch.eye(len(w), dtype=w.dtype)
    return torch.stack([(f(w + n) - 2 * f(w) + f(w - n)) / eps**2 for n in nudges])


def _nudges_add_up(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    nudge, gradient = torch.zeros_like(w), torch.zeros_like(w)
    for i in range(len(w)):
        nudge[i] = eps
        gradient[i] = (f(w + nudge) - f(w - nudge)) / (2 * eps)
    return gradient


def _kept_is_a_view(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    gradient = torch.zeros_like(w)
    for i in range(len(w)):
        w[i] += eps
        up = f(w)
        w[i] -= 2 * eps
        gradient[i] = (up - f(w)) / (2 * eps)
    return gradient


def _function_and_point(generator: Generator) -> tuple[Any, ...]:
    """Draw a function with much curvature, so that another nudge gives another result."""
    size = in_turn(generator, 3, 6)
    a = 1 + torch.rand(size, generator=generator, dtype=torch.float64)

    def f(w: Tensor) -> Tensor:
        return (a[: len(w)] * w).exp().sum() * (1 + w.sum())

    eps = 0.05 + 0.1 * torch.rand((), generator=generator, dtype=torch.float64).item()
    return f, _normal(generator, size) / 2, eps


def _counting(
    answer: Callable[..., Any], f: Callable[[Tensor], Tensor], w: Tensor, eps: float
) -> dict[str, Any]:
    """Watch whether f is called; try one entry if several are right."""
    calls = []

    def watched(point: Tensor) -> Tensor:
        calls.append(1)
        return f(point)

    gradient = answer(watched, w, eps)
    outcome = {"the gradient": gradient, "whether f is called": bool(calls)}
    if _is_rounded_away(answer, gradient, f, w, eps):
        return {"a nudge of 1e-6": "is rounded away"}
    if difference(gradient, numerical_gradient(f, w, eps), 1e-7) is None:
        outcome["the gradient at a vector of one number"] = answer(f, w[:1].clone(), eps)
    return outcome


def _is_rounded_away(
    answer: Callable[..., Any], came: Any, f: Callable[[Tensor], Tensor], w: Tensor, eps: float
) -> bool:
    """Whether what is right but for rounding for a wide nudge is not so for a narrow one."""
    if difference(came, numerical_gradient(f, w, eps), 1e-4) is not None:
        return False
    narrow = answer(f, w.clone(), 1e-6)
    return difference(narrow, numerical_gradient(f, w, 1e-6), 1e-3) is not None


def _in_float32(f: Callable[[Tensor], Tensor], w: Tensor, eps: float) -> Tensor:
    return numerical_gradient(f, w.float(), eps)


EXERCISES = (
    Exercise(
        number="2.1",
        prompt=(
            "**2.1 Predict.** Double the batch, from 1000 to 2000 samples, with the same weights "
            "and more of the same kind of data. By what factor does the norm of `grad_w2` grow? "
            "Answer to one significant digit, before you compute anything."
        ),
        stub="answer = None  # your factor",
        name="answer",
        solution=factor_for_twice_the_batch,
        rtol=0.15,
        also=tuple(
            Also(text, "growing by 100 percent is a factor of 2")
            for text in ("+100%", "+100 %", "by 100%", "by 100 %", "100% more", "by 100 percent")
        ),
        wrong=(
            *wrongs(
                "if you mean growing by 100 percent, write that as a factor: what the norm "
                "is then, divided by what it was.",
                *(100, "100%", "100 %"),
            ),
            *wrongs(
                "more samples make a longer sum: the gradient grows.",
                *(0.5, "it shrinks", "it halves", "it gets smaller"),
            ),
            *wrongs(
                "it would stay if the loss were the mean over the samples; ours is the sum, so "
                "every sample adds a gradient of its own.",
                *(
                    1.0,
                    0.0,
                    "it does not grow",
                    "it does not change",
                    "does not change",
                    "it doesn't grow",
                    "it stays the same",
                    "no",
                ),
                *("the same", "same", "it stays", "not at all", "none", "unchanged", "by 1"),
            ),
            Wrong(
                2**0.5,
                "about 1.4 is how *random* directions add up. But samples of one kind pull the "
                "weights in much the same direction, and then lengths add up.",
            ),
            Wrong(
                8**0.5,
                "that is more than two halves can do: two arrows of one length make at most one of "
                "twice that length.",
            ),
            *wrongs(
                "that is a number of samples; asked for is a quotient: the new norm divided by the "
                "old one.",
                *(1000, 2000, 64, 128),
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
        probe=_with_several_slopes,
        direct=True,
        examples=(
            "grad = torch.tensor([[1.0, 10.0], [-100.0, -1000.0]])\n"
            "h = torch.tensor([[2.0, -2.0], [-3.0, 3.0]])\n"
            "leaky_relu_backward(grad, h, 0.5)",
            "leaky_relu_backward(torch.tensor([1.0, 10.0]), torch.tensor([0.0, -2.0]), 0.5)",
        ),
        aside=_above_one,
        wrong=(
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, torch.ones_like(h), slope),
                "these are the local slopes, 1 and `slope`; multiply them by `grad`, the gradient "
                "that arrives.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, grad / slope),
                "where `h` is negative you divide by `slope`; multiply by it.",
            ),
            Wrong(
                _at_zero(1.0),
                "right but for one point: at exactly 0 the whole gradient passes. `h > 0` is "
                "False there, so 0 belongs to *elsewhere*.",
            ),
            Wrong(
                _at_zero(0.0),
                "right but for one point: at exactly 0 nothing comes through. `h > 0` is False "
                "there, so 0 belongs to *elsewhere*.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, slope * h),
                "where `h` is negative you return the leaky ReLU's value, `slope * h`; multiply "
                "`grad` by `slope`.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, h, slope * grad),
                "where `h` is positive you return `h`; what passes there is `grad`.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, -slope * grad),
                "where `h` is negative, the sign is flipped: the leaky ReLU rises there too, with "
                "slope `slope`.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, (1 - slope) * grad),
                "where `h` is negative, the slope is `slope`, not 1 - slope.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, grad + slope),
                "where `h` is negative you add `slope`; multiply by it.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > 0, grad, grad - slope),
                "where `h` is negative you subtract `slope`; multiply by it.",
            ),
            Wrong(
                lambda grad, h, slope: grad.clamp(min=0),
                "you clamp the gradient, whatever `h` is; what counts is the sign of the input "
                "`h`, and what is negative there gets a share.",
            ),
            Wrong(
                lambda grad, h, slope: torch.where(h > slope, grad, slope * grad),
                "you ask whether `h` is above `slope`; the kink is at 0.",
            ),
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
                _by_any,
                "one `if` decides for the whole tensor; decide entry by entry, as "
                "`torch.where(h > 0, …)` does.",
            ),
            Wrong(
                _mask_of(torch.int64),
                "the mask holds whole numbers, in which a slope of 0.1 becomes 0: make it a float "
                "tensor, `(h > 0).to(grad.dtype)`, before you write `slope` into it.",
            ),
            Wrong(
                _mask_of(torch.bool),
                "the mask holds True and False, and a slope of 0.1 written into it becomes True: "
                "make it a float tensor, `(h > 0).to(grad.dtype)`, first.",
            ),
            Wrong(
                _slope_everywhere,
                "you multiply every entry by `slope`; where `h` is positive the slope is 1.",
            ),
            Wrong(
                lambda grad, h, slope: slope * grad * (h <= 0),
                "where `h` is positive nothing comes through; `grad` passes there as it is.",
            ),
            *wrongs(
                "the two sides are exchanged: slope 1 belongs where `h` is positive, `slope` "
                "where it is negative.",
                _slope_on_positive_side,
                lambda grad, h, slope: torch.where(h < 0, grad, slope * grad),
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
        probe=_of_any_shape,
        direct=True,
        wrong=(
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) ** 2 / y.numel(),
                "the square is still there: the slope of d² is 2d, so the difference comes once.",
            ),
            Wrong(
                lambda y_pred, y: (y_pred - y) ** 2 / y.numel(),
                "that is what each entry adds to the loss; asked for is the slope of that.",
            ),
            Wrong(
                lambda y_pred, y: (y_pred - y) ** 2,
                "these are the squares; asked for is the slope of their mean along each entry.",
            ),
            *wrongs(
                "that is the sign of each difference, the slope of its absolute value; the slope "
                "of a square is twice the difference.",
                lambda y_pred, y: (y_pred - y).sign() / y.numel(),
                lambda y_pred, y: 2 * (y_pred - y).sign() / y.numel(),
                lambda y_pred, y: (y_pred - y).sign(),
            ),
            Wrong(
                lambda y_pred, y: (y_pred - y) / len(y),
                "the factor 2 is missing, and you divide by the number of samples; the mean runs "
                "over all N × D_out entries.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y - y_pred) / len(y),
                "the sign is the wrong way round, and you divide by the number of samples; the "
                "mean runs over all N × D_out entries.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y - y_pred),
                "the sign is the wrong way round, and the mean is missing: divide by the number "
                "of entries.",
            ),
            *wrongs(
                "that is one number, a mean over all entries; the gradient has an entry for each "
                "of `y_pred`, and the division by their number makes it that of the mean.",
                lambda y_pred, y: 2 * (y_pred - y).mean(),
                lambda y_pred, y: (y_pred - y).mean(),
            ),
            *wrongs(
                "you averaged along an axis, which has vanished; the gradient has an entry for "
                "each of `y_pred`: divide each by the number of entries, and add up nothing.",
                lambda y_pred, y: 2 * (y_pred - y).mean(dim=0),
                lambda y_pred, y: 2 * (y_pred - y).mean(dim=1),
                lambda y_pred, y: (y_pred - y).mean(dim=0),
                lambda y_pred, y: (y_pred - y).mean(dim=1),
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y).abs() / y.numel(),
                "the sign is lost: where `y_pred` is too small, the slope is negative.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) / len(y) * y.shape[1],
                "brackets are missing: `/ N * D` divides by N and multiplies by D; write "
                "`/ (N * D)`.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) / 64,
                "you divide by 64, the number of samples in this notebook; the mean runs over all "
                "entries, and `y` knows how many there are.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) / y.numel() ** 2,
                "you divide by the number of entries twice; a mean divides once.",
            ),
            Wrong(
                lambda y_pred, y: 2 * y_pred - y / y.numel(),
                "brackets are missing round the difference: `2 * y_pred - y / n` is something "
                "else than `2 * (y_pred - y) / n`.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) * y.numel(),
                "you multiply by the number of entries; a mean divides by it.",
            ),
            Wrong(
                lambda y_pred, y: y_pred - y,
                "that is the difference alone: the slope of its square is twice that, and a mean "
                "divides by the number of entries, `y.numel()`, not by 2 or by `y.ndim`.",
            ),
            Wrong(
                lambda y_pred, y: 2 * y_pred / y.numel(),
                "`y` is missing: the slope of (y_pred - y)² is twice the *difference*.",
            ),
            Wrong(
                lambda y_pred, y: 2 * (y_pred - y) * y_pred / y.numel(),
                "one factor too many: `y_pred - y` has slope 1 with respect to `y_pred`.",
            ),
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
                "that is the loss itself; asked for is its slope for each entry of `y_pred`.",
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
        direct=True,
        examples=(
            "linear_backward(torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([[5.0]]))",
            "grad_out, x = torch.tensor([[2.0], [-1.0]]), torch.tensor([[3.0], [-4.0]])\n"
            "linear_backward(grad_out, x, torch.tensor([[5.0]]))",
            "grad_out, x = torch.tensor([[2.0, 10.0]]), torch.tensor([[3.0, -4.0]])\n"
            "linear_backward(grad_out, x, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))",
        ),
        wrong=(
            Wrong(
                lambda grad_out, x, w: (grad_out @ w.T, x.T @ grad_out, grad_out),
                "the gradient of b still has a row for each sample; b has one number for each "
                "output, so add the rows up, dim=0.",
            ),
            Wrong(
                lambda grad_out, x, w: (grad_out @ w.T, x.T @ grad_out, grad_out.sum()),
                "the gradient of b is one number; b has one for each output, so add up the "
                "samples alone, dim=0.",
            ),
            Wrong(
                lambda grad_out, x, w: (
                    grad_out @ w.T,
                    x.T @ grad_out,
                    torch.ones_like(grad_out[0]),
                ),
                "the gradient of b is 1 everywhere: that is the local slope; multiply it by what "
                "arrives in `grad_out`, and add up the samples.",
            ),
            *wrongs(
                "the gradient of b is the sum over the rows of `grad_out`, and yours is that of "
                "another tensor.",
                lambda grad_out, x, w: (grad_out @ w.T, x.T @ grad_out, x.sum(dim=0)),
                lambda grad_out, x, w: (grad_out @ w.T, x.T @ grad_out, w.sum(dim=0)),
            ),
            Wrong(
                lambda grad_out, x, w: (
                    grad_out @ w.T,
                    x.T @ grad_out / len(x),
                    grad_out.sum(dim=0),
                ),
                "the gradient of w is averaged over the samples; the loss is a sum, so their "
                "gradients add up, which `x.T @ grad_out` does.",
            ),
            Wrong(
                lambda grad_out, x, w: (
                    grad_out @ w.T,
                    x.T @ grad_out / len(x),
                    grad_out.mean(dim=0),
                ),
                "the gradients of w and b are averaged over the samples; the loss is a sum, so "
                "their gradients add up.",
            ),
            Wrong(
                lambda grad_out, x, w: (
                    grad_out @ w.T / len(x),
                    x.T @ grad_out / len(x),
                    grad_out.mean(dim=0),
                ),
                "you divide by the number of samples; if the loss is a mean, `grad_out` has that "
                "factor in it already.",
            ),
            *wrongs(
                "all three are there, in another order: return those of x, of w and of b.",
                lambda grad_out, x, w: (x.T @ grad_out, grad_out.sum(dim=0), grad_out @ w.T),
                lambda grad_out, x, w: (grad_out.sum(dim=0), x.T @ grad_out, grad_out @ w.T),
                lambda grad_out, x, w: (grad_out @ w.T, grad_out.sum(dim=0), x.T @ grad_out),
                lambda grad_out, x, w: (grad_out.sum(dim=0), grad_out @ w.T, x.T @ grad_out),
            ),
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
            "`numerical_gradient(f, w, eps)` returns the whole gradient of `f` at the vector `w`, "
            "a vector as long, by central differences. `f` takes a vector and returns a number. "
            "Leave `w` as it was."
        ),
        stub="def numerical_gradient(f, w, eps):\n    return None  # your loop",
        name="numerical_gradient",
        solution=numerical_gradient,
        inputs=_function_and_point,
        probe=_counting,
        examples=tuple(
            f"numerical_gradient({f}, torch.tensor([1.0, 2.0]), 0.5)"
            for f in ("lambda w: w[0] + 10 * w[1]", "lambda w: (w**3).sum()", "lambda w: w.prod()")
        ),
        rtol=1e-7,
        typical={"eps": (1e-4, 1e-3, 0.01)},
        wrong=(
            Wrong(
                _one_sided,
                "that is the one-sided difference, and the curvature gets into it: nudge up "
                "*and* down.",
            ),
            Wrong(
                _in_float32,
                "it holds for a wide nudge; but for one of 1e-6 it comes out wrong, though `w` is "
                "in float64. Is something made float32 on the way, as with `w.float()`? float32 "
                "has seven digits, in which such a nudge is lost: float64 is needed.",
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
            *wrongs(
                "these are the exact slopes, or those for a much smaller nudge than asked for: use "
                "the `eps` that your function is given.",
                lambda f, w, eps: numerical_gradient(f, w, 1e-5),
                lambda f, w, eps: numerical_gradient(f, w, 1e-6),
            ),
            Wrong(
                _same_vector_twice,
                "every entry is 0. Either both calls of `f` see the same vector: `up = w` makes a "
                "second name for `w`, not a copy, so take `w.clone()`. Or what you compute is not "
                "put into the result.",
            ),
            Wrong(
                _downwards,
                "that is the one-sided difference, downwards: nudge up *and* down.",
            ),
            Wrong(
                lambda f, w, eps: -numerical_gradient(f, w, eps),
                "the sign is the wrong way round: take `f` of the vector nudged up, minus that of "
                "the one nudged down.",
            ),
            Wrong(
                _wider,
                "your nudges go 2 × eps up and 2 × eps down; go by `eps`, and divide by the 2 × "
                "eps between the two.",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, eps / 2),
                "your nudges go half of `eps` up and half of it down; go by `eps` each way.",
            ),
            Wrong(
                _sums,
                "you add the two values of `f`; the slope is in their difference.",
            ),
            Wrong(
                _curvature,
                "f(w + nudge) - 2 f(w) + f(w - nudge) measures the curvature; for the slope, f(w) "
                "is not needed.",
            ),
            Wrong(
                _entry_alone,
                "you nudge a vector of zeros, not `w`: call `f(w + nudge)` and `f(w - nudge)`.",
            ),
            Wrong(
                lambda f, w, eps: eps * numerical_gradient(f, w, eps),
                "you divide by 2 and not by eps; the distance between the nudges is 2 × eps.",
            ),
            Wrong(
                lambda f, w, eps: eps**2 * numerical_gradient(f, w, eps),
                "brackets are missing: `/ 2 * eps` divides by 2 and then multiplies by eps; write "
                "`/ (2 * eps)`.",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, eps).sum(),
                "that is one number, the sum of the slopes; the gradient has one for each entry "
                "of `w`.",
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
            *wrongs(
                "you nudge all the entries of w at once, which gives the sum of the slopes; "
                "nudge one at a time.",
                _all_at_once,
                lambda f, w, eps: (f(w + eps) - f(w - eps)) / (2 * eps),
            ),
            Wrong(
                _nudges_add_up,
                "the nudge of each entry stays in its vector for the ones after it: make that "
                "vector anew in each round, a nudge of zeros or a copy of `w`.",
            ),
            Wrong(
                _kept_is_a_view,
                "the nudged entries of `w` are not put back. If you keep one with `kept = w[i]`, "
                "that is a view, which changes with `w`: take `w[i].item()`, or work on a clone.",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, eps) * (torch.arange(len(w)) == 0),
                "only the first entry is filled: does `return` stand inside the loop?",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, eps) * (torch.arange(len(w)) > 0),
                "the first entry is 0: entries count from 0, so `range(len(w))` reaches all.",
            ),
            Wrong(
                lambda f, w, eps: numerical_gradient(f, w, eps) * (torch.arange(len(w), 0, -1) > 1),
                "the last entry is 0: does the loop end one too early? `range(len(w))` goes up to "
                "and without `len(w)`.",
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

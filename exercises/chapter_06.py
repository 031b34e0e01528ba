"""The exercises of notebook 06: update rules, clipping, and a schedule."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.exercise import Exercise, Wrong


def _between(generator: Generator, low: float, high: float) -> float:
    drawn = torch.rand((), generator=generator, dtype=torch.float64).item()
    return low + (high - low) * drawn


# 6.1 ---------------------------------------------------------------------------------------------


def first_step_without_correction() -> float:
    """Return the first step of an Adam without bias correction, as a multiple of lr."""
    grad = 10 * torch.randn((), dtype=torch.float64)
    mean = 0.9 * 0 + 0.1 * grad
    square = 0.9999 * 0 + 0.0001 * grad.square()
    return (mean / (square.sqrt() + 1e-8)).abs().item()


# 6.2 ---------------------------------------------------------------------------------------------


def sgd_step(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    """Return the weight and the velocity after one step."""
    grad = grad + weight_decay * w
    velocity = momentum * velocity + grad
    return w - lr * velocity, velocity


def _decay_after_momentum(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad
    return w - lr * (velocity + weight_decay * w), velocity


def _growing(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad - weight_decay * w
    return w - lr * velocity, velocity


def _no_decay(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad
    return w - lr * velocity, velocity


def _averaged(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + (1 - momentum) * (grad + weight_decay * w)
    return w - lr * velocity, velocity


def _rate_inside(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + lr * (grad + weight_decay * w)
    return w - velocity, velocity


def _pair_swapped(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    return sgd_step(w, grad, velocity, lr, momentum, weight_decay)[::-1]


def _uphill(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad + weight_decay * w
    return w + lr * velocity, velocity


def _nesterov(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    grad = grad + weight_decay * w
    velocity = momentum * velocity + grad
    return w - lr * (grad + momentum * velocity), velocity


def _of_the_papers(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity - lr * (grad + weight_decay * w)
    return w + velocity, velocity


def _decay_without_weight(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad + weight_decay
    return w - lr * velocity, velocity


def _old_velocity(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    new = momentum * velocity + grad + weight_decay * w
    return w - lr * velocity, new


def _weight_and_velocity(
    answer: Callable[..., Any],
    w: Tensor,
    grad: Tensor,
    velocity: Tensor,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> dict[str, Any] | Any:
    pair = answer(w, grad, velocity, lr, momentum, weight_decay)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return pair
    return {"the new weight": pair[0], "the new velocity": pair[1]}


def _one_step(generator: Generator) -> tuple[Any, ...]:
    w, grad, velocity = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    lr = _between(generator, 0.1, 0.4)
    return w, grad, velocity, lr, _between(generator, 0.5, 0.9), _between(generator, 0.2, 0.6)


# 6.3 ---------------------------------------------------------------------------------------------


def clip_by_norm(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    """Return the gradients, scaled together to a norm of at most max_norm."""
    norm = sum(gradient.square().sum() for gradient in gradients) ** 0.5
    factor = min(1.0, max_norm / norm)
    return [factor * gradient for gradient in gradients]


def _each_by_itself(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    return [g * min(1.0, max_norm / g.norm()) for g in gradients]


def _always(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * max_norm / norm for g in gradients]


def _by_value(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    return [g.clamp(-max_norm, max_norm) for g in gradients]


def _to_length_one(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g / norm if norm > max_norm else g for g in gradients]


def _at_least_one(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * max(1.0, max_norm / norm.item()) for g in gradients]


def _longest_of_three(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = max(g.norm().item() for g in gradients)
    return [g * min(1.0, max_norm / norm) for g in gradients]


def _norms_added(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.norm() for g in gradients)
    return [g * min(1.0, max_norm / norm) for g in gradients]


def _root_forgotten(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.square().sum() for g in gradients)
    return [g * min(1.0, max_norm / norm) for g in gradients]


def _long_and_short(
    answer: Callable[..., Any], gradients: list[Tensor], max_norm: float
) -> dict[str, Any]:
    small = [gradient / 10 for gradient in gradients]
    return {
        "gradients that are too long": answer(gradients, max_norm),
        "gradients that are short enough": answer(small, max_norm),
    }


def _three_gradients(generator: Generator) -> tuple[Any, ...]:
    shapes = (4, 3), (3,), (2, 5)
    gradients = [
        (5 - n) * torch.randn(shape, generator=generator, dtype=torch.float64)
        for n, shape in enumerate(shapes)
    ]
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    return gradients, _between(generator, 0.2, 0.3) * norm


# 6.4 ---------------------------------------------------------------------------------------------


def lr_at(step: int, peak: float, warmup: int, total: int) -> float:
    """Return the learning rate of a step: a line up to the peak, then half a cosine down."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def _from_zero(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * step / warmup if step < warmup else lr_at(step, peak, warmup, total)


def _cosine_from_the_start(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * step / total)) / 2


def _whole_cosine(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return peak * (1 + math.cos(2 * math.pi * progress)) / 2


def _below_zero(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * math.cos(math.pi * (step - warmup) / (total - warmup))


def _zero_too_soon(step: int, peak: float, warmup: int, total: int) -> float:
    return lr_at(step, peak, warmup, total if step < warmup else total - 1)


def _long_warm_up(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * (step + 1) / warmup if step <= warmup else lr_at(step, peak, warmup, total)


def _not_halved(step: int, peak: float, warmup: int, total: int) -> float:
    return lr_at(step, peak if step < warmup else 2 * peak, warmup, total)


def _without_peak(step: int, peak: float, warmup: int, total: int) -> float:
    return lr_at(step, 1.0, warmup, total)


def _steps_after_the_peak(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / total)) / 2


def _both_phases(
    answer: Callable[..., Any], peak: float, warmup: int, total: int
) -> dict[str, list[Any]]:
    return {
        "the warm-up": [answer(step, peak, warmup, total) for step in range(warmup)],
        "the steps after it": [answer(step, peak, warmup, total) for step in range(warmup, total)],
    }


def _plan(generator: Generator) -> tuple[Any, ...]:
    warmup = int(torch.randint(3, 7, (), generator=generator))
    total = warmup + int(torch.randint(11, 20, (), generator=generator))
    return _between(generator, 0.1, 0.9), warmup, total


EXERCISES = (
    Exercise(
        number="6.1",
        prompt=(
            "**6.1 Predict.** Let an Adam forget its squares even more slowly, with β₂ = 0.9999, "
            "and leave out the bias correction, both divisions by 1 − βᵗ. How long is its very "
            "first step, as a multiple of the learning rate? β₁ stays at 0.9."
        ),
        stub="answer = None  # your multiple",
        name="answer",
        solution=first_step_without_correction,
        rtol=0.02,
        wrong=(
            Wrong(
                1.0,
                "that is the first step *with* the correction, which takes care that the mean "
                "and the root of the square both come out as the gradient.",
            ),
            Wrong(
                0.1,
                "that is what the mean alone loses; the average below the fraction bar starts "
                "too small as well, and a small divisor makes the step longer.",
            ),
            Wrong(3.1623, "that is for β₂ = 0.999, the usual value; here it is 0.9999."),
            Wrong(
                0.9,
                "you weighed the new gradient with 0.9 and its square with 0.9999; that is what "
                "the averages *keep*. The new gradient gets the rest, 0.1 and 0.0001.",
            ),
            Wrong(
                0.01,
                "that is √0.0001 alone; the step is the mean, a tenth of the gradient, divided "
                "by it.",
            ),
            Wrong(
                100.0,
                "that is what the square alone does to the step; the mean above the fraction "
                "bar starts at a tenth of the gradient.",
            ),
            Wrong(
                1000.0,
                "you divided 0.1 by 0.0001; the step is divided by the *root* of the average "
                "square.",
            ),
        ),
        hints=(
            "Call the first gradient g. What are `mean` and `square` after one step from zero?",
            "0.1 g and 0.0001 g². Now take the root of the second.",
            "What is 0.1 / √0.0001?",
        ),
        because=(
            "the gradient cancels, and what is left are the two starts from zero, 0.1 / √0.0001. "
            "The average that forgets more slowly is the further behind, so without the "
            "correction the first steps are far too long."
        ),
    ),
    Exercise(
        number="6.2",
        prompt=(
            "**6.2 Modify.** Write one step of `torch.optim.SGD(..., lr, momentum=momentum, "
            "weight_decay=weight_decay)` for one weight: from `w`, its gradient and its velocity, "
            "return the new weight and the new velocity, in this order. Change none of the "
            "arguments in place."
        ),
        stub=(
            "def sgd_step(w, grad, velocity, lr, momentum, weight_decay):\n"
            "    return None  # w, velocity"
        ),
        name="sgd_step",
        solution=sgd_step,
        inputs=_one_step,
        probe=_weight_and_velocity,
        wrong=(
            Wrong(
                _decay_after_momentum,
                "the decay joins in only after the momentum. PyTorch's SGD counts it as part of "
                "the gradient, so it has to go into the velocity too.",
            ),
            Wrong(
                _growing,
                "the decay has the wrong sign: it makes large weights larger. Its gradient is + "
                "weight_decay * w.",
            ),
            Wrong(_no_decay, "`weight_decay` is not used: add its part to the gradient."),
            Wrong(
                _averaged,
                "you weigh the gradient with 1 − momentum, as an average does. PyTorch adds it "
                "whole.",
            ),
            Wrong(
                _rate_inside,
                "the learning rate went into the velocity. In PyTorch it stands outside: the "
                "velocity is made of gradients alone.",
            ),
            Wrong(_pair_swapped, "you returned the velocity first; the weight comes first."),
            Wrong(_uphill, "that climbs; the weight moves against the velocity."),
            Wrong(_nesterov, "that is Nesterov's step; here `nesterov` is off."),
            Wrong(
                _of_the_papers,
                "that is the velocity of some papers, with rate and sign inside; in PyTorch it "
                "is made of gradients alone.",
            ),
            Wrong(
                _decay_without_weight,
                "the decay is a share of the weight: weight_decay * w.",
            ),
            Wrong(
                _old_velocity,
                "the weight moves with the old velocity; PyTorch updates the velocity first.",
            ),
        ),
        hints=(
            "Three lines, in the order decay, momentum, step.",
            "The coupled decay of this notebook: the gradient becomes grad + weight_decay * w.",
            "Then velocity = momentum * velocity + grad, and the new weight is w − lr * velocity.",
        ),
        because=(
            "the order is the rule: what enters before the momentum is remembered by it, what "
            "enters after it is not."
        ),
    ),
    Exercise(
        number="6.3",
        prompt=(
            "**6.3 Build.** `clip_by_norm(gradients, max_norm)` takes a list of tensors and "
            "returns the list, shortened to `max_norm` if the norm of *all their numbers together* "
            "is larger than that, and as it is if not. The direction must stay. Change nothing in "
            "place."
        ),
        stub="def clip_by_norm(gradients, max_norm):\n    return None  # your lines",
        name="clip_by_norm",
        solution=clip_by_norm,
        inputs=_three_gradients,
        probe=_long_and_short,
        wrong=(
            Wrong(
                _each_by_itself,
                "every tensor is clipped by itself. That changes their lengths relative to each "
                "other, and so the direction: one norm for all, one factor for all.",
            ),
            Wrong(
                _always,
                "you scale always, so a short gradient becomes longer. Let the factor be at most "
                "1.",
            ),
            Wrong(
                _by_value,
                "you clip the single numbers. That bends the direction; scale all of them by the "
                "same factor.",
            ),
            Wrong(
                _to_length_one,
                "the clipped gradients have length 1; multiply by `max_norm` as well.",
            ),
            Wrong(
                _at_least_one,
                "you took max: the factor is at least 1, so nothing gets shorter.",
            ),
            Wrong(
                _longest_of_three,
                "you took the longest of the three; all numbers together are longer than any of "
                "them.",
            ),
            Wrong(
                _norms_added,
                "lengths do not add up, squares do: add the squares of all numbers, then take "
                "the root.",
            ),
            Wrong(
                _root_forgotten,
                "you divide by the sum of the squares; the norm is its root.",
            ),
        ),
        hints=(
            "Think of all the numbers in one long row. What is the length of that row?",
            "Add up `gradient.square().sum()` over the list and take the root. The factor is "
            "max_norm / norm.",
            "The factor must never be above 1: `min(1.0, max_norm / norm)`.",
        ),
        because=(
            "one factor for all numbers leaves the direction alone; only a step that would be "
            "too long gets shorter."
        ),
    ),
    Exercise(
        number="6.4",
        prompt=(
            "**6.4 Build.** A schedule for `total` steps, counted from 0. For the first `warmup` "
            "steps the rate rises on a straight line, from `peak / warmup` in step 0 to `peak` in "
            "step `warmup - 1`. From step `warmup` on it follows half a cosine, which starts at "
            "`peak` and would reach 0 at step `total`. Return the rate of one step."
        ),
        stub="def lr_at(step, peak, warmup, total):\n    return None  # your lines",
        name="lr_at",
        solution=lr_at,
        inputs=_plan,
        probe=_both_phases,
        rtol=1e-4,  # float32 loses digits in 1 + cos near the end
        wrong=(
            Wrong(
                _from_zero,
                "your warm-up starts at 0, so step 0 moves nothing at all: count step + 1.",
            ),
            Wrong(
                _cosine_from_the_start,
                "your cosine counts from step 0, so the rate jumps where the warm-up ends. Its "
                "progress runs from 0 at step `warmup` to 1 at step `total`.",
            ),
            Wrong(
                _whole_cosine,
                "that is a whole wave: the rate comes back up to the peak. Half a wave ends at π.",
            ),
            Wrong(
                _below_zero,
                "your rate becomes negative, which climbs. The cosine runs from 1 to −1: lift it "
                "by 1 and halve it.",
            ),
            Wrong(
                _zero_too_soon,
                "you reach 0 one step too soon; the cosine would reach it at step `total`, which "
                "is no longer one of yours.",
            ),
            Wrong(
                _long_warm_up,
                "your warm-up is one step too long, and that step is above the peak.",
            ),
            Wrong(_not_halved, "1 + cos runs from 2 to 0: halve it."),
            Wrong(_without_peak, "`peak` is missing: your rates run up to 1."),
            Wrong(
                _steps_after_the_peak,
                "your cosine is stretched over `total` steps, but only total − warmup are left "
                "after the warm-up.",
            ),
        ),
        hints=(
            "Two cases, `step < warmup` and the rest. The first is a straight line.",
            "In the second, let progress run from 0 to 1: (step − warmup) / (total − warmup).",
            "peak * (1 + math.cos(math.pi * progress)) / 2",
        ),
        because=(
            "`LambdaLR(optimizer, lambda step: lr_at(step, 1.0, warmup, total))` makes a "
            "scheduler of it."
        ),
    ),
)

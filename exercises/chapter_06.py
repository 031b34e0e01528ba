"""The exercises of notebook 06: update rules, clipping, and a schedule."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs
from exercises.stages import staged

CLOSE = 1e-4  # PyTorch's own clipping adds 1e-6 to the norm
Step = Callable[[Tensor, Tensor, Tensor, float, float, float], tuple[Tensor, Tensor]]


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


def _with_decay(decay: Callable[[Tensor, float, float], Tensor]) -> Step:
    """Return a step whose decay, from the weight, the rate and weight_decay, is another one."""

    def step(
        w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
    ) -> tuple[Tensor, Tensor]:
        velocity = momentum * velocity + grad + decay(w, lr, weight_decay)
        return w - lr * velocity, velocity

    return step


def _with_velocity(velocity_of: Callable[[Tensor, Tensor, float], Tensor]) -> Step:
    """Return a step whose velocity, from the decayed gradient and the old one, is another one."""

    def step(
        w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
    ) -> tuple[Tensor, Tensor]:
        velocity = velocity_of(grad + weight_decay * w, velocity, momentum)
        return w - lr * velocity, velocity

    return step


def _decay_of_the_new_weight(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad
    return (w - lr * velocity) * (1 - lr * weight_decay), velocity


def _decay_without_rate(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + grad
    return w * (1 - weight_decay) - lr * velocity, velocity


def _dampened_before_decay(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = momentum * velocity + (1 - momentum) * grad + weight_decay * w
    return w - lr * velocity, velocity


def _along_the_gradient(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    grad = grad + weight_decay * w
    return w - lr * grad, momentum * velocity + grad


def _velocity_left_as_it_was(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    return sgd_step(w, grad, velocity, lr, momentum, weight_decay)[0], velocity


def _step_for_velocity(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    w, velocity = sgd_step(w, grad, velocity, lr, momentum, weight_decay)
    return w, lr * velocity


def _without_velocity_left_as_it_was(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    return w - lr * (grad + weight_decay * w), velocity


def _momentum_in_the_step(
    w: Tensor, grad: Tensor, velocity: Tensor, lr: float, momentum: float, weight_decay: float
) -> tuple[Tensor, Tensor]:
    velocity = velocity + grad + weight_decay * w
    return w - lr * momentum * velocity, velocity


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


def _with_norm(norm_of: Callable[[Tensor], Tensor]) -> Callable[..., list[Tensor]]:
    """Return an answer that takes another norm of all the numbers."""

    def clip(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
        norm = norm_of(torch.cat([g.flatten() for g in gradients]))
        return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]

    return clip


def _only_the_factor_of_max(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * max_norm if norm > max_norm else g for g in gradients]


def _mean_of_norms(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.stack([g.norm() for g in gradients]).mean()
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def _upside_down(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * (norm / max_norm).clamp(max=1.0) for g in gradients]


def _longer_ones_only(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * max_norm / norm if g.norm() > max_norm else g for g in gradients]


def _never(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    return [g.clone() for g in gradients]


def _long_and_short(answer: Callable[..., Any], gradients: list[Tensor], max_norm: float) -> Any:
    short, first = [gradient / 100 for gradient in gradients], gradients[:1]
    both = {
        "gradients that are too long": (gradients, max_norm),
        "gradients that are short enough": (short, max_norm),
    }
    found = {name: answer(*inputs) for name, inputs in both.items()}
    if any(difference(found[name], clip_by_norm(*both[name]), CLOSE) for name in both):
        return found
    special = {
        "a short gradient beside long ones": ([gradients[0], short[1] / 100], max_norm),
        "one gradient that is too long": (first, first[0].norm().item() / 3),
        "gradients that are all zero": ([0 * gradient for gradient in gradients], max_norm),
        "long gradients and a max_norm below 1": (short, max_norm / 200),
    }
    return found | staged(answer, clip_by_norm, special, rtol=CLOSE)


def _three_gradients(generator: Generator) -> tuple[Any, ...]:
    shapes = (4, 3), (7,), (2, 5, 2)
    gradients = [
        (5 - n) * torch.randn(shape, generator=generator, dtype=torch.float64)
        for n, shape in enumerate(shapes)
    ]
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    return gradients, _between(generator, 0.02, 0.04) * norm


# 6.4 ---------------------------------------------------------------------------------------------


def lr_at(step: int, peak: float, warmup: int, total: int) -> float:
    """Return the learning rate of a step: a line up to the peak, then half a cosine down."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def _from_zero(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * step / warmup if step < warmup else lr_at(step, peak, warmup, total)


def _from_zero_to_the_peak(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * step / (warmup - 1) if step < warmup else lr_at(step, peak, warmup, total)


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


def _in_degrees(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(180 * (step - warmup) / (total - warmup))) / 2


def _straight_down(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (total - step) / (total - warmup)


def _quarter_of_a_wave(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * math.cos(math.pi / 2 * (step - warmup) / (total - warmup))


def _without_pi(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos((step - warmup) / (total - warmup))) / 2


def _sine(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.sin(math.pi * (step - warmup) / (total - warmup))) / 2


def _rising_cosine(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 - math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def _cosine_one_step_ahead(step: int, peak: float, warmup: int, total: int) -> float:
    return lr_at(step if step < warmup else step + 1, peak, warmup, total)


def _warm_up_of_one_more(step: int, peak: float, warmup: int, total: int) -> float:
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return lr_at(step, peak, warmup, total)


def _without_warm_up(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * (1 + math.cos(math.pi * step / total)) / 2


def _flat_at_first(step: int, peak: float, warmup: int, total: int) -> float:
    return peak if step < warmup else lr_at(step, peak, warmup, total)


def _flat_after_warm_up(step: int, peak: float, warmup: int, total: int) -> float:
    return peak * (step + 1) / warmup if step < warmup else peak


def _whole_plan(answer: Callable[..., Any], peak: float, warmup: int, total: int) -> dict[str, Any]:
    """Ask for every step of a plan; of one with a single step of warm-up if the first is right."""
    found = _rates(answer, peak, warmup, total)
    if difference(found, _rates(lr_at, peak, warmup, total), 1e-4) is None:
        found |= _rates(answer, peak, 1, total - warmup)
    return found


def _rates(answer: Callable[..., Any], peak: float, warmup: int, total: int) -> dict[str, Any]:
    return {
        f"lr_at({step}, {peak}, {warmup}, {total})": answer(step, peak, warmup, total)
        for step in range(total)
    }


def _plan(generator: Generator) -> tuple[Any, ...]:
    warmup = in_turn(generator, 3, 7)
    total = warmup + in_turn(generator, 11, 20)
    return round(_between(generator, 0.12, 0.88), 2), warmup, total


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
            Wrong(
                3.1623,
                "0.1 / √0.001 is for β₂ = 0.999, the usual value; here it is 0.9999. (If you took "
                "that: there is one root too many.)",
            ),
            Wrong(
                0.9,
                "you weighed the new gradient with 0.9 and its square with 0.9999; that is what "
                "the averages *keep*. The new gradient gets the rest, 0.1 and 0.0001.",
            ),
            Wrong(
                0.01,
                "0.01 is √0.0001 alone; the step is the mean, a tenth of the gradient, divided "
                "by it. (And if you multiplied by a learning rate: the multiple is asked for.)",
            ),
            Wrong(
                31.6228,
                "three slips lead there: a root above the fraction bar, where none is; 1 − β₂ with "
                "a zero too many; or β₂ = 0.999, and a mean without its tenth.",
            ),
            Wrong(
                90.0,
                "the mean keeps 0.9 of what it was, which is 0, and takes 0.1 of the new gradient.",
            ),
            Wrong(
                10_000.0,
                "you divided by 0.0001; the step is the mean, 0.1 of the gradient, divided by the "
                "*root* of the average square.",
            ),
            Wrong(
                0.0,
                "both averages begin at 0, but the first gradient has entered them before the "
                "step is made.",
            ),
            Wrong(
                0.001,
                "0.001 is the product of 0.1 and √0.0001; the step is the first, divided by the "
                "second.",
            ),
            Wrong(
                0.0001,
                "0.0001 is the share of the new square; its root is below the fraction bar, and "
                "above it is a tenth of the gradient.",
            ),
            Wrong(
                100.0,
                "either the tenth is missing with which the mean starts, above the fraction bar, "
                "or you took β₂ = 0.999 and no root.",
            ),
            Wrong(
                1000.0,
                "the root is missing: the step is divided by the *root* of the average square.",
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
        direct=True,
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
            Wrong(
                _with_decay(lambda w, lr, decay: decay * w * w / 2),
                "you add the penalty itself, weight_decay / 2 · w²; its *gradient* is added, "
                "weight_decay * w.",
            ),
            Wrong(
                _with_decay(lambda w, lr, decay: decay * w * w),
                "you add weight_decay * w²; the gradient of the penalty is weight_decay * w.",
            ),
            Wrong(
                _with_decay(lambda w, lr, decay: 2 * decay * w),
                "the decay is twice too large: in PyTorch the penalty is weight_decay / 2 · w², so "
                "its gradient has no 2.",
            ),
            Wrong(
                _with_decay(lambda w, lr, decay: lr * decay * w),
                "the decay is multiplied by the learning rate twice: once by you, once with the "
                "rest of the velocity.",
            ),
            Wrong(
                _with_decay(lambda w, lr, decay: decay * w.sign()),
                "you add weight_decay with the sign of w; a large weight decays more: "
                "weight_decay * w.",
            ),
            Wrong(
                _with_decay(lambda w, lr, decay: decay * w.abs()),
                "the decay must pull negative weights up, so it needs their sign: "
                "weight_decay * w.",
            ),
            Wrong(
                _decay_of_the_new_weight,
                "you decay the weight after its step. PyTorch's SGD counts the decay as part of "
                "the gradient, before the velocity.",
            ),
            Wrong(
                _decay_without_rate,
                "you take the decay from the weight itself, without the rate. PyTorch's SGD "
                "counts it as part of the gradient, before the velocity.",
            ),
            Wrong(
                _dampened_before_decay,
                "you weigh the gradient with 1 − momentum, as an average does. PyTorch adds it "
                "whole.",
            ),
            Wrong(
                _with_velocity(lambda grad, velocity, momentum: momentum * (velocity + grad)),
                "momentum belongs to the old velocity alone; the new gradient comes in whole.",
            ),
            Wrong(
                _with_velocity(lambda grad, velocity, momentum: velocity + momentum * grad),
                "momentum is on the wrong one of the two: it shrinks the old velocity, and the "
                "new gradient comes in whole.",
            ),
            Wrong(
                _with_velocity(
                    lambda grad, velocity, momentum: (1 - momentum) * velocity + momentum * grad
                ),
                "you weigh the two as an average does, and the wrong way round; PyTorch keeps "
                "momentum * velocity and adds the gradient whole.",
            ),
            Wrong(
                _with_velocity(lambda grad, velocity, momentum: momentum * velocity - grad),
                "the gradient enters the velocity with a minus sign; in PyTorch it is added there, "
                "and the minus is in the step.",
            ),
            Wrong(
                _along_the_gradient,
                "the velocity is right, but the weight moves along the gradient alone; it must "
                "move along the new velocity.",
            ),
            Wrong(
                _velocity_left_as_it_was,
                "the weight is right, but the velocity that you return is the old one.",
            ),
            Wrong(
                _step_for_velocity,
                "the weight is right, but you return lr * velocity, its step; the velocity itself "
                "is asked for.",
            ),
            *wrongs(
                "`velocity` does not enter the step (a new `torch.optim.SGD` begins without one): "
                "what comes in is multiplied by momentum and added to the gradient.",
                _with_velocity(lambda grad, velocity, momentum: grad),
                _without_velocity_left_as_it_was,
            ),
            Wrong(
                _momentum_in_the_step,
                "momentum shrinks the old velocity before the gradient is added; you have it in "
                "the step.",
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
            "is larger than that, and as it is if not, even if all are 0. The direction must stay. "
            "Change nothing in place."
        ),
        stub="def clip_by_norm(gradients, max_norm):\n    return None  # your lines",
        name="clip_by_norm",
        solution=clip_by_norm,
        inputs=_three_gradients,
        probe=_long_and_short,
        rtol=CLOSE,
        direct=True,
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
                "your factor is at least 1: what is too long stays so, and what is short gets "
                "longer. Let it be at most 1.",
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
            Wrong(
                _with_norm(lambda row: row.abs().sum()),
                "you add up the magnitudes; the norm is the root of the sum of the squares.",
            ),
            Wrong(
                _with_norm(lambda row: row.abs().max()),
                "you take the largest number for the norm; it is the root of the sum of all the "
                "squares.",
            ),
            Wrong(
                _with_norm(lambda row: row.square().mean().sqrt()),
                "you take the root of the *mean* square; the norm is the root of the sum.",
            ),
            Wrong(
                _only_the_factor_of_max,
                "you multiply by `max_norm` without dividing by the norm: the factor is "
                "max_norm / norm.",
            ),
            Wrong(
                _mean_of_norms,
                "you take the mean of the tensors' norms; all numbers together have one norm, the "
                "root of the sum of all their squares.",
            ),
            Wrong(_upside_down, "the factor is upside down: max_norm / norm."),
            Wrong(
                _longer_ones_only,
                "you scale only the tensors that are too long by themselves. That bends the "
                "direction: one factor for all.",
            ),
            Wrong(
                _never,
                "nothing is clipped: what comes back is as long as it was. (PyTorch's "
                "`clip_grad_norm_` clips the `.grad` of parameters; of plain tensors, which have "
                "none, it leaves everything as it was.)",
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
        probe=_whole_plan,
        examples=("[round(float(lr_at(step, 1.0, 2, 6)), 3) for step in range(6)]",),
        rtol=1e-4,  # float32 loses digits in 1 + cos near the end
        wrong=(
            Wrong(
                _from_zero,
                "your warm-up starts at 0, so step 0 moves nothing at all: count step + 1.",
            ),
            Wrong(
                _from_zero_to_the_peak,
                "your warm-up starts at 0, so step 0 moves nothing at all; it begins at peak / "
                "warmup: count step + 1, and divide by `warmup`.",
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
            Wrong(
                _in_degrees,
                "the cosine is taken of degrees; `math.cos` counts in radians, so half a wave is "
                "`math.pi`.",
            ),
            Wrong(_straight_down, "your rate falls on a straight line; take half a cosine."),
            Wrong(
                _quarter_of_a_wave,
                "that is a quarter of a wave, which falls steeply at its end; half a wave, lifted "
                "by 1 and halved, is flat at both ends.",
            ),
            Wrong(_without_pi, "the `math.pi` in the cosine is missing."),
            Wrong(_sine, "that is a sine, which starts in the middle; take the cosine."),
            Wrong(
                _rising_cosine,
                "after the warm-up your rate starts at 0 and rises; it is 1 *plus* the cosine.",
            ),
            Wrong(
                _cosine_one_step_ahead,
                "your cosine is one step ahead: at step `warmup` the rate is still at its peak. "
                "The + 1 belongs to the warm-up alone.",
            ),
            Wrong(
                _warm_up_of_one_more,
                "your warm-up divides by warmup + 1, so it has not reached the peak in step "
                "warmup - 1.",
            ),
            Wrong(
                _without_warm_up,
                "there is no warm-up: for the first `warmup` steps the rate rises on a line.",
            ),
            Wrong(
                _flat_at_first,
                "for the first `warmup` steps your rate stays at the peak; it should rise to it.",
            ),
            Wrong(
                _flat_after_warm_up,
                "after the warm-up your rate stays at the peak; let it fall along half a cosine.",
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

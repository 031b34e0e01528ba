"""What `check` says about answers to the exercises of notebook 06."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong

NUMBERS = ("6.1", "6.2", "6.3", "6.4")

STEP = "v = momentum * velocity + grad + weight_decay * w\nreturn w - lr * v, v"
NORM = "norm = torch.cat([g.flatten() for g in gradients]).norm()\n"
WARM_UP = "if step < warmup:\n    return peak * (step + 1) / warmup\n"
RATE = WARM_UP + "return peak * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2"

RIGHT = [
    ("6.1", "'10'"),
    ("6.1", "'10 times'"),
    ("6.1", "'10 * lr'"),
    ("6.1", "torch.tensor([10.0])"),
    ("6.2", STEP.replace("return w - lr * v, v", "return [w - lr * v, v]")),
    (
        "6.2",
        "total = grad.clone()\ntotal += weight_decay * w\n"
        "v = velocity.clone().mul_(momentum).add_(total)\nreturn w.sub(v, alpha=lr), v",
    ),
    (
        "6.2",
        "p = nn.Parameter(w.clone())\np.grad = grad.clone()\noptimizer = torch.optim.SGD("
        "[p], lr=lr, momentum=momentum, weight_decay=weight_decay)\n"
        "optimizer.state[p]['momentum_buffer'] = velocity.clone()\noptimizer.step()\n"
        "return p.detach(), optimizer.state[p]['momentum_buffer']",
    ),
    ("6.3", NORM + "return [g * max_norm / norm if norm > max_norm else g for g in gradients]"),
    (
        "6.3",
        "copies = [nn.Parameter(g.clone()) for g in gradients]\n"
        "for copy, g in zip(copies, gradients):\n    copy.grad = g.clone()\n"
        "nn.utils.clip_grad_norm_(copies, max_norm)\nreturn [copy.grad for copy in copies]",
    ),
    (
        "6.3",
        "norm = math.hypot(*[g.norm().item() for g in gradients])\n"
        "return tuple(g * max_norm / max(norm, max_norm) for g in gradients)",
    ),
    (
        "6.4",
        WARM_UP + "return peak * math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2",
    ),
    ("6.4", RATE.replace("peak * (step + 1) / warmup", "torch.tensor((step + 1) * peak / warmup)")),
]

WRONG = [
    ("6.1", "0.1 ** 0.5 / 0.01", "three slips lead there: a root above the fraction bar"),
    ("6.1", "0.1 / 1e-5**0.5", "1 − β₂ with a zero too many"),
    ("6.1", "1 / 0.001**0.5", "or β₂ = 0.999, and a mean without its tenth"),
    ("6.1", "(0.1 / 0.01) ** 0.5", "there is one root too many"),
    ("6.1", "0.1 / 0.001", "or you took β₂ = 0.999 and no root"),
    ("6.1", "1 / 0.001", "the root is missing"),
    ("6.1", "0.0001 / 0.1", "the product of 0.1 and √0.0001"),
    (
        "6.2",
        "p = nn.Parameter(w.clone())\np.grad = grad.clone()\noptimizer = torch.optim.SGD("
        "[p], lr=lr, momentum=momentum, weight_decay=weight_decay)\noptimizer.step()\n"
        "return p.detach(), optimizer.state[p]['momentum_buffer']",
        "`velocity` does not enter the step",
    ),
    (
        "6.2",
        "p = nn.Parameter(w.clone())\np.grad = grad.clone()\n"
        "torch.optim.SGD([p], lr, momentum, weight_decay=weight_decay).step()\n"
        "return p.detach(), velocity",
        "`velocity` does not enter the step",
    ),
    ("6.1", "0.9 / 0.01", "takes 0.1 of the new gradient"),
    ("6.1", "10_000", "you divided by 0.0001"),
    ("6.1", "0", "both averages begin at 0, but"),
    ("6.1", "5", "5 is too small. Call the first gradient g"),
    ("6.1", "11", "11 is too large. Call the first gradient g"),
    ("6.2", STEP.replace("* w\n", "* w ** 2 / 2\n"), "its *gradient* is added"),
    ("6.2", STEP.replace("+ weight_decay", "+ 2 * weight_decay"), "the decay is twice too large"),
    ("6.2", STEP.replace("+ weight_decay", "+ lr * weight_decay"), "by the learning rate twice"),
    ("6.2", "v = momentum * velocity + grad\nnew = w - lr * v\n"
        "return new - lr * weight_decay * new, v", "you decay the weight after its step"),
    ("6.2", STEP.replace("momentum *", "0.9 *"), "as if momentum were always 0.9"),
    ("6.2", STEP.replace("lr * v,", "v,"), "as if lr were always 1"),
    ("6.2", "def sgd_step(w, grad, velocity, momentum, lr, weight_decay):\n"
        "    v = momentum * velocity + grad + weight_decay * w\n    return w - lr * v, v",
        "must come as (w, grad, velocity, lr, momentum, weight_decay)"),
    ("6.2", "velocity.mul_(momentum).add_(grad + weight_decay * w)\n"
        "return w - lr * velocity, velocity", "changes its argument velocity in place"),
    ("6.2", "grad += weight_decay * w\n" + STEP.replace(" + weight_decay * w", ""),
        "changes its argument grad in place"),
    ("6.2", STEP.replace(", v", ""), "expected the new weight, the new velocity; got a tensor"),
    ("6.2", STEP.replace(", v", ", lr * v"), "you return lr * velocity, its step"),
    ("6.2", STEP.replace(", v", ", velocity"), "the velocity that you return is the old one"),
    ("6.2", STEP.replace(", v", ", -v"), "in the new velocity: every entry has the wrong sign"),
    ("6.2", STEP.replace("* w\n", "* w.norm()\n"), "should give"),
    ("6.3", "return [g * min(1.0, max_norm / g.norm()) for g in gradients]", "by itself"),
    ("6.3", NORM + "return [g * max_norm / norm if g.norm() > max_norm else g for g in gradients]",
        "you scale only the tensors that are too long by themselves"),
    ("6.3", NORM + "return [g * max_norm / norm if norm < max_norm else g for g in gradients]",
        "your factor is at least 1"),
    ("6.3", NORM + "return [min(1.0, max_norm / norm.item()) * g for g in gradients]",
        "ZeroDivisionError: float division by zero in line 3"),
    ("6.3", NORM + "for g in gradients:\n    g *= (max_norm / norm).clamp(max=1)\n"
        "return gradients", "your code changes its argument gradients in place"),
    ("6.3", NORM + "if norm > max_norm:\n    return [g * max_norm / norm for g in gradients]",
        "in gradients that are short enough: expected a list with 3 entries, got None"),
    ("6.3", NORM + "return [g * max_norm if norm > max_norm else g for g in gradients]",
        "without dividing by the norm"),
    ("6.3", "norm = torch.cat([g.flatten() for g in gradients]).abs().sum()\n"
        "return [g * (max_norm / norm).clamp(max=1) for g in gradients]", "add up the magnitudes"),
    ("6.3", NORM.replace("norm()", "norm() ** 0.5")
        + "return [g * (max_norm / norm).clamp(max=1) for g in gradients]", "should give"),
    ("6.3", "nn.utils.clip_grad_norm_(gradients, max_norm)\nreturn gradients",
        "`clip_grad_norm_` clips the `.grad` of parameters"),
    ("6.3", "return torch.cat([g.flatten() for g in gradients])", "got a tensor of shape (39,)"),
    ("6.4", RATE.replace("math.pi *", "180 *"), "counts in radians"),
    ("6.4", WARM_UP + "return peak * (total - step) / (total - warmup)", "on a straight line"),
    ("6.4", "def lr_at(step, warmup, peak, total):\n    if step < warmup:\n"
        "        return peak * (step + 1) / warmup\n    progress = (step - warmup) / (total - "
        "warmup)\n    return peak * (1 + math.cos(math.pi * progress)) / 2",
        "its parameters must come as (step, peak, warmup, total)"),
    ("6.4", RATE.replace("(step + 1) / warmup", "step / (warmup - 1)"), "it begins at peak /"),
    ("6.4", RATE.replace("(step + 1) / warmup", "((step + 1) // warmup)"), "in lr_at(0, "),
    ("6.4", RATE.replace("(step - warmup) / (total - warmup)", "step - warmup / total - warmup"),
        "in lr_at("),
    ("6.4", RATE.replace("- warmup) / (", "- warmup + 1) / ("), "your cosine is one step ahead"),
    ("6.4", RATE.replace("return peak * (1", "peak * (1"), "expected a number, got None"),
    ("6.4", "return peak * (1 + math.cos(math.pi * step / total)) / 2", "there is no warm-up"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong_answers(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_degenerate_answers(number):
    assert_true_of_degenerate(number, allowed={"first input": "nothing is clipped"})

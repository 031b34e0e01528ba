"""The exercises of notebook 15: memory, short numbers, a scaled step, a batch in parts."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.amp import GradScaler
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs

# 15.1 --------------------------------------------------------------------------------------------


def megabytes() -> float:
    """Return the megabytes that training with Adam keeps in 15.1."""
    model = nn.Linear(1000, 1000, bias=False)
    optimizer = torch.optim.Adam(model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(torch.randn(2, 1000)).float().square().mean()
    loss.backward()
    optimizer.step()
    state = optimizer.state[model.weight]
    tensors = [model.weight, model.weight.grad, state["exp_avg"], state["exp_avg_sq"]]
    return sum(tensor.nbytes for tensor in tensors if tensor is not None) / 1e6


# 15.2 --------------------------------------------------------------------------------------------


def one_more() -> float:
    """Return 512 + 1 in bfloat16."""
    return (torch.tensor(512.0, dtype=torch.bfloat16) + 1).item()


# 15.3 --------------------------------------------------------------------------------------------


def clipped_step(
    model: nn.Module, loss: Tensor, optimizer: Optimizer, scaler: GradScaler, max_norm: float
) -> None:
    """Take one step with a scaled loss and a clipped gradient."""
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()


class _Step(NamedTuple):
    """What an answer to 15.3 is given."""

    model: Any
    loss: Tensor
    optimizer: Any
    scaler: Any
    max_norm: float

    def multiply(self, factor: float) -> None:
        for parameter in self.model.parameters():
            parameter.grad *= factor

    def clip(self) -> Tensor:
        return nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)


def _raise_short_ones(step: _Step) -> None:
    step.multiply(max(1.0, step.max_norm / float(step.clip())))


def _step_if_fine(step: _Step) -> None:
    if step.clip().isfinite():
        step.scaler.step(step.optimizer)
        step.scaler.update()


_LINES: dict[str, Callable[[_Step], Any]] = {
    "clear": lambda step: step.optimizer.zero_grad(),
    "backward": lambda step: step.scaler.scale(step.loss).backward(),
    "unscale": lambda step: step.scaler.unscale_(step.optimizer),
    "clip": _Step.clip,
    "step": lambda step: step.scaler.step(step.optimizer),
    "update": lambda step: step.scaler.update(),
    # What stands in their place in wrong answers:
    "set up": lambda step: step.scaler.scale(torch.zeros(())),  # as its first use does
    "plain backward": lambda step: step.loss.backward(),
    "divide": lambda step: step.multiply(1 / step.scaler.get_scale()),
    "clip values": lambda step: nn.utils.clip_grad_value_(step.model.parameters(), step.max_norm),
    "clip each": lambda step: [
        nn.utils.clip_grad_norm_(parameter, step.max_norm) for parameter in step.model.parameters()
    ],
    "lengthen": _raise_short_ones,
    "own step": lambda step: step.optimizer.step(),
    "step and update if fine": _step_if_fine,
}


def _in_order(lines: str) -> Callable[..., None]:
    """Return an answer made of these lines of `_LINES`, in this order."""

    def clipped_step(*given: Any) -> None:
        for line in lines.split(", "):
            _LINES[line](_Step(*given))

    return clipped_step


class _Steep(nn.Module):
    """A model whose output has the slope `slope` along its weights, which go through float16.

    They are two tensors, and an earlier step has left a gradient in both.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size - 1))
        self.bias = nn.Parameter(torch.zeros(1))
        for parameter in self.parameters():
            parameter.grad = torch.ones_like(parameter)

    def forward(self, slope: Tensor) -> Tensor:
        return torch.cat([self.weight, self.bias]).half().float() @ slope


def _four_steps(answer: Any, slope: Tensor, max_norm: float, scale: float) -> dict[str, Any]:
    """Return the weights and the factor after a tiny step, a steep one, an overflow, one more.

    It ends where something is off; if the first step has not moved anything, after the second.
    """
    model = _Steep(len(slope))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler, factor = GradScaler("cpu", init_scale=scale, growth_interval=1), scale
    found: dict[str, Any] = {}
    sizes = {"a tiny step": 2e-9, "a steep step": 1.0, "an overflow": 3e37, "one more step": 1.0}
    for name, size in sizes.items():
        before = parameters_to_vector(model.parameters()).detach()
        answer(model, model(size * slope), optimizer, scaler, max_norm)
        after = parameters_to_vector(model.parameters()).detach()
        moved = (after - before) / min(size, 1.0)
        found[f"how far the weights move in {name}, by its size"] = moved
        found[f"the scaler's factor after {name}"] = scaler.get_scale()
        may_be_off = answer is not clipped_step and (name != "a tiny step" or bool(moved.any()))
        if scaler.get_scale() == factor or (may_be_off and _is_off(found, slope, max_norm, scale)):
            break
        factor = scaler.get_scale()
    return found


def _is_off(found: dict[str, Any], slope: Tensor, max_norm: float, scale: float) -> bool:
    right = _four_steps(clipped_step, slope, max_norm, scale)
    return difference(found, {name: right[name] for name in found}, 1e-4) is not None


def _steep(generator: Generator) -> tuple[Any, ...]:
    """Return a slope (n,) of norm 4 or more, a norm to clip at, and a factor."""
    slope = torch.randn(in_turn(generator, 3, 6), generator=generator)
    slope = slope * (4 + 4 * torch.rand((), generator=generator)) / slope.norm()
    return slope, 0.5 + torch.rand((), generator=generator).item(), 2.0 ** in_turn(generator, 9, 12)


_CLIPPED = """\
model = nn.Linear(2, 1, bias=False)
model.weight.data = torch.zeros(1, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
loss = model(torch.tensor([3.0, 4.0])).sum()
clipped_step(model, loss, optimizer, scaler, 1.0)
model.weight"""


# 15.4 --------------------------------------------------------------------------------------------


def accumulate(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    """Leave the gradient of the whole batch's mean loss in `.grad`, part by part."""
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        loss = F.cross_entropy(model(part), answers) * len(part) / len(images)
        loss.backward()


def _sum_of_means(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        F.cross_entropy(model(part), answers).backward()


def _mean_of_means(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    parts = images.split(size)
    for part, answers in zip(parts, labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) / len(parts)).backward()


def _full_parts_alone(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    whole = len(images) // size * size
    for start in range(0, whole, size):
        rows = slice(start, start + size)
        (F.cross_entropy(model(images[rows]), labels[rows]) * size / len(images)).backward()


def _cleared_each_time(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        model.zero_grad()
        (F.cross_entropy(model(part), answers) * len(part) / len(images)).backward()


def _never_cleared(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) * len(part) / len(images)).backward()


def _all_at_once(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()


def _one_backward(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    parts = zip(images.split(size), labels.split(size), strict=True)
    losses = [F.cross_entropy(model(part), answers) * len(part) for part, answers in parts]
    (torch.stack(losses).sum() / len(images)).backward()


def _weighted_by_size(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) * size / len(images)).backward()


def _no_backward(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()


def _with_a_step(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    accumulate(model, images, labels, size)
    torch.optim.SGD(model.parameters(), lr=0.1).step()


def _means_over_all(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) / len(images)).backward()


def _divided_twice(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) / len(part)).backward()


def _negative(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (-F.cross_entropy(model(part), answers) * len(part) / len(images)).backward()


def _times_the_part(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (
            F.cross_entropy(model(part), answers, reduction="sum") * len(part) / len(images)
        ).backward()


def _a_sum(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        F.cross_entropy(model(part), answers, reduction="sum").backward()


def _first_part_alone(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    (F.cross_entropy(model(images[:size]), labels[:size]) * size / len(images)).backward()


def _first_part_not_weighted(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    F.cross_entropy(model(images[:size]), labels[:size]).backward()


def _kept_alive(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        loss = F.cross_entropy(model(part), answers) * len(part) / len(images)
        loss.backward(retain_graph=True)


def _given_back(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> list[Tensor]:
    accumulate(model, images, labels, size)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return gradients


def _by_chunk(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    accumulate(model, images, labels, -(-len(images) // size))


def _by_chunk_not_weighted(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    _mean_of_means(model, images, labels, -(-len(images) // size))


def _with_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., None]:
    """Return an answer with another loss than that of the prompt."""

    def accumulate_it(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
        model.zero_grad()
        for part, answers in zip(images.split(size), labels.split(size), strict=True):
            (loss(model(part), answers) * len(part) / len(images)).backward()

    return accumulate_it


def _upside_down(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part, answers in zip(images.split(size), labels.split(size), strict=True):
        (F.cross_entropy(model(part), answers) * len(images) / len(part)).backward()


def _labels_of_the_first(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for part in images.split(size):
        loss = F.cross_entropy(model(part), labels[: len(part)])
        (loss * len(part) / len(images)).backward()


def _labels_of_the_first_not_weighted(
    model: nn.Module, images: Tensor, labels: Tensor, size: int
) -> None:
    model.zero_grad()
    for part in images.split(size):
        F.cross_entropy(model(part), labels[: len(part)]).backward()


def _pictures_of_the_first(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    model.zero_grad()
    for answers in labels.split(size):
        loss = F.cross_entropy(model(images[: len(answers)]), answers)
        (loss * len(answers) / len(images)).backward()


def _left_in_eval(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> None:
    accumulate(model.eval(), images, labels, size)


class _Kept:
    """What a graph keeps of a part of the batch, as long as it is alive."""

    def __init__(self, images: Tensor) -> None:
        self.count = len(images)


class _Counting(nn.Module):
    """A linear layer that counts the pictures it gets, and those that graphs still keep."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.bias = nn.Parameter(weight[0].clone())
        self.largest = self.most = 0
        self.kept: list[weakref.ref[_Kept]] = []

    def forward(self, images: Tensor) -> Tensor:
        kept = _Kept(images)
        self.kept.append(weakref.ref(kept))
        with saved_tensors_hooks(lambda tensor: (kept, tensor), lambda pair: pair[1]):
            logits = images @ self.weight + self.bias
        self.largest = max(self.largest, len(images))
        alive = [reference() for reference in self.kept]
        self.most = max(self.most, sum(part.count for part in alive if part is not None))
        return logits


def _gradients(answer: Any, weight: Tensor, images: Tensor, labels: Tensor, size: int) -> Any:
    """Return what an answer leaves; if that is right, also of other lengths, and of a new model."""
    found = _left_behind(answer, weight, images, labels, size)
    if difference(found, _left_behind(accumulate, weight, images, labels, size)) is None:
        even = len(images) // size * size
        cases = {"if the size divides the batch": even, "if there is one part": size - 1}
        for when, count in cases.items():
            more = _left_behind(answer, weight, images[:count], labels[:count], size)
            found |= {f"{name} {when}": value for name, value in more.items()}
        more = _left_behind(answer, weight, images, labels, size, is_new=True)
        found |= {f"{name} if there is no old gradient": value for name, value in more.items()}
    return found


def _left_behind(
    answer: Any, weight: Tensor, images: Tensor, labels: Tensor, size: int, is_new: bool = False
) -> dict[str, Any]:
    model = _Counting(weight)
    for parameter in () if is_new else model.parameters():  # left over from an earlier step
        parameter.grad = torch.ones_like(parameter)
    result = _knowing_none(answer, model, images, labels, size)
    if not _is_filled(model) and _holds_a_tensor(result):
        return {"the gradient": "in what comes back, not in `.grad`"}
    if model.weight.grad is None:
        return {"the gradient": "None"}
    return {
        "the gradient": model.weight.grad,
        "the gradient of the bias": model.bias.grad,
        "the pictures that went through the model at once": _within(size, model.largest),
        "the pictures that graphs keep alive": _within(size, model.most),
        **_state(model, weight, images),
    }


def _state(model: _Counting, weight: Tensor, images: Tensor) -> dict[str, Any]:
    """Return what an answer should have left as it was, and put the images back."""
    is_same = torch.equal(model.weight, weight) and torch.equal(model.bias, weight[0])
    asks = images.requires_grad
    images.requires_grad_(False)
    return {
        "the weights": "as before" if is_same else "changed",
        "the model's mode": "training" if model.training else "eval",
        "what trains": [name for name, p in model.named_parameters() if p.requires_grad],
        "the images": "they want a gradient now" if asks else "as before",
    }


def _knowing_none(answer: Any, model: _Counting, *rest: Any) -> Any:
    """Return what an answer gives; an error about None in the place of a gradient says so."""
    try:
        return answer(model, *rest)
    except (AttributeError, TypeError) as error:
        if "NoneType" in str(error) and model.weight.grad is None:
            error.args = (f"{error}: as long as there is no gradient, `.grad` is None",)
        raise


def _is_filled(model: _Counting) -> bool:
    """Whether there is a gradient, and not that of an earlier step."""
    grad = model.weight.grad
    return grad is not None and not bool((grad == 1).all())


def _holds_a_tensor(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(parts, Iterable) and any(isinstance(part, Tensor) for part in parts)


def _within(size: int, count: int) -> str:
    return "at most `size`" if count <= size else f"{count}, where `size` is {size}"


def _batch(generator: Generator) -> tuple[Any, ...]:
    """Return weights (4, 3), images (N, 4), labels (N,) and a size that leaves a short part.

    There are more parts than a part has pictures.
    """
    size = in_turn(generator, 3, 6)
    count = size * (size + 1) + size // 2
    weight = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    images = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return weight, images, torch.randint(0, 3, (count,), generator=generator), size


_ACCUMULATED = """\
model = nn.Linear(2, 2, bias=False)
model.weight.data = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
model.weight.grad = torch.ones(2, 2)
images, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 1, 1])
accumulate(model, images, labels, 2)
model.weight.grad"""

EXERCISES = (
    Exercise(
        number="15.1",
        prompt=(
            "**15.1 Predict.** A model of one million parameters, in float32, is trained with "
            "Adam; the forward pass runs under `torch.autocast` to bfloat16. How many megabytes "
            "(of 10⁶ bytes) do its weights, its gradients and Adam's two averages take, all "
            "together, after a step?"
        ),
        stub="answer = None  # your megabytes",
        name="answer",
        solution=megabytes,
        wrong=(
            Wrong(4, "that is the weights alone; the gradients and two averages are as large."),
            Wrong(
                8,
                "that is weights and gradients; Adam's two averages are missing, or you gave "
                "all four two bytes a number, but autocast leaves each of them in float32.",
            ),
            Wrong(12, "one of the four is missing: weights, gradients, `exp_avg`, `exp_avg_sq`."),
            Wrong(
                14,
                "you gave the weights or the gradients two bytes a number; autocast leaves both "
                "in float32. It makes a short copy of the weights for the forward pass and drops "
                "it.",
            ),
            Wrong(
                18,
                "the short copy of the weights that autocast makes for the forward pass is not "
                "kept.",
            ),
            Wrong(
                20,
                "that is five tensors; there are four: weights, gradients, `exp_avg`, "
                "`exp_avg_sq`. What the forward pass needs is gone after the step.",
            ),
            Wrong(16e6 / 2**20, "those are mebibytes, of 2²⁰ bytes; here a megabyte has 10⁶."),
            Wrong(128, "you counted bits; a byte has eight of them."),
            Wrong(16_000, "those are kilobytes; the question asks for megabytes."),
            Wrong(0.016, "those are gigabytes; the question asks for megabytes."),
            Wrong(10, "autocast shortens neither the weights nor the gradients that are kept."),
            Wrong(16_000_000, "that is the number of bytes; the question asks for megabytes."),
            Wrong(32, "you gave each number eight bytes; float32 has four."),
        ),
        hints=(
            "How many tensors of the weights' shape are kept after a step, and how many bytes has "
            "a number in each of them?",
            "Four of them. And which type has each? Look at what autocast left as it was.",
            "Four tensors of a million numbers of four bytes.",
        ),
        because=(
            "four tensors of four bytes a number; whatever autocast saves, it saves on the "
            "activations."
        ),
    ),
    Exercise(
        number="15.2",
        prompt=(
            "**15.2 Predict.** Bfloat16's eps is 1/128 (0.0078 in the first picture): the next "
            "number after 1 is 1 + 1/128. What is "
            "`(torch.tensor(512.0, dtype=torch.bfloat16) + 1).item()`?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=one_more,
        wrong=(
            Wrong(513, "bfloat16 has no 513: between 512 and 1024 its numbers are four apart."),
            Wrong(516, "513 is nearer to 512 than to 516."),
            Wrong(
                512 + 1 / 128,
                "1/128 is the gap next to 1; the gap grows with the number, and one was added, not "
                "1/128.",
            ),
            Wrong(514, "the gap at 512 is four: there is no 514."),
            Wrong(508, "nothing is subtracted, so it cannot become less than 512."),
            Wrong(511, "nothing is subtracted, so it cannot become less than 512."),
            Wrong(
                float("inf"),
                "bfloat16 has as many exponents as float32 and reaches beyond 10³⁸; what it lacks "
                "is digits.",
            ),
            Wrong(1, "one is added to 512: the question is what comes out."),
            Wrong(4, "the steps are four wide there, but the question is which number comes out."),
        ),
        hints=(
            "The gap between neighbours grows with the number: at 1 it is 1/128.",
            "At 512 the gap is 512/128 = 4.",
            "513 goes to the nearer neighbour, and nothing is added.",
        ),
        because=(
            "a small update of a weight in bfloat16 would be lost like this, and that is why "
            "autocast leaves the weights in float32."
        ),
    ),
    Exercise(
        number="15.3",
        prompt=(
            "**15.3 Modify.** This step was written for float16, and it makes four mistakes:\n\n"
            "```python\n"
            "scaler.scale(loss).backward()\n"
            "nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n"
            "optimizer.step()\n"
            "```\n\n"
            "Put it right in `clipped_step(model, loss, optimizer, scaler, max_norm)`: begin "
            "without an old gradient, clip the *true* gradient to a norm of `max_norm` at most, "
            "skip the step if the gradient overflowed, and keep the scaler's factor up to date. "
            "`check` takes several steps, and one of them overflows."
        ),
        stub=(
            "def clipped_step(model, loss, optimizer, scaler, max_norm):\n"
            "    return None  # your lines"
        ),
        name="clipped_step",
        solution=clipped_step,
        wrong=(
            Wrong(
                _in_order("backward, clip, own step"),
                "you clip the gradient while it is still multiplied by the factor, and let the "
                "optimizer step by itself.",
            ),
            *wrongs(
                "you clip the gradient while it is still multiplied by the factor, so the step is "
                "as many times too short: `scaler.unscale_(optimizer)` belongs between `backward` "
                "and the clipping.",
                *(
                    _in_order("clear, backward, clip, step, update"),
                    _in_order("clear, backward, clip, unscale, step, update"),
                ),
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip, own step, update"),
                "`optimizer.step()` steps even when the gradient has overflowed, and the weights "
                "become nan; `scaler.step(optimizer)` looks first.",
            ),
            Wrong(
                _in_order("backward, unscale, clip, step, update"),
                "the old gradient is still in the sum: clear it before `backward`.",
            ),
            *wrongs(
                "the gradient is not clipped when the step is taken: clip it to a norm of "
                "`max_norm` at most, and before the step.",
                *(
                    _in_order("clear, backward, unscale, step, update"),
                    _in_order("clear, backward, unscale, step, update, clip"),
                ),
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip, step"),
                "the factor stays as it is: `scaler.update()` at the end of each step halves it "
                "after an overflow and raises it again after enough good steps.",
            ),
            Wrong(
                _in_order("clear, set up, plain backward, unscale, clip, step, update"),
                "the loss is never multiplied by the factor, but the gradient is divided by it: "
                "`scaler.scale(loss).backward()`.",
            ),
            Wrong(
                _in_order("clear, plain backward, clip, own step"),
                "the scaler takes no part: small gradients would become 0 in float16. Scale the "
                "loss, unscale the gradient, and let the scaler step.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip values, step, update"),
                "you clip each entry by itself (`clip_grad_value_`); the question asks for the "
                "norm of all of them together.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip each, step, update"),
                "you clip each parameter by itself; the norm is that of all gradients together, "
                "and `clip_grad_norm_` takes `model.parameters()`, all of them.",
            ),
            Wrong(
                _in_order("clear, backward, divide, clip, step, update"),
                "the gradient is divided twice, by you and by `scaler.step`, which knows nothing "
                "of yours: let `scaler.unscale_(optimizer)` divide.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip, step, own step, update"),
                "that is two steps: `scaler.step(optimizer)` calls `optimizer.step()` itself.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, step and update if fine"),
                "after the overflow the factor stays as it was: `scaler.update()` belongs to "
                "every step, for it is what halves the factor.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip, update, step"),
                "`scaler.update()` comes before `scaler.step`, which then divides the gradient "
                "once more; update last.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, clip, update"),
                "the weights do not move: `scaler.step(optimizer)` is missing.",
            ),
            Wrong(
                _in_order("clear, backward, unscale, lengthen, step, update"),
                "a short gradient is made longer; clipping only shortens.",
            ),
        ),
        hints=(
            "When the clipping looks at the gradient, how large is it?",
            "`scaler.unscale_(optimizer)` divides by the factor; `scaler.step(optimizer)` steps "
            "unless something has overflowed, and knows that the division is done.",
            "Clear, scale and go backward, unscale, clip, `scaler.step(optimizer)`, "
            "`scaler.update()`.",
        ),
        because=(
            "the clipping sees the gradient that float32 would have given, and an overflow costs "
            "one step and no weights."
        ),
        inputs=_steep,
        probe=_four_steps,
        rtol=1e-4,
        examples=(_CLIPPED,),
        typical={"max_norm": (1.0, 0.5, 5.0)},
    ),
    Exercise(
        number="15.4",
        prompt=(
            "**15.4 Build.** Write `accumulate(model, images, labels, size)`: go through the batch "
            "in parts of at most `size` pictures, and leave in `.grad` the gradient of the mean "
            "cross-entropy over the *whole* batch. The last part may be shorter, and "
            "there may be an old gradient when you begin. Only one part's graph may be alive at a "
            "time."
        ),
        stub="def accumulate(model, images, labels, size):\n    return None  # your lines",
        name="accumulate",
        solution=accumulate,
        wrong=(
            Wrong(
                _sum_of_means,
                "you add up the parts' means; weight each with its share of the pictures.",
            ),
            Wrong(
                _mean_of_means,
                "you divide by the number of parts, so each picture of the "
                "short part counts more than the others; weight with `len(part) / len(images)`.",
            ),
            Wrong(
                _one_backward,
                "the gradient is right, but all the parts' graphs are alive together: call "
                "`backward` for each part, without `retain_graph`, before the next one goes "
                "through the model.",
            ),
            Wrong(
                _kept_alive,
                "the gradient is right, but a part's graph is still there when the next part goes "
                "through the model: leave out `retain_graph=True`.",
            ),
            Wrong(
                _given_back,
                "you return the gradients; they are to be left in each parameter's `.grad`, as "
                "`backward` does it.",
            ),
            *(
                Wrong(
                    answer,
                    "the parts are too large: `chunk(size)` makes `size` parts; parts of `size` "
                    "pictures come from `split(size)`.",
                )
                for answer in (_by_chunk, _by_chunk_not_weighted)
            ),
            Wrong(
                _weighted_by_size,
                "you weight each part with `size`, but the last one has fewer pictures; take "
                "`len(part) / len(images)`.",
            ),
            Wrong(_full_parts_alone, "the short part at the end is left out."),
            Wrong(
                _cleared_each_time,
                "you clear the gradient before each part, so that the last "
                "one alone is left; clear once, before the loop.",
            ),
            Wrong(
                _never_cleared, "the old gradient is still in the sum; clear it before the loop."
            ),
            Wrong(
                _no_backward,
                "`.grad` is None in the end: either `backward` was never called, or the gradient "
                "was cleared after it.",
            ),
            Wrong(
                _with_a_step,
                "the gradient is right, but you also let an optimizer step; the weights are to "
                "stay as they are.",
            ),
            Wrong(
                _means_over_all,
                "you add up means and divide by the number of pictures; a mean has to be "
                "multiplied by `len(part)` first, which makes a sum of it.",
            ),
            Wrong(
                _divided_twice,
                "`F.cross_entropy` is a mean already, over the part; weight it with "
                "`len(part) / len(images)`.",
            ),
            Wrong(
                _times_the_part,
                "you multiply a sum by the size of its part; either take the mean, times "
                "`len(part) / len(images)`, or the sum, divided by `len(images)`.",
            ),
            Wrong(_negative, "the gradient has the wrong sign; that of the loss itself is wanted."),
            Wrong(
                _a_sum,
                "that is the gradient of the sum of the losses; the mean has one N-th of it.",
            ),
            Wrong(
                _upside_down,
                "your weight is upside down: a part has the share `len(part) / len(images)` of "
                "the pictures.",
            ),
            *wrongs(
                "every part is compared with the first labels; split `labels` as you split "
                "`images`.",
                *(_labels_of_the_first, _labels_of_the_first_not_weighted),
            ),
            Wrong(
                _pictures_of_the_first,
                "the first pictures go through the model again and again; split `images` as you "
                "split `labels`.",
            ),
            *wrongs(
                "`F.nll_loss` wants the logarithms of probabilities, as `log_softmax(1)` gives "
                "them; `F.cross_entropy` takes the logits themselves.",
                _with_loss(F.nll_loss),
                _with_loss(lambda logits, labels: F.nll_loss(logits.softmax(1), labels)),
            ),
            Wrong(
                _with_loss(lambda logits, labels: F.cross_entropy(logits.softmax(1), labels)),
                "there is one softmax too many: `F.cross_entropy` has one of its own and wants "
                "the logits.",
            ),
            Wrong(
                _left_in_eval,
                "the gradient is right, but the model is left in eval mode; leave its mode as it "
                "is.",
            ),
            Wrong(_first_part_alone, "only the first part is there: is there a loop over all?"),
            Wrong(
                _first_part_not_weighted, "only the first part is there: is there a loop over all?"
            ),
            Wrong(
                _all_at_once,
                "the gradient is right, but the whole batch went through the "
                "model at once, which is what this is meant to avoid.",
            ),
        ),
        hints=(
            "`images.split(size)` gives the parts, the short one last; `backward` adds to `.grad`.",
            "A mean over N is a sum of the parts' means, each times its share of N.",
            "`model.zero_grad()`, then for each part `(F.cross_entropy(model(part), answers) * "
            "len(part) / len(images)).backward()`.",
        ),
        because=(
            "the gradient of a sum is the sum of the gradients, and only one part's "
            "activations are alive at a time."
        ),
        inputs=_batch,
        probe=_gradients,
        examples=(_ACCUMULATED,),
    ),
)

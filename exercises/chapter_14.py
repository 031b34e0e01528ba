"""The exercises of notebook 14: memory, short numbers, a stopwatch, accumulation, moving."""

import copy
import statistics
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs

# 14.1 --------------------------------------------------------------------------------------------


def megabytes() -> float:
    """Return the megabytes that training with Adam keeps in 14.1."""
    model = nn.Linear(1000, 1000, bias=False)
    optimizer = torch.optim.Adam(model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(torch.randn(2, 1000)).float().square().mean()
    loss.backward()
    optimizer.step()
    state = optimizer.state[model.weight]
    tensors = [model.weight, model.weight.grad, state["exp_avg"], state["exp_avg_sq"]]
    return sum(tensor.nbytes for tensor in tensors if tensor is not None) / 1e6


# 14.2 --------------------------------------------------------------------------------------------


def one_more() -> float:
    """Return 512 + 1 in bfloat16."""
    return (torch.tensor(512.0, dtype=torch.bfloat16) + 1).item()


# 14.3 --------------------------------------------------------------------------------------------


def time_rightly(
    run: Callable[[], None],
    synchronize: Callable[[], None],
    clock: Callable[[], float],
    repeats: int,
) -> float:
    """Return the median of what `repeats` runs take, after one that is not counted."""
    run()
    synchronize()
    seconds = []
    for _ in range(repeats):
        start = clock()
        run()
        synchronize()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def _seconds(run: Any, synchronize: Any, clock: Any, repeats: int, warm_up: bool) -> list[float]:
    if warm_up:
        run()
        synchronize()
    seconds = []
    for _ in range(repeats):
        start = clock()
        run()
        synchronize()
        seconds.append(clock() - start)
    return seconds


def _as_in_the_prompt(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats


def _no_warm_up(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median(_seconds(run, synchronize, clock, repeats, False))


def _first_dropped(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median(_seconds(run, synchronize, clock, repeats, False)[1:])


def _mean(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.mean(_seconds(run, synchronize, clock, repeats, True))


def _cold_mean(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.mean(_seconds(run, synchronize, clock, repeats, False))


def _fastest(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return min(_seconds(run, synchronize, clock, repeats, True))


def _one_wait(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    synchronize()
    start = clock()
    for _ in range(repeats):
        run()
    synchronize()
    return (clock() - start) / repeats


def _another_clock(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return time_rightly(run, synchronize, time.perf_counter, repeats)


def _unsorted_middle(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return _seconds(run, synchronize, clock, repeats, True)[repeats // 2]


def _upper_middle(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return sorted(_seconds(run, synchronize, clock, repeats, True))[repeats // 2]


def _lower_middle(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median_low(_seconds(run, synchronize, clock, repeats, True))


def _warm_up_counted(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median(_seconds(run, synchronize, clock, repeats + 1, False))


def _first_left_out(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median(_seconds(run, synchronize, clock, repeats, True)[1:])


def _last_left_out(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return statistics.median(_seconds(run, synchronize, clock, repeats, True)[:-1])


def _many_warm_ups(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    for _ in range(repeats - 1):
        run()
    return time_rightly(run, synchronize, clock, repeats)


def _many_warm_ups_not_awaited(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    for _ in range(repeats):
        run()
    return statistics.median(_seconds(run, synchronize, clock, repeats, False))


def _twice_in_a_stretch(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    synchronize()
    return statistics.median(_seconds(_twice(run), synchronize, clock, repeats, False))


def _always_twice(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return time_rightly(_twice(run), synchronize, clock, repeats)


def _twice(run: Any) -> Callable[[], None]:
    def both() -> None:
        run()
        run()

    return both


def _slowest(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return max(_seconds(run, synchronize, clock, repeats, True))


def _sum(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return sum(_seconds(run, synchronize, clock, repeats, True))


def _all_seconds(run: Any, synchronize: Any, clock: Any, repeats: int) -> list[float]:
    return _seconds(run, synchronize, clock, repeats, True)


def _last_alone(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return _seconds(run, synchronize, clock, repeats, True)[-1]


def _warm_up_not_awaited(pick: Callable[[list[float]], float], in_time: bool) -> Callable[..., Any]:
    """Return a stopwatch whose first time has the warm-up's rest in it.

    Args:
        pick: takes the middle of the times.
        in_time: whether the warm-up is waited for, but when the clock runs already.
    """

    def timed(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
        def wait_and_run() -> None:
            synchronize()
            run()

        run()
        one = wait_and_run if in_time else run
        return pick(_seconds(one, synchronize, clock, repeats, False))

    return timed


_NOT_AWAITED = tuple(
    _warm_up_not_awaited(pick, in_time)
    for pick in (
        statistics.median,
        statistics.median_low,
        statistics.median_high,
    )
    for in_time in (False, True)
)


def _never_waited(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    return statistics.median(_seconds(run, lambda: None, clock, repeats, False))


def _without_the_launch(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    synchronize()
    seconds = []
    for _ in range(repeats):
        run()
        start = clock()
        synchronize()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def _waited_for_too_late(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        synchronize()
        start = clock()
        run()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def _waited_too_early(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    synchronize()
    seconds = []
    for _ in range(repeats):
        start = clock()
        synchronize()
        run()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def _returned_at_once(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    return time_rightly(run, synchronize, clock, 1)


def _two_warm_ups(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    return time_rightly(run, synchronize, clock, repeats)


def _begun_once(run: Any, synchronize: Any, clock: Any, repeats: int) -> float:
    run()
    synchronize()
    start, seconds = clock(), []
    for _ in range(repeats):
        run()
        synchronize()
        seconds.append(clock() - start)
    return statistics.median(seconds)


class _QueueDevice:
    """A device that works off a queue, with a clock of its own that only it moves."""

    def __init__(self, durations: list[float]) -> None:
        self.durations = durations
        self.calls = self.readings = 0
        self.now = self.busy_until = 100.0

    def run(self) -> None:
        self.now += 0.001  # the launch
        duration = self.durations[min(self.calls, len(self.durations) - 1)]
        self.busy_until = max(self.now, self.busy_until) + duration
        self.calls += 1

    def synchronize(self) -> None:
        self.now = max(self.now, self.busy_until)

    def clock(self) -> float:
        self.readings += 1
        return self.now


def _timed(answer: Any, durations: list[float], repeats: int) -> Any:
    """Return what comes back, also of an even number of runs and if the last is slow.

    If all that is right, a few short lists follow in which the first run that counts decides.
    """
    device, other = _QueueDevice(durations), _QueueDevice(_slow_at_the_end(durations, repeats))
    seconds, more = (_on(each, answer, repeats) for each in (device, other))
    if device.readings == 0 and device.calls and isinstance(seconds, float):
        return "another clock was read"
    found = {
        "how often run() was called": device.calls,
        "what comes back": seconds,
        "what comes back if the last run is slow": more,
        "what comes back if `repeats` is even": _of_an_even_number(answer, durations, repeats - 1),
    }
    if difference(seconds, _on(_QueueDevice(durations), time_rightly, repeats)) is None:
        found |= _of_few(answer)
    return found


def _on(device: "_QueueDevice", stopwatch: Any, repeats: int) -> Any:
    return stopwatch(device.run, device.synchronize, device.clock, repeats)


def _of_few(answer: Any) -> dict[str, Any]:
    """Return what comes back of three runs, of one and of two, the first of which is the fastest.

    A warm-up that reaches into it makes it the slowest.
    """
    few = [9.0, 1.0, 2.0, 3.0, 4.0]
    return {
        "what comes back if the first run that counts is the fastest": _on(
            _QueueDevice(few), answer, 3
        ),
        "what comes back if `repeats` is 1": _on(_QueueDevice(few), answer, 1),
        "what comes back if `repeats` is 2": _of_an_even_number(answer, few, 2),
    }


def _of_an_even_number(answer: Any, durations: list[float], repeats: int) -> Any:
    """Return what comes back, or for any value between the two in the middle what is right."""

    def timed(stopwatch: Any) -> Any:
        return _on(_QueueDevice(durations), stopwatch, repeats)

    came = timed(answer)
    try:
        is_in_the_middle = timed(_lower_middle) - 1e-5 <= came <= timed(_upper_middle) + 1e-5
    except (TypeError, RuntimeError):  # no number
        return came
    return timed(time_rightly) if is_in_the_middle else came


def _slow_at_the_end(durations: list[float], repeats: int) -> list[float]:
    first, *timed = durations[: repeats + 1]
    slowest = timed.index(max(timed))
    timed[slowest], timed[-1] = timed[-1], timed[slowest]
    return [first, *timed, *durations[repeats + 1 :]]


def _durations(generator: Generator) -> tuple[Any, ...]:
    """Return a slow first run, then times: a long one first, a short one last, no median between.

    So a warm-up that counts, a run that is left out and a list that is not sorted all show.
    """
    repeats = (7, 9, 13)[in_turn(generator, 0, 3)]
    base, middle = 1 + float(torch.rand((), generator=generator)), repeats // 2
    order = [0] * repeats  # of ranks: the larger, the shorter
    while (
        order[middle] in (0, middle - 1, middle, repeats - 1)
        or not 0 < order[0] < middle < order[-1] < repeats - 1
    ):
        order = torch.randperm(repeats, generator=generator).tolist()
    return [20 * base] + [base * 0.7**k for k in order] + [9 * base], repeats


# 14.4 --------------------------------------------------------------------------------------------


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
    is_same = torch.equal(model.weight, weight) and torch.equal(model.bias, weight[0])
    return {
        "the gradient": model.weight.grad,
        "the gradient of the bias": model.bias.grad,
        "the pictures that went through the model at once": _within(size, model.largest),
        "the pictures that graphs keep alive": _within(size, model.most),
        "the weights": "as before" if is_same else "changed",
        "the model's mode": "training" if model.training else "eval",
        "what trains": [name for name, p in model.named_parameters() if p.requires_grad],
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


# 14.5 --------------------------------------------------------------------------------------------


def move(batch: Any, device: str) -> Any:
    """Return the same structure with every tensor on the device."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(move(value, device) for value in batch)
    return batch


def _top_level_alone(batch: Any, device: str) -> Any:
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def _dicts_alone(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _dicts_alone(value, device) for key, value in batch.items()}
    return batch


def _lists_of_all(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _lists_of_all(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return [_lists_of_all(value, device) for value in batch]
    return batch


def _tuples_forgotten(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _tuples_forgotten(value, device) for key, value in batch.items()}
    if isinstance(batch, list):
        return [_tuples_forgotten(value, device) for value in batch]
    return batch


def _into_the_old(batch: Any, device: str) -> Any:
    moved = move(batch, device)
    batch.update(moved)
    return batch


def _not_kept(batch: Any, device: str) -> Any:
    move(batch, device)
    return batch


def _always_here(batch: Any, device: str) -> Any:
    return move(batch, "cpu")


def _generators(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _generators(value, device) for key, value in batch.items()}
    if isinstance(batch, list):
        return [_generators(value, device) for value in batch]
    if isinstance(batch, tuple):
        return (_generators(value, device) for value in batch)
    return batch


def _tensors_alone(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _tensors_alone(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(_tensors_alone(value, device) for value in batch)
    return None


def _lists_alone(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        moved = {key: value for key, value in batch.items() if not isinstance(value, dict)}
        return batch | {key: _lists_alone(value, device) for key, value in moved.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(_lists_alone(value, device) for value in batch)
    return batch


def _keys_as_texts(batch: Any, device: str) -> Any:
    if isinstance(batch, dict):
        return {str(key): _keys_as_texts(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(_keys_as_texts(value, device) for value in batch)
    return move(batch, device)


def _made_short(batch: Any, device: str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, torch.float32)
    if isinstance(batch, dict):
        return {key: _made_short(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(_made_short(value, device) for value in batch)
    return batch


def _by_type(*kinds: type) -> Callable[[Any, str], Any]:
    """Return a `move` that takes for a tensor or a dict what is exactly of these classes."""

    def by_type(batch: Any, device: str) -> Any:
        derived = isinstance(batch, torch.Tensor | dict) and type(batch) not in (torch.Tensor, dict)
        if derived and any(isinstance(batch, kind) for kind in kinds):
            return batch
        if isinstance(batch, dict):
            return {key: by_type(value, device) for key, value in batch.items()}
        if isinstance(batch, list | tuple):
            return type(batch)(by_type(value, device) for value in batch)
        return move(batch, device)

    return by_type


def _detached(batch: Any, device: str) -> Any:
    with torch.no_grad():
        return move(batch, device)


def _inventory(value: Any, name: str = "batch") -> dict[str, str]:
    """Return what lies at each place of a structure, by a name such as batch["a"][0]."""
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        grad = ", requires grad" if value.requires_grad else ""
        return {name: f"a tensor on {value.device.type}, {dtype}, {tuple(value.shape)}{grad}"}
    if isinstance(value, dict):
        items = [(f"{name}[{key!r}]", inner) for key, inner in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{name}[{index}]", inner) for index, inner in enumerate(value)]
    else:
        is_plain = isinstance(value, int | float | str | None)
        return {name: repr(value) if is_plain else f"a {type(value).__name__}"}
    kind = "dict" if isinstance(value, dict) else type(value).__name__
    found = {name: f"a {kind} of {len(value)}"}
    for inner_name, inner in items:
        found |= _inventory(inner, inner_name)
    return found


def _numbers(value: Any, name: str = "batch") -> dict[str, Tensor]:
    """Return the tensors of a structure on the CPU, by their places."""
    if isinstance(value, torch.Tensor):
        return {} if value.is_meta else {f"the numbers of {name}": value.clone()}
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    found: dict[str, Tensor] = {}
    for key, inner in value.items() if isinstance(value, dict) else ():
        found |= _numbers(inner, f"{name}[{key!r}]")
    return found


def _of_a_dict(answer: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Return what lies where after two moves, and in the old batch."""
    given = copy.deepcopy(batch)
    new = answer(given, "meta")
    moved = _inventory(new)
    here = answer(copy.deepcopy(batch), "cpu")
    moved |= {f"on the CPU, {name}": what for name, what in _inventory(here).items()}
    before = {f"the old {name}": what for name, what in _inventory(given).items()}
    is_new = {"the dict that comes back": "the old one" if new is given else "a new one"}
    return moved | is_new | before | _numbers(here)


def _after_moving(answer: Any, batch: dict[str, Any]) -> Any:
    """Return what comes of a dict; if that is right, also of batches of another kind."""
    found = _of_a_dict(answer, batch)
    if difference(found, _of_a_dict(move, batch)) is None:
        for name, bare in _other_batches(batch).items():
            what = _inventory(answer(copy.deepcopy(bare), "meta"), name)
            found |= {f"{name}, as a whole batch": value for name, value in what.items()}
    return found


def _other_batches(batch: dict[str, Any]) -> dict[str, Any]:
    images = batch["images"]
    return {
        "a Tensor": images,
        "a list": batch["boxes"],
        "a tuple": (batch["labels"], {}, [], None),
        "an OrderedDict": OrderedDict(images=images),
        "a Parameter": nn.Parameter(images.clone()),
        "a tensor that requires grad": images.clone().requires_grad_(),
    }


def _structure(generator: Generator) -> tuple[Any, ...]:
    size = in_turn(generator, 2, 6)
    images = torch.randn(size, 1, 4, 4, generator=generator, dtype=torch.float64)
    weights = torch.rand(size, generator=generator, dtype=torch.float64)
    batch = {
        "images": images,
        "labels": torch.randint(0, 10, (size,), generator=generator),
        "boxes": [torch.zeros(k + 1, 4) for k in range(size)],
        "extra": {"weights": (weights, 0.5), "names": ["shoe"] * size, "mask": weights > 0.5},
        "pairs": [(images[:1] + 1, {"weight": weights + 2}), {28: weights + 3}, None],
        "epoch": in_turn(generator, 3, 20),
        "split": "train",
        "seed": None,
    }
    return (batch,)


_TIMED = tuple(
    f"""\
times, now, queue = iter({times} + [5.0] * 99), [0.0], [0.0]
def run():
    queue[0] += next(times)
def synchronize():
    now[0], queue[0] = now[0] + queue[0], 0.0
time_rightly(run, synchronize, lambda: now[0], {repeats})"""
    for times, repeats in (
        ([9.0, 3.0, 1.0, 2.0], 3),
        ([9.0, 1.0, 2.0, 3.0], 3),
        ([9.0, 1.0], 1),
    )
)

_ACCUMULATED = """\
model = nn.Linear(2, 2, bias=False)
model.weight.data = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
model.weight.grad = torch.ones(2, 2)
images, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 1, 1])
accumulate(model, images, labels, 2)
model.weight.grad"""

EXERCISES = (
    Exercise(
        number="14.1",
        prompt=(
            "**14.1 Predict.** A model of one million parameters, in float32, is trained with "
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
        number="14.2",
        prompt=(
            "**14.2 Predict.** `torch.finfo` gave bfloat16 an eps of 1/128: the next number after "
            "1 is 1 + 1/128. What is `(torch.tensor(512.0, dtype=torch.bfloat16) + 1).item()`?"
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
        number="14.3",
        prompt=(
            "**14.3 Modify.** This stopwatch makes each mistake of the section on timing:\n\n"
            "```python\n"
            "start = clock()\n"
            "for _ in range(repeats):\n"
            "    run()\n"
            "return (clock() - start) / repeats\n"
            "```\n\n"
            "Put it right: one run to warm up that does not count, then the median of `repeats` "
            "runs, each timed alone until the device has finished. `run()` puts work into the "
            "device's queue, `synchronize()` waits for it, `clock()` gives the seconds. `check` "
            "comes with a device and a clock of its own: the device lives in that time, so read "
            "`clock()` alone."
        ),
        stub="def time_rightly(run, synchronize, clock, repeats):\n    return None  # your lines",
        name="time_rightly",
        solution=time_rightly,
        wrong=(
            Wrong(
                _as_in_the_prompt,
                "you time how fast work can be put into the queue; wait with "
                "`synchronize()` before you read the clock.",
            ),
            Wrong(
                _no_warm_up, "the first run, the slow one, is among those you count; do one before."
            ),
            Wrong(
                _cold_mean,
                "the first run is among those you count, and a mean lets it spoil "
                "the rest; warm up, and take the median.",
            ),
            Wrong(
                _first_dropped,
                "only `repeats` − 1 runs count; the warm-up comes before the `repeats` that are "
                "timed.",
            ),
            Wrong(_mean, "you take the mean, which one slow run can spoil; take the median."),
            Wrong(_fastest, "you take the fastest run; the question asks for the median."),
            Wrong(_slowest, "you take the slowest run; the question asks for the median."),
            Wrong(_sum, "you add the times up; the question asks for their median."),
            Wrong(_last_alone, "that is the time of the last run alone; take the median of all."),
            Wrong(_all_seconds, "you return all the times; take their median."),
            Wrong(
                _unsorted_middle,
                "you take the time in the middle of the list as it was measured; the median is the "
                "middle one of the *sorted* times.",
            ),
            Wrong(
                _another_clock,
                "you read a clock of your own. The device lives in the time of `clock()`: call "
                "that.",
            ),
            *wrongs(
                "the warm-up's work ends in the first timed run: wait after it too, with "
                "`synchronize()` before the clock starts.",
                *_NOT_AWAITED,
            ),
            Wrong(
                _without_the_launch,
                "you read the clock after `run()`, so that its launch is not counted; read it "
                "before.",
            ),
            *wrongs(
                "you time how fast work can be put into the queue; wait with `synchronize()` "
                "after `run()`, before you read the clock. (Without its parentheses it is not "
                "called.)",
                *(_waited_for_too_late, _never_waited),
            ),
            Wrong(
                _waited_too_early,
                "you wait before `run()` and not after it, so that each time belongs to the run "
                "before; call `synchronize()` between `run()` and the second look at the clock.",
            ),
            Wrong(
                _returned_at_once,
                "it comes back after the first run that is timed: does `return` stand inside the "
                "loop?",
            ),
            *(
                Wrong(
                    answer,
                    "you warm up rightly, and then leave out one of the `repeats` times; all of "
                    "them count.",
                )
                for answer in (_first_left_out, _last_left_out)
            ),
            Wrong(
                _warm_up_counted,
                "there are `repeats` + 1 runs, and all of them count: the warm-up, the slow one, "
                "is among the times.",
            ),
            *(
                Wrong(
                    answer,
                    "you warm up `repeats` times; one run is enough, and one was asked for.",
                )
                for answer in (_many_warm_ups, _many_warm_ups_not_awaited)
            ),
            *(
                Wrong(
                    answer,
                    "`run()` is called twice between two looks at the clock; time each run alone.",
                )
                for answer in (_twice_in_a_stretch, _always_twice)
            ),
            Wrong(_two_warm_ups, "you warm up twice; one run is enough, and one was asked for."),
            Wrong(
                _begun_once,
                "the clock starts once, before the loop, so each time contains those before it; "
                "start it anew for each run.",
            ),
            Wrong(
                _one_wait,
                "you wait once at the end and divide, which is a mean; time each run "
                "alone and take the median.",
            ),
        ),
        hints=(
            "What does the clock show when `run()` comes back, and what has the device done?",
            "Within the loop: start, run, synchronise, and append what the clock says since.",
            "`run()` and `synchronize()` once before the loop, `statistics.median` after it.",
        ),
        because=(
            "a slow first run, a launch without work and an outlier are each kept out; "
            "`torch.utils.benchmark` does the same three things. (Of an even number of times, "
            "`statistics.median` takes the mean of the two in the middle, `torch.median` the "
            "lower.)"
        ),
        inputs=_durations,
        probe=_timed,
        examples=_TIMED,
        typical={"repeats": (3, 5, 10, 20, 100)},
    ),
    Exercise(
        number="14.4",
        prompt=(
            "**14.4 Build.** Write `accumulate(model, images, labels, size)`: go through the batch "
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
    Exercise(
        number="14.5",
        prompt=(
            "**14.5 Build.** Batches of real projects are nested: dicts of lists of tensors, with "
            "numbers and names among them. Write `move(batch, device)`, which returns the same "
            "structure of dicts, lists and tuples with every tensor on the device, everything else "
            "as it is, and the old batch unchanged. `check` moves to the meta device and to "
            "the CPU, which every machine has."
        ),
        stub="def move(batch, device):\n    return None  # your lines",
        name="move",
        solution=move,
        wrong=(
            Wrong(
                _top_level_alone,
                "you move the tensors at the top; those deeper down, in lists and dicts, stay "
                "behind.",
            ),
            Wrong(_dicts_alone, "you look into dicts; there are tensors in lists and tuples too."),
            Wrong(_tuples_forgotten, "the tensor in the tuple stays behind."),
            Wrong(
                _lists_of_all, "your tuples come back as lists; `type(batch)(…)` keeps the type."
            ),
            Wrong(_into_the_old, "the old batch has changed; build a new dict."),
            Wrong(_not_kept, "`tensor.to(device)` returns a new tensor; keep what it returns."),
            Wrong(
                _always_here,
                "the tensors stay on the CPU. Do you take the `device` that is passed, not one of "
                "the notebook, and keep what `tensor.to(device)` returns? The tensor itself stays.",
            ),
            Wrong(
                _generators,
                "a tuple came back as a generator: `(… for …)` makes no tuple; write "
                "`tuple(… for …)`.",
            ),
            Wrong(
                _tensors_alone,
                "numbers and names come back as None: return what is no tensor, dict, list or "
                "tuple as it is.",
            ),
            Wrong(
                _lists_alone,
                "you look into lists and tuples; there are tensors in inner dicts too.",
            ),
            Wrong(
                _keys_as_texts,
                "keys that are numbers come back as texts; keep each key as it is.",
            ),
            *wrongs(
                "classes that derive from a tensor or a dict stay behind, such as `nn.Parameter` "
                "or `OrderedDict`: ask with `isinstance(batch, …)`, not whether `type(batch)` is "
                "that very class.",
                *(_by_type(dict), _by_type(torch.Tensor), _by_type(dict, torch.Tensor)),
            ),
            Wrong(
                _detached,
                "a tensor that requires grad comes back cut off from its graph; `to` alone moves "
                "it and keeps that: no `detach`, and no `no_grad`.",
            ),
            Wrong(_made_short, "the tensors change their dtype; they are to be moved alone."),
        ),
        hints=(
            "Four cases: a tensor, a dict, a list or tuple, anything else.",
            "A function that calls itself for each value of a dict and each entry of a list.",
            "`{key: move(value, device) for key, value in batch.items()}` for a dict, "
            "`type(batch)(move(value, device) for value in batch)` for a list or tuple.",
        ),
        because=(
            "the function goes as deep as the structure does; a loop then needs one call for each "
            "batch, whatever a batch is."
        ),
        inputs=_structure,
        probe=_after_moving,
    ),
)

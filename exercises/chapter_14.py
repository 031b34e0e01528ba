"""The exercises of notebook 14: a stopwatch, moving what is nested, what stays behind, feeding."""

import copy
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs

# 14.1 --------------------------------------------------------------------------------------------


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


# 14.2 --------------------------------------------------------------------------------------------


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


# 14.3 --------------------------------------------------------------------------------------------


def left_behind() -> int:
    """Return how many tensors that hang on the model of 14.3 are on the CPU after the move."""
    layers = nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)
    model: Any = nn.Sequential(*layers)
    model.scale = torch.ones(2)
    model.others = [nn.Linear(2, 2), nn.Linear(2, 2)]
    model.to("meta")
    states = [module.state_dict() for module in (model, *model.others)]
    tensors = [model.scale, *(tensor for state in states for tensor in state.values())]
    return sum(tensor.device.type == "cpu" for tensor in tensors)


# 14.4 --------------------------------------------------------------------------------------------


def epoch_beside_a_worker() -> int:
    """Return the milliseconds of the epoch in 14.4: batch by batch, loaded and trained on."""
    loaded = done = 0
    for _ in range(100):
        loaded += 30
        done = max(loaded, done) + 40
    return done


EXERCISES = (
    Exercise(
        number="14.1",
        prompt=(
            "**14.1 Modify.** This stopwatch makes each mistake of the section on timing:\n\n"
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
        number="14.2",
        prompt=(
            "**14.2 Build.** Batches of real projects are nested: dicts of lists of tensors, with "
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
    Exercise(
        number="14.3",
        prompt=(
            "**14.3 Predict.** Somebody makes `model = nn.Sequential(nn.Linear(8, 4), "
            "nn.BatchNorm1d(4), nn.Linear(4, 2))`, then says `model.scale = torch.ones(2)` and "
            '`model.others = [nn.Linear(2, 2), nn.Linear(2, 2)]`. After `model.to("meta")`, how '
            "many tensors, of all that hang on `model`, are still on the CPU?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=left_behind,
        wrong=(
            Wrong(0, "a module moves what is registered, and not all of these are."),
            Wrong(
                1,
                "the plain attribute stays, and it is not alone: a plain list hides its modules "
                "from `model`, with all that they own.",
            ),
            Wrong(
                3,
                "you count each layer in the list as one; each has a weight and a bias.",
            ),
            Wrong(
                4,
                "right about the list, whose layers nobody finds; the plain attribute stays, too.",
            ),
            Wrong(2, "each layer in the list has a weight and a bias, and `scale` stays as well."),
            Wrong(8, "buffers are registered: the three of the batch normalisation move."),
            Wrong(9, "that is how many tensors have moved; the question is how many have not."),
            Wrong(14, "that is all of them; parameters and buffers of the three layers move."),
        ),
        hints=(
            "What does `model` know of: what `model.state_dict()` lists. What else hangs on it?",
            "`nn.Sequential` registers its layers. A plain tensor is not registered, and nor are "
            "modules in a plain list.",
            "1 for `scale`, and a weight and a bias for each of the two layers in the list.",
        ),
        because=(
            "nine tensors are registered and move: a weight and a bias for each linear layer, and "
            "five for the batch normalisation. `scale` and the two layers in the list stay behind."
        ),
    ),
    Exercise(
        number="14.4",
        prompt=(
            "**14.4 Predict.** Loading a batch takes 30 ms, and training on it 40 ms. One worker "
            "loads batch after batch ahead of time, in a process and on a core of its own, while "
            "the model trains; handing over costs nothing. From the moment at which the worker "
            "starts, how many milliseconds does an epoch of 100 batches take?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=epoch_beside_a_worker,
        wrong=(
            Wrong(7000, "that is without a worker: load, train, load, train."),
            Wrong(4000, "nearly: the model cannot begin before the first batch is there."),
            Wrong(
                3040,
                "that is when the last batch is loaded, plus its training; but the model is the "
                "slower of the two, and falls behind.",
            ),
            Wrong(3000, "that is the worker alone; the model takes longer."),
            Wrong(7030, "the worker loads *while* the model trains; their times do not add up."),
            Wrong(3970, "once the first batch is there, the model trains 100 times, not 99."),
        ),
        hints=(
            "Draw two lanes, the worker's and the model's. Who waits for whom?",
            "The worker is faster, so after the first batch the next is always ready.",
            "30 ms until the first batch is there, then 100 trainings of 40 ms.",
        ),
        because=(
            "the model waits once, for the first batch; then it is the slower of the two, and "
            "feeding it faster would change nothing. With a model of 20 ms the worker would set "
            "the pace."
        ),
    ),
)

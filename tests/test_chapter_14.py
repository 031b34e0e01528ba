"""What `check` says about answers to the exercises of notebook 14."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("14.1")
    as_it_was = "`tensor.to(device)` returns a new tensor"
    same = ("zeros", "ones", "NaN", "negative", "transpose")  # on the meta device
    assert_true_of_degenerate("14.2", {"first input": as_it_was}, but=same)


STOPWATCH = """
{before}
seconds = []
for _ in range({count}):
    {begin}
    start = clock()
    run()
    {wait}
    seconds.append(clock() - start)
return {result}
"""


def stopwatch(**parts):
    usual = {
        "before": "run(); synchronize()",
        "count": "repeats",
        "begin": "pass",
        "wait": "synchronize()",
        "result": "statistics.median(seconds)",
    }
    return STOPWATCH.format(**(usual | parts))


def clocked(result):
    return stopwatch(result=result).replace("clock()", "time.perf_counter()")


MOVE = """
def move(batch, where):
    if isinstance(batch, torch.Tensor):
        return {tensor}
    if isinstance(batch, dict):
        return {{key: move(value, where) for key, value in batch.items()}}
    if isinstance(batch, list):
        return [move(value, where) for value in batch]
    if isinstance(batch, tuple):
        return {tuple}
    return batch
"""


def moving(tensor="batch.to(where)", tuple="tuple(move(value, where) for value in batch)"):
    return MOVE.format(tensor=tensor, tuple=tuple)


RIGHT = {
    "14.1": [
        stopwatch(),
        stopwatch(before="run()", begin="synchronize()"),
        stopwatch(result="sorted(seconds)[repeats // 2]"),
        stopwatch(result="torch.tensor(seconds).median()"),
        stopwatch(result="torch.tensor(seconds, dtype=torch.float64).quantile(0.5).item()"),
    ],
    "14.2": [
        moving(),
        "if torch.is_tensor(batch):\n    return batch.to(device)\n"
        "if isinstance(batch, dict):\n"
        "    return dict(zip(batch, [move(v, device) for v in batch.values()]))\n"
        "if isinstance(batch, (list, tuple)):\n"
        "    return type(batch)([move(v, device) for v in batch])\n"
        "return batch",
        "from torch.utils._pytree import tree_map\n\ndef move(batch, device):\n"
        "    return tree_map(lambda v: v.to(device) if torch.is_tensor(v) else v, batch)",
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


WRONG = [
    (
        "14.1",
        stopwatch(begin="pass", wait="pass").replace("run()\n    pass", "synchronize()\n    run()"),
        "you wait before `run()` and not after it",
    ),
    ("14.1", stopwatch(count="10"), "as if repeats were always 10"),
    ("14.2", moving().replace("    return batch\n", "    return None\n"), "come back as None"),
    ("14.1", stopwatch(result="seconds[repeats // 2]"), "the middle one of the *sorted* times"),
    ("14.1", clocked("statistics.median(seconds)"), "you read a clock of your own"),
    ("14.1", stopwatch(before="", count="repeats + 1"), "the warm-up, the slow one, is among"),
    ("14.1", stopwatch(before="[run() for _ in range(repeats)]; synchronize()"), "`repeats` times"),
    ("14.1", stopwatch(before="[run() for _ in range(repeats)]"), "you warm up `repeats` times"),
    ("14.1", stopwatch(wait="run(); synchronize()"), "`run()` is called twice between"),
    (
        "14.2",
        moving().replace("{key: move", "{str(key): move"),
        "keys that are numbers come back as texts",
    ),
    (
        "14.2",
        moving().replace("return batch.to(where)", "batch.to(where)\n        return batch"),
        "and keep what `tensor.to(device)` returns",
    ),
    ("14.1", stopwatch(before=""), "the first run, the slow one"),
    ("14.1", stopwatch(before="run()"), "the warm-up's work ends in the first"),
    ("14.1", stopwatch(wait="pass"), "how fast work can be put into the queue"),
    ("14.1", stopwatch(count="repeats - 1"), "only `repeats` − 1 runs count"),
    ("14.1", stopwatch(count="5", before="run(); synchronize(); run()"), "expected"),
    ("14.1", stopwatch(result="sum(seconds) / repeats"), "you take the mean"),
    ("14.1", stopwatch(result="min(seconds)"), "you take the fastest run"),
    ("14.1", stopwatch(result="max(seconds)"), "you take the slowest run"),
    ("14.1", stopwatch(result="seconds"), "you return all the times"),
    ("14.1", stopwatch(result="sum(seconds)"), "you add the times up"),
    ("14.1", stopwatch(result="statistics.median(seconds[1:])"), "leave out one of the `repeats`"),
    ("14.1", stopwatch(result="statistics.median(seconds[:-1])"), "leave out one of the `repeats`"),
    ("14.1", stopwatch(before="run(); run(); run(); synchronize()"), "often run() was called: exp"),
    (
        "14.2",
        moving().replace("batch.items()}", "batch.items() if value is not None}"),
        "a dict of",
    ),
    ("14.1", stopwatch(result="1000 * statistics.median(seconds)"), "1000 times as much"),
    ("14.1", stopwatch(before="run(); run(); synchronize()"), "you warm up twice"),
    (
        "14.1",
        "run()\nsynchronize()\nstart = clock()\nfor _ in range(repeats):\n    run()\n"
        "synchronize()\nreturn (clock() - start) / repeats",
        "you wait once at the end",
    ),
    (
        "14.1",
        stopwatch().replace("start = clock()\n    run()", "run()\n    start = clock()"),
        "its launch is not counted",
    ),
    *(
        ("14.1", code, "the warm-up's work ends in the first timed run: wait after it too")
        for code in (
            stopwatch(before="run()"),
            stopwatch(before="run(); synchronize"),
            stopwatch(before="run()", result="sorted(seconds)[repeats // 2]"),
            stopwatch(before="run()").replace("start = clock()", "start = clock(); synchronize()"),
        )
    ),
    ("14.1", stopwatch(wait="synchronize"), "(Without its parentheses it is not called.)"),
    ("14.2", moving(tuple="(move(value, where) for value in batch)"), "came back as a generator"),
    ("14.2", moving(tensor="batch.to(device)"), "take the `device` that is passed"),
    ("14.2", moving(tuple="[move(value, where) for value in batch]"), "come back as lists"),
    ("14.2", moving(tuple="batch"), "the tensor in the tuple stays behind"),
    ("14.2", moving(tensor="batch.to(where).float()"), "change their dtype"),
    ("14.2", moving(tensor="torch.zeros(batch.shape, device=where, dtype=batch.dtype)"), "numbers"),
    ("14.2", moving(tensor="batch.detach().to(where)"), "cut off from its graph"),
    *(
        ("14.2", moving().replace(*exact), "such as `nn.Parameter` or `OrderedDict`")
        for exact in (
            ("isinstance(batch, dict)", "type(batch) == dict"),
            ("isinstance(batch, torch.Tensor)", "type(batch) == torch.Tensor"),
        )
    ),
    ("14.2", moving(tensor="batch.cpu()"), "take the `device` that is passed"),
    (
        "14.2",
        "return {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items()}",
        "you move the tensors at the top",
    ),
    ("14.2", "return {k: v.to(device) for k, v in batch.items()}", "your code raised AttributeErr"),
    (
        "14.2",
        "for k, v in batch.items():\n    if torch.is_tensor(v):\n        batch[k] = v.to(device)\n"
        "return batch",
        "got",
    ),
    (
        "14.2",
        "if torch.is_tensor(batch):\n    return batch.to(device)\n"
        "if isinstance(batch, dict):\n    return {k: move(v, device) for k, v in batch.items()}\n"
        "return batch",
        "you look into dicts",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)


PREDICTIONS = [
    ("14.3", "0", "not all of these are"),
    ("14.3", "1", "a plain list hides its modules"),
    ("14.3", "3", "each has a weight and a bias"),
    ("14.3", "4", "the plain attribute stays, too"),
    ("14.3", "8", "buffers are registered"),
    ("14.3", "9", "how many have not"),
    ("14.3", "14", "that is all of them"),
    ("14.4", "7000", "without a worker"),
    ("14.4", "4000", "before the first batch is there"),
    ("14.4", "3040", "falls behind"),
    ("14.4", "7030", "do not add up"),
]


@pytest.mark.parametrize(("number", "answer", "words"), PREDICTIONS)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer"), [("14.3", "1 + 2 * 2"), ("14.4", "'4,030'"), ("14.4", "30 + 100 * 40")]
)
def test_right_predictions(number, answer):
    assert_right(number, answer)

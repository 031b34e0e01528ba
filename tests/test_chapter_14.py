"""What `check` says about answers to the exercises of notebook 14."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("14.3")
    as_it_was = "`tensor.to(device)` returns a new tensor"
    same = ("zeros", "ones", "NaN", "negative", "transpose")  # on the meta device
    assert_true_of_degenerate("14.5", {"first input": as_it_was}, but=same)


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("14.1", "14", "you gave the weights or the gradients two bytes a number"),
        ("14.1", "18", "the short copy of the weights"),
        ("14.1", "16e6 / 2**20", "those are mebibytes"),
        ("14.1", "128", "you counted bits"),
        ("14.1", "20", "that is five tensors"),
        ("14.1", "6", "6 is too small. How many tensors of the weights' shape are kept"),
        ("14.2", "512 + 1 / 128", "the gap grows with the number"),
        ("14.2", "508", "nothing is subtracted"),
        ("14.2", "float('inf')", "what it lacks is digits"),
        ("14.2", "514", "there is no 514"),
        ("14.2", "520", "520 is too large. The gap between neighbours grows"),
    ],
)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer"), [("14.1", "'16 MB'"), ("14.1", "4 * 4"), ("14.2", "'512, as before'")]
)
def test_right_predictions(number, answer):
    assert_right(number, answer)


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


SPLIT = "for part, answers in zip(images.split(size), labels.split(size)):\n    "
LOSS = "F.cross_entropy(model(part), answers)"

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
    "14.3": [
        stopwatch(),
        stopwatch(before="run()", begin="synchronize()"),
        stopwatch(result="sorted(seconds)[repeats // 2]"),
        stopwatch(result="torch.tensor(seconds).median()"),
        stopwatch(result="torch.tensor(seconds, dtype=torch.float64).quantile(0.5).item()"),
    ],
    "14.4": [
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "for p in model.parameters():\n    p.grad = None\n"
        "for at in range(0, len(images), size):\n"
        "    logits = model(images[at : at + size])\n"
        "    loss = F.cross_entropy(logits, labels[at : at + size], reduction='sum')\n"
        "    (loss / len(labels)).backward()",
        "model.zero_grad()\nfor n in range(len(images)):\n"
        "    loss = F.cross_entropy(model(images[n : n + 1]), labels[n : n + 1])\n"
        "    (loss / len(images)).backward()",
        "model.zero_grad()\ncount = -(-len(images) // size)\n"
        "for part, answers in zip(images.tensor_split(count), labels.tensor_split(count)):\n"
        f"    ({LOSS} * len(part) / len(images)).backward()",
        "torch.optim.SGD(model.parameters(), lr=0.1).zero_grad(set_to_none=False)\n"
        f"{SPLIT}({LOSS} * (len(part) / len(images))).backward()",
    ],
    "14.5": [
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
        "14.3",
        stopwatch(begin="pass", wait="pass").replace("run()\n    pass", "synchronize()\n    run()"),
        "you wait before `run()` and not after it",
    ),
    ("14.3", stopwatch(count="10"), "as if repeats were always 10"),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} / len(images)).backward()",
        "you add up means and divide by the number of pictures",
    ),
    ("14.4", f"model.zero_grad()\n{SPLIT}({LOSS} / len(part)).backward()", "is a mean already"),
    ("14.5", moving().replace("    return batch\n", "    return None\n"), "come back as None"),
    ("14.3", stopwatch(result="seconds[repeats // 2]"), "the middle one of the *sorted* times"),
    ("14.3", clocked("statistics.median(seconds)"), "you read a clock of your own"),
    ("14.3", stopwatch(before="", count="repeats + 1"), "the warm-up, the slow one, is among"),
    ("14.3", stopwatch(before="[run() for _ in range(repeats)]; synchronize()"), "`repeats` times"),
    ("14.3", stopwatch(before="[run() for _ in range(repeats)]"), "you warm up `repeats` times"),
    ("14.3", stopwatch(wait="run(); synchronize()"), "`run()` is called twice between"),
    (
        "14.5",
        moving().replace("{key: move", "{str(key): move"),
        "keys that are numbers come back as texts",
    ),
    (
        "14.5",
        moving().replace("return batch.to(where)", "batch.to(where)\n        return batch"),
        "and keep what `tensor.to(device)` returns",
    ),
    ("14.3", stopwatch(before=""), "the first run, the slow one"),
    ("14.3", stopwatch(before="run()"), "the warm-up's work ends in the first"),
    ("14.3", stopwatch(wait="pass"), "how fast work can be put into the queue"),
    ("14.3", stopwatch(count="repeats - 1"), "only `repeats` − 1 runs count"),
    ("14.3", stopwatch(count="5", before="run(); synchronize(); run()"), "expected"),
    ("14.3", stopwatch(result="sum(seconds) / repeats"), "you take the mean"),
    ("14.3", stopwatch(result="min(seconds)"), "you take the fastest run"),
    ("14.3", stopwatch(result="max(seconds)"), "you take the slowest run"),
    ("14.3", stopwatch(result="seconds"), "you return all the times"),
    ("14.3", stopwatch(result="sum(seconds)"), "you add the times up"),
    ("14.3", stopwatch(result="statistics.median(seconds[1:])"), "leave out one of the `repeats`"),
    ("14.3", stopwatch(result="statistics.median(seconds[:-1])"), "leave out one of the `repeats`"),
    ("14.3", stopwatch(before="run(); run(); run(); synchronize()"), "often run() was called: exp"),
    (
        "14.5",
        moving().replace("batch.items()}", "batch.items() if value is not None}"),
        "a dict of",
    ),
    ("14.3", stopwatch(result="1000 * statistics.median(seconds)"), "1000 times as much"),
    ("14.3", stopwatch(before="run(); run(); synchronize()"), "you warm up twice"),
    (
        "14.3",
        "run()\nsynchronize()\nstart = clock()\nfor _ in range(repeats):\n    run()\n"
        "synchronize()\nreturn (clock() - start) / repeats",
        "you wait once at the end",
    ),
    (
        "14.3",
        stopwatch().replace("start = clock()\n    run()", "run()\n    start = clock()"),
        "its launch is not counted",
    ),
    *(
        ("14.3", code, "the warm-up's work ends in the first timed run: wait after it too")
        for code in (
            stopwatch(before="run()"),
            stopwatch(before="run(); synchronize"),
            stopwatch(before="run()", result="sorted(seconds)[repeats // 2]"),
            stopwatch(before="run()").replace("start = clock()", "start = clock(); synchronize()"),
        )
    ),
    ("14.3", stopwatch(wait="synchronize"), "(Without its parentheses it is not called.)"),
    (
        "14.4",
        f"model.eval()\nmodel.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "the model is left in eval mode",
    ),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(images) / len(part)).backward()",
        "your weight is upside down",
    ),
    *(
        (
            "14.4",
            "model.zero_grad()\nfor part in images.split(size):\n"
            f"    (F.cross_entropy(model(part), labels[: len(part)]){weight}).backward()",
            "every part is compared with the first labels",
        )
        for weight in ("", " * len(part) / len(images)")
    ),
    *(
        ("14.4", f"model.zero_grad()\n{SPLIT}({loss} * len(part) / len(images)).backward()", words)
        for loss, words in (
            ("F.nll_loss(model(part), answers)", "`F.nll_loss` wants the logarithms"),
            ("F.nll_loss(model(part).softmax(1), answers)", "`F.nll_loss` wants the logarithms"),
            ("F.cross_entropy(model(part).softmax(1), answers)", "one softmax too many"),
            ("F.mse_loss(model(part), answers[:, None] + 0.0)", "and gives   [["),
        )
    ),
    (
        "14.4",
        f"model.zero_grad()\ntotal = 0.0\n{SPLIT}total += {LOSS}.item()\nreturn total",
        "`.grad` is None in the end",
    ),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()\n"
        "torch.optim.SGD(model.parameters(), lr=0.3).step()",
        "you also let an optimizer step",
    ),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()\n"
        "model.zero_grad()",
        "`.grad` is None in the end",
    ),
    ("14.4", f"{SPLIT}({LOSS} * len(part) / len(images)).backward()", "the old gradient is still"),
    ("14.4", f"model.zero_grad()\n{SPLIT}{LOSS}.backward()", "you add up the parts' means"),
    ("14.4", f"model.zero_grad()\n{SPLIT}({LOSS} * size / len(images)).backward()", "with `size`"),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} / (len(images) / size)).backward()",
        "with `size`",
    ),
    (
        "14.4",
        f"model.weight.grad = None\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "in the gradient of the bias",
    ),
    ("14.4", "model.zero_grad()\nF.cross_entropy(model(images), labels).backward()", "at once"),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}loss = {LOSS} * len(part) / len(images)\n"
        "    loss.backward(retain_graph=True)",
        "leave out `retain_graph=True`",
    ),
    (
        "14.4",
        f"model.zero_grad()\nkept = []\n{SPLIT}kept.append({LOSS} * len(part) / len(images))\n"
        "    kept[-1].backward(retain_graph=True)",
        "all the parts' graphs are alive together",
    ),
    (
        "14.4",
        f"kept = []\n{SPLIT}loss = {LOSS} * len(part) / len(images)\n"
        "    kept.append(torch.autograd.grad(loss, list(model.parameters())))\n"
        "return [sum(parts) for parts in zip(*kept)]",
        "you return the gradients",
    ),
    (
        "14.4",
        "model.zero_grad()\nfor part, answers in zip(images.chunk(size), labels.chunk(size)):\n"
        f"    ({LOSS} * len(part) / len(images)).backward()",
        "`chunk(size)` makes `size` parts",
    ),
    (
        "14.4",
        "for p in model.parameters():\n    p.grad.zero_()\n"
        f"{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "as long as there is no gradient, `.grad` is None",
    ),
    (
        "14.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * (len(part) / len(images)) ** 0.5).backward()",
        "    model.weight.grad\n    should give [[",
    ),
    (
        "14.4",
        f"model.zero_grad()\ntotal = 0\n{SPLIT}total += {LOSS} * len(part) / len(images)\n"
        "total.backward()",
        "all the parts' graphs are alive together",
    ),
    (
        "14.4",
        "model.zero_grad()\nsteps = len(images) // size\nfor n in range(steps):\n"
        "    rows = slice(n * size, n * size + size)\n"
        "    (F.cross_entropy(model(images[rows]), labels[rows]) * size / len(images)).backward()",
        "the short part at the end is left out",
    ),
    ("14.5", moving(tuple="(move(value, where) for value in batch)"), "came back as a generator"),
    ("14.5", moving(tensor="batch.to(device)"), "take the `device` that is passed"),
    ("14.5", moving(tuple="[move(value, where) for value in batch]"), "come back as lists"),
    ("14.5", moving(tuple="batch"), "the tensor in the tuple stays behind"),
    ("14.5", moving(tensor="batch.to(where).float()"), "change their dtype"),
    ("14.5", moving(tensor="torch.zeros(batch.shape, device=where, dtype=batch.dtype)"), "numbers"),
    ("14.5", moving(tensor="batch.detach().to(where)"), "cut off from its graph"),
    *(
        ("14.5", moving().replace(*exact), "such as `nn.Parameter` or `OrderedDict`")
        for exact in (
            ("isinstance(batch, dict)", "type(batch) == dict"),
            ("isinstance(batch, torch.Tensor)", "type(batch) == torch.Tensor"),
        )
    ),
    ("14.5", moving(tensor="batch.cpu()"), "take the `device` that is passed"),
    (
        "14.5",
        "return {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items()}",
        "you move the tensors at the top",
    ),
    ("14.5", "return {k: v.to(device) for k, v in batch.items()}", "your code raised AttributeErr"),
    (
        "14.5",
        "for k, v in batch.items():\n    if torch.is_tensor(v):\n        batch[k] = v.to(device)\n"
        "return batch",
        "got",
    ),
    (
        "14.5",
        "if torch.is_tensor(batch):\n    return batch.to(device)\n"
        "if isinstance(batch, dict):\n    return {k: move(v, device) for k, v in batch.items()}\n"
        "return batch",
        "you look into dicts",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)

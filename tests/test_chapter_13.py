"""What `check` says about answers to the exercises of notebook 13."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    nothing = {"None": "nothing comes back, though"}
    assert_true_of_degenerate("13.3", {"first input": "you return a model"})
    assert_true_of_degenerate("13.4", but=("zeros", "ones", "NaN", "negative", "transpose"))
    assert_true_of_degenerate("13.5", nothing)


PREDICTIONS = [
    ("13.1", "5", "you counted the parameters"),
    ("13.1", "6", "batch normalisation has five entries"),
    ("13.1", "10", "ReLU and Flatten own nothing"),
    ("13.1", "34745", "that is how many numbers"),
    ("13.1", "12", "12 is too large. Go from layer to layer"),
    (
        "13.1",
        "nn.Sequential(nn.Conv2d(1, 6, kernel_size=5, bias=False), nn.BatchNorm2d(6), nn.ReLU(), "
        "nn.Flatten(), nn.Linear(3456, 10)).state_dict()",
        "expected a number, got a dict with 8 entries",
    ),
    ("13.2", "38", "you left out the biases"),
    ("13.2", "69", "three numbers for each number of the net"),
    ("13.2", "73", "the parameters themselves"),
    ("13.2", "12", "that is the number of tensors"),
    ("13.2", "54", "54 is too large. The net has 4 × 3 + 3"),
]


@pytest.mark.parametrize(("number", "answer", "words"), PREDICTIONS)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer"), [("13.1", "'8'"), ("13.1", "1 + 5 + 2"), ("13.2", "'2 * 23 + 4'")]
)
def test_right_predictions(number, answer):
    assert_right(number, answer)


TRAINING = """
best_accuracy, best = -1.0, {{}}
for _ in range({epochs}):
    train_epoch(model)
    accuracy = validate(model)
    if accuracy > best_accuracy:
        {keep}
return {result}
"""
COPY = "copy.deepcopy(model.state_dict())"


def training(keep, result="best", epochs="epochs"):
    return TRAINING.format(keep=keep, result=result, epochs=epochs)


RIGHT = {
    "13.3": [
        training(f"best_accuracy, best = accuracy, {COPY}")
        .replace("-1.0, {}", "0.0, None")
        .replace(" > ", " >= "),
        training(f"best_accuracy, best = accuracy, {COPY}"),
        training(f"best_accuracy, best = accuracy, {COPY}").replace(" > ", " >= "),
        training(
            "best_accuracy = accuracy; "
            "best = {name: t.detach().clone() for name, t in model.state_dict().items()}"
        ),
        training("best_accuracy, best = accuracy, copy.deepcopy(model)", "best.state_dict()"),
        "states, accuracies = [], []\n"
        "for _ in range(epochs):\n"
        "    train_epoch(model)\n"
        "    accuracies.append(validate(model))\n"
        f"    states.append({COPY})\n"
        "return states[accuracies.index(max(accuracies))]",
        training(f"best_accuracy, best = accuracy, {COPY}")
        .replace("accuracy = validate(model)", "accuracy = validate(model); validate(model)")
        .replace("return best", "model.load_state_dict(best)\nreturn best"),
    ],
    "13.4": [
        """
        left, own = [], model.state_dict()
        for name, tensor in state.items():
            if name in own and own[name].shape == tensor.shape:
                own[name].copy_(tensor)
            else:
                left.append(name)
        return left
        """,
        """
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        rest = {n: t for n, t in state.items() if shapes.get(n) != t.shape}
        both = model.state_dict() | {n: t for n, t in state.items() if n not in rest}
        model.load_state_dict(both)
        return tuple(rest)
        """,
    ],
    "13.5": [
        """
        epochs = sorted((int(p.name[6:-3]) for p in folder.iterdir()), reverse=True)
        for epoch in epochs:
            try:
                return torch.load(folder / f"epoch_{epoch}.pt", weights_only=False)
            except (RuntimeError, EOFError):
                pass
        """,
        """
        newest = None
        for path in sorted(Path(folder).glob("*.pt"), key=lambda p: int(p.stem.split("_")[-1])):
            try:
                newest = torch.load(path)
            except Exception as error:
                print(type(error).__name__)
        return newest
        """,
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


BY_EPOCH = "sorted(folder.glob('*.pt'), key=lambda p: int(p.stem[6:]), reverse=True)"
LOADING = """
for path in {paths}:
    try:
        return {load}
    except {error}:
        continue
"""


def loading(paths=BY_EPOCH, load="torch.load(path)", error="Exception"):
    return LOADING.format(paths=paths, load=load, error=error)


ONE_BY_ONE = f"""
for path in {BY_EPOCH}:
    try:
        state = torch.load(path)
    except Exception:
        continue
    if {{test}}:
        return state
"""
BY_CONTENT = """
best = None
for path in folder.glob("*.pt"):
    try:
        state = torch.load(path)
    except Exception:
        continue
    if best is None or state["epoch"] > best["epoch"]:
        best = state
return best
"""
BEST = f"best_accuracy, best = accuracy, {COPY}"
AS_MEASURED = "accuracy = validate(model)"


def test_right_with_a_remark():
    assert_right("13.5", ONE_BY_ONE.format(test="state is not None"))
    again = training(BEST).replace("best = accuracy", "best = validate(model)")
    assert_right("13.3", again, "once an epoch is enough")


LEFT_BEHIND = [
    ("13.3", training(BEST).replace("return", "model.eval()\nreturn"), "the model in eval mode"),
    *(
        ("13.3", training(BEST).replace(AS_MEASURED, rounded).replace(" > ", sign), "not rounded")
        for rounded in ("accuracy = round(validate(model), 2)",)
        for sign in (" > ", " >= ")
    ),
    ("13.5", BY_CONTENT, "the highest epoch goes by the name"),
    ("13.5", ONE_BY_ONE.format(test="'epoch' in state"), "the highest epoch goes by the name"),
    ("13.5", ONE_BY_ONE.format(test="state"), "what counts as false"),
    ("13.5", f"here = folder\nimport os\nos.chdir(here)\n{loading()}", "in another working dir"),
]


@pytest.mark.parametrize(("number", "code", "words"), LEFT_BEHIND)
def test_what_is_left_behind(number, code, words):
    assert_wrong(number, code, words)


FITTING = """
own = model.state_dict()
left = [n for n in state if n not in own or own[n].shape != state[n].shape]
fits = {n: t for n, t in state.items() if n not in left}
"""

WRONG = [
    *(
        (
            "13.3",
            training(f"best_accuracy, best = accuracy, {COPY}").replace("-1.0, {}", start),
            "where every accuracy is 0, no epoch is kept",
        )
        for start in ("0.0, {}", "0, None")
    ),
    *(
        (
            "13.3",
            training(
                "best_accuracy = accuracy; "
                f"best = {{n: t.clone().{to} for n, t in model.state_dict().items()}}"
            ),
            "the entries do not keep their dtypes",
        )
        for to in ("float()", "double()", "half()")
    ),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}").replace(
            "train_epoch(model)\n    accuracy = validate(model)",
            "accuracy = validate(model)\n    train_epoch(model)",
        ),
        "you train once more between `validate` and the copy",
    ),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}; return best"),
        "does `return` stand inside the loop?",
    ),
    (
        "13.3",
        training(
            "best_accuracy = accuracy; best = {n: t.numpy() for n, t in model.state_dict().items()}"
        ),
        "its tensors are still the model's own",
    ),
    ("13.4", f"{FITTING}return model.load_state_dict(fits, strict=False)", "what `load_state_dict"),
    ("13.5", loading("[folder / f'epoch_{n}.pt' for n in range(20, 0, -1)]"), "in what was loaded"),
    ("13.3", training(f"best = {COPY}"), "Is `best_accuracy` set whenever an epoch is better?"),
    (
        "13.3",
        training("best_accuracy, best = accuracy, model.state_dict().copy()"),
        "its tensors are still the model's own",
    ),
    (
        "13.3",
        training("best_accuracy, best = accuracy, model.state_dict()", "copy.deepcopy(best)"),
        "When training is over, the tensors hold the last epoch",
    ),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}", "model.state_dict()").replace(
            "return", "model.load_state_dict(best)\nreturn"
        ),
        "but what you return is the model's own state",
    ),
    ("13.3", training(f"best_accuracy, best = accuracy, {COPY}", epochs="epochs + 1"), "too many"),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}").replace(" > ", " < "),
        "no epoch is ever kept",
    ),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}")
        .replace(" > ", " < ")
        .replace("-1.0", "2.0"),
        "you keep the worst epoch",
    ),
    ("13.3", training(f"best_accuracy, best = accuracy, {COPY}", "best, accuracy"), "several thin"),
    ("13.3", training("best_accuracy, best = accuracy, copy.deepcopy(model)"), "return a model"),
    (
        "13.3",
        training(
            "best_accuracy = accuracy; best = {n: p.clone() for n, p in model.named_parameters()}"
        ),
        "the buffers are missing",
    ),
    ("13.4", "return model.load_state_dict(state, strict=False).unexpected_keys", "another shape"),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False, assign=True)\nreturn left",
        "now shares its memory with `state`",
    ),
    (
        "13.4",
        f"{FITTING}for n in left:\n    state.pop(n)\n"
        "model.load_state_dict(state, strict=False)\nreturn left",
        "you take entries out of `state`",
    ),
    ("13.4", f"{FITTING}model.load_state_dict(fits)\nreturn left", "your code raised RuntimeError"),
    ("13.4", f"{FITTING}return left", "the model that was passed is as before"),
    ("13.4", f"{FITTING}model.load_state_dict(fits, strict=False)\nreturn model, left", "alone"),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\nreturn list(fits)",
        "were loaded",
    ),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\nreturn len(left)",
        "how many we",
    ),
    ("13.4", f"{FITTING}model.load_state_dict(fits, strict=False)", "expected a list with 3 ent"),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\nreturn sorted(left)",
        "not in the order of `state`",
    ),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\n"
        "return [n for n in left if n not in own]",
        "your list lacks the entries whose name is known",
    ),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False).missing_keys\n"
        "return model.load_state_dict(fits, strict=False).missing_keys",
        "what remained unfilled in the model",
    ),
    (
        "13.4",
        """
        left, own = [], model.state_dict()
        for name, tensor in state.items():
            try:
                own[name].copy_(tensor)
            except Exception:
                left.append(name)
        return left
        """,
        "`copy_` stretches a tensor of one entry",
    ),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\nmodel.eval()\nreturn left",
        "mod",
    ),
    (
        "13.4",
        f"{FITTING}model.load_state_dict(fits, strict=False)\n"
        "model.requires_grad_(False)\nreturn left",
        "what trains",
    ),
    ("13.5", loading(error="EOFError"), "half a file RuntimeError. Catch both"),
    ("13.5", loading(error="RuntimeError"), "half a file RuntimeError. Catch both"),
    (
        "13.5",
        "for n in (10, 9, 8):\n    try:\n        return torch.load(folder / f'epoch_{n}.pt')\n"
        "    except Exception:\n        continue",
        "in epoch: expected 1",
    ),
    ("13.5", loading(load="torch.laod(path)"), "an `except` hides what fails"),
    ("13.5", loading(load="load_checkpoint(path)"), "these files are no whole checkpoints"),
    ("13.5", loading("sorted(folder.glob('*.pt'), reverse=True)"), "you sort the names as texts"),
    ("13.5", loading("sorted(folder.glob('*.pt'))"), "in epoch: expected 1"),
    ("13.5", loading(BY_EPOCH.replace("True", "False")), "you begin with the lowest epoch"),
    ("13.5", loading("range(3)", load="folder.nothing"), "Do you try each of them"),
    (
        "13.5",
        f"*_, second, last = {BY_EPOCH.replace('True', 'False')}\ntry:\n"
        "    return torch.load(last)\nexcept Exception:\n    return torch.load(second)",
        "you load after the newest one may be damaged as well",
    ),
    ("13.5", loading(BY_EPOCH.replace("stem[6:]", "stem[-1]")), "the last digit of the name"),
    ("13.5", f"paths = list(folder.glob('*.pt'))\n{BY_EPOCH}\n" + loading("paths"), "in no order"),
    ("13.5", loading(load="path.stem, torch.load(path)"), "you return several things"),
    ("13.5", loading(load="path.read_bytes()"), "you return the bytes"),
    (
        "13.5",
        "n, newest = 8, None\nwhile (folder / f'epoch_{n}.pt').exists():\n    try:\n"
        "        newest = torch.load(folder / f'epoch_{n}.pt')\n"
        "    except Exception:\n        pass\n    n += 1\nreturn newest",
        "you count up and stop where a number has no file",
    ),
    (
        "13.3",
        training(f"best_accuracy, best = accuracy, {COPY}").replace(
            "return", "    else:\n        break\nreturn"
        ),
        "you stop at the first epoch that is no better",
    ),
    (
        "13.3",
        training(
            "best_accuracy = accuracy; "
            "best = {n: t.tolist() for n, t in model.state_dict().items()}"
        ),
        "but they are lists",
    ),
    ("13.5", loading(load="path"), "what was loaded"),
    ("13.5", loading(load="torch.load(path) and path"), "that is the path of the right file"),
    ("13.5", loading(load="torch.load(path)['epoch']"), "that is the right epoch"),
    ("13.5", loading(load="torch.load(path)['weight']"), "what was loaded"),
    ("13.5", loading("folder"), "your code raised TypeError"),
    (
        "13.5",
        f"for path in {BY_EPOCH}:\n    try:\n        return torch.load(path)\n"
        "    except Exception:\n        path.unlink()",
        "you delete the damaged files",
    ),
    ("13.5", f"return torch.load({BY_EPOCH}[0])", "Catch both, and try the next older file"),
    (
        "13.5",
        loading("sorted(folder.glob('*.pt'), key=lambda p: p.stat().st_mtime, reverse=True)"),
        "you go by the time of writing",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)

"""What `check` says about answers to the exercises of notebook 03."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def step(*lines):
    """An update with these lines in its loop."""
    body = "".join(f"        {line}\n" for line in lines)
    return f"with torch.no_grad():\n    for w in weights:\n{body}"


def rows(*lines, of="torch.eye(len(f(x)), dtype=x.dtype)", end="return torch.stack(rows)"):
    """A Jacobian with these lines in its loop over `v`."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"x = x.detach().clone().requires_grad_()\nrows = []\nfor v in {of}:\n{body}{end}"


EMPTY, BACK, KEEP = "x.grad = None", "f(x).backward(gradient=v)", "rows.append(x.grad)"
MOVE, FORGET = "w -= learning_rate * w.grad", "w.grad = None"
PUT_BACK = """
kept = [None if x.grad is None else x.grad.clone() for x in inputs]
f(*inputs).backward()
found = tuple({} for x in inputs)
for x, old in zip(inputs, kept):
    {}
return found
"""
COPIES = "{}\nf(*copies).backward()\nreturn tuple(c.grad for c in copies)"

RIGHT = [
    ("3.1", "17"),
    ("3.1", "'tensor(17.)'"),
    ("3.1", "torch.tensor([17.0])"),
    ("3.1", "'12 + 5'"),
    ("3.2", "'abd'"),
    ("3.2", "'dba'"),
    ("3.2", "'a, b and d'"),
    ("3.2", "('a', 'b', 'd')"),
    ("3.2", "{'d', 'b', 'a'}"),
    ("3.3", step(MOVE, FORGET)),
    ("3.3", step("w.sub_(w.grad, alpha=learning_rate)", "w.grad.zero_()")),
    ("3.3", step("w.copy_(w - learning_rate * w.grad)", "del w.grad")),
    ("3.3", "for w in weights:\n    w.data -= learning_rate * w.grad\n    w.grad = None"),
    ("3.3", "sgd = torch.optim.SGD(weights, learning_rate)\nsgd.step()\nsgd.zero_grad()"),
    ("3.4", "return list(torch.autograd.grad(f(*inputs), inputs))"),
    ("3.4", "return tuple(torch.autograd.grad(f(*inputs), t)[0] for t in inputs)"),
    ("3.4", COPIES.format("copies = [t.detach().clone().requires_grad_() for t in inputs]")),
    (
        "3.4",
        """
        kept = [t.grad for t in inputs]
        for t in inputs:
            t.grad = None
        f(*inputs).backward()
        found = tuple(t.grad for t in inputs)
        for t, grad in zip(inputs, kept):
            t.grad = grad
        return found""",
    ),
    ("3.5", rows(EMPTY, BACK, KEEP)),
    ("3.5", rows("rows.append(torch.autograd.grad(f(x), x, v)[0])")),
    ("3.5", "return torch.autograd.functional.jacobian(f, x)"),
]

WRONG = [
    (
        "3.5",
        "steps = 1e-5 * torch.eye(len(x), dtype=x.dtype)\n"
        "return torch.stack([(f(x + step) - f(x - step)) / 2e-5 for step in steps], dim=1)",
        "no gradient goes back through f",
    ),
    (
        "3.5",
        "x = x.clone().requires_grad_()\ny, rows = f(x), []\nones = torch.zeros_like(y)\n"
        "for i in range(len(y)):\n    ones[i], x.grad = 1, None\n"
        "    y.backward(gradient=ones, retain_graph=True)\n    rows.append(x.grad)\n"
        "return torch.stack(rows)",
        "still holds the 1s of the rows before",
    ),
    ("3.1", "5", "the second line alone"),
    ("3.1", "11", "not 3x"),
    ("3.1", "8", "is that 3 + 5?"),
    ("3.1", "22", "10 is its value"),
    ("3.1", "'it raises an error'", "both calls run"),
    ("3.1", "23", "23 is too large. Work out the two slopes"),
    ("3.1", "24", "is that 12 twice?"),
    ("3.1", "160", "the slope of the product"),
    ("3.1", "16", "is that 6 + 10?"),
    ("3.1", "41", "only x is squared"),
    ("3.1", "29", "Or 24 + 5?"),
    ("3.1", "(12, 5)", "`.grad` holds one number"),
    ("3.1", "torch.tensor([12., 5.])", "`.grad` holds one number"),
    ("3.1", "[12, 17]", "after each of the two"),
    ("3.2", "'e'", "the end of the graph"),
    ("3.2", "'ab'", "what does detach leave"),
    ("3.2", "'abc'", "c is made by a recorded operation"),
    ("3.2", "'ce'", "the leaves are the others"),
    ("3.2", "3", "three it is"),
    ("3.2", "[torch.ones(2), torch.ones(2), torch.ones(2)]", "three it is; asked for are their"),
    ("3.2", "[torch.ones(2), torch.ones(2)]", "and it is another number"),
    ("3.2", "[True, True, False, True, False]", "those are the ones; asked for are their letters"),
    ("3.2", "(True, True, False, True, True)", "e is the end of the graph, its root"),
    ("3.2", "[1, 1, 0, 1, 0]", "those are the ones; asked for are their letters"),
    ("3.2", "[1, 2, 4]", "those are places"),
    ("3.2", "''", "there are some"),
    ("3.2", "'none'", "there are some"),
    ("3.2", "'w'", '"w" is not it. A leaf is a tensor'),
    ("3.3", "w1, w2 = weights\nwith torch.no_grad():\n    w1 -= w1.grad", "too many values"),
    ("3.3", step("w -= 1e-6 * w.grad", FORGET), "learning_rate were always 1e-06"),
    ("3.3", step("w -= learning_rate * w.grad.sign()", FORGET), "with the sign of its gradient"),
    ("3.3", step("w -= learning_rate * w.grad.mean()", FORGET), "by the mean of its gradient"),
    ("3.3", step("w.grad -= learning_rate * w"), "the two names are exchanged"),
    ("3.3", step("w = w - learning_rate * w.grad", FORGET), "makes a new tensor"),
    ("3.3", "return [w - learning_rate * w.grad for w in weights]", "makes a new tensor"),
    ("3.3", step("w.grad.zero_()", MOVE), "these were emptied before"),
    ("3.3", step(MOVE), "their gradients are still there"),
    ("3.3", step(MOVE) + "w.grad = None", "only the last one's gradient is gone"),
    ("3.3", step(MOVE, FORGET, "return"), "A `return` inside it ends it"),
    ("3.3", step("w.data = w.data - learning_rate * w.grad", FORGET), "has new memory now"),
    ("3.3", step("w.data = w - learning_rate * w.grad", "w.grad.zero_()"), "has new memory now"),
    ("3.3", step("w += learning_rate * w.grad", FORGET), "uphill"),
    ("3.3", step("w.data = w + learning_rate * w.grad", FORGET), "uphill"),
    ("3.3", step("w -= w.grad / learning_rate", FORGET), "you divide by the learning rate"),
    ("3.3", step("w -= learning_rate + w.grad", FORGET), "you add the learning rate"),
    ("3.3", step("w.requires_grad_(False)", MOVE, FORGET), "no longer require a gradient"),
    ("3.3", f"{step(MOVE, FORGET)}torch.set_grad_enabled(False)", "autograd stays off"),
    ("3.3", f"for w in weights:\n    {MOVE}", "a leaf Variable that requires grad"),
    (
        "3.3",
        "def sgd_step(learning_rate, weights):\n    for w in weights:\n        w.data -= w.grad",
        "must come as (weights, learning_rate)",
    ),
    ("3.4", COPIES.format("copies = [t.clone() for t in inputs]"), "your gradients are None"),
    ("3.4", "f(*inputs).backward()\nreturn tuple(t.grad for t in inputs)", "adds to what is"),
    ("3.4", "return f(*inputs).backward()", "nothing comes back"),
    ("3.4", "return f(*inputs)", "that is the value of `f`"),
    ("3.4", "return torch.autograd.grad(f(*inputs), inputs)[0]", "the first input alone"),
    ("3.4", "return [torch.autograd.grad(f(*inputs), t) for t in inputs]", "in a tuple of its own"),
    (
        "3.4",
        "with torch.no_grad():\n"
        "    steps = [1e-3 * torch.eye(t.numel()).view(-1, *t.shape) for t in inputs]\n"
        "    f0 = f(*inputs)\n"
        "    return tuple(torch.stack([(f(*inputs[:n], t + e, *inputs[n + 1 :]) - f0) / 1e-3\n"
        "        for e in steps[n]]).view(t.shape) for n, t in enumerate(inputs))",
        "should give (5120)\n    and gives   (5",
    ),
    ("3.4", "x, w = inputs\nreturn torch.autograd.grad(f(x, w), (x, w))", "not enough values"),
    ("3.4", "return tuple(t.grad for t in inputs)", "that is what `.grad` of the inputs held"),
    (
        "3.4",
        "torch.autograd.grad(f(*inputs), inputs)\nreturn tuple(t.grad for t in inputs)",
        "only returns its gradients",
    ),
    (
        "3.4",
        "f(*[t.data.requires_grad_() for t in inputs]).backward()\n"
        "return tuple(t.grad for t in inputs)",
        "a copy that you go backward from has a `.grad` of its own",
    ),
    ("3.4", "return torch.autograd.grad(f, inputs)", "its result is wanted here: f(*inputs)"),
    ("3.4", "return torch.autograd.grad(f(inputs), inputs)", "call it as f(*inputs)"),
    ("3.4", PUT_BACK.format("x.grad.clone()", "x.grad = old"), "since `backward` adds to that"),
    (
        "3.4",
        PUT_BACK.format("x.grad", "x.grad = None if old is None else x.grad.copy_(old)"),
        "Is your result the very tensor in `.grad`?",
    ),
    (
        "3.4",
        """
        kept = [t.grad for t in inputs]
        for t in inputs:
            t.grad = None
        f(*inputs).backward()
        found = tuple(t.grad for t in inputs)
        inputs[0].grad = kept[0]
        return found""",
        "put None back as well",
    ),
    (
        "3.4",
        """
        for t in inputs:
            if t.grad is not None:
                t.grad.zero_()
        f(*inputs).backward()
        return tuple(t.grad.clone() for t in inputs)""",
        "what was in `.grad` before is lost",
    ),
    (
        "3.4",
        """
        found = torch.autograd.grad(f(*inputs), inputs)
        for t in inputs:
            t.requires_grad_(False)
        return found""",
        "leaves inputs that no longer require a gradient",
    ),
    (
        "3.4",
        """
        found = torch.autograd.grad(f(*inputs), inputs)
        for t in inputs:
            t.grad = None
        return found""",
        "what was in `.grad` before is lost",
    ),
    ("3.5", rows(BACK, "rows.append(x.grad.clone())"), "each row contains the rows above"),
    ("3.5", rows(BACK, KEEP), "every row is the sum of all rows"),
    ("3.5", rows(BACK, KEEP, "x.grad.zero_()"), "empties the very tensor that you have stored"),
    ("3.5", rows(EMPTY, BACK, KEEP, end="return torch.stack(rows, dim=1)"), "the transpose"),
    ("3.5", rows(EMPTY, BACK, KEEP, end="return torch.cat(rows)"), "`torch.stack` lays them"),
    ("3.5", rows(EMPTY, BACK, KEEP, end="return rows"), "got a list with 3 entries"),
    ("3.5", rows(EMPTY, BACK, KEEP, "return torch.stack(rows)"), "the first row alone"),
    ("3.5", rows(EMPTY, BACK, KEEP, of="torch.eye(len(x), dtype=x.dtype)"), "Mismatch in shape"),
    ("3.5", rows("f(x).sum().backward()", "return x.grad"), "that is one row, the sum of all"),
    ("3.5", rows(EMPTY, "f(x).backward(v * f(x).detach())", KEEP), "multiplied by its result"),
    (
        "3.5",
        rows(EMPTY, BACK, KEEP).replace("x.detach().clone().", "x."),
        "the x that you were given requires a gradient now",
    ),
    (
        "3.5",
        rows(EMPTY, BACK, KEEP, of="torch.eye(3, dtype=x.dtype)"),
        "Mismatch in shape",
    ),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong(number, answer, words):
    assert_wrong(number, answer, words)


LEAVES_GRADIENTS = {"zeros", "ones", "NaN", "negative", "transpose"}
NOT_MOVED = "have not moved, and their gradients are still there"
DEGENERATE = {
    "3.3": (
        dict.fromkeys(("None", "0", "0.0", "first input", "last input"), NOT_MOVED),
        LEAVES_GRADIENTS,
    ),
    "3.4": ({}, ()),
    "3.5": ({"zeros": "every entry is 0", "transpose": "the transpose"}, ()),
}


@pytest.mark.parametrize("number", DEGENERATE)
def test_degenerate_answers(number):
    """What 3.3 returns does not matter."""
    assert_true_of_degenerate(number, *DEGENERATE[number])

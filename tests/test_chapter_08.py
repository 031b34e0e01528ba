"""What `check` says about answers to the exercises of notebook 08."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong

NUMBERS = ("8.1", "8.2", "8.3", "8.4")

UNTIL = """
h = model.input_linear(x).clamp(min=0)
depth = 0
while h.norm() > bound and depth < 10:
    h = model.middle_linear(h).clamp(min=0)
    depth += 1
return model.output_linear(h), depth
"""
ROWS = """
outputs, depths = [], []
for row in model.input_linear(x).clamp(min=0):
    n = 0
    while row.norm() > bound and n < 10:
        row = model.middle_linear(row).clamp(min=0)
        n += 1
    outputs.append(model.output_linear(row))
    depths.append(n)
return torch.stack(outputs), depths
"""
TREE = """
if tree == "x":
    return x
if isinstance(tree, float):
    return tree
operation, left, right = tree
a, b = evaluate(left, x), evaluate(right, x)
return {"+": a + b, "-": a - b, "*": a * b}[operation]
"""
READ = """
last = []
for sequence in sequences:
    h = torch.zeros(len(w_rec), dtype=w_rec.dtype)
    for v in sequence:
        h = torch.tanh(v @ w_in + h @ w_rec)
    last.append(h)
return torch.stack(last)
"""

RIGHT = [
    ("8.1", "'405'"),
    ("8.1", "'5 * 81'"),
    ("8.2", UNTIL),
    ("8.2", UNTIL.replace("(h), depth", "(h), depth]").replace("return ", "return [")),
    ("8.2", UNTIL.replace("h.norm() >", "h.square().sum().sqrt() >")),
    ("8.2", UNTIL.replace("model.output_linear(h), d", "model(x, depth), d")),
    (
        "8.2",
        "h = model.input_linear(x).relu()\nfor depth in range(11):\n"
        "    if h.norm() <= bound or depth == 10:\n"
        "        return model.output_linear(h), torch.tensor(depth)\n"
        "    h = model.middle_linear(h).relu()",
    ),
    ("8.3", TREE),
    ("8.3", TREE.replace("return tree", "return torch.tensor(tree, dtype=x.dtype)")),
    ("8.3", TREE.replace("return tree", "return tree + 0 * x")),  # a true slope of 0
    (
        "8.3",
        "def evaluate(tree, x):\n    def text(t):\n        is_leaf = not isinstance(t, tuple)\n"
        "        return str(t) if is_leaf else f'({text(t[1])} {t[0]} {text(t[2])})'\n"
        "    return eval(text(tree))",
    ),
    ("8.4", READ),
    (
        "8.4",
        "start = w_rec.new_zeros(len(w_rec))\n"
        "return torch.stack([read(s, w_in, w_rec, start) for s in sequences])",
    ),
    ("8.4", READ.replace("zeros(len", "zeros(1, len").replace("stack", "cat")),
]

LOST = "somewhere `h` leaves the record"
NO_GRAPH = "the value is right, but it has no graph"

WRONG = [
    ("8.1", "0", "the loop does not cut the graph"),
    ("8.1", "1", "1 is the slope of the product along itself"),
    ("8.1", "1458", "you let the loop run once more"),
    ("8.1", "135", "the product of the *four* other factors"),
    ("8.1", "121", "you added the products 1, 3, 9, 27 and 81"),
    ("8.1", "5**4", "base and exponent are exchanged"),
    ("8.1", "'n * w ** (n - 1)'", "expected a number, got a text"),
    ("8.1", "540", "too large. Write down `product` after each pass"),
    ("8.1", "120", "too small. Write down `product` after each pass"),
    ("8.2", UNTIL.replace("return model.output_linear(h), depth",
        "return depth, model.output_linear(h)"), "the output comes first"),
    ("8.2", UNTIL.replace("(h), depth", "(h)"), "return the number of uses with it"),
    ("8.2", UNTIL.replace("h.norm()", "h.norm(dim=1).max()"), "norms of the single rows"),
    ("8.2", UNTIL.replace("h.norm() > bound", "(h.norm(dim=1) > bound).all()"), "single rows"),
    ("8.2", UNTIL.replace("> bound", ">= bound"), "`>`, not `>=`"),
    ("8.2", UNTIL.replace(" and depth < 10", ""), "the loop goes on after ten uses"),
    ("8.2", UNTIL.replace("< 10", "<= 10"), "eleven uses"),
    ("8.2", UNTIL.replace("while", "if"), "an `if` stand where a `while` should?"),
    ("8.2", UNTIL.replace("depth += 1", "depth = 1").replace("depth < 10", "h.norm() > 1e-3"),
        "in the number of uses: expected 10, got 1"),
    ("8.2", UNTIL.replace("while h.norm()", "n = h.norm()\nwhile n"), "the norm of the present"),
    ("8.2", UNTIL.replace("(h).clamp", "(h.detach()).clamp"), LOST),
    ("8.2", "with torch.no_grad():" + UNTIL.replace("\n", "\n    "), LOST),
    ("8.2", UNTIL.replace("model.output_linear(h)", "model(x)"), "draws a depth of its own"),
    ("8.2", UNTIL.replace(".clamp(min=0)\n    depth", "\n    depth"), "after the middle layer"),
    ("8.2", UNTIL.replace("depth = 0", "depth = 1"), "the count is one too high, so the loop"),
    ("8.2", UNTIL.replace("depth = 0", "depth = 1").replace("< 10", "<= 10"), "begin with 0"),
    ("8.2", UNTIL.replace("h.norm()", "torch.linalg.norm(h, ord=2)"), "the spectral norm"),
    ("8.2", UNTIL.replace("h.norm()", "x.norm()"), "stays the same while `h` changes"),
    ("8.2", ROWS, "each row has a loop of its own"),
    ("8.2", ROWS.replace(", depths\n", ", max(depths)\n"), "each row has a loop of its own"),
    ("8.2", ROWS.replace(", depths\n", ", sum(depths)\n"), "each row has a loop of its own"),
    ("8.2", ROWS.replace(", depths\n", ", n\n"), "each row has a loop of its own"),
    ("8.2", "y = model(x)\nfor depth in range(11):\n    if y.norm() <= bound or depth == 10:\n"
        "        return y, depth\n    y = model(x)", "begins anew with x"),
    ("8.2", UNTIL.replace("model.middle_linear(h).clamp(min=0)", "model(x)").replace(
        "model.output_linear(h)", "h"), "begins anew with x"),
    ("8.2", UNTIL.replace("min", "max"), "a ReLU keeps what is positive"),
    ("8.2", UNTIL.replace("(h).clamp(min", "(h).clamp(max"), "a ReLU keeps what is positive"),
    ("8.2", UNTIL.replace("(x).clamp(min", "(x).clamp(max"), "a ReLU keeps what is positive"),
    ("8.3", TREE.replace("a - b", "b - a"), 'the two sides of "-" are exchanged'),
    ("8.3", TREE.replace("return x", "return x.item()"), NO_GRAPH),
    ("8.3", TREE.replace("return x", "return x.detach().clone().requires_grad_()"), NO_GRAPH),
    ("8.3", TREE.replace("evaluate(right, x)", "(x if right == 'x' else right)"),
        "your code raised"),
    ("8.3", TREE.replace("a * b", "a + b"), '"*" is taken for "+"'),
    ("8.3", TREE.replace("a - b", "abs(a - b)"), 'in evaluate(("-", '),
    ("8.3", TREE.replace("evaluate(right, x)", "evaluate(left, x)"),
        'in evaluate(("+", "x", '),
    ("8.3", TREE.replace("evaluate(left, x)", "evaluate(left)"), "missing 1 required positional"),
    ("8.3", TREE.replace("if isinstance(tree, float):\n    return tree\n", ""), "cannot unpack"),
    ("8.4", READ.replace("torch.tanh", "").replace("append(h)", "append(h.tanh())"), "every step"),
    ("8.4", READ.replace("torch.stack(last)", "last"), "got a list with 4 entries"),
    ("8.4", READ.replace("(last)", "(last, dim=1)"), "it is the transpose"),
    ("8.4", READ.replace("+ h @ w_rec", ""), "only the last vector of each sequence counts"),
    ("8.4", READ.replace("+ h @", "+ h.detach() @"), "the trail is cut at each step"),
    ("8.4", READ.replace("append(h)", "append(h.detach())"), "no gradient leads from them"),
    ("8.4", READ.replace("h @ w_rec)", "w_rec @ h)"), "`w_rec` is transposed"),
    ("8.4", READ.replace("+ h @", "- h @"), "in the states: "),
    ("8.4", READ.replace("zeros", "randn"), "you draw its first state"),
    ("8.4", READ.replace("h = torch.tanh(", "h = h + torch.tanh("), "you add it to the old one"),
    ("8.4", READ.replace(", dtype=w_rec.dtype", ""), "to have the same dtype"),
    ("8.4", READ.replace("return torch.stack(last)", "return h"), "of the last sequence alone"),
    ("8.4", READ.replace("append(h)", "append(h.mean())"), "expected shape (4, 5), got (4,)"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong_answers(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_degenerate_answers(number):
    assert_true_of_degenerate(number)

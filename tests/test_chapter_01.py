"""What `check` says about answers to the exercises of notebook 01."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong

RIGHT = [
    ("1.1", "(4, 2, 3)"),
    ("1.1", "[4, 2, 3]"),
    ("1.1", "'4, 2, 3'"),
    ("1.1", "'4 x 2 x 3'"),
    ("1.1", "torch.tensor([4, 2, 3])"),
    ("1.1", "np.array([4, 2, 3])"),
    ("1.1", "torch.Size([4, 2, 3])"),
    ("1.2", "35.0"),
    ("1.2", "(35,)"),
    ("1.2", "torch.tensor([35])"),
    ("1.2", "'15 + 20'"),
    ("1.2", "'35, since only += writes'"),
    ("1.3", "return ((x.T - x.mean(1)) / x.std(1)).T"),
    ("1.3", "return (x - x.mean(1)[:, None]) / x.var(1).sqrt().unsqueeze(1)"),
    ("1.3", "return torch.vmap(lambda row: (row - row.mean()) / row.std())(x)"),
    ("1.3", "return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6)"),
    (
        "1.3",
        """
        def standardise_rows(marks):
            m, s = marks.mean(1, True), marks.std(1, keepdim=True)
            return (marks - m) / s""",
    ),
    ("1.4", "return torch.cdist(a, b) ** 2"),
    ("1.4", "return (a.unsqueeze(1) - b.unsqueeze(0)).pow(2).sum(-1)"),
    ("1.4", "return ((a.T[:, :, None] - b.T[:, None]) ** 2).sum(0)"),
    ("1.4", "return (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T"),
    ("1.5", "return torch.eye(num_classes)[labels]"),
    ("1.5", "return torch.nn.functional.one_hot(labels, num_classes).to(torch.float32)"),
    ("1.5", "return torch.zeros(len(labels), num_classes).scatter_(1, labels[:, None], 1)"),
    (
        "1.5",
        """
        rows = torch.zeros(len(labels), num_classes)
        rows[torch.arange(len(labels)), labels] = 1.0
        return rows""",
    ),
]

WRONG = [
    (
        "1.5",
        "rows = torch.zeros(num_classes).expand(len(labels), -1)\n"
        "rows[torch.arange(len(labels)), labels] = 1\nreturn rows",
        "if you made your rows by `expand`",
    ),
    ("1.1", "(4, 6)", "`torch.cat` along dim=1"),
    ("1.1", "(2, 4, 3)", "as dim=0 would"),
    ("1.1", "(4, 3, 1)", "counts the tensors that are stacked"),
    ("1.1", "(3, 2, 4)", "the other way round"),
    ("1.1", "(2, 4, 1, 3)", "the axis of size 1 is stretched"),
    ("1.1", "(4, 2)", "First find the shape of `a + b`"),
    ("1.1", "(4, 4, 3)", "at position 1: 4 is too large. First find the shape"),
    ("1.1", "24", "you multiplied the sizes"),
    ("1.1", "'it raises an error'", "it runs: (4, 1) and (3,) are aligned"),
    ("1.2", "15", "the sum before anything changed"),
    ("1.2", "30", "you let `picked.zero_()` reach"),
    ("1.2", "60", "you let `column * 2` reach"),
    ("1.2", "50", "neither does"),
    ("1.2", "25", "or that is the sum of `column`"),
    ("1.2", "40", "indexing with a list copies"),
    ("1.2", "20", "nothing in `table` became 0"),
    ("1.2", "45", "three numbers got a 10"),
    ("1.2", "(0, 11, 2, 3, 14, 5)", "asked for is its sum"),
    ("1.2", "'error'", "all of it runs"),
    ("1.2", "37", "37 is too large. Go through the lines"),
    ("1.3", "return (x - x.mean(1)) / x.std(1)", "`keepdim=True` is missing"),
    ("1.3", "return (x - x.mean(1, keepdim=True)) / x.std(1)", "the standard deviation lacks it"),
    ("1.3", "return (x - x.mean(0)) / x.std(0)", "you standardised the columns"),
    *(
        ("1.3", f"c = x - x.mean(1, True)\nreturn {code}", "[0.0, 0.0, 30.0]]))\n    should give ")
        for code in ("c / c.std()", "(x - x.sum(1, True) / len(x)) / x.std(1, keepdim=True)")
    ),
    ("1.3", "return (x - x.mean(1, keepdim=True)) / x.std(0)", "those of the columns"),
    ("1.3", "return torch.nn.functional.layer_norm(x, x.shape[1:])", "over D numbers"),
    ("1.3", "return (x - x.amin(1, True)) / (x.amax(1, True) - x.amin(1, True))", "from 0 to 1"),
    ("1.3", "return torch.nn.functional.normalize(x, dim=1)", "should give [["),
    ("1.3", "return (x.mean(1, True) - x) / x.std(1, keepdim=True)", "has the wrong sign"),
    ("1.3", "return x.std(1, keepdim=True)", "expected shape"),
    ("1.3", "x -= x.mean(1, True)\nreturn x / x.std(1, keepdim=True)", "changes its argument x"),
    ("1.3", "return torch.stack([(r - r.mean()) / r.std() for r in x])", "your code loops"),
    (
        "1.3",
        """
        rows = x.clone()
        for i in range(len(x)):
            rows[i] = (x[i] - x[i].mean()) / x[i].std()
        return rows""",
        "your code loops",
    ),
    (
        "1.3",
        """
        d = x - x.mean(1, keepdim=True)
        return d / (d.square().sum(1, keepdim=True) / (len(x) - 1)).sqrt()""",
        "`len` counts the rows",
    ),
    ("1.4", "return torch.cdist(a, b)", "what you had before the root"),
    ("1.4", "return (a @ b.T) ** 2", "adds up *products*"),
    ("1.4", "return a @ b.T", "adds up *products*"),
    ("1.4", "return (a[:, None] - b) ** 2", "sum them over the last axis"),
    ("1.4", "return ((a[:, None] + b) ** 2).sum(2)", "the square of the sum"),
    ("1.4", "return (a**2).sum(1)[:, None] + (b**2).sum(1)", "is not a² + b²"),
    ("1.4", "return (a[:, None] - b).sum(2)", "square each one before you sum"),
    ("1.4", "return ((a - b) ** 2).sum(1)", "row i meets row i alone"),
    ("1.4", "return ((a - b) ** 2)", "row i meets row i alone"),
    ("1.4", "return a @ b", "cannot be multiplied"),
    ("1.4", "return ((a[:, :, None] - b.T) ** 2).sum(dim=2)", "you summed over the points of `b`"),
    ("1.4", "return ((a[:, None] - b) ** 2).sum(dim=1)", "you summed over the points of `b`"),
    ("1.4", "return ((a.T[:, :, None] - b.T[:, None]) ** 2).sum(1)", "over the points of `a`"),
    ("1.4", "return ((a[:, None] - b) ** 2).sum(2).squeeze()", "one point and all others"),
    ("1.4", "return ((a[:, None] - b) ** 2).sum(2, keepdim=True)", "their arrangement is not"),
    ("1.4", "return torch.stack([((p - b) ** 2).sum(1) for p in a])", "your code loops"),
    (
        "1.4",
        "return sum((a[:, d, None] - b[None, :, d]) ** 2 for d in range(a.shape[1]))",
        "your code loops",
    ),
    (
        "1.4",
        "def squared_distances(b, a):\n    return (a[:, None] - b).square().sum(-1)",
        "its parameters must come as (a, b), yours are (b, a)",
    ),
    ("1.5", "return labels[:, None] == torch.arange(num_classes)", "as booleans"),
    ("1.5", "return torch.nn.functional.one_hot(labels, num_classes)", "as int64"),
    ("1.5", "return torch.eye(num_classes).double()[labels]", "expected float32, got float64"),
    ("1.5", "return torch.eye(num_classes)[:, labels]", "this table is (C, N)"),
    ("1.5", "return torch.eye(labels.max() + 1)[labels]", "from the largest label"),
    ("1.5", "return torch.eye(len(labels), num_classes)", "along the diagonal"),
    ("1.5", "return torch.eye(num_classes)[labels] * labels[:, None]", "the label itself"),
    ("1.5", "return (labels[:, None] >= torch.arange(num_classes)).float()", "every column up to"),
    ("1.5", "return (labels == torch.arange(num_classes)).float()", "must match the size"),
    (
        "1.5",
        "return torch.tensor([[float(c == n) for c in range(num_classes)] for n in labels])",
        "your code loops",
    ),
    (
        "1.5",
        """
        rows = torch.zeros(len(labels), num_classes)
        for i, label in enumerate(labels.tolist()):
            rows[i, label] = 1
        return rows""",
        "your code loops",
    ),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong(number, answer, words):
    assert_wrong(number, answer, words)


DEGENERATE = {"1.3": {}, "1.4": {"transpose": "(M, N)"}, "1.5": {"transpose": "(C, N)"}}


@pytest.mark.parametrize("number", DEGENERATE)
def test_degenerate_answers(number):
    assert_true_of_degenerate(number, DEGENERATE[number])

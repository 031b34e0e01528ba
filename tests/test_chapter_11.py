"""What `check` says about answers to the exercises of notebook 11."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("11.2", {})
    assert_true_of_degenerate("11.3", {})
    none = dict.fromkeys(("0", "0.0", "zeros"), "no label is ever found, whatever k is")
    assert_true_of_degenerate("11.4", none | {"ones": "it comes out as 1"})


@pytest.mark.parametrize(
    "answer",
    ["1.46", "'1.46'", "'about 1.46'", "math.log(1 + 9 / math.e)", "torch.tensor([1.461])"],
)
def test_right_losses(answer):
    assert_right("11.1", answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("0", "0 is what the right model approaches"),
        ("2.303", "that is the landmark"),
        ("0.232", "the right class gets at best"),
        ("math.log(math.e + 9)", "subtract its own logit"),
        ("math.log(math.e + 10) - 1", "there are nine"),
        ("math.log(9) - 1", "the denominator is e + 9"),
        ("1", "1 is the largest logit"),
        ("-1.0", "you took minus the probability"),
        ("1.47", "nearly: round at the very end"),
        ("1.37195", "you counted eight classes"),
        ("4.31091", "one divided by the probability"),
        ("math.log(1 + 9 * math.e)", "the exponent has the wrong sign"),
        ("0.146", "you divide by the ten classes"),
        ("0.768", "which the wrong classes get together"),
        ("1.5", "give three"),
        ("2.1", "2.1 is too large. The second softmax sees ten numbers"),
        ("-1.46", "the size is right, the sign is not"),
    ],
)
def test_wrong_losses(answer, words):
    assert_wrong("11.1", answer, words)


RIGHT = {
    "11.2": [
        "return (means @ sizes.to(means.dtype)) / sizes.sum()",
        "return sum(m * n for m, n in zip(means, sizes)) / sum(sizes)",
        "weights = sizes / sizes.sum()\nreturn (weights * means).sum().item()",
        "return torch.cat([m.repeat(n) for m, n in zip(means, sizes)]).mean()",
    ],
    "11.3": [
        "return matrix.diag() / matrix.sum(1), matrix.diag() / matrix.sum(0)",
        "return torch.stack([matrix.diag() / matrix.sum(d) for d in (1, 0)])",
        "return [matrix.diagonal().double() / matrix.sum(-1), matrix.diagonal() / matrix.sum(-2)]",
        "classes = range(len(matrix))\n"
        "recall = [matrix[c, c] / sum(matrix[c]) for c in classes]\n"
        "return recall, [matrix[c, c] / sum(matrix[:, c]) for c in classes]",
    ],
    "11.4": [
        "ranks = 9 - logits.argsort(1).argsort(1)\n"
        "return (ranks.gather(1, labels[:, None]) < k).float().mean().item()",
        "hits = 0\nfor row, label in zip(logits, labels):\n"
        "    hits += int(label in row.topk(k).indices)\nreturn hits / len(labels)",
        "own = logits.gather(1, labels[:, None])\n"
        "return ((logits > own).sum(dim=1) < k).double().mean()",
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


WRONG = [
    ("11.2", "return means.mean()", "the mean of the means"),
    ("11.2", "return (means * sizes).sum() / len(sizes)", "not by how many batches"),
    ("11.2", "return (means * sizes).sum()", "that is the sum over all pictures"),
    ("11.2", "return means.sum() / sizes.sum()", "Make sums of the means first"),
    ("11.2", "return means * sizes / sizes.sum()", "add it up"),
    ("11.2", "return (means * sizes).sum() / (256 * len(means))", "should give"),
    ("11.2", "return (means * sizes).sum() / (sizes[0] * len(means))", "as large as the first"),
    ("11.2", "return (means[:-1] * sizes[:-1]).sum() / sizes[:-1].sum()", "the last batch out"),
    ("11.2", "return (means * sizes).sum() // sizes.sum()", "got 0"),
    ("11.2", "return means.median()", "should give"),
    ("11.3", "return matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)", "other order"),
    ("11.3", "return matrix.diag() / matrix.sum(1)", "one of the two is missing"),
    ("11.3", "return matrix.diag() / matrix.sum(), matrix.diag() / matrix.sum()", "all pictures"),
    (
        "11.3",
        "share = matrix.diag() / matrix.sum(1)\nreturn share, 1 - share",
        "in the precision",
    ),
    ("11.3", "return matrix / matrix.sum(1), matrix / matrix.sum(0)", "diagonal"),
    (
        "11.3",
        "return [(matrix.diag() / matrix.sum(d)).mean() for d in (1, 0)]",
        "the means over the classes",
    ),
    (
        "11.3",
        "best = matrix.max(1).values, matrix.max(0).values\n"
        "return best[0] / matrix.sum(1), best[1] / matrix.sum(0)",
        "the largest count",
    ),
    ("11.3", "return matrix.diag(), matrix.diag()", "those are counts"),
    (
        "11.3",
        "return [100 * matrix.diag() / matrix.sum(d) for d in (1, 0)]",
        "in percent",
    ),
    ("11.3", "return recall_and_precision", "none of its arguments"),
    ("11.3", "return None, matrix.diag() / matrix.sum(0)", "got None"),
    ("11.4", "return (logits.argmax(1) == labels).float().mean().item()", "that is `accuracy`"),
    (
        "11.4",
        "best = logits.topk(k).indices\n"
        "return (best == labels[:, None]).any(1).sum().item() / logits.shape[1]",
        "you divide by the number of classes",
    ),
    ("11.4", "return (logits.topk(k).indices == labels[:, None]).float().mean()", "all k places"),
    ("11.4", "return (logits.topk(k).indices == labels[:, None]).any(1)", "an entry for each pict"),
    (
        "11.4",
        "return (logits.topk(k).indices == labels[:, None]).any(1).sum()",
        "how many are righ",
    ),
    (
        "11.4",
        "return 100 * (logits.topk(k).indices == labels[:, None]).any(1).float().mean().item()",
        "that is in percent",
    ),
    (
        "11.4",
        "return 1 - (logits.topk(k).indices == labels[:, None]).any(1).double().mean()",
        "*not* among them",
    ),
    (
        "11.4",
        "return (logits.argsort(1)[:, :k] == labels[:, None]).any(1).double().mean()",
        "small",
    ),
    (
        "11.4",
        "return (logits.topk(k + 1).indices == labels[:, None]).any(1).double().mean()"
        " if k < 10 else 1.0",
        "as if k were one too large",
    ),
    (
        "11.4",
        "return (logits.topk(2).indices == labels[:, None]).any(1).double().mean()",
        "always 2",
    ),
    (
        "11.4",
        "return (logits.topk(k).values == labels[:, None]).any(1).double().mean()",
        "`indices`",
    ),
    ("11.4", "return (logits.topk(k).indices == labels[:, None]).all(1).double().mean()", "`any`"),
    (
        "11.4",
        "return (logits.topk(k).indices == labels[:, None]).any(1).sum().item() // len(labels)",
        "divide with `/`",
    ),
    (
        "11.4",
        "best = logits.softmax(0).topk(k).indices\n"
        "return (best == labels[:, None]).any(1).double().mean()",
        "your softmax runs over the pictures",
    ),
    (
        "11.4",
        "hits = 0\nfor row, label in zip(logits, labels):\n"
        "    hits += int(label in row.topk(k).indices)\n    return hits / len(labels)",
        "only the first picture is looked at",
    ),
    (
        "11.4",
        "return sum(n in logits.topk(k).indices for n in labels) / len(labels)",
        "it comes out as 1. Do you look",
    ),
    (
        "11.4",
        "order = logits.sort(descending=True).indices\n"
        "return (order[range(len(labels)), labels] < k).double().mean()",
        "at which place the label stands",
    ),
    (
        "11.4",
        "best = logits.topk(k).indices == labels[:, None]\n"
        "return sum(best[:, :n].any(1).double().mean() for n in range(1, k + 1)) / k",
        "the mean of the shares",
    ),
    (
        "11.4",
        "return (logits.sort(descending=True).indices[:, k] == labels).double().mean().item()",
        "counted from 0 it is number k + 1",
    ),
    ("11.4", "return (logits.topk(k).indices == labels).any(1).double().mean()", "RuntimeError"),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)

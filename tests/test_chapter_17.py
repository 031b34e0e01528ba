"""What `check` says about answers to the exercises of notebook 17."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("17.3")
    assert_true_of_degenerate("17.4")
    alone = "you return the tensors alone"
    assert_true_of_degenerate("17.5", {"first input": alone, "last input": alone})


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("17.1", "358400.0", "Did you count bits?"),
        ("17.1", "14 * 25600", "does the whole gradient go in each of the 14 rounds?"),
        ("17.1", "2 * 8 / 7 * 25600", "the factor is upside down"),
        ("17.1", "89600", "Did you count what arrives as well?"),
        ("17.1", "7 * 25600", "Did you let every process send everything to each of the seven"),
        ("17.1", "22400", "that is half of the way"),
        ("17.1", "3200", "that is one piece"),
        ("17.1", "48000", "that is 15 pieces"),
        ("17.1", "40000", "40000 is too small. The ring cuts the gradients into as many pieces"),
        ("17.2", "4", "that is the rest when 1,000 is divided by 12"),
        ("17.2", "12", "not each process repeats one"),
        ("17.2", "'no picture at all'", "expected a number"),
        ("17.2", "84", "that is how many one process gets"),
        ("17.2", "1000 / 12", "Each process gets equally many pictures"),
    ],
)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("17.1", "44, 800", ""),
        ("17.1", "'44,800 bytes'", ""),
        ("17.1", "44.8", "44.8 kilobytes are 44,800 bytes"),
        ("17.1", "2 * 7 / 8 * 6400 * 4", ""),
        ("17.2", "'8'", ""),
        ("17.2", "12 * 84 - 1000", ""),
    ],
)
def test_right_predictions(number, answer, words):
    assert_right(number, answer, words)


DOUBLING = """
n, sent, k = len(tensors), [0] * len(tensors), 0
have = {begin}
while 2**k < n:
    sent = [count + {count} for count in sent]
    have = [{step} for r in range(n)]
    k += 1
return {result}
"""


def doubling(**parts):
    usual = {
        "begin": "list(tensors)",
        "count": "tensors[0].numel()",
        "step": "have[r] + have[r ^ 2**k]",
        "result": "have, sent",
    }
    return DOUBLING.format(**(usual | parts))


RIGHT = {
    "17.3": [
        "return sum(g * n for g, n in zip(gradients, counts)) / sum(counts)",
        "shares = torch.tensor(counts) / sum(counts)\n"
        "return (torch.stack(gradients) * shares[:, None]).sum(dim=0)",
        "total = torch.zeros_like(gradients[0])\n"
        "for g, n in zip(gradients, counts):\n    total += g * (n / sum(counts))\nreturn total",
    ],
    "17.4": [
        "return [[b[r::size] for b in order.split(batch_size)] for r in range(size)]",
        "ranks = tuple([] for _ in range(size))\n"
        "for at in range(0, len(order), batch_size):\n"
        "    for r in range(size):\n"
        "        ranks[r].append(order[at : at + batch_size][r::size])\nreturn ranks",
    ],
    "17.5": [
        doubling(),
        doubling(step="have[r ^ 2**k] + have[r]", result="[have, sent]"),
        doubling(step="torch.add(have[r], have[r ^ (1 << k)])", count="have[0].nelement()"),
        "have = [t.clone() for t in tensors]\nsent = [0 for t in tensors]\n"
        "for k in range(len(tensors).bit_length() - 1):\n"
        "    came = [have[r ^ 2**k].clone() for r in range(len(have))]\n"
        "    for r, tensor in enumerate(came):\n"
        "        have[r] += tensor\n        sent[r] += tensor.numel()\nreturn have, sent",
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


def dealing(part, batches="order.split(batch_size)"):
    return f"return [[{part} for b in {batches}] for r in range(size)]"


CUT = """
ranks = [[] for _ in range(size)]
for at in range(0, {stop}, batch_size):
    for r in range(size):
        ranks[r].append(order[at : at + batch_size][r::size])
return ranks
"""

TOO_MANY = """
n, have, sent = len(tensors), list(tensors), [0] * len(tensors)
for k in range(n // 2):
    have = [have[r] + have[{partner}] for r in range(n)]
    sent = [s + have[0].numel() for s in sent]
return have, sent
"""
KEPT = "kept = [(g, n) for g, n in zip(gradients, counts) if n > 1]\n"

WRONG = [
    ("17.5", TOO_MANY.format(partner="r ^ 2**k"), "too many rounds: 8 need three"),
    ("17.5", TOO_MANY.format(partner="(r ^ 2**k) % n"), "too many rounds: 8 need three"),
    *(
        ("17.3", f"{KEPT}return sum(g * n for g, n in kept) / sum({counts})", "with one sample is")
        for counts in ("counts", "n for _, n in kept")
    ),
    *(
        ("17.3", f"return sum(g / n for g, n in zip(gradients, counts)){also}", "more: multiply")
        for also in (" / sum(counts)", " / len(counts)", " * sum(counts)")
    ),
    (
        "17.3",
        "shares = [1 / n for n in counts]\n"
        "return sum(g * share for g, share in zip(gradients, shares)) / sum(shares)",
        "your weights are upside down",
    ),
    (
        "17.5",
        "n, have, sent, d = len(tensors), list(tensors), [0] * len(tensors), 1\n"
        "while d < n:\n    new = [None] * n\n    for r in range(n):\n"
        "        sent[r] += have[r].numel()\n"
        "        if r < r ^ d:\n            new[r] = new[r ^ d] = have[r] + have[r ^ d]\n"
        "    have, d = new, 2 * d\nreturn have, sent",
        "several processes share one tensor",
    ),
    (
        "17.5",
        "n, have = len(tensors), [t.clone() for t in tensors]\nsent, d = [0] * n, 1\n"
        "while d < n:\n    sent = [s + t.numel() for s, t in zip(sent, have)]\n"
        "    have = [have[r] + have[(r + d) % n] for r in range(n)]\n    d *= 2\n"
        "return have, sent",
        "they do not come about as asked",
    ),
    ("17.5", "return tensors, [0] * len(tensors), 1", "a tuple with 3 entries"),
    (
        "17.3",
        "return sum(gradients[r] * counts[r] for r in range(1, len(counts))) / sum(counts)",
        "the first process is left out",
    ),
    ("17.3", "return sum(g * n for g, n in zip(gradients, counts))", "divide by how many samples"),
    ("17.3", "return sum(g * n for g, n in zip(gradients, counts)) / len(counts)", "by their sum"),
    ("17.3", "return sum(g / n for g, n in zip(gradients, counts))", "must weigh more: multiply"),
    ("17.3", "return sum(gradients) / sum(counts)", "make sums of them"),
    ("17.3", "return sum(gradients)", "you add the gradients up unweighted"),
    ("17.3", "return torch.stack(gradients).mean(0)", "still the average of the averages"),
    (
        "17.3",
        "return torch.stack([g * n for g, n in zip(gradients, counts)]).mean() / sum(counts)",
        "expected shape (7,), got ()",
    ),
    (
        "17.3",
        "return [g * n / sum(counts) for g, n in zip(gradients, counts)]",
        "expected a tensor of shape (7,), got a list with 4 entries",
    ),
    (
        "17.3",
        "for g, n in zip(gradients, counts):\n    g *= n\nreturn sum(gradients) / sum(counts)",
        "its argument gradients in place",
    ),
    ("17.4", CUT.format(stop="len(order) - 1"), "a last batch of one sample gets lost"),
    ("17.4", CUT.format(stop="len(order) - size + 1"), "fewer samples than there are processes"),
    ("17.4", CUT.format(stop="len(order) - size"), "fewer samples than there are processes"),
    ("17.4", CUT.format(stop="len(order) + 1"), "you make one batch too many"),
    ("17.4", CUT.format(stop="(len(order) // batch_size + 1) * batch_size"), "an empty one"),
    ("17.4", CUT.format(stop="len(order) - batch_size"), "you leave out the last"),
    ("17.4", dealing("b[: len(b) // size + 1]"), "in the list of the ranks: at position 0, 0: "),
    ("17.4", dealing("b[r::size].tolist()"), "your parts are lists"),
    ("17.4", dealing("[s for n, s in enumerate(b) if n % size == r]"), "your parts are lists"),
    (
        "17.4",
        "return [[b[r::size] for b in order.split(batch_size) if r < len(b)] for r in range(size)]",
        "you leave out parts that are empty",
    ),
    ("17.4", dealing("b[r::size]", "order.split(batch_size * size)"), "the joint batch is `size`"),
    ("17.4", dealing("b[r:size]"), "for every `size`-th sample write `[r::size]`"),
    ("17.4", dealing("b[r + 1 :: size]"), "the first sample goes to rank 0"),
    ("17.4", dealing("b.chunk(size)[r]"), "the parts are runs of neighbours"),
    ("17.4", dealing("b.tensor_split(size)[r]"), "the parts are runs of neighbours"),
    ("17.4", dealing("b[r::size]", "order.sort().values.split(batch_size)"), "you sort the sampl"),
    ("17.4", dealing("b", "order[r::size].split(batch_size)"), "Cut first"),
    ("17.4", dealing("b", "order.split(batch_size)[r::size]"), "whole batches"),
    ("17.4", "return [order[r::size] for r in range(size)]", "there are no batches"),
    (
        "17.4",
        "return [torch.cat([b[r::size] for b in order.split(batch_size)]) for r in range(size)]",
        "each rank's parts are joined",
    ),
    (
        "17.4",
        "return [[b[r::size] for r in range(size)] for b in order.split(batch_size)]",
        "sorted by batches",
    ),
    ("17.4", dealing("b[r::size]", "torch.arange(len(order)).split(batch_size)"), "positions"),
    ("17.4", dealing("b[r::size].sort().values"), "order is not"),
    ("17.4", dealing("b[r::size]", "order.split(size)"), "expected"),
    ("17.5", doubling(step="have[r] + have[r ^ 2 * k]"), "flips no single bit"),
    (
        "17.5",
        doubling(count="2**k * have[0].numel()"),
        "has the same size in each round",
    ),
    ("17.5", doubling(count="1"), "you counted the rounds"),
    ("17.5", doubling(count="len(tensors[0])"), "`len` counts rows"),
    ("17.5", doubling(count="2 * tensors[0].numel()"), "you count what arrives as well"),
    ("17.5", doubling(count="8 * tensors[0].numel()"), "you counted bytes"),
    ("17.5", doubling(step="have[r ^ 2**k]"), "in place of adding it"),
    ("17.5", doubling(step="have[r] + tensors[r ^ 2**k]"), "at the very beginning"),
    ("17.5", doubling(step="have[r] + have[r ^ 1]"), "the partner is the same in each round"),
    ("17.5", doubling(step="have[r].add_(have[r ^ 2**k])"), "its argument tensors in place"),
    ("17.5", doubling(result="[h / n for h in have], sent"), "you return the mean"),
    ("17.5", doubling(result="have, sent[0]"), "one number for each"),
    ("17.5", doubling(result="have, sum(sent)"), "what each has sent"),
    ("17.5", doubling(result="have"), "you return the tensors alone"),
    ("17.5", doubling(result="[have[0]] * n, sent"), "several processes share one tensor"),
    ("17.5", doubling(result="[sum(tensors)] * n, sent"), "several processes share one tensor"),
    ("17.5", doubling().replace("2**k < n", "2 ** (k + 1) < n"), "the last round is missing"),
    ("17.5", doubling().replace("2**k < n", "2**k <= n"), "your code raised IndexError"),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)

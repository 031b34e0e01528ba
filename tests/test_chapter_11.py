"""What `check` says about answers to the exercises of notebook 11."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("11.2", {"forward: last input": "no picture is ever mirrored"})
    assert_true_of_degenerate("11.3", {"first input": "the weight is as it was"})
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


LAYER = """
class RandomMirror(nn.Module):
    def forward(self, images):
        {}
"""
RIGHT_LAYERS = [
    """
        if not self.training:
            return images
        images = images.clone()
        chosen = torch.rand(images.shape[0]) > 0.5
        images[chosen] = images[chosen].flip(-1)
        return images
    """,
    """
        if self.training:
            return torch.stack([i.flip(-1) if torch.rand(()) < 0.5 else i for i in images])
        return images
    """,
    """
        coins = torch.randint(0, 2, (len(images), 1, 1, 1)) * self.training
        return coins * images.flip(-1) + (1 - coins) * images
    """,
]


SHARED_COINS = """
        if not self.training:
            return images
        coins = torch.rand(len(images) // 2 + 1, 1, 1, 1) < 0.5
        return torch.where({coins}[: len(images)], images.flip(-1), images)
"""


@pytest.mark.parametrize("coins", ["coins.repeat_interleave(2, dim=0)", "coins.repeat(2, 1, 1, 1)"])
def test_pictures_that_share_a_coin(coins):
    body = SHARED_COINS.format(coins=coins).strip()
    assert_wrong("11.2", LAYER.format(body), "several pictures share a coin")


@pytest.mark.parametrize("body", RIGHT_LAYERS)
def test_right_layers(body):
    assert_right("11.2", LAYER.format(body.strip()))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return images", "no picture is ever mirrored"),
        ("return images.flip(-1)", 'got "every picture mirrored"'),
        ("return images.flip(-1) if self.training else images", "never sees an original"),
        (
            "return images.flip(-1) if self.training and torch.rand(1) < 0.5 else images",
            "all pictures of a batch are mirrored, or none",
        ),
        (
            "for _ in images:\n            if self.training and torch.rand(1) < 0.5:\n"
            "                images = images.flip(-1)\n        return images",
            "let it decide on this picture alone",
        ),
        (
            "some = torch.rand(len(images)) < 0.5 * self.training\n"
            "        return torch.cat([images[some].flip(-1), images[~some]])",
            "pictures take the place of others in the batch",
        ),
        (
            "some = torch.rand(len(images), 1, 1, 1) < 0.5\n"
            "        return torch.where(some, images.flip(-1), images)",
            "it mirrors in `eval()` as well",
        ),
        (
            "some = torch.rand(len(images), 1, 1, 1) < 0.2\n"
            "        return torch.where(some & self.training, images.flip(-1), images)",
            "of the pictures mirrored",
        ),
        (
            "some = torch.rand(images.shape) < 0.5\n"
            "        return torch.where(some & self.training, images.flip(-1), images)",
            "the coin is thrown for each pixel",
        ),
        (
            "some = torch.rand(len(images), 1, images.shape[2], 1) < 0.5\n"
            "        return torch.where(some & self.training, images.flip(-1), images)",
            "the coin is thrown for each row",
        ),
        (
            "some = torch.rand(len(images), 1, 1, 1) < 0.5\n"
            "        return torch.where(some & self.training, images.flip(-2, -1), images)",
            "it turns pictures around",
        ),
        (
            "some = torch.randperm(len(images))[:, None, None, None] * 2 < len(images)\n"
            "        return torch.where(some & self.training, images.flip(-1), images)",
            "exactly half of each batch",
        ),
        ("return torch.cat([images, images.flip(-1)]) if self.training else images", "more pict"),
        (
            "if self.training:\n"
            "            for n in range(len(images)):\n"
            "                if torch.rand(()) < 0.5:\n"
            "                    images[n] = images[n].flip(-1)\n"
            "        return images",
            "it writes the mirror images into the pictures",
        ),
        ("return images.flip(-1) if torch.rand(len(images)) < 0.5 else images", "RuntimeError"),
    ],
)
def test_wrong_layers(body, words):
    assert_wrong("11.2", LAYER.format(body), words)


def test_a_layer_that_is_no_module_yet():
    code = """
    class RandomMirror(nn.Module):
        def __init__(self):
            self.p = 0.5
        def forward(self, images):
            if not self.training:
                return images
            coin = torch.rand(len(images), 1, 1, 1) < self.p
            return torch.where(coin, images.flip(-1), images)
    """
    assert_wrong("11.2", code, "does not call `super().__init__()`")
    with_it = code.replace("self.p =", "super().__init__()\n            self.p =")
    assert_right("11.2", with_it)


@pytest.mark.parametrize("condition", ["self.is_on", "self.training and self.is_on"])
def test_a_coin_that_is_thrown_once(condition):
    code = f"""
    class RandomMirror(nn.Module):
        def __init__(self):
            super().__init__()
            self.is_on = torch.rand(1).item() < 0.5
        def forward(self, images):
            return images.flip(-1) if {condition} else images
    """
    assert_wrong("11.2", code, "the coin is thrown once and for all, in `__init__`")


RIGHT = {
    "11.3": [
        "return weight @ torch.eye(784)[:, permutation]",
        "return weight @ torch.eye(784, dtype=weight.dtype)[permutation].T",
        "return weight.T[permutation].T",
        "new = torch.empty(len(weight), 784)\n"
        "for j in range(784):\n    new[:, j] = weight[:, permutation[j]]\nreturn new",
        "return weight.index_select(1, permutation)",
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
    ("11.3", "return weight[:, permutation.argsort()]", "the order of the way back"),
    (
        "11.3",
        "new = torch.empty_like(weight)\nnew[:, permutation] = weight\nreturn new",
        "the order of the way back",
    ),
    ("11.3", "return weight[permutation]", "you reorder the rows"),
    ("11.3", "return weight * permutation", "Its entries are places, not factors"),
    ("11.3", "return weight @ permutation.float()", "which leaves one number for each output"),
    ("11.3", "return weight @ permutation", "to index columns with them needs no dtype)"),
    ("11.3", "return weight[:, permutation][:, permutation]", "you reorder twice"),
    ("11.3", "return weight[:, permutation] + 1e-2", "should give [[30, 40, 20, 10]]"),
    ("11.3", "return weight[:, torch.randperm(784)]", "the numbers are right, their order is not"),
    ("11.3", "return weight[:, permutation - 1]", "no 1 to subtract"),
    ("11.3", "return weight.flip(1)", "you reverse the columns"),
    ("11.3", "return weight.T[permutation]", "it is the transpose"),
    ("11.3", "weight[:] = weight[:, permutation]\nreturn weight", "its argument weight in place"),
    ("11.3", "return permutation", "what comes back is permutation"),
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

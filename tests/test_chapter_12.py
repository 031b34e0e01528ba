"""What `check` says about answers to the exercises of notebook 12."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("12.1", {"forward: last input": "no picture is ever mirrored"})
    assert_true_of_degenerate("12.2", {"first input": "the weight is as it was"})


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
    assert_wrong("12.1", LAYER.format(body), "several pictures share a coin")


@pytest.mark.parametrize("body", RIGHT_LAYERS)
def test_right_layers(body):
    assert_right("12.1", LAYER.format(body.strip()))


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
    assert_wrong("12.1", LAYER.format(body), words)


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
    assert_wrong("12.1", code, "does not call `super().__init__()`")
    with_it = code.replace("self.p =", "super().__init__()\n            self.p =")
    assert_right("12.1", with_it)


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
    assert_wrong("12.1", code, "the coin is thrown once and for all, in `__init__`")


RIGHT = {
    "12.2": [
        "return weight @ torch.eye(784)[:, permutation]",
        "return weight @ torch.eye(784, dtype=weight.dtype)[permutation].T",
        "return weight.T[permutation].T",
        "new = torch.empty(len(weight), 784)\n"
        "for j in range(784):\n    new[:, j] = weight[:, permutation[j]]\nreturn new",
        "return weight.index_select(1, permutation)",
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


WRONG = [
    ("12.2", "return weight[:, permutation.argsort()]", "the order of the way back"),
    (
        "12.2",
        "new = torch.empty_like(weight)\nnew[:, permutation] = weight\nreturn new",
        "the order of the way back",
    ),
    ("12.2", "return weight[permutation]", "you reorder the rows"),
    ("12.2", "return weight * permutation", "Its entries are places, not factors"),
    ("12.2", "return weight @ permutation.float()", "which leaves one number for each output"),
    ("12.2", "return weight @ permutation", "to index columns with them needs no dtype)"),
    ("12.2", "return weight[:, permutation][:, permutation]", "you reorder twice"),
    ("12.2", "return weight[:, permutation] + 1e-2", "should give [[30, 40, 20, 10]]"),
    ("12.2", "return weight[:, torch.randperm(784)]", "the numbers are right, their order is not"),
    ("12.2", "return weight[:, permutation - 1]", "no 1 to subtract"),
    ("12.2", "return weight.flip(1)", "you reverse the columns"),
    ("12.2", "return weight.T[permutation]", "it is the transpose"),
    ("12.2", "weight[:] = weight[:, permutation]\nreturn weight", "its argument weight in place"),
    ("12.2", "return permutation", "what comes back is permutation"),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)


NET = """
class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential({layers})
    def forward(self, images):
        return {forward}
"""
MLP = "nn.Flatten(), nn.Linear(784, {0}), nn.ReLU(), nn.Linear({0}, 10)"
LENET = """
class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.last = nn.Linear(400, 10)
    def forward(self, images):
        maps = torch.max_pool2d(self.first(images).sigmoid(), 2)
        maps = torch.max_pool2d(self.second(maps).sigmoid(), 2)
        return self.last(maps.reshape(len(images), -1))
"""


@pytest.mark.parametrize(
    ("code", "size"),
    [
        (NET.format(layers=MLP.format(80), forward="self.layers(images)"), "63,610"),
        (LENET, "6,582"),
        (
            NET.format(layers="nn.Linear(784, 10)", forward="self.layers(images.flatten(1))"),
            "7,850",
        ),
    ],
)
def test_networks_that_may_enter(code, size):
    assert_right("12.3", code, f"it has {size} parameters, and after twelve steps it tells")


@pytest.mark.parametrize(
    ("layers", "forward", "words"),
    [
        (MLP.format(100), "self.layers(images)", "it has more than 65,000 parameters"),
        (MLP.format(50), "self.layers(images).softmax(1)", "leave yours out"),
        (MLP.format(50), "self.layers(images).argmax(1)", "it decides already"),
        ("nn.Conv2d(1, 10, 28)", "self.layers(images)", "ten maps of 1×1 come out"),
        (MLP.format(50) + ", nn.Linear(10, 9)", "self.layers(images)", "(8, 9)"),
        ("nn.Linear(784, 10)", "self.layers(images.view(64, -1))", "RuntimeError"),
        (MLP.format(50), "self.layers[:3](images)[:, :10]", "some parameters never get a gradient"),
    ],
)
def test_networks_that_may_not(layers, forward, words):
    assert_wrong("12.3", NET.format(layers=layers, forward=forward), words)


def test_layers_in_a_list_and_a_forgotten_super():
    code = NET.format(layers="nn.Flatten(), nn.Linear(784, 10)", forward="self.layers(images)")
    in_a_list = (
        code.replace("nn.Sequential(", "[")
        .replace("10))", "10)]")
        .replace("self.layers(images)", "self.layers[1](self.layers[0](images))")
    )
    assert_wrong("12.3", in_a_list, "invisible to a module")
    forgotten = code.replace("super().__init__()", "self.size = 28").replace("self.layers = ", "")
    assert_wrong("12.3", forgotten, "does not call `super().__init__()`")

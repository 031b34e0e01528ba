"""What `check` says about answers to the exercises of notebook 05."""

import pytest
from chapter_answers import (
    assert_right,
    assert_true_of_degenerate,
    assert_wrong,
    prepared,
    reply,
)

# Makes a layer, and writes both tensors into it as they should be; tests replace parts of it.
LINEAR = """
layer = nn.Linear(*w.shape, dtype=w.dtype)
with torch.no_grad():
    layer.weight.copy_(w.T)
    layer.bias.copy_(b)
return layer
"""
TARGET = "C = logits.shape[1]\ntarget = (1 - smoothing) * F.one_hot(labels, C) + smoothing / C\n"
GRAPH = "no gradient leads back to the logits"

AS_A_CLASS = """
class From(nn.Linear):
    def __init__(self, w, b):
        super().__init__(*w.shape, dtype=w.dtype)
        with torch.no_grad():
            self.weight.copy_(w.T)
            self.bias.copy_(b)

linear_from = From
"""

RIGHT = [
    ("5.1", "'1,654'"),
    ("5.1", "'630 + 900 + 124'"),
    ("5.1", "'1654 numbers'"),
    ("5.2", LINEAR),
    (
        "5.2",
        "layer = nn.Linear(*w.shape)\nlayer.weight = nn.Parameter(w.T.clone())\n"
        "layer.bias = nn.Parameter(b.clone())\nreturn layer",
    ),
    (
        "5.2",
        "class Mine(nn.Linear):\n    pass\n\ndef linear_from(w, b):\n"
        "    layer = Mine(*w.shape, dtype=w.dtype)\n"
        "    layer.load_state_dict({'weight': w.T, 'bias': b})\n    return layer",
    ),
    ("5.3", "return F.binary_cross_entropy_with_logits(logits, labels.float())"),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits).mean()"),
    ("5.3", "return F.cross_entropy(torch.stack([0 * logits, logits], dim=1), labels)"),
    (
        "5.3",
        "stable = torch.log1p((-logits.abs()).exp())\n"
        "return (logits.clamp(min=0) - logits * labels + stable).mean()",
    ),
    ("5.4", "return F.cross_entropy(logits, labels, label_smoothing=smoothing)"),
    ("5.4", TARGET + "return -(target * log_softmax(logits)).sum(dim=1).mean()"),
    ("5.4", TARGET + "return F.cross_entropy(logits, target)"),
    ("5.5", "4 * 60_000 // 1000"),
    ("5.5", "'240 steps'"),
]

WRONG = [
    ("5.1", "1624", "the biases of the first layer are missing"),
    ("5.1", "1650", "the biases of the last layer are missing"),
    ("5.1", "84", "you counted what goes through the layers"),
    ("5.1", "754", "the layer in the middle has no bias, but it has weights"),
    ("5.1", "1714", "you gave each ReLU 30 numbers"),
    ("5.1", "1657", "too large. Write down two numbers for each linear layer"),
    ("5.1", "6616", "too large. Write down two numbers"),
    ("5.5", "60", "that is one epoch"),
    ("5.5", "2400", "so many steps did the hundreds take"),
    ("5.5", "4", "a step an epoch"),
    ("5.5", "60_000 * 4", "so many pictures are looked at"),
    ("5.5", "300", "300 is too large. How many mini-batches of 1,000"),
    ("5.2", LINEAR.replace(", dtype=w.dtype", ""), "whatever `w` has: make it with"),
    ("5.2", LINEAR.replace("w.dtype", "torch.float64"), "of the weight for a float32 w: expected"),
    ("5.2", LINEAR.replace("*w.shape", "*w.T.shape"), "RuntimeError: The size of tensor a"),
    ("5.2", LINEAR.replace("(w.T)", "(w.reshape(layer.weight.shape))"), "is not transposed"),
    ("5.2", LINEAR.replace("copy_(b)", "zero_()"), "in the layer's bias: every entry is 0"),
    ("5.2", LINEAR.replace("layer.weight.copy_(w.T)", "pass"), "the bias is right, but the weight"),
    ("5.2", LINEAR.replace("layer.bias.copy_(b)", "pass"), "still the one that PyTorch drew"),
    ("5.2", "layer = nn.Linear(*w.shape, dtype=w.dtype)\nweight, bias = w.T, b\nreturn layer",
        "A new value for a name of yours does not reach the layer"),
    ("5.2", LINEAR.replace("return layer", "return nn.Sequential(layer)"), 'got "a Sequential"'),
    ("5.2", LINEAR.replace("return layer", "return layer(w)"), 'got "a tensor of shape (4, 4)"'),
    ("5.2", "return lambda x: x @ w + b", 'expected "an nn.Linear", got "a function"'),
    ("5.2", LINEAR.replace("return layer", "return layer.requires_grad_(False)"), "learn nothing"),
    ("5.2", LINEAR.replace("return", "layer.weight.requires_grad_(False)\nreturn"), 'got "bias"'),
    ("5.2", LINEAR.replace("layer.weight.copy_(w.T)", "layer.weight.data = w.T"),
        "its memory is yours"),
    ("5.2", "layer = nn.Linear(*w.shape)\nlayer.weight = nn.Parameter(w)\n"
        "layer.bias = nn.Parameter(b)\nreturn layer", "the weight is not transposed"),
    ("5.2", "layer = nn.Linear(*w.shape, dtype=w.dtype)\nlayer.weight = w.T\nreturn layer",
        "TypeError: cannot assign 'torch.DoubleTensor' as parameter 'weight'"),
    ("5.2", LINEAR.replace("*w.shape", "*w.T.shape").replace("layer.weight.copy_(w.T)",
        "layer.weight = nn.Parameter(w.T.clone())").replace("layer.bias.copy_(b)",
        "layer.bias = nn.Parameter(b.clone())"), "made with its two sizes exchanged"),
    ("5.2", LINEAR.replace(".copy_(w.T)", " += w.T").replace(".copy_(b)", " += b"), "you add to"),
    ("5.2", LINEAR.replace(".copy_(b)", " += b"), "you add to the numbers that PyTorch drew"),
    ("5.2", "layer = nn.Linear(*w.shape, dtype=w.dtype)\ndel layer.weight, layer.bias\n"
        "layer.bias = b.clone().requires_grad_()\nlayer.weight = w.T.clone().requires_grad_()\n"
        "return layer", "weight and bias are plain tensors now"),
    ("5.2", LINEAR.replace("(w.T)", "(w.T / len(w) ** 0.5)"), "the root of its number of inputs"),
    ("5.2", LINEAR.replace("return layer", ""), "is a `return` missing?"),
    ("5.3", "return F.binary_cross_entropy_with_logits(logits, 1.0 * (labels == 0))",
        "the two classes are exchanged"),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits).mean() / math.log(2)", "loss in bits"),
    ("5.3", "logits = torch.tensor(logits.detach().numpy())\n"
        "return F.softplus((1 - 2 * labels) * logits).mean()", GRAPH),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits).mean().item()", GRAPH),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits.detach()).mean()", GRAPH),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits.clamp(-30, 30)).mean()", "thousands (no"),
    ("5.3", "p = torch.sigmoid(logits)\nreturn -torch.where(labels == 1, p, 1 - p).log().mean()",
        "for logits in the thousands it is infinite"),
    ("5.3", "s = (1 - 2 * labels) * logits\n"
        "return torch.where(s > 30, s, torch.log1p(s.exp())).mean()",
        "the branch not taken goes backward too"),
    ("5.3", "top = torch.where(logits > 30, logits, torch.log(1 + torch.exp(logits)))\n"
        "return (top - labels * logits).mean()", "the branch not taken goes backward too"),
    ("5.3", "return -F.softplus((1 - 2 * labels) * logits).mean()", "the sign is flipped"),
    ("5.3", "return F.softplus((1 - 2 * labels) * logits)", "is a sum or a mean missing?"),
    ("5.3", "return F.softplus(logits).mean()", "as if it were of class 0"),
    ("5.3", "return F.binary_cross_entropy_with_logits(torch.sigmoid(logits), labels.double())",
        "the sigmoid is taken twice"),
    ("5.3", "return (1 + (1 - 2 * labels) * logits).clamp(min=0).mean()", "should give"),
    ("5.3", "logits[labels == 1] *= -1\nreturn F.softplus(logits).mean()", "argument logits in pl"),
    ("5.4", "return F.cross_entropy(logits, labels, label_smoothing=0.1)", "were always 0.1"),
    ("5.4", TARGET + "return (target * (target.log() - log_softmax(logits))).sum(dim=1).mean()",
        "you subtract the target's own entropy"),
    ("5.4", "raised = F.one_hot(labels, logits.shape[1]) + smoothing\n"
        "target = raised / raised.sum(dim=1, keepdim=True)\n"
        "return -(target * log_softmax(logits)).sum(dim=1).mean()", "scale the target to 1 after"),
    ("5.4", "log_p = log_softmax(logits)\n"
        "return -(1 - smoothing) * log_p[:, labels].mean() - smoothing * log_p.mean()",
        "takes all these columns from every row"),
    ("5.4", TARGET + "return -(target * log_softmax(logits)).mean()", "a mean in place of a sum?"),
    ("5.4", TARGET.replace("(labels, C)", "(labels)")
        + "return -(target * log_softmax(logits)).sum(dim=1).mean()", "as the largest label asks"),
    ("5.4", TARGET.replace("(labels, C)", "(labels)") + "return F.cross_entropy(logits, target)",
        "your code raised"),
    ("5.4", TARGET + "return F.cross_entropy(torch.softmax(logits, dim=1), target)", "taken twice"),
    ("5.4", "return (1 - smoothing) * F.cross_entropy(logits, labels)", "but nobody gets it"),
    ("5.4", "return F.cross_entropy(logits.detach(), labels, label_smoothing=smoothing)", GRAPH),
    ("5.4", "return F.cross_entropy(logits, labels, label_smoothing=smoothing / 2)", "should give"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers(number, answer):
    assert_right(number, answer)


STABLE = "torch.log1p((-logits.abs()).exp())"
KINK = "return ({} - logits * labels + " + STABLE + ").mean()"
LARGE = "for logits as large as [1000, 0] it gives "
REMARKED = [
    ("5.3", KINK.format("logits.clamp(min=0)"), "where a logit is exactly 0"),
    ("5.3", KINK.format("torch.relu(logits)"), "where a logit is exactly 0"),
    ("5.4", TARGET + "return -(target * logits.softmax(1).log()).sum(dim=1).mean()", f"{LARGE}inf"),
    (
        "5.4",
        TARGET + "return -(target * (logits.softmax(1) + 1e-12).log()).sum(dim=1).mean()",
        f"{LARGE}2",
    ),
]


@pytest.mark.parametrize(("number", "answer", "words"), REMARKED)
def test_right_with_a_remark(number, answer, words):
    assert_right(number, answer, words)


def test_no_remark_without_a_kink_or_a_softmax_rounded_to_0():
    assert "exactly 0" not in reply("5.3", "return F.softplus((1 - 2 * labels) * logits).mean()")
    assert LARGE not in reply("5.4", TARGET + "return F.cross_entropy(logits, target)")


def test_a_class_may_stand_for_a_function():
    assert_right("5.2", AS_A_CLASS, "linear_from is a class here, which does for a function")
    assert_wrong("5.2", AS_A_CLASS.replace("w.T", "w"), "but the weight is not transposed")
    assert_wrong("5.2", AS_A_CLASS.replace("w, b)", "w)"), "must take 2 arguments (w, b), got (w)")


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong_answers(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize("number", ["5.3", "5.4"])
def test_degenerate_answers(number):
    assert_true_of_degenerate(number)


def test_degenerate_layers():
    nothing = {"None": "linear_from returns nothing"}
    changed = ("zeros", "ones", "NaN", "negative", "transpose")
    assert_true_of_degenerate("5.2", nothing, but=changed)
    for change in ("zero_", "neg_", "fill_(1).exp_", "fill_(torch.nan).exp_"):
        for part in "weight", "bias":
            answer = LINEAR.replace("return", f"layer.{part}.data.{change}()\nreturn")
            assert prepared("5.2", reply("5.2", answer)) is None
            assert_wrong("5.2", answer, "in the ")

"""What `check` says about answers to the exercises of notebook 07."""

import textwrap

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong, reply


def module(name, init, forward, *methods):
    """Return the code of a module's class; `init` follows the call of super."""
    arguments = {"Deep": "width, depth", "Standardised": "num_features"}[name]
    parts = [f"def __init__(self, {arguments}):\n    super().__init__()\n{indented(init)}"]
    parts += [f"def forward(self, x):\n{indented(forward)}", *methods]
    return f"class {name}(nn.Module):\n{indented(chr(10).join(parts))}"


def indented(code):
    return textwrap.indent(code, "    ")


LAYERS = "self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])"
HIDDEN = "self.layers = [nn.Linear(width, width) for _ in range(depth)]"
LOOP = "for layer in self.layers:\n    x = layer(x).relu()\nreturn x"
OWN = (
    "def parameters(self, recurse=True):\n"
    "    return [p for layer in self.layers for p in layer.parameters()]"
)


def deep(init=LAYERS, forward=LOOP, *methods):
    return module("Deep", init, forward, *methods)


BOTH = (
    "self.weight = nn.Parameter(torch.ones(num_features))\n"
    "self.bias = nn.Parameter(torch.zeros(num_features))"
)
ROWS = (
    "d = x - x.mean(dim=1, keepdim=True)\n"
    "var = d.square().mean(dim=1, keepdim=True)\n"
    "return d / (var + 1e-5).sqrt() * self.weight + self.bias"
)


def standardised(forward=ROWS, init=BOTH):
    return module("Standardised", init, forward)


TRAINED = "if p.requires_grad"
COUNT = f"return sum(p.numel() for p in model.parameters() {TRAINED})"

RIGHT = [
    ("7.1", "'48 + 72 + 16'"),
    ("7.1", "'136 numbers'"),
    ("7.2", deep()),
    ("7.2", deep(f"{HIDDEN}\nself.known = nn.ModuleList(self.layers)")),
    (
        "7.2",
        deep(
            "parts = []\nfor _ in range(depth):\n    parts += [nn.Linear(width, width), "
            "nn.ReLU()]\nself.layers = nn.Sequential(*parts)",
            "return self.layers(x)",
        ),
    ),
    (
        "7.2",
        deep(
            "for n in range(depth):\n    self.add_module(f'layer{n}', nn.Linear(width, width))",
            LOOP.replace("self.layers", "self.children()"),
        ),
    ),
    ("7.3", standardised()),
    (
        "7.3",
        standardised(
            "var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)\n"
            "return self.bias + (x - mean) * torch.rsqrt(var + 1e-5) * self.weight"
        ),
    ),
    ("7.4", COUNT),
    (
        "7.4",
        "return torch.tensor([p.nelement() for p in model.parameters() if p.requires_grad]).sum()",
    ),
]

SQUARES = ROWS.replace(
    "d.square().mean(dim=1, keepdim=True)",
    "(x**2).mean(dim=1, keepdim=True) - x.mean(dim=1, keepdim=True) ** 2",
)


def test_a_variance_that_loses_its_digits_gets_a_remark():
    assert_right("7.3", standardised(SQUARES), "rows around 100 with a spread of 0.01")
    assert "rows around 100" not in reply("7.3", standardised())


WRONG = [
    ("7.3", "class Standardised(nn.LayerNorm):\n    pass", "PyTorch's own function"),
    ("7.3", standardised("return F.layer_norm(x, x.shape[1:], self.weight, self.bias)".replace(
        "F.", "nn.functional.")), "PyTorch's own function"),
    ("7.1", "210", "two things at once"),
    ("7.1", "184", "two things at once"),
    ("7.1", "128", "the shared layer has a bias too"),
    ("7.1", "72", "that is the shared layer alone"),
    ("7.1", "64", "the shared layer is missing"),
    ("7.1", "200", "its weight counts once, like its bias"),
    ("7.1", "26", "you counted what comes out of the layers"),
    ("7.1", "5 * 8 + 5 + 64 + 8 + 16", "one for each output, not for each"),
    ("7.1", "150", "too large. Write down two numbers for each layer"),
    ("7.2", deep(HIDDEN.replace("[", "tuple(").replace("]", ")")), "`parameters()` finds none"),
    ("7.2", deep("self.args = width, depth", LAYERS.replace("width", "self.args[0]").replace(
        "depth", "self.args[1]") + f"\n{LOOP}"), "none after `__init__`. That is where"),
    ("7.2", deep(f"{HIDDEN}\nfor layer in self.layers:\n    self._modules[layer] = layer"),
        "the names of layers are texts"),
    ("7.2", deep(HIDDEN, LOOP, OWN), "`parameters()` finds them, since you wrote it anew"),
    ("7.2", deep("self.layers = nn.ModuleList([nn.Linear(width, width)] * depth)"), "is shared"),
    ("7.2", deep("import copy\nfirst = nn.Linear(width, width)\n"
        "self.layers = nn.ModuleList([copy.deepcopy(first) for _ in range(depth)])"),
        "all layers begin with the same numbers"),
    ("7.2", deep(forward=LOOP.replace("\nreturn", "\n    return")), "stand inside the loop?"),
    ("7.2", deep(forward=LOOP.replace("    x =", "    y =").replace("return x", "return y")),
        "that of the last layer alone"),
    ("7.2", deep(forward=f"with torch.no_grad():\n{indented(LOOP)}"), "no gradient reaches them"),
    ("7.2", deep(forward=LOOP.replace("(x)", "(x.detach())")), "reaches the last one alone"),
    ("7.2", deep(forward="import torch.nn.functional as F\n" + LOOP.replace(
        "layer(x)", "F.linear(x, layer.weight.detach(), layer.bias)")),
        "in the gradient of layer 0's weight: expected a tensor"),
    ("7.2", deep("self.a = nn.Linear(width, width)\nself.b = nn.Linear(width, width)",
        "return self.b(self.a(x).relu()).relu()"), "in what parameters() finds: expected"),
    ("7.2", deep(LAYERS.replace("depth)", "depth - 1)")), "one layer too few"),
    ("7.2", deep(f"{HIDDEN}\nself.known = nn.ModuleList([nn.Linear(width, width) for _ in range("
        "depth)])"), "does not depend on what `parameters()` finds"),
    ("7.2", deep(f"{LAYERS}\nself.requires_grad_(False)"), "their `requires_grad` is off"),
    ("7.2", deep(LAYERS.replace("width)", "width, bias=False)")), "in what parameters() finds"),
    ("7.3", standardised("return self.norm(x)", "self.norm = nn.LayerNorm(num_features)"),
        "a layer inside does the work"),
    ("7.3", standardised("return self.norm(x)", "self.norm = nn.BatchNorm1d(num_features)"),
        "a `BatchNorm` standardises down the columns"),
    ("7.3", standardised(ROWS.replace("var = d.sq", "var = x.sq")), "mean of the squared *devia"),
    ("7.3", standardised(ROWS.replace("1e-5", "1e-3")), "what you add to the variance is not 1e-5"),
    ("7.3", standardised(ROWS.replace("square().mean", "square().sum")), "take their mean"),
    ("7.3", standardised(ROWS.replace("* self", "@ self"), BOTH.replace("ones(", "ones(5, ")),
        "in the weight of a new layer: expected shape (5,), got (5, 5)"),
    ("7.2", deep(forward=LOOP.replace("= layer", "= x + layer")), "in each round x is added to"),
    ("7.2", deep(forward=LOOP.replace("layer(x)", "(x + layer(x))")), "in each round x is added"),
    ("7.2", deep(forward=LOOP.replace("= layer(", "= self.layers[0](")), "first layer is used"),
    ("7.2", deep(forward=LOOP.replace("= layer(", "= self.layers[-1](")), "last layer is used"),
    ("7.2", deep(forward=f"start = x\n{LOOP} + start"), "the net's input is added to its output"),
    ("7.2", deep(forward=LOOP.replace("layers:", "layers[1:]:")), "does not use the first layer"),
    ("7.2", deep(forward=LOOP.replace("layers:", "layers[:-1]:")), "does not use the last layer"),
    ("7.2", deep(forward=LOOP.replace("relu", "tanh")), "should give [[13], [4]]"),
    *(
        ("7.3", standardised(ROWS.replace(old, new)), "leave them on the record")
        for old, new in (
            ("x.mean(dim=1, keepdim=True)", "x.mean(dim=1, keepdim=True).detach()"),
            ("d.square()", "d.detach().square()"),
            ("(var + 1e-5)", "(var.data + 1e-5)"),
            ("return d", "return d.detach()"),
        )
    ),
    ("7.3", standardised(f"x = x.detach()\n{ROWS}"), "no gradient reaches the input"),
    ("7.3", standardised(f"self.weight.data.fill_(1)\n{ROWS}"), "with another weight and bias"),
    ("7.3", standardised(ROWS.replace("self.weight", "self.weight.data")),
        "in the gradient of weight: expected a tensor of shape (5,), got None: no gradient arrives "
        "there; `.data`, `.detach()`, `.item()` and copies cut"),
    ("7.3", standardised(init=BOTH.replace("nn.Parameter", "")), "a new layer has no parameters"),
    ("7.3", standardised(ROWS.replace("weight", "gamma").replace("bias", "beta"),
        BOTH.replace("weight", "gamma").replace("bias", "beta")), 'got "beta and gamma"'),
    ("7.3", standardised(init=BOTH.replace("ones", "randn")), "in the weight of a new layer: "),
    ("7.3", standardised(ROWS.replace(", keepdim=True", "")), "must match the size of tensor b"),
    ("7.3", standardised(ROWS.replace("dim=1", "dim=0")), "you standardise down the columns"),
    ("7.3", standardised(ROWS.replace(" + self.bias", "")), "`forward` does not use `bias`"),
    ("7.4", COUNT.replace("for p in model", "for m in model.modules() for p in m"), "every level"),
    ("7.4", COUNT.replace("if p", "if not p"), "you counted the frozen ones"),
    ("7.4", "seen = []\nfor p in model.parameters():\n"
        "    if p.requires_grad and p.shape not in [s.shape for s in seen]:\n"
        "        seen.append(p)\nreturn sum(p.numel() for p in seen)", "that look alike"),
    ("7.4", COUNT.replace("parameters()", "parameters(recurse=False)"), "the modules inside"),
    ("7.4", COUNT.replace("for p in model", "for m in model.modules() for p in m").replace(
        "parameters()", "parameters(recurse=False)"), "where two modules hold the same weight"),
    ("7.4", COUNT.replace("for p in model", "for m in model.children() for p in m"), "children al"),
    ("7.4", "for p in model.parameters():\n    p.requires_grad_(True)\n" + COUNT,
        'in what the counting changes in the model: expected "nothing", got "requires_grad or'),
    ("7.4", f"model.requires_grad_(True)\n{COUNT}", "changes in the model"),
    ("7.4", COUNT.replace("numel()", "nbytes"), "you counted bytes"),
    ("7.4", "total = 0\nfor p in model.parameters():\n    if p.requires_grad:\n"
        "        total += p.numel()\n    return total", "does the `return` stand inside the loop?"),
    ("7.4", "for p in model.parameters():\n    if p.requires_grad:\n        return p.numel()",
        "does the `return` stand inside the loop?"),
    ("7.4", "total = 0\nfor p in model.parameters():\n    if not p.requires_grad:\n"
        "        break\n    total += p.numel()\nreturn total", "stops at the first frozen"),
    ("7.4", COUNT.replace("p.numel()", "sum(p.shape)"), "their product, `numel()`"),
    ("7.4", COUNT.replace("p.numel()", "p.count_nonzero()"), "entries that are 0 at present"),
    ("7.4", "return sum(p.numel() for m in model.modules() if isinstance(m, nn.Linear) "
        "for p in m.parameters() if p.requires_grad)", "modules of some kinds alone"),
    ("7.4", "return sum(m.in_features * m.out_features for m in model.modules() "
        "if isinstance(m, nn.Linear))", "in nn.Linear(2, "),
    ("7.4", COUNT.replace("return sum(", "return list("), "expected a number, got a list"),
    ("7.4", f"count = {COUNT[7:]}\nmodel.requires_grad_(True)\nreturn count", "counting changes"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right_answers(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong_answers(number, answer, words):
    assert_wrong(number, answer, words)


UNRELATED = "the output does not depend on what `parameters()` finds"


def test_degenerate_answers():
    names = ("zeros", "ones", "NaN", "last input")
    assert_true_of_degenerate("7.2", {f"forward: {name}": UNRELATED for name in names})
    assert_true_of_degenerate("7.3")
    assert_true_of_degenerate("7.4")

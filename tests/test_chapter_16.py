"""What `check` says about answers to the exercises of notebook 16."""

import textwrap

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    changes = ("zeros", "ones", "NaN", "negative", "transpose")
    model = {"None": "nothing comes back", "first input": "return the *name*"}
    assert_true_of_degenerate("16.3", but=changes)
    same = [f"train: {name}" for name in (*changes, "first input")]
    nothing = {f"train: {name}": "the rest does not follow `mode`" for name in ("None", "0", "0.0")}
    assert_true_of_degenerate("16.4", nothing, but=same)
    assert_true_of_degenerate("16.5", model, but=changes)


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("16.1", "0", "the head was made later"),
        ("16.1", "1600", "both have biases"),
        ("16.1", "1795", "buffers"),
        ("16.1", "11_178_051", "that is the whole net"),
        ("16.1", "1700", "1700 is too large. Two layers train"),
        ("16.2", "0.3439", "after four batches"),
        ("16.2", "0.999", "the reverse of SGD's"),
        ("16.2", "0.729", "the way still to go"),
        ("16.2", "0.2", "0.2 is too small. A running mean moves without a gradient"),
        ("16.2", "nn.BatchNorm2d(1)", "expected a number, got a BatchNorm2d. A running mean"),
        ("16.2", "0.272", "nearly: keep all digits on the way"),
        ("16.2", "0.81", "the way still to go after two batches"),
        ("16.2", "0.875", "1 − 0.5³"),
        ("16.2", "0.0297", "1 − 0.99³"),
        ("16.2", "0.1**3", "a tenth of a tenth of a tenth"),
    ],
)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("16.1", "'1,667'", ""),
        ("16.1", "512 * 3 + 3 + 2 * 64", ""),
        ("16.2", "'0.271'", ""),
        ("16.2", "27.1", "27.1 percent are 0.271"),
        ("16.2", "'27.1 %'", ""),
        ("16.2", "1 - 0.9**3", ""),
    ],
)
def test_right_predictions(number, answer, words):
    assert_right(number, answer, words)


FREEZE = "model.requires_grad_(False)\n"
THAW = "model.layer4.requires_grad_(True)\nmodel.fc.requires_grad_(True)\n"
STAGE = "{'params': model.layer4.parameters(), 'lr': body_rate}"
HEAD = "{'params': list(model.fc.parameters()), 'lr': head_rate}"
GROUPS = f"return [{STAGE}, {HEAD}]"

NORMS = """
class StillNorms(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def train(self, mode=True):
        {body}
        return self

    def forward(self, x):
        return self.model(x)
"""
HOLD = (
    "for part in self.modules():\n"
    "            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):\n"
    "                part.{what}"
)


def norms(*lines, what="eval()"):
    return NORMS.format(body="\n        ".join([*lines, HOLD.format(what=what)]))


REPLACE = """
name = [n for n, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
parent, _, child = name.rpartition(".")
old = model.get_submodule(name)
setattr(model.get_submodule(parent), child, {new})
return {back}
"""


def replacing(new="nn.Linear(old.in_features, classes)", back="name"):
    return REPLACE.format(new=new, back=back)


RIGHT = {
    "16.3": [
        FREEZE + THAW + GROUPS,
        FREEZE + THAW + f"return [{HEAD}, {STAGE}]",
        "for name, p in model.named_parameters():\n"
        "    p.requires_grad = name.startswith(('layer4.', 'fc.'))\n" + GROUPS,
        FREEZE + THAW + f"return ({STAGE}, {HEAD})",
    ],
    "16.4": [
        norms("super().train(mode)"),
        norms("nn.Module.train(self, mode)", what="train(False)"),
        NORMS.format(
            body="super().train(mode)\n"
            "        def still(part):\n"
            "            if type(part) in (nn.BatchNorm1d, nn.BatchNorm2d):\n"
            "                part.training = False\n"
            "        self.apply(still)"
        ),
    ],
    "16.5": [
        replacing(),
        replacing("nn.Linear(old.weight.shape[1], classes).to(old.weight.device)"),
        """
        for name, part in model.named_modules():
            if isinstance(part, nn.Linear):
                last, width = name, part.in_features
        holder = model
        *path, child = last.split(".")
        for step in path:
            holder = getattr(holder, step) if hasattr(holder, step) else holder[int(step)]
        holder._modules[child] = nn.Linear(width, classes)
        return last
        """,
    ],
}


def test_a_remark_on_derived_classes():
    assert_right("16.4", RIGHT["16.4"][-1], "a class that derives from `nn.BatchNorm1d`")


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


NEW = "model.fc = nn.Linear(model.fc.in_features, model.fc.out_features)\n"

WRONG = [
    ("16.5", "model.eval()\n" + textwrap.dedent(replacing()).strip(), "in the mode of the model"),
    ("16.3", "model = copy.deepcopy(model)\n" + FREEZE + THAW + GROUPS, "you freeze a copy"),
    (
        "16.3",
        FREEZE + THAW + "model = copy.deepcopy(model)\n" + GROUPS,
        "your groups hold the parameters of a copy",
    ),
    (
        "16.3",
        FREEZE + "model.layer4[1].requires_grad_(True)\nmodel.fc.requires_grad_(True)\n"
        "return [{'params': model.layer4[1].parameters(), 'lr': body_rate}, "
        "{'params': model.fc.parameters(), 'lr': head_rate}]",
        "    groups = parameter_groups(model, 0.1, 0.5)",
    ),
    (
        "16.5",
        "for name, part in model.named_children():\n"
        "    if isinstance(part, nn.Linear):\n        last, old = name, part\n"
        "setattr(model, last, nn.Linear(old.in_features, classes))\nreturn last",
        "the last one lies deeper: `named_modules()` goes through all",
    ),
    (
        "16.5",
        "last = [n for n, p in model.named_children() if isinstance(p, nn.Linear)][-1]\n"
        "setattr(model, last, nn.Linear(getattr(model, last).in_features, classes))\nreturn last",
        "the last one lies deeper: `named_modules()` goes through all",
    ),
    (
        "16.3",
        FREEZE + THAW.replace("layer4", "layer4[-1]") + GROUPS,
        "only the last block of `layer4` trains",
    ),
    (
        "16.3",
        FREEZE + "model.layer4.requires_grad_(True)\n" + NEW + GROUPS,
        "you put in a new head",
    ),
    ("16.3", FREEZE + GROUPS, "nothing trains: in the end all is frozen"),
    ("16.3", THAW + GROUPS, "the rest of the model still computes gradients"),
    ("16.3", "model.requires_grad = False\n" + GROUPS, "an attribute that nobody reads"),
    ("16.3", FREEZE + THAW + f"return torch.optim.Adam([{STAGE}, {HEAD}])", "you return an optim"),
    (
        "16.3",
        FREEZE + THAW + "return [{'params': model.parameters(), 'lr': head_rate}]",
        "there is one group of all parameters",
    ),
    (
        "16.3",
        FREEZE + THAW + "body = [p for n, p in model.named_parameters() if n[:2] != 'fc']\n"
        f"return [{{'params': body, 'lr': body_rate}}, {HEAD}]",
        "your groups hold frozen parameters as well",
    ),
    ("16.3", FREEZE + "model.layer4.requires_grad_()\n" + GROUPS, "the last stage alone trains"),
    ("16.3", FREEZE + "model.fc.requires_grad_()\n" + GROUPS, "the head alone trains"),
    (
        "16.3",
        FREEZE + THAW + GROUPS.replace("body", "x").replace("head", "body").replace("x_", "head_"),
        "the two rates are swapped",
    ),
    ("16.3", FREEZE + THAW + GROUPS.replace(", 'lr': body_rate", ""), "must name its own `lr`"),
    ("16.3", FREEZE + THAW + "model.eval()\n" + GROUPS, "you changed the model's mode"),
    ("16.3", FREEZE + THAW + "return [model.layer4, model.fc]", "a list with a Sequential in it"),
    (
        "16.3",
        "for name, p in model.named_parameters():\n"
        "    p.requires_grad = name.startswith(('layer4', 'fc')) and 'bn' not in name\n" + GROUPS,
        "layer4.0.bn1, layer4.0.bn2, layer4.1.bn1, layer4.1.bn2 are missing",
    ),
    (
        "16.3",
        FREEZE + THAW + "rates = {'layer4': body_rate, 'fc': head_rate}\n"
        "return [{'params': [p], 'lr': rates[n.split('.')[0]]}\n"
        "        for n, p in model.named_parameters() if p.requires_grad]",
        "each parameter has a group of its own",
    ),
    *(
        ("16.4", norms("super().train(mode)", what=f"eval(); part.{reset}"), "resets the batch")
        for reset in ("reset_running_stats()", "running_mean.zero_()")
    ),
    (
        "16.4",
        NORMS.format(
            body="super().train(mode)\n"
            "        for part in list(self.model.modules())[1:]:\n"
            "            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):\n"
            "                part.eval()"
        ),
        "`modules()` begins with the module itself",
    ),
    (
        "16.4",
        NORMS.format(
            body="super().train(mode)\n"
            "        for name, part in self.named_modules():\n"
            "            if 'bn' in name:\n"
            "                part.eval()"
        ),
        "with another name still follows `mode`; go by its class",
    ),
    ("16.4", norms(), "the rest does not follow `mode`"),
    (
        "16.4",
        NORMS.format(body=HOLD.format(what="eval()") + "\n        super().train(mode)"),
        "*aft",
    ),
    (
        "16.4",
        NORMS.format(body="super().train(mode)\n        self.model.eval()"),
        "dropout for one",
    ),
    ("16.4", norms("super().train(mode)", what="eval"), "Does it have its parentheses?"),
    (
        "16.4",
        norms("super().train(mode)").replace(
            "(nn.BatchNorm1d, nn.BatchNorm2d)",
            "nn.BatchNorm1d) and isinstance(part, nn.BatchNorm2d",
        ),
        "is the `if` around it true whatever `mode` is? (No module is a BatchNorm1d *and*",
    ),
    ("16.4", norms("super().train(mode)").replace("if is", "if not mode and is"), "whatever `mode"),
    ("16.4", norms("super().train(True)"), "the rest does not follow `mode`"),
    ("16.4", norms("self.model.train(mode)"), "leaves out the flag of the module itself"),
    ("16.4", norms("super().train(mode)", what="requires_grad_(False)"), "what holds them is eval"),
    ("16.4", norms("super().train(mode)").replace("return self\n", "pass\n", 1), "return `self`"),
    (
        "16.4",
        norms("super().train(mode)").replace("self.modules()", "self.model.children()"),
        "you look at the children alone",
    ),
    (
        "16.4",
        norms("super().train(mode)").replace("(nn.BatchNorm1d, nn.BatchNorm2d)", "nn.BatchNorm2d"),
        "are two classes",
    ),
    (
        "16.4",
        norms("super().train(mode)", what="eval().requires_grad_(False)"),
        "all weights shall",
    ),
    ("16.4", norms("self.train(mode)"), "RecursionError"),
    (
        "16.4",
        norms("super().train(mode)", what="eval(); part.reset_running_stats()"),
        "resets the batch normalisations",
    ),
    (
        "16.4",
        norms("super().train(mode)").replace(
            "isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d))",
            "'Norm' in repr(type(part)) and part is not self",
        ),
        "you hold other normalisations still",
    ),
    (
        "16.4",
        norms("return super().train(mode)"),
        "before you `return`",
    ),
    ("16.5", replacing(back="child"), "return the whole name, with its dots"),
    ("16.5", replacing(back="model"), "return the *name* of the new layer"),
    ("16.5", replacing(back="None"), "nothing comes back"),
    ("16.5", replacing("nn.Linear(classes, old.in_features)"), "inputs and outputs exchanged"),
    ("16.5", replacing("nn.Linear(old.out_features, classes)"), "names and shapes"),
    ("16.5", replacing("nn.Linear(old.in_features, classes, bias=False)"), "has no bias"),
    ("16.5", replacing().replace("[-1]", "[0]"), "you replaced the first linear layer"),
    ("16.5", "model.fc = nn.Linear(model.fc.in_features, classes)\nreturn 'fc'", "AttributeError"),
    ("16.5", "import copy\nmodel = copy.deepcopy(model)" + replacing(), "as before"),
    ("16.5", FREEZE + replacing().strip(), "you froze the rest"),
    (
        "16.5",
        replacing().replace("model.get_submodule(parent), child", "model, name"),
        "as *one* name",
    ),
    (
        "16.5",
        replacing().replace("setattr", "old.out_features = classes\nreturn name\nsetattr"),
        "`out_features` is only a note",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    if code.startswith("import copy"):
        code = "def replace_head(model, classes):\n    " + code.strip().replace("\n", "\n    ")
    assert_wrong(number, code, words)

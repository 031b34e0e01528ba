"""What `check` says about answers to the exercises of notebook 15."""

import pytest
from chapter_answers import assert_right, assert_wrong


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("15.1", "14", "you gave the weights or the gradients two bytes a number"),
        ("15.1", "18", "the short copy of the weights"),
        ("15.1", "16e6 / 2**20", "those are mebibytes"),
        ("15.1", "128", "you counted bits"),
        ("15.1", "20", "that is five tensors"),
        ("15.1", "6", "6 is too small. How many tensors of the weights' shape are kept"),
        ("15.2", "512 + 1 / 128", "the gap grows with the number"),
        ("15.2", "508", "nothing is subtracted"),
        ("15.2", "float('inf')", "what it lacks is digits"),
        ("15.2", "514", "there is no 514"),
        ("15.2", "520", "520 is too large. The gap between neighbours grows"),
    ],
)
def test_wrong_predictions(number, answer, words):
    assert_wrong(number, answer, words)


@pytest.mark.parametrize(
    ("number", "answer"), [("15.1", "'16 MB'"), ("15.1", "4 * 4"), ("15.2", "'512, as before'")]
)
def test_right_predictions(number, answer):
    assert_right(number, answer)


SPLIT = "for part, answers in zip(images.split(size), labels.split(size)):\n    "
LOSS = "F.cross_entropy(model(part), answers)"

CLIPPED = """
optimizer.zero_grad()
scaler.scale(loss).backward()
scaler.unscale_(optimizer)
nn.utils.clip_grad_norm_(model.parameters(), max_norm)
scaler.step(optimizer)
scaler.update()
"""
BY_HAND = """
model.zero_grad()
(loss * scaler.get_scale()).backward()
scaler.scale(loss.detach())
scaler.unscale_(optimizer)
norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
for p in model.parameters():
    p.grad *= min(1.0, max_norm / (norm + 1e-6).item())
scaler.step(optimizer)
scaler.update()
"""
BY_GRAD = """
parameters = list(model.parameters())
for p, g in zip(parameters, torch.autograd.grad(scaler.scale(loss), parameters)):
    p.grad = g
scaler.unscale_(optimizer)
nn.utils.clip_grad_norm_(parameters, max_norm)
scaler.step(optimizer)
scaler.update()
"""
CLIPPED_RIGHT = {
    "15.3": [
        CLIPPED,
        CLIPPED.replace("optimizer.zero", "model.zero"),
        CLIPPED.replace("zero_grad()", "zero_grad(set_to_none=False)"),
        BY_HAND,
        BY_GRAD,
        CLIPPED.replace(
            "scaler.step(",
            "if torch.isfinite(torch.cat([p.grad.view(-1) for p in "
            "model.parameters()])).all():\n    optimizer.step(",
        ).replace("(optimizer)\nscaler.up", "()\nscaler.up"),
        CLIPPED.replace("scaler.unscale_(optimizer)\n", "").replace(
            "max_norm)", "max_norm * scaler.get_scale())"
        ),
    ]
}
CLIPPED_WRONG = [
    (
        "15.3",
        "scaler.scale(loss).backward()\n"
        "nn.utils.clip_grad_norm_(model.parameters(), max_norm)\noptimizer.step()",
        "and let the optimizer step by itself",
    ),
    *(
        ("15.3", CLIPPED.replace(old, new), words)
        for old, new, words in (
            ("scaler.unscale_(optimizer)\n", "", "still multiplied by the factor, so the step is"),
            ("optimizer.zero_grad()\n", "", "the old gradient is still in the sum"),
            ("scaler.step(optimizer)", "optimizer.step()", "the weights become nan"),
            ("scaler.step(optimizer)\n", "", "the weights do not move"),
            ("scaler.update()\n", "", "the factor stays as it is"),
            ("clip_grad_norm_", "clip_grad_value_", "you clip each entry by itself"),
            ("nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n", "", "not clipped when"),
            ("max_norm)", "1.0)", "as if max_norm were always 1;"),
            ("scaler.scale(loss).backward()", "loss.backward()", "unscale_"),
            ("backward()\n", "backward()\noptimizer.zero_grad()\n", "your code raised"),
            ("scaler.step(optimizer)\nscaler.update()", "scaler.update()\nscaler.step(optimizer)",
                "once more; update last"),
            ("scaler.unscale_(optimizer)\n", "scaler.unscale_(optimizer)\n" * 2, "already been"),
            ("nn.utils.clip_grad_norm_(model.parameters(), max_norm)",
                "for p in model.parameters():\n    nn.utils.clip_grad_norm_(p, max_norm)",
                "you clip each parameter by itself"),
            ("scaler.unscale_(optimizer)",
                "for p in model.parameters():\n    p.grad /= scaler.get_scale()",
                "the gradient is divided twice"),
            ("scaler.step(optimizer)", "optimizer.step()\nscaler.step(optimizer)", "two steps"),
            ("nn.utils.clip_grad_norm_(model.parameters(), max_norm)",
                "if not nn.utils.clip_grad_norm_(model.parameters(), max_norm).isfinite():\n"
                "    return", "after the overflow the factor stays as it was"),
        )
    ),
    (
        "15.3",
        CLIPPED.replace("nn.utils.clip_grad_norm_(model.parameters(), max_norm)\n", "")
        + "nn.utils.clip_grad_norm_(model.parameters(), max_norm)",
        "not clipped when the step is taken",
    ),
    (
        "15.3",
        "optimizer.zero_grad()\nloss.backward()\n"
        "nn.utils.clip_grad_norm_(model.parameters(), max_norm)\noptimizer.step()",
        "the scaler takes no part",
    ),
]  # fmt: skip

RIGHT = {
    "15.4": [
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "for p in model.parameters():\n    p.grad = None\n"
        "for at in range(0, len(images), size):\n"
        "    logits = model(images[at : at + size])\n"
        "    loss = F.cross_entropy(logits, labels[at : at + size], reduction='sum')\n"
        "    (loss / len(labels)).backward()",
        "model.zero_grad()\nfor n in range(len(images)):\n"
        "    loss = F.cross_entropy(model(images[n : n + 1]), labels[n : n + 1])\n"
        "    (loss / len(images)).backward()",
        "model.zero_grad()\ncount = -(-len(images) // size)\n"
        "for part, answers in zip(images.tensor_split(count), labels.tensor_split(count)):\n"
        f"    ({LOSS} * len(part) / len(images)).backward()",
        "torch.optim.SGD(model.parameters(), lr=0.1).zero_grad(set_to_none=False)\n"
        f"{SPLIT}({LOSS} * (len(part) / len(images))).backward()",
    ],
    **CLIPPED_RIGHT,
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_functions(number, code):
    assert_right(number, code)


WRONG = [
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} / len(images)).backward()",
        "you add up means and divide by the number of pictures",
    ),
    ("15.4", f"model.zero_grad()\n{SPLIT}({LOSS} / len(part)).backward()", "is a mean already"),
    (
        "15.4",
        f"model.eval()\nmodel.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "the model is left in eval mode",
    ),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(images) / len(part)).backward()",
        "your weight is upside down",
    ),
    *(
        (
            "15.4",
            "model.zero_grad()\nfor part in images.split(size):\n"
            f"    (F.cross_entropy(model(part), labels[: len(part)]){weight}).backward()",
            "every part is compared with the first labels",
        )
        for weight in ("", " * len(part) / len(images)")
    ),
    *(
        ("15.4", f"model.zero_grad()\n{SPLIT}({loss} * len(part) / len(images)).backward()", words)
        for loss, words in (
            ("F.nll_loss(model(part), answers)", "`F.nll_loss` wants the logarithms"),
            ("F.nll_loss(model(part).softmax(1), answers)", "`F.nll_loss` wants the logarithms"),
            ("F.cross_entropy(model(part).softmax(1), answers)", "one softmax too many"),
            ("F.mse_loss(model(part), answers[:, None] + 0.0)", "and gives   [["),
        )
    ),
    (
        "15.4",
        f"model.zero_grad()\ntotal = 0.0\n{SPLIT}total += {LOSS}.item()\nreturn total",
        "`.grad` is None in the end",
    ),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()\n"
        "torch.optim.SGD(model.parameters(), lr=0.3).step()",
        "you also let an optimizer step",
    ),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * len(part) / len(images)).backward()\n"
        "model.zero_grad()",
        "`.grad` is None in the end",
    ),
    ("15.4", f"{SPLIT}({LOSS} * len(part) / len(images)).backward()", "the old gradient is still"),
    ("15.4", f"model.zero_grad()\n{SPLIT}{LOSS}.backward()", "you add up the parts' means"),
    (
        "15.4",
        f"model.zero_grad()\nimages.requires_grad_()\n"
        f"{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "they want a gradient now",
    ),
    ("15.4", f"model.zero_grad()\n{SPLIT}({LOSS} * size / len(images)).backward()", "with `size`"),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} / (len(images) / size)).backward()",
        "with `size`",
    ),
    (
        "15.4",
        f"model.weight.grad = None\n{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "in the gradient of the bias",
    ),
    ("15.4", "model.zero_grad()\nF.cross_entropy(model(images), labels).backward()", "at once"),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}loss = {LOSS} * len(part) / len(images)\n"
        "    loss.backward(retain_graph=True)",
        "leave out `retain_graph=True`",
    ),
    (
        "15.4",
        f"model.zero_grad()\nkept = []\n{SPLIT}kept.append({LOSS} * len(part) / len(images))\n"
        "    kept[-1].backward(retain_graph=True)",
        "all the parts' graphs are alive together",
    ),
    (
        "15.4",
        f"kept = []\n{SPLIT}loss = {LOSS} * len(part) / len(images)\n"
        "    kept.append(torch.autograd.grad(loss, list(model.parameters())))\n"
        "return [sum(parts) for parts in zip(*kept)]",
        "you return the gradients",
    ),
    (
        "15.4",
        "model.zero_grad()\nfor part, answers in zip(images.chunk(size), labels.chunk(size)):\n"
        f"    ({LOSS} * len(part) / len(images)).backward()",
        "`chunk(size)` makes `size` parts",
    ),
    (
        "15.4",
        "for p in model.parameters():\n    p.grad.zero_()\n"
        f"{SPLIT}({LOSS} * len(part) / len(images)).backward()",
        "as long as there is no gradient, `.grad` is None",
    ),
    (
        "15.4",
        f"model.zero_grad()\n{SPLIT}({LOSS} * (len(part) / len(images)) ** 0.5).backward()",
        "    model.weight.grad\n    should give [[",
    ),
    (
        "15.4",
        f"model.zero_grad()\ntotal = 0\n{SPLIT}total += {LOSS} * len(part) / len(images)\n"
        "total.backward()",
        "all the parts' graphs are alive together",
    ),
    (
        "15.4",
        "model.zero_grad()\nsteps = len(images) // size\nfor n in range(steps):\n"
        "    rows = slice(n * size, n * size + size)\n"
        "    (F.cross_entropy(model(images[rows]), labels[rows]) * size / len(images)).backward()",
        "the short part at the end is left out",
    ),
    *CLIPPED_WRONG,
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_functions(number, code, words):
    assert_wrong(number, code, words)

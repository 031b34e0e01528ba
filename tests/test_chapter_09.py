"""What `check` says about answers to the exercises of notebook 09."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("9.2")
    assert_true_of_degenerate("9.3", {"negative": "the sign is flipped"})


@pytest.mark.parametrize("answer", ["10", "'10 rows'", "10.0", "(10,)", "4 + 6"])
def test_right_numbers_of_rows(answer):
    assert_right("9.1", answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("9", "The bias is one more unknown"),
        ("8", "A 5×5 kernel has more unknowns"),
        ("6", "you counted pixels"),
        ("26", "that is how many equations you need"),
        ("30", "you let the window slide in one direction"),
        ("5", "a single window"),
        ("11", "one too many"),
        ("100", "the question is about rows"),
        ("7", "enough for nine unknowns"),
        ("12", "12 is too large. Each window is one equation"),
    ],
)
def test_wrong_numbers_of_rows(answer, words):
    assert_wrong("9.1", answer, words)


RIGHT = {
    "9.3": [
        "y, at = F.max_pool2d(x[None], 2, return_indices=True)\n"
        "return F.max_unpool2d(grad_y[None], at, 2)[0]",
        "x = x.clone().requires_grad_()\n"
        "F.max_pool2d(x[None], 2)[0].backward(grad_y)\nreturn x.grad",
        """
        up = lambda t: t.repeat_interleave(2, 0).repeat_interleave(2, 1)
        return up(grad_y) * (x == up(F.max_pool2d(x[None], 2)[0]))
        """,
        """
        grad_x = torch.zeros(x.shape)
        for i in range(grad_y.shape[0]):
            for j in range(grad_y.shape[1]):
                place = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].argmax().item()
                grad_x[2 * i + place // 2, 2 * j + place % 2] = grad_y[i, j]
        return grad_x
        """,
    ],
    "9.2": [
        "return F.conv2d(x[None], weight, bias)[0]",
        """
        maps = []
        for o in range(len(weight)):
            total = bias[o]
            for c in range(len(x)):
                total = total + corr2d(x[c], weight[o, c])
            maps.append(total)
        return torch.stack(maps)
        """,
    ],
}


@pytest.mark.parametrize(("number", "code"), [(n, code) for n in RIGHT for code in RIGHT[n]])
def test_right_answers(number, code):
    assert_right(number, code)


PAIRS = "return torch.stack([{} + bias[o] for o in range(len(weight))])"
TOTAL = """
total, maps = 0, []
for o in range(len(weight)):
    for c in range(len(x)):
        total = total + corr2d(x[c], weight[o, c])
    maps.append(total + bias[o])
return torch.stack(maps)
"""
WRONG = [
    (
        "9.3",
        "grad_x = torch.zeros_like(x)\nfor i in range(len(grad_y)):\n"
        "    for j in range(grad_y.shape[1]):\n"
        "        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]\n"
        "        grad_x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = "
        "(window == window.max()) * grad_y[i, j].clamp(min=0)\nreturn grad_x",
        "should give [[0, 0], [-5, 0]]",
    ),
    (
        "9.3",
        "grad_x = torch.zeros_like(x)\nfor i in range(grad_y.shape[0]):\n"
        "    for j in range(grad_y.shape[1]):\n"
        "        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]\n"
        "        grad_x[x == window.max()] = grad_y[i, j]\nreturn grad_x",
        "you look for a window's maximum in the whole picture",
    ),
    (
        "9.3",
        "return grad_y.repeat(2, 2) * (x > 1)",
        "max_pool_backward(torch.tensor([[5.0]]), torch.tensor([[1.0, 2.0], [4.0, 3.0]]))",
    ),
    ("9.3", "return F.interpolate(grad_y[None, None], scale_factor=2)[0, 0]", "all four cells"),
    ("9.3", "return F.interpolate(grad_y[None, None], scale_factor=2)[0, 0] / 4", "average pool"),
    (
        "9.3",
        """
        grad_x = torch.zeros_like(x)
        for i in range(grad_y.shape[0]):
            for j in range(grad_y.shape[1]):
                window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                grad_x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = window == window.max()
        return grad_x
        """,
        "`grad_y` has still to be multiplied",
    ),
    (
        "9.3",
        "up = F.interpolate(grad_y[None, None], scale_factor=2)[0, 0]\nreturn up * (x == x.max())",
        "the maximum of the whole picture",
    ),
    (
        "9.3",
        "x.requires_grad_()\nF.max_pool2d(x[None], 2)[0].backward(grad_y)\nreturn x.grad",
        "has changed the caller's x",
    ),
    (
        "9.3",
        "y, at = F.max_pool2d(-x[None], 2, return_indices=True)\n"
        "return F.max_unpool2d(grad_y[None], at, 2)[0]",
        "the smallest number of each window",
    ),
    (
        "9.3",
        "y, at = F.max_pool2d(x[None], 2, return_indices=True)\nreturn F.max_unpool2d(y, at, 2)[0]",
        "those are the maxima themselves",
    ),
    ("9.3", "return F.max_pool2d(x[None], 2)[0]", "that is the forward pass"),
    ("9.3", "x[x < 0] = 0\nreturn x", "changes its argument x in place"),
    ("9.3", "return grad_y * (x == x.max())", "raised RuntimeError"),
    ("9.3", "g = torch.zeros_like(x)\ng[1::2, 1::2] = grad_y\nreturn g", "the same corner of each"),
    ("9.3", "return torch.ones_like(x)", "cells with a gradient in each window"),
    ("9.2", "return F.conv2d(x[None], weight, bias)", "their arrangement is not"),
    ("9.2", "return F.conv2d(x[None], weight)[0]", "the bias is missing"),
    ("9.2", "return F.conv2d(x[None], weight.transpose(0, 1), bias)[0]", "axes of `weight` are"),
    ("9.2", "return F.conv2d(x[None], weight.flip(2, 3), bias)[0]", "the kernels are flipped"),
    ("9.2", "return F.conv2d(x[None], weight / len(x), bias)[0]", "the mean over the input chan"),
    ("9.2", "return F.conv2d(x[None], weight, bias)[0].sum(0)", "you add up the output channels"),
    ("9.2", PAIRS.format("sum(corr2d(x[o], k) for k in weight[o])"), "map o reads channel o alone"),
    (
        "9.2",
        PAIRS.format("sum(corr2d(c, k) for c in x for k in weight[o])"),
        "every channel meets every kernel of `weight[o]`, in a double loop",
    ),
    ("9.2", TOTAL, "the sum is not begun anew for each output channel"),
    (
        "9.2",
        TOTAL.replace("    maps", "    total = total + bias[o]\n    maps").replace(
            "d(total + bias[o]", "d(total"
        ),
        "the sum is not begun anew for each output channel",
    ),
    ("9.2", "return list(F.conv2d(x[None], weight, bias)[0])", "they come one by one"),
    ("9.2", "return tuple(F.conv2d(x[None], weight, bias)[0])", "they come one by one"),
    (
        "9.2",
        "for o in range(len(weight)):\n"
        "    return F.conv2d(x[None], weight[o : o + 1], bias[o : o + 1])[0, 0]",
        "only the first output channel is there",
    ),
    ("9.2", "return F.conv2d(x[None], weight, -bias)[0]", "you subtract the bias"),
    ("9.2", "return F.conv2d(x[None], weight)[0] + bias.sum()", "each map gets all the biases"),
    (
        "9.2",
        "return torch.stack([corr2d(x.sum(0), w.sum(0)) + b for w, b in zip(weight, bias)])",
        "every channel meets every kernel of `weight[o]`",
    ),
    (
        "9.2",
        "return torch.stack([corr2d(x[o], weight[o, o]) + bias[o] for o in range(len(weight))])",
        "each output channel reads one input channel alone",
    ),
    (
        "9.2",
        "return torch.stack([sum(corr2d(x[c], weight[o, c]) + bias[o] for c in range(len(x))) "
        "for o in range(len(weight))])",
        "the bias is added once for each input channel",
    ),
    (
        "9.2",
        "return torch.stack([sum(corr2d(x[c], weight[o, c]) for c in range(len(x))) + bias[o] "
        "for o in range(len(x))])",
        "the maps with one more channel out: expected shape",
    ),
    (
        "9.2",
        """
        y = corr2d(x[0], weight[0, 0]).new_zeros(len(weight), x.shape[1] - 1, x.shape[2] - 2)
        for o in range(len(weight)):
            for c in range(len(x)):
                y[o] = corr2d(x[c], weight[o, c]) + bias[o]
        return y
        """,
        "only the last input channel is there",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_answers(number, code, words):
    assert_wrong(number, code, words)

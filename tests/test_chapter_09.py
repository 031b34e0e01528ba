"""What `check` says about answers to the exercises of notebook 09."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("9.2")
    assert_true_of_degenerate("9.4")
    assert_true_of_degenerate("9.5", {"negative": "the sign is flipped"})
    assert_true_of_degenerate("9.3", {"negative": "the sign is flipped"})


@pytest.mark.parametrize("answer", ["29", "'29 rows'", "29.0", "(29,)", "'1 + 2 + 8 + 2 + 16'"])
def test_right_receptive_fields(answer):
    assert_right("9.1", answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("13", "you stopped before the last layer"),
        ("11", "you stopped after the second layer"),
        ("28", "one is missing: r begins with 1"),
        ("30", "one too many"),
        ("16", "you forgot the stride of the first layer"),
        ("10", "without `jump` and dilation"),
        ("12", "each kernel reaches on its own map"),
        ("25", "the dilation of the second layer"),
        ("43", "you took the dilation for a stride"),
        ("40", "(k − 1) · d · jump"),
        ("29**2", "the question is about rows"),
        ("31", "Between three rows there are two gaps"),
        ("33", "or you took dilation 2 for two holes between the rows"),
        ("14", "the first layer is missing"),
        ("19", "the pooling is missing"),
        ("150", "sizes of kernels do not multiply"),
        ("5", "that is the last layer alone"),
        ("45", "you let `jump` be 8"),
        ("35", "35 is too large. Keep two numbers, the reach r and the jump, both 1 at first"),
    ],
)
def test_wrong_receptive_fields(answer, words):
    assert_wrong("9.1", answer, words)


RIGHT = {
    "9.2": [
        "return corr2d(x, kernel)[::stride, ::stride]",
        "return F.conv2d(x[None, None], kernel[None, None], stride=stride)[0, 0]",
        """
        rows, columns = kernel.shape
        tops = range(0, x.shape[0] - rows + 1, stride)
        lefts = range(0, x.shape[1] - columns + 1, stride)
        return torch.tensor(
            [[(x[i : i + rows, j : j + columns] * kernel).sum() for j in lefts] for i in tops]
        )
        """,
        "return x.unfold(0, kernel.shape[0], stride).unfold(1, kernel.shape[1], stride)"
        ".mul(kernel).sum((2, 3))",
    ],
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
    "9.4": [
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
    "9.5": [
        """
        rows, columns = kernel.shape
        spread = grad_y.new_zeros(shape[0] - rows + 1, shape[1] - columns + 1)
        spread[: grad_y.shape[0] * stride : stride, : grad_y.shape[1] * stride : stride] = grad_y
        padded = F.pad(spread, (columns - 1, columns - 1, rows - 1, rows - 1))
        return corr2d(padded, kernel.flip(0, 1))
        """,
        """
        x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        y = F.conv2d(x[None, None], kernel[None, None], stride=stride)[0, 0]
        return torch.autograd.grad(y, x, grad_y)[0]
        """,
        """
        y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)[0, 0]
        return F.pad(y, (0, shape[1] - y.shape[1], 0, shape[0] - y.shape[0]))
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
STRIDED = """
rows, columns = kernel.shape
y = x.new_zeros((x.shape[0] - rows) // stride + 1, (x.shape[1] - columns) // stride + 1)
for i in range(y.shape[0]):
    for j in range(y.shape[1]):
        top, left = i * stride, j * stride
        y[i, j] = (x[top : top + rows, left : left + columns] * kernel).sum()
return y
"""
EARLY = """
rows, columns = kernel.shape
return torch.stack([
    torch.stack([
        (x[i : i + rows, j : j + columns] * kernel).sum()
        for j in range(0, x.shape[1] - columns, stride)
    ])
    for i in range(0, x.shape[0] - rows, stride)
])
"""
TOO_MANY = "a window not as large as the kernel? `y` may have too many places"

SCATTER = """
grad_x = grad_y.new_zeros(shape)
for i in range(grad_y.shape[0]):
    for j in range(grad_y.shape[1]):
        a, b = i * stride, j * stride
        grad_x[a : a + kernel.shape[0], b : b + kernel.shape[1]] += grad_y[i, j] * kernel
{end}
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
    ("9.2", STRIDED.replace("// stride + 1", "+ 1"), TOO_MANY),
    (
        "9.2",
        STRIDED.replace("(x.shape[0] - rows) // stride + 1", "x.shape[0] // stride").replace(
            "(x.shape[1] - columns) // stride + 1", "x.shape[1] // stride"
        ),
        TOO_MANY,
    ),
    ("9.2", STRIDED.replace("top + rows", "i + rows"), "or the slice is wrong"),
    ("9.2", EARLY, "the last place is missing where it fits exactly"),
    (
        "9.2",
        STRIDED.replace(
            "(x.shape[0] - rows) // stride + 1", "(x.shape[0] - rows + 1) // stride"
        ).replace("(x.shape[1] - columns) // stride + 1", "(x.shape[1] - columns + 1) // stride"),
        "the 1 belongs outside the division",
    ),
    ("9.2", STRIDED.replace("//", "/"), "whole numbers as sizes: is there a `/` for a `//`?"),
    ("9.2", STRIDED.replace("\nreturn", "\n    return"), "stand inside a loop"),
    ("9.2", STRIDED.replace("\nreturn", "\n        return"), "stand inside a loop"),
    ("9.2", "return corr2d(x[::stride, ::stride], kernel)", "you thinned out the picture"),
    ("9.2", "return corr2d(x, kernel)[:, ::stride]", "to the right, but not down"),
    ("9.2", "return corr2d(x, kernel)[::stride]", "jumps down, but not to the right"),
    ("9.2", "return corr2d(x, kernel.flip(0, 1))[::stride, ::stride]", "turned around"),
    ("9.2", "return corr2d(x, kernel)[::2, ::2]", "always moves by 2"),
    ("9.2", "return corr2d(x, kernel)[stride::stride, stride::stride]", "expected shape"),
    ("9.2", "return corr2d(x, kernel)[::stride, ::stride].T", "it is the transpose"),
    ("9.2", "return corr2d(x, kernel)[::stride, ::stride].relu()", "expected -"),
    ("9.2", "return corr2d(x, kernel)[:: stride + 1, :: stride + 1]", "stride were one too large"),
    ("9.2", "return corr2d(x, kernel)[:: kernel.shape[0], :: kernel.shape[1]]", "its own size"),
    (
        "9.2",
        """
        rows, columns = kernel.shape
        y = x.new_zeros((x.shape[0] - rows) // stride + 1, (x.shape[1] - columns) // stride + 1)
        for i in range(0, x.shape[0] - rows + 1, stride):
            for j in range(0, x.shape[1] - columns + 1, stride):
                y[i, j] = (x[i : i + rows, j : j + columns] * kernel).sum()
        return y
        """,
        "your code raised IndexError",
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
    ("9.4", "return F.conv2d(x[None], weight, bias)", "their arrangement is not"),
    ("9.4", "return F.conv2d(x[None], weight)[0]", "the bias is missing"),
    ("9.4", "return F.conv2d(x[None], weight.transpose(0, 1), bias)[0]", "axes of `weight` are"),
    ("9.4", "return F.conv2d(x[None], weight.flip(2, 3), bias)[0]", "the kernels are flipped"),
    ("9.4", "return F.conv2d(x[None], weight / len(x), bias)[0]", "the mean over the input chan"),
    ("9.4", "return F.conv2d(x[None], weight, bias)[0].sum(0)", "you add up the output channels"),
    ("9.4", PAIRS.format("sum(corr2d(x[o], k) for k in weight[o])"), "map o reads channel o alone"),
    (
        "9.4",
        PAIRS.format("sum(corr2d(c, k) for c in x for k in weight[o])"),
        "every channel meets every kernel of `weight[o]`, in a double loop",
    ),
    ("9.4", TOTAL, "the sum is not begun anew for each output channel"),
    (
        "9.4",
        TOTAL.replace("    maps", "    total = total + bias[o]\n    maps").replace(
            "d(total + bias[o]", "d(total"
        ),
        "the sum is not begun anew for each output channel",
    ),
    ("9.4", "return list(F.conv2d(x[None], weight, bias)[0])", "they come one by one"),
    ("9.4", "return tuple(F.conv2d(x[None], weight, bias)[0])", "they come one by one"),
    (
        "9.4",
        "for o in range(len(weight)):\n"
        "    return F.conv2d(x[None], weight[o : o + 1], bias[o : o + 1])[0, 0]",
        "only the first output channel is there",
    ),
    ("9.4", "return F.conv2d(x[None], weight, -bias)[0]", "you subtract the bias"),
    ("9.4", "return F.conv2d(x[None], weight)[0] + bias.sum()", "each map gets all the biases"),
    (
        "9.4",
        "return torch.stack([corr2d(x.sum(0), w.sum(0)) + b for w, b in zip(weight, bias)])",
        "every channel meets every kernel of `weight[o]`",
    ),
    (
        "9.4",
        "return torch.stack([corr2d(x[o], weight[o, o]) + bias[o] for o in range(len(weight))])",
        "each output channel reads one input channel alone",
    ),
    (
        "9.4",
        "return torch.stack([sum(corr2d(x[c], weight[o, c]) + bias[o] for c in range(len(x))) "
        "for o in range(len(weight))])",
        "the bias is added once for each input channel",
    ),
    (
        "9.4",
        "return torch.stack([sum(corr2d(x[c], weight[o, c]) for c in range(len(x))) + bias[o] "
        "for o in range(len(x))])",
        "the maps with one more channel out: expected shape",
    ),
    (
        "9.4",
        """
        y = corr2d(x[0], weight[0, 0]).new_zeros(len(weight), x.shape[1] - 1, x.shape[2] - 2)
        for o in range(len(weight)):
            for c in range(len(x)):
                y[o] = corr2d(x[c], weight[o, c]) + bias[o]
        return y
        """,
        "only the last input channel is there",
    ),
    (
        "9.5",
        """
        rows, columns = kernel.shape
        spread = grad_y.new_zeros(shape[0] - rows + 1, shape[1] - columns + 1)
        spread[: grad_y.shape[0] * stride : stride, : grad_y.shape[1] * stride : stride] = grad_y
        padded = F.pad(spread, (columns - 1, columns - 1, rows - 1, rows - 1))
        return corr2d(padded, kernel)
        """,
        "if each pixel gathers, by `corr2d`, it has to be flipped",
    ),
    (
        "9.5",
        """
        rows, columns = kernel.shape
        big = grad_y.repeat_interleave(stride, 0).repeat_interleave(stride, 1)
        big = big[: shape[0] - rows + 1, : shape[1] - columns + 1]
        big = F.pad(
            big, (columns - 1, shape[1] - big.shape[1], rows - 1, shape[0] - big.shape[0])
        )
        return corr2d(big, kernel.flip(0, 1))
        """,
        "you repeat the numbers of `grad_y`",
    ),
    (
        "9.5",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)\n"
        "return F.interpolate(y, size=shape)[0, 0]",
        "you stretch the gradient",
    ),
    (
        "9.5",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)[0, 0]\n"
        "return F.pad(y, (shape[1] - y.shape[1], 0, shape[0] - y.shape[0], 0))",
        "you put their zeros above and to the left",
    ),
    (
        "9.5",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride + 1)[0, 0]\n"
        "y = y[: shape[0], : shape[1]]\n"
        "return F.pad(y, (0, shape[1] - y.shape[1], 0, shape[0] - y.shape[0]))",
        "your windows lie `stride + 1` apart",
    ),
    ("9.5", SCATTER.format(end="    return grad_x"), "does `return` stand inside a loop"),
    ("9.5", SCATTER.format(end="        return grad_x"), "does `return` stand inside a loop"),
    (
        "9.5",
        SCATTER.format(end="")
        + "x = torch.ones(shape, dtype=torch.float64)[None, None]\n"
        + "windows = F.unfold(x, kernel.shape, stride=stride)\n"
        + "return grad_x / F.fold(windows, shape, kernel.shape, stride=stride)[0, 0].clamp(min=1)",
        "you divide by how many windows read a pixel",
    ),
    (
        "9.5",
        "grad_x = grad_y.new_zeros(shape)\nrows, columns = kernel.shape\n"
        "for i, a in enumerate(range(0, shape[0] - rows, stride)):\n"
        "    for j, b in enumerate(range(0, shape[1] - columns, stride)):\n"
        "        grad_x[a : a + rows, b : b + columns] += grad_y[i, j] * kernel\nreturn grad_x",
        "a window is left out where it ends exactly at the border",
    ),
    (
        "9.5",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)[0, 0]\n"
        "return y",
        "rows or columns are missing at the end",
    ),
    (
        "9.5",
        "x = torch.zeros(shape, dtype=torch.float64)\nx[::stride, ::stride] = grad_y\nreturn x",
        "raised RuntimeError",
    ),
    (
        "9.5",
        """
        grad_x = grad_y.new_zeros(shape)
        for i in range(grad_y.shape[0]):
            for j in range(grad_y.shape[1]):
                grad_x[i * stride, j * stride] += grad_y[i, j]
        return grad_x
        """,
        "you put each gradient at the corner",
    ),
    (
        "9.5",
        """
        grad_x = grad_y.new_zeros(shape)
        for i in range(grad_y.shape[0]):
            for j in range(grad_y.shape[1]):
                top, left = i * stride, j * stride
                grad_x[top : top + kernel.shape[0], left : left + kernel.shape[1]] += kernel
        return grad_x
        """,
        "`grad_y` is not used",
    ),
    (
        "9.5",
        """
        grad_x = grad_y.new_zeros(shape)
        for i in range(grad_y.shape[0]):
            for j in range(grad_y.shape[1]):
                top, left = i * stride, j
                grad_x[top : top + kernel.shape[0], left : left + kernel.shape[1]] += (
                    grad_y[i, j] * kernel
                )
        return grad_x
        """,
        "jump down, but not to the right",
    ),
]


@pytest.mark.parametrize(("number", "code", "words"), WRONG)
def test_wrong_answers(number, code, words):
    assert_wrong(number, code, words)

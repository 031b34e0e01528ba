"""What `check` says about answers to the exercises of notebook 10."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def test_degenerate_answers():
    assert_true_of_degenerate("10.2")
    assert_true_of_degenerate("10.3", {"negative": "the sign is flipped"})


@pytest.mark.parametrize("answer", ["29", "'29 rows'", "29.0", "(29,)", "'1 + 2 + 8 + 2 + 16'"])
def test_right_receptive_fields(answer):
    assert_right("10.1", answer)


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
    assert_wrong("10.1", answer, words)


@pytest.mark.parametrize("answer", ["4", "'4'", "4.0", "(32 - 28 + 4) // 2"])
def test_right_paddings(answer):
    assert_right("10.4", answer, "believed that p counts both sides together")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("2", "that is the right padding"),
        ("5", "but the second pooling loses a row"),
        ("2 * 4", "`padding` counts those on each side"),
        ("3", "no message at all"),
        ("0", "256 numbers arrive"),
        ("6", "576 = 16·6·6"),
        ("28 + 4", "Which padding makes 32 of 28?"),
        ("7", "7 is too large. Walk up from 576 as you did from 256"),
    ],
)
def test_wrong_paddings(answer, words):
    assert_wrong("10.4", answer, words)


def test_paddings_give_the_numbers_of_rows_that_are_named():
    rows = {p: [r := 24 + 2 * p, r := r // 2, r := r - 4, r // 2] for p in range(6)}
    assert (rows[3], rows[4], rows[5]) == ([30, 15, 11, 5], [32, 16, 12, 6], [34, 17, 13, 6])
    assert [16 * last**2 for *_, last in rows.values()] == [256, 256, 400, 400, 576, 576]


RIGHT = {
    "10.2": [
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
    "10.3": [
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
    ("10.2", STRIDED.replace("// stride + 1", "+ 1"), TOO_MANY),
    (
        "10.2",
        STRIDED.replace("(x.shape[0] - rows) // stride + 1", "x.shape[0] // stride").replace(
            "(x.shape[1] - columns) // stride + 1", "x.shape[1] // stride"
        ),
        TOO_MANY,
    ),
    ("10.2", STRIDED.replace("top + rows", "i + rows"), "or the slice is wrong"),
    ("10.2", EARLY, "the last place is missing where it fits exactly"),
    (
        "10.2",
        STRIDED.replace(
            "(x.shape[0] - rows) // stride + 1", "(x.shape[0] - rows + 1) // stride"
        ).replace("(x.shape[1] - columns) // stride + 1", "(x.shape[1] - columns + 1) // stride"),
        "the 1 belongs outside the division",
    ),
    ("10.2", STRIDED.replace("//", "/"), "whole numbers as sizes: is there a `/` for a `//`?"),
    ("10.2", STRIDED.replace("\nreturn", "\n    return"), "stand inside a loop"),
    ("10.2", STRIDED.replace("\nreturn", "\n        return"), "stand inside a loop"),
    ("10.2", "return corr2d(x[::stride, ::stride], kernel)", "you thinned out the picture"),
    ("10.2", "return corr2d(x, kernel)[:, ::stride]", "to the right, but not down"),
    ("10.2", "return corr2d(x, kernel)[::stride]", "jumps down, but not to the right"),
    ("10.2", "return corr2d(x, kernel.flip(0, 1))[::stride, ::stride]", "turned around"),
    ("10.2", "return corr2d(x, kernel)[::2, ::2]", "always moves by 2"),
    ("10.2", "return corr2d(x, kernel)[stride::stride, stride::stride]", "expected shape"),
    ("10.2", "return corr2d(x, kernel)[::stride, ::stride].T", "it is the transpose"),
    ("10.2", "return corr2d(x, kernel)[::stride, ::stride].relu()", "expected -"),
    ("10.2", "return corr2d(x, kernel)[:: stride + 1, :: stride + 1]", "stride were one too large"),
    ("10.2", "return corr2d(x, kernel)[:: kernel.shape[0], :: kernel.shape[1]]", "its own size"),
    (
        "10.2",
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
    (
        "10.3",
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
        "10.3",
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
        "10.3",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)\n"
        "return F.interpolate(y, size=shape)[0, 0]",
        "you stretch the gradient",
    ),
    (
        "10.3",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)[0, 0]\n"
        "return F.pad(y, (shape[1] - y.shape[1], 0, shape[0] - y.shape[0], 0))",
        "you put their zeros above and to the left",
    ),
    (
        "10.3",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride + 1)[0, 0]\n"
        "y = y[: shape[0], : shape[1]]\n"
        "return F.pad(y, (0, shape[1] - y.shape[1], 0, shape[0] - y.shape[0]))",
        "your windows lie `stride + 1` apart",
    ),
    ("10.3", SCATTER.format(end="    return grad_x"), "does `return` stand inside a loop"),
    ("10.3", SCATTER.format(end="        return grad_x"), "does `return` stand inside a loop"),
    (
        "10.3",
        SCATTER.format(end="")
        + "x = torch.ones(shape, dtype=torch.float64)[None, None]\n"
        + "windows = F.unfold(x, kernel.shape, stride=stride)\n"
        + "return grad_x / F.fold(windows, shape, kernel.shape, stride=stride)[0, 0].clamp(min=1)",
        "you divide by how many windows read a pixel",
    ),
    (
        "10.3",
        "grad_x = grad_y.new_zeros(shape)\nrows, columns = kernel.shape\n"
        "for i, a in enumerate(range(0, shape[0] - rows, stride)):\n"
        "    for j, b in enumerate(range(0, shape[1] - columns, stride)):\n"
        "        grad_x[a : a + rows, b : b + columns] += grad_y[i, j] * kernel\nreturn grad_x",
        "a window is left out where it ends exactly at the border",
    ),
    (
        "10.3",
        "y = F.conv_transpose2d(grad_y[None, None], kernel[None, None], stride=stride)[0, 0]\n"
        "return y",
        "rows or columns are missing at the end",
    ),
    (
        "10.3",
        "x = torch.zeros(shape, dtype=torch.float64)\nx[::stride, ::stride] = grad_y\nreturn x",
        "raised RuntimeError",
    ),
    (
        "10.3",
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
        "10.3",
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
        "10.3",
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

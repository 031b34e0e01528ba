"""The exercises of notebook 10: what a window sees, and what it hands back."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong, in_turn, wrongs


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def corr2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Return the cross-correlation of a picture with a kernel, fast."""
    windows = x.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows * kernel).sum(dim=(-2, -1))


# 10.1 ---------------------------------------------------------------------------------------------


def receptive_field() -> int:
    """Measure how many rows of the picture one number at the end of the stack in 10.1 sees."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3, dilation=2), nn.AvgPool2d(2)
    )
    net.append(nn.Conv2d(1, 1, 5)).double()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    x = torch.zeros(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    y = net(x)
    (grad,) = torch.autograd.grad(y[0, 0, 2, 2], x)
    return int(grad[0, 0].any(dim=1).sum())


# 10.2 ---------------------------------------------------------------------------------------------


def strided(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Return the cross-correlation at every stride-th place, in both directions."""
    rows, columns = kernel.shape
    height = (x.shape[0] - rows) // stride + 1
    width = (x.shape[1] - columns) // stride + 1
    y = x.new_zeros(height, width)
    for i in range(height):
        for j in range(width):
            top, left = i * stride, j * stride
            y[i, j] = (x[top : top + rows, left : left + columns] * kernel).sum()
    return y


def _every_place(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return corr2d(x, kernel)


def _windows_side_by_side(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    y = strided(x, kernel, stride)
    return corr2d(x, kernel)[: y.shape[0], : y.shape[1]]


def _one_too_few(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    height, width = ((n - k) // stride for n, k in zip(x.shape, kernel.shape, strict=True))
    return strided(x, kernel, stride)[:height, :width]


def _divided_first(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    height, width = ((n - k + 1) // stride for n, k in zip(x.shape, kernel.shape, strict=True))
    return strided(x, kernel, stride)[:height, :width]


def _ended_early(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    height, width = (-(-(n - k) // stride) for n, k in zip(x.shape, kernel.shape, strict=True))
    return strided(x, kernel, stride)[:height, :width]


def _zeros_between(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    y = torch.zeros_like(corr2d(x, kernel))
    y[::stride, ::stride] = strided(x, kernel, stride)
    return y


def _rows_alone(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return corr2d(x, kernel)[::stride]


def _dilated(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    spread = kernel.new_zeros([(n - 1) * stride + 1 for n in kernel.shape])
    spread[::stride, ::stride] = kernel
    return corr2d(x, spread)


def _thinned_out(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return corr2d(x[::stride, ::stride], kernel)


def _columns_alone(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return corr2d(x, kernel)[:, ::stride]


def _first_row_alone(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    y = strided(x, kernel, stride)
    y[1:] = 0
    return y


def _first_place_alone(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    y = _first_row_alone(x, kernel, stride)
    y[0, 1:] = 0
    return y


def _mean_of_window(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return strided(x, kernel, stride) / kernel.numel()


def _turned_kernel(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return strided(x, kernel.flip(0, 1), stride)


def _by_the_kernel(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    rows, columns = kernel.shape
    return corr2d(x, kernel)[::rows, ::columns]


def _by_two(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return strided(x, kernel, 2)


SIZES_DIFFER = re.compile(r"The size of tensor a \(\d+\) must match the size of tensor b \(\d+\)")
ANOTHER_WINDOW = (
    "is a window not as large as the kernel? `y` may have too many places, so that windows reach "
    "beyond x, or the slice is wrong"
)


def _with_a_word_on_errors(
    answer: Callable[..., Any], x: Tensor, kernel: Tensor, stride: int
) -> Any:
    """Return what an answer gives; two messages of PyTorch are explained where they mislead."""
    try:
        return answer(x, kernel, stride)
    except (RuntimeError, TypeError) as error:
        if sizes := SIZES_DIFFER.match(str(error)):
            error.args = (f"{sizes[0]}: {ANOTHER_WINDOW}",)
        elif str(error).startswith("new_zeros() takes 1 positional argument"):
            error.args = ("new_zeros() takes whole numbers as sizes: is there a `/` for a `//`?",)
        raise


def _picture_and_stride(generator: Generator) -> tuple[Any, ...]:
    """Return a picture, a kernel and a stride that fits exactly in one direction alone.

    In the other, one place is left over: the whole part of a quotient, and the next number above,
    differ by a stride of 3.
    """
    stride = 2 + generator.initial_seed() % 2  # rounds have consecutive seeds: both occur
    places = [stride * in_turn(generator, 3, 5) + 1, stride * in_turn(generator, 6, 8) + 2 - stride]
    rows, columns = in_turn(generator, 2, 4), 4
    x = _normal(generator, places[0] + rows - 1, places[1] + columns - 1)
    return x, _normal(generator, rows, columns), stride


# 10.3 ---------------------------------------------------------------------------------------------


def grad_input(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    """Return the gradient of a picture of the given shape, from that of its strided output."""
    rows, columns = kernel.shape
    grad_x = grad_y.new_zeros(shape)
    for i in range(grad_y.shape[0]):
        for j in range(grad_y.shape[1]):
            top, left = i * stride, j * stride
            grad_x[top : top + rows, left : left + columns] += grad_y[i, j] * kernel
    return grad_x


def _stride_forgotten(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    return grad_input(grad_y, kernel, 1, shape)


def _kernel_flipped(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return grad_input(grad_y, kernel.flip(0, 1), stride, shape)


def _as_with_stride_1(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    height, width = (n + k - 1 for n, k in zip(grad_y.shape, kernel.shape, strict=True))
    return grad_input(grad_y, kernel, 1, (height, width))


def _unread_pixels_left_out(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    pairs = zip(grad_y.shape, kernel.shape, strict=True)
    height, width = ((n - 1) * stride + k for n, k in pairs)
    return grad_input(grad_y, kernel, stride, (height, width))


def _stretched(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    read = _unread_pixels_left_out(grad_y, kernel, stride, shape)
    return nn.functional.interpolate(read[None, None], size=shape)[0, 0]


def _put_at_the_end(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    grad_x = grad_y.new_zeros(shape)
    read = _unread_pixels_left_out(grad_y, kernel, stride, shape)
    grad_x[shape[0] - read.shape[0] :, shape[1] - read.shape[1] :] = read
    return grad_x


def _one_zero_too_many(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    wide = _unread_pixels_left_out(grad_y, kernel, stride + 1, shape)[: shape[0], : shape[1]]
    grad_x = grad_y.new_zeros(shape)
    grad_x[: wide.shape[0], : wide.shape[1]] = wide
    return grad_x


def _mean_over_windows(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    read = grad_input(torch.ones_like(grad_y), torch.ones_like(kernel), stride, shape)
    return grad_input(grad_y, kernel, stride, shape) / read.clamp(min=1)


def _first_row_of_windows(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    return grad_input(grad_y[:1], kernel, stride, shape)


def _first_window(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return grad_input(grad_y[:1, :1], kernel, stride, shape)


def _last_window_left_out(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    pairs = zip(shape, kernel.shape, strict=True)
    height, width = (len(range(0, n - k, stride)) for n, k in pairs)
    return grad_input(grad_y[:height, :width], kernel, stride, shape)


def _overwritten(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    rows, columns = kernel.shape
    grad_x = grad_y.new_zeros(shape)
    for i in range(grad_y.shape[0]):
        for j in range(grad_y.shape[1]):
            top, left = i * stride, j * stride
            grad_x[top : top + rows, left : left + columns] = grad_y[i, j] * kernel
    return grad_x


def _repeated(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    rows, columns = kernel.shape
    wide = grad_y.repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    wide = wide[: shape[0] - rows + 1, : shape[1] - columns + 1]
    return grad_input(wide, kernel, 1, shape)


def _kernel_left_out(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    grad_x = grad_y.new_zeros(shape)
    grad_x[: len(grad_y) * stride : stride, : grad_y.shape[1] * stride : stride] = grad_y
    return grad_x


def _ones_for_slopes(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return grad_input(grad_y, torch.ones_like(kernel), stride, shape)


def _sum_of_kernel(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return grad_input(grad_y, torch.ones_like(kernel) * kernel.sum(), stride, shape)


def _negative(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return -grad_input(grad_y, kernel, stride, shape)


def _over_the_kernel(grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]) -> Tensor:
    return grad_input(grad_y, kernel, stride, shape) / kernel.numel()


def _gradient_forgotten(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    return grad_input(torch.ones_like(grad_y), kernel, stride, shape)


def _stride_of_rows_alone(
    grad_y: Tensor, kernel: Tensor, stride: int, shape: tuple[int, int]
) -> Tensor:
    height = grad_y.new_zeros((len(grad_y) - 1) * stride + 1, grad_y.shape[1])
    height[::stride] = grad_y
    return grad_input(height, kernel, 1, shape)


def _gradient_and_kernel(generator: Generator) -> tuple[Any, ...]:
    """Return windows that overlap, and a picture of which they leave rows or columns, or none."""
    kinds = [(2, 1, 0), (3, 1, 2), (1, 0, 0)]  # rounds have consecutive seeds: all of them occur
    stride, rows_left, columns_left = kinds[generator.initial_seed() % 3]
    rows, columns = stride + 1, stride + 2
    height, width = 2, in_turn(generator, 3, 5)
    shape = (
        (height - 1) * stride + rows + rows_left,
        (width - 1) * stride + columns + columns_left,
    )
    return _normal(generator, height, width), _normal(generator, rows, columns), stride, shape


# 10.4 ---------------------------------------------------------------------------------------------


def padding_for_576() -> int:
    """Find the padding of LeNet's first convolution that hands 576 numbers to its linear layers."""

    def numbers(padding: int) -> int:
        first, second = nn.Conv2d(1, 6, 5, padding=padding), nn.Conv2d(6, 16, 5)
        net = nn.Sequential(first, nn.AvgPool2d(2), second, nn.AvgPool2d(2))
        return net(torch.zeros(1, 1, 28, 28)).numel()

    return next(padding for padding in range(28) if numbers(padding) == 576)


EXERCISES = (
    Exercise(
        number="10.1",
        prompt=(
            "**10.1 Predict.** A stack: `nn.Conv2d(1, 1, 3, stride=2)`, then `nn.Conv2d(1, 1, 3, "
            "dilation=2)`, then `nn.AvgPool2d(2)`, then `nn.Conv2d(1, 1, 5)`. How many rows of "
            "the picture does one number of its output see, far from the border?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=receptive_field,
        wrong=(
            Wrong(
                12,
                "you added up what each kernel reaches on its own map; one step on a later map is "
                "several pixels of the picture, so multiply by `jump`.",
            ),
            Wrong(
                25,
                "you forgot the dilation of the second layer: its three rows span five, so it "
                "adds (3 − 1) · 2 steps.",
            ),
            Wrong(
                33,
                "either you multiplied `jump` by a layer's stride before that layer had reached, "
                "or you took dilation 2 for two holes between the rows. A layer's own stride "
                "counts for the layers behind it, and three rows at dilation 2 span five.",
            ),
            Wrong(
                31,
                "you let the dilated kernel span six rows. Between three rows there are two gaps: "
                "at dilation 2 they span 1 + 2 · 2 = 5, and the layer adds 4 steps.",
            ),
            Wrong(
                14,
                "the first layer is missing: its three rows are the first that a number sees, so r "
                "is 3 behind it.",
            ),
            Wrong(
                4,
                "4 is the jump at the end, how far apart neighbours are. How far one number sees "
                "is r, which grows by (k − 1) · d · jump at each layer.",
            ),
            Wrong(
                19,
                "the pooling is missing: its window reaches (2 − 1) · 2 rows further, and behind "
                "it `jump` is 4.",
            ),
            *wrongs(
                "sizes of kernels do not multiply. Each layer *adds* (k − 1) · d · jump rows to "
                "what one number sees.",
                *(150, 90),
            ),
            *wrongs(
                "that is the last layer alone; what stands before it widens each of its five rows.",
                *(5, 20, 17),
            ),
            Wrong(
                45,
                "you let `jump` be 8 at the last layer. Two layers have a stride, the first "
                "convolution and the pooling: 2 · 2 = 4.",
            ),
            Wrong(
                21,
                "you left out the stride of the pooling: `nn.AvgPool2d(2)` moves by 2, so `jump` "
                "doubles there as well.",
            ),
            Wrong(
                27,
                "you left out what the pooling itself reaches: two rows, so it adds (2 − 1) · 2.",
            ),
            Wrong(841, "that is the number of pixels; the question is about rows."),
            Wrong(
                13,
                "either you stopped before the last layer, whose five rows lie four pixels apart; "
                "or you added up the sizes of the kernels, as if each step were one pixel wide.",
            ),
            Wrong(11, "you stopped after the second layer; the pooling and a layer of 5 follow."),
            Wrong(28, "one is missing: r begins with 1, since a number sees at least one row."),
            Wrong(30, "one too many: r begins with 1, and each layer adds k − 1 steps to it."),
            Wrong(
                16,
                "you forgot the stride of the first layer: behind it a step is two pixels wide, "
                "so `jump` is 2 from there on, and 4 behind the pooling.",
            ),
            Wrong(
                10,
                "you added k − 1 for each layer, without `jump` and dilation; one step on a later "
                "map is several pixels of the picture.",
            ),
            Wrong(
                47,
                "dilation is no stride: it spreads the three rows, but the window still moves by "
                "one, so `jump` stays as it is.",
            ),
            Wrong(
                43,
                "you took the dilation for a stride. It spreads the three rows of its own layer "
                "over five, and `jump` stays as it is.",
            ),
            Wrong(40, "each layer adds (k − 1) · d · jump, not k · d · jump."),
            Wrong(39, "each layer adds (k − 1) · d · jump, not k · d · jump, and r begins with 1."),
        ),
        hints=(
            "Keep two numbers, the reach r and the jump, both 1 at first, and go through the "
            "layers in order: what does each layer add to r, and what does it do to the jump?",
            "A layer adds (k − 1) · d · jump to r; only then does it multiply jump by its stride.",
            "r goes 1, 3, 11, 13, and a last step of (5 − 1) · 4 follows.",
        ),
        because=(
            "1 + 2·1 + 4·2 + 1·2 + 4·4 = 29, where 1, 2, 2 and 4 are the jumps that the four "
            "layers meet."
        ),
    ),
    Exercise(
        number="10.2",
        prompt=(
            "**10.2 Modify.** Give our loops a stride: `strided(x, kernel, stride)` moves the "
            "window by `stride` rows and columns at a time. Windows that do not fit entirely on "
            "the picture are left out."
        ),
        stub=(
            "def strided(x, kernel, stride):\n"
            "    rows, columns = kernel.shape\n"
            "    y = x.new_zeros(x.shape[0] - rows + 1, x.shape[1] - columns + 1)\n"
            "    for i in range(y.shape[0]):\n"
            "        for j in range(y.shape[1]):\n"
            "            y[i, j] = (x[i : i + rows, j : j + columns] * kernel).sum()\n"
            "    return y"
        ),
        name="strided",
        solution=strided,
        inputs=_picture_and_stride,
        probe=_with_a_word_on_errors,
        examples=tuple(
            f"strided(torch.arange(12.0).reshape(3, 4), torch.tensor({kernel}), {stride})"
            for kernel, stride in (("[[1.0]]", 2), ("[[1.0, 2.0]]", 3), ("[[1.0], [3.0]]", 1))
        ),
        direct=True,
        wrong=(
            Wrong(
                _every_place,
                "the window still stops at every place: `stride` is not used yet, neither for the "
                "size of `y` nor for the place of the window.",
            ),
            Wrong(
                _windows_side_by_side,
                "the output has the right size, but its windows are still neighbours; output "
                "(i, j) reads from row i · stride and column j · stride on.",
            ),
            Wrong(
                _one_too_few,
                "the last row and column are missing: n − k steps are left for the window after "
                "its first place, so there are (n − k) // stride + 1 places.",
            ),
            Wrong(
                _ended_early,
                "the last place is missing where it fits exactly: a range leaves its end out, so "
                "the first row of a window runs over `range(0, n − k + 1, stride)`.",
            ),
            Wrong(
                _divided_first,
                "a row or a column is missing where the stride does not divide the places: the 1 "
                "belongs outside the division, (n − k) // stride + 1.",
            ),
            Wrong(
                _zeros_between,
                "the windows are right, but `y` has kept its old size, with zeros between them: "
                "make it smaller and write output (i, j) to y[i, j].",
            ),
            Wrong(_rows_alone, "the window jumps down, but not to the right; stride both ways."),
            Wrong(_columns_alone, "the window jumps to the right, but not down; stride both ways."),
            Wrong(
                _thinned_out,
                "you thinned out the picture before the windows read it. The window itself stays "
                "dense, on the whole picture; only its steps are longer.",
            ),
            *wrongs(
                "the first places alone are filled: does the `return` stand inside a loop, or does "
                "a range end too early?",
                *(_first_row_alone, _first_place_alone),
            ),
            Wrong(_mean_of_window, "you take the mean over the window; the products are added."),
            Wrong(_turned_kernel, "the kernel is turned around; here it lies on as it is."),
            Wrong(_by_two, "the window always moves by 2; use the `stride` that you are given."),
            Wrong(
                _by_the_kernel,
                "the window moves by its own size, as in pooling; it has to move by `stride`.",
            ),
            Wrong(
                _dilated,
                "you stretched the kernel: that is dilation. The window stays dense and makes "
                "longer steps.",
            ),
        ),
        hints=(
            "Two things change: how many places there are, and where each window begins.",
            "Without a stride there are n − k + 1 places. With it: (n − k) // stride + 1.",
            "The window of output (i, j) is `x[i * stride : i * stride + rows, j * stride : "
            "j * stride + columns]`.",
        ),
        because=(
            "the result is every stride-th row and column of `corr2d(x, kernel)`; loops that jump "
            "need not compute the rest."
        ),
    ),
    Exercise(
        number="10.3",
        prompt=(
            "**10.3 Build.** The gradient of the input, with a stride. The output of `strided` "
            "(10.2) got the gradient `grad_y`; write `grad_input(grad_y, kernel, stride, shape)`, "
            "the gradient of the picture, whose shape is given."
        ),
        stub="def grad_input(grad_y, kernel, stride, shape):\n    return None  # your lines",
        name="grad_input",
        solution=grad_input,
        inputs=_gradient_and_kernel,
        examples=tuple(
            f"grad_input(torch.tensor([[2.0, 5.0]]), torch.tensor({kernel}), {stride}, {shape})"
            for kernel, stride, shape in (
                ("[[1.0]]", 2, (2, 4)),
                ("[[1.0, 10.0]]", 1, (1, 3)),
                ("[[1.0, 10.0, 100.0], [3.0, 30.0, 300.0]]", 2, (2, 6)),
            )
        ),
        wrong=(
            Wrong(
                _stride_forgotten,
                "output (i, j) had its window at (i · stride, j · stride), and there its gradient "
                "must go.",
            ),
            Wrong(
                _kernel_flipped,
                "the kernel lies the wrong way round. If you scatter `grad_y[i, j] * kernel` onto "
                "the window, it goes as it is; if each pixel gathers, by `corr2d`, it has to be "
                "flipped.",
            ),
            Wrong(
                _as_with_stride_1,
                "that is the gradient for a stride of 1, in its shape. Here output (i, j) had its "
                "window at (i · stride, j · stride), and the picture has the given shape.",
            ),
            Wrong(
                _unread_pixels_left_out,
                "rows or columns are missing at the end: no window reads them, so their gradient "
                "is 0. Begin with zeros of the given shape.",
            ),
            Wrong(
                _stretched,
                "you stretch the gradient to the given shape; each number stays where its pixel "
                "is, and rows and columns at the end that no window reads get 0.",
            ),
            Wrong(
                _put_at_the_end,
                "rows and columns that no window reads lie at the lower and right end of the "
                "picture; you put their zeros above and to the left.",
            ),
            Wrong(
                _one_zero_too_many,
                "your windows lie `stride + 1` apart: between two numbers of `grad_y` come "
                "`stride - 1` zeros, so that output i begins at i · stride.",
            ),
            Wrong(
                _mean_over_windows,
                "you divide by how many windows read a pixel; what they hand back is added up.",
            ),
            *(
                Wrong(
                    answer,
                    "what the first windows hand back is there, and the others are missing: does "
                    "`return` stand inside a loop, or does a range end too early?",
                )
                for answer in (_first_row_of_windows, _first_window)
            ),
            Wrong(
                _last_window_left_out,
                "a window is left out where it ends exactly at the border: `range(0, n - k, "
                "stride)` stops before n − k, which is a place for a window as well.",
            ),
            Wrong(
                _overwritten,
                "where windows overlap, the later one overwrites the earlier one. A pixel that "
                "was read twice gets the sum: `+=`.",
            ),
            Wrong(
                _repeated,
                "you repeat the numbers of `grad_y`, so that each counts several times; between "
                "the places where windows began there have to be zeros.",
            ),
            Wrong(
                _kernel_left_out,
                "you put each gradient at the corner of its window; it goes to all pixels of the "
                "window, to each times its entry of the kernel.",
            ),
            Wrong(
                _ones_for_slopes,
                "every pixel of a window gets the same; the slopes are the kernel's entries.",
            ),
            Wrong(
                _sum_of_kernel,
                "every pixel of a window gets the same; its slope is its own entry of the kernel, "
                "not the sum of all.",
            ),
            Wrong(
                _negative, "the sign is flipped; the slopes are the kernel's entries as they are."
            ),
            Wrong(_over_the_kernel, "you take a mean over the window; the gradients are added up."),
            Wrong(
                _gradient_forgotten, "`grad_y` is not used; it comes out as if it were all ones."
            ),
            Wrong(
                _stride_of_rows_alone,
                "the windows jump down, but not to the right; the stride holds both ways.",
            ),
        ),
        hints=(
            "Think of one output at a time. Which pixels fed it, and with which slopes?",
            "Output (i, j) read its window with the kernel as slopes: it hands `grad_y[i, j] * "
            "kernel` back to that window.",
            "Begin with `grad_x = grad_y.new_zeros(shape)`, and in a double loop add "
            "`grad_y[i, j] * kernel` to the slice that the window of (i, j) had.",
        ),
        because=(
            "pixels that several windows read add up what each hands back, and pixels that none "
            "read keep a zero."
        ),
    ),
    Exercise(
        number="10.4",
        prompt=(
            "**10.4 Predict.** Another LeNet stops with `mat1 and mat2 shapes cannot be multiplied "
            "(1x576 and 400x120)`. Its first convolution has the wrong `padding`. Which one, if no "
            "pooling loses a row? And what did its author believe about *p*?"
        ),
        stub="answer = None  # the padding, a number",
        name="answer",
        solution=padding_for_576,
        wrong=(
            Wrong(
                2,
                "that is the right padding, which keeps 28 rows and gives 400 numbers. This "
                "network has another one.",
            ),
            Wrong(
                5,
                "5 gives 576 as well, but the second pooling loses a row: 34, 17, 13 and 6 rows. "
                "Take the padding that loses none.",
            ),
            Wrong(
                8,
                "8 rows of zeros are there, above and below together; `padding` counts those on "
                "each side.",
            ),
            Wrong(
                3,
                "3 gives 30, 15, 11 and 5 rows, and 16·5·5 are 400 numbers: no message at all.",
            ),
            *wrongs(
                "with so little padding, 256 numbers arrive, as in the chapter. Here more than 400 "
                "arrive, so more than 28 rows came out of the first convolution.",
                *(0, 1),
            ),
            Wrong(
                6,
                "6 is how many rows the second pooling gave: 576 = 16·6·6. From there, walk up to "
                "the first convolution.",
            ),
            Wrong(
                12,
                "12 is how many rows the second convolution gave. Walk on: its window took off 4, "
                "and the pooling before it halved.",
            ),
            Wrong(
                16,
                "16 is how many rows the first pooling gave, half of what the first convolution "
                "gave.",
            ),
            Wrong(
                32,
                "32 is how many rows the first convolution gave. Which padding makes 32 of 28?",
            ),
            *wrongs(
                "576 numbers are 16 square maps of 36: 6 rows each. From there, walk up to the "
                "first convolution.",
                *(36, 24, 576),
            ),
        ),
        hints=(
            "Walk up from 576 as you did from 256: how many rows does each of the 16 maps have, "
            "and how many did each layer before give?",
            "6 rows came from 12, those from 16, and those from 32. The padding has to make 32 "
            "rows out of 28.",
            "Solve 28 + 2p − 5 + 1 = 32.",
        ),
        because=(
            "28 + 2·4 − 5 + 1 = 32 rows, then 16, 12 and 6. The author knew that 4 rows were "
            "missing, and believed that p counts both sides together. It counts each side."
        ),
    ),
)

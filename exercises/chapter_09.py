"""The exercises of notebook 09: windows on a picture, forwards and backwards."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def corr2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Return the cross-correlation of a picture with a kernel, fast."""
    windows = x.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows * kernel).sum(dim=(-2, -1))


# 9.1 ---------------------------------------------------------------------------------------------


def receptive_field() -> int:
    """Measure how many rows of the picture one number at the end of the stack in 9.1 sees."""
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


# 9.2 ---------------------------------------------------------------------------------------------


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


# 9.3 ---------------------------------------------------------------------------------------------


def max_pool_backward(grad_y: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of x, (2H, 2W), under max pooling by 2; grad_y is (H, W)."""
    grad_x = torch.zeros_like(x)
    for i in range(grad_y.shape[0]):
        for j in range(grad_y.shape[1]):
            rows, columns = slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)
            window = x[rows, columns]
            grad_x[rows, columns] = torch.where(window == window.max(), grad_y[i, j], 0.0)
    return grad_x


def _to_every_cell(grad_y: Tensor, x: Tensor) -> Tensor:
    return grad_y.repeat_interleave(2, 0).repeat_interleave(2, 1)


def _evenly(grad_y: Tensor, x: Tensor) -> Tensor:
    return _to_every_cell(grad_y, x) / 4


def _always_at(row: int, column: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return an answer that gives the gradient to one corner of every window."""

    def backward(grad_y: Tensor, x: Tensor) -> Tensor:
        grad_x = torch.zeros_like(x)
        grad_x[row::2, column::2] = grad_y
        return grad_x

    return backward


def _always_the_first(grad_y: Tensor, x: Tensor) -> Tensor:
    grad_x = torch.zeros_like(x)
    grad_x[::2, ::2] = grad_y
    return grad_x


def _times_the_maximum(grad_y: Tensor, x: Tensor) -> Tensor:
    return max_pool_backward(grad_y, x) * x


def _the_mask_alone(grad_y: Tensor, x: Tensor) -> Tensor:
    return max_pool_backward(torch.ones_like(grad_y), x)


def _where_it_was_positive(grad_y: Tensor, x: Tensor) -> Tensor:
    return _to_every_cell(grad_y, x) * (x > 0)


def _looked_for_everywhere(grad_y: Tensor, x: Tensor) -> Tensor:
    grad_x, maxima = torch.zeros_like(x), _pooled(torch.empty(0), x)
    for i, row in enumerate(maxima):
        for j, largest in enumerate(row):
            grad_x[x == largest] = grad_y[i, j]
    return grad_x


def _added_everywhere(grad_y: Tensor, x: Tensor) -> Tensor:
    grad_x, maxima = torch.zeros_like(x), _pooled(torch.empty(0), x)
    for i, row in enumerate(maxima):
        for j, largest in enumerate(row):
            grad_x[x == largest] += grad_y[i, j]
    return grad_x


def _wherever_a_maximum_is(grad_y: Tensor, x: Tensor) -> Tensor:
    return _to_every_cell(grad_y, x) * torch.isin(x, _pooled(grad_y, x))


def _smallest_of_window(grad_y: Tensor, x: Tensor) -> Tensor:
    return max_pool_backward(grad_y, -x)


def _maxima_alone(grad_y: Tensor, x: Tensor) -> Tensor:
    return max_pool_backward(torch.ones_like(grad_y), x) * x


def _gradient_reversed(grad_y: Tensor, x: Tensor) -> Tensor:
    return -max_pool_backward(grad_y, x)


def _largest_of_rows(grad_y: Tensor, x: Tensor) -> Tensor:
    pairs = x.view(len(x), -1, 2)
    return _to_every_cell(grad_y, x) * (pairs == pairs.amax(dim=2, keepdim=True)).view(x.shape)


def _one_for_the_picture(grad_y: Tensor, x: Tensor) -> Tensor:
    return _to_every_cell(grad_y, x) * (x == x.max())


def _pooled(grad_y: Tensor, x: Tensor) -> Tensor:
    return nn.functional.max_pool2d(x[None], 2)[0]


def _maxima_wanted(generator: Generator) -> tuple[Any, ...]:
    """Return a gradient and a picture; in about half of its windows all four are negative.

    The largest number of the first window is also the largest of the last, and lies, too small to
    count, in the window between them whose largest number is the picture's.
    """
    height, width = in_turn(generator, 3, 5), in_turn(generator, 5, 8)
    x = _normal(generator, 2 * height, 2 * width) - 1
    largest = x[:2, :2].max()
    x[-2:, -2:] -= x[-2:, -2:].max() - largest
    x[2, 2], x[3, 3] = largest, x.max() + 1
    return _normal(generator, height, width), x


def _window_by_window(answer: Callable[..., Any], grad_y: Tensor, x: Tensor) -> dict[str, Any]:
    """Return which cells get a gradient, the gradient, and whether x is still a plain tensor."""
    found = answer(grad_y, x)
    cells = _cells(found) if isinstance(found, Tensor) and found.shape == x.shape else {}
    return {**cells, "the gradient": found, "x.requires_grad afterwards": x.requires_grad}


def _cells(grad_x: Tensor) -> dict[str, Any]:
    windows = grad_x.detach().unfold(0, 2, 2).unfold(1, 2, 2).flatten(2) != 0  # (H, W, 4)
    corners = "upper left", "upper right", "lower left", "lower right"
    named = [name for name, is_there in zip(corners, windows[0, 0], strict=True) if is_there]
    return {
        "the number of cells with a gradient in each window": windows.sum(dim=2),
        "the cells with a gradient in the first window": ", ".join(named),
    }


def _by_autograd(grad_y: Tensor, x: Tensor) -> Any:
    x.requires_grad_()
    nn.functional.max_pool2d(x[None], 2)[0].backward(grad_y)
    return x.grad


# 9.4 ---------------------------------------------------------------------------------------------


def conv2d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the output (C_out, H', W') of a convolution of x, (C_in, H, W)."""
    maps = []
    for kernels, shift in zip(weight, bias, strict=True):
        parts = [corr2d(channel, kernel) for channel, kernel in zip(x, kernels, strict=True)]
        maps.append(torch.stack(parts).sum(dim=0) + shift)
    return torch.stack(maps)


def _no_sum(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    parts = [[corr2d(c, k) for c, k in zip(x, kernels, strict=True)] for kernels in weight]
    return torch.stack([torch.stack(part) for part in parts]) + bias[:, None, None, None]


def _last_channel_alone(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x[-1:], weight[:, -1:], bias)


def _first_channel_alone(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x[:1], weight[:, :1], bias)


def _axes_swapped(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight.transpose(0, 1), bias)


def _without_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, torch.zeros_like(bias))


def _bias_in_every_part(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias * len(x))


def _mean_over_channels(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight / len(x), bias)


def _flipped(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight.flip(2, 3), bias)


def _each_its_own(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    maps = [corr2d(x[o], weight[o, o]) + bias[o] for o in range(len(weight))]
    return torch.stack(maps)


def _first_kernel_for_all(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight[:, :1].expand_as(weight), bias)


def _last_bias_for_all(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias[-1:].expand_as(bias))


def _first_bias_for_all(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias[:1].expand_as(bias))


def _own_channel_with_all_kernels(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    maps = [corr2d(x[o], weight[o].sum(dim=0)) + bias[o] for o in range(len(weight))]
    return torch.stack(maps)


def _total_not_reset(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight.cumsum(dim=0), bias)


def _total_with_biases_not_reset(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight.cumsum(dim=0), bias.cumsum(dim=0))


def _one_total_for_all(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    total = conv2d(x, weight.sum(dim=0, keepdim=True), bias.sum(dim=0, keepdim=True))
    return total.expand(len(weight), -1, -1).clone()


def _list_of_maps(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    return list(conv2d(x, weight, bias))


def _first_map_alone(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias)[0]


def _others_left_at_zero(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    maps = conv2d(x, weight, bias)
    maps[1:] = 0
    return maps


def _last_map_alone(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias)[-1]


def _all_maps_added(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias).sum(dim=0)


def _bias_of_input(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, bias.sum().expand_as(bias))


def _channels_added_first(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x.sum(dim=0, keepdim=True), weight.sum(dim=1, keepdim=True), bias)


def _channels_averaged_first(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x.mean(dim=0, keepdim=True), weight.mean(dim=1, keepdim=True), bias)


def _times_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _without_bias(x, weight, bias) * bias[:, None, None]


def _minus_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv2d(x, weight, -bias)


def _picture_and_weight(generator: Generator) -> tuple[Any, ...]:
    # As many channels in as out, so that a swap of the two axes does not raise.
    channels = in_turn(generator, 2, 4)
    x = _normal(generator, channels, in_turn(generator, 4, 6), in_turn(generator, 6, 8))
    return x, _normal(generator, channels, channels, 2, 3), _normal(generator, channels)


def _then_one_channel_more(
    answer: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor
) -> dict[str, Any]:
    """Return the maps of as many channels as go in and, if these are right, of other numbers."""
    maps, more, single = answer(x, weight, bias), None, None
    if difference(maps, conv2d(x, weight, bias), 1e-6) is None:
        wider, shifts = torch.cat([weight, -weight[:1]]), torch.cat([bias, -bias[:1]])
        more = answer(x, wider, shifts)
        single = answer(x[:1], wider[:, :1], shifts)
    return {
        "the maps": maps,
        "the maps with one more channel out": more,
        "the maps with one channel in": single,
    }


# 9.5 ---------------------------------------------------------------------------------------------


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


EXERCISES = (
    Exercise(
        number="9.1",
        prompt=(
            "**9.1 Predict.** A stack: `nn.Conv2d(1, 1, 3, stride=2)`, then `nn.Conv2d(1, 1, 3, "
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
        number="9.2",
        prompt=(
            "**9.2 Modify.** Give our loops a stride: `strided(x, kernel, stride)` moves the "
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
        number="9.3",
        prompt=(
            "**9.3 Build.** Max pooling by 2, backwards. Write `max_pool_backward(grad_y, x)`: x "
            "of shape (2H, 2W) was pooled in windows of 2×2 to (H, W), and `grad_y` (H, W) is "
            "what came back. Return the gradient of x. No two numbers of a window are equal."
        ),
        stub="def max_pool_backward(grad_y, x):\n    return None  # your lines",
        name="max_pool_backward",
        solution=max_pool_backward,
        inputs=_maxima_wanted,
        probe=_window_by_window,
        examples=(
            "max_pool_backward(torch.tensor([[5.0]]), torch.tensor([[1.0, 2.0], [4.0, 3.0]]))",
            "x = torch.tensor([[-4.0, -3.0, 0.1, 0.2], [-2.0, -1.0, -1.0, -2.0]])\n"
            "max_pool_backward(torch.tensor([[5.0, 7.0]]), x)",
            "max_pool_backward(torch.tensor([[-5.0]]), torch.tensor([[1.0, 2.0], [4.0, 3.0]]))",
        ),
        wrong=(
            Wrong(
                _to_every_cell,
                "all four cells of a window get the gradient; only the largest had a part in the "
                "output.",
            ),
            Wrong(_evenly, "that is average pooling: there, each of the four gets a fourth of it."),
            Wrong(
                _always_the_first,
                "the gradient goes to the upper left cell of each window; it belongs where the "
                "maximum was.",
            ),
            *wrongs(
                "the gradient goes to the same corner of each window; it belongs where the "
                "maximum was.",
                *(_always_at(0, 1), _always_at(1, 0), _always_at(1, 1)),
            ),
            Wrong(
                _times_the_maximum,
                "you multiply by x as well; the maximum passes its value on unchanged, so its "
                "slope is 1.",
            ),
            Wrong(_the_mask_alone, "the maxima are found; `grad_y` has still to be multiplied."),
            Wrong(
                _where_it_was_positive,
                "that is the mask of a ReLU; here the question is which of four numbers was the "
                "largest, positive or not.",
            ),
            Wrong(_smallest_of_window, "the gradient goes to the smallest number of each window."),
            Wrong(
                _maxima_alone,
                "those are the maxima themselves, at their places; what is handed back there is "
                "`grad_y`.",
            ),
            Wrong(_gradient_reversed, "the sign is flipped; the slope of a maximum is 1."),
            Wrong(
                _largest_of_rows,
                "you take the larger of each two neighbours in a row, so two cells of a window get "
                "the gradient; look for the largest of all four.",
            ),
            Wrong(
                _one_for_the_picture,
                "you look for the maximum of the whole picture; each window has its own.",
            ),
            *wrongs(
                "you look for a window's maximum in the whole picture; the same number may lie in "
                "another window as well, so compare inside the window.",
                *(_looked_for_everywhere, _added_everywhere, _wherever_a_maximum_is),
            ),
            Wrong(_pooled, "that is the forward pass; the gradient has the shape of x."),
            Wrong(
                _by_autograd,
                "the gradient is right, but `requires_grad_()` has changed the caller's x; call it "
                "on a copy: `x.detach().clone()`.",
            ),
        ),
        hints=(
            "Turn one number of a window up a little. When does the output notice?",
            "The slope is 1 for the largest number of a window and 0 for the other three.",
            "In the loop: `window == window.max()` is the mask of a window; multiply it by "
            "`grad_y[i, j]`, and store it at the place of the window.",
        ),
        because=(
            "like a ReLU, a maximum hands the gradient to the number that it let through, and "
            "nothing to the others."
        ),
    ),
    Exercise(
        number="9.4",
        prompt=(
            "**9.4 Build.** Write `conv2d(x, weight, bias)` with several channels in and out, "
            "using `corr2d` as often as you need: x is (C_in, H, W), weight (C_out, C_in, k, l), "
            "bias (C_out,). No padding, stride 1."
        ),
        stub="def conv2d(x, weight, bias):\n    return None  # your lines",
        name="conv2d",
        solution=conv2d,
        inputs=_picture_and_weight,
        probe=_then_one_channel_more,
        direct=True,
        examples=(
            "x = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])\n"
            "weight = torch.tensor([[1.0, 10.0], [5.0, 50.0], [0.0, 0.1]])[:, :, None, None]\n"
            "conv2d(x, weight, torch.tensor([100.0, 200.0, 300.0]))",
        ),
        wrong=(
            Wrong(
                _no_sum,
                "one map for each pair of channels; the parts of the input channels have to be "
                "added up, for each output channel.",
            ),
            Wrong(
                _last_channel_alone,
                "only the last input channel is there: each part overwrites the one before. Add "
                "them.",
            ),
            Wrong(_first_channel_alone, "only the first input channel is read; add up all."),
            Wrong(
                _axes_swapped,
                "the two channel axes of `weight` are swapped: the output channel comes first, "
                "then the input channel.",
            ),
            Wrong(_without_bias, "the bias is missing: one number for each output channel."),
            Wrong(
                _bias_in_every_part,
                "the bias is added once for each input channel; it belongs to the sum, once.",
            ),
            Wrong(_mean_over_channels, "you take the mean over the input channels; add them up."),
            Wrong(
                _flipped,
                "the kernels are flipped. PyTorch's `conv2d` is a cross-correlation: no flip.",
            ),
            Wrong(
                _each_its_own,
                "each output channel reads one input channel alone, its own; it has to read all of "
                "them, each with its kernel `weight[o, c]`.",
            ),
            Wrong(
                _first_kernel_for_all,
                "every input channel gets the kernel of the first one; `weight[o, c]` is that of "
                "channel c.",
            ),
            Wrong(_last_bias_for_all, "all maps get the last bias; map o gets `bias[o]`."),
            Wrong(_first_bias_for_all, "all maps get the first bias; map o gets `bias[o]`."),
            Wrong(
                _bias_of_input,
                "each map gets all the biases; it gets one alone, that of its own output channel: "
                "`bias[o]`.",
            ),
            Wrong(
                _channels_added_first,
                "every channel meets every kernel of `weight[o]`, in a double loop or because "
                "channels and kernels are added up first. Channel c meets `weight[o, c]` alone; "
                "then the results are added.",
            ),
            Wrong(
                _own_channel_with_all_kernels,
                "map o reads channel o alone, with all the kernels of `weight[o]`. It has to read "
                "every channel c, each with its own kernel, `weight[o, c]`.",
            ),
            *wrongs(
                "the sum is not begun anew for each output channel: set it back to 0 before the "
                "loop over the input channels.",
                *(_total_not_reset, _total_with_biases_not_reset, _one_total_for_all),
            ),
            Wrong(
                _list_of_maps,
                "the maps are right, but they come one by one; make one tensor of them, "
                "`torch.stack(maps)`.",
            ),
            *wrongs(
                "only the first output channel is there: does the `return` stand inside the loop?",
                *(_first_map_alone, _others_left_at_zero),
            ),
            Wrong(
                _channels_averaged_first,
                "you average the channels before the windows are read, and the kernels too; each "
                "channel meets its own kernel first, and then the results are added.",
            ),
            Wrong(_times_bias, "you multiply by the bias; it is added."),
            Wrong(_minus_bias, "you subtract the bias; it is added."),
            Wrong(
                _last_map_alone,
                "only the last output channel comes back; collect the maps in a list and stack "
                "them.",
            ),
            Wrong(
                _all_maps_added,
                "you add up the output channels too; each is a map of its own.",
            ),
        ),
        hints=(
            "One output channel first: which kernels belong to it?",
            "`weight[o]` holds one kernel for each input channel; the parts are added, and "
            "`bias[o]` once.",
            "`sum(corr2d(x[c], weight[o, c]) for c in range(len(x))) + bias[o]` for every o, and "
            "`torch.stack` of them all.",
        ),
        because=(
            "an output channel sums over all input channels, so `weight` has C_out · C_in kernels."
        ),
    ),
    Exercise(
        number="9.5",
        prompt=(
            "**9.5 Build.** The gradient of the input, with a stride. The output of `strided` "
            "(9.2) got the gradient `grad_y`; write `grad_input(grad_y, kernel, stride, shape)`, "
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
)

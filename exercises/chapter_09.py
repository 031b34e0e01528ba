"""The exercises of notebook 09: what a window needs, channels, and pooling backwards."""

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


def rows_needed() -> int:
    """Find the smallest square picture of noise that leaves a 5×5 kernel and its bias no choice."""
    rows, unknowns = 5, 5 * 5 + 1
    while True:
        x = torch.randn(rows, rows, dtype=torch.float64)
        windows = x.unfold(0, 5, 1).unfold(1, 5, 1).reshape(-1, 25)
        equations = torch.cat([windows, torch.ones(len(windows), 1)], dim=1)
        if torch.linalg.matrix_rank(equations) == unknowns:
            return rows
        rows += 1


# 9.2 ---------------------------------------------------------------------------------------------


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


EXERCISES = (
    Exercise(
        number="9.1",
        prompt=(
            "**9.1 Predict.** A kernel of 5×5 and its bias are to be learned from our answers on "
            "one square picture of random noise. How many rows must the picture have, at least, "
            "so that only one kernel has a loss of zero?"
        ),
        stub="answer = None  # how many rows",
        name="answer",
        solution=rows_needed,
        wrong=(
            Wrong(
                9,
                "9 rows give 25 windows, one for each weight. The bias is one more unknown.",
            ),
            Wrong(
                8,
                "8 rows were enough for a 3×3 kernel. A 5×5 kernel has more unknowns, and fewer "
                "places on the same picture.",
            ),
            *wrongs(
                "you counted pixels. It is the windows that count, one equation each: on n rows, "
                "a 5×5 kernel has n − 4 places down and n − 4 across.",
                *(6, 36),
            ),
            *wrongs(
                "that is how many equations you need. Each window is one, and a picture of n rows "
                "has (n − 4)² of them.",
                *(25, 26),
            ),
            *wrongs(
                "you let the window slide in one direction alone. It slides down and across, so n "
                "rows have (n − 4)² places.",
                *(29, 30),
            ),
            Wrong(5, "5 rows hold a single window: one equation for 26 unknowns."),
            Wrong(
                11, "one too many: a window of 5 rows has n − 5 + 1 places on n rows, not n − 5."
            ),
            Wrong(100, "that is the number of pixels; the question is about rows."),
            Wrong(7, "7 rows have 3 · 3 = 9 windows: enough for nine unknowns, and here are 26."),
        ),
        hints=(
            "Each window is one equation. How many unknowns are there, and how many windows?",
            "25 weights and a bias are 26 unknowns; on n rows there are (n − 4)² windows.",
            "(n − 4)² has to be 26 or more.",
        ),
        because=(
            "with 10 rows there are 6 · 6 = 36 windows, with 9 only 25, and there are 26 unknowns: "
            "25 weights and the bias."
        ),
    ),
    Exercise(
        number="9.2",
        prompt=(
            "**9.2 Build.** Write `conv2d(x, weight, bias)` with several channels in and out, "
            "using `corr2d` as often as you need: x is (C_in, H, W), weight (C_out, C_in, k, l), "
            "bias (C_out,). No padding."
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
)

"""The exercises of notebook 08: loops, trees and sequences, each with a graph of its own."""

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs
from exercises.gradients import gradients


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _between(generator: Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


# 8.1 ---------------------------------------------------------------------------------------------


def gradient_of_the_loop() -> float:
    """Return w.grad after the loop has multiplied by w until the product passed 100."""
    w = torch.tensor(3.0, requires_grad=True)
    product = torch.tensor(1.0)
    while product < 100:
        product = product * w
    product.backward()
    assert w.grad is not None
    return w.grad.item()


MOST = 40  # uses after which even a wrong answer of ours stops


# 8.2 ---------------------------------------------------------------------------------------------


def forward_until(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    """Return the output and how often the middle layer was used."""
    h = model.input_linear(x).clamp(min=0)
    depth = 0
    while h.norm() > bound and depth < 10:
        h = model.middle_linear(h).clamp(min=0)
        depth += 1
    return model.output_linear(h), depth


def _once_at_least(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.middle_linear(model.input_linear(x).clamp(min=0)).clamp(min=0), 1
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _as_long_as(
    goes_on: Callable[[Tensor, float, int], Any],
) -> Callable[[Any, Tensor, float], tuple[Tensor, int]]:
    """Return an answer with another condition, of h, the bound and the uses so far."""

    def forward(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
        h, depth = model.input_linear(x).clamp(min=0), 0
        while goes_on(h, bound, depth) and depth < MOST:
            h, depth = model.middle_linear(h).clamp(min=0), depth + 1
        return model.output_linear(h), depth

    return forward


_nine_at_most = _as_long_as(lambda h, bound, depth: h.norm() > bound and depth < 9)


def _without_relu(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h), depth + 1
    return model.output_linear(h), depth


def _off_in_the_middle(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h.detach()).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _first_relu_missing(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x), 0
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _only_the_output(model: Any, x: Tensor, bound: float) -> Tensor:
    return forward_until(model, x, bound)[0]


def _depth_first(model: Any, x: Tensor, bound: float) -> tuple[int, Tensor]:
    output, depth = forward_until(model, x, bound)
    return depth, output


def _counted_from_one(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    output, depth = forward_until(model, x, bound)
    return output, depth + 1


def _counted_and_limited_from_one(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    output, depth = _nine_at_most(model, x, bound)
    return output, depth + 1


def _each_row_by_itself(
    number: Callable[[list[int]], Any],
) -> Callable[[Any, Tensor, float], tuple[Tensor, Any]]:
    """Return an answer in which each row has a loop, and `number` makes one of their counts."""

    def forward(model: Any, x: Tensor, bound: float) -> tuple[Tensor, Any]:
        outputs, depths = zip(*(forward_until(model, row, bound) for row in x), strict=True)
        return torch.stack(outputs), number(list(depths))

    return forward


def _with_a_loop_for_each_row() -> list[Callable[..., Any]]:
    numbers: list[Callable[[list[int]], Any]] = [max, min, sum, list, lambda depths: depths[-1]]
    return [_each_row_by_itself(number) for number in numbers]


def _drawn_again_and_again(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    output, depth = model(x), 0
    while output.norm() > bound and depth < 10:
        output, depth = model(x), depth + 1
    return output, depth


def _drawn_inside(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth < 10:
        h, depth = model(x), depth + 1
    return h, depth


def _drawn_each_time(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    output = h
    while h.norm() > bound and depth < 10:
        output, h, depth = model(x), model.middle_linear(h).clamp(min=0), depth + 1
    return output, depth


def _negative_kept(
    first: dict[str, int], then: dict[str, int]
) -> Callable[[Any, Tensor, float], tuple[Tensor, int]]:
    """Return an answer with another clamp at first, or in the loop."""

    def forward(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
        h, depth = model.input_linear(x).clamp(**first), 0
        while h.norm() > bound and depth < 10:
            h, depth = model.middle_linear(h).clamp(**then), depth + 1
        return model.output_linear(h), depth

    return forward


def _not_counted(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    return forward_until(model, x, bound)[0], 0


def _state_for_output(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return h, depth


def _relu_at_the_end(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    output, depth = forward_until(model, x, bound)
    return output.clamp(min=0), depth


def _norm_taken_once(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    depth = 10 if model.input_linear(x).clamp(min=0).norm() > bound else 0
    return model(x, depth), depth


def _once_at_most(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    depth = int(model.input_linear(x).clamp(min=0).norm() > bound)
    return model(x, depth), depth


def _depth_drawn(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    return model(x), forward_until(model, x, bound)[1]


def _compares_x(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    depth = 10 if x.norm() > bound else 0
    return model(x, depth), depth


def _without_biases(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    layers = model.input_linear, model.middle_linear, model.output_linear
    first, middle, last = (layer.weight.T for layer in layers)
    h, depth = (x @ first).clamp(min=0), 0
    while h.norm() > bound and depth < 10:
        h, depth = (h @ middle).clamp(min=0), depth + 1
    return h @ last, depth


def _norm_before_the_relu(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x), 0
    while h.norm() > bound and depth < 10:
        h, depth = model.middle_linear(h.clamp(min=0)), depth + 1
    return model.output_linear(h.clamp(min=0)), depth


def _loop_off_the_record(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    with torch.no_grad():
        while h.norm() > bound and depth < 10:
            h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _cut_after_the_loop(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = _state_for_output(model, x, bound)
    return model.output_linear(h.detach()), depth


def _off_the_record_throughout(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    output, depth = forward_until(model, x, bound)
    return output.detach(), depth


class _Net(nn.Module):
    """A DynamicNet, small; the middle layer makes shorter what it is given."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        middle = 0.2 * torch.eye(5, dtype=torch.float64) + 0.12 * _normal(generator, 5, 5).abs()
        middle[0] -= 0.25  # one hidden number is stopped by the ReLU
        middle *= 0.9 / torch.linalg.matrix_norm(middle, 2)  # slow, to tell norms apart
        self.input_linear = _layer(_normal(generator, 5, 4), _normal(generator, 5) / 2)
        self.middle_linear = _layer(middle, torch.zeros(5, dtype=torch.float64))
        self.output_linear = _layer(_normal(generator, 3, 5), _normal(generator, 3))

    def forward(self, x: Tensor, depth: int | None = None) -> Any:
        h = self.input_linear(x).clamp(min=0)
        for _ in range(random.randint(0, 3) if depth is None else depth):
            h = self.middle_linear(h).clamp(min=0)
        return self.output_linear(h)


def _layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    num_outputs, num_inputs = weight.shape
    layer = nn.Linear(num_inputs, num_outputs, dtype=weight.dtype)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


def _net_and_samples(generator: Generator) -> tuple[Any, ...]:
    seed = generator.initial_seed()
    _cases(seed)
    return _Net(generator), _normal(generator, 7, 4), seed


@lru_cache(maxsize=8)
def _cases(seed: int) -> dict[str, tuple[float, tuple[Tensor, int]]]:
    """Return bounds for the net and the samples of a seed, each with what should come."""
    generator = Generator().manual_seed(seed)
    model, x = _Net(generator).requires_grad_(False), _normal(generator, 7, 4)
    norms = _norms(model, x)
    bounds = {
        "a bound that ten uses do not reach": 0.99 * norms[13],
        "a bound that the first h meets": 2 * norms[0],
        "a bound just below the norm of the second h": 0.99 * norms[1],
        "a bound just above the norm of the third h": 1.01 * norms[2],
        "a bound just below the norm of the seventh h": 0.99 * norms[6],
    }
    return {name: (bound, forward_until(model, x, bound)) for name, bound in bounds.items()}


def _bounds(answer: Callable[..., Any], model: Any, x: Tensor, seed: int) -> dict[str, Any]:
    """Ask for some bounds and, if what came is right, for special nets and for gradients."""
    cases = _cases(seed)
    given = {name: answer(model, x, bound) for name, (bound, _) in cases.items()}
    found = {name: _parted(result) for name, result in given.items()}
    if all(difference(given[name], right) is None for name, (_, right) in cases.items()):
        found["a norm that equals the bound"] = _parted(answer(*_whole_numbers(model), 5.0))
        with torch.no_grad():
            model.middle_linear.bias.add_(0.5)
        result = answer(model, x, 0.0)
        found["a middle layer with a bias, and the bound 0"] = _parted(result)
        found |= _learnt(result[0], model)
    return found


def _parted(result: Any) -> Any:
    """Return a pair as a dict, the number of uses first, since it explains another output."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        return result
    return {"the number of uses": result[1], "the output": result[0]}


def _norms(model: Any, x: Tensor) -> list[float]:
    """Return the norms of h after 0 to 13 uses of the middle layer."""
    h = model.input_linear(x).clamp(min=0)
    norms = [h.norm().item()]
    for _ in range(13):
        h = model.middle_linear(h).clamp(min=0)
        norms.append(h.norm().item())
    return norms


def _whole_numbers(model: Any) -> tuple[Any, Tensor]:
    """Return a net and a sample whose first h is 3, 4 and zeros, with a norm of 5."""
    other = _Net(Generator().manual_seed(0))
    other.load_state_dict(model.state_dict())
    first = torch.tensor([3.0, 4.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    other.input_linear = _layer(first[:, None] * torch.eye(5, 4, dtype=torch.float64)[0], 0 * first)
    return other, torch.eye(1, 4, dtype=torch.float64)


def _learnt(output: Any, model: Any) -> dict[str, Any]:
    layers = [getattr(model, f"{name}_linear") for name in ("input", "middle", "output")]
    names = (f"the gradient of {name}_linear's weight" for name in ("input", "middle", "output"))
    return dict(zip(names, gradients(output, [layer.weight for layer in layers]), strict=True))


# 8.3 ---------------------------------------------------------------------------------------------


def evaluate(tree: Any, x: Tensor) -> Any:
    """Return the value of an expression tree at x."""
    if tree == "x":
        return x
    if isinstance(tree, float):
        return tree
    operation, left, right = tree
    a, b = evaluate(left, x), evaluate(right, x)
    return {"+": a + b, "-": a - b, "*": a * b}[operation]


def _right_minus_left(tree: Any, x: Tensor) -> Any:
    if not isinstance(tree, tuple):
        return x if tree == "x" else tree
    a, b = (_right_minus_left(part, x) for part in tree[1:])
    return {"+": a + b, "-": b - a, "*": a * b}[tree[0]]


def _off_the_record(tree: Any, x: Tensor) -> Any:
    value = evaluate(tree, x.detach())
    return torch.as_tensor(value, dtype=x.dtype)


def _one_level(tree: Any, x: Tensor) -> Any:
    def number(part: Any) -> Any:
        return part if isinstance(part, float) else x

    if not isinstance(tree, tuple):
        return number(tree)
    return _applied(tree[0], number(tree[1]), number(tree[2]))


def _applied(operation: str, a: Any, b: Any) -> Any:
    return {"+": a + b, "-": a - b, "*": a * b}[operation]


def _with_operations(
    apply: Callable[[str, Any, Any], Any], of_number: Callable[[float], float] = float
) -> Callable[[Any, Tensor], Any]:
    """Return an answer that takes an operation, or a number, for another one."""

    def evaluated(tree: Any, x: Tensor) -> Any:
        if not isinstance(tree, tuple):
            return x if tree == "x" else of_number(tree)
        operation, left, right = tree
        return apply(operation, evaluated(left, x), evaluated(right, x))

    return evaluated


def _one_side(side: int) -> Callable[[Any, Tensor], Any]:
    """Return an answer that takes a tuple on one of the sides for x."""

    def evaluated(tree: Any, x: Tensor) -> Any:
        if not isinstance(tree, tuple):
            return x if tree == "x" else tree
        parts = [evaluated(part, x) for part in tree[1:]]
        if isinstance(tree[1 + side], tuple):
            parts[side] = x
        return _applied(tree[0], *parts)

    return evaluated


def _tree_and_points(generator: Generator) -> tuple[Any, ...]:
    a, b, c = (round(_between(generator, 0.5, 2.0), 1) for _ in range(3))
    tree: Any = ("-", ("*", "x", ("+", "x", a)), ("*", b, ("-", c, "x")))
    for _ in range(in_turn(generator, 1, 4)):
        operation = "+-*"[int(torch.randint(3, (), generator=generator))]
        number = round(_between(generator, 1.2, 2.0), 1)
        tree = (operation, number, tree)
    points = torch.tensor([2.6, -1.3, 0.0, 1.0, -4.2], dtype=torch.float64)
    return tree, points + 0.1 * torch.rand((), generator=generator, dtype=torch.float64), a, b


def _from_small_to_large(
    answer: Callable[..., Any], tree: Any, points: Tensor, a: float, b: float
) -> dict[str, Any]:
    """Ask for ever larger trees and, if what came is right, for a tensor of several numbers."""
    small: tuple[Any, ...] = ("x", a, ("+", "x", a), ("-", a, "x"), ("*", "x", b), ("-", a, b))
    deep = ("+", ("*", "x", a), "x"), ("-", "x", ("*", b, "x")), ("-", ("-", "x", a), ("*", a, b))
    trees = (*small, *deep, tree)
    found = _values_and_slopes(answer, trees, points[0])
    if difference(found, _values_and_slopes(evaluate, trees, points[0])) is None:
        found["a tensor x of several numbers"] = answer(tree, points)
    return found


def _values_and_slopes(
    answer: Callable[..., Any], trees: tuple[Any, ...], point: Tensor
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tree in trees:
        x = point.clone().requires_grad_()
        found[f"evaluate({_shown(tree)}, x)"] = value = answer(tree, x)
        slope = gradients(value, [x])[0]
        if slope is not None and '"x"' not in _shown(tree) and not slope.any():
            slope = None  # a slope of 0, by way of `0 * x`, is as right as no way to x
        found[f"the slope of evaluate({_shown(tree)}, x)"] = slope
    return found


def _shown(tree: Any) -> str:
    if isinstance(tree, tuple):
        operation, *parts = tree
        return f'("{operation}", {", ".join(map(_shown, parts))})'
    return f'"{tree}"' if isinstance(tree, str) else str(tree)


# 8.4 ---------------------------------------------------------------------------------------------


def last_states(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    """Return the state after the last vector of each sequence, (B, H)."""
    states = []
    for sequence in sequences:
        h = torch.zeros(len(w_rec), dtype=w_rec.dtype)
        for vector in sequence:
            h = torch.tanh(vector @ w_in + h @ w_rec)
        states.append(h)
    return torch.stack(states)


def _state_kept(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    states, h = [], torch.zeros(len(w_rec), dtype=w_rec.dtype)
    for sequence in sequences:
        for vector in sequence:
            h = torch.tanh(vector @ w_in + h @ w_rec)
        states.append(h)
    return torch.stack(states)


def _padded(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    batch = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    return last_states(list(batch), w_in, w_rec)


def _cut_short(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    shortest = min(map(len, sequences))
    return last_states([sequence[:shortest] for sequence in sequences], w_in, w_rec)


def _mean_of_states(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    means = []
    for sequence in sequences:
        states = [torch.zeros(len(w_rec), dtype=w_rec.dtype)]
        for vector in sequence:
            states.append(torch.tanh(vector @ w_in + states[-1] @ w_rec))
        means.append(torch.stack(states[1:]).mean(dim=0))
    return torch.stack(means)


def _backwards(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states([sequence.flip(0) for sequence in sequences], w_in, w_rec)


def _w_rec_transposed(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states(sequences, w_in, w_rec.T)


def _zeros_before_each_vector(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states([sequence[-1:] for sequence in sequences], w_in, w_rec)


def _one_vector_early(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states([sequence[:-1] for sequence in sequences], w_in, w_rec)


def _every_state(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    beginnings = [s[: length + 1] for s in sequences for length in range(len(s))]
    return last_states(beginnings, w_in, w_rec)


def _with_step(step: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return an answer whose new state, from v @ w_in, h and h @ w_rec, is another one."""

    def answer(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
        states = []
        for sequence in sequences:
            h = torch.zeros(len(w_rec), dtype=w_rec.dtype)
            for vector in sequence:
                h = step(vector @ w_in, h, h @ w_rec)
            states.append(h)
        return torch.stack(states)

    return answer


def _tanh_at_the_end(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return torch.tanh(_with_step(lambda v, h, rec: v + rec)(sequences, w_in, w_rec))


def _begun_with_ones(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    states = []
    for sequence in sequences:
        h = torch.ones(len(w_rec), dtype=w_rec.dtype)
        for vector in sequence:
            h = torch.tanh(vector @ w_in + h @ w_rec)
        states.append(h)
    return torch.stack(states)


def _begun_at_random(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    states = []
    for sequence in sequences:
        h = torch.randn(len(w_rec), dtype=w_rec.dtype)
        for vector in sequence:
            h = torch.tanh(vector @ w_in + h @ w_rec)
        states.append(h)
    return torch.stack(states)


def _first_vector_skipped(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states([sequence[1:] for sequence in sequences], w_in, w_rec)


def _only_the_last_sequence(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states(sequences[-1:], w_in, w_rec)[0]


def _sum_of_states(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=w_rec.dtype)
    return _mean_of_states(sequences, w_in, w_rec) * lengths[:, None]


def _cut_at_each_step(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    before = [last_states([sequence[:-1]], w_in, w_rec).detach() for sequence in sequences]
    last = torch.stack([sequence[-1] for sequence in sequences])
    return torch.tanh(last @ w_in + torch.cat(before) @ w_rec)


def _no_graph(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    return last_states(sequences, w_in, w_rec).detach()


def _states_and_gradients(
    answer: Callable[..., Any], sequences: list[Tensor], w_in: Tensor, w_rec: Tensor
) -> dict[str, Any]:
    first = [sequence[:1] for sequence in sequences]
    states = answer(sequences, w_in, w_rec)
    found = {"the states after one vector": answer(first, w_in, w_rec), "the states": states}
    if difference(states, last_states(sequences, w_in, w_rec)) is None:
        found["the state of a single sequence"] = answer(sequences[:1], w_in, w_rec)
        weights = [weight.clone().requires_grad_() for weight in (w_in, w_rec)]
        slopes = gradients(answer(sequences, *weights), weights)
        found["the gradient of w_in"], found["the gradient of w_rec"] = slopes
    return found


def _sequences_and_weights(generator: Generator) -> tuple[Any, ...]:
    lengths = (6, 2, 7, 1)
    sequences = [_normal(generator, length, 3) for length in lengths]
    return sequences, _normal(generator, 3, 5) / 2, _normal(generator, 5, 5) / 2


EXERCISES = (
    Exercise(
        number="8.1",
        prompt=(
            "**8.1 Predict.** What is `w.grad` after these lines? How often the loop runs is for "
            "you to find out.\n"
            "\n"
            "```python\n"
            "w = torch.tensor(3.0, requires_grad=True)\n"
            "product = torch.tensor(1.0)\n"
            "while product < 100:\n"
            "    product = product * w\n"
            "product.backward()\n"
            "```"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=gradient_of_the_loop,
        wrong=(
            Wrong(
                81.0,
                "that is the share of one use of w. The loop uses it five times, and the shares "
                "add up.",
            ),
            Wrong(
                135.0,
                "each of the five shares is the product of the *four* other factors, 81; you took "
                "three of them, 27.",
            ),
            Wrong(
                121.0,
                "you added the products 1, 3, 9, 27 and 81. Every one of the five shares has all "
                "the other factors in it, those behind it too: each is 81.",
            ),
            Wrong(
                547.0,
                "you added the slopes of `product` after each pass. Backward runs from the last "
                "product alone; the earlier ones lie on its way.",
            ),
            Wrong(
                625.0,
                "five to the fourth: base and exponent are exchanged. The factor is w, which is 3, "
                "and it occurs five times.",
            ),
            Wrong(
                324.0,
                "81 is right for one share, but w is used five times, not four.",
            ),
            Wrong(
                1215.0,
                "five times the whole product: the slope of w to the fifth has one factor less, w "
                "to the fourth.",
            ),
            Wrong(
                108.0,
                "you stop after four passes, at 81, which is still below 100. The loop runs once "
                "more.",
            ),
            Wrong(
                243.0,
                "that is the product itself, three to the fifth. Its slope along w was asked for.",
            ),
            Wrong(
                5.0,
                "five is how often w is used. Each use contributes the product of the other four "
                "factors, not 1.",
            ),
            Wrong(
                0.0,
                "the loop does not cut the graph: each of its products is recorded, and each use "
                "of w gets its share.",
            ),
            Wrong(
                1.0,
                "1 is the slope of the product along itself; from there it goes back through every "
                "pass to w.",
            ),
            Wrong(
                1458.0,
                "you let the loop run once more; after five passes the product is 243, and 243 < "
                "100 no longer holds.",
            ),
            Wrong(
                27.0,
                "that is the share of one use if there were four passes; the loop runs five times, "
                "and the shares add up.",
            ),
            *wrongs(
                "you multiplied by 3 for each use; each use contributes the product of the four "
                "other factors, and there are five.",
                *(15.0, 12.0),
            ),
            Wrong(
                3.0,
                "3 is w itself, or the last factor; w is used in every pass, and each use gets a "
                "share.",
            ),
        ),
        hints=(
            "Write down `product` after each pass until the condition no longer holds. How many "
            "factors does it have at the end?",
            "The graph is that of w to the power of this number. The `while` itself is not in it.",
            "The product is w to the fifth. School knows its slope at 3.",
        ),
        because=(
            "five passes, five arrows into w, and each share is the product of the four other "
            "factors: 5 times 81."
        ),
    ),
    Exercise(
        number="8.2",
        prompt=(
            "**8.2 Modify.** Let the data choose the depth. `forward_until(model, x, bound)` is "
            "the forward pass of a DynamicNet that uses its middle layer (and the ReLU after it) "
            "as long as the norm of `h`, of all its numbers together, is above `bound`, but ten "
            "times at most. It returns the output and how often the middle layer was used, which "
            "may be never. `check` also asks for the gradients of the weights."
        ),
        stub="def forward_until(model, x, bound):\n    return None  # output, depth",
        name="forward_until",
        solution=forward_until,
        inputs=_net_and_samples,
        probe=_bounds,
        examples=tuple(
            "model = nn.Module()\n"
            'for name, weight in {"input": 8.0, "middle": 0.5, "output": 1.0}.items():\n'
            "    layer = nn.Linear(1, 1, bias=False)\n"
            "    nn.init.constant_(layer.weight, weight)\n"
            '    model.add_module(f"{name}_linear", layer)\n'
            f"forward_until(model, torch.ones(1, 1), {bound})"
            for bound in (9.0, 3.0, 2.0, 0.0)
        ),
        wrong=(
            Wrong(
                _once_at_least,
                "you use the middle layer before you look at the norm. Where the first `h` is "
                "small enough already, it should not be used at all.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.norm() > bound),
                "the loop goes on after ten uses. A norm that never falls to the bound would "
                "keep it running for ever.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.norm() < bound and depth < 10),
                "the condition is the wrong way round: go on while the norm is *above* the bound.",
            ),
            Wrong(
                _without_relu,
                "the ReLU after the middle layer is missing: without it `h` keeps its negative "
                "numbers.",
            ),
            *wrongs(
                "the numbers are right, but somewhere `h` leaves the record (`detach`, `no_grad`), "
                "so not every layer gets its gradient.",
                *(_off_in_the_middle, _loop_off_the_record, _cut_after_the_loop),
                _off_the_record_throughout,
            ),
            Wrong(
                _first_relu_missing,
                "the ReLU after `input_linear` is missing, so `h` starts with negative numbers.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.norm() > bound or depth < 10),
                "both conditions must hold: `and`, not `or`.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.norm() > bound and depth < 11),
                "your loop allows eleven uses; ten are the most.",
            ),
            Wrong(_nine_at_most, "your loop allows nine uses at most; it should be ten."),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.norm() >= bound and depth < 10),
                "where the norm equals the bound it is not above it: `>`, not `>=`.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: depth < 10),
                "the bound does not enter: you always use the middle layer ten times.",
            ),
            *wrongs(
                "you look at the norms of the single rows; the norm of `h` is that of all its "
                "numbers, `h.norm()`.",
                *(
                    _as_long_as(lambda h, bound, depth: h.norm(dim=1).max() > bound and depth < 10),
                    _as_long_as(
                        lambda h, bound, depth: h.norm(dim=1).mean() > bound and depth < 10
                    ),
                    _as_long_as(lambda h, bound, depth: h[0].norm() > bound and depth < 10),
                    _as_long_as(lambda h, bound, depth: h.norm(dim=1).min() > bound and depth < 10),
                ),
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.abs().sum() > bound and depth < 10),
                "you add up the magnitudes; the norm is the root of the sum of the squares.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.square().sum() > bound and depth < 10),
                "you compare the sum of the squares; the norm is its root.",
            ),
            Wrong(
                _as_long_as(lambda h, bound, depth: h.max() > bound and depth < 10),
                "you compare the largest number; the norm is the root of the sum of all squares.",
            ),
            Wrong(
                _as_long_as(
                    lambda h, bound, depth: torch.linalg.matrix_norm(h, 2) > bound and depth < 10
                ),
                "you take the spectral norm, which `torch.linalg.norm(h, 2)` gives for a matrix; "
                "the root of the sum of all squares is `h.norm()`.",
            ),
            *wrongs(
                "what you compare stays the same while `h` changes: look at the norm of the "
                "present `h`, taken anew before each use.",
                *(_norm_taken_once, _compares_x),
            ),
            Wrong(
                _once_at_most,
                "you use the middle layer once at most: does an `if` stand where a `while` should?",
            ),
            Wrong(
                _depth_drawn,
                "`model(x)` draws a depth of its own; send your `h` through `output_linear`.",
            ),
            Wrong(
                _without_biases,
                "the biases are missing: call the layers themselves, they add them.",
            ),
            Wrong(
                _norm_before_the_relu,
                "you look at the norm before the ReLU; `h` is what comes out of it.",
            ),
            Wrong(_depth_first, "the output comes first: `return output, depth`."),
            Wrong(
                _counted_from_one,
                "the output is right, but the count is one too high: begin with 0.",
            ),
            Wrong(
                _counted_and_limited_from_one,
                "the count is one too high, so the loop ends after nine uses: begin with 0.",
            ),
            *wrongs(
                "each row has a loop of its own here; there is one loop, for all of `h`, which "
                "goes by the norm of all its numbers together.",
                *_with_a_loop_for_each_row(),
            ),
            *wrongs(
                "each `model(x)` begins anew with x and draws a depth of its own; send the `h` of "
                "your loop through `middle_linear`, and at the end through `output_linear`.",
                *(_drawn_again_and_again, _drawn_inside, _drawn_each_time),
            ),
            *wrongs(
                "`clamp(max=0)` keeps what is negative; a ReLU keeps what is positive, "
                "`clamp(min=0)`.",
                _negative_kept({"max": 0}, {"max": 0}),
                _negative_kept({"max": 0}, {"min": 0}),
                _negative_kept({"min": 0}, {"max": 0}),
            ),
            Wrong(
                _not_counted,
                "the output is right, but the count stays at 0: `depth += 1` inside the loop.",
            ),
            Wrong(
                _state_for_output,
                "what you return first is `h`; send it through `output_linear`.",
            ),
            Wrong(_relu_at_the_end, "there is no ReLU after `output_linear`."),
            Wrong(
                _only_the_output,
                "the output is right; return the number of uses with it, `output, depth`.",
            ),
        ),
        hints=(
            "Replace `for _ in range(depth)` by a `while` with two conditions.",
            "`while h.norm() > bound and depth < 10:` stands before the layer is used, not after.",
            "Count inside the loop, `depth += 1`, and return both: `return output, depth`.",
        ),
        because=(
            "the condition is ordinary Python on an ordinary number. Autograd records the uses "
            "that happened and never learns that there was a question."
        ),
    ),
    Exercise(
        number="8.3",
        prompt=(
            '**8.3 Build.** An *expression tree* is the text `"x"`, a float, or a tuple of an '
            'operation (`"+"`, `"-"` or `"*"`) and two trees: `("-", ("*", "x", "x"), 2.0)` means '
            "$x \\cdot x - 2$. Write `evaluate(tree, x)`, which returns its value for a tensor "
            "`x` of any shape. `check` also asks autograd for the slope of your result along `x`."
        ),
        stub="def evaluate(tree, x):\n    return None  # your lines",
        name="evaluate",
        solution=evaluate,
        inputs=_tree_and_points,
        probe=_from_small_to_large,
        examples=tuple(
            f"x = torch.tensor(3.0, requires_grad=True)\n{line}"
            for line in (
                'evaluate("x", x)',
                "evaluate(2.0, x)",
                *(f'evaluate(("{sign}", "x", 2.0), x)' for sign in "+-*"),
                'evaluate(("-", 10.0, ("*", "x", ("+", "x", 1.0))), x)',
                'evaluate(("*", "x", ("+", "x", 2.0)), x).backward()\nx.grad',
            )
        ),
        wrong=(
            Wrong(
                _right_minus_left,
                'the two sides of "-" are exchanged: it means the left tree minus the right one.',
            ),
            Wrong(
                _off_the_record,
                "the value is right, but it has no graph: somewhere `x` leaves the record, by "
                "`item()`, `detach()` or a new tensor made from its number.",
            ),
            Wrong(
                _one_level,
                "your function looks one level deep. A side that is a tuple is a tree again: "
                "give it to `evaluate`.",
            ),
            Wrong(
                _one_side(0),
                "a tuple on the *left* is not evaluated: it is a tree like the one on the right.",
            ),
            Wrong(
                _one_side(1),
                "a tuple on the *right* is not evaluated: it is a tree like the one on the left.",
            ),
            Wrong(
                _with_operations(lambda operation, a, b: a + b),
                "the operation does not enter: you always add.",
            ),
            Wrong(
                _with_operations(lambda operation, a, b: a * b if operation == "*" else a + b),
                '"-" is taken for "+".',
            ),
            Wrong(
                _with_operations(lambda operation, a, b: a * b if operation == "*" else a - b),
                '"+" is taken for "-".',
            ),
            Wrong(
                _with_operations(lambda operation, a, b: a + b if operation == "+" else a - b),
                '"*" is taken for "-".',
            ),
            Wrong(
                _with_operations(lambda operation, a, b: a - b if operation == "-" else a + b),
                '"*" is taken for "+".',
            ),
            Wrong(
                _with_operations(_applied, lambda number: float(int(number))),
                "the floats lose what is behind the point, as by `int`; take them as they are.",
            ),
        ),
        hints=(
            "Three cases: the text, the float, the tuple. Two of them need no recursion.",
            "Take the tuple apart with `operation, left, right = tree` and evaluate both sides "
            "first.",
            "With `a, b = evaluate(left, x), evaluate(right, x)` the rest is one of `a + b`, "
            "`a - b` and `a * b`.",
        ),
        because=(
            "the recursion follows the tree, the graph follows the recursion, and every `x` in "
            "the tree pays its share into one gradient."
        ),
    ),
    Exercise(
        number="8.4",
        prompt=(
            "**8.4 Build.** `last_states(sequences, w_in, w_rec)` reads a list of B sequences, "
            "each of shape (T, D) with a T of its own, by $h \\leftarrow \\tanh(v\\, w_{in} + h\\, "
            "w_{rec})$ for each vector $v$, as `read` of this notebook does. Every sequence begins "
            "with a state of H zeros (dtype as in `w_rec`). Return the B last states as one tensor "
            "(B, H). `check` also asks for the gradients of the two weights."
        ),
        stub="def last_states(sequences, w_in, w_rec):\n    return None  # your lines",
        name="last_states",
        solution=last_states,
        inputs=_sequences_and_weights,
        probe=_states_and_gradients,
        examples=tuple(
            f"last_states([{lists}], torch.tensor([[1.0]]), torch.tensor([[2.0]]))"
            for lists in (
                "torch.tensor([[0.5]])",
                "torch.tensor([[0.5], [0.1]])",
                "torch.tensor([[0.5], [0.1]]), torch.tensor([[0.3]])",
            )
        ),
        direct=True,
        wrong=(
            Wrong(
                _state_kept,
                "the state of one sequence leaks into the next: set `h` to zeros before each.",
            ),
            Wrong(
                _padded,
                "you fill the short sequences up with zeros and read on. A zero vector leaves "
                "`h @ w_rec`, so the state goes on changing after the sequence has ended.",
            ),
            Wrong(
                _cut_short,
                "you read every sequence only as far as the shortest one goes; go on to its end.",
            ),
            Wrong(
                _mean_of_states,
                "that is the mean over all states of a sequence; the last one was asked for.",
            ),
            Wrong(
                _backwards,
                "you read each sequence from its end; begin with its first vector.",
            ),
            Wrong(
                _w_rec_transposed,
                "`w_rec` is transposed: the state stands to its left, `h @ w_rec`. It is square, "
                "so no error gives the mistake away.",
            ),
            Wrong(
                _zeros_before_each_vector,
                "only the last vector of each sequence counts: `h` is set to zeros before every "
                "vector, or `h @ w_rec` is missing.",
            ),
            Wrong(_with_step(lambda v, h, rec: v + rec), "the tanh is missing."),
            Wrong(
                _every_state,
                "you keep every state; keep the last one of each sequence.",
            ),
            Wrong(_one_vector_early, "you stop one vector early."),
            Wrong(
                _with_step(lambda v, h, rec: torch.tanh(v) + rec),
                "the tanh goes around the sum, and you have it around the first term alone.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: v + torch.tanh(rec)),
                "the tanh goes around the sum, and you have it around the second term alone.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: torch.tanh(v) + torch.tanh(rec)),
                "one tanh goes around the sum; you have one around each of its terms.",
            ),
            Wrong(
                _tanh_at_the_end,
                "the tanh belongs into every step; you take it once, at the end.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: h + torch.tanh(v + rec)),
                "the new state takes the place of the old one; you add it to the old one.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: torch.tanh(v + h)),
                "`w_rec` is not used: it is `h @ w_rec`, not `h`.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: torch.sigmoid(v + rec)),
                "that is a sigmoid; take the tanh.",
            ),
            Wrong(
                _with_step(lambda v, h, rec: torch.relu(v + rec)),
                "that is a ReLU; take the tanh.",
            ),
            Wrong(_begun_with_ones, "every sequence begins with zeros, not with ones."),
            Wrong(_begun_at_random, "every sequence begins with zeros; you draw its first state."),
            Wrong(_first_vector_skipped, "you leave out the first vector of each sequence."),
            Wrong(
                _only_the_last_sequence,
                "you return the state of the last sequence alone; keep one for each of them.",
            ),
            Wrong(
                _sum_of_states,
                "that is the sum over all states of a sequence; the last one was asked for.",
            ),
            Wrong(
                _no_graph,
                "the states are right, but no gradient leads from them to the weights: leave out "
                "`detach`, `no_grad`, and new tensors made of their numbers.",
            ),
            Wrong(
                _cut_at_each_step,
                "the states are right, but the trail is cut at each step: the gradient comes from "
                "the last vector alone.",
            ),
        ),
        hints=(
            "Two loops: over the sequences, and over the vectors of one.",
            "Where must `h = torch.zeros(...)` stand so that no sequence knows of the one before?",
            "Collect one `h` for each sequence in a list; `torch.stack` makes (B, H) of it.",
        ),
        because=(
            "each sequence has a graph as long as itself, and all of them end in the same two "
            "weights."
        ),
    ),
)

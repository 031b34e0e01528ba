"""The exercises of notebook 08: loops, trees and sequences, each with a graph of its own."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.exercise import Exercise, Wrong


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


def _no_most(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth < 50:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _while_below(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() < bound and depth < 10:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


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


def _or_for_and(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while (h.norm() > bound or depth < 10) and depth < 5000:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _eleven_uses(model: Any, x: Tensor, bound: float) -> tuple[Tensor, int]:
    h, depth = model.input_linear(x).clamp(min=0), 0
    while h.norm() > bound and depth <= 10:
        h, depth = model.middle_linear(h).clamp(min=0), depth + 1
    return model.output_linear(h), depth


def _only_the_output(model: Any, x: Tensor, bound: float) -> Tensor:
    return forward_until(model, x, bound)[0]


class _Net(nn.Module):
    """The layers of a DynamicNet, small; the middle one roughly halves what it is given."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        middle = 0.2 * torch.eye(5, dtype=torch.float64) + 0.12 * _normal(generator, 5, 5).abs()
        middle[0] -= 0.25  # one hidden number is stopped by the ReLU
        weights = {
            "input": _normal(generator, 5, 4),
            "middle": middle,
            "output": _normal(generator, 3, 5),
        }
        for name, weight in weights.items():
            num_outputs, num_inputs = weight.shape
            layer = nn.Linear(num_inputs, num_outputs, bias=False, dtype=torch.float64)
            layer.weight = nn.Parameter(weight)
            self.add_module(f"{name}_linear", layer)


def _net_and_samples(generator: Generator) -> tuple[Any, ...]:
    return _Net(generator), _normal(generator, 7, 4)


def _three_bounds(answer: Callable[..., Any], model: Any, x: Tensor) -> dict[str, Any]:
    norm = model.input_linear(x).clamp(min=0).norm().item()
    bounds = {
        "a bound that is never reached": 0.0,
        "a bound that the first h meets": 2 * norm,
        "a bound on the way": 0.4 * norm,
    }
    found = {name: answer(model, x, bound) for name, bound in bounds.items()}
    last = found["a bound on the way"]
    if isinstance(last, tuple) and isinstance(last[0], Tensor):
        found["the gradient of the first weight"] = _slope(last[0], model.input_linear.weight)
    return found


def _slope(result: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of the sum of a result; zeros where no graph leads to the weight."""
    if not result.requires_grad:
        return torch.zeros_like(weight)
    return torch.autograd.grad(result.sum(), weight, materialize_grads=True)[0]


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

    a, b = number(tree[1]), number(tree[2])
    return {"+": a + b, "-": a - b, "*": a * b}[tree[0]]


def _tree_and_point(generator: Generator) -> tuple[Any, ...]:
    a, b, c = (_between(generator, 0.5, 2.0) for _ in range(3))
    tree: Any = ("-", ("*", "x", ("+", "x", a)), ("*", b, ("-", c, "x")))
    for _ in range(int(torch.randint(1, 4, (), generator=generator))):
        operation = "+-*"[int(torch.randint(3, (), generator=generator))]
        number = _between(generator, 1.2, 2.0)
        tree = (operation, number, tree)
    x = torch.tensor(_between(generator, 2.2, 3.0), dtype=torch.float64, requires_grad=True)
    return tree, x


def _value_and_slope(answer: Callable[..., Any], tree: Any, x: Tensor) -> Any:
    value = answer(tree, x)
    if isinstance(value, float | int):
        value = torch.tensor(float(value), dtype=x.dtype)
    if not isinstance(value, Tensor) or value.ndim > 0:
        return value
    slope = torch.zeros_like(x)
    if value.requires_grad:
        slope = torch.autograd.grad(value, x)[0]
    return {"the value": value.detach(), "the slope along x": slope}


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


def _without_tanh(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    states = []
    for sequence in sequences:
        h = torch.zeros(len(w_rec), dtype=w_rec.dtype)
        for vector in sequence:
            h = vector @ w_in + h @ w_rec
        states.append(h)
    return torch.stack(states)


def _tanh_of_the_input_only(sequences: list[Tensor], w_in: Tensor, w_rec: Tensor) -> Tensor:
    states = []
    for sequence in sequences:
        h = torch.zeros(len(w_rec), dtype=w_rec.dtype)
        for vector in sequence:
            h = torch.tanh(vector @ w_in) + h @ w_rec
        states.append(h)
    return torch.stack(states)


def _sequences_and_weights(generator: Generator) -> tuple[Any, ...]:
    lengths = (4, 2, 5, 3)
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
            "as long as the norm of `h` is above `bound`, but ten times at most. It returns the "
            "output and how often the middle layer was used, which may be never. `check` also asks "
            "for the gradient of the first weight."
        ),
        stub="def forward_until(model, x, bound):\n    return None  # output, depth",
        name="forward_until",
        solution=forward_until,
        inputs=_net_and_samples,
        probe=_three_bounds,
        wrong=(
            Wrong(
                _once_at_least,
                "you use the middle layer before you look at the norm. Where the first `h` is "
                "small enough already, it should not be used at all.",
            ),
            Wrong(
                _no_most,
                "the loop goes on after ten uses. A norm that never falls to the bound would "
                "keep it running for ever.",
            ),
            Wrong(
                _while_below,
                "the condition is the wrong way round: go on while the norm is *above* the bound.",
            ),
            Wrong(
                _without_relu,
                "the ReLU after the middle layer is missing: without it `h` keeps its negative "
                "numbers.",
            ),
            Wrong(
                _off_in_the_middle,
                "the numbers are right, but somewhere `h` leaves the record (`detach`, `no_grad`): "
                "no gradient reaches the first layer.",
            ),
            Wrong(
                _first_relu_missing,
                "the ReLU after `input_linear` is missing, so `h` starts with negative numbers.",
            ),
            Wrong(_or_for_and, "both conditions must hold: `and`, not `or`."),
            Wrong(_eleven_uses, "`depth <= 10` allows eleven uses; ten are the most."),
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
            "`x`. `check` also asks autograd for the slope of your result along `x`."
        ),
        stub="def evaluate(tree, x):\n    return None  # your lines",
        name="evaluate",
        solution=evaluate,
        inputs=_tree_and_point,
        probe=_value_and_slope,
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
            "(B, H)."
        ),
        stub="def last_states(sequences, w_in, w_rec):\n    return None  # your lines",
        name="last_states",
        solution=last_states,
        inputs=_sequences_and_weights,
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
                "you set `h` to zeros before every vector, so only the last vector counts; once "
                "for each sequence is enough.",
            ),
            Wrong(_without_tanh, "the tanh is missing."),
            Wrong(
                _every_state,
                "you keep every state; keep the last one of each sequence.",
            ),
            Wrong(_one_vector_early, "you stop one vector early."),
            Wrong(
                _tanh_of_the_input_only,
                "the tanh goes around the sum, and you have it around the first term alone.",
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

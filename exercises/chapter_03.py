# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 03: what is in the graph, what is in `.grad`, what to do with it."""

from typing import Any

import torch
from torch import Generator, Tensor

from exercises.exercise import Exercise, Wrong

# Solutions ----------------------------------------------------------------------------------------


def grad_after_two():
    """Run the lines and read `x.grad`."""
    x = torch.tensor(2.0, requires_grad=True)
    (x**3).backward()
    (5 * x).backward()
    return x.grad.item()


def leaves():
    """Run the lines and ask each tensor."""
    a = torch.ones(2, requires_grad=True)
    b = torch.ones(2)
    c = a * b
    d = c.detach()
    e = (c + d).sum()
    e.backward()
    tensors = {"a": a, "b": b, "c": c, "d": d, "e": e}
    return "".join(name for name, tensor in tensors.items() if tensor.is_leaf)


def sgd_step(weights, learning_rate):
    """Move each weight against its gradient, in place, and forget the gradient."""
    with torch.no_grad():
        for w in weights:
            w -= learning_rate * w.grad
            w.grad = None


def gradients(f, *inputs):
    """Return the gradients of f(*inputs), one for each input; no `.grad` is touched."""
    return torch.autograd.grad(f(*inputs), inputs)


def jacobian(f, x):
    """Return the slope of each result along each input: one row for each result."""
    x = x.detach().clone().requires_grad_()
    rows = []
    for one_hot in torch.eye(len(f(x)), dtype=x.dtype):
        x.grad = None
        f(x).backward(gradient=one_hot)
        rows.append(x.grad)
    return torch.stack(rows)


# Mistakes -----------------------------------------------------------------------------------------


def _uphill(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w += learning_rate * w.grad
            w.grad = None


def _gradient_left(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w -= learning_rate * w.grad


def _new_tensor(weights, learning_rate):
    for w in weights:
        w = w.detach() - learning_rate * w.grad
        w.grad = None


def _zeroed_first(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w.grad.zero_()
            w -= learning_rate * w.grad


def _first_weight_only(weights, learning_rate):
    sgd_step(weights[:1], learning_rate)


def _full_gradient(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w -= w.grad
            w.grad = None


def _added_to_grad(f, *inputs):
    f(*inputs).backward()
    return tuple(tensor.grad for tensor in inputs)


def _emptied_too_late(f, *inputs):
    results = _added_to_grad(f, *inputs)
    for tensor in inputs:
        tensor.grad = None
    return results


def _emptied_grad(f, *inputs):
    for tensor in inputs:
        tensor.grad = None
    f(*inputs).backward()
    return tuple(tensor.grad for tensor in inputs)


def _first_input_only(f, *inputs):
    return torch.autograd.grad(f(*inputs), inputs[0])


def _running_sums(f, x):
    x = x.detach().clone().requires_grad_()
    rows = []
    for one_hot in torch.eye(len(f(x)), dtype=x.dtype):
        f(x).backward(gradient=one_hot)
        rows.append(x.grad.clone())
    return torch.stack(rows)


def _all_results_at_once(f, x):
    x = x.detach().clone().requires_grad_()
    y = f(x)
    y.backward(gradient=torch.ones_like(y))
    return torch.stack([x.grad] * len(y))


def _one_tensor_for_all_rows(f, x):
    x = x.detach().clone().requires_grad_()
    x.grad = torch.zeros_like(x)
    rows = []
    for one_hot in torch.eye(len(f(x)), dtype=x.dtype):
        x.grad.zero_()
        f(x).backward(gradient=one_hot)
        rows.append(x.grad)
    return torch.stack(rows)


# Inputs and probes --------------------------------------------------------------------------------


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _weights_and_gradients(generator: Generator) -> tuple[Any, ...]:
    learning_rate = 0.1 + 0.4 * torch.rand((), generator=generator).item()
    shapes = (3, 4), (4, 2), (3, 4), (4, 2)
    return (*(_normal(generator, *shape) for shape in shapes), learning_rate)


def _after_a_step(step, w1, w2, grad_w1, grad_w2, learning_rate):
    weights = [w1.clone().requires_grad_(), w2.clone().requires_grad_()]
    for w, grad in zip(weights, (grad_w1, grad_w2), strict=True):
        w.grad = grad.clone()
    first, second = weights
    step(weights, learning_rate)
    return {
        "the first weight": first,
        "the second weight": second,
        "requires_grad of the first weight": first.requires_grad,
        "is_leaf of the first weight": first.is_leaf,
        "the gradient left in the first weight": _grad_or_zeros(first),
        "the gradient left in the second weight": _grad_or_zeros(second),
    }


def _grad_or_zeros(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _formula(x: Tensor, w: Tensor) -> Tensor:
    return (x @ w).tanh().square().sum()


def _two_inputs(generator: Generator) -> tuple[Any, ...]:
    return _formula, _normal(generator, 3, 5), _normal(generator, 5, 2)


def _gradients_twice(answer, f, x, w):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    x.grad = torch.full_like(x, 0.5)  # somebody else's
    return {
        "the gradients": _copied(answer(f, x, w)),
        "the gradients of a second call": _copied(answer(f, x, w)),
        "x.grad after the calls": x.grad,
        "w.grad after the calls": w.grad,
    }


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_copied, value))
    return value.clone() if isinstance(value, Tensor) else value


def _several_results(generator: Generator) -> tuple[Any, ...]:
    matrix, x = _normal(generator, 3, 4), _normal(generator, 4)
    return lambda x: (matrix @ x).tanh() + x[:3] ** 2, x


EXERCISES = (
    Exercise(
        number="3.1",
        prompt="""\
**3.1 Predict.** What is `x.grad` after these three lines?

```python
x = torch.tensor(2.0, requires_grad=True)
(x**3).backward()
(5 * x).backward()
```""",
        stub="answer = None  # your number",
        name="answer",
        solution=grad_after_two,
        wrong=(
            Wrong(5.0, "5 is the slope of the second line alone; was `.grad` empty before it?"),
            Wrong(12.0, "12 is the slope of the first line alone; the second adds its own."),
            Wrong(60.0, "60 is the product of the two slopes; `AccumulateGrad` does not multiply."),
            Wrong(13.0, "the slope of x³ at 2 is 3x² = 12; 8 is its value."),
            Wrong(
                10.0,
                "10 is the value of 5x at 2; `.grad` holds slopes, and those of both lines.",
            ),
            Wrong(18.0, "18 is the sum of the two values; `.grad` holds slopes."),
            Wrong(8.5, "8.5 is the mean of the two slopes; nothing divides by two here."),
        ),
        hints=(
            "Work out the two slopes at 2 separately.",
            "They are 12 and 5. What does the second `backward` find in `x.grad`, "
            "and what does it do with it?",
        ),
        because="12 from the first backward, 5 from the second, and nobody emptied `.grad`.",
    ),
    Exercise(
        number="3.2",
        prompt="""\
**3.2 Predict.** Which of these five tensors are leaves? Answer with their letters in
alphabetical order, such as `"ace"`.

```python
a = torch.ones(2, requires_grad=True)
b = torch.ones(2)
c = a * b
d = c.detach()
e = (c + d).sum()
e.backward()
```""",
        stub="answer = None  # your letters",
        name="answer",
        solution=leaves,
        wrong=(
            Wrong("a", "a is the one leaf with a gradient; leaves that ask for none count too."),
            Wrong("ab", "a and b are, and one more: what does detach leave of the way back to c?"),
            Wrong("ad", "a and d are, and one more: data is a leaf as well."),
            Wrong("abcd", "c is made by a recorded operation: it has a grad_fn, so it is no leaf."),
            *(
                Wrong(
                    letters,
                    "c and e come from recorded operations: each has a grad_fn, so neither is a "
                    "leaf.",
                )
                for letters in ("abde", "abcde", "cde", "abce")
            ),
            Wrong("abc", "c has a grad_fn, so it is no leaf; and d has none."),
            Wrong("acd", "c has a grad_fn; and b is a leaf, though it asks for no gradient."),
            *(
                Wrong(
                    letters,
                    "a is a leaf as well: we made it. Requiring a gradient does not change that.",
                )
                for letters in ("bd", "b", "d")
            ),
            Wrong("ce", "those are the two with a grad_fn; the leaves are the others."),
        ),
        hints=(
            "A leaf is a tensor that no recorded operation made. Which of the five have a grad_fn?",
            "c and e have one. And d: is the way from it back to c recorded?",
        ),
        because="a and b we made, and d is cut off from c; only a has a gradient, since only a "
        "requires one.",
    ),
    Exercise(
        number="3.3",
        prompt="""\
**3.3 Modify.** Take the update out of our loop and make it a function for any list of weights.
Each weight moves in place, by `learning_rate` times its gradient and downhill. It remains a leaf
that requires a gradient, and has no gradient left afterwards (`None` or zeros).""",
        stub="""\
def sgd_step(weights, learning_rate):
    return None  # your lines""",
        name="sgd_step",
        solution=sgd_step,
        wrong=(
            Wrong(_uphill, "your step goes uphill: the gradient points where the loss grows."),
            Wrong(
                _gradient_left,
                "the weights have moved as they should, and their gradients are still there: "
                "the next backward would add to them.",
            ),
            Wrong(
                _new_tensor,
                "the weights that came in have not moved: `w - …` makes a new tensor, whatever "
                "name or place it then gets; change the old one with `w -= …`.",
            ),
            Wrong(
                _zeroed_first,
                "the weights have not moved, and their gradients are gone: these were emptied "
                "before they were used, or the result went into a new tensor and not into w.",
            ),
            Wrong(
                _first_weight_only,
                "the first weight is right, the second is not: does the loop reach every weight, "
                "with both lines?",
            ),
            Wrong(
                _full_gradient,
                "your step takes the whole gradient; the learning rate says which share of it.",
            ),
        ),
        hints=(
            "The lines stand in our loop, under # Update weights. Which name has to change?",
            "A loop over the weights inside `with torch.no_grad():`, in it `w -= …` in place.",
            "After `w -= learning_rate * w.grad` comes `w.grad = None`, both inside the loop.",
        ),
        because="this is all that plain gradient descent does; in 06 it becomes an object, "
        "`torch.optim.SGD`.",
        inputs=_weights_and_gradients,
        probe=_after_a_step,
    ),
    Exercise(
        number="3.4",
        prompt="""\
**3.4 Build.** `gradients(f, *inputs)` returns the gradients of the number `f(*inputs)` as a tuple,
one for each input. The inputs are leaves that require a gradient. Somebody else may be keeping
something in their `.grad`: leave it as it is, and keep it out of your result.""",
        stub="""\
def gradients(f, *inputs):
    return None  # your lines""",
        name="gradients",
        solution=gradients,
        wrong=(
            Wrong(
                _added_to_grad,
                "`backward` adds to what is already in `.grad`: your result contains what was "
                "there before, and `.grad` has changed.",
            ),
            Wrong(
                _emptied_too_late,
                "`backward` adds to what is already in `.grad`, and emptying it afterwards comes "
                "too late; besides, what was there belongs to somebody else.",
            ),
            Wrong(
                _emptied_grad,
                "the gradients are right, but what was in `.grad` before is lost; is there a way "
                "that does not write there?",
            ),
            Wrong(
                _first_input_only,
                "that is the gradient of the first input alone; hand all of the inputs over.",
            ),
        ),
        hints=(
            "`backward` always writes into `.grad`. The test of our engine used something else.",
            "`torch.autograd.grad(result, tensors)` returns a tuple of gradients.",
        ),
        because="without side effects, it can be called anywhere, even between a backward and its "
        "update.",
        inputs=_two_inputs,
        probe=_gradients_twice,
    ),
    Exercise(
        number="3.5",
        prompt="""\
**3.5 Build.** `f` turns a vector of N numbers into one of M. Its *Jacobian* is the (M, N) matrix
that holds in row i and column j the slope of result i along input j. Build it row by row from
`backward(gradient=…)`. `x` comes as a plain tensor, which does not require a gradient.""",
        stub="""\
def jacobian(f, x):
    return None  # your lines""",
        name="jacobian",
        solution=jacobian,
        wrong=(
            Wrong(
                _running_sums,
                "each row contains the rows above it as well: `.grad` was not emptied in between.",
            ),
            Wrong(
                _all_results_at_once,
                "every row is the sum of all rows. Is the gradient that you hand in 1 in one place "
                "only? If it is, nothing empties `.grad` between two rows: every row is the same "
                "tensor, which kept adding up. Set `x.grad = None` before each backward.",
            ),
            Wrong(
                _one_tensor_for_all_rows,
                "every row is the last one: `.grad.zero_()` empties the very tensor that you have "
                "stored; set `.grad = None`, or store a clone().",
            ),
        ),
        hints=(
            "What does `backward(gradient=…)` give if the gradient is 1 for one result and 0 for "
            "the others?",
            "Make a leaf of x with `x.detach().clone().requires_grad_()`. For each row of "
            "`torch.eye(M, dtype=x.dtype)`, empty `.grad`, compute f(x) anew, and go backward.",
            "Collect the `x.grad` of each round in a list, and end with `torch.stack(rows)`.",
        ),
        because="one backward for each result. A loss is one number: its gradient takes one walk, "
        "for any number of weights.",
        inputs=_several_results,
    ),
)

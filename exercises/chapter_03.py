# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 03: what is in the graph, what is in `.grad`, what to do with it."""

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.differences import difference
from exercises.exercise import ERRORS, Exercise, Wrong, wrongs

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
    """Return the slope of each result for each input: one row for each result."""
    x = x.detach().clone().requires_grad_()
    rows = []
    for one_hot in torch.eye(len(f(x)), dtype=x.dtype):
        x.grad = None
        f(x).backward(gradient=one_hot)
        rows.append(x.grad)
    return torch.stack(rows)


# Mistakes -----------------------------------------------------------------------------------------


def _by_differences(f, x):
    rows = [f(x + 1e-5 * step) - f(x - 1e-5 * step) for step in torch.eye(len(x), dtype=x.dtype)]
    return torch.stack(rows, dim=1) / 2e-5


def _other_letters() -> Iterator[Wrong]:
    """Yield every other choice of the five, with what is said of its letters."""
    for size in range(6):
        for letters in combinations("abcde", size):
            chosen = "".join(letters)
            if chosen != "abd":
                yield Wrong(chosen, _on_letters(chosen))


def _flags() -> Iterator[Wrong]:
    """Yield what is said of a True or False for each of the five, instead of letters."""
    asked = 'asked for are their letters, such as `"ace"`'
    for flags in product((True, False), repeat=5):
        chosen = "".join(letter for letter, flag in zip("abcde", flags, strict=True) if flag)
        right = chosen == "abd"
        said = f"those are the ones; {asked}." if right else f"{_on_letters(chosen)} And {asked}."
        for written in (flags, map(int, flags)):
            yield Wrong(" ".join(map(str, written)), said)


def _on_letters(chosen: str) -> str:
    """Return a sentence on the letters too many, or else on those that lack."""
    if not chosen:
        return "there are some: a leaf is a tensor that no recorded operation made."
    if chosen == "ce":
        return "those are the two with a grad_fn; the leaves are the others."
    if "c" in chosen and "e" in chosen:
        return "c and e come from recorded operations: each has a grad_fn, so neither is a leaf."
    if "c" in chosen:
        return "c is made by a recorded operation: it has a grad_fn, so it is no leaf."
    if "e" in chosen:
        return "e is the end of the graph, its root: it has a grad_fn. Leaves are where ways begin."
    if "a" not in chosen:
        return "a is a leaf as well: we made it. Requiring a gradient does not change that."
    if chosen == "a":
        return "a is the one leaf with a gradient; leaves that ask for none count too."
    if "b" not in chosen:
        return (
            "those are leaves, and one more is: data that asks for no gradient is a leaf as well."
        )
    return "those are leaves, and one more is: what does detach leave of the way back to c?"


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


def _last_gradient_emptied(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w -= learning_rate * w.grad
    w.grad = None


def _last_weight_only(weights, learning_rate):
    sgd_step(weights[-1:], learning_rate)


def _gradient_moves(weights, learning_rate):
    with torch.no_grad():
        for w in weights:
            w.grad -= learning_rate * w


def _by(change):
    """Return a step whose direction is made from the gradient by `change`."""

    def step(weights, learning_rate):
        with torch.no_grad():
            for w in weights:
                w -= change(w, learning_rate)
                w.grad = None

    return step


def _off_the_record(weights, learning_rate):
    """Leave autograd off."""
    sgd_step(weights, learning_rate)
    torch.set_grad_enabled(False)


def _in_new_memory(weights, learning_rate):
    for w in weights:
        w.data = w.data - learning_rate * w.grad
        w.grad = None


def _no_longer_trained(weights, learning_rate):
    for w in weights:
        w.requires_grad_(False)
        w -= learning_rate * w.grad
        w.grad = None


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


def _emptied_afterwards(f, *inputs):
    results = gradients(f, *inputs)
    for tensor in inputs:
        tensor.grad = None
    return results


def _only_what_was_there_put_back(f, *inputs):
    kept = [tensor.grad for tensor in inputs]
    results = _emptied_grad(f, *inputs)
    for tensor, grad in zip(inputs, kept, strict=True):
        tensor.grad = tensor.grad if grad is None else grad
    return results


def _what_was_there(f, *inputs):
    return tuple(tensor.grad for tensor in inputs)


def _what_was_there_comes_first(f, *inputs):
    """Return what a `.grad` held, where it held something."""
    pairs = zip(_what_was_there(f, *inputs), gradients(f, *inputs), strict=True)
    return tuple(new if old is None else old for old, new in pairs)


def _what_was_there_added(f, *inputs):
    pairs = zip(_what_was_there(f, *inputs), gradients(f, *inputs), strict=True)
    return tuple(new if old is None else old + new for old, new in pairs)


def _flags_taken_away(f, *inputs):
    results = gradients(f, *inputs)
    for tensor in inputs:
        tensor.requires_grad_(False)
    return results


def _first_input_only(f, *inputs):
    return torch.autograd.grad(f(*inputs), inputs[0])


def _clones_that_hang_on(f, *inputs):
    f(*inputs).backward()  # as through clones, which pass on what comes back
    return tuple(None for _ in inputs)


def _doubled(f, *inputs):
    return tuple(2 * gradient for gradient in gradients(f, *inputs))


def _each_in_a_tuple(f, *inputs):
    return [torch.autograd.grad(f(*inputs), tensor) for tensor in inputs]


def _first_gradient(f, *inputs):
    return gradients(f, *inputs)[0]


def _reversed(f, *inputs):
    return gradients(f, *inputs)[::-1]


def _sum_of_all(f, *inputs):
    return sum(gradient.sum() for gradient in gradients(f, *inputs))


def _marks_what_it_is_given(f, x):
    matrix = jacobian(f, x)
    x.requires_grad_()
    return matrix


def _marks_and_fills(f, x):
    matrix = jacobian(f, x)
    x.requires_grad_()
    x.grad = matrix[-1].clone()
    return matrix


def _sum_of_the_rows(f, x):
    return jacobian(f, x).sum(dim=0)


def _weighted_rows(f, x):
    """Hand in the value of each result as its gradient."""
    return f(x)[:, None] * jacobian(f, x)


def _emptied_after_storing(f, x):
    return torch.zeros_like(jacobian(f, x))


def _transposed(f, x):
    return jacobian(f, x).T


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


_SHAPES = (3, 4), (4, 2), (5,)
_PLACES = "first", "second", "third"


def _weights_and_gradients(generator: Generator) -> tuple[Any, ...]:
    learning_rate = 0.1 + 0.4 * torch.rand((), generator=generator).item()
    weights = [_normal(generator, *shape) for shape in _SHAPES]
    grads = [_normal(generator, *shape) for shape in _SHAPES]
    grads[0][1, 2] = 0.0
    return weights, grads, learning_rate


_MEMORY = "whether the weights lie where they lay"


def _after_a_step(step, weights, grads, learning_rate):
    """Look at all that a step may change; if it does right by three weights, try one."""
    outcome = _changed_by(step, weights, grads, learning_rate)
    right = _changed_by(sgd_step, weights, grads, learning_rate)
    if difference(outcome | {_MEMORY: True}, right, 1e-9) is not None:
        return outcome | {_MEMORY: True}  # one mistake at a time
    if outcome[_MEMORY]:
        alone = _changed_by(step, weights[:1], grads[:1], learning_rate)
        outcome["a list of one weight"] = alone["the first weight"]
    return outcome


def _changed_by(step, weights, grads, learning_rate):
    leaves = [w.clone().requires_grad_() for w in weights]
    for w, grad in zip(leaves, grads, strict=True):
        w.grad = grad.clone()
    places = [w.data_ptr() for w in leaves]
    step(list(leaves), learning_rate)
    records = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    outcome = {}
    for place, w in zip(_PLACES, leaves, strict=False):
        outcome[f"the {place} weight"] = w.detach()
        outcome[f"the gradient left in the {place} weight"] = _grad_or_zeros(w)
    outcome["whether the weights require a gradient"] = all(w.requires_grad for w in leaves)
    outcome["whether the weights are leaves"] = all(w.is_leaf for w in leaves)
    outcome[_MEMORY] = places == [w.data_ptr() for w in leaves]
    outcome["whether autograd records after the call"] = records
    return outcome


def _grad_or_zeros(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _formula(x: Tensor, w: Tensor) -> Tensor:
    return (x @ w).tanh().square().sum()


def _two_inputs(generator: Generator) -> tuple[Any, ...]:
    return _formula, _normal(generator, 3, 5), _normal(generator, 5, 2)


def _gradients_twice(answer, f, x, w):
    """Call twice, with something in one `.grad`; if that is right, try one input, and three."""
    f, x, w = _Handed(f), x.clone().requires_grad_(), w.clone().requires_grad_()
    right = gradients(f, x, w)
    x.grad = torch.full_like(x, 0.5)  # somebody else's
    outcome = {"the gradients": _copied(answer(f, x, w))}
    outcome["whether the inputs still require a gradient"] = x.requires_grad and w.requires_grad
    if not (x.requires_grad and w.requires_grad):
        return outcome
    outcome["the gradients of a second call"] = _copied(answer(f, x, w))
    for name, tensor in {"x": x, "w": w}.items():
        outcome[f"{name}.grad after the calls"] = _copied(tensor.grad)
    if difference(outcome["the gradients"], right) is None:
        scale = torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True)
        alone = _Handed(lambda w: w.tanh().square().sum())
        scaled = _Handed(lambda x, w, scale: (scale * (x @ w)).exp().sum())
        outcome["the gradients of one input"] = _copied(answer(alone, w))
        outcome["the gradients of three inputs"] = _copied(answer(scaled, x, w, scale))
    return outcome


class _Handed:
    """A function that says what is wrong where it is used as if it were its own result."""

    def __init__(self, f: Callable[..., Tensor]) -> None:
        self.f = f

    def __call__(self, *inputs: Any) -> Tensor:
        """Return the number, unless the star is forgotten."""
        if len(inputs) == 1 and isinstance(inputs[0], tuple | list):
            raise TypeError("f got one tuple with all the inputs in it: call it as f(*inputs)")
        return self.f(*inputs)

    def __iter__(self) -> Iterator[Any]:
        """Refuse what `torch.autograd.grad` does first to anything but a tensor."""
        raise TypeError("f is a function, and its result is wanted here: f(*inputs)")


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_copied, value))
    return value.clone() if isinstance(value, Tensor) else value


def _several_results(generator: Generator) -> tuple[Any, ...]:
    return _normal(generator, 3, 4), _normal(generator, 5, 3), _normal(generator, 4)


def _matrices(answer, narrow, tall, x):
    """Ask for fewer results than inputs; if that is right, for more, and for a single one."""

    def curved(x):
        return (narrow @ x).tanh() + x[:3] ** 2

    outcome = {"the Jacobian": answer(curved, x)}
    outcome["whether x is as plain as before"] = not x.requires_grad
    if difference(outcome["the Jacobian"], jacobian(curved, x)) is None:
        y = x.detach()[:3].clone()
        outcome["the Jacobian of five results along three inputs"] = answer(
            lambda y: (tall @ y).sin(), y
        )
        outcome["the Jacobian of one result"] = answer(lambda y: (narrow[:1, :3] @ y).exp(), y)
        outcome["whether a gradient goes back"] = _goes_back(answer, x)
    return outcome


def _goes_back(answer: Any, x: Tensor) -> bool:
    """Whether the function is ever called with an x that requires a gradient."""
    required: list[bool] = []

    def watched(x: Tensor) -> Tensor:
        required.append(x.requires_grad)
        return x**2

    answer(watched, x.detach().clone())
    return any(required)


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
            Wrong(11.0, "the slope of x³ is 3x², not 3x: at 2 that is 12. Only then comes the 5."),
            Wrong(6.0, "6 is 3x at 2; the slope of x³ is 3x², and the second line adds its own."),
            Wrong(8.0, "is that 3 + 5? The slope of x³ is 3x², and x is 2. (8 is also x³ itself.)"),
            Wrong(22.0, "12 is right for x³; the slope of 5x is 5 everywhere, 10 is its value."),
            Wrong(9.0, "the slope of x³ is 3x², with the 3 in front: at 2 that is 12, not 4."),
            Wrong(7.0, "is that 12 minus 5? `backward` adds to what it finds in `.grad`."),
            Wrong(
                29.0,
                "is that 12 + 17? `.grad` is 17 at the end, not the sum of both. (Or 24 + 5? The"
                " slope of x³ is 3x², not 3x³.)",
            ),
            Wrong(
                24.0,
                "is that 12 twice? The second line adds its own slope, 5. (Or 3 · 2³? The slope of"
                " x³ is 3x².)",
            ),
            Wrong(
                160.0,
                "160 is the slope of the product, 5x · x³; the two lines are two graphs, and their"
                " slopes are added.",
            ),
            Wrong(16.0, "is that 6 + 10? The slope of x³ is 3x², that of 5x is 5, whatever x is."),
            Wrong(41.0, "is that (3x)² + 5? In 3x² only x is squared: 3 · 4 = 12."),
            *wrongs(
                "the two slopes are right; but `.grad` holds one number: what does the second"
                " `backward` do with the 12 that it finds there?",
                *((12.0, 5.0), (5.0, 12.0)),
            ),
            Wrong(
                (12.0, 17.0),
                "that is `.grad` after each of the two; asked for is the one at the end.",
            ),
            Wrong(34.0, "that is each slope twice; each `backward` adds its slope once."),
            Wrong(0.0, "nobody empties `.grad`; each `backward` adds its slope to what is there."),
            *wrongs(
                "both calls run: the second line builds a graph of its own, with its own backward.",
                *ERRORS,
            ),
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
        any_order=True,
        wrong=(
            *_other_letters(),
            *wrongs(
                "there are some: a leaf is a tensor that no recorded operation made.",
                *("none", "none of them", "no"),
            ),
            *wrongs("two of them have a grad_fn: those are no leaves.", "all", "all of them"),
            *wrongs("three it is; asked for are their letters.", 3, " ".join(["tensor"] * 3)),
            *wrongs(
                'asked for are letters, such as `"ace"`; and it is another number.',
                *(1, 2, 4, 5),
                *(" ".join(["tensor"] * number) for number in (1, 2, 4, 5)),
            ),
            *wrongs('those are places; asked for are letters, such as `"ace"`.', "0 1 3", "1 2 4"),
            *_flags(),
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
Each weight moves downhill, in place, by `learning_rate` times its gradient. It remains a leaf
that requires a gradient, and has no gradient left afterwards (`None` or zeros).""",
        stub="""\
def sgd_step(weights, learning_rate):
    pass  # your lines""",
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
                "the weights that came in have not moved, and their gradients are still there. If "
                "you wrote `w = w - …`: that makes a new tensor, whatever name or place it then "
                "gets; change the old one with `w -= …`.",
            ),
            Wrong(
                _zeroed_first,
                "the weights have not moved, and their gradients are gone: these were emptied "
                "before they were used, or the result went into a new tensor and not into w.",
            ),
            Wrong(
                _first_weight_only,
                "the first weight is right, the others are untouched: does the loop reach every "
                "weight? A `return` inside it ends it.",
            ),
            Wrong(
                _last_weight_only,
                "the last weight is right, the others are untouched: both lines belong inside the "
                "loop.",
            ),
            Wrong(
                lambda weights, learning_rate: sgd_step(weights[:2], learning_rate),
                "the first two weights are right, the third is untouched: the list may be of any "
                "length.",
            ),
            Wrong(
                _by(lambda w, rate: rate),
                "each weight moves by the learning rate alone; it shall move by the learning rate "
                "times its gradient.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad.norm()),
                "all entries of a weight move alike, by the length of its gradient; each shall "
                "move by its own.",
            ),
            Wrong(
                _last_gradient_emptied,
                "the weights have moved as they should, but only the last one's gradient is gone: "
                "`w.grad = None` belongs inside the loop.",
            ),
            Wrong(
                _full_gradient,
                "your step takes the whole gradient; the learning rate says which share of it.",
            ),
            Wrong(
                _gradient_moves,
                "the weights have not moved, their gradients have: the two names are exchanged in "
                "your update.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad.sign()),
                "each entry moves by the learning rate, with the sign of its gradient; it shall "
                "move by the learning rate times the gradient itself.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad.mean()),
                "all entries of a weight move alike, by the mean of its gradient; each shall move "
                "by its own.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad.sum()),
                "all entries of a weight move alike, by the sum of its gradient; each shall move "
                "by its own.",
            ),
            Wrong(
                _by(lambda w, rate: rate + w.grad),
                "you add the learning rate to the gradient; multiply by it.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad.abs()),
                "the sign of the gradient is lost: where it is negative, the weight goes up.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad**2),
                "the gradient is squared; use it as it is.",
            ),
            *wrongs(
                "the gradient is divided by a length; use it as it is.",
                _by(lambda w, rate: rate * w.grad / len(w)),
                _by(lambda w, rate: rate * w.grad / w.numel()),
                _by(lambda w, rate: rate * w.grad / 3),
            ),
            Wrong(
                _by(lambda w, rate: w.grad / rate),
                "you divide by the learning rate; multiply by it.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad / w.grad.norm()),
                "your gradient is scaled to length 1; use it as it is.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w),
                "each weight moves by a share of itself; it shall move by its gradient, `w.grad`.",
            ),
            Wrong(
                _by(lambda w, rate: rate * w.grad * w),
                "the weight itself is a factor of your step; it is the learning rate times the "
                "gradient, nothing more.",
            ),
            Wrong(
                _by(lambda w, rate: 2 * rate * w.grad),
                "each weight moves twice as far as it should: is the update done twice?",
            ),
            Wrong(
                _off_the_record,
                "all is right but for what you leave behind: autograd stays off after the call. "
                "`with torch.no_grad():` turns it on again at its end.",
            ),
            Wrong(
                _in_new_memory,
                "the numbers are right, but each weight has new memory now, as after `w.data = "
                "w.data - …`: who holds the old one, as with `w.detach()`, keeps the old numbers. "
                "In place is `w -= …` under `torch.no_grad()`.",
            ),
            Wrong(
                _no_longer_trained,
                "the weights have moved, but no longer require a gradient; put the update into "
                "`with torch.no_grad():` and leave their flags alone.",
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
        examples=(
            "w = torch.tensor([1.0, 2.0], requires_grad=True)\n"
            "(w**2).sum().backward()\n"
            "sgd_step([w], 0.1)\n"
            "w",
        ),
        rtol=1e-9,  # a step of 1e-6 is a step
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
            *wrongs(
                "the gradients are right, but what was in `.grad` before is lost; is there a way "
                "that does not write there?",
                _emptied_grad,
                _emptied_afterwards,
            ),
            Wrong(
                _only_what_was_there_put_back,
                "the gradients are right, and what was in a `.grad` is there again; but a `.grad`"
                " that was None is filled now: put None back as well.",
            ),
            Wrong(
                _what_was_there,
                "that is what `.grad` of the inputs held before, and None where it held nothing:"
                " `torch.autograd.grad` only returns its gradients, and a copy that you go backward"
                " from has a `.grad` of its own. Return those.",
            ),
            Wrong(
                _what_was_there_comes_first,
                "where a `.grad` was filled, you return what it held before. Is your result the"
                " very tensor in `.grad`? Whatever is written into that afterwards, such as the"
                " old numbers, changes the result too: take a `clone()` first.",
            ),
            Wrong(
                _what_was_there_added,
                "`.grad` is as it was; but your result contains what it held before, since"
                " `backward` adds to that.",
            ),
            Wrong(
                _flags_taken_away,
                "the gradients are right, but your code leaves inputs that no longer require a"
                " gradient; a second call with them would raise an error.",
            ),
            Wrong(
                lambda f, *inputs: f(*inputs).backward(),
                "nothing comes back: `backward` returns None, and writes into `.grad`, which shall "
                "stay as it is.",
            ),
            *wrongs(
                "that is the gradient of the first input alone; return one for each, in a tuple.",
                _first_input_only,
                _first_gradient,
            ),
            Wrong(
                _clones_that_hang_on,
                "your gradients are None, and `.grad` of the inputs has changed. `.grad` is filled "
                "in leaves alone: a `clone()` is none, and passes on to the inputs what comes "
                "back. Copy with `detach().clone()`, or look for a way without `.grad`.",
            ),
            Wrong(
                _each_in_a_tuple,
                "each gradient lies in a tuple of its own, which `torch.autograd.grad` returns "
                "even for one input; hand it all of the inputs at once.",
            ),
            Wrong(_doubled, "each gradient comes twice: is something left from a first backward?"),
            Wrong(
                _reversed,
                "the gradients come in the wrong order; keep that of the inputs.",
            ),
            Wrong(
                _sum_of_all,
                "that is one number, the sum of all slopes; return a gradient for each input.",
            ),
            Wrong(
                lambda f, *inputs: f(*inputs),
                "that is the value of `f`; asked for are its gradients.",
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
        examples=(
            "x, w = (torch.tensor(n, requires_grad=True) for n in (3.0, 2.0))\n"
            "gradients(lambda x, w: x * w**2, x, w)",
            "x = torch.tensor(3.0, requires_grad=True)\n"
            "x.grad = torch.tensor(100.0)\n"
            "gradients(lambda x: x**2, x), x.grad",
            "gradients(lambda x: x**10, torch.tensor(2.0, requires_grad=True))",
        ),
    ),
    Exercise(
        number="3.5",
        prompt="""\
**3.5 Build.** `f` turns a vector of N numbers into one of M. Its *Jacobian* is the (M, N) matrix
that holds in row i and column j the slope of result i with respect to input j. Build it row by
row from `backward(gradient=…)`. `x` comes as a plain tensor, which does not require a gradient;
leave it so.""",
        stub="""\
def jacobian(f, x):
    return None  # your lines""",
        name="jacobian",
        solution=jacobian,
        wrong=(
            Wrong(
                _running_sums,
                "each row contains the rows above it as well: `.grad` was not emptied in between, "
                "or the gradient that you hand in still holds the 1s of the rows before.",
            ),
            Wrong(
                _by_differences,
                "the numbers are right, but no gradient goes back through f: that is a quotient of "
                "differences, or forward mode. Build the rows from `backward(gradient=…)`.",
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
            Wrong(
                _emptied_after_storing,
                "every entry is 0. If you call `.grad.zero_()` after you stored `x.grad`: that "
                "empties the very tensor that you have stored; set `.grad = None`, or store a "
                "clone().",
            ),
            *wrongs(
                "the matrix is right, but the x that you were given requires a gradient now; work "
                "on a leaf of your own, `x.detach().clone().requires_grad_()`.",
                _marks_what_it_is_given,
                _marks_and_fills,
            ),
            Wrong(
                _sum_of_the_rows,
                "that is one row, the sum of all: a gradient of ones adds the results up. Go "
                "backward once for each result.",
            ),
            Wrong(
                _weighted_rows,
                "each row is multiplied by its result: hand in 1 as the gradient, not `f(x)`.",
            ),
            Wrong(
                _transposed,
                "that is the transpose: row i belongs to result i, so `stack` the gradients along "
                "dim 0.",
            ),
            Wrong(
                lambda f, x: jacobian(f, x)[0],
                "that is the first row alone: does `return` stand inside the loop?",
            ),
            Wrong(
                lambda f, x: jacobian(f, x)[:1],
                "that is the first row alone: does `return` stand inside the loop?",
            ),
            Wrong(
                lambda f, x: jacobian(f, x).flatten(),
                "the rows lie one behind the other, as after `torch.cat`; `torch.stack` lays them "
                "below each other.",
            ),
            Wrong(
                lambda f, x: f(x),
                "that is the value of `f`; asked for are its slopes.",
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
        probe=_matrices,
        examples=(
            "jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))",
            "f = lambda x: torch.stack([x[0] * x[1], x[0] + x[1], 7 * x[0]])\n"
            "jacobian(f, torch.tensor([2.0, 3.0]))",
        ),
    ),
)

# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 04: two kinks that meet, and four functions of your own."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd import Function

from exercises.differences import difference
from exercises.exercise import ERRORS, Also, Exercise, Wrong, in_turn, wrongs

# Solutions ----------------------------------------------------------------------------------------


def slope_at_zero() -> float:
    """Let autograd differentiate both halves at 0 and add up."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    y = torch.relu(x) - torch.relu(-x)
    y.backward()
    return x.grad.item()  # type: ignore[union-attr]


class LeakyReLU(Function):
    """ReLU that lets a share of what is negative through: x where x > 0, else slope * x."""

    @staticmethod
    def forward(ctx, x, slope):
        """Save the tensor for backward; a plain number may be an attribute."""
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, grad_y):
        """Return the gradient of x, and None for the slope, which is no tensor."""
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_y, ctx.slope * grad_y), None


class Sigmoid(Function):
    """1 / (1 + e^-x), whose derivative is y (1 - y)."""

    @staticmethod
    def forward(ctx, x):
        """Save the output: backward needs nothing else."""
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        """Multiply what arrives by the derivative."""
        (y,) = ctx.saved_tensors
        return grad_y * y * (1 - y)


class Divide(Function):
    """a / b, entry by entry."""

    @staticmethod
    def forward(ctx, a, b):
        """Save both: each gradient needs b, one needs a."""
        ctx.save_for_backward(a, b)
        return a / b

    @staticmethod
    def backward(ctx, grad_y):
        """Return the gradient of a, then that of b."""
        a, b = ctx.saved_tensors
        return grad_y / b, -grad_y * a / b**2


class ClipGradient(Function):
    """x on the way forward; on the way back, each entry of the gradient kept within the bound."""

    @staticmethod
    def forward(ctx, x, bound):
        """Pass x on, unchanged."""
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_y):
        """Return the clipped gradient, and None for the bound, which is no tensor."""
        return grad_y.clamp(-ctx.bound, ctx.bound), None


# Mistakes -----------------------------------------------------------------------------------------


def _but(kind: type[Function], **methods: Callable[..., Any]) -> type[Function]:
    """Return a function like another one, but for one method or both."""
    return type(kind.__name__, (kind,), {name: staticmethod(m) for name, m in methods.items()})


def _leaky(local_slope: Callable[[Tensor, Tensor, float], Any]) -> type[Function]:
    """Return a leaky ReLU whose backward makes what it returns of x, the gradient and the slope."""
    return _but(
        LeakyReLU,
        backward=lambda ctx, grad_y: (local_slope(ctx.saved_tensors[0], grad_y, ctx.slope), None),
    )


def _leaking(value: Callable[[Tensor, float], Tensor]) -> type[Function]:
    """Return a leaky ReLU with another forward."""

    def forward(ctx, x, slope):
        LeakyReLU.forward(ctx, x, slope)
        return value(x, slope)

    return _but(LeakyReLU, forward=forward)


def _with_slope(slope: float) -> type[Function]:
    return _but(LeakyReLU, forward=lambda ctx, x, _: LeakyReLU.forward(ctx, x, slope))


def _sigmoid(gradient: Callable[[Tensor, Tensor], Any]) -> type[Function]:
    """Return a sigmoid whose backward makes what it returns of y and the gradient."""
    return _but(Sigmoid, backward=lambda ctx, grad_y: gradient(ctx.saved_tensors[0], grad_y))


def _divide(gradients: Callable[..., Any]) -> type[Function]:
    """Return a division whose backward makes what it returns of a, b and the gradient."""
    return _but(Divide, backward=lambda ctx, grad_y: gradients(*ctx.saved_tensors, grad_y))


def _clip(gradient: Callable[[Tensor, float], Any]) -> type[Function]:
    """Return a clipping whose backward makes what it returns of the gradient and the bound."""
    return _but(ClipGradient, backward=lambda ctx, grad_y: (gradient(grad_y, ctx.bound), None))


def _returns_nothing(kind: type[Function]) -> type[Function]:
    return _but(kind, backward=lambda ctx, grad_y: None if ctx else grad_y)


def _returns_the_first_alone(kind: type[Function]) -> type[Function]:
    return _but(kind, backward=lambda ctx, grad_y: kind.backward(ctx, grad_y)[0])


def _returns_a_list(kind: type[Function]) -> type[Function]:
    return _but(kind, backward=lambda ctx, grad_y: [*kind.backward(ctx, grad_y)])


def _for_the_number_too(kind: type[Function]) -> type[Function]:
    return _but(kind, backward=lambda ctx, grad_y: (grad_y, grad_y.sum()))


def _overwrites_its_output(kind: type[Function]) -> type[Function]:
    """Return a function that writes into its output as soon as a gradient comes back."""

    def forward(ctx, *inputs):
        ctx.y = kind.forward(ctx, *inputs)
        return ctx.y

    def backward(ctx, grad_y):
        grads = kind.backward(ctx, grad_y)
        ctx.y.data.mul_(2)
        return grads

    return _but(kind, forward=forward, backward=backward)


def _with_self(kind: type[Function]) -> type[Function]:
    """Return a function whose methods are not static; none of them is called."""

    def forward(self, ctx, *inputs):
        raise NotImplementedError

    def backward(self, ctx, grad_y):
        raise NotImplementedError

    return type(kind.__name__, (kind,), {"forward": forward, "backward": backward})


def _leaky_with_the_sides_exchanged(x: Tensor, y: Tensor, slope: float) -> Tensor:
    return torch.where(x < 0, y, slope * y)


def _leaky_with_the_branches_exchanged(x: Tensor, y: Tensor, slope: float) -> Tensor:
    return torch.where(x > 0, slope * y, y)


def _leaky_both_ways(share: Callable[[Tensor, Tensor, float], Tensor]) -> type[Function]:
    """Return a leaky ReLU whose two methods let the same share of what they get through."""
    backward = _leaky(lambda x, grad, slope: share(x, grad, slope)).backward
    return _but(_leaking(lambda x, slope: share(x, x, slope)), backward=backward)


class _LeakyWithAnAttribute(LeakyReLU):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.x, ctx.slope = x, slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, grad_y):
        return torch.where(ctx.x > 0, grad_y, ctx.slope * grad_y), None


class _LeakyFromItsOutput(LeakyReLU):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.slope, y = slope, torch.where(x > 0, x, slope * x)
        ctx.save_for_backward(y)
        return y


class _SlopeOnTheClass(LeakyReLU):
    kept = 0.0

    @staticmethod
    def forward(ctx, x, slope):
        _SlopeOnTheClass.kept = slope
        return LeakyReLU.forward(ctx, x, slope)

    @staticmethod
    def backward(ctx, grad_y):
        ctx.slope = _SlopeOnTheClass.kept
        return LeakyReLU.backward(ctx, grad_y)


class _BoundOnTheClass(ClipGradient):
    kept = 0.0

    @staticmethod
    def forward(ctx, x, bound):
        _BoundOnTheClass.kept = bound
        return ClipGradient.forward(ctx, x, bound)

    @staticmethod
    def backward(ctx, grad_y):
        ctx.bound = _BoundOnTheClass.kept
        return ClipGradient.backward(ctx, grad_y)


class _Tanh(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y


class _TanhBothWays(_Tanh):
    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        return grad_y * (1 - y**2)


def _softmax(dim: int) -> type[Function]:
    """Return softmax along a dimension, with the sigmoid's backward."""

    def forward(ctx, x):
        y = torch.softmax(x, dim)
        ctx.save_for_backward(y)
        return y

    return _but(Sigmoid, forward=forward)


class _SavesNothing(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.kept = 1 / (1 + torch.exp(-x))
        return ctx.kept.clone()

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * ctx.kept * (1 - ctx.kept)


class _BracketsForgotten(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        y = 1 / 1 + torch.exp(-x)
        ctx.save_for_backward(y)
        return y


class _SavesTheInput(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + torch.exp(-x))

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        y = 1 / (1 + torch.exp(-x))
        return grad_y * y * (1 - y)


class _FormulaWithTheInput(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + torch.exp(-x))


class _Overflows(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        y = torch.exp(x) / (1 + torch.exp(x))
        ctx.save_for_backward(y)
        return y


class _Falls(Sigmoid):
    @staticmethod
    def forward(ctx, x):
        return Sigmoid.forward(ctx, -x)


class _DivideWithAttributes(Divide):
    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b
        return a / b

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y / ctx.b, -grad_y * ctx.a / ctx.b**2


class _ClipsTheValues(ClipGradient):
    @staticmethod
    def forward(ctx, x, bound):
        ctx.bound = bound
        return x.clamp(-bound, bound)


class _ClipsTheInputOnTheWayBack(Function):
    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return x.clamp(-ctx.bound, ctx.bound), None


class _ClipsWhereTheInputWas(Function):
    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clone()

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return grad_y * (x.abs() <= ctx.bound), None


# What is compared ---------------------------------------------------------------------------------


def _leaky_relus(answer: Any, x: Tensor, slope: float, grad_y: Tensor) -> dict[str, Any]:
    outcome = _called(answer, {"x": x}, (slope,), grad_y)
    if _is_right(outcome, LeakyReLU, {"x": x}, (slope,), grad_y):
        steep = _called(answer, {"x": x}, (slope + 1,), grad_y)
        outcome |= {f"{name} for a slope above 1": value for name, value in steep.items()}
        falling = _called(answer, {"x": x}, (-slope,), grad_y)
        outcome |= {f"{name} for a slope below 0": value for name, value in falling.items()}
        outcome |= _more(answer, {"x": x}, (slope,), grad_y, changing=("x",))
    return outcome


def _sigmoids(answer: Any, x: Tensor, grad_y: Tensor) -> dict[str, Any]:
    outcome = _called(answer, {"x": x}, (), grad_y)
    if _is_right(outcome, Sigmoid, {"x": x}, (), grad_y):
        large = torch.tensor([-1000.0, -40.0, 0.0, 40.0, 1000.0], dtype=torch.float64)
        extremes = _called(answer, {"x": large}, (), torch.ones_like(large))
        outcome |= {f"{name} for x from -1000 to 1000": v for name, v in extremes.items()}
        y = answer.apply(x.detach().requires_grad_())
        saved: tuple[Tensor, ...] = getattr(getattr(y, "grad_fn", None), "saved_tensors", ())
        is_y = len(saved) == 1 and torch.equal(saved[0], y)
        outcome["what is saved"] = "y alone" if is_y else "something else" if saved else "nothing"
        outcome |= _more(answer, {"x": x}, (), grad_y)
    return outcome


def _quotients(answer: Any, a: Tensor, b: Tensor, grad_y: Tensor) -> dict[str, Any]:
    tensors = {"a": a, "b": b}
    outcome = _called(answer, tensors, (), grad_y)
    for name, other in _NO_QUOTIENTS.items():
        if difference(outcome.get("the output"), other(a, b)) is None:
            return {"the output": name}
    if _is_right(outcome, Divide, tensors, (), grad_y):
        outcome |= _more(answer, tensors, (), grad_y, changing=("a", "b"))
    return outcome


_NO_QUOTIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "b / a": lambda a, b: b / a,
    "a // b": lambda a, b: a // b,
    "a / b, rounded": lambda a, b: (a / b).round(),
    "a / b, cut off": lambda a, b: (a / b).trunc(),
    "a * b": lambda a, b: a * b,
}


def _divide_as(name: str) -> type[Function]:
    """Return a division whose forward gives something else."""

    def forward(ctx, a, b):
        Divide.forward(ctx, a, b)
        return _NO_QUOTIENTS[name](a, b)

    return _but(Divide, forward=forward)


def _clippings(answer: Any, x: Tensor, bound: float, grad_y: Tensor) -> dict[str, Any]:
    outcome = _called(answer, {"x": x}, (bound,), grad_y)
    if _is_right(outcome, ClipGradient, {"x": x}, (bound,), grad_y):
        outcome |= _more(answer, {"x": x}, (bound,), grad_y)
    return outcome


def _called(
    answer: Any, tensors: dict[str, Tensor], rest: tuple[Any, ...], grad_y: Tensor
) -> dict[str, Any]:
    """Apply the answer to leaves that share the inputs' memory: changes in place show."""
    if _takes_self(answer, 1 + len(tensors) + len(rest)):
        return {"the methods": "with self"}
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    returned: list[Any] = []
    y = _watched(answer, len(tensors), len(rest), returned).apply(*leaves.values(), *rest)
    if not isinstance(y, Tensor) or y.shape != grad_y.shape:
        return {"the output": y}
    before = y.detach().clone()
    y.backward(grad_y)
    return {
        "the methods": "static",
        "the output": before,
        "the number of things that backward returns": returned[0] if returned else None,
        **{f"the gradient of {name}": leaf.grad for name, leaf in leaves.items()},
        "whether the output stays what it was": torch.equal(y.nan_to_num(), before.nan_to_num()),
    }


def _takes_self(answer: Any, arguments: int) -> bool:
    """Whether one of the methods has one parameter more than arguments, and calls it self."""
    for method, count in (answer.forward, arguments), (answer.backward, 2):
        names = list(inspect.signature(method).parameters)
        if names[:1] == ["self"] and (len(names) > count or names[1:2] == ["ctx"]):
            return True
    return False


class _Context:
    """What a backward gets as `ctx`: as PyTorch's, but the saved tensors say what they are."""

    def __init__(self, ctx: Any) -> None:
        object.__setattr__(self, "_ctx", ctx)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ctx, name)
        return _Saved(found) if name == "saved_tensors" else found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ctx, name, value)


class _Saved(tuple[Tensor, ...]):
    """A tuple that says so where it is used as if it were the tensor in it."""

    def __getattr__(self, name: str) -> Any:
        if hasattr(Tensor, name):
            raise AttributeError(_A_TUPLE)
        raise AttributeError(f"'tuple' object has no attribute '{name}'")


def _refuse(*_: Any) -> Any:
    raise TypeError(_A_TUPLE)


_A_TUPLE = (
    "ctx.saved_tensors is a tuple, even of one: take the tensor out of it with a comma,"
    " (t,) = ctx.saved_tensors"
)
_TWO_SIDED = "sub", "mul", "truediv", "pow"
for _sign in (
    *_TWO_SIDED,
    *(f"r{sign}" for sign in _TWO_SIDED),
    "radd",
    "neg",
    "gt",
    "ge",
    "lt",
    "le",
):
    setattr(_Saved, f"__{_sign}__", _refuse)


def _watched(answer: Any, tensors: int, numbers: int, returned: list[Any]) -> Any:
    """Return an answer that notes what its backward returns, where PyTorch would only complain."""

    def backward(ctx, *grads):
        result = answer.backward(_Context(ctx), *grads)
        parts = result if isinstance(result, tuple) else (result,)
        while len(parts) > tensors + numbers and parts[-1] is None:  # as PyTorch allows
            parts = parts[:-1]
        returned.append(_kind_of(result, parts, tensors, numbers))
        is_usable = returned[0] == tensors + numbers
        return parts if is_usable else (None,) * (tensors + numbers)

    return type(answer.__name__, (answer,), {"backward": staticmethod(backward)})


def _kind_of(result: Any, parts: tuple[Any, ...], tensors: int, numbers: int) -> Any:
    """Return how many things a backward returns, or a text for what PyTorch does not take."""
    if result is None:
        return None
    if isinstance(result, list):
        return "a list"
    is_complete = len(parts) == tensors + numbers
    if is_complete and any(part is not None for part in parts[tensors:]):
        return f"{len(parts)}, with a gradient for what is no tensor"
    return len(parts)


def _is_right(outcome: dict[str, Any], solution: Any, *inputs: Any) -> bool:
    return difference(outcome, _called(solution, *inputs)) is None


def _more(
    answer: Any,
    tensors: dict[str, Tensor],
    rest: tuple[Any, ...],
    grad_y: Tensor,
    changing: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Let other calls, and changes of an input in place, come between forward and backward."""
    given = answer, tensors, rest, grad_y
    right = _gradients(*given, lambda leaves: None)

    def call_again(leaves: dict[str, Tensor]) -> None:
        answer.apply(*(-2 * leaf for leaf in leaves.values()), *(2 * number for number in rest))

    if difference(_gradients(*given, call_again), right) is not None:
        return {"whether another call in between does no harm": False}
    late = [_gradients(*given, lambda leaves, n=name: leaves[n].mul_(-2)) for name in changing]  # type: ignore[misc]
    harmed = any(found is not None and difference(found, right) is not None for found in late)
    return {
        "whether another call in between does no harm": True,
        "whether changes of the inputs in between do no harm": not harmed,
    }


def _gradients(
    answer: Any,
    tensors: dict[str, Tensor],
    rest: tuple[Any, ...],
    grad_y: Tensor,
    meanwhile: Callable[[dict[str, Tensor]], object],
) -> list[Tensor | None] | None:
    """Return the gradients of copies; None if PyTorch refuses, for a change in place."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in tensors.items()}
    y = answer.apply(*leaves.values(), *rest)
    with torch.no_grad():
        meanwhile(leaves)
    try:
        y.backward(grad_y)
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        return None
    return [leaf.grad for leaf in leaves.values()]


# Fresh inputs -------------------------------------------------------------------------------------


def _matrices(generator: Generator, count: int) -> list[Tensor]:
    """Draw matrices of one shape whose entries lie from 1.2 to 3, or from -3 to -1.2.

    The signs of any two of up to three matrices combine in all four ways.
    """
    rows = in_turn(generator, 4, 7)
    steps = torch.arange(rows * 3)
    matrices = []
    for number in range(count):
        sizes = 1.2 + 1.8 * torch.rand(rows * 3, generator=generator, dtype=torch.float64)
        signs = 1 - 2 * (steps // 2**number % 2)
        matrices.append((sizes * signs).reshape(rows, 3))
    return matrices


def _with_a_slope(generator: Generator) -> tuple[Tensor, float, Tensor]:
    x, grad_y = _matrices(generator, 2)
    x[0, 0] = 0.0
    return x, 0.1 + 0.3 * torch.rand((), generator=generator).item(), grad_y


def _with_a_bound(generator: Generator) -> tuple[Tensor, float, Tensor]:
    """Draw a bound that some entries of the gradient keep, and some of x, not the same."""
    x, grad_y = _matrices(generator, 2)
    grad_y.flatten()[:4] /= 4
    x.flatten()[2:6] /= 4
    return x, 0.8 + 0.3 * torch.rand((), generator=generator).item(), grad_y


def _pair(generator: Generator) -> tuple[Tensor, ...]:
    return tuple(_matrices(generator, 2))


def _triple(generator: Generator) -> tuple[Tensor, ...]:
    a, b, grad_y = _matrices(generator, 3)
    a[1, 2] = 0.0
    return a, b, grad_y


# Exercises ----------------------------------------------------------------------------------------

_STUB = """\
class {name}(Function):
    @staticmethod
    def forward(ctx, {inputs}):
        return None  # your lines

    @staticmethod
    def backward(ctx, grad_y):
        return None  # your lines"""

_WITHOUT_ARRIVALS = (
    "backward returns the derivative of this function alone; multiply it by grad_y,"
    " the gradient that arrives from above."
)
_NOTHING = "backward returns nothing: is a `return` missing?"
_A_LIST = "backward returns a list, and PyTorch wants a tuple: put a comma between, no brackets."
_SELF = (
    "a method takes `self`: nobody makes an object of a Function, so both are static methods. Write"
    " `@staticmethod` above each, and begin with `ctx`."
)
_OVERWRITTEN = (
    "the gradient is right, but backward writes into the output, which others use too: do without"
    " methods that end in `_` and without `*=`, and compute new tensors."
)
_SHARED = (
    "right for one call; but a second one before backward changes what the first has kept. Keep it"
    " in `ctx`, which each call has for itself."
)
_HARMED = (
    "the numbers are right until an input is changed in place before backward: then the gradient"
    " is wrong, and nobody complains. Is it kept as an attribute of `ctx`?"
    " `ctx.save_for_backward` would notice."
)


def _worked(call: str, **numbers: str) -> str:
    """Return lines that apply a function to tensors, go back, and show output and gradients."""
    made = [f"{n} = torch.tensor([{values}], requires_grad=True)" for n, values in numbers.items()]
    back = [f"y = {call}", "y.backward(torch.tensor([1.0, 10.0]))"]
    return "\n".join([*made, *back, ", ".join(["y", *(f"{name}.grad" for name in numbers)])])


EXERCISES = (
    Exercise(
        number="4.1",
        prompt="""\
**4.1 Predict.** For every number, `relu(x) - relu(-x)` is `x` again: a line of slope 1, without a
kink. Which slope does autograd report at exactly `x = 0`? (Our `relu` and torch's agree.)""",
        stub="answer = None  # the slope",
        name="answer",
        solution=slope_at_zero,
        also=(Also(False, "a slope is a number: 0"),),
        wrong=(
            Wrong(
                1.0,
                "1 is the slope of the line that you would draw. Autograd never sees that line,"
                " only two ReLUs, each of which answers for itself at 0.",
            ),
            Wrong(
                2.0,
                "that is what a ReLU that zeroes the gradient only where `x < 0` would give: 1"
                " from each half. Ours lets nothing through at 0.",
            ),
            Wrong(
                0.5,
                "½ is what a nudge to both sides measures for one ReLU at 0. Backward does not"
                " measure; it reads a mask.",
            ),
            Wrong(
                -1.0,
                "relu(-x) has a minus before it and one in it, which makes plus; but at 0 neither"
                " ReLU lets anything through.",
            ),
            *wrongs(
                "mathematics has no slope for a kink, but autograd always answers with a number:"
                " each ReLU multiplies what arrives by a mask, and at 0 the mask says `0 > 0`.",
                *(float("nan"), float("inf"), "nan", "None", "undefined", "it is undefined"),
                *("none", "not defined", "it does not exist", "does not exist", "inf"),
                *("it has none", *ERRORS),
            ),
        ),
        hints=(
            "Autograd looks at one function at a time. What does each of the two ReLUs return?",
            "Both masks are `0 > 0`. What arrives is multiplied by that, twice.",
        ),
        because=(
            "each ReLU says 0 at its kink, and 0 + 0 is 0: local answers, each allowed, can add"
            " up to a slope that the whole does not have."
        ),
    ),
    Exercise(
        number="4.2",
        prompt="""\
**4.2 Modify.** The dead units of 02 stay dead because no gradient comes through. The *leaky* ReLU
of exercise 2.2 lets a share pass: `x` where `x > 0`, else `slope * x`, where `slope` is a plain
number such as 0.1. Change our `ReLU` into `LeakyReLU`, called as `LeakyReLU.apply(x, 0.1)`. What
backward needs of `x` goes through `save_for_backward`.""",
        stub=_STUB.format(name="LeakyReLU", inputs="x, slope"),
        name="LeakyReLU",
        solution=LeakyReLU,
        wrong=(
            Wrong(_LeakyWithAnAttribute, _HARMED),
            Wrong(
                _LeakyFromItsOutput,
                "it holds for positive slopes alone: with a slope of -0.1 the output is above 0 on"
                " both sides, so its sign does not tell that of x any more. Save x, or `x > 0`.",
            ),
            Wrong(_returns_nothing(LeakyReLU), _NOTHING),
            Wrong(_returns_a_list(LeakyReLU), _A_LIST),
            Wrong(_SlopeOnTheClass, _SHARED),
            Wrong(
                _for_the_number_too(LeakyReLU),
                "backward returns something for the slope, which is a plain number: the gradient"
                " of x comes first, and None in second place.",
            ),
            Wrong(
                _returns_the_first_alone(LeakyReLU),
                "backward returns one thing, and forward got two inputs: return the gradient of x,"
                " and None for the slope.",
            ),
            *wrongs(
                "the slope is always the same; use the one that forward gets.",
                *(_with_slope(slope) for slope in (0.1, 0.01, 0.2, 0.5)),
            ),
            *wrongs(
                "forward uses its slope, backward always the same; keep it in forward, as"
                " `ctx.slope`.",
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, 0.1 * grad)),
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, 0.01 * grad)),
            ),
            *wrongs(
                "backward uses the slope that it is given, forward always the same.",
                _leaking(lambda x, slope: torch.where(x > 0, x, 0.1 * x)),
                _leaking(lambda x, slope: torch.where(x > 0, x, 0.01 * x)),
            ),
            Wrong(
                _leaky(lambda x, grad, slope: grad * (x > 0)),
                "forward leaks, backward does not: where x was negative, the gradient must be"
                " multiplied by the slope, not by 0.",
            ),
            Wrong(
                _leaking(lambda x, slope: x.clamp(min=0)),
                "backward leaks, forward does not: where x is negative, it returns `slope * x`.",
            ),
            Wrong(
                _leaking(lambda x, slope: torch.maximum(x, slope * x)),
                "the larger of x and `slope * x` is the leaky ReLU for slopes below 1 alone;"
                " `torch.where(x > 0, x, slope * x)` is it for all.",
            ),
            Wrong(
                _leaking(lambda x, slope: torch.where(x > 0, x, slope)),
                "where x is negative, forward returns the slope itself; multiply x by it.",
            ),
            *wrongs(
                "the slope belongs to the negative side; positive numbers pass as they are.",
                _leaky_both_ways(_leaky_with_the_sides_exchanged),
                _leaky_both_ways(_leaky_with_the_branches_exchanged),
            ),
            *wrongs(
                "forward is right; in backward the sides are exchanged: the slope belongs where x"
                " was negative.",
                _leaky(_leaky_with_the_sides_exchanged),
                _leaky(_leaky_with_the_branches_exchanged),
            ),
            Wrong(_with_self(LeakyReLU), _SELF),
            Wrong(_overwrites_its_output(LeakyReLU), _OVERWRITTEN),
            *wrongs(
                "where x is positive, x and `slope * x` are added; it passes as it is, and"
                " `slope * x` is for the negative side alone.",
                _leaky_both_ways(lambda x, y, slope: y * ((x > 0) + slope)),
                _leaking(lambda x, slope: x.clamp(min=0) + slope * x),
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, slope**2 * grad)),
                "where x was negative, backward multiplies by the square of the slope; the slope"
                " is a factor once.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, (1 - slope) * grad)),
                "where x was negative, backward multiplies by 1 - slope; multiply by the slope.",
            ),
            *wrongs(
                "where x is negative, forward multiplies by 1 - slope; multiply by the slope.",
                _leaking(lambda x, slope: torch.where(x > 0, x, (1 - slope) * x)),
                _leaky_both_ways(lambda x, y, slope: torch.where(x > 0, y, (1 - slope) * y)),
            ),
            Wrong(
                _leaking(lambda x, slope: x.clamp(min=-slope)),
                "`clamp` cuts off what lies below its bound, and returns the bound itself there;"
                " where x is negative, multiply it by the slope.",
            ),
            *wrongs(
                "x and |x| do make a leaky ReLU, but with other factors: it is"
                " `((1 + slope) * x + (1 - slope) * x.abs()) / 2`.",
                _leaking(lambda x, slope: (x + slope * x.abs()) / 2),
                _leaking(lambda x, slope: (slope * x + x.abs()) / 2),
                _leaking(lambda x, slope: (x + x.abs()) / 2 + slope * (x - x.abs())),
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(grad > 0, grad, slope * grad)),
                "backward looks at the sign of the gradient. The sign that decides is that of x,"
                " which forward saw.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x < 0, slope * grad, grad)),
                "at exactly 0 the whole gradient passes. It is `x` where `x > 0`, else `slope * x`:"
                " 0 belongs to the else.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: grad * ((x > 0) + slope * (x < 0))),
                "at exactly 0 no gradient passes. It is `x` where `x > 0`, else `slope * x`: 0"
                " belongs to the else.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, torch.ones_like(x), slope)),
                _WITHOUT_ARRIVALS,
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, slope)),
                "where x was negative, backward returns the slope itself; multiply grad_y by it.",
            ),
            *wrongs(
                "backward multiplies by the leaky ReLU's value; multiply grad_y by its slope, 1 or"
                " `ctx.slope`.",
                _leaky(lambda x, grad, slope: grad * torch.where(x > 0, x, slope * x)),
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, slope * x * grad)),
            ),
            Wrong(
                _leaky(lambda x, grad, slope: grad * ((x > 0) + slope)),
                "the positive side gets 1 + slope; its slope is 1.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, -slope * grad)),
                "where x was negative, the gradient gets a minus that does not belong there: the"
                " line rises, with slope `slope`.",
            ),
            *wrongs(
                "where x was negative, multiply grad_y by the slope; you add or subtract it.",
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, grad - slope)),
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, grad + slope)),
            ),
            *wrongs(
                "where x is negative, forward multiplies by the slope: `slope * x`, no more and no"
                " less.",
                _leaking(lambda x, slope: torch.where(x > 0, x, -slope * x)),
                _leaking(lambda x, slope: torch.where(x > 0, x, x - slope)),
                _leaking(lambda x, slope: torch.where(x > 0, x, x + slope)),
                _leaking(lambda x, slope: torch.where(x > 0, x, x / slope)),
            ),
            Wrong(
                _leaking(lambda x, slope: _leaky_with_the_sides_exchanged(x, x, slope)),
                "in forward the sides are exchanged: the slope belongs where x is negative.",
            ),
            *wrongs(
                "backward returns x where the gradient belongs: it multiplies what arrives,"
                " grad_y.",
                _leaky(lambda x, grad, slope: torch.where(x > 0, x, slope * x)),
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, slope * x)),
            ),
            Wrong(
                _leaky(lambda x, grad, slope: grad),
                "backward passes on all that arrives; where x was negative, the slope is a factor.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: slope * grad),
                "backward multiplies everything by the slope; where x was positive, the gradient"
                " passes as it is.",
            ),
            Wrong(
                _leaky(lambda x, grad, slope: torch.where(x > 0, grad, grad / slope)),
                "where x was negative, backward divides by the slope; multiply by it.",
            ),
        ),
        hints=(
            "forward got two inputs, so backward returns two things. What is the second?",
            "A tensor goes through `ctx.save_for_backward`; a number may be kept as `ctx.slope`.",
            "`return torch.where(x > 0, grad_y, ctx.slope * grad_y), None`: slope is no tensor.",
        ),
        because=(
            "the derivative is 1 or the slope, chosen by the sign of x, and a number gets None."
        ),
        inputs=_with_a_slope,
        probe=_leaky_relus,
        examples=(_worked("LeakyReLU.apply(x, 0.5)", x="2.0, -2.0"),),
    ),
    Exercise(
        number="4.3",
        prompt="""\
**4.3 Build.** The sigmoid, y = 1 / (1 + e⁻ˣ), has a derivative that needs no x once y is known.
Derive it, then write `Sigmoid` so that forward saves the *output*.""",
        stub=_STUB.format(name="Sigmoid", inputs="x"),
        name="Sigmoid",
        solution=Sigmoid,
        wrong=(
            Wrong(
                _FormulaWithTheInput,
                "the formula is right for the output, and you put the input into it. Save y.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y),
                "a factor is missing: y alone is the derivative of e^x. Here the chain rule through"
                " the fraction brings a second one.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * (1 - y)),
                "a factor is missing: beside 1 - y there is y itself.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * (1 - y**2)),
                "1 - y² is the derivative of tanh; that of the sigmoid is another.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * (1 - y) ** 2),
                "one factor is what y lacks to 1; the other is y itself.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y / (1 - y)),
                "you divide by 1 - y; multiply by it.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad + y * (1 - y)),
                "you add the derivative to what arrives; the chain rule multiplies.",
            ),
            Wrong(
                _Tanh,
                "that is tanh, which runs from -1 to 1; the sigmoid runs from 0 to 1.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y**2),
                "one factor is y; the other is what y lacks to 1, not y again.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y * (1 + y)),
                "one factor is y; the other is what y lacks to 1, so it has a minus: as y goes to"
                " 1, the curve becomes flat.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y * (y - 1)),
                "the sign is the wrong way round: what y lacks to 1 is 1 - y, and the curve rises.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * torch.sigmoid(y) * (1 - torch.sigmoid(y))),
                "what you saved is y already; backward takes the sigmoid of it once more.",
            ),
            Wrong(_with_self(Sigmoid), _SELF),
            Wrong(_overwrites_its_output(Sigmoid), _OVERWRITTEN),
            Wrong(
                _sigmoid(lambda y, grad: grad * (1 - grad)),
                "the derivative is made from grad_y, which only arrives; it is made from y, and"
                " grad_y multiplies it.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: -grad * y**2),
                "that is the derivative of 1 / u, -1 / u²; the chain rule goes on with that of u ="
                " 1 + e⁻ˣ, which is -e⁻ˣ.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: y * (y - 1)),
                "two things: grad_y is missing as a factor, and what y lacks to 1 is 1 - y.",
            ),
            *wrongs(
                "that is softmax, which divides by a sum over several entries; the sigmoid makes"
                " each entry of y from one entry of x.",
                _softmax(0),
                _softmax(1),
            ),
            Wrong(
                _TanhBothWays,
                "that is tanh, both ways; the sigmoid runs from 0 to 1, not from -1, and its"
                " derivative is another.",
            ),
            Wrong(
                _SavesNothing,
                "the numbers are right, but nothing went through `ctx.save_for_backward`: what is"
                " kept as an attribute of `ctx` PyTorch does not watch. Save y there.",
            ),
            Wrong(
                _SavesTheInput,
                "the numbers are right, but what went through `ctx.save_for_backward` is not y"
                " alone. y is all that backward needs.",
            ),
            Wrong(
                _Overflows,
                "right until x is large: e^1000 is infinite in a computer, and infinite by infinite"
                " is NaN. 1 / (1 + e⁻ˣ) has no such trouble.",
            ),
            Wrong(
                _Falls,
                "your curve falls: a minus is missing in e⁻ˣ. The sigmoid of a large x is near 1.",
            ),
            Wrong(_sigmoid(lambda y, grad: y * (1 - y)), _WITHOUT_ARRIVALS),
            Wrong(
                _sigmoid(lambda y, grad: grad * y - y**2),
                "brackets are missing: grad_y multiplies y and y² alike.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad * y * 1 - y),
                "brackets are missing round 1 - y.",
            ),
            Wrong(
                _BracketsForgotten,
                "brackets are missing in forward: `1 / 1 + …` divides first; write `1 / (1 + …)`.",
            ),
            Wrong(
                _sigmoid(lambda y, grad: grad),
                "backward passes on what arrives; multiply it by the derivative.",
            ),
            Wrong(_returns_nothing(Sigmoid), _NOTHING),
            Wrong(
                _returns_a_list(Sigmoid),
                "backward returns a list, which PyTorch does not take: return the gradient itself,"
                " without brackets.",
            ),
        ),
        hints=(
            "Differentiate 1 / (1 + e⁻ˣ) by the chain rule, then look for y in what you get.",
            "The derivative is e⁻ˣ / (1 + e⁻ˣ)². One factor is y; the other is what y lacks to 1.",
            "Forward: `ctx.save_for_backward(y)`. Backward: `grad_y * y * (1 - y)`.",
        ),
        because=(
            "backward may use what forward computed, and an output that the next function keeps"
            " anyway takes no memory of its own."
        ),
        inputs=_pair,
        probe=_sigmoids,
        examples=(_worked("Sigmoid.apply(x)", x="0.0, 2.0"),),
    ),
    Exercise(
        number="4.4",
        prompt="""\
**4.4 Build.** `Divide` takes two tensors of one shape and returns `a / b`, entry by entry. Derive
both gradients, with the sign of each. What backward needs of `a` and `b` goes through
`save_for_backward`.""",
        stub=_STUB.format(name="Divide", inputs="a, b"),
        name="Divide",
        solution=Divide,
        wrong=(
            Wrong(_DivideWithAttributes, _HARMED),
            Wrong(_returns_nothing(Divide), _NOTHING),
            Wrong(_with_self(Divide), _SELF),
            Wrong(_overwrites_its_output(Divide), _OVERWRITTEN),
            Wrong(_returns_a_list(Divide), _A_LIST),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, None)),
                "the gradient of b is None; b is a tensor like a, and needs its gradient too.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / a, -grad * b / a**2)),
                "backward takes a for b and b for a: they come out of `ctx.saved_tensors` in the"
                " order in which they were saved.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad * a / b, -grad * a / b**2)),
                "the gradient of a has a in it; a / b is a straight line in a, of slope 1 / b.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a / b * 2)),
                "`b*2` doubles; the square is `b**2`.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a * b)),
                "the gradient of b is a / b² with a minus: you multiply by b where the square of b"
                " divides.",
            ),
            Wrong(
                _returns_the_first_alone(Divide),
                "backward returns one thing, and forward got two inputs: each needs its gradient.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, grad * a / b**2)),
                "the gradient of b has the wrong sign: a larger b makes 1 / b smaller.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (-grad / b, -grad * a / b**2)),
                "the gradient of a has the wrong sign: the minus belongs to that of b alone.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (-grad / b, grad * a / b**2)),
                "both signs are the wrong way round: the minus belongs to the gradient of b.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a / b)),
                "the gradient of b needs b squared below the line: the derivative of 1 / b is"
                " -1 / b².",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, grad * a / b)),
                "the gradient of b lacks its minus, and b squared below the line: the derivative of"
                " 1 / b is -1 / b².",
            ),
            *wrongs(
                _WITHOUT_ARRIVALS,
                _divide(lambda a, b, grad: (1 / b, -a / b**2)),
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -a / b**2)),
                "the gradient of a is right; that of b is its derivative alone: multiply it by"
                " grad_y too.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (1 / b, -grad * a / b**2)),
                "the gradient of b is right; that of a is its derivative alone: multiply it by"
                " grad_y too.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad / b**2)),
                "the gradient of b lacks the factor a: a / b is a times 1 / b.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (-grad * a / b**2, grad / b)),
                "both gradients are there, in the wrong order: they must come in the order of"
                " forward's inputs, a first.",
            ),
            *wrongs(
                "those are the gradients of a product, a · b; derive those of a / b.",
                _divide(lambda a, b, grad: (grad * b, grad * a)),
                _divide(lambda a, b, grad: (grad * b, -grad * a)),
            ),
            *wrongs(
                "the gradient of a lacks 1 / b: turn a up by a bit, and a / b rises by 1 / b bits.",
                _divide(lambda a, b, grad: (grad, -grad * a / b**2)),
                _divide(lambda a, b, grad: (grad * b, -grad * a / b**2)),
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b**2, -grad * a / b)),
                "the square stands in the wrong gradient: that of a has b below the line, that of b"
                " has b².",
            ),
            *wrongs(
                "the gradient of a is right; that of b is not 1 / b: b stands below the line. The"
                " derivative of 1 / b is -1 / b², and a is a factor.",
                _divide(lambda a, b, grad: (grad / b, grad / b)),
                _divide(lambda a, b, grad: (grad / b, -grad / b)),
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, grad * a)),
                "the gradient of a is right; that of b is one of a product, a · b. The derivative"
                " of 1 / b is -1 / b².",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * b / a**2)),
                "in the gradient of b, a and b are exchanged: b is squared below the line.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a * b**2)),
                "in the gradient of b, b² belongs below the line: brackets, or `/ b**2`.",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a / b * b)),
                "the gradient of b lacks b² below the line. (`/ b * b` divides by b and multiplies"
                " by it again; write `/ b**2`.)",
            ),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a / (2 * b))),
                "2b is the derivative of b²; below the line belongs b² itself.",
            ),
            Wrong(
                _divide_as("b / a"),
                "forward is upside down: it returns b / a, and a / b is asked for.",
            ),
            *wrongs(
                "forward rounds the quotients to whole numbers; `/` alone leaves them as they are.",
                *map(_divide_as, ("a // b", "a / b, rounded", "a / b, cut off")),
            ),
            Wrong(_divide_as("a * b"), "forward multiplies a by b; it should divide."),
            Wrong(
                _divide(lambda a, b, grad: (grad / b, -grad * a / b**3)),
                "the gradient of b is divided by b once too often. If you keep y = a / b, that has"
                " a b below the line already: one more, `y / b`, makes a / b².",
            ),
            *wrongs(
                "in the gradient of b, a comes twice: y = a / b has it already.",
                _divide(lambda a, b, grad: (grad / b, -grad * a * (a / b) / b**2)),
                _divide(lambda a, b, grad: (grad / b, -grad * a * (a / b) / b)),
            ),
        ),
        hints=(
            "Hold b still and differentiate by a; then hold a still and differentiate by b.",
            "a / b is a · b⁻¹. By a that gives 1 / b, by b it gives -a · b⁻².",
            "`return grad_y / b, -grad_y * a / b**2`, in the order of forward's inputs.",
        ),
        because="one gradient for each input, in the order of the inputs, each of its shape.",
        inputs=_triple,
        probe=_quotients,
        examples=(_worked("Divide.apply(a, b)", a="6.0, 9.0", b="4.0, -2.0"),),
    ),
    Exercise(
        number="4.5",
        prompt="""\
**4.5 Build.** A backward that is no derivative, on purpose: `ClipGradient.apply(x, bound)` hands
`x` on unchanged, and on the way back keeps each entry of the gradient between `-bound` and `bound`,
a guard against gradients that explode. (What would `gradcheck` say of it, for a bound of 2 and for
½? Guess; `check` tells you at the end.)""",
        stub=_STUB.format(name="ClipGradient", inputs="x, bound"),
        name="ClipGradient",
        solution=ClipGradient,
        wrong=(
            Wrong(
                _ClipsTheValues,
                "forward clips x. It should hand x on as it is; the bound is for the gradient.",
            ),
            *wrongs(
                "forward clips x, and backward does not clip the gradient: it is the other way"
                " round.",
                _but(_ClipsTheValues, backward=lambda ctx, grad_y: (1.0 * grad_y, None)),
            ),
            Wrong(
                _clip(lambda grad, bound: grad),
                "the gradient comes through as it arrived; each entry must be kept between -bound"
                " and bound.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad.clamp(max=bound)),
                "large negative entries get through: a gradient can be too steep downhill as well.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad.clamp(min=-bound)),
                "large positive entries get through: the bound holds on both sides.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad.clamp(0, bound)),
                "negative entries become 0; they may go down to -bound.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad.clamp(-1, 1)),
                "you clip at 1, whatever the bound is; forward keeps it as `ctx.bound`.",
            ),
            *wrongs(
                "you clip at the same number, whatever the bound is; forward keeps it as"
                " `ctx.bound`.",
                _clip(lambda grad, bound: grad.clamp(-2, 2)),
                _clip(lambda grad, bound: grad.clamp(-0.5, 0.5)),
            ),
            Wrong(
                _clip(lambda grad, bound: torch.full_like(grad, -bound)),
                "every entry becomes -bound: of the two ends of `clamp`, the lower comes first.",
            ),
            Wrong(
                _clip(lambda grad, bound: bound * torch.tanh(grad)),
                "tanh bends what lies within the bound, too; clipping leaves that as it is.",
            ),
            Wrong(
                _but(ClipGradient, forward=lambda ctx, x, n: n * ClipGradient.forward(ctx, x, n)),
                "forward multiplies x by the bound; it should hand x on as it is.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad * (grad.abs() <= bound)),
                "you drop what is too large: those entries become 0. Clipping sets them to the"
                " bound, with their sign.",
            ),
            Wrong(
                _clip(lambda grad, bound: torch.where(grad.abs() > bound, bound, grad)),
                "what is too large becomes the bound, whatever its sign; a large negative entry"
                " becomes -bound.",
            ),
            Wrong(
                _clip(lambda grad, bound: bound * grad.sign()),
                "every entry becomes the bound; those that lie within it stay as they are.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad.abs().clamp(max=bound)),
                "the signs are lost: a negative entry stays negative.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad * (grad < bound)),
                "what is too large becomes 0, and large negative entries get through; both become"
                " the bound, with their sign.",
            ),
            Wrong(
                _clip(lambda grad, bound: bound * grad.clamp(-bound, bound)),
                "clipped as it should be, and then multiplied by the bound; leave that out.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad / bound),
                "you divide by the bound; clip by it.",
            ),
            Wrong(
                _ClipsTheInputOnTheWayBack,
                "backward clips x and returns that; it is grad_y that comes back, clipped.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad * bound),
                "you multiply by the bound; clip by it.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad * (bound / grad.norm()).clamp(max=1)),
                "you shrink the gradient as a whole, by its norm. That is a guard too, but here"
                " each entry is clipped by itself.",
            ),
            Wrong(
                _clip(lambda grad, bound: grad * (bound / grad.abs().max()).clamp(max=1)),
                "you shrink the gradient as a whole, by its largest entry; here each entry is"
                " clipped by itself.",
            ),
            Wrong(
                _ClipsWhereTheInputWas,
                "you look at the size of x. Here, for once, it is the gradient's own size that"
                " decides.",
            ),
            Wrong(_returns_nothing(ClipGradient), _NOTHING),
            Wrong(_with_self(ClipGradient), _SELF),
            Wrong(_returns_a_list(ClipGradient), _A_LIST),
            Wrong(_BoundOnTheClass, _SHARED),
            Wrong(
                _for_the_number_too(ClipGradient),
                "backward returns something for the bound, which is a plain number: the gradient"
                " of x comes first, and None in second place.",
            ),
            Wrong(
                _returns_the_first_alone(ClipGradient),
                "backward returns one thing, and forward got two inputs: return the gradient of x,"
                " and None for the bound.",
            ),
        ),
        hints=(
            "forward does almost nothing: it returns a copy of x and remembers the bound.",
            "`Tensor.clamp` takes a lower and an upper end.",
            "`return grad_y.clamp(-ctx.bound, ctx.bound), None`",
        ),
        because=(
            "gradcheck sends ones: a bound of 2 never touches them and passes, a bound of ½ halves"
            " them and is refused."
        ),
        inputs=_with_a_bound,
        probe=_clippings,
        examples=(_worked("ClipGradient.apply(x, 3.0)", x="5.0, -7.0"),),
    ),
)

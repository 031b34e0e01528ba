"""What `check` says about answers to the exercises of notebook 04."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong


def function(name, inputs, forward, backward):
    """The code of a Function; lines of its methods come with a semicolon between."""
    methods = (f"forward(ctx, {inputs})", forward), ("backward(ctx, grad_y)", backward)
    code = f"class {name}(Function):\n"
    for head, body in methods:
        lines = "".join(f"        {line.strip()}\n" for line in body.split(";"))
        code += f"    @staticmethod\n    def {head}:\n{lines}"
    return code


LEAKY = "ctx.save_for_backward(x); ctx.slope = slope; return torch.where(x > 0, x, slope * x)"
LEAKY_BACK = "(x,) = ctx.saved_tensors; return torch.where(x > 0, grad_y, ctx.slope * grad_y), None"
SIGMOID = "y = 1 / (1 + torch.exp(-x)); ctx.save_for_backward(y); return y"
SIGMOID_BACK = "(y,) = ctx.saved_tensors; return grad_y * y * (1 - y)"
DIVIDE = "ctx.save_for_backward(a, b); return a / b"
DIVIDE_BACK = "a, b = ctx.saved_tensors; return grad_y / b, -grad_y * a / b**2"
CLIP = "ctx.bound = bound; return x.clone()"
CLIP_BACK = "return grad_y.clamp(-ctx.bound, ctx.bound), None"


def leaky(forward=LEAKY, backward=LEAKY_BACK):
    return function("LeakyReLU", "x, slope", forward, backward)


def sigmoid(forward=SIGMOID, backward=SIGMOID_BACK):
    return function("Sigmoid", "x", forward, backward)


def divide(forward=DIVIDE, backward=DIVIDE_BACK):
    return function("Divide", "a, b", forward, backward)


def clip(forward=CLIP, backward=CLIP_BACK):
    return function("ClipGradient", "x, bound", forward, backward)


def leaky_back(returned):
    return leaky(backward=f"(x,) = ctx.saved_tensors; return {returned}")


def sigmoid_back(returned):
    return sigmoid(backward=f"(y,) = ctx.saved_tensors; return {returned}")


def divide_back(returned):
    return divide(backward=f"a, b = ctx.saved_tensors; return {returned}")


def clip_back(returned):
    return clip(backward=f"return {returned}")


def leaky_forward(returned):
    return leaky(f"ctx.save_for_backward(x); ctx.slope = slope; return {returned}")


WITH_SELF = """
class LeakyReLU(Function):
    def forward(self, ctx, x, slope):
        return x

    def backward(self, ctx, grad_y):
        return grad_y, None
"""
MASK = "ctx.mask, ctx.slope = x > 0, slope; return torch.where(x > 0, x, slope * x)"
MASK_BACK = "return torch.where(ctx.mask, grad_y, ctx.slope * grad_y), None"
SETUP = """
class LeakyReLU(Function):
    @staticmethod
    def forward(x, slope):
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.slope = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_y, ctx.slope * grad_y), None"""

OUTPUT_KEPT = (
    "y = torch.where(x > 0, x, slope * x); ctx.save_for_backward(y); ctx.slope = slope; return y"
)
QUOTIENT_KEPT = "y = a / b; ctx.save_for_backward(y, b); return y"

RIGHT = [
    ("4.1", "0"),
    ("4.1", "'zero'"),
    ("4.1", "torch.tensor([0.0])"),
    ("4.1", "False"),
    ("4.2", leaky()),
    ("4.2", leaky().replace("(Function)", "(ReLU)")),
    ("4.2", leaky(MASK, MASK_BACK)),
    ("4.2", SETUP),
    ("4.2", leaky_back("torch.where(x > 0, grad_y, ctx.slope * grad_y), None, None")),
    ("4.2", leaky_back("grad_y * ((x > 0) + ctx.slope * (x <= 0)), None")),
    ("4.3", sigmoid("y = torch.sigmoid(x); ctx.save_for_backward(y); return y")),
    ("4.3", sigmoid_back("(grad_y * (y - y * y),)")),
    (
        "4.4",
        divide(
            "y = a / b; ctx.save_for_backward(b, y); return y",
            "b, y = ctx.saved_tensors; return grad_y / b, -grad_y * y / b",
        ),
    ),
    ("4.4", divide_back("1 / b * grad_y, -a / b.square() * grad_y")),
    ("4.4", divide_back("grad_y / b, -grad_y * a / b**2, None")),
    ("4.3", sigmoid_back("grad_y * y * (1 - y), None")),
    ("4.5", clip("ctx.bound = bound; return x")),
    ("4.5", clip("ctx.bound = bound; return x.view_as(x)")),
    ("4.5", clip_back("torch.clip(grad_y, min=-ctx.bound, max=ctx.bound), None")),
]

ATTRIBUTE = LEAKY.replace("save_for_backward(x)", "x = x")
BACK_FROM_IT = LEAKY_BACK.replace("(x,) = ctx.saved_tensors; ", "x = ctx.x; ")

WRONG = [
    ("4.1", "1", "the slope of the line that you would draw"),
    ("4.1", "-1", "neither ReLU lets anything through"),
    ("4.1", "float('nan')", "autograd always answers with a number"),
    ("4.1", "'undefined'", "autograd always answers with a number"),
    ("4.1", "'None'", "autograd always answers with a number"),
    ("4.1", "7", "7 is too large. Autograd looks at one function at a time"),
    ("4.2", leaky(OUTPUT_KEPT, LEAKY_BACK), "positive slopes alone"),
    (
        "4.2",
        leaky(
            OUTPUT_KEPT,
            "(y,) = ctx.saved_tensors; return grad_y * (y > 0) + ctx.slope * grad_y "
            "* (y <= 0), None",
        ),
        "positive slopes alone",
    ),
    ("4.2", leaky(ATTRIBUTE, BACK_FROM_IT), "until an input is changed in place"),
    ("4.2", leaky(LEAKY.replace("(x)", "(x.data)")), "until an input is changed in place"),
    ("4.2", leaky().replace("ctx.slope", "LeakyReLU.slope"), "a second one before backward"),
    (
        "4.2",
        leaky().replace("slope * x", "0.1 * x").replace("ctx.slope *", "0.1 *"),
        "always the same",
    ),
    ("4.2", leaky().replace("ctx.slope *", "0.1 *"), "forward uses its slope"),
    ("4.2", leaky(LEAKY.replace("slope * x", "0.01 * x")), "forward always the same"),
    (
        "4.2",
        leaky(LEAKY.replace("torch.where(x > 0, x, slope * x)", "x.clamp(min=0)")),
        "forward does not",
    ),
    ("4.2", leaky(LEAKY.replace("where(x > 0, x,", "maximum(x,")), "for slopes below 1 alone"),
    ("4.2", leaky(LEAKY.replace("return", "y =")), "is a return missing?"),
    ("4.2", leaky(backward=LEAKY_BACK.replace("return", "")), "backward returns nothing"),
    ("4.2", leaky(backward=LEAKY_BACK.replace(", None", "")), "backward returns one thing"),
    ("4.2", leaky_back("[torch.where(x > 0, grad_y, ctx.slope * grad_y), None]"), "a list"),
    ("4.2", leaky_back("None, torch.where(x > 0, grad_y, ctx.slope * grad_y)"), "None in second"),
    ("4.2", leaky_back("grad_y * (x > 0), None"), "backward does not"),
    (
        "4.2",
        leaky_back("torch.where(x >= 0, grad_y, ctx.slope * grad_y), None"),
        "the whole gradient",
    ),
    ("4.2", leaky_back("grad_y * ((x > 0) + ctx.slope * (x < 0)), None"), "no gradient passes"),
    ("4.2", leaky_back("grad_y * ((x > 0) + ctx.slope), None"), "1 + slope"),
    ("4.2", WITH_SELF, "a method takes `self`"),
    ("4.2", leaky_forward("x.clamp(min=0) + slope * x"), "x and `slope * x` are added"),
    (
        "4.2",
        leaky_forward("x.clamp(min=0) + slope * x").replace(
            "torch.where(x > 0, grad_y, ctx.slope * grad_y)", "grad_y * ((x > 0) + ctx.slope)"
        ),
        "x and `slope * x` are added",
    ),
    ("4.2", leaky_forward("(x + slope * x.abs()) / 2"), "but with other factors"),
    ("4.2", leaky_forward("x.clamp(min=-slope)"), "`clamp` cuts off"),
    ("4.2", leaky_back("torch.where(x > 0, ctx.slope * grad_y, grad_y), None"), "in backward the"),
    ("4.2", leaky_back("grad_y * torch.where(x > 0, 1, ctx.slope) ** 2, None"), "the square of"),
    ("4.2", leaky(LEAKY.replace("= slope", "= 1 - slope")), "backward multiplies by 1 - slope"),
    (
        "4.2",
        leaky(
            "y = torch.where(x > 0, x, slope * x); ctx.save_for_backward(y); ctx.s = slope;"
            "return y",
            "(y,) = ctx.saved_tensors; m = y > 0; y.mul_(2);"
            "return torch.where(m, grad_y, ctx.s * grad_y), None",
        ),
        "writes into the output",
    ),
    ("4.2", leaky(backward=LEAKY_BACK.replace("(x,)", "x")), "is a tuple, even of one"),
    ("4.3", sigmoid(backward=SIGMOID_BACK.replace("(y,)", "y")), "is a tuple, even of one"),
    (
        "4.3",
        sigmoid(backward="y = ctx.saved_tensors; return y.mul(1 - y)"),
        "is a tuple, even of one",
    ),
    ("4.3", WITH_SELF.replace("LeakyReLU", "Sigmoid").replace(", slope", ""), "takes `self`"),
    ("4.3", sigmoid_back("grad_y * y.mul_(1 - y)"), "writes into the output"),
    ("4.4", WITH_SELF.replace("LeakyReLU", "Divide").replace("x, slope", "a, b"), "takes `self`"),
    ("4.3", sigmoid_back("grad_y * (1 - grad_y)"), "made from grad_y, which only arrives"),
    ("4.3", sigmoid_back("-grad_y * y**2"), "the derivative of 1 / u"),
    ("4.3", sigmoid_back("y * (y - 1)"), "two things"),
    ("4.3", sigmoid(SIGMOID.replace("1 / (1 + torch.exp(-x))", "x.softmax(-1)")), "is softmax"),
    (
        "4.3",
        sigmoid(
            SIGMOID.replace("1 / (1 + torch.exp(-x))", "x.tanh()"),
            SIGMOID_BACK.replace("y * (1 - y)", "(1 - y**2)"),
        ),
        "that is tanh, both ways",
    ),
    (
        "4.2",
        leaky_back("grad_y * torch.where(x > 0, x, ctx.slope * x), None"),
        "leaky ReLU's value",
    ),
    (
        "4.2",
        leaky_back("torch.where(grad_y > 0, grad_y, ctx.slope * grad_y), None"),
        "sign of the grad",
    ),
    ("4.2", leaky_back("grad_y * (ctx.saved_tensors > 0), None"), "your code raised TypeError"),
    (
        "4.2",
        leaky("ctx.save_for_backward(x); ctx.slope = slope; x[x < 0] *= slope; return x"),
        "in place",
    ),
    ("4.3", sigmoid(SIGMOID.replace("(y)", "(x)")), "you put the input into it"),
    (
        "4.3",
        sigmoid(SIGMOID.replace("(y)", "(x, y)"), SIGMOID_BACK.replace("(y,)", "_, y")),
        "not y alone",
    ),
    (
        "4.3",
        sigmoid("ctx.y = torch.sigmoid(x); return ctx.y", "y = ctx.y; return grad_y * y * (1 - y)"),
        "nothing went through `ctx.save_for_backward`",
    ),
    (
        "4.3",
        sigmoid("e = torch.exp(x); y = e / (1 + e); ctx.save_for_backward(y); return y"),
        "right until x is large",
    ),
    ("4.3", sigmoid(SIGMOID.replace("-x", "x")), "your curve falls"),
    (
        "4.3",
        sigmoid(SIGMOID.replace("(1 + torch.exp(-x))", "1 + torch.exp(-x)")),
        "brackets are missing in",
    ),
    ("4.3", sigmoid(SIGMOID.replace("torch.exp(-x)", "math.exp(-x)")), "your code raised"),
    ("4.3", sigmoid_back("y * (1 - y)"), "multiply it by grad_y"),
    ("4.3", sigmoid_back("grad_y * y"), "a factor is missing"),
    ("4.3", sigmoid_back("grad_y * (1 - y**2)"), "the derivative of tanh"),
    ("4.3", sigmoid_back("-grad_y * y * (1 - y)"), "the wrong way round"),
    ("4.3", sigmoid_back("grad_y * y - y**2"), "brackets are missing"),
    ("4.3", sigmoid_back("grad_y * torch.sigmoid(y) * (1 - torch.sigmoid(y))"), "once more"),
    (
        "4.4",
        divide(
            "ctx.a, ctx.b = a, b; return a / b",
            DIVIDE_BACK.replace("ctx.saved_tensors", "ctx.a, ctx.b"),
        ),
        "changed in place",
    ),
    (
        "4.4",
        divide(
            "ctx.save_for_backward(a); ctx.b = b; return a / b",
            "(a,) = ctx.saved_tensors; return grad_y / ctx.b, -grad_y * a / ctx.b**2",
        ),
        "changed in place",
    ),
    ("4.4", divide_back("grad_y / b, grad_y * a / b**2"), "the wrong sign"),
    ("4.4", divide_back("grad_y / b, -grad_y * a / b"), "b squared below the line"),
    ("4.4", divide_back("-grad_y * a / b**2, grad_y / b"), "in the wrong order"),
    ("4.4", divide_back("grad_y * b, grad_y * a"), "the gradients of a product"),
    ("4.4", divide_back("1 / b, -a / b**2"), "multiply it by grad_y"),
    ("4.4", divide_back("grad_y / b, -a / b**2"), "multiply it by grad_y too"),
    ("4.4", divide_back("grad_y / b"), "backward returns one thing"),
    ("4.4", divide(DIVIDE.replace("a, b)", "b, a)")), "in the order in which they were saved"),
    ("4.4", divide_back("grad_y / b, None"), "the gradient of b is None"),
    (
        "4.4",
        divide_back("(grad_y / b).sum(), (-grad_y * a / b**2).sum()"),
        "invalid gradient at index 0",
    ),
    ("4.4", divide("ctx.save_for_backward(a, b); return b / a"), "upside down"),
    ("4.4", divide("ctx.save_for_backward(b, a); return b / a"), "upside down"),
    (
        "4.4",
        divide(
            "ctx.save_for_backward(a, b); return b / a",
            "a, b = ctx.saved_tensors; return -grad_y * b / a**2, grad_y / a",
        ),
        "upside down",
    ),
    ("4.4", divide("ctx.save_for_backward(a, b); return a // b"), "rounds the quotients"),
    ("4.4", divide("ctx.save_for_backward(a, b); return a * b"), "forward multiplies a by b"),
    ("4.4", divide("ctx.save_for_backward(a, b); return a - b"), "in the output"),
    (
        "4.4",
        divide(QUOTIENT_KEPT, "y, b = ctx.saved_tensors; return grad_y / b, -grad_y * y / b**2"),
        "y = a / b, that has a b below the line already",
    ),
    ("4.4", divide_back("[grad_y / b, -grad_y * a / b**2]"), "backward returns a list"),
    ("4.3", sigmoid_back("[grad_y * y * (1 - y)]"), "a list, which PyTorch does not take"),
    ("4.5", clip("ctx.bound = bound; return x.clamp(-bound, bound)"), "forward clips x"),
    ("4.5", clip_back("grad_y, None"), "comes through as it arrived"),
    ("4.5", clip_back("grad_y.clamp(max=ctx.bound), None"), "large negative entries get through"),
    ("4.5", clip_back("grad_y.clamp(min=-ctx.bound), None"), "large positive entries get through"),
    (
        "4.5",
        clip_back("torch.where(grad_y > ctx.bound, ctx.bound, grad_y), None"),
        "large negative",
    ),
    ("4.5", clip_back("grad_y.clamp(-1, 1), None"), "you clip at 1"),
    ("4.5", clip_back("grad_y / grad_y.norm() * ctx.bound, None"), "as a whole, by its norm"),
    ("4.5", clip_back("grad_y.clamp(ctx.bound, -ctx.bound), None"), "the lower comes first"),
    ("4.5", clip_back("ctx.bound * torch.tanh(grad_y), None"), "tanh bends"),
    ("4.5", clip_back("grad_y.clamp(-ctx.bound, ctx.bound)"), "backward returns one thing"),
    ("4.5", clip_back("grad_y.clamp(-ctx.bound, ctx.bound), ctx.bound"), "something for the bound"),
    ("4.5", clip_back("grad_y.clamp(-bound, bound), None"), "name 'bound' is not defined"),
    ("4.5", clip().replace("ctx.bound", "ClipGradient.bound"), "a second one before backward"),
    ("4.5", clip("ctx.bound = bound"), "is a return missing?"),
    ("4.5", "ClipGradient = 3", "expected a class, got a number"),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right(number, answer):
    assert_right(number, answer)


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong(number, answer, words):
    assert_wrong(number, answer, words)


ONE_THING = dict.fromkeys(
    [f"backward: {name}" for name in ("0", "0.0", "first input", "last input")],
    "backward returns one thing",
)
NOTHING = {"backward: None": "is a `return` missing?"}
DEGENERATE = {
    "4.2": ONE_THING | NOTHING,
    "4.3": NOTHING
    | {
        "backward: last input": "passes on what arrives",
        "backward: negative": "the wrong way round",
    },
    "4.4": ONE_THING | NOTHING | {"backward: negative": "both signs are the wrong way round"},
    "4.5": ONE_THING | NOTHING,
}


@pytest.mark.parametrize("number", DEGENERATE)
def test_degenerate_answers(number):
    assert_true_of_degenerate(number, DEGENERATE[number])

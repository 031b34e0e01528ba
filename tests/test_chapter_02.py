"""What `check` says about answers to the exercises of notebook 02."""

import pytest
from chapter_answers import assert_right, assert_true_of_degenerate, assert_wrong, reply

NUDGES = """
gradient = torch.zeros_like(w)
for i in range(len(w)):
    up, down = w.clone(), w.clone()
    up[i] += eps
    down[i] -= eps
    gradient[i] = (f(up) - f(down)) / (2 * eps)
return gradient"""

IN_PLACE = """
gradient = torch.zeros(len(w), dtype=torch.float64)
for i in range(len(w)):
    kept = w[i].item()
    w[i] = kept + eps
    up = f(w)
    w[i] = kept - eps
    down = f(w)
    w[i] = kept
    gradient[i] = (up - down) / (2 * eps)
return gradient"""

MOVED_BACK = """
gradient = torch.zeros_like(w)
for i in range(len(w)):
    w[i] += eps
    up = f(w)
    w[i] -= 2 * eps
    gradient[i] = (up - f(w)) / (2 * eps)
    w[i] += eps
return gradient"""

COPIES = "    up, down = w.clone(), w.clone()\n"
ONCE = NUDGES.replace(COPIES, "").replace("for i", f"{COPIES.strip()}\nfor i")

RIGHT = [
    ("2.1", "2"),
    ("2.1", "(2,)"),
    ("2.1", "1.9"),
    ("2.1", "'2x'"),
    ("2.1", "'it doubles'"),
    ("2.1", "'200%'"),
    ("2.1", "'+100%'"),
    ("2.2", "return grad * ((h > 0) + slope * (h <= 0))"),
    ("2.2", "out = grad.clone()\nout[h <= 0] *= slope\nreturn out"),
    ("2.2", "return torch.where(h > 0, torch.ones_like(h), slope) * grad"),
    ("2.3", "rows, columns = y.shape\nreturn 2 / (rows * columns) * (y_pred - y)"),
    ("2.3", "return (y_pred - y).div(y.numel()).mul(2)"),
    ("2.4", "return [grad_out @ w.T, x.T @ grad_out, grad_out.sum(0)]"),
    ("2.4", "return grad_out @ w.mT, torch.einsum('ni,nk->ik', x, grad_out), grad_out.sum(-2)"),
    ("2.5", NUDGES),
    ("2.5", IN_PLACE),
    ("2.5", NUDGES.replace("torch.zeros_like(w)", "torch.zeros(len(w))")),
    (
        "2.5",
        """
        steps = eps * torch.eye(len(w), dtype=w.dtype)
        return torch.tensor([(f(w + s) - f(w - s)).item() / eps / 2 for s in steps])""",
    ),
]

WRONG = [
    ("2.3", "return 2 * (y_pred - y) / y.ndim", "not by 2 or by `y.ndim`"),
    ("2.1", "1", "it would stay if the loss were the mean"),
    ("2.1", "'it does not grow'", "it would stay if the loss were the mean"),
    ("2.1", "100", "write that as a factor"),
    ("2.1", "'100%'", "write that as a factor"),
    ("2.1", "2**0.5", "*random* directions"),
    ("2.1", "'sqrt(2)'", "*random* directions"),
    ("2.1", "8**0.5", "more than two halves can do"),
    ("2.1", "3", "more than two halves can do"),
    ("2.1", "2000", "that is a number of samples"),
    ("2.1", "16", "16 is too large. The loss is a sum"),
    ("2.2", "return torch.where(h > 0, 1.0, slope)", "these are the local slopes"),
    ("2.2", "return torch.where(h > 0, 1.0, slope).to(grad)", "these are the local slopes"),
    ("2.2", "return (h > 0) + slope * (h <= 0)", "these are the local slopes"),
    ("2.2", "return torch.where(h > 0, grad, 0.1 * grad)", "slope were always 0.1"),
    ("2.2", "return torch.where(h > 0, grad, grad / slope)", "you divide by `slope`"),
    ("2.2", "return torch.where(h >= 0, grad, slope * grad)", "at exactly 0 the whole"),
    ("2.2", "return grad * ((h > 0) + slope * (h < 0))", "at exactly 0 nothing"),
    ("2.2", "return torch.where(h < 0, grad, slope * grad)", "the two sides are exchanged"),
    ("2.2", "mask = (h > 0).int()\nmask[h <= 0] = slope\nreturn grad * mask", "whole numbers"),
    ("2.2", "mask = h > 0\nmask[~mask] = slope\nreturn grad * mask", "True and False"),
    ("2.2", "return grad if (h > 0).any() else slope * grad", "decide entry by entry"),
    ("2.2", "return grad if (h > 0).all() else slope * grad", "decide entry by entry"),
    ("2.2", "return grad if h.sum() > 0 else slope * grad", "decide entry by entry"),
    ("2.5", MOVED_BACK.replace("    w[i] += eps\nr", "    w[i] += 2 * eps\nr"), "argument w in pl"),
    ("2.5", ONCE, "a nudge of zeros or a copy of `w`"),
    ("2.2", "return torch.maximum(grad, slope * grad)", "the sign of the gradient"),
    ("2.2", "return torch.where(h > 0, grad, slope * h)", "multiply `grad` by `slope`"),
    ("2.2", "return torch.where(h > 0, h, slope * h)", "that is the forward pass"),
    ("2.2", "return torch.where(h > 0, grad, -slope * grad)", "the sign is flipped"),
    ("2.2", "return grad.clamp(min=0)", "you clamp the gradient"),
    (
        "2.2",
        "out = grad.clone()\nout[h < 0] = slope\nreturn out",
        "gives   [[1, 0.5], [0.5, -1000]]",
    ),
    ("2.2", "return torch.where(grad * h > 0, grad, slope * grad)", "should give"),
    ("2.2", "return grad", "what comes back is grad as it went in"),
    ("2.2", "torch.where(h > 0, grad, slope * grad)", "None; is a return missing?"),
    ("2.2", "grad[h <= 0] *= slope\nreturn grad", "your code changes its argument grad"),
    (
        "2.2",
        """
        def leaky_relu_backward(h, grad, slope):
            return torch.where(h > 0, grad, slope * grad)""",
        "must come as (grad, h, slope)",
    ),
    ("2.3", "return 2 * (y_pred - y)", "that is the gradient of the sum"),
    ("2.3", "return 2 * (y_pred - y) / len(y)", "the number of samples"),
    ("2.3", "return 2 * (y_pred - y) / 64", "you divide by 64"),
    ("2.3", "return 2 * (y_pred - y) / 640", "you divide by 640"),
    ("2.3", "return 2 * (y_pred - y) ** 2 / y.numel()", "the square is still there"),
    ("2.3", "return (y_pred - y).sign() / y.numel()", "the sign of each difference"),
    ("2.3", "return 2 * (y_pred - y).abs() / y.numel()", "the sign is lost"),
    ("2.3", "return 2 * (y_pred - y).mean()", "that is one number"),
    ("2.3", "return 2 * (y_pred - y).mean(dim=0)", "you averaged along an axis"),
    ("2.3", "return 2 * (y_pred - y) / y.numel() ** 2", "twice"),
    ("2.3", "n, d = y.shape\nreturn 2 * (y_pred - y) / n * d", "brackets are missing"),
    ("2.3", "return 4 * (y_pred - y) / y.numel()", "every entry is 2 times"),
    ("2.3", "return ((y_pred - y) ** 2).mean()", "that is the loss itself"),
    (
        "2.3",
        "def mse_gradient(y, y_pred):\n    return 2 * (y_pred - y) / y.numel()",
        "must come as (y_pred, y)",
    ),
    ("2.4", "return grad_out @ w, x.T @ grad_out, grad_out.sum(0)", "needs `w.T`"),
    ("2.4", "return x.T @ grad_out, grad_out @ w.T, grad_out.sum(0)", "are exchanged"),
    (
        "2.4",
        "return {'x': grad_out @ w.T, 'w': x.T @ grad_out, 'b': grad_out.sum(0)}",
        'expected "a tuple of three gradients", got "a dict with 3 entries"',
    ),
    ("2.4", "return grad_out @ w.T", 'gradients", got "a tensor of shape (6, 4)"'),
    ("2.4", "return grad_out.sum(0), grad_out @ w.T, x.T @ grad_out", "in another order"),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, grad_out.sum(1)", "the wrong axis"),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, grad_out", "a row for each sample"),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, torch.ones(4)", "is 1 everywhere"),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, grad_out.sum()", "is one number"),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out / len(x), grad_out.sum(0)", "is averaged"),
    (
        "2.4",
        "return grad_out @ w.T * (x > 0), x.T @ grad_out, grad_out.sum(0)",
        "should give ([[10], [-5]], [[10]], [1])\n    and gives   ([[10], [0]], [[10]], [1])",
    ),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, None", 'got "a tuple with None in it"'),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out", "number of results: expected 3, got 2"),
    (
        "2.4",
        "grad_out @ w.T, x.T @ grad_out, grad_out.sum(0)",
        'expected "a tuple of three gradients", got None; is a return missing?',
    ),
    ("2.4", "return grad_out @ w.T, x.T @ grad_out, grad_out.sum(0, True)", "(1, 4)"),
    (
        "2.4",
        "return grad_out @ w.T, x.T @ grad_out, grad_out.sum(0).reshape(x.shape[1])",
        "invalid for input of size 3",
    ),
    (
        "2.4",
        """
        def linear_backward(grad_out, w, x):
            return grad_out @ w.T, x.T @ grad_out, grad_out.sum(0)""",
        "must come as (grad_out, x, w)",
    ),
    ("2.5", NUDGES.replace("w.clone(), w.clone()", "w, w"), "makes a second name for `w`"),
    ("2.5", NUDGES.replace("(2 * eps)", "2 * eps"), "brackets are missing"),
    ("2.5", NUDGES.replace(" / (2 * eps)", ""), "you return the difference"),
    ("2.5", NUDGES.replace("(2 * eps)", "eps"), "twice as large as it should be"),
    ("2.5", NUDGES.replace("f(up) - f(down)", "f(down) - f(up)"), "the wrong way round"),
    ("2.5", NUDGES.replace("(2 * eps)", "eps").replace("down[i] -= eps", ""), "one-sided"),
    ("2.5", NUDGES.replace("\nreturn", "\n    return"), "only the first entry is filled"),
    ("2.5", NUDGES.replace("len(w))", "len(w) - 1)", 1), "the last entry is 0"),
    ("2.5", f"eps = 1e-5\n{NUDGES}", "use the `eps` that your function is given"),
    ("2.5", f"eps = 0.01\n{NUDGES}", "eps were always 0.01"),
    ("2.5", f"eps = 1e-5\n{NUDGES}".replace("zeros_like(w)", "zeros(len(w))"), "use the `eps`"),
    ("2.5", IN_PLACE.replace(".item()", ""), "is a view that changes"),
    ("2.5", IN_PLACE.replace("    w[i] = kept\n", ""), "are not put back"),
    ("2.5", f"w = w.float()\n{NUDGES}", "float64 is needed"),
    ("2.5", f"w = w.float()\n{NUDGES.replace('s_like(w)', 's(len(w))')}", "float64 is needed"),
    ("2.5", NUDGES.replace("w.clone()", "w.float()"), "float64 is needed"),
    ("2.5", "return (f(w + eps) - f(w - eps)) / (2 * eps)", "all the entries of w at once"),
    (
        "2.5",
        "v = w.clone().requires_grad_()\nreturn torch.autograd.grad(f(v), v)[0]",
        "these are the exact slopes",
    ),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_right(number, answer):
    assert_right(number, answer)


REMARKED = [
    ("2.2", "return grad.mul(h.sign().clamp(min=slope))", "for one above 1 it gives something"),
    ("2.2", "return grad * torch.clamp(h.sign(), slope, 1)", "for one above 1 it gives something"),
    ("2.2", "return torch.where(h > slope * h, grad, slope * grad)", "for one above 1"),
    ("2.5", MOVED_BACK, "comes back but for rounding; keep the number and put it back"),
]


@pytest.mark.parametrize(("number", "answer", "words"), REMARKED)
def test_right_with_a_remark(number, answer, words):
    assert_right(number, answer, words)


def test_what_holds_for_every_slope_gets_no_remark():
    assert "remark" not in reply("2.2", "return torch.where(h > 0, grad, slope * grad)")


@pytest.mark.parametrize(("number", "answer", "words"), WRONG)
def test_wrong(number, answer, words):
    assert_wrong(number, answer, words)


DEGENERATE = {
    "2.2": {},
    "2.3": {"negative": "the wrong way round"},
    "2.4": {},
    "2.5": {"negative": "the wrong way round", "zeros": "what you compute is not put"},
}


@pytest.mark.parametrize("number", DEGENERATE)
def test_degenerate_answers(number):
    assert_true_of_degenerate(number, DEGENERATE[number])

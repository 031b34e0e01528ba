# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 11: one softmax too many, mirrors, shuffled pixels, second answers."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from exercises.differences import describe, difference
from exercises.exercise import Exercise, Wrong

# Solutions ----------------------------------------------------------------------------------------


def lowest_loss():
    """Give the second softmax the best that a first one can return: a 1 and nine 0s."""
    labels = torch.randint(10, (50,))
    best = F.one_hot(labels, num_classes=10).double()
    return F.cross_entropy(best, labels).item()


class RandomMirror(nn.Module):
    """Mirror each picture with probability ½, in training mode only."""

    def forward(self, images):
        """Return as many pictures as came in, (B, 1, H, W)."""
        if not self.training:
            return images
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(mirrored, images.flip(-1), images)


def reorder_weight(weight, permutation):
    """Give each column the place to which its pixel has moved."""
    return weight[:, permutation]


def top_k_accuracy(logits, labels, k):
    """Return how often the label is among the k largest logits."""
    best = logits.topk(k, dim=1).indices  # (B, k)
    found = (best == labels[:, None]).any(dim=1)  # (B,)
    return found.sum().item() / len(labels)


# Mistakes -----------------------------------------------------------------------------------------


class _MirrorsInEvaluation(nn.Module):
    def forward(self, images):
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(mirrored, images.flip(-1), images)


class _OnlyInEvaluation(RandomMirror):
    def forward(self, images):
        if self.training:
            return images
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(mirrored, images.flip(-1), images)


class _WholeBatch(nn.Module):
    def forward(self, images):
        return images.flip(-1) if self.training and torch.rand(()) < 0.5 else images


class _EveryPicture(nn.Module):
    def forward(self, images):
        return images.flip(-1) if self.training else images


class _UpsideDown(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        flipped = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(flipped, images.flip(-2), images)


class _SameOnes(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        mirrored = torch.arange(len(images), device=images.device) % 2 == 0
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


class _NoSuper(nn.Module):
    def __init__(self):
        self.p = 0.5


class _ThrownOnce(nn.Module):
    def __init__(self):
        super().__init__()
        self.is_mirrored = bool(torch.rand(()) < 0.5)

    def forward(self, images):
        return images.flip(-1) if self.training and self.is_mirrored else images


class _PairsTogether(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        coins = torch.rand((len(images) + 1) // 2, 1, 1, 1, device=images.device) < 0.5
        mirrored = coins.repeat_interleave(2, dim=0)[: len(images)]
        return torch.where(mirrored, images.flip(-1), images)


class _HalfOfEveryBatch(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        some = torch.randperm(len(images), device=images.device) < len(images) // 2
        return torch.where(some[:, None, None, None], images.flip(-1), images)


class _RowsAlone(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        mirrored = torch.rand(*images.shape[:3], 1, device=images.device) < 0.5
        return torch.where(mirrored, images.flip(-1), images)


class _TurnedAround(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        turned = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(turned, images.flip(-1, -2), images)


class _PixelsAlone(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        return torch.where(torch.rand_like(images) < 0.5, images.flip(-1), images)


class _Nothing(nn.Module):
    def forward(self, images):
        return images


class _OrderOfTheBatch(nn.Module):
    def forward(self, images):
        if not self.training:
            return images
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        return torch.where(mirrored, images.flip(0), images)


class _BothComeOut(nn.Module):
    def forward(self, images):
        return torch.cat([images, images.flip(-1)]) if self.training else images


class _ChangesItsInput(nn.Module):
    def forward(self, images):
        if self.training:
            mirrored = torch.rand(len(images), device=images.device) < 0.5
            images[mirrored] = images[mirrored].flip(-1)
        return images


def _other_way_round(weight, permutation):
    return weight[:, permutation.argsort()]


def _as_it_was(weight, permutation):
    return weight


def _rows(weight, permutation):
    return weight[permutation]


def _times(weight, permutation):
    return weight * permutation


def _product(weight, permutation):
    return weight @ permutation.to(weight.dtype)


def _twice(weight, permutation):
    return weight[:, permutation][:, permutation]


def _rows_and_columns(weight, permutation):
    return weight[permutation][:, permutation]


def _one_too_far(weight, permutation):
    return weight[:, permutation - 1]


def _turned(weight, permutation):
    return weight.flip(1)


def _sorted_columns(weight, permutation):
    return weight.sort(dim=1).values


def _of_its_own(weight, permutation):
    return weight[:, torch.arange(weight.shape[1]).roll(1)]


def _first_answer_only(logits, labels, k):
    return (logits.argmax(dim=1) == labels).sum().item() / len(labels)


def _kth_answer_only(logits, labels, k):
    return (logits.topk(k, dim=1).indices[:, -1] == labels).sum().item() / len(labels)


def _smallest(logits, labels, k):
    best = logits.topk(k, dim=1, largest=False).indices
    return (best == labels[:, None]).any(dim=1).sum().item() / len(labels)


def _a_count(logits, labels, k):
    return (logits.topk(k, dim=1).indices == labels[:, None]).sum().item()


def _divided_by_k_too(logits, labels, k):
    return (logits.topk(k, dim=1).indices == labels[:, None]).double().mean().item()


def _one_place_further(logits, labels, k):
    order = logits.argsort(dim=1, descending=True)
    return (order[:, min(k, 9)] == labels).sum().item() / len(labels)


def _divided_by_k(logits, labels, k):
    return top_k_accuracy(logits, labels, k) * len(labels) / k


def _percent(logits, labels, k):
    return 100 * top_k_accuracy(logits, labels, k)


def _how_often_not(logits, labels, k):
    return 1 - top_k_accuracy(logits, labels, k)


def _over_classes(logits, labels, k):
    best = logits.topk(k, dim=1).indices
    return (best == labels[:, None]).sum().item() / logits.shape[1]


def _values_for_classes(logits, labels, k):
    found = logits.topk(k, dim=1).values == labels[:, None]
    return found.any(dim=1).sum().item() / len(labels)


def _every_place(logits, labels, k):
    found = logits.topk(k, dim=1).indices == labels[:, None]
    return found.all(dim=1).sum().item() / len(labels)


def _whole_division(logits, labels, k):
    return (logits.topk(k, dim=1).indices == labels[:, None]).sum().item() // len(labels)


def _softmax_over_pictures(logits, labels, k):
    return top_k_accuracy(logits.softmax(dim=0), labels, k)


def _first_picture_alone(logits, labels, k):
    return top_k_accuracy(logits[:1], labels[:1], k) / len(labels)


def _in_any_row(logits, labels, k):
    best = logits.topk(k, dim=1).indices
    return sum(bool((best == label).any()) for label in labels) / len(labels)


def _class_at_place(logits, labels, k):
    order = logits.argsort(dim=1, descending=True)
    return (order.gather(1, labels[:, None]) < k).sum().item() / len(labels)


def _mean_up_to_k(logits, labels, k):
    return sum(top_k_accuracy(logits, labels, n) for n in range(1, k + 1)) / k


def _each_picture(logits, labels, k):
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)


# What is compared ---------------------------------------------------------------------------------


_EVERY, _NO = "every picture mirrored", "no picture mirrored"


def _behaviour(layer_class: Any, images: Tensor) -> dict[str, str]:
    """Say in words what a layer does to pictures in its two modes; the last pass may change them.

    Twenty passes over thirty pictures: half is 300 of 600, give or take five deviations.
    """
    layer = layer_class()
    if "_modules" not in vars(layer):
        return {"__init__": "does not call super().__init__()"}
    layer.train()
    trained = _in_words([layer(images.clone()) for _ in range(20)], images)
    if trained in (_EVERY, _NO) and _differs(layer_class, images):
        return {"training mode": "all pictures mirrored, or none, by the coin of `__init__`"}
    single = ""
    if trained.startswith("about half"):
        single = _in_words([layer(images[:1].clone()) for _ in range(30)], images[:1])
    layer.eval()
    evaluated = _in_words([layer(images.clone()) for _ in range(20)], images)
    layer.train()
    layer(images)
    found = {"training mode": trained, "eval()": evaluated}
    return found | {"training mode, with one picture": single}


def _differs(layer_class: Any, images: Tensor) -> bool:
    """Whether one new layer mirrors all pictures, and another one none."""
    layers = [layer_class().train() for _ in range(20)]
    return len({_in_words([layer(images.clone())], images) for layer in layers}) > 1


def _in_words(outputs: list[Any], images: Tensor) -> str:
    for output in outputs:
        if not isinstance(output, Tensor) or output.shape != images.shape:
            return f"{describe(output)} comes out"
    batches = torch.stack(outputs)  # (20, B, 1, H, W)
    mirrored, upright, flipped = (
        (batches == other).flatten(2).all(dim=2)  # (20, B)
        for other in (images.flip(-1), images, images.flip(-2))
    )
    if (mirrored | upright).all():
        return _share_in_words(mirrored)
    if (flipped | upright).all():
        return "pictures turned upside down"
    turned = (batches == images.flip(-1, -2)).flatten(2).all(dim=2)
    if (turned | upright).all():
        return "pictures turned around"
    rows = (batches == images).all(dim=-1) | (batches == images.flip(-1)).all(dim=-1)
    if rows.all():
        return "pictures of which some rows are mirrored"
    return _mixed_in_words(batches, images)


def _mixed_in_words(batches: Tensor, images: Tensor) -> str:
    """Say what comes out that is neither a picture nor its mirror image."""
    mirrors = images.flip(-1)
    if ((batches == images) | (batches == mirrors)).all():
        return "pictures of which some pixels are mirrored"
    known = torch.cat([images, mirrors]).flatten(1)
    if all((known == picture).all(dim=1).any() for picture in batches.flatten(0, 1).flatten(1)):
        return "pictures that went in at other places of the batch"
    if (batches == 0).flatten(2).all(dim=2).any():
        return "pictures of which some are all 0"
    low, high = torch.minimum(images, mirrors), torch.maximum(images, mirrors)
    if ((low - 1e-9 <= batches) & (batches <= high + 1e-9)).all():
        return "pictures blended with their mirror images"
    return "pictures that did not go in there, mirrored or not"


def _share_in_words(mirrored: Tensor) -> str:
    if mirrored.all() or not mirrored.any():
        return _EVERY if mirrored.any() else _NO
    if (mirrored == mirrored[:, :1]).all():
        return "all pictures of a batch mirrored, or none"
    if (mirrored == mirrored[:1]).all():
        return "the same pictures mirrored in every pass"
    counts = mirrored.sum(dim=1)
    if mirrored.shape[1] > 1 and (counts == counts[0]).all():
        return f"{counts[0]} of {mirrored.shape[1]} pictures mirrored in every pass"
    share = mirrored.double().mean().item()
    if abs(share - 0.5) < 0.1 and _hang_together(mirrored):
        return "about half of the pictures mirrored, and some of them together"
    return f"about {'half' if abs(share - 0.5) < 0.1 else f'{share:.0%}'} of the pictures mirrored"


def _hang_together(mirrored: Tensor) -> bool:
    """Whether pictures at some distance in the batch share their fate, or never do.

    Of n pairs half agree by chance, give or take six deviations of √n / 2: beyond these lies a
    right layer less than once in ten million checks.
    """
    for distance in range(1, mirrored.shape[1]):
        agree = mirrored[:, distance:] == mirrored[:, :-distance]
        if abs(agree.sum().item() - agree.numel() / 2) > 3 * agree.numel() ** 0.5:
            return True
    return False


# Fresh inputs -------------------------------------------------------------------------------------


def _pictures(generator: Generator) -> tuple[Tensor]:
    return (torch.rand(30, 1, 4, 5, generator=generator, dtype=torch.float64),)


def _weight_and_permutation(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw the weight of a layer with six outputs, and the order of 784 pixels."""
    weight = torch.randn(6, 784, generator=generator)  # of the dtype that the net's has
    return weight, torch.randperm(784, generator=generator)


def _columns_reordered(answer: Any, weight: Tensor, permutation: Tensor) -> Any:
    """Return what comes back; where six rows are too few, what comes of as many as columns."""
    try:
        return answer(weight, permutation)
    except IndexError:
        return answer(weight.repeat(131, 1)[:784], permutation)
    except RuntimeError as error:
        if "dtype" in str(error):
            error.args = (f"{error} ({_NO_DTYPE})",)
        raise


_NO_DTYPE = "the entries of `permutation` are places, and to index columns with them needs no dtype"


def _logits_and_labels(generator: Generator) -> tuple[Tensor, Tensor, int]:
    """Draw labels most of which come first, some second and third, few at each later place.

    The numbers are such that no mistake comes to the same share as another, or as the solution.
    """
    low, spread = torch.tensor([19, 7, 4, 2, 2, *[1] * 5]), torch.tensor([5, 3, 2, *[1] * 7])
    counts = low + (torch.rand(10, generator=generator) * spread).long()
    places = torch.arange(10).repeat_interleave(counts)
    places = places[torch.randperm(len(places), generator=generator)]  # (B,)
    logits = torch.randn(len(places), 10, generator=generator, dtype=torch.float64)
    order = logits.argsort(dim=1, descending=True)
    labels = order.gather(1, places[:, None])[:, 0]
    return logits, labels, 3 + generator.initial_seed() % 2


def _for_several_k(answer: Any, logits: Tensor, labels: Tensor, k: int) -> dict[str, Any]:
    """Return the share for a k and, if this is right or 0, for the smallest and the largest."""
    share = answer(logits, labels, k)
    found: dict[str, Any] = {"the share": share}
    if difference(share, 0.0) is None:  # of which there are several reasons
        found["whether a label is found"] = "no"
    elif difference(share, top_k_accuracy(logits, labels, k)) is not None:
        return found | dict.fromkeys(("the share for k = 1", "the share for k = 10"))
    for other in (1, 10):
        found[f"the share for k = {other}"] = answer(logits, labels, other)
    return found


# Exercises ----------------------------------------------------------------------------------------

EXERCISES = (
    Exercise(
        number="11.1",
        prompt="""\
**11.1 Predict.** A model puts `nn.Softmax(dim=1)` behind its last layer, and `F.cross_entropy`
applies softmax once more. What is the lowest loss that it can reach with ten classes? Derive it
with pencil and paper, and give three digits.""",
        stub="answer = None  # the lowest loss",
        name="answer",
        solution=lowest_loss,
        rtol=2e-3,
        wrong=(
            Wrong(
                0.0,
                "0 is what the right model approaches, with logits that grow and grow. What comes"
                " out of a softmax cannot grow beyond 1, and the second one starts from there.",
            ),
            Wrong(
                math.log(10),
                "that is the landmark, the loss of having no idea. This model can do better: its"
                " ten numbers need not be equal.",
            ),
            Wrong(
                math.e / (math.e + 9),
                "that is the probability which the right class gets at best. The loss is its"
                " negative logarithm.",
            ),
            Wrong(
                math.log10((math.e + 9) / math.e),
                "that is the logarithm to base 10; cross-entropy takes the natural one.",
            ),
            Wrong(
                math.log(math.e + 8) - 1,
                "you counted eight classes beside the right one; there are nine.",
            ),
            Wrong(
                1 + 9 / math.e,
                "that is one divided by the probability of the right class; the loss is its "
                "logarithm.",
            ),
            Wrong(
                math.log(1 + 9 * math.e),
                "the exponent has the wrong sign: each of the nine others counts e⁻¹ beside the "
                "right class, not e, which would be the loss of a model that is sure and wrong.",
            ),
            Wrong(
                (math.log(math.e + 9) - 1) / 10,
                "you divide by the ten classes. `F.cross_entropy` takes its mean over pictures, "
                "and each has the loss of its right class alone.",
            ),
            Wrong(
                9 / (math.e + 9),
                "that is the probability which the wrong classes get together. The loss is minus "
                "the logarithm of what the right class gets.",
            ),
            Wrong(
                math.log(10) - 1,
                "the denominator is not 10: the nine others contribute e⁰ = 1 each, and the right"
                " class contributes e.",
            ),
            Wrong(
                math.log(math.e + 9),
                "that is the logarithm of the sum alone. The right class has the share"
                " e / (e + 9): subtract its own logit, which is 1.",
            ),
            Wrong(
                math.log(math.e + 10) - 1,
                "you counted ten classes beside the right one; there are nine.",
            ),
            Wrong(
                math.log(9) - 1,
                "the right class belongs in the sum as well: the denominator is e + 9.",
            ),
            Wrong(
                1.0,
                "1 is the largest logit that a softmax can hand on, and not yet a loss: a second"
                " softmax makes shares of the ten numbers, and the loss is minus a logarithm.",
            ),
            Wrong(
                -1.0,
                "you took minus the probability. `F.cross_entropy` puts the ten numbers through"
                " softmax once more, and then takes minus the logarithm.",
            ),
            Wrong(
                math.log2((math.e + 9) / math.e),
                "that is the logarithm to base 2; cross-entropy takes the natural one.",
            ),
            Wrong(1.5, "right to two digits; give three."),
            Wrong(1.47, "nearly: round at the very end only."),
            Wrong(1.45, "nearly: round at the very end only."),
        ),
        hints=(
            "The second softmax sees ten numbers between 0 and 1 with the sum 1. Which ten would"
            " serve the right class best?",
            "A 1 for the right class and nine 0s. Put these into softmax: exponentials, divided"
            " by their sum.",
            "The right class gets e / (e + 9). `F.cross_entropy(torch.eye(10), torch.arange(10))`"
            " takes the negative logarithm.",
        ),
        because=(
            "the loss falls from 2.303 and then stays above 1.46, whatever you do. Nothing fails;"
            " only the landmark tells."
        ),
    ),
    Exercise(
        number="11.2",
        prompt="""\
**11.2 Modify.** A mirrored shirt is a shirt. Write a layer that in training mode, and only then,
replaces each picture of (B, 1, H, W) by its mirror image with probability ½; `images.flip(-1)`
mirrors all of them. Then put it in front of the final model and run `try_out` again. Does it help
in five epochs? By how much must two runs differ before you believe in the difference? Run one
model with three seeds to find out.""",
        stub="""\
class RandomMirror(nn.Module):
    def forward(self, images):  # (B, 1, H, W) -> (B, 1, H, W)
        return None  # your lines""",
        name="RandomMirror",
        solution=RandomMirror,
        inputs=_pictures,
        probe=_behaviour,
        wrong=(
            Wrong(
                _MirrorsInEvaluation,
                "it mirrors in `eval()` as well, so the same picture can get two different"
                " answers. `self.training` tells the mode.",
            ),
            Wrong(
                _OnlyInEvaluation,
                "the modes are exchanged: it mirrors in `eval()` and leaves the pictures alone"
                " in training.",
            ),
            Wrong(
                _WholeBatch,
                "all pictures of a batch are mirrored, or none. Throw a coin for each picture, and"
                " let it decide on this picture alone: `images.flip(-1)` mirrors all of them.",
            ),
            Wrong(
                _EveryPicture,
                "it mirrors every picture. Then the model never sees an original in training, and"
                " is tested on nothing else.",
            ),
            Wrong(
                _UpsideDown,
                "it turns pictures upside down: -2 is the axis of the rows. Mirroring reverses"
                " the columns, -1.",
            ),
            Wrong(
                _SameOnes,
                "the same places of the batch are mirrored in every pass. Draw anew in each call"
                " of `forward`.",
            ),
            Wrong(
                _ThrownOnce,
                "the coin is thrown once and for all, in `__init__`: such a layer mirrors all"
                " pictures as long as it lives, or none. Throw in `forward`, for each picture.",
            ),
            Wrong(
                _NoSuper,
                "your `__init__` does not call `super().__init__()`, which a module needs; or"
                " leave `__init__` out, since this layer has nothing to keep.",
            ),
            Wrong(
                _HalfOfEveryBatch,
                "exactly half of each batch is mirrored. Throw a coin for each picture, whatever"
                " happens to the others.",
            ),
            Wrong(
                _PairsTogether,
                "about half of the pictures are mirrored, but some always together: several"
                " pictures share a coin. Throw one for each, `len(images)` in all.",
            ),
            Wrong(
                _RowsAlone,
                "the coin is thrown for each row of a picture, so that halves of a shirt come"
                " apart. One coin a picture has the shape (B, 1, 1, 1).",
            ),
            Wrong(
                _TurnedAround,
                "it turns pictures around: both axes are reversed. Mirroring reverses the"
                " columns, -1.",
            ),
            Wrong(
                _PixelsAlone,
                "the coin is thrown for each pixel, so that pictures are mixed with their mirror"
                " images. One coin a picture has the shape (B, 1, 1, 1).",
            ),
            Wrong(
                _Nothing,
                "no picture is ever mirrored, in training either. Is the axis -1, and do you keep"
                " what `flip` returns? It changes nothing in place.",
            ),
            Wrong(
                _OrderOfTheBatch,
                "pictures take the place of others in the batch, and their labels stay behind. Is"
                " the axis of `flip` -1, and does each picture keep its place, as with"
                " `torch.where`?",
            ),
            Wrong(
                _BothComeOut,
                "more pictures come out than go in; each is to be replaced, or not, by its"
                " mirror image.",
            ),
            Wrong(
                _ChangesItsInput,
                "it writes the mirror images into the pictures that it was given. Those belong"
                " to the caller; return new ones.",
            ),
        ),
        hints=(
            "A module knows its mode: `self.training` is True after `train()` and False after"
            " `eval()`.",
            "`torch.rand(len(images), device=images.device) < 0.5` throws a coin for each"
            " picture. Which shape must it have to choose between (B, 1, H, W) and (B, 1, H, W)?",
            "`torch.where(mirrored, images.flip(-1), images)` with `mirrored` of shape"
            " (B, 1, 1, 1), unless not in training; then `images`.",
        ),
        because=(
            "each epoch now shows other pictures, and the labels stay true. That last part is up"
            " to you: a mirrored 2 is no 2."
        ),
    ),
    Exercise(
        number="11.3",
        prompt="""\
**11.3 Build.** Put the 784 pixels of every picture, in training and in test, into one other
order: `pixels[:, permutation]`, where `permutation` is drawn once. Which loses more by it, the
MLP or the LeNet? For the MLP there is a proof: from the `weight` (H, 784) of its first linear
layer, make another one that gives for the reordered pixels what `weight` gave for the old ones.""",
        stub="""\
def reorder_weight(weight, permutation):  # (H, 784), (784,) -> (H, 784)
    return None  # your line""",
        name="reorder_weight",
        solution=reorder_weight,
        inputs=_weight_and_permutation,
        probe=_columns_reordered,
        examples=(
            "reorder_weight(torch.tensor([[10.0, 20.0, 30.0, 40.0]]), torch.tensor([2, 3, 1, 0]))",
            "reorder_weight(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0]))",
        ),
        wrong=(
            Wrong(
                _other_way_round,
                "that is the order of the way back. If pixel j of the new picture is pixel"
                " permutation[j] of the old one, column j must be what column permutation[j] was.",
            ),
            Wrong(
                _as_it_was,
                "the weight is as it was, so it multiplies each pixel by the number that was"
                " meant for another.",
            ),
            Wrong(
                _rows,
                "you reorder the rows, which belong to the outputs; pixels belong to columns.",
            ),
            Wrong(
                _times,
                "you multiply by the permutation. Its entries are places, not factors: index the"
                " columns with it.",
            ),
            Wrong(
                _product,
                "you multiply by the permutation and add up, which leaves one number for each"
                " output. Its entries are places, not factors: index the columns with it.",
            ),
            Wrong(_twice, "you reorder twice; once is enough."),
            Wrong(
                _rows_and_columns,
                "you reorder rows and columns; the rows belong to the outputs and stay.",
            ),
            Wrong(_one_too_far, "pixels and columns are both counted from 0: no 1 to subtract."),
            Wrong(_turned, "you reverse the columns; the order that is wanted is `permutation`."),
            Wrong(_sorted_columns, "you sort the numbers; they move as the pixels moved."),
            Wrong(_of_its_own, "you move the columns by one; the order wanted is `permutation`."),
        ),
        hints=(
            "An output is a sum over the pixels, each times its column's entry. A sum does not"
            " care about the order of its terms, as long as the partners stay together.",
            "Pixel j of the new picture is pixel permutation[j] of the old one. Which column does"
            " it need?",
            "Index the columns with `permutation`, as `pixels` was indexed.",
        ),
        because=(
            "so for every MLP there is another that gives the same logits for the reordered"
            " pictures: it loses nothing. A 5×5 kernel has no such twin, since it sees neighbours"
            " alone, and these are gone. How much does that cost LeNet? `try_out` tells."
        ),
    ),
    Exercise(
        number="11.4",
        prompt="""\
**11.4 Build.** Write `top_k_accuracy(logits, labels, k)`: how often is the right class among the
k largest logits? For k = 1 it must equal `accuracy`, for k = 10 it must be 1. How often is the
final model right with its first or second answer?""",
        stub="""\
def top_k_accuracy(logits, labels, k):  # (B, C), (B,) -> a number
    return None  # your lines""",
        name="top_k_accuracy",
        solution=top_k_accuracy,
        inputs=_logits_and_labels,
        probe=_for_several_k,
        examples=tuple(
            "logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.3, 0.1, 0.6]])\n"
            f"top_k_accuracy(logits, torch.tensor([2, 2, 2]), {k})"
            for k in (2, 1, 3)
        ),
        direct=True,
        wrong=(
            Wrong(
                _first_answer_only,
                "that is `accuracy`: the largest logit alone. The label may also come second, up"
                " to place k.",
            ),
            Wrong(
                _kth_answer_only,
                "you look at place k alone; the places before it count as well.",
            ),
            Wrong(_smallest, "you look at the k smallest logits; the largest are wanted."),
            Wrong(_a_count, "that is how many are right; divide by how many there are."),
            Wrong(
                _divided_by_k_too,
                "you take the mean over all k places, of which at most one can be the label. Ask"
                " of each picture whether `any` of its places is.",
            ),
            Wrong(
                _one_place_further,
                "you look at one place alone, and counted from 0 it is number k + 1; all places up "
                "to k count.",
            ),
            Wrong(_divided_by_k, "you divide by k; divide by the number of pictures."),
            Wrong(_percent, "that is in percent; `accuracy` gives a share between 0 and 1."),
            Wrong(_how_often_not, "that is how often the label is *not* among them."),
            Wrong(
                _over_classes, "you divide by the number of classes; divide by that of pictures."
            ),
            Wrong(
                _values_for_classes,
                "no label is ever found, whatever k is. Do you compare the labels with the "
                "`indices` of `topk`? Its `values` are logits.",
            ),
            Wrong(
                _every_place,
                "you ask whether *all* k places hold the label, and one of them can at most: "
                "`any`.",
            ),
            Wrong(
                _whole_division,
                "`//` drops what comes behind the decimal point; divide with `/`.",
            ),
            Wrong(
                _softmax_over_pictures,
                "your softmax runs over the pictures, `dim=0`, and mixes them; the classes lie "
                "along `dim=1`. (For an order of the classes none is needed.)",
            ),
            Wrong(
                _first_picture_alone,
                "only the first picture is looked at: does `return` stand inside the loop?",
            ),
            Wrong(
                _in_any_row,
                "it comes out as 1. Do you look for a label among the best of *all* pictures? Each "
                "label belongs to its own row: `labels[:, None]`, and `any(dim=1)`.",
            ),
            Wrong(
                _class_at_place,
                "you read which class stands at the place that the label names; the question is "
                "at which place the label stands.",
            ),
            Wrong(
                _mean_up_to_k,
                "you take the mean of the shares for 1, 2, … k; the one for k is wanted.",
            ),
            Wrong(
                _each_picture,
                "you return an entry for each picture; the share of those that are True is wanted.",
            ),
        ),
        hints=(
            "`logits.topk(k, dim=1)` has two parts, `values` and `indices`. Which are classes?",
            "Compare the indices (B, k) with `labels[:, None]` (B, 1): broadcasting does the rest.",
            "`(best == labels[:, None]).any(dim=1)` says for each picture whether its label is"
            " there. Count, and divide by B.",
        ),
        because=(
            "`accuracy` is the case k = 1, and the number can only grow with k. So whoever reports"
            " it has to say which k it was."
        ),
    ),
)

# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 12: mirrors, shuffled pixels, a network of one's own."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from exercises.differences import describe
from exercises.exercise import Exercise, Wrong

# Solutions ----------------------------------------------------------------------------------------


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


class MyNet(nn.Module):
    """Three convolutions, the largest number of each map, one linear layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )

    def forward(self, images):
        """Return logits (B, 10) for images (B, 1, 28, 28)."""
        return self.layers(images)


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


class _TooLarge(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)
        )

    def forward(self, images):
        return self.layers(images)


class _Probabilities(MyNet):
    def forward(self, images):
        return super().forward(images).softmax(dim=1)


class _Decisions(MyNet):
    def forward(self, images):
        return super().forward(images).argmax(dim=1)


class _LayersInAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = list(MyNet().layers)

    def forward(self, images):
        for layer in self.layers:
            images = layer(images)
        return images


class _LayerUnused(MyNet):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(64, 10)


class _WithoutSuper(nn.Module):
    def __init__(self):
        self.size = 28


class _OneByOneLeft(MyNet):
    def forward(self, images):
        return super().forward(images)[:, :, None, None]


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


MOST = 65_000  # parameters


def _entry(model_class: Any, images: Tensor, labels: Tensor) -> dict[str, str]:
    """Say in words whether a network may enter; the next question only if the last was answered."""
    model = model_class()
    if not isinstance(model, nn.Module):
        return {"the class": "makes no `nn.Module`"}
    if "_modules" not in vars(model):
        return {"__init__": "does not call super().__init__()"}
    found = {"parameters": _size_in_words(sum(p.numel() for p in model.parameters()))}
    if found["parameters"] != "some":
        return found
    for training, count in ((True, 8), (False, 8), (False, 1), (True, 5)):
        out = model.train(training)(images[:count].clone())
        mode = f"{'train' if training else 'eval'}(), {count} pictures"
        found[mode] = _output_in_words(out, count)
        if found[mode] != "logits":
            return found
    return found | {"gradients": _gradients_in_words(model, images, labels)}


def _size_in_words(count: int) -> str:
    return "none" if count == 0 else "some" if count <= MOST else "too many"


def _output_in_words(out: Any, count: int) -> str:
    if not isinstance(out, Tensor) or out.shape != (count, 10) or not out.is_floating_point():
        return f"{describe(out)}"
    if torch.isnan(out).any():
        return "numbers that are none: nan"
    ones = torch.ones(count, dtype=out.dtype)
    sums_to_1 = (out >= 0).all() and torch.allclose(out.sum(dim=1), ones, atol=1e-4)
    return "probabilities" if sums_to_1 else "logits"


def _gradients_in_words(model: nn.Module, images: Tensor, labels: Tensor) -> str:
    model.train()
    out = model(images[:8].clone())
    if not out.requires_grad:
        return "none"
    F.cross_entropy(out, labels[:8]).backward()
    missing = [p for p in model.parameters() if p.requires_grad and p.grad is None]
    return "for some parameters alone" if missing else "for all parameters"


def _measured(model_class: Any, images: Tensor, labels: Tensor) -> str:
    """Train a right answer for a dozen steps, and say how large it is and what it learned."""
    model = model_class().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    right = (model(images).argmax(dim=1) == labels).double().mean().item()
    size = sum(p.numel() for p in model.parameters())
    learned = f"after twelve steps it tells {right:.0%} of 40 made-up pictures apart"
    return f"it has {size:,} parameters, and {learned}. Now the real ones"


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


def _made_up(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw 40 pictures of ten kinds: for each kind 7×7 blocks of grey, and noise over them."""
    kinds = torch.rand(10, 1, 7, 7, generator=generator)
    labels = torch.randint(10, (40,), generator=generator)
    noise = torch.rand(40, 1, 28, 28, generator=generator)
    blocks = kinds[labels].repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return (3 * blocks + noise) / 4, labels


# Exercises ----------------------------------------------------------------------------------------

EXERCISES = (
    Exercise(
        number="12.1",
        prompt="""\
**12.1 Modify.** A mirrored shirt is a shirt. Write a layer that in training mode, and only then,
replaces each picture of (B, 1, H, W) by its mirror image with probability ½; `images.flip(-1)`
mirrors all of them. Then put it in front of `LeNet` and run `try_out` again. Does it help in four
epochs? And in twelve, with `epochs=12`? By how much must two runs differ before you believe in
the difference? Run one model with three seeds to find out.""",
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
        number="12.2",
        prompt="""\
**12.2 Build.** Put the 784 pixels of every picture, in training and validation, into one other
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
        number="12.3",
        prompt="""\
**12.3 Build.** Enter the challenge. Write a network of your own, `MyNet`, from images
(B, 1, 28, 28) in [0, 1] to logits (B, 10), with at most 65,000 parameters. `check` counts them,
tries batches of several sizes in both modes, looks whether every parameter gets a gradient, and
trains your network for twelve steps on 40 made-up pictures. Then try it on the real ones, as we
tried ours: `try_out("mine", MyNet, momentum_sgd, one_cycle=True)`. Which is better?""",
        stub="""\
class MyNet(nn.Module):
    def __init__(self):
        super().__init__()
        # your layers

    def forward(self, images):  # (B, 1, 28, 28) -> (B, 10)
        return None  # your lines""",
        name="MyNet",
        solution=MyNet,
        inputs=_made_up,
        probe=_entry,
        aside=_measured,
        wrong=(
            Wrong(
                _TooLarge,
                "it has more than 65,000 parameters. Most of them are probably in the linear layer"
                " behind a flattening: pool once more in front of it.",
            ),
            Wrong(
                _Probabilities,
                "its ten numbers are probabilities: `F.cross_entropy` applies softmax itself, so"
                " leave yours out.",
            ),
            Wrong(
                _Decisions,
                "it decides already. `F.cross_entropy` wants ten numbers for each picture, and"
                " `argmax` has no gradient.",
            ),
            Wrong(
                _LayersInAList,
                "it has no parameters: layers in a plain list are invisible to a module. Put them"
                " into `nn.Sequential` or `nn.ModuleList`.",
            ),
            Wrong(
                _LayerUnused,
                "some parameters never get a gradient: is there a layer that `forward` does not"
                " use? It counts all the same.",
            ),
            Wrong(
                _WithoutSuper,
                "your `__init__` does not call `super().__init__()`, which a module needs before"
                " anything else.",
            ),
            Wrong(
                _OneByOneLeft,
                "ten maps of 1×1 come out for each picture, (B, 10, 1, 1), and the loss wants"
                " (B, 10): `flatten(1)` takes the two away.",
            ),
        ),
        hints=(
            "Begin with something that works, such as `LeNet` without its last hidden layer. Then"
            " move parameters to where you think they are worth more.",
            "`sum(p.numel() for p in MyNet().parameters())` counts. A convolution from 32 to 64"
            " maps with a 3×3 kernel has 32 · 64 · 9 weights, wherever it looks.",
            "Convolution, pooling, batch normalisation, ReLU; again with more maps; at the end"
            " `nn.AdaptiveMaxPool2d(1)`, `nn.Flatten()` and `nn.Linear(maps, 10)`.",
        ),
        because="it may enter",
    ),
)

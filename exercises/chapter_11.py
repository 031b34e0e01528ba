# mypy: allow-untyped-defs, allow-incomplete-defs
"""The exercises of notebook 11: one softmax too many, means of batches, recall, second answers."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from exercises.differences import difference
from exercises.exercise import Exercise, Wrong, in_turn, wrongs

# Solutions ----------------------------------------------------------------------------------------


def lowest_loss():
    """Give the second softmax the best that a first one can return: a 1 and nine 0s."""
    labels = torch.randint(10, (50,))
    best = F.one_hot(labels, num_classes=10).double()
    return F.cross_entropy(best, labels).item()


def mean_over_samples(means, sizes):
    """Weight each batch's mean by the number of its samples."""
    return (means * sizes).sum() / sizes.sum()


def recall_and_precision(matrix):
    """Divide what is right by the sums of the rows, and by those of the columns."""
    right = matrix.diag()
    return right / matrix.sum(dim=1), right / matrix.sum(dim=0)


def top_k_accuracy(logits, labels, k):
    """Return how often the label is among the k largest logits."""
    best = logits.topk(k, dim=1).indices  # (B, k)
    found = (best == labels[:, None]).any(dim=1)  # (B,)
    return found.sum().item() / len(labels)


# Mistakes -----------------------------------------------------------------------------------------


def _of_columns_first(matrix):
    recall, precision = recall_and_precision(matrix)
    return precision, recall


def _of_all(matrix):
    return matrix.diag() / matrix.sum(), matrix.diag() / matrix.sum()


def _missed(matrix):
    recall, precision = recall_and_precision(matrix)
    return 1 - recall, 1 - precision


def _one_number_each(matrix):
    recall, precision = recall_and_precision(matrix)
    return recall.mean(), precision.mean()


def _without_the_right_ones(matrix):
    right = matrix.diag()
    return right / (matrix.sum(dim=1) - right), right / (matrix.sum(dim=0) - right)


def _largest(matrix):
    rows, columns = matrix.max(dim=1).values, matrix.max(dim=0).values
    return rows / matrix.sum(dim=1), columns / matrix.sum(dim=0)


def _whole_tables(matrix):
    return matrix / matrix.sum(dim=1, keepdim=True), matrix / matrix.sum(dim=0)


def _means_of_lines(matrix):
    return matrix.diag() / matrix.double().mean(dim=1), matrix.diag() / matrix.double().mean(dim=0)


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


# Fresh inputs -------------------------------------------------------------------------------------


def _batches(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw the means of a few batches, the last of them small."""
    count = in_turn(generator, 3, 7)
    sizes = torch.randint(20, 300, (count,), generator=generator)
    sizes[-1] = torch.randint(2, 16, (), generator=generator)
    return torch.rand(count, generator=generator, dtype=torch.float64) + 0.1, sizes


def _confusion(generator: Generator) -> tuple[Tensor]:
    """Draw counts in which the first class is mostly taken for the second."""
    size = in_turn(generator, 3, 7)
    matrix = torch.randint(1, 30, (size, size), generator=generator) + 40 * torch.eye(size).long()
    matrix[0, 1] = matrix[0, 0] + 9
    return (matrix,)


def _both(answer: Any, matrix: Tensor) -> Any:
    """Return the two results by name, or whatever else comes back; a list may stand for a row."""
    results = answer(matrix)
    if isinstance(results, Tensor) and results.shape == (2, len(matrix)):
        results = results[0], results[1]
    if not isinstance(results, tuple | list) or len(results) != 2:
        return {"what comes back": results}
    rows = [
        torch.stack([torch.as_tensor(share) for share in row]) if isinstance(row, list) else row
        for row in results
    ]
    return {"the recall": rows[0], "the precision": rows[1]}


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
**11.2 Modify.** Many loops report the mean of their batches' means, `means.mean()`. A picture in
a short last batch then counts for more than one in a full batch. Mend it: from `means` (K,), the
mean loss or accuracy of each batch, and `sizes` (K,), how many pictures each had, return the
mean over all pictures. (A reported accuracy on 10,000 pictures that is no multiple of 1/10,000
was averaged the other way.)""",
        stub="""\
def mean_over_samples(means, sizes):  # (K,), (K,) -> a number
    return None  # your line""",
        name="mean_over_samples",
        solution=mean_over_samples,
        inputs=_batches,
        direct=True,
        examples=(
            "mean_over_samples(torch.tensor([0.0, 1.0]), torch.tensor([2, 1]))",
            "mean_over_samples(torch.tensor([0.5, 1.0, 0.0]), torch.tensor([4, 4, 2]))",
        ),
        wrong=(
            Wrong(
                lambda means, sizes: means.mean(),
                "that is the mean of the means, in which each batch counts the same; each picture"
                " should. Weight each batch by its size.",
            ),
            *wrongs(
                "your sum over all pictures is right; divide it by how many pictures there are,"
                " not by how many batches.",
                lambda means, sizes: (means * sizes).sum() / len(means),
                lambda means, sizes: (means * sizes).mean(),
            ),
            Wrong(
                lambda means, sizes: (means * sizes).sum(),
                "that is the sum over all pictures; divide by how many there are.",
            ),
            Wrong(
                lambda means, sizes: means.sum() / sizes.sum(),
                "you add up means and divide by the number of pictures. Make sums of the means"
                " first: each times its size.",
            ),
            Wrong(
                lambda means, sizes: means.sum(),
                "that is the sum of the means: no batch is weighted, and nothing divided.",
            ),
            Wrong(
                lambda means, sizes: means * sizes / sizes.sum(),
                "you return what each batch contributes; add it up.",
            ),
            Wrong(
                lambda means, sizes: means * sizes,
                "you return each batch's sum; add them up, and divide by the number of pictures.",
            ),
            Wrong(
                lambda means, sizes: (means / sizes).sum() / (1 / sizes).sum(),
                "you give small batches the large weights; multiply by the size.",
            ),
            Wrong(
                lambda means, sizes: (means / sizes).sum(),
                "you divide each mean by its size. A mean has been divided already; multiply, and"
                " you have the batch's sum back.",
            ),
            Wrong(
                lambda means, sizes: (means * sizes).sum() / (len(means) * sizes[0]),
                "you divide as if all batches were as large as the first; `sizes.sum()` knows.",
            ),
            *wrongs(
                "you leave the last batch out. It counts for little, but it counts.",
                lambda means, sizes: (means * sizes)[:-1].sum() / sizes[:-1].sum(),
                lambda means, sizes: means[:-1].mean(),
            ),
        ),
        hints=(
            "What was the sum of the losses in a batch whose mean was 0.5 over 16 pictures?",
            "Add up sums, and sizes; divide once, at the end.",
            "`means * sizes` are the sums of the batches.",
        ),
        because=(
            "add up, divide once. That is why the loop above keeps `total_loss`, `correct` and"
            " `seen`, and `fit` does the same."
        ),
    ),
    Exercise(
        number="11.3",
        prompt="""\
**11.3 Build.** A confusion matrix answers two questions about each class. *Recall*: of all its
pictures, which share was found? *Precision*: of all the answers that named it, which share was
right? From `matrix` (C, C), true classes down and answers across, return both, recall first,
with an entry for each class. Which of our classes has the lowest precision?""",
        stub="""\
def recall_and_precision(matrix):  # (C, C) -> (C,), (C,)
    return None  # your lines""",
        name="recall_and_precision",
        solution=recall_and_precision,
        inputs=_confusion,
        probe=_both,
        examples=(
            "recall_and_precision(torch.tensor([[3, 1], [0, 4]]))",
            "recall_and_precision(torch.tensor([[1, 2], [0, 2]]))",
        ),
        wrong=(
            Wrong(_of_columns_first, "both are there, in the other order: recall comes first."),
            *wrongs(
                "you give one of the two twice. Recall divides by the sum of a row, precision by"
                " that of a column.",
                lambda matrix: (recall_and_precision(matrix)[0],) * 2,
                lambda matrix: (recall_and_precision(matrix)[1],) * 2,
            ),
            Wrong(
                _of_all,
                "you divide by the number of all pictures; recall divides by those of the class,"
                " precision by the answers that named it.",
            ),
            Wrong(_missed, "those are the shares that were missed; 1 minus them is wanted."),
            Wrong(_one_number_each, "you return the means over the classes; give one for each."),
            Wrong(
                _without_the_right_ones,
                "you divide by the mistakes alone; the right ones belong to the row and to the"
                " column, too.",
            ),
            Wrong(
                _largest,
                "you take the largest count of a row or column. What is right stands on the"
                " diagonal, however small it is.",
            ),
            *wrongs(
                "you return whole tables; what is right stands on the diagonal, `matrix.diag()`.",
                _whole_tables,
                lambda matrix: (matrix / matrix.sum(dim=1), matrix / matrix.sum(dim=0)),
            ),
            Wrong(
                _means_of_lines,
                "you divide by the mean of a row or column; divide by its sum.",
            ),
            Wrong(
                lambda matrix: (matrix.diag(), matrix.diag()),
                "those are counts; shares are wanted, so divide.",
            ),
            Wrong(
                lambda matrix: tuple(100 * share for share in recall_and_precision(matrix)),
                "that is in percent; shares between 0 and 1 are wanted.",
            ),
            *wrongs(
                "one of the two is missing: return recall and precision.",
                lambda matrix: recall_and_precision(matrix)[0],
                lambda matrix: recall_and_precision(matrix)[1],
            ),
        ),
        hints=(
            "Which entries of the matrix are right answers?",
            "All pictures of class 2 stand in one row. All answers that said 2 stand in a column.",
            "`matrix.diag()`, divided by `matrix.sum(dim=1)` and by `matrix.sum(dim=0)`.",
        ),
        because=(
            "a model can have either one without the other. Whoever calls everything a shirt finds"
            " each shirt, recall 1, and is right one time in ten, precision 0.1."
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

"""The exercises of notebook 01: shapes, views, rows made comparable, distances, one-hot rows."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot as whole_number_one_hot

from exercises.exercise import Exercise, Wrong


def stacked_shape() -> tuple[int, ...]:
    """Build the stack and look at its shape."""
    a = torch.randn(4, 1)
    b = torch.randn(3)
    stacked = torch.stack([a + b, a * b], dim=1)
    return tuple(stacked.shape)


def sum_after_changes() -> int:
    """Run the six lines and sum what table holds then."""
    table = torch.arange(6)
    column = table.view(2, 3)[:, 1]
    picked = table[[1, 4]]
    picked.zero_()
    column += 10
    column = column * 2
    return int(table.sum().item())


def standardise_rows(x: Tensor) -> Tensor:
    """Shift and scale each row to mean 0 and standard deviation 1."""
    mean = x.mean(dim=1, keepdim=True)  # (N, 1)
    std = x.std(dim=1, keepdim=True)  # (N, 1)
    return (x - mean) / std  # (N, D)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared distance from each row of a to each row of b."""
    difference = a[:, None, :] - b[None, :, :]  # (N, M, D)
    return difference.square().sum(dim=2)  # (N, M)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Return one row for each label: 1 in the label's column, 0 elsewhere."""
    columns = torch.arange(num_classes)  # (C,)
    return (labels[:, None] == columns).float()  # (N, C)


def _size(generator: Generator, low: int, high: int) -> int:
    """Draw a whole number from low to high."""
    return int(torch.randint(low, high + 1, (), generator=generator).item())


def _square_matrix(generator: Generator) -> tuple[Tensor]:
    """Draw as many rows as columns, so that a missing keepdim gives no error, but wrong values."""
    size = _size(generator, 4, 7)
    noise = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return (noise + 3 * torch.arange(size)[:, None],)


def _two_sets_of_points(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw N points and M points of D coordinates, three different sizes."""
    n = _size(generator, 5, 7)
    a = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    b = torch.randn(n + 3, 4, generator=generator, dtype=torch.float64)
    return a, b + 1


def _labels(generator: Generator) -> tuple[Tensor, int]:
    """Draw labels with repetitions, without class 1 and the last; more of them than classes."""
    num_classes = _size(generator, 6, 9)
    each_once = torch.randperm(num_classes - 2, generator=generator)
    each_once = torch.where(each_once == 1, num_classes - 2, each_once)
    return torch.cat([each_once, each_once[:4]]), num_classes


def _coloured_rows(labels: Tensor, num_classes: int) -> Tensor:
    """Fill whole rows: the mistake of indexing with [labels]."""
    rows = torch.zeros(len(labels), num_classes)
    rows[labels] = 1
    return rows


def _coloured_columns(labels: Tensor, num_classes: int) -> Tensor:
    """Fill whole columns: the mistake of indexing with [:, labels]."""
    rows = torch.zeros(len(labels), num_classes)
    rows[:, labels] = 1
    return rows


EXERCISES = (
    Exercise(
        number="1.1",
        prompt="""\
**1.1 Predict.** `a` has shape `(4, 1)` and `b` has shape `(3,)`. Which shape has
`torch.stack([a + b, a * b], dim=1)`? Write it as a tuple, with pencil and paper, before any
code.""",
        stub="answer = None  # your shape, a tuple",
        name="answer",
        solution=stacked_shape,
        wrong=(
            Wrong(
                (4, 6),
                "that is what `torch.cat` along dim=1 gives: it makes an axis longer, while"
                " `stack` makes a new one.",
            ),
            Wrong(
                (8, 3),
                "that is what `torch.cat` along dim=0 gives: it makes an axis longer, while"
                " `stack` makes a new one.",
            ),
            Wrong(
                (2, 4, 3),
                "the new axis has size 2, and you put it first, as dim=0 would; here it shall"
                " be axis number 1, counted from 0.",
            ),
            Wrong(
                (4, 3, 2),
                "the new axis has size 2, and you put it last, as dim=2 would; here it shall"
                " be axis number 1, counted from 0.",
            ),
            Wrong(
                (4, 3),
                "that is the shape of `a + b` alone; the stack holds two tensors of that"
                " shape along a new axis.",
            ),
            Wrong(
                (4, 2, 1),
                "you stacked two tensors of a's shape; write (4, 1) above (3,), aligned at the"
                " right, to find the shape of `a + b`.",
            ),
        ),
        hints=(
            "First find the shape of `a + b`: write (4, 1) above (3,), aligned at the right.",
            "`a + b` and `a * b` both have shape (4, 3). `stack` puts a new axis between or"
            " around those two; how long is it?",
            "The new axis has size 2 and shall be number 1: (4, …, 3).",
        ),
        because="broadcasting gives (4, 3) twice, and the new axis of size 2 becomes axis 1.",
    ),
    Exercise(
        number="1.2",
        prompt="""\
**1.2 Predict.** What is `table.sum().item()` after these lines? Which of them reach the memory
of `table`?

```python
table = torch.arange(6)
column = table.view(2, 3)[:, 1]
picked = table[[1, 4]]
picked.zero_()
column += 10
column = column * 2
```""",
        stub="answer = None  # your sum",
        name="answer",
        solution=sum_after_changes,
        wrong=(
            Wrong(
                15,
                "that is the sum before anything changed; `view` and a slice share the memory"
                " of `table`, so one of the lines does reach it.",
            ),
            Wrong(
                30,
                "you let `picked.zero_()` reach `table`; but indexing with a list copies, so"
                " only the copy became 0.",
            ),
            Wrong(
                60,
                "you let `column * 2` reach `table`; but it makes a new tensor, and `column =`"
                " only gives that new tensor the old name.",
            ),
            Wrong(
                50,
                "two lines too many reached `table`: indexing with a list copies, and"
                " `column * 2` makes a new tensor.",
            ),
            Wrong(
                10,
                "you zeroed the middle column and lost what was added; indexing with a list"
                " copies, and `column += 10` changes `table`.",
            ),
            Wrong(
                45,
                "you added 10 to row 1; `[:, 1]` is column 1, the numbers 1 and 4.",
            ),
            Wrong(
                75,
                "you added 10 to all six numbers; `column` holds two of them.",
            ),
            Wrong(
                25,
                "one 10 was added, but `column` is the middle column of two rows: it has two"
                " entries.",
            ),
        ),
        hints=(
            "Go through the lines and ask of each: is this a view, a copy, or a change in place?",
            "`view` and slices share memory, a list in the brackets copies, `+=` changes in"
            " place, `* 2` makes a new tensor.",
            "Only `column += 10` reaches `table`, and it adds 10 to two of its six numbers.",
        ),
        because="of all the lines after the first, only `column += 10` writes into table's memory.",
    ),
    Exercise(
        number="1.3",
        prompt="""\
**1.3 Modify.** Each row of `x` holds one pupil's marks, and some have stricter teachers
than others. `(x - x.mean()) / x.std()` treats all marks alike. Modify it so that *each row* gets
mean 0 and standard deviation 1, without a loop. Keep the default of `std`,
which divides by D − 1.""",
        stub="""\
def standardise_rows(x):  # (N, D) -> (N, D)
    return None  # your lines""",
        name="standardise_rows",
        solution=standardise_rows,
        wrong=(
            Wrong(
                lambda x: (x - x.mean(dim=1)) / x.std(dim=1),
                "`keepdim=True` is missing: a mean of shape (N,) is laid along the rows, so"
                " column j, and not row j, gets the mean of row j; only because x is square"
                " did nothing complain.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1),
                "the mean has its `keepdim=True`, the standard deviation lacks it: of shape"
                " (N,), it divides column j by the spread of row j.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1)) / x.std(dim=1, keepdim=True),
                "the standard deviation has its `keepdim=True`, the mean lacks it: of shape"
                " (N,), it takes the mean of row j away from column j.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=0)) / x.std(dim=0),
                "you standardised the columns: the dim that you name is the one that"
                " vanishes, and dim=0 leaves one mean for each column.",
            ),
            Wrong(
                lambda x: (x - x.mean()) / x.std(),
                "one mean and one standard deviation for the whole matrix; each row needs its"
                " own, so name a dim.",
            ),
            Wrong(
                lambda x: (
                    (x - x.mean(dim=1, keepdim=True)) / x.var(dim=1, correction=0, keepdim=True)
                ),
                "you divided by the average squared distance, with N in the denominator; take"
                " the square root, and D − 1 where you average.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1, keepdim=True)) / x.var(dim=1, keepdim=True),
                "you divided by the variance; the standard deviation is its square root.",
            ),
            Wrong(
                lambda x: (
                    (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, correction=0, keepdim=True)
                ),
                "you averaged the squared distances over D numbers; `std` divides by D − 1"
                " unless told otherwise.",
            ),
            Wrong(
                lambda x: x - x.mean(dim=1, keepdim=True) / x.std(dim=1, keepdim=True),
                "brackets are missing: `/` comes before `-`, so you divided the mean alone. Write"
                " `(x - mean) / std`.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1, keepdim=True)) / x.std(),
                "the means are each row's own, the standard deviation is that of the whole"
                " matrix; it needs `dim=1, keepdim=True` too.",
            ),
            Wrong(
                lambda x: (x - x.mean()) / x.std(dim=1, keepdim=True),
                "the standard deviations are each row's own, the mean is that of the whole"
                " matrix; it needs `dim=1, keepdim=True` too.",
            ),
            Wrong(
                lambda x: x - x.mean(dim=1, keepdim=True),
                "the means are 0 now, the spreads are what they were; divide by the standard"
                " deviation of each row.",
            ),
            Wrong(
                lambda x: x / x.std(dim=1, keepdim=True),
                "the spreads are 1 now, the means are not 0; subtract the mean of each row first.",
            ),
        ),
        hints=(
            "You need one mean for each row. Which axis has to vanish?",
            "`x.mean(dim=1)` has shape (N,), and (N, D) with (N,) aligns at the right, where"
            " the columns are. Which keyword keeps the axis, with size 1?",
            "`mean = x.mean(dim=1, keepdim=True)`, the same for `std`, then subtract and divide.",
        ),
        because="the short way: with keepdim=True, (N, 1) beside (N, D) hands each row its own"
        " mean.",
        inputs=_square_matrix,
    ),
    Exercise(
        number="1.4",
        prompt="""\
**1.4 Build.** The rows of `a` are N points of D coordinates each, those of `b` are M points.
Return the (N, M) table of squared distances: entry [i, j] is the sum over the coordinates of
`(a[i] - b[j]) ** 2`. No loop: let broadcasting do it.""",
        stub="""\
def squared_distances(a, b):  # (N, D), (M, D) -> (N, M)
    return None  # your lines""",
        name="squared_distances",
        solution=squared_distances,
        wrong=(
            Wrong(
                lambda a, b: (a[:, None] - b).square().sum(dim=0),
                "you summed over dim=0, the points of `a`; the coordinates are the last axis,"
                " dim=2.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square().sum(dim=1),
                "you summed over dim=1, the points of `b`; the coordinates are the last axis,"
                " dim=2.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square().sum(),
                "you summed over all the axes; name the one that shall vanish, the coordinates.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square().sum(dim=2).sqrt(),
                "these are the distances; the *squared* ones are what you had before the root.",
            ),
            Wrong(
                lambda a, b: (b[:, None] - a).square().sum(dim=2),
                "this table is (M, N), with the points of `b` along the rows; the rows belong"
                " to `a`, so its axis comes first.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square().mean(dim=2),
                "you averaged over the coordinates; a squared distance is their sum, D times"
                " as much.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).abs().sum(dim=2),
                "you summed the absolute differences; square each one before you sum.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).sum(dim=2).square(),
                "you summed first and squared afterwards, so differences of opposite sign "
                "cancelled; square each one, then sum.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square(),
                "the squares are there, one for each coordinate; sum them over the last axis.",
            ),
            Wrong(
                lambda a, b: a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - a @ b.T,
                "expanding the square gives a² − 2ab + b²; the 2 of the middle term is missing.",
            ),
        ),
        hints=(
            "Which shape must the differences have, before you sum? Three axes: point of a,"
            " point of b, coordinate.",
            "`a[:, None]` has shape (N, 1, D); with `b`, (M, D), that broadcasts to (N, M, D).",
            "`(a[:, None] - b).square()`, summed over the last axis.",
        ),
        because="without a loop it is `(a[:, None] - b).square().sum(dim=2)`: (N, 1, D) with (M, D)"
        " gives (N, M, D), and the sum removes D.",
        inputs=_two_sets_of_points,
    ),
    Exercise(
        number="1.5",
        prompt="""\
**1.5 Build.** A classifier's labels come as whole numbers, and sometimes a row of 0s with a
single 1 is wanted instead: with four classes, label 2 becomes `[0., 0., 1., 0.]`. Return such a
row for each label, as float32, without a loop. Not every class need occur among the labels.""",
        stub="""\
def one_hot(labels, num_classes):  # (N,) -> (N, C)
    return None  # your lines""",
        name="one_hot",
        solution=one_hot,
        wrong=(
            Wrong(
                lambda labels, num_classes: labels[:, None] == torch.arange(num_classes),
                "the right pattern, as booleans; turn it into float32 with `.float()` or `.to`.",
            ),
            Wrong(
                whole_number_one_hot,
                "the right pattern, as int64; turn it into float32 with `.float()` or `.to`.",
            ),
            Wrong(
                lambda labels, num_classes: (torch.arange(num_classes)[:, None] == labels).float(),
                "this table is (C, N), a row for each class; each label shall have a row, so"
                " put the labels along axis 0.",
            ),
            Wrong(
                lambda labels, num_classes: torch.eye(int(labels.max()) + 1)[labels],
                "you took the number of columns from the largest label; classes that do not"
                " occur need a column too, so use `num_classes`.",
            ),
            Wrong(
                lambda labels, num_classes: (labels[:, None] == labels.unique()).float(),
                "there are columns only for the labels that occur; every class needs one, so"
                " compare with `torch.arange(num_classes)`.",
            ),
            Wrong(
                _coloured_rows,
                "`rows[labels] = 1` fills whole *rows*, number labels[i]; row i needs one 1, in"
                " column labels[i]: `rows[torch.arange(N), labels] = 1`.",
            ),
            Wrong(
                lambda labels, num_classes: (
                    labels[:, None] == torch.arange(1, num_classes + 1)
                ).float(),
                "your columns count from 1; the labels count from 0, so label 0 found no column.",
            ),
            Wrong(
                lambda labels, num_classes: torch.eye(num_classes)[labels - 1],
                "every 1 stands one column too far to the left; the labels count from 0, as"
                " the columns do.",
            ),
            Wrong(
                _coloured_columns,
                "`[:, labels]` means all the rows, so whole columns became 1; row i needs a 1"
                " in column labels[i] alone, `rows[torch.arange(N), labels]`.",
            ),
            Wrong(
                lambda labels, num_classes: (labels[:, None] != torch.arange(num_classes)).float(),
                "0s and 1s are the wrong way round; the 1 belongs where column and label are"
                " equal.",
            ),
        ),
        hints=(
            "Entry [i, j] answers a question: is label i equal to j?",
            "Compare `labels` as a column, (N, 1), with `torch.arange(num_classes)`, (C,).",
            "`labels[:, None] == torch.arange(num_classes)` is the table as booleans.",
        ),
        because="the short way: `labels[:, None] == torch.arange(num_classes)` asks all N·C"
        " questions at once.",
        inputs=_labels,
    ),
)

"""The exercises of notebook 01: shapes, views, rows made comparable, distances, one-hot rows."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot as whole_number_one_hot

from exercises.exercise import ERRORS, Exercise, Wrong, in_turn, wrongs
from exercises.stages import Looping, staged


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


def _square_matrix(generator: Generator) -> tuple[Tensor]:
    """Draw as many rows as columns, so that a missing keepdim gives no error, but wrong values."""
    size = in_turn(generator, 4, 8)
    noise = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return (noise + 3 * torch.arange(size)[:, None],)


def _two_sets_of_points(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw N points and M points of D coordinates, three different sizes."""
    n = in_turn(generator, 5, 8)
    a = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    b = torch.randn(n + 3, 4, generator=generator, dtype=torch.float64)
    return a, b + 1


def _labels(generator: Generator) -> tuple[Tensor, int]:
    """Draw labels with repetitions, without class 1 and the last; more of them than classes."""
    num_classes = in_turn(generator, 6, 10)
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


def _divided_by_range(x: Tensor) -> Tensor:
    """Squeeze each row into 0 to 1: another way to make rows comparable."""
    low = x.amin(dim=1, keepdim=True)
    return (x - low) / (x.amax(dim=1, keepdim=True) - low)


def _over_rows(x: Tensor) -> Tensor:
    """Divide by N − 1, the number of rows, where D − 1 is meant."""
    distances = x - x.mean(dim=1, keepdim=True)
    return distances / (distances.square().sum(dim=1, keepdim=True) / (len(x) - 1)).sqrt()


def _label_in_its_column(labels: Tensor, num_classes: int) -> Tensor:
    """Write the label itself where the 1 belongs."""
    return one_hot(labels, num_classes) * labels[:, None]


# What is compared: a mistake shows on the first inputs, a coincidence on the others -------------


def _square_and_wide(answer: Callable[..., Any], x: Tensor) -> dict[str, Any]:
    stages = {"a square x": (x,), "its first three rows": (x[:3],), "its first row": (x[:1],)}
    return staged(answer, standardise_rows, stages, rtol=1e-4, larger=(x.repeat(2, 2),))


def _tables(answer: Callable[..., Any], a: Tensor, b: Tensor) -> dict[str, Any]:
    stages = {
        "the table": (a, b),
        "the table of one point and all others": (a[:1], b),
        "the table of points with one coordinate": (a[:, :1], b[:, :1]),
    }
    try:
        return staged(answer, squared_distances, stages, larger=(a.repeat(2, 2), b.repeat(2, 2)))
    except RuntimeError:
        if not _goes_row_by_row(answer, a, b):
            raise
        return {"the table": "row i beside row i alone"}


def _goes_row_by_row(answer: Callable[..., Any], a: Tensor, b: Tensor) -> bool:
    """Whether an answer that raises would not for as many points in b, but makes no table then."""
    try:
        found = answer(a.clone(), b[: len(a)].clone())
    except Exception:
        return False
    return isinstance(found, Tensor) and found.shape[:1] == (len(a),) != found.shape[1:2]


def _rows_of_labels(answer: Callable[..., Any], labels: Tensor, num_classes: int) -> dict[str, Any]:
    stages = {"the rows": (labels, num_classes), "the row of one label": (labels[:1], num_classes)}
    return staged(answer, one_hot, stages, larger=(labels.repeat(2), num_classes + 5))


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
            *wrongs(
                "the shape of `a + b` is the other way round: the 4 of (4, 1) comes first, and the"
                " 3 lies at the right, below its 1.",
                (3, 2, 4),
                (2, 3, 4),
                (3, 4, 2),
                (3, 4),
            ),
            *wrongs(
                "the axis of size 1 is stretched to 3, and not left beside it: (4, 1) and (3,) are"
                " aligned at the right and give two axes, (4, 3).",
                (4, 2, 1, 3),
                (4, 1, 3, 2),
                (4, 2, 3, 1),
                (2, 4, 1, 3),
                (4, 1, 2, 3),
            ),
            *wrongs(
                "the new axis counts the tensors that are stacked, and there are two of them.",
                (4, 3, 1),
                (4, 1, 3),
                (1, 4, 3),
            ),
            *wrongs(
                "you multiplied the sizes; `stack` keeps every axis and adds one.",
                24,
                (24,),
                (12,),
                12,
                (4, 6, 2),
            ),
            *wrongs(
                "it runs: (4, 1) and (3,) are aligned at the right, 1 above 3, and a size of 1 is"
                " stretched; so `a + b` and `a * b` have one shape and can be stacked.",
                *ERRORS,
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
**1.2 Predict.** What is `table.sum().item()` after these lines? Ask of each whether it reaches
the memory of `table`.

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
                "either you let `picked.zero_()` and `column * 2` reach `table`, and neither does:"
                " the first empties a copy, the second makes a new tensor. Or that is the sum of"
                " `column` after the last line, and asked for is that of `table`.",
            ),
            Wrong(
                10,
                "you zeroed the middle column and lost what was added; indexing with a list"
                " copies, and `column += 10` changes `table`.",
            ),
            Wrong(
                45,
                "three numbers got a 10; `view(2, 3)[:, 1]` is column 1 of a table with two rows,"
                " so it holds two numbers, 1 and 4.",
            ),
            Wrong(
                75,
                "you added 10 to all six numbers; `column` holds two of them.",
            ),
            Wrong(
                25,
                "either one 10 was added, and `column` has two entries; or that is the sum of"
                " `column`, and asked for is that of the whole `table`.",
            ),
            Wrong(
                5,
                "that is the sum of `column` at first; asked for is that of the whole `table`, at"
                " the end.",
            ),
            Wrong(
                20,
                "zeros and two 10s: is that the sum of `column` alone? Asked for is the whole"
                " `table`, and `picked` is a copy, so nothing in `table` became 0.",
            ),
            Wrong(
                0,
                "`picked.zero_()` empties `picked`, which is a copy of two numbers; `table` never"
                " sees it.",
            ),
            *wrongs(
                "you added 10 to `table` after zeroing numbers in it; indexing with a list copies,"
                " so nothing in `table` becomes 0. And `column` holds two numbers, 1 and 4.",
                40,
                70,
            ),
            Wrong(
                (0, 11, 2, 3, 14, 5),
                "that is what `table` holds, and you are right about it; asked for is its sum.",
            ),
            *wrongs(
                "all of it runs: `view(2, 3)` fits six numbers, a list in the brackets is allowed,"
                " and `column` may be changed in place.",
                *ERRORS,
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
                Looping(standardise_rows),
                "the numbers are right; but your code loops, and the exercise asks for none:"
                " `mean` and `std` with dim=1 do all rows at once.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1, keepdim=True)) / x.std(dim=0),
                "the means are each row's own, the standard deviations those of the columns; the"
                " spread must come from dim=1, with `keepdim=True`, as well.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=0)) / x.std(dim=1, keepdim=True),
                "the standard deviations are each row's own, the means those of the columns; the"
                " mean must come from dim=1, with `keepdim=True`, as well.",
            ),
            Wrong(
                lambda x: (
                    (x - x.mean(dim=1, keepdim=True))
                    / (x - x.mean(dim=1, keepdim=True)).norm(dim=1, keepdim=True)
                ),
                "you divided by the root of the *sum* of the squared distances; divide that sum by"
                " D − 1 before you take the root, or let `std` do it.",
            ),
            Wrong(
                _over_rows,
                "you divide by `len(x)` − 1, and `len` counts the rows; a row has D numbers, the"
                " length of axis 1.",
            ),
            Wrong(
                _divided_by_range,
                "each row runs from 0 to 1 now; it shall have mean 0 and standard deviation 1.",
            ),
            Wrong(
                lambda x: (x - x.std(dim=1, keepdim=True)) / x.mean(dim=1, keepdim=True),
                "mean and standard deviation are exchanged; `torch.std_mean` returns them in the"
                " order of its name.",
            ),
            Wrong(
                lambda x: (x - x.mean(dim=1, keepdim=True)) * x.std(dim=1, keepdim=True),
                "you multiplied by the standard deviation; divide by it.",
            ),
            Wrong(
                lambda x: (x + x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True),
                "you added the mean; take it away.",
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
        examples=("standardise_rows(torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 30.0]]))",),
        inputs=_square_matrix,
        probe=_square_and_wide,
        direct=True,
        rtol=1e-4,  # so that a small number below the line, against zeros there, does no harm
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
            *wrongs(
                "you summed over the points of `a`; sum over the axis of your differences that"
                " holds the coordinates: in `a[:, None] - b` the last, dim=2.",
                lambda a, b: (a[:, None] - b).square().sum(dim=0),
                lambda a, b: (a[:, None] - b).square().sum(dim=0).T,
            ),
            *wrongs(
                "you summed over the points of `b`; sum over the axis of your differences that"
                " holds the coordinates: in `a[:, None] - b` the last, dim=2.",
                lambda a, b: (a[:, None] - b).square().sum(dim=1),
                lambda a, b: (a[:, None] - b).square().sum(dim=1).T,
            ),
            Wrong(
                lambda a, b: (a - b).square().sum(dim=1),
                "with as many points in `a` as in `b` your code runs, and row i meets row i"
                " alone; every row of `a` must meet every row of `b`, so the points of `a` need"
                " an axis of their own: `a[:, None]`.",
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
            Wrong(
                lambda a, b: a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) + 2 * a @ b.T,
                "that is (a + b)², the square of the sum; of the difference it is a² − 2ab + b².",
            ),
            Wrong(
                lambda a, b: a.square().sum(dim=1)[:, None] + b.square().sum(dim=1),
                "(a − b)² is not a² + b²: the middle term, −2ab, is missing.",
            ),
            Wrong(
                lambda a, b: a.square().sum(dim=1)[:, None] - b.square().sum(dim=1),
                "(a − b)² is not a² − b²; subtract first, then square.",
            ),
            Wrong(
                lambda a, b: (a @ b.T) ** 2,
                "`a @ b.T` adds up *products* of coordinates; a distance begins with their"
                " differences, `a[:, None] - b`.",
            ),
            Wrong(
                lambda a, b: a @ b.T,
                "`a @ b.T` adds up *products* of coordinates; a distance begins with their"
                " differences, `a[:, None] - b`.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).abs().amax(dim=2),
                "you took the largest difference; the squares of all coordinates are added up.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).square().amax(dim=2),
                "you took the largest square; those of all coordinates are added up.",
            ),
            Wrong(
                lambda a, b: (a[:, None] - b).sum(dim=2),
                "you added up the differences as they are; square each one before you sum.",
            ),
            Wrong(
                Looping(squared_distances),
                "the numbers are right; but your code loops, and the exercise asks for none:"
                " `a[:, None] - b` makes all the differences at once.",
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
        probe=_tables,
        direct=True,
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
                "whole columns became 1; row i needs a 1 in column labels[i] alone. `[:, labels]`"
                " means all the rows: write `[torch.arange(N), labels]`. And if you made your rows"
                " by `expand`, they are all one and the same: begin with `torch.zeros(N, C)`.",
            ),
            Wrong(
                lambda labels, num_classes: (labels[:, None] != torch.arange(num_classes)).float(),
                "0s and 1s are the wrong way round; the 1 belongs where column and label are"
                " equal.",
            ),
            Wrong(
                lambda labels, num_classes: torch.eye(len(labels), num_classes),
                "the 1s run along the diagonal, whatever the labels are; row i needs its 1 in"
                " column labels[i].",
            ),
            Wrong(
                _label_in_its_column,
                "you wrote the label itself into its column; a 1 belongs there.",
            ),
            Wrong(
                lambda labels, num_classes: (labels[:, None] >= torch.arange(num_classes)).float(),
                "every column up to the label's holds a 1; only the label's own shall.",
            ),
            Wrong(
                lambda labels, num_classes: torch.eye(num_classes + 1)[labels],
                "there is one column too many: labels count from 0, so the last of C classes is"
                " number C − 1.",
            ),
            Wrong(
                Looping(one_hot),
                "the rows are right; but your code loops, and the exercise asks for none: one"
                " comparison, or one index, reaches all rows at once.",
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
        probe=_rows_of_labels,
        direct=True,
        strict=True,
    ),
)

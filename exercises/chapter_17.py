"""The exercises of notebook 17: processes as lists of tensors, and none is started."""

from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DistributedSampler, TensorDataset

from exercises.exercise import Exercise, Wrong

Dealt = list[list[Tensor]]
Reduced = tuple[list[Tensor], list[int]]


def _integer(generator: Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (), generator=generator))


# 14.1 --------------------------------------------------------------------------------------------


def bytes_on_a_ring() -> int:
    """Send the gradients of 17.1 round a ring of lists; return the bytes from one process."""
    n, bytes_each = 8, 4
    pieces = torch.randn(n, n, 800, dtype=torch.float64)  # process, piece, numbers
    total, sent = pieces.sum(dim=0), 0
    for step in range(2 * (n - 1)):
        moved = pieces.clone()
        for rank in range(n):
            piece, neighbour = (rank - step) % n, (rank + 1) % n
            arrived = moved[rank, piece]
            pieces[neighbour, piece] = arrived + (step < n - 1) * moved[neighbour, piece]
        sent += pieces[0, 0].numel() * bytes_each
    assert all(torch.allclose(own, total) for own in pieces)
    return sent


# 14.2 --------------------------------------------------------------------------------------------


def seen_twice() -> int:
    """Return how many of the 1,000 pictures of 17.2 are seen twice in an epoch."""
    pictures = TensorDataset(torch.arange(1000))
    samplers: list[DistributedSampler[Any]]
    samplers = [DistributedSampler(pictures, num_replicas=16, rank=rank) for rank in range(16)]
    seen = torch.bincount(torch.tensor([index for sampler in samplers for index in sampler]))
    return int((seen == 2).sum())


# 14.3 --------------------------------------------------------------------------------------------


def average(gradients: list[Tensor], counts: list[int]) -> Tensor:
    """Return the mean gradient over all samples, from each process's mean over its own."""
    weighted = [gradient * count for gradient, count in zip(gradients, counts, strict=True)]
    return sum(weighted[1:], weighted[0]) / sum(counts)


def _of_averages(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.stack(gradients).mean(dim=0)


def _not_divided(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return average(gradients, counts) * sum(counts)


def _by_processes(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return average(gradients, counts) * sum(counts) / len(counts)


def _twice_divided(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return average(gradients, counts) / len(counts)


def _divided_by_counts(gradients: list[Tensor], counts: list[int]) -> Tensor:
    parts = [gradient / count for gradient, count in zip(gradients, counts, strict=True)]
    return torch.stack(parts).sum(dim=0)


def _summed(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.stack(gradients).sum(dim=0)


def _means_as_sums(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.stack(gradients).sum(dim=0) / sum(counts)


def _gradients(generator: Generator) -> tuple[Any, ...]:
    counts = [3, 5 + _integer(generator, 0, 3), 11 + _integer(generator, 0, 3)]
    return [torch.randn(7, generator=generator, dtype=torch.float64) for _ in counts], counts


# 14.4 --------------------------------------------------------------------------------------------


def deal(order: Tensor, batch_size: int, size: int) -> Dealt:
    """Return for each process its part of every batch: each `size`-th sample from its rank on."""
    batches = order.split(batch_size)
    return [[batch[rank::size] for batch in batches] for rank in range(size)]


def _dealt_before_cutting(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [list(order[rank::size].split(batch_size)) for rank in range(size)]


def _dealt_then_cut_smaller(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [list(order[rank::size].split(batch_size // size)) for rank in range(size)]


def _whole_batches(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = order.split(batch_size)
    return [list(batches[rank::size]) for rank in range(size)]


def _everything(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [list(order.split(batch_size)) for _ in range(size)]


def _rest_dropped(order: Tensor, batch_size: int, size: int) -> Dealt:
    return deal(order[: len(order) // batch_size * batch_size], batch_size, size)


def _remainders_dropped(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = [batch[: len(batch) // size * size] for batch in order.split(batch_size)]
    return [[batch[rank::size] for batch in batches] for rank in range(size)]


def _padded(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = [torch.cat([batch, batch[: -len(batch) % size]]) for batch in order.split(batch_size)]
    return [[batch[rank::size] for batch in batches] for rank in range(size)]


def _neighbours(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = [batch.tensor_split(size) for batch in order.split(batch_size)]
    return [[batch[rank] for batch in batches] for rank in range(size)]


def _chunks(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = [batch.chunk(size) for batch in order.split(batch_size)]
    return [[batch[rank] for batch in batches] for rank in range(size)]


def _one_colon(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [[batch[rank:size] for batch in order.split(batch_size)] for rank in range(size)]


def _ranks_from_one(order: Tensor, batch_size: int, size: int) -> Dealt:
    batches = order.split(batch_size)
    return [[batch[rank::size] for batch in batches] for rank in range(1, size + 1)]


def _numbers_from_zero(order: Tensor, batch_size: int, size: int) -> Dealt:
    return deal(torch.arange(len(order)), batch_size, size)


def _by_batches(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [[batch[rank::size] for rank in range(size)] for batch in order.split(batch_size)]


def _order(generator: Generator) -> tuple[Any, ...]:
    """Return an order that is cut into two full batches of 13 and a rest, for 3 processes."""
    samples = 26 + 5 + 3 * _integer(generator, 0, 2)
    return torch.randperm(samples, generator=generator), 13, 3


# 14.5 --------------------------------------------------------------------------------------------


def all_reduce_by_doubling(tensors: list[Tensor]) -> Reduced:
    """Exchange everything with a partner twice as far away in each round, and add."""
    sent, distance = [0] * len(tensors), 1
    while distance < len(tensors):
        arrived = [tensors[rank ^ distance] for rank in range(len(tensors))]
        sent = [count + tensor.numel() for count, tensor in zip(sent, tensors, strict=True)]
        tensors = [own + other for own, other in zip(tensors, arrived, strict=True)]
        distance *= 2
    return tensors, sent


def _one_after_the_other(tensors: list[Tensor]) -> Reduced:
    tensors, sent, distance = list(tensors), [0] * len(tensors), 1
    while distance < len(tensors):
        for rank in range(len(tensors)):
            tensors[rank] = tensors[rank] + tensors[rank ^ distance]
            sent[rank] += tensors[rank].numel()
        distance *= 2
    return tensors, sent


def _one_round(tensors: list[Tensor]) -> Reduced:
    summed = [own + tensors[rank ^ 1] for rank, own in enumerate(tensors)]
    return summed, [tensor.numel() for tensor in tensors]


def _always_the_neighbour(tensors: list[Tensor]) -> Reduced:
    sent, distance = [0] * len(tensors), 1
    while distance < len(tensors):
        arrived = [tensors[rank ^ 1] for rank in range(len(tensors))]
        sent = [count + tensor.numel() for count, tensor in zip(sent, tensors, strict=True)]
        tensors = [own + other for own, other in zip(tensors, arrived, strict=True)]
        distance *= 2
    return tensors, sent


def _with(sent: Any) -> Any:
    def all_reduce(tensors: list[Tensor]) -> Any:
        summed, right = all_reduce_by_doubling(tensors)
        return summed, sent(tensors, right)

    return all_reduce


_counted_rounds = _with(lambda tensors, right: [r // tensors[0].numel() for r in right])
_like_a_ring = _with(
    lambda tensors, right: [
        2 * (len(tensors) - 1) * tensor.numel() // len(tensors) for tensor in tensors
    ]
)
_sent_to_all = _with(
    lambda tensors, right: [(len(tensors) - 1) * tensor.numel() for tensor in tensors]
)
_bytes = _with(
    lambda tensors, right: [
        count * tensor.element_size() for count, tensor in zip(right, tensors, strict=True)
    ]
)
_all_together = _with(lambda tensors, right: [sum(right)] * len(tensors))


def _averaged(tensors: list[Tensor]) -> Reduced:
    summed, sent = all_reduce_by_doubling(tensors)
    return [tensor / len(tensors) for tensor in summed], sent


def _both(answer: Any, tensors: list[Tensor]) -> Any:
    result = answer(tensors)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return result
    return {"what the processes have in the end": result[0], "what each has sent": result[1]}


def _processes(generator: Generator) -> tuple[Any, ...]:
    """Return one tensor for each of 4 or 16 processes; 48 numbers or more."""
    n, numbers = 4 ** (1 + _integer(generator, 0, 2)), 48 + 16 * _integer(generator, 0, 3)
    return ([torch.randn(numbers, generator=generator, dtype=torch.float64) for _ in range(n)],)


EXERCISES = (
    Exercise(
        number="17.1",
        prompt=(
            "**17.1 Predict.** `nn.Linear(63, 100)` has 6,400 numbers in float32. Eight processes "
            "train it with DistributedDataParallel; say that its all-reduce goes round a ring. How "
            "many bytes of gradients does *one* process send in one step?"
        ),
        stub="answer = None  # your number of bytes",
        name="answer",
        solution=bytes_on_a_ring,
        wrong=(
            Wrong(
                25_600,
                "that is the size of the gradients; on a ring every process sends nearly twice "
                "as much.",
            ),
            Wrong(
                51_200,
                "nearly: each half of the way takes n − 1 steps and not n, so that 2(n − 1)/n of "
                "the gradients are sent, not all of them twice.",
            ),
            Wrong(
                22_400,
                "that is half of the way, until each process has one finished piece; the finished "
                "pieces then travel as far again.",
            ),
            Wrong(11_200, "you counted numbers; each is four bytes in float32."),
            Wrong(89_600, "you took eight bytes for a number; that would be float64."),
            Wrong(358_400, "that is what all eight send together; the question is about one."),
            Wrong(
                179_200,
                "you let every process send all of its gradients to each of the seven others; on "
                "a ring only a piece moves at a time.",
            ),
        ),
        hints=(
            "The ring cuts the gradients into as many pieces as there are processes.",
            "In each step a process sends one piece; there are n − 1 steps until the pieces are "
            "summed, and n − 1 more until everybody has them.",
            "A piece is 6,400 / 8 = 800 numbers of four bytes, and 2 × 7 of them are sent.",
        ),
        because=(
            "14 pieces of 800 numbers of 4 bytes; with any number of processes, however large, it "
            "stays below 51,200."
        ),
    ),
    Exercise(
        number="17.2",
        prompt=(
            "**17.2 Predict.** 1,000 pictures, 16 processes, each with a `DistributedSampler` as "
            "it comes, without arguments beyond the number of processes and the rank. How many "
            "pictures are seen twice in an epoch?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=seen_twice,
        wrong=(
            Wrong(
                0,
                "1,000 does not divide by 16, and the sampler gives every process equally many: "
                "it has to repeat some.",
            ),
            Wrong(63, "that is how many one process gets; sixteen times 63 is more than 1,000."),
            Wrong(1008, "that is how many are seen in all; by how many is it more than 1,000?"),
            Wrong(
                1,
                "one was enough for 73 pictures and 2 processes; round 1,000 / 16 up and see how "
                "many sixteen such parts hold.",
            ),
            Wrong(
                15, "15 is the most that it can be; round 1,000 / 16 up and multiply by 16 again."
            ),
            Wrong(62, "you rounded 1,000 / 16 down; the sampler rounds up and repeats."),
        ),
        hints=(
            "Each process gets equally many pictures, and none is left out.",
            "1,000 / 16 = 62.5, so each gets 63.",
            "16 × 63 is 1,008, and there are 1,000 pictures.",
        ),
        because=(
            "16 × 63 = 1,008; in training eight repeats do little, but an accuracy that is "
            "measured this way is off."
        ),
    ),
    Exercise(
        number="17.3",
        prompt=(
            "**17.3 Modify.** `gradients[rank]` is the mean over the `counts[rank]` samples that "
            "this process had. The function returns the average of the averages. Change it so "
            "that it returns the mean over all samples."
        ),
        stub=("def average(gradients, counts):\n    return sum(gradients) / len(gradients)"),
        name="average",
        solution=average,
        inputs=_gradients,
        wrong=(
            Wrong(
                _of_averages,
                "this is still the average of the averages: each process counts alike, however "
                "few samples it had.",
            ),
            Wrong(
                _not_divided,
                "the weights are right, but you return a sum over samples; divide by how many "
                "samples there were.",
            ),
            Wrong(
                _by_processes,
                "you divide by the number of processes; after weighting with the counts, divide "
                "by their sum.",
            ),
            Wrong(
                _twice_divided,
                "you divide once too often: the shares add up to 1 already, so the number of "
                "processes has no place any more.",
            ),
            Wrong(
                _divided_by_counts,
                "you divide by the counts; a process with more samples must weigh more: multiply.",
            ),
            Wrong(_summed, "you add the gradients up unweighted, and nothing divides the sum."),
            Wrong(
                _means_as_sums,
                "these are means; make sums of them before you divide by the number of all "
                "samples.",
            ),
        ),
        hints=(
            "What does a mean over 5 samples have to be multiplied by, to give back their sum?",
            "Sum over the processes `gradient * count`, then divide once.",
            "Divide by `sum(counts)`; `count / sum(counts)` is the share of notebook 17.",
        ),
        because=(
            "each gradient enters with its share of the samples; in `helpers.train` each process "
            "multiplies by its share, and an all-reduce makes the sum."
        ),
    ),
    Exercise(
        number="17.4",
        prompt=(
            "**17.4 Build.** `order` is a tensor with the sample numbers of an epoch, shuffled. "
            "Write `deal(order, batch_size, size)`: cut it into batches of `batch_size`, the last "
            "may be shorter, and deal each batch out to `size` processes: rank r gets each "
            "`size`-th sample of it, beginning with number r. Return a list that holds, for each "
            "rank, the list of its parts."
        ),
        stub="def deal(order, batch_size, size):\n    return None  # your lines",
        name="deal",
        solution=deal,
        inputs=_order,
        wrong=(
            Wrong(
                _dealt_before_cutting,
                "you deal the whole order out first and cut then; so the joint batch becomes "
                "`size` times as large. Cut first.",
            ),
            Wrong(
                _dealt_then_cut_smaller,
                "you deal the whole order out and cut it into smaller batches; where the sizes "
                "do not divide, the joint batches are others than those of one process. Cut first.",
            ),
            Wrong(
                _whole_batches,
                "you give whole batches to the processes in turn; each batch has to be shared "
                "by all of them.",
            ),
            Wrong(_everything, "every process gets everything: the work is not divided at all."),
            Wrong(_rest_dropped, "you leave out the last, shorter batch; its samples count too."),
            Wrong(
                _remainders_dropped,
                "you drop samples where a batch does not divide by the number of processes; let "
                "some parts be larger by one.",
            ),
            Wrong(
                _padded,
                "you repeat samples so that all parts are equally large, as DistributedSampler "
                "does; here each sample is seen once.",
            ),
            Wrong(
                _neighbours,
                "each sample is seen once, but the parts are runs of neighbours; rank r shall get "
                "each `size`-th sample, beginning with number r.",
            ),
            Wrong(
                _chunks,
                "each sample is seen once, but the parts are runs of neighbours, and `chunk` makes "
                "the last one short; rank r shall get each `size`-th sample from number r on.",
            ),
            Wrong(
                _one_colon,
                "`[r:size]` stops at number `size`; for each `size`-th sample write `[r::size]`.",
            ),
            Wrong(_ranks_from_one, "ranks begin with 0, so the first sample goes to rank 0."),
            Wrong(
                _numbers_from_zero,
                "you deal out positions; return the sample numbers that stand in `order` there.",
            ),
            Wrong(
                _by_batches,
                "the parts are right, but sorted by batches; the outer list has one entry for "
                "each rank.",
            ),
        ),
        hints=(
            "First the batches, as one process would have them; then the parts of each.",
            "`order.split(batch_size)` gives the batches.",
            "The part of rank r is `batch[r::size]`.",
        ),
        because=(
            "each sample is seen once an epoch, and the joint batches are those of one process; "
            "`helpers.train.Shard` does the same to a loader."
        ),
    ),
    Exercise(
        number="17.5",
        prompt=(
            "**17.5 Build.** A ring of 1,024 takes 2,046 steps one after the other. Here is a way "
            "with 10. In round k = 0, 1, 2, … process r and process `r ^ 2**k` (the rank with bit "
            "k flipped) exchange all that they have, and both add what came. Write "
            "`all_reduce_by_doubling(tensors)` for a list of tensors, one for each process, whose "
            "number is a power of 2. Return two lists: the tensors in the end, and how many "
            "numbers each process has sent. Leave the given tensors as they are."
        ),
        stub="def all_reduce_by_doubling(tensors):\n    return None  # your lines",
        name="all_reduce_by_doubling",
        solution=all_reduce_by_doubling,
        inputs=_processes,
        probe=_both,
        wrong=(
            Wrong(
                _one_after_the_other,
                "within a round you pass on what has already been added to; all processes send "
                "what they had when the round began.",
            ),
            Wrong(_one_round, "you stop after the first round; go on until all bits are done."),
            Wrong(
                _always_the_neighbour,
                "the partner is the same in each round; its distance doubles: 1, 2, 4, …",
            ),
            Wrong(
                _counted_rounds,
                "the sums are right, but you counted the rounds; in each of them a process sends "
                "all of its numbers.",
            ),
            Wrong(
                _like_a_ring,
                "the sums are right, but that is what a ring would send; here everything is sent "
                "in each round.",
            ),
            Wrong(
                _sent_to_all,
                "the sums are right, but a process does not send to all the others: only to one "
                "partner in each round.",
            ),
            Wrong(
                _all_together,
                "the sums are right, but you added up what all processes send; give the number "
                "for each.",
            ),
            Wrong(_bytes, "the sums are right, but you counted bytes; give the number of numbers."),
            Wrong(_averaged, "you return the mean; an all-reduce returns the sum."),
        ),
        hints=(
            "Keep two lists within a round: what everybody had, and what everybody has after it.",
            "`arrived = [tensors[rank ^ distance] for rank in range(len(tensors))]`, with the "
            "distance 1, 2, 4, … as long as it is below the number of processes.",
            "In each round add `arrived` to `tensors`, entry by entry, into a new list, and "
            "`tensor.numel()` to what each has sent.",
        ),
        because=(
            "the number of rounds grows with the logarithm, so latency hardly matters, but each "
            "process sends log₂ n times its gradients, where a ring sends less than twice: good "
            "for small messages, bad for large ones."
        ),
    ),
)

"""The exercises of notebook 17: processes as lists of tensors, and none is started."""

from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DistributedSampler

from exercises.differences import describe, difference
from exercises.exercise import Also, Exercise, Wrong, in_turn, wrongs

Dealt = list[list[Tensor]]
Reduced = tuple[list[Tensor], list[int]]


# 17.1 --------------------------------------------------------------------------------------------


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


# 17.2 --------------------------------------------------------------------------------------------


def seen_twice() -> int:
    """Return how many of the 1,000 pictures of 17.2 are seen twice in an epoch."""
    pictures: Any = range(1000)
    seen = torch.zeros(1000, dtype=torch.int64)
    for rank in range(12):
        sampler: Any = DistributedSampler(pictures, num_replicas=12, rank=rank)
        for index in sampler:
            seen[index] += 1
    return int((seen == 2).sum())


# 17.3 --------------------------------------------------------------------------------------------


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


def _divided_by_its_share(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return _divided_by_counts(gradients, counts) * sum(counts)


def _count_below(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return _divided_by_counts(gradients, counts) / sum(counts)


def _count_below_by_processes(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return _divided_by_counts(gradients, counts) / len(counts)


def _inverse_weights(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return _divided_by_counts(gradients, counts) / sum(1 / count for count in counts)


def _summed(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.stack(gradients).sum(dim=0)


def _means_as_sums(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.stack(gradients).sum(dim=0) / sum(counts)


def _first_left_out(gradients: list[Tensor], counts: list[int]) -> Tensor:
    weighted = [g * n for g, n in zip(gradients[1:], counts[1:], strict=True)]
    return torch.stack(weighted).sum(dim=0) / sum(counts)


def _only_the_first(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return gradients[0] * counts[0] / sum(counts)


def _last_left_out(gradients: list[Tensor], counts: list[int]) -> Tensor:
    weighted = [g * n for g, n in zip(gradients[:-1], counts[:-1], strict=True)]
    return torch.stack(weighted).sum(dim=0) / sum(counts)


def _one_sample_dropped(gradients: list[Tensor], counts: list[int]) -> Tensor:
    kept = [(g, n) for g, n in zip(gradients, counts, strict=True) if n > 1]
    return torch.stack([g * n for g, n in kept]).sum(dim=0) / sum(counts)


def _as_if_without_it(gradients: list[Tensor], counts: list[int]) -> Tensor:
    kept = [(g, n) for g, n in zip(gradients, counts, strict=True) if n > 1]
    return average([g for g, _ in kept], [n for _, n in kept])


def _by_the_largest(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return average(gradients, counts) * sum(counts) / max(counts)


def _over_entries(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return average(gradients, counts).mean()


def _not_summed(gradients: list[Tensor], counts: list[int]) -> Tensor:
    weighted = [g * n / sum(counts) for g, n in zip(gradients, counts, strict=True)]
    return torch.stack(weighted)


def _gradients(generator: Generator) -> tuple[Any, ...]:
    counts = [3, 1, 5 + in_turn(generator, 0, 3), 11 + in_turn(generator, 0, 3)]
    return [torch.randn(7, generator=generator, dtype=torch.float64) for _ in counts], counts


# 17.4 --------------------------------------------------------------------------------------------


def deal(order: Tensor, batch_size: int, size: int) -> Dealt:
    """Return for each process its part of every batch: every `size`-th sample from its rank on."""
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


def _positions(order: Tensor, batch_size: int, size: int) -> Dealt:
    places = torch.arange(len(order)).split(batch_size)
    return [[order[batch[batch % size == rank]] for batch in places] for rank in range(size)]


def _one_part_each(order: Tensor, batch_size: int, size: int) -> list[Tensor]:
    return [order[rank::size] for rank in range(size)]


def _joined(order: Tensor, batch_size: int, size: int) -> list[Tensor]:
    return [torch.cat(parts) for parts in deal(order, batch_size, size)]


def _sorted_first(order: Tensor, batch_size: int, size: int) -> Dealt:
    return deal(order.sort().values, batch_size, size)


def _by_batch_size(order: Tensor, batch_size: int, size: int) -> Dealt:
    return [[b[rank::batch_size] for b in order.split(batch_size)] for rank in range(size)]


def _no_empty_parts(order: Tensor, batch_size: int, size: int) -> Dealt:
    ranks = deal(order, batch_size, size)
    return [[part for part in parts if len(part)] for parts in ranks]


def _lists_of_numbers(order: Tensor, batch_size: int, size: int) -> list[list[list[int]]]:
    return [[part.tolist() for part in parts] for parts in deal(order, batch_size, size)]


def _one_sample_lost(order: Tensor, batch_size: int, size: int) -> Dealt:
    is_lost = len(order) % batch_size == 1
    return deal(order[:-1] if is_lost else order, batch_size, size)


def _short_rest_lost(order: Tensor, batch_size: int, size: int) -> Dealt:
    rest = len(order) % batch_size
    return deal(order[: len(order) - rest] if rest < size else order, batch_size, size)


def _empty_batch_added(order: Tensor, batch_size: int, size: int) -> Dealt:
    ranks = deal(order, batch_size, size)
    return ranks if len(order) % batch_size else [[*parts, order[:0]] for parts in ranks]


_PARTS, _KINDS = "the list of the ranks", "what a part is"


def _dealt(answer: Any, order: Tensor, batch_size: int, size: int) -> Any:
    """Return the parts; while they are right, also their kind, and those of special last batches.

    Parts that are lists of numbers are compared as tensors.
    """
    ranks = answer(order, batch_size, size)
    found = {_PARTS: _as_tensors(ranks)}
    if ranks is None:
        return found
    if difference(found[_PARTS], deal(order, batch_size, size)) is not None:
        return found | {_KINDS: None}
    kinds = {"a list" if _is_list(part) else "a tensor" for parts in ranks for part in parts}
    found[_KINDS] = " or ".join(sorted(kinds))
    for words, rest in _last_batches(batch_size, size).items():
        cut = order[: batch_size + rest]
        found[name := f"{_PARTS}, if the last batch {words}"] = _as_tensors(
            answer(cut.clone(), batch_size, size)
        )
        if difference(found[name], deal(cut, batch_size, size)) is not None:
            break
    return found


def _last_batches(batch_size: int, size: int) -> dict[str, int]:
    """Return how many samples a last batch may have, with words for it."""
    return {
        "is full": batch_size,
        "has fewer samples than there are processes": size - 1,
        "has one sample": 1,
    }


def _as_tensors(ranks: Any) -> Any:
    if not _is_list(ranks):
        return ranks
    return [list(map(_tensor, parts)) if _is_list(parts) else parts for parts in ranks]


def _is_list(parts: Any) -> bool:
    return isinstance(parts, list | tuple)


def _tensor(part: Any) -> Any:
    is_numbers = _is_list(part) and all(isinstance(n, int | Tensor) for n in part)
    try:
        return torch.tensor([int(n) for n in part]) if is_numbers else part
    except (TypeError, ValueError, RuntimeError):  # tensors of more than one number
        return part


def _order(generator: Generator) -> tuple[Any, ...]:
    """Return an order that is cut into two full batches and a rest, and a number of processes.

    No batch divides by that number, and each process has samples of the rest. The sample numbers
    are not those from 0 on, so that they are no positions.
    """
    kinds = [(13, 3, 5), (14, 4, 7), (10, 3, 8)]
    batch_size, size, rest = kinds[generator.initial_seed() % 3]
    order = 100 + torch.randperm(2 * batch_size + rest, generator=generator)
    return order, batch_size, size


# 17.5 --------------------------------------------------------------------------------------------


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


def _times_k(tensors: list[Tensor]) -> Reduced:
    summed, (_, sent) = list(tensors), all_reduce_by_doubling(tensors)
    for k in range((len(tensors) - 1).bit_length()):
        summed = [own + summed[rank ^ 2 * k] for rank, own in enumerate(summed)]
    return summed, sent


def _partners_alone(tensors: list[Tensor]) -> Reduced:
    summed, (_, sent) = list(tensors), all_reduce_by_doubling(tensors)
    for k in range((len(tensors) - 1).bit_length()):
        summed = [summed[rank ^ 2**k] for rank in range(len(tensors))]
    return summed, sent


def _always_the_first_tensors(tensors: list[Tensor]) -> Reduced:
    summed, (_, sent) = list(tensors), all_reduce_by_doubling(tensors)
    for k in range((len(tensors) - 1).bit_length()):
        summed = [own + tensors[rank ^ 2**k] for rank, own in enumerate(summed)]
    return summed, sent


def _last_round_left_out(tensors: list[Tensor]) -> Reduced:
    summed, sent = list(tensors), [0] * len(tensors)
    for k in range((len(tensors) - 1).bit_length() - 1):
        summed = [own + summed[rank ^ 2**k] for rank, own in enumerate(summed)]
        sent = [count + tensor.numel() for count, tensor in zip(sent, tensors, strict=True)]
    return summed, sent


def _half_as_many_rounds(tensors: list[Tensor]) -> Reduced:
    n, sent = len(tensors), [0] * len(tensors)
    for k in range(n // 2):
        tensors = [own + tensors[rank ^ 2**k] for rank, own in enumerate(tensors)]
        sent = [count + tensor.numel() for count, tensor in zip(sent, tensors, strict=True)]
    return tensors, sent


def _half_as_many_on_a_ring(tensors: list[Tensor]) -> Reduced:
    n, sent = len(tensors), [0] * len(tensors)
    for k in range(n // 2):
        tensors = [own + tensors[(rank ^ 2**k) % n] for rank, own in enumerate(tensors)]
        sent = [count + tensor.numel() for count, tensor in zip(sent, tensors, strict=True)]
    return tensors, sent


def _one_for_all(tensors: list[Tensor]) -> Reduced:
    _, sent = all_reduce_by_doubling(tensors)
    return [torch.stack(tensors).sum(dim=0)] * len(tensors), sent


def _one_for_partners(tensors: list[Tensor]) -> Reduced:
    summed, sent = all_reduce_by_doubling(tensors)
    half = len(tensors) // 2
    return [*summed[:half], *summed[:half]], sent


def _one_for_neighbours(tensors: list[Tensor]) -> Reduced:
    summed, sent = all_reduce_by_doubling(tensors)
    return [summed[rank & ~1] for rank in range(len(tensors))], sent


def _round_a_ring(tensors: list[Tensor]) -> Reduced:
    n, (_, sent) = len(tensors), all_reduce_by_doubling(tensors)
    summed = [tensor.clone() for tensor in tensors]
    for k in range((n - 1).bit_length()):
        summed = [own + summed[(rank + 2**k) % n] for rank, own in enumerate(summed)]
    return summed, sent


def _sums_alone(tensors: list[Tensor]) -> list[Tensor]:
    return all_reduce_by_doubling(tensors)[0]


def _as_they_were(tensors: list[Tensor]) -> Reduced:
    return tensors, all_reduce_by_doubling(tensors)[1]


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
_rows = _with(lambda tensors, right: [r // tensors[0].numel() * len(tensors[0]) for r in right])
_once = _with(lambda tensors, right: [tensor.numel() for tensor in tensors])
_both_ways = _with(lambda tensors, right: [2 * r for r in right])
_as_number = _with(lambda tensors, right: right[0])
_all_together = _with(lambda tensors, right: [sum(right)] * len(tensors))


def _averaged(tensors: list[Tensor]) -> Reduced:
    summed, sent = all_reduce_by_doubling(tensors)
    return [tensor / len(tensors) for tensor in summed], sent


_SHARED = "tensors that share their memory"
_PARTNERS = "whether each adds what its partner has, round by round"


def _both(answer: Any, tensors: list[Tensor]) -> Any:
    try:
        result = answer(tensors)
    except IndexError:
        if len(tensors) < 8 or not _is_right_for_four(answer):
            raise
        return {"what comes back": "an IndexError, with 8 processes or more"}
    if not isinstance(result, tuple | list) or len(result) != 2:
        return None if result is None else {"what comes back": _kind(result)}
    found = {
        "what comes back": "two lists",
        "what the processes have in the end": result[0],
        "what each has sent": result[1],
    }
    if difference(found["what the processes have in the end"], _sums(tensors)) is None:
        found[_SHARED] = _how_many_share(result[0], tensors)
        is_right = difference(result[1], all_reduce_by_doubling(tensors)[1]) is None
        if is_right and not found[_SHARED]:
            found[_PARTNERS] = _adds_its_partners(answer)
    return found


def _is_right_for_four(answer: Any) -> bool:
    numbers = [torch.tensor([n]) for n in (1.0, 2.0, 4.0, 8.0)]
    return difference(answer(numbers)[0], _sums(numbers)) is None


def _adds_its_partners(answer: Any) -> bool:
    """Whether numbers are added in the order of the rounds, of which their rounding tells."""
    huge = 2.0**53
    numbers = [torch.tensor([n], dtype=torch.float64) for n in (huge, 1.0, 1.0, -huge)]
    summed, _ = answer([number.clone() for number in numbers])
    return all(map(torch.equal, summed, all_reduce_by_doubling(numbers)[0]))


def _kind(result: Any) -> str:
    is_list = isinstance(result, list | tuple) and bool(result)
    tensors_alone = is_list and all(isinstance(part, Tensor) for part in result)
    return "tensors alone" if tensors_alone else describe(result)


def _sums(tensors: list[Tensor]) -> list[Tensor]:
    return [torch.stack(tensors).sum(dim=0)] * len(tensors)


def _how_many_share(results: list[Tensor], given: list[Tensor]) -> int:
    """Return how many results lie where another one, or a given tensor, lies."""
    places = [tensor.data_ptr() for tensor in (*results, *given)]
    return len(places) - len(set(places))


def _processes(generator: Generator) -> tuple[Any, ...]:
    """Return one matrix for each of 4 or 16 processes; 48 numbers or more."""
    n, shape = 4 ** (1 + generator.initial_seed() % 2), (6, 8 + 4 * in_turn(generator, 0, 3))
    return ([torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n)],)


EXERCISES = (
    Exercise(
        number="17.1",
        prompt=(
            "**17.1 Predict.** `nn.Linear(63, 100)` has 6,400 numbers in float32. Eight processes "
            "train it with DistributedDataParallel; suppose its all-reduce goes round a ring. How "
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
                "nearly: each half of the way takes n − 1 rounds and not n, so that 2(n − 1)/n of "
                "the gradients are sent, not all of them twice.",
            ),
            Wrong(
                22_400,
                "that is half of the way, until each process has one finished piece; the finished "
                "pieces then travel as far again.",
            ),
            Wrong(11_200, "you counted numbers; each is four bytes in float32."),
            Wrong(
                89_600,
                "that is twice as much. Did you count what arrives as well? Only what is sent is "
                "asked for. Or did you take eight bytes for a number? In float32 it has four.",
            ),
            Wrong(
                358_400,
                "that is eight times too much. Is it what all eight send together? Did you count "
                "bits? Or does the whole gradient go in each of the 14 rounds? One process sends "
                "one piece a round, and bytes are asked for.",
            ),
            Wrong(
                2 * 8 / 7 * 25_600,
                "the factor is upside down: 2(n − 1)/n of the gradients are sent, less than twice.",
            ),
            Wrong(3_200, "that is one piece; a process sends one in each round."),
            Wrong(800, "that is how many numbers a piece has; a process sends many, of 4 bytes."),
            Wrong(48_000, "that is 15 pieces; each half of the way takes n − 1 = 7 rounds."),
            Wrong(5_600, "you counted the numbers, and half of the way only."),
            Wrong(204_800, "that is what all eight hold together; the question is what one sends."),
            Wrong(
                44_100,
                "the bias belongs to the 6,400 numbers as well: 63 · 100 + 100.",
            ),
            Wrong(
                179_200,
                "that is 7 × 25,600. Did you let every process send everything to each of the "
                "seven others? Or in each of 7 rounds? On a ring a process sends one piece a "
                "round, to one neighbour. Or is one half of the way counted for all eight?",
            ),
        ),
        also=(
            Also(44.8, "44.8 kilobytes are 44,800 bytes"),
            Also(43.75, "43.75 KiB are 44,800 bytes"),
            Also(0.0448, "0.0448 megabytes are 44,800 bytes"),
        ),
        hints=(
            "The ring cuts the gradients into as many pieces as there are processes, and in each "
            "round a process sends one. How many bytes has a piece, and how many rounds are there?",
            "In each round a process sends one piece; there are n − 1 rounds until the pieces are "
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
            "**17.2 Predict.** 1,000 pictures, 12 processes, each with a `DistributedSampler` as "
            "it comes, without arguments beyond the number of processes and the rank. How many "
            "pictures are seen twice in an epoch?"
        ),
        stub="answer = None  # your number",
        name="answer",
        solution=seen_twice,
        wrong=(
            Wrong(
                0,
                "1,000 does not divide by 12, and the sampler gives every process equally many: "
                "it has to repeat some.",
            ),
            Wrong(84, "that is how many one process gets; twelve times 84 is more than 1,000."),
            Wrong(1008, "that is how many are seen in all; by how many is it more than 1,000?"),
            Wrong(
                1,
                "one was enough for 73 pictures and 2 processes; round 1,000 / 12 up and see how "
                "many twelve such parts hold.",
            ),
            Wrong(
                4,
                "that is the rest when 1,000 is divided by 12: so many are left over when each "
                "process has 83. The sampler leaves none out, but fills the parts up.",
            ),
            Wrong(
                12, "not each process repeats one; fill twelve equal parts and count the excess."
            ),
            Wrong(
                11, "11 is the most that it can be; round 1,000 / 12 up and multiply by 12 again."
            ),
            Wrong(83, "you rounded 1,000 / 12 down; the sampler rounds up and repeats."),
            Wrong(996, "that is 12 × 83, and 4 pictures would be left out; the sampler rounds up."),
            Wrong(1000, "every picture is seen, but only few are seen twice."),
            Wrong(992, "that is how many are seen once."),
        ),
        hints=(
            "Each process gets equally many pictures, and none is left out: how many has each, "
            "and how many have all together?",
            "1,000 / 12 = 83.3, so each gets 84.",
            "12 × 84 is 1,008, and there are 1,000 pictures.",
        ),
        because=(
            "12 × 84 = 1,008; in training eight repeats do little, but an accuracy that is "
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
        examples=("average([torch.tensor([1.0]), torch.tensor([5.0])], [3, 1])",),
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
            *wrongs(
                "you divide by the counts; a process with more samples must weigh more: multiply.",
                *(_divided_by_counts, _divided_by_its_share),
                *(_count_below, _count_below_by_processes),
            ),
            Wrong(
                _inverse_weights,
                "your weights are upside down, 1 / count: a process with more samples must weigh "
                "more, in proportion to its count.",
            ),
            Wrong(_first_left_out, "the first process is left out: ranks begin with 0."),
            Wrong(_last_left_out, "the last process is left out."),
            *wrongs(
                "a process with one sample is left out; this sample counts like every other.",
                *(_one_sample_dropped, _as_if_without_it),
            ),
            Wrong(_only_the_first, "only the first process is there; add up all of them."),
            Wrong(_by_the_largest, "you divide by the largest count; divide by the sum of all."),
            Wrong(
                _over_entries,
                "you also take the mean over the gradient's entries; only samples are averaged.",
            ),
            Wrong(
                _not_summed,
                "the parts are weighted rightly, but not yet added up over the processes.",
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
            "each gradient enters with its share of the samples; in `helpers.parallel` each "
            "process multiplies by its share, and an all-reduce makes the sum."
        ),
    ),
    Exercise(
        number="17.4",
        prompt=(
            "**17.4 Build.** `order` is a tensor with the sample numbers of an epoch, shuffled. "
            "Write `deal(order, batch_size, size)`: cut it into batches of `batch_size`, the last "
            "may be shorter, and deal each batch out to `size` processes: rank r gets every "
            "`size`-th sample of it, beginning with number r. Return a list that holds, for each "
            "rank, the list of its parts, one tensor for each batch."
        ),
        stub="def deal(order, batch_size, size):\n    return None  # your lines",
        name="deal",
        solution=deal,
        inputs=_order,
        probe=_dealt,
        direct=True,
        examples=("deal(torch.tensor([7, 3, 9, 1, 8]), 4, 2)", "deal(torch.arange(9), 3, 2)"),
        wrong=(
            Wrong(
                _dealt_before_cutting,
                "the joint batch is `size` times too large: `batch_size` counts the samples of "
                "all processes together. Cut first, into batches of `batch_size`; then deal out.",
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
            Wrong(
                _positions,
                "you deal by the position in the whole order; within each batch the first sample "
                "goes to rank 0 again.",
            ),
            Wrong(
                _one_part_each,
                "there are no batches: each rank has one part of the whole order. Cut first, then "
                "deal out each batch.",
            ),
            Wrong(_joined, "each rank's parts are joined; keep one tensor for each batch."),
            Wrong(_sorted_first, "you sort the samples; their order was drawn, so leave it."),
            Wrong(
                _by_batch_size,
                "you take each `batch_size`-th sample; a rank gets every `size`-th.",
            ),
            Wrong(
                _one_sample_lost,
                "a last batch of one sample gets lost. Does a range or a comparison stop at "
                "`len(order) - 1`? It must go on to `len(order)`.",
            ),
            Wrong(
                _short_rest_lost,
                "a last batch gets lost if it has fewer samples than there are processes; they "
                "count too, and some of its parts are empty.",
            ),
            Wrong(
                _empty_batch_added,
                "where `batch_size` divides the length of `order` you make one batch too many, an "
                "empty one.",
            ),
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
                "every `size`-th sample, beginning with number r.",
            ),
            Wrong(
                _chunks,
                "each sample is seen once, but the parts are runs of neighbours, and `chunk` makes "
                "the last one short; rank r shall get every `size`-th sample from number r on.",
            ),
            Wrong(
                _one_colon,
                "`[r:size]` stops at number `size`; for every `size`-th sample write `[r::size]`.",
            ),
            Wrong(
                _no_empty_parts,
                "you leave out parts that are empty, as they are where the last batch has fewer "
                "samples than there are processes; return one tensor for each batch, empty or not.",
            ),
            Wrong(
                _lists_of_numbers,
                "the samples are the right ones, but your parts are lists; return one tensor for "
                "each batch, such as `batch[r::size]`.",
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
            "`helpers.parallel.Shard` does the same to a loader."
        ),
    ),
    Exercise(
        number="17.5",
        prompt=(
            "**17.5 Build.** A ring of 1,024 takes 2,046 rounds one after the other. Here is a way "
            "with 10. In round k = 0, 1, 2, … process r and process `r ^ 2**k` (the rank with bit "
            "k flipped) send each other the whole tensor that they have by then, and both add what "
            "came. Write `all_reduce_by_doubling(tensors)` for a list of tensors of one shape, one "
            "for each process; there are 2, 4, 8 or another power of 2 of them. Return two "
            "lists: the tensors in the end, each with memory of its own, and how many numbers each "
            "process has sent. Leave the given tensors as they are."
        ),
        stub="def all_reduce_by_doubling(tensors):\n    return None  # your lines",
        name="all_reduce_by_doubling",
        solution=all_reduce_by_doubling,
        inputs=_processes,
        probe=_both,
        examples=tuple(
            f"all_reduce_by_doubling([{', '.join(parts)}])"
            for parts in (
                ["torch.tensor([1.0, 10.0])", "torch.tensor([2.0, 20.0])"],
                [f"torch.tensor([{n}.0])" for n in (1, 2, 4, 8)],
                ["torch.ones(2, 3)"] * 2,
            )
        ),
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
                _times_k,
                "`r ^ 2 * k` flips no single bit: `*` comes before `^`. Bit k is `2**k`.",
            ),
            Wrong(
                _partners_alone,
                "you take over what the partner has, in place of adding it to your own.",
            ),
            Wrong(
                _always_the_first_tensors,
                "in each round you add what the partner had at the very beginning; it sends what "
                "it has by then.",
            ),
            Wrong(
                _last_round_left_out, "the last round is missing: go on until all bits are done."
            ),
            *wrongs(
                "with 8 processes or more there are too many rounds: 8 need three, k = 0, 1, 2, "
                "since bit 3 (`2**3`) leads to a rank 8 that is not there, and `n // 2` is 4. Go "
                "on while `2**k < n`.",
                *(_half_as_many_rounds, _half_as_many_on_a_ring),
            ),
            *wrongs(
                "the sums are right, but several processes share one tensor: what changes it for "
                "one changes it for the other. Each has memory of its own, so make the sum once "
                "for each of two partners, or `clone()` it.",
                *(_one_for_all, _one_for_partners, _one_for_neighbours),
            ),
            Wrong(
                _round_a_ring,
                "the sums are right, but they do not come about as asked: in round k rank r adds "
                "what rank `r ^ 2**k` has by then, and that one what rank r has.",
            ),
            Wrong(
                _sums_alone,
                "you return the tensors alone; return two lists, the tensors and how many numbers "
                "each process has sent.",
            ),
            Wrong(_as_they_were, "you return the tensors as they came; nothing is added."),
            Wrong(
                _rows,
                "the sums are right, but `len` counts rows; `tensor.numel()` counts the numbers.",
            ),
            Wrong(
                _once, "the sums are right, but that is what a process sends in one round alone."
            ),
            Wrong(
                _both_ways,
                "the sums are right, but you count what arrives as well; give what is sent.",
            ),
            Wrong(
                _as_number,
                "the sums are right; return what each process has sent as a list, one number for "
                "each.",
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
                "the sums are right, but the number is too large: a process sends to one partner a "
                "round, not to all the others, and what it sends has the same size in each round.",
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

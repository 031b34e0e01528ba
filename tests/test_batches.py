"""helpers.batches: the images and labels of an epoch, each once, in an order that comes back."""

import json

import pytest
import torch

from helpers.batches import BatchLoader


def tensors(count: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that carry their own number, and labels equal to it."""
    numbers = torch.arange(count)
    return numbers.to(torch.uint8).view(-1, 1, 1).repeat(1, 28, 28), numbers


def order_of(loader: BatchLoader) -> list[int]:
    return torch.cat([labels for _, labels in loader]).tolist()


def test_batches_are_the_images_divided_by_255() -> None:
    images = torch.arange(4 * 784).remainder(256).to(torch.uint8).view(4, 28, 28)
    loader = BatchLoader(images, torch.tensor([3, 1, 2, 0]), 3)
    batches = list(loader)
    assert [tuple(batch.shape) for batch, _ in batches] == [(3, 1, 28, 28), (1, 1, 28, 28)]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), images.unsqueeze(1) / 255)
    assert torch.cat([labels for _, labels in batches]).tolist() == [3, 1, 2, 0]
    assert batches[0][0].dtype == torch.float32
    assert batches[0][1].dtype == torch.int64
    assert len(loader) == len(batches) == 2


@pytest.mark.parametrize(("count", "batch_size", "length"), [(10, 5, 2), (10, 4, 3), (3, 256, 1)])
def test_length_counts_the_short_last_batch(count: int, batch_size: int, length: int) -> None:
    loader = BatchLoader(*tensors(count), batch_size)
    assert len(loader) == len(list(loader)) == length


def test_attributes_and_repr() -> None:
    loader = BatchLoader(*tensors(), 4)
    assert (loader.num_samples, loader.num_classes, loader.batch_size) == (10, 10, 4)
    assert loader.source == "tensors"
    assert loader.images.shape == (10, 1, 28, 28)
    assert loader.images.dtype == torch.uint8
    assert repr(loader) == (
        "BatchLoader(10 images of 28x28, 10 classes, batch_size=4, shuffle=False, seed=0, "
        "source='tensors', device='cpu')"
    )


def test_four_dimensions_and_other_sizes() -> None:
    images = torch.zeros(2, 1, 32, 20, dtype=torch.uint8)
    batch, _ = next(iter(BatchLoader(images, torch.zeros(2, dtype=torch.int64), 2)))
    assert batch.shape == (2, 1, 32, 20)


def test_an_epoch_visits_every_sample_once_and_keeps_the_labels() -> None:
    loader = BatchLoader(*tensors(100), 7, shuffle=True)
    for _ in range(3):
        seen = []
        for images, labels in loader:
            assert torch.equal((images[:, 0, 5, 5] * 255).round().long(), labels)
            seen += labels.tolist()
        assert sorted(seen) == list(range(100))


def test_orders_differ_between_epochs_and_seeds() -> None:
    loaders = [BatchLoader(*tensors(100), 10, shuffle=True, seed=seed) for seed in range(3)]
    orders = [tuple(order_of(loader)) for loader in loaders for _ in range(3)]
    assert len(set(orders)) == 9
    assert tuple(range(100)) not in orders


def test_the_same_seed_gives_the_same_orders() -> None:
    first, second = (BatchLoader(*tensors(100), 10, shuffle=True, seed=5) for _ in range(2))
    assert [order_of(first) for _ in range(3)] == [order_of(second) for _ in range(3)]


def test_without_shuffle_the_order_stays() -> None:
    loader = BatchLoader(*tensors(), 3)
    assert order_of(loader) == order_of(loader) == list(range(10))


def test_state_dict_brings_the_orders_back() -> None:
    loader = BatchLoader(*tensors(100), 10, shuffle=True, seed=4)
    order_of(loader)
    state = json.loads(json.dumps(loader.state_dict()))
    assert state == {"seed": 4, "epoch": 1, "batch_size": 10, "num_samples": 100}
    expected = [order_of(loader) for _ in range(2)]
    for kept in (state, {"seed": 4, "epoch": 1}):
        resumed = BatchLoader(*tensors(100), 10, shuffle=True)
        resumed.load_state_dict(kept)
        assert [order_of(resumed) for _ in range(2)] == expected


GOOD = {"seed": 1, "epoch": 2, "batch_size": 3, "num_samples": 10}


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (None, ValueError, "state must be a dict with the keys seed and epoch, got None"),
        ([("seed", 1), ("epoch", 2)], ValueError, "state must be a dict"),
        ({}, ValueError, "state must be a dict"),
        ({"seed": 1, "num_samples": 10}, ValueError, "state must be a dict"),
        (GOOD | {"more": 3}, ValueError, "state must be a dict"),
        (GOOD | {"epoch": -1}, ValueError, r"state\['epoch'\] must be 0 or more, got -1"),
        (GOOD | {"seed": 1.5}, TypeError, r"state\['seed'\] must be an int, got 1.5"),
        (GOOD | {"seed": True}, TypeError, r"state\['seed'\] must be an int, got True"),
        (GOOD | {"batch_size": "3"}, TypeError, r"state\['batch_size'\] must be an int, got '3'"),
        (GOOD | {"batch_size": 4}, ValueError, "batch_size must be 4, as in the state, got 3"),
        (GOOD | {"num_samples": 9}, ValueError, "num_samples must be 9, as in the state, got 10"),
    ],
)
def test_a_bad_state_changes_nothing(state: object, error: type, message: str) -> None:
    """With another batch size, the batches of a resumed training would not be those it missed."""
    loader = BatchLoader(*tensors(10), 3, seed=8)
    with pytest.raises(error, match=message):
        loader.load_state_dict(state)
    assert loader.state_dict() == GOOD | {"seed": 8, "epoch": 0}
    loader.load_state_dict(GOOD)
    assert loader.state_dict() == GOOD


def test_two_iterators_do_not_disturb_each_other() -> None:
    loader = BatchLoader(*tensors(100), 10, shuffle=True, seed=1)
    alone = BatchLoader(*tensors(100), 10, shuffle=True, seed=1)
    pairs = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    first, second = (
        [i for batch in batches for i in batch] for batches in zip(*pairs, strict=True)
    )
    assert (first, second) == (order_of(alone), order_of(alone))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(BatchLoader(*tensors(), 3, shuffle=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_changing_a_batch_does_not_change_the_data() -> None:
    for shuffle in (False, True):
        loader = BatchLoader(*tensors(), 10, shuffle=shuffle)
        images, labels = next(iter(loader))
        images.zero_()
        labels.zero_()
        assert torch.equal(loader.labels, tensors()[1])
        assert torch.equal(loader.images.squeeze(1), tensors()[0])


@pytest.mark.parametrize("name", ["batch_size", "seed"])
@pytest.mark.parametrize("value", [-1, 2.0, True, "8", None])
def test_bad_numbers(name: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must be .*got {value!r}"):
        BatchLoader(*tensors(), **{"batch_size": 2, name: value})


def test_no_images_a_batch() -> None:
    with pytest.raises(ValueError, match=r"^batch_size must be 1 or more, got 0"):
        BatchLoader(*tensors(), 0)


GOOD_IMAGES, GOOD_LABELS = tensors(4)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (GOOD_IMAGES.tolist(), GOOD_LABELS, TypeError, "images must be a tensor .*, got list"),
        (
            GOOD_IMAGES.float(),
            GOOD_LABELS,
            TypeError,
            "images must be a tensor .*, got torch.float32",
        ),
        (GOOD_IMAGES[0], GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES.view(2, 2, 28, 28), GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES[:0], GOOD_LABELS[:0], ValueError, "images must be of shape"),
        (GOOD_IMAGES[:, :0], GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES.view(4, 1, 1, 28, 28), GOOD_LABELS, ValueError, "images must be of shape"),
        (torch.tensor(7, dtype=torch.uint8), GOOD_LABELS, ValueError, "images must be of shape"),
        (GOOD_IMAGES.numpy(), GOOD_LABELS, TypeError, "images must be a tensor .*, got ndarray"),
        (GOOD_IMAGES, GOOD_LABELS.tolist(), TypeError, "labels must be a tensor .*, got list"),
        (
            GOOD_IMAGES,
            GOOD_LABELS.float(),
            TypeError,
            "labels must be a tensor .*, got torch.float32",
        ),
        (GOOD_IMAGES, GOOD_LABELS[:3], ValueError, "labels must be of shape"),
        (GOOD_IMAGES, torch.eye(4).long(), ValueError, "labels must be of shape"),
        (GOOD_IMAGES, GOOD_LABELS - 1, ValueError, "labels must be 0 or more, got -1"),
        (GOOD_IMAGES, GOOD_LABELS.to("meta"), ValueError, "labels must be on cpu"),
    ],
)
def test_bad_tensors(images: object, labels: object, error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        BatchLoader(images, labels, 2)


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_a_convolution_makes_of_a_batch_can_be_viewed(shuffle: bool) -> None:
    """As in a first LeNet: `x.view(len(x), -1)`, which a layout with channels last refuses."""
    pictures, labels = torch.zeros(6, 28, 28, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64)
    for images, _ in BatchLoader(pictures, labels, 4, shuffle=shuffle):
        maps = torch.nn.functional.conv2d(images, torch.zeros(3, 1, 5, 5))
        assert maps.view(len(maps), -1).shape == (len(images), 3 * 24 * 24)

"""helpers.parallel: parts of a batch, one update of several processes, and how they meet."""

import os
import re
import socket

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from processes import several
from torch import nn

from helpers.batches import BatchLoader
from helpers.models import lenet
from helpers.parallel import Shard, joined, parallel, place
from helpers.training import evaluate, train_epoch

gloo = pytest.mark.skipif(not dist.is_available() or os.name == "nt", reason="needs gloo and POSIX")


def make_loader(num_samples=70, batch_size=32, **options):
    images = torch.arange(num_samples, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 2, 2)
    return BatchLoader(images, torch.arange(num_samples), batch_size, **options)


# The parts of a batch


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shards_see_every_sample_once_and_the_same_batches(world_size):
    shards = [Shard(make_loader(shuffle=True), rank, world_size) for rank in range(world_size)]
    for whole in make_loader(shuffle=True), make_loader(shuffle=True):
        whole.epoch = shards[0].loader.epoch
        seen = []
        for parts in zip(whole, *shards, strict=True):
            _, labels = parts[0]
            mine = [labels for _, labels in parts[1:]]
            assert sorted(torch.cat(mine).tolist()) == sorted(labels.tolist())
            assert sum(shard.share for shard in shards) == pytest.approx(1)
            assert max(map(len, mine)) - min(map(len, mine)) <= 1
            seen += torch.cat(mine).tolist()
        assert sorted(seen) == list(range(70))


def test_a_batch_with_nothing_for_some_process_is_refused():
    with pytest.raises(ValueError, match=r"a sample for each of 3 processes .*, got 2 in"):
        Shard(make_loader(batch_size=34), 0, 3)  # 34, 34 and 2


def test_a_shard_has_the_classes_of_the_whole_so_that_no_batch_is_looked_at():
    """On a GPU each look would make the batch wait; test_checks counts them."""
    shard = Shard(make_loader(), 1, 2)
    assert shard.num_classes == 70
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 69))
    with pytest.raises(ValueError, match=r"lie in 0\.\.68, got up to 69"):
        evaluate(model, shard)


def test_a_shard_goes_on_where_another_one_stopped():
    shard, another = (Shard(make_loader(shuffle=True), 0, 2) for _ in range(2))
    first, second = ([labels.tolist() for _, labels in shard] for _ in range(2))
    another.load_state_dict({"seed": 0, "epoch": 1})
    assert [labels.tolist() for _, labels in another] == second != first
    assert another.state_dict() == shard.state_dict()


# Several processes, one update


def updated(loader, wrap):
    """The parameters after three epochs, and the gradient of each of their batches."""
    torch.manual_seed(0)
    model = lenet().double()
    wrapped = wrap(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    gradients = []
    for _ in range(3):
        for images, labels in loader:
            loss = F.cross_entropy(wrapped(images.double()), labels)
            optimizer.zero_grad()
            loss.backward()
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
            optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()]), gradients


def compare_updates():
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (73, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (73,), generator=generator)  # batches of 32, 32 and 9
    loader = BatchLoader(images, labels, 32, shuffle=True)
    alone, gradients = updated(loader, lambda model: model)
    shard = Shard(BatchLoader(images, labels, 32, shuffle=True), rank, world_size)
    together, averaged = updated(shard, lambda model: parallel(model, shard))
    for ours, theirs in zip(averaged, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)
    everywhere = [torch.empty_like(together) for _ in range(world_size)]
    dist.all_gather(everywhere, together)
    assert all(torch.equal(weights, together) for weights in everywhere)
    compare_figures(shard, loader)
    dist.destroy_process_group()
    print(f"process {rank} of {world_size} agrees")


def compare_figures(shard, loader):
    """An epoch reports all samples, and leaves the first one's running statistics everywhere."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))
    wrapped = nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    before = evaluate(model, loader)  # here the whole, in each process
    assert evaluate(wrapped.module, shard) == pytest.approx(before, rel=1e-6)  # its parts, summed
    train_epoch(wrapped, shard, optimizer=optimizer)
    mean = model[1].running_mean.clone()
    dist.broadcast(mean, src=0)
    assert torch.equal(mean, model[1].running_mean)
    assert mean.abs().max() > 0


@gloo
def test_the_update_of_three_processes_is_that_of_one(tmp_path):
    """Three, so that no batch but the last falls into equal parts."""
    for rank, (code, out, err) in enumerate(several(compare_updates, (), (), (), output=tmp_path)):
        assert code == 0, err
        assert out == f"process {rank} of 3 agrees\n"


# Joining the others


@pytest.fixture
def environment(monkeypatch):
    """Set what torchrun would set; None takes it away."""

    def set_to(**settings):
        names = "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
        for name, value in (dict.fromkeys(names) | settings).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_to


TWO = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
TWO |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
EMPTY = dict.fromkeys(TWO, "")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TWO, (1, 2)),
        ({}, (0, 1)),
        (EMPTY, (0, 1)),  # as `WORLD_SIZE= python -m helpers.train` sets it
        ({"RANK": "1", "LOCAL_RANK": "abc"}, (0, 1)),  # left over from another job
        ({"WORLD_SIZE": "1", "RANK": "7"}, (0, 1)),
    ],
)
def test_the_place_of_a_process_among_the_others(settings, expected, environment):
    environment(**settings)
    assert place() == expected


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE must be a whole number from 1 to .*, got 'abc'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE must be a whole number from 1 to .*, got '0'"),
        ({"WORLD_SIZE": "2.0"}, "WORLD_SIZE must be a whole number from 1 to .*, got '2.0'"),
        ({"RANK": None}, "RANK must be a whole number from 0 to 1, got ''"),
        ({"RANK": "2"}, "RANK must be a whole number from 0 to 1, got '2'"),
        ({"RANK": "one"}, "RANK must be a whole number from 0 to 1, got 'one'"),
        ({"MASTER_ADDR": None}, ".* MASTER_ADDR expected, but not set"),
        ({"MASTER_ADDR": ""}, ".* MASTER_ADDR expected, but not set"),
        ({"MASTER_PORT": None}, ".* MASTER_PORT expected, but not set"),
        ({"MASTER_PORT": "http"}, ".* 'http'"),
    ],
)
def test_settings_of_torchrun_that_cannot_be(setting, sentence, environment):
    environment(**TWO | setting)
    with pytest.raises(ValueError) as raised, joined("cpu"):
        raise AssertionError("nobody is there")
    assert re.fullmatch(sentence, str(raised.value))


def test_an_occupied_port(environment):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        environment(**TWO | {"RANK": "0", "MASTER_PORT": port})
        with pytest.raises(RuntimeError, match=f"port: {port}.*in use"), joined("cpu"):
            raise AssertionError("nobody is there")


def test_one_process_joins_nobody(environment):
    environment(RANK="1")
    with joined("cpu") as (device, rank, world_size):
        assert (device, rank, world_size) == (torch.device("cpu"), 0, 1)
        assert not dist.is_initialized()

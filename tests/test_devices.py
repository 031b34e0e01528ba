"""helpers.devices: the order of choice, and errors that list what is there."""

import random

import numpy as np
import pytest
import torch

from helpers.devices import available_devices, pick_device, set_seed


@pytest.fixture(autouse=True)
def no_device_in_environment(monkeypatch):
    monkeypatch.delenv("DEVICE", raising=False)


def test_the_argument_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("DEVICE", "nonsense")
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device(torch.device("cpu")) == torch.device("cpu")


def test_the_environment_comes_before_the_default(monkeypatch):
    monkeypatch.setenv("DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")


def test_an_empty_environment_variable_counts_as_none(monkeypatch):
    monkeypatch.setenv("DEVICE", "")
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_every_device_it_names_holds_a_tensor():
    for name in available_devices():
        assert torch.ones(2, device=pick_device(name)).sum().item() == 2


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:1", "meta", "cuda:x", " cpu"])
def test_an_unknown_device_is_refused_with_the_list_of_those_that_are_there(name):
    with pytest.raises(
        ValueError, match=r"name must be one of cpu.* on this machine, got"
    ) as error:
        pick_device(name)
    assert repr(name) in str(error.value)


def test_a_bad_environment_variable_is_named(monkeypatch):
    monkeypatch.setenv("DEVICE", "cuda:99")
    with pytest.raises(ValueError, match=r"\$DEVICE must be one of cpu.*, got 'cuda:99'"):
        pick_device()


def test_one_seed_repeats_all_three_generators():
    def draw():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()  # noqa: NPY002

    set_seed(7)
    first = draw()
    set_seed(7)
    assert draw() == first
    set_seed(8)
    assert draw() != first


@pytest.mark.parametrize("seed", [-1, 1.0, "0", None, True, 2**32])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises((TypeError, ValueError), match=r"[Ss]eed must be (an int|0|between 0)"):
        set_seed(seed)

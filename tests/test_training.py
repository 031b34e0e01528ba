"""helpers.training against a plain loop in PyTorch; stopped by Ctrl-C at any moment."""

import copy
import gc
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from processes import result_of, started
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, TensorDataset
from tqdm import tqdm

from helpers.batches import BatchLoader
from helpers.checkpoints import load_checkpoint
from helpers.training import evaluate, fit, train_epoch


def make_data(num_samples=70, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (num_samples, 6, 6), dtype=torch.uint8, generator=generator)
    return images, torch.randint(4, (num_samples,), generator=generator)


def make_loader(num_samples=70, batch_size=32, **options):
    return BatchLoader(*make_data(num_samples), batch_size, **options)


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4))


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def plain_epoch(model, loader, optimizer, scheduler=None):
    """The loop of any tutorial, with sums over samples."""
    total, correct, count = 0.0, 0, 0
    for images, labels in loader:
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        total += F.cross_entropy(logits, labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
        count += len(labels)
    return total / count, correct / count


def test_an_epoch_equals_the_plain_loop_with_a_short_last_batch():
    loader = make_loader(shuffle=True)  # 70 samples: 32, 32 and 6
    model, twin = make_model(), make_model()
    metrics = train_epoch(model, loader, optimizer=sgd(model))
    loss, accuracy = plain_epoch(twin, make_loader(shuffle=True), sgd(twin))
    assert metrics.loss == pytest.approx(loss, rel=1e-6)
    assert metrics.accuracy == accuracy
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_evaluation_counts_samples_not_batches():
    model, (images, labels) = make_model(), make_data()
    metrics = evaluate(model, BatchLoader(images, labels, 32))
    logits = model(images[:, None].float() / 255)
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert metrics.accuracy == (logits.argmax(1) == labels).sum().item() / 70
    batches = [
        (part.argmax(1) == truth).double().mean().item()
        for part, truth in zip(logits.split(32), labels.split(32), strict=True)
    ]
    assert abs(sum(batches) / 3 - metrics.accuracy) > 1e-3  # the mean of batch means is another


def test_fit_takes_a_plain_dataloader_and_gives_the_same_numbers():
    images, labels = make_data()
    dataset = TensorDataset(images[:, None].float() / 255, labels)
    ours, theirs = make_model(), make_model()
    first = fit(ours, make_loader(), optimizer=sgd(ours), epochs=2, progress=False)
    second = fit(theirs, DataLoader(dataset, 32), optimizer=sgd(theirs), epochs=2, progress=False)
    assert first.train_loss == second.train_loss
    assert first.train_accuracy == second.train_accuracy


def test_fit_learns_and_reports_every_epoch(capsys):
    model = make_model()
    history = fit(
        model, make_loader(), make_loader(), optimizer=sgd(model, momentum=0.9), epochs=30
    )
    assert history.epochs == 30 and not history.interrupted
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert len(history.test_loss) == len(history.test_accuracy) == len(history.seconds) == 30
    assert history.test_accuracy[-1] == evaluate(model, make_loader()).accuracy
    captured = capsys.readouterr()
    lines = captured.out.replace("\r", "\n").splitlines()
    reports = [line for line in lines if "train loss" in line]
    assert [int(report.split("/")[0].split()[1]) for report in reports] == list(range(1, 31))
    assert f"test loss {history.test_loss[-1]:.4f}" in reports[-1]
    assert captured.err == ""


def test_fit_is_silent_without_progress(capsys):
    model = make_model()
    fit(model, make_loader(), make_loader(), optimizer=sgd(model), epochs=2, progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_scheduler_steps_after_every_batch():
    model, twin = make_model(), make_model()

    def recipe(net):
        optimizer = sgd(net, momentum=0.9)
        schedule = OneCycleLR(optimizer, 0.3, total_steps=9)
        return optimizer, schedule

    optimizer, scheduler = recipe(model)
    loader = make_loader(shuffle=True)
    fit(model, loader, optimizer=optimizer, epochs=3, scheduler=scheduler, progress=False)
    twin_optimizer, twin_scheduler = recipe(twin)
    twin_loader = make_loader(shuffle=True)
    for _ in range(3):
        plain_epoch(twin, twin_loader, twin_optimizer, twin_scheduler)
    assert scheduler.get_last_lr() == twin_scheduler.get_last_lr()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_loop_of_the_readers_own_may_step_the_scheduler_after_each_epoch():
    model, twin = make_model(), make_model()
    optimizer, twin_optimizer = sgd(model), sgd(twin)
    scheduler, twin_scheduler = StepLR(optimizer, 1), StepLR(twin_optimizer, 1)
    for epoch in range(1, 4):
        train_epoch(model, make_loader(), optimizer=optimizer, epoch=epoch)
        scheduler.step()
        plain_epoch(twin, make_loader(), twin_optimizer)
        twin_scheduler.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


class Recording(TensorDataset):
    """A dataset that remembers which samples were asked for."""

    def __init__(self, *tensors):
        super().__init__(*tensors)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return super().__getitem__(index)


@pytest.fixture(params=["sampler", "batch_sampler"])
def distributed(request):
    """A loader with PyTorch's own sampler for one of two processes; and the sampler."""
    images, labels = make_data()
    dataset = Recording(images[:, None].float() / 255, labels)
    sampler = DistributedSampler(dataset, num_replicas=2, rank=1, seed=3)
    if request.param == "sampler":
        return DataLoader(dataset, 16, sampler=sampler), sampler
    return DataLoader(dataset, batch_sampler=BatchSampler(sampler, 16, drop_last=False)), sampler


def test_a_sampler_is_told_the_epoch_as_in_a_loop_by_hand(distributed):
    """DistributedSampler would repeat one order in all epochs otherwise."""
    loader, sampler = distributed
    model = make_model()
    fit(model, loader, optimizer=sgd(model), epochs=2, progress=False)
    ours = loader.dataset.asked.copy()
    loader.dataset.asked.clear()
    for epoch in range(2):
        sampler.set_epoch(epoch)
        list(loader)
    assert ours == loader.dataset.asked
    assert ours[:35] != ours[35:]


def test_a_loop_of_the_readers_own_tells_the_sampler_itself(distributed):
    loader, sampler = distributed
    sampler.set_epoch(5)
    expected = list(sampler)
    model = make_model()
    train_epoch(model, loader, optimizer=sgd(model))
    assert loader.dataset.asked == expected


def test_mixed_precision_around_the_whole_training_still_trains():
    """Autocast keeps its copies of the weights until it ends: those of the first batch."""
    loader, mixed = make_loader(), {"device_type": "cpu", "dtype": torch.bfloat16}
    model, twin = make_model(), make_model()
    with torch.autocast(**mixed):
        history = fit(model, loader, loader, optimizer=sgd(model), epochs=5, progress=False)
    optimizer, losses = sgd(twin), []
    for _ in range(5):
        for images, labels in loader:
            with torch.autocast(**mixed):  # around the forward pass, as the manual says
                loss = F.cross_entropy(twin(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.autocast(**mixed):
            losses.append(evaluate(twin, loader).loss)
    assert history.test_loss == pytest.approx(losses, rel=1e-6)
    assert len(set(history.test_loss)) == 5


class TrainsAnother:
    """A loader that trains a model of its own in each epoch, as a search for settings may."""

    def __init__(self, loader):
        self.loader, self.histories = loader, []

    def __iter__(self):
        model = make_model(seed=1)
        run = {"optimizer": sgd(model), "epochs": 2, "progress": False}
        self.histories.append(fit(model, self.loader, **run))
        return iter(self.loader)


def test_a_training_inside_a_training_changes_neither():
    def alone(seed):
        model = make_model(seed)
        return fit(model, make_loader(), optimizer=sgd(model), epochs=2, progress=False)

    model, nested = make_model(), TrainsAnother(make_loader())
    history = fit(model, nested, optimizer=sgd(model), epochs=2, progress=False)
    assert history.train_loss == alone(0).train_loss
    assert [inner.train_loss for inner in nested.histories] == [alone(1).train_loss] * 2


def test_each_module_gets_its_own_mode_back():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Dropout(0.5), nn.Linear(36, 4))
    model.train()
    model[1].eval()  # as with a frozen normalisation layer
    modes = [module.training for module in model.modules()]
    fit(model, make_loader(), make_loader(), optimizer=sgd(model), epochs=1, progress=False)
    assert [module.training for module in model.modules()] == modes
    bad = make_loader()
    bad.labels = bad.labels.double()
    for call in (
        lambda: evaluate(model, bad),
        lambda: train_epoch(model, bad, optimizer=sgd(model)),
    ):
        with pytest.raises(TypeError):
            call()
        assert [module.training for module in model.modules()] == modes


def test_evaluate_leaves_running_statistics_and_gradients_alone():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, 4))
    before = copy.deepcopy(model.state_dict())
    evaluate(model, make_loader())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_nan_loss_stops_before_it_reaches_the_weights():
    model = make_model()
    images, labels = make_data()
    images = images[:, None].float() / 255
    images[40] = torch.nan  # in the second batch
    loader = DataLoader(TensorDataset(images, labels), 32)
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1, batch 2, at learning rate 0.1"):
        fit(model, loader, optimizer=sgd(model), epochs=3, progress=False)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_a_learning_rate_far_too_large_is_named():
    model = make_model()
    with pytest.raises(FloatingPointError, match=r"epoch \d+, batch \d, at learning rate 1e\+20"):
        fit(model, make_loader(), optimizer=sgd(model, lr=1e20), epochs=5, progress=False)


def test_part_of_a_model_may_be_frozen():
    model = make_model()
    model[1].requires_grad_(False)
    frozen = model[1].weight.clone()
    fit(model, make_loader(), optimizer=sgd(model), epochs=1, progress=False)
    torch.testing.assert_close(model[1].weight, frozen, rtol=0, atol=0)


@pytest.fixture
def settings_of_the_reader():
    """Put PyTorch's default device and dtype back after a test that changes them."""
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("settings_of_the_reader")
def test_the_default_device_of_the_reader_is_not_ours(tmp_path):
    """What must lie on the CPU does, even if other tensors are made elsewhere, as on a GPU."""
    model, loader = make_model(), list(make_loader())
    expected = fit(model, loader, loader, optimizer=sgd(model), epochs=2, progress=False)
    model = make_model()
    torch.set_default_device("meta")  # any other device would do
    run = {"optimizer": sgd(model), "checkpoint": tmp_path / "a.pt"}
    fit(model, loader, loader, **run, epochs=1, progress=False)
    history = fit(model, loader, loader, **run, epochs=2, progress=False)
    assert history.train_loss == expected.train_loss
    assert history.test_accuracy == expected.test_accuracy
    assert train_epoch(model, loader, optimizer=sgd(model)).loss < expected.train_loss[-1]
    assert evaluate(model, loader).loss < expected.test_loss[-1]


# Ctrl-C


class RaisesAfter:
    """A loader that presses Ctrl-C in its second epoch."""

    def __init__(self, loader):
        self.loader, self.epoch = loader, 0

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.epoch += 1
        for number, batch in enumerate(self.loader):
            if self.epoch == 2 and number == 1:
                signal.raise_signal(signal.SIGINT)
            yield batch


def test_ctrl_c_keeps_the_whole_epochs_and_the_mode(capsys, ctrl_c_arrives):
    model = make_model().eval()
    history = fit(model, RaisesAfter(make_loader()), optimizer=sgd(model), epochs=5)
    assert history.interrupted and history.epochs == 1
    assert not model.training
    assert "stopped by Ctrl-C: 1 of 5 epochs are whole and kept" in capsys.readouterr().out


def train_without_end():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    loader = [(torch.zeros(50, 784), torch.arange(50) % 10)] * 400
    model = nn.Linear(784, 10)
    history = fit(model, loader, optimizer=sgd(model), epochs=100_000)
    print("kept", history.epochs, history.interrupted, model.training)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to another process")
def test_a_real_ctrl_c_from_outside(tmp_path):
    process = started(train_without_end, output=tmp_path / "said")
    output, errors = tmp_path / "said.out", tmp_path / "said.err"
    while not output.exists() or "train loss" not in output.read_text():  # the report of an epoch
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join(600)
    assert process.exitcode == 0, errors.read_text()
    kept = output.read_text().splitlines()[-1].split()
    assert kept[0] == "kept" and int(kept[1]) >= 1 and kept[2:] == ["True", "True"]
    assert "Traceback" not in errors.read_text()


def test_ctrl_c_while_the_progress_bar_is_built(monkeypatch, ctrl_c_arrives):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    find_place = tqdm._get_free_pos  # in the middle of its constructor

    def pressed(instance):
        signal.raise_signal(signal.SIGINT)
        return find_place(instance)

    monkeypatch.setattr(tqdm, "_get_free_pos", staticmethod(pressed))
    model = make_model()
    history = fit(model, make_loader(), optimizer=sgd(model), epochs=5)
    gc.collect()
    assert history.interrupted and history.epochs == 0
    assert not complaints


class PressesWhileItIsSaved(nn.Linear):
    """A model that presses Ctrl-C while its second epoch is being saved."""

    def __init__(self, loader, times):
        super().__init__(36, 4)
        self.loader, self.times, self.pressed = loader, times, 0

    def forward(self, images):
        return super().forward(images.flatten(1))

    def get_extra_state(self):
        while self.loader.epoch == 2 and self.pressed < self.times:
            self.pressed += 1
            signal.raise_signal(signal.SIGINT)
        return torch.tensor(0)

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_waits_until_the_epoch_is_saved(times, tmp_path, capsys, ctrl_c_arrives):
    loader, path = make_loader(), tmp_path / "a.pt"
    model = PressesWhileItIsSaved(loader, times)
    history = fit(model, loader, make_loader(), optimizer=sgd(model), epochs=5, checkpoint=path)
    assert model.pressed == times
    assert history.interrupted
    assert_in_step(asdict(history), asdict(load_checkpoint(path).history), 2)
    assert "stopped by Ctrl-C: 2 of 5 epochs are whole" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = fit(model, loader, make_loader(), optimizer=sgd(model), epochs=5, checkpoint=path)
    assert again.epochs == 5 and not again.interrupted


def test_ctrl_c_twice_when_the_file_is_in_its_place_already(tmp_path, monkeypatch, ctrl_c_arrives):
    """The moment that nobody hits by chance: the history must have the epoch too."""
    loader, path, replace = make_loader(), tmp_path / "a.pt", os.replace

    def replace_and_press(*arguments, **options):
        replace(*arguments, **options)
        if loader.epoch == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", replace_and_press)
    model = make_model()
    history = fit(model, loader, make_loader(), optimizer=sgd(model), epochs=5, checkpoint=path)
    assert history.interrupted
    assert_in_step(asdict(history), asdict(load_checkpoint(path).history), 2)


def assert_in_step(history, kept, epochs):
    """Both have the same figures, of so many whole epochs."""
    assert {len(figures) for figures in history.values() if isinstance(figures, list)} == {epochs}
    assert history | {"interrupted": False} == kept


class TellsWhenItBegins(BatchLoader):
    began = None

    def __iter__(self):
        self.began.set()
        return super().__iter__()


def pressed_at_random(folder, rounds, presses):
    """What each training left at which Ctrl-C was pressed: the history and the file's, or None."""
    chance, left = random.Random(presses), []

    def train(path, loader, epochs):
        model = make_model()
        run = {"optimizer": sgd(model), "checkpoint": path, "progress": False}
        return fit(model, loader, make_loader(8), epochs=epochs, **run)

    start = time.perf_counter()
    train(Path(folder, "timed.pt"), make_loader(32), 5)
    epoch = (time.perf_counter() - start) / 5
    for number in range(rounds):
        path, loader = Path(folder, f"{number}.pt"), TellsWhenItBegins(*make_data(32), 16)
        loader.began, ended = threading.Event(), threading.Event()
        moments = [chance.uniform(0, 5 * epoch)] + [chance.uniform(0, epoch / 4)] * (presses - 1)
        hand = threading.Thread(target=press, args=(moments, loader.began, ended))
        history = None
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            hand.start()
            history = train(path, loader, 100_000)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        ended.set()
        hand.join()
        in_file = load_checkpoint(path)
        left.append((history and asdict(history), asdict(in_file.history), in_file.epoch))
    return left


def press(moments, began, ended):
    began.wait()
    for moment in moments:
        time.sleep(moment)
        os.kill(os.getpid(), signal.SIGINT)
    while not ended.wait(10):  # Python may lose one, as in the last breath of an object
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="there os.kill ends the process")
def test_ctrl_c_at_any_moment_leaves_history_and_file_in_step(tmp_path):
    left = result_of(pressed_at_random, tmp_path, 25, 1)
    for history, kept, epoch in left:
        assert history["interrupted"]
        assert_in_step(history, kept, epoch)
    assert len({epoch for _, _, epoch in left}) > 1  # the moments were different ones


@pytest.mark.skipif(os.name == "nt", reason="there os.kill ends the process")
def test_ctrl_c_twice_at_any_moment_leaves_history_and_file_in_step(tmp_path):
    """The second one may end `fit` without its history; then the file has it."""
    for history, kept, epoch in result_of(pressed_at_random, tmp_path, 20, 2):
        assert_in_step(history or kept, kept, epoch)


def test_a_training_in_another_thread_than_the_main_one(tmp_path):
    """As in an application with windows: Python gives it no Ctrl-C to wait for."""
    model, histories = make_model(), []

    def train():
        run = {"optimizer": sgd(model), "checkpoint": tmp_path / "a.pt", "progress": False}
        histories.append(fit(model, make_loader(), epochs=2, **run))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert histories[0].epochs == load_checkpoint(tmp_path / "a.pt").epoch == 2


# What it needs


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_training_on_the_full_set_stays_under_1_5_gb_and_keeps_no_batch(say):
    """If each batch left 16 MB of activations behind, a notebook in a small machine would end."""
    script = textwrap.dedent("""
        import itertools
        import warnings
        from pathlib import Path
        import torch
        from helpers.data import fashion_mnist
        from helpers.models import LeNet
        from helpers.training import fit

        def train(batches):
            loaders = (itertools.islice(loader, batches) for loader in whole)
            fit(model, *loaders, optimizer=optimizer, epochs=1, progress=False)
            # Not ru_maxrss: that starts from the peak of the process that ran this one.
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").open())
            print(1024 * int(status["VmHWM"].removesuffix("kB\\n")))

        warnings.simplefilter("ignore")  # the sketches will do
        whole, model = fashion_mnist(), LeNet()
        optimizer = torch.optim.AdamW(model.parameters())
        train(3)
        train(13)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, peak = map(int, done.stdout.split())
    say(f"peak memory {peak / 1e9:.2f} GB")
    assert peak < 1.5e9
    assert peak - first < 0.05e9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_numbers_are_those_of_the_cpu_and_nan_is_found():
    images, labels = make_data()
    on_cpu, on_cuda = make_model(), make_model().cuda()
    cpu = fit(on_cpu, make_loader(), optimizer=sgd(on_cpu), epochs=3, progress=False)
    loader = BatchLoader(images.cuda(), labels.cuda(), 32)
    cuda = fit(on_cuda, loader, optimizer=sgd(on_cuda), epochs=3, progress=False)
    assert cuda.train_loss == pytest.approx(cpu.train_loss, rel=1e-3)
    with pytest.raises(FloatingPointError, match="batch"):
        fit(on_cuda, loader, optimizer=sgd(on_cuda, lr=math.inf), epochs=2, progress=False)

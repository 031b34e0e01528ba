"""helpers.training against a plain loop in PyTorch, and everything that a learner gets wrong."""

import copy
import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
import torch.nn.functional as F
from processes import started
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.batches import BatchLoader
from helpers.training import History, Metrics, evaluate, fit, train_epoch


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
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=9)
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


def test_a_schedule_that_ends_too_early_is_refused_before_training():
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=8)
    with pytest.raises(ValueError, match="epochs x batches is 9, but it has 8 of its 8 steps left"):
        fit(model, make_loader(), optimizer=optimizer, epochs=3, scheduler=scheduler)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


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


@pytest.mark.parametrize("epochs", [0, -1, 1.0, "3", True, None])
def test_epochs_must_be_a_whole_number(epochs):
    model = make_model()
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1, got"):
        fit(model, make_loader(), optimizer=sgd(model), epochs=epochs)


def test_an_optimizer_of_another_model_is_refused():
    model = make_model()
    with pytest.raises(ValueError, match="optimizer holds none of the model's trainable"):
        fit(model, make_loader(), optimizer=sgd(make_model()), epochs=1)


def test_a_frozen_model_is_refused():
    model = make_model()
    optimizer = sgd(model)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match=r"all are frozen \(requires_grad=False\)"):
        fit(model, make_loader(), optimizer=optimizer, epochs=1)


def test_part_of_a_model_may_be_frozen():
    model = make_model()
    model[1].requires_grad_(False)
    frozen = model[1].weight.clone()
    fit(model, make_loader(), optimizer=sgd(model), epochs=1, progress=False)
    torch.testing.assert_close(model[1].weight, frozen, rtol=0, atol=0)


@pytest.mark.parametrize("loader", [[], DataLoader([]), iter([])])
def test_an_empty_loader_is_refused(loader):
    model = make_model()
    with pytest.raises(ValueError, match="must yield at least one batch, got an empty loader"):
        fit(model, loader, optimizer=sgd(model), epochs=1, progress=False)


def test_an_empty_loader_cannot_be_evaluated():
    for loader in ([], iter([])):
        with pytest.raises(ValueError, match="must yield at least one batch"):
            evaluate(make_model(), loader)


IMAGES = torch.rand(5, 1, 6, 6)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((IMAGES, torch.tensor([0, 1, 2, 3, 4])), ValueError, "lie in 0..3 for 4 classes"),
        ((IMAGES, torch.tensor([0, 1, 2, 3, -1])), ValueError, "from -1 to 3"),
        ((IMAGES, torch.rand(5)), TypeError, "int64, got torch.float32"),
        ((IMAGES, torch.eye(5)[:, :4]), ValueError, "one-hot"),
        ((IMAGES, torch.tensor([0, 1, 2])), ValueError, "5 logits and 3 labels"),
        (((IMAGES * 255).byte(), torch.tensor([0, 1, 2, 3, 0])), TypeError, r"float\(\) / 255"),
    ],
)
def test_bad_batches_are_refused_and_the_weights_kept(batch, error, message):
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    for call in (
        lambda: fit(model, [batch], optimizer=sgd(model), epochs=1, progress=False),
        lambda: evaluate(model, [batch]),
    ):
        with pytest.raises(error, match=message):
            call()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_labels_of_a_batchloader_are_checked_against_the_logits():
    images, labels = make_data()
    loader = BatchLoader(images, labels + 1, 32)
    with pytest.raises(ValueError, match=r"lie in 0\.\.3 for 4 classes, got values up to 4"):
        evaluate(make_model(), loader)


def test_a_loss_that_is_not_one_number_is_refused():
    model = make_model()
    with pytest.raises(ValueError, match=r"loss_fn must return one number, got shape \(32,\)"):
        evaluate(model, make_loader(), nn.CrossEntropyLoss(reduction="none"))


def test_a_model_that_lies_in_two_places_is_refused():
    model = make_model()
    model[3].to("meta")
    with pytest.raises(ValueError, match="model must lie on one device, got parts on cpu, meta"):
        evaluate(model, make_loader())
    with pytest.raises(ValueError, match="real weights"):
        evaluate(make_model().to("meta"), make_loader())


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


@pytest.mark.usefixtures("settings_of_the_reader")
def test_a_model_of_another_dtype_is_named():
    torch.set_default_dtype(torch.float64)
    model = make_model()
    message = (
        r"images are torch.float32 but the model's parameters are torch.float64: "
        r"model.to\(torch.float32\) makes them alike"
    )
    for call in (
        lambda: fit(model, make_loader(), optimizer=sgd(model), epochs=1, progress=False),
        lambda: evaluate(model, make_loader()),
        lambda: evaluate(nn.Sequential(nn.Conv2d(1, 4, 6), nn.Flatten()), make_loader()),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    assert evaluate(model.to(torch.float32), make_loader()).accuracy >= 0


def test_a_model_that_converts_for_itself_may_be_of_another_dtype():
    class Double(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = make_model().double()

        def forward(self, images):
            return self.inner(images.double())

    assert evaluate(Double(), make_loader()).loss == pytest.approx(
        evaluate(make_model(), make_loader()).loss, rel=1e-5
    )
    broken = Double()
    broken.inner[1] = nn.Linear(35, 16).double()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        evaluate(broken, make_loader())


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


def test_history_starts_empty_and_metrics_unpack():
    loss, accuracy = Metrics(0.5, 0.9)
    history = History()
    assert history.epochs == 0
    history.add(Metrics(loss, accuracy), None, 1.0)
    assert (history.epochs, history.train_loss, history.test_loss) == (1, [0.5], [])


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

"""helpers.checkpoints: kills, full disks, damage and malice, and resuming without a difference."""

import contextlib
import copy
import errno
import io
import math
import os
import pickle
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from processes import PROCESSES, result_of, started
from torch import nn
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from helpers.batches import BatchLoader
from helpers.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from helpers.devices import set_seed
from helpers.metrics import History, Metrics
from helpers.parallel import Shard, parallel
from helpers.training import fit

posix = pytest.mark.skipif(os.name == "nt", reason="uses POSIX's signals, links or limits")


def make_data(num_samples=70):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (num_samples, 6, 6), dtype=torch.uint8, generator=generator)
    return images, torch.randint(4, (num_samples,), generator=generator)


def make_loader():
    return BatchLoader(*make_data(), 32, shuffle=True, seed=3)  # 3 batches an epoch


def make_model(seed=0, width=16):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(36, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(width, 4),
    )


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), **{"lr": 0.05, "momentum": 0.9, **options})


def trained(epochs=2):
    """A model, its optimizer, loader and history after some training."""
    model, loader = make_model(), make_loader()
    optimizer = sgd(model)
    history = fit(model, loader, optimizer=optimizer, epochs=epochs, progress=False)
    return model, optimizer, loader, history


def flat(value, path=""):
    """Every leaf of nested dicts and lists, by its path."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {path: value}
    return {k: v for key, part in items for k, v in flat(part, f"{path}/{key}").items()}


def differences(left, right):
    """The paths at which two nested states are not equal bit for bit."""
    left, right = flat(left), flat(right)
    both = left.keys() & right.keys()
    unequal = [
        path
        for path in both
        if not (
            torch.equal(left[path], right[path])
            if isinstance(left[path], torch.Tensor)
            else left[path] == right[path]
        )
    ]
    return sorted([*unequal, *(left.keys() ^ right.keys())])


def snapshot(*things):
    return copy.deepcopy([thing.state_dict() for thing in things])


def draws():
    """The next numbers of the three shared generators."""
    return random.random(), float(np.random.random()), torch.rand(()).item()  # noqa: NPY002


# What goes in comes out


def test_a_checkpoint_comes_back_whole(tmp_path):
    model, optimizer, loader, history = trained()
    path = tmp_path / "new" / "folder" / "lenet.pt"  # made on the way
    save_checkpoint(path, model=model, optimizer=optimizer, loader=loader, history=history, epoch=2)
    other, other_loader = make_model(seed=9), make_loader()
    other_optimizer = sgd(other)
    checkpoint = load_checkpoint(path, model=other, optimizer=other_optimizer, loader=other_loader)
    assert checkpoint.epoch == 2 and checkpoint.history == history
    assert checkpoint.torch_version == str(torch.__version__)
    assert "2.running_var" in checkpoint.model  # a buffer
    kept = snapshot(model, optimizer, loader)
    assert differences(kept, snapshot(other, other_optimizer, other_loader)) == []
    assert differences(kept[0], checkpoint.model) == []
    x = torch.rand(5, 1, 6, 6)
    torch.testing.assert_close(other.eval()(x), model.eval()(x), rtol=0, atol=0)
    assert os.listdir(path.parent) == ["lenet.pt"]


def test_the_file_opens_without_helpers_too(tmp_path):
    model = make_model()
    save_checkpoint(tmp_path / "a.pt", model=model)
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert differences(state["model"], dict(model.state_dict())) == []
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.testzip() is None


def test_a_checkpoint_shares_nothing_with_what_it_filled(tmp_path):
    model, optimizer, loader, _ = trained()
    save_checkpoint(tmp_path / "a.pt", model=model, optimizer=optimizer, loader=loader)
    checkpoint = load_checkpoint(tmp_path / "a.pt", model=model, optimizer=optimizer)
    before = copy.deepcopy([checkpoint.model, checkpoint.optimizer])
    fit(model, loader, optimizer=optimizer, epochs=1, progress=False)
    assert differences(before, [checkpoint.model, checkpoint.optimizer]) == []
    assert differences(before[0], dict(model.state_dict())) != []


def test_random_numbers_go_on_where_training_does_and_else_stay(tmp_path):
    model = make_model()
    optimizer = sgd(model)
    save_checkpoint(tmp_path / "a.pt", model=model, optimizer=optimizer)
    expected = draws()
    for options, goes_on in [
        ({"model": model}, False),
        ({"model": model, "optimizer": optimizer}, True),
        ({"model": model, "optimizer": optimizer, "random_state": False}, False),
        ({"random_state": True}, True),
    ]:
        load_checkpoint(tmp_path / "a.pt", **options)
        assert (draws() == expected) is goes_on, options


def test_numpys_second_normal_number_is_kept(tmp_path):
    np.random.seed(0)  # noqa: NPY002
    np.random.normal()  # noqa: NPY002, draws two and keeps one
    save_checkpoint(tmp_path / "a.pt", model=make_model())
    expected = np.random.normal()  # noqa: NPY002
    load_checkpoint(tmp_path / "a.pt", random_state=True)
    assert np.random.normal() == expected  # noqa: NPY002


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "big disk").mkdir()
    link = tmp_path / "a.pt"
    link.symlink_to(tmp_path / "big disk" / "real.pt")
    for epoch in (1, 2):
        save_checkpoint(link, model=make_model(), epoch=epoch)
        assert link.is_symlink() and load_checkpoint(link).epoch == epoch


# Resuming


def momentum(model, steps):
    return sgd(model), None


def adam_one_cycle(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return optimizer, OneCycleLR(optimizer, 0.02, total_steps=steps)


def sgd_cosine(model, steps):
    optimizer = sgd(model)
    return optimizer, CosineAnnealingLR(optimizer, steps)


def floats():
    images, labels = make_data()
    return TensorDataset(images[:, None].float() / 255, labels)


def seeded_dataloader():
    return DataLoader(floats(), 32, shuffle=True, generator=torch.Generator().manual_seed(5))


def batch_sampler_dataloader():
    data, generator = floats(), torch.Generator().manual_seed(5)
    sampler = BatchSampler(RandomSampler(data, generator=generator), 32, drop_last=False)
    return DataLoader(data, batch_sampler=sampler)


def plain_dataloader():
    return DataLoader(floats(), 32, shuffle=True)  # draws from the shared generator


def training(recipe, loader, seed=0, epochs=3):
    """A model and whatever else a call of fit needs, as a fresh process would make them."""
    model, train_loader = make_model(seed), loader()
    optimizer, scheduler = recipe(model, epochs * len(train_loader))
    parts = {"optimizer": optimizer, "scheduler": scheduler}
    torch.manual_seed(77)
    return model, train_loader, parts


def outcome(model, loader, parts, history):
    things = [model, *(part for part in parts.values() if part is not None)]
    return [
        *snapshot(*things),
        history.train_loss,
        history.test_accuracy,
        loader.state_dict() if hasattr(loader, "state_dict") else [],
        list(draws()),
    ]


@pytest.mark.parametrize(
    "loader", [make_loader, seeded_dataloader, batch_sampler_dataloader, plain_dataloader]
)
@pytest.mark.parametrize("recipe", [momentum, adam_one_cycle, sgd_cosine])
def test_resuming_equals_never_having_stopped(tmp_path, recipe, loader, say):
    epochs = 3
    random.seed(1), np.random.seed(1)  # noqa: NPY002
    model, train_loader, parts = training(recipe, loader)
    run = {"epochs": epochs, "progress": False}
    history = fit(model, train_loader, make_loader(), **parts, **run)
    expected = outcome(model, train_loader, parts, history)
    for split in range(epochs + 1):
        path = tmp_path / f"{split}.pt"
        random.seed(1), np.random.seed(1)  # noqa: NPY002
        model, train_loader, parts = training(recipe, loader)
        first = {"epochs": split, "progress": False, "checkpoint": path}
        if split:
            fit(model, train_loader, make_loader(), **parts, **first)
        else:  # stopped in its first epoch
            with pytest.raises(RuntimeError, match="power cut"):
                fit(model, PowerCut(train_loader), make_loader(), **parts, **first | run)
        random.seed(99), np.random.seed(99)  # noqa: NPY002, everything is gone
        model, train_loader, parts = training(recipe, loader, seed=4)
        history = fit(model, train_loader, make_loader(), **parts, **run, checkpoint=path)
        found = differences(expected, outcome(model, train_loader, parts, history))
        assert found == [], f"split at {split}: {found}"
    say(f"{recipe.__name__}, {loader.__name__}: no difference at any of {epochs + 1} splits")


class PowerCut:
    """A loader that ends the training in its second batch."""

    def __init__(self, loader):
        self.loader = loader
        self.generator = getattr(loader, "generator", None)
        self.batch_sampler = getattr(loader, "batch_sampler", None)
        if hasattr(loader, "state_dict"):
            self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        batches = iter(self.loader)
        yield next(batches)
        raise RuntimeError("power cut")


@pytest.mark.parametrize("left_out", ["optimizer", "scheduler", "random_state", "loader"])
def test_each_piece_is_needed(tmp_path, left_out):
    """Without any one of the four, training goes on differently: the test above can fail."""
    epochs = 4
    run = {"epochs": epochs, "progress": False}
    model, loader, parts = training(adam_one_cycle, make_loader, epochs=epochs)
    expected = outcome(model, loader, parts, fit(model, loader, **parts, **run))[0]
    model, loader, parts = training(adam_one_cycle, make_loader, epochs=epochs)
    fit(model, loader, **parts, **run | {"epochs": 2}, checkpoint=tmp_path / "a.pt")
    model, loader, parts = training(adam_one_cycle, make_loader, seed=4, epochs=epochs)
    wanted = {"model": model, **parts, "loader": loader, "random_state": True}
    if left_out == "random_state":
        wanted["random_state"] = False
    else:
        del wanted[left_out]
    wanted["new_settings"] = left_out == "scheduler"  # or it is missed
    load_checkpoint(tmp_path / "a.pt", **wanted)
    fit(model, loader, **parts, **run | {"epochs": 2})
    assert differences(expected, model.state_dict()) != []


def test_a_finished_training_is_loaded_and_not_repeated(tmp_path, capsys):
    model, loader = make_model(), make_loader()
    run = {"epochs": 2, "checkpoint": tmp_path / "a.pt"}
    history = fit(model, loader, optimizer=sgd(model), **run)
    capsys.readouterr()
    other = make_model(seed=5)
    again = fit(other, make_loader(), optimizer=sgd(other), **run)
    assert capsys.readouterr().out.endswith("holds epoch 2 of 2: nothing is left to train\n")
    assert again == history
    assert differences(model.state_dict(), other.state_dict()) == []


def test_ctrl_c_and_the_same_call_again(tmp_path, capsys, ctrl_c_arrives):
    model, loader, parts = training(adam_one_cycle, make_loader)
    expected = fit(model, loader, **parts, epochs=3, progress=False)
    model, loader, parts = training(adam_one_cycle, make_loader)
    pressed = CtrlC(loader, epoch=2)
    history = fit(model, pressed, **parts, epochs=3, checkpoint=tmp_path / "a.pt")
    assert history.interrupted and history.epochs == 1
    capsys.readouterr()
    history = fit(model, pressed, **parts, epochs=3, checkpoint=tmp_path / "a.pt")  # live objects
    assert not history.interrupted and history.train_loss == expected.train_loss
    assert capsys.readouterr().out.startswith(
        f"{tmp_path / 'a.pt'} holds epoch 1 of 3: going on from there\n"
    )


class CtrlC:
    """A loader that presses Ctrl-C once, in the second batch of an epoch."""

    def __init__(self, loader, epoch):
        self.loader, self.left = loader, epoch
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.left -= 1
        for number, batch in enumerate(self.loader):
            if self.left == 0 and number == 1:
                signal.raise_signal(signal.SIGINT)
            yield batch


# Killed while saving


def save_until_killed(path, requests):
    """Fork a process that saves epoch after epoch, at each request for another one."""
    torch.set_num_threads(1)
    model = nn.Linear(300, 1000, bias=False)
    while (epoch := requests.recv()) is not None:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            while True:
                epoch += 1
                nn.init.constant_(model.weight, epoch)
                save_checkpoint(path, model=model, epoch=epoch)
                os.write(write, b".")
        os.close(write)
        requests.send(child)
        os.waitpid(child, 0)
        requests.send(len(os.read(read, 10**6)))
        os.close(read)


@pytest.mark.slow
@posix
def test_100_kills_while_saving(tmp_path, tmp_path_factory, say):
    path, chance = tmp_path / "model.pt", random.Random(0)
    model = nn.Linear(300, 1000, bias=False)
    model.weight.data.zero_()
    start = time.perf_counter()
    save_checkpoint(path, model=model)
    one_save = time.perf_counter() - start
    server, theirs = PROCESSES.Pipe()
    said = tmp_path_factory.mktemp("said") / "server"
    process = started(save_until_killed, path, theirs, output=said)
    theirs.close()  # or nobody would hear that the other side has ended
    epoch = whole = 0
    torn = set()
    for _ in range(100):
        server.send(epoch)
        child = server.recv()
        while set(os.listdir(tmp_path)) <= {"model.pt", *torn}:
            os.kill(child, 0)  # it has not begun to write, and is alive
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 2 * one_save))
        os.kill(child, signal.SIGKILL)
        finished = epoch + server.recv()
        checkpoint = load_checkpoint(path)
        # The last save that returned, or the next, which was renamed but could not say so.
        assert checkpoint.epoch in (finished, finished + 1)
        whole += bool((checkpoint.model["weight"] == checkpoint.epoch).all())
        torn = set(os.listdir(tmp_path)) - {"model.pt"}
        epoch = checkpoint.epoch
    server.send(None)
    process.join(240)
    assert process.exitcode == 0
    say(f"100 kills, {len(torn)} in the middle of writing: {whole} of 100 files are whole")
    assert whole == 100 and len(torn) >= 20
    for name in torn:
        age(tmp_path / name, hours=2)
    save_checkpoint(path, model=model)
    assert os.listdir(tmp_path) == ["model.pt"]


def age(path, hours):
    """Make a file look as if nobody had written to it for so long."""
    then = path.stat().st_mtime - hours * 3600
    os.utime(path, (then, then))


def test_only_what_a_killed_process_left_an_hour_ago_is_removed(tmp_path):
    """Not the file that another process is just writing, nor anything that is not ours."""
    path, code = tmp_path / "[a].pt", "0123456789abcdef"
    left = tmp_path / f".[a].pt.{code}.unfinished"
    young = tmp_path / f".[a].pt.{code[::-1]}.unfinished"
    others = [
        tmp_path / f".[a].ptx.{code}.unfinished",
        tmp_path / f".a.pt.{code}.unfinished",
        tmp_path / ".[a].pt.mine.unfinished",
        tmp_path / f"[a].pt.{code}.unfinished",
    ]
    for file in (left, young, *others):
        file.write_bytes(b"half a checkpoint")
        age(file, hours=0.5 if file == young else 2)
    save_checkpoint(path, model=make_model())
    assert sorted(tmp_path.iterdir()) == sorted([path, young, *others])


def save_often(path, begin, epoch):
    model = nn.Linear(200, 500, bias=False)
    nn.init.constant_(model.weight, epoch)
    begin.wait()
    for _ in range(40):
        save_checkpoint(path, model=model, epoch=epoch)


def test_two_processes_may_save_to_one_path(tmp_path, tmp_path_factory):
    path, begin = tmp_path / "a.pt", PROCESSES.Barrier(2)
    said = tmp_path_factory.mktemp("said")
    both = [started(save_often, path, begin, n, output=said / str(n)) for n in (1, 2)]
    for number, process in enumerate(both, start=1):
        process.join(240)
        assert process.exitcode == 0, (said / f"{number}.err").read_text()
    checkpoint = load_checkpoint(path)
    assert (checkpoint.model["weight"] == checkpoint.epoch).all()
    assert os.listdir(tmp_path) == ["a.pt"]


@pytest.mark.skipif(os.name == "nt", reason="injects the error into POSIX's locks")
def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """As NFS often is: nothing of a training would be saved there."""
    import fcntl

    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(fcntl, "lockf", no_locks)
    save_checkpoint(tmp_path / "a.pt", model=make_model(), epoch=1)
    assert load_checkpoint(tmp_path / "a.pt").epoch == 1


@pytest.mark.skipif(os.name != "nt", reason="elsewhere an open file can be replaced")
def test_windows_waits_for_a_process_that_reads_the_file(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, model=make_model(), epoch=1)
    with path.open("rb") as file:
        closing = threading.Timer(0.5, file.close)
        closing.start()
        save_checkpoint(path, model=make_model(), epoch=2)
        closing.join()
    assert load_checkpoint(path).epoch == 2


# Saving that fails


def try_to_save(path, hinder=None):
    """What save_checkpoint says, of a file that is there and a second one that does not fit."""
    small, large = nn.Linear(10, 10), nn.Linear(1000, 1000)
    save_checkpoint(path, model=small, epoch=1)
    before = path.read_bytes()
    if hinder is not None:
        hinder(path)
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(path, model=large, epoch=2)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.pt"]
    return str(caught.value)


UNCHANGED = "the file that was there is unchanged"


@posix
def test_a_full_file_system(tmp_path):
    mount = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$0" "$@"'
    small = ["unshare", "-rm", "sh", "-c", mount]
    if shutil.which("unshare") is None or subprocess.run([*small, "true"]).returncode != 0:
        pytest.skip("this system lets nobody mount a small file system")
    script = "import test_checkpoints as t; print(t.try_to_save(t.Path(t.sys.argv[1])))"
    command = [*small, sys.executable, "-c", script, str(tmp_path / "a.pt")]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cannot save {tmp_path}/a.pt: No space left on device; {UNCHANGED}\n"


def limit_files(path):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@posix
def test_a_file_that_may_grow_no_further(tmp_path):
    said = result_of(try_to_save, tmp_path / "a.pt", limit_files)
    assert said == f"cannot save {tmp_path}/a.pt: File too large; {UNCHANGED}"


@pytest.fixture
def open_folder():
    """A folder that another user can reach too, as nobody does below."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def become_nobody():
    """Root may read and write everywhere; nobody else has more than his own rights."""
    if os.geteuid() == 0:
        os.setegid(65534), os.seteuid(65534)


def forbid_writing(path):
    path.parent.chmod(0o555)
    become_nobody()


@posix
def test_no_permission(open_folder):
    path = open_folder / "a.pt"
    said = result_of(try_to_save, path, forbid_writing)
    assert said == f"cannot save {path}: Permission denied; {UNCHANGED}"


def save_unseen(path):
    path.parent.chmod(0o333)
    become_nobody()
    save_checkpoint(path, model=nn.Linear(2, 2), epoch=3)


@posix
def test_a_folder_that_may_be_written_to_but_not_listed_or_flushed(open_folder):
    """As on some network drives, too: the new epoch is there, so no word of a failure."""
    path = open_folder / "a.pt"
    result_of(save_unseen, path)
    assert load_checkpoint(path).epoch == 3


def test_a_file_system_that_cannot_flush_folders(tmp_path, monkeypatch, capsys):
    """As SMB, VirtualBox and WSL: the new epoch is in the file, and training goes on."""
    flush, flushed = os.fsync, []  # whether each was a folder

    def no_folders(descriptor):
        flushed.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if flushed[-1]:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    model, path = make_model(), tmp_path / "a.pt"
    history = fit(model, make_loader(), optimizer=sgd(model), epochs=2, checkpoint=path)
    assert history.epochs == load_checkpoint(path).epoch == 2
    assert "cannot save" not in capsys.readouterr().out
    assert flushed == [False, True] * 3 or os.name == "nt"  # where no folder can be opened


class Unpicklable(nn.Linear):
    def get_extra_state(self):
        return lambda: "no pickle takes me"


class Unloadable(nn.Linear):
    def get_extra_state(self):
        return Path("a pickle takes me, but not a safe one")


class Interrupted(nn.Linear):
    def get_extra_state(self):
        return PressCtrlC()


class PressCtrlC:
    def __reduce__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("model", "error", "reason"),
    [
        (Unpicklable(2, 2), CheckpointError, "cannot save .*: .*local object.*is unchanged"),
        (Unloadable(2, 2), CheckpointError, "more than tensors and plain values.*is unchanged"),
        (Interrupted(2, 2), KeyboardInterrupt, None),
    ],
)
def test_a_state_that_cannot_be_saved_leaves_the_old_file(tmp_path, model, error, reason):
    path = tmp_path / "a.pt"
    save_checkpoint(path, model=make_model())
    before = path.read_bytes()
    with pytest.raises(error, match=reason):
        save_checkpoint(path, model=model)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.pt"]


@pytest.fixture(params=["pipe", "device", "socket"])
def no_file(request, tmp_path):
    """Something that is neither a file nor a folder."""
    path = tmp_path / "a.pt"
    if os.name == "nt":
        pytest.skip("needs POSIX's special files")
    if request.param == "pipe":
        os.mkfifo(path)
        held = os.open(path, os.O_RDWR)  # or whoever opens it waits for somebody to write
        yield path
        os.close(held)
    elif request.param == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.stat(os.devnull).st_rdev)
        except PermissionError:
            pytest.skip("only root may make a device")
        yield path
    else:
        with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
            server.bind("a.pt")  # the whole path may be too long for a socket
            yield path


def test_what_is_no_file_is_neither_replaced_nor_read(no_file):
    """Root would lose /dev/null; a pipe would be waited for without end."""
    kind, model = stat.S_IFMT(no_file.stat().st_mode), make_model()
    what = f"{no_file} must be a file, but a folder, device or pipe is there"
    with pytest.raises(CheckpointError, match=what):
        save_checkpoint(no_file, model=model)
    with pytest.raises(CheckpointError, match=what):
        fit(model, make_loader(), optimizer=sgd(model), epochs=1, checkpoint=no_file)
    assert stat.S_IFMT(no_file.stat().st_mode) == kind
    assert os.listdir(no_file.parent) == ["a.pt"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot save .*a\.pt: .*; nothing was written"):
        save_checkpoint(tmp_path / "file" / "a.pt", model=make_model())
    with pytest.raises(CheckpointError, match="must be a file, but a folder"):
        save_checkpoint(tmp_path, model=make_model())


# Damage and malice


def check_refused(path, model, optimizer, reason):
    """A clear error that names the path, and nothing touched."""
    before, chance = snapshot(model, optimizer), torch.get_rng_state()
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_checkpoint(path, model=model, optimizer=optimizer)
    assert str(path) in str(caught.value)
    assert differences(before, snapshot(model, optimizer)) == []
    assert torch.equal(chance, torch.get_rng_state())


@pytest.fixture
def saved(tmp_path):
    """A path with a checkpoint in it, and a model and an optimizer to fill."""
    model, optimizer, loader, history = trained()
    save_checkpoint(
        tmp_path / "a.pt", model=model, optimizer=optimizer, loader=loader, history=history
    )
    other = make_model(seed=8)
    return tmp_path / "a.pt", other, sgd(other)


def refused_or_the_same(path, content, expected):
    """Whether these bytes are refused; if not, they must hold the same as before."""
    path.write_bytes(content)
    try:
        load_checkpoint(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return True
    assert differences(expected, torch.load(path, weights_only=True)) == []
    return False


def test_100_truncations(saved, say):
    path, model, optimizer = saved
    content, chance = path.read_bytes(), random.Random(0)
    expected = torch.load(path, weights_only=True)
    lengths = [0, 1, 21, 22, len(content) - 1, len(content) - 22]
    lengths += chance.sample(range(len(content)), 100 - len(lengths))
    refused = [refused_or_the_same(path, content[:length], expected) for length in lengths]
    assert all(refused)
    check_refused(path, model, optimizer, "is damaged, or save_checkpoint did not write it")
    say(f"{sum(refused)} of {len(lengths)} truncations are refused")


def test_300_flipped_bits(saved, say):
    """Each is found, or lies where nobody reads: what is loaded is the same then."""
    path, model, optimizer = saved
    content, chance = path.read_bytes(), random.Random(0)
    expected = torch.load(path, weights_only=True)
    weights = content.index(expected["model"]["1.weight"].numpy().tobytes())
    harmless = 0
    for place in [weights, *chance.sample(range(len(content)), 299)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        harmless += not refused_or_the_same(path, damaged, expected)
    assert harmless < 150  # torch aligns its records with padding
    damaged = bytearray(content)
    damaged[weights] ^= 1
    path.write_bytes(damaged)
    assert torch.load(path, weights_only=True).keys() == expected.keys()  # it alone sees nothing
    check_refused(path, model, optimizer, r"is damaged, .*archive/data/\d+ is not as it was")
    say(f"{300 - harmless} of 300 flipped bits are refused, {harmless} change nothing")


class Malicious:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_the_malicious_pickle_is_one(tmp_path):
    function, arguments = Malicious(tmp_path / "marker").__reduce__()
    function(*arguments)
    assert (tmp_path / "marker").exists()


def test_a_malicious_pickle_is_refused_and_runs_nothing(saved):
    path, model, optimizer = saved
    state = torch.load(path, weights_only=True)
    marker = path.with_name("marker")
    for entry in ("model", "history", "epoch"):
        torch.save({**state, entry: Malicious(marker)}, path)
        check_refused(path, model, optimizer, "cannot load .* could run code")
    path.write_bytes(pickle.dumps(Malicious(marker)))
    check_refused(path, model, optimizer, "save_checkpoint did not write it")
    assert not marker.exists()


# Files that do not fit


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.unlink(), "cannot load .*: No such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "must be a file, but a folder"),
        (lambda path: path.write_bytes(b""), "save_checkpoint did not write it"),
        (lambda path: path.write_text("some text\n" * 99), "save_checkpoint did not write it"),
        (
            lambda path: torch.save(make_model().state_dict(), path),
            "is no checkpoint, or of format",
        ),
        (lambda path: torch.save([1, 2], path), "is no checkpoint, or of format"),
        (lambda path: torch.save({"format": "2"}, path), "is no checkpoint, or of format"),
        (lambda path: torch.save({"format": 2, "model": {}}, path), "does not fit: KeyError"),
        (lambda path: torch.save({"format": 1}, path), "of format 1, expected 2"),
        (lambda path: torch.save({"format": 3}, path), "of format 3, expected 2"),
    ],
)
def test_files_that_are_no_checkpoints(saved, make, reason):
    path, model, optimizer = saved
    make(path)
    check_refused(path, model, optimizer, reason)


def errors_of_shut(file, inside):
    for path in file, inside:
        save_checkpoint(path, model=nn.Linear(2, 2))
        load_checkpoint(path)
    file.chmod(0)
    inside.parent.chmod(0)
    become_nobody()
    return [error_of_loading(file), error_of_loading(inside)]


def error_of_loading(path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    return str(caught.value)


@posix
def test_a_file_that_may_not_be_read(open_folder):
    paths = open_folder / "shut file.pt", open_folder / "shut folder" / "a.pt"
    said = [f"cannot load {path}: Permission denied" for path in paths]
    assert result_of(errors_of_shut, *paths) == said


def test_the_checkpoint_of_another_model(saved):
    path, _, _ = saved
    wide = make_model(width=20)
    shape = r"does not fit; model 1\.weight: \(16, 36\) in the file, \(20, 36\) here; model 1\.bias"
    check_refused(path, wide, sgd(wide), shape)
    linear = nn.Linear(2, 3)
    missing = r"model 2\.running_mean: \(16,\) in the file, nothing here; .* and \d+ more"
    check_refused(path, linear, sgd(linear), missing)


def test_the_checkpoint_of_another_optimizer(saved):
    path, model, _ = saved
    adam = torch.optim.Adam(model.parameters())
    check_refused(path, model, adam, "does not fit; optimizer: SGD in the file, Adam here")
    rate = sgd(model, lr=0.01)
    check_refused(path, model, rate, "has other settings; group 0 lr: 0.05 in the file, 0.01 here")


def two_layers(inputs=3):
    torch.manual_seed(0)
    return nn.ModuleDict({"a": nn.Linear(inputs, 3), "b": nn.Linear(3, 3)})


def adam(*groups):
    return torch.optim.Adam([{"params": part.parameters()} for part in groups])


def test_an_optimizer_whose_parameters_are_others_is_refused(tmp_path):
    """What Adam has gathered about one layer would land on the other, or `step` would fail."""
    model, wide, path = two_layers(), two_layers(inputs=5), tmp_path / "a.pt"
    save_checkpoint(path, model=model, optimizer=adam(model["a"], model["b"]))
    load_checkpoint(path, model=model, optimizer=adam(model["a"], model["b"]))
    for optimizer, message in [
        (adam(model["b"], model["a"]), "parameters in group 0 0: a.weight in the file, b.weight h"),
        (adam(model["a"]), "parameters in group 1: {…} in the file, nothing here"),
        (adam(model), "parameters in group 0 2: nothing in the file, b.weight here"),
        (adam(two_layers()["a"], model["b"]), "group 0 0: a.weight in the file, nothing here"),
    ]:
        check_refused(path, model, optimizer, message)
    with pytest.raises(CheckpointError, match=r"shapes in group 0 0: \(3, 3\) in the file, \(3, 5"):
        load_checkpoint(path, optimizer=adam(wide["a"], wide["b"]))
    with pytest.raises(CheckpointError, match=r"shapes in group 1: {…} in the file, nothing here"):
        load_checkpoint(path, optimizer=adam(model["a"]))


# Settings: compared, and never put back or dropped without a word


def chained(optimizer):
    return ChainedScheduler([ConstantLR(optimizer, 0.5, 4), ExponentialLR(optimizer, 0.9)])


def sequential(optimizer, milestone=4, gamma=0.9):
    parts = [LinearLR(optimizer, 0.1, total_iters=4), ExponentialLR(optimizer, gamma)]
    return SequentialLR(optimizer, parts, [milestone])


def one_cycle(optimizer, max_lr=0.1, total_steps=24, **options):
    return OneCycleLR(optimizer, max_lr, total_steps=total_steps, **options)


class Warmup:
    """A rule with a state of its own, which LambdaLR saves."""

    def __init__(self, steps=5):
        self.steps = steps

    def __call__(self, step):
        return min(1.0, (step + 1) / self.steps)


SCHEDULERS = [
    one_cycle,
    sequential,
    chained,
    partial(CosineAnnealingLR, T_max=12),
    partial(CosineAnnealingWarmRestarts, T_0=3, T_mult=2),
    partial(CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=4),
    partial(LambdaLR, lr_lambda=lambda step: 0.9**step),
    lambda optimizer: LambdaLR(optimizer, Warmup()),
    partial(MultiplicativeLR, lr_lambda=lambda step: 0.95),
    partial(MultiStepLR, milestones=[3, 6], gamma=0.5),
    partial(PolynomialLR, total_iters=9),
    partial(StepLR, step_size=3, gamma=0.5),
]


def followed(make, rate=0.05, as_tensor=False):
    """A model, an optimizer of two groups, and its scheduler."""
    model = two_layers()
    groups = [
        {"params": model["a"].parameters(), "weight_decay": 0.1},
        {"params": model["b"].parameters(), "lr": torch.tensor(rate) if as_tensor else rate / 2},
    ]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(rate) if as_tensor else rate, momentum=0.9)
    return {"model": model, "optimizer": optimizer, "scheduler": make(optimizer)}


def follow(parts, steps):
    """Some training; the settings on the way."""
    seen = []
    for _ in range(steps):
        parts["optimizer"].zero_grad()
        x = torch.linspace(0, 1, 12).view(4, 3)
        parts["model"]["b"](parts["model"]["a"](x)).square().mean().backward()
        parts["optimizer"].step()
        parts["scheduler"].step()
        seen.append(copy.deepcopy(parts["optimizer"].state_dict()["param_groups"]))
    return seen


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("make", SCHEDULERS)
def test_every_schedule_goes_on_made_anew_or_moved_on(tmp_path, make, as_tensor):
    path, straight, stopped = (
        tmp_path / "a.pt",
        *(followed(make, as_tensor=as_tensor) for _ in "12"),
    )
    expected = follow(straight, 10)
    assert follow(stopped, 5) == expected[:5]
    save_checkpoint(path, **stopped)
    fresh = followed(make, as_tensor=as_tensor)
    follow(stopped, 2)  # as after Ctrl-C in a notebook, where the objects live on
    for parts in fresh, stopped:
        load_checkpoint(path, **parts)
        assert follow(parts, 5) == expected[5:]
        assert differences(snapshot(*straight.values()), snapshot(*parts.values())) == []


@pytest.mark.parametrize(
    ("make", "difference"),
    [
        (partial(one_cycle, pct_start=0.5), "scheduler _schedule_phases 0 end_step: .*, 11 here"),
        (partial(one_cycle, anneal_strategy="linear"), "_anneal_func_type: cos .*, linear here"),
        (partial(one_cycle, final_div_factor=10), "group 0 min_lr: 4e-07 in the file, 0.0004 here"),
        (partial(one_cycle, total_steps=30), "scheduler total_steps: 24 in the file, 30 here"),
        (partial(one_cycle, max_lr=0.2), "group 1 max_lr: 0.1 in the file, 0.2 here"),
        (partial(one_cycle, base_momentum=0.8), "group 0 base_momentum: 0.85 in the file, 0.8 her"),
        (sequential, "scheduler class: OneCycleLR in the file, SequentialLR here"),
        (lambda optimizer: None, "scheduler class: OneCycleLR in the file, nothing here"),
    ],
)
def test_another_one_cycle_is_refused(tmp_path, make, difference):
    check_other_settings(tmp_path / "a.pt", followed(one_cycle), followed(make), difference)


def check_other_settings(path, saved, others, difference):
    """A refusal that names the difference and the cure and changes nothing; then the cure."""
    if saved["scheduler"] is not None:
        follow(saved, 5)
    save_checkpoint(path, **saved)
    things = [thing for thing in others.values() if thing is not None]
    before = snapshot(*things)
    cure = r"\. Make them alike, or say new_settings=True to go on with the new ones"
    with pytest.raises(CheckpointError, match=f"has other settings; .*{difference}.*{cure}"):
        load_checkpoint(path, **others)
    assert differences(before, snapshot(*things)) == []
    load_checkpoint(path, **others, new_settings=True)
    assert differences(*(flat_state(parts["optimizer"]) for parts in (saved, others))) == []


def flat_state(optimizer):
    return optimizer.state_dict()["state"]


@pytest.mark.parametrize(
    ("make", "other", "difference"),
    [
        (sequential, partial(sequential, milestone=6), "scheduler _milestones 0: 4 .*, 6 here"),
        (sequential, partial(sequential, gamma=0.8), "scheduler _schedulers 1 gamma: 0.9 .*, 0.8"),
        (
            partial(MultiStepLR, milestones=[3, 6]),
            partial(MultiStepLR, milestones=[3, 9]),
            "scheduler milestones 6: 1 in the file, nothing here; scheduler milestones 9: nothing",
        ),
        (
            partial(LambdaLR, lr_lambda=lambda step: 0.9**step),
            partial(LambdaLR, lr_lambda=lambda step: 0.8**step),
            "scheduler _last_lr 0: .* in the file, .*; group 0 lr:",
        ),
        (
            lambda optimizer: LambdaLR(optimizer, Warmup(9)),
            lambda optimizer: LambdaLR(optimizer, Warmup(8)),
            "scheduler lr_lambdas 0 steps: 9 in the file, 8 here",
        ),
        (
            lambda optimizer: None,
            one_cycle,
            "scheduler class: nothing in the file, OneCycleLR here",
        ),
    ],
)
def test_another_schedule_is_refused(tmp_path, make, other, difference):
    check_other_settings(tmp_path / "a.pt", followed(make), followed(other), difference)


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [(0, "lr", 0.01), (1, "lr", 0.01), (1, "weight_decay", 0.2), (0, "nesterov", True)],
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_another_setting_of_any_group_is_refused(tmp_path, group, key, value, as_tensor):
    """By hand between two calls, as notebook 06 lowers a rate, or where the optimizer is made."""
    saved, others = (followed(lambda optimizer: None, as_tensor=as_tensor) for _ in "12")
    settings = others["optimizer"].param_groups[group]
    settings[key] = torch.tensor(value) if as_tensor and key == "lr" else value
    check_other_settings(tmp_path / "a.pt", saved, others, f"group {group} {key}: .* {value}")
    assert math.isclose(settings[key], value, rel_tol=1e-6)


def test_a_scheduler_that_cannot_be_replayed_keeps_what_it_has_measured(tmp_path):
    make = partial(ReduceLROnPlateau, patience=1)
    parts, path = followed(make), tmp_path / "a.pt"
    for loss in 1.0, 2.0, 2.0, 2.0:
        parts["optimizer"].step(), parts["scheduler"].step(loss)
    save_checkpoint(path, **parts)
    fresh = followed(make)
    load_checkpoint(path, **fresh)
    assert differences(snapshot(*parts.values()), snapshot(*fresh.values())) == []
    assert fresh["optimizer"].param_groups[0]["lr"] == pytest.approx(0.005)
    patient = followed(partial(ReduceLROnPlateau, patience=3))
    with pytest.raises(CheckpointError, match="scheduler patience: 1 in the file, 3 here"):
        load_checkpoint(path, **patient)
    load_checkpoint(path, **patient, new_settings=True)
    assert patient["scheduler"].patience == 3
    assert patient["optimizer"].param_groups[0]["lr"] == 0.05


def test_a_schedule_that_has_moved_on_cannot_get_new_settings(tmp_path):
    """Nobody could tell where it would stand at the file's step."""
    path, parts, others = (
        tmp_path / "a.pt",
        followed(one_cycle),
        followed(partial(one_cycle, max_lr=1)),
    )
    follow(parts, 3), follow(others, 5)
    save_checkpoint(path, **parts)
    before = snapshot(*others.values())
    with pytest.raises(
        CheckpointError, match="is 2 steps behind: make optimizer and scheduler anew"
    ):
        load_checkpoint(path, **others, new_settings=True)
    assert differences(before, snapshot(*others.values())) == []


def test_a_refusal_leaves_a_rate_that_is_a_tensor_in_its_place(tmp_path):
    """Compiled and captured steps hold on to that very tensor."""
    saved = followed(one_cycle, as_tensor=True)
    follow(saved, 5)
    save_checkpoint(tmp_path / "a.pt", **saved)
    others = followed(partial(one_cycle, max_lr=0.2), as_tensor=True)
    rates = [group["lr"] for group in others["optimizer"].param_groups]
    with pytest.raises(CheckpointError, match="has other settings"):
        load_checkpoint(tmp_path / "a.pt", **others)
    now = [group["lr"] for group in others["optimizer"].param_groups]
    assert all(rate is before for rate, before in zip(now, rates, strict=True))


def test_a_scheduler_of_another_optimizer_is_a_mistake(tmp_path):
    parts = followed(one_cycle)
    wrong = parts | {"scheduler": followed(one_cycle)["scheduler"]}
    with pytest.raises(ValueError, match="scheduler must be made from this very optimizer"):
        save_checkpoint(tmp_path / "a.pt", **wrong)


def test_a_setting_that_only_one_version_of_pytorch_knows(tmp_path):
    parts, path = followed(one_cycle), tmp_path / "a.pt"
    save_checkpoint(path, **parts)
    state = torch.load(path, weights_only=True)
    for settings in state["settings"]["group"]:
        settings["of_yesterday"] = settings.pop("differentiable")
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"group 0 of_yesterday: .*group 0 differentiable"):
        load_checkpoint(path, **parts)
    torch.save(state | {"torch_version": "2.10.0"}, path)
    load_checkpoint(path, **parts)
    assert "of_yesterday" not in parts["optimizer"].param_groups[0]
    state["settings"]["group"][0]["lr"] = 7.0
    torch.save(state | {"torch_version": "2.10.0"}, path)
    with pytest.raises(CheckpointError, match="group 0 lr: 7 in the file"):
        load_checkpoint(path, **parts)


def recipe(epochs, rate=0.1, scheduled=True):
    """What fit needs, made for so many epochs as `python -m helpers.train` makes it."""
    model = make_model()
    optimizer = sgd(model, lr=rate)
    scheduler = OneCycleLR(optimizer, rate, total_steps=3 * epochs) if scheduled else None
    torch.manual_seed(77)
    return model, {"optimizer": optimizer, "scheduler": scheduler}


@pytest.mark.parametrize("scheduled", [True, False])
@pytest.mark.parametrize(("epochs", "rate"), [(5, 0.1), (3, 0.02), (5, 0.02)])
def test_going_on_for_longer_or_with_another_rate(tmp_path, epochs, rate, scheduled):
    """Every day's work: a finished training gets more epochs, a rate turns out too high."""
    path, run = tmp_path / "a.pt", {"epochs": epochs, "progress": False}
    model, parts = recipe(3, scheduled=scheduled)
    first = 3 if epochs == 5 else 2
    fit(model, make_loader(), **parts, epochs=first, progress=False, checkpoint=path)
    gathered = copy.deepcopy(flat_state(parts["optimizer"]))
    model, parts = recipe(epochs, rate, scheduled)
    if scheduled or rate != 0.1:
        with pytest.raises(CheckpointError, match="new_settings=True"):
            fit(model, make_loader(), **parts, **run, checkpoint=path)
    rates = Rates(make_loader(), parts["optimizer"])
    run["new_settings"] = scheduled or rate != 0.1
    history = fit(model, rates, **parts, **run, checkpoint=path)
    assert history.epochs == epochs and len(rates.momentum) == 3 * (epochs - first)
    assert torch.equal(rates.momentum[0], gathered[0]["momentum_buffer"])
    _, straight = recipe(epochs, rate, scheduled)
    expected = follow_rates(straight, 3 * epochs)[3 * first :]
    assert rates.seen == expected
    assert not load_checkpoint(path).history.interrupted


class Rates:
    """A loader that notes the learning rate and the momentum that each batch will meet."""

    def __init__(self, loader, optimizer):
        self.loader, self.optimizer, self.seen, self.momentum = loader, optimizer, [], []
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            group = self.optimizer.param_groups[0]
            self.seen.append(group["lr"])
            self.momentum.append(
                self.optimizer.state[group["params"][0]]["momentum_buffer"].clone()
            )
            yield batch


def follow_rates(parts, steps):
    seen = []
    for number in range(steps):
        seen.append(parts["optimizer"].param_groups[0]["lr"])
        parts["optimizer"].step()
        if parts["scheduler"] is not None and number < steps - 1:
            parts["scheduler"].step()
    return seen


def test_a_schedule_too_short_for_what_is_left_is_refused_before_anything_changes(tmp_path):
    path = tmp_path / "a.pt"
    model, parts = recipe(3)
    fit(model, make_loader(), **parts, epochs=2, progress=False, checkpoint=path)
    model, parts = recipe(4)
    before, loader = snapshot(model, *parts.values()), make_loader()
    with pytest.raises(ValueError, match="scheduler has 6 of 12 steps left for 9 batches"):
        fit(model, loader, **parts, epochs=5, checkpoint=path, new_settings=True)
    assert differences(before, snapshot(model, *parts.values())) == [] and loader.epoch == 0


# Loaders


def test_what_was_not_saved_cannot_be_filled(tmp_path):
    path, model = tmp_path / "a.pt", make_model()
    save_checkpoint(path, model=model)
    with pytest.raises(CheckpointError, match="optimizer: nothing in the file, SGD here"):
        load_checkpoint(path, optimizer=sgd(model))
    with pytest.raises(CheckpointError, match="class: nothing in the file, StepLR here"):
        load_checkpoint(path, scheduler=StepLR(sgd(model), 3))
    with pytest.raises(CheckpointError, match="loader: nothing in the file, a state_dict here"):
        load_checkpoint(path, loader=make_loader())


def test_the_state_of_another_kind_of_loader(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, model=make_model(), loader=make_loader())
    with pytest.raises(CheckpointError, match="loader: a state_dict in the file, 1 generators he"):
        load_checkpoint(path, loader=seeded_dataloader())
    save_checkpoint(path, model=make_model(), loader=seeded_dataloader())
    with pytest.raises(CheckpointError, match="loader: 1 generators in the file, 0 generators he"):
        load_checkpoint(path, loader=plain_dataloader())


@pytest.mark.parametrize(
    ("loader", "difference"),
    [
        (lambda: BatchLoader(*make_data(), 16, shuffle=True), "batch_size must be 32, .* got 16"),
        (
            lambda: BatchLoader(*make_data(50), 32, shuffle=True),
            "num_samples must be 70, .* got 50",
        ),
    ],
)
def test_a_loader_of_other_sizes_is_refused_before_anything_changes(saved, loader, difference):
    path, model, optimizer = saved
    parts = {"model": model, "optimizer": optimizer, "loader": loader()}
    before = snapshot(*parts.values())
    with pytest.raises(CheckpointError, match=f"{path} does not fit: .*{difference}"):
        load_checkpoint(path, **parts)
    assert differences(before, snapshot(*parts.values())) == []


# Wrapped models


def compiled(model):
    try:
        return torch.compile(model)  # which compiles nothing before the first forward pass
    except RuntimeError as error:
        pytest.skip(f"this PyTorch does not compile here: {error}")


@pytest.mark.parametrize(
    "wrap",
    [compiled, nn.DataParallel, lambda model: nn.DataParallel(compiled(model))],
    ids=["compiled", "DataParallel", "both"],
)
def test_a_wrapped_model_and_the_plain_one_have_the_same_file(tmp_path, wrap):
    """A network compiled for training is loaded plain for use, and the other way round."""
    path, model = tmp_path / "a.pt", make_model()
    save_checkpoint(path, model=wrap(model), optimizer=sgd(model))
    model.cpu()  # where there is a GPU, DataParallel has moved it there
    plain = make_model(seed=8)
    checkpoint = load_checkpoint(path, model=plain, optimizer=sgd(plain))
    assert checkpoint.model.keys() == model.state_dict().keys()
    assert differences(model.state_dict(), plain.state_dict()) == []
    save_checkpoint(path, model=model, optimizer=sgd(model))
    plain = make_model(seed=8)
    wrapped = wrap(plain)
    load_checkpoint(path, model=wrapped, optimizer=sgd(wrapped))
    assert differences(model.state_dict(), plain.cpu().state_dict()) == []


def test_a_model_that_gets_its_shapes_from_the_first_batch(tmp_path):
    save_checkpoint(tmp_path / "a.pt", model=nn.Sequential(nn.Linear(36, 4)))
    model = nn.Sequential(nn.LazyLinear(4))
    load_checkpoint(tmp_path / "a.pt", model=model)
    assert model(torch.zeros(1, 36)).shape == (1, 4)


# Several processes


def train_together(rank, meeting, calls):
    """One of two processes, with Dropout, an uneven last batch, and a seed of its own."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    for path, epochs, seed in calls:
        set_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.Dropout(0.5), nn.Linear(16, 4))
        shard = Shard(BatchLoader(*make_data(71), 32, shuffle=True, seed=3), rank, 2)
        model = parallel(model, shard)
        set_seed(seed + rank)
        fit(model, shard, optimizer=sgd(model), epochs=epochs, checkpoint=path, progress=False)
        torch.save([dict(model.module.state_dict()), draws()], f"{path}.{rank}")
        del model
        if path.name == "one state.pt" and epochs == 1 and rank == 0:
            state = torch.load(path, weights_only=True)
            torch.save(state | {"processes": 2 * state["processes"][:1]}, path)
        dist.barrier()
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available() or os.name == "nt", reason="needs gloo and POSIX")
def test_each_of_two_processes_goes_on_as_if_it_had_not_stopped(tmp_path, capsys):
    straight, parts, one = (tmp_path / name for name in ("straight.pt", "parts.pt", "one state.pt"))
    calls = [(straight, 3, 1), (parts, 1, 1), (parts, 3, 50), (one, 1, 1), (one, 3, 50)]
    meeting = (tmp_path / "meeting").as_uri()
    said = [tmp_path / f"said.{rank}" for rank in range(2)]
    both = [started(train_together, n, meeting, calls, output=said[n]) for n in range(2)]
    for process, name in zip(both, said, strict=True):
        process.join(240)
        assert process.exitcode == 0, Path(f"{name}.err").read_text()
    ends = {path: [torch.load(f"{path}.{rank}") for rank in range(2)] for path, _, _ in calls}
    assert differences(ends[straight][0][0], ends[straight][1][0]) == []
    assert ends[straight][0][1] != ends[straight][1][1]  # a seed a process
    assert differences(ends[straight], ends[parts]) == []
    assert differences(ends[straight], ends[one]) != []  # so the test can fail
    # One process goes on with new random numbers, and says so.
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.Dropout(0.5), nn.Linear(16, 4))
    loader, chance = BatchLoader(*make_data(71), 32, shuffle=True, seed=4), torch.get_rng_state()
    load_checkpoint(parts, model=model, optimizer=sgd(model), loader=loader)
    line = f"{parts} is of another number of processes: random numbers are new\n"
    assert capsys.readouterr().out == line
    assert torch.equal(chance, torch.get_rng_state())
    assert loader.epoch == 3 and loader.seed == 3
    assert differences(dict(model.state_dict()), ends[straight][0][0]) == []


# All or nothing


class Stubborn(LRScheduler):
    """A scheduler that fails while it is being filled, after the model and the optimizer."""

    def get_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]

    def load_state_dict(self, state_dict):
        if state_dict["last_epoch"] > 0:
            raise ValueError("no thank you")
        super().load_state_dict(state_dict)


class Particular(nn.Linear):
    """A module that looks at what it gets, after its weights are filled."""

    def get_extra_state(self):
        return self.out_features

    def set_extra_state(self, state):
        if torch.equal(self.bias, torch.zeros_like(self.bias)):
            raise ValueError("no thank you")


def particular():
    model = Particular(3, 2)
    optimizer = sgd(model)
    parts = {"model": model, "optimizer": optimizer, "loader": make_loader()}
    return parts | {"scheduler": Stubborn(optimizer)}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda parts, state: None, "does not fit: ValueError: no thank you"),  # the scheduler's
        (lambda parts, state: state["model"]["bias"].zero_(), "does not fit: ValueError: no thank"),
        (lambda parts, state: state["processes"][0].update(random_state={}), "KeyError: 'python'"),
        (lambda parts, state: spoil_generator(state), "Expected a CPUGeneratorImplState"),
        (
            lambda parts, state: state["model"].update(weight=7),
            "While copying the parameter",
        ),
    ],
)
def test_whoever_refuses_at_last_leaves_everything_as_it_was(tmp_path, spoil, reason):
    path, parts, others = tmp_path / "a.pt", particular(), particular()
    iter(parts["loader"])
    parts["model"](torch.rand(4, 3)).sum().backward()
    parts["optimizer"].step()
    if "thank you" in reason:
        parts["scheduler"].step()
    save_checkpoint(path, **parts)
    state = torch.load(path, weights_only=True)
    spoil(parts, state)
    torch.save(state, path)
    before, chance = snapshot(*others.values()), draws_to_come()
    with pytest.raises(CheckpointError, match=f"{path} .*{reason}"):
        load_checkpoint(path, **others)
    assert differences(before, snapshot(*others.values())) == []
    assert draws_to_come() == chance


def spoil_generator(state):
    chance = state["processes"][0]["random_state"]
    chance["torch"] = chance["torch"][:99]


def draws_to_come():
    """What the three shared generators will yield, which yield it afterwards all the same."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    numbers = draws()
    random.setstate(before[0]), np.random.set_state(before[1])  # noqa: NPY002
    torch.set_rng_state(before[2])
    return numbers


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"path": 7}, TypeError, "path must be a str or a path, got 7"),
        ({"path": ""}, CheckpointError, "must be a file, but a folder"),
        ({"path": "a\0b"}, (ValueError, CheckpointError), "null"),
        ({"model": None}, TypeError, "model must be of type Module, got a NoneType"),
        ({"model": {}}, TypeError, "model must be of type Module, got a dict"),
        ({"optimizer": {}}, TypeError, "optimizer must be of type Optimizer, got a dict"),
        ({"scheduler": 1}, TypeError, "scheduler must be of type LRScheduler, got a int"),
        ({"history": []}, TypeError, "history must be of type History, got a list"),
        ({"epoch": 1.0}, TypeError, "epoch must be an int, got 1.0"),
        ({"epoch": True}, TypeError, "epoch must be an int, got True"),
        ({"epoch": -1}, ValueError, "epoch must be 0 or more, got -1"),
    ],
)
def test_bad_arguments(tmp_path, change, error, message):
    arguments = {"path": tmp_path / "a.pt", "model": make_model(), **change}
    with pytest.raises(error, match=message):
        save_checkpoint(arguments.pop("path"), **arguments)
    assert not (tmp_path / "a.pt").exists()


def on_cuda(path):
    """Rewrite a checkpoint as a machine with a GPU would have saved it."""
    content, file = path.read_bytes(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):  # torch's tag of a place: a short string
                assert b"X\x03\x00\x00\x00cpu" in data
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(entry.filename, data)
    path.write_bytes(file.getvalue())


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without CUDA")
def test_a_cuda_checkpoint_on_a_machine_without_cuda(saved):
    path, model, optimizer = saved
    expected = load_checkpoint(path)
    on_cuda(path)
    with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
        torch.load(path, weights_only=True)
    checkpoint = load_checkpoint(path, model=model, optimizer=optimizer)
    assert differences(expected.model, checkpoint.model) == []
    assert differences(expected.model, dict(model.state_dict())) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_from_cuda_to_the_cpu_and_back(tmp_path):
    model, optimizer, _, _ = trained()
    model.cuda()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(9, 1, 6, 6).cuda()).sum().backward()
    optimizer.step()
    save_checkpoint(tmp_path / "a.pt", model=model, optimizer=optimizer)
    expected = torch.rand(3, device="cuda")
    other = make_model(seed=8)
    load_checkpoint(tmp_path / "a.pt", model=other, optimizer=torch.optim.Adam(other.parameters()))
    assert differences(other.state_dict(), model.cpu().state_dict()) == []
    assert torch.equal(torch.rand(3, device="cuda"), expected)


# fit with a checkpoint of something else


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 1}, ValueError, "epochs must be at least 2, as .*a.pt has, got 1"),
        ({"scheduler": None}, CheckpointError, "class: OneCycleLR in the file, nothing here"),
        ({"total_steps": 12}, CheckpointError, "scheduler total_steps: 9 in the file, 12 here"),
        ({"epochs": 4}, ValueError, "scheduler has 3 of 9 steps left for 6 batches"),
        ({"weight_decay": 0.1}, CheckpointError, "group 0 weight_decay: 0 in the file, 0.1 here"),
        ({"width": 20}, CheckpointError, r"does not fit; model 1\.weight: \(16, 36\) in the file"),
    ],
)
def test_fit_refuses_the_checkpoint_of_another_training(tmp_path, change, error, message):
    def call(epochs=3, total_steps=9, width=16, weight_decay=0, **options):
        model = make_model(width=width)
        optimizer = sgd(model, weight_decay=weight_decay)
        scheduler = OneCycleLR(optimizer, 0.1, total_steps=total_steps)
        run = {"epochs": epochs, "scheduler": scheduler, "progress": False, **options}
        before = snapshot(model, optimizer)
        try:
            fit(model, make_loader(), optimizer=optimizer, checkpoint=tmp_path / "a.pt", **run)
        except error:
            assert differences(before, snapshot(model, optimizer)) == []
            raise

    call(epochs=2)
    before = (tmp_path / "a.pt").read_bytes()
    with pytest.raises(error, match=message):
        call(**change)
    assert (tmp_path / "a.pt").read_bytes() == before


def test_fit_finds_out_before_training_that_it_cannot_save(tmp_path):
    (tmp_path / "file").write_text("in the way")
    model = make_model()
    before = snapshot(model)
    with pytest.raises(CheckpointError, match="cannot save"):
        fit(
            model,
            make_loader(),
            optimizer=sgd(model),
            epochs=1,
            checkpoint=tmp_path / "file" / "a.pt",
        )
    assert differences(before, snapshot(model)) == []


@pytest.mark.parametrize("path", [5, True, b"a.pt"])
def test_fit_names_its_own_argument(path):
    model = make_model()
    with pytest.raises(TypeError, match="checkpoint must be a str or a path, got "):
        fit(model, make_loader(), optimizer=sgd(model), epochs=1, checkpoint=path)


def test_random_state_is_yes_no_or_none(tmp_path):
    with pytest.raises(TypeError, match="random_state must be True, False or None, got 'no'"):
        load_checkpoint(tmp_path / "a.pt", random_state="no")


def test_fit_does_not_write_over_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "a.pt").write_text("my thesis")
    model = make_model()
    with pytest.raises(CheckpointError, match="save_checkpoint did not write it"):
        fit(model, make_loader(), optimizer=sgd(model), epochs=1, checkpoint=tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_text() == "my thesis"


def test_history_survives_a_round_trip(tmp_path):
    history = History()
    history.add(Metrics(0.5, 0.25), Metrics(0.75, 0.5), 1.5)
    save_checkpoint(tmp_path / "a.pt", model=make_model(), history=history, epoch=1)
    assert load_checkpoint(tmp_path / "a.pt").history == history


def test_no_run_that_goes_on_was_interrupted(tmp_path):
    """Else whoever asks a history whether the run is whole gets the wrong answer for good."""
    path, history = tmp_path / "a.pt", History(interrupted=True)
    model = make_model()
    save_checkpoint(path, model=model, optimizer=sgd(model), loader=make_loader(), history=history)
    assert load_checkpoint(path).history == History()
    run = {"optimizer": sgd(model), "epochs": 1, "checkpoint": path, "progress": False}
    assert not fit(model, make_loader(), **run).interrupted

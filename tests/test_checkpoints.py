"""helpers.checkpoints: kills, full disks, damage and malice, and resuming without a difference."""

import contextlib
import copy
import errno
import hashlib
import io
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
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import PROCESSES, result_of, started
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from helpers import checkpoints
from helpers.batches import BatchLoader
from helpers.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from helpers.metrics import History, Metrics
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


@pytest.mark.parametrize("loader", [make_loader, seeded_dataloader, plain_dataloader])
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
    what = "is a device, a pipe or a socket, expected"
    with pytest.raises(
        CheckpointError, match=f"cannot save {no_file}: it {what} the path of a file"
    ):
        save_checkpoint(no_file, model=model)
    with pytest.raises(CheckpointError, match=f"{no_file} {what} a checkpoint file"):
        fit(model, make_loader(), optimizer=sgd(model), epochs=1, checkpoint=no_file)
    assert stat.S_IFMT(no_file.stat().st_mode) == kind
    assert os.listdir(no_file.parent) == ["a.pt"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot save .*a\.pt: .*; nothing was written"):
        save_checkpoint(tmp_path / "file" / "a.pt", model=make_model())
    with pytest.raises(CheckpointError, match="it is a folder, expected the path of a file"):
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


def test_20_truncations(saved, say):
    path, model, optimizer = saved
    content = path.read_bytes()
    lengths = [0, 1, 63, 64, 71, len(content) - 1, len(content) - 64, len(content) - 71]
    lengths += [len(content) * part // 13 for part in range(1, 13)]
    for length in lengths:
        path.write_bytes(content[:length])
        check_refused(path, model, optimizer, "is empty" if length == 0 else "is damaged")
    say(f"{len(lengths)} of {len(lengths)} truncations are found")


def test_50_flipped_bytes(saved, say):
    path, model, optimizer = saved
    content = path.read_bytes()
    weights = content.index(load_checkpoint(path).model["1.weight"].numpy().tobytes())
    padding = content.index(b"ZZZZ")  # torch aligns its records with bytes that no CRC covers
    chance = random.Random(0)
    places = [0, weights, weights + 99, padding, len(content) - 1, len(content) - 64]
    places += chance.sample(range(len(content)), 50 - len(places))
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        check_refused(path, model, optimizer, "is damaged")
    say(f"{len(places)} of {len(places)} flipped bits are found")


def seal(content):
    """A file's bytes with the seal of save_checkpoint, made without it."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"sha256 " + b"-" * 64
    body = file.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def sealed(path, state):
    file = io.BytesIO()
    torch.save(state, file)
    path.write_bytes(seal(file.getvalue()))


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
        sealed(path, {**state, entry: Malicious(marker)})
        check_refused(path, model, optimizer, "could run code: not loaded")
    path.write_bytes(pickle.dumps(Malicious(marker)))
    check_refused(path, model, optimizer, "save_checkpoint did not write it")
    assert not marker.exists()


# Files that do not fit


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.unlink(), "does not exist, expected a checkpoint file"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder, expected a checkpoint file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("some text\n" * 99), "save_checkpoint did not write it"),
        (lambda path: torch.save(make_model().state_dict(), path), "did not write it"),
        (lambda path: sealed(path, make_model().state_dict()), "is not a checkpoint"),
        (lambda path: sealed(path, [1, 2]), "is not a checkpoint"),
        (lambda path: sealed(path, {"format": 1, "model": {}}), "is not a checkpoint"),
        (lambda path: sealed(path, {"format": 2}), "of format 2, newer than the 1 that"),
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
    said = [f"{path} cannot be read: Permission denied" for path in paths]
    assert result_of(errors_of_shut, *paths) == said


def test_the_checkpoint_of_another_model(saved):
    path, _, _ = saved
    wide = make_model(width=20)
    check_refused(
        path, wide, sgd(wide), r"of another shape: 1\.weight \(16, 36\) for \(20, 36\), 1\.bias"
    )
    linear = nn.Linear(2, 3)
    check_refused(
        path,
        linear,
        sgd(linear),
        r"of another model; missing from the file: weight, bias; not in this model: 1\.weight, "
        r"1\.bias, 2\.weight, 2\.bias, 2\.running_mean and 4 more",
    )


def test_the_checkpoint_of_another_optimizer(saved):
    path, model, _ = saved
    adam = torch.optim.Adam(model.parameters())
    check_refused(path, model, adam, "holds the optimizer SGD, but the one to be filled is Adam")
    part = sgd(model[1])
    check_refused(path, model, part, r"groups have \[6\] parameters, .* filled has \[2\]")
    rate = sgd(model, lr=0.01)
    check_refused(path, model, rate, "made with lr=0.05, but the one to be filled has lr=0.01")


def test_the_checkpoint_of_another_schedule(tmp_path):
    model = make_model()
    optimizer = sgd(model)
    path, one_cycle = tmp_path / "a.pt", OneCycleLR(optimizer, 0.1, total_steps=9)
    save_checkpoint(path, model=model, optimizer=optimizer, scheduler=one_cycle)
    with pytest.raises(CheckpointError, match=r"the scheduler OneCycleLR, but .* filled is StepLR"):
        load_checkpoint(path, scheduler=StepLR(sgd(model), 3))
    with pytest.raises(CheckpointError, match=r"with total_steps=9, .* has total_steps=12"):
        load_checkpoint(path, scheduler=OneCycleLR(sgd(model), 0.1, total_steps=12))
    with pytest.raises(CheckpointError, match=r"with base_lrs=\[0.004\], .* base_lrs=\[0.02\]"):
        load_checkpoint(path, scheduler=OneCycleLR(sgd(model), 0.5, total_steps=9))


@pytest.mark.parametrize(
    ("scheduler", "other", "message"),
    [
        (CosineAnnealingLR, {"T_max": 24}, "with T_max=12, .* has T_max=24"),
        (StepLR, {"step_size": 3, "gamma": 0.9}, "with gamma=0.5, .* has gamma=0.9"),
        (MultiStepLR, {"milestones": [3, 9]}, "with milestones=.*, .* has milestones="),
    ],
)
def test_a_schedule_made_otherwise_is_not_replaced_without_a_word(
    tmp_path, scheduler, other, message
):
    model, path = make_model(), tmp_path / "a.pt"
    made = {"T_max": 12, "step_size": 3, "gamma": 0.5, "milestones": [3, 6]}
    made = {key: value for key, value in made.items() if key in other}
    save_checkpoint(path, model=model, scheduler=scheduler(sgd(model), **made))
    load_checkpoint(path, scheduler=scheduler(sgd(model), **made))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path, scheduler=scheduler(sgd(model), **other))


def test_what_was_not_saved_cannot_be_filled(tmp_path):
    path, model = tmp_path / "a.pt", make_model()
    save_checkpoint(path, model=model)
    for name, thing in [
        ("optimizer", sgd(model)),
        ("scheduler", StepLR(sgd(model), 3)),
        ("loader", make_loader()),
    ]:
        with pytest.raises(CheckpointError, match=f"was saved without an? {name}, but one is to"):
            load_checkpoint(path, **{name: thing})


def test_the_state_of_another_kind_of_loader(tmp_path):
    path = tmp_path / "a.pt"
    save_checkpoint(path, model=make_model(), loader=make_loader())
    with pytest.raises(CheckpointError, match="another kind of loader than DataLoader"):
        load_checkpoint(path, loader=seeded_dataloader())
    save_checkpoint(path, model=make_model(), loader=seeded_dataloader())
    with pytest.raises(CheckpointError, match="another kind of loader than DataLoader"):
        load_checkpoint(path, loader=plain_dataloader())


class Stubborn(LRScheduler):
    """A scheduler that fails while it is being filled, after the model and the optimizer."""

    def get_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]

    def load_state_dict(self, state_dict):
        if state_dict["last_epoch"] > 0:
            raise ValueError("no thank you")


def test_all_or_nothing(tmp_path):
    model, optimizer, loader, _ = trained()
    scheduler = Stubborn(optimizer)
    optimizer.step(), scheduler.step()
    save_checkpoint(
        tmp_path / "a.pt", model=model, optimizer=optimizer, scheduler=scheduler, loader=loader
    )
    other, loader = make_model(seed=8), make_loader()
    parts = {"model": other, "optimizer": sgd(other), "loader": loader}
    before, chance = snapshot(*parts.values()), torch.get_rng_state()
    with pytest.raises(CheckpointError, match="does not fit: no thank you"):
        load_checkpoint(tmp_path / "a.pt", **parts, scheduler=Stubborn(sgd(other)))
    assert differences(before, snapshot(*parts.values())) == []
    assert torch.equal(chance, torch.get_rng_state())


def test_the_generator_of_a_loader_is_put_back_too(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "a.pt", model=make_model(), loader=seeded_dataloader())
    loader = seeded_dataloader()
    torch.rand(3, generator=loader.generator)
    before = loader.generator.get_state()

    def fail_once(state, restore=checkpoints._set_random_state):
        monkeypatch.setattr(checkpoints, "_set_random_state", restore)
        raise RuntimeError("no generator takes me")

    monkeypatch.setattr(checkpoints, "_set_random_state", fail_once)
    with pytest.raises(CheckpointError, match="does not fit: no generator takes me"):
        load_checkpoint(tmp_path / "a.pt", loader=loader, random_state=True)
    assert torch.equal(loader.generator.get_state(), before)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"path": 7}, TypeError, "path must be a str or a path, got 7"),
        ({"path": ""}, ValueError, "path must name a file, got ''"),
        ({"path": "a\0b"}, ValueError, "path must name a file, got"),
        ({"model": None}, TypeError, "model must be a Module, got None"),
        ({"model": {}}, TypeError, "model must be a Module, got dict"),
        ({"optimizer": {}}, TypeError, "optimizer must be a Optimizer, got dict"),
        ({"scheduler": 1}, TypeError, "scheduler must be a LRScheduler, got int"),
        ({"history": []}, TypeError, "history must be a History, got list"),
        ({"epoch": 1.0}, TypeError, "epoch must be a whole number, got 1.0"),
        ({"epoch": True}, TypeError, "epoch must be a whole number, got True"),
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
    path.write_bytes(seal(file.getvalue()))


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
        ({"epochs": 1}, ValueError, "epochs must be at least 2, as many as .*a.pt has, got 1"),
        ({"scheduler": None}, CheckpointError, "was saved with a scheduler, but none is passed"),
        ({"total_steps": 12}, CheckpointError, "with total_steps=9, .* has total_steps=12"),
        ({"epochs": 4}, ValueError, "epochs x batches is 6, but it has 3 of its 9 steps left"),
        ({"lr": 0.01}, CheckpointError, "made with lr=0.05, but the one to be filled has lr=0.01"),
        ({"width": 20}, CheckpointError, "of another model; of another shape"),
    ],
)
def test_fit_refuses_the_checkpoint_of_another_training(tmp_path, change, error, message):
    def call(epochs=3, total_steps=9, lr=0.05, width=16, **options):
        model = make_model(width=width)
        optimizer = sgd(model, lr=lr)
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
    with pytest.raises(CheckpointError, match="did not write it"):
        fit(model, make_loader(), optimizer=sgd(model), epochs=1, checkpoint=tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_text() == "my thesis"


def test_history_survives_a_round_trip(tmp_path):
    history = History()
    history.add(Metrics(0.5, 0.25), Metrics(0.75, 0.5), 1.5)
    save_checkpoint(tmp_path / "a.pt", model=make_model(), history=history, epoch=1)
    assert load_checkpoint(tmp_path / "a.pt").history == history

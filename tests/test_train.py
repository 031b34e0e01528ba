"""python -m helpers.train: alone, under torchrun, stopped, killed, and called wrongly."""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from processes import started

from helpers.batches import BatchLoader
from helpers.checkpoints import load_checkpoint, save_checkpoint
from helpers.data import fashion_mnist
from helpers.models import LeNet, lenet
from helpers.parallel import Shard, parallel
from helpers.train import main
from helpers.training import evaluate

COMMAND = [sys.executable, "-m", "helpers.train"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
# By default the processes meet at the machine's own name, which it need not be able to look up.
TORCHRUN += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
SMALL = ["--source", "sketches", "--samples", "600", "--device", "cpu", "--epochs", "2"]
TINY = ["--source", "sketches", "--samples", "64", "--device", "cpu", "--epochs", "1"]

gloo = pytest.mark.skipif(not dist.is_available() or os.name == "nt", reason="needs gloo and POSIX")


def call(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)


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
    with pytest.raises(ValueError, match="at least one sample for each of 3 processes, got 34"):
        Shard(make_loader(batch_size=34), 0, 3)  # 34, 34 and 2


# Several processes, one update


def one_of_several(arguments, rank, world_size, port, function):
    """Call the function in the surroundings that torchrun makes."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the port is the parent's
    sys.exit(function(*arguments))


def several(function, *arguments_of_each, output):
    """The exit code, stdout and stderr of each process; they meet here, as under torchrun."""
    world_size = len(arguments_of_each)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = world_size, store.port, function
    processes = [
        started(one_of_several, arguments, rank, *place, output=output / str(rank))
        for rank, arguments in enumerate(arguments_of_each)
    ]
    for process in processes:
        process.join(600)
    said = [
        [(output / f"{rank}.{name}").read_text(encoding="utf-8") for name in ("out", "err")]
        for rank in range(world_size)
    ]
    return [(process.exitcode, *both) for process, both in zip(processes, said, strict=True)]


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
    dist.destroy_process_group()
    print(f"process {rank} of {world_size} agrees")


@gloo
def test_the_update_of_three_processes_is_that_of_one(tmp_path):
    """Three, so that no batch but the last falls into equal parts."""
    for rank, (code, out, err) in enumerate(several(compare_updates, (), (), (), output=tmp_path)):
        assert code == 0, err
        assert out == f"process {rank} of 3 agrees\n"


@pytest.fixture(scope="module")
def one_call(tmp_path_factory):
    """The checkpoint of one call, in one process, that nothing stopped."""
    path = tmp_path_factory.mktemp("one call") / "one.pt"
    assert main([*SMALL, "--checkpoint", str(path)]) == 0
    return path


@gloo
def test_two_processes_report_and_save_what_one_would(tmp_path, one_call):
    arguments = [*SMALL, "--checkpoint", str(tmp_path / "two.pt")]
    both = several(main, (arguments,), (arguments,), output=tmp_path)
    assert [code for code, _, _ in both] == [0, 0], both
    assert both[0][1].count("test accuracy") == 1 and both[1][1] == ""
    one, two = load_checkpoint(one_call), load_checkpoint(tmp_path / "two.pt")
    assert one.model.keys() == two.model.keys() and one.epoch == two.epoch == 2
    # Batch normalisation sees half a batch in each process, so near, not equal.
    assert two.history.train_loss == pytest.approx(one.history.train_loss, rel=0.2)
    # What two processes report about their model is what it is worth in one.
    _, test_loader = fashion_mnist(source="sketches")
    model = LeNet()
    model.load_state_dict(two.model)
    alone = evaluate(model, test_loader)
    assert two.history.test_accuracy[-1] == pytest.approx(alone.accuracy, abs=2e-4)
    assert two.history.test_loss[-1] == pytest.approx(alone.loss, rel=1e-5)
    assert sorted(os.listdir(tmp_path)) == ["0.err", "0.out", "1.err", "1.out", "two.pt"]


# Stopping and going on


def test_the_same_call_goes_on_and_equals_one_call(tmp_path, one_call, capsys):
    path = tmp_path / "parts.pt"
    call_again = [*SMALL, "--checkpoint", str(path)]
    process = started(main, call_again, output=tmp_path / "killed")
    while not path.exists() or load_checkpoint(path).epoch < 1:
        assert process.is_alive() or load_checkpoint(path).epoch >= 1
        time.sleep(0.01)
    process.kill()
    process.join()
    assert main(call_again) == 0
    assert "test accuracy" in capsys.readouterr().out
    whole, parts = load_checkpoint(one_call), load_checkpoint(path)
    assert parts.history.train_loss == whole.history.train_loss
    for name, tensor in whole.model.items():
        assert torch.equal(tensor, parts.model[name])


@pytest.mark.skipif(os.name == "nt", reason="a broken pipe and SIGINT are matters of POSIX")
def test_ctrl_c_is_exit_code_130_and_nobody_has_to_read_the_output(tmp_path, ctrl_c_arrives):
    """As in `python -m helpers.train 2>&1 | head -1`: the rest is trained and saved."""
    path = tmp_path / "a.pt"
    command = [*COMMAND, *TINY, "--epochs", "500", "--checkpoint", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdout.close()
        while not path.exists() or load_checkpoint(path).epoch < 1:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=600) == 130
    assert load_checkpoint(path).epoch >= 1


# Called wrongly


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--device", "abacus"], "--device: expected one of cpu.* on this machine, got 'abacus'"),
        (["--device", "cuda:99"], "--device: expected one of cpu.* on this machine, got 'cuda:99'"),
        (["--epochs", "-1"], "--epochs: expected a whole number of at least 1, got '-1'"),
        (["--epochs", "1.5"], "--epochs: expected a whole number of at least 1, got '1.5'"),
        (["--batch-size", "0"], "--batch-size: expected a whole number of at least 1, got '0'"),
        (["--learning-rate", "nan"], "expected a number of at least .*, got 'nan'"),
        (["--seed", "-3"], "--seed: expected a whole number of at least 0, got '-3'"),
        (["--source", "mnist"], "--source: invalid choice"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*SMALL, *arguments])
    assert stopped.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert re.search(sentence, errors[-1]), errors[-1]


def test_the_checkpoint_of_another_model(tmp_path, capsys):
    path = str(tmp_path / "a.pt")
    save_checkpoint(path, model=torch.nn.Linear(2, 2), epoch=1)
    assert main([*SMALL, "--checkpoint", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith("helpers.train failed: ") and error.count("\n") == 1
    assert "was saved without" in error or "of another model" in error


def left_over(word):
    """Processes with this word in their command line."""
    return [p for p in psutil.process_iter(["cmdline"]) if word in (p.info["cmdline"] or [])]


def train(arguments, data):
    os.environ["FASHION_MNIST_DIR"] = data
    return main(arguments)


@gloo
def test_one_of_two_that_fails_ends_both(tmp_path):
    """Even where no torchrun ends the other one, as on another machine."""
    arguments = [*SMALL, "--epochs", "100", "--checkpoint", str(tmp_path / "a.pt")]
    one, another = (arguments, ""), ([*arguments, "--source", "auto"], "nowhere")
    both = several(train, one, another, output=tmp_path)
    assert [code for code, _, _ in both] == [1, 1]
    said = [line for _, _, err in both for line in err.splitlines() if "failed (process" in line]
    assert said[0] == (
        "helpers.train failed (process 0): another process has ended; its message, if any, says why"
    )
    assert said[1].startswith("helpers.train failed (process 1): ") and len(said) == 2
    assert "FASHION_MNIST_DIR" in said[1] and "nowhere" in said[1]
    assert not any("by peer" in err for _, _, err in both)  # gloo's words


@pytest.mark.slow
@gloo
def test_ctrl_c_ends_two_processes_and_keeps_the_checkpoint(tmp_path, ctrl_c_arrives):
    path = str(tmp_path / "a.pt")
    plan = ["-m", "helpers.train", *SMALL, "--epochs", "500", "--checkpoint", path]
    with open(tmp_path / "log", "w") as log:
        job = subprocess.Popen([*TORCHRUN, *plan], start_new_session=True, stdout=log, stderr=log)
        while not os.path.exists(path) or load_checkpoint(path).epoch < 1:
            assert job.poll() is None
            time.sleep(0.05)
        os.killpg(job.pid, signal.SIGINT)  # as a terminal does it: to all of them
        assert job.wait(timeout=600) != 0
    assert load_checkpoint(path).epoch >= 1
    assert not left_over(path)


@pytest.fixture
def occupied_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def environment(monkeypatch, **settings):
    """Set what torchrun would set; None takes it away."""
    names = "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
    for name, value in (dict.fromkeys(names) | settings).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


TWO = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
TWO |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_an_occupied_port(occupied_port, monkeypatch, capsys):
    environment(monkeypatch, **TWO | {"MASTER_PORT": occupied_port})
    assert main(SMALL) == 1
    assert capsys.readouterr().err == (
        f"helpers.train failed (process 0): MASTER_PORT must be a free port, got {occupied_port}, "
        "where another program listens; torchrun --standalone finds a free one\n"
    )


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE must be a whole number of at least 1, .* got 'abc'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE must be a whole number of at least 1, .* got '0'"),
        ({"WORLD_SIZE": "2.0"}, "WORLD_SIZE must be a whole number of at least 1, .* got '2.0'"),
        ({"RANK": None}, "RANK must be a whole number of at least 0 and at most 1, .* got nothing"),
        ({"RANK": "2"}, "RANK must be a whole number of at least 0 and at most 1, .* got '2'"),
        ({"RANK": "one"}, "RANK must be a whole number of at least 0 and at most 1, .* got 'one'"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR must be the address of process 0, .* got nothing"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR must be the address of process 0, .* got nothing"),
        ({"MASTER_PORT": None}, "MASTER_PORT must be a whole number of at least 1 .* got nothing"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT must be a whole number of at least 1 .* got 'http'"),
    ],
)
def test_settings_of_torchrun_that_cannot_be(setting, sentence, monkeypatch, capsys):
    environment(monkeypatch, **TWO | setting)
    assert main(SMALL) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(f"helpers.train failed: {sentence}\n", error), error


@pytest.mark.parametrize(
    "setting",
    [
        {"WORLD_SIZE": "", "RANK": "", "LOCAL_RANK": "", "MASTER_ADDR": "", "MASTER_PORT": ""},
        {"RANK": "1", "LOCAL_RANK": "abc"},  # left over from another job
    ],
)
def test_without_a_world_size_one_process_trains_and_sums_up(setting, monkeypatch, capsys):
    environment(monkeypatch, **setting)
    assert main(TINY) == 0
    assert "test accuracy" in capsys.readouterr().out


# Whatever stdout is


def latin_stream(encoding_errors):
    return io.TextIOWrapper(io.BytesIO(), "cp1252", encoding_errors, newline="\n")


def test_a_chinese_name_on_a_system_with_a_windows_code_page(tmp_path, one_call, monkeypatch):
    """The second call failed, so nobody could resume."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", latin_stream("strict"))
    monkeypatch.setattr(sys, "stderr", latin_stream("backslashreplace"))
    shutil.copy(one_call, "检查点.pt")
    call_again = [*SMALL, "--checkpoint", "检查点.pt"]
    assert main(call_again) == 0
    assert main([*call_again, "--learning-rate", "0.2"]) == 1  # the error tells the name
    said, failed = (stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr))
    shown = r"\u68c0\u67e5\u70b9.pt holds"
    assert f"{shown} epoch 2 of 2: nothing is left to train" in said.splitlines()
    assert failed.startswith(f"helpers.train failed: {shown} an optimizer made with")


TWICE = """
    import sys
    from helpers.train import main

    for _ in range(2):
        code = main(sys.argv[1:])
        assert code == 0, code
    assert main([*sys.argv[1:], "--learning-rate", "0.2"]) == 1  # the error tells the name
"""


@pytest.mark.skipif(os.name == "nt", reason="a setting of POSIX")
def test_a_chinese_name_on_a_system_that_knows_only_ascii(tmp_path):
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    command = [sys.executable, "-c", textwrap.dedent(TWICE), *TINY, "--checkpoint", "检查点.pt"]
    surroundings = os.environ | settings
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, timeout=600)
    errors = done.stderr.decode("utf-8", "backslashreplace")
    assert done.returncode == 0, errors
    holds = "检查点.pt holds epoch 1 of 1: nothing is left to train"  # the name goes out as bytes
    assert holds in done.stdout.decode("utf-8", "backslashreplace").splitlines()
    assert "helpers.train failed" in errors and ".pt holds an optimizer made with" in errors


GRUMBLE = """
    import os, sys, threading, time
    from contextlib import suppress
    from helpers.train import main

    def warn():
        # As a library in C does, which knows the streams by number, whatever file that may be.
        while True:
            for stream in (1, 2):
                with suppress(OSError):
                    os.write(stream, b"W: something happened")
            time.sleep(0.0001)

    threading.Thread(target=warn, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="closes the streams with a shell of POSIX")
def test_a_training_without_stdout_and_stderr(tmp_path):
    """As a service, or with pythonw: trained, saved, and the file is not hit by a warning."""
    path, script = tmp_path / "a.pt", textwrap.dedent(GRUMBLE)
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh"]
    done = call([*shell, sys.executable, "-c", script, *TINY, "--checkpoint", str(path)])
    assert done.returncode == 0
    assert load_checkpoint(path).epoch == 1


def test_an_error_without_stderr_is_still_exit_code_1(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    environment(monkeypatch, WORLD_SIZE="abc")
    assert main(SMALL) == 1
    with pytest.raises(SystemExit) as stopped:
        main([*SMALL, "--epochs", "-1"])
    assert stopped.value.code == 2

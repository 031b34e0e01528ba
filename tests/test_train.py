"""python -m helpers.train: alone, under torchrun, stopped, killed, and called wrongly."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch
import torch.distributed as dist
from processes import several, started

from helpers import data, sketches
from helpers.checkpoints import load_checkpoint, save_checkpoint
from helpers.data import fashion_mnist
from helpers.models import LeNet, PocketNet
from helpers.train import RECIPES, main
from helpers.training import evaluate

COMMAND = [sys.executable, "-m", "helpers.train"]
SMALL = ["--source", "sketches", "--samples", "600", "--device", "cpu", "--epochs", "2"]
TINY = ["--source", "sketches", "--samples", "64", "--device", "cpu", "--epochs", "1"]

gloo = pytest.mark.skipif(not dist.is_available() or os.name == "nt", reason="needs gloo and POSIX")


@pytest.fixture(autouse=True, scope="module")
def few(tmp_path_factory):
    """A home with a few sketches: an epoch of the command line tries all of the test set."""
    home = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        draw_few(home, patch)
        yield home


def draw_few(home, patch):
    patch.setattr(sketches, "PER_CLASS", {True: 60, False: 20})
    patch.setattr(data, "_default_home", lambda: home)


def main_with_few(arguments, home):
    """The command line in a process of its own."""
    draw_few(home, pytest.MonkeyPatch())
    return main(arguments)


@pytest.fixture(scope="module")
def one_call(tmp_path_factory, few):
    """The checkpoint of one call, in one process, that nothing stopped."""
    path = tmp_path_factory.mktemp("one call") / "one.pt"
    assert main([*SMALL, "--checkpoint", str(path)]) == 0
    return path


@gloo
def test_two_processes_report_and_save_what_one_would(tmp_path, one_call, few):
    arguments = [*SMALL, "--checkpoint", str(tmp_path / "two.pt")]
    both = several(main_with_few, (arguments, few), (arguments, few), output=tmp_path)
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


def wait_for_an_epoch(path, alive):
    while not path.exists() or load_checkpoint(path).epoch < 1:
        assert alive() or load_checkpoint(path).epoch >= 1
        time.sleep(0.02)


def test_the_same_call_goes_on_and_equals_one_call(tmp_path, one_call, few, capsys):
    path = tmp_path / "parts.pt"
    call_again = [*SMALL, "--checkpoint", str(path)]
    process = started(main_with_few, call_again, few, output=tmp_path / "killed")
    wait_for_an_epoch(path, process.is_alive)
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
        wait_for_an_epoch(path, lambda: process.poll() is None)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=600) == 130
    assert load_checkpoint(path).epoch >= 1


@pytest.fixture
def finished(tmp_path, one_call):
    """A checkpoint of two epochs, to be gone on from."""
    return shutil.copy(one_call, tmp_path / "finished.pt")


@pytest.mark.parametrize(
    ("option", "value", "there"),
    [("--seed", "9", "0"), ("--samples", "400", "600"), ("--batch-size", "128", "256")],
)
def test_other_data_than_the_checkpoints_are_refused_by_the_name_of_the_option(
    option, value, there, finished, capsys
):
    """They were taken without a word, or the old ones were."""
    before = finished.read_bytes()
    for more in ([], ["--new-settings"]):
        call_again = [*SMALL, "--epochs", "3", option, value, *more, "--checkpoint", str(finished)]
        assert main(call_again) == 1
        assert capsys.readouterr().err == (
            f"helpers.train failed: {option} is {there} in {finished}, got {value}: "
            "take another --checkpoint to begin afresh\n"
        )
    assert finished.read_bytes() == before


def test_more_epochs_and_another_rate_are_taken_on_request(finished, capsys):
    """What the help promises: of both, nothing is put back or dropped without a word."""
    call_again = [*SMALL, "--checkpoint", str(finished)]
    for other in (["--epochs", "3"], ["--learning-rate", "0.05"]):
        assert main([*call_again, *other]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"helpers.train failed: {finished} ") and error.count("\n") == 1
        assert "--new-settings" in error
    more = ["--epochs", "3", "--learning-rate", "0.05", "--new-settings"]
    assert main([*call_again, *more]) == 0
    assert f"{finished} holds epoch 2 of 3: going on from there" in capsys.readouterr().out
    longer = load_checkpoint(finished)
    assert longer.epoch == longer.history.epochs == 3
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=9)
    for _ in range(9):  # 600 pictures in batches of 256, three times
        optimizer.step()
        schedule.step()
    assert longer.scheduler["_last_lr"] == pytest.approx(schedule.get_last_lr())
    (group,) = longer.optimizer["param_groups"]
    assert group["max_lr"] == 0.05 and group["lr"] == pytest.approx(schedule.get_last_lr()[0])


def test_the_recipe_of_the_challenge(tmp_path, few, capsys):
    """Notebook 12 promises it: another network, and rates of its own unless told otherwise."""
    path = tmp_path / "challenge.pt"
    call = [*TINY, "--recipe", "challenge", "--checkpoint", str(path)]
    assert main(call) == 0
    assert "test accuracy" in capsys.readouterr().out
    saved = load_checkpoint(path)
    PocketNet().load_state_dict(saved.model)
    (group,) = saved.optimizer["param_groups"]
    assert group["nesterov"] and group["max_lr"] == RECIPES["challenge"].learning_rate
    assert main([*TINY, "--checkpoint", str(path)]) == 1  # not without the word
    assert "does not fit" in capsys.readouterr().err


# Called wrongly


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
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


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there(device, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*SMALL, "--device", device])
    told = f"--device: must be one of cpu.* on this machine, got '{device}'\n"
    assert re.search(told, capsys.readouterr().err)


def test_the_checkpoint_of_another_model(tmp_path, capsys):
    path = str(tmp_path / "a.pt")
    save_checkpoint(path, model=torch.nn.Linear(2, 2), epoch=1)
    assert main([*SMALL, "--checkpoint", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith("helpers.train failed: ") and error.count("\n") == 1
    assert "does not fit" in error


def train(arguments, home, place):
    os.environ["FASHION_MNIST_DIR"] = place
    return main_with_few(arguments, home)


@gloo
def test_one_of_two_that_fails_ends_both(tmp_path, few):
    """Even where no torchrun ends the other one, as on another machine."""
    arguments = [*SMALL, "--epochs", "100", "--checkpoint", str(tmp_path / "a.pt")]
    one, another = (arguments, few, ""), ([*arguments, "--source", "auto"], few, "nowhere")
    both = several(train, one, another, output=tmp_path)
    assert [code for code, _, _ in both] == [1, 1]
    said = [line for _, _, err in both for line in err.splitlines() if "failed (process" in line]
    assert said[0] == (
        "helpers.train failed (process 0): another process has ended; its message, if any, says why"
    )
    assert said[1].startswith("helpers.train failed (process 1): ") and len(said) == 2
    assert "FASHION_MNIST_DIR" in said[1] and "nowhere" in said[1]
    assert not any("by peer" in err for _, _, err in both)  # gloo's words


def press_on_both(function, *arguments, path, output):
    """Ctrl-C as a terminal does it, to all processes, once an epoch is saved."""
    with ThreadPoolExecutor(1) as executor:
        done = executor.submit(several, function, *arguments, output=output)
        wait_for_an_epoch(path, lambda: not done.done())
        for rank in range(len(arguments)):
            os.kill(int((output / f"{rank}.pid").read_text()), signal.SIGINT)
        return done.result(timeout=600)


def main_with_pid(arguments, home, note):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note.write_text(str(os.getpid()))
    return main_with_few(arguments, home)


@gloo
def test_ctrl_c_ends_two_processes_and_keeps_the_checkpoint(tmp_path, few):
    path = tmp_path / "a.pt"
    arguments = [*TINY, "--epochs", "500", "--checkpoint", str(path)]
    each = [(arguments, few, tmp_path / f"{rank}.pid") for rank in range(2)]
    both = press_on_both(main_with_pid, *each, path=path, output=tmp_path)
    assert {code for code, _, _ in both} <= {1, 130}, both
    assert both[0][0] == 130 or "another process has ended" in both[0][2]
    assert load_checkpoint(path).epoch >= 1


TORCHRUN_NAMES = "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"


@pytest.mark.parametrize(
    "setting",
    [
        dict.fromkeys(TORCHRUN_NAMES, ""),
        {"RANK": "1", "LOCAL_RANK": "abc"},  # left over from another job
    ],
)
def test_without_a_world_size_one_process_sums_up(setting, one_call, monkeypatch, capsys):
    for name in TORCHRUN_NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert main([*SMALL, "--checkpoint", str(one_call)]) == 0
    assert "test accuracy" in capsys.readouterr().out


def test_settings_of_torchrun_that_cannot_be_are_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "abc")
    assert main(SMALL) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(
        "helpers.train failed: WORLD_SIZE must be a whole number from .* got 'abc'\n", error
    )


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
    shown = r"\u68c0\u67e5\u70b9.pt"
    assert f"{shown} holds epoch 2 of 2: nothing is left to train" in said.splitlines()
    assert failed.startswith(f"helpers.train failed: {shown} has other settings")


TWICE = """
    import sys
    from pathlib import Path
    from helpers import data, sketches
    from helpers.train import RECIPES, main

    sketches.PER_CLASS, data._default_home = {True: 60, False: 20}, lambda: Path("few")

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
    assert "helpers.train failed" in errors and ".pt has other settings" in errors


def warn():
    """Write as a library in C does, which knows the streams by number, whatever file that is."""
    while True:
        for stream in (1, 2):
            with suppress(OSError):
                os.write(stream, b"W: something happened")
        time.sleep(0.0001)


def without_streams(arguments, home):
    """As a shell's `>&- 2>&-` and pythonw leave it."""
    os.close(1)
    os.close(2)
    sys.stdout = sys.stderr = None
    threading.Thread(target=warn, daemon=True).start()
    sys.exit(main_with_few(arguments, home))


def test_a_training_without_stdout_and_stderr(tmp_path, few):
    """As a service, or with pythonw: trained, saved, and the file is not hit by a warning."""
    path = tmp_path / "a.pt"
    arguments = [*TINY, "--checkpoint", str(path)]
    process = started(without_streams, arguments, few, output=tmp_path / "said")
    process.join(600)
    assert process.exitcode == 0
    assert load_checkpoint(path).epoch == 1


def test_an_error_without_stderr_is_still_exit_code_1(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv("WORLD_SIZE", "abc")
    assert main(SMALL) == 1
    with pytest.raises(SystemExit) as stopped:
        main([*SMALL, "--epochs", "-1"])
    assert stopped.value.code == 2

"""helpers.processes: two processes that have met, and scripts under torchrun."""

import os
import subprocess
import time

import pytest
import torch
import torch.distributed as dist

from helpers.processes import CAN_TORCHRUN, everywhere, fixed_and_each, torchrun

needs_torchrun = pytest.mark.skipif(not CAN_TORCHRUN, reason="torchrun may lack a library here")
pytestmark = pytest.mark.skipif(not dist.is_available(), reason="needs torch.distributed")


def added(rank, size, number):
    total = torch.tensor([number * (rank + 1)])
    dist.all_reduce(total)
    return os.getpid(), torch.get_num_threads(), total.item()


def options_of(rank, size, **options):
    return rank, options


def refuse(rank, size):
    if rank == 1:
        raise ValueError("rank 1 has no time")


def test_a_line_goes_through_two_measurements_and_never_begins_below_zero():
    assert fixed_and_each({64: 0.010, 256: 0.034}) == pytest.approx((0.002, 0.000125))
    assert fixed_and_each({256: 0.050, 64: 0.010}) == pytest.approx((0.0, 0.010 / 64))


def test_two_processes_meet_stay_and_leave_after_an_error():
    first = everywhere(added, 10)
    assert [rest for _, *rest in first] == [[1, 30], [1, 30]]
    assert len({os.getpid(), *(process for process, *_ in first)}) == 3
    with pytest.raises(ValueError, match="rank 1 has no time"):
        everywhere(refuse)
    assert everywhere(options_of, patient=True) == [(rank, {"patient": True}) for rank in (0, 1)]
    again = everywhere(added, 1)
    assert [total for *_, total in again] == [3, 3]
    assert {process for process, *_ in again} == {process for process, *_ in first}


SCRIPT = """
import os, sys, time
import torch.distributed as dist
from helpers.models import lenet

dist.init_process_group("gloo")
line = f"rank {dist.get_rank()} of {dist.get_world_size()} {sys.argv[1]}\\n"
print(line, end="", flush=True)  # in one piece, for both write to the same pipe
dist.destroy_process_group()
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder from which the helpers are not to be seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


@needs_torchrun
@pytest.mark.slow
def test_a_script_meets_its_like_and_finds_the_helpers(elsewhere):
    (elsewhere / "meet.py").write_text(SCRIPT)
    ran = torchrun("--nproc-per-node=2", "meet.py", "hello")
    assert ran.returncode == 0, ran.stderr
    assert sorted(ran.stdout.split("\n")) == ["", "rank 0 of 2 hello", "rank 1 of 2 hello"]


@needs_torchrun
@pytest.mark.slow
def test_processes_that_start_anew_meet_again(elsewhere):
    """A training would hang, or fail, at the second attempt: it would find dead addresses."""
    killer = """import os
if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    os.kill(os.getpid(), 9)
"""
    meeting, parting = SCRIPT.split("dist.destroy_process_group()")
    (elsewhere / "killed.py").write_text(
        meeting + killer + "dist.barrier()\n" + "dist.destroy_process_group()" + parting
    )
    for _ in range(3):  # without the cure, more than half of the restarts fail
        ran = torchrun("--nproc-per-node=2", "--max-restarts=1", "killed.py", "hello", timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert "exitcode: -9" in ran.stderr
        assert [ran.stdout.count(f"rank {rank} of 2 hello") for rank in (0, 1)] == [2, 2]


@needs_torchrun
@pytest.mark.slow
def test_what_takes_too_long_is_stopped_with_its_workers(elsewhere):
    waiting = "import os, time\nopen('started', 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    (elsewhere / "wait.py").write_text(waiting)
    for timeout in 8, 60:  # a busy machine may need longer until the worker has begun
        with pytest.raises(subprocess.TimeoutExpired):
            torchrun("wait.py", timeout=timeout)
        if (elsewhere / "started").exists():
            break
    assert ended(int((elsewhere / "started").read_text()))


def ended(process):
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False

"""Several processes for a page to try things in: functions in two that have met, and scripts.

What notebook 17 says happens between processes happens in these. No training uses them: a training
of its own is started by `torchrun`, from the command line.
"""

import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from loky import ProcessPoolExecutor

PATIENCE = timedelta(seconds=60)  # for a process that does not answer any more
CAN_TORCHRUN = os.name != "nt"  # many builds for Windows lack a library that torchrun needs
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1")


def everywhere(task: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
    """Call `task(rank, size, *arguments, **options)` in two processes at once that form a group.

    The processes stay, silent and with one thread each, and the next call gets the same ones.
    Functions of a notebook travel to them as copies. Used in notebook 17.

    Returns:
        What `task` returned in each process, in the order of their ranks.

    Raises:
        Exception: what `task` raised in the first process in which it raised something.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as meeting:
        place = str(Path(meeting, "place")), 2
        task = partial(task, **options)
        jobs = [_pool().submit(_member, task, rank, *place, arguments) for rank in range(2)]
        wait(jobs)
        return [job.result() for job in jobs]


def torchrun(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `torchrun --standalone` with these arguments, and wait until it has ended.

    It finds the right Python where the short name is not on the path, and itself where the machine
    cannot look up its own name; its workers find the helpers, and after a restart each other, not
    the addresses of the dead (pytorch issue 135712). Used in notebook 17.

    Args:
        arguments: options of torchrun, then a script, then the script's own.
        timeout: seconds after which torchrun and its workers are stopped.

    Returns:
        Its exit code (`returncode`) and all that was printed (`stdout`, `stderr`).

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*TORCHRUN, *arguments], env=environment, **pipes) as job:
        try:
            said = job.communicate(timeout=timeout)
        finally:
            if job.poll() is None:
                job.terminate()  # it stops its workers, too
    return subprocess.CompletedProcess(job.args, job.returncode, *said)


def fastest(work: Callable[[], Any], times: int = 20) -> float:
    """Return the seconds of the fastest of several runs of `work`, which was disturbed least."""
    return min(timeit.repeat(work, number=1, repeat=times))


def fixed_and_each(seconds: Mapping[int, float]) -> tuple[float, float]:
    """Return a and b of the line a + b n through two measurements, from n to seconds.

    Used in notebook 17. A disturbed clock may ask for a negative a; then it is 0, and the line goes
    through the smaller of the two alone.
    """
    (few, short), (many, long) = sorted(seconds.items())
    each = min((long - short) / (many - few), short / few)
    return short - few * each, each


# The two that stay --------------------------------------------------------------------------------


@cache
def _pool() -> ProcessPoolExecutor:
    os.environ["LOKY_MAX_MEMORY_LEAK_SIZE"] = "4e9"  # bytes; else loky may renew a grown process
    return ProcessPoolExecutor(max_workers=2, timeout=600, initializer=_settle)


def _settle() -> None:
    """One thread, and what libraries print goes nowhere."""
    torch.set_num_threads(1)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def _member(
    task: Callable[..., Any], rank: int, place: str, size: int, arguments: tuple[Any, ...]
) -> Any:
    """Meet the others at a file, do the task, leave."""
    options: Any = {"rank": rank, "world_size": size, "timeout": PATIENCE}
    dist.init_process_group("gloo", store=dist.FileStore(place, size), **options)
    try:
        dist.barrier()  # else one may have left before the other has come
        return task(rank, size, *arguments)
    finally:
        dist.destroy_process_group()

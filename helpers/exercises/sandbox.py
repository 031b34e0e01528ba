"""Another process for the reader's code, with limits of time and memory."""

import faulthandler
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import psutil
import torch
from loky import ProcessPoolExecutor, get_reusable_executor
from loky.process_executor import BrokenProcessPool, TerminatedWorkerError

START_SECONDS = 180  # for starting Python and importing torch on a slow machine
IDLE_SECONDS = 600  # after so long without a task the process ends
POLL_SECONDS = 0.02
GROWTH = 150 * 2**20  # bytes; a process that has grown by more is replaced

_sizes_when_new: dict[int, int] = {}  # bytes, by process id


def run_limited(task: Callable[..., Any], *arguments: Any, seconds: float, memory: int) -> Any:
    """Return task(*arguments), run in another process.

    Args:
        task: a function; what the notebook defines travels to the process by value.
        arguments: what it receives.
        seconds: how long it may run.
        memory: how many bytes the process and its children may need above what it held before.

    Raises:
        Stopped: a limit was passed, the process died, or an argument cannot be sent to it.
        KeyboardInterrupt: the reader interrupted; the process is ended before.
    """
    executor = get_reusable_executor(max_workers=1, timeout=IDLE_SECONDS)
    is_clean = False
    try:
        worker = psutil.Process(_ready(executor))
        before = _size(worker)
        future = executor.submit(_run, task, *arguments)
        _watch(future, worker, seconds, before, memory)
        result, is_clean = _result(future)
        is_clean = is_clean and _size(worker) < _sizes_when_new[worker.pid] + GROWTH
    except Unsendable:
        is_clean = True
        raise
    finally:
        if not is_clean:
            executor.shutdown(kill_workers=True)
    return result


def _run(task: Callable[..., Any], *arguments: Any) -> tuple[Any, bool]:
    """Return a task's result, and whether it leaves no thread or process; runs in the process."""
    threads = threading.active_count()
    result = task(*arguments)
    return result, threading.active_count() <= threads and not psutil.Process().children()


def _ready(executor: ProcessPoolExecutor) -> int:
    """Wait until the process has started and imported what it needs; return its id."""
    try:
        pid, size = executor.submit(_prepare).result(timeout=START_SECONDS)
    except (TimeoutError, BrokenProcessPool) as error:
        raise Stopped("the process that checks your code did not start; try again") from error
    _sizes_when_new.setdefault(pid, size)
    return pid


def _prepare() -> tuple[int, int]:
    """Make this process ready for the reader's code; runs in it."""
    torch.set_num_threads(1)
    faulthandler.disable()  # a crash is reported by the notebook's process, in one sentence
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the notebook's process ends this one
    return os.getpid(), psutil.Process().memory_info().rss


def _watch(
    future: "Future[Any]", worker: psutil.Process, seconds: float, before: int, memory: int
) -> None:
    """Wait until the task has ended; complain as soon as it passes a limit."""
    end = time.monotonic() + seconds
    while not wait([future], timeout=POLL_SECONDS).done:
        if time.monotonic() > end:
            raise Stopped(
                f"your code ran for more than {seconds:g} s; is there a loop that never ends?"
            )
        if _size(worker) > before + memory:
            raise Stopped(
                f"your code needed more than {memory / 2**30:g} GiB of memory; "
                "which tensor is that large?"
            )


def _size(worker: psutil.Process) -> int:
    """Return the bytes that a process and its children hold; 0 if it has gone."""
    total = 0
    try:
        for process in (worker, *worker.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.Error:  # one of them ended at this moment
        pass
    return total


def _result(future: "Future[Any]") -> Any:
    """Return a task's result; say in words why there is none."""
    try:
        return future.result()
    except TerminatedWorkerError as error:
        raise Stopped(
            "your code ended the process that ran it, by a call such as os._exit or by a crash"
        ) from error
    except (pickle.PicklingError, BrokenProcessPool) as error:
        *_, reason = str(error.__cause__ or error).strip(' "\n').splitlines()
        raise Unsendable(reason) from error


class Stopped(Exception):
    """A task did not come to its end; the message says why."""


class Unsendable(Stopped):
    """A task could not be sent to the other process."""

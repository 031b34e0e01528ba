"""Another process for the reader's code, with limits of time and memory.

It is a second Python, spoken to through its standard input and output alone: so it starts where
there are no semaphores, no temporary folder, and no streams in the notebook's own process.
"""

import atexit
import builtins
import contextlib
import faulthandler
import importlib
import io
import linecache
import marshal
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, wait
from pathlib import Path
from typing import IO, Any

import psutil
import torch
from cloudpickle import CloudPickler  # type: ignore[import-untyped]

from exercises.answers import cells, is_readers

START_SECONDS = 180  # for starting Python and importing torch on a slow machine
IDLE_SECONDS = 600  # after so long without a word from the notebook the process ends
POLL_SECONDS = 0.05
PATIENCE = 3  # a task that waits, or that other programs keep waiting, gets so many times as long
GROWTH = 400 * 2**20  # bytes; a process that has grown by more is replaced

LISTENING = b"the process that runs answers is listening\n"
BOOT = f"""
import os, pickle, sys
tasks, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
nowhere = os.open(os.devnull, os.O_RDWR)
for stream in 0, 1, 2:
    os.dup2(nowhere, stream)
replies.write(b"\\n" + {LISTENING!r})
replies.flush()
try:
    sys.path[:] = pickle.load(tasks)
    from exercises.limits import serve
except BaseException as error:
    pickle.dump(("failed", f"{{type(error).__name__}}: {{error}}"), replies)
else:
    serve(tasks, replies)
"""

_turn = threading.Lock()
_kept: "list[_Worker]" = []  # the process that runs tasks, as soon as there is one


def run_limited(
    task: Callable[..., Any], *arguments: Any, seconds: float, memory: int, heard: list[str]
) -> Any:
    """Return task(tell, *arguments), run in another process.

    Args:
        task: a function; what the notebook defines travels to the process by value. It receives
            `tell`, which adds a text to `heard` at once, and with None empties it.
        arguments: what else it receives.
        seconds: how long it may compute. Waiting is not computing, but no task may take more than
            `PATIENCE` times as long by the clock.
        memory: how many bytes the process and its children may need above what it held before.
        heard: receives what the task tells, which stays when the process is stopped.

    Raises:
        Stopped: a limit was passed, or the process died.
        Unsendable: the task, or an argument, cannot be sent to the process.
        NotStarted: there is no process that could run it.
        KeyboardInterrupt: the reader interrupted; the process is ended before.
    """
    load = packed((cells(), task, arguments))
    with _turn:
        is_clean = False
        try:
            worker = _ready()
            reply = worker.ask(load, heard)
            _watch(reply, worker, seconds, memory)
            result, is_clean = reply.result()
        finally:
            if not is_clean:
                _end()
    return result


def is_running() -> bool:
    """Whether there is a process already, so that a task begins at once."""
    return bool(_kept)


def packed(value: Any) -> bytes:
    """Return a value as bytes, for the other process.

    Raises:
        Unsendable: some part of it cannot be sent.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(value)
    except Exception as error:
        raise Unsendable(_say(error)) from error
    return buffer.getvalue()


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# In the notebook's process -----------------------------------------------------------------------


def _ready() -> "_Worker":
    """Return a process that listens: the one that is there, or else a new one."""
    if _kept and not _kept[0].listens():
        _end()
    if not _kept:
        _kept.append(_Worker())
        _kept[0].greet()
    return _kept[0]


@atexit.register
def _end() -> None:
    while _kept:
        _kept.pop().end()


def _watch(reply: "Future[Any]", worker: "_Worker", seconds: float, memory: int) -> None:
    """Wait until the task has ended; complain as soon as it passes a limit."""
    begin, (held, computed) = time.monotonic(), worker.before
    while not wait([reply], timeout=POLL_SECONDS).done:
        elapsed, (size, used) = time.monotonic() - begin, worker.used()
        if min(elapsed, used - computed) > seconds or elapsed > PATIENCE * seconds:
            raise Stopped(
                f"your code ran for more than {seconds:g} s; is there a loop that never ends?"
            )
        if size > held + memory:
            raise Stopped(
                f"your code needed more than {memory / 2**30:g} GiB of memory; "
                "which tensor is that large?"
            )


def _folder() -> str | None:
    """Return the working directory; None if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


# In the other process ----------------------------------------------------------------------------


def serve(tasks: IO[bytes], replies: IO[bytes]) -> None:
    """Run tasks as they come, until the notebook's process ends; the other process's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the notebook's process ends this one
    torch.set_num_threads(1)
    vars(builtins).setdefault("display", print)  # a notebook has it everywhere, a program has not
    own, most = os.getpid(), _used(psutil.Process())[0] + GROWTH

    def tell(text: str | None) -> None:
        _send(replies, "told", text)

    with contextlib.suppress(EOFError):
        while os.getpid() == own:  # not in a copy that the reader's code has forked
            # ends also a task whose notebook has gone in the middle of it
            faulthandler.dump_traceback_later(IDLE_SECONDS, exit=True, file=2)
            kind, value = _obey(tell, most, *pickle.load(tasks))
            if os.getpid() == own:
                _send(replies, kind, value)
    os._exit(0)


def _send(replies: IO[bytes], kind: str, value: Any) -> None:
    replies.write(pickle.dumps((kind, value)))
    replies.flush()


def _obey(
    tell: Callable[..., None], most: int, path: list[str], folder: str | None, load: bytes | None
) -> tuple[str, Any]:
    """Run a task; return what has become of it, and its result."""
    _look_for_modules(path, folder)
    if load is None:  # the notebook asks whether somebody listens
        return "done", _used(psutil.Process())
    _forget_modules()
    try:
        sources, task, arguments = pickle.loads(load)
    except Exception as error:
        return "unsendable", _say(error)
    threads = threading.active_count()
    linecache.cache.update(sources)  # for whoever asks for the source of a function
    try:
        result = task(tell, *arguments)
    except Exception:
        return "failed", traceback.format_exc()
    return "done", (result, _is_clean(threads, most))


def _look_for_modules(path: list[str], folder: str | None) -> None:
    """Look for modules where the notebook finds them, in its working directory as well."""
    sys.path[:] = path
    importlib.invalidate_caches()
    with contextlib.suppress(OSError):
        os.chdir(folder or sys.prefix)


def _forget_modules() -> None:
    """Forget the reader's modules, which he may have mended since the last task."""
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None) or ""
        if file.endswith(".py") and is_readers(file):
            del sys.modules[name]


def _is_clean(threads: int, most: int) -> bool:
    """Whether a task leaves no thread, no process and not much memory."""
    own = psutil.Process()
    return threading.active_count() <= threads and not own.children() and _used(own)[0] <= most


def _used(process: psutil.Process) -> tuple[int, float]:
    """Return the bytes that a process holds, and the seconds it and its dead children computed."""
    return process.memory_info().rss, sum(process.cpu_times()[:4])


class Stopped(Exception):
    """A task did not come to its end; the message says why."""


class Unsendable(Stopped):
    """A task could not be sent to the other process."""


class NotStarted(Exception):
    """There is no other process; the message says why, and what to do."""

    def __init__(self, reason: object) -> None:
        super().__init__(
            f"a second Python, which would run your code, does not start ({reason}); close "
            "programs and notebooks that you do not need, restart the kernel and try again"
        )


class _Pickler(CloudPickler):
    """Pickles code with the name of its file, so that an error's line can be found and shown.

    cloudpickle does everything else; from version 3.1.3 on it takes those names away.
    """

    def reducer_override(self, value: Any) -> Any:
        """Return how to make a value again; pickle asks here before anywhere else."""
        if isinstance(value, types.CodeType):
            return marshal.loads, (marshal.dumps(value),)
        return super().reducer_override(value)


class _Worker:
    """The other process, as the notebook's sees it."""

    def __init__(self) -> None:
        self.reply: Future[Any] = Future()
        self.heard: list[str] = []
        self.has_ended = False
        self.listener = threading.Thread(target=self._listen, daemon=True)
        try:
            self.process = psutil.Popen(
                [sys.executable, "-c", BOOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=sys.prefix,  # torch cannot be imported in a folder that has been deleted
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            self.listener.start()
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            raise NotStarted(error) from error

    def greet(self) -> None:
        """Wait until the process has imported what it needs."""
        root = Path(__file__).resolve().parents[1]
        try:
            with contextlib.suppress(OSError):  # has ended, as `listens` will find
                pickle.dump([str(root), *sys.path], self.process.stdin)
            is_there = self.listens()
        except RuntimeError as error:  # what the process could not import
            raise NotStarted(error) from error
        if not is_there:
            raise NotStarted(f"it does not answer; its exit code is {self.process.poll()}")

    def listens(self) -> bool:
        """Whether the process answers; one that has been idle for long has ended.

        It says what it holds and has computed, before the next task.
        """
        try:
            self.before = self.ask(None, []).result(timeout=START_SECONDS)
        except (Stopped, TimeoutError):
            return False
        return True

    def ask(self, load: bytes | None, heard: list[str]) -> "Future[Any]":
        """Send a packed task, or only a greeting, and return what will become of it."""
        self.reply, self.heard = Future(), heard
        try:
            pickle.dump((sys.path, _folder(), load), self.process.stdin)
            self.process.stdin.flush()
        except OSError:
            self.has_ended = True
        if self.has_ended:
            self._give_up()
        return self.reply

    def _listen(self) -> None:
        """Take in what the process says, until it ends; runs in a thread."""
        with self.process.stdout as replies, contextlib.suppress(EOFError, pickle.UnpicklingError):
            while replies.readline() not in (LISTENING, b""):
                pass  # what a program said that runs whenever Python starts
            while True:
                self._take(*pickle.load(replies))
        self.has_ended = True  # before giving up: a question that comes now sees one or the other
        self._give_up()

    def _take(self, kind: str, value: Any) -> None:
        if kind == "done":
            self.reply.set_result(value)
        elif kind == "unsendable":
            self.reply.set_exception(Unsendable(value))
        elif kind == "failed":
            self.reply.set_exception(RuntimeError(value))
        elif value is None:
            self.heard.clear()
        else:
            self.heard.append(value)

    def _give_up(self) -> None:
        with contextlib.suppress(InvalidStateError):
            self.reply.set_exception(
                Stopped(
                    "your code ended the process that ran it, by a call such as os._exit or by "
                    "a crash"
                )
            )

    def used(self) -> tuple[int, float]:
        """Return the bytes that the process and its children hold, the seconds they computed."""
        size, seconds = 0, 0.0
        for process in self._family():
            with contextlib.suppress(psutil.Error):  # it ended at this moment
                more = _used(process)
                size, seconds = size + more[0], seconds + more[1]
        return size, seconds

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def end(self) -> None:
        """Kill the process and its children."""
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        self.listener.join(timeout=1)  # longer only if a child lives on that nobody knows
        with contextlib.suppress(OSError):
            self.process.stdin.close()

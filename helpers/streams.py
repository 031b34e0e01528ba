"""Messages that never end a training: a stream may be missing, closed, or short of characters.

`print` and tqdm raise where a reader's system has no stdout (pythonw, a service), where the program
at the other end of a pipe has gone, or where a Windows code page lacks a letter of a file's name.
What is being reported is worth more than the report, so here a message is written as well as the
stream can.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any


def say(text: str) -> None:
    """Print a line to stdout; where that is impossible, do nothing."""
    print(text, file=Forgiving(sys.stdout))


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Let nothing inside fail because of stdout or stderr, nor Python itself when it ends.

    For a program of its own: it takes part in who owns the standard streams of the process.
    """
    _occupy_standard_descriptors()
    try:
        with redirect_stdout(Forgiving(sys.stdout)), redirect_stderr(Forgiving(sys.stderr)):
            yield
    finally:
        _let_go(sys.stdout)
        _let_go(sys.stderr)


def _occupy_standard_descriptors() -> None:
    """Where a shell has closed 0, 1 or 2, the next file to be opened would get that number.

    A warning that some C library writes to "stderr" would then land in the checkpoint.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _let_go(stream: Any) -> None:
    """Python flushes its streams when it ends, and if that fails returns 120 instead of our code.

    So what a broken pipe did not take goes to the null device.
    """
    with suppress(AttributeError, ValueError):  # no stream, or closed: nothing is left in it
        try:
            stream.flush()
        except OSError:
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


class Forgiving:
    """A text stream around another one, or around None, whose `write` and `flush` never raise.

    Characters that the other's encoding lacks are escaped, as in `\\u6863`; what a closed stream or
    a broken pipe does not take is dropped. Everything else is the other's.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as much of `text` as can be; return its length."""
        with suppress(OSError, ValueError):
            try:
                if self._stream is not None:
                    self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Pass on what waits in the stream, if it can be."""
        with suppress(OSError, ValueError):
            getattr(self._stream, "flush", lambda: None)()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

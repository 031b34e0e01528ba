"""Errors that are meant to come: shown in a line or two, and the notebook goes on."""

import re
import textwrap
from types import TracebackType

LINE = 96  # characters: more would be broken inside a word on a page 900 pixels wide
LINES = 2
# What a terminal is told, and where in its C++ an error came up, in some of PyTorch's messages.
ASIDE = re.compile(r"\x1b\[[0-9;]*m|\[/\S+:\d+\] ")


class shows:  # reads as a sentence: with shows(RuntimeError): loss.backward()
    """Expect an error in the block that follows, and print its type and its message.

    The message is cut after two lines. What the notebooks show failing, from notebook 01 on, runs
    in such a block, so that every cell below still runs.

    Attributes:
        error: the error that came, once the block has ended.

    Raises:
        TypeError: something that is no kind of error was expected.
        AssertionError: the block ended without an error. One of another kind goes on as it is.
    """

    def __init__(self, *kinds: type[Exception]) -> None:
        for kind in kinds or (None,):
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise TypeError(
                    f"kinds must be types of errors, such as RuntimeError, got {kind!r}"
                )
        self.kinds = kinds
        self.error: Exception | None = None

    def __enter__(self) -> "shows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            names = " or ".join(expected.__name__ for expected in self.kinds)
            raise AssertionError(f"here {names} should have come, and nothing was raised")
        if not isinstance(error, self.kinds):
            return False
        self.error = error.with_traceback(None)
        print(_in_two_lines(f"{type(error).__name__}: {error}"))
        return True


def _in_two_lines(text: str) -> str:
    """Return a text without line breaks and asides, cut where its second line ends."""
    plain = ASIDE.sub("", text)
    return textwrap.fill(
        re.sub(r"\s+", " ", plain).strip(": "), LINE, max_lines=LINES, placeholder=" …"
    )

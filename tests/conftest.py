"""What several test files share."""

import signal

import pytest


@pytest.fixture
def ctrl_c_arrives():
    """A shell that starts the tests in the background has them ignore Ctrl-C: undo that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def say(capsys):
    """Print a figure that a test measured past pytest's capture, into the log of `make test`."""

    def print_it(text):
        with capsys.disabled():
            print(f"\n{text}")

    return print_it

"""What several test files share."""

import signal
from functools import partial

import pytest

MEASURED = "measured"


@pytest.fixture
def ctrl_c_arrives():
    """A shell that starts the tests in the background has them ignore Ctrl-C: undo that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def say(record_property):
    """Note a figure that a test measured; the last lines of `make test` show it."""
    return partial(record_property, MEASURED)


def pytest_terminal_summary(terminalreporter):
    """Show what tests have measured, wherever they ran."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    noted = [(report.nodeid, *entry) for report in reports for entry in report.user_properties]
    figures = {(nodeid, text) for nodeid, name, text in noted if name == MEASURED}
    if figures:
        terminalreporter.section("measured")
    for nodeid, text in sorted(figures):
        terminalreporter.line(f"{nodeid}: {text}")

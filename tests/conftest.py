"""What several test files share."""

import signal
from functools import partial

import pytest

MEASURED = "measured"
STARTING = "(The process that tries answers is starting: a few seconds, once.)\n"


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


@pytest.fixture
def known_exercises(monkeypatch):
    """Let `check` find those of small_exercises.py beside the real ones."""
    from small_exercises import SMALL  # with PyTorch, which other test files do not need

    from exercises import tutor

    find = tutor.find
    monkeypatch.setattr(tutor, "find", lambda n: SMALL[n] if n in SMALL else find(n))


@pytest.fixture
def said(capfd, known_exercises):
    """Return what a call of check prints; nothing may reach stderr."""
    from exercises import check, tutor

    def run(number, answer, exercise=None):
        with pytest.MonkeyPatch.context() as patch:
            if exercise is not None:
                patch.setattr(tutor, "find", lambda _: exercise)
            capfd.readouterr()
            check(number, answer)
        out, err = capfd.readouterr()
        assert err == ""
        return out.removeprefix(STARTING)

    return run


@pytest.fixture
def sentence(said):
    """Return the sentence of a check that says: not right yet; without the example below it."""

    def run(number, answer, exercise=None):
        line, *example = said(number, answer, exercise).splitlines()
        assert len(example) in (0, 3) and all(row.startswith("    ") for row in example)
        begin = f"{number} is not right yet: "
        assert line.startswith(begin), line
        return line.removeprefix(begin)

    return run


@pytest.fixture
def no_process_yet(monkeypatch):
    """Leave the process that is there for the tests that come after."""
    from exercises import limits

    monkeypatch.setattr(limits, "_kept", [])


def pytest_terminal_summary(terminalreporter):
    """Show what tests have measured, wherever they ran."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    noted = [(report.nodeid, *entry) for report in reports for entry in report.user_properties]
    figures = {(nodeid, text) for nodeid, name, text in noted if name == MEASURED}
    if figures:
        terminalreporter.section("measured")
    for nodeid, text in sorted(figures):
        terminalreporter.line(f"{nodeid}: {text}")

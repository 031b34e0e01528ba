"""Errors on purpose: a reader sees what came, and the cells below still run."""

import pytest

from helpers.errors import LINE, shows


def test_it_prints_type_and_message_and_goes_on(capsys):
    with shows(ValueError) as shown:
        raise ValueError("three rows,\n   two columns")
    assert capsys.readouterr().out == "ValueError: three rows, two columns\n"
    assert isinstance(shown.error, ValueError)


def test_an_error_without_a_message_is_its_type(capsys):
    with shows(ZeroDivisionError, KeyError):
        raise ZeroDivisionError
    assert capsys.readouterr().out == "ZeroDivisionError\n"


def test_a_long_message_does_not_flood_the_page(capsys):
    with shows(RuntimeError):
        raise RuntimeError("size mismatch for conv1.weight\n" * 40)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(len(line) <= LINE for line in lines)
    assert lines[1].endswith(" …")


def test_colours_for_a_terminal_are_left_out(capsys):
    with shows(ValueError):
        raise ValueError("\x1b[1monly if you trust\x1b[0m the source")
    assert capsys.readouterr().out == "ValueError: only if you trust the source\n"


def test_places_in_pytorchs_own_code_are_left_out(capsys):
    """A learner would look for a file that he does not have."""
    with shows(RuntimeError):
        raise RuntimeError("[/__w/third_party/gloo/transport/tcp/pair.cc:78] Timed out [1, 2] ms")
    assert capsys.readouterr().out == "RuntimeError: Timed out [1, 2] ms\n"


def test_a_subclass_is_the_expected_error_too(capsys):
    with shows(LookupError):
        [].pop()
    assert "IndexError: pop from empty list" in capsys.readouterr().out


def test_no_error_is_an_error():
    message = "here RuntimeError or ValueError should have come, and nothing was raised"
    with pytest.raises(AssertionError, match=message), shows(RuntimeError, ValueError):
        pass


def test_another_error_comes_through_as_it_is(capsys):
    with pytest.raises(KeyError), shows(ValueError):
        raise KeyError("w3")
    assert capsys.readouterr().out == ""


def test_ctrl_c_is_never_swallowed():
    with pytest.raises(KeyboardInterrupt), shows(Exception):
        raise KeyboardInterrupt


@pytest.mark.parametrize("kinds", [(), ("RuntimeError",), (ValueError("now"),), (SystemExit,)])
def test_what_is_no_kind_of_error_is_told(kinds):
    with pytest.raises(TypeError, match="kinds must be types of errors, such as RuntimeError, got"):
        shows(*kinds)


def test_the_error_keeps_no_frames_alive():
    """Else tensors of a failed cell would stay in memory as long as the notebook runs."""
    with shows(RuntimeError) as shown:
        raise RuntimeError
    assert shown.error.__traceback__ is None

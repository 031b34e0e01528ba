"""helpers.streams: no message costs a reader his training, whatever his stdout is."""

import contextlib
import io
import os
import sys

import pytest
import torch
from tqdm import tqdm

from helpers.checkpoints import load_checkpoint
from helpers.streams import Forgiving, forgiving_streams, say
from helpers.training import fit

LETTERS = "检查点.pt – é \udcff"  # Chinese, a dash and é of cp1252, and a byte of no known encoding


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("cp1252", r"\u68c0\u67e5\u70b9.pt – é \udcff"),
        ("ascii", r"\u68c0\u67e5\u70b9.pt \u2013 \xe9 \udcff"),
        ("utf-8", r"检查点.pt – é \udcff"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(monkeypatch, encoding, shown):
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    say(LETTERS)
    stream.flush()
    assert content.getvalue().decode(encoding) == f"{shown}\n"


def test_a_stream_that_takes_everything_gets_it_unchanged():
    stream = io.StringIO()
    print(LETTERS, file=Forgiving(stream))
    assert stream.getvalue() == f"{LETTERS}\n"


@contextlib.contextmanager
def stream_to(descriptor):
    stream = os.fdopen(descriptor, "w")
    yield stream
    with contextlib.suppress(OSError):
        stream.close()


def no_stream():
    return contextlib.nullcontext()


def closed():
    stream = io.StringIO()
    stream.close()
    return contextlib.nullcontext(stream)


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    return stream_to(write)


def read_only():
    return stream_to(os.open(os.devnull, os.O_RDONLY))


def full_disk():
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    return stream_to(os.open("/dev/full", os.O_WRONLY))


ANY_STREAM = pytest.mark.parametrize(
    "broken", [no_stream, closed, broken_pipe, read_only, full_disk]
)


@ANY_STREAM
def test_a_stream_that_takes_nothing_raises_nothing(monkeypatch, broken):
    with broken() as stream:
        if stream is not None:  # or the test would show nothing
            with pytest.raises((OSError, ValueError)):
                print("lost", file=stream, flush=True)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        say("lost")
        print("lost", file=Forgiving(stream), flush=True)
        assert list(tqdm(range(3), file=Forgiving(stream), mininterval=0)) == [0, 1, 2]
        with forgiving_streams():
            print("lost", flush=True)
            sys.stderr.write("lost")
        assert sys.stdout is stream and sys.stderr is stream
        if stream is not None and not stream.closed:
            stream.flush()  # nothing is left to fail when Python ends


@ANY_STREAM
def test_fit_trains_and_saves_whatever_stdout_is(tmp_path, monkeypatch, broken):
    torch.manual_seed(0)
    batches = [(torch.rand(8, 2), torch.arange(8) % 4) for _ in range(3)]
    model = torch.nn.Linear(2, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = {"optimizer": optimizer, "epochs": 2, "checkpoint": tmp_path / "a.pt"}
    with broken() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        assert fit(model, batches, **run).epochs == 2
        assert load_checkpoint(tmp_path / "a.pt").epoch == 2
        assert fit(model, batches, **run).epochs == 2  # reports that nothing is left


def test_other_errors_of_a_stream_are_not_hidden():
    with pytest.raises(TypeError):
        Forgiving(io.StringIO()).write(7)


def test_the_streams_come_back_after_an_error():
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit), forgiving_streams():
        assert sys.stdout.encoding == before[0].encoding
        sys.exit(3)
    assert (sys.stdout, sys.stderr) == before

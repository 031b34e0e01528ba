"""helpers.data: where the files come from and go to, and what a reader is told."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from itertools import chain
from pathlib import Path

import pooch
import pytest
import torch
from fifty_images import (
    ARCHIVES,
    IMAGES,
    MNIST,
    TEST,
    UNPACKED,
    assert_loaded,
    assert_nothing_broken,
    put,
    raw,
    serving,
    small_world,
    snapshot,
)

from helpers import data, official
from helpers.data import DatasetUnavailable, fashion_mnist, locate

DEFAULT_HOME = data._default_home
OFFICIAL = os.environ.get("FASHION_MNIST_DIR")  # before the fixture below hides it
VARIABLE = "FASHION_MNIST_DIR"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The default home of these tests: nothing here touches the repository's data/."""
    small_world(tmp_path / "home", monkeypatch)
    return tmp_path / "home"


@pytest.fixture
def server(monkeypatch):
    """The only mirror."""
    with serving() as server:
        monkeypatch.setattr(official, "MIRRORS", (server.mirror("good"),))
        yield server


@pytest.fixture
def given(tmp_path):
    """The folder that somebody names."""
    return tmp_path / "given"


@pytest.fixture(params=["root", "variable"])
def load(request, monkeypatch):
    """Name a folder in either way, and load from it."""

    def from_folder(folder):
        if request.param == "variable":
            monkeypatch.setenv(VARIABLE, str(folder))
        return fashion_mnist(8, root=folder if request.param == "root" else None)

    from_folder.only_reads = request.param == "variable"
    return from_folder


# Where they lie already


def test_archives_in_the_home_are_unpacked_once(home):
    put(home, ARCHIVES)
    assert_loaded(fashion_mnist(8, source="fashion-mnist"))
    before = {path: path.stat().st_mtime_ns for path in raw(home).iterdir()}
    assert_loaded(fashion_mnist(8))
    assert {path: path.stat().st_mtime_ns for path in raw(home).iterdir()} == before
    assert_nothing_broken(home)


def test_the_default_home_heals(home, server):
    put(raw(home), MNIST)
    assert_loaded(fashion_mnist(8))
    assert_nothing_broken(home)


def test_only_the_training_loader_shuffles(home):
    put(home, ARCHIVES)
    train, test = fashion_mnist(8, seed=3)
    assert (train.shuffle, test.shuffle) == (True, False)
    assert (train.seed, train.batch_size, train.epoch) == (3, 8, 0)
    assert torch.cat([labels for _, labels in test]).tolist() == [i % 10 for i in range(TEST)]


@pytest.mark.parametrize("files", [ARCHIVES, UNPACKED])
@pytest.mark.parametrize("below", ["", "Übungen (neu)/a"])
def test_files_in_a_folder_that_is_named(given, home, load, files, below):
    put(given / below, files)
    before = snapshot(given)
    assert_loaded(load(given))
    if load.only_reads:
        assert snapshot(given) == before
        assert_nothing_broken(home)
    else:
        assert snapshot(given).items() >= before.items()
        assert_nothing_broken(given)
        assert not home.exists()


@pytest.mark.parametrize("inside", [".", "FashionMNIST/raw"])
def test_torchvisions_layout_is_used_in_place(given, home, load, inside):
    put(raw(given), UNPACKED | ARCHIVES)
    before = snapshot(given)
    assert_loaded(load(given / inside))
    assert snapshot(given) == before
    assert not home.exists()


def test_root_goes_before_the_variable(given, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    assert_loaded(fashion_mnist(8, root=str(put(given, ARCHIVES))))


def test_an_empty_variable_counts_as_unset(home, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    put(home, ARCHIVES)
    assert_loaded(fashion_mnist(8))


def test_torchvision_is_given_the_folder(given):
    put(given / "deep", ARCHIVES)
    assert locate(given) == (given, "fashion-mnist")
    put(raw(given / "ready"), UNPACKED)
    assert locate(given / "ready") == (given / "ready", "fashion-mnist")


def test_what_an_old_torchvision_left_is_not_read(home):
    put(raw(home), UNPACKED)
    put(home / "FashionMNIST" / "processed", {"training.pt": b"", "test.pt": b""})
    assert_loaded(fashion_mnist(8))


# What is missing or wrong


def test_a_variable_that_lacks_everything_is_loud(given, monkeypatch, server):
    monkeypatch.setenv(VARIABLE, str(given / "typo"))
    said = rf"{VARIABLE} is set to {re.escape(str(given))}.typo, which cannot be read \(.*lacks"
    for source in "auto", "fashion-mnist":
        with pytest.raises(DatasetUnavailable, match=said) as caught:
            fashion_mnist(8, source=source)
        assert all(name in str(caught.value) for name in ARCHIVES)
    assert server.requests == []


def test_what_is_there_and_what_is_missing_is_said(given, monkeypatch):
    put(given, {"t10k.bin": UNPACKED["t10k-images-idx3-ubyte"]})
    put(given, {"program.exe": MNIST[IMAGES], IMAGES: MNIST[IMAGES]})  # one by chance, one not
    monkeypatch.setenv(VARIABLE, str(given))
    there = re.escape(str(given / "t10k.bin"))
    said = rf"which has {there} but lacks {IMAGES}\.gz, train-labels.*{IMAGES} is damaged"
    with pytest.raises(DatasetUnavailable, match=said) as caught:
        fashion_mnist(8)
    assert "program.exe" not in str(caught.value)


def test_mnist_below_root_does_not_keep_it_from_downloading(given, server):
    put(given / "MNIST" / "raw", MNIST)
    assert_loaded(fashion_mnist(8, root=given))
    assert_nothing_broken(given)
    assert snapshot(given / "MNIST" / "raw") == MNIST


@pytest.mark.parametrize("place", [".", "FashionMNIST/raw"])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("source", ["auto", "fashion-mnist"])
def test_mnist_in_the_place_of_it_is_loud_and_left_alone(given, server, place, dotted, source):
    """It was meant, and would be written over."""
    put(given / place, {n.replace("-idx", ".idx") if dotted else n: c for n, c in MNIST.items()})
    before = snapshot(given)
    with pytest.raises(DatasetUnavailable, match=r"not Fashion-MNIST's.*; delete or replace"):
        fashion_mnist(8, root=given, source=source)
    assert server.requests == []
    assert snapshot(given) == before


@pytest.mark.parametrize("copies", [{"a": UNPACKED[IMAGES]}, ARCHIVES])
def test_a_sound_copy_is_taken_and_the_wrong_file_is_not_written_over(given, home, load, copies):
    put(raw(given), UNPACKED | {IMAGES: MNIST[IMAGES]} | copies)
    before = snapshot(given)
    assert_loaded(load(given))
    assert snapshot(given) == before
    assert_nothing_broken(home)


# What the names mean


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project with a folder notebooks/, which is where Jupyter starts the kernel."""
    project = put(tmp_path / "project", {"pyproject.toml": b""})
    monkeypatch.setattr(data, "__file__", str(project / "helpers" / "data.py"))
    monkeypatch.chdir(put(project / "notebooks", {}))
    return project


@pytest.mark.parametrize("where", ["fashion", "notebooks/fashion"])
def test_a_relative_variable_is_found_from_the_notebooks_or_from_the_root(
    checkout, monkeypatch, where
):
    put(checkout / where, ARCHIVES)
    monkeypatch.setenv(VARIABLE, "fashion")
    assert_loaded(fashion_mnist(8))


def test_a_relative_variable_goes_by_the_working_directory_first(checkout, monkeypatch):
    put(checkout / "fashion", ARCHIVES)
    put(checkout / "notebooks" / "fashion", MNIST)
    monkeypatch.setenv(VARIABLE, "fashion")
    with pytest.raises(DatasetUnavailable, match=r"set to fashion \(.*notebooks.fashion\)"):
        fashion_mnist(8)


def test_a_tilde_is_the_users_home(tmp_path, given, monkeypatch, load):
    for variable in ("HOME", "USERPROFILE"):  # of Linux and macOS, and of Windows
        monkeypatch.setenv(variable, str(tmp_path))
    if load.only_reads:
        with pytest.raises(DatasetUnavailable) as caught:
            load("~/given")
        assert f"set to ~/given ({given.as_posix()})" in str(caught.value).replace(os.sep, "/")
    put(given, ARCHIVES)
    assert_loaded(load("~/given"))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the working directory")
def test_a_relative_path_in_a_folder_that_is_gone(given, monkeypatch, load):
    monkeypatch.chdir(put(given, {}))
    given.rmdir()
    with pytest.raises(FileNotFoundError):
        load("data")


BAD = [
    ({"source": "sketch"}, "source must be one of 'auto', 'fashion-mnist', 'sketches', got"),
    ({"source": None}, "source must be one of"),
    ({"source": ["auto"]}, "source must be one of"),
    ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
    ({"batch_size": "8"}, "batch_size must be an int, got '8'"),
    ({"seed": -1}, "seed must be 0 or more, got -1"),
    ({"device": "gpu"}, "device must be one that PyTorch finds on this machine, got 'gpu'"),
    ({"device": "cuda:99"}, "device must be one .*, got 'cuda:99'"),
    ({"device": 1.5}, "device must be one .*, got 1.5"),
    ({"root": 5}, "root must be a str or a path, got 5"),
    ({"root": b"data"}, "root must be a str or a path, got b'data'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_bad_argument_is_named_before_anything_is_fetched(arguments, message, home, server):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fashion_mnist(**arguments)
    assert server.requests == [] and not home.exists()


@pytest.mark.parametrize("source", ["auto", "fashion-mnist", "sketches"])
@pytest.mark.parametrize("kind", ["file", "link to nowhere"])
def test_a_root_that_is_no_folder(given, source, kind):
    if kind == "file":
        given.write_text("not a folder")
    else:
        try:
            given.symlink_to("nowhere")
        except OSError:
            pytest.skip("this system makes no links")
    with pytest.raises(OSError, match=r"cannot write to .*given.*: pass a writable folder as root"):
        fashion_mnist(8, root=given, source=source)
    assert given.is_symlink() or given.read_text() == "not a folder"


# The user's surroundings

SURROUNDED = """
import sys, warnings
from pathlib import Path
from helpers import data, official, sketches

assert sys.stderr is None and sys.flags.utf8_mode == 0
print(*sorted({"pooch", "requests", "torchvision", "matplotlib"} & set(sys.modules)))
official.MIRRORS, sketches.PER_CLASS = (), {True: 6, False: 2}
root = Path.cwd()
warnings.simplefilter("always")
for source in "auto", "sketches":
    train, test = data.fashion_mnist(8, root=root, source=source)
    print(train.source, train.num_samples, test.num_samples)
try:
    data.fashion_mnist(8, root=root, source="fashion-mnist")
except data.DatasetUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
def test_a_bare_process_with_no_stderr_the_c_locale_and_an_odd_folder(tmp_path):
    """A service has no stderr: the warning must not become an AttributeError.

    And importing the data costs nothing that only a download needs.
    """
    odd = put(tmp_path / "Übungen für später (1)", {})
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-c", SURROUNDED],
        env=os.environ | settings | {"PYTHONPATH": str(Path(data.__file__).parent.parent)},
        cwd=odd,
        stdout=subprocess.PIPE,
        text=True,
    )
    imported, *loaded, said = done.stdout.splitlines()
    assert imported == ""
    assert loaded == ["sketches 60 20", "sketches 60 20"]
    assert said == "Fashion-MNIST's t10k-images-idx3-ubyte.gz did not download ()"
    assert done.returncode == 0


@contextlib.contextmanager
def defaults(device, dtype):
    before = torch.get_default_dtype()
    torch.set_default_device(device)
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)


def test_default_device_and_dtype_do_not_matter(home):
    """A notebook that begins with torch.set_default_device("cuda") could not load the data."""
    put(home, ARCHIVES)
    expected = [list(loader) for loader in fashion_mnist(8, seed=3)]
    with defaults("meta", torch.float64):
        loaders = fashion_mnist(8, seed=3)
        assert_sketches(fashion_mnist(8, source="sketches"))
        batches = [list(loader) for loader in loaders]
    for got, wanted in zip(chain(*batches), chain(*expected), strict=True):
        assert torch.equal(got[0], wanted[0]) and torch.equal(got[1], wanted[1])
        assert got[0].dtype == torch.float32


# Folders that cannot be used


@pytest.fixture
def shared(monkeypatch):
    """A folder in /tmp, its `home` the default home; run by somebody who is not root."""
    if os.name == "nt":
        pytest.skip("Windows has no permission bits to take away")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    monkeypatch.setattr(data, "_default_home", lambda: folder / "home")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if user == 0:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o777)
        shutil.rmtree(folder)


def test_read_only_archives_are_unpacked_into_the_home(shared, load):
    place = put(shared / "given", ARCHIVES)
    place.chmod(0o555)
    assert_loaded(load(place))
    assert_nothing_broken(shared / "home")


def test_read_only_files_are_used_in_place(shared, load):
    given, home = shared / "given", shared / "home"
    for place in given, home:
        put(raw(place), UNPACKED)
        for path in (raw(place), place / "FashionMNIST", place):
            path.chmod(0o555)
    assert_loaded(load(given))
    assert_loaded(load(put(shared / "archives", ARCHIVES)))


def test_a_variable_that_may_not_be_read_says_so(shared, monkeypatch):
    place = put(shared / "given", ARCHIVES)
    place.chmod(0o000)
    monkeypatch.setenv(VARIABLE, str(place))
    said = r"given, which cannot be read \(Permission denied\) and so lacks"
    with pytest.raises(DatasetUnavailable, match=said):
        fashion_mnist(8)


def test_a_file_that_may_not_be_read_says_so(shared, monkeypatch):
    place = put(shared / "given", ARCHIVES)
    (place / f"{IMAGES}.gz").chmod(0o000)
    monkeypatch.setenv(VARIABLE, str(place))
    with pytest.raises(DatasetUnavailable, match=rf"{IMAGES}\.gz cannot be read: Permission"):
        fashion_mnist(8)


@pytest.mark.parametrize("source", ["auto", "fashion-mnist", "sketches"])
def test_a_root_that_cannot_be_written_is_named(shared, source):
    place = put(shared / "given", {})
    place.chmod(0o555)
    with pytest.raises(PermissionError, match=r"to .*given.*: pass a writable folder as root"):
        fashion_mnist(8, root=place, source=source)


def test_default_home_is_data_in_a_checkout_that_can_be_written(shared, monkeypatch):
    monkeypatch.setattr(data, "__file__", str(shared / "checkout" / "helpers" / "data.py"))
    cache = Path(pooch.os_cache("from-backprop-to-lenet"))
    assert DEFAULT_HOME() == cache
    checkout = put(shared / "checkout", {"pyproject.toml": b""})
    assert DEFAULT_HOME() == checkout / "data"
    (checkout / "data").chmod(0o555)
    assert DEFAULT_HOME() == cache


# The sketches


def assert_sketches(loaders):
    train, test = loaders
    assert (train.source, test.source) == ("sketches", "sketches")
    assert (train.num_samples, test.num_samples) == (60, 20)
    assert (train.num_classes, test.num_classes) == (len(data.CLASS_NAMES), len(data.CLASS_NAMES))
    assert train.images.shape[1:] == (1, 28, 28)


def test_sketches_ask_nobody(home, server, monkeypatch, capfd):
    monkeypatch.setenv(VARIABLE, "/nowhere/at/all")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_sketches(fashion_mnist(source="sketches"))
    assert server.requests == []
    assert not raw(home).exists()
    assert capfd.readouterr() == ("", "")


def test_auto_falls_back_with_one_warning_until_the_real_files_can_be_had(
    home, server, monkeypatch
):
    good = official.MIRRORS
    monkeypatch.setattr(official, "MIRRORS", (server.mirror("unavailable"),))
    with pytest.warns(
        UserWarning, match=r"HTTP 503.*taking the sketches.*FASHION_MNIST_DIR"
    ) as caught:
        assert_sketches(fashion_mnist())
    assert len(caught) == 1
    assert caught[0].filename == __file__
    monkeypatch.setattr(official, "MIRRORS", good)
    assert_loaded(fashion_mnist())
    assert_nothing_broken(home)


def test_sketches_in_root_even_if_it_is_read_only(shared):
    mine = shared / "mine"
    assert_sketches(fashion_mnist(source="sketches", root=mine))
    for path in [*(path for path in mine.rglob("*") if path.is_dir()), mine]:
        path.chmod(0o555)
    assert_sketches(fashion_mnist(source="sketches", root=mine))


# The real thing

ARCHIVES_OF_ZALANDO = {  # SHA-256
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def test_the_official_files(monkeypatch, tmp_path):
    if not OFFICIAL:
        pytest.skip("FASHION_MNIST_DIR does not name the official files")
    monkeypatch.undo()
    monkeypatch.setattr(data, "_default_home", lambda: tmp_path)
    train, test = fashion_mnist(source="fashion-mnist")
    assert (train.num_samples, test.num_samples) == (60_000, 10_000)
    for loader in (train, test):
        assert loader.labels.bincount().tolist() == [loader.num_samples // 10] * 10
    mean = train.images.to(torch.float64).mean().item() / 255
    assert mean == pytest.approx(0.2860, abs=5e-5)  # the number that everybody normalises by
    found, _ = official.search(Path(OFFICIAL))
    # An archive packed anew has a size of its own.
    known = {*ARCHIVES_OF_ZALANDO, *official.CONTENTS.values()}
    same = [path for path in found.values() if official.sha256(path) in known]
    assert {path.stat().st_size for path in same} <= official.SIZES

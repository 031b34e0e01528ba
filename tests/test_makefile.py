"""The Makefile and .ci/check_setup.py: what a user sees who says make."""

import importlib.metadata
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


OLDEST_PYTHON = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"].lstrip(">=")


# The Makefile ------------------------------------------------------------------------------------


def make(*arguments, folder=ROOT, **variables):
    """Run make as from a fresh shell, not as a part of the make that may have started the tests."""
    ours = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "DEVICE", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def phony_targets():
    return set(re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)[1].split())


def make_commands(text):
    """The targets of the make calls in a text's code: fenced blocks and `spans`."""
    blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    calls = re.findall(r"\bmake((?: +[\w./=-]+)+)", "\n".join(blocks + spans))
    return {word for call in calls for word in call.split() if "=" not in word and word[0] != "-"}


def test_make_commands_are_found_in_code_only():
    text = (
        "To make sure, `make lab` or `DEVICE=cuda make test`:\n```\nmake stamp REPO=a/b\nmake\n```"
    )
    assert make_commands(text) == {"lab", "test", "stamp"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_make_commands_in_the_documents_exist(name):
    assert make_commands(read(name)) <= phony_targets()


@needs_make
def test_plain_make_lists_every_target():
    listed = make()
    assert listed.returncode == 0, listed.stderr
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    assert {line[1] for line in lines} == phony_targets()
    assert all(line[0] == "make" and line[2] for line in lines)


@needs_make
def test_stamp_asks_for_the_repository_before_it_installs_anything():
    asked = make("stamp")
    assert asked.returncode != 0
    assert "make stamp REPO=owner/name" in asked.stderr
    assert "Installing" not in asked.stdout


@pytest.fixture
def folder(tmp_path):
    """A folder with the Makefile, of a kind that users have."""
    folder = tmp_path / "mit Leerzeichen" / "Übung"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    return folder


@pytest.fixture
def set_up(folder):
    """The same after a setup has been completed, as far as make can see."""
    python = Path(".venv/Scripts/python.exe" if os.name == "nt" else ".venv/bin/python")
    inputs = ["requirements.txt", "pyproject.toml", ".ci/check_setup.py", python]
    for age, name in enumerate([".venv/.setup-done", *inputs]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


@needs_make
def test_a_second_setup_does_nothing(set_up):
    assert make("setup", "--question", folder=set_up).returncode == 0


@needs_make
@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", ".ci/check_setup.py"])
def test_a_changed_input_sets_up_again(set_up, name):
    (set_up / name).touch()
    assert make("setup", "--question", folder=set_up).returncode == 1


@needs_make
def test_an_environment_without_python_is_made_again(set_up):
    for path in set_up.glob(".venv/*/python*"):
        path.unlink()
    assert make("setup", "--question", folder=set_up).returncode == 1


@needs_make
@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_a_python_that_will_not_do_is_named(set_up, python):
    shutil.rmtree(set_up / ".venv")
    refused = make("setup", folder=set_up, PYTHON=python)
    assert refused.returncode != 0
    assert f"Python 3.11 or newer is needed, and '{python}' is not that." in refused.stderr
    assert not (set_up / ".venv").exists()


def test_the_makefile_names_the_oldest_python():
    assert f"sys.version_info < ({OLDEST_PYTHON.replace('.', ', ')})" in read("Makefile")
    assert f"Python {OLDEST_PYTHON} or newer" in read("Makefile")


@needs_make
@pytest.mark.parametrize(
    ("arguments", "variables"), [(["DEVICE=cuda"], {}), ([], {"DEVICE": "cuda"})]
)
def test_device_reaches_the_commands(folder, arguments, variables):
    (folder / "show.mk").write_text("show:\n\t@echo device=$$DEVICE\n")
    shown = make("-f", "Makefile", "-f", "show.mk", "show", *arguments, folder=folder, **variables)
    assert shown.stdout.strip() == "device=cuda", shown.stderr


@needs_make
def test_settings_for_another_python_do_not_reach_the_commands(folder):
    """Where pip downloads from does, and what the weekly job makes an error."""
    mixing = ["PYTHONHOME", "PYTHONPATH", "PYTHONOPTIMIZE", "PIP_USER", "PIP_TARGET"]
    his = ["PIP_INDEX_URL", "HTTPS_PROXY", "PYTHONWARNINGS", "FASHION_MNIST_DIR"]
    names = mixing + his
    echo = " ".join(f"{name}=$${name}" for name in names)
    (folder / "show.mk").write_text(f"show:\n\t@echo {echo}\n")
    variables = dict.fromkeys(names, "yes")
    shown = make("-f", "Makefile", "-f", "show.mk", "show", folder=folder, **variables)
    seen = dict(entry.split("=") for entry in shown.stdout.split())
    assert seen == dict.fromkeys(mixing, "") | dict.fromkeys(his, "yes")


def put_wheel(folder, name):
    """Write a wheel with one empty module, and return the file."""
    info = f"{name}-1.0.dist-info"
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def small_project(folder):
    """A project whose setup installs one empty package and then looks for it in .venv."""
    put_wheel(folder, "little")
    (folder / "requirements.txt").write_text("./little-1.0-py3-none-any.whl\n")
    (folder / "pyproject.toml").touch()
    (folder / ".ci").mkdir()
    check = "import little, sys\nassert '.venv' in little.__file__\nprint('Ready')\n"
    (folder / ".ci" / "check_setup.py").write_text(check)
    return folder


@needs_make
def test_a_setup_under_settings_that_would_spoil_it(small_project, tmp_path):
    """A cluster's login script may set all of these, for its own Python."""
    pip = pytest.importorskip("pip", reason="this environment was made without pip")
    venv.create(small_project / ".venv", symlinks=os.name != "nt")
    (site,) = small_project.glob(".venv/**/site-packages")
    shutil.copytree(Path(pip.__file__).parent, site / "pip")  # faster than to have it installed
    other = tmp_path / "other"
    other.mkdir()
    for name in ("little", "pip"):
        (other / f"{name}.py").write_text("raise SystemExit('the wrong Python')")
    (other / "pip.conf").write_text("[install]\nuser = true\nno-index = true\n")
    before = sorted(other.iterdir())
    spoilers = dict.fromkeys(["PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX"], str(other))
    config = str(other / "pip.conf")
    done = make("setup", folder=small_project, PIP_USER="1", PIP_CONFIG_FILE=config, **spoilers)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Ready"
    assert (small_project / ".venv" / ".setup-done").exists()
    assert sorted(other.iterdir()) == before


@needs_make
def test_a_setup_without_a_network_says_so(set_up):
    """pip's own last line may be about a package that the reader has never heard of."""
    python = set_up / ".venv/bin/python"
    if os.name == "nt":
        pytest.skip("the stand-in for pip is a shell script")
    python.write_text("#!/bin/sh\ncase $* in *pip*install*) exit 1;; esac\n")
    python.chmod(0o755)
    (set_up / "requirements.txt").touch()
    failed = make("setup", folder=set_up)
    assert failed.returncode != 0
    assert "look at the network and the" in failed.stderr
    assert make("setup", "--question", folder=set_up).returncode == 1  # the next call goes on


SPEAK = """
import sys
sys.stdout.write("out\\n")
sys.stderr.write("err\\n")
open("ran", "w").write(" ".join(sys.argv[1:3]))
"""


@needs_make
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shell")
@pytest.mark.parametrize("closed", ["", ">&-", "2>&-", ">&- 2>&-"])
def test_the_tests_run_without_streams(set_up, closed):
    """Under some services there is no stdout; pytest alone ends there with an internal error."""
    stand_in = set_up / ".venv/bin/python"
    before = stand_in.stat()
    (set_up / "speak.py").write_text(SPEAK)
    stand_in.write_text(f"#!/bin/sh\nexec '{sys.executable}' speak.py $*\n")
    stand_in.chmod(0o755)
    os.utime(stand_in, (before.st_atime, before.st_mtime))
    shell = ["sh", "-c", f"make test {closed}"]
    ran = subprocess.run(shell, cwd=set_up, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert (set_up / "ran").read_text() == "-m pytest"


@needs_make
def test_lab_is_the_command_that_the_readme_names(set_up):
    python = next(path for path in set_up.glob(".venv/*/python*"))
    said = make("--dry-run", "lab", "LAB_OPTIONS=--no-browser", folder=set_up).stdout.split()
    assert said == [python.relative_to(set_up).as_posix(), ".ci/workbook.py", "--no-browser"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_scripts_in_the_documents_exist(name):
    scripts = re.findall(r"\.ci[\\/]\w+\.py", read(name))
    assert [path for path in scripts if not (ROOT / path.replace("\\", "/")).is_file()] == []


@needs_make
def test_clean_leaves_what_is_the_readers(folder):
    """JupyterLab keeps the last saved state of his notebooks in .ipynb_checkpoints."""
    kept = ["workbook/.ipynb_checkpoints/a", "workbook/__pycache__/a", "data/a", ".venv/a"]
    gone = [
        *("helpers/__pycache__/a", "exercises/__pycache__/a", ".ci/__pycache__/a"),
        *("notebooks/.ipynb_checkpoints/a", ".pytest_cache/a", "build/a", "some.egg-info/a"),
    ]
    for name in kept + gone:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    cleaned = make("clean", folder=folder)
    assert cleaned.returncode == 0, cleaned.stderr
    assert [name for name in kept + gone if (folder / name).exists()] == kept


# .ci/run ----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt" or shutil.which("bash") is None, reason="bash is not here")
def test_run_finds_the_project_from_anywhere(folder, tmp_path):
    """With a CDPATH of the user's, a plain `cd` goes to another folder of the same name."""
    for place in (folder, tmp_path / "elsewhere"):
        (place / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "chromium"):  # with a browser there is none to install
        (programs / name).write_text('#!/bin/sh\necho "make $* in $PWD"\n')
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", ".ci/run"],
        cwd=folder,
        env=os.environ | {"PATH": path, "CDPATH": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    calls = [line for line in ran.stdout.splitlines() if line.startswith("make ")]
    assert calls == [
        f"make {target} in {folder.resolve()}" for target in ("lint", "test", "browse")
    ]


# .ci/check_setup.py ------------------------------------------------------------------------------


def check_setup(*options, **variables):
    return subprocess.run(
        [sys.executable, *options, str(ROOT / ".ci" / "check_setup.py")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_check_setup_is_content_with_this_environment(tmp_path):
    """Whatever the user's settings are: an error of theirs here would stop `make setup`."""
    (tmp_path / "a file").touch()
    nowhere = str(tmp_path / "a file" / "home")
    homes = dict.fromkeys(["HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"], nowhere)
    checked = check_setup(LC_ALL="C", MPLBACKEND="nonsense", **homes)
    assert checked.returncode == 0, checked.stderr
    (line,) = checked.stdout.splitlines()
    assert (
        f"Python {platform.python_version()}, torch {importlib.metadata.version('torch')}" in line
    )
    assert "cpu" in line


def test_check_setup_explains_a_torchvision_that_does_not_fit(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    error = "operator torchvision::nms does not exist"
    (package / "__init__.py").write_text(f"raise RuntimeError({error!r})\n")
    checked = check_setup(PYTHONPATH=str(tmp_path))
    assert checked.returncode == 1
    assert "Traceback" not in checked.stderr
    for name in ("torch", "torchvision"):
        assert f"{name} {importlib.metadata.version(name)}" in checked.stderr
        (pin,) = re.findall(rf"^{name}==\S+", read("requirements.txt"), re.MULTILINE)
        assert pin in checked.stderr
    assert error in checked.stderr
    assert "pip uninstall --yes torch torchvision" in checked.stderr
    assert "pip install -r requirements.txt" in checked.stderr


def test_check_setup_names_a_package_that_fails_in_any_way(tmp_path, monkeypatch):
    (tmp_path / "half_a_package.py").write_text("raise AttributeError('no other half')\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = runpy.run_path(str(ROOT / ".ci" / "check_setup.py"))
    with pytest.raises(module["SetupError"], match=r"half_a_package is missing.*\s*no other half"):
        module["load"]("half_a_package")
    with pytest.raises(module["SetupError"], match="no-such-tool is missing"):
        module["find"]("no-such-tool")


def test_check_setup_names_a_missing_torch():
    checked = check_setup("-S", "-E")  # without site-packages, so without torch
    assert checked.returncode == 1
    assert "torch is missing from" in checked.stderr and "Traceback" not in checked.stderr
    assert "pip install -r requirements.txt" in checked.stderr


@pytest.mark.skipif(os.name == "nt", reason="sh closes the streams")
def test_check_setup_speaks_without_a_stdout():
    script = ROOT / ".ci" / "check_setup.py"
    command = f"exec '{sys.executable}' -S -E '{script}' <&- >&-"
    checked = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=120)
    assert checked.returncode == 1
    assert "torch is missing from" in checked.stderr and "Traceback" not in checked.stderr

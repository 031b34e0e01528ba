"""The reader's folder workbook/: nothing of his is lost, and what he has not touched follows."""

import ast
import contextlib
import importlib.util
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".ci" / "workbook.py"
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
JUPYTERLAB_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "version": "3.11.7", "pygments_lexer": "ipython3"},
}


def load_tool():
    """Import .ci/workbook.py, which lies outside every package."""
    spec = importlib.util.spec_from_file_location("ci_workbook", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


def put_page(root, name, text="x = 1"):
    """Write a page of the project: text, code with a stored output, and an exercise."""
    output = new_output("stream", text="1\n")
    notebook = new_notebook(
        metadata=METADATA,
        cells=[
            new_markdown_cell(f"# Übung {name}\n\nsecond line", id="a"),
            new_code_cell(text, id="b", execution_count=1, outputs=[output]),
            new_code_cell("answer = ...\ncheck(answer)", id="c", execution_count=2),
        ],
    )
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(notebook, root / "notebooks" / name)


@pytest.fixture
def project(tmp_path):
    """A small project of two chapters, in a folder whose name has a space and an umlaut."""
    root = tmp_path / "mit Leerzeichen" / "Übung"
    root.mkdir(parents=True)
    for name in ("01_one.ipynb", "02_two.ipynb"):
        put_page(root, name)
    return root


@pytest.fixture
def copied(project):
    """The project after a first start."""
    assert set(tool.refresh(project).values()) == {"new"}
    return project


def save(path, change=lambda notebook: None):
    """Change a notebook and store it as JupyterLab does."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.update(JUPYTERLAB_METADATA)
    change(notebook)
    nbformat.write(notebook, path)
    return path.read_bytes()


def all_files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Copies -------------------------------------------------------------------------------------------


def test_a_copy_has_no_outputs_and_no_counts(copied):
    """With the answers in view nobody predicts."""
    copy = nbformat.read(copied / "workbook" / "01_one.ipynb", as_version=4)
    nbformat.validate(copy)
    assert [cell.outputs for cell in copy.cells[1:]] == [[], []]
    assert [cell.execution_count for cell in copy.cells[1:]] == [None, None]
    page = nbformat.read(copied / "notebooks" / "01_one.ipynb", as_version=4)
    assert [cell.source for cell in copy.cells] == [cell.source for cell in page.cells]
    assert [cell.id for cell in copy.cells] == [cell.id for cell in page.cells]


def test_the_pages_of_this_project_can_be_copied(tmp_path):
    for page in tool.find_pages(ROOT):
        copy = nbformat.from_dict(tool.sealed_copy(page))
        nbformat.validate(copy)
        assert not any(cell.get("outputs") for cell in copy.cells)


def test_the_project_itself_is_not_written(project):
    before = all_files(project)
    tool.refresh(project)
    assert {path: data for path, data in all_files(project).items() if path in before} == before


def test_a_second_start_writes_nothing(copied):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in (copied / "workbook").iterdir()}

    before = stamps()
    assert set(tool.refresh(copied).values()) == {"current"}
    assert stamps() == before


# What the reader has worked in --------------------------------------------------------------------


def edit(notebook):
    notebook.cells[2].source = "answer = 42\ncheck(answer)"


def run_a_cell(notebook):
    notebook.cells[1].outputs = [new_output("stream", text="a long training\n")]


def count_a_cell(notebook):
    notebook.cells[1].execution_count = 1


def add_a_cell(notebook):
    notebook.cells.append(new_markdown_cell("my notes"))


def delete_a_cell(notebook):
    del notebook.cells[0]


def move_a_cell(notebook):
    notebook.cells.append(notebook.cells.pop(1))


def turn_code_to_text(notebook):
    notebook.cells[2] = new_markdown_cell(notebook.cells[2].source, id=notebook.cells[2].id)


def make_slides(notebook):
    notebook.cells[0].metadata["slideshow"] = {"slide_type": "slide"}


def sign(notebook):
    notebook.metadata["authors"] = [{"name": "me"}]


WORK = [
    edit,
    run_a_cell,
    count_a_cell,
    add_a_cell,
    delete_a_cell,
    move_a_cell,
    turn_code_to_text,
    make_slides,
    sign,
]


@pytest.mark.parametrize("change", WORK)
def test_work_survives_an_update_and_the_reader_is_told(copied, change):
    copy = copied / "workbook" / "01_one.ipynb"
    his = save(copy, change)
    put_page(copied, "01_one.ipynb", "x = 2")
    done = tool.refresh(copied)
    assert copy.read_bytes() == his
    said = tool.report(done)
    assert "2 chapters in workbook/, 1 kept as you left it." in said
    assert "You have worked in 01_one.ipynb; that stays as it is" in said


def test_as_long_as_the_page_is_the_same_he_need_not_hear_of_it(copied):
    his = save(copied / "workbook" / "01_one.ipynb", edit)
    said = tool.report(tool.refresh(copied))
    assert said == "2 chapters in workbook/, 1 kept as you left it."
    assert (copied / "workbook" / "01_one.ipynb").read_bytes() == his


def test_renaming_his_copy_brings_the_new_page(copied):
    """What the message advises has to work, and his copy has to survive the next starts too."""
    copy = copied / "workbook" / "01_one.ipynb"
    his = save(copy, edit)
    put_page(copied, "01_one.ipynb", "x = 2")
    copy.rename(copied / "workbook" / "mine.ipynb")
    assert tool.refresh(copied)["01_one.ipynb"] == "new"
    assert "x = 2" in copy.read_text(encoding="utf-8")
    assert (copied / "workbook" / "mine.ipynb").read_bytes() == his
    assert tool.report(tool.refresh(copied)) == "2 chapters in workbook/."


def test_a_deleted_copy_comes_back(copied):
    copy = copied / "workbook" / "01_one.ipynb"
    copy.unlink()
    assert tool.report(tool.refresh(copied)) == "2 chapters in workbook/, 1 new."
    assert copy.exists()


# What he has not touched --------------------------------------------------------------------------


def fold(notebook):
    notebook.cells[0].metadata["jp-MarkdownHeadingCollapsed"] = True
    notebook.cells[1].metadata.update(collapsed=True, jupyter={"source_hidden": True})


def run_and_clear(notebook):
    run_a_cell(notebook)
    notebook.cells[1].outputs = []


LOOKS = [None, fold, run_and_clear]


@pytest.mark.parametrize("look", LOOKS)
def test_a_copy_that_was_only_looked_at_follows(copied, look):
    """JupyterLab saves on its own: the kernel's name, and what is folded."""
    copy = copied / "workbook" / "01_one.ipynb"
    seen = save(copy, look or (lambda notebook: None))
    assert tool.refresh(copied)["01_one.ipynb"] == "current"
    assert copy.read_bytes() == seen  # what he folded stays folded
    put_page(copied, "01_one.ipynb", "x = 2")
    assert tool.report(tool.refresh(copied)) == "2 chapters in workbook/, 1 updated."
    assert "x = 2" in copy.read_text(encoding="utf-8")


def test_a_page_that_folds_a_cell_reaches_the_reader(copied):
    save(copied / "notebooks" / "01_one.ipynb", fold)
    assert tool.refresh(copied)["01_one.ipynb"] == "updated"
    assert "source_hidden" in (copied / "workbook" / "01_one.ipynb").read_text(encoding="utf-8")


def test_new_outputs_of_a_page_are_no_update(copied):
    save(copied / "notebooks" / "01_one.ipynb", run_a_cell)
    done = tool.refresh(copied)
    assert done["02_two.ipynb"] == "current"
    assert done["01_one.ipynb"] in ("current", "updated")


def spell_with_crlf(path):
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def spell_with_whole_strings(path):
    """The format allows a cell's text to be a list of lines or one string."""
    notebook = json.loads(path.read_bytes())
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    path.write_text(json.dumps(notebook))


@pytest.mark.parametrize("spell", [spell_with_crlf, spell_with_whole_strings])
def test_another_spelling_of_the_same_copy_is_no_work(copied, spell):
    spell(copied / "workbook" / "01_one.ipynb")
    assert set(tool.refresh(copied).values()) == {"current"}


def test_another_spelling_of_the_same_page_is_no_update(copied):
    spell_with_crlf(copied / "notebooks" / "01_one.ipynb")
    assert set(tool.refresh(copied).values()) == {"current"}


# Chapters that come and go ------------------------------------------------------------------------


def rename_chapter(root, old, new):
    (root / "notebooks" / old).rename(root / "notebooks" / new)


def test_an_untouched_copy_of_a_renamed_chapter_moves(copied):
    his = copied / "workbook" / "00 backup" / "02_two.ipynb"
    his.parent.mkdir()
    shutil.copy(copied / "workbook" / "02_two.ipynb", his)
    rename_chapter(copied, "02_two.ipynb", "03_two.ipynb")
    said = tool.report(tool.refresh(copied))
    assert said == "2 chapters in workbook/, 1 new, 1 removed."
    names = sorted(path.name for path in (copied / "workbook").iterdir())
    assert names == ["00 backup", "01_one.ipynb", "03_two.ipynb"]
    assert his.exists()


def test_work_in_a_renamed_chapter_is_kept(copied):
    his = save(copied / "workbook" / "02_two.ipynb", edit)
    rename_chapter(copied, "02_two.ipynb", "03_two.ipynb")
    said = tool.report(tool.refresh(copied))
    assert "2 chapters in workbook/, 1 new, 1 kept as you left it." in said
    assert "You have worked in 02_two.ipynb; that stays" in said
    assert (copied / "workbook" / "02_two.ipynb").read_bytes() == his


@pytest.mark.parametrize("gone", ["the pages", "the folder"])
def test_a_project_without_notebooks_removes_nothing(copied, gone):
    before = all_files(copied / "workbook")
    shutil.rmtree(copied / "notebooks")
    if gone == "the pages":
        (copied / "notebooks").mkdir()
    with pytest.raises(tool.WorkbookError, match="no notebooks in"):
        tool.refresh(copied)
    assert all_files(copied / "workbook") == before


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n{}", "", "[]", '{"cells": [{}]}', "\udcff"])
def test_a_damaged_page_stops_no_other(copied, text):
    """A merge that went wrong in one chapter must not cost the reader the others, or his copy."""
    damaged = copied / "notebooks" / "01_one.ipynb"
    damaged.write_bytes(text.encode("utf-8", "surrogateescape"))
    put_page(copied, "02_two.ipynb", "x = 2")
    before = (copied / "workbook" / "01_one.ipynb").read_bytes()
    done = tool.refresh(copied)
    assert done == {"01_one.ipynb": "damaged", "02_two.ipynb": "updated"}
    assert "No notebook can be read from 01_one.ipynb" in tool.report(done)
    assert (copied / "workbook" / "01_one.ipynb").read_bytes() == before


# Files that are no copies -------------------------------------------------------------------------


def test_the_readers_own_files_stay(copied):
    """Among them duplicates of copies, whose seal is intact, and a name that a chapter takes."""
    folder = copied / "workbook"
    shutil.copy(folder / "01_one.ipynb", folder / "01_one-Copy1.ipynb")
    shutil.copy(copied / "notebooks" / "01_one.ipynb", folder / "scratch.ipynb")
    nbformat.write(new_notebook(), folder / "03_three.ipynb")
    (folder / "data").mkdir()
    shutil.copy(folder / "02_two.ipynb", folder / "data" / "09_nine.ipynb")
    (folder / "notes.txt").write_text("mine")
    before = all_files(folder)
    put_page(copied, "03_three.ipynb")
    said = tool.report(tool.refresh(copied))
    assert all_files(folder) == before
    assert "3 chapters in workbook/, 1 kept as you left it." in said
    assert "03_three.ipynb" in said and "scratch" not in said and "Copy1" not in said


def forged(data, **seal):
    """A copy with another seal, as another version of the tool may have written it."""
    return reseal(data, json.loads(data)["metadata"][tool.SEAL] | seal)


def reseal(data, seal):
    notebook = json.loads(data)
    notebook["metadata"][tool.SEAL] = seal
    return json.dumps(notebook).encode()


DAMAGES = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "not UTF-8": lambda data: b"\xff\xfe\xfd" + data,
    "no JSON": lambda data: b"my notes",
    "a list": lambda data: b"[]",
    "a number": lambda data: b"3",
    "nested too deep": lambda data: b"[" * 100_000,
    "without cells": lambda data: b'{"metadata": {}}',
    "without a seal": lambda data: data.replace(tool.SEAL.encode(), b"seal"),
    "a seal of another form": lambda data: re.sub(
        rb'"workbook": \{[^}]*\}', b'"workbook": 3', data
    ),
    "a checksum of another form": lambda data: forged(data, checksum=["a"]),
    "a checksum of other work": lambda data: forged(data, checksum="0" * 64),
    "a seal of another page": lambda data: forged(data, page="02_two.ipynb"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_read_counts_as_his_work(copied, damage):
    copy = copied / "workbook" / "01_one.ipynb"
    before = copy.read_bytes()
    damaged = DAMAGES[damage](before)
    assert damaged != before
    copy.write_bytes(damaged)
    put_page(copied, "01_one.ipynb", "x = 2")
    said = tool.report(tool.refresh(copied))
    assert copy.read_bytes() == damaged
    assert "01_one.ipynb" in said


def test_a_folder_or_a_link_of_a_chapters_name_stays(copied):
    """A link may lead to a disk that is not plugged in."""
    for name in ("01_one.ipynb", "02_two.ipynb"):
        (copied / "workbook" / name).unlink()
    (copied / "workbook" / "01_one.ipynb").mkdir()
    try:
        (copied / "workbook" / "02_two.ipynb").symlink_to(copied / "unplugged" / "two.ipynb")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    said = tool.report(tool.refresh(copied))
    assert (copied / "workbook" / "01_one.ipynb").is_dir()
    assert (copied / "workbook" / "02_two.ipynb").is_symlink()
    assert "can be read from 01_one.ipynb, 02_two.ipynb in workbook/: is it a folder" in said
    assert "You have worked in" not in said


def test_a_link_to_a_copy_on_another_disk_stays_a_link(copied, tmp_path):
    """And the copy there, which git could not see, follows the project."""
    elsewhere, link = tmp_path / "01.ipynb", copied / "workbook" / "01_one.ipynb"
    link.rename(elsewhere)
    try:
        link.symlink_to(elsewhere)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    put_page(copied, "01_one.ipynb", "x = 2")
    assert tool.refresh(copied)["01_one.ipynb"] == "updated"
    assert link.is_symlink() and "x = 2" in elsewhere.read_text(encoding="utf-8")
    assert set(tool.refresh(copied).values()) == {"current"}


# Kills, and others at the same time ---------------------------------------------------------------


def test_what_is_saved_while_the_page_is_written_stays(copied):
    copy = copied / "workbook" / "01_one.ipynb"
    judged = copy.read_bytes()
    his = save(copy, edit)
    new = tool.sealed_copy(copied / "notebooks" / "01_one.ipynb")
    assert not tool.write(copy, new, judged)
    assert copy.read_bytes() == his
    assert sorted(path.name for path in copy.parent.iterdir()) == ["01_one.ipynb", "02_two.ipynb"]


START = "import importlib.util, itertools, os, pathlib, sys; sys.path.insert(0, sys.argv[1]); "
REFRESH = START + "import workbook; workbook.refresh(pathlib.Path(sys.argv[2]))"
UPDATES = START + (
    "import workbook\n"
    "root = pathlib.Path(sys.argv[2])\n"
    "texts = [path.read_text('utf-8') for path in sorted(root.glob('version*'))]\n"
    "for text in itertools.cycle(texts):\n"
    "    for name in sys.argv[3:]:\n"
    "        (root / 'page').write_text(text, 'utf-8')\n"
    "        os.replace(root / 'page', root / 'notebooks' / name)\n"
    "    workbook.refresh(root)\n"
    "    print('.', flush=True)\n"
)


def start(code, *arguments, **options):
    command = [sys.executable, "-c", code, str(TOOL.parent), *map(str, arguments)]
    return subprocess.Popen(command, **options)


def test_a_kill_at_any_moment_loses_nothing(copied):
    """A process that updates again and again is killed; each file is whole, and old or new."""
    for version in "23":
        put_page(copied, version, f"x = {version}\n" * 10_000)  # so that writing takes its time
        (copied / "notebooks" / version).rename(copied / f"version{version}")
    his = save(copied / "workbook" / "02_two.ipynb", edit)
    names = ["01_one.ipynb", "02_two.ipynb", "03_three.ipynb"]
    for _ in range(8):
        process = start(UPDATES, copied, *names, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.2))
        process.kill()
        process.communicate()
        for name in ("01_one.ipynb", "03_three.ipynb"):
            data = (copied / "workbook" / name).read_bytes()
            assert tool.read_seal(data, name)[1], f"{name} is not as it was written"
        put_page(copied, "01_one.ipynb", "x = 4")  # the project goes on before the next start
        done = tool.refresh(copied)
        assert done["01_one.ipynb"] == "updated"
        assert (copied / "workbook" / "02_two.ipynb").read_bytes() == his


def test_leftovers_of_killed_runs_are_swept_up(copied):
    """Not those of another run that is just writing, and not a file of the reader's."""
    names = [".01_one.ipynb.0123abcd.new", ".02_two.ipynb.0123abcd.new", "mine.ipynb.0123abcd.new"]
    paths = [copied / "workbook" / name for name in names]
    for path in paths:
        path.write_text("{")
    for path in paths[0], paths[2]:
        os.utime(path, (time.time() - 2 * tool.LEFTOVER_AGE,) * 2)
    with contextlib.suppress(OSError):  # one that is gone between two looks at the folder
        (copied / "workbook" / ".03_three.ipynb.0123abcd.new").symlink_to("nowhere")
    tool.refresh(copied)
    assert [path.exists() for path in paths] == [False, True, True]


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that another process reads")
def test_two_starts_at_once(copied):
    for number in range(3, 30):
        put_page(copied, f"{number:02}_new.ipynb")
    put_page(copied, "01_one.ipynb", "x = 2")
    rename_chapter(copied, "02_two.ipynb", "30_two.ipynb")
    processes = [start(REFRESH, copied) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert set(tool.refresh(copied).values()) == {"current"}
    names = {path.name for path in (copied / "workbook").iterdir()}
    assert names == {path.name for path in (copied / "notebooks").iterdir()}


# The command --------------------------------------------------------------------------------------


def with_tool(root):
    """Put the tool into a small project."""
    (root / ".ci").mkdir()
    shutil.copy(TOOL, root / ".ci")
    shutil.copytree(TOOL.parent / "jupyterlab-settings", root / ".ci" / "jupyterlab-settings")
    return root


def run_tool(root, *options, python=(sys.executable,), **variables):
    command = [*python, str(root / ".ci" / "workbook.py"), *options]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=os.environ | variables, timeout=60
    )


@pytest.fixture
def unwritable(project):
    """The project with a workbook/ into which nobody can write, not even root."""
    folder = project / "workbook"
    if os.name == "nt":
        pytest.skip("Windows has no such permissions")
    if os.geteuid() != 0:
        folder.mkdir(mode=0o555)
    elif Path("/sys/kernel").is_dir():
        folder.symlink_to("/sys/kernel")
    else:
        pytest.skip("root can write anywhere here")
    return project


def assert_one_sentence(ran, root):
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert str(root / "workbook") in line
    assert "The notebooks are copied to workbook/, which must be a folder that you can" in line
    assert ran.stdout == ""


def test_a_folder_that_cannot_be_written_is_named(unwritable):
    assert_one_sentence(run_tool(with_tool(unwritable), PYTHONUTF8="1"), unwritable)


def test_a_file_called_workbook_is_named(project):
    (project / "workbook").write_text("mine")
    assert_one_sentence(run_tool(with_tool(project), PYTHONUTF8="1"), project)
    assert (project / "workbook").read_text() == "mine"


def test_a_python_without_the_packages_is_named(project):
    """README's lines without make name the Python of .venv; somebody will take another one."""
    ran = run_tool(with_tool(project), python=(sys.executable, "-S", "-E"))
    assert ran.returncode == 1
    assert "The notebooks need jupyterlab and helpers and exercises and torch" in ran.stderr
    assert sys.executable in ran.stderr and "make lab" in ran.stderr
    assert "Traceback" not in ran.stderr and not (project / "workbook").exists()


def test_an_old_python_can_read_as_far_as_that_message():
    ast.parse(TOOL.read_text(encoding="utf-8"), feature_version=(3, 7))


@contextlib.contextmanager
def jupyterlab(root, home, *more):
    """The command that `make lab` runs, from a folder elsewhere; yields its address and token."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    options = ["--no-browser", "--allow-root", "--port=0", "--IdentityProvider.token=secret"]
    log = home / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(root / ".ci" / "workbook.py"), *options, *more],
            cwd=home,
            env=ours | {"HOME": str(home), "USERPROFILE": str(home), "PYTHONUTF8": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(1200):
            text = log.read_text(encoding="utf-8", errors="replace")
            found = re.search(r"(http://127\.0\.0\.1:\d+)/\S*\?token=", text)
            if found or process.poll() is not None:
                break
            time.sleep(0.1)
        assert found, text
        wait_for(found[1])
        yield found[1], text
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address):
    """JupyterLab says its address before it listens there."""
    url = urllib.parse.urlsplit(address)
    for _ in range(600):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((url.hostname, url.port), timeout=30).close()
            return
        time.sleep(0.1)


def fetch(address):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the user's is
    request = urllib.request.Request(address, headers={"Authorization": "token secret"})
    with opener.open(request, timeout=30) as answer:
        return answer.geturl(), answer.read().decode()


NOTIFICATION = "@jupyterlab/apputils-extension:notification"


def test_jupyterlab_opens_on_the_first_page_and_asks_nothing(project, tmp_path):
    """As far as can be seen without a browser: there, `fetchNews` is what makes it ask."""
    settings = tmp_path / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    his = '{"doNotDisturbMode": true}'
    (settings / "notification.jupyterlab-settings").write_text(his)
    with jupyterlab(with_tool(project), tmp_path) as (server, said):
        assert "2 chapters in workbook/, 2 new." in said
        opened, page = fetch(f"{server}/")
        assert opened == f"{server}/lab/tree/workbook/01_one.ipynb"
        assert "<title>JupyterLab</title>" in page
        _, contents = fetch(f"{server}/api/contents/workbook/01_one.ipynb")
        assert json.loads(contents)["content"]["cells"]
        _, setting = fetch(f"{server}/lab/api/settings/{NOTIFICATION}")
        defaults = json.loads(setting)["schema"]["properties"]
        assert defaults["fetchNews"]["default"] == "false"
        assert defaults["checkForUpdates"]["default"] is False
        assert json.loads(setting)["raw"] == his  # what the reader has chosen counts more


# Git and the tests --------------------------------------------------------------------------------


def test_git_does_not_see_the_folder(tmp_path):
    """Nor a link of this name, by which a reader keeps his work on another disk."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    put_page(tmp_path, "01_one.ipynb")
    (tmp_path / "workbook").mkdir()
    (tmp_path / "workbook" / "01_one.ipynb").touch()
    (tmp_path / "link").mkdir()
    shutil.copy(ROOT / ".gitignore", tmp_path / "link")
    with contextlib.suppress(OSError):
        (tmp_path / "link" / "workbook").symlink_to(tmp_path / "workbook")
    for folder in (tmp_path, tmp_path / "link"):
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        listed = subprocess.run(
            ["git", "status", "--short", "--untracked-files=all"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ".gitignore" in listed.stdout and "workbook" not in listed.stdout


def test_the_tests_do_not_meet_the_folder():
    """`make test` calls pytest without a path, which then looks where pyproject.toml says."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert settings["pytest"]["ini_options"]["testpaths"] == ["tests", "notebooks"]

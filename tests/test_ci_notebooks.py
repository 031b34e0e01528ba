"""The tool that renders and stamps: real runs on small notebooks."""

import base64
import json
import os
import stat
import struct
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import ROOT, no_absolute_path, tool

OLD, NEW = "some-one/old-name", "octocat/hello.world"


# Render ------------------------------------------------------------------------------------------

TRAINING = """\
import sys
for epoch in 1, 2:
    for done in 10, 100:
        print(f"\\r{done:3}%|####", end="", file=sys.stderr, flush=True)
    print("\\r" + " " * 9 + "\\r", end="", file=sys.stderr, flush=True)
    print("epoch", epoch, flush=True)
print("aaaa\\rbb")"""

RAISING = """\
import json
json.loads("x")"""
ALT = {"image": {"alt": "A curve that falls."}}
DRAWING = "\n".join(
    [*tool.SETUP_CELL.splitlines()[-2:], "import matplotlib.pyplot as plt", "_ = plt.plot([2, 1])"]
)


def notebook_of(*cells: NotebookNode) -> NotebookNode:
    """Return a notebook as an editor and another machine may leave it."""
    editor = {"colab": {"provenance": []}, "widgets": {"application/x": {"state": {}}}}
    language = {"name": "python", "version": "3.10.1", "file_extension": ".py"}
    kernel = {"name": "my-env", "display_name": "my env", "language": "python"}
    metadata = {**editor, "language_info": language, "kernelspec": kernel}
    return new_notebook(cells=list(cells), metadata=metadata)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook after `render`, which this fixture runs from another folder."""
    path = tmp_path_factory.mktemp("project") / "notebooks" / "01_small.ipynb"
    path.parent.mkdir()
    timing = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "collapsed": True}
    cells = [
        new_markdown_cell("# Übung", metadata={"editable": True}),
        new_code_cell("import os\nos.getcwd()[-9:]", execution_count=41, metadata=timing),
        new_code_cell(TRAINING, metadata={"tags": ["nbval-ignore-output"], **timing}),
        new_code_cell(RAISING, metadata={"tags": ["raises-exception"]}),
        new_code_cell("print('after')", outputs=[new_output("stream", text="stale")]),
        new_code_cell(DRAWING, metadata={"mystnb": {**ALT, "figure": {"name": "x"}}}),
        new_code_cell("# as it is\nassert 1", metadata={"tags": ["claims"]}),
    ]
    nbformat.write(notebook_of(*cells), path)
    path.chmod(0o644)
    assert tool.main(["render", "--any-data", "01"], root=path.parent.parent) == 0
    return path


def code_cells(path: Path) -> list[NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def test_render_counts_from_one(rendered: Path) -> None:
    assert [cell.execution_count for cell in code_cells(rendered)] == [1, 2, 3, 4, 5, 6]


def test_render_runs_in_the_notebooks_folder(rendered: Path) -> None:
    assert code_cells(rendered)[0].outputs[0].data["text/plain"] == "'notebooks'"


def test_render_leaves_no_trace_of_progress_bars(rendered: Path) -> None:
    outputs = code_cells(rendered)[1].outputs
    assert [(output.name, output.text) for output in outputs] == [
        ("stdout", "epoch 1\nepoch 2\nbbaa\n")
    ]


def test_render_replaces_old_outputs(rendered: Path) -> None:
    assert [output.text for output in code_cells(rendered)[3].outputs] == ["after\n"]


def test_render_cleans_tracebacks(rendered: Path) -> None:
    error = code_cells(rendered)[2].outputs[0]
    text = "\n".join(error.traceback)
    assert error.ename == "JSONDecodeError"
    assert "/json/decoder.py:" in text and "Expecting value" in text
    assert "\x1b" not in text and "~" not in text
    assert not list(no_absolute_path(nbformat.read(rendered, as_version=4), rendered))


def test_render_keeps_bare_metadata(rendered: Path) -> None:
    notebook = nbformat.read(rendered, as_version=4)
    assert notebook.metadata == tool.METADATA
    assert [cell.metadata for cell in notebook.cells] == [
        *({}, {}),
        *({"tags": [tag]} for tag in ("nbval-ignore-output", "raises-exception")),
        *({}, {"mystnb": ALT}),
        {"tags": ["claims"], "jupyter": {"source_hidden": True}},
    ]


def test_pictures_have_twice_the_pixels_that_they_take_on_the_page(rendered: Path) -> None:
    (output,) = (o for o in code_cells(rendered)[4].outputs if "image/png" in o.get("data", {}))
    header = base64.b64decode(output.data["image/png"])[16:24]
    width, height = struct.unpack(">II", header)
    shown = output.metadata["image/png"]
    assert abs(width - 2 * shown["width"]) <= 1 and abs(height - 2 * shown["height"]) <= 1


def test_render_writes_a_tidy_file(rendered: Path) -> None:
    text = rendered.read_bytes().decode()
    assert text.startswith('{\n "cells": [\n  {\n') and text.endswith("}\n")
    assert "# Übung" in text and "\r\n" not in text
    assert stat.S_IMODE(rendered.stat().st_mode) & 0o600 == 0o600
    assert [path.name for path in rendered.parent.iterdir()] == [rendered.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_render_keeps_permissions(rendered: Path) -> None:
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o644


def test_failed_render_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.ipynb"
    nbformat.write(notebook_of(new_code_cell("1"), new_code_cell("1 / 0")), path)
    before = path.read_bytes()
    assert tool.main(["render", "--any-data", str(path)], root=tmp_path) == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    errors = capsys.readouterr().err
    assert "bad.ipynb failed and is unchanged" in errors and "ZeroDivisionError" in errors


def test_render_asks_for_the_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    assert tool.main(["render"], root=tmp_path) == 2
    assert "set FASHION_MNIST_DIR" in capsys.readouterr().err
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "nowhere"))
    assert tool.main(["render"], root=tmp_path) == 2
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_MNIST_DIR", ".")
    assert tool.main(["render"], root=tmp_path) == 0
    assert os.environ["FASHION_MNIST_DIR"] == str(tmp_path.resolve())
    assert "FASHION_MNIST_DIR (.)" in capsys.readouterr().out


def test_render_names_an_unknown_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["render", "--any-data", "99"], root=tmp_path) == 2
    assert "no notebook '99'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("plain  \n", "plain  \n"),
        ("\r 10%\r 99%\r    \r", ""),
        ("long line\rshort\n", "shortline\n"),
        ("windows\r\n", "windows\n"),
        ("a\n 10%\r     \rb\n", "a\nb\n"),
    ],
)
def test_as_terminal(text: str, screen: str) -> None:
    assert tool.as_terminal(text) == screen


def test_streams_are_merged_around_other_outputs() -> None:
    def stream(text: str, name: str = "stdout") -> NotebookNode:
        return new_output("stream", name=name, text=text)

    picture = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    outputs = [stream("a"), stream("b"), picture, stream("c"), stream("oh", "stderr")]
    merged = tool.merged_streams(outputs)
    assert [output.get("text") for output in merged] == ["ab", None, "c", "oh"]


def test_traceback_paths_are_shortened(tmp_path: Path) -> None:
    packages = Path(nbformat.__file__).parent.parent
    lines = [f"\x1b[36mFile \x1b[32m{packages / 'torch' / 'x.py'}:7\x1b[39m, in f(x)"]
    lines += [f"File {tmp_path / 'helpers' / 'data.py'}:3"]
    assert tool.cleaned_traceback(lines, tmp_path) == [
        f"File {Path('site-packages', 'torch', 'x.py')}:7, in f(x)".replace(
            "site-packages\\", "site-packages/"
        ),
        f"File {Path('helpers', 'data.py')}:3",
    ]


# Stamp -------------------------------------------------------------------------------------------


def page(address: str) -> str:
    """Return a text with every form of link, and with look-alikes that must stay."""
    return (
        f"[![CI](https://github.com/{address}/actions/ci.svg)](https://github.com/{address})\n"
        f"<https://colab.research.google.com/github/{address}/blob/main/notebooks/01_a.ipynb>\n"
        f"git clone https://github.com/{address}.git, git@github.com:{address}.git\n"
        f"See https://github.com/{address}. And https://img.shields.io/github/stars/{address}\r\n"
        f"https://github.com/{OLD}-fork https://github.com/{OLD}.js https://github.com/x-{OLD}\n"
        f"<{tool.site_address(address)}> [02]({tool.site_address(address)}notebooks/02_b.html)\n"
        f"https://gitlab.com/{OLD} and {OLD}, a/{OLD}\n"
    )


def make_project(root: Path, address: str) -> dict[Path, bytes]:
    """Write a small project with this address; return its files."""
    link, setup = tool.colab_link(address, "01_a.ipynb"), tool.setup_cell(address)
    cells = [new_markdown_cell(f"# 01 · A\n[x]({link})\n"), new_code_cell(setup)]
    notebook = new_notebook(cells=cells)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    urls = f'[project.urls]\nRepository = "https://github.com/{address}"  # kept\n'
    texts = {
        "README.md": page(address),
        "CONTRIBUTING.md": page(address).replace("\n", "\r\n"),
        "docs/run.md": page(address),
        "LICENSE": page(OLD),
        "pyproject.toml": f'[project]\nname = "{OLD}"\n{urls}',
        "notebooks/01_a.ipynb": json.dumps(notebook, indent=3),  # not as the tool would write it
    }
    for folder in "notebooks", "docs":
        (root / folder).mkdir(parents=True)
    for name, text in texts.items():
        (root / name).write_bytes(text.encode())
    return contents(root)


def contents(root: Path) -> dict[Path, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root): path.read_bytes() for path in files}


def test_stamp_changes_all_addresses_and_nothing_else(tmp_path: Path) -> None:
    before = make_project(tmp_path / "a", OLD)
    expected = make_project(tmp_path / "b", NEW)
    assert before != expected
    assert tool.main(["stamp", NEW], root=tmp_path / "a") == 0
    assert contents(tmp_path / "a") == expected


def test_stamp_twice_and_back(tmp_path: Path) -> None:
    before = make_project(tmp_path / "a", OLD)
    for address in ("first/step", "first/step", NEW, OLD):
        assert tool.main(["stamp", address], root=tmp_path / "a") == 0
        assert tool.repository_address(tmp_path / "a") == address
    assert contents(tmp_path / "a") == before


def test_stamp_starts_again_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path / "a", OLD)
    expected = make_project(tmp_path / "b", NEW)
    write, written = tool.write_atomically, []

    def write_two(path: Path, text: str) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        write(path, text)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(tool, "write_atomically", write_two)
        tool.stamp(NEW, tmp_path / "a")
    tool.stamp(NEW, tmp_path / "a")
    assert contents(tmp_path / "a") == expected


@pytest.mark.parametrize(
    "address",
    ["", "name", "a/b/c", "https://github.com/a/b", "a b/c", "-a/b", "a/..", "a/b.git", "ä/b"],
)
def test_stamp_refuses(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = make_project(tmp_path / "a", OLD)
    assert tool.main(["stamp", "--", address], root=tmp_path / "a") == 2
    assert "expected OWNER/REPO" in capsys.readouterr().err
    assert contents(tmp_path / "a") == before


def test_this_project_has_an_address() -> None:
    assert tool.check_address(tool.repository_address(ROOT))

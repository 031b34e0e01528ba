"""conftest.py: whatever the user has set up for himself, tests and notebooks run as in CI."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_rules import ROOT, tool

CELLS = {  # what a cell protects: its source, and what is stored of it
    "its own packages, not those on the user's path": (
        "from exercises import check\nfrom helpers.devices import pick_device",
        [],
    ),
    "a picture appears, without TeX": (
        "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\n_ = plt.title('100 % w_1')",
        [new_output("display_data", {"text/plain": "<Figure>", "image/png": "iVBORw0KGgo="})],
    ),
    "assertions are not optimised away": (
        "try:\n    assert not 1\nexcept AssertionError:\n    print('fails')",
        [new_output("stream", text="fails\n")],
    ),
    "outputs are sanitised": (
        "print('took 2 s')",
        [new_output("stream", text="took 13 ms\n")],
    ),
    "umlauts": ("print('Übung')", [new_output("stream", text="Übung\n")]),
}


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook in a project with these settings, in a folder with a space and an umlaut."""
    project = tmp_path / "mit Leerzeichen und Ü"
    for name in ("pyproject.toml", "conftest.py", "tests/nbval_sanitize.cfg"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    cells = [new_code_cell(source, outputs=outputs) for source, outputs in CELLS.values()]
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
    path = project / "notebooks" / "01_small.ipynb"
    path.parent.mkdir()
    text = nbformat.writes(new_notebook(cells=cells, metadata=tool.METADATA))
    path.write_text(text.replace("<Figure>", "<Figure size 640x480 with 1 Axes>"), "utf-8")
    return path


def settings_of_a_user(folder: Path) -> dict[str, str]:
    """Return the variables of a user with settings of his own, and a home that he cannot use."""
    texts = {
        "matplotlib/matplotlibrc": "text.usetex: True\nbackend: Agg\n",
        "ipython/profile_default/ipython_config.py": "c.InlineBackend.figure_formats = {'svg'}\n",
        "ipython/profile_default/startup/00.py": "print('good morning')\n",
        "path/helpers.py": "raise ImportError('the user has helpers of his own')\n",
        "path/exercises.py": "raise ImportError('the user has exercises of his own')\n",
        "startup.py": "print('hello')\n",
        "file": "",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return {
        "HOME": str(folder / "file" / "home"),  # not even root can write there
        "USERPROFILE": str(folder / "file" / "home"),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "MPLBACKEND": "Agg",
        "MATPLOTLIBRC": str(folder / "matplotlib" / "matplotlibrc"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(folder / "path"),
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONOPTIMIZE": "1",
    }


def test_what_begins_first_exists():
    """Or a file that was renamed begins last, and `make test` waits for it alone."""
    names = runpy.run_path(str(ROOT / "conftest.py"))["SLOWEST_FIRST"]
    assert [
        n for n in names if not any((ROOT / f / n).exists() for f in ("notebooks", "tests"))
    ] == []


def test_a_notebook_passes_whatever_the_user_has_set(notebook: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OMP_"))}
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-pno:cacheprovider", f"--junitxml={report}"]
    ran = subprocess.run(
        [*command, notebook.name],
        cwd=notebook.parent,  # a reader may well start it there
        env=environment | settings_of_a_user(tmp_path / "user"),
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stdout.decode("utf-8", "replace")
    assert len(list(ElementTree.parse(report).iter("testcase"))) == len(CELLS)

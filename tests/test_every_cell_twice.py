"""Every cell can be run twice in a row: whoever presses the keys again breaks nothing below.

A failure names the notebook and the cell that failed; what broke it may stand further up.
"""

import os
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.corpus.words import generate_corpus_id
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_rules import ROOT, tool

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RUNS = "first run", "second run"


def failure(notebook: NotebookNode, folder: Path) -> str | None:
    """Run each code cell twice in a row, in ``folder``; say which run failed first, and how."""
    runs = [
        (f"cell {number}, {run}", NotebookNode(deepcopy(cell), id=generate_corpus_id()))
        for number, cell in enumerate(notebook.cells, start=1)
        for run in (RUNS if cell.cell_type == "code" else RUNS[:1])
    ]
    doubled = new_notebook(cells=[cell for _, cell in runs], metadata=tool.METADATA)
    try:
        tool.execute(doubled, folder)
    except CellExecutionError as error:
        name = next(name for name, cell in runs if broke(cell))
        return f"{name}\n{tool.ANSI_CODE.sub('', str(error))}"
    return None


def broke(cell: NotebookNode) -> bool:
    """Tell whether an error is stored in a cell."""
    return any(output.output_type == "error" for output in cell.get("outputs", []))


@pytest.mark.weekly
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_can_be_run_twice_in_a_row(path: Path) -> None:
    found = failure(nbformat.read(path, as_version=4), path.parent)
    if found is not None:
        pytest.fail(f"{path.name}, {found}", pytrace=False)


CASES = {  # the cells below a text: the run that fails, and what it says
    "a repair that works once": (["a = [1]", "a.pop()"], "cell 3, second run", "IndexError"),
    "a count that the cells below rely on": (
        ["a = 0", "a += 1", "assert a == 1"],
        "cell 4, first run",
        "AssertionError",
    ),
    "a mistake of any run": (["1 / 0"], "cell 2, first run", "ZeroDivisionError"),
    "nothing": (["a = []\na.append(1)", "assert a == [1]"], None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_run_twice_is_found(tmp_path: Path, case: str) -> None:
    sources, run, error = CASES[case]
    cells = [new_markdown_cell("# A title"), *map(new_code_cell, sources)]
    found = failure(new_notebook(cells=cells), tmp_path)
    if run is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(f"{run}\n") and error in found
    assert os.listdir(tmp_path) == []

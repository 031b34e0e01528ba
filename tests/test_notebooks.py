"""The stored notebooks follow the rules, the rules bite, and nbval compares what it should."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import notebook_rules as rules
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import ROOT, RULES, Rule, tool

from helpers.sliders import SCRIPT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BY_NUMBER = {path.name.partition("_")[0]: path for path in NOTEBOOKS}
CHAPTERS = [f"{number:02}" for number in range(1, 18)]
IGNORED, CLAIMS = ["nbval-ignore-output"], ["claims"]


# The stored notebooks ----------------------------------------------------------------------------


def test_the_chapters_have_numbers_of_their_own_from_01_to_17() -> None:
    assert len(BY_NUMBER) == len(NOTEBOOKS) > 0
    assert set(BY_NUMBER) <= set(CHAPTERS)


def test_the_readme_lists_the_chapters_in_order() -> None:
    """Those that exist with a link, the others as to come: no gap, and no link to nowhere."""
    rows = readme_rows()
    assert [row[0] for row in rows] == CHAPTERS
    for number, entry, *_ in rows:
        found = BY_NUMBER.get(number)
        link = rf"\[.+\]\(notebooks/{found.name}\)" if found else r"\*to come\*"
        assert re.fullmatch(link, entry), entry


def readme_rows() -> list[list[str]]:
    """Return the cells of the README's table of chapters: number, link, idea, minutes, minutes."""
    lines = re.findall(r"^\| (\d\d \| .+) \|$", (ROOT / "README.md").read_text("utf-8"), re.M)
    return [line.split(" | ") for line in lines]


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: row[0])
def test_the_readme_says_how_long_a_chapter_takes(row: list[str]) -> None:
    """To read, as its words say; and to compute, as the chapter says it."""
    number, _, _, reading, computing = row
    if number not in BY_NUMBER:
        assert (reading, computing) == ("–", "–")
        return
    notebook = stored(BY_NUMBER[number])
    assert reading == str(rules.reading_minutes(notebook))
    stated = rules.stated_minutes(notebook)
    assert computing == (stated[1] if stated else computing)


@cache
def stored(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_follows_rule(path: Path, rule: Rule) -> None:
    problems = list(rule(stored(path), path))
    assert not problems, "\n".join([f"{path.name}: {rule.__doc__}", *problems])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "data/README.md"])
def test_pages_link_to_what_exists(name: str) -> None:
    page = ROOT / name
    text = page.read_text("utf-8")
    as_notebook = new_notebook(cells=[new_markdown_cell(text)])
    problems = [*rules.address_problems(text), *rules.images_have_alt_text(as_notebook, page)]
    anchors = rules.anchors_of(page)
    for target in rules.link_targets(text):
        if problem := rules.link_problem(target, as_notebook.cells[0], page, anchors):
            problems.append(f"{target}: {problem}")
    assert not problems, "\n".join(problems)


START_A_PROGRAM = """
import subprocess
subprocess.run([sys.executable, "-S", "-c", "import helpers"], check=True)
os.chdir(home)
"""


def test_programs_that_13_starts_in_its_folder_find_the_helpers() -> None:
    """A reader may open it in the project's root, with nothing installed but PyTorch."""
    cells = stored(ROOT / "notebooks" / "13_save_load.ipynb").cells
    steps = []
    for first in "home = globals()", "folder = tempfile":  # each without the imports above it
        (source,) = (cell.source for cell in cells if first in cell.source)
        steps.append(source[source.index(first) :])
    moving = "\n".join(steps)
    program = "\n".join(["import os, sys, tempfile", moving, START_A_PROGRAM])
    bare = [sys.executable, "-S", "-c", program]  # -S: without site-packages
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    ran = subprocess.run(bare, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


# The rules bite ----------------------------------------------------------------------------------


def code(source: str, *outputs: NotebookNode, tags: list[str] | None = None) -> NotebookNode:
    """Return a code cell; ``numbered`` fills in its count."""
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": tags} if tags else {})


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return new_output("stream", name=name, text=text)


def shown(**data: str) -> NotebookNode:
    """Return a displayed output; ``text_plain="3"`` stands for the kind text/plain."""
    return new_output("display_data", {k.replace("_", "/", 1): v for k, v in data.items()})


def raised(name: str = "ZeroDivisionError", message: str = "division by zero") -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def numbered(cells: list[NotebookNode]) -> NotebookNode:
    """Return a notebook of these cells as if it had been run from top to bottom."""
    code_cells = [cell for cell in cells if cell.cell_type == "code"]
    for count, cell in enumerate(code_cells, start=1):
        cell.execution_count = count
    return new_notebook(cells=cells, metadata=tool.METADATA)


SETUP, TEXT, ERROR, PLOT, CAPTION, TIMED, EXPLAINED, CLAIM, CHECK, NAMED, NEXT = (
    *(1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13),  # the places of these cells in `good`
)
ALT = {"mystnb": {"image": {"alt": "A curve that falls from left to right."}}}
NAMES = """\
## Names to take with you

| say | mean |
|---|---|
| *one* | 1 |
| *two* | 2 |
| *three* | 3 |

To read on: [a](https://a.org), [b](https://b.org) and [c](https://c.org)."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a notebook that follows every rule, between the files that it links to."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(
        numbered([new_markdown_cell("# 02 · Other\n\n## A `sum` of two")]), folder / "02_b.ipynb"
    )
    (folder / "curve.png").write_bytes(b"")
    nbformat.write(good(), folder / "01_a.ipynb")
    return folder / "01_a.ipynb"


def good() -> NotebookNode:
    colab = tool.colab_link(rules.address(), "01_a.ipynb")
    text = "See [02](02_b.ipynb#A-sum-of-two), [above](#The-idea).\n\n![a falling curve](curve.png)"
    minutes = "Reading: 5 minutes. Computing: under one."
    return numbered(
        [
            new_markdown_cell(f"# 01 · A\n\nOne promise. {minutes} [Open in Colab]({colab})"),
            setup(tool.setup_cell(rules.address()) + "\n\nx = 1", printed("ready\n")),
            new_markdown_cell(
                f"## The idea\n\n{text}\n\n```\n# no heading [x](y)\n```\n\nWill it do?"
            ),
            code("with shows(ZeroDivisionError):\n    1 / 0", printed("ZeroDivisionError: 1\n")),
            new_markdown_cell("Nothing can be divided by zero.\n\n### Why you want this"),
            new_code_cell("plot()", outputs=[picture()], metadata=ALT),
            new_markdown_cell("*A curve of `x` that\nfalls.*\n\nAnd so on."),
            code("%time x", printed("2 s\n"), tags=IGNORED),
            new_markdown_cell("Two seconds here; yours will differ."),
            claims("# how long it took\nassert x == 1"),
            code("%matplotlib inline\nassert x == 1"),
            new_markdown_cell(NAMES),
            new_markdown_cell("## Exercises\n\n[not among the names](https://d.org)"),
            new_markdown_cell("Next: [02 · Other](02_b.ipynb), and so on."),
        ]
    )


def picture() -> NotebookNode:
    return shown(text_plain="<Figure>", image_png="iVBORw0KGgo=")


def claims(source: str, *outputs: NotebookNode) -> NotebookNode:
    return folded(code(source, *outputs, tags=CLAIMS))


def setup(source: str, *outputs: NotebookNode) -> NotebookNode:
    return folded(code(source, *outputs, tags=["setup"]))


def folded(cell: NotebookNode) -> NotebookNode:
    cell.metadata = nbformat.from_dict(tool.own_metadata(cell.metadata))
    return cell


def put(index: int, **fields: object) -> Callable[[NotebookNode], object]:
    """Return a change that sets fields of one cell."""
    return lambda notebook: notebook.cells[index].update(fields)


def add(index: int, *outputs: NotebookNode) -> Callable[[NotebookNode], object]:
    """Return a change that gives one cell these outputs instead of its own."""
    return put(index, outputs=list(outputs))


def tag(index: int, *tags: str) -> Callable[[NotebookNode], object]:
    return put(index, metadata={"tags": list(tags)})


def drop(index: int) -> Callable[[NotebookNode], object]:
    return lambda notebook: notebook.cells.pop(index)


def insert(index: int, cell: NotebookNode) -> Callable[[NotebookNode], object]:
    return lambda notebook: notebook.cells.insert(index, cell)


def names_with(old: str, new: str) -> Callable[[NotebookNode], object]:
    """Return a change to the last section."""
    assert old in NAMES
    return put(NAMED, source=NAMES.replace(old, new))


def describe(**metadata: object) -> Callable[[NotebookNode], object]:
    return lambda notebook: notebook.metadata.update(metadata)


def check_with(source: str) -> Callable[[NotebookNode], object]:
    """Return a change that leaves ``source`` as the only check on the timed cell."""

    def change(notebook: NotebookNode) -> None:
        notebook.cells[CHECK].source = source
        del notebook.cells[CLAIM]

    return change


BAD: list[tuple[Rule, Callable[[NotebookNode], object]]] = [
    (rules.counts_run_in_order, put(SETUP, execution_count=None)),
    (rules.counts_run_in_order, put(PLOT, execution_count=7)),
    (rules.no_stderr, add(CHECK, printed("UserWarning\n", "stderr"))),
    (rules.errors_are_caught, add(CHECK, raised())),
    (rules.errors_are_caught, put(CHECK, source="assert 'x' in str(sys.last_value)")),
    (rules.errors_are_explained, drop(ERROR + 1)),
    (rules.errors_are_explained, insert(ERROR + 1, code("x"))),
    (rules.no_empty_cell, put(TEXT, source="\n ")),
    (rules.no_empty_cell, lambda notebook: notebook.cells.append(code(""))),
    (rules.no_absolute_path, add(SETUP, printed("saved /home/ada/x.pt\n"))),
    (rules.no_absolute_path, add(ERROR, raised("OSError", "'/tmp/x.pt'"))),
    (rules.no_absolute_path, add(SETUP, shown(text_html="<a href='file:///Users/ada/x'>"))),
    (rules.no_absolute_path, put(CHECK, source=r'assert open("C:\\Users\\ada\\x")')),
    (rules.no_absolute_path, put(TEXT, source="Look in D:\\Data\\mnist.")),
    (rules.no_widget, describe(widgets={"state": {}})),
    (rules.no_widget, add(CHECK, shown(**{"application_vnd.jupyter.widget-view+json": "1"}))),
    (rules.no_active_content, put(TEXT, source="<SCRIPT>alert(1)</SCRIPT>")),
    (rules.no_active_content, put(TEXT, source="[x](javascript:alert(1))")),
    (rules.no_active_content, add(CHECK, shown(text_html="<iframe src='https://x.y'>"))),
    (rules.no_active_content, add(CHECK, shown(text_html=f"<script>{SCRIPT};alert(1)</script>"))),
    (rules.no_active_content, add(CHECK, shown(**{"image_svg+xml": "<svg><script/></svg>"}))),
    (rules.no_active_content, add(CHECK, shown(application_javascript="1"))),
    (rules.only_known_tags, tag(CHECK, "nbval-skip")),
    (rules.only_known_tags, tag(ERROR, "raises-exception")),
    (rules.only_known_tags, tag(TIMED, "nbval-ignore-outputs")),
    (rules.only_known_tags, tag(TEXT, *IGNORED)),
    (rules.no_comment_marker, check_with("# NBVAL_IGNORE_OUTPUT\nassert x")),
    (rules.no_comment_marker, check_with("assert x  \n    #nbval_skip")),
    (rules.no_comment_marker, check_with("# PYTEST_VALIDATE_IGNORE_OUTPUT\nassert x")),
    (rules.no_trailing_semicolon, check_with("assert x\nplot(x);")),
    (rules.ignored_output_is_asserted, check_with("# assert x\n'assert x'")),
    (rules.ignored_output_is_asserted, check_with("assert True")),
    (rules.ignored_output_is_asserted, check_with("def f():\n    assert x")),
    (rules.ignored_output_is_asserted, insert(EXPLAINED, new_markdown_cell("### B"))),
    (rules.ignored_output_is_asserted, lambda nb: nb.cells.append(code("x", tags=IGNORED))),
    (rules.ignored_output_is_bounded, drop(CLAIM)),
    (rules.ignored_output_is_bounded, insert(EXPLAINED, new_markdown_cell("## B"))),
    (rules.claims_stand_behind_the_page, drop(EXPLAINED)),
    (rules.claims_stand_behind_the_page, put(EXPLAINED, source="How long did it take?")),
    (rules.claims_stand_behind_the_page, put(CLAIM, source="assert x == 1  # how long it took")),
    (rules.claims_stand_behind_the_page, put(CLAIM, source="# how long it took")),
    (rules.claims_stand_behind_the_page, add(CLAIM, printed("True\n"))),
    (rules.claims_stand_behind_the_page, tag(CLAIM, *CLAIMS)),
    (rules.questions_are_answered, add(ERROR)),
    (rules.questions_are_answered, put(ERROR, source="assert x == 1\nprint(x)")),
    (rules.questions_are_answered, insert(CHECK, new_markdown_cell("Look. (*Will it?*)"))),
    (rules.one_title, put(0, source="## 01 · A")),
    (rules.one_title, put(0, source="# 02 · A")),
    (rules.one_title, put(0, source="# 01 - A")),
    (rules.one_title, put(TEXT, source="# 01 · B")),
    (rules.links_resolve, put(TEXT, source="[x](03_c.ipynb)")),
    (rules.links_resolve, put(TEXT, source="[x](02_b.ipynb#a-sum-of-two)")),
    (rules.links_resolve, put(TEXT, source="[x](#The-end)")),
    (rules.links_resolve, put(TEXT, source="![x](attachment:x.png)")),
    (rules.links_resolve, put(TEXT, source="[x][y]\n\n[y]: nowhere.md")),
    (rules.links_resolve, put(TEXT, source='<img alt="x" src="nowhere.png">')),
    (
        rules.links_resolve,
        put(TEXT, source=f"[x](https://github.com/{rules.address()}/blob/main/nowhere.md)"),
    ),
    (rules.leads_to_the_next, drop(NEXT)),
    (rules.leads_to_the_next, lambda notebook: notebook.cells.append(code("x"))),
    (rules.leads_to_the_next, put(NEXT, source="Next: [03 · Other](02_b.ipynb)")),
    (rules.leads_to_the_next, put(NEXT, source="Next: [02 · Other](04_d.ipynb)")),
    (rules.leads_to_the_next, put(TEXT, source="Next: [02 · Other](02_b.ipynb)")),
    (rules.images_have_alt_text, put(TEXT, source="![](curve.png)")),
    (rules.images_have_alt_text, put(TEXT, source='<img src="curve.png" alt="">')),
    (rules.plots_have_alt_text, put(PLOT, metadata={})),
    (rules.plots_have_alt_text, put(PLOT, metadata={"mystnb": {"image": {"alt": "a plot"}}})),
    (rules.plots_have_captions, put(CAPTION, source="A curve that falls.")),
    (rules.plots_have_captions, put(CAPTION, source="**A curve that falls.**")),
    (rules.plots_have_captions, put(CAPTION, source="* a curve\n* another*")),
    (rules.plots_have_captions, lambda notebook: notebook.cells.append(notebook.cells[PLOT])),
    (rules.minutes_are_true, put(0, source="# 01 · A")),
    (rules.minutes_are_true, put(TEXT, source="word " * 2000)),
    (rules.minutes_are_true, lambda notebook: notebook.cells.extend(code("x") for _ in range(40))),
    (
        rules.listings_can_be_parsed,
        put(TEXT, source="```python\nfor x in y:    print(x)\n    print(2)\n```"),
    ),
    (rules.says_why, put(PLOT - 1, source="Nothing can be divided by zero.")),
    (rules.names_to_take_along, drop(NAMED)),
    (rules.names_to_take_along, names_with("## Names", "### Names")),
    (rules.names_to_take_along, names_with("| say | mean |", "| name | meaning |")),
    (rules.names_to_take_along, names_with("| *two* | 2 |\n", "")),
    (rules.names_to_take_along, names_with("To read on: [a]", "[a]")),
    (rules.names_to_take_along, names_with("https://c.org", "02_b.ipynb")),
    (rules.no_anonymous_opponent, put(TEXT, source="Some\nnotes say it.")),
    (rules.no_anonymous_opponent, put(TEXT, source="Old tutorials wrap it.")),
    (rules.no_anonymous_opponent, put(CHECK, source="# as our source does\nassert x")),
    (rules.file_is_small, put(TEXT, source="x" * (rules.MAX_BYTES + 1))),
    (rules.format_is_valid, put(CHECK, outputs=[nbformat.from_dict({"output_type": "?"})])),
    (rules.format_is_valid, lambda notebook: notebook.update(nbformat_minor=4)),
    (rules.metadata_is_bare, describe(kernelspec={"name": "torch", "display_name": "torch"})),
    (rules.metadata_is_bare, describe(language_info={"name": "python", "version": "3.11.7"})),
    (rules.metadata_is_bare, describe(colab={"provenance": []})),
    (rules.metadata_is_bare, put(CHECK, metadata={"collapsed": True})),
    (rules.metadata_is_bare, put(CHECK, metadata={"jupyter": {"source_hidden": True}})),
    (rules.setup_cell_first, put(SETUP, source="import torch")),
    (rules.setup_cell_first, put(SETUP, metadata={})),
    (rules.setup_cell_first, put(SETUP, source=tool.setup_cell("someone/else"))),
    (rules.colab_link_first, put(0, source="# 01 · A")),
    (
        rules.colab_link_first,
        put(0, source=f"[x]({tool.colab_link(rules.address(), '02_b.ipynb')})"),
    ),
    (rules.one_address, put(TEXT, source=f"<{tool.colab_link('someone/else', '01_a.ipynb')}>")),
    (
        rules.one_address,
        put(TEXT, source=f"https://github.com/someone/{rules.address().split('/')[1]}"),
    ),
]


def test_good_notebook_follows_every_rule(path: Path) -> None:
    assert [problem for rule in RULES for problem in rule(good(), path)] == []


def test_words_and_cells_are_the_minutes_of_reading() -> None:
    text = "two words | and [three more](https://x.org) | |\n```\nnot these\n```\n" * 400  # 2000
    assert rules.reading_minutes(numbered([new_markdown_cell(text)])) == 20
    looks = [code("x") for _ in range(20)]
    assert rules.reading_minutes(numbered([new_markdown_cell(text), *looks])) == 35
    behind = [claims("# x\nassert x") for _ in range(99)]
    assert rules.reading_minutes(numbered([new_markdown_cell(text), *behind])) == 20


@pytest.mark.parametrize(("rule", "spoil"), BAD, ids=[rule.__name__ for rule, _ in BAD])
def test_rule_bites(path: Path, rule: Rule, spoil: Callable[[NotebookNode], object]) -> None:
    notebook = good()
    spoil(notebook)
    path.write_text(nbformat.v4.writes(notebook), "utf-8")
    problems = list(rule(notebook, path))
    assert problems


def test_a_chapter_to_come_is_announced_in_words_and_the_last_one_ends(path: Path) -> None:
    (path.parent / "02_b.ipynb").rename(path.parent / "04_d.ipynb")
    notebook = good()
    assert list(rules.leads_to_the_next(notebook, path))
    words = "02 will come. So:\n\nNext: [04 · Other](04_d.ipynb)."
    put(NEXT, source=words)(notebook)
    assert not list(rules.leads_to_the_next(notebook, path))
    (path.parent / "04_d.ipynb").unlink()
    assert list(rules.leads_to_the_next(notebook, path))
    drop(NEXT)(notebook)
    assert not list(rules.leads_to_the_next(notebook, path))


def test_every_rule_is_seen_to_bite() -> None:
    assert {rule for rule, _ in BAD} == set(RULES)


@pytest.mark.parametrize(
    "source",
    [
        "assert x < 1, 'no'",
        "%pip list\n!ls\nfor y in x:\n    assert y",
        "torch.testing.assert_close(a, b)",
        "assert_close(a, b)",
        "with pytest.raises(ValueError):\n    f()",
    ],
)
def test_assertion_counts(source: str) -> None:
    assert asserts_in(source)


@pytest.mark.parametrize("source", ["assert (x, 'yes')", "f = lambda: g.assert_close(1, 2)", "("])
def test_assertion_does_not_count(source: str) -> None:
    assert not asserts_in(source)


def asserts_in(source: str) -> bool:
    return rules.asserts(code(source))


@pytest.mark.parametrize(
    "harmless",
    ["https://x.org/home/a", "helpers/tmp/x", r'print("W:\n", w)', r'"W:\n\n"', "a /tmpfile"],
)
def test_harmless_paths_pass(path: Path, harmless: str) -> None:
    assert not list(rules.no_absolute_path(numbered([code(harmless)]), path))


# nbval, with this project's settings -------------------------------------------------------------

SHOWS = "from helpers.errors import shows\nwith shows(ZeroDivisionError):\n"
DIVISION = "ZeroDivisionError: division by zero\n"
SHARP = "\n".join(
    [*tool.SETUP_CELL.splitlines()[-2:], "import matplotlib.pyplot as plt", "_ = plt.plot()"]
)
DRAWN = new_output(
    "display_data",
    {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBORw0KGgo="},
    metadata={"image/png": {"width": 543, "height": 413}},
)

# Each row: what the cell is about, its source, its stored outputs, its tags, what nbval says.
NBVAL_CASES: list[tuple[str, str, list[NotebookNode], list[str], str]] = [
    ("the same", "print(0.905)", [printed("0.905\n")], [], "passed"),
    ("a changed digit", "print(0.905)", [printed("0.906\n")], [], "failed"),
    ("a changed count", "f'{61706:,} s'[:-2]", [shown(text_plain="'61,707'")], [], "failed"),
    ("an address", "object()", [shown(text_plain="<object at 0x7f00>")], [], "passed"),
    ("a computed hex", "hex(255)", [shown(text_plain="'0xfe'")], [], "failed"),
    ("a timing", "print('took 2.6 s')", [printed("took  12.81 ms\n")], [], "passed"),
    ("a version", "print('2.15.0+cu132')", [printed("2.10.0\n")], [], "passed"),
    ("a device", "print('on cuda:0')", [printed("on cpu\n")], [], "passed"),
    ("ignored", "print(1)", [printed("2\n")], IGNORED, "passed"),
    ("ignored, but raises", "1 / 0", [], IGNORED, "failed"),
    ("no stored output", "print(1)", [], [], "failed"),
    ("an output too many", "x = 1", [printed("1\n")], [], "failed"),
    ("an error as stored", SHOWS + "    1 / 0", [printed(DIVISION)], [], "passed"),
    ("an error otherwise", SHOWS + "    1 % 0", [printed(DIVISION)], [], "failed"),
    ("an error no longer", SHOWS + "    1 / 1", [printed(DIVISION)], [], "failed"),
    ("an error no longer, ignored", SHOWS + "    1 / 1", [printed(DIVISION)], IGNORED, "failed"),
    ("claims", "# x\nassert 1", [], CLAIMS, "passed"),
    ("a picture twice as sharp", SHARP, [DRAWN], [], "passed"),
    # A bar that clears itself leaves blanks in a fresh output: tag its cell, or turn it off.
    ("a bar on stderr", r"import sys; _ = sys.stderr.write('\r 9%\r   \r')", [], [], "failed"),
    # What nbval lets through, and a rule above has to catch:
    ("a picture that is gone", "x = 1", [shown(image_png="iVBORw0KGgo=")], [], "passed"),
]


@pytest.fixture(scope="module")
def nbval_says(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What nbval makes of each case: all are cells of one notebook, so that one kernel starts."""
    folder = tmp_path_factory.mktemp("nbval")
    cells = [code(source, *outputs, tags=tags) for _, source, outputs, tags, _ in NBVAL_CASES]
    notebook = numbered([*cells, code("print(1)")])
    notebook.cells[-1].execution_count = None
    nbformat.write(notebook, folder / "cases.ipynb")
    report = run_nbval(folder / "cases.ipynb", folder / "report.xml")
    names = [*(case[0] for case in NBVAL_CASES), "never run"]
    return {
        name: "failed" if test.find("failure") is not None else "passed"
        for name, test in zip(names, report.iter("testcase"), strict=True)
    }


def run_nbval(notebook: Path, report: Path) -> ElementTree.Element:
    """Run pytest on a notebook with this project's pyproject.toml and conftest.py."""
    options = [f"-c{ROOT / 'pyproject.toml'}", f"--rootdir={notebook.parent}", "-pconftest"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", str(notebook)]
    command.append("-pno:cacheprovider")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert report.exists(), run.stdout + run.stderr
    return ElementTree.parse(report).getroot()


@pytest.mark.parametrize(("name", "expected"), [(case[0], case[-1]) for case in NBVAL_CASES])
def test_nbval(nbval_says: dict[str, str], name: str, expected: str) -> None:
    assert nbval_says[name] == expected


def test_nbval_passes_over_a_cell_without_a_count(nbval_says: dict[str, str]) -> None:
    """Why a stripped notebook has to fail a rule: nbval compares nothing in it."""
    assert nbval_says["never run"] == "passed"


# What nbval blanks out ---------------------------------------------------------------------------

SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
SANITIZED = {
    "addresses": [("<f at 0x7f2c1a>", "<f at 0x10F3>")],
    "device reprs": [("device(type='cuda', index=0)", "device(type='cpu')")],
    "the device inside": [
        ("tensor([1.])", "tensor([1.], device='cuda:0')"),
        ("tensor([1.])", "tensor([1.],\n       device='mps:0')"),
    ],
    "what follows it": [
        (
            "tensor([1.], dtype=torch.float64, grad_fn=<AddBackward0>)",
            "tensor([1.], device='cuda:0', dtype=torch.float64,\n       grad_fn=<AddBackward0>)",
        )
    ],
    "tensor types": [("torch.FloatTensor", "torch.cuda.FloatTensor")],
    "device names": [
        ("trained on cpu.", "trained on cuda:0."),
        ("'mps'", "'cuda'"),
        ("devices, cuda:1 and cpu!", "devices, cuda:0 and cpu!"),
        ("UntypedStorage(device=cpu) of size 24", "UntypedStorage(device=cuda:0) of size 24"),
    ],
    "timings": [
        ("Run it: 2.6 s", "Run it:   12 s"),
        ("13 ms per step", "1,840.5 ns per step"),
        ("1.2 µs", "1.2 μs"),
        ("1.2 us (median)", "0.9 ms (median)"),
    ],
    "versions": [
        ("torch 2.15.0", "torch 2.10.1+cu128"),
        ("2.15.0a0+git1a2b3c.", "2.16.0.dev20261101+cpu."),
    ],
}
KEPT = """\
0.905 61,706 2.303 1e-06 0xff 0x3f800000 tensor([0.1250, 2.6000]) (64, 1000) loss 2.303, 3 steps
the 1980s, 28×28, 2 samples, 0.905 seconds, 1.5 shifts, epoch 12: 0.89 62.5% 3 msgs 10.2.3.4
torch.cuda.is_available() .cpu() cpus x.cuda() torch.device dtype=torch.float64
Linear(in_features=400, out_features=120, bias=True) size 5, padding 2. 1.2.3.4 -2.3 ±0.01"""


def sanitizer() -> list[tuple[str, str]]:
    """Return nbval's own reading of the file."""
    from nbval.plugin import get_sanitize_patterns

    return get_sanitize_patterns(SANITIZE.read_text("ascii"))


def sanitized(text: str, patterns: list[tuple[str, str]] | None = None) -> str:
    for regex, replace in patterns or sanitizer():
        text = re.sub(regex, replace, text)
    return text


def sections() -> list[str]:
    return re.findall(r"^\[(.+)\]$", SANITIZE.read_text("ascii"), re.MULTILINE)


def test_every_section_has_a_rule_that_nbval_reads() -> None:
    lines = SANITIZE.read_text("ascii").splitlines()
    regexes = [line for line in lines if line.startswith("regex:")]
    replaces = [line for line in lines if line.startswith("replace:")]
    assert len(sections()) == len(regexes) == len(replaces) == len(dict(sanitizer()))
    assert all(replace.strip() for _, replace in sanitizer())


def test_every_section_is_tried() -> None:
    assert len(sections()) == len(SANITIZED)
    assert all(map(str.startswith, sections(), SANITIZED))


@pytest.mark.parametrize("pair", [pair for pairs in SANITIZED.values() for pair in pairs])
def test_sanitizer_evens_out(pair: tuple[str, str]) -> None:
    assert pair[0] != pair[1]
    assert sanitized(pair[0]) == sanitized(pair[1])


@pytest.mark.parametrize("line", KEPT.splitlines())
def test_sanitizer_leaves_results_alone(line: str) -> None:
    assert sanitized(line) == line


@pytest.mark.parametrize("number", range(len(SANITIZED)))
def test_every_sanitizer_rule_is_needed(number: int) -> None:
    """Without its rule, at least one pair of a section differs."""
    patterns = sanitizer()
    del patterns[number]
    pairs = list(SANITIZED.values())[number]
    assert any(sanitized(one, patterns) != sanitized(other, patterns) for one, other in pairs)


def test_the_readme_shows_the_pictures_that_are_stored_in_the_notebooks() -> None:
    pictures = {}
    for path in NOTEBOOKS:
        pictures |= dict(rules.tool.pictures_for_readme(stored(path)))
    assert pictures.keys() == set(rules.tool.README_PICTURES.values())
    for name, png in pictures.items():
        assert (ROOT / name).read_bytes() == png, f"{name}: make render writes it anew"

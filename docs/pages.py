"""A notebook as a page of the website: what is folded, what is linked, what the exercises say.

Nothing is executed, and nothing here knows Sphinx: each function takes what a notebook holds and
returns what the page holds in its place.
"""

import contextlib
import copy
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from exercises import tutor

NAMES = "Names to take with you"
QUESTION = re.compile(r"\?(?=[*_)\"'”’]*(?:\s|\Z))|\b(?:guess|predict|decide|bet)\b", re.IGNORECASE)
FENCE = re.compile(r"(^ {0,3}(?:```+|~~~+).*?(?:^ {0,3}(?:```+|~~~+)\s*$|\Z))", re.M | re.S)
CHECK = re.compile(r"^check\(\"([\d.]+)\"", re.MULTILINE)
COLAB = re.compile(r"^\[Open in Colab\]\((\S+)\)$", re.MULTILINE)
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")
ITALICS = re.compile(r"(?<![*\w])\*(?![*\s])([^*]+?)(?<![\s*])\*(?![*\w])")

FOLDED_ANSWER = "Decide first, then look"
FOLDED_SETUP = "Setup (on Colab, it fetches the rest of the project)"
FOLDED_CLAIM = "Checked in every run: {claim}"

BUTTONS = """\
<p class="buttons">
<a class="button" href="{colab}">Open in Colab</a>
<a class="button" href="../downloads/{name}" download>Download the notebook</a>
</p>
"""
HINT = """\
<details class="fold help"><summary>Hint {number} of {count}</summary>
<p>{text}</p>
</details>"""
SOLUTION = """\
<details class="fold help"><summary>Solution</summary>

```python
{code}
```

</details>"""


@dataclass(frozen=True)
class Chapter:
    """A chapter, as the README's table and its own first lines present it.

    Attributes:
        path: its notebook.
        number: "02".
        title: without the number.
        idea: the one new idea, in markdown.
        minutes: how long it takes to read.
        promise: what the reader will be able to do; the idea where the chapter makes no promise.
    """

    path: Path
    number: str
    title: str
    idea: str
    minutes: int
    promise: str


def read(path: Path) -> NotebookNode:
    """Return the notebook in a file."""
    return nbformat.read(path, as_version=4)


ROW = re.compile(r"^\| (\d\d) \| \[.+\]\(notebooks/(\S+)\) \| (.+) \| (\d+) \| .+ \|$", re.M)


def chapters(root: Path) -> list[Chapter]:
    """Return the chapters that the README lists with a link, and that are there, in order."""
    rows = ROW.findall((root / "README.md").read_text("utf-8"))
    return [
        chapter(root / "notebooks" / name, idea, int(minutes))
        for _, name, idea, minutes in rows
        if (root / "notebooks" / name).is_file()
    ]


def chapter(path: Path, idea: str, minutes: int) -> Chapter:
    """Return the chapter in a notebook whose first lines are its title and its promise."""
    first = read(path).cells[0].source
    number, title = re.match(r"# (\d\d) · (.+)", first).groups()
    promise = re.search(r"^\*([^*]+)\*$", first, re.M)
    said = " ".join(promise[1].split()) if promise else f"{idea[0].upper()}{idea[1:]}."
    return Chapter(path, number, title, idea, minutes, said)


@dataclass(frozen=True)
class Part:
    """Some chapters in a row.

    Attributes:
        slug: its name in addresses.
        caption: its name on the page.
        last: the number of its last chapter.
        says: what happens in it.
        picture: the chapter and the title of the picture that stands for it.
        alt: the same picture in words.
        chapters: those that are there.
    """

    slug: str
    caption: str
    last: str
    says: str
    picture: tuple[str, str]
    alt: str
    chapters: tuple[Chapter, ...] = ()


HERO = "02", "On the way down, multiply by the number on the arrow"
PARTS = (
    Part(
        "by-hand",
        "I · By hand",
        "04",
        "Tensors, and a network's gradient with a pencil. Then autograd takes the pencil over.",
        ("01", "A photograph is 14,400 numbers"),
        "A photograph, and beside it a few of its dots, enlarged, with three numbers in each.",
    ),
    Part(
        "with-torch-nn",
        "II · With torch.nn",
        "08",
        "Layers, losses, optimizers, modules: each replaces lines that you wrote, and the losses "
        "stay the same to six digits.",
        ("06", "Two rates, 40 steps"),
        "Two ways through a narrow valley: one creeps along its floor, one zigzags across it.",
    ),
    Part(
        "pictures",
        "III · Pictures",
        "13",
        "One small window slides along a photograph. It becomes a network that tells clothes "
        "apart, that is brought up to date, and that survives a power cut.",
        ("11", "Some have a shape of their own, some differ by a button"),
        "A grid of small grey pictures of clothes, six of each of ten kinds.",
    ),
    Part(
        "beyond-one-cpu",
        "IV · Beyond one CPU",
        "17",
        "A GPU, fewer bits, a borrowed network, several processes: faster and larger, and still "
        "right.",
        ("15", "bfloat16 is float32 with its tail cut off"),
        "The bits of four number formats as bars, from float64 down to float16.",
    ),
)


def parts(book: list[Chapter]) -> list[Part]:
    """Return the parts with the chapters that are there."""
    firsts = ["00", *(part.last for part in PARTS)]
    return [
        replace(part, chapters=tuple(c for c in book if first < c.number <= part.last))
        for first, part in zip(firsts, PARTS, strict=False)
    ]


TOCTREE = """\
```{{toctree}}
:caption: {caption}
:hidden:
{pages}
```
"""


def contents(book: list[Chapter]) -> str:
    """Return the first page as Sphinx needs it, to know the order of all pages."""
    trees = [(p.caption, [f"notebooks/{c.path.stem}" for c in p.chapters]) for p in parts(book)]
    trees.append(("To look things up", ["glossary", "helpers", "run"]))
    text = [TOCTREE.format(caption=name, pages="\n".join(those)) for name, those in trees]
    return "\n".join(["# From Backprop to LeNet\n", *text])


# The page -----------------------------------------------------------------------------------------


def as_page(notebook: NotebookNode, name: str, repository: str) -> NotebookNode:
    """Return the notebook as the website shows it.

    Args:
        notebook: as it is stored, with outputs.
        name: its file name.
        repository: where links to other files of the project lead.
    """
    page = copy.deepcopy(notebook)
    page.cells = [shown for cell in page.cells for shown in (cell, *help_below(cell))]
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, name, repository)
        else:
            present(cell)
    for cell in answers(page.cells):
        whole = "answer" in cell.metadata.get("tags", [])  # the source would give it away
        fold(cell, "hide-cell" if whole else "hide-output", FOLDED_ANSWER)
    mark_names(page)
    return page


def linked(text: str, name: str, repository: str) -> str:
    """Return a text with links that work on the website, and with buttons for the one to Colab."""
    text = COLAB.sub(lambda found: BUTTONS.format(colab=found[1], name=name), text)
    return OUTSIDE.sub(rf"]({repository}/blob/main/\1", text)


def present(cell: NotebookNode) -> None:
    """Fold a code cell that stands behind the page; give its picture the size it was drawn for."""
    tags = cell.metadata.get("tags", [])
    if "setup" in tags:
        fold(cell, "hide-input", FOLDED_SETUP)
    elif "claims" in tags:
        claim = cell.source.partition("\n")[0].strip("# ")
        fold(cell, "hide-input", FOLDED_CLAIM.format(claim=claim))
    if CHECK.search(cell.source):
        cell.outputs = []  # it says that the exercise is not solved yet
    for output in cell.outputs:
        if width := output.get("metadata", {}).get("image/png", {}).get("width"):
            settings(cell).setdefault("image", {})["width"] = f"{width}px"


def fold(cell: NotebookNode, tag: str, text: str) -> None:
    """Put a part of a code cell into a box that opens when the reader asks for it."""
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), tag]
    settings(cell).update(code_prompt_show=text, code_prompt_hide=text)


def settings(cell: NotebookNode) -> dict:
    """Return what MyST-NB is told about a cell."""
    return cell.metadata.setdefault("mystnb", NotebookNode())


def answers(cells: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Yield the code cells that answer a question: all from its text to the next one.

    The last paragraph asks it, or tells the reader to guess; another sentence may follow. Of an
    exercise there is nothing to give away.
    """
    asked = False
    for cell in cells:
        if cell.cell_type == "markdown":
            asked = QUESTION.search(cell.source.rstrip().rpartition("\n\n")[2]) is not None
        elif asked and cell.outputs and not CHECK.search(cell.source):
            yield cell


# The exercises ------------------------------------------------------------------------------------


def help_below(cell: NotebookNode) -> list[NotebookNode]:
    """Return what stands below an exercise: its hints and its solution, each folded."""
    found = cell.cell_type == "code" and CHECK.search(cell.source)
    if not found:
        return []
    identity = f"help-{found[1].replace('.', '-')}"  # the same each time: see `write` of build.py
    return [new_markdown_cell(help_with(found[1]), id=identity)]


def help_with(number: str) -> str:
    """Return the hints and the solution of an exercise, as `hint` and `solution` print them."""
    hints = tutor.find(number).hints
    boxes = [
        HINT.format(number=k, count=len(hints), text=html.escape(hint))
        for k, hint in enumerate(hints, start=1)
    ]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        tutor.solution(number)
    return "\n".join([*boxes, SOLUTION.format(code=printed.getvalue().strip())])


# The names ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Name:
    """A name that a chapter explains.

    Attributes:
        name: as the reader will search for it.
        meaning: the chapter's words, in markdown.
    """

    name: str
    meaning: str

    @property
    def anchor(self) -> str:
        """Where the chapter explains it."""
        return "name-" + re.sub(r"\W+", "-", self.name.lower()).strip("-")


def names_of(notebook: NotebookNode) -> list[Name]:
    """Return the names in the table of a chapter's last section."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    below = next((text.partition(f"## {NAMES}")[2] for text in texts if f"## {NAMES}" in text), "")
    rows = re.findall(r"^\| *(.+?) *\| *(.+?) *\|$", below.partition("To read on")[0], re.M)
    return [Name(name, meaning) for said, meaning in rows for name in ITALICS.findall(said)]


def mark_names(page: NotebookNode) -> None:
    """Put an anchor where each name first stands in *italics*, so that the glossary can lead there.

    A name that stands only in the table has its anchor there.
    """
    texts = [cell for cell in page.cells if cell.cell_type == "markdown"]
    for name in names_of(page):
        next((cell for cell in texts if mark(cell, name)), None)


def mark(cell: NotebookNode, name: Name) -> bool:
    """Put an anchor before a name in a text cell, if it is there; tell whether it is."""
    words = r"\s+".join(map(re.escape, name.name.split()))
    pattern = re.compile(rf"(?<![*\w])\*{words}\*(?![*\w])", re.IGNORECASE)
    parts = FENCE.split(cell.source)
    for k in range(0, len(parts), 2):  # the others are fenced code
        parts[k], count = pattern.subn(
            lambda found: f'<span class="name" id="{name.anchor}"></span>{found[0]}',
            parts[k],
            count=1,
        )
        if count:
            cell.source = "".join(parts)
            return True
    return False


def anchor(heading: str) -> str:
    """Return Jupyter's anchor for a heading, which the chapters' links use."""
    return heading.replace(" ", "-")


# The glossary -------------------------------------------------------------------------------------

WHERE = '<a class="where" href="notebooks/{page}.html#{anchor}">{number} · {title}</a>'


def glossary(book: list[Chapter]) -> str:
    """Return the names of all chapters in alphabetical order, in markdown."""
    entries: dict[str, list[str]] = {}
    for each in book:
        for name in names_of(read(each.path)):
            where = WHERE.format(
                page=each.path.stem, anchor=name.anchor, number=each.number, title=each.title
            )
            meaning = re.sub(r"\]\((\d\d_\w+\.ipynb)", r"](notebooks/\1", name.meaning)
            entries.setdefault(name.name, []).append(f": {meaning} {where}\n")
    lines, letter = [], ""
    for name in sorted(entries, key=str.casefold):
        if name[0].upper() != letter:
            letter = name[0].upper()
            lines.append(f"## {letter}\n")
        lines.append("\n".join([name, *entries[name]]))
    return "\n".join(lines)

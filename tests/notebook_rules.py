"""What every stored notebook must be: one small function for each rule.

A rule takes the notebook and its path and yields the problems that it finds, as sentences that
name the cell. Cells are counted from 1, text cells and code cells together, as a reader sees them.
"""

import ast
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from helpers.sliders import SCRIPT

Rule = Callable[[NotebookNode, Path], Iterator[str]]

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 1_500_000


def load_tool() -> ModuleType:
    """Import .ci/notebooks.py, which lies outside every package."""
    spec = importlib.util.spec_from_file_location("ci_notebooks", ROOT / ".ci" / "notebooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@cache
def address() -> str:
    """Return the repository's ``OWNER/REPO``, as pyproject.toml has it."""
    return str(tool.repository_address(ROOT))


# Looking at cells --------------------------------------------------------------------------------


def cells_of(notebook: NotebookNode, kind: str) -> Iterator[tuple[int, NotebookNode]]:
    """Yield (number, cell) for the cells of one kind: "code" or "markdown"."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == kind:
            yield number, cell


def outputs_of(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode, NotebookNode]]:
    """Yield (number, cell, output) for every stored output."""
    for number, cell in cells_of(notebook, "code"):
        for output in cell.outputs:
            yield number, cell, output


def tags_of(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def output_texts(output: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield (where, text) for all that an output holds in words; pictures are left out."""
    if output.output_type == "stream":
        yield output.name, output.text
    elif output.output_type == "error":
        yield "error", f"{output.ename}: {output.evalue}"
        yield "traceback", "\n".join(output.traceback)
    else:
        for kind, data in output.data.items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield kind, data if isinstance(data, str) else str(data)


def all_texts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield (where, text) for every source and every output."""
    for number, cell in enumerate(notebook.cells, start=1):
        yield f"cell {number}, source", cell.source
    for number, _, output in outputs_of(notebook):
        for where, text in output_texts(output):
            yield f"cell {number}, {where}", text


def shows_an_error(cell: NotebookNode) -> bool:
    """Tell whether a cell catches an error that is meant to come, with ``shows`` of the helpers."""
    return cell.cell_type == "code" and re.search(r"^with shows\(", cell.source, re.M) is not None


def has_picture(cell: NotebookNode) -> bool:
    """Tell whether a code cell draws something."""
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def section_of(notebook: NotebookNode, number: int) -> list[NotebookNode]:
    """Return the cells below cell ``number`` up to the next heading of level 1 or 2."""
    return list(takewhile(_no_chapter_heading, notebook.cells[number:]))


def _no_chapter_heading(cell: NotebookNode) -> bool:
    levels = [level for level, _ in headings(cell.source)] if cell.cell_type == "markdown" else []
    return all(level > 2 for level in levels)


def next_cell(notebook: NotebookNode, number: int) -> NotebookNode | None:
    """Return the cell after cell ``number``."""
    return notebook.cells[number] if number < len(notebook.cells) else None


# Looking at markdown -----------------------------------------------------------------------------

FENCED_CODE = re.compile(
    r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1[`~]*[ ]*$|\Z)", re.MULTILINE | re.DOTALL
)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'(][^)]*)?\)")
LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
HTML_LINK = re.compile(r"<\w[^>]*?\s(?:href|src)\s*=\s*[\"']([^\"']+)", re.IGNORECASE)
INLINE_MARKS = re.compile(r"[*`]|!?\[([^\]]*)\]\([^)]*\)")


def without_fences(markdown: str) -> str:
    """Return the text without its fenced code blocks."""
    return FENCED_CODE.sub("", markdown)


def prose(markdown: str) -> str:
    """Return the text without any code, fenced or inline."""
    return CODE_SPAN.sub("", without_fences(markdown))


def headings(markdown: str) -> list[tuple[int, str]]:
    """Return (level, text) of every heading."""
    return [(len(hashes), text) for hashes, text in HEADING.findall(without_fences(markdown))]


def link_targets(markdown: str) -> list[str]:
    """Return where the links and the images of a text point to."""
    text = prose(markdown)
    return [target for form in (LINK, LINK_DEFINITION, HTML_LINK) for target in form.findall(text)]


def is_caption(paragraph: str) -> bool:
    """Tell whether a paragraph is a sentence in *italics*: not **bold**, not a list item."""
    return re.fullmatch(r"\*[^*\s].*[^*\s]\*", paragraph.strip(), re.DOTALL) is not None


def anchors_of(path: Path) -> set[str]:
    """Return the anchors that the headings of a notebook, or of a markdown file, offer."""
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        sources = [cell.source for _, cell in cells_of(notebook, "markdown")]
        return {jupyter_anchor(text) for source in sources for _, text in headings(source)}
    return {github_anchor(text) for _, text in headings(path.read_text("utf-8"))}


def jupyter_anchor(heading: str) -> str:
    """Return Jupyter's anchor for a heading: its text with dashes for spaces."""
    return INLINE_MARKS.sub(r"\1", heading).replace(" ", "-")


def github_anchor(heading: str) -> str:
    """Return GitHub's anchor for a heading: lower case, dashes for spaces, no punctuation."""
    text = INLINE_MARKS.sub(r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


# Rules: the cells ran, all of them, in order -----------------------------------------------------


def counts_run_in_order(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Every code cell was executed, in one run: the counts are 1, 2, 3, ..."""
    for expected, (number, cell) in enumerate(cells_of(notebook, "code"), start=1):
        if cell.execution_count != expected:
            yield f"cell {number}: expected execution count {expected}, got {cell.execution_count}"


def no_stderr(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No warnings, logs or progress bars are stored."""
    for number, _, output in outputs_of(notebook):
        if output.get("name") == "stderr":
            yield f"cell {number}: expected nothing on stderr, got {output.text[:80]!r}"


def errors_are_caught(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """An error on purpose is caught and printed by ``shows``: then Run All works everywhere."""
    for number, cell in cells_of(notebook, "code"):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {number}: expected `with shows({output.ename}):`, got the bare error"
        if found := re.search(r"\bsys\.last_\w+", cell.source):
            yield f"cell {number}: expected `with shows(...) as shown:`, got {found[0]}"


def errors_are_explained(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The cell after one that shows an error is text: it says what the error means."""
    for number, cell in cells_of(notebook, "code"):
        following = next_cell(notebook, number)
        explained = following is not None and following.cell_type == "markdown"
        if shows_an_error(cell) and not explained:
            yield f"cell {number}: an error, and no markdown cell follows to say what it means"


def no_empty_cell(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No cell is blank, the last one included."""
    for number, cell in enumerate(notebook.cells, start=1):
        if not cell.source.strip():
            yield f"cell {number}: expected text or code, got an empty cell"


# Rules: nothing of one machine, nothing active ---------------------------------------------------

ABSOLUTE_PATH = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|work|tmp|mnt|private|var/folders)/[^\s\"')]*"
    r"|\b[A-Z]:\\{1,2}(?:Users|Windows|Program Files|Temp|a\\{1,2}\w|[A-Z]\w*\\)[^\s\"')]*"
)
BASE64_DATA = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
ACTIVE_CONTENT = re.compile(r"<script|<iframe|javascript:", re.IGNORECASE)
OUR_SCRIPT = f"<script>{SCRIPT}</script>"  # of the sliders: known, offline, and tested
RICH_TEXT = ("text/html", "text/markdown", "image/svg+xml")


def no_absolute_path(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No folder of the machine that rendered the notebook shows."""
    for where, text in all_texts(notebook):
        for found in ABSOLUTE_PATH.findall(BASE64_DATA.sub("", text)):
            yield f"{where}: expected no absolute path, got {found}"


def no_widget(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No widgets: without a kernel they show nothing."""
    if "widgets" in notebook.metadata:
        yield "metadata: widget state is stored"
    for number, _, output in outputs_of(notebook):
        for kind in output.get("data", {}):
            if "widget" in kind:
                yield f"cell {number}: a widget is stored ({kind})"


def no_active_content(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No frames and no scripts but our own, neither in the text nor in the outputs."""
    for number, cell in cells_of(notebook, "markdown"):
        for found in ACTIVE_CONTENT.findall(cell.source):
            yield f"cell {number}: {found} in the text"
    for number, _, output in outputs_of(notebook):
        for kind, text in output_texts(output):
            if kind == "application/javascript":
                yield f"cell {number}: a script as output"
            elif kind in RICH_TEXT and (found := ACTIVE_CONTENT.search(without_ours(text))):
                yield f"cell {number}: {found[0]} in {kind}"


def without_ours(html: str) -> str:
    """Return an output without the one script that a page may hold."""
    return html.replace(OUR_SCRIPT, "")


# Rules: what is compared, what is asserted -------------------------------------------------------

KNOWN_TAGS = {*tool.FOLDED, "nbval-ignore-output"}
COMMENT_MARKER = re.compile(r"^\s*#.*(?:NBVAL|PYTEST_VALIDATE).*$", re.IGNORECASE | re.MULTILINE)


def only_known_tags(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Tags say what nbval and `make render` do; an unknown or misspelt one would do nothing."""
    for number, cell in enumerate(notebook.cells, start=1):
        tags = tags_of(cell)
        for tag in tags:
            if tag not in KNOWN_TAGS:
                yield f"cell {number}: expected one of {sorted(KNOWN_TAGS)}, got the tag {tag!r}"
        if tags and cell.cell_type != "code":
            yield f"cell {number}: tags belong to code cells, got {tags}"


def no_comment_marker(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What nbval shall do is said by tags, out of the reader's sight, not by comments."""
    for number, cell in cells_of(notebook, "code"):
        for comment in COMMENT_MARKER.findall(cell.source):
            yield f"cell {number}: expected a tag instead of the comment {comment.strip()!r}"


def no_trailing_semicolon(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A semicolon hides the last value in Jupyter, but not when nbval runs the cell."""
    for number, cell in cells_of(notebook, "code"):
        if cell.source.rstrip().endswith(";"):
            yield f"cell {number}: expected an assignment, got a closing semicolon"


def ignored_output_is_asserted(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What nbval does not compare is asserted, in the cell or before the next heading."""
    for number, cell in cells_of(notebook, "code"):
        if "nbval-ignore-output" not in tags_of(cell):
            continue
        section = takewhile(_no_heading, notebook.cells[number:])
        if not any(map(asserts, [cell, *section])):
            yield (
                f"cell {number}: its output is ignored, and no assertion follows in code cells"
                " before the next heading (assertions inside functions do not count)"
            )


def ignored_output_is_bounded(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What nbval does not compare is bounded by a claims cell before the next chapter heading."""
    for number, cell in cells_of(notebook, "code"):
        below = section_of(notebook, number)
        if "nbval-ignore-output" in tags_of(cell) and not any(map(is_claims, below)):
            yield f"cell {number}: its output is ignored, and no claims cell follows in its section"


def is_claims(cell: NotebookNode) -> bool:
    """Tell whether a cell holds the text to its word, behind the page."""
    return cell.cell_type == "code" and tool.CLAIMS in tags_of(cell)


def claims_stand_behind_the_page(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A claims cell follows the text, begins with a comment, asserts, prints nothing, is folded."""
    for number, cell in enumerate(notebook.cells, start=1):
        if is_claims(cell):
            for problem in claims_problems(cell, notebook.cells[: number - 1]):
                yield f"cell {number}: a claims cell, and {problem}"


def claims_problems(cell: NotebookNode, above: list[NotebookNode]) -> Iterator[str]:
    """Say what is wrong with one claims cell."""
    if not above or not (above[-1].cell_type == "markdown" or is_claims(above[-1])):
        yield "no text before it has explained what was seen"
    elif is_question(above[-1]):
        yield "the question before it is still open"
    if not cell.source.startswith("# "):
        yield f"its first line is no comment: {cell.source.partition(chr(10))[0]!r}"
    if not asserts(cell):
        yield "it asserts nothing"
    if cell.outputs:
        yield "it shows something"
    if not cell.metadata.get("jupyter", {}).get("source_hidden"):
        yield "its source is not folded: `make render` does that"


def questions_are_answered(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The cell under a question shows the answer, and asserts nothing that gives it away."""
    for number, cell in cells_of(notebook, "code"):
        if number > 1 and is_question(notebook.cells[number - 2]):
            if asserts(cell):
                yield f"cell {number}: it stands under a question and asserts"
            if not cell.outputs:
                yield f"cell {number}: it stands under a question and shows nothing"


def is_question(cell: NotebookNode) -> bool:
    """Tell whether a text ends in a question, which may stand in *italics* or in brackets."""
    return cell.cell_type == "markdown" and bool(re.search(r"\?[*_)\"'”’]*\s*\Z", cell.source))


def _no_heading(cell: NotebookNode) -> bool:
    return cell.cell_type != "markdown" or not headings(cell.source)


def asserts(cell: NotebookNode) -> bool:
    """Tell whether running a code cell checks something, and a failed check fails the cell."""
    if cell.cell_type != "code":
        return False
    try:
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError:
        return False
    return any(map(is_assertion, executed_nodes(tree)))


def executed_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below, but not the bodies of functions, which may never be called."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from executed_nodes(child)


def is_assertion(node: ast.AST) -> bool:
    """Tell whether a node is ``assert claim`` or a call of assert_close, assert_... or raises."""
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant | ast.Tuple)
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
    return name == "raises" or name.startswith("assert_")


# Rules: titles, links and pictures ---------------------------------------------------------------


def one_title(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """One H1, in the first cell: ``# NN · Title``, with the number of the file name."""
    titles = [
        (number, text)
        for number, cell in cells_of(notebook, "markdown")
        for level, text in headings(cell.source)
        if level == 1
    ]
    if [number for number, _ in titles] != [1]:
        yield f"expected one H1, in the first cell, got {titles}"
        return
    nr = path.name.partition("_")[0]
    if not re.fullmatch(rf"{re.escape(nr)} · \S.*", titles[0][1]) or not re.fullmatch(r"\d\d", nr):
        yield f"cell 1: expected the title '# {nr} · ...' in {path.name}, got {titles[0][1]!r}"


def links_resolve(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Relative links lead to files, and their anchors to headings."""
    own_anchors = {
        jupyter_anchor(text)
        for _, cell in cells_of(notebook, "markdown")
        for _, text in headings(cell.source)
    }
    for number, cell in cells_of(notebook, "markdown"):
        for target in link_targets(cell.source):
            if problem := link_problem(target, cell, path, own_anchors):
                yield f"cell {number}: {target}: {problem}"


NEXT = re.compile(r"^Next: \[(.*?)\]\((.*?)\)", re.MULTILINE)


def leads_to_the_next(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The last cell leads to the next notebook that exists, whichever number it has."""
    later = sorted(p.name for p in path.parent.glob("[0-9][0-9]_*.ipynb") if p.name > path.name)
    found = [
        (number, title.partition(" · ")[0], file)
        for number, cell in cells_of(notebook, "markdown")
        for title, file in NEXT.findall(cell.source)
    ]
    expected = [(len(notebook.cells), name[:2], name) for name in later[:1]]
    if found != expected:
        yield f"expected as 'Next: [NN · ...](file)' (cell, NN, file) {expected}, got {found}"


def link_problem(target: str, cell: NotebookNode, path: Path, own_anchors: set[str]) -> str | None:
    """Say what is wrong with one link of a notebook, if anything is."""
    if target.startswith("attachment:"):
        name = unquote(target.removeprefix("attachment:"))
        return None if name in cell.get("attachments", {}) else "no such attachment"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", target):
        return repository_link_problem(target, path)
    if target.startswith("/"):
        return "expected a link relative to the notebook"
    file, _, anchor = unquote(target).partition("#")
    if not file:
        return None if anchor in own_anchors else "no such heading in this notebook"
    aim = path.parent / file
    if not aim.exists():
        return "no such file"
    if anchor and aim.suffix in (".ipynb", ".md") and anchor not in anchors_of(aim):
        return "no such heading in that file"
    return None


def repository_link_problem(url: str, path: Path) -> str | None:
    """Say what is wrong with a link into the page's own repository; other links pass."""
    root = path.parent.parent if path.suffix == ".ipynb" else path.parent
    found = re.search(rf"/{re.escape(address())}/(?:blob|tree|raw)/main/([^?#]+)", url)
    return None if not found or (root / unquote(found[1])).exists() else "no such file in main"


def images_have_alt_text(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A picture in the text says in words what it shows."""
    for number, cell in cells_of(notebook, "markdown"):
        text = prose(cell.source)
        for target in re.findall(r"!\[\s*\][(\[]([^)\]]*)", text):
            yield f"cell {number}: the image {target} has no alt text"
        for element in re.findall(r"<img\b[^>]*>", text, re.IGNORECASE):
            if not re.search(r"\balt\s*=\s*[\"'][^\"']*[^\"'\s]", element, re.IGNORECASE):
                yield f"cell {number}: {element} has no alt text"


def plots_have_alt_text(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A plot says in words, in its cell's metadata, what a reader sees who cannot see it."""
    for number, cell in cells_of(notebook, "code"):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if has_picture(cell) and len(alt.split()) < 5:
            yield f"cell {number}: a plot, and no sentence in mystnb.image.alt, got {alt!r}"


def plots_have_captions(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first text after a plot has a paragraph in *italics* that says what to see."""
    for number, cell in cells_of(notebook, "code"):
        if not has_picture(cell):
            continue
        texts = [c.source for c in notebook.cells[number:] if c.cell_type == "markdown"]
        paragraphs = re.split(r"\n\s*\n", without_fences(texts[0])) if texts else []
        if not any(map(is_caption, paragraphs)):
            yield f"cell {number}: a plot, and the text after it has no paragraph in *italics*"


# Rules: the shape of a chapter --------------------------------------------------------------------

WHY, NAMES = "Why you want this", "Names to take with you"
MINUTES = re.compile(r"\bReading: (\d+) minutes\. Computing: ([^.|\n]+)\.")
NAMES_HEAD = re.compile(r"^\| *say *\| *mean *\|$\n^\|[-:| ]+\|$\n", re.MULTILINE)
# As slow as readers said they were who predict before they run a cell.
WORDS_A_MINUTE = 110
MINUTES_A_CELL = 0.75


def reading_minutes(notebook: NotebookNode) -> int:
    """Return how long a chapter takes to read, to five minutes: its words, and a look at each cell.

    What is folded or fenced is not counted, and of a link only its text.
    """
    texts = [without_fences(cell.source) for _, cell in cells_of(notebook, "markdown")]
    words = sum(len(re.findall(r"[^\s|]*\w[^\s|]*", re.sub(r"\]\([^)]*\)", "]", t))) for t in texts)
    cells = sum(not is_claims(cell) for _, cell in cells_of(notebook, "code"))
    return max(5, 5 * round((words / WORDS_A_MINUTE + MINUTES_A_CELL * cells) / 5))


def stated_minutes(notebook: NotebookNode) -> tuple[str, str] | None:
    """Return the minutes of reading and of computing that a chapter states, as it states them."""
    texts = [cell.source for _, cell in cells_of(notebook, "markdown")]
    return next((found.groups() for text in texts if (found := MINUTES.search(text))), None)  # type: ignore[return-value]


def minutes_are_true(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The chapter says how many minutes it takes to read, and to compute."""
    stated, minutes = stated_minutes(notebook), reading_minutes(notebook)
    if stated is None:
        yield f"expected 'Reading: {minutes} minutes. Computing: ... .' above, got none"
    elif stated[0] != str(minutes):
        yield f"expected 'Reading: {minutes} minutes.', got {stated[0]}"


LISTING = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def listings_can_be_parsed(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Python that a text shows, for the reader to copy, is Python; an ellipsis stands for more."""
    for number, cell in cells_of(notebook, "markdown"):
        for listing in LISTING.findall(cell.source):
            try:
                ast.parse(listing.replace("…", "..."))
            except SyntaxError as error:
                yield f"cell {number}: {error}"


def says_why(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A heading, or a paragraph in bold, says why the reader will want this chapter."""
    texts = [cell.source for _, cell in cells_of(notebook, "markdown")]
    if not any(re.search(rf"^(?:#+ |\*\*){WHY}", text, re.MULTILINE) for text in texts):
        yield f"expected a heading or a bold beginning '{WHY}', got none"


def names_to_take_along(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A last section has the public names, and three to five places to read on, each linked."""
    text = section_text(notebook, NAMES)
    rows = NAMES_HEAD.split(text)[1:]
    if not rows or len(re.findall(r"^\|.+\|.+\|$", rows[0], re.MULTILINE)) < 3:
        yield f"expected '## {NAMES}' with a table | say | mean | of three names or more"
    _, _, places = text.partition("To read on")
    links = [target for target in link_targets(places) if target.startswith("https://")]
    if not 3 <= len(links) <= 5:
        yield f"expected 'To read on:' with three to five links in '{NAMES}', got {links}"


def section_text(notebook: NotebookNode, heading: str) -> str:
    """Return the texts from the heading of level 2 called ``heading`` to the next one, or ''."""
    for number, cell in cells_of(notebook, "markdown"):
        if (2, heading) in headings(cell.source):
            below = [c.source for c in section_of(notebook, number) if c.cell_type == "markdown"]
            start = cell.source.index(f"## {heading}")
            return "\n\n".join([cell.source[start:], *below])
    return ""


OPPONENT = re.compile(
    r"\b(?:some|many|old|older|study|lecture|the same) notes\b|\bsets? of notes\b"
    r"|\bnotes (?:say|write|claim|go on|ran|give|written|that (?:say|write|this|ran))\b"
    r"|\bour source\b|\bit is said\b|\bis said to\b"
    r"|\b(?:some|many|old|older) (?:study |text)?(?:books|authors|people|tutorials|texts)\b",
    re.IGNORECASE,
)


def no_anonymous_opponent(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A mistake is a common mistake, not one of notes that the reader has never seen."""
    for number, cell in enumerate(notebook.cells, start=1):
        for found in OPPONENT.findall(re.sub(r"[\s#>]+", " ", cell.source)):
            yield f"cell {number}: expected no anonymous opponent, got {found!r}"


# Rules: the file ---------------------------------------------------------------------------------

KERNEL_FIELDS = {"name", "display_name", "language"}
LANGUAGE_FIELDS = {
    "name",
    "file_extension",
    "mimetype",
    "pygments_lexer",
    "nbconvert_exporter",
    "codemirror_mode",
}


def file_is_small(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A notebook stays small enough for GitHub to show it."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        yield f"expected at most {MAX_BYTES:,} bytes, got {size:,}"


def format_is_valid(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The file follows the notebook format, version 4.5 or later, with its cell ids."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {str(error).splitlines()[0]}"
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        yield f"expected format 4.5 or later, got {notebook.nbformat}.{notebook.nbformat_minor}"


def metadata_is_bare(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The metadata name the kernel, and hold nothing of an editor or of one machine."""
    kernel = notebook.metadata.get("kernelspec", {})
    if kernel.get("name") != "python3":
        yield f"metadata: expected the kernel python3, got {kernel.get('name')}"
    language = notebook.metadata.get("language_info", {})
    extra = set(notebook.metadata) - {"kernelspec", "language_info"}
    extra |= (set(kernel) - KERNEL_FIELDS) | (set(language) - LANGUAGE_FIELDS)
    if extra:
        yield f"metadata: expected kernel and language name alone, got also {sorted(extra)}"
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.metadata != (own := tool.own_metadata(cell.metadata)):
            yield f"cell {number}: expected the metadata {own}, got {dict(cell.metadata)}"


# Rules: the way in from Colab --------------------------------------------------------------------


def setup_cell_first(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first code cell is the guard that fetches the helpers where they are missing, folded."""
    first = next(cells_of(notebook, "code"), None)
    expected = tool.setup_cell(address())
    if first is None:
        yield "expected a setup cell, got no code cell"
    elif expected not in first[1].source:
        yield f"cell {first[0]}: expected the setup cell\n{expected}\ngot\n{first[1].source}"
    elif tool.SETUP not in tags_of(first[1]):
        yield f"cell {first[0]}: expected the tag {tool.SETUP}, which folds it"


def colab_link_first(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first text cell links to this very notebook in Colab."""
    first = next(cells_of(notebook, "markdown"), None)
    expected = tool.colab_link(address(), path.name)
    if first is None:
        yield f"expected a text cell with the link {expected}, got no text cell"
    elif expected not in link_targets(first[1].source):
        yield f"cell {first[0]}: expected the link {expected}"


def one_address(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The repository goes by one address, that of pyproject.toml."""
    for where, text in all_texts(notebook):
        for problem in address_problems(text):
            yield f"{where}: {problem}"


def address_problems(text: str) -> Iterator[str]:
    """Yield the addresses that look like this repository's but are not.

    That is: the same name under another owner, and any other one behind Colab or pip.
    """
    name = re.escape(address().partition("/")[2])
    ours = rf"(?:github\.com|/github)/([\w.-]+/{name})(?![\w-]|\.(?!git\b)\w)"
    colab_or_pip = (
        r"(?:colab\.research\.google\.com/github|git\+https://github\.com)/([\w-]+/[\w.-]+)"
    )
    found = {*re.findall(ours, text), *re.findall(colab_or_pip, text)}
    for other in sorted(each.removesuffix(".git").rstrip(".") for each in found):
        if other != address():
            yield f"expected the repository {address()}, got {other}"


RULES: tuple[Rule, ...] = (
    counts_run_in_order,
    no_stderr,
    errors_are_caught,
    errors_are_explained,
    no_empty_cell,
    no_absolute_path,
    no_widget,
    no_active_content,
    only_known_tags,
    no_comment_marker,
    no_trailing_semicolon,
    ignored_output_is_asserted,
    ignored_output_is_bounded,
    claims_stand_behind_the_page,
    questions_are_answered,
    one_title,
    links_resolve,
    leads_to_the_next,
    images_have_alt_text,
    plots_have_alt_text,
    plots_have_captions,
    minutes_are_true,
    listings_can_be_parsed,
    says_why,
    names_to_take_along,
    no_anonymous_opponent,
    file_is_small,
    format_is_valid,
    metadata_is_bare,
    setup_cell_first,
    colab_link_first,
    one_address,
)

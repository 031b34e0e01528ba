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


def errors_are_meant(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Errors stand in cells tagged raises-exception, and nowhere else."""
    for number, cell in cells_of(notebook, "code"):
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        tagged = "raises-exception" in tags_of(cell)
        if errors and not tagged:
            yield f"cell {number}: {errors[0]} without the tag raises-exception"
        if tagged and not errors:
            yield f"cell {number}: tagged raises-exception, but no error is stored"


def errors_are_explained(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The cell after one that raises is text: it says what the error means."""
    for number, cell in cells_of(notebook, "code"):
        following = next_cell(notebook, number)
        explained = following is not None and following.cell_type == "markdown"
        if "raises-exception" in tags_of(cell) and not explained:
            yield f"cell {number}: raises, and no markdown cell follows to say what that means"


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
    """No scripts and no frames, neither in the text nor in the outputs."""
    for number, cell in cells_of(notebook, "markdown"):
        for found in ACTIVE_CONTENT.findall(cell.source):
            yield f"cell {number}: {found} in the text"
    for number, _, output in outputs_of(notebook):
        for kind, text in output_texts(output):
            if kind == "application/javascript":
                yield f"cell {number}: a script as output"
            elif kind in RICH_TEXT and (found := ACTIVE_CONTENT.search(text)):
                yield f"cell {number}: {found[0]} in {kind}"


# Rules: what is compared, what is asserted -------------------------------------------------------

KNOWN_TAGS = {"raises-exception", "nbval-ignore-output"}
COMMENT_MARKER = re.compile(r"^\s*#.*(?:NBVAL|PYTEST_VALIDATE).*$", re.IGNORECASE | re.MULTILINE)


def only_known_tags(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Tags say what nbval does; an unknown one, or one misspelt, would do nothing."""
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
    """What nbval does not compare is asserted, in the cell or before the next heading.

    A cell that raises cannot hold its own assertion: the error may have come first.
    """
    for number, cell in cells_of(notebook, "code"):
        if "nbval-ignore-output" not in tags_of(cell):
            continue
        section = takewhile(_no_heading, notebook.cells[number:])
        if not any(map(asserts, [cell, *section])):
            yield (
                f"cell {number}: its output is ignored, and no assertion follows in code cells"
                " before the next heading (assertions inside functions do not count)"
            )


def _no_heading(cell: NotebookNode) -> bool:
    return cell.cell_type != "markdown" or not headings(cell.source)


def asserts(cell: NotebookNode) -> bool:
    """Tell whether running a code cell checks something, and a failed check fails the cell."""
    if cell.cell_type != "code" or "raises-exception" in tags_of(cell):
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


def plots_have_captions(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first text after a plot has a paragraph in *italics* that says what to see."""
    for number, cell in cells_of(notebook, "code"):
        if not any("image/png" in output.get("data", {}) for output in cell.outputs):
            continue
        texts = [c.source for c in notebook.cells[number:] if c.cell_type == "markdown"]
        paragraphs = re.split(r"\n\s*\n", without_fences(texts[0])) if texts else []
        if not any(map(is_caption, paragraphs)):
            yield f"cell {number}: a plot, and the text after it has no paragraph in *italics*"


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
        if others := sorted(set(cell.metadata) - {"tags"}):
            yield f"cell {number}: expected tags as the only metadata, got also {others}"


# Rules: the way in from Colab --------------------------------------------------------------------


def setup_cell_first(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first code cell holds the guard that fetches the helpers where they are missing."""
    first = next(cells_of(notebook, "code"), None)
    expected = tool.setup_cell(address())
    if first is None:
        yield "expected a setup cell, got no code cell"
    elif expected not in first[1].source:
        yield f"cell {first[0]}: expected the setup cell\n{expected}\ngot\n{first[1].source}"


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
    errors_are_meant,
    errors_are_explained,
    no_empty_cell,
    no_absolute_path,
    no_widget,
    no_active_content,
    only_known_tags,
    no_comment_marker,
    no_trailing_semicolon,
    ignored_output_is_asserted,
    one_title,
    links_resolve,
    leads_to_the_next,
    images_have_alt_text,
    plots_have_captions,
    file_is_small,
    format_is_valid,
    metadata_is_bare,
    setup_cell_first,
    colab_link_first,
    one_address,
)

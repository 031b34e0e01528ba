"""docs/: what the website makes of the notebooks. `make browse` looks at the pages themselves."""

import sys
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from exercises import tutor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import cards  # noqa: E402
import pages  # noqa: E402

BOOK = pages.chapters(ROOT)
REPOSITORY = "https://github.com/octocat/course"


def code(source: str, *tags: str, shows: str = "") -> NotebookNode:
    outputs = [new_output("stream", text=shows)] if shows else []
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {}, outputs=outputs)


def page_of(*cells: NotebookNode) -> NotebookNode:
    return pages.as_page(new_notebook(cells=list(cells)), "02_two.ipynb", REPOSITORY)


def folds(page: NotebookNode) -> list[tuple[str, str] | None]:
    """What is folded in each code cell, and under which words."""
    return [
        next(
            ((tag, cell.metadata.mystnb.code_prompt_show) for tag in tags if tag[:5] == "hide-"),
            None,
        )
        for cell in page.cells
        if cell.cell_type == "code"
        for tags in [cell.metadata.get("tags", [])]
    ]


# What is folded -----------------------------------------------------------------------------------


def test_all_that_answers_a_question_is_folded() -> None:
    """Up to the next text, for the picture under the numbers would give them away."""
    page = page_of(
        new_markdown_cell("No question."),
        code("a", shows="1"),
        new_markdown_cell("How many? *(Guess: more than two?)*"),
        code("b"),
        code("c", shows="2"),
        code("d", shows="3"),
        code("e = 3", "answer", shows="3"),
        new_markdown_cell("Why three?\n\nBecause."),
        code("f", shows="4"),
        new_markdown_cell("Which? Decide, then look."),
        code("g", shows="5"),
        new_markdown_cell("And what will this give?"),
        code('check("1.1", ...)', shows="6"),
    )
    answer = ("hide-output", pages.FOLDED_ANSWER)
    whole = ("hide-cell", pages.FOLDED_ANSWER)
    assert folds(page) == [None, None, answer, answer, whole, None, answer, None]


def test_what_stands_behind_the_page_is_folded() -> None:
    page = page_of(code("import x", "setup"), code("# the table holds\nassert True", "claims"))
    assert folds(page) == [
        ("hide-input", pages.FOLDED_SETUP),
        ("hide-input", "Checked in every run: the table holds"),
    ]


def test_a_picture_is_shown_in_the_size_it_was_drawn_for() -> None:
    """It is stored with twice as many dots, for sharp screens."""
    picture = new_output("display_data", {"image/png": "x"}, metadata={"image/png": {"width": 471}})
    cell = new_code_cell("draw()", metadata={"mystnb": {"image": {"alt": "A curve."}}})
    cell.outputs = [picture]
    (shown,) = page_of(cell).cells
    assert shown.metadata.mystnb.image == {"alt": "A curve.", "width": "471px"}


def test_the_notebook_itself_is_not_changed() -> None:
    notebook = pages.read(BOOK[0].path)
    before = str(notebook)
    pages.as_page(notebook, BOOK[0].path.name, REPOSITORY)
    assert str(notebook) == before


# Exercises ----------------------------------------------------------------------------------------


def test_an_exercise_brings_its_hints_and_its_solution() -> None:
    """From the package, so that they cannot differ from what `hint` and `solution` print."""
    page = page_of(code('check("2.2", leaky_relu_backward)', shows="2.2 is not solved yet"))
    exercise, help_below = page.cells
    assert exercise.outputs == []
    exercise = tutor.find("2.2")
    for number, hint in enumerate(exercise.hints, start=1):
        assert f"Hint {number} of {len(exercise.hints)}" in help_below.source
        assert pages.html.escape(hint) in help_below.source
    assert "```python\ndef leaky_relu_backward(grad, h, slope):" in help_below.source
    assert "# Why: every backward is" in help_below.source


# Links and names ----------------------------------------------------------------------------------


def test_links_lead_to_where_things_are_on_the_website() -> None:
    text = "[Open in Colab](https://colab.example/x)\n\n[A](../README.md#how), [03](03_a.ipynb)"
    shown = pages.linked(text, "02_two.ipynb", REPOSITORY)
    assert '<a class="button" href="https://colab.example/x">Open in Colab</a>' in shown
    assert 'href="../downloads/02_two.ipynb" download' in shown
    assert f"[A]({REPOSITORY}/blob/main/README.md#how), [03](03_a.ipynb)" in shown


NAMES = "## Names to take with you\n\n| say | mean |\n|---|---|\n"
TABLE = (
    f"{NAMES}| *chain rule*, a *dead unit* | slopes `*a*` multiply |\n\nTo read on:\n\n| *x* | y |"
)


def test_names_come_from_the_table() -> None:
    notebook = new_notebook(cells=[new_markdown_cell(TABLE)])
    meaning = "slopes `*a*` multiply"
    assert pages.names_of(notebook) == [
        pages.Name("chain rule", meaning),
        pages.Name("dead unit", meaning),
    ]


def test_a_name_has_its_anchor_where_it_first_stands_in_italics() -> None:
    """At the beginning of a sentence, over the end of a line; not in code, not as **bold**."""
    page = page_of(
        new_markdown_cell("```\n*chain rule*\n```\nThe **chain rule**, or\n*Chain\nrule*, says"),
        new_markdown_cell("The *chain rule* again."),
        new_markdown_cell(TABLE),
    )
    first, second, table = (cell.source for cell in page.cells)
    assert 'or\n<span class="name" id="name-chain-rule"></span>*Chain\nrule*, says' in first
    assert "span" not in second
    assert table.count("<span") == 1 and 'id="name-dead-unit"></span>*dead unit*' in table


def test_every_name_of_the_course_has_an_anchor() -> None:
    for chapter in BOOK:
        notebook = pages.read(chapter.path)
        names = pages.names_of(notebook)
        pages.mark_names(notebook)
        text = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert [name for name in names if f'id="{name.anchor}"' not in text] == []


def test_the_glossary_has_each_name_once_and_all_its_meanings() -> None:
    text = pages.glossary(BOOK)
    entries = [block.split("\n") for block in text.split("\n\n")]
    terms = [lines[0] for lines in entries if lines[1:] and lines[1].startswith(": ")]
    assert len(terms) == len(set(terms)) > 50
    assert terms == sorted(terms, key=str.casefold)
    assert "\nchain rule\n: " in text and "#name-chain-rule" in text


# The course ---------------------------------------------------------------------------------------


def test_the_chapters_are_those_of_the_readme() -> None:
    stored = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert [chapter.path for chapter in BOOK] == stored
    assert all(chapter.title and chapter.promise and chapter.minutes for chapter in BOOK)


def test_the_parts_hold_all_chapters_in_order() -> None:
    in_parts = [chapter for part in pages.parts(BOOK) for chapter in part.chapters]
    assert in_parts == BOOK


@pytest.mark.parametrize("where", [pages.HERO, *(part.picture for part in pages.PARTS)])
def test_the_pictures_of_the_first_page_are_there(where: tuple[str, str]) -> None:
    number, title = where
    (chapter,) = (chapter for chapter in BOOK if chapter.number == number)
    assert any(title in source for source, _ in cards.pictures(chapter))


def test_a_card_has_the_size_that_networks_ask_for() -> None:
    card = cards.card("02 · A title that needs more than one line", "And a text. " * 20, None)
    assert card.size == (1200, 630)


def test_lines_are_broken_between_words_where_they_grow_too_long() -> None:
    lines = cards.wrapped("one two three four", cards.font(20), 100).split("\n")
    assert " ".join(lines) == "one two three four" and len(lines) > 1
    assert all(cards.font(20).getlength(line) <= 100 for line in lines)

"""Every exercise there is: stub, solution, wrong answers, and its place in its notebook."""

import json
import re
import sys
from pathlib import Path

import pytest
from chapter_answers import notebook_space, pasted, reply
from small_exercises import cell

from exercises import tutor
from exercises.answers import is_unsolved
from exercises.differences import difference
from exercises.examples import written

ROOT = Path(__file__).resolve().parent.parent


EXERCISES = [e for name in tutor.chapters() for e in tutor.exercises(name).values()]


WRONGS = [
    pytest.param(exercise, wrong, id=f"{exercise.number}-{n}")
    for exercise in EXERCISES
    for n, wrong in enumerate(exercise.wrong)
]


each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.number)


@each_exercise
def test_exercise_is_complete(exercise):
    module = next(name for name in tutor.chapters() if exercise.number in tutor.exercises(name))
    assert int(module.removeprefix("chapter_")) == int(exercise.number.partition(".")[0])
    assert re.match(
        rf"\*\*{re.escape(exercise.number)} (Predict|Modify|Build)\.\*\* ", exercise.prompt
    )
    assert 2 <= len(exercise.hints) <= 3
    assert len(exercise.wrong) >= 2
    assert len({wrong.says for wrong in exercise.wrong}) >= 2
    assert (exercise.inputs is None) == ("Predict." in exercise.prompt)


@pytest.mark.parametrize("name", tutor.chapters())
def test_numbers_of_a_chapter_are_consecutive(name):
    numbers = list(tutor.exercises(name))
    chapter = int(name.removeprefix("chapter_"))
    assert numbers == [f"{chapter}.{n}" for n in range(1, len(numbers) + 1)]


@each_exercise
def test_stub_is_unsolved(said, exercise):
    module = sys.modules[exercise.solution.__module__]
    space = cell(exercise.stub, **vars(module))
    assert is_unsolved(exercise, space[exercise.name])
    line = f'{exercise.number} is not solved yet; hint("{exercise.number}") gives a nudge.\n'
    assert said(exercise.number, space[exercise.name]) == line


@each_exercise
def test_what_solution_prints_is_right_in_its_notebook(exercise):
    """A reader who gives up pastes it; an annotation that he does not import would be an error."""
    said = reply(exercise.number, pasted(exercise.number))
    assert said.startswith(f"{exercise.number} is right: {exercise.because}")
    if exercise.inputs is not None:
        assert exercise.solution.__name__ == exercise.name


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e.examples], ids=lambda e: e.number)
def test_examples_run_in_the_notebook_as_they_are_shown(exercise):
    """They are shown to be pasted; and none of them says anything about a right answer."""
    for code in exercise.examples:
        space = notebook_space(exercise.number)
        space[exercise.name] = exercise.solution
        exec(code, space)
    assert (
        written(exercise, exercise.solution, lambda came, right: bool(difference(came, right)))
        == ""
    )


@pytest.mark.parametrize(("exercise", "wrong"), WRONGS)
def test_wrong_answer_gets_its_sentence(said, exercise, wrong):
    assert (
        said(exercise.number, wrong.answer) == f"{exercise.number} is not right yet: {wrong.says}\n"
    )


def notebook_of(exercise):
    number = int(exercise.number.partition(".")[0])
    (path,) = (ROOT / "notebooks").glob(f"{number:02}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


@each_exercise
def test_notebook_holds_the_exercise(exercise):
    cells = notebook_of(exercise)
    (place,) = (n for n, c in enumerate(cells) if c[0] == "markdown" and exercise.prompt in c[1])
    call = f'check("{exercise.number}", {exercise.name})'
    kind, code = cells[place + 1]
    assert kind == "code"
    assert "".join(code.split()) == "".join(f"{exercise.stub}{call}".split())


def test_notebooks_check_only_exercises_that_exist():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        asked = re.findall(r'^(?:check|hint|solution)\("([^"]*)"', code, re.MULTILINE)
        assert set(asked) <= {e.number for e in EXERCISES}, path.name

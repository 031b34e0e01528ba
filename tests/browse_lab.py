"""JupyterLab as `make lab` opens it, driven as a reader would, with mouse and keys."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import ROOT, Watch, browser, needs_browser
from playwright.sync_api import Browser, Page, expect
from test_workbook import jupyterlab

pytestmark = needs_browser

CHAPTERS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
SHORT = [name for name in CHAPTERS if name[:2] in ("03", "04")]
RUN = CHAPTERS if os.environ.get("WEEKLY") else SHORT
PATIENCE = 120_000  # milliseconds: the machine may be busy
MINUTES = 10  # for a chapter
expect.set_options(timeout=PATIENCE)

# What a front end knows of the notebook on screen, cell by cell.
CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => ({
    kind: model.type,
    source: model.sharedModel.getSource(),
    count: model.executionCount ?? null,
    state: model.executionState ?? null,
    outputs: model.type === 'code' ? model.outputs.toJSON() : [],
}))"""
# Asked every second, so without what the outputs hold.
DONE = """() => {
    const models = window.jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => model);
    const code = models.filter((one) => one.type === 'code' && one.sharedModel.getSource().trim());
    const failed = code.some(({ outputs }) =>
        [...Array(outputs.length).keys()].some((k) => outputs.get(k).type === 'error'));
    return failed || (code.at(-1).executionCount !== null && code.at(-1).executionState === 'idle');
}"""
ACTIVATE = "k => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = k }"
# A kernel can be idle before its notebook has come from the server, and another widget, or none,
# may be in front until then.
LOADED = """name => {
    const { context, content } = window.jupyterapp?.shell?.currentWidget ?? {};
    const count = content?.model?.cells?.length;
    return !!context?.path?.endsWith(name) && context.isReady
        && count > 1 && content.widgets.length === count;
}"""
STATUS = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the project, so that nobody's workbook/ is touched."""
    root = tmp_path_factory.mktemp("project")
    for name in (".ci", "notebooks"):
        shutil.copytree(ROOT / name, root / name)
    home = tmp_path_factory.mktemp("home")
    with jupyterlab(root, home, "--LabApp.expose_app_in_browser=True") as (address, _):
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1300, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    watch = Watch(page, address)
    yield page
    context.close()
    assert [each for each in watch.problems if each.startswith("another host")] == []


def cells(page: Page) -> list[dict[str, Any]]:
    return page.evaluate(CELLS)


def opened(page: Page, where: str, name: str) -> None:
    """Go to a page and wait until that notebook is on screen and its kernel is idle."""
    page.goto(f"{where}?token=secret")
    page.wait_for_selector(".jp-Notebook", state="attached")
    page.wait_for_function(LOADED, arg=name)
    page.wait_for_function(f"({STATUS})() === 'idle'")


def chapter(name: str) -> str:
    """Return where a chapter opens alone, in a workspace that no other test has left tabs in."""
    return f"lab/workspaces/{uuid.uuid4().hex}/tree/workbook/{name}"


def shut_down(page: Page) -> None:
    """End all kernels: each takes memory."""
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")


def test_lab_opens_the_first_chapter_without_outputs_and_without_a_question(page: Page) -> None:
    opened(page, "", CHAPTERS[0])
    assert f"/workbook/{CHAPTERS[0]}" in page.url
    expect(page.get_by_role("heading", level=1).first).to_contain_text("01 · ")
    code = [cell for cell in cells(page) if cell["kind"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["count"] is None for cell in code)
    page.wait_for_timeout(2000)  # for what comes up late
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".Toastify__toast").count() == 0


@pytest.mark.parametrize("name", RUN)
def test_restart_and_run_all(page: Page, name: str, say: Any) -> None:
    opened(page, chapter(name), name)
    begun = time.monotonic()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Restart Kernel and Run All Cells…").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    code = wait_until_run(page)
    say(f"{name}: {len(code)} cells in {time.monotonic() - begun:.0f} s")
    assert [cell["count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert [one for one in outputs if one["output_type"] == "error"] == []
    assert [one["text"] for one in outputs if one.get("name") == "stderr"] == []
    shut_down(page)


def wait_until_run(page: Page) -> list[dict[str, Any]]:
    """Return the code cells once the last has run, or one has failed."""
    for _ in range(MINUTES * 60):
        if page.evaluate(DONE) and page.evaluate(STATUS) == "idle":
            break
        page.wait_for_timeout(1000)
    return [cell for cell in cells(page) if cell["kind"] == "code" and cell["source"].strip()]


# An exercise, as a reader meets it ----------------------------------------------------------------

EXERCISE = "1.3"
STANDARDISED = """\
def standardise_rows(x):
    return (x - x.mean({how})) / x.std({how})


check("1.3", standardise_rows)"""


def test_an_exercise_is_answered_wrong_then_hinted_then_right(page: Page) -> None:
    opened(page, chapter(CHAPTERS[0]), CHAPTERS[0])
    found = cells(page)
    code = [number for number, cell in enumerate(found) if cell["kind"] == "code"]
    place = next(n for n in code if f'check("{EXERCISE}"' in found[n]["source"])
    for number in code[:2]:
        run_cell(page, number)
    said = run_cell(page, place)
    assert said == f'{EXERCISE} is not solved yet; hint("{EXERCISE}") gives a nudge.\n'
    wrong = run_cell(page, place, STANDARDISED.format(how="dim=1"))
    assert f"{EXERCISE} is not right yet: `keepdim=True` is missing" in wrong
    hint = run_cell(page, place, f'hint("{EXERCISE}")')
    assert hint.startswith(f"{EXERCISE}, hint 1 of ")
    right = run_cell(page, place, STANDARDISED.format(how="dim=1, keepdim=True"))
    assert right.startswith(f"{EXERCISE} is right: ")
    shut_down(page)


def run_cell(page: Page, number: int, text: str | None = None) -> str:
    """Type into a cell, run it with Shift+Enter, and return what it prints."""
    page.evaluate(ACTIVATE, number)
    page.locator(".jp-Notebook").first.focus()
    if text is not None:
        page.keyboard.press("Enter")
        page.wait_for_function("!!document.activeElement?.closest('.cm-editor')")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        assert cells(page)[number]["source"] == text
    before = cells(page)[number]["count"]
    page.keyboard.press("Shift+Enter")
    for _ in range(240):
        cell = cells(page)[number]
        if cell["count"] not in (None, before) and cell["state"] == "idle":
            return "".join(output.get("text", "") for output in cell["outputs"])
        page.wait_for_timeout(500)
    raise TimeoutError(f"cell {number} did not run: {cell}")

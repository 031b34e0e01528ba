"""The website in build/site, as a reader meets it: `make browse` builds it and runs this."""

import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import ROOT, SITE, Watch, browser, needs_browser, served
from PIL import Image
from playwright.sync_api import Browser, Page, expect

CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
FILES = sorted(path.relative_to(SITE).as_posix() for path in SITE.glob("**/*.html"))
PAGES = [name for name in FILES if not name.startswith("_")]  # the others are the theme's own
FIRST, SECOND = f"notebooks/{CHAPTERS[0]}.html", "notebooks/02_manual_backprop.html"
PATIENCE = 120_000  # milliseconds: the machine may be busy
expect.set_options(timeout=PATIENCE)
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def test_every_chapter_has_its_page() -> None:
    pages = {f"notebooks/{name}.html" for name in CHAPTERS}
    assert pages | {"index.html", "glossary.html", "helpers.html", "run.html"} <= {*PAGES}


# The files, without a browser ---------------------------------------------------------------------


class Links(HTMLParser):
    """Where the links and files of a page lead to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.heads: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.targets += [found[name] for name in ("href", "src") if name in found]
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "meta" and (name := found.get("property") or found.get("name")):
            self.heads[name] = found.get("content", "")


@cache
def links(page: str) -> Links:
    found = Links()
    found.feed((SITE / page).read_text("utf-8"))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    wrong = []
    for target in links(page).targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        aim = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        if not aim.is_file():
            wrong.append(f"{target}: no such file")
        elif parts.fragment and aim.suffix == ".html":
            name = aim.resolve().relative_to(SITE.resolve()).as_posix()
            if unquote(parts.fragment) not in {*links(name).anchors, ""}:
                wrong.append(f"{target}: no such anchor")
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in PAGES if "search" not in page])
def test_a_page_says_what_it_is(page: str) -> None:
    """To search engines, and where somebody shares the link."""
    heads = links(page).heads
    assert len(heads["description"]) > 40 and heads["og:title"] and heads["og:description"]
    card = SITE / "assets" / heads["og:image"].partition("/assets/")[2]
    assert Image.open(card).size == (1200, 630)


def test_the_sitemap_lists_the_pages() -> None:
    root = ElementTree.fromstring((SITE / "sitemap.xml").read_text("utf-8"))
    urls = [element.text or "" for element in root.iter() if element.tag.endswith("loc")]
    home = next(url for url in urls if url.endswith("/from-backprop-to-lenet/"))
    listed = {url.removeprefix(home) or "index.html" for url in urls}
    assert listed == {*PAGES} - {"search.html"}


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_notebook_to_download_has_no_outputs(name: str) -> None:
    """So that whoever opens it predicts before he sees."""
    notebook = json.loads((SITE / "downloads" / f"{name}.ipynb").read_text("utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"])


# In the browser -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """A page of which nothing may go wrong unseen: no other host, no error in the console."""
    context = chromium.new_context(viewport=DESK, base_url=address, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    watch = Watch(page, address)
    yield page
    context.close()
    assert watch.problems == []


@needs_browser
def test_the_first_page_leads_to_the_first_chapter(page: Page) -> None:
    page.goto("index.html")
    expect(page.get_by_role("heading", level=1)).to_have_text("From Backprop to LeNet")
    colab = page.get_by_role("link", name="Open in Colab").get_attribute("href")
    assert colab and colab.endswith(f"/blob/main/notebooks/{CHAPTERS[0]}.ipynb")
    assert page.locator(".part img").count() == 4
    assert page.locator(".part li").count() == len(CHAPTERS)
    page.get_by_role("link", name="Run it on your machine").click()
    expect(page.locator("article")).to_contain_text("make lab")
    page.go_back()
    page.get_by_role("link", name="Start with chapter 01").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("01 · ")


@needs_browser
@pytest.mark.parametrize("width", ["desk", "phone"])
def test_every_page_fits_and_shows_all_that_it_has(page: Page, width: str) -> None:
    """Nothing scrolls sideways but code and wide tables; pictures and formulas are there."""
    page.set_viewport_size(PHONE if width == "phone" else DESK)
    wrong = []
    for name in PAGES:
        page.goto(name)
        if page.locator(".math").count():
            page.wait_for_function(
                "document.querySelectorAll('mjx-container').length"
                " === document.querySelectorAll('.math').length"
            )
        found = page.evaluate(
            """() => ({
                tooWide: document.documentElement.scrollWidth > innerWidth,
                withoutPicture: [...document.images].filter(
                    (image) => image.complete && !image.naturalWidth).map((image) => image.src),
                squeezed: [...document.querySelectorAll('.cell_output img')].filter(
                    ({ clientWidth: w, clientHeight: h, naturalWidth: x, naturalHeight: y }) =>
                        w && Math.abs(w * y / (h * x) - 1) > 0.03).map((image) => image.alt),
                wrongFormulas: document.querySelectorAll('mjx-merror').length,
            })"""
        )
        if any(found.values()):
            wrong.append((name, found))
    assert wrong == []


@needs_browser
def test_an_answer_is_folded_until_the_reader_asks(page: Page) -> None:
    """With the mouse or from the keyboard; so are the checks, and the help with an exercise."""
    page.goto(SECOND)
    folds = page.locator("details.fold")
    assert folds.count() > 20
    assert page.locator("details.fold[open]").count() == 0
    answer = folds.filter(has_text="Decide first, then look").first
    expect(answer.locator(".cell_output")).not_to_be_visible()
    answer.locator("summary").click()
    expect(answer.locator(".cell_output")).to_be_visible()
    solution = page.locator("details.help").filter(has_text="Solution").first
    solution.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(solution.locator("pre")).to_contain_text("# Why:")


@needs_browser
def test_the_search_finds_a_name_in_its_chapter(page: Page) -> None:
    """In the built files alone: nobody else's server knows the course."""
    page.goto("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("dying ReLU")
    page.keyboard.press("Enter")
    results = page.locator("#search-results li a")
    expect(results.filter(has_text="02 · Backpropagation by hand").first).to_be_visible()
    results.filter(has_text="02 · Backpropagation by hand").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("02 · ")


@needs_browser
def test_a_name_in_the_glossary_leads_to_where_it_is_explained(page: Page) -> None:
    page.goto("glossary.html")
    page.locator('a[href$="02_manual_backprop.html#name-chain-rule"]').click()
    expect(page.locator("#name-chain-rule + em")).to_be_in_viewport()


def lightness(page: Page, selector: str, what: str) -> float:
    """Return how light a colour of an element is, from 0 to 255."""
    script = f"element => getComputedStyle(element).{what}"
    numbers = re.findall(r"[\d.]+", page.locator(selector).first.evaluate(script))
    return sum(map(float, numbers[:3])) / 3


@needs_browser
def test_dark_mode_keeps_the_pictures_readable(page: Page) -> None:
    """They are drawn in dark ink, so they need their paper."""
    page.goto(FIRST)
    assert lightness(page, "body", "backgroundColor") > 200
    page.get_by_role("button", name="Color mode").first.click()
    page.locator(".theme-change-button[data-mode=dark]").first.click()
    page.reload()  # the choice is kept
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert lightness(page, "body", "backgroundColor") < 60
    assert lightness(page, "article p", "color") > 180
    assert lightness(page, ".cell_output img", "backgroundColor") > 200


@needs_browser
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", FIRST, SECOND, "glossary.html", "run.html"])
def test_nothing_keeps_a_reader_out(page: Page, name: str, mode: str) -> None:
    """axe looks for what a screen reader, a keyboard or weak eyes would stumble over."""
    page.emulate_media(color_scheme=mode)
    page.goto(name)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    found = Axe().run(page, options={"preload": False}).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


@needs_browser
def test_the_first_key_leads_past_the_menus(page: Page) -> None:
    page.goto(FIRST)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")


@needs_browser
def test_code_can_be_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(FIRST)
    cell = page.locator("div.cell_input:visible").first
    cell.hover()
    cell.get_by_role("button").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


@needs_browser
def test_next_leads_through_the_whole_course(page: Page) -> None:
    page.goto(FIRST)
    for name in CHAPTERS[1:]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    page.locator("a.left-prev").click()
    page.wait_for_url(f"**/{CHAPTERS[-2]}.html")


@needs_browser
def test_a_phone_has_the_menu_and_the_search(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto(FIRST)
    page.get_by_role("button", name="Site navigation").click()
    page.locator("dialog[open]").get_by_role("link", name="03 · Autograd").click()
    page.wait_for_url("**/03_autograd.html")

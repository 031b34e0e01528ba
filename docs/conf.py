"""Sphinx's settings for the website, and the little that it needs beyond them."""

import sys
from html import escape
from pathlib import Path
from typing import Any

from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT), str(ROOT / ".ci")]

import pages  # noqa: E402

import notebooks  # noqa: E402

REPOSITORY = notebooks.repository_address(ROOT)
BOOK = pages.chapters(ROOT)
DESCRIPTION = (
    "Notebooks that teach PyTorch from the ground up: gradients derived by hand, then each part of "
    "PyTorch that takes the work over, up to a convolutional network and beyond one CPU."
)

project = "From Backprop to LeNet"
author = "the project's contributors"
copyright = "MIT licence"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["readme.md", "names.md"]  # other pages include them
nb_execution_mode = "off"
suppress_warnings = ["misc.highlighting_failure"]  # code in a text may leave something out: …
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_heading_slug_func = "pages.anchor"
autodoc_member_order = "bysource"
add_module_names = False
default_role = "code"  # what docstrings have in single backticks
autodoc_typehints = "none"  # the signature without them is short, and the text says what is what
napoleon_numpy_docstring = False
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config: dict[str, Any] = {"options": {"enableMenu": False}}
copybutton_selector = "div.cell_input pre, div.highlight-python pre, div.highlight-none pre"
pygments_style = "a11y-high-contrast-light"

html_theme = "sphinx_book_theme"
html_title = project
html_baseurl = notebooks.site_address(REPOSITORY)
html_logo = html_favicon = "static/logo.svg"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = html_domain_indices = False
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["sbt-sidebar-nav.html"], "index": []}
html_theme_options = {
    "logo": {"text": project},
    "icon_links": [
        {"name": "GitHub", "url": f"https://github.com/{REPOSITORY}", "icon": "fa-brands fa-github"}
    ],
    "navbar_start": ["navbar-logo.html"],
    "navbar_end": ["theme-switcher.html", "icon-links.html"],
    "article_header_start": [],
    "article_header_end": [],
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "footer_content_items": ["extra-footer.html"],
    "extra_footer": (
        "<p>Free under the MIT licence. The notebooks, and a place to say what could be clearer: "
        f'<a href="https://github.com/{REPOSITORY}">{REPOSITORY}</a>.</p>'
    ),
    "secondary_sidebar_items": {"**": ["page-toc.html"], "index": []},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

METADATA = """
<meta name="description" content="{description}">
<meta property="og:type" content="{kind}">
<meta property="og:site_name" content="{site}">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta property="og:url" content="{address}">
<meta property="og:image" content="{image}">
<meta property="og:image:width" content="1200">
<meta property="og:image:height" content="630">
<meta name="twitter:card" content="summary_large_image">
"""


def add_metadata(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> str | None:
    """Say in a page's head what it is and what stands for it; give the first page its template."""
    chapter = {f"notebooks/{each.path.stem}": each for each in BOOK}.get(pagename)
    card = chapter.path.stem if chapter else "index"
    title = f"{chapter.number} · {chapter.title}" if chapter else context.get("title") or project
    said = {
        "description": chapter.promise if chapter else DESCRIPTION,
        "kind": "article" if chapter else "website",
        "site": project,
        "title": title
        if chapter or pagename != "index"
        else f"{project}: PyTorch from the ground up",
        "address": html_baseurl + ("" if pagename == "index" else f"{pagename}.html"),
        "image": f"{html_baseurl}assets/cards/{card}.png",
    }
    tags = METADATA.format(**{name: escape(text) for name, text in said.items()})
    context["metatags"] = context.get("metatags", "") + tags
    if pagename == "index":
        hours = round(sum(each.minutes for each in BOOK) / 60)
        context.update(parts=pages.parts(BOOK), first=BOOK[0], count=len(BOOK), hours=hours)
        context.update(repository=REPOSITORY)
        return "landing.html"
    return None


def open_fold(translator: Any, node: Any) -> None:
    """Begin a folded part of a code cell."""
    shown = escape(node["prompt_show"])
    kind = " check" if shown.startswith(("Setup", "Checked")) else ""
    translator.body.append(f'<details class="fold{kind}"><summary>{shown}</summary>')


def close_fold(translator: Any, node: Any) -> None:
    """End a folded part of a code cell."""
    translator.body.append("</details>")


def setup(app: Sphinx) -> None:
    """Connect what stands above."""
    app.add_node(HideCodeCellNode, override=True, html=(open_fold, close_fold))
    app.connect("html-page-context", add_metadata)

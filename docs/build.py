"""Build the website: python docs/build.py, or `make site`.

The pages are made from the notebooks as they are stored; no cell is executed and nothing is
fetched. build/source/ holds what Sphinx reads, build/site/ the website, for any static server.
"""

import json
import shutil
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import cards
import nbformat
import pages
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parent.parent
DOCS, SOURCE, SITE = ROOT / "docs", ROOT / "build" / "source", ROOT / "build" / "site"
HIDDEN = {"search.html"}  # no search engine need list it


def load_tool(name: str) -> ModuleType:
    """Import a module of .ci/, which lies outside every package."""
    spec = util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


notebooks, workbook = load_tool("notebooks"), load_tool("workbook")


def write(path: Path, text: str) -> None:
    """Write a file, unless it holds this text already: Sphinx then need not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8", newline="\n")


def prepare(book: list[pages.Chapter]) -> None:
    """Put into build/source what Sphinx reads."""
    repository = f"https://github.com/{notebooks.repository_address(ROOT)}"
    for page in {*DOCS.glob("*.md")} - {DOCS / "helpers.md"}:
        write(SOURCE / page.name, page.read_text("utf-8"))
    write(SOURCE / "readme.md", (ROOT / "README.md").read_text("utf-8"))
    write(SOURCE / "index.md", pages.contents(book))
    write(SOURCE / "helpers.md", helpers_page())
    write(SOURCE / "names.md", pages.glossary(book))
    wanted = {each.path.stem for each in book}
    for path in [*SOURCE.glob("notebooks/*.ipynb"), *SITE.glob("notebooks/*.html")]:
        if path.stem not in wanted:
            path.unlink()  # a chapter of that name is gone
    for each in book:
        page = pages.as_page(pages.read(each.path), each.path.name, repository)
        write(SOURCE / "notebooks" / each.path.name, nbformat.writes(page))
    cards.draw_all(book, SOURCE / "assets")


MODULE = """\
## {name}

```{{eval-rst}}
.. automodule:: helpers.{name}
   :members:
```
"""


def helpers_page() -> str:
    """Return the page of the helpers: its introduction, and a section for each module."""
    names = sorted(path.stem for path in (ROOT / "helpers").glob("[!_]*.py"))
    sections = [MODULE.format(name=name) for name in names]
    return "\n".join([(DOCS / "helpers.md").read_text("utf-8"), *sections])


def mathjax() -> Path:
    """Return the folder of MathJax, which comes in a package of its own."""
    return Path(util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"


def finish(book: list[pages.Chapter], address: str) -> None:
    """Add to build/site what is no page: formulas' script, downloads, pictures, sitemap."""
    target, fonts = SITE / "_static" / "mathjax", "output/chtml/fonts/woff-v2"
    shutil.copytree(mathjax() / fonts, target / fonts, dirs_exist_ok=True)
    shutil.copy(mathjax() / "tex-chtml.js", target)
    shutil.copytree(SOURCE / "assets", SITE / "assets", dirs_exist_ok=True)
    for each in book:
        copy_for_reader = json.dumps(workbook.sealed_copy(each.path), ensure_ascii=False, indent=1)
        write(SITE / "downloads" / each.path.name, copy_for_reader + "\n")
    found = sorted(path.relative_to(SITE).as_posix() for path in SITE.glob("**/*.html"))
    listed = [name for name in found if name not in HIDDEN and not name.startswith("_")]
    write(SITE / "sitemap.xml", sitemap(listed, address))
    write(SITE / "robots.txt", f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n")
    (SITE / ".nojekyll").touch()


SITEMAP = """\
<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{urls}
</urlset>
"""


def sitemap(names: list[str], address: str) -> str:
    """Return the sitemap of these pages, which are files of the website."""
    urls = [
        f"<url><loc>{address}{'' if name == 'index.html' else name}</loc></url>" for name in names
    ]
    return SITEMAP.format(urls="\n".join(urls))


def main(options: list[str]) -> int:
    """Build; return the exit status. ``options`` are further ones for Sphinx."""
    book = pages.chapters(ROOT)
    prepare(book)
    strict = ["-W", "--keep-going", "-q", "-j", "2"]
    folders = ["-c", str(DOCS), "-d", str(ROOT / "build" / "doctrees"), str(SOURCE), str(SITE)]
    if status := build_main([*strict, "-b", "html", *options, *folders]):
        return status
    finish(book, notebooks.site_address(notebooks.repository_address(ROOT)))
    print(f"The website is in {SITE.relative_to(ROOT)}: {len(book)} chapters. To look at it:")
    print(f"    python -m http.server --directory {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

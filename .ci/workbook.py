"""Copy the notebooks to workbook/, which is the reader's, and open them in JupyterLab.

python .ci/workbook.py [options of JupyterLab]     the same as `make lab`

The copies have no outputs. One that the reader has worked in is never written again; one that he
has not touched follows the project. Each carries a seal in its metadata: which notebook it is, in
which version, and a checksum of what a reader can work on. So a copy says by itself whether it is
as it was written. No record lies beside the copies that could get lost or lag behind them, and a
run that is cut short, or a second one at the same time, finds each file old or new, never between.
"""

from __future__ import annotations  # so that an old Python gets as far as `check_environment`

import hashlib
import json
import os
import secrets
import sys
import time
from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEAL = "workbook"

# What JupyterLab writes when a notebook is only looked at: the kernel it was given, and what is
# folded. This makes no copy the reader's work. Everything else does: a letter in a cell, a tag, and
# outputs too, for he may have waited for them or want to compare.
KERNEL_METADATA = {"kernelspec", "language_info"}
VIEW_METADATA = {"collapsed", "jp-MarkdownHeadingCollapsed", "jupyter", "scrolled"}

LEFTOVER_AGE = 3600  # seconds; no run can still be writing a temporary file of this age

HOW_TO_UPDATE = """\
You have worked in {names}; that stays as it is, though the project has a newer page.
To get the new one as well, rename yours: the next start brings it."""
NO_COPY = """\
No copy of a page can be read from {names} in workbook/: is it a folder, a damaged file, a link to
nowhere, a notebook of your own? It stays. Rename it, and the next start brings the page."""
CHAPTER_GONE = "You have worked in {names}; that stays, though the project has no such chapter now."
DAMAGED = (
    "No notebook can be read from {names} in notebooks/; copies from earlier stay as they are."
)
NO_ENVIRONMENT = """\
The notebooks need {names}, which this Python does not have:
    {python}
Say `make lab`, or start this with the Python of the project's .venv, as README.md shows."""


class WorkbookError(Exception):
    """A reason to stop that the reader can act on; shown without a traceback."""


# A copy and its seal ------------------------------------------------------------------------------


def sealed_copy(page: Path) -> dict[str, Any]:
    """Return the notebook in the file ``page`` as a reader gets it: without outputs, and sealed."""
    notebook = json.loads(page.read_bytes())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    version, checksum = digest(notebook), digest(work(notebook))
    notebook["metadata"][SEAL] = {"page": page.name, "version": version, "checksum": checksum}
    return notebook


def read_seal(data: bytes | None, name: str) -> tuple[dict[str, str] | None, bool]:
    """Return the seal in the file ``name``, and whether the copy is as it was written.

    The seal is None in whatever is no copy of that name: a notebook of the reader's own, a copy
    that he has renamed or duplicated, a damaged file, one that cannot be read (``data`` is None).
    """
    try:
        notebook = json.loads(data)
        seal = notebook["metadata"][SEAL]
        if seal["page"] != name:
            return None, False
        return seal, seal["checksum"] == digest(work(notebook))
    except Exception:  # anything may lie in the reader's folder; what we do not know is his
        return None, False


def work(notebook: dict[str, Any]) -> list[Any]:
    """Return what a reader can work on, spelled the same whichever editor saved it."""
    metadata = without(notebook["metadata"], {*KERNEL_METADATA, SEAL})
    cells = [
        cell
        | {
            "source": "".join(cell["source"]),
            "metadata": without(cell["metadata"], VIEW_METADATA),
        }
        for cell in notebook["cells"]
    ]
    return [metadata, cells]


def without(metadata: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return ``metadata`` without the entries called ``names``."""
    return {name: value for name, value in metadata.items() if name not in names}


def digest(value: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


# One file -----------------------------------------------------------------------------------------


def contents(path: Path) -> bytes | None:
    """Return the bytes of the file, or None if it cannot be read or is not there."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def follow(path: Path, notebook: dict[str, Any]) -> str:
    """Bring the copy at ``path`` up to date, unless it is the reader's; return what was done."""
    version = notebook["metadata"][SEAL]["version"]
    while True:  # again if somebody else, JupyterLab or a second run, wrote the file meanwhile
        there = os.path.lexists(path)
        data = contents(path)
        seal, untouched = read_seal(data, path.name)
        current = seal is not None and seal.get("version") == version
        if untouched and current:
            return "current"
        if there and not untouched:
            return "no copy" if seal is None else "kept" if current else "outdated"
        if write(path, notebook, data):
            return "updated" if there else "new"


def write(path: Path, notebook: dict[str, Any], expected: bytes | None) -> bool:
    """Put ``notebook`` at ``path`` in one step, if ``expected`` is still what lies there.

    Where the reader keeps his copy on another disk, the link to it stays a link.
    """
    if path.is_symlink():
        path = path.resolve()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            json.dump(notebook, file, ensure_ascii=False, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        if contents(path) != expected:
            return False
        os.replace(temporary, path)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def retire(path: Path) -> str:
    """Remove the copy of a chapter that is gone, if it is untouched; return what was done."""
    seal, untouched = read_seal(contents(path), path.name)
    if untouched:
        path.unlink(missing_ok=True)
        return "removed"
    return "his own" if seal is None else "without chapter"


def sweep(folder: Path) -> None:
    """Remove the temporary files of runs that were killed."""
    for path in folder.glob(".*.ipynb.????????.new"):
        with suppress(FileNotFoundError):  # its run, not killed after all, has just finished
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE:
                path.unlink()


# The folder ---------------------------------------------------------------------------------------


def refresh(root: Path) -> dict[str, str]:
    """Let ``root``/workbook follow ``root``/notebooks; return what was done with each file."""
    pages = find_pages(root)
    folder = root / "workbook"
    done = {}
    try:
        folder.mkdir(exist_ok=True)
        sweep(folder)
        for page in pages:
            try:
                notebook = sealed_copy(page)
            except (ValueError, LookupError, TypeError, AttributeError):
                done[page.name] = "damaged"
            else:
                done[page.name] = follow(folder / page.name, notebook)
        for path in sorted(folder.glob("[!.]*.ipynb")):
            if path.name not in done:
                done[path.name] = retire(path)
    except OSError as error:
        raise WorkbookError(
            f"{error.filename or folder}: {error.strerror}. The notebooks are copied to workbook/, "
            "which must be a folder that you can write to."
        ) from error
    return done


def find_pages(root: Path) -> list[Path]:
    """Return the project's notebooks in reading order; there is at least one."""
    pages = sorted((root / "notebooks").glob("[!.]*.ipynb"))
    if not pages:
        raise WorkbookError(f"There are no notebooks in {root / 'notebooks'}.")
    return pages


def report(done: dict[str, str]) -> str:
    """Say in a few lines what ``refresh`` has done."""
    count = Counter(done.values())
    kept = sum(count[what] for what in ("kept", "outdated", "no copy", "without chapter"))
    chapters = len(done) - count["removed"] - count["his own"] - count["without chapter"]
    parts = [f"{chapters} chapters in workbook/"]
    parts += [f"{count[what]} {what}" for what in ("new", "updated", "removed") if count[what]]
    parts += [f"{kept} kept as you left it"] if kept else []
    lines = [", ".join(parts) + "."]
    for what, text in (
        ("outdated", HOW_TO_UPDATE),
        ("no copy", NO_COPY),
        ("without chapter", CHAPTER_GONE),
        ("damaged", DAMAGED),
    ):
        names = [name for name, status in done.items() if status == what]
        if names:
            lines.append(text.format(names=", ".join(names)))
    return "\n".join(lines)


# JupyterLab ---------------------------------------------------------------------------------------


def check_environment() -> None:
    """Stop unless this Python has what the notebooks need."""
    missing = [
        name for name in ("jupyterlab", "helpers", "exercises", "torch") if find_spec(name) is None
    ]
    if missing:
        raise WorkbookError(
            NO_ENVIRONMENT.format(names=" and ".join(missing), python=sys.executable)
        )


def lab_options(root: Path) -> list[str]:
    """Return the options with which JupyterLab opens on the first page.

    Its root is the project, so that a chapter's links to the README lead there. Its settings folder
    is ours: it says that nobody need be asked about Jupyter's news, and no newer version be looked
    for. These are defaults; what the reader has chosen in his own settings counts more.
    """
    return [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/workbook/{find_pages(root)[0].name}",
        f"--LabApp.app_settings_dir={root / '.ci' / 'jupyterlab-settings'}",
    ]


def main(options: list[str]) -> int:
    """Copy the notebooks and run JupyterLab until the reader ends it; return the exit status."""
    try:
        check_environment()
        print(report(refresh(ROOT)), flush=True)
    except WorkbookError as error:
        print(error, file=sys.stderr)
        return 1
    from jupyterlab.labapp import LabApp  # takes a second, and the reader has his message by then

    LabApp.launch_instance([*lab_options(ROOT), *options])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

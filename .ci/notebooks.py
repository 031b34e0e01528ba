"""Render the notebooks, and stamp the project's address on them.

python .ci/notebooks.py render [names...]     execute in place, then clean what is stored
python .ci/notebooks.py stamp OWNER/REPO      put a new address wherever the old one stands

It also holds the two texts that every notebook shares: the setup cell and the Colab link.
"""

import argparse
import base64
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode
from traitlets import default

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT = 600  # seconds

SETUP_CELL = """\
# Fetches the project on Colab, or where this page is all there is; elsewhere it does nothing.
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

if not (find_spec("helpers") and find_spec("exercises")):
    same_torch = f"torch=={version('torch')}" if find_spec("torch") else "torch"
    %pip install --quiet {same_torch} https://github.com/ADDRESS/archive/main.zip
for package, module in ("helpers", "two_layer.py"), ("exercises", "tutor.py"):
    if not (found := find_spec(package)):
        raise ImportError(f"pip could not install {package}: see above. It needs the network.")
    where = (found.submodule_search_locations or [found.origin])[0]
    if not Path(where, module).exists():
        raise ImportError(f"{where} hides the notebook's {package}: rename it, run this again.")

%matplotlib inline
%config InlineBackend.figure_formats = ["retina"]"""

COLAB_LINK = "https://colab.research.google.com/github/{address}/blob/main/notebooks/{name}"

README_PICTURES = {  # the title of a plot in a notebook: where the README shows it from
    "One change throws it down, six carry it up": "docs/one_change_at_a_time.png",
}

CLAIMS = "claims"  # the tag of a cell that holds the text to its word
SETUP = "setup"  # the tag of the cell that brings the project to Colab
ANSWER = "answer"  # the tag of a cell whose source would give the answer away
FOLDED = {CLAIMS, SETUP, ANSWER}  # their source is out of sight until the reader opens it

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class ToolError(Exception):
    """A reason to stop that the user can act on; shown without a traceback."""


def setup_cell(address: str) -> str:
    """Return the text that the first code cell of a notebook holds, for ``OWNER/REPO``."""
    return SETUP_CELL.replace("ADDRESS", address)


def colab_link(address: str, name: str) -> str:
    """Return the link that opens notebook ``name`` (a file name) of ``OWNER/REPO`` in Colab."""
    return COLAB_LINK.format(address=address, name=name)


def write_atomically(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees the old text or the new, never a part."""
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False) as file:
        file.write(text.encode())
    try:
        shutil.copymode(path, file.name)
        os.replace(file.name, path)
    except BaseException:
        os.unlink(file.name)
        raise


# Render: execute ---------------------------------------------------------------------------------


class ThisInterpreter(KernelSpecManager):
    """Knows one kernel, the running interpreter's, whatever else the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the running interpreter's kernel under any name."""
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class FreshKernel(AsyncKernelManager):
    """Starts the kernel of the running interpreter."""

    @default("kernel_spec_manager")
    def _this_interpreter(self) -> KernelSpecManager:
        return ThisInterpreter()


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel inside ``folder``; the outputs land in ``notebook``."""
    NotebookClient(
        notebook,
        kernel_manager_class=FreshKernel,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def pictures_for_readme(notebook: NotebookNode) -> Iterator[tuple[str, bytes]]:
    """Yield (path below the root, PNG) of the pictures that the README borrows from a notebook."""
    for cell in notebook.cells:
        for title, path in README_PICTURES.items():
            if cell.cell_type == "code" and f'title="{title}"' in cell.source:
                pngs = [
                    o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})
                ]
                yield path, base64.b64decode(pngs[0])


def render(path: Path) -> None:
    """Execute and clean one notebook; the file changes only if every cell ran."""
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.resolve().parent)
    clean(notebook)
    nbformat.validate(notebook)
    write_atomically(path, nbformat.writes(notebook).rstrip("\n") + "\n")
    for picture, png in pictures_for_readme(notebook):
        (ROOT / picture).write_bytes(png)


# Render: clean -----------------------------------------------------------------------------------


def clean(notebook: NotebookNode) -> None:
    """Remove from an executed notebook what belongs to one machine, one moment or one editor."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(own_metadata(cell.metadata))
        if cell.cell_type == "code":
            cell.outputs = merged_streams(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = cleaned_traceback(output.traceback)


def own_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to a cell itself: its tags, what they imply, and its picture in words."""
    own: dict[str, Any] = {}
    if tags := metadata.get("tags"):
        own["tags"] = tags
    if FOLDED & set(tags or []):
        own["jupyter"] = {"source_hidden": True}
    if alt := metadata.get("mystnb", {}).get("image", {}).get("alt"):
        own["mystnb"] = {"image": {"alt": alt}}
    return own


def merged_streams(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring stream outputs of one name, as a terminal would show them.

    A progress bar that clears itself writes to stderr between the lines of stdout: all of stderr
    is read at once, and if nothing of it remains on the screen, it does not part its neighbours.
    """
    outputs = list(outputs)
    if not as_terminal("".join(_texts(outputs, "stderr"))).strip():
        outputs = [output for output in outputs if output.get("name") != "stderr"]
    merged: list[NotebookNode] = []
    for output in outputs:
        if _is_stream(output) and merged and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    for output in filter(_is_stream, merged):
        output.text = as_terminal(output.text)
    return [output for output in merged if not _is_stream(output) or output.text]


def _is_stream(output: NotebookNode) -> bool:
    return output.output_type == "stream"


def _texts(outputs: Iterable[NotebookNode], name: str) -> Iterator[str]:
    return (output.text for output in outputs if output.get("name") == name)


def as_terminal(text: str) -> str:
    """Return what stays on the screen once carriage returns have done their overwriting."""
    return "\n".join(_overwritten(line) if "\r" in line else line for line in text.split("\n"))


def _overwritten(line: str) -> str:
    shown: list[str] = []
    column = 0
    for character in line:
        if character == "\r":
            column = 0
        else:
            shown[column : column + 1] = [character]
            column += 1
    return "".join(shown).rstrip()


ANSI_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def cleaned_traceback(lines: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return the traceback without colour codes and without the folders of this machine."""
    text = ANSI_CODE.sub("", "\n".join(lines))
    for folder, short in _folders(root):
        text = text.replace(folder, short)
    return text.split("\n")


def _folders(root: Path) -> list[tuple[str, str]]:
    """Return (folder as a traceback may spell it, what to write instead), longest first."""
    paths = sysconfig.get_paths()
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shorts = [
        (paths["purelib"], "site-packages/"),
        (paths["platlib"], "site-packages/"),
        (paths["stdlib"], f"{python}/"),
        (str(root), ""),
    ]
    shorts += [(str(Path(folder).resolve()), short) for folder, short in shorts]
    home = str(Path.home())
    # IPython writes the home folder as a tilde.
    shorts += [
        ("~" + folder.removeprefix(home), short)
        for folder, short in shorts
        if folder.startswith(home)
    ]
    return sorted(((folder + os.sep, short) for folder, short in shorts), key=_longest_first)


def _longest_first(entry: tuple[str, str]) -> int:
    return -len(entry[0])


# Render: the command -----------------------------------------------------------------------------


def find_notebooks(names: Sequence[str], root: Path) -> list[Path]:
    """Return the notebooks called ``names`` (11, 11_lenet or a path), or all without names."""
    known = sorted((root / "notebooks").glob("*.ipynb"))
    return [_find_notebook(name, known) for name in names] if names else known


def _find_notebook(name: str, known: Sequence[Path]) -> Path:
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name)
    for path in known:
        if name in (path.name, path.stem) or path.stem.startswith(f"{name}_"):
            return path
    raise ToolError(f"no notebook {name!r}; there are {', '.join(p.stem for p in known) or 'none'}")


def data_in_use(any_data: bool) -> str:
    """Say which Fashion-MNIST the notebooks will read; stored outputs should show the real one."""
    folder = os.environ.get("FASHION_MNIST_DIR")
    if folder:
        if not Path(folder).is_dir():
            raise ToolError(f"FASHION_MNIST_DIR is not a folder: {folder}")
        # The kernels run in the notebooks' folder, where a relative path would lead elsewhere.
        os.environ["FASHION_MNIST_DIR"] = str(Path(folder).resolve())
        return f"data: FASHION_MNIST_DIR ({folder})"
    if any_data:
        return "data: whatever helpers.data finds (data/, a download, or the sketches)"
    raise ToolError(
        "set FASHION_MNIST_DIR to the folder with the real Fashion-MNIST, "
        "or pass --any-data to take what helpers.data finds"
    )


def render_all(names: Sequence[str], any_data: bool, root: Path) -> int:
    """Render the notebooks one after the other; return how many failed."""
    print(data_in_use(any_data))
    failed = 0
    for path in find_notebooks(names, root):
        try:
            render(path)
            print(f"rendered {path.name}")
        except (CellControlSignal, DeadKernelError) as error:
            failed += 1
            print(f"{path.name} failed and is unchanged:\n{error}", file=sys.stderr)
    return failed


# Stamp -------------------------------------------------------------------------------------------

URL = re.compile(r"(?:https?://|git@)[^\s\"'<>()\[\]\\]*")
NEW_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


def repository_address(root: Path = ROOT) -> str:
    """Return ``OWNER/REPO`` from the Repository URL in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    url = project["urls"]["Repository"]
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", url)
    if not found:
        raise ToolError(f"pyproject.toml: Repository is not https://github.com/OWNER/REPO: {url}")
    return found[1]


def site_address(address: str) -> str:
    """Return where GitHub's Pages show the website of ``OWNER/REPO``."""
    owner, _, name = address.partition("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def check_address(address: str) -> str:
    """Return ``address`` if it has the form OWNER/REPO; otherwise raise ToolError."""
    if not NEW_ADDRESS.fullmatch(address) or address.endswith(".git"):
        raise ToolError(f"expected OWNER/REPO, as in octocat/hello-world, got {address!r}")
    return address


def readdressed(text: str, old: str, new: str) -> str:
    """Return ``text`` with the repository's address changed inside links, and nowhere else."""
    # "/a/b" does not count in "/a/bc" and "/a/b.c"; it does in "/a/b.git" and before a full stop.
    address = re.compile(rf"(?<=[/:]){re.escape(old)}(?![\w-]|\.(?!git\b)\w)")

    def change(url: re.Match[str]) -> str:
        if url[0].startswith(site_address(old)):
            return url[0].replace(site_address(old), site_address(new), 1)
        return address.sub(new, url[0]) if re.search(r"github|/gh/", url[0]) else url[0]

    return URL.sub(change, text)


def stamped_files(root: Path) -> list[Path]:
    """Return the files that carry the address, pyproject.toml last.

    The old address is read from pyproject.toml: with it last, a run cut short can be repeated.
    """
    names = ["README.md", "CONTRIBUTING.md", "docs/run.md"]
    pages = [root / name for name in names if (root / name).is_file()]
    return [*pages, *find_notebooks([], root), root / "pyproject.toml"]


def stamp(address: str, root: Path) -> list[Path]:
    """Write the new address wherever the old one stands; return the files that changed."""
    new, old = check_address(address), repository_address(root)
    changed: list[tuple[Path, str]] = []
    for path in stamped_files(root):
        before = path.read_bytes().decode()
        after = readdressed(before, old, new)
        if after != before:
            changed.append((path, after))
    for path, text in changed:
        write_atomically(path, text)
    return [path for path, _ in changed]


# The command line --------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the two commands."""
    parser = argparse.ArgumentParser(description="Render the notebooks, or stamp their address.")
    commands = parser.add_subparsers(dest="command", required=True)
    rendering = commands.add_parser("render", help="execute notebooks in place and clean them")
    rendering.add_argument("names", nargs="*", help="11, 11_lenet or a path; all if left out")
    rendering.add_argument(
        "--any-data", action="store_true", help="render without the real Fashion-MNIST"
    )
    stamping = commands.add_parser("stamp", help="change the repository's address everywhere")
    stamping.add_argument("address", metavar="OWNER/REPO")
    return parser


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run one command; return the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        if arguments.command == "render":
            return min(render_all(arguments.names, arguments.any_data, root), 1)
        for path in stamp(arguments.address, root):
            print(f"stamped {path.relative_to(root)}")
        return 0
    except ToolError as error:
        print(f"notebooks.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

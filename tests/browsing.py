"""A real browser, for the tests that `make browse` runs."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)

needs_browser = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium is here to look at it with; Debian's package is chromium"
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Run the browser that is installed, unseen."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if is_root else []  # which root is not given
        started = playwright.chromium.launch(executable_path=PROGRAM, args=options)
        yield started
        started.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server, as plain as any, that prints nothing."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; give the address, with its slash."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Watch:
    """What went wrong on a page without anyone seeing it.

    Attributes:
        problems: errors in the console, answers that were none, and requests to other hosts.
    """

    def __init__(self, page: Page, address: str) -> None:
        """Watch a page that comes from ``address``."""
        self.problems: list[str] = []
        self._ours = (address, address.replace("http", "ws", 1), "data:", "blob:", "about:")
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self._ours):
            self.problems.append(f"another host: {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

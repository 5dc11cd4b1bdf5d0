"""A real browser for tests of what people look at."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

HOSTILE = "<script>alert(1)</script>"
"""The name of a target that must be shown as text."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium, which talks to nobody by itself; the test fails where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.fail("chromium is not installed: this test needs it (Debian: apt-get install chromium)")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


class Watched:
    """A page in the browser, with what went wrong in it.

    Parameters
    ----------
    page : Page
    allowed : tuple of str
        How the addresses begin that the page may request.
    """

    def __init__(self, page: Page, allowed: tuple[str, ...] = ("file:", "data:")) -> None:
        self.page = page
        self.allowed = allowed
        self.problems: list[str] = []
        page.on("console", lambda message: self._hear(message))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self._check(request.url))
        page.on("websocket", lambda socket: self._check(socket.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _check(self, url: str) -> None:
        if not url.startswith(self.allowed):
            self.problems.append(f"request of {url}")

"""Debian's Chromium through Playwright, and a watch over what it complains about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, Request, sync_playwright

EXECUTABLE = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium(executable: str = EXECUTABLE) -> Iterator[Browser]:
    """A browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """What a page's console, its scripts and its requests had to complain about (CSP violations too)."""

    seen: list[str] = field(default_factory=list)

    def listen_to(self, page: Page) -> None:
        """Note errors and warnings of a page from now on."""
        page.on("console", lambda m: self.seen.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.seen.append(str(error)))
        page.on("requestfailed", self._note_failure)

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left while it still loaded something
            self.seen.append(f"{request.url}: {request.failure}")


def sign_in(page: Page, base: str, username: str, password: str) -> None:
    """Through the form, as a person does."""
    page.goto(f"{base}/login/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{base}/")

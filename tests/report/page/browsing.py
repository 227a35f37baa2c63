"""A page in headless Chromium: what it said, what it asked for, what it drew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


class Opened:
    """A page, what it said on the console, and what it asked the network for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._refuse)
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, file: Path) -> None:
        """Open a file anew."""
        self.page.goto(file.as_uri())

    def abroad(self) -> list[str]:
        """What was asked for outside of the file."""
        return [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))]

    def draw_all(self) -> None:
        """Scroll to every group, so that all rows are drawn."""
        for list_of_group in self.page.locator(".group ul").all():
            list_of_group.scroll_into_view_if_needed()
        self.page.wait_for_function("() => !document.querySelector('.group ul:empty')")

    def groups(self) -> list[tuple[str, list[list[str]]]]:
        """Title of each group, and the captions of each of its rows."""
        self.draw_all()
        found = self.page.eval_on_selector_all(
            ".group",
            "groups => groups.map(g => [g.querySelector('h3').textContent, [...g.querySelectorAll('li')]"
            ".map(li => [...li.querySelectorAll('figcaption')].map(c => c.textContent))])",
        )
        return [(title, rows) for title, rows in found]

    def _refuse(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # choices that nobody saved: leave all the same
            dialog.accept()
            return
        self.said.append(dialog.message)
        dialog.dismiss()

"""One page that all tests here look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.report.page.browsing import CHROMIUM, Opened
from tests.report.page.selected import Selected, select_hostile


@pytest.fixture(scope="session")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Selected:
    """A selection with hostile names, and its page."""
    return select_hostile(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def browser_page() -> Iterator[Page]:
    """A tab of a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1200, "height": 900})
        browser.close()


@pytest.fixture
def opened_page(browser_page: Page) -> Opened:
    """The tab, to open any page in."""
    return Opened(browser_page)

"""One page that all tests here look at."""

from __future__ import annotations

import pytest

from tests.report.page.selected import Selected, select_hostile


@pytest.fixture(scope="session")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Selected:
    """A selection with hostile names, and its page."""
    return select_hostile(tmp_path_factory.mktemp("page"))

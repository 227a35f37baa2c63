"""What tests of several pool readers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pools.table_makers import write_hub


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A data set in the form of the Hugging Face hub."""
    return write_hub(tmp_path / "hub")

"""docs/protocols.md says what the configs say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from semdd_lightning.cli.configs import packaged_configs

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "write_protocols_page.py"
    spec = importlib.util.spec_from_file_location("write_protocols_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(script: ModuleType) -> str:
    text: str = script.page()
    return text


def test_the_page_is_that_of_the_configs(page: str) -> None:
    assert (ROOT / "docs" / "protocols.md").read_text() == page, (
        "docs/protocols.md is not what the configs say; run `python scripts/write_protocols_page.py`"
    )


def test_every_protocol_has_its_section(script: ModuleType) -> None:
    files = {path.stem for path in (packaged_configs() / "protocols").glob("*.yaml")}
    assert files == set(script.PROTOCOLS)


def test_cells_by_hand(page: str) -> None:
    minimax = page[page.index("## minimax") : page.index("## dcbench")]
    assert "| imagenet100 | 2,000 x 64 | 1,300 x 64 | 1,000 x 64 | 1,000 x 64 | 600 x 64 |" in minimax
    rded = page[page.index("## rded") : page.index("## sre2l")]
    assert "| cifar10 | 300 x 10 | 300 x 50 | to be given | 300 x 100 | to be given |" in rded
    assert "| cifar100 | 300 x 20 | 300 x 100 | to be given | 300 x 200 | to be given |" in rded
    assert "KL divergence, temperature 20 without its square as a factor" in rded

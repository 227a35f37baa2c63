"""docs/protocols.md says what the configs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import write_protocols_page as script

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page() -> str:
    return script.page()


def test_the_page_is_that_of_the_configs(page: str) -> None:
    assert (ROOT / "docs" / "protocols.md").read_text() == page, (
        "docs/protocols.md is not what the configs say; run `python -m scripts.write_protocols_page`"
    )


def test_cells_by_hand(page: str) -> None:
    minimax = page[page.index("## minimax\n") : page.index("## rded\n")]
    assert "| imagenet100 | 2,000 x 64 | 1,300 x 64 | 1,000 x 64 | 1,000 x 64 | 600 x 64 |" in minimax
    rded = page[page.index("## rded\n") : page.index("## sre2l\n")]
    assert "| cifar10 | 300 x 10 | 300 x 50 | - | 300 x 100 | - |" in rded
    assert "| cifar100 | 300 x 20 | 300 x 100 | - | 300 x 200 | - |" in rded
    assert "| tinyimagenet | 300 x 100 | 300 x 100 | 300 x 100 | 300 x 100 | 300 x 100 |" in rded
    assert "KL divergence, temperature 20 without its square as a factor" in rded
    assert "`half_cosine`, `statistics_twice`, `best_of_N`, a test every 10 passes after 80% of all" in rded


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("rded", ["cifar10", "cifar100", "tinyimagenet", "imagewoof", "imagenet100", "imagenet1k"]),
        ("sre2l", ["imagenet1k"]),
        ("sre2l_tiny", ["tinyimagenet"]),
        ("sre2l_cifar", ["cifar100"]),
        ("lpld", ["imagenet1k"]),
        ("lpld_tiny", ["tinyimagenet"]),
        ("edc", ["imagenet1k"]),
        ("minimax", ["imagewoof", "imagenet100", "imagenet1k"]),
        ("dcbench", ["cifar10", "cifar100", "tinyimagenet"]),
        ("hard", list(script.DATA)),
    ],
)
def test_only_what_the_peers_code_covers_is_listed(name: str, covered: list[str]) -> None:
    lines = script.section(name).splitlines()
    assert [
        line.split()[1] for line in lines if line.startswith("| ") and line.split()[1] in script.DATA
    ] == covered


def test_what_a_config_says_of_itself_stands_on_the_page() -> None:
    text = script.section("edc")
    assert "its CIFAR code\nalso has RandAugment and a milestone schedule, which are not here" in text
    assert (
        "\n    semdd fit --config imagenet1k.yaml --data.pool.path my_pool --config protocols/edc.yaml\n"
        in text
    )

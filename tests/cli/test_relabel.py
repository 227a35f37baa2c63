from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from semdd_lightning.cli.main import main


def test_help_shows_what_one_types(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["relabel", "--help"])
    text = capsys.readouterr().out
    for option in ("--precision", "--top-k", "--static", "--dry-run", "--data.distinct_passes"):
        assert option in text


def test_a_folder_or_a_dry_run(refused: Callable[..., str]) -> None:
    message = refused("relabel", "--config=quickstart.yaml")
    assert message.startswith("semdd relabel: Expected --out, found none; give a folder for the labels")


def test_options_of_fit_are_checked_by_its_parser(
    refused: Callable[..., str], small: tuple[str, ...], workplace: Path
) -> None:
    message = refused("relabel", *small, "--data.no_such_option=1", "--out=labels")
    assert "no_such_option" in message
    assert "Expected a config at" in refused("relabel", "--config=nowhere.yaml", "--out=labels")
    assert list(workplace.iterdir()) == []

"""`semdd open`: the page of a selection in the browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from semdd_lightning.cli.main import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was given."""
    addresses: list[str] = []

    def take(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", take)
    return addresses


def make_page(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<!doctype html>")
    return folder / "report.html"


@pytest.mark.parametrize("given", ["a run", "a run/report.html"])
def test_the_page_of_a_run_is_opened(
    given: str, workplace: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    page = make_page(workplace / "a run")
    assert main(["open", given]) == 0
    assert opened == [page.as_uri()]
    assert capsys.readouterr().out == f"{page}\n"


def test_print_opens_nothing(workplace: Path, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    page = make_page(workplace / "run")
    assert main(["open", "run", "--print"]) == 0
    assert opened == []
    assert capsys.readouterr().out == f"{page}\n"


def test_no_browser_is_said(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_page(workplace / "run")
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    assert main(["open", "run"]) == 0
    assert "give this path to one" in capsys.readouterr().out


def test_what_has_no_page_is_refused(workplace: Path, refused: Callable[..., str]) -> None:
    (workplace / "empty").mkdir()
    (workplace / "notes.txt").write_text("")
    assert "give the directory of `semdd select`" in refused("open", "empty")
    assert "Expected report.html at" in refused("open", "nowhere")
    assert "Expected report.html at" in refused("open", "notes.txt")
    make_page(workplace / "comparison" / "random-1")
    make_page(workplace / "comparison" / "random-2")
    assert "give one of the 2 below it, as" in refused("open", "comparison")


def test_a_selection_of_fit_has_its_page(finished: Path, opened: list[str]) -> None:
    assert main(["open", str(finished)]) == 0
    assert opened == [(finished / "report.html").as_uri()]
    text = (finished / "report.html").read_text()
    assert "semdd fit --config=quickstart.yaml" in text

"""Names from outside: what reaches terminal, shell, spreadsheet and pictures."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import semdd_lightning
from semdd_lightning.atomic import write_csv
from semdd_lightning.cli.main import main
from semdd_lightning.errors import PoolError
from semdd_lightning.names import cell, command, get_logger, shown, shown_message, warn
from semdd_lightning.report.tables import print_next_commands, print_plain, table_of_rows
from tests.layout_makers import write

TEXTS = st.text(st.characters(), max_size=20)
ODD = ["[/red]", "[bold]x", ":dog:", "\x1b]0;title\x07", "\u202egnp.exe", "a\nb", "\x9b31m", "a b'c\"d"]


@given(TEXTS)
def test_nothing_that_acts_is_shown(text: str) -> None:
    assert not any(letter in shown(text) for letter in "\x1b\x9b\n\r\x07\u202e\u2028")
    assert shown(shown(text)) == shown(text)
    if text.isprintable():
        assert shown(text) == text


@given(st.lists(TEXTS.filter(lambda text: text.isascii() and "\0" not in text), min_size=1))
def test_plain_words_come_back_from_a_shell(words: list[str]) -> None:
    if all(word.isprintable() for word in words):
        assert shlex.split(command(*words)) == words
    assert "\n" not in command(*words)


def test_bash_reads_every_name(tmp_path: Path) -> None:
    names = [*ODD, "-x", "$(touch y)", "`z`", "*", "~", "a\\b'", "\udcff"]
    line = command("printf", r"%s\0", *names)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, cwd=tmp_path)  # noqa: S607
    assert done.stdout == b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)
    assert command(Path("-x"), Path("a/-x"), "-x") == "./-x a/-x -x"


@pytest.mark.parametrize("name", ODD)
def test_whoever_shows_them_warnings_log_lines_and_errors_are_harmless(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.warns(UserWarning, match="Expected") as caught:
        warn(f"Expected {name}")
    assert Path(caught[0].filename) == Path(__file__), "where it was asked for"
    caplog.set_level("INFO")
    for _ in range(2):
        get_logger("semdd_lightning.odd").info("%s: %d images", name, 3)
    said = [str(caught[0].message), *caplog.messages, str(PoolError(f"Expected {name}"))]
    assert said == [
        f"Expected {shown_message(name)}",
        *[f"{shown_message(name)}: 3 images"] * 2,
        f"Expected {shown_message(name)}",
    ]


def test_nobody_warns_logs_or_draws_tables_past_what_is_harmless() -> None:
    """Of what is pure, which knows no names from outside, nothing is asked."""
    package = Path(semdd_lightning.__file__).parent
    past = re.compile(r"warnings\.warn\b|logging\.getLogger|rich\.table|rich\.progress import track")
    found = {
        str(file.relative_to(package)) for file in package.rglob("*.py") if past.search(file.read_text())
    }
    here = {"names.py", "experiment/process.py", "experiment/experiment.py", "report/tables.py"}
    assert {file for file in found if not file.startswith("selection/")} == here


@pytest.mark.parametrize("name", ODD)
def test_tables_show_names_as_they_are(name: str) -> None:
    console = Console(width=200, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(table_of_rows(f"title {name}", {"pool": f"in {name}"}))
        print_next_commands(console, [command("semdd", name)])
        print_plain(console, f"line {name}")
    text = capture.get()
    for start in ("title", "line"):
        assert f"{start} {shown_message(name)}".splitlines()[0] in text
    assert "\x1b]" not in text
    assert "\x9b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(start: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": [f"{start}1+1/x.png", "cat/=.png"], "score": [-0.5, 1.0]})
    write_csv(tmp_path / "t.csv", table)
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["path"].tolist() == [cell(f"{start}1+1/x.png"), "cat/=.png"]
    assert read["path"][0][0] == "'"
    assert read["score"].tolist() == [-0.5, 1.0]


def test_a_selection_from_a_pool_of_odd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pool = Path("-[red]p\x1b[31m")
    for c, folder in enumerate(("=[/red]\x1b[2J", "$x^$ :dog:", "猫")):
        for i in range(2):
            write(pool / folder / f"{i}.png", c, i)
    (pool / "猫/\x1b[31m.png").write_text("no image")
    words = ["--ipc=1", "--prior=digits", "--sampler=two_stage", "--audit=warn", "--out", "[/bold] out"]
    assert main(["select", f"./{pool}", *words]) == 0
    assert main(["pool", "inspect", f"./{pool}"]) == 0
    said = capsys.readouterr()
    assert "\x1b[2J" not in said.out + said.err
    assert "\x1b[31m" not in said.out + said.err
    assert "semdd verify '[/bold] out'" in said.out
    again = next(line for line in said.out.splitlines() if "semdd select $'./-[red]p" in line)
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {again}"], capture_output=True, check=True)  # noqa: S607
    assert f"./{pool}".encode() in done.stdout.split(b"\0")
    assert (pd.read_csv("[/bold] out/chosen.csv")["class_name"].str[:2] == "'=").any()

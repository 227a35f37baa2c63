"""The files of a comparison: all that was measured is in them, and no name acts in any of their forms."""

from __future__ import annotations

import re
from typing import Any

import pytest

from semdd_lightning import Comparison
from semdd_lightning.report.comparison import print_report, report_files
from tests.evaluation.grids import cell, grid, runs
from tests.report.page_elements import Elements

HOSTILE = "=<script>alert(1)</script>|\\input{x}`$a_b$ & 50%\x1b[31m\n[x](javascript:y)"
COMMAND = ("semdd", "compare", "--config", HOSTILE)


@pytest.fixture(scope="module")
def hostile() -> dict[str, str]:
    """Files of a comparison whose every name and error is such a text."""
    axes: dict[str, Any] = {"pool": HOSTILE, "student": HOSTILE, "protocol": HOSTILE, "prior": HOSTILE}
    cells = [
        *runs({HOSTILE: [0.4, 0.5], "random": [0.3, 0.2]}, **axes),
        *runs({"random": [0.4]}),
        cell(
            HOSTILE,
            7,
            state="failed",
            error=f"Expected {HOSTILE}",
            directory="x:y/../javascript:alert(1)",
            **axes,
        ),
    ]
    place = (HOSTILE, HOSTILE, 10, HOSTILE, HOSTILE, "hard")  # of `SLICE`
    pages = {run.directory: f"{run.directory}/report.html" for run in cells}
    return report_files(Comparison(cells, COMMAND), "random", {place: [HOSTILE]}, pages)


def test_no_name_becomes_markup(hostile: dict[str, str]) -> None:
    page = Elements(hostile["report.html"])
    names = [tag for tag, _ in page.tags]
    assert not {"script", "img", "iframe", "object", "form"} & set(names)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", hostile["report.html"].replace("\n", ""))
    references = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in ("href", "src")
    ]
    assert all(str(value).startswith(("./", "#", "data:,")) for value in references)
    assert not re.search(r"https?://|@import|url\((?!#)", hostile["report.html"])
    (policy,) = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert str(policy).startswith("default-src 'none'")
    assert any("<script>alert(1)</script>" in text for text in page.texts)


def test_ids_of_the_page_are_its_own_and_every_reference_has_one(hostile: dict[str, str]) -> None:
    page = Elements(hostile["report.html"])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', hostile["report.html"])
    used += [value for _, attributes in page.tags if (value := attributes.get("aria-labelledby"))]
    assert set(used) <= set(ids)
    assert len(set(used)) > 5


def test_tables_can_be_read_by_ear(hostile: dict[str, str]) -> None:
    page = Elements(hostile["report.html"])
    names = [tag for tag, _ in page.tags]
    assert names.count("caption") == names.count("table") > 3
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert pictures
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert ("html", {"lang": "en"}) in page.tags


def test_a_name_ends_no_cell_of_markdown_and_no_line(hostile: dict[str, str]) -> None:
    rows = [line for line in hostile["comparison.md"].splitlines() if line.startswith("|")]
    bare = [re.sub(r"\\.", "", row) for row in rows]
    assert not any(letter in row for row in bare for letter in "<>`*_[]$&")
    tables = "\n".join(bare).split("|:--")
    assert len(tables) > 3
    widths = {row.count("|") for row in bare}
    by_rule = [row.count("|") for row in bare if row.startswith("|:--")]
    assert widths == set(by_rule)


def test_a_name_is_no_command_of_latex(hostile: dict[str, str]) -> None:
    text = hostile["comparison.tex"]
    own = {"begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "usepackage", "pm"}
    escapes = {"textbackslash", "textless", "textgreater", "textbar"}
    made_by, *rest = [line for line in text.splitlines() if not line.startswith("% needs")]
    assert made_by.startswith("% made by: semdd compare")
    body = "\n".join(rest)
    assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= own | escapes
    bare = re.sub(r"\\\\|\\[&%$#_{}]", "", body)
    assert bare.count("{") == bare.count("}")
    assert "#" not in bare
    assert not re.search(r"(?<!\\)%", bare)
    assert all(line.endswith(r"\\") for line in rest if " & " in re.sub(r"\\&", "", line))


def test_all_that_was_measured_is_in_every_form(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    found = Comparison(
        [*grid(2), cell("late", 0, state="failed", error="Expected memory, found none.")], COMMAND
    )
    print_report(found, "random", {})
    forms = report_files(found, "random", {}, {}) | {"terminal": capsys.readouterr().out}
    row = found.table().query(
        "pool == 'woof' and ipc == 10 and student == 'resnet18' and sampler == 'two_stage'"
    )
    for name, text in forms.items():
        for number in (*row["top1_mean"], *row["top5_mean"]):
            assert f"{100 * number:.2f}" in text, name
        for words in ("verdict", "Spearman", "Kendall", "train s", "peak memory", "images per class", "won"):
            assert words in text, (name, words)
        of_files = name not in ("comparison.tex", "terminal")  # where there are scores or nothing
        assert ("LRS needs real" in text) == of_files, name
        assert "Expected memory, found none." in text
    assert "soft labels (online)" in forms["comparison.md"]


@pytest.mark.parametrize("width", [40, 80, 120, 250])
def test_a_terminal_shows_a_row_a_sampler_and_cuts_nothing(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    found = Comparison(runs({"random": (0.1, 0.2), "two_stage_classic": (0.2, 0.1)}))
    print_report(found, "random", {})
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    assert all(len(line) <= width for line in rows)
    assert any("two_stage_classic" in line for line in rows)
    assert any("Wider terminals" in line for line in lines) == (width < 108)


def test_a_comparison_without_a_finished_run_has_reports_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = Comparison([cell("random", 0)])
    print_report(found, "random", {})
    assert "Failed runs" in capsys.readouterr().out
    assert "1 of 1 runs wait" in report_files(found, "random", {}, {})["comparison.md"]

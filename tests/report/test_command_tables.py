"""What stands on the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from semdd_lightning.audit.table import print_audit
from semdd_lightning.pools.inspection import PoolInspection
from semdd_lightning.report import (
    print_label_table,
    print_run_table,
    print_selection_table,
    statistics_record,
)
from semdd_lightning.report.command_tables import (
    changes_in_words,
    pool_rows,
    print_pool_table,
)
from semdd_lightning.report.comparison import Comparison, print_report
from tests.evaluation.grids import runs

REPORT: dict[str, dict[str, float | None]] = {
    "pool": {"num_images": 60.0, "zero_shot_accuracy": 0.75, "mean_margin": None, "coverage": 1.0},
    "selection": {"num_images": 20.0, "zero_shot_accuracy": 1.0, "mean_margin": None, "coverage": 0.8125},
}


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run_result(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - entries of a result
    result: dict[str, Any] = {
        "command": "fit",
        "configs": ["quickstart.yaml", "mine.yaml"],
        "directory": "/runs/quickstart/now",
        "sampler": "two_stage",
        "ipc": 2,
        "passes": 300,
        "student": "conv3",
        "metrics": {"test_top1": 0.91234, "val_top5": 0.5, "train_loss": 0.01234},
        "evaluated": {"test": 1896, "validation": 7},
        "measured": {"test": "after the last pass", "validation": "after pass 2 of 3"},
        "cut_short": [],
        "encoded": 60,
        "seconds": {"embed": 1.23, "train": 4.56},
        "selection": REPORT,
    }
    return result | changes


def cells(text: str) -> dict[str, str]:
    """First column -> rest of each row of printed tables."""
    rows = [line.strip("│┃ ").replace("┃", "│") for line in text.splitlines() if line[:1] in "│┃"]
    return {row.partition("│")[0].strip(): row.partition("│")[2].strip() for row in rows}


@pytest.mark.parametrize("columns", ["40", "20"])
def test_a_narrow_terminal_folds_and_cuts_nothing(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    long = "/a/path/without/any/blank/" + 40 * "x"
    compared = Comparison(runs({"random": [0.5, 0.6], long: [0.4, 0.3]}))
    folder = {"folder": long, "class": "a", "suspected_class": "b", "verdict": "suspect"}
    numbers = {"agreement": 0.123, "reference_agreement": 0.9, "share": 0.5}
    audited = {"verdict": "warn", "prior_knows_classes": True, "other_order": False, "order": []}
    audited |= {"folders": [folder | numbers], "images": [], "near_constant": [], "duplicates": []}
    audited |= {"leaked": None, "unusable": {}, "images_audited": 3, "pool": long}
    print_run_table(run_result(directory=long), [f"semdd verify {long}"])
    print_selection_table("semdd select", {"written to": long}, REPORT, [])
    print_label_table("semdd relabel", {"written to": long}, [(long, 123_456_789)])
    print_report(compared, "random", {})
    print_audit(audited, None, Path(long), [])
    text = capsys.readouterr().out
    assert "…" not in text
    assert "..." not in text
    assert text.count("x") - text.count("excluded") >= 7 * 40, "no name lost a letter"


def test_a_run_by_a_peers_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    best = {"top1": 0.9234, "after_pass": 250, "evaluations": 6}
    quirks = ["statistics_twice", "best_of_6"]
    print_run_table(run_result(protocol="rded", best=best, quirks=quirks), [])
    rows = cells(capsys.readouterr().out)
    assert rows["protocol"] == "rded"
    assert rows["test top-1"].startswith("91.23% after the last pass"), "the headline stays"
    assert rows["best test top-1"].startswith("92.34% after pass 250, the highest of 6 tests")
    assert rows["reference habits"] == "statistics_twice, best_of_6"


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"kind": "hard"}, "hard"),
        ({"kind": "online"}, "soft, online"),
        ({"kind": "static"}, "soft, static"),
        (
            {"kind": "stored", "static": False, "format": "int8, all", "passes": 1200, "bytes": 2048},
            "soft, stored: 1,200 passes, int8, all, 2.00 KiB",
        ),
        (
            {"kind": "stored", "static": True, "format": "fp16, all", "passes": 1, "bytes": 20},
            "soft, stored: one per image, fp16, all, 20 B",
        ),
    ],
)
def test_what_a_student_learnt_from(
    labels: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_run_table(run_result(labels=labels), [])
    assert cells(capsys.readouterr().out)["labels"] == words


def test_what_was_changed_of_a_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    best = [{"class_path": "semdd_lightning.training.BestOfEvaluations", "init_args": {"every": 10}}]
    changes: list[dict[str, Any]] = [
        {"option": "data.passes", "protocol": 300, "used": 60},
        {"option": "trainer.callbacks", "protocol": best, "used": None},
        {"option": "data.batch_size", "protocol": None, "used": 40},
    ]
    print_run_table(run_result(protocol="rded", protocol_changes=changes), [])
    best_left_out = "trainer.callbacks none, not BestOfEvaluations"
    expected = f"data.passes 60, not 300; {best_left_out}; data.batch_size 40, not none"
    assert cells(capsys.readouterr().out)["unlike the protocol"] == expected
    assert changes_in_words(2 * changes).endswith("data.passes 60, not 300; 2 more, see result.json")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"moved_folders": 3}, "3 of its folders hold another class; `semdd audit` shows them"),
        (
            {"suspect_folders": 1, "moved_folders": 2},
            "2 of its folders hold another class, 1 of its folders are",
        ),
        ({"prior_knows_classes": False}, "CLIP does not tell them apart; `semdd audit` shows them"),
    ],
)
def test_a_pool_that_is_not_sound(
    capsys: pytest.CaptureFixture[str], found: dict[str, Any], said: str
) -> None:
    sound = {"verdict": "pass", "prior_knows_classes": True, "moved_folders": 0, "suspect_folders": 0}
    print_run_table(run_result(audit={**sound, **found, "verdict": "warn"}), [])
    assert cells(capsys.readouterr().out)["classes of the pool"].startswith(said)
    print_run_table(run_result(audit=sound), [])
    assert "classes of the pool" not in cells(capsys.readouterr().out)


def test_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    print_run_table(run_result(), ["semdd verify /runs/quickstart/now"])
    text = capsys.readouterr().out
    rows = cells(text)
    assert "semdd fit: quickstart.yaml + mine.yaml" in text
    assert rows["test top-1"] == "91.23% after the last pass on 1,896 images"
    assert rows["validation top-5"] == "50.00% after pass 2 of 3 on 7 images"
    assert "no full run" not in rows
    assert rows["training loss"] == "0.0123"
    assert rows["encoded by CLIP"] == "60 images now, any others came from the cache"
    assert rows["seconds"] == "embed 1.2, train 4.6"
    assert rows["run directory"] == "/runs/quickstart/now"
    assert rows["coverage"].split() == ["1.0000", "│", "0.8125"]
    assert "margin" not in rows, "what no subset has is left out"
    assert text.endswith("Next:\n  semdd verify /runs/quickstart/now\n")


def test_a_run_that_was_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    found = ["trained 1 of 4 steps", "tested on 7 of 9 images"]
    print_run_table(run_result(cut_short=found, measured={}), [])
    rows = cells(capsys.readouterr().out)
    assert rows["no full run"] == "trained 1 of 4 steps; tested on 7 of 9 images"
    assert rows["test top-1"] == "91.23% on 1,896 images", "nobody knows of what student"


def test_a_run_without_selection_and_next_commands(capsys: pytest.CaptureFixture[str]) -> None:
    nothing: dict[str, Any] = {
        "sampler": None,
        "ipc": None,
        "passes": None,
        "encoded": None,
        "selection": {},
        "seconds": {},
    }
    print_run_table(run_result(command="test", **nothing), [])
    text = capsys.readouterr().out
    assert not {"sampler", "images per class", "passes", "encoded by CLIP", "seconds"} & cells(text).keys()
    assert "Next:" not in text
    assert "bought" not in text


def test_a_selection(capsys: pytest.CaptureFixture[str]) -> None:
    long = "semdd verify " + "deep/" * 40
    print_selection_table("semdd select", {"images": "/pool: 60 usable"}, REPORT, [long])
    text = capsys.readouterr().out
    assert cells(text)["images"] == "/pool: 60 usable"
    assert f"  {long}\n" in text, "a command stays in one piece"


def test_a_report_as_plain_numbers() -> None:
    report = pd.DataFrame({"num_images": [60, 20], "mean_margin": [float("nan"), 0.5]}, index=["pool", "x"])
    assert statistics_record(report) == {
        "pool": {"num_images": 60.0, "mean_margin": None},
        "x": {"num_images": 20.0, "mean_margin": 0.5},
    }


def test_rows_costs_and_commands_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_label_table("labels", {"images": "12"}, [("fp16", 2048)], ["semdd fit"])
    text = " ".join(capsys.readouterr().out.split())
    assert "images │ 12" in text
    assert "fp16 │ 2,048 │ 2.00 KiB" in text
    assert text.endswith("Next: semdd fit")


FOUND = PoolInspection(
    path="/data/pool [old]",
    layout="d4m",
    evidence="7 class folders with images as 0/0-image00.png",
    begins_in="/data/pool [old]/ipc10",
    reader="semdd_lightning.pools.ClassFolders",
    class_names=("cat", "dog", "eel", "fox", "gnu", "hen", "ibex"),
    class_folders=("0", "1", "eel", "3", "4", "5", "6"),
    images_per_class=(9, 10, 10, 10, 10, 4, 1200),
    image_sizes={"64 x 64": 1250, "64 x 63": 3},
    formats={".png": 1252, "": 1},
    unreadable={f"0/{i}.png": "unreadable: empty file" for i in range(6)},
    duplicates={"1/b.png": "1/a.png"},
    in_several_classes=2,
    near_constant=("3/white.png",),
    bytes=5 * 2**30,
    fingerprint="f" * 64,
)


def test_rows_say_what_was_found() -> None:
    assert pool_rows(FOUND) == {
        "layout": "d4m: 7 class folders with images as 0/0-image00.png",
        "begins in": "/data/pool [old]/ipc10",
        "read by": "semdd_lightning.pools.ClassFolders",
        "classes": "7: cat (0), dog (1), eel, fox (3), gnu (4) and 2 more",
        "usable images": "1,253",
        "images per class": "4 at least, median 10, 1,200 at most",
        "fewer than the median": "5: 4, 0: 9",
        "image sizes": "64 x 64: 1,250, 64 x 63: 3",
        "formats": ".png: 1,252, no ending: 1",
        "bytes": "5.00 GiB",
        "unreadable": "6\n"
        + "".join(f"0/{i}.png: unreadable: empty file\n" for i in range(5))
        + "and 1 more",
        "exact duplicates": "1\n1/b.png of 1/a.png",
        "in several classes": "2",
        "nearly constant": "1\n3/white.png",
    }


def test_rows_of_a_pool_without_faults() -> None:
    clean = replace(
        FOUND,
        begins_in=FOUND.path,
        images_per_class=(3,) * 7,
        unreadable={},
        duplicates={},
        in_several_classes=0,
        near_constant=(),
    )
    rows = pool_rows(clean)
    assert "begins in" not in rows
    assert "fewer than the median" not in rows
    assert [
        rows[name] for name in ("unreadable", "exact duplicates", "in several classes", "nearly constant")
    ] == (["none"] * 4)


def test_the_table_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    print_pool_table(FOUND, ["semdd select 'pool [old]' --ipc 2"], "  data:\n    path: x [y]")
    text = capsys.readouterr().out
    assert "semdd pool inspect: /data/pool [old]" in text
    assert "\nNext:\n  semdd select 'pool [old]' --ipc 2\n" in text
    assert text.endswith("In a config:\n  data:\n    path: x [y]\n")

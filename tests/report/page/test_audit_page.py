"""The page of an audit: faulty folders beside what they resemble, duplicates and leaks side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from semdd_lightning.names import shown
from semdd_lightning.report.page.audit_page import BESIDE, IN_FOLDER, PAIRS, write_audit_page
from tests.report.page.browsing import Opened, needs_chromium
from tests.report.page.selected import FOLDERS, Selected


def folder(name: str, verdict: str) -> dict[str, Any]:
    return {
        "folder": name,
        "class": name,
        "agreement": 0.5,
        "reference_agreement": 0.9,
        "suspected_class": FOLDERS[1],
        "share": 0.4,
        "verdict": verdict,
    }


def pairs(count: int, shift: int) -> pd.DataFrame:
    rows = [(i, i + shift, i % 2 == 1, i == 0) for i in range(count)]
    return pd.DataFrame(rows, columns=["first", "second", "mirrored", "identical"])


@pytest.fixture(scope="module")
def page(selected: Selected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with one suspect folder, two strays, two pairs, one leak and a flat image."""
    pool = selected.pool
    record = {
        "pool": "</script><b>",
        "verdict": "warn",
        "folders": [folder(FOLDERS[2], "suspect"), folder(FOLDERS[0], "ok"), folder(FOLDERS[1], "ok")],
        "order": [{"voters": ["text", "<i>"], "accuracy": 0.5, "best_accuracy": 0.75, "moved_folders": 2}],
        "images": [],
        "near_constant": [pool.paths[7]],
        "unusable": {"plain/broken.png": "unreadable: <no> image"},
    }
    strays = {pool.paths[90]: 1, pool.paths[3]: 1}
    return write_audit_page(
        tmp_path_factory.mktemp("audit") / "report.html",
        record,
        pool,
        strays,
        pairs(PAIRS + 1, 1).assign(first=10, second=11),
        said="go on with <open> eyes",
        problem="Expected <x>\nfound y",
        made_by="semdd audit '<pool>'",
        test=pool,
        leaked=pairs(2, 40),
    )


@needs_chromium
def test_all_that_is_wrong_is_shown(page: Path, opened_page: Opened, selected: Selected) -> None:
    paths = [shown(path) for path in selected.pool.paths]
    opened_page.open(page)
    groups = opened_page.groups()
    suspect, beside, in_first, in_last, duplicates, leaked, flat = groups
    assert suspect[0] == f"plain (plain), suspect: 40% like {FOLDERS[1]}"
    assert suspect[1][0] == [paths[90]], "what looks like the other class leads"
    assert len(suspect[1]) == IN_FOLDER
    assert {path for (path,) in suspect[1]} <= {path for path in paths if path.startswith("plain/")}
    assert beside[0].endswith(f"the folder of {FOLDERS[1]}")
    assert len(beside[1]) == BESIDE
    assert [rows for _, rows in (in_first, in_last)] == [
        [[f"{paths[3]}; looks like {FOLDERS[1]}"]],
        [[f"{paths[90]}; looks like {FOLDERS[1]}"]],
    ]
    assert len(duplicates[1]) == PAIRS
    assert duplicates[1][:2] == [
        [paths[10], f"{paths[11]}; the same bytes"],
        [paths[10], f"{paths[11]}; mirrored"],
    ]
    assert leaked[1][1] == [f"{paths[1]}; in the pool", f"{paths[41]}; in the test set; mirrored"]
    assert flat[1] == [[paths[7]]]
    assert opened_page.said == []
    assert opened_page.abroad() == []


def test_the_file_says_what_was_found_and_no_name_acts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//cdn|@import", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert set(json.loads(data)["parts"]) == {"folders", "strays", "duplicates", "leaked", "flat"}
    for said in (
        "Audit of &lt;/script&gt;&lt;b&gt;",
        "go on with &lt;open&gt; eyes",
        "Expected &lt;x&gt;\nfound y",
        "By text and &lt;i&gt;, 50.0% of the images look like the class of their folder; 75.0% in another",
        "All 3 folders",
        f"{PAIRS + 1} pairs; the {PAIRS} closest are shown",
        "unreadable: &lt;no&gt; image",
        "semdd audit &#x27;&lt;pool&gt;&#x27;",
    ):
        assert said in text, said

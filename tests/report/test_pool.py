from __future__ import annotations

from dataclasses import replace

import pytest

from semdd_lightning.pools.inspection import PoolInspection
from semdd_lightning.report.pool import pool_rows, print_pool_table

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
        "images a class": "4 at least, median 10, 1,200 at most",
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

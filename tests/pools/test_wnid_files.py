from __future__ import annotations

import os
from pathlib import Path

from semdd_lightning.pools.wnid_files import list_labelled_files


def test_files_in_path_order_with_their_stamps(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"22")
    (tmp_path / "a.png").write_bytes(b"333")
    listing = list_labelled_files(tmp_path, {"b.png": 4, "a.png": 7})
    assert list(listing.paths) == ["a.png", "b.png"]
    assert listing.labels.tolist() == [7, 4]
    assert listing.stamps[:, 0].tolist() == [3, 2]
    assert listing.stamps[0, 1] == (tmp_path / "a.png").stat().st_mtime_ns
    assert listing.problems == {}
    assert [listing.source.read(row) for row in range(2)] == [b"333", b"22"]


def test_what_is_no_file_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # reading it would never end
    (tmp_path / "folder.png").mkdir()
    listing = list_labelled_files(tmp_path, dict.fromkeys(("pipe.png", "folder.png", "gone.png"), 0))
    assert listing.problems == dict.fromkeys(range(3), "unreadable: not a regular file")

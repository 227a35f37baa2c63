from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import DiskError
from semdd_lightning.pools import ClassFolders, index_cache
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.listing import FileSource
from tests.pools.index_cache.changing_pools import Reads, described, index_file, index_table, modify, write


def test_nothing_is_read_twice(root: Path, reads: Reads) -> None:
    shutil.copy(root / "cat/0.bmp", root / "cat/again.bmp")
    (root / "dog/empty.png").touch()
    (root / "dog/page.png").write_text("<html></html>")
    (root / "dog/dangling.png").symlink_to("nowhere")
    first = ClassFolders(root).read()
    assert len(reads) == 11, "all but the link"
    assert len(first.excluded) == 4
    reads.clear()
    assert described(ClassFolders(root).read()) == described(first)
    assert reads == []


def test_a_changed_file_of_the_same_size_is_read_again(root: Path, reads: Reads) -> None:
    first, size = ClassFolders(root).read(), (root / "cat/2.bmp").stat().st_size
    reads.clear()
    modify(root / "cat/2.bmp", seed=99)
    assert (root / "cat/2.bmp").stat().st_size == size
    second = ClassFolders(root).read()
    assert reads == ["cat/2.bmp"]
    assert second.fingerprint != first.fingerprint
    reads.clear()
    assert described(ClassFolders(root).read()) == described(second)
    assert reads == []


def test_a_file_whose_time_was_set_back_is_read_again(root: Path, reads: Reads) -> None:
    ClassFolders(root).read()
    reads.clear()
    stat = (root / "cat/2.bmp").stat()
    modify(root / "cat/2.bmp", seed=99)
    os.utime(root / "cat/2.bmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    ClassFolders(root).read()
    assert reads == ["cat/2.bmp"]


def test_a_touched_file_is_read_again_and_is_the_same(root: Path, reads: Reads) -> None:
    first = ClassFolders(root).read()
    reads.clear()
    os.utime(root / "dog/0.bmp", ns=(1, 1))
    assert described(ClassFolders(root).read()) == described(first)
    assert reads == ["dog/0.bmp"]


def test_new_files_are_read_and_vanished_ones_go(root: Path, reads: Reads, tmp_path: Path) -> None:
    ClassFolders(root).read()
    reads.clear()
    write(root / "cat/new.bmp", seed=50)
    (root / "dog/1.bmp").unlink()
    (root / "dog/2.bmp").rename(root / "cat/moved.bmp")
    pool = ClassFolders(root).read()
    assert reads == ["cat/moved.bmp", "cat/new.bmp"]
    assert list(pool.paths) == sorted(p.relative_to(root).as_posix() for p in root.rglob("*.bmp"))
    assert index_table(tmp_path)["path"].to_pylist() == list(pool.paths)
    (root / "dog/0.bmp").unlink()
    reads.clear()
    ClassFolders(root).read()
    assert reads == []
    assert len(index_table(tmp_path)) == len(pool) - 1


def test_a_bad_file_that_was_mended_is_read_again(root: Path, reads: Reads) -> None:
    (root / "cat/0.bmp").write_bytes(b"no image")
    assert len(ClassFolders(root).read().excluded) == 1
    modify(root / "cat/0.bmp", seed=0)
    assert ClassFolders(root).read().excluded == ()


def test_what_the_file_system_refused_is_asked_for_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    read = FileSource.read

    def refuse(source: FileSource, row: int) -> bytes:
        content = read(source, row)
        if source.paths[row] == "dog/3.bmp":
            raise OSError(5, "Input/output error")
        return content

    with monkeypatch.context() as context:
        context.setattr(FileSource, "read", refuse)
        (excluded,) = ClassFolders(root).read().excluded
        assert excluded.reason == "unreadable: Input/output error"
    reads.clear()
    assert ClassFolders(root).read().excluded == ()
    assert reads == ["dog/3.bmp"]


def test_files_that_were_modified_just_now_are_not_entered(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    monkeypatch.setattr(index_cache, "_RECENT_NS", 3_600 * 10**9)
    for _ in range(2):
        reads.clear()
        ClassFolders(root).read()
        assert len(reads) == 8
    monkeypatch.setattr(index_cache, "_RECENT_NS", 0)
    ClassFolders(root).read()
    reads.clear()
    os.utime(root / "cat/0.bmp", (time.time() + 3_600, time.time() + 3_600))  # by a clock that goes ahead
    for _ in range(2):
        ClassFolders(root).read()
    assert reads == ["cat/0.bmp"] * 2


def test_another_class_list_reads_nothing_again(root: Path, reads: Reads) -> None:
    both = ClassFolders(root).read()
    reads.clear()
    turned = ClassFolders(root, class_names=("dog", "cat")).read()
    assert turned.labels.tolist() == (1 - both.labels).tolist()
    assert turned.fingerprint == both.fingerprint
    assert reads == []


def test_folders_that_are_not_asked_for_now_stay_known(root: Path, reads: Reads, tmp_path: Path) -> None:
    both, dog = ClassRegistry(("cat", "dog"), ("cat", "dog")), ClassRegistry(("dog",), ("dog",))
    index_images(list_files(root, [("cat", 0), ("dog", 1)]), both)
    write(root / "dog/new.bmp", seed=70)
    reads.clear()
    pool = index_images(list_files(root, [("dog", 0)]), dog)
    assert (len(pool), reads) == (5, ["dog/new.bmp"])
    assert len(index_images(list_files(root, [("cat", 0), ("dog", 1)]), both)) == 9
    assert reads == ["dog/new.bmp"]
    shutil.rmtree(root / "cat")
    write(root / "dog/newer.bmp", seed=71)
    index_images(list_files(root, [("dog", 0)]), dog)
    assert len(index_table(tmp_path)) == 6, "the folder is gone, and so is what was known of it"


def test_sources_of_another_kind_or_recipe_have_another_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads, tmp_path: Path
) -> None:
    ClassFolders(root).read()
    monkeypatch.setattr(FileSource, "recipe", lambda _: "another normalisation")
    reads.clear()
    ClassFolders(root).read()
    assert len(reads) == 8
    assert len(list((tmp_path / ".default-cache/index").iterdir())) == 2


def test_the_cache_lies_where_it_is_asked_to(root: Path, reads: Reads, tmp_path: Path) -> None:
    ClassFolders(root).read(tmp_path / "own")
    assert len(list((tmp_path / "own/index").glob("*.index"))) == 1
    assert not (tmp_path / ".default-cache").exists()


def test_a_cache_that_cannot_be_written_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, _: bytes) -> None:
        msg = f"Expected to write {path}, found a full disk."
        raise DiskError(msg)

    monkeypatch.setattr(index_cache, "write_sealed", refuse)
    with caplog.at_level(logging.WARNING):
        assert len(ClassFolders(root).read()) == 8
    assert "will have to be found again: Expected to write" in caplog.text


def test_what_a_listing_says_of_an_image_is_not_kept(root: Path, reads: Reads) -> None:
    reader = ClassFolders(root)
    listing, registry = reader.listing(), reader.registry()
    spoiled = replace(listing, problems={2: "unreadable: no label"})
    assert [image.path for image in index_images(spoiled, registry).excluded] == ["cat/2.bmp"]
    reads.clear()
    assert index_images(listing, registry).excluded == ()
    assert reads == ["cat/2.bmp"]
    assert [image.path for image in index_images(spoiled, registry).excluded] == ["cat/2.bmp"]


def test_nothing_is_written_where_nothing_is_new(root: Path, tmp_path: Path) -> None:
    ClassFolders(root).read()
    before = index_file(tmp_path).stat()
    ClassFolders(root).read()
    after = index_file(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_stamps_that_tell_no_time_are_never_believed(root: Path, reads: Reads) -> None:
    reader = ClassFolders(root)
    listing = replace(reader.listing(), stamps=np.zeros((8, 3), dtype=np.int64))
    for _ in range(2):
        reads.clear()
        index_images(listing, reader.registry())
        assert len(reads) == 8

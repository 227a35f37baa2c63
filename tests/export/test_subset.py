"""A selection as a folder: images under their own paths, a row for every pool image."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from semdd_lightning.data import PoolSelection, select, verify
from semdd_lightning.errors import DiskError, RunError
from semdd_lightning.export import (
    exported_images,
    read_manifest,
    read_selection,
    read_table,
    selection_table,
)
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.pools.strings import Strings
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.records import write_record


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, tiny_clip_dir: Path) -> PoolSelection:
    """Two of three images per class, some in folders of folders; beside them a duplicate and a broken one."""
    root = tmp_path_factory.mktemp("pool")
    generator = np.random.default_rng(0)
    for path in ("cat/a.png", "cat/deep/er/b.png", "cat/c.png", "dog/a.png", "dog/x/b.png", "dog/x/c.png"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / path)
    shutil.copy(root / "cat/a.png", root / "cat/z.png")
    (root / "dog/broken.png").write_bytes(b"no image")
    cache = tmp_path_factory.mktemp("cache")
    return select(ClassFolders(root), OpenClipPrior(str(tiny_clip_dir)), 2, cache_dir=cache)


def test_images_keep_their_relative_paths(chosen: PoolSelection, tmp_path: Path) -> None:
    out = chosen.export(tmp_path / "out")
    manifest = read_manifest(out)
    assert manifest == chosen.manifest
    found = sorted(path.relative_to(out / "images").as_posix() for path in out.rglob("*.png"))
    assert found == sorted(manifest.paths)
    assert len(found) == 4
    assert any(path.count("/") > 1 for path in found)
    for path, file in exported_images(out, manifest):
        assert file.read_bytes() == (chosen.pool.root / path).read_bytes()


def test_a_selection_is_read_back_as_it_was_made(chosen: PoolSelection, tmp_path: Path) -> None:
    out = chosen.export(tmp_path / "out")
    again = read_selection(out)
    assert again.digest == chosen.selection.digest
    assert torch.equal(again.indices, chosen.selection.indices)
    pd.testing.assert_frame_equal(
        again.to_frame(), chosen.selection.to_frame(), check_dtype=False, check_categorical=False
    )


def test_a_table_of_another_selection_is_refused(chosen: PoolSelection, tmp_path: Path) -> None:
    out = chosen.export(tmp_path / "out")
    table = read_table(out)
    table["step"] = 3 - table["step"]
    table.to_parquet(out / "scores.parquet", index=False)
    with pytest.raises(RunError, match="found that it was changed since it was written"):
        read_table(out)
    write_record(out / "manifest.json", asdict(chosen.manifest))  # as version 0.1 did, without its digest
    with pytest.raises(RunError, match="to belong to its manifest, found another"):
        read_selection(out)
    for broken in (b"", b"PAR1", (out / "scores.parquet").read_bytes()[:-9]):
        (out / "scores.parquet").write_bytes(broken)
        with pytest.raises(RunError, match=r"Expected the scores of a selection in .*; make the selection"):
            read_table(out)
    table.drop(columns="stage").to_parquet(out / "scores.parquet", index=False)
    with pytest.raises(RunError, match="found no column stage"):
        read_table(out)


def test_every_file_of_the_pool_has_a_row_and_a_reason(chosen: PoolSelection, tmp_path: Path) -> None:
    table = read_table(chosen.export(tmp_path / "out"))
    assert len(table) == 8
    excluded = table[table["stage"] == "excluded"].set_index("path")
    assert excluded.loc["cat/z.png", "reason"] == "duplicate of cat/a.png"
    assert str(excluded.loc["dog/broken.png", "reason"]).startswith("unreadable: ")
    assert excluded["class_name"].tolist() == ["cat", "dog"]
    assert not excluded["candidate"].any()
    assert table["reason"].str.len().gt(0).all()
    assert (table["stage"] == "selected").sum() == 4
    assert table["label"].tolist() == [0, 0, 0, 1, 1, 1, 0, 1]


def test_the_table_on_disk_is_the_table(chosen: PoolSelection, tmp_path: Path) -> None:
    written = read_table(chosen.export(tmp_path / "out"))
    table = selection_table(chosen.pool, chosen.selection)
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    assert written["candidate"].dtype == bool


def test_chosen_images_stand_in_pick_order(chosen: PoolSelection, tmp_path: Path) -> None:
    out = chosen.export(tmp_path / "out")
    picked = pd.read_csv(out / "chosen.csv")
    assert picked["path"].tolist() == list(chosen.manifest.paths)
    assert picked["step"].tolist() == [1, 2, 1, 2]
    report = pd.read_csv(out / "report.csv", index_col="set")
    assert report.index.tolist() == ["pool", "candidates", "selection", "random"]
    by_class = pd.read_csv(out / "report_by_class.csv")
    assert by_class["class_name"].tolist() == ["cat", "dog"] * 4
    assert by_class["set"].unique().tolist() == report.index.tolist()
    assert by_class.groupby("set")["num_images"].sum().to_dict() == report["num_images"].to_dict()


def test_a_pool_without_excluded_files_has_no_extra_rows(chosen: PoolSelection) -> None:
    table = selection_table(replace(chosen.pool, excluded=()), chosen.selection)
    assert len(table) == 6


def test_a_run_keeps_its_subset_in_a_folder(chosen: PoolSelection, tmp_path: Path) -> None:
    chosen.export(tmp_path / "subset")
    assert read_manifest(tmp_path) == chosen.manifest
    assert len(read_table(tmp_path)) == 8
    assert all(file.is_file() for _, file in exported_images(tmp_path, chosen.manifest))


def test_links_are_the_same_files(chosen: PoolSelection, tmp_path: Path) -> None:
    linked = chosen.export(tmp_path / "linked", link=True)
    copied = chosen.export(tmp_path / "copied")
    for path in chosen.manifest.paths:
        assert (linked / "images" / path).samefile(chosen.pool.root / path)
        assert not (copied / "images" / path).samefile(chosen.pool.root / path)


def _in_parts(chosen: PoolSelection) -> PoolSelection:
    """The same images in a layout whose paths begin with another folder, and which are no files."""
    pool, manifest = chosen.pool, chosen.manifest
    paths = Strings(f"part_0/{path}" for path in pool.paths)
    pool = replace(pool, paths=paths, source=_Packed(pool.source))
    manifest = replace(manifest, paths=tuple(f"part_0/{path}" for path in manifest.paths))
    return replace(chosen, pool=pool, manifest=manifest)


class _Packed(ImageSource):
    """What another source holds, but not as files."""

    def __init__(self, source: ImageSource) -> None:
        self.read = source.read  # type: ignore[method-assign]

    def read(self, row: int) -> bytes:
        raise NotImplementedError


@pytest.mark.parametrize("link", [True, False])
def test_an_export_always_has_class_folders(chosen: PoolSelection, tmp_path: Path, link: bool) -> None:
    packed = _in_parts(chosen)
    out = packed.export(tmp_path / "out", link=link)
    found = sorted(path.relative_to(out / "images").as_posix() for path in out.rglob("*.png"))
    folders = [chosen.manifest.class_folders[label] for label in chosen.manifest.labels]
    assert found == sorted(
        f"{folder}/{path}" for folder, path in zip(folders, packed.manifest.paths, strict=True)
    )
    exported = exported_images(out, read_manifest(out))
    assert [path for path, _ in exported] == packed.paths == list(packed.manifest.paths)
    for path, file in exported:
        assert file.read_bytes() == packed.pool.read(packed.pool.find(path))
    again = ClassFolders(out / "images").read()
    assert again.registry.folders == chosen.pool.registry.folders
    assert np.bincount(again.labels).tolist() == [2, 2]


def test_folders_that_mean_another_class_are_named_by_their_class(
    chosen: PoolSelection, tmp_path: Path, tiny_clip_dir: Path
) -> None:
    (tmp_path / "map.csv").write_text("name,folder\ncat,dog\ndog,cat\n")
    reader = ClassFolders(chosen.pool.root, tmp_path / "map.csv")
    swapped = select(reader, OpenClipPrior(str(tiny_clip_dir)), 2, cache_dir=tmp_path / "cache")
    out = swapped.export(tmp_path / "out")
    assert swapped.manifest.class_folders == ("dog", "cat")
    exported = ClassFolders(out / "images").read()
    for path, label in zip(exported.paths, exported.labels.tolist(), strict=True):
        folder, _, rest = path.partition("/")
        in_pool = chosen.pool.root / {"cat": "dog", "dog": "cat"}[folder] / rest
        assert folder == ("cat", "dog")[label]
        assert exported.read(exported.find(path)) == in_pool.read_bytes()
    assert len(exported) == 4
    assert verify(out).differences == []
    next(out.rglob("*.png")).unlink()
    assert len(verify(out).differences) == 1


def test_two_images_of_one_name_are_refused(chosen: PoolSelection, tmp_path: Path) -> None:
    first, second = (int(i) for i in chosen.selection.indices[:2])
    paths = list(chosen.pool.paths)
    paths[first], paths[second] = "cat/a.png", "a.png"
    pool = replace(chosen.pool, paths=Strings(paths))
    named = tuple(paths[i] for i in chosen.selection.indices.tolist())
    manifest = replace(chosen.manifest, paths=named)
    with pytest.raises(RunError, match=r"one image at .*images/cat/a\.png, found a second of that name"):
        replace(chosen, pool=pool, manifest=manifest).export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_where_links_are_impossible_images_are_copied(
    chosen: PoolSelection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", fail)
    out = chosen.export(tmp_path / "out", link=True)
    assert all(file.is_file() for _, file in exported_images(out, chosen.manifest))


def test_a_failure_midway_leaves_nothing(
    chosen: PoolSelection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(DiskError, match="out, found disk full"):
        chosen.export(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_refused(chosen: PoolSelection, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(RunError, match="nothing was overwritten"):
        chosen.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_no_table(chosen: PoolSelection, tmp_path: Path) -> None:
    write_record(tmp_path / "manifest.json", asdict(chosen.manifest))
    with pytest.raises(RunError, match=r"Expected scores\.parquet in .*found none"):
        read_table(tmp_path)


def test_the_manifest_names_what_was_chosen(chosen: PoolSelection) -> None:
    rows = chosen.selection.indices
    assert chosen.manifest.paths == tuple(chosen.pool.paths[i] for i in rows.tolist())
    assert torch.equal(torch.tensor(chosen.manifest.labels), torch.tensor([0, 0, 1, 1]))
    assert chosen.paths == list(chosen.manifest.paths)

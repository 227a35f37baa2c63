from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools.class_folders import MergedFolders, numbered_alike
from tests.layout_makers import MAKERS, PER_CLASS, WNIDS, shown_classes, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MGD3's two parts."""
    return MAKERS["mgd3"](tmp_path / "pool").path


def test_paths_begin_with_the_part(root: Path) -> None:
    pool = MergedFolders(root).read()
    expected = sorted(f"dataset_{k}/{w}/{i}.png" for k in range(2) for w in WNIDS for i in range(PER_CLASS))
    assert list(pool.paths) == expected
    assert pool.labels.tolist() == [WNIDS.index(path.split("/")[1]) for path in expected]
    assert pool.labels.tolist() == shown_classes(pool)
    assert pool.registry.folders == pool.registry.wnids == WNIDS
    assert pool.file(0) == root / expected[0]


def test_copies_in_several_parts_count_once(tmp_path: Path) -> None:
    made = MAKERS["merged_folders"](tmp_path / "pool")
    pool = MergedFolders(made.path).read()
    assert pool.counts().tolist() == [PER_CLASS] * 12
    assert {image.path: image.reason for image in pool.excluded} == {
        f"ipc10/{c}/{c}-image00.png": f"duplicate of ipc1/{c}/{c}-image00.png" for c in range(12)
    }


def test_a_class_list_orders_the_classes(root: Path) -> None:
    pool = MergedFolders(root, class_names=WNIDS[::-1]).read()
    assert pool.registry.folders == WNIDS[::-1]
    assert pool.labels[0] == len(WNIDS) - 1
    with pytest.raises(ClassListError, match="found 6 folders that do not fit"):
        MergedFolders(root, class_names=WNIDS[1:]).check()


def test_parts_are_counted_by_number_and_may_be_named(root: Path) -> None:
    shutil.copytree(root / "dataset_0", root / "dataset_10")
    shutil.copytree(root / "dataset_0", root / "extra")
    merged = MergedFolders(root).listing().paths
    assert {path.split("/")[0] for path in merged} == {"dataset_0", "dataset_1", "dataset_10"}
    chosen = MergedFolders(root, parts=("extra", "dataset_1"))
    assert {path.split("/")[0] for path in chosen.listing().paths} == {"extra", "dataset_1"}


def test_a_part_that_lacks_a_class_is_named(root: Path) -> None:
    shutil.rmtree(root / "dataset_1" / WNIDS[2])
    write(root / "dataset_1/extra/1.png", 0, 0)
    message = f"'dataset_0' lacks 'extra'; 'dataset_1' lacks '{WNIDS[2]}'"
    with pytest.raises(PoolError, match=f"the same class folders, found that {message}"):
        MergedFolders(root).check()


def test_an_empty_class_folder_is_named(root: Path) -> None:
    shutil.rmtree(root / "dataset_1" / WNIDS[2])
    (root / "dataset_1" / WNIDS[2]).mkdir()
    with pytest.raises(PoolError, match=rf"class folder '{WNIDS[2]}' of .*dataset_1 to hold image files"):
        MergedFolders(root).check()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("dataset_0", "dataset_7"), "found no folder 'dataset_7'"),
        (("dataset_0", "dataset_0"), "each once, found"),
        ((), r"each once, found \(\)"),
        (("../pool/dataset_0",), "found no folder '../pool/dataset_0'"),
    ],
)
def test_parts_that_are_none(root: Path, parts: tuple[str, ...], message: str) -> None:
    with pytest.raises(PoolError, match=message):
        MergedFolders(root, parts=parts).check()


def test_nothing_to_merge(tmp_path: Path) -> None:
    write(tmp_path / "cat/1.png", 0, 0)
    with pytest.raises(PoolError, match=r"whose names differ in a number, .*found 'cat'; name the parts"):
        MergedFolders(tmp_path).check()
    with pytest.raises(PoolError, match="found a file"):
        MergedFolders(tmp_path / "cat/1.png").check()


def test_the_prefix_of_most_names_counts() -> None:
    assert numbered_alike(["run2", "ipc10", "ipc1", "ipc"]) == ("ipc1", "ipc10")
    assert numbered_alike(["a", "b"]) == ()

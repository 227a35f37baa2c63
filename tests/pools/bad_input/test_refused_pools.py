"""Pools that are refused as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.webdataset import TarShards
from tests.pools.tar_makers import noise, write_samples, write_tar

Method = Callable[[ClassFolders], object]


@pytest.mark.parametrize("run", [ClassFolders.check, ClassFolders.read])
@pytest.mark.parametrize("leftover", [None, "log.txt", ".hidden.png", "deep/notes.txt"])
def test_an_empty_class_folder(root: Path, run: Method, leftover: str | None) -> None:
    (root / "eel").mkdir()
    if leftover is not None:
        (root / "eel" / leftover).parent.mkdir(exist_ok=True)
        (root / "eel" / leftover).touch()
    with pytest.raises(PoolError, match=r"class folder 'eel' of .* to hold image files, found none; add"):
        run(ClassFolders(root))


@pytest.mark.parametrize("run", [ClassFolders.check, ClassFolders.read])
def test_two_folders_that_map_to_one_class(root: Path, run: Method) -> None:
    try:
        (root / "Cat").mkdir()
    except FileExistsError:
        pytest.skip("this file system folds case")
    (root / "Cat/good.png").write_bytes(noise(7))
    with pytest.raises(ClassListError, match=r"folders 'Cat' and 'cat' both mean class 'cat'"):
        run(ClassFolders(root, class_names=("cat", "dog")))
    for folder, number in (("cat", "1"), ("dog", "01"), ("Cat", "2")):
        (root / folder).rename(root / number)
    with pytest.raises(ClassListError, match=r"found '01' and '1' for class 1; merge them"):
        run(ClassFolders(root))


@pytest.mark.parametrize("run", [TarShards.check, TarShards.read])
@pytest.mark.parametrize(
    ("label", "message"),
    [(3, "labels from 0 to 2 in .*, found '3'"), (-1, "labels from 0 on in .*, found -1")],
)
def test_labels_out_of_range(
    tmp_path: Path, run: Callable[[TarShards], object], label: int, message: str
) -> None:
    shard = write_samples(tmp_path / "x.tar", {"0": 0, "1": 1, "2": 2, "3": label})
    with pytest.raises((ClassListError, PoolError), match=message):
        run(TarShards(shard, class_names=("cat", "dog", "eel")))


def test_a_tar_member_that_climbs_out(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "x.tar", {"cat/0.png": noise(0), "../dog/0.png": noise(1)})
    with pytest.raises(PoolError, match=r"names in .*x\.tar to stay inside it, found '\.\./dog/0\.png'"):
        TarShards(shard).read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tar"]

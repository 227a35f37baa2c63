from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import DigitsImages, FolderImages, PoolImages, UnlabelledImages
from semdd_lightning.errors import ClassListError, DataError, PoolError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.listing import LabelledImages

MakeLabelled = Callable[..., LabelledImages]
WNIDS = ("n02102040", "n01440764")


def _write(root: Path, folder: str, count: int, colour: tuple[int, int, int]) -> None:
    (root / folder).mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (4, 4), colour).save(root / folder / f"{i}.png")


# Parts of a split


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=30), count=st.integers(1, 8))
def test_held_out_and_rest_are_the_split(make_labelled: MakeLabelled, labels: list[int], count: int) -> None:
    listing = make_labelled(labels).listing
    held, rest = (listing.rows_at_class_ends(count, inside=inside) for inside in (True, False))
    assert sorted([*held, *rest]) == list(range(len(labels)))
    assert list(held) == sorted(held)
    assert list(rest) == sorted(rest)
    for label in set(labels):
        rows = [i for i, found in enumerate(labels) if found == label]
        assert held[listing.labels[held] == label].tolist() == rows[-count:]
        assert rest[listing.labels[rest] == label].tolist() == rows[:-count]


def test_parts_are_read_as_themselves() -> None:
    whole = DigitsImages().open()
    held = DigitsImages(held_out=3, part="held_out").open()
    rest = DigitsImages(held_out=3, part="rest").open()
    assert np.bincount(held.labels).tolist() == [3] * 10
    assert len(held) + len(rest) == len(whole)
    for part in (held, rest):
        for i in (0, len(part) - 1):
            row = whole.paths().index(part.paths()[i])
            assert np.array_equal(np.asarray(part.read(i)), np.asarray(whole.read(row)))
            assert part.labels[i] == whole.labels[row]


def test_nothing_is_left() -> None:
    with pytest.raises(DataError, match=r"Expected images in DigitsImages\(.*found none; lower held_out"):
        DigitsImages(held_out=10_000).open()
    with pytest.raises(DataError, match="Expected held_out to be at least 0, found -1"):
        DigitsImages(held_out=-1).check()


# Class order


def test_labels_are_counted_in_the_pools_order(make_labelled: MakeLabelled) -> None:
    images = make_labelled([0, 1, 2, 1], names=("Cat_A", "dog", "eel-b"))
    pool = ClassRegistry(("eel b", "cat a", "dog"), ("2", "0", "1"))
    counted = images.relabelled(pool)
    assert counted.labels.tolist() == [1, 2, 0, 2]
    assert counted.registry == pool
    assert images.relabelled(images.registry).labels is images.labels


def test_wnids_go_before_names(make_labelled: MakeLabelled) -> None:
    images = make_labelled([0, 1], names=("springer", "tench"))
    images = replace(images, registry=ClassRegistry(("springer", "tench"), WNIDS, WNIDS))
    pool = ClassRegistry(("a fish", "a dog"), ("0", "1"), WNIDS[::-1])
    assert images.relabelled(pool).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "b", "d"), r"Expected all 3 classes of the pool, found 1 missing, as \['d'\]"),
        (("a", "b"), r"Expected only the pool's 2 classes, found 1 more, as \['c'\]"),
    ],
)
def test_other_classes_are_refused(make_labelled: MakeLabelled, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ClassListError, match=message):
        make_labelled([0, 1, 2]).relabelled(ClassRegistry(names, names))


# Folders


def test_unpadded_numbers_are_read_by_the_pools_order(tmp_path: Path) -> None:
    names = tuple(f"class {i}" for i in range(12))
    for i in range(12):
        _write(tmp_path, str(i), 2, (i, 0, 0))
    images = FolderImages(path=tmp_path).open(ClassRegistry(names, names))
    assert np.bincount(images.labels).tolist() == [2] * 12
    assert images.registry.names == names
    for i in range(len(images)):
        assert images.read(i).getpixel((0, 0)) == (images.labels[i], 0, 0)


def test_folders_of_names_follow_the_registry_not_the_alphabet(coloured_pool: Path) -> None:
    pool = ClassRegistry(("red", "blue", "green"), ("0", "1", "2"))
    images = FolderImages(path=coloured_pool).open(pool)
    strongest = [int(np.asarray(images.read(i)).mean(axis=(0, 1)).argmax()) for i in range(len(images))]
    assert images.labels.tolist() == [{0: 0, 2: 1, 1: 2}[channel] for channel in strongest]


def test_a_class_list_of_its_own_is_matched_by_name(tmp_path: Path) -> None:
    _write(tmp_path, "0", 1, (1, 0, 0))
    _write(tmp_path, "1", 1, (2, 0, 0))
    images = FolderImages(path=tmp_path, class_names=("dog", "cat")).open(
        ClassRegistry(("cat", "dog"), ("cat", "dog"))
    )
    assert images.labels.tolist() == [1, 0]


def test_folders_that_do_not_fit_the_pool(coloured_pool: Path) -> None:
    with pytest.raises(ClassListError, match="red"):
        FolderImages(path=coloured_pool).open(ClassRegistry(("cat", "dog", "eel"), ("a", "b", "c")))


def test_every_file_counts_and_an_unreadable_one_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "cat", 3, (5, 5, 5))  # three copies of one image
    (tmp_path / "cat" / "bad.png").write_bytes(b"no image")
    images = FolderImages(path=tmp_path).open()
    assert len(images) == 4
    paths = sorted(path.name for path in (tmp_path / "cat").iterdir())
    with pytest.raises(DataError, match=r"Expected an image in .*cat/bad\.png, found none .*remove the file"):
        images.read(paths.index("bad.png"))


def test_a_pools_images_are_its_files(coloured_pool: Path) -> None:
    pool = ClassFolders(coloured_pool).read()
    images = LabelledImages(pool.listing(), pool.registry).take(np.array([4, 0]))
    file = pool.file(4)
    assert file is not None
    assert np.array_equal(np.asarray(images.read(0)), np.asarray(Image.open(file)))
    assert images.labels.tolist() == pool.labels[[4, 0]].tolist()


def test_any_reader_serves_as_a_split(coloured_pool: Path, tmp_path: Path) -> None:
    split = PoolImages(ClassFolders(coloured_pool))
    split.prepare()
    split.check()
    images, files = split.open(), FolderImages(coloured_pool).open()
    assert images.labels.tolist() == files.labels.tolist()
    assert images.registry == files.registry
    assert all(np.array_equal(np.asarray(images.read(i)), np.asarray(files.read(i))) for i in (0, 17))
    assert np.bincount(PoolImages(split.pool, held_out=2).open().labels).tolist() == [4] * 3
    with pytest.raises(PoolError, match="found nothing there"):
        PoolImages(ClassFolders(tmp_path / "none")).check()


def test_folders_by_the_name_of_a_data_set(tmp_path: Path) -> None:
    for i, folder in enumerate(("7", "8", "9", "0", "1", "2", "3", "4", "5", "6")):
        _write(tmp_path, folder, 1, (i, 0, 0))
    images = FolderImages(tmp_path, "cifar10").open()
    assert images.registry.names[:2] == ("airplane", "automobile")
    assert images.read(int(images.labels.argmin())).getpixel((0, 0)) == (3, 0, 0)


# Without classes


def test_unlabelled_images_are_all_files_in_path_order(coloured_pool: Path, tmp_path: Path) -> None:
    registry = FolderImages(coloured_pool).open().registry
    images = UnlabelledImages(coloured_pool).open(registry)
    files = sorted(p.relative_to(coloured_pool).as_posix() for p in coloured_pool.rglob("*.png"))
    assert images.paths() == files
    assert set(images.labels.tolist()) == {-1}
    with pytest.raises(DataError, match="Expected another split that knows the classes"):
        UnlabelledImages(coloured_pool).open()
    with pytest.raises(DataError, match="Expected a folder of images at"):
        UnlabelledImages(tmp_path / "none").open(registry)

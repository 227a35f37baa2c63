from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import DigitsImages, FolderImages, TorchvisionImages, UnlabelledImages
from semdd_lightning.data.labelled_images import LabelledImages, pool_images
from semdd_lightning.errors import ClassListError, DataError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.digits import DIGIT_NAMES

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
    images = make_labelled(labels)
    held, rest = images.last_per_class(count), images.without_last_per_class(count)
    assert sorted([*held.rows, *rest.rows]) == list(range(len(labels)))
    assert list(held.rows) == sorted(held.rows)
    assert list(rest.rows) == sorted(rest.rows)
    for label in set(labels):
        rows = [i for i, found in enumerate(labels) if found == label]
        assert held.rows[held.labels == label].tolist() == rows[-count:]
        assert rest.rows[rest.labels == label].tolist() == rows[:-count]


def test_parts_are_read_as_themselves() -> None:
    whole = DigitsImages().open()
    held = DigitsImages(held_out=3, part="held_out").open()
    rest = DigitsImages(held_out=3, part="rest").open()
    assert np.bincount(held.labels).tolist() == [3] * 10
    assert len(held) + len(rest) == len(whole)
    for part in (held, rest):
        for i in (0, len(part) - 1):
            row = int(part.rows[i])
            assert np.array_equal(np.asarray(part.read(i)), np.asarray(whole.read(row)))
            assert part.labels[i] == whole.labels[row]


def test_nothing_is_left() -> None:
    with pytest.raises(DataError, match=r"Expected images in DigitsImages\(.*found none; lower held_out"):
        DigitsImages(held_out=10_000).open()


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
    images = pool_images(pool).take(np.array([4, 0]))
    assert np.array_equal(np.asarray(images.read(0)), np.asarray(Image.open(pool.file(4))))
    assert images.labels.tolist() == pool.labels[[4, 0]].tolist()


# Data sets of libraries


def test_digits_are_scikit_learns() -> None:
    splits = [DigitsImages(split=split).open() for split in ("train", "test")]
    assert [images.registry.names for images in splits] == [DIGIT_NAMES] * 2
    counts = sum(np.bincount(images.labels, minlength=10) for images in splits)
    assert np.array_equal(counts, np.bincount(load_digits().target))
    assert splits[0].read(0).size == (16, 16)


def _write_cifar10(root: Path) -> dict[str, np.ndarray]:
    """Ten images a batch file in the official format."""
    folder, generator = root / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    content = {}
    for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data = generator.integers(0, 256, (10, 3072), dtype=np.uint8)
        labels = generator.permutation(10).tolist()
        (folder / file).write_bytes(pickle.dumps({"data": data, "labels": labels}))
        content[file] = data
        content[f"{file}/labels"] = np.array(labels)
    return content


def test_cifar10_in_its_official_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _write_cifar10(tmp_path)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_load_meta", _load_meta)
    test = TorchvisionImages(root=tmp_path, download=False)
    test.prepare()
    images = test.open()
    assert images.labels.tolist() == content["test_batch/labels"].tolist()
    pixels = content["test_batch"][3].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(images.read(3)), pixels)
    assert len(TorchvisionImages(root=tmp_path, train=True, download=False).open()) == 50

    pool = ClassRegistry(images.registry.names[::-1], images.registry.names[::-1])
    assert test.open(pool).labels.tolist() == [9 - label for label in images.labels]


def _load_meta(dataset: torchvision.datasets.CIFAR10) -> None:
    """torchvision's, without the checksum."""
    path = Path(dataset.root) / dataset.base_folder / dataset.meta["filename"]
    dataset.classes = pickle.loads(path.read_bytes())[dataset.meta["key"]]  # noqa: S301 - written above


@pytest.mark.parametrize("download", [True, False])
def test_cifar_that_is_not_there(tmp_path: Path, download: bool) -> None:
    message = (
        r"Expected CIFAR100 under .*, found none and no download .*place the official archive "
        r"cifar-100-python.tar.gz there, or its unpacked folder cifar-100-python/"
    )
    with pytest.raises(DataError, match=message):
        TorchvisionImages("CIFAR100", root=tmp_path, download=download).prepare()


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

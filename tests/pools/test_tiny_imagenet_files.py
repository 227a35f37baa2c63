from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import imagenet_names
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools.imagenet_files import TinyImageNetFiles
from tests.layout_makers import MAKERS, PER_CLASS, WNIDS, shown_classes, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return MAKERS["tiny_imagenet"](tmp_path / "tiny-imagenet-200").path


def test_classes_are_the_sorted_wnids_with_their_first_words(root: Path) -> None:
    assert (root / "wnids.txt").read_text().split() == list(WNIDS[::-1])
    registry = TinyImageNetFiles(root).registry()
    assert registry.wnids == registry.folders == WNIDS
    assert registry.names == tuple(f"name of {c}" for c in range(len(WNIDS)))
    (root / "wnids.txt").unlink()
    assert TinyImageNetFiles(root).registry() == registry
    (root / "words.txt").unlink()
    assert TinyImageNetFiles(root).registry().names == imagenet_names(WNIDS)


def test_training_images(root: Path) -> None:
    pool = TinyImageNetFiles(root).read()
    assert list(pool.paths) == [f"{w}/images/{w}_{i}.JPEG" for w in WNIDS for i in range(PER_CLASS)]
    assert pool.labels.tolist() == shown_classes(pool)


def test_validation_images_are_labelled_by_the_annotations(root: Path) -> None:
    TinyImageNetFiles(root, split="val").check()
    pool = TinyImageNetFiles(root, split="val").read()
    assert list(pool.paths) == sorted(f"val_{i}.JPEG" for i in range(2 * len(WNIDS)))
    assert pool.labels.tolist() == shown_classes(pool)
    assert pool.root == root / "val/images"


def test_validation_images_in_folders(root: Path) -> None:
    expected = TinyImageNetFiles(root, split="val").read()
    for i, wnid in enumerate(2 * WNIDS[::-1]):
        (root / "val" / wnid).mkdir(exist_ok=True)
        (root / f"val/images/val_{i}.JPEG").rename(root / f"val/{wnid}/val_{i}.JPEG")
    (root / "val/images").rmdir()
    pool = TinyImageNetFiles(root, split="val").read()
    assert pool.labels.tolist() == shown_classes(pool)
    assert {Path(path).name for path in pool.paths} == set(expected.paths)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_list_chooses_by_wnid(root: Path, split: str) -> None:
    names = (f"{WNIDS[3]} puffer", f"{WNIDS[1]} springer")
    reader = TinyImageNetFiles(root, class_names=names, split="val" if split == "val" else "train")
    reader.check()
    pool = reader.read()
    assert pool.registry.names == ("puffer", "springer")
    assert pool.registry.folders == (WNIDS[3], WNIDS[1])
    assert [(3, 1)[label] for label in pool.labels] == shown_classes(pool)
    assert pool.counts().tolist() == [2, 2] if split == "val" else [PER_CLASS] * 2


def test_default_classes_choose_only_if_they_have_wnids(root: Path) -> None:
    some = ClassRegistry(("springer",), ("7",), (WNIDS[1],))
    assert TinyImageNetFiles(root).registry(some) == ClassRegistry(("springer",), (WNIDS[1],), (WNIDS[1],))
    plain = ClassRegistry(("cat", "dog"), ("cat", "dog"))
    assert TinyImageNetFiles(root).registry(plain) == TinyImageNetFiles(root).registry()


def test_class_lists_that_do_not_fit(root: Path) -> None:
    with pytest.raises(ClassListError, match="with wnids to choose folders by, found names alone, as 'cat'"):
        TinyImageNetFiles(root, class_names=("cat",)).check()
    with pytest.raises(ClassListError, match=r"among the 6 of the data set, found none for 'n00000001'"):
        TinyImageNetFiles(root, class_names=("n00000001",)).check()


def test_a_listed_image_that_is_gone_is_a_problem_of_its_row(root: Path) -> None:
    (root / "val/images/val_0.JPEG").unlink()
    pool = TinyImageNetFiles(root, split="val").read()
    assert [(image.path, image.reason) for image in pool.excluded] == [
        ("val_0.JPEG", "unreadable: not a regular file")
    ]
    assert pool.excluded[0].class_index == len(WNIDS) - 1


def test_malformed_validation_images(root: Path) -> None:
    reader = TinyImageNetFiles(root, split="val")
    write(root / "val/images/val_99.JPEG", 0, 0)
    with pytest.raises(PoolError, match=r"a class for every image of .*, found none for 'val_99.JPEG'"):
        reader.listing()
    (root / "val/val_annotations.txt").write_text("val_0.JPEG\ttench\t0\t1\n")
    with pytest.raises(PoolError, match=r"lines `image, wnid, box` in .*, found 'val_0.JPEG\\ttench"):
        reader.listing()
    (root / "val/val_annotations.txt").write_text("")
    with pytest.raises(PoolError, match="found an empty file"):
        reader.listing()
    (root / "val/val_annotations.txt").unlink()
    with pytest.raises(PoolError, match=r"Expected val_annotations.txt in .*, found none"):
        reader.check()


def test_folders_that_are_no_tiny_imagenet(root: Path, tmp_path: Path) -> None:
    (root / "wnids.txt").write_text("n01440764 tench\n")
    with pytest.raises(PoolError, match=r"Expected wnids in wnids.txt .*found 'tench'"):
        TinyImageNetFiles(root).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(PoolError, match=r"Expected wnids in wnids.txt .*found none"):
        TinyImageNetFiles(tmp_path / "empty").check()
    (tmp_path / "empty/wnids.txt").write_text(WNIDS[0])
    with pytest.raises(PoolError, match=r"Expected the folder val in .*found none; correct path or split"):
        TinyImageNetFiles(tmp_path / "empty", split="val").check()
    (tmp_path / "empty/train" / WNIDS[0]).mkdir(parents=True)
    with pytest.raises(PoolError, match=f"class folder '{WNIDS[0]}' .* to hold image files"):
        TinyImageNetFiles(tmp_path / "empty").check()

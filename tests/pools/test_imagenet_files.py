from __future__ import annotations

import logging
import os
import pickle
import shutil
import tarfile
from pathlib import Path

import pytest
import torch

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import imagenet_names
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools.imagenet_files import (
    ImageNetFiles,
    _devkit,
    _validation_wnids,
)
from tests.layout_makers import MAKERS, PER_CLASS, WNIDS, shown_classes, write
from tests.pools.pickle_makers import Touch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return MAKERS["imagenet"](tmp_path / "imagenet").path


def sort_validation_images(root: Path) -> None:
    for i, wnid in enumerate(2 * WNIDS[::-1]):
        (root / "val" / wnid).mkdir(exist_ok=True)
        name = f"ILSVRC2012_val_{i + 1:08d}.JPEG"
        (root / "val" / name).rename(root / "val" / wnid / name)


def test_training_images(root: Path) -> None:
    ImageNetFiles(root).check()
    pool = ImageNetFiles(root).read()
    assert list(pool.paths) == [f"{w}/{w}_{i}.JPEG" for w in WNIDS for i in range(PER_CLASS)]
    assert pool.labels.tolist() == shown_classes(pool)
    assert pool.registry == ClassRegistry(imagenet_names(WNIDS), WNIDS, WNIDS)


def test_flat_validation_images_are_labelled_by_the_devkit(root: Path) -> None:
    reader = ImageNetFiles(root, split="val")
    reader.check()
    pool = reader.read()
    assert list(pool.paths) == [f"ILSVRC2012_val_{i + 1:08d}.JPEG" for i in range(2 * len(WNIDS))]
    assert pool.labels.tolist() == shown_classes(pool)
    shutil.rmtree(root / "train")
    assert reader.read().labels.tolist() == shown_classes(pool)
    assert reader.registry() == ClassRegistry(imagenet_names(WNIDS), WNIDS, WNIDS)


def test_sorted_validation_images_need_no_devkit(root: Path) -> None:
    sort_validation_images(root)
    shutil.rmtree(root / "ILSVRC2012_devkit_t12")
    pool = ImageNetFiles(root, split="val").read()
    assert pool.labels.tolist() == shown_classes(pool)
    assert pool.counts().tolist() == [2] * len(WNIDS)


@pytest.mark.parametrize("form", ["train", "flat", "sorted"])
def test_a_class_list_chooses_by_wnid(root: Path, form: str) -> None:
    if form == "sorted":
        sort_validation_images(root)
    names = (f"{WNIDS[3]} puffer", f"{WNIDS[1]} springer")
    reader = ImageNetFiles(root, class_names=names, split="train" if form == "train" else "val")
    reader.check()
    pool = reader.read()
    assert pool.registry == ClassRegistry(("puffer", "springer"), (WNIDS[3], WNIDS[1]), (WNIDS[3], WNIDS[1]))
    assert [(3, 1)[label] for label in pool.labels] == shown_classes(pool)
    assert pool.counts().tolist() == [PER_CLASS if form == "train" else 2] * 2


def test_a_data_set_chooses_by_wnid(tmp_path: Path) -> None:
    from semdd_lightning.datasets import DATASETS

    woof = DATASETS["imagewoof"].registry
    assert woof.wnids is not None
    for c, wnid in enumerate((*woof.wnids, "n00000001")):
        write(tmp_path / f"train/{wnid}/{wnid}_1.JPEG", c, 0)
    pool = ImageNetFiles(tmp_path, classes="imagewoof").read()
    assert pool.registry.names == woof.names
    assert pool.registry.folders == woof.wnids
    assert [woof.wnids[label] for label in pool.labels] == [path.split("/")[0] for path in pool.paths]


def test_default_classes_choose_only_if_they_have_wnids(root: Path) -> None:
    some = ClassRegistry(("springer",), ("7",), (WNIDS[1],))
    assert ImageNetFiles(root).registry(some).folders == (WNIDS[1],)
    assert ImageNetFiles(root).registry(ClassRegistry(("cat",), ("cat",))).folders == WNIDS
    with pytest.raises(ClassListError, match="found none for 'n00000001'"):
        ImageNetFiles(root).registry(ClassRegistry(("x",), ("x",), ("n00000001",)))


def test_too_few_validation_images_are_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "val/ILSVRC2012_val_00000002.JPEG").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(ImageNetFiles(root, split="val").listing()) == 11
    assert "holds 11 of 12 validation images" in caplog.text


@pytest.mark.parametrize("name", ["ILSVRC2012_val_00000013.JPEG", "ILSVRC2012_val_00000000.JPEG", "x.png"])
def test_strange_validation_images(root: Path, name: str) -> None:
    write(root / "val" / name, 0, 0)
    with pytest.raises(PoolError, match=f"to ..._00000012.JPEG in .*, found '{name}'; remove what"):
        ImageNetFiles(root, split="val").listing()


def test_folders_that_are_no_imagenet(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "ILSVRC2012_devkit_t12")
    with pytest.raises(PoolError, match=r"Expected ILSVRC2012_devkit_t12.tar.gz in .*, found none; place it"):
        ImageNetFiles(root, split="val").check()
    write(root / "train/tench/1.JPEG", 0, 0)
    with pytest.raises(PoolError, match=r"Expected folders named by wnid in .*train, found 'tench'"):
        ImageNetFiles(root).check()
    with pytest.raises(PoolError, match=r"Expected the folder val in .*train, found none; correct path"):
        ImageNetFiles(root / "train", split="val").check()
    (tmp_path / "other/train" / WNIDS[0]).mkdir(parents=True)
    with pytest.raises(PoolError, match=f"class folder '{WNIDS[0]}' .* to hold image files, found none"):
        ImageNetFiles(tmp_path / "other").check()


EXPECTED = [*WNIDS[::-1], *WNIDS[::-1]]
NAME = "ILSVRC2012_devkit_t12"


def test_the_unpacked_devkit(root: Path) -> None:
    assert _devkit(root) == root / NAME
    assert _validation_wnids(_devkit(root)) == EXPECTED


def test_the_archive_is_read_by_torchvision_and_nothing_is_written_beside_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(root / f"{NAME}.tar.gz", "w:gz") as archive:
        archive.add(root / NAME, NAME)
    before = sorted(root.iterdir())
    with pytest.raises(PoolError, match="is not present in the root directory or is corrupted"):
        _validation_wnids(_devkit(root))
    monkeypatch.setattr("torchvision.datasets.imagenet._verify_archive", lambda *_: None)
    assert _devkit(root) == root / f"{NAME}.tar.gz"
    assert _validation_wnids(_devkit(root)) == EXPECTED
    assert sorted(root.iterdir()) == before


def test_the_form_that_torchvision_keeps(root: Path) -> None:
    torch.save((dict.fromkeys(WNIDS, ("name",)), EXPECTED), root / "meta.bin")
    assert _devkit(root) == root / "meta.bin"
    assert _validation_wnids(_devkit(root)) == EXPECTED


def test_a_file_that_would_run_code_is_refused(root: Path) -> None:
    mark = root / "ran"
    (root / "meta.bin").write_bytes(pickle.dumps(Touch(mark), protocol=2))
    with pytest.raises(PoolError, match=r"validation images in .*meta.bin, found none"):
        _validation_wnids(root / "meta.bin")
    assert not mark.exists()


def test_contents_that_are_no_labels(root: Path) -> None:
    torch.save(({}, ["tench", "springer"]), root / "meta.bin")
    with pytest.raises(PoolError, match="found 'tench', 'springer', which are no wnids; get it again"):
        _validation_wnids(root / "meta.bin")
    truth = root / NAME / "data/ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("1\n1001\n")
    with pytest.raises(PoolError, match=r"found none .1001.; get it again"):
        _validation_wnids(root / NAME)
    truth.write_text("")
    with pytest.raises(PoolError, match="which are no wnids"):
        _validation_wnids(root / NAME)
    truth.unlink()
    with pytest.raises(PoolError, match="No such file"):
        _validation_wnids(root / NAME)


def test_flat_images_have_stamps_and_what_is_no_file_is_a_problem(root: Path) -> None:
    first, second, third = sorted((root / "val").iterdir())[:3]
    second.unlink()
    os.mkfifo(second)  # reading it would never end
    third.unlink()
    third.mkdir()
    listing = ImageNetFiles(root, split="val").listing()
    assert listing.stamps[0, :2].tolist() == [first.stat().st_size, first.stat().st_mtime_ns]
    assert listing.problems == dict.fromkeys((1, 2), "unreadable: not a regular file")
    assert listing.source.read(0) == first.read_bytes()

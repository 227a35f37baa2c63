from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.any_pool import sniff
from tests.layout_makers import MAKERS, WNIDS, write


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("layout", "wrappers"),
    [
        ("coda", ("generated_images",)),
        ("subset", ("images",)),
        ("rded", ("exp", "run", "syn_data")),
        ("d4m", ("tiny_ipc3_50",)),
        ("mtt", ("images_best.pt",)),
        ("sre2l", ()),
    ],
)
def test_wrappers_are_stepped_into_and_named(layout: str, wrappers: tuple[str, ...], tmp_path: Path) -> None:
    made = MAKERS[layout](tmp_path / "pool")
    found = sniff(made.path)
    assert found.layout.name == layout
    assert found.wrappers == wrappers
    assert found.path == made.path.joinpath(*wrappers)


def test_the_evidence_is_what_was_seen(tmp_path: Path) -> None:
    evidence = {name: sniff(maker(tmp_path / name).path).evidence for name, maker in MAKERS.items()}
    assert evidence["sre2l"] == "12 class folders with images as new000/class000_id000.jpg"
    assert evidence["d4m"] == "12 class folders with images as 0/0-image00.png"
    assert evidence["mgd3"] == "2 folders ('dataset_0', 'dataset_1') that share 6 class folders"
    assert evidence["dgs"] == "selected.jsonl beside the images of each wnid"
    assert evidence["tar"] == "a tar of folders of images, as pool/0/0-image00.png"
    assert evidence["imagenet"] == "a folder train of class folders named by wnid"
    assert evidence["tiny_imagenet"] == "wnids.txt beside the folder train"


def test_a_layout_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    made = MAKERS["rded"](tmp_path / "pool")
    found = sniff(made.path, "class_folders")
    assert (found.layout.name, found.wrappers) == ("class_folders", ("exp", "run", "syn_data"))
    odd = sniff(made.path, "minimax")
    assert (odd.layout.name, odd.path) == ("dit", made.path)
    assert odd.evidence == "asked for; seen is 1 folders ('exp')"


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["0/0-image00.png", "1/1-image00.png", "1/x.png"], "class_folders"),
        (["0/0-image00.png", "1/0-image00.png"], "class_folders"),
        (["new000/class000_id000.jpg", "new001/a.jpg"], "class_folders"),
        (["n01440764/1.png", "n02102040/1.png"], "dit"),
        (["n01440764/1.png", "n02102040/one.png"], "class_folders"),
        (["n01440764/1.png", "tench/1.png"], "class_folders"),
        (["n01440764/images/a.JPEG", "n02102040/images/a.JPEG"], "class_folders"),
        (["class_1/images/a.png", "class_2/images/b.png"], "class_folders"),
        (["cat/1.png", "dog/1.png", "pool.tar", "notes.parquet"], "class_folders"),
        (["only/1.png"], "class_folders"),
        (["train/1.png", "bus/1.png", "test_tube/1.png"], "class_folders"),
        ([f"{c}/{k}/{c}.png" for c in ("cow", "dog", "ox") for k in ("images", "masks")], "class_folders"),
        (
            ["cat/a/1.png", "cat/b/1.png", "dog/a/1.png", "dog/b/1.png", "cow/1.png", "ox/2.png"],
            "class_folders",
        ),
        (["run0/a/1.png", "run0/b/1.png", "run1/a/1.png", "run1/b/1.png", "logs/x.txt"], "merged_folders"),
        (["dataset_0/a/1.png", "dataset_0/b/1.png"], "class_folders"),
        ([f"n0000000{c}/dataset_{k}/1.png" for c in range(2) for k in range(2)], "class_folders"),
        ([f"{c}/ipc{k}/1.png" for c in range(3) for k in (1, 10)], "class_folders"),
        (["train/n01440764/a.JPEG"], "imagenet"),
        (["val/ILSVRC2012_val_00000001.JPEG"], "imagenet"),
        (["val/images/val_0.JPEG", "val/val_annotations.txt"], "tiny_imagenet"),
        (["meta", "train", "test"], "cifar"),
        (["cifar-10-batches-bin/data_batch_1.bin"], "cifar"),
        (["data_batch_1.bin", "batches.meta.txt"], "cifar"),
        (["train-000.tar", "train-001.tar"], "webdataset"),
        (["a.parquet", "b.parquet", "README.md"], "parquet"),
        (["metadata.csv", "a.png"], "huggingface_folder"),
        (["part-x/metadata.jsonl", "part-x/a.png"], "huggingface_folder"),
        (["x.pt", "log.txt"], "tensors"),
    ],
)
def test_the_more_specific_layout_is_preferred(files: list[str], layout: str, tmp_path: Path) -> None:
    touch(*(tmp_path / "pool" / file for file in files))
    assert sniff(tmp_path / "pool").layout.name == layout


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["train/cat/1.png", "test/cat/1.png"],
            r"2 folders \('test', 'train'\); give one split, as .*/train",
        ),
        (["x/data/train/a/1.png", "x/data/val/a/1.png"], "give one split, as .*/x/data/train"),
        (
            [f"{run}/{c}/1.png" for run in ("dit", "mgd3") for c in ("cat", "dog")],
            "found 2 folders .*, which share 2 class folders; if .*, give one of them, as .*/dit, or",
        ),
        *(
            (files, "found 3 folders .*give one .*, as .*/pool/a")
            for files in (
                [f"{s}/{c}/1.png" for s in ("a_train", "dev", "held_out") for c in ("cat", "dog")],
                [f"{s}/{c}/1.png" for s in ("abc", "bcd", "cde") for c in ("cat", "dog")] + ["bcd/1.png"],
            )
        ),
        (["training_set/1.png", "Test/2.png"], "give one split, as .*/training_set"),
        (["dev/cat/1.png", "eval/cat/1.png"], "give one split, as .*/dev"),
        (["train/1.png", "train/2.png"], "train, found no folders and 2 loose image files"),
        (["1.png", "2.png"], r"no folders and 2 loose image files .*; put the images of each class"),
        (["a.pt", "b.pt"], "2 other files .*; name one file of images, as .*/b.pt"),
        (["notes.txt"], "no folders and 1 other files .*; correct the path or name the layout"),
        (["a/b/c/d/e/notes.txt"], r"/a/b/c/d/e, found no folders and 1 other files \('notes.txt'\)"),
        ([".hidden/1.png"], "found an empty folder"),
    ],
)
def test_what_fits_no_layout_is_described(files: list[str], message: str, tmp_path: Path) -> None:
    touch(*(tmp_path / "pool" / file for file in files))
    with pytest.raises(PoolError, match=message) as error:
        sniff(tmp_path / "pool")
    assert "Layouts are subset, cifar, tiny_imagenet" in str(error.value)


@pytest.mark.parametrize(
    ("files", "given", "root"),
    [
        (["tiny/val/images/val_0.JPEG", "tiny/val/val_annotations.txt"], "tiny/val", "tiny"),
        (["tiny/val/images/val_0.JPEG", "tiny/val/val_annotations.txt"], "tiny/val/images", "tiny"),
        (
            ["tiny/val/images/val_0.JPEG", "tiny/val/n01443537/val_1.JPEG", "tiny/val/val_annotations.txt"],
            "tiny/val",
            "tiny",
        ),
        (["in/val/ILSVRC2012_val_00000001.JPEG"], "in/val", "in"),
        (["in/flat/ILSVRC2012_val_00000001.JPEG"], "in/flat", "in"),
        (["in/flat/ILSVRC2012_val_00000001.JPEG"], "in", "in"),
    ],
)
def test_flat_validation_images_are_no_class(files: list[str], given: str, root: str, tmp_path: Path) -> None:
    touch(*(tmp_path / file for file in files))
    message = rf"give the folder above, {tmp_path / root}, and split 'val'(, after naming flat 'val')?\. "
    with pytest.raises(PoolError, match=message):
        sniff(tmp_path / given)


def test_test_images_without_classes_are_no_class(tmp_path: Path) -> None:
    touch(tmp_path / "tiny/test/images/test_0.JPEG", tmp_path / "tiny/test/images/test_1.JPEG")
    with pytest.raises(PoolError, match="the classes of these test images are not published"):
        sniff(tmp_path / "tiny/test")


def test_validation_images_sorted_into_folders_are_classes(tmp_path: Path) -> None:
    touch(tmp_path / "val/n01440764/ILSVRC2012_val_00000293.JPEG")
    (tmp_path / "val/images").mkdir()
    assert sniff(tmp_path / "val").layout.name == "class_folders"
    with pytest.raises(PoolError, match="put the images of each class into a folder of their own"):
        sniff(tmp_path / "val/n01440764")


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        sniff(tmp_path / "none")
    with pytest.raises(PoolError, match="found nothing there"):
        sniff(tmp_path / "none", "class_folders")
    touch(tmp_path / "file.doc")
    with pytest.raises(PoolError, match=r"found a file 'file\.doc'"):
        sniff(tmp_path / "file.doc")
    with pytest.raises(
        PoolError, match=r"Expected a layout to be auto or one of subset, .*found 'imagefolder'"
    ):
        sniff(tmp_path, "imagefolder")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/again").symlink_to(tmp_path / "pool")
    with pytest.raises(PoolError, match="found 1 folders"):
        sniff(tmp_path / "pool")


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PoolError, match=r"Expected to list .*, found: Permission denied; check"):
        sniff(tmp_path)


def test_few_names_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for c in range(40):
        touch(*(tmp_path / f"{c}/{i}.png" for i in range(100)))
    taken = 0
    scandir = os.scandir

    class Counted:
        def __init__(self, path: Path) -> None:
            self._entries = scandir(path)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return self._names()

        def __exit__(self, *_: object) -> None:
            self._entries.close()

        def _names(self) -> Iterator[os.DirEntry[str]]:
            nonlocal taken
            for entry in self._entries:
                taken += 1
                yield entry

    monkeypatch.setattr(os, "scandir", Counted)
    assert sniff(tmp_path).layout.name == "class_folders"
    assert 0 < taken < 4_000  # of 4,040 that each of twenty recognisers could have asked for


def test_real_images_are_not_needed(tmp_path: Path) -> None:
    for wnid in WNIDS:
        write(tmp_path / wnid / "1.png", 0, 0)
    assert sniff(tmp_path).layout.name == "dit"

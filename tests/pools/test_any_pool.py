from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.export import build_component, describe
from semdd_lightning.pools import (
    AnyPool,
    CifarFiles,
    ClassFolders,
    ImageSet,
    MergedFolders,
    TinyImageNetFiles,
)
from semdd_lightning.pools.any_pool import hub_name
from tests.layout_makers import MAKERS, NUM_CLASSES, PER_CLASS, shown_classes

NAMES = tuple(f"class {letter}" for letter in "lkjihgfedcba")


@pytest.fixture
def d4m(tmp_path: Path) -> Path:
    return MAKERS["d4m"](tmp_path / "results").path


def test_the_reader_of_the_layout_is_given_the_class_list(d4m: Path) -> None:
    pool = AnyPool(d4m, class_names=NAMES)
    assert pool.reader() == ClassFolders(d4m / "tiny_ipc3_50", class_names=NAMES)
    read = pool.read()
    assert read.registry.names == NAMES
    assert {
        path.split("/")[0]: label for path, label in zip(read.paths, read.labels.tolist(), strict=True)
    } == {str(c): c for c in range(NUM_CLASSES)}
    assert read.fingerprint == pool.reader().read().fingerprint


def test_default_classes_reach_the_reader(d4m: Path) -> None:
    default = ClassRegistry(NAMES, NAMES)
    registry = AnyPool(d4m).registry(default)
    assert registry == ClassRegistry(NAMES, tuple(map(str, range(NUM_CLASSES))))
    assert len(AnyPool(d4m).listing(registry)) == NUM_CLASSES * PER_CLASS


def test_a_layout_by_name_wins_over_what_is_seen(tmp_path: Path) -> None:
    made = MAKERS["mgd3"](tmp_path / "pool")
    assert isinstance(AnyPool(made.path).reader(), MergedFolders)
    as_folders = AnyPool(made.path, layout="class_folders")
    assert as_folders.reader() == ClassFolders(made.path)
    assert as_folders.registry().folders == ("dataset_0", "dataset_1")


def test_the_manifest_says_which_layout_was_given(d4m: Path) -> None:
    for layout in ("auto", "d4m"):
        pool = AnyPool(d4m, layout=layout)
        description = json.loads(json.dumps(describe(pool)))
        assert description["init_args"]["layout"] == layout
        assert build_component(description, ImageSet) == pool


def test_the_split_reaches_the_reader(tmp_path: Path) -> None:
    tiny = MAKERS["tiny_imagenet"](tmp_path / "tiny").path
    pool = AnyPool(tiny, split="val")
    assert pool.reader() == TinyImageNetFiles(tiny, split="val")
    assert pool.read().fingerprint == TinyImageNetFiles(tiny, split="val").read().fingerprint
    assert AnyPool(tiny).reader() == TinyImageNetFiles(tiny, split="train")
    description = json.loads(json.dumps(describe(pool)))
    assert build_component(description, ImageSet) == pool
    cifar = MAKERS["cifar"](tmp_path / "cifar").path
    reader = AnyPool(cifar, split="test").reader()
    assert isinstance(reader, CifarFiles)
    assert reader.split == "test"


def test_the_evaluation_split_is_named_as_the_reader_does(tmp_path: Path) -> None:
    named = {name: AnyPool(maker(tmp_path / name).path).evaluation_split() for name, maker in MAKERS.items()}
    assert {name: split for name, split in named.items() if split is not None} == {
        "cifar": "test",
        "tiny_imagenet": "val",
        "imagenet": "val",
    }


def test_a_split_that_is_not_there_is_refused(d4m: Path, tmp_path: Path) -> None:
    with pytest.raises(
        PoolError, match=r"Expected no settings for .*, found split 'test'; leave it out: ClassFolders"
    ):
        AnyPool(d4m, split="test").check()
    tiny = MAKERS["tiny_imagenet"](tmp_path / "tiny").path
    with pytest.raises(
        PoolError, match=r"split of .* that TinyImageNetFiles takes \(train or val\), found 'test'"
    ):
        AnyPool(tiny, split="test").check()


def test_a_circle_of_links_does_not_hide_the_pool(d4m: Path) -> None:
    (d4m / "tiny_ipc3_50/0/l.png").symlink_to("l.png")
    pool = AnyPool(d4m).read()
    assert len(pool) == NUM_CLASSES * PER_CLASS
    assert [(image.path, image.reason) for image in pool.excluded] == [
        ("0/l.png", "unreadable: not a regular file")
    ]


def test_stepping_in_is_said(d4m: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        AnyPool(d4m).check()
    assert f"The pool begins in {d4m / 'tiny_ipc3_50'}: 12 class folders" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        AnyPool(d4m / "tiny_ipc3_50").check()
    assert caplog.text == ""


def test_bad_input_is_refused(d4m: Path, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        AnyPool(tmp_path / "none").check()
    with pytest.raises(PoolError, match="Expected a layout to be auto or one of"):
        AnyPool(d4m, layout="image folder").check()
    with pytest.raises(ClassListError, match="found 12 folders that do not fit"):
        AnyPool(d4m, class_names=("cat", "dog")).check()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with one data set in it, as the hub's own client lays it out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "datasets--someone--birds"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text(COMMIT)
    MAKERS["parquet"](place / "snapshots" / COMMIT)
    return place


def test_a_data_set_of_the_hub_is_read_where_the_hub_keeps_it(cache: Path) -> None:
    pool = AnyPool(Path("hf://someone/birds"))  # as a command line gives it
    pool.prepare()
    images = pool.read()
    assert len(images) == NUM_CLASSES * PER_CLASS
    assert images.labels.tolist() == shown_classes(images)
    assert images.root == cache / "snapshots" / COMMIT
    below = AnyPool(f"hf://someone/birds@{COMMIT}/data").read()
    assert below.root == cache / "snapshots" / COMMIT / "data"


def test_a_manifest_keeps_the_name(cache: Path) -> None:
    pool = AnyPool(Path("hf://someone/birds"))
    description = json.loads(json.dumps(describe(pool)))
    assert description["init_args"]["path"] == "hf://someone/birds"
    assert build_component(description, ImageSet) == pool


@pytest.mark.parametrize("name", ["someone/dogs", "someone/birds@other"])
def test_what_is_not_there_is_said(cache: Path, name: str) -> None:
    with pytest.raises(
        PoolError, match=r"^Expected the data set someone/\w+ .* found: .* hf download someone"
    ):
        AnyPool(f"hf://{name}").check()


@pytest.mark.parametrize("path", ["hf/someone/birds", "/hf:/someone/birds", "hf://birds", "hf:birds/x"])
def test_other_paths_are_paths(path: str) -> None:
    assert hub_name(Path(path)) is None
    assert AnyPool(path).path == Path(path)

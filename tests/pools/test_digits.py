from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from semdd_lightning.errors import DataError, PoolError
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits, digits_split
from tests.forking import Forks


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.png")}


def literal_split() -> dict[str, list[int]]:
    """The documented rule, written as a loop."""
    seen = dict.fromkeys(range(10), 0)
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for row, label in enumerate(load_digits().target):
        rows["test" if seen[int(label)] % 2 else "train"].append(row)
        seen[int(label)] += 1
    return rows


@pytest.mark.parametrize(("split", "count"), [("train", 901), ("test", 896)])
def test_split_follows_the_documented_rule(split: str, count: int) -> None:
    original = load_digits()
    rows = literal_split()[split]
    images, labels = digits_split(split, image_size=8)  # type: ignore[arg-type]
    assert len(rows) == len(images) == count
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, original.target[rows])
    np.testing.assert_array_equal(images[..., 0], np.rint(original.images[rows] * 255 / 16))


def test_split_is_disjoint_complete_and_stratified() -> None:
    rows = literal_split()
    assert sorted(rows["train"] + rows["test"]) == list(range(1797))
    train_counts = np.bincount(digits_split("train")[1])
    test_counts = np.bincount(digits_split("test")[1])
    assert ((train_counts - test_counts >= 0) & (train_counts - test_counts <= 1)).all()
    assert len(train_counts) == len(test_counts) == len(DIGIT_NAMES)


def test_split_shares_no_image() -> None:
    train, test = ({image.tobytes() for image in digits_split(split)[0]} for split in ("train", "test"))
    assert not train & test


@pytest.mark.parametrize("image_size", [8, 16, 33])
def test_split_is_grey_rgb_of_the_asked_size(image_size: int) -> None:
    images, _ = digits_split("test", image_size)
    assert images.shape[1:] == (image_size, image_size, 3)
    assert (images == images[..., :1]).all()
    assert images.min() == 0
    assert images.max() == 255


def test_split_refuses_other_names() -> None:
    with pytest.raises(DataError, match=r"'train' or 'test', found 'validation'"):
        digits_split("validation")  # type: ignore[arg-type]


def test_pool_is_the_same_in_two_roots_bit_for_bit(tmp_path: Path) -> None:
    first, second = (GeneratedDigits(4, root=tmp_path / name) for name in ("a", "b"))
    first.prepare()
    second.prepare()
    assert len(contents(first.folder)) == 40
    assert contents(first.folder) == contents(second.folder)
    assert first.read().fingerprint == second.read().fingerprint


def test_pool_reads_as_ten_named_classes(tmp_path: Path) -> None:
    reader = GeneratedDigits(3, root=tmp_path)
    reader.check()
    reader.prepare()
    reader.check()
    pool = reader.read()
    assert pool.registry == reader.registry()
    assert pool.registry.names == DIGIT_NAMES
    assert pool.counts().tolist() == [3] * 10
    assert pool.paths[:2] == ("0/000.png", "0/001.png")
    assert pool.excluded == ()


def test_pool_images_are_new_but_near_their_class(tmp_path: Path) -> None:
    reader = GeneratedDigits(20, root=tmp_path, bandwidth=4.0)
    reader.prepare()
    real, labels = digits_split("train")
    means = np.stack([real[labels == digit].mean(axis=0) for digit in range(10)])
    known = {image.tobytes() for image in real}
    hits = 0
    for path in contents(reader.folder):
        image = np.asarray(Image.open(reader.folder / path))
        assert image.tobytes() not in known
        distances = ((means - image) ** 2).sum(axis=(1, 2, 3))
        hits += int(distances.argmin() == int(path[0]))
    assert hits >= 0.7 * 200


def test_every_parameter_but_the_root_changes_folder_and_images(tmp_path: Path) -> None:
    readers = [
        GeneratedDigits(2, root=tmp_path),
        GeneratedDigits(3, root=tmp_path),
        GeneratedDigits(2, seed=1, root=tmp_path),
        GeneratedDigits(2, bandwidth=5.0, root=tmp_path),
        GeneratedDigits(2, image_size=8, root=tmp_path),
    ]
    for reader in readers:
        reader.prepare()
    assert len({reader.folder.name for reader in readers}) == len(readers)
    assert len({contents(reader.folder)["7/001.png"] for reader in readers}) == len(readers)
    assert GeneratedDigits(2, root=tmp_path / "other").folder.name == readers[0].folder.name


def test_default_root_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMDD_CACHE", str(tmp_path))
    assert GeneratedDigits().folder.parent == tmp_path / "digits-pool"
    monkeypatch.delenv("SEMDD_CACHE")
    assert GeneratedDigits().folder.parent.parts[-2:] == ("semdd", "digits-pool")


def test_a_complete_folder_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = GeneratedDigits(2, root=tmp_path)
    reader.prepare()

    def fail(_: GeneratedDigits) -> None:
        raise AssertionError

    monkeypatch.setattr(GeneratedDigits, "_generate", fail)
    reader.prepare()
    assert reader.read().counts().tolist() == [2] * 10


def _prepare_at(start: Path, root: Path) -> None:
    reader = GeneratedDigits(5, root=root)
    reader._generate()  # the first time takes longest
    while not start.exists():
        time.sleep(0.001)
    reader.prepare()


def test_two_processes_may_prepare_at_once(tmp_path: Path, forks: Forks) -> None:
    start, root = tmp_path / "start", tmp_path / "pools"
    processes = [forks.begin(_prepare_at, start, root) for _ in range(2)]
    time.sleep(0.2)
    start.touch()
    assert [forks.wait(process) for process in processes] == [0, 0]
    reader = GeneratedDigits(5, root=root)
    assert list(root.glob("[!.]*")) == [reader.folder]
    assert reader.read().counts().tolist() == [5] * 10


def test_the_slower_of_two_keeps_what_the_faster_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = GeneratedDigits(2, root=tmp_path)
    write = GeneratedDigits._write
    inodes: list[int] = []

    def overtaken(self: GeneratedDigits, folder: Path) -> None:
        write(self, folder)
        monkeypatch.setattr(GeneratedDigits, "_write", write)
        GeneratedDigits(2, root=tmp_path).prepare()
        inodes.append(reader.folder.stat().st_ino)

    monkeypatch.setattr(GeneratedDigits, "_write", overtaken)
    reader.prepare()
    assert reader.folder.stat().st_ino == inodes[0]
    assert list(tmp_path.iterdir()) == [reader.folder]


def test_an_interrupted_prepare_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = GeneratedDigits(2, root=tmp_path)
    saved = Image.Image.save
    written: list[str] = []

    def interrupted(self: Image.Image, *args: object, **kwargs: object) -> None:
        if len(written) == 7:
            raise KeyboardInterrupt("stopped here")
        written.append("image")
        saved(self, *args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", interrupted)
        with pytest.raises(KeyboardInterrupt, match="stopped here"):
            reader.prepare()
    assert list(tmp_path.iterdir()) == []
    reader.prepare()
    assert len(contents(reader.folder)) == 20


def _die_in_its_midst(root: Path) -> None:
    os.fsync = lambda _: os._exit(9)  # type: ignore[assignment]
    GeneratedDigits(2, root=root).prepare()


def test_a_killed_prepare_is_no_obstacle(tmp_path: Path, forks: Forks) -> None:
    reader = GeneratedDigits(2, root=tmp_path)
    assert forks.wait(forks.begin(_die_in_its_midst, tmp_path)) == 9
    assert not reader.folder.exists()
    reader.prepare()
    assert reader.read().counts().tolist() == [2] * 10


def _gone(folder: Path) -> None:
    (folder / "3" / "001.png").unlink()


def _flipped(folder: Path) -> None:
    file = folder / "3" / "001.png"
    file.write_bytes(file.read_bytes()[:-20] + b"\1" + file.read_bytes()[-19:])


def _swapped(folder: Path) -> None:
    (folder / "3" / "001.png").rename(folder / "kept")
    (folder / "4" / "001.png").rename(folder / "3" / "001.png")
    (folder / "kept").rename(folder / "4" / "001.png")


def _joined(folder: Path) -> None:
    shutil.copy(folder / "3" / "001.png", folder / "4" / "stranger.png")


def _without_record(folder: Path) -> None:
    (folder / "digits.json").unlink()


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("damage", [_gone, _flipped, _swapped, _joined, _without_record, _emptied])
def test_a_damaged_pool_is_generated_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    reader = GeneratedDigits(2, root=tmp_path)
    with pytest.raises(PoolError, match=r"no such folder; call prepare\(\) first"):
        reader.read()
    reader.prepare()
    whole = reader.read().fingerprint
    damage(reader.folder)
    with pytest.raises(PoolError, match=r"Expected the generated digits in .*; call prepare\(\) first"):
        reader.read()
    reader.prepare()
    assert "is generated anew; found: " in caplog.text
    assert reader.read().fingerprint == whole
    assert list(tmp_path.glob("[!.]*")) == [reader.folder]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"images_per_class": 0}, "images_per_class to be at least 1 and at most 100000, found 0"),
        ({"seed": -1}, "seed to be at least 0 and at most .*, found -1"),
        ({"image_size": 7}, "image_size to be at least 8 and at most 1024, found 7"),
        ({"images_per_class": 10**12}, "images_per_class to be at least 1 and at most 100000, found"),
        ({"bandwidth": 0.0}, "bandwidth to be above 0 and finite, found 0.0"),
        ({"bandwidth": float("nan")}, "bandwidth to be above 0 and finite, found nan"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(PoolError, match=message):
        GeneratedDigits(**parameters)  # type: ignore[arg-type]

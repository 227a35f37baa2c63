from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torchvision
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.transforms import v2

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import DatasetImages, DigitsImages
from semdd_lightning.data.storage import evaluation_view
from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import ClassListError, ConfigError, DataError
from semdd_lightning.pools.digits import DIGIT_NAMES


def _colour(wnid: str, image: int) -> tuple[int, int, int]:
    return int(wnid[1:4]) % 256, int(wnid[4:]) % 256, image


def _write(path: Path, wnid: str, image: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), _colour(wnid, image)).save(path)


def _shown(images: Any, row: int) -> tuple[int, int, int]:  # noqa: ANN401 - LabelledImages
    pixel: tuple[int, int, int] = images.read(row).getpixel((0, 0))
    return pixel


# CIFAR


def _write_cifar10(root: Path) -> dict[str, np.ndarray]:
    """Ten images per batch file in the official format."""
    folder, generator = root / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = list(DATASETS["cifar10"].names)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    content = {}
    for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data = generator.integers(0, 256, (10, 3072), dtype=np.uint8)
        labels = generator.permutation(10).tolist()
        (folder / file).write_bytes(pickle.dumps({"data": data, "labels": labels}))
        content[file] = data
        content[f"{file}/labels"] = np.array(labels)
    return content


def _load_meta(dataset: torchvision.datasets.CIFAR10) -> None:
    """torchvision's, without the checksum."""
    path = Path(dataset.root) / dataset.base_folder / dataset.meta["filename"]
    dataset.classes = pickle.loads(path.read_bytes())[dataset.meta["key"]]  # noqa: S301 - written above


def test_cifar10_in_its_official_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _write_cifar10(tmp_path)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_load_meta", _load_meta)
    test = DatasetImages("cifar10", tmp_path, download=False)
    test.prepare()
    test.check()
    images = test.open()
    assert images.registry == DATASETS["cifar10"].registry
    assert images.labels.tolist() == content["test_batch/labels"].tolist()
    pixels = content["test_batch"][3].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(images.read(3)), pixels)
    assert len(DatasetImages("cifar10", tmp_path / "cifar-10-batches-py", download=False).open()) == 10
    train = DatasetImages("cifar10", tmp_path, "train", download=False)
    assert train.open().labels.tolist() == [
        label for i in range(1, 6) for label in content[f"data_batch_{i}/labels"].tolist()
    ]
    held = DatasetImages("cifar10", tmp_path, "train", held_out=2, part="held_out").open()
    assert np.bincount(held.labels).tolist() == [2] * 10
    assert (
        min(int(path[-9:-4]) for path in held.paths()) >= 30
    )  # the last two of each class are those of the last two batches

    pool = ClassRegistry(images.registry.names[::-1], images.registry.names[::-1])
    assert test.open(pool).labels.tolist() == [9 - label for label in images.labels]


@pytest.mark.parametrize(
    ("download", "action"),
    [
        (True, r"place cifar-100-python\.tar\.gz \(https://www\.cs\.toronto.*\) in .*, or unpack it to "),
        (False, r"unpack cifar-100-python\.tar\.gz \(https://www\.cs\.toronto.*\) to "),
    ],
)
def test_cifar_that_is_not_there(tmp_path: Path, download: bool, action: str) -> None:
    message = r"Expected CIFAR-100 in .*cifar-100-python, found no test split there and no download \(.*\); "
    with pytest.raises(DataError, match=message + action + r".*cifar-100-python, or give the folder"):
        DatasetImages("cifar100", tmp_path, download=download).prepare()
    with pytest.raises(DataError, match=message):
        DatasetImages("cifar100", tmp_path, download=download).open()


# Tiny-ImageNet


def _write_tiny_imagenet(folder: Path) -> list[str]:
    wnids = list(DATASETS["tiny_imagenet"].wnids or ())
    folder.mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(wnids[::-1]))  # the published order is another one, too
    lines = []
    for number, wnid in enumerate(wnids[::3] + wnids[1::3] + wnids[2::3]):
        _write(folder / "train" / wnid / "images" / f"{wnid}_0.JPEG", wnid, 0)
        _write(folder / "val" / "images" / f"val_{number}.PNG", wnid, 1)
        lines.append(f"val_{number}.PNG\t{wnid}\t0\t0\t7\t7")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return wnids


def test_tiny_imagenet_in_its_official_form(tmp_path: Path) -> None:
    wnids = _write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    for root in (tmp_path, tmp_path / "tiny-imagenet-200"):
        images = DatasetImages("tiny_imagenet", root)
        images.prepare()
        images.check()
        test = images.open()
        assert test.registry.names == DATASETS["tiny_imagenet"].names
        assert sorted(test.labels.tolist()) == list(range(200))
        assert all(_shown(test, row) == _colour(wnids[test.labels[row]], 1) for row in range(0, 200, 17))
    assert len(DatasetImages("tiny_imagenet", tmp_path, "train").open()) == 200


def test_an_archive_is_fetched_checked_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_tiny_imagenet(tmp_path / "made" / "tiny-imagenet-200")
    archive = tmp_path / "tiny-imagenet-200.zip"  # already there, so that nothing needs to be downloaded
    with zipfile.ZipFile(archive, "w") as packed:
        for file in (tmp_path / "made").rglob("*"):
            packed.write(file, file.relative_to(tmp_path / "made"))
    images = DatasetImages("tiny_imagenet", tmp_path)
    with pytest.raises(
        DataError, match=r"no val split there and no download \(.*\); place tiny-imagenet-200\.z"
    ):
        images.prepare()  # another hash than the published one
    monkeypatch.setattr(
        "torchvision.datasets.utils.calculate_md5",
        lambda path, **_: DATASETS["tiny_imagenet"].archives[0].md5 if Path(path) == archive else "",
    )
    images.prepare()
    assert len(images.open()) == 200


def test_what_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", refuse)
    with pytest.raises(DataError, match=r"no download \(<urlopen error no network>\)"):
        DatasetImages("imagenette_fastai", tmp_path).prepare()
    with pytest.raises(DataError, match=r"found no val split there; unpack imagenette2\.tgz \(https"):
        DatasetImages("imagenette_fastai", tmp_path, download=False).prepare()
    with pytest.raises(DataError, match=r"unpack imagewoof2\.tgz \(https.* to .*/imagewoof2, or give"):
        DatasetImages("imagewoof_fastai", tmp_path).prepare()
    with pytest.raises(
        DataError, match=r"no train split there; unpack ILSVRC2012_img_train\.tar, .*image-net"
    ):
        DatasetImages("imagenet1k", tmp_path, "train").prepare()
    with pytest.raises(DataError, match="Expected ImageIDC in"):
        DatasetImages("imageidc", tmp_path).check()
    assert asked == [DATASETS["imagenette_fastai"].archives[0].url]


# ImageNet and its subsets


@pytest.mark.parametrize(
    ("name", "folder"),
    [("imagewoof", "imagenet"), ("imageidc", "imagenet"), ("imagewoof_fastai", "imagewoof2")],
)
def test_a_subset_in_its_own_order(tmp_path: Path, name: str, folder: str) -> None:
    wnids = list(DATASETS[name].wnids or ())
    for split in ("train", "val"):
        for wnid in [*wnids, "n01440764"] if folder == "imagenet" else wnids:  # ImageNet holds others, too
            for image in range(3):
                _write(tmp_path / folder / split / wnid / f"{image}.PNG", wnid, image)
    images = DatasetImages(name, tmp_path)
    images.prepare()
    images.check()
    test = images.open()
    assert test.registry.wnids == tuple(wnids)
    assert test.registry.names == DATASETS[name].names
    assert np.bincount(test.labels).tolist() == [3] * 10
    assert all(_shown(test, row)[:2] == _colour(wnids[test.labels[row]], 0)[:2] for row in range(len(test)))
    held = DatasetImages(name, tmp_path, "train", held_out=1, part="held_out").open()
    assert {_shown(held, row)[2] for row in range(len(held))} == {2}  # the last of each class

    pool = DATASETS[name].registry
    backwards = ClassRegistry(pool.names[::-1], pool.names[::-1], tuple(wnids[::-1]))
    assert np.array_equal(test.relabelled(backwards).labels, 9 - test.labels)


def test_imagenet_that_lacks_a_class(tmp_path: Path) -> None:
    _write(tmp_path / "imagenet" / "val" / "n02096294" / "0.PNG", "n02096294", 0)
    with pytest.raises(ClassListError, match=r"Expected the 10 classes .*found none for 'n02093754'"):
        DatasetImages("imagewoof", tmp_path).check()


def test_an_unreadable_or_repeated_image_counts(tmp_path: Path) -> None:
    for wnid in DATASETS["imagewoof"].wnids or ():
        for image in range(2):
            _write(tmp_path / "val" / wnid / f"{image}.PNG", wnid, 0)  # the same one twice
    (tmp_path / "val" / "n02096294" / "bad.PNG").write_bytes(b"no image")
    test = DatasetImages("imagewoof", tmp_path).open()
    assert len(test) == 21
    with pytest.raises(DataError, match=r"Expected an image .*bad\.PNG"):
        [test.read(row) for row in range(len(test))]


# Digits


def test_digits_are_scikit_learns() -> None:
    splits = [DigitsImages(split=split).open() for split in ("train", "test")]
    assert [images.registry.names for images in splits] == [DIGIT_NAMES] * 2
    counts = sum(np.bincount(images.labels, minlength=10) for images in splits)
    assert np.array_equal(counts, np.bincount(load_digits().target))
    assert splits[0].read(0).size == (16, 16)


def test_digits_by_name_are_the_same() -> None:
    named, own = DatasetImages("digits").open(), DigitsImages().open()
    assert named.labels.tolist() == own.labels.tolist()
    assert all(np.array_equal(np.asarray(named.read(i)), np.asarray(own.read(i))) for i in (0, 400))


# All


def test_unknown_data_set() -> None:
    with pytest.raises(ConfigError, match=r"found 'cifar11' \(close to cifar10"):
        DatasetImages("cifar11")


@pytest.mark.parametrize("name", DATASETS)
def test_evaluation_cuts_as_the_spec_says(name: str) -> None:
    spec = DATASETS[name]
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    theirs = v2.Compose([v2.Resize(spec.evaluation.resize), v2.CenterCrop(spec.evaluation.crop)])
    expected = np.asarray(theirs(image)).transpose(2, 0, 1)
    assert np.array_equal(evaluation_view(image, spec.image_size).numpy(), expected)

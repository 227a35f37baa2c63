from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.tensors import TensorFile
from tests.layout_makers import written_out
from tests.pools.tensor_makers import (
    HARD,
    MEAN,
    NAMES,
    NORMALISED,
    PIXELS,
    STD,
    UNIT,
    random_pixels,
    require,
)

# ------------------------------------------------------------------ the pool


def test_reading_gives_the_same_pool_every_time(tmp_path: Path) -> None:
    with_nan = NORMALISED.clone()
    with_nan[1, 2, 3, 4] = float("nan")
    with_nan[2, 0, 0, 0] = float("inf")
    torch.save((with_nan, HARD), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt", class_names=NAMES, normalization="cifar10")
    pool, again = reader.read(), reader.read()
    assert [(image.path, image.class_index, image.reason) for image in pool.excluded] == [
        ("0/f-01.png", 0, "unreadable: NaN pixels"),
        ("1/f-02.png", 1, "unreadable: infinite pixels"),
    ]
    assert pool.registry.names == NAMES
    assert pool.registry.folders == ("0", "1", "2", "3")
    assert pool.counts().tolist() == [2, 2, 3, 3]
    assert (pool.fingerprint, pool.paths) == (again.fingerprint, again.paths)
    assert [pool.read(i) for i in range(len(pool))] == [again.read(i) for i in range(len(pool))]
    assert pool.file(0) is None


def test_the_source_is_small_when_pickled_and_reads_in_threads(tmp_path: Path) -> None:
    torch.save((UNIT.repeat(50, 1, 1, 1), HARD.repeat(50)), tmp_path / "f.pt")
    source = TensorFile(tmp_path / "f.pt").listing().source
    expected = [source.read(row) for row in range(600)]
    pickled = pickle.dumps(source)
    assert len(pickled) < 8 * 600 + 1_000
    travelled = pickle.loads(pickled)  # noqa: S301 - our own
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(travelled.read, range(600))) == expected
    assert len(pickle.dumps(travelled)) == len(pickled)


def test_exported_images_lie_in_class_folders(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    pool = TensorFile(tmp_path / "f.pt", class_names=NAMES).read()
    exported = ClassFolders(written_out(pool, tmp_path / "images"), class_names=NAMES).read()
    assert exported.fingerprint == pool.fingerprint
    assert exported.labels.tolist() == pool.labels.tolist()


def test_the_index_knows_the_file_and_what_is_undone(tmp_path: Path) -> None:
    torch.save((NORMALISED, HARD), tmp_path / "f.pt")
    size = (tmp_path / "f.pt").stat().st_size
    first = TensorFile(tmp_path / "f.pt", normalization="cifar10").listing()
    assert first.stamps.shape == (12, 3)
    assert set(first.stamps[:, 0].tolist()) == {size}
    recipes = {
        TensorFile(tmp_path / "f.pt", normalization=name).listing().source.recipe()
        for name in ("cifar10", "imagenet", "cifar10")
    }
    assert len(recipes) == 2
    digests = [
        TensorFile(tmp_path / "f.pt", normalization=name).read().fingerprint
        for name in ("cifar10", "imagenet", "cifar10")
    ]
    assert digests[0] == digests[2] != digests[1]


def test_a_file_that_changed_after_it_was_listed(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    listing = TensorFile(tmp_path / "f.pt").listing()
    torch.save((UNIT[:5], HARD[:5]), tmp_path / "f.pt")
    with pytest.raises(OSError, match="the file has changed"):
        listing.source.read(0)
    (tmp_path / "f.pt").unlink()
    with pytest.raises(OSError, match="No such file"):
        listing.source.read(0)


# ------------------------------------------------------------------ classes


def test_labels_are_indices_into_the_class_list(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    default = ClassRegistry(NAMES, ("n0", "n1", "n2", "n3"), folders_given=True)
    assert TensorFile(tmp_path / "f.pt").registry(default).names == NAMES
    assert TensorFile(tmp_path / "f.pt").registry(default).folders == ("0", "1", "2", "3")
    with pytest.raises(ClassListError, match=r"labels from 0 to 2 in .*f\.pt.*, found '3'"):
        TensorFile(tmp_path / "f.pt", class_names=NAMES[:3]).check()
    with pytest.raises(ClassListError, match=r"images of all 5 classes in .*f\.pt, found none labelled '4'"):
        TensorFile(tmp_path / "f.pt", class_names=(*NAMES, "four")).check()


def test_labels_without_a_list_are_classes_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    torch.save((UNIT, torch.tensor([2, 10, 7] * 4)), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt")
    assert reader.registry().names == ("2", "7", "10")
    labels = dict(zip(reader.listing().paths, reader.listing().labels.tolist(), strict=True))
    assert labels["10/f-01.png"] == 2
    assert labels["2/f-00.png"] == 0


def test_soft_labels_tell_how_many_classes_there_are(tmp_path: Path) -> None:
    torch.save((UNIT, torch.eye(6)[HARD]), tmp_path / "f.pt")
    with pytest.raises(ClassListError, match=r"images of all 6 classes .* found none labelled '4', '5'"):
        TensorFile(tmp_path / "f.pt").check()
    with pytest.raises(ClassListError, match=r"labels from 0 to 3 .* found '4', '5'"):
        TensorFile(tmp_path / "f.pt", class_names=NAMES).check()


# ------------------------------------------------------------------ normalisation


def test_the_data_set_of_the_class_list_tells_the_normalisation(tmp_path: Path) -> None:
    pixels = np.concatenate([PIXELS, random_pixels(8, seed=2)])
    labels = np.arange(20) % 10
    normalised = (torch.from_numpy(pixels).float() / 255 - MEAN) / STD
    torch.save((normalised, torch.from_numpy(labels)), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt", classes=Path("cifar10"))
    require(reader.listing(ClassRegistry(tuple("abcdefghij"), tuple("0123456789"))), pixels, labels, "f")
    with pytest.raises(PoolError, match="a mean and a deviation that the file does not tell"):
        TensorFile(tmp_path / "f.pt").listing()


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5,), None), (None, (0.5,)), ((0.5,), (0.5, 0.5)), ((0.5,), (0.0,)), ((float("nan"),), (0.5,))],
)
def test_mean_and_std_go_together(
    tmp_path: Path, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    with pytest.raises(PoolError, match="Expected mean and std of as many numbers"):
        TensorFile(tmp_path / "f.pt", mean=mean, std=std).check()


def test_whitened_values_are_refused_where_the_restored_images_lie_beside_them(tmp_path: Path) -> None:
    for step in ("500", "best"):
        torch.save(NORMALISED, tmp_path / f"images_{step}.pt")
        torch.save(HARD, tmp_path / f"labels_{step}.pt")
    torch.save(UNIT, tmp_path / "images_zca_500.pt")
    for step in ("500", "best"):
        with pytest.raises(PoolError, match=r"ZCA-whitened values, as images_zca_500\.pt beside it tells"):
            TensorFile(tmp_path / f"images_{step}.pt", classes=Path("cifar10")).check()
    TensorFile(tmp_path / "images_zca_500.pt").check()
    TensorFile(tmp_path / "images_500.pt", normalization="cifar10").check()


# ------------------------------------------------------------------ files that are refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((UNIT[0], HARD), r"shape \(N, channels, height, width\).* found shape \(3, 6, 5\)"),
        ((UNIT[:, 0], HARD), r"found shape \(12, 6, 5\)"),
        ((UNIT[None], HARD), r"found shape \(1, 12, 3, 6, 5\)"),
        ((torch.zeros(12, 4, 6, 5), HARD), r"with 1 or 3 channels, found shape \(12, 4, 6, 5\)"),
        ((UNIT[:0], HARD[:0]), r"found shape \(0, 3, 6, 5\)"),
        ((UNIT.to(torch.complex64), HARD), "arrays of numbers in .*, found type complex64"),
        ((UNIT.to_sparse(), HARD), "dense tensors"),
        ((UNIT, HARD[:11]), r"labels of shape \(12,\) or \(12, classes\) .*found shape \(11,\)"),
        ((UNIT, HARD.view(3, 4)), r"found shape \(3, 4\)"),
        ((UNIT, HARD.view(12, 1, 1)), r"found shape \(12, 1, 1\)"),
        ((UNIT, torch.tensor(3)), r"found shape \(\)"),
        ((UNIT, HARD.clone().fill_(-1)), "labels from 0 on in .*, found -1"),
        ((UNIT, HARD + 0.5), "whole numbers as labels in .*, found 3.5"),
        ((UNIT, HARD * float("nan")), "whole numbers as labels in .*, found nan"),
        ((UNIT, HARD == 3), "arrays of numbers in .*, found type bool"),
        (
            (UNIT, torch.full((12, 4), float("nan"))),
            "finite scores as soft labels in .* for 12 images, first in row 0",
        ),
        ({"weights": UNIT, "bias": HARD}, "found the names 'weights', 'bias'"),
        ({"images": UNIT, "x": UNIT, "labels": HARD}, "found the names 'images', 'x', 'labels'"),
        ([UNIT, HARD, HARD], "found list"),
        ({}, "found the names "),
        (7, "found int"),
        ({"data": []}, "found list"),
        (UNIT, r"labels with the images of .*f\.pt, found none in it; name their file as labels"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_contents_that_are_no_pool(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "f.pt")
    with pytest.raises(PoolError, match=message):
        TensorFile(tmp_path / "f.pt").check()


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        TensorFile(tmp_path / "none.pt").check()
    with pytest.raises(PoolError, match=r"file of tensors \(\.npy, \.npz, \.pt, \.pth\), found"):
        TensorFile(tmp_path).check()
    (tmp_path / "f.safetensors").touch()
    with pytest.raises(PoolError, match=r"found .*safetensors"):
        TensorFile(tmp_path / "f.safetensors").check()
    torch.save(UNIT, tmp_path / "images_9.pt")
    with pytest.raises(PoolError, match=r"found none in it, and no labels_9\.pt beside it"):
        TensorFile(tmp_path / "images_9.pt").check()
    with pytest.raises(PoolError, match=r"file of labels at .*other\.pt, found none"):
        TensorFile(tmp_path / "images_9.pt", labels=tmp_path / "other.pt").check()

"""Labels and images of every kind that people save, and what the names of result files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.any_pool import AnyPool
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.tensors import TensorFile

IMAGES = torch.from_numpy(np.random.default_rng(0).random((6, 3, 4, 5), dtype=np.float32))
CLASSES = np.array([0, 2, 1, 1, 0, 2])
FORMS: dict[str, Any] = {
    "list": CLASSES.tolist(),
    "tuple": tuple(CLASSES.tolist()),
    "floats": [float(c) for c in CLASSES],
    "list of tensors": [torch.tensor(int(c)) for c in CLASSES],
    "array": CLASSES,
    "int32": torch.from_numpy(CLASSES).int(),
    "uint8": torch.from_numpy(CLASSES).to(torch.uint8),
    "big-endian": CLASSES.astype(">i4"),
    "float64 array": CLASSES.astype(np.float64),
    "one-hot": torch.nn.functional.one_hot(torch.from_numpy(CLASSES)),
    "one-hot truth values": torch.nn.functional.one_hot(torch.from_numpy(CLASSES)).bool(),
    "one-hot lists": np.eye(3)[CLASSES].tolist(),
    "column": torch.from_numpy(CLASSES)[:, None],
    "names": [f"class {c}" for c in CLASSES],
}


def _labels(path: Path) -> list[int]:
    reader = TensorFile(path)
    listing = reader.listing()
    of_row = {int(name.rpartition("-")[2].removesuffix(".png")): i for i, name in enumerate(listing.paths)}
    return [int(listing.labels[of_row[row]]) for row in range(len(listing))]


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_any_kind(form: str, tmp_path: Path) -> None:
    torch.save({"images": IMAGES, "labels": FORMS[form]}, tmp_path / "f.pt")
    assert _labels(tmp_path / "f.pt") == CLASSES.tolist()
    torch.save([IMAGES, FORMS[form]], tmp_path / "pair.pt")
    assert _labels(tmp_path / "pair.pt") == CLASSES.tolist()
    torch.save(IMAGES, tmp_path / "images_best.pt")
    torch.save(FORMS[form], tmp_path / "labels_best.pt")
    assert _labels(tmp_path / "images_best.pt") == CLASSES.tolist()


@pytest.mark.parametrize("images", [IMAGES.numpy(), list(IMAGES), np.asfortranarray(IMAGES.numpy())])
def test_images_of_any_kind(images: object, tmp_path: Path) -> None:
    torch.save({"images": images, "labels": CLASSES}, tmp_path / "f.pt")
    torch.save({"images": IMAGES, "labels": CLASSES}, tmp_path / "g.pt")
    found, wanted = TensorFile(tmp_path / "f.pt").listing(), TensorFile(tmp_path / "g.pt").listing()
    assert [found.source.read(row) for row in range(6)] == [wanted.source.read(row) for row in range(6)]


@pytest.mark.parametrize(
    "labels",
    [["a", 1, 2, 3, 4, 5], [None] * 6, np.array([{}] * 6), [[0, 1], [1]] * 3, [[]] * 6, [10**400] * 6],
)
def test_labels_that_are_none(labels: object, tmp_path: Path) -> None:
    torch.save({"images": IMAGES, "labels": labels}, tmp_path / "f.pt")
    with pytest.raises(PoolError, match=r"^Expected "):
        TensorFile(tmp_path / "f.pt").check()


def test_a_tensor_larger_than_its_memory_is_refused(tmp_path: Path) -> None:
    torch.save({"images": torch.zeros(1).expand(10**9, 3, 64, 64), "labels": CLASSES}, tmp_path / "f.pt")
    with pytest.raises(PoolError, match=r"found shape .* over 4 bytes of memory"):
        TensorFile(tmp_path / "f.pt").check()


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    images = np.zeros((30_000, 3, 32, 32), dtype=np.uint8)
    np.savez_compressed(tmp_path / "f.npz", images=images, labels=np.zeros(30_000, dtype=np.int64))
    with pytest.raises(PoolError, match="of at most 100 times their packed size"):
        TensorFile(tmp_path / "f.npz").check()


@pytest.mark.parametrize(
    ("name", "channels", "mean", "std", "data_set"),
    [
        ("res_DC_CIFAR10_ConvNet_1ipc.pt", 3, DATASETS["cifar10"].normalization.mean, None, "cifar10"),
        ("res_DM_MNIST_ConvNet_1ipc.pt", 1, (0.1307,), (0.3081,), None),
        ("res_DSA_FashionMNIST_ResNet18BN_AP_1ipc.pt", 1, (0.2861,), (0.3530,), None),
    ],
)
def test_the_name_of_a_result_says_its_data_set(
    name: str,
    channels: int,
    mean: tuple[float, ...],
    std: tuple[float, ...] | None,
    data_set: str | None,
    tmp_path: Path,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, channels, 8, 8), dtype=np.uint8)
    std = DATASETS["cifar10"].normalization.std if std is None else std
    columns = [np.reshape(numbers, (-1, 1, 1)) for numbers in (mean, std)]
    values = torch.from_numpy((pixels / 255 - columns[0]) / columns[1]).float()
    torch.save(
        {"data": [[values, torch.arange(10)]], "accs_all_exps": {"ConvNet": np.float64(0.5)}}, tmp_path / name
    )
    reader = AnyPool(tmp_path / name)
    listing = reader.listing()
    for row, label in enumerate(listing.labels):
        image = np.asarray(decode_image(listing.source.read(row)))[..., :channels].transpose(2, 0, 1)
        assert np.array_equal(image, pixels[label])
    names = tuple(map(str, range(10))) if data_set is None else DATASETS[data_set].registry.names
    assert reader.registry().names == names


def test_a_flipped_bit_in_a_tensor_file_is_found(tmp_path: Path) -> None:
    torch.save({"images": IMAGES, "labels": torch.from_numpy(CLASSES)}, tmp_path / "f.pt")
    content = bytearray((tmp_path / "f.pt").read_bytes())
    content[content.index(IMAGES.numpy().tobytes()) + 3] ^= 64  # of an exponent
    (tmp_path / "f.pt").write_bytes(content)
    with pytest.raises(PoolError, match="does not fit its checksum; copy or make the file again"):
        TensorFile(tmp_path / "f.pt").check()

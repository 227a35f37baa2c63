from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools.cifar_files import CifarFiles
from semdd_lightning.pools.images import decode_image
from tests.layout_makers import CIFAR10_NAMES, MAKERS, PER_CLASS
from tests.pools.pickle_makers import Touch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return MAKERS["cifar"](tmp_path / "data").path


def stored(file: Path) -> tuple[np.ndarray, list[int]]:
    """Pixels (N, 32, 32, 3) and labels of a batch, read without torchvision."""
    batch = pickle.loads(file.read_bytes())  # noqa: S301 - written by the maker
    return batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), batch["labels"]


@pytest.mark.usefixtures("unchecked_cifar")
@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_are_images_named_by_class_and_row(root: Path, split: str) -> None:
    pool = CifarFiles(root, split="train" if split == "train" else "test").read()
    files = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    batches = [stored(root / "cifar-10-batches-py" / file) for file in files]
    pixels = np.concatenate([batch[0] for batch in batches])
    labels = [label for batch in batches for label in batch[1]]
    expected = sorted(f"{CIFAR10_NAMES[label]}/{row:05d}.png" for row, label in enumerate(labels))
    assert list(pool.paths) == expected
    for i, path in enumerate(pool.paths):
        row = int(Path(path).stem)
        assert pool.labels[i] == labels[row]
        assert np.array_equal(np.asarray(decode_image(pool.read(i))), pixels[row])
    assert pool.file(0) is None
    assert pool.registry.names == CIFAR10_NAMES


@pytest.mark.usefixtures("unchecked_cifar")
def test_the_index_of_a_split_is_not_taken_for_that_of_the_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semdd_lightning.pools.index_cache._RECENT_NS", 0)
    for _ in range(2):
        pools = [CifarFiles(root, split="train").read(), CifarFiles(root, split="test").read()]
        assert set(pools[0].paths) & set(pools[1].paths)
        for pool in pools:
            digests = [hashlib.sha256(pool.read(i)).digest() for i in range(len(pool))]
            assert [digest.tobytes() for digest in pool.traits.digests] == digests


@pytest.mark.usefixtures("unchecked_cifar")
def test_the_folder_itself_will_do_whatever_it_is_called(root: Path, tmp_path: Path) -> None:
    expected = CifarFiles(root).read().fingerprint
    assert CifarFiles(root / "cifar-10-batches-py").read().fingerprint == expected
    moved = (root / "cifar-10-batches-py").rename(tmp_path / "moved")
    assert CifarFiles(moved).read().fingerprint == expected


@pytest.mark.usefixtures("unchecked_cifar")
def test_a_class_list_orders_the_classes(root: Path) -> None:
    pool = CifarFiles(root, class_names=CIFAR10_NAMES[::-1]).read()
    assert pool.registry.folders == CIFAR10_NAMES[::-1]
    assert pool.labels[0] == 9
    assert pool.counts().tolist() == [PER_CLASS] * 10
    with pytest.raises(ClassListError, match="classes without a folder: 'zebra'"):
        CifarFiles(root, class_names=(*CIFAR10_NAMES[:9], "zebra")).check()
    assert CifarFiles(root, classes="cifar10").registry() == DATASETS["cifar10"].registry


@pytest.mark.usefixtures("unchecked_cifar")
def test_cifar_100_is_told_apart_by_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    names = ["apple", "aquarium_fish"]
    meta = {"fine_label_names": names, "coarse_label_names": ["fish", "fruit"]}
    (folder / "meta").write_bytes(pickle.dumps(meta))
    data = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    batch = {"data": data, "fine_labels": [1, 0, 1, 0], "coarse_labels": [0, 1, 0, 1]}
    for split in ("train", "test"):
        (folder / split).write_bytes(pickle.dumps(batch))
    pool = CifarFiles(tmp_path, split="test").read()
    assert pool.registry.names == ("apple", "aquarium fish")
    assert list(pool.paths) == [f"{names[c]}/0000{row}.png" for c, row in ((0, 1), (0, 3), (1, 0), (1, 2))]
    assert pool.labels.tolist() == [0, 0, 1, 1]


def test_check_reads_no_images_and_needs_no_torch(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("an image was opened"))
    monkeypatch.setattr("torchvision.datasets.CIFAR10", None)
    CifarFiles(root).check()
    assert CifarFiles(root).registry().folders == CIFAR10_NAMES


def test_files_of_another_origin_are_refused_and_not_run(root: Path) -> None:
    mark = root / "ran"
    (root / "cifar-10-batches-py/data_batch_1").write_bytes(pickle.dumps(Touch(mark)))
    with pytest.raises(PoolError, match=r"official files of CIFAR10 .*hash .*unpack cifar-10-python.tar.gz"):
        CifarFiles(root).listing()
    (root / "cifar-10-batches-py/batches.meta").write_bytes(pickle.dumps({"label_names": Touch(mark)}))
    with pytest.raises(PoolError, match=r"class names in .*batches.meta, found none .*would run code"):
        CifarFiles(root).check()
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"names": []}), pickle.dumps(3)])
def test_class_names_that_are_none(root: Path, content: bytes) -> None:
    folder = root / "cifar-10-batches-py"
    (folder / "batches.meta").write_bytes(content)
    with pytest.raises(PoolError, match="Expected CIFAR's class names in"):
        CifarFiles(root).check()


def test_where_there_is_no_cifar(root: Path, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        CifarFiles(tmp_path / "none").check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        PoolError, match=r"Expected cifar-10-batches-py or cifar-100-python in .*, found neither"
    ):
        CifarFiles(tmp_path / "empty").check()
    (tmp_path / "empty/cifar-10-batches-bin").mkdir()
    with pytest.raises(PoolError, match=r"found the binary version \(cifar-10-batches-bin\)"):
        CifarFiles(tmp_path / "empty").check()
    (root / "cifar-100-python").mkdir()
    (root / "cifar-100-python/meta").touch()
    with pytest.raises(PoolError, match="found cifar-10-batches-py and cifar-100-python; give one"):
        CifarFiles(root).check()

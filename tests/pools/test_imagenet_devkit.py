from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import pytest
import torch

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.imagenet_devkit import devkit_file, validation_wnids
from tests.layout_makers import MAKERS, WNIDS
from tests.pools.pickle_makers import Touch

EXPECTED = [*WNIDS[::-1], *WNIDS[::-1]]
NAME = "ILSVRC2012_devkit_t12"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return MAKERS["imagenet"](tmp_path / "imagenet").path


def test_the_unpacked_devkit(root: Path) -> None:
    assert devkit_file(root) == root / NAME
    assert validation_wnids(devkit_file(root)) == EXPECTED


def test_the_archive_is_read_by_torchvision_and_nothing_is_written_beside_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(root / f"{NAME}.tar.gz", "w:gz") as archive:
        archive.add(root / NAME, NAME)
    before = sorted(root.iterdir())
    with pytest.raises(PoolError, match="is not present in the root directory or is corrupted"):
        validation_wnids(devkit_file(root))
    monkeypatch.setattr("torchvision.datasets.imagenet._verify_archive", lambda *_: None)
    assert devkit_file(root) == root / f"{NAME}.tar.gz"
    assert validation_wnids(devkit_file(root)) == EXPECTED
    assert sorted(root.iterdir()) == before


def test_the_form_that_torchvision_keeps(root: Path) -> None:
    torch.save((dict.fromkeys(WNIDS, ("name",)), EXPECTED), root / "meta.bin")
    assert devkit_file(root) == root / "meta.bin"
    assert validation_wnids(devkit_file(root)) == EXPECTED


def test_a_file_that_would_run_code_is_refused(root: Path) -> None:
    mark = root / "ran"
    (root / "meta.bin").write_bytes(pickle.dumps(Touch(mark), protocol=2))
    with pytest.raises(PoolError, match=r"validation images in .*meta.bin, found none"):
        validation_wnids(root / "meta.bin")
    assert not mark.exists()


def test_contents_that_are_no_labels(root: Path) -> None:
    torch.save(({}, ["tench", "springer"]), root / "meta.bin")
    with pytest.raises(PoolError, match="found 'tench', 'springer', which are no wnids; get it again"):
        validation_wnids(root / "meta.bin")
    truth = root / NAME / "data/ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("1\n1001\n")
    with pytest.raises(PoolError, match=r"found none .1001.; get it again"):
        validation_wnids(root / NAME)
    truth.write_text("")
    with pytest.raises(PoolError, match="which are no wnids"):
        validation_wnids(root / NAME)
    truth.unlink()
    with pytest.raises(PoolError, match="No such file"):
        validation_wnids(root / NAME)

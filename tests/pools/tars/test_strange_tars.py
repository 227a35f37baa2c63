"""Tars that are not as they should be: dots in names, compressed ones, labels of any size."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.pools import tar_members as members
from semdd_lightning.pools.any_pool import AnyPool
from semdd_lightning.pools.webdataset import TarShards
from tests.pools.tar_makers import noise, write_tar


def test_dots_in_names_are_said(tmp_path: Path) -> None:
    files = {f"shard/img.v1.{i}.png": noise(i) for i in (1, 2)}
    files |= {f"shard/img.v1.{i}.cls": b"0" for i in (1, 2)}
    with pytest.raises(
        PoolError, match=r"no dots before the ending of a label in .*found 'shard/img\.v1\.1\.cls'"
    ):
        TarShards(write_tar(tmp_path / "x.tar", files)).check()
    beside = {"cat/0.png": noise(0), "cat/0.meta.json": b"{}", "dog/1.png": noise(1)}
    assert TarShards(write_tar(tmp_path / "y.tar", beside)).registry().names == ("cat", "dog")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_a_compressed_tar_is_refused_without_being_unpacked(tmp_path: Path, suffix: str) -> None:
    bomb = tmp_path / f"x{suffix}"
    bomb.write_bytes(gzip.compress(b"")[:10] + b"what follows is not looked at")
    with pytest.raises(PoolError, match="to be an uncompressed tar"):
        AnyPool(bomb).check()


def test_a_huge_label_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_LARGEST_LABEL", 1)
    files = {"0.png": noise(0), "0.cls": b"1", "1.png": noise(1), "1.cls": b"10"}
    with pytest.raises(PoolError, match=r"a \.cls member with a class beside every image .* none for 1 of 2"):
        TarShards(write_tar(tmp_path / "x.tar", files)).check()

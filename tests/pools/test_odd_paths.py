"""A pool is read wherever it lies: Arrow and others take paths of UTF-8 alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from semdd_lightning.pools.any_pool import AnyPool
from tests import layout_makers


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
@pytest.mark.parametrize("layout", sorted(layout_makers.MAKERS.keys() - {"cifar"}))
def test_a_pool_below_a_folder_that_is_not_utf8(layout: str, tmp_path: Path) -> None:
    made = layout_makers.MAKERS[layout](tmp_path / "pool")
    sound = AnyPool(made.path, made.classes).read(tmp_path / "cache")
    odd = (tmp_path / "pool").rename(tmp_path / "\udcff") / made.path.relative_to(tmp_path / "pool")
    pool = AnyPool(odd, made.classes).read(tmp_path / "\udcffcache")
    assert (list(pool.paths), list(pool.labels)) == (list(sound.paths), list(sound.labels))
    assert AnyPool(odd, made.classes).read(tmp_path / "\udcffcache").fingerprint == pool.fingerprint

"""What is written lies apart from what is read, whoever writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.errors import RunError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.files import require_apart, require_outside


@pytest.mark.parametrize("output", ["pool", "pool/out", "pool/cat/out", "link/out", "other/../pool/out"])
def test_output_in_the_pool_is_refused(output: str, tmp_path: Path) -> None:
    (tmp_path / "pool" / "cat").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "pool")
    for require in (require_outside, require_apart):
        with pytest.raises(RunError, match=r"outside of the images in .*/pool, found"):
            require(tmp_path / output, tmp_path / "pool")


@pytest.mark.parametrize("output", ["out", "pool2", "pool/.hidden/out"])
def test_output_elsewhere_is_not(output: str, tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    require_apart(tmp_path / output, tmp_path / "pool")
    require_apart(tmp_path / output, None)
    require_apart(tmp_path / output, tmp_path / "pool-{0..9}.tar")


def test_a_pool_in_the_output_is_refused(tmp_path: Path) -> None:
    """It would be cleared with what a dead process left there."""
    (tmp_path / "out" / "pool").mkdir(parents=True)
    with pytest.raises(RunError, match=r"nothing else, found the images in .*/out/pool within"):
        require_apart(tmp_path / "out", tmp_path / "out" / "pool")


def test_the_cache_does_not_lie_in_the_pool(coloured_pool: Path) -> None:
    with pytest.raises(RunError, match="outside of the images"):
        ClassFolders(coloured_pool).read(coloured_pool / "cache")
    assert not (coloured_pool / "cache").exists()

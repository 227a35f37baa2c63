"""The measurement of a pool's memory, on a pool of a few made-up files."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from benchmarks import pool_memory
from semdd_lightning.pools import ClassFolders
from semdd_lightning.prior import OpenClipPrior, embed_pool


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own takes seconds."""
    monkeypatch.setattr(pool_memory, "in_a_process", lambda measured, *args: measured(*args))


@pytest.mark.usefixtures("in_this_process")
def test_what_is_measured_is_what_was_filled_in(tmp_path: Path) -> None:
    root = pool_memory.make_folders(tmp_path, classes=3)
    pool_memory.fill(root, images=20, classes=3)
    memory = pool_memory.read(root, images=20, classes=3)
    reader, prior = ClassFolders(root / "pool"), OpenClipPrior(str(root / "model"))
    with patch(pool_memory._SCAN, pool_memory.made_up_files(20, 3)):
        pool = reader.read(root / "cache")
    assert pool.counts().tolist() == [7, 7, 6]
    assert pool.paths[0] == "n00000000/n00000000_0.JPEG"
    assert len(np.unique(pool.traits.digests, axis=0)) == 20
    embeddings = embed_pool(pool, prior, cache_dir=root / "cache")
    assert embeddings.encoded == 0
    torch.testing.assert_close(embeddings.image_embeddings.norm(dim=1), torch.ones(20))
    vectors = 4 * (20 + 3) * 512
    assert memory.arrays == pytest.approx(pool_memory.column_mib(pool) + vectors / 2**20)
    assert memory.peak >= memory.steady > 0
    assert memory.index_peak >= memory.index > 0


@pytest.mark.usefixtures("in_this_process")
def test_the_result_compares_arrays_with_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = pool_memory.Memory(
        imports=100, index_peak=160, index=120, peak=400, steady=300, index_arrays=30, arrays=150
    )
    monkeypatch.setattr(pool_memory, "make_folders", lambda root, classes: root)
    monkeypatch.setattr(pool_memory, "fill", lambda *_: None)
    monkeypatch.setattr(pool_memory, "read", lambda *_: measured)
    result = pool_memory.measure()
    assert [ratio.value for ratio in result.ratios] == [0.5, 0.75, 0.5]
    assert [ratio.bar for ratio in result.ratios] == [1 / 1.3, 1 / 1.3, None]
    assert not any(ratio.bar for ratio in pool_memory.measure(images=20).ratios)

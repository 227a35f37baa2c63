"""The measurement of selection at scale, on a small pool."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import selection_scale
from benchmarks.selection_scale import read_pool, write_pool
from semdd_lightning.selection import TwoStage, largest_product


def test_it_measures_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_scale, "in_a_process", lambda measured, *args: measured(*args))
    result = selection_scale.measure(num_classes=4, images_per_class=30, dim=8, ipc=3, rounds=1)
    assert [ratio.bar for ratio in result.ratios] == [1 / 1.5, None, None, None, None, 1.0]
    assert all(len(seconds) == 1 for seconds in result.seconds.values())
    assert result.settings["images"] == 120


def test_without_bfloat16_the_screen_is_in_float32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_pool(tmp_path / "z.f16", 3, 8, 16)
    pool = read_pool(tmp_path / "z.f16", 3, 8, 16)
    types = []
    monkeypatch.setattr(TwoStage, "select", lambda *_: types.append(largest_product.coarse_type()))
    selection_scale.select_without_bfloat16(pool, 2)
    assert types == [torch.float32]


def test_the_mapped_pool_is_what_was_written(tmp_path: Path) -> None:
    write_pool(tmp_path / "z.f16", 3, 5, 16)
    pool = read_pool(tmp_path / "z.f16", 3, 5, 16)
    assert pool.image_embeddings.dtype == torch.float16
    assert pool.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    similarity = pool.image_embeddings.float() @ pool.text_prototypes.T
    assert (similarity.argmax(dim=1) == pool.labels).double().mean() > 0.5
    assert len(torch.unique(similarity)) == similarity.numel()  # no image twice

"""What a student learns early of a pool: wrong labels stand out, one process learns, manifests know of it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from semdd_lightning.data import learning, select, verify
from semdd_lightning.data.learning import LearningPlan, learn_pool
from semdd_lightning.errors import SelectionError
from semdd_lightning.export.manifest import read_manifest
from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.prior import OpenClipPrior

PLAN = LearningPlan(passes=12, image_size=8, width=8)


@pytest.fixture
def pool(coloured_pool: Path) -> Pool:
    return ClassFolders(coloured_pool).read()


def test_an_image_under_a_wrong_label_is_learned_last(pool: Pool) -> None:
    labels = pool.labels.copy()
    labels[0] = (labels[0] + 1) % 3
    learned = learn_pool(replace(pool, labels=labels), PLAN).log_posteriors
    assert int(learned.argmin()) == 0
    assert learned.dtype == torch.float64
    assert learned.shape == (len(pool),)
    assert float(learned.max()) < 0


def test_the_mean_is_over_all_passes_but_the_first_and_from_before_each_step(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    step = learning._step

    def watched(
        student: torch.nn.Module, optimizer: torch.optim.Optimizer, views: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        before = F.log_softmax(student(views), dim=1)[torch.arange(len(labels)), labels].detach()
        found = step(student, optimizer, views, labels)
        seen.append((labels, before))
        torch.testing.assert_close(found, before, atol=0.02, rtol=0.02)  # bfloat16, where it is fast
        return found

    monkeypatch.setattr(learning, "_step", watched)
    plan = replace(PLAN, passes=3, batch_size=len(pool))
    learned = learn_pool(pool, plan).log_posteriors
    assert len(seen) == 3
    expected = sum(float(values.sum()) for _, values in seen[1:]) / 2
    assert float(learned.sum()) == pytest.approx(expected, rel=0.02)


def test_it_is_learned_once_and_the_cache_gives_every_bit(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.random.get_rng_state()
    first = learn_pool(pool, PLAN, cache_dir=tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(
        learn_pool(pool, PLAN, cache_dir=tmp_path / "other").log_posteriors, first.log_posteriors
    )
    others = [
        learn_pool(pool, replace(PLAN, seed=1)),
        learn_pool(replace(pool, labels=(pool.labels + 1) % 3), PLAN),
    ]
    assert len({first.key, *(other.key for other in others)}) == 3
    monkeypatch.setattr(learning, "_learn", lambda *_, **__: pytest.fail("it was learned again"))
    again = learn_pool(pool, PLAN, cache_dir=tmp_path)
    assert torch.equal(again.log_posteriors, first.log_posteriors)
    assert again.key == first.key


def test_what_is_damaged_is_learned_again(pool: Pool, tmp_path: Path) -> None:
    first = learn_pool(pool, PLAN, cache_dir=tmp_path)
    file = next(tmp_path.rglob("log_posteriors.safetensors"))
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    assert torch.equal(learn_pool(pool, PLAN, cache_dir=tmp_path).log_posteriors, first.log_posteriors)
    assert file.read_bytes() != bytes(content)


@pytest.mark.parametrize("damage", [None, b"", b"cut"])
def test_what_a_killed_one_had_learned_is_gone_on_with(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    whole = learn_pool(pool, PLAN, cache_dir=tmp_path / "whole").log_posteriors
    monkeypatch.setattr(learning, "_KEEP_EVERY_S", 0.0)
    views, seen = learning._views, list[int]()

    def until_killed(pixels: torch.Tensor, plan: LearningPlan, number: int) -> Any:  # noqa: ANN401
        if number == 7 and not seen.count(7):
            seen.append(7)
            raise KeyboardInterrupt
        seen.append(number)
        return views(pixels, plan, number)

    monkeypatch.setattr(learning, "_views", until_killed)
    with pytest.raises(KeyboardInterrupt):
        learn_pool(pool, PLAN, cache_dir=tmp_path)
    (kept,) = tmp_path.rglob("learning.safetensors")
    if damage is not None:
        kept.write_bytes(damage)
    again = learn_pool(pool, PLAN, cache_dir=tmp_path)
    assert torch.equal(again.log_posteriors, whole)
    first = 7 if damage is None else 0
    assert seen == [*range(7), 7, *range(first, PLAN.passes)]
    assert not kept.exists()


def test_of_two_on_one_cache_one_learns_and_the_other_says_that_it_waits(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "semdd_lightning")
    calls, found, learn = [], [], learning._learn

    def counted(*args: Any, **options: Any) -> torch.Tensor:  # noqa: ANN401 - passed on
        calls.append(1)
        until = time.monotonic() + 10
        while "Waiting" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)
        return learn(*args, **options)

    monkeypatch.setattr(learning, "_learn", counted)
    threads = [
        Thread(target=lambda: found.append(learn_pool(pool, PLAN, cache_dir=tmp_path).log_posteriors))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert torch.equal(*found)
    assert not list(tmp_path.rglob("*.lock"))
    assert f", which learns from the images of {pool.root}" in caplog.text


@pytest.fixture
def _short_learning() -> None:
    """Nothing here is shorter than it is."""


def test_a_selection_is_told_and_can_be_verified(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path
) -> None:
    reader, prior = ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir))
    selected = select(reader, prior, 2, device="cpu")
    learned = learn_pool(selected.pool)
    table = selected.selection.scores
    np.testing.assert_array_equal(table["learnability"].to_numpy(), learned.log_posteriors.numpy())
    assert selected.manifest.learning_key == learned.key
    assert "learn" in selected.seconds

    directory = selected.export(tmp_path / "subset")
    assert read_manifest(directory) == selected.manifest
    assert verify(directory).differences == []
    alone = select(reader, prior, 2, "two_stage", device="cpu").manifest
    assert alone.learning_key is None
    assert alone.embeddings_digest != selected.manifest.embeddings_digest


def test_embeddings_without_it_are_refused_by_name(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    from semdd_lightning.export.pool_selection import sampler_embeddings
    from semdd_lightning.selection import build_sampler

    selected = select(
        ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 2, "two_stage", device="cpu"
    )
    seen = sampler_embeddings(selected.pool, selected.embeddings)
    with pytest.raises(SelectionError, match="Expected what a student learned from the pool for learnable"):
        build_sampler("learnable").select(seen, 2)
    with pytest.raises(SelectionError, match="Expected learning to be of shape"):
        replace(seen, learning=torch.zeros(1))

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    Embeddings,
    Quality,
    Random,
    Relevance,
    Sampler,
    Separability,
)
from semdd_lightning.selection.samplers.random import random_positions

MakePool = Callable[..., Embeddings]


@pytest.mark.parametrize(
    ("sampler", "column"),
    [
        (Relevance(), "class_relevance"),
        (Relevance(prototypes="image"), "class_relevance"),
        (Separability(), "class_separability"),
        (Separability(separability_mode="posterior", prototypes="both"), "class_separability"),
        (Quality(), "quality"),
        (Quality(separability_weight=0.2, separability_mode="mean", normalization="rank"), "quality"),
    ],
)
@pytest.mark.parametrize("duplicates", [False, True])
def test_takes_the_top_of_its_score(
    make_pool: MakePool, sampler: Sampler, column: str, duplicates: bool
) -> None:
    pool = make_pool(3, duplicates=duplicates)
    selection = sampler.select(pool, 4)
    score = selection.scores[column].round(9)
    for class_index, rows in enumerate(pool.class_rows()):
        expected = sorted(rows.tolist(), key=lambda row: (-score[row], row))[:4]
        assert selection.class_indices(class_index).tolist() == expected
    picked = selection.scores["pick_value"].to_numpy()[selection.indices]
    assert picked.tolist() == selection.scores[column].to_numpy()[selection.indices].tolist()


def test_random_depends_on_seed_and_class_alone(make_pool: MakePool) -> None:
    pool = make_pool(4, counts=(40, 40, 40))
    first = Random().select(pool, 10, seed=1)
    assert first.digest == Random().select(pool, 10, seed=1).digest
    assert first.digest != Random().select(pool, 10, seed=2).digest
    keep = pool.labels < 2
    without_last = Embeddings(pool.image_embeddings[keep], pool.labels[keep], pool.text_prototypes)
    kept_rows = torch.nonzero(keep)[:, 0]
    for class_index, rows in enumerate(without_last.class_rows()):
        if class_index == 2:
            continue
        expected = torch.searchsorted(kept_rows, first.class_indices(class_index))
        two = Embeddings(without_last.image_embeddings, without_last.labels, pool.text_prototypes[:2])
        assert Random().select(two, 10, seed=1).class_indices(class_index).tolist() == expected.tolist()
        assert set(expected.tolist()) <= set(rows.tolist())
    positions = [
        torch.searchsorted(rows, first.class_indices(c)).tolist() for c, rows in enumerate(pool.class_rows())
    ]
    assert positions[0] != positions[1]


def test_random_leaves_the_global_generator_alone(make_pool: MakePool) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    Random().select(make_pool(5), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_draws_every_image_equally_often() -> None:
    hits = torch.zeros(5)
    for seed in range(400):
        hits[random_positions(5, 2, seed, class_index=1)] += 1
    assert (hits / 400 - 0.4).abs().max() < 0.1  # four standard deviations


@pytest.mark.parametrize("sampler", [Separability(), Quality()])
def test_one_class_has_nothing_to_be_separated_from(make_pool: MakePool, sampler: Sampler) -> None:
    with pytest.raises(SelectionError, match="at least 2 classes for class separability, found 1"):
        sampler.select(make_pool(7, counts=(5,)), 2)


def test_one_class_by_quality_is_relevance(make_pool: MakePool) -> None:
    pool = make_pool(8, counts=(9,))
    by_quality = Quality(separability_weight=0.0, prototypes="text").select(pool, 3)
    assert by_quality.digest == Relevance().select(pool, 3).digest


@pytest.mark.parametrize(
    ("sampler", "parameters"),
    [
        (Relevance, {"prototypes": "x"}),
        (Separability, {"separability_mode": "x"}),
        (Quality, {"normalization": "x"}),
    ],
)
def test_wrong_parameters_are_refused(sampler: Callable[..., Sampler], parameters: dict[str, Any]) -> None:
    with pytest.raises(SelectionError, match=r"to be one of .*, found 'x'"):
        sampler(**parameters)

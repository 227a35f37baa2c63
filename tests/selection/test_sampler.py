from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError, TooFewImagesError
from semdd_lightning.selection import SAMPLERS, Embeddings, TwoStage, build_sampler

MakePool = Callable[..., Embeddings]


@pytest.mark.parametrize("name", SAMPLERS)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), ipc=st.integers(1, 10), duplicates=st.booleans())
def test_exactly_ipc_distinct_images_of_each_class(
    make_pool: MakePool, name: str, seed: int, ipc: int, duplicates: bool
) -> None:
    pool = make_pool(seed, duplicates=duplicates)
    selection = build_sampler(name).select(pool, ipc, seed)
    assert selection.indices.dtype == torch.int64
    assert len(set(selection.indices.tolist())) == 3 * ipc
    for class_index in range(3):
        rows = selection.class_indices(class_index)
        assert len(rows) == ipc
        assert (pool.labels[rows] == class_index).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_classes_are_independent(make_pool: MakePool, name: str) -> None:
    pool = make_pool(2)
    changed = pool.image_embeddings.clone()
    changed[pool.labels == 2] = pool.image_embeddings[pool.labels == 2].flip(0)
    other = Embeddings(changed, pool.labels, pool.text_prototypes, pool.logit_scale)
    before, after = (build_sampler(name).select(p, 4) for p in (pool, other))
    assert before.indices[:8].tolist() == after.indices[:8].tolist()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_full_class_is_taken_whole(make_pool: MakePool, name: str) -> None:
    pool = make_pool(3, counts=(4, 6))
    selection = build_sampler(name).select(pool, 4)
    assert sorted(selection.class_indices(0).tolist()) == pool.class_rows()[0].tolist()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_small_class_is_named(make_pool: MakePool, name: str) -> None:
    with pytest.raises(TooFewImagesError, match="at least 6 images in class 1, found 4; lower ipc"):
        build_sampler(name).select(make_pool(4, counts=(8, 4)), 6)
    with pytest.raises(TooFewImagesError, match=r"class 0, found 8 \(1 more classes are short\)"):
        build_sampler(name).select(make_pool(4, counts=(8, 4)), 9)


def test_a_class_without_images_is_named(make_pool: MakePool) -> None:
    pool = make_pool(5, counts=(3, 0, 3))
    with pytest.raises(TooFewImagesError, match="at least 1 images in class 1, found 0"):
        TwoStage().select(pool, 1)


def test_wrong_numbers_are_refused(make_pool: MakePool) -> None:
    with pytest.raises(SelectionError, match="ipc to be at least 1, found 0"):
        TwoStage().select(make_pool(6), 0)
    with pytest.raises(SelectionError, match="seed to be at least 0, found -1"):
        TwoStage().select(make_pool(6), 1, seed=-1)


def test_names_lead_to_samplers() -> None:
    assert list(SAMPLERS) == [kind.name for kind in SAMPLERS.values()]
    for name, kind in SAMPLERS.items():
        sampler = build_sampler(name)
        assert type(sampler) is kind
        assert dataclasses.is_dataclass(sampler)
        assert build_sampler(sampler) is sampler
        assert build_sampler(name) == sampler
    with pytest.raises(SelectionError, match=r"a sampler out of two_stage, .*, found 'best'; choose"):
        build_sampler("best")

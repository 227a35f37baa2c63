from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError, TooFewImagesError
from semdd_lightning.selection import (
    SAMPLERS,
    DifficultyGuided,
    Embeddings,
    Quality,
    ReferenceHerding,
    Sampler,
    TwoStage,
    build_sampler,
    build_score,
)

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
    other = dataclasses.replace(pool, image_embeddings=changed)
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


@pytest.mark.parametrize("name", SAMPLERS)
@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 10**6), ipc=st.integers(1, 10), duplicates=st.booleans())
def test_where_other_classes_stand_in_the_listing_changes_nothing(
    make_pool: MakePool, name: str, seed: int, ipc: int, duplicates: bool
) -> None:
    pool = make_pool(seed, duplicates=duplicates)
    by_class = torch.argsort(pool.labels, stable=True)  # within a class images stay in path order
    assert pool.classifier is not None
    assert pool.learning is not None
    moved = dataclasses.replace(
        pool,
        image_embeddings=pool.image_embeddings[by_class],
        labels=pool.labels[by_class],
        classifier=pool.classifier.rows(by_class),
        learning=pool.learning[by_class],
    )
    found = by_class[build_sampler(name).select(moved, ipc, seed).indices]
    assert found.tolist() == build_sampler(name).select(pool, ipc, seed).indices.tolist()


@pytest.mark.parametrize("name", [name for name, kind in SAMPLERS.items() if kind.needs])
def test_what_a_sampler_needs_is_asked_for(make_pool: MakePool, name: str) -> None:
    pool, kind = make_pool(8), SAMPLERS[name]
    assert kind.needs >= frozenset[str]().union(*(build_score(score).needs for score in kind.uses))
    if "classifier" in kind.needs:
        with pytest.raises(SelectionError, match=f"a classifier for {name}, found none; give a classifier"):
            kind().select(dataclasses.replace(pool, classifier=None), 2)
    if "reference" in kind.needs:
        with pytest.raises(SelectionError, match=f"a reference for {name}, found none; give real images"):
            kind().select(dataclasses.replace(pool, reference=None), 2)
    if "several_classes" in kind.needs:
        with pytest.raises(SelectionError, match="at least 2 classes for class separability, found 1"):
            kind().select(make_pool(8, counts=(5,)), 2)


@pytest.mark.parametrize(
    "sampler", [ReferenceHerding(), DifficultyGuided(), Quality(scores={"reference_similarity": 1.0})]
)
def test_a_class_without_reference_images_is_named(make_pool: MakePool, sampler: Sampler) -> None:
    pool = make_pool(9)
    assert pool.reference is not None
    first = torch.nonzero(pool.reference.labels == 0)[:, 0]
    pool = dataclasses.replace(pool, reference=pool.reference.rows(first))
    with pytest.raises(SelectionError, match=r"every class for \w+, found none of class 1 \(1 more classes"):
        sampler.select(pool, 2)


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
    with pytest.raises(SelectionError, match=r"a sampler out of learnable, .*, found 'best'; choose"):
        build_sampler("best")

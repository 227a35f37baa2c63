"""What people decided is honoured by every sampler, and known to those whose picks depend on each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError, TooFewImagesError
from semdd_lightning.selection import SAMPLERS, ByHand, Embeddings, Selection, build_sampler
from semdd_lightning.selection.selection import PINNED, STRUCK

MakePool = Callable[..., Embeddings]


def decide(pool: Embeddings, seed: int, ipc: int) -> ByHand:
    """Any decision that leaves ``ipc`` images in every class."""
    generator = np.random.default_rng(seed)
    struck, pinned = [], []
    for rows in pool.class_rows():
        drawn = generator.permutation(rows.numpy())
        pins = int(generator.integers(0, ipc + 1))
        strikes = int(generator.integers(0, len(rows) - ipc + 1))
        pinned += drawn[:pins].tolist()
        struck += drawn[pins : pins + strikes].tolist()
    generator.shuffle(pinned)
    return ByHand(torch.tensor(struck, dtype=torch.int64), torch.tensor(pinned, dtype=torch.int64))


@pytest.mark.parametrize("name", SAMPLERS)
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 10**6), ipc=st.integers(1, 10))
def test_struck_images_are_never_chosen_and_pinned_ones_first(
    make_pool: MakePool, name: str, seed: int, ipc: int
) -> None:
    pool = make_pool(seed)
    by_hand = decide(pool, seed, ipc)
    selection = build_sampler(name).select(pool, ipc, seed, by_hand=by_hand)
    assert len(set(selection.indices.tolist())) == 3 * ipc
    assert not set(selection.indices.tolist()) & set(by_hand.struck.tolist())
    for c in range(3):
        pinned = [row for row in by_hand.pinned.tolist() if pool.labels[row] == c]
        assert selection.class_indices(c)[: len(pinned)].tolist() == pinned
        assert (pool.labels[selection.class_indices(c)] == c).all()
    scores = selection.scores
    assert scores.index[scores["reason"] == STRUCK].tolist() == sorted(by_hand.struck.tolist())
    assert scores.index[scores["reason"] == PINNED].tolist() == sorted(by_hand.pinned.tolist())
    assert not scores.loc[by_hand.struck.tolist(), "candidate"].any()
    assert scores.loc[by_hand.pinned.tolist(), ["pick_value", "stage1_rank"]].isna().all(axis=None)


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_decision_changes_nothing(make_pool: MakePool, name: str) -> None:
    pool, sampler = make_pool(5), build_sampler(name)
    plain, by_hand = sampler.select(pool, 4), sampler.select(pool, 4, by_hand=ByHand())
    assert plain.scores.equals(by_hand.scores)


@pytest.mark.parametrize("name", ["two_stage", "two_stage_classic", "k_center", "herding"])
def test_pinning_what_would_be_picked_first_changes_no_choice(make_pool: MakePool, name: str) -> None:
    pool, sampler = make_pool(6), build_sampler(name)
    if name.startswith("two_stage"):  # a pinned image must not let one more candidate in
        sampler = type(sampler)(candidates_per_class=100)  # type: ignore[call-arg]
    plain = sampler.select(pool, 5)
    first = torch.cat([plain.class_indices(c)[:2] for c in range(3)])
    pinned = sampler.select(pool, 5, by_hand=ByHand(pinned=first))
    assert pinned.indices.tolist() == plain.indices.tolist(), "the others start from them"


def test_striking_is_as_if_the_image_were_not_there(make_pool: MakePool) -> None:
    """Scores aside, which are those of the whole pool."""
    pool = make_pool(7)
    sampler = build_sampler("k_center")
    struck = sampler.select(pool, 3).class_indices(1)
    left = torch.tensor([row for row in range(pool.num_images) if row not in struck.tolist()])
    smaller = Embeddings(pool.image_embeddings[left], pool.labels[left], pool.text_prototypes, 20.0)
    again = sampler.select(pool, 3, by_hand=ByHand(struck))
    assert again.indices.tolist() == left[sampler.select(smaller, 3).indices].tolist()
    assert columns(again) == columns(sampler.select(pool, 3))


def columns(selection: Selection) -> list[float]:
    return [float(value) for value in selection.scores["quality"]]


def test_what_cannot_be_honoured_is_refused(make_pool: MakePool) -> None:
    pool, sampler = make_pool(8), build_sampler("random")
    of_first = pool.class_rows()[0]
    row = of_first[:1]
    for by_hand, message in (
        (ByHand(row, row), "decide once about each image"),
        (ByHand(torch.tensor([pool.num_images])), "decide once about each image"),
        (ByHand(pinned=of_first[:4]), "at most 3 pinned images in class 0, found 4"),
    ):
        with pytest.raises(SelectionError, match=message):
            sampler.select(pool, 3, by_hand=by_hand)
    with pytest.raises(TooFewImagesError, match="found 2 that are not struck out"):
        sampler.select(pool, 3, by_hand=ByHand(of_first[2:]))

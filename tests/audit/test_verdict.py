"""From votes to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from semdd_lightning.audit import Audit, judge, vote


def test_more_suspects_than_the_stated_share_are_a_refusal(world: Callable[..., Any]) -> None:
    made = world(spread=0.12)
    real = made.images(np.arange(8), 60, seed=1)
    holds = np.array([0, 1, 2, 3, 0, 0, 6, 7])  # two folders hold class 0 as well
    audit: Audit = made.audit(*made.images(holds, 60, seed=2), real)
    assert set(audit.suspects) == {4, 5}
    assert audit.contents.suspected[[4, 5]].tolist() == [0, 0]
    assert audit.too_many_suspects
    assert audit.refused
    assert not replace(audit, most_suspects=0.5).refused


def test_a_single_suspect_is_never_too_many(world: Callable[..., Any]) -> None:
    made = world(classes=6, spread=0.12)
    real = made.images(np.arange(6), 60, seed=1)
    audit: Audit = made.audit(*made.images(np.array([0, 1, 1, 3, 4, 5]), 60, seed=2), real)
    assert audit.suspects.tolist() == [2]
    assert not replace(audit, most_suspects=0.0).refused


def test_strays_are_images_that_all_voters_take_for_the_same_other_class(world: Callable[..., Any]) -> None:
    made = world(spread=0.1)
    images, folders = made.images(np.arange(8), 40, seed=1)
    stranger, _ = made.images(np.full(1, 6), 1, seed=2)
    row = int(np.flatnonzero(folders == 1)[7])
    images[row] = stranger
    audit: Audit = made.audit(images, folders)
    assert row in audit.strays
    assert audit.stray_classes[audit.strays.tolist().index(row)] == 6
    assert len(audit.strays) <= 3


def teacher_logits(folders: np.ndarray[Any, Any], order: list[int]) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1, (len(folders), len(order))).astype(np.float32)
    logits[np.arange(len(folders)), np.array(order)[folders]] += 4
    return logits


def test_a_teacher_with_another_order_is_found_where_clip_agrees_with_the_pool(
    world: Callable[..., Any],
) -> None:
    made = world(classes=4)
    images, folders = made.images(np.arange(4), 40, seed=1)
    logits = teacher_logits(folders, [0, 2, 1, 3])
    votes = vote("teacher", lambda rows: logits[rows], folders, 4)
    audit = judge(made.votes(images, folders), teacher=votes)
    assert audit.teacher is not None
    assert len(audit.clip.moved) == 0
    assert audit.teacher.moved.tolist() == [1, 2]
    assert audit.order.tolist() == [0, 2, 1, 3]
    assert audit.refused


def test_a_teacher_that_knows_the_classes_overrules_a_clip_that_does_not(world: Callable[..., Any]) -> None:
    made = world(classes=4)
    swapped = replace(made, prototypes=made.prototypes[[0, 2, 1, 3]])  # CLIP has two names mixed up
    images, folders = made.images(np.arange(4), 40, seed=1)
    assert swapped.audit(images, folders).refused
    logits = teacher_logits(folders, [0, 1, 2, 3])
    votes = vote("teacher", lambda rows: logits[rows], folders, 4)
    assert not judge(swapped.votes(images, folders), teacher=votes).refused


def test_a_prior_at_chance_is_said_to_be_one(world: Callable[..., Any]) -> None:
    made = world(spread=0.12)
    images, folders = made.images(np.arange(8), 40, seed=1)
    assert made.audit(images, folders).knows_classes
    blind = np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    blind /= np.linalg.norm(blind, axis=1, keepdims=True)
    audit: Audit = made.audit(blind, folders)
    assert not audit.knows_classes
    assert not audit.refused

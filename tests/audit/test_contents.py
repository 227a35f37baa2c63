"""A folder that holds another class is found, named and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from semdd_lightning.audit import Audit, folder_contents


def half_filled(
    made: Any,  # noqa: ANN401 - a World
    folder: int,
    other: int,
    share: float = 0.5,
    per_folder: int = 60,
    seed: int = 0,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    classes = len(made.centres)
    images, folders = made.images(np.arange(classes), per_folder, seed=seed)
    strangers, _ = made.images(np.full(1, other), int(share * per_folder), seed=seed + 1000)
    rows = np.flatnonzero(folders == folder)[: len(strangers)]
    images[rows] = strangers
    return images, folders


@pytest.mark.parametrize("with_real", [False, True], ids=["alone", "with real images"])
@pytest.mark.parametrize("share", [0.4, 0.5, 0.8])
def test_a_folder_half_filled_with_another_class(
    world: Callable[..., Any], share: float, with_real: bool
) -> None:
    made = world(spread=0.15)
    real = made.images(np.arange(8), 60, seed=9) if with_real else None
    audit: Audit = made.audit(*half_filled(made, 2, 5, share), real)
    assert audit.suspects.tolist() == [2]
    assert audit.contents.ranking()[0] == 2
    assert audit.contents.suspected[2] == 5
    assert audit.contents.share[2] == pytest.approx(share, abs=0.16)
    assert not audit.other_order
    assert not audit.refused


def test_a_poor_prior_finds_it_with_real_images(world: Callable[..., Any]) -> None:
    made = world(spread=0.9)
    found = 0
    for seed in range(10):
        real = made.images(np.arange(8), 200, seed=50 + seed)
        audit: Audit = made.audit(*half_filled(made, 2, 5, per_folder=200, seed=seed), real)
        found += audit.suspects.tolist() == [2] and audit.contents.suspected[2] == 5
    assert found >= 6


@pytest.mark.parametrize("spread", [0.12, 0.9], ids=["good", "poor"])
@pytest.mark.parametrize("with_real", [False, True], ids=["alone", "with real images"])
def test_sound_folders_are_seldom_suspected(
    world: Callable[..., Any], spread: float, with_real: bool
) -> None:
    suspects = 0
    for seed in range(15):
        made = world(spread=spread, seed=seed)
        real = made.images(np.arange(8), 60, seed=80 + seed) if with_real else None
        audit: Audit = made.audit(*made.images(np.arange(8), 60, seed=seed), real)
        suspects += len(audit.suspects)
        assert not audit.refused
    assert suspects <= 0.03 * 15 * 8


def test_a_class_that_the_prior_is_bad_at_is_not_the_folder_s_fault(world: Callable[..., Any]) -> None:
    made = world(spread=0.12)
    made.prototypes[3] = made.prototypes[4] + 0.3 * made.prototypes[3]  # CLIP takes class 3 for class 4
    real = made.images(np.arange(8), 60, seed=1)
    audit: Audit = made.audit(*made.images(np.arange(8), 60, seed=2), real)
    assert audit.suspects.tolist() == []
    assert audit.contents.reference_agreement is not None
    assert audit.contents.agreement[3] == pytest.approx(audit.contents.reference_agreement[3], abs=0.15)


def test_a_folder_of_something_that_is_no_class_at_all(world: Callable[..., Any]) -> None:
    made = world(spread=0.12)
    real = made.images(np.arange(8), 60, seed=1)
    images, folders = made.images(np.arange(8), 60, seed=2)
    noise = np.random.default_rng(3).standard_normal((60, 32))
    images[folders == 6] = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    audit: Audit = made.audit(images, folders, real)
    assert audit.suspects.tolist() == [6]


@pytest.mark.parametrize("with_real", [False, True], ids=["alone", "with real images"])
def test_folders_that_hold_nothing_of_their_class(world: Callable[..., Any], with_real: bool) -> None:
    made = world(spread=0.12)
    real = made.images(np.arange(8), 60, seed=1) if with_real else None
    images, folders = made.images(np.array([0, 1, 2, 7, 4, 7, 6, 7]), 60, seed=2)  # three hold the same
    audit: Audit = made.audit(images, folders, real)
    assert set(audit.suspects) == {3, 5}
    assert audit.contents.suspected[[3, 5]].tolist() == [7, 7]
    noise = np.random.default_rng(3).standard_normal((60, 32))
    images, folders = made.images(np.arange(8), 60, seed=2)
    images[folders == 6] = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    assert made.audit(images, folders, real).suspects.tolist() == [6]


def test_a_folder_without_an_image_is_suspect(world: Callable[..., Any]) -> None:
    made = world(spread=0.12)
    images, folders = made.images(np.arange(8), 30, seed=1)
    kept = folders != 5
    audit: Audit = made.audit(images[kept], folders[kept])
    assert audit.suspects.tolist() == [5]


def test_evidence_is_the_likelihood_ratio_of_a_slow_transcription(world: Callable[..., Any]) -> None:
    made = world(classes=4, spread=0.3)
    real = made.images(np.arange(4), 30, seed=1)
    votes = made.votes(*half_filled(made, 1, 3, per_folder=30), real)
    seen = made.votes(*real)
    best = (-1, 0.0, 0.0)
    for other in (0, 2, 3):
        for share in np.linspace(0.05, 1, 20):
            evidence = 0.0
            for vote, of_real in zip(votes, seen, strict=True):
                smoothed = (of_real.counts + 1) / (of_real.counts + 1).sum(axis=1, keepdims=True)
                profile = 0.98 * smoothed + 0.02 / 4
                for c in range(4):
                    mixed = (1 - share) * profile[1, c] + share * profile[other, c]
                    evidence += vote.counts[1, c] * np.log(mixed / profile[1, c]) / 2
            if evidence > best[2]:
                best = (other, share, evidence)
    contents = folder_contents(votes, seen)
    assert (contents.suspected[1], contents.share[1]) == (best[0], pytest.approx(best[1]))
    assert contents.evidence[1] == pytest.approx(best[2])

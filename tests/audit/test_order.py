"""Another order of the classes is found where there is one, and only there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from semdd_lightning.audit import explain_order, explain_order_by_reference, vote

PERMUTATIONS = {
    "all": [3, 5, 0, 7, 1, 2, 4, 6],
    "three shifted": [0, 4, 2, 1, 3, 5, 6, 7],
    "a pair": [0, 1, 6, 3, 4, 5, 2, 7],
    "two pairs": [1, 0, 2, 3, 4, 5, 7, 6],
}
GOOD = {"spread": 0.12}
POOR = {"spread": 0.9}  # right on about 40 % of the images
POOR_WORDS = {"spread": 0.2, "words": 2.6}


def accuracy(made: Any, seed: int) -> float:  # noqa: ANN401 - a World
    images, folders = made.images(np.arange(8), 100, seed=seed)
    return float(((images @ made.prototypes.T).argmax(axis=1) == folders).mean())


def test_the_priors_are_as_good_and_as_poor_as_said(world: Callable[..., Any]) -> None:
    assert accuracy(world(**GOOD), 1) > 0.9
    assert 0.35 < accuracy(world(**POOR), 1) < 0.5
    assert 0.3 < accuracy(world(**POOR_WORDS), 1) < 0.7


@pytest.mark.parametrize("prior", [GOOD, POOR], ids=["good", "poor"])
@pytest.mark.parametrize("name", PERMUTATIONS)
def test_a_permutation_is_found_and_undone(
    world: Callable[..., Any], name: str, prior: dict[str, float]
) -> None:
    made, holds = world(**prior), np.array(PERMUTATIONS[name])
    found = explain_order(made.votes(*made.images(holds, 80, seed=2))[0])
    np.testing.assert_array_equal(found.order, holds)
    assert found.best_accuracy > found.accuracy + 0.05
    assert set(found.moved) == set(np.flatnonzero(holds != np.arange(8)))


@pytest.mark.parametrize("prior", [GOOD, POOR, POOR_WORDS], ids=["good", "poor", "poor words"])
@pytest.mark.parametrize("per_folder", [1, 2, 10, 80])
def test_a_sound_pool_is_left_alone(
    world: Callable[..., Any], per_folder: int, prior: dict[str, float]
) -> None:
    for seed in range(10):
        made = world(seed=seed, **prior)
        images, folders = made.images(np.arange(8), per_folder, seed=seed)
        real = made.images(np.arange(8), 50, seed=100 + seed)
        alone = explain_order(made.votes(images, folders)[0])
        compared = explain_order_by_reference(made.votes(images, folders, real), made.votes(*real))
        assert len(alone.moved) == 0
        assert len(compared.moved) == 0
        assert alone.accuracy == alone.best_accuracy


@pytest.mark.parametrize("prior", [GOOD, POOR, POOR_WORDS], ids=["good", "poor", "poor words"])
@pytest.mark.parametrize("name", PERMUTATIONS)
def test_real_images_tell_the_order_even_where_the_words_are_poor(
    world: Callable[..., Any], name: str, prior: dict[str, float]
) -> None:
    made, holds = world(**prior), np.array(PERMUTATIONS[name])
    real = made.images(np.arange(8), 60, seed=3)
    images, folders = made.images(holds, 60, seed=4)
    found = explain_order_by_reference(made.votes(images, folders, real), made.votes(*real))
    np.testing.assert_array_equal(found.order, holds)


def test_the_order_is_the_best_of_all_by_brute_force(world: Callable[..., Any]) -> None:
    made = world(classes=5)
    votes = made.votes(*made.images(np.array([2, 0, 1, 4, 3]), 30, seed=5))[0]
    best = max(
        permutations(range(5)),
        key=lambda order: sum(votes.belief[folder, c] for folder, c in enumerate(order)),
    )
    np.testing.assert_array_equal(explain_order(votes).order, best)


def test_two_swapped_folders_among_two_hundred_are_found(world: Callable[..., Any]) -> None:
    made, holds = world(classes=200, spread=0.12), np.arange(200)
    holds[[17, 150]] = holds[[150, 17]]
    found = explain_order(made.votes(*made.images(holds, 20, seed=6))[0])
    assert found.moved.tolist() == [17, 150]
    sound = explain_order(made.votes(*made.images(np.arange(200), 20, seed=6))[0])
    assert len(sound.moved) == 0


def test_one_class_has_no_other_order(world: Callable[..., Any]) -> None:
    made = world(classes=1)
    found = explain_order(made.votes(*made.images(np.zeros(1, dtype=np.int64), 5, seed=7))[0])
    assert found.accuracy == 1.0
    assert len(found.moved) == 0


def test_a_prior_that_knows_nothing_of_many_classes_refuses_no_order(world: Callable[..., Any]) -> None:
    made, other = world(classes=150, spread=0.3), world(classes=150, seed=1)
    strange = made.__class__(made.centres, other.prototypes, made.spread)  # names of other things
    found = explain_order(strange.votes(*made.images(np.arange(150), 10, seed=8))[0])
    assert found.accuracy < 0.05
    assert len(found.moved) == 0


@pytest.mark.parametrize(("classes", "per_folder"), [(10, 1), (200, 1), (200, 2), (1000, 1)])
def test_an_order_fitted_to_a_voter_that_guesses_convinces_nobody(classes: int, per_folder: int) -> None:
    random = np.random.default_rng(classes)
    folders = np.repeat(np.arange(classes), per_folder)
    logits = random.normal(0, 1, (len(folders), classes)).astype(np.float32)
    found = explain_order(vote("teacher", lambda rows: logits[rows], folders, classes))
    assert len(found.moved) == 0

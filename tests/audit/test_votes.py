"""Who votes for which class, held to a slow transcription."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.audit import even_sample, vote, vote_by_class_means, vote_by_prototypes


def test_a_class_that_attracts_everything_wins_only_its_own_folder() -> None:
    random = np.random.default_rng(0)
    folders = np.repeat(np.arange(4), 25)
    logits = random.normal(0, 0.1, (100, 4)).astype(np.float32)
    logits[np.arange(100), folders] += 2
    logits[:, 3] += 5  # the nearest prototype of every image
    assert (logits.argmax(axis=1) == 3).all()
    votes = vote("text", lambda rows: logits[rows], folders, 4)
    assert (votes.best == folders).all()
    unbalanced = vote("text", lambda rows: logits[rows], folders, 4, balanced=False)
    assert (unbalanced.best == 3).all()


def test_what_is_typical_of_a_class_does_not_depend_on_what_folders_are_called() -> None:
    random = np.random.default_rng(1)
    folders = np.repeat(np.arange(3), [10, 20, 40])
    logits = random.normal(0, 2, (70, 3)).astype(np.float32)
    votes = vote("text", lambda rows: logits[rows], folders, 3)
    means = np.stack([logits[folders == f].mean(axis=0) for f in range(3)])
    expected = (logits - np.median(means, axis=0)).argmax(axis=1)
    np.testing.assert_array_equal(votes.best, expected)
    np.testing.assert_allclose(votes.belief.sum(axis=1), 1.0, atol=1e-5)
    names = np.array([2, 0, 1])
    renamed = vote("text", lambda rows: logits[rows], names[folders], 3)
    np.testing.assert_array_equal(renamed.best, votes.best)
    np.testing.assert_allclose(renamed.counts[names], votes.counts)


def test_margins_and_counts_are_those_of_a_loop() -> None:
    random = np.random.default_rng(2)
    folders = random.integers(0, 3, 30)
    logits = random.normal(0, 1, (30, 3)).astype(np.float32)
    votes = vote("teacher", lambda rows: logits[rows], folders, 3, balanced=False)
    for row in range(30):
        powers = np.exp(logits[row].astype(np.float64))
        belief = powers / powers.sum()
        assert votes.best[row] == belief.argmax()
        assert np.isclose(votes.margin[row], belief.max() - belief[folders[row]], atol=1e-6)
    for folder in range(3):
        for c in range(3):
            assert votes.counts[folder, c] == sum(votes.best[folders == folder] == c)


def test_prototypes_vote_by_cosine() -> None:
    prototypes = np.eye(3, dtype=np.float32)
    images = np.array([[0.9, 0.1, 0], [0, 1, 0], [0, 0.6, 0.8]], dtype=np.float32)
    votes = vote_by_prototypes("text", images, np.array([0, 1, 2]), prototypes, 10)
    assert votes.best.tolist() == [0, 1, 2]


def test_class_means_leave_out_the_image_itself(world: Callable[..., Any]) -> None:
    made = world(classes=3, spread=0.5)
    images, folders = made.images(np.arange(3), 4, seed=3)
    votes = vote_by_class_means(images, folders, 3)
    means = np.stack([images[folders == c].mean(axis=0) for c in range(3)])
    centre = means.mean(axis=0)
    for row in range(len(images)):
        cosines = []
        for c in range(3):
            members = [i for i in np.flatnonzero(folders == c) if i != row]
            mean, image = images[members].mean(axis=0) - centre, images[row] - centre
            cosines.append(mean @ image / np.linalg.norm(mean) / np.linalg.norm(image))
        assert votes.best[row] == int(np.argmax(cosines))


def test_a_shift_that_all_generated_images_share_changes_no_vote(world: Callable[..., Any]) -> None:
    made = world(classes=5, spread=0.05)
    real = made.images(np.arange(5), 20, seed=4)
    images, folders = made.images(np.arange(5), 20, seed=5)
    shifted = images + np.full(32, 0.05, dtype=np.float32)
    assert (vote_by_class_means(shifted, folders, 5, real).best == folders).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 10))
def test_an_even_sample_takes_as_many_as_asked_of_each_class(labels: list[int], at_most: int) -> None:
    array = np.array(labels)
    rows = even_sample(array, at_most)
    assert (np.diff(rows) > 0).all()
    for c in set(labels):
        assert (array[rows] == c).sum() == min(at_most, labels.count(c))

"""Several priors against the rule written out: qualities averaged, distances weighted within the class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.selection import (
    SAMPLERS,
    ClassifierOutputs,
    Embeddings,
    PoolScorer,
    Quality,
    QualityRule,
    TwoStage,
    build_sampler,
)
from semdd_lightning.selection.several_priors import SeveralPriorsScorer, distance_shares, side_by_side

MakePool = Callable[..., Embeddings]
PLAIN = [name for name, kind in SAMPLERS.items() if "classifier" not in kind.needs]


def joined(*parts: Embeddings) -> Embeddings:
    """The same pool under several priors."""
    shares = [part.logit_scale / sum(p.logit_scale for p in parts) for part in parts]
    real = [part.reference for part in parts if part.reference is not None]
    return replace(
        parts[0],
        image_embeddings=side_by_side([part.image_embeddings for part in parts], shares),
        text_prototypes=side_by_side([part.text_prototypes for part in parts], shares),
        logit_scale=sum(part.logit_scale for part in parts) / len(parts),
        reference=replace(
            real[0],
            image_embeddings=side_by_side([one.image_embeddings for one in real], shares),
            parts=tuple(real),
        ),
        parts=parts,
    )


@pytest.fixture
def two(make_pool: MakePool) -> Embeddings:
    """Priors of unlike dimension and scale; labels are those of the first."""
    first, other = make_pool(1), make_pool(2, dim=5)
    images = torch.empty_like(other.image_embeddings)
    images[torch.argsort(first.labels, stable=True)] = other.image_embeddings[
        torch.argsort(other.labels, stable=True)
    ]
    return joined(first, replace(other, image_embeddings=images, labels=first.labels, logit_scale=60.0))


def test_the_zero_shot_class_is_that_of_the_mean_logits(two: Embeddings) -> None:
    products = [part.logit_scale * part.image_embeddings @ part.text_prototypes.T for part in two.parts]
    logits = torch.stack(products).mean(dim=0)
    scores = TwoStage().select(two, 3).scores
    assert scores["predicted"].tolist() == logits.argmax(dim=1).tolist()
    torch.testing.assert_close(two.logit_scale * two.image_embeddings @ two.text_prototypes.T, logits)


def test_quality_and_scores_are_means_of_comparable_ones(two: Embeddings) -> None:
    rule = QualityRule(scores={"class_relevance": 1.0, "typicality": 2.0})
    further = ("posterior", "class_separability")
    scorer = SeveralPriorsScorer(two, rule, 3, further)
    for class_index, rows in enumerate(two.class_rows()):
        found = scorer.class_pool(class_index, rows)
        pools = [PoolScorer(part, rule, 3, further).class_pool(class_index, rows) for part in two.parts]
        shares = distance_shares([pool.image_embeddings for pool in pools])
        comparable = {}
        for name in found.scores:
            columns = [pool.scores[name].numpy() for pool in pools]
            comparable[name] = np.mean([(c - c.min()) / (c.max() - c.min()) for c in columns], axis=0)
            means = {
                "posterior": np.mean(columns, axis=0),
                "typicality": np.average(columns, axis=0, weights=shares),
            }
            expected = means[name] if name in means else comparable[name]
            np.testing.assert_allclose(found.scores[name], expected, atol=1e-12)
        quality = (comparable["class_relevance"] + 2 * comparable["typicality"]) / 3
        np.testing.assert_allclose(found.quality, quality, atol=1e-12)


def test_distances_are_weighted_means_of_the_priors(two: Embeddings) -> None:
    scorer = SeveralPriorsScorer(two, QualityRule(), 3)
    for class_index, rows in enumerate(two.class_rows()):
        found = scorer.class_pool(class_index, rows)
        distances = [1 - part.image_embeddings[rows] @ part.image_embeddings[rows].T for part in two.parts]
        n = len(rows)
        weights = [n * (n - 1) / float(one.sum()) for one in distances]
        expected = sum(w * d for w, d in zip(weights, distances, strict=True)) / sum(weights)
        torch.testing.assert_close(1 - found.image_embeddings @ found.image_embeddings.T, expected)
        assert found.reference is not None
        norms = torch.linalg.vector_norm(found.reference, dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms))


def test_a_prior_that_sees_no_distances_has_no_share() -> None:
    same, apart = torch.ones(3, 1), torch.eye(3)
    assert distance_shares([same, apart]) == [0.0, 1.0]
    assert distance_shares([same, same]) == [0.5, 0.5]
    assert distance_shares([apart[:1], apart[:1], apart[:1]]) == [1 / 3] * 3


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_a_prior_twice_chooses_what_it_chooses_alone(make_pool: MakePool, name: str, seed: int) -> None:
    alone = make_pool(seed)
    sampler = build_sampler(name)
    found, expected = (sampler.select(pool, 4) for pool in (joined(alone, alone), alone))
    assert found.indices.tolist() == expected.indices.tolist()


def test_what_a_classifier_says_depends_on_no_prior(two: Embeddings) -> None:
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(two.num_images, generator=generator, dtype=torch.float64)
    outputs = ClassifierOutputs(own, own, two.labels)
    parts = tuple(replace(part, classifier=outputs) for part in two.parts)
    selection = Quality(scores={"difficulty": 1.0}).select(replace(two, classifier=outputs, parts=parts), 2)
    np.testing.assert_allclose(selection.scores["difficulty"], 1 - own.numpy())

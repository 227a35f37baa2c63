"""The short names of the scores: the only place where they stand."""

from __future__ import annotations

from semdd_lightning.selection.extensions import find_kind, make, meanings_in, names_in
from semdd_lightning.selection.scores.class_relevance import ClassRelevance
from semdd_lightning.selection.scores.class_separability import ClassSeparability
from semdd_lightning.selection.scores.confidence import Confidence
from semdd_lightning.selection.scores.difficulty import Difficulty
from semdd_lightning.selection.scores.learnability import Learnability
from semdd_lightning.selection.scores.posterior import Posterior
from semdd_lightning.selection.scores.reference_similarity import ReferenceSimilarity
from semdd_lightning.selection.scores.score import Score
from semdd_lightning.selection.scores.typicality import Typicality

GROUP = "semdd_lightning.scores"

SCORES: dict[str, type[Score]] = {
    score.name: score
    for score in (
        ClassRelevance,
        ClassSeparability,
        Posterior,
        Typicality,
        ReferenceSimilarity,
        Difficulty,
        Confidence,
        Learnability,
    )
}
"""Scores of this package by name, in the order in which tables show them."""


def score_names() -> list[str]:
    """All short names, those of installed packages included."""
    return names_in(GROUP, SCORES)


def score_meanings() -> dict[str, str]:
    """All short names, those of installed packages included, each with what a large value tells."""
    return meanings_in(GROUP, "score", SCORES, Score)  # type: ignore[type-abstract]


def build_score(name: str) -> Score:
    """A score with default parameters.

    Args:
        name: A short name out of `score_names`, or the path of a class.

    Raises:
        SelectionError: If there is no such score.

    >>> build_score("typicality").value_range
    '[-1, 1]'
    """
    return make(find_kind(name, "score", GROUP, SCORES, Score), "score")  # type: ignore[type-abstract]

"""Scores, which do not depend on what is chosen. All their names stand here."""

from semdd_lightning.selection.extensions import Registry
from semdd_lightning.selection.scores.of_images import ReferenceSimilarity, Typicality
from semdd_lightning.selection.scores.of_networks import Confidence, Difficulty, Learnability
from semdd_lightning.selection.scores.of_prototypes import ClassRelevance, ClassSeparability, Posterior
from semdd_lightning.selection.scores.score import Score

SCORES: Registry[Score] = Registry(
    "score",
    Score,  # type: ignore[type-abstract]
    [
        ClassRelevance,
        ClassSeparability,
        Posterior,
        Typicality,
        ReferenceSimilarity,
        Difficulty,
        Confidence,
        Learnability,
    ],
)
"""Scores of this package by name, in the order in which tables show them."""

build_score, score_meanings = SCORES.build, SCORES.meanings

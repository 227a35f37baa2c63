"""Scores: a number for every image of a class that does not depend on what is chosen."""

from semdd_lightning.selection.scores.class_relevance import ClassRelevance, class_relevance
from semdd_lightning.selection.scores.class_separability import (
    ClassSeparability,
    SeparabilityMode,
    class_separability,
)
from semdd_lightning.selection.scores.confidence import Confidence
from semdd_lightning.selection.scores.difficulty import Difficulty
from semdd_lightning.selection.scores.learnability import Learnability
from semdd_lightning.selection.scores.posterior import Posterior, log_posterior
from semdd_lightning.selection.scores.reference_similarity import ReferenceSimilarity
from semdd_lightning.selection.scores.registry import SCORES, build_score, score_meanings, score_names
from semdd_lightning.selection.scores.score import ClassImages, Need, Score
from semdd_lightning.selection.scores.typicality import Typicality, typicality

__all__ = [
    "SCORES",
    "ClassImages",
    "ClassRelevance",
    "ClassSeparability",
    "Confidence",
    "Difficulty",
    "Learnability",
    "Need",
    "Posterior",
    "ReferenceSimilarity",
    "Score",
    "SeparabilityMode",
    "Typicality",
    "build_score",
    "class_relevance",
    "class_separability",
    "log_posterior",
    "score_meanings",
    "score_names",
    "typicality",
]

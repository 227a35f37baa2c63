"""Embeddings of made-up classes, seen by a voter as good or as poor as asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from semdd_lightning.audit import Audit, Votes, judge, vote_by_class_means, vote_by_prototypes

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SCALE = 20.0


@dataclass(frozen=True)
class World:
    """Classes as directions in space, with images around them."""

    centres: Floats
    prototypes: Floats
    spread: float

    def images(self, holds: Ints, per_folder: int, seed: int) -> tuple[Floats, Ints]:
        """Images of folders, folder f holding class ``holds[f]``, and the folder of each."""
        random = np.random.default_rng(seed)
        folders = np.repeat(np.arange(len(holds)), per_folder)
        noise = random.standard_normal((len(folders), self.centres.shape[1])).astype(np.float32)
        return unit(self.centres[holds[folders]] + self.spread * noise), folders

    def votes(self, images: Floats, folders: Ints, real: tuple[Floats, Ints] | None = None) -> list[Votes]:
        """The votes of texts and of class means."""
        return [
            vote_by_prototypes("text", images, folders, self.prototypes, SCALE),
            vote_by_class_means(images, folders, len(self.centres), real),
        ]

    def audit(self, images: Floats, folders: Ints, real: tuple[Floats, Ints] | None = None) -> Audit:
        """The audit of images in folders, compared with real ones where there are any."""
        return judge(self.votes(images, folders, real), None if real is None else self.votes(*real))


def unit(vectors: NDArray[np.floating]) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def make_world(classes: int = 8, spread: float = 0.12, words: float = 0.0, seed: int = 0) -> World:
    """`spread`: how badly images are seen; `words`: how badly the names are known."""
    random = np.random.default_rng(seed)
    centres = unit(random.standard_normal((classes, 32)))
    noise = random.standard_normal((classes, 32)) / np.sqrt(32)
    return World(centres, unit(centres + words * noise), spread)


@pytest.fixture
def world() -> Callable[..., World]:
    return make_world

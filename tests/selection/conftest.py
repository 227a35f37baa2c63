"""Seeded pools, and the method written out as slow NumPy loops that share no code with the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from semdd_lightning.selection import ClassifierOutputs, Embeddings, ReferenceEmbeddings

Array = NDArray[Any]


def unit(vectors: Array) -> Array:
    result: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return result


def make_embeddings(
    seed: int = 0,
    counts: tuple[int, ...] = (12, 15, 11),
    dim: int = 8,
    duplicates: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Embeddings:
    rng = np.random.default_rng(seed)
    prototypes = unit(rng.normal(size=(len(counts), dim)))
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    vectors = unit(0.5 * prototypes[labels] + 0.4 * rng.normal(size=(len(labels), dim)))
    if duplicates:  # every image of a class repeats another one, somewhere else in the listing
        for class_index in range(len(counts)):
            rows = np.flatnonzero(labels == class_index)
            vectors[rows[len(rows) // 2 :]] = vectors[rows[: len(rows) - len(rows) // 2]]
    real_labels = np.repeat(np.arange(len(counts)), (3, *(1 + index for index in range(1, len(counts)))))
    real = unit(0.7 * prototypes[real_labels] + 0.2 * rng.normal(size=(len(real_labels), dim)))
    head = prototypes + 0.2 * rng.normal(size=prototypes.shape)  # a classifier that is no CLIP
    return Embeddings(
        torch.from_numpy(vectors).to(dtype),
        torch.from_numpy(labels),
        torch.from_numpy(prototypes).to(dtype),
        logit_scale=20.0,
        reference=ReferenceEmbeddings(
            torch.from_numpy(real).to(dtype),
            torch.from_numpy(real_labels),
            classify(real, real_labels, head),
        ),
        classifier=classify(vectors, labels, head),
        learning=classify(vectors, labels, head).own.log(),
    )


def classify(vectors: Array, labels: Array, head: Array) -> ClassifierOutputs:
    odds = np.exp(6 * vectors @ head.T)
    probabilities = torch.from_numpy(odds / odds.sum(axis=1, keepdims=True))
    largest, predicted = probabilities.max(dim=1)
    return ClassifierOutputs(probabilities[torch.arange(len(labels)), labels], largest, predicted)


@dataclass(frozen=True)
class Reference:
    """The method page, line by line."""

    def relevance(self, z: Array, y: Array, t: Array) -> Array:
        return np.array([float(np.dot(z[i], t[y[i]])) for i in range(len(z))])

    def separability(self, z: Array, y: Array, t: Array, mode: str, logit_scale: float) -> Array:
        result = []
        for i in range(len(z)):
            cosines = [float(np.dot(z[i], prototype)) for prototype in t]
            others = [cosine for c, cosine in enumerate(cosines) if c != y[i]]
            if mode == "margin":
                result.append(cosines[y[i]] - max(others))
            elif mode == "mean":
                result.append(cosines[y[i]] - sum(others) / len(others))
            else:
                odds = [math.exp(logit_scale * (cosine - cosines[y[i]])) for cosine in cosines]
                result.append(-math.log(sum(odds)))
        return np.array(result)

    def normalize(self, values: Array, method: str) -> Array:
        n = len(values)
        if max(values) - min(values) <= 1e-6:
            return np.full(n, 0.0 if method == "zscore" else 0.5)
        if method == "minmax":
            return np.array([(v - min(values)) / (max(values) - min(values)) for v in values])
        if method == "zscore":
            mean = sum(values) / n
            deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / n)
            return np.array([(v - mean) / deviation for v in values])
        keys = [round(float(v), 9) for v in values]
        ranks = [sum(k < key for k in keys) + (sum(k == key for k in keys) + 1) / 2 for key in keys]
        return np.array([(rank - 1) / (n - 1) for rank in ranks])

    def diversity(self, z: Array, chosen: list[int], i: int, mode: str) -> float:
        cosines = [float(np.dot(z[i], z[j])) for j in chosen]
        return 1 - (max(cosines) if mode == "nearest" else sum(cosines) / len(cosines))

    def best(self, values: dict[int, float]) -> int:
        return min(values, key=lambda i: (-round(float(values[i]), 9), i))

    def quality(
        self,
        embeddings: Embeddings,
        prototypes: Array,
        separability_weight: float = 0.5,
        separability_mode: str = "margin",
        normalization: str = "minmax",
    ) -> Array:
        z, y = embeddings.image_embeddings.double().numpy(), embeddings.labels.numpy()
        r = self.relevance(z, y, prototypes)
        s = self.separability(z, y, prototypes, separability_mode, embeddings.logit_scale)
        q, w = np.zeros(len(z)), separability_weight
        for c in range(len(prototypes)):
            rows = np.flatnonzero(y == c)
            q[rows] = (1 - w) * self.normalize(r[rows], normalization)
            q[rows] += w * self.normalize(s[rows], normalization)
        return q

    def prototypes(
        self,
        embeddings: Embeddings,
        source: str,
        ipc: int = 1,
        share: str = "0.5",
        text_weight: float = 0.0,
        rule: dict[str, Any] | None = None,
    ) -> Array:
        z, y = embeddings.image_embeddings.double().numpy(), embeddings.labels.numpy()
        t = embeddings.text_prototypes.double().numpy()
        if source == "text":
            return t
        if source == "refined":
            q, refined = self.quality(embeddings, t, **(rule or {})), []
            for c in range(len(t)):
                rows = [int(i) for i in np.flatnonzero(y == c)]
                count = max(math.ceil(Fraction(share) * len(rows)), min(len(rows), ipc))
                best = sorted(rows, key=lambda i: (-round(float(q[i]), 9), i))[:count]
                refined.append(unit(unit(z[best].mean(axis=0)) + text_weight * t[c]))
            return np.stack(refined)
        images, labels = z, y
        if embeddings.reference is not None and source in ("reference", "both"):
            images = embeddings.reference.image_embeddings.double().numpy()
            labels = embeddings.reference.labels.numpy()
        image = np.stack([unit(images[labels == c].mean(axis=0)) for c in range(len(t))])
        return unit(t + image) if source == "both" else image

    def by_quality(self, rows: list[int], quality: Array) -> list[int]:
        return sorted(rows, key=lambda i: (-round(float(quality[i]), 9), i))

    def candidates(self, embeddings: Embeddings, ipc: int, ratio: str) -> list[tuple[list[int], list[int]]]:
        """Rows of each class, and those of its candidates, by the default rule."""
        quality = self.quality(embeddings, self.prototypes(embeddings, "refined", ipc))
        found = []
        for c in range(embeddings.num_classes):
            rows = [int(i) for i in np.flatnonzero(embeddings.labels.numpy() == c)]
            kept = min(len(rows), math.ceil(Fraction(ratio) * ipc))
            found.append((rows, sorted(self.by_quality(rows, quality)[:kept])))
        return found

    def two_stage(
        self,
        embeddings: Embeddings,
        ipc: int,
        ratio: str = "2",
        separability_weight: float = 0.5,
        diversity_weight: float = 0.2,
        separability_mode: str = "margin",
        diversity_mode: str = "nearest",
        normalization: str = "minmax",
        prototypes: str = "refined",
        refined_share: str = "0.5",
        text_weight: float = 0.0,
    ) -> tuple[list[int], list[float], set[int]]:
        z, y = embeddings.image_embeddings.double().numpy(), embeddings.labels.numpy()
        rule: dict[str, Any] = {
            "separability_weight": separability_weight,
            "separability_mode": separability_mode,
            "normalization": normalization,
        }
        p = self.prototypes(embeddings, prototypes, ipc, refined_share, text_weight, rule)
        quality = self.quality(embeddings, p, **rule)
        chosen_rows, values, candidate_rows = [], [], set()
        for c in range(len(p)):
            rows = [int(i) for i in range(len(z)) if y[i] == c]
            kept = min(len(rows), math.ceil(Fraction(ratio) * ipc))
            candidates = sorted(self.by_quality(rows, quality)[:kept])
            candidate_rows |= set(candidates)
            normalized = dict(
                zip(candidates, self.normalize(quality[candidates], normalization), strict=True)
            )
            picked = [self.best({i: quality[i] for i in candidates})]
            values.append(normalized[picked[0]])
            while len(picked) < ipc:
                left = [i for i in candidates if i not in picked]
                spread = self.normalize(
                    np.array([self.diversity(z, picked, i, diversity_mode) for i in left]), normalization
                )
                value = {
                    i: (1 - diversity_weight) * normalized[i] + diversity_weight * spread[k]
                    for k, i in enumerate(left)
                }
                picked.append(self.best(value))
                values.append(value[picked[-1]])
            chosen_rows += picked
        return chosen_rows, values, candidate_rows

    def kernel(self, a: Array, b: Array, tau: float) -> float:
        return math.exp(-(1 - float(np.dot(a, b))) / tau)

    def bandwidth(self, z: Array, ipc: int) -> float:
        n, distances = len(z), []
        for i in range(n):
            others = sorted(1 - float(np.dot(z[i], z[j])) for j in range(n) if j != i)
            distances.append(others[min(math.ceil(n / ipc), n - 1) - 1])
        return float(np.median(distances))

    def typicality(self, z: Array, i: int) -> float:
        cosines = sorted((float(np.dot(z[i], z[j])) for j in range(len(z)) if j != i), reverse=True)
        return sum(cosines[:5]) / len(cosines[:5])

    def k_center(self, z: Array, ipc: int) -> list[int]:
        mean = z.mean(axis=0)
        picked = [self.best({i: -float(np.sum((z[i] - mean) ** 2)) for i in range(len(z))})]
        while len(picked) < ipc:
            left = [i for i in range(len(z)) if i not in picked]
            picked.append(self.best({i: min(1 - float(np.dot(z[i], z[j])) for j in picked) for i in left}))
        return picked

    def herding(self, z: Array, ipc: int) -> list[int]:
        picked: list[int] = []
        while len(picked) < ipc:
            left = [i for i in range(len(z)) if i not in picked]
            gap = {i: -float(np.sum((z.mean(axis=0) - z[[*picked, i]].mean(axis=0)) ** 2)) for i in left}
            picked.append(self.best(gap))
        return picked

    def facility_value(self, z: Array, chosen: list[int]) -> float:
        return float(np.mean([max((1 + float(np.dot(v, z[j]))) / 2 for j in chosen) for v in z]))

    def facility_location(self, z: Array, ipc: int) -> list[int]:
        picked: list[int] = []
        while len(picked) < ipc:
            base = self.facility_value(z, picked) if picked else 0.0
            left = [i for i in range(len(z)) if i not in picked]
            picked.append(self.best({i: self.facility_value(z, [*picked, i]) - base for i in left}))
        return picked


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference()


@pytest.fixture(scope="session")
def make_pool() -> Callable[..., Embeddings]:
    return make_embeddings

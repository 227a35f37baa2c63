"""How often `semdd audit` finds a fault, and one that is not there: `python -m benchmarks.audit_rates`.

Pools are drawn from real images of known class and made wrong on purpose; the CLIP model is taken as it is,
and made poor (accuracy 40 %) in two ways: noise on every image embedding (it sees badly), and noise on the
text prototypes (it knows the names badly). The reference images are others than those of the pools.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from semdd_lightning.audit import Audit, judge, vote_by_class_means, vote_by_prototypes
from semdd_lightning.pools import AnyPool
from semdd_lightning.prior import embed_pool, parse_prior

Floats = NDArray[np.float32]
FAULTS = ("none", "all permuted", "three shifted", "two swapped", "half of another", "no class at all")
POOR_ACCURACY = 0.4


@dataclass(frozen=True)
class Embedded:
    """Images and texts of one CLIP model, good or made poor."""

    pool: Floats
    pool_labels: NDArray[np.int64]
    real: Floats
    real_labels: NDArray[np.int64]
    prototypes: Floats
    logit_scale: float

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.prototypes)

    @property
    def accuracy(self) -> float:
        """Zero-shot accuracy on the images that pools are drawn from."""
        return float(((self.pool @ self.prototypes.T).argmax(1) == self.pool_labels).mean())


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="real images that pools are drawn from")
    parser.add_argument("--reference", type=Path, required=True, help="other real images of the same classes")
    parser.add_argument("--prior", required=True, help="CLIP model that knows the classes")
    parser.add_argument("--trials", type=int, default=100, help="pools of each kind")
    parser.add_argument("--json", type=Path, default=Path("audit_rates.json"))
    options = parser.parse_args()
    good = embed(options.pool, options.reference, options.prior)
    rows = []
    for name, model in (
        ("as it is", good),
        ("poor eyes", poor(good, "images")),
        ("poor words", poor(good, "texts")),
    ):
        for per_class in (10, 50, 200):
            for real in (0, 50):
                rates = measure(model, per_class, real, options.trials)
                rows.append(
                    {"prior": name, "accuracy": model.accuracy, "images": per_class, "real": real, **rates}
                )
    options.json.write_text(json.dumps({"trials": options.trials, "rows": rows}, indent=2) + "\n")
    show(rows, options.trials)


def embed(pool: Path, reference: Path, prior: str) -> Embedded:
    """Embed both sets through the cache."""
    clip = parse_prior(prior)
    images, real = AnyPool(pool).read(), AnyPool(reference).read()
    embedded, embedded_real = embed_pool(images, clip), embed_pool(real, clip)
    return Embedded(
        embedded.image_embeddings.numpy(),
        images.labels,
        embedded_real.image_embeddings.numpy(),
        real.labels,
        embedded.text_prototypes.numpy(),
        embedded.logit_scale,
    )


def poor(model: Embedded, what: str, seed: int = 1) -> Embedded:
    """Add Gaussian noise to all image embeddings, or to the text prototypes, until the accuracy is 40 %."""
    noise = np.random.default_rng(seed)
    pool, real, prototypes = (
        noise.standard_normal(x.shape).astype(np.float32) / np.sqrt(x.shape[1])
        for x in (model.pool, model.real, model.prototypes)
    )
    low, high = 0.0, 20.0
    for _ in range(30):
        size = (low + high) / 2
        made = (
            (unit(model.pool + size * pool), unit(model.real + size * real), model.prototypes)
            if what == "images"
            else (model.pool, model.real, unit(model.prototypes + size * prototypes))
        )
        poorer = Embedded(made[0], model.pool_labels, made[1], model.real_labels, made[2], model.logit_scale)
        low, high = (size, high) if poorer.accuracy > POOR_ACCURACY else (low, size)
    return poorer


def measure(model: Embedded, per_class: int, real: int, trials: int) -> dict[str, float]:
    """Rates over pools of every kind.

    Args:
        model: what to see with.
        per_class: images of a folder.
        real: reference images of a class, 0 for none.
        trials: pools of each kind.
    """
    counts: Counter[str] = Counter()
    for fault in FAULTS:
        for holds, mixed, audit in audits(model, fault, per_class, real, trials):
            suspects = set(audit.suspects.tolist())
            counts[f"{fault}: refused"] += audit.refused
            counts[f"{fault}: mapping"] += bool((audit.order == holds).all())
            if fault == "no class at all" and mixed is not None:
                counts["noise found"] += mixed[0] in suspects
            elif mixed is not None:
                folder, other = mixed
                counts["found"] += folder in suspects
                counts["first"] += int(audit.contents.ranking()[0]) == folder
                counts["named"] += folder in suspects and int(audit.contents.suspected[folder]) == other
            if fault == "none":
                counts["false suspects"] += len(suspects)
                counts["warned"] += len(suspects) > 0
    rates = {name: count / trials for name, count in sorted(counts.items())}
    return {**rates, "false suspects": counts["false suspects"] / trials / model.num_classes}


def audits(
    model: Embedded, fault: str, per_class: int, real: int, trials: int
) -> Iterator[tuple[NDArray[np.int64], tuple[int, int] | None, Audit]]:
    """Draw pools with a fault and audit them: what each folder holds, the faulty one and what is in it."""
    random = np.random.default_rng([FAULTS.index(fault), per_class, real])
    classes = model.num_classes
    for _ in range(trials):
        holds, mixed = np.arange(classes), None
        picked = random.choice(classes, 3, replace=False)
        if fault == "all permuted":
            holds = random.permutation(classes)
        elif fault == "three shifted":
            holds[picked] = np.roll(picked, 1)
        elif fault == "two swapped":
            holds[picked[:2]] = picked[1::-1]
        rows = [draw(random, model.pool_labels, int(c), per_class) for c in holds]
        if fault == "half of another":
            mixed = int(picked[0]), int(picked[1])
            rows[mixed[0]][: per_class // 2] = draw(random, model.pool_labels, mixed[1], per_class // 2)
        vectors, labels = model.pool[np.concatenate(rows)], np.repeat(np.arange(classes), per_class)
        if fault == "no class at all":
            mixed = int(picked[0]), int(picked[0])
            noise = random.standard_normal((per_class, vectors.shape[1])).astype(np.float32)
            vectors[labels == mixed[0]] = unit(noise)
        reference = None
        if real:
            real_rows = np.concatenate([draw(random, model.real_labels, c, real) for c in range(classes)])
            reference = model.real[real_rows], model.real_labels[real_rows]
        yield holds, mixed, audit_vectors(model, vectors, labels, reference)


def audit_vectors(
    model: Embedded,
    vectors: Floats,
    labels: NDArray[np.int64],
    reference: tuple[Floats, NDArray[np.int64]] | None,
) -> Audit:
    """The audit of images that are embedded already."""
    classes, scale = model.num_classes, model.logit_scale
    votes = [
        vote_by_prototypes("text", vectors, labels, model.prototypes, scale),
        vote_by_class_means(vectors, labels, classes, reference),
    ]
    if reference is None:
        return judge(votes)
    seen = vote_by_prototypes("text", *reference, model.prototypes, scale)
    return judge(votes, [seen, vote_by_class_means(*reference, classes)])


def draw(
    random: np.random.Generator, labels: NDArray[np.int64], class_index: int, count: int
) -> NDArray[np.int64]:
    """Rows of distinct images of a class."""
    return random.choice(np.flatnonzero(labels == class_index), count, replace=False)


def unit(vectors: Floats) -> Floats:
    """Vectors of length one."""
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def show(rows: list[dict[str, float | str]], trials: int) -> None:
    """Print the rates."""
    table = Table(title=f"semdd audit, rates over {trials} pools of each kind")
    columns = {
        "prior": "prior",
        "images": "images per folder",
        "real": "real images per class",
        "none: refused": "sound pool refused",
        "warned": "sound pool warned of",
        "false suspects": "sound folder suspected",
        **{f"{fault}: refused": f"{fault}: refused" for fault in FAULTS[1:4]},
        **{f"{fault}: mapping": f"{fault}: mapping right" for fault in FAULTS[1:4]},
        "found": "half of another: found",
        "first": "half of another: ranked first",
        "noise found": "no class at all: found",
    }
    for title in columns.values():
        table.add_column(title)
    for row in rows:
        table.add_row(*(_cell(key, row.get(key, 0.0)) for key in columns))
    Console(width=200).print(table)


def _cell(key: str, value: float | str) -> str:
    if isinstance(value, str) or key in ("images", "real"):
        return str(value)
    return f"{value:.1%}" if key == "false suspects" else f"{value:.0%}"


if __name__ == "__main__":
    main()

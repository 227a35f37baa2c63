"""Greedy samplers against those of others on one class: ``python -m benchmarks.greedy_stage``.

Facility location stands against apricot-select's default, the lazy greedy. The similarity matrix that it
takes is computed by NumPy and is part of its time, since ours starts at the embeddings too. Each of its fits
compiles its loops, so the time for ten images is taken off in a second ratio. K-center stands against the
plain greedy of core-set selection: after each pick the distances of all images to it, by scikit-learn, and a
running minimum. Both sides choose as many images; one function computes the objectives of both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances
from torch.nn import functional as F

from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, paired, time_in_turns
from semdd_lightning.selection import facility_location, k_center

Vectors = NDArray[np.float64]
Picks = NDArray[np.int64]


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = arguments("greedy_stage", __doc__, "a class of 1,500 images")
    options = parser.parse_args()
    result = quick() if options.quick else measure(rounds=options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """A smaller class."""
    return measure(num_images=1_500, ipc=30)


def measure(num_images: int = 5_000, dim: int = 512, ipc: int = 50, rounds: int = ROUNDS) -> Result:
    """Time the samplers in turns and compare what they reach.

    Args:
        num_images: Images of the class n_c.
        dim: Dimension of the embeddings d.
        ipc: Images to pick.
        rounds: Rounds that count.
    """
    vectors = one_class(num_images, dim)
    samplers: dict[str, Callable[[Vectors, int], Picks]] = {
        "facility location": our_facility_location,
        "facility location, apricot-select": apricot_facility_location,
        "k-center": our_k_center,
        "k-center, plain": plain_k_center,
    }
    contestants = {name: partial(sampler, vectors, ipc) for name, sampler in samplers.items()}
    compiling = {"ten images, apricot-select": partial(apricot_facility_location, vectors[:10], 1)}
    seconds = time_in_turns(contestants | compiling, rounds)
    picks = {name: sampler(vectors, ipc) for name, sampler in samplers.items()}
    ours, theirs = (picks[f"facility location{whose}"] for whose in ("", ", apricot-select"))
    covered = facility_value(vectors, ours), facility_value(vectors, theirs)
    ours, theirs = picks["k-center"], picks["k-center, plain"]
    radius = largest_distance(vectors, ours), largest_distance(vectors, theirs)
    return Result(
        benchmark="greedy_stage",
        settings={"images": num_images, "dim": dim, "ipc": ipc},
        ratios=[
            Ratio(
                "apricot-select over our facility location",
                paired(seconds["facility location, apricot-select"], seconds["facility location"]),
                1.0,
            ),
            Ratio(
                "the same without its compilation",
                paired(
                    [
                        both - compiled
                        for both, compiled in zip(
                            seconds["facility location, apricot-select"],
                            seconds["ten images, apricot-select"],
                            strict=True,
                        )
                    ],
                    seconds["facility location"],
                ),
                1.0,
            ),
            Ratio("objective of facility location over apricot-select's", covered[0] / covered[1], 1 - 1e-9),
            Ratio("plain k-center over ours", paired(seconds["k-center, plain"], seconds["k-center"]), 1.0),
            Ratio("radius of the plain k-center over ours", radius[1] / radius[0], 1 - 1e-9),
        ],
        seconds=seconds,
        figures={
            "mean similarity to the nearest pick, %": 100 * covered[0],
            "largest 1 - cosine to the nearest pick, %": 100 * radius[0],
        },
    )


def one_class(num_images: int, dim: int) -> Vectors:
    """Seeded unit vectors ``(n_c, d)`` around twenty modes of one class.

    Args:
        num_images: Images n_c.
        dim: Dimension d.
    """
    generator = torch.Generator().manual_seed(0)
    modes = F.normalize(torch.randn(20, dim, generator=generator, dtype=torch.float64), dim=1)
    noise = torch.randn(num_images, dim, generator=generator, dtype=torch.float64) / dim**0.5
    vectors: Vectors = F.normalize(modes[torch.arange(num_images) % 20] + noise, dim=1).numpy()
    return vectors


def our_facility_location(vectors: Vectors, ipc: int) -> Picks:
    """Picks of the package ``(ipc,)``."""
    picks: Picks = facility_location(torch.from_numpy(vectors), ipc).order.numpy()
    return picks


def apricot_facility_location(vectors: Vectors, ipc: int) -> Picks:
    """Picks of apricot-select ``(ipc,)``, for the same similarity (1 + cosine) / 2."""
    from apricot import FacilityLocationSelection  # compiles for seconds: only where it is called

    selector = FacilityLocationSelection(ipc, metric="precomputed", optimizer="lazy")
    picks: Picks = selector.fit((1 + vectors @ vectors.T) / 2).ranking
    return picks


def our_k_center(vectors: Vectors, ipc: int) -> Picks:
    """Picks of the package ``(ipc,)``."""
    picks: Picks = k_center(torch.from_numpy(vectors), ipc).order.numpy()
    return picks


def plain_k_center(vectors: Vectors, ipc: int) -> Picks:
    """Greedy farthest point ``(ipc,)``, begun nearest the class mean as ours is."""
    picked = [int(np.argmax(vectors @ vectors.mean(axis=0)))]
    distance = pairwise_distances(vectors, vectors[picked])[:, 0]
    while len(picked) < ipc:
        picked.append(int(np.argmax(distance)))
        distance = np.minimum(distance, pairwise_distances(vectors, vectors[picked[-1:]])[:, 0])
    return np.array(picked)


def facility_value(vectors: Vectors, picks: Picks) -> float:
    """Mean over the class of (1 + cosine) / 2 to the nearest pick; larger is better."""
    return float(((1 + vectors @ vectors[picks].T) / 2).max(axis=1).mean())


def largest_distance(vectors: Vectors, picks: Picks) -> float:
    """Largest 1 - cosine of an image to its nearest pick; smaller is better."""
    return float(1 - (vectors @ vectors[picks].T).max(axis=1).min())


if __name__ == "__main__":
    main()

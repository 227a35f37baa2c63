"""How time and memory grow with the work: ``python -m benchmarks.growth --plot growth.png``.

Pool sizes and images per class of 1, 2, 4 and 8 times a base go through `TwoStage.select`, pool sizes through
`embed_pool` with the bundled CLIP model too, each size in a process of its own. A cost that grows with the
work and nothing else is a straight line, so R^2 of the least-squares line is reported wherever a cost grows,
and the exponent of a power law; an exponent below 1 is a fixed cost, one above 1 would be a cost out of
proportion.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.index_scale import in_a_process, write_pool
from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, hardware
from benchmarks.selection_scale import PeakMemory, read_pool
from benchmarks.selection_scale import write_pool as write_vectors

FACTORS = (1, 2, 4, 8)
STRAIGHT = 0.98  # R^2
# The largest cost over the smallest; a cost that stays the same has no slope to be straight about.
_GROWN = 1.5
_DIM = 512


@dataclass(frozen=True)
class Cost:
    """What one size took.

    Args:
        seconds: Time of each run.
        mib: Peak memory above what the process held before.
    """

    seconds: list[float]
    mib: float


@dataclass(frozen=True)
class Curve:
    """The costs of one path over one size that grows.

    Args:
        path: What was measured.
        size: What grows.
        sizes: Its values.
        costs: What each took.
    """

    path: str
    size: str
    sizes: Sequence[int]
    costs: Sequence[Cost]

    @property
    def seconds(self) -> list[float]:
        """Median time of each size."""
        return [median(cost.seconds) for cost in self.costs]

    @property
    def mib(self) -> list[float]:
        """Memory of each size."""
        return [cost.mib for cost in self.costs]


def main() -> None:
    """Measure, print tables, write JSON and a plot."""
    parser = arguments("growth", __doc__, "small pools, selection alone")
    parser.add_argument("--plot", type=Path, default=Path("growth.png"), help="where to draw")
    options = parser.parse_args()
    curves = quick_curves() if options.quick else all_curves(rounds=options.rounds)
    result = summary(curves)
    result.publish(options.json)
    draw(curves, options.plot)


def quick() -> Result:
    """Small pools, selection alone."""
    return summary(quick_curves())


def quick_curves() -> list[Curve]:
    """Curves of selection from pools of up to 64,000 images."""
    return selection_curves(num_classes=100, images_per_class=80, ipc=5, rounds=3)


def all_curves(rounds: int = ROUNDS) -> list[Curve]:
    """Curves of selection from pools of up to 1,280,000 images, and of embedding up to 8,000 images.

    Args:
        rounds: Runs of each size.
    """
    return [
        *selection_curves(num_classes=1_000, images_per_class=160, ipc=20, rounds=rounds),
        embedding_curve(images=1_000, rounds=3),
    ]


def selection_curves(num_classes: int, images_per_class: int, ipc: int, rounds: int) -> list[Curve]:
    """Selection over a growing pool, and with growing images per class from the largest of these pools.

    Args:
        num_classes: Classes C.
        images_per_class: Images of each in the smallest pool.
        ipc: Images per class, the smallest number.
        rounds: Runs of each size.
    """
    largest = images_per_class * FACTORS[-1]
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        pool_costs = []
        for factor in FACTORS:
            file = Path(folder) / "embeddings.f16"
            write_vectors(file, num_classes, images_per_class * factor, _DIM)
            pool = (file, num_classes, images_per_class * factor)
            pool_costs.append(in_a_process(selection_cost, *pool, ipc, rounds))
        ipc_costs = [in_a_process(selection_cost, *pool, ipc * factor, rounds) for factor in FACTORS]
    images = [num_classes * images_per_class * factor for factor in FACTORS]
    return [
        Curve("selection", "images in the pool", images, pool_costs),
        Curve(f"selection from {num_classes * largest:,}", "images per class", _times(ipc), ipc_costs),
    ]


def embedding_curve(images: int, rounds: int) -> Curve:
    """Embedding of a growing pool of JPEG files with the bundled CLIP model, the cache empty.

    Args:
        images: Images of the smallest pool.
        rounds: Runs of each size.
    """
    costs = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        for size in _times(images):
            pool = Path(folder) / str(size)
            write_pool(pool, files=size, folders=10, size=64)
            costs.append(in_a_process(embedding_cost, pool, rounds))
    return Curve("embedding", "images in the pool", _times(images), costs)


def selection_cost(file: Path, num_classes: int, images_per_class: int, ipc: int, rounds: int) -> Cost:
    """Time and memory of a selection in this process.

    Args:
        file: A mapped pool of `benchmarks.selection_scale`.
        num_classes: Its classes.
        images_per_class: Its images of each.
        ipc: Images per class to choose.
        rounds: Runs.
    """
    from semdd_lightning.selection import TwoStage

    pool = read_pool(file, num_classes, images_per_class, _DIM)
    return _cost(lambda: TwoStage().select(pool, ipc), rounds)


def embedding_cost(pool: Path, rounds: int) -> Cost:
    """Time and memory of embedding a pool in this process.

    Args:
        pool: Folder of class folders.
        rounds: Runs, each with an empty cache.
    """
    from semdd_lightning.pools import ClassFolders
    from semdd_lightning.prior import OpenClipPrior, embed_pool

    with tempfile.TemporaryDirectory(prefix="growth-cache-") as folder:
        images = ClassFolders(pool).read(Path(folder) / "index")
        caches = (Path(folder) / f"embeddings-{run}" for run in range(rounds + 1))
        embed = partial(embed_pool, images, OpenClipPrior("digits"), progress=False)
        return _cost(lambda: embed(cache_dir=next(caches)), rounds)


def summary(curves: Sequence[Curve]) -> Result:
    """The curves' figures: R^2 of straight lines, exponents of power laws.

    Args:
        curves: What was measured.
    """
    return Result(
        benchmark="growth",
        settings={f"{curve.path} over {curve.size}": list(curve.sizes) for curve in curves},
        ratios=[
            Ratio(
                f"R^2 of a line, {curve.path}, {cost} over {curve.size}",
                line_r2(curve.sizes, values),
                STRAIGHT,
            )
            for curve in curves
            for cost, values in (("seconds", curve.seconds), ("memory", curve.mib))
            if max(values) > _GROWN * min(values)
        ],
        seconds={
            f"{curve.path}, {size:,} {curve.size}": cost.seconds
            for curve in curves
            for size, cost in zip(curve.sizes, curve.costs, strict=True)
        },
        figures={
            f"{curve.path} over {curve.size}, {what}": value
            for curve in curves
            for what, value in _figures(curve).items()
        },
    )


def line_r2(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """R^2 of the least-squares line.

    Args:
        sizes: Sizes, two different ones at least.
        costs: What each took.

    >>> line_r2([1, 2, 4], [3, 5, 9])
    1.0
    """
    return float(np.corrcoef(sizes, costs)[0, 1] ** 2)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Exponent p of the power law cost = a * size ** p that fits best on logarithmic axes.

    Args:
        sizes: Sizes > 0.
        costs: What each took, > 0.

    >>> round(exponent([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def draw(curves: Sequence[Curve], file: Path) -> None:
    """Draw time and memory over size, a row for each curve, with the least-squares lines.

    Args:
        curves: What was measured.
        file: Where to, PNG.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 2.6 * len(curves)), layout="constrained")
    figure.suptitle(hardware(), fontsize=9)
    for row, curve in zip(figure.subplots(len(curves), 2, squeeze=False), curves, strict=True):
        for axes, values, unit in zip(row, (curve.seconds, curve.mib), ("s", "MiB"), strict=True):
            slope, start = np.polyfit(curve.sizes, values, 1)
            ends = np.array([0, curve.sizes[-1]])
            axes.plot(ends, start + slope * ends, color="0.7", label="least-squares line")
            axes.plot(curve.sizes, values, "o", label="measured")
            axes.set(title=curve.path, xlabel=curve.size, ylabel=unit)
            axes.set(xlim=0, ylim=(0, 1.15 * max(values)))
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.title.set_fontsize(9)
    figure.axes[0].legend()
    figure.savefig(file, dpi=120)


def _times(base: int) -> list[int]:
    return [base * factor for factor in FACTORS]


def _cost(run: Callable[[], object], rounds: int) -> Cost:
    with PeakMemory() as peak:
        run()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return Cost(seconds, peak.mib)


def _figures(curve: Curve) -> dict[str, float]:
    return {
        "exponent of seconds": exponent(curve.sizes, curve.seconds),
        "exponent of memory": exponent(curve.sizes, curve.mib),
        "largest peak, MiB": curve.mib[-1],
    }


if __name__ == "__main__":
    main()

"""What the default sampler learns from a pool against embedding it: ``python -m benchmarks.learning_cost``.

`learn_pool` trains its student on seeded 32 px images for as many passes as a selection does, with no cache;
in the same rounds `embed_pool` embeds them by a ViT-B/32 of random weights, loaded before. A choice by
CLIP needs the second, `learnable` both.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch

from benchmarks.clip_encoding import SMALL, LoadedPrior, embed, write_model, write_pool
from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, paired, time_in_turns
from semdd_lightning.data.learning import LearningPlan, learn_pool
from semdd_lightning.pools import Pool
from semdd_lightning.prior import OpenClipPrior

LAYERS = 12


def main() -> None:
    """Measure, print a table and write a JSON file."""
    parser = arguments("learning_cost", __doc__, "a shallow model, few images and passes")
    parser.add_argument("--images", type=int, default=128, help="images of the pool (default 128)")
    options = parser.parse_args()
    result = quick() if options.quick else measure(options.images, options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """Two passes, against a model of one layer."""
    return measure(images=16, rounds=1, passes=2, layers=1)


def measure(
    images: int = 128, rounds: int = ROUNDS, passes: int = LearningPlan().passes, layers: int = LAYERS
) -> Result:
    """Learn and embed in turns.

    Args:
        images: Images of the pool.
        rounds: Rounds that count.
        passes: Visits to each image.
        layers: Layers of the image tower; 12 make ViT-B/32.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory(prefix="learning-cost-") as temporary:
        root = Path(temporary)
        model = str(write_model(root / "model", layers=layers))
        prior = LoadedPrior(model, clip=OpenClipPrior(model).load(device))
        pool = write_pool(root / "pool", images, SMALL, "PNG")
        plan = LearningPlan(passes=passes)
        seconds = time_in_turns(
            {
                "learn_pool": lambda: learn(pool, plan, device, root / "cache"),
                "embed_pool": lambda: embed(pool, prior, device, root / "cache"),
            },
            rounds,
        )
    return Result(
        benchmark="learning_cost",
        settings={"images": images, "passes": passes, "layers": layers, "threads": torch.get_num_threads()},
        ratios=[Ratio("embedding by ViT-B/32 over learning", paired(*reversed(seconds.values())), None)],
        seconds=seconds,
    )


def learn(pool: Pool, plan: LearningPlan, device: torch.device, cache: Path) -> None:
    """Learn from a pool of which nothing is cached."""
    shutil.rmtree(cache / "learned", ignore_errors=True)
    learn_pool(pool, plan, device=device, cache_dir=cache, show=False)


if __name__ == "__main__":
    main()

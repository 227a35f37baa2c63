"""Selection from a pool of ImageNet-1K's size: ``python -m benchmarks.selection_scale``.

Seeded unit vectors in float16 lie in a file that is mapped; `TwoStage.select` is what a user runs. Its limit
is the one product of N image embeddings with C text prototypes, done as well as PyTorch does it: chunks of
1,024 mapped rows, converted to float32 and multiplied into memory that is used again, the results thrown
away. The same in float64, in which selections are decided, stands beside it. Refined prototypes, the default,
cannot do without two products: each image's best other class is wanted among the texts, to find the images
that make the prototypes, and then among these prototypes, which no image's first product tells. Memory is the
peak of what a fresh process holds besides mapped files, above what the imports take.
"""

from __future__ import annotations

import math
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, paired, time_in_turns
from benchmarks.memory import PeakMemory, in_a_process
from semdd_lightning.selection import Embeddings, TwoStage, largest_product

NUM_CLASSES = 1_000
IMAGES_PER_CLASS = 1_280
EMBED_DIM = 512
IPC = 50
PRODUCT_SHARE = 1 / 1.5
MEMORY_MIB = 1_024
_PRODUCT_CHUNK = 1_024


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = arguments("selection_scale", __doc__, "a pool of 64,000 images of 200 classes")
    options = parser.parse_args()
    result = quick() if options.quick else measure(rounds=options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """A twentieth of the pool."""
    return measure(num_classes=200, images_per_class=320, rounds=ROUNDS)


def measure(
    num_classes: int = NUM_CLASSES,
    images_per_class: int = IMAGES_PER_CLASS,
    dim: int = EMBED_DIM,
    ipc: int = IPC,
    rounds: int = ROUNDS,
) -> Result:
    """Time selection and its limit in turns, then the memory of a selection.

    Args:
        num_classes: Classes of the pool C.
        images_per_class: Images of each.
        dim: Dimension of the embeddings d.
        ipc: Images per class to choose.
        rounds: Rounds that count.
    """
    with tempfile.TemporaryDirectory(prefix="selection-scale-") as folder:
        file = Path(folder) / "embeddings.f16"
        write_pool(file, num_classes, images_per_class, dim)
        pool = read_pool(file, num_classes, images_per_class, dim)
        seconds = time_in_turns(
            {
                "selection": partial(TwoStage().select, pool, ipc),
                "selection by text prototypes": partial(TwoStage(prototypes="text").select, pool, ipc),
                "selection, screened in float32": partial(select_without_bfloat16, pool, ipc),
                "product in float32": partial(product, pool, torch.float32),
                "product in float64": partial(product, pool, torch.float64),
            },
            rounds,
        )
        peak = in_a_process(selection_mib, file, num_classes, images_per_class, dim, ipc)
    ours, one_product = seconds["selection"], seconds["product in float32"]
    return Result(
        benchmark="selection_scale",
        settings={
            "images": num_classes * images_per_class,
            "classes": num_classes,
            "dim": dim,
            "ipc": ipc,
            "sampler": TwoStage.name,
        },
        ratios=[
            Ratio("float32 product over selection", paired(one_product, ours), PRODUCT_SHARE),
            Ratio("two float32 products over selection", 2 * paired(one_product, ours)),
            Ratio(
                "float32 product over selection by text prototypes",
                paired(one_product, seconds["selection by text prototypes"]),
            ),
            Ratio(
                "float32 product over selection screened in float32",
                paired(one_product, seconds["selection, screened in float32"]),
            ),
            Ratio("float64 product over selection", paired(seconds["product in float64"], ours)),
            Ratio("1 GiB over the memory of a selection", MEMORY_MIB / max(peak, 1.0), 1.0),
        ],
        seconds=seconds,
        figures={"peak besides the mapped file, MiB": peak},
    )


def write_pool(file: Path, num_classes: int, images_per_class: int, dim: int) -> None:
    """Write unit vectors in float16, class by class, around the prototypes of `text_prototypes`.

    Args:
        file: Where to.
        num_classes: Classes C.
        images_per_class: Images of each.
        dim: Dimension d.
    """
    generator = torch.Generator().manual_seed(1)
    with file.open("wb") as stream:
        for prototype in text_prototypes(num_classes, dim):
            noise = torch.randn(images_per_class, dim, generator=generator) / math.sqrt(dim)
            stream.write(F.normalize(noise + prototype / 4, dim=1).half().numpy().tobytes())


def text_prototypes(num_classes: int, dim: int) -> Tensor:
    """Seeded unit vectors ``(C, d)``.

    Args:
        num_classes: Classes C.
        dim: Dimension d.
    """
    return F.normalize(torch.randn(num_classes, dim, generator=torch.Generator().manual_seed(0)), dim=1)


def read_pool(file: Path, num_classes: int, images_per_class: int, dim: int) -> Embeddings:
    """The pool as a sampler sees it, its image embeddings mapped.

    Args:
        file: What `write_pool` wrote with the same numbers.
        num_classes: Classes C.
        images_per_class: Images of each.
        dim: Dimension d.
    """
    rows = num_classes * images_per_class
    mapped = torch.from_file(str(file), shared=False, size=rows * dim, dtype=torch.float16)
    labels = torch.arange(num_classes).repeat_interleave(images_per_class)
    return Embeddings(mapped.view(rows, dim), labels, text_prototypes(num_classes, dim))


def select_without_bfloat16(pool: Embeddings, ipc: int) -> None:
    """Select as a processor does that multiplies in float32 at best.

    Args:
        pool: The pool.
        ipc: Images per class to choose.
    """
    with patch.object(largest_product, "coarse_type", lambda: torch.float32):
        TwoStage().select(pool, ipc)


def product(pool: Embeddings, dtype: torch.dtype) -> None:
    """The product of all image embeddings with all prototypes, a chunk at a time, its results thrown away.

    Args:
        pool: The pool.
        dtype: Type that it is done in.
    """
    prototypes = pool.text_prototypes.to(dtype).T
    chunk = torch.empty(_PRODUCT_CHUNK, len(prototypes), dtype=dtype)
    similarity = torch.empty(_PRODUCT_CHUNK, pool.num_classes, dtype=dtype)
    for start in range(0, pool.num_images, _PRODUCT_CHUNK):
        rows = pool.image_embeddings[start : start + _PRODUCT_CHUNK]
        torch.mm(chunk[: len(rows)].copy_(rows), prototypes, out=similarity[: len(rows)])


def selection_mib(file: Path, num_classes: int, images_per_class: int, dim: int, ipc: int) -> float:
    """Peak memory of a selection in this process, above what it held before, mapped files left out.

    Args:
        file: What `write_pool` wrote with the same numbers.
        num_classes: Classes C.
        images_per_class: Images of each.
        dim: Dimension d.
        ipc: Images per class to choose.
    """
    torch.mm(torch.ones(512, 512), torch.ones(512, 512))  # the library's own buffers and threads
    with PeakMemory() as peak:
        TwoStage().select(read_pool(file, num_classes, images_per_class, dim), ipc)
    return peak.mib


if __name__ == "__main__":
    main()

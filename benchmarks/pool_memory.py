"""Memory of a pool of ImageNet-1K's size and its embeddings: ``python -m benchmarks.pool_memory``.

What a second run meets: the index and the embeddings are in the cache, filled with seeded numbers. A fresh
process reads both as `fit` and `select` do, with `ClassFolders.read` and `embed_pool`; its resident memory
above what the imports take is compared with the bytes of the arrays that it has then. No image is written:
the class folders are empty, and the scan of a folder is answered with made-up files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_IFREG
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import semdd_lightning.data  # noqa: F401 - what `fit` and `select` import, for the memory before they begin
from benchmarks.clip_encoding import write_model
from benchmarks.measuring import Ratio, Result, arguments
from benchmarks.memory import forget_peak, in_a_process, peak_mib, resident_mib
from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.pools.index_cache import Examined, IndexCache
from semdd_lightning.prior import LoadedClip, OpenClipPrior, embed_pool

IMAGENET = 1_281_167
CLASSES = 1_000
BAR = 1 / 1.3
_SCAN = "semdd_lightning.pools.files._image_entries"
_ENCODE = "semdd_lightning.prior.cache.encode_shards"
_LONG_AGO_NS = 1_600_000_000_000_000_000


@dataclass(frozen=True)
class MadeUpFile:
    """What a scan of a folder would tell of an image.

    Args:
        path: Absolute path.
        size: Size in bytes.
    """

    path: str
    size: int

    def stat(self) -> SimpleNamespace:
        """What `os.stat_result` would say of a regular file that was written long ago."""
        return SimpleNamespace(
            st_mode=S_IFREG, st_size=self.size, st_mtime_ns=_LONG_AGO_NS, st_ctime_ns=_LONG_AGO_NS
        )


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process in MiB, and the bytes of its arrays in MiB.

    Args:
        imports: After the imports.
        index_peak: Most, until the pool was there.
        index: With the pool.
        peak: Most, until the embeddings were there.
        steady: With pool and embeddings.
        index_arrays: Columns of the pool.
        arrays: Columns of the pool and both matrices of vectors.
    """

    imports: float
    index_peak: float
    index: float
    peak: float
    steady: float
    index_arrays: float
    arrays: float


def main() -> None:
    """Fill a cache, measure, print a table and write a JSON file."""
    parser = arguments("pool_memory", __doc__, "a twentieth of the images", rounds=False)
    parser.add_argument(
        "--images", type=int, default=IMAGENET, help=f"images of the pool (default {IMAGENET:,})"
    )
    options = parser.parse_args()
    result = quick() if options.quick else measure(options.images)
    result.publish(options.json)


def quick() -> Result:
    """The same for a twentieth of the images."""
    return measure(IMAGENET // 20)


def measure(images: int = IMAGENET, classes: int = CLASSES) -> Result:
    """Fill a cache and measure the process that reads it.

    Args:
        images: Images of the pool.
        classes: Classes of the pool.
    """
    with tempfile.TemporaryDirectory(prefix="pool-memory-") as temporary:
        root = make_folders(Path(temporary), classes)
        in_a_process(fill, root, images, classes)
        memory = in_a_process(read, root, images, classes)
    bar = BAR if images >= IMAGENET else None  # what a process takes once weighs more beside a small pool
    used, index_used = memory.peak - memory.imports, memory.index_peak - memory.imports
    return Result(
        benchmark="pool_memory",
        settings={"images": images, "classes": classes},
        ratios=[
            Ratio("index and embeddings, arrays of peak memory", memory.arrays / used, bar),
            Ratio(
                "index and embeddings, arrays of memory afterwards",
                memory.arrays / (memory.steady - memory.imports),
                bar,
            ),
            Ratio("index alone, arrays of peak memory", memory.index_arrays / index_used),
        ],
        figures={f"{name}, MiB": value for name, value in vars(memory).items()},
    )


def make_folders(root: Path, classes: int) -> Path:
    """Make empty class folders, and a model whose embeddings are as wide as those of ViT-B/32."""
    write_model(root / "model", layers=1)
    for c in range(classes):
        (root / "pool" / f"n{c:08d}").mkdir(parents=True)
    return root


def fill(root: Path, images: int, classes: int) -> None:
    """Write the caches of a pool: an index of seeded numbers and seeded unit vectors.

    Args:
        root: Where model, class folders and cache lie.
        images: Images of the pool.
        classes: Classes of the pool.
    """
    reader, prior, cache = ClassFolders(root / "pool"), OpenClipPrior(str(root / "model")), root / "cache"
    with patch(_SCAN, made_up_files(images, classes)), patch(_ENCODE, seeded_vectors):
        listing = reader.listing()
        IndexCache(listing, cache).store(seeded_traits(len(listing)))
        embed_pool(reader.read(cache), prior, cache_dir=cache, progress=False)


def read(root: Path, images: int, classes: int) -> Memory:
    """Read pool and embeddings out of the caches and look at this process's memory.

    Args:
        root: Where model, class folders and cache lie.
        images: Images of the pool.
        classes: Classes of the pool.
    """
    reader, prior, cache = ClassFolders(root / "pool"), OpenClipPrior(str(root / "model")), root / "cache"
    with patch(_SCAN, made_up_files(images, classes)):
        imports = resident_mib()
        forget_peak()
        pool = reader.read(cache)
    index_peak, index = peak_mib(), resident_mib()
    embeddings = embed_pool(pool, prior, cache_dir=cache, progress=False)
    peak, steady = peak_mib(), resident_mib()
    index_arrays = column_mib(pool)
    vectors = embeddings.image_embeddings.nbytes + embeddings.text_prototypes.nbytes
    return Memory(imports, index_peak, index, peak, steady, index_arrays, index_arrays + vectors / 2**20)


def made_up_files(images: int, classes: int) -> Callable[..., Iterator[MadeUpFile]]:
    """Stands in for the scan of a folder: image files named as those of ImageNet.

    Args:
        images: Images of all classes.
        classes: Classes, whose folders share the images out.
    """

    def scan(folder: Path, *_: object) -> Iterator[MadeUpFile]:
        name, number = folder.name, int(folder.name.lstrip("n"))
        for image in range(number, images, classes):
            yield MadeUpFile(f"{folder}/{name}_{image // classes}.JPEG", size=100_000 + image)

    return scan


def seeded_traits(images: int) -> Examined:
    """What reading might have told of images that are all usable and distinct."""
    random, examined = np.random.default_rng(0), Examined.nothing(images)
    examined.known[:] = examined.lasting[:] = True
    traits = examined.traits
    traits.widths[:], traits.heights[:], traits.contrasts[:] = 500, 375, random.uniform(20, 80, images)
    traits.digests[:] = random.integers(0, 256, traits.digests.shape, dtype=np.uint8)
    traits.perceptual_hashes[:] = random.integers(0, 2**63, images, dtype=np.uint64)
    return examined


def seeded_vectors(_pool: Pool, clip: LoadedClip, shards: Sequence[range], *_: object) -> Iterator[Tensor]:
    """Stands in for encoding: random unit vectors, shard by shard."""
    generator = torch.Generator().manual_seed(0)
    for shard in shards:
        yield F.normalize(torch.randn(len(shard), clip.embed_dim, generator=generator), dim=1)


def column_mib(pool: Pool) -> float:
    """Bytes of the columns of a pool, in MiB."""
    columns = [pool.labels, pool.rows, *vars(pool.traits).values(), pool.paths.column]
    return float(sum(column.nbytes for column in columns)) / 2**20


if __name__ == "__main__":
    main()

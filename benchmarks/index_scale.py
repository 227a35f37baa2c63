"""Time and memory of indexing a pool: ``python -m benchmarks.index_scale --files 1281167``.

Writes a pool of small distinct JPEG files, indexes it in a process of its own, then again in another one that
finds the cached index. With ``--tars 147`` the samples lie in that many WebDataset shards, and their listing
is measured, which goes through all headers and labels; images are not read, and zeros stand for them.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmarks.measuring import Result, arguments
from benchmarks.memory import in_a_process, peak_mib


@dataclass(frozen=True)
class Cost:
    """What one process took.

    Args:
        seconds: All of it.
        figures: Its parts by name, with the unit.
        fingerprint: Of what came out.
    """

    seconds: float
    figures: dict[str, float]
    fingerprint: str = ""


def main() -> None:
    """Make the pool, measure, print tables and write a JSON file."""
    parser = arguments("index_scale", __doc__, "2,000 files or samples", rounds=False)
    parser.add_argument("--files", type=int, default=20_000, help="image files or samples (default 20,000)")
    parser.add_argument("--folders", type=int, default=1_000, help="class folders (default 1,000)")
    parser.add_argument("--tars", type=int, default=0, help="shards to list instead (default: none)")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels (default 64)")
    options = parser.parse_args()
    files = 2_000 if options.quick else options.files
    with tempfile.TemporaryDirectory(prefix="index-scale-") as root:
        if options.tars:
            result = measure_listing(Path(root), files, options.folders, options.tars)
        else:
            result = measure_index(Path(root), files, options.folders, options.size)
    result.publish(options.json)


def measure_index(root: Path, files: int, folders: int, size: int) -> Result:
    """Index a new pool, and again with the index in the cache.

    Args:
        root: Where pool and cache go.
        files: Image files of the pool.
        folders: Class folders.
        size: Side of the images in pixels.

    Raises:
        RuntimeError: If the cached index is another one.
    """
    write_pool(root / "pool", files, folders, size)
    time.sleep(3)  # what was written just now is not trusted to the cache
    first, again = (in_a_process(index, root / "pool", root / "cache") for _ in range(2))
    if first.fingerprint != again.fingerprint:
        msg = "Expected the cached index to be the first one, found another; mend the cache."
        raise RuntimeError(msg)
    costs = {"first index": first, "cached index": again}
    return _result({"files": files, "folders": folders, "size": size}, costs)


def measure_listing(root: Path, samples: int, classes: int, shards: int) -> Result:
    """List the samples of new shards.

    Args:
        root: Where they go.
        samples: Samples in all of them.
        classes: Number of classes.
        shards: Number of tars.
    """
    write_shards(root / "pool", samples, classes, shards)
    cost = in_a_process(list_shards, root / "pool")
    return _result({"samples": samples, "shards": shards}, {"listing": cost})


def index(pool: Path, cache: Path) -> Cost:
    """Index a pool in this process.

    Args:
        pool: Folder of class folders.
        cache: Root of the cache.
    """
    from semdd_lightning.pools import ClassFolders

    imports = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    resolved = ClassFolders(pool).resolve()
    listing = resolved.listing
    listed = time.perf_counter()
    found = resolved.read(cache)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    columns = [found.labels, found.rows, *vars(found.traits).values(), found.paths.column]
    figures = {
        "listing, s": listed - start,
        "CPU time, s": cpu_seconds,
        "peak memory above imports, MiB": peak_mib() - imports,
        "columns, MiB": sum(column.nbytes for column in columns) / 2**20,
        "images/s": len(listing) / seconds,
    }
    return Cost(seconds, figures, found.fingerprint)


def list_shards(pool: Path) -> Cost:
    """List the samples of shards in this process.

    Args:
        pool: Folder of tars.
    """
    from semdd_lightning.pools import TarShards

    imports = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    listing = TarShards(pool).listing()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    figures = {
        "samples found": float(len(listing)),
        "CPU time, s": cpu_seconds,
        "peak memory above imports, MiB": peak_mib() - imports,
    }
    return Cost(seconds, figures)


def write_pool(root: Path, files: int, folders: int, size: int) -> None:
    """Class folders of JPEG files that differ in a comment, which is enough to make their bytes distinct.

    Args:
        root: Folder to make.
        files: Number of files.
        folders: Number of class folders.
        size: Side of the images in pixels.
    """
    image = photograph_like(size)
    unfinished = root.with_name(f".{root.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in range(folders):
        (unfinished / f"class{folder:05d}").mkdir(parents=True)
    for number in track(range(files), "Writing images", console=Console(stderr=True)):
        comment = b"%010d" % number
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        file = unfinished / f"class{number % folders:05d}" / f"{number // folders:06d}.jpg"
        file.write_bytes(image[:2] + segment + image[2:])
    unfinished.rename(root)


def write_shards(root: Path, samples: int, classes: int, shards: int) -> None:
    """WebDataset shards whose images are a block of zeros, beside a ``.cls`` member each.

    Args:
        root: Folder to make.
        samples: Number of samples.
        classes: Number of classes.
        shards: Number of tars.
    """
    unfinished = root.with_name(f".{root.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    numbers = np.array_split(np.arange(samples), shards)
    for shard in track(range(shards), "Writing shards", console=Console(stderr=True)):
        with tarfile.open(unfinished / f"train-{shard:06d}.tar", "w") as tar:
            for number in numbers[shard].tolist():
                for ending, content in (("jpg", bytes(512)), ("cls", b"%d" % (number % classes))):
                    member = tarfile.TarInfo(f"{number:08d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, BytesIO(content))
                tar.members.clear()  # type: ignore[attr-defined]  # else every member stays in memory
    unfinished.rename(root)


def photograph_like(size: int) -> bytes:
    """A JPEG file of smooth noise at several scales."""
    random = np.random.default_rng(0)
    layers = [
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((size, size))
        for side in (2, 5, max(6, size // 4))
    ]
    pixels = np.mean([np.asarray(layer, dtype=np.float64) for layer in layers], axis=0)
    with BytesIO() as stream:
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", quality=90)
        return stream.getvalue()


def _result(settings: dict[str, int], costs: dict[str, Cost]) -> Result:
    seconds = {name: [cost.seconds] for name, cost in costs.items()}
    figures = {f"{name}, {part}": value for name, one in costs.items() for part, value in one.figures.items()}
    return Result("index_scale", settings, [], seconds, figures)


if __name__ == "__main__":
    main()

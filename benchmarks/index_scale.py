"""Time and memory of indexing a pool: ``python -m benchmarks.index_scale --files 1281167``.

Writes a pool of small distinct JPEG files, indexes it in a process of its own, then again in another one that
finds the cached index. With ``--tars 147`` the samples lie in that many WebDataset shards, and their listing
is measured, which goes through all headers and labels; images are not read, and zeros stand for them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from semdd_lightning import __version__

M = TypeVar("M")


@dataclass(frozen=True)
class Measured:
    """What one indexing took.

    Args:
        files: Image files of the pool.
        listing_seconds: Finding them and their stamps.
        index_seconds: All of it, the listing included.
        cpu_seconds: Time that the CPUs worked on it, which a busy machine does not lengthen much.
        imports_mib: Largest resident memory of the process before it began.
        peak_mib: The same when it was done.
        column_mib: Bytes of the columns of the pool that came out.
        fingerprint: Of that pool.
    """

    files: int
    listing_seconds: float
    index_seconds: float
    cpu_seconds: float
    imports_mib: float
    peak_mib: float
    column_mib: float
    fingerprint: str


@dataclass(frozen=True)
class Listed:
    """What the listing of tar shards took.

    Args:
        samples: Samples in all of them.
        seconds: Reading all headers and labels.
        cpu_seconds: Time that the CPUs worked on it.
        imports_mib: Largest resident memory of the process before it began.
        peak_mib: The same when it was done.
    """

    samples: int
    seconds: float
    cpu_seconds: float
    imports_mib: float
    peak_mib: float


def main() -> None:
    """Make the pool, measure, print a table and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="image files or samples (default 20,000)")
    parser.add_argument("--folders", type=int, default=1_000, help="class folders (default 1,000)")
    parser.add_argument("--tars", type=int, default=0, help="shards to list instead (default: none)")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels (default 64)")
    parser.add_argument(
        "--pool", type=Path, help="where the pool lies or is made, to keep it (default: not kept)"
    )
    parser.add_argument("--json", type=Path, default=Path("index_scale.json"), help="what to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="index-scale-") as temporary:
        pool = options.pool or Path(temporary) / "pool"
        if not pool.exists():
            if options.tars:
                write_shards(pool, options.files, options.folders, options.tars)
            else:
                write_pool(pool, options.files, options.folders, options.size)
            time.sleep(3)  # what was written just now is not trusted to the cache
        if options.tars:
            record = {"listed": asdict(listed := in_a_process(measure_listing, pool)), "shards": options.tars}
            show_listing(listed, options.tars)
        else:
            first, again = (in_a_process(measure, pool, Path(temporary) / "cache") for _ in range(2))
            record = {"first": asdict(first), "again": asdict(again), "image_size": options.size}
            show(first, again)
    record |= {
        "versions": {"semdd": __version__, "python": platform.python_version(), "pillow": PIL.__version__},
        "machine": {"cpus": os.cpu_count(), "platform": platform.platform()},
    }
    options.json.write_text(json.dumps(record, indent=2) + "\n")


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


def in_a_process(measured: Callable[..., M], *args: object) -> M:
    """Call a function in a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, *args).result()


def measure(pool: Path, cache: Path) -> Measured:
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
    done, cpu_done = time.perf_counter(), time.process_time()
    columns = [found.labels, found.rows, *vars(found.traits).values(), found.paths.column]
    return Measured(
        files=len(listing),
        listing_seconds=listed - start,
        index_seconds=done - start,
        cpu_seconds=cpu_done - cpu_start,
        imports_mib=imports,
        peak_mib=peak_mib(),
        column_mib=sum(column.nbytes for column in columns) / 2**20,
        fingerprint=found.fingerprint,
    )


def measure_listing(pool: Path) -> Listed:
    """List the samples of shards in this process.

    Args:
        pool: Folder of tars.
    """
    from semdd_lightning.pools import TarShards

    imports = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    listing = TarShards(pool).listing()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return Listed(len(listing), seconds, cpu_seconds, imports, peak_mib())


def peak_mib() -> float:
    """Largest resident memory of this process so far, as Linux counts it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def show(first: Measured, again: Measured) -> None:
    """Print both as a table."""
    table = Table("", "first index", "cached index", title=f"{first.files:,} files, {os.cpu_count()} CPUs")
    rows = {
        "listing, s": "listing_seconds",
        "listing and index, s": "index_seconds",
        "CPU time of both, s": "cpu_seconds",
        "peak memory above imports, MiB": "above_imports",
        "columns, MiB": "column_mib",
    }
    for label, name in rows.items():
        values = [
            one.peak_mib - one.imports_mib if name == "above_imports" else getattr(one, name)
            for one in (first, again)
        ]
        table.add_row(label, *(f"{value:,.1f}" for value in values))
    speeds = [one.files / one.index_seconds for one in (first, again)]
    table.add_row("images/s", *(f"{speed:,.0f}" for speed in speeds))
    table.add_row("fingerprint", *(one.fingerprint[:12] for one in (first, again)))
    Console().print(table)


def show_listing(listed: Listed, shards: int) -> None:
    """Print it as a table."""
    table = Table("", "listing", title=f"{listed.samples:,} samples in {shards} tars, {os.cpu_count()} CPUs")
    table.add_row("listing, s", f"{listed.seconds:,.1f}")
    table.add_row("CPU time, s", f"{listed.cpu_seconds:,.1f}")
    table.add_row("peak memory above imports, MiB", f"{listed.peak_mib - listed.imports_mib:,.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

"""``semdd verify``: make a selection again from its manifest and say whether it is the same."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.errors import RunError

DIFFERENT = 1


def run(command: str, words: list[str]) -> int:
    """Verify one run; exit status 1 if the selection differs."""
    parser = argparse.ArgumentParser(
        prog="semdd verify",
        description="Make the selection of a finished run again, from its manifest, and compare pool, "
        "chosen images and exported files. Exit status 0 if all is the same, 1 if not.",
    )
    parser.add_argument("run", type=Path, help="directory of `semdd select` or `semdd fit`")
    options = parser.parse_args(words)
    if not options.run.is_dir():
        msg = (
            f"Expected a run directory at {options.run.absolute()}, found none; give one that a run printed."
        )
        raise RunError(msg)
    verdict = verify(options.run)
    for line in verdict.differences:
        print(line, file=sys.stderr)
    if verdict.differences:
        return DIFFERENT
    print(
        f"The same: {verdict.num_images} images chosen again by {verdict.sampler}, all exported files intact."
    )
    return 0


@dataclass(frozen=True)
class Verdict:
    """What verification found.

    Attributes:
        sampler: short name of the sampler.
        num_images: images that were chosen again.
        differences: one line for each thing that is not the same.
    """

    sampler: str
    num_images: int
    differences: list[str]


def verify(directory: Path) -> Verdict:
    """Recompute the selection that a directory's manifest describes.

    Raises:
        RunError: if there is no manifest.
        PoolError: if the pool is gone.
    """
    from semdd_lightning.data import select
    from semdd_lightning.export import build_component, exported_images, read_manifest
    from semdd_lightning.pools import PoolReader
    from semdd_lightning.prior import OpenClipPrior
    from semdd_lightning.selection import Sampler

    manifest = read_manifest(directory)
    pool = build_component(manifest.pool, PoolReader)
    pool.prepare()
    again = select(
        pool,
        build_component(manifest.prior, OpenClipPrior),
        manifest.ipc,
        build_component(manifest.sampler, Sampler),
        manifest.selection_seed,
    )
    differences = []
    if again.manifest.pool_fingerprint != manifest.pool_fingerprint:
        differences.append(f"The pool in {again.pool.root} has changed since: its images are not the same.")
    if again.manifest.class_names != manifest.class_names:
        differences.append("The classes or their order have changed since.")
    if again.manifest.embeddings_key != manifest.embeddings_key:
        differences.append("The embeddings are others: the CLIP weights, their settings or the pool changed.")
    gone, new = (
        set(manifest.paths) - set(again.manifest.paths),
        set(again.manifest.paths) - set(manifest.paths),
    )
    if gone or new:
        differences.append(
            f"Other images are chosen now: {len(gone)} of {len(manifest.paths)} differ, as "
            f"{sorted(gone)[:3]} -> {sorted(new)[:3]}."
        )
    elif again.manifest.paths != manifest.paths:
        differences.append("The same images are chosen, in another order.")
    for path, file in exported_images(directory, manifest):
        source = again.pool.root / path
        if not file.is_file():
            differences.append(f"Exported image {file} is missing.")
        elif source.is_file() and source.read_bytes() != file.read_bytes():
            differences.append(f"Exported image {file} is not the pool's {path} any more.")
    return Verdict(manifest.sampler_name, len(again.manifest.paths), differences)

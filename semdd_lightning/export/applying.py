"""A selection picked again out of another copy of its pool: by path, and by content where paths differ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from semdd_lightning.atomic import new_directory, write_csv
from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError, RunError
from semdd_lightning.export.manifest import FILE_NAME, Manifest, describe
from semdd_lightning.export.subset import IMAGES, exported_paths, write_images
from semdd_lightning.pools import ResolvedImages
from semdd_lightning.pools.listing import Listing
from semdd_lightning.pools.strings import Strings
from semdd_lightning.progress import image_progress
from semdd_lightning.records import write_record

ABSENT = -1


def find_images(manifest: Manifest, copy: ResolvedImages) -> tuple[Manifest, NDArray[np.int64]]:
    """Find the images that a manifest names, each with the very bytes that were chosen.

    An image is looked for where the manifest has it; what is not there, or is another, is looked for by its
    digest in the whole copy, which is then read, and not decoded.

    Returns:
        The manifest, with the digest of each image, and row of each image in the copy, shape ``(M,)``.

    Raises:
        PoolError: if some are nowhere in the copy.
        RunError: if the manifest has no digests and the copy is another pool.
    """
    if manifest.digests is None:
        manifest = _with_digests(manifest, copy)
    digests, listing = manifest.digests or (), copy.listing
    places = listing.paths.positions(Strings(manifest.paths))
    rows = np.full(len(digests), ABSENT)
    for i, place in enumerate(places.tolist()):
        if place >= 0 and _digest(listing, place) == digests[i]:
            rows[i] = place
    _find_by_content(listing, digests, rows)
    if (rows < 0).any():
        raise _not_there(manifest, listing, rows, places)
    return manifest, rows


def write_applied(
    directory: Path, manifest: Manifest, copy: ResolvedImages, rows: NDArray[np.int64], *, link: bool = False
) -> None:
    """Write found images as the selection's own export has them: class folders, manifest, `chosen.csv`.

    Args:
        directory: where to; must not exist.
        manifest: what was chosen, with the digest of each image.
        copy: what they were found in; the manifest names it.
        rows: row of each image in it.
        link: hard-link images that are files instead of copying them, where the file system can.
    """
    manifest = replace(manifest, applied_to=describe(copy.image_set), table_digest=None)
    with new_directory(directory) as unfinished:
        write_images(
            unfinished / IMAGES, exported_paths(manifest), copy.listing.source, rows.tolist(), link=link
        )
        chosen = {
            "path": manifest.paths,
            "class_name": [manifest.class_names[label] for label in manifest.labels],
            "label": manifest.labels,
            "step": manifest.steps,
        }
        write_csv(unfinished / "chosen.csv", pd.DataFrame(chosen))
        write_record(unfinished / FILE_NAME, asdict(manifest))


def _with_digests(manifest: Manifest, copy: ResolvedImages) -> Manifest:
    """A manifest of version 0.2 knows its pool by the digest of all of it, and no single image."""
    pool = copy.read()
    if pool.fingerprint != manifest.pool_fingerprint:
        msg = (
            f"Expected a manifest with the digest of each image, or in {pool.root} the very pool that it was "
            f"made from, found a manifest of version {manifest.semdd_version} and another pool; make the "
            "selection again with this version."
        )
        raise RunError(msg)
    digests = (pool.traits.digests[pool.find(path)].tobytes().hex() for path in manifest.paths)
    return replace(manifest, digests=tuple(digests))


def _find_by_content(listing: Listing, digests: Sequence[str], rows: NDArray[np.int64]) -> None:
    """Fill in the rows that are absent, as far as the copy holds these images anywhere."""
    absent = np.flatnonzero(rows < 0).tolist()
    wanted = {digests[i]: ABSENT for i in absent}
    missing = len(wanted)
    with image_progress("Looking by content", len(listing), after=1.0, keep=False) as advance:
        for row in range(len(listing)):
            if not missing:
                break
            digest = _digest(listing, row)
            if wanted.get(digest) == ABSENT:
                wanted[digest] = row
                missing -= 1
            advance(1)
    for i in absent:
        rows[i] = wanted[digests[i]]


def _digest(listing: Listing, row: int) -> str:
    """SHA-256 (hex) of an image's bytes; the empty text where it cannot be read."""
    if row not in listing.problems:
        with suppress(OSError):
            return hashlib.sha256(listing.source.read(row)).hexdigest()
    return ""


def _not_there(
    manifest: Manifest, listing: Listing, rows: NDArray[np.int64], places: NDArray[np.int64]
) -> PoolError:
    absent = np.flatnonzero(rows < 0).tolist()
    gone = [manifest.paths[i] for i in absent if places[i] < 0]
    others = [manifest.paths[i] for i in absent if places[i] >= 0]
    parts = [f"{len(gone)} missing ({some_of(gone)})"] if gone else []
    parts += [f"{len(others)} with other content ({some_of(others)})"] if others else []
    there, pool = len(rows) - len(absent), Path(manifest.pool_root).name
    return PoolError(
        f"Expected all {len(rows)} images of the manifest in {listing.root}, found {there}, "
        f"{' and '.join(parts)}; give a whole, unchanged copy of the pool {pool}."
    )

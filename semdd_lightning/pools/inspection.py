"""What a pool holds, in numbers: the first look at images that somebody else made."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from semdd_lightning.pools.any_pool import AnyPool, hub_name
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.pool import NEAR_CONSTANT


@dataclass(frozen=True)
class PoolInspection:
    """What was found in a pool.

    Args:
        path: The path that was given.
        layout: Name of its layout.
        evidence: What the layout was recognised by.
        begins_in: Folder or file where the layout begins.
        reader: Class that reads it.
        class_names: Display name of every class, in class order.
        class_folders: Its folder.
        images_per_class: Its usable, distinct images.
        image_sizes: How many usable images have which ``width x height``, the most frequent first.
        formats: How many images have which ending, the most frequent first.
        unreadable: Reason of every image that cannot be used, by path.
        duplicates: Of every image that stands twice byte for byte in a class, the path that stays, by path.
        in_several_classes: How many images stand byte for byte in several classes.
        near_constant: Paths of usable images that show next to nothing.
        bytes: Size of all images in their files.
        fingerprint: SHA-256 (hex) over path and content of every usable image.
    """

    path: str
    layout: str
    evidence: str
    begins_in: str
    reader: str
    class_names: tuple[str, ...]
    class_folders: tuple[str, ...]
    images_per_class: tuple[int, ...]
    image_sizes: Mapping[str, int]
    formats: Mapping[str, int]
    unreadable: Mapping[str, str]
    duplicates: Mapping[str, str]
    in_several_classes: int
    near_constant: tuple[str, ...]
    bytes: int
    fingerprint: str

    @property
    def short_classes(self) -> dict[str, int]:
        """Images of the classes that have fewer than the median class, by class folder, the fewest first."""
        median = float(np.median(self.images_per_class))
        order = np.argsort(self.images_per_class, kind="stable").tolist()
        short = (c for c in order if self.images_per_class[c] < median)
        return {self.class_folders[c]: self.images_per_class[c] for c in short}


def inspect_pool(pool: AnyPool, cache_dir: Path | None = None) -> PoolInspection:
    """Read a pool through the cached index and count what it holds.

    Args:
        pool: The pool.
        cache_dir: Root of the cache (default: SEMDD_CACHE or the user's cache folder).

    Raises:
        PoolError: If no layout fits, the pool is malformed, or none of its images can be read.
        ClassListError: If the pool and its class list do not fit together.
    """
    found = pool.found()
    reader = pool.reader(found)
    resolved = reader.resolve()
    registry, listing = resolved.classes, resolved.listing  # a look at names does not wait for ImageNet's
    with warnings.catch_warnings():  # what the index warns of is counted below
        warnings.filterwarnings("ignore", message="Expected images to show something")
        warnings.filterwarnings("ignore", message="Expected every image in one class")
        images = index_images(listing, registry, cache_dir)
    reasons = {image.path: image.reason for image in images.excluded}
    start = "duplicate of "
    duplicates = {p: r.removeprefix(start) for p, r in reasons.items() if r.startswith(start)}
    flat = np.flatnonzero(images.traits.contrasts < NEAR_CONSTANT)
    _, times = np.unique(images.traits.digests, axis=0, return_counts=True)
    pairs, counts = np.unique([images.traits.widths, images.traits.heights], axis=1, return_counts=True)
    sizes = dict(zip((f"{width} x {height}" for width, height in pairs.T), counts.tolist(), strict=True))
    stamps = listing.stamps
    if not len(listing) or listing.source.file(0) is None:
        stamps = np.unique(stamps, axis=0)  # of the files that hold the images
    return PoolInspection(
        path=hub_name(pool.path) or str(Path(pool.path).expanduser().absolute()),
        layout=found.layout.name,
        evidence=found.evidence,
        begins_in=str(found.path),
        reader=f"semdd_lightning.pools.{type(reader).__name__}",
        class_names=registry.names,
        class_folders=registry.folders,
        images_per_class=tuple(images.counts().tolist()),
        image_sizes=_most_frequent(sizes),
        formats=_most_frequent(Counter(PurePosixPath(path).suffix.lower() for path in listing.paths)),
        unreadable={path: reason for path, reason in reasons.items() if path not in duplicates},
        duplicates=duplicates,
        in_several_classes=int((times > 1).sum()),
        near_constant=tuple(images.paths.take(flat)),
        bytes=int(stamps[:, 0].sum()),
        fingerprint=images.fingerprint,
    )


def _most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

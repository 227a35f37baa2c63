"""Makes a selection again from its manifest, and says what is not the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning import __version__
from semdd_lightning.data.classifier import Classifier
from semdd_lightning.data.selecting import select
from semdd_lightning.data.selection_plan import build_priors
from semdd_lightning.errors import ChoicesError, ClassListError, PoolError
from semdd_lightning.export import Choices, Manifest, build_component, exported_images, read_manifest
from semdd_lightning.export.pool_selection import PoolSelection
from semdd_lightning.export.sharing import FORMS
from semdd_lightning.given import is_cache
from semdd_lightning.pools import AnyPool, ImageSet, Pool
from semdd_lightning.pools.strings import Strings
from semdd_lightning.selection import Sampler


@dataclass(frozen=True)
class Verdict:
    """What verification found.

    Attributes:
        sampler: short name of the sampler.
        num_images: images that were chosen again.
        differences: one line for each thing that is not the same.
        applied: whether the images were picked out of a copy of the pool, which cannot be chosen from again.
    """

    sampler: str
    num_images: int
    differences: list[str]
    applied: bool = False


def verify(directory: Path) -> Verdict:
    """Recompute the selection that a directory's manifest describes.

    Raises:
        RunError: if there is no manifest.
        PoolError: if the pool is gone.
    """
    manifest = read_manifest(directory)
    if manifest.applied_to is not None:
        found = _other_files(directory, manifest, None)
        return Verdict(manifest.sampler_name, len(manifest.paths), found, applied=True)
    try:
        again = _select_again(manifest)
    except (PoolError, ClassListError, ChoicesError) as error:
        if not Path(manifest.pool_root).exists():
            raise
        differences = [f"The pool in {manifest.pool_root} has changed since: {error}"]
        num_images, pool = 0, None
    else:
        differences = _other_inputs(manifest, again) + _other_choice(manifest, again.manifest)
        num_images, pool = len(again.manifest.paths), again.pool
    differences += _other_files(directory, manifest, pool)
    return Verdict(manifest.sampler_name, num_images, differences)


def _select_again(manifest: Manifest) -> PoolSelection:
    there = None if manifest.cache_dir is None else Path(manifest.cache_dir)
    return select(
        build_component(manifest.pool, ImageSet),
        build_priors(manifest.prior),
        manifest.ipc,
        build_component(manifest.sampler, Sampler),
        manifest.selection_seed,
        reference=None if manifest.reference is None else build_component(manifest.reference, ImageSet),
        classifier=None if manifest.classifier is None else build_component(manifest.classifier, Classifier),
        # on the machine that wrote it; nobody's manifest says where a cache is made anew
        cache_dir=there if there is not None and is_cache(there) else None,
        audit="off",  # whatever was chosen then is chosen again
        choices=None if manifest.choices is None else Choices.recorded(manifest.choices),
    )


def _other_inputs(manifest: Manifest, again: PoolSelection) -> list[str]:
    """What the sampler was given that is not what it was given then."""
    now = again.manifest
    found = []
    if now.pool_fingerprint != manifest.pool_fingerprint:
        found.append(f"The pool in {again.pool.root} has changed since: its images are not the same.")
    elif now.embeddings_key != manifest.embeddings_key:
        found.append("CLIP has changed since: its weights, preprocessing, precision or batch size.")
    if now.class_names != manifest.class_names:
        found.append("The classes or their order have changed since.")
    elif now.text_key != manifest.text_key:
        found.append("The text prototypes have changed since: CLIP's weights or the prompts.")
    if now.reference_key != manifest.reference_key:
        found.append("The reference images, or the CLIP that embeds them, have changed since.")
    if not found and now.classifier_key != manifest.classifier_key:
        found.append("The classifier has changed since: its network or its weights.")
    if not found and now.learning_key != manifest.learning_key:
        found.append("How a student learns from the pool has changed since.")
    if not found and now.embeddings_digest != manifest.embeddings_digest:
        learned = now.learning_key is not None
        what = "images were encoded, or a student learned from them," if learned else "images were encoded"
        found.append(
            f"Pool and CLIP are the same, but {what} again with other last bits, as another device, number "
            "of threads or library version gives them; the cache of that time is gone."
        )
    return found


def _other_choice(manifest: Manifest, now: Manifest) -> list[str]:
    if now.paths == manifest.paths:
        return []
    gone, new = set(manifest.paths) - set(now.paths), set(now.paths) - set(manifest.paths)
    found = "The same images are chosen, in another order."
    if gone or new:
        differ = f"{len(gone)} of {len(manifest.paths)} differ, as {sorted(gone)[:3]} -> {sorted(new)[:3]}."
        found = f"Other images are chosen now: {differ}"
    if now.embeddings_digest == manifest.embeddings_digest:
        found += (
            " The embeddings are the same to the last bit, so the code that chooses has changed since: "
            f"made by version {manifest.semdd_version}, this is {__version__}."
        )
    return [found]


def _other_files(directory: Path, manifest: Manifest, pool: Pool | None) -> list[str]:
    """Exported images that are gone, or are not what was chosen, by its digest or else by the pool."""
    digests: list[str | None] = [None] * len(manifest.paths)  # of which nobody tells
    if manifest.digests is not None:
        digests = list(manifest.digests)
    elif pool is not None:
        places = pool.paths.positions(Strings(manifest.paths)).tolist()
        digests = [_digest(pool.read(place)) if place >= 0 else None for place in places]
    if any(any(directory.glob(form.data_files)) for form in FORMS.values() if form.packed):
        return _other_packed(directory, digests)
    found = []
    for digest, (path, file) in zip(digests, exported_images(directory, manifest), strict=True):
        if not file.is_file():
            found.append(f"Exported image {file} is missing.")
        elif digest not in (None, _digest(file.read_bytes())):
            found.append(f"Exported image {file} is not the pool's {path} any more.")
    return found


def _other_packed(directory: Path, digests: Sequence[str | None]) -> list[str]:
    """The same of images in Parquet files or tars, which have no files of their own."""
    try:
        pool = AnyPool(directory).read()
        there = Counter(_digest(pool.read(row)) for row in range(len(pool)))
    except (PoolError, OSError) as error:
        return [f"The exported images cannot be read: {error}"]
    known = Counter(digest for digest in digests if digest is not None)
    gone = (known - there).total()
    others = (there - known).total() - digests.count(None)
    found = [f"{gone} of {len(digests)} chosen images are missing or changed in {directory}."] if gone else []
    return found + ([f"{others} images of {directory} were not chosen."] if others > 0 else [])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""What reading and decoding tell of each image of a listing, in columns that fill up."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from semdd_lightning.pools.images import contrast, decode_image
from semdd_lightning.pools.listing import ImageSource, Listing
from semdd_lightning.pools.perceptual_hashes import perceptual_hash
from semdd_lightning.pools.pool import ImageTraits
from semdd_lightning.pools.strings import Strings
from semdd_lightning.progress import map_ahead

USABLE = 0
"""Code of an image that nothing speaks against."""

_BATCH = 64  # images that a thread takes at once, so that handing over costs little beside reading


@dataclass(frozen=True, eq=False)
class Examined:
    """What is known of the rows of a listing.

    Args:
        traits: Traits of each row; zeros where it is unusable or unknown.
        codes: For each row which of `reasons` makes it unusable, shape ``(N,)``.
        known: Whether a row has been examined, shape ``(N,)``.
        lasting: Whether the same bytes would be found the same again, shape ``(N,)``; not so where the file
            system refused to give them.
        reasons: The distinct reasons with their codes; the first one stands for none.
    """

    traits: ImageTraits
    codes: NDArray[np.int32]
    known: NDArray[np.bool_]
    lasting: NDArray[np.bool_]
    reasons: dict[str, int] = field(default_factory=lambda: {"": USABLE})

    @classmethod
    def nothing(cls, num_rows: int) -> Examined:
        """All rows unknown."""
        traits = ImageTraits(
            widths=np.zeros(num_rows, dtype=np.int32),
            heights=np.zeros(num_rows, dtype=np.int32),
            contrasts=np.zeros(num_rows, dtype=np.float32),
            digests=np.zeros((num_rows, 32), dtype=np.uint8),
            perceptual_hashes=np.zeros(num_rows, dtype=np.uint64),
        )
        known, lasting = np.zeros(num_rows, dtype=np.bool_), np.zeros(num_rows, dtype=np.bool_)
        return cls(traits, np.zeros(num_rows, dtype=np.int32), known, lasting)

    def code(self, reason: str) -> int:
        """The code of a reason, a new one if need be."""
        return self.reasons.setdefault(reason, len(self.reasons))

    def reasons_of(self, rows: NDArray[np.int64]) -> Strings:
        """Why each of `rows` is unusable, an empty text where it is not."""
        return Strings(self.reasons).take(self.codes[rows])


def examine(listing: Listing, examined: Examined, rows: NDArray[np.int64]) -> Iterator[int]:
    """Read, hash and decode rows of a listing in threads, and enter into `examined` what they tell.

    Args:
        listing: What to read.
        examined: Where to enter it.
        rows: Which rows, shape ``(n,)``.

    Yields:
        The number of rows entered since the last time.
    """
    batches = (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
    workers = min(32, (os.cpu_count() or 1) + 4)  # PIL and hashlib release the GIL
    look = partial(_look_at_all, listing.source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such an image is refused, and said
        for batch, found in map_ahead(look, batches, workers=workers, ahead=4 * workers):
            for row, image in zip(batch.tolist(), found, strict=True):
                _enter(examined, row, image)
            yield len(batch)


class _Found(NamedTuple):
    """What one image told."""

    width: int = 0
    height: int = 0
    contrast: float = 0.0
    digest: bytes = bytes(32)
    perceptual_hash: int = 0
    reason: str = ""
    lasting: bool = True


def _enter(examined: Examined, row: int, found: _Found) -> None:
    traits = examined.traits
    traits.widths[row], traits.heights[row] = found.width, found.height
    traits.contrasts[row] = found.contrast
    traits.digests[row] = np.frombuffer(found.digest, dtype=np.uint8)
    traits.perceptual_hashes[row] = found.perceptual_hash
    examined.codes[row] = examined.code(found.reason)
    examined.known[row] = True
    examined.lasting[row] = found.lasting


def _look_at_all(source: ImageSource, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[_Found]]:
    return rows, [_look_at(source, row) for row in rows.tolist()]


def _look_at(source: ImageSource, row: int) -> _Found:
    """Content hash and traits of an image, or why it is unusable."""
    try:
        content = source.read(row)
    except OSError as error:
        return _Found(reason=f"unreadable: {_short_reason(error)}", lasting=False)
    if not content:
        return _Found(reason="unreadable: empty file")
    try:
        image = decode_image(content)
    except OSError as error:
        return _Found(reason=f"unreadable: {_short_reason(error)}")
    except MemoryError:
        return _Found(reason="unreadable: not enough memory to decode it", lasting=False)
    digest = hashlib.sha256(content).digest()
    return _Found(*image.size, contrast(image), digest, perceptual_hash(image))


def _short_reason(error: OSError) -> str:
    """What went wrong, without paths and memory addresses, which would differ between two runs."""
    if error.strerror:
        return error.strerror
    return "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)

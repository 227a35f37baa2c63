"""The seed of every image: out of the pool's seed, the class and the number, and nothing else."""

from __future__ import annotations

import hashlib

SEED_RULE = "first 63 bits of SHA-256 of 'SEED/FOLDER/NUMBER': an image's seed knows no batch and no rank"


def image_seed(seed: int, *parts: object) -> int:
    """The seed of an image, or of whatever else is drawn for a class.

    Args:
        seed: the pool's seed.
        parts: folder of the class, and the number of the image or what is drawn.

    >>> image_seed(0, "tench", 1) == image_seed(0, "tench", 1) != image_seed(0, "tench", 11)
    True
    """
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

"""What a manifest says of what a sampler saw, and of what came out."""

from __future__ import annotations

import hashlib
from typing import Any

from semdd_lightning.pools import Pool
from semdd_lightning.prior import PoolEmbeddings
from semdd_lightning.selection import Embeddings, Selection


def embeddings_digest(embeddings: Embeddings) -> str:
    """SHA-256 (hex) over all numbers that a sampler sees, to the last bit.

    Args:
        embeddings: the embedded pool.
    """
    digest = hashlib.sha256()
    seen = []
    for part in embeddings.parts or (embeddings,):
        seen += [part.image_embeddings, part.text_prototypes]
        seen += [] if part.reference is None else [part.reference.image_embeddings]
    real = embeddings.reference
    for outputs in (embeddings.classifier, None if real is None else real.classifier):
        if outputs is not None:
            seen += [outputs.own, outputs.largest, outputs.predicted]
    if embeddings.learning is not None:
        seen.append(embeddings.learning)
    for vectors in seen:
        digest.update(f"{tuple(vectors.shape)} {vectors.dtype}\n".encode())
        digest.update(vectors.cpu().contiguous().numpy().data)  # a view: a large pool is not copied
    return digest.hexdigest()


def outcome(images: Pool, embeddings: PoolEmbeddings, selection: Selection) -> dict[str, Any]:
    """The manifest's part that says what was found and chosen."""
    registry, chosen = images.registry, selection.indices.tolist()
    return {
        "pool_root": str(images.root),
        "pool_fingerprint": images.fingerprint,
        "embeddings_key": embeddings.key,
        "text_key": embeddings.text_key,
        "selection_digest": selection.digest,
        "class_names": registry.names,
        "class_folders": registry.folders,
        "class_wnids": registry.wnids,
        "paths": tuple(images.paths[i] for i in chosen),
        "labels": tuple(int(images.labels[i]) for i in chosen),
        "digests": tuple(images.traits.digests[i].tobytes().hex() for i in chosen),
    }

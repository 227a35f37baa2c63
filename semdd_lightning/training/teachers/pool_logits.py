"""What a network says about images of a pool: a teacher's vote in an audit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semdd_lightning.audit import TeacherLogits
from semdd_lightning.data.storage import square
from semdd_lightning.pools import Pool, decode_image

_BATCH = 256  # images that it sees at once


def pool_logits(network: Callable[[Tensor], Tensor], image_size: int) -> TeacherLogits:
    """What gives the logits of a network, in batches.

    Args:
        network: from images in [0, 1], (B, 3, S, S), to logits (B, C).
        image_size: side S that images are brought to.
    """

    def logits(images: Pool, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(rows), _BATCH):
            decoded = [decode_image(images.read(int(row))) for row in rows[start : start + _BATCH]]
            pixels = torch.stack([square(image, image_size) for image in decoded])
            parts.append(network(pixels.float() / 255).float().cpu().numpy())
        return np.concatenate(parts)

    return logits

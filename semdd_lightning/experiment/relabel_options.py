"""What ``semdd relabel`` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class RelabelOptions:
    """What is to be stored, and where.

    Attributes:
        out: the store's folder; none only asks for the cost.
        precision: of a stored logit.
        top_k: logits kept of each label; none keeps all.
        static: one label an image, without augmentation.
        argv: the other options, those of ``semdd fit``.
    """

    out: Path | None
    precision: Literal["fp32", "fp16", "int8"]
    top_k: int | None
    static: bool
    argv: list[str]

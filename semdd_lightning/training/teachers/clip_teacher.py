"""CLIP itself as the teacher: zero-shot logits, nothing to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from semdd_lightning.errors import TeacherError
from semdd_lightning.prior import LoadedClip, OpenClipPrior, resolve_prompts
from semdd_lightning.training.teachers.teacher import Teacher, TeacherContext, unknown_history


@dataclass(frozen=True)
class ClipTeacher(Teacher):
    """Zero-shot CLIP: logit scale times cosine between image and class prompts.

    Args:
        prior: the CLIP model (default: the one that scores the pool).
    """

    prior: OpenClipPrior | None = None

    def check(self, context: TeacherContext) -> None:
        """See that weights and prompts can be had, without building the model."""
        self._prior(context).text_identity(context.registry)

    def build(self, context: TeacherContext) -> nn.Module:
        """Load CLIP and embed the class prompts."""
        prior = self._prior(context)
        clip = prior.load()
        return ZeroShotNetwork(clip, prior.prototypes(clip, context.registry))

    def history(self, context: TeacherContext) -> dict[str, Any]:
        """Which CLIP it is and how it is asked: its name tells the data, if anything does."""
        prior = self._prior(context)
        return unknown_history(
            network=prior.model,
            weights=prior.pretrained,
            file_sha256=prior.source().weights_hash,
            prompts=list(resolve_prompts(prior.prompts)),
        )

    def _prior(self, context: TeacherContext) -> OpenClipPrior:
        prior = self.prior if self.prior is not None else context.prior
        if prior is None:
            msg = (
                "Expected a CLIP model for ClipTeacher, found none in the data module; "
                "give the teacher its own prior."
            )
            raise TeacherError(msg)
        return prior


class ZeroShotNetwork(nn.Module):
    """Images in [0, 1] to zero-shot logits.

    Args:
        clip: a loaded CLIP.
        prototypes: unit text prototypes, (C, d).
    """

    prototypes: Tensor

    def __init__(self, clip: LoadedClip, prototypes: Tensor) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("prototypes", prototypes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (B, C)."""
        return self.clip.zero_shot_logits(images, self.prototypes)

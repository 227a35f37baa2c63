"""What every teacher offers, how it labels, who it is; CLIP as a teacher, and several that label as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field, with_config
from torch import Tensor, nn

from semdd_lightning.data.classifier import Classifier, ClassifierContext, FrozenClassifier, build_apart
from semdd_lightning.errors import TeacherError
from semdd_lightning.prior import LoadedClip, OpenClipPrior, resolve_prompts
from semdd_lightning.records import RECORD, checked
from semdd_lightning.training.checkpoint_card import plain, weights_digest

UNKNOWN = "unknown"


class Teacher(Classifier):
    """Describes a teacher: a classifier that is checked, and of which something is known."""

    def check(self, context: ClassifierContext) -> None:
        """Find out, before the pool is embedded, whether the teacher can be built: build it and let it go.

        That fetches what has to be fetched, sees every weight, and takes seconds where a pool takes hours.

        Raises:
            TeacherError: if there is no such teacher or it does not fit the classes.
        """
        build_apart(self.build, context)

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        """What is known of its own training: data, recipe, accuracy; what is not known says so."""
        return unknown_history()


def unknown_history(**known: Any) -> dict[str, Any]:  # noqa: ANN401 - plain values of any kind
    """A teacher's history, unknown but for what is given.

    Examples:
        >>> unknown_history(data="CIFAR-10")
        {'data': 'CIFAR-10', 'recipe': 'unknown', 'accuracy': 'unknown'}
    """
    return {**dict.fromkeys(("data", "recipe", "accuracy"), UNKNOWN), **known}


def teacher_card(
    teacher: Teacher, context: ClassifierContext, built: FrozenClassifier, accuracy: float, what: str
) -> dict[str, Any]:
    """Plain values that travel with whatever was learnt or stored from a teacher.

    Args:
        teacher: its description.
        context: what it was built for.
        built: the network that labels.
        accuracy: top-1 accuracy of its check, in [0, 1].
        what: the images that it was measured on.

    Returns:
        ``teacher`` and ``arguments`` (its description), ``history`` (data, recipe and accuracies of its own
        training, "unknown" where they are), ``accuracy`` with ``top1`` and ``on``, ``sha256`` of its weights.
    """
    return {
        "teacher": type(teacher).__name__,
        "arguments": plain(teacher),
        "history": teacher.history(context),
        "accuracy": {"top1": accuracy, "on": what},
        "sha256": weights_digest(built.network),
    }


@with_config(RECORD)
@dataclass(frozen=True)
class CardAccuracy:
    """A teacher's accuracy: ``top1`` in [0, 1], and the images that it was measured ``on``."""

    top1: Annotated[float, Field(ge=0, le=1)]
    on: str


@with_config(RECORD)
@dataclass(frozen=True)
class TeacherCard:
    """The form of what `teacher_card` gives."""

    teacher: str
    arguments: dict[str, Any]
    history: dict[str, Any]
    accuracy: CardAccuracy
    sha256: str


def check_card(card: dict[str, Any]) -> dict[str, Any]:
    """A teacher's card as it was read; raises ValueError if it is none."""
    checked(card, TeacherCard)
    return card


@dataclass(frozen=True)
class ClipTeacher(Teacher):
    """Zero-shot CLIP: logit scale times cosine between image and class prompts.

    Args:
        prior: the CLIP model (default: the one that scores the pool).
    """

    prior: OpenClipPrior | None = None

    def check(self, context: ClassifierContext) -> None:
        """See that weights and prompts can be had, without building the model."""
        self._prior(context).text_identity(context.registry)

    def build(self, context: ClassifierContext) -> nn.Module:
        """Load CLIP and embed the class prompts."""
        prior = self._prior(context)
        clip = prior.load()
        return ZeroShotNetwork(clip, prior.prototypes(clip, context.registry))

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        """Which CLIP it is and how it is asked: its name tells the data, if anything does."""
        prior = self._prior(context)
        known = {"network": prior.model, "weights": prior.pretrained}
        asked = {"file_sha256": prior.source().weights_hash, "prompts": list(resolve_prompts(prior.prompts))}
        return unknown_history(**known, **asked)

    def _prior(self, context: ClassifierContext) -> OpenClipPrior:
        prior = self.prior if self.prior is not None else context.prior
        if prior is None:
            msg = (
                "Expected a CLIP model for ClipTeacher, found none in the data module; "
                "give the teacher its own prior."
            )
            raise TeacherError(msg)
        return prior


class ZeroShotNetwork(nn.Module):
    """Images in [0, 1] to zero-shot logits: a loaded CLIP and its unit text prototypes (C, d)."""

    prototypes: Tensor

    def __init__(self, clip: LoadedClip, prototypes: Tensor) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("prototypes", prototypes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (B, C)."""
        return self.clip.zero_shot_logits(images, self.prototypes)


@dataclass(frozen=True)
class EnsembleTeacher(Teacher):
    """The mean of several teachers' logits, as EDC takes of four networks.

    Args:
        teachers: the members; each owns its resize and normalisation.
    """

    teachers: tuple[Teacher, ...]

    def check(self, context: ClassifierContext) -> None:
        """Check every member, as each does that best."""
        if not self.teachers:
            msg = "Expected at least one teacher in the ensemble, found none; name its members."
            raise TeacherError(msg)
        for teacher in self.teachers:
            teacher.check(context)

    def build(self, context: ClassifierContext) -> nn.Module:
        """Build every member."""
        return MeanLogits([teacher.build(context) for teacher in self.teachers])

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        """What is known of each member."""
        return {"members": [teacher.history(context) for teacher in self.teachers]}


class MeanLogits(nn.Module):
    """Images in [0, 1] to the mean of several networks' logits."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (B, C)."""
        return torch.stack([network(images) for network in self.networks]).mean(dim=0)

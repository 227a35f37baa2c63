"""What a score is: a number for every image of a class that does not depend on what is chosen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.embeddings import ClassifierOutputs
from semdd_lightning.selection.extensions import Named

T = TypeVar("T")

Need = Literal["several_classes", "reference", "classifier", "learning"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassImages:
    """The images of one class, in path order, as scores see them; everything on the CPU, floats in float64.

    Args:
        class_index: Index of the class.
        image_embeddings: Unit vectors ``(n_c, d)``.
        own: Cosine to the prototype of the class ``(n_c,)``.
        rival: Largest cosine to the prototype of another class ``(n_c,)``; minus infinity for one class.
        prototypes: Unit vectors that ``own`` and ``rival`` are taken against ``(C, d)``.
        text_prototypes: Unit vectors of the prompts ``(C, d)``.
        logit_scale: Factor from image-text cosines to logits.
        reference: Unit vectors of real images of the class ``(m, d)``; None without a reference set.
        classifier: What a classifier says of the images; None without one.
        reference_classifier: The same of the reference images; None without one.
        learning: Mean log posterior of the own class while a student learned from the pool ``(n_c,)``; None
            where none did.
    """

    class_index: int
    image_embeddings: Tensor
    own: Tensor
    rival: Tensor
    prototypes: Tensor
    text_prototypes: Tensor
    logit_scale: float
    reference: Tensor | None = None
    classifier: ClassifierOutputs | None = None
    reference_classifier: ClassifierOutputs | None = None
    learning: Tensor | None = None

    def __len__(self) -> int:
        return len(self.own)


class Score(Named, ABC):
    """A number for every image of a class.

    A score is a frozen dataclass of its parameters. Stage 1 normalises it within the class, so that only
    order and spacing count; larger is better there.

    Its name is a column of the score table as well, its meaning says what a large value tells.

    Attributes:
        value_range: The values it can take, in words.
        needs: What it cannot be computed without.
        is_probability: Whether it is one, which can be averaged over priors as it is.
        is_similarity: Whether it is one of images, which is averaged over priors as their distances are.
    """

    value_range: ClassVar[str] = "any number"
    needs: ClassVar[frozenset[Need]] = frozenset()
    is_probability: ClassVar[bool] = False
    is_similarity: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, images: ClassImages) -> Tensor:
        """The score of the images of one class ``(n_c,)``, float64; called from several threads.

        Args:
            images: The images of the class; what `needs` names is there.
        """

    def checked(self, images: ClassImages) -> Tensor:
        """The score, where it is a finite number for every image.

        Args:
            images: The images of the class.

        Raises:
            SelectionError: If it is anything else.
        """
        values = self(images)
        if not isinstance(values, Tensor) or values.shape != (len(images),):
            found = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        elif not values.isfinite().all():
            found = "some that are not finite"
        else:
            return values.double()
        msg = (
            f"Expected {self.name} to give a tensor of {len(images)} finite numbers for class "
            f"{images.class_index}, found {found}; correct the score."
        )
        raise SelectionError(msg)


_MISSING: dict[Need, tuple[str, str]] = {
    "reference": ("a reference", "give real images of the classes as the reference set"),
    "classifier": ("a classifier", "give a classifier"),
    "learning": ("what a student learned from the pool", "give it with the embeddings, as `select` does"),
}


def needed(given: T | None, need: Need, asked_by: str) -> T:
    """What a score or sampler cannot do without.

    Args:
        given: The thing, or None.
        need: What it is: ``reference``, ``classifier`` or ``learning``.
        asked_by: Name of the score or sampler.

    Raises:
        SelectionError: If it is not there.
    """
    if given is None:
        what, ask = _MISSING[need]
        msg = f"Expected {what} for {asked_by}, found none; {ask}, or choose without it."
        raise SelectionError(msg)
    return given

"""Prompts: templates by name, class names as prompts use them, and class prototypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import torch
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import is_whole_number
from semdd_lightning.errors import PriorError
from semdd_lightning.names import warn

if TYPE_CHECKING:
    from semdd_lightning.prior.loaded_clip import LoadedClip

_CIFAR_KINDS = ("", "blurry ", "black and white ", "low contrast ", "high contrast ", "bad ", "good ")
_CIFAR_ADJECTIVES = ("small ", "big ")

PROMPT_SETS: dict[str, tuple[str, ...]] = {
    "simple": ("a photo of a {}.",),
    "class_name": ("{}",),
    # The 80 templates of CLIP's ImageNet evaluation, and the seven that do nearly as well (open_clip).
    "openai_imagenet": tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES),
    "simple_imagenet": tuple(template("{}") for template in SIMPLE_IMAGENET_TEMPLATES),
    # The 18 templates of CLIP's CIFAR evaluation (github.com/openai/CLIP, data/prompts.md).
    "openai_cifar": tuple(
        f"a {kind}photo of {article} {adjective}{{}}."
        for article in ("a", "the")
        for kind, adjective in [*((kind, "") for kind in _CIFAR_KINDS), *(("", a) for a in _CIFAR_ADJECTIVES)]
    ),
}

# Prototypes are equal up to a cosine of 1 - 1e-6: |a - b|^2 = 2 - 2 cos for unit vectors. Equal prompts
# differ by the rounding of the encoder alone. selection/scores.py holds image prototypes to the same number.
EQUAL_SQUARED_DISTANCE = 2e-6
_ROWS = 1024  # prototypes compared at a time, so that many classes take no square matrix


def resolve_prompts(prompts: str | Sequence[str]) -> tuple[str, ...]:
    """The templates of a prompt set, or the given ones after a check.

    Args:
        prompts: Name of a set in `PROMPT_SETS`, or templates that hold ``{}`` once.

    Raises:
        PriorError: If there is no such set, or a template without exactly one ``{}``.

    >>> resolve_prompts("simple")
    ('a photo of a {}.',)
    """
    if isinstance(prompts, str):
        if prompts in PROMPT_SETS:
            return PROMPT_SETS[prompts]
        hint = f"; for a single template give a list: ['{prompts}']" if "{}" in prompts else ""
        msg = f"Expected prompts to be one of {', '.join(PROMPT_SETS)}, found {prompts!r}{hint}."
        raise PriorError(msg)
    wrong = [template for template in prompts if template.count("{}") != 1]
    if wrong or not prompts:
        msg = (
            "Expected templates that hold {} once, where the class name goes, found "
            f"{wrong[0] if wrong else 'no template'!r}; write for example 'a photo of a {{}}.'."
        )
        raise PriorError(msg)
    return tuple(prompts)


def prompt_names(registry: ClassRegistry, overrides: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The class names as prompts use them: display names with spaces for underscores, or their overrides.

    Warns where no class has more of a name than a number.

    Args:
        registry: The classes.
        overrides: Display name, or wnid where a display name stands twice, to the name to use in prompts,
            which is taken as it is.

    Raises:
        PriorError: If an override is for no class of the registry.
    """
    overrides = overrides or {}
    wnids = registry.wnids or ("",) * len(registry.names)
    known = {*registry.names, *wnids}
    for key in overrides:
        if key not in known:
            close = get_close_matches(key, sorted(known), n=3) or list(registry.names[:5])
            msg = (
                f"Expected class_names to rename classes of the pool, found {key!r}, which is none; "
                f"known are for example {', '.join(close)}."
            )
            raise PriorError(msg)
    names = tuple(
        overrides.get(wnid, overrides.get(name, name.replace("_", " ")))
        for name, wnid in zip(registry.names, wnids, strict=True)
    )
    if all(map(is_whole_number, names)):
        warn(
            f"Expected class names, found plain numbers for all {len(names)} classes: prompts would read "
            f"'a photo of a {names[-1]}.', which says nothing of the images; give a class list: --classes or "
            "data.pool.classes.",
        )
    return names


def text_prototypes(clip: LoadedClip, names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """One unit vector per class: the mean of the unit vectors of all its prompts, normalised again.

    Warns of classes whose prototypes are equal, naming them.

    Args:
        clip: The model.
        names: C class names, as prompts use them.
        templates: T templates that hold ``{}``.

    Returns:
        Unit-norm float32 prototypes on the model's device, shape ``(C, d)``.
    """
    prompts = [template.replace("{}", name) for name in names for template in templates]
    embeddings = clip.encode_texts(prompts).reshape(len(names), len(templates), -1)  # (C, T, d)
    prototypes = F.normalize(embeddings.mean(dim=1), dim=-1)
    warn_of_equal_prototypes(names, prototypes)
    return prototypes


def warn_of_equal_prototypes(names: Sequence[str], prototypes: Tensor) -> None:
    """Name the classes that the prior cannot tell apart: cosines of their prototypes of 1 - 1e-6 or more.

    Args:
        names: C class names.
        prototypes: Unit-norm prototypes, shape ``(C, d)``.
    """
    vectors = prototypes.detach().cpu().double()
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(vectors), _ROWS):
        squared = torch.cdist(vectors[start : start + _ROWS], vectors).square()
        equal = (squared <= EQUAL_SQUARED_DISTANCE).triu(diagonal=start + 1)
        pairs += [(start + i, j) for i, j in torch.nonzero(equal).tolist()]
    if pairs:
        shown = "; ".join(f"{names[i]!r} (class {i}) and {names[j]!r} (class {j})" for i, j in pairs[:5])
        more = f" and {len(pairs) - 5} pairs more" if len(pairs) > 5 else ""
        warn(
            f"Equal text prototypes of different classes: {shown}{more}; the prior cannot tell them apart. "
            "Give them names of their own with class_names, or take a prior that knows these words.",
            stacklevel=3,
        )

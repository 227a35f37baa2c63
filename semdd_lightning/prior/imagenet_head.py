"""Which rows of a 1000-way ImageNet head are a pool's classes."""

from __future__ import annotations

from functools import cache

from semdd_lightning.classes import ClassRegistry

IMAGENET_CLASSES = 1000


@cache
def imagenet_rows() -> dict[str, int]:
    """Row of every ImageNet class by its wnid."""
    from timm.data.imagenet_info import ImageNetInfo  # takes seconds, and most priors are not of timm

    names = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
    return {wnid: row for row, wnid in enumerate(names)}


def head_rows(registry: ClassRegistry) -> list[int] | None:
    """Row of each class: the class list's, else the wnid's; None if some class has neither.

    Args:
        registry: The classes.
    """
    if registry.teacher_indices is not None:
        return list(registry.teacher_indices)
    if registry.wnids is None:
        return None
    rows = [imagenet_rows().get(wnid) for wnid in registry.wnids]
    return None if None in rows else [row for row in rows if row is not None]

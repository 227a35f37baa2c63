"""CLIP's names for ImageNet's synsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from timm.data.imagenet_info import ImageNetInfo

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import is_wnid
from semdd_lightning.errors import PriorError


def imagenet_names(wnids: Sequence[str]) -> tuple[str, ...]:
    """The names that CLIP's authors gave ImageNet's classes, two of them ("missile", "sunglasses") twice.

    Args:
        wnids: Synset ids out of ImageNet-1K's thousand.

    Raises:
        PriorError: If a wnid is not one of the thousand.

    >>> imagenet_names(["n01440764", "n02102040"])
    ('tench', 'English Springer Spaniel')
    """
    names = _names_by_wnid()
    unknown = [wnid for wnid in wnids if wnid not in names]
    if unknown:
        close = get_close_matches(unknown[0], names, n=3, cutoff=0.8)
        msg = (
            f"Expected wnids of ImageNet-1K, found {len(unknown)} that are not, the first of them "
            f"{unknown[0]!r}{' (close to ' + ', '.join(close) + ')' if close else ''}; "
            "give class names for them instead."
        )
        raise PriorError(msg)
    return tuple(names[wnid] for wnid in wnids)


def with_imagenet_names(registry: ClassRegistry) -> ClassRegistry:
    """Give display names to a registry that has wnids for names; any other registry is returned as it is.

    Args:
        registry: The classes of a pool, its names being ImageNet wnids.

    Raises:
        PriorError: If the names are wnids but not all of ImageNet-1K.
    """
    are_wnids = all(map(is_wnid, registry.names))
    if not are_wnids or registry.wnids not in (None, registry.names):
        return registry
    return replace(registry, names=imagenet_names(registry.names), wnids=registry.names)


@cache
def _names_by_wnid() -> dict[str, str]:
    # The position of a class in CLIP's list is that of its wnid among the sorted thousand.
    wnids = sorted(ImageNetInfo().label_names())  # type: ignore[no-untyped-call]
    return dict(zip(wnids, IMAGENET_CLASSNAMES, strict=True))

"""ImageNet's synsets and CLIP's names for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import is_wnid
from semdd_lightning.errors import ClassListError


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The thousand synset ids of ImageNet-1K, sorted.

    >>> wnids = imagenet_wnids()
    >>> len(wnids), wnids[0]
    (1000, 'n01440764')
    """
    from timm.data.imagenet_info import ImageNetInfo  # imports torch

    return tuple(sorted(ImageNetInfo().label_names()))  # type: ignore[no-untyped-call]


def imagenet_names(wnids: Sequence[str]) -> tuple[str, ...]:
    """The names that open_clip gives ImageNet's classes, no two alike.

    Two names stand twice there, "missile" and "sunglasses". Where both classes are asked for, each takes the
    first word of its synset instead, so that their prompts differ.

    Args:
        wnids: Synset ids out of ImageNet-1K's thousand.

    Raises:
        ClassListError: If a wnid is not one of the thousand.

    >>> imagenet_names(["n01440764", "n02102040", "n04008634"])
    ('tench', 'English Springer Spaniel', 'missile')
    >>> imagenet_names(["n03773504", "n04008634"])
    ('missile', 'projectile')
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
        raise ClassListError(msg)
    counts = Counter(names[wnid] for wnid in dict.fromkeys(wnids))
    return tuple(names[wnid] if counts[names[wnid]] == 1 else _first_word(wnid) for wnid in wnids)


def with_imagenet_names(registry: ClassRegistry) -> ClassRegistry:
    """Give ImageNet's names to the classes that have none but their wnid; names that were given stay.

    Args:
        registry: The classes of a pool or a class list.

    Raises:
        ClassListError: If a wnid that stands for a name is not one of ImageNet-1K.
    """
    wnids = registry.wnids
    if wnids is None:
        if not all(map(is_wnid, registry.names)):
            return registry
        wnids = registry.names
    nameless = [index for index, name in enumerate(registry.names) if name == wnids[index]]
    if not nameless:
        return registry
    found = dict(zip(nameless, imagenet_names([wnids[index] for index in nameless]), strict=True))
    names = tuple(found.get(index, name) for index, name in enumerate(registry.names))
    return replace(registry, names=names, wnids=wnids)


@cache
def imagenet_words() -> dict[str, tuple[str, ...]]:
    """The words of ImageNet-1K's synsets, lower case, and the wnids of the classes that each stands for.

    >>> imagenet_words()["crane"], imagenet_words()["tench"]
    (('n02012849', 'n03126707'), ('n01440764',))
    """
    from timm.data.imagenet_info import ImageNetInfo

    found: dict[str, list[str]] = {}
    info = ImageNetInfo()
    for wnid in imagenet_wnids():
        words: str = info.label_name_to_description(wnid)
        for word in dict.fromkeys(re.findall(r"[^,]+", words.casefold())):
            found.setdefault(" ".join(re.findall(r"[^\W_]+", word)), []).append(wnid)
    return {word: tuple(wnids) for word, wnids in found.items()}


@cache
def _names_by_wnid() -> dict[str, str]:
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # imports torch

    # The position of a class in open_clip's list is that of its wnid among the sorted thousand.
    return dict(zip(imagenet_wnids(), IMAGENET_CLASSNAMES, strict=True))


def _first_word(wnid: str) -> str:
    from timm.data.imagenet_info import ImageNetInfo

    words: str = ImageNetInfo().label_name_to_description(wnid)
    return words.split(",")[0].strip()

"""The classes of a data set, one record for all who ask which is which, also across two data sets."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.errors import ClassListError

SHOWN = 3  # examples in an error message
_WNID = re.compile(r"n[0-9]{8}")


@dataclass(frozen=True)
class ClassRegistry:
    """For every class its name, folder, wnid and teacher index; the position is the class index.

    Two classes may share a name (ImageNet has "missile" twice) where wnids or folders tell them apart.

    Args:
        names: Display names, used in prompts.
        folders: Folder names as they stand on disk; equal to `names` where unknown.
        wnids: WordNet ids (``n`` and eight digits), where known.
        teacher_indices: Row of each class in the head of a larger teacher, where known.
        folders_given: Whether `folders` was stated or found on disk and not just copied from `names`.

    Raises:
        ClassListError: If the fields differ in length, or a class cannot be told from another.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    wnids: tuple[str, ...] | None = None
    teacher_indices: tuple[int, ...] | None = None
    folders_given: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for label, values in (
            ("folders", self.folders),
            ("wnids", self.wnids),
            ("teacher indices", self.teacher_indices),
        ):
            if values is not None and len(values) != len(self.names):
                msg = (
                    f"Expected {len(self.names)} {label}, one per class, found {len(values)}; complete them."
                )
                raise ClassListError(msg)
        if not self.names or not all(self.names) or not all(self.folders):
            msg = "Expected at least one class and a name for each, found none or an empty one; fill it in."
            raise ClassListError(msg)
        self._refuse_bad_ids()
        if self.has_explicit_folders or self.wnids is None:
            _refuse_repeats("folder" if self.has_explicit_folders else "class", self.folders)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over names, folders, wnids and teacher indices, in class order."""
        fields = [self.names, self.folders, self.wnids, self.teacher_indices]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()

    @property
    def keys(self) -> tuple[str, ...]:
        """For each class what two registries are matched by, in class order.

        The wnid where known, else the name regardless of case, spaces, underscores and hyphens. Two classes
        of one name that are told apart by their folders alone have the same key.

        >>> ClassRegistry(("Aquarium_Fish", "T-shirt"), ("0", "1")).keys
        ('aquarium fish', 't shirt')
        """
        return self.wnids if self.wnids is not None else tuple(plain_name(name) for name in self.names)

    @property
    def has_explicit_folders(self) -> bool:
        """Whether `folders` are known and win over every other reading of folder names."""
        return self.folders_given or self.folders != self.names

    def without_folders(self) -> ClassRegistry:
        """The same classes with their folders forgotten, to be resolved against another data set."""
        return replace(self, folders=self.names, folders_given=False)

    def _refuse_bad_ids(self) -> None:
        if self.wnids is not None:
            bad = [wnid for wnid in self.wnids if not is_wnid(wnid)]
            if bad:
                msg = (
                    f"Expected wnids of the form n01440764 for all classes, found {some_of(bad)}; "
                    "correct them."
                )
                raise ClassListError(msg)
            _refuse_repeats("wnid", self.wnids)
        if self.teacher_indices is not None:
            negative = [index for index in self.teacher_indices if index < 0]
            if negative:
                msg = f"Expected teacher indices from 0 on, found {negative[0]}; correct the class list."
                raise ClassListError(msg)
            _refuse_repeats("teacher index", self.teacher_indices)


def is_wnid(text: str) -> bool:
    """Whether a text has the form of a WordNet id.

    >>> is_wnid("n01440764"), is_wnid("tench")
    (True, False)
    """
    return _WNID.fullmatch(text) is not None


def is_whole_number(text: str) -> bool:
    """Whether a text is made of the digits 0 to 9 alone.

    >>> is_whole_number("007"), is_whole_number("new1"), is_whole_number("")
    (True, False, False)
    """
    return text.isascii() and text.isdecimal()


def nfc(text: str) -> str:
    """A text with its accents composed: file systems differ in how they keep them."""
    return unicodedata.normalize("NFC", text)


def plain_name(text: str) -> str:
    """A name without what folder names change about it: case, spaces, underscores, hyphens.

    >>> plain_name("Cassette_Player"), plain_name("cassette-player")
    ('cassette player', 'cassette player')
    """
    return re.sub(r"[\s_-]+", " ", nfc(text).casefold()).strip()


def some_of(values: Sequence[object]) -> str:
    """The first few values, for a message.

    >>> some_of([1, 2, 3, 4, 5])
    '1, 2, 3 and 2 more'
    """
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(repr(value) for value in values[:SHOWN]) + more


def _refuse_repeats(what: str, values: Sequence[object]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        msg = (
            f"Expected every {what} once, found {some_of(repeated)} more than once; remove the repetition, "
            "or tell classes of one name apart by wnid or folder."
        )
        raise ClassListError(msg)


_SHOWN = 5  # classes in an error message


def class_positions(own: ClassRegistry, other: ClassRegistry) -> NDArray[np.int64]:
    """For every class of ``own`` its index in ``other``, -1 where ``other`` lacks it.

    Folders and order do not count.

    Raises:
        ClassListError: if ``own`` lacks a class of ``other``, or names do not tell classes apart.

    Examples:
        >>> zoo = ClassRegistry(("dog", "zebra", "cat"), ("0", "1", "2"))
        >>> class_positions(zoo, ClassRegistry(("cat", "dog"), ("cat", "dog"))).tolist()
        [1, -1, 0]
    """
    if own.names == other.names and own.wnids == other.wnids:
        return np.arange(len(own))
    by_wnid = own.wnids is not None and other.wnids is not None
    keys, wanted = (one.keys if by_wnid else tuple(map(plain_name, one.names)) for one in (own, other))
    position = {key: index for index, key in enumerate(wanted)}
    if len(position) < len(wanted) or len(set(keys)) < len(keys):
        msg = (
            "Expected classes that can be matched by name, found two of one name; "
            "name them differently, or give both sides wnids."
        )
        raise ClassListError(msg)
    missing = [other.names[index] for key, index in position.items() if key not in set(keys)]
    if missing:
        msg = (
            f"Expected all {len(other)} classes of the pool, found {len(missing)} missing, as "
            f"{missing[:_SHOWN]}, among {list(own.names[:_SHOWN])}, ...; name the folders like the pool's "
            "classes, or give both the same class list."
        )
        raise ClassListError(msg)
    return np.array([position.get(key, -1) for key in keys], dtype=np.int64)


def class_mapping(own: ClassRegistry, other: ClassRegistry) -> NDArray[np.int64]:
    """For every class of ``own`` its index in ``other``, where both hold the same classes.

    Raises:
        ClassListError: if they do not.
    """
    positions = class_positions(own, other)
    unknown = [own.names[index] for index in np.flatnonzero(positions < 0)]
    if unknown:
        msg = (
            f"Expected only the pool's {len(other)} classes, found {len(unknown)} more, as "
            f"{unknown[:_SHOWN]}; give both the same class list."
        )
        raise ClassListError(msg)
    return positions

"""Which class of one data set is which of another: by wnid where both know it, else by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry, plain_name
from semdd_lightning.errors import ClassListError

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

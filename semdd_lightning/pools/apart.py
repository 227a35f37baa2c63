"""What is written stays apart from what is read: else it would be a part of the pool from then on."""

from __future__ import annotations

import os
from pathlib import Path

from semdd_lightning.errors import RunError
from semdd_lightning.pools.files import is_pool_folder


def require_outside(output: Path, images: object) -> None:
    """Refuse to write where images are read; a hidden folder is no part of a pool.

    Args:
        output: Where output goes.
        images: Where images lie; anything but the path of a folder holds nothing.

    Raises:
        RunError: If the output lies within.
    """
    root, place = _real(images), _real(output)
    if root is None or not root.is_dir() or place is None or not place.is_relative_to(root):
        return
    if all(map(is_pool_folder, place.relative_to(root).parts)):
        msg = (
            f"Expected a folder for the output outside of the images in {root}, found {output} in it, which "
            "would be read as a part of them; give another."
        )
        raise RunError(msg)


def require_apart(output: Path, images: object) -> None:
    """Refuse to write where images are read, and to take over a folder in which they lie.

    Args:
        output: Folder that is to hold output and nothing else.
        images: As `require_outside` has it.

    Raises:
        RunError: If one lies in the other.
    """
    require_outside(output, images)
    root, place = _real(images), _real(output)
    if root is not None and place is not None and root.exists() and root.is_relative_to(place):
        msg = (
            f"Expected a folder for the output and nothing else, found the images in {root} within {output}; "
            "give another."
        )
        raise RunError(msg)


def _real(path: object) -> Path | None:
    """The path without links; `Path.resolve` stumbles over those that lead to themselves."""
    return Path(os.path.realpath(Path(path).expanduser())) if isinstance(path, str | Path) else None

"""Small text files beside images: lists and annotations that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

from semdd_lightning.errors import PoolError


def read_lines(file: Path) -> list[str]:
    """The lines of a text file.

    Args:
        file: The file.

    Raises:
        PoolError: If it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        msg = f"Expected to read {file}, found: {error.strerror}; check the file, or unpack it again."
        raise PoolError(msg) from error
    except UnicodeDecodeError as error:
        msg = (
            f"Expected {file} in UTF-8, found other bytes at {error.start} ({error.reason}); save it as "
            "UTF-8, or unpack it again."
        )
        raise PoolError(msg) from error

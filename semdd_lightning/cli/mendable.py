"""What a user can mend among the errors of a command, in words."""

from __future__ import annotations

import re

from semdd_lightning.atomic import disk_error, is_of_disk
from semdd_lightning.errors import ConfigError, DiskError, SemddError

_NO_MEMORY = re.compile("allocate|out of memory")


def mendable(error: BaseException | None) -> SemddError | None:
    """Our error, or the one that jsonargparse wrapped while it built what a config names, or the system's."""
    while error is not None and not isinstance(error, SemddError):
        said = str(error).partition("\n")[0]
        if isinstance(error, OSError) and is_of_disk(error):
            return disk_error(error, error.filename or "a file or the standard output", "use")
        if isinstance(error, ValueError) and "embedded null" in said:
            return DiskError("Expected paths that a file system can have, found one with a NUL; correct it.")
        if isinstance(error, MemoryError | RuntimeError) and _NO_MEMORY.search(said):
            msg = f"Expected enough memory, found {said}; give smaller images, batches or networks."
            return ConfigError(msg)
        error = error.__cause__
    return error


def error_in_words(error: BaseException) -> str:
    """What a record says of an error: our message, else its type and text."""
    found = mendable(error)
    return str(found) if found is not None else f"{type(error).__name__}: {error}".rstrip(": ")

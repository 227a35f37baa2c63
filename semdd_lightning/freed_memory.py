"""What becomes of large blocks of memory that a process frees."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
_KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1, M_TOP_PAD: 64 * 2**20}  # bytes the heap grows by at least
_DEFAULTS = {M_MMAP_MAX: 2**16, M_TRIM_THRESHOLD: 2**17, M_TOP_PAD: 0}


def keep_freed_memory(settings: Mapping[int, int] = _KEEPING) -> bool:
    """Let the process use freed blocks again, in place of asking the kernel for each.

    glibc maps every block of more than some MiB anew, and the kernel zeroes it page by page. To a network on
    a CPU, whose layers all make such blocks, that is a good part of a step. Numbers do not change; what was
    freed stays with the process until it ends, and where sizes of blocks vary, its peak is higher.

    Returns:
        Whether the C library is one that can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    malloc = ctypes.CDLL(None)
    return all(malloc.mallopt(name, value) == 1 for name, value in settings.items())


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """As `keep_freed_memory`, until the block ends; glibc forgets only its own search for a threshold."""
    kept = keep_freed_memory()
    try:
        yield
    finally:
        if kept:
            keep_freed_memory(_DEFAULTS)

"""What becomes of large blocks of memory that a process frees."""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
_PAD = 64 * 2**20  # bytes that the heap grows by at least


def keep_freed_memory() -> bool:
    """Let the process use freed blocks again, in place of asking the kernel for each.

    glibc maps every block of more than some MiB anew, and the kernel zeroes it page by page. To a network on
    a CPU, whose layers all make such blocks, that is a good part of a step. Numbers do not change; what was
    freed stays with the process until it ends, and where sizes of blocks vary, its peak is higher.

    Returns:
        Whether the C library is one that can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1, M_TOP_PAD: _PAD}
    malloc = ctypes.CDLL(None)
    return all(malloc.mallopt(name, value) == 1 for name, value in settings.items())

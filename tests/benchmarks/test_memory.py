"""What a process holds."""

from __future__ import annotations

import mmap

from benchmarks.memory import PeakMemory, forget_peak, peak_mib, resident_mib


def test_the_peak_counts_memory_that_is_given_back() -> None:
    size = 64 * 2**20
    # memory of the kernel's: malloc may give a block that this process freed before
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with PeakMemory() as peak, block:
        for page in range(0, size, mmap.PAGESIZE):
            block[page] = 1
        peak.look()  # a busy machine may not have let the thread look
    assert 60 < peak.mib < 200


def test_a_peak_is_forgotten() -> None:
    with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        block.write(bytes(len(block)))
        assert peak_mib() >= resident_mib()
    high = peak_mib()
    forget_peak()
    assert peak_mib() < high - 32

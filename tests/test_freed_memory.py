"""Freed blocks are used again: counted in page faults of a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from semdd_lightning import freed_memory

PROGRAM = """
import resource
import numpy as np
from semdd_lightning.freed_memory import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 * 2**20, dtype=np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with freed_memory_kept():
    inside = [faults(), faults()]
faults()
print(*inside, faults())
"""


def _faults() -> list[int]:
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
    words = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")
def test_a_freed_block_is_used_again_as_long_as_the_block_lasts() -> None:
    first, again, after = _faults()
    assert again < min(first, after) / 10


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not freed_memory.keep_freed_memory()

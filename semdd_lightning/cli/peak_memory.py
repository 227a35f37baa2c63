"""The largest memory that a run had at a time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")  # Linux alone says it


def forget_peak() -> None:
    """Let the peaks begin anew, as a process may run several experiments one after another."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.reset_peak_memory_stats()


def peak_bytes(device: torch.device) -> int | None:
    """The most that tensors took on a GPU, else that the process had in memory, since it was forgotten.

    Args:
        device: where it trains.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None

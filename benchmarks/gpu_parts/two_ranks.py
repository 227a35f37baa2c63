"""Two ranks on one card: whether NCCL lets them, and how long they exchange the gradients of a ResNet-18."""

from __future__ import annotations

import multiprocessing
import socket
from datetime import timedelta

import torch
import torch.distributed as dist

from benchmarks.gpu_parts.skipping import Skipped
from benchmarks.measuring import Result, now

NUMBERS = 11_700_000  # of ResNet-18
_TURNS = 10
_PATIENCE = timedelta(seconds=30)


def measure(*, quick: bool = False) -> Result:
    """Add up as many numbers as a ResNet-18 has, on two ranks of which this process is one.

    Args:
        quick: A thousand numbers.

    Raises:
        Skipped: If the ranks may not share the card.
    """
    port, numbers = _free_port(), 1_000 if quick else NUMBERS
    other = multiprocessing.get_context("spawn").Process(
        target=exchange, args=(1, port, numbers), daemon=True
    )
    other.start()
    try:
        seconds = exchange(0, port, numbers)
    except (RuntimeError, ValueError) as error:  # NCCL's "Duplicate GPU detected"
        reason = str(error).strip().splitlines()
        duplicate = next((line for line in reason if "Duplicate GPU" in line), reason[0] if reason else "")
        msg = f"two ranks may not share this card ({duplicate})"
        raise Skipped(msg) from error
    finally:
        other.join(timeout=10)
        if other.is_alive():
            other.kill()
    return Result(
        benchmark="gpu",
        settings={"numbers": numbers, "backend": _backend()},
        ratios=[],
        seconds={"an exchange": seconds},
        figures={"exchange, ms": 1e3 * min(seconds)},
    )


def exchange(rank: int, port: int, numbers: int) -> list[float]:
    """Seconds of each exchange, as one of two ranks.

    Args:
        rank: 0 or 1.
        port: Where rank 0 listens.
        numbers: How many are added up.
    """
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group(_backend(), init_method=address, rank=rank, world_size=2, timeout=_PATIENCE)
    try:
        values = torch.full((numbers,), float(rank + 1), device="cuda:0" if _backend() == "nccl" else "cpu")
        seconds = []
        for _ in range(_TURNS):
            begun = now()
            dist.all_reduce(values)
            seconds.append(now() - begun)
        return seconds
    finally:
        dist.destroy_process_group()


def _backend() -> str:
    return "nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

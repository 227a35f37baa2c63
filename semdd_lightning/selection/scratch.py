"""Memory that is used again: fresh megabytes for every block cost more than what is computed in them."""

from __future__ import annotations

import math
import threading

import numpy as np
import torch
from torch import Tensor

# NumPy asks for huge pages, PyTorch does not: streaming through megabytes of small ones misses the TLB
_NUMPY = {
    torch.bool: np.bool_,
    torch.bfloat16: np.int16,  # of its size: NumPy has no such type
    torch.float32: np.float32,
    torch.float64: np.float64,
}


class Scratch(threading.local):
    """Hands out uninitialised tensors by name; a thread's next request of the name takes the memory back.

    >>> scratch = Scratch()
    >>> first = scratch("products", (2, 3), torch.float64)
    >>> scratch("products", (3, 1), torch.float64).data_ptr() == first.data_ptr()
    True
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor on the CPU.

        Args:
            name: What it is for.
            shape: Its shape.
            dtype: Its type.
        """
        size = math.prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or len(kept) < size:
            kept = self._kept[name, dtype] = torch.from_numpy(np.empty(size, _NUMPY[dtype])).view(dtype)
        return kept[:size].view(shape)

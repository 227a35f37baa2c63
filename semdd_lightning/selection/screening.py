"""Leaves out what cannot be the largest inner product, at the cost of a coarse product of all.

The type is bfloat16 where `coarse_type` knows that it is faster, and float32 elsewhere.
The error of a coarse product has a bound (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd
edition, section 3.1), so that only what comes within that bound of the largest coarse one can be the largest
in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.selection.scratch import Scratch
from semdd_lightning.selection.ties import DECIMALS

_FLOAT32_UNIT = 2.0**-24
# Unit roundoff of bfloat16, for float32 as well: a user may let PyTorch round its factors so. The slack is
# for norms computed in float32, and for what is rounded to float32 on its way to bfloat16.
UNIT_ROUNDOFF = 1.001 * 2.0**-8
# Values that round to one decision value differ by no more than one step; twice that leaves room for the
# last bits of float64.
_TIE = 2 * 10.0**-DECIMALS
_LOWEST = torch.finfo(torch.float32).min


Hidden = tuple[Tensor | slice, Tensor | int]
"""Index of the products, rows and columns, that do not count."""


class Screen:
    """Finds which products of a block of vectors with some fixed vectors can be the largest of their row.

    The others are centred first. That moves all products of a row by the same amount, and errors are as large
    as the vectors: texts of one language and images of one class have much in common that tells nothing.

    Args:
        others: The fixed vectors ``(m, d)``, float64, m >= 1, of any norm.
        scratch: Memory for intermediate results.

    Attributes:
        others: The others, centred.

    >>> screen = Screen(torch.eye(3, dtype=torch.float64), Scratch())
    >>> z = torch.tensor([[0.6, 0.8, 0.0], [0.7, 0.7, 0.0]], dtype=torch.float64)
    >>> row, column = screen(z)
    >>> row.tolist(), column.tolist()
    ([0, 1, 1], [1, 0, 1])
    """

    def __init__(self, others: Tensor, scratch: Scratch) -> None:
        self._scratch = scratch
        self._dtype = coarse_type()
        self.others = others - others.mean(dim=0)
        self._columns = self.others.float().to(self._dtype).T
        self._relative_error = relative_error(self.others)

    def __call__(self, vectors: Tensor, hidden: Hidden | None = None) -> tuple[Tensor, Tensor]:
        """Rows and columns of the products that stay, each ``(pairs,)``, in order of rows, then columns.

        Args:
            vectors: A block of vectors ``(n, d)``, float64 on the CPU, n >= 1.
            hidden: Entries of the products ``(n, m)`` that do not count, as an index of that matrix; they
                never stay.
        """
        products, norms = self.products(vectors)
        if hidden is not None:
            products[hidden] = -torch.inf
        largest = products.amax(dim=1, keepdim=True).double()
        window = 2 * self._relative_error * norms + _TIE
        window += 2 * UNIT_ROUNDOFF * (largest.abs() + window)  # two products are rounded, the floor as well
        floor = (largest - window).clamp_(min=_LOWEST).float()
        stays = self._scratch("stays", tuple(products.shape), torch.bool).numpy()
        # NumPy compares, and finds what is true, in less time than PyTorch
        np.greater_equal(products.numpy(), floor.numpy(), out=stays)
        flat = torch.from_numpy(np.flatnonzero(stays))
        row = flat // products.shape[1]
        return row, flat - row * products.shape[1]

    def products(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse products with the centred others, float32 ``(n, m)``, and norms, float64 ``(n, 1)``.

        The next call takes the products' memory back.

        Args:
            vectors: A block of vectors ``(n, d)``, float64 on the CPU.
        """
        block = self._scratch("block", tuple(vectors.shape), torch.float32).copy_(vectors)
        norms = torch.linalg.vector_norm(block, dim=1, keepdim=True).double()
        shape = (len(vectors), self._columns.shape[1])
        products = self._scratch("products", shape, torch.float32)
        if self._dtype is torch.float32:
            return torch.mm(block, self._columns, out=products), norms
        coarse = self._scratch("coarse block", tuple(vectors.shape), self._dtype).copy_(block)
        coarse_products = self._scratch("coarse products", shape, self._dtype)
        return products.copy_(torch.mm(coarse, self._columns, out=coarse_products)), norms


def relative_error(others: Tensor) -> float:
    """Largest error of a coarse product over the norm of the vector, before the product itself is rounded.

    The vector is off by a relative u, the others by what rounding to bfloat16 changes, and float32 sums of d
    products by a relative gamma_d = d u32 / (1 - d u32), whatever the order of summation.

    Args:
        others: The fixed vectors ``(m, d)``, float64, d < 2^23.
    """
    steps = others.shape[1] * _FLOAT32_UNIT
    gamma = steps / (1 - steps)
    norm = float(torch.linalg.vector_norm(others, dim=1).max())
    change = float(torch.linalg.vector_norm(others - others.bfloat16().double(), dim=1).max())
    return 1.001 * (UNIT_ROUNDOFF * norm + (1 + UNIT_ROUNDOFF) * (change + gamma * (norm + change)))


def coarse_type() -> torch.dtype:
    """bfloat16 on x86 processors that multiply in it, where PyTorch tells, and float32 elsewhere."""
    # without oneDNN PyTorch's sums need not be float32
    ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    known = ask() if torch.backends.mkldnn.enabled else {}
    return torch.bfloat16 if known.get("avx512_bf16") or known.get("amx_bf16") else torch.float32

"""The largest inner product of each vector with some others, at the cost of a coarse product of all.

The coarse type is bfloat16 where `coarse_type` knows that it is faster, and float32 elsewhere. The error of a
coarse product has a bound (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section
3.1), so that only what comes within that bound of the largest coarse one can be the largest in float64, which
decides.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.pieces import Scratch
from semdd_lightning.selection.ties import DECIMALS, TIE, rounded

# With fewer others the float64 product costs less than what surrounds a coarse one.
_WORTH_SCREENING = 200
_TOO_MANY = 0.1  # share of the products that stay; beyond, the float64 product costs less than its pairs
_ONE_AT_A_TIME = Lock()  # filters of warnings are the whole process's
_FLOAT32_UNIT = 2.0**-24
# Unit roundoff of bfloat16, for float32 as well: a user may let PyTorch round its factors so. The slack is
# for norms computed in float32, and for what is rounded to float32 on its way to bfloat16.
UNIT_ROUNDOFF = 1.001 * 2.0**-8
_LOWEST = torch.finfo(torch.float32).min
Hidden = tuple[Tensor | slice, Tensor | int]
"""Index of the products, rows and columns, that do not count."""


class LargestProduct:
    """Finds which of some fixed vectors has the largest inner product with each vector of a block.

    Products are compared after rounding to 1e-9 and equals go to the lowest index, as everywhere in a
    selection; the largest value itself is not rounded.

    Args:
        others: The fixed vectors ``(m, d)``, m >= 1, of any norm.
        scratch: Memory for intermediate results; its own if there is none to share.

    >>> find = LargestProduct(torch.eye(3))
    >>> z = torch.tensor([[0.6, 0.8, 0.0], [0.6, 0.8, 0.0]], dtype=torch.float64)
    >>> index, value = find(z, hidden=(torch.tensor([1]), 1))
    >>> index.tolist(), value.tolist()
    ([1, 0], [0.8, 0.6])
    """

    def __init__(self, others: Tensor, scratch: Scratch | None = None) -> None:
        with _ONE_AT_A_TIME:
            _beta_is_said()
        self._others = as_float64(others)
        self._scratch = Scratch() if scratch is None else scratch
        self._screen = Screen(self._others, self._scratch) if len(others) >= _WORTH_SCREENING else None

    def __call__(self, vectors: Tensor, hidden: Hidden | None = None) -> tuple[Tensor, Tensor]:
        """Index ``(n,)`` and value ``(n,)``, float64, of each vector's largest product.

        Args:
            vectors: A block of vectors ``(n, d)``, float64 on the CPU, n >= 1.
            hidden: Entries of the products ``(n, m)`` that do not count, as an index of that matrix. Where
                nothing is left the index is 0 and the value minus infinity.
        """
        if self._screen is None:
            return self._of_all(vectors, hidden)
        row, column = self._screen(vectors, hidden)
        if len(row) > _TOO_MANY * len(vectors) * len(self._others):
            return self._of_all(vectors, hidden)
        return self._of_pairs(vectors, row, column)

    def _of_all(self, vectors: Tensor, hidden: Hidden | None) -> tuple[Tensor, Tensor]:
        products = self._scratch("products", (len(vectors), len(self._others)), torch.float64)
        torch.mm(vectors, self._others.T, out=products)
        if hidden is not None:
            products[hidden] = -torch.inf
        value = products.amax(dim=1)
        decisive = torch.round(products, decimals=DECIMALS, out=products)
        return torch.from_numpy(decisive.numpy().argmax(axis=1)), value  # torch's argmax is not vectorised

    def _of_pairs(self, vectors: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        products = pair_products(vectors, self._others, row, column)
        value = torch.full((len(vectors),), -torch.inf, dtype=torch.float64)
        value.scatter_reduce_(0, row, products, "amax")
        best = torch.nonzero(rounded(products) == rounded(value)[row])[:, 0]
        index = torch.full((len(vectors),), len(self._others))
        index.scatter_reduce_(0, row[best], column[best], "amin")
        return index.masked_fill_(torch.isneginf(value), 0), value


def pair_products(vectors: Tensor, others: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Inner products of pairs ``(pairs,)``; a pair's value does not depend on the pairs beside it.

    Args:
        vectors: Vectors ``(n, d)``, float32 or float64, on the CPU.
        others: Vectors ``(m, d)`` of the same type.
        row: First of each pair ``(pairs,)``, int64, ascending.
        column: Second of each pair ``(pairs,)``, int64.

    >>> z = torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    >>> pair_products(z, torch.eye(2), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0])).tolist()
    [0.6000000238418579, 0.800000011920929, 1.0]
    """
    ends = torch.bincount(row, minlength=len(vectors)).cumsum(0)
    starts = torch.nn.functional.pad(ends, (1, 0))
    pattern = torch.sparse_csr_tensor(
        starts,
        column,
        torch.zeros(len(column), dtype=vectors.dtype),
        size=(len(vectors), len(others)),
        check_invariants=False,
    )
    # a kernel that reads each pair where it lies: gathering them first would move megabytes
    products: Tensor = torch.sparse.sampled_addmm(pattern, vectors, others.T, beta=0.0)
    return products.values()


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
        window = 2 * self._relative_error * norms + TIE
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


@cache
def _beta_is_said() -> None:
    """PyTorch says once in a process that what is used here is in beta: now, to nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*in beta")
        torch.sparse_csr_tensor([0, 0], [], [], size=(1, 1), check_invariants=False)
        torch.zeros(1).scatter_reduce_(0, torch.tensor([0]), torch.ones(1), "amax")

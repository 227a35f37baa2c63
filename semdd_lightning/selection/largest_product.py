"""The largest inner product of each vector with some others, decided in float64."""

from __future__ import annotations

import warnings
from functools import cache
from threading import Lock

import torch
from torch import Tensor

from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.scratch import Scratch
from semdd_lightning.selection.screening import Hidden, Screen
from semdd_lightning.selection.ties import DECIMALS, rounded

# With fewer others the float64 product costs less than what surrounds a coarse one.
_WORTH_SCREENING = 200

_TOO_MANY = 0.1  # share of the products that stay; beyond, the float64 product costs less than its pairs

_ONE_AT_A_TIME = Lock()  # filters of warnings are the whole process's


@cache
def _beta_is_said() -> None:
    """PyTorch says once in a process that what is used here is in beta: now, to nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*in beta")
        torch.sparse_csr_tensor([0, 0], [], [], size=(1, 1), check_invariants=False)
        torch.zeros(1).scatter_reduce_(0, torch.tensor([0]), torch.ones(1), "amax")


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

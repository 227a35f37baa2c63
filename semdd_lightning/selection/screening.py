"""The largest inner product of each vector with some others: float64's answer at the cost of float32.

A float32 product is half the work of a float64 one, and its error has a bound. Where the largest product
leads the second by more than the bound allows, it is the largest in float64 too and only its value is
computed again; where float32 leaves several open, these are computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.scratch import Scratch
from semdd_lightning.selection.ties import DECIMALS, rounded

_UNIT_ROUNDOFF = 2.0**-24  # of float32
_NORM_SLACK = 1.001  # for norms that are themselves computed in float32
# Values that round to one decision value differ by no more than one step; twice that leaves room for the
# last bits of float64.
_TIE = 2 * 10.0**-DECIMALS


Hidden = tuple[Tensor | slice, Tensor | int]
"""Index of the products, rows and columns, that do not count."""

# With fewer others the float64 product costs less than what surrounds a float32 one.
_WORTH_SCREENING = 200


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
        self._others = as_float64(others)
        self._columns = self._others.float().T
        self._norm = float(torch.linalg.vector_norm(self._others, dim=1).max())
        self._scratch = Scratch() if scratch is None else scratch

    def __call__(self, vectors: Tensor, hidden: Hidden | None = None) -> tuple[Tensor, Tensor]:
        """Index ``(n,)`` and value ``(n,)``, float64, of each vector's largest product.

        Args:
            vectors: A block of vectors ``(n, d)``, float64 on the CPU, n >= 1.
            hidden: Entries of the products ``(n, m)`` that do not count, as an index of that matrix. Where
                nothing is left the index is 0 and the value minus infinity.
        """
        if len(self._others) < _WORTH_SCREENING:
            return self._in_float64(vectors, hidden)
        block = self._scratch("block", tuple(vectors.shape), torch.float32).copy_(vectors)
        products = self._float32_products(block)
        if hidden is not None:
            products[hidden] = -torch.inf
        index = _argmax(products)
        first = index[:, None]
        largest = products.gather(1, first)
        second = products.scatter_(1, first, -torch.inf).amax(dim=1, keepdim=True)
        norms = torch.linalg.vector_norm(block, dim=1, keepdim=True).double()
        window = 2 * float32_error(vectors.shape[1]) * self._norm * norms + _TIE
        value = self._own_products(vectors, index)
        unsure = torch.nonzero(~(largest.double() - second.double() > window))[:, 0]  # NaN lands here too
        if len(unsure):
            products = products[unsure].scatter_(1, first[unsure], largest[unsure])
            within = ~(products < largest[unsure] - window[unsure])  # compared in float64
            columns = torch.nonzero(within.any(dim=0))[:, 0]
            exact = vectors[unsure] @ self._others[columns].T
            exact.masked_fill_(torch.isneginf(products[:, columns]), -torch.inf)
            value[unsure] = exact.amax(dim=1)
            index[unsure] = columns[_argmax(rounded(exact))]
        return index, value

    def _in_float64(self, vectors: Tensor, hidden: Hidden | None) -> tuple[Tensor, Tensor]:
        products = self._scratch("products", (len(vectors), len(self._others)), torch.float64)
        torch.mm(vectors, self._others.T, out=products)
        if hidden is not None:
            products[hidden] = -torch.inf
        value = products.amax(dim=1)
        return _argmax(torch.round(products, decimals=DECIMALS, out=products)), value

    def _float32_products(self, block: Tensor) -> Tensor:
        products = self._scratch("products", (len(block), self._columns.shape[1]), torch.float32)
        with _plain_float32():
            return torch.mm(block, self._columns, out=products)

    def _own_products(self, vectors: Tensor, index: Tensor) -> Tensor:
        """Inner product of each vector with the other that belongs to it, float64 ``(n,)``."""
        others = self._scratch("others", tuple(vectors.shape), torch.float64)
        torch.index_select(self._others, 0, index, out=others)
        return inner_products(vectors, others, out=others)


def inner_products(vectors: Tensor, others: Tensor, out: Tensor | None = None) -> Tensor:
    """Inner products row by row ``(n,)``; a row's value does not depend on the rows beside it.

    Args:
        vectors: Vectors ``(n, d)``.
        others: As many vectors ``(n, d)``.
        out: Memory for the factors' products ``(n, d)``.

    >>> inner_products(torch.eye(2), torch.tensor([[0.5, 1.0], [0.0, 2.0]])).tolist()
    [0.5, 2.0]
    """
    return torch.mul(vectors, others, out=out).sum(dim=1)


def float32_error(dim: int) -> float:
    """Largest error of a float32 inner product of two vectors rounded to float32, over their norms' product.

    gamma_n = n u / (1 - n u) bounds it for any order of summation, with or without fused operations (Higham,
    "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 3.1); n is the dimension and 2 for
    the two roundings, u = 2^-24.

    Args:
        dim: Dimension d of the vectors, below 2^23.

    >>> f"{float32_error(512):.1e}"
    '3.1e-05'
    """
    steps = (dim + 2) * _UNIT_ROUNDOFF
    return steps / (1 - steps) * _NORM_SLACK


def _argmax(values: Tensor) -> Tensor:
    return torch.from_numpy(values.numpy().argmax(axis=1))  # NumPy's is vectorised, torch's is not


@contextmanager
def _plain_float32() -> Iterator[None]:
    """Without oneDNN, which multiplies in bfloat16 where a user allows that for networks."""
    allowed = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment] # a property, declared as its class
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = allowed

"""One rule for near-equal decision values: round to 1e-9, then the lowest position wins.

Matrix products differ in their last bits with chunk size, threads and machine. Rows stand in path order, so
"lowest position" is "the image whose relative path sorts first", and the same embeddings give the same choice
everywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DECIMALS = 9
TIE = 2 * 10.0**-DECIMALS  # what differs by more is not rounded to one decision value, last bits included


def rounded(values: Tensor) -> Tensor:
    """Round decision values to the precision at which they are compared.

    Args:
        values: Decision values, float64, any shape.

    >>> rounded(torch.tensor([0.1 + 0.2], dtype=torch.float64)).item() == 0.3
    True
    """
    return torch.round(values, decimals=DECIMALS)


def first_best(values: Tensor | NDArray[np.float64]) -> int:
    """Position of the highest value; among equals the lowest position.

    Args:
        values: Decision values ``(n,)``, float64, n >= 1, on the CPU.

    >>> first_best(torch.tensor([0.5, 0.7, 0.7 + 1e-12], dtype=torch.float64))
    1
    """
    # NumPy's argmax is vectorised, and its calls cost less: a greedy sampler decides for every pick. Steps of
    # 1e-9 are compared as they are counted; dividing them again, as `round` does, changes no order.
    return int(np.rint(np.asarray(values) * 10.0**DECIMALS).argmax())


def ranking(values: Tensor) -> Tensor:
    """Positions from the highest value to the lowest ``(n,)``; equals in order of position.

    Args:
        values: Decision values ``(n,)``, float64.

    >>> ranking(torch.tensor([0.1, 0.9, 0.9 + 1e-12], dtype=torch.float64)).tolist()
    [1, 2, 0]
    """
    return torch.argsort(rounded(values), descending=True, stable=True)

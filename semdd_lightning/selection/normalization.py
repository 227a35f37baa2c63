"""How scores are made comparable within a class before they are combined."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection.checks import check_choice
from semdd_lightning.selection.embeddings import as_float64
from semdd_lightning.selection.ties import DECIMALS

Normalization = Literal["minmax", "zscore", "rank"]

CONSTANT_RANGE = 1e-6  # a score that varies by no more than this says nothing about the class


def normalize(values: Tensor, method: Normalization = "minmax") -> Tensor:
    """Make the scores of one class comparable, float64 ``(n,)``.

    Args:
        values: One score of the images of one class ``(n,)``, n >= 1.
        method: ``minmax`` to [0, 1]; ``zscore`` with ddof 0; ``rank``: (average rank - 1) / (n - 1), values
            compared after rounding to 1e-9. A range of at most 1e-6 is constant and gives 0.5 (minmax, rank)
            or 0 (zscore).

    Raises:
        SelectionError: If there is no value, or the method is unknown.

    >>> normalize(torch.tensor([2.0, 4.0, 3.0])).tolist()
    [0.0, 1.0, 0.5]
    >>> normalize(torch.tensor([7.0, 7.0]), "zscore").tolist()
    [0.0, 0.0]
    """
    check_choice("normalization", method, get_args(Normalization))
    if len(values) == 0:
        msg = "Expected at least 1 value to normalise, found 0; pass the scores of a class that has images."
        raise SelectionError(msg)
    return torch.from_numpy(normalize_array(as_float64(values).numpy(), method))


def normalize_array(values: NDArray[np.float64], method: Normalization) -> NDArray[np.float64]:
    """`normalize` without its checks, for what is normalised again after every pick.

    Args:
        values: One score of the images of one class ``(n,)``, n >= 1.
        method: ``minmax``, ``zscore`` or ``rank``.
    """
    low = float(values.min())
    extent = float(values.max()) - low
    if extent <= CONSTANT_RANGE:
        return np.full_like(values, 0.0 if method == "zscore" else 0.5)
    if method == "minmax":
        return (values - low) / extent
    if method == "zscore":
        return (values - float(values.mean())) / float(values.std())
    ranks: NDArray[np.float64] = rankdata(values.round(DECIMALS), method="average")
    return (ranks - 1) / (len(values) - 1)

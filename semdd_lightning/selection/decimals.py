"""Counts from ratios in decimal arithmetic: in binary, 2.2 * 50 would be a little more than 110."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal


def ceil_of_product(ratio: float, count: int) -> int:
    """ceil(ratio * count), the ratio taken as it is written.

    Args:
        ratio: A ratio or share, >= 0.
        count: A count, >= 0.

    >>> ceil_of_product(2.2, 50), ceil_of_product(0.5, 3)
    (110, 2)
    """
    return int((Decimal(str(ratio)) * count).to_integral_value(rounding=ROUND_CEILING))

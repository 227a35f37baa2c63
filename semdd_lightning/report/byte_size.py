"""Bytes for people."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def readable_size(count: int) -> str:
    """Bytes in the largest binary unit that leaves at least 1.

    Examples:
        >>> [readable_size(count) for count in (7, 2048, 6_000_000_000)]
        ['7 B', '2.00 KiB', '5.59 GiB']
    """
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.2f} {_UNITS[unit]}"

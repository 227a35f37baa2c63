"""The range of a seed, the same for every generator."""

from __future__ import annotations

from typing import SupportsIndex

from semdd_lightning.errors import ConfigError

LARGEST = 2**32 - 1  # NumPy's


def check_seed(name: str, seed: int) -> None:
    """Refuse a seed that not every generator takes.

    Raises:
        ConfigError: if it is below 0 or above `LARGEST`.
    """
    if not isinstance(seed, SupportsIndex) or not 0 <= seed <= LARGEST:
        msg = f"Expected {name} from 0 to {LARGEST}, found {seed}; give another."
        raise ConfigError(msg)

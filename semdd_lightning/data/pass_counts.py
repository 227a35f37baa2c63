"""Numbers of passes that go together: whole epochs, and passes that repeat in rotation."""

from __future__ import annotations

from semdd_lightning.errors import ConfigError


def epochs_of(passes: int, passes_per_epoch: int) -> int:
    """Lightning epochs that a number of passes makes.

    Raises:
        ConfigError: if the epochs would not be whole.

    Example:
        >>> epochs_of(300, 10)
        30
    """
    if passes % passes_per_epoch:
        divisors = [d for d in range(1, passes + 1) if passes % d == 0]
        msg = (
            f"Expected passes_per_epoch to divide passes ({passes}), found {passes_per_epoch}; "
            f"take one of {divisors}."
        )
        raise ConfigError(msg)
    return passes // passes_per_epoch


def check_replay(passes: int, mixing_group: int | None, distinct_passes: int | None) -> None:
    """Refuse a mixing group or a number of distinct passes that no training can have.

    Args:
        passes: visits to every training image, at least 1.
        mixing_group: images that share partners and one mixing, at least 2; none takes the batch size.
        distinct_passes: passes that are drawn, 1 to `passes`; none draws every pass.

    Raises:
        ConfigError: if one of them is out of range.
    """
    if mixing_group is not None and mixing_group < 2:
        msg = f"Expected mixing_group of at least 2, found {mixing_group}; one image has no partner."
        raise ConfigError(msg)
    if distinct_passes is not None and not 1 <= distinct_passes <= passes:
        msg = (
            f"Expected distinct_passes between 1 and the {passes} passes, found {distinct_passes}; "
            "null draws every pass anew."
        )
        raise ConfigError(msg)

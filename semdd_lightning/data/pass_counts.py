"""Numbers of passes that go together: whole epochs, and passes that repeat in rotation."""

from __future__ import annotations

from semdd_lightning.errors import ConfigError


def whole_epoch(passes: int, passes_per_epoch: int) -> int:
    """Passes of one epoch: the largest number up to what is asked that makes whole epochs.

    How many it is changes no number, only how often Lightning keeps its books.

    Examples:
        >>> [whole_epoch(300, asked) for asked in (10, 7, 1000)]
        [10, 6, 300]
    """
    return next(count for count in range(min(passes, passes_per_epoch), 0, -1) if passes % count == 0)


def epochs_of(passes: int, passes_per_epoch: int) -> int:
    """Lightning epochs that a number of passes makes.

    Examples:
        >>> epochs_of(300, 10)
        30
    """
    return passes // whole_epoch(passes, passes_per_epoch)


def check_replay(passes: int, mixing_group: int | None, distinct_passes: int | None) -> None:
    """Refuse a mixing group or a number of distinct passes that no training can have.

    Args:
        passes: visits to every training image, at least 1.
        mixing_group: images that share partners and one mixing, at least 2 (default: the batch size).
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

"""What the maker of tar shards says beside them: how many samples they hold, and what classes are called."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from semdd_lightning.classes.registry import SHOWN
from semdd_lightning.errors import PoolError


def require_counts(shards: Sequence[Path], found: Sequence[int], num_samples: int | None) -> None:
    """Refuse shards that hold another number of samples than their maker states.

    Two files beside the shards state it where they are there: ``sizes.json`` (name of a shard to its number
    of samples, as open_clip reads it) and ``_info.json`` (`splits`, each with `filenames` and
    `shard_lengths`, as timm reads it).

    Args:
        shards: The shards.
        found: Number of samples in each.
        num_samples: How many there should be in all, if the user knows.

    Raises:
        PoolError: If a shard holds another number than stated, or all of them do.
    """
    wrong = []
    for shard, count in zip(shards, found, strict=True):
        stated, by = _stated(shard.parent).get(shard.name, (count, ""))
        if stated != count:
            wrong.append(f"{shard} holds {count} instead of the {stated} of {by}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more shards" if len(wrong) > SHOWN else ""
        msg = (
            f"Expected as many samples as stated beside the shards, found another number in {len(wrong)} of "
            f"{len(shards)}: {'; '.join(wrong[:SHOWN])}{more}; copy them again or correct the statement."
        )
        raise PoolError(msg)
    if num_samples is not None and sum(found) != num_samples:
        msg = (
            f"Expected {num_samples} samples, found {sum(found)} in {len(shards)} shards: "
            f"{_unlike_the_others(shards, found)}; copy the shards again or correct num_samples."
        )
        raise PoolError(msg)


def stated_class_names(shards: Sequence[Path]) -> tuple[str, ...] | None:
    """What class indices mean, where `class_names` of ``_info.json`` says so, alike beside all shards.

    Args:
        shards: The shards.
    """
    stated = [
        _read(folder / "_info.json").get("class_names") for folder in {shard.parent for shard in shards}
    ]
    names = stated[0]
    if not isinstance(names, list) or not names or any(other != names for other in stated):
        return None
    return tuple(names) if all(isinstance(name, str) and name for name in names) else None


def _unlike_the_others(shards: Sequence[Path], found: Sequence[int]) -> str:
    usual = Counter(found).most_common(1)[0][0]
    odd = [
        f"{shard.name} holds {count}" for shard, count in zip(shards, found, strict=True) if count != usual
    ]
    if not odd:
        return f"each holds {usual}"
    more = f" and {len(odd) - SHOWN} others differ" if len(odd) > SHOWN else ""
    return f"most hold {usual}, but {', '.join(odd[:SHOWN])}{more}"


def _stated(folder: Path) -> dict[str, tuple[int, str]]:
    """For each shard of a folder the stated number of samples and the file that states it."""
    stated: dict[str, tuple[int, str]] = {}
    info = _read(folder / "_info.json").get("splits", {})
    for split in info.values() if isinstance(info, Mapping) else ():
        if isinstance(split, Mapping):
            names, lengths = split.get("filenames"), split.get("shard_lengths")
            if isinstance(names, list) and isinstance(lengths, list):
                stated |= _counts(zip(names, lengths, strict=False), "_info.json")
    return stated | _counts(_read(folder / "sizes.json").items(), "sizes.json")


def _counts(pairs: Iterable[tuple[object, object]], by: str) -> dict[str, tuple[int, str]]:
    return {name: (count, by) for name, count in pairs if isinstance(name, str) and isinstance(count, int)}


def _read(file: Path) -> Mapping[str, object]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"Expected {file} to be JSON that counts the samples of each shard, found: {error}; correct it."
        raise PoolError(msg) from error
    return content if isinstance(content, dict) else {}

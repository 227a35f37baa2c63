"""Which tar files a path, a folder or a brace pattern stands for, and what their maker says beside them."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from semdd_lightning.classes.registry import SHOWN, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import listable
from semdd_lightning.pools.splits import split_of

_RANGE_OR_LIST = re.compile(r"\{(?:([0-9]+)\.\.([0-9]+)|([^{}]*,[^{}]*))\}")
COMPRESSIONS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstandard
_SAMPLED = 50  # members that tell what a tar holds
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def _expand_braces(pattern: str) -> list[str]:
    """The names that a brace pattern stands for, as a shell spells them out.

    A range counts with the padding of its ends, a list takes each entry, and both may be nested; other
    braces stand for themselves.

    >>> _expand_braces("train-{008..010}.tar")
    ['train-008.tar', 'train-009.tar', 'train-010.tar']
    >>> _expand_braces("{train,val}-{0..1}.tar")
    ['train-0.tar', 'train-1.tar', 'val-0.tar', 'val-1.tar']
    >>> _expand_braces("a{,b{1..2}}.tar"), _expand_braces("{x}.tar")
    (['a.tar', 'ab1.tar', 'ab2.tar'], ['{x}.tar'])
    """
    group = _RANGE_OR_LIST.search(pattern)  # an innermost one
    if group is None:
        return [pattern]
    first, last, entries = group.groups()
    if entries is not None:
        values = entries.split(",")
    else:
        padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
        width = max(len(first), len(last)) if padded else 0
        low, high = sorted((int(first), int(last)))
        values = [f"{number:0{width}d}" for number in range(low, high + 1)]
    head, tail = pattern[: group.start()], pattern[group.end() :]
    names = (name for value in values for name in _expand_braces(head + value + tail))
    return list(dict.fromkeys(names))


def inside_tar(path: Path) -> tuple[Path, str | None]:
    """A path that goes on inside a tar, as ``pool.tar/ipc10``, as the tar and the folder in it."""
    for parent in path.parents:
        if parent.suffix.lower() == ".tar" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, None


def find_shards(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """The folder or file that shards are named relative to, and the shards in the order of their names.

    Args:
        path: A tar, a folder that holds tars, or a brace pattern.

    Raises:
        PoolError: If nothing is there, shards of the pattern are missing (each is named), the tars are
            compressed, or a folder mixes the shards of several splits.
    """
    path, _ = inside_tar(path.expanduser().absolute())
    if path.is_dir():
        return path, _shards_in(path)
    if path.is_file():
        return path, (path,)
    shards = sorted(Path(name) for name in _expand_braces(str(path)))
    missing = [shard for shard in shards if not shard.is_file()]
    if len(shards) == 1:
        msg = f"Expected a tar, a folder of tars or a pattern of tars at {path}, found nothing there; "
        raise PoolError(msg + "correct the path.")
    if missing:
        msg = (
            f"Expected the {len(shards)} shards of {path}, found {len(shards) - len(missing)}; missing are "
            f"{some_of([str(shard) for shard in missing])}; copy them or correct the pattern."
        )
        raise PoolError(msg)
    return Path(os.path.commonpath([shard.parent for shard in shards])), tuple(shards)


def shard_name(root: Path, shard: Path) -> str:
    """What tells a shard from the others of its pool: its path below `root`, without the suffix.

    >>> shard_name(Path("/data"), Path("/data/a/train-000.tar")), shard_name(Path("/x.tar"), Path("/x.tar"))
    ('a/train-000', 'x')

    Args:
        root: What `find_shards` gave.
        shard: One of the shards that it gave.
    """
    return shard.stem if shard == root else shard.relative_to(root).with_suffix("").as_posix()


def _shards_in(folder: Path) -> tuple[Path, ...]:
    with listable(folder):
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    shards = [name for name in names if name.lower().endswith(".tar")]
    stems = {name.lower().removesuffix(".tar") for name in shards}
    for name in names:
        ending = next((ending for ending in _COMPRESSED if name.lower().endswith(ending)), None)
        if ending is not None and name.lower().removesuffix(ending) not in stems:
            raise PoolError(compressed_message(folder / name))
    if not shards:
        found = some_of(names) or "an empty folder"
        msg = f"Expected {folder} to hold tar shards, found none ({found}); correct the path."
        raise PoolError(msg)
    words = sorted({word for name in shards if (word := split_of(name)) is not None})
    if len(words) > 1:
        msg = (
            f"Expected the shards of one split in {folder}, found those of {' and '.join(words)}; give a "
            "pattern of one split instead of the folder, as 'train-{000000..000146}.tar'."
        )
        raise PoolError(msg)
    return tuple(folder / name for name in shards)


def is_compressed_tar(path: Path) -> bool:
    """Whether a file is named as a tar, and compressed by its first bytes."""
    if not path.name.lower().endswith((".tar", *_COMPRESSED)):
        return False
    try:
        with path.open("rb") as file:
            return file.read(6).startswith(COMPRESSIONS)
    except OSError:
        return False


def first_members(archive: Path) -> list[PurePosixPath]:
    """Paths of the first files in a tar archive; None if it is no tar archive, or compressed."""
    if not archive.is_file():
        return []
    try:
        with tarfile.open(archive, "r:") as tar:  # a compressed one would be unpacked, however large it gets
            return [PurePosixPath(member.name) for member in islice(tar, _SAMPLED) if member.isfile()]
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError):
        return []


def compressed_message(shard: Path) -> str:
    """What to tell the owner of a compressed tar."""
    return (
        f"Expected {shard} to be an uncompressed tar, in which any image can be reached at once, found a "
        "compressed one; decompress it first (gunzip, bunzip2, unxz or zstd -d)."
    )


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
    """What class indices mean, where `class_names` of ``_info.json`` says so, alike beside all shards."""
    folders = {shard.parent for shard in shards}
    names, *others = (_read(folder / "_info.json").get("class_names") for folder in folders)
    if not isinstance(names, list) or not names or any(other != names for other in others):
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
    pairs: list[tuple[object, object, str]] = []
    info = _read(folder / "_info.json").get("splits", {})
    for split in info.values() if isinstance(info, Mapping) else ():
        if isinstance(split, Mapping):
            names, lengths = split.get("filenames"), split.get("shard_lengths")
            if isinstance(names, list) and isinstance(lengths, list):
                pairs += [(*pair, "_info.json") for pair in zip(names, lengths, strict=False)]
    pairs += [(*pair, "sizes.json") for pair in _read(folder / "sizes.json").items()]
    return {n: (count, by) for n, count, by in pairs if isinstance(n, str) and isinstance(count, int)}


def _read(file: Path) -> Mapping[str, object]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"Expected {file} to be JSON that counts the samples of each shard, found: {error}; correct it."
        raise PoolError(msg) from error
    return content if isinstance(content, dict) else {}

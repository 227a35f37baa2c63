"""Images of tar members with their classes: out of the labels of samples, or out of folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tars.folders import folder_of_classes
from semdd_lightning.pools.tars.labels import LabelKind
from semdd_lightning.pools.tars.members import NO_IMAGE, TarMembers

_log = get_logger(__name__)


class TarRows(NamedTuple):
    """Images of one shard.

    Args:
        names: Path of each below its class folder, shape ``(N,)``.
        labels: The label of each, or its class folder, shape ``(N,)``.
        offsets: Where each begins in the shard, in bytes, shape ``(N,)``.
        sizes: Bytes of each, shape ``(N,)``.
        flaws: Why it is unusable, as in `TarMembers`, shape ``(N,)``.
    """

    names: Strings
    labels: Strings
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    flaws: NDArray[np.int8]


def sample_keys(names: Strings) -> Strings:
    """What the members of a sample share: their names up to the first dot after the last slash.

    >>> sample_keys(Strings(["a.v1/0.left.png", "0"]))
    Strings('a.v1/0', '0')

    Args:
        names: Names of members.
    """
    return Strings(pc.replace_substring_regex(names.column, r"\.[^/]*$", ""))


def rows_by_label(shard: Path, name: str, members: TarMembers, kind: LabelKind, image: str | None) -> TarRows:
    """The samples of a shard with their labels; those with a label alone come last.

    Args:
        shard: The shard, for messages.
        name: What the names of its images begin with.
        members: What it holds.
        kind: Ending of the members that hold the labels.
        image: Ending of the members that are the images; none stands for all.

    Raises:
        PoolError: If a sample has several images or no class.
    """
    rows = np.arange(len(members.images))
    if image is not None:
        ends = pc.match_substring_regex(members.images.column, rf"(?i)^(.*/)?[^/.]+\.\Q{image}\E$")
        rows = np.flatnonzero(_mask(ends))
    images = members.images.take(rows)
    keys = sample_keys(images)
    _refuse_several_images(shard, images, keys)
    label_keys, texts = members.labels.get(kind, (Strings(), Strings()))
    said = np.flatnonzero(_mask(pc.not_equal(texts.column, "")))
    label_keys, texts = label_keys.take(said), texts.take(said)
    label_of = label_keys.positions(keys)
    _refuse_missing_labels(shard, images, label_of, kind)
    alone = np.flatnonzero(keys.positions(label_keys) < 0)
    names = Strings.concatenated([images, Strings.joined(label_keys.take(alone), f".{kind}")])
    nothing = np.zeros(len(alone), dtype=np.int64)
    return TarRows(
        Strings.joined(f"{name}-", names),
        Strings.concatenated([texts.take(label_of), texts.take(alone)]),
        np.append(members.offsets[rows], nothing),
        np.append(members.sizes[rows], nothing),
        np.append(members.flaws[rows], (nothing + NO_IMAGE).astype(np.int8)),
    )


def rows_by_folder(root: Path, members: Sequence[TarMembers], below: str | None) -> list[TarRows]:
    """The images of every shard that lie below class folders, which are their labels.

    Args:
        root: The pool, for messages.
        members: What each shard holds.
        below: The folder inside that holds the class folders; none looks for it.

    Raises:
        PoolError: If there are no class folders, it is not clear which they are, or one has no image.
    """
    parents = [
        pc.replace_substring_regex(of_shard.images.column, r"(^|/)[^/]*$", "").dictionary_encode()
        for of_shard in members
    ]
    everywhere: Counter[str] = Counter()
    for of_shard in parents:
        for entry in of_shard.value_counts().to_pylist():
            everywhere[entry["values"]] += entry["counts"]
    base = folder_of_classes(everywhere, below, str(root))
    start = f"{base}/" if base else ""
    rows = []
    for shard, parent in zip(members, parents, strict=True):
        inside = [name.startswith(start) and name != base for name in parent.dictionary.to_pylist()]
        kept = np.flatnonzero(np.array(inside, dtype=bool)[parent.indices.to_numpy()])
        paths = pc.utf8_slice_codeunits(shard.images.take(kept).column, start=len(start))
        names, folders = (
            Strings(pc.replace_substring_regex(paths, end, "")) for end in (r"^[^/]*/", r"/.*$")
        )
        columns = (shard.offsets[kept], shard.sizes[kept], shard.flaws[kept])
        rows.append(TarRows(names, folders, *columns))
    loose = sum(int(_mask(pc.equal(parent.dictionary_decode(), base)).sum()) for parent in parents)
    if loose:
        place = repr(base) if base else "the top"
        _log.warning("%d images directly in %s of %s belong to no class, are ignored.", loose, place, root)
    _refuse_empty_folders(root, start, members, rows)
    return rows


def _mask(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _refuse_several_images(shard: Path, images: Strings, keys: Strings) -> None:
    several = keys.repeated()
    if several:
        start = f"{several[0]}."
        found = [name for name in images if name.startswith(start)][:3]
        msg = (
            f"Expected one image in every sample of {shard}, found {' and '.join(found)}; name the ending of "
            f"the one to take, as `image: {found[0].removeprefix(start)}` (--reader image=ENDING)."
        )
        raise PoolError(msg)


def _refuse_missing_labels(shard: Path, images: Strings, label_of: NDArray[np.int64], kind: str) -> None:
    missing = np.flatnonzero(label_of < 0)
    if len(missing):
        msg = (
            f"Expected a .{kind} member with a class beside every image of {shard}, found none for "
            f"{len(missing)} of {len(images)}, as {images[int(missing[0])]!r}; complete the samples, or say "
            "where the class stands (--reader labels=..., --reader label_key=...)."
        )
        raise PoolError(msg)


def _refuse_empty_folders(
    root: Path, start: str, members: Sequence[TarMembers], rows: Sequence[TarRows]
) -> None:
    listed = {
        name.removeprefix(start).partition("/")[0]
        for of_shard in members
        for name in of_shard.folders
        if name.startswith(start)
    }
    filled = {folder for of_shard in rows for folder in of_shard.labels.column.unique().to_pylist()}
    empty = sorted(listed - filled)
    if empty:
        msg = (
            f"Expected class folder {empty[0]!r} of {root} to hold image files, found none, nor in "
            f"{len(empty) - 1} other class folders; make the tar again with images or without the folder."
        )
        raise PoolError(msg)

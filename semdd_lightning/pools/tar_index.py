"""All images of tar shards with their classes, as columns in path order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.splits import split_of
from semdd_lightning.pools.stated_labels import (
    StatedLabels,
    folder_names,
    labels_from_column,
    numbers_or_texts,
    read_as_folders,
)
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tar_folders import TarRows, rows_by_folder
from semdd_lightning.pools.tar_members import NO_IMAGE, LabelFinder, LabelKind, TarMembers, read_members
from semdd_lightning.pools.tar_shards import shard_name, stated_class_names
from semdd_lightning.progress import image_progress


class TarIndex(NamedTuple):
    """The images of a pool of tars, those of one shard after those of the other.

    Args:
        counts: Images of each shard.
        stated: The label of each image.
        names: Path of each below its class folder.
        places: Where each lies in its shard, and why it is unusable, as in `TarMembers`, shape ``(N, 3)``.
    """

    counts: tuple[int, ...]
    stated: StatedLabels
    names: Strings
    places: NDArray[np.int64]


def index_shards(
    root: Path,
    shards: Sequence[Path],
    labels: LabelKind | None,
    label_key: str | None,
    image: str | None,
    below: str | None,
) -> TarIndex:
    """Go through all shards once and give every image its class and its path.

    Args:
        root: Folder or file that the shards are named relative to.
        shards: The shards.
        labels: Where the class of an image stands; none stands for what is there.
        label_key: Key of the class in ``.json`` members; none stands for a usual one.
        image: Ending of the member that is the image; none stands for the only one.
        below: Folder inside the tar that holds the class folders; none stands for the only one.

    Raises:
        PoolError: If a shard is malformed, or an image has no class or the same path as another.
    """
    finder = LabelFinder(labels, label_key)
    members = []
    with image_progress("Listing tars", None, after=1.0, keep=False) as advance:
        for shard in shards:
            members.append(read_members(shard, finder))
            advance(len(members[-1].images))
    if not any(len(of_shard.images) for of_shard in members):
        others = [name for of_shard in members for name in of_shard.others][:3]
        msg = (
            f"Expected image files in {root}, found none ({', '.join(others) or 'nothing at all'}); correct "
            "the path, or unpack what it holds."
        )
        raise PoolError(msg)
    kind = labels or _labels_found(members)
    if kind == "folder":
        if labels is None:
            _refuse_dots(members, root)
        rows = rows_by_folder(root, members, below)
    else:
        _refuse_several_splits(members, root)
        rows = [
            _rows_by_label(shard, shard_name(root, shard), of_shard, kind, image)
            for shard, of_shard in zip(shards, members, strict=True)
        ]
    texts = Strings.concatenated([of_shard.labels for of_shard in rows])
    if kind == "folder":
        stated = labels_from_column(pa.chunked_array([texts.column]), f"the folders of {root}")
        read_as_folders(stated.names, None, stated.place)
    else:
        numbers, place = numbers_or_texts(pa.chunked_array([texts.column])), f"the .{kind} members of {root}"
        stated = labels_from_column(numbers, place, stated_class_names(shards))
    names = Strings.concatenated([of_shard.names for of_shard in rows])
    paths = Strings.joined(Strings(folder_names(stated.names)).take(stated.codes), "/", names)
    counts = tuple(len(of_shard.names) for of_shard in rows)
    _refuse_equal_paths(shards, paths, counts)
    return TarIndex(counts, stated, names, np.concatenate([of_shard.places for of_shard in rows]))


def _labels_found(members: Sequence[TarMembers]) -> LabelKind:
    """The first of cls and json that says something about an image, else folder."""
    kinds: tuple[LabelKind, ...] = ("cls", "json")
    for kind in kinds:
        for of_shard in members:
            keys, texts = of_shard.labels.get(kind, (Strings(), Strings()))
            telling = keys.column.filter(pc.not_equal(texts.column, ""))
            if (_sample_keys(of_shard.images).positions(Strings(telling)) >= 0).any():
                return kind
    return "folder"


def _refuse_dots(members: Sequence[TarMembers], root: Path) -> None:
    """Say why a label beside an image of the same name is none, before folders are taken for classes."""
    for of_shard in members:
        stem = (of_shard.dotted or "").rpartition(".")[0]
        if stem and pc.any(pc.starts_with(of_shard.images.column, f"{stem}.")).as_py():
            msg = (
                f"Expected no dots before the ending of a label in {root}, found {of_shard.dotted!r}: "
                "WebDataset ends the name of a sample at the first dot, so that this label is of no image. "
                "Make the tar again with other characters there, or give labels: folder (--reader "
                "labels=folder) if the folders are the classes."
            )
            raise PoolError(msg)


def _refuse_several_splits(members: Sequence[TarMembers], root: Path) -> None:
    """Samples that are named by different splits are not to be mixed unseen."""
    starts = set[str]()  # folder and first word of each name: few, however many images there are
    for of_shard in members:
        column = pc.replace_substring_regex(of_shard.images.column, r"^((?:.*/)?[A-Za-z]*)[^/]*$", r"\1")
        starts.update(column.unique().to_pylist())
    splits = sorted({word for word in map(split_of, starts) if word is not None})
    if len(splits) > 1:
        msg = (
            f"Expected samples of one split in {root}, found those of {' and '.join(splits)}; make a tar of "
            "each, or test images are chosen from."
        )
        raise PoolError(msg)


def _refuse_equal_paths(shards: Sequence[Path], paths: Strings, counts: Sequence[int]) -> None:
    repeated = paths.repeated()
    if repeated:
        path = min(repeated)
        rows = np.flatnonzero(pc.equal(paths.column, path).to_numpy(zero_copy_only=False))[:2]
        first, second = (shards[number] for number in np.searchsorted(np.cumsum(counts), rows, side="right"))
        msg = (
            f"Expected every image in one shard, found {path!r} in {first} and {second}; rename it or "
            "a shard, or remove one of them."
        )
        raise PoolError(msg)


def _rows_by_label(
    shard: Path, name: str, members: TarMembers, kind: LabelKind, image: str | None
) -> TarRows:
    """The samples of a shard, whose images' names begin with `name`; those with a label alone come last."""
    rows = np.arange(len(members.images))
    if image is not None:
        ends = pc.match_substring_regex(members.images.column, rf"(?i)^(.*/)?[^/.]+\.\Q{image}\E$")
        rows = np.flatnonzero(_mask(ends))
    images = members.images.take(rows)
    keys = _sample_keys(images)
    several = keys.repeated()
    if several:
        start = f"{several[0]}."
        found = [name for name in images if name.startswith(start)][:3]
        msg = (
            f"Expected one image in every sample of {shard}, found {' and '.join(found)}; name the ending of "
            f"the one to take, as `image: {found[0].removeprefix(start)}` (--reader image=ENDING)."
        )
        raise PoolError(msg)
    label_keys, texts = members.labels.get(kind, (Strings(), Strings()))
    said = np.flatnonzero(_mask(pc.not_equal(texts.column, "")))
    label_keys, texts = label_keys.take(said), texts.take(said)
    label_of = label_keys.positions(keys)
    missing = np.flatnonzero(label_of < 0)
    if len(missing):
        msg = (
            f"Expected a .{kind} member with a class beside every image of {shard}, found none for "
            f"{len(missing)} of {len(images)}, as {images[int(missing[0])]!r}; complete the samples, or say "
            "where the class stands (--reader labels=..., --reader label_key=...)."
        )
        raise PoolError(msg)
    alone = np.flatnonzero(keys.positions(label_keys) < 0)
    names = Strings.concatenated([images, Strings.joined(label_keys.take(alone), f".{kind}")])
    return TarRows(
        Strings.joined(f"{name}-", names),
        Strings.concatenated([texts.take(label_of), texts.take(alone)]),
        np.concatenate([members.places[rows], np.tile((0, 0, NO_IMAGE), (len(alone), 1))]),
    )


def _mask(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _sample_keys(names: Strings) -> Strings:
    """What the members of a sample share: their names up to the first dot after the last slash.

    >>> _sample_keys(Strings(["a.v1/0.left.png", "0"]))
    Strings('a.v1/0', '0')
    """
    return Strings(pc.replace_substring_regex(names.column, r"\.[^/]*$", ""))

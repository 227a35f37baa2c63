"""Pools in tar files: WebDataset shards, or plain tars of class folders, read where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import ImageSource, file_stamp
from semdd_lightning.pools.splits import split_of
from semdd_lightning.pools.stated_labels import (
    Located,
    folder_names,
    labels_from_column,
    numbers_or_texts,
    read_as_folders,
)
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tar_folders import TarRows, rows_by_folder
from semdd_lightning.pools.tar_members import (
    FLAWS,
    NO_IMAGE,
    LabelFinder,
    LabelKind,
    TarMembers,
    read_members,
)
from semdd_lightning.pools.tar_shards import (
    find_shards,
    inside_tar,
    require_counts,
    shard_name,
    stated_class_names,
)
from semdd_lightning.progress import image_progress


@dataclass(frozen=True)
class TarShards(DiskPool):
    """Tar shards, by the WebDataset convention or with class folders inside; nothing is unpacked.

    Files of a shard that share the name up to the first dot are one sample: an image, and its class in a
    member beside it, ``.cls`` (number or name) or ``.json``. Where there are none, the class of an image is
    its folder inside the tar. Numbers in such members are class indices from 0 on. Samples of two shards may
    have the same name. Hidden members are skipped; links are not followed.
    Numbers of samples that ``sizes.json`` or ``_info.json`` beside the shards state have to be right;
    `class_names` of ``_info.json`` says what the class indices mean.

    Args:
        path: A tar, a folder that holds tars, or a brace pattern, as ``shards/train-{000000..000146}.tar``
            or ``{a,b}.tar``; what follows a tar, as in ``pool.tar/ipc10``, is `below`. Compressed tars have
            to be decompressed first.
        labels: Where the class of an image stands: in the sample's `cls`, `json` or `txt` member, or in the
            `folder` inside the tar; by default the first of cls, json and folder that is there.
        label_key: Key of the class in ``.json`` members; by default the first of label, class, cls, target,
            class_id, class_index, class_name and wnid that the first sample has.
        image: Ending of the member that is the image, as `jpg` or `left.png`, where a sample has several.
        below: Folder inside the tar whose subfolders are the classes, as ``pool/ipc10``; by default the only
            one there is.
        num_samples: Number of samples in all, which is checked where given.
    """

    labels: LabelKind | None = None
    label_key: str | None = None
    image: str | None = None
    below: str | None = None
    num_samples: int | None = None

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The classes that the labels, or the folders in the tars, name; only headers and labels are read."""
        root, shards = find_shards(Path(self.path))
        stamps = np.stack([file_stamp(shard) for shard in shards])  # before they are read
        labels = self.labels
        below = self.below if self.below is not None else inside_tar(Path(self.path).expanduser())[1]
        if self.label_key is not None:
            labels = self._only("label_key", "json")
        elif below is not None:
            labels = self._only("below", "folder")
        members = _read_members(root, shards, LabelFinder(labels, self.label_key))
        kind = labels or _labels_found(members)
        if kind == "folder":
            if labels is None:
                _refuse_dots(members, root)
            parts = rows_by_folder(root, members, below)
            texts = pa.chunked_array([part.labels.column for part in parts])
            stated = labels_from_column(texts, f"the folders of {root}")
            read_as_folders(stated.names, None, stated.place)
        else:
            _refuse_several_splits(members, root)
            image = None if self.image is None else self.image.lstrip(".")
            parts = [
                _rows_by_label(shard, shard_name(root, shard), of_shard, kind, image)
                for shard, of_shard in zip(shards, members, strict=True)
            ]
            texts = numbers_or_texts(pa.chunked_array([part.labels.column for part in parts]))
            stated = labels_from_column(texts, f"the .{kind} members of {root}", stated_class_names(shards))
        names, counts = (
            Strings.concatenated([part.names for part in parts]),
            [len(part.names) for part in parts],
        )
        places = np.concatenate([part.places for part in parts])
        paths = Strings.joined(Strings(folder_names(stated.names)).take(stated.codes), "/", names)
        shard_of_all = np.repeat(np.arange(len(shards)), counts)
        _refuse_equal_paths(shards, paths, shard_of_all)
        require_counts(shards, counts, self.num_samples)

        def locate(rows: NDArray[np.int64]) -> Located:
            shard_of, flaws = shard_of_all[rows], places[rows, 2]
            problems = {row: FLAWS[int(flaws[row])] for row in np.flatnonzero(flaws).tolist()}
            return stamps[shard_of], TarSource(shards, shard_of, places[rows, :2]), problems

        return stated.found(root, names, f"images of {self.path}", locate, self._class_list(default))

    def _only(self, option: str, kind: LabelKind) -> LabelKind:
        if self.labels not in (None, kind):
            msg = f"Expected labels {kind!r} where {option} is given, found {self.labels!r}; remove one."
            raise PoolError(msg)
        return kind


@dataclass(frozen=True, eq=False)
class TarSource(ImageSource):
    """Images inside tars, read where they lie.

    A shard is opened for every image and closed again, which is little beside decoding: in path
    order neighbours lie in different shards, and no handle has to be shared between threads or processes.

    Args:
        shards: The tars.
        shard_of: Which of them holds each image, shape ``(N,)``.
        places: Where each image begins, in bytes, and how many it has, shape ``(N, 2)``.
    """

    shards: tuple[Path, ...]
    shard_of: NDArray[np.int64]
    places: NDArray[np.int64]

    def read(self, row: int) -> bytes:
        """The content of a row's member.

        Raises:
            OSError: If the shard is gone or was cut off since.
        """
        shard, (offset, size) = self.shards[self.shard_of[row]], self.places[row].tolist()
        with shard.open("rb", buffering=0) as file:
            file.seek(offset)
            content: bytes = file.read(size)
        if len(content) < size:
            msg = f"Expected {size} bytes in {shard.name}, found {len(content)}; the shard was cut off."
            raise OSError(msg)
        return content


def _read_members(root: Path, shards: Sequence[Path], finder: LabelFinder) -> list[TarMembers]:
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
    return members


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


def _refuse_equal_paths(shards: Sequence[Path], paths: Strings, shard_of: NDArray[np.int64]) -> None:
    repeated = paths.repeated()
    if repeated:
        path = min(repeated)
        rows = np.flatnonzero(pc.equal(paths.column, path).to_numpy(zero_copy_only=False))[:2]
        first, second = (shards[number] for number in shard_of[rows])
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
        rows = np.flatnonzero(ends.to_numpy(zero_copy_only=False))
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
    said = np.flatnonzero(pc.not_equal(texts.column, "").to_numpy(zero_copy_only=False))
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


def _sample_keys(names: Strings) -> Strings:
    """What the members of a sample share: their names up to the first dot after the last slash.

    >>> _sample_keys(Strings(["a.v1/0.left.png", "0"]))
    Strings('a.v1/0', '0')
    """
    return Strings(pc.replace_substring_regex(names.column, r"\.[^/]*$", ""))

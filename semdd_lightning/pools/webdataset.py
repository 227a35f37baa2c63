"""Pools in tar files: WebDataset shards, or plain tars of class folders, read where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import ImageSource, file_stamp
from semdd_lightning.pools.stated_labels import Located
from semdd_lightning.pools.tar_index import index_shards
from semdd_lightning.pools.tar_members import FLAWS, LabelKind
from semdd_lightning.pools.tar_shards import find_shards, inside_tar, require_counts


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
        image = None if self.image is None else self.image.lstrip(".")
        index = index_shards(root, shards, labels, self.label_key, image, below)
        require_counts(shards, index.counts, self.num_samples)

        def locate(rows: NDArray[np.int64]) -> Located:
            shard_of, flaws = np.repeat(np.arange(len(shards)), index.counts)[rows], index.places[rows, 2]
            problems = {row: FLAWS[int(flaws[row])] for row in np.flatnonzero(flaws).tolist()}
            return stamps[shard_of], TarSource(shards, shard_of, index.places[rows, :2]), problems

        what = f"images of {self.path}"
        return index.stated.found(root, index.names, what, locate, self._class_list(default))

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

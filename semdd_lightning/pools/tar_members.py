"""The members of a tar as columns: where each image lies in the file, and what its label says."""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import is_image_name, printable
from semdd_lightning.pools.strings import GrowingStrings, Strings
from semdd_lightning.pools.tar_shards import COMPRESSIONS, compressed_message

LabelKind = Literal["cls", "json", "txt", "folder"]

GOOD, NOT_A_FILE, NOT_UTF8, SPARSE, NO_IMAGE = range(5)
FLAWS = {
    NOT_A_FILE: "unreadable: not a regular file",
    NOT_UTF8: "unreadable: file name is not UTF-8",
    SPARSE: "unreadable: stored as a sparse file",
    NO_IMAGE: "unreadable: sample without an image file",
}

_BLOCK = 512  # bytes; a tar is made of blocks, and ends with two that are zero
_TAIL = 1 << 20  # bytes looked at behind the end; padding is far shorter
_LARGEST_LABEL = 16 << 20  # bytes; a larger member is no label
_JSON_KEYS = ("label", "class", "cls", "target", "class_id", "class_index", "class_name", "wnid")
_CLIMBS = re.compile(r"[/\\]|[A-Za-z]:[/\\]|(?:.*[/\\])?\.\.(?:[/\\]|$)", re.DOTALL)
_HIDDEN = re.compile(r"(?:.*/)?\.|__[^/]*__(?:/|$)|__MACOSX(?:/|$)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class TarMembers:
    """What a tar holds that matters to a pool, in the order of the tar.

    Args:
        images: Names of the image members, shape ``(N,)``.
        offsets: Where the content of each begins, in bytes from the start of the tar, shape ``(N,)``.
        sizes: Bytes of each, shape ``(N,)``.
        flaws: `GOOD`, or the key in `FLAWS` of what makes it unusable, shape ``(N,)``.
        labels: By ending, for each member that holds a label its key (the name up to the first dot) and
            the label, which is empty where there is none.
        folders: Names of the folders that the tar lists.
        others: Names of a few of the other members, for messages.
        dotted: Name of a member that would hold a label if its name had no dots before its ending.
    """

    images: Strings
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    flaws: NDArray[np.int8]
    labels: Mapping[str, tuple[Strings, Strings]]
    folders: frozenset[str]
    others: tuple[str, ...]
    dotted: str | None


def read_members(shard: Path, labels: LabelFinder) -> TarMembers:
    """Go through the headers of a tar once; of the contents only labels are read.

    Members that are hidden, or metadata of the archive (``__name__``), are left out.

    Args:
        shard: An uncompressed tar.
        labels: Reads the labels.

    Raises:
        PoolError: If the file cannot be read, is no tar, is compressed or cut off, or holds a name that
            climbs out of it or stands twice.
    """
    columns = _Columns()
    try:
        with shard.open("rb") as file:
            if file.read(6).startswith(COMPRESSIONS):
                raise PoolError(compressed_message(shard))
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # else every member stays in memory
                    _add(columns, tar, member, labels, shard)
                file.seek(tar.offset)
                mark, rest = file.read(_BLOCK), file.read(_TAIL)
    except PoolError:
        raise
    except tarfile.ReadError as error:
        if not columns.sizes:
            msg = f"Expected {shard} to be a tar, found: {error}; make it again or correct the path."
            raise PoolError(msg) from error
        raise PoolError(_cut_off(shard, columns)) from error
    except OSError as error:
        msg = f"Expected to read {shard}, found: {error.strerror or error}; check the file."
        raise PoolError(msg) from error
    except (tarfile.TarError, ValueError, OverflowError, MemoryError) as error:
        msg = f"Expected {shard} to be a tar, found a broken header ({error}); make it again."
        raise PoolError(msg) from error
    if len(mark) < _BLOCK or mark.strip(b"\0"):
        raise PoolError(_cut_off(shard, columns))
    if rest.strip(b"\0"):
        msg = (
            f"Expected nothing after the end of the tar {shard}, found more data, as of a second tar that "
            "was put behind it; keep them as two shards."
        )
        raise PoolError(msg)
    return columns.finish(shard)


def _add(
    columns: _Columns, tar: tarfile.TarFile, member: tarfile.TarInfo, labels: LabelFinder, shard: Path
) -> None:
    if _CLIMBS.match(member.name):
        msg = (
            f"Expected the names in {shard} to stay inside it, found {printable(member.name)!r}; do not use "
            "this file, or make it again with relative names."
        )
        raise PoolError(msg)
    name = posixpath.normpath(member.name)
    if _HIDDEN.match(name):
        return
    if member.isdir():
        columns.folders.add(name)
        return
    key, _, ending = name.rpartition("/")[2].partition(".")
    if is_image_name(posixpath.basename(name)):
        columns.add_image(name, member)
    elif member.isreg() and labels.wants(ending.lower()) and key:
        content = tar.extractfile(member) if member.size <= _LARGEST_LABEL else None
        text = labels.read(ending.lower(), b"" if content is None else content.read())
        columns.add_label(name[: -len(ending) - 1], ending.lower(), text)
    elif labels.wants(ending.rpartition(".")[2].lower()):
        columns.dotted = columns.dotted or printable(name)
    elif len(columns.others) < 3:
        columns.others.append(printable(name))


class _Columns:
    """The columns of `TarMembers` while they grow."""

    def __init__(self) -> None:
        self.images = GrowingStrings()
        self.offsets, self.sizes, self.flaws = array("q"), array("q"), array("b")
        self.labels: dict[str, tuple[GrowingStrings, GrowingStrings]] = {}
        self.folders: set[str] = set()
        self.others: list[str] = []
        self.dotted: str | None = None

    def add_image(self, name: str, member: tarfile.TarInfo) -> None:
        self.images.append(printable(name))
        self.offsets.append(member.offset_data)
        self.sizes.append(member.size)
        if not member.isreg():  # a link or a device
            self.flaws.append(NOT_A_FILE)
        elif printable(name) != name:
            self.flaws.append(NOT_UTF8)
        else:
            self.flaws.append(SPARSE if member.issparse() else GOOD)

    def add_label(self, key: str, ending: str, text: str) -> None:
        keys, texts = self.labels.setdefault(ending, (GrowingStrings(), GrowingStrings()))
        keys.append(printable(key))
        texts.append(printable(text))

    def finish(self, shard: Path) -> TarMembers:
        images = self.images.finish()
        labels = {ending: (keys.finish(), texts.finish()) for ending, (keys, texts) in self.labels.items()}
        for ending, names in {
            "": images,
            **{f".{ending}": keys for ending, (keys, _) in labels.items()},
        }.items():
            repeated = names.repeated()
            if repeated:
                msg = (
                    f"Expected every name in {shard} once, found {repeated[0] + ending!r} "
                    f"{names.count(repeated[0])} times; make the tar again without the repetition."
                )
                raise PoolError(msg)
        return TarMembers(
            images,
            np.array(self.offsets, dtype=np.int64),
            np.array(self.sizes, dtype=np.int64),
            np.array(self.flaws, dtype=np.int8),
            labels,
            frozenset(self.folders),
            tuple(self.others),
            self.dotted,
        )


def _cut_off(shard: Path, columns: _Columns) -> str:
    size = shard.stat().st_size
    ends = np.array(columns.offsets) + np.array(columns.sizes)
    return (
        f"Expected {shard} to be a whole tar, found it cut off or broken after {int((ends <= size).sum())} "
        "whole image files; copy or make it again."
    )


def label_text(value: object) -> str:
    """A class label as a text: a number without padding, a name without space around it.

    >>> label_text(7), label_text(7.0), label_text(" tench "), label_text(-1), label_text("007")
    ('7', '7', 'tench', '-1', '007')

    Args:
        value: What stands for the class; anything but a whole number or a text gives the empty text.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tables with gaps store whole numbers as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


class LabelFinder:
    """Reads labels from the members of tar shards, in the order in which they come.

    Where no kind is asked for, ``.cls`` members win over ``.json`` members, which are not even read once a
    ``.cls`` member was seen.

    Args:
        kind: Ending of the members that hold labels; `folder` reads none; none stands for `cls` and `json`.
        key: Key of the label in a ``.json`` member; none takes the first usual one, and then keeps to it.
    """

    def __init__(self, kind: LabelKind | None, key: str | None) -> None:
        self._kinds = {"cls", "json"} if kind is None else {kind} - {"folder"}
        self._key = key

    def wants(self, ending: str) -> bool:
        """Whether members of this ending have to be read."""
        return ending in self._kinds

    def read(self, ending: str, content: bytes) -> str:
        """The label in the content of a member that is wanted, or the empty text if there is none."""
        try:
            text = content.decode("utf-8-sig")
            if ending == "json":
                return self._from_json(json.loads(text))
        except (ValueError, RecursionError):  # not UTF-8, not JSON
            return ""
        if ending == "cls":
            self._kinds.discard("json")
            number = text.strip()  # WebDataset decodes it as one, whatever its padding
            return str(int(number)) if re.fullmatch(r"-?[0-9]{1,18}", number) else number
        return label_text(text)

    def _from_json(self, record: object) -> str:
        if not isinstance(record, dict):
            return ""
        if self._key is None:
            self._key = next((key for key in _JSON_KEYS if label_text(record.get(key))), None)
        return label_text(record.get(self._key))

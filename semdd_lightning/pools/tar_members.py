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
        images: Names of the image members, N of them.
        places: Of each where its content begins, in bytes from the start of the tar, how many bytes it has,
            and `GOOD` or the key in `FLAWS` of what makes it unusable, shape ``(N, 3)``.
        labels: By ending, for each member that holds a label its key (the name up to the first dot) and
            the label, which is empty where there is none.
        folders: Names of the folders that the tar lists.
        others: Names of a few of the other members, for messages.
        dotted: Name of a member that would hold a label if its name had no dots before its ending.
    """

    images: Strings
    places: NDArray[np.int64]
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
    columns = _Columns(shard, labels)
    try:
        with shard.open("rb") as file:
            if file.read(6).startswith(COMPRESSIONS):
                raise PoolError(compressed_message(shard))
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # else every member stays in memory
                    columns.add(tar, member)
                file.seek(tar.offset)
                mark, rest = file.read(_BLOCK), file.read(_TAIL)
    except PoolError:
        raise
    except tarfile.ReadError as error:
        if not columns.places:
            msg = f"Expected {shard} to be a tar, found: {error}; make it again or correct the path."
            raise PoolError(msg) from error
        raise columns.cut_off() from error
    except OSError as error:
        msg = f"Expected to read {shard}, found: {error.strerror or error}; check the file."
        raise PoolError(msg) from error
    except (tarfile.TarError, ValueError, OverflowError, MemoryError) as error:
        msg = f"Expected {shard} to be a tar, found a broken header ({error}); make it again."
        raise PoolError(msg) from error
    if len(mark) < _BLOCK or mark.strip(b"\0"):
        raise columns.cut_off()
    if rest.strip(b"\0"):
        msg = (
            f"Expected nothing after the end of the tar {shard}, found more data, as of a second tar that "
            "was put behind it; keep them as two shards."
        )
        raise PoolError(msg)
    return columns.finish()


class _Columns:
    """The columns of `TarMembers` while they grow."""

    def __init__(self, shard: Path, finder: LabelFinder) -> None:
        self._shard, self._finder = shard, finder
        self._images = GrowingStrings()
        self.places = array("q")  # offset, size and flaw of each image, one after the other
        self._labels: dict[str, tuple[GrowingStrings, GrowingStrings]] = {}
        self._folders: set[str] = set()
        self._others: list[str] = []
        self._dotted: str | None = None

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if _CLIMBS.match(member.name):
            msg = (
                f"Expected the names in {self._shard} to stay inside it, found {printable(member.name)!r}; "
                "do not use this file, or make it again with relative names."
            )
            raise PoolError(msg)
        name = posixpath.normpath(member.name)
        if _HIDDEN.match(name):
            return
        shown, base = printable(name), posixpath.basename(name)
        key, _, ending = base.partition(".")
        kind = ending.lower()
        if member.isdir():
            self._folders.add(name)
        elif is_image_name(base):
            flaw = SPARSE if member.issparse() else GOOD
            if not member.isreg():  # a link or a device
                flaw = NOT_A_FILE
            elif shown != name:
                flaw = NOT_UTF8
            self._images.append(shown)
            self.places.extend((member.offset_data, member.size, flaw))
        elif member.isreg() and self._finder.wants(kind) and key:
            content = tar.extractfile(member) if member.size <= _LARGEST_LABEL else None
            text = self._finder.read(kind, b"" if content is None else content.read())
            keys, texts = self._labels.setdefault(kind, (GrowingStrings(), GrowingStrings()))
            keys.append(printable(name[: -len(ending) - 1]))
            texts.append(printable(text))
        elif self._finder.wants(kind.rpartition(".")[2]):
            self._dotted = self._dotted or shown
        elif len(self._others) < 3:
            self._others.append(shown)

    def finish(self) -> TarMembers:
        images = self._images.finish()
        labels = {kind: (keys.finish(), texts.finish()) for kind, (keys, texts) in self._labels.items()}
        for names, ending in ((images, ""), *((keys, f".{kind}") for kind, (keys, _) in labels.items())):
            repeated = names.repeated()
            if repeated:
                msg = (
                    f"Expected every name in {self._shard} once, found {repeated[0] + ending!r} "
                    f"{names.count(repeated[0])} times; make the tar again without the repetition."
                )
                raise PoolError(msg)
        places = np.array(self.places, dtype=np.int64).reshape(-1, 3)
        others = tuple(self._others)
        return TarMembers(images, places, labels, frozenset(self._folders), others, self._dotted)

    def cut_off(self) -> PoolError:
        size = self._shard.stat().st_size
        places = np.array(self.places, dtype=np.int64).reshape(-1, 3)
        whole = int((places[:, :2].sum(axis=1) <= size).sum())
        return PoolError(
            f"Expected {self._shard} to be a whole tar, found it cut off or broken after {whole} whole image "
            "files; copy or make it again."
        )


class LabelFinder:
    """Reads labels from the members of tar shards, in the order in which they come.

    Where no kind is asked for, ``.cls`` members win over ``.json`` members, which are not even read once a
    ``.cls`` member was seen.

    Args:
        kind: Ending of the members that hold labels; `folder` reads none (default: `cls` and `json`).
        key: Key of the label in a ``.json`` member (default: the first usual one, which is kept to).
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
        return _label_text(text)

    def _from_json(self, record: object) -> str:
        if not isinstance(record, dict):
            return ""
        if self._key is None:
            self._key = next((key for key in _JSON_KEYS if _label_text(record.get(key))), None)
        return _label_text(record.get(self._key))


def _label_text(value: object) -> str:
    """A class label as a text: a number without padding, a name without space around it; else empty.

    >>> _label_text(7), _label_text(7.0), _label_text(" tench "), _label_text(-1), _label_text("007")
    ('7', '7', 'tench', '-1', '007')
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tables with gaps store whole numbers as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()

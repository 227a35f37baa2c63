"""The cached index: what reading told of each image, kept until its file changes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from semdd_lightning.atomic import remove_stale_files
from semdd_lightning.errors import DamageError, DiskError
from semdd_lightning.given import cache_root
from semdd_lightning.locks import Lock, remove_stale_locks
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import require_outside
from semdd_lightning.pools.listing import FileSource, Listing
from semdd_lightning.pools.pool import ImageTraits
from semdd_lightning.pools.strings import Strings
from semdd_lightning.records import SEAL_BYTES, check_seal, write_sealed

USABLE = 0
"""Code of an image that nothing speaks against."""

FORMAT = 1
"""Version of the columns and of how they are found; part of every key."""

_RECENT_NS = 2_000_000_000  # the coarsest clock of a file system in use ticks every two seconds
_PATIENCE_SECONDS = 3600.0  # with a process that lives and does nothing
_STAMPS = ("size", "modified_ns", "changed_ns")
_SCHEMA = pa.schema(
    [
        pa.field("path", pa.large_string(), nullable=False),
        *(pa.field(name, pa.int64(), nullable=False) for name in _STAMPS),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("contrast", pa.float32(), nullable=False),
        pa.field("digest", pa.binary(32), nullable=False),
        pa.field("perceptual_hash", pa.uint64(), nullable=False),
        pa.field("reason", pa.large_string(), nullable=False),
    ]
)
_METADATA = b"semdd"
_log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Examined:
    """What is known of the rows of a listing.

    Args:
        traits: Traits of each row; zeros where it is unusable or unknown.
        codes: For each row which of `reasons` makes it unusable, shape ``(N,)``.
        known: Whether a row has been examined, shape ``(N,)``.
        lasting: Whether the same bytes would be found the same again, shape ``(N,)``; not so where the file
            system refused to give them.
        reasons: The distinct reasons with their codes; the first one stands for none.
    """

    traits: ImageTraits
    codes: NDArray[np.int32]
    known: NDArray[np.bool_]
    lasting: NDArray[np.bool_]
    reasons: dict[str, int] = field(default_factory=lambda: {"": USABLE})

    @classmethod
    def nothing(cls, num_rows: int) -> Examined:
        """All rows unknown."""
        traits = ImageTraits(
            widths=np.zeros(num_rows, dtype=np.int32),
            heights=np.zeros(num_rows, dtype=np.int32),
            contrasts=np.zeros(num_rows, dtype=np.float32),
            digests=np.zeros((num_rows, 32), dtype=np.uint8),
            perceptual_hashes=np.zeros(num_rows, dtype=np.uint64),
        )
        known, lasting = np.zeros(num_rows, dtype=np.bool_), np.zeros(num_rows, dtype=np.bool_)
        return cls(traits, np.zeros(num_rows, dtype=np.int32), known, lasting)

    def code(self, reason: str) -> int:
        """The code of a reason, a new one if need be."""
        return self.reasons.setdefault(reason, len(self.reasons))

    def reasons_of(self, rows: NDArray[np.int64]) -> Strings:
        """Why each of `rows` is unusable, an empty text where it is not."""
        return Strings(self.reasons).take(self.codes[rows])


class IndexCache:
    """The file that holds what is known of the images below one root, whatever classes they are given.

    A row is believed as long as size, modification time and change time of its file stay the same. Files
    that were modified just before they were read are not entered: a second change within the same tick of
    the file system's clock could not be seen. Nor are those whose stamp tells no time.

    Args:
        listing: The images that are asked for.
        cache_dir: Root of the cache (default: SEMDD_CACHE or the user's cache folder).
    """

    def __init__(self, listing: Listing, cache_dir: Path | None = None) -> None:
        root, recipe = str(listing.root.absolute()), listing.source.recipe()
        identity = {"format": FORMAT, "pillow": PIL.__version__, "root": root, "source": recipe}
        self._identity = json.dumps(identity, sort_keys=True).encode()
        if isinstance(listing.source, FileSource):
            require_outside(cache_root(cache_dir), listing.root)
        self.path = cache_root(cache_dir) / "index" / f"{hashlib.sha256(self._identity).hexdigest()}.index"
        self._listing = listing
        self._others = _SCHEMA.empty_table()
        self._stored = 0  # rows of the file, if all of them hold
        self._started_ns = time.time_ns()
        self._recalled: tuple[int, ...] | None = None

    def recall(self) -> Examined:
        """What is known of the listing's rows, of what it lists as problems too."""
        examined = Examined.nothing(len(self._listing))
        remove_stale_files(self.path.parent)
        remove_stale_locks(self.path.parent)
        self._recalled = _stamp(self.path)
        table = self._read()
        if table is not None:
            self._enter(table, examined)
        for row, problem in self._listing.problems.items():
            examined.codes[row], examined.known[row] = examined.code(problem), True
            examined.lasting[row] = False  # the next listing will say so itself
        return examined

    def _enter(self, table: pa.Table, examined: Examined) -> None:
        """Take over the rows of files that are as they were."""
        paths, found = Strings(table["path"]), len(table)
        places = np.arange(len(paths))
        if paths != self._listing.paths:
            places = paths.positions(self._listing.paths)
            self._others = _of_other_folders(table, self._listing, places)
        listed = np.flatnonzero(places >= 0)
        stamps = np.stack([table[name].to_numpy() for name in _STAMPS], axis=1)
        rows = listed[(stamps[places[listed]] == self._listing.stamps[listed]).all(axis=1)]
        if not np.array_equal(places[rows], np.arange(len(table))):  # where all is as it was, spare the copy
            table = table.take(pa.array(places[rows]))
        _fill(examined, rows, table)
        holds = len(rows) + len(self._others) == found
        self._stored = found if holds else -1  # what changed or vanished has to go

    @property
    def was_renewed(self) -> bool:
        """Whether another process has written the file since it was recalled."""
        return self._recalled != _stamp(self.path)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Read images when no other process reads the same ones.

        Where the cache's folder can hold no lock, everybody reads.
        """
        lock = Lock(self.path.with_suffix(".lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not lock.take():
                _log.info("Waiting for %s, which reads the images of %s.", lock.holder, self._listing.root)
                lock.wait(_PATIENCE_SECONDS)
        except OSError:
            _log.debug("No lock in %s: its images may be read by several processes.", self.path.parent)
        try:
            yield
        finally:
            lock.give_back()

    def store(self, examined: Examined) -> None:
        """Write down what is known and not in the file yet, if the cache's folder can be written."""
        newest = self._listing.stamps[:, 1:].max(axis=1, initial=0)
        settled = (newest > 0) & (newest < self._started_ns - _RECENT_NS)
        rows = np.flatnonzero(examined.known & examined.lasting & settled)
        if len(rows) + len(self._others) == self._stored:
            return
        table = pa.concat_tables([_table(self._listing, examined, rows), self._others])
        content = BytesIO()
        named = table.replace_schema_metadata({_METADATA: self._identity})
        pq.write_table(named, content, compression="zstd", use_dictionary=["reason"])
        try:
            write_sealed(self.path, content.getbuffer())
            self._stored = len(table)
        except DiskError as error:
            _log.warning("What was found in %s will have to be found again: %s", self._listing.root, error)

    def _read(self) -> pa.Table | None:
        """The cached table; None if there is none that can be trusted."""
        try:
            table = _sealed_table(self.path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None  # where it cannot be written either, `store` says so
        except DamageError as error:
            fault = str(error)
        except (pa.ArrowException, OSError, ValueError) as error:
            fault = f"that it cannot be read ({error})"
        else:
            if (table.schema.metadata or {}).get(_METADATA) != self._identity:
                fault = "that it belongs to another pool or version"
            elif not table.schema.equals(_SCHEMA):
                fault = "other columns"
            else:
                return table
        _log.warning("%s is not trusted, and the images are read again; found: %s.", self.path, fault)
        self._stored = -1
        return None


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written anew; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _sealed_table(path: Path) -> pa.Table:
    """The table before the seal, which is memory-mapped."""
    if not check_seal(path):
        msg = "no digest at its end"
        raise DamageError(msg)
    with pa.memory_map(os.fsencode(path)) as file:
        return pq.read_table(pa.BufferReader(file.read_buffer(file.size() - SEAL_BYTES)))


def _table(listing: Listing, examined: Examined, rows: NDArray[np.int64]) -> pa.Table:
    traits = dict(vars(examined.traits.take(rows)))
    digests = pa.py_buffer(np.ascontiguousarray(traits["digests"]))
    traits["digests"] = pa.Array.from_buffers(pa.binary(32), len(rows), [None, digests])
    stamps = (np.ascontiguousarray(column) for column in listing.stamps[rows].T)
    reasons = examined.reasons_of(rows).column
    return pa.table([listing.paths.take(rows).column, *stamps, *traits.values(), reasons], schema=_SCHEMA)


def _fill(examined: Examined, rows: NDArray[np.int64], table: pa.Table) -> None:
    """Enter what a table says of rows of the listing."""
    traits = examined.traits
    digests = table["digest"].combine_chunks()
    if len(rows):
        bytes_of = np.frombuffer(digests.buffers()[1], dtype=np.uint8).reshape(-1, 32)
        traits.digests[rows] = bytes_of[digests.offset : digests.offset + len(rows)]
    traits.widths[rows] = table["width"].to_numpy()
    traits.heights[rows] = table["height"].to_numpy()
    traits.contrasts[rows] = table["contrast"].to_numpy()
    traits.perceptual_hashes[rows] = table["perceptual_hash"].to_numpy()
    reasons = table["reason"].combine_chunks().dictionary_encode()
    codes = np.array([examined.code(reason) for reason in reasons.dictionary.to_pylist()], dtype=np.int32)
    examined.codes[rows] = codes[reasons.indices.to_numpy()]
    examined.known[rows] = examined.lasting[rows] = True


def _of_other_folders(table: pa.Table, listing: Listing, places: NDArray[np.int64]) -> pa.Table:
    """Rows of a table for images that were not listed now because nobody looked into their folder.

    A class list may name some of a root's folders today and all of them tomorrow. What is missing in a folder
    that was listed is gone.
    """
    rest = table.filter(pa.array(np.isin(np.arange(len(table)), places, invert=True)))
    folders = _folders(rest["path"])
    looked_into = pc.unique(_folders(listing.paths.column))
    others = pc.unique(folders.filter(pc.invert(pc.is_in(folders, value_set=looked_into))))
    there = [folder for folder in others.to_pylist() if (listing.root / folder).is_dir()]
    return rest.filter(pc.is_in(folders, value_set=pa.array(there, pa.large_string())))


def _folders(paths: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return pc.replace_substring_regex(paths, pattern="/[^/]*$", replacement="")

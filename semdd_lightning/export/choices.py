"""What people decided about single images: ``choices.csv``, as the page of a selection writes it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Literal, cast

from pydantic import with_config

from semdd_lightning.errors import ChoicesError
from semdd_lightning.given import given_path
from semdd_lightning.names import cell_path
from semdd_lightning.records import RECORD

COLUMNS = ("path", "choice")
Choice = Literal["strike", "pin"]


@with_config(RECORD)
@dataclass(frozen=True)
class ChoicesRecord:
    """What a manifest says of them.

    Attributes:
        digest: SHA-256 of the file that they were read from, if any.
        struck: images that were never to be chosen.
        pinned: images that were to be chosen first, in order.
    """

    digest: str | None
    struck: tuple[str, ...]
    pinned: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """What is decided about one image.

    Attributes:
        path: the image in the pool.
        choice: whether it is struck out or pinned.
        place: where that stands, for messages.
        written: the path as it stands there, where that is another text.
    """

    path: str
    choice: Choice
    place: str
    written: str


@dataclass(frozen=True)
class Choices:
    """Images that are never chosen, and images that are chosen first.

    Attributes:
        decisions: one for each image, in the order of the file.
        digest: SHA-256 of the file, if any.

    Raises:
        ChoicesError: if one image is both struck out and pinned.
    """

    decisions: tuple[Decision, ...]
    digest: str | None = None

    def __post_init__(self) -> None:
        first: dict[str, Decision] = {}
        for decision in self.decisions:
            before = first.setdefault(decision.path, decision)
            if before.choice != decision.choice:
                msg = (
                    f"Expected one choice for {decision.path}, found {before.choice} in {before.place} and "
                    f"{decision.choice} in {decision.place}; remove one of them."
                )
                raise ChoicesError(msg)
        object.__setattr__(self, "decisions", tuple(first.values()))  # said twice is said

    @classmethod
    def of(cls, *, struck: Iterable[str] = (), pinned: Iterable[str] = ()) -> Choices:
        """Choices that stand in no file.

        Args:
            struck: paths of images in the pool that are never to be chosen.
            pinned: paths of images that are to be chosen first, in order.
        """
        struck_out = [Decision(path, "strike", "what is struck out", path) for path in struck]
        return cls((*struck_out, *(Decision(path, "pin", "what is pinned", path) for path in pinned)))

    @classmethod
    def recorded(cls, record: ChoicesRecord) -> Choices:
        """The choices that a manifest holds."""
        return cls(cls.of(struck=record.struck, pinned=record.pinned).decisions, record.digest)


def read_choices(file: Path | str) -> Choices:
    """Read ``choices.csv``: a table with the columns ``path`` and ``choice``, which is ``strike`` or ``pin``.

    Raises:
        ChoicesError: if it cannot be read, or a line of it cannot be understood.
    """
    file = given_path("choices", file).expanduser()
    try:
        content = file.read_bytes()
    except OSError as error:
        msg = f"Expected choices in {file}, found: {error.strerror}; give the file that the page wrote."
        raise ChoicesError(msg) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        msg = f"Expected line {line} of {file} in UTF-8, found other bytes; save it as UTF-8."
        raise ChoicesError(msg) from error
    return Choices(tuple(_decisions(file, text)), sha256(content).hexdigest())


def _decisions(file: Path, text: str) -> Iterator[Decision]:
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for row in rows:
            if not row:
                continue
            if not header:
                header = [name.strip() for name in row]
                if any(header.count(name) != 1 for name in COLUMNS):
                    raise _malformed(file, rows.line_num, "the columns path and choice", ", ".join(row))
                continue
            if len(row) != len(header):
                raise _malformed(file, rows.line_num, f"{len(header)} cells", f"{len(row)}")
            written, choice = (row[header.index(name)] for name in COLUMNS)
            if choice.strip() not in ("strike", "pin"):
                raise _malformed(file, rows.line_num, "strike or pin as choice", repr(choice))
            place = f"line {rows.line_num} of {file}"
            yield Decision(cell_path(written), cast("Choice", choice.strip()), place, written)
    except csv.Error as error:
        raise _malformed(file, rows.line_num, "CSV", str(error)) from error
    if not header:
        raise _malformed(file, 1, "the columns path and choice", "nothing")


def _malformed(file: Path, line: int, expected: str, found: str) -> ChoicesError:
    return ChoicesError(
        f"Expected line {line} of {file} to hold {expected}, found {found}; correct it, or download the "
        "choices from the page again."
    )

"""Files that end in a digest, JSON records and sealed binary files: read back unchanged, or refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DamageError, SemddError
from semdd_lightning.names import get_logger

RECORD = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""What `pydantic.with_config` takes for a dataclass that is a record: its fields and no others."""
DIGEST = "sha256"
CHANGED = "that it was changed since it was written (its digest does not fit)"
Schema = TypeVar("Schema")
_MARK = b"semddSHA"
SEAL_BYTES = len(_MARK) + hashlib.sha256().digest_size
_CHUNK = 2**22
_TRIED = ("Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")
_adapter = cache(TypeAdapter[Any])
_log = get_logger(__name__)


def content_key(content: Any) -> str:  # noqa: ANN401 - any JSON
    """SHA-256 (hex) of plain JSON values; the order of entries plays no part.

    >>> content_key({"a": 1, "b": (2,)}) == content_key({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record atomically, its digest as its last entry; what JSON cannot hold becomes text."""
    plain = json.loads(json.dumps(content, default=str, allow_nan=False))
    text = json.dumps({**plain, DIGEST: content_key(plain)}, indent=2)
    write_atomically(path, f"{text}\n".encode())


def read_record(path: Path, schema: type[Schema], error: type[SemddError], advice: str) -> Schema:
    """Read a record back, if it is what was written and has the form that it should have.

    A record without a digest, as version 0.1 wrote them, is read with a note: its form is checked, but a
    number that changed into another one could not be seen.

    Args:
        path: The file.
        schema: The dataclass that it is to become.
        error: Raised if it cannot.
        advice: What to do then.
    """
    try:
        content = parse_json(path.read_bytes())
        if not isinstance(content, dict):
            msg = f"{type(content).__name__} in place of a mapping"
            raise ValueError(msg)
        digest = content.pop(DIGEST, None)
        if digest is None:
            _log.info("%s has no digest, as records of version 0.1: damage to it cannot be seen.", path)
        elif digest != content_key(content):
            raise ValueError(CHANGED)
        return checked(content, schema)
    except (OSError, ValueError, RecursionError, SemddError) as problem:
        msg = f"Expected {path} to be whole and of its form, found {in_words(problem)}; {advice}."
        raise error(msg) from problem


def write_sealed(path: Path, content: bytes | memoryview) -> None:
    """Write a file and its seal, which is a digest of all that stands before it, atomically.

    A zip archive, such as a checkpoint, may be followed by other bytes: whoever reads it by other means, as
    ``torch.load``, does not notice the seal.
    """
    write_atomically(path, content, _MARK + hashlib.sha256(content).digest())


def check_seal(path: Path) -> bool:
    """See that a file is what was written, in memory that does not grow with it.

    Returns:
        Whether there is a seal; version 0.1 wrote none.

    Raises:
        DamageError: If the file was changed since it was written.
        OSError: If it cannot be read.
    """
    length = path.stat().st_size - SEAL_BYTES
    if length < 0:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        stream.seek(length)
        seal = stream.read()
        if not seal.startswith(_MARK):
            return False
        stream.seek(0)
        while chunk := stream.read(min(_CHUNK, length - stream.tell())):
            digest.update(chunk)
    if seal != _MARK + digest.digest():
        raise DamageError(CHANGED)
    return True


def parse_json(content: bytes | str) -> Any:  # noqa: ANN401 - any JSON
    """What JSON says, where it says it once and with finite numbers.

    Raises:
        ValueError: If it is no JSON, names an entry twice, holds a number that is none, or nests too deep.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        msg = "JSON that nests too deep"
        raise ValueError(msg) from error


def checked(content: Any, schema: type[Schema]) -> Schema:  # noqa: ANN401 - any JSON
    """Plain JSON values as the dataclass that they describe.

    Raises:
        ValueError: If they do not fit it.
    """
    try:
        text = json.dumps(content)
    except (TypeError, RecursionError) as error:
        msg = f"what JSON cannot hold ({error})"
        raise ValueError(msg) from error
    kind: Any = schema  # mypy does not take the type of a variable for hashable
    found: Schema = _adapter(kind).validate_json(text)
    return found


def in_words(problem: BaseException) -> str:
    """A problem in one line; of several that pydantic found, the first."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if not isinstance(problem, ValidationError):
        return in_one_line(str(problem)) or type(problem).__name__
    found = problem.errors(include_url=False, include_context=False, include_input=False)
    first, *others = sorted(found, key=lambda error: error["type"] != "literal_error")  # versions lead
    place = ".".join(str(part) if isinstance(part, int) else ascii(part)[1:-1] for part in first["loc"])
    more = f" (and {len(others)} more)" if others else ""
    return f"{place or 'all of it'}: {first['msg']}{more}"


def in_one_line(message: str) -> str:
    r"""A message of jsonargparse, which tells all that it tried line by line, without what it tried in vain.

    >>> in_one_line("Key 'x':\n  Errors:\n    - Option 'y' is not accepted\n  Given value: 1")
    "Key 'x': Option 'y' is not accepted"
    """
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line.removeprefix("- ") for line in lines if not line.startswith(_TRIED))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "an entry that is named twice"
        raise ValueError(msg)
    return found


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(name: str) -> float:
    msg = f"{name}, which is no number"
    raise ValueError(msg)

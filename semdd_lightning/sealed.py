"""Binary files that end in a digest of all that stands before it.

A zip archive, such as a checkpoint, may be followed by other bytes: whoever reads it without this module, as
``torch.load`` does, does not notice the seal.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DamageError

_MARK = b"semddSHA"
SEAL_BYTES = len(_MARK) + hashlib.sha256().digest_size
_CHUNK = 2**22


def write_sealed(path: Path, content: bytes | memoryview) -> None:
    """Write a file and its seal atomically.

    Args:
        path: The file.
        content: All of it.

    Raises:
        DiskError: If it cannot be written.
    """
    write_atomically(path, content, _MARK + hashlib.sha256(content).digest())


def check_seal(path: Path) -> bool:
    """See that a file is what was written, in memory that does not grow with it.

    Args:
        path: The file.

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
        msg = "that it was changed since it was written (its digest does not fit)"
        raise DamageError(msg)
    return True

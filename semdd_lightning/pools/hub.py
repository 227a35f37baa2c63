"""Data sets on the Hugging Face hub: fetched into the hub's own cache once, and read where they lie there."""

from __future__ import annotations

import re
from pathlib import Path

from semdd_lightning.errors import PoolError

_NAME = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<below>.*))?")


def hub_name(path: Path | str) -> str | None:
    """The name of a data set on the hub, where a path is one.

    >>> hub_name(Path("hf://user/birds@v1/data")), hub_name("hf/user/birds")
    ('hf://user/birds@v1/data', None)

    Args:
        path: ``hf://user/name``, with ``@revision`` or a folder below; `Path` may have taken a slash away.
    """
    match = _NAME.fullmatch(str(path))
    return None if match is None else f"hf://{str(path).removeprefix('hf:').lstrip('/')}"


def local_path(path: Path | str) -> Path:
    """Where a pool lies on this machine; a data set of the hub is fetched if it is not there yet.

    Args:
        path: A path, or what `hub_name` knows.

    Raises:
        PoolError: If a data set of the hub is neither here nor can be had.
    """
    match = _NAME.fullmatch(str(path))
    if match is None:
        return Path(path)
    folder = _snapshot(match["repository"], match["revision"])
    return folder / match["below"] if match["below"] else folder


def _snapshot(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        try:
            return Path(
                snapshot_download(repository, repo_type="dataset", revision=revision, local_files_only=True)
            )
        except LocalEntryNotFoundError:
            return Path(snapshot_download(repository, repo_type="dataset", revision=revision))
    except Exception as error:  # the hub's client lets errors of its own and of its transport through
        msg = (
            f"Expected the data set {repository} in the Hugging Face hub's cache or on the hub, found: "
            f"{str(error).splitlines()[0]}; correct the name, log in where it needs that (hf auth login), or "
            f"fetch it where there is a network: hf download {repository} --repo-type dataset."
        )
        raise PoolError(msg) from error

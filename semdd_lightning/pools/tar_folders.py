"""Tars of class folders: where the class folders are, and the images in them."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.splits import are_splits, one_to_choose_from, shared_classes
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.tar_members import TarMembers

_log = get_logger(__name__)


class TarRows(NamedTuple):
    """Images of one shard.

    Args:
        names: Path of each below its class folder, shape ``(N,)``.
        labels: The label of each, or its class folder, shape ``(N,)``.
        places: Where each lies in the shard, and why it is unusable, as in `TarMembers`, shape ``(N, 3)``.
    """

    names: Strings
    labels: Strings
    places: NDArray[np.int64]


def rows_by_folder(root: Path, members: Sequence[TarMembers], below: str | None) -> list[TarRows]:
    """The images of every shard that lie below class folders, which are their labels.

    Args:
        root: The pool, for messages.
        members: What each shard holds.
        below: The folder inside that holds the class folders (default: it is looked for).

    Raises:
        PoolError: If there are no class folders, it is not clear which they are, or one has no image.
    """
    parents = [
        pc.replace_substring_regex(of_shard.images.column, r"(^|/)[^/]*$", "").dictionary_encode()
        for of_shard in members
    ]
    everywhere: Counter[str] = Counter()
    for of_shard in parents:
        for entry in of_shard.value_counts().to_pylist():
            everywhere[entry["values"]] += entry["counts"]
    base = _folder_of_classes(everywhere, below, str(root))
    start = f"{base}/" if base else ""
    rows = []
    for shard, parent in zip(members, parents, strict=True):
        inside = [name.startswith(start) and name != base for name in parent.dictionary.to_pylist()]
        kept = np.flatnonzero(np.array(inside, dtype=bool)[parent.indices.to_numpy()])
        paths = pc.utf8_slice_codeunits(shard.images.take(kept).column, start=len(start))
        names, folders = (
            Strings(pc.replace_substring_regex(paths, end, "")) for end in (r"^[^/]*/", r"/.*$")
        )
        rows.append(TarRows(names, folders, shard.places[kept]))
    loose = everywhere[base]
    if loose:
        place = repr(base) if base else "the top"
        _log.warning("%d images directly in %s of %s belong to no class, are ignored.", loose, place, root)
    listed = {name.removeprefix(start) for m in members for name in m.folders if name.startswith(start)}
    filled = {folder for of_shard in rows for folder in of_shard.labels.column.unique().to_pylist()}
    empty = sorted({name.partition("/")[0] for name in listed} - filled)
    if empty:
        msg = (
            f"Expected class folder {empty[0]!r} of {root} to hold image files, found none, nor in "
            f"{len(empty) - 1} other class folders; make the tar again with images or without the folder."
        )
        raise PoolError(msg)
    return rows


def _folder_of_classes(parents: Mapping[str, int], below: str | None, where: str) -> str:
    """The folder inside a tar whose subfolders are the classes; empty for the top of the tar.

    As long as all images lie below one folder that holds none itself, it is gone down; the first folder
    with a subfolder that holds images is the one. Where the way forks before, or the only folder holds both
    images and folders of images, `below` has to say it. Splits, and several pools of the same classes side by
    side, are no classes, whoever says so.

    >>> _folder_of_classes({"pool/train/cat": 3, "pool/train/dog": 3}, None, "x.tar")
    'pool/train'
    >>> _folder_of_classes({"pool/ipc1/0": 1, "pool/ipc10/0": 10}, "pool/ipc10", "x.tar")
    'pool/ipc10'

    >>> _folder_of_classes({f"pool/ipc{k}/{c}": k for k in (1, 10) for c in (0, 1)}, None, "x.tar")
    Traceback (most recent call last):
    ...
    semdd_lightning.errors.PoolError: Expected one folder of class folders in x.tar, found 'pool/ipc1', \
'pool/ipc10', which share 2 class folders; give one of them, as x.tar/pool/ipc10.
    """
    counts = {tuple(parent.split("/")) if parent else (): number for parent, number in parents.items()}
    places = set(counts)
    path = posixpath.normpath((below or "").strip("/") or ".")
    base = () if path == "." else tuple(path.split("/"))
    while True:
        inside = _subfolders(places, base)
        if not inside:
            raise PoolError(_no_classes(places, base, where))
        expected = f"Expected one folder of class folders in {where}, found"
        candidates = some_of(["/".join((*base, folder)) for folder in sorted(inside)])
        shared = _shared_folders(counts, base, inside)
        holding = any((*base, folder) in places for folder in inside)
        only = (*base, *inside) if len(inside) == 1 else None
        # a lone split with class folders in it is gone down, as any lone folder, but for the test split
        alone = only is not None and _subfolders(places, only) and one_to_choose_from(inside) is not None
        if shared or (are_splits(inside) and not alone):
            why = f"which share {len(shared)} class folders" if shared else "which are splits"
            msg = f"{expected} {candidates}, {why}; give one of them{_example(inside, base, where)}."
            raise PoolError(msg)
        if below is not None or (holding and not (only and _subfolders(places, only))):
            return "/".join(base)
        if holding or only is None:
            top = "/".join(base) or "."
            msg = (
                f"{expected} {candidates} with folders of images in them; give the one whose folders are the "
                f"classes{_example(inside, base, where)}, or {top!r} as `below` (--reader below={top}) where "
                "they are the classes."
            )
            raise PoolError(msg)
        base = only


def _subfolders(places: set[tuple[str, ...]], base: tuple[str, ...]) -> set[str]:
    depth = len(base)
    return {place[depth] for place in places if len(place) > depth and place[:depth] == base}


def _shared_folders(
    counts: Mapping[tuple[str, ...], int], base: tuple[str, ...], inside: set[str]
) -> list[str]:
    """The class folders that several pools in a tar share."""
    places = {}
    for name in inside:
        here = (*base, name)
        own = counts.get(here, 0)
        below = sum(number for place, number in counts.items() if place[: len(here)] == here) - own
        places[name] = (_subfolders(set(counts), here), own, below)
    return shared_classes(places)


def _example(inside: Iterable[str], base: tuple[str, ...], where: str) -> str:
    """How a user writes a folder in a tar: behind its path; in a folder of tars there is none of the tar."""
    advice = one_to_choose_from(sorted(inside, reverse=True))
    if advice is None:
        return ""
    folder = "/".join((*base, advice))
    return f", as {where}/{folder}" if where.lower().endswith(".tar") else f" (--reader below={folder})"


def _no_classes(places: set[tuple[str, ...]], base: tuple[str, ...], where: str) -> str:
    if base:
        there = sorted({"/".join(place[:-1]) or "." for place in places if place})
        return (
            f"Expected class folders with images below {'/'.join(base)!r} in {where}, found none; there are "
            f"some below {some_of(there) or 'no folder'}; correct `below`."
        )
    return (
        f"Expected a class for every image of {where}, found neither labels (.cls or .json members beside "
        "the images) nor class folders; make the tar with one of them, or ask for `labels: txt` (--reader "
        "labels=txt) where .txt members hold the class."
    )

"""Where in a tar of class folders the class folders are."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError


def folder_of_classes(parents: Collection[str], below: str | None, where: str) -> str:
    """The folder inside a tar whose subfolders are the classes; empty for the top of the tar.

    As long as all images lie below one folder that holds none itself, it is gone down; the first folder
    with a subfolder that holds images is the one. Where the way forks before, or the only folder holds both
    images and folders of images, `below` has to say it.

    >>> folder_of_classes(["pool/train/cat", "pool/train/dog"], None, "x.tar")
    'pool/train'
    >>> folder_of_classes(["pool/ipc1/0", "pool/ipc10/0"], "pool/ipc10", "x.tar")
    'pool/ipc10'

    Args:
        parents: The folders that hold images; empty for the top.
        below: What the user says; `.` is the top.
        where: Name of the tar or the pool, for messages.

    Raises:
        PoolError: If there is no class folder, or it is not clear which folders are the classes.
    """
    places = {tuple(parent.split("/")) if parent else () for parent in parents}
    base = () if below is None else _parts(below)
    while True:
        inside = _subfolders(places, base)
        if not inside:
            raise PoolError(_no_classes(places, base, where))
        holding = any((*base, folder) in places for folder in inside)
        only = (*base, *inside) if len(inside) == 1 else None
        if below is not None or (holding and not (only and _subfolders(places, only))):
            return "/".join(base)
        if holding or only is None:
            raise PoolError(_fork(inside, base, where))
        base = only


def _subfolders(places: set[tuple[str, ...]], base: tuple[str, ...]) -> set[str]:
    depth = len(base)
    return {place[depth] for place in places if len(place) > depth and place[:depth] == base}


def _parts(below: str) -> tuple[str, ...]:
    path = posixpath.normpath(below.strip("/") or ".")
    return () if path == "." else tuple(path.split("/"))


def _fork(inside: set[str], base: tuple[str, ...], where: str) -> str:
    candidates = ["/".join((*base, folder)) for folder in sorted(inside)]
    return (
        f"Expected one folder of class folders in {where}, found {some_of(candidates)} with folders of "
        "images in them; give the one whose folders are the classes as `below`, or "
        f"{'/'.join(base) or '.'!r} where they are the classes."
    )


def _no_classes(places: set[tuple[str, ...]], base: tuple[str, ...], where: str) -> str:
    if base:
        there = sorted({"/".join(place[:-1]) or "." for place in places if place})
        return (
            f"Expected class folders with images below {'/'.join(base)!r} in {where}, found none; there are "
            f"some below {some_of(there) or 'no folder'}; correct `below`."
        )
    return (
        f"Expected a class for every image of {where}, found neither labels (.cls or .json members beside "
        "the images) nor class folders; make the tar with one of them, or ask for `labels: txt` where .txt "
        "members hold the class."
    )

"""What a made pool says of itself: its record ``pool.json``, and in each PNG what that image was made of."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from PIL import Image, PngImagePlugin
from pydantic import Field, with_config

from semdd_lightning import __version__
from semdd_lightning.errors import PoolError
from semdd_lightning.pools import decode_image
from semdd_lightning.pools.files import is_image_name
from semdd_lightning.records import RECORD, read_record

NAME = "pool.json"
TEXT = "semdd"
"""Name of the PNG text that says what an image is."""
_LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "pillow")


@with_config(RECORD)
@dataclass(frozen=True)
class MadeClass:
    """What a pool holds of a class.

    Attributes:
        name: its name.
        folder: its folder.
        wnid: its WordNet id, if it has one.
        made_with: what its images were made with, as prompts.
        files: SHA-256 of each image file by its name.
        made: images that were made, of which these were kept.
        stopped: why no more were made, where that was judged round by round.
    """

    name: str
    folder: str
    wnid: str | None
    made_with: dict[str, Any]
    files: dict[str, str]
    made: Annotated[int, Field(ge=0)]
    stopped: str | None = None


@with_config(RECORD)
@dataclass(frozen=True)
class PoolRecord:
    """How a pool was made.

    Attributes:
        plan: generator, what it was made of, seed, sizes and classes: the same plan makes the same images.
        seed_rule: how the seed of an image follows from that of the pool.
        classes: what came out, class by class, in class order.
        versions: versions of what made it.
        format: version of this record.
    """

    plan: dict[str, Any]
    seed_rule: str
    classes: tuple[MadeClass, ...]
    versions: dict[str, str]
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        folders = [of_class.folder for of_class in self.classes]
        plain = all(PurePath(folder).parts == (folder,) and "\0" not in folder for folder in folders)
        said = isinstance(self.plan.get("generator"), str) and isinstance(self.plan.get("seed"), int)
        if not folders or len(set(folders)) < len(folders) or not plain or ".." in folders or not said:
            msg = f"Expected a folder for each class, and what made them, found {folders[:3]} by {self.plan}."
            raise PoolError(msg)

    def __len__(self) -> int:
        return sum(len(of_class.files) for of_class in self.classes)


def read_pool_record(directory: Path) -> PoolRecord:
    """Read the record of a made pool.

    Args:
        directory: the pool.

    Raises:
        PoolError: if there is none, or it was changed.
    """
    return read_record(directory / NAME, PoolRecord, PoolError, "make the pool again")


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) of every image file directly in a folder, by name, in the order of the names.

    Args:
        folder: folder of a class; one that is not there holds nothing.
    """
    if not folder.is_dir():
        return {}
    names = sorted(entry.name for entry in folder.iterdir() if is_image_name(entry.name))
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def pool_differences(directory: Path, record: PoolRecord) -> list[str]:
    """What a pool holds other than its record says, one line each; empty where it is what it claims.

    Args:
        directory: the pool.
        record: its record.
    """
    found = []
    for of_class in record.classes:
        there = file_digests(directory / of_class.folder)
        kinds = {
            "missing": [name for name in of_class.files if name not in there],
            "changed": [name for name, digest in of_class.files.items() if there.get(name, digest) != digest],
            "not of this pool": [name for name in there if name not in of_class.files],
        }
        found += [
            f"{of_class.folder}: {len(names)} of {len(of_class.files)} images {kind}, as {names[0]}."
            for kind, names in kinds.items()
            if names
        ]
    folders = {entry.name for entry in directory.iterdir() if entry.is_dir() and entry.name[0] != "."}
    others = sorted(folders - {of_class.folder for of_class in record.classes})
    return found + [f"{name}: a folder that is not of this pool." for name in others]


def versions() -> dict[str, str]:
    """Versions of what makes images, of those libraries that are installed."""
    found = {"semdd-lightning": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def file_name(number: int) -> str:
    """The file of an image, so that names sort as numbers do.

    >>> file_name(7)
    '00007.png'
    """
    return f"{number:05d}.png"


def encoded(image: Image.Image, facts: Mapping[str, Any]) -> bytes:
    """The whole file of an image.

    Args:
        image: the image.
        facts: class, number, seed and what it was made of, in plain values.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt(TEXT, json.dumps(facts, sort_keys=True))
    stream = BytesIO()
    image.save(stream, format="PNG", pnginfo=text)
    return stream.getvalue()


def is_whole(path: Path, side: int | None) -> bool:
    """Whether a file is there and holds a whole image; what a broken disk left is made again.

    Args:
        path: the file.
        side: pixels per side that it must have (default: any).
    """
    try:
        size = decode_image(path.read_bytes()).size
    except OSError:
        return False
    return side is None or size == (side, side)


def image_facts(path: Path) -> dict[str, Any]:
    """What a made image says of itself: class, number, seed and what it was made of.

    Args:
        path: its file.

    Raises:
        PoolError: if it says nothing.
    """
    with Image.open(path) as image:
        text = image.info.get(TEXT)
    if text is None:
        msg = f"Expected an image that `semdd pool make` wrote at {path}, found another; correct the path."
        raise PoolError(msg)
    facts: dict[str, Any] = json.loads(text)
    return facts

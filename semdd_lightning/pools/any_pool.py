"""A pool of any layout, here or on the Hugging Face hub: recognised by its names, or named."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.image_set import DiskPool, Found, ImageSet
from semdd_lightning.pools.layouts import AUTO
from semdd_lightning.pools.sniffing import FoundLayout, sniff

_HUB_NAME = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<below>.*))?")
_log = get_logger(__name__)


@dataclass(frozen=True)
class AnyPool(DiskPool):
    """A pool of any known layout on disk.

    Args:
        path: The pool, or a folder that only wraps it; for tar shards also a pattern; for a data set on the
            Hugging Face hub ``hf://user/name``, or a folder of it, ``hf://user/name/data``.
        layout: Name of the layout; `auto` recognises it by the names of folders and files.
        split: Split to read, as the layout's reader names it: `train` or `test` of CIFAR, `train` or `val` of
            ImageNet and Tiny-ImageNet, any of a Hugging Face data set; none takes the reader's own choice,
            which is the training split. Layouts without splits take none.
        settings: Further settings of the layout's reader by their names, as `label_column` of a table or
            `normalization` of tensors.
    """

    layout: str = AUTO
    split: str | None = None
    settings: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "path", hub_name(self.path) or Path(self.path))

    def prepare(self) -> None:
        """Fetch a data set of the hub that is not on this machine yet."""
        _local_path(self.path)

    def found(self) -> FoundLayout:
        """The layout, where it begins, and by what it was recognised.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        return sniff(_local_path(self.path), self.layout)

    def reader(self, found: FoundLayout | None = None) -> DiskPool:
        """The set of the layout that was found.

        Args:
            found: What `found` gave; none looks for it.

        Raises:
            PoolError: If nothing is there, no layout fits, or the layout has no such split or setting.
        """
        found = self.found() if found is None else found
        reader = found.layout.reader(found.path, self.classes, self.class_names)
        settings = dict(self.settings or {})
        if self.split is not None:
            settings["split"] = self.split
        return _with_settings(reader, settings)

    def evaluation_split(self) -> str | None:
        """The name that the reader has for the split to test on: `test` of CIFAR, `val` of ImageNet.

        None for layouts whose readers name no splits.

        Raises:
            PoolError: If nothing is there, or no layout fits.
        """
        splits = _named(get_type_hints(self.found().layout.reader).get("split"))
        return next((split for split in splits if split != "train"), None)

    def find(self, default: ClassRegistry | None = None) -> Found:
        """What the layout's own reader finds."""
        found = self.found()
        if found.wrappers:
            _log.info("The pool begins in %s: %s.", found.path, found.evidence)
        return self.reader(found).find(default)


def as_image_set(pool: object) -> ImageSet:
    """An image set as it is; a path as a pool of any layout.

    Args:
        pool: What a user gave as a pool.

    Raises:
        PoolError: If it is neither.
    """
    if isinstance(pool, ImageSet):
        return pool
    if isinstance(pool, str | Path):
        return AnyPool(Path(pool))
    msg = f"Expected a pool's reader or its path, found {pool!r}; give AnyPool(path), or another reader."
    raise PoolError(msg)


def _with_settings(reader: DiskPool, settings: Mapping[str, Any]) -> DiskPool:
    """The reader with settings that only its layout has, each of the type that it takes."""
    own = {field.name for field in fields(reader)} - {field.name for field in fields(DiskPool)}
    types = get_type_hints(type(reader))
    change: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in own:
            msg = (
                f"Expected {_one_of(own)} for "
                f"{reader.path}, found {name} {value!r}; leave it out: {type(reader).__name__} has none of "
                "that name."
            )
            raise PoolError(msg)
        try:
            change[name] = TypeAdapter(types[name]).validate_python(value)
        except ValidationError as error:
            names = _named(types[name])
            what = f"{' or '.join(names)}" if names else error.errors()[0]["msg"].lower()
            msg = (
                f"Expected the {name} of {reader.path} to be a value that {type(reader).__name__} takes "
                f"({what}), found {value!r}; correct it."
            )
            raise PoolError(msg) from error
    return replace(reader, **change)


def _one_of(names: Collection[str]) -> str:
    return f"a setting out of {', '.join(sorted(names))}" if names else "no settings"


def _named(kind: object) -> tuple[str, ...]:
    """The names that a setting is limited to, if any."""
    literals = [kind, *get_args(kind)]
    return next((get_args(one) for one in literals if get_origin(one) is Literal), ())


def hub_name(path: Path | str) -> str | None:
    """The name of a data set on the hub, where a path is one.

    >>> hub_name(Path("hf://user/birds@v1/data")), hub_name("hf/user/birds")
    ('hf://user/birds@v1/data', None)

    Args:
        path: ``hf://user/name``, with ``@revision`` or a folder below; `Path` may have taken a slash away.
    """
    match = _HUB_NAME.fullmatch(str(path))
    return None if match is None else f"hf://{str(path).removeprefix('hf:').lstrip('/')}"


def _local_path(path: Path | str) -> Path:
    """Where a pool lies on this machine; a data set of the hub is fetched if it is not there yet."""
    match = _HUB_NAME.fullmatch(str(path))
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

"""A pool of any layout, here or on the Hugging Face hub: recognised by its names, or named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.files import printable
from semdd_lightning.pools.image_set import DiskPool, Found, ImageSet
from semdd_lightning.pools.layouts import LAYOUT_NAMES, LAYOUTS, Layout
from semdd_lightning.pools.recognisers import Seen, flat_split, look, shared_folders
from semdd_lightning.pools.splits import are_splits, one_to_choose_from
from semdd_lightning.pools.tensor_files import TORCH_SUFFIXES

AUTO = "auto"

_HUB_NAME = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<below>.*))?")
_DEEPEST = 8  # wrapper folders around a pool
_WRAPPERS = ("generated_images", "syn_data")  # CoDA and RDED write pools into folders of this name
_log = get_logger(__name__)


@dataclass(frozen=True)
class FoundLayout:
    """What a path turned out to hold.

    Args:
        layout: The layout.
        path: Where it begins: the path asked about, or a folder below it.
        evidence: What was seen of it, in words.
        wrappers: Folders that were stepped into to get there.
    """

    layout: Layout
    path: Path
    evidence: str
    wrappers: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnyPool(DiskPool):
    """A pool of any known layout on disk.

    Args:
        path: The pool, or a folder that only wraps it; for tar shards also a pattern; for a data set on the
            Hugging Face hub ``hf://user/name``, or a folder of it, ``hf://user/name/data``.
        layout: Name of the layout; `auto` recognises it by the names of folders and files.
        split: Split to read, as the layout's reader names it: `train` or `test` of CIFAR, `train` or `val` of
            ImageNet and Tiny-ImageNet, any of a Hugging Face data set (default: the reader's own choice,
            which is the training split). Layouts without splits take none.
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
            found: What `found` gave (default: it is looked for).

        Raises:
            PoolError: If nothing is there, no layout fits, or the layout has no such split or setting.
        """
        found = self.found() if found is None else found
        reader = found.layout.reader(found.path, self.classes, self.class_names)
        own = {field.name for field in fields(reader)} - {field.name for field in fields(DiskPool)}
        types, change = get_type_hints(type(reader)), {}
        split = {} if self.split is None else {"split": self.split}
        for name, value in ({**(self.settings or {}), **split}).items():
            if name not in own:
                taken = f"a setting out of {', '.join(sorted(own))}" if own else "no settings"
                msg = (
                    f"Expected {taken} for {reader.path}, found {name} {value!r}; leave it out: "
                    f"{type(reader).__name__} has none of that name."
                )
                raise PoolError(msg)
            try:
                change[name] = TypeAdapter(types[name]).validate_python(value)
            except ValidationError as error:
                what = " or ".join(_named(types[name])) or error.errors()[0]["msg"].lower()
                msg = (
                    f"Expected the {name} of {reader.path} to be a value that {type(reader).__name__} takes "
                    f"({what}), found {value!r}; correct it."
                )
                raise PoolError(msg) from error
        return replace(reader, **change)

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


def sniff(path: Path, layout: str = AUTO) -> FoundLayout:
    """Find out, by names alone, which layout a path holds, or where one begins.

    Only the names in a few folders are looked at, however large the pool is. A folder that only wraps the
    pool is stepped into.

    Args:
        path: A folder, a file, or a pattern of tar shards.
        layout: Name of the only layout to think of, or `auto`. Where nothing of it is seen, the path is
            taken as it is.

    Raises:
        PoolError: If nothing is there, or no layout fits.
    """
    path = Path(path).expanduser().absolute()
    if layout != AUTO and layout not in LAYOUT_NAMES:
        names = ", ".join(LAYOUT_NAMES)
        msg = f"Expected a layout to be {AUTO} or one of {names}, found {layout!r}; name one."
        raise PoolError(msg)
    layouts = LAYOUTS if layout == AUTO else (LAYOUT_NAMES[layout],)
    seen = Seen(path)
    for seen in _steps(path):
        for known in layouts:
            evidence = known.recogniser(seen)
            if evidence is not None:
                wrappers = seen.path.relative_to(path).parts
                return FoundLayout(known, seen.path, printable(evidence), wrappers)
    if not path.exists():
        msg = f"Expected an image pool at {path}, found nothing there; correct the path."
        raise PoolError(msg)
    if layout != AUTO:
        return FoundLayout(layouts[0], path, f"asked for; seen is {printable(look(path).described())}")
    raise PoolError(_nothing_fits(seen))


def _steps(path: Path) -> Iterator[Seen]:
    """The path, and what it wraps, and what that wraps; not what a folder of a method's results is itself."""
    for _ in range(_DEEPEST):
        seen = look(path)
        inside = [name for name in _WRAPPERS if name in seen.folders]
        if "images" in seen.folders and "manifest.json" in seen.files:
            inside.append("images")
        if not inside:
            yield seen
            inside = [*seen.folders] or _tensor_files(seen)
            if len(inside) != 1 or seen.images:
                return
        path /= inside[0]


def _tensor_files(seen: Seen) -> list[str]:
    """Files of tensors that hold images; labels, and what is whitened and saved restored too, left out."""
    files = [name for name in seen.with_suffix(*TORCH_SUFFIXES) if not name.startswith("labels")]
    restored = {name.replace("images_zca_", "images_") for name in files if "images_zca_" in name}
    return [name for name in files if name not in restored]


def _nothing_fits(seen: Seen) -> str:
    path, found = seen.path, printable(seen.described())
    hint = "correct the path or name the layout"
    tensors = _tensor_files(seen)
    advice = one_to_choose_from(seen.folders)
    example = "" if advice is None else f", as {path / advice}"
    if are_splits(seen.folders):
        hint = f"give one split{example}"
    elif shared := shared_folders(path, seen.folders):
        found += f", which share {len(shared)} class folders"
        hint = (
            f"if they are splits, or pools of the same classes, give one of them{example}, or merge them "
            "(MergedFolders with `parts` in a config); if they are the classes, give the layout "
            "class_folders (--layout class_folders)"
        )
    elif len(tensors) > 1:
        hint = f"name one file of images, as {path / tensors[-1]}"
    elif flat := flat_split(seen):
        folder, split = flat
        named = "" if folder.name == split else f", after naming {folder.name} {split!r}"
        hint = (
            f"the classes stand beside it: give the folder above, {folder.parent}, and split {split!r}{named}"
        )
        if split == "test":
            hint = "the classes of these test images are not published, give images that have labels"
    elif seen.images and not seen.folders:
        hint = "put the images of each class into a folder of their own"
    return f"Expected an image pool at {path}, found {found}; {hint}. Layouts are {', '.join(LAYOUT_NAMES)}."


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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository = match["repository"]
    snapshot = partial(snapshot_download, repository, repo_type="dataset", revision=match["revision"])
    try:
        try:
            folder = Path(snapshot(local_files_only=True))
        except LocalEntryNotFoundError:
            folder = Path(snapshot())
    except Exception as error:  # the hub's client lets errors of its own and of its transport through
        msg = (
            f"Expected the data set {repository} in the Hugging Face hub's cache or on the hub, found: "
            f"{str(error).splitlines()[0]}; correct the name, log in where it needs that (hf auth login), or "
            f"fetch it where there is a network: hf download {repository} --repo-type dataset."
        )
        raise PoolError(msg) from error
    return folder / (match["below"] or "")

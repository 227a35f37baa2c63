"""The exported subset: class folders of chosen images beside manifest, report and score table."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.folders import numbered_name
from semdd_lightning.classes.registry import is_wnid, plain_name
from semdd_lightning.errors import RunError
from semdd_lightning.export.manifest import Manifest, read_manifest
from semdd_lightning.pools import Pool
from semdd_lightning.pools.files import relative_name
from semdd_lightning.pools.images import went_bad
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.pools.stated_labels import folder_names
from semdd_lightning.records import CHANGED

if TYPE_CHECKING:  # torch, which manifests and versions can be written without
    from semdd_lightning.selection import Selection

IMAGES = "images"
TABLE = "scores.parquet"
_COLUMNS = ("path", "class_name", "label", "stage", "step")


def selection_table(pool: Pool, selection: Selection) -> pd.DataFrame:
    """One row for each image file of the pool: path, class, scores, stage and the reason why.

    Unreadable and duplicate files follow at the end with stage ``excluded``.
    """
    names = pool.registry.names
    chosen = selection.to_frame()
    chosen.insert(0, "path", list(pool.paths))
    chosen.insert(1, "class_name", [names[label] for label in pool.labels])
    excluded = pd.DataFrame(
        {
            "path": [image.path for image in pool.excluded],
            "class_name": [names[image.class_index] for image in pool.excluded],
            "label": [image.class_index for image in pool.excluded],
            "candidate": False,
            "stage": "excluded",
            "reason": [image.reason for image in pool.excluded],
        }
    )
    return pd.concat([chosen, excluded], ignore_index=True) if len(excluded) else chosen


def read_table(directory: Path) -> pd.DataFrame:
    """Read the score table of a run or an exported subset.

    Raises:
        RunError: if there is none, or it is not the one that its manifest was written with.
    """
    manifest = read_manifest(directory)
    found = [path for path in (directory / TABLE, directory / "subset" / TABLE) if path.is_file()]
    if not found:
        msg = (
            f"Expected {TABLE} in {directory}, found none; give the directory of `semdd select` or "
            "`semdd fit`."
        )
        raise RunError(msg)
    try:
        content = found[0].read_bytes()
        if manifest.table_digest not in (None, sha256(content).hexdigest()):
            raise ValueError(CHANGED)
        table = pd.read_parquet(BytesIO(content))
        if missing := [name for name in _COLUMNS if name not in table]:
            msg = f"no column {missing[0]}"
            raise ValueError(msg)
    except Exception as error:  # a broken table without a digest fails in as many ways as there are columns
        msg = f"Expected the scores of a selection in {found[0]}, found {error}; make the selection again."
        raise RunError(msg) from error
    return table


def read_selection(directory: Path) -> Selection:
    """Read a selection back as it was made.

    Raises:
        RunError: if there is none, or table and manifest do not belong together.
    """
    import torch  # not needed to refuse a directory, so not at the top

    from semdd_lightning.selection import Selection

    table, manifest = read_table(directory), read_manifest(directory)
    scores = table[table["stage"] != "excluded"].drop(columns=["path", "class_name"])
    picked = scores[scores["stage"] == "selected"].sort_values(["label", "step"])
    indices = torch.from_numpy(picked.index.to_numpy(dtype="int64", copy=True))
    selection = Selection(indices, manifest.ipc, len(manifest.class_names), scores)
    if selection.digest != manifest.selection_digest:
        msg = f"Expected {TABLE} of {directory} to belong to its manifest, found another; export again."
        raise RunError(msg)
    return selection


def exported_images(directory: Path, manifest: Manifest) -> list[tuple[str, Path]]:
    """Pool path and exported file of each chosen image."""
    root = directory if (directory / IMAGES).is_dir() else directory / "subset"
    names = exported_paths(manifest)
    return [(path, root / IMAGES / name) for path, name in zip(manifest.paths, names, strict=True)]


def write_images(
    folder: Path, names: Sequence[str], source: ImageSource, rows: Sequence[int], *, link: bool
) -> None:
    """Write images, by their rows in a source, under their exported names below a folder.

    Raises:
        RunError: if two images have one name.
        PoolError: if an image cannot be read any more.
    """
    for name, row in zip(names, rows, strict=True):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            msg = f"Expected one image at {target}, found a second of that name; rename one of them."
            raise RunError(msg)
        _place(source, row, target, link=link)


def _place(source: ImageSource, row: int, target: Path, *, link: bool) -> None:
    file = source.file(row) if link else None
    if file is not None:
        with suppress(OSError):  # another file system, or one without hard links
            os.link(file, target)
            return
    try:
        content = source.read(row)
    except OSError as error:
        raise went_bad(f"the image for {target.name}", error) from error
    target.write_bytes(content)


def export_folders(registry: ClassRegistry) -> tuple[str, ...]:
    """A folder for each class, in class order: the pool's, unless they would be read as other classes.

    A class list may say that the pool's folder ``truck`` holds airplanes. Whoever reads an export knows its
    folder names alone. So where one of them is name or wnid of another class, or they are numbers in another
    order than the classes, all classes get folders of one kind: their wnids; without these their names, or,
    where those are not fit for folders, numbers in class order.

    >>> export_folders(ClassRegistry(("airplane", "truck"), ("truck", "airplane")))
    ('airplane', 'truck')
    >>> export_folders(ClassRegistry(("airplane", "truck"), ("0", "1")))
    ('0', '1')
    """
    if not (_some_mean_another(registry) or _numbers_out_of_order(registry.folders)):
        return registry.folders
    if registry.wnids is not None:
        return registry.wnids
    if folder_names(registry.names) == registry.names:
        return registry.names
    width = len(str(len(registry) - 1))  # so that they sort as text too
    return tuple(f"{index:0{width}}" for index in range(len(registry)))


def exported_paths(manifest: Manifest) -> list[str]:
    """Where the images of a manifest lie in an export, each in the folder of its class.

    Raises:
        RunError: if a path or a folder leads out of the export, as a stranger's manifest may have it.
    """
    folders = list(zip(manifest.class_folders, export_folders(manifest.registry), strict=True))
    images = zip(manifest.paths, manifest.labels, strict=True)
    try:
        return [relative_name(_exported_path(path, *folders[label])) for path, label in images]
    except ValueError as error:
        msg = f"{error}; correct the class list, and do not trust a manifest of somebody else that says so."
        raise RunError(msg) from error


def _exported_path(path: str, folder: str, exported_folder: str) -> str:
    """Where an image lies in an export, which always has one folder per class.

    >>> _exported_path("cat/deep/a.png", "cat", "cat"), _exported_path("part_0/cat/a.png", "cat", "cat")
    ('cat/deep/a.png', 'cat/part_0/cat/a.png')
    >>> _exported_path("truck/a.png", "truck", "airplane")
    'airplane/a.png'
    """
    return f"{exported_folder}/{path.removeprefix(f'{folder}/')}"


def _some_mean_another(registry: ClassRegistry) -> bool:
    meant = defaultdict(set)
    for texts in (registry.names, registry.wnids or ()):
        for index, text in enumerate(texts):
            meant[plain_name(text)].add(index)
    return any(
        index not in meant.get(plain_name(folder), {index}) for index, folder in enumerate(registry.folders)
    )


def _numbers_out_of_order(folders: tuple[str, ...]) -> bool:
    candidates = [folder for folder in folders if not is_wnid(folder)]
    numbered = [name for folder in candidates if (name := numbered_name(folder)) is not None]
    if len(numbered) < len(folders) or len({prefix for prefix, _ in numbered}) > 1:
        return False
    return numbered != sorted(numbered)

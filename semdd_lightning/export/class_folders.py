"""Where an image lies in an export: in one folder a class, whose name means no other class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.folders import numbered_name
from semdd_lightning.classes.registry import is_wnid, plain_name
from semdd_lightning.errors import RunError
from semdd_lightning.pools.files import relative_name
from semdd_lightning.pools.stated_labels import folder_names


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

    Args:
        registry: The classes with their folders in the pool.
    """
    if not (_some_mean_another(registry) or _numbers_out_of_order(registry.folders)):
        return registry.folders
    if registry.wnids is not None:
        return registry.wnids
    if folder_names(registry.names) == registry.names:
        return registry.names
    width = len(str(len(registry) - 1))  # so that they sort as text too
    return tuple(f"{index:0{width}}" for index in range(len(registry)))


def exported_paths(registry: ClassRegistry, paths: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Where images lie in an export, each in the folder of its class.

    Args:
        registry: the classes with their folders in the pool.
        paths: path of each image in the pool.
        labels: class index of each.

    Raises:
        RunError: if a path or a folder leads out of the export, as a stranger's manifest may have it.
    """
    folders = list(zip(registry.folders, export_folders(registry), strict=True))
    try:
        return [
            relative_name(_exported_path(path, *folders[label]))
            for path, label in zip(paths, labels, strict=True)
        ]
    except ValueError as error:
        msg = f"{error}; correct the class list, and do not trust a manifest of somebody else that says so."
        raise RunError(msg) from error


def _exported_path(path: str, folder: str, exported_folder: str) -> str:
    """Where an image lies in an export, which always has one folder a class.

    >>> _exported_path("cat/deep/a.png", "cat", "cat"), _exported_path("part_0/cat/a.png", "cat", "cat")
    ('cat/deep/a.png', 'cat/part_0/cat/a.png')
    >>> _exported_path("truck/a.png", "truck", "airplane")
    'airplane/a.png'

    Args:
        path: The image's path in the pool.
        folder: Folder of its class in the pool.
        exported_folder: Folder of its class in the export.
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

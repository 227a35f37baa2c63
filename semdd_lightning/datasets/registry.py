"""Data sets and class lists by name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from semdd_lightning.classes import ClassRegistry, read_class_list
from semdd_lightning.datasets.spec import DatasetSpec
from semdd_lightning.datasets.specs import DATASETS
from semdd_lightning.errors import ClassListError, ConfigError


def find_dataset(name: str) -> DatasetSpec:
    """The data set of a name.

    Args:
        name: As in `DATASETS`.

    Raises:
        ConfigError: If there is none of this name; close ones are named.

    >>> find_dataset("imagewoof").wnids[:2]
    ('n02096294', 'n02093754')
    """
    if name not in DATASETS:
        msg = f"Expected the name of a data set, found {name!r}{_close_to(name)}; take one of {_all()}."
        raise ConfigError(msg)
    return DATASETS[name]


def is_dataset_name(classes: Path | str) -> bool:
    """Whether a class list is given by the name of a data set and not by a file.

    >>> is_dataset_name("imagenette"), is_dataset_name(Path("imagenette.txt"))
    (True, False)
    """
    return str(classes) in DATASETS


def find_classes(classes: Path | str) -> ClassRegistry:
    """The classes out of a class list file, or those of a data set.

    Args:
        classes: A ``.txt`` or ``.csv`` file, or a name as in `DATASETS`.

    Raises:
        ClassListError: If it is neither, or the file is missing or malformed.

    >>> find_classes("cifar10").names[:2]
    ('airplane', 'automobile')
    """
    if is_dataset_name(classes):
        return DATASETS[str(classes)].registry
    path = Path(classes).expanduser()
    if path.suffix:
        return read_class_list(path)
    msg = (
        f"Expected a class list file that ends in .txt or .csv, or the name of a data set, found {classes}"
        f"{_close_to(str(classes))}; name a file, or take one of {_all()}."
    )
    raise ClassListError(msg)


def dataset_of(classes: ClassRegistry) -> str | None:
    """Name of the data set that has just these classes, in any order; None if there is none.

    Args:
        classes: Any class list; its wnids count where it has some, else its names.

    >>> dataset_of(find_classes("cifar10")), dataset_of(ClassRegistry(("truck", "cat"), ("0", "1")))
    ('cifar10', None)
    """
    for spec in DATASETS.values():
        if spec.num_classes != len(classes):
            continue
        same = spec.registry.keys if spec.wnids is None else spec.wnids
        if set(same) == set(classes.keys):
            return spec.name
    return None


def dataset_table() -> list[dict[str, str]]:
    """What a reader wants to know of every data set: one row each, column title -> cell."""
    return [
        {
            "name": spec.name,
            "data set": spec.title,
            "classes": f"{spec.num_classes:,}",
            "pixels": str(spec.image_size),
            "training images": _count(spec.train.images),
            "test images": _count(spec.test.images),
            "which": f"{spec.train.folder}: {spec.train.note}; {spec.test.folder}: {spec.test.note}",
            "on disk": f"`{spec.folder}/`" if spec.folder else "in scikit-learn",
            "obtained": spec.obtained,
        }
        for spec in DATASETS.values()
    ]


def _count(images: int | None) -> str:
    return "not stated" if images is None else f"{images:,}"


def _close_to(name: str) -> str:
    """A hint such as ` (close to cifar10)`, or nothing."""
    close = get_close_matches(name.lower().replace("-", ""), DATASETS, n=3)
    return f" (close to {', '.join(close)})" if close else ""


def _all() -> str:
    return ", ".join(DATASETS)

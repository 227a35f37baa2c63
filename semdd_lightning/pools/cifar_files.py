"""CIFAR-10 and CIFAR-100 as their authors publish them: python batches, read by torchvision."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import Listing, file_stamp, list_array

# The file of class names tells the two apart; the key is where the names stand in it.
_META = {"batches.meta": ("CIFAR10", "label_names"), "meta": ("CIFAR100", "fine_label_names")}
_FOLDERS = {"cifar-10-batches-py": "batches.meta", "cifar-100-python": "meta"}
_BINARY = ("cifar-10-batches-bin", "cifar-100-binary", "data_batch_1.bin", "train.bin")


@dataclass(frozen=True)
class CifarFiles(DiskPool):
    """CIFAR-10 or CIFAR-100 in the official python version, told apart by its files; nothing is downloaded.

    torchvision reads it, and checks every file's hash before, so that files of another origin are refused.

    Args:
        path: The folder ``cifar-10-batches-py`` or ``cifar-100-python``, or the one that holds it.
        classes: Class list that orders and names the classes anew: a ``.txt`` (one class per line) or a
            ``.csv`` file (``name,folder,wnid,teacher_index``), or the name of a data set.
        class_names: The class list written out, in class order. Give it or `classes`, not both.
        split: Which split.
    """

    split: Literal["train", "test"] = "train"

    def find(self, default: ClassRegistry | None = None) -> Found:
        """CIFAR's own classes in their order, or in that of the class list; `default` is not needed."""
        meta = _meta_file(self._existing_folder())
        names, listed = _class_names(meta), self._class_list()
        if listed is None:
            plain = tuple(name.replace("_", " ") for name in names)
            classes = ClassRegistry(plain, names, folders_given=True)
        else:
            classes = resolve_classes(names, listed)
        of_targets = np.array([classes.folders.index(name) for name in names], dtype=np.int64)

        def list_images() -> Listing:
            data, folder = _read(meta, self.split), meta.parent
            labels = of_targets[np.asarray(data.targets, dtype=np.int64)]
            # Size, newest modification and newest change of all files: an image lies in one of several.
            stamps = np.stack([file_stamp(file) for file in folder.iterdir() if file.is_file()])
            stamp = np.array([stamps[:, 0].sum(), *stamps[:, 1:].max(axis=0)], dtype=np.int64)
            return list_array(folder, data.data, labels, classes, stamp, name=self.split)

        return classes, list_images


def _meta_file(path: Path) -> Path:
    """The file of class names in the folder of the python version: the path itself or one in it."""
    own = [path / meta for meta in _META if (path / meta).is_file()]
    found = own[:1] or [
        path / name / meta for name, meta in _FOLDERS.items() if (path / name / meta).is_file()
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(file.parent.name for file in found)
        msg = f"Expected one CIFAR in {path}, found {names}; give one of them."
        raise PoolError(msg)
    binary = [name for name in _BINARY if (path / name).exists()]
    what = f"the binary version ({binary[0]})" if binary else "neither"
    msg = (
        f"Expected {' or '.join(_FOLDERS)} in {path}, found {what}; unpack the official archive of the "
        "python version there."
    )
    raise PoolError(msg)


def _class_names(meta: Path) -> tuple[str, ...]:
    """The class names in the authors' order, without torch."""
    try:
        names = _PlainUnpickler(BytesIO(meta.read_bytes()), encoding="latin1").load()[_META[meta.name][1]]
        return tuple(str(name) for name in names)
    except Exception as error:  # a pickle that is none fails in many ways
        msg = f"Expected CIFAR's class names in {meta}, found none ({error}); unpack the archive again."
        raise PoolError(msg) from error


class _PlainUnpickler(pickle.Unpickler):
    """Makes nothing but containers, numbers and texts."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as its base class
        msg = f"{module}.{name}, which would run code"
        raise pickle.UnpicklingError(msg)


def _read(meta: Path, split: Literal["train", "test"]) -> Any:  # noqa: ANN401 - torchvision has no types
    import torchvision.datasets  # torch, which finding the folder can do without

    name, folder = _META[meta.name][0], meta.parent
    official = getattr(torchvision.datasets, name)
    here = type(name, (official,), {"base_folder": folder.name})  # whatever the folder is called
    try:
        return here(folder.parent, train=split == "train", download=False)
    except (RuntimeError, OSError) as error:
        msg = (
            f"Expected the official files of {name} in {folder}, found that one is missing or has another "
            f"hash ({error}); unpack {official.filename} again."
        )
        raise PoolError(msg) from error

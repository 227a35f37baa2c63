"""ImageNet (ILSVRC 2012), its subsets and Tiny-ImageNet as they are published: splits of wnids."""

from __future__ import annotations

import re
import tempfile
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.folders import choose_by_wnid
from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.class_folders import class_folder_names, require_images
from semdd_lightning.pools.files import is_image_name, list_files, relative_name, stamps_of
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import FileSource, Listing
from semdd_lightning.pools.strings import Strings

_DEVKIT = "ILSVRC2012_devkit_t12"
_META = "meta.bin"  # torchvision's own form of the devkit
_VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_([0-9]{8})\.JPEG", re.IGNORECASE)
_log = get_logger(__name__)


@dataclass(frozen=True)
class WnidFiles(DiskPool):
    """A data set with a folder per split, whose classes are its sorted wnids or those that a list chooses.

    Args:
        path: The folder that holds ``train`` or ``val``.
        classes: Class list that chooses, orders and names classes by wnid: a ``.txt`` (one class per line) or
            ``.csv`` file (``name,folder,wnid,teacher_index``), or the name of a data set, as `imagenette`.
        class_names: The class list written out, in class order: a wnid, or ``wnid name`` each. Give it or
            `classes`, not both.
        split: Which split.
    """

    split: Literal["train", "val"] = "train"

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The classes of the list, or all wnids, sorted, with their names where the data set tells them."""
        wnids = self._wnids()
        listed = self._class_list(default if default is not None and default.wnids is not None else None)
        if listed is None:
            classes = ClassRegistry(self._names(wnids), wnids, wnids, folders_given=True)
        else:
            classes = choose_by_wnid(wnids, listed)
        folder, labels = self._split_folder(), self._flat_labels()
        indices = {wnid: c for c, wnid in enumerate(classes.folders)}
        if labels is None:
            require_images(folder, classes.folders)
            return classes, lambda: list_files(folder, list(indices.items()))

        def list_flat() -> Listing:  # an image that is not there is a problem of its row
            root, of_images = self._flat_images(labels)
            files = sorted(file for file, wnid in of_images.items() if wnid in indices)
            paths, own = Strings(files), np.array([indices[of_images[f]] for f in files], dtype=np.int64)
            stamps, problems = stamps_of(root, paths)
            problems = dict.fromkeys(problems, "unreadable: not a regular file")
            return Listing(root, paths, own, stamps, FileSource(root, paths), problems)

        return classes, list_flat

    @abstractmethod
    def _wnids(self) -> tuple[str, ...]:
        """All wnids, sorted."""

    @abstractmethod
    def _flat_labels(self) -> Path | None:
        """What tells the classes of images that lie in one folder for all of them; None where they do not."""

    @abstractmethod
    def _flat_images(self, labels: Path) -> tuple[Path, dict[str, str]]:
        """The folder of flat images, and the wnid of each by its file's name."""

    def _names(self, wnids: tuple[str, ...]) -> tuple[str, ...]:
        return wnids

    def _split_folder(self) -> Path:
        folder = self._existing_folder() / self.split
        if not folder.is_dir():
            msg = f"Expected the folder {self.split} in {folder.parent}, found none; correct path or split."
            raise PoolError(msg)
        return folder


@dataclass(frozen=True)
class ImageNetFiles(WnidFiles):
    """ImageNet-1K, or a subset such as fast.ai's ImageNette, in ``train`` and ``val``; its wnids, sorted.

    The validation images lie either in folders by wnid or flat, as published. Then their classes are read
    out of the devkit beside them: torchvision's ``meta.bin``, the archive ``ILSVRC2012_devkit_t12.tar.gz``
    or the folder that it unpacks to.

    Args:
        path: The folder that holds ``train`` or ``val``.
    """

    def _wnids(self) -> tuple[str, ...]:
        labels, train = self._flat_labels(), self._existing_folder() / "train"
        if labels is not None and not train.is_dir():
            return tuple(sorted(set(_validation_wnids(labels))))
        folder = self._split_folder() if labels is None else train
        wnids = class_folder_names(folder)
        strange = [wnid for wnid in wnids if not is_wnid(wnid)]
        if strange:
            msg = f"Expected folders named by wnid in {folder}, found {some_of(strange)}; remove them."
            raise PoolError(msg)
        return tuple(wnids)

    def _flat_labels(self) -> Path | None:
        flat = any(_VALIDATION_IMAGE.fullmatch(file.name) for file in self._split_folder().iterdir())
        return _devkit(self._existing_folder()) if flat else None

    def _flat_images(self, labels: Path) -> tuple[Path, dict[str, str]]:
        folder, wnids = self._split_folder(), _validation_wnids(labels)
        found = {}
        for name in sorted(file.name for file in folder.iterdir() if is_image_name(file.name)):
            number = _VALIDATION_IMAGE.fullmatch(name)
            if number is None or not 1 <= int(number[1]) <= len(wnids):
                msg = (
                    f"Expected images ILSVRC2012_val_00000001.JPEG to ..._{len(wnids):08d}.JPEG in {folder}, "
                    f"found {name!r}; remove what does not belong there."
                )
                raise PoolError(msg)
            found[name] = wnids[int(number[1]) - 1]
        if len(found) < len(wnids):
            _log.warning("%s holds %d of %d validation images.", folder, len(found), len(wnids))
        return folder, found


def _devkit(root: Path) -> Path:
    """Where the labels of the flat validation images stand."""
    for name in (_META, f"{_DEVKIT}.tar.gz", _DEVKIT):
        if (root / name).exists():
            return root / name
    msg = (
        f"Expected {_DEVKIT}.tar.gz in {root} for the labels of the flat validation images, found none; "
        "place it there, or sort the images into folders by wnid."
    )
    raise PoolError(msg)


def _validation_wnids(devkit: Path) -> list[str]:
    """The wnid of each validation image, in the order of their numbers from 1 on."""
    expected = f"Expected the labels of ImageNet's validation images in {devkit}, found"
    try:
        wnids = _from_folder(devkit) if devkit.is_dir() else _from_torchvision(devkit)
    except Exception as error:  # archives, MATLAB files and pickles that are none fail in many ways
        msg = f"{expected} none ({error}); get it again."
        raise PoolError(msg) from error
    if not wnids or not all(map(is_wnid, wnids)):
        msg = f"{expected} {some_of(wnids)}, which are no wnids; get it again."
        raise PoolError(msg)
    return wnids


def _from_torchvision(file: Path) -> list[str]:
    from torchvision.datasets.imagenet import load_meta_file, parse_devkit_archive  # imports torch

    if file.name == _META:
        return list(load_meta_file(file.parent)[1])
    with tempfile.TemporaryDirectory() as temporary:  # torchvision writes meta.bin beside the archive
        (Path(temporary) / file.name).symlink_to(file)
        parse_devkit_archive(temporary)
        return list(load_meta_file(temporary)[1])


def _from_folder(devkit: Path) -> list[str]:
    from scipy.io import loadmat  # takes a moment to import, needed only here

    synsets = loadmat(devkit / "data" / "meta.mat", squeeze_me=True)["synsets"]
    wnids = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets}
    numbers = (devkit / "data" / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
    return [wnids[int(number)] for number in numbers]


@dataclass(frozen=True)
class TinyImageNetFiles(WnidFiles):
    """Tiny-ImageNet in its official form; the classes are the sorted wnids, not the order of ``wnids.txt``.

    The validation images may also have been sorted into folders by wnid, as many scripts do. The official
    test images have no labels.

    Args:
        path: The folder ``tiny-imagenet-200``.
    """

    def _wnids(self) -> tuple[str, ...]:
        """The sorted wnids: out of ``wnids.txt``, else the training folders."""
        root = self._existing_folder()
        file = root / "wnids.txt"
        wnids = " ".join(_read_lines(file)).split() if file.is_file() else None
        if wnids is None:
            wnids = class_folder_names(root / "train") if (root / "train").is_dir() else []
        bad = [wnid for wnid in wnids if not is_wnid(wnid)]
        if bad or not wnids:
            found = some_of(bad) if bad else "none"
            msg = (
                f"Expected wnids in wnids.txt of {root}, or folders train/<wnid>, found {found}; give the "
                "folder tiny-imagenet-200."
            )
            raise PoolError(msg)
        return tuple(sorted(wnids))

    def _names(self, wnids: tuple[str, ...]) -> tuple[str, ...]:
        """The first name of each wnid in ``words.txt``, where that is there."""
        file = self._existing_folder() / "words.txt"
        lines = _read_lines(file) if file.is_file() else []
        cells = (line.split("\t", 1) for line in lines if "\t" in line)
        words = {wnid: names.split(",")[0].strip() for wnid, names in cells}
        return tuple(words.get(wnid) or wnid for wnid in wnids)

    def _flat_labels(self) -> Path | None:
        folder = self._split_folder()
        file = folder / "val_annotations.txt"
        if not (folder / "images").is_dir():
            return None
        if not file.is_file():
            msg = (
                f"Expected val_annotations.txt in {folder}, found none, and the images lie in no class "
                "folders; unpack tiny-imagenet-200.zip again."
            )
            raise PoolError(msg)
        return file

    def _flat_images(self, labels: Path) -> tuple[Path, dict[str, str]]:
        images, annotated = labels.parent / "images", _annotations(labels)
        strange = sorted(
            f.name for f in images.iterdir() if is_image_name(f.name) and f.name not in annotated
        )
        if strange:
            msg = (
                f"Expected a class for every image of {images}, found none for {some_of(strange)}; "
                "remove what does not belong there."
            )
            raise PoolError(msg)
        return images, annotated


def _annotations(file: Path) -> dict[str, str]:
    """Wnid of each validation image, by file name."""
    lines = [line.split("\t") for line in _read_lines(file) if line]
    bad = [cells for cells in lines if len(cells) < 2 or not is_wnid(cells[1])]
    if bad or not lines:
        found = repr("\t".join(bad[0])) if bad else "an empty file"
        msg = f"Expected lines `image, wnid, box` in {file}, found {found}; unpack the archive again."
        raise PoolError(msg)
    repeated = [name for name, count in Counter(cells[0] for cells in lines).items() if count > 1]
    outside = [cells[0] for cells in lines if not _is_plain(cells[0])]
    if repeated or outside:
        msg = (
            f"Expected the name of each image once in {file}, found {some_of(repeated or outside)}"
            f"{' more than once' if repeated else ''}; unpack the archive again."
        )
        raise PoolError(msg)
    return {cells[0]: cells[1] for cells in lines}


def _is_plain(name: str) -> bool:
    try:
        return relative_name(name) == name
    except ValueError:
        return False


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        msg = f"Expected to read {file}, found: {error.strerror}; check the file, or unpack it again."
        raise PoolError(msg) from error
    except UnicodeDecodeError as error:
        msg = (
            f"Expected {file} in UTF-8, found other bytes at {error.start} ({error.reason}); save it as "
            "UTF-8, or unpack it again."
        )
        raise PoolError(msg) from error

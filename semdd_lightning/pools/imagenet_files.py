"""ImageNet (ILSVRC 2012) as it is published, and the form that its subsets share: splits of wnids."""

from __future__ import annotations

import re
import tempfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
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
from semdd_lightning.pools.files import is_image_name, list_files, relative_name
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import FileSource, Listing, file_stamp
from semdd_lightning.pools.strings import Strings

_DEVKIT = "ILSVRC2012_devkit_t12"
_META = "meta.bin"  # torchvision's own form of the devkit
_VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_([0-9]{8})\.JPEG", re.IGNORECASE)
_log = get_logger(__name__)


@dataclass(frozen=True)
class WnidFiles(DiskPool):
    """A data set with a folder a split, whose classes are its sorted wnids or those that a list chooses.

    Args:
        path: The folder that holds ``train`` or ``val``.
        classes: Class list that chooses, orders and names classes by wnid: a ``.txt`` (one class a line) or
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
        if self._is_flat():
            self._require_labels()
        else:
            require_images(self._split_folder(), classes.folders)
        return classes, lambda: self._list({wnid: c for c, wnid in enumerate(classes.folders)})

    def _list(self, classes: dict[str, int]) -> Listing:
        """Every image file of the split whose class is asked for."""
        if not self._is_flat():
            return list_files(self._split_folder(), list(classes.items()))
        images, wnids = self._flat_images()
        return list_labelled_files(images, {f: classes[wnid] for f, wnid in wnids.items() if wnid in classes})

    @abstractmethod
    def _wnids(self) -> tuple[str, ...]:
        """All wnids, sorted."""

    @abstractmethod
    def _is_flat(self) -> bool:
        """Whether the images of the split lie in one folder for all classes."""

    @abstractmethod
    def _require_labels(self) -> None:
        """Refuse flat images without the file that tells their classes."""

    @abstractmethod
    def _flat_images(self) -> tuple[Path, dict[str, str]]:
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
        train = self._existing_folder() / "train"
        if self._is_flat() and not train.is_dir():
            return tuple(sorted(set(validation_wnids(devkit_file(self._existing_folder())))))
        folder = train if self._is_flat() else self._split_folder()
        wnids = class_folder_names(folder)
        strange = [wnid for wnid in wnids if not is_wnid(wnid)]
        if strange:
            msg = f"Expected folders named by wnid in {folder}, found {some_of(strange)}; remove them."
            raise PoolError(msg)
        return tuple(wnids)

    def _is_flat(self) -> bool:
        return any(_VALIDATION_IMAGE.fullmatch(file.name) for file in self._split_folder().iterdir())

    def _require_labels(self) -> None:
        devkit_file(self._existing_folder())

    def _flat_images(self) -> tuple[Path, dict[str, str]]:
        folder = self._split_folder()
        return folder, _wnids_of_images(folder, validation_wnids(devkit_file(self._existing_folder())))


def _wnids_of_images(folder: Path, wnids: list[str]) -> dict[str, str]:
    """Wnid of each flat validation image, by file name."""
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
    return found


def devkit_file(root: Path) -> Path:
    """Where the labels of ImageNet's validation images stand.

    Args:
        root: The folder that holds ``val``.

    Raises:
        PoolError: If there is nothing of the devkit.
    """
    for name in (_META, f"{_DEVKIT}.tar.gz", _DEVKIT):
        if (root / name).exists():
            return root / name
    msg = (
        f"Expected {_DEVKIT}.tar.gz in {root} for the labels of the flat validation images, found none; "
        "place it there, or sort the images into folders by wnid."
    )
    raise PoolError(msg)


def validation_wnids(devkit: Path) -> list[str]:
    """The wnid of each validation image, in the order of their numbers from 1 on.

    Args:
        devkit: What `devkit_file` found.

    Raises:
        PoolError: If it does not hold what it should.
    """
    try:
        wnids = _from_folder(devkit) if devkit.is_dir() else _from_torchvision(devkit)
    except Exception as error:  # archives, MATLAB files and pickles that are none fail in many ways
        raise _no_labels(devkit, f"none ({error})") from error
    if not wnids or not all(is_wnid(wnid) for wnid in wnids):
        raise _no_labels(devkit, f"{some_of(wnids)}, which are no wnids")
    return wnids


def _no_labels(devkit: Path, found: str) -> PoolError:
    return PoolError(
        f"Expected the labels of ImageNet's validation images in {devkit}, found {found}; get it again."
    )


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


def list_labelled_files(root: Path, labels: Mapping[str, int]) -> Listing:
    """The listed files, in path order; one that is not there is a problem of its row.

    Args:
        root: Folder that holds them.
        labels: Class index of each file, by its path below `root`.
    """
    files = sorted(labels)
    stamps = np.zeros((len(files), 3), dtype=np.int64)
    problems = {}
    for row, file in enumerate(files):
        if (root / file).is_file():
            stamps[row] = file_stamp(root / file)
        else:
            problems[row] = "unreadable: not a regular file"
    paths = Strings(files)
    classes = np.array([labels[file] for file in files], dtype=np.int64)
    return Listing(root, paths, classes, stamps, FileSource(root, paths), problems)


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
        words = _words(self._existing_folder())
        return tuple(words.get(wnid, wnid) for wnid in wnids)

    def _is_flat(self) -> bool:
        return (self._split_folder() / "images").is_dir()

    def _require_labels(self) -> None:
        folder = self._split_folder()
        if not (folder / "val_annotations.txt").is_file():
            msg = (
                f"Expected val_annotations.txt in {folder}, found none, and the images lie in no class "
                "folders; unpack tiny-imagenet-200.zip again."
            )
            raise PoolError(msg)

    def _flat_images(self) -> tuple[Path, dict[str, str]]:
        images = self._split_folder() / "images"
        annotated = _annotations(self._split_folder() / "val_annotations.txt")
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


def _words(root: Path) -> dict[str, str]:
    """The first name of each wnid in ``words.txt``, where that is there."""
    file = root / "words.txt"
    lines = _read_lines(file) if file.is_file() else []
    cells = (line.split("\t", 1) for line in lines if "\t" in line)
    return {wnid: names.split(",")[0].strip() for wnid, names in cells if names.split(",")[0].strip()}


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

"""ImageNet (ILSVRC 2012) as it is published, and subsets of it in the same form."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.class_folders import class_folder_names
from semdd_lightning.pools.files import is_image_name
from semdd_lightning.pools.wnid_files import WnidFiles

_DEVKIT = "ILSVRC2012_devkit_t12"
_META = "meta.bin"  # torchvision's own form of the devkit
_log = get_logger(__name__)

_VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_([0-9]{8})\.JPEG", re.IGNORECASE)


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
        train = self._root() / "train"
        if self._is_flat() and not train.is_dir():
            return tuple(sorted(set(validation_wnids(devkit_file(self._root())))))
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
        devkit_file(self._root())

    def _flat_images(self) -> tuple[Path, dict[str, str]]:
        folder = self._split_folder()
        return folder, _wnids_of_images(folder, validation_wnids(devkit_file(self._root())))


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

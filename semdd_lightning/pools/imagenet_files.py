"""ImageNet (ILSVRC 2012) as it is published, and subsets of it in the same form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.class_folders import class_folder_names
from semdd_lightning.pools.files import is_image_name
from semdd_lightning.pools.imagenet_devkit import devkit_file, validation_wnids
from semdd_lightning.pools.wnid_files import WnidFiles

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

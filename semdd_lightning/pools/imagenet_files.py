"""ImageNet (ILSVRC 2012) as it is published, and subsets of it in the same form."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.class_folders import class_folder_names, require_images
from semdd_lightning.pools.files import is_image_name, list_files
from semdd_lightning.pools.imagenet_devkit import devkit_file, validation_wnids
from semdd_lightning.pools.labelled_files import list_labelled_files
from semdd_lightning.pools.listing import Listing
from semdd_lightning.pools.wnid_files import WnidFiles

_log = logging.getLogger(__name__)

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

    def check(self) -> None:
        """Find out, without decoding, whether the split is there and fits the class list.

        Raises:
            PoolError: If the split, a class folder's images or the labels of flat images are missing.
            ClassListError: If the class list asks for classes that are not there.
        """
        folders = self.registry().folders
        if self._is_flat():
            devkit_file(self._root())
        else:
            require_images(self._split_folder(), folders)

    def listing(self, registry: ClassRegistry | None = None) -> Listing:
        """Every image file of the split whose class is in the registry.

        Raises:
            PoolError: If images and devkit do not fit together.
        """
        registry = self.registry() if registry is None else registry
        folder = self._split_folder()
        if not self._is_flat():
            return list_files(folder, [(wnid, c) for c, wnid in enumerate(registry.folders)])
        index = {wnid: c for c, wnid in enumerate(registry.folders)}
        wnids = _wnids_of_images(folder, validation_wnids(devkit_file(self._root())))
        return list_labelled_files(folder, {f: index[wnid] for f, wnid in wnids.items() if wnid in index})

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
        """Whether the images of the split lie in no class folders."""
        return any(_VALIDATION_IMAGE.fullmatch(file.name) for file in self._split_folder().iterdir())


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

"""Tiny-ImageNet as it is published: ``train/<wnid>/images/`` and ``val/`` with a list of annotations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.class_folders import class_folder_names
from semdd_lightning.pools.files import is_image_name, relative_name
from semdd_lightning.pools.imagenet_files import WnidFiles


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

"""The labels of ImageNet's validation images, out of the development kit that is published beside them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError

_DEVKIT = "ILSVRC2012_devkit_t12"
_META = "meta.bin"  # torchvision's own form of the devkit


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

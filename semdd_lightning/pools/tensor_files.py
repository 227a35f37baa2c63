"""Tensor files of distillation methods: what forms they come in, read without running what they may hold."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.arrays import STAND_INS, channels_first, is_array_like, num_dimensions, to_array
from semdd_lightning.pools.listing import file_stamp

_log = get_logger(__name__)

TORCH_SUFFIXES = frozenset({".pt", ".pth"})
NUMPY_SUFFIXES = frozenset({".npz", ".npy"})

# Names that images and labels go by in dictionaries and in .npz archives.
_IMAGES = ("images", "image", "data", "x")
_LABELS = ("labels", "label", "targets", "y")
_SMALL = 64 * 2**20  # bytes that any archive may unpack to
_MOST_PACKED = 100  # times the packed size that a larger one may; images of digits have 10


def load_arrays(path: Path, labels: Path | None, experiment: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and labels of a tensor file, memory-mapped where the format can be.

    Read are: the dictionary of DC, DSA and DM, ``{"data": [[images, labels], ...]}`` with one pair an
    experiment; a pair of images and labels (IDC); a dictionary or ``.npz`` with images and labels under their
    names; and images alone, with the labels in a second file (MTT, DATM).

    Args:
        path: The file.
        labels: The file with the labels (default: those in `path`, else the file named alike).
        experiment: Which experiment of several, from 0.

    Returns:
        Images ``(N, C, H, W)`` with 1 or 3 channels; and labels, ``(N,)`` or ``(N, C)``, as they stand there.

    Raises:
        PoolError: If the file cannot be read, would run code, or holds something else.
    """
    images, own_labels = _find_arrays(_load(path), experiment, path)
    if labels is not None or own_labels is None:
        second = labels if labels is not None else _labels_beside(path)
        of_images, of_labels = _find_arrays(_load(second), 0, second)
        own_labels = of_images if of_labels is None else of_labels
    return channels_first(to_array(images, path), path), to_array(own_labels, path, labels=True)


def _labels_beside(path: Path) -> Path:
    """The file of labels that goes with a file of images: ``labels_best.pt`` with ``images_best.pt``."""
    plain = path.name.replace("images_zca", "images")
    names = [path.name.replace("images", "labels"), plain.replace("images", "labels")]
    for name in names:
        if name != path.name and (path.parent / name).is_file():
            return path.with_name(name)
    looked = f", and no {names[-1]} beside it" if names[-1] != path.name else ""
    msg = f"Expected labels with the images of {path}, found none in it{looked}; name their file as labels."
    raise PoolError(msg)


def _load(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    try:
        zipped = zipfile.is_zipfile(path)
        with path.open("rb") as file:
            begun = file.read(2) == b"PK"
        if begun and not zipped:  # which the readers would take for another format
            msg = f"Expected {path} to be whole, found that its end is missing; copy or make the file again."
            raise PoolError(msg)
        if zipped:
            _refuse_bomb(path)
        return (_load_torch if path.suffix.lower() in TORCH_SUFFIXES else _load_numpy)(path, zipped=zipped)
    except PoolError:
        raise
    except UnpicklingError as error:
        raise PoolError(_refusal(path, error)) from error
    except Exception as error:  # the formats' readers let RuntimeError, EOFError, KeyError, ... through
        msg = (
            f"Expected {path} to be a whole {path.suffix} file of arrays, found: {_first_sentence(error)}; "
            "copy or make the file again."
        )
        raise PoolError(msg) from error


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that would take far more memory than its file, before it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.file_size > max(_SMALL, _MOST_PACKED * entry.compress_size):
                msg = (
                    f"Expected arrays in {path} of at most {_MOST_PACKED} times their packed size, found "
                    f"{entry.filename!r} with {entry.file_size:,} bytes packed into {entry.compress_size:,}; "
                    "save it with np.savez if it is your own."
                )
                raise PoolError(msg)


@lru_cache(maxsize=16)
def _damaged_record(path: Path, stamp: tuple[int, ...]) -> str | None:
    """The first record of an archive with another checksum than it should have: torch does not look."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip()


def _load_torch(path: Path, *, zipped: bool) -> Any:  # noqa: ANN401 - whatever was saved
    if zipped:
        damaged = _damaged_record(path, tuple(file_stamp(path).tolist()))
        if damaged is not None:
            msg = f"that {damaged} in it does not fit its checksum"
            raise ValueError(msg)
    import torch  # takes a second to import, needed only here

    with torch.serialization.safe_globals(STAND_INS):
        if any("\udc80" <= letter <= "\udcff" for letter in str(path)):  # no UTF-8: torch cannot map it
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def _load_numpy(path: Path, *, zipped: bool) -> Any:  # noqa: ANN401 - an array, or arrays by name
    if not zipped:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] if name in (*_IMAGES, *_LABELS) else None for name in archive.files}


def _find_arrays(content: Any, experiment: int, path: Path) -> tuple[Any, Any]:  # noqa: ANN401 - arrays
    """Images and labels, or none, out of what a file holds."""
    if isinstance(content, Mapping) and isinstance(content.get("data"), list | tuple):
        return _find_arrays(list(content["data"]), experiment, path)
    if isinstance(content, list | tuple) and content and all(_is_pair(entry) for entry in content):
        if not 0 <= experiment < len(content):
            msg = f"Expected experiment below {len(content)} in {path}, found {experiment}; correct it."
            raise PoolError(msg)
        _log.info("Experiment %d of the %d in %s.", experiment, len(content), path)
        return tuple(content[experiment])
    if experiment != 0:
        msg = f"Expected several experiments in {path}, found one; leave experiment at 0."
        raise PoolError(msg)
    if _is_pair(content):
        return tuple(content)
    if is_array_like(content) and not (isinstance(content, list | tuple) and num_dimensions(content[0]) > 1):
        return content, None
    if isinstance(content, Mapping):
        images, labels = (
            [content[name] for name in names if is_array_like(content.get(name))]
            for names in (_IMAGES, _LABELS)
        )
        if len(images) == 1 and len(labels) <= 1:
            return images[0], labels[0] if labels else None
        if len(labels) == 1 and not images:
            return labels[0], None
    what = f"the names {some_of(list(content))}" if isinstance(content, Mapping) else type(content).__name__
    msg = (
        f"Expected images, images and labels, or experiments of both in {path}, found {what}; save a pair of "
        "arrays, or a dictionary of images and labels."
    )
    raise PoolError(msg)


def _is_pair(content: object) -> bool:
    if not (isinstance(content, list | tuple) and len(content) == 2 and all(map(is_array_like, content))):
        return False
    images, labels = map(num_dimensions, content)
    return images > 2 and images > labels


def _refusal(path: Path, error: UnpicklingError) -> str:
    called = re.search(r"GLOBAL (\S+)", str(error))
    if called:
        return (
            f"Expected nothing but tensors in {path}, found a pickle that would call {called[1]} when read: "
            "it was not run (weights_only). If it is your own, save images and labels as plain tensors "
            "again; if not, do not trust it."
        )
    reason = str(error).rpartition("WeightsUnpickler error: ")[2]
    return (
        f"Expected {path} to be a file of tensors, found: {_first_sentence(reason)}. Nothing in it was run "
        "(weights_only); copy or make the file again, saving images and labels as plain tensors."
    )


def _first_sentence(error: Exception | str) -> str:
    """What is wrong, without the advice to load the file unsafely that may follow."""
    return re.split(r"\.\s|\n", str(error).strip())[0].rstrip(".") or type(error).__name__

"""Tensor files of distillation methods: what forms they come in, read without running what they may hold."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError

_log = logging.getLogger(__name__)

TORCH_SUFFIXES = frozenset({".pt", ".pth"})
NUMPY_SUFFIXES = frozenset({".npz", ".npy"})

# Names that images and labels go by in dictionaries and in .npz archives.
_IMAGES = ("images", "image", "data", "x")
_LABELS = ("labels", "label", "targets", "y")


def load_arrays(path: Path, labels: Path | None, experiment: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and labels of a tensor file, memory-mapped where the format can be.

    Read are: the dictionary of DC, DSA and DM, ``{"data": [[images, labels], ...]}`` with one pair an
    experiment; a pair of images and labels (IDC); a dictionary or ``.npz`` with images and labels under their
    names; and images alone, with the labels in a second file (MTT, DATM).

    Args:
        path: The file.
        labels: The file with the labels; none takes those in `path`, else the file named alike.
        experiment: Which experiment of several, from 0.

    Returns:
        Images ``(N, C, H, W)`` with 1 or 3 channels; and labels, ``(N,)`` or ``(N, C)``, as they stand there.

    Raises:
        PoolError: If the file cannot be read, would run code, or holds something else.
    """
    images, own_labels = _find_arrays(_load(path), experiment, path)
    if labels is not None or own_labels is None:
        second = labels if labels is not None else labels_beside(path)
        of_images, of_labels = _find_arrays(_load(second), 0, second)
        own_labels = of_images if of_labels is None else of_labels
    return _channels_first(_to_array(images, path), path), _to_array(own_labels, path)


def labels_beside(path: Path) -> Path:
    """The file of labels that goes with a file of images: ``labels_best.pt`` with ``images_best.pt``.

    Args:
        path: The file of images.

    Raises:
        PoolError: If there is none.
    """
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
        _refuse_half_an_archive(path)
        if path.suffix.lower() in TORCH_SUFFIXES:
            return _load_torch(path)
        return _load_numpy(path)
    except (MemoryError, PoolError):
        raise
    except UnpicklingError as error:
        raise PoolError(_refusal(path, error)) from error
    except Exception as error:  # the formats' readers let RuntimeError, EOFError, KeyError, ... through
        msg = (
            f"Expected {path} to be a whole {path.suffix} file of arrays, found: {_first_sentence(error)}; "
            "copy or make the file again."
        )
        raise PoolError(msg) from error


def _refuse_half_an_archive(path: Path) -> None:
    """Say it clearly: without the end of the archive the readers take the rest for another format."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped and not zipfile.is_zipfile(path):
        msg = f"Expected {path} to be whole, found that its end is missing; copy or make the file again."
        raise PoolError(msg)


def _load_torch(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    import torch  # takes a second to import, needed only here

    with torch.serialization.safe_globals(_STAND_INS):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _load_numpy(path: Path) -> Any:  # noqa: ANN401 - an array, or arrays by name
    if not zipfile.is_zipfile(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] if name in (*_IMAGES, *_LABELS) else None for name in archive.files}


class _Ignored:
    """Stands in for NumPy numbers: accuracies beside the images, which nobody asks for."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# DC, DSA and DM save accuracies as NumPy scalars, which weights_only refuses as foreign functions. Under
# their names it finds these instead, so that no function of NumPy is called by a pickle.
_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    type(name, (_Ignored,), {"__module__": module})
    for module, name in (
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
    )
]


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
    if _is_array(content):
        return content, None
    if _is_pair(content):
        return tuple(content)
    if isinstance(content, Mapping):
        images, labels = (
            [content[name] for name in names if _is_array(content.get(name))] for names in (_IMAGES, _LABELS)
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
    return isinstance(content, list | tuple) and len(content) == 2 and all(map(_is_array, content))


def _is_array(content: object) -> bool:
    return hasattr(content, "shape") and hasattr(content, "dtype")


def _to_array(values: Any, path: Path) -> NDArray[Any]:  # noqa: ANN401 - a tensor or an array
    if not isinstance(values, np.ndarray):
        import torch  # it is loaded already, or there were no tensors

        if values.layout != torch.strided or values.is_quantized:
            msg = f"Expected dense tensors in {path}, found layout {values.layout}; save them dense."
            raise PoolError(msg)
        values = values.detach()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if values.dtype.kind not in "iuf":
        msg = f"Expected arrays of numbers in {path}, found type {values.dtype}; save numbers."
        raise PoolError(msg)
    array: NDArray[Any] = values
    return array


def _channels_first(images: NDArray[Any], path: Path) -> NDArray[Any]:
    shape = images.shape
    if images.ndim == 4 and shape[1] in (1, 3) and images.size:
        return images
    if images.ndim == 4 and shape[3] in (1, 3) and images.size:
        return images.transpose(0, 3, 1, 2)
    msg = (
        f"Expected images of shape (N, channels, height, width) in {path}, with 1 or 3 channels, found shape "
        f"{shape}; reshape them, or name the right file."
    )
    raise PoolError(msg)


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

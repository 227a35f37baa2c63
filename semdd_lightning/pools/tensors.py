"""Pools of tensors: the ``.pt`` files of DC, DSA, DM, MTT and DATM, and NumPy's ``.npz`` and ``.npy``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import DATASETS, dataset_of, is_dataset_name
from semdd_lightning.errors import PoolError
from semdd_lightning.pools.image_set import DiskPool, Found
from semdd_lightning.pools.listing import ImageSource, file_stamp
from semdd_lightning.pools.normalizations import (
    Denormalization,
    NormalizationName,
    settle_normalization,
)
from semdd_lightning.pools.stated_labels import (
    Located,
    StatedLabels,
    labels_from_column,
    labels_from_numbers,
    numbered_names,
)
from semdd_lightning.pools.tensor_files import NUMPY_SUFFIXES, TORCH_SUFFIXES, load_arrays

_RESULTS = re.compile(r"res_[^_]+_([^_]+)_.+_\d+ipc\.pt", re.IGNORECASE)

# For each data set of these methods what their code normalises it by (`get_dataset` in DC's utils), and our
# name of it, which has its classes in the order of its labels.
_DATA_SETS: dict[str, tuple[NormalizationName, str | None]] = {
    "mnist": ("mnist", None),
    "fashionmnist": ("fashion_mnist", None),
    "svhn": ("svhn", None),
    "cifar10": ("cifar10", "cifar10"),
    "cifar100": ("cifar10", "cifar100"),
    "tinyimagenet": ("imagenet", "tiny_imagenet"),
}


@dataclass(frozen=True)
class TensorFile(DiskPool):
    """A pool in a file of tensors: images of shape (N, C, H, W), and their labels.

    Files are read without running what a pickle may hold. Pixels are stored with 8 bits; what they were
    normalised by is undone first, and what lies beyond black and white is clipped. Labels are class indices
    from 0 on, or one score per class, of which the highest counts.

    Args:
        path: A ``.pt``, ``.pth``, ``.npz`` or ``.npy`` file with images (and labels): the results of DC, DSA
            and DM, ``images_*.pt`` of MTT and DATM, a pair, or a dictionary of images and labels.
        labels: A second file with the labels; by default those in `path`, else the file named alike, as
            ``labels_best.pt`` beside ``images_best.pt``.
        normalization: What the pixels were normalised by. `auto` knows pixels from 0 to 1 and 0 to 255 by
            themselves and takes the rest from the file's name where that is ``res_DC_CIFAR10_...``, else
            from `classes` where those are of a data set; `none` are pixels from 0 to 1, `symmetric` from -1
            to 1.
        mean: The mean that was subtracted, one number per channel; goes with `std` and wins over
            `normalization`.
        std: The deviation that was divided by, one number per channel.
        experiment: Which of the experiments of a DC, DSA or DM file, from 0.
    """

    labels: Path | None = None
    normalization: NormalizationName = "auto"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    experiment: int = 0

    def find(self, default: ClassRegistry | None = None) -> Found:
        """The labels of all images; without a class list the classes are the numbers that occur."""
        asked, path, second = self._asked_normalization(), self._file(), self.labels
        if second is not None:
            second = Path(second).expanduser().absolute()
            if not second.is_file():
                msg = f"Expected a file of labels at {second}, found none; correct labels."
                raise PoolError(msg)
        images, labels = load_arrays(path, second, self.experiment)
        stated = _stated_labels(labels, len(images), str(second or path))
        listed = self._class_list(default)
        known_as, data_set = self._named
        if listed is None and data_set is not None and stated.numbered:
            spec = DATASETS[data_set]  # its classes are in the order of the labels
            listed = spec.registry.without_folders() if spec.num_classes == len(stated.names) else None

        def locate(rows: NDArray[np.int64]) -> Located:
            images, _ = load_arrays(path, second, self.experiment)  # not kept: they may fill the memory
            normalization = settle_normalization(images, asked, self._data_set(), str(path), known_as)
            source = TensorSource(path, second, self.experiment, normalization, images.shape, rows)
            return np.broadcast_to(file_stamp(path), (len(rows), 3)), source, {}

        stem = path.stem if self.experiment == 0 else f"{path.stem}-{self.experiment}"
        names = numbered_names(stem, len(images), ".png")
        return stated.found(path, names, f"images of {path}", locate, listed)

    def _file(self) -> Path:
        path = self._existing()
        known = sorted(TORCH_SUFFIXES | NUMPY_SUFFIXES)
        if path.suffix.lower() not in known or not path.is_file():
            msg = f"Expected a file of tensors ({', '.join(known)}), found {path}; name the file of images."
            raise PoolError(msg)
        return path

    def _asked_normalization(self) -> NormalizationName | Denormalization:
        if self.mean is None and self.std is None:
            if self.normalization == "auto":
                self._refuse_whitened()
            return self.normalization
        mean, std = self.mean or (), self.std or ()
        if not mean or len(mean) != len(std) or not np.isfinite((*mean, *std)).all() or min(std) <= 0:
            msg = (
                f"Expected mean and std of as many numbers, std above 0, found {self.mean} and {self.std}; "
                "give both or neither."
            )
            raise PoolError(msg)
        return Denormalization(tuple(mean), tuple(std))

    def _refuse_whitened(self) -> None:
        """MTT and DATM write ``images_zca_*.pt`` beside ``images_*.pt`` if, and only if, the run whitened."""
        path = self._file()
        restored = sorted(file.name for file in path.parent.glob("images_zca_*.pt"))
        if re.fullmatch(r"images_(?!zca_).*\.pt", path.name) and restored:
            msg = (
                f"Expected pixels in {path}, found ZCA-whitened values, as {restored[-1]} beside it tells: "
                "they cannot be turned back. Read that file, or give normalization if this one is not "
                "whitened."
            )
            raise PoolError(msg)

    @property
    def _named(self) -> tuple[NormalizationName | None, str | None]:
        """Normalisation and data set that the file's name states, if it is that of a method's results."""
        match = _RESULTS.fullmatch(Path(self.path).name)
        return _DATA_SETS.get(match[1].lower(), (None, None)) if match else (None, None)

    def _data_set(self) -> str | None:
        """The data set that the class list is of, by its name or by its classes, as of a corrected list."""
        if self.classes is not None and is_dataset_name(self.classes):
            return str(self.classes)
        listed = self._class_list()
        return None if listed is None else dataset_of(listed)


class TensorSource(ImageSource):
    """Rows of a tensor file as PNG; the file is opened once per process, and only its path is pickled.

    Args:
        path: The file with the images.
        labels: The second file, if any.
        experiment: Which experiment of several.
        normalization: What to undo.
        shape: Shape of the images when they were listed.
        rows: Row in the file of each row of the listing, shape ``(N,)``.
    """

    def __init__(
        self,
        path: Path,
        labels: Path | None,
        experiment: int,
        normalization: Denormalization,
        shape: tuple[int, ...],
        rows: NDArray[np.int64],
    ) -> None:
        self._arguments = (path, labels, experiment, normalization, shape, rows)
        self._images: NDArray[Any] | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorSource, self._arguments

    def recipe(self) -> str:
        """The experiment and the normalisation: under others the same file gives other pixels."""
        _, _, experiment, normalization, _, _ = self._arguments
        return f"{super().recipe()}, experiment {experiment}, {normalization}"

    def read(self, row: int) -> bytes:
        """An image as PNG.

        Raises:
            OSError: If its pixels are no numbers, or the file is not as it was any more.
        """
        _, _, _, normalization, _, rows = self._arguments
        values = np.asarray(self._opened()[rows[row]])
        if not np.isfinite(values).all():
            msg = f"{'NaN' if np.isnan(values).any() else 'infinite'} pixels"
            raise OSError(msg)
        pixels = np.ascontiguousarray(normalization.to_pixels(values).transpose(1, 2, 0))
        content = BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, format="PNG")
        return content.getvalue()

    def _opened(self) -> NDArray[Any]:
        path, labels, experiment, _, shape, _ = self._arguments
        with self._lock:
            if self._images is None:
                try:
                    images, _ = load_arrays(path, labels, experiment)
                except PoolError as error:
                    raise OSError(str(error)) from error
                if images.shape != shape:
                    msg = f"images of shape {images.shape} instead of {shape}: the file has changed"
                    raise OSError(msg)
                self._images = images
            return self._images


def _stated_labels(labels: NDArray[Any], num_images: int, place: str) -> StatedLabels:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or len(labels) != num_images:
        msg = (
            f"Expected labels of shape ({num_images},) or ({num_images}, classes) in {place}, one for each "
            f"image, found shape {labels.shape}; name the labels that belong to the images."
        )
        raise PoolError(msg)
    if labels.dtype.kind == "U":
        if labels.ndim == 1:
            return labels_from_column(pa.chunked_array([pa.array(labels.tolist(), pa.string())]), place)
        msg = f"Expected one name for each image in {place}, found shape {labels.shape}; give one per row."
        raise PoolError(msg)
    if labels.ndim == 1:
        return labels_from_numbers(labels, place)
    unusable = ~np.isfinite(labels).all(axis=1)
    if unusable.any():
        msg = (
            f"Expected finite scores as soft labels in {place}, found NaN or infinity for {unusable.sum()} "
            f"images, first in row {np.flatnonzero(unusable)[0]}; give hard labels as labels."
        )
        raise PoolError(msg)
    names = tuple(str(index) for index in range(labels.shape[1]))
    return StatedLabels(names, labels.argmax(axis=1).astype(np.int64), True, place)

"""Where the training images live: on the training device, in host memory, or on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.pools.listing import LabelledImages

Storage = Literal["device", "host", "disk"]
Decode = Callable[[Image.Image], Tensor]
DEVICE_SHARE = 0.25  # of the free device memory that training images may take; networks need the rest
HOST_SHARE = 0.5  # of the memory that is free, all ranks of a node together


def square(image: Image.Image, image_size: int) -> Tensor:
    """Resize the shorter side to ``image_size`` and cut the centre square; uint8, (3, S, S)."""
    return _centre(image, image_size, image_size)


def evaluation_view(image: Image.Image, image_size: int) -> Tensor:
    """RDED's test transform: shorter side to ``image_size // 7 * 8``, centre square; uint8, (3, S, S).

    Source: RDED's validation code. 224 px are cut from 256, 64 from 72, while 32 px stay whole.
    """
    return _centre(image, max(image_size, image_size // 7 * 8), image_size)


def _centre(image: Image.Image, shorter: int, image_size: int) -> Tensor:
    """The centre of an image whose shorter side is resized."""
    if image.size != (shorter, shorter):
        image = TF.resize(image, [shorter])
    if image.size != (image_size, image_size):
        image = TF.center_crop(image, [image_size, image_size])
    pixels: Tensor = TF.pil_to_tensor(image)
    return pixels


def decode_all(images: LabelledImages, decode: Decode) -> Tensor:
    """Decode every image once with a few threads; uint8, (N, 3, S, S)."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        first = decode(images.read(0))
        pixels = torch.empty((len(images), *first.shape), dtype=torch.uint8)
        pixels[0] = first

        def fill(index: int) -> None:
            pixels[index] = decode(images.read(index))

        list(pool.map(fill, range(1, len(images))))
    return pixels


@dataclass(frozen=True)
class ImageStore:
    """Images and labels, gathered by index.

    Attributes:
        labels: class index of each image, (N,).
        pixels: uint8 images, (N, 3, S, S); None where they stay on disk.
        images: what to read from when they stay on disk.
        decode: from an image to its uint8 tensor.
        storage: where the pixels live.
        pinned: whether gathered images lie in pinned memory, from which a GPU copies without waiting.
    """

    labels: Tensor
    pixels: Tensor | None
    images: LabelledImages
    decode: Decode
    storage: Storage
    pinned: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, index: Tensor) -> Tensor:
        """Images at ``index`` (n,), as uint8 where they live, (n, 3, S, S)."""
        if self.pixels is not None:
            gathered = self.pixels[index.to(self.pixels.device)]
            return gathered.pin_memory() if self.pinned else gathered
        # a rank without a share still needs images of the right shape
        rows = index.tolist() or [0]
        return torch.stack([self.decode(self.images.read(row)) for row in rows])[: len(index)]

    @property
    def description(self) -> str:
        """One line for the log: how many images live where, and their size."""
        if self.pixels is None:
            return f"{len(self):,} images live on disk, decoded by worker processes"
        where = "in host memory" if self.storage == "host" else f"on {self.pixels.device}"
        return f"{len(self):,} images live {where} ({self.pixels.nbytes / 2**20:.1f} MiB)"


def store_images(
    images: LabelledImages,
    decode: Decode,
    device: torch.device,
    storage: Storage | Literal["auto"] = "auto",
    local_ranks: int = 1,
) -> ImageStore:
    """Decode images once and put them where they fit.

    Args:
        images: what to decode.
        decode: from an image to its uint8 tensor (3, S, S).
        device: the training device.
        storage: where they shall live; ``auto`` takes the first of device, host and disk that fits.
        local_ranks: processes of this machine that each hold a copy.
    """
    if storage == "auto":
        size = decode(images.read(0)).numel() * len(images)
        storage = choose_storage(size, device, local_ranks)
    labels = torch.from_numpy(np.asarray(images.labels, dtype=np.int64))
    if storage == "disk":
        return ImageStore(labels, None, images, decode, storage)
    pixels = decode_all(images, decode)
    if storage == "device":
        pixels, labels = pixels.to(device), labels.to(device)
    pinned = storage == "host" and device.type == "cuda"
    return ImageStore(labels, pixels, images, decode, storage, pinned)


def choose_storage(size: int, device: torch.device, local_ranks: int = 1) -> Storage:
    """The fastest place that ``size`` bytes fit into."""
    if device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0] * DEVICE_SHARE:
        return "device"
    if size * local_ranks <= psutil.virtual_memory().available * HOST_SHARE:
        return "device" if device.type == "cpu" else "host"
    return "disk"

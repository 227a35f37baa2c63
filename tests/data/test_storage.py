from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from semdd_lightning.data import FolderImages
from semdd_lightning.data.storage import (
    DEVICE_SHARE,
    HOST_SHARE,
    choose_storage,
    decode_all,
    evaluation_view,
    square,
    store_images,
)
from semdd_lightning.errors import DataError
from semdd_lightning.pools.listing import LabelledImages

CPU = torch.device("cpu")
MakeImage = Callable[[int, int, int], Image.Image]


@pytest.mark.parametrize(("size", "enlarged"), [(32, 32), (64, 72), (128, 144), (224, 256), (16, 16)])
@pytest.mark.parametrize("shape", [(90, 61), (50, 120), (77, 77)])
def test_the_evaluation_view_is_the_peers_test_transform(
    make_image: MakeImage, size: int, enlarged: int, shape: tuple[int, int]
) -> None:
    image = make_image(*shape, 0)
    reference = v2.Compose([v2.Resize(enlarged), v2.CenterCrop(size), v2.PILToTensor()])
    assert torch.equal(evaluation_view(image, size), reference(image))


@pytest.mark.parametrize("size", [32, 64, 224, 5])
def test_the_evaluation_view_leaves_a_fitting_image_alone(make_image: MakeImage, size: int) -> None:
    enlarged = {32: 32, 64: 72, 224: 256, 5: 5}[size]
    image, margin = make_image(enlarged, enlarged, 0), (enlarged - size) // 2
    pixels = np.asarray(image)[margin : margin + size, margin : margin + size]
    assert np.array_equal(evaluation_view(image, size).permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize("shape", [(90, 61), (30, 64), (20, 20), (32, 32)])
def test_square_resizes_the_shorter_side_and_cuts_the_centre(
    make_image: MakeImage, shape: tuple[int, int]
) -> None:
    image = make_image(*shape, 0)
    reference = v2.Compose([v2.Resize(32), v2.CenterCrop(32), v2.PILToTensor()])
    assert torch.equal(square(image, 32), reference(image))
    if shape == (32, 32):
        assert np.array_equal(square(image, 32).permute(1, 2, 0).numpy(), np.asarray(image))


def test_all_are_decoded_in_order(coloured_images: LabelledImages) -> None:
    pixels = decode_all(coloured_images, partial(square, image_size=16))
    for i in range(len(coloured_images)):
        assert np.array_equal(pixels[i].permute(1, 2, 0).numpy(), np.asarray(coloured_images.read(i)))


def test_an_unreadable_image_is_named_wherever_images_live(coloured_pool: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes((coloured_pool / "red" / "1.png").read_bytes())
    (tmp_path / "b" / "2.png").write_bytes(b"no image")
    images = FolderImages(path=tmp_path).open()
    with pytest.raises(DataError, match=r"Expected an image in .*b/2\.png, found none .*replace or remove"):
        store_images(images, partial(square, image_size=4), CPU)
    on_disk = store_images(images, partial(square, image_size=4), CPU, "disk")
    with pytest.raises(DataError, match=r"b/2\.png"):
        on_disk.gather(torch.tensor([0, 2]))


@pytest.mark.parametrize("rows", [[0], [5, 17, 3, 3], []])
def test_every_storage_gathers_the_same(coloured_images: LabelledImages, rows: list[int]) -> None:
    decode, index = partial(square, image_size=8), torch.tensor(rows, dtype=torch.int64)
    memory, host, disk = (
        store_images(coloured_images, decode, CPU, storage) for storage in ("device", "host", "disk")
    )
    assert memory.gather(index).shape == (len(rows), 3, 8, 8)
    for store in (host, disk):
        assert torch.equal(store.gather(index), memory.gather(index))
        assert torch.equal(store.labels, memory.labels)
    assert memory.labels.tolist() == coloured_images.labels.tolist()
    assert disk.pixels is None


def test_storages_describe_themselves(coloured_images: LabelledImages) -> None:
    decode = partial(square, image_size=8)
    stores = {s: store_images(coloured_images, decode, CPU, s) for s in ("auto", "host", "disk")}
    assert stores["auto"].description == "18 images live on cpu (0.0 MiB)"
    assert stores["host"].description == "18 images live in host memory (0.0 MiB)"
    assert stores["disk"].description == "18 images live on disk, decoded by worker processes"


def test_the_fastest_place_that_fits_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, free = 1000, 100
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10 * free))
    gpu = torch.device("cuda", 0)
    on_device, on_host = int(free * DEVICE_SHARE), int(memory * HOST_SHARE)
    assert choose_storage(on_device, gpu) == "device"
    assert choose_storage(on_device + 1, gpu) == "host"
    assert choose_storage(on_host, gpu) == "host"
    assert choose_storage(on_host + 1, gpu) == "disk"
    assert choose_storage(on_host // 4 + 1, gpu, local_ranks=4) == "disk"
    assert choose_storage(on_host, CPU) == "device"
    assert choose_storage(on_host + 1, CPU) == "disk"
    assert choose_storage(on_host // 2 + 1, CPU, local_ranks=2) == "disk"

"""Images that are read one by one from wherever they are."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import DataError
from semdd_lightning.pools import ClassFolders, Pool, decode_image
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.listing import ImageSource, LabelledImages, Listing, list_array
from semdd_lightning.pools.strings import Strings

REGISTRY = ClassRegistry(("a", "b"), ("a", "b"))


class Squares(ImageSource):
    """Encoded images that are no files, each of the grey value ten times its row."""

    def read(self, row: int) -> bytes:
        if row == 3:
            raise OSError("the member is cut off")
        with BytesIO() as stream:
            Image.new("L", (4, 4), 10 * row).save(stream, format="PNG")
            return stream.getvalue()


@pytest.fixture
def listing() -> Listing:
    paths = Strings(["a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png"])
    labels, stamps = np.array([0, 0, 1, 1, 1]), np.zeros((5, 3), dtype=np.int64)
    return Listing(Path("/pool.tar"), paths, labels, stamps, Squares(), {1: "unreadable: not a regular file"})


def _of(pool: Pool) -> LabelledImages:
    return LabelledImages(pool.listing(), pool.registry)


def _value(image: Image.Image) -> int:
    return int(np.asarray(image)[0, 0, 0])


def test_every_image_of_a_listing_counts_and_a_bad_one_is_named_when_it_is_read(listing: Listing) -> None:
    images = LabelledImages(listing, REGISTRY)
    assert images.labels.tolist() == [0, 0, 1, 1, 1]
    assert images.paths() == ["a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png"]
    assert [_value(images.read(i)) for i in (0, 2, 4)] == [0, 20, 40]
    with pytest.raises(
        DataError, match=r"image in /pool\.tar/b/3\.png, found none \(the member is cut off\)"
    ):
        images.read(3)
    with pytest.raises(DataError, match=r"a/1\.png, found none \(unreadable: not a regular file\); replace"):
        images.read(1)


@pytest.mark.filterwarnings("ignore:Expected images to show something")
def test_a_pool_without_some_of_its_listing(listing: Listing) -> None:
    images = _of(index_images(listing, REGISTRY))
    assert images.paths() == ["a/0.png", "b/2.png", "b/4.png"]
    assert [_value(images.read(i)) for i in range(3)] == [0, 20, 40]
    part = images.take(np.array([2, 0]))
    assert part.paths() == ["b/4.png", "a/0.png"]
    assert [_value(part.read(i)) for i in range(2)] == [40, 0]
    assert part.labels.tolist() == [1, 0]


def test_they_travel_to_worker_processes(listing: Listing, coloured_pool: Path) -> None:
    pool = ClassFolders(coloured_pool).read()
    for images in (LabelledImages(listing, REGISTRY), _of(pool).take(np.array([3, 0, 7]))):
        again: LabelledImages = pickle.loads(pickle.dumps(images))  # noqa: S301 - pickled in the line
        assert again.paths() == images.paths()
        assert again.labels.tolist() == images.labels.tolist()
        assert again.read(0).tobytes() == images.read(0).tobytes()


class _Values(LabelledImages):
    def __getitem__(self, index: int) -> int:
        return _value(self.read(index))


def test_worker_processes_read_them(coloured_pool: Path) -> None:
    images = _of(ClassFolders(coloured_pool).read())
    values = _Values(images.listing, images.registry)
    loader: DataLoader[int] = DataLoader(values, batch_size=None, num_workers=2)  # type: ignore[arg-type]
    assert [int(value) for value in loader] == [_value(images.read(i)) for i in range(len(images))]


def test_arrays_keep_their_order_and_name_their_rows() -> None:
    pixels = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    stamp = np.zeros(3, dtype=np.int64)
    listing = list_array(Path("noise"), pixels, np.array([1, 0]), REGISTRY, stamp, name="drawn")
    images = LabelledImages(listing, REGISTRY)
    assert images.paths() == ["b/00000.png", "a/00001.png"]
    assert np.array_equal(np.asarray(images.take(np.array([1])).read(0)), pixels[1])
    in_order = listing.in_path_order()
    assert list(in_order.paths) == ["a/00001.png", "b/00000.png"]
    assert in_order.in_path_order() is in_order
    assert all(
        np.array_equal(np.asarray(decode_image(in_order.source.read(row))), pixels[1 - row]) for row in (0, 1)
    )

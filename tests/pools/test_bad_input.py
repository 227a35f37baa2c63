"""Files as users have them: each is an image that is read right, a row of what was left out, or an error."""

from __future__ import annotations

import errno
import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders, ExcludedImage, Pool
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.webdataset import TarShards
from tests.pools.tar_makers import noise, write_samples, write_tar

pytestmark = pytest.mark.filterwarnings("ignore:Expected images to show something")  # 1 x 1 images do not

HEIGHT, WIDTH = 5, 7
Pixels = NDArray[np.uint8]


def _random(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


RGB = _random(HEIGHT, WIDTH, 3)
GREY = _random(HEIGHT, WIDTH, seed=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pool of one good image in each of two classes."""
    for seed, folder in enumerate(["cat", "dog"]):
        (tmp_path / "pool" / folder).mkdir(parents=True)
        (tmp_path / "pool" / folder / "good.png").write_bytes(noise(seed))
    return tmp_path / "pool"


GOOD = ("cat/good.png", "dog/good.png")


def _read_with(root: Path, name: str, content: bytes) -> Pool:
    (root / name).write_bytes(content)
    return ClassFolders(root).read()


def _encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:  # noqa: ANN401 - what save takes
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **options)
    return buffer.getvalue()


# Odd images that are good


def _pixels_of(root: Path, name: str, content: bytes) -> Pixels:
    pool = _read_with(root, f"cat/{name}", content)
    assert pool.paths == tuple(sorted((*GOOD, f"cat/{name}")))
    assert len(pool.excluded) == 0
    row = list(pool.paths).index(f"cat/{name}")
    pixels = np.asarray(decode_image(pool.read(row)))
    assert (pool.traits.heights[row], pool.traits.widths[row]) == pixels.shape[:2]
    assert pixels.dtype == np.uint8
    return pixels


def _three(grey: NDArray[Any]) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def test_cmyk_by_the_formula_without_a_profile(root: Path) -> None:
    inks = _random(HEIGHT, WIDTH, 4)
    pixels = _pixels_of(root, "a.tif", _encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    white = 255 - inks[..., 3:].astype(int)  # what black leaves
    assert (pixels == white - np.rint(inks[..., :3] * white / 255)).all()


def test_cmyk_jpeg_is_not_inverted(root: Path) -> None:
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = _pixels_of(root, "a.jpg", _encoded(inks, "JPEG", quality=100))
    assert np.abs(pixels - np.array([255.0, 0, 0])).max() <= 3


@pytest.mark.parametrize(
    "transparency", [None, 3, bytes(range(0, 256, 4))], ids=["opaque", "one entry", "alpha of every entry"]
)
def test_palette_colours_whatever_is_transparent(root: Path, transparency: int | bytes | None) -> None:
    palette, entries = _random(64, 3), _random(HEIGHT, WIDTH) % 64
    image = Image.fromarray(entries, "P")
    image.putpalette(palette.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = _pixels_of(root, "a.png", _encoded(image, "PNG", **options))
    assert (pixels == palette[entries]).all()


def test_two_colours(root: Path) -> None:
    pixels = _pixels_of(root, "a.png", _encoded(Image.fromarray(GREY > 100), "PNG"))
    assert (pixels == _three(np.where(GREY > 100, 255, 0))).all()


def test_grey_becomes_three_equal_channels(root: Path) -> None:
    assert (_pixels_of(root, "a.png", _encoded(Image.fromarray(GREY), "PNG")) == _three(GREY)).all()


def test_alpha_is_dropped_not_blended(root: Path) -> None:
    rgba = np.dstack([RGB, GREY])
    assert (_pixels_of(root, "a.png", _encoded(Image.fromarray(rgba), "PNG")) == RGB).all()
    grey_alpha = np.dstack([GREY, RGB[..., 0]])
    image = Image.fromarray(grey_alpha, "LA")
    assert (_pixels_of(root, "a.png", _encoded(image, "PNG")) == _three(GREY)).all()


def test_16_bit_grey_is_scaled_not_clipped(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    pixels = _pixels_of(root, "a.png", _encoded(Image.fromarray(deep), "PNG"))
    assert (pixels == _three(np.rint(deep / 257))).all()


def _png(width: int, height: int, depth: int, colour: int, rows: bytes | None) -> bytes:
    """A PNG put together by hand; without rows it ends after its header."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = b"" if rows is None else chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + chunk(b"IEND", b"")


def test_16_bit_colour_keeps_the_upper_byte(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert (_pixels_of(root, "a.png", _png(WIDTH, HEIGHT, 16, 2, rows)) == deep >> 8).all()


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_picture_of_an_animation(root: Path, image_format: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue", "lime")]
    options = {"save_all": True, "append_images": frames[1:]}
    if image_format == "WEBP":
        options["lossless"] = True
    pixels = _pixels_of(root, f"a.{image_format.lower()}", _encoded(frames[0], image_format, **options))
    assert (pixels == (255, 0, 0)).all()


def test_the_first_picture_of_a_stereo_jpeg(root: Path) -> None:
    left, right = (Image.fromarray(_random(16, 16, 3, seed=seed)) for seed in (0, 1))
    content = _encoded(left, "MPO", save_all=True, append_images=[right])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    with Image.open(io.BytesIO(_encoded(left, "JPEG"))) as alone:
        assert (_pixels_of(root, "a.jpg", content) == np.asarray(alone)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_turned_on_its_side_is_left_so(root: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = _pixels_of(root, "a.png", _encoded(Image.fromarray(RGB), "PNG", exif=exif))
    assert (pixels == RGB).all()


def test_a_single_pixel(root: Path) -> None:
    content = _encoded(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")
    assert _pixels_of(root, "a.png", content).tolist() == [[[1, 2, 3]]]


def test_suffixes_in_capitals_and_suffixes_that_lie(root: Path) -> None:
    assert (_pixels_of(root, "a.PNG", _encoded(Image.fromarray(RGB), "PNG")) == RGB).all()
    (root / "cat/a.PNG").unlink()
    assert (_pixels_of(root, "a.JPEG", _encoded(Image.fromarray(RGB), "BMP")) == RGB).all()


# Bad images, each left out with its reason


def _only_excluded(pool: Pool) -> ExcludedImage:
    assert pool.paths == GOOD
    (excluded,) = pool.excluded
    return excluded


def test_a_zero_byte_file(root: Path) -> None:
    excluded = _only_excluded(_read_with(root, "dog/a.png", b""))
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: empty file")


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_truncated_jpeg(root: Path, share: float, options: dict[str, bool]) -> None:
    content = _encoded(Image.fromarray(_random(64, 64, 3)), "JPEG", **options)
    excluded = _only_excluded(_read_with(root, "dog/a.jpg", content[: int(share * len(content))]))
    assert (excluded.path, excluded.class_index) == ("dog/a.jpg", 1)
    assert excluded.reason.startswith("unreadable: image file is truncated")


def test_a_jpeg_that_ends_in_its_header(root: Path) -> None:
    excluded = _only_excluded(_read_with(root, "dog/a.jpg", noise(0, "JPEG")[:30]))
    assert excluded.reason.startswith("unreadable: ")


def test_a_web_page_saved_as_png(root: Path) -> None:
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    excluded = _only_excluded(_read_with(root, "dog/a.png", page))
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: no known image format")


def _gif_header(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02L\x01\x00;"


BOMBS = {
    "a.png": _png(60_000, 60_000, 8, 2, None),
    "a.gif": _gif_header(60_000, 60_000),
    "b.png": _png(10_000, 10_000, 8, 2, bytes(1_000)),  # PIL itself would warn and begin to decode
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(root: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        excluded = _only_excluded(_read_with(root, f"dog/{name}", BOMBS[name]))
    assert (excluded.path, excluded.class_index) == (f"dog/{name}", 1)
    assert excluded.reason.startswith("unreadable: DecompressionBombError: Image size (")
    assert "pixels) exceeds limit of" in excluded.reason


def test_formats_that_nothing_here_decodes(root: Path) -> None:
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
    excluded = _only_excluded(_read_with(root, "dog/a.heic", heic))
    assert excluded == ExcludedImage("dog/a.heic", 1, "unreadable: no known image format")


@pytest.mark.skipif(not features.check("avif"), reason="this build of Pillow reads no AVIF")
def test_avif_where_pillow_reads_it(root: Path) -> None:
    content = _encoded(Image.new("RGB", (16, 16), "red"), "AVIF", quality=100)
    assert np.abs(_pixels_of(root, "a.avif", content) - np.array([255.0, 0, 0])).max() <= 6


def test_links_that_lead_nowhere_or_in_circles(root: Path) -> None:
    (root / "dog/dangling.png").symlink_to(root / "nowhere.png")
    (root / "dog/self.png").symlink_to("self.png")
    (root / "cat/there.png").symlink_to(root / "cat/back.png")
    (root / "cat/back.png").symlink_to(root / "cat/there.png")
    pool = ClassFolders(root).read()
    assert pool.paths == GOOD
    assert list(pool.excluded) == [
        ExcludedImage(f"{folder}/{name}.png", label, "unreadable: not a regular file")
        for label, folder, names in ((0, "cat", ("back", "there")), (1, "dog", ("dangling", "self")))
        for name in names
    ]


def test_folders_that_contain_themselves(root: Path) -> None:
    (root / "cat/loop").symlink_to(root / "cat")
    (root / "dog/up").symlink_to(root / "dog")
    (root / "dog/deep").mkdir()
    (root / "dog/deep/good.png").write_bytes(noise(7))
    (root / "dog/deep/up").symlink_to(root / "dog")
    pool = ClassFolders(root).read()
    assert pool.paths == ("cat/good.png", "dog/deep/good.png", "dog/good.png")
    assert len(pool.excluded) == 0


def _refused(path: object) -> NoReturn:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_a_file_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "dog/a.png").write_bytes(noise(7))
    read = Path.read_bytes

    def guarded(path: Path) -> bytes:
        return _refused(path) if path.name == "a.png" else read(path)

    monkeypatch.setattr(Path, "read_bytes", guarded)
    excluded = _only_excluded(ClassFolders(root).read())
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read)  # permissions are mended, nobody remembers the refusal
    assert "dog/a.png" in ClassFolders(root).read().paths


def test_a_folder_that_may_not_be_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "dog/deep").mkdir()
    scandir = os.scandir

    def guarded(path: Any) -> Any:  # noqa: ANN401 - os.scandir takes and gives several types
        return _refused(path) if Path(path).name == "deep" else scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PoolError, match=r"list .*deep, found: Permission denied; check its permissions"):
        ClassFolders(root).read()


def test_permissions_of_the_file_system(root: Path) -> None:
    (root / "dog/a.png").write_bytes(noise(7))
    (root / "dog/a.png").chmod(0)
    (root / "dog/deep").mkdir(mode=0)
    if os.access(root / "dog/a.png", os.R_OK):
        (root / "dog/deep").chmod(0o700)
        pytest.skip("this user may read everything")
    try:
        with pytest.raises(PoolError, match=r"list .*deep, found: Permission denied"):
            ClassFolders(root).read()
    finally:
        (root / "dog/deep").chmod(0o700)
    assert _only_excluded(ClassFolders(root).read()).reason == "unreadable: Permission denied"


def test_names_that_are_not_utf8(root: Path) -> None:
    try:
        (root / os.fsdecode(b"dog/\xe4.png")).write_bytes(noise(7))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    excluded = _only_excluded(ClassFolders(root).read())
    assert excluded == ExcludedImage("dog/\\udce4.png", 1, "unreadable: file name is not UTF-8")
    (root / os.fsdecode(b"k\xe4fer")).mkdir()
    with pytest.raises(PoolError, match=r"folder names in UTF-8 in .*, found 'k\\\\udce4fer'; rename"):
        ClassFolders(root).read()


@pytest.mark.parametrize(
    "name", ["Käfer ß 图.png", "a b\tc.png", "a'\"$(x).png", "a" * 200 + ".png", "-x.png"]
)
def test_names_that_are_unusual_but_fine(root: Path, name: str) -> None:
    pool = _read_with(root, f"cat/{name}", noise(7))
    assert f"cat/{name}" in pool.paths
    assert len(pool.excluded) == 0


# What is no image and is passed over


@pytest.mark.parametrize("place", ["", "cat/"])
@pytest.mark.parametrize(
    "name",
    [
        "Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        "._good.png",
        ".ipynb_checkpoints/good-checkpoint.png",
        "__MACOSX/._good.png",
        "metadata.jsonl",
        "good.png.part",
    ],
)
def test_what_systems_and_tools_leave_behind(root: Path, place: str, name: str) -> None:
    file = root / f"{place}{name}"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(noise(7))
    reader = ClassFolders(root, class_names=("cat", "dog"))
    reader.check()
    pool = reader.read()
    assert pool.paths == GOOD
    assert len(pool.excluded) == 0


def test_a_folder_with_the_name_of_an_image(root: Path) -> None:
    (root / "cat/empty.jpg").mkdir()
    (root / "dog/frames.gif").mkdir()
    (root / "dog/frames.gif/0.png").write_bytes(noise(7))
    pool = ClassFolders(root).read()
    assert pool.paths == ("cat/good.png", "dog/frames.gif/0.png", "dog/good.png")
    assert len(pool.excluded) == 0


def test_a_pipe_with_the_name_of_an_image(root: Path) -> None:
    os.mkfifo(root / "dog/a.png")
    excluded = _only_excluded(ClassFolders(root).read())
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: not a regular file")


# Pools that are refused


Method = Callable[[ClassFolders], object]


@pytest.mark.parametrize("run", [ClassFolders.check, ClassFolders.read])
@pytest.mark.parametrize("leftover", [None, "log.txt", ".hidden.png", "deep/notes.txt"])
def test_an_empty_class_folder(root: Path, run: Method, leftover: str | None) -> None:
    (root / "eel").mkdir()
    if leftover is not None:
        (root / "eel" / leftover).parent.mkdir(exist_ok=True)
        (root / "eel" / leftover).touch()
    with pytest.raises(PoolError, match=r"class folder 'eel' of .* to hold image files, found none; add"):
        run(ClassFolders(root))


@pytest.mark.parametrize("run", [ClassFolders.check, ClassFolders.read])
def test_two_folders_that_map_to_one_class(root: Path, run: Method) -> None:
    try:
        (root / "Cat").mkdir()
    except FileExistsError:
        pytest.skip("this file system folds case")
    (root / "Cat/good.png").write_bytes(noise(7))
    with pytest.raises(ClassListError, match=r"folders 'Cat' and 'cat' both mean class 'cat'"):
        run(ClassFolders(root, class_names=("cat", "dog")))
    for folder, number in (("cat", "1"), ("dog", "01"), ("Cat", "2")):
        (root / folder).rename(root / number)
    with pytest.raises(ClassListError, match=r"found '01' and '1' for class 1; merge them"):
        run(ClassFolders(root))


@pytest.mark.parametrize("run", [TarShards.check, TarShards.read])
@pytest.mark.parametrize(
    ("label", "message"),
    [(3, "labels from 0 to 2 in .*, found '3'"), (-1, "labels from 0 on in .*, found -1")],
)
def test_labels_out_of_range(
    tmp_path: Path, run: Callable[[TarShards], object], label: int, message: str
) -> None:
    shard = write_samples(tmp_path / "x.tar", {"0": 0, "1": 1, "2": 2, "3": label})
    with pytest.raises((ClassListError, PoolError), match=message):
        run(TarShards(shard, class_names=("cat", "dog", "eel")))


def test_a_tar_member_that_climbs_out(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "x.tar", {"cat/0.png": noise(0), "../dog/0.png": noise(1)})
    with pytest.raises(PoolError, match=r"names in .*x\.tar to stay inside it, found '\.\./dog/0\.png'"):
        TarShards(shard).read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tar"]

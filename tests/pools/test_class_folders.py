from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders, ExcludedImage, Pool

# One image of the fixture stands in two classes; what is said of it is tested with the index.
pytestmark = pytest.mark.filterwarnings("ignore:Expected every image in one class")


def _image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with good images, every kind of bad one, and files that are no images."""
    root = tmp_path / "pool"
    for seed, name in enumerate(["cat/b.png", "cat/a.jpg", "cat/deep/er/c.PNG", "dog/z.webp", "dog/y.bmp"]):
        _image(root / name, seed)
    (root / "cat/cut.jpg").write_bytes((root / "cat/a.jpg").read_bytes()[:400])
    (root / "cat/empty.png").touch()
    (root / "cat/page.png").write_text("<!DOCTYPE html><html></html>")
    (root / "cat/dangling.png").symlink_to(root / "nowhere.png")
    shutil.copy(root / "cat/b.png", root / "cat/copy of b.png")
    shutil.copy(root / "cat/b.png", root / "cat/a copy of b.png")
    shutil.copy(root / "cat/b.png", root / "dog/cat.png")
    for skipped in ("cat/selected.jsonl", "cat/Thumbs.db", "cat/._b.png", ".git/config", "readme.txt"):
        (root / skipped).parent.mkdir(exist_ok=True)
        (root / skipped).write_text("no image")
    return root


def test_folders_that_differ_in_case_and_links_back_are_said(
    coloured_pool: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "pool"
    shutil.copytree(coloured_pool, root)
    (root / "Red").mkdir()
    if len(list(root.iterdir())) < 4:
        pytest.skip("a file system that tells no case")
    shutil.copy(root / "blue" / "0.png", root / "Red")
    (root / "again").symlink_to(root)
    assert len(ClassFolders(root).read().registry) == 4
    assert "'Red', 'red' of" in caplog.text
    assert "differ in case only, and count as different classes" in caplog.text
    assert f"'again' of {root} leads back to it and is ignored" in caplog.text


def test_read_keeps_distinct_readable_images_in_path_order(root: Path) -> None:
    pool = ClassFolders(root).read()
    assert pool.paths == (
        "cat/a copy of b.png",
        "cat/a.jpg",
        "cat/deep/er/c.PNG",
        "dog/cat.png",
        "dog/y.bmp",
        "dog/z.webp",
    )
    assert pool.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert pool.labels.dtype == np.int64
    assert pool.counts().tolist() == [3, 3]
    assert pool.registry.names == ("cat", "dog")
    assert len(pool) == 6
    assert pool.file(1) == root / "cat/a.jpg"


def test_every_excluded_image_has_its_reason(root: Path) -> None:
    excluded = {image.path: image for image in ClassFolders(root).read().excluded}
    assert list(excluded) == sorted(excluded)
    assert excluded["cat/b.png"] == ExcludedImage("cat/b.png", 0, "duplicate of cat/a copy of b.png")
    assert excluded["cat/copy of b.png"].reason == "duplicate of cat/a copy of b.png"
    assert excluded["cat/empty.png"].reason == "unreadable: empty file"
    assert excluded["cat/page.png"].reason == "unreadable: no known image format"
    assert excluded["cat/dangling.png"].reason == "unreadable: not a regular file"
    assert excluded["cat/cut.jpg"].reason.startswith("unreadable: ")
    assert len(excluded) == 6


def test_fingerprint_is_that_of_paths_and_contents(root: Path, tmp_path: Path) -> None:
    pool = ClassFolders(root).read()
    lines = "".join(
        f"{path}\t{hashlib.sha256((root / path).read_bytes()).hexdigest()}\n" for path in sorted(pool.paths)
    )
    assert pool.fingerprint == hashlib.sha256(lines.encode()).hexdigest()

    moved = root.rename(tmp_path / "elsewhere")
    assert ClassFolders(moved).read().fingerprint == pool.fingerprint
    (moved / "dog/y.bmp").rename(moved / "dog/x.bmp")
    renamed = ClassFolders(moved).read().fingerprint
    _image(moved / "dog/x.bmp", seed=99)
    assert len({pool.fingerprint, renamed, ClassFolders(moved).read().fingerprint}) == 3


def test_listing_order_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def described(pool: Pool) -> tuple[object, ...]:
        return pool.paths, pool.labels.tolist(), pool.registry, pool.excluded, pool.fingerprint

    expected = described(ClassFolders(root).read())
    scandir, listdir = os.scandir, os.listdir

    class Reversed:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self._entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        def __enter__(self) -> Reversed:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Reversed:
            return self

        def __next__(self) -> os.DirEntry[str]:
            return next(self._entries)

        def close(self) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Reversed)
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=True))
    assert described(ClassFolders(root).read()) == expected


def test_unpadded_numbers_with_a_class_list(tmp_path: Path) -> None:
    names = tuple(f"class {letter}" for letter in "lkjihgfedcba")
    for number in range(12):
        _image(tmp_path / f"pool/{number}/0.png", number)
    pool = ClassFolders(tmp_path / "pool", class_names=names).read()
    by_path = dict(zip(pool.paths, pool.labels.tolist(), strict=True))
    assert by_path == {f"{number}/0.png": number for number in range(12)}
    assert pool.registry.names == names
    assert pool.registry.folders == tuple(map(str, range(12)))


def test_class_list_file_sets_the_order(root: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Dog\nCat\n")
    pool = ClassFolders(root, classes=tmp_path / "classes.txt").read()
    assert pool.registry.folders == ("dog", "cat")
    assert pool.labels.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_name_that_is_not_utf8_is_excluded_and_printable(root: Path) -> None:
    odd = os.fsdecode(b"dog/\xff.png")
    try:
        shutil.copy(root / "dog/cat.png", root / odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    excluded = ClassFolders(root).read().excluded
    assert excluded[-1] == ExcludedImage("dog/\\udcff.png", 1, "unreadable: file name is not UTF-8")
    (root / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(PoolError, match="folder names in UTF-8"):
        ClassFolders(root).check()


def test_check_passes_without_decoding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("an image was opened"))
    ClassFolders(root).prepare()
    ClassFolders(root).check()


@pytest.mark.parametrize("method", ["check", "read"])
def test_pools_that_are_not_there(tmp_path: Path, method: str) -> None:
    def run(path: Path) -> None:
        getattr(ClassFolders(path), method)()

    with pytest.raises(PoolError, match="found nothing there"):
        run(tmp_path / "none")
    with pytest.raises(PoolError, match="folder of class folders, found a file"):
        run(_image(tmp_path / "file.png", 0))
    (tmp_path / "empty/.cache").mkdir(parents=True)
    with pytest.raises(PoolError, match="found an empty folder"):
        run(tmp_path / "empty")
    _image(tmp_path / "flat/a.png", 0)
    with pytest.raises(PoolError, match="found no folders and 1 loose image files"):
        run(tmp_path / "flat")
    _image(tmp_path / "half/cat/a.png", 0)
    (tmp_path / "half/logs").mkdir()
    (tmp_path / "half/logs/log.txt").touch()
    with pytest.raises(PoolError, match=r"class folder 'logs' .* to hold image files, found none"):
        run(tmp_path / "half")


def test_class_lists_that_do_not_fit(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ClassListError, match="classes without a folder: 'cow'"):
        ClassFolders(root, class_names=("cat", "dog", "cow")).check()
    with pytest.raises(ClassListError, match="Expected a class list at"):
        ClassFolders(root, classes=tmp_path / "none.txt").check()
    with pytest.raises(ClassListError, match="class_names: Expected at least one class"):
        ClassFolders(root, class_names=()).check()
    with pytest.raises(ClassListError, match="found both"):
        ClassFolders(root, classes=tmp_path / "none.txt", class_names=("cat",)).check()


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    (tmp_path / "pool/cat").mkdir(parents=True)
    (tmp_path / "pool/cat/a.png").touch()
    with pytest.raises(PoolError, match=r"found none among 1 files \(cat/a.png: unreadable: empty file\)"):
        ClassFolders(tmp_path / "pool").read()


def test_loose_images_are_named_in_the_log(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    _image(root / "loose.png", 7)
    with caplog.at_level(logging.WARNING):
        ClassFolders(root).check()
    assert "1 image files directly in" in caplog.text


@pytest.mark.filterwarnings("ignore:Expected images to show something")
def test_reading_many_files_is_silent_without_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(2_100):  # more than one block of files, enough for a progress bar
        pixel = Image.new("RGB", (1, 1), (number // 256, number % 256, 0))
        (tmp_path / f"pool/{number % 3}").mkdir(parents=True, exist_ok=True)
        pixel.save(tmp_path / f"pool/{number % 3}/{number}.bmp")
    pool = ClassFolders(tmp_path / "pool").read()
    assert pool.counts().tolist() == [700, 700, 700]
    assert capfd.readouterr() == ("", "")


def test_pools_import_no_torch() -> None:
    code = "import sys, semdd_lightning.classes, semdd_lightning.pools; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import find_images, is_image_name, list_files, printable


def _touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_image_names() -> None:
    suffixes = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm"]
    assert all(is_image_name(f"a.{suffix}") and is_image_name(f"a.{suffix.upper()}") for suffix in suffixes)
    assert not any(map(is_image_name, ["a.txt", "png", ".png", ".a.png", "a.png.tmp", "selected.jsonl"]))


def test_find_images_follows_links_once_and_skips_hidden_folders(tmp_path: Path) -> None:
    _touch(tmp_path, "real/deep/a.png", "real/b.JPG", "real/.hidden/c.png", "real/notes.txt", "other/d.png")
    root = tmp_path / "real"
    (root / "loop").symlink_to(root)
    (root / "link").symlink_to(tmp_path / "other")
    found = sorted(path.relative_to(root).as_posix() for path in find_images(root))
    assert found == ["b.JPG", "deep/a.png", "link/d.png"]


def test_a_listing_is_sorted_over_all_folders_and_has_the_stamps_of_its_files(tmp_path: Path) -> None:
    _touch(
        tmp_path, "b/z.png", "a/1.png", "a/Z.png", "a b/x.PNG", "a/sub/y.jpg", "a/é.png", "a/\U0001f600.png"
    )
    listing = list_files(tmp_path, [("b", 2), ("a", 0), ("a b", 2)])
    expected = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert list(listing.paths) == expected
    assert listing.labels.tolist() == [{"a": 0, "a b": 2, "b": 2}[path.split("/")[0]] for path in expected]
    assert listing.problems == {}
    for row, path in enumerate(expected):
        stat = (tmp_path / path).stat()
        assert listing.stamps[row].tolist() == [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        assert listing.source.read(row) == path.encode()
        assert listing.source.file(row) == tmp_path / path


def test_folders_may_lie_deeper_or_be_the_root(tmp_path: Path) -> None:
    _touch(tmp_path, "part_0/cat/a.png", "part_1/cat/a.png", "loose.png")
    listing = list_files(tmp_path, [("part_1/cat", 0), ("part_0/cat", 0)])
    assert listing.paths == ["part_0/cat/a.png", "part_1/cat/a.png"]
    for root_itself in ("", "."):
        assert list_files(tmp_path, [(root_itself, -1)]).paths == ["loose.png", *listing.paths]


def test_no_folders_and_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folders in ([], [("empty", 0)]):
        listing = list_files(tmp_path, folders)
        assert len(listing) == 0
        assert listing.stamps.shape == (0, 3)
        assert listing.labels.dtype == np.int64


def test_more_files_than_are_held_as_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semdd_lightning.pools.strings._PIECE", 4)
    _touch(tmp_path, *(f"{c}/{i}.png" for c in "abc" for i in range(7)))
    (tmp_path / "b/dangling.png").symlink_to("nowhere")
    listing = list_files(tmp_path, [("c", 2), ("b", 1), ("a", 0)])
    row = listing.paths.index("b/dangling.png")
    assert list(listing.paths) == sorted(listing.paths)
    assert listing.labels.tolist() == [0] * 7 + [1] * 8 + [2] * 7
    assert listing.problems == {row: "unreadable: not a regular file"}
    assert listing.stamps[row].tolist() == [0, 0, 0]


def test_what_cannot_be_read_is_a_problem_of_its_row(tmp_path: Path) -> None:
    _touch(tmp_path, "a/good.png")
    (tmp_path / "a/dangling.png").symlink_to("nowhere")
    (tmp_path / "a/circle.png").symlink_to("circle.png")
    (tmp_path / "a/folder.png").mkdir()
    _touch(tmp_path, "a/folder.png/inside.png")
    os.mkfifo(tmp_path / "a/pipe.png")
    listing = list_files(tmp_path, [("a", 0)])
    problems = {listing.paths[row]: reason for row, reason in listing.problems.items()}
    assert problems == dict.fromkeys(
        ["a/circle.png", "a/dangling.png", "a/pipe.png"], "unreadable: not a regular file"
    )
    assert set(listing.paths) - problems.keys() == {"a/folder.png/inside.png", "a/good.png"}


def test_links_to_folders_above_and_beside_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _touch(tmp_path, "a/x.png", "b/y.png")
    (tmp_path / "a/above").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    listing = list_files(tmp_path, [("a", 0)])
    assert listing.paths == ["a/x.png"]  # through `above`, the images of b would be of class a
    assert f"{tmp_path / 'a/above'} leads back to the pool and is ignored" in caplog.text


def test_a_linked_class_folder_and_a_linked_image(tmp_path: Path) -> None:
    _touch(tmp_path, "elsewhere/x.png")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/y.png").symlink_to("x.png")
    listing = list_files(tmp_path / "pool", [("cat", 0)])
    assert listing.paths == ["cat/x.png", "cat/y.png"]
    assert listing.stamps[0].tolist() == listing.stamps[1].tolist()


def _refusing(name: str, path: Path) -> Callable[[Path], object]:
    """`os.scandir` that may not read a folder; taking its permission away would not stop root."""
    original = getattr(os, name)

    def call(asked: Path) -> object:
        if Path(asked) == path:
            raise PermissionError(13, "Permission denied", str(path))
        return original(asked)

    return call


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "a/deep/x.png", "b/x.png")
    monkeypatch.setattr(os, "scandir", _refusing("scandir", tmp_path / "a/deep"))
    with pytest.raises(PoolError, match=r"Expected to list .*a/deep, found: Permission denied; check its"):
        list_files(tmp_path, [("a", 0)])
    assert list_files(tmp_path, [("b", 0)]).paths == ["b/x.png"]


def test_names_that_are_not_utf8_are_printable_problems(tmp_path: Path) -> None:
    _touch(tmp_path, "a/x.png")
    try:
        (tmp_path / os.fsdecode(b"a/\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / os.fsdecode(b"a/\xfe")).mkdir()
    (tmp_path / os.fsdecode(b"a/\xfe/y.png")).touch()
    listing = list_files(tmp_path, [("a", 0)])
    assert listing.paths == ["a/\\udcfe/y.png", "a/\\udcff.png", "a/x.png"]
    assert listing.problems == dict.fromkeys([0, 1], "unreadable: file name is not UTF-8")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf8_is_printed_as_it_is(path: str) -> None:
    assert printable(path) == path


NAMES = st.sampled_from(["x.png", "y.JPG", "z.txt", ".h.png", "w"])
TREES = st.recursive(
    st.none(), lambda inner: st.dictionaries(st.sampled_from(["a", "b", ".c", "d.png"]), inner, max_size=3)
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, names=st.lists(NAMES, unique=True))
def test_it_is_what_a_walk_finds(
    tree: object, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")

    def grow(folder: Path, branch: object) -> None:
        folder.mkdir()
        _touch(folder, *names)
        for name, inner in branch.items() if isinstance(branch, dict) else ():
            grow(folder / name, inner)

    grow(root / "class", tree)
    expected = sorted(
        (Path(parent) / name).relative_to(root).as_posix()
        for parent, _, inside in os.walk(root / "class")
        for name in inside
        if not any(part.startswith(".") for part in (Path(parent) / name).relative_to(root).parts)
        and Path(name).suffix.lower() in {".png", ".jpg"}
    )
    assert list(list_files(root, [("class", 0)]).paths) == expected

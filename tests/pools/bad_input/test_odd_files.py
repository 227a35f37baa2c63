"""Links, permissions, names, and what systems leave behind: what a walk over real folders meets."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.pools import ClassFolders, ExcludedImage
from tests.pools.bad_input.added_files import GOOD, only_excluded, read_with
from tests.pools.tar_makers import noise


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
    excluded = only_excluded(ClassFolders(root).read())
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
    assert only_excluded(ClassFolders(root).read()).reason == "unreadable: Permission denied"


def test_names_that_are_not_utf8(root: Path) -> None:
    try:
        (root / os.fsdecode(b"dog/\xe4.png")).write_bytes(noise(7))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    excluded = only_excluded(ClassFolders(root).read())
    assert excluded == ExcludedImage("dog/\\udce4.png", 1, "unreadable: file name is not UTF-8")
    (root / os.fsdecode(b"k\xe4fer")).mkdir()
    with pytest.raises(PoolError, match=r"folder names in UTF-8 in .*, found 'k\\\\udce4fer'; rename"):
        ClassFolders(root).read()


@pytest.mark.parametrize(
    "name", ["Käfer ß 图.png", "a b\tc.png", "a'\"$(x).png", "a" * 200 + ".png", "-x.png"]
)
def test_names_that_are_unusual_but_fine(root: Path, name: str) -> None:
    pool = read_with(root, f"cat/{name}", noise(7))
    assert f"cat/{name}" in pool.paths
    assert len(pool.excluded) == 0


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
    excluded = only_excluded(ClassFolders(root).read())
    assert excluded == ExcludedImage("dog/a.png", 1, "unreadable: not a regular file")

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from semdd_lightning.pools.recognisers import look
from semdd_lightning.pools.tar_shards import first_members


def test_names_are_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for folder in ("b", "a", ".git"):
        (tmp_path / folder).mkdir()
    for file in ("z.PNG", "a.txt", "y.jpg", ".hidden.png", "pool.TAR"):
        (tmp_path / file).touch()
    seen = look(tmp_path)
    assert seen.folders == ("a", "b")
    assert seen.files == ("a.txt", "pool.TAR", "y.jpg", "z.PNG")
    assert seen.images == ("y.jpg", "z.PNG")
    assert seen.with_suffix(".tar", ".tgz") == ("pool.TAR",)
    assert [inside.path for inside in seen.sampled()] == [tmp_path / "a", tmp_path / "b"]
    assert seen.described() == (
        "2 folders ('a', 'b') and 2 loose image files ('y.jpg', 'z.PNG') and "
        "2 other files ('a.txt', 'pool.TAR')"
    )


def test_only_so_many_names_are_taken(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").touch()
    assert len(look(tmp_path, 7).files) == 7


def test_a_file_shows_no_names(tmp_path: Path) -> None:
    (tmp_path / "x.pt").touch()
    seen = look(tmp_path / "x.pt")
    assert (seen.folders, seen.files) == ((), ())
    assert seen.described() == "a file 'x.pt'"


def test_a_circle_of_links_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "l.png").symlink_to("l.png")
    (tmp_path / "a.png").touch()
    assert look(tmp_path).files == ("a.png", "l.png")


@pytest.mark.parametrize(("mode", "most"), [("w", 49), ("w:gz", 0), ("w:xz", 0)])
def test_first_members_are_files_and_nothing_is_unpacked(tmp_path: Path, mode: str, most: int) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("pool")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number in range(100):
            archive.addfile(tarfile.TarInfo(f"pool/{number}.png"))
    (tmp_path / "x.tar").write_bytes(content.getvalue())
    members = first_members(tmp_path / "x.tar")
    assert [str(member) for member in members] == [f"pool/{number}.png" for number in range(most)]


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b broken"])
def test_what_is_no_tar_has_no_members(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    assert first_members(tmp_path / "x.tar") == []

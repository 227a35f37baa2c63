from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semdd_lightning.atomic import new_directory, remove_stale_files, write_atomically, write_json, write_text
from semdd_lightning.errors import DiskError, RunError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskError, match=r"file, found No space left on device; free disk space there, or"):
        write_atomically(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_only_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    names = {
        "dead": f".shard.{host}.{dead.pid}.ab.tmp",
        "alive": f".shard.{host}.{os.getpid()}.ab.tmp",
        "elsewhere": f".shard.other{host}.{dead.pid}.ab.tmp",
        "ancient": ".shard.another-host.1.ab.tmp",
    }
    for name in names.values():
        (tmp_path / name).touch()
    os.utime(tmp_path / names["ancient"], (0, 0))
    remove_stale_files(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {names["alive"], names["elsewhere"]}


def test_json_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for content in ({"a": [1, None]}, {"path": str(Path("b"))}):
        write_json(file, content)
        assert json.loads(file.read_text()) == content
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_numbers_that_json_does_not_have_are_refused_and_leave_the_old(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"a": float("nan")})
    assert json.loads(file.read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiskError, match=r"x\.json, found disk full; look at the disk"):
        write_json(tmp_path / "x.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_directory_appears_when_all_went_well(tmp_path: Path) -> None:
    wanted = tmp_path / "deep" / "new"
    with new_directory(wanted) as unfinished:
        (unfinished / "file").write_text("x")
        assert not wanted.exists()
    assert (wanted / "file").read_text() == "x"
    assert [path.name for path in wanted.parent.iterdir()] == ["new"]
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_stays_of_a_directory_that_failed(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with new_directory(tmp_path / "new") as unfinished:
            (unfinished / "file").write_text("x")
            raise error("midway")

    with pytest.raises(error, match="midway"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing was overwritten"), new_directory(tmp_path):
        pass
    assert list(tmp_path.parent.glob(f".{tmp_path.name}-*")) == []


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_text(tmp_path / "x.csv", "a,b\nü,1\n")
    assert (tmp_path / "x.csv").read_bytes() == "a,b\nü,1\n".encode()

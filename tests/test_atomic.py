from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from semdd_lightning.atomic import remove_stale_files, write_atomically
from semdd_lightning.errors import DiskError


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

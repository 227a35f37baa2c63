"""Processes that race, are killed or interrupted: what is left is whole."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.listing import FileSource
from tests.pools.index_cache.changing_pools import Reads, described, write

_RACING = """
import sys
from pathlib import Path
from semdd_lightning.pools import ClassFolders, index_cache
from semdd_lightning.pools.listing import FileSource

index_cache._RECENT_NS = 0
read, reads = FileSource.read, []
FileSource.read = lambda source, row: reads.append(row) or read(source, row)
for i in range(8):
    print(ClassFolders(Path(sys.argv[1])).read(Path(sys.argv[2]) / str(i)).fingerprint)
print(len(reads))
"""


def test_processes_that_race_read_each_image_once(root: Path, reads: Reads, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _RACING, str(root), str(tmp_path)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate()[0].split() for process in racing]
    pools = [ClassFolders(root).read(tmp_path / str(i)) for i in range(8)]
    assert [lines[:-1] for lines in found] == [[pool.fingerprint for pool in pools]] * 2
    assert sum(int(lines[-1]) for lines in found) == 8 * len(pools[0])
    assert reads == []
    assert all(len(list((tmp_path / str(i) / "index").iterdir())) == 1 for i in range(8))


_KILLED = """
import sys, time
from pathlib import Path
from semdd_lightning.pools import ClassFolders, index, index_cache
from semdd_lightning.pools.listing import FileSource

index._SAVE_SECONDS, index_cache._RECENT_NS, index._BATCH = 0.0, 0, 1
read = FileSource.read
def slowly(source, row):
    time.sleep(0.03)
    return read(source, row)
FileSource.read = slowly
ClassFolders(Path(sys.argv[1])).read(Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_run_leaves_what_it_had(root: Path, reads: Reads, tmp_path: Path) -> None:
    for seed in range(100):
        write(root / f"cat/more{seed:03d}.bmp", 100 + seed)
    index_folder = tmp_path / "cache/index"
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(root), str(tmp_path / "cache")])
    deadline = time.monotonic() + 60
    while not list(index_folder.glob("*.index")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (index_folder / f".x.index.{socket.gethostname()}.{process.pid}.x.tmp").write_bytes(b"half")
    pool = ClassFolders(root).read(tmp_path / "cache")
    assert len(pool) == 108
    assert 0 < len(reads) < 108
    assert described(pool) == described(ClassFolders(root).read(tmp_path / "fresh"))
    assert len(list(index_folder.iterdir())) == 1, "what the killed process had not finished writing is gone"


def test_an_interrupted_run_leaves_what_it_had(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    monkeypatch.setattr("semdd_lightning.pools.index._BATCH", 1)
    read = FileSource.read

    def interrupt(source: FileSource, row: int) -> bytes:
        if row == 5:
            raise KeyboardInterrupt
        return read(source, row)

    with monkeypatch.context() as context:
        context.setattr(FileSource, "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ClassFolders(root).read()
    reads.clear()
    ClassFolders(root).read()
    assert reads == ["dog/1.bmp", "dog/2.bmp", "dog/3.bmp"]

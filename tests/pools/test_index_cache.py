from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import CacheError
from semdd_lightning.pools import ClassFolders, Pool, index_cache
from semdd_lightning.pools.files import list_files
from semdd_lightning.pools.index import index_images
from semdd_lightning.pools.listing import FileSource

Reads = list[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of four images."""
    root = tmp_path / "pool"
    for seed, path in enumerate(f"{c}/{i}.bmp" for c in ("cat", "dog") for i in range(4)):
        _write(root / path, seed)
    return root


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a test has just written count as written long ago."""
    monkeypatch.setattr(index_cache, "_RECENT_NS", 0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Paths of the images that were read since the test cleared it."""
    found: Reads = []
    read = FileSource.read

    def note(source: FileSource, row: int) -> bytes:
        found.append(source.paths[row])
        return read(source, row)

    monkeypatch.setattr(FileSource, "read", note)
    return found


def _write(path: Path, seed: int) -> None:
    """Every image has the same number of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _modify(path: Path, seed: int) -> None:
    """Another image, of another time: two writes may fall into one tick of the file system's clock."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        _write(path, seed)


def _described(pool: Pool) -> tuple[object, ...]:
    traits = [column.tolist() for column in vars(pool.traits).values()]
    return list(pool.paths), pool.labels.tolist(), list(pool.excluded), pool.fingerprint, traits


def _file(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "default-cache/index").glob("*.parquet")
    return file


def test_nothing_is_read_twice(root: Path, reads: Reads) -> None:
    shutil.copy(root / "cat/0.bmp", root / "cat/again.bmp")
    (root / "dog/empty.png").touch()
    (root / "dog/page.png").write_text("<html></html>")
    (root / "dog/dangling.png").symlink_to("nowhere")
    first = ClassFolders(root).read()
    assert len(reads) == 11, "all but the link"
    assert len(first.excluded) == 4
    reads.clear()
    assert _described(ClassFolders(root).read()) == _described(first)
    assert reads == []


def test_a_changed_file_of_the_same_size_is_read_again(root: Path, reads: Reads) -> None:
    first, size = ClassFolders(root).read(), (root / "cat/2.bmp").stat().st_size
    reads.clear()
    _modify(root / "cat/2.bmp", seed=99)
    assert (root / "cat/2.bmp").stat().st_size == size
    second = ClassFolders(root).read()
    assert reads == ["cat/2.bmp"]
    assert second.fingerprint != first.fingerprint
    reads.clear()
    assert _described(ClassFolders(root).read()) == _described(second)
    assert reads == []


def test_a_file_whose_time_was_set_back_is_read_again(root: Path, reads: Reads) -> None:
    ClassFolders(root).read()
    reads.clear()
    stat = (root / "cat/2.bmp").stat()
    _modify(root / "cat/2.bmp", seed=99)
    os.utime(root / "cat/2.bmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    ClassFolders(root).read()
    assert reads == ["cat/2.bmp"]


def test_a_touched_file_is_read_again_and_is_the_same(root: Path, reads: Reads) -> None:
    first = ClassFolders(root).read()
    reads.clear()
    os.utime(root / "dog/0.bmp", ns=(1, 1))
    assert _described(ClassFolders(root).read()) == _described(first)
    assert reads == ["dog/0.bmp"]


def test_new_files_are_read_and_vanished_ones_go(root: Path, reads: Reads, tmp_path: Path) -> None:
    ClassFolders(root).read()
    reads.clear()
    _write(root / "cat/new.bmp", seed=50)
    (root / "dog/1.bmp").unlink()
    (root / "dog/2.bmp").rename(root / "cat/moved.bmp")
    pool = ClassFolders(root).read()
    assert reads == ["cat/moved.bmp", "cat/new.bmp"]
    assert list(pool.paths) == sorted(p.relative_to(root).as_posix() for p in root.rglob("*.bmp"))
    assert pq.read_table(_file(tmp_path))["path"].to_pylist() == list(pool.paths)
    (root / "dog/0.bmp").unlink()
    reads.clear()
    ClassFolders(root).read()
    assert reads == []
    assert len(pq.read_table(_file(tmp_path))) == len(pool) - 1


def test_a_bad_file_that_was_mended_is_read_again(root: Path, reads: Reads) -> None:
    (root / "cat/0.bmp").write_bytes(b"no image")
    assert len(ClassFolders(root).read().excluded) == 1
    _modify(root / "cat/0.bmp", seed=0)
    assert ClassFolders(root).read().excluded == ()


def test_what_the_file_system_refused_is_asked_for_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    read = FileSource.read

    def refuse(source: FileSource, row: int) -> bytes:
        content = read(source, row)
        if source.paths[row] == "dog/3.bmp":
            raise OSError(5, "Input/output error")
        return content

    with monkeypatch.context() as context:
        context.setattr(FileSource, "read", refuse)
        (excluded,) = ClassFolders(root).read().excluded
        assert excluded.reason == "unreadable: Input/output error"
    reads.clear()
    assert ClassFolders(root).read().excluded == ()
    assert reads == ["dog/3.bmp"]


def test_files_that_were_modified_just_now_are_not_entered(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    monkeypatch.setattr(index_cache, "_RECENT_NS", 3_600 * 10**9)
    for _ in range(2):
        reads.clear()
        ClassFolders(root).read()
        assert len(reads) == 8
    monkeypatch.setattr(index_cache, "_RECENT_NS", 0)
    ClassFolders(root).read()
    reads.clear()
    os.utime(root / "cat/0.bmp", (time.time() + 3_600, time.time() + 3_600))  # by a clock that goes ahead
    for _ in range(2):
        ClassFolders(root).read()
    assert reads == ["cat/0.bmp"] * 2


def test_another_class_list_reads_nothing_again(root: Path, reads: Reads) -> None:
    both = ClassFolders(root).read()
    reads.clear()
    turned = ClassFolders(root, class_names=("dog", "cat")).read()
    assert turned.labels.tolist() == (1 - both.labels).tolist()
    assert turned.fingerprint == both.fingerprint
    assert reads == []


def test_folders_that_are_not_asked_for_now_stay_known(root: Path, reads: Reads, tmp_path: Path) -> None:
    both, dog = ClassRegistry(("cat", "dog"), ("cat", "dog")), ClassRegistry(("dog",), ("dog",))
    index_images(list_files(root, [("cat", 0), ("dog", 1)]), both)
    _write(root / "dog/new.bmp", seed=70)
    reads.clear()
    pool = index_images(list_files(root, [("dog", 0)]), dog)
    assert (len(pool), reads) == (5, ["dog/new.bmp"])
    assert len(index_images(list_files(root, [("cat", 0), ("dog", 1)]), both)) == 9
    assert reads == ["dog/new.bmp"]
    shutil.rmtree(root / "cat")
    _write(root / "dog/newer.bmp", seed=71)
    index_images(list_files(root, [("dog", 0)]), dog)
    assert len(pq.read_table(_file(tmp_path))) == 6, "the folder is gone, and so is what was known of it"


def test_sources_of_another_kind_or_recipe_have_another_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads, tmp_path: Path
) -> None:
    ClassFolders(root).read()
    monkeypatch.setattr(FileSource, "recipe", lambda _: "another normalisation")
    reads.clear()
    ClassFolders(root).read()
    assert len(reads) == 8
    assert len(list((tmp_path / "default-cache/index").iterdir())) == 2


def test_the_cache_lies_where_it_is_asked_to(root: Path, reads: Reads, tmp_path: Path) -> None:
    ClassFolders(root).read(tmp_path / "own")
    assert len(list((tmp_path / "own/index").glob("*.parquet"))) == 1
    assert not (tmp_path / "default-cache").exists()


def test_a_cache_that_cannot_be_written_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, _: bytes) -> None:
        msg = f"Expected to write {path}, found a full disk."
        raise CacheError(msg)

    monkeypatch.setattr(index_cache, "write_atomically", refuse)
    with caplog.at_level(logging.WARNING):
        assert len(ClassFolders(root).read()) == 8
    assert "will have to be found again: Expected to write" in caplog.text


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    digest = pq.read_table(file)["digest"][3].as_py()
    place = content.find(digest[:8])
    content[place if place > 0 else 200] ^= 1
    file.write_bytes(bytes(content))


def _other_columns(file: Path) -> None:
    pq.write_table(pq.read_table(file).drop_columns(["digest"]), file)


def _other_type(file: Path) -> None:
    table = pq.read_table(file)
    column = table.schema.get_field_index("width")
    pq.write_table(table.set_column(column, "width", table["width"].cast(pa.int64())), file)


def _no_identity(file: Path) -> None:
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)


def _of_another_pool(file: Path) -> None:
    other = file.parents[2] / "other"
    _write(other / "cat/0.bmp", 5)
    _write(other / "dog/0.bmp", 6)
    ClassFolders(other).read(file.parents[2] / "another-cache")
    (foreign,) = (file.parents[2] / "another-cache/index").iterdir()
    shutil.copy(foreign, file)


@pytest.mark.parametrize(
    "damage", [_truncate, _empty, _flip, _other_columns, _other_type, _no_identity, _of_another_pool]
)
def test_a_file_that_is_not_whole_or_foreign_is_made_again(
    root: Path, reads: Reads, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    first = ClassFolders(root).read()
    whole = pq.read_table(_file(tmp_path))
    damage(_file(tmp_path))
    reads.clear()
    with caplog.at_level(logging.WARNING):
        assert _described(ClassFolders(root).read()) == _described(first)
    assert len(reads) == 8
    assert f"{_file(tmp_path)} is not trusted, and the images are read again" in caplog.text
    assert pq.read_table(_file(tmp_path)).equals(whole)


def test_a_file_that_is_not_whole_goes_even_where_nothing_can_replace_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ClassFolders(root).read()
    _empty(_file(tmp_path))
    monkeypatch.setattr(index_cache, "_RECENT_NS", 3_600 * 10**9)
    ClassFolders(root).read()
    caplog.clear()
    ClassFolders(root).read()
    assert "is not trusted" not in caplog.text


def test_every_byte_of_the_file_counts(root: Path, tmp_path: Path) -> None:
    """Whatever bit flips, the index is the same, whether the file is refused or the bit meant nothing."""
    first = _described(ClassFolders(root).read())
    file = _file(tmp_path)
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    for place in random.choice(len(whole), 40, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        file.write_bytes(bytes(damaged))
        assert _described(ClassFolders(root).read()) == first, place


_RACING = """
import sys
from pathlib import Path
from semdd_lightning.pools import ClassFolders, index_cache

index_cache._RECENT_NS = 0
for i in range(8):
    print(ClassFolders(Path(sys.argv[1])).read(Path(sys.argv[2]) / str(i)).fingerprint)
"""


def test_processes_that_race_leave_a_whole_file(root: Path, reads: Reads, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _RACING, str(root), str(tmp_path)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate()[0].split() for process in racing]
    pools = [ClassFolders(root).read(tmp_path / str(i)) for i in range(8)]
    assert found == [[pool.fingerprint for pool in pools]] * 2
    assert reads == []
    assert all(len(list((tmp_path / str(i) / "index").iterdir())) == 1 for i in range(8))


_KILLED = """
import sys, time
from pathlib import Path
from semdd_lightning.pools import ClassFolders, examined, index, index_cache
from semdd_lightning.pools.listing import FileSource

index._SAVE_SECONDS, index_cache._RECENT_NS, examined._BATCH = 0.0, 0, 1
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
        _write(root / f"cat/more{seed:03d}.bmp", 100 + seed)
    index_folder = tmp_path / "cache/index"
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(root), str(tmp_path / "cache")])
    deadline = time.monotonic() + 60
    while not list(index_folder.glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (index_folder / f".x.parquet.{socket.gethostname()}.{process.pid}.x.tmp").write_bytes(b"half")
    pool = ClassFolders(root).read(tmp_path / "cache")
    assert len(pool) == 108
    assert 0 < len(reads) < 108
    assert _described(pool) == _described(ClassFolders(root).read(tmp_path / "fresh"))
    assert len(list(index_folder.iterdir())) == 1, "what the killed process had not finished writing is gone"


def test_an_interrupted_run_leaves_what_it_had(
    root: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    monkeypatch.setattr("semdd_lightning.pools.examined._BATCH", 1)
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


def test_what_a_listing_says_of_an_image_is_not_kept(root: Path, reads: Reads) -> None:
    reader = ClassFolders(root)
    listing, registry = reader.listing(), reader.registry()
    spoiled = replace(listing, problems={2: "unreadable: no label"})
    assert [image.path for image in index_images(spoiled, registry).excluded] == ["cat/2.bmp"]
    reads.clear()
    assert index_images(listing, registry).excluded == ()
    assert reads == ["cat/2.bmp"]
    assert [image.path for image in index_images(spoiled, registry).excluded] == ["cat/2.bmp"]


def test_nothing_is_written_where_nothing_is_new(root: Path, tmp_path: Path) -> None:
    ClassFolders(root).read()
    before = _file(tmp_path).stat()
    ClassFolders(root).read()
    after = _file(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_stamps_that_tell_no_time_are_never_believed(root: Path, reads: Reads) -> None:
    reader = ClassFolders(root)
    listing = replace(reader.listing(), stamps=np.zeros((8, 3), dtype=np.int64))
    for _ in range(2):
        reads.clear()
        index_images(listing, reader.registry())
        assert len(reads) == 8

from __future__ import annotations

import csv
import json
import logging
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders, metadata_folder
from semdd_lightning.pools.metadata_folder import MetadataFolder
from tests.layout_makers import written_out

Rows = Sequence[Mapping[str, Any]]


def _image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _jsonl(folder: Path, rows: Rows) -> None:
    lines = [json.dumps(row) for row in rows]
    (folder / "metadata.jsonl").write_text("\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]))


def _csv(folder: Path, rows: Rows) -> None:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _parquet(folder: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "metadata.parquet")


WRITERS: list[Callable[[Path, Rows], None]] = [_jsonl, _csv, _parquet]
ROWS: Rows = [
    {"file_name": "2.png", "text": 'a cat,\na "big" one', "label": "cat"},
    {"file_name": "more/0001.png", "text": "a great white shark", "label": "great white shark"},
    {"file_name": "./1.png", "text": "2020-01-01", "label": "cat"},
    {"file_name": "more//0002.png", "text": "", "label": "great white shark"},
]
EXPECTED = {
    "cat/1.png": (0, "1.png"),
    "cat/2.png": (0, "2.png"),
    "great white shark/more/0001.png": (1, "more/0001.png"),
    "great white shark/more/0002.png": (1, "more/0002.png"),
}


def _fill(root: Path, rows: Rows = ROWS) -> Path:
    for seed, row in enumerate(rows):
        _image(root / row["file_name"], seed)
    return root


@pytest.mark.parametrize("write", WRITERS)
def test_an_image_folder_of_the_hub(tmp_path: Path, write: Callable[[Path, Rows], None]) -> None:
    write(_fill(tmp_path / "pool"), ROWS)
    reader = MetadataFolder(tmp_path / "pool")
    reader.check()
    assert reader.registry() == ClassRegistry(("cat", "great white shark"), ("cat", "great white shark"))
    listing = reader.listing()
    assert listing.root == tmp_path / "pool"
    assert list(listing.paths) == sorted(EXPECTED)
    for row, path in enumerate(listing.paths):
        label, file = EXPECTED[path]
        assert listing.labels[row] == label
        assert listing.source.file(row) == tmp_path / "pool" / file
        assert listing.source.read(row) == (tmp_path / "pool" / file).read_bytes()
        assert listing.stamps[row, 0] == (tmp_path / "pool" / file).stat().st_size


def test_reading_gives_the_same_pool_every_time(tmp_path: Path) -> None:
    _jsonl(_fill(tmp_path), ROWS)
    pool, again = MetadataFolder(tmp_path).read(), MetadataFolder(tmp_path).read()
    assert list(pool.paths) == sorted(EXPECTED)
    assert (pool.fingerprint, pool.paths) == (again.fingerprint, again.paths)
    travelled = pickle.loads(pickle.dumps(pool.source))  # noqa: S301 - our own
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(travelled.read, range(4))) == [pool.read(row) for row in range(4)]


def test_exported_images_lie_in_class_folders(tmp_path: Path) -> None:
    rows = [{**row, "label": ("cat" in row["label"]) * 10} for row in ROWS]
    _jsonl(_fill(tmp_path / "pool"), rows)
    pool = MetadataFolder(tmp_path / "pool").read()
    exported = ClassFolders(written_out(pool, tmp_path / "images")).read()
    assert exported.registry.names == pool.registry.names == ("0", "10")
    assert exported.fingerprint == pool.fingerprint
    assert exported.labels.tolist() == pool.labels.tolist()


def test_a_class_list_maps_names_and_numbers(tmp_path: Path) -> None:
    _jsonl(_fill(tmp_path), ROWS)
    reader = MetadataFolder(tmp_path, class_names=("Great-White-Shark", "cat"))
    assert reader.registry().folders == ("great white shark", "cat")
    assert reader.listing().labels.tolist() == [1, 1, 0, 0]
    with pytest.raises(
        ClassListError, match=r"labels in column 'label' of .*folders that are no class: 'cat'"
    ):
        MetadataFolder(tmp_path, class_names=("dog", "great white shark")).check()
    _jsonl(tmp_path, [{**row, "label": i % 2} for i, row in enumerate(ROWS)])
    default = ClassRegistry(("x", "y"), ("x", "y"))
    assert MetadataFolder(tmp_path).registry(default) == ClassRegistry(("x", "y"), ("0", "1"))
    with pytest.raises(ClassListError, match=r"images of all 3 classes .* none labelled '2'"):
        MetadataFolder(tmp_path, class_names=("x", "y", "z")).check()


@pytest.mark.parametrize("column", ["labels", "class", "Class_Name", "category"])
def test_the_label_column_is_found_by_its_name(tmp_path: Path, column: str) -> None:
    rows = [{"file_name": row["file_name"], "text": row["text"], column: row["label"]} for row in ROWS]
    _csv(_fill(tmp_path), rows)
    assert MetadataFolder(tmp_path).registry().names == ("cat", "great white shark")
    _csv(tmp_path, [{**row, "label": 0} for row in rows])
    with pytest.raises(PoolError, match=f"one column of labels in .*found '{column}', 'label'; name one"):
        MetadataFolder(tmp_path).check()
    assert MetadataFolder(tmp_path, label_column=column).registry().names == ("cat", "great white shark")
    assert MetadataFolder(tmp_path, label_column="label").registry().names == ("0",)


def test_captions_are_no_labels(tmp_path: Path) -> None:
    _csv(_fill(tmp_path), [{"file_name": row["file_name"], "text": row["text"]} for row in ROWS])
    with pytest.raises(
        PoolError, match=r"labels in .*, found file_name \(string\), text \(string\); name one as"
    ):
        MetadataFolder(tmp_path).check()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("names", [("2020-01-01", "2021-12-31"), ("0001", "0002"), ("true", "false")])
def test_file_names_are_texts(
    tmp_path: Path, write: Callable[[Path, Rows], None], names: tuple[str, str]
) -> None:
    write(tmp_path, [{"file_name": name, "label": "a"} for name in names])
    assert list(MetadataFolder(tmp_path).listing().paths) == sorted(f"a/{name}" for name in names)


@pytest.mark.parametrize("write", WRITERS)
def test_captions_may_be_long_and_have_many_lines(
    tmp_path: Path, write: Callable[[Path, Rows], None]
) -> None:
    write(_fill(tmp_path), [{**row, "text": "a\n" * 700_000} for row in ROWS])
    assert list(MetadataFolder(tmp_path).listing().paths) == sorted(EXPECTED)


def test_lines_may_go_on_in_the_next_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _csv(_fill(tmp_path), [{**row, "text": "a\n" * 25_000} for row in ROWS])
    monkeypatch.setattr(metadata_folder, "_LONGEST_LINE", 65_536)
    assert list(MetadataFolder(tmp_path).listing().paths) == sorted(EXPECTED)


# ------------------------------------------------------------------ splits


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    for number, split in enumerate(("train", "test")):
        rows: Rows = [{"file_name": f"{i}.png", "label": i % 2} for i in range(4 + number)]
        for i, row in enumerate(rows):
            _image(tmp_path / split / row["file_name"], 10 * number + i)
        _jsonl(tmp_path / split, rows)
    return tmp_path


def test_each_split_has_a_table_of_its_own(splits: Path) -> None:
    with pytest.raises(PoolError, match=r"one split in .*, found 'test', 'train'; name one of them"):
        MetadataFolder(splits).check()
    with pytest.raises(PoolError, match=r"files of split 'val' in .*, found 'test', 'train'"):
        MetadataFolder(splits, split="val").check()
    assert list(MetadataFolder(splits, split="train").listing().paths) == [
        f"{label}/train/{i}.png" for label, i in ((0, 0), (0, 2), (1, 1), (1, 3))
    ]
    assert len(MetadataFolder(splits / "test").listing()) == 5
    (splits / "test/metadata.jsonl").unlink()
    assert len(MetadataFolder(splits).listing()) == 4


def test_one_table_may_list_all_splits(splits: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {"file_name": f"{split}/{i}.png", "label": i % 2}
        for split, count in (("train", 4), ("test", 5))
        for i in range(count)
    ]
    for split in ("train", "test"):
        (splits / split / "metadata.jsonl").unlink()
    _csv(splits, rows)
    with pytest.raises(PoolError, match=r"one split in .*metadata\.csv, found 'test', 'train'"):
        MetadataFolder(splits).check()
    with caplog.at_level(logging.WARNING):
        assert len(MetadataFolder(splits, split="test").listing()) == 5
    assert not caplog.records  # images of other splits are listed, not forgotten


def test_tables_in_class_folders_are_not_this_layout(tmp_path: Path) -> None:
    """DGS writes its scores beside the images of each class."""
    for wnid in ("n01440764", "n02102040"):
        _image(tmp_path / wnid / "0.png", len(wnid))
        _jsonl(tmp_path / wnid, [{"file_name": "0.png", "score": 0.25}])
    with pytest.raises(PoolError, match=r"found some in 'n01440764', 'n02102040', .*read .* as ClassFolders"):
        MetadataFolder(tmp_path).check()
    assert len(ClassFolders(tmp_path).listing()) == 2


# ------------------------------------------------------------------ files and rows that do not fit


def test_listed_files_that_are_not_there_are_excluded(tmp_path: Path) -> None:
    rows = [*ROWS, {"file_name": "gone.png", "label": "cat"}, {"file_name": "folder", "label": "cat"}]
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "page.png").write_text("<html></html>")
    rows += [{"file_name": name, "label": "cat"} for name in ("dangling.png", "page.png")]
    _jsonl(_fill(tmp_path, ROWS), rows)
    pool = MetadataFolder(tmp_path).read()
    assert list(pool.paths) == sorted(EXPECTED)
    assert {image.path: image.reason for image in pool.excluded} == {
        "cat/dangling.png": "unreadable: not a regular file",
        "cat/folder": "unreadable: not a regular file",
        "cat/gone.png": "unreadable: No such file or directory",
        "cat/page.png": "unreadable: no known image format",
    }


def test_unlisted_files_and_rows_without_a_label_are_ignored_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*ROWS, {"file_name": "5.png", "label": None}, {"file_name": "6.png", "label": ""}]
    _jsonl(_fill(tmp_path, rows), rows)
    for seed, name in enumerate(["9.png", "more/8.png", "7.jpg", "10.png", ".hidden/0.png"]):
        _image(tmp_path / name, seed)
    with caplog.at_level(logging.WARNING):
        listing = MetadataFolder(tmp_path).listing()
    assert list(listing.paths) == sorted(EXPECTED)
    assert "2 images of " in caplog.text
    assert "4 image files in " in caplog.text
    assert "not in metadata.jsonl and are ignored: '10.png', '7.jpg', '9.png' and 1 more" in caplog.text


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "name",
    ["../secret.png", "more/../../secret.png", "/etc/secret.png", "..\\secret.png", "C:\\secret.png", ""],
)
def test_file_names_stay_inside_the_folder(
    tmp_path: Path, write: Callable[[Path, Rows], None], name: str
) -> None:
    write(_fill(tmp_path), [*ROWS, {**ROWS[0], "file_name": name}])
    with pytest.raises(PoolError, match=r"Expected a file name inside the folder, found .* in .*metadata"):
        MetadataFolder(tmp_path).check()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: [{"name": row["file_name"], "label": 0} for row in rows],
            "Expected a column file_name",
        ),
        (
            lambda rows: [*rows, {**rows[0], "file_name": "./2.png"}],
            r"every file once in .*, found '2\.png' again",
        ),
        (
            lambda rows: [{**row, "label": -1} for row in rows],
            "labels from 0 on in column 'label' of .*, found -1",
        ),
        (
            lambda rows: [{**row, "label": ""} for row in rows],
            "Expected labels in column 'label' of .*4 rows|found",
        ),
    ],
)
def test_tables_that_are_malformed(
    tmp_path: Path, write: Callable[[Path, Rows], None], change: Callable[[Rows], Rows], message: str
) -> None:
    write(_fill(tmp_path), change(ROWS))
    with pytest.raises(PoolError, match=message):
        MetadataFolder(tmp_path).check()


@pytest.mark.parametrize(("write", "label"), [(_jsonl, 0.5), (_parquet, 0.5), (_csv, "-1")])
def test_numbers_that_are_no_classes(
    tmp_path: Path, write: Callable[[Path, Rows], None], label: float | str
) -> None:
    write(_fill(tmp_path), [{**row, "label": label} for row in ROWS])
    with pytest.raises(PoolError, match=rf"labels .*in column 'label' of .*, found {label}"):
        MetadataFolder(tmp_path).check()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "labels", [("001", "010"), ("1", "01"), ("1e3", "1000"), ("true", "false"), ("2020-01-01", "2021-12-31")]
)
def test_text_labels_stay_texts(
    tmp_path: Path, write: Callable[[Path, Rows], None], labels: tuple[str, str]
) -> None:
    write(_fill(tmp_path), [{**row, "label": labels[i % 2]} for i, row in enumerate(ROWS)])
    found = MetadataFolder(tmp_path).resolve()
    classes = {
        path.partition("/")[2]: found.registry.names[label]
        for path, label in zip(found.listing.paths, found.listing.labels, strict=True)
    }
    assert classes == {Path(row["file_name"]).as_posix(): labels[i % 2] for i, row in enumerate(ROWS)}


@pytest.mark.parametrize("column", ["filename", "image", "File_Name"])
@pytest.mark.parametrize("write", WRITERS)
def test_a_missing_column_of_names_is_all_that_is_said(
    tmp_path: Path, write: Callable[[Path, Rows], None], column: str
) -> None:
    write(_fill(tmp_path), [{column: row["file_name"], "label": row["label"]} for row in ROWS])
    with pytest.raises(PoolError, match=rf"found none beside the columns '{column}', 'label'") as error:
        MetadataFolder(tmp_path).check()
    assert "rows" not in str(error.value)


def test_a_header_alone_is_said(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,label\n")
    with pytest.raises(PoolError, match=r"a row for each image in .*, found none below its header"):
        MetadataFolder(tmp_path).check()


@pytest.mark.parametrize("name", ["b\0.png", "b" * 3000 + ".png"])
@pytest.mark.parametrize("write", [_jsonl, _parquet])
def test_names_that_no_file_can_have(tmp_path: Path, write: Callable[[Path, Rows], None], name: str) -> None:
    write(_fill(tmp_path), [*ROWS, {**ROWS[0], "file_name": name}])
    if "\0" in name:
        with pytest.raises(PoolError, match="Expected a file name inside the folder"):
            MetadataFolder(tmp_path).check()
    else:
        assert [image.reason for image in MetadataFolder(tmp_path).read().excluded] == [
            "unreadable: File name too long"
        ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", b'{"file_name": "a.png", "label": "\xfb"}\n'),
        ("metadata.csv", b"file_name,label,o\xfb\na.png,0,1\n"),
        ("metadata.csv", "file_name,label\na.png,0\n".encode("utf-16")),
        ("metadata.jsonl", b""),
        ("metadata.csv", b""),
        ("metadata.parquet", b""),
        ("metadata.jsonl", b'{"file_name": "1.png", "label": 0}\n{"file_name": "2.png", "lab'),
        ("metadata.jsonl", b'{"file_name": "1.png", "label": 0}\n{"file_name": "2.png", "label": "cat"}\n'),
        ("metadata.jsonl", b"<!DOCTYPE html><html></html>"),
        ("metadata.csv", b"file_name,label\n1.png,cat\n2.png,dog,3\n"),
        ("metadata.csv", b"file_name,label\n\xff.png,cat\n"),
        ("metadata.parquet", b"PAR1 and no more"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    advice = "(correct the|copy or make the) file"
    with pytest.raises(PoolError, match=rf"Expected .*{name}.*, found: .*; {advice}"):
        MetadataFolder(tmp_path).check()


def test_folders_without_one_table(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        MetadataFolder(tmp_path / "none").check()
    (tmp_path / "file").touch()
    with pytest.raises(PoolError, match="to be a folder of images with a table, found a file"):
        MetadataFolder(tmp_path / "file").check()
    with pytest.raises(PoolError, match=r"found no metadata\.jsonl or metadata\.csv or metadata\.parquet"):
        MetadataFolder(tmp_path).check()
    _csv(tmp_path, ROWS)
    _jsonl(tmp_path, ROWS)
    with pytest.raises(
        PoolError, match=r"one table of images in .*, found 'metadata\.jsonl', 'metadata\.csv'"
    ):
        MetadataFolder(tmp_path).check()

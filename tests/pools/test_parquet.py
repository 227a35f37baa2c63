from __future__ import annotations

import json
import logging
import pickle
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.parquet import ParquetImages
from semdd_lightning.pools.tables import parquet_source
from semdd_lightning.pools.tables.parquet_source import ParquetSource

NAMES = ("airplane", "great white shark", "cat")
LABELS = [2, 0, 1, 1, 0, 2, 2, 1]


def _image(seed: int, suffix: str = "png") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format={"jpg": "jpeg"}.get(suffix, suffix))
    return stream.getvalue()


IMAGES = [_image(seed) for seed in range(8)]


def _hub_table(
    images: Sequence[Mapping[str, Any] | None],
    labels: Sequence[int | None],
    names: Sequence[str] | None = NAMES,
    **more: Sequence[Any],
) -> pa.Table:
    """A table with the schema and the metadata that the Hugging Face library writes."""
    image_type = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    features: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"dtype": "int64", "_type": "Value"}}
    if names is not None:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    columns = {"image": pa.array(images, image_type), "label": pa.array(labels, pa.int64())}
    table = pa.table({**columns, **{name: pa.array(values) for name, values in more.items()}})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _of(images: Sequence[bytes]) -> list[dict[str, Any]]:
    return [{"bytes": content, "path": f"{row:04d}.png"} for row, content in enumerate(images)]


def _write(path: Path, table: pa.Table, **options: Any) -> Path:  # noqa: ANN401 - what write_table takes
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Two shards of training images and one of test images, as the hub lays them out."""
    table = _hub_table(_of(IMAGES), LABELS)
    _write(tmp_path / "hub/data/train-00000-of-00002.parquet", table.slice(0, 5), row_group_size=2)
    _write(tmp_path / "hub/data/train-00001-of-00002.parquet", table.slice(5), row_group_size=2)
    test = _hub_table(_of([_image(100 + row) for row in range(3)]), [0, 1, 2])
    _write(tmp_path / "hub/data/test-00000-of-00001.parquet", test)
    return tmp_path / "hub"


EXPECTED = {
    "airplane/data/train-00000-of-00002-1.png": (0, IMAGES[1]),
    "airplane/data/train-00000-of-00002-4.png": (0, IMAGES[4]),
    "cat/data/train-00000-of-00002-0.png": (2, IMAGES[0]),
    "cat/data/train-00001-of-00002-0.png": (2, IMAGES[5]),
    "cat/data/train-00001-of-00002-1.png": (2, IMAGES[6]),
    "great white shark/data/train-00000-of-00002-2.png": (1, IMAGES[2]),
    "great white shark/data/train-00000-of-00002-3.png": (1, IMAGES[3]),
    "great white shark/data/train-00001-of-00002-2.png": (1, IMAGES[7]),
}


def test_a_data_set_of_the_hub(hub: Path) -> None:
    reader = ParquetImages(hub, split="train")
    reader.check()
    assert reader.registry() == ClassRegistry(NAMES, NAMES)
    listing = reader.listing()
    assert listing.root == hub
    found = {
        path: (int(listing.labels[row]), listing.source.read(row)) for row, path in enumerate(listing.paths)
    }
    assert found == EXPECTED
    assert list(listing.paths) == sorted(EXPECTED)
    size = (hub / "data/train-00001-of-00002.parquet").stat().st_size
    assert listing.stamps[3, 0] == size
    assert listing.source.file(0) is None


def test_reading_gives_the_same_pool_every_time(hub: Path) -> None:
    pool, again = ParquetImages(hub, split="train").read(), ParquetImages(hub, split="train").read()
    assert dict(zip(pool.paths, pool.labels.tolist(), strict=True)) == {
        path: label for path, (label, _) in EXPECTED.items()
    }
    assert (pool.fingerprint, pool.paths) == (again.fingerprint, again.paths)
    assert [pool.read(i) for i in range(len(pool))] == [EXPECTED[path][1] for path in pool.paths]


def test_exported_images_lie_in_class_folders(hub: Path, tmp_path: Path) -> None:
    pool = ParquetImages(hub, split="train").read()
    for index, path in enumerate(pool.paths):
        (tmp_path / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / path).write_bytes(pool.read(index))
    exported = ClassFolders(tmp_path / "images", class_names=NAMES).read()
    assert exported.fingerprint == pool.fingerprint
    assert exported.labels.tolist() == pool.labels.tolist()


def test_splits_are_not_mixed(hub: Path) -> None:
    with pytest.raises(
        PoolError, match=r"one split in .*hub, found 'test', 'train'; name one of them as split"
    ):
        ParquetImages(hub).check()
    with pytest.raises(PoolError, match=r"files of split 'validation' .* found 'test', 'train'"):
        ParquetImages(hub, split="validation").check()
    assert len(ParquetImages(hub, split="test").listing()) == 3
    for path in (hub / "data/train-*.parquet", hub / "d*/train-0000[01]-of-*"):
        assert len(ParquetImages(path).listing()) == 8
    assert len(ParquetImages(hub / "data/test-00000-of-00001.parquet").listing()) == 3
    _write(hub / "data/trainer.parquet", _hub_table(_of(IMAGES), LABELS))
    assert len(ParquetImages(hub, split="train").listing()) == 8
    assert len(ParquetImages(hub, split="trainer").listing()) == 8
    (hub / "default/train").mkdir(parents=True)
    (hub / "data/test-00000-of-00001.parquet").rename(hub / "default/train/0000.parquet")
    assert len(ParquetImages(hub / "default").listing()) == 3
    assert len(ParquetImages(hub, split="train").listing()) == 11


def test_a_class_list_maps_names_and_numbers(tmp_path: Path) -> None:
    named = _write(tmp_path / "named.parquet", _hub_table(_of(IMAGES), LABELS))
    reader = ParquetImages(named, class_names=("Cat", "Great_White_Shark", "airplane"))
    assert reader.registry().folders == ("cat", "great white shark", "airplane")
    assert dict(zip(reader.listing().paths, reader.listing().labels.tolist(), strict=True)) == {
        f"{NAMES[label]}/named-{row}.png": 2 - label for row, label in enumerate(LABELS)
    }
    with pytest.raises(
        ClassListError, match=r"The labels in column 'label' of .*folders that are no class: 'cat'"
    ):
        ParquetImages(named, class_names=("dog", "great white shark", "airplane")).check()

    bare = _write(tmp_path / "bare.parquet", _hub_table(_of(IMAGES), LABELS, None))
    default = ClassRegistry(("x", "y", "z"), ("x", "y", "z"))
    assert ParquetImages(bare).registry() == ClassRegistry(("0", "1", "2"), ("0", "1", "2"))
    assert ParquetImages(bare).registry(default) == ClassRegistry(("x", "y", "z"), ("0", "1", "2"))
    with pytest.raises(ClassListError, match=r"labels from 0 to 1 .* found '2'"):
        ParquetImages(bare, class_names=("x", "y")).check()


def test_texts_wnids_and_categories_are_labels(tmp_path: Path) -> None:
    wnids = [f"n0000000{label}" for label in LABELS]
    table = pa.table(
        {"jpg": IMAGES, "caption": list("abcdefgh"), "class": pa.array(wnids).dictionary_encode()}
    )
    reader = ParquetImages(_write(tmp_path / "f.parquet", table))
    assert reader.registry().wnids == ("n00000000", "n00000001", "n00000002")
    assert reader.listing().labels.tolist() == sorted(LABELS)
    assert reader.listing().paths[0] == "n00000000/f-1.png"
    assert ParquetImages(reader.path, label_column="caption").registry().names == tuple("abcdefgh")


def test_each_file_may_have_a_dictionary_of_its_own(tmp_path: Path) -> None:
    for part, labels in enumerate((["b", "a"], ["c", "a"])):
        column = pa.array(labels).dictionary_encode()
        _write(
            tmp_path / f"{part}.parquet", pa.table({"png": IMAGES[2 * part : 2 * part + 2], "label": column})
        )
    listing = ParquetImages(tmp_path).listing()
    assert list(listing.paths) == ["a/0-1.png", "a/1-1.png", "b/0-0.png", "c/1-0.png"]


def test_the_only_column_of_a_fit_type_holds_the_labels(tmp_path: Path) -> None:
    table = pa.table({"pixels": IMAGES, "target": pa.array([float(label) for label in LABELS])})
    assert ParquetImages(_write(tmp_path / "f.parquet", table)).registry().names == ("0", "1", "2")


def test_suffixes_are_those_of_the_images(tmp_path: Path) -> None:
    images: list[dict[str, Any]] = [
        {"bytes": _image(0, "jpg"), "path": "a.JPEG"},
        {"bytes": _image(1, "jpg"), "path": None},
        {"bytes": _image(2, "webp"), "path": "b.webp"},
        {"bytes": _image(3, "jpg"), "path": "c.exe"},
    ]
    _write(tmp_path / "f.parquet", _hub_table(images, [0, 0, 1, 2]))
    names = [Path(path).name for path in ParquetImages(tmp_path / "f.parquet").listing().paths]
    assert names == ["f-0.jpeg", "f-1.jpg", "f-3.jpg", "f-2.webp"]
    for suffix in ("png", "gif", "bmp", "webp"):
        _write(tmp_path / "g.parquet", pa.table({"image": [_image(0, suffix)], "label": [0]}))
        assert ParquetImages(tmp_path / "g.parquet").listing().paths[0] == f"0/g-0.{suffix}"


def test_names_that_are_no_folders_give_numbered_folders(tmp_path: Path) -> None:
    names = ("cat/lynx", "dog", "Dog")
    reader = ParquetImages(_write(tmp_path / "f.parquet", _hub_table(_of(IMAGES), LABELS, names)))
    assert reader.registry().names == names
    assert reader.registry().folders == ("0", "1", "2")
    assert reader.listing().paths[0] == "0/f-1.png"
    assert reader.listing().labels.tolist() == sorted(LABELS)


# ------------------------------------------------------------------ rows that are no images


def test_rows_without_an_image_are_excluded(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/there.png").write_bytes(IMAGES[7])
    (tmp_path / "secret.png").write_bytes(IMAGES[6])
    images: list[dict[str, Any] | None] = [
        *_of(IMAGES[:3]),
        None,
        {"bytes": None, "path": None},
        {"bytes": b"", "path": None},
        {"bytes": b"<html></html>", "path": "x.png"},
        {"bytes": None, "path": "there.png"},
        {"bytes": None, "path": "not-there.png"},
        {"bytes": None, "path": "../secret.png"},
        {"bytes": None, "path": str(tmp_path / "secret.png")},
    ]
    labels = [0, 1, 2, *[0] * 8]
    reader = ParquetImages(_write(tmp_path / "beside/f.parquet", _hub_table(images, labels)))
    pool = reader.read()
    assert {image.path.rpartition("-")[2]: image.reason for image in pool.excluded} == {
        "03.png": "unreadable: no image in this row",
        "04.png": "unreadable: no image in this row",
        "05.png": "unreadable: empty file",
        "06.png": "unreadable: no known image format",
        "08.png": "unreadable: no file not-there.png",
        "09.png": "unreadable: Expected a file name inside the folder, found '../secret.png'",
        "10.png": f"unreadable: Expected a file name inside the folder, found '{tmp_path}/secret.png'",
    }
    assert {image.class_index for image in pool.excluded} == {0}
    assert pool.read(list(pool.paths).index("airplane/f-07.png")) == IMAGES[7]


def test_an_image_beside_the_file_is_looked_at_again_when_it_changes(tmp_path: Path) -> None:
    for row in range(3):
        (tmp_path / f"{row}.png").write_bytes(IMAGES[row])
    rows: list[dict[str, Any] | None] = [{"bytes": None, "path": f"{row}.png"} for row in range(3)]
    reader = ParquetImages(_write(tmp_path / "f.parquet", _hub_table(rows, [0, 1, 2])))
    before = reader.listing().stamps
    (tmp_path / "1.png").write_bytes(IMAGES[3] + b" ")
    listing = reader.listing()
    assert (listing.stamps != before).any(axis=1).tolist() == [False, False, True]
    assert listing.source.read(2) == IMAGES[3] + b" "


def test_rows_without_a_label_are_ignored_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels: list[int | None] = [0, 1, 2, None, -1, 0, 1, 2]
    reader = ParquetImages(_write(tmp_path / "f.parquet", _hub_table(_of(IMAGES), labels)))
    with caplog.at_level(logging.WARNING):
        listing = reader.listing()
    assert sorted(path[-5] for path in listing.paths) == list("012567")
    assert "2 rows of" in caplog.text
    assert "have no label and are ignored" in caplog.text
    texts = pa.table({"image": IMAGES[:3], "label": ["a", "", None]})
    assert list(ParquetImages(_write(tmp_path / "t.parquet", texts)).listing().paths) == ["a/t-0.png"]


# ------------------------------------------------------------------ reading by row group


class _Loads:
    """Counts how often each row group is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[tuple[int, int]] = Counter()
        load = ParquetSource._load

        def counted(source: ParquetSource, number: int, group: int) -> pa.ChunkedArray:
            self.counts[number, group] += 1
            return load(source, number, group)

        monkeypatch.setattr(ParquetSource, "_load", counted)


def test_in_order_each_row_group_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.repeat(np.arange(4), 25)
    table = pa.table({"image": [_image(row) for row in range(100)], "label": labels})
    _write(tmp_path / "0.parquet", table.slice(0, 60), row_group_size=7)
    _write(tmp_path / "1.parquet", table.slice(60), row_group_size=7)
    source = ParquetImages(tmp_path).listing().source
    monkeypatch.setattr(parquet_source, "_KEPT", 0)  # keeps the last row group alone
    loads = _Loads(monkeypatch)
    assert [source.read(row) for row in range(100)] == table.column("image").to_pylist()
    assert loads.counts == {(0, group): 1 for group in range(9)} | {(1, group): 1 for group in range(6)}


def test_what_fits_is_kept_and_the_oldest_goes_first(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = ParquetImages(hub, split="train").listing()
    loads = _Loads(monkeypatch)
    for _ in range(3):
        assert [listing.source.read(row) for row in range(8)] == [EXPECTED[path][1] for path in listing.paths]
    assert set(loads.counts.values()) == {1}  # 5 row groups, all of them kept

    group = pq.ParquetFile(hub / "data/train-00000-of-00002.parquet").read_row_group(0, ["image"])
    monkeypatch.setattr(parquet_source, "_KEPT", int(2.2 * group.nbytes))  # of two rows each, the last of one
    listing = ParquetImages(hub, split="train").listing()
    loads.counts.clear()
    for row_of_first_shard in (1, 4, 0, 2, 1, 4, 1):  # row groups 0, 2, 0, 1, 0, 2, 0
        place = next(
            row for row, path in enumerate(listing.paths) if path.endswith(f"2-{row_of_first_shard}.png")
        )
        listing.source.read(place)
    assert loads.counts == {(0, 0): 1, (0, 1): 1, (0, 2): 2}


def test_the_source_travels_and_reads_in_threads(hub: Path) -> None:
    listing = ParquetImages(hub, split="train").listing()
    before = len(pickle.dumps(listing.source))
    expected = [listing.source.read(row) for row in range(8)]
    travelled = pickle.loads(pickle.dumps(listing.source))  # noqa: S301 - our own
    assert len(pickle.dumps(listing.source)) == before  # what was read stays behind
    rows = np.random.default_rng(0).integers(0, 8, 400).tolist()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(travelled.read, rows)) == [expected[row] for row in rows]


def test_mixed_classes_in_a_large_pool_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"image": [_image(row) for row in range(60)], "label": list(range(10)) * 6})
    _write(tmp_path / "mixed.parquet", table, row_group_size=10)
    _write(tmp_path / "sorted.parquet", table.sort_by("label"), row_group_size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ParquetImages(tmp_path / "mixed.parquet").listing()
        monkeypatch.setattr(parquet_source, "_KEPT", 1_000)
        ParquetImages(tmp_path / "sorted.parquet").listing()
    with pytest.warns(UserWarning, match=r"each part of the 0\.0 GiB will be read about 10 times\. Sort"):
        ParquetImages(tmp_path / "mixed.parquet").listing()


def test_files_that_change_or_go_while_they_are_read(hub: Path) -> None:
    source = ParquetImages(hub / "data/test-00000-of-00001.parquet").listing().source
    _write(hub / "data/test-00000-of-00001.parquet", _hub_table(_of(IMAGES), LABELS))
    with pytest.raises(OSError, match="the file has changed"):
        source.read(0)
    (hub / "data/test-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(OSError, match="row group 0 is damaged"):
        source.read(0)
    (hub / "data/test-00000-of-00001.parquet").unlink()
    with pytest.raises(OSError, match="No such file"):
        source.read(0)


# ------------------------------------------------------------------ files that are refused


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_files_that_were_cut_off(hub: Path, share: float) -> None:
    path = hub / "data/train-00001-of-00002.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        PoolError, match=r"whole Parquet file at .*00001-of-00002\.parquet, found: .*; copy or"
    ):
        ParquetImages(hub, split="train").check()


def test_paths_without_parquet_files(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/f.parquet").touch()
    for path in (tmp_path, tmp_path / "none", tmp_path / "none.parquet", tmp_path / "no/*.parquet"):
        with pytest.raises(PoolError, match=r"Expected Parquet files at .*, found none"):
            ParquetImages(path).check()


def _columns(**columns: list[Any]) -> pa.Table:
    return pa.table({"image": IMAGES[:2], **columns})


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            pa.table({"label": [0]}),
            {},
            r"column of images in .*, found label \(int64\); name one as image_column",
        ),
        (_columns(other=IMAGES[:2], label=[0, 1]), {}, "one column of images in .*, found 'image', 'other'"),
        (_columns(), {}, r"column of labels in .*, found image \(binary\); name one as label_column"),
        (_columns(width=[6, 6], height=[5, 5]), {}, "one column of labels in .*, found 'width', 'height'"),
        (_columns(label=[0, 1], category=["a", "b"]), {}, "one column of labels in .*'label', 'category'"),
        (_columns(label=[[0], [1]]), {}, r"column of labels in .*label \(list<"),
        (_columns(label=[0, 1]), {"image_column": "img"}, "column 'img' of images in .*correct the name"),
        (_columns(label=[0, 1]), {"image_column": "label"}, "column 'label' of images in"),
        (_columns(label=[0, 1]), {"label_column": "image"}, "column 'image' of labels in"),
        (_columns(label=[0, -2]), {}, r"labels from 0 on in column 'label' of .*, found -2"),
        (_columns(label=[0, 0.5]), {}, "whole numbers as labels in .*, found 0.5"),
        (_columns(label=pa.nulls(2, pa.int64())), {}, "Expected labels in .*, found none in 2 rows"),
        (_columns(label=[0, 1]).slice(0, 0), {}, "Expected labels in .*, found none in 0 rows"),
        (_hub_table(_of(IMAGES), [3] * 8), {}, "labels from 0 to 2 in .*, found 3"),
        (_hub_table(_of(IMAGES), [-1] * 8), {}, "found none in 8 rows; this split may have none"),
    ],
)
def test_tables_that_are_no_pool(
    tmp_path: Path, table: pa.Table, options: dict[str, str], message: str
) -> None:
    path = _write(tmp_path / "f.parquet", table)
    with pytest.raises(PoolError, match=message):
        ParquetImages(path, **options).check()  # type: ignore[arg-type]


def test_classes_of_the_metadata_that_do_not_occur(tmp_path: Path) -> None:
    path = _write(tmp_path / "f.parquet", _hub_table(_of(IMAGES), [0, 2] * 4))
    with pytest.raises(ClassListError, match=r"images of all 3 classes .* none labelled 'great white shark'"):
        ParquetImages(path).check()
    assert ParquetImages(path, class_names=("cat", "airplane")).registry().folders == ("cat", "airplane")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "JSON of features"),
        ("[]", "JSON of features"),
        (
            '{"info": {"features": {"label": {"_type": "ClassLabel", "names": "ab"}}}}',
            "class names for column 'label'",
        ),
        (
            '{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", ""]}}}}',
            "class names for column",
        ),
    ],
)
def test_metadata_that_are_malformed(tmp_path: Path, metadata: str, message: str) -> None:
    table = _hub_table(_of(IMAGES), LABELS).replace_schema_metadata({"huggingface": metadata})
    with pytest.raises(PoolError, match=message):
        ParquetImages(_write(tmp_path / "f.parquet", table)).check()


@pytest.mark.parametrize(
    "other",
    [
        _hub_table(_of(IMAGES), LABELS, NAMES[::-1]),
        _hub_table(_of(IMAGES), LABELS, None),
        pa.table({"image": IMAGES[:2], "label": [0, 1]}),
        pa.table({"image": _of(IMAGES[:2]), "kind": [0, 1]}),
    ],
)
def test_files_of_different_data_sets_are_not_mixed(tmp_path: Path, other: pa.Table) -> None:
    _write(tmp_path / "a.parquet", _hub_table(_of(IMAGES), LABELS))
    _write(tmp_path / "b.parquet", other)
    with pytest.raises(
        PoolError, match=r"in .*b\.parquet as in .*a\.parquet, found another type or other classes"
    ):
        ParquetImages(tmp_path).check()

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders, ExcludedImage
from semdd_lightning.pools.tar_members import LabelFinder, TarMembers, read_members
from semdd_lightning.pools.webdataset import TarShards, TarSource
from tests.layout_makers import written_out
from tests.pools.tar_makers import noise, special_member, write_samples, write_tar

NAMES = ("cat", "dog", "eel")


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of four samples each, whose keys are the same in every shard."""
    for shard in range(3):
        labels = {f"{i:04d}": (i + shard) % 3 for i in range(4)}
        write_samples(tmp_path / f"shards/pool-{shard:03d}.tar", labels, first_seed=4 * shard)
    return tmp_path / "shards"


# WebDataset samples


def test_every_image_of_a_pattern_with_its_label_and_bytes(shards: Path) -> None:
    pool = TarShards(shards / "pool-{000..002}.tar", num_samples=12).read()
    expected = {
        f"{(i + shard) % 3}/pool-{shard:03d}-{i:04d}.png": noise(4 * shard + i)
        for shard in range(3)
        for i in range(4)
    }
    assert {path: pool.read(row) for row, path in enumerate(pool.paths)} == expected
    assert list(pool.paths) == sorted(expected)
    assert [f"{label}" for label in pool.labels] == [path.split("/")[0] for path in pool.paths]
    assert pool.registry.names == pool.registry.folders == ("0", "1", "2")
    assert pool.root == shards
    assert pool.file(0) is None
    assert TarShards(shards).read().fingerprint == pool.fingerprint


def test_exported_paths_make_the_same_pool_of_class_folders(shards: Path, tmp_path: Path) -> None:
    pool = TarShards(shards, class_names=NAMES).read()
    again = ClassFolders(written_out(pool, tmp_path / "images"), class_names=NAMES).read()
    assert again.fingerprint == pool.fingerprint
    assert again.registry == pool.registry
    assert again.labels.tolist() == pool.labels.tolist()


def test_members_of_a_sample_need_not_be_neighbours(tmp_path: Path) -> None:
    members = {"a/1.cls": b"0", "a/0.png": noise(0), "b/0.png": noise(1), "a/0.cls": b"1", "b/0.cls": b"0"}
    write_tar(tmp_path / "x.tar", members | {"a/1.png": noise(2), "a/1.txt": b"a caption"})
    pool = TarShards(tmp_path / "x.tar").read()
    assert pool.paths == ("0/x-a/1.png", "0/x-b/0.png", "1/x-a/0.png")


def test_names_and_wnids_as_labels(tmp_path: Path) -> None:
    write_samples(tmp_path / "x.tar", {"0": "dog", "1": "Cat\n", "2": "eel"})
    assert TarShards(tmp_path / "x.tar", class_names=NAMES).read().labels.tolist() == [0, 1, 2]
    assert TarShards(tmp_path / "x.tar").registry().names == ("Cat", "dog", "eel")
    write_samples(tmp_path / "y.tar", {"0": "n02102040", "1": "n01440764"})
    pool = TarShards(tmp_path / "y.tar", class_names=("n02102040 springer", "n01440764 tench")).read()
    assert dict(zip(pool.paths, pool.labels.tolist(), strict=True)) == {
        "n01440764/y-1.png": 1,
        "n02102040/y-0.png": 0,
    }


def test_a_name_that_is_no_folder_name_is_numbered(tmp_path: Path) -> None:
    write_samples(tmp_path / "x.tar", {"0": "a/c", "1": "../b"})
    pool = TarShards(tmp_path / "x.tar").read()
    assert pool.registry.names == ("../b", "a/c")
    assert pool.paths == ("0/x-1.png", "1/x-0.png")


def test_labels_in_json(tmp_path: Path) -> None:
    wnids = ("n01440764", "n01443537")
    records = [{"caption": "x", "label": i, "wnid": wnids[i]} for i in (1, 0)]
    members: dict[str, bytes] = {"dataset_info.json": b'{"version": 1}'}
    for i, record in enumerate(records):
        members |= {f"{i}.json": json.dumps(record).encode(), f"{i}.jpg": noise(i)}
    shard = write_tar(tmp_path / "x.tar", members)
    assert TarShards(shard).read().paths == ("0/x-1.jpg", "1/x-0.jpg")
    assert TarShards(shard, label_key="wnid").read().paths == ("n01440764/x-1.jpg", "n01443537/x-0.jpg")
    with pytest.raises(
        PoolError, match=r"a \.json member with a class .* found none for 2 of 2, as '0\.jpg'"
    ):
        TarShards(shard, label_key="fine").check()
    with pytest.raises(PoolError, match=r"labels 'json' where label_key is given, found 'cls'"):
        TarShards(shard, label_key="wnid", labels="cls").check()


def test_labels_in_text_only_if_asked_for(tmp_path: Path) -> None:
    shard = write_tar(
        tmp_path / "x.tar", {"0.png": noise(0), "0.txt": b"cat", "1.png": noise(1), "1.txt": b"dog"}
    )
    with pytest.raises(PoolError, match=r"neither labels .* ask for `labels: txt`"):
        TarShards(shard).check()
    assert TarShards(shard, labels="txt").read().paths == ("cat/x-0.png", "dog/x-1.png")


@pytest.mark.parametrize("names", [("train/a", "test/b"), ("train_1", "val-1"), ("x/train/1", "x/dev/1")])
def test_samples_of_several_splits_are_not_mixed(names: tuple[str, str], tmp_path: Path) -> None:
    tar = write_samples(tmp_path / "pool.tar", dict.fromkeys(names, 0) | {"more": 1})
    with pytest.raises(PoolError, match=r"samples of one split in .*, found those of \w+ and \w+"):
        TarShards(tar).check()


def test_a_sample_of_several_images(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "x.tar", {"0.cls": b"0", "0.jpg": noise(0), "0.seg.png": noise(1)})
    with pytest.raises(
        PoolError, match=r"one image in every sample .*0\.jpg and 0\.seg\.png; .*`image: jpg`"
    ):
        TarShards(shard).check()
    assert TarShards(shard, image="jpg").read().read(0) == noise(0)
    assert TarShards(shard, image=".SEG.png").read().read(0) == noise(1)


def test_a_sample_without_a_class_is_an_error(tmp_path: Path) -> None:
    write_samples(tmp_path / "x-0.tar", {"0": 0, "1": 1})
    shard = write_tar(tmp_path / "x-1.tar", {"7.png": noise(7), "8.png": noise(8), "8.cls": b"1"})
    with pytest.raises(
        PoolError, match=r"beside every image of .*x-1\.tar, found none for 1 of 2, as '7\.png'"
    ):
        TarShards(tmp_path).check()
    write_tar(shard, {"7.png": noise(7), "7.cls": b" "})
    with pytest.raises(PoolError, match=r"found none for 1 of 1, as '7\.png'"):
        TarShards(tmp_path).check()


def test_a_sample_without_an_image_is_reported(tmp_path: Path) -> None:
    members = {"0.png": noise(0), "0.cls": b"0", "1.cls": b"0", "2.cls": b"1", "2.npy": b"?", "3.png": b""}
    shard = write_tar(
        tmp_path / "x.tar", members | {"3.cls": b"1"}, special_member("4.jpg", tarfile.SYMTYPE, "0.png")
    )
    with tarfile.open(shard, "a") as tar:
        tar.addfile(special_member("4.cls", tarfile.REGTYPE))
    with pytest.raises(PoolError, match=r"found none for 1 of 3, as '4\.jpg'"):
        TarShards(shard).check()
    shard = write_tar(tmp_path / "x.tar", members | {"3.cls": b"1"})
    pool = TarShards(shard, num_samples=4).read()
    assert pool.paths == ("0/x-0.png",)
    assert list(pool.excluded) == [
        ExcludedImage("0/x-1.cls", 0, "unreadable: sample without an image file"),
        ExcludedImage("1/x-2.cls", 1, "unreadable: sample without an image file"),
        ExcludedImage("1/x-3.png", 1, "unreadable: empty file"),
    ]


def test_bad_images_are_excluded_one_by_one(tmp_path: Path) -> None:
    good, name = noise(0), os.fsdecode(b"\xff")
    images = {"good.png": good, "same.png": good, "cut.png": good[:60], f"{name}.png": noise(1)}
    labels = {f"{file.split('.')[0]}.cls": b"0" for file in images} | {"link.cls": b"0"}
    link = special_member("link.png", tarfile.LNKTYPE, "good.png")
    pool = TarShards(write_tar(tmp_path / "x.tar", images | labels, link)).read()
    assert pool.paths == ("0/x-good.png",)
    assert [(image.path, image.reason) for image in pool.excluded if "cut" not in image.path] == [
        ("0/x-\\udcff.png", "unreadable: file name is not UTF-8"),
        ("0/x-link.png", "unreadable: not a regular file"),
        ("0/x-same.png", "duplicate of 0/x-good.png"),
    ]
    assert len(pool.excluded) == 4


def test_labels_out_of_range(shards: Path) -> None:
    with pytest.raises(
        ClassListError, match=r"labels from 0 to 1 in the \.cls members of .*shards.*found '2'"
    ):
        TarShards(shards, class_names=NAMES[:2]).check()
    with pytest.raises(ClassListError, match=r"all 4 classes in the \.cls members .* none labelled '3'"):
        TarShards(shards, class_names=(*NAMES, "fox")).check()
    write_samples(shards / "pool-003.tar", {"0": -1})
    with pytest.raises(PoolError, match=r"labels from 0 on in the \.cls members of .*, found -1"):
        TarShards(shards).check()


def test_counts_that_are_not_as_stated(shards: Path) -> None:
    with pytest.raises(PoolError, match="Expected 13 samples, found 12 in 3 shards: each holds 4"):
        TarShards(shards, num_samples=13).check()
    write_samples(shards / "pool-001.tar", {"0": 0, "1": 1, "2": 2})
    with pytest.raises(PoolError, match=r"most hold 4, but pool-001\.tar holds 3; copy"):
        TarShards(shards, num_samples=12).check()
    (shards / "sizes.json").write_text(json.dumps({f"pool-{shard:03d}.tar": 4 for shard in range(3)}))
    with pytest.raises(PoolError, match=r"pool-001\.tar holds 3 instead of the 4 of sizes\.json"):
        TarShards(shards).check()


def test_missing_and_empty_pools(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"the 5 shards of .*found 3; missing are '.*pool-003\.tar'"):
        TarShards(shards / "pool-{000..004}.tar").check()
    shard = write_tar(tmp_path / "x.tar", {"n01440764.tar": b"", "n01440764.idx": b""})
    with pytest.raises(
        PoolError, match=r"image files in .*x\.tar, found none \(n01440764\.tar, n01440764\.idx\)"
    ):
        TarShards(shard).check()


def test_two_shards_whose_names_run_together(tmp_path: Path) -> None:
    write_samples(tmp_path / "a.tar", {"b-0": 0})
    write_samples(tmp_path / "a-b.tar", {"0": 0})
    with pytest.raises(PoolError, match=r"found '0/a-b-0\.png' in .*a-b\.tar and .*a\.tar; rename"):
        TarShards(tmp_path).check()


# Tars of class folders


@pytest.fixture
def budgets(tmp_path: Path) -> Path:
    """A tar of the budgets ipc1 and ipc2, each of twelve classes in unpadded folders, with its folders."""
    for budget in (1, 2):
        for c in range(12):
            folder = tmp_path / f"d4m/ipc{budget}/{c}"
            (folder / "deep").mkdir(parents=True)
            for i in range(budget):
                (folder / f"{c}-image.v{i}.png").write_bytes(noise(100 * budget + 12 * i + c))
            (folder / "deep/x.png").write_bytes(noise(50 + c))
            (folder / "notes.txt").touch()
    with tarfile.open(tmp_path / "d4m.tar", "w") as tar:
        tar.add(tmp_path / "d4m", "d4m")
    return tmp_path / "d4m.tar"


def test_class_folders_in_a_tar_are_the_pool_that_they_are_unpacked(budgets: Path, tmp_path: Path) -> None:
    names = tuple(f"class {letter}" for letter in "lkjihgfedcba")
    packed = TarShards(budgets, class_names=names, below="d4m/ipc2").read()
    unpacked = ClassFolders(tmp_path / "d4m/ipc2", class_names=names).read()
    assert packed.paths == unpacked.paths
    assert packed.labels.tolist() == unpacked.labels.tolist()
    assert packed.registry == unpacked.registry
    assert packed.fingerprint == unpacked.fingerprint
    assert packed.counts().tolist() == [3] * 12
    assert TarShards(budgets / "d4m" / "ipc2", class_names=names).read().fingerprint == packed.fingerprint
    assert TarShards(budgets, below="d4m/ipc2").registry() == ClassFolders(tmp_path / "d4m/ipc2").registry()


def test_budgets_side_by_side_have_to_be_told_apart(budgets: Path) -> None:
    message = "found 'd4m/ipc1', 'd4m/ipc2', which share 12 class folders; give one of them, as "
    for path in (budgets, budgets / "d4m"):
        with pytest.raises(PoolError, match=f"{message}{budgets}/d4m/ipc2"):
            TarShards(path).check()
    with pytest.raises(PoolError, match=r"below 'ipc1' in .*; there are some below 'd4m/ipc1', 'd4m/ipc1/0'"):
        TarShards(budgets, below="ipc1").check()
    with pytest.raises(PoolError, match=r"labels 'folder' where below is given, found 'cls'"):
        TarShards(budgets, below="d4m/ipc1", labels="cls").check()


def test_one_chain_of_folders_needs_no_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = {"pool/train/dog/0.png": noise(0), "pool/train/cat/0.png": noise(1)}
    shard = write_tar(tmp_path / "x.tar", images)
    assert TarShards(shard).read().paths == ("cat/0.png", "dog/0.png")
    write_tar(shard, images | {"pool/train/grid.png": noise(2)})
    with caplog.at_level(logging.WARNING):
        pool = TarShards(shard, below="pool/train").read()
    assert pool.paths == ("cat/0.png", "dog/0.png")
    assert "1 images directly in 'pool/train' of" in caplog.text


def test_class_folders_over_several_tars(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"cat/0.png": noise(0), "dog/0.png": noise(1)})
    write_tar(tmp_path / "b.tar", {"cat/1.png": noise(2), "eel/0.png": noise(3)})
    pool = TarShards(tmp_path).read()
    assert pool.counts().tolist() == [2, 1, 1]
    assert [pool.read(row) for row in range(4)] == [noise(seed) for seed in (0, 2, 1, 3)]
    write_tar(tmp_path / "c.tar", {"cat/1.png": noise(4)})
    with pytest.raises(PoolError, match=r"found 'cat/1\.png' in .*b\.tar and .*c\.tar; rename it"):
        TarShards(tmp_path).check()


def test_an_empty_class_folder(tmp_path: Path) -> None:
    folders = [special_member(name, tarfile.DIRTYPE) for name in ("cat", "dog", "dog/logs", ".cache")]
    shard = write_tar(tmp_path / "x.tar", {"cat/0.png": noise(0), "dog/logs/log.txt": b""}, *folders)
    with pytest.raises(PoolError, match=r"class folder 'dog' of .*x\.tar to hold image files, found none"):
        TarShards(shard).check()


def test_two_folders_for_one_class(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "x.tar", {f"{folder}/0.png": noise(0) for folder in ("1", "01", "2")})
    with pytest.raises(ClassListError, match=r"'01' and '1' for class 1"):
        TarShards(shard).check()


def test_a_member_that_climbs_out_stops_everything(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "x.tar", {"cat/0.png": noise(0), "cat/../../dog/0.png": noise(1)})
    with pytest.raises(PoolError, match=r"to stay inside it, found 'cat/\.\./\.\./dog/0\.png'"):
        TarShards(shard).read()


# How it is read


def test_headers_are_read_once_and_no_image(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(shard: Path, labels: LabelFinder) -> TarMembers:
        read.append(shard)
        return read_members(shard, labels)

    monkeypatch.setattr("semdd_lightning.pools.webdataset.read_members", counted)
    monkeypatch.setattr(TarSource, "read", lambda *_: pytest.fail("an image was read"))
    found = TarShards(shards).resolve()
    assert (len(found.registry), len(found.listing)) == (3, 12)
    assert read == sorted(shards.iterdir())


def test_a_shard_that_changes_is_read_anew(shards: Path) -> None:
    reader = TarShards(shards)
    before = reader.listing()
    write_samples(shards / "pool-002.tar", {"0": 0, "1": 1, "2": 2}, first_seed=90)
    after = reader.listing()
    assert (len(before), len(after)) == (12, 11)
    old, new = (dict(zip(listing.paths, listing.stamps.tolist(), strict=True)) for listing in (before, after))
    changed = {path for path in new if new[path] != old.get(path)}
    assert {path.split("/")[1][:8] for path in changed} == {"pool-002"}


def test_a_source_is_read_in_threads_and_after_pickling(shards: Path) -> None:
    listing = TarShards(shards).listing()
    expected = [listing.source.read(row) for row in range(len(listing))]
    assert len(set(expected)) == 12
    rows = np.random.default_rng(0).integers(0, len(listing), 400).tolist()
    source = pickle.loads(pickle.dumps(listing.source))  # noqa: S301 - our own bytes
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(source.read, rows)) == [expected[row] for row in rows]


def test_shards_that_vanish_or_shrink_after_listing(shards: Path) -> None:
    listing = TarShards(shards).listing()
    row = list(listing.paths).index("2/pool-002-0003.png")
    os.truncate(shards / "pool-002.tar", 5_000)
    with pytest.raises(OSError, match=r"bytes in pool-002\.tar, found 0; the shard was cut off"):
        listing.source.read(row)
    (shards / "pool-002.tar").unlink()
    with pytest.raises(FileNotFoundError, match="No such file"):
        listing.source.read(row)


def test_a_reader_describes_itself_by_its_options(shards: Path) -> None:
    reader = TarShards(shards, label_key="label")
    described = dataclasses.asdict(reader)
    with pytest.raises(PoolError, match=r"a \.json member"):
        reader.check()
    assert dataclasses.asdict(reader) == described
    assert described["label_key"] == "label"

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.tar_members import (
    GOOD,
    NOT_A_FILE,
    NOT_UTF8,
    LabelFinder,
    TarMembers,
    _label_text,
    read_members,
)
from tests.pools.tar_makers import noise, special_member, write_samples, write_tar


def _read(shard: Path) -> TarMembers:
    return read_members(shard, LabelFinder(None, None))


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_places_and_labels_of_every_tar_format(tmp_path: Path, tar_format: int) -> None:
    long = "/".join(["folder"] * 20) if tar_format != tarfile.USTAR_FORMAT else "folder"
    contents = {f"{long}/{i:03d}.PNG": noise(i) + bytes(i) for i in range(9)}
    with tarfile.open(tmp_path / "x.tar", "w", format=tar_format) as tar:
        for name, content in contents.items():
            for path, data in ((name, content), (name.replace("PNG", "cls"), b"%d\n" % len(content))):
                member = tarfile.TarInfo(f"./{path}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    members = _read(tmp_path / "x.tar")
    whole = (tmp_path / "x.tar").read_bytes()
    places = members.places[:, :2].tolist()
    assert [whole[start : start + size] for start, size in places] == list(contents.values())
    assert list(members.images) == list(contents)
    assert (members.places[:, 2] == GOOD).all()
    keys, texts = members.labels["cls"]
    assert list(keys) == [name.removesuffix(".PNG") for name in contents]
    assert list(texts) == [str(len(content)) for content in contents.values()]


def test_what_is_no_sample_is_left_out(tmp_path: Path) -> None:
    hidden = dict.fromkeys(
        ["a/._0.png", ".cache/0.png", "__meta__/0.json", "__MACOSX/a/0.png", ".cls"], b"{}"
    )
    others = dict.fromkeys(["readme.txt", "0.txt", "0.seg.npy"], b"")
    shard = write_tar(tmp_path / "x.tar", {**hidden, "a/0.png": noise(0), **others})
    members = _read(shard)
    assert members.images == ("a/0.png",)
    assert members.labels == {}
    assert members.others == ("readme.txt", "0.txt", "0.seg.npy")


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    specials = [
        special_member("a.png", tarfile.SYMTYPE, "/etc/passwd"),
        special_member("b.png", tarfile.LNKTYPE, "0.png"),
        special_member("c.png", tarfile.FIFOTYPE),
        special_member("c.cls", tarfile.SYMTYPE, "0.cls"),
    ]
    members = _read(write_tar(tmp_path / "x.tar", {"0.png": noise(0)}, *specials))
    assert members.images == ("0.png", "a.png", "b.png", "c.png")
    assert members.places[:, 2].tolist() == [GOOD, NOT_A_FILE, NOT_A_FILE, NOT_A_FILE]
    assert members.labels == {}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff")
    shard = write_tar(tmp_path / "x.tar", {f"{name}.png": noise(0), f"{name}.cls": b"3"})
    members = _read(shard)
    assert members.images == ("a\\udcff.png",)
    assert members.places[:, 2].tolist() == [NOT_UTF8]
    keys, texts = members.labels["cls"]
    assert (list(keys), list(texts)) == (["a\\udcff"], ["3"])


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..", "C:\\x.png", "a\\..\\x.png", "\\x.png"]
)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_a_member_that_climbs_out(tmp_path: Path, name: str, kind: bytes) -> None:
    shard = write_tar(tmp_path / "x.tar", {"0.png": noise(0)}, special_member(name, kind))
    with pytest.raises(PoolError, match=r"names in .*x\.tar to stay inside it, found '.*'; do not use"):
        _read(shard)


@pytest.mark.parametrize("name", ["a..b.png", "..a/x.png", "a:b.png", "a/x...png"])
def test_dots_that_climb_nowhere(tmp_path: Path, name: str) -> None:
    _read(write_tar(tmp_path / "x.tar", {name: noise(0)}))


@pytest.mark.parametrize("name", ["0.png", "0.cls", "a/0.png"])
def test_a_name_that_stands_twice(tmp_path: Path, name: str) -> None:
    shard = write_tar(tmp_path / "x.tar", [(name, b"1"), ("1.png", b"2"), (f"./{name}", b"3")])
    with pytest.raises(PoolError, match=rf"every name in .*x\.tar once, found '{name}' 2 times"):
        _read(shard)


def test_a_tar_that_was_cut_off_anywhere(tmp_path: Path) -> None:
    shard = write_samples(tmp_path / "x.tar", {f"{i}": i for i in range(3)})
    whole = shard.read_bytes()
    members = _read(shard)
    ends = members.places[:, :2].sum(axis=1)
    content = len(whole.rstrip(b"\0"))
    cuts = [*range(1, content, 97), *range(512, content + 1, 512), *ends.tolist()]
    for cut in cuts:
        shard.write_bytes(whole[:cut])
        before = int((ends <= cut).sum())
        expected = (
            rf"cut off or broken after {before} whole" if before else r"to be a|cut off or broken after 0"
        )
        with pytest.raises(PoolError, match=expected):
            _read(shard)


def test_a_broken_header_in_the_middle(tmp_path: Path) -> None:
    shard = write_samples(tmp_path / "x.tar", {f"{i}": i for i in range(3)})
    whole = bytearray(shard.read_bytes())
    start = whole.index(b"1.png")
    whole[start : start + 512] = b"x" * 512
    shard.write_bytes(whole)
    with pytest.raises(
        PoolError, match=r"x\.tar to be a whole tar, found it cut off or broken after 1 whole"
    ):
        _read(shard)


def test_two_tars_one_behind_the_other(tmp_path: Path) -> None:
    first, second = (write_samples(tmp_path / name, {name: 0}) for name in ("a", "b"))
    both = tmp_path / "x.tar"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(PoolError, match=r"nothing after the end of the tar .* found more data"):
        _read(both)
    both.write_bytes(first.read_bytes() + bytes(3_000_000))
    assert len(_read(both).images) == 1


def test_files_that_are_no_tar(tmp_path: Path) -> None:
    shard = tmp_path / "x.tar"
    for content in (b"", b"<!DOCTYPE html>", noise(0), bytes(100)):
        shard.write_bytes(content)
        with pytest.raises(PoolError, match=r"x\.tar to be a tar, found"):
            _read(shard)
    with pytest.raises(PoolError, match=r"read .*none\.tar, found: No such file"):
        _read(tmp_path / "none.tar")


def test_a_compressed_tar(tmp_path: Path) -> None:
    shard = write_samples(tmp_path / "x.tar", {"0": 0})
    shard.write_bytes(gzip.compress(shard.read_bytes()))
    with pytest.raises(PoolError, match=r"to be an uncompressed tar.* decompress it first"):
        _read(shard)


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_flipped_bytes_raise_nothing_but_pool_errors(tmp_path: Path, tar_format: int) -> None:
    shard = tmp_path / "x.tar"
    with tarfile.open(shard, "w", format=tar_format) as tar:
        for i in range(2):
            member = tarfile.TarInfo(f"{'long' * 40}/{i}ä.png")
            member.size = 5
            tar.addfile(member, io.BytesIO(b"12345"))
    whole = np.frombuffer(shard.read_bytes(), dtype=np.uint8)
    for seed in range(300):
        random = np.random.default_rng(seed)
        damaged = whole.copy()
        where = random.integers(0, len(whole) * 2 // 3, 3)
        damaged[where] = random.integers(0, 256, 3)
        for start in range(0, len(damaged), 512):  # sums that are right, so that the damage is looked at
            header = damaged[start : start + 512]
            if header[257:262].tobytes() == b"ustar":
                header[148:156] = 32
                header[148:156] = np.frombuffer(b"%06o\0 " % int(header.sum()), dtype=np.uint8)
        shard.write_bytes(damaged.tobytes())
        with suppress(PoolError):
            assert isinstance(_read(shard), TarMembers)


@given(st.integers(0, 10**6), st.integers(0, 4))
def test_padding_and_type_change_no_number(number: int, padding: int) -> None:
    padded = f"{'0' * padding}{number}"
    assert [_label_text(value) for value in (number, float(number))] == [str(number)] * 2
    assert LabelFinder(None, None).read("cls", f" {padded}\n".encode()) == str(number)
    record = json.dumps({"label": padded}).encode()
    assert LabelFinder(None, None).read("json", record) == padded  # a text is a text


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), [3], {"id": 3}, "", " \n"])
def test_what_is_no_label(value: object) -> None:
    assert _label_text(value) == ""


def test_long_digits_stay_a_name() -> None:
    assert _label_text("1" * 5000) == "1" * 5000


def test_cls_members_win_and_json_is_not_read_after_them() -> None:
    finder = LabelFinder(None, None)
    assert (finder.wants("cls"), finder.wants("json"), finder.wants("txt")) == (True, True, False)
    assert finder.read("cls", b"7") == "7"
    assert (finder.wants("cls"), finder.wants("json")) == (True, False)


def test_only_what_was_asked_for_is_read() -> None:
    assert not LabelFinder("folder", None).wants("cls")
    finder = LabelFinder("txt", None)
    assert (finder.wants("txt"), finder.wants("cls")) == (True, False)
    assert finder.read("txt", "n01440764 \r\n".encode("utf-8-sig")) == "n01440764"


def test_the_first_usual_key_is_kept() -> None:
    finder = LabelFinder(None, None)
    assert finder.read("json", b'{"caption": "a tench", "class_name": "tench"}') == "tench"
    assert finder.read("json", b'{"label": 3, "class_name": "springer"}') == "springer"
    assert finder.read("json", b'{"label": 3}') == ""


def test_a_key_that_is_asked_for() -> None:
    finder = LabelFinder("json", "fine")
    assert finder.read("json", json.dumps({"label": 1, "fine": 50}).encode()) == "50"
    assert finder.read("json", json.dumps({"label": 1}).encode()) == ""


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b"3", b"[" * 100_000, b'{"label": null}']
)
def test_json_without_a_label(content: bytes) -> None:
    assert LabelFinder(None, None).read("json", content) == ""


def test_bytes_that_are_no_text() -> None:
    assert LabelFinder(None, None).read("cls", b"\x80\x04K\x03.") == ""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semdd_lightning.errors import LabelError
from semdd_lightning.training.soft_labels.header import HEADER, StoreHeader, passes_per_block, read_header
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.soft_labels.store import LabelStore

FORM = LabelFormat(7, "fp16", 2, 4.0)
IMAGES = 9
CARD: dict[str, Any] = {
    "teacher": "ClipTeacher",
    "arguments": {},
    "history": {},
    "accuracy": {"top1": 0.5, "on": "images"},
    "sha256": "t",
}
OTHER_CARD = {**CARD, "sha256": "u"}


def _header(**options: Any) -> StoreHeader:  # noqa: ANN401 - fields of a header
    given: dict[str, Any] = {
        "made_for": {"pool": "p", "augmentation": {"mix": "cutmix"}},
        "teacher": CARD,
        "label_format": FORM,
        "num_images": IMAGES,
        "passes": 7,
        "static": False,
        "block_passes": 3,
    }
    return StoreHeader(**{**given, **options})


def _logits(pass_index: int) -> Tensor:
    return torch.randn(IMAGES, 7, generator=torch.Generator().manual_seed(pass_index))


def _write(store: LabelStore, blocks: list[int]) -> None:
    for block in blocks:
        parts = [FORM.encode(_logits(index)) for index in store.header.blocks[block]]
        store.write(block, parts, divergence=0.5 * block)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    created = LabelStore.create(tmp_path / "labels", _header())
    _write(created, created.missing())
    return created


def test_labels_are_found_by_pass_and_image(store: LabelStore) -> None:
    again = LabelStore.open(store.directory)
    assert again.header == store.header
    again.require_whole()
    for pass_index in (6, 0, 3, 2):
        for rows in ([4], [8, 0, 3], [2, 2], list(range(IMAGES))):
            index = torch.tensor(rows)
            expected = FORM.decode(FORM.encode(_logits(pass_index)[index]))
            assert torch.equal(FORM.decode(again.read(pass_index, index)), expected)


def test_files_hold_whole_blocks_of_passes(store: LabelStore) -> None:
    names = ["passes-00000-00002", "passes-00003-00005", "passes-00006-00006"]
    files = sorted(path.name for path in store.directory.iterdir())
    assert files == [HEADER, *(f"{name}.safetensors" for name in names)]
    labels = 7 * IMAGES * FORM.bytes_per_label
    assert labels < store.stored_bytes < labels + 8192
    assert [store.notes(block) for block in range(3)] == [{"divergence": 0.5 * block} for block in range(3)]


def test_a_killed_run_goes_on_at_the_last_whole_block(tmp_path: Path) -> None:
    directory = tmp_path / "labels"
    first = LabelStore.create(directory, _header())
    _write(first, [0])
    (directory / f".{first.file(1).name}.host.1.x.tmp").write_bytes(b"half a block")
    with pytest.raises(
        LabelError, match=r"Expected all 3 files of labels in .*, found 1; give the same `semdd"
    ):
        LabelStore.open(directory).require_whole()
    written = first.file(0).stat().st_mtime_ns
    again = LabelStore.create(directory, _header())
    assert again.missing() == [1, 2]
    _write(again, again.missing())
    again.require_whole()
    assert first.file(0).stat().st_mtime_ns == written


def test_a_store_grows_by_passes(store: LabelStore) -> None:
    longer = LabelStore.create(store.directory, _header(passes=11))
    assert longer.missing() == [2, 3], "the last file held one pass only"
    _write(longer, longer.missing())
    assert not store.file(2).is_file(), "it is replaced by a longer one"
    rows = torch.arange(IMAGES)
    for pass_index in range(11):
        expected = FORM.decode(FORM.encode(_logits(pass_index)))
        assert torch.equal(FORM.decode(longer.read(pass_index, rows)), expected)
    assert LabelStore.create(store.directory, _header(passes=4)).header.passes == 11


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            {"made_for": {"pool": "q", "augmentation": {"mix": "cutmix"}}},
            "made_for.pool is p in the store, q",
        ),
        (
            {"made_for": {"pool": "p", "augmentation": {"mix": "mixup"}}},
            "made_for.augmentation.mix is cutmix in the store, mixup here",
        ),
        ({"teacher": OTHER_CARD}, "teacher_sha256 is t in the store, u here"),
        ({"label_format": LabelFormat(7, "int8")}, "label_format.precision is fp16 in the store, int8 here"),
        ({"static": True}, "static is False in the store, True here"),
    ],
)
def test_other_labels_are_not_mixed_in(store: LabelStore, options: dict[str, Any], what: str) -> None:
    before = (store.directory / HEADER).read_bytes()
    with pytest.raises(LabelError, match=f"to be new or to hold these very labels, found: .*{what}.*another"):
        LabelStore.create(store.directory, _header(**options))
    assert (store.directory / HEADER).read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(LabelError, match=r"Expected an empty or new folder for labels at .*, found files"):
        LabelStore.create(tmp_path, _header())
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_damage_is_found(store: LabelStore) -> None:
    whole = store.file(0).read_bytes()
    row = torch.tensor([0])
    store.file(0).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LabelError, match=r"Expected whole labels .*00002.safetensors, found that it cannot"):
        LabelStore.open(store.directory).read(0, row)
    store.file(0).write_bytes(store.file(1).read_bytes())
    other = LabelStore.create(store.directory.with_name("other"), _header(teacher=OTHER_CARD))
    _write(other, [1])
    store.file(1).write_bytes(other.file(1).read_bytes())
    with pytest.raises(
        LabelError, match=r"labels of this store in .*00005.safetensors, found that it belongs"
    ):
        LabelStore.open(store.directory).read(3, row)
    parts = [FORM.encode(_logits(6)[:4])]
    store.write(2, parts)
    with pytest.raises(LabelError, match=r"00006.safetensors, found \{.*\} in place of \{.*\}; remove"):
        LabelStore.open(store.directory).read(6, row)


def test_a_block_in_another_blocks_place_is_found(store: LabelStore) -> None:
    store.file(0).write_bytes(store.file(1).read_bytes())
    with pytest.raises(
        LabelError, match=r"labels of this store in .*00002.safetensors, found that it belongs"
    ):
        LabelStore.open(store.directory).read(0, torch.tensor([0]))


def test_headers_that_cannot_be_read(tmp_path: Path, store: LabelStore) -> None:
    with pytest.raises(LabelError, match=rf"Expected stored soft labels in .*, found no {HEADER}; make them"):
        read_header(tmp_path)
    content = json.loads((store.directory / HEADER).read_text())
    for broken in ("{", "[]", json.dumps({**content, "version": 99}), json.dumps({"version": 1})):
        (tmp_path / HEADER).write_text(broken)
        with pytest.raises(
            LabelError, match=r"Expected .*labels.json to be whole and of its form, found .*; relabel into"
        ):
            read_header(tmp_path)


def test_the_key_does_not_know_how_many_passes_there_are() -> None:
    header = _header()
    assert header.key == dataclasses.replace(header, passes=300, environment={"torch": "1"}).key
    assert header.key != dataclasses.replace(header, num_images=8).key


def test_where_all_logits_are_there_the_key_knows_no_temperature() -> None:
    for top_k, same in ((None, True), (2, False)):
        keys = {_header(label_format=LabelFormat(7, "fp16", top_k, at)).key for at in (4.0, 20.0)}
        assert (len(keys) == 1) == same


def test_a_file_is_neither_huge_nor_a_crumb() -> None:
    assert passes_per_block(LabelFormat(1000), 200_000) == 1
    assert passes_per_block(LabelFormat(1000), 20_000) == 6
    assert passes_per_block(LabelFormat(10), 100) == 10

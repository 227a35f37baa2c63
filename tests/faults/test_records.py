"""Thousands of damaged records: each is refused by an error of ours, made again, or meant the same.

Some hundreds here; with SEMDD_LONG=1 ten thousand.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import torch

from semdd_lightning.data import select
from semdd_lightning.errors import SemddError
from semdd_lightning.experiment.run.directory import read_versions, write_versions
from semdd_lightning.experiment.run.result import RunResult, read_result
from semdd_lightning.export import exported_images, read_manifest, read_table
from semdd_lightning.models import ConvNet, NormalizedNetwork
from semdd_lightning.pools import ClassFolders, index_cache
from semdd_lightning.pools.digits import GeneratedDigits
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.prior.cache import CachedTensor
from semdd_lightning.records import write_record
from semdd_lightning.training.checkpoint_card import checkpoint_card
from semdd_lightning.training.checkpoints import AtomicCheckpointIO
from semdd_lightning.training.soft_labels.header import StoreHeader
from semdd_lightning.training.soft_labels.label_format import LabelFormat
from semdd_lightning.training.soft_labels.store import LabelStore
from tests.conftest import write_tiny_clip
from tests.faults.record_mutations import changed, damaged

INPUTS = 1_000 if os.environ.get("SEMDD_LONG") else 30  # for each kind of record
FORM = LabelFormat(5, "fp16", 2, 4.0)
CARD = {
    "teacher": "ClipTeacher",
    "arguments": {"x": [1, 2.5, None]},
    "history": {"network": "conv3"},
    "accuracy": {"top1": 0.5, "on": "images"},
    "sha256": "t",
}


@dataclass
class Record:
    """A file, and what reading it gives in a form that can be compared.

    Attributes:
        file: which is damaged.
        read: reads it; None stands for: made again by whoever asked.
        digest: whether changes that are well formed have to be seen too.
    """

    file: Path
    read: Callable[[], object]
    digest: bool = True


def _manifest(folder: Path, pool: Path, clip: Path) -> Record:
    chosen = select(ClassFolders(pool), OpenClipPrior(str(clip)), 2, audit="off", cache_dir=folder / "cache")
    out = chosen.export(folder / "chosen")

    def read() -> object:
        manifest = read_manifest(out)
        return manifest, exported_images(out, manifest)

    return Record(out / "manifest.json", read)


def _scores(folder: Path, pool: Path, clip: Path) -> Record:
    out = _manifest(folder, pool, clip).file.parent
    return Record(out / "scores.parquet", lambda: read_table(out).to_csv())


def _store(folder: Path) -> LabelStore:
    header = StoreHeader({"num_images": 6}, CARD, FORM, 6, 3, False, 2, chosen={"ipc": 3})
    store = LabelStore.create(folder / "labels", header)
    for block in store.missing():
        passes = [FORM.encode(torch.randn(6, 5)) for _ in header.blocks[block]]
        store.write(block, passes, kl_at_1=0.5)
    return store


def _labels(folder: Path) -> object:
    store = LabelStore.open(folder / "labels")
    store.require_whole()
    parts = [store.read(number, torch.arange(6)) for number in range(3)]
    values = [{name: part.tolist() for name, part in one.items()} for one in parts]
    return store.header, values, [store.notes(block) for block in range(2)]


def _header(folder: Path, pool: Path, clip: Path) -> Record:
    return Record(_store(folder).directory / "labels.json", lambda: _labels(folder))


def _block(folder: Path, pool: Path, clip: Path) -> Record:
    return Record(_store(folder).file(0), lambda: _labels(folder))


def _checkpoint(folder: Path, pool: Path, clip: Path) -> Record:
    registry = ClassFolders(pool).registry()
    network = NormalizedNetwork(ConvNet(3, 16, depth=1, width=4), 16, (0.5,) * 3, (0.25,) * 3)
    card = checkpoint_card(network, "conv3", 3, registry)
    content = {"state_dict": {f"network.{k}": v for k, v in network.state_dict().items()}, "semdd": card}
    file, io = folder / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint(content, file)

    def read() -> object:
        found = io.load_checkpoint(file)
        return found["semdd"], {name: value.tolist() for name, value in found["state_dict"].items()}

    return Record(file, read)


def _result(folder: Path, pool: Path, clip: Path) -> Record:
    result = RunResult("fit", ["a.yaml"], str(folder), metrics={"test_top1": 0.5}, labels={"kind": "hard"})
    write_record(folder / "result.json", asdict(result))
    return Record(folder / "result.json", lambda: read_result(folder))


def _versions(folder: Path, pool: Path, clip: Path) -> Record:
    write_versions(folder, ["compare", "--config", "a.yaml"], [])
    return Record(folder / "versions.json", lambda: read_versions(folder))


def _clip_config(folder: Path, pool: Path, clip: Path) -> Record:
    model = write_tiny_clip(folder / "clip")
    read = lambda: OpenClipPrior(str(model)).source()  # noqa: E731
    return Record(model / "open_clip_config.json", read, digest=False)


def _shard(folder: Path, pool: Path, clip: Path) -> Record:
    cached = CachedTensor(folder / "shard.safetensors", "key", 4, 8)
    cached.write(torch.randn(4, 8), logit_scale=14.285714149475098)

    def read() -> object:
        found = cached.read()
        return None if found is None else (found[0].tolist(), found[1])

    return Record(cached.path, read)


def _index(folder: Path, pool: Path, clip: Path) -> Record:
    def read() -> object:
        found = ClassFolders(pool).read(folder / "index-cache")
        return found.fingerprint, [column.tolist() for column in vars(found.traits).values()]

    read()
    (file,) = (folder / "index-cache" / "index").iterdir()
    return Record(file, read)


def _digits(folder: Path, pool: Path, clip: Path) -> Record:
    reader = GeneratedDigits(1, root=folder)

    def read() -> object:
        reader.prepare()
        return reader.read(folder / "digits-index").fingerprint

    read()
    return Record(reader.folder / "3" / "000.png", read)


def _digits_record(folder: Path, pool: Path, clip: Path) -> Record:
    record = _digits(folder, pool, clip)
    return Record(record.file.parents[1] / "digits.json", record.read)


KINDS = (_manifest, _scores, _header, _block, _checkpoint, _result, _versions, _clip_config, _shard, _index)


@pytest.mark.parametrize("kind", [*KINDS, _digits, _digits_record])
def test_nothing_damaged_is_believed(
    kind: Callable[[Path, Path, Path], Record],
    coloured_pool: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(index_cache, "_RECENT_NS", 0)  # images that were made just now are entered too
    caplog.set_level(logging.ERROR, logger="semdd_lightning")
    record = kind(tmp_path, coloured_pool, tiny_clip_dir)
    whole, meant = record.file.read_bytes(), record.read()
    assert meant is not None
    generator, outcomes = random.Random(kind.__name__), Counter[str]()  # noqa: S311 - damage, no secret
    inputs = INPUTS // 6 if kind in (_digits, _digits_record) else INPUTS  # these are generated each time
    for number in range(inputs):
        json = record.file.suffix == ".json" and generator.random() < 0.7
        content, fitting = changed(whole, generator) if json else (damaged(whole, generator), False)
        record.file.write_bytes(content)
        seen = record.digest and not fitting and b'"sha256"' in content
        outcomes[_outcome(record, meant, seen, f"{kind.__name__} {number}: {content[:2000]!r}")] += 1
        if not record.file.parent.is_dir():
            record.file.parent.mkdir()
    print(kind.__name__, dict(outcomes))
    assert outcomes["refused"] + outcomes["made again"] + outcomes["meant the same"] > inputs // 3


def _outcome(record: Record, meant: object, seen: bool, what: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = record.read()
    except SemddError:
        return "refused"
    except Exception as error:  # the fault that is looked for
        raise AssertionError(what) from error
    if found is None:
        return "made again"
    if found == meant:
        return "meant the same"
    assert record.file.suffix == ".json", what
    assert not seen, what
    return "of a form that fits"


def test_a_record_in_the_place_of_another_is_refused(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path
) -> None:
    records = []
    for kind in KINDS:
        folder = tmp_path / kind.__name__
        folder.mkdir()
        records.append(kind(folder, coloured_pool, tiny_clip_dir))
    for record in records:
        whole, meant = record.file.read_bytes(), record.read()
        for other in records:
            if other is not record and other.file.name != record.file.name:
                shutil.copy(other.file, record.file)
                assert (
                    _outcome(record, meant, True, f"{other.file} as {record.file}") != "of a form that fits"
                )
                record.file.write_bytes(whole)

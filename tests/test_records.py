"""Records and sealed files: what is written comes back, what was changed does not, version 0.1 is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import with_config
from safetensors.torch import save_file

from semdd_lightning.errors import DamageError, RunError
from semdd_lightning.prior.cache import CachedTensor
from semdd_lightning.records import RECORD, check_seal, read_record, write_record, write_sealed
from semdd_lightning.tensor_blocks import read_tensors, write_tensors


@with_config(RECORD)
@dataclass(frozen=True)
class Counts:
    """A record."""

    names: tuple[str, ...]
    share: float


def read(file: Path) -> Counts:
    return read_record(file, Counts, RunError, "count again")


def test_a_record_comes_back_whatever_its_order(tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    write_record(file, {"names": ("ä", "\x1b"), "share": 0.1})
    assert read(file) == Counts(("ä", "\x1b"), 0.1)
    file.write_text(json.dumps(dict(reversed(json.loads(file.read_text()).items()))))
    assert read(file) == Counts(("ä", "\x1b"), 0.1)
    file.write_text(file.read_text().replace("0.1", "0.2"))
    with pytest.raises(RunError, match=r"counts\.json .*it was changed since .*; count again\."):
        read(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"names": [], "share": NaN}', "NaN, which is no number"),
        ('{"names": [], "share": 1e999}', "1e999, which is no number"),
        ('{"names": [], "names": [], "share": 1}', "named twice"),
        ('{"names": [1], "share": 1}', r"names\.0: Input should be a valid string"),
        ('{"names": [], "share": 1, "\\u001b[31m": 1}', r"\\x1b\[31m: Unexpected keyword"),
        ("[" * 100_000, "nests too deep"),
        ("\udcff", "utf-8"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "counts.json").write_text(text, errors="surrogateescape")
    with pytest.raises(RunError, match=said):
        read(tmp_path / "counts.json")


def test_a_record_of_version_0_1_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text('{"names": ["a"], "share": 1}')
    assert read(tmp_path / "counts.json") == Counts(("a",), 1.0)


def test_a_seal_sees_every_byte(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_sealed(file, b"content")
    whole = file.read_bytes()
    assert whole.startswith(b"content")
    assert check_seal(file)
    for place in range(7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamageError, match="its digest does not fit"):
            check_seal(file)
    for unsealed in (b"", b"content", b"x" * 99):
        file.write_bytes(unsealed)
        assert not check_seal(file)


def test_notes_count_as_the_tensors_do(tmp_path: Path) -> None:
    file = tmp_path / "block"
    write_tensors(file, "key", {"a": torch.arange(3)}, {"scale": 14.5})
    assert read_tensors(file, "key")[1].notes == {"scale": 14.5}
    file.write_bytes(file.read_bytes().replace(b"14.5", b"14.7"))
    with pytest.raises(DamageError, match="its digest does not fit"):
        read_tensors(file, "key")


def test_embeddings_of_version_0_1_are_still_believed(tmp_path: Path) -> None:
    tensor = torch.randn(2, 3)
    cached = CachedTensor(tmp_path / "shard", "key", 2, 3)
    digest = hashlib.sha256(tensor.numpy().data).hexdigest()
    own = {"key": "key", "name": "shard", "sha256": digest}
    save_file({"embeddings": tensor}, cached.path, {"semdd": json.dumps(own)})
    found = cached.read()
    assert found is not None
    assert torch.equal(found[0], tensor)
    save_file({"embeddings": tensor + 1}, cached.path, {"semdd": json.dumps(own)})
    assert cached.read() is None

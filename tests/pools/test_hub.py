"""Data sets of the hub, out of a cache of it that was made by hand: nothing is fetched here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semdd_lightning.errors import PoolError
from semdd_lightning.export import build_component, describe
from semdd_lightning.pools import AnyPool, ImageSet
from semdd_lightning.pools.hub import hub_name
from tests.layout_makers import MAKERS, NUM_CLASSES, PER_CLASS, shown_classes

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with one data set in it, as the hub's own client lays it out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "datasets--someone--birds"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text(COMMIT)
    MAKERS["parquet"](place / "snapshots" / COMMIT)
    return place


def test_a_data_set_of_the_hub_is_read_where_the_hub_keeps_it(cache: Path) -> None:
    pool = AnyPool(Path("hf://someone/birds"))  # as a command line gives it
    pool.prepare()
    images = pool.read()
    assert len(images) == NUM_CLASSES * PER_CLASS
    assert images.labels.tolist() == shown_classes(images)
    assert images.root == cache / "snapshots" / COMMIT
    below = AnyPool(f"hf://someone/birds@{COMMIT}/data").read()
    assert below.root == cache / "snapshots" / COMMIT / "data"


def test_a_manifest_keeps_the_name(cache: Path) -> None:
    pool = AnyPool(Path("hf://someone/birds"))
    description = json.loads(json.dumps(describe(pool)))
    assert description["init_args"]["path"] == "hf://someone/birds"
    assert build_component(description, ImageSet) == pool


@pytest.mark.parametrize("name", ["someone/dogs", "someone/birds@other"])
def test_what_is_not_there_is_said(cache: Path, name: str) -> None:
    with pytest.raises(
        PoolError, match=r"^Expected the data set someone/\w+ .* found: .* hf download someone"
    ):
        AnyPool(f"hf://{name}").check()


@pytest.mark.parametrize("path", ["hf/someone/birds", "/hf:/someone/birds", "hf://birds", "hf:birds/x"])
def test_other_paths_are_paths(path: str) -> None:
    assert hub_name(Path(path)) is None
    assert AnyPool(path).path == Path(path)

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from semdd_lightning.data import select
from semdd_lightning.data.pool_selection import Stopwatch
from semdd_lightning.errors import RunError, SelectionError
from semdd_lightning.export.manifest import build_component, read_manifest
from semdd_lightning.pools import ClassFolders, PoolReader
from semdd_lightning.prior import OpenClipPrior, embed_pool
from semdd_lightning.selection import Embeddings, TwoStage


def test_selecting_is_indexing_embedding_and_sampling(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    reader, prior = ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir))
    selected = select(reader, prior, 2, device="cpu")
    pool = reader.read()
    embedded = embed_pool(pool, prior, device="cpu", progress=False)
    expected = TwoStage().select(
        Embeddings(
            embedded.image_embeddings,
            torch.from_numpy(pool.labels),
            embedded.text_prototypes,
            embedded.logit_scale,
        ),
        2,
    )
    assert torch.equal(selected.selection.indices, expected.indices)
    assert selected.manifest.selection_digest == expected.digest
    assert selected.manifest.paths == tuple(pool.paths[i] for i in expected.indices.tolist())


def test_a_manifest_makes_the_selection_again(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path
) -> None:
    selected = select(ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 2, device="cpu")
    manifest = read_manifest(selected.export(tmp_path / "subset"))
    assert manifest == selected.manifest
    again = select(
        build_component(manifest.pool, PoolReader),
        build_component(manifest.prior, OpenClipPrior),
        manifest.ipc,
        manifest.sampler_name,
        manifest.selection_seed,
        device="cpu",
    )
    assert again.manifest.paths == manifest.paths
    exported = {path.read_bytes() for path in (tmp_path / "subset").rglob("*.png")}
    assert exported == {path.read_bytes() for path in selected.paths}


def test_an_export_overwrites_nothing(coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path) -> None:
    selected = select(ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 1, device="cpu")
    selected.export(tmp_path / "subset")
    with pytest.raises(RunError, match=re.escape(str(tmp_path / "subset"))):
        selected.export(tmp_path / "subset")


def test_unknown_sampler(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    with pytest.raises(SelectionError, match="two_stage"):
        select(ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 1, "best", device="cpu")


def test_a_stopwatch_adds_up_even_when_a_stage_fails() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError, match="stop"), watch.measure("a"):
        raise ValueError("stop")
    first = watch.seconds["a"]
    with watch.measure("a"), watch.measure("b"):
        pass
    assert watch.seconds["a"] >= first
    assert set(watch.seconds) == {"a", "b"}

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from semdd_lightning.data import select
from semdd_lightning.data.selection_plan import build_priors
from semdd_lightning.errors import (
    ClassListError,
    PriorError,
    RunError,
    SelectionError,
    SemddError,
    TooFewImagesError,
)
from semdd_lightning.export import pool_selection
from semdd_lightning.export.manifest import build_component, read_manifest
from semdd_lightning.export.pool_selection import embeddings_digest, sampler_embeddings
from semdd_lightning.pools import ClassFolders, ImageSet
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits
from semdd_lightning.prior import OpenClipPrior, embed_pool
from semdd_lightning.progress import Stopwatch
from semdd_lightning.selection import Embeddings, ReferenceEmbeddings, TwoStage, selection_report


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ipc": "2"}, "ipc to be at least 1, found '2'; give a whole number"),
        ({"ipc": 2.5}, "ipc to be at least 1, found 2.5"),
        ({"ipc": True}, "ipc to be at least 1, found True"),
        ({"seed": -1}, "seed to be at least 0, found -1"),
        ({"sampler": 5}, "a sampler or the name of one, found 5"),
        ({"prior": None}, "a prior or its name, found None"),
        ({"pool": 5}, "a pool's reader or its path, found 5"),
        ({"device": "nonsense"}, "device to be one of cpu.*, found 'nonsense'"),
        ({"device": "meta"}, "device to be one of cpu.*, found 'meta'"),
        ({"cache_dir": 5}, "cache_dir to be a path, found 5"),
        ({"audit": "maybe"}, "audit to be refuse or warn or off, found 'maybe'"),
    ],
)
def test_arguments_of_another_kind_are_refused(
    options: dict[str, Any], message: str, coloured_pool: Path, tiny_clip_dir: Path
) -> None:
    given: dict[str, Any] = {"pool": str(coloured_pool), "prior": str(tiny_clip_dir), "ipc": 1}
    with pytest.raises(SemddError, match=message):
        select(**given | options)


def test_an_export_into_the_pool_is_refused(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    one: Any = np.int64(1)
    chosen = select(coloured_pool, str(tiny_clip_dir), one, device=torch.device("cpu"))
    for directory, message in ((coloured_pool / "red" / "out", "outside of the images"), (5, "be a path")):
        with pytest.raises(SemddError, match=message):
            chosen.export(directory)  # type: ignore[arg-type]


def test_selecting_is_indexing_embedding_and_sampling(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    reader, prior = ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir))
    selected = select(reader, prior, 2, "two_stage", device="cpu")
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
    selected = select(
        ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 2, "two_stage", device="cpu"
    )
    manifest = read_manifest(selected.export(tmp_path / "subset"))
    assert manifest == selected.manifest
    again = select(
        build_component(manifest.pool, ImageSet),
        build_priors(manifest.prior),
        manifest.ipc,
        manifest.sampler_name,
        manifest.selection_seed,
        device="cpu",
    )
    assert again.manifest.paths == manifest.paths
    exported = {path.read_bytes() for path in (tmp_path / "subset").rglob("*.png")}
    assert exported == {(selected.pool.root / path).read_bytes() for path in selected.paths}


def test_an_export_overwrites_nothing(coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path) -> None:
    selected = select(
        ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 1, "two_stage", device="cpu"
    )
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


def test_the_report_is_that_of_the_selection_and_is_made_once(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selected = select(
        ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir)), 2, "two_stage", device="cpu"
    )
    calls: list[str] = []
    for name in ("class_report", "selection_table"):
        real = getattr(pool_selection, name)

        def counted(*words: Any, _real: Any = real, _name: str = name, **options: Any) -> Any:  # noqa: ANN401
            calls.append(_name)
            return _real(*words, **options)

        monkeypatch.setattr(pool_selection, name, counted)
    report = selected.report()
    assert len(selected.table) == 18
    selected.export(tmp_path / "subset")
    assert sorted(calls) == ["class_report", "selection_table"]
    seen = sampler_embeddings(selected.pool, selected.embeddings)
    pd.testing.assert_frame_equal(report, selection_report(seen, selected.selection))
    assert selected.report_by_class()["class_name"].tolist() == ["blue", "green", "red"] * 4


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"ipc": 0}, SelectionError, "ipc to be at least 1"),
        ({"prior": OpenClipPrior("no-such-model", "openai")}, PriorError, "no-such-model"),
        ({"pool": "one", "sampler": "separability"}, SelectionError, "class"),
    ],
)
def test_what_cannot_work_is_refused_before_an_image_is_read(
    changes: dict[str, Any],
    error: type[Exception],
    words: str,
    coloured_pool: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: ClassFolders) -> None:
        pytest.fail("the pool was read")

    monkeypatch.setattr(ClassFolders, "read", refuse)
    shutil.copytree(coloured_pool / "red", tmp_path / "one" / "red")
    given = {"pool": ClassFolders(coloured_pool), "prior": OpenClipPrior(str(tiny_clip_dir)), "ipc": 1}
    given |= changes
    if given["pool"] == "one":
        given["pool"] = ClassFolders(tmp_path / "one")
    with pytest.raises(error, match=words):
        select(**given, device="cpu")  # type: ignore[arg-type]


# ------------------------------------------------------------------ prototypes of a reference set


@pytest.fixture
def reference(coloured_pool: Path, tmp_path: Path) -> ClassFolders:
    """The first three images of each class, in another class order, and a class that the pool lacks."""
    names = {"0": "red", "1": "violet", "2": "Blue", "3": "green"}
    for folder, name in names.items():
        source = coloured_pool / ("red" if name == "violet" else name.lower())
        (tmp_path / "real" / folder).mkdir(parents=True)
        for i in range(3):
            shutil.copy(source / f"{i}.png", tmp_path / "real" / folder)
    return ClassFolders(tmp_path / "real", class_names=tuple(names.values()))


def test_prototypes_are_those_of_the_reference_images(
    coloured_pool: Path, tiny_clip_dir: Path, reference: ClassFolders
) -> None:
    prior, sampler = OpenClipPrior(str(tiny_clip_dir)), TwoStage(prototypes="reference")
    pool = ClassFolders(coloured_pool)
    selected = select(pool, prior, 2, sampler, reference=reference, device="cpu")
    z = selected.embeddings.image_embeddings
    labels = torch.from_numpy(selected.pool.labels)
    first = torch.tensor([int(Path(path).stem) < 3 for path in selected.pool.paths])
    seen = sampler_embeddings(
        selected.pool, selected.embeddings, ReferenceEmbeddings(z[first], labels[first])
    )
    expected = sampler.select(seen, 2)
    assert selected.selection.digest == expected.digest
    alone = select(pool, prior, 2, TwoStage(prototypes="image"), device="cpu")
    assert alone.selection.scores["class_relevance"].tolist() != (
        selected.selection.scores["class_relevance"].tolist()
    )

    manifest = selected.manifest
    assert manifest.reference is not None
    assert build_component(manifest.reference, ImageSet) == reference
    assert manifest.reference_key is not None
    assert manifest.embeddings_key == alone.manifest.embeddings_key
    assert manifest.embeddings_digest != alone.manifest.embeddings_digest
    assert (alone.manifest.reference, alone.manifest.reference_key) == (None, None)


def test_a_reference_without_a_class_of_the_pool_names_it(
    coloured_pool: Path, tiny_clip_dir: Path, reference: ClassFolders
) -> None:
    wrong = replace(reference, class_names=("red", "violet", "blau", "green"))
    with pytest.raises(ClassListError, match=r"1 missing, as \['blue'\]"):
        select(
            ClassFolders(coloured_pool),
            OpenClipPrior(str(tiny_clip_dir)),
            2,
            reference=wrong,
            device="cpu",
        )


def test_a_reference_class_without_a_usable_image_is_named(
    coloured_pool: Path, tiny_clip_dir: Path, reference: ClassFolders
) -> None:
    for file in (Path(reference.path) / "3").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(TooFewImagesError, match=r"found none of 1 classes, as \['green'\]"):
        select(
            ClassFolders(coloured_pool),
            OpenClipPrior(str(tiny_clip_dir)),
            2,
            reference=reference,
            device="cpu",
        )


def test_the_digest_sees_every_last_bit() -> None:
    z, t = torch.eye(3), torch.eye(3)[:2]
    whole = Embeddings(z, torch.tensor([0, 1, 1]), t)
    bit = z.clone()
    bit[0, 0] = torch.nextafter(bit[0, 0], torch.tensor(2.0))
    others = [
        replace(whole, image_embeddings=bit),
        replace(whole, reference=ReferenceEmbeddings(t, torch.tensor([0, 1]))),
    ]
    digests = {embeddings_digest(embeddings) for embeddings in (whole, *others)}
    assert len(digests) == 3
    assert embeddings_digest(replace(whole, image_embeddings=z.clone())) in digests


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Our warnings, also after a command of another test has kept them from the root logger."""
    monkeypatch.setattr(logging.getLogger("semdd_lightning"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="semdd_lightning")
    return caplog


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_model_that_does_not_know_the_classes_is_said(
    shuffled: bool, tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    digits = GeneratedDigits(images_per_class=4, root=tmp_path)
    digits.prepare()
    names = (*DIGIT_NAMES[1:], DIGIT_NAMES[0]) if shuffled else DIGIT_NAMES
    select(
        ClassFolders(digits.folder, class_names=names), OpenClipPrior("digits"), 2, "two_stage", audit="warn"
    )
    assert ("of the pool into their classes (chance: 10.0 %)" in heard.text) == shuffled


def test_files_that_cannot_be_chosen_are_said(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(coloured_pool, pool)
    (pool / "blue" / "a_broken.png").write_bytes(b"<html>")
    select(ClassFolders(pool), OpenClipPrior(str(tiny_clip_dir)), 2, "two_stage")
    assert "1 image files cannot be chosen, the first of them blue/a_broken.png (unreadable: " in heard.text

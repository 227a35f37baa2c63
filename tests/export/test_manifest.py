"""A component as text and back, and the manifest on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from semdd_lightning.errors import RunError
from semdd_lightning.export import Manifest, build_component, describe, read_manifest
from semdd_lightning.pools import ClassFolders, ImageSet
from semdd_lightning.pools.digits import GeneratedDigits
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.records import write_record
from semdd_lightning.selection import SAMPLERS, Sampler, TwoStage

READERS = [
    ClassFolders(Path("/pool")),
    ClassFolders(Path("/pool"), classes=Path("/classes.txt")),
    ClassFolders(Path("/pool"), class_names=("n01440764 tench", "dog")),
    GeneratedDigits(images_per_class=3, seed=2, bandwidth=4.5, root=Path("/digits")),
]
PRIORS = [
    OpenClipPrior("digits"),
    OpenClipPrior("ViT-B-32-quickgelu", "openai", precision="bf16", batch_size=7),
    OpenClipPrior("ViT-B-32", "w.pt", "gelu", ("a {}.", "the {}."), {"crane": "crane bird"}),
]


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - fields of the manifest
    whole = Manifest(
        pool=describe(READERS[0]),
        prior=describe(PRIORS[2]),
        sampler=describe(TwoStage()),
        sampler_name="two_stage",
        ipc=1,
        selection_seed=0,
        pool_root="/pool",
        pool_fingerprint="f" * 64,
        embeddings_key="e" * 64,
        text_key="t" * 64,
        embeddings_digest="v" * 64,
        cache_dir=None,
        reference=None,
        reference_key=None,
        selection_digest="d" * 64,
        class_names=("tench", "dog"),
        class_folders=("0", "1"),
        class_wnids=None,
        paths=("0/a.png", "1/deep/b.png"),
        labels=(0, 1),
    )
    return replace(whole, **changes)


# ------------------------------------------------------------------ components


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_come_back(name: str) -> None:
    sampler = SAMPLERS[name]()
    assert build_component(json.loads(json.dumps(describe(sampler))), Sampler) == sampler


def test_arguments_of_a_sampler_come_back() -> None:
    sampler = TwoStage(candidates_per_class=9, separability_weight=0.25)
    assert build_component(describe(sampler), Sampler) == sampler


@pytest.mark.parametrize("reader", READERS)
def test_readers_come_back(reader: ImageSet) -> None:
    assert build_component(json.loads(json.dumps(describe(reader))), ImageSet) == reader


@pytest.mark.parametrize("prior", PRIORS)
def test_priors_come_back(prior: OpenClipPrior) -> None:
    assert build_component(json.loads(json.dumps(describe(prior))), OpenClipPrior) == prior


def test_a_prior_as_a_config_gives_it() -> None:
    found = build_component({"model": "digits", "prompts": ["a {}."]}, OpenClipPrior)
    assert found == OpenClipPrior("digits", prompts=("a {}.",))


def test_a_description_is_what_configs_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe(ClassFolders(Path("pool"))) == {
        "class_path": "semdd_lightning.pools.ClassFolders",
        "init_args": {
            "path": str(tmp_path / "pool"),
            "classes": None,
            "class_names": None,
            "held_out": 0,
            "part": "rest",
        },
    }


@pytest.mark.parametrize(
    ("description", "base"),
    [
        ({"class_path": "semdd_lightning.selection.NoSuch", "init_args": {}}, Sampler),
        ({"class_path": "semdd_lightning.prior.OpenClipPrior", "init_args": {"model": "x"}}, Sampler),
        ({"class_path": "semdd_lightning.selection.TwoStage", "init_args": {"nonsense": 1}}, Sampler),
        ({"class_path": "semdd_lightning.pools.ClassFolders", "init_args": {"path": "x"}}, OpenClipPrior),
        ({"model": "digits", "nonsense": 1}, OpenClipPrior),
        ({"model": "digits", "precision": "fp8"}, OpenClipPrior),
    ],
)
def test_what_cannot_be_built_is_said(description: dict[str, Any], base: type) -> None:
    with pytest.raises(RunError, match=rf"^Expected a {base.__name__} as .*cannot be built .*\Z"):
        build_component(description, base)


def test_only_dataclasses_of_plain_values_are_described() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: object = object()

    with pytest.raises(RunError, match="made by a dataclass, found str"):
        describe("two_stage")
    with pytest.raises(RunError, match="made by a dataclass, found ABCMeta"):
        describe(ClassFolders)
    with pytest.raises(RunError, match="Expected a plain value in a component, found <object"):
        describe(Odd())


# ------------------------------------------------------------------ on disk


@pytest.mark.parametrize("folder", ["", "subset"])
def test_a_manifest_comes_back(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    written = manifest(
        class_wnids=("n01440764", "n02084071"), cache_dir="/cache", reference=describe(READERS[2])
    )
    write_record(tmp_path / folder / "manifest.json", asdict(written))
    found = read_manifest(tmp_path)
    assert found == written
    assert isinstance(found.prior, dict)
    assert build_component(found.prior, OpenClipPrior) == PRIORS[2]


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Expected manifest\.json in .*found none"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "found Expecting value"),
        ("[]", "found list in place of a mapping"),
        ("{}", "pool: Field required"),
        ('{"format": 1}', "format: Input should be 2"),
        ('{"format": 2, "ipc": 3}', "pool: Field required"),
    ],
)
def test_another_file_is_no_manifest(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunError, match=said):
        read_manifest(tmp_path)

"""`semdd select` with a classifier, and with several priors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest, read_table
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, NormalizedNetwork, build_network
from semdd_lightning.pools.digits import DIGIT_NAMES as DIGITS
from semdd_lightning.records import write_record
from semdd_lightning.training.checkpoint_card import checkpoint_card


def select(*words: str | Path) -> Path:
    assert main(["select", "--sampler=two_stage", *map(str, words), "--prior=digits", "--out=chosen"]) == 0
    return Path("chosen")


# ------------------------------------------------------------------ a classifier beside CLIP


@pytest.fixture
def run(workplace: Path) -> Path:
    """A run directory with a checkpoint of a network that was never trained."""
    network = NormalizedNetwork(build_network("conv3", 10, 32), 32, CIFAR_MEAN, CIFAR_STD)
    names = tuple(DIGITS)
    card = checkpoint_card(network, "conv3", 10, ClassRegistry(names, names))
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    (workplace / "run").mkdir()
    torch.save({"semdd": card, "state_dict": state}, workplace / "run" / "last.ckpt")
    return workplace / "run"


def test_a_classifier_of_a_run_scores_and_is_verified(
    run: Path, digits: Path, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = select(digits, "--ipc=2", f"--classes={classes}", f"--classifier={run}")
    assert read_table(out)["difficulty"].between(0, 1).all()
    classifier = read_manifest(out).classifier
    assert classifier is not None
    assert classifier["class_path"] == "semdd_lightning.training.CheckpointTeacher"
    assert main(["verify", str(out)]) == 0
    write_record(out / "manifest.json", asdict(read_manifest(out)) | {"classifier_key": "another"})
    assert main(["verify", str(out)]) == 1
    assert "The classifier has changed since" in capsys.readouterr().err


def test_a_config_gives_a_classifier_too(workplace: Path, run: Path) -> None:
    data: dict[str, Any] = {"pool": {"class_path": "GeneratedDigits", "init_args": {"images_per_class": 12}}}
    data |= {"prior": {"model": "digits"}, "ipc": 2, "sampler": "two_stage"}
    data["classifier"] = {"class_path": "CheckpointTeacher", "init_args": {"path": str(run)}}
    (workplace / "small.yaml").write_text(json.dumps({"data": {"init_args": data}}))
    assert main(["select", "--config=small.yaml", "--out=out"]) == 0
    assert "confidence" in read_table(Path("out"))


def test_a_classifier_that_is_none_is_refused(
    digits: Path, refused: Callable[..., str], workplace: Path
) -> None:
    words = ["select", str(digits), "--ipc=2", "--prior=digits", "--out=chosen"]
    assert "torchvision/NAME, timm/NAME or a checkpoint" in refused(*words, "--classifier=resnet50")
    assert "wnids or a teacher_index" in refused(*words, "--classifier=torchvision/resnet18")
    (workplace / "notes.txt").write_text("no weights")
    assert "found no pickle of weights" in refused(*words, "--classifier=notes.txt")
    assert not (workplace / "chosen").exists()


# ------------------------------------------------------------------ several priors


def test_several_priors_are_cached_apart_and_verified(
    digits: Path, classes: Path, tiny_clip_dir: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["select", str(digits), "--ipc=2", "--sampler=two_stage", f"--classes={classes}", "--audit=off"]
    priors = ["--prior=digits", f"--prior={tiny_clip_dir}"]
    assert main([*words, priors[0], "--out=one"]) == 0
    assert main([*words, priors[1], "--out=other"]) == 0
    capsys.readouterr()
    assert main([*words, *priors, "--out=both"]) == 0
    assert "0 images now, any others came from the cache" in capsys.readouterr().out
    one, other, both = (read_manifest(Path(out)) for out in ("one", "other", "both"))
    assert both.embeddings_key == f"{one.embeddings_key}+{other.embeddings_key}"
    assert both.prior == (one.prior, other.prior)
    assert read_table(Path("both"))["class_relevance"].between(0, 1).all()
    assert main(["verify", "both"]) == 0

    pool = {"class_path": "ClassFolders", "init_args": {"path": str(digits), "classes": str(classes)}}
    given = [{"model": "digits"}, {"model": str(tiny_clip_dir)}]
    (workplace / "two.yaml").write_text(
        json.dumps(
            {"data": {"init_args": {"pool": pool, "prior": given, "audit": "off", "sampler": "two_stage"}}}
        )
    )
    assert main(["select", "--config=two.yaml", "--ipc=2", "--out=by-config"]) == 0
    assert read_manifest(Path("by-config")).paths == both.paths

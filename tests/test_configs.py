"""Every packaged config runs from end to end on small data in the official forms of the data sets."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image

from semdd_lightning.datasets import DATASETS, DatasetSpec, find_dataset
from semdd_lightning.experiment.config.configs import compose, packaged_configs
from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.experiment.run.result import RunResult
from semdd_lightning.models import build_network
from semdd_lightning.selection import DEFAULT_SAMPLER

ALL = [p.relative_to(packaged_configs()).as_posix() for p in sorted(packaged_configs().rglob("*.yaml"))]
NOT_RUNS = ("protocols/", "datasets/", "students/", "compare/", "pools/")
NAMES = [name for name in ALL if not name.startswith(NOT_RUNS)]
PROTOCOLS = {  # protocol -> the data set that it is tried on
    "rded": "cifar10",
    "sre2l": "imagewoof",
    "sre2l_cifar": "cifar10",  # fewer classes than it is made for are faster
    "sre2l_tiny": "cifar10",
    "lpld": "imagewoof",
    "lpld_tiny": "cifar10",
    "edc": "imagenette",
    "minimax": "imagewoof",
    "dcbench": "cifar10",
    "hard": "cifar10",
}
CUSTOM = ("tabby cat", "golden retriever", "school bus")
QUICKSTART = {"data": {"init_args": {"passes": 2, "pool": {"init_args": {"images_per_class": 12}}}}}

Trained = dict[tuple[str, int], RunResult]
"""Runs of teachers by config and pixels per side."""


# Small data


def write_images(root: Path, folders: Sequence[str], count: int) -> Path:
    generator = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(count):
            pixels = generator.integers(0, 256, (20, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{i}.png")
    return root


def write_cifar(root: Path, spec: DatasetSpec) -> None:
    """An image per class in each batch file."""
    folder, names = root / spec.folder, [name.replace(" ", "_") for name in spec.names]
    folder.mkdir(parents=True)
    fine = spec.name == "cifar100"
    files = ("train", "test") if fine else (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
    for seed, file in enumerate(files):
        data = np.random.default_rng(seed).integers(0, 256, (len(names), 3072), dtype=np.uint8)
        labels = {"fine_labels" if fine else "labels": list(range(len(names)))}
        (folder / file).write_bytes(pickle.dumps({"data": data, **labels}))
    meta = {"fine_label_names" if fine else "label_names": names}
    (folder / ("meta" if fine else "batches.meta")).write_bytes(pickle.dumps(meta))


def write_tiny_imagenet(root: Path, spec: DatasetSpec) -> None:
    folder, wnids = root / spec.folder, list(spec.wnids or ())
    write_images(folder / "train", [f"{wnid}/images" for wnid in wnids], 1)
    write_images(folder / "val", ["images"], len(wnids))
    lines = [f"{i}.png\t{wnid}\t0\t0\t9\t9\n" for i, wnid in enumerate(wnids)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))


def write_dataset(root: Path, spec: DatasetSpec) -> None:
    """The official form of a data set: an image per class for training and one for testing."""
    if spec.layout == "cifar":
        write_cifar(root, spec)
    elif spec.layout == "tiny_imagenet":
        write_tiny_imagenet(root, spec)
    elif spec.layout == "imagenet":
        for split in ("train", "val"):
            write_images(root / spec.folder / split, spec.wnids or (), 1)


def write_custom(root: Path) -> None:
    folders = [name.replace(" ", "_") for name in CUSTOM]
    (root / "my_classes.txt").write_text("\n".join(CUSTOM))
    write_images(root / "my_pool", folders, 2)
    write_images(root / "my_test", folders, 1)


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaged configs look for data in the working directory; torchvision would miss its checksums there."""
    monkeypatch.chdir(tmp_path)

    def load_meta(dataset: torchvision.datasets.CIFAR10) -> None:
        file = Path(dataset.root) / dataset.base_folder / dataset.meta["filename"]
        dataset.classes = pickle.loads(file.read_bytes())[dataset.meta["key"]]  # noqa: S301 - written above

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_load_meta", load_meta)


# Running


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Teachers, each trained by the first test that wants it."""
    return {}


@pytest.fixture(scope="module")
def imagenet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ones of the network that teaches on ImageNet's classes."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet18.pt"
    torch.save(build_network("torchvision/resnet18", 1000, 224).state_dict(), file)
    return file


def run_small(
    name: str, overlay: dict[str, Any], tmp_path: Path, protocol: tuple[str, ...] = ()
) -> RunResult:
    """A config with what would need weights or patience replaced; everything else is its own."""
    file = tmp_path / f"{Path(name).stem}-small.yaml"
    file.write_text(yaml.safe_dump(overlay))
    limits = ["--data.passes_per_epoch=1", "--trainer.devices=1", "--trainer.check_val_every_n_epoch=1"]
    return run_experiment(["fit", f"--config={name}", *protocol, f"--config={file}", *limits])


def run_teacher(name: str, size: int, tmp_path: Path, trained: Trained) -> RunResult:
    """A teacher's config; with one image per class, it is trained on what should be held out."""
    if (name, size) not in trained:
        data = {"passes": 1, "image_size": size, "train": {"init_args": {"held_out": 0}}}
        trained[name, size] = run_small(name, {"data": {"init_args": data}}, tmp_path)
    return trained[name, size]


def small_size(config: dict[str, Any]) -> int:
    """Pixels a side; the 3x3 stem costs most, and then many classes."""
    if "resnet18_modified" in str(config["model"]):
        return 8
    return 16 if config["data"]["init_args"]["num_classes"] > 100 else 32


def small_teacher(
    config: dict[str, Any], size: int, tmp_path: Path, trained: Trained, imagenet_weights: Path
) -> dict[str, Any]:
    """The config's own kind of teacher: by its own config where it has one, else with random weights."""
    teacher: dict[str, Any] = config["model"]["init_args"]["teacher"]
    if teacher["class_path"] == "ClipTeacher":
        return {}
    if teacher["class_path"] == "TorchvisionTeacher":
        return {"init_args": {"weights_file": str(imagenet_weights), "input_size": 32}}
    name = f"teachers/{Path(teacher['init_args']['path']).name}.yaml"
    result = run_teacher(name, size, tmp_path, trained)
    return {"init_args": {"path": str(result.directory)}}


@pytest.mark.parametrize("name", NAMES)
def test_config_runs_on_small_data(
    name: str, tmp_path: Path, tiny_clip_dir: Path, trained: Trained, imagenet_weights: Path
) -> None:
    config = compose(packaged_configs() / name)
    data, num_classes = config["data"]["init_args"], config["data"]["init_args"]["num_classes"]
    if name == "quickstart.yaml":
        result = run_small(name, QUICKSTART, tmp_path)
        assert result.evaluated["test"] == 896
        return
    size = small_size(config)
    if name.startswith("teachers/"):
        write_dataset(tmp_path / "data", find_dataset(data["test"]["init_args"]["dataset"]))
        result = run_teacher(name, size, tmp_path, trained)
        assert (Path(str(result.directory)) / "last.ckpt").is_file()
    else:
        small = {"passes": 1, **small_data(name, data, tmp_path, tiny_clip_dir), "image_size": size}
        overlay: dict[str, Any] = {"data": {"init_args": small}}
        if teacher := small_teacher(config, size, tmp_path, trained, imagenet_weights):
            overlay["model"] = {"init_args": {"teacher": teacher}}
        assert data["sampler"] == DEFAULT_SAMPLER
        if num_classes > 10:
            small["sampler"] = "two_stage"  # which does not learn from the pool first
        result = run_small(name, overlay, tmp_path)
        assert result.sampler == small.get("sampler", DEFAULT_SAMPLER)
        assert result.ipc == 1
    assert result.evaluated["test"] == num_classes
    assert 0 <= result.metrics["test_top1"] <= 1


def small_data(name: str, data: dict[str, Any], root: Path, clip: Path) -> dict[str, Any]:
    """Write what a config looks for, and choose one image per class by a tiny CLIP."""
    prior: dict[str, Any] = {"model": str(clip), "pretrained": None}
    if data["num_classes"] > 10:
        prior["prompts"] = "simple"  # 80 prompts per class take seconds, and those of ten classes are encoded
    if name == "custom.yaml":
        write_custom(root)
    else:
        spec = find_dataset(data["pool"]["init_args"]["classes"])
        write_dataset(root / "data", spec)
        write_images(Path(data["pool"]["init_args"]["path"]), spec.wnids or spec.names, 2)
    return {"ipc": 1, "prior": prior}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocol_runs_over_a_data_sets_config(
    protocol: str, tmp_path: Path, tiny_clip_dir: Path, trained: Trained, imagenet_weights: Path
) -> None:
    name = f"{PROTOCOLS[protocol]}.yaml"
    config = compose(packaged_configs() / name)
    recipe = compose(packaged_configs() / "protocols" / f"{protocol}.yaml")
    data = config["data"]["init_args"]
    size = small_size(config)
    small = {"passes": 2, "image_size": size, **small_data(name, data, tmp_path, tiny_clip_dir)}
    overlay: dict[str, Any] = {"data": {"init_args": small}}
    if recipe["model"]["class_path"] == "DistillationModule":
        teacher = small_teacher(config, size, tmp_path, trained, imagenet_weights)
        if protocol == "edc":  # its four take a gigabyte; two of a kind are an ensemble too
            member = {"class_path": "TorchvisionTeacher", **teacher}
            teacher = {"init_args": {"teachers": [member, member]}}
        overlay["model"] = {"init_args": {"teacher": teacher}}
    over = f"--config=protocols/{protocol}.yaml"
    result = run_small(name, overlay, tmp_path, protocol=(over,))
    assert result.protocol == protocol
    assert result.evaluated["test"] == data["num_classes"]
    assert (result.quirks, (result.best or {}).get("evaluations")) == {
        "rded": (["half_cosine", "statistics_twice", "best_of_1"], 1),
        "edc": (["half_cosine"], None),
        "minimax": (["best_of_2"], 2),
        "sre2l_cifar": (["teacher_batch_statistics"], None),
    }.get(protocol, ([], None))
    assert (result.teacher is None) == (recipe["model"]["class_path"] == "ClassifierModule")
    changed = {change["option"] for change in result.protocol_changes}
    assert changed == {"data.passes", *(["model.teacher.teachers"] if protocol == "edc" else [])}
    saved = yaml.safe_load((Path(str(result.directory)) / "config.yaml").read_text())
    assert (saved["protocol"]["name"], saved["protocol"]["resolved_for"]["ipc"]) == (protocol, 1)
    asked = [str(name)[10:-5] for name in ALL if name.startswith("protocols/")]
    assert set(asked) == set(PROTOCOLS)


def test_hard_labels_keep_the_quickstarts_student(tmp_path: Path) -> None:
    result = run_small("quickstart.yaml", QUICKSTART, tmp_path, protocol=("--config=protocols/hard.yaml",))
    assert (result.labels or {})["kind"] == "hard"
    assert (result.student, result.teacher, result.protocol) == ("ConvNet", None, "hard")
    assert result.evaluated["test"] == 896
    saved = yaml.safe_load((Path(str(result.directory)) / "config.yaml").read_text())
    network = saved["model"]["init_args"]["network"]["init_args"]
    assert (network["depth"], network["width"]) == (3, 64)
    assert saved["data"]["init_args"]["augmentation"]["horizontal_flip"] == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("quickstart.yaml", "custom.yaml")])
def test_config_says_what_the_spec_says(name: str) -> None:
    data = compose(packaged_configs() / name)["data"]["init_args"]
    splits = [data[split]["init_args"] for split in ("train", "validation", "test") if split in data]
    (dataset,) = {split["dataset"] for split in splits}
    spec = DATASETS[dataset]
    assert (data["num_classes"], data["image_size"]) == (spec.num_classes, spec.image_size)
    assert [split["split"] for split in splits] == ["train"] * (len(splits) - 1) + ["test"]
    if "pool" in data:
        assert DATASETS[data["pool"]["init_args"]["classes"]] is spec

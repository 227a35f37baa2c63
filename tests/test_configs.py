"""Every packaged config runs from end to end on small data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from semdd_lightning.cli.configs import packaged_configs
from semdd_lightning.cli.experiment import run_experiment
from semdd_lightning.cli.run_record import RunResult
from semdd_lightning.models import build_network

ALL = [p.relative_to(packaged_configs()).as_posix() for p in sorted(packaged_configs().rglob("*.yaml"))]
NAMES = [name for name in ALL if not name.startswith("protocols/")]
PROTOCOLS = {  # protocol -> the data set that it is tried on
    "rded": "cifar10",
    "sre2l": "imagewoof",
    "sre2l_cifar": "cifar10",  # fewer classes than it is made for are faster
    "sre2l_tiny": "cifar10",
    "edc": "imagenette",
    "minimax": "imagewoof",
    "dcbench": "cifar10",
}


def class_folders(config: dict[str, Any]) -> list[str]:
    """Folder names that a config's own class list or number of classes asks for."""
    data = config["data"]["init_args"]
    listed = data.get("pool", {}).get("init_args", {}).get("class_names")
    if listed:
        return list(listed)
    if data["num_classes"] in (10, 100):
        return [f"class_{i:03d}" for i in range(data["num_classes"])]
    from timm.data.imagenet_info import ImageNetInfo

    return sorted(ImageNetInfo().label_names())[: data["num_classes"]]  # type: ignore[no-untyped-call]


def write_images(root: Path, folders: list[str], count: int) -> Path:
    generator = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(count):
            pixels = generator.integers(0, 256, (20, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{i}.png")
    return root


def real_images(path: Path) -> dict[str, Any]:
    return {"class_path": "FolderImages", "init_args": {"path": str(path), "held_out": 0}}


def run_small(
    name: str, overlay: dict[str, Any], tmp_path: Path, *words: str, protocol: tuple[str, ...] = ()
) -> RunResult:
    """A config with what would need data, weights or patience replaced; everything else is its own."""
    file = tmp_path / f"{Path(name).stem}-small.yaml"
    file.write_text(yaml.safe_dump(overlay))
    limits = ["--data.passes_per_epoch=1", "--trainer.devices=1", "--trainer.check_val_every_n_epoch=1"]
    return run_experiment(["fit", f"--config={name}", *protocol, f"--config={file}", *limits, *words])


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_config_runs_on_small_data(name: str, tmp_path: Path, tiny_clip_dir: Path) -> None:
    config = yaml.safe_load((packaged_configs() / name).read_text())
    folders = class_folders(config)
    pool = write_images(tmp_path / "pool", folders, 2)
    real = write_images(tmp_path / "real", folders, 1)
    if name == "quickstart.yaml":
        result = run_small(name, {"data": {"init_args": {"passes": 2}}}, tmp_path)
        assert result.evaluated["test"] == 896
        return
    size = 16 if "resnet18_modified" in str(config["model"]) else 32  # pixels; the 3x3 stem costs most
    split = {"test": real_images(real), "validation": real_images(real)}
    if name.startswith("teachers/"):
        data = {"passes": 1, "image_size": size, "train": real_images(real), **split}
        result = run_small(name, {"data": {"init_args": data}}, tmp_path)
        assert (Path(str(result.directory)) / "last.ckpt").is_file()
    else:
        data = {"passes": 1, "image_size": size, **small_pool(pool, tiny_clip_dir, len(folders)), **split}
        teacher = small_teacher(config, real, size, tmp_path)
        overlay = {"data": {"init_args": data}, "model": {"init_args": {"teacher": teacher}}}
        result = run_small(name, overlay, tmp_path)
        assert result.sampler == "two_stage"
        assert result.ipc == 1
    assert result.evaluated["test"] == len(folders)
    assert 0 <= result.metrics["test_top1"] <= 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocol_runs_over_a_data_sets_config(protocol: str, tmp_path: Path, tiny_clip_dir: Path) -> None:
    name = f"{PROTOCOLS[protocol]}.yaml"
    config = yaml.safe_load((packaged_configs() / name).read_text())
    recipe = yaml.safe_load((packaged_configs() / "protocols" / f"{protocol}.yaml").read_text())
    folders = class_folders(config)
    pool = write_images(tmp_path / "pool", folders, 2)
    real = write_images(tmp_path / "real", folders, 1)
    size = 16 if "resnet18_modified" in str(config["model"]) else 32
    data = {"passes": 2, "image_size": size, **small_pool(pool, tiny_clip_dir, len(folders))}
    data |= {"test": real_images(real), "validation": real_images(real)}
    overlay: dict[str, Any] = {"data": {"init_args": data}}
    if recipe["model"]["class_path"] == "DistillationModule":
        teacher = small_teacher(config, real, size, tmp_path)
        if protocol == "edc":  # its four take a gigabyte; two of a kind are an ensemble too
            member = {"class_path": "TorchvisionTeacher", **teacher}
            teacher = {"init_args": {"teachers": [member, member]}}
        overlay["model"] = {"init_args": {"teacher": teacher}}
    over = f"--config=protocols/{protocol}.yaml"
    result = run_small(name, overlay, tmp_path, protocol=(over,))
    assert result.protocol == protocol
    assert result.evaluated["test"] == len(folders)
    assert (result.quirks, (result.best or {}).get("evaluations")) == {
        "rded": (["statistics_twice", "best_of_1"], 1),
        "minimax": (["best_of_2"], 2),
    }.get(protocol, ([], None))
    assert (result.teacher is None) == (recipe["model"]["class_path"] == "ClassifierModule")
    saved = yaml.safe_load((Path(str(result.directory)) / "config.yaml").read_text())
    assert saved["protocol"] == {**saved["protocol"], "name": protocol, "needs": [], "rules": []}
    asked = [str(name)[10:-5] for name in ALL if name.startswith("protocols/")]
    assert set(asked) == set(PROTOCOLS)


def small_pool(pool: Path, clip: Path, num_classes: int) -> dict[str, Any]:
    """One image a class out of a small pool, chosen by a tiny CLIP."""
    prior: dict[str, Any] = {"model": str(clip), "pretrained": None}
    if num_classes > 100:
        prior["prompts"] = "simple"  # 80 prompts a class take a minute
    return {"ipc": 1, "prior": prior, "pool": {"init_args": {"path": str(pool)}}}


def small_teacher(config: dict[str, Any], real: Path, size: int, tmp_path: Path) -> dict[str, Any]:
    """The config's own kind of teacher: by its own config where it has one, else with random weights."""
    teacher: dict[str, Any] = config["model"]["init_args"]["teacher"]
    if teacher["class_path"] == "TorchvisionTeacher":
        torch.manual_seed(0)
        file = tmp_path / "resnet18.pt"
        torch.save(build_network("torchvision/resnet18", 1000, 224).state_dict(), file)
        return {"init_args": {"weights_file": str(file), "input_size": 64}}
    name = f"teachers/{Path(teacher['init_args']['path']).name}.yaml"
    splits = {split: real_images(real) for split in ("train", "validation", "test")}
    data = {"passes": 1, "image_size": size, **splits}
    result = run_small(name, {"data": {"init_args": data}}, tmp_path, "--run.directory=teacher")
    return {"init_args": {"path": str(result.directory)}}

"""The numbers of the protocols are those of the reference implementations, transcribed from public code."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import torch

from scripts.write_protocols_page import experiment
from semdd_lightning.data import Augmentation
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import compose, overlay, packaged_configs, read_config
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.config.protocols import read_protocol
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, IMAGENET_MEAN, IMAGENET_STD
from semdd_lightning.training.progress import evaluated_after

NAMES = sorted(path.stem for path in (packaged_configs() / "protocols").glob("*.yaml"))
SETS = ("cifar10", "cifar100", "tinyimagenet", "imagenette", "imagewoof", "imagenet1k")
CLASSES = {"cifar10": 10, "cifar100": 100, "tinyimagenet": 200, "imagewoof": 10, "imagenet1k": 1000}


def options(protocol: str, data: str = "imagewoof", **given: object) -> dict[str, Any]:
    """Flat options of an experiment, without what the parser would add; given ones with `__` for a dot."""
    return experiment(protocol, data, {name.replace("__", "."): value for name, value in given.items()})


def augmentation(found: dict[str, Any]) -> Augmentation:
    prefix = "data.augmentation."
    values = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    typed: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    return Augmentation(**typed)


# ------------------------------------------------------------------ all


LEFT = "left of another config"
NOT_OF_A_RECIPE = {"student", "network", "teacher", "num_classes", "image_size", "optimizer", "schedule"}
NOT_NUMBERS = {
    "params",
    "passes",
    "foreach",
    "capturable",
    "differentiable",
    "fused",
}  # given, or speed alone


def every_option_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """A config with the classes of a recipe, in which each option of them is another config's."""

    def spelled(class_path: str, without: set[str]) -> dict[str, Any]:
        made = locate(class_path)
        names = [name for name in signature(made).parameters if name not in without]  # type: ignore[arg-type]
        return {"class_path": class_path, "init_args": dict.fromkeys(names, LEFT)}

    class_path = f"semdd_lightning.training.{recipe['model.class_path']}"
    model = spelled(class_path, NOT_OF_A_RECIPE)
    for part in ("optimizer", "schedule"):
        model["init_args"][part] = spelled(recipe[f"model.{part}.class_path"], NOT_NUMBERS | {"optimizer"})
    data = dict.fromkeys(
        ("batch_size", "passes", "passes_per_epoch", "mixing_group", "distinct_passes"), LEFT
    )
    data["evaluation_view"] = LEFT
    augmentation = dict.fromkeys(Augmentation.__dataclass_fields__, LEFT)
    trainer = dict.fromkeys(("callbacks", "accumulate_grad_batches", "gradient_clip_val"), LEFT)
    return {"data": {"init_args": {**data, "augmentation": augmentation}}, "model": model, "trainer": trainer}


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_leaves_nothing_of_another_configs_recipe(name: str) -> None:
    """Nothing is left to the data set's config, whichever that is, or to a default."""
    over = compose(packaged_configs() / "protocols" / f"{name}.yaml")
    found = flatten(overlay(every_option_of(options(name)), over))
    left = ["data.augmentation.horizontal_flip"] if name == "hard" else []  # which is the data set's own
    ruled = read_protocol(over, Path(name)).needs
    assert [option for option, value in found.items() if value == LEFT and option not in ruled] == left


@pytest.mark.parametrize("name", NAMES)
def test_what_a_rule_gives_has_a_value_without_it_or_is_needed(name: str) -> None:
    """Else a config that was saved for one ipc would have no value for another."""
    path = packaged_configs() / "protocols" / f"{name}.yaml"
    protocol = read_protocol(read_config(path), path)
    given = {option for rule in protocol.rules for option in rule.give}
    assert given <= {*protocol.recipe, *protocol.needs}
    assert not set(protocol.needs) & protocol.recipe.keys()
    assert set(protocol.needs) <= {"data.batch_size", "data.passes"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ipc", [1, 10, 50])
def test_epochs_are_whole(name: str, ipc: int) -> None:
    for data in SETS:
        found = options(name, data, data__ipc=ipc)
        assert found["data.passes"] % found["data.passes_per_epoch"] == 0


# ------------------------------------------------------------------ RDED (argument.py, validation/main.py)


def _rded_batch_size(ipc: int, classes: int, tiny: bool) -> int:
    size = {50: 100, 10: 50, 1: 10}[ipc]
    size *= 2 if classes in (100, 1000) else 1
    size = 100 if tiny else size
    return min(size, ipc * classes)


@pytest.mark.parametrize("data", CLASSES)
@pytest.mark.parametrize("ipc", [1, 10, 50])
def test_rdeds_batch_size(data: str, ipc: int) -> None:
    found = options("rded", data, data__ipc=ipc)["data.batch_size"]
    expected = _rded_batch_size(ipc, CLASSES[data], data == "tinyimagenet")
    assert min(found, ipc * CLASSES[data]) == expected  # a larger batch is clamped to the images


@pytest.mark.parametrize("ipc", [2, 20, 100])
def test_rded_has_no_batch_size_for_other_ipcs(ipc: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"Expected a value of data\.batch_size .* for ipc {ipc}, num_classes"
    ):
        options("rded", data__ipc=ipc)
    assert options("rded", data__ipc=ipc, data__batch_size=7)["data.batch_size"] == 7
    assert options("rded", "tinyimagenet", data__ipc=ipc)["data.batch_size"] == 100


RDED_RATES = {
    **dict.fromkeys(("conv3", "conv4", "conv5", "conv6", "resnet18", "resnet18_modified"), 0.001),
    **dict.fromkeys(("resnet50", "resnet101", "resnet101_modified"), 0.001),
    **{"vgg11": 0.0005, "efficientnet_b0": 0.002, "mobilenet_v2": 0.0025, "alexnet": 0.0001},
    **{"vit_b_16": 0.0001, "swin_v2_t": 0.0001, "torchvision/vit_b_16": 0.0001},
}


@pytest.mark.parametrize(("student", "rate"), RDED_RATES.items())
def test_rdeds_learning_rate_follows_the_student(student: str, rate: float) -> None:
    found = options("rded", model__student=student)
    assert found["model.optimizer.lr"] == rate
    assert found["model.optimizer.class_path"] == "torch.optim.AdamW"
    assert (found["model.optimizer.betas"], found["model.optimizer.weight_decay"]) == ([0.9, 0.999], 0.01)
    assert found["model.weight_decay_on"] == "weights"


def test_rdeds_one_exception_is_conv3_taught_by_conv3_on_cifar100() -> None:
    teacher = {"model__teacher__path": "runs/teachers/cifar100_conv3"}
    for ipc in (1, 10, 50):
        found = options("rded", "cifar100", data__ipc=ipc, model__student="conv3", **teacher)
        assert (found["data.batch_size"], found["model.optimizer.lr"]) == (25, 0.002)
    for other in (
        options("rded", "cifar100", model__student="resnet18_modified", **teacher),
        options("rded", "cifar100", model__student="conv3"),
        options("rded", "cifar10", model__student="conv3", **teacher),
    ):
        assert other["model.optimizer.lr"] == 0.001
        assert other["data.batch_size"] in (50, 100)


def test_rdeds_rules_see_networks_and_not_their_spelling(tmp_path: Path) -> None:
    spelled = {"model__student": "semdd_lightning.models.TorchvisionNetwork", "model__student__name": "vgg11"}
    assert options("rded", **spelled)["model.optimizer.lr"] == 0.0005
    conv3 = {"model__student": "semdd_lightning.models.ConvNet", "model__student__depth": 3}
    for network, rate in (("conv3", 0.002), ("resnet18_modified", 0.001)):
        run = tmp_path / f"taught_by_{network}_not_conv3"
        run.mkdir()
        classes = {"num_classes": 1, "class_names": ["cat"], "class_wnids": None}
        card = {"network": network, "image_size": 8, "mean": (0.5,) * 3, "std": (0.5,) * 3, **classes}
        torch.save({"state_dict": {}, "semdd": card}, run / "last.ckpt")
        for place in ("model__teacher__path", "model__teacher__teacher__path"):
            found = options("rded", "cifar100", **conv3, **{place: run})
            assert found["model.optimizer.lr"] == rate


@pytest.mark.parametrize(("mix", "temperature", "alpha"), [("cutmix", 20, 1.0), ("mixup", 4, 0.8)])
def test_rdeds_temperature_follows_the_mixing(mix: str, temperature: float, alpha: float) -> None:
    found = options("rded", data__augmentation__mix=mix)
    assert found["model.temperature"] == temperature
    assert augmentation(found).mix_alpha == alpha
    assert (found["model.temperature_squared"], found["model.loss"], found["model.ema_decay"]) == (
        False,
        "kl",
        None,
    )


@pytest.mark.parametrize(
    ("size", "expected"), [(32, (1, (1, 1))), (64, (1, (1, 1))), (128, (2, (0.5, 1))), (224, (2, (0.5, 1)))]
)
def test_rdeds_augmentation_follows_the_size(size: int, expected: tuple[int, tuple[float, float]]) -> None:
    policy = augmentation(options("rded", data__image_size=size))
    factor, scale = expected
    assert policy == Augmentation(crop_scale=scale, shuffle_patches=factor)


def test_rdeds_evaluations_are_six() -> None:
    (callback,) = options("rded")["trainer.callbacks"]
    arguments = callback["init_args"]
    theirs = [e for e in range(300) if (e % 10 == 9 or e == 299) and e > 300 * 0.8]
    ours = [p - 1 for p in range(1, 301) if evaluated_after(p, 300, arguments["every"], arguments["after"])]
    assert ours == theirs == [249, 259, 269, 279, 289, 299]


# ------------------------------------------------------------------ SRe2L (validate/, tiny-imagenet, CIFAR)


def test_sre2ls_imagenet_recipe() -> None:
    found = options("sre2l", "imagenet1k")
    parts = found["trainer.accumulate_grad_batches"]
    assert (found["data.batch_size"] * parts, parts, found["data.mixing_group"]) == (1024, 2, 1024)
    assert found["data.passes_per_epoch"] == 1, "a pass must end with a step of what is left"
    assert (found["data.passes"], found["model.temperature"], found["model.temperature_squared"]) == (
        300,
        20,
        False,
    )
    assert augmentation(found) == Augmentation(crop_scale=(0.08, 1))
    assert (found["model.optimizer.lr"], found["model.optimizer.weight_decay"]) == (0.001, 0.01)
    assert (found["model.schedule.stretch"], found["model.weight_decay_on"]) == (1, "weights")
    assert found["data.evaluation_view"] == "cropped"
    assert not found["model.statistics_twice"]
    assert augmentation(options("sre2l", data__augmentation__mix="mixup")).mix_alpha == 0.8


def test_sre2ls_tiny_imagenet_recipe() -> None:
    found = options("sre2l_tiny", "tinyimagenet")
    keys = ("optimizer.class_path", "optimizer.lr", "optimizer.momentum", "optimizer.weight_decay")
    assert [found[f"model.{key}"] for key in keys] == ["torch.optim.SGD", 0.2, 0.9, 1e-4]
    assert (found["data.batch_size"], found["data.passes"]) == (256, 100)
    assert augmentation(found) == Augmentation(crop_scale=(0.08, 1), mix="none")
    assert (found["model.temperature"], found["model.temperature_squared"]) == (20, True)
    assert [found[f"model.schedule.{key}"] for key in ("stretch", "warmup", "warmup_start")] == [1, 5, 0.01]
    assert (found["model.weight_decay_on"], found["data.evaluation_view"]) == ("all", "whole")
    assert found["model.mean"] == [0.4802, 0.4481, 0.3975]
    assert found["model.std"] == [0.2302, 0.2265, 0.2262]


def test_sre2ls_cifar_recipe() -> None:
    found = options("sre2l_cifar", "cifar100")
    assert (found["data.batch_size"], found["data.passes"], found["model.temperature"]) == (128, 400, 30)
    assert augmentation(found) == Augmentation(pad_crop=4, mix="mixup", mix_alpha=0.8)
    assert (found["model.optimizer.class_path"], found["model.optimizer.lr"]) == ("torch.optim.AdamW", 0.001)
    assert (found["model.optimizer.weight_decay"], found["model.weight_decay_on"]) == (0.01, "all")
    assert (found["model.schedule.stretch"], found["model.schedule.warmup"]) == (1, 0)
    assert (tuple(found["model.mean"]), tuple(found["model.std"])) == (CIFAR_MEAN, CIFAR_STD)
    assert found["trainer.callbacks"] is None, "it reports the last epoch"


# ------------------------------------------------------------------ LPLD (relabel_and_validate)


def test_lplds_recipes_are_sre2ls_with_smaller_batches() -> None:
    """For Tiny-ImageNet, it also spares norms and biases the weight decay."""
    whole = {"data.mixing_group": None, "trainer.accumulate_grad_batches": 1, "data.passes_per_epoch": 10}
    differences: dict[str, dict[str, object]] = {
        "imagenet1k": {"data.batch_size": 128, **whole},
        "tinyimagenet": {"data.batch_size": 64, "model.weight_decay_on": "weights"},
    }
    for data, changes in differences.items():
        tiny = "_tiny" if data == "tinyimagenet" else ""
        theirs, found = options(f"sre2l{tiny}", data), options(f"lpld{tiny}", data)
        own = {name: value for name, value in found.items() if not name.startswith("protocol.")}
        expected = {
            name: value for name, value in theirs.items() if not name.startswith("protocol.")
        } | changes
        assert own == expected


# ------------------------------------------------------------------ EDC (Branch_full_ImageNet_1k)


def test_edcs_recipe() -> None:
    found = options("edc", "imagenet1k")
    teachers = found["model.teacher.teachers"]
    names = [teacher["init_args"]["name"] for teacher in teachers]
    assert names == ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "alexnet"]
    assert (found["model.loss"], found["model.label_weight"], found["model.ema_decay"]) == (
        "mse",
        0.025,
        0.99,
    )
    assert (found["data.batch_size"], found["data.passes"], found["model.schedule.stretch"]) == (100, 300, 2)
    assert (found["model.optimizer.lr"], found["model.optimizer.weight_decay"]) == (0.001, 0.01)
    assert augmentation(found) == Augmentation(crop_scale=(0.5, 1), shuffle_patches=2)
    assert options("edc", "cifar10")["data.passes"] == 1000
    assert options("edc", "tinyimagenet")["data.passes"] == 300


# ------------------------------------------------------------------ Minimax (argument.py, train.py, data.py)


def _minimax_epochs(ipc: int, classes: int) -> int:
    if ipc == 1:
        epochs = 3000
    elif ipc <= 10:
        epochs = 2000
    elif ipc <= 50:
        epochs = 1500
    elif ipc <= 200:
        epochs = 1000
    else:
        epochs = 500 if ipc <= 500 else 300
    if classes == 100:
        epochs = int((2 / 3) * epochs)
        epochs -= epochs % 100
    return epochs


@pytest.mark.parametrize("classes", [10, 100, 1000])
@pytest.mark.parametrize("ipc", [1, 2, 9, 10, 11, 50, 51, 100, 200, 201, 500, 501, 1300])
def test_minimaxs_passes(ipc: int, classes: int) -> None:
    found = options("minimax", data__ipc=ipc, data__num_classes=classes)
    assert found["data.passes"] == _minimax_epochs(ipc, classes)
    many = classes > 100
    assert found["data.batch_size"] == (128 if many else 64)
    assert found["model.optimizer.lr"] == (0.1 if many else 0.01)
    assert found["model.optimizer.weight_decay"] == (1e-4 if many else 5e-4)


def test_minimaxs_recipe() -> None:
    found = options("minimax")
    assert (found["model.class_path"], found["model.network"]) == ("ClassifierModule", "resnetap10")
    assert not [name for name in found if name.startswith(("model.teacher", "model.student"))]
    assert augmentation(found) == Augmentation(
        crop_scale=(0.5, 1), color_jitter=(0.4, 0.4, 0.4), lighting=0.1, mix="cutmix", mix_alpha=1
    )
    assert (found["model.optimizer.class_path"], found["model.optimizer.momentum"]) == (
        "torch.optim.SGD",
        0.9,
    )
    assert (found["model.schedule.milestones"], found["model.schedule.gamma"]) == ([[2, 3], [5, 6]], 0.2)
    assert (found["model.weight_decay_on"], found["data.evaluation_view"]) == ("all", "whole")
    assert (tuple(found["model.mean"]), tuple(found["model.std"])) == (IMAGENET_MEAN, IMAGENET_STD)
    (callback,) = found["trainer.callbacks"]
    for passes in (3000, 2000, 1300, 300, 200):
        tested = [p for p in range(1, passes + 1) if evaluated_after(p, passes, **callback["init_args"])]
        assert tested == [epoch for epoch in range(1, passes + 1) if epoch % (passes // 100) == 0]
        assert len(tested) == 100


# ------------------------------------------------------------------ DC-bench (evaluator.py)


def test_dc_benchs_recipe() -> None:
    found = options("dcbench", "cifar10")
    assert found["model.network"] == "conv3_instance"
    keys: tuple[str, ...] = ("optimizer.class_path", "optimizer.lr", "optimizer.momentum")
    assert [found[f"model.{key}"] for key in keys] == ["torch.optim.SGD", 0.01, 0.9]
    assert found["model.optimizer.weight_decay"] == 5e-4
    assert (found["data.batch_size"], found["data.passes"]) == (256, len(range(300 + 1)))
    assert augmentation(found) == Augmentation(horizontal_flip=0, mix="none")
    keys = ("milestones", "gamma", "offset", "fresh")
    assert [found[f"model.schedule.{key}"] for key in keys] == [[[1, 2]], 0.1, 3, True]
    assert (tuple(found["model.mean"]), tuple(found["model.std"])) == (CIFAR_MEAN, CIFAR_STD)
    hundred, tiny = options("dcbench", "cifar100"), options("dcbench", "tinyimagenet")
    assert (hundred["model.mean"], hundred["model.std"]) == (
        [0.5071, 0.4866, 0.4409],
        [0.2673, 0.2564, 0.2762],
    )
    assert (tuple(tiny["model.mean"]), tuple(tiny["model.std"])) == (IMAGENET_MEAN, IMAGENET_STD)


# ------------------------------------------------------------------ hard labels, to measure selections


@pytest.mark.parametrize("data", CLASSES)
def test_hard_is_minimaxs_recipe_on_the_data_sets_student(data: str) -> None:
    found, other = options("hard", data, data__ipc=10), options("minimax", data, data__ipc=10)
    own = {"data.passes", "model.network"}
    differing = {name for name in found | other if found.get(name) != other.get(name)}
    assert {name for name in differing if not name.startswith(("protocol.", "trainer.callbacks"))} == own
    assert found["data.passes"] == 100

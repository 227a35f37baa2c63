"""How a protocol's rules become options: before anything is parsed, and visible in the saved config."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from semdd_lightning.cli.configs import packaged_configs, read_config, resolve_configs
from semdd_lightning.cli.main import main
from semdd_lightning.cli.options import flatten, options_of
from semdd_lightning.cli.protocol_facts import find_facts, matches
from semdd_lightning.cli.protocols import read_protocol, resolve_protocol
from semdd_lightning.errors import ConfigError
from semdd_lightning.training.soft_labels import LabelFormat, StoreHeader

DATA = """
data:
  class_path: PoolDataModule
  init_args: {ipc: 10, num_classes: 10, image_size: 32, passes: 7, batch_size: 3}
model:
  class_path: DistillationModule
  init_args: {student: torchvision/resnet18, teacher: {class_path: X, init_args: {path: runs/cifar10_conv3}}}
"""
PROTOCOL = """
protocol:
  name: mine
  source: somebody/somewhere
  needs: [data.passes]
  rules:
    - {when: {ipc: 10}, give: {data.passes: 100}}
    - {when: {ipc: 11-}, give: {data.passes: 200}}
    - {when: {student: resnet*}, give: {model.optimizer.lr: 0.5, data.augmentation.crop_scale: [0.5, 1.0]}}
data:
  init_args: {batch_size: 50}
"""


@pytest.fixture
def configs(workplace: Path) -> list[str]:
    (workplace / "data.yaml").write_text(DATA)
    (workplace / "protocol.yaml").write_text(PROTOCOL)
    return ["fit", "--config", "data.yaml", "--config=protocol.yaml"]


def test_rules_become_words_right_behind_their_config(configs: list[str]) -> None:
    resolved = resolve_protocol([*configs, "--run.name", "x"])
    place = len(configs)
    assert (resolved[:place], resolved[-2:]) == (configs, ["--run.name", "x"])
    assert resolved[place : place + 3] == [
        "--data.passes=100",
        "--model.optimizer.lr=0.5",
        "--data.augmentation.crop_scale=[0.5, 1.0]",
    ]
    section = dict(word.removeprefix("--protocol.").split("=", 1) for word in resolved[place + 3 : -2])
    assert (section["name"], section["needs"]) == ("mine", '["data.passes"]')
    assert json.loads(section["recipe"]) == {"data.batch_size": 50}
    facts = {
        "ipc": 10,
        "num_classes": 10,
        "image_size": 32,
        "student": "resnet18",
        "teacher": "cifar10_conv3",
    }
    assert json.loads(section["resolved_for"]) == facts
    assert resolve_protocol(configs[:3]) == configs[:3]


@pytest.mark.parametrize("ipc", [["--data.ipc=50"], ["--data.ipc", "50"], ["--data.init_args.ipc=50"]])
def test_the_ipc_of_the_words_counts(configs: list[str], ipc: list[str]) -> None:
    assert "--data.passes=200" in resolve_protocol([*configs, *ipc])


def test_options_and_later_configs_win_over_rules_and_rules_over_the_data_sets_config(
    configs: list[str], workplace: Path
) -> None:
    assert options_of(resolve_protocol(configs))["data.passes"] == 100
    assert options_of(resolve_protocol([*configs, "--data.passes", "5"]))["data.passes"] == 5
    (workplace / "later.yaml").write_text("data: {init_args: {passes: 6, ipc: 50}}")
    later = options_of(resolve_protocol([*configs, "--config=later.yaml"]))
    assert (later["data.passes"], later["data.batch_size"]) == (6, 50)


def test_facts_are_those_that_the_parser_sees(configs: list[str], workplace: Path) -> None:
    (workplace / "later.yaml").write_text("data: {init_args: {ipc: 10}}")
    before = resolve_protocol([*configs, "--data.ipc=50", "--config=later.yaml"])
    assert "--data.passes=100" in before, "a later config goes over an option"
    assert "--data.passes=200" in resolve_protocol([*configs, "--config=later.yaml", "--data.ipc=50"])
    early = resolve_protocol(["fit", "--data.ipc=50", *configs[1:]])
    assert "--data.passes=100" in early, "the data set's config goes over an option before it"
    other = resolve_protocol([*configs, "--model.student", "vgg11", "--data.ipc=50", "--data.ipc", "11"])
    assert "--data.passes=200" in other
    assert "--model.optimizer.lr=0.5" not in other


def test_what_is_needed_is_given_behind_the_protocol(configs: list[str]) -> None:
    early = ["fit", "--data.passes=9", *configs[1:], "--data.ipc=5"]
    with pytest.raises(ConfigError, match=r"give --data\.passes behind its --config"):
        resolve_protocol(early)  # the data set's config goes over it


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--data.ipc=fifty"], "data.ipc .* found 'fifty'"),
        (["--data.ipc", "0"], "data.ipc .* found 0"),
        (["--data.ipc=true"], "data.ipc .* found True"),
        (["--data.ipc=2.5"], "data.ipc .* found 2.5"),
        (["--data.ipc="], "data.ipc .* found None"),
        (["--data.num_classes=-3"], "data.num_classes .* found -3"),
    ],
)
def test_what_is_no_number_of_images_is_refused_by_name(
    configs: list[str], words: list[str], found: str
) -> None:
    with pytest.raises(ConfigError, match=found):
        resolve_protocol([*configs, *words])


def test_what_the_protocol_needs_has_no_default(configs: list[str], workplace: Path) -> None:
    message = (
        r"Expected a value of data\.passes from the protocol mine, found none for ipc 5, num_classes 10, "
        r"image_size 32, student resnet18, teacher cifar10_conv3: .*somebody/somewhere.* give --data\.passes"
    )
    with pytest.raises(ConfigError, match=message):
        resolve_protocol([*configs, "--data.ipc=5"])
    assert resolve_protocol([*configs, "--data.ipc=5", "--data.init_args.passes=9"])
    (workplace / "later.yaml").write_text("data: {init_args: {passes: 6}}")
    assert resolve_protocol([*configs, "--data.ipc=5", "--config=later.yaml"])


def test_a_data_set_behind_its_protocol_is_refused(configs: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"before the protocol mine, found data\.yaml behind it"):
        resolve_protocol(["fit", configs[3], *configs[1:3]])


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{name: x, rules: [{when: {}}]}", "found: .*give"),
        ("{name: x, rules: [3]}", "found: "),
        ("{rules: [{when: {}, give: {}}]}", "found: .*name"),
        ("{name: x, nonsense: 1, rules: [{when: {}, give: {}}]}", "found: .*nonsense"),
        ("{name: x, rules: [{when: {colour: red}, give: {}}]}", "rules about ipc, .*found colour"),
        ("{name: x, rules: [{when: {ipc: few}, give: {}}]}", "a number or a range .*found 'few'"),
    ],
)
def test_malformed_protocols(configs: list[str], workplace: Path, section: str, said: str) -> None:
    (workplace / "protocol.yaml").write_text(f"protocol: {section}")
    with pytest.raises(ConfigError, match=said):
        resolve_protocol(configs)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (10, 10, True),
        (10, [1, 10], True),
        (10, "-9", False),
        (9, "-9", True),
        (1, "2-10", False),
        (501, "501-", True),
        ("swin_v2_t", ["alexnet", "swin_v2_t"], True),
        ("cifar100_conv3", "*conv3", True),
        ("conv4", "conv3", False),
        ("conv3", 3, False),
    ],
)
def test_what_a_rule_matches(value: object, wanted: object, expected: bool) -> None:
    assert matches(value, wanted) == expected


@pytest.mark.parametrize(
    ("student", "name"),
    [
        ({"class_path": "semdd_lightning.models.ConvNet", "init_args": {"depth": 3}}, "conv3"),
        (
            {"class_path": "ConvNet", "init_args": {"depth": 4, "width": 128, "norm": "instance"}},
            "conv4_instance",
        ),
        ({"class_path": "ConvNet", "init_args": {"width": 64}}, "ConvNet"),
        ({"class_path": "TorchvisionNetwork", "init_args": {"name": "mobilenet_v2"}}, "mobilenet_v2"),
        ("torchvision/mobilenet_v2", "mobilenet_v2"),
        ("timm/resnet18.a1_in1k", "resnet18.a1_in1k"),
    ],
)
def test_a_student_goes_by_its_short_name_however_it_is_spelled(student: object, name: str) -> None:
    assert find_facts(flatten({"model": {"init_args": {"student": student}}})) == {"student": name}


def test_a_student_may_be_spelled_out_by_words(configs: list[str]) -> None:
    words = ["--model.student", "semdd_lightning.models.TorchvisionNetwork", "--model.student.name=vgg11"]
    assert "--model.optimizer.lr=0.5" not in resolve_protocol([*configs, *words])
    assert "--model.optimizer.lr=0.5" in resolve_protocol([*configs, *words[:2]]), (
        "it is a ResNet-18 by default"
    )


def write_checkpoint(path: Path, network: str | None) -> str:
    spread, names = (0.5, 0.5, 0.5), ["cat", "dog"]
    built = {"network": network, "num_classes": 2, "image_size": 8, "mean": spread, "std": spread}
    torch.save({"state_dict": {}, "semdd": {**built, "class_names": names, "class_wnids": None}}, path)
    return str(path)


def test_a_teacher_goes_by_its_checkpoints_network(workplace: Path) -> None:
    (workplace / "best").mkdir()
    file = write_checkpoint(workplace / "best" / "last.ckpt", "conv3")
    for path in (str(workplace / "best"), file):
        assert find_facts({"model.teacher.path": path}) == {"teacher": "conv3"}
        assert find_facts({"model.teacher.teacher.path": path}) == {"teacher": "conv3"}, "of StaticLabels"
    assert find_facts({"model.teacher.path": file, "model.teacher.network": "conv4"}) == {"teacher": "conv4"}
    write_checkpoint(workplace / "best" / "last.ckpt", None)
    assert find_facts({"model.teacher.path": file}) == {"teacher": "best"}, "a class, which no card can name"


def test_the_teacher_inside_static_labels(workplace: Path) -> None:
    teacher = {"class_path": "TorchvisionTeacher", "init_args": {"name": "resnet18"}}
    static = {"class_path": "StaticLabels", "init_args": {"teacher": teacher}}
    assert find_facts(flatten({"model": {"init_args": {"teacher": static}}})) == {"teacher": "resnet18"}
    ensemble = {"class_path": "EnsembleTeacher", "init_args": {"teachers": [teacher]}}
    assert find_facts(flatten({"model": {"init_args": {"teacher": ensemble}}})) == {}


def test_facts_of_an_experiment() -> None:
    facts = find_facts({"data.ipc": 1, "model.network": "conv3", "model.teacher.name": "resnet18"})
    assert facts == {"ipc": 1, "student": "conv3", "teacher": "resnet18"}
    file = find_facts({"model.teacher.path": "models/cifar100_conv3.pth", "data.augmentation.mix": "mixup"})
    assert file == {"teacher": "cifar100_conv3", "mix": "mixup"}
    assert find_facts({"model.student": 3}) == {}


def write_header(store: Path, arguments: dict[str, Any], history: dict[str, Any]) -> None:
    accuracy = {"top1": 0.5, "on": "images"}
    described = {"teacher": "CheckpointTeacher", "arguments": arguments, "history": history}
    card = {**described, "accuracy": accuracy, "sha256": ""}
    StoreHeader({}, card, LabelFormat(10), 20, 2, False, 2).write(store)


def test_stored_labels_go_by_the_teacher_that_made_them(workplace: Path) -> None:
    store = workplace / "labels"
    store.mkdir()
    options = {"model.teacher.path": str(store)}
    assert find_facts(options) == {"teacher": "labels"}
    for arguments, teacher in (
        ({"path": "runs/teachers/cifar100_conv3", "network": None}, "cifar100_conv3"),
        ({"name": "resnet18"}, "resnet18"),
    ):
        write_header(store, arguments, {})
        assert find_facts(options) == {"teacher": teacher}
    write_header(store, {"path": "runs/best", "network": None}, {"network": "conv3"})
    assert find_facts(options) == {"teacher": "conv3"}
    (store / "labels.json").write_text("<html>")
    assert find_facts(options) == {"teacher": "labels"}


def test_a_new_class_forgets_the_old_ones_arguments(workplace: Path) -> None:
    (workplace / "a.yaml").write_text("model: {class_path: A, init_args: {student: x, lr: 1}}")
    (workplace / "b.yaml").write_text("model: {class_path: B, init_args: {network: y}}")
    found = options_of(["fit", "--config=a.yaml", "--config=b.yaml", "--model.network", "z"])
    assert found == {"model.class_path": "B", "model.network": "z"}


def test_a_class_named_by_an_option_is_a_new_class_too(workplace: Path) -> None:
    (workplace / "a.yaml").write_text(
        "model: {class_path: A, init_args: {teacher: {class_path: x.T, init_args: {path: runs/t}}}}"
    )
    same = options_of(["fit", "--config=a.yaml", "--model.teacher", "T", "--model=A"])
    assert same["model.teacher.path"] == "runs/t"
    other = options_of(["fit", "--config", "a.yaml", "--model.teacher=ClipTeacher"])
    assert other == {"model.class_path": "A", "model.teacher": "ClipTeacher"}
    assert options_of(["fit", "--quiet", "--model", "A", "--config=a.yaml"])["model.teacher.path"] == "runs/t"


def test_rdeds_batch_for_200_classes_is_that_of_tiny_imagenet() -> None:
    rded = ["fit", "--config=tinyimagenet.yaml", "--config=protocols/rded.yaml", "--data.ipc=1"]
    assert options_of(resolve_protocol(resolve_configs(rded)))["data.batch_size"] == 100
    larger = options_of(resolve_protocol(resolve_configs([*rded, "--data.image_size=224"])))
    assert larger["data.batch_size"] == 10


Printed = dict[str, Any]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """The config that a command line makes."""

    def print_config(*words: str) -> Printed:
        capsys.readouterr()
        with pytest.raises(SystemExit, match="0"):
            main(["fit", *words, "--print_config"])
        config: Printed = yaml.safe_load(capsys.readouterr().out)
        return config

    return print_config


def test_a_saved_config_holds_the_values_and_gives_them_again(
    printed: Callable[..., Printed], workplace: Path
) -> None:
    minimax = ["--config=imagewoof.yaml", "--config=protocols/minimax.yaml", "--data.ipc=100"]
    config = printed(*minimax, "--data.batch_size=32")
    assert (config["data"]["init_args"]["passes"], config["data"]["init_args"]["batch_size"]) == (1000, 32)
    assert (config["protocol"]["name"], config["protocol"]["source"]) == (
        "minimax",
        "vimar-gu/MinimaxDiffusion",
    )
    facts = {"ipc": 100, "num_classes": 10, "image_size": 224, "student": "resnetap10", "mix": "cutmix"}
    assert config["protocol"]["resolved_for"] == facts
    assert config["model"]["class_path"].endswith("ClassifierModule")
    assert "teacher" not in config["model"]["init_args"]
    (workplace / "saved.yaml").write_text(yaml.safe_dump(config))
    again = printed("--config=saved.yaml")
    assert again == config


@pytest.mark.parametrize("name", ["rded", "edc", "minimax", "dcbench"])
def test_a_saved_config_keeps_the_protocol_as_it_was_written(
    name: str, printed: Callable[..., Printed]
) -> None:
    path = packaged_configs() / "protocols" / f"{name}.yaml"
    written = read_protocol(read_config(path), path)
    section = printed("--config=imagewoof.yaml", f"--config=protocols/{name}.yaml")
    kept = read_protocol(section, path)
    assert replace(kept, resolved_for=None) == written


@pytest.fixture
def saved(printed: Callable[..., Printed], workplace: Path) -> Callable[..., list[str]]:
    """The words that name the saved config of an experiment."""

    def save(*words: str) -> list[str]:
        (workplace / "saved.yaml").write_text(yaml.safe_dump(printed(*words)))
        return ["fit", "--config=saved.yaml"]

    return save


WOOF = ("--config=imagewoof.yaml", "--config=protocols/rded.yaml")


def test_a_saved_config_is_resolved_anew_for_another_ipc(
    saved: Callable[..., list[str]], printed: Callable[..., Printed]
) -> None:
    words = saved(*WOOF, "--data.ipc=10", "--data.passes=60")
    again = options_of(resolve_protocol([*words, "--data.ipc=50"]))
    assert (again["data.batch_size"], again["data.passes"]) == (100, 60), "what was changed stays changed"
    assert again["protocol.resolved_for.ipc"] == 50
    assert (
        options_of(resolve_protocol([*words, "--data.ipc=50", "--data.batch_size=7"]))["data.batch_size"] == 7
    )
    config = printed(*words[1:], "--data.ipc=1")
    assert config["data"]["init_args"]["batch_size"] == 10
    assert config["protocol"]["resolved_for"]["ipc"] == 1


def test_a_saved_config_is_resolved_anew_for_another_student_and_mixing(
    saved: Callable[..., list[str]],
) -> None:
    words = saved(*WOOF, "--model.student=mobilenet_v2", "--data.augmentation.mix=mixup")
    assert options_of(resolve_protocol(words))["model.optimizer.lr"] == 0.0025
    other = options_of(resolve_protocol([*words, "--model.student=resnet18"]))
    assert (other["model.optimizer.lr"], other["model.temperature"]) == (0.001, 4)
    cutmix = options_of(resolve_protocol([*words, "--data.augmentation.mix=cutmix"]))
    assert (cutmix["model.temperature"], cutmix["data.augmentation.mix_alpha"]) == (20, 1)


def test_what_a_saved_config_had_for_another_ipc_is_not_kept(saved: Callable[..., list[str]]) -> None:
    words = saved(*WOOF, "--data.ipc=10")
    message = "Expected a value of data.batch_size from the protocol rded, found none for ipc 20"
    with pytest.raises(ConfigError, match=message):
        resolve_protocol([*words, "--data.ipc=20"])
    given = saved(*WOOF, "--data.ipc=20", "--data.batch_size=40")
    assert options_of(resolve_protocol(given))["data.batch_size"] == 40
    assert options_of(resolve_protocol([*given, "--data.ipc=50"]))["data.batch_size"] == 100


def test_another_protocol_over_a_saved_config_takes_its_place(saved: Callable[..., list[str]]) -> None:
    words = saved(*WOOF, "--data.ipc=10")
    found = options_of(resolve_protocol(resolve_configs([*words, "--config=protocols/minimax.yaml"])))
    assert (found["protocol.name"], found["data.passes"], found["protocol.resolved_for.ipc"]) == (
        "minimax",
        2000,
        10,
    )


def test_the_parser_agrees_with_the_flat_options(printed: Callable[..., Printed]) -> None:
    words = ["--config=cifar100.yaml", "--config=protocols/rded.yaml", "--data.ipc=1"]
    words += ["--model.student=mobilenet_v2", "--data.augmentation.mix=mixup"]
    arguments = printed(*words)["model"]["init_args"]
    assert arguments["optimizer"]["init_args"]["lr"] == 0.0025
    assert arguments["temperature"] == 4

"""What a protocol's rules give, where it stands among configs and options, and in a saved config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from semdd_lightning.cli.main import main
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import compose, packaged_configs, read_config
from semdd_lightning.experiment.config.options import flatten, same
from semdd_lightning.experiment.config.protocol_facts import find_facts, matches
from semdd_lightning.experiment.config.protocols import Protocol, read_protocol, settle
from semdd_lightning.experiment.experiment import parsed_experiment
from semdd_lightning.records import write_record
from semdd_lightning.training.soft_labels.header import HEADER, StoreHeader
from semdd_lightning.training.soft_labels.label_format import LabelFormat

DATA = """
data:
  class_path: PoolDataModule
  init_args:
    pool: {class_path: ClassFolders, init_args: {path: pool}}
    prior: {model: local}
    ipc: 10
    num_classes: 10
    image_size: 32
    passes: 7
    batch_size: 3
    augmentation: {crop_scale: [1.0, 1.0]}
model:
  class_path: DistillationModule
  init_args:
    student: torchvision/resnet18
    teacher: {class_path: CheckpointTeacher, init_args: {path: runs/cifar10_conv3}}
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.001}}
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


CONTENT = flatten({key: value for key, value in yaml.safe_load(PROTOCOL).items() if key != "protocol"})
FACTS = {"ipc": 10, "num_classes": 10, "image_size": 32, "student": "resnet18", "teacher": "cifar10_conv3"}


def protocol_of(text: str = PROTOCOL) -> Protocol:
    return read_protocol(yaml.safe_load(text), Path("protocol.yaml"))


# ------------------------------------------------------------------ rules


def test_rules_go_over_the_recipe() -> None:
    settled = settle(protocol_of(), CONTENT, FACTS)
    rules = {"data.passes": 100, "model.optimizer.lr": 0.5, "data.augmentation.crop_scale": [0.5, 1.0]}
    assert (settled.given, settled.needed) == (rules, [])
    assert (settled.protocol.recipe, settled.protocol.resolved_for) == ({"data.batch_size": 50}, FACTS)
    other = settle(protocol_of(), CONTENT, {"ipc": 50, "student": "vgg11"})
    assert other.given == {"data.passes": 200}


def test_what_the_protocol_needs_has_no_default() -> None:
    settled = settle(protocol_of(), CONTENT, FACTS | {"ipc": 5})
    assert settled.needed == ["data.passes"]
    message = (
        r"Expected a value of data\.passes from the protocol mine, found none for ipc 5, num_classes 10, "
        r"image_size 32, student resnet18, teacher cifar10_conv3: .*somebody/somewhere.* give --data\.passes"
    )
    with pytest.raises(ConfigError, match=message):
        settled.check({"data.ipc": 5})
    settled.check({"data.passes": 9})


def test_what_a_saved_config_had_for_other_facts_is_given_anew() -> None:
    resolved = settle(protocol_of(), CONTENT, FACTS)
    saved = CONTENT | resolved.given
    again = settle(resolved.protocol, saved, FACTS | {"ipc": 50})
    assert (again.given, again.needed) == ({"data.passes": 200}, [])
    assert settle(resolved.protocol, saved | {"data.passes": 60}, FACTS | {"ipc": 50}).given == {}, "by hand"
    gone = settle(resolved.protocol, saved, {"ipc": 5})
    assert gone.needed == ["data.passes", "data.passes", "model.optimizer.lr", "data.augmentation.crop_scale"]
    assert settle(resolved.protocol, saved | {"data.passes": 60}, FACTS | {"ipc": 5}).needed == []


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
def test_malformed_protocols(section: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settle(protocol_of(f"protocol: {section}"), {}, FACTS)


# ------------------------------------------------------------------ facts


@pytest.mark.parametrize("value", [0, True, 2.5, None, -3, "fifty"])
@pytest.mark.parametrize("name", ["ipc", "num_classes", "image_size"])
def test_what_is_no_number_of_images_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{name} as a whole number .* found {value!r}"):
        find_facts({f"data.{name}": value})


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
    write_record(store / HEADER, asdict(StoreHeader({}, card, LabelFormat(10), 20, 2, False, 2)))


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


# ------------------------------------------------------------------ where a protocol's values stand

Printed = dict[str, Any]


@pytest.fixture
def configs(workplace: Path) -> list[str]:
    (workplace / "data.yaml").write_text(DATA)
    (workplace / "protocol.yaml").write_text(PROTOCOL)
    return ["--config", "data.yaml", "--config=protocol.yaml"]


def parsed(*words: str) -> dict[str, Any]:
    """Flat options of an experiment, as the parser has them."""
    return flatten(parsed_experiment(["fit", *words]).as_dict())


def test_later_configs_and_options_go_over_rules_and_rules_over_the_data_sets_config(
    configs: list[str], workplace: Path
) -> None:
    assert parsed(*configs)["data.passes"] == 100
    assert parsed(*configs, "--data.passes", "5")["data.passes"] == 5
    (workplace / "later.yaml").write_text("data: {init_args: {passes: 6, ipc: 50}}")
    later = parsed(*configs, "--config=later.yaml")
    assert (later["data.passes"], later["data.batch_size"]) == (6, 50)


def test_facts_are_those_that_the_parser_sees(configs: list[str], workplace: Path) -> None:
    (workplace / "later.yaml").write_text("data: {init_args: {ipc: 10}}")
    before = parsed(*configs, "--data.ipc=50", "--config=later.yaml")
    assert before["data.passes"] == 100, "a later config goes over an option"
    assert parsed(*configs, "--config=later.yaml", "--data.init_args.ipc=50")["data.passes"] == 200
    other = parsed(*configs, "--model.student", "vgg11", "--data.ipc=50", "--data.ipc", "11")
    assert (other["data.passes"], other["model.optimizer.lr"]) == (200, 0.001)


def test_facts_come_from_variables_too(configs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMDD_FIT__CONFIG", str(Path("data.yaml").absolute()))
    assert parsed(configs[2])["data.passes"] == 100
    monkeypatch.setenv("SEMDD_FIT__CONFIG", str(packaged_configs() / "imagewoof.yaml"))
    assert parsed(configs[2], "--data.ipc=50")["data.passes"] == 200, "of a config with bases"


def test_what_is_needed_is_given_behind_the_protocol(configs: list[str], workplace: Path) -> None:
    for words in (["--data.passes=9", *configs, "--data.ipc=5"], [*configs, "--data.ipc=5"]):
        with pytest.raises(ConfigError, match=r"give --data\.passes behind its --config"):
            parsed(*words)
    assert parsed(*configs, "--data.ipc=5", "--data.init_args.passes=9")["data.passes"] == 9
    (workplace / "later.yaml").write_text("data: {init_args: {passes: 6}}")
    assert parsed(*configs, "--data.ipc=5", "--config=later.yaml")["data.passes"] == 6


def test_a_data_set_behind_its_protocol_is_refused(configs: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"before the protocol of protocol\.yaml, found data\.yaml behind it"
    ):
        parsed(configs[2], *configs[:2])


def test_a_config_may_go_over_a_protocol(configs: list[str], workplace: Path) -> None:
    (workplace / "mine.yaml").write_text("base: [data.yaml, protocol.yaml]\ndata: {init_args: {ipc: 50}}")
    found = parsed("--config=mine.yaml", "--data.batch_size=7")
    assert (found["data.passes"], found["data.batch_size"], found["protocol.name"]) == (200, 7, "mine")
    assert found["config"] == [str(workplace / "mine.yaml")]
    with pytest.raises(ConfigError, match="Expected base in a config alone"):
        parsed(*configs, "--base=data.yaml")


def test_a_config_says_the_same_to_every_command() -> None:
    """`semdd select` and `compare` read it without the parser."""
    composed = flatten(compose(packaged_configs() / "imagewoof_fastai.yaml"))
    found = parsed("--config=imagewoof_fastai.yaml")
    assert [option for option, value in composed.items() if not same(option, value, found[option])] == []


def test_hard_labels_keep_the_data_sets_student_unless_another_is_named() -> None:
    hard = ["--config=cifar10.yaml", "--config", "protocols/hard.yaml"]
    assert parsed(*hard)["model.network"] == "conv3"
    assert parsed(hard[0], "--model.student=conv4", *hard[1:])["model.network"] == "conv4"
    assert parsed(*hard, "--model.network=conv5")["model.network"] == "conv5"
    spelled = parsed("--config=quickstart.yaml", *hard[1:])
    assert (spelled["model.network.depth"], spelled["model.network.width"]) == (3, 64)
    assert parsed(hard[0], "--config=protocols/minimax.yaml")["model.network"] == "resnetap10"


# ------------------------------------------------------------------ saved configs


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


def test_a_saved_config_keeps_the_protocol_as_it_was_written(printed: Callable[..., Printed]) -> None:
    path = packaged_configs() / "protocols" / "rded.yaml"
    section = printed("--config=imagewoof.yaml", "--config=protocols/rded.yaml")
    assert replace(read_protocol(section, path), resolved_for=None) == read_protocol(read_config(path), path)


def test_a_saved_config_is_resolved_anew(printed: Callable[..., Printed], workplace: Path) -> None:
    rded = ("--config=imagewoof.yaml", "--config=protocols/rded.yaml", "--data.passes=60")
    (workplace / "saved.yaml").write_text(yaml.safe_dump(printed(*rded)))
    again = parsed("--config=saved.yaml", "--data.ipc=50", "--data.augmentation.mix=mixup")
    assert (again["data.batch_size"], again["data.passes"]) == (100, 60), "what was changed stays changed"
    assert (again["model.temperature"], again["protocol.resolved_for.ipc"]) == (4, 50)
    assert parsed("--config=saved.yaml", "--data.ipc=50", "--data.batch_size=7")["data.batch_size"] == 7
    other = parsed("--config=saved.yaml", "--model.student=mobilenet_v2")
    assert (other["model.optimizer.lr"], other["data.batch_size"]) == (0.0025, 50)
    with pytest.raises(
        ConfigError, match=r"value of data\.batch_size from the protocol rded, found none for ipc 20"
    ):
        parsed("--config=saved.yaml", "--data.ipc=20")
    minimax = parsed("--config=saved.yaml", "--config=protocols/minimax.yaml")
    assert (minimax["protocol.name"], minimax["data.passes"], minimax["protocol.resolved_for.ipc"]) == (
        "minimax",
        2000,
        10,
    )

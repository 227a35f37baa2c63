"""What a result says of how far it is its protocol's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.experiment.config.protocols import Protocol, Rule, beyond, protocol_changes
from tests.cli.run_files import read

RECIPE: dict[str, Any] = {
    "data.passes_per_epoch": 10,
    "model.network": "resnetap10",
    "model.class_path": "ClassifierModule",
    "model.optimizer.class_path": "torch.optim.SGD",
    "model.optimizer.lr": 0.01,
    "model.optimizer.momentum": 0.9,
    "trainer.callbacks": [{"class_path": "Best", "init_args": {"every": 10}}],
}
USED: dict[str, Any] = {
    **RECIPE,
    "model.class_path": "semdd_lightning.training.ClassifierModule",
    "trainer.callbacks": [{"class_path": "package.Best", "init_args": {"every": 10, "after": 0.8}}],
    "data.passes": 2000,
}
PROTOCOL = Protocol(
    "mine",
    "somebody/somewhere",
    made_for=[{"ipc": [1, 10], "image_size": "65-"}, {"image_size": 32}],
    needs=["data.passes"],
    rules=[Rule({"ipc": 10}, {"data.passes": 2000})],
    recipe=RECIPE,
    resolved_for={"ipc": 10, "image_size": 224},
)


def changes_of(**used: object) -> list[tuple[str, object, object]]:
    given = {name.replace("__", "."): value for name, value in used.items()}
    found = protocol_changes(PROTOCOL, USED | given)
    return [(change["option"], change["protocol"], change["used"]) for change in found]


def test_what_the_parser_spells_out_is_no_change() -> None:
    assert changes_of() == []


def test_student_and_bookkeeping_are_no_part_of_the_recipe() -> None:
    assert changes_of(model__network="conv6_instance", data__passes_per_epoch=1, data__ipc=10) == []


def test_each_change_is_named_with_both_values() -> None:
    assert changes_of(data__passes=60) == [("data.passes", 2000, 60)]
    assert changes_of(trainer__callbacks=None) == [("trainer.callbacks", RECIPE["trainer.callbacks"], None)]
    often = [{"class_path": "package.Best", "init_args": {"every": 1}}]
    assert changes_of(trainer__callbacks=often) == [("trainer.callbacks", RECIPE["trainer.callbacks"], often)]


def test_another_class_is_the_change_with_the_arguments_that_both_have() -> None:
    used = {name: value for name, value in USED.items() if name != "model.optimizer.momentum"}
    used |= {"model.optimizer.class_path": "torch.optim.AdamW", "model.optimizer.lr": 0.001}
    found = [change["option"] for change in protocol_changes(PROTOCOL, used)]
    assert found == ["model.optimizer.class_path", "model.optimizer.lr"]


def test_what_had_to_be_given_is_named() -> None:
    other = Protocol("mine", needs=["data.passes"], rules=PROTOCOL.rules, resolved_for={"ipc": 5})
    expected = [{"option": "data.passes", "protocol": None, "used": 9}]
    assert protocol_changes(other, {"data.passes": 9}) == expected


@pytest.mark.parametrize(
    ("facts", "covered"),
    [
        ({"ipc": 10, "image_size": 224}, True),
        ({"ipc": 20, "image_size": 32}, True),
        ({"ipc": 20, "image_size": 224}, False),
        ({"ipc": 10, "image_size": 64}, False),
        ({"ipc": 10}, True),
        ({}, True),
    ],
)
def test_what_a_peers_code_covers(facts: dict[str, Any], covered: bool) -> None:
    assert (beyond(replace(PROTOCOL, resolved_for=facts)) is None) == covered
    assert beyond(Protocol("for anything", resolved_for=facts)) is None


def test_an_experiment_beyond_the_peers_code_is_described() -> None:
    assert beyond(PROTOCOL) is None
    outside = Protocol(
        "mine", "somebody/somewhere", made_for=PROTOCOL.made_for, resolved_for={"ipc": 20, "image_size": 64}
    )
    text = str(beyond(outside))
    assert text.startswith(
        "Expected an experiment that somebody/somewhere has values for (ipc [1, 10], image_size 65-"
    )
    assert "; or image_size 32), found ipc 20, image_size 64: the protocol mine goes on" in text


def test_a_run_names_its_protocols_changes_and_so_does_its_config_again(
    fit: Callable[..., Path],
    run_directories: Callable[[], list[Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = fit(
        "--config=protocols/rded.yaml", "--data.passes=2", "--data.passes_per_epoch=1", "--data.batch_size=20"
    )
    message = capsys.readouterr()
    assert "Expected an experiment that LINs-lab/RDED has values for" in message.err
    assert "found num_classes 10, image_size 16, ipc 2" in message.err
    result = read(run / "result.json")
    assert result["quirks"] == ["half_cosine", "statistics_twice", "best_of_1"]
    assert result["protocol_changes"] == [
        {"option": "data.batch_size", "protocol": None, "used": 20},
        {"option": "data.passes", "protocol": 300, "used": 2},
    ]
    assert "data.passes 2, not 300" in message.out
    assert main(["fit", f"--config={run / 'config.yaml'}"]) == 0
    again = read(run_directories()[-1] / "result.json")
    assert again["protocol_changes"] == result["protocol_changes"]
    assert again["metrics"] == result["metrics"]


def test_a_run_without_a_protocol_has_none(finished: Path) -> None:
    result = read(finished / "result.json")
    assert (result["protocol"], result["protocol_changes"], result["quirks"]) == (None, [], ["half_cosine"])

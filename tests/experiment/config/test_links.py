"""A setting that follows from others is obeyed or refused, whoever gives it."""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.cli import ArgsType, LightningArgumentParser

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.links import LINKS, refusal
from semdd_lightning.experiment.config.parser import ExperimentParser
from semdd_lightning.experiment.semdd_cli import SemddCLI

GIVEN = {  # what follows, and another value of it
    "model.num_classes": 7,
    "model.image_size": 7,
    "data.augmentation_seed": 7,
    "trainer.max_epochs": 7,
    "trainer.default_root_dir": "elsewhere",
}
SOURCES = {
    "seed_everything": 3,
    "data": {"init_args": {"num_classes": 10, "image_size": 16, "passes": 30, "passes_per_epoch": 10}},
    "run": {"root": "runs"},
}
FOLLOWS = {
    "model": {"init_args": {"num_classes": 10, "image_size": 16}},
    "trainer": {"max_epochs": 3, "default_root_dir": None},
}

COMPLETE: dict[str, dict[str, object]] = {  # as a variable has to be
    "data": {"num_classes": 10, "image_size": 16},
    "model": {"network": "conv3"},
}


def nested(option: str, value: object) -> dict[str, object]:
    part, name = option.split(".")
    return {part: {name: value} if part == "trainer" else {"init_args": {name: value}}}


def as_file(folder: Path, name: str, content: Mapping[str, object]) -> str:
    (folder / name).write_text(yaml.safe_dump(dict(content)))
    return f"--config={folder / name}"


def test_every_link_is_tried() -> None:
    assert set(GIVEN) == set(LINKS)


@pytest.fixture(scope="module")
def parser() -> ExperimentParser:
    """That of `semdd fit`, which takes a while to make."""
    parsers: list[ExperimentParser] = []

    class Kept(SemddCLI):
        def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
            of_fit = self._parser("fit")
            assert isinstance(of_fit, ExperimentParser)
            parsers.append(of_fit)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Kept(["fit"])
    return parsers[0]


@pytest.mark.parametrize("target", GIVEN)
@pytest.mark.parametrize(
    "by", ["option", "full option", "part", "file", "file of a part", "variable", "part's variable"]
)
def test_another_value_is_refused_with_what_stands_for_it(
    target: str, by: str, tmp_path: Path, parser: ExperimentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = GIVEN[target]
    part, name = target.split(".")
    whole: Any = nested(target, value)[part]
    argv = ["--config=quickstart.yaml", as_file(tmp_path, "base.yaml", SOURCES)]
    if by == "option":
        argv += [f"--{target}", str(value)]
    elif by == "full option":
        argv += [f"--{part}.init_args.{name}={value}"] if part != "trainer" else [f"--{target}={value}"]
    elif by == "part":
        argv += [f"--{part}={whole}"]
    elif by == "file":
        argv += [as_file(tmp_path, "mine.yaml", nested(target, value))]
    elif by == "file of a part":
        (tmp_path / "part.yaml").write_text(yaml.safe_dump(whole))
        argv += [f"--{part}", str(tmp_path / "part.yaml")]
    elif part == "trainer" and by == "variable":
        monkeypatch.setenv(f"SEMDD_FIT__{target.replace('.', '__').upper()}", str(value))
    else:
        complete = whole if part == "trainer" else {"init_args": COMPLETE[part] | {name: value}}
        monkeypatch.setenv(f"SEMDD_FIT__{part.upper()}", str(complete))
    with pytest.raises((ConfigError, ArgumentError)) as refused:
        parser.parse_args(argv)
    message = str(
        refused.value if isinstance(refused.value, ConfigError) else refusal("fit", str(refused.value))
    )
    expected = (
        rf"Expected {target} to follow .* found '?{value}'? for it.*; give --{LINKS[target].sources[0]} in"
    )
    assert re.search(expected, message)


def test_a_saved_config_may_state_what_follows(tmp_path: Path, parser: ExperimentParser) -> None:
    first = "--config=quickstart.yaml"
    saved = [first, as_file(tmp_path, "resolved.yaml", SOURCES | FOLLOWS)]
    assert parser.parse_args(saved).get("data.init_args.passes") == 30
    assert parser.parse_args([*saved, "--data.passes=50", "--seed_everything=4"]).seed_everything == 4
    apart = [first, as_file(tmp_path, "one.yaml", SOURCES), as_file(tmp_path, "other.yaml", FOLLOWS)]
    assert parser.parse_args(apart).get("data.init_args.passes") == 30
    with pytest.raises(ConfigError, match=r"found 3 for it in .*other\.yaml"):
        parser.parse_args([*apart, "--data.passes=50"])


def test_the_commands_refuse_it(refused: Callable[..., str], small: tuple[str, ...]) -> None:
    (line,) = refused("fit", *small, "--trainer.max_epochs=3", "--print_config").splitlines()
    assert line.endswith("found 3 for it in --trainer.max_epochs; give --data.passes in its place.")


@pytest.mark.parametrize("value", ["0", "-1", "null"])
def test_what_nothing_follows_from_is_refused(
    value: str, refused: Callable[..., str], small: tuple[str, ...]
) -> None:
    message = refused("fit", *small, f"--data.passes_per_epoch={value}")
    assert "Expected data.passes and data.passes_per_epoch" in message or "Parser key" in message
    assert not Path("runs").exists()


def test_a_variable_that_nothing_reads_is_refused(
    refused: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMDD_TEST__DATA__IPC", "3")
    monkeypatch.setenv("SEMDD_FIT__DATA__IPC", "3")
    assert "found SEMDD_FIT__DATA__IPC, which nothing would read; give --data.ipc" in refused("fit", *small)
    monkeypatch.setenv("SEMDD_SELECT__IPC", "3")
    assert "found SEMDD_SELECT__IPC, which nothing would read; give --ipc." in refused("select", "pool")

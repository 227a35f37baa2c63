"""A setting that follows from others is obeyed or refused, whoever gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from semdd_lightning.cli.links import LINKS, check_links
from semdd_lightning.errors import ConfigError

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


def nested(option: str, value: object) -> dict[str, object]:
    part, name = option.split(".")
    return {part: {name: value} if part == "trainer" else {"init_args": {name: value}}}


def as_file(folder: Path, name: str, content: Mapping[str, object]) -> str:
    (folder / name).write_text(yaml.safe_dump(dict(content)))
    return f"--config={folder / name}"


def test_every_link_is_tried() -> None:
    assert set(GIVEN) == set(LINKS)


@pytest.mark.parametrize("target", GIVEN)
@pytest.mark.parametrize(
    "by", ["option", "full option", "part", "file", "file of a part", "variable", "part's variable"]
)
def test_another_value_is_refused_with_what_stands_for_it(target: str, by: str, tmp_path: Path) -> None:
    value = GIVEN[target]
    part, name = target.split(".")
    whole = nested(target, value)[part]
    base, words, environment = as_file(tmp_path, "base.yaml", SOURCES), [], {}
    if by == "option":
        words = [f"--{target}", str(value)]
    elif by == "full option":
        words = [f"--{part}.init_args.{name}={value}"] if part != "trainer" else [f"--{target}={value}"]
    elif by == "part":
        words = [f"--{part}={whole}"]
    elif by == "file":
        words = [as_file(tmp_path, "mine.yaml", nested(target, value))]
    elif by == "file of a part":
        (tmp_path / "part.yaml").write_text(yaml.safe_dump(whole))
        words = [f"--{part}", str(tmp_path / "part.yaml")]
    elif by == "variable":
        environment = {f"SEMDD_FIT__{target.replace('.', '__').upper()}": str(value)}
    else:
        environment = {f"SEMDD_FIT__{part.upper()}": str(whole)}
    with pytest.raises(
        ConfigError, match=f"Expected {target} to follow .* give --{LINKS[target].sources[0]} in"
    ):
        check_links(["fit", base, *words], environment)


def test_a_saved_config_may_state_what_follows(tmp_path: Path) -> None:
    saved = as_file(tmp_path, "resolved.yaml", SOURCES | FOLLOWS)
    check_links(["fit", saved], {})
    check_links(["fit", saved, "--data.passes=50", "--seed_everything=4"], {})
    apart = [as_file(tmp_path, "one.yaml", SOURCES), as_file(tmp_path, "other.yaml", FOLLOWS)]
    check_links(["fit", *apart], {})
    with pytest.raises(ConfigError, match=r"found 3 for it in .*other\.yaml"):
        check_links(["fit", *apart, "--data.passes=50"], {})


def test_the_commands_refuse_it(refused: Callable[..., str], small: tuple[str, ...]) -> None:
    (line,) = refused("fit", *small, "--trainer.max_epochs=3", "--print_config").splitlines()
    assert line.endswith("found 3 for it in --trainer.max_epochs; give --data.passes in its place.")


def test_a_variable_that_nothing_reads_is_refused(
    refused: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMDD_TEST__DATA__IPC", "3")
    monkeypatch.setenv("SEMDD_FIT__DATA__IPC", "3")
    assert "found SEMDD_FIT__DATA__IPC, which nothing would read; give --data.ipc" in refused("fit", *small)

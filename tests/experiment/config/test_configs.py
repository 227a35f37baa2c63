"""Which file a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import (
    bases_of,
    compose,
    config_name,
    find_config,
    packaged_configs,
    read_config,
    read_data_arguments,
    split_configs,
)


def test_packaged_configs_hold_the_quickstart() -> None:
    assert find_config("quickstart.yaml") == packaged_configs() / "quickstart.yaml"


def test_the_working_directory_wins(workplace: Path) -> None:
    own = workplace / "quickstart.yaml"
    own.write_text("seed_everything: 1\n")
    assert find_config("quickstart.yaml") == own
    assert find_config(str(own)) == own


def test_unknown_config_lists_the_packaged() -> None:
    with pytest.raises(ConfigError, match=r"found none; packaged are .*quickstart\.yaml.*teachers/"):
        find_config("quickstrat.yaml")


def test_a_folder_is_no_config(workplace: Path) -> None:
    (workplace / "folder").mkdir()
    with pytest.raises(ConfigError, match="found none"):
        find_config("folder")


def test_every_spelling_of_the_option_is_known() -> None:
    argv = ["--config", "a.yaml", "-c", "b.yaml", "--config=c.yaml", "-x", "-1", "--config.d", "x y"]
    assert split_configs(argv) == (["a.yaml", "b.yaml", "c.yaml"], ["-x", "-1", "--config.d", "x y"])


def test_a_config_goes_over_its_bases(workplace: Path) -> None:
    (workplace / "sub").mkdir()
    (workplace / "one.yaml").write_text(
        "data: {class_path: x.A, init_args: {ipc: 1, pool: {path: p}}}\nseed: 1"
    )
    (workplace / "sub" / "other.yaml").write_text("base: ../one.yaml\ndata: {init_args: {ipc: 2}}\nseed: 2")
    (workplace / "top.yaml").write_text("base: [sub/other.yaml]\ndata: {class_path: A, init_args: {seed: 3}}")
    found = compose(workplace / "top.yaml")
    assert found == {
        "data": {"class_path": "A", "init_args": {"ipc": 2, "pool": {"path": "p"}, "seed": 3}},
        "seed": 2,
    }
    assert read_data_arguments(workplace / "top.yaml")["ipc"] == 2
    (workplace / "packaged.yaml").write_text("base: [quickstart.yaml]")
    assert bases_of(workplace / "packaged.yaml") == [packaged_configs() / "quickstart.yaml"]
    (workplace / "new.yaml").write_text("base: top.yaml\ndata: {class_path: B}")
    assert compose(workplace / "new.yaml")["data"] == {"class_path": "B"}, "another class has other arguments"


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("[b.yaml]", "configs that end in one without base"),
        ("[nowhere.yaml]", r"Expected a config at .*nowhere\.yaml"),
        ("{a: 1}", "Expected base of .* to be a list of configs"),
        ("[1]", "Expected base of .* to be a list of configs"),
    ],
)
def test_bases_that_are_none(workplace: Path, base: str, said: str) -> None:
    (workplace / "a.yaml").write_text(f"base: {base}")
    (workplace / "b.yaml").write_text("base: a.yaml")
    with pytest.raises(ConfigError, match=said):
        compose(workplace / "a.yaml")


def test_names_as_one_would_type_them(workplace: Path, tmp_path: Path) -> None:
    assert config_name(packaged_configs() / "teachers" / "x.yaml") == "teachers/x.yaml"
    assert config_name(workplace / "mine.yaml") == "mine.yaml"
    assert config_name(tmp_path / "mine.yaml") == str(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("data: {ipc: 2}\ndata: {ipc: 3}", "'data' twice"),
        ("data: {ipc: 2, ipc: 3}", "'ipc' twice"),
        ("data: " + "[" * 3000, "recursion|nesting depth"),
        ("data: [", "node content"),
        ("data: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        (b"data: \xff", "can't decode byte"),
        ("[1]", "found list"),
    ],
)
def test_what_is_no_config_is_refused(content: str | bytes, found: str, workplace: Path) -> None:
    file = workplace / "x.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=found):
        read_config(file)


def test_a_config_is_read(workplace: Path) -> None:
    file = workplace / "x.yaml"
    file.write_text("data: {init_args: {ipc: 3}}\n1: 2\n")
    assert read_config(file) == {"data": {"init_args": {"ipc": 3}}, "1": 2}
    assert read_data_arguments(file) == {"ipc": 3}
    for nothing in ("", "# nothing\n", "data:\n", "data: {init_args: null}\n", "trainer: {}\n"):
        file.write_text(nothing)
        assert read_data_arguments(file) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"data: [1", "Expected a config in YAML at"),
        (b"\xff\xfe\x00", "Expected a config in YAML at"),
        (b"- 1\n", "Expected a mapping in the config .*found list"),
        (b"three\n", "found str"),
        (b"data: 3\n", r"Expected data\.init_args as a mapping .*found data: 3"),
        (b"data: {init_args: [1]}\n", r"found init_args: \[1\]"),
    ],
)
def test_broken_and_odd_configs_are_refused(workplace: Path, content: bytes, said: str) -> None:
    file = workplace / "x.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_data_arguments(file)

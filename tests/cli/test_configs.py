"""Which file a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.cli.configs import (
    config_name,
    find_config,
    packaged_configs,
    read_config,
    read_data_arguments,
    resolve_configs,
    without_configs,
)
from semdd_lightning.errors import ConfigError


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


def test_every_spelling_of_the_option_is_resolved() -> None:
    quickstart = str(packaged_configs() / "quickstart.yaml")
    words = ["fit", "--config", "quickstart.yaml", "-c", "quickstart.yaml", "--config=quickstart.yaml", "-x"]
    resolved = ["fit", "--config", quickstart, "-c", quickstart, f"--config={quickstart}", "-x"]
    assert resolve_configs(words) == resolved
    assert without_configs(words) == ["fit", "-x"]


def test_names_as_one_would_type_them(workplace: Path, tmp_path: Path) -> None:
    assert config_name(packaged_configs() / "teachers" / "x.yaml") == "teachers/x.yaml"
    assert config_name(workplace / "mine.yaml") == "mine.yaml"
    assert config_name(tmp_path / "mine.yaml") == str(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("data: {ipc: 2}\ndata: {ipc: 3}", "'data' twice"),
        ("data: {ipc: 2, ipc: 3}", "'ipc' twice"),
        ("data: " + "[" * 3000, "recursion"),
        ("data: [", "expected the node content"),
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

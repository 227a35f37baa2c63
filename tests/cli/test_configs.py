"""Which file a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.cli.configs import (
    config_name,
    find_config,
    packaged_configs,
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

"""docs/method.md lists the samplers and scores that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from scripts import write_method_page as script
from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest
from semdd_lightning.selection import SAMPLERS, SCORES


def test_the_page_is_that_of_the_registries() -> None:
    assert script.PAGE.read_text() == script.page(), (
        "docs/method.md is not what the registries say; run `python -m scripts.write_method_page`"
    )


def test_every_name_has_its_place() -> None:
    text = script.page()
    for names, mark in ((SAMPLERS, "<!-- samplers -->"), (SCORES, "<!-- scores -->")):
        table = text.partition(mark)[2].partition("<!-- end -->")[0]
        assert [table.count(f"\n| `{name}` |") for name in names] == [1] * len(names)
    assert "| of quality; of the filter; `diversity_weight` = auto, `diversity_mode` = nearest |" in text


def test_only_what_stands_between_its_markers_is_filled() -> None:
    text = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n"
    assert script.filled(text, "one", lambda: [r"n\1w"]) == text.replace("old", r"n\1w")


def test_the_command_runs(
    tmp_path: Path, coloured_pool: Path, tiny_clip_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_pool").symlink_to(coloured_pool)
    (command,) = re.findall(r"```sh\n(.*?)\n```", script.PAGE.read_text())
    words = [str(tiny_clip_dir) if w == "ViT-B-32-quickgelu:openai" else w for w in shlex.split(command)[1:]]
    assert main([*words, "--audit=off"]) == 0
    assert read_manifest(Path("chosen")).sampler["init_args"]["diversity_weight"] == 0.4

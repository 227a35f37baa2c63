"""docs/samplers.md and the README's result show what docs/results/selection holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts import write_samplers_page as script
from semdd_lightning.selection import SAMPLERS


def test_page_and_readme_are_those_of_the_records() -> None:
    for path, text in ((script.PAGE, script.page()), (script.README, script.readme())):
        assert path.read_text() == text, f"{path} is out of date; run `python -m scripts.write_samplers_page`"


def test_every_sampler_has_a_row_or_is_named_as_not_measured() -> None:
    table = script.PAGE.read_text().partition("<!-- all -->")[2].partition("<!-- end -->")[0]
    assert all(table.count(f"`{name}`") == 1 for name in SAMPLERS)


def test_what_the_page_advises_is_what_was_measured() -> None:
    for one in script.comparisons():
        best = max(one.top1, key=lambda name: float(one.top1[name].mean()))
        assert ahead(one, "two_stage", "random") == (one.student != "width128"), one.place
        assert one.pool == "digits" or ahead(one, "learnable", "random"), one.place
        if one.ipc == 10 and one.pool != "digits":
            assert best == "learnable" or one.level(best, "learnable"), one.place
        if one.ipc == 10 and "k_center" in one.top1:
            assert ahead(one, "random", "k_center"), one.place
        if one.ipc == 50:
            assert best == "learnable", one.place
            assert one.level(best, "two_stage") == (one.labels == "soft"), one.place
        if one.pool == "digits":
            assert best == "relevance", one.place


def ahead(one: script.Measured, sampler: str, other: str) -> bool:
    return bool(one.top1[sampler].mean() > one.top1[other].mean()) and not one.level(sampler, other)


def test_a_sampler_is_level_with_the_best_where_the_interval_holds_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = {
        "random": [0.1, 0.2, 0.3],
        "two_stage": [0.5, 0.6, 0.7],
        "quality": [0.5, 0.61, 0.68],
        "k_center": [0.4],
    }
    samplers = {
        name: {"top1": {str(seed): value for seed, value in enumerate(values)}}
        for name, values in accuracies.items()
    }
    (tmp_path / "digits-hard-ipc50-width128.json").write_text(
        json.dumps({"labels": "hard", "samplers": samplers})
    )
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    (found,) = script.comparisons()
    assert (found.pool, found.labels, found.ipc, found.student, found.seeds) == (
        "digits",
        "hard",
        50,
        "width128",
        3,
    )
    assert "k_center" not in found.top1, "it lacks seeds"
    assert np.allclose(found.top1["two_stage"], [50, 60, 70])
    assert script.best_table([found])[-1].endswith(
        "| hard | 50 | ConvNet-3, width 128, 300 passes | 3 | `two_stage` | `quality` | +40.0 ± 0.0 |"
    )

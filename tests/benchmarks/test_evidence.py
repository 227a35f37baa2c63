"""What docs/results/selection.md and docs/audit.md are made by, from a small comparison and a small pool."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import audit_rates
from benchmarks.evidence import pictures, tables
from semdd_lightning.audit import Audit
from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import read_cells
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits


def test_a_comparison_becomes_a_picture_and_a_table(
    workplace: Path, small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        main(["compare", *small, "--samplers", "relevance", "random", "--seeds", "3", "4", "--out", "found"])
        == 0
    )
    monkeypatch.setattr(sys, "argv", ["pictures", "found", "picture.png", "--classes", "2", "--images", "3"])
    pictures.main()
    with Image.open("picture.png") as picture:
        grey = np.asarray(picture.convert("L"), dtype=float)
    blank = grey.min(axis=1) == 255  # of the ground, between the rows
    assert np.diff(np.flatnonzero(np.diff(blank.astype(int)) == -1)).size + 1 == 4  # classes by samplers

    page = workplace / "page.md"
    page.write_text(f"before\n{tables.START}\nold\n{tables.END}\nafter\n")
    monkeypatch.setattr(tables, "PAGE", page)
    monkeypatch.setattr(tables, "RECORDS", workplace / "records")
    monkeypatch.setattr(sys, "argv", ["tables", "--record", "digits-soft=found"])
    tables.main()
    accuracies = {
        (cell.axes["sampler"], str(cell.axes["training_seed"])): cell.top1
        for cell in read_cells(Path("found"))
    }
    kept = json.loads((workplace / "records" / "digits-soft.json").read_text())
    assert kept["labels"] == "online"
    for name, entry in kept["samplers"].items():
        assert entry["top1"] == {seed: accuracies[name, seed] for seed in ("3", "4")}
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    mean = 50 * sum(top1 or 0 for (name, _), top1 in accuracies.items() if name == "random")
    assert f"| `random` | {mean:.2f} ± " in text


def test_audits_of_pools_made_wrong_are_counted(tmp_path: Path, shared_cache: Path) -> None:
    reader = GeneratedDigits(20, root=tmp_path)
    reader.prepare()
    for digit, name in enumerate(DIGIT_NAMES):
        (reader.folder / str(digit)).rename(reader.folder / name)
    model = audit_rates.embed(reader.folder, reader.folder, "digits")
    rates = audit_rates.measure(model, per_class=10, real=0, trials=2)
    assert rates["none: refused"] == 0
    assert rates["all permuted: refused"] == rates["all permuted: mapping"] == 1
    poorer = audit_rates.poor(model, "texts")
    assert poorer.accuracy == pytest.approx(audit_rates.POOR_ACCURACY, abs=0.02)
    found = next(audit_rates.audits(model, "half of another", 10, 0, 1))
    assert isinstance(found[2], Audit)

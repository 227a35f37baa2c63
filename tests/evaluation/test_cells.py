"""The record of a comparison's cells: what is written is read, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semdd_lightning.errors import RunError
from semdd_lightning.evaluation import Cell, read_cells, write_cells
from semdd_lightning.records import content_key

AXES: dict[str, str | int] = {
    **{"pool": "woof", "prior": "digits", "sampler": "random", "ipc": 10, "student": "conv3"},
    **{"protocol": "hard", "selection_seed": 0, "training_seed": 1},
}
FINISHED = Cell(AXES, "a", "finished", "hard", top1=0.5, seconds={"train": 1.5}, cut_short=["short"])
FAILED = Cell({**AXES, "ipc": 1}, "b", "failed", error="Expected a pool, found none.")
WAITING = Cell({**AXES, "ipc": 50}, "c", command=["semdd", "fit"])


def test_cells_are_read_in_their_order(tmp_path: Path) -> None:
    for cells in ([FINISHED, FAILED, WAITING], [WAITING, FINISHED]):
        write_cells(tmp_path, cells)
        assert read_cells(tmp_path) == cells


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"ipc": "10"}, "Expected a place on each of pool"),
        ({"colour": "red"}, "Expected a place on each of pool"),
        ({"sampler": 3}, "Expected a place on each of pool"),
        ({"ipc": 0}, "Expected a place on each of pool"),
        ({"ipc": 10**30}, "Expected a place on each of pool"),
        ({"training_seed": -1}, "Expected a place on each of pool"),
        ({"training_seed": True}, "Expected a place on each of pool"),
    ],
)
def test_a_cell_has_a_place_on_every_axis(change: dict[str, Any], found: str) -> None:
    with pytest.raises(RunError, match=found):
        replace(FINISHED, axes={**AXES, **change})
    with pytest.raises(RunError, match=found):
        replace(FINISHED, axes={name: value for name, value in AXES.items() if name != "pool"})


@pytest.mark.parametrize(
    "changes", [{"top1": None}, {"state": "waiting"}, {"state": "failed", "top1": None}, {"error": "wrong"}]
)
def test_a_state_fits_what_is_known(changes: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="Expected a finished cell with its accuracy, or a failed one"):
        replace(FINISHED, **changes)


def test_records_that_cannot_be_trusted_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"give the directory of a comparison"):
        read_cells(tmp_path)
    write_cells(tmp_path, [FINISHED, FINISHED])
    with pytest.raises(RunError, match=r"Expected every cell once .* found .*'woof'.* twice"):
        read_cells(tmp_path)
    write_cells(tmp_path, [])
    with pytest.raises(RunError, match=r"Expected cells in .* found none"):
        read_cells(tmp_path)
    write_cells(tmp_path, [FINISHED])
    file = tmp_path / "cells.json"
    content = json.loads(file.read_text())
    del content["sha256"]
    impossible = [("top1", "high"), ("top1", 7.5), ("top1", -0.1), ("top5", 1.01), ("wall_seconds", -1.0)]
    for name, value in [*impossible, ("wall_seconds", 1e300), ("label_bytes", -1), ("label_bytes", 10**40)]:
        changed = {"cells": [{**content["cells"][0], name: value}]}
        file.write_text(json.dumps({**changed, "sha256": content_key(changed)}))
        with pytest.raises(RunError, match=rf"cells\.0\.{name}: Input should be"):
            read_cells(tmp_path)
    file.write_text(file.read_text().replace("10000", "20000"))
    with pytest.raises(RunError, match="its digest does not fit"):
        read_cells(tmp_path)

"""A worker of a comparison runs the cells that it is told, in the environment of whoever tells it."""

from __future__ import annotations

import os
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

from semdd_lightning.studies.runs import Runs
from semdd_lightning.studies.workers import _serve


def test_variables_are_those_of_now_and_no_others() -> None:
    seen: list[tuple[int, dict[str, str]]] = []
    runs = SimpleNamespace(run=lambda index: seen.append((index, dict(os.environ))))
    here, there = Pipe()
    for told in (3, None):
        here.send(told)
    before = {"SEMDD_FIT__SEED_EVERYTHING": "5", "SEMDD_FIT__TRAINER__PRECISION": "64"}
    now = {"SEMDD_FIT__TRAINER__PRECISION": "32", "CUDA_VISIBLE_DEVICES": ""}
    with patch.dict(os.environ, before):
        _serve(there, cast("Runs", runs), number=0, jobs=1, variables=now)
    assert here.recv() == 3
    ((index, variables),) = seen
    assert index == 3
    assert {name: text for name, text in variables.items() if name.startswith("SEMDD")} == {
        "SEMDD_FIT__TRAINER__PRECISION": "32"
    }

"""What the parser of an experiment makes of options."""

from __future__ import annotations

from typing import Union

import pytest
from lightning.pytorch import Trainer

from semdd_lightning.experiment.experiment import parsed_experiment


def test_one_batch_is_not_all_of_them_whatever_was_imported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library has written float before int, `typing` shows Lightning's signature in that order."""
    annotations = Trainer.__init__.__annotations__
    names = [name for name in annotations if name.startswith("limit_")]
    for name in names:
        monkeypatch.setitem(annotations, name, Union[float, int, None])  # noqa: UP007 - what typing shows
    shown = dict(annotations)
    argv = ["fit", "--config=quickstart.yaml", *(f"--trainer.{name}=1" for name in names)]
    trainer = parsed_experiment([*argv, "--trainer.limit_val_batches=1.0"]).as_dict()["trainer"]
    limits = {name: trainer[name] for name in names}
    assert {name: type(limit) for name, limit in limits.items()} == {
        name: float if name == "limit_val_batches" else int for name in names
    }
    assert set(limits.values()) == {1}
    assert annotations == shown
    assert [str(annotations[name]) for name in names] == [str(shown[name]) for name in names]

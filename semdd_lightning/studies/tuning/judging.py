"""The images that a search judges by: real ones that the config gives, else a part of the pool put aside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.studies.comparing.design import composed

WITHOUT_TEST = ("--data.test=null",)  # first of all: nothing of a test split is even named from here on
AT_THE_END = ("--run.validate_at_end=true", "--trainer.check_val_every_n_epoch=null")
_OF_THE_LOADER = {"image_size"}  # arguments of an image set that do not say which images it holds


def validation_options(configs: Sequence[Path], settings: Mapping[str, Any], held_out: int) -> list[str]:
    """Options that give a run its validation images, where its config gives none.

    Args:
        configs: of the search.
        settings: all settings of a run without a test.
        held_out: images at the end of each class of the pool that are put aside, where nothing else is given.

    Raises:
        ConfigError: if the validation images are those of the test, or no part of the pool can be put aside.
    """
    data = settings["data"]["init_args"]
    given = data.get("validation")
    if given is not None:
        test = ((composed(configs, ()).get("data") or {}).get("init_args") or {}).get("test")
        if isinstance(test, dict) and _same_images(test, given):
            msg = (
                "Expected data.validation to be other images than data.test, found the same; a search by the "
                "test split would be no test any more. Give real training images, or --data.validation=null "
                "for a part of the pool."
            )
            raise ConfigError(msg)
        return []
    pool = data["pool"]
    if pool.get("init_args", {}).get("held_out"):
        msg = (
            "Expected a whole pool, or data.validation, found a pool with held_out, whose other part may be "
            "a test; give data.validation an image set of real training images."
        )
        raise ConfigError(msg)
    aside = {**pool, "init_args": {**pool.get("init_args", {}), "held_out": held_out, "part": "held_out"}}
    return [
        f"--data.init_args.pool.init_args.held_out={held_out}",
        f"--data.init_args.validation={json.dumps(aside, default=str)}",
    ]


def _same_images(test: Mapping[str, Any], validation: Mapping[str, Any]) -> bool:
    """Whether two image sets of a config share images, as far as it says; of the test without defaults."""
    kinds = [str(images.get("class_path")).rpartition(".")[2] for images in (test, validation)]
    one, other = (images.get("init_args") or {} for images in (test, validation))
    if {"path"} <= one.keys() & other.keys() and isinstance(one["path"], str | Path):
        places = [Path(os.path.realpath(Path(str(images["path"])).expanduser())) for images in (one, other)]
        parts = [(images.get("held_out") or 0, images.get("part") or "rest") for images in (one, other)]
        apart = parts[0][0] == parts[1][0] != 0 and parts[0][1] != parts[1][1]
        return not apart and (places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]))
    return kinds[0] == kinds[1] and all(
        str(other.get(name)) == str(value) for name, value in one.items() if name not in _OF_THE_LOADER
    )

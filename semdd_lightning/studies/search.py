"""A search before it runs: what it varies, which images it judges by, and the command of each of its runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import TUNE, read_config, with_bases
from semdd_lightning.experiment.config.sampler_options import described_sampler
from semdd_lightning.experiment.run.directory import config_digests
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.records import content_key
from semdd_lightning.studies.axes import as_word
from semdd_lightning.studies.design import (
    SET_HERE,
    check_overrides,
    composed,
    of_data,
    settings_with_pool,
)
from semdd_lightning.studies.space import SAMPLER, SPACES, Dimension, dimension

SET_BY_TUNING = SET_HERE | {
    "--data.sampler": "--sampler",
    "--data.test": "none: the test is for the end, with best.yaml",
}
WITHOUT_TEST = ("--data.test=null",)  # first of all: nothing of a test split is even named from here on
AT_THE_END = ("--run.validate_at_end=true", "--trainer.check_val_every_n_epoch=null")
_OF_THE_LOADER = {"image_size"}  # arguments of an image set that do not say which images it holds


@dataclass(frozen=True)
class Search:
    """What a search varies and what its runs have in common.

    Attributes:
        configs: config files of every run.
        overrides: further options of every run.
        judged: options that leave the test out and give validation images.
        sampler: class and arguments that stay as they are.
        dimensions: what is varied.
        images: where pool and validation images lie.
    """

    configs: tuple[Path, ...]
    overrides: tuple[str, ...]
    judged: tuple[str, ...]
    sampler: Mapping[str, Any]
    dimensions: tuple[Dimension, ...]
    images: tuple[str, ...]

    @property
    def digests(self) -> dict[str, str]:
        """What tells whether its configs, and the variables beside them, still say the same."""
        return config_digests(with_bases(self.configs))

    @property
    def key(self) -> str:
        """What tells another search from this one."""
        space = [astuple(each) for each in self.dimensions]
        return content_key([self.digests, self.overrides, self.judged, self.sampler, space])

    def command(self, values: Mapping[str, Any], seed: int, directory: Path) -> list[str]:
        """The run of some values and a seed, as words after ``semdd``."""
        seeds = [f"--seed_everything={seed}", f"--data.init_args.selection_seed={seed}"]
        always = ["--trainer.enable_progress_bar=false", "--trainer.devices=1"]
        return [*self.options(values), *always, *seeds, *self.judged, f"--run.directory={directory}"]

    def options(self, values: Mapping[str, Any]) -> list[str]:
        """What these values make of the configs: a ``fit`` with its test, as one runs it in the end."""
        configs = [f"--config={path}" for path in self.configs]
        others = [
            f"--{name}={as_word(value)}" for name, value in values.items() if not name.startswith(SAMPLER)
        ]
        sampler = f"--data.init_args.sampler={json.dumps(self.sampler_with(values))}"
        return ["fit", *configs, *self.overrides, sampler, *others]

    def sampler_with(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The sampler with some values of its parameters."""
        own = {
            name.removeprefix(SAMPLER): value for name, value in values.items() if name.startswith(SAMPLER)
        }
        return {**self.sampler, "init_args": {**self.sampler["init_args"], **own}}


def plan_search(
    configs: Sequence[Path],
    overrides: Sequence[str],
    sampler: str | None,
    ranges: Mapping[str, Any],
    held_out: int,
) -> Search:
    """What is to be searched; whatever is wrong with it is refused before the first run.

    Args:
        configs: of every run; their section ``tune`` gives ranges by options.
        overrides: further options of every run.
        sampler: its name (default: the configs').
        ranges: by options, over those of the configs.
        held_out: images of each class that are put aside from the pool, where the config has no validation.

    Raises:
        ConfigError: if something is refused, or there is nothing to vary.
    """
    from semdd_lightning.experiment.experiment import parsed_experiment

    check_overrides(overrides, SET_BY_TUNING)
    settings = settings_with_pool(configs, [*overrides, *WITHOUT_TEST])
    description = _description(sampler, settings["data"]["init_args"]["sampler"])
    dimensions = _dimensions(configs, ranges, description)
    others = [f"--{each.option}" for each in dimensions if not each.option.startswith(SAMPLER)]
    check_overrides(others, SET_BY_TUNING)
    judged = (*WITHOUT_TEST, *AT_THE_END, *_validation_options(configs, settings, held_out))
    images = tuple(image_folders(settings))
    search = Search(tuple(configs), tuple(overrides), judged, description, dimensions, images)
    for end in (0, 1):
        values = {each.option: each.ends[end] for each in dimensions}
        described_sampler(search.sampler_with(values))
        parsed_experiment(search.command(values, 0, Path("trial")))
    return search


def _description(sampler: str | None, given: str | Mapping[str, Any]) -> dict[str, Any]:
    """The sampler that was asked for; one that the configs spell out keeps its arguments."""
    from semdd_lightning.export import class_path
    from semdd_lightning.selection import sampler_kind

    described: dict[str, Any] = {"class_path": given} if isinstance(given, str) else dict(given)
    before = sampler_kind(str(described["class_path"]))
    kind = before if sampler is None else sampler_kind(sampler)
    kept = described.get("init_args") if kind is before else None
    return {"class_path": class_path(kind), "init_args": dict(kept or {})}


def _dimensions(
    configs: Sequence[Path], ranges: Mapping[str, Any], sampler: Mapping[str, Any]
) -> tuple[Dimension, ...]:
    from semdd_lightning.selection import sampler_kind

    given: dict[str, Any] = {}
    for path in with_bases(configs):
        section = read_config(path).get(TUNE) or {}
        if not isinstance(section, dict):
            msg = f"Expected {TUNE} of {path} to map options to ranges, found {section!r}; correct the file."
            raise ConfigError(msg)
        given |= {str(option): value for option, value in section.items()}
    given |= ranges
    if not any(option.startswith(SAMPLER) for option in given):
        declared = SPACES.get(sampler_kind(str(sampler["class_path"])).name, {})
        given = {f"{SAMPLER}{name}": value for name, value in declared.items()} | given
    if not given:
        msg = (
            f"Expected something to vary, found no range for {sampler['class_path']}; give some, as --vary "
            f"{SAMPLER}PARAMETER=[1,4] or --vary data.batch_size=[16,64]."
        )
        raise ConfigError(msg)
    return tuple(dimension(option, value) for option, value in given.items())


def _validation_options(configs: Sequence[Path], settings: Mapping[str, Any], held_out: int) -> list[str]:
    """Options that put a part of the pool aside as validation images, where the config gives none."""
    data = settings["data"]["init_args"]
    given = data.get("validation")
    if given is not None:
        test = of_data(composed(configs), "test")
        if isinstance(test, dict) and _same_images(test, given):
            msg = (
                "Expected data.validation to be other images than data.test, found the same; a search by the "
                "test split would be no test any more. Give real training images, or --data.validation=null "
                "for a part of the pool."
            )
            raise ConfigError(msg)
        return []
    pool = data["pool"]
    arguments = pool.get("init_args", {})
    if arguments.get("held_out"):
        msg = (
            "Expected a whole pool, or data.validation, found a pool with held_out, whose other part may be "
            "a test; give data.validation an image set of real training images."
        )
        raise ConfigError(msg)
    aside = {**pool, "init_args": {**arguments, "held_out": held_out, "part": "held_out"}}
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

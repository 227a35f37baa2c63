"""A search before it runs: what it varies, and the command of each of its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import TUNE, read_config, with_bases
from semdd_lightning.experiment.config.sampler_options import described_sampler
from semdd_lightning.experiment.run.directory import config_digests
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.records import content_key
from semdd_lightning.studies.comparing.design import check_overrides
from semdd_lightning.studies.tuning.judging import AT_THE_END, WITHOUT_TEST, validation_options
from semdd_lightning.studies.tuning.space import SAMPLER, SPACES, Dimension, dimension

SET_HERE = {  # option of a run -> what tuning has in its place
    "--seed_everything": "--seeds",
    "--data.selection_seed": "--seeds",
    "--data.init_args.selection_seed": "--seeds",
    "--data.sampler": "--sampler",
    "--data.init_args.sampler": "--sampler",
    "--data.test": "none: the test is for the end, with best.yaml",
    "--data.init_args.test": "none: the test is for the end, with best.yaml",
    "--run": "--out",
    "--trainer.devices": "no choice: each run has one device",
}


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
        space = [[each.option, each.choices, each.low, each.high, each.log] for each in self.dimensions]
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
            f"--{name}={_word(value)}" for name, value in values.items() if not name.startswith(SAMPLER)
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
        sampler: its name; none for the configs'.
        ranges: by options, over those of the configs.
        held_out: images of each class that are put aside from the pool, where the config has no validation.

    Raises:
        ConfigError: if something is refused, or there is nothing to vary.
    """
    from semdd_lightning.experiment.experiment import parsed_experiment

    check_overrides(overrides, SET_HERE)
    parsed = parsed_experiment(["fit", *(f"--config={path}" for path in configs), *overrides, *WITHOUT_TEST])
    settings = parsed.as_dict()
    data = settings["data"]["init_args"]
    if "sampler" not in data:
        msg = f"Expected runs that choose out of a pool, found {settings['data']['class_path']}; give a pool."
        raise ConfigError(msg)
    description = _description(sampler, data["sampler"])
    dimensions = _dimensions(configs, ranges, description)
    check_overrides(
        [f"--{each.option}" for each in dimensions if not each.option.startswith(SAMPLER)], SET_HERE
    )
    judged = (*WITHOUT_TEST, *AT_THE_END, *validation_options(configs, settings, held_out))
    images = tuple(image_folders(settings))
    search = Search(tuple(configs), tuple(overrides), judged, description, dimensions, images)
    for end in (0, 1):
        values = {each.option: each.ends[end] for each in dimensions}
        described_sampler(search.sampler_with(values))
        parsed_experiment(search.command(values, 0, Path("trial")))
    return search


def _description(sampler: str | None, given: str | Mapping[str, Any]) -> dict[str, Any]:
    """The sampler that was asked for; one that the configs spell out keeps its arguments."""
    from semdd_lightning.selection import sampler_kind

    described: dict[str, Any] = {"class_path": given} if isinstance(given, str) else dict(given)
    kind = sampler_kind(str(described["class_path"]) if sampler is None else sampler)
    kept = described.get("init_args") if kind is sampler_kind(str(described["class_path"])) else None
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": dict(kept or {})}


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


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

"""The cells of a grid: each with its place on the axes, its command, and a name for its directory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path

from semdd_lightning.errors import ConfigError
from semdd_lightning.evaluation.cells import AXES
from semdd_lightning.experiment.config.configs import with_bases
from semdd_lightning.experiment.config.options import OF_TRAINING
from semdd_lightning.experiment.run.directory import config_digests
from semdd_lightning.records import content_key
from semdd_lightning.studies.axes import Entry, Section, entries
from semdd_lightning.studies.design import (
    DISTINCT,
    SET_HERE,
    Design,
    check_overrides,
    make_design,
    sampler_options,
)

MOST_CELLS = 100_000
SET_BY_COMPARING = SET_HERE | {"--data.sampler": "--samplers, with arguments in a config"}
SET_BY_AXIS = {  # axis -> options of a run that it sets, where it is given
    "priors": ("data.prior",),
    "ipc": ("data.ipc",),
    "students": ("model.student", "model.network"),
}
LONGEST_NAME = 150  # bytes
_NO_FILE_NAME = re.compile(r"[^\w.-]")  # an installed sampler may have any name


@dataclass(frozen=True)
class Planned:
    """One cell before it runs.

    Attributes:
        axes: its place in the grid.
        argv: its run's command, without the directory.
        configs: the files in it.
        name: of its directory, where it has none yet.
    """

    axes: Mapping[str, str | int]
    argv: tuple[str, ...]
    configs: tuple[Path, ...]
    name: str

    def command(self, directory: Path) -> list[str]:
        """What runs it, as words after ``semdd``."""
        return [*self.argv, f"--run.directory={directory}"]


@dataclass(frozen=True)
class Plan:
    """All cells, in the order of the grid, and what their runs read.

    Attributes:
        cells: seed by seed, so that an interrupted comparison is still paired.
        digests: of each config file, what tells whether it is still the same, and the variables.
        images: where pools and splits lie.
    """

    cells: list[Planned]
    digests: Mapping[str, str]
    images: list[str]

    def recipe(self, planned: Planned) -> str:
        """What tells of a run whether it is this cell: its command and what its configs say."""
        files = {str(path) for path in with_bases(planned.configs)}
        others = {name for name in self.digests if name not in files and not name.startswith(OF_TRAINING)}
        own = {name: self.digests[name] for name in self.digests.keys() - others}
        return recipe(planned.argv, own)


def recipe(argv: Sequence[str], digests: Mapping[str, str]) -> str:
    """Key of a run's command, whatever its directory, and of what its configs say."""
    words = [word for word in argv if not word.startswith("--run.directory=")]
    return content_key({"command": words, "configs": dict(digests)})


def make_plan(configs: Sequence[Path], section: Section, overrides: Sequence[str]) -> Plan:
    """The cells of a grid.

    Args:
        configs: of the comparison.
        section: its axes.
        overrides: further options of every run.

    Raises:
        ConfigError: if the grid is too large, or one of its designs or samplers cannot be run.
    """
    names = {axis: f"{axis}s" for axis in (*DISTINCT, "sampler")} | {"ipc": "ipc"}
    axes = {axis: entries(name, getattr(section, name), configs) for axis, name in names.items()}
    count = len(section.seed_pairs()) * prod(map(len, axes.values()))
    if count > MOST_CELLS:
        msg = f"Expected at most {MOST_CELLS:,} cells, found {count:,}; split the comparison."
        raise ConfigError(msg)
    _check(axes, section, overrides)
    designs = []
    for combination in product(*(axes[axis] for axis in DISTINCT)):
        chosen = dict(zip(DISTINCT, combination, strict=True))
        designs.append(make_design(configs, chosen, overrides, axes["ipc"][0]))
    several = [axis for axis, places in axes.items() if len(places) > 1]
    if {"sampler", "ipc"} & set(several) and any(design.stored_labels for design in designs):
        msg = (
            "Expected a teacher that can label what each sampler chooses, found StoredLabels, which hold the "
            "labels of one selection; give the teacher itself, --model.teacher with its arguments, or for "
            "each sampler `semdd relabel` and `semdd fit` from its labels."
        )
        raise ConfigError(msg)
    cells = _cells(designs, axes["sampler"], axes["ipc"], section.seed_pairs())
    cells = _named(cells, [axis for axis in AXES if axis == "sampler" or axis in several])
    files = {path for configs in {cell.configs for cell in cells} for path in with_bases(configs)}
    images = list(dict.fromkeys(folder for design in designs for folder in design.images))
    return Plan(cells, config_digests(sorted(files)), images)


def _check(axes: Mapping[str, Sequence[Entry]], section: Section, overrides: Sequence[str]) -> None:
    given = [axis for axis in SET_BY_AXIS if getattr(section, axis) is not None]
    names = {f"--{option}": f"--{axis}" for axis in given for option in SET_BY_AXIS[axis]}
    check_overrides(overrides, SET_BY_COMPARING | names)
    of_cell = {"--data.ipc": "--ipc"}  # whose ipc comes after its sampler
    for axis, places in axes.items():
        also = of_cell if axis in ("sampler", "ipc") else {}
        for entry in places:
            check_overrides(entry.options, SET_BY_COMPARING | names | also)


def _cells(
    designs: Sequence[Design],
    samplers: Sequence[Entry],
    ipcs: Sequence[Entry],
    seeds: Sequence[tuple[int, int]],
) -> list[Planned]:
    chosen = []  # of each design, by each sampler, the configs and options
    for design in designs:
        for sampler in samplers:
            files = (*design.configs, *sampler.configs)
            own = [*sampler.options, *sampler_options(sampler.component, files)]
            chosen.append((design, sampler, files, own))
    found: dict[tuple[str, ...], Planned] = {}
    for (selection_seed, training_seed), number, ipc, place in product(
        seeds, range(len(designs)), ipcs, range(len(samplers))
    ):
        design, sampler, files, own = chosen[number * len(samplers) + place]
        axes = {**design.axes, "selection_seed": selection_seed, "training_seed": training_seed}
        axes["sampler"] = sampler.label or axes["sampler"]
        axes["ipc"] = axes["ipc"] if ipc.component is None else int(ipc.component)
        options = [*design.options, *ipc.options, *own, f"--data.init_args.ipc={axes['ipc']}"]
        options += [f"--seed_everything={training_seed}", f"--data.init_args.selection_seed={selection_seed}"]
        configs = (*files, *ipc.configs)
        argv = ("fit", *(f"--config={path}" for path in configs), *options, "--trainer.devices=1")
        cell = Planned({axis: axes[axis] for axis in AXES}, argv, configs, "")
        if (same := found.setdefault(argv, cell)) is not cell:
            msg = (
                f"Expected cells that differ, found the same run as {dict(same.axes)} and {dict(cell.axes)}; "
                "leave one out."
            )
            raise ConfigError(msg)
    return list(found.values())


def _named(cells: Sequence[Planned], vary: Sequence[str]) -> list[Planned]:
    """The cells with a name each, of what tells them apart here, in letters that every file system takes."""
    names = [_name(cell.axes, vary) for cell in cells]
    often = Counter(name.casefold() for name in names)
    return [
        replace(cell, name=name if often[name.casefold()] == 1 else f"{name}-{_key(cell.axes)}")
        for name, cell in zip(names, cells, strict=True)
    ]


def _name(axes: Mapping[str, str | int], vary: Sequence[str]) -> str:
    words = [f"ipc{axes[axis]}" if axis == "ipc" else str(axes[axis]) for axis in vary]
    one, other = axes["selection_seed"], axes["training_seed"]
    seeds = f"seed{one}" if one == other else f"select{one}-train{other}"
    name = _NO_FILE_NAME.sub("_", "-".join([*words, seeds]))
    if name.startswith("."):
        name = f"_{name}"
    if len(name.encode()) > LONGEST_NAME:
        name = f"{name.encode()[:LONGEST_NAME].decode(errors='ignore')}-{_key(axes)}"
    return name


def _key(axes: Mapping[str, str | int]) -> str:
    return content_key(dict(axes))[:8]

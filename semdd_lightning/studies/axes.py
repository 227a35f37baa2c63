"""The axes of a comparison: what a config's section ``compare`` or the command line puts on each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue, with_config

from semdd_lightning.data.image_settings import LARGEST_SEED
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import COMPARE, find_config, read_config, with_bases
from semdd_lightning.records import RECORD, checked, in_words

Description = dict[str, JsonValue]
Some = Field(min_length=1)
Words = Annotated[list[Annotated[str, Some] | Description], Some] | None
Counts = Annotated[list[Annotated[int, Field(ge=1)] | Description], Some] | None
Seeds = Annotated[list[Annotated[int, Field(ge=0, le=LARGEST_SEED)]], Some] | None

PARTS = ("data", "model", "trainer")  # of a run's config, that an entry may set
CONFIG_FOLDERS = {"pools": "", "protocols": "protocols"}  # axes of configs, and where packaged ones lie
SEEDS = ("seeds", "selection_seeds", "training_seeds")
COMPONENTS = ("priors", "samplers", "students")  # axes of parts with a class and arguments


@with_config(RECORD)
@dataclass(frozen=True)
class Section:
    """The section ``compare`` of a config; what it leaves out is as the config has it.

    Attributes:
        pools: configs of pools.
        priors: models that score them.
        samplers: names, or classes with arguments.
        ipc: images per class.
        students: networks.
        protocols: configs of protocols.
        seeds: of selection and training alike.
        selection_seeds: of the selection alone, each with every one of the training.
        training_seeds: of the training alone.
    """

    pools: Words = None
    priors: Words = None
    samplers: Words = None
    ipc: Counts = None
    students: Words = None
    protocols: Words = None
    seeds: Seeds = None
    selection_seeds: Seeds = None
    training_seeds: Seeds = None

    def seed_pairs(self) -> list[tuple[int, int]]:
        """Seeds of selection and training, of each run."""
        if self.selection_seeds is None and self.training_seeds is None:
            return [(seed, seed) for seed in self.seeds or [0, 1, 2]]
        selection, training = self.selection_seeds or [0], self.training_seeds or [0]
        return [(one, other) for one in selection for other in training]


@dataclass(frozen=True)
class Entry:
    """One place on an axis.

    Attributes:
        label: what it is called in tables.
        configs: files that it lays over the comparison's.
        options: those that it gives a run.
        component: what stands on the axis itself: a name, a class with arguments, or a number
            (default: as the configs have it).
    """

    label: str | int
    configs: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()
    component: Any = None


def read_section(configs: Sequence[Path], given: Mapping[str, Any]) -> Section:
    """What configs put on the axes, and the command line in its place.

    Args:
        configs: later ones go over earlier ones, axis by axis.
        given: axes of the command line.

    Raises:
        ConfigError: if an axis is unknown, empty or holds what does not belong there.
    """
    raw: dict[str, Any] = {}
    for path in with_bases(configs):
        found = read_config(path).get(COMPARE, {})
        if not isinstance(found, dict):
            msg = f"Expected {COMPARE} in {path} to be a mapping of axes, found {found!r}; correct the file."
            raise ConfigError(msg)
        raw = _over(raw, found)
    raw = _over(raw, given)
    try:
        section = checked(raw, Section)
    except ValueError as error:
        axes = ", ".join(axis.name for axis in fields(Section))
        msg = (
            f"Expected the axes of a comparison ({axes}), each a list of values, found {in_words(error)}; "
            f"correct the section {COMPARE} or the option."
        )
        raise ConfigError(msg) from error
    if section.seeds and (section.selection_seeds or section.training_seeds):
        msg = (
            "Expected seeds, or selection_seeds and training_seeds, found both; leave one out: seeds are "
            "those of selection and training alike."
        )
        raise ConfigError(msg)
    for name in SEEDS:
        _check_distinct(name, getattr(section, name) or [])
    return section


def entries(axis: str, values: Sequence[Any] | None, configs: Sequence[Path]) -> list[Entry]:
    """The places on an axis; one that leaves all as it is, without a label, where the axis is not given.

    Args:
        axis: its name in a section.
        values: what stands there.
        configs: of the comparison, beside which other configs may lie.

    Raises:
        ConfigError: if one is not what belongs there, or two have one label.
    """
    if values is None:
        return [Entry("")]
    near = [path.parent for path in reversed(with_bases(configs))]
    found = [
        _described(axis, value, near) if isinstance(value, dict) else _plain(axis, value, near)
        for value in values
    ]
    often = Counter(entry.label for entry in found)
    for place, value in enumerate(values):
        if often[found[place].label] > 1 and isinstance(value, str):  # two files of one name: by their paths
            found[place] = replace(found[place], label=value)
    _check_distinct(axis, [entry.label for entry in found])
    return found


def _check_distinct(axis: str, labels: Sequence[str | int]) -> None:
    if len(set(labels)) < len(labels):
        twice = next(label for number, label in enumerate(labels) if label in labels[:number])
        msg = f"Expected every label once in {axis}, found {twice!r} twice; give each its own label."
        raise ConfigError(msg)


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Axes over others: whoever gives seeds replaces seeds of either form."""
    if any(name in above for name in SEEDS):
        below = {name: value for name, value in below.items() if name not in SEEDS}
    return {**below, **above}


def _plain(axis: str, value: str | int, near: Sequence[Path]) -> Entry:
    if isinstance(value, int):
        return Entry(value, component=value)
    if axis in CONFIG_FOLDERS or value.endswith((".yaml", ".yml")):
        return Entry(Path(value).stem, (_find(axis, value, near),))
    if axis == "samplers":
        from semdd_lightning.selection import build_sampler

        build_sampler(value)  # or it is refused
        value = sampler_label(value)
    return Entry(value, component=value)


def _described(axis: str, value: Mapping[str, Any], near: Sequence[Path]) -> Entry:
    rest = dict(value)
    label, configs = rest.pop("label", None), rest.pop("config", [])
    kind = int if axis == "ipc" else str
    if not isinstance(label, kind) or isinstance(label, bool) or not label or not str(label).isprintable():
        what = "a number of images" if kind is int else "a short text"
        msg = f"Expected a label in every mapping of {axis}, {what}, found {value!r}; give `label`."
        raise ConfigError(msg)
    names = [configs] if isinstance(configs, str) else configs
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        msg = f"Expected `config` of {label!r} in {axis} to name configs, found {configs!r}; correct it."
        raise ConfigError(msg)
    settings = {name: rest.pop(name) for name in list(rest) if name.partition(".")[0] in PARTS}
    if rest and axis not in COMPONENTS:
        msg = (
            f"Expected label, config and options ({', '.join(PARTS)}) of {label!r} in {axis}, found "
            f"{', '.join(rest)}; correct the names."
        )
        raise ConfigError(msg)
    files = tuple(_find(axis, name, near) for name in names)
    component: Any = label if axis == "ipc" else (_component(axis, rest) if rest else None)
    return Entry(label, files, tuple(as_options(settings)), component)


def _component(axis: str, description: dict[str, Any]) -> dict[str, Any]:
    """A class with its arguments; of a prior, the arguments alone will do."""
    if axis == "priors" and "class_path" not in description:
        return description
    if not isinstance(description.get("class_path"), str) or description.keys() - {"class_path", "init_args"}:
        msg = (
            f"Expected a mapping of {axis} with label, class_path and init_args, or with config, found "
            f"{description!r}; correct it."
        )
        raise ConfigError(msg)
    if axis == "samplers":
        from semdd_lightning.experiment.config.sampler_options import described_sampler
        from semdd_lightning.export import class_path

        return {**description, "class_path": class_path(type(described_sampler(description)))}
    return description


def sampler_label(word: str) -> str:
    """A sampler's short name where this package has it, so that each sampler has one name."""
    from semdd_lightning.selection import SAMPLERS, sampler_kind

    kind = sampler_kind(word)
    return kind.name if SAMPLERS.get(kind.name) is kind else word


def _find(axis: str, name: str, near: Sequence[Path]) -> Path:
    """A config beside those of the comparison, else as ``--config`` finds it; a pool's also by its stem."""
    names = [name]
    if axis in CONFIG_FOLDERS:
        file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
        names = [file, f"{CONFIG_FOLDERS[axis]}/{file}".lstrip("/")]
    for path in (folder / one for folder in near for one in names):
        if path.is_file():
            return path.absolute()
    with suppress(ConfigError):
        return find_config(names[0])
    return find_config(names[-1])


def as_options(settings: Mapping[str, Any], prefix: str = "--") -> Iterator[str]:
    """Nested options as words of a command line; a class goes with its arguments.

    Examples:
        >>> list(as_options({"data": {"pool": {"class_path": "P", "init_args": {"x": 1}}, "ipc": 3}}))
        ['--data.pool={"class_path": "P", "init_args": {"x": 1}}', '--data.ipc=3']
        >>> list(as_options({"data.pool.path": "p"}))
        ['--data.pool.path=p']
    """
    for name, value in settings.items():
        inside = dict(value) if isinstance(value, Mapping) else {}
        if name in ("data", "model") and "class_path" in inside:  # where it is the same, other arguments stay
            yield f"--{name}={inside.pop('class_path')}"
        if inside and "class_path" not in inside:
            yield from as_options(inside, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={as_word(value)}"


def as_word(value: object) -> str:
    """A value as the parser reads it from the command line."""
    return value if isinstance(value, str) else json.dumps(value)

"""Finds config files: in the working directory, else among those that come with the package."""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from semdd_lightning.errors import ConfigError

BASE = "base"  # the key of a config that names those it goes over
COMPARE, TUNE = "compare", "tune"  # keys with the axes of a comparison, and the ranges of a search
OF_MANY = (COMPARE, TUNE)  # what a single run does not have


def packaged_configs() -> Path:
    """The folder of configs: inside the package in a wheel, beside it in a checkout."""
    inside, beside = (Path(__file__).parents[up] / "configs" for up in (2, 3))
    return inside if inside.is_dir() else beside


def find_config(name: str) -> Path:
    """The file that ``--config name`` means, in the working directory or packaged; else a `ConfigError`."""
    for path in (Path(name).expanduser(), packaged_configs() / name):
        if path.is_file():
            return path.absolute()
    root = packaged_configs()
    known = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.yaml"))
    msg = (
        f"Expected a config at {Path(name).absolute()} or among the packaged ones, found none; "
        f"packaged are {', '.join(known)}."
    )
    raise ConfigError(msg)


SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one is not built everywhere


class _Once(SafeLoader):  # type: ignore[misc] # chosen at run time
    """Refuses a name that stands twice in one mapping, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        for place, name in enumerate(names):
            if name in names[:place]:
                problem = f"{name!r} twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.value[place][0].start_mark)
        return dict(super().construct_mapping(node, deep))


def read_config(path: Path) -> dict[str, Any]:
    """The content of a config file alone, without what it goes over; an empty one says nothing.

    Raises:
        ConfigError: if it cannot be read, or is no mapping in YAML.
    """
    try:
        content: Any = yaml.load(path.read_text(encoding="utf-8").removeprefix("\ufeff"), _Once)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        msg = f"Expected a config in YAML at {path}, found: {error}; correct the file."
        raise ConfigError(msg) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        msg = f"Expected a mapping in the config {path}, found {type(content).__name__}; correct the file."
        raise ConfigError(msg)
    return {str(key): value for key, value in content.items()}


def bases_of(path: Path, over: tuple[Path, ...] = ()) -> list[Path]:
    """The configs that one names as its ``base``: they come first, in their order, and it goes over them.

    A name means a file beside the config, else what ``--config`` would mean by it. ``over`` are those that
    the config is a base of.

    Raises:
        ConfigError: if the config is its own base, one of them is not there, or they are no names.
    """
    given = read_config(path).get(BASE) or []
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        msg = f"Expected {BASE} of {path} to be a list of configs, found {given!r}; correct the file."
        raise ConfigError(msg)
    beside = {name: path.parent / name for name in names}
    found = [file.absolute() if file.is_file() else find_config(name) for name, file in beside.items()]
    for base in found:
        if base in (path, *over):
            msg = f"Expected configs that end in one without {BASE}, found that {base} is its own; remove it."
            raise ConfigError(msg)
        bases_of(base, (path, *over))
    return found


def with_bases(paths: Iterable[Path]) -> list[Path]:
    """Every file that configs are made of, in the order of their merging."""
    return [file for path in paths for file in (*with_bases(bases_of(path)), path)]


def compose(path: Path) -> dict[str, Any]:
    """The content of a config over that of its bases, as a single run has it."""
    content = read_config(path)
    composed: dict[str, Any] = {}
    for base in bases_of(path):
        composed = overlay(composed, compose(base))
    for key in (BASE, *OF_MANY):
        content.pop(key, None)
    return overlay(composed, content)


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested options over others; a new class forgets the arguments of the one before.

    Examples:
        >>> overlay({"class_path": "A", "init_args": {"x": 1}, "y": {"z": 2}}, {"y": {"w": 3}})
        {'class_path': 'A', 'init_args': {'x': 1}, 'y': {'z': 2, 'w': 3}}
        >>> overlay({"class_path": "A", "init_args": {"x": 1}}, {"class_path": "B"})
        {'class_path': 'B'}
    """
    classes = [str(options.get("class_path")).rpartition(".")[2] for options in (below, above)]
    if "class_path" in above and classes[0] != classes[1]:
        below = {name: value for name, value in below.items() if name != "init_args"}
    both = {
        name: overlay(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return {**below, **above, **both}


def read_data_arguments(path: Path) -> dict[str, Any]:
    """What a config, over its bases, gives as ``data.init_args``; empty if it gives nothing.

    Raises:
        ConfigError: as `compose`, or if that is no mapping.
    """
    arguments: Any = compose(path)
    for key in ("data", "init_args"):
        arguments = arguments.get(key) or {}
        if not isinstance(arguments, dict):
            msg = (
                f"Expected data.init_args as a mapping in {path}, found {key}: {arguments!r}; give an "
                "experiment's config."
            )
            raise ConfigError(msg)
    return dict(arguments)


def split_configs(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What a command line names as ``--config``, and what it gives beside them.

    Examples:
        >>> split_configs(["-c", "quickstart.yaml", "--data.ipc", "2", "--config=mine.yaml"])
        (['quickstart.yaml', 'mine.yaml'], ['--data.ipc', '2'])
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="append", default=[])
    known, rest = parser.parse_known_args(argv)
    return known.config, rest


def config_name(path: Path) -> str:
    """What one types to name a config again: packaged ones by their name, others by their path."""
    for root in (packaged_configs(), Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)

"""Finds config files: in the working directory, else among those that come with the package."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from semdd_lightning.errors import ConfigError


def packaged_configs() -> Path:
    """The folder of configs: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


def find_config(name: str) -> Path:
    """The file that ``--config name`` means.

    Raises:
        ConfigError: if there is no such file in the working directory or among the packaged configs.
    """
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


class _Once(yaml.SafeLoader):
    """Refuses a name that stands twice in one mapping, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        for place, name in enumerate(names):
            if name in names[:place]:
                problem = f"{name!r} twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.value[place][0].start_mark)
        return super().construct_mapping(node, deep)


def read_config(path: Path) -> dict[str, Any]:
    """The content of a config file; an empty one says nothing.

    Raises:
        ConfigError: if it cannot be read, or is no mapping in YAML.
    """
    try:
        content: Any = yaml.load(path.read_text(encoding="utf-8-sig"), _Once)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        msg = f"Expected a config in YAML at {path}, found: {error}; correct the file."
        raise ConfigError(msg) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        msg = f"Expected a mapping in the config {path}, found {type(content).__name__}; correct the file."
        raise ConfigError(msg)
    return {str(key): value for key, value in content.items()}


def read_data_arguments(path: Path) -> dict[str, Any]:
    """What a config gives as ``data.init_args``; empty if it gives nothing.

    Raises:
        ConfigError: as `read_config`, or if that is no mapping.
    """
    arguments: Any = read_config(path)
    for key in ("data", "init_args"):
        arguments = arguments.get(key) or {}
        if not isinstance(arguments, dict):
            msg = (
                f"Expected data.init_args as a mapping in {path}, found {key}: {arguments!r}; give an "
                "experiment's config."
            )
            raise ConfigError(msg)
    return dict(arguments)


def resolve_configs(words: Sequence[str]) -> list[str]:
    """Command-line words with every ``--config NAME`` replaced by the path of its file."""
    resolved: list[str] = []
    expecting = False
    for word in words:
        if expecting:
            resolved.append(str(find_config(word)))
            expecting = False
        elif word.startswith("--config="):
            resolved.append(f"--config={find_config(word.removeprefix('--config='))}")
        else:
            resolved.append(word)
            expecting = word in ("--config", "-c")
    return resolved


def named_configs(words: Sequence[str]) -> list[str]:
    """What the words name as ``--config``, in their order.

    Example:
        >>> named_configs(["fit", "--config", "quickstart.yaml", "--data.ipc", "2", "--config=mine.yaml"])
        ['quickstart.yaml', 'mine.yaml']
    """
    follows = [False, *(word in ("--config", "-c") for word in words)]
    return [
        word.removeprefix("--config=")
        for word, is_value in zip(words, follows, strict=False)
        if is_value or word.startswith("--config=")
    ]


def without_configs(words: Sequence[str]) -> list[str]:
    """The words that are no ``--config NAME``: what a command line changes of its configs.

    Example:
        >>> without_configs(["--config", "quickstart.yaml", "--data.ipc", "2", "--config=mine.yaml"])
        ['--data.ipc', '2']
    """
    named = [word in ("--config", "-c") for word in words]
    return [
        word
        for word, is_option, follows_option in zip(words, named, [False, *named], strict=False)
        if not (is_option or follows_option or word.startswith("--config="))
    ]


def config_name(path: Path) -> str:
    """What one types to name a config again: packaged ones by their name, others by their path."""
    for root in (packaged_configs(), Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)

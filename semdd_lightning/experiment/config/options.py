"""Options by flat names, as ``data.ipc``, and the variables of the environment that are options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from semdd_lightning.errors import ConfigError


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted names, without ``init_args``.

    Examples:
        >>> flatten({"data": {"class_path": "X", "init_args": {"ipc": 1}}})
        {'data.class_path': 'X', 'data.ipc': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            flat |= flatten(value, name)
        else:
            flat[name] = value
    return flat


def same(name: str, one: object, other: object) -> bool:
    """Whether two values of an option say the same, though the parser has spelled the second one out.

    Args:
        name: the option; a ``class_path`` may be a short name.
        one: the value as a config gives it.
        other: the value as the parser saves it: with full class paths and all defaults.

    Examples:
        >>> same("callbacks", [{"class_path": "Best"}], [{"class_path": "x.Best", "init_args": {}}])
        True
        >>> same("passes", 300, 60)
        False
    """
    if isinstance(one, str) and isinstance(other, Path):
        return Path(one) == other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(key in other and same(key, value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(name, a, b) for a, b in zip(one, other, strict=True))
    if name.endswith("class_path"):
        return str(one).rpartition(".")[2] == str(other).rpartition(".")[2]
    return one == other


def parse_value(text: str) -> Any:  # noqa: ANN401 - whatever YAML can say
    """The value that a word of the command line gives an option, read as YAML.

    Examples:
        >>> parse_value("0.3"), parse_value("{typicality: 1}"), parse_value("[")
        (0.3, {'typicality': 1}, '[')
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text  # what it means is for the parser to say


def without_options(argv: Sequence[str], *options: str) -> list[str]:
    """A command line but for some options, their parts, and the values of both.

    Examples:
        >>> argv = ["--data.ipc", "1", "--model.teacher", "ClipTeacher", "--model.teacher.x=1", "--link"]
        >>> without_options(argv, "--model.teacher")
        ['--data.ipc', '1', '--link']
    """
    left: list[str] = []
    of_dropped = False  # a value
    for word in argv:
        name, equals, _ = word.replace(".init_args", "").partition("=")
        dropped = not of_dropped and f"{name}.".startswith(tuple(f"{option}." for option in options))
        if not (dropped or of_dropped):
            left.append(word)
        of_dropped = dropped and not equals
    return left


OF_TRAINING = "SEMDD_FIT__"
"""How those begin that every training reads, below its configs."""


def check_variables(command: str, options: Iterable[str] = ()) -> None:
    """Refuse, by `ConfigError`, a variable that is named as one of a command's options and is none.

    Args:
        command: any of them.
        options: names of its options, as ``trainer.devices``; None where it reads no variable.
    """
    prefix = f"SEMDD_{command}__".upper()
    known = {prefix + option.replace(".", "__").upper() for option in options}
    unread = sorted(name for name in os.environ if name.startswith(prefix) and name not in known)
    if unread:
        name = unread[0].removeprefix(prefix).replace("__", ".").lower()
        whole = f", or the whole part in a variable, as {prefix}DATA" if known else ""
        msg = (
            f"Expected variables {prefix}... that name an option, found {', '.join(unread)}, which nothing "
            f"would read; give --{name}{whole}."
        )
        raise ConfigError(msg)

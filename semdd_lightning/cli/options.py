"""Options of configs and command lines as flat names, ``data.ipc`` for ``data: {init_args: {ipc: ...}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from semdd_lightning.cli.configs import read_config


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted names, without ``init_args``.

    Example:
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


def merge(options: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Later options over earlier ones; a new class forgets the arguments of the one before.

    Example:
        >>> merge([{"model.student": "conv3"}, {"model.student.class_path": "ConvNet"}])
        {'model.student.class_path': 'ConvNet'}
    """
    merged: dict[str, Any] = {}
    for more in options:
        for name, value in more.items():
            part = name.removesuffix(".class_path")  # --model.teacher ClipTeacher names a class too
            known = merged.get(f"{part}.class_path", merged.get(part) if part != name else None)
            if known is not None and _short(known) != _short(value):
                merged = {key: kept for key, kept in merged.items() if not key.startswith(f"{part}.")}
            if part != name:
                merged.pop(part, None)
        merged |= more
    return merged


def same(name: str, one: object, other: object) -> bool:
    """Whether two values of an option say the same, though the parser has spelled the second one out.

    Args:
        name: the option; a ``class_path`` may be a short name.
        one: the value as a config gives it.
        other: the value as the parser saves it: with full class paths and all defaults.

    Example:
        >>> same("callbacks", [{"class_path": "Best"}], [{"class_path": "x.Best", "init_args": {}}])
        True
        >>> same("passes", 300, 60)
        False
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(key in other and same(key, value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(name, a, b) for a, b in zip(one, other, strict=True))
    if name.endswith("class_path"):
        return _short(one) == _short(other)
    return one == other


def options_of(words: Sequence[str]) -> dict[str, Any]:
    """Every option that configs and words give, as the parser goes over them: what is named last wins.

    Args:
        words: words whose ``--config`` options name files.
    """
    places = {behind: path for path, behind in config_places(words)}
    found: list[dict[str, Any]] = []
    for behind in range(1, len(words) + 1):
        if behind in places:
            found.append(flatten(read_config(places[behind])))
        elif words[behind - 1].startswith("--") and not words[behind - 1].startswith("--config"):
            found.append(given_option(words[behind - 1 : behind + 1]))
    return merge(found)


def config_places(words: Sequence[str]) -> list[tuple[Path, int]]:
    """Each config's file, and the place behind the words that name it."""
    places = []
    for place, word in enumerate(words):
        if word in ("--config", "-c") and place + 1 < len(words):
            places.append((Path(words[place + 1]), place + 2))
        elif word.startswith("--config="):
            places.append((Path(word.removeprefix("--config=")), place + 1))
    return places


def parse_value(text: str) -> Any:  # noqa: ANN401 - whatever YAML can say
    """The value that a word of the command line gives an option, read as YAML.

    Example:
        >>> parse_value("0.3"), parse_value("{typicality: 1}"), parse_value("[")
        (0.3, {'typicality': 1}, '[')
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text  # what it means is for the parser to say


def _short(class_path: object) -> str:
    return str(class_path).rpartition(".")[2]


def given_option(words: Sequence[str]) -> dict[str, Any]:
    """The option that the first word names, by its dotted name, without ``init_args``."""
    name, equals, text = words[0][2:].partition("=")
    if not equals:
        text = words[1] if len(words) > 1 else ""
    return flatten({name.replace(".init_args", "").rstrip("+"): parse_value(text)})

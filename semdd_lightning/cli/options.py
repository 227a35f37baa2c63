"""Options of configs and command lines as flat names, ``data.ipc`` for ``data: {init_args: {ipc: ...}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    """Later options over earlier ones; a new class forgets the arguments of the one before."""
    merged: dict[str, Any] = {}
    for more in options:
        for name, value in more.items():
            part = name.removesuffix(".class_path")  # --model.teacher ClipTeacher names a class too
            known = merged.get(f"{part}.class_path")
            if known is not None and _short(known) != _short(value):
                merged = {key: kept for key, kept in merged.items() if not key.startswith(f"{part}.")}
        merged |= more
    return merged


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
            found.append(_option(words[behind - 1 : behind + 1]))
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


def _short(class_path: object) -> str:
    return str(class_path).rpartition(".")[2]


def _option(words: Sequence[str]) -> dict[str, Any]:
    """The option that the first word names, by its dotted name, without ``init_args``."""
    import yaml

    name, equals, text = words[0][2:].partition("=")
    if not equals:
        text = words[1] if len(words) > 1 else ""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text  # what it means is for the parser to say
    return flatten({name.replace(".init_args", ""): value})

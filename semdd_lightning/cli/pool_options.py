"""How a pool is to be read: options that every command with a pool on its line has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.pools.any_pool import AUTO, AnyPool


def add_pool_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--layout", default=AUTO, help="name of the pool's layout (default: recognise it)")
    parser.add_argument("--split", help="split of the pool to read, where it has several")
    parser.add_argument("--label-column", metavar="NAME", help="column of the classes in the pool's tables")
    parser.add_argument(
        "--reader",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another setting of the layout's reader, as normalization=cifar10 or mean=[0.5,0.4]; may repeat",
    )


def pool_of(path: Path, classes: Path | None, options: argparse.Namespace) -> AnyPool:
    """The pool at a path, read as the options say.

    Args:
        path: Where it lies.
        classes: Its class list.
        options: What `add_pool_options` added.

    Raises:
        ConfigError: If a setting of the reader is no name and value.
    """
    return AnyPool(path, classes, layout=options.layout, settings=reader_settings(options))


def reader_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of the pool's reader by their names.

    Args:
        options: What `add_pool_options` added.

    Raises:
        ConfigError: If one is no name and value.
    """
    given = {"split": options.split, "label_column": options.label_column}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for word in options.reader:
        name, equals, value = word.partition("=")
        if not name or not equals:
            msg = f"Expected --reader NAME=VALUE, found {word!r}; give a setting as normalization=cifar10."
            raise ConfigError(msg)
        settings[name] = value.strip("[]").split(",") if value.startswith("[") else value
    return settings


def pool_argv(options: argparse.Namespace) -> list[str]:
    """The options as they were given, for a command that reads the same pool."""
    argv = [] if options.layout == AUTO else ["--layout", options.layout]
    for option, value in (("--split", options.split), ("--label-column", options.label_column)):
        argv += [] if value is None else [option, value]
    return argv + [word for setting in options.reader for word in ("--reader", setting)]

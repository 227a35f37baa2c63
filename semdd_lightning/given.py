"""What a user gave: paths, kinds, words, devices, seen to be what is wanted; and where the cache is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from semdd_lightning.errors import ConfigError

if TYPE_CHECKING:  # most of what is given needs no torch
    import torch

EMBEDDINGS = "embeddings"  # the folder of those, in the cache's root


def given_path(what: str, value: object) -> Path:
    """A path, whether it came as one or as text; anything else is refused."""
    if not isinstance(value, str | os.PathLike):
        msg = f"Expected {what} to be a path, found {value!r}; give a pathlib.Path or text."
        raise ConfigError(msg)
    return Path(value)


def require_kind(what: str, value: object, kind: type) -> None:
    """Refuse what is no object of a kind, as a path or a name in its place; None is always right."""
    if value is not None and not isinstance(value, kind):
        msg = f"Expected {what} to be a kind of {kind.__name__}, found {value!r}; make such an object of it."
        raise ConfigError(msg)


def require_word(what: str, value: object, words: Sequence[str]) -> None:
    """Refuse what is none of a few words."""
    if value not in words:
        msg = f"Expected {what} to be {' or '.join(words)}, found {value!r}; correct it."
        raise ConfigError(msg)


def cache_root(cache_dir: Path | None = None) -> Path:
    """The cache's root: the argument, else the variable ``SEMDD_CACHE``, else the user's cache folder."""
    if cache_dir is not None:
        return given_path("cache_dir", cache_dir).expanduser()
    variable = os.environ.get("SEMDD_CACHE")
    return Path(variable).expanduser() if variable else platformdirs.user_cache_path("semdd")


def is_cache(folder: Path) -> bool:
    """Whether a folder is the root of a cache: embeddings lie in every one."""
    try:
        return (folder / EMBEDDINGS).is_dir()
    except OSError:  # somebody's who lets nobody look
        return False


def pick_device(name: str | torch.device | None) -> torch.device:
    """The device of a name, seen to be there before anything is read (default: a GPU if there is one).

    Args:
        name: As torch has it, for example `cuda:0`, or the device itself.

    Raises:
        ConfigError: If there is no such device.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:  # unknown, not there, or of no content
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        reason = str(error).partition("\n")[0]
        msg = f"Expected device to be one of {', '.join(there)}, found {name!r} ({reason}); choose another."
        raise ConfigError(msg) from error
    return device

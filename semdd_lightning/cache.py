"""Where expensive things are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from semdd_lightning.given import given_path


def cache_root(cache_dir: Path | None = None) -> Path:
    """The cache's root: the argument, else the variable ``SEMDD_CACHE``, else the user's cache folder.

    Args:
        cache_dir: Root given by the user, if any.
    """
    if cache_dir is not None:
        return given_path("cache_dir", cache_dir).expanduser()
    variable = os.environ.get("SEMDD_CACHE")
    return Path(variable).expanduser() if variable else platformdirs.user_cache_path("semdd")

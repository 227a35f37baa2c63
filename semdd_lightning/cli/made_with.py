"""What a finished run was made with, beside what another run here would be made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.run_directory import environment
from semdd_lightning.errors import RunError, SemddError

if TYPE_CHECKING:  # torch, which the help can be printed without
    from semdd_lightning.cli.run_record import RunResult


def made_otherwise(directory: Path, result: RunResult) -> str | None:
    """How a run was made unlike a run here and now, in words; none where it would be made alike.

    Versions of the packages that numbers depend on are compared, and the pool's fingerprint.

    Args:
        directory: the run's.
        result: what its ``result.json`` holds.
    """
    there, here = _versions(result.environment), _versions(environment())
    for name, version in here.items():
        if there.get(name) != version:
            return f"it was made with {name} {there.get(name)}, here is {version}"
    return _other_pool(directory) if result.sampler is not None else None


def _versions(made_with: Mapping[str, Any]) -> dict[str, Any]:
    return {"semdd_lightning": made_with.get("semdd_lightning"), **(made_with.get("packages") or {})}


def _other_pool(directory: Path) -> str | None:
    from semdd_lightning.export import build_component, read_manifest
    from semdd_lightning.pools import ImageSet

    try:
        manifest = read_manifest(directory)
    except RunError as error:
        return f"what it chose cannot be read ({error})"
    try:
        reader = build_component(manifest.pool, ImageSet)
        reader.prepare()
        pool = reader.read(None if manifest.cache_dir is None else Path(manifest.cache_dir))
    except SemddError as error:
        return f"its pool cannot be read as it was ({error})"
    if pool.fingerprint != manifest.pool_fingerprint:
        return f"the pool in {pool.root} has changed since"
    return None

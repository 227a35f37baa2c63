"""The generators by their names."""

from __future__ import annotations

from semdd_lightning.errors import ConfigError
from semdd_lightning.generation.diffusion import Diffusion
from semdd_lightning.generation.generator import Generator
from semdd_lightning.generation.random_images import RandomImages
from semdd_lightning.generation.rded import Rded

GENERATORS: dict[str, type[Generator]] = {kind.name: kind for kind in (RandomImages, Rded, Diffusion)}
"""Every generator by what ``--generator`` calls it."""


def find_generator(name: str) -> type[Generator]:
    """The generator of a name.

    Args:
        name: as in `GENERATORS`.

    Raises:
        ConfigError: if there is none.
    """
    if name not in GENERATORS:
        known, found = ", ".join(GENERATORS), repr(name) if name else "none"
        msg = f"Expected --generator to be one of {known}, found {found}; take one of them."
        raise ConfigError(msg)
    return GENERATORS[name]

"""Pools made here: real images, real crops, and images of diffusion models.

A generator is a description; opened for a task it is a maker of images. One loop makes a pool by any maker,
in any number of processes, and goes on after any end; a record says whether a pool is what it claims.
"""

from semdd_lightning.errors import ConfigError
from semdd_lightning.generation.diffusion import Diffusion
from semdd_lightning.generation.generator import Generator, Made, Maker, Task
from semdd_lightning.generation.making import PoolMaking, with_folders
from semdd_lightning.generation.real_images import RandomImages, Rded
from semdd_lightning.generation.record import PoolRecord, image_facts, pool_differences, read_pool_record
from semdd_lightning.generation.rounds import Rounds, make_best
from semdd_lightning.generation.shards import Shard, find_shard

__all__ = [
    "GENERATORS",
    "Diffusion",
    "Generator",
    "Made",
    "Maker",
    "PoolMaking",
    "PoolRecord",
    "RandomImages",
    "Rded",
    "Rounds",
    "Shard",
    "Task",
    "find_generator",
    "find_shard",
    "image_facts",
    "make_best",
    "pool_differences",
    "read_pool_record",
    "with_folders",
]

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

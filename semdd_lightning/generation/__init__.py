"""Pools made here: real images, real crops, and images of diffusion models.

A generator is a description; opened for a task it is a maker of images. One loop makes a pool by any maker,
in any number of processes, and goes on after any end; a record says whether a pool is what it claims.
"""

from semdd_lightning.generation.diffusion import Diffusion
from semdd_lightning.generation.generator import Generator, Made, Maker, Task
from semdd_lightning.generation.making import PoolMaking, with_folders
from semdd_lightning.generation.random_images import RandomImages
from semdd_lightning.generation.rded import Rded
from semdd_lightning.generation.record import PoolRecord, image_facts, pool_differences, read_pool_record
from semdd_lightning.generation.registry import GENERATORS, find_generator
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

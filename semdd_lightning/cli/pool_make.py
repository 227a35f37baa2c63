"""``semdd pool make``: a pool of real images, real crops or generated images, made here."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.configs import find_config, read_config, with_bases
from semdd_lightning.cli.parser_messages import refusal
from semdd_lightning.errors import ConfigError
from semdd_lightning.names import command

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from semdd_lightning.classes import ClassRegistry
    from semdd_lightning.generation import Generator, PoolMaking, PoolRecord, Task
    from semdd_lightning.pools.labelled_images import LabelledImages

COMMAND = "pool make"
EPILOG = """examples:
  semdd pool make --generator random --dataset cifar10 --images-per-class 50 --out pools/random
  semdd pool make --config pools/rded.yaml --dataset cifar10 --teacher runs/teacher --out pools/rded
  semdd pool make --generator rded --help     the options of this generator
  semdd pool make --config pools/rded.yaml --shard 0/4 ...     a quarter of the work

A config holds the same options, as `images_per_class: 50`; what the command line says goes over it. The
result has one folder a class and pool.json, by which `semdd verify DIR` says whether it is what it claims.
An interrupted command goes on when it is given again. SLURM's array tasks and the ranks of torchrun share
the work out by themselves; all of them write into one directory.
"""


def run(argv: list[str]) -> int:
    """Make a pool, or this process's share of it."""
    options = _parse([_plain_option(word) for word in argv])
    task, generator = _task(options), _generator(options)
    from semdd_lightning.devices import pick_device
    from semdd_lightning.generation import PoolMaking, find_shard

    started, shard = time.monotonic(), find_shard(options.shard, os.environ)
    making = PoolMaking.begin(options.out, generator, task, pick_device(options.device or _device_of_rank()))
    record, made = making.finished(), 0
    if record is None:
        made = making.make(shard)
        record = making.finish()
    _say(making, record, made, time.monotonic() - started)
    return 0


def _plain_option(word: str) -> str:
    """An option as configs write it: hyphens within its name as underscores.

    >>> _plain_option("--images-per-class=5"), _plain_option("a-b"), _plain_option("-c")
    ('--images_per_class=5', 'a-b', '-c')
    """
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if word.startswith("--") else word


def _parse(argv: Sequence[str]) -> Namespace:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("-c", "--config", action="append", default=[])
    first.add_argument("--generator")
    known, rest = first.parse_known_args(argv)
    config: dict[str, Any] = {}
    for file in with_bases(find_config(name) for name in known.config):
        config |= read_config(file)
    config.pop("base", None)
    asked = known.generator or config.pop("generator", None)
    config.pop("generator", None)
    parser = _parser(None if asked is None else str(asked))
    unknown = sorted(config.keys() - {action.dest for action in parser._actions})
    if unknown:
        msg = (
            f"Expected options of `semdd {COMMAND} --generator {asked}` in the config, found {unknown[0]!r}."
        )
        raise ConfigError(msg)
    parser.set_defaults(config)
    if asked is None and not {"-h", "--help"} & set(rest):
        _generator_class("")
    try:
        options = parser.parse_args(rest)
    except argparse.ArgumentError as error:
        raise refusal(COMMAND, str(error)) from error
    options.generator = asked
    return options


def _parser(generator: str | None) -> ArgumentParser:
    from jsonargparse import ArgumentParser

    from semdd_lightning.generation import GENERATORS

    meanings = "; ".join(f"{name}: {kind.meaning}" for name, kind in GENERATORS.items())
    parser = ArgumentParser(
        prog=f"semdd {COMMAND}",
        description="Make a pool of images to select from.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        exit_on_error=False,
    )
    parser.add_argument("-c", "--config", type=str, help="name or path of a config; may be repeated")
    parser.add_argument("--generator", type=str, help=meanings)
    parser.add_argument("--out", type=Path, required=True, help="directory of the pool")
    parser.add_argument("--images_per_class", type=int, required=True, help="images of each class")
    parser.add_argument("--dataset", type=str | None, help="a standard data set: its classes, and its images")
    parser.add_argument("--classes", type=Path | None, help="class list in order, .txt or .csv")
    parser.add_argument(
        "--source", type=Path | None, help="real images in place of the data set's: a pool of any layout"
    )
    parser.add_argument("--data_root", type=Path, default=Path("data"), help="where data sets lie")
    parser.add_argument("--size", type=int | None, help="pixels a side (default: the data set's)")
    parser.add_argument(
        "--prior", type=str | None, help="CLIP, as `semdd select --prior`: looks at prompts, and at images"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all drawing")
    parser.add_argument(
        "--shard",
        type=str | None,
        help="I/N: part I of N of the work, from 0 (default: SLURM's or torchrun's)",
    )
    parser.add_argument(
        "--device", type=str | None, help="where networks run (default: a GPU if there is one)"
    )
    if generator is not None:
        parser.add_class_arguments(_generator_class(generator), None)
    return parser


def _generator_class(name: str) -> type[Generator]:
    from semdd_lightning.generation import find_generator

    return find_generator(name)


def _generator(options: Namespace) -> Generator:
    from dataclasses import fields

    kind = _generator_class(options.generator)
    return kind(**{field.name: options[field.name] for field in fields(kind)})


def _task(options: Namespace) -> Task:
    from semdd_lightning.data.seeds import check_seed
    from semdd_lightning.datasets import find_dataset
    from semdd_lightning.generation import Task, with_folders
    from semdd_lightning.pools.apart import require_apart
    from semdd_lightning.prior import parse_prior

    for what in ("images_per_class", "size"):
        if options[what] is not None and options[what] < 1:
            msg = f"Expected --{what} of at least 1, found {options[what]}; correct it."
            raise ConfigError(msg)
    check_seed("--seed", options.seed)
    spec = None if options.dataset is None else find_dataset(options.dataset)
    needs_source = _generator_class(options.generator).needs_source
    require_apart(options.out, options.source)
    classes, source = _classes(options), None
    if needs_source:
        classes, source = _real_images(options, classes)
    if classes is None:
        msg = "Expected classes, found none; give --dataset NAME or --classes FILE."
        raise ConfigError(msg)
    size = options.size
    if size is None and spec is not None and needs_source:
        size = spec.image_size
    prior = None if options.prior is None else parse_prior(options.prior)
    return Task(with_folders(classes), options.images_per_class, size, options.seed, source, prior)


def _classes(options: Namespace) -> ClassRegistry | None:
    from semdd_lightning.datasets import find_classes, with_imagenet_names

    given = options.classes or options.dataset
    return None if given is None else with_imagenet_names(find_classes(given))


def _real_images(
    options: Namespace, classes: ClassRegistry | None
) -> tuple[ClassRegistry | None, LabelledImages | None]:
    """The classes, and the real images that were given, counted by them."""
    from semdd_lightning.data import DatasetImages
    from semdd_lightning.pools import AnyPool

    if options.source is not None:
        found = AnyPool(options.source, options.classes or options.dataset).resolve()
    elif options.dataset is not None:
        images = DatasetImages(options.dataset, options.data_root, "train")
        images.prepare()
        found = images.resolve()
    else:
        return classes, None
    classes = classes or found.registry
    return classes, found.open(classes)


def _device_of_rank() -> str | None:
    """The GPU of a rank of torchrun, where there is one for each."""
    import torch

    rank = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{rank}" if rank.isdecimal() and int(rank) < torch.cuda.device_count() else None


def _say(making: PoolMaking, record: PoolRecord | None, made: int, seconds: float) -> None:
    rate = f", {made} made now in {seconds:.1f} s ({made / seconds:.1f} images/s)" if made else ""
    if record is None:
        print(f"This share of {making.directory} is there{rate}; other processes make the rest.")
        return
    size = sum(
        (making.directory / of_class.folder / name).stat().st_size
        for of_class in record.classes
        for name in of_class.files
    )
    print(
        f"{making.directory}: {len(record)} images of {len(record.classes)} classes by "
        f"{making.generator.name}, {size / 1e6:.1f} MB{rate}."
    )
    for words in (("verify", making.directory), ("pool", "inspect", making.directory)):
        print(f"  {command('semdd', *words)}")

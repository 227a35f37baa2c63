"""The options of ``semdd pool make``: those of all generators, those of the one asked for, and configs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import DatasetImages
from semdd_lightning.data.image_settings import check_seed
from semdd_lightning.datasets import find_classes, find_dataset, with_imagenet_names
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import find_config, read_config, with_bases
from semdd_lightning.experiment.config.links import refusal
from semdd_lightning.generation import GENERATORS, Task, find_generator, with_folders
from semdd_lightning.pools import AnyPool
from semdd_lightning.pools.files import require_apart
from semdd_lightning.pools.listing import LabelledImages
from semdd_lightning.prior import parse_prior

COMMAND = "pool make"
_ROUNDS = 10  # at most, where no ceiling is given
EPILOG = """examples:
  semdd pool make --generator random --dataset cifar10 --images-per-class 50 --out pools/random
  semdd pool make --config pools/rded.yaml --dataset cifar10 --teacher runs/teacher --out pools/rded
  semdd pool make --generator rded --help     the options of this generator
  semdd pool make --config pools/rded.yaml --shard 0/4 ...     a quarter of the work

A config holds the same options, as `images_per_class: 50`; what the command line says goes over it. The
result has one folder per class and pool.json, by which `semdd verify DIR` says whether it is what it claims.
An interrupted command goes on when it is given again. SLURM's array tasks and the ranks of torchrun share
the work out by themselves; all of them write into one directory.
"""


def _plain_option(word: str) -> str:
    """An option as configs write it: hyphens within its name as underscores.

    >>> _plain_option("--images-per-class=5"), _plain_option("a-b"), _plain_option("-c")
    ('--images_per_class=5', 'a-b', '-c')
    """
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if word.startswith("--") else word


def parse_options(argv: Sequence[str]) -> Namespace:
    """The options of a command line, over those of its configs.

    Args:
        argv: what stands after ``semdd pool make``.

    Raises:
        ConfigError: if they are none.
    """
    argv = [_plain_option(word) for word in argv]
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
        find_generator("")
    try:
        options = parser.parse_args(rest)
    except argparse.ArgumentError as error:
        raise refusal(COMMAND, str(error)) from error
    options.generator, options.out = asked, options.out.expanduser()
    return options


def _parser(generator: str | None) -> ArgumentParser:
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
    parser.add_argument("--size", type=int | None, help="pixels per side (default: the data set's)")
    parser.add_argument(
        "--prior", type=str | None, help="CLIP, as `semdd select --prior`: looks at prompts, and at images"
    )
    parser.add_argument(
        "--keep_best",
        type=int | None,
        help="make images in rounds of images_per_class until a round brings no candidate that stage 1 would "
        "keep for this many images of a class; the candidates are the pool",
    )
    parser.add_argument(
        "--max_images_per_class", type=int | None, help="ceiling of --keep-best (default: ten rounds)"
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
        parser.add_class_arguments(find_generator(generator), None)
    return parser


def task_of(options: Namespace) -> Task:
    """What is to be made; real images are found, and fetched where they can be.

    Args:
        options: as `parse_options` gives them.

    Raises:
        SemddError: if classes or real images cannot be had.
    """
    for what in ("images_per_class", "size", "keep_best", "max_images_per_class"):
        if options[what] is not None and options[what] < 1:
            msg = f"Expected --{what.replace('_', '-')} of at least 1, found {options[what]}; correct it."
            raise ConfigError(msg)
    check_seed("--seed", options.seed)
    spec = None if options.dataset is None else find_dataset(options.dataset)
    needs_source = find_generator(options.generator).needs_source
    require_apart(options.out, options.source)
    given, source = options.classes or options.dataset, None
    classes = None if given is None else with_imagenet_names(find_classes(given))
    if needs_source:
        classes, source = _real_images(options, classes)
    if classes is None:
        msg = "Expected classes, found none; give --dataset NAME or --classes FILE."
        raise ConfigError(msg)
    size = options.size
    if size is None and spec is not None and needs_source:
        size = spec.image_size
    prior = None if options.prior is None else parse_prior(options.prior)
    most = _ceiling(options)
    return Task(with_folders(classes), most, size, options.seed, source, prior)


def _ceiling(options: Namespace) -> int:
    """Images of a class that are made at most."""
    size, most = options.images_per_class, options.max_images_per_class
    if options.keep_best is None:
        if most is not None:
            msg = "Expected --max-images-per-class beside --keep-best, found it alone; leave it out."
            raise ConfigError(msg)
        return int(size)
    if not find_generator(options.generator).goes_on:
        msg = f"Expected a generator that makes image after image for --keep-best, found {options.generator}."
        raise ConfigError(f"{msg[:-1]}, which chooses by itself; leave --keep-best out.")
    if options.prior is None or size < options.keep_best:
        found, keep = "no prior" if options.prior is None else f"{size} images per round", options.keep_best
        msg = f"Expected --prior, and rounds of at least --keep-best {keep}, found {found}; give it."
        raise ConfigError(msg)
    most = _ROUNDS * size if most is None else most
    if most < size:
        msg = f"Expected --max-images-per-class of at least a round of {size}, found {most}; raise it."
        raise ConfigError(msg)
    return int(most)


def _real_images(
    options: Namespace, classes: ClassRegistry | None
) -> tuple[ClassRegistry | None, LabelledImages | None]:
    """The classes, and the real images that were given, counted by them."""
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

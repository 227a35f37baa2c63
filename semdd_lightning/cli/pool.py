"""``semdd pool``: ``inspect`` says what an image pool holds, ``make`` makes one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import yaml

from semdd_lightning.atomic import check_output_file
from semdd_lightning.cli.options import add_pool_options, pool_argv, pool_of, reader_settings
from semdd_lightning.names import command
from semdd_lightning.pools.any_pool import hub_name
from semdd_lightning.pools.inspection import PoolInspection, inspect_pool
from semdd_lightning.pools.layouts import LAYOUTS

_PRIOR = "ViT-B-32-quickgelu:openai"
EPILOG = """examples:
  semdd pool inspect my_pool
  semdd pool inspect my_pool --classes imagenette
  semdd pool inspect 'shards/pool-{{000000..000009}}.tar' --json pool.json

layouts, recognised by the names of folders and files:
{layouts}
"""


def run(command: str, argv: list[str]) -> int:
    """Inspect one pool, exit status 0 if it can be read; or make one."""
    if argv[:1] == ["make"]:
        from semdd_lightning.cli import pool_make

        return pool_make.run(argv[1:])
    options = _parser().parse_args(argv)
    if options.json is not None:
        check_output_file(options.json)
    found = inspect_pool(pool_of(options.path, options.classes, options))
    if options.json is not None:
        from semdd_lightning.atomic import write_json

        write_json(options.json, {**asdict(found), "short_classes": found.short_classes})
    from semdd_lightning.report.command_tables import print_pool_table

    print_pool_table(found, _next_commands(found, options), _snippet(found, options))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="semdd pool", description="Look at an image pool, or make one.")
    names = {"/".join((layout.name, *layout.also)): layout.pattern for layout in LAYOUTS}
    width = max(map(len, names))
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("make", help="make a pool: real images, real crops, or images of a diffusion model")
    inspect = actions.add_parser(
        "inspect",
        help="say what a pool holds",
        description="Say which layout a pool has, its classes, images, sizes, bad files and duplicates. "
        "Every image is read once; the index is kept for the commands that follow.",
        epilog=EPILOG.format(layouts="\n".join(f"  {name:<{width}}  {what}" for name, what in names.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inspect.add_argument("path", type=Path, help="folder, file, or pattern of tar shards")
    add_pool_options(inspect)
    inspect.add_argument(
        "--classes",
        type=Path,
        metavar="FILE|DATASET",
        help="class list in order, .txt or .csv, or the name of a data set; wins over folder names",
    )
    inspect.add_argument("--json", type=Path, metavar="FILE", help="write the same as data, with every path")
    return parser


def _next_commands(found: PoolInspection, options: argparse.Namespace) -> list[str]:
    pool = [hub_name(options.path) or options.path, *pool_argv(options)]
    classes = [] if options.classes is None else ["--classes", options.classes]
    data_set = _data_set(found)
    audited = classes or ([] if data_set is None else ["--dataset", data_set])
    ipc = max(1, min(10, min(found.images_per_class) // 2))
    return [
        command("semdd", "audit", *pool, *audited, "--prior", _PRIOR),
        command("semdd", "select", *pool, *classes, "--ipc", ipc, "--prior", _PRIOR, "--out", "chosen"),
    ]


def _data_set(found: PoolInspection) -> str | None:
    """The data set whose wnids the class folders are, or the only one of as many classes; None otherwise."""
    from semdd_lightning.datasets import DATASETS

    as_many = [spec for spec in DATASETS.values() if spec.num_classes == len(found.class_folders)]
    same = [spec.name for spec in as_many if set(spec.wnids or ()) == set(found.class_folders)]
    names = same or [spec.name for spec in as_many]
    return names[0] if same or len(names) == 1 else None


def _snippet(found: PoolInspection, options: argparse.Namespace) -> str:
    classes = {} if options.classes is None else {"classes": str(options.classes)}
    arguments = {"path": found.begins_in, **classes, **reader_settings(options)}
    pool = {"class_path": found.reader, "init_args": arguments}
    text: str = yaml.safe_dump({"data": {"init_args": {"pool": pool}}}, sort_keys=False, allow_unicode=True)
    return "\n".join(f"  {line}" for line in text.splitlines())

"""``semdd apply``: pick the images of a published selection out of one's own copy of the pool."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from semdd_lightning.atomic import require_new
from semdd_lightning.cli.options import add_pool_options, command_parser, pool_of
from semdd_lightning.export import read_manifest
from semdd_lightning.names import command as command_line
from semdd_lightning.pools.files import require_apart

EPILOG = """examples:
  semdd apply manifest.json my_copy --out chosen
  semdd apply downloads/their_run my_copy.tar --out chosen --link

An image is known by its content: where it is not at the manifest's path, the copy is searched for it, so that
another layout of the same pool does. One that is missing or differs is an error. --out receives what
`semdd select` wrote: the chosen images in class folders, chosen.csv and the manifest. Scores are not in a
manifest; they stay with whoever made the selection.
"""


def run(command: str, argv: list[str]) -> int:
    """Find the images and write them; exit status 2 if some are not there."""
    options = _parser().parse_args(argv)
    manifest = read_manifest(options.manifest)
    require_apart(options.out, options.pool)
    require_new(options.out)
    copy = pool_of(options.pool, options.classes, options).resolve()
    from semdd_lightning.export.applying import find_images, write_applied
    from semdd_lightning.report.tables import print_next_commands, table_of_rows

    manifest, found = find_images(manifest, copy)
    write_applied(options.out, manifest, copy, found, link=options.link)
    by_path = sum(copy.listing.paths[row] == path for row, path in zip(found, manifest.paths, strict=True))
    rows = {
        "selection": f"{manifest.ipc} images for each of {len(manifest.class_names)} classes, chosen by "
        f"{manifest.sampler_name} from {manifest.pool_root}",
        "copy of the pool": str(copy.listing.root),
        "images": f"{len(found)}: {by_path} where they were, {len(found) - by_path} by their content",
        "written to": str(options.out),
    }
    console = Console()
    console.print(table_of_rows("semdd apply", rows))
    print_next_commands(console, [command_line("semdd", "verify", options.out)])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "apply", "Pick the images that a manifest names out of another copy of its pool.", EPILOG
    )
    parser.add_argument("manifest", type=Path, help="a manifest.json, or a directory that holds one")
    parser.add_argument("pool", type=Path, help="the copy, of any layout that `semdd pool inspect` knows")
    parser.add_argument("--out", type=Path, required=True, help="new directory for the images")
    parser.add_argument("--link", action="store_true", help="hard-link the images instead of copying them")
    parser.add_argument(
        "--classes", type=Path, metavar="FILE|DATASET", help="class list, where the copy needs one to be read"
    )
    add_pool_options(parser)
    return parser

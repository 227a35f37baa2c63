"""``semdd export``: write a finished selection in a form that others open with their own tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from semdd_lightning.cli.export_labels import find_labels
from semdd_lightning.export import read_manifest, require_new
from semdd_lightning.export.sharing import FORMS, check_repository, push, read_chosen, write_shared
from semdd_lightning.export.subset import IMAGES
from semdd_lightning.names import command as command_line
from semdd_lightning.pools.apart import require_outside

EPILOG = """forms:
{forms}

examples:
  semdd export chosen --to hf --out chosen-hf
  semdd export runs/cifar10/RUN --to webdataset --out shards --labels labels/cifar10
  semdd export chosen --to hf --out chosen-hf --push user/name

Beside the images lie manifest.json, classes.csv and README.md, a data set card in which the licence is left
to fill in. Soft labels go along where there is one for each image (`semdd relabel --static`): those of
--labels, else those that the run's student learned from. --push uploads the folder to the Hugging Face hub as
a new, private data set. The manifest names paths of this machine.
"""


def run(command: str, argv: list[str]) -> int:
    """Export one run; exit status 2 if it cannot be, or if the upload fails."""
    options = _parser().parse_args(argv)
    require_new(options.out)
    if options.push is not None:
        check_repository(options.push)
    manifest = read_manifest(options.run)
    for images in (manifest.pool_root, options.run / IMAGES, options.run / "subset" / IMAGES):
        require_outside(options.out, images)
    labels = find_labels(options.run, manifest, options.labels)
    chosen = read_chosen(options.run, labels.array)
    write_shared(chosen, options.to, options.out, labels.said, options.push)
    from semdd_lightning.report.tables import print_next_commands, table_of_rows

    rows = {
        "images": f"{manifest.ipc} for each of {len(manifest.class_names)} classes, chosen by "
        f"{manifest.sampler_name}",
        "form": FORMS[options.to].meaning,
        "soft labels": labels.said,
        "written to": str(options.out),
    }
    if options.push is not None:
        rows["uploaded to"] = push(options.out, options.push)
    console = Console()
    console.print(table_of_rows("semdd export", rows))
    print_next_commands(console, [command_line("semdd", "pool", "inspect", options.out)])
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, FORMS))
    forms = "\n".join(f"  {name:<{width}}  {form.meaning}" for name, form in FORMS.items())
    parser = argparse.ArgumentParser(
        prog="semdd export",
        description="Write the chosen images of a run for others, in a form that their tools open.",
        epilog=EPILOG.format(forms=forms),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="directory of `semdd select`, `semdd fit` or `semdd apply`")
    parser.add_argument("--to", required=True, choices=tuple(FORMS), help="form of what is written")
    parser.add_argument("--out", type=Path, required=True, help="new directory")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="soft labels of `semdd relabel --static`")
    parser.add_argument("--push", metavar="USER/NAME", help="upload it to the Hugging Face hub, too")
    return parser

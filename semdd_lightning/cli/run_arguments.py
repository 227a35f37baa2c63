"""The arguments of a run beside Lightning's: where it goes, by which protocol, and what follows from what."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.cli import LightningArgumentParser

from semdd_lightning.cli.links import LINKS, full_name
from semdd_lightning.cli.protocols import Protocol


def add_run_arguments(parser: LightningArgumentParser) -> None:
    """Add them, and link what data, model and trainer must agree on."""
    parser.add_argument("--run.root", type=Path, default=Path("runs"), help="Folder of all runs.")
    parser.add_argument("--run.name", type=str | None, default=None, help="Group; none: the config's name.")
    parser.add_argument(
        "--run.directory",
        type=Path | None,
        default=None,
        help="Exactly this directory, new or left unfinished by this very command, which then goes on.",
    )
    parser.add_argument(
        "--run.validate_at_end",
        type=bool,
        default=False,
        help="Validate once, after the last pass, where trainer.check_val_every_n_epoch is null.",
    )
    parser.add_argument(
        "--protocol",
        type=Protocol | None,
        default=None,
        help="The evaluation protocol, which a config of protocols/ holds.",
    )
    for target, link in LINKS.items():
        parser.link_arguments(tuple(map(full_name, link.sources)), full_name(target), link.compute)

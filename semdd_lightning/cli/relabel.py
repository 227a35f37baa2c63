"""``semdd relabel``: an experiment's teacher labels its images once, and students learn without it."""

from __future__ import annotations

import argparse
from pathlib import Path

from semdd_lightning.cli.options import command_parser
from semdd_lightning.errors import ConfigError

EPILOG = """examples:
  semdd relabel --config cifar10.yaml --out labels/cifar10
  semdd fit --config cifar10.yaml --model.teacher StoredLabels --model.teacher.path labels/cifar10
  semdd relabel --config imagenet1k.yaml --data.ipc 50 --top-k 10 --dry-run

All other options are those of `semdd fit`, and the images, their augmentation and the teacher are what it
would have with them; of the student, nothing is used but the temperature of its loss. Logits are stored for
every image and pass; crops, flips and mixing are drawn again from the seed. An interrupted command goes on
when it is given again.

fewer labels:   --data.distinct_passes 30 draws 30 passes, which training uses in rotation
other batches:  --data.mixing_group 100 keeps the images that are mixed with each other together
other seeds:    --data.replay_seed 0 lets students of any --seed_everything learn from labels of seed 0
several GPUs:   --trainer.devices 4 shares the passes out
"""


def run(command: str, argv: list[str]) -> int:
    """Store the labels, or say what they would cost."""
    options, others = _parser().parse_known_args(argv)
    options.argv = others
    if options.out is None and not options.dry_run:
        msg = "Expected --out, found none; give a folder for the labels, or --dry-run for their size alone."
        raise ConfigError(msg)
    options.out = None if options.dry_run else options.out.expanduser().absolute()
    from semdd_lightning.experiment.relabelling import relabel

    relabel(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "relabel",
        "Store the soft labels that a teacher gives the chosen images in every pass, so that "
        "students learn from them without the teacher.",
        EPILOG,
        usage="semdd relabel --config CONFIG [--config PROTOCOL] --out DIR [options of `semdd fit`]",
        allow_abbrev=False,  # what is unknown here goes to `semdd fit`'s parser
    )
    parser.add_argument("--out", type=Path, help="folder of the labels: new, or one to go on with")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp16",
        help="of a stored logit; int8 has a scale for each label (default fp16)",
    )
    parser.add_argument(
        "--top-k", type=int, help="keep this many logits of each label and spread the rest evenly"
    )
    parser.add_argument(
        "--static", action="store_true", help="one label per image, of the image without augmentation"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what the labels would cost, and label nothing"
    )
    return parser

"""``semdd verify``: make a selection again from its manifest and say whether it is the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from semdd_lightning.errors import RunError
from semdd_lightning.names import shown_message

DIFFERENT = 1


def run(command: str, argv: list[str]) -> int:
    """Verify one run; exit status 1 if the selection differs."""
    parser = argparse.ArgumentParser(
        prog="semdd verify",
        description="Make the selection of a finished run again, from its manifest, and compare pool, "
        "chosen images and exported files; or see whether a pool of `semdd pool make` holds what was made. "
        "Exit status 0 if all is the same, 1 if not.",
    )
    parser.add_argument(
        "run", type=Path, help="directory of `semdd select`, `semdd fit` or `semdd pool make`"
    )
    options = parser.parse_args(argv)
    if not options.run.is_dir():
        msg = (
            f"Expected a run directory at {options.run.absolute()}, found none; give one that a run printed."
        )
        raise RunError(msg)
    made = (options.run / "pool.json").is_file()
    differences, same = _of_pool(options.run) if made else _of_selection(options.run)
    for line in differences:
        print(shown_message(line), file=sys.stderr)
    if differences:
        return DIFFERENT
    print(same)
    return 0


def _of_selection(run: Path) -> tuple[Sequence[str], str]:
    """How a selection that is made again differs, and what is said where it does not."""
    from semdd_lightning.data import verify

    verdict = verify(run)
    how = "applied as chosen by" if verdict.applied else "chosen again by"
    same = f"The same: {verdict.num_images} images {how} {verdict.sampler}, all exported files intact."
    return verdict.differences, same


def _of_pool(directory: Path) -> tuple[Sequence[str], str]:
    """Whether a made pool holds the images that were made, no other, and all of them."""
    from semdd_lightning.generation.record import pool_differences, read_pool_record

    record = read_pool_record(directory)
    plan = record.plan
    same = (
        f"As it was made: {len(record)} images of {len(record.classes)} classes by {plan['generator']}, seed "
        f"{plan['seed']}, none missing, changed or added."
    )
    return pool_differences(directory, record), same

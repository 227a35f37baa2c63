"""``semdd verify``: make a selection again from its manifest and say whether it is the same."""

from __future__ import annotations

import argparse
import sys
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
    if (options.run / "pool.json").is_file():
        return _verify_pool(options.run)
    from semdd_lightning.data import verify

    verdict = verify(options.run)
    for line in verdict.differences:
        print(shown_message(line), file=sys.stderr)
    if verdict.differences:
        return DIFFERENT
    how = (
        f"applied as chosen by {verdict.sampler}" if verdict.applied else f"chosen again by {verdict.sampler}"
    )
    print(f"The same: {verdict.num_images} images {how}, all exported files intact.")
    return 0


def _verify_pool(directory: Path) -> int:
    """Say whether a made pool holds the images that were made, no other, and all of them."""
    from semdd_lightning.generation.record import pool_differences, read_pool_record

    record = read_pool_record(directory)
    found = pool_differences(directory, record)
    for line in found:
        print(shown_message(line), file=sys.stderr)
    if found:
        return DIFFERENT
    plan = record.plan
    print(
        f"As it was made: {len(record)} images of {len(record.classes)} classes by {plan['generator']}, seed "
        f"{plan['seed']}, none missing, changed or added."
    )
    return 0

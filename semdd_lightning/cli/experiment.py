"""``semdd fit | validate | test | predict``: one experiment, and its table."""

from __future__ import annotations

from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.experiment.run.together import leave_process_group


def run(command: str, argv: list[str]) -> int:
    """Run one of the four commands and print its table."""
    experiment = run_experiment([command, *argv])
    experiment.print_table()
    leave_process_group()
    return 0

"""From the command to help and to the first training step: ``python -m benchmarks.startup``.

Each is a process of its own, timed from its start to its end. `semdd --help` is compared with an empty Python
program and must not import torch; `semdd fit` on the quickstart, with everything cached and stopped at its
first training step, with a program that imports torch, lightning and open_clip and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, paired, time_in_turns

HELP_SECONDS = 0.5
"""Most that `semdd --help` may take."""

FIRST_STEP_SECONDS = 4.0
"""Most that the way to the first training step may take beyond the imports."""

REPOSITORY = Path(__file__).parents[1]
NOTHING = "pass"
IMPORTS = "import torch, lightning, open_clip"
HELP = """
import sys
from semdd_lightning.__main__ import main
status = main(["--help"])
sys.exit(status or "torch" in sys.modules)
"""
FIRST_STEP = """
import os, sys
from semdd_lightning.__main__ import main
from semdd_lightning.training import DistillationModule
DistillationModule.training_step = lambda *_: os._exit(0)
main(["fit", "--config", "quickstart.yaml", *sys.argv[1:]])
sys.exit("No training step was taken.")
"""


def main() -> None:
    """Measure, print tables and write a JSON file."""
    parser = arguments("startup", __doc__, "one round")
    options = parser.parse_args()
    result = quick() if options.quick else measure(options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """One round after one run that fills the cache."""
    return measure(rounds=1, fillings=1)


def measure(rounds: int = ROUNDS, fillings: int = 2) -> Result:
    """Time all four programs.

    Args:
        rounds: Rounds that count.
        fillings: Runs of the last program before; the first makes the pool, the second is the first that
            finds its files old enough for the cached index.
    """
    with tempfile.TemporaryDirectory(prefix="startup-") as temporary:
        folder = Path(temporary)

        def fit() -> None:
            run(FIRST_STEP, folder, "--run.root", str(folder / "runs"))

        for _ in range(fillings):
            fit()
        seconds = time_in_turns(
            {
                "python that does nothing": lambda: run(NOTHING, folder),
                "semdd --help": lambda: run(HELP, folder),
                IMPORTS: lambda: run(IMPORTS, folder),
                "semdd fit, to its first training step": fit,
            },
            rounds,
            warmups=0,
        )
    nothing, shows_help, imports, first_step = seconds.values()
    allowed = [FIRST_STEP_SECONDS + one for one in imports]
    return Result(
        benchmark="startup",
        settings={"rounds": rounds},
        ratios=[
            Ratio(f"semdd --help, {HELP_SECONDS} s over its time", HELP_SECONDS / median(shows_help), 1.0),
            Ratio(
                f"first step, the imports and {FIRST_STEP_SECONDS:g} s over its time",
                paired(allowed, first_step),
                1.0,
            ),
        ],
        seconds=seconds,
        figures={
            "semdd --help beyond an empty program, ms": 1e3 * (median(shows_help) - median(nothing)),
            "first step beyond the imports, ms": 1e3 * (median(first_step) - median(imports)),
        },
    )


def run(program: str, folder: Path, *words: str) -> None:
    """Run a Python program to its end, with a cache of its own.

    Args:
        program: Its text.
        folder: Where the cache lies.
        words: Its arguments.

    Raises:
        RuntimeError: If it fails.
    """
    done = subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, "-c", program, *words],
        cwd=REPOSITORY,
        env=os.environ | {"SEMDD_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"Expected a program to end well, found status {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(msg)


if __name__ == "__main__":
    main()

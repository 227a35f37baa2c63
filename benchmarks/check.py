"""Holds speed to committed floors: ``python -m benchmarks.check``, quick forms only, under two minutes.

Floors are ratios to a limit or a peer of the same run, never times, and lie well under what a quiet machine
shows: what falls below one is a path that got slower, not a busy machine. A benchmark that fails is run once
more, and the better of both counts.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Ratio, Result

FLOORS = Path(__file__).with_name("floors.json")

Floors = Mapping[str, Mapping[str, float]]
"""For each benchmark the smallest value of each of its ratios."""


def main(arguments: list[str] | None = None) -> int:
    """Run the quick forms, print a table, return 1 if a ratio is below its floor.

    Args:
        arguments: Words of the command line; those of this process by default.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    floors: Floors = json.loads(FLOORS.read_text())
    parser.add_argument("benchmarks", nargs="*", help=f"which to run (default all): {', '.join(floors)}")
    chosen = parser.parse_args(arguments).benchmarks or list(floors)
    unknown = sorted(set(chosen) - set(floors))
    if unknown:
        parser.error(f"expected some of {', '.join(floors)}, found {', '.join(unknown)}")
    console = Console()
    table = Table("benchmark", "ratio", "measured", "floor", "", title="Larger is better")
    failed = False
    for name in chosen:
        console.print(f"Running {name} ...")
        quick: Callable[[], Result] = importlib.import_module(f"benchmarks.{name}").quick
        for ratio, floor in held(floors[name], quick):
            below = ratio.value < floor
            failed |= below
            table.add_row(name, ratio.name, f"{ratio.value:.2f}", f"{floor:.2f}", "BELOW" if below else "ok")
    console.print(table)
    if failed:
        console.print("A path got slower: profile it, or give the floor and the reason for a lower one.")
    return int(failed)


def held(floors: Mapping[str, float], quick: Callable[[], Result]) -> list[tuple[Ratio, float]]:
    """Each ratio of a benchmark with its floor; once more where one is below.

    Args:
        floors: Smallest value of each ratio.
        quick: The benchmark's quick form.

    Raises:
        ValueError: If the benchmark has other ratios than there are floors for.
    """
    found = _ratios(floors, quick())
    if any(found[name].value < floor for name, floor in floors.items()):
        again = _ratios(floors, quick())
        found = {name: max(found[name], again[name], key=lambda ratio: ratio.value) for name in floors}
    return [(found[name], floor) for name, floor in floors.items()]


def _ratios(floors: Mapping[str, float], result: Result) -> dict[str, Ratio]:
    found = {ratio.name: ratio for ratio in result.ratios}
    if found.keys() != floors.keys():
        msg = (
            f"Expected the ratios {sorted(floors)} of {result.benchmark}, found {sorted(found)}; "
            f"correct {FLOORS.name}."
        )
        raise ValueError(msg)
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Going on with a training that something ended: from its directory alone, in that directory."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from pathlib import Path

from semdd_lightning.errors import RunError
from semdd_lightning.experiment.run.ownership import is_unfinished

CHECKPOINT = "last.ckpt"
_REQUEUED = "hpc_ckpt_*.ckpt"  # what Lightning writes before SLURM takes the job away


def checkpoints(directory: Path) -> list[Path]:
    """What an unfinished training left of its state, newest first."""
    found = [path for name in (CHECKPOINT, _REQUEUED) for path in directory.glob(name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def keep_newest(directory: Path) -> Path | None:
    """Let the newest state be ``last.ckpt``, and the only one; none where there is none."""
    found = checkpoints(directory)
    for path in found[1:]:
        path.unlink()
    return found[0].replace(directory / CHECKPOINT) if found else None


def command_of(directory: Path) -> list[str]:
    """The command line after ``semdd`` that began what a directory holds; empty if that cannot be read."""
    try:
        content = json.loads((directory / "versions.json").read_text(encoding="utf-8"))
        return [str(word) for word in content["command"][1:]]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return []


def working_directory(directory: Path) -> Path | None:
    """Where a run was begun, so where the relative paths of its config begin; none if that cannot be read."""
    try:
        content = json.loads((directory / "versions.json").read_text(encoding="utf-8"))
        return Path(content["working_directory"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def enter_working_directory(directory: Path) -> None:
    """Go where a run was begun, so that the relative paths of its config mean what they meant."""
    began = working_directory(directory)
    with suppress(OSError):  # a run that was moved to another machine
        if began is not None:
            os.chdir(began)


def resume_argv(directory: Path) -> list[str]:
    """The command that goes on with an unfinished run.

    Args:
        directory: of the run, absolute.

    Raises:
        RunError: if there is nothing to go on with.
    """
    if not directory.is_dir():
        msg = f"Expected the directory of a run at {directory}, found none; give one that was interrupted."
        raise RunError(msg)
    if not is_unfinished(directory):
        found = "a finished one" if (directory / "versions.json").is_file() else "another directory"
        msg = f"Expected an unfinished run in {directory}, found {found}; there is nothing to go on with."
        raise RunError(msg)
    began = command_of(directory)
    if began[:1] in (["compare"], ["tune"]):
        return [*began, f"--out={directory}"]
    if began[:1] != ["fit"] or not (directory / "config.yaml").is_file():
        again = f"`{shlex.join(['semdd', *began])}`" if began else "the command that began it"
        msg = f"Expected an unfinished training in {directory}, found none; give {again} again."
        raise RunError(msg)
    return argv_of(directory)


def argv_of(directory: Path) -> list[str]:
    """The command that trains what a directory says by itself, in it.

    Args:
        directory: of the run, absolute.
    """
    return ["fit", f"--config={directory / 'config.yaml'}", f"--run.directory={directory}"]

"""What a run's directory says of how it was made, before anything can fail, and how it is gone on with."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config

from semdd_lightning import __version__
from semdd_lightning.errors import RunError
from semdd_lightning.experiment.config.configs import OF_MANY, read_config
from semdd_lightning.experiment.config.options import OF_TRAINING
from semdd_lightning.experiment.process import current
from semdd_lightning.experiment.run.ownership import is_unfinished
from semdd_lightning.records import RECORD, content_key, read_record, write_record

VERSIONS = "versions.json"
PAGE, SHEET = "report.html", "subset.png"  # of a selection, for people
CHECKPOINT = "last.ckpt"
_REQUEUED = "hpc_ckpt_*.ckpt"  # what Lightning writes before SLURM takes the job away
PACKAGES = ("torch", "torchvision", "lightning", "open_clip_torch", "torchmetrics", "timm", "numpy")


def from_here(path: Path) -> Path:
    """The path as one would type it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def write_versions(directory: Path, argv: list[str], configs: list[Path] | None = None) -> None:
    """Write ``versions.json``: command, working directory, package versions and hardware.

    Args:
        directory: where to.
        argv: the command without the program's name.
        configs: config files whose contents are to be recognised again, with the variables beside them.
    """
    content = {"command": ["semdd", *argv], "working_directory": str(Path.cwd()), **environment()}
    if configs is not None:
        content["configs"] = config_digests(configs)
    write_record(directory / VERSIONS, content)


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class Versions:
    """What `write_versions` wrote, as far as somebody reads it again."""

    command: tuple[str, ...]
    working_directory: str = "."
    configs: dict[str, str] | None = None


def read_versions(directory: Path) -> Versions | None:
    """What began a directory, where, and by which configs; None where it says nothing of that.

    Raises:
        RunError: if what it says cannot be trusted.
    """
    file = directory / VERSIONS
    return read_record(file, Versions, RunError, "give another directory") if file.is_file() else None


def command_of(directory: Path) -> list[str]:
    """The command line after ``semdd`` that began what a directory holds; empty where nothing says it."""
    versions = read_versions(directory)
    return [] if versions is None else list(versions.command[1:])


def working_directory(directory: Path) -> Path:
    """Where the relative paths of a run's config begin: where it was begun; here where nothing says it."""
    versions = read_versions(directory)
    return Path() if versions is None else Path(versions.working_directory)


def config_digests(configs: list[Path]) -> dict[str, str]:
    """What tells of each config file whether it still says the same of a run, whatever it compares.

    Variables that give a training options stand beside them with their values: they are read as a config is.
    """
    variables = {name: value for name, value in os.environ.items() if name.startswith(OF_TRAINING)}
    return {**{str(path): _digest(path) for path in configs}, **variables}


def _digest(path: Path) -> str:
    content = {key: value for key, value in read_config(path).items() if key not in OF_MANY}
    return content_key(json.loads(json.dumps(content, default=str)))  # YAML has dates


def environment() -> dict[str, Any]:
    """Versions and hardware that a result should be read with."""
    import torch

    return {
        "semdd_lightning": __version__,
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if "model name" in line:
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def checkpoints(directory: Path) -> list[Path]:
    """What an unfinished training left of its state, newest first."""
    found = [path for name in (CHECKPOINT, _REQUEUED) for path in directory.glob(name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def keep_newest(directory: Path) -> Path | None:
    """Let the newest state be ``last.ckpt``, and the only one; None where there is none."""
    found = checkpoints(directory)
    for path in found[1:]:
        path.unlink()
    return found[0].replace(directory / CHECKPOINT) if found else None


def tell_to_resume(directory: Path) -> None:
    """Let whoever stops this process be told what goes on with its run."""
    current().said = f"`semdd resume {shlex.quote(str(from_here(directory)))}` goes on."


def resume_argv(directory: Path) -> list[str]:
    """The command that goes on with the unfinished run of a directory, absolute.

    Raises:
        RunError: if there is nothing to go on with.
    """
    if not directory.is_dir():
        msg = f"Expected the directory of a run at {directory}, found none; give one that was interrupted."
        raise RunError(msg)
    if not is_unfinished(directory):
        found = "a finished one" if (directory / VERSIONS).is_file() else "another directory"
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
    """The command that trains what a directory, absolute, says by itself, in it."""
    return ["fit", f"--config={directory / 'config.yaml'}", f"--run.directory={directory}"]

"""What a run's directory says of how it was made, written before anything can fail."""

from __future__ import annotations

import json
import os
import platform
import sys
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
from semdd_lightning.records import RECORD, content_key, read_record, write_record

VERSIONS = "versions.json"
PAGE, SHEET = "report.html", "subset.png"  # of a selection, for people
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
    configs: dict[str, str] | None = None


def read_versions(directory: Path) -> Versions | None:
    """Command and configs of a directory; none where it says nothing of them.

    Raises:
        RunError: if what it says cannot be trusted.
    """
    file = directory / VERSIONS
    return read_record(file, Versions, RunError, "give another directory") if file.is_file() else None


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

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "semdd_lightning": __version__,
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": devices,
    }


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [
            line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        if models:
            return models[0]
    return platform.processor() or platform.machine()

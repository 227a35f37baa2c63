"""A fresh directory for each run, with what must be in it before anything can fail."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from semdd_lightning import __version__
from semdd_lightning.errors import RunError
from semdd_lightning.export import write_json

PACKAGES = ("torch", "torchvision", "lightning", "open_clip_torch", "torchmetrics", "timm", "numpy")


def create_run_directory(root: Path, name: str) -> Path:
    """Make ``root/name/<time>``, with a number behind it if that is taken."""
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        directory = root / name / (stamp if attempt == 0 else f"{stamp}.{attempt}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            msg = f"Expected to make the run directory {directory}, found {error}; give another --run.root."
            raise RunError(msg) from error
        return directory
    msg = f"Expected a free name for a run in {root / name}, found none; give another --run.name."
    raise RunError(msg)


def claim_directory(directory: Path) -> Path:
    """Make exactly this directory.

    Raises:
        RunError: if it exists or cannot be made.
    """
    try:
        directory.mkdir(parents=True)
    except FileExistsError as error:
        msg = f"Expected {directory} to be new, found it there; nothing was overwritten, give another."
        raise RunError(msg) from error
    except OSError as error:
        msg = f"Expected to make {directory}, found {error}; give another."
        raise RunError(msg) from error
    return directory


def require_outside(directory: Path, pool: object) -> None:
    """Refuse an output folder inside the pool, where it would be taken for a class of it from then on.

    Args:
        directory: where output goes.
        pool: where the pool lies, if anywhere.

    Raises:
        RunError: if it lies in the pool's folder.
    """
    if not isinstance(pool, str | Path):
        return
    root = Path(pool).expanduser().resolve()
    if root.is_dir() and directory.expanduser().resolve().is_relative_to(root):
        msg = (
            f"Expected a folder for the output outside of the pool {root}, found {directory} in it, which "
            "would be read as a part of the pool; give another."
        )
        raise RunError(msg)


@contextmanager
def given_back_unless_filled(directory: Path) -> Iterator[Path]:
    """Remove a claimed directory when the work for it fails, unless something lies in it."""
    try:
        yield directory
    except BaseException:
        with suppress(OSError):  # not empty: what was finished is kept
            directory.rmdir()
        raise


def from_here(path: Path) -> Path:
    """The path as one would type it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def write_versions(directory: Path, words: list[str], configs: list[Path] | None = None) -> None:
    """Write ``versions.json``: command, package versions and hardware.

    Args:
        directory: where to.
        words: the command without the program's name.
        configs: config files whose contents are to be recognised again.
    """
    content = {"command": ["semdd", *words], **environment()}
    if configs is not None:
        content["configs"] = config_digests(configs)
    write_json(directory / "versions.json", content)


def config_digests(configs: list[Path]) -> dict[str, str]:
    """SHA-256 of each config file."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in configs}


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

"""A diffusion pipeline of `diffusers`, from a local directory or the hub, set up as a description asks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch

from semdd_lightning.errors import ConfigError, NetworkError
from semdd_lightning.generation.dit_weights import load_weights

Precision = Literal["fp32", "fp16", "bf16"]
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}
"""Schedulers by name; all of them draw from the generators that they are given, or do not draw."""

AS_SHIPPED = "as_shipped"
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_INDEX = "model_index.json"


@dataclass(frozen=True)
class OpenPipeline:
    """A pipeline that is ready, and what it is.

    Attributes:
        pipeline: of `diffusers`.
        by_class: whether it takes indices of classes, as DiT does, and not prompts.
        facts: what it is, in plain values.
    """

    pipeline: Any
    by_class: bool
    facts: dict[str, Any]


def open_pipeline(
    model: str,
    device: torch.device,
    *,
    precision: Precision = "fp32",
    scheduler: str = AS_SHIPPED,
    weights: Path | None = None,
    safety_checker: bool = True,
    compiled: bool = False,
) -> OpenPipeline:
    """Load a pipeline.

    Args:
        model: a local directory with ``model_index.json``, or a name of the Hugging Face hub.
        device: where it runs.
        precision: number format of its networks.
        scheduler: one of `SCHEDULERS`, or `as_shipped`.
        weights: fine-tuned weights of the network that denoises, in place of its own.
        safety_checker: whether the checker that ships with the pipeline, if one does, stays.
        compiled: compile the network that denoises.

    Raises:
        ConfigError: if `diffusers` is not installed, or there is no such scheduler.
        NetworkError: if the pipeline cannot be loaded.
    """
    diffusers = _library()
    if scheduler not in (AS_SHIPPED, *SCHEDULERS):
        msg = f"Expected scheduler to be one of {', '.join((AS_SHIPPED, *SCHEDULERS))}, found {scheduler!r}."
        raise ConfigError(f"{msg[:-1]}; take one of them.")
    directory = _directory(model, diffusers)
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # each component fails in its own way
        raise _unusable(model, error) from error
    pipeline.set_progress_bar_config(disable=True)
    if scheduler != AS_SHIPPED:
        kind = getattr(diffusers, SCHEDULERS[scheduler])
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    denoiser = "transformer" if hasattr(pipeline, "transformer") else "unet"
    if weights is not None:
        load_weights(getattr(pipeline, denoiser), weights)
    checker = getattr(pipeline, "safety_checker", None)
    if checker is not None and not safety_checker:
        pipeline.safety_checker = None
    facts = {
        "model": model,
        "sha256": directory_digest(directory),
        "pipeline": type(pipeline).__name__,
        "scheduler": type(pipeline.scheduler).__name__,
        "weights": None if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest(),
        "safety_checker": "none ships" if checker is None else "on" if safety_checker else "off",
    }
    pipeline.to(device, _TYPES[precision])
    if compiled:
        setattr(pipeline, denoiser, torch.compile(getattr(pipeline, denoiser)))
    return OpenPipeline(pipeline, "class_labels" in signature(type(pipeline).__call__).parameters, facts)


def directory_digest(directory: Path) -> str:
    """SHA-256 (hex) over the names and contents of the files of a pipeline that its index names.

    Args:
        directory: where it lies.
    """
    index = json.loads((directory / _INDEX).read_text())
    digest = hashlib.sha256()
    files = [directory / _INDEX]
    for component in sorted(name for name in index if (directory / name).is_dir()):
        files += sorted(file for file in (directory / component).rglob("*") if file.is_file())
    for file in files:
        digest.update(f"{file.relative_to(directory).as_posix()}\n".encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _directory(model: str, diffusers: Any) -> Path:  # noqa: ANN401 - the module
    """The directory of a pipeline, fetched where it is a name of the hub that is not on this machine."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / _INDEX).is_file():
            msg = f"Expected a pipeline with {_INDEX} in {path}, found none; give the folder that holds it."
            raise NetworkError(msg)
        return path.absolute()
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        msg = f"Expected a pipeline in {model}, found no such folder; correct it, or give OWNER/NAME."
        raise NetworkError(msg)
    try:
        return Path(diffusers.DiffusionPipeline.download(model))
    except Exception as error:  # of network, hub and files
        raise _unusable(model, error) from error


def _unusable(model: str, error: Exception) -> NetworkError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return NetworkError(
        f"Expected a diffusion pipeline in {model}, found that it cannot be loaded ({reason}); give a "
        "folder that `save_pretrained` wrote, or a name of the hub that can be reached."
    )


def _library() -> Any:  # noqa: ANN401 - the module
    try:
        import diffusers
    except ImportError as error:
        msg = (
            "Expected the library diffusers for --generator diffusion, found none; "
            "pip install 'semdd-lightning[diffusion]'."
        )
        raise ConfigError(msg) from error
    diffusers.utils.logging.set_verbosity_error()
    return diffusers

"""Pipelines of `diffusers`, from a directory or the hub, and fine-tuned weights, also under DiT's own names.

Minimax Diffusion (arXiv 2311.15529) fine-tunes DiT with factors beside its layers (``gamma1``, ``gamma2``,
after DiffFit, arXiv 2304.06648). A loader that drops what it does not know would drop them, and make images
of a network that nobody trained. Each scales the output of a linear layer, so that here it is multiplied into
it. DiT's code also spaces the frequencies of its time embedding over 128 steps, where `diffusers` has 127.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semdd_lightning.errors import ConfigError, NetworkError

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
_INDEX = "model_index.json"
_EMA = ("ema", "model", "state_dict", "module")
_WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_OF_BLOCK = {
    "adaLN_modulation.1": "norm1.linear",
    "attn.proj": "attn1.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
}
_OUTSIDE = {
    "x_embedder.proj": "pos_embed.proj",
    "final_layer.adaLN_modulation.1": "proj_out_1",
    "final_layer.linear": "proj_out_2",
}
_CONDITIONS = {
    "t_embedder.mlp.0": "timestep_embedder.linear_1",
    "t_embedder.mlp.2": "timestep_embedder.linear_2",
    "y_embedder.embedding_table": "class_embedder.embedding_table",
}
_GATES = {"gamma1": 2, "gamma2": 5}  # place of the gate among the six parts of a block's modulation


def load_pipeline(model: str) -> tuple[Any, Path]:
    """A pipeline as it was shipped, and the directory that it lies in.

    Args:
        model: a local directory with ``model_index.json``, or a name of the Hugging Face hub, which is
            fetched where it is not on this machine.

    Raises:
        ConfigError: if `diffusers` is not installed.
        NetworkError: if the pipeline cannot be loaded.
    """
    try:
        diffusers: Any = import_module("diffusers")
    except ImportError as error:
        msg = (
            "Expected the library diffusers for --generator diffusion, found none; "
            "pip install 'semdd-lightning[diffusion]'."
        )
        raise ConfigError(msg) from error
    diffusers.utils.logging.set_verbosity_error()
    path = Path(model).expanduser()
    if path.is_dir() and not (path / _INDEX).is_file():
        msg = f"Expected a pipeline with {_INDEX} in {path}, found none; give the folder that holds it."
        raise NetworkError(msg)
    if not path.is_dir() and (path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1):
        msg = f"Expected a pipeline in {model}, found no such folder; correct it, or give OWNER/NAME."
        raise NetworkError(msg)
    try:
        directory = path.absolute() if path.is_dir() else Path(diffusers.DiffusionPipeline.download(model))
        pipeline = diffusers.DiffusionPipeline.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # of network, hub and files; each component fails in its own way
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        msg = (
            f"Expected a diffusion pipeline in {model}, found that it cannot be loaded ({reason}); give a "
            "folder that `save_pretrained` wrote, or a name of the hub that can be reached."
        )
        raise NetworkError(msg) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, directory


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


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a file into a network, all of them.

    Args:
        network: a diffusion model of `diffusers`.
        path: a ``.safetensors`` file or a checkpoint of PyTorch; of a checkpoint that holds averaged weights
            (``ema``) these are taken.

    Raises:
        NetworkError: if the file cannot be read, or holds other weights.
    """
    state = _read(path)
    if any(name.startswith("blocks.") for name in state):
        state = from_dit_names(state)
        for module in network.modules():
            if hasattr(module, "downscale_freq_shift"):
                setattr(module, "downscale_freq_shift", 0)  # noqa: B010 - modules declare tensors alone
    lacking = set(network.state_dict()) - set(state)
    others = set(state) - set(network.state_dict())
    if lacking or others:
        msg = (
            f"Expected the weights of a {type(network).__name__} in {path}, found {len(lacking)} missing"
            f"{_one_of(lacking)} and {len(others)} others{_one_of(others)}; give weights of this model."
        )
        raise NetworkError(msg)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        msg = f"Expected weights of this size in {path}, found others ({error}); give those of this model."
        raise NetworkError(msg) from error


def from_dit_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of `diffusers`, from those of DiT's own code; DiffFit's factors multiplied in.

    Args:
        state: weights by name.
    """
    blocks = sorted({int(found[1]) for name in state if (found := _BLOCK.fullmatch(name))})
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        block = _BLOCK.fullmatch(name)
        if name == "pos_embed" or name.endswith(("gamma1", "gamma2")):
            continue  # computed anew; multiplied in below
        if layer in _CONDITIONS:
            for number in blocks:
                renamed[f"transformer_blocks.{number}.norm1.emb.{_CONDITIONS[layer]}.{kind}"] = value
        elif block is None:
            renamed[f"{_OUTSIDE.get(layer, layer)}.{kind}"] = value
        else:
            renamed |= _of_block(state, int(block[1]), block[2], value)
    return renamed


def _of_block(state: Mapping[str, Tensor], number: int, name: str, value: Tensor) -> dict[str, Tensor]:
    layer, _, kind = name.rpartition(".")
    prefix, target = f"blocks.{number}", f"transformer_blocks.{number}"
    if layer == "attn.qkv":
        parts = _scaled(value, state.get(f"{prefix}.attn.gamma1")).chunk(3)
        return {f"{target}.attn1.to_{part}.{kind}": one for part, one in zip("qkv", parts, strict=True)}
    if layer == "attn.proj":
        value = _scaled(value, state.get(f"{prefix}.attn.gamma2"))
    if layer == "adaLN_modulation.1":
        modulation = list(value.chunk(6))
        for factor, gate in _GATES.items():
            modulation[gate] = _scaled(modulation[gate], state.get(f"{prefix}.{factor}"))
        value = torch.cat(modulation)
    return {f"{target}.{_OF_BLOCK.get(layer, layer)}.{kind}": value}


def _scaled(value: Tensor, factor: Tensor | None) -> Tensor:
    """Weights (out, in) or biases (out,) of a layer whose outputs are multiplied by a factor (out,)."""
    return value if factor is None else value * factor.reshape(-1, *[1] * (value.ndim - 1))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):  # the options of a training
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # as many kinds as there are broken files
        msg = f"Expected weights in {path}, found: {str(error).splitlines()[0]}; correct the path."
        raise NetworkError(msg) from error
    inner = next((content[name] for name in _EMA if isinstance(content.get(name), dict)), content)
    return {_WRAPPERS.sub("", name): value for name, value in inner.items() if isinstance(value, Tensor)}


def _one_of(names: set[str]) -> str:
    return f" (as {min(names)})" if names else ""

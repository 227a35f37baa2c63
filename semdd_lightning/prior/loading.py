"""From a resolved source to a model on a device."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import open_clip
import torch
from safetensors.torch import save
from torch import Tensor, nn

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DiskError, PriorError
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.sources import ModelSource


def load_clip(source: ModelSource, precision: str, batch_size: int, device: torch.device | str) -> LoadedClip:
    """Build the model of a source and load its weights; the global random state is left as it was.

    Args:
        source: Resolved source of the model.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        batch_size: Images or texts of one forward pass.
        device: Where the model goes.

    Raises:
        PriorError: If weights and architecture do not fit, or a library for the text side is missing.
    """
    model, tokenizer = _build(source), _tokenizer(source)
    clip = LoadedClip(
        model=model,
        tokenizer=tokenizer,
        preprocessing=source.preprocessing,
        identity=source.identity(precision, batch_size),
        precision=precision,
        batch_size=batch_size,
        context_length=source.model_cfg["text_cfg"].get("context_length", 77),
    )
    return clip.to(device)


def _build(source: ModelSource) -> nn.Module:
    local = source.architecture.startswith("local-dir:")
    try:
        # Initialising the layers draws from the global generator, before the weights overwrite them.
        with torch.random.fork_rng(devices=[]), _readable_weights(source.weights) as weights:
            model = open_clip.create_model(
                source.architecture,
                pretrained=None if local else str(weights),
                force_quick_gelu=source.activation == "quickgelu",
                require_pretrained=True,
                device="cpu",
            )
    except DiskError:
        raise
    except Exception as error:  # a broken file fails in as many ways as there are formats
        msg = (
            f"Expected {source.weights} to hold weights of {source.architecture!r}, found "
            f"{type(error).__name__}: {str(error)[:500]}; check that file and architecture belong together."
        )
        raise PriorError(msg) from error
    return cast("nn.Module", model)


def _tokenizer(source: ModelSource) -> Callable[..., Tensor]:
    text_cfg = source.model_cfg["text_cfg"]
    if _has_default_tokenizer(source.architecture, text_cfg):
        return cast("Callable[..., Tensor]", open_clip.tokenize)  # built once, at import
    try:
        tokenizer: Any = open_clip.get_tokenizer(source.architecture)
    except Exception as error:  # a missing library, a missing file, no network
        msg = (
            f"Expected a tokenizer for {source.architecture!r}, found {type(error).__name__}: {error}; "
            "install transformers if it is missing, or place the tokenizer's files in a model directory."
        )
        raise PriorError(msg) from error
    if getattr(tokenizer, "reduction_fn", None) is not None:
        # Random and syntactic shortening of long texts is for training: plain truncation is deterministic.
        tokenizer.reduction_fn = None
    return cast("Callable[..., Tensor]", tokenizer)


def _has_default_tokenizer(architecture: str, text_cfg: dict[str, Any]) -> bool:
    if text_cfg.get("hf_tokenizer_name") or text_cfg.get("tokenizer_kwargs"):
        return False
    return architecture.startswith("local-dir:") or "siglip" not in architecture.lower()


@contextmanager
def _readable_weights(weights: Path) -> Iterator[Path]:
    """The weights file, converted first if it is a TorchScript archive, as OpenAI published theirs."""
    if not _is_torchscript(weights):
        yield weights
        return
    state = torch.jit.load(weights, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    settings = ("input_resolution", "context_length", "vocab_size")
    tensors = {name: value.contiguous().clone() for name, value in state.items() if name not in settings}
    with TemporaryDirectory(prefix="semdd-") as folder:
        converted = Path(folder) / "weights.safetensors"
        write_atomically(converted, save(tensors))
        yield converted


def _is_torchscript(weights: Path) -> bool:
    if not zipfile.is_zipfile(weights):
        return False
    with zipfile.ZipFile(weights) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())

"""Frozen models that make unit vectors of images, and CLIP, which reads texts and classifies as well."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import open_clip
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from semdd_lightning.atomic import write_atomically
from semdd_lightning.errors import DiskError, PriorError
from semdd_lightning.names import warn
from semdd_lightning.prior.preprocessing import (
    normalize_images,
    normalize_pixels,
    resize_images,
)
from semdd_lightning.prior.sources import LOCAL_PREFIX, ModelSource

_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class FrozenEncoder(nn.Module):
    """A model that never trains: images to unit vectors.

    Args:
        model: The model.
        resize: A PIL image to RGB of the model's input size.
        mean: Mean of each channel, of images in [0, 1].
        std: Standard deviation of each channel, of images in [0, 1].
        precision: ``fp32``, or ``bf16`` / ``fp16`` by autocast; vectors are normalised in float32 always.
    """

    mean: Tensor
    std: Tensor
    embed_dim: int
    logit_scale: float

    def __init__(
        self,
        model: nn.Module,
        resize: Callable[[Image.Image], Image.Image],
        mean: Sequence[float],
        std: Sequence[float],
        precision: str,
    ) -> None:
        super().__init__()
        self.model: Any = model.requires_grad_(requires_grad=False)
        self.resize, self.precision = resize, precision
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        self.train(mode=False)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.mean.device

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: a trainer that switches its submodules must not reach this one."""
        del mode
        return super().train(mode=False)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """Unit vectors of preprocessed images.

        Args:
            images: Resized and normalised, stacked, shape ``(B, 3, H, W)``.

        Returns:
            Unit-norm float32 embeddings, shape ``(B, d)``.
        """
        images = images.to(self.device, torch.float32)
        with self._autocast(self.precision):
            return F.normalize(self._features(images).float(), dim=-1)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Unit vectors of images that are resized but not normalised yet: a quarter of the bytes to move.

        Args:
            pixels: Output of `resize`, 8-bit, stacked, shape ``(B, H, W, 3)``; copied to the device without
                waiting if it lies in pinned memory.

        Returns:
            Unit-norm float32 embeddings, shape ``(B, d)``, the bits of `encode_images` after preprocessing.
        """
        pixels = pixels.to(self.device, non_blocking=True)
        return self.encode_images(normalize_pixels(pixels, self.mean, self.std))

    def _features(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def _autocast(self, precision: str) -> torch.autocast:
        """Of our own choice, also inside a caller's: a trainer's precision is not the prior's."""
        dtype = _DTYPES[precision]
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)


class LoadedClip(FrozenEncoder):
    """A CLIP model that never trains.

    Args:
        source: What it is built from.
        precision: As for `FrozenEncoder`.
        batch_size: Texts of one forward pass.

    Raises:
        PriorError: If weights or tokenizer cannot be loaded.
    """

    def __init__(self, source: ModelSource, precision: str, batch_size: int) -> None:
        wanted = source.preprocessing
        super().__init__(_build(source), wanted.pil_resize(), wanted.mean, wanted.std, precision)
        self.preprocessing = wanted
        self.tokenizer = _tokenizer(source)
        self.preprocess = wanted.pil_transform()
        self.batch_size = batch_size
        self.context_length = source.model_cfg["text_cfg"].get("context_length", 77)
        self.logit_scale = float(torch.as_tensor(self.model.logit_scale).detach().double().exp())
        self.embed_dim = source.model_cfg["embed_dim"]

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors of texts; warns of a text that is longer than the model can read.

        Args:
            texts: P texts.

        Returns:
            Unit-norm float32 embeddings, shape ``(P, d)``.
        """
        self._warn_of_long_texts(texts)
        parts = [torch.empty(0, self.embed_dim, device=self.device)]
        for start in range(0, len(texts), self.batch_size):
            chunk = list(texts[start : start + self.batch_size])
            tokens = self.tokenizer(chunk, context_length=self.context_length).to(self.device)
            with self._autocast(self.precision):
                features: Tensor = self.model.encode_text(tokens)
            parts.append(F.normalize(features.float(), dim=-1))
        return torch.cat(parts)

    @torch.no_grad()
    def zero_shot_logits(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """Classify a batch by its similarity to class prototypes: logit scale times cosine.

        Args:
            images: Images in [0, 1] of any size, shape ``(B, 3, H, W)``.
            prototypes: Unit-norm class prototypes, shape ``(C, d)``.

        Returns:
            Float32 logits, shape ``(B, C)``.
        """
        with self._autocast("fp32"):
            resized = resize_images(images.to(self.device, torch.float32), self.preprocessing)
            embeddings = self.encode_images(normalize_images(resized, self.mean, self.std))
            return self.logit_scale * embeddings @ prototypes.to(embeddings).T

    def _features(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(images)
        return features

    def _warn_of_long_texts(self, texts: Sequence[str]) -> None:
        if not texts or getattr(self.tokenizer, "tokenizer_mode", None):
            return
        # With room for one token more, only a text that was cut fills the last place.
        padding = getattr(getattr(self.tokenizer, "tokenizer", None), "pad_token_id", 0)
        roomy = self.tokenizer(list(texts), context_length=self.context_length + 1)
        cut = [text for text, last in zip(texts, roomy[:, -1].tolist(), strict=True) if last != padding]
        if cut:
            warn(
                f"{len(cut)} prompts are longer than the {self.context_length} tokens that the model reads "
                f"and are cut, the first of them: {cut[0]!r}; shorten the class name or the template.",
                stacklevel=3,
            )


def _build(source: ModelSource) -> nn.Module:
    local = source.architecture.startswith(LOCAL_PREFIX)
    try:
        # Initialising the layers draws from the global generator, before the weights overwrite them.
        with torch.random.fork_rng(devices=[]), _readable_weights(source.weights) as weights:
            model: nn.Module = open_clip.create_model(
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
    return model


def _tokenizer(source: ModelSource) -> Any:  # noqa: ANN401 - open_clip has four unrelated classes of them
    """Texts to token ids, called with ``context_length``."""
    text_cfg, local = source.model_cfg["text_cfg"], source.architecture.startswith(LOCAL_PREFIX)
    has_own = text_cfg.get("hf_tokenizer_name") or text_cfg.get("tokenizer_kwargs")
    if not has_own and (local or "siglip" not in source.architecture.lower()):
        return open_clip.tokenize  # built once, at import
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
    return tokenizer


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

"""A frozen CLIP model: images and texts to unit vectors, and zero-shot logits of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from semdd_lightning.names import warn
from semdd_lightning.prior.preprocessing import (
    Preprocessing,
    normalize_images,
    normalize_pixels,
    resize_images,
)

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class LoadedClip(nn.Module):
    """A CLIP model that never trains.

    Args:
        model: open_clip's model.
        tokenizer: Texts to token ids, called with ``context_length``.
        preprocessing: The model's own preprocessing.
        identity: Everything that changes image embeddings, as plain JSON values.
        precision: ``fp32``, or ``bf16`` / ``fp16`` by autocast; vectors are normalised in float32 always.
        batch_size: Texts of one forward pass.
        context_length: Tokens that the text tower sees.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Callable[..., Tensor],
        preprocessing: Preprocessing,
        identity: dict[str, Any],
        precision: str = "fp32",
        batch_size: int = 64,
        context_length: int = 77,
    ) -> None:
        super().__init__()
        self.model = model.requires_grad_(requires_grad=False)
        self.tokenizer: Any = tokenizer  # open_clip has four unrelated classes of them
        self.preprocessing = preprocessing
        self.preprocess: Callable[[Image.Image], Tensor] = preprocessing.pil_transform()
        self.resize: Callable[[Image.Image], Image.Image] = preprocessing.pil_resize()
        self.identity = identity
        self.precision = precision
        self.batch_size = batch_size
        self.context_length = context_length
        self.logit_scale = float(torch.as_tensor(model.logit_scale).detach().double().exp())
        self.embed_dim = int(identity["architecture"]["embed_dim"])
        self.register_buffer("mean", torch.tensor(preprocessing.mean), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std), persistent=False)
        self.train(mode=False)

    @property
    def weights_hash(self) -> str:
        """SHA-256 (hex) of the weights file."""
        return str(self.identity["weights"])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels."""
        return self.preprocessing.size

    @property
    def interpolation(self) -> str:
        """``bicubic`` or ``bilinear``."""
        return self.preprocessing.interpolation

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.mean.device

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: a trainer that switches its submodules must not reach this one.

        Args:
            mode: Ignored.
        """
        del mode
        return super().train(mode=False)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """Unit vectors of preprocessed images.

        Args:
            images: Output of `preprocess`, stacked, shape ``(B, 3, *image_size)``.

        Returns:
            Unit-norm float32 embeddings, shape ``(B, d)``.
        """
        images = images.to(self.device, torch.float32)
        with self._precision():
            features: Tensor = self.model.encode_image(images)  # type: ignore[operator]
        return F.normalize(features.float(), dim=-1)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Unit vectors of images that are resized but not normalised yet: a quarter of the bytes to move.

        Args:
            pixels: Output of `resize`, 8-bit, stacked, shape ``(B, *image_size, 3)``; copied to the device
                without waiting if it lies in pinned memory.

        Returns:
            Unit-norm float32 embeddings, shape ``(B, d)``, the bits of `encode_images` after `preprocess`.
        """
        pixels = pixels.to(self.device, non_blocking=True)
        return self.encode_images(normalize_pixels(pixels, self.mean, self.std))

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
            with self._precision():
                features: Tensor = self.model.encode_text(tokens)  # type: ignore[operator]
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
        with self._autocast(enabled=False):
            resized = resize_images(images.to(self.device, torch.float32), self.preprocessing)
            embeddings = self.encode_images(normalize_images(resized, self.mean, self.std))
            return self.logit_scale * embeddings @ prototypes.to(embeddings).T

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors of preprocessed images, as `encode_images`.

        Args:
            images: Output of `preprocess`, stacked, shape ``(B, 3, *image_size)``.
        """
        return self.encode_images(images)

    def _precision(self) -> AbstractContextManager[Any]:
        return self._autocast(enabled=self.precision != "fp32")

    def _autocast(self, *, enabled: bool) -> AbstractContextManager[Any]:
        return encoding_precision(self.precision if enabled else "fp32", self.device)

    def _warn_of_long_texts(self, texts: Sequence[str]) -> None:
        mode: str = getattr(self.tokenizer, "tokenizer_mode", "")
        if not texts or mode:
            return
        # With room for one token more, only a text that was cut fills the last place.
        inner: Any = getattr(self.tokenizer, "tokenizer", None)
        padding = getattr(inner, "pad_token_id", 0)
        roomy = self.tokenizer(list(texts), context_length=self.context_length + 1)
        cut = [text for text, last in zip(texts, roomy[:, -1].tolist(), strict=True) if last != padding]
        if cut:
            warn(
                f"{len(cut)} prompts are longer than the {self.context_length} tokens that the model reads "
                f"and are cut, the first of them: {cut[0]!r}; shorten the class name or the template.",
                stacklevel=3,
            )


def encoding_precision(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast of our own choice, also inside a caller's: a trainer's precision is not the prior's.

    Args:
        precision: ``fp32``, which is none, ``bf16`` or ``fp16``.
        device: Where the model lies.
    """
    enabled = precision != "fp32"
    return torch.autocast(device.type, dtype=_DTYPES[precision] if enabled else None, enabled=enabled)

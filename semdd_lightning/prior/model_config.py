"""The form of ``open_clip_config.json``, and what it may claim of a model whose weights lie beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, with_config

from semdd_lightning.errors import PriorError
from semdd_lightning.records import RECORD, checked, in_words, parse_json

_FORM = RECORD | ConfigDict(extra="ignore")  # open_clip knows more entries than are looked at here
_LEAST_BITS = 4  # of a parameter in a weights file

Size = Annotated[int, Field(ge=1, le=10**5)]
Depth = Annotated[int, Field(ge=1, le=10**3)]
Pixels = Annotated[int, Field(ge=1, le=4096)]
Spread = Annotated[float, Field(gt=0)]


@with_config(_FORM)
@dataclass(frozen=True)
class VisionTower:
    """The image tower; its shape is timm's where that builds it."""

    image_size: Pixels | tuple[Pixels, Pixels] = 224
    layers: Depth | tuple[Depth, Depth, Depth, Depth] = 12
    width: Size = 768
    patch_size: Pixels | tuple[Pixels, Pixels] | None = 16
    timm_model_name: str | None = None

    @property
    def least_parameters(self) -> int:
        """A lower bound of what it holds."""
        if self.timm_model_name is not None:
            return 0
        if isinstance(self.layers, tuple):  # a residual network
            return sum(self.layers) * self.width**2
        return 12 * self.layers * self.width**2


@with_config(_FORM)
@dataclass(frozen=True)
class TextTower:
    """The text tower; its shape is transformers' where that builds it."""

    context_length: Size = 77
    vocab_size: Annotated[int, Field(ge=1, le=10**7)] = 49408
    width: Size = 512
    layers: Depth = 12
    hf_model_name: str | None = None
    hf_tokenizer_name: str | None = None
    tokenizer_kwargs: dict[str, Any] | None = None

    @property
    def least_parameters(self) -> int:
        """A lower bound of what it holds."""
        if self.hf_model_name is not None:
            return 0
        return 12 * self.layers * self.width**2 + (self.vocab_size + self.context_length) * self.width


@with_config(_FORM)
@dataclass(frozen=True)
class TwoTowers:
    """Both towers."""

    embed_dim: Size
    vision_cfg: VisionTower
    text_cfg: TextTower
    quick_gelu: bool = False


@with_config(_FORM)
@dataclass(frozen=True)
class Preprocess:
    """What is done to images."""

    mean: float | tuple[float, float, float] | None = None
    std: Spread | tuple[Spread, Spread, Spread] | None = None
    interpolation: str | None = None
    resize_mode: str | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] = 0


@with_config(_FORM)
@dataclass(frozen=True)
class ModelConfig:
    """All of the file, as far as it is looked at."""

    model_cfg: TwoTowers
    preprocess_cfg: Preprocess | None = field(default=None)


def read_model_config(path: Path, weights: Path) -> dict[str, Any]:
    """The configuration of a CLIP model, whose numbers can be those of its weights.

    A model is built before its weights are read into it, so a number without bounds would take memory without
    bounds.

    Args:
        path: the configuration.
        weights: the weights file.

    Raises:
        PriorError: if it has another form, or claims more than the weights file can hold.
    """
    try:
        content: dict[str, Any] = parse_json(path.read_bytes())
        model = checked(content, ModelConfig).model_cfg
    except (OSError, ValueError) as error:
        msg = (
            f"Expected {path} to be JSON with model_cfg (embed_dim, vision_cfg, text_cfg), found "
            f"{in_words(error)}; take the file that open_clip published with the weights."
        )
        raise PriorError(msg) from error
    claimed = model.vision_cfg.least_parameters + model.text_cfg.least_parameters
    if claimed * _LEAST_BITS > weights.stat().st_size * 8:
        msg = (
            f"Expected {path} to describe the model in {weights.name}, found at least {claimed:,} parameters "
            f"for a file of {weights.stat().st_size:,} bytes; take the file that came with the weights."
        )
        raise PriorError(msg)
    return content

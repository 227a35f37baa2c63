"""What tells one CLIP model from another, and the models that lie in a local directory.

Nothing here builds a model: architecture, activation, preprocessing and weights file are found out, and
what does not fit is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from semdd_lightning.errors import PriorError
from semdd_lightning.prior.preprocessing import Preprocessing
from semdd_lightning.records import RECORD, checked, in_words, parse_json

Activation = Literal["gelu", "quickgelu"]

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAMES = (  # in open_clip's own order of preference
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
DIGITS = "digits"
DIGITS_FOLDER = Path(__file__).parents[1] / "assets" / "digits_clip"
LOCAL_PREFIX = "local-dir:"
_TOKENIZER_NAMES = ("tokenizer.json", "tokenizer_config.json")
_LEAST_BITS = 4  # of a parameter in a weights file


@dataclass(frozen=True)
class ModelSource:
    """All that is needed to build one CLIP model, and all that tells it from another.

    Args:
        architecture: What open_clip calls it: a name of its list or ``local-dir:<folder>``.
        weights: The weights file.
        activation: The activation that the weights were trained with.
        model_cfg: open_clip's configuration of both towers, activation included.
        preprocessing: How the model wants its images.
        tokenizer_hash: SHA-256 over the tokenizer files of a local directory; empty for a built-in tokenizer.
    """

    architecture: str
    weights: Path
    activation: Activation
    model_cfg: dict[str, Any]
    preprocessing: Preprocessing
    tokenizer_hash: str = ""

    @property
    def weights_hash(self) -> str:
        """SHA-256 (hex) of the weights file."""
        stat = self.weights.stat()
        return _file_hash(self.weights, stat.st_size, stat.st_mtime_ns)


def local_directory(model: str) -> Path | None:
    """The directory that `model` names, if it names one."""
    if model == DIGITS:
        return DIGITS_FOLDER
    if model.startswith(LOCAL_PREFIX):
        return Path(model.removeprefix(LOCAL_PREFIX)).expanduser()
    path = Path(model).expanduser()
    return path if path.is_dir() else None


def directory_source(directory: Path, pretrained: str | None, activation: Activation | None) -> ModelSource:
    """The model in a directory, which brings configuration, weights and tokenizer, none of it stated."""
    if pretrained is not None:
        msg = (
            f"Expected no pretrained beside the model directory {directory}, found {pretrained!r}; "
            "a directory brings its own weights: leave pretrained out "
            "(over a config: --data.prior '{model: DIR, pretrained: null}')."
        )
        raise PriorError(msg)
    weights = next((directory / name for name in WEIGHTS_NAMES if (directory / name).is_file()), None)
    missing = [] if (directory / CONFIG_NAME).is_file() else [CONFIG_NAME]
    if weights is None:
        missing.append(f"{WEIGHTS_NAMES[0]} (or {', '.join(WEIGHTS_NAMES[1:])})")
    if missing or weights is None:
        msg = (
            f"Expected a CLIP model in {directory}, found "
            f"{'no such directory' if not directory.is_dir() else 'missing: ' + '; '.join(missing)}; "
            "place configuration, weights and, unless it is the built-in one, the tokenizer there."
        )
        raise PriorError(msg)
    config = _read_config(directory / CONFIG_NAME, weights)
    model_cfg = config["model_cfg"]
    _check_offline(directory, model_cfg["text_cfg"])
    found: Activation = "quickgelu" if model_cfg.get("quick_gelu", False) else "gelu"
    if activation not in (None, found):
        msg = (
            f"Expected activation {activation!r}, found {found!r} in {directory / CONFIG_NAME}; "
            "leave activation out or correct quick_gelu in that file."
        )
        raise PriorError(msg)
    return ModelSource(
        architecture=f"{LOCAL_PREFIX}{directory}",
        weights=weights,
        activation=found,
        model_cfg=model_cfg,
        preprocessing=Preprocessing.from_config(
            config.get("preprocess_cfg") or {}, model_cfg["vision_cfg"].get("image_size", 224)
        ),
        tokenizer_hash=_tokenizer_hash(directory, model_cfg["text_cfg"]),
    )


def _check_offline(directory: Path, text_cfg: dict[str, Any]) -> None:
    """Refuse a directory that would need the network for its tokenizer or text tower."""
    missing = [name for name in _TOKENIZER_NAMES if not (directory / name).is_file()]
    if text_cfg.get("hf_tokenizer_name") and missing:
        msg = (
            f"Expected the tokenizer {text_cfg['hf_tokenizer_name']!r} in {directory}, found missing: "
            f"{', '.join(missing)}; place the tokenizer's files there."
        )
        raise PriorError(msg)
    tower = text_cfg.get("hf_model_name")
    if tower and not Path(tower).is_dir():
        msg = (
            f"Expected a text tower that can be built offline, found hf_model_name {tower!r} in "
            f"{directory / CONFIG_NAME}; place its configuration in a local folder and name that folder."
        )
        raise PriorError(msg)


def _tokenizer_hash(directory: Path, text_cfg: dict[str, Any]) -> str:
    if not text_cfg.get("hf_tokenizer_name"):
        return ""
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.iterdir() if p.name.startswith(("tokenizer", "vocab", "merges"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class _Form(BaseModel):
    """What is looked at of a part of the file: open_clip knows more entries."""

    model_config = RECORD | ConfigDict(extra="ignore")


Size = Annotated[int, Field(ge=1, le=10**5)]
Depth = Annotated[int, Field(ge=1, le=10**3)]
Pixels = Annotated[int, Field(ge=1, le=4096)]
Spread = Annotated[float, Field(gt=0)]


class _VisionTower(_Form):
    """The image tower; its shape is timm's where that builds it."""

    image_size: Pixels | tuple[Pixels, Pixels] = 224
    layers: Depth | tuple[Depth, Depth, Depth, Depth] = 12
    width: Size = 768
    patch_size: Pixels | tuple[Pixels, Pixels] | None = 16
    timm_model_name: str | None = None

    @property
    def least_parameters(self) -> int:
        if self.timm_model_name is not None:
            return 0
        if isinstance(self.layers, tuple):  # a residual network
            return sum(self.layers) * self.width**2
        return 12 * self.layers * self.width**2


class _TextTower(_Form):
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
        if self.hf_model_name is not None:
            return 0
        return 12 * self.layers * self.width**2 + (self.vocab_size + self.context_length) * self.width


class _TwoTowers(_Form):
    embed_dim: Size
    vision_cfg: _VisionTower
    text_cfg: _TextTower
    quick_gelu: bool = False


class _Preprocess(_Form):
    mean: float | tuple[float, float, float] | None = None
    std: Spread | tuple[Spread, Spread, Spread] | None = None
    interpolation: str | None = None
    resize_mode: str | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] = 0


class _ModelConfig(_Form):
    model_cfg: _TwoTowers
    preprocess_cfg: _Preprocess | None = None


def _read_config(path: Path, weights: Path) -> dict[str, Any]:
    """The configuration of a CLIP model, whose numbers can be those of its weights.

    A model is built before its weights are read into it, so a number without bounds would take memory without
    bounds.
    """
    try:
        content: dict[str, Any] = parse_json(path.read_bytes())
        model = checked(content, _ModelConfig).model_cfg
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


@lru_cache(maxsize=16)
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file; size and time of change are part of the memory's key."""
    del size, modified_ns
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

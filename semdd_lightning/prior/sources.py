"""Where a CLIP model comes from: a local directory, a weights file or a tag of open_clip's hub.

Nothing here builds a model: architecture, activation, preprocessing and weights file are found out, and
what does not fit is refused.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from open_clip.factory import get_model_config

from semdd_lightning.errors import PriorError
from semdd_lightning.prior.model_config import read_model_config
from semdd_lightning.prior.named_models import (
    Activation,
    check_named,
    clean_name,
    find_or_fetch_weights,
    usual_preprocessing,
)
from semdd_lightning.prior.preprocessing import Preprocessing

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAMES = (  # in open_clip's own order of preference
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
DIGITS = "digits"
DIGITS_FOLDER = Path(__file__).parents[1] / "assets" / "digits_clip"
_TOKENIZER_NAMES = ("tokenizer.json", "tokenizer_config.json")
_LOCAL_PREFIX = "local-dir:"


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

    def identity(self, precision: str, batch_size: int) -> dict[str, Any]:
        """Everything that changes image embeddings, as plain JSON values.

        Args:
            precision: Number format of the forward pass.
            batch_size: Images of one forward pass; it moves the last bits.
        """
        return {
            "architecture": self.model_cfg,
            "weights": self.weights_hash,
            "activation": self.activation,
            "preprocessing": asdict(self.preprocessing),
            "precision": precision,
            "batch_size": batch_size,
        }


def resolve_source(model: str, pretrained: str | None, activation: Activation | None) -> ModelSource:
    """Find the weights and configuration of a CLIP model; only an uncached hub tag touches the network.

    Args:
        model: Local directory (``local-dir:`` may stand before it), ``digits``, or architecture name.
        pretrained: Tag of open_clip's hub or weights file; None for a local directory.
        activation: Activation that the weights were trained with; required for a weights file.

    Raises:
        PriorError: If there is no such model, tag or file, or if the activations contradict each other.
    """
    directory = local_directory(model)
    if directory is not None:
        return _directory_source(directory, pretrained, activation)
    tag_config = check_named(model, pretrained, activation)
    name, pretrained = clean_name(model), str(pretrained)
    if tag_config is None:
        return _named_source(
            name, Path(pretrained).expanduser(), activation or "gelu", usual_preprocessing(name)
        )
    weights = find_or_fetch_weights(name, pretrained, tag_config)
    quick = bool(get_model_config(name).get("quick_gelu", False))
    return _named_source(name, weights, "quickgelu" if quick else "gelu", tag_config)


def check_source(model: str, pretrained: str | None, activation: Activation | None) -> None:
    """Refuse what `resolve_source` would refuse, without fetching anything.

    Args:
        model: As for `resolve_source`.
        pretrained: As for `resolve_source`.
        activation: As for `resolve_source`.

    Raises:
        PriorError: As `resolve_source`, except for weights that cannot be fetched.
    """
    directory = local_directory(model)
    if directory is None:
        check_named(model, pretrained, activation)
    else:
        _directory_source(directory, pretrained, activation)


def local_directory(model: str) -> Path | None:
    """The directory that `model` names, if it names one."""
    if model == DIGITS:
        return DIGITS_FOLDER
    if model.startswith(_LOCAL_PREFIX):
        return Path(model.removeprefix(_LOCAL_PREFIX)).expanduser()
    path = Path(model).expanduser()
    return path if path.is_dir() else None


def _directory_source(directory: Path, pretrained: str | None, activation: Activation | None) -> ModelSource:
    if pretrained is not None:
        msg = (
            f"Expected no pretrained beside the model directory {directory}, found {pretrained!r}; "
            "a directory brings its own weights: leave pretrained out "
            "(over a config: --data.prior '{model: DIR, pretrained: null}')."
        )
        raise PriorError(msg)
    config, weights = _directory_files(directory)
    model_cfg = config["model_cfg"]
    found: Activation = "quickgelu" if model_cfg.get("quick_gelu", False) else "gelu"
    if activation not in (None, found):
        msg = (
            f"Expected activation {activation!r}, found {found!r} in {directory / CONFIG_NAME}; "
            "leave activation out or correct quick_gelu in that file."
        )
        raise PriorError(msg)
    return ModelSource(
        architecture=f"{_LOCAL_PREFIX}{directory}",
        weights=weights,
        activation=found,
        model_cfg=model_cfg,
        preprocessing=_preprocessing(model_cfg, config.get("preprocess_cfg") or {}),
        tokenizer_hash=_tokenizer_hash(directory, model_cfg),
    )


def _directory_files(directory: Path) -> tuple[dict[str, Any], Path]:
    """Configuration and weights file of a model directory."""
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
    config = read_model_config(directory / CONFIG_NAME, weights)
    _check_offline(directory, config["model_cfg"]["text_cfg"])
    return config, weights


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


def _tokenizer_hash(directory: Path, model_cfg: dict[str, Any]) -> str:
    if not model_cfg["text_cfg"].get("hf_tokenizer_name"):
        return ""
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.iterdir() if p.name.startswith(("tokenizer", "vocab", "merges"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _named_source(
    name: str, weights: Path, activation: Activation, preprocess_cfg: dict[str, Any]
) -> ModelSource:
    model_cfg = deepcopy(get_model_config(name))
    model_cfg["quick_gelu"] = activation == "quickgelu"
    preprocessing = _preprocessing(model_cfg, preprocess_cfg)
    return ModelSource(name, weights, activation, model_cfg, preprocessing)


def _preprocessing(model_cfg: dict[str, Any], preprocess_cfg: dict[str, Any]) -> Preprocessing:
    size = model_cfg["vision_cfg"].get("image_size", 224)
    return Preprocessing.from_config(preprocess_cfg, size)


@lru_cache(maxsize=16)
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    """SHA-256 of a file; size and time of change are part of the memory's key."""
    del size, modified_ns
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""A CLIP model as the prior: which one, which prompts and which precision, and how it is loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import open_clip
import torch
from safetensors.torch import save
from torch import Tensor, nn

from semdd_lightning.atomic import write_atomically
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import DiskError, PriorError
from semdd_lightning.prior.cache import FORMAT
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.prompts import prompt_names, resolve_prompts, text_prototypes
from semdd_lightning.prior.sources import DIGITS, ModelSource, check_source, local_directory, resolve_source

_PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class OpenClipPrior:
    """A CLIP model of open_clip, described; nothing is loaded until `load`.

    Args:
        model: A local model directory (open_clip_config.json, weights, tokenizer; ``local-dir:`` may stand
            before it; never touches the network), ``digits`` for the small model that comes with this
            package, or an architecture name such as ``ViT-B-32``.
        pretrained: For an architecture name: a tag of open_clip's hub, or a weights file.
        activation: Activation that the weights were trained with. Required for a weights file, which does
            not say; OpenAI's weights need ``quickgelu``.
        prompts: Name of a prompt set, or templates that hold ``{}`` where the class name goes.
        class_names: Display name (or wnid) of a class to the name that prompts use for it.
        precision: Number format of the forward pass; vectors are normalised in float32 always.
        batch_size: Images of one forward pass; part of the cache's key, as it moves the last bits.

    Raises:
        PriorError: If prompts, precision or batch size make no sense.
    """

    model: str
    pretrained: str | None = None
    activation: Literal["gelu", "quickgelu"] | None = None
    prompts: str | tuple[str, ...] = "simple"
    class_names: dict[str, str] | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch_size: int = 64

    def __post_init__(self) -> None:
        resolve_prompts(self.prompts)
        if self.precision not in _PRECISIONS:
            msg = f"Expected precision to be one of {', '.join(_PRECISIONS)}, found {self.precision!r}."
            raise PriorError(msg)
        if self.activation not in (None, "gelu", "quickgelu"):
            msg = f"Expected activation to be 'gelu' or 'quickgelu', found {self.activation!r}."
            raise PriorError(msg)
        if self.batch_size < 1:
            msg = f"Expected batch_size of the prior to be at least 1, found {self.batch_size}."
            raise PriorError(msg)

    def check(self) -> None:
        """Find out, without network and without loading weights, whether this can be a model.

        Raises:
            PriorError: If model, tag, file or activation are unknown or contradict each other.
        """
        check_source(self.model, self.pretrained, self.activation)

    def absolute(self) -> OpenClipPrior:
        """The same prior with local paths that hold from any working directory, as manifests need it."""
        folder = local_directory(self.model)
        if folder is not None and self.model != DIGITS:
            return replace(self, model=str(folder.absolute()))
        weights = Path(self.pretrained or "").expanduser()
        return replace(self, pretrained=str(weights.absolute())) if weights.is_file() else self

    def source(self) -> ModelSource:
        """Weights file and configuration of the model; fetches the weights of an uncached tag.

        Raises:
            PriorError: As `check`, or if weights cannot be fetched.
        """
        return resolve_source(self.model, self.pretrained, self.activation)

    def identity(self) -> dict[str, Any]:
        """Everything that changes image embeddings, without building the model."""
        return self.source().identity(self.precision, self.batch_size)

    def text_identity(self, registry: ClassRegistry) -> dict[str, Any]:
        """Everything that changes text prototypes, without building the model.

        Args:
            registry: The classes.
        """
        image_side = self.identity()
        del image_side["preprocessing"]
        return {
            "format": FORMAT,
            "prior": image_side,
            "tokenizer": self.source().tokenizer_hash,
            "names": list(self.prompt_names(registry)),
            "templates": list(self.templates()),
        }

    def make_prototypes(self, encoder: LoadedClip, identity: Mapping[str, Any]) -> Tensor:
        """Text prototypes, shape ``(C, d)``.

        Args:
            encoder: The loaded model.
            identity: What `text_identity` returned.
        """
        return text_prototypes(encoder, identity["names"], identity["templates"])

    def load(self, device: torch.device | str = "cpu") -> LoadedClip:
        """Build the model and load its weights.

        Args:
            device: Where the model goes.

        Raises:
            PriorError: If the model cannot be had as described.
        """
        return _load_clip(self.source(), self.precision, self.batch_size, device)

    def templates(self) -> tuple[str, ...]:
        """The prompt templates."""
        return resolve_prompts(self.prompts)

    def prompt_names(self, registry: ClassRegistry) -> tuple[str, ...]:
        """The class names as prompts use them.

        Args:
            registry: The classes.

        Raises:
            PriorError: If `class_names` renames a class that is not there.
        """
        return prompt_names(registry, self.class_names)

    def prototypes(self, clip: LoadedClip, registry: ClassRegistry) -> Tensor:
        """Text prototypes of the classes of a registry, shape ``(C, d)``.

        Args:
            clip: The loaded model.
            registry: The classes.
        """
        return text_prototypes(clip, self.prompt_names(registry), self.templates())


def _load_clip(
    source: ModelSource, precision: str, batch_size: int, device: torch.device | str
) -> LoadedClip:
    """Build the model of a source and load its weights; the global random state is left as it was."""
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

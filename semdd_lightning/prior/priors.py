"""Priors: CLIP models with their prompts and precision, and any kind of prior out of words or records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PriorError
from semdd_lightning.prior.cache import FORMAT
from semdd_lightning.prior.loaded_clip import LoadedClip
from semdd_lightning.prior.named_models import check_named, named_source
from semdd_lightning.prior.prompts import prompt_names, resolve_prompts, text_prototypes
from semdd_lightning.prior.sources import (
    DIGITS,
    LOCAL_PREFIX,
    Activation,
    ModelSource,
    directory_source,
    local_directory,
)
from semdd_lightning.prior.timm_prior import TimmPrior

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
        if local_directory(self.model) is None:
            check_named(self.model, self.pretrained, self.activation)
        else:
            self.source()

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
        directory = local_directory(self.model)
        if directory is None:
            return named_source(self.model, self.pretrained, self.activation)
        return directory_source(directory, self.pretrained, self.activation)

    def identity(self) -> dict[str, Any]:
        """Everything that changes image embeddings, without building the model."""
        return self._identity(self.source())

    def text_identity(self, registry: ClassRegistry) -> dict[str, Any]:
        """Everything that changes text prototypes, without building the model.

        Args:
            registry: The classes.

        Raises:
            PriorError: If `class_names` renames a class that is not there.
        """
        source = self.source()
        image_side = self._identity(source)
        del image_side["preprocessing"]
        return {
            "format": FORMAT,
            "prior": image_side,
            "tokenizer": source.tokenizer_hash,
            "names": list(prompt_names(registry, self.class_names)),
            "templates": list(resolve_prompts(self.prompts)),
        }

    def load(self, device: torch.device | str = "cpu") -> LoadedClip:
        """Build the model and load its weights.

        Args:
            device: Where the model goes.

        Raises:
            PriorError: If the model cannot be had as described.
        """
        return LoadedClip(self.source(), self.precision, self.batch_size).to(device)

    def prototypes(self, clip: LoadedClip, registry: ClassRegistry) -> Tensor:
        """Text prototypes of the classes of a registry, shape ``(C, d)``.

        Args:
            clip: The loaded model.
            registry: The classes.
        """
        return text_prototypes(clip, prompt_names(registry, self.class_names), resolve_prompts(self.prompts))

    def _identity(self, source: ModelSource) -> dict[str, Any]:
        return {
            "architecture": source.model_cfg,
            "weights": source.weights_hash,
            "activation": source.activation,
            "preprocessing": asdict(source.preprocessing),
            "precision": self.precision,
            "batch_size": self.batch_size,
        }


Prior = OpenClipPrior | TimmPrior
AnyPrior = Prior | Path | str
"""A prior, or its name as `parse_prior` takes it."""


def prior_kind(description: Mapping[str, Any]) -> type[OpenClipPrior] | type[TimmPrior]:
    """The class that a manifest or config describes: by its path, else by the argument that only it needs.

    Args:
        description: ``class_path`` and ``init_args``, or the arguments alone.
    """
    path = description.get("class_path")
    if path is None:
        return TimmPrior if "name" in description else OpenClipPrior
    return TimmPrior if str(path).rpartition(".")[2] == TimmPrior.__name__ else OpenClipPrior


def prior_in_words(described: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """What a command line calls the priors of a manifest or config, for people to read.

    >>> prior_in_words({"model": "ViT-B-32-quickgelu", "pretrained": "openai"})
    'ViT-B-32-quickgelu:openai'

    Args:
        described: One description as `prior_kind` takes it, or several.
    """
    if not isinstance(described, Mapping):
        return " and ".join(map(prior_in_words, described))
    arguments = described.get("init_args", described)
    if prior_kind(described) is TimmPrior:
        words = [f"timm/{arguments['name']}", arguments.get("weights")]
    else:
        words = [arguments["model"], arguments.get("pretrained")]
    known = " (the package's own, which knows digits only)" if words[0] == DIGITS else ""
    return ":".join(str(word) for word in words if word is not None) + known


def parse_prior(text: str) -> Prior:
    """A prior out of one word of a command line.

    Args:
        text: ``DIR``, ``MODEL:TAG``, ``MODEL:FILE:ACTIVATION``, ``digits``, ``timm/NAME`` or
            ``timm/NAME:FILE``.

    Raises:
        PriorError: If it is none of these, or names something that is not there.

    >>> parse_prior("ViT-B-32:laion2b_s34b_b79k").pretrained
    'laion2b_s34b_b79k'
    """
    if text == DIGITS or text.startswith(LOCAL_PREFIX) or Path(text).expanduser().is_dir():
        prior: Prior = OpenClipPrior(text)
    elif text.startswith("timm/"):
        name, _, file = text.removeprefix("timm/").partition(":")
        prior = TimmPrior(name, Path(file) if file else None)
    else:
        model, _, pretrained = text.partition(":")
        weights, _, last = pretrained.rpartition(":")
        activation = cast("Activation", last) if weights and last in ("gelu", "quickgelu") else None
        prior = OpenClipPrior(model, (weights if activation else pretrained) or None, activation)
    prior.check()
    return prior


def listed_priors(prior: AnyPrior | Sequence[AnyPrior]) -> tuple[Prior, ...]:
    """One prior or several, as several.

    Args:
        prior: What a user gave: a prior or its name, or several, no two alike.

    Raises:
        PriorError: If there is none, one stands there twice, or one is no prior.
    """
    given = prior if isinstance(prior, Sequence) and not isinstance(prior, str) else [prior]
    priors = tuple(_as_prior(one) for one in given)
    if not priors or any(one in priors[:place] for place, one in enumerate(priors)):
        msg = (
            f"Expected one prior or several that differ, found {len(priors)}"
            f"{', one of them twice' if priors else ''}; name each once."
        )
        raise PriorError(msg)
    return priors


def first_clip(priors: Sequence[Prior]) -> OpenClipPrior | None:
    """The first CLIP model among priors, which can be a teacher as well; None if there is none."""
    return next((prior for prior in priors if isinstance(prior, OpenClipPrior)), None)


def _as_prior(prior: object) -> Prior:
    if isinstance(prior, OpenClipPrior | TimmPrior):
        return prior
    if isinstance(prior, str | Path):
        return parse_prior(str(prior))
    msg = f"Expected a prior or its name, found {prior!r}; give OpenClipPrior(...), or MODEL:TAG."
    raise PriorError(msg)

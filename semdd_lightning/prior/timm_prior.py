"""An image model of timm as the prior: a class is a row of its head, or the mean of real images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import Compose

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PriorError
from semdd_lightning.prior.cache import FORMAT
from semdd_lightning.prior.loaded_clip import FrozenEncoder
from semdd_lightning.prior.prompts import warn_of_equal_prototypes

IMAGENET_CLASSES = 1000
LOGIT_SCALE = 30.0
"""Factor from cosines to logits: that of classifiers trained on cosines (AM-Softmax, arXiv 1801.05599)."""


@dataclass(frozen=True)
class TimmPrior:
    """An image model of timm, described; nothing is loaded until `load`.

    Features and rows of the head are normalised, so that a class is the row of its wnid. Where the head lacks
    the classes, or there is none, as in DINO's models, a class is the mean of its reference images.

    Args:
        name: timm's name, with the tag of its weights, as ``vit_small_patch14_dinov2.lvd142m``.
        weights: A weights file, as timm saves it (default: those that timm publishes).
        precision: Number format of the forward pass; vectors are normalised in float32 always.
        batch_size: Images of one forward pass; part of the cache's key, as it moves the last bits.

    Raises:
        PriorError: If the batch size makes no sense.
    """

    name: str
    weights: Path | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            msg = f"Expected batch_size of the prior to be at least 1, found {self.batch_size}."
            raise PriorError(msg)

    def check(self) -> None:
        """Find out, without network and without loading weights, whether this can be a model.

        Raises:
            PriorError: If timm has no such model, or the file is not there.
        """
        import timm  # takes seconds, and most priors are not of timm

        if not timm.is_model(self.name):
            msg = f"Expected a model of timm, found {self.name!r}; `timm.list_models()` lists them."
            raise PriorError(msg)
        if self._file is not None and not self._file.is_file():
            msg = f"Expected weights of {self.name} at {self.weights}, found no such file; correct the path."
            raise PriorError(msg)

    def absolute(self) -> TimmPrior:
        """The same prior with a path that holds from any working directory, as manifests need it."""
        return self if self._file is None else replace(self, weights=self._file.absolute())

    def identity(self) -> dict[str, Any]:
        """Everything that changes image embeddings."""
        file = self._file
        state = None if file is None else (file.stat().st_size, file.stat().st_mtime_ns)
        hashed, preprocessing = _weights_hash(self.name, file, state)
        return {
            "timm": self.name,
            "weights": hashed,
            "preprocessing": preprocessing,
            "precision": self.precision,
            "batch_size": self.batch_size,
        }

    def text_identity(self, registry: ClassRegistry) -> dict[str, Any]:
        """Everything that changes the prototypes that the head gives; no names where it gives none.

        Args:
            registry: The classes.
        """
        head = _classifier(_build(self.name, self._file))
        rows = None if head is None else head_rows(registry)
        names = [] if rows is None else list(registry.names)
        return {"format": FORMAT, "prior": self.identity(), "names": names, "rows": rows or []}

    def prototypes(self, encoder: LoadedTimm, registry: ClassRegistry) -> Tensor:
        """Normalised rows of the head ``(C, d)``; of shape ``(0, d)`` where it lacks the classes.

        Args:
            encoder: The loaded model.
            registry: The classes.

        Raises:
            PriorError: If the head takes other features than the model's own.
        """
        head = _classifier(encoder.model)
        rows = None if head is None else head_rows(registry)
        if head is None or not rows:
            return torch.empty(0, encoder.embed_dim)
        if head.in_features != encoder.embed_dim:
            msg = (
                f"Expected a head over {encoder.embed_dim} features, found one over {head.in_features}; take "
                "another model."
            )
            raise PriorError(msg)
        prototypes = F.normalize(head.weight.detach()[rows].float(), dim=-1)
        warn_of_equal_prototypes(registry.names, prototypes)
        return prototypes

    def load(self, device: torch.device | str = "cpu") -> LoadedTimm:
        """Build the model and load its weights.

        Args:
            device: Where the model goes.

        Raises:
            PriorError: If the model cannot be had as described.
        """
        return LoadedTimm(_build(self.name, self._file), self.precision).to(device)

    @property
    def _file(self) -> Path | None:
        return None if self.weights is None else Path(self.weights).expanduser()


class LoadedTimm(FrozenEncoder):
    """A timm model that never trains."""

    logit_scale = LOGIT_SCALE

    def __init__(self, model: nn.Module, precision: str) -> None:
        from timm.data.transforms_factory import create_transform

        config = _data_config(model)
        *steps, _to_tensor, _normalize = cast("Compose", create_transform(**config)).transforms
        super().__init__(model, Compose(steps), config["mean"], config["std"], precision)
        with torch.no_grad():
            self.embed_dim = self._features(torch.zeros(1, *config["input_size"])).shape[1]

    def _features(self, images: Tensor) -> Tensor:
        maps = self.model.forward_features(images)
        features: Tensor = self.model.forward_head(maps, pre_logits=True)
        return features


def _classifier(model: nn.Module) -> nn.Linear | None:
    """The head, where it is a linear layer over ImageNet's classes."""
    head = cast("Any", model).get_classifier()
    return head if isinstance(head, nn.Linear) and head.out_features == IMAGENET_CLASSES else None


def _build(name: str, weights: Path | None) -> nn.Module:
    import timm

    try:
        with torch.random.fork_rng(devices=[]):
            model: nn.Module = timm.create_model(
                name, pretrained=weights is None, checkpoint_path=str(weights or "")
            )
    except Exception as error:  # a broken file, no network, a name without weights
        msg = (
            f"Expected weights of {name}, found none that load ({type(error).__name__}: {str(error)[:300]}); "
            f"without network give a file of them: timm/{name}:FILE."
        )
        raise PriorError(msg) from error
    return model


def _data_config(model: nn.Module) -> dict[str, Any]:
    from timm.data.config import resolve_data_config

    return dict(resolve_data_config(model=model))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=16)
def _weights_hash(name: str, file: Path | None, state: tuple[int, int] | None) -> tuple[str, dict[str, Any]]:
    """SHA-256 (hex) of a model's weights, and its preprocessing; size and time are the memory's key."""
    del state
    model = _build(name, file)
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest(), {key: str(value) for key, value in sorted(_data_config(model).items())}


@cache
def imagenet_rows() -> dict[str, int]:
    """Row of every ImageNet class by its wnid."""
    from timm.data.imagenet_info import ImageNetInfo  # takes seconds, and most priors are not of timm

    names = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
    return {wnid: row for row, wnid in enumerate(names)}


def head_rows(registry: ClassRegistry) -> list[int] | None:
    """Row of each class of a registry: the class list's, else the wnid's; None if some class has neither."""
    if registry.teacher_indices is not None:
        return list(registry.teacher_indices)
    if registry.wnids is None:
        return None
    known = imagenet_rows()
    return [known[wnid] for wnid in registry.wnids] if known.keys() >= set(registry.wnids) else None

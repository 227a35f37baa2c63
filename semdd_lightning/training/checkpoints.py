"""Checkpoints: written as a whole or not at all, read back unchanged, and opened as plain PyTorch."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import Trainer

from semdd_lightning.errors import ConfigError, DiskError, NetworkError, RunError, SemddError
from semdd_lightning.given import given_path
from semdd_lightning.models import NetworkFactory, NormalizedNetwork, build_network
from semdd_lightning.names import get_logger
from semdd_lightning.records import check_seal, checked, in_words, write_sealed
from semdd_lightning.training.checkpoint_card import CheckpointCard

logger = get_logger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, syncs and renames it.

    Lightning's own goes through a temporary folder: from another file system that is a copy in place, over a
    good older checkpoint.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401 - as Lightning has it
    ) -> None:
        """Write a checkpoint; one that is addressed by a URL goes Lightning's way.

        Raises:
            RunError: if it cannot be written; what was there before is still there.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = BytesIO()
        torch.save(checkpoint, content)
        try:
            write_sealed(Path(path), content.getbuffer())
        except DiskError as error:
            msg = (
                f"Expected to write the checkpoint {path}, found {error.__cause__}; free disk space; the "
                "same command goes on from the checkpoint before."
            )
            raise RunError(msg) from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = lambda storage, _: storage,  # noqa: ANN401 - as Lightning has it
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint that is what was written; one that is addressed by a URL goes Lightning's way.

        Raises:
            ConfigError: if it is none of this package, or was changed since.
        """
        if "://" in str(path):
            return dict(super().load_checkpoint(path, map_location, weights_only))
        advice = "give the last.ckpt of a run"
        return read_checkpoint(Path(path), ConfigError, advice, map_location, weights_only is not False)


def write_whole_checkpoints(trainer: Trainer) -> None:
    """Let a trainer write checkpoints through `AtomicCheckpointIO`, unless its user has chosen otherwise."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()


def read_checkpoint(
    path: Path,
    error: type[SemddError],
    advice: str,
    map_location: Any = "cpu",  # noqa: ANN401 - as torch has it
    weights_only: bool = True,
) -> dict[str, Any]:
    """Read a checkpoint of this package, whole and unchanged, with the card that it must have.

    Args:
        path: the file.
        error: raised where it is another.
        advice: what to do then.
        map_location: where its tensors go, as `torch.load` has it.
        weights_only: whether it may hold nothing that runs code.
    """
    try:
        if not check_seal(path):
            logger.info("%s has no digest, as checkpoints of version 0.1: damage to it cannot be seen", path)
        found = _load(path, map_location, weights_only)
        weights = found.get("state_dict") if isinstance(found, dict) else None
        if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
            msg = "another: it holds no state_dict"
            raise ValueError(msg)
        if not isinstance(found.get("semdd"), dict):
            msg = "another: it says nothing of its network and classes"
            raise ValueError(msg)
        checked(found["semdd"], CheckpointCard)
    except (OSError, ValueError, SemddError) as problem:
        msg = f"Expected a checkpoint of this package in {path}, found {in_words(problem)}; {advice}."
        raise error(msg) from problem
    return dict(found)


def load_network(path: Path | str, network: str | NetworkFactory | None = None) -> NormalizedNetwork:
    """Open the student or teacher that `semdd fit` trained, without Lightning.

    It takes images in [0, 1], (B, 3, H, W), of any size, and gives logits (B, C): size and normalisation are
    those of its training and stand in the network. Its `class_names` say what the logits are of. It is in
    eval mode, on the CPU; of averaged weights it is the average, which was evaluated. Nothing in the file is
    run as code.

    Args:
        path: the checkpoint, or the run directory that holds ``last.ckpt``.
        network: the architecture, where neither the checkpoint nor ``config.yaml`` beside it says it.

    Raises:
        NetworkError: if there is no such checkpoint, or it holds another network.
    """
    file = checkpoint_file(given_path("a checkpoint", path))
    if not file.is_file():
        msg = f"Expected a checkpoint at {file.absolute()}, found none; give the last.ckpt of a `semdd fit`."
        raise NetworkError(msg)
    checkpoint = read_checkpoint(file, NetworkError, "give the last.ckpt of a `semdd fit`")
    return network_of(checkpoint, file, network, NetworkError).eval()


def checkpoint_file(path: Path) -> Path:
    """The checkpoint that a path stands for: itself, or the last one of a run directory."""
    path = path.expanduser()
    return path / "last.ckpt" if path.is_dir() else path


def network_of(
    checkpoint: dict[str, Any], file: Path, network: str | NetworkFactory | None, error: type[SemddError]
) -> NormalizedNetwork:
    """Build the network of a checkpoint and give it its weights.

    Args:
        checkpoint: what `read_checkpoint` gave.
        file: where it was read from.
        network: the architecture (default: what the checkpoint remembers, else what the run's config says).
        error: raised where that is not what was trained.
    """
    card = checkpoint["semdd"]
    architecture = network or card["network"] or _configured(file.with_name("config.yaml"))
    if architecture is None:
        msg = (
            f"Expected the architecture of {file}, found none in it; give as `network` the class and "
            "arguments that the run's config.yaml holds."
        )
        raise error(msg)
    size = card["image_size"]
    trained = build_network(architecture, card["num_classes"], size)
    built = NormalizedNetwork(trained, size, card["mean"], card["std"])
    built.class_names = tuple(card["class_names"])
    prefix = "averaged.module." if card.get("averaged") else "network."  # what was evaluated
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    try:
        built.load_state_dict(weights)
    except RuntimeError as problem:
        msg = (
            f"Expected weights of {architecture} in {file}, found others ({problem}); "
            "give the architecture that the checkpoint was trained with."
        )
        raise error(msg) from problem
    return built


def _load(path: Path, map_location: Any, weights_only: bool) -> Any:  # noqa: ANN401 - as torch has it
    try:
        return torch.load(path, map_location=map_location, weights_only=weights_only)
    except OSError:
        raise
    except pickle.UnpicklingError as problem:  # whose own words advise to let the file run code
        msg = "no pickle of weights, or one that would run code"
        raise ValueError(msg) from problem
    except Exception as problem:  # a broken file fails in as many ways as there are bytes
        msg = f"a file that torch cannot load ({str(problem).partition('. ')[0]})"
        raise ValueError(msg) from problem


def _configured(config: Path) -> str | NetworkFactory | None:
    """The architecture that a run's config describes; None where there is none that can be built."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(build_network, skip={"num_classes", "image_size"})
    try:
        model = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]["init_args"]
        described = model.get("network", model.get("student"))
        parsed = parser.parse_object({"network": described})
        network: str | NetworkFactory = parser.instantiate(parsed).network
    except Exception:  # what is amiss with a config shows in as many ways; the checkpoint is what counts
        return None
    return network

"""The network of a checkpoint as plain PyTorch: built, filled and ready to classify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from semdd_lightning.errors import NetworkError, SemddError
from semdd_lightning.given import given_path
from semdd_lightning.models import NetworkFactory, NormalizedNetwork, build_network
from semdd_lightning.training.checkpoint_io import read_checkpoint

LAST = "last.ckpt"
CONFIG = "config.yaml"


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
    return path / LAST if path.is_dir() else path


def network_of(
    checkpoint: dict[str, Any], file: Path, network: str | NetworkFactory | None, error: type[SemddError]
) -> NormalizedNetwork:
    """Build the network of a checkpoint and give it its weights.

    Args:
        checkpoint: what `read_checkpoint` gave.
        file: where it was read from.
        network: the architecture; none takes what the checkpoint remembers, else what the run's config says.
        error: raised where that is not what was trained.
    """
    card = checkpoint["semdd"]
    architecture = network or card["network"] or _configured(file.with_name(CONFIG))
    if architecture is None:
        msg = (
            f"Expected the architecture of {file}, found none in it; give as `network` the class and "
            "arguments that the run's config.yaml holds."
        )
        raise error(msg)
    built = NormalizedNetwork(
        build_network(architecture, card["num_classes"], card["image_size"]),
        card["image_size"],
        card["mean"],
        card["std"],
    )
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


def _configured(config: Path) -> str | NetworkFactory | None:
    """The architecture that a run's config describes; none where there is none that can be built."""
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

"""How far an experiment is the one that its protocol describes, for its result and for who starts it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import (
    BasePredictionWriter,
    Checkpoint,
    DeviceStatsMonitor,
    LearningRateMonitor,
    ModelSummary,
    ProgressBar,
)
from lightning.pytorch.callbacks.throughput_monitor import ThroughputMonitor

from semdd_lightning.experiment.config.options import flatten, same
from semdd_lightning.experiment.config.protocols import Protocol, read_protocol
from semdd_lightning.names import get_logger

logger = get_logger(__name__)

CALLBACKS = "trainer.callbacks"
NOT_THE_RECIPE = (
    "data.passes_per_epoch",
    "model.student",
    "model.network",
)  # bookkeeping, and who is measured


RECORDERS = (
    BasePredictionWriter,
    Checkpoint,
    DeviceStatsMonitor,
    LearningRateMonitor,
    ModelSummary,
    ProgressBar,
    ThroughputMonitor,
)  # callbacks that look on and change nothing


def changes_of(saved: Mapping[str, Any], *, trains: bool) -> list[dict[str, Any]]:
    """As `protocol_changes`, of a saved config; a training that no published number compares with is told so.

    Args:
        saved: the config, with its protocol.
        trains: whether it is to be trained.
    """
    protocol = read_protocol(saved, Path("config.yaml"))
    problem = beyond(protocol) if trains else None
    if problem is not None:
        logger.warning("%s", problem)
    return protocol_changes(protocol, flatten(saved))


def protocol_changes(protocol: Protocol, used: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Options of the protocol that have another value in the experiment.

    Where another class was chosen, that is the change, with those arguments that both classes have.

    Args:
        protocol: the protocol, resolved.
        used: all options of the experiment, flat.

    Returns:
        For each change, ``option``, the ``protocol``'s value (none where it has none and one had to be
        given), and the value ``used``.

    Examples:
        >>> rded = Protocol("rded", recipe={"data.passes": 300, "model.loss": "kl"})
        >>> protocol_changes(rded, {"data.passes": 60, "model.loss": "kl"})
        [{'option': 'data.passes', 'protocol': 300, 'used': 60}]
    """
    given = protocol.before()
    expected = dict.fromkeys((option for option in protocol.needs if option not in given), None) | given
    used = {**used, CALLBACKS: _without_recorders(used.get(CALLBACKS))} if CALLBACKS in used else used
    return [
        {"option": option, "protocol": value, "used": used[option]}
        for option, value in expected.items()
        if option in used and not option.startswith(NOT_THE_RECIPE) and not same(option, value, used[option])
    ]


def _without_recorders(callbacks: object) -> object:
    """Callbacks of a saved config but for those that only record; none where none is left."""
    if callbacks is None:
        return None
    given = callbacks if isinstance(callbacks, list) else [callbacks]
    return [callback for callback in given if not _records(callback)] or None


def _records(callback: object) -> bool:
    path = callback.get("class_path") if isinstance(callback, Mapping) else None
    module, _, name = str(path).rpartition(".")
    try:
        kind = getattr(import_module(module), name, None) if module else None
    except ImportError:  # the parser has refused it, or does not know it yet
        return False
    return isinstance(kind, type) and issubclass(kind, RECORDERS)


def beyond(protocol: Protocol) -> str | None:
    """That the reference implementation covers no such experiment, in words; none where it does."""
    facts = protocol.resolved_for or {}
    if protocol.covers(facts):
        return None
    asked = dict.fromkeys(fact for part in protocol.made_for for fact in part)
    found = ", ".join(f"{fact} {facts[fact]}" for fact in asked if fact in facts)
    return (
        f"Expected an experiment that {protocol.source} has values for ({covered(protocol)}), found {found}: "
        f"the protocol {protocol.name} goes on by its config, but no published number compares with this run."
    )


def covered(protocol: Protocol) -> str:
    """What the reference implementation covers, in words."""
    parts = (", ".join(f"{fact} {wanted}" for fact, wanted in part.items()) for part in protocol.made_for)
    return "; or ".join(parts)

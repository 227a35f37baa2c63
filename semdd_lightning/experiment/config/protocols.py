"""Evaluation protocols: what of a config depends on ipc, classes, image size, student and teacher.

A protocol is a config that goes over a data set's: ``--config cifar10.yaml --config protocols/rded.yaml``.
Its section ``protocol`` holds rules. What they give stands in that config's place: later configs and options
go over it, and the saved config shows it. `ExperimentParser` asks here what that is.

The saved config keeps the protocol beside these values. Used again for another ipc, student or mixing, it is
resolved anew; what was changed by hand stays changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from pydoc import locate
from typing import Any

from lightning.pytorch import callbacks

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.options import flatten, same
from semdd_lightning.experiment.config.protocol_facts import FACTS, matches
from semdd_lightning.names import get_logger

logger = get_logger(__name__)

CALLBACKS = "trainer.callbacks"
NOT_THE_RECIPE = ("data.passes_per_epoch", "model.student", "model.network")  # bookkeeping, who is measured
RECORDERS = (
    callbacks.BasePredictionWriter,
    callbacks.Checkpoint,
    callbacks.DeviceStatsMonitor,
    callbacks.LearningRateMonitor,
    callbacks.ModelSummary,
    callbacks.ProgressBar,
    callbacks.ThroughputMonitor,
)  # callbacks that look on and change nothing


@dataclass(frozen=True)
class Rule:
    """Options that hold where something is known of an experiment.

    Args:
        when: what must hold: ipc, num_classes and image_size as a number, a list of numbers or a range
            such as ``2-10`` or ``501-``; student, teacher and mix as a name, a list or a
            pattern such as ``*conv3``.
        give: options and their values, as ``data.passes: 2000``.
    """

    when: dict  # type: ignore[type-arg]  # bare: with types, jsonargparse makes -64 of "-64"
    give: dict  # type: ignore[type-arg]


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol, of a reference implementation.

    Args:
        name: what a result says that it was measured by.
        source: that implementation's public code.
        made_for: what that code covers, any one of these; each as a rule's ``when``. Empty: anything.
        needs: options without a default, which a rule, a later config or an option has to give.
        rules: what depends on ipc, classes, image size, student, teacher and mixing; later rules go over
            earlier ones.
        recipe: the protocol's own options before any rule; filled in from the rest of its config.
        resolved_for: the facts that the rules were resolved for; filled in.
    """

    name: str
    source: str = ""
    made_for: list[dict] = field(default_factory=list)  # type: ignore[type-arg]
    needs: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    recipe: dict = field(default_factory=dict)  # type: ignore[type-arg]
    resolved_for: dict | None = None  # type: ignore[type-arg]

    def gives(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """All options of the protocol for these facts.

        Examples:
            >>> rules = [Rule({"ipc": "1-9"}, {"data.batch_size": 10})]
            >>> Protocol("p", rules=rules, recipe={"data.batch_size": 100}).gives({"ipc": 5})
            {'data.batch_size': 10}
        """
        given = dict(self.recipe)
        for rule in self.rules:
            if all(fact in facts and matches(facts[fact], wanted) for fact, wanted in rule.when.items()):
                given |= rule.give
        return given

    def before(self) -> dict[str, Any]:
        """What its config holds by itself: the recipe, or what the rules made of it when it was saved."""
        return dict(self.recipe) if self.resolved_for is None else self.gives(self.resolved_for)


@dataclass(frozen=True)
class Settled:
    """What becomes of a protocol's config for the facts of one experiment.

    Args:
        protocol: the protocol, resolved for these facts.
        given: flat options that go over its config.
        needed: flat options that nothing of its config gives, and that whatever goes over it has to.
    """

    protocol: Protocol
    given: dict[str, Any]
    needed: list[str]

    def check(self, stated: Mapping[str, Any]) -> None:
        """Refuse, by `ConfigError`, flat options without what is needed, which cannot be guessed."""
        option = next((option for option in self.needed if option not in stated), None)
        if option is not None:
            msg = (
                f"Expected a value of {option} from the protocol {self.protocol.name}, found none for "
                f"{_in_words(self.protocol.resolved_for or {}, FACTS)}: its source ({self.protocol.source}) "
                f"has no default there; give --{option} behind its --config."
            )
            raise ConfigError(msg)


def settle(protocol: Protocol, content: Mapping[str, Any], facts: Mapping[str, Any]) -> Settled:
    """What the protocol gives for these facts unlike its config, and what it leaves to be given.

    A config that was saved holds what the rules gave for other facts, perhaps changed by hand, which stays.

    Args:
        protocol: as the config has it.
        content: flat options of the config.
        facts: what is known of the experiment.
    """
    before, gives = protocol.before(), protocol.gives(facts)
    untouched = {name for name in before if name in content and same(name, before[name], content[name])}
    anew = {
        name: value
        for name, value in gives.items()
        if name not in before or (name in untouched and value != before[name])
    }
    by_hand = content.keys() - untouched
    needed = [name for name in [*protocol.needs, *before] if name not in gives and name not in by_hand]
    if anew and protocol.resolved_for is not None:
        logger.info("%s gives %s for %s, unlike its config", protocol.name, anew, _in_words(facts, FACTS))
    return Settled(replace(protocol, resolved_for=dict(facts)), anew, needed)


def read_protocol(content: Mapping[str, Any], path: Path) -> Protocol:
    """The protocol that a config holds; its recipe is the rest of the config, unless it was saved with it.

    Raises:
        ConfigError: if its section is malformed.
    """
    try:
        section = dict(content["protocol"])
        rules = [Rule(**rule) for rule in section.pop("rules", None) or []]
        protocol = Protocol(**section, rules=rules)
        asked = [*(rule.when for rule in rules), *protocol.made_for]
        unknown = sorted(set[str]().union(*asked) - set(FACTS))
    except (TypeError, ValueError) as error:
        msg = (
            "Expected a protocol of name, source, made_for, needs and rules (when, give) in "
            f"{path}, found: {error}."
        )
        raise ConfigError(msg) from error
    if unknown:
        msg = f"Expected rules about {', '.join(FACTS)} in {path}, found {', '.join(unknown)}; correct them."
        raise ConfigError(msg)
    if protocol.resolved_for is not None:
        return protocol
    return replace(protocol, recipe=flatten({key: content[key] for key in content if key != "protocol"}))


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


def _without_recorders(given: object) -> object:
    """Callbacks of a saved config but for those that only record; None where none is left."""
    listed = given if isinstance(given, list) else [given]
    return [callback for callback in listed if callback is not None and not _records(callback)] or None


def _records(callback: object) -> bool:
    kind = locate(str(callback.get("class_path"))) if isinstance(callback, Mapping) else None
    return isinstance(kind, type) and issubclass(kind, RECORDERS)


def beyond(protocol: Protocol) -> str | None:
    """That the reference implementation covers no such experiment, in words; None where it may."""
    facts = protocol.resolved_for or {}
    for part in protocol.made_for:
        if all(fact not in facts or matches(facts[fact], wanted) for fact, wanted in part.items()):
            return None
    if not protocol.made_for:
        return None
    asked = dict.fromkeys(fact for part in protocol.made_for for fact in part)
    return (
        f"Expected an experiment that {protocol.source} has values for ({covered(protocol)}), found "
        f"{_in_words(facts, asked)}: the protocol {protocol.name} goes on by its config, but no published "
        "number compares with this run."
    )


def covered(protocol: Protocol) -> str:
    """What the reference implementation covers, in words."""
    return "; or ".join(_in_words(part, part) for part in protocol.made_for)


def _in_words(facts: Mapping[str, Any], order: Iterable[str]) -> str:
    return ", ".join(f"{name} {facts[name]}" for name in order if name in facts)

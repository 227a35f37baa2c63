"""Evaluation protocols: what of a config depends on ipc, classes, image size, student and teacher.

A protocol is a config that goes over a data set's: ``--config cifar10.yaml --config protocols/rded.yaml``.
Its section ``protocol`` holds rules. They are resolved here, before anything is parsed, into words right
behind that config: so later configs and options go over them, and the saved config shows their values.

The saved config keeps the protocol beside these values. Used again for another ipc, student or mixing, it is
resolved anew; what was changed by hand stays changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import read_config
from semdd_lightning.cli.options import config_places, flatten, options_of, same
from semdd_lightning.cli.protocol_facts import FACTS, find_facts, matches
from semdd_lightning.errors import ConfigError

logger = logging.getLogger(__name__)


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
    """A peer's evaluation protocol.

    Args:
        name: what a result says that it was measured by.
        source: the peer's public code.
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

        Example:
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

    def covers(self, facts: Mapping[str, Any]) -> bool:
        """Whether the peer's code covers such an experiment, as far as is known.

        Example:
            >>> [Protocol("p", made_for=[{"ipc": [1, 10]}]).covers({"ipc": ipc}) for ipc in (10, 20)]
            [True, False]
        """
        return not self.made_for or any(
            all(fact not in facts or matches(facts[fact], wanted) for fact, wanted in part.items())
            for part in self.made_for
        )


def resolve_protocol(words: Sequence[str]) -> list[str]:
    """Command-line words with a protocol's rules resolved into options behind its config.

    Args:
        words: words whose ``--config`` options name files.

    Raises:
        ConfigError: if the protocol's section is malformed, a data set's config follows the protocol, or
            something that the protocol needs is not given.
    """
    places = config_places(words)
    contents = [read_config(path) for path, _ in places]
    holders = [number for number, content in enumerate(contents) if content.get("protocol")]
    if not holders:
        return list(words)
    last = holders[-1]
    path, behind = places[last]
    protocol = read_protocol(contents[last], path)
    _check_order(contents[last + 1 :], [path for path, _ in places[last + 1 :]], protocol.name)
    words = [*words[:behind], *_kept_student(words, behind, flatten(contents[last])), *words[behind:]]
    facts = find_facts(options_of(words))
    anew, by_hand = _settle(protocol, flatten(contents[last]), facts)
    explicit = by_hand | options_of(words[behind:]).keys()
    _require([*protocol.needs, *protocol.before()], protocol.gives(facts).keys() | explicit, protocol, facts)
    if anew and protocol.resolved_for is not None:
        logger.info("%s gives %s for %s, unlike %s", protocol.name, anew, _in_words(facts), path)
    section = asdict(replace(protocol, resolved_for=facts))
    resolved = [*anew.items(), *((f"protocol.{key}", value) for key, value in section.items())]
    settled = [f"--{option}={_as_word(value)}" for option, value in resolved]
    return [*words[:behind], *settled, *words[behind:]]


def _kept_student(words: Sequence[str], behind: int, content: Mapping[str, Any]) -> list[str]:
    """The data set's student as the network of a protocol that trains on hard labels and names none.

    Args:
        words: words whose ``--config`` options name files.
        behind: the place behind the words that name the protocol's config.
        content: flat options of that config.
    """
    kind = str(content.get("model.class_path")).rpartition(".")[2]
    if kind != "ClassifierModule" or any(option.startswith("model.network") for option in content):
        return []
    before = options_of(words[: behind - (1 if words[behind - 1].startswith("--config=") else 2)])
    student = {option: value for option, value in before.items() if option.startswith("model.student")}
    return [
        f"--{option.replace('student', 'network', 1)}={_as_word(value)}" for option, value in student.items()
    ]


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
        unknown = sorted({fact for facts in asked for fact in facts} - set(FACTS))
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


def _settle(
    protocol: Protocol, content: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[dict[str, Any], Set[str]]:
    """What the protocol gives for these facts unlike its config's flat content, and what is there by hand.

    A config that was saved holds what the rules gave for other facts, perhaps changed by hand.
    """
    before = protocol.before()
    untouched = {name for name in before if name in content and same(name, before[name], content[name])}
    anew = {
        name: value
        for name, value in protocol.gives(facts).items()
        if name not in before or (name in untouched and value != before[name])
    }
    return anew, content.keys() - untouched


def _require(needed: Sequence[str], given: Set[str], protocol: Protocol, facts: Mapping[str, Any]) -> None:
    """What neither the protocol nor someone by hand gives cannot be guessed, nor kept from another ipc."""
    for option in needed:
        if option not in given:
            msg = (
                f"Expected a value of {option} from the protocol {protocol.name}, found none for "
                f"{_in_words(facts)}: its source ({protocol.source}) has no default there; give --{option} "
                "behind its --config."
            )
            raise ConfigError(msg)


def _in_words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {facts[name]}" for name in FACTS if name in facts)


def _check_order(later: Sequence[Mapping[str, Any]], paths: Sequence[Path], protocol: str) -> None:
    for content, path in zip(later, paths, strict=True):
        if "data.class_path" in flatten(content):
            msg = (
                f"Expected the data set's config before the protocol {protocol}, found {path.name} behind "
                "it, which would go over it; give --config for the data set first."
            )
            raise ConfigError(msg)


def _as_word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

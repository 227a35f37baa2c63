"""Evaluation protocols: what of a config depends on ipc, classes, image size, student and teacher.

A protocol is a config that goes over a data set's: ``--config cifar10.yaml --config protocols/rded.yaml``.
Its section ``protocol`` holds rules. They are resolved here, before anything is parsed, into words right
behind that config: so later configs and options go over them, and the saved config shows their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import read_config
from semdd_lightning.cli.options import config_places, flatten, options_of
from semdd_lightning.errors import ConfigError

NUMBERS = ("ipc", "num_classes", "image_size")
FACTS = (*NUMBERS, "student", "teacher", "mix")
RANGE = re.compile(r"(\d*)-(\d*)")


@dataclass(frozen=True)
class Rule:
    """Options that hold where something is known of an experiment.

    Args:
        when: what must hold: ipc, num_classes and image_size as a number, a list of numbers or a range
            such as ``2-10`` or ``501-``; student, teacher and mix as a name, a list or a
            pattern such as ``*conv3``.
        give: options and their values, as ``data.passes: 2000``.
    """

    when: dict[str, Any]
    give: dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """A peer's evaluation protocol; once resolved, only its name and source are left.

    Args:
        name: what a result says that it was measured by.
        source: the peer's public code.
        needs: options without a default, which a rule, a later config or an option has to give.
        rules: what depends on ipc, classes, image size, student, teacher and mixing; later rules go over
            earlier ones.
    """

    name: str
    source: str = ""
    needs: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


def resolve_protocol(words: Sequence[str]) -> list[str]:
    """Command-line words with a protocol's rules resolved into options behind its config.

    Args:
        words: words whose ``--config`` options name files.

    Raises:
        ConfigError: if the protocol's rules are malformed, a data set's config follows the protocol, or
            something that the protocol needs is not given.
    """
    places = config_places(words)
    contents = [read_config(path) for path, _ in places]
    holders = [number for number, content in enumerate(contents) if _rules_section(content)]
    if not holders:
        return list(words)
    last = holders[-1]
    protocol = read_protocol(contents[last], places[last][0])
    behind = places[last][1]
    _check_order(contents[last + 1 :], [path for path, _ in places[last + 1 :]], protocol.name)
    facts = find_facts(options_of(words))
    given = given_by_rules(protocol, facts)
    explicit = options_of(words[behind:])
    for option in protocol.needs:
        if option not in given and option not in explicit:
            known = ", ".join(f"{name} {facts[name]}" for name in FACTS if name in facts)
            msg = (
                f"Expected a value of {option} from the protocol {protocol.name}, found none for {known}: "
                f"its source ({protocol.source}) has no default there; give --{option} behind its --config."
            )
            raise ConfigError(msg)
    resolved = [f"--{option}={_as_word(value)}" for option, value in given.items()]
    resolved += ["--protocol.needs=[]", "--protocol.rules=[]"]  # a resolved config is not resolved again
    return [*words[:behind], *resolved, *words[behind:]]


def read_protocol(content: Mapping[str, Any], path: Path) -> Protocol:
    """The protocol that a config holds.

    Raises:
        ConfigError: if its section is malformed.
    """
    try:
        section = dict(content["protocol"])
        rules = [Rule(**rule) for rule in section.pop("rules", None) or []]
        protocol = Protocol(**section, rules=rules)
        unknown = sorted({fact for rule in rules for fact in rule.when} - set(FACTS))
    except (TypeError, ValueError) as error:
        msg = f"Expected a protocol of name, source, needs and rules (when, give) in {path}, found: {error}."
        raise ConfigError(msg) from error
    if unknown:
        msg = f"Expected rules about {', '.join(FACTS)} in {path}, found {', '.join(unknown)}; correct them."
        raise ConfigError(msg)
    return protocol


def given_by_rules(protocol: Protocol, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a protocol gives for these facts.

    Example:
        >>> rules = [Rule({}, {"data.batch_size": 100}), Rule({"ipc": "1-9"}, {"data.batch_size": 10})]
        >>> given_by_rules(Protocol("p", rules=rules), {"ipc": 5})
        {'data.batch_size': 10}
    """
    given: dict[str, Any] = {}
    for rule in protocol.rules:
        if all(fact in facts and matches(facts[fact], wanted) for fact, wanted in rule.when.items()):
            given |= rule.give
    return given


def matches(value: object, wanted: object) -> bool:
    """Whether a fact is what a rule wants: one of a list, in a range of numbers, or like a pattern.

    Example:
        >>> [matches(10, "2-10"), matches(11, "2-10"), matches(600, "501-"), matches("conv3", ["conv*"])]
        [True, False, True, True]
    """
    if isinstance(wanted, list):
        return any(matches(value, one) for one in wanted)
    if isinstance(value, int) and isinstance(wanted, str):
        bounds = RANGE.fullmatch(wanted)
        if bounds is None:
            msg = f"Expected a number or a range as 2-10 or 501- in a rule, found {wanted!r}; correct it."
            raise ConfigError(msg)
        low, high = bounds.groups()
        return (not low or value >= int(low)) and (not high or value <= int(high))
    if isinstance(value, str) and isinstance(wanted, str):
        return fnmatchcase(value, wanted)
    return value == wanted


def find_facts(options: Mapping[str, Any]) -> dict[str, Any]:
    """What rules may ask for, out of the flattened options of an experiment.

    Student and teacher are short names, without ``torchvision/``; a teacher from a checkpoint goes by the
    name of its run directory or file; stored labels go by the teacher that made them.

    Raises:
        ConfigError: if a number is no whole number of at least 1.
    """
    facts = {name: options[f"data.{name}"] for name in NUMBERS if f"data.{name}" in options}
    for name, value in facts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            msg = f"Expected data.{name} as a whole number of at least 1, found {value!r}; correct it."
            raise ConfigError(msg)
    students = [options.get(f"model.{key}") for key in ("student", "network")]
    teachers = [options.get(f"model.teacher.{key}") for key in ("network", "name")]
    teachers.append(_labelled_by(options) or options.get("model.teacher.path"))
    mixes = [options.get("data.augmentation.mix")]
    for name, found in (("student", students), ("teacher", teachers), ("mix", mixes)):
        for value in found:
            if isinstance(value, str):
                facts.setdefault(name, Path(value).name.removesuffix(".pth"))
    return facts


def _labelled_by(options: Mapping[str, Any]) -> str | None:
    """The teacher of stored soft labels, by the description that they carry; none for another teacher."""
    header = Path(str(options.get("model.teacher.path"))).expanduser() / "labels.json"
    if not header.is_file():
        return None
    try:
        described = json.loads(header.read_text())["teacher"]["arguments"]
        return next((str(described[key]) for key in ("network", "name", "path") if described.get(key)), None)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # what is wrong with it is said where the labels are opened


def _rules_section(content: Mapping[str, Any]) -> bool:
    section = content.get("protocol")
    return isinstance(section, Mapping) and bool(section.get("rules") or section.get("needs"))


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

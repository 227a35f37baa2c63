"""What a protocol's rules may ask of an experiment: its numbers, student, teacher and mixing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError, LabelError, TeacherError
from semdd_lightning.models import short_name
from semdd_lightning.training import CheckpointTeacher
from semdd_lightning.training.soft_labels.header import read_header

NUMBERS = ("ipc", "num_classes", "image_size")
FACTS = (*NUMBERS, "student", "teacher", "mix")
RANGE = re.compile(r"(\d*)-(\d*)")


def find_facts(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an experiment.

    Student and teacher go by their networks' short names, also where a config spells a class out. The network
    of a checkpoint or of stored labels is what these say; where they are silent or not there, the name of the
    file or run directory stands for it. An ensemble has no such name.

    Args:
        options: flat options of an experiment.

    Raises:
        ConfigError: if a number is no whole number of at least 1.
    """
    facts = {name: options[f"data.{name}"] for name in NUMBERS if f"data.{name}" in options}
    for name, value in facts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            msg = f"Expected data.{name} as a whole number of at least 1, found {value!r}; correct it."
            raise ConfigError(msg)
    names = {
        "student": _network(options, "model.student") or _network(options, "model.network"),
        "teacher": _teacher(options, "model.teacher"),
        "mix": options.get("data.augmentation.mix"),
    }
    return facts | {fact: name for fact, name in names.items() if name is not None}


def matches(value: object, wanted: object) -> bool:
    """Whether a fact is what a rule wants: one of a list, in a range of numbers, or like a pattern.

    Examples:
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


def _network(options: Mapping[str, Any], place: str) -> str | None:
    """Short name of the network that a config describes at a place."""
    name = options.get(f"{place}.class_path", options.get(place))
    arguments = {
        option.removeprefix(f"{place}."): value
        for option, value in options.items()
        if option.startswith(f"{place}.") and not option.endswith(".class_path")
    }
    return short_name(name, arguments) if isinstance(name, str) else None


def _teacher(options: Mapping[str, Any], place: str) -> str | None:
    inside = f"{place}.teacher"  # StaticLabels hold the teacher that makes them
    if any(option == inside or option.startswith(f"{inside}.") for option in options):
        return _teacher(options, inside)
    network, path = _network(options, f"{place}.network"), options.get(f"{place}.path")
    named = network or options.get(f"{place}.name")
    if named is not None or path is None:
        return named
    path = Path(str(path)).expanduser()
    return _labelled_by(path) or _of_checkpoint(path) or _stem(path)


def _labelled_by(store: Path) -> str | None:
    """The teacher of stored soft labels, by the description that they carry."""
    try:
        card = read_header(store).teacher
    except LabelError:
        return None  # what is wrong with it is said where the labels are opened
    arguments, network = card["arguments"], card["history"].get("network")
    named = network or arguments.get("network") or arguments.get("name")
    return str(named) if named else _stem(Path(str(arguments["path"]))) if arguments.get("path") else None


def _of_checkpoint(path: Path) -> str | None:
    """The network that a checkpoint's card names."""
    try:
        network = CheckpointTeacher(path).card().get("network")
    except TeacherError:
        return None  # what is wrong with it is said where the teacher is opened
    return None if network is None else short_name(network, {})


def _stem(path: Path) -> str:
    """Name of a run directory, or of a file of weights without its suffix."""
    return path.parent.name if path.suffix == ".ckpt" else path.name.removesuffix(".pth")

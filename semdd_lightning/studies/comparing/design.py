"""A design: what is the same in many cells, one pool, prior, student and protocol, as options of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import compose, overlay
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.studies.comparing.axes import Entry

DISTINCT = ("pool", "prior", "student", "protocol")  # axes of a design; on the others it has many cells


@dataclass(frozen=True)
class Design:
    """Configs and options that come before those of sampler, ipc and seeds.

    Attributes:
        configs: of the comparison, then of pool, protocol, prior and student.
        options: of the command line, which go over them.
        labels: places on the axes `DISTINCT`; for one that is not given, what the settings have there.
        sampler: what the settings have, where no axis gives one.
        ipc: the same.
        images: where pool and splits lie.
        stored_labels: whether its students learn from labels of one selection.
    """

    configs: tuple[Path, ...]
    options: tuple[str, ...]
    labels: Mapping[str, str]
    sampler: str
    ipc: int
    images: tuple[str, ...]
    stored_labels: bool


def make_design(
    configs: Sequence[Path], entries: Mapping[str, Entry], overrides: Sequence[str], ipc: Entry
) -> Design:
    """The design of one pool, prior, student and protocol, refused where no run could have it.

    Args:
        configs: of the comparison.
        entries: one for each of `DISTINCT`.
        overrides: further options of every run.
        ipc: the first of its cells, with which it is tried.

    Raises:
        ConfigError: if an option is refused, or there is nothing to compare by.
    """
    order = [entries[axis] for axis in ("pool", "protocol", "prior", "student")]
    files = (*configs, *(path for entry in order for path in entry.configs))
    options = ["--trainer.enable_progress_bar=false"]
    options += [option for entry in order for option in as_options(entry.settings)]
    options += overrides
    given = composed(files, options)
    options += prior_options(entries["prior"].component, given)
    options += student_options(entries["student"].component, given)
    first = [*as_options(ipc.settings), *ipc_options(ipc.component)]
    settings = settings_of((*files, *ipc.configs), [*options, *first])
    data = settings["data"]["init_args"]
    check_student(entries["student"].component, data["num_classes"], data["image_size"])
    teacher = str(flatten(settings).get("model.teacher.class_path"))
    labels = {axis: str(entries[axis].label or _found(axis, settings, configs)) for axis in DISTINCT}
    return Design(
        files,
        tuple(options),
        labels,
        _sampler(data["sampler"]),
        data["ipc"],
        tuple(image_folders(settings)),
        teacher.rpartition(".")[2] == "StoredLabels",
    )


def settings_of(configs: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """All settings of a run, nested; whatever is wrong with them is refused before the first cell."""
    from semdd_lightning.experiment.experiment import parsed_experiment

    argv = ["fit", *(f"--config={path}" for path in configs), *options]
    settings = parsed_experiment(argv).as_dict()
    data = settings["data"]["init_args"]
    if "sampler" not in data:
        msg = (
            f"Expected runs that choose out of a pool, found {settings['data']['class_path']}; give a config "
            "with a pool."
        )
        raise ConfigError(msg)
    if data["test"] is None:
        msg = "Expected a test to compare by, found none; give data.test an image set."
        raise ConfigError(msg)
    if trial := settings["trainer"]["fast_dev_run"]:
        msg = (
            f"Expected a test to compare by, found a trial without an accuracy: fast_dev_run={trial}; leave "
            "it out."
        )
        raise ConfigError(msg)
    return settings


def composed(configs: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """What configs and options say of data and model, as far as that tells what kinds these are of."""
    content: dict[str, Any] = {}
    for path in configs:
        content = overlay(content, compose(path))
    for option, after in pairwise([*options, ""]):
        name, equals, value = option.partition("=")
        if name in ("--model", "--model.class_path"):
            content = overlay(content, {"model": {"class_path": value if equals else after}})
    return content


def as_options(settings: Mapping[str, Any], prefix: str = "--") -> Iterator[str]:
    """Nested options as words of a command line; a class goes with its arguments.

    Examples:
        >>> list(as_options({"data": {"pool": {"class_path": "P", "init_args": {"x": 1}}, "ipc": 3}}))
        ['--data.pool={"class_path": "P", "init_args": {"x": 1}}', '--data.ipc=3']
        >>> list(as_options({"data.pool.path": "p"}))
        ['--data.pool.path=p']
    """
    for name, value in settings.items():
        inside = value if isinstance(value, Mapping) else {}
        if (
            name in ("data", "model") and "class_path" in inside
        ):  # the other arguments stay where it is the same
            yield f"--{name}={inside['class_path']}"
            inside = {key: inner for key, inner in inside.items() if key != "class_path"}
        if inside and "class_path" not in inside:
            yield from as_options(inside, f"{prefix}{name}.")
        elif not inside or "class_path" in inside:
            yield f"{prefix}{name}={as_word(value)}"


def as_word(value: object) -> str:
    """A value as the parser reads it from the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def prior_options(component: object, given: Mapping[str, Any]) -> list[str]:
    """A prior in place of the configs'; a CLIP model in a CLIP model's place keeps the data set's prompts."""
    if component is None:
        return []
    place = "--data.init_args.prior"
    if not isinstance(component, str):
        return [f"{place}={as_word(component)}"]
    from semdd_lightning.export import describe
    from semdd_lightning.prior import OpenClipPrior, parse_prior
    from semdd_lightning.prior.priors import prior_kind

    prior = parse_prior(component)
    before = ((given.get("data") or {}).get("init_args") or {}).get("prior")
    if isinstance(prior, OpenClipPrior) and isinstance(before, dict) and prior_kind(before) is OpenClipPrior:
        named = {name: getattr(prior, name) for name in ("model", "pretrained", "activation")}
        return [f"{place}={as_word({**before.get('init_args', before), **named})}"]
    return [f"{place}={as_word(describe(prior))}"]


def student_options(component: object, given: Mapping[str, Any]) -> list[str]:
    """A student in place of the configs', by the name that the module of the protocol has for it."""
    if component is None:
        return []
    hard = str((given.get("model") or {}).get("class_path")).rpartition(".")[2] == "ClassifierModule"
    return [f"--model.init_args.{'network' if hard else 'student'}={as_word(component)}"]


def check_student(component: object, num_classes: int, image_size: int) -> None:
    """Refuse a network by a name that there is not, or that does not take images of this size."""
    import torch

    from semdd_lightning.models import build_network

    if isinstance(component, str):
        with torch.device("meta"):
            build_network(component, num_classes, image_size)


def ipc_options(component: object) -> list[str]:
    """Images a class in place of the configs'."""
    return [] if component is None else [f"--data.init_args.ipc={component}"]


def _found(axis: str, settings: Mapping[str, Any], configs: Sequence[Path]) -> str:
    """What stands on an axis that is not given."""
    if axis == "pool":
        return configs[0].stem
    if axis == "protocol":
        return (settings.get("protocol") or {}).get("name") or "config"
    if axis == "prior":
        prior = settings["data"]["init_args"]["prior"]
        return " + ".join(_prior(one) for one in (prior if isinstance(prior, list) else [prior]))
    from semdd_lightning.experiment.config.protocol_facts import find_facts

    student = str(find_facts(flatten(settings)).get("student", settings["model"]["class_path"]))
    return student.rpartition(".")[2]


def _prior(description: Mapping[str, Any]) -> str:
    arguments = description.get("init_args", description)
    words = [arguments.get("model") or arguments.get("name"), arguments.get("pretrained")]
    return ":".join(str(word) for word in words if word)


def _sampler(description: str | Mapping[str, Any]) -> str:
    from semdd_lightning.selection import SAMPLERS, sampler_kind

    word = description if isinstance(description, str) else str(description["class_path"])
    kind = sampler_kind(word)
    return kind.name if SAMPLERS.get(kind.name) is kind else word


def sampler_options(component: object, configs: Sequence[Path]) -> list[str]:
    """A sampler in place of the configs'; one that these spell out keeps its arguments."""
    from semdd_lightning.selection import sampler_kind

    if component is None:
        return []
    if isinstance(component, str):
        content: dict[str, Any] = {}
        for path in configs:
            content = overlay(content, compose(path))
        before = ((content.get("data") or {}).get("init_args") or {}).get("sampler")
        named = before.get("class_path") if isinstance(before, dict) else before
        if named is not None and sampler_kind(str(named)) is sampler_kind(component):
            return []
    return [f"--data.init_args.sampler={as_word(component)}"]


def check_overrides(options: Sequence[str], set_here: Mapping[str, str]) -> None:
    """Refuse options that comparing gives each run itself.

    Args:
        options: further options of the runs.
        set_here: what comparing sets, and what there is in its place.

    Raises:
        ConfigError: naming the option.
    """
    for word in options:
        option = word.partition("=")[0].rstrip("+")
        for name, instead in set_here.items():
            if option == name or option.startswith(f"{name}."):
                msg = (
                    f"Expected options that comparing leaves open, found {option}, which it sets itself for "
                    f"each run; instead there is {instead}."
                )
                raise ConfigError(msg)

"""A design: what is the same in many cells, one pool, prior, student and protocol, as options of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import compose, overlay
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.run.made_with import image_folders
from semdd_lightning.studies.axes import Entry, as_word, sampler_label

DISTINCT = ("pool", "prior", "student", "protocol")  # axes of a design; on the others it has many cells
SET_HERE = {  # option of a run -> what a study has in its place
    "--seed_everything": "--seeds",
    "--data.selection_seed": "--seeds",
    "--run": "--out",
    "--trainer.devices": "no choice: each run has one device",
}


@dataclass(frozen=True)
class Design:
    """Configs and options that come before those of sampler, ipc and seeds.

    Attributes:
        configs: of the comparison, then of pool, protocol, prior and student.
        options: of the command line, which go over them.
        axes: places on the axes but for seeds, where they are given; else what the settings have there.
        images: where pool and splits lie.
        stored_labels: whether its students learn from labels of one selection.
    """

    configs: tuple[Path, ...]
    options: tuple[str, ...]
    axes: Mapping[str, str | int]
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
    options += [option for entry in order for option in entry.options]
    options += overrides
    given, student = composed(files, options), entries["student"].component
    options += prior_options(entries["prior"].component, given)
    if student is not None:
        hard = str((given.get("model") or {}).get("class_path")).rpartition(".")[2] == "ClassifierModule"
        options.append(f"--model.init_args.{'network' if hard else 'student'}={as_word(student)}")
    images = [] if ipc.component is None else [f"--data.init_args.ipc={ipc.component}"]
    settings = _settings((*files, *ipc.configs), [*options, *ipc.options, *images])
    data = settings["data"]["init_args"]
    if isinstance(student, str):
        import torch

        from semdd_lightning.models import build_network

        with torch.device("meta"):  # refused, if there is no such network or it takes no images of this size
            build_network(student, data["num_classes"], data["image_size"])
    sampler = data["sampler"] if isinstance(data["sampler"], str) else data["sampler"]["class_path"]
    labels = {axis: str(entries[axis].label or _found(axis, settings, configs)) for axis in DISTINCT}
    return Design(
        files,
        tuple(options),
        {**labels, "sampler": sampler_label(sampler), "ipc": data["ipc"]},
        tuple(image_folders(settings)),
        str(flatten(settings).get("model.teacher.class_path")).rpartition(".")[2] == "StoredLabels",
    )


def _settings(configs: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """All settings of a run, nested; whatever is wrong with them is refused before the first cell."""
    settings = settings_with_pool(configs, options)
    if settings["data"]["init_args"]["test"] is None:
        msg = "Expected a test to compare by, found none; give data.test an image set."
        raise ConfigError(msg)
    if trial := settings["trainer"]["fast_dev_run"]:
        msg = (
            f"Expected a test to compare by, found a trial without an accuracy: fast_dev_run={trial}; leave "
            "it out."
        )
        raise ConfigError(msg)
    return settings


def settings_with_pool(configs: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """All settings of a run that chooses out of a pool, nested.

    Args:
        configs: of the run.
        options: further ones.

    Raises:
        ConfigError: if it has no pool, or an option is refused.
    """
    from semdd_lightning.experiment.experiment import parsed_experiment

    settings = parsed_experiment(["fit", *(f"--config={path}" for path in configs), *options]).as_dict()
    if "sampler" not in settings["data"]["init_args"]:
        found = settings["data"]["class_path"]
        msg = f"Expected runs that choose out of a pool, found {found}; give a config with a pool."
        raise ConfigError(msg)
    return settings


def composed(configs: Sequence[Path], options: Sequence[str] = ()) -> dict[str, Any]:
    """What configs and options say of data and model, as far as that tells what kinds these are of."""
    content: dict[str, Any] = {}
    for path in configs:
        content = overlay(content, compose(path))
    for option, after in pairwise([*options, ""]):
        name, equals, value = option.partition("=")
        if name in ("--model", "--model.class_path"):
            content = overlay(content, {"model": {"class_path": value if equals else after}})
    return content


def of_data(content: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - as a config has it
    """An argument of the data module in `composed` configs; None where they do not give it."""
    return ((content.get("data") or {}).get("init_args") or {}).get(name)


def prior_options(component: object, given: Mapping[str, Any]) -> list[str]:
    """A prior in place of the configs'; a CLIP model in a CLIP model's place keeps the data set's prompts."""
    if component is None:
        return []
    if isinstance(component, str):
        from semdd_lightning.export import describe
        from semdd_lightning.prior import OpenClipPrior, parse_prior
        from semdd_lightning.prior.priors import prior_kind

        prior, before = parse_prior(component), of_data(given, "prior")
        component = describe(prior)
        if (
            isinstance(prior, OpenClipPrior)
            and isinstance(before, dict)
            and prior_kind(before) is OpenClipPrior
        ):
            named = {name: getattr(prior, name) for name in ("model", "pretrained", "activation")}
            component = {**before.get("init_args", before), **named}
    return [f"--data.init_args.prior={as_word(component)}"]


def _found(axis: str, settings: Mapping[str, Any], configs: Sequence[Path]) -> str:
    if axis == "pool":
        return configs[0].stem
    if axis == "protocol":
        return (settings.get("protocol") or {}).get("name") or "config"
    if axis == "prior":
        prior = settings["data"]["init_args"]["prior"]
        return " + ".join(map(_prior, prior if isinstance(prior, list) else [prior]))
    from semdd_lightning.experiment.config.protocol_facts import find_facts

    student = str(find_facts(flatten(settings)).get("student", settings["model"]["class_path"]))
    return student.rpartition(".")[2]


def _prior(description: Mapping[str, Any]) -> str:
    arguments = description.get("init_args", description)
    words = [arguments.get("model") or arguments.get("name"), arguments.get("pretrained")]
    return ":".join(str(word) for word in words if word)


def sampler_options(component: object, configs: Sequence[Path]) -> list[str]:
    """A sampler in place of the configs'; one that these spell out keeps its arguments."""
    from semdd_lightning.selection import sampler_kind

    if isinstance(component, str):
        before = of_data(composed(configs), "sampler")
        named = before.get("class_path") if isinstance(before, dict) else before
        if named is not None and sampler_kind(str(named)) is sampler_kind(component):
            return []
    return [] if component is None else [f"--data.init_args.sampler={as_word(component)}"]


def check_overrides(options: Sequence[str], set_here: Mapping[str, str]) -> None:
    """Refuse options that a study gives each run itself.

    Args:
        options: further options of the runs.
        set_here: what it sets, and what there is in its place.

    Raises:
        ConfigError: naming the option.
    """
    for word in options:
        option = word.partition("=")[0].rstrip("+")
        short = option.replace(".init_args", "", 1)
        for name, instead in set_here.items():
            if short == name or short.startswith(f"{name}."):
                msg = (
                    f"Expected options that comparing leaves open, found {option}, which it sets itself for "
                    f"each run; instead there is {instead}."
                )
                raise ConfigError(msg)

"""What ``semdd select`` is asked for: its options, and behind them an experiment's config; without torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.pool_options import pool_argv, pool_of
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import find_config, read_data_arguments
from semdd_lightning.experiment.config.sampler_options import sampler_description
from semdd_lightning.export import Choices, read_choices
from semdd_lightning.pools import AnyPool, ClassFolders, DiskPool

if TYPE_CHECKING:  # torch, which is not needed to refuse bad options
    from semdd_lightning.audit import AuditPolicy


@dataclass(frozen=True)
class SelectSettings:
    """What to select; components that a config describes are built later, where torch is imported.

    Args:
        pool: reader of the pool, or its description in a config.
        prior: CLIP models in short words, or one's description, or several descriptions.
        ipc: images per class to choose, at least 1.
        sampler: a sampler's short name or class path, or its description.
        seed: seed of samplers that draw.
        cache_dir: where embeddings are kept; none takes the usual place.
        reference: reader of real images of the same classes, or its description.
        audit: what to do where images do not show the classes of their folders.
        classifier: the network that samplers and scores ask, in short words, or its description.
        choices: what people decided about single images, if anything.
    """

    pool: DiskPool | dict[str, Any]
    prior: list[str] | dict[str, Any] | list[dict[str, Any]]
    ipc: int
    sampler: str | dict[str, Any]
    seed: int
    cache_dir: Path | None
    reference: DiskPool | dict[str, Any] | None
    audit: AuditPolicy
    classifier: str | dict[str, Any] | None
    choices: Choices | None


def select_settings(options: argparse.Namespace, parameters: dict[str, Any]) -> SelectSettings:
    """What to select, from options first and the config behind them.

    Args:
        options: what the command line gave.
        parameters: what it gave of the sampler's parameters.

    Raises:
        ConfigError: if something needed is nowhere, or stands in the config as something else.
        ChoicesError: if the choices cannot be read.
    """
    data = read_data_arguments(find_config(options.config)) if options.config else {}
    of_pool = [] if options.classes is None else ["--classes"]
    of_pool += [word for word in pool_argv(options) if word.startswith("--")]
    if options.pool is None and of_pool:
        msg = f"Expected {of_pool[0]} together with a pool, found --config's pool; put it into the config."
        raise ConfigError(msg)
    pool = (
        pool_of(options.pool, options.classes, options)
        if options.pool is not None
        else _reader(_of_type(data, "pool", dict))
    )
    if pool is None:
        msg = "Expected a pool, found none; give its folder or --config. See `semdd select --help`."
        raise ConfigError(msg)
    ipc = options.ipc if options.ipc is not None else _of_type(data, "ipc", int)
    if ipc is None or ipc < 1:
        msg = f"Expected --ipc of at least 1, found {ipc}; say how many images per class to choose."
        raise ConfigError(msg)
    prior = options.prior if options.prior is not None else _prior(data)
    if prior is None:
        msg = (
            "Expected --prior, found none; give a local CLIP directory, or MODEL:TAG as "
            "ViT-B-32-quickgelu:openai."
        )
        raise ConfigError(msg)
    seed = options.seed if options.seed is not None else _of_type(data, "selection_seed", int)
    cache_dir = _of_type(data, "cache_dir", str)
    choices = options.choices or _of_type(data, "choices", str)
    return SelectSettings(
        pool=pool,
        prior=prior,
        ipc=ipc,
        sampler=sampler_description(options.sampler, parameters, _of_type(data, "sampler", str, dict)),
        seed=0 if seed is None else seed,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        reference=(
            AnyPool(options.reference)
            if options.reference is not None
            else _reader(_of_type(data, "reference", dict))
        ),
        audit=_audit_policy(options.audit or _of_type(data, "audit", str)),
        classifier=options.classifier or _of_type(data, "classifier", str, dict),
        choices=None if choices is None else read_choices(choices),
    )


def _prior(data: dict[str, Any]) -> Any:  # noqa: ANN401 - as `SelectSettings` has it
    """What a config gives as prior: a description, several, or a word."""
    prior = _of_type(data, "prior", str, dict, list)
    if isinstance(prior, list) and not all(isinstance(one, dict) for one in prior):
        msg = f"Expected every prior of data.init_args to be a mapping, found {prior!r}; correct the config."
        raise ConfigError(msg)
    return [prior] if isinstance(prior, str) else prior


def _audit_policy(given: str | None) -> AuditPolicy:
    policies: dict[str | None, AuditPolicy] = {
        None: "refuse",
        "refuse": "refuse",
        "warn": "warn",
        "off": "off",
    }
    if given in policies:
        return policies[given]
    msg = f"Expected audit to be refuse, warn or off, found {given!r}; correct the config."
    raise ConfigError(msg)


def _of_type(data: dict[str, Any], key: str, *types: type) -> Any:  # noqa: ANN401 - one of the types
    value = data.get(key)
    if value is None or (isinstance(value, types) and not isinstance(value, bool)):
        return value
    kinds = " or ".join(
        {"dict": "a mapping", "list": "a list", "int": "a whole number"}.get(t.__name__, "text")
        for t in types
    )
    msg = f"Expected {key} of data.init_args to be {kinds}, found {value!r}; correct the config."
    raise ConfigError(msg)


def _reader(description: dict[str, Any] | None) -> ClassFolders | dict[str, Any] | None:
    """A reader of class folders right away, so that it is checked before torch is imported."""
    if description is None or str(description.get("class_path")).rpartition(".")[2] != ClassFolders.__name__:
        return description
    arguments = description.get("init_args")
    if not isinstance(arguments, dict):
        return description  # what is wrong with it is said where it is built
    whole = {"held_out": 0, "part": "rest"}
    asked = {name for name, value in arguments.items() if name not in whole or value != whole[name]}
    if not asked <= {"path", "classes", "class_names"}:
        return description
    path, classes, names = (arguments.get(key) for key in ("path", "classes", "class_names"))
    plain = isinstance(path, str) and isinstance(classes, str | None) and isinstance(names, list | None)
    if not plain or not all(isinstance(name, str) for name in names or ()):
        return description
    listed = None if names is None else tuple(names)
    return ClassFolders(Path(str(path)), None if classes is None else Path(classes), listed)

"""The sampler that ``semdd select`` is asked for: ``--sampler NAME --sampler.PARAMETER VALUE``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.experiment.config.options import parse_value
from semdd_lightning.experiment.process import mendable
from semdd_lightning.records import in_words

if TYPE_CHECKING:
    from semdd_lightning.selection import Sampler


def split_sampler_argv(argv: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The command line without what gives a sampler's parameters, and these parameters.

    Raises:
        ConfigError: if one has no name or no value.

    Examples:
        >>> split_sampler_argv(["pool", "--sampler.candidate_ratio", "4", "--sampler.scores.typicality=1"])
        (['pool'], {'candidate_ratio': 4, 'scores': {'typicality': 1}})
    """
    rest: list[str] = []
    parameters: dict[str, Any] = {}
    queue = iter(argv)
    for word in queue:
        if not word.startswith("--sampler."):
            rest.append(word)
            continue
        option, equals, text = word.partition("=")
        if not equals:
            text = next(queue, "--")
        name, _, inside = option.removeprefix("--sampler.").removeprefix("init_args.").partition(".")
        if not name or text.startswith("--"):
            msg = f"Expected {option} to be --sampler.PARAMETER with a value, found none; give both."
            raise ConfigError(msg)
        known, value = parameters.get(name), parse_value(text)
        beside = known if isinstance(known, dict) else {}
        parameters[name] = {**beside, inside: value} if inside else value
    return rest, parameters


def sampler_description(
    given: str | dict[str, Any] | None, parameters: dict[str, Any]
) -> str | dict[str, Any]:
    """A short name or class path, or ``class_path`` and ``init_args`` where there are parameters.

    Where none is named there is no ``class_path``: `described_sampler` knows the default one.

    Args:
        given: what ``--sampler`` gives, else a config: a name, a path, or ``class_path`` and ``init_args``,
            which may be YAML or JSON.
        parameters: what ``--sampler.PARAMETER`` gives, over those.

    Raises:
        ConfigError: if it is no such mapping, though it begins as one.
    """
    if given is None:
        return {"init_args": parameters}
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = parse_value(given)
    if isinstance(given, dict) and not (
        isinstance(given.get("class_path"), str)
        and isinstance(given.get("init_args") or {}, dict)
        and given.keys() <= {"class_path", "init_args"}
    ):
        given = str(given)
    if isinstance(given, str) and (not given or "{" in given):
        msg = (
            f"Expected a sampler as a name, or as class_path and init_args, found {given!r}; for example "
            '--sampler \'{"class_path": "TwoStage", "init_args": {"candidate_ratio": 4}}\'.'
        )
        raise ConfigError(msg)
    if not parameters:
        return given
    described: dict[str, Any] = {"class_path": given} if isinstance(given, str) else given
    return {**described, "init_args": {**(described.get("init_args") or {}), **parameters}}


def described_sampler(description: str | dict[str, Any]) -> Sampler:
    """The sampler of a `sampler_description`.

    Raises:
        SelectionError: if there is no such sampler, or it refuses its parameters.
        ConfigError: if it has no such parameters, or they are of another type.
    """
    from semdd_lightning.export import build_component
    from semdd_lightning.selection import DEFAULT_SAMPLER, build_sampler, sampler_kind

    if isinstance(description, str):
        return build_sampler(description)
    kind = sampler_kind(description.get("class_path", DEFAULT_SAMPLER))
    parameters = description.get("init_args") or {}
    known = [field.name for field in fields(kind) if field.init]  # type: ignore[arg-type]
    for name in parameters:
        if name not in known:
            msg = (
                f"Expected parameters of the sampler {kind.name} ({', '.join(known) or 'it has none'}), "
                f"found {name}; correct the name."
            )
            raise ConfigError(msg)
    try:
        return build_component(parameters, kind)
    except RunError as error:
        if (refused := mendable(error.__cause__)) is not None:
            raise refused from None
        msg = (
            f"Expected values that the sampler {kind.name} takes, found {parameters}; correct what is said "
            f"here: {in_words(error.__cause__ or error)}"
        )
        raise ConfigError(msg) from error


class ParserWithChoices(argparse.ArgumentParser):
    """A parser whose help ends with all samplers and scores, looked up, with torch, only for that."""

    def format_help(self) -> str:
        """The help, and behind it what can be named, of this package and of installed ones."""
        from semdd_lightning.selection import DEFAULT_SAMPLER, sampler_meanings, score_meanings

        samplers, scores = sampler_meanings(), score_meanings()
        width = max(map(len, (*samplers, *scores)))
        samplers[DEFAULT_SAMPLER] += " (default)"
        lines = ["samplers:", *(f"  {name:<{width}}  {meaning}" for name, meaning in samplers.items()), ""]
        lines += ["scores, for the scores of a sampler that chooses by quality:"]
        lines += [f"  {name:<{width}}  {meaning}" for name, meaning in scores.items()]
        lines += ["", "The path of a class, as my_module.MySampler, does for a name: docs/extending.md.", ""]
        return "\n".join([super().format_help(), *lines])

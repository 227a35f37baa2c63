"""Settings that follow from others: whoever gives one is told what stands for it, and nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from semdd_lightning.data.image_settings import epochs_of
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import compose
from semdd_lightning.experiment.config.options import flatten, parse_value, same
from semdd_lightning.records import in_one_line


@dataclass(frozen=True)
class Link:
    """A setting that is computed from others.

    Args:
        sources: what it follows from, by flat names; the first is the one to give.
        compute: from their values.
    """

    sources: tuple[str, ...]
    compute: Callable[..., Any]

    def gives(self, value: object, options: Mapping[str, Any]) -> bool:
        """Whether the value is what follows from these options, where they hold all that it follows from."""
        try:
            return bool(value == self.compute(*(options[source] for source in self.sources)))
        except (KeyError, TypeError, ValueError):
            return False


LINKS = {
    "model.num_classes": Link(("data.num_classes",), int),
    "model.image_size": Link(("data.image_size",), int),
    "data.augmentation_seed": Link(("seed_everything",), int),
    "trainer.default_root_dir": Link(("run.root",), lambda _: None),  # each run has a directory of its own
    "trainer.max_epochs": Link(("data.passes", "data.passes_per_epoch"), epochs_of),
}


def full_name(option: str) -> str:
    """A flat name as the parser has it.

    Examples:
        >>> full_name("data.passes"), full_name("trainer.max_epochs")
        ('data.init_args.passes', 'trainer.max_epochs')
    """
    part, dot, rest = option.partition(".")
    return f"{part}.init_args.{rest}" if part in ("data", "model") else f"{part}{dot}{rest}"


def check_links(stated: Mapping[str, Any], config: Mapping[str, Any], configs: Sequence[Path]) -> None:
    """Refuse, by `ConfigError`, a value of a setting that follows from others and is not what follows.

    Args:
        stated: flat options that somebody gave.
        config: the same with all defaults.
        configs: files that some of them come from.
    """
    for target, link in LINKS.items():
        value = stated.get(target)
        if value is not None and not link.gives(value, config):
            files = [path for path in configs if same(target, flatten(compose(path)).get(target), value)]
            raise refused(target, value, f" in {files[-1]}" if files else "")


def follow(config: Namespace) -> None:
    """Set what follows from others, as the parser has it, once that is known to be valid.

    The parser's own links would check all of a part again for each setting of it.

    Raises:
        ConfigError: if nothing follows from such values.
    """
    for target, link in LINKS.items():
        place, names = full_name(target), [full_name(source) for source in link.sources]
        if not all(name in config for name in names) or not (place in config or place == target):
            continue
        values = [config[name] for name in names]
        try:
            config[place] = link.compute(*values)
        except (TypeError, ValueError, StopIteration) as error:
            found = " and ".join(map(str, values))
            msg = (
                f"Expected {' and '.join(link.sources)} to be such that {target} follows, found {found}; "
                "correct them."
            )
            raise ConfigError(msg) from error


def refused(target: str, value: object, giver: str = "") -> ConfigError:
    """That a setting which follows from others has a value of its own."""
    sources = LINKS[target].sources
    value = str(value) if isinstance(value, Path) else value  # the parser makes one of some texts
    return ConfigError(
        f"Expected {target} to follow from {' and '.join(sources)}, found {value!r} for it{giver}; "
        f"give --{sources[0]} in its place."
    )


_SHORT_NAME = re.compile(r"Expected a dot import path string: (?P<name>[a-z_0-9]+)$")
_OF_A_LINK = re.compile(r"argument .* --> (?P<target>[\w.]+): invalid .* value: (?P<value>.*)")


def refusal(command: str, message: str) -> ConfigError:
    r"""The parser's message as one sentence, without what it tried in vain.

    Examples:
        >>> str(refusal("fit", "Key 'data':\n  Errors:\n    - 'x' is not accepted\n  Given value: 1"))
        "Expected options as `semdd fit --help` has them, found: Key 'data': 'x' is not accepted"
        >>> str(refusal("fit", "the following arguments are required: fit.data, fit.model"))[-74:]
        'are required: --data, --model; give --config, as --config quickstart.yaml.'
    """
    linked = _OF_A_LINK.match(message)
    if linked is not None and linked["target"] in LINKS:
        return refused(linked["target"], parse_value(linked["value"].strip("'")), f" in --{linked['target']}")
    told = in_one_line(message)
    if told.startswith("the following arguments are required:"):
        told = told.replace(f"{command}.", "--") + "; give --config, as --config quickstart.yaml."
    elif (short := _SHORT_NAME.search(told)) is not None:
        told += f"; {short['name']} is a short name, which takes no arguments; give its class."
    return ConfigError(f"Expected options as `semdd {command} --help` has them, found: {told}")

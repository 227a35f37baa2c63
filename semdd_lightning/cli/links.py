"""Settings that follow from others: whoever gives one is told what stands for it, and nothing is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semdd_lightning.cli.configs import find_config, read_config
from semdd_lightning.cli.options import config_places, flatten, given_option, merge
from semdd_lightning.data.pass_counts import epochs_of
from semdd_lightning.errors import ConfigError

PARTS = ("trainer", "model", "data")  # which a file of their own may hold


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
    "trainer.max_epochs": Link(("data.passes", "data.passes_per_epoch"), epochs_of),
    "trainer.default_root_dir": Link(("run.root",), lambda _: None),  # each run has a directory of its own
}


def full_name(option: str) -> str:
    """A flat name as the parser has it.

    Example:
        >>> full_name("data.passes"), full_name("trainer.max_epochs")
        ('data.init_args.passes', 'trainer.max_epochs')
    """
    part, dot, rest = option.partition(".")
    return f"{part}.init_args.{rest}" if part in ("data", "model") else f"{part}{dot}{rest}"


def check_links(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse a setting that follows from others as an option, and elsewhere unless its value follows.

    A saved config states such values beside what they follow from: it may be used again, with other options
    over it.

    Args:
        words: the command and its options; ``--config`` options name files.
        environment: variables of the process.

    Raises:
        ConfigError: naming who gave it and what to give in its place.
    """
    givers = list(_givers(words, environment))
    all_options = merge([options for _, options in givers])
    for giver, options in givers:
        for target, link in LINKS.items():
            value = options.get(target)
            agrees = link.gives(value, options) or link.gives(value, all_options)
            if value is None or (agrees and not giver.startswith("--")):
                continue
            msg = (
                f"Expected {target} to follow from {' and '.join(link.sources)}, found {value!r} for it in "
                f"{giver}; give --{link.sources[0]} in its place."
            )
            raise ConfigError(msg)


def _givers(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each variable, config and option that gives settings, and these by their flat names; later ones win."""
    prefix = f"SEMDD_{words[0].upper()}__"
    for name, text in environment.items():
        if name == f"{prefix}CONFIG":
            yield name, _read(find_config(text))
        elif name.startswith(prefix):
            option = name.removeprefix(prefix).lower().replace("__", ".")
            yield name, _with_files(given_option([f"--{option}={text}"]), Path())
    places = {behind: path for path, behind in config_places(words)}
    for behind, word in enumerate(words, start=1):
        if behind in places:
            yield str(places[behind]), _read(places[behind])
        elif word.startswith("--") and not word.startswith("--config"):
            yield word.partition("=")[0], _with_files(given_option(words[behind - 1 : behind + 1]), Path())


def _read(path: Path) -> dict[str, Any]:
    return _with_files(flatten(read_config(path)), path.parent)


def _with_files(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Options with those that a part names a file for."""
    found = [options]
    for part in PARTS:
        file = options.get(part)
        if isinstance(file, str) and Path(file).suffix in (".yaml", ".yml", ".json"):
            path = next((path for path in (folder / file, Path(file)) if path.is_file()), None)
            if path is not None:
                found.append({f"{part}.{name}": value for name, value in flatten(read_config(path)).items()})
    return merge(found)

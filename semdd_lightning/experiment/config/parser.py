"""The parser of an experiment: jsonargparse's, for configs that go over others and protocols with rules.

jsonargparse merges: defaults, variables, then configs and options in their order, later ones over earlier
ones. A config's bases and what a protocol's rules give are merged where that config stands, by the same
means. Rules depend on what the whole command line says: it is parsed once to know that, and again with what
they give. Neither time needs the defaults, most of the work: they come below what was found, at the end.
"""

from __future__ import annotations

import os
from argparse import SUPPRESS
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin

import yaml
from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined] # by a star
from jsonargparse._link_arguments import skip_apply_links  # links would go over what somebody stated
from lightning.pytorch.cli import LightningArgumentParser

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import (
    BASE,
    OF_MANY,
    bases_of,
    compose,
    find_config,
    packaged_configs,
    read_config,
)
from semdd_lightning.experiment.config.links import LINKS, check_links, full_name
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.config.protocol_facts import find_facts
from semdd_lightning.experiment.config.protocols import Settled, read_protocol, settle
from semdd_lightning.experiment.config.sampler_options import ParserWithChoices

COMMANDS = {
    "fit": "Choose images of a pool, train a student on them, test it after the last pass.",
    "validate": "Evaluate the student of --ckpt_path on the validation split.",
    "test": "Evaluate the student of --ckpt_path on the test split.",
    "predict": "Write class probabilities of the student of --ckpt_path for every image.",
}
ONE_CONFIG = """
A config is one experiment: data (pool, CLIP, sampler, splits), model (student, teacher), trainer. Packaged
ones are found by name: {whole} (.yaml). A second --config goes
over the first, and options over both: --data.ipc 50 --data.batch_size 100 --trainer.devices 4. A config that
begins with `base: [NAME, ...]` goes over these. A protocol as the second evaluates as a reference
implementation does: --config imagewoof.yaml --config protocols/minimax.yaml; there are
{protocols}. What a part takes: --data.help PoolDataModule,
--model.help DistillationModule. The config that results, every default spelled out: --print_config."""


def description(command: str) -> str:
    """What the help of a command that runs one experiment says before its options."""
    whole, protocols = (
        ", ".join(sorted(path.stem for path in (packaged_configs() / folder).glob("*.yaml")))
        for folder in (".", "protocols")
    )
    return COMMANDS[command] + ONE_CONFIG.format(whole=whole, protocols=protocols)


class ExperimentParser(ParserWithChoices, LightningArgumentParser):  # type: ignore[misc] # both have format_help
    """Lightning's parser, which settles protocols and refuses what follows from other settings."""

    facts: dict[str, Any] | None = None  # for the rules of its protocol; none in the first parse
    last: Path | None = None  # the last config with a protocol so far
    holder: Path | None = None  # the last of all
    settled: Settled | None = None  # what became of its protocol

    def add_config_arguments(self) -> None:
        """Let the parser take configs by name."""
        self.add_argument("-c", "--config", action=_Config, help="Name or path of a config; may be repeated.")
        self.add_argument(f"--{BASE}", type=str | list[str], default=SUPPRESS, help=SUPPRESS)

    def add_lightning_class_args(self, lightning_class: Any, *args: Any, **kwargs: Any) -> list[str]:  # noqa: ANN401 - as Lightning has it
        """Add the options of a class, of which ``1`` is one batch, where 1.0 is all of them."""
        with _whole_numbers_first(getattr(lightning_class, "__init__", lightning_class)):
            return super().add_lightning_class_args(lightning_class, *args, **kwargs)

    def parse_args(  # type: ignore[override] # of ``semdd``, which hands on, and of a command
        self,
        args: Sequence[str] | None = None,
        namespace: Namespace | None = None,
        **kwargs: Any,  # noqa: ANN401 - as jsonargparse has it
    ) -> Namespace:
        """Parse an experiment.

        Raises:
            ConfigError: if a config is refused, a protocol lacks a value, or what follows from others is
                another value.
        """
        if getattr(self, "subcommand", None) is None:
            return super().parse_args(args, namespace, **kwargs)
        parse = partial(super().parse_args, list(args or ()), namespace, **{**kwargs, "defaults": False})
        with skip_apply_links():
            self.facts = self.last = self.settled = None
            stated = parse()
            self.holder, self.last = self.last, None
            if self.holder is not None:
                self.facts = find_facts(flatten(stated.as_dict()))
                stated = parse()
            config = super().parse_args([], stated, env=False, **kwargs)  # with the defaults below
        given = flatten(stated.as_dict())
        if BASE in given:
            msg = f"Expected {BASE} in a config alone, found it among the options; give --config for it."
            raise ConfigError(msg)
        if self.settled is not None:
            self.settled.check(given)
        files = [Path(str(path)) for path in stated.get("config") or []]
        check_links(given, flatten(config.as_dict()), files)
        return config

    def go_over(self, config: Namespace, path: Path) -> None:
        """Merge a config over what was said before: its bases, itself, and what its protocol's rules give."""
        own, content = read_config(path), compose(path)
        flat = flatten(content)
        hard = str(flat.get("model.class_path")).rpartition(".")[2] == "ClassifierModule"
        names_none = not any(option.startswith("model.network") for option in flat)
        measures_any = own.get("protocol") and hard and names_none  # so the student stays
        student = config.get(full_name("model.student")) if measures_any else None
        for base in bases_of(path):
            self.go_over(config, base)
        of_many = [own.pop(key) for key in OF_MANY if key in own]
        self._merge(config, yaml.safe_dump(own, sort_keys=False) if of_many else str(path))
        config.pop(BASE)
        for target, link in LINKS.items():  # a saved one states what follows; options may go over that
            if target in flat and link.gives(flat[target], flat):
                config.pop(full_name(target))
        if student is not None:
            config[full_name("model.network")] = student
        if own.get("protocol"):
            self._settle(config, content, path)
        elif self.last is not None and "class_path" in (own.get("data") or ()):
            msg = (
                f"Expected the data set's config before the protocol of {self.last.name}, found {path.name} "
                "behind it, which would go over it; give --config for the data set first."
            )
            raise ConfigError(msg)

    def _settle(self, config: Namespace, content: dict[str, Any], path: Path) -> None:
        self.last, protocol = path, read_protocol(content, path)
        if self.facts is not None and path == self.holder:
            self.settled = settled = settle(protocol, flatten(content), self.facts)
            given = Namespace({"protocol": asdict(settled.protocol)})  # type: ignore[no-untyped-call]
            for option, value in settled.given.items():
                given[_place(config, option)] = value
            self._merge(config, yaml.safe_dump(given.as_dict(), sort_keys=False))
            for option in settled.needed:
                config.pop(_place(config, option))

    def _merge(self, config: Namespace, named: str) -> None:
        """As ``--config`` does it, with a path or a text."""
        ActionConfigFile.apply_config(self, config, "config", named)
        config["config"].pop()


@contextmanager
def config_of_the_environment(command: str) -> Iterator[list[str]]:
    """The config that a command's variable names, as an option: jsonargparse knows no names and no bases."""
    variable = f"SEMDD_{command.upper()}__CONFIG"
    named = os.environ.pop(variable, None)
    try:
        yield [] if named is None else [f"--config={named}"]
    finally:
        if named is not None:
            os.environ[variable] = named


class _Config(ActionConfigFile):
    """``--config`` with a name or path, of a config that may have bases and rules."""

    def __call__(  # type: ignore[override] # jsonargparse's classes in the place of argparse's
        self, parser: ExperimentParser, cfg: Namespace, values: str, option_string: str | None = None
    ) -> None:
        path = find_config(values)
        parser.go_over(cfg, path)
        cfg[self.dest] = [*(cfg.get(self.dest) or []), str(path)]


def _place(config: Namespace, option: str) -> str:
    """A flat name as the parser has it, by the classes that the config names."""
    names: list[str] = []
    node: Any = config
    for name in option.split("."):
        if isinstance(node, Namespace) and ("class_path" in node or "init_args" in node):
            names, node = [*names, "init_args"], node.get("init_args")
        names.append(name)
        node = node.get(name) if isinstance(node, Namespace) else None
    return ".".join(names)


@contextmanager
def _whole_numbers_first(function: Callable[..., Any]) -> Iterator[None]:
    """While a signature is read, let it say int before float, as Lightning wrote it.

    `typing` takes the two orders for one and gives whichever is in its cache, so that what was imported
    before settles which of them a signature shows; jsonargparse takes the first that fits.
    """
    annotations = getattr(function, "__annotations__", {})
    before = dict(annotations)
    for name, kind in before.items():
        origin, parts = cast("Any", get_origin(kind)), get_args(kind)
        if origin is Union and {int, float} <= set(parts):
            annotations[name] = Union[(int, float, *(part for part in parts if part not in (int, float)))]
    try:
        yield
    finally:
        annotations.update(before)

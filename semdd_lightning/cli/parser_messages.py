"""What the parser of configs refuses, in one message, and what it would pass over in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from semdd_lightning.cli.links import LINKS, refused
from semdd_lightning.cli.options import parse_value
from semdd_lightning.errors import ConfigError

NOISE = ("Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")
_OF_A_LINK = re.compile(r"argument .* --> (?P<target>[\w.]+): invalid .* value: (?P<value>.*)")


def refusal(command: str, message: str) -> ConfigError:
    r"""The parser's message as one sentence, without what it tried in vain.

    Examples:
        >>> str(refusal("fit", "Key 'data':\n  Errors:\n    - 'x' is not accepted\n  Given value: 1"))
        "Expected options as `semdd fit --help` has them, found: Key 'data': 'x' is not accepted"
    """
    linked = _OF_A_LINK.match(message)
    if linked is not None and linked["target"] in LINKS:
        return refused(linked["target"], parse_value(linked["value"].strip("'")), f" in --{linked['target']}")
    lines = [line.strip() for line in message.splitlines()]
    told = " ".join(line.removeprefix("- ") for line in lines if not line.startswith(NOISE))
    return ConfigError(f"Expected options as `semdd {command} --help` has them, found: {told}")


def check_variables(command: str, options: Iterable[str], environment: Mapping[str, str]) -> None:
    """Refuse a variable that is named as one of the command's options and is none.

    Args:
        command: fit, validate, test or predict.
        options: names of its options, as ``trainer.devices``.
        environment: variables of the process.

    Raises:
        ConfigError: naming it.
    """
    prefix = f"SEMDD_{command}__".upper()
    known = {prefix + option.replace(".", "__").upper() for option in options}
    unread = sorted(name for name in environment if name.startswith(prefix) and name not in known)
    if unread:
        name = unread[0].removeprefix(prefix).replace("__", ".").lower()
        msg = (
            f"Expected variables {prefix}... that name an option, found {', '.join(unread)}, which nothing "
            f"would read; give --{name}, or the whole part in a variable, as {prefix}DATA."
        )
        raise ConfigError(msg)

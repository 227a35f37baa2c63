"""What the parser of configs refuses, in one message."""

from __future__ import annotations

import re

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

"""Variables of the environment that are options of a command: which are read, and which would be dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from semdd_lightning.errors import ConfigError

OF_TRAINING = "SEMDD_FIT__"
"""How those begin that every training reads, below its configs."""


def check_variables(command: str, options: Iterable[str], environment: Mapping[str, str]) -> None:
    """Refuse a variable that is named as one of the command's options and is none.

    Args:
        command: any of them.
        options: names of its options, as ``trainer.devices``; none where it reads no variable.
        environment: variables of the process.

    Raises:
        ConfigError: naming it.
    """
    prefix = f"SEMDD_{command}__".upper()
    known = {prefix + option.replace(".", "__").upper() for option in options}
    unread = sorted(name for name in environment if name.startswith(prefix) and name not in known)
    if unread:
        name = unread[0].removeprefix(prefix).replace("__", ".").lower()
        whole = f", or the whole part in a variable, as {prefix}DATA" if known else ""
        msg = (
            f"Expected variables {prefix}... that name an option, found {', '.join(unread)}, which nothing "
            f"would read; give --{name}{whole}."
        )
        raise ConfigError(msg)

"""What a user gave for a score, rule or sampler: refused where it makes no sense, and counts made of it."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal
from operator import index
from typing import TypeGuard

from semdd_lightning.errors import SelectionError, SemddError

_LARGEST = 2**53  # of whole numbers that are told apart as floating point


def whole_number(name: str, value: object, *, at_least: int, error: type[SemddError] = SelectionError) -> int:
    """A count or a seed as a Python integer, whatever integer type it has.

    Args:
        name: What it is, for the message.
        value: What a user gave.
        at_least: The smallest that makes sense.
        error: Raised if it is no whole number, or a smaller one.

    >>> import torch
    >>> whole_number("ipc", torch.tensor(2), at_least=1)
    2
    """
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < at_least:
        msg = f"Expected {name} to be at least {at_least}, found {value!r}; give a whole number."
        raise error(msg)
    return number


def is_number(value: object, at_least: float) -> TypeGuard[float]:
    """Whether something is a finite number of at least a size; a truth value is none.

    Args:
        value: What a user gave.
        at_least: The smallest that makes sense.

    >>> is_number(2, 1), is_number("2", 1), is_number(float("inf"), 1), is_number(10**99, 1)
    (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= at_least:
        return False
    return value <= _LARGEST if isinstance(value, int) else math.isfinite(value)


def check_share(name: str, value: object) -> None:
    """Refuse what is no number in [0, 1].

    Args:
        name: Parameter name, used in the error.
        value: The share.

    Raises:
        SelectionError: If it is outside [0, 1] or not a number.
    """
    if not is_number(value, 0) or value > 1:
        msg = f"Expected {name} to be in [0, 1], found {value!r}; choose a share."
        raise SelectionError(msg)


def check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not one of the choices.

    Args:
        what: What the word stands for, used in the error.
        value: The word found.
        choices: The words allowed.

    Raises:
        SelectionError: If the word is unknown.
    """
    if value not in choices:
        msg = f"Expected {what} to be one of {', '.join(choices)}, found {value!r}; choose one of them."
        raise SelectionError(msg)


def ceil_of_product(ratio: float, count: int) -> int:
    """ceil(ratio * count), the ratio taken as it is written.

    Args:
        ratio: A ratio or share, >= 0.
        count: A count, >= 0.

    >>> ceil_of_product(2.2, 50), ceil_of_product(0.5, 3)
    (110, 2)
    """
    return int((Decimal(str(ratio)) * count).to_integral_value(rounding=ROUND_CEILING))

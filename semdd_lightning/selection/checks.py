"""Refusals that scores, rules and samplers share."""

from __future__ import annotations

import math

from semdd_lightning.errors import SelectionError

_LARGEST = 2**53  # of whole numbers that are told apart as floating point


def is_number(value: object, at_least: float) -> bool:
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


def check_share(name: str, value: object) -> None:
    """Refuse what is no number in [0, 1].

    Args:
        name: Parameter name, used in the error.
        value: The share.

    Raises:
        SelectionError: If it is outside [0, 1] or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        msg = f"Expected {name} to be in [0, 1], found {value!r}; choose a share."
        raise SelectionError(msg)


def require_several_classes(num_classes: int) -> None:
    """Refuse separability where there is nothing to be separated from.

    Args:
        num_classes: Number of classes C.

    Raises:
        SelectionError: If C < 2.
    """
    if num_classes < 2:
        msg = (
            f"Expected at least 2 classes for class separability, found {num_classes}; "
            "set separability_weight to 0 or use a sampler that does not need it."
        )
        raise SelectionError(msg)

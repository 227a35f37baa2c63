"""What a search varies: options of a run, each in a range or among choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semdd_lightning.errors import ConfigError

if TYPE_CHECKING:  # of an extra
    from optuna import Trial

SAMPLER = "data.sampler."
_FILTER = {"candidate_ratio": {"low": 1.0, "high": 8.0, "log": True}}
_TWO_STAGE = {**_FILTER, "diversity_weight": [0.0, 0.8]}
SPACES: dict[str, dict[str, Any]] = {  # of a sampler's parameters, where nobody names others
    "two_stage": _TWO_STAGE,
    "learnable": {**_TWO_STAGE, "learnability_weight": [0.0, 1.0]},
    "coverage": _FILTER,
    "filtered_random": _FILTER,
    "dpp": {**_FILTER, "quality_weight": {"low": 0.25, "high": 4.0, "log": True}},
    "typicality": {"better_share": [0.2, 1.0]},
}


@dataclass(frozen=True)
class Dimension:
    """One option and the values that it is tried with.

    Attributes:
        option: its flat name, as ``data.sampler.candidate_ratio``.
        choices: the values; empty for a range.
        low: the least of a range; with two whole numbers for ends, only whole numbers are tried.
        high: the largest.
        log: whether ratios count and not differences.
    """

    option: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def suggest(self, trial: Trial) -> Any:  # noqa: ANN401 - as the option has it
        """A value of it for a trial."""
        if self.choices:
            return trial.suggest_categorical(self.option, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.option, self.low, self.high, log=self.log)
        return trial.suggest_float(self.option, self.low, self.high, log=self.log)

    @property
    def ends(self) -> tuple[Any, Any]:
        """Two of its values, with which its option can be tried out."""
        return (self.choices[0], self.choices[-1]) if self.choices else (self.low, self.high)


def dimension(option: str, given: object) -> Dimension:
    """A dimension as a config or the command line gives it.

    Args:
        option: its flat name.
        given: two numbers, the ends of a range; several values, the choices; or a mapping of ``low``,
            ``high`` and perhaps ``log``, or of ``choices``.

    Raises:
        ConfigError: if it is nothing of this.

    Examples:
        >>> dimension("data.batch_size", [16, 64])
        Dimension(option='data.batch_size', choices=(), low=16, high=64, log=False)
        >>> dimension("model.network", ["conv3", "conv4"]).choices
        ('conv3', 'conv4')
    """
    if isinstance(given, list) and len(given) == 2 and all(type(end) in (int, float) for end in given):
        given = {"low": given[0], "high": given[1]}
    if isinstance(given, Mapping) and {"low", "high"} <= given.keys() <= {"low", "high", "log"}:
        low, high, log = given["low"], given["high"], given.get("log", False)
        fits = _is_number(low) and _is_number(high) and isinstance(log, bool)
        if fits and low < high and (low > 0 or not log):
            return Dimension(option, low=low, high=high, log=log)
    choices: Any = given.get("choices") if isinstance(given, Mapping) and len(given) == 1 else given
    plain = isinstance(choices, list) and all(
        isinstance(value, str | int | float | bool | None) for value in choices
    )
    if plain and len({repr(value) for value in choices}) == len(choices) > 1:
        return Dimension(option, tuple(choices))
    msg = (
        f"Expected for {option} two numbers, the lower first, or several choices, or low, high and log (then "
        f"above 0), found {given!r}; for example [1.0, 4.0]."
    )
    raise ConfigError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")

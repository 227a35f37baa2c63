"""The trials of a search: run seed by seed, stopped where hopeless."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.experiment.process import current, error_in_words
from semdd_lightning.names import get_logger
from semdd_lightning.studies.tuning.search import Search
from semdd_lightning.studies.tuning.study import DIRECTORY, ERROR, METRIC, ended, known_result

if TYPE_CHECKING:  # of an extra
    from optuna import Study, Trial

logger = get_logger(__name__)


def run_trials(study: Study, search: Search, directory: Path, seeds: Sequence[int], count: int) -> None:
    """Run trials until there are that many.

    Args:
        study: as `open_study` gives it.
        search: what is varied.
        directory: of the search.
        seeds: of each trial.
        count: how many trials there are to be in all.
    """
    from optuna.trial import TrialState

    while (done := len(ended(study))) < count:
        trial = study.ask()
        values = {each.option: each.suggest(trial) for each in search.dimensions}
        name = trial.user_attrs.get(DIRECTORY, f"trial{trial.number:04d}")
        trial.set_user_attr(DIRECTORY, name)
        try:
            top1 = _over_seeds(trial, search, values, directory / name, seeds)
        except Exception as error:
            if current().received is not None:
                raise
            logger.debug("%s failed", name, exc_info=True)
            trial.set_user_attr(ERROR, error_in_words(error))
            study.tell(trial, state=TrialState.FAIL)
            said = f"failed: {trial.user_attrs[ERROR]}"
        else:
            mean = sum(top1) / len(top1)
            pruned = len(top1) < len(seeds)
            study.tell(trial, None if pruned else mean, TrialState.PRUNED if pruned else None)
            said = f"{100 * mean:.2f} % of validation" + (
                f", stopped after {len(top1)} seeds" if pruned else ""
            )
        logger.info("Trial %d of %d, %s: %s", done + 1, count, _in_words(values), said)


def _over_seeds(
    trial: Trial, search: Search, values: dict[str, Any], directory: Path, seeds: Sequence[int]
) -> list[float]:
    """Accuracies of one trial by seed, until it falls behind the others."""
    found: list[float] = []
    for step, seed in enumerate(seeds):
        place = directory.with_name(f"{directory.name}-seed{seed}")
        found.append(_top1(search, search.command(values, seed, place), place))
        trial.report(sum(found) / len(found), step)
        if step + 1 < len(seeds) and trial.should_prune():
            break
    return found


def _top1(search: Search, argv: list[str], directory: Path) -> float:
    """Validation accuracy of a run, which is read if it is finished."""
    result = known_result(search, argv, directory) or run_experiment(argv)
    if METRIC not in result.metrics or result.cut_short:
        found = "; ".join(result.cut_short) or "no validation"
        msg = f"Expected a whole training and its validation to judge by, found {found}; correct the config."
        raise ConfigError(msg)
    return result.metrics[METRIC]


def _in_words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )

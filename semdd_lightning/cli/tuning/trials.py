"""The trials of a search: kept on disk as they go, gone on with after a kill, stopped where hopeless."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from semdd_lightning.cli.experiment import run_experiment
from semdd_lightning.cli.mendable import error_in_words
from semdd_lightning.cli.run_directory import read_versions
from semdd_lightning.cli.run_result import read_result
from semdd_lightning.cli.stopping import current
from semdd_lightning.cli.tuning.search import Search
from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.names import get_logger

if TYPE_CHECKING:  # of an extra
    from optuna import Study, Trial

logger = get_logger(__name__)

STORE = "study.db"
METRIC = "val_top1"
_DIRECTORY, _ERROR, _SEARCH = "directory", "error", "search"


def open_study(directory: Path, search: Search, seeds: Sequence[int]) -> Study:
    """The study in a directory, new or to be gone on with; a trial that was cut off begins again.

    Args:
        directory: of the search.
        search: what is varied.
        seeds: of each trial, in their order.

    Raises:
        ConfigError: if Optuna is not installed.
        RunError: if the directory holds another search.
    """
    try:
        import optuna
    except ImportError as error:
        msg = "Expected Optuna for semdd tune, found none; pip install 'semdd-lightning[tune]'."
        raise ConfigError(msg) from error
    from sqlalchemy.engine import URL

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = URL.create("sqlite", database=str(directory / STORE)).render_as_string()
    study = optuna.create_study(
        storage=address, study_name="semdd", direction="maximize", load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )  # fmt: skip
    key = f"{search.key} {list(seeds)}"
    if study.user_attrs.setdefault(_SEARCH, key) != key:
        msg = (
            f"Expected {directory} to be new or of this very search, found another in it; nothing was "
            "overwritten, give another --out."
        )
        raise RunError(msg)
    study.set_user_attr(_SEARCH, key)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # the same draws never come twice
    return study


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
        name = trial.user_attrs.get(_DIRECTORY, f"trial{trial.number:04d}")
        trial.set_user_attr(_DIRECTORY, name)
        try:
            top1 = _over_seeds(trial, search, values, directory / name, seeds)
        except Exception as error:
            if current().received is not None:
                raise
            logger.debug("%s failed", name, exc_info=True)
            trial.set_user_attr(_ERROR, error_in_words(error))
            study.tell(trial, state=TrialState.FAIL)
            said = f"failed: {trial.user_attrs[_ERROR]}"
        else:
            mean = sum(top1) / len(top1)
            pruned = len(top1) < len(seeds)
            study.tell(trial, None if pruned else mean, TrialState.PRUNED if pruned else None)
            said = f"{100 * mean:.2f} % of validation" + (
                f", stopped after {len(top1)} seeds" if pruned else ""
            )
        logger.info("Trial %d of %d, %s: %s", done + 1, count, _in_words(values), said)


def ended(study: Study) -> list[Any]:
    """The trials that are done: finished, stopped early, or failed with an error."""
    from optuna.trial import TrialState

    known = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [trial for trial in known if trial.state is not TrialState.FAIL or _ERROR in trial.user_attrs]


def trial_table(study: Study, search: Search) -> pd.DataFrame:
    """One row a trial, the best first: its directory, state, accuracy, seeds, values and error."""
    rows = [
        {
            "trial": trial.user_attrs[_DIRECTORY],
            "state": trial.state.name.lower(),
            METRIC: trial.value if trial.value is not None else float("nan"),
            "seeds": len(trial.intermediate_values),
            **{each.option: trial.params.get(each.option) for each in search.dimensions},
            "error": trial.user_attrs.get(_ERROR, ""),
        }
        for trial in ended(study)
    ]
    return pd.DataFrame(rows).sort_values(METRIC, ascending=False, kind="stable", ignore_index=True)


def _over_seeds(
    trial: Trial, search: Search, values: dict[str, Any], directory: Path, seeds: Sequence[int]
) -> list[float]:
    """Accuracies of one trial by seed, until it falls behind the others."""
    found: list[float] = []
    for step, seed in enumerate(seeds):
        place = directory.with_name(f"{directory.name}-seed{seed}")
        found.append(_top1(search.command(values, seed, place), place))
        trial.report(sum(found) / len(found), step)
        if step + 1 < len(seeds) and trial.should_prune():
            break
    return found


def _top1(argv: list[str], directory: Path) -> float:
    """Validation accuracy of a run, which is read if it is finished."""
    result = read_result(directory)
    versions = read_versions(directory)
    if result is None or METRIC not in result.metrics or versions is None or [*versions.command[1:]] != argv:
        result = run_experiment(argv)
    if METRIC not in result.metrics:
        found = "; ".join(result.cut_short) or "none"
        msg = f"Expected a validation to judge by, found {found}; give data.validation an image set."
        raise ConfigError(msg)
    return result.metrics[METRIC]


def _in_words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )

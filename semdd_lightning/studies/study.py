"""The study of a search on disk: opened, gone on with trial by trial, held against what its runs found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from semdd_lightning.errors import ConfigError, RunError, SemddError
from semdd_lightning.experiment.experiment import run_experiment
from semdd_lightning.experiment.process import current, error_in_words
from semdd_lightning.experiment.run.directory import read_versions
from semdd_lightning.experiment.run.made_with import made_otherwise
from semdd_lightning.experiment.run.result import RESULT, RunResult, read_result
from semdd_lightning.names import get_logger
from semdd_lightning.studies.plan import recipe
from semdd_lightning.studies.search import Search

if TYPE_CHECKING:  # of an extra
    from optuna import Study, Trial

logger = get_logger(__name__)
STORE = "study.db"
METRIC = "val_top1"
DIRECTORY, ERROR = "directory", "error"  # what a trial is told of itself
_SEARCH = "search"
_ANEW = "remove this file to begin anew, where finished runs are not made again"
_EQUAL = 1e-9  # accuracies that differ by less are one


def open_study(directory: Path, search: Search, seeds: Sequence[int]) -> Study:
    """The study in a directory, new or to be gone on with; a trial that was cut off begins again.

    Args:
        directory: of the search.
        search: what is varied.
        seeds: of each trial, in their order.

    Raises:
        ConfigError: if Optuna is not installed.
        RunError: if the directory holds another search, or one that is not what its runs found here.
    """
    try:
        import optuna
    except ImportError as error:
        msg = "Expected Optuna for semdd tune, found none; pip install 'semdd-lightning[tune]'."
        raise ConfigError(msg) from error
    from sqlalchemy.engine import URL

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = URL.create("sqlite", database=str(directory / STORE)).render_as_string()
    with readable(directory, Exception):  # a damaged file fails in as many ways as it has places
        study = optuna.create_study(
            storage=address, study_name="semdd", direction="maximize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )  # fmt: skip
        study.get_trials()
    key = f"{search.key} {list(seeds)}"
    if study.user_attrs.setdefault(_SEARCH, key) != key:
        msg = (
            f"Expected {directory} to be new or of this very search, found another in it; nothing was "
            "overwritten, give another --out."
        )
        raise RunError(msg)
    study.set_user_attr(_SEARCH, key)
    _check_runs(study, search, directory, seeds)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # the same draws never come twice
    return study


@contextmanager
def readable(directory: Path, *failures: type[Exception]) -> Iterator[None]:
    """Turn what the file of a search refuses within the block into one message.

    Args:
        directory: of the search.
        failures: what may fail beside the database itself.

    Raises:
        RunError: if it cannot be read or written.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    refusals: tuple[type[Exception], ...] = (StorageInternalError, SQLAlchemyError, *failures)
    try:
        yield
    except SemddError:
        raise
    except refusals as error:
        found = str(error.__cause__ or error).partition("\n")[0]
        msg = (
            f"Expected to read and write the search in {directory / STORE}, found {found}; "
            f"free disk space, or {_ANEW}."
        )
        raise RunError(msg) from error


def run_trials(study: Study, search: Search, directory: Path, seeds: Sequence[int], count: int) -> None:
    """Run trials, seed by seed and stopped where hopeless, until there are that many.

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
            stopped = f", stopped after {len(top1)} seeds" if pruned else ""
            said = f"{100 * mean:.2f} % of validation{stopped}"
        tried = ", ".join(
            f"{option} {value:.4g}" if isinstance(value, float) else f"{option} {value}"
            for option, value in values.items()
        )
        logger.info("Trial %d of %d, %s: %s", done + 1, count, tried, said)


def ended(study: Study) -> list[Any]:
    """The trials that are done: finished, stopped early, or failed with an error."""
    from optuna.trial import TrialState

    known = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [trial for trial in known if trial.state is not TrialState.FAIL or ERROR in trial.user_attrs]


def trial_table(study: Study, search: Search) -> pd.DataFrame:
    """One row per trial, the best first: its directory, state, accuracy, seeds, values and error."""
    rows = [
        {
            "trial": trial.user_attrs[DIRECTORY],
            "state": trial.state.name.lower(),
            METRIC: trial.value if trial.value is not None else float("nan"),
            "seeds": len(trial.intermediate_values),
            **{each.option: trial.params.get(each.option) for each in search.dimensions},
            "error": trial.user_attrs.get(ERROR, ""),
        }
        for trial in ended(study)
    ]
    return pd.DataFrame(rows).sort_values(METRIC, ascending=False, kind="stable", ignore_index=True)


def _over_seeds(
    trial: Trial, search: Search, values: Mapping[str, Any], directory: Path, seeds: Sequence[int]
) -> list[float]:
    """Validation accuracies of one trial by seed, until it falls behind the others."""
    found: list[float] = []
    for step, seed in enumerate(seeds):
        place = directory.with_name(f"{directory.name}-seed{seed}")
        argv = search.command(values, seed, place)
        result = _known_result(search, argv, place) or run_experiment(argv)
        if METRIC not in result.metrics or result.cut_short:
            cut = "; ".join(result.cut_short) or "no validation"
            msg = (
                f"Expected a whole training and its validation to judge by, found {cut}; correct the config."
            )
            raise ConfigError(msg)
        found.append(result.metrics[METRIC])
        trial.report(sum(found) / len(found), step)
        if step + 1 < len(seeds) and trial.should_prune():
            break
    return found


def _known_result(search: Search, argv: list[str], directory: Path) -> RunResult | None:
    """What a finished run of this very command and these configs found, wherever it was when it was made."""
    result, versions = read_result(directory), read_versions(directory)
    if result is None or METRIC not in result.metrics or versions is None:
        return None
    same = recipe(versions.command[1:], versions.configs or {}) == recipe(argv, search.digests)
    return result if same else None


def _check_runs(study: Study, search: Search, directory: Path, seeds: Sequence[int]) -> None:
    """See that trials are what their runs say, and that these were made as runs are made here and now."""
    states: dict[str, str | None] = {}
    for trial in ended(study):
        values = {each.option: trial.params.get(each.option) for each in search.dimensions}
        name, told, top1 = trial.user_attrs.get(DIRECTORY), trial.value, []
        for seed in seeds[: len(trial.intermediate_values)]:
            place = directory / f"{name}-seed{seed}"
            if not (place / RESULT).is_file():
                continue
            result = _known_result(search, search.command(values, seed, place), place)
            change = "another command, or damage" if result is None else made_otherwise(place, result, states)
            if result is None or change is not None:
                msg = f"Expected runs as they are made here and now, found {place.name}: {change}; "
                raise RunError(f"{msg}nothing was overwritten, give another --out.")
            top1.append(result.metrics[METRIC])
        whole = told is not None and top1 and len(top1) == len(trial.intermediate_values)
        if whole and abs(told - (found := sum(top1) / len(top1))) > _EQUAL:
            msg = (
                f"Expected {directory / STORE} to say what its runs found, found {told} for {name} and "
                f"{found} in its runs; {_ANEW}."
            )
            raise RunError(msg)

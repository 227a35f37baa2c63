"""What is to be chosen, from what and by what, and what people decided about single images of the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semdd_lightning.audit import AuditPolicy
from semdd_lightning.data.classifier import Classifier
from semdd_lightning.errors import ChoicesError, SemddError, TooFewImagesError
from semdd_lightning.export import build_component, describe
from semdd_lightning.export.choices import Choices, ChoicesRecord, Decision
from semdd_lightning.pools import ImageSet, Pool
from semdd_lightning.pools.strings import Strings
from semdd_lightning.prior import Prior, parse_prior, prior_kind
from semdd_lightning.selection import ByHand, Sampler
from semdd_lightning.selection.scores.score import Need, needed


@dataclass(frozen=True)
class SelectionPlan:
    """All that a selection depends on; `select` says what each means."""

    pool: ImageSet
    priors: tuple[Prior, ...]
    ipc: int
    sampler: Sampler
    seed: int
    reference: ImageSet | None
    classifier: Classifier | None
    cache_dir: Path | None
    audit: AuditPolicy
    choices: Choices | None

    @property
    def needs(self) -> frozenset[Need]:
        """What the sampler and the scores that it weighs cannot do without."""
        return self.sampler.all_needs

    def described(self) -> dict[str, Any]:
        """The manifest's part that says what the selection is made from.

        Raises:
            RunError: if one of them is not made of plain values.
        """
        priors = tuple(describe(prior.absolute()) for prior in self.priors)
        return {
            "pool": describe(self.pool),
            "prior": priors[0] if len(priors) == 1 else priors,
            "sampler": describe(self.sampler.resolved(self.ipc)),
            "reference": None if self.reference is None else describe(self.reference),
            "classifier": None if self.classifier is None else describe(self.classifier),
            "cache_dir": None if self.cache_dir is None else str(self.cache_dir.expanduser().absolute()),
        }

    def prepare(self) -> None:
        """Fetch or generate what is missing, once per node, and see that all that the sampler needs is there.

        Raises:
            PriorError: if a prior cannot be had as described.
            SelectionError: if the sampler, or a score that it weighs, needs what was not given.
            RunError: if no manifest can describe the classifier.
        """
        for prior in self.priors:
            prior.check()
        given: dict[Need, object] = {"reference": self.reference, "classifier": self.classifier}
        for need in sorted(self.needs & given.keys()):
            needed(given[need], need, self.sampler.name)
        if self.classifier is not None:
            describe(self.classifier)
        self.pool.prepare()
        if self.reference is not None:
            self.reference.prepare()


def build_priors(given: Mapping[str, Any] | Sequence[str | Mapping[str, Any]]) -> list[Prior]:
    """The priors that a command line, a config or a manifest names.

    Args:
        given: words or descriptions, or one description.

    Raises:
        PriorError: if a word names no prior.
        RunError: if a description does not fit.
    """
    priors: list[Prior] = []
    for one in [given] if isinstance(given, Mapping) else given:
        if isinstance(one, str):
            priors.append(parse_prior(one))
        else:
            kind: Callable[..., Prior] = prior_kind(one)
            priors.append(build_component(dict(one), kind))
    return priors


def find_choices(choices: Choices, pool: Pool, ipc: int) -> tuple[ByHand, ChoicesRecord]:
    """The rows that were decided about, and the record of it.

    An image that cannot be chosen anyhow, as it is unreadable or a duplicate, may be struck out all the same.

    Args:
        choices: what was decided.
        pool: the pool to choose from.
        ipc: images per class.

    Raises:
        ChoicesError: if an image is not of the pool or cannot be chosen, or a class has too many pinned ones.
        TooFewImagesError: if a class has fewer than ``ipc`` images that are not struck out.
    """
    rows = _rows(choices.decisions, pool)
    excluded = {image.path: image.reason for image in pool.excluded} if (rows < 0).any() else {}
    left, room = pool.counts(), np.full(len(pool.registry), ipc)
    found: dict[str, list[int]] = {"strike": [], "pin": []}
    paths: dict[str, list[str]] = {"strike": [], "pin": []}
    for decision, row in zip(choices.decisions, rows.tolist(), strict=True):
        paths[decision.choice].append(pool.paths[row] if row >= 0 else decision.path)
        if row < 0:
            _require_excluded(decision, pool, excluded)
            continue
        found[decision.choice].append(row)
        label, count = pool.labels[row], left if decision.choice == "strike" else room
        count[label] -= 1
        of_class = f"images of class {pool.registry.names[label]!r}"
        error: type[SemddError] = ChoicesError
        if left[label] < ipc:
            error, asked = TooFewImagesError, f"at least {ipc} {of_class} that are not struck out"
            instead = f"{ipc - 1} once this one is"
        elif room[label] < 0:
            asked, instead = f"at most {ipc} pinned {of_class}", "more"
        else:
            continue
        msg = (
            f"Expected {decision.place} to leave {asked}, found {instead} ({decision.path}); take back some "
            "of these choices, or change ipc."
        )
        raise error(msg)
    by_hand = ByHand(*(torch.tensor(found[choice], dtype=torch.int64) for choice in ("strike", "pin")))
    return by_hand, ChoicesRecord(choices.digest, tuple(paths["strike"]), tuple(paths["pin"]))


def _rows(decisions: Sequence[Decision], pool: Pool) -> NDArray[np.int64]:
    """Row of each image, -1 where there is none; a path written by hand counts as it stands."""
    as_read, as_written = (
        pool.paths.positions(Strings(text.encode("utf-8", "replace").decode() for text in texts))
        for texts in ([d.path for d in decisions], [d.written for d in decisions])
    )
    return np.where(as_read < 0, as_written, as_read)


def _require_excluded(decision: Decision, pool: Pool, excluded: dict[str, str]) -> None:
    reason = excluded.get(decision.path)
    if reason is not None and decision.choice == "strike":
        return
    if reason is not None:
        what, advice = f"an image that can be chosen, found {decision.path} ({reason})", "pin another"
    elif pool.root.is_dir() and (pool.root / decision.path).is_file():
        what = f"an image of one of the classes, found {decision.path}, which is of none"
        advice = "remove the line"
    else:
        what = f"an image of the pool {pool.root}, found {decision.path}, which is not in it"
        advice = "give paths as scores.parquet has them"
    msg = f"Expected {decision.place} to name {what}; {advice}."
    raise ChoicesError(msg)

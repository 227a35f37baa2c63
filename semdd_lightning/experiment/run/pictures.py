"""What a selection leaves for people to look at: its page and its contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from semdd_lightning.audit import class_record, stray_classes
from semdd_lightning.data import PoolSelection
from semdd_lightning.experiment.run.directory import PAGE, SHEET, read_versions
from semdd_lightning.names import command
from semdd_lightning.prior import prior_in_words
from semdd_lightning.report import statistics_record, write_contact_sheet
from semdd_lightning.report.page.selection_page import write_page


def write_pictures(directory: Path, selected: PoolSelection) -> None:
    """Write the page, then the contact sheet, of a selection.

    Args:
        directory: where to; its ``versions.json`` says which command is running.
        selected: the selection.
    """
    versions = read_versions(directory)
    pool, audit = selected.pool, selected.audit
    write_page(
        directory / PAGE,
        selected.table,
        pool,
        selected.embeddings.image_embeddings,
        report=statistics_record(selected.report()),
        manifest=asdict(selected.manifest),
        made_by=command(*versions.command) if versions else command("semdd", "verify", directory),
        again=command(*_with_choices(versions.command if versions else ("semdd", "select"))),
        prior=prior_in_words(selected.manifest.prior),
        audit=None if audit is None else class_record(pool, audit),
        resembles=None if audit is None else stray_classes(pool, audit),
    )
    write_contact_sheet(directory / SHEET, selected.table, pool)


def _with_choices(words: Sequence[str]) -> list[str]:
    """The same command by a file of choices, and into a directory that is not there yet."""
    option, places = (
        ("--choices", ("--out",))
        if words[1] == "select"
        else (
            "--data.choices",
            ("--run.directory",),
        )
    )
    left, skip = [], False
    for word in words:
        name, given, _ = word.partition("=")
        if not skip and name not in (option, *places):
            left.append(word)
        skip = not skip and name in (option, *places) and not given
    return [*left, option, "choices.csv"]

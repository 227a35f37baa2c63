"""What a selection leaves for people to look at: its page and its contact sheet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from semdd_lightning.cli.run_directory import PAGE, SHEET, read_versions
from semdd_lightning.data import PoolSelection
from semdd_lightning.names import command
from semdd_lightning.report import statistics_record, write_contact_sheet
from semdd_lightning.report.page import write_page


def write_pictures(directory: Path, selected: PoolSelection) -> None:
    """Write the page, then the contact sheet, of a selection.

    Args:
        directory: where to; its ``versions.json`` says which command is running.
        selected: the selection.
    """
    versions = read_versions(directory)
    write_page(
        directory / PAGE,
        selected.table,
        selected.pool,
        selected.embeddings.image_embeddings,
        report=statistics_record(selected.report()),
        manifest=asdict(selected.manifest),
        made_by=command(*versions.command) if versions else command("semdd", "verify", directory),
    )
    write_contact_sheet(directory / SHEET, selected.table, selected.pool)

"""The tables of `semdd audit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from semdd_lightning.names import shown
from semdd_lightning.report.tables import (
    FoldingTable,
    plain,
    print_next_commands,
    print_plain,
    table_of_rows,
)

_FOLDERS = 12  # shown where fewer are suspect
_SHOWN = 5  # examples of single images
_COLOURS = {"moved": "red", "empty": "red", "suspect": "yellow", "ok": "green"}
_VERDICTS = {
    "pass": "[green]pass[/]: the folders hold their classes",
    "warn": "[yellow]warn[/]: go on with open eyes",
    "refuse": "[red]refuse[/]: do not train on this pool as it is",
}


def print_audit(
    record: Mapping[str, Any], problem: str | None, page: Path, next_commands: Sequence[str]
) -> None:
    """Print what an audit found and what to do next."""
    console = Console()
    console.print(_folder_table(record))
    console.print(table_of_rows("semdd audit", {**_rows(record), "page": str(page)}))
    if problem is not None:
        print_plain(console, problem)
    print_next_commands(console, next_commands)


def verdict_words(verdict: str) -> str:
    """A verdict and what follows from it, in words."""
    return Text.from_markup(_VERDICTS[verdict]).plain


def _folder_table(record: Mapping[str, Any]) -> FoldingTable:
    """The folders, most suspect first: all that are, or the first dozen."""
    folders = record["folders"]
    faulty = sum(folder["verdict"] != "ok" for folder in folders)
    listed = folders[: max(_FOLDERS, faulty)]
    title = "Folders, the most suspect first"
    table = FoldingTable(
        title=title if len(listed) == len(folders) else f"{title}: {len(listed)} of {len(folders)}"
    )
    right = ("agreement", "real images", "share")
    for column in ("folder", "class", "agreement", "real images", "resembles", "share", "verdict"):
        table.add_column(column, justify="right" if column in right else "left")
    for folder in listed:
        expected = folder["reference_agreement"]
        colour = _COLOURS[folder["verdict"]]
        table.add_row(
            plain(shown(folder["folder"])),
            plain(shown(folder["class"])),
            f"{folder['agreement']:.0%}",
            "-" if expected is None else f"{expected:.0%}",
            plain(shown(folder["suspected_class"])),
            f"{folder['share']:.0%}",
            plain(folder["verdict"], colour),
        )
    return table


def _rows(record: Mapping[str, Any]) -> dict[str, str | Text]:
    rows: dict[str, str | Text] = {
        "pool": record["pool"],
        "images": f"{record['images_audited']:,} usable, {len(record['unusable']):,} unusable or duplicates",
        "class order": Text("\n").join(_order(order) for order in record["order"]),
    }
    if not record["prior_knows_classes"]:
        rows["CLIP"] = plain(
            "cannot tell these classes apart: that nothing is found proves nothing", "yellow"
        )
    if all(folder["reference_agreement"] is None for folder in record["folders"]):
        rows["real images"] = "none were given: with --reference DIR the audit errs less"
    rows["like another class"] = _examples(
        [f"{i['path']} ({i['class']}): looks like {i['looks_like']}" for i in record["images"]]
    )
    rows["nearly constant"] = _examples(record["near_constant"])
    rows["near duplicates"] = _examples([_pair(pair) for pair in record["duplicates"]])
    if record["leaked"] is not None:
        rows["leaked from test"] = _examples([_pair(pair) for pair in record["leaked"]])
    rows["verdict"] = Text.from_markup(_VERDICTS[record["verdict"]])
    return rows


def _order(order: Mapping[str, Any]) -> Text:
    voters = " and ".join(order["voters"])
    text = plain(f"by {voters}: {order['accuracy']:.1%} of the images look like the class of their folder")
    if order["moved_folders"]:
        moved = f"{order['best_accuracy']:.1%} in another order, {order['moved_folders']} moved"
        text.append("; ").append(moved, "red")
    return text


def _pair(pair: Mapping[str, Any]) -> str:
    how = "the same bytes as" if pair["identical"] else "mirrored" if pair["mirrored"] else "like"
    return f"{pair['second_path']} {how} {pair['first_path']}"


def _examples(lines: Sequence[str]) -> str:
    if not lines:
        return "none"
    more = [f"and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    return "\n".join([f"{len(lines):,}", *map(shown, lines[:_SHOWN]), *more])

"""Which images of a pool stand on its page, and in which order."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

CANDIDATES = REJECTED = EXCLUDED = STRAYS = 12  # of a class, beside all that were chosen


def page_images(
    table: pd.DataFrame, decided: Collection[str] = (), strays: Collection[str] = ()
) -> pd.DataFrame:
    """Rows of the score table that stand on the page, class by class.

    Of a class these are all chosen images in the order of the picks, the candidates of highest quality, the
    images of lowest quality, the lowest first, some that could not be chosen at all, those that people
    decided about, and some that look like another class.

    Args:
        table: score table of a selection.
        decided: paths of images that were struck out or pinned.
        strays: paths of images that look like another class.
    """
    chosen = table[table["stage"] == "selected"].sort_values("step")
    left = table[table["stage"].isin(["candidate", "filtered"])]
    left = left.sort_values("quality", ascending=False, kind="stable")
    candidates = left[left["stage"] == "candidate"].groupby("label").head(CANDIDATES)
    rejected = left.drop(candidates.index).groupby("label").tail(REJECTED)[::-1]
    excluded = table[table["stage"] == "excluded"].groupby("label").head(EXCLUDED)
    by_hand = table[table["path"].isin(decided)]
    astray = table[table["path"].isin(strays)].groupby("label").head(STRAYS)
    parts = (chosen, candidates, rejected, excluded, by_hand, astray)
    rows = list(dict.fromkeys(row for part in parts for row in part.index))
    return table.loc[rows].sort_values("label", kind="stable")


def what_is_shown(images: pd.DataFrame, table: pd.DataFrame) -> str:
    """One sentence that says where the page is cut.

    Args:
        images: what `page_images` returns.
        table: all of the score table.
    """
    if len(images) == len(table):
        return f"All {len(table):,} images of the pool are on this page."
    return (
        f"{len(images):,} of the pool's {len(table):,} images are on this page: of each class all that were "
        f"chosen, the {CANDIDATES} candidates of highest quality, the {REJECTED} others of lowest quality, "
        f"up to {EXCLUDED} that could not be chosen and up to {STRAYS} that look like another class, and all "
        "that were struck out by hand."
    )

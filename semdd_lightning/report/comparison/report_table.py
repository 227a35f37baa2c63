"""A table of texts, before anybody says whether it becomes Markdown, LaTeX, HTML or lines on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

NOTHING = "-"  # in a cell without a number


@dataclass(frozen=True)
class ReportTable:
    """A table for people; its texts are raw, and whoever writes them escapes them.

    Attributes:
        title: what it shows.
        columns: their heads; the first `labels` hold names, the others numbers or words about them.
        rows: as many texts each as there are columns.
        labels: how many columns, from the left, say what a row is.
        notes: sentences below it.
        extra: columns that a narrow terminal leaves out first.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    notes: Sequence[str] = field(default_factory=tuple)
    extra: Sequence[str] = field(default_factory=tuple)

    def trimmed(self) -> ReportTable:
        """The table without the columns that say nothing in any row."""
        said = [
            place
            for place in range(len(self.columns))
            if place < self.labels or any(row[place] not in ("", NOTHING) for row in self.rows)
        ]
        return self._of(said)

    def shortened(self) -> ReportTable:
        """The table without its extra columns."""
        return self._of([place for place, name in enumerate(self.columns) if name not in self.extra])

    def _of(self, places: Sequence[int]) -> ReportTable:
        rows = [[row[place] for place in places] for row in self.rows]
        return replace(self, columns=[self.columns[place] for place in places], rows=rows)

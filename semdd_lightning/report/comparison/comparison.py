"""A comparison as one reads it again: its cells, tables, sentences and figures, and all of it for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from matplotlib.figure import Figure
from pydantic import ConfigDict, with_config

from semdd_lightning import evaluation
from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.evaluation import AXES, Cell, default_baseline, sampler_table
from semdd_lightning.given import given_path, require_word
from semdd_lightning.names import command as shell_command
from semdd_lightning.records import RECORD, read_record
from semdd_lightning.report.comparison.figures import FIGURES, draw, drawable, inline_svg
from semdd_lightning.report.comparison.report_table import as_html, as_latex, as_markdown, print_tables
from semdd_lightning.report.comparison.tables import HOW_TO_READ, Notes, comparison_tables
from semdd_lightning.report.comparison.words import Findings, sentences
from semdd_lightning.report.page.parts import fill, html


@with_config(RECORD | ConfigDict(extra="ignore"))
@dataclass(frozen=True)
class _MadeBy:
    command: list[str]


class Comparison:
    """What ``semdd compare`` measured: load it, and ask for tables and figures.

    Args:
        runs: the cells, in the order of the grid.
        command: what made them, word by word; empty where nobody knows.
    """

    def __init__(self, runs: Sequence[Cell], command: Sequence[str] = ()) -> None:
        self.runs = list(runs)
        self.command = shell_command(*command) if command else None
        self._tables: dict[str, pd.DataFrame] = {}  # by their baselines

    @classmethod
    def load(cls, directory: str | Path) -> Comparison:
        """Read a comparison, finished or not.

        Args:
            directory: that of ``semdd compare``.

        Raises:
            RunError: if there is no record of one that can be trusted.
        """
        folder = given_path("the directory of a comparison", directory)
        versions, command = folder / "versions.json", list[str]()
        if versions.is_file():
            command = read_record(versions, _MadeBy, RunError, "give another directory").command
        return cls(evaluation.read_cells(folder), command)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: axes, state, accuracies, what was chosen, costs."""
        return evaluation.cell_table(self.runs)

    def where(self, **places: str | float) -> Comparison:
        """The part of the comparison with these places on its axes.

        Args:
            places: values by the names of the axes, as ``ipc=10``.

        Raises:
            ConfigError: if there is no such axis, or no cell there.
        """
        unknown = [axis for axis in places if axis not in (*AXES, "labels")]
        if unknown:
            msg = f"Expected axes out of {', '.join(AXES)} and labels, found {', '.join(unknown)}."
            raise ConfigError(msg)
        wanted = places.items()
        part = Comparison([run for run in self.runs if wanted <= {**run.axes, "labels": run.labels}.items()])
        if not part.runs:
            known = {axis: sorted(map(str, set(self.cells[axis]))) for axis in places}
            msg = f"Expected places of this comparison ({known}), found {places}; correct them."
            raise ConfigError(msg)
        part.command = self.command
        return part

    def table(self, baseline: str | None = None) -> pd.DataFrame:
        """One row per sampler in each slice: the columns of `sampler_table`.

        Args:
            baseline: the sampler that differences are taken to; by default random, else the last.

        Raises:
            ConfigError: if no cell has the baseline.
        """
        of = self.baseline(baseline)
        if of not in self._tables:
            self._tables[of] = sampler_table(self.cells, of)
        return self._tables[of].copy()

    def baseline(self, wanted: str | None = None) -> str:
        """The sampler that differences are taken to."""
        if wanted is None:
            return default_baseline(self.cells)
        require_word("a baseline", wanted, list(self.cells["sampler"].drop_duplicates()))
        return wanted

    def summary(self, baseline: str | None = None) -> str:
        """What the numbers allow to say, a line for each slice.

        Args:
            baseline: as in `table`.
        """
        return "\n".join(sentences(self._found(baseline)))

    def correlations(self) -> pd.DataFrame:
        """Spearman's correlation of what describes the chosen images with accuracy, over samplers."""
        return evaluation.metric_correlations(self.table())

    def transfer(self) -> pd.DataFrame:
        """Kendall's tau between the accuracies that two students give the samplers."""
        return evaluation.student_agreement(self.table())

    def dd_ranking(self, *, random: str = "random", real: str = "real", plain: str = "plain") -> pd.DataFrame:
        """DD-Ranking's scores, or what is missing for them.

        Args:
            random: the sampler that chooses at random.
            real: the sampler, by its label, whose runs train on all real images.
            plain: the protocol, by its label, that augments nothing.
        """
        return evaluation.dd_ranking(self.table(), random=random, real=real, plain=plain)

    def kinds(self, baseline: str | None = None) -> list[str]:
        """The figures that there is something for.

        Args:
            baseline: as in `table`.
        """
        return drawable(self._found(baseline))

    def plot(self, kind: str = "accuracy", baseline: str | None = None) -> Figure:
        """A figure.

        Args:
            kind: one of `FIGURES`: accuracy, differences, ipc, pool_size, metrics.
            baseline: as in `table`.

        Raises:
            ConfigError: if there is no such kind, or nothing of this kind to draw.
        """
        return draw(kind, self._found(baseline), self.command)

    def _found(self, baseline: str | None) -> Findings:
        return Findings(self.cells, self.table(baseline), self.baseline(baseline))


def print_report(comparison: Comparison, baseline: str, notes: Notes) -> None:
    """Print tables, how to read them, and what they allow to say.

    Args:
        comparison: what was measured.
        baseline: the sampler that differences are taken to.
        notes: what is to be said below the table of a slice.
    """
    found = comparison._found(baseline)
    said = [HOW_TO_READ.format(baseline=baseline), *sentences(found)]
    print_tables(said if len(found.table) else [], comparison_tables(found, notes))


def report_files(
    comparison: Comparison, baseline: str, notes: Notes, pages: Mapping[str, str]
) -> dict[str, str]:
    """Names and texts of the files for people; numbers go into a CSV file.

    Args:
        comparison: what was measured.
        baseline: the sampler that differences are taken to.
        notes: what is to be said below the table of a slice.
        pages: the page of a run by its directory, as a path from the place of these files.
    """
    found, command = comparison._found(baseline), comparison.command
    tables, said = comparison_tables(found, notes), sentences(found)
    reading = HOW_TO_READ.format(baseline=baseline)
    title = f"Comparison of samplers, differences to {baseline}"
    figures = {kind: draw(kind, found, command) for kind in drawable(found)}
    runs = [_linked(run.directory, pages.get(run.directory)) for run in comparison.runs]
    parts = {
        "title": html(title),
        "said": "".join(f"<p>{html(sentence)}</p>" for sentence in said),
        "reading": html(reading),
        "tables": "\n".join(map(as_html, tables)),
        "figures": "\n".join(
            f"<figure>{inline_svg(figure, kind)}<figcaption>{FIGURES[kind]}.</figcaption></figure>"
            for kind, figure in figures.items()
        ),
        "runs": f"<ul>{''.join(f'<li>{run}</li>' for run in runs)}</ul>",
        "command": html(command or "unknown"),
    }
    return {
        "comparison.md": as_markdown(title, [*said, reading], tables, command),
        "comparison.tex": as_latex(tables, command),
        "report.html": fill("comparison.html", parts),
    }


def _linked(name: str, page: str | None) -> str:
    return html(name) if page is None else f'<a href="./{escape(quote(page))}">{html(name)}</a>'

"""What a comparison reports, from its record alone: tables, sentences, figures, a page."""

from semdd_lightning.report.comparison.comparison import Comparison
from semdd_lightning.report.comparison.figures import FIGURES, FORMATS, saved
from semdd_lightning.report.comparison.reports import print_report, report_files

__all__ = [
    "FIGURES",
    "FORMATS",
    "Comparison",
    "print_report",
    "report_files",
    "saved",
]

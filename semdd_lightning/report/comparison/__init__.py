"""What a comparison reports, from its record alone: tables, sentences, figures, a page."""

from semdd_lightning.report.comparison.comparison import Comparison, print_report, report_files
from semdd_lightning.report.comparison.figures import FIGURES, FORMATS, saved

__all__ = [
    "FIGURES",
    "FORMATS",
    "Comparison",
    "print_report",
    "report_files",
    "saved",
]

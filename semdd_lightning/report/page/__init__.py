"""The page of a selection: one file that opens in any browser and asks for nothing."""

from semdd_lightning.report.page.writing import write_page

__all__ = ["write_page"]

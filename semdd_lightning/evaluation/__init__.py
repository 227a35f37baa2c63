"""Many runs side by side: tables of samplers and seeds, and what the differences mean."""

from semdd_lightning.evaluation.comparison import Cell, comparison_table, paired_difference

__all__ = ["Cell", "comparison_table", "paired_difference"]

"""Many runs side by side: tables of samplers and seeds, and what the differences mean."""

from semdd_lightning.evaluation.cells import AXES, Cell, read_cells, write_cells
from semdd_lightning.evaluation.comparison import comparison_table, paired_difference

__all__ = ["AXES", "Cell", "comparison_table", "paired_difference", "read_cells", "write_cells"]

"""Many runs side by side: their record, and what the differences mean. Pure but for the record."""

from semdd_lightning.evaluation.cells import (
    AXES,
    CELLS,
    SLICE,
    Cell,
    Slice,
    by_slice,
    cell_table,
    read_cells,
    slices,
    write_cells,
)
from semdd_lightning.evaluation.dd_ranking import (
    augmentation_robust_score,
    dd_ranking,
    label_robust_score,
)
from semdd_lightning.evaluation.sampler_table import (
    default_baseline,
    metric_correlations,
    sampler_table,
    student_agreement,
)
from semdd_lightning.evaluation.statistics import (
    Estimate,
    estimate,
    holm,
    over_seeds,
    paired_difference,
    seeds_needed,
    verdict,
)

__all__ = [
    "AXES",
    "CELLS",
    "SLICE",
    "Cell",
    "Estimate",
    "Slice",
    "augmentation_robust_score",
    "by_slice",
    "cell_table",
    "dd_ranking",
    "default_baseline",
    "estimate",
    "holm",
    "label_robust_score",
    "metric_correlations",
    "over_seeds",
    "paired_difference",
    "read_cells",
    "sampler_table",
    "seeds_needed",
    "slices",
    "student_agreement",
    "verdict",
    "write_cells",
]

"""Many experiments: comparisons and searches."""

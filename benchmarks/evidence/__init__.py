"""Does a selection help? Pools, configs and commands behind docs/results/selection.md."""

"""One experiment: from its command line to a run's directory with its result."""

"""From argv and configs to the settings of an experiment."""

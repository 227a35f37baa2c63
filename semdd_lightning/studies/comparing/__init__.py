"""The grid of ``semdd compare``: its axes, its cells, and what runs them."""

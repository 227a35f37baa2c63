"""Tar files as pools: which shards there are, what lies in them, and what class it is of."""

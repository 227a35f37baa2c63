"""Soft labels on disk, or made once per image: training without a teacher in the loop."""

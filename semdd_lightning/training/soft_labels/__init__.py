"""Soft labels on disk, or made once an image: training without a teacher in the loop."""

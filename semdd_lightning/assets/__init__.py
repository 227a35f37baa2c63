"""What travels with the package so that the quickstart needs no download."""

from __future__ import annotations

from pathlib import Path


def digits_clip() -> Path:
    """Give the folder of the small CLIP that knows handwritten digits, in open_clip's local format."""
    return Path(__file__).parent / "digits_clip"

"""Semantic-aware sampling for dataset distillation: from an image pool to a student's accuracy.

The names below are imported on first use, so that ``semdd --help`` and class checks never wait for torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_EXPORTS = {
    "ClassRegistry": "classes",
    "Pool": "pools",
    "AnyPool": "pools",
    "ClassFolders": "pools",
    "DATASETS": "datasets",
    "OpenClipPrior": "prior",
    "SAMPLERS": "selection",
    "Selection": "selection",
    "select": "data",
    "PoolDataModule": "data",
    "DistillationModule": "training",
    "ClassifierModule": "training",
    "build_network": "models",
    "Comparison": "report.comparison",
    "load_network": "training",
}
__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    if name not in _EXPORTS:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

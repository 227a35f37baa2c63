"""NumPy's arrays in torch's files, rebuilt from their bytes so that no pickle calls a function of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = "biuf"  # truth values and numbers


class SavedType:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class SavedArray:
    """Stands in for what ``numpy._core.multiarray._reconstruct`` makes."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, as far as that is known."""
        shape = self.state[1] if isinstance(self.state, tuple) and len(self.state) == 5 else ()
        return shape if isinstance(shape, tuple) else ()

    def rebuilt(self) -> NDArray[Any]:
        """The array.

        Raises:
            ValueError: If it holds no numbers, or its bytes and its shape do not fit together.
        """
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            msg = "an array that is none"
            raise ValueError(msg)
        _, shape, kind, fortran, content = self.state
        if (
            not isinstance(kind, SavedType)
            or kind.code[:1] not in tuple(_KINDS)
            or not isinstance(content, bytes)
        ):
            msg = "an array of something else than numbers"
            raise ValueError(msg)
        flat = np.frombuffer(content, dtype=np.dtype(kind.order + kind.code))
        return flat.reshape(shape, order="F" if fortran else "C")


class _Ignored:
    """Stands in for NumPy's numbers: accuracies beside the images, which nobody asks for."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _named(module: str, name: str, base: type) -> type:
    return type(name, (base,), {"__module__": module})


STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    _named("numpy", "dtype", SavedType),
    _named("numpy", "ndarray", _Ignored),
    *(
        _named(f"numpy.{module}.multiarray", name, base)
        for module in ("core", "_core")
        for name, base in (("_reconstruct", SavedArray), ("scalar", _Ignored))
    ),
]
"""What `weights_only` finds under the names of NumPy."""

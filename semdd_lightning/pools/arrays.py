"""What tensor files hold, tensors, arrays or lists, as NumPy's arrays of numbers; no pickle calls NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.errors import PoolError

_MOST_SHARED = 64  # times that a tensor may show the same memory, as grey images in three channels do


def is_array_like(content: object) -> bool:
    """Whether something is a tensor, an array, or a list of numbers, of names, or of such lists.

    >>> is_array_like([0, 1]), is_array_like(["cat", "dog"]), is_array_like([[0, 1]]), is_array_like([])
    (True, True, True, False)
    """
    if isinstance(content, list | tuple):
        plain = all(isinstance(entry, bool | int | float | str) for entry in content)
        return bool(content) and (plain or all(map(is_array_like, content)))
    return isinstance(content, _SavedArray) or (hasattr(content, "shape") and hasattr(content, "dtype"))


def num_dimensions(values: Any) -> int:  # noqa: ANN401 - array-like
    """How many dimensions something has that `is_array_like`.

    >>> num_dimensions([[0, 1], [1, 0]]), num_dimensions(np.zeros((2, 3)))
    (2, 2)
    """
    if isinstance(values, list | tuple):
        return 1 + num_dimensions(values[0])
    return len(getattr(values, "shape", ()))


def to_array(values: Any, path: Path, *, labels: bool = False) -> NDArray[Any]:  # noqa: ANN401 - array-like
    """An array of numbers; labels may be names, too.

    Args:
        values: What `is_array_like` knows.
        path: The file, for messages.
        labels: Whether they are labels.

    Raises:
        PoolError: If they are no numbers, or of no one shape.
    """
    try:
        array = _plain(values, path)
    except (ValueError, TypeError, OverflowError) as error:
        msg = f"Expected an array of numbers in {path}, found {error}; save tensors or arrays."
        raise PoolError(msg) from error
    if array.dtype.kind == "b" and labels and array.ndim == 2:  # one-hot
        array = array.astype(np.uint8)
    if array.dtype.kind not in ("iufU" if labels else "iuf"):
        msg = f"Expected arrays of numbers in {path}, found type {array.dtype}; save numbers."
        raise PoolError(msg)
    return array


def channels_first(images: NDArray[Any], path: Path) -> NDArray[Any]:
    """Images as ``(N, C, H, W)`` with 1 or 3 channels.

    Args:
        images: Images with channels first or last.
        path: The file, for messages.

    Raises:
        PoolError: If they have another shape.
    """
    shape = images.shape
    if images.ndim == 4 and shape[1] in (1, 3) and images.size:
        return images
    if images.ndim == 4 and shape[3] in (1, 3) and images.size:
        return images.transpose(0, 3, 1, 2)
    msg = (
        f"Expected images of shape (N, channels, height, width) in {path}, with 1 or 3 channels, found shape "
        f"{shape}; reshape them, or name the right file."
    )
    raise PoolError(msg)


def _plain(values: Any, path: Path) -> NDArray[Any]:  # noqa: ANN401 - array-like
    if isinstance(values, _SavedArray):
        return values.rebuilt()
    if isinstance(values, list | tuple):
        if not all(isinstance(entry, bool | int | float | str) for entry in values):
            return np.stack([_plain(entry, path) for entry in values])
        if len({isinstance(entry, str) for entry in values}) > 1:
            msg = "numbers and texts in one list"
            raise TypeError(msg)
        return np.array(values)
    if isinstance(values, np.ndarray):
        return values
    import torch  # it is loaded already, or there were no tensors

    if not isinstance(values, torch.Tensor):
        msg = f"a {type(values).__name__}"
        raise TypeError(msg)
    if values.layout != torch.strided or values.is_quantized:
        msg = f"Expected dense tensors in {path}, found layout {values.layout}; save them dense."
        raise PoolError(msg)
    memory = values.untyped_storage().nbytes()
    if values.numel() * values.element_size() > _MOST_SHARED * max(memory, 1):
        msg = f"shape {tuple(values.shape)} over {memory} bytes of memory"
        raise ValueError(msg)
    values = values.detach().resolve_conj().resolve_neg()
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


class _SavedType:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


class _SavedArray:
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
        """The array, or a ValueError."""
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            msg = "an array that is none"
            raise ValueError(msg)
        _, shape, kind, fortran, content = self.state
        numbers = isinstance(kind, _SavedType) and kind.code[:1] in tuple("biuf")
        if not (numbers and isinstance(content, bytes)):
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


STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    type(name, (base,), {"__module__": module})
    for module, name, base in (
        ("numpy", "dtype", _SavedType),
        ("numpy", "ndarray", _Ignored),
        ("numpy.core.multiarray", "_reconstruct", _SavedArray),
        ("numpy.core.multiarray", "scalar", _Ignored),
        ("numpy._core.multiarray", "_reconstruct", _SavedArray),
        ("numpy._core.multiarray", "scalar", _Ignored),
    )
]
"""What `weights_only` finds under the names of NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.pools.row_listings import class_paths, numbered_names
from semdd_lightning.pools.strings import Strings


@given(st.integers(1, 2_000), st.sampled_from([".png", Strings([".jpg"])]))
def test_numbered_names_sort_as_numbers(count: int, suffix: str | Strings) -> None:
    rows = np.unique(np.array([0, count // 3, count - 1]))
    suffix = suffix if isinstance(suffix, str) else Strings([".jpg"] * len(rows))
    names = list(numbered_names("f", rows, count, suffix))
    assert names == sorted(names)
    assert [int(name[2:-4]) for name in names] == rows.tolist()
    registry = ClassRegistry(("x", "y"), ("0", "1"))
    assert list(class_paths(registry, rows % 2, Strings(names))) == [
        f"{row % 2}/{name}" for row, name in zip(rows.tolist(), names, strict=True)
    ]

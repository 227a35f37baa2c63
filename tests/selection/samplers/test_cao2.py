from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import CaO2, Embeddings

MakePool = Callable[..., Embeddings]


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), ipc=st.integers(1, 11), duplicates=st.booleans(), most=st.booleans())
def test_agrees_with_the_literal_transcription(
    make_pool: MakePool, seed: int, ipc: int, duplicates: bool, most: bool
) -> None:
    pool = make_pool(seed, duplicates=duplicates)
    outputs = pool.classifier
    assert outputs is not None
    selection = CaO2(preference="most" if most else "least").select(pool, ipc)
    for c, rows in enumerate(rows.tolist() for rows in pool.class_rows()):
        sure = {i: round(float(outputs.largest[i]), 9) * (1 if most else -1) for i in rows}
        by_confidence = sorted(rows, key=lambda i: (-sure[i], i))
        right = [i for i in by_confidence if int(outputs.predicted[i]) == c]
        wrong = [i for i in by_confidence if int(outputs.predicted[i]) != c]
        assert selection.class_indices(c).tolist() == [*right, *wrong][:ipc]
        candidates = set(np.flatnonzero(selection.scores["candidate"])) & set(rows)
        assert candidates == set([*right, *wrong][: max(ipc, len(right))])
    picked = selection.indices
    assert selection.scores["pick_value"].to_numpy()[picked].tolist() == outputs.largest[picked].tolist()


def test_few_images_are_the_most_confident_and_many_the_least(make_pool: MakePool) -> None:
    found = {ipc: CaO2().resolved(ipc).preference for ipc in (1, 10, 22, 23, 50)}
    assert found == {1: "most", 10: "most", 22: "most", 23: "least", 50: "least"}
    pool = make_pool(1, counts=(30, 30))
    for ipc in (10, 25):
        assert CaO2().select(pool, ipc).digest == CaO2().resolved(ipc).select(pool, ipc).digest


def test_preference_is_a_known_word() -> None:
    with pytest.raises(SelectionError, match="preference to be one of auto, most, least, found 'x'"):
        CaO2(preference="x")  # type: ignore[arg-type]

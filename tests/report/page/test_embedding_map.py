"""The plane of the map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.report.page.embedding_map import principal_plane


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_it_is_the_plane_of_the_largest_variance(rows: int, size: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, size))
    plane, share = principal_plane(vectors)
    centred = vectors - vectors.mean(axis=0)
    singular = np.zeros(2)
    found = np.linalg.svd(centred, compute_uv=False)[:2]
    singular[: len(found)] = found
    assert plane.shape == (rows, 2)
    np.testing.assert_allclose((plane**2).sum(axis=0), singular**2, atol=1e-9)
    total = (centred**2).sum()
    assert share == pytest.approx((singular**2).sum() / total if total > 0 else 0.0)


def test_images_that_are_all_the_same_lie_on_one_point() -> None:
    plane, share = principal_plane(np.ones((4, 3)))
    assert not plane.any()
    assert share == 0

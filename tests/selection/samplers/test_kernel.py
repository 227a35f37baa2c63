from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import Coverage, Embeddings, build_sampler
from semdd_lightning.selection.samplers.kernel import kernel, neighbour_bandwidth

MakePool = Callable[..., Embeddings]
Reference = Any  # the class of that name in conftest.py, which tests cannot import


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), size=st.integers(2, 14), chunk=st.integers(1, 20), data=st.data())
def test_matches_the_transcription(
    reference: Reference, make_pool: MakePool, seed: int, size: int, chunk: int, data: st.DataObject
) -> None:
    z = make_pool(seed, counts=(size,), dim=5).image_embeddings
    ipc = data.draw(st.integers(1, size))
    tau = neighbour_bandwidth(z, ipc, chunk)
    assert tau == pytest.approx(reference.bandwidth(z.numpy(), ipc))
    expected = [[reference.kernel(a, b, tau) for b in z.numpy()] for a in z.numpy()]
    np.testing.assert_allclose(kernel(z, z, tau).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("size", [1, 6])
def test_copies_have_a_bandwidth_too(size: int) -> None:
    z = torch.eye(3, dtype=torch.float64)[[0] * size]
    assert neighbour_bandwidth(z, 1) == 1e-6
    assert torch.equal(kernel(z, z, 1e-6), torch.ones(size, size, dtype=torch.float64))


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, 1e-7, float("nan"), float("inf")])
def test_bandwidth_is_a_distance(bandwidth: float) -> None:
    with pytest.raises(SelectionError, match="bandwidth to be finite and at least 1e-06, found"):
        Coverage(bandwidth=bandwidth)


@pytest.mark.parametrize("name", ["coverage", "reference_herding", "dpp"])
@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 10**6))
def test_a_smaller_selection_is_a_prefix(make_pool: MakePool, name: str, seed: int) -> None:
    pool = make_pool(seed)
    kind = type(build_sampler(name))
    # refined prototypes of 0.8 of a class are of more than ipc images, and so the same for any of these
    sampler: Any = kind(candidates_per_class=9, refined_share=0.8, bandwidth=0.2)  # type: ignore[call-arg]
    whole = sampler.select(pool, 8)
    for smaller in (1, 5):
        part = sampler.select(pool, smaller)
        for c in range(3):
            assert part.class_indices(c).tolist() == whole.class_indices(c)[:smaller].tolist()

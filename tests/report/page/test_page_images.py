"""Which images stand on the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.report.page.selection_page import (
    CANDIDATES,
    EXCLUDED,
    REJECTED,
    STRAYS,
    page_images,
    principal_plane,
    what_is_shown,
)


def table_of(stages: dict[str, int], classes: int = 2) -> pd.DataFrame:
    """A table in which the quality falls from row to row, whatever the stage."""
    rows = []
    for label in range(classes):
        for stage, count in stages.items():
            rows += [(label, stage, count - i if stage == "selected" else pd.NA) for i in range(count)]
    table = pd.DataFrame(rows, columns=["label", "stage", "step"])
    table["step"] = table["step"].astype("Int64")
    table["path"] = [f"{i}.png" for i in table.index]
    table["quality"] = 1 - table.index / len(table)
    table.loc[table["stage"] == "excluded", "quality"] = float("nan")
    return table


def test_chosen_then_the_best_candidates_then_the_worst() -> None:
    table = table_of({"filtered": 30, "selected": 20, "candidate": 30, "excluded": 20})
    images = page_images(table)
    for label, of_class in images.groupby("label"):
        counts = [20, CANDIDATES, REJECTED, EXCLUDED]
        assert len(of_class) == sum(counts)
        chosen, candidates = of_class[:20], of_class[20 : 20 + CANDIDATES]
        rejected, excluded = of_class[20 + CANDIDATES :][:REJECTED], of_class[-EXCLUDED:]
        assert chosen["step"].tolist() == list(range(1, 21))
        assert set(excluded["stage"]) == {"excluded"}
        left = table[(table["label"] == label) & table["stage"].isin(["candidate", "filtered"])]
        best = left[left["stage"] == "candidate"].nlargest(CANDIDATES, "quality")
        assert candidates.index.tolist() == best.index.tolist()
        assert rejected.index.tolist() == left.nsmallest(REJECTED, "quality").index.tolist()
    assert what_is_shown(images, table).startswith("112 of the pool's 200 images")


def test_a_small_pool_is_shown_whole_and_each_image_once() -> None:
    table = table_of({"selected": 2, "candidate": CANDIDATES + 3, "excluded": 1}, classes=3)
    images = page_images(table)
    assert sorted(images.index) == list(table.index)


def test_what_people_decided_and_what_looks_astray_is_on_the_page() -> None:
    table = table_of({"selected": 2, "candidate": 60, "filtered": 60, "excluded": 20})
    plain = page_images(table)
    left_out = table.index.difference(plain.index)
    decided, strays = table.loc[left_out[::2], "path"], table.loc[left_out[1::2], "path"]
    images = page_images(table, decided, strays)
    assert set(plain.index) | set(left_out[::2]) <= set(images.index)
    more = images.index.difference(plain.index).difference(left_out[::2])
    assert table.loc[more, "label"].value_counts().tolist() == [STRAYS, STRAYS]
    assert images.index.is_unique
    assert images["label"].is_monotonic_increasing


def test_the_page_of_all_says_so() -> None:
    table = table_of({"selected": 2, "candidate": CANDIDATES + 3, "excluded": 1}, classes=3)
    images = page_images(table)
    assert what_is_shown(images, table) == "All 54 images of the pool are on this page."


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

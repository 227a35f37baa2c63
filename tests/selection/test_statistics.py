from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    METRICS,
    Embeddings,
    Random,
    TwoStage,
    class_report,
    overall_report,
    selection_report,
    subset_statistics,
)

MakePool = Callable[..., Embeddings]


def test_statistics_match_slow_loops(make_pool: MakePool) -> None:
    pool = make_pool(1)
    chosen = torch.cat([rows[start::4] for start, rows in enumerate(pool.class_rows())]).tolist()
    stats = subset_statistics(pool, {"chosen": torch.tensor(chosen)})
    z, y, t = pool.image_embeddings.numpy(), pool.labels.numpy(), pool.text_prototypes.numpy()
    cosines = z @ t.T
    for c in range(3):
        rows = [i for i in chosen if y[i] == c]
        margins = [cosines[i, c] - max(cosines[i, k] for k in range(3) if k != c) for i in rows]
        distances = [1 - z[i] @ z[j] for i in rows for j in rows if i < j]
        nearest = [max(z[i] @ z[j] for j in rows) for i in np.flatnonzero(y == c)]
        assert stats["num_images"][c] == len(rows)
        assert stats["zero_shot_accuracy"][c] == pytest.approx(
            np.mean([cosines[i].argmax() == c for i in rows])
        )
        assert stats["mean_relevance"][c] == pytest.approx(np.mean([cosines[i, c] for i in rows]))
        assert stats["mean_margin"][c] == pytest.approx(np.mean(margins))
        assert stats["mean_pairwise_distance"][c] == pytest.approx(np.mean(distances))
        assert stats["coverage"][c] == pytest.approx(np.mean(nearest))
    overall = overall_report(stats).loc["chosen"]
    assert list(overall.index) == ["num_images", *METRICS]
    assert overall["mean_relevance"] == pytest.approx(np.mean([cosines[i, y[i]] for i in chosen]))
    assert overall["zero_shot_accuracy"] == pytest.approx(
        np.mean([cosines[i].argmax() == y[i] for i in chosen])
    )
    assert overall["coverage"] == pytest.approx(stats["coverage"].mean())


def test_numbers_that_do_not_exist_are_nan(make_pool: MakePool) -> None:
    pool = make_pool(2, counts=(5, 5))
    stats = subset_statistics(pool, {"one": pool.class_rows()[0][:1]})
    assert stats["num_images"].tolist() == [1, 0]
    assert stats["mean_pairwise_distance"].isna().all()
    assert stats.loc[1, list(METRICS)].isna().all()
    overall = overall_report(stats)
    assert [name for name in METRICS if overall[name].isna().all()] == ["mean_pairwise_distance"]
    alone = overall_report(subset_statistics(make_pool(2, counts=(5,)), {"all": torch.arange(5)}))
    assert [name for name in METRICS if alone[name].isna().all()] == ["mean_margin"]


def test_an_empty_class_has_no_numbers(make_pool: MakePool) -> None:
    stats = subset_statistics(make_pool(2, counts=(4, 0, 5)), {"all": torch.arange(9)})
    assert stats["num_images"].tolist() == [4, 0, 5]
    assert stats.loc[1, list(METRICS)].isna().all()
    assert stats.loc[[0, 2], list(METRICS)].notna().all(axis=None)


def test_the_report_compares_four_sets(make_pool: MakePool) -> None:
    pool = make_pool(3, counts=(30, 25))
    selection = TwoStage().select(pool, 4)
    report = selection_report(pool, selection, seed=7)
    assert report.index.tolist() == ["pool", "candidates", "selection", "random"]
    assert report.index.name == "set"
    assert list(report.columns) == ["num_images", *METRICS]
    assert report["num_images"].tolist() == [55, 16, 8, 8]
    drawn = overall_report(subset_statistics(pool, {"random": Random().select(pool, 4, seed=7).indices}))
    assert report.loc["random"].to_dict() == pytest.approx(drawn.loc["random"].to_dict())
    assert report.loc["pool", "coverage"] == 1.0
    relevance = report["mean_relevance"].to_dict()
    assert relevance["candidates"] > relevance["pool"]


def test_the_class_report_holds_the_same_numbers_by_class(make_pool: MakePool) -> None:
    pool = make_pool(4)
    selection = TwoStage().select(pool, 3)
    report = class_report(pool, selection)
    assert report[["set", "class_index"]].to_numpy().tolist() == [
        [name, c] for name in ("pool", "candidates", "selection", "random") for c in range(3)
    ]
    chosen = report[report["set"] == "selection"]
    expected = subset_statistics(pool, {"selection": selection.indices})
    assert_frame_equal(chosen.reset_index(drop=True), expected)


def test_indices_of_another_pool_are_refused(make_pool: MakePool) -> None:
    pool = make_pool(5)
    with pytest.raises(SelectionError, match=r"indices in \[0, 38\), found values from 3 to 38"):
        subset_statistics(pool, {"some": torch.tensor([3, 38])})
    with pytest.raises(SelectionError, match="distinct indices, found 1 repeated"):
        subset_statistics(pool, {"some": torch.tensor([3, 3])})
    with pytest.raises(SelectionError, match="a selection from these 10 images, found one from 38"):
        selection_report(make_pool(5, counts=(5, 5)), TwoStage().select(pool, 2))

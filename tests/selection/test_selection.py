from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import KCenter, Random, Selection, TwoStage
from semdd_lightning.selection.embeddings import Embeddings
from semdd_lightning.selection.selection import nearest_selected

MakePool = Callable[..., Embeddings]
COLUMNS = [
    "label",
    "predicted",
    "class_relevance",
    "class_separability",
    "quality",
    "candidate",
    "stage1_rank",
    "step",
    "pick_value",
    "nearest_selected",
    "nearest_similarity",
    "stage",
    "reason",
]


def test_the_table_explains_every_image(make_pool: MakePool) -> None:
    pool = replace(make_pool(1), classifier=None)
    selection = TwoStage(candidate_ratio=2.0).select(pool, 3)
    table = selection.scores
    assert list(table.columns) == COLUMNS
    assert table.index.tolist() == list(range(pool.num_images))
    assert table["label"].tolist() == pool.labels.tolist()
    assert table.loc[selection.indices.tolist(), "step"].tolist() == [1, 2, 3] * 3
    assert table["step"].notna().sum() == 9
    for _, members in table.groupby("label"):
        size = len(members)
        ranked = members.sort_values("stage1_rank")
        assert ranked["stage1_rank"].tolist() == list(range(1, size + 1))
        assert ranked["candidate"].tolist() == [True] * 6 + [False] * (size - 6)
        assert ranked["quality"].is_monotonic_decreasing
        sentences = ranked["reason"].tolist()[6:]
        assert sentences == [f"rank {rank} of {size} in stage 1, 6 kept" for rank in range(7, size + 1)]
        picked = members[members["stage"] == "selected"]
        assert sorted(picked["reason"]) == [f"picked at step {step}" for step in (1, 2, 3)]
        waiting = members[members["stage"] == "candidate"]
        assert waiting["reason"].tolist() == ["candidate, not picked"] * 3
        assert waiting["pick_value"].isna().all()


def test_samplers_without_stage_1_keep_every_candidate(make_pool: MakePool) -> None:
    table = KCenter().select(make_pool(2), 3).scores
    assert table["candidate"].all()
    assert table["stage1_rank"].isna().all()
    assert (table["stage"] == "candidate").sum() == len(table) - 9
    pd.testing.assert_series_equal(table["quality"], TwoStage().select(make_pool(2), 3).scores["quality"])


def test_nearest_selected_is_another_image_of_the_class(make_pool: MakePool) -> None:
    pool = make_pool(3)
    selection = Random().select(pool, 4)
    z = pool.image_embeddings.numpy()
    for row in range(pool.num_images):
        rivals = [i for i in selection.class_indices(int(pool.labels[row])).tolist() if i != row]
        nearest = max(rivals, key=lambda i: float(z[i] @ z[row]))
        assert selection.scores["nearest_selected"][row] == nearest
        assert selection.scores["nearest_similarity"][row] == pytest.approx(float(z[nearest] @ z[row]))


def test_a_single_pick_has_no_neighbour(make_pool: MakePool) -> None:
    selection = TwoStage().select(make_pool(4), 1)
    picked = selection.scores.loc[selection.indices.tolist()]
    assert picked["nearest_selected"].isna().all()
    assert picked["nearest_similarity"].isna().all()
    assert selection.scores["nearest_selected"].notna().sum() == 38 - 3


def test_nearest_ties_go_to_the_lowest_position_in_any_block() -> None:
    z = torch.eye(2, dtype=torch.float64)[[0, 0, 0, 1, 1]]
    for block in range(1, 7):
        positions, _ = nearest_selected(z, torch.tensor([4, 2, 0]), block)
        assert positions.tolist() == [2, 0, 0, 4, 0]


def test_the_digest_holds_indices_order_and_ipc(make_pool: MakePool) -> None:
    selection = TwoStage().select(make_pool(5), 2)
    assert len(selection.digest) == 64
    assert selection.digest == TwoStage().select(make_pool(5), 2).digest
    flipped = Selection(selection.indices.flip(0), 2, 3, selection.scores)
    other_ipc = Selection(selection.indices, 1, 6, selection.scores)
    assert len({selection.digest, flipped.digest, other_ipc.digest}) == 3


def test_the_frame_is_a_copy(make_pool: MakePool) -> None:
    selection = TwoStage().select(make_pool(6), 2)
    frame = selection.to_frame()
    frame.loc[:, "quality"] = np.nan
    frame.loc[:, "label"] = 0
    assert selection.scores["quality"].notna().all()
    assert selection.scores["label"].nunique() == 3


def test_malformed_records_are_refused(make_pool: MakePool) -> None:
    selection = TwoStage().select(make_pool(7), 2)
    with pytest.raises(
        SelectionError, match=r"indices of shape \(6,\) for 3 classes and ipc 2, found \(5,\)"
    ):
        Selection(selection.indices[:5], 2, 3, selection.scores)
    with pytest.raises(SelectionError, match=r"a class index in \[0, 3\), found 3"):
        selection.class_indices(3)

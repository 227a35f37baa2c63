from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semdd_lightning.data import PoolDataModule
from semdd_lightning.training.soft_labels.label_format import LabelFormat, storing_costs
from semdd_lightning.training.soft_labels.sources import label_augmented, label_plain
from semdd_lightning.training.soft_labels.store import LabelStore, mean_costs

MakeData = Callable[..., PoolDataModule]


def _mean_colours(images: Tensor) -> Tensor:
    """As logits, something that tells images apart."""
    return images.mean(dim=(2, 3)) * 10


@pytest.mark.parametrize("storage", ["device", "host", "disk"])
def test_each_image_is_labelled_as_the_student_will_see_it(make_data: MakeData, storage: str) -> None:
    data = make_data(storage=storage, num_workers=0)
    data.setup("fit")
    for pass_index in range(2):
        logits = label_augmented(_mean_colours, data, pass_index)
        assert logits.shape == (12, 3)
        for batch in data.training_pass(pass_index):
            assert batch.drawn_pass == pass_index
            torch.testing.assert_close(logits[batch.rows], _mean_colours(batch.images))
    first, second = (label_augmented(_mean_colours, data, index) for index in range(2))
    assert not torch.allclose(first, second)


def test_labels_do_not_depend_on_the_batch_size(make_data: MakeData) -> None:
    found = []
    for batch_size in (5, 7, 12):
        data = make_data(batch_size=batch_size, mixing_group=5)
        data.setup("fit")
        found.append(label_augmented(_mean_colours, data, 1))
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_plain_images_are_the_chosen_ones(make_data: MakeData) -> None:
    data = make_data()
    data.setup("fit")
    store = data._stores["train"]
    expected = _mean_colours(store.gather(torch.arange(12)).float() / 255)
    torch.testing.assert_close(label_plain(_mean_colours, data), expected)


def test_the_costs_are_those_of_both_kinds_of_loss() -> None:
    logits = 3 * torch.randn(5000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    form = LabelFormat(6, "fp16", 2, 4.0)
    parts = form.encode(logits)
    stored = form.decode(parts).double()
    found = storing_costs(logits, parts, form, 4.0)
    assert found.keys() == {"kl_at_4", "kl_at_1", "mse", "mean_square"}
    for temperature in (4, 1):
        p, q = (logits / temperature).softmax(dim=1), (stored / temperature).softmax(dim=1)
        expected = float((p * (p / q).log()).sum(dim=1).mean())
        assert found[f"kl_at_{temperature}"] == pytest.approx(expected, rel=1e-3)
        assert expected > 1e-4
    assert found["mse"] == pytest.approx(float(((stored - logits) ** 2).mean()))
    assert found["mean_square"] == pytest.approx(float((logits**2).mean()))


def test_the_cost_of_a_format_is_kept_with_the_labels(
    make_data: MakeData, make_store: Callable[..., LabelStore], tmp_path: Path
) -> None:
    def costs(name: str, **options: Any) -> dict[str, float]:  # noqa: ANN401 - fields of a format
        form = LabelFormat(3, **{"temperature": 20.0, **options})
        return mean_costs(make_store(make_data(passes=23), form, directory=tmp_path / name))

    exact, half = costs("exact", precision="fp32"), costs("half")
    coarse, top = costs("coarse", precision="int8"), costs("top", top_k=1)
    names = ("kl_at_20", "kl_at_1", "mse")
    assert [exact[name] for name in names] == pytest.approx([0, 0, 0], abs=1e-12)
    for cheap, dear in ((half, exact), (coarse, half), (top, coarse)):
        assert all(cheap[name] > dear[name] for name in names)
        assert cheap["mean_square"] == pytest.approx(dear["mean_square"])
    assert half["kl_at_1"] < 1e-4
    assert coarse["kl_at_1"] < 1e-2


def test_a_store_that_grew_at_another_temperature_has_costs_in_common(
    make_data: MakeData, make_store: Callable[..., LabelStore]
) -> None:
    """Full logits fit any temperature, and so does more of them; how they were measured is kept apart."""
    make_store(make_data(passes=10), LabelFormat(3, "int8", temperature=4.0))
    store = make_store(make_data(passes=20), LabelFormat(3, "int8", temperature=20.0), temperature=4.0)
    assert len(store.header.blocks) == 2
    assert mean_costs(store).keys() == {"kl_at_1", "mse", "mean_square"}
    means = [store.notes(block)["mse"] for block in range(2)]
    assert mean_costs(store)["mse"] == pytest.approx(sum(means) / 2)

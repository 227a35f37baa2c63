"""A classifier beside CLIP: what it says, that it is asked once, and that a manifest asks it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from semdd_lightning.data import Classifier, ClassifierContext, PoolDataModule, select
from semdd_lightning.data.classifier import PoolClassifier, usual_side
from semdd_lightning.data.storage import evaluation_view
from semdd_lightning.errors import RunError, SelectionError, TeacherError
from semdd_lightning.export.manifest import build_component, describe, read_manifest
from semdd_lightning.pools import ClassFolders, ImageSet, Pool
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.selection import Quality, Sampler


class Colours(nn.Module):
    """Knows blue, green and red, and what is none of them, by the mean of each channel."""

    calls: ClassVar[int] = 0
    scale: Tensor

    def __init__(self, scale: float, logits: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        Colours.calls += 1
        means = images.mean(dim=(2, 3))
        return (
            self.scale * torch.stack([*means.unbind(1)[::-1], 1 - means.amax(dim=1)], dim=1)[:, : self.logits]
        )


@dataclass(frozen=True)
class ColourClassifier(Classifier):
    scale: float = 3.0
    logits: int = 3
    whole: int = 4

    def build(self, context: ClassifierContext) -> nn.Module:
        return Colours(self.scale, self.logits)

    def build_whole(self, context: ClassifierContext) -> nn.Module:
        return Colours(self.scale, self.whole)


@pytest.fixture
def pool(coloured_pool: Path) -> Pool:
    return ClassFolders(coloured_pool).read()


def ask(pool: Pool, classifier: Classifier) -> PoolClassifier:
    return PoolClassifier(classifier, ClassifierContext(pool.registry, usual_side(pool), None))


def test_probabilities_are_over_all_classes_that_it_knows(pool: Pool) -> None:
    outputs = ask(pool, ColourClassifier())(pool).outputs
    network = Colours(3.0, 4)
    for row in range(len(pool)):
        image = evaluation_view(pool.image(row), 16)
        p = network(image[None].float() / 255)[0].double().softmax(dim=0)
        assert float(outputs.own[row]) == pytest.approx(float(p[pool.labels[row]]), abs=1e-7)
        assert float(outputs.largest[row]) == pytest.approx(float(p.max()), abs=1e-7)
        assert int(outputs.predicted[row]) == int(p.argmax())
    assert outputs.own.dtype == outputs.largest.dtype == torch.float64
    assert outputs.predicted.dtype == torch.int64


def test_it_is_asked_once_and_the_cache_gives_every_bit(pool: Pool) -> None:
    first = ask(pool, ColourClassifier())(pool)
    before = Colours.calls
    again = ask(pool, ColourClassifier())(pool)
    assert Colours.calls == before
    for name in ("own", "largest", "predicted"):
        assert torch.equal(getattr(first.outputs, name), getattr(again.outputs, name))
    assert again.key == first.key
    others = [
        ask(pool, ColourClassifier(scale=4.0))(pool),
        ask(pool, ColourClassifier())(pool.take(torch.arange(5).numpy())),
        ask(pool, ColourClassifier())(replace(pool, labels=(pool.labels + 1) % 3)),
    ]
    assert len({first.key, *(other.key for other in others)}) == 4


def test_a_classifier_that_does_not_fit_is_refused(pool: Pool) -> None:
    for wrong in (ColourClassifier(whole=2), ColourClassifier(scale=float("inf"))):
        with pytest.raises(TeacherError, match="finite logits of at least 3 classes"):
            ask(pool, wrong)(pool)


def test_a_selection_asks_it_and_a_manifest_asks_it_again(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path
) -> None:
    reader, prior = ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir))
    sampler = Quality(scores={"difficulty": 1.0})
    selected = select(
        reader, prior, 2, sampler, classifier=ColourClassifier(), reference=reader, device="cpu"
    )
    outputs = ask(selected.pool, ColourClassifier())(selected.pool).outputs
    table = selected.selection.scores
    assert table["difficulty"].to_numpy() == pytest.approx(1 - outputs.own.numpy())
    assert table["confidence"].to_numpy() == pytest.approx(outputs.largest.numpy())
    for label in range(3):
        hardest = table[table["label"] == label].nlargest(2, "difficulty").index.tolist()
        assert selected.selection.class_indices(label).tolist() == hardest

    manifest = read_manifest(selected.export(tmp_path / "subset"))
    assert manifest == selected.manifest
    assert manifest.classifier is not None
    before = Colours.calls
    again = select(
        build_component(manifest.pool, ImageSet),
        prior,
        2,
        build_component(manifest.sampler, Sampler),
        classifier=build_component(manifest.classifier, Classifier),
        reference=reader,
        device="cpu",
    )
    assert (again.manifest, Colours.calls) == (manifest, before)
    alone = select(reader, prior, 2, reference=reader, device="cpu")
    assert (alone.manifest.classifier, alone.manifest.classifier_key) == (None, None)
    assert "difficulty" not in alone.selection.scores
    assert alone.manifest.embeddings_digest != manifest.embeddings_digest


def test_what_needs_a_classifier_says_so_before_an_image_is_read(
    coloured_pool: Path, tiny_clip_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClassFolders, "read", lambda *_: pytest.fail("the pool was read"))
    reader, prior = ClassFolders(coloured_pool), OpenClipPrior(str(tiny_clip_dir))
    for score, word in (("confidence", "classifier"), ("reference_similarity", "reference")):
        with pytest.raises(SelectionError, match=f"Expected a {word} for quality"):
            select(reader, prior, 2, Quality(scores={score: 1.0}))

    class NoDataclass(Classifier):
        def build(self, context: ClassifierContext) -> nn.Module:
            raise AssertionError

    with pytest.raises(RunError, match="made by a dataclass"):
        select(reader, prior, 2, classifier=NoDataclass())


def test_a_data_module_hands_it_on(
    coloured_pool: Path, tiny_clip_dir: Path, make_trainer: Callable[..., Trainer]
) -> None:
    data = PoolDataModule(
        pool=ClassFolders(coloured_pool),
        prior=OpenClipPrior(str(tiny_clip_dir)),
        ipc=2,
        num_classes=3,
        image_size=16,
        sampler=Quality(scores={"confidence": 1.0}),
        classifier=ColourClassifier(),
    )
    data.trainer = make_trainer()
    data.prepare_data()
    data.setup("fit")
    assert data.selected is not None
    assert data.selected.manifest.classifier == describe(ColourClassifier())

"""A timm model with random weights on disk as the prior, by its head and by reference images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch.nn import functional as F

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data import select
from semdd_lightning.errors import PriorError, SelectionError
from semdd_lightning.export.manifest import build_component, describe
from semdd_lightning.pools import ClassFolders, Pool
from semdd_lightning.prior import OpenClipPrior, TimmPrior, embed_pool, parse_prior, prior_kind

WNIDS, ROWS = ("n02123045", "n01440764"), [281, 0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("test_vit").state_dict(), file)
    return file


def test_classes_are_rows_of_the_head(make_pool: Callable[..., Pool], weights: Path) -> None:
    pool = make_pool(4)
    pool = replace(pool, registry=ClassRegistry(("cat", "tench"), pool.registry.folders, WNIDS))
    found = embed_pool(pool, TimmPrior("test_vit", weights))
    model: Any = timm.create_model("test_vit", checkpoint_path=str(weights)).eval()
    transform = create_transform(**resolve_data_config(model=model))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        images = torch.stack([transform(pool.image(row)) for row in range(4)])
        features = model.forward_head(model.forward_features(images), pre_logits=True)
    torch.testing.assert_close(found.image_embeddings, F.normalize(features, dim=-1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        found.text_prototypes, F.normalize(model.get_classifier().weight[ROWS], dim=-1)
    )
    assert (found.logit_scale, found.encoded) == (30.0, 4)
    again = embed_pool(pool, TimmPrior("test_vit", weights))
    assert again.encoded == 0
    assert torch.equal(again.text_prototypes, found.text_prototypes)


def test_classes_that_are_not_in_the_head_come_from_reference_images(
    coloured_pool: Path, weights: Path, tiny_clip_dir: Path
) -> None:
    reader, prior = ClassFolders(coloured_pool), TimmPrior("test_vit", weights)
    with pytest.raises(SelectionError, match="Expected a reference for a prior whose head lacks the classes"):
        select(reader, prior, 2, device="cpu", audit="off")
    selected = select(reader, prior, 2, reference=reader, device="cpu", audit="off")
    z, labels = selected.embeddings.image_embeddings, torch.from_numpy(selected.pool.labels)
    means = torch.stack([F.normalize(z[labels == c].mean(dim=0), dim=0) for c in range(3)])
    torch.testing.assert_close(selected.embeddings.text_prototypes, means)
    both = select(
        reader, [OpenClipPrior(str(tiny_clip_dir)), prior], 2, reference=reader, device="cpu", audit="off"
    )
    assert both.embeddings.parts[1].key == selected.embeddings.key
    assert len(both.manifest.prior) == 2


def test_a_word_or_a_description_names_it(weights: Path) -> None:
    prior = parse_prior(f"timm/test_vit:{weights}")
    assert prior == TimmPrior("test_vit", weights)
    described = describe(prior.absolute())
    assert build_component(described, prior_kind(described)) == prior
    assert prior_kind({"name": "test_vit"}) is TimmPrior
    assert prior_kind({"model": "digits"}) is OpenClipPrior


def test_what_is_not_there_is_refused(
    weights: Path, tmp_path: Path, make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for word, message in (("timm/nonsense", "a model of timm"), ("timm/test_vit:none.pth", "no such file")):
        with pytest.raises(PriorError, match=message):
            parse_prior(word)
    (tmp_path / "broken.pth").write_text("no weights")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # at once, not after retries
    for prior in (TimmPrior("test_vit", tmp_path / "broken.pth"), TimmPrior("test_vit")):
        with pytest.raises(PriorError, match="Expected weights of test_vit, found none that load"):
            embed_pool(make_pool(2), prior)
    with pytest.raises(PriorError, match="batch_size"):
        TimmPrior("test_vit", weights, batch_size=0)

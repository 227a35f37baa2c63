from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semdd_lightning.errors import PriorError
from semdd_lightning.pools import Pool
from semdd_lightning.prior import OpenClipPrior, TimmPrior, embed_pool, join, listed_priors


def test_a_logit_is_the_mean_of_the_priors_logits(
    make_pool: Callable[..., Pool], tiny_clip_dir: Path
) -> None:
    pool = make_pool(4)
    parts = [
        embed_pool(pool, prior) for prior in (OpenClipPrior(str(tiny_clip_dir)), OpenClipPrior("digits"))
    ]
    found = join(parts)
    logits = [part.logit_scale * part.image_embeddings @ part.text_prototypes.T for part in parts]
    torch.testing.assert_close(
        found.logit_scale * found.image_embeddings @ found.text_prototypes.T, sum(logits) / 2
    )
    assert found.parts == tuple(parts)
    assert found.key == f"{parts[0].key}+{parts[1].key}"
    assert join(parts[:1]) is parts[0]


def test_priors_are_one_or_several_that_differ(tiny_clip_dir: Path) -> None:
    prior, named = OpenClipPrior("digits"), OpenClipPrior(str(tiny_clip_dir))
    assert listed_priors(prior) == listed_priors([prior]) == listed_priors("digits") == (prior,)
    assert listed_priors(tiny_clip_dir) == (named,)
    assert listed_priors(["digits", tiny_clip_dir, TimmPrior("test_vit")]) == (
        prior,
        named,
        TimmPrior("test_vit"),
    )
    foreign: Any
    for foreign, words in (
        ([], "found 0"),
        ([prior, "digits"], "one of them twice"),
        (None, "a prior or its name, found None"),
        ([prior, 5], "a prior or its name, found 5"),
        ({"model": "digits"}, "a prior or its name, found {"),
    ):
        with pytest.raises(PriorError, match=words):
            listed_priors(foreign)

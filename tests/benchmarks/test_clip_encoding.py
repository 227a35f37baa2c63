"""The measurement of CLIP embedding, with a small model and a few images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import clip_encoding
from benchmarks.clip_encoding import PHOTOGRAPH, SMALL, LoadedPrior, decode, embed, encode, write_pool

TINY = {"layers": 1, "width": 64, "image_size": 32}


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> LoadedPrior:
    folder = clip_encoding.write_model(tmp_path_factory.mktemp("models") / "model", **TINY)
    clip = LoadedPrior(str(folder), batch_size=4).load()
    return LoadedPrior(str(folder), batch_size=4, clip=clip)


@pytest.mark.parametrize(("size", "image_format"), [(PHOTOGRAPH, "JPEG"), (SMALL, "PNG")])
def test_the_contestants_compute_the_same(
    tmp_path: Path, prior: LoadedPrior, size: tuple[int, int], image_format: str
) -> None:
    pool = write_pool(tmp_path / "pool", 8, size, image_format)
    assert pool.counts().tolist() == [4, 4]
    assert set(zip(pool.traits.widths.tolist(), pool.traits.heights.tolist(), strict=True)) == {size}
    clip = prior.load()
    device, cache = torch.device("cpu"), tmp_path / "cache"
    inputs = torch.stack([clip.preprocess(image) for image in decode(pool)])
    alone = encode(clip, [inputs[:4], inputs[4:]])
    for _ in range(2):
        embedded = embed(pool, prior, device, cache)
        assert embedded.encoded == 8  # every time, or the second round would measure the cache
        assert torch.equal(embedded.image_embeddings, alone)
    resized = [np.asarray(image) for image in decode(pool, clip.resize)]
    assert torch.equal(clip.encode_pixels(torch.from_numpy(np.stack(resized[:4]))), alone[:4])


def test_photographs_take_as_many_bytes_as_real_ones() -> None:
    image = clip_encoding.photograph_like(np.random.default_rng(0), *PHOTOGRAPH)
    pixels = np.asarray(image, dtype=np.float64)
    assert pixels.shape == (375, 500, 3)
    assert 40 < pixels.std() < 60
    assert np.abs(np.diff(pixels, axis=1)).mean() < 0.3 * pixels.std()  # smooth, yet not flat


def test_limits_are_the_model_and_on_a_cpu_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    seconds = {"photographs": [4.0], "decoding": [1.0], "small": [6.0], "model": [3.0]}
    monkeypatch.setattr(clip_encoding, "time_in_turns", lambda *_: seconds)
    write_model = clip_encoding.write_model
    monkeypatch.setattr(clip_encoding, "write_model", lambda folder, **_: write_model(folder, **TINY))
    result = clip_encoding.measure(images=2, batch_size=2)
    assert [ratio.value for ratio in result.ratios] == [1.0, 0.5]
    assert result.figures["decoding, images/s"] == 2.0

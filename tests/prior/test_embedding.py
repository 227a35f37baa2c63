from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from semdd_lightning.errors import CacheError, PoolError, PriorError
from semdd_lightning.locks import Lock
from semdd_lightning.pools import Pool
from semdd_lightning.prior import LoadedClip, OpenClipPrior, PoolEmbeddings, embed_pool
from tests.forking import Forks

MakePool = Callable[..., Pool]


@pytest.fixture
def prior(tiny_clip_dir: Path) -> OpenClipPrior:
    return OpenClipPrior(str(tiny_clip_dir), batch_size=4)


def _shards(cache: Path) -> list[Path]:
    return sorted(cache.glob("embeddings/*/shard-*.safetensors"))


def _contents(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in _shards(cache)}


def _refuse(*_: object, **__: object) -> None:
    msg = "Nothing must be loaded."
    raise AssertionError(msg)


def test_embeddings_are_those_of_the_model(make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path) -> None:
    pool, clip = make_pool(11), prior.load()
    result = embed_pool(pool, prior, cache_dir=tmp_path / "cache", shard_size=6)
    expected = torch.cat([clip.encode_images(clip.preprocess(pool.image(i))[None]) for i in range(11)])
    torch.testing.assert_close(result.image_embeddings, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(result.text_prototypes, prior.prototypes(clip, pool.registry))
    assert result.logit_scale == clip.logit_scale
    assert result.encoded == 11


def test_embeddings_have_the_bits_of_the_plain_way(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool, clip = make_pool(6), prior.load()
    images = [clip.preprocess(pool.image(i)) for i in range(6)]
    batches = [images[:4], images[4:] + [images[-1]] * 2]  # the last one filled up
    plain = torch.cat([clip.encode_images(torch.stack(batch)) for batch in batches])[:6]
    assert torch.equal(embed_pool(pool, prior).image_embeddings, plain)


def test_a_complete_cache_needs_neither_model_nor_images(
    make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(7)
    first = embed_pool(pool, prior, shard_size=3)  # into SEMDD_CACHE
    assert len(_shards(tmp_path / ".default-cache")) == 3
    monkeypatch.setattr("semdd_lightning.prior.loaded_clip._build", _refuse)
    monkeypatch.setattr("semdd_lightning.pools.pool.decode_image", _refuse)
    second = embed_pool(pool, prior, shard_size=3)
    assert (first.encoded, second.encoded) == (7, 0)
    assert torch.equal(first.image_embeddings, second.image_embeddings)
    assert torch.equal(first.text_prototypes, second.text_prototypes)
    assert (first.logit_scale, first.key, first.text_key) == (second.logit_scale, second.key, second.text_key)


def test_new_prompts_do_not_encode_images_again(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool = make_pool(5)
    first = embed_pool(pool, prior)
    second = embed_pool(pool, replace(prior, prompts="openai_cifar", class_names={"cat": "house cat"}))
    assert second.encoded == 0
    assert (first.key == second.key, first.text_key == second.text_key) == (True, False)
    assert not torch.allclose(first.text_prototypes, second.text_prototypes, atol=1e-3)


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"batch_size": 5}])
def test_what_moves_embeddings_moves_the_key(
    make_pool: MakePool, prior: OpenClipPrior, change: dict[str, object]
) -> None:
    pool = make_pool(3)
    changed = replace(prior, **change)  # type: ignore[arg-type]
    results = [embed_pool(pool, p) for p in (prior, changed)]
    results.append(embed_pool(replace(pool, fingerprint="another"), prior))
    assert len({result.key for result in results}) == 3
    assert all(result.encoded == 3 for result in results)


def test_three_ranks_write_the_bits_of_one(make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path) -> None:
    pool = make_pool(17)
    alone = embed_pool(pool, prior, cache_dir=tmp_path / "one", shard_size=5)

    def run(rank: int) -> PoolEmbeddings:
        return embed_pool(pool, prior, cache_dir=tmp_path / "three", shard_size=5, rank=rank, world_size=3)

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(run, range(3)))
    assert sum(result.encoded for result in together) == 17, "each shard by one of them"
    assert _contents(tmp_path / "one") == _contents(tmp_path / "three")
    for result in together:
        assert torch.equal(result.image_embeddings, alone.image_embeddings)
        assert torch.equal(result.text_prototypes, alone.text_prototypes)


def test_a_rank_that_never_comes_is_done_without(
    make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path
) -> None:
    pool = make_pool(5)
    alone = embed_pool(pool, prior, cache_dir=tmp_path / "one", shard_size=1)
    first = embed_pool(pool, prior, cache_dir=tmp_path / "two", shard_size=1, world_size=2, rank=1)
    assert torch.equal(first.image_embeddings, alone.image_embeddings)
    assert not list(tmp_path.rglob("*.lock"))


def test_a_process_that_lives_and_does_nothing_is_an_error(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool = make_pool(5)
    embed_pool(pool, prior, shard_size=1)
    cache = Path(os.environ["SEMDD_CACHE"])
    for i in (1, 3):
        _shards(cache)[i - (i > 1)].unlink()
    folder = next(cache.glob("embeddings/*"))
    with Lock(folder / "shard-00001.lock") as one, Lock(folder / "shard-00003.lock") as other:
        assert one.take()
        assert other.take()
        message = r"2 missing: shard-00001\.safetensors, shard-00003\.safetensors"
        with pytest.raises(CacheError, match=message):
            embed_pool(pool, prior, shard_size=1, stall_minutes=0.005)
    assert embed_pool(pool, prior, shard_size=1).encoded == 2


def test_a_lock_file_of_the_dead_holds_nobody_up(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool = make_pool(2)
    embed_pool(pool, prior)
    (shard,) = _shards(Path(os.environ["SEMDD_CACHE"]))
    shard.unlink()
    shard.with_suffix(".lock").write_text("process 1 on another host\n")
    assert embed_pool(pool, prior, stall_minutes=0.005).encoded == 2
    assert not shard.with_suffix(".lock").exists()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))


def _header(key: str, name: str) -> dict[str, str]:
    return {"semdd": json.dumps({"key": key, "name": name})}


def _wrong_shape(path: Path) -> None:
    save_file({"embeddings": torch.zeros(2, 8)}, path, _header(path.parent.name, path.name))


def _wrong_key(path: Path) -> None:
    save_file({"embeddings": torch.zeros(2, 16)}, path, _header("another", path.name))


def _not_finite(path: Path) -> None:
    tensor = torch.full((2, 16), torch.nan)
    save_file({"embeddings": tensor}, path, _header(path.parent.name, path.name))


def _neighbour(path: Path) -> None:
    path.write_bytes(path.with_name("shard-00000.safetensors").read_bytes())


@pytest.mark.parametrize(
    "damage", [_truncate, _flip_a_bit, _wrong_shape, _wrong_key, _not_finite, _neighbour]
)
def test_a_damaged_shard_is_rebuilt(
    make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    pool, cache = make_pool(6), tmp_path / "cache"
    first = embed_pool(pool, prior, cache_dir=cache, shard_size=2)
    whole = _contents(cache)
    damage(_shards(cache)[1])
    second = embed_pool(pool, prior, cache_dir=cache, shard_size=2)
    assert second.encoded == 2
    assert torch.equal(first.image_embeddings, second.image_embeddings)
    assert _contents(cache) == whole


def test_damaged_prototypes_are_rebuilt(make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path) -> None:
    pool = make_pool(2)
    first = embed_pool(pool, prior, cache_dir=tmp_path / "cache")
    _truncate(next(tmp_path.glob("cache/texts/*/prototypes.safetensors")))
    second = embed_pool(pool, prior, cache_dir=tmp_path / "cache")
    assert torch.equal(first.text_prototypes, second.text_prototypes)


def _embed_slowly(pool: Pool, prior: OpenClipPrior, cache: Path) -> None:
    decode = Pool.image

    def slowly(pool: Pool, index: int, at_least: int | None = None) -> Image.Image:
        time.sleep(0.03)
        return decode(pool, index, at_least)

    Pool.image = slowly  # type: ignore[method-assign, assignment]
    embed_pool(pool, prior, cache_dir=cache, shard_size=4)


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_killed_and_resumed(make_pool: MakePool, prior: OpenClipPrior, tmp_path: Path, forks: Forks) -> None:
    pool, cache = make_pool(40), tmp_path / "cache"
    process = forks.begin(_embed_slowly, pool, prior, cache)
    deadline = time.monotonic() + 60
    while len(_shards(cache)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert forks.wait(process) == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in _shards(cache)}
    assert 2 <= len(finished) < 10
    leftover = next(iter(finished)).with_name(
        f".shard-00009.safetensors.{os.uname().nodename}.{process}.x.tmp"
    )
    leftover.write_bytes(b"half")

    resumed = embed_pool(pool, prior, cache_dir=cache, shard_size=4)
    uninterrupted = embed_pool(pool, prior, cache_dir=tmp_path / "other", shard_size=4)
    assert resumed.encoded == 40 - 4 * len(finished)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert torch.equal(resumed.image_embeddings, uninterrupted.image_embeddings)
    assert _contents(cache) == _contents(tmp_path / "other")
    assert not list(cache.rglob("*.tmp"))


@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_image_that_went_bad_is_named(
    make_pool: MakePool, prior: OpenClipPrior, content: bytes | None
) -> None:
    pool = make_pool(4)
    file = pool.root / pool.paths[2]
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PoolError, match=rf"Expected {pool.paths[2]} of {pool.root} to be readable"):
        embed_pool(pool, prior)


def test_values_that_are_not_finite_are_refused(
    make_pool: MakePool, prior: OpenClipPrior, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(2)
    monkeypatch.setattr(LoadedClip, "encode_images", lambda _, x: torch.full((len(x), 16), torch.nan))
    with pytest.raises(PriorError, match=rf"finite embeddings, found others for {pool.paths[0]}"):
        embed_pool(pool, prior)


def test_equal_names_warn_with_and_without_the_cache(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool, renamed = make_pool(2), replace(prior, class_names={"dog": "cat"})
    for _ in range(2):
        with pytest.warns(UserWarning, match="'cat' \\(class 0\\) and 'cat' \\(class 1\\)"):
            embed_pool(pool, renamed)


def test_bad_ranks(make_pool: MakePool, prior: OpenClipPrior) -> None:
    with pytest.raises(CacheError, match="found rank 2, world_size 2"):
        embed_pool(make_pool(1), prior, rank=2, world_size=2)


def test_non_square_images_of_any_mode(make_pool: MakePool, prior: OpenClipPrior) -> None:
    pool = make_pool(1)
    Image.new("LA", (70, 20), (128, 200)).save(pool.root / pool.paths[0])
    assert embed_pool(pool, prior).image_embeddings.shape == (1, 16)

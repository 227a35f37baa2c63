"""Threads that share the classes change nothing but the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from pandas.testing import assert_frame_equal

from semdd_lightning.selection import SAMPLERS, Embeddings, TwoStage, build_sampler, subset_statistics
from semdd_lightning.selection.picks import ClassPool, Picks
from semdd_lightning.selection.pieces import Scratch, map_classes

MakePool = Callable[..., Embeddings]


@pytest.fixture(autouse=True)
def four_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("screened", [0, 10**6])
def test_a_selection_by_threads_is_that_of_one(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, name: str, screened: int
) -> None:
    monkeypatch.setattr("semdd_lightning.selection.largest_product._WORTH_SCREENING", screened)
    pool = make_pool(7, counts=(30, 25, 40, 33, 28, 36, 31, 29), dim=32, duplicates=True, dtype=torch.float16)
    sampler = build_sampler(name)
    threaded = sampler.select(pool, 6, seed=3)
    monkeypatch.setattr(type(sampler), "classes_at_once", 1)
    alone = sampler.select(pool, 6, seed=3)
    assert threaded.indices.tolist() == alone.indices.tolist()
    assert_frame_equal(threaded.scores, alone.scores, atol=1e-12, rtol=0)


def test_statistics_by_threads_are_those_of_one_in_any_mode(make_pool: MakePool) -> None:
    pool, some = make_pool(8, counts=(30, 25, 40, 33), dim=32), {"some": torch.arange(0, 128, 3)}
    with torch.inference_mode():
        threaded = subset_statistics(pool, some)
    torch.set_num_threads(1)
    assert_frame_equal(threaded, subset_statistics(pool, some), atol=1e-14, rtol=0)


def test_large_classes_are_not_held_at_the_same_time(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    monkeypatch.setattr("semdd_lightning.selection.pieces._MEMORY", 10_000)
    pick = TwoStage.pick

    def watched(sampler: TwoStage, pool: ClassPool, ipc: int, seed: int) -> Picks:
        seen.add(threading.current_thread())
        return pick(sampler, pool, ipc, seed)

    monkeypatch.setattr(TwoStage, "pick", watched)
    TwoStage().select(make_pool(9, counts=(30, 25, 40)), 3)
    assert seen == {threading.current_thread()}


@pytest.mark.parametrize(("cores", "share"), [(4, 2), (5, 3)])
def test_no_core_is_left_idle(cores: int, share: int) -> None:
    torch.set_num_threads(cores)
    assert map_classes(lambda *_: torch.get_num_threads(), range(6), at_once=2) == [share] * 6


def test_classes_run_at_the_same_time_and_come_back_in_order() -> None:
    both = threading.Barrier(2, timeout=30)  # one thread alone would wait in vain

    def work(class_index: int, item: str) -> str:
        both.wait()
        return f"{class_index} {item} {torch.get_num_threads()}"

    assert map_classes(work, ["a", "b"]) == ["0 a 2", "1 b 2"]
    assert torch.get_num_threads() == 4


def test_no_more_than_asked_for_run_at_the_same_time() -> None:
    names = map_classes(lambda *_: threading.current_thread(), range(6), at_once=1)
    assert set(names) == {threading.current_thread()}


def test_an_error_in_a_class_ends_all_and_leaves_the_cores() -> None:
    done: list[int] = []

    def work(class_index: int, _: int) -> None:
        if class_index == 0:
            raise ValueError("class 0")
        time.sleep(0.001)
        done.append(class_index)

    with pytest.raises(ValueError, match="class 0"):
        map_classes(work, range(10_000))
    assert len(done) < 9_999
    assert torch.get_num_threads() == 4


def test_threads_do_not_share_scratch_memory() -> None:
    scratch = Scratch()
    both = threading.Barrier(2, timeout=30)

    def work(class_index: int, _: int) -> int:
        memory = scratch("values", (3,), torch.float64).fill_(class_index)
        both.wait()
        return int(memory.sum())

    assert map_classes(work, range(2)) == [0, 3]

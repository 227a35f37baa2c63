"""Screened products against plain float64, with ties and near-ties on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.selection import largest_product
from semdd_lightning.selection.largest_product import (
    UNIT_ROUNDOFF,
    LargestProduct,
    Screen,
    coarse_type,
    pair_products,
    relative_error,
)
from semdd_lightning.selection.pieces import Scratch

SEEDS = st.integers(0, 10**6)


@pytest.fixture(scope="module", autouse=True, params=[torch.bfloat16, torch.float32], ids=str)
def screened_whatever_the_number(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(largest_product, "_WORTH_SCREENING", 0)
        patch.setattr(largest_product, "_TOO_MANY", 2.0)
        patch.setattr(largest_product, "coarse_type", lambda: request.param)
        yield


def plain(vectors: Tensor, others: Tensor, hidden: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """What is screened, the slow way: all products in float64."""
    products = vectors @ others.double().T
    if hidden is not None:
        products[hidden] = -torch.inf
    return torch.round(products, decimals=9).argmax(dim=1), products.amax(dim=1)


def near_ties(seed: int, size: int, num_others: int, dim: int, gap: float) -> tuple[Tensor, Tensor]:
    """Unit vectors, and others that are copies of a few directions moved by about the gap."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(size + 3 + num_others, dim, generator=generator, dtype=torch.float64)
    directions = draw[size : size + 3][torch.arange(num_others) % 3]
    return F.normalize(draw[:size], dim=1), F.normalize(directions + gap * draw[size + 3 :], dim=1)


@settings(deadline=None, max_examples=150)
@given(
    seed=SEEDS,
    size=st.integers(1, 40),
    num_others=st.integers(1, 30),
    dim=st.sampled_from([2, 17, 512]),
    gap=st.sampled_from([0.0, 1e-13, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 1.0]),
    half=st.booleans(),
    hide=st.booleans(),
)
def test_screening_gives_the_answer_of_float64(
    seed: int, size: int, num_others: int, dim: int, gap: float, half: bool, hide: bool
) -> None:
    vectors, others = near_ties(seed, size, num_others, dim, gap)
    if half:  # as embeddings are stored
        vectors, others = vectors.half().double(), others.float()
    columns = torch.randint(0, num_others, (size,), generator=torch.Generator().manual_seed(seed))
    hidden = (torch.arange(size), columns) if hide else None
    index, value = LargestProduct(others)(vectors, hidden)
    expected_index, expected_value = plain(vectors, others, hidden)
    torch.testing.assert_close(value, expected_value, atol=1e-14, rtol=0)
    lead = torch.topk(plain_products(vectors, others, hidden), min(2, num_others)).values
    at_a_boundary = (torch.frac(lead * 1e9).abs() - 0.5).abs().amin(dim=1) < 1e-4
    assert torch.equal(index[~at_a_boundary], expected_index[~at_a_boundary])


def plain_products(vectors: Tensor, others: Tensor, hidden: tuple[Tensor, Tensor] | None) -> Tensor:
    products = vectors @ others.double().T
    if hidden is not None:
        products[hidden] = 0.0
    return products


def test_blocks_of_any_size_give_the_same_bits() -> None:
    vectors, others = near_ties(1, 600, 300, 512, 1e-6)
    index, value = LargestProduct(others)(vectors)
    for size in (1, 7, 256):
        find = LargestProduct(others)
        parts = [find(block) for block in torch.split(vectors, size)]
        assert torch.equal(torch.cat([part[0] for part in parts]), index)
        torch.testing.assert_close(torch.cat([part[1] for part in parts]), value, atol=1e-15, rtol=0)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, dim=st.integers(1, 600), scale=st.floats(1e-3, 1e3))
def test_the_error_of_a_coarse_product_stays_within_its_bound(seed: int, dim: int, scale: float) -> None:
    vectors, others = near_ties(seed, 20, 20, dim, 1.0)
    vectors, others = vectors.abs() * scale, others.abs()  # of one sign: rounding errors cannot cancel
    screen = Screen(torch.cat([others, -others]), Scratch())  # whose mean is zero
    products, norms = screen.products(vectors)
    exact = vectors @ screen.others.T
    bound = relative_error(screen.others) * norms
    error = (products.double() - exact).abs()
    assert bool((error <= bound + UNIT_ROUNDOFF * (exact.abs() + bound)).all())


def test_a_screen_leaves_few_products_of_vectors_that_differ() -> None:
    vectors, _ = near_ties(4, 300, 3, 512, 1.0)
    others = F.normalize(torch.randn(400, 512, generator=torch.Generator().manual_seed(5)).double(), dim=1)
    row, _ = Screen(others, Scratch())(vectors)
    assert row.bincount().tolist().count(0) == 0
    assert len(row) <= 4 * 300


def test_what_all_others_have_in_common_opens_no_window() -> None:
    generator = torch.Generator().manual_seed(6)
    draw = torch.randn(700, 512, generator=generator, dtype=torch.float64)
    vectors = F.normalize(draw[:300], dim=1)
    others = F.normalize(F.normalize(draw[300:], dim=1) + 3 * F.normalize(draw[:1], dim=1), dim=1)
    row, column = Screen(others, Scratch())(vectors)
    kept = torch.zeros(300, 400, dtype=torch.bool).index_put_((row, column), torch.tensor(True))
    assert kept.gather(1, plain(vectors, others, None)[0][:, None]).all()
    assert len(row) <= 4 * 300


def test_where_much_stays_all_is_decided_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, others = near_ties(7, 30, 40, 64, 1e-7)
    pairs = LargestProduct(others)(vectors)
    monkeypatch.setattr(largest_product, "_TOO_MANY", 0.1)
    monkeypatch.setattr(LargestProduct, "_of_pairs", None)
    direct = LargestProduct(others)(vectors)
    assert torch.equal(direct[0], pairs[0])
    torch.testing.assert_close(direct[1], pairs[1], atol=1e-15, rtol=0)


@given(seed=SEEDS, size=st.integers(1, 20), num_others=st.integers(1, 20), dim=st.integers(1, 40))
def test_products_of_pairs_are_those_of_the_matrix(seed: int, size: int, num_others: int, dim: int) -> None:
    vectors, others = near_ties(seed, size, num_others, dim, 1.0)
    keep = torch.rand(size, num_others, generator=torch.Generator().manual_seed(seed)) < 0.5
    row, column = torch.nonzero(keep, as_tuple=True)
    expected = (vectors @ others.T)[row, column]
    torch.testing.assert_close(pair_products(vectors, others, row, column), expected, atol=1e-14, rtol=0)


def test_precision_that_networks_are_allowed_does_not_reach_the_screen() -> None:
    allowed = torch.get_float32_matmul_precision()
    vectors, others = near_ties(2, 256, 256, 512, 1e-5)
    expected = LargestProduct(others)(vectors)
    try:
        torch.set_float32_matmul_precision("medium")
        found = LargestProduct(others)(vectors)
    finally:
        torch.set_float32_matmul_precision(allowed)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_bfloat16_is_left_alone_without_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert coarse_type() is torch.bfloat16
    with monkeypatch.context() as disabled:
        disabled.setattr(torch.backends.mkldnn, "enabled", False)
        assert coarse_type() is torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False}, raising=False)
    assert coarse_type() is torch.float32


def test_where_nothing_is_left_the_value_is_minus_infinity() -> None:
    find = LargestProduct(torch.eye(3)[:1])
    index, value = find(torch.eye(3, dtype=torch.float64), hidden=(torch.tensor([1]), torch.tensor([0])))
    assert index.tolist() == [0, 0, 0]
    assert value.tolist() == [1.0, -torch.inf, 0.0]


def test_few_others_are_compared_in_float64_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, others = near_ties(3, 50, 20, 32, 1e-7)
    screened = LargestProduct(others)(vectors)
    monkeypatch.setattr(largest_product, "_WORTH_SCREENING", 1000)
    direct = LargestProduct(others)(vectors)
    assert torch.equal(direct[0], screened[0])
    torch.testing.assert_close(direct[1], screened[1], atol=1e-15, rtol=0)

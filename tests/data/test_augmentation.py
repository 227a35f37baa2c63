from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare, ks_2samp
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data import Augmentation
from semdd_lightning.data.augmentation import (
    augment,
    draw_images,
    draw_mix,
    mix,
)
from semdd_lightning.data.augmentation_steps import padded_crop, resized_crop, shuffle_patches
from semdd_lightning.errors import ConfigError

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64 | np.int64]]


def _images(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# The policy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_scale": (0.0, 1.0)}, r"crop_scale as 0 < low <= high <= 1, found \(0.0, 1.0\)"),
        ({"crop_scale": (0.5, 1.5)}, "crop_scale as"),
        ({"crop_scale": (0.9, 0.5)}, "crop_scale as"),
        ({"crop_ratio": (2.0, 1.0)}, "crop_ratio as 0 < low <= high"),
        ({"crop_ratio": (0.0, 1.0)}, "crop_ratio as"),
        ({"horizontal_flip": 1.1}, r"horizontal_flip in \[0, 1\], found 1.1"),
        ({"horizontal_flip": -0.1}, "horizontal_flip in"),
        ({"shuffle_patches": 0}, "shuffle_patches >= 1"),
        ({"mix_alpha": 0.0}, "mix_alpha > 0"),
        ({"pad_crop": -1}, "pad_crop >= 0, lighting >= 0 and color_jitter in .*found -1, 0.0 and"),
        ({"lighting": -0.1}, "lighting >= 0"),
        ({"color_jitter": (0.4, 1.1, 0.4)}, r"color_jitter in \[0, 1\]"),
        ({"color_jitter": (0.4, -0.1, 0.4)}, "color_jitter in"),
    ],
)
def test_policies_that_make_no_sense(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation(**options)  # type: ignore[arg-type]


# Crops


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from([8, 15, 32]), seed=st.integers(0, 1000), low=st.floats(0.02, 0.9))
def test_resized_crop_is_torchvisions_image_by_image(size: int, seed: int, low: float) -> None:
    images = _images(4, size, seed)
    crops = draw_images(Augmentation(crop_scale=(low, 1.0)), 4, size, _rng(seed)).crops
    boxes = zip(images, crops.tolist(), strict=True)
    expected = torch.stack([TF.resized_crop(image, *box, size=[size, size]) for image, box in boxes])
    torch.testing.assert_close(resized_crop(images, crops), expected, atol=2e-5, rtol=0)


def test_a_single_pixel_fills_the_image() -> None:
    images = _images(1, 8)
    crop = resized_crop(images, torch.tensor([[3, 5, 1, 1]]))
    torch.testing.assert_close(crop, images[:, :, 3:4, 5:6].expand_as(crop))


def test_the_whole_image_stays_itself() -> None:
    images = _images(3, 32)
    whole = torch.tensor([[0, 0, 32, 32]]).expand(3, 4)
    torch.testing.assert_close(resized_crop(images, whole), images, atol=1e-5, rtol=0)
    policy = Augmentation(crop_scale=(1.0, 1.0), horizontal_flip=0.0)
    assert torch.equal(augment(images, draw_images(policy, 3, 32, _rng()), policy), images)


def _torchvision_crops(count: int, size: int, policy: Augmentation) -> NDArray[np.int64]:
    image = torch.empty(3, size, size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        scale, ratio = list(policy.crop_scale), list(policy.crop_ratio)
        return np.array([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(count)])


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0), (0.9, 1.0)])
def test_crops_are_distributed_as_torchvisions(scale: tuple[float, float]) -> None:
    policy, size = Augmentation(crop_scale=scale), 64
    ours = draw_images(policy, 8000, size, _rng()).crops.numpy()
    theirs = _torchvision_crops(3000, size, policy)
    statistics: list[Statistic] = [
        lambda box: box[:, 2] * box[:, 3],  # area
        lambda box: box[:, 3] / box[:, 2],  # ratio
        lambda box: box[:, 0],  # top
        lambda box: box[:, 1],  # left
        lambda box: (box[:, 0] + 0.5) / (size - box[:, 2] + 1),  # top among its possible places
    ]
    for statistic in statistics:
        assert ks_2samp(statistic(ours), statistic(theirs)).pvalue > 1e-3
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= size).all()


@pytest.mark.parametrize("ratio", [(2.0, 3.0), (0.2, 0.5), (0.99, 1.01)])
def test_crops_that_do_not_fit_fall_back_as_torchvisions(ratio: tuple[float, float]) -> None:
    policy = Augmentation(crop_scale=(0.999, 1.0), crop_ratio=ratio)
    ours = draw_images(policy, 50, 30, _rng()).crops.numpy()
    theirs = _torchvision_crops(50, 30, policy)
    assert np.array_equal(ours, theirs)


# Flips and patches


def test_flips_happen_as_often_as_asked_and_mirror_the_image() -> None:
    policy = Augmentation(horizontal_flip=0.3)
    draws = draw_images(policy, 10_000, 4, _rng())
    assert chisquare([draws.flips.sum(), (~draws.flips).sum()], [3000, 7000]).pvalue > 1e-3
    images, few = _images(20, 4), draws.rows(torch.arange(20))
    expected = [TF.hflip(image) if flip else image for image, flip in zip(images, few.flips, strict=True)]
    assert torch.equal(augment(images, few, policy), torch.stack(expected))


@settings(max_examples=25, deadline=None)
@given(size=st.integers(6, 13), factor=st.integers(1, 4), seed=st.integers(0, 100))
def test_patches_are_moved_and_none_is_lost(size: int, factor: int, seed: int) -> None:
    images = _images(3, size, seed)
    order = draw_images(Augmentation(shuffle_patches=factor), 3, size, _rng(seed)).patches
    assert torch.equal(order.sort(dim=1).values, torch.arange(factor**2).expand(3, -1))
    expected, side = images.clone(), size // factor
    for image in range(3):
        for place, patch in enumerate(order[image].tolist()):
            (row, column), (from_row, from_column) = divmod(place, factor), divmod(patch, factor)
            for i in range(side):
                for j in range(side):
                    pixel = images[image, :, from_row * side + i, from_column * side + j]
                    expected[image, :, row * side + i, column * side + j] = pixel
    assert torch.equal(shuffle_patches(images, order), expected)


def test_patches_are_shuffled_as_rdeds_columns_then_rows() -> None:
    order = draw_images(Augmentation(shuffle_patches=2), 12_000, 4, _rng()).patches
    found, counts = np.unique(order.numpy(), axis=0, return_counts=True)
    image, expected = np.array([[0, 1], [2, 3]]), set()
    for columns in ([0, 1], [1, 0]):  # strips of columns change places, then strips of rows
        for rows in ([0, 1], [1, 0]):
            expected.add(tuple(image[:, columns][rows].ravel().tolist()))
    assert set(map(tuple, found.tolist())) == expected
    assert chisquare(counts).pvalue > 1e-3


# Padding


def _padded_window(image: Tensor, top: int, left: int, padding: int) -> Tensor:
    """torchvision's own pad and crop of one image."""
    size = image.shape[-1]
    window: Tensor = TF.crop(TF.pad(image, [padding] * 4), top, left, size, size)
    return window


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 12), padding=st.integers(1, 5), seed=st.integers(0, 100))
def test_padded_crop_is_torchvisions_image_by_image(size: int, padding: int, seed: int) -> None:
    images, policy = _images(4, size, seed), Augmentation(pad_crop=padding, horizontal_flip=0)
    draws = draw_images(policy, 4, size, _rng(seed))
    pairs = zip(images, draws.windows.tolist(), strict=True)
    expected = torch.stack([_padded_window(image, top, left, padding) for image, (top, left) in pairs])
    assert torch.equal(padded_crop(images, draws.windows, padding), expected)
    assert torch.equal(augment(images, draws, policy), expected)


def test_every_window_is_as_likely() -> None:
    windows = draw_images(Augmentation(pad_crop=4), 20_000, 32, _rng()).windows.numpy()
    found, counts = np.unique(windows, axis=0, return_counts=True)
    assert len(found) == 9 * 9  # RandomCrop(32, padding=4) draws 0 to 8 for top and left
    assert (found.min(), found.max()) == (0, 8)
    assert chisquare(counts).pvalue > 1e-3


# Which draws depend on which


def test_what_is_switched_on_last_leaves_the_other_draws_alone() -> None:
    before = draw_images(Augmentation(crop_scale=(0.5, 1)), 20, 16, _rng())
    policy = Augmentation(crop_scale=(0.5, 1), color_jitter=(0.4, 0.4, 0.4), lighting=0.1)
    after = draw_images(policy, 20, 16, _rng())
    for name in ("crops", "flips", "patches"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    assert [before.windows.shape, before.factors.shape, before.shares.shape] == [(20, 0)] * 3
    few = after.rows(torch.tensor([3, 5]))
    assert torch.equal(few.shares, after.shares[[3, 5]])


# Mixing


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), seed=st.integers(0, 10_000), alpha=st.floats(0.2, 4))
def test_cutmix_ratio_is_the_share_of_pixels_that_stay(size: int, seed: int, alpha: float) -> None:
    policy = Augmentation(mix="cutmix", mix_alpha=alpha)
    draw = draw_mix(policy, size, _rng(seed))
    mixed = mix(torch.zeros(2, 3, size, size), torch.ones(2, 3, size, size), draw, policy)
    assert set(mixed.flatten().tolist()) <= {0.0, 1.0}
    stays = int((mixed[0, 0] == 0).sum())
    assert draw.ratio.item() == pytest.approx(stays / size**2, abs=1e-7)
    top, left, bottom, right = draw.box.tolist()
    assert 0 <= top <= bottom <= size
    assert 0 <= left <= right <= size
    box = torch.zeros(size, size)
    box[top:bottom, left:right] = 1
    assert torch.equal(mixed, box.expand_as(mixed))


def _paper_box(size: int, ratio: float, row: int, column: int) -> tuple[int, int, int, int]:
    """rand_bbox of the CutMix paper, transcribed."""
    cut = int(size * (1.0 - ratio) ** 0.5)
    edges = [c + sign * (cut // 2) for sign in (-1, 1) for c in (row, column)]
    top, left, bottom, right = (min(max(edge, 0), size) for edge in edges)
    return top, left, bottom, right


def test_cutmix_boxes_are_distributed_as_the_papers() -> None:
    policy, size, rng = Augmentation(mix="cutmix"), 32, _rng(1)
    draws = [draw_mix(policy, size, _rng(seed)) for seed in range(3000)]
    ours = np.array([draw.box.tolist() for draw in draws])
    theirs = np.array(
        [_paper_box(size, rng.beta(1, 1), *rng.integers(0, size, 2).tolist()) for _ in range(3000)]
    )
    statistics: list[Statistic] = [
        lambda box: (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]),
        lambda box: box[:, 0],
        lambda box: box[:, 3],
    ]
    for statistic in statistics:
        assert ks_2samp(statistic(ours), statistic(theirs)).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.3, 0.8, 1.0])
def test_mixup_blends_by_a_beta_draw(alpha: float) -> None:
    policy = Augmentation(mix="mixup", mix_alpha=alpha)
    ratios = np.array([draw_mix(policy, 8, _rng(seed)).ratio.item() for seed in range(2000)])
    assert ks_2samp(ratios, _rng(5).beta(alpha, alpha, 5000)).pvalue > 1e-3
    images, partners, draw = _images(2, 8), _images(2, 8, seed=1), draw_mix(policy, 8, _rng())
    share = draw.ratio.item()
    expected = share * images.numpy() + (1 - share) * partners.numpy()
    np.testing.assert_allclose(mix(images, partners, draw, policy).numpy(), expected, rtol=1e-5)


def test_no_mixing_is_the_identity() -> None:
    policy, images = Augmentation(mix="none"), _images(2, 8)
    draw = draw_mix(policy, 8, _rng())
    assert draw.ratio.item() == 1
    assert mix(images, _images(2, 8, seed=1), draw, policy) is images


def test_draws_leave_the_global_generator_alone() -> None:
    policy = Augmentation(crop_scale=(0.1, 1.0), shuffle_patches=2)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"]
    draw_mix(policy, 8, _rng())
    augment(_images(2, 8), draw_images(policy, 2, 8, _rng()), policy)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], numpy_state)

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.functional import to_tensor

from semdd_lightning.prior.preprocessing import Preprocessing, normalize_pixels, resize_images

SIDES = st.integers(8, 80)


def _unnormalised(size: tuple[int, int], resize_mode: str, interpolation: str = "bicubic") -> Preprocessing:
    return Preprocessing(size, (0.0,) * 3, (1.0,) * 3, interpolation, resize_mode, fill_color=128)


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("width", "height"), [(101, 47), (33, 90), (15, 21)])
def test_tensor_path_equals_pil_path(
    make_image: Callable[[int, int, int], Image.Image],
    size: tuple[int, int],
    resize_mode: str,
    interpolation: str,
    width: int,
    height: int,
) -> None:
    preprocessing = _unnormalised(size, resize_mode, interpolation)
    image = make_image(width, height, 3)
    expected = preprocessing.pil_transform()(image)
    resized = resize_images(to_tensor(image)[None], preprocessing)[0]
    assert resized.shape == expected.shape == (3, *size)
    # PIL rounds to 8 bits after each of its two passes.
    torch.testing.assert_close(resized, expected, atol=2.1 / 255, rtol=0)


@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES, resize_mode=st.sampled_from(["shortest", "longest", "squash"]))
def test_any_shape_ends_at_the_models_size(width: int, height: int, resize_mode: str) -> None:
    preprocessing = _unnormalised((32, 32), resize_mode)
    image = Image.new("RGB", (width, height), (200, 100, 50))
    expected = preprocessing.pil_transform()(image)
    torch.testing.assert_close(
        resize_images(to_tensor(image)[None], preprocessing)[0], expected, atol=1e-2, rtol=0
    )


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize(("width", "height"), [(101, 47), (33, 90), (15, 21)])
def test_normalising_a_batch_gives_the_bits_of_the_models_own_transform(
    make_image: Callable[[int, int, int], Image.Image],
    resize_mode: str,
    size: tuple[int, int],
    width: int,
    height: int,
) -> None:
    preprocessing = Preprocessing(size, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28), resize_mode=resize_mode)
    images = [make_image(width, height, seed) for seed in range(3)]
    resize, transform = preprocessing.pil_resize(), preprocessing.pil_transform()
    pixels = torch.from_numpy(np.stack([np.asarray(resize(image)) for image in images]))
    assert pixels.dtype == torch.uint8
    fast = normalize_pixels(pixels, torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std))
    plain = torch.stack([transform(image) for image in images])
    assert torch.equal(fast, plain)
    assert fast.stride() == plain.stride()  # on which the last bits of a convolution depend


def test_defaults_are_open_clips() -> None:
    preprocessing = Preprocessing.from_config({"mean": 0.5, "interpolation": "random"}, 64)
    assert preprocessing.size == (64, 64)
    assert preprocessing.mean == (0.5, 0.5, 0.5)
    assert preprocessing.std == (0.26862954, 0.26130258, 0.27577711)
    assert (preprocessing.interpolation, preprocessing.resize_mode) == ("bicubic", "shortest")

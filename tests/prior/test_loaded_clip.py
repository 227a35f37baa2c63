from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from semdd_lightning.prior import LoadedClip, OpenClipPrior

MakeImage = Callable[[int, int, int], Image.Image]


@pytest.fixture(scope="module")
def clip(tiny_clip_dir: Path) -> LoadedClip:
    return OpenClipPrior(str(tiny_clip_dir)).load()


def test_never_trains(clip: LoadedClip) -> None:
    torch.nn.Sequential(clip).train()
    assert not any(module.training for module in clip.modules())
    assert not any(parameter.requires_grad for parameter in clip.parameters())


def test_agrees_with_open_clip(clip: LoadedClip, tiny_clip_dir: Path, make_image: MakeImage) -> None:
    name = f"local-dir:{tiny_clip_dir}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    images = [
        make_image(width, height, seed) for seed, (width, height) in enumerate([(32, 32), (90, 47), (20, 61)])
    ]
    reference = torch.stack([preprocess(image) for image in images])
    ours = torch.stack([clip.preprocess(image) for image in images])
    assert torch.equal(ours, reference)
    with torch.no_grad():
        torch.testing.assert_close(clip.encode_images(ours), model.encode_image(reference, normalize=True))
        tokens = open_clip.get_tokenizer(name)(["a cat", "a dog"])
        expected = model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(clip.encode_texts(["a cat", "a dog"]), expected)


def test_batched_encoding_equals_one_by_one(clip: LoadedClip) -> None:
    images = torch.randn(9, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    singly = torch.cat([clip.encode_images(image[None]) for image in images])
    torch.testing.assert_close(clip.encode_images(images), singly, atol=1e-5, rtol=0)
    torch.testing.assert_close(singly.norm(dim=1), torch.ones(9))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_close_and_normalised_in_float32(
    tiny_clip_dir: Path, clip: LoadedClip, precision: str
) -> None:
    low = OpenClipPrior(str(tiny_clip_dir), precision=precision).load()  # type: ignore[arg-type]
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    embeddings = low.encode_images(images)
    assert embeddings.dtype == torch.float32
    assert not torch.equal(embeddings, clip.encode_images(images))
    torch.testing.assert_close(embeddings, clip.encode_images(images), atol=0.05, rtol=0)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4), atol=1e-6, rtol=0)


def test_an_outer_autocast_changes_nothing(clip: LoadedClip) -> None:
    images = torch.rand(3, 3, 40, 50, generator=torch.Generator().manual_seed(1))
    prototypes = clip.encode_texts(["cat", "dog"])
    expected = clip.zero_shot_logits(images, prototypes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(clip.zero_shot_logits(images, prototypes), expected)


@pytest.mark.parametrize(("width", "height"), [(100, 48), (40, 90), (32, 32), (20, 28)])
@pytest.mark.parametrize("resize_mode", ["shortest", "squash", "longest"])
def test_zero_shot_logits_follow_the_preprocessing(
    make_clip: Callable[..., Path],
    tmp_path: Path,
    make_image: MakeImage,
    resize_mode: str,
    width: int,
    height: int,
) -> None:
    clip = OpenClipPrior(str(make_clip(tmp_path, resize_mode=resize_mode, fill_color=90))).load()
    images = [make_image(width, height, seed) for seed in range(3)]
    prototypes = clip.encode_texts(["a cat", "a dog", "a ship"])
    reference = clip.encode_images(torch.stack([clip.preprocess(image) for image in images]))
    expected = clip.logit_scale * reference @ prototypes.T
    logits = clip.zero_shot_logits(torch.stack([to_tensor(image) for image in images]), prototypes)
    assert logits.shape == (3, 3)
    torch.testing.assert_close(logits, expected, atol=0.05, rtol=0)


def test_zero_shot_logits_can_be_targets_of_a_loss(clip: LoadedClip) -> None:
    student = torch.zeros(2, 2, requires_grad=True)
    targets = clip.zero_shot_logits(torch.rand(2, 3, 32, 32), clip.encode_texts(["cat", "dog"]))
    torch.nn.functional.mse_loss(student, targets).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None


def test_long_texts_warn_and_fitting_ones_do_not(clip: LoadedClip, recwarn: pytest.WarningsRecorder) -> None:
    clip.encode_texts(["cat " * 14])  # 14 tokens, start and end fill the 16
    assert not recwarn
    with pytest.warns(UserWarning, match="1 prompts are longer than the 16 tokens"):
        clip.encode_texts(["cat", "cat " * 15])


def test_no_texts(clip: LoadedClip) -> None:
    assert clip.encode_texts([]).shape == (0, 16)

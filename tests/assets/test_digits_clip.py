from __future__ import annotations

import socket

import open_clip
import pytest
import torch
from PIL import Image
from torch import Tensor

from semdd_lightning.assets import digits_clip
from semdd_lightning.pools.digits import DIGIT_NAMES, digits_split


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "the network is blocked"
        raise OSError(msg)

    monkeypatch.setattr(socket, "socket", refuse)


def zero_shot_probabilities(images: list[Image.Image], template: str) -> Tensor:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{digits_clip()}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{digits_clip()}")
    model.eval()
    with torch.no_grad():
        prototypes = model.encode_text(
            tokenizer([template.format(name) for name in DIGIT_NAMES]), normalize=True
        )
        embeddings = model.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True)
        probabilities: Tensor = (model.logit_scale.exp() * embeddings @ prototypes.T).softmax(dim=1)
    return probabilities


def test_the_folder_is_small_and_whole() -> None:
    files = {file.name: file.stat().st_size for file in digits_clip().iterdir()}
    assert set(files) == {"open_clip_config.json", "open_clip_model.safetensors", "README.md"}
    assert sum(files.values()) <= 6e6


@pytest.mark.parametrize(
    "template", ["a photo of a {}.", "a photo of the digit {}.", "{}", "a sketch of the {}."]
)
def test_zero_shot_accuracy_on_held_out_digits(template: str) -> None:
    images, labels = digits_split("test")
    probabilities = zero_shot_probabilities([Image.fromarray(image) for image in images], template)
    accuracy = (probabilities.argmax(dim=1) == torch.from_numpy(labels)).double().mean().item()
    assert accuracy >= 0.95


@pytest.mark.parametrize("image_size", [8, 32])
def test_other_image_sizes_work_too(image_size: int) -> None:
    images, labels = digits_split("test", image_size)
    probabilities = zero_shot_probabilities([Image.fromarray(image) for image in images], "a photo of a {}.")
    assert (probabilities.argmax(dim=1) == torch.from_numpy(labels)).double().mean().item() >= 0.95


def test_the_logit_scale_is_in_clips_range() -> None:
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{digits_clip()}")
    assert 1 < model.logit_scale.exp().item() <= 100

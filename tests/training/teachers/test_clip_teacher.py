from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.functional import to_tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PriorError, TeacherError
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import ClipTeacher
from semdd_lightning.training.teachers.teacher import TeacherContext

NAMES = ("cat", "dog", "eel")
MakeImage = Callable[[int, int, int], Image.Image]


def _context(prior: OpenClipPrior | None) -> TeacherContext:
    return TeacherContext(ClassRegistry(NAMES, NAMES), 32, prior)


def test_logits_are_those_of_open_clips_own_path(tiny_clip_dir: Path, make_image: MakeImage) -> None:
    templates = ("a photo of a {}.", "a drawing of the {}.")
    network = ClipTeacher(OpenClipPrior(str(tiny_clip_dir), prompts=templates)).build(_context(None))
    images = [make_image(32, 32, seed) for seed in range(4)]
    found = network(torch.stack([to_tensor(image) for image in images]))

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{tiny_clip_dir}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_clip_dir}")
    with torch.no_grad():
        prototypes = []
        for name in NAMES:
            texts = [model.encode_text(tokenizer([template.format(name)])) for template in templates]
            prototypes.append(torch.cat([F.normalize(text, dim=-1) for text in texts]).mean(dim=0))
        unit = F.normalize(model.encode_image(torch.stack([preprocess(image) for image in images])), dim=-1)
        cosines = unit @ F.normalize(torch.stack(prototypes), dim=-1).T
        expected = model.logit_scale.exp() * cosines
    assert found.shape == (4, 3)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_pools_prior_is_the_default_and_ones_own_wins(tiny_clip_dir: Path, make_image: MakeImage) -> None:
    one = OpenClipPrior(str(tiny_clip_dir), prompts=("a {}",))
    other = OpenClipPrior(str(tiny_clip_dir), prompts=("the {}, upside down",))
    image = to_tensor(make_image(32, 32, 0))[None]
    by_default = ClipTeacher().build(_context(one))(image)
    assert torch.equal(by_default, ClipTeacher(one).build(_context(other))(image))
    assert not torch.equal(by_default, ClipTeacher().build(_context(other))(image))


def test_without_any_prior() -> None:
    with pytest.raises(TeacherError, match="Expected a CLIP model for ClipTeacher, found none in the data"):
        ClipTeacher().build(_context(None))


def test_its_card_names_the_clip_that_scored_the_pool(tiny_clip_dir: Path) -> None:
    prior = OpenClipPrior(str(tiny_clip_dir), prompts=("a {}",))
    assert ClipTeacher().history(_context(prior)) == {
        "data": "unknown",
        "recipe": "unknown",
        "accuracy": "unknown",
        "network": str(tiny_clip_dir),
        "weights": None,
        "file_sha256": sha256((tiny_clip_dir / "open_clip_model.safetensors").read_bytes()).hexdigest(),
        "prompts": ["a {}"],
    }


def test_its_check_needs_weights_and_prompts(tiny_clip_dir: Path, tmp_path: Path) -> None:
    ClipTeacher().check(_context(OpenClipPrior(str(tiny_clip_dir))))
    missing = tmp_path / "clip"
    missing.mkdir()
    with pytest.raises(PriorError, match="Expected"):
        ClipTeacher().check(_context(OpenClipPrior(str(missing))))
    with pytest.raises(PriorError, match="Expected"):
        ClipTeacher().check(_context(OpenClipPrior(str(tiny_clip_dir), class_names={"fly": "a fly"})))


def test_it_labels_images_of_any_size_and_stays_in_evaluation_mode(
    tiny_clip_dir: Path, make_image: MakeImage
) -> None:
    network = ClipTeacher(OpenClipPrior(str(tiny_clip_dir))).build(_context(None)).train()
    clip = network.get_submodule("clip")
    assert not any(layer.training for layer in clip.modules())
    for size in (16, 48):
        assert network(to_tensor(make_image(size, size, 0))[None]).shape == (1, 3)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import to_tensor

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.classifier import ClassifierContext, FrozenClassifier
from semdd_lightning.errors import PriorError, TeacherError
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.training import ClipTeacher, EnsembleTeacher
from semdd_lightning.training.teachers.teacher import Teacher


def test_a_frozen_teacher_only_labels() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.BatchNorm1d(12), nn.Dropout(0.5))
    teacher = FrozenClassifier(network.train(), torch.device("cpu"))
    images = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    first, second = teacher(images), teacher(images)
    assert torch.equal(first, second)  # no dropout, no statistics
    assert not first.requires_grad
    assert not any(layer.training for layer in network.modules())


def test_what_holds_it_does_not_own_it() -> None:
    teacher = FrozenClassifier(nn.Linear(2, 2), torch.device("cpu"))
    holder = nn.Module()
    setattr(holder, "teacher", teacher)  # noqa: B010 - as a module assigns its attributes
    holder.train()
    assert list(holder.parameters()) == []
    assert holder.state_dict() == {}
    assert not teacher.network.training


def test_of_a_teacher_of_ones_own_nothing_is_known() -> None:
    class Own(Teacher):
        def build(self, context: ClassifierContext) -> nn.Module:
            raise TeacherError("it cannot be built")

    context = ClassifierContext(ClassRegistry(("a",), ("a",)), 4, None)
    assert Own().history(context) == {"data": "unknown", "recipe": "unknown", "accuracy": "unknown"}
    with pytest.raises(TeacherError, match="it cannot be built"):
        Own().check(context)


def test_the_precision_of_training_does_not_change_what_it_says() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    teacher = FrozenClassifier(network, torch.device("cpu"))
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    stored = teacher(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(images).dtype == torch.bfloat16
        online, half = teacher(images), teacher(images.bfloat16())
    assert torch.equal(online, stored)
    assert torch.equal(half, teacher(images.bfloat16().float()))


def test_its_memory_format_changes_no_more_than_the_last_bits() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    images = torch.rand(5, 3, 12, 12)
    with torch.no_grad():
        expected = network(images)
    found = FrozenClassifier(network, torch.device("cpu"))(images)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


NAMES = ("cat", "dog", "eel")
MakeImage = Callable[[int, int, int], Image.Image]


def _context(prior: OpenClipPrior | None) -> ClassifierContext:
    return ClassifierContext(ClassRegistry(NAMES, NAMES), 32, prior)


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


CONTEXT = ClassifierContext(ClassRegistry(("a", "b"), ("a", "b")), 4, None)


class Scaled(nn.Module):
    """Logits that a test can work out: twice the mean of the first two channels, times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor, self.drop = nn.Parameter(torch.tensor(factor)), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.drop(images.mean(dim=(2, 3))[:, :2]) * self.factor
        return logits


@dataclass(frozen=True)
class ScaledTeacher(Teacher):
    """Builds `Scaled`; one of factor 0 is missing."""

    factor: float

    def check(self, context: ClassifierContext) -> None:
        if not self.factor:
            raise TeacherError("it is missing")

    def build(self, context: ClassifierContext) -> nn.Module:
        return Scaled(self.factor)

    def history(self, context: ClassifierContext) -> dict[str, Any]:
        return {"factor": self.factor}


def test_an_ensemble_labels_by_the_mean_of_the_logits() -> None:
    teacher = EnsembleTeacher((ScaledTeacher(1.0), ScaledTeacher(2.0), ScaledTeacher(6.0)))
    teacher.check(CONTEXT)
    frozen = FrozenClassifier(teacher.build(CONTEXT), torch.device("cpu"))
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(frozen(images), 3 * images.mean(dim=(2, 3))[:, :2])
    assert not any(layer.training for layer in frozen.network.modules())
    assert not any(parameter.requires_grad for parameter in frozen.network.parameters())
    assert teacher.history(CONTEXT) == {"members": [{"factor": 1.0}, {"factor": 2.0}, {"factor": 6.0}]}


def test_every_member_is_checked() -> None:
    with pytest.raises(TeacherError, match="it is missing"):
        EnsembleTeacher((ScaledTeacher(1.0), ScaledTeacher(0.0))).check(CONTEXT)
    with pytest.raises(TeacherError, match="Expected at least one teacher in the ensemble, found none"):
        EnsembleTeacher(()).check(CONTEXT)

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.data.classifier import ClassifierContext, build_apart
from semdd_lightning.errors import NetworkError, TeacherError
from semdd_lightning.training import (
    CheckpointTeacher,
    EnsembleTeacher,
    Teacher,
    TimmTeacher,
    TorchvisionTeacher,
)
from semdd_lightning.training.teachers import library_teacher
from semdd_lightning.training.teachers.library_teacher import imagenet_indices, parse_teacher

# fast.ai's ImageNette and the places of its classes among ImageNet's thousand
WNIDS = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
PLACES = [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def _context(wnids: tuple[str, ...] = WNIDS) -> ClassifierContext:
    return ClassifierContext(ClassRegistry(wnids, wnids, wnids), 32, None)


def _images(size: int) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of shufflenet with random, seeded weights."""
    path = tmp_path_factory.mktemp("weights") / "shufflenet.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.shufflenet_v2_x0_5(weights=None)
        network.train()(torch.rand(4, 3, 64, 64))  # statistics of its own
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.parametrize("size", [64, 40])
def test_a_torchvision_teacher_gives_the_rows_of_its_classes(saved: Path, size: int) -> None:
    teacher = TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=saved, input_size=64)
    wnids = WNIDS[::-1]  # the pool's order, not the head's
    network = teacher.build(_context(wnids)).eval()
    reference = torchvision.models.shufflenet_v2_x0_5(weights=None)
    reference.load_state_dict(torch.load(saved))
    resized = (
        F.interpolate(_images(size), (64, 64), mode="bilinear", antialias=True) if size != 64 else _images(64)
    )
    with torch.no_grad():
        expected = reference.eval()(normalize(resized, MEAN, STD))[:, PLACES[::-1]]
        torch.testing.assert_close(network(_images(size)), expected, atol=1e-5, rtol=1e-4)


def test_as_a_classifier_it_keeps_the_other_rows_behind(saved: Path) -> None:
    teacher = TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=saved, input_size=64)
    images = _images(64)
    with torch.no_grad():
        cut, whole = (build(_context()).eval()(images) for build in (teacher.build, teacher.build_whole))
        every = torchvision.models.shufflenet_v2_x0_5(weights=None)
        every.load_state_dict(torch.load(saved))
        logits = every.eval()(normalize(images, MEAN, STD))
    torch.testing.assert_close(whole[:, : len(WNIDS)], cut, atol=1e-5, rtol=1e-4)
    others = [row for row in range(1000) if row not in PLACES]
    torch.testing.assert_close(whole[:, len(WNIDS) :], logits[:, others], atol=1e-5, rtol=1e-4)


def test_a_timm_teacher_of_a_file(tmp_path: Path) -> None:
    network = timm.create_model("test_resnet", num_classes=1000)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    teacher = TimmTeacher("test_resnet", weights_file=tmp_path / "weights.safetensors", input_size=40)
    built = teacher.build(_context()).eval()
    with torch.no_grad():
        mean, std = ([getattr(timm.get_pretrained_cfg("test_resnet"), name)] for name in ("mean", "std"))
        expected = network.eval()(normalize(_images(40), *mean, *std))[:, PLACES]
        torch.testing.assert_close(built(_images(40)), expected, atol=1e-5, rtol=1e-4)
    assert len(teacher.history(_context())["file_sha256"]) == 64
    with pytest.raises(TeacherError, match="Expected pretrained weights of test_resnet, found none"):
        TimmTeacher("test_resnet", weights_file=tmp_path / "none").check(_context())


def test_weights_that_are_not_there(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    bad = tmp_path / "bad.pth"
    bad.write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    teachers = [
        TorchvisionTeacher("shufflenet_v2_x0_5", input_size=64),  # would be downloaded
        TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=tmp_path / "none.pth", input_size=64),
        TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=bad, input_size=64),
        TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=tmp_path / "list.pth", input_size=64),
        TorchvisionTeacher("shufflenet_v2_x1_0", weights_file=saved, input_size=64),
    ]
    for teacher in teachers:
        for attempt in (teacher.check, teacher.build):  # before the pool is embedded, and after
            with pytest.raises(
                TeacherError, match=f"Expected pretrained weights of {teacher.name}, found none"
            ):
                attempt(_context())


def test_what_cannot_be_built_is_refused_by_the_check(saved: Path, tmp_path: Path) -> None:
    def shufflenet(**options: Any) -> TorchvisionTeacher:  # noqa: ANN401 - of the teacher
        return TorchvisionTeacher(
            "shufflenet_v2_x0_5", **{"weights_file": saved, "input_size": 64, **options}
        )

    shufflenet().check(_context())
    headless = tmp_path / "headless.pth"
    torch.save({name: v for name, v in torch.load(saved).items() if name != "fc.bias"}, headless)
    wrong: list[tuple[Teacher, str]] = [
        (TorchvisionTeacher("resnet81"), "Expected a torchvision network, found 'resnet81'; close matches"),
        (
            TorchvisionTeacher("resnet18", "IMAGENET1K_V9"),
            "Expected weights of resnet18, found 'IMAGENET1K_V",
        ),
        (TimmTeacher("resnet18.nonsense"), "Invalid pretrained tag"),
        (TimmTeacher("nonsense"), "Expected a model of timm with published weights, found 'nonsense'"),
        (shufflenet(weights_file=headless), r"Missing key\(s\) in state_dict: \"fc.bias\""),
        (EnsembleTeacher((shufflenet(), shufflenet(weights_file=tmp_path / "none.pth"))), "No such file"),
    ]
    for teacher, what in wrong:
        with pytest.raises((TeacherError, NetworkError), match=what):
            teacher.check(_context())
    outside = ClassRegistry(("a", "b"), ("a", "b"), None, (7, 1000))
    with pytest.raises(NetworkError, match="1000"):
        shufflenet().check(ClassifierContext(outside, 32, None))


def test_a_check_draws_no_random_numbers(saved: Path) -> None:
    """They are the student's: its dropout must not depend on whether a teacher was built."""
    teacher = TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=saved, input_size=64)
    before = torch.get_rng_state()
    teacher.check(_context())
    build_apart(teacher.build, _context())
    assert torch.equal(torch.get_rng_state(), before)
    teacher.build(_context())
    assert not torch.equal(torch.get_rng_state(), before)


def test_what_libraries_say_of_their_weights() -> None:
    """From their own pages of November 2026."""
    assert TorchvisionTeacher("resnet18").history(_context()) == {
        "data": "ImageNet-1K",
        "recipe": "https://github.com/pytorch/vision/tree/main/references/classification#resnet",
        "accuracy": {"ImageNet-1K top1": 0.69758, "ImageNet-1K top5": 0.89078},
        "network": "torchvision/resnet18",
        "weights": "ResNet18_Weights.IMAGENET1K_V1",
        "url": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "num_params": 11689512,
    }
    more = TorchvisionTeacher("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").history(_context())
    assert more["data"] == "unknown", "of more than ImageNet, which torchvision does not name"
    found = TimmTeacher("resnet18.a1_in1k").history(_context())
    assert found["network"] == "timm/resnet18.a1_in1k"
    assert (found["data"], found["accuracy"]) == ("unknown", "unknown")
    assert (found["recipe"], found["tag"]) == ("arXiv:2110.00476", "a1_in1k")
    assert found["hf_hub_id"] == "timm/resnet18.a1_in1k"
    assert found["license"] == "apache-2.0"
    assert TimmTeacher("vit_tiny_patch16_384.augreg_in21k_ft_in1k").history(_context())["recipe"] == "unknown"
    assert TimmTeacher("own", 32, (0, 0, 0), (1, 1, 1)).history(_context())["recipe"] == "unknown"


def test_of_a_file_only_its_hash_is_known(saved: Path) -> None:
    assert TorchvisionTeacher("shufflenet_v2_x0_5", weights_file=saved).history(_context()) == {
        "data": "unknown",
        "recipe": "unknown",
        "accuracy": "unknown",
        "network": "torchvision/shufflenet_v2_x0_5",
        "file_sha256": hashlib.sha256(saved.read_bytes()).hexdigest(),
    }


def test_a_timm_teacher_gives_the_rows_of_its_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mean(nn.Module):
        """Logit k is k times the image's mean, by way of a linear head."""

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1000, bias=False)
            nn.init.zeros_(self.fc.weight)
            self.fc.weight.data += torch.arange(1000.0)[:, None]

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.fc(images.mean(dim=(1, 2, 3))[:, None])
            return logits

    def timm_network(*given: object) -> nn.Module:
        assert given == (1000, 32, "some.tag", True, None)
        return Mean()

    monkeypatch.setattr(library_teacher, "timm_network", timm_network)
    teacher = TimmTeacher("some.tag", 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    found = teacher.build(_context())(_images(32))
    expected = ((_images(32) - 0.5) / 0.25).mean(dim=(1, 2, 3))[:, None] * torch.tensor(PLACES)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "size", "mean", "std"),
    [
        (TimmTeacher("vit_tiny_patch16_384.augreg_in21k_ft_in1k"), 384, [0.5] * 3, [0.5] * 3),
        (TimmTeacher("vit_tiny_patch16_384.augreg_in21k_ft_in1k", std=(1, 1, 1)), 384, [0.5] * 3, [1] * 3),
        (TimmTeacher(), 224, MEAN, STD),
        (TimmTeacher(input_size=64, mean=(0, 0, 0)), 64, [0] * 3, STD),
    ],
)
def test_a_timm_teacher_sees_what_its_weights_were_trained_on(
    monkeypatch: pytest.MonkeyPatch, given: TimmTeacher, size: int, mean: list[float], std: list[float]
) -> None:
    class Pixels(nn.Module):
        """Logits are the first thousand pixels, by way of a linear head that changes nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1000, 1000, bias=False)
            nn.init.eye_(self.fc.weight)

        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[-1] == size
            logits: Tensor = self.fc(images.flatten(1)[:, :1000])
            return logits

    monkeypatch.setattr(library_teacher, "timm_network", lambda *_, **__: Pixels())
    images = _images(size)
    expected = normalize(images, mean, std).flatten(1)[:, PLACES]
    torch.testing.assert_close(given.build(_context())(images), expected)


def test_a_timm_teacher_without_a_card() -> None:
    with pytest.raises(TeacherError, match=r"Expected a model of timm .* found 'nonsense'; correct the name"):
        TimmTeacher("nonsense").build(_context())
    with pytest.raises(TeacherError, match=r"resnet18\.nonsense, found none .*Invalid pretrained tag"):
        TimmTeacher("resnet18.nonsense").build(_context())


def test_a_timm_teacher_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> nn.Module:
        raise OSError("no network")

    monkeypatch.setattr(library_teacher, "timm_network", offline)
    with pytest.raises(TeacherError, match=r"Expected pretrained weights of resnet18\.a1_in1k, found none"):
        TimmTeacher().build(_context())


def test_imagenets_rows_are_the_sorted_wnids() -> None:
    from timm.data.imagenet_info import ImageNetInfo

    assert imagenet_indices(ClassRegistry(WNIDS, WNIDS, WNIDS)) == PLACES
    everything = sorted(ImageNetInfo().label_names())  # type: ignore[no-untyped-call]
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).tolist()
    wnids = tuple(everything[i] for i in order)
    assert imagenet_indices(ClassRegistry(wnids, wnids, wnids)) == order


def test_the_class_lists_own_rows_win() -> None:
    assert imagenet_indices(ClassRegistry(("a", "b"), ("a", "b"), WNIDS[:2], (7, 3))) == [7, 3]
    assert imagenet_indices(ClassRegistry(("a", "b"), ("a", "b"), None, (7, 3))) == [7, 3]


def test_classes_without_a_row() -> None:
    with pytest.raises(TeacherError, match="Expected wnids or a teacher_index for each class, found neither"):
        imagenet_indices(ClassRegistry(("a",), ("a",)))
    with pytest.raises(
        TeacherError, match=r"Expected wnids of ImageNet-1K, found \['n99999999'\]; give teacher"
    ):
        imagenet_indices(ClassRegistry(("a",), ("a",), ("n99999999",)))


def test_a_word_names_a_teacher(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_text("")
    assert parse_teacher(str(file)) == CheckpointTeacher(file)
    assert parse_teacher("torchvision/resnet50") == TorchvisionTeacher("resnet50")
    assert parse_teacher("torchvision/resnet50:DEFAULT") == TorchvisionTeacher("resnet50", "DEFAULT")
    assert parse_teacher(f"torchvision/resnet50:{file}") == TorchvisionTeacher("resnet50", weights_file=file)
    assert parse_teacher("timm/resnet18.a1_in1k") == TimmTeacher("resnet18.a1_in1k")
    assert parse_teacher(f"timm/resnet18:{file}") == TimmTeacher("resnet18", weights_file=file)
    for wrong in ("resnet50", "torchvision/", "keras/vgg16", "missing/last.ckpt"):
        with pytest.raises(TeacherError, match=f"found '{wrong}'"):
            parse_teacher(wrong)

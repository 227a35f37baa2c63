from __future__ import annotations

from pathlib import Path

import pytest

from semdd_lightning.errors import TeacherError
from semdd_lightning.training import CheckpointTeacher, TimmTeacher, TorchvisionTeacher
from semdd_lightning.training.teachers.library_teacher import parse_teacher


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

"""Prompts out of templates and files, and what is said of those that ask for other classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.datasets import find_classes, find_dataset
from semdd_lightning.errors import AuditError, ConfigError, PriorError
from semdd_lightning.generation.class_prompts import class_prompts, require_own_classes
from semdd_lightning.generation.generator import Task
from semdd_lightning.generation.prompt_check import PromptFindings, check_prompts
from semdd_lightning.prior import OpenClipPrior

CIFAR = find_classes("cifar10")
WOOF = find_dataset("imagewoof").registry


def check(prompts: list[str], classes: ClassRegistry = CIFAR) -> PromptFindings:
    return check_prompts([[prompt] for prompt in prompts], classes)


def test_templates_take_the_names(tmp_path: Path) -> None:
    assert class_prompts("a {}", CIFAR)[:2] == [("a airplane",), ("a automobile",)]
    assert class_prompts(("a {}", "the {}"), CIFAR)[9] == ("a truck", "the truck")
    assert len(class_prompts("openai_cifar", CIFAR)[0]) == 18
    with pytest.raises(PriorError, match="prompts to be one of"):
        class_prompts("nonsense", CIFAR)


def test_files_say_whose_prompts_they_are(tmp_path: Path) -> None:
    lines = [f"one {name}" for name in WOOF.names]
    (tmp_path / "p.txt").write_text("\n".join(lines) + "\n\n")
    assert class_prompts(str(tmp_path / "p.txt"), WOOF) == [(line,) for line in lines]
    wnids = WOOF.wnids or ()
    rows = [f'{wnid},"a dog, {i}"\n' for i, wnid in enumerate(wnids)]
    (tmp_path / "p.csv").write_text(
        "class,prompt\n" + "".join(rows[::-1]) + f"{WOOF.names[3].upper()},more\n"
    )
    found = class_prompts(str(tmp_path / "p.csv"), WOOF)
    assert found[0] == ("a dog, 0",)
    assert found[3] == ("a dog, 3", "more")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "one\ntwo", "found 2 lines"),
        ("p.csv", "name,prompt\ntruck,a", "columns class,prompt"),
        ("p.csv", "class,prompt\ntruck,a", "found none for"),
        ("p.csv", "class,prompt\nzebra,a", "'zebra', which is no class"),
        ("p.csv", "class,prompt\ntruck,", "a class and a prompt in every row"),
        ("gone.txt", None, "found: .*No such file"),
    ],
)
def test_files_that_do_not_are_refused(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        class_prompts(str(tmp_path / name), CIFAR)


@pytest.mark.parametrize(
    "name", ["cifar10", "cifar100", "imagewoof", "imagenette", "imagenet100", "imagenet1k"]
)
def test_prompts_of_the_data_sets_own_names_pass(name: str) -> None:
    classes = find_dataset(name).registry
    assert not check([f"a photo of a {one}." for one in classes.names], classes).refused


def test_a_shift_by_one_is_refused() -> None:
    names = list(WOOF.names)
    for shifted in (names[1:] + names[:1], [*names[:3], names[4], names[3], *names[5:]]):
        (sentence,) = check([f"a photo of a {name}." for name in shifted], WOOF).refused
        assert "prompts ask for other classes" in sentence
    fifteen = list(CIFAR.names)
    fifteen[2] = "cat"
    found = check([f"a {name}" for name in fifteen])
    assert found.refused == ["Classes 'bird' and 'cat' have one prompt, 'a cat'."]
    assert "'bird' asks for 'cat'" in found.warned[0]


def test_words_of_several_senses_are_named() -> None:
    classes = ClassRegistry(("boxer", "crane", "missile", "tench"), ("0", "1", "2", "3"))
    found = check([f"a photo of a {name}." for name in classes.names], classes)
    assert [sentence.split("'")[1] for sentence in found.warned] == ["boxer", "crane", "missile"]
    assert "n03773504, n04008634" in found.warned[2]
    clear = ["a boxer, a breed of dog", "a crane bird", "a missile on its ramp", "a tench"]
    assert not check(clear, classes).warned


def test_clip_sees_a_shift_that_no_word_tells() -> None:
    prompts = [[f"description {c}"] for c in range(10)]
    generator = np.random.default_rng(0)
    cosines = 0.2 + 0.02 * generator.random((10, 10)) + 0.1 * np.eye(10)
    cosines[:, 4] += 0.3  # a name that is close to everything
    assert not check_prompts(prompts, CIFAR, cosines, np.eye(10)).refused
    shifted = np.roll(cosines, 1, axis=1)
    (sentence,) = check_prompts(prompts, CIFAR, shifted, np.eye(10)).refused
    assert sentence.startswith("By CLIP, 10 of 10 prompts ask for other classes")
    assert "CLIP's cosine is" in sentence
    named = [[name] for name in CIFAR.names]
    assert not check_prompts(named, CIFAR, shifted, np.eye(10)).refused  # the words say better
    near = np.eye(10) + np.diag([0.996] + [0.0] * 8, k=1)
    assert "nearly one (cosine 0.996)" in check_prompts(named, CIFAR, cosines, near).warned[0]


def test_the_check_asks_the_prior_and_follows_the_policy(
    tiny_clip_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ClassRegistry(("boxer", "tench"), ("0", "1"))
    task = Task(classes, 1, None, 0, prior=OpenClipPrior(str(tiny_clip_dir)))
    require_own_classes([("a boxer",), ("a tench",)], task, "refuse")
    assert "To CLIP it is nearest to 'tench' (cosine" in caplog.text
    turned = [("a tench",), ("a boxer",)]
    with pytest.raises(AuditError, match=r"2 of 2 prompts.*CLIP's cosine is.*prompt_check: warn"):
        require_own_classes(turned, task, "refuse")
    require_own_classes(turned, task, "warn")
    assert "Going on all the same" in caplog.text

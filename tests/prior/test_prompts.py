from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import PriorError
from semdd_lightning.prior import PROMPT_SETS, LoadedClip, OpenClipPrior, resolve_prompts, text_prototypes
from semdd_lightning.prior.prompts import EQUAL_SQUARED_DISTANCE, prompt_names, warn_of_equal_prototypes
from semdd_lightning.selection import prototypes


@pytest.fixture(scope="module")
def clip(tiny_clip_dir: Path) -> LoadedClip:
    return OpenClipPrior(str(tiny_clip_dir)).load()


def test_prompt_sets() -> None:
    sizes = {name: len(set(templates)) for name, templates in PROMPT_SETS.items()}
    assert sizes == {
        "simple": 1, "class_name": 1, "openai_imagenet": 80, "simple_imagenet": 7, "openai_cifar": 18
    }  # fmt: skip
    assert all(template.count("{}") == 1 for templates in PROMPT_SETS.values() for template in templates)
    assert "a bad photo of a {}." in PROMPT_SETS["openai_imagenet"]
    assert {"a black and white photo of the {}.", "a photo of a big {}."} <= set(PROMPT_SETS["openai_cifar"])


@pytest.mark.parametrize("prompts", [("a photo",), ("{} and {}",), ()])
def test_templates_are_checked(prompts: tuple[str, ...]) -> None:
    with pytest.raises(PriorError, match=r"Expected templates that hold \{\} once"):
        resolve_prompts(prompts)
    with pytest.raises(PriorError, match=r"for a single template give a list: \['a {}'\]"):
        resolve_prompts("a {}")


def test_overrides_by_name_and_by_wnid() -> None:
    names, wnids = ("crane", "crane", "cat"), ("n02012849", "n03126707", "n02121620")
    registry = ClassRegistry(names=names, folders=wnids, wnids=wnids)
    assert prompt_names(registry, {"n03126707": "construction crane"})[:2] == ("crane", "construction crane")
    assert prompt_names(registry, {"cat": "house cat"})[2] == "house cat"
    with pytest.raises(PriorError, match="found 'cats', which is none; known are for example cat"):
        prompt_names(registry, {"cats": "house cat"})


def test_underscores_become_spaces_except_in_overrides() -> None:
    names = ("aquarium_fish", "T-shirt", "maple tree")
    registry = ClassRegistry(names=names, folders=names)
    assert prompt_names(registry) == ("aquarium fish", "T-shirt", "maple tree")
    assert prompt_names(registry, {"aquarium_fish": "my_fish"})[0] == "my_fish"


def test_numbers_for_names_are_said_once() -> None:
    numbers = ClassRegistry(names=("0", "1", "17"), folders=("0", "1", "17"))
    with pytest.warns(UserWarning, match=r"'a photo of a 17\.'.* give a class list: --classes or") as caught:
        assert prompt_names(numbers) == ("0", "1", "17")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prompt_names(numbers, {"0": "zero", "1": "one", "17": "seventeen"})
        prompt_names(ClassRegistry(names=("0", "one"), folders=("0", "one")))


def test_prototypes_equal_a_literal_loop(clip: LoadedClip) -> None:
    names, templates = ("cat", "dog", "ship"), ("a photo of a {}.", "{}", "art of the {}.")
    prototypes = text_prototypes(clip, names, templates)
    for name, prototype in zip(names, prototypes, strict=True):
        units = [clip.encode_texts([template.replace("{}", name)])[0] for template in templates]
        mean = torch.stack(units).double().mean(dim=0)
        torch.testing.assert_close(prototype.double(), mean / mean.norm(), atol=1e-5, rtol=0)


def test_equal_prototypes_are_named(clip: LoadedClip) -> None:
    with pytest.warns(UserWarning, match=r"'crane' \(class 0\) and 'Crane' \(class 2\); the prior cannot"):
        text_prototypes(clip, ("crane", "dog", "Crane"), ("a {}.",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text_prototypes(clip, ("crane", "dog", "cranes"), ("a {}.",))


def test_equal_means_the_same_for_texts_and_images() -> None:
    assert EQUAL_SQUARED_DISTANCE == prototypes.EQUAL_SQUARED_DISTANCE
    for cosine in (1 - 2e-6, 1 - 5e-7):
        pair = torch.tensor([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]], dtype=torch.float64)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warn_of_equal_prototypes(("a", "b"), pair)
        assert len(caught) == (cosine > 1 - 1e-6)


def test_equal_prototypes_are_found_beyond_the_first_block() -> None:
    prototypes = torch.nn.functional.normalize(
        torch.randn(1100, 16, generator=torch.Generator().manual_seed(0))
    )
    prototypes[1099] = prototypes[3]
    prototypes[1050] = prototypes[1090]
    with pytest.warns(UserWarning, match=r"\(class 3\) and '1099' .*; '1050' \(class 1050\) and '1090'"):
        warn_of_equal_prototypes([str(i) for i in range(1100)], prototypes)


def test_braces_in_a_class_name_are_left_alone(clip: LoadedClip) -> None:
    with pytest.warns(UserWarning, match="Equal text prototypes"):
        text_prototypes(clip, ("{x}", "{x}"), ("a {}.",))

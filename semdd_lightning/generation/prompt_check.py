"""Do the prompts ask for their classes? Said before a GPU has worked for hours on others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.classes.registry import some_of
from semdd_lightning.datasets import imagenet_words

SENSES = {
    # A. Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021, section
    # 3.1.4, and the notebook Prompt_Engineering_for_ImageNet beside their code
    "boxer": "a dog or an athlete",
    "crane": "a bird or a machine",
    "kite": "a bird or a toy",
    "nail": "of metal or of a finger",
    # further names with senses of other kinds in common English
    "bass": "a fish or an instrument",
    "bat": "an animal or a club",
    "bow": "a weapon, a knot or a ship's front",
    "cardigan": "a dog or a garment",
    "cock": "a bird or a tap",
    "drake": "a duck or a name",
    "drumstick": "of a drummer or of a chicken",
    "hook": "for fish or for coats",
    "jaguar": "an animal or a car",
    "mouse": "an animal or a device",
    "orange": "a fruit or a colour",
    "organ": "an instrument or a part of a body",
    "pitcher": "a jug or a player",
    "ram": "a sheep or a kind of memory",
    "ray": "a fish or a beam",
    "rose": "a flower or a wine",
    "screw": "a fastener or a propeller",
    "seal": "an animal or a stamp",
    "slot": "a machine or an opening",
    "tick": "an animal or a mark",
    "turkey": "a bird or a country",
}
"""Names that a text encoder may take for another thing, and what they may mean."""

_OF_TEMPLATES = frozenset(["a", "an", "the", "of", "photo", "image", "picture", "photograph", "one", "this"])
_NEAR = 0.995  # cosine of two classes' prompts from which they are named


@dataclass(frozen=True)
class PromptFindings:
    """What is wrong with prompts, a sentence each.

    Attributes:
        refused: what must not be made: other classes than the pool's would be.
        warned: what may be meant so.
    """

    refused: list[str]
    warned: list[str]


def check_prompts(
    prompts: Sequence[Sequence[str]],
    classes: ClassRegistry,
    to_names: NDArray[np.float64] | None = None,
    to_prompts: NDArray[np.float64] | None = None,
) -> PromptFindings:
    """Look at the prompts of classes, by their text and, where it was asked, by CLIP.

    Args:
        prompts: of each class.
        classes: the classes.
        to_names: CLIP's cosines of each class's prompts with each class's name, ``(C, C)``.
        to_prompts: its cosines of each class's prompts with each class's prompts, ``(C, C)``.

    >>> found = check_prompts([["a tench"], ["a tench"]], ClassRegistry(("tench", "boxer"), ("0", "1")))
    >>> print(found.refused[0])
    Classes 'tench' and 'boxer' have one prompt, 'a tench'.
    """
    names = _names(classes)
    texts = [[f" {' '.join(_words(prompt))} " for prompt in of_class] for of_class in prompts]
    moved = _moved_by_text(texts, names)
    by_clip = {} if to_names is None else _moved_by_clip(to_names, texts, names)
    refused, warned = _equal(texts, classes), _ambiguous(prompts, classes, to_prompts)
    for found, by in ((moved, "their words"), (by_clip, "CLIP")):
        if found:
            pairs = [f"{classes.names[c]!r} asks for {classes.names[d]!r}" for c, d in found.items()]
            told = ""
            if to_names is not None:
                own = np.mean([to_names[c, c] for c in found])
                other = np.mean([to_names[c, d] for c, d in found.items()])
                told = f"; CLIP's cosine is {own:.2f} to the own names and {other:.2f} to these"
            shown = some_of(pairs).replace('"', "")
            sentence = (
                f"By {by}, {len(found)} of {len(classes)} prompts ask for other classes: {shown}{told}."
            )
            (refused if len(found) > 1 else warned).append(sentence)
    if to_prompts is not None:
        warned += [
            f"To CLIP the prompts of {classes.names[c]!r} and {classes.names[d]!r} are nearly one (cosine "
            f"{to_prompts[c, d]:.3f})."
            for c, d in np.argwhere(np.triu(to_prompts >= _NEAR, k=1)).tolist()[:5]
        ]
    return PromptFindings(refused, warned)


def _equal(texts: Sequence[Sequence[str]], classes: ClassRegistry) -> list[str]:
    owners: dict[str, list[int]] = defaultdict(list)
    for c, of_class in enumerate(texts):
        for prompt in dict.fromkeys(of_class):
            owners[prompt.strip()].append(c)
    return [
        f"Classes {' and '.join(repr(classes.names[c]) for c in same)} have one prompt, {prompt!r}."
        for prompt, same in owners.items()
        if len(same) > 1
    ]


def _ambiguous(
    prompts: Sequence[Sequence[str]], classes: ClassRegistry, to_prompts: NDArray[np.float64] | None
) -> list[str]:
    """Classes whose prompt is a word of several senses and no more."""
    shared, found = imagenet_words(), []
    for c, of_class in enumerate(prompts):
        said = " ".join(word for word in _words(min(of_class, key=len)) if word not in _OF_TEMPLATES)
        senses = SENSES.get(said)
        if senses is None and len(shared.get(said, ())) > 1:
            senses = f"the classes {', '.join(shared[said])} of ImageNet"
        if senses is None:
            continue
        sentence = f"{said!r} may mean {senses}: say which, as '{said} (...)'."
        if to_prompts is not None and len(classes) > 1:
            others = np.where(np.arange(len(classes)) == c, -np.inf, to_prompts[c])
            near = int(others.argmax())
            sentence += f" To CLIP it is nearest to {classes.names[near]!r} (cosine {others[near]:.2f})."
        found.append(sentence)
    return found


def _moved_by_text(texts: Sequence[Sequence[str]], names: Sequence[Sequence[str]]) -> dict[int, int]:
    """Classes in none of whose prompts their own name stands, but that of another class."""
    moved = {}
    for c, of_class in enumerate(texts):
        named = [d for d, of_d in enumerate(names) if _stands(of_d, of_class)]
        if named and c not in named:
            moved[c] = max(named, key=lambda d: max(map(len, names[d])))
    return moved


def _moved_by_clip(
    cosines: NDArray[np.float64], texts: Sequence[Sequence[str]], names: Sequence[Sequence[str]]
) -> dict[int, int]:
    """Classes that CLIP assigns elsewhere when every class takes the prompt that fits it best.

    A name that is close to all prompts would win others': its typical cosine is taken off. Where the own name
    stands in the prompt, the text is believed.
    """
    balanced = cosines - np.median(cosines, axis=0)
    pairs = zip(*(places.tolist() for places in linear_sum_assignment(balanced, maximize=True)), strict=True)
    return {
        c: d
        for c, d in pairs
        if c != d and balanced[c, d] > balanced[c, c] and not _stands(names[c], texts[c])
    }


def _names(classes: ClassRegistry) -> list[list[str]]:
    """What each class is called: its name, and the words of its synset that are no other class's."""
    called = [[" ".join(_words(name))] for name in classes.names]
    for word, wnids in imagenet_words().items():
        if classes.wnids is not None and len(wnids) == 1 and wnids[0] in classes.wnids:
            called[classes.wnids.index(wnids[0])].append(word)
    return called


def _stands(names: Sequence[str], texts: Sequence[str]) -> bool:
    return any(f" {name} " in text or f" {name}s " in text for name in names if name for text in texts)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())

"""The prompts of each class, out of templates and names or out of a file, and whether they ask for it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry, plain_name
from semdd_lightning.errors import AuditError, ConfigError
from semdd_lightning.generation.generator import Task
from semdd_lightning.generation.prompt_check import check_prompts
from semdd_lightning.names import get_logger
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.prior.prompts import PROMPT_SETS, prompt_names, resolve_prompts

logger = get_logger(__name__)


def class_prompts(prompts: str | tuple[str, ...], classes: ClassRegistry) -> list[tuple[str, ...]]:
    """The prompts of each class, in class order; images of a class take them in turn.

    Args:
        prompts: a template with ``{}``, several, the name of a prompt set, or a file: ``.csv`` with the
            columns ``class,prompt``, the class by wnid or name, or ``.txt`` with a line for each class in
            class order.
        classes: the classes.

    Raises:
        ConfigError: if a file does not give every class a prompt.
        PriorError: if it is none of these.

    >>> class_prompts("a photo of a {}.", ClassRegistry(("sea_lion",), ("0",)))
    [('a photo of a sea lion.',)]
    """
    if isinstance(prompts, str) and prompts.lower().endswith((".txt", ".csv")) and prompts not in PROMPT_SETS:
        return _of_file(Path(prompts).expanduser(), classes)
    alone = isinstance(prompts, str) and "{}" in prompts
    templates = resolve_prompts((str(prompts),) if alone else prompts)
    names = prompt_names(classes)
    return [tuple(template.replace("{}", name) for template in templates) for name in names]


def require_own_classes(prompts: Sequence[tuple[str, ...]], task: Task, policy: str) -> None:
    """Say what is wrong with prompts.

    Args:
        prompts: of each class.
        task: what is to be made, with the CLIP model that looks at them.
        policy: `refuse`, or `warn` to go on anyway.

    Raises:
        AuditError: if they ask for other classes, and nothing else was asked for.
    """
    found = check_prompts(prompts, task.classes, *_cosines(prompts, task))
    for sentence in found.warned:
        logger.warning("%s", sentence)
    if not found.refused:
        return
    msg = f"Expected prompts that ask for their classes, found: {' '.join(found.refused)}"
    if policy == "refuse":
        raise AuditError(f"{msg} Correct them; `prompt_check: warn` goes on anyway.")
    logger.warning("%s Going on all the same, as asked.", msg)


def _of_file(path: Path, classes: ClassRegistry) -> list[tuple[str, ...]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"Expected prompts in UTF-8 at {path}, found: {error}; correct the path or the file."
        raise ConfigError(msg) from error
    if path.suffix.lower() == ".csv":
        return _of_rows(list(csv.reader(text.splitlines())), path, classes)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != len(classes):
        msg = (
            f"Expected a prompt for each of {len(classes)} classes in {path}, found {len(lines)} lines; "
            "write one per class in class order, or a .csv with the columns class,prompt."
        )
        raise ConfigError(msg)
    return [(line,) for line in lines]


def _of_rows(rows: list[list[str]], path: Path, classes: ClassRegistry) -> list[tuple[str, ...]]:
    if not rows or [cell.strip() for cell in rows[0]] != ["class", "prompt"]:
        msg = f"Expected the columns class,prompt in {path}, found {rows[:1]}; correct the first row."
        raise ConfigError(msg)
    found: list[list[str]] = [[] for _ in range(len(classes))]
    for row in filter(any, rows[1:]):
        if len(row) != 2 or not row[1].strip():
            msg = f"Expected a class and a prompt in every row of {path}, found {row}; quote commas."
            raise ConfigError(msg)
        found[_class_of(row[0].strip(), path, classes)].append(row[1].strip())
    lacking = [classes.names[c] for c, of_class in enumerate(found) if not of_class]
    if lacking:
        msg = f"Expected a prompt for every class in {path}, found none for {lacking[:5]}; add them."
        raise ConfigError(msg)
    return [tuple(of_class) for of_class in found]


def _class_of(text: str, path: Path, classes: ClassRegistry) -> int:
    wnids = classes.wnids or ()
    if text in wnids:
        return wnids.index(text)
    same = [c for c, name in enumerate(classes.names) if plain_name(name) == plain_name(text)]
    if len(same) != 1:
        what = "no class" if not same else f"{len(same)} classes"
        msg = f"Expected wnids or names of classes in {path}, found {text!r}, which is {what}; correct it."
        raise ConfigError(msg)
    return same[0]


def _cosines(prompts: Sequence[tuple[str, ...]], task: Task) -> Iterator[NDArray[np.float64]]:
    """CLIP's cosines, if there is one, of each class's prompts with all names, then with all prompts."""
    if not isinstance(task.prior, OpenClipPrior):
        return
    clip = task.prior.load()
    asked = torch.stack([clip.encode_texts(of_class).mean(dim=0) for of_class in prompts])
    asked = torch.nn.functional.normalize(asked.double(), dim=1)
    named = task.prior.prototypes(clip, task.classes).double()
    for texts in (named, asked):
        yield (asked @ texts.T).numpy()

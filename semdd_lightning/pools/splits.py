"""Splits of a data set: the words that name them, and the structure that gives them away."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semdd_lightning.classes.folders import numbered_name
from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import PoolError

# The words that the Hugging Face hub knows, and what split each of them names.
_KINDS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_BESIDE = ("set", "sets", "split", "splits", "data", "dataset", "images", "image", "imgs", "img", "files")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_COMPOUND = re.compile(rf"({'|'.join(sorted(_KINDS, key=len, reverse=True))})({'|'.join(_BESIDE)})?")

# Subfolders that a class may have: several views of one image, or several runs of a generator.
_VIEWS = frozenset({"images", "image", "img", "imgs", "masks", "mask", "labels", "annotations", "boxes"})
_RUNS = frozenset({"ipc", "dataset", "part", "run", "seed", "batch", "chunk", "shard", "exp", "images"})


def folder_split(name: str) -> str | None:
    """The word by which a folder is a split, if its name says nothing else.

    >>> [folder_split(name) for name in ("training_set", "Val", "test2017", "devSplit", "bullet_train")]
    ['training', 'val', 'test', 'dev', None]
    """
    words = _words(name)
    splits = [word for word in map(_split_word, words) if word is not None]
    others = [word for word in words if _split_word(word) is None and word not in _BESIDE]
    return splits[0] if splits and not others else None


def split_of(path: str) -> str | None:
    """The split that a path names: a folder that is one, else the first such word of the file's name.

    >>> split_of("data/train-00000-of-00002.parquet"), split_of("test_set/1.png"), split_of("tests.parquet")
    ('train', 'test', None)

    Args:
        path: Path below the data set's root, posix.
    """
    *folders, name = path.split("/")
    words = (*map(folder_split, folders), *map(_split_word, _words(name)))
    return next((word for word in words if word is not None), None)


def are_splits(folders: Iterable[str]) -> bool:
    """Whether folders are splits by their names: several of them are called so, or all that there are.

    >>> are_splits(["dev", "training_set"]), are_splits(["train"]), are_splits(["train", "test tube"])
    (True, True, False)
    """
    words = [folder_split(name) for name in folders]
    return len(set(words) - {None}) > 1 or (bool(words) and None not in words)


def shared_classes(places: Mapping[str, tuple[Collection[str], int, int]]) -> list[str]:
    """The class folders that folders share where they are splits, or pools side by side, and no classes.

    Most of them have to share them: a folder of images among them, or images beside subfolders, fewer than in
    these, do not make them classes. Folders that share two names or more among their subfolders hold the same
    classes, whatever they are called; runs of a generator (`ipc1`, `ipc10`) do if they share one. Not so
    where they are wnids, or where what they share are views of an image (`masks`) or, fewer than they are
    themselves, such runs: classes have such subfolders.

    >>> shared_classes({"a": (["cat", "dog"], 0, 9), "b": (["cat", "dog", "cow"], 0, 9), "c": ([], 3, 0)})
    ['cat', 'dog']
    >>> shared_classes({name: (["ipc1", "ipc10"], 0, 9) for name in ("cat", "cow", "dog")})
    []
    >>> shared_classes({"ipc1": (["cat", "dog"], 0, 9), "ipc10": (["dog", "cow"], 0, 9)})
    ['dog']

    Args:
        places: For each folder the names of its subfolders, its own images and those in its subfolders.
    """
    inside = {
        name: set(folders) for name, (folders, own, below) in places.items() if folders and own <= below
    }
    if len(inside) < 2 or 2 * len(inside) <= len(places) or all(map(is_wnid, inside)):
        return []
    shared = set.intersection(*inside.values())
    if len(shared) < (1 if _are_runs(inside) else 2) or shared <= _VIEWS:
        return []
    return [] if _are_runs(shared) and len(shared) < len(inside) else sorted(shared)


def _are_runs(names: Iterable[str]) -> bool:
    numbered = [numbered_name(name) for name in names]
    return all(name is not None and set(_words(name[0])) & _RUNS for name in numbered)


def one_to_choose_from(names: Iterable[str]) -> str | None:
    """Of several splits one that images may be chosen from: the training split, never the test split.

    >>> one_to_choose_from(["dev", "test", "train"]), one_to_choose_from(["test"])
    ('train', None)
    """
    kinds = {_KINDS.get(split_of(name) or ""): name for name in reversed([*names])}
    return next((kinds[kind] for kind in ("train", None, "validation") if kind in kinds), None)


def rows_of_split(paths: Sequence[str], split: str | None, place: Path) -> NDArray[np.int64]:
    """The positions of the paths of one split; splits are never mixed unseen, or test images are trained on.

    Args:
        paths: Paths below the data set's root, posix.
        split: The split to keep: a folder's name, what file names begin with, or another word for it, as
            `train` for `training_set` (default: all paths).
        place: The root, for messages.

    Raises:
        PoolError: If there are several splits and none is asked for, or the one asked for is not there.
    """
    words = [split_of(path) for path in paths]
    found = sorted({word for word in words if word is not None})
    if split is None:
        if len(found) > 1:
            advice = one_to_choose_from(found)
            example = f", as {advice} (--split {advice})" if advice else " (--split)"
            msg = (
                f"Expected one split in {place}, found {some_of(found)}; name one of them as split{example}."
            )
            raise PoolError(msg)
        return np.arange(len(paths))
    begins = re.compile(re.escape(split) + "(?![A-Za-z])")
    parts = [path.split("/") for path in paths]
    kept = [row for row, part in enumerate(parts) if split in part[:-1] or begins.match(part[-1])]
    asked = split_of(split)
    if not kept and asked is not None:
        alike = [asked] if asked in found else [word for word in found if _KINDS[word] == _KINDS[asked]]
        kept = [row for row, word in enumerate(words) if [word] == alike]
    if not kept:
        there = some_of(found) if found else "names of no split"
        msg = f"Expected files of split {split!r} in {place}, found {there}; correct split or leave it out."
        raise PoolError(msg)
    return np.array(kept, dtype=np.int64)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _split_word(word: str) -> str | None:
    match = _COMPOUND.fullmatch(word)
    return None if match is None else match[1]

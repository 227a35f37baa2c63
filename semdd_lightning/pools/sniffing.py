"""Which layout a path holds, found out by looking at few names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.files import printable
from semdd_lightning.pools.layouts import AUTO, LAYOUTS, Layout, find_layout, layout_names
from semdd_lightning.pools.recognisers import flat_split, shared_folders
from semdd_lightning.pools.seen import Seen, look
from semdd_lightning.pools.splits import are_splits, one_to_choose_from
from semdd_lightning.pools.tensor_files import TORCH_SUFFIXES

_DEEPEST = 8  # wrapper folders around a pool
_WRAPPERS = ("generated_images", "syn_data")  # CoDA and RDED write pools into folders of this name


@dataclass(frozen=True)
class FoundLayout:
    """What a path turned out to hold.

    Args:
        layout: The layout.
        path: Where it begins: the path asked about, or a folder below it.
        evidence: What was seen of it, in words.
        wrappers: Folders that were stepped into to get there.
    """

    layout: Layout
    path: Path
    evidence: str
    wrappers: tuple[str, ...] = ()


def sniff(path: Path, layout: str = AUTO) -> FoundLayout:
    """Find out, by names alone, which layout a path holds, or where one begins.

    Only the names in a few folders are looked at, however large the pool is. A folder that only wraps the
    pool is stepped into.

    Args:
        path: A folder, a file, or a pattern of tar shards.
        layout: Name of the only layout to think of, or `auto`. Where nothing of it is seen, the path is
            taken as it is.

    Raises:
        PoolError: If nothing is there, or no layout fits.
    """
    path = Path(path).expanduser().absolute()
    asked = None if layout == AUTO else find_layout(layout)
    here = path
    for here in _steps(path):
        for known in LAYOUTS if asked is None else (asked,):
            evidence = known.recogniser(here)
            if evidence is not None:
                return FoundLayout(known, here, printable(evidence), here.relative_to(path).parts)
    if not path.exists():
        msg = f"Expected an image pool at {path}, found nothing there; correct the path."
        raise PoolError(msg)
    if asked is not None:
        return FoundLayout(asked, path, f"asked for; seen is {printable(look(path).described())}")
    raise PoolError(_nothing_fits(here))


def _steps(path: Path) -> Iterator[Path]:
    """The path, and what it wraps, and what that wraps; not what a folder of a method's results is itself."""
    for _ in range(_DEEPEST):
        inside = _known_wrapped(path)
        if inside is None:
            yield path
            inside = _only_wrapped(path)
        if inside is None:
            return
        path = inside


def _known_wrapped(path: Path) -> Path | None:
    """The pool in a folder of a method's results, or in a selection that was exported."""
    seen = look(path)
    names = [name for name in _WRAPPERS if name in seen.folders]
    if "images" in seen.folders and "manifest.json" in seen.files:
        names.append("images")
    return path / names[0] if names else None


def _only_wrapped(path: Path) -> Path | None:
    """The only subfolder of a folder without images, or its only file of tensors."""
    seen = look(path)
    if len(seen.folders) == 1 and not seen.images:
        return path / seen.folders[0]
    tensors = _tensor_files(seen)
    return path / tensors[0] if len(tensors) == 1 and not seen.folders and not seen.images else None


def _tensor_files(seen: Seen) -> list[str]:
    """Files of tensors that hold images; labels, and what is whitened and saved restored too, left out."""
    files = [name for name in seen.with_suffix(*TORCH_SUFFIXES) if not name.startswith("labels")]
    restored = {name.replace("images_zca_", "images_") for name in files if "images_zca_" in name}
    return [name for name in files if name not in restored]


def _nothing_fits(path: Path) -> str:
    seen = look(path)
    found = printable(seen.described())
    hint = "correct the path or name the layout"
    tensors = _tensor_files(seen)
    advice = one_to_choose_from(seen.folders)
    example = "" if advice is None else f", as {path / advice}"
    if are_splits(seen.folders):
        hint = f"give one split{example}"
    elif shared := shared_folders(path, seen.folders):
        found += f", which share {len(shared)} class folders"
        hint = (
            f"if they are splits, or pools of the same classes, give one of them{example}, or merge them "
            "(MergedFolders with `parts` in a config); if they are the classes, give the layout "
            "class_folders (--layout class_folders)"
        )
    elif len(tensors) > 1:
        hint = f"name one file of images, as {path / tensors[-1]}"
    elif flat := flat_split(seen):
        hint = _above(*flat)
    elif seen.images and not seen.folders:
        hint = "put the images of each class into a folder of their own"
    layouts = ", ".join(layout_names())
    return f"Expected an image pool at {path}, found {found}; {hint}. Layouts are {layouts}."


def _above(folder: Path, split: str) -> str:
    """What to give instead of a published split without class folders."""
    if split == "test":
        return "the classes of these test images are not published, give images that have labels"
    named = "" if folder.name == split else f", after naming {folder.name} {split!r}"
    return f"the classes stand beside it: give the folder above, {folder.parent}, and split {split!r}{named}"

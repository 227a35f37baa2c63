"""What tells the layouts of pools apart: each recogniser says in words what it saw, or nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.pools.class_folders import numbered_alike
from semdd_lightning.pools.files import is_folder, is_image_name, is_pool_folder, listable
from semdd_lightning.pools.metadata_folder import METADATA_NAMES
from semdd_lightning.pools.splits import are_splits, folder_split, shared_classes
from semdd_lightning.pools.tar_shards import first_members, inside_tar, is_compressed_tar

_CIFAR = (
    *("cifar-10-batches-py", "cifar-100-python", "cifar-10-batches-bin", "cifar-100-binary"),
    *("batches.meta", "data_batch_1.bin", "fine_label_names.txt"),
)
_FLAT_SPLIT = re.compile(r"(?:ILSVRC2012_)?(val|test)_\d+\.JPEG")
_COMPARED = 4  # folders whose subfolders are compared
_MOST_NAMES = 20_000  # of one folder; a pool with more classes, or a longer flat folder, is seen in part
_SAMPLED_FOLDERS, _SAMPLED_FILES = 4, 50


@dataclass(frozen=True)
class Seen:
    """Names in a folder, sorted, those with a leading dot left out.

    Args:
        path: The folder; or a file, which shows no names.
        folders: Names of folders.
        files: Names of files.
    """

    path: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Names of image files."""
        return tuple(name for name in self.files if is_image_name(name))

    def with_suffix(self, *suffixes: str) -> tuple[str, ...]:
        """Names of files that end so, in lower or upper case."""
        return tuple(name for name in self.files if name.lower().endswith(suffixes))

    def sampled(self) -> tuple[Seen, ...]:
        """What the first folders show, the first names of each."""
        return tuple(look(self.path / name, _SAMPLED_FILES) for name in self.folders[:_SAMPLED_FOLDERS])

    def described(self) -> str:
        """The names in words, for a message."""
        if self.path.is_file():
            return f"a file {self.path.name!r}"
        if not self.folders and not self.files:
            return "an empty folder"
        images, others = self.images, [name for name in self.files if not is_image_name(name)]
        parts = [
            f"{len(self.folders)} folders ({some_of(self.folders)})" if self.folders else "no folders",
            f"{len(images)} loose image files ({some_of(images)})" if images else "",
            f"{len(others)} other files ({some_of(others)})" if others else "",
        ]
        return " and ".join(part for part in parts if part)


def look(path: Path, most: int = _MOST_NAMES) -> Seen:
    """Look into a folder.

    Args:
        path: A folder or a file that exists.
        most: How many names to take at most, in the order that the file system gives them.

    Raises:
        PoolError: If it cannot be listed.
    """
    if not path.is_dir():
        return Seen(path)
    names: tuple[list[str], list[str]] = ([], [])
    with listable(path), os.scandir(path) as entries:  # tells folders from files without looking at each
        for entry in islice(entries, most):
            names[not is_folder(entry)].append(entry.name)
    folders, files = (tuple(sorted(filter(is_pool_folder, some))) for some in names)
    return Seen(path, folders, files)


Recogniser = Callable[[Seen], str | None]


def subset(seen: Seen) -> str | None:
    """The folder `images` of a selection that was exported."""
    path = seen.path
    exported = path.name == "images" and (path.parent / "manifest.json").is_file()
    return "the folder images beside manifest.json" if exported and path.is_dir() else None


def cifar(seen: Seen) -> str | None:
    """The folders of the official archives, or their content."""
    names = [name for name in _CIFAR if name in (*seen.folders, *seen.files)]
    if not names and {"meta", "train", "test"} <= set(seen.files):
        names = ["meta"]
    return f"{names[0]}, as in CIFAR's official archives" if names else None


def tiny_imagenet(seen: Seen) -> str | None:
    """`wnids.txt` beside `train`, or validation images with a list of annotations."""
    if "train" in seen.folders and "wnids.txt" in seen.files:
        return "wnids.txt beside the folder train"
    if "val" in seen.folders and "val_annotations.txt" in look(seen.path / "val").files:
        return "val/val_annotations.txt"
    return None


def imagenet(seen: Seen) -> str | None:
    """A folder `train` of wnids, or validation images as ILSVRC names them."""
    if "train" in seen.folders and _all_wnids(look(seen.path / "train")):
        return "a folder train of class folders named by wnid"
    if "val" in seen.folders:
        images = [name for name in look(seen.path / "val").images if name.startswith("ILSVRC2012_val_")]
        if images:
            return f"val/{images[0]}"
    return None


def file_named(pattern: str, what: str, seen: Seen) -> str | None:
    """One file of a certain name.

    Args:
        pattern: Regular expression of the whole name, letters of either case.
        what: What such a file is.
        seen: Where to look.
    """
    matches = seen.path.is_file() and re.fullmatch(pattern, seen.path.name, re.IGNORECASE)
    return f"{seen.path.name}, {what}" if matches else None


def parquet(seen: Seen) -> str | None:
    """Parquet files: one, in a folder without others, or in its folder `data`, as on the Hugging Face hub."""
    if seen.path.is_file():
        return f"{seen.path.name}, a parquet file" if seen.path.suffix.lower() == ".parquet" else None
    if set(seen.folders) - {"data"}:
        return None
    inside = look(seen.path / "data").files if "data" in seen.folders else ()
    found = [name for name in (*seen.files, *inside) if name.lower().endswith(".parquet")]
    return f"{len(found)} parquet files ({some_of(found)})" if found else None


def metadata_folder(seen: Seen) -> str | None:
    """A table `metadata` of file names, at the top or in a folder that is named as a split."""
    splits = (look(seen.path / name) for name in seen.folders if folder_split(name))
    for folder in chain([seen], splits):
        found = [name for name in METADATA_NAMES if name in folder.files]
        if found:
            table = (folder.path / found[0]).relative_to(seen.path)
            return f"{table}, a table of file names and labels"
    return None


def tar_shards(seen: Seen) -> str | None:
    """Tars whose images have their label beside them, or any folder or pattern of several tars."""
    path = seen.path
    if not path.exists():
        return "a pattern of tar shards" if re.search(r"\{.*(\.\.|,).*\}", path.name) else None
    if path.is_dir():
        shards = seen.with_suffix(".tar", ".tar.gz", ".tgz")
        return f"{len(shards)} tar files ({some_of(shards)})" if shards and not seen.folders else None
    if is_compressed_tar(path):
        return "a compressed tar"
    members = first_members(path)
    labels = [member.name for member in members if member.suffix.lower() in (".cls", ".json", ".txt")]
    images = any(is_image_name(member.name) for member in members)
    return f"a tar of images and labels, as {labels[0]}" if labels and images else None


def tar_of_folders(seen: Seen) -> str | None:
    """A tar whose images lie in folders."""
    archive, folder = inside_tar(seen.path)
    if folder is not None and archive.is_file():
        return f"the folder {folder} in a tar"
    members = first_members(archive)
    inside = [str(member) for member in members if is_image_name(member.name) and len(member.parts) > 1]
    return f"a tar of folders of images, as {inside[0]}" if inside else None


def parts(prefix: str, seen: Seen) -> str | None:
    """Folders whose names differ in a number and that hold the same class folders.

    Args:
        prefix: What their names begin with.
        seen: Where to look.
    """
    names = numbered_alike(seen.folders)
    if len(names) < 2 or not names[0].startswith(prefix) or are_splits(seen.folders):
        return None
    shared = shared_folders(seen.path, names)
    if len(shared) < len(names):  # more classes than subfolders, if they are classes: not for us to say
        return None
    return f"{len(names)} folders ({some_of(names)}) that share {len(shared)} class folders"


def shared_folders(path: Path, names: tuple[str, ...]) -> list[str]:
    """The class folders that folders have in common, if they are splits, or pools of the same classes.

    Args:
        path: Where the folders are.
        names: The folders.
    """
    places = {}
    for name in names[:_COMPARED]:
        seen = look(path / name)
        if seen.folders or seen.images:
            places[name] = (seen.folders, len(seen.images), sum(len(b.images) for b in seen.sampled()))
    return shared_classes(places)


def coda(seen: Seen) -> str | None:
    """Class folders named by wnid in the folder `generated_images`."""
    fits = seen.path.name == "generated_images" and _all_wnids(seen)
    return "class folders named by wnid in generated_images" if fits else None


def dgs(seen: Seen) -> str | None:
    """Class folders named by wnid that hold a table beside their images."""
    if not _all_wnids(seen):
        return None
    found = [{*folder.files} & {"selected.jsonl", "metadata.jsonl"} for folder in seen.sampled()]
    return f"{min(found[0])} beside the images of each wnid" if all(found) else None


def class_folders_named(folder: str, image: str, seen: Seen) -> str | None:
    """Class folders and images of certain names.

    Args:
        folder: Regular expression of every folder's name.
        image: Regular expression of the images' names; ``{folder}`` stands for that of their folder.
        seen: Where to look.
    """
    if not seen.folders or not all(re.fullmatch(folder, name) for name in seen.folders):
        return None
    examples = []
    for inside in seen.sampled():
        named = re.compile(image.replace("{folder}", re.escape(inside.path.name)), re.IGNORECASE)
        if not all(map(named.fullmatch, inside.images)):
            return None
        examples += [f"{inside.path.name}/{name}" for name in inside.images[:1]]
    return f"{len(seen.folders)} class folders with images as {examples[0]}" if examples else None


def class_folders(seen: Seen) -> str | None:
    """Any folders with images in them or further below, unless they are splits or several pools."""
    if not seen.folders or are_splits(seen.folders) or flat_split(seen):
        return None
    sampled = seen.sampled()
    if (len(seen.folders) == 1 and flat_split(sampled[0])) or shared_folders(seen.path, seen.folders):
        return None
    if len(seen.folders) == 1 and metadata_folder(look(sampled[0].path)):  # a split, whatever it is called
        return None
    below = (deeper for inside in sampled if len(seen.folders) > 1 for deeper in inside.sampled())
    for places, where in ((sampled, "images as"), (below, "images further below, as")):
        for place in places:
            if place.images:
                example = (place.path / place.images[0]).relative_to(seen.path)
                return f"{len(seen.folders)} folders with {where} {example}"
    return None


def flat_split(seen: Seen) -> tuple[Path, str] | None:
    """The folder and the name of a split that ImageNet or Tiny-ImageNet publish without class folders.

    Validation images in a folder named by wnid are those of one class.

    Args:
        seen: The split, its folder `images`, or anything else.
    """
    inside = look(seen.path / "images") if "images" in seen.folders else seen
    matches = [_FLAT_SPLIT.fullmatch(name) for name in inside.images]
    if not matches or matches[0] is None or not all(matches) or is_wnid(inside.path.name):
        return None
    folder = inside.path.parent if inside.path.name == "images" else inside.path
    return folder, matches[0][1]


def _all_wnids(seen: Seen) -> bool:
    return bool(seen.folders) and all(map(is_wnid, seen.folders))

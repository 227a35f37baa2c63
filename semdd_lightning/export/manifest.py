"""The manifest: everything that is needed to make a selection again, and what came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib import import_module
from inspect import isabstract
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field, with_config

from semdd_lightning import __version__
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import RunError
from semdd_lightning.export.choices import ChoicesRecord
from semdd_lightning.given import given_path
from semdd_lightning.records import RECORD, in_words, read_record

FORMAT: Literal[2] = 2
FILE_NAME = "manifest.json"
Component = TypeVar("Component")


@with_config(RECORD)
@dataclass(frozen=True)
class Manifest:
    """How a selection was made and which images it holds.

    Attributes:
        pool: the reader, as class path and arguments.
        prior: the CLIP model, likewise, or several of them.
        sampler: the sampler, likewise.
        sampler_name: the sampler's short name.
        ipc: images per class.
        selection_seed: seed of samplers that draw.
        pool_root: absolute path of the folder or file that the pool was read from.
        pool_fingerprint: SHA-256 over path and content of every usable pool image.
        embeddings_key: key of the image embeddings in the cache: CLIP with its settings, and the pool.
        text_key: key of the text prototypes in the cache: CLIP, prompts and class names.
        embeddings_digest: SHA-256 over everything that the sampler saw, to the last bit.
        cache_dir: absolute root of the cache, where one was given.
        reference: the reader of the real images that image prototypes were taken from, if any.
        reference_key: key of their embeddings in the cache, if any.
        selection_digest: SHA-256 over the chosen rows.
        class_names: classes in order.
        class_folders: their folders in the pool.
        class_wnids: their wnids, if known.
        paths: chosen images, class by class, in the order they were picked.
        labels: class index of each.
        classifier: the classifier that samplers and scores asked, if any.
        classifier_key: key in the cache of what it said of the pool, if any.
        learning_key: key in the cache of what a student learned from the pool, where a score asks for that.
        digests: SHA-256 of the bytes of each chosen image; None in manifests of version 0.2.
        applied_to: the reader of the copy of the pool that `semdd apply` took the images from, if it did.
        choices: what people decided about single images, if anything.
        semdd_version: version that wrote the manifest.
        format: version of this record.
        table_digest: SHA-256 of the score table beside it; None before it is exported.
    """

    pool: dict[str, Any]
    prior: dict[str, Any] | tuple[dict[str, Any], ...]
    sampler: dict[str, Any]
    sampler_name: str
    ipc: Annotated[int, Field(ge=1)]
    selection_seed: int
    pool_root: str
    pool_fingerprint: str
    embeddings_key: str
    text_key: str
    embeddings_digest: str
    cache_dir: str | None
    reference: dict[str, Any] | None
    reference_key: str | None
    selection_digest: str
    class_names: tuple[str, ...]
    class_folders: tuple[str, ...]
    class_wnids: tuple[str, ...] | None
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    classifier: dict[str, Any] | None = None
    classifier_key: str | None = None
    learning_key: str | None = None
    digests: tuple[str, ...] | None = None
    applied_to: dict[str, Any] | None = None
    choices: ChoicesRecord | None = None
    semdd_version: str = __version__
    format: Literal[2] = FORMAT
    table_digest: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        names, wnids, digests = len(self.class_names), self.class_wnids, self.digests
        together = {
            "paths, one label each": len(self.paths) == len(self.labels),
            "labels of its classes": all(0 <= label < names for label in self.labels),
            "a folder of each class": len(self.class_folders) == names,
            "a wnid of each class": wnids is None or len(wnids) == names,
            "a digest of each image": digests is None or len(digests) == len(self.paths),
        }
        for what, holds in together.items():
            if not holds:
                msg = f"Expected a manifest with {what}, found another; make the selection again."
                raise RunError(msg)

    @property
    def registry(self) -> ClassRegistry:
        """The classes, with their folders in the pool."""
        return ClassRegistry(self.class_names, self.class_folders, self.class_wnids, folders_given=True)

    @property
    def steps(self) -> list[int]:
        """At which step of its class each image was picked, from 1 on."""
        picked = {label: count(1) for label in set(self.labels)}
        return [next(picked[label]) for label in self.labels]


def describe(component: object) -> dict[str, Any]:
    """A configured component as ``class_path`` and ``init_args``, the form that configs use."""
    if not is_dataclass(component) or isinstance(component, type):
        msg = (
            f"Expected a component made by a dataclass, found {type(component).__name__}; "
            "decorate it with @dataclass(frozen=True) so that a manifest can describe it."
        )
        raise RunError(msg)
    return {
        "class_path": class_path(type(component)),
        "init_args": json.loads(json.dumps(asdict(component), default=_plain)),
    }


def class_path(kind: type) -> str:
    """The path by which a record names a class: that of the package that offers it, in which files may move.

    Args:
        kind: the class.
    """
    return _public_path(f"{kind.__module__}.{kind.__qualname__}")


def build_component(description: dict[str, Any], base: Callable[..., Component]) -> Component:
    """Make the component that `describe` described.

    Args:
        description: ``class_path`` and ``init_args``; for a class that has no kinds, as a config gives it,
            the arguments alone will do.
        base: the class, or what it derives from.

    Raises:
        RunError: if the description does not name a kind of ``base`` or its arguments do not fit.
    """
    from jsonargparse import ArgumentParser

    kind = cast("type[Component]", base)  # a `type[...]` in the signature would keep abstract classes out
    parser = ArgumentParser(exit_on_error=False)
    try:
        if isabstract(kind):
            parser.add_subclass_arguments(kind, "component", required=True)
            if isinstance(description.get("class_path"), str):
                description = {**description, "class_path": _public_path(description["class_path"])}
            config = parser.parse_object({"component": description})
        else:
            parser.add_class_arguments(kind, "component")
            named = description.get("class_path", kind.__name__)
            if named.rpartition(".")[2] != kind.__name__:
                msg = f"it is a {named}"
                raise ValueError(msg)
            config = parser.parse_object({"component": description.get("init_args", description)})
        component: Component = parser.instantiate(config).component
    except Exception as error:
        msg = (
            f"Expected a {kind.__name__} as {description}, found that it cannot be built "
            f"({in_words(error)}); install the version of the package that wrote it, or make the selection "
            "again."
        )
        raise RunError(msg) from error
    return component


def read_manifest(place: Path | str) -> Manifest:
    """Read the manifest of a run or an exported subset.

    Args:
        place: the directory, or the manifest itself.

    Raises:
        RunError: if there is none, it was changed since, or it is of another form.
    """
    return read_record(manifest_file(place), Manifest, RunError, "make the selection again")


def manifest_file(place: Path | str) -> Path:
    """Where the manifest of a run or an exported subset lies.

    Raises:
        RunError: if there is none.
    """
    place = given_path("the directory of a run", place)
    candidates = (place, place / FILE_NAME, place / "subset" / FILE_NAME)
    found = [path for path in candidates if path.is_file()]
    if not found:
        msg = (
            f"Expected {FILE_NAME} in {place} or {place / 'subset'}, found none; give the directory "
            "of a finished `semdd select` or `semdd fit`."
        )
        raise RunError(msg)
    return found[0]


def _public_path(path: str) -> str:
    """The path of a class in the package that offers it, whatever file it was in when that was written.

    >>> _public_path("semdd_lightning.selection.two_stage.TwoStage")
    'semdd_lightning.selection.TwoStage'
    """
    root, *parts = path.split(".")
    if root != __name__.partition(".")[0] or len(parts) < 3:
        return path
    package = f"{root}.{parts[0]}"
    return f"{package}.{parts[-1]}" if hasattr(import_module(package), parts[-1]) else path


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    msg = f"Expected a plain value in a component, found {value!r}; use numbers, text, paths and tuples."
    raise RunError(msg)

"""Finds a score or sampler by short name, by class path, or in an installed package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isabstract
from typing import ClassVar, TypeVar, cast

from semdd_lightning.errors import SelectionError


class Named:
    """What scores and samplers are called.

    A class that gives itself no name has its path as one, and the first line of its docstring as meaning.

    Attributes:
        name: Its short name.
        meaning: One line that help and documentation show beside the name.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = f"{cls.__module__}.{cls.__qualname__}"
        if "meaning" not in vars(cls):
            cls.meaning = (cls.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


T = TypeVar("T", bound=Named)


def names_in(group: str, own: Mapping[str, type[T]]) -> list[str]:
    """All short names: those of this package, then those of installed packages.

    Args:
        group: Entry-point group, as ``semdd_lightning.samplers``.
        own: The registry of this package, which wins where names are the same.
    """
    return [*own, *sorted({point.name for point in entry_points(group=group)} - own.keys())]


def meanings_in(group: str, what: str, own: Mapping[str, type[T]], base: type[T]) -> dict[str, str]:
    """All short names, each with its meaning; that of an installed one which cannot be used says why.

    Args:
        group: Entry-point group of installed packages.
        what: ``sampler`` or ``score``.
        own: The registry of this package.
        base: What each class has to derive from.
    """
    meanings = {}
    for name in names_in(group, own):
        try:
            meanings[name] = find_kind(name, what, group, own, base).meaning
        except SelectionError as error:
            meanings[name] = " ".join(f"cannot be used: {error}".split())
    return meanings


def find_kind(name: str, what: str, group: str, own: Mapping[str, type[T]], base: type[T]) -> type[T]:
    """The class that a name stands for.

    Args:
        name: A short name, the name of a class of this package, or the path of a class, as
            ``my_package.MySampler``.
        what: What is looked for, as in the error: ``sampler`` or ``score``.
        group: Entry-point group of installed packages.
        own: The registry of this package.
        base: What the class has to derive from.

    Raises:
        SelectionError: If there is no such name, or it is none of these.
    """
    if not isinstance(name, str):
        msg = f"Expected a {what} or the name of one, found {name!r}; give a name, as {next(iter(own))}."
        raise SelectionError(msg)
    known = {kind.__name__: kind for kind in own.values()} | dict(own)
    if name in known:
        return known[name]
    points = [point for point in entry_points(group=group) if point.name == name]
    if not points and not {".", ":"} & set(name):
        msg = (
            f"Expected a {what} out of {', '.join(names_in(group, own))}, found {name!r}; choose one of "
            f"these names, or give the path of a class, as my_package.My{what.capitalize()}."
        )
        raise SelectionError(msg)
    try:
        found: object = points[0].load() if points else _import(name)
    except (Exception, SystemExit) as error:  # whatever the foreign module does when it is imported
        msg = (
            f"Expected {name!r} to be the path of a {what}, found that it cannot be imported ({error}); "
            "correct the path, and run where Python finds the module."
        )
        raise SelectionError(msg) from error
    is_one = isinstance(found, type) and issubclass(found, base)
    if not is_one or isabstract(found) or not is_dataclass(found):
        msg = (
            f"Expected {name!r} to be a dataclass that derives from {base.__module__}.{base.__name__} and "
            f"has all its methods, found {found!r}; see docs/extending.md."
        )
        raise SelectionError(msg)
    kind = cast("type[T]", found)
    if own.get(kind.name, kind) is not kind:
        msg = (
            f"Expected {name!r} to have a name of its own, found {kind.name!r}, which is a {what} of this "
            "package; give the class another name."
        )
        raise SelectionError(msg)
    return kind


def make(kind: type[T], what: str) -> T:
    """An instance with default parameters.

    Args:
        kind: The class.
        what: ``sampler`` or ``score``, for the error.

    Raises:
        SelectionError: If it has parameters without default.
    """
    try:
        return kind()
    except TypeError as error:
        msg = (
            f"Expected the {what} {kind.__name__} to have defaults for all parameters, found: {error}; give "
            "it with arguments, as class_path and init_args."
        )
        raise SelectionError(msg) from error


def _import(path: str) -> object:
    module, _, name = path.replace(":", ".").rpartition(".")
    return getattr(import_module(module), name)

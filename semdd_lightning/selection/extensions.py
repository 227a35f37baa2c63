"""Finds a score or sampler by short name, by class path, or in an installed package."""

from __future__ import annotations

from collections.abc import Iterable
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


class Registry(dict[str, type[T]]):
    """The scores or samplers of this package by short name, which finds those of others as well.

    Args:
        what: ``sampler`` or ``score``; installed packages offer theirs in the entry-point group of that name.
        base: What each class has to derive from.
        own: The classes of this package, whose names nobody else can take.
    """

    def __init__(self, what: str, base: type[T], own: Iterable[type[T]]) -> None:
        super().__init__({kind.name: kind for kind in own})
        self._what, self._base, self._group = what, base, f"semdd_lightning.{what}s"

    def meanings(self) -> dict[str, str]:
        """All short names, those of installed packages behind, each with its meaning.

        That of an installed one which cannot be used says why.
        """
        meanings = {}
        for name in self._names():
            try:
                meanings[name] = self.find(name).meaning
            except SelectionError as error:
                meanings[name] = " ".join(f"cannot be used: {error}".split())
        return meanings

    def find(self, name: str) -> type[T]:
        """The class that a name stands for.

        Args:
            name: A short name, the name of a class of this package, or the path of a class, as
                ``my_package.MySampler``.

        Raises:
            SelectionError: If there is no such name, or it is none of these.
        """
        what, base = self._what, self._base
        if not isinstance(name, str):
            msg = f"Expected a {what} or the name of one, found {name!r}; give a name, as {next(iter(self))}."
            raise SelectionError(msg)
        known = {kind.__name__: kind for kind in self.values()} | self
        if name in known:
            return known[name]
        points = [point for point in entry_points(group=self._group) if point.name == name]
        if not points and not {".", ":"} & set(name):
            msg = (
                f"Expected a {what} out of {', '.join(self._names())}, found {name!r}; choose one of "
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
                f"Expected {name!r} to be a dataclass that derives from {base.__module__}.{base.__name__} "
                f"and has all its methods, found {found!r}; see docs/extending.md."
            )
            raise SelectionError(msg)
        kind = cast("type[T]", found)
        if self.get(kind.name, kind) is not kind:
            msg = (
                f"Expected {name!r} to have a name of its own, found {kind.name!r}, which is a {what} of "
                "this package; give the class another name."
            )
            raise SelectionError(msg)
        return kind

    def build(self, name: str) -> T:
        """A score or sampler with default parameters.

        Args:
            name: As `find` takes it.

        Raises:
            SelectionError: If there is none of this name, or it has parameters without default.
        """
        kind = self.find(name)
        try:
            return kind()
        except TypeError as error:
            msg = (
                f"Expected the {self._what} {kind.__name__} to have defaults for all parameters, found: "
                f"{error}; give it with arguments, as class_path and init_args."
            )
            raise SelectionError(msg) from error

    def _names(self) -> list[str]:
        return [*self, *sorted({point.name for point in entry_points(group=self._group)} - self.keys())]


def _import(path: str) -> object:
    module, _, name = path.replace(":", ".").rpartition(".")
    return getattr(import_module(module), name)

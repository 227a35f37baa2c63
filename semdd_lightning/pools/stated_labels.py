"""Labels as a file states them, numbers or names, and which class of the registry each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from semdd_lightning.classes import ClassRegistry, resolve_classes
from semdd_lightning.classes.folders import in_order, numbered_name
from semdd_lightning.classes.registry import is_wnid, some_of
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.names import get_logger
from semdd_lightning.pools.image_set import Found
from semdd_lightning.pools.listing import ImageSource, Listing, class_paths
from semdd_lightning.pools.strings import Strings
from semdd_lightning.pools.table_columns import is_text

_log = get_logger(__name__)

_LONGEST_FOLDER = 200  # bytes; file systems take 255, and exports add to it


Located = tuple[NDArray[np.int64], ImageSource, Mapping[int, str]]
"""Stamps, source and problems of images, as a `Listing` has them."""


@dataclass(frozen=True, eq=False)
class StatedLabels:
    """The labels of a file before they are anybody's classes.

    Args:
        names: Every label that the file knows, in its own order.
        codes: Position in `names` of each image's label, -1 where it has none, shape ``(N,)``.
        numbered: Whether the labels are bare class indices and `names` just these numbers.
        place: Where they stand, for messages.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    numbered: bool
    place: str

    def registry(self, classes: ClassRegistry | None) -> ClassRegistry:
        """The classes, each with the folder that the paths of its images begin with.

        Bare numbers are class indices from 0 on, unless the class list has folders: they say which number is
        which class. Names are matched as names of class folders are.

        Args:
            classes: The class list; without one the file's own labels are the classes, in its order.

        Raises:
            ClassListError: If labels and class list do not fit, or a class has no image.
        """
        present = np.unique(self.codes[self.codes >= 0]).tolist()
        folders = folder_names(self.names)
        by_name = not self.numbered or (classes is not None and set(self.names) <= set(classes.names))
        if classes is not None and (classes.has_explicit_folders or by_name):
            matched = read_as_folders([self.names[code] for code in present], classes, self.place)
            of_name = dict(zip(self.names, folders, strict=True))
            return replace(matched, folders=tuple(of_name[name] for name in matched.folders))
        if classes is not None:
            beyond = [name for name in self.names if int(name) >= len(classes)]
            if beyond:
                msg = (
                    f"Expected labels from 0 to {len(classes) - 1} in {self.place}, one for each class of "
                    f"the class list, found {some_of(beyond)}; correct the class list."
                )
                raise ClassListError(msg)
            numbers = tuple(str(index) for index in range(len(classes)))
            registry = replace(classes, folders=numbers, folders_given=True)
        else:
            wnids = self.names if all(is_wnid(name) for name in self.names) else None
            registry = ClassRegistry(self.names, folders, wnids, folders_given=True)
        used = {folders[code] for code in present}
        missing = [folder for folder in registry.folders if folder not in used]
        if missing:
            msg = (
                f"Expected images of all {len(registry)} classes in {self.place}, found none labelled "
                f"{some_of(missing)}; add images, or give a class list of the classes that it holds."
            )
            raise ClassListError(msg)
        return registry

    def found(
        self,
        root: Path,
        names: Strings,
        what: str,
        locate: Callable[[NDArray[np.int64]], Located],
        class_list: ClassRegistry | None,
    ) -> Found:
        """The classes, and the listing of every image that has a label, as ``<class>/<name>``.

        Args:
            root: Folder, or file, that the images were read from.
            names: Name of each image, which comes below its class folder.
            what: What the images are, in the plural, for a warning of those without a label.
            locate: Says where the images of rows are; asked once they are listed.
            class_list: The class list; without one the labels are the classes.

        Raises:
            ClassListError: If labels and class list do not fit, or a class has no image.
        """
        classes = self.registry(class_list)

        def list_images() -> Listing:
            index = {folder: c for c, folder in enumerate(classes.folders)}
            of_labels = [index.get(folder, -1) for folder in folder_names(self.names)]
            indices = np.array([*of_labels, -1], dtype=np.int64)[self.codes]
            rows = np.flatnonzero(indices >= 0)
            if len(rows) < len(indices):
                _log.warning("%d %s have no label and are ignored.", len(indices) - len(rows), what)
            paths = class_paths(classes, indices[rows], names.take(rows))
            order = paths.order()
            rows, paths = rows[order], paths.take(order)
            return Listing(root, paths, indices[rows], *locate(rows))

        return classes, list_images


def labels_from_column(
    column: pa.ChunkedArray, place: str, class_names: tuple[str, ...] | None = None
) -> StatedLabels:
    """Read a column of labels: texts, or numbers with or without names; nulls and empty texts are no labels.

    Args:
        column: The labels, ``(N,)``.
        place: Where they stand, for messages.
        class_names: What the numbers mean, where the file says; then -1 too is no label.

    Raises:
        PoolError: If it holds no labels, or what cannot be one.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.string())
    if is_text(column.type):
        texts = Strings(pc.utf8_trim_whitespace(column))
        names = tuple(in_order(text for text in pc.unique(texts.column).to_pylist() if text))
        stated = StatedLabels(names, Strings(names).positions(texts), False, place)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values, codes = pc.fill_null(column, 0).to_numpy(), np.full(len(column), -1)
        rows = np.flatnonzero(pc.is_valid(column).to_numpy() & ~np.isnan(values))
        stated = labels_from_numbers(values[rows], place, class_names)
        codes[rows] = stated.codes
        stated = replace(stated, codes=codes)
    elif pa.types.is_null(column.type):
        stated = StatedLabels((), np.full(len(column), -1), False, place)
    else:
        msg = (
            f"Expected class numbers or names as labels in {place}, found values of type {column.type}; "
            "name another column."
        )
        raise PoolError(msg)
    if not (stated.codes >= 0).any():
        msg = f"Expected labels in {place}, found none in {len(column)} rows; this split may have none."
        raise PoolError(msg)
    return stated


def numbers_or_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels out of a file that knows nothing but texts: class indices if all are whole numbers, as 0 and 12.

    Any other text stays what it is, also where it could be read as a number: ``01``, ``1e3``, ``1.0``.

    Args:
        texts: The labels, ``(N,)``; the empty text is none.
    """
    filled = pc.if_else(pc.equal(texts, ""), None, texts)
    whole = pc.all(pc.match_substring_regex(filled, "^(-?[1-9][0-9]{0,17}|0)$"))
    return filled.cast(pa.int64()) if whole.as_py() else texts


def labels_from_numbers(
    values: NDArray[np.number], place: str, class_names: tuple[str, ...] | None = None
) -> StatedLabels:
    """Read labels that are class indices.

    Args:
        values: The indices, whole numbers of any type, shape ``(N,)``.
        place: Where they stand, for messages.
        class_names: What the indices mean, where the file says; then -1 is no label.

    Raises:
        PoolError: If one is not a whole number from 0 on, or beyond the names.
    """
    whole = np.isfinite(values) & (values == np.rint(values))
    if not whole.all():
        msg = f"Expected whole numbers as labels in {place}, found {values[~whole][0]:g}; correct the labels."
        raise PoolError(msg)
    lowest, top = (0, np.iinfo(np.int32).max) if class_names is None else (-1, len(class_names) - 1)
    wrong = (values < lowest) | (values > top)
    if wrong.any():
        until = "on" if class_names is None else f"to {top}"
        msg = (
            f"Expected labels from 0 {until} in {place}, found {values[wrong][0]:g}; "
            "correct the labels or the class names."
        )
        raise PoolError(msg)
    if class_names is not None:
        return StatedLabels(class_names, values.astype(np.int64), False, place)
    distinct, codes = np.unique(values.astype(np.int64), return_inverse=True)
    return StatedLabels(tuple(map(str, distinct.tolist())), codes, True, place)


def folder_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """A folder for each label: its name where all are fit for folders and differ, else its number.

    >>> folder_names(("tench", "great white shark")), folder_names(("a/b", "c")), folder_names(("01", "1"))
    (('tench', 'great white shark'), ('0', '1'), ('0', '1'))

    Args:
        names: The labels, in order.
    """
    fit = all(
        name.isprintable()
        and name == name.strip()
        and not name.startswith(".")
        and not {"/", "\\"} & set(name)
        and 0 < len(name.encode()) <= _LONGEST_FOLDER
        for name in names
    )
    # Some file systems fold case, and folders are counted by their numbers.
    meant = {numbered_name(name) or name.casefold() for name in names}
    if fit and len(meant) == len({name.casefold() for name in names}) == len(names):
        return names
    return tuple(str(number) for number in range(len(names)))


def numbered_names(stem: str, count: int, suffix: str | Strings) -> Strings:
    """Names ``<stem>-<row><suffix>`` of all rows, padded so that they sort as numbers.

    >>> list(numbered_names("images", 11, ".png"))[-2:]
    ['images-09.png', 'images-10.png']

    Args:
        stem: What the names begin with.
        count: How many rows there are.
        suffix: What the names end in, or what each does.
    """
    rows = pa.array(np.arange(count)).cast(pa.large_string())
    return Strings.joined(f"{stem}-", Strings(pc.utf8_lpad(rows, len(str(max(count - 1, 0))), "0")), suffix)


def read_as_folders(names: Sequence[str], classes: ClassRegistry | None, place: str) -> ClassRegistry:
    """The classes of labels that are read as names of class folders are.

    Args:
        names: The labels.
        classes: The class list, if any.
        place: Where they stand, for messages.

    Raises:
        ClassListError: If they do not fit.
    """
    try:
        return resolve_classes(names, classes)
    except ClassListError as error:
        msg = f"The labels in {place}, read as names of class folders: {error}"
        raise ClassListError(msg) from error

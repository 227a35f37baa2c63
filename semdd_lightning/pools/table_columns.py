"""Which columns of a table hold the images and the labels, and what its schema says of the classes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from semdd_lightning.classes.registry import some_of
from semdd_lightning.errors import PoolError

_LABEL_NAMES = frozenset({"label", "labels", "class", "class_name", "category"})


def image_column(schema: pa.Schema, wanted: str | None, place: Path) -> str:
    """The column of encoded images: bytes, or the Hugging Face hub's struct of bytes and path.

    Args:
        schema: The table's schema.
        wanted: Its name (default: found by its type).
        place: The file, for messages.

    Raises:
        PoolError: If there is none, or several.
    """
    fitting = [field.name for field in schema if _holds_images(field.type)]
    return _choose(
        wanted, fitting, [fitting], schema, f"images in {place}", "image_column (--reader image_column=NAME)"
    )


def label_column(schema: pa.Schema, wanted: str | None, place: Path, *, by_type: bool) -> str:
    """The column of labels: the hub's ClassLabel, else one of a usual name, else one of a fit type.

    Args:
        schema: The table's schema.
        wanted: Its name (default: found).
        place: The file, for messages.
        by_type: Whether its type alone is enough, where it is the only one of that type.

    Raises:
        PoolError: If there is none, or several.
    """
    fields = [field for field in schema if _holds_labels(field.type)]
    fitting = [field.name for field in fields]
    stated = [name for name in fitting if wanted is None and class_names(schema, name, place) is not None]
    usual = [name for name in fitting if name.lower() in _LABEL_NAMES]
    numbers_or_texts = [field.name for field in fields if not pa.types.is_boolean(field.type)]
    ranks = [stated, usual, numbers_or_texts] if by_type else [stated, usual]
    return _choose(wanted, fitting, ranks, schema, f"labels in {place}", "label_column (--label-column NAME)")


def class_names(schema: pa.Schema, column: str, place: Path) -> tuple[str, ...] | None:
    """What the numbers of a label column mean, where the hub's metadata of a schema say so.

    Args:
        schema: The table's schema.
        column: Name of the label column.
        place: The file, for messages.

    Raises:
        PoolError: If the metadata are malformed.
    """
    text = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = dict(json.loads(text or b"{}").get("info", {}).get("features") or {}).get(column)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        msg = (
            f"Expected JSON of features as `huggingface` metadata of {place}, found: {error}; write it anew."
        )
        raise PoolError(msg) from error
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        msg = f"Expected class names for column {column!r} in {place}, found {names!r}; write the file anew."
        raise PoolError(msg)
    return tuple(names)


def _choose(
    wanted: str | None, fitting: list[str], ranks: list[list[str]], schema: pa.Schema, what: str, option: str
) -> str:
    """The wanted one of the columns that fit, else the one column of the first rank that has any."""
    described = ", ".join(f"{field.name} ({field.type})" for field in schema) or "no columns"
    if wanted is not None:
        if fitting.count(wanted) != 1:
            msg = f"Expected one column {wanted!r} of {what}, found {described}; correct the name."
            raise PoolError(msg)
        return wanted
    for names in ranks:
        if len(names) == 1:
            return names[0]
        if names:
            advice = f"name one as {option}" if len(set(names)) > 1 else "rename one of them"
            msg = f"Expected one column of {what}, found {some_of(names)}; {advice}."
            raise PoolError(msg)
    msg = f"Expected a column of {what}, found {described}; name one as {option}."
    raise PoolError(msg)


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and (_is_binary(kind.field(index).type) or pa.types.is_null(kind.field(index).type))
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_labels(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_text(kind) or number or pa.types.is_boolean(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

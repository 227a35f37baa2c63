"""The class of a sample, out of the small text or JSON that lies beside its image."""

from __future__ import annotations

import json
import re
from typing import Literal

LabelKind = Literal["cls", "json", "txt", "folder"]

_JSON_KEYS = ("label", "class", "cls", "target", "class_id", "class_index", "class_name", "wnid")


def label_text(value: object) -> str:
    """A class label as a text: a number without padding, a name without space around it.

    >>> label_text(7), label_text(7.0), label_text(" tench "), label_text(-1), label_text("007")
    ('7', '7', 'tench', '-1', '007')

    Args:
        value: What stands for the class; anything but a whole number or a text gives the empty text.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tables with gaps store whole numbers as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


class LabelFinder:
    """Reads labels from the members of tar shards, in the order in which they come.

    Where no kind is asked for, ``.cls`` members win over ``.json`` members, which are not even read once a
    ``.cls`` member was seen.

    Args:
        kind: Ending of the members that hold labels; `folder` reads none; none stands for `cls` and `json`.
        key: Key of the label in a ``.json`` member; none takes the first usual one, and then keeps to it.
    """

    def __init__(self, kind: LabelKind | None, key: str | None) -> None:
        self._kinds = {"cls", "json"} if kind is None else {kind} - {"folder"}
        self._key = key

    def wants(self, ending: str) -> bool:
        """Whether members of this ending have to be read."""
        return ending in self._kinds

    def read(self, ending: str, content: bytes) -> str:
        """The label in a member that is wanted, or the empty text if there is none.

        Args:
            ending: Ending of the member, `cls`, `json` or `txt`.
            content: The member.
        """
        try:
            text = content.decode("utf-8-sig")
            if ending == "json":
                return self._from_json(json.loads(text))
        except (ValueError, RecursionError):  # not UTF-8, not JSON
            return ""
        if ending == "cls":
            self._kinds.discard("json")
            number = text.strip()  # WebDataset decodes it as one, whatever its padding
            return str(int(number)) if re.fullmatch(r"-?[0-9]{1,18}", number) else number
        return label_text(text)

    def _from_json(self, record: object) -> str:
        if not isinstance(record, dict):
            return ""
        if self._key is None:
            self._key = next((key for key in _JSON_KEYS if label_text(record.get(key))), None)
        return label_text(record.get(self._key))

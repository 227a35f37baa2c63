"""Damage to files: to any bytes, and to what a JSON record says."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from semdd_lightning.records import DIGEST, content_key

DEEP = "[" * 100_000
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    0.5,
    10**12,
    10**400,
    1e308,
    "",
    "x",
    "\x1b[31m[/red]",
    "\ud800",
    "../" * 9,
    [],
    ["x"],
    {},
    {"x": {"x": [0]}},
)


def damaged(content: bytes, random: Random) -> bytes:
    """Bytes as a bad disk, a cut copy or a careless hand leaves them."""
    ways: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _flip, _scatter, _cut, _grow, _blank, _swap)
    return random.choice(ways)(content, random)


def changed(content: bytes, random: Random) -> tuple[bytes, bool]:
    """A JSON record that says something else, and whether its digest was made to fit."""
    record = json.loads(content)
    for _ in range(random.randint(1, 3)):
        _change(record, random)
    honest = random.random() < 0.5
    if honest and isinstance(record, dict):
        record.pop(DIGEST, None)
        record[DIGEST] = content_key(record)
    text = json.dumps(record, allow_nan=True)
    if random.random() < 0.2:
        name = random.choice(list(record)) if record else "x"
        wrong = random.choice(("NaN", "Infinity", "1e999", DEEP, '"\\u0000"', "{", "1" * 5000))
        text = (
            f'{{"{name}": {wrong}, {text[1:]}' if random.random() < 0.5 else text[:-1] + f', "y": {wrong}}}'
        )
        honest = False
    return text.encode("utf-8", "surrogatepass"), honest


def _change(record: Any, random: Random) -> None:  # noqa: ANN401 - any JSON
    """Put something odd at a random place, or take something away."""
    place = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = random.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and random.random() < 0.7:
            place = place[key]
            continue
        break
    if random.random() < 0.2:
        del place[key]
    elif random.random() < 0.1 and isinstance(place, dict):
        place["unknown"] = random.choice(ODD)
    else:
        place[key] = random.choice(ODD)


def _flip(content: bytes, random: Random) -> bytes:
    found = bytearray(content)
    if found:
        found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _scatter(content: bytes, random: Random) -> bytes:
    found = bytearray(content)
    for _ in range(min(len(found), random.randint(2, 20))):
        found[random.randrange(len(found))] = random.randrange(256)
    return bytes(found)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _grow(content: bytes, random: Random) -> bytes:
    return content + random.randbytes(random.randint(1, 99))


def _blank(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    length = random.randint(1, 512)
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def _swap(content: bytes, random: Random) -> bytes:
    length = random.randint(1, max(1, len(content) // 4))
    first, second = (random.randrange(max(1, len(content) - length)) for _ in range(2))
    found = bytearray(content)
    found[first : first + length] = content[second : second + length]
    return bytes(found)

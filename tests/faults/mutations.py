"""Ways to damage the files of a pool, drawn from a generator: a number makes one damage again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Files = dict[str, bytes]
Mutation = Callable[[Files, np.random.Generator], Files]

ODD_NAMES = (
    "[red]x", "\x1b[31m", "a\nb", "x" * 200, "x.y.z", ".hidden", "-x", "=1+1", "é", "e\u0301", "\u202e",
    "x.txt", "x.PNG", "0", "00", "1e3", "true", "test", "$x^$", "\udcff", " ", "metadata.csv", "train",
)  # fmt: skip
ODD_TEXTS = (
    b"", b"\xff\xfe", b"\x00", b"[" * 10_000, b"null", b"NaN", b"1e999", b"-1", b"0.5", b'{"a": 1}', b"001",
    b"9" * 30, b"9" * 5_000, b"../../x.png", b"/etc/x", b"x" * 5_000, b'"', b"\xef\xbb\xbf", b"true",
    b"2020-01-01",
)  # fmt: skip


def _one(files: Files, rng: np.random.Generator) -> str:
    """A file, those that are no images more often."""
    names = sorted(files)
    others = [name for name in names if not name.lower().endswith((".png", ".jpg", ".jpeg"))]
    some = others if others and rng.random() < 0.7 else names
    return some[int(rng.integers(len(some)))]


def flip_bits(files: Files, rng: np.random.Generator) -> Files:
    name = _one(files, rng)
    content = bytearray(files[name])
    for _ in range(int(rng.integers(1, 4)) if content else 0):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return {**files, name: bytes(content)}


def truncate(files: Files, rng: np.random.Generator) -> Files:
    name = _one(files, rng)
    return {**files, name: files[name][: int(rng.integers(len(files[name]) + 1))]}


def splice(files: Files, rng: np.random.Generator) -> Files:
    """Odd bytes put in, or in the place of others."""
    name = _one(files, rng)
    content, odd = files[name], ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
    start = int(rng.integers(len(content) + 1))
    end = start + int(rng.integers(0, 1 + min(12, len(content) - start)))
    return {**files, name: content[:start] + odd + content[end:]}


def rename(files: Files, rng: np.random.Generator) -> Files:
    """A file or a folder gets an odd name, or a file that of another."""
    name = _one(files, rng)
    parts = name.split("/")
    place = int(rng.integers(len(parts)))
    old = "/".join(parts[: place + 1])
    odd = ODD_NAMES[int(rng.integers(len(ODD_NAMES)))]
    suffix = "." + parts[-1].rpartition(".")[2] if place == len(parts) - 1 and rng.random() < 0.5 else ""
    new = "/".join([*parts[:place], odd + suffix])
    moved = {path: new + path[len(old) :] if f"{path}/".startswith(f"{old}/") else path for path in files}
    return {moved[path]: content for path, content in files.items()}


def swap(files: Files, rng: np.random.Generator) -> Files:
    one, other = _one(files, rng), _one(files, rng)
    return {**files, one: files[other], other: files[one]}


def replace_by_text(files: Files, rng: np.random.Generator) -> Files:
    """Something of another type than what was there."""
    return {**files, _one(files, rng): ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]}


def remove(files: Files, rng: np.random.Generator) -> Files:
    name = _one(files, rng)
    return {path: content for path, content in files.items() if path != name}


def change_a_value(files: Files, rng: np.random.Generator) -> Files:
    """A line of a text table, or a value of a JSON line, becomes another."""
    texts = [name for name in sorted(files) if name.endswith((".jsonl", ".json", ".csv", ".txt"))]
    if not texts:
        return splice(files, rng)
    name = texts[int(rng.integers(len(texts)))]
    lines = files[name].split(b"\n")
    row = int(rng.integers(len(lines)))
    values: list[object] = [
        None,
        True,
        [],
        {},
        1e300,
        -1,
        0.5,
        "",
        "a" * 300,
        "\x00",
        "../x.png",
        10**30,
        "1",
        "01",
    ]
    try:
        record = json.loads(lines[row])
        key = sorted(record)[int(rng.integers(len(record)))]
        record[key] = values[int(rng.integers(len(values)))]
        lines[row] = json.dumps(record).encode()
    except (ValueError, TypeError, IndexError, AttributeError):
        lines[row] = ODD_TEXTS[int(rng.integers(len(ODD_TEXTS)))]
    return {**files, name: b"\n".join(lines)}


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, flip_bits, truncate, splice, splice, rename, swap, replace_by_text, remove, change_a_value,
)  # fmt: skip


def read_files(root: Path) -> Files:
    """All files below a folder."""
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def write_files(root: Path, files: Files) -> None:
    """Write the files that have names which can be written."""
    for name, content in files.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (OSError, ValueError, UnicodeEncodeError):  # a file where a folder should be, a name too long
            continue

"""Small tars for tests."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

Members = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


def noise(seed: int, image_format: str = "PNG") -> bytes:
    """A 6 x 5 image of random pixels, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format=image_format)
    return buffer.getvalue()


def write_tar(path: Path, members: Members, *special: tarfile.TarInfo) -> Path:
    """A tar of files in the given order, followed by members without content, such as links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = members.items() if isinstance(members, Mapping) else members
    with tarfile.open(path, "w") as tar:
        for name, content in pairs:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
        for member in special:
            tar.addfile(member)
    return path


def special_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member without content: a link, a folder or a device."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def write_samples(path: Path, labels: Mapping[str, object], first_seed: int = 0) -> Path:
    """A shard of samples with a ``.png`` and a ``.cls`` each, by key."""
    members: list[tuple[str, bytes]] = []
    for seed, (key, label) in enumerate(labels.items(), first_seed):
        members += [(f"{key}.png", noise(seed)), (f"{key}.cls", str(label).encode())]
    return write_tar(path, members)

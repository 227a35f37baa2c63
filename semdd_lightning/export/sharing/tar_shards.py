"""Tar shards by the WebDataset convention: the same selection gives the same bytes."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from semdd_lightning.export.files import write_json
from semdd_lightning.export.sharing.chosen_images import ChosenImages

_SAMPLES = 10_000
_BYTES = 256 * 2**20
_MODE = 0o644


def write_tars(chosen: ChosenImages, folder: Path) -> None:
    """Write ``train-000000.tar`` and its like, and ``_info.json`` that counts and names what they hold.

    A sample is an image, its class index as ``.cls``, what is known of it as ``.json``, and ``.logits.npy``
    where there are soft labels. The first picks of all classes come first, then the second ones, so that no
    shard is of one class.

    Args:
        chosen: the images.
        folder: where to.
    """
    order = sorted(range(len(chosen)), key=chosen.manifest.steps.__getitem__)
    shards = _Shards(folder)
    for number, index in enumerate(chosen.shown(order)):
        suffix = PurePosixPath(chosen.names[index]).suffix.lower()
        members = {
            suffix: chosen.read(index),
            ".cls": str(chosen.manifest.labels[index]).encode(),
            ".json": json.dumps(chosen.facts(index), sort_keys=True).encode(),
        }
        if chosen.soft_labels is not None:
            members[".logits.npy"] = _npy(chosen.soft_labels.logits[index])
        shards.add(f"{number:08d}", members)
    lengths = shards.finish()
    split = {"name": "train", "filenames": list(lengths), "shard_lengths": list(lengths.values())}
    splits = {"train": {**split, "num_samples": len(chosen)}}
    write_json(folder / "_info.json", {"splits": splits, "class_names": list(chosen.class_labels)})


class _Shards:
    """Tars that are closed as soon as they are large enough."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lengths: dict[str, int] = {}
        self._bytes = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, key: str, members: dict[str, bytes]) -> None:
        """Write a sample.

        Args:
            key: its name.
            members: content of each of its files by their ending.
        """
        if self._tar is None:
            name = f"train-{len(self._lengths):06d}.tar"
            self._tar = tarfile.open(self._folder / name, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self._lengths[name], self._bytes = 0, 0
        for ending, content in members.items():
            member = tarfile.TarInfo(f"{key}{ending}")  # without time, owner or group
            member.size, member.mode = len(content), _MODE
            self._tar.addfile(member, BytesIO(content))
            self._bytes += len(content)
        name = next(reversed(self._lengths))
        self._lengths[name] += 1
        if self._lengths[name] >= _SAMPLES or self._bytes >= _BYTES:
            self.finish()

    def finish(self) -> dict[str, int]:
        """Close what is open; the samples of each shard."""
        if self._tar is not None:
            self._tar.close()
        self._tar = None
        return self._lengths


def _npy(array: Any) -> bytes:  # noqa: ANN401 - whatever NumPy saves
    content = BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()

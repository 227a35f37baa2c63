"""What an export holds whatever the images are: shards of a fit size, classes told apart, a card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from numpy.typing import NDArray

from semdd_lightning.errors import RunError
from semdd_lightning.export.chosen_images import ChosenImages
from semdd_lightning.export.hub import pool_name
from semdd_lightning.export.manifest import Manifest
from semdd_lightning.export.sharing import FORMS, write_shared
from semdd_lightning.export.subset import exported_paths
from semdd_lightning.pools import AnyPool
from semdd_lightning.pools.listing import ImageSource
from semdd_lightning.records import write_record
from tests.export.test_manifest import manifest

CLASSES = ("crane", "crane", "tench")
WNIDS = ("n02012849", "n03126707", "n01440764")


class _Memory(ImageSource):
    """Images of which row tells all."""

    def read(self, row: int) -> bytes:
        from io import BytesIO

        from PIL import Image

        content = BytesIO()
        pixels = np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(content, format="PNG")
        return content.getvalue()


def chosen_images(
    folder: Path, wnids: tuple[str, ...] | None = WNIDS, logits: NDArray[np.float32] | None = None
) -> ChosenImages:
    """Two images of each of three classes, of which two have one name."""
    folders = ("a", "b", "c")
    paths = tuple(f"{name}/deep/{number}.v1.png" for name in folders for number in range(2))
    source = _Memory()
    digests = tuple(hashlib.sha256(source.read(row)).hexdigest() for row in range(6))
    made: Manifest = manifest(
        ipc=2,
        class_names=CLASSES,
        class_folders=folders,
        class_wnids=wnids,
        paths=paths,
        labels=(0, 0, 1, 1, 2, 2),
        digests=digests,
    )
    folder.mkdir(exist_ok=True)
    write_record(folder / "manifest.json", {"some": "manifest"})
    scores = pd.DataFrame({"step": made.steps, "quality": [0.5, np.nan, np.inf, 1.0, 0.0, -1.0]})
    names = exported_paths(made)
    return ChosenImages(made, folder / "manifest.json", names, source, list(range(6)), scores, logits)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wnids", [WNIDS, None])
def test_classes_of_one_name_stay_apart(form: str, wnids: tuple[str, ...] | None, tmp_path: Path) -> None:
    chosen = chosen_images(tmp_path / "run", wnids)
    out = write_shared(chosen, form, tmp_path / "out", "None.")
    for classes in (None, out / "classes.csv"):
        pool = AnyPool(out, classes).read(tmp_path / "cache")
        assert pool.counts().tolist() == [2, 2, 2]
        of_class = [set[str]() for _ in range(3)]
        for row, label in enumerate(pool.labels.tolist()):
            of_class[label].add(hashlib.sha256(pool.read(row)).hexdigest())
        digests = chosen.manifest.digests or ()
        if form != "folders" or classes is not None:  # class folders alone count in their own order
            assert of_class == [set(digests[2 * label :][:2]) for label in range(3)]
    assert pool.registry.names == CLASSES
    assert pool.registry.wnids == wnids


def test_large_sets_are_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "semdd_lightning.export.sharing"
    logits = np.arange(18, dtype=np.float32).reshape(6, 3)
    chosen = chosen_images(tmp_path / "run", logits=logits)
    monkeypatch.setattr(f"{place}._GROUP_BYTES", 1)
    monkeypatch.setattr(f"{place}._SAMPLES", 4)
    with monkeypatch.context() as patch:
        patch.setattr(f"{place}._FILE_BYTES", 2 * len(chosen.read(0)))
        parquet = write_shared(chosen, "hf", tmp_path / "parquet", "None.")
    files = sorted((parquet / "data").iterdir())
    assert [file.name for file in files] == [
        f"train-0000{n}-of-{len(files):05d}.parquet" for n in range(len(files))
    ]
    assert 1 < len(files) < 6
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert [row["logits"] for row in rows] == logits.tolist()
    assert [row["label"] for row in rows] == [0, 0, 1, 1, 2, 2]
    assert [row["quality"] for row in rows] == [0.5, None, None, 1.0, 0.0, -1.0]
    tars = write_shared(chosen, "webdataset", tmp_path / "tars", "None.")
    assert sorted(file.name for file in tars.glob("*.tar")) == ["train-000000.tar", "train-000001.tar"]
    stated = json.loads((tars / "_info.json").read_text())["splits"]["train"]
    assert (stated["shard_lengths"], stated["num_samples"]) == ([4, 2], 6)
    assert "train-{000000..000001}.tar" in (tars / "README.md").read_text()
    assert len(AnyPool(tars).read(tmp_path / "cache")) == 6


def test_an_image_that_is_another_is_refused(tmp_path: Path) -> None:
    chosen = chosen_images(tmp_path / "run")
    for form in FORMS:
        with pytest.raises(RunError, match=r"Expected the chosen image c/deep/1\.v1\.png .* found another"):
            write_shared(replace(chosen, rows=[0, 1, 2, 3, 4, 4]), form, tmp_path / "out", "None.")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_card_tells_a_pool_by_what_others_know_it_by(tmp_path: Path) -> None:
    made = manifest(pool_root="/home/somebody/pools/birds")
    assert pool_name(made) == "birds"
    on_hub = {"class_path": "AnyPool", "init_args": {"path": "/data/hf:/user/birds@v1"}}
    assert pool_name(replace(made, pool=on_hub)) == "hf://user/birds@v1"
    chosen = chosen_images(tmp_path / "run")
    card = (write_shared(chosen, "hf", tmp_path / "out", "None.") / "README.md").read_text()
    _, front, text = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["size_categories"] == ["n<1K"]
    assert facts["task_categories"] == ["image-classification"]
    assert "crane bird" in text
    assert "/home" not in text
    assert "## Licence\n\nTo be filled in" in text

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.strategies import SingleDeviceStrategy
from PIL import Image

from semdd_lightning.data import Augmentation, FolderImages, PoolDataModule, TrainingImages
from semdd_lightning.errors import ClassListError, RunError, SelectionError, TooFewImagesError
from semdd_lightning.pools import AnyPool, ClassFolders
from semdd_lightning.prior import OpenClipPrior
from semdd_lightning.selection import Random

Served = Callable[..., list[TrainingImages]]
PLAIN = Augmentation(horizontal_flip=0.0, mix="none")


def _data(pool: Path, clip: Path, ipc: int = 2, num_classes: int = 3, **options: Any) -> PoolDataModule:  # noqa: ANN401
    plain: dict[str, Any] = {"sampler": "two_stage", "augmentation": PLAIN}
    options = {"passes": 2, "passes_per_epoch": 1, **plain, **options}
    return PoolDataModule(
        pool=ClassFolders(pool),
        prior=OpenClipPrior(str(clip)),
        ipc=ipc,
        num_classes=num_classes,
        image_size=16,
        **options,
    )


@pytest.mark.parametrize("storage", ["auto", "disk"])
def test_the_trainer_serves_the_selected_images_with_their_labels(
    coloured_pool: Path, tiny_clip_dir: Path, served_batches: Served, storage: str
) -> None:
    data = _data(coloured_pool, tiny_clip_dir, batch_size=4, storage=storage, num_workers=0)
    batches = served_batches(data)
    assert data.selected is not None
    manifest, names = data.selected.manifest, ("blue", "green", "red")
    assert manifest.class_names == names
    assert Counter(manifest.labels) == {0: 2, 1: 2, 2: 2}
    assert [path.split("/")[0] for path in manifest.paths] == [names[label] for label in manifest.labels]
    expected = {
        np.asarray(Image.open(coloured_pool / path)).tobytes(): label
        for path, label in zip(manifest.paths, manifest.labels, strict=True)
    }
    served: dict[bytes, int] = {}
    for batch in batches:
        pixels = (batch.images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        served |= {p.tobytes(): int(label) for p, label in zip(pixels, batch.labels, strict=True)}
    assert served == expected
    assert [len(batch.labels) for batch in batches] == [4, 2]


def test_every_set_is_found_once_and_read_once_in_a_fit(
    coloured_pool: Path,
    tiny_clip_dir: Path,
    served_batches: Served,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    calls: Counter[str] = Counter()

    def count(module: str, name: str) -> None:
        function = getattr(import_module(f"semdd_lightning.pools.{module}"), name)

        def counted(*args: object, **options: object) -> object:
            calls[name] += 1
            return function(*args, **options)

        monkeypatch.setattr(f"semdd_lightning.pools.{module}.{name}", counted)

    count("any_pool", "sniff")
    count("class_folders", "class_folder_names")
    count("image_set", "with_imagenet_names")
    count("image_set", "index_images")
    monkeypatch.setattr("semdd_lightning.pools.index_cache._RECENT_NS", 0)
    data = PoolDataModule(
        pool=AnyPool(coloured_pool),
        prior=OpenClipPrior(str(tiny_clip_dir)),
        ipc=2,
        num_classes=3,
        image_size=16,
        passes=2,
        augmentation=PLAIN,
        reference=AnyPool(coloured_pool),
        validation=AnyPool(coloured_pool, held_out=2, part="held_out"),
        num_workers=0,
        cache_dir=tmp_path / "cache",
    )
    served_batches(data)
    assert calls == {"sniff": 3, "class_folder_names": 3, "with_imagenet_names": 3, "index_images": 2}
    assert data.split_sizes()["validation"] == 6
    assert data.selected is not None
    assert data.selected.seconds["index"] > 0
    assert len(list((tmp_path / "cache/index").glob("*.index"))) == 1
    assert not (tmp_path / ".default-cache").exists()


def test_the_manifest_tells_how_the_selection_was_made(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    data = _data(coloured_pool, tiny_clip_dir, sampler="random", selection_seed=7)
    data.setup("fit")
    assert data.selected is not None
    selected, manifest = data.selected, data.selected.manifest
    assert (manifest.ipc, manifest.selection_seed, manifest.sampler_name) == (2, 7, "random")
    assert manifest.pool["init_args"]["path"] == str(coloured_pool)
    assert manifest.pool_fingerprint == ClassFolders(coloured_pool).read().fingerprint
    assert selected.paths == list(manifest.paths)
    table = selected.table
    assert sorted(table.path[table.stage == "selected"]) == sorted(manifest.paths)
    assert set(selected.seconds) == {"index", "embed", "audit", "select"}

    again = _data(coloured_pool, tiny_clip_dir, sampler=Random(), selection_seed=7)
    again.setup("fit")
    assert again.selected is not None
    assert again.selected.manifest == manifest
    assert again.selected.embeddings.encoded == 0  # the cache had them all


def test_real_images_are_counted_in_the_pools_order(
    coloured_pool: Path, tiny_clip_dir: Path, tmp_path: Path
) -> None:
    for folder, colour in (("0", "red"), ("1", "green"), ("2", "blue")):
        (tmp_path / "real" / folder).mkdir(parents=True)
        source = coloured_pool / colour / "0.png"
        (tmp_path / "real" / folder / "x.png").write_bytes(source.read_bytes())
    test = FolderImages(tmp_path / "real", class_names=("red", "green", "blue"))
    data = _data(coloured_pool, tiny_clip_dir, test=test)
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert batch.labels.tolist() == [2, 1, 0]
    assert data.selected is None  # testing selects nothing


def test_too_few_images(coloured_pool: Path, tiny_clip_dir: Path, served_batches: Served) -> None:
    with pytest.raises(TooFewImagesError, match=r"7.*blue.*6|blue.*7.*6"):
        served_batches(_data(coloured_pool, tiny_clip_dir, ipc=7))


@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_wrong_number_of_classes_is_found_before_training(
    coloured_pool: Path, tiny_clip_dir: Path, served_batches: Served, num_classes: int
) -> None:
    with pytest.raises(ClassListError, match=rf"Expected {num_classes} classes \(num_classes\), found 3"):
        served_batches(_data(coloured_pool, tiny_clip_dir, num_classes=num_classes))


def test_numbers_that_make_no_sense(coloured_pool: Path, tiny_clip_dir: Path) -> None:
    with pytest.raises(SelectionError, match="Expected ipc to be at least 1, found 0"):
        _data(coloured_pool, tiny_clip_dir, ipc=0)
    assert _data(coloured_pool, tiny_clip_dir, passes_per_epoch=3).passes_per_epoch == 2, "bookkeeping adapts"


def test_ranks_that_choose_differently_stop(
    coloured_pool: Path, tiny_clip_dir: Path, served_batches: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_digest(_: object, obj: object, src: int = 0) -> object:
        return "another digest" if isinstance(obj, str) and len(obj) == 64 else obj

    monkeypatch.setattr(SingleDeviceStrategy, "broadcast", other_digest)
    with pytest.raises(RunError, match="Expected every rank to choose the same images, found that rank 0"):
        served_batches(_data(coloured_pool, tiny_clip_dir))

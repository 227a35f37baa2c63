from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from semdd_lightning.data import PoolSelection
from semdd_lightning.datasets import find_classes
from semdd_lightning.export import Manifest, describe, exported_images
from semdd_lightning.pools import ClassFolders
from semdd_lightning.pools.any_pool import AnyPool
from semdd_lightning.pools.layouts import LAYOUT_NAMES, LAYOUTS
from semdd_lightning.pools.pool import Pool
from semdd_lightning.prior import PoolEmbeddings
from semdd_lightning.selection import Embeddings, build_sampler
from tests.layout_makers import MAKERS, shown_class, shown_classes

NAMES = [layout.name for layout in LAYOUTS]


def choose_one_a_class(pool: Pool, reader: AnyPool) -> PoolSelection:
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.normalize(torch.randn(len(pool), 8, generator=generator), dim=1)
    prototypes = torch.nn.functional.normalize(torch.randn(len(pool.registry), 8, generator=generator), dim=1)
    sampler = build_sampler("random")
    selection = sampler.select(Embeddings(images, torch.from_numpy(pool.labels), prototypes, 100.0), 1, 0)
    chosen = selection.indices.tolist()
    manifest = Manifest(
        pool=describe(reader),
        prior={},
        sampler=describe(sampler),
        sampler_name=sampler.name,
        ipc=1,
        selection_seed=0,
        pool_root=str(pool.root),
        pool_fingerprint=pool.fingerprint,
        embeddings_key="",
        text_key="",
        embeddings_digest="",
        cache_dir=None,
        reference=None,
        reference_key=None,
        selection_digest=selection.digest,
        class_names=pool.registry.names,
        class_folders=pool.registry.folders,
        class_wnids=pool.registry.wnids,
        paths=tuple(pool.paths[i] for i in chosen),
        labels=tuple(pool.labels[chosen].tolist()),
    )
    embeddings = PoolEmbeddings(images, prototypes, 100.0, key="", encoded=0)
    return PoolSelection(pool, embeddings, selection, manifest, {})


def _all_paths(pool: Pool) -> list[str]:
    return sorted([*pool.paths, *(image.path for image in pool.excluded)])


def test_every_layout_has_a_maker_and_names_of_its_own() -> None:
    assert sorted(NAMES) == sorted(MAKERS)
    assert len(LAYOUT_NAMES) == sum(1 + len(layout.also) for layout in LAYOUTS)
    for layout in LAYOUTS:
        assert layout.written_by
        assert layout.pattern
        for name in (layout.name, *layout.also):
            assert LAYOUT_NAMES[name] is layout


@pytest.mark.usefixtures("unchecked_cifar")
@pytest.mark.parametrize("name", NAMES)
def test_every_label_is_what_the_image_shows_also_after_an_export(name: str, tmp_path: Path) -> None:
    made = MAKERS[name](tmp_path / "pool")
    reader = AnyPool(made.path, made.classes)
    assert reader.found().layout.name == name
    pool = reader.read()
    assert shown_classes(pool) == pool.labels.tolist()
    assert pool.counts().tolist() == [made.images] * len(made.folders)
    assert pool.registry.folders == made.folders
    assert AnyPool(made.path, made.classes, layout=name).read().fingerprint == pool.fingerprint

    chosen = choose_one_a_class(pool, reader)
    out = chosen.export(tmp_path / "out")
    exported = AnyPool(out).read()
    assert exported.registry.folders == made.folders
    assert exported.labels.tolist() == shown_classes(exported)
    assert sorted(shown_classes(exported)) == list(range(len(made.folders)))
    rows = np.sort(chosen.selection.indices.numpy())
    assert sorted(map(bytes, exported.traits.digests)) == sorted(map(bytes, pool.traits.digests[rows]))


@pytest.mark.usefixtures("unchecked_cifar")
@pytest.mark.parametrize("name", NAMES)
def test_every_layout_is_a_split_to_test_on_and_a_pool_without_what_is_held_out(
    name: str, tmp_path: Path
) -> None:
    made = MAKERS[name](tmp_path / "pool")
    whole = AnyPool(made.path, made.classes)
    images = whole.open()
    held = AnyPool(made.path, made.classes, held_out=1, part="held_out").open()
    rest = AnyPool(made.path, made.classes, held_out=1).read(tmp_path / "cache")
    assert [shown_class(images.read(i)) for i in range(len(images))] == images.labels.tolist()
    assert sorted(shown_class(held.read(i)) for i in range(len(held))) == list(range(len(made.folders)))
    assert rest.labels.tolist() == shown_classes(rest)
    assert sorted([*held.paths(), *_all_paths(rest)]) == sorted(images.paths())
    assert _all_paths(whole.read(tmp_path / "cache")) == sorted(images.paths())  # held out is not cached away


@pytest.mark.parametrize(
    "name", ["dc", "tensors", "npz", "huggingface_folder", "parquet", "webdataset", "tar", "rded"]
)
def test_a_corrected_class_list_moves_labels_and_the_folders_of_an_export(name: str, tmp_path: Path) -> None:
    made = MAKERS[name](tmp_path / "pool")
    folders = [made.folders[-1], *made.folders[1:-1], made.folders[0]]
    names = [f"kind {chr(ord('a') + c)}" for c in range(len(folders))]
    rows = [f"{kind},{folder}" for kind, folder in zip(names, folders, strict=True)]
    (tmp_path / "map.csv").write_text("\n".join(["name,folder", *rows]))
    reader = AnyPool(made.path, tmp_path / "map.csv")
    pool = reader.read()
    last = len(folders) - 1
    swapped = {0: last, last: 0}
    assert pool.labels.tolist() == [swapped.get(c, c) for c in shown_classes(pool)]
    assert pool.registry.folders == tuple(folders)

    chosen = choose_one_a_class(pool, reader)
    out = chosen.export(tmp_path / "out")
    exported = ClassFolders(out / "images", class_names=tuple(names)).read()
    assert exported.labels.tolist() == [swapped.get(c, c) for c in shown_classes(exported)]
    assert sorted(file for _, file in exported_images(out, chosen.manifest)) == sorted(out.rglob("*.*g"))


def test_a_corrected_class_list_of_a_data_set_still_tells_how_tensors_were_normalised(tmp_path: Path) -> None:
    made = MAKERS["mtt"](tmp_path / "pool")
    names, folders = find_classes("cifar10").names, list(map(str, range(10)))
    folders[2], folders[7] = folders[7], folders[2]
    rows = [f"{name},{folder}" for name, folder in zip(names, folders, strict=True)]
    (tmp_path / "map.csv").write_text("\n".join(["name,folder", *rows]))
    pool = AnyPool(made.path, tmp_path / "map.csv").read()
    assert pool.labels.tolist() == [{2: 7, 7: 2}.get(c, c) for c in shown_classes(pool)]


@pytest.mark.parametrize("name", ["imagenet", "tiny_imagenet"])
def test_a_corrected_class_list_moves_the_folders_of_official_forms(name: str, tmp_path: Path) -> None:
    made = MAKERS[name](tmp_path / "pool")
    folders = (made.folders[1], made.folders[0], *made.folders[2:])
    rows = [f"kind {i},{folder},{made.folders[i]}" for i, folder in enumerate(folders)]
    (tmp_path / "map.csv").write_text("\n".join(["name,folder,wnid", *rows]))
    pool = AnyPool(made.path, tmp_path / "map.csv").read()
    assert pool.registry.folders == folders
    assert pool.labels.tolist() == [{0: 1, 1: 0}.get(c, c) for c in shown_classes(pool)]


def test_sniffing_needs_no_torch(tmp_path: Path) -> None:
    paths = [str(MAKERS[name](tmp_path / name).path) for name in NAMES]
    code = (
        "import sys; from pathlib import Path; from semdd_lightning.pools.any_pool import sniff\n"
        "print(*(sniff(Path(path)).layout.name for path in sys.argv[1:]))\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True, text=True)
    assert done.stdout.split() == NAMES

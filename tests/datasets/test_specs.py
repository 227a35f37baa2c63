"""Every spec against lists that were copied from elsewhere, and against the libraries that know better."""

from __future__ import annotations

import hashlib
import pickle
import re

import pytest
import torchvision
from timm.data.imagenet_info import ImageNetInfo

from semdd_lightning.classes.registry import plain_name
from semdd_lightning.datasets import DATASETS, DatasetSpec
from semdd_lightning.models import CIFAR_MEAN, CIFAR_STD, IMAGENET_MEAN, IMAGENET_STD
from semdd_lightning.pools.digits import DIGIT_NAMES, digits_split

SPECS = pytest.mark.parametrize("spec", DATASETS.values(), ids=DATASETS.keys())
NETTE = re.findall(
    r"\w+",
    "n01440764 n02102040 n02979186 n03000684 n03028079 n03394916 n03417042 n03425413 n03445777 n03888257",
)
WOOF = re.findall(
    r"\w+",
    "n02096294 n02093754 n02111889 n02088364 n02086240 n02089973 n02087394 n02115641 n02099601 n02105641",
)
IDC = re.findall(
    r"\w+",
    "n02869837 n01749939 n02488291 n02107142 n13037406 n02091831 n04517823 n04589890 n03062245 n01773797",
)
ORDERED_KEYS = {  # SHA-256 over wnids, or names where there are none, one per line in class order
    "cifar10": "2ce042b1e0b48db4bb214408e6414ba18b2731c24af244f2d6c112fddf31af00",
    "cifar100": "3a5d9f36052f2b16cc94d6ed8dbbf45385019a3ddff5c6caf79b4d8541527118",
    "tiny_imagenet": "342d6acf18911d62da4c981221f833718a3ef8299e55512239e09c64e49a344c",
    "imagenette": "bbf5739ac32da1a75c7279e5d0df6b14017de2a5f5e99a3ddba915ede171741b",
    "imagenette_fastai": "bbf5739ac32da1a75c7279e5d0df6b14017de2a5f5e99a3ddba915ede171741b",
    "imagewoof": "ce2540cde8908d47ff36e11f27d5aa33a92b307668dbf0ab9fa39848ef07d06f",
    "imagewoof_fastai": "ce2540cde8908d47ff36e11f27d5aa33a92b307668dbf0ab9fa39848ef07d06f",
    "imageidc": "93287b88519d748674028cb12d7b2187c41ecc16df60e172f4a99092e8780297",
    "imagenet100": "79f3f1552ccc478ce24bd934b4573625db584ddc1f4643ae23c994a94cb11397",
    "imagenet1k": "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
    "digits": "476e03af7ff499e63fe93fffa0567a69128761f538ec7dd1f3e2c197a0c90981",
}


@SPECS
def test_classes(spec: DatasetSpec) -> None:
    assert len(spec.names) == len(spec.registry) == spec.num_classes
    assert len(set(map(plain_name, spec.names))) == spec.num_classes  # so no two prompts are alike
    assert all(re.fullmatch(r"[^\s_].*[^\s_]|.", name) and "_" not in name for name in spec.names)
    assert not spec.registry.has_explicit_folders  # a pool's folders may be names, wnids or numbers
    keys = spec.names if spec.wnids is None else spec.wnids
    assert hashlib.sha256("".join(f"{key}\n" for key in keys).encode()).hexdigest() == ORDERED_KEYS[spec.name]


@SPECS
def test_wnids_are_of_the_thousand(spec: DatasetSpec) -> None:
    thousand = list(ImageNetInfo().label_names())  # type: ignore[no-untyped-call]
    if spec.layout in ("cifar", "digits"):
        assert spec.wnids is None
        return
    assert spec.wnids is not None
    assert len(set(spec.wnids)) == spec.num_classes
    assert set(spec.wnids) <= set(thousand)
    assert spec.registry.wnids == spec.wnids
    in_order = list(spec.wnids) == sorted(spec.wnids)
    assert in_order == (spec.class_list not in ("imagewoof", "imageidc", "imagenet100"))
    if spec.name == "imagenet1k":
        assert list(spec.wnids) == thousand


@SPECS
def test_numbers_fit_together(spec: DatasetSpec) -> None:
    enlarged = spec.image_size // 7 * 8  # the reference implementations' rule
    assert (spec.evaluation.resize, spec.evaluation.crop) == (max(spec.image_size, enlarged), spec.image_size)
    assert all(0 < value < 1 for value in (*spec.normalization.mean, *spec.normalization.std))
    for split in (spec.train, spec.test):
        per_class = re.search(r"([\d,]+) a class", split.note)
        if per_class and split.images and " to " not in split.note and "most" not in split.note:
            assert split.images == int(per_class[1].replace(",", "")) * spec.num_classes
    assert all(re.fullmatch(r"[0-9a-f]{32}|", archive.md5) for archive in spec.archives)
    assert spec.sources
    assert spec.normalization.source
    assert spec.obtained


def test_the_subsets_are_the_peers() -> None:
    wnids = {name: list(spec.wnids or ()) for name, spec in DATASETS.items()}
    assert wnids["imagenette"] == wnids["imagenette_fastai"] == NETTE
    assert wnids["imagewoof"] == wnids["imagewoof_fastai"] == WOOF
    assert wnids["imageidc"] == wnids["imagenet100"][:10] == IDC


def test_fast_ais_variants_share_out_all_images_of_ilsvrc_anew() -> None:
    for name in ("imagenette", "imagewoof"):
        ours, theirs = DATASETS[name], DATASETS[f"{name}_fastai"]
        counts = [spec.images for spec in (ours.train, ours.test, theirs.train, theirs.test)]
        assert sum(count or 0 for count in counts[:2]) == sum(count or 0 for count in counts[2:])
        assert (counts[2] or 0) < (counts[0] or 0)


def test_names_of_cifar() -> None:
    fine = DATASETS["cifar100"].names
    assert list(fine) == sorted(fine)
    assert [fine[i] for i in (1, 41, 58, 83, 99)] == [
        "aquarium fish",
        "lawn mower",
        "pickup truck",
        "sweet pepper",
        "worm",
    ]
    assert [DATASETS["cifar10"].names[i] for i in (0, 1, 4, 9)] == ["airplane", "automobile", "deer", "truck"]


def test_archives_are_torchvisions() -> None:
    for name, dataset in (
        ("cifar10", torchvision.datasets.CIFAR10),
        ("cifar100", torchvision.datasets.CIFAR100),
    ):
        (archive,) = DATASETS[name].archives
        assert (archive.name, archive.url, archive.md5) == (dataset.filename, dataset.url, dataset.tgz_md5)
        assert DATASETS[name].folder == dataset.base_folder
    (archive,) = DATASETS["imagenette_fastai"].archives
    assert (archive.url, archive.md5) == torchvision.datasets.Imagenette._ARCHIVES["full"]
    official = dict(torchvision.datasets.imagenet.ARCHIVE_META.values())
    assert {archive.name: archive.md5 for archive in DATASETS["imagenet1k"].archives} == official


def test_statistics_are_those_of_the_networks() -> None:
    cifar, imagenet = DATASETS["cifar10"].normalization, DATASETS["imagenet1k"].normalization
    assert (cifar.mean, cifar.std) == (CIFAR_MEAN, CIFAR_STD)
    assert (imagenet.mean, imagenet.std) == (IMAGENET_MEAN, IMAGENET_STD)


def test_the_digits_are_the_pools_digits() -> None:
    spec = DATASETS["digits"]
    assert spec.names == DIGIT_NAMES
    images, _ = digits_split("train", spec.image_size)
    assert spec.normalization.mean == pytest.approx((images.mean() / 255,) * 3, abs=5e-4)
    assert spec.normalization.std == pytest.approx((images.std() / 255,) * 3, abs=5e-4)
    assert spec.train.images == len(images)
    assert spec.test.images == len(digits_split("test")[1])


def test_specs_travel_to_other_processes() -> None:
    spec = DATASETS["imagewoof"]
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own
    assert spec.names[3] == "Beagle"

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.classes import ClassRegistry
from semdd_lightning.errors import ClassListError, PoolError
from semdd_lightning.pools import ClassFolders, tensor_files
from semdd_lightning.pools.listing import Listing
from semdd_lightning.pools.tensors import TensorFile

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
STD = torch.tensor([0.2023, 0.1994, 0.2010]).view(3, 1, 1)
NAMES = ("zero", "one", "two", "three")


def _pixels(num_images: int = 12, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Images (N, C, 6, 5) of very different brightness."""
    generator = np.random.default_rng(seed)
    brightness = generator.integers(0, 200, (num_images, 1, 1, 1))
    return (brightness + generator.integers(0, 56, (num_images, channels, 6, 5))).astype(np.uint8)


PIXELS = _pixels()
LABELS = np.array([3, 0, 1, 2] * 3)
UNIT = torch.from_numpy(PIXELS).float() / 255
NORMALISED = (UNIT - MEAN) / STD
HARD = torch.from_numpy(LABELS)


def _decoded(listing: Listing, row: int) -> NDArray[np.uint8]:
    """Pixels (C, H, W) of one row, decoded by PIL alone."""
    content = listing.source.read(row)
    assert content.startswith(b"\x89PNG")
    pixels = np.asarray(Image.open(BytesIO(content)))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _require(listing: Listing, pixels: NDArray[np.uint8], labels: NDArray[np.int64], stem: str) -> None:
    """A listing holds these images in these classes, each under the name of its class and row."""
    width = len(str(len(pixels) - 1))
    expected = {f"{c}/{stem}-{row:0{width}}.png": (c, row) for row, c in enumerate(labels.tolist())}
    assert list(listing.paths) == sorted(expected)
    for row, path in enumerate(listing.paths):
        assert listing.labels[row] == expected[path][0]
        assert np.array_equal(_decoded(listing, row), pixels[expected[path][1]])


# ------------------------------------------------------------------ forms


def _dc(folder: Path) -> TensorFile:
    accuracies = {"ConvNet": [np.float64(0.44), np.float64(0.45)]}  # as DC's evaluation gives them
    torch.save({"data": [[NORMALISED, HARD]], "accs_all_exps": accuracies}, folder / "images.pt")
    return TensorFile(folder / "images.pt", normalization="cifar10")


def _dc_of_old(folder: Path) -> TensorFile:
    content = {"data": [[NORMALISED, HARD]], "accs_all_exps": {"ConvNet": []}}
    torch.save(content, folder / "images.pt", _use_new_zipfile_serialization=False)
    return TensorFile(folder / "images.pt", normalization="cifar10")


def _idc(folder: Path) -> TensorFile:
    torch.save([torch.nn.Parameter(NORMALISED), HARD], folder / "images.pth")
    return TensorFile(folder / "images.pth", mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))


def _mtt(folder: Path) -> TensorFile:
    torch.save(NORMALISED.clone().requires_grad_(), folder / "images_best.pt")
    torch.save(HARD, folder / "labels_best.pt")
    return TensorFile(folder / "images_best.pt", normalization="cifar10")


def _whitened_mtt(folder: Path) -> TensorFile:
    torch.save(UNIT, folder / "images_zca_500.pt")
    torch.save(HARD, folder / "labels_500.pt")
    torch.save(HARD.flip(0), folder / "labels_best.pt")
    return TensorFile(folder / "images_zca_500.pt")


def _datm(folder: Path) -> TensorFile:
    torch.save(NORMALISED, folder / "images_best.pt")
    logits = torch.nn.functional.one_hot(HARD, 4) * 7.5 - torch.rand(12, 4)
    torch.save(logits.requires_grad_(), folder / "labels_best.pt")
    return TensorFile(folder / "images_best.pt", normalization="cifar10")


def _second_file(folder: Path) -> TensorFile:
    torch.save({"images": UNIT, "labels": HARD.flip(0)}, folder / "images.pt")
    torch.save({"labels": HARD.float()[:, None]}, folder / "true.pt")
    return TensorFile(folder / "images.pt", labels=folder / "true.pt")


def _dictionary(folder: Path) -> TensorFile:
    torch.save({"data": UNIT.half(), "targets": HARD.to(torch.uint8), "epoch": 3}, folder / "images.pt")
    return TensorFile(folder / "images.pt")


def _kip(folder: Path) -> TensorFile:
    one_hot = np.eye(4, dtype=np.float32)[LABELS] - 0.25
    images = (PIXELS.transpose(0, 2, 3, 1) / 255).astype(np.float32)
    np.savez_compressed(folder / "images.npz", images=images, labels=one_hot)
    return TensorFile(folder / "images.npz")


def _npz_bytes(folder: Path) -> TensorFile:
    np.savez(folder / "images.npz", x=PIXELS.transpose(0, 2, 3, 1), y=LABELS, notes=np.array([object()]))
    return TensorFile(folder / "images.npz")


def _npy(folder: Path) -> TensorFile:
    np.save(folder / "images.npy", np.asfortranarray(PIXELS.transpose(0, 2, 3, 1)))
    np.save(folder / "labels.npy", LABELS.astype(np.int16))
    return TensorFile(folder / "images.npy")


FORMS: list[Callable[[Path], TensorFile]] = [
    _dc,
    _dc_of_old,
    _idc,
    _mtt,
    _whitened_mtt,
    _datm,
    _second_file,
    _dictionary,
    _kip,
    _npz_bytes,
    _npy,
]


@pytest.mark.parametrize("write", FORMS)
def test_every_form_gives_the_images_that_went_in(
    tmp_path: Path, write: Callable[[Path], TensorFile]
) -> None:
    reader = write(tmp_path)
    reader.check()
    assert reader.registry().names == ("0", "1", "2", "3")
    listing = reader.listing()
    assert listing.root == reader.path
    _require(listing, PIXELS, LABELS, reader.path.stem)


def test_bfloat16_and_grey(tmp_path: Path) -> None:
    grey = _pixels(4, channels=1)
    torch.save((torch.from_numpy(grey).float() / 255, torch.arange(4)), tmp_path / "grey.pt")
    _require(TensorFile(tmp_path / "grey.pt").listing(), grey, np.arange(4), "grey")
    halves = torch.tensor([0.0, 0.5, 1.0, 0.25]).view(4, 1, 1, 1).expand(4, 3, 2, 2).to(torch.bfloat16)
    torch.save((halves, torch.arange(4)), tmp_path / "halves.pt")
    listing = TensorFile(tmp_path / "halves.pt").listing()
    assert [int(_decoded(listing, row)[0, 0, 0]) for row in range(4)] == [0, 128, 255, 64]


def test_one_of_several_experiments(tmp_path: Path) -> None:
    other = _pixels(seed=1)
    pairs = [[UNIT, HARD], [torch.from_numpy(other).float() / 255, HARD.flip(0)]]
    torch.save({"data": pairs}, tmp_path / "res.pt")
    _require(TensorFile(tmp_path / "res.pt").listing(), PIXELS, LABELS, "res")
    _require(TensorFile(tmp_path / "res.pt", experiment=1).listing(), other, LABELS[::-1], "res-1")
    for experiment in (2, -1):
        with pytest.raises(PoolError, match=f"Expected experiment below 2 in .*, found {experiment}"):
            TensorFile(tmp_path / "res.pt", experiment=experiment).check()
    torch.save((UNIT, HARD), tmp_path / "one.pt")
    with pytest.raises(PoolError, match="found one; leave experiment at 0"):
        TensorFile(tmp_path / "one.pt", experiment=1).check()


# ------------------------------------------------------------------ the pool


def test_reading_gives_the_same_pool_every_time(tmp_path: Path) -> None:
    with_nan = NORMALISED.clone()
    with_nan[1, 2, 3, 4] = float("nan")
    with_nan[2, 0, 0, 0] = float("inf")
    torch.save((with_nan, HARD), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt", class_names=NAMES, normalization="cifar10")
    pool, again = reader.read(), reader.read()
    assert [(image.path, image.class_index, image.reason) for image in pool.excluded] == [
        ("0/f-01.png", 0, "unreadable: NaN pixels"),
        ("1/f-02.png", 1, "unreadable: infinite pixels"),
    ]
    assert pool.registry.names == NAMES
    assert pool.registry.folders == ("0", "1", "2", "3")
    assert pool.counts().tolist() == [2, 2, 3, 3]
    assert (pool.fingerprint, pool.paths) == (again.fingerprint, again.paths)
    assert [pool.read(i) for i in range(len(pool))] == [again.read(i) for i in range(len(pool))]
    assert pool.file(0) is None


def test_the_source_is_small_when_pickled_and_reads_in_threads(tmp_path: Path) -> None:
    torch.save((UNIT.repeat(50, 1, 1, 1), HARD.repeat(50)), tmp_path / "f.pt")
    source = TensorFile(tmp_path / "f.pt").listing().source
    expected = [source.read(row) for row in range(600)]
    pickled = pickle.dumps(source)
    assert len(pickled) < 8 * 600 + 1_000
    travelled = pickle.loads(pickled)  # noqa: S301 - our own
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(travelled.read, range(600))) == expected
    assert len(pickle.dumps(travelled)) == len(pickled)


def test_exported_images_lie_in_class_folders(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    pool = TensorFile(tmp_path / "f.pt", class_names=NAMES).read()
    for index, path in enumerate(pool.paths):
        (tmp_path / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / path).write_bytes(pool.read(index))
    exported = ClassFolders(tmp_path / "images", class_names=NAMES).read()
    assert exported.fingerprint == pool.fingerprint
    assert exported.labels.tolist() == pool.labels.tolist()


def test_the_index_knows_the_file_and_what_is_undone(tmp_path: Path) -> None:
    torch.save((NORMALISED, HARD), tmp_path / "f.pt")
    size = (tmp_path / "f.pt").stat().st_size
    first = TensorFile(tmp_path / "f.pt", normalization="cifar10").listing()
    assert first.stamps.shape == (12, 3)
    assert set(first.stamps[:, 0].tolist()) == {size}
    recipes = {
        TensorFile(tmp_path / "f.pt", normalization=name).listing().source.recipe()
        for name in ("cifar10", "imagenet", "cifar10")
    }
    assert len(recipes) == 2
    digests = [
        TensorFile(tmp_path / "f.pt", normalization=name).read().fingerprint
        for name in ("cifar10", "imagenet", "cifar10")
    ]
    assert digests[0] == digests[2] != digests[1]


def test_a_file_that_changed_after_it_was_listed(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    listing = TensorFile(tmp_path / "f.pt").listing()
    torch.save((UNIT[:5], HARD[:5]), tmp_path / "f.pt")
    with pytest.raises(OSError, match="the file has changed"):
        listing.source.read(0)
    (tmp_path / "f.pt").unlink()
    with pytest.raises(OSError, match="No such file"):
        listing.source.read(0)


# ------------------------------------------------------------------ classes


def test_labels_are_indices_into_the_class_list(tmp_path: Path) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    default = ClassRegistry(NAMES, ("n0", "n1", "n2", "n3"), folders_given=True)
    assert TensorFile(tmp_path / "f.pt").registry(default).names == NAMES
    assert TensorFile(tmp_path / "f.pt").registry(default).folders == ("0", "1", "2", "3")
    with pytest.raises(ClassListError, match=r"labels from 0 to 2 in .*f\.pt.*, found '3'"):
        TensorFile(tmp_path / "f.pt", class_names=NAMES[:3]).check()
    with pytest.raises(ClassListError, match=r"images of all 5 classes in .*f\.pt, found none labelled '4'"):
        TensorFile(tmp_path / "f.pt", class_names=(*NAMES, "four")).check()


def test_labels_without_a_list_are_classes_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    torch.save((UNIT, torch.tensor([2, 10, 7] * 4)), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt")
    assert reader.registry().names == ("2", "7", "10")
    labels = dict(zip(reader.listing().paths, reader.listing().labels.tolist(), strict=True))
    assert labels["10/f-01.png"] == 2
    assert labels["2/f-00.png"] == 0


def test_soft_labels_tell_how_many_classes_there_are(tmp_path: Path) -> None:
    torch.save((UNIT, torch.eye(6)[HARD]), tmp_path / "f.pt")
    with pytest.raises(ClassListError, match=r"images of all 6 classes .* found none labelled '4', '5'"):
        TensorFile(tmp_path / "f.pt").check()
    with pytest.raises(ClassListError, match=r"labels from 0 to 3 .* found '4', '5'"):
        TensorFile(tmp_path / "f.pt", class_names=NAMES).check()


# ------------------------------------------------------------------ normalisation


def test_the_data_set_of_the_class_list_tells_the_normalisation(tmp_path: Path) -> None:
    pixels = np.concatenate([PIXELS, _pixels(8, seed=2)])
    labels = np.arange(20) % 10
    normalised = (torch.from_numpy(pixels).float() / 255 - MEAN) / STD
    torch.save((normalised, torch.from_numpy(labels)), tmp_path / "f.pt")
    reader = TensorFile(tmp_path / "f.pt", classes=Path("cifar10"))
    _require(reader.listing(ClassRegistry(tuple("abcdefghij"), tuple("0123456789"))), pixels, labels, "f")
    with pytest.raises(PoolError, match="a mean and a deviation that the file does not tell"):
        TensorFile(tmp_path / "f.pt").listing()


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5,), None), (None, (0.5,)), ((0.5,), (0.5, 0.5)), ((0.5,), (0.0,)), ((float("nan"),), (0.5,))],
)
def test_mean_and_std_go_together(
    tmp_path: Path, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> None:
    torch.save((UNIT, HARD), tmp_path / "f.pt")
    with pytest.raises(PoolError, match="Expected mean and std of as many numbers"):
        TensorFile(tmp_path / "f.pt", mean=mean, std=std).check()


def test_whitened_values_are_refused_where_the_restored_images_lie_beside_them(tmp_path: Path) -> None:
    for step in ("500", "best"):
        torch.save(NORMALISED, tmp_path / f"images_{step}.pt")
        torch.save(HARD, tmp_path / f"labels_{step}.pt")
    torch.save(UNIT, tmp_path / "images_zca_500.pt")
    for step in ("500", "best"):
        with pytest.raises(PoolError, match=r"ZCA-whitened values, as images_zca_500\.pt beside it tells"):
            TensorFile(tmp_path / f"images_{step}.pt", classes=Path("cifar10")).check()
    TensorFile(tmp_path / "images_zca_500.pt").check()
    TensorFile(tmp_path / "images_500.pt", normalization="cifar10").check()


# ------------------------------------------------------------------ files that are refused


class _Malicious:
    """Its pickle creates a file when it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._target,)


def _write_malicious(path: Path, target: Path, kind: str) -> None:
    if kind == "zip":
        torch.save({"images": UNIT, "labels": HARD, "extra": _Malicious(target)}, path)
    elif kind == "old":
        torch.save([UNIT, _Malicious(target)], path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(_Malicious(target), protocol=int(kind[-1])))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["zip", "old", "pickle 2", "pickle 4"])
def test_a_pickle_that_would_run_code_is_not_run(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "created"
    _write_malicious(tmp_path / "f.pt", target, kind)
    reader = TensorFile(tmp_path / "f.pt")
    for step in (reader.check, reader.registry, reader.listing, reader.read):
        with pytest.raises(PoolError, match=r"(would call .*|Nothing in it )was.* run \(weights_only\)"):
            step()
    assert not target.exists()
    if kind.startswith("pickle"):
        pickle.loads((tmp_path / "f.pt").read_bytes())  # noqa: S301 - the test is of this
    else:
        torch.load(tmp_path / "f.pt", weights_only=False)
    assert target.exists()  # the trap was armed


def test_a_second_file_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "created"
    torch.save(UNIT, tmp_path / "images_best.pt")
    _write_malicious(tmp_path / "labels_best.pt", target, "zip")
    with pytest.raises(PoolError, match=r"tensors in .*labels_best\.pt, found a pickle that would call"):
        TensorFile(tmp_path / "images_best.pt").check()
    assert not target.exists()


def test_pickled_arrays_of_numpy_are_not_run(tmp_path: Path) -> None:
    target = tmp_path / "created"
    np.save(tmp_path / "f.npy", np.array([_Malicious(target)], dtype=object))
    np.savez(tmp_path / "f.npz", images=np.array([_Malicious(target)], dtype=object), labels=LABELS)
    with pytest.raises(PoolError, match=r"whole \.npy file of arrays, found: .*Python objects"):
        TensorFile(tmp_path / "f.npy").check()
    with pytest.raises(PoolError, match=r"whole \.npz file of arrays, found: Object arrays cannot be loaded"):
        TensorFile(tmp_path / "f.npz").check()
    assert not target.exists()


def test_numpy_numbers_in_a_pickle_are_not_made(tmp_path: Path) -> None:
    path = _dc(tmp_path).path
    before = torch.serialization.get_safe_globals()
    accuracies = tensor_files._load(path)["accs_all_exps"]["ConvNet"]
    assert len(accuracies) == 2
    assert not any(isinstance(accuracy, np.generic | float) for accuracy in accuracies)
    assert torch.serialization.get_safe_globals() == before


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("form", [_dc, _dc_of_old, _npz_bytes, _npy])
def test_files_that_were_cut_off(tmp_path: Path, form: Callable[[Path], TensorFile], share: float) -> None:
    reader = form(tmp_path)
    _cut(reader.path, share)
    with pytest.raises(PoolError, match=r"Expected .*images\.(pt|npz|npy) to be .*copy or make"):
        reader.check()


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".npy"])
def test_a_web_page_is_no_tensor(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"f{suffix}").write_text("<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(PoolError, match="copy or make"):
        TensorFile(tmp_path / f"f{suffix}").check()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((UNIT[0], HARD), r"shape \(N, channels, height, width\).* found shape \(3, 6, 5\)"),
        ((UNIT[:, 0], HARD), r"found shape \(12, 6, 5\)"),
        ((UNIT[None], HARD), r"found shape \(1, 12, 3, 6, 5\)"),
        ((torch.zeros(12, 4, 6, 5), HARD), r"with 1 or 3 channels, found shape \(12, 4, 6, 5\)"),
        ((UNIT[:0], HARD[:0]), r"found shape \(0, 3, 6, 5\)"),
        ((UNIT.to(torch.complex64), HARD), "arrays of numbers in .*, found type complex64"),
        ((UNIT.to_sparse(), HARD), "dense tensors"),
        ((UNIT, HARD[:11]), r"labels of shape \(12,\) or \(12, classes\) .*found shape \(11,\)"),
        ((UNIT, HARD.view(3, 4)), r"found shape \(3, 4\)"),
        ((UNIT, HARD.view(12, 1, 1)), r"found shape \(12, 1, 1\)"),
        ((UNIT, torch.tensor(3)), r"found shape \(\)"),
        ((UNIT, HARD.clone().fill_(-1)), "labels from 0 on in .*, found -1"),
        ((UNIT, HARD + 0.5), "whole numbers as labels in .*, found 3.5"),
        ((UNIT, HARD * float("nan")), "whole numbers as labels in .*, found nan"),
        ((UNIT, HARD == 3), "arrays of numbers in .*, found type bool"),
        (
            (UNIT, torch.full((12, 4), float("nan"))),
            "finite scores as soft labels in .* for 12 images, first in row 0",
        ),
        ({"weights": UNIT, "bias": HARD}, "found the names 'weights', 'bias'"),
        ({"images": UNIT, "x": UNIT, "labels": HARD}, "found the names 'images', 'x', 'labels'"),
        ([UNIT, HARD, HARD], "found list"),
        ({}, "found the names "),
        (7, "found int"),
        ({"data": []}, "found list"),
        (UNIT, r"labels with the images of .*f\.pt, found none in it; name their file as labels"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_contents_that_are_no_pool(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "f.pt")
    with pytest.raises(PoolError, match=message):
        TensorFile(tmp_path / "f.pt").check()


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="found nothing there"):
        TensorFile(tmp_path / "none.pt").check()
    with pytest.raises(PoolError, match=r"file of tensors \(\.npy, \.npz, \.pt, \.pth\), found"):
        TensorFile(tmp_path).check()
    (tmp_path / "f.safetensors").touch()
    with pytest.raises(PoolError, match=r"found .*safetensors"):
        TensorFile(tmp_path / "f.safetensors").check()
    torch.save(UNIT, tmp_path / "images_9.pt")
    with pytest.raises(PoolError, match=r"found none in it, and no labels_9\.pt beside it"):
        TensorFile(tmp_path / "images_9.pt").check()
    with pytest.raises(PoolError, match=r"file of labels at .*other\.pt, found none"):
        TensorFile(tmp_path / "images_9.pt", labels=tmp_path / "other.pt").check()


def test_the_reader_alone_does_not_import_torch() -> None:
    code = "import sys, semdd_lightning.pools.tensors; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

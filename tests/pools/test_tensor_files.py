from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from semdd_lightning.errors import PoolError
from semdd_lightning.pools import tensor_files
from semdd_lightning.pools.tensors import TensorFile
from tests.pools.pickle_makers import Touch
from tests.pools.tensor_makers import (
    HARD,
    LABELS,
    NORMALISED,
    PIXELS,
    UNIT,
    decoded,
    random_pixels,
    require,
)

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
    require(listing, PIXELS, LABELS, reader.path.stem)


def test_bfloat16_and_grey(tmp_path: Path) -> None:
    grey = random_pixels(4, channels=1)
    torch.save((torch.from_numpy(grey).float() / 255, torch.arange(4)), tmp_path / "grey.pt")
    require(TensorFile(tmp_path / "grey.pt").listing(), grey, np.arange(4), "grey")
    halves = torch.tensor([0.0, 0.5, 1.0, 0.25]).view(4, 1, 1, 1).expand(4, 3, 2, 2).to(torch.bfloat16)
    torch.save((halves, torch.arange(4)), tmp_path / "halves.pt")
    listing = TensorFile(tmp_path / "halves.pt").listing()
    assert [int(decoded(listing, row)[0, 0, 0]) for row in range(4)] == [0, 128, 255, 64]


def test_one_of_several_experiments(tmp_path: Path) -> None:
    other = random_pixels(seed=1)
    pairs = [[UNIT, HARD], [torch.from_numpy(other).float() / 255, HARD.flip(0)]]
    torch.save({"data": pairs}, tmp_path / "res.pt")
    require(TensorFile(tmp_path / "res.pt").listing(), PIXELS, LABELS, "res")
    require(TensorFile(tmp_path / "res.pt", experiment=1).listing(), other, LABELS[::-1], "res-1")
    for experiment in (2, -1):
        with pytest.raises(PoolError, match=f"Expected experiment below 2 in .*, found {experiment}"):
            TensorFile(tmp_path / "res.pt", experiment=experiment).check()
    torch.save((UNIT, HARD), tmp_path / "one.pt")
    with pytest.raises(PoolError, match="found one; leave experiment at 0"):
        TensorFile(tmp_path / "one.pt", experiment=1).check()


# ------------------------------------------------------------------ pickles that would run code


def _write_malicious(path: Path, target: Path, kind: str) -> None:
    if kind == "zip":
        torch.save({"images": UNIT, "labels": HARD, "extra": Touch(target)}, path)
    elif kind == "old":
        torch.save([UNIT, Touch(target)], path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(Touch(target), protocol=int(kind[-1])))


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
    np.save(tmp_path / "f.npy", np.array([Touch(target)], dtype=object))
    np.savez(tmp_path / "f.npz", images=np.array([Touch(target)], dtype=object), labels=LABELS)
    with pytest.raises(PoolError, match=r"whole \.npy file of arrays, found: .*Python objects"):
        TensorFile(tmp_path / "f.npy").check()
    with pytest.raises(PoolError, match=r"whole \.npz file of arrays, found: Object arrays cannot be loaded"):
        TensorFile(tmp_path / "f.npz").check()
    assert not target.exists()


def test_numpy_numbers_in_a_pickle_are_not_made(tmp_path: Path) -> None:
    path = Path(_dc(tmp_path).path)
    before = set(torch.serialization.get_safe_globals())
    accuracies = tensor_files._load(path)["accs_all_exps"]["ConvNet"]
    assert len(accuracies) == 2
    assert not any(isinstance(accuracy, np.generic | float) for accuracy in accuracies)
    assert set(torch.serialization.get_safe_globals()) == before


# ------------------------------------------------------------------ files that are not whole


def _cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("form", [_dc, _dc_of_old, _npz_bytes, _npy])
def test_files_that_were_cut_off(tmp_path: Path, form: Callable[[Path], TensorFile], share: float) -> None:
    reader = form(tmp_path)
    _cut(Path(reader.path), share)
    with pytest.raises(PoolError, match=r"Expected .*images\.(pt|npz|npy) to be .*copy or make"):
        reader.check()


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".npy"])
def test_a_web_page_is_no_tensor(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"f{suffix}").write_text("<!DOCTYPE html><html>Not found</html>")
    with pytest.raises(PoolError, match="copy or make"):
        TensorFile(tmp_path / f"f{suffix}").check()

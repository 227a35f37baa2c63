"""Small pools in every layout, made by seeded code exactly as the methods and data sets write them.

Every image carries the index of its class in its upper left quarter, so that labels can be checked by what an
image shows and not by its path.
"""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
import torch
from numpy.typing import NDArray
from PIL import Image

from semdd_lightning.pools.pool import Pool

WNIDS = tuple(sorted(("n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916")))
NUM_CLASSES = 12  # more than ten, so that unpadded numbers sort wrongly as text
PER_CLASS = 3
SIZE = 32
_STEP = 20  # grey levels from class to class in the upper left quarter


@dataclass(frozen=True)
class MadePool:
    """A pool on disk and what a reader should find in it.

    Args:
        path: What a user would give.
        folders: Class folder of every class, in class order.
        images: Images of each class.
        classes: Class list that the pool cannot be read without.
    """

    path: Path
    folders: tuple[str, ...]
    images: int = PER_CLASS
    classes: str | None = None


Maker = Callable[[Path], MadePool]


def picture(class_index: int, number: int) -> NDArray[np.uint8]:
    """Pixels (32, 32, 3): noise, and the class in the upper left quarter."""
    pixels = np.random.default_rng([class_index, number]).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    pixels[: SIZE // 2, : SIZE // 2] = _STEP * class_index
    return pixels


def shown_class(image: Image.Image) -> int:
    """The class that an image shows."""
    quarter = np.asarray(image)[: SIZE // 2, : SIZE // 2]
    return round(float(quarter.mean()) / _STEP)


def shown_classes(pool: Pool) -> list[int]:
    """The class that each image of a pool shows."""
    return [shown_class(pool.image(i)) for i in range(len(pool))]


def written_out(pool: Pool, folder: Path) -> Path:
    """The images of a pool as files of their paths, as an export has them."""
    for row, path in enumerate(pool.paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(pool.read(row))
    return folder


def encoded(class_index: int, number: int, kind: str = "PNG") -> bytes:
    """The bytes of a picture as an image file."""
    content = io.BytesIO()
    Image.fromarray(picture(class_index, number)).save(content, format=kind, quality=95)
    return content.getvalue()


def write(path: Path, class_index: int, number: int) -> None:
    """A picture as a file, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(class_index, number, "PNG" if path.suffix == ".png" else "JPEG"))


# ------------------------------------------------------------------ folders


NUMBERS = tuple(map(str, range(NUM_CLASSES)))


def _write_classes(parent: Path, folders: tuple[str, ...], name: str = "{i}.png") -> tuple[str, ...]:
    """The images of each class, named by class `c` and number `i` as `name` says; gives the folders."""
    for c, folder in enumerate(folders):
        for i in range(PER_CLASS):
            write(parent / folder / name.format(c=c, i=i), c, i)
    return folders


def class_folders(root: Path) -> MadePool:
    return MadePool(root, _write_classes(root, ("English springer", "cassette_player", "tench")))


def rded(root: Path) -> MadePool:
    folders = tuple(f"{c:05d}" for c in range(NUM_CLASSES))
    name = "class{c:05d}_id{i:05d}.jpg"
    return MadePool(root, _write_classes(root / "exp/run/syn_data", folders, name))


def sre2l(root: Path) -> MadePool:
    folders = tuple(f"new{c:03d}" for c in range(NUM_CLASSES))
    return MadePool(root, _write_classes(root, folders, "class{c:03d}_id{i:03d}.jpg"))


def dit(root: Path) -> MadePool:
    return MadePool(root, _write_classes(root, WNIDS))


def subset(root: Path) -> MadePool:
    """Chosen out of two parts of a pool, which every class folder then has."""
    for c in range(NUM_CLASSES):
        for i in range(PER_CLASS):
            write(root / f"images/{c}/dataset_{i % 2}/{i}.png", c, i)
    (root / "manifest.json").write_text("{}")
    (root / "scores.parquet").write_bytes(b"")
    return MadePool(root, NUMBERS)


def mgd3(root: Path) -> MadePool:
    for c, wnid in enumerate(WNIDS):
        for i in range(PER_CLASS):
            for k in range(2):
                write(root / f"dataset_{k}/{wnid}/{i}.png", c, 10 * k + i)
    return MadePool(root, WNIDS, images=2 * PER_CLASS)


def merged_folders(root: Path) -> MadePool:
    """D4M's budgets side by side, the smaller a part of the larger."""
    for c in range(NUM_CLASSES):
        write(root / f"ipc1/{c}/{c}-image00.png", c, 0)
    return MadePool(root, _write_classes(root / "ipc10", NUMBERS, "{c}-image0{i}.png"))


def coda(root: Path) -> MadePool:
    _write_classes(root / "generated_images", WNIDS)
    (root / "clusters").mkdir()
    (root / "clusters/centres.pkl").write_bytes(b"")
    return MadePool(root, WNIDS)


def d4m(root: Path) -> MadePool:
    return MadePool(root, _write_classes(root / "tiny_ipc3_50", NUMBERS, "{c}-image0{i}.png"))


def dgs(root: Path) -> MadePool:
    for wnid in _write_classes(root, WNIDS):
        (root / wnid / "selected.jsonl").write_text('{"file": "0.png", "difficulty": 0.5}\n')
    return MadePool(root, WNIDS)


# ------------------------------------------------------------------ tensors and tables


def _pixels(num_classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, H, W, 3) and labels (N,), class after class."""
    labels = np.repeat(np.arange(num_classes), PER_CLASS)
    return np.stack([picture(c, i) for i, c in enumerate(labels.tolist())]), labels


def _tensors(num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, H, W) from 0 to 1 and labels (N,)."""
    pixels, labels = _pixels(num_classes)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255, torch.from_numpy(labels)


def dc(root: Path) -> MadePool:
    root.mkdir(parents=True)
    images, labels = _tensors(10)
    path = root / "res_DC_CIFAR10_ConvNet_3ipc.pt"
    torch.save({"data": [[images, labels]], "accs_all_exps": {"ConvNet": [0.4]}}, path)
    return MadePool(path, NUMBERS[:10])


def mtt(root: Path) -> MadePool:
    """Normalised, in a folder with checkpoints of earlier steps."""
    root.mkdir(parents=True)
    images, labels = _tensors(10)
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    torch.save((images - mean[:, None, None]) / std[:, None, None], root / "images_best.pt")
    torch.save(labels, root / "labels_best.pt")
    return MadePool(root, NUMBERS[:10], classes="cifar10")


def tensors(root: Path) -> MadePool:
    root.mkdir(parents=True)
    images, labels = _tensors(NUM_CLASSES)
    torch.save({"images": images, "labels": labels}, root / "distilled.pt")
    return MadePool(root / "distilled.pt", NUMBERS)


def npz(root: Path) -> MadePool:
    root.mkdir(parents=True)
    images, labels = _pixels(NUM_CLASSES)
    np.savez(root / "distilled.npz", images=images, labels=labels)
    return MadePool(root / "distilled.npz", NUMBERS)


def huggingface_folder(root: Path) -> MadePool:
    rows = []
    for c in range(NUM_CLASSES):
        for i in range(PER_CLASS):
            write(root / f"train/{c:02d}{i}.png", c, i)
            rows.append(json.dumps({"file_name": f"{c:02d}{i}.png", "label": c}))
    (root / "train/metadata.jsonl").write_text("\n".join(rows) + "\n")
    return MadePool(root, NUMBERS)


def parquet(root: Path) -> MadePool:
    (root / "data").mkdir(parents=True)
    labels = np.repeat(np.arange(NUM_CLASSES), PER_CLASS).tolist()
    images = [{"bytes": encoded(c, i), "path": f"{i}.png"} for i, c in enumerate(labels)]
    table = pa.table({"image": images, "label": labels})
    half = len(labels) // 2
    pq.write_table(table.slice(0, half), root / "data/train-00000-of-00002.parquet")
    pq.write_table(table.slice(half), root / "data/train-00001-of-00002.parquet")
    return MadePool(root, NUMBERS)


# ------------------------------------------------------------------ tars


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def webdataset(root: Path) -> MadePool:
    root.mkdir(parents=True)
    labels = np.repeat(np.arange(NUM_CLASSES), PER_CLASS).tolist()
    for shard in range(2):
        with tarfile.open(root / f"pool-{shard:06d}.tar", "w") as archive:
            for i, c in list(enumerate(labels))[shard::2]:
                _add(archive, f"{i:06d}.png", encoded(c, i))
                _add(archive, f"{i:06d}.cls", str(c).encode())
    return MadePool(root / "pool-{000000..000001}.tar", NUMBERS)


def tar(root: Path) -> MadePool:
    root.mkdir(parents=True)
    with tarfile.open(root / "pool.tar", "w") as archive:
        for c in range(NUM_CLASSES):
            for i in range(PER_CLASS):
                _add(archive, f"pool/{c}/{c}-image0{i}.png", encoded(c, i))
    return MadePool(root / "pool.tar", NUMBERS)


# ------------------------------------------------------------------ official forms

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar(root: Path) -> MadePool:
    """Thirty training images in five batches, ten test images; torchvision refuses their hashes."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    meta = {"label_names": list(CIFAR10_NAMES), "num_cases_per_batch": 6, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), PER_CLASS)).tolist()
    batches = {f"data_batch_{b + 1}": list(enumerate(labels))[6 * b : 6 * b + 6] for b in range(5)}
    batches["test_batch"] = [(100 + c, c) for c in range(10)]
    for name, rows in batches.items():
        data = np.stack([picture(c, i).transpose(2, 0, 1).ravel() for i, c in rows])
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [c for _, c in rows]}))
    return MadePool(root, CIFAR10_NAMES)


def tiny_imagenet(root: Path) -> MadePool:
    """Training images, validation images in one folder, and lists in an order that is not sorted."""
    for c, wnid in enumerate(WNIDS):
        for i in range(PER_CLASS):
            write(root / f"train/{wnid}/images/{wnid}_{i}.JPEG", c, i)
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t20\t30\n")
    annotations = []
    for i, wnid in enumerate(2 * WNIDS[::-1]):
        write(root / f"val/images/val_{i}.JPEG", WNIDS.index(wnid), 100 + i)
        annotations.append(f"val_{i}.JPEG\t{wnid}\t0\t32\t44\t62\n")
    (root / "val/val_annotations.txt").write_text("".join(annotations))
    write(root / "test/images/test_0.JPEG", 0, 200)
    (root / "wnids.txt").write_text("\n".join(WNIDS[::-1]) + "\n")
    words = [f"{wnid}\tname of {c}, another name\n" for c, wnid in enumerate(WNIDS)]
    (root / "words.txt").write_text("n00001740\tentity\n" + "".join(words))
    return MadePool(root, WNIDS)


def imagenet(root: Path) -> MadePool:
    """Training images, flat validation images, and the devkit unpacked beside them."""
    for c, wnid in enumerate(WNIDS):
        for i in range(PER_CLASS):
            write(root / f"train/{wnid}/{wnid}_{i}.JPEG", c, i)
    numbers = []  # the devkit counts classes from 1, in an order of its own
    for i, wnid in enumerate(2 * WNIDS[::-1]):
        write(root / f"val/ILSVRC2012_val_{i + 1:08d}.JPEG", WNIDS.index(wnid), 100 + i)
        numbers.append(len(WNIDS) - WNIDS.index(wnid))
    data = root / "ILSVRC2012_devkit_t12/data"
    data.mkdir(parents=True)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{n}\n" for n in numbers))
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    synsets = [(n + 1, wnid, f"name of {wnid}, other", "", 0) for n, wnid in enumerate(WNIDS[::-1])]
    synsets.append((len(WNIDS) + 1, "n00001740", "entity", "", 2))
    scipy.io.savemat(data / "meta.mat", {"synsets": np.array(synsets, dtype=fields)})
    return MadePool(root, WNIDS)


MAKERS: dict[str, Maker] = {
    "subset": subset,
    "cifar": cifar,
    "tiny_imagenet": tiny_imagenet,
    "imagenet": imagenet,
    "dc": dc,
    "mtt": mtt,
    "tensors": tensors,
    "npz": npz,
    "huggingface_folder": huggingface_folder,
    "parquet": parquet,
    "webdataset": webdataset,
    "tar": tar,
    "mgd3": mgd3,
    "merged_folders": merged_folders,
    "coda": coda,
    "dgs": dgs,
    "rded": rded,
    "sre2l": sre2l,
    "d4m": d4m,
    "dit": dit,
    "class_folders": class_folders,
}
"""For each layout by its name what makes a pool of it in a new folder."""

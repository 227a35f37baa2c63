"""The layouts that pools come in: who writes them, how they look, and what reads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from semdd_lightning.pools.cifar_files import CifarFiles
from semdd_lightning.pools.class_folders import ClassFolders, MergedFolders
from semdd_lightning.pools.image_set import DiskPool
from semdd_lightning.pools.imagenet_files import ImageNetFiles, TinyImageNetFiles
from semdd_lightning.pools.metadata_folder import MetadataFolder
from semdd_lightning.pools.parquet import ParquetImages
from semdd_lightning.pools.recognisers import (
    Recogniser,
    cifar,
    class_folders,
    class_folders_named,
    coda,
    dgs,
    file_named,
    imagenet,
    metadata_folder,
    parquet,
    parts,
    subset,
    tar_of_folders,
    tar_shards,
    tiny_imagenet,
)
from semdd_lightning.pools.tensors import TensorFile
from semdd_lightning.pools.webdataset import TarShards


@dataclass(frozen=True)
class Layout:
    """One way in which a pool lies on disk.

    Args:
        name: What configs and the command line call it.
        written_by: The methods and tools that write it.
        pattern: Paths below the pool's root, with ``{...}`` for what varies.
        recogniser: Says in words what of the layout is seen at a path, or nothing.
        reader: The class that reads it.
        also: Other names of the same layout.
    """

    name: str
    written_by: str
    pattern: str
    recogniser: Recogniser
    reader: type[DiskPool] = ClassFolders
    also: tuple[str, ...] = ()


LAYOUTS: tuple[Layout, ...] = (
    Layout("subset", "semdd select, semdd fit", "images/{class}/{image} beside manifest.json", subset),
    Layout(
        "cifar",
        "CIFAR-10 and CIFAR-100, python version",
        "cifar-10-batches-py/data_batch_{1..5}, cifar-100-python/train",
        cifar,
        CifarFiles,
    ),
    Layout(
        "tiny_imagenet",
        "Tiny-ImageNet",
        "train/{wnid}/images/{wnid}_{i}.JPEG, val/images/val_{i}.JPEG, val/val_annotations.txt",
        tiny_imagenet,
        TinyImageNetFiles,
    ),
    Layout(
        "imagenet",
        "ImageNet (ILSVRC 2012); fast.ai's ImageNette and ImageWoof",
        "train/{wnid}/{wnid}_{i}.JPEG, val/ILSVRC2012_val_{i:08d}.JPEG or val/{wnid}/...",
        imagenet,
        ImageNetFiles,
    ),
    Layout(
        "dc",
        "DC, DSA, DM",
        "res_{method}_{data}_{model}_{ipc}ipc.pt",
        partial(file_named, r"res_.+_\d+ipc\.pt", "named as the results of DC, DSA and DM"),
        TensorFile,
        also=("dsa", "dm"),
    ),
    Layout(
        "mtt",
        "MTT, DATM",
        "images_{step}.pt beside labels_{step}.pt",
        partial(file_named, r"images_.+\.pt", "named as the images of MTT and DATM"),
        TensorFile,
        also=("datm",),
    ),
    Layout(
        "tensors",
        "anything that saves with torch",
        "{name}.pt, {name}.pth",
        partial(file_named, r".+\.pth?", "a file of tensors"),
        TensorFile,
    ),
    Layout(
        "npz",
        "anything that saves with NumPy",
        "{name}.npz, {name}.npy",
        partial(file_named, r".+\.np[zy]", "a file of arrays"),
        TensorFile,
        also=("npy",),
    ),
    Layout(
        "huggingface_folder",
        "Hugging Face image folders with metadata",
        "{split}/{name}.png beside metadata.jsonl or metadata.csv",
        metadata_folder,
        MetadataFolder,
    ),
    Layout(
        "parquet", "Hugging Face data sets", "data/{split}-{i:05d}-of-{n:05d}.parquet", parquet, ParquetImages
    ),
    Layout(
        "webdataset",
        "WebDataset, img2dataset",
        "{name}-{i:06d}.tar with {key}.jpg and {key}.cls or {key}.json",
        tar_shards,
        TarShards,
    ),
    Layout("tar", "tar of class folders", "{name}.tar with {class}/{image}", tar_of_folders, TarShards),
    Layout("mgd3", "MGD3", "dataset_{k}/{wnid}/{i}.png", partial(parts, "dataset_"), MergedFolders),
    Layout(
        "merged_folders",
        "several pools side by side, as D4M's budgets",
        "ipc{k}/{class}/{image}",
        partial(parts, ""),
        MergedFolders,
    ),
    Layout("coda", "CoDA", "generated_images/{wnid}/{i}.png", coda),
    Layout("dgs", "DGS", "{wnid}/{i}.png beside selected.jsonl or metadata.jsonl", dgs),
    Layout(
        "rded",
        "RDED",
        "syn_data/{c:05d}/class{c:05d}_id{i:05d}.jpg",
        partial(class_folders_named, r"\d{5}", r"class{folder}_id\d{5}\.\w+"),
    ),
    Layout(
        "sre2l",
        "SRe2L, CDA, EDC",
        "new{c:03d}/class{c:03d}_id{i:03d}.jpg",
        partial(class_folders_named, r"new\d{3,}", r"class\d{3,}_id\d{3,}\.\w+"),
        also=("cda", "edc"),
    ),
    Layout(
        "d4m",
        "D4M",
        "{c}/{c}-image{i}{j}.png",
        partial(class_folders_named, r"\d+", r"{folder}-image\d+\.\w+"),
    ),
    Layout(
        "dit",
        "DiT, Minimax",
        "{wnid}/{i}.png",
        partial(class_folders_named, r"n\d{8}", r"\d+\.png"),
        also=("minimax",),
    ),
    Layout("class_folders", "everything else with a folder per class", "{class}/{image}", class_folders),
)
"""All layouts, the more specific ones first."""


LAYOUT_NAMES = {name: layout for layout in LAYOUTS for name in (layout.name, *layout.also)}
"""The layouts by every name that they go by."""

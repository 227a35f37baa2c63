"""Image pools: the images to choose from, one reader per layout; nothing here needs torch."""

from semdd_lightning.pools.any_pool import AnyPool, FoundLayout, as_image_set, sniff
from semdd_lightning.pools.cifar_files import CifarFiles
from semdd_lightning.pools.class_folders import ClassFolders, MergedFolders
from semdd_lightning.pools.image_set import DiskPool, ImageSet, ResolvedImages
from semdd_lightning.pools.imagenet_files import ImageNetFiles, TinyImageNetFiles
from semdd_lightning.pools.images import decode_image
from semdd_lightning.pools.layouts import LAYOUTS, Layout
from semdd_lightning.pools.metadata_folder import MetadataFolder
from semdd_lightning.pools.parquet import ParquetImages
from semdd_lightning.pools.pool import NEAR_CONSTANT, ExcludedImage, Pool, require_images_per_class
from semdd_lightning.pools.tensors import TensorFile
from semdd_lightning.pools.webdataset import TarShards

__all__ = [
    "LAYOUTS",
    "NEAR_CONSTANT",
    "AnyPool",
    "CifarFiles",
    "ClassFolders",
    "DiskPool",
    "ExcludedImage",
    "FoundLayout",
    "ImageNetFiles",
    "ImageSet",
    "Layout",
    "MergedFolders",
    "MetadataFolder",
    "ParquetImages",
    "Pool",
    "ResolvedImages",
    "TarShards",
    "TensorFile",
    "TinyImageNetFiles",
    "as_image_set",
    "decode_image",
    "require_images_per_class",
    "sniff",
]

"""Image pools: the images to choose from, one reader a layout; nothing here needs torch."""

from semdd_lightning.pools.class_folders import ClassFolders
from semdd_lightning.pools.images import read_image
from semdd_lightning.pools.pool import ExcludedImage, Pool, require_images_per_class
from semdd_lightning.pools.reader import PoolReader

__all__ = ["ClassFolders", "ExcludedImage", "Pool", "PoolReader", "read_image", "require_images_per_class"]

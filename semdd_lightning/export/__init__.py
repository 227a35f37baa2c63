"""A finished selection: its manifest, score table and images, written and read.

`PoolSelection` stands in `pool_selection`: records are read where torch is not imported.
"""

from semdd_lightning.export.choices import Choices, ChoicesRecord, read_choices
from semdd_lightning.export.manifest import (
    Manifest,
    build_component,
    class_path,
    describe,
    read_manifest,
)
from semdd_lightning.export.subset import (
    exported_images,
    read_selection,
    read_table,
    selection_table,
)

__all__ = [
    "Choices",
    "ChoicesRecord",
    "Manifest",
    "build_component",
    "class_path",
    "describe",
    "exported_images",
    "read_choices",
    "read_manifest",
    "read_selection",
    "read_table",
    "selection_table",
]

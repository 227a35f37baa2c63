"""A finished selection: its manifest, score table and images, written and read.

`PoolSelection` stands in `pool_selection`: records are read where torch is not imported.
"""

from semdd_lightning.export.choices import Choices, ChoicesRecord, read_choices
from semdd_lightning.export.files import (
    check_output_file,
    new_directory,
    require_new,
    write_csv,
    write_json,
    write_text,
)
from semdd_lightning.export.manifest import (
    Manifest,
    build_component,
    describe,
    read_manifest,
)
from semdd_lightning.export.subset import (
    exported_images,
    read_table,
    selection_table,
    write_subset,
)

__all__ = [
    "Choices",
    "ChoicesRecord",
    "Manifest",
    "build_component",
    "check_output_file",
    "describe",
    "exported_images",
    "new_directory",
    "read_choices",
    "read_manifest",
    "read_table",
    "require_new",
    "selection_table",
    "write_csv",
    "write_json",
    "write_subset",
    "write_text",
]

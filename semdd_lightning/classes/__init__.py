"""Which class is which: the one place where folder names, class lists and teacher heads meet; no torch."""

from semdd_lightning.classes.class_lists import read_class_list, registry_from_entries
from semdd_lightning.classes.folders import resolve_classes
from semdd_lightning.classes.registry import ClassRegistry, plain_name

__all__ = ["ClassRegistry", "plain_name", "read_class_list", "registry_from_entries", "resolve_classes"]

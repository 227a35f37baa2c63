"""A selection for others: in the forms that their tools open, each with a card that says what it is."""

from semdd_lightning.export.sharing.chosen_images import ChosenImages, SoftLabelArray, read_chosen
from semdd_lightning.export.sharing.forms import FORMS, Form, write_shared
from semdd_lightning.export.sharing.hub import check_repository, push

__all__ = [
    "FORMS",
    "ChosenImages",
    "Form",
    "SoftLabelArray",
    "check_repository",
    "push",
    "read_chosen",
    "write_shared",
]

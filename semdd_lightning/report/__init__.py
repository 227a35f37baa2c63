"""Tables and pictures of a finished selection or run."""

from semdd_lightning.report.command_tables import (
    encoded_words,
    print_label_table,
    print_run_table,
    print_selection_table,
)
from semdd_lightning.report.contact_sheet import log_selection, write_contact_sheet
from semdd_lightning.report.tables import readable_size, statistics_record, statistics_table

__all__ = [
    "encoded_words",
    "log_selection",
    "print_label_table",
    "print_run_table",
    "print_selection_table",
    "readable_size",
    "statistics_record",
    "statistics_table",
    "write_contact_sheet",
]

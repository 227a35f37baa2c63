"""Pages that open in any browser and ask for nothing: of a selection, and of an audit."""

from semdd_lightning.report.page.audit_page import write_audit_page
from semdd_lightning.report.page.selection_page import write_page

__all__ = ["write_audit_page", "write_page"]

"""Do a pool's folders hold the classes they are named for?

Votes, order, contents and verdict are pure numerics: arrays in, verdicts out. Around them stand the asking of
CLIP and teacher, what follows from the verdict, and how it is told: in words, as a record, as a table.
"""

from semdd_lightning.audit.auditing import (
    AUTOMATIC,
    AuditPolicy,
    TeacherLogits,
    apply_policy,
    audit_classes,
    check_policy,
    describe_refusal,
)
from semdd_lightning.audit.contents import folder_contents
from semdd_lightning.audit.order import explain_order, explain_order_by_reference
from semdd_lightning.audit.record import audit_outcome, audit_record, class_record, stray_classes
from semdd_lightning.audit.verdict import Audit, judge
from semdd_lightning.audit.votes import Votes, even_sample, vote, vote_by_class_means, vote_by_prototypes

__all__ = [
    "AUTOMATIC",
    "Audit",
    "AuditPolicy",
    "TeacherLogits",
    "Votes",
    "apply_policy",
    "audit_classes",
    "audit_outcome",
    "audit_record",
    "check_policy",
    "class_record",
    "describe_refusal",
    "even_sample",
    "explain_order",
    "explain_order_by_reference",
    "folder_contents",
    "judge",
    "stray_classes",
    "vote",
    "vote_by_class_means",
    "vote_by_prototypes",
]

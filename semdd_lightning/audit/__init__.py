"""Do a pool's folders hold the classes they are named for? Pure numerics: arrays in, verdicts out."""

from semdd_lightning.audit.contents import FolderContents, folder_contents
from semdd_lightning.audit.order import ClassOrder, explain_order, explain_order_by_reference
from semdd_lightning.audit.verdict import MOST_SUSPECTS, Audit, judge
from semdd_lightning.audit.votes import Votes, even_sample, vote, vote_by_class_means, vote_by_prototypes

__all__ = [
    "MOST_SUSPECTS",
    "Audit",
    "ClassOrder",
    "FolderContents",
    "Votes",
    "even_sample",
    "explain_order",
    "explain_order_by_reference",
    "folder_contents",
    "judge",
    "vote",
    "vote_by_class_means",
    "vote_by_prototypes",
]

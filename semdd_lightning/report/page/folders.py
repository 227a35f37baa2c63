"""What the audit says of a pool's folders, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from semdd_lightning.names import shown

_HEADS = ("folder", "class", "agreement", "real images", "resembles", "share", "verdict")


def suspects_section(audit: Mapping[str, Any] | None) -> str:
    """The folders that seem not to hold their class, with the class that they resemble.

    Args:
        audit: `folders`, the most suspect first, and `prior_knows_classes`; none where nobody looked.
    """
    if audit is None:
        return "<p>Nobody looked: the audit was off.</p>"
    suspects = [folder for folder in audit["folders"] if folder["verdict"] != "ok"]
    known = "" if audit["prior_knows_classes"] else " CLIP does not tell these classes apart."
    if not suspects:
        return f"<p>None of the {len(audit['folders']):,} folders is suspect.{known}</p>"
    said = (
        f"{len(suspects):,} of {len(audit['folders']):,} folders seem to hold another class too, or instead."
    )
    return f"<p>{said}{known}</p>{folders_table(suspects)}"


def folders_table(folders: Sequence[Mapping[str, Any]]) -> str:
    """Folders with agreement, resembled class, share and verdict.

    Args:
        folders: what `folder_records` returns, all or some.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    return (
        f'<div class="wide"><table class="folders"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_row, folders))}</tbody></table></div>"
    )


def _row(folder: Mapping[str, Any]) -> str:
    expected = folder["reference_agreement"]
    cells = [
        folder["class"],
        f"{folder['agreement']:.0%}",
        "-" if expected is None else f"{expected:.0%}",
        "-" if folder["verdict"] == "ok" else folder["suspected_class"],
        f"{folder['share']:.0%}",
    ]
    texts = "".join(f"<td>{escape(shown(cell))}</td>" for cell in cells)
    verdict = f'<td class="verdict {folder["verdict"]}">{folder["verdict"]}</td>'
    return f'<tr><th scope="row">{escape(shown(folder["folder"]))}</th>{texts}{verdict}</tr>'

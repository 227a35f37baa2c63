"""Brings pages that lie outside of docs/ into the documentation site: a hook of mkdocs, see ``mkdocs.yml``.

These are README.md and its companions, and the executed notebooks. Nothing is executed here: pages show what
the notebooks hold, and tests/test_notebook.py holds that to their scripts.
"""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages by the names that they have in the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the pictures of the notebooks."""
    for name, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=linked_from_docs((ROOT / name).read_text())))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, pictures = notebook_page(path)
        files.append(File.generated(config, f"gallery/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"gallery/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to what lies outside of docs/ to its page."""
    return linked_in_site(markdown, page.file.src_uri)


def linked_from_docs(text: str) -> str:
    """A page of the root, its links as they are seen from docs/."""
    return re.sub(r"\]\((?!\w+:)", "](../", text).replace("](../docs/", "](")


def linked_in_site(text: str, page: str) -> str:
    """A page of docs/, its links to what lies outside as they are seen in the site.

    Args:
        text: of the page.
        page: where it is in docs/.
    """
    up = "../" * page.count("/")
    for name, made in OUTSIDE.items():
        text = text.replace(f"]({up}../{name}", f"]({up}{made}")
    return re.sub(rf"\]\({re.escape(up)}\.\./notebooks/(\w+)\.ipynb", rf"]({up}gallery/\1.md", text)


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by the names that the text gives them."""
    pictures: dict[str, bytes] = {}
    parts: list[str] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in joined(cell.outputs):
            text, picture = shown(output, f"{path.stem}-{len(pictures)}.png")
            parts.append(text)
            if picture is not None:
                pictures[f"{path.stem}-{len(pictures)}.png"] = picture
    return "\n\n".join([*parts, f"This page is `notebooks/{path.name}`, as it ran.", ""]), pictures


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What a cell gave, with what it printed in one go as one output."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1] = NotebookNode(kept[-1] | {"text": kept[-1].text + output.text})
        else:
            kept.append(output)
    return kept


def shown(output: NotebookNode, name: str) -> tuple[str, bytes | None]:
    """What a cell gave, as Markdown; a picture also as the bytes of its file.

    Args:
        output: of the cell.
        name: of the file, should it be a picture.
    """
    data = output.get("data", {})
    if "image/png" in data:
        return f"![what the cell above draws]({name})", b64decode(data["image/png"])
    if "text/html" in data:
        return f"<div>\n{data['text/html']}\n</div>", None
    return f"```{{ .text .wrapped }}\n{(output.get('text') or data['text/plain']).rstrip()}\n```", None

"""What is written about the package: links lead somewhere, and the site asks no other host for anything."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
WRITTEN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    lost = [
        target
        for target in targets
        if target and not re.match(r"[a-z]+:", target) and not (path.parent / target).exists()
    ]
    assert lost == []


def test_every_page_has_its_place() -> None:
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    pages += [f"gallery/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert [page for page in pages if f" {page}\n" not in nav] == []


def test_every_public_package_is_in_the_reference() -> None:
    package = ROOT / "semdd_lightning"
    public = [path.parent.name for path in package.glob("*/__init__.py") if "\n__all__ =" in path.read_text()]
    written = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    assert [name for name in public if f"::: semdd_lightning.{name}\n" not in written] == []


def test_each_page_says_what_to_do_next() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference"]
    assert [path.name for path in pages if "\nNext: " not in path.read_text()] == []


def test_docstrings_have_sections_that_the_reference_knows() -> None:
    files = (ROOT / "semdd_lightning").rglob("*.py")
    assert [str(path) for path in files if re.search(r"^ +Example:$", path.read_text(), re.MULTILINE)] == []


def test_what_a_browser_loads_from_another_host_is_found(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    from scripts.site_offline import outside_requests

    (tmp_path / "kept.html").write_text(
        '<a href="https://a.example"></a><link rel="canonical" href="https://b.example">'
        '<link rel="stylesheet" href="c.css"><img src="data:image/png;base64,AA"><script>"https://d.example"</script>'
    )
    (tmp_path / "kept.css").write_text("a { background: url(d.png) }")
    assert list(outside_requests(tmp_path)) == []
    asking = [
        '<script src="https://a.example/x.js"></script>',
        '<link rel="preload stylesheet" href="//b.example/y.css">',
        "<style>@import 'https://c.example/z.css';</style>",
        '<p style="background: url(http://d.example/p.png)">',
        '<iframe src="HTTPS://e.example"></iframe>',
        '<img srcset="small.png, https://f.example/i.png 2x">',
    ]
    (tmp_path / "asks.html").write_text("".join(asking))
    (tmp_path / "asks.css").write_text("@font-face { src: url('https://g.example/f.woff2') }")
    hosts = [re.findall(r"(\w)\.example", address) for _, address in outside_requests(tmp_path)]
    assert sorted(hosts) == [[letter] for letter in "abcdefg"]


def test_links_lead_to_pages_of_the_site() -> None:
    pytest.importorskip("mkdocs")
    from scripts.site_pages import linked_from_docs, linked_in_site

    root = "[a](docs/pools.md#x) ![b](docs/images/b.png) [c](CONTRIBUTING.md) [d](https://d) `docs/pools.md`"
    seen = "[a](pools.md#x) ![b](images/b.png) [c](../CONTRIBUTING.md) [d](https://d) `docs/pools.md`"
    assert linked_from_docs(root) == seen
    assert linked_in_site(seen, "index.md") == seen.replace("../CONTRIBUTING.md", "contributing.md")
    notebook = "[a](../../notebooks/one.ipynb) [b](../../README.md#b)"
    assert linked_in_site(notebook, "gallery/index.md") == "[a](../gallery/one.md) [b](../index.md#b)"


def test_a_notebook_becomes_a_page_with_its_pictures(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    from scripts.site_pages import notebook_page

    outputs = [
        new_output("stream", text="said\n"),
        new_output("stream", text="once\n", name="stderr"),
        new_output("display_data", {"image/png": "cGl4ZWxz", "text/plain": "<Figure>"}),
        new_output("execute_result", {"text/html": "<table></table>", "text/plain": "table"}),
    ]
    cells = [new_markdown_cell("# Title"), new_code_cell("1 + 1", outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "one.ipynb")
    text, pictures = notebook_page(tmp_path / "one.ipynb")
    assert pictures == {"one-0.png": b"pixels"}
    said = ["# Title", "```python\n1 + 1\n```", "said\nonce\n```", "(one-0.png)", "<table></table>"]
    places = [text.index(part) for part in said]
    assert places == sorted(places)

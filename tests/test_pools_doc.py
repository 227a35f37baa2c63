"""The tables of docs/pools.md are made from what these tests run; each command in them is run here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from pydoc import locate

import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.datasets import dataset_table
from semdd_lightning.pools.layouts import LAYOUTS
from tests.layout_makers import MAKERS

DOCUMENT = Path(__file__).parents[1] / "docs" / "pools.md"


def section(name: str) -> str:
    """What stands between the markers of a generated table."""
    text = DOCUMENT.read_text()
    start, stop = f"<!-- {name}: made by tests/test_pools_doc.py -->\n", f"<!-- end of {name} -->"
    return text[text.index(start) + len(start) : text.index(stop)]


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; a bar inside a cell would end it."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


@pytest.mark.usefixtures("unchecked_cifar")
def test_every_layout_is_read_by_the_command_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = []
    for layout in LAYOUTS:
        made = MAKERS[layout.name](tmp_path / "pools" / layout.name)
        words = ["pool", "inspect", str(made.path.relative_to(tmp_path))]
        words += [] if made.classes is None else ["--classes", made.classes]
        assert main([*words, "--json", "found.json"]) == 0, capsys.readouterr().err
        found = json.loads(Path("found.json").read_text())
        assert found["layout"] == layout.name
        assert locate(found["reader"]) is layout.reader, "export it from semdd_lightning/pools/__init__.py"
        assert sum(found["images_per_class"]) == made.images * len(made.folders)
        names = ", ".join(f"`{name}`" for name in (layout.name, *layout.also))
        reader = found["reader"].rpartition(".")[2]
        rows.append(
            (names, layout.written_by, f"`{layout.pattern}`", f"`semdd {' '.join(words)}`", f"`{reader}`")
        )
    expected = markdown(("layout", "written by", "paths", "command", "reader in a config"), rows)
    assert section("layouts") == expected, f"put this table into {DOCUMENT}:\n{expected}"


def test_every_data_set_is_listed() -> None:
    table = dataset_table()
    header = tuple(table[0])
    expected = markdown(header, [tuple(str(row[name]) for name in header) for row in table])
    assert section("data sets") == expected, f"put this table into {DOCUMENT}:\n{expected}"

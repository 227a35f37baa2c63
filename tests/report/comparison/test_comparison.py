"""A comparison read back from its record: its table, sentences, parts and figures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text
from PIL import Image

from semdd_lightning import Comparison
from semdd_lightning.errors import ConfigError, RunError
from semdd_lightning.evaluation import write_cells
from semdd_lightning.records import write_record
from semdd_lightning.report.comparison import FIGURES, FORMATS, saved
from tests.evaluation.grids import cell, grid, runs

COMMAND = ("semdd", "compare", "--config", "my grid.yaml")


def small() -> Comparison:
    return Comparison(runs({"random": [0.4, 0.5, 0.45], "top": [0.6, 0.72, 0.66]}), COMMAND)


def test_it_is_read_from_its_directory(tmp_path: Path) -> None:
    cells = grid(2)
    write_cells(tmp_path, cells)
    found = Comparison.load(tmp_path)
    assert (found.runs, found.command) == (cells, None)
    write_record(tmp_path / "versions.json", {"command": [*COMMAND], "working_directory": "/"})
    assert Comparison.load(str(tmp_path)).command == "semdd compare --config 'my grid.yaml'"
    assert len(found.cells) == len(cells)
    assert found.table("relevance").query("sampler == 'relevance'")["verdict"].unique().tolist() == [
        "baseline"
    ]
    assert len(found.transfer()) == 8
    assert found.correlations()["n"].unique().tolist() == [3]
    assert found.dd_ranking()["lrs"].isna().all()
    with pytest.raises(RunError, match=r"cells.json to be whole .* found .*No such file"):
        Comparison.load(tmp_path / "none")
    wrongs: list[Any] = [None, 3, []]
    for wrong in wrongs:
        with pytest.raises(ConfigError, match="Expected the directory of a comparison to be a path"):
            Comparison.load(wrong)
        with pytest.raises(ConfigError, match=r"Expected a figure out of accuracy, .* found"):
            found.plot(wrong)
    with pytest.raises(ConfigError, match=r"Expected a baseline to be .*, found \[\]"):
        found.table(wrongs[2])


def test_its_table_is_the_callers_to_change() -> None:
    found = small()
    table = found.table()
    table["top1_mean"] = 0.0
    assert found.table()["top1_mean"].tolist() == pytest.approx([0.45, 0.66])


def test_what_it_says() -> None:
    assert small().summary() == "Against random (hard labels): better: top (+21.00)."
    two = Comparison([*runs({"a": [0.1, 0.3, 0.2], "b": [0.2, 0.1, 0.3]}), cell("c", 0, 0.5)])
    first = "cannot be told with 3 seeds: a (+0.00, no number up to 1,000 would do)"
    assert two.summary("b") == f"Against b (hard labels): {first}; cannot be told with one seed: c (+30.00)."
    assert Comparison([cell("a", 0)]).summary() == ""


def test_parts_of_it() -> None:
    whole = Comparison(grid(2), COMMAND)
    part = whole.where(pool="digits", ipc=10, labels="hard")
    assert set(part.cells["pool"]) == {"digits"}
    assert set(part.cells["ipc"]) == {10}
    assert set(part.cells["labels"]) == {"hard"}
    assert part.command == whole.command
    with pytest.raises(ConfigError, match=r"Expected axes out of pool, .* and labels, found pools"):
        whole.where(pools="digits")
    with pytest.raises(
        ConfigError, match=r"Expected places of this comparison .*'1', '10'.*found {'ipc': 5}"
    ):
        whole.where(ipc=5)


def test_every_figure_carries_n_and_the_command() -> None:
    found = Comparison(grid(2), COMMAND).where(student="conv3", labels="hard")
    assert found.kinds() == list(FIGURES)
    for kind in FIGURES:
        figure = found.plot(kind)
        (caption,) = [text.get_text() for text in figure.findobj(Text) if "n = 2 seeds" in text.get_text()]
        assert "semdd compare --config 'my grid.yaml'" in " ".join(caption.split())
        assert figure.axes[0].has_data()


def test_a_figure_is_the_same_file_twice() -> None:
    for file_format in FORMATS:
        assert saved(small().plot(), file_format) == saved(small().plot(), file_format)
    picture = Image.open(BytesIO(saved(small().plot("differences"), "png")))
    assert len(set(picture.convert("L").tobytes())) > 2, "it shows something in grey"


def test_names_with_formulas_and_control_characters_are_drawn_as_they_are() -> None:
    name = "a$x_$b\x1b"
    found = Comparison([cell(name, 0, 0.5, pool=pool) for pool in ("p$\\frac$", "q")])
    figure = found.plot()
    assert saved(figure, "svg")
    assert "p$\\frac$" in figure.axes[0].get_title()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pie", "Expected a figure out of accuracy, differences, ipc, pool_size, metrics, found 'pie'"),
        ("ipc", "Expected runs with several ipc that finished for the figure ipc, found none; run them, or"),
        ("pool_size", "Expected runs on pools of several sizes that finished for the figure pool_size"),
    ],
)
def test_what_cannot_be_drawn_is_said(kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small().plot(kind)
    assert small().kinds() == ["accuracy", "differences"]
    assert Comparison([cell("a", 0)]).kinds() == []


def test_many_panels_are_cut_and_said() -> None:
    many = [cell("random", 0, 0.5, pool=f"pool{number}") for number in range(30)]
    figure = Comparison(many).plot()
    assert any("The first 24 of 30." in " ".join(text.get_text().split()) for text in figure.findobj(Text))
    assert len([axes for axes in figure.axes if axes.axison]) == 24

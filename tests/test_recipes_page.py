"""docs/recipes.md shows what docs/results/recipes.yaml holds, which has a row for every experiment."""

from __future__ import annotations

from scripts import write_recipes_page as script
from semdd_lightning.experiment.config.configs import packaged_configs


def test_the_page_is_that_of_the_record() -> None:
    assert script.PAGE.read_text() == script.page(), (
        "docs/recipes.md is out of date; run `python -m scripts.write_recipes_page`"
    )


def test_every_packaged_experiment_has_a_row() -> None:
    files = [
        path
        for folder in (".", "teachers", "protocols")
        for path in (packaged_configs() / folder).glob("*.yaml")
    ]
    packaged = {path.relative_to(packaged_configs()).as_posix() for path in files}
    assert packaged == {name for row in script.recipes() for name in row["config"].split(" + ")}


def test_a_row_holds_known_columns_and_says_whose_its_accuracy_is() -> None:
    for row in script.recipes():
        assert row.keys() <= set(script.KEYS)
        assert ("top1" in row) == ("whose" in row) == ("source" in row)
        assert "hardware" in row or not {"seconds", "memory"} & row.keys()


def test_what_was_not_measured_says_so() -> None:
    *_, row = script.recipe_table([{"config": "a.yaml + b.yaml"}])
    assert row == "| `a.yaml` + `b.yaml` |  |  | not measured |  | not measured | not measured |  |"
    measured = {"config": "a.yaml", "top1": "9.5", "whose": "ours", "source": "results/c.md", "seconds": "3"}
    assert script.cells(measured)[3:7] == ["9.5", "ours: [results/c.md](results/c.md)", "3", "not measured"]

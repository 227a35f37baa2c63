"""The cells of a grid: packaged comparisons, names of directories, and what of a config makes a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.cli.main import main
from semdd_lightning.evaluation import read_cells
from semdd_lightning.evaluation.cells import AXES
from semdd_lightning.experiment.config.configs import find_config, packaged_configs
from semdd_lightning.selection import build_sampler
from semdd_lightning.studies.axes import as_options, entries, read_section
from semdd_lightning.studies.design import prior_options
from semdd_lightning.studies.plan import Planned, _named, make_plan

PACKAGED = [path.stem for path in sorted((packaged_configs() / "compare").glob("*.yaml"))]
TABLES = [name for name in PACKAGED if name != "quickstart"]
LABELS = st.text(st.characters(blacklist_categories=["C"]), min_size=1, max_size=12)


@pytest.mark.parametrize("name", TABLES)
def test_a_papers_table_is_planned(name: str) -> None:
    config = find_config(f"compare/{name}.yaml")
    section = read_section([config], {})
    assert [entry["label"] for entry in section.pools or [] if isinstance(entry, dict)] == [
        "DiT", "Minimax", "D4M", "MGD3"
    ]  # fmt: skip
    assert (section.ipc, section.seeds, len(section.students or [])) == ([10, 20, 50], [0, 1, 2], 3)
    assert all(build_sampler(str(sampler)) for sampler in section.samplers or [])
    last = {"pools": (section.pools or [])[-1:], "students": (section.students or [])[-1:]}
    plan = make_plan([config], read_section([config], last), [])
    assert len(plan.cells) == 540 / 4 / 3
    assert plan.images[0] == f"pools/mgd3/{name}"
    network = next(word for word in plan.cells[0].argv if word.startswith("--model.init_args.network="))
    assert network.endswith(str(last["students"][0]))
    assert plan.cells[0].axes["protocol"] == ("minimax" if name.startswith("image") else "hard")


def test_the_quickstart_runs_in_its_packaged_form(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "--config=compare/quickstart.yaml", "--out=grid", "--seeds", "0", "--data.passes=1"]
    words += ["--data.passes_per_epoch=1", "--data.pool.init_args.images_per_class=6", "--data.audit=off"]
    assert main([*words, "--dry-run"]) == 0
    assert "12 cells, 0 finished, 12 to run" in capsys.readouterr().out
    assert main([*words, "--samplers", "random"]) == 0
    cells = read_cells(Path("grid"))
    assert [(cell.axes["pool"], cell.axes["protocol"], cell.labels) for cell in cells] == [
        (pool, protocol, labels)
        for pool in ("digits", "other digits")
        for protocol, labels in (("soft", "online"), ("hard", "hard"))
    ]
    assert [cell.directory for cell in cells][:2] == ["digits-random-soft-seed0", "digits-random-hard-seed0"]
    assert "other_digits-random-hard-seed0" in [cell.directory for cell in cells]


def planned(sampler: str, pool: str, seed: int) -> Planned:
    axes: dict[str, str | int] = dict.fromkeys(AXES, "x")
    axes |= {"pool": pool, "sampler": sampler, "ipc": 1, "selection_seed": seed, "training_seed": seed}
    return Planned(axes, (), (), "")


@given(st.lists(LABELS, min_size=1, max_size=4, unique=True), st.lists(LABELS, max_size=4, unique=True))
def test_every_cell_has_a_directory_of_its_own(samplers: list[str], pools: list[str]) -> None:
    cells = [
        planned(sampler, pool, seed) for sampler in samplers for pool in [*pools, "a"] for seed in (0, 1)
    ]
    cells = list({tuple(cell.axes.values()): cell for cell in cells}.values())
    names = [cell.name for cell in _named(cells, ["pool", "sampler"])]
    assert len({name.casefold() for name in names}) == len(cells), "also where case does not count"
    assert all(name == Path(name).name and not name.startswith(".") for name in names)
    assert all(len(name.encode()) <= 255 for name in names)


def test_names_say_what_varies() -> None:
    cells = [planned(sampler, "p", 0) for sampler in ("a b", "a/b", "two_stage", "\u6f22" * 300)]
    first, second, third, fourth = (cell.name for cell in _named(cells, ["sampler"]))
    assert third == "two_stage-seed0"
    assert first.startswith("a_b-seed0-")
    assert second.startswith("a_b-seed0-")
    assert first != second
    assert len(fourth.encode()) < 200


def test_a_sampler_keeps_what_the_config_gives_it(workplace: Path) -> None:
    described = {"class_path": "TwoStage", "init_args": {"candidate_ratio": 4.0}}
    config = workplace / "own.yaml"
    config.write_text(yaml.safe_dump({"data": {"init_args": {"sampler": described}}}))
    configs = [find_config("quickstart.yaml"), config]
    plan = make_plan(configs, read_section(configs, {"samplers": ["two_stage", "random"], "seeds": [7]}), [])
    one, other = (cell.argv for cell in plan.cells)
    assert not [word for word in one if word.startswith("--data.init_args.sampler")]
    assert "--data.init_args.sampler=random" in other
    assert "--seed_everything=7" in one


def test_a_sampler_with_arguments_is_named_by_the_package_that_offers_it() -> None:
    """Its file may move, and a comparison that was begun before goes on."""
    for named in ("two_stage", "TwoStage", "semdd_lightning.selection.samplers.two_stage.TwoStage"):
        value = {"label": "wide", "class_path": named, "init_args": {"candidate_ratio": 4.0}}
        (entry,) = entries("samplers", [value], [])
        assert entry.component == {
            "class_path": "semdd_lightning.selection.TwoStage",
            "init_args": {"candidate_ratio": 4.0},
        }


def test_a_clip_model_keeps_the_prompts_of_the_data_set() -> None:
    given = {"data": {"init_args": {"prior": {"model": "digits", "prompts": "openai_cifar"}}}}
    (word,) = prior_options("ViT-B-32-quickgelu:openai", given)
    name, _, value = word.partition("=")
    assert name == "--data.init_args.prior"
    named = {"model": "ViT-B-32-quickgelu", "pretrained": "openai", "activation": None}
    assert yaml.safe_load(value) == {**named, "prompts": "openai_cifar"}
    (word,) = prior_options("timm/resnet18", given)
    assert yaml.safe_load(word.partition("=")[2])["class_path"].endswith("TimmPrior")
    assert prior_options({"model": "digits"}, given) == ['--data.init_args.prior={"model": "digits"}']
    assert prior_options(None, given) == []


def test_two_configs_of_one_name_go_by_their_paths(workplace: Path) -> None:
    (workplace / "sub").mkdir()
    for name in ("one.yaml", "two.yaml", "sub/one.yaml"):
        (workplace / name).write_text("{}")
    values = ["one.yaml", "sub/one.yaml", "two", "hard"]
    found = entries("protocols", values, [workplace / "one.yaml"])
    assert [entry.label for entry in found] == ["one.yaml", "sub/one.yaml", "two", "hard"]
    assert [entry.configs for entry in found] == [
        (workplace / "one.yaml",),
        (workplace / "sub" / "one.yaml",),
        (workplace / "two.yaml",),
        (packaged_configs() / "protocols" / "hard.yaml",),
    ]


def test_options_of_settings_keep_classes_whole() -> None:
    settings = {"data": {"class_path": "D", "init_args": {"ipc": 1, "x": {}, "y": None}}, "trainer.z": [1]}
    words = ["--data=D", "--data.init_args.ipc=1", "--data.init_args.x={}", "--data.init_args.y=null"]
    assert list(as_options(settings)) == [*words, "--trainer.z=[1]"]

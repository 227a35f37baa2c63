"""docs/extending.md: the classes work as they stand there, by path and, installed, by name."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from semdd_lightning.cli.main import main
from semdd_lightning.export import build_component, describe, read_manifest, read_table
from semdd_lightning.pools import ClassFolders, ImageSet
from semdd_lightning.selection import build_sampler, build_score

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
FENCES = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
SMALL = ["--data.pool.images_per_class=6", "--data.ipc=2", "--data.passes=2", "--data.passes_per_epoch=1"]


def fences(kind: str) -> list[str]:
    return [text for found, text in FENCES if found == kind]


@pytest.fixture(autouse=True)
def _workplace(
    tmp_path: Path, coloured_pool: Path, tiny_clip_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A working directory with the page's module, a pool, and the tiny CLIP where the page names another."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_pool").symlink_to(coloured_pool)
    (tmp_path / "tiny_clip").symlink_to(tiny_clip_dir)
    (tmp_path / "my_selection.py").write_text("\n\n".join(fences("python")))
    yield
    sys.modules.pop("my_selection", None)


def test_each_class_is_short() -> None:
    assert all(len([line for line in text.splitlines() if line]) < 20 for text in fences("python"))


def test_the_image_set_is_read_as_a_pool_and_as_a_split(
    tmp_path: Path, coloured_pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for folder in coloured_pool.iterdir():
        (tmp_path / "renders" / folder.name).mkdir(parents=True)
        (tmp_path / "renders" / folder.name / "frames").symlink_to(folder)
    kind = {"class_path": "my_selection.Renders", "init_args": {"path": "renders", "held_out": 1}}
    images = build_component(kind, ImageSet)
    pool, split, own = images.read(), images.open(), ClassFolders(coloured_pool, held_out=1).read()
    assert pool.registry.names == own.registry.names
    assert [path.replace("/frames/", "/") for path in pool.paths] == list(own.paths)
    assert split.labels.tolist() == own.labels.tolist()
    assert build_component(describe(images), ImageSet).read().fingerprint == pool.fingerprint


def test_the_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    (commands,), before = fences("sh"), list(sys.path)
    for line in commands.splitlines():
        words = ["tiny_clip" if word == "ViT-B-32-quickgelu:openai" else word for word in shlex.split(line)][
            1:
        ]
        extra = {"select": ["--audit=off"], "compare": SMALL}.get(words[0], [])
        assert main([*words, *extra]) == 0, (line, capsys.readouterr().err)
    assert sys.path == before, "a command leaves it as it was"
    manifest = read_manifest(Path("strata"))
    assert manifest.sampler == {"class_path": "my_selection.Strata", "init_args": {"best_share": 0.9}}
    assert "my_selection.Centrality" in read_table(Path("central"))
    assert "my_selection.Strata" in capsys.readouterr().out


def test_a_config_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = fences("yaml")
    data = yaml.safe_load(text)["data"]["init_args"]
    data["sampler"]["init_args"]["best_share"] = 0.6
    Path("own.yaml").write_text(yaml.safe_dump({"data": {"init_args": data}}))
    words = ["compare", "--config=quickstart.yaml", "--config=own.yaml", "--samplers", "my_selection.Strata"]
    assert main([*words, "--seeds=0", "--out=table", *SMALL]) == 0, capsys.readouterr().err
    cell = Path("table") / "my_selection.Strata-seed0"
    assert read_manifest(cell).sampler["init_args"] == {"best_share": 0.6}
    assert main(["verify", str(cell)]) == 0
    Path("my_selection.py").unlink()
    sys.modules.pop("my_selection")
    capsys.readouterr()
    assert main(["verify", str(cell)]) == 2
    assert "No module named 'my_selection'" in capsys.readouterr().err


def test_installed_they_have_short_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = fences("toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    site = tmp_path / "site"
    information = site / "my_selection-1.0.dist-info"
    information.mkdir(parents=True)
    Path("my_selection.py").rename(site / "my_selection.py")
    (information / "METADATA").write_text("Name: my_selection\nVersion: 1.0\n")
    groups["semdd_lightning.samplers"]["broken"] = "my_selection:Missing"
    (information / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {path}\n" for name, path in points.items())
            for group, points in groups.items()
        )
    )
    monkeypatch.syspath_prepend(site)
    with pytest.raises(SystemExit, match="0"):
        main(["select", "--help"])
    listed = capsys.readouterr().out
    assert re.search(r"^  strata +Evenly spaced along the ranking by quality$", listed, re.MULTILINE)
    assert re.search(r"^  centrality +The image is like the mean of its class$", listed, re.MULTILINE)
    assert re.search(r"^  broken +cannot be used: .*Missing", listed, re.MULTILINE)
    words = ["my_pool", "--ipc=5", "--prior=tiny_clip", "--audit=off", "--sampler=strata", "--out=out"]
    assert main(["select", *words]) == 0, capsys.readouterr().err
    assert read_manifest(Path("out")).sampler["class_path"] == "my_selection.Strata"
    assert main(["verify", "out"]) == 0
    assert type(build_sampler("strata")).__module__ == type(build_score("centrality")).__module__

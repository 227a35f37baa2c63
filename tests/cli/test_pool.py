"""`semdd pool inspect`: what it prints is true, what it suggests runs, what it cannot read it refuses."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from semdd_lightning.cli.main import main
from semdd_lightning.export import build_component, read_manifest
from semdd_lightning.pools import ClassFolders, ImageSet, MergedFolders
from tests.layout_makers import MAKERS, NUM_CLASSES, PER_CLASS


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def inspect(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["pool", "inspect", *words]) == 0
    return capsys.readouterr().out


def test_the_table_says_what_was_found(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = MAKERS["d4m"](workplace / "results")
    text = inspect(capsys, "results")
    for part in (
        "d4m: 12 class folders with images as 0/0-image00.png",
        f"{made.path / 'tiny_ipc3_50'}",
        "12: 0, 1, 2, 3, 4 and 7 more",
        "3 at least, median 3, 3 at most",
        "32 x 32: 36",
        ".png: 36",
    ):
        assert part in text


def test_the_same_as_data(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MAKERS["d4m"](workplace / "results")
    (workplace / "results/tiny_ipc3_50/0/0-image00.png").write_bytes(b"")
    inspect(capsys, "results", "--json", "pool.json")
    found = json.loads((workplace / "pool.json").read_text())
    assert found["layout"] == "d4m"
    assert found["class_folders"] == [str(c) for c in range(NUM_CLASSES)]
    assert found["images_per_class"] == [PER_CLASS - 1] + [PER_CLASS] * (NUM_CLASSES - 1)
    assert found["short_classes"] == {"0": PER_CLASS - 1}
    assert found["unreadable"] == {"0/0-image00.png": "unreadable: empty file"}


def test_the_suggested_selection_runs(
    workplace: Path, capsys: pytest.CaptureFixture[str], tiny_clip_dir: Path
) -> None:
    MAKERS["sre2l"](workplace / "a pool")
    (workplace / "classes.txt").write_text("".join(f"name {c}\n" for c in range(NUM_CLASSES)))
    text = inspect(capsys, "a pool", "--classes", "classes.txt")
    (line,) = (line for line in text.splitlines() if line.startswith("  semdd select "))
    words = [
        str(tiny_clip_dir) if word == "ViT-B-32-quickgelu:openai" else word for word in shlex.split(line)
    ]
    assert main(words[1:]) == 0
    manifest = read_manifest(workplace / "chosen")
    assert manifest.ipc == 1
    assert manifest.class_names == tuple(f"name {c}" for c in range(NUM_CLASSES))
    assert manifest.pool["class_path"] == "semdd_lightning.pools.AnyPool"
    assert main(["verify", "chosen"]) == 0


def test_the_suggested_config_is_the_reader(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = MAKERS["coda"](workplace / "pool")
    text = inspect(capsys, "pool")
    config = yaml.safe_load(text.partition("In a config:\n")[2])
    reader = build_component(config["data"]["init_args"]["pool"], ImageSet)
    assert reader == ClassFolders(made.path / "generated_images")


def test_a_layout_by_name(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = MAKERS["merged_folders"](workplace / "pool")
    text = inspect(capsys, "pool", "--layout", "mgd3")
    assert "mgd3: asked for" in text
    assert "semdd select pool --layout mgd3 --ipc 1" in text
    config = yaml.safe_load(text.partition("In a config:\n")[2])
    assert build_component(config["data"]["init_args"]["pool"], ImageSet) == MergedFolders(made.path)


def test_the_data_set_is_guessed_by_wnids(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from semdd_lightning.datasets import DATASETS
    from tests.layout_makers import write

    for c, wnid in enumerate(DATASETS["imagewoof"].wnids or ()):
        write(workplace / "pool" / wnid / "1.png", c, 0)
    assert "semdd audit pool --dataset imagewoof " in inspect(capsys, "pool")
    MAKERS["npz"](workplace / "arrays")
    assert "semdd audit arrays/distilled.npz --prior " in inspect(capsys, "arrays/distilled.npz")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none",), "found nothing there"),
        (("empty",), "found an empty folder"),
        (("pool", "--layout", "imagefolder"), "Expected a layout to be auto or one of"),
        (("pool", "--classes", "cifar10"), "found 12 folders that do not fit"),
        (("pool", "--classes", "cifar11"), "found cifar11"),
        (("pool", "--json", "none/pool.json"), "Expected a folder for none/pool.json"),
    ],
)
def test_bad_input_is_refused(
    words: tuple[str, ...], message: str, workplace: Path, refused: Callable[..., str]
) -> None:
    (workplace / "empty").mkdir()
    MAKERS["sre2l"](workplace / "pool")
    assert message in refused("pool", "inspect", *words)


def test_a_pool_of_files_is_inspected_without_torch(workplace: Path) -> None:
    MAKERS["rded"](workplace / "pool")
    code = (
        "import sys; from semdd_lightning.cli.main import main\n"
        "try: main(['pool', 'inspect', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "sys.exit(main(['pool', 'inspect', 'pool']) or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sre2l/cda/edc" in done.stdout
    assert "rded: 12 class folders" in done.stdout
